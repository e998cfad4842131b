#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Break beancounters on purpose, in the ways that CONFIG_BC_SABOTAGE offers, and see
# that a test notices. Each line: what is broken, who has to notice, how. Two are not
# here: veto is what a test of test_membership makes use of, and missed is a race that
# release.refused_meanwhile finds in two runs of three.
#
# usage: sabotage.sh tests|model [SHARE OF]
# With "model", only test_model is run: operations at random have to find what is in the
# model's domain, see below. The list is cut into OF shares, of which this is one, from 1.
cd "$(dirname "$0")" || exit 1
switch=/sys/kernel/debug/bc/sabotage
kunit=/sys/kernel/debug/kunit/bc_counter
rc=0 n=0

cases="
uncharge	kunit	bc_counter_test_charge
limit		kunit	bc_counter_test_limit
barrier		kunit	bc_counter_test_severity
force		kunit	bc_counter_test_severity
parent		kunit	bc_counter_test_charge
overshoot	kunit	bc_counter_test_storm_plain_greedy
rollback	kunit	bc_counter_test_parent_refuses
rollback	kunit	bc_counter_test_levels
maxheld		kunit	bc_counter_test_parent_refuses
lost_maxheld	kunit	bc_counter_test_watermarks
minheld		kunit	bc_counter_test_watermarks
failcnt		kunit	bc_counter_test_parent_refuses
parent		kunit	bc_counter_test_depth
drain		kunit	bc_counter_test_no_false_refusal
drain		kunit	bc_counter_test_held_is_exact
drain		kunit	bc_counter_test_excess
drain		kunit	bc_counter_test_seq
uncharge	kunit	bc_counter_test_ids
drain		kunit	bc_counter_test_storm_batched
overshoot	kunit	bc_counter_test_storm_batched_greedy
crossing	kunit	bc_counter_test_crossing
hoard		kunit	bc_counter_test_new_limit
uncharge	kunit	bc_counter_test_slots
limit		kunit	bc_counter_test_limit_race
uncharge	kunit	bc_counter_test_lowered
uncharge	kunit	bc_counter_test_interrupts
uncharge	kunit	bc_counter_test_storm_plain
linger		kunit	bc_counter_test_kill_plain
linger		kunit	bc_counter_test_kill_batched
uncharge	test_interface	bc.watermarks
limit		test_numtasks	bc.refuse
parent		test_numtasks	bc.refuse_above
refork		test_membership	bc.move_while_creating_threads
siblings	test_membership	bc.threads
privilege	test_numfiles	bc.barrier
drain		test_objects	object.numfiles.stay
linger		test_objects	object.numfiles.outlive
owner		test_objects	object.numflock.stay
parent		test_objects	object.numpty.refuse_above
limit		test_objects	object.numtcpsock.refuse
memberships	test_hierarchies	hier.independent
release		test_release	release.last_exit
used		test_release	release.refused
leftover	test_clone	clone.refused_by_cgroup
lost		test_events	bc.nobody_sends
endless		test_netlink	bc.end_is_lost
show		test_netlink	bc.dump_shows_what_files_show
show		test_netlink	bc.who_may_subscribe
told		test_events	bc.log
runtime		test_cpuacct	bc.nested
narrow		test_cpuset	sets.move
rules		test_cpuset	sets.subset
late		test_cpuset	sets.storm_of_threads
drain		test_hotplug	hotplug.credit
drain		test_hotplug	hotplug.credit_is_wanted
limit		test_numiptent	ipt.refuse
parent		test_numiptent	ipt.refuse_above
linger		test_numiptent	ipt.outlive
limit		test_numiptent	xt.ip.replace
owner		test_numiptent	xt.ip.two_groups
limit		test_privvmpages	priv.refuse
leave_mm	test_privvmpages	priv.move
settle		test_privvmpages	priv.paths
settle		test_lockedpages	locked.paths
leave_mm	test_lockedpages	locked.move
limit		test_lockedpages	locked.refuse
settle		test_mm_fuzz	fuzz.random
evict		test_shmpages	shm.segment
limit		test_shmpages	shm.memfd
parent		test_shmpages	shm.barrier
limit		test_kmemsize	kmem.refuse
parent		test_kmemsize	kmem.refuse_above
owner		test_kmemsize	kmem.stay
linger		test_kmemsize	kmem.outlive
barrier		test_kmemsize	kmem.barrier
fault		test_kmemsize	kmem.fault
limit		test_kmempages	pages.refuse
parent		test_kmempages	pages.refuse_above
linger		test_kmempages	pages.outlive
limit		test_dcachesize	dcache.refuse
parent		test_dcachesize	dcache.refuse_above
owner		test_dcachesize	dcache.stay
linger		test_dcachesize	dcache.outlive
barrier		test_dcachesize	dcache.barrier
prune		test_dcachesize	dcache.walk
foreign		test_dcachesize	dcache.neighbours
foreign		test_dcachesize	dcache.directories
limit		test_physpages	phys.kill
parent		test_physpages	phys.kill_below
uncharge	test_physpages	phys.touch
bystander	test_physpages	phys.kill_below
reclaim		test_physpages	phys.reclaim
foreign		test_physpages	phys.neighbour
leave_mm	test_physpages	phys.move
reclaim		test_physpages	phys.barrier
reclaim		test_physpages	phys.lazy_free
elders		test_physpages	phys.reclaim_in_turn
hasty		test_physpages	phys.small_beside_large
eager		test_physpages	phys.all_used
young		test_physpages	phys.second_chance
others		test_physpages	phys.used_by_others
twice		test_physpages	phys.reclaim_below
spare		test_physpages	phys.kill_all
bystander	test_physpages	phys.two_levels
uncharge	test_physpaths	phys.remote
uncharge	test_physpaths	phys.userfaultfd
reclaim		test_physpaths	phys.userfaultfd_at_the_limit
uncharge	test_physpaths	phys.collapse
uncharge	test_physpaths	phys.same_pages
uncharge	test_physpaths	phys.migration
limit		test_swappages	swap.limit
parent		test_swappages	swap.parent
owner		test_swappages	swap.move
linger		test_swappages	swap.outlive
copies		test_swappages	swap.barrier
neighbours	test_swappages	swap.neighbours
uncharge	test_swappages	swap.two_devices
uncharge	test_swappages	swap.off_meanwhile
leave_mm	test_pss	phys.alone
whole		test_pss	phys.zygote
limit		test_sockbuf	bc.unix_refuse
parent		test_sockbuf	bc.unix_refuse_above
uncharge	test_sockbuf	bc.unix_dgram
turns		test_sockbuf	bc.unix_turns
uncharge	test_sockbuf	bc.tcp_receive
limit		test_sockbuf	bc.udp_flood
limit		test_sockbuf	bc.tcp_never
limit		test_sockbuf	bc.tcp_block
first		test_sockbuf	bc.mptcp
asleep		test_sockbuf	bc.unix_wake
asleep		test_sockbuf	bc.tcp_wake_other
limit		test_netneighbour	net.lo.never_reads
limit		test_netneighbour	net.lo.never_accepts
limit		test_netneighbour	bc.floods
"

