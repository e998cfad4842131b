#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The same benchmark as perf-scripts/bench on a machine that is really booted, where
# cycles and cache misses mean something: perf stat and perf record around bench_paths.
set -u

bc=/sys/kernel/config/bc
hierarchies=/sys/kernel/config/bc_hierarchies
cgroup=/sys/fs/cgroup
mine="$cgroup/bench-level $cgroup/bench-here $cgroup/bench-there $cgroup/bench-probe"
all_situations="none root group limited limited4 limited16 hier2 hier3 pids pids+memory all all4 both"
all_paths="null fork exec pthread open pipe unix udp tcp epoll inotify watch mmap1 mmap16
	mmap256 brk mprotect mlock shm memfd fcntl dgram dgram1 dgram1k dgram64k stream1 stream1k
	stream64k udp1 udp1k udp64k tcp1 tcp1k tcp64k signal msg pty key attach mkdir held"

usage()
{
	cat <<EOT
usage: on-metal.sh [-t] [-c CPU] [-e EVENTS] [-n TIMES] [-o DIR] [-p PATHS] [SITUATION ...]
Measure paths of bench_paths in SITUATIONs on this machine, as root. Makes groups (of
beancounters and of cgroup v2, named bench-*), and removes them, also when it is
interrupted. Situations and paths are those of perf-scripts/bench_paths.c; by default:
  $all_situations
Boot a kernel without beancounters and run "on-metal.sh none" there for what all the
others are to be compared with.
  -t          time only: do not use perf
  -c CPU      run on this CPU (1, or 0 if there is no other)
  -e EVENTS   for perf stat (cycles,instructions,cache-misses)
  -n TIMES    operations to count (2000)
  -o DIR      where to leave metal.csv and the recordings (./metal)
  -p PATHS    paths, separated by spaces
The program bench_paths is taken from the folder of this script, or from DIR, where it
is built with cc if it is not there.
Writes DIR/metal.csv: situation,path,event,value, for one operation. For fork and open, also
DIR/SITUATION-PATH.data, by perf record, and its functions in DIR/SITUATION-PATH.txt.
Exit status: 0; 1 if something is missing or fails; 2 for a wrong command line.
EOT
}

cpu='' events=cycles,instructions,cache-misses times=2000 dir=metal paths=$all_paths time_only=
while getopts htc:e:n:o:p: o; do
	case $o in
	h) usage; exit 0 ;;
	t) time_only=1 ;;
	c) cpu=$OPTARG ;;
	e) events=$OPTARG ;;
	n) times=$OPTARG ;;
	o) dir=$OPTARG ;;
	p) paths=$OPTARG ;;
	*) usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
# Not given as arguments of their own: "$*" is all that is to be measured.
situations=${*:-$all_situations}
if ! [ "$times" -gt 0 ] 2>/dev/null; then
	echo "on-metal.sh: not a number of operations: '$times'" >&2
	exit 2
fi

# Say everything that is missing, not just the first.
missing=0
miss()
{
	missing=1
	echo "on-metal.sh: missing: $1" >&2
	[ -z "${2-}" ] || echo "    $2" >&2
}

wants()
{
	for s in $situations; do
		for w; do
			case $s in
			"$w"|"$w"[0-9]*) return 0 ;;
			esac
		done
	done
	return 1
}

[ "$(id -u)" = 0 ] || miss "root: groups are made, and counters of the CPU read" \
	"run it with sudo"

if wants root group limited other hier both; then
	if ! grep -q ' configfs ' /proc/mounts; then
		miss "configfs" "mount -t configfs none /sys/kernel/config (CONFIG_CONFIGFS_FS)"
	elif ! [ -d $bc ]; then
		miss "beancounters in this kernel, $(uname -r)" \
			"boot one with CONFIG_BEANCOUNTERS=y; without, only none and cgroups can be measured"
	fi
fi
# Nobody else's groups: they would be in the way of "none", and we in theirs.
others=$(find $bc $hierarchies -mindepth 2 -name tasks 2>/dev/null | sed 's|/tasks$||')
[ -z "$others" ] || miss "a machine without groups of beancounters" \
	"remove these: $(echo $others)"
for d in $mine; do
	[ ! -e "$d" ] || miss "a free name for our cgroup" "rmdir $d"
done
if wants pids pids+memory all both; then
	if ! grep -q "cgroup2" /proc/filesystems || ! [ -e $cgroup/cgroup.controllers ]; then
		miss "cgroup v2 at $cgroup" "mount -t cgroup2 none $cgroup"
	else
		need="pids"
		! wants pids+memory || need="pids memory"
		! wants all both || need="pids memory cpu cpuset"
		for c in $need; do
			grep -qw "$c" $cgroup/cgroup.controllers ||
				miss "the controller $c in $cgroup/cgroup.controllers" \
				"boot a kernel that has it, or without cgroup_disable= and cgroup v1"
		done
	fi
fi

if [ -z "$time_only" ]; then
	if ! command -v perf >/dev/null; then
		miss "perf" "install linux-perf (Debian) or build tools/perf; or use -t for time only"
	else
		for e in $(echo "$events" | tr , ' '); do
			if ! line=$(perf stat -x, -e "$e" true 2>&1); then
				miss "the event $e" "perf stat -e $e true: $line"
			elif echo "$line" | grep -q 'not '; then
				miss "the event $e: this machine does not count it" \
				"a guest needs a PMU of its host (KVM: -cpu host); or use -e, say -e task-clock, or -t"
			fi
		done
	fi
