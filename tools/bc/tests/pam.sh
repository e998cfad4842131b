# SPDX-License-Identifier: GPL-2.0
# pam_bc, in a real libpam, on the tree. Part of tests/run.

if [ ! -e "$build/pam_bc-fake.so" ]; then
	n=$((n + 1)); echo "ok $n pam # SKIP it was not built: there is no libpam"
	return
fi

mkdir "$tmp/pam.d"
export BC_LOG=$tmp/pam.log BC_RUN=$tmp/run BC_USERS=$tmp/users.conf
user=daemon

# The arguments of the module.
pam_args()
{
	echo "session required $build/pam_bc-fake.so debug $*" >"$tmp/pam.d/bc"
	: >"$BC_LOG"
}

session()
{
	local options=
	while [[ $1 == -* ]]; do options="$options $1"; shift; done
	"$build/pam-session" $options "$tmp/pam.d" "$@"
}

logged()
{
	grep -qF -- "$2" "$BC_LOG" || { cp "$BC_LOG" "$tmp/err"; false; }
	result $? "$1"
}

# Until a command succeeds, ten seconds.
until_ok()
{
	local i
	for ((i = 0; i < 200; i++)); do
		! "$@" || return 0
		sleep 0.05
	done
	return 1
}

fresh
ok "escape: it is built" test -x "$build/escape"
is "escape" 'alice dom\alice a@b.c _apt %2Ehidden a.b %6Eumfiles %74asks numfiles2 a%2Fb a%25 x%0A' \
	eval 'echo $("$build/escape" alice "dom\\alice" a@b.c _apt .hidden a.b numfiles tasks numfiles2 a/b a% $'"'x\n'"')'
is "escape: nothing" "an empty name is no group" "$build/escape" ""

# --- one session --------------------------------------------------------------
pam_args
echo "$user numtasks=12 numfiles=5:7" >"$BC_USERS"
limits="cat $root/users/$user/numtasks/limit $root/users/$user/numfiles/barrier"
is "pam: a session" "open 0
in 0:numtasks:/users/$user
12
5
close 0
in 0:numtasks:/" session $user "$limits"
[ -d "$root/users" ] && [ ! -e "$root/users/$user" ]
result $? "pam: the group is gone"
logged "pam: says what it has made" "made /users/$user as $BC_USERS:1 says"
is "pam: a lock that is nobody else's" 600 stat -c %a "$BC_RUN/users.lock"
has "pam: root=" "in 0:numtasks:/people/in/$user" eval \
	'pam_args root=people//in/; session $user true'

# --- two, and what they leave behind ------------------------------------------
pam_args
hold()
{
	session "${@:2}" "touch $tmp/in-$1; while [ ! -e $tmp/go-$1 ]; do sleep 0.05; done" \
		>"$tmp/session-$1" 2>&1 &
	until_ok test -e "$tmp/in-$1"
}
hold 1 $user
put users/$user/numtasks/limit 33
hold 2 $user
is "pam: a second session leaves limits alone" 33 cat "$root/users/$user/numtasks/limit"
is "pam: both are there" 2 eval "wc -l <$root/users/$user/tasks"
touch "$tmp/go-1"
wait -n
[ -d "$root/users/$user" ] && grep -q "close 0" "$tmp/session-1"
result $? "pam: the first one has ended, the group stays"
touch "$tmp/go-2"
wait
[ ! -e "$root/users/$user" ] && grep -q "close 0" "$tmp/session-2"
result $? "pam: the last one has ended, the group is gone"
is "pam: made once" 1 grep -c "made /users/$user" "$BC_LOG"

is "pam: a session in a session" "open 0
open 0
close 0
in 0:numtasks:/users/$user
close 0
in 0:numtasks:/" session -2 $user true

