/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: credit, the part of a batched counter that its CPUs keep. For
 * counter.c, which has the rules, and for callers to whom each instruction counts.
 */
#ifndef _BC_CREDIT_H
#define _BC_CREDIT_H

#include <linux/atomic.h>
#include <linux/bc/counter.h>
#include <linux/percpu.h>
#include <linux/types.h>

#include "sabotage.h"

/* The slots of a CPU, two cache lines of them: the id above, the units below. */
#define CREDIT_SLOTS	16

/**
 * struct credit_cache - the credit of one CPU
 * @slot: counter id << 32 | units; 0 is empty
 * @seq: odd while this CPU moves credit between slots and counters
 */
struct credit_cache {
	atomic64_t	slot[CREDIT_SLOTS];
	unsigned int	seq;
};

DECLARE_PER_CPU_ALIGNED(struct credit_cache, bc_credit_cache);

static inline u32 credit_id(s64 word)
{
	return (u64)word >> 32;
}

static inline u32 credit_units(s64 word)
{
	return (u32)word;
}

static inline s64 credit_word(const struct bc_counter *counter, u32 units)
{
	return (u64)counter->id << 32 | units;
}

/*
 * This CPU's slot for a counter. No harm is done if we are moved to another CPU
 * with the pointer in hand: slots may be changed from anywhere.
 */
static inline atomic64_t *credit_slot(const struct bc_counter *counter)
{
	return &raw_cpu_ptr(&bc_credit_cache)->slot[counter->slot];
}

static inline unsigned int credit_max(const struct bc_counter *counter)
{
	return 2 * counter->batch;
}

/*
 * Pay a charge out of this CPU's credit. A plain counter has the id of an empty slot,
 * and finds nothing there.
 */
static __always_inline bool credit_take(struct bc_counter *counter, unsigned long n)
{
	atomic64_t *slot = credit_slot(counter);
	s64 word = atomic64_read(slot);

	do {
		if (credit_id(word) != counter->id || credit_units(word) < n)
			return false;
	} while (!atomic64_try_cmpxchg(slot, &word, word - n));
	return true;
}

/* Leave what is uncharged to this CPU as credit. To a plain counter, none is. */
static __always_inline bool credit_give(struct bc_counter *counter, unsigned long n)
{
	atomic64_t *slot = credit_slot(counter);
	s64 word = atomic64_read(slot);

	do {
		if (credit_id(word) != counter->id ||
		    credit_units(word) + n > credit_max(counter))
			return false;
	} while (!atomic64_try_cmpxchg(slot, &word, word + n));
	return true;
}

void bc_uncharge_uncredited(struct bc_counter *counter, unsigned long n);

/*
 * Uncharge what has been charged, and so keeps the counter. Needs no RCU: once the units
 * are credit, which anybody may take, the counter is not looked at any more.
 */
static __always_inline void credit_uncharge(struct bc_counter *counter, unsigned long n)
{
	if (bc_sabotaged(BC_SABOTAGE_OWNER) || bc_sabotaged(BC_SABOTAGE_UNCHARGE) ||
	    !credit_give(counter, n))
		bc_uncharge_uncredited(counter, n);
}

#endif /* _BC_CREDIT_H */
