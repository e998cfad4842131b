/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Weak memory for the models in this folder.
 *
 * Memory is what the global variables of a model are. A store that nothing keeps in order
 * does not change them at once: it becomes a bit in todo[], and memory(), a process beside
 * each CPU, performs it at any time after that and in any order, but
 *
 * - a release after all stores of that CPU that came before it;
 * - a store behind smp_wmb() after those that came before that;
 * - a store after an earlier one to the same variable.
 *
 * A full barrier waits until nothing is left to do. So does an atomic operation that returns
 * a value and succeeds, which is one step in the models. A cmpxchg that fails is no more than
 * a load, and an atomic operation that returns nothing is a store (Documentation/atomic_t.txt
 * in a kernel tree).
 *
 * Loads are performed where they are written. Between two full barriers they need not be in
 * that order: where the order makes a difference, or would without an acquire or smp_rmb(),
 * the model has the orders as alternatives. So it has where a store may overtake a load that
 * comes before it, which is only where a release has been taken away: all other stores are
 * behind a branch on that load, an acquire, a release or a full barrier.
 *
 * Less than what the kernel's memory model (tools/memory-model) allows: here, a store is
 * seen by all other CPUs at the same time. Where what one CPU has stored reaches a second
 * one by way of a third, the code has a release or a full barrier on the way, and these
 * are cumulative in both.
 *
 * Before it includes this, a model says how many CPUS it has, and how many STORES of each
 * can be waiting; it has a memory() that is made of can_perform(), stored() and performed().
 */
#define BIT(n)		(1 << (n))

typedef waiting {
	byte after[STORES]	/* for each store, those that come first */
}

byte todo[CPUS];
byte value[CPUS];		/* what each of them stores: one bit is enough for us */
byte ordered[CPUS];		/* what was to do at the last smp_wmb() */
waiting store[CPUS];

#define full_barrier(cpu)	(todo[cpu] == 0)

inline put(cpu, what, val, first)
{
	atomic {
		!(todo[cpu] & BIT(what));
		store[cpu].after[what] = first;
		todo[cpu] = todo[cpu] | BIT(what);
		value[cpu] = value[cpu] | ((val) << (what))
	}
}

#define write_once(cpu, what, val)	put(cpu, what, val, ordered[cpu] & todo[cpu])
#define store_release(cpu, what, val)	put(cpu, what, val, todo[cpu])

inline smp_wmb(cpu)
{
	ordered[cpu] = todo[cpu]
}

#define can_perform(cpu, what) \
	((todo[cpu] & BIT(what)) && !(store[cpu].after[what] & todo[cpu]))
#define stored(cpu, what)	((value[cpu] & BIT(what)) != 0)

inline performed(cpu, what)
{
	todo[cpu] = todo[cpu] & ~BIT(what);
	value[cpu] = value[cpu] & ~BIT(what);
	store[cpu].after[what] = 0;
	ordered[cpu] = ordered[cpu] & todo[cpu]
}