make_up 700
session $user "$build/bcctl-fake move /users/$user 700" >"$tmp/out" 2>"$tmp/err"
[ -d "$root/users/$user" ]
result $? "pam: somebody has stayed, and so does the group"
rm "$BC_PROC/700/made_up"
echo "bin numtasks=5" >>"$BC_USERS"
session bin true >"$tmp/out" 2>"$tmp/err"
[ -z "$(ls -d "$root"/users/*/tasks 2>/dev/null)" ]
result $? "pam: the next one to end takes it along"
session -k $user true >"$tmp/out" 2>"$tmp/err"
[ -d "$root/users/$user" ]
result $? "pam: killed, the group stays"
session root true >"$tmp/out" 2>"$tmp/err"
[ ! -e "$root/users/$user" ]
result $? "pam: somebody without a group takes it along, too"
session -k $user true >"$tmp/out" 2>"$tmp/err"
put users/$user/numtasks/limit max
has "pam: an empty group is made anew" 12 session $user "$limits"
if [ "$(id -u)" = 0 ]; then
	is "pam: closed by who has no privilege" "open 0
in 0:numtasks:/users/$user
in 0:numtasks:/users/$user" eval ': >$BC_LOG; session -s $user true'
	ok "pam: which is no error" eval '! grep -v "^<7>" "$BC_LOG"'
	session bin true >"$tmp/out"
	[ ! -e "$root/users/$user" ]
	result $? "pam: who has one, removes it"
	# Who has called su can stop it, with the locks that it has. access(2) is for that user.
	chmod 711 "$tmp"
	bcctl create -p /users/left
	is "pam: closed by su" "open 0
in 0:numtasks:/users/$user
close 0
in 0:numtasks:/" session -u $user true
	[ ! -e "$root/users/$user" ] && [ -d "$root/users/left" ]
	result $? "pam: su removes the group of its user, and touches no other"
	session bin true >"$tmp/out"
	[ ! -e "$root/users/left" ]
	result $? "pam: who is root altogether, does"
	chmod 700 "$tmp"
fi
BC_FAKE_ENDING=3 session $user true >"$tmp/out" 2>"$tmp/err"
[ ! -e "$root/users/$user" ]
result $? "pam: who is ending is waited for"
BC_FAKE_ENDING=100000 session $user true >"$tmp/out" 2>"$tmp/err"
[ -d "$root/users/$user" ]
result $? "pam: but not for long"

# --- what is left -------------------------------------------------------------
is "users: nobody is in there" "removed /users/$user" bcctl users --prune /users
ok "users: nothing is left" eval '[ -z "$(bcctl users --prune /users)" ] && [ ! -e "$root/users/$user" ]'
session $user "$build/bcctl-fake users --prune /users" >"$tmp/out" 2>"$tmp/err"
! grep removed "$tmp/out" && [ ! -s "$tmp/err" ]
result $? "users: somebody is in there"
ok "users: nobody has logged in yet" bcctl users -p /nosuch
session $user "sleep 0.7" >"$tmp/out" 2>"$tmp/err" &
until_ok test -d "$root/users/$user"
ok "users: waits for one" bcctl users --prune /users "$(id -u $user)"
wait
[ ! -e "$root/users/$user" ]
result $? "users: who is gone"
fails 1 "there is no user 'nosuch'" bcctl users --prune /users nosuch
session -k $user true >"$tmp/out" 2>"$tmp/err"
BC_RUN=/nosuch/run fails 1 "cannot remove groups in /users" bcctl users --prune /users

# --- a group with groups in it, which cannot be made anew ----------------------
pam_args
echo "$user numtasks=12 numfiles=5:7 numpty.limit=6 numkeys.barrier=4" >"$BC_USERS"
bcctl create -p users/$user/builds
is "pam: made as a parent, it has limits" "open 0
in 0:numtasks:/users/$user
12
5
close 0
in 0:numtasks:/" session $user "$limits"
[ -d "$root/users/$user/builds" ]
result $? "pam: what is below stays, and so does the group"
logged "pam: says that it has set limits" "set the limits of /users/$user again, as $BC_USERS:1 says"
bcctl set users/$user numtasks=33 numfiles=1:2 numflock=9 numpty=1:2 numkeys=1:2
make_up 700
bcctl move users/$user/builds 700
is "pam: its limits are those of the file, and no others" "12 5:7 max:max 6:6 4:max" eval \
	'echo $(session $user "cd $root/users/$user; cat numtasks/limit
		for r in numfiles numflock numpty numkeys; do
			echo \$(cat \$r/barrier):\$(cat \$r/limit)
		done" | grep -v "[a-z] \|[a-z]:/")'
