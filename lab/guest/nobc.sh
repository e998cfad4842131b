#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In a guest of the lab whose kernel has no beancounters: it works all the same.
cd "$(dirname "$0")" || exit 1
rc=0
check()
{
	if eval "$3"; then
		echo "ok $1 $2"
	else
		echo "not ok $1 $2"
		rc=1
	fi
}

echo "TAP version 13"
echo "1..4"
check 1 "there are no beancounters" '! [ -e /sys/kernel/config/bc ]'
check 2 "configfs is there" '[ -d /sys/kernel/config ]'
check 3 "fork, exec and exit work" '[ "$(for i in 1 2 3 4 5; do sh -c "echo $i"; done | wc -l)" = 5 ]'
check 4 "the tests say that they cannot run" './test_numtasks | grep -q "SKIP no beancounters"'
exit $rc
