/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Is memory.pml as weak as it says, and no weaker? Two CPUs, two variables, and what they can
 * end with. Each of these is possible without a barrier, and must not be with it:
 *
 * SB:   each stores to one variable and loads the other; none sees the other's store
 * MP:   one stores to x, then to y; the other sees y and not x
 * WRITES: both store to both, in opposite order; each variable ends with the first store
 */
#define CPUS 2
#define X 0
#define Y 1
#define STORES 2
#include "memory.pml"

byte x, y;
byte seen[CPUS], finished;

proctype memory(byte cpu)
{
end:	do
	:: atomic { can_perform(cpu, X) -> x = cpu + 1; performed(cpu, X) }
	:: atomic { can_perform(cpu, Y) -> y = cpu + 1; performed(cpu, Y) }
	od
}

inline barrier()
{
#if defined(FULL)
	full_barrier(me)
#elif defined(WMB)
	smp_wmb(me)
#else
	skip
#endif
}

#ifdef RELEASE
#define store_last	store_release
#else
#define store_last	write_once
#endif

proctype first(byte me)
{
	write_once(me, X, 1);
	barrier();
#ifdef SB
	seen[me] = y;
#else
	store_last(me, Y, 1);
#endif
	finished++
}

proctype second(byte me)
{
#ifdef MP
	seen[0] = y;
	seen[1] = x;
#else
	write_once(me, Y, 1);
	barrier();
#ifdef SB
	seen[me] = x;
#else
	store_last(me, X, 1);
#endif
#endif
	finished++
}

init {
	atomic { run memory(0); run memory(1); run first(0); run second(1) }
	finished == 2 && todo[0] == 0 && todo[1] == 0;
#ifdef SB
	assert(seen[0] || seen[1])
#endif
#ifdef MP
	assert(!seen[0] || seen[1])
#endif
#ifdef WRITES
	assert(!(x == 1 && y == 2))
#endif
}
