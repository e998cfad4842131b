#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# bcctl on a real kernel: what its own tests (tools/bc/tests) can only imitate. KTAP.
cd "$(dirname "$0")" || exit 1
bc=/sys/kernel/config/bc
g=bcctl_$$
tmp=/tmp/bcctl.$$

BCCTL=${BCCTL-$(command -v ./bcctl || command -v bcctl)}
if [ -z "$BCCTL" ] || [ ! -d $bc ] || [ "$(id -u)" != 0 ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP needs bcctl, beancounters in configfs, and root"
	exit 4
fi
mkdir "$tmp" || exit 1

n=0
rc=0
result()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		rc=1
	fi
}

# is NAME WANTED GOT
is()
{
	[ "$2" = "$3" ] || echo "# wanted '$2', got '$3'"
	[ "$2" = "$3" ]
	result $? "$1"
}

# has NAME TEXT COMMAND...: it is in what that prints, errors included
has()
{
	name=$1
	text=$2
	shift 2
	"$@" >"$tmp/out" 2>&1
	grep -qF -- "$text" "$tmp/out" || { sed 's/^/# /' "$tmp/out"; false; }
	result $? "$name"
}

ctl()
{
	"$BCCTL" "$@"
}

pair()
{
	echo "$(cat "$bc/$1/$2/barrier"):$(cat "$bc/$1/$2/limit")"
}

# Until a command succeeds, ten seconds.
await()
{
	i=0
	while ! "$@" && [ $i -lt 100 ]; do
		sleep 0.1
		i=$((i + 1))
	done >/dev/null 2>&1
}

# Until a group is gone, ten seconds.
gone()
{
	i=0
	while [ -d "$bc/$1" ] && [ $i -lt 100 ]; do
		sleep 0.1
		i=$((i + 1))
	done
	[ ! -d "$bc/$1" ]
}

echo "TAP version 13"

# --- limits -------------------------------------------------------------------
ctl create -p $g/a numtasks=20 numfiles=100:200
result $? "create"
is "create: limits" "20:20 100:200" "$(pair $g/a numtasks) $(pair $g/a numfiles)"

# From each pair to each other one: the order of writes is right.
bad=0
for from in 5:9 7:7 max:max; do
	for to in 5:5 5:9 9:9 3:12 max:max; do
		ctl set $g/a numfiles=$from && ctl set $g/a numfiles=$to || bad=1
		[ "$(pair $g/a numfiles)" = $to ] || { echo "# $from to $to"; bad=1; }
	done
done
is "set: each pair from each other" 0 $bad

# The third one is refused by the kernel: a child group has CPU 0.
ctl set $g numtasks=50 numfiles=60
ctl set $g numtasks=7 numfiles=5:6 cpuset.cpus=4095 2>"$tmp/err"
is "set: refused" 1 $?
is "set: nothing is changed" "50:50 60:60" "$(pair $g numtasks) $(pair $g numfiles)"
has "set: says why" "all is as it was" cat "$tmp/err"
has "set: a root" "a root cannot be limited" ctl set / numtasks=5
is "get" 50 "$(ctl get $g numtasks.limit)"
is "get: what a root does not count" "" "$(ctl get / numkeys.held 2>/dev/null)"
has "get: says so" "the kernel has no such count here" ctl get / numkeys.held
has "create: the name of a controller" "a controller's name" ctl create $g/numtasks
has "delete: what is below" "is below; -r" ctl delete $g
ctl delete -r $g
result $? "delete -r"

# One level too deep.
deep=$g
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31; do
	deep=$deep/$i
done
has "create -p: 33 levels" "32 levels deep and no deeper" ctl create -p "$deep/33"
[ ! -d $bc/$g ]
result $? "create -p: nothing is left of it"

# --- tasks --------------------------------------------------------------------
ctl create $g numtasks=2
sleep 1000 &
s1=$!
sleep 1000 &
s2=$!
sleep 1000 &
s3=$!
ctl move $g $s1 $s2
result $? "move"
is "move" "$s1 $s2" "$(echo $(cat $bc/$g/tasks))"
has "move: no room" "cannot move $s3 to /$g: a limit of numtasks has no room" ctl move $g $s3
has "move: nobody" "there is no such process" ctl move $g 4000000
has "delete: tasks" "it has 2 tasks" ctl delete $g
has "explain PID" "sleep[$s1] is in /$g:" ctl explain $s1
has "explain: full" "numtasks      2 of 2 (limit) in /$g, 0 left" ctl explain $s1
has "explain: refused" "refused: 1 times by /$g, last at " ctl explain $g
# Where the kernel's netlink is not, it is all in files.
is "show: as in files" "$(unshare -n "$BCCTL" show -v --json $g)" "$(ctl show -v --json $g)"
has "explain: as in files" "refused: 1 times by /$g" unshare -n "$BCCTL" explain $g
has "explain: what helps" "more: bcctl set /$g numtasks=4" ctl explain $g
has "show -q" "100% used, 1 refused" ctl show -q $g
kill $s3
ctl delete --kill $g
result $? "delete --kill"
[ ! -d $bc/$g ]
result $? "delete --kill: gone"
wait $s1 $s2 2>/dev/null

