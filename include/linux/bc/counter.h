/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: a hierarchical counter with limits and watermarks.
 *
 * kernel/bc/counter.c has the rules and the reasons.
 */
#ifndef _LINUX_BC_COUNTER_H
#define _LINUX_BC_COUNTER_H

#include <linux/atomic.h>
#include <linux/bc/types.h>
#include <linux/cache.h>
#include <linux/limits.h>
#include <linux/types.h>

/* No limit. What userspace reads and writes as "max". */
#define BC_MAX			LONG_MAX

/* Levels below the root. Charges keep a number a level on the stack. */
#define BC_MAX_DEPTH		32

/* The largest batch, see bc_counter_init(). */
#define BC_MAX_BATCH		0x100000

/**
 * struct bc_counter - what a group, and all below it, holds of one resource
 * @held: charged here and below, unused credit of CPUs included
 * @maxheld: the highest @held of a successful charge since creation or reset
 * @minheld: the lowest @held since creation or reset
 * @failcnt: charges refused because of @barrier or @limit of this counter
 * @pressure: while not 0, no CPU may open a slot for credit that counts here
 * @lent: some CPU may have credit that counts here
 * @ceiling: by severity, what a charge fails above: the barrier, which is never
 *	above the limit; the limit; and for BC_FORCE what nothing is above
 * @parent: the counter one level up, NULL below the root
 * @batch: how much credit a CPU takes at once; 0 in a plain counter
 * @id: names the counter in a CPU's credit, and in swap; 0 in a plain counter
 * @slot: which of a CPU's slots its credit may be in
 * @release: once bc_counter_kill() has been called: what to call after the last
 *	uncharge
 *
 * The fields are private. @held, which every charge writes, has a cache line of
 * its own, and so has what is rarely written; what is only read comes last. The lowest
 * five bits of its address are for others to use, see pages.c.
 */
struct bc_counter {
	atomic_long_t		held __aligned(32);

	atomic_long_t		maxheld ____cacheline_aligned_in_smp;
	atomic_long_t		minheld;
	atomic_long_t		failcnt;
	atomic_t		pressure;
	bool			lent;

	unsigned long		ceiling[BC_NR_SEVERITIES] ____cacheline_aligned_in_smp;
	struct bc_counter	*parent;
	unsigned int		batch;
	u32			id;
	unsigned int		slot;
	void			(*release)(struct bc_counter *counter);
};

int bc_counter_init(struct bc_counter *counter, struct bc_counter *parent,
		    unsigned int batch);
void bc_counter_kill(struct bc_counter *counter,
		     void (*release)(struct bc_counter *counter));
void bc_counter_destroy(struct bc_counter *counter);
struct bc_counter *bc_counter_find(u32 id);

struct bc_counter *bc_counter_charge(struct bc_counter *counter,
				     unsigned long n,
				     enum bc_severity severity);
struct bc_counter *bc_counter_charge_levels(struct bc_counter *counter,
					    const unsigned long *n,
					    enum bc_severity severity);
unsigned long bc_counter_refused(struct bc_counter *counter,
				 struct bc_counter *refuser);
void bc_counter_uncharge(struct bc_counter *counter, unsigned long n);
void bc_counter_uncharge_until(struct bc_counter *counter,
			       struct bc_counter *stop, unsigned long n);

void bc_counter_set_limit(struct bc_counter *counter, unsigned long limit);
int bc_counter_set_barrier(struct bc_counter *counter, unsigned long barrier);

unsigned long bc_counter_held(struct bc_counter *counter);
unsigned long bc_counter_excess(struct bc_counter *counter, unsigned long n,
				enum bc_severity severity);
unsigned long bc_counter_maxheld(struct bc_counter *counter);
unsigned long bc_counter_minheld(struct bc_counter *counter);
unsigned long bc_counter_failcnt(struct bc_counter *counter);
void bc_counter_reset_maxheld(struct bc_counter *counter);
void bc_counter_reset_minheld(struct bc_counter *counter);
unsigned long bc_counter_slack(struct bc_counter *counter);

/**
 * bc_counter_barrier - the barrier of a counter
 * @counter: the counter
 *
 * Context: Any.
 */
static inline unsigned long bc_counter_barrier(const struct bc_counter *counter)
{
	return READ_ONCE(counter->ceiling[BC_BARRIER]);
}

/**
 * bc_counter_limit - the limit of a counter
 * @counter: the counter
 *
 * Context: Any.
 */
static inline unsigned long bc_counter_limit(const struct bc_counter *counter)
{
	return READ_ONCE(counter->ceiling[BC_LIMIT]);
}

#endif /* _LINUX_BC_COUNTER_H */
