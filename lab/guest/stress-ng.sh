#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a guest of the lab: Debian's stress-ng, from /mnt, in a group with limits, one class of
# its stressors after the other, each for as many seconds as told: at first with limits on
# what they map and open, then on pages in RAM and in swap, with two of three that want more
# than that. The limits hold, the kernel kills nobody outside, and in the end all has been
# given back. What the stressors themselves say of being refused or killed is not looked at:
# that is what limits do. KTAP.
seconds=${1:-10}
kinds=${2:-map touch}
group=/sys/kernel/config/bc/stress-ng
dir=/run/stress-ng
map="vm mmap mmapfork mremap brk stack bigheap shm shm-sysv memfd mlock mlockmany
	mprotect madvise munmap malloc fork vfork exec clone pipe dentry sock"
touch="vm vm-rw bigheap brk stack mmapfork malloc madvise mremap userfaultfd vm-addr
	vm-segv vm-splice swap oom-pipe"
resources="privvmpages lockedpages shmpages physpages swappages numtasks numfiles"

run()
{
	$dir/lib/ld-linux-x86-64.so.2 --library-path $dir/lib $dir/stress-ng "$@"
}

echo "TAP version 13"
plan=0
for kind in $kinds; do
	case $kind in
	map) plan=$((plan + $(echo $map | wc -w) + 1)) ;;
	touch) plan=$((plan + $(echo $touch | wc -w) + 1)) ;;
	esac
done
echo "1..$plan"
mkdir $group || exit 1
# Not over 9P all the time.
cp -r /mnt $dir || exit 1
# More than the limits, so that there is something to be refused for.
echo 256M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null && swapon /dev/zram0 ||
	exit 1
echo 100 >$group/numtasks/limit
echo 600 >$group/numfiles/limit

# A quarter of the guest's memory, and a bit; the rest is for others, who must not notice.
limit_map()
{
	echo 320M >$group/privvmpages/limit
	echo 16M >$group/lockedpages/limit
	echo 64M >$group/shmpages/limit
}

limit_touch()
{
	echo max >$group/privvmpages/limit
	echo 96M >$group/physpages/limit
	echo 80M >$group/physpages/barrier
	echo 128M >$group/swappages/limit
}

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
		# What is read from swap ahead of time (MADV_WILLNEED), when who wanted it has
		# ended, stays in the swap cache, with its slot, until somebody needs the page.
		if [ $r = swappages ] && [ "$held" != 0 ]; then
			echo "# swappages: $held were held, of the swap cache" >&2
			swapoff /dev/zram0 && swapon /dev/zram0
			held=$(cat $group/$r/held)
		fi
		[ "$held" = 0 ] || echo "# $r: $held are held"
		# What a system call touches is settled when it is over (5.26).
		[ $r != physpages ] || continue
		max=$(cat $group/$r/maxheld)
		[ "$(cat $group/$r/limit)" = max ] || [ "$max" -le "$(cat $group/$r/limit)" ] ||
			echo "# $r: $max were held"
	done
}

sum_refused()
{
	cat $group/*/failcnt | awk '{ s += $1 } END { print s }'
}

# classes KIND CLASS...
classes()
{
	local kind=$1 class before after pids status w refused=0 kills

	shift
	limit_$kind
	for class; do
		n=$((n + 1))
		before=$(sum_refused) kills=$(cat $group/physpages/oom_kills)
		mkdir /tmp/files
		# What it says is kept by somebody else: shmpages counts a file in /tmp.
		cat /tmp/said >/tmp/out &
		(
			echo 0 >$group/tasks
			run --$class 2 --timeout "${seconds}s" --temp-path /tmp/files --quiet
		) >/tmp/said 2>&1
		status=$?
		# stress-ng may have left children behind.
		while pids=$(cat $group/tasks) && [ -n "$pids" ]; do
			kill -9 $pids
			sleep 0.1
		done 2>/dev/null
		wait
		rm -r /tmp/files
		after=$(sum_refused)
		refused=$((refused + after - before))
		w=$(wrong)
		[ -z "$w" ] || echo "$w"
		echo "# $class: status $status, $((after - before)) refused," \
			"$(($(cat $group/physpages/oom_kills) - kills)) killed," \
			"pages at most: $(cat $group/physpages/maxheld) in RAM," \
			"$(cat $group/swappages/maxheld) in swap"
		echo 0 >$group/physpages/maxheld
		echo 0 >$group/swappages/maxheld
		sed -n 's/^/#   /; 1,3p' /tmp/out
		[ -z "$w" ]
		result $? "$kind: $class"
	done
	n=$((n + 1))
	# Limits that nobody meets prove nothing.
	[ $refused -gt 0 ]
	result $? "$kind: $refused times something was refused"
}

# result STATUS NAME
result()
{
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		rc=1
	fi
}

mkfifo /tmp/said
rc=0 n=0
for kind in $kinds; do
	case $kind in
	map) classes map $map ;;
	touch) classes touch $touch ;;
	esac
done
rmdir $group || { echo "# the group is not empty"; rc=1; }
exit $rc