if [ -x ./bomb ]; then
	ctl create -p $g/b
	ctl set $g numtasks=30
	sh -c "echo 0 >$bc/$g/b/tasks; exec ./bomb" &
	while [ "$(cat $bc/$g/numtasks/failcnt)" = 0 ]; do sleep 0.1; done
	has "delete --kill: without -r" "is below; -r" ctl delete --kill $g
	ctl delete -r --kill -t 60 $g
	result $? "delete --kill: a fork bomb"
	[ ! -d $bc/$g ]
	result $? "delete --kill: it is gone"
	wait
else
	n=$((n + 2))
	echo "ok $((n - 1)) delete --kill: a fork bomb # SKIP no bomb"
	echo "ok $n delete --kill: it is gone # SKIP no bomb"
fi

# A zombie, whose parent does not look for some time.
ctl create $g
sh -c "sh -c 'echo \$\$ >$tmp/pid; echo 0 >$bc/$g/tasks' & exec sleep 1000" &
zombie=$!
await grep -q sleep /proc/$zombie/comm
await grep -q . "$tmp/pid"
await grep -q '^State:.Z' "/proc/$(cat "$tmp/pid")/status"
has "delete: a zombie" "whose parent sleep[$zombie] has not waited for it" ctl delete $g
kill $zombie
wait $zombie
ctl delete -k $g
result $? "delete: when it has been reaped"

# --- exec ---------------------------------------------------------------------
is "exec -c -d" "0:/$g" "$(ctl exec -c -d $g -- cut -d: -f1,3 /proc/self/bc | head -n 1)"
[ ! -d $bc/$g ]
result $? "exec -d: gone"
ctl exec -c -d $g -- sh -c 'exit 7'
is "exec: status" 7 $?
ctl exec -c -d $g -- sh -c 'kill -9 $$'
is "exec: killed" 137 $?
ctl exec -c $g -- ./no-such-program 2>/dev/null
is "exec: no such program" 127 $?
[ ! -d $bc/$g ]
result $? "exec -c: undone then"
ctl exec -c -d numtasks=0 $g -- true 2>"$tmp/err"
is "exec: no room" 1 $?
has "exec: no room" "cannot move into /$g: a limit of numtasks" cat "$tmp/err"
ctl exec -c -d numfiles=0 $g -- true 2>"$tmp/err"
is "exec: not executable for want of files" 126 $?
gone $g
result $? "exec -d: gone"
# No function: it is bcctl itself that is killed.
"$BCCTL" exec -c -d $g -- sleep 1000 &
pid=$!
await grep -q . $bc/$g/tasks
kill -9 $pid
sleep 0.2
[ -d $bc/$g ]
result $? "exec -d: bcctl was killed, the group is in use"
kill $(cat $bc/$g/tasks)
gone $g
result $? "exec -d: and then gone"
ctl exec -c -d $g -- sh -c "sleep 1000 >/dev/null 2>&1 & echo \$! >$tmp/left" 2>"$tmp/err"
has "exec -d: others are left" "still in use" cat "$tmp/err"
kill "$(cat "$tmp/left")"
gone $g
result $? "exec -d: gone after these"
wait

# --- a user in a subtree ------------------------------------------------------
as_user()
{
	start-stop-daemon -S -c 12345:12345 -x "$BCCTL" -- "$@"
}
# The guests of the lab know nobody.
if [ ! -e /etc/passwd ] && mkdir -p /etc; then
	echo 'bcuser:x:12345:12345::/:/bin/sh' >/etc/passwd
	echo 'bcuser:x:12345:' >/etc/group
fi
if start-stop-daemon -S -c 12345:12345 -x /bin/true 2>/dev/null; then
	printf 'group /%s\n\tnumtasks = 10\n\towner = 12345:12345\n' $g >"$tmp/conf"
	ctl restore "$tmp/conf" >/dev/null
	result $? "restore: owner"
	is "restore: again" "all is so already" "$(ctl restore "$tmp/conf")"
	has "snapshot: owner" "owner = " ctl snapshot $g
	as_user create $g/mine numtasks=5
	result $? "user: create"
	as_user set $g/mine numfiles=10:20
	result $? "user: set"
	has "user: set what is root's" "not permitted; it is for who owns it" as_user set $g numtasks=20
	is "user: nothing was set" 10 "$(cat $bc/$g/numtasks/limit)"
	has "user: create elsewhere" "no permission to make groups there" as_user create ${g}_x
	sleep 1000 &
	s1=$!
	has "user: move what is root's" "not permitted" as_user move $g/mine $s1
	kill $s1
	wait $s1 2>/dev/null
	has "user: show" "/$g/mine" as_user show $g/mine
	has "user: tree" "mine" as_user tree $g
	has "user: events" "needs root" as_user events -t 0
	has "user: exec" "/$g/mine" sh -c "
		echo \$\$ >$bc/$g/tasks
		exec start-stop-daemon -S -c 12345:12345 -x '$BCCTL' -- exec $g/mine -- cat /proc/self/bc"
	as_user delete $g/mine
	result $? "user: delete"
	ctl delete $g