bcctl move users/$user 700
bcctl set users/$user numtasks=33
has "pam: somebody is in there: it keeps its limits" "
33
" session $user "$limits"
rm "$BC_PROC/700/made_up"
echo "$user numtasks=12 numfoos=5" >"$BC_USERS"
pam_args required
is "pam: required: not with half the limits, again" "open 14" session $user true
[ -d "$root/users/$user/builds" ]
result $? "pam: required: what is below stays"
pam_args required
echo "$user numtasks=12" >"$BC_USERS"
export BC_FAKE_FAIL=/users/$user=5
is "pam: it cannot be removed for another reason" "open 14" session $user true
logged "pam: it cannot be removed for another reason" "cannot delete /users/$user: Input/output"
unset BC_FAKE_FAIL
bcctl delete -r users/$user

# --- 20 at once ---------------------------------------------------------------
pam_args
rm -f "$tmp"/in-* "$tmp"/go-*
for i in {1..20}; do
	session $user "cat $root/users/$user/numtasks/limit; touch $tmp/in-$i
		while [ ! -e $tmp/go-all ]; do sleep 0.1; done" >"$tmp/par-$i" 2>&1 &
done
all_in()
{
	[ "$(ls "$tmp"/in-* 2>/dev/null | wc -l)" = 20 ]
}
until_ok all_in
result $? "pam: 20 at once"
is "pam: made once for all" 1 grep -c "made /users/$user" "$BC_LOG"
is "pam: all are in there" 20 eval "wc -l <$root/users/$user/tasks"
touch "$tmp/go-all"
wait
is "pam: none has seen it without limits" 20 eval "cat $tmp/par-* | grep -cx 12"
[ ! -e "$root/users/$user" ]
result $? "pam: gone after the last one"

# --- who has which limits -----------------------------------------------------
group=$(id -gn $user)
outside="open 0
in none
close 0
in none"
cat >"$BC_USERS" <<END
* numtasks=1
@$group numtasks=2
bin -
$user numtasks=3
END
has "users: who is named goes first" 3 session $user "$limits"
sed -i '$d' "$BC_USERS"
has "users: then a group" 2 session $user "$limits"
is "users: '-'" "$outside" session bin true
is "users: root, for which all are not meant" "$outside" session root true
echo "root numtasks=9" >>"$BC_USERS"
has "users: root, by name" "in 0:numtasks:/users/root" session root true
echo "@nonsense numtasks=7" >"$BC_USERS"
is "users: nobody's" "$outside" session $user true
[ ! -e "$root/users/$user" ]
result $? "users: and there is no group"

mkdir -p "$BC_PROFILES"
printf 'numtasks = 40\nnumfiles = 50\nfrobs = 60\n' >"$BC_PROFILES/some"
echo "$user profile=some numfiles=6" >"$BC_USERS"
is "users: a profile, and what goes before" "40 6" eval \
	'echo $(session $user "$limits" | grep -v "[a-z]")'
logged "users: what the kernel has not got" "<7> left out frobs: this kernel has no such resource"

# --- mistakes -----------------------------------------------------------------
pam_args
cat >"$BC_USERS" <<END
$user numtasks
$user "numtasks=4
$user numtasks=4
$user numtasks=5
$user profile=some profile=some
@ numtasks=4
END
has "users: with broken lines, the others count" "
4
" session $user "$limits"
for i in 1 2 4 5 6; do
	logged "users: line $i is wrong" "<3> $BC_USERS:$i: "
