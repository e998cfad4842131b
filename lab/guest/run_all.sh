#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a guest of the lab: what KUnit found at boot, then all kselftests but those that need
# more than one memory node. With -n, only those. KTAP.
cd "$(dirname "$0")" || exit 1
nodes="test_cpuacct test_cpuset test_nodeset"
rc=0

case "${1-}" in
-n)
	tests=$nodes
	;;
*)
	# No module goes while there are removed groups that have its controller, as there
	# are for a minute after TCP connections.
	tests="test_modules $(printf '%s\n' test_* | grep -vxF "$(printf '%s\n' $nodes test_modules)")"
	for suite in /sys/kernel/debug/kunit/bc_*; do
		if [ ! -e "$suite/results" ]; then
			echo "not ok 1 KUnit has not run"
			rc=1
			break
		fi
		cat "$suite/results"
		grep -q '^ok' "$suite/results" || rc=1
	done
	;;
esac

for t in $tests; do
	echo "# $t, $(cut -d' ' -f1 /proc/uptime) s"
	"./$t" || [ $? = 4 ] || rc=1
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
