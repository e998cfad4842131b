# SPDX-License-Identifier: GPL-2.0
# bcctl classify, on the tree. Part of tests/run.

rules=$tmp/rules.conf
export BC_RULES=$rules

# A process of somebody's: PID UID GID "GID..." PROGRAM
somebody()
{
	make_up "$1"
	printf 'Name:\tx\nUid:\t0\t%s\t%s\t%s\nGid:\t0\t%s\t%s\t%s\nGroups:\t%s \n' \
		"$2" "$2" "$2" "$3" "$3" "$3" "$4" >"$BC_PROC/$1/status"
	ln -sf "$5" "$BC_PROC/$1/exe"
}

group_of()
{
	cut -d: -f3 "$BC_PROC/$1/bc"
}

# --- rules --------------------------------------------------------------------
fresh
somebody 501 1 1 "" /usr/sbin/nginx
somebody 502 54321 54322 "8 9" /opt/a/bin/x
somebody 503 54321 54322 "" "/opt/a/bin/x (deleted)"
somebody 504 0 0 "0" "/opt/my app/y=z"
make_up 505
cat >"$rules" <<END
# comment
*:nginx        web/%u
*:/opt/*/bin/x apps/%u/%g
"*:/opt/my app/y=z" "/a group"
* rest
END
is "classify: a name" "501 /usr/sbin/nginx to web/daemon" bcctl classify 501
is "classify: it is there" /web/daemon group_of 501
is "classify: again" "" bcctl classify 501
is "classify: a pattern, numbers" "502 /opt/a/bin/x to apps/54321/54322" bcctl classify 502
is "classify: a program that was replaced" "503 /opt/a/bin/x to apps/54321/54322" bcctl classify 503
is "classify: blanks" "504 /opt/my app/y=z to /a group" bcctl classify 504
fails 1 "505 is no process with a program" bcctl classify 505
fails 1 "506 is no process with a program" bcctl classify 506

# Of a path that is too long, who it is still counts.
somebody 507 1 1 "" ENAMETOOLONG
printf '*:x to-x\n*:/* to-path\ndaemon long\n' >"$rules"
is "classify: a path that is too long" "507  to long" bcctl classify 507
# A first thread that has ended, as pthread_exit(3) in main() has it.
somebody 508 1 1 "" /bin/x
mkdir -p "$BC_PROC/508/task/508" "$BC_PROC/508/task/600"
mv "$BC_PROC/508/exe" "$BC_PROC/508/task/600/exe"
is "classify: the first thread has ended" "508 /bin/x to to-x" bcctl classify 508

# While it is looked at: its id is somebody else's, it is another program.
# meanwhile NAME COMMAND...
meanwhile()
{
	fresh
	somebody 509 1 1 "" /bin/x
	printf '*:x to-x\n* all\n' >"$rules"
	mv "$BC_PROC/509/status" "$tmp/status"
	mkfifo "$BC_PROC/509/status"
	bcctl classify 509 >"$tmp/out" 2>"$tmp/err" &
	# Opened by both, it has read what the program is.
	exec 9>"$BC_PROC/509/status"
	"$@"
	cat "$tmp/status" >&9
	exec 9>&-
	wait $!
}
another_process()
{
	mv "$BC_PROC/509" "$BC_PROC/old"
	somebody 509 0 0 "" /bin/other
	rm "$BC_PROC/old/exe"
}
meanwhile another_process
[ $? = 1 ] && grep -q "509 is no process with a program" "$tmp/err" && [ "$(group_of 509)" = / ]
result $? "classify: another process has got its id"
another_program()
{
	ln -sf /bin/y "$BC_PROC/509/exe"
	# For the next time.
	rm "$BC_PROC/509/status"
	cp "$tmp/status" "$BC_PROC/509/status"
}
meanwhile another_program
[ "$?$(group_of 509)" = 0/all ]
result $? "classify: it has started another program"

# Who: the first one counts.
try()
{
	fresh
	somebody 501 "$1" "$2" "$3" "${5-/bin/x}"
	printf '%b\n' "$4" >"$rules"
	bcctl classify 501 >/dev/null 2>"$tmp/err" || return
	group_of 501
}
is "rules: a user" /u try 1 1 "" 'daemon u\n* all'
is "rules: a number" /u try 54321 1 "" '54321 u\n* all'
is "rules: another user" /all try 2 1 "" 'daemon u\n* all'
is "rules: a group" /g try 2 1 "" '@daemon g\n* all'
is "rules: a group by number" /g try 2 54321 "" '@54321 g\n* all'
is "rules: one of several groups" /g try 2 54321 "3 1 5" '@daemon g\n* all'
is "rules: another group" /all try 2 54321 "3 5" '@daemon g\n* all'
is "rules: the first one" /first try 1 1 "" '* first\ndaemon second'
is "rules: user and program" /all try 1 1 "" 'daemon:y u\n2:x v\n* all'
is "rules: a name is not a path" /all try 1 1 "" '*:in/x u\n* all'
is "rules: a star is no slash" /all try 1 1 "" '*:/*/x u\n* all' /usr/bin/x
is "rules: to stay" / try 1 1 "" 'daemon -\n* all'
is "rules: a group called -" /- try 1 1 "" '* "-"'
is "rules: nobody's" / try 2 2 "" 'daemon u'
is "rules: none" / try 2 2 "" '# none'
is "rules: %u, %g and %%" /daemon/daemon/% try 1 1 "" '* %u/%g/%%'
is "rules: a hierarchy" / try 1 1 "" '* bc:/'
try 1 1 "" 'no-such-user x\n* all' >"$tmp/out"
[ "$(cat "$tmp/out")" = /all ] && grep -q "rules.conf:1: there is no user 'no-such-user'" "$tmp/err"
result $? "rules: a user that is not there"