done
[ "$(grep -c "^<3>" "$BC_LOG")" = 5 ] || { cp "$BC_LOG" "$tmp/out"; false; }
result $? "users: no other is"
pam_args
echo "$user numtasks=4 numfoos=5 numfiles=6" >"$BC_USERS"
is "users: one limit is wrong, the others are set" "4 6" eval \
	'echo $(session $user "$limits" | grep -v "[a-z]")'
logged "users: says so" "<3> $BC_USERS:1: there is no resource 'numfoos': is it 'numfiles'?"
# Whose line is wrong, does not come in with those of others, or without any.
doubt()
{
	pam_args required
	printf '%s\n' "${@:3}" >"$BC_USERS"
	[ "$(session $user true 2>&1 | head -1)" = "open $2" ]
	result $? "required: a wrong line: $1"
	[ "$2" = 0 ] || logged "required: a wrong line: $1" "are in a line of $BC_USERS that is wrong"
}
doubt "of the user" 14 "$user numtasks" "* numtasks=9"
doubt "with quotes" 14 " \"$user\" \"numtasks=4"
doubt "of a group" 14 "@$group numtasks" "* numtasks=9"
doubt "of all" 14 "* numtasks"
doubt "of all, there is a better one" 0 "* numtasks" "@$group numtasks=9"
doubt "there is one for the user" 0 "$user numtasks=5" "@$group numtasks" "* numtasks"
doubt "of somebody else" 0 "bin numtasks" "* numtasks=9"
# A NUL byte hides nothing. After a power failure, it may be all there is.
doubt_nul()
{
	pam_args required
	printf "$3" >"$BC_USERS"
	[ "$(session $user true 2>&1 | head -1)" = "open $2" ]
	result $? "required: a NUL byte: $1"
	logged "required: a NUL byte: $1" "there is a NUL byte in this line"
}
doubt_nul "all of the file" 14 '\0\0\0\0\0\0\0\0'
doubt_nul "in a name" 14 "${user%?}\\0 numtasks=9\\n* numtasks=9\\n"
doubt_nul "behind the user" 14 "$user\\0 numtasks=9\\n* numtasks=9\\n"
doubt_nul "in the user's line" 14 "$user numtasks=\\0\\n* numtasks=9\\n"
doubt_nul "in another line" 0 "bin numtasks=\\0\\nsys numtasks\\n$user numtasks=9\\n"
doubt_nul "in another line, and one of all" 0 "bin numtasks=\\0\\nsys numtasks\\n* numtasks=9"
pam_args
printf '\0\0\0\0' >"$BC_USERS"
is "without required: a NUL byte" "$outside" session $user true
logged "without required: a NUL byte" "<3> $BC_USERS:1: there is a NUL byte"
fails 1 "$BC_USERS:1: there is a NUL byte in this line" bcctl users
printf 'numfiles = 6\n\0\nnumtasks = 4\n' >"$BC_PROFILES/nul"
echo "$user profile=nul" >"$BC_USERS"
pam_args required
is "required: a profile with a NUL byte" "open 14" session $user true
fails 1 "$BC_PROFILES/nul:2: there is a NUL byte" bcctl users
rm "$BC_PROFILES/nul"
pam_args
echo "$user numtasks" >"$BC_USERS"
is "without required: a wrong line" "$outside" session $user true
echo "$user numtasks=4 numfoos=5 numfiles=6" >"$BC_USERS"
pam_args required
is "required: not with half the limits" "open 14" session $user true
[ ! -e "$root/users/$user" ]
result $? "required: and no group is left"
echo "$user profile=none numtasks=4" >"$BC_USERS"
is "required: there is no such profile" "open 14" session $user true
pam_args
has "users: no profile, the rest is set" "
4
" session $user "$limits"
logged "users: says so" "$BC_USERS:1: there is no profile 'none'"

