# SPDX-License-Identifier: GPL-2.0
# bc-oci-hook: for tests/run, which sources this. The state is made up; then, where they can
# run, runc and crun are asked what they really do with a hook.

oci=$build/bc-oci-hook-fake

# hook STATE ARGUMENT...
hook()
{
	local state=$1
	shift
	printf '%s' "$state" | $WRAP "$oci" "$@"
}

# state ID PID [ANNOTATION VALUE]...
state()
{
	local id=$1 pid=$2 all= sep=
	shift 2
	while [ $# -gt 0 ]; do
		all="$all$sep\"org.beancounters.$1\":\"$2\""
		sep=,
		shift 2
	done
	printf '{"ociVersion":"1.0.2","id":"%s","status":"created","pid":%s,"bundle":"%s","annotations":{%s}}' \
		"$id" "$pid" "$tmp/bundle" "$all"
}

# over ID [STATUS]: the state when it has ended
over()
{
	printf '{"ociVersion":"1.0.2","id":"%s","status":"stopped","bundle":"%s"}' "$1" "$tmp/bundle"
}

# There is nothing of it: no group, no record.
nothing()
{
	[ ! -e "$root/containers/$1" ] && [ ! -e "$BC_STATE/bc-oci/$1" ]
	result $? "$2"
}

mkdir -p "$tmp/bundle"
fresh
has "oci: --help" "usage: bc-oci-hook" $WRAP "$oci" --help
has "oci: --version" "bc-oci-hook 1" $WRAP "$oci" --version
fails 2 "'frob'" hook '{}' frob
fails 2 "'poststart'" hook '{}' poststart
fails 2 "'x'" hook '{}' -t x poststop
fails 2 "'--frob'" hook '{}' --frob
fails 2 "'prestart'" hook '{}' createRuntime prestart

# --- a container, from its beginning to its end -------------------------------
make_up 2001
ok "oci: created" hook "$(state web 2001 numfiles 30:40 numtasks 1K newthing.limit 7)" createRuntime
is "oci: its process is in it" 2001 cat "$root/containers/web/tasks"
is "oci: its limits" "30 40 1024 7" eval \
	'echo $(bcctl get containers/web numfiles.barrier) $(bcctl get containers/web numfiles.limit) $(bcctl get containers/web numtasks.limit) $(bcctl get containers/web newthing.limit)'
ok "oci: the second stage finds it made" hook "$(state web 2001 numfiles 30:40)" prestart
make_up 2999
fails 1 "container web: there is one of this name already, of $tmp/bundle: cannot delete /containers/web: it has tasks" \
	hook "$(state web 2999 numfiles 30:40)" createRuntime
[ -d "$root/containers/web" ]; result $? "oci: which is left alone"
fails 1 "container web: cannot delete /containers/web: it has tasks after 0.2 s; 'bcctl delete -r -k' ends them" \
	hook "$(over web)" -t 0.2 poststop
[ -d "$root/containers/web" ]; result $? "oci: with a process in it, it stays"
rm "$BC_PROC/2001/made_up"
ok "oci: removed" hook "$(over web)" poststop
nothing web "oci: gone"
ok "oci: removed twice" hook "$(over web)" poststop
make_up 2001
(sleep 0.5; rm "$BC_PROC/2001/made_up") &
hook "$(state web 2001 numfiles 9)" createRuntime
ok "oci: waits for the last process" hook "$(over web)" poststop
nothing web "oci: gone then"
wait $!
make_up 2001
ok "oci: without a stage, the state says which" hook "$(state web 2001 numfiles 30)"
[ -d "$root/containers/web" ]; result $? "oci: made"
rm "$BC_PROC/2001/made_up"
ok "oci: a stage from the state" hook "$(over web)"
nothing web "oci: removed"
ok "oci: no annotation of ours" hook '{"id":"x","pid":1,"annotations":{"org.x":"y"}}' createRuntime
nothing x "oci: no group then"
is "oci: no records are left" "" ls "$BC_STATE/bc-oci"

# --- started again, after nobody has come to remove it ------------------------
make_up 2001
hook "$(state again 2001 numfiles 30)" createRuntime
rm "$BC_PROC/2001/made_up"
make_up 2002
ok "oci: started again" hook "$(state again 2002 numtasks 5)" createRuntime
is "oci: with its new limits alone" "max 5" eval \
	'echo $(bcctl get containers/again numfiles.limit) $(bcctl get containers/again numtasks.limit)'
rm "$BC_PROC/2002/made_up"
hook "$(over again)" poststop
printf '0\n/containers/half\n/b' >"$BC_STATE/bc-oci/half"
bcctl create -p containers/half
ok "oci: the hook was killed half-way" hook "$(over half)" poststop
nothing half "oci: what it had made is removed"
printf '777\n/containers/other\n/b' >"$BC_STATE/bc-oci/other"
bcctl create containers/other
ok "oci: another group of its name" hook "$(over other)" poststop
[ -d "$root/containers/other" ]; result $? "oci: is left alone"
bcctl delete containers/other
for text in '' x '1' '1\n' '1\n\n' 'x\n/a\n/b'; do
	printf "$text" >"$BC_STATE/bc-oci/broken"
	fails 1 "container broken: cannot tell its group: Bad message" hook "$(over broken)" poststop
done
rm "$BC_STATE/bc-oci/broken"

# --- the runtime has failed afterwards, and has called nobody --------------------
for c in left young live; do
	make_up 2003
	hook "$(state $c 2003 numpty 3)" createRuntime
	[ $c != live ] || bcctl create containers/live/below
	[ $c = live ] || rm "$BC_PROC/2003/made_up"
done
touch -d "2 minutes ago" "$BC_STATE/bc-oci/left" "$BC_STATE/bc-oci/live"
printf 'nonsense' >"$BC_STATE/bc-oci/broken"
: >"$BC_STATE/bc-oci/.killed"
: >"$BC_STATE/bc-oci/.writes"
touch -d "2 minutes ago" "$BC_STATE/bc-oci/broken" "$BC_STATE/bc-oci/.killed"
make_up 2001
ok "oci: another container" hook "$(state next 2001 numpty 3)" createRuntime
nothing left "oci: has removed what was left of an old one"
[ -d "$root/containers/young" ] && [ -e "$BC_STATE/bc-oci/young" ]; result $? "oci: but not of a young one"
[ -d "$root/containers/live/below" ] && [ -e "$BC_STATE/bc-oci/live" ]; result $? "oci: nor of one that is there"
rm "$BC_PROC/2001/made_up" "$BC_PROC/2003/made_up" "$BC_STATE/bc-oci/broken"
for c in next young live; do hook "$(over $c)" poststop; done
[ ! -e "$BC_STATE/bc-oci/.killed" ] && [ -e "$BC_STATE/bc-oci/.writes" ]
result $? "oci: half a record is removed, but not that of who writes it now"
rm -f "$BC_STATE/bc-oci/.writes"

# --- one after the other ------------------------------------------------------
make_up 2001
exec 8<"$BC_STATE/bc-oci"
flock 8
hook "$(state queue 2001 numpty 3)" createRuntime 8<&- >"$tmp/out" 2>"$tmp/err" &
waiting="-> FLOCK .*:$(stat -c %i "$BC_STATE/bc-oci") "
until grep -q -- "$waiting" /proc/locks || ! kill -0 $! 2>/dev/null; do sleep 0.1; done
grep -q -- "$waiting" /proc/locks && [ ! -e "$root/containers/queue" ]
result $? "oci: waits for who makes a group"
exec 8<&-
wait $! && [ -d "$root/containers/queue" ]; result $? "oci: makes its own then"
rm "$BC_PROC/2001/made_up"
hook "$(over queue)" poststop

make_up 2001
make_up 2002
hook "$(state slow 2001 numpty 3)" createRuntime
$WRAP "$oci" -t 60 poststop <<<"$(over slow)" >"$tmp/out.slow" 2>&1 &
ok "oci: who waits for a container to end keeps nobody waiting" \
	hook "$(state quick 2002 numpty 3)" createRuntime
kill -0 $! 2>/dev/null; result $? "oci: and does so still"
rm "$BC_PROC/2001/made_up" "$BC_PROC/2002/made_up"
wait $! && [ ! -s "$tmp/out.slow" ]; result $? "oci: until it has ended"
hook "$(over quick)" poststop

# The next one of that name has begun, with a group and a record, when poststop has opened
# what a FIFO stands for: the record, or, on the way to remove the group, the list of tasks.
next_one()
{
	bcctl create containers/twice
	printf '%s\n/containers/twice\n/next' "$(cat "$root/containers/twice/id")" >"$tmp/next"
	mv "$tmp/next" "$BC_STATE/bc-oci/twice"
}
# next_stays NAME PID: after that poststop
next_stays()
{
	wait $2 && [ ! -s "$tmp/out.twice" ] || { cp "$tmp/out.twice" "$tmp/out"; false; }
	result $? "oci: the next container: $1"
	[ -d "$root/containers/twice" ] && grep -q /next "$BC_STATE/bc-oci/twice"
	result $? "oci: the next container: $1: its group and its record stay"
	bcctl delete containers/twice 2>/dev/null
	rm -f "$BC_STATE/bc-oci/twice"
}
make_up 2001
hook "$(state twice 2001 numpty 3)" createRuntime
mv "$BC_STATE/bc-oci/twice" "$tmp/record"
mkfifo "$BC_STATE/bc-oci/twice"
$WRAP "$oci" -t 5 poststop <<<"$(over twice)" >"$tmp/out.twice" 2>&1 &
exec 9>"$BC_STATE/bc-oci/twice"
rm "$BC_PROC/2001/made_up"
bcctl delete containers/twice
next_one
cat "$tmp/record" >&9
exec 9>&-
next_stays "the record was read" $!
make_up 2001
hook "$(state twice 2001 numpty 3)" createRuntime
rm "$root/containers/twice/tasks"
mkfifo "$root/containers/twice/tasks"
$WRAP "$oci" -t 5 poststop <<<"$(over twice)" >"$tmp/out.twice" 2>&1 &
exec 9>"$root/containers/twice/tasks"
mv "$root/containers/twice" "$tmp/twice"
next_one
echo 2001 >&9
exec 9>&-
next_stays "the group was not empty" $!
rm "$BC_PROC/2001/made_up"

# --- without standard input, output and error ---------------------------------
# What is closed is not what is opened next. The record, for which a FIFO stands, is waited for.
make_up 2001
hook "$(state shut 2001 numpty 3)" createRuntime
rm "$BC_PROC/2001/made_up"
mv "$BC_STATE/bc-oci/shut" "$tmp/record"
mkfifo "$BC_STATE/bc-oci/shut"
over shut >"$tmp/state"
$WRAP "$oci" poststop <"$tmp/state" >&- 2>&- &
exec 9>"$BC_STATE/bc-oci/shut"
is "oci: without standard output and error: nothing of ours is there" "/dev/null /dev/null" \
	eval 'echo $(readlink /proc/$!/fd/1 /proc/$!/fd/2)'
cat "$tmp/record" >&9
mv "$tmp/record" "$BC_STATE/bc-oci/shut"
exec 9>&-
wait $!; result $? "oci: without standard output and error: removed"
nothing shut "oci: gone"
fails 1 "cannot read the state of the container" eval '$WRAP "$oci" createRuntime <&-'

# --- errors: no container, and nothing is left --------------------------------
# refused TEXT ANNOTATION VALUE...
refused()
{
	local text=$1
	shift
	fails 1 "$text" hook "$(state bad 2001 "$@")" createRuntime
	nothing bad "oci: nothing is left of that"
}
make_up 2001
rm -rf "$root/containers"
refused "container bad: there is no resource 'numfile': is it 'numfiles'?" numfile 5
refused "limit 'x' of numfiles for /containers/bad is no amount" numtasks 4 numfiles x
refused "barrier 9 of numfiles for /containers/bad would be above the limit, 8" numfiles 9:8
refused "limit '' of numfiles" numfiles ""
refused "there is no profile 'nonsense'" profile nonsense
refused "there is no profile '../x'" profile ../x
refused "'/a/../b' is no group" group /a/../b
refused "there is no hierarchy 'net'" group net:/b
refused "org.beancounters.group: '/' is where everybody is" group /
refused "an empty name is no group" group ""
refused "org.beancounters.group: '/a?b' has a newline in it" group '/a\nb'
refused "container bad: 'notify_on_release' is no resource" notify_on_release 1
refused "'.x' is no resource" .x 5
refused "'org.beancounters.' names no resource" "" 5
refused "there is a NUL byte in 'org.beancounters.numfiles'" numfiles '1\u0000'
[ ! -e "$root/containers" ]; result $? "oci: nor of what is above"
export BC_FAKE_FAIL=numfiles/limit=5
refused "cannot set numfiles.limit of /containers/bad to 5: Input/output error" numtasks 4 numfiles 5
BC_FAKE_FAIL=/tasks=11
refused "cannot move 2001 to /containers/bad: a limit of numtasks has no room for it" numtasks 0
BC_FAKE_FAIL=/tasks=13
refused "cannot move 2001 to /containers/bad: not permitted" numtasks 4
unset BC_FAKE_FAIL
rm "$BC_PROC/2001/made_up"
fails 1 "cannot move 999999999 to /containers/bad: there is no such process" \
	hook "$(state bad 999999999 numtasks 4)" createRuntime
nothing bad "oci: nothing is left of that"
make_up 2001
fails 1 "its state has no 'pid'" hook '{"id":"bad","annotations":{"org.beancounters.numtasks":"4"}}' createRuntime
fails 1 "'org.beancounters.numtasks' is no text" \
	hook '{"id":"bad","pid":2001,"annotations":{"org.beancounters.numtasks":4}}' createRuntime
bcctl create -p containers/bad/below
fails 1 "there is a group /containers/bad already, made by somebody else: cannot delete /containers/bad: it has child groups" \
	hook "$(state bad 2001 numtasks 4)" createRuntime
ok "oci: poststop after that" hook "$(over bad)" poststop
[ -d "$root/containers/bad/below" ]; result $? "oci: somebody else's group is left alone"
bcctl delete containers/bad/below
make_up 2002
bcctl move containers/bad 2002
fails 1 "made by somebody else: cannot delete /containers/bad: it has tasks" \
	hook "$(state bad 2001 numtasks 4)" createRuntime
is "oci: also if there is a process in it" 2002 cat "$root/containers/bad/tasks"
rm "$BC_PROC/2002/made_up"
bcctl delete containers/bad
bcctl create -p pods/bad
fails 1 "there is a group /pods/bad already, made by somebody else" \
	hook "$(state bad 2001 group /pods/bad numtasks 4)" -b /pods createRuntime
[ -d "$root/pods/bad" ]; result $? "oci: also an empty one, where others have groups"
bcctl delete -r pods
# A snapshot of when the container ran, and a boot.
hook "$(state boot 2001 numtasks 4)" createRuntime
bcctl snapshot >"$tmp/conf"
rm "$BC_PROC/2001/made_up"
hook "$(over boot)" poststop
bcctl restore "$tmp/conf" >"$tmp/out" 2>"$tmp/err"
put containers/boot/numfiles/limit 9
make_up 2001
ok "oci: a group that bcctl restore has made" hook "$(state boot 2001 numtasks 5)" createRuntime
is "oci: has the limits of the container, and no others" "5 max" eval \
	'echo $(bcctl get containers/boot numtasks.limit) $(bcctl get containers/boot numfiles.limit)'
rm "$BC_PROC/2001/made_up"
ok "oci: goes with it" hook "$(over boot)" poststop
nothing boot "oci: gone"
make_up 2001
chmod 500 "$BC_STATE/bc-oci"
if [ "$(id -u)" != 0 ]; then
	refused "cannot note its group in $BC_STATE/bc-oci: Permission denied" numtasks 4
fi
chmod 700 "$BC_STATE/bc-oci"
mv "$BC_STATE/bc-oci" "$tmp/records"
: >"$BC_STATE/bc-oci"
fails 1 "cannot tell its old group: Not a directory" hook "$(state bad 2001 numtasks 4)" createRuntime
rm "$BC_STATE/bc-oci"
fails 1 "container bad: this kernel has no beancounters" \
	eval 'state bad 2001 numtasks 4 | BC_PROC=/nonexistent $WRAP "$oci" createRuntime'
fails 1 "mount -t configfs none /nonexistent" \
	eval 'state bad 2001 numtasks 4 | BC_CONFIGFS=/nonexistent $WRAP "$oci" createRuntime'
mv "$tmp/records" "$BC_STATE/bc-oci"
for text in '' ' ' '{' '[]' '7' 'null' '{}' '{"id":""}' '{"id":5}' '{"id":"a"} x' '{"id":"a\u0000b"}' \
	    '{"id":"a","pid":-1}' '{"id":"a","pid":"1"}' '{"id":"a","pid":1.5}' \
	    '{"id":"a","pid":4294967296}' '{"id":"a","annotations":[]}' '{"id":"a",}' \
	    '{"id":"a","bundle":7}' "$(printf '[%.0s' {1..200})"; do
	fails 1 "the state of the container, on standard input: " hook "$text" createRuntime
done
fails 1 "cannot read the state of the container: File too large" \
	eval 'head -c 2000000 /dev/zero | $WRAP "$oci" createRuntime'

# --- annotations that are not in the state ------------------------------------
bare="{\"id\":\"conf\",\"pid\":2001,\"bundle\":\"$tmp/bundle\"}"
fails 1 "container conf: cannot read $tmp/bundle/config.json: No such file" hook "$bare" createRuntime
echo '{"annotations":{"org.beancounters.numpty":"3"},"process":{"args":["x"]}}' >"$tmp/bundle/config.json"
ok "oci: annotations of the bundle" hook "$bare" createRuntime
is "oci: their limits" 3 bcctl get containers/conf numpty.limit
rm "$BC_PROC/2001/made_up"
hook "$(over conf)" poststop
echo '{"annotations":' >"$tmp/bundle/config.json"
fails 1 "container conf: $tmp/bundle/config.json: it is no JSON: it ends in the middle" hook "$bare" createRuntime
rm "$tmp/bundle/config.json"

# --- names, groups, profiles --------------------------------------------------
# name ID GROUP: JSON, and what it is there
name()
{
	make_up 2001
	ok "oci: a container called $1" hook "$(state "$1" 2001 numpty 3)" createRuntime
	[ -s "$root/containers/$2/tasks" ]; result $? "oci: is in $2"
	rm "$BC_PROC/2001/made_up"
	hook "$(over "$1")" poststop
	[ ! -e "$root/containers/$2" ]; result $? "oci: gone from $2"
}
name 'a/b' 'a%2Fb'
name '..' '%2E.'
name 'a\nb' 'a%0Ab'
name 'a%b' 'a%25b'
name 'a b:c' 'a b:c'
name numtasks '%6Eumtasks'
name tasks '%74asks'
name 'ü' 'ü'
make_up 2001
fails 1 "container a?[31m: there is no resource 'x?y'" hook "$(state 'a\u001b[31m' 2001 'x\ny' 3)" createRuntime
fails 1 "File name too long" hook "$(state "$(printf 'x%.0s' {1..300})" 2001 numpty 3)" createRuntime
ok "oci: a group of another name" hook "$(state own 2001 group //containers/a/b/ numpty 3)" createRuntime
is "oci: its group" 2001 cat "$root/containers/a/b/tasks"
rm "$BC_PROC/2001/made_up"
hook "$(over own)" poststop
[ ! -e "$root/containers/a/b" ] && [ -d "$root/containers/a" ]
result $? "oci: gone, but for what is above"
bcctl delete containers/a
make_up 2001
# Not what an annotation is to say: the group of somebody who has not logged in yet.
for g in /users/bob users/bob /containers /containersx/a net /pods/a /; do
	refused "container bad: org.beancounters.group: '$g' is " group $g numtasks 2
done
refused "'/users/bob' is not below /containers: the hook's --below allows other places" \
	group /users/bob numtasks 2
[ ! -e "$root/users" ] && [ ! -e "$root/pods" ]; result $? "oci: nothing is made elsewhere"
# below PATH... GROUP
below()
{
	local options=
	while [ $# -gt 1 ]; do options="$options --below $1"; shift; done
	make_up 2001
	ok "oci:$options: $1" hook "$(state own 2001 group $1 numpty 3)" $options createRuntime
	[ "$(cat "$root/$1/tasks")" = 2001 ]; result $? "oci:$options: it is there"
	rm "$BC_PROC/2001/made_up"
	hook "$(over own)" poststop
	[ ! -e "$root/$1" ]; result $? "oci:$options: gone"
}
below /pods pods/a/b
below /pods//x/ /srv /pods/x/y
below /pods /srv/www /srv/www/1
below /pods /containers/a
below / /users/bob
make_up 2001
for g in /pods /podsx/a /srv/a /pods/; do
	fails 1 "'$g' is not below /containers or what --below allows" \
		hook "$(state bad 2001 group $g)" -b /pods --below /srv/www createRuntime
	nothing bad "oci: nothing is left of that"
done
fails 1 "container bad: --below: '/a/../b' is no group" \
	hook "$(state bad 2001 group /a/b)" --below /a/../b createRuntime
fails 2 "'pods'" hook "$(state bad 2001 group /pods/b)" --below pods createRuntime
# The group of another container, wherever it is, and what is below.
make_up 2001
make_up 2005
make_up 2006
hook "$(state web 2005 numpty 3)" createRuntime
hook "$(state pod 2006 group /pods/pod numpty 3)" -b /pods createRuntime
for g in /containers/web/x /containers//web/x/y/ /pods/pod/b; do
	fails 1 "container bad: $(tr -s / <<<"${g%/}") is in the group of another container" \
		hook "$(state bad 2001 group $g numpty 2)" -b / createRuntime
	nothing bad "oci: nothing is left of that"
done
for g in /containers/web /pods/pod; do
	fails 1 "container bad: $g is the group of another container; org.beancounters.group has to be elsewhere" \
		hook "$(state bad 2001 group $g numpty 2)" -b / createRuntime
	nothing bad "oci: nothing is left of that"
done
is "oci: the groups of others are as they were" "2005 2006" eval \
	'echo $(cat "$root/containers/web/tasks" "$root/pods/pod/tasks"; ls -d "$root/containers/web/x" "$root/pods/pod/b" 2>/dev/null)'
# Its name only begins like that; the caller is in there; it is gone.
below /pods /containers/webx
below /pods /pods/podx
make_up 2001
echo "0:numtasks:/containers/web" >"$BC_PROC/self/bc"
ok "oci: in the group of a container that calls" \
	hook "$(state own 2001 group /containers/x numpty 3)" createRuntime
is "oci: it is there" 2001 cat "$root/containers/web/containers/x/tasks"
make_up 2007
fails 1 "container bad: /containers/web/containers/x/y is in the group of another container" \
	hook "$(state bad 2007 group /containers/x/y)" createRuntime
echo "0:numtasks:/" >"$BC_PROC/self/bc"
rm "$BC_PROC/2001/made_up" "$BC_PROC/2005/made_up" "$BC_PROC/2006/made_up"
hook "$(over own)" poststop
hook "$(over pod)" poststop
bcctl delete -r containers/web
ok "oci: in the place of a container that is gone" \
	hook "$(state own 2007 group /containers/web/x numpty 3)" createRuntime
rm "$BC_PROC/2007/made_up"
hook "$(over own)" poststop
hook "$(over web)" poststop
bcctl delete containers/web
[ ! -e "$root/pods/pod" ] && [ -z "$(ls "$BC_STATE/bc-oci")" ]
result $? "oci: the groups of others: gone"
make_up 2001
ok "oci: a profile" hook "$(state prof 2001 profile small numfiles 7 numpty.limit 9)" createRuntime
is "oci: its limits, and what goes before" "7 7 9 96" eval \
	'echo $(bcctl get containers/prof numfiles.barrier) $(bcctl get containers/prof numfiles.limit) $(bcctl get containers/prof numpty.limit) $(bcctl get containers/prof numtasks.limit)'
rm "$BC_PROC/2001/made_up"
hook "$(over prof)" poststop
printf 'hierarchy net = numkeys\n' >"$tmp/conf"
bcctl restore "$tmp/conf" >"$tmp/out"
make_up 2001
echo "1:numkeys:/" >>"$BC_PROC/self/bc"
ok "oci: another hierarchy" hook "$(state net 2001 group net:/containers/c numkeys 3)" createRuntime
is "oci: its limit there" 3 bcctl get net:/containers/c numkeys.limit
refused "'net:/c' is not below /containers" group net:/c numkeys 3
refused "cannot set numkeys of /containers/bad: numkeys is in hierarchy 'net'" numkeys 3
rm "$BC_PROC/2001/made_up"
hook "$(over net)" poststop

# --- a container in a container, or of a user ---------------------------------
fresh
make_up 3001
hook "$(state outer 3001 numtasks 50)" createRuntime
echo "0:numtasks:/containers/outer" >"$BC_PROC/self/bc"
make_up 3002
ok "oci: nested" hook "$(state inner 3002 numtasks 60)" createRuntime
is "oci: it is below the outer one" 3002 cat "$root/containers/outer/containers/inner/tasks"
make_up 3003
ok "oci: nested, with a name from the root" hook "$(state inner2 3003 group /x/y numtasks 60)" -b /x createRuntime
is "oci: it is below, too" 3003 cat "$root/containers/outer/x/y/tasks"
echo "0:numtasks:/" >"$BC_PROC/self/bc"
rm "$BC_PROC/3003/made_up"
ok "oci: removed by somebody in another group" hook "$(over inner2)" poststop
[ ! -e "$root/containers/outer/x/y" ]; result $? "oci: gone"
rm "$BC_PROC/3001/made_up" "$BC_PROC/3002/made_up"
ok "oci: the outer one goes with what is left in it" hook "$(over outer)" poststop
nothing outer "oci: gone"
ok "oci: and the inner one is told later" hook "$(over inner)" poststop
[ ! -e "$BC_STATE/bc-oci/inner" ]; result $? "oci: forgotten"
bcctl create -p users/alice
echo "0:numtasks:/users/alice" >"$BC_PROC/self/bc"
export BC_FAKE_FAIL=/tasks=13
fails 1 "cannot move 3001 to /users/alice/containers/u: not permitted: 'tasks' has to be writable there" \
	eval 'make_up 3001; hook "$(state u 3001 numtasks 60)" createRuntime'
unset BC_FAKE_FAIL
[ ! -e "$root/users/alice/containers" ]; result $? "oci: nothing is left of that"
echo "0:numtasks:/" >"$BC_PROC/self/bc"

# --- in place of a runtime ----------------------------------------------------
mkdir -p "$tmp/real" "$tmp/ours"
for r in runc crun; do
	printf '#!/bin/sh\necho "%s: $*"\n' $r >"$tmp/real/$r"
	chmod +x "$tmp/real/$r"
	cp "$(realpath "$oci")" "$tmp/ours/bc-oci-hook"
	ln -sf bc-oci-hook "$tmp/ours/$r"
	ln -sf bc-oci-hook "$tmp/ours/bc-$r"
done
ln -sf bc-oci-hook "$tmp/ours/bc-oci-runtime"
ln -sf bc-oci-hook "$tmp/ours/youki"
export BC_RUNTIMES=$tmp/ours:$tmp/real
runtime()
{
	local r=$1
	shift
	$WRAP "$tmp/ours/$r" "$@"
}
make_up 3001
hook "$(state web 3001 numtasks 50)" createRuntime
is "runtime: other commands pass" "runc: --root /r create --bundle b web" runtime runc --root /r create --bundle b web
is "runtime: bc-NAME" "runc: state web" runtime bc-runc state web
is "runtime: the first that there is" "crun: --version" runtime bc-oci-runtime --version
fails 1 "there is no youki in the directories of programs" runtime youki list
echo 3001 >"$root/containers/web/tasks"
is "runtime: none of these has joined" 3001 cat "$root/containers/web/tasks"
# Who has exec'ed is in the list until it has ended.
exec_runc()
{
	printf '#!/bin/sh\ngrep -qx $$ "%s/containers/web/tasks" && printf "yes "\necho "runc: $*"\n' "$root" \
		>"$tmp/real/runc"
	runtime runc "$@"
}
for args in "exec web sh" "--root /run/x --log=/l exec web sh" "--debug --log-format json exec -d -t web sh" \
	    "exec --process p.json --pid-file f --detach web" "exec -td -e A=web2 --cwd /web web sh -c exit" \
	    "exec -euser=x -u 0:0 -- web sh" "-root /r exec web -x" "exec --no-new-privs --cap=all web sh" \
	    "exec -e=A=1 web sh" "exec -u=0 -t=true web sh" "exec --pidfd-socket p web sh"; do
	is "runtime: $args" "yes runc: $args" exec_runc $args
done
is "runtime: exec in a container that has no group" "runc: exec other web" exec_runc exec other web
# It is the runtime's to open what it wants there, as without us.
printf '#!/bin/sh\n[ -e /proc/$$/fd/0 ] || [ -e /proc/$$/fd/2 ] || echo closed\n' >"$tmp/real/runc"
is "runtime: what is closed is closed for the runtime" closed eval 'runtime runc exec web sh <&- 2>&-'
is "runtime: exec, of nothing" "runc: exec" exec_runc exec
is "runtime: exec, help" "runc: exec -?" exec_runc exec "-?"
is "runtime: exec, usage" "runc: exec --usage" exec_runc exec --usage
is "runtime: a new option of another command" "runc: --new x run web" exec_runc --new x run web
fails 1 "option '--new' is not known here" exec_runc exec --new web sh
fails 1 "option '--new' is not known here" exec_runc --new x exec web sh
fails 1 "container web: cannot move into /containers/web: a limit of numtasks has no room" \
	eval 'BC_FAKE_FAIL=/tasks=11 exec_runc exec web sh'
bcctl delete -k containers/web >"$tmp/out" 2>&1
rm "$BC_PROC/3001/made_up"
bcctl delete containers/web
is "runtime: exec, when the group is gone" "runc: exec web sh" exec_runc exec web sh
unset BC_RUNTIMES

# --- real runtimes, as far as they go without our kernel ----------------------
bundle=$tmp/real-bundle
mkdir -p "$bundle/rootfs/bin"
# make_bundle SCRIPT ANNOTATION=VALUE...: with our hooks
make_bundle()
{
	python3 - "$bundle/config.json" "$(realpath "$oci")" "$@" <<'EOF'
import json, os, sys
path, hook, script = sys.argv[1:4]
env = [k + "=" + os.environ[k] for k in os.environ if k.startswith("BC_")]
entry = lambda stage: [{"path": hook, "args": ["bc-oci-hook", stage], "env": env}]
json.dump({
    "ociVersion": "1.0.2", "root": {"path": "rootfs", "readonly": True},
    "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"],
                "args": ["/bin/busybox", "sh", "-c", script]},
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    "linux": {"namespaces": [{"type": t} for t in ("pid", "mount", "ipc", "uts")]},
    "annotations": {"org.beancounters." + a.split("=")[0]: a.split("=", 1)[1] for a in sys.argv[4:]},
    "hooks": {"prestart": entry("prestart"), "createRuntime": entry("createRuntime"),
              "poststop": entry("poststop")}}, open(path, "w"))
EOF
}
# crun does not want to be where there are old cgroups beside the new ones.
# real_runtime NAME HOW_TO_RUN_IT...
real_runtime()
{
	local r=$1 id=bc-test-$1-$$ rc
	shift

	fresh
	make_bundle 'exit 7'
	if ! command -v $r >/dev/null || ! cp /bin/busybox "$bundle/rootfs/bin/" 2>/dev/null ||
	   ! mkdir -p "$bundle/rootfs/proc" ||
	   { timeout 60 "$@" run -b "$bundle" $id >"$tmp/out" 2>&1 </dev/null; [ $? != 7 ]; }; then
		n=$((n + 1)); echo "ok $n $r # SKIP it is not there, or cannot run here"
		return
	fi
	# The program's first instruction is after that.
	make_bundle 'sleep 100' numfiles=30:40 profile=small
	timeout 60 "$@" run -d -b "$bundle" $id >"$tmp/out" 2>"$tmp/err" </dev/null
	result $? "$r: a container"
	is "$r: its process is in its group" "$("$@" state $id | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')" \
		cat "$root/containers/$id/tasks"
	is "$r: its limits" "40 96" eval \
		'echo $(bcctl get containers/$id numfiles.limit) $(bcctl get containers/$id numtasks.limit)'
	"$@" kill $id KILL 2>"$tmp/err"
	timeout 60 "$@" delete -f $id >"$tmp/out" 2>"$tmp/err"
	result $? "$r: killed, and deleted"
	nothing $id "$r: gone"
	make_bundle 'exit 0' numfile=30
	timeout 60 "$@" run -b "$bundle" $id >"$tmp/out" 2>"$tmp/err" </dev/null
	[ $? != 0 ]; rc=$?
	result $rc "$r: a bad annotation is no container"
	! "$@" state $id >"$tmp/out" 2>&1; result $? "$r: there is none"
	nothing $id "$r: no group either"
	make_bundle 'exit 0' numfiles=30
	sed -i 's|/bin/busybox|/bin/nonsense|' "$bundle/config.json"
	! timeout 60 "$@" run -b "$bundle" $id >"$tmp/out" 2>"$tmp/err" </dev/null
	result $? "$r: there is no such program"
	[ ! -e "$BC_STATE/bc-oci/$id" ] || touch -d "2 minutes ago" "$BC_STATE/bc-oci/$id"
	make_bundle 'exit 7' numfiles=30
	timeout 60 "$@" run -b "$bundle" $id-2 >"$tmp/out" 2>"$tmp/err" </dev/null
	[ $? = 7 ]; result $? "$r: the next one runs"
	nothing $id "$r: and nothing is left of the first one"
}
if [ -z "$WRAP" ] && [ "$(id -u)" = 0 ]; then
	real_runtime runc runc
	real_runtime crun unshare -m sh -c \
		'mount -t cgroup2 none /sys/fs/cgroup && exec crun "$@"' crun
else
	n=$((n + 1)); echo "ok $n real runtimes # SKIP not root, or another program is in between"
fi