fi

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir" 2>/dev/null || miss "a folder to write to" "give one: -o DIR"
bench=$here/bench_paths
if ! [ -x "$bench" ]; then
	bench=$dir/bench_paths
	if ! [ "$bench" -nt "$here/bench_paths.c" ]; then
		if ! command -v cc >/dev/null; then
			miss "bench_paths" "there is no cc to build it: install gcc, or copy a static one to $here"
		elif ! cc -O2 -pthread -o "$bench" "$here/bench_paths.c"; then
			miss "bench_paths" "cc cannot build $here/bench_paths.c"
		fi
	fi
fi
[ $missing = 0 ] || exit 1

# What does not make it wrong, but the numbers unsteady.
for g in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do
	[ -r "$g" ] || continue
	[ "$(cat "$g")" = performance ] ||
		echo "on-metal.sh: note: $g is $(cat "$g"): cycles are right, time is not steady" >&2
	break
done
[ -n "$cpu" ] || cpu=$([ "$(getconf _NPROCESSORS_ONLN 2>/dev/null || nproc)" -gt 1 ] && echo 1 || echo 0)
pin=
if command -v taskset >/dev/null; then
	# busybox knows masks only.
	pin="taskset $(printf '%x' $((1 << cpu)))"
	if ! $pin true; then
		echo "on-metal.sh: cannot run on CPU $cpu" >&2
		exit 1
	fi
else
	echo "on-metal.sh: note: no taskset: what runs may move from CPU to CPU" >&2
fi

# What bench_paths has made, the innermost first. Elsewhere in the tree of cgroups,
# such a name may be somebody else's.
ours()
{
	for d in $bc/bench-* $hierarchies/bench-* $mine; do
		[ ! -d "$d" ] || find "$d" -depth -type d -name 'bench-*'
	done
}

# A group can be removed when its last task is reaped.
clean_up()
{
	try=0
	while :; do
		left=$(ours)
		[ -n "$left" ] || break
		if [ $try = 50 ]; then
			echo "on-metal.sh: cannot remove" $left >&2
			return 1
		fi
		echo "$left" | xargs rmdir 2>/dev/null || sleep 0.1
		try=$((try + 1))
	done
	[ -e $cgroup/cgroup.subtree_control ] || return 0
	for c in $(cat $cgroup/cgroup.subtree_control); do
		case " $enabled " in
		*" $c "*) ;;
		*) echo "-$c" >$cgroup/cgroup.subtree_control ;;
		esac
	done
}

enabled=$(cat $cgroup/cgroup.subtree_control 2>/dev/null)
child=
interrupted()
{
	trap '' INT TERM HUP
	[ -z "$child" ] || kill "$child" 2>/dev/null
	# perf lets its child live on.
	for d in $(ours); do
		for t in "$d/tasks" "$d/cgroup.procs"; do
			[ ! -e "$t" ] || kill $(cat "$t") 2>/dev/null
		done
	done
	wait
	clean_up
	echo "on-metal.sh: interrupted, and cleaned up" >&2
	exit 1
}
trap interrupted INT TERM HUP

# Run something, so that an interrupt need not wait for its end.
run()
{
	"$@" >"$dir/log" 2>&1 &
	child=$!
	wait $child
	rc=$?
	child=
	if [ $rc != 0 ]; then
		cat "$dir/log" >&2
		echo "on-metal.sh: failed: $*" >&2
		clean_up
		exit 1
	fi
}

# "EVENT COUNT" of $1 more operations of a path in a situation. A count is the whole
# process's; what is there before the operations is the same in another run, with none.
counts()
{
	run perf stat -x, -o "$dir/stat" -e "$events" $pin "$bench" -n "$1" "$s" "$p"
	clean_up || exit 1
	awk -F, 'NF > 3 { sub(/:.*/, "", $3); print $3, $1 }' "$dir/stat"
	rm "$dir/stat"
}

csv=$dir/metal.csv
echo "situation,path,event,value" >"$csv"
for s in $situations; do
	# The calls are patched out again a second after the last group has gone.
	[ "$s" != none ] || sleep 2
	for p in $paths; do
		case $s:$p in
		none:attach|none:mkdir|none:held) continue ;;
		esac
		run $pin "$bench" "$s" "$p"
		awk -v s="$s" -v OFS=, '{ print s, $1, "ns", $2 }' "$dir/log" >>"$csv"
		clean_up || exit 1
		if [ -z "$time_only" ]; then
			counts 0 >"$dir/before" || exit 1
			counts "$times" >"$dir/after" || exit 1
			awk -v s="$s" -v p="$p" -v n="$times" -v OFS=, '
				FNR == NR { before[$1] = $2; next }
				{ print s, p, $1, sprintf("%.2f", ($2 - before[$1]) / n) }' \
				"$dir/before" "$dir/after" >>"$csv"
			case $p in
			fork|open)
				run perf record -q -o "$dir/$s-$p.data" $pin "$bench" -n "$times" "$s" "$p"
				clean_up || exit 1
				perf report --stdio -i "$dir/$s-$p.data" --sort symbol \
					>"$dir/$s-$p.txt" 2>/dev/null ;;
			esac
		fi
		grep "^$s,$p," "$csv" | awk -F, '
			{ line = line sprintf("  %s %s", $4, $3) }
			END { printf "%-12s %-8s%s\n", $1, $2, line }'
	done
done
rm -f "$dir/log" "$dir/before" "$dir/after"
echo "== $csv"