echo "* numtasks=5
root -" >"$BC_USERS"
denied()
{
	pam_args "${@:3}"
	is "pam: $1: the login goes on" "$outside" session $user true
	logged "pam: $1: says why" "$2"
	pam_args required "${@:3}"
	is "pam: $1: required" "open 14" session $user true
	[ ! -e "$root/users/$user" ]
	result $? "pam: $1: and no group is left"
	is "pam: $1: root comes in" "$outside" session root true
}
denied "no users.conf" "<3> cannot read /nonexistent: No such file" conf=/nonexistent
denied "root=/" "the groups of users are in a group, and not there" root=/
denied "no hierarchy" "there is no hierarchy 'net'" root=net:/users
export BC_CONFIGFS=/nonexistent
denied "no configfs" "<3> there is no /nonexistent/bc"
BC_CONFIGFS=$tmp/t$tree/config
BC_RUN=/proc/none
echo "root numtasks=5" >>"$BC_USERS"
sed -i '/^root -/d' "$BC_USERS"
denied "no lock" "<3> cannot lock /proc/none/users.lock for $user: "
BC_RUN=$tmp/run
export BC_LOCK=1
if command -v python3 >/dev/null; then
	mkfifo "$tmp/lock"
	python3 -c 'import fcntl, sys
f = open(sys.argv[1], "w")
fcntl.lockf(f, fcntl.LOCK_EX)
open(sys.argv[2], "w").close()
sys.stdin.read()' "$tmp/run/users.lock" "$tmp/locked" <"$tmp/lock" &
	exec 9>"$tmp/lock"
	until_ok test -e "$tmp/locked"
	denied "a lock that is held" "somebody has it for too long"
	exec 9>&-
	wait
else
	n=$((n + 1)); echo "ok $n pam: a lock that is held # SKIP there is no python3"
fi

# Who is stopped when the group is half made: only that name waits.
mkfifo "$BC_PROFILES/stuck"
bcctl create -p /users/left
printf '%s\n' "$user profile=stuck" "bin numtasks=5" >"$BC_USERS"
pam_args required
session $user true >"$tmp/session-stuck" 2>&1 &
stuck=$!
until_ok test -e "$root/users/$user"
is "pam: somebody else is stuck: others come in" "open 0
in 0:numtasks:/users/bin
close 0
in 0:numtasks:/" session bin true
ok "pam: somebody else is stuck: that is nothing to complain of" eval '! grep "^<3>" "$BC_LOG"'
[ ! -e "$root/users/bin" ] && [ ! -e "$root/users/left" ] && [ -e "$root/users/$user" ]
result $? "pam: somebody else is stuck: only that group stays"
is "pam: one's own is stuck" "open 14" session $user true
logged "pam: one's own is stuck" "users.lock for $user: somebody has it for too long"
# It may be opened more than once.
wake()
{
	: <>"$BC_PROFILES/stuck"
	! kill -0 $stuck 2>/dev/null
}
until_ok wake
is "pam: it goes on" "open 0
in 0:numtasks:/users/$user
close 0
in 0:numtasks:/" cat "$tmp/session-stuck"
rm "$BC_PROFILES/stuck"
unset BC_LOCK
echo "* numtasks=5
root numtasks=5" >"$BC_USERS"
export BC_FAKE_FAIL=tasks=11
denied "a limit of tasks" "<4> /users/$user is at its limit of tasks: $user comes in outside"
logged "pam: a limit of tasks: root is told" "root is not refused"
unset BC_FAKE_FAIL
pam_args nonsense
has "pam: an unknown argument" "in 0:numtasks:/users/$user" session $user true
logged "pam: an unknown argument" "there is no argument 'nonsense'"
is "pam: nobody's session" "open 0
in none
close 0
in none" session nobody-of-that-name true
logged "pam: nobody's session" "there is no user 'nobody-of-that-name'"
is "pam: what the module has for others" "pam_sm_close_session pam_sm_open_session" eval \
	'echo $(nm -D --defined-only "$build/pam_bc.so" | sed "s/.* //" | grep -v "^__[a-z]*san\|^_*odr" | sort)'