# What test_model finds, which knows of none of it, and what it cannot:
#   crossing		credit above a barrier is met by who comes from a CPU that has it,
#			between two looks at held; now and then it is
#   refork, missed, late
#			races of a move with a fork, which it never has under way
#   release, told, lost, endless, show
#			agents, the log and netlink are not in it
#   leftover		nor is a clone(2) that cgroups refuse
#   runtime, narrow, rules, whole
#			nor are controllers that count no objects or pages
#   fault, prune, foreign, reclaim, bystander, turns, asleep, twice, young, others, elders,
#   hasty, eager, spare, copies, neighbours, first
#			nor kernel memory, caches, RAM, swap and the buffers of sockets
model_cases="
uncharge	test_model	model.sequential
limit		test_model	model.sequential
barrier		test_model	model.sequential
force		test_model	model.sequential
parent		test_model	model.sequential
overshoot	test_model	model.parallel
rollback	test_model	model.sequential
maxheld		test_model	model.sequential
lost_maxheld	test_model	model.sequential
minheld		test_model	model.sequential
failcnt		test_model	model.sequential
drain		test_model	model.sequential
hoard		test_model	model.sequential
linger		test_model	model.sequential
owner		test_model	model.sequential
privilege	test_model	model.sequential
siblings	test_model	model.sequential
veto		test_model	model.sequential
memberships	test_model	model.sequential
used		test_model	model.sequential
leave_mm	test_model	model.sequential
settle		test_model	model.sequential
evict		test_model	model.sequential
"

case "${1-}" in
tests) ;;
model) cases=$model_cases ;;
*) echo "usage: sabotage.sh tests|model [SHARE OF]" >&2; exit 2 ;;
esac
share=${2:-1} of=${3:-1}

