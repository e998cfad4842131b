#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the guest: a fork bomb, then programs that leak descriptors and memory, each in a
# group; a healthy program outside of it.
bc=/sys/kernel/config/bc
say()  { printf "\n${BOLD:+\033[1m}# %s${BOLD:+\033[0m}\n" "$*"; }
run()  { printf '  $ %s\n' "$*"; sh -c "$*" 2>&1 | sed 's/^/  /'; }

# How often the healthy program got by.
steps()
{
	wc -l </tmp/steps
}

row()
{
	printf '  %-26s' "$1"
	for g in web web/php; do
		for f in held maxheld failcnt; do
			printf ' %7s' "$(cat $bc/$g/numtasks/$f)"
		done
		printf '  '
	done
	printf ' %8s\n' "$(steps)"
}

uname -sr
say "A group is a directory. Groups nest."
run "mkdir $bc/web $bc/web/php"
run "ls $bc/web $bc/web/numtasks | tr '\n' ' '; echo"

say "All of web, php included, may have 30 tasks."
run "echo 30 > $bc/web/numtasks/limit"

say "A healthy program runs outside: it forks, and counts how often it got by."
(while :; do /bin/true && echo >>/tmp/steps; done) &
healthy=$!
while [ ! -s /tmp/steps ]; do usleep 10000; done

say "A shell moves itself to web/php (0 means: me), and becomes a fork bomb."
cat > /tmp/start <<EOF
echo 0 > $bc/web/php/tasks
exec /bc/bomb
EOF
sed 's/^/  $ /' /tmp/start

printf '\n  %-26s %23s  %24s   %8s\n' '' '--------- web ---------' '------- web/php -------' 'healthy'
printf '  %-26s %7s %7s %7s   %7s %7s %7s   %8s\n' '' held maxheld failcnt held maxheld failcnt steps
row "before"
sh /tmp/start &
bomb=$!
while [ "$(cat $bc/web/numtasks/failcnt)" = 0 ]; do usleep 10000; done
row "the bomb hits the limit"
before=$(steps)
sleep 1
row "a second later"
sleep 1
row "another second later"
after=$(steps)
echo
if [ "$after" -gt "$before" ]; then
	echo "  The limit holds at 30. The refusals count in web, whose limit it is; outside, work"
	echo "  went on: $((after - before)) steps in these two seconds."
else
	echo "  The healthy program did not get on."
	fail=1
fi
if [ "$(cat $bc/web/numtasks/maxheld)" != 30 ]; then
	echo "  maxheld is not 30: the limit was not met, or not kept."
	fail=1
fi

say "Who is in there? Tools see processes as always."
run "wc -l < $bc/web/php/tasks"

say "A busy group cannot be removed, nor can one with groups in it."
run "rmdir $bc/web/php"
run "rmdir $bc/web"

say "What is in trouble, on a machine with many groups?"
run "bcctl show -q"

say "To end it: no more forks, kill all who are there, remove. No race to lose."
run "bcctl delete -r --kill web"
wait $bomb 2>/dev/null
if [ -d $bc/web ]; then
	echo "  They are still there."
	fail=1
fi
kill $healthy 2>/dev/null
wait $healthy 2>/dev/null

say "Second act. All programs of this machine together may open 1,000 files."
run "echo 1000 > /proc/sys/fs/file-max"

say "A server leaks one at every tenth request. It may have 200, its neighbour any."
run "bcctl create server numfiles=200"
run "bcctl create neighbour"
# In user namespaces, as root may go on above fs.file-max.
cat >/tmp/neighbour <<'EOF'
while cat /proc/uptime >/dev/null && echo >>/tmp/steps; do usleep 20000; done
EOF

# Start the neighbour, and the server when that gets by.
start()
{
	rm -f /tmp/steps
	(echo 0 >$bc/neighbour/tasks; exec unshare -U sh /tmp/neighbour) &
	healthy=$!
	while [ ! -s /tmp/steps ]; do usleep 10000; done
	(echo 0 >$bc/server/tasks; exec unshare -U "$1") &
	leak=$!
}

# What the server has of $1, the resource of this act, and what is said about it.
header()
{
	resource=$1
	printf '\n  %-26s %23s   %9s\n' '' '-------- server -------' 'neighbour'
	printf '  %-26s %7s %7s %7s   %9s\n' '' held maxheld failcnt steps
}

server()
{
	printf '  %-26s' "$1"
	for f in held maxheld failcnt; do
		printf ' %7s' "$(cat $bc/server/$resource/$f)"
	done
	printf '   %9s\n' "$(steps)"
}

# Wait until the server holds at least that many.
until_held()
{
	while [ "$(cat $bc/server/$resource/held)" -lt "$1" ]; do usleep 10000; done
}

remove_both()
{
	run "bcctl delete server neighbour"
	for g in server neighbour; do
		if [ -d $bc/$g ]; then
			echo "  $g is still there."
			fail=1
		fi
	done
}

start /bc/leak
header numfiles
until_held 100
server "it leaks"
while [ "$(cat $bc/server/numfiles/failcnt)" = 0 ]; do usleep 10000; done
server "it is at its limit"
before=$(steps)
sleep 2
after=$(steps)
server "two seconds later"
if [ "$after" -le "$before" ] || [ "$(cat $bc/server/numfiles/held)" -gt 200 ]; then
	echo "  That should not have happened."
	fail=1
fi

say "Why does it fail, and what would help?"
run "bcctl explain $leak | sed -n '1p; /numfiles/,/numino/p' | sed '\$d'"

say "The administrator gives it some room until it is mended. No restart."
run "bcctl set server numfiles=300"
until_held 300
server "at the new limit"

say "The same without a limit: the files of the whole machine are gone."
run "bcctl set server numfiles=max"
# The neighbour ends when it cannot open a file, which its shell tells.
wait $healthy 2>/dev/null
server "the neighbour has died"

say "When it is killed, its files are closed, and the group holds nothing."
kill $leak
wait $leak 2>/dev/null
while [ "$(cat $bc/server/numfiles/held)" != 0 ]; do usleep 10000; done
server "killed"
remove_both

say "Third act. A server leaks memory. It may have 32 MB of RAM, its neighbour any."
run "bcctl create server physpages=32M"
run "bcctl create neighbour"
kills=$bc/server/physpages/oom_kills
start /bc/hoard
header physpages
until_held 2000
server "it leaks"
while [ "$(cat $kills)" = 0 ] && kill -0 $leak 2>/dev/null; do usleep 10000; done
wait $leak 2>/dev/null
status=$?
server "it has been killed"
before=$(steps)
sleep 1
after=$(steps)
server "a second later"
if [ $status != 137 ] || [ "$(cat $kills)" != 1 ] || [ "$after" -le "$before" ] ||
   [ "$(cat $bc/server/physpages/maxheld)" -gt 8192 ]; then
	echo "  That should not have happened."
	fail=1
fi

say "What does the log say? (In pages, 8192 are 32 MB.)"
run "dmesg | grep '^bc: /server: out of memory'"
if ! dmesg | grep -q '^bc: /server: out of memory.*killed hoard'; then
	echo "  Nothing."
	fail=1
fi
kill $healthy 2>/dev/null
wait $healthy 2>/dev/null
# What its shell was just running.
while [ "$(cat $bc/neighbour/numtasks/held)" != 0 ]; do usleep 10000; done
remove_both
exit ${fail-0}