# --- bcctl users --------------------------------------------------------------
cat >"$BC_USERS" <<END
$user profile=some numfiles=6
bin numfoos=5
* numtasks=5x numfiles=4:y
@x profile=none
sys -
END
bcctl users >"$tmp/out" 2>"$tmp/err"
[ $? = 1 ] && [ "$(wc -l <"$tmp/err")" = 4 ]
result $? "bcctl users: mistakes"
for i in "2: there is no resource 'numfoos': is it 'numfiles'?" \
	 "3: '5x' of numtasks is no amount" "3: '4:y' of numfiles is no amount" \
	 "4: there is no profile 'none'"; do
	grep -qF "bcctl users: $BC_USERS:$i" "$tmp/err"
	result $? "bcctl users: line $i"
done
is "bcctl users USER" "$user: as $BC_USERS:1 says for '$user'
  numfiles=6
  numtasks=40" bcctl users $user
is "bcctl users: root" "root: no group" bcctl users root
echo "@$group numtasks=5" >"$BC_USERS"
has "bcctl users: by group" "says for '@$group'" bcctl users $user
ok "bcctl users: nothing is wrong" bcctl users
ok "bcctl users: the example" bcctl users -c "$here/../pam/users.conf"
fails 1 "there is no user 'x-y-z'" bcctl users x-y-z
fails 1 "cannot read /nonexistent" bcctl users -c /nonexistent
fails 2 "one user at a time" bcctl users a b

# What would fail at login.
fresh kmemsize
mkdir "$BC_PROFILES"
printf 'numfiles = 10:20\nnumkeys = 5:7\nfoopages = 7\n' >"$BC_PROFILES/some"
printf 'numfiles = 20:10\n' >"$BC_PROFILES/bad"
cat >"$BC_USERS" <<END
u1 numfiles=4K:3500
u2 numfiles.barrier=5 numfiles.limit=4
u3 numtasks.nosuch=1
u4 cpuset.nosuch=1
u5 numfiles=5 numfiles.limit=6
u6 profile=some numfiles.barrier=30
u7 profile=bad
u8 numtasks.held=5
u9 numtasks.failcnt=5
u10 cpuset=0
u11 numfiles.barrier=x
u12 cpuset.cpus=0-1 cpuset./../tasks=3
END
bcctl users >"$tmp/out" 2>"$tmp/err"
[ $? = 1 ] && [ "$(wc -l <"$tmp/err")" = 12 ]
result $? "bcctl users: what would fail at login"
for i in "1: the barrier of numfiles is above its limit" \
	 "2: the barrier of numfiles is above its limit" \
	 "3: numtasks has no file 'nosuch'" "4: cpuset has no file 'nosuch'" \
	 "5: numfiles is given twice" "6: the barrier of numfiles is above its limit" \
	 "7: the barrier of numfiles is above its limit" \
	 "8: numtasks.held cannot be set" "9: numtasks.failcnt cannot be set" \
	 "10: cpuset counts nothing that could be limited" \
	 "11: 'x' of numfiles.barrier is no amount" "12: 'cpuset./../tasks' is no resource"; do
	grep -qF "bcctl users: $BC_USERS:$i" "$tmp/err"
	result $? "bcctl users: line $i"
done
cat >"$BC_USERS" <<END
u1 numfiles=3500:4K numtasks.barrier=5 numpty.limit=5
u2 numfiles.limit=4 numfiles.barrier=4 numtasks.maxheld=0 kmemsize=1M
u3 cpuset.cpus=0-1 nodeset.mems=0 notify_on_release=1
u4 profile=some numfiles.barrier=15 numkeys.limit=3
END
ok "bcctl users: what would not" bcctl users

# All that can be limited, and more of it than there is now.
fresh numiptent privvmpages lockedpages physpages swappages shmpages kmemsize tcpsndbuf tcprcvbuf \
	dgramrcvbuf othersockbuf dcachesize numgroups $(printf 'num%spages ' {1..30})
all=$(awk '/^#/ { on = $1 == "#controller"; next } on && !/cpuacct|set\t/ { print $1 "=5" }' \
	"$BC_PROC/beancounters")
echo $user $all >"$BC_USERS"
ok "bcctl users: a line with all resources" bcctl users
is "bcctl users: all of them count" 54 eval 'bcctl users $user | grep -c "^  .*=5$"'