# Nothing is done if a line is wrong.
for bad in 'x' 'x y z' '@ g' ':p g' 'x: g' '* %d' '* a%' '"x g' '= g' '* ""'; do
	fresh
	somebody 501 1 1 "" /bin/x
	printf '%s\n* all\n' "$bad" >"$rules"
	fails 1 "$rules:1: " bcctl classify 501
	is "rules: $bad: nothing is done" / group_of 501
done
printf 'bin:y u\n\0\n* all\n' >"$rules"
fails 1 "$rules:2: there is a NUL byte in this line" bcctl classify 501
is "rules: a NUL byte: nothing is done" / group_of 501
printf '* net:/x\n' >"$rules"
fails 1 "$rules:1: there is no hierarchy 'net'" bcctl classify 501
printf '* numtasks/x\n' >"$rules"
fails 1 "$rules:1: " bcctl classify 501
fails 1 "cannot read /nonexistent" bcctl classify -r /nonexistent 501

# --- which processes ----------------------------------------------------------
fresh
for i in 501 502 503; do
	somebody $i 1 1 "" /bin/x
done
make_up 504
somebody 1 1 1 "" /sbin/init
echo '* all' >"$rules"
bcctl create -p /else
bcctl create -p /all/below
bcctl move /else 502
bcctl move /all/below 503
is "classify -n" "501 /bin/x to all" bcctl classify -n -a
is "classify -n: it is not done" / group_of 501
is "classify -a: those in the root" "501 /bin/x to all" bcctl classify -a
is "classify -a: not init" / group_of 1
is "classify --force" "502 /bin/x to all" bcctl classify --force -a
is "classify --force: what is below stays" /all/below group_of 503
is "classify 1" "1 /sbin/init to all" bcctl classify 1
fails 2 "which processes? PID..., or --all, or --daemon" bcctl classify
fails 2 "which processes? PID..., or --all, or --daemon" bcctl classify -a 501
fails 2 "'x' is no id of a process" bcctl classify x

fresh
for i in 501 502 503; do
	somebody $i 1 1 "" /bin/x
done
export BC_FAKE_FAIL=/all/tasks=11
fails 1 "$rules:1: cannot move 501 to /all: a limit of numtasks" bcctl classify 501
bcctl classify -a >"$tmp/out" 2>"$tmp/err"
[ $? = 1 ] && [ "$(wc -l <"$tmp/err")" = 1 ]
result $? "classify -a: one line for a kind of failure"
unset BC_FAKE_FAIL

