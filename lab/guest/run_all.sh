#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a guest of the lab: kselftests. "nodes" are those that need several CPUs or memory
# nodes, "second" is about one half of the others, in as much time, and "first" is the rest,
# with what KUnit found at boot. "slow" are single tests of these, which take minutes there
# and are left out otherwise, and those that let only some of many allocations fail
# otherwise: here, each one. Or the names of tests, whole. KTAP.
cd "$(dirname "$0")" || exit 1
nodes="test_cpuacct test_cpuset test_nodeset test_physnodes test_hotplug"
rc=0

# First, what looks at a kernel in which no group was ever made.
second="test_kmempages test_swappages test_physpages test_kmemsize test_dcachesize
test_netlink test_numflock test_sockbuf"

slow="test_modules:memory test_clone:memory test_dcachesize:cost
test_failslab:exec_task test_failslab:make_group test_hierarchies:css_groups
test_kmemsize:each test_kmemsize:new_net test_listing:ten_thousand test_netlink:end_is_lost
test_release:storm"

# The first three need a kernel in which no group was made, or lives on, and so are first.
sampled="test_kmempages:first test_swappages:no_memory_for_mkdir
test_swappages:no_memory_for_swapon test_kmemsize:failslab"

without()
{
	printf '%s\n' test_* | grep -vxF "$(printf '%s\n' "$@")"
}

# Which of a test's tests are to be run: -t takes one, -T leaves one out.
filter()
{
	for s in $slow; do
		[ "${s%%:*}" != "$2" ] || printf ' %s %s' "$1" "${s#*:}"
	done
}

# The names of a test's tests, as the harness lists them: in a third column, after the
# fixture and the variant, of which a line may have only these.
names()
{
	"./$1" -l 2>&1 | awk 'NR > 1 && !/^-/ {
		n = split(substr($0, 48), a, " ")
		if (n)
			print a[n]
	}'
}

# No module goes while there are removed groups that have its controller, as there are for a
# minute after TCP connections: it comes first.
how=-T
case "${1-}" in
nodes)	tests=$nodes ;;
second)	tests=$second ;;
first)	tests="test_modules $(without $nodes $second test_modules)" ;;
slow)
	slow="$sampled $slow" how=-t
	tests=$(printf '%s\n' $slow | sed 's/:.*//' | awk '!seen[$0]++')
	export BC_FAIL_ALL=1 ;;
test_*)	tests=$* how= ;;
*)	echo "run_all.sh: there are no tests '${1-}'" >&2; exit 2 ;;
esac

case "${1-}" in
first)
	for suite in /sys/kernel/debug/kunit/bc_*; do
		if [ ! -e "$suite/results" ]; then
			echo "not ok 1 KUnit has not run"
			rc=1
			break
		fi
		cat "$suite/results"
		grep -q '^ok' "$suite/results" || rc=1
	done
esac

for t in $tests; do
	echo "# $t, $(cut -d' ' -f1 /proc/uptime) s"
	options=$([ -z "$how" ] || filter "$how" "$t")
	if [ -n "$options" ]; then
		names=$(names "$t")
		those=$(printf '%s\n' $(filter "" "$t"))
		# A test that has another name now would run where it takes too long, and not
		# where it is wanted: the harness does not mind names that it does not know.
		for name in $those; do
			printf '%s\n' "$names" | grep -qxF "$name" && continue
			echo "not ok 1 there is no $t:$name"
			rc=1
		done
		# A plan of nothing is a failure.
		if [ "$how" = -T ] && ! printf '%s\n' "$names" | grep -qvxF "$those"; then
			echo "# all of its tests are slow"
			continue
		fi
	fi
	"./$t" $options || [ $? = 4 ] || rc=1
	echo "# groups that live on: $(cat /sys/kernel/debug/bc/groups 2>/dev/null)"
done

# Nobody's group remains.
echo "TAP version 13"
echo "1..1"
left=$(find /sys/kernel/config/bc* -mindepth 2 -name tasks)
if [ -z "$left" ]; then
	echo "ok 1 no group remains"
else
	echo "not ok 1 no group remains: $left"
	rc=1
fi
exit $rc
