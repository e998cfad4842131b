/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: the last uncharge of a counter that is killed.
 *
 * Models bc_counter_kill() and counter_empty() with uncharge_levels(), in kernel/bc/counter.c:
 * two CPUs uncharge, of which each may get one more charge before (bc_try_charge_as()), while
 * a third one kills the counter.
 *
 * - release is called once, when all is uncharged;
 * - it finds what the caller of bc_counter_kill() has stored before (a reference to the group,
 *   bc_resource_offline()).
 *
 * One level, and a plain counter: a batched one has no credit any more, see credit.pml, and
 * one barrier more. @minheld is left out: whatever it is, who leaves 0 looks for release.
 * That a counter is freed a grace period later is RCU's.
 *
 * Without one of these, the model fails:
 *   NO_KILL_RELEASE	the release store of ->release
 *   NO_KILL_MB		smp_mb() in bc_counter_kill()
 */
#define CPUS 3

#define REFERENCE 0
#define RELEASE 1
#define STORES 2
#include "memory.pml"

#define COUNTER_ENDED 100

byte held = 2;
bool reference, release;

/* What there is to check. */
byte released, finished;

proctype memory(byte cpu)
{
end:	do
	:: atomic { can_perform(cpu, REFERENCE) -> reference = true; performed(cpu, REFERENCE) }
	:: atomic { can_perform(cpu, RELEASE) -> release = true; performed(cpu, RELEASE) }
	od
}

/* Who has stored @release sees it, wherever it is. */
inline counter_empty(stored_it)
{
	if
	:: release || stored_it ->
		atomic {
			if
			:: held == 0 && full_barrier(me) ->
				held = COUNTER_ENDED;
				assert(reference);
				released++
			:: held != 0
			fi
		}
	:: else
	fi
}

inline uncharge()
{
	atomic { full_barrier(me) -> held--; left = held }
	if
	:: left == 0 -> counter_empty(false)
	:: else
	fi
}

proctype uncharger(byte me)
{
	byte left;

	if
	:: atomic { full_barrier(me) -> held++ }
		uncharge()
	:: skip
	fi;
	uncharge();
	finished++
}

proctype killer(byte me)
{
	write_once(me, REFERENCE, 1);
#ifndef NO_KILL_RELEASE
	store_release(me, RELEASE, 1);
#else
	write_once(me, RELEASE, 1);
#endif
#ifndef NO_KILL_MB
	full_barrier(me);
#endif
	counter_empty(true);
	finished++
}

init {
	atomic {
		run memory(2);
		run uncharger(0);
		run uncharger(1);
		run killer(2)
	}
	finished == 3 && todo[2] == 0;
	assert(released == 1 && held == COUNTER_ENDED)
}