# --- daemon -------------------------------------------------------------------
fresh
somebody 501 1 1 "" /bin/x
printf 'daemon:x xs\n' >"$rules"
BC_FAKE_EVENTS=1 fails 1 "that takes CAP_NET_ADMIN" bcctl classify --daemon
BC_FAKE_EVENTS=0 fails 1 "this kernel has no process events (CONFIG_PROC_EVENTS)" \
	bcctl classify --daemon
echo 'x' >"$rules"
BC_FAKE_EVENTS=0 fails 1 "$rules:1: " bcctl classify --daemon
printf 'daemon:x xs\ndaemon:y limited/ys\n' >"$rules"
mkfifo "$tmp/events"
exec 8<>"$tmp/events"
# No function: the signals are for bcctl itself.
BC_FAKE_EVENTS=$tmp/events $WRAP "$build/bcctl-fake" classify --daemon -v >"$tmp/out.d" \
	2>"$tmp/err.d" 8>&- &
daemon=$!
children="$children $daemon"
says()
{
	local i
	for ((i = 0; i < 200; i++)); do
		! grep -qF -- "$1" "$tmp/$2.d" || break
		sleep 0.05
	done
	[ $i -lt 200 ] || cp "$tmp/$2.d" "$tmp/err"
	[ $i -lt 200 ]
	result $? "daemon: ${3-$1}"
}
says "bcctl classify: ready" err
is "daemon: what was there before" /xs group_of 501
for event in exec uid gid; do
	somebody 510 1 1 "" /bin/x
	: >"$tmp/out.d"
	echo "$event 510" >&8
	says "510 /bin/x to xs" out "$event"
done
somebody 511 1 1 "" /bin/x
somebody 512 1 1 "" /bin/x
echo "fork 511" >&8
echo "exec 999" >&8
echo "spoof 511" >&8
echo "exec 512" >&8
says "512 /bin/x to xs" out
is "daemon: a fork is no event, and only the kernel is believed" / group_of 511
echo "lost" >&8
says "some process events are lost: all processes are looked at" err
says "511 /bin/x to xs" out "lost: found all the same"

printf 'daemon:x new\n%%\n' >"$rules"
kill -HUP "$daemon"
says "the rules stay as they were" err
somebody 513 1 1 "" /bin/x
echo "exec 513" >&8
says "513 /bin/x to xs" out "the old rules are good"
somebody 514 1 1 "" /bin/x
printf 'daemon:x new\ndaemon:y numtasks/x\n' >"$rules"
kill -HUP "$daemon"
says "514 /bin/x to new" out "SIGHUP: new rules, all are looked at"
for i in 520 521 522; do
	somebody $i 1 1 "" /bin/y
	echo "exec $i" >&8
done
somebody 523 1 1 "" /bin/x
echo "exec 523" >&8
says "523 /bin/x to new" out
is "daemon: one line for a kind of failure" 1 grep -c "$rules:2: .*numtasks" "$tmp/err.d"
kill "$daemon"
wait "$daemon"
result $? "daemon: SIGTERM ends it"
children=${children% *}

# "systemctl reload" may come before it is ready: while it reads the rules, here.
bcctl move / 501
mkfifo "$tmp/rules.fifo"
BC_RULES=$tmp/rules.fifo BC_FAKE_EVENTS=$tmp/events $WRAP "$build/bcctl-fake" classify --daemon \
	>"$tmp/out.d" 2>"$tmp/err.d" 8>&- &
daemon=$!
children="$children $daemon"
exec 9>"$tmp/rules.fifo"
kill -HUP "$daemon"
rm "$tmp/rules.fifo"
echo x >"$tmp/rules.fifo"
# (Not this shell: there may be nobody who reads it.)
(echo 'daemon:x early' >&9)
exec 9>&-
says "rules.fifo:1: it has to be" err "SIGHUP before it is ready: the rules are read again"
is "daemon: SIGHUP before it is ready: it has started" /early group_of 501
kill "$daemon" 2>/dev/null
wait "$daemon"
result $? "daemon: SIGHUP before it is ready: SIGTERM ends it"
children=${children% *}
exec 8>&-
