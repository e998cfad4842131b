#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a guest of the lab: Debian's stress-ng, from /mnt, in a group with limits on memory, one
# class of its stressors after the other, each for as many seconds as told. The limits hold,
# and in the end all has been given back. What the stressors themselves say of being refused
# is not looked at: that is what limits do. KTAP.
seconds=${1:-10}
group=/sys/kernel/config/bc/stress-ng
dir=/run/stress-ng
classes="vm mmap mmapfork mremap brk stack bigheap shm shm-sysv memfd mlock mlockmany
	mprotect madvise munmap malloc fork vfork exec clone pipe dentry sock"
resources="privvmpages lockedpages shmpages numtasks numfiles"

run()
{
	$dir/lib/ld-linux-x86-64.so.2 --library-path $dir/lib $dir/stress-ng "$@"
}

echo "TAP version 13"
echo "1..$(($(echo $classes | wc -w) + 1))"
mkdir $group || exit 1
# Not over 9P all the time.
cp -r /mnt $dir || exit 1
# A quarter of the guest's memory, and a bit; the rest is for others, who must not notice.
echo 320M >$group/privvmpages/limit
echo 16M >$group/lockedpages/limit
echo 64M >$group/shmpages/limit
echo 100 >$group/numtasks/limit
echo 600 >$group/numfiles/limit

# What is wrong with the group, now that nobody is in it.
wrong()
{
	local r n held max

	for r in $resources; do
		n=0
		while held=$(cat $group/$r/held) && [ "$held" != 0 ] && [ $n -lt 100 ]; do
			sleep 0.1
			n=$((n + 1))
		done
		[ "$held" = 0 ] || echo "# $r: $held are held"
		max=$(cat $group/$r/maxheld)
		[ "$max" -le "$(cat $group/$r/limit)" ] || echo "# $r: $max were held"
	done
}

rc=0 n=0 refused=0
for class in $classes; do
	n=$((n + 1))
	before=$(cat $group/*/failcnt | awk '{ s += $1 } END { print s }')
	(
		echo 0 >$group/tasks
		run --$class 2 --timeout "${seconds}s" --temp-path /tmp --quiet
	) >/tmp/out 2>&1
	status=$?
	# stress-ng may have left children behind.
	while pids=$(cat $group/tasks) && [ -n "$pids" ]; do
		kill -9 $pids
		sleep 0.1
	done 2>/dev/null
	after=$(cat $group/*/failcnt | awk '{ s += $1 } END { print s }')
	refused=$((refused + after - before))
	w=$(wrong)
	[ -z "$w" ] || echo "$w"
	echo "# $class: status $status, $((after - before)) refused"
	sed -n 's/^/#   /; 1,3p' /tmp/out
	if [ -z "$w" ]; then
		echo "ok $n $class"
	else
		echo "not ok $n $class"
		rc=1
	fi
done
n=$((n + 1))
# Limits that nobody meets prove nothing.
if rmdir $group && [ $refused -gt 0 ]; then
	echo "ok $n the group is empty, and $refused calls were refused"
else
	echo "not ok $n the group is empty, and $refused calls were refused"
	rc=1
fi
exit $rc
