#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# bcctl classify on a real kernel, with its process events. KTAP.
cd "$(dirname "$0")" || exit 1
bc=/sys/kernel/config/bc
g=classify_$$
tmp=/tmp/classify.$$

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

group_of()
{
	sed -n 's/^0:[^:]*://p' "/proc/$1/bc" 2>/dev/null
}

# until_in GROUP PID NAME: ten seconds
until_in()
{
	i=0
	while [ "$(group_of "$2")" != "$1" ] && [ $i -lt 100 ]; do
		sleep 0.1
		i=$((i + 1))
	done
	is "$3" "$1" "$(group_of "$2")"
}

# until_said TEXT NAME: by the daemon, ten seconds
until_said()
{
	i=0
	while ! grep -qF -- "$1" "$tmp/log" && [ $i -lt 100 ]; do
		sleep 0.1
		i=$((i + 1))
	done
	grep -qF -- "$1" "$tmp/log" || { sed 's/^/# /' "$tmp/log"; false; }
	result $? "$2"
}

echo "TAP version 13"

# Programs that no other process runs, so that nobody else is moved. With busybox, sleep may
# be a part of the shell, which is sleep(1) by that name.
program=$(readlink -f "$(command -v sleep)")
[ -f "$program" ] || program=$(readlink "/proc/$$/exe")
for p in here late own; do
	mkdir "$tmp/$p"
	cp "$program" "$tmp/$p/sleep"
done
cat >"$tmp/rules" <<END
54321              $g/user
*:$tmp/own/sleep   $g/own
*:$tmp/here/*      $g/here
END
children=
start()
{
	"$tmp/$1/sleep" 1000 &
	pid=$!
	children="$children $pid"
	# Not before it is what the rules know.
	i=0
	while [ "$(readlink /proc/$pid/exe)" != "$tmp/$1/sleep" ] && [ $i -lt 100 ]; do
		sleep 0.1
		i=$((i + 1))
	done
}

# --- once ---------------------------------------------------------------------
start here
here=$pid
start late
late=$pid
is "dry run" "$here $tmp/here/sleep to $g/here" \
	"$("$BCCTL" classify -n -r "$tmp/rules" "$here" "$late")"
is "dry run: nothing is moved" / "$(group_of "$here")"
"$BCCTL" classify -r "$tmp/rules" "$here" "$late" >"$tmp/out"
result $? "classify"
is "classify: the group is made" /$g/here "$(group_of "$here")"
is "classify: what no rule is for" / "$(group_of "$late")"
"$BCCTL" create $g/full numtasks=0
echo "*:$tmp/late/sleep $g/full" >"$tmp/full"
"$BCCTL" classify -r "$tmp/full" "$late" 2>"$tmp/err"
is "classify: a limit" 1 $?
grep -q "cannot move $late to /$g/full: a limit of numtasks" "$tmp/err"
result $? "classify: says so"
echo "* $g/all" >"$tmp/all"
"$BCCTL" classify -r "$tmp/all" 2 2>"$tmp/err"
is "classify: a kernel thread" 1 $?
grep -q "2 is no process with a program" "$tmp/err"
result $? "classify: a kernel thread has no program"
"$BCCTL" classify -r "$tmp/all" "$here" >/dev/null
is "classify: in a group already" /$g/here "$(group_of "$here")"
"$BCCTL" classify -f -r "$tmp/all" "$here" >/dev/null
is "classify --force" /$g/all "$(group_of "$here")"

# --- daemon -------------------------------------------------------------------
start own
own=$pid
"$BCCTL" classify --daemon -r "$tmp/rules" 2>"$tmp/log" &
daemon=$!
i=0
while ! grep -qE 'ready|no process events' "$tmp/log" && [ $i -lt 100 ]; do
	sleep 0.1
	i=$((i + 1))
done
if grep -q "no process events" "$tmp/log"; then
	wait $daemon
	is "daemon: without process events it ends" 1 $?
	n=$((n + 1))
	echo "ok $n daemon # SKIP no CONFIG_PROC_EVENTS"
else
	until_said ready "daemon: ready"
	is "daemon: what was there before" /$g/own "$(group_of "$own")"
	start here
	until_in /$g/here $pid "daemon: a program is started"
	sh -c "sleep 0.1; exec '$tmp/own/sleep' 1000" &
	children="$children $!"
	until_in /$g/own $! "daemon: exec of another program"
	if start-stop-daemon -S -c 54321:54321 -x /bin/true 2>/dev/null; then
		start-stop-daemon -S -b -m -p "$tmp/pid" -c 54321:54321 -x "$tmp/late/sleep" \
			-- 1000
		until_in /$g/user "$(cat "$tmp/pid")" "daemon: a user"
		children="$children $(cat "$tmp/pid")"
	fi
	echo "broken" >"$tmp/rules"
	kill -HUP $daemon
	until_said "the rules stay as they were" "daemon: SIGHUP, and a mistake"
	echo "*:$tmp/late/* $g/late" >"$tmp/rules"
	kill -HUP $daemon
	until_in /$g/late "$late" "daemon: SIGHUP, all are looked at"
	kill $daemon
	wait $daemon
	is "daemon: SIGTERM" 0 $?
fi

kill $children 2>/dev/null
wait 2>/dev/null
"$BCCTL" delete -r -k $g
result $? "all is gone"
rm -r "$tmp"
echo "1..$n"
exit $rc