fi

# --- events -------------------------------------------------------------------
# A receiver that does not read is told that it has missed some. Its buffer has room for a
# few: that the group was made, and that somebody has moved there, are events, too.
ctl create $g numfiles=0
"$BCCTL" events -v -b 16384 -e refused -g /$g >"$tmp/events" 2>"$tmp/ready" &
pid=$!
await grep -q ready "$tmp/ready"
kill -STOP $pid
sh -c "echo 0 >$bc/$g/tasks; i=0
	while [ \$i -lt 500 ]; do true </dev/null; i=\$((i + 1)); done" 2>/dev/null
kill -CONT $pid
await grep -q "lost some here" "$tmp/events"
kill $pid
wait $pid
is "events: ended" 0 $?
has "events: lost" "lost some here" cat "$tmp/events"
has "events: refused" "refused numfiles /$g by /$g: held 0 barrier 0 limit 0" cat "$tmp/events"
ctl delete -k $g

# --- restore ------------------------------------------------------------------
if [ -d $bc/cpuset ]; then
	last=$(($(nproc) - 1))
	cat >"$tmp/wide" <<-END
	group /$g
		cpuset.cpus = $(cat $bc/cpuset/cpus)
	group /$g/a
		cpuset.cpus = $(cat $bc/cpuset/cpus)
	END
	printf 'group /%s\n cpuset.cpus = %s\ngroup /%s/a\n cpuset.cpus = %s\n' $g $last $g $last \
		>"$tmp/narrow"
	ctl restore "$tmp/wide" >/dev/null
	result $? "restore: CPUs"
	ctl restore "$tmp/narrow" >/dev/null
	result $? "restore: fewer, those below first"
	is "restore: fewer" "$last $last" "$(echo $(cat $bc/$g/cpuset/cpus $bc/$g/a/cpuset/cpus))"
	ctl restore "$tmp/wide" >/dev/null
	result $? "restore: more, those above first"
	ctl delete -r $g
fi

ctl create "$g " numtasks=5
ctl create "$g /a \"b\" \\c" numfiles=7:9 numkeys=3
ctl snapshot "$g " >"$tmp/conf"
ctl set "$g /a \"b\" \\c" numkeys=4 numpty=5
ctl restore "$tmp/conf" >"$tmp/out"
result $? "restore: names with blanks, quotes and backslashes"
is "restore: what was changed" 2 "$(grep -c '^set' "$tmp/out")"
is "restore: all is back" "$(cat "$tmp/conf")" "$(ctl snapshot "$g ")"
ctl delete -r "$g "

# Controllers can be bound as long as there are no groups.
if [ -z "$(find $bc -mindepth 2 -maxdepth 2 -name tasks)" ]; then
	printf 'hierarchy %s = numkeys numpty\ngroup %s:/www\n\tnumkeys = 5\n' $g $g >"$tmp/conf"
	ctl restore -n "$tmp/conf" >/dev/null
	result $? "restore --dry-run: a hierarchy"
	[ ! -d ${bc}_hierarchies/$g ]
	result $? "restore --dry-run: it is not made"
	ctl restore "$tmp/conf" >/dev/null
	result $? "restore: a hierarchy"
	is "restore: again" "all is so already" "$(ctl restore "$tmp/conf")"
	is "get there" 5 "$(ctl get $g:/www numkeys.limit)"
	has "set: elsewhere" "numtasks is in hierarchy 'bc'" ctl set $g:/www numtasks=5
	is "exec there" "/www" "$(ctl exec $g:/www -- cat /proc/self/bc | sed -n 's/^[1-9].*://p')"
	ctl delete $g:/www
	result $? "delete there"
	rmdir ${bc}_hierarchies/$g
fi

# --- for other programs -------------------------------------------------------
ctl create $g numtasks=33
id=$(cat $bc/$g/id)
has "export: prometheus" "bc_numtasks_limit{group=\"/$g\"} 33" ctl export --format=prometheus
has "export: ubc" "$(printf '%10s%c %-12s %20lu %20lu' "$id" : kmemsize 0 0)" ctl export --format=ubc
[ "$(ctl export --format=ubc | awk '$1 == "numproc" { print $2; exit }')" -gt 2 ]
result $? "export: ubc, numproc of the root"
has "top" "/$g" ctl top -b -n 1
ctl profile apply small $g
result $? "profile apply"
is "profile apply" "1500:1600" "$(pair $g numfiles)"

# The kernel's log tells when it was first, if there is room for one more line there.
sh -c "echo 0 >$bc/$g/tasks; ulimit -n 2000; exec 3</dev/null"
ctl set $g numtasks=1
sleep 6
sh -c "echo 0 >$bc/$g/tasks; (true) & wait" 2>/dev/null
has "explain: first time, and who" " by sh[" ctl explain $g
ctl delete -k $g
result $? "delete -k"

rm -r "$tmp"
echo "1..$n"
exit $rc