if [ ! -w $switch ]; then
	echo "1..0 # SKIP needs CONFIG_BC_SABOTAGE"
	exit 4
fi

# Whom an OOM in a group kills may be us.
for p in $$ $PPID; do
	echo -1000 >/proc/$p/oom_score_adj
done
# How many seconds the model gives a counter to settle: as many with sabotage as without, or
# what is slow would be taken for what is noticed.
patience=15
# How a single test is asked for.
only()
{
	case $1 in
	model.parallel) echo "--parallel --seconds 30 --patience $patience" ;;
	model.sequential) echo "--seconds 80 --patience $patience --no-shrink" ;;
	*) echo "-r $1" ;;
	esac
}
# The harness ends a test that takes too long, with all that is in its process group: who
# ends the harness would leave them behind. Tests that need more than its 120 s say so,
# and 1000 is for what is not part of a test.
run_test()
{
	(echo 0 >/proc/self/oom_score_adj
	 exec timeout -k 5 1000 "./$who" $(only "$test")) >/tmp/results 2>&1
}
# What is left behind is not the next one's.
clean_up()
{
	echo none >$switch
	for p in /proc/[0-9]*; do
		[ "$p/exe" -ef "./$who" ] && kill -9 "${p#/proc/}" 2>/dev/null
	done
	for g in /sys/kernel/config/bc/selftest-*; do
		[ -d "$g" ] || continue
		for p in $(cat "$g"/threads "$g"/*/threads 2>/dev/null); do
			kill -9 "$p" 2>/dev/null
		done
	done
	swapoff /dev/ram0 2>/dev/null
	swapoff /dev/ram1 2>/dev/null
	sleep 1
	# Below comes before above, and the other hierarchies' groups last.
	find /sys/kernel/config/bc /sys/kernel/config/bc_hierarchies \
		-mindepth 2 -name tasks | sed 's|/tasks$||' | sort -r >/tmp/left
	grep -v /bc_hierarchies/ /tmp/left | xargs -r rmdir 2>/dev/null
	grep /bc_hierarchies/ /tmp/left | xargs -r rmdir 2>/dev/null
}

# A test that waits for a count to become 0 would wait for ever.
export BC_SECONDS=1 BC_MOVES=100 BC_TASKS=100

echo "$cases" | sed '/^$/d' | sort -s -k1,1 >/tmp/all
lines=$(wc -l </tmp/all)
sed -n "$(((share - 1) * lines / of + 1)),$((share * lines / of))p" /tmp/all >/tmp/cases
if [ ! -s /tmp/cases ]; then
	echo "sabotage.sh: there is nothing in share $share of $of" >&2
	exit 2
fi
echo "TAP version 13"
echo "1..$(wc -l </tmp/cases)"
last=
while read -r what who test; do
	n=$((n + 1))
	noticed=
	echo "$what" >$switch
	if [ "$who" = kunit ]; then
		if [ "$what" != "$last" ]; then
			echo x >$kunit/run
			cp $kunit/results /tmp/results
		fi
		grep -q "not ok [0-9]* $test\$" /tmp/results && noticed=1
		last=$what
	else
		# A race may need more than one go in so short a time.
		for try in 1 2 3 4 5; do
			echo "$what" >$switch
			run_test
			status=$?
			clean_up
			# It has failed, not crashed, nor taken too long.
			[ $status = 1 ] && grep -q "^not ok [0-9]* $test\$" /tmp/results || continue
			! grep -q "terminated by timeout" /tmp/results || continue
			noticed=1
			break
		done
		last=
	fi
	echo none >$switch
	# By what, so that a reader sees whether it was that.
	[ -z "$noticed" ] || [ "$who" = kunit ] ||
		grep '^#.*xpected' /tmp/results | head -n 1 | cut -c 1-200
	if [ -n "$noticed" ]; then
		echo "ok $n $what is noticed by $test"
	else
		echo "not ok $n $what is noticed by $test"
		rc=1
	fi
done </tmp/cases

# And it is the sabotage that was noticed: all is well without.
echo x >$kunit/run
grep -q '^ok' $kunit/results || { echo "# bc_counter fails without sabotage"; rc=1; }
rm -f /tmp/failed
sed 's/^[^	]*	*//' /tmp/cases | sort -u | while read -r who test; do
	[ "$who" != kunit ] || continue
	run_test ||
		{ echo "# $test fails without sabotage"; echo 1 >/tmp/failed; }
	clean_up
done
[ ! -e /tmp/failed ] || rc=1
exit $rc
