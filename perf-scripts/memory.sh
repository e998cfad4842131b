#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What groups weigh, in a guest of the lab that was booted with slab_nomerge.
case "${1-}" in
bc|bc-members|pids|all|sizes) ;;
*)
	cat <<EOT
usage: memory.sh KIND
Make 1,000 groups of a KIND and print what one has added to the kernel's memory, in
bytes: "total N" (Slab and Percpu of /proc/meminfo), "percpu N", and "slab NAME N" for
each cache. Caches that can shrink are told to, before and after.
  bc          beancounters
  bc-members  the first task in each of 1,000 beancounters: its css_group
  pids, all   directories of cgroup v2, with pids, or with pids, memory, cpu, cpuset
With the KIND sizes, print "size NAME N" for each slab cache: an object's bytes.
EOT
	[ "${1-}" = -h ] || [ "${1-}" = --help ]
	exit ;;
esac
n=1000

if [ "$1" = sizes ]; then
	awk 'NR > 2 { print "size", $1, $4 }' /proc/slabinfo
	exit
fi

# What is pinned: dentries that nobody uses, say, are not.
snapshot()
{
	sync
	echo 2 >/proc/sys/vm/drop_caches
	sleep 1
	awk '/^Slab:|^Percpu:/ { t += $2 } /^Percpu:/ { p = $2 }
		END { print "total", t * 1024; print "percpu", p * 1024 }' /proc/meminfo
	awk 'NR > 2 { print "slab:" $1, $(NF - 1) * $6 * 4096 }' /proc/slabinfo
}

make_groups()
{
	i=0
	while [ $i -lt $n ]; do
		echo "$1/memory$i"
		i=$((i + 1))
	done | xargs mkdir
}

root=/sys/fs/cgroup
case $1 in
bc*) root=/sys/kernel/config/bc ;;
pids) echo +pids >$root/cgroup.subtree_control ;;
all) echo +pids +memory +cpu +cpuset >$root/cgroup.subtree_control ;;
esac || exit
# What the first one needs is not every group's.
mkdir $root/first || exit

if [ "$1" = bc-members ]; then
	make_groups $root || exit
	i=0 pids=
	while [ $i -lt $n ]; do
		sleep 1000000 &
		pids="$pids $!"
		i=$((i + 1))
	done
	snapshot >/tmp/before
	i=0
	for p in $pids; do
		echo "$p" >$root/memory$i/tasks || exit
		i=$((i + 1))
	done
	snapshot >/tmp/after
	kill $pids
else
	snapshot >/tmp/before
	make_groups $root || exit
	snapshot >/tmp/after
fi

awk -v n=$n 'FNR == NR { before[$1] = $2; next }
	{ d = $2 - before[$1] }
	/^slab/ { if (d > n || d < -n) { sub("slab:", "slab "); print $1, $2, int(d / n) }; next }
	{ print $1, d / n }' /tmp/before /tmp/after
