// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: a hierarchical counter with limits and watermarks.
 *
 * A charge climbs from a counter through its ancestors, all or nothing. It
 * takes no lock, never sleeps, never allocates. At every moment:
 *
 * - No charge that may fail takes @held above the limit, at any level. Each
 *   level is raised by a cmpxchg from a value that leaves room, and the limit
 *   is looked at once more afterwards: where it was lowered in between, the
 *   charge is taken back and the level asked again, so that every charge that
 *   succeeds has seen room under the limit that was in force when it was already
 *   counted. (Lowering a limit is the one case in which a charge can be seen
 *   above it, for those few instructions.)
 * - A level refuses a charge only if, at some moment since the charge began, what
 *   it held without that charge left no room under its limit. The limit is read,
 *   then @held, and where that leaves no room, the limit once more, until it is
 *   no higher than before: then there was no room when @held was read. (Unless
 *   the limit was raised between the two looks at it, and lowered again.) That a
 *   limit was lowered under a charge is no reason to refuse it: what it was
 *   charged on top of may have gone before that. To be asked once more, a level
 *   has to have its limit lowered once more.
 * - A refused charge is not recorded in @maxheld: watermarks are raised when all
 *   levels have said yes, to what the charge itself has made of @held. Until the
 *   level that says no has answered, the levels below it show the charge; that
 *   is when it can be in another's way, and when resetting @maxheld takes it in.
 * - No update of a watermark is lost: they are moved by cmpxchg, and a reset
 *   looks at @held again after it.
 *
 * Plain counters are that and no more. In a batched counter, a CPU charges some
 * more than it was asked for, and keeps the rest as credit for the charges to
 * come, and uncharges leave their units there. Credit is part of @held, of the
 * counter and of all its ancestors, so that limits are kept without looking at
 * it. It lives in a small cache of each CPU, which all counters share: a slot is
 * one 64-bit word, the counter's id and the units, picked by the id. Every change
 * of a slot is a cmpxchg, so that any CPU can take credit back from any other.
 *
 * Two rules keep credit from being seen:
 *
 * - Credit exists only under a counter that is not above its barrier, at every
 *   level. A slot is opened for a counter only then, and a charge that finds a
 *   level above its barrier takes all credit below it back before it returns. Thus
 *   credit is good for a charge of any severity.
 * - Nothing is refused while there is credit below the level that refuses. It is
 *   taken back first, and the charge tried again.
 *
 * The second one has to be exact, or failcnt means nothing, and this is how.
 * Credit moves between a slot and @held only in a section that the CPU announces
 * (credit_begin(), credit_end()), with interrupts off. Who takes credit back
 * raises @pressure, which keeps slots from being opened below that counter; waits
 * once for the sections of all CPUs, after which every CPU knows; empties the
 * slots; and waits once more, for sections in which somebody else has emptied one
 * of the slots. Then @held is what is in use, and stays so while @pressure is up.
 * These waits are for a few dozen instructions of each level, and are met only by a charge that
 * is about to be refused, by one above a barrier, and by who writes a limit, reads
 * @held or @minheld, or resets a watermark. @lent, which is set in the sections that
 * open slots, tells whether there can be anything to take back: who is refused again
 * and again only has to look at each CPU's section.
 *
 * The sections also protect a counter that is found by the id in a slot: it is
 * freed only after its credit has been taken back in this way, and then none is
 * left with any CPU again (bc_counter_kill(), bc_counter_destroy()).
 *
 * A charge keeps its counter. What is charged may live longer than the group that
 * paid for it, and needs no reference of its own: when the group has gone,
 * bc_counter_kill() asks to be told of the last uncharge. That is whoever takes
 * @held from 0 to COUNTER_ENDED, be it the uncharge that found the counter killed
 * or bc_counter_kill() that found it empty. No credit hides the 0, as a killed
 * counter has none. Who uncharges stays in an RCU read-side section until it has
 * climbed to the top, so that it may be freed a grace period after that.
 *
 * limits_mutex serializes writers of limit and barrier.
 */
#include <linux/bc/counter.h>
#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/irqflags.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/processor.h>
#include <linux/xarray.h>

#include "credit.h"
#include "late.h"
#include "sabotage.h"

static DEFINE_MUTEX(limits_mutex);

/* Batched counters by id. Ids are reused. */
static DEFINE_XARRAY_ALLOC1(counter_ids);

/* The highest bit of an id is that of the word in a slot, too. */
#define FIRST_ID	BC_LATE(0x7fffffc0U, 1U)

/* Even. That it is another one is all that matters, so that it may begin anew. */
#define FIRST_SEQ	BC_LATE(-16U, 0U)

DEFINE_PER_CPU_ALIGNED(struct credit_cache, bc_credit_cache) = {
	.seq = FIRST_SEQ,
};

/*
 * What becomes of @held after the last uncharge of a killed counter: as far below 0 as
 * can be and still be told from what is held, whatever is charged or uncharged on top of
 * it, up to a quarter of BC_MAX.
 */
#define COUNTER_ENDED	(LONG_MIN / 2)

/* What a charge of this severity must not exceed. */
static __always_inline unsigned long ceiling(const struct bc_counter *counter,
					     enum bc_severity severity)
{
	if ((bc_sabotaged(BC_SABOTAGE_BARRIER) && severity == BC_BARRIER) ||
	    (bc_sabotaged(BC_SABOTAGE_FORCE) && severity == BC_FORCE))
		severity = BC_LIMIT;
	/* For charge_level(): @held that is read later is not older. */
	return smp_load_acquire(&counter->ceiling[severity]);
}

static void raise_maxheld(struct bc_counter *counter, unsigned long held)
{
	long max = atomic_long_read(&counter->maxheld);

	if (bc_sabotaged(BC_SABOTAGE_LOST_MAXHELD)) {
		atomic_long_set(&counter->maxheld, held);
		return;
	}
	while (held > max) {
		if (atomic_long_try_cmpxchg(&counter->maxheld, &max, held))
			break;
	}
}

static void lower_minheld(struct bc_counter *counter, unsigned long held)
{
	long min = atomic_long_read(&counter->minheld);

	if (bc_sabotaged(BC_SABOTAGE_MINHELD))
		return;
	while (held < min) {
		if (atomic_long_try_cmpxchg(&counter->minheld, &min, held))
			break;
	}
}

/*
 * Nothing is held. If the counter has been killed, this was the last uncharge. Never
 * in a section that moves credit: a killed counter has none.
 */
static void counter_empty(struct bc_counter *counter)
{
	void (*release)(struct bc_counter *counter) = READ_ONCE(counter->release);

	if (release && !bc_sabotaged(BC_SABOTAGE_LINGER) &&
	    atomic_long_cmpxchg(&counter->held, 0, COUNTER_ENDED) == 0)
		release(counter);
}

/*
 * Uncharging @n has left @held in @counter, which calls for more than that; and from
 * there on up to @stop. Only ever called last, so that who finds that out has no use for
 * a stack.
 */
static noinline void uncharge_seldom(struct bc_counter *counter,
				     struct bc_counter *stop,
				     unsigned long n, long held)
{
	for (;;) {
		/* Or below COUNTER_ENDED, all the more. End nothing on such grounds. */
		if (WARN_ONCE(held < 0, "bc: uncharged %lu of %ld\n", n, held + (long)n)) {
			atomic_long_cmpxchg(&counter->held, held,
					    held < COUNTER_ENDED / 2 ? COUNTER_ENDED : 0);
		} else {
			lower_minheld(counter, held);
			if (!held)
				counter_empty(counter);
		}
		counter = counter->parent;
		if (counter == stop)
			break;
		held = atomic_long_sub_return(n, &counter->held);
	}
}

static __always_inline void uncharge_levels(struct bc_counter *counter,
					    struct bc_counter *stop,
					    unsigned long n)
{
	do {
		long held = atomic_long_sub_return(n, &counter->held);
		long min = atomic_long_read(&counter->minheld);

		/* One compare, most of the time. @minheld is never below 0. */
		if (unlikely(held <= min) &&
		    (held < min || (!held && READ_ONCE(counter->release)))) {
			uncharge_seldom(counter, stop, n, held);
			break;
		}
		counter = counter->parent;
	} while (counter != stop);
}

static void uncharge_path(struct bc_counter *counter, struct bc_counter *stop,
			  unsigned long n)
{
	if (counter != stop)
		uncharge_levels(counter, stop, n);
}

static __always_inline bool charge_level(struct bc_counter *counter,
					 unsigned long n,
					 enum bc_severity severity,
					 unsigned long *new)
{
	unsigned long max = ceiling(counter, severity);
	long held = atomic_long_read(&counter->held);
	unsigned long sum;

	if (bc_sabotaged(BC_SABOTAGE_LIMIT))
		max = ULONG_MAX;

	if (bc_sabotaged(BC_SABOTAGE_OVERSHOOT)) {
		sum = atomic_long_add_return(n, &counter->held);
		if (sum > max) {
			/* Long enough to be seen. */
			for (int i = 0; i < 50; i++)
				cpu_relax();
			uncharge_path(counter, counter->parent, n);
			return false;
		}
	} else {
		do {
			sum = held + n;
			if (unlikely(sum > max)) {
				unsigned long now;

				/* The limit may have been raised before @held was. */
				smp_rmb();
				now = ceiling(counter, severity);
				if (now <= max)
					return false;
				max = now;
			}
		} while (sum > max ||
			 !atomic_long_try_cmpxchg(&counter->held, &held, sum));
	}
	*new = sum;
	return true;
}

/*
 * Has the limit been lowered since charge_level() found room under it? Then the charge is
 * above it and in everybody's way. Take it back; the level is to be asked again. No look at
 * @release, which would be a call: whoever charges a killed counter has a charge there
 * already, so that this leaves more than 0.
 */
static __always_inline bool charge_overtaken(struct bc_counter *counter,
					     unsigned long n,
					     enum bc_severity severity,
					     unsigned long sum)
{
	if (likely(sum <= ceiling(counter, severity)) ||
	    bc_sabotaged(BC_SABOTAGE_LIMIT))
		return false;
	lower_minheld(counter, atomic_long_sub_return(n, &counter->held));
	return true;
}

/* Undo what was charged below the level that refused. */
static noinline struct bc_counter *
charge_refused(struct bc_counter *counter, struct bc_counter *refuser,
	       unsigned long n, const unsigned long *levels)
{
	struct bc_counter *c;

	if (bc_sabotaged(BC_SABOTAGE_ROLLBACK))
		return refuser;
	for (c = counter; c != refuser; c = c->parent)
		uncharge_path(c, c->parent, levels ? *levels++ : n);
	return refuser;
}

static noinline void raise_levels(struct bc_counter *counter,
				  const unsigned long *held,
				  const unsigned long *end)
{
	for (; held < end; counter = counter->parent)
		raise_maxheld(counter, *held++);
}

static void take_credit_back(struct bc_counter *counter);

/*
 * Charge @counter and its ancestors, by @n each, or, with @levels, by
 * @levels[0], @levels[1], and so on up to the first 0. Credit is not used.
 *
 * Return: NULL, or the counter that refused; then nothing is charged.
 */
static struct bc_counter *
charge_path(struct bc_counter *counter, unsigned long n,
	    const unsigned long *levels, enum bc_severity severity)
{
	/* Not cleared by the compiler: that would cost more than the charge. */
	unsigned long new[BC_MAX_DEPTH] __uninitialized;
	unsigned long *next = new, sum;
	struct bc_counter *c = counter;
	bool raise = false;

	do {
		if (levels) {
			n = levels[next - new];
			if (!n)
				break;
		}
		if (!charge_level(c, n, severity, &sum))
			return charge_refused(counter, c, n, levels);
		if (charge_overtaken(c, n, severity, sum))
			continue;
		*next++ = sum;
		raise |= sum > atomic_long_read(&c->maxheld) ||
			 bc_sabotaged(BC_SABOTAGE_LOST_MAXHELD);
		if (bc_sabotaged(BC_SABOTAGE_MAXHELD))
			raise_maxheld(c, sum);
		if (bc_sabotaged(BC_SABOTAGE_PARENT))
			break;
		c = c->parent;
	} while (c);

	if (unlikely(raise))
		raise_levels(counter, new, next);

	/*
	 * No credit above the barrier. Not only who goes across it has to see to
	 * that: we may have overtaken it.
	 */
	if (counter->batch && severity != BC_BARRIER && !bc_sabotaged(BC_SABOTAGE_CROSSING)) {
		const unsigned long *held;

		for (c = counter, held = new; held < next; c = c->parent, held++) {
			if (unlikely(*held > bc_counter_barrier(c)))
				take_credit_back(c);
		}
	}
	return NULL;
}

/*
 * Charging @level, after what is below it, has made @held of it, which is more than ever.
 * Charge the rest, and tell its watermark if that works. (@severity comes where
 * bc_counter_charge() has it already, which saves a move there.)
 */
static noinline struct bc_counter *charge_raising(struct bc_counter *counter,
						  struct bc_counter *level,
						  enum bc_severity severity,
						  unsigned long held, unsigned long n)
{
	struct bc_counter *above = level->parent, *refuser = NULL;

	if (bc_sabotaged(BC_SABOTAGE_MAXHELD))
		raise_maxheld(level, held);
	if (above && !bc_sabotaged(BC_SABOTAGE_PARENT))
		refuser = charge_path(above, n, NULL, severity);
	if (!refuser)
		raise_maxheld(level, held);
	else if (!bc_sabotaged(BC_SABOTAGE_ROLLBACK))
		uncharge_path(counter, above, n);
	return refuser;
}

/*
 * What charge_path() does for plain counters, where most charges raise no watermark and
 * no level has to be remembered: so this has no use for a stack, nor for a register that
 * would have to be saved.
 */
static __always_inline struct bc_counter *
charge_plain(struct bc_counter *counter, unsigned long n, enum bc_severity severity)
{
	struct bc_counter *c = counter;
	unsigned long held;

	do {
		if (!charge_level(c, n, severity, &held))
			return charge_refused(counter, c, n, NULL);
		if (charge_overtaken(c, n, severity, held))
			continue;
		if (unlikely(held > atomic_long_read(&c->maxheld)))
			return charge_raising(counter, c, severity, held, n);
		if (bc_sabotaged(BC_SABOTAGE_PARENT))
			break;
		c = c->parent;
	} while (c);
	return NULL;
}

/* Announce that this CPU moves credit between a slot and a counter. */
static unsigned long credit_begin(void)
{
	struct credit_cache *cache;
	unsigned long flags;

	local_irq_save(flags);
	cache = this_cpu_ptr(&bc_credit_cache);
	WRITE_ONCE(cache->seq, cache->seq + 1);
	/* Pairs with the barriers in credit_drain(). */
	smp_mb();
	return flags;
}

static void credit_end(unsigned long flags)
{
	struct credit_cache *cache = this_cpu_ptr(&bc_credit_cache);

	/* Pairs with credit_wait(). */
	smp_store_release(&cache->seq, cache->seq + 1);
	local_irq_restore(flags);
}

/* Wait until the sections have ended in which other CPUs move credit now. */
static void credit_wait(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		unsigned int *seq = &per_cpu_ptr(&bc_credit_cache, cpu)->seq;
		/* Pairs with credit_end(). */
		unsigned int old = smp_load_acquire(seq);

		if (old & 1)
			smp_cond_load_acquire(seq, VAL != old);
	}
}

/*
 * May a slot be opened for @counter? Not while somebody takes credit back from
 * under it or an ancestor, and not while one of them is above its barrier.
 * Called between credit_begin() and credit_end().
 */
static bool credit_allowed(struct bc_counter *counter)
{
	for (; counter; counter = counter->parent) {
		/* Pairs with credit_unpress(): @lent is not what it was before. */
		if (atomic_read_acquire(&counter->pressure) ||
		    atomic_long_read(&counter->held) > bc_counter_barrier(counter))
			return false;
	}
	return true;
}

/* Tell all levels that there is going to be credit. In the same section. */
static void credit_lend(struct bc_counter *counter)
{
	for (; counter; counter = counter->parent) {
		if (!READ_ONCE(counter->lent))
			WRITE_ONCE(counter->lent, true);
	}
}

/* Charge @n, and a batch on top of it as credit for this CPU. */
static bool credit_refill(struct bc_counter *counter, unsigned long n)
{
	unsigned long flags = credit_begin();
	struct bc_counter *owner;
	bool done = false;
	u32 units;
	s64 old;

	if (!credit_allowed(counter) ||
	    charge_path(counter, n + counter->batch, NULL, BC_BARRIER))
		goto out;

	done = true;
	credit_lend(counter);
	old = atomic64_xchg(credit_slot(counter),
			    credit_word(counter, counter->batch));
	units = credit_units(old);
	if (units) {
		/* Its credit keeps @held of the owner up, and so the owner. */
		owner = xa_load(&counter_ids, credit_id(old));
		uncharge_path(owner, NULL, units);
	}
out:
	credit_end(flags);
	return done;
}

/*
 * Open a slot for what is uncharged. Others' credit stays where it is: to throw
 * it out would cost more than uncharging directly.
 */
static bool credit_open(struct bc_counter *counter, unsigned long n)
{
	unsigned long flags = credit_begin();
	atomic64_t *slot = credit_slot(counter);
	s64 word = atomic64_read(slot);
	bool done = false;
	u32 units;

	if (!credit_allowed(counter))
		goto out;

	credit_lend(counter);
	units = credit_units(word);
	if (!units) {
		done = atomic64_try_cmpxchg(slot, &word, credit_word(counter, n));
	} else if (credit_id(word) == counter->id) {
		/* Full. Keep a batch. */
		units = min(units, counter->batch);
		done = atomic64_try_cmpxchg(slot, &word,
					    credit_word(counter, units));
		if (done)
			uncharge_path(counter, NULL,
				      credit_units(word) + n - units);
	}
out:
	credit_end(flags);
	return done;
}

static bool counts_in(const struct bc_counter *counter,
		      const struct bc_counter *ancestor)
{
	while (counter && counter != ancestor)
		counter = counter->parent;
	return counter;
}

/* Each has a section of its own: interrupts are off for one path to the root, not sixteen. */
static void credit_drain_slot(atomic64_t *slot, struct bc_counter *counter)
{
	unsigned long flags = credit_begin();
	s64 word = atomic64_read(slot);
	struct bc_counter *owner;

	do {
		owner = NULL;
		if (!word)
			break;
		owner = xa_load(&counter_ids, credit_id(word));
		if (!counts_in(owner, counter)) {
			owner = NULL;
			break;
		}
	} while (!atomic64_try_cmpxchg(slot, &word, 0));

	if (owner && credit_units(word))
		uncharge_path(owner, NULL, credit_units(word));
	credit_end(flags);
}

/*
 * Take back all credit of @counter and of what is below it. The caller has
 * raised ->pressure, and is in none of the sections that are waited for.
 */
static void credit_drain(struct bc_counter *counter)
{
	int cpu, i;

	if (bc_sabotaged(BC_SABOTAGE_DRAIN))
		return;

	/* Every section from now on sees ->pressure, and what was charged. */
	smp_mb();
	credit_wait();
	/* Pairs with the last barrier below: what was taken back has left held. */
	if (!smp_load_acquire(&counter->lent))
		return;

	for_each_possible_cpu(cpu) {
		struct credit_cache *cache = per_cpu_ptr(&bc_credit_cache, cpu);

		for (i = 0; i < CREDIT_SLOTS; i++) {
			/* What is put there later does not count in @counter. */
			if (atomic64_read(&cache->slot[i]))
				credit_drain_slot(&cache->slot[i], counter);
		}
	}

	/* A slot that was empty may have been emptied a moment ago. */
	smp_mb();
	credit_wait();
	/* None is opened before ->pressure is down again. */
	WRITE_ONCE(counter->lent, false);
}

static void credit_press(struct bc_counter *counter)
{
	atomic_inc(&counter->pressure);
	credit_drain(counter);
}

static void credit_unpress(struct bc_counter *counter)
{
	/* Pairs with credit_allowed(). */
	atomic_dec_return_release(&counter->pressure);
}

static void take_credit_back(struct bc_counter *counter)
{
	credit_press(counter);
	credit_unpress(counter);
}

/*
 * A charge was refused by @refuser. Try again without any credit below it, and
 * below every other level that refuses then. The second time that a level
 * refuses, it has no room.
 */
static struct bc_counter *charge_drained(struct bc_counter *counter,
					 unsigned long n,
					 const unsigned long *levels,
					 enum bc_severity severity,
					 struct bc_counter *refuser)
{
	struct bc_counter *c;
	u32 drained = 0;
	int i;

	BUILD_BUG_ON(BC_MAX_DEPTH > 32);

	do {
		for (c = counter, i = 0; c != refuser; c = c->parent)
			i++;
		if (drained & BIT(i))
			break;
		drained |= BIT(i);
		credit_press(refuser);
		refuser = charge_path(counter, n, levels, severity);
	} while (refuser);

	for (c = counter, i = 0; drained; c = c->parent, i++) {
		if (drained & BIT(i)) {
			credit_unpress(c);
			drained &= ~BIT(i);
		}
	}
	return refuser;
}

/*
 * A group's counters get ids in a row, about as many as there are slots. The low bits of
 * the id alone would give each of them a slot of its own, and the same one in all groups:
 * those that use a CPU in turns would do so without credit.
 */
static unsigned int slot_of(u32 id)
{
	u32 n = id - FIRST_ID;

	return (n ^ n / CREDIT_SLOTS) % CREDIT_SLOTS;
}

/**
 * bc_counter_init - make a counter with no limits that holds nothing
 * @counter: the counter
 * @parent: the counter one level up, or NULL; outlives @counter
 * @batch: 0 for a plain counter, which is exact in everything; else how many
 *	units a CPU takes at once, at most BC_MAX_BATCH, and the same as in @parent
 *
 * Context: Process context. May sleep.
 * Return: 0, or -ENOMEM; a plain counter cannot fail.
 */
int bc_counter_init(struct bc_counter *counter, struct bc_counter *parent,
		    unsigned int batch)
{
	int err;

	might_sleep();
	if (WARN_ON_ONCE(batch > BC_MAX_BATCH))
		batch = BC_MAX_BATCH;

	memset(counter, 0, sizeof(*counter));
	counter->ceiling[BC_BARRIER] = BC_MAX;
	counter->ceiling[BC_LIMIT] = BC_MAX;
	counter->ceiling[BC_FORCE] = ULONG_MAX;
	counter->parent = parent;
	counter->batch = batch;
	if (!batch)
		return 0;
	err = xa_alloc(&counter_ids, &counter->id, counter,
		       XA_LIMIT(FIRST_ID, U32_MAX), GFP_KERNEL);
	counter->slot = slot_of(counter->id);
	return err;
}

/**
 * bc_counter_kill - let a counter end with its last uncharge
 * @counter: the counter, which nobody charges any more, but for who has a charge
 *	already and gets more
 * @release: called once, when nothing is held any more: at once, or from what
 *	uncharges last, in any context but NMI
 *
 * The counter is to be destroyed not earlier than an RCU grace period after
 * @release was called: who has uncharged it may still be on its way up.
 *
 * Context: Process context. May sleep.
 */
void bc_counter_kill(struct bc_counter *counter,
		     void (*release)(struct bc_counter *counter))
{
	might_sleep();
	/* For good: from now on, 0 means that nothing is held. */
	if (counter->batch)
		credit_press(counter);
	/* With all that @release needs. Pairs with the cmpxchg in counter_empty(). */
	smp_store_release(&counter->release, release);
	/* An uncharge lowers held, then looks for @release; we the other way round. */
	smp_mb();
	counter_empty(counter);
}

/**
 * bc_counter_destroy - give up a counter
 * @counter: the counter, which nobody can charge any more and that holds nothing;
 *	killed, unless nobody has ever charged it for longer than a call
 *
 * Afterwards, its memory may be freed at once.
 *
 * Context: Process context. May sleep.
 */
void bc_counter_destroy(struct bc_counter *counter)
{
	long held;

	might_sleep();
	if (counter->batch) {
		if (!counter->release)
			take_credit_back(counter);
		xa_erase(&counter_ids, counter->id);
	}
	held = atomic_long_read(&counter->held);
	WARN_ONCE(held && held != COUNTER_ENDED,
		  "bc: a counter dies with %ld charged\n", held);
}

/**
 * bc_counter_find - a batched counter by its id
 * @id: from the counter
 *
 * For who has charged it, and has room for 4 bytes only. What has been charged keeps the
 * counter, and so its id.
 *
 * Context: Any. Takes no lock.
 * Return: the counter.
 */
struct bc_counter *bc_counter_find(u32 id)
{
	return xa_load(&counter_ids, id);
}

/* Not worth trying in one that has been killed. */
static bool may_have_credit(const struct bc_counter *counter, unsigned long n)
{
	return n <= counter->batch && !READ_ONCE(counter->release);
}

static noinline struct bc_counter *charge_uncredited(struct bc_counter *counter,
						     unsigned long n,
						     enum bc_severity severity)
{
	struct bc_counter *refuser;

	if (may_have_credit(counter, n) && credit_refill(counter, n))
		return NULL;
	refuser = charge_path(counter, n, NULL, severity);
	if (unlikely(refuser))
		refuser = charge_drained(counter, n, NULL, severity, refuser);
	return refuser;
}

/**
 * bc_counter_charge - charge a counter and all its ancestors
 * @counter: the counter
 * @n: how much, at most BC_MAX
 * @severity: when to fail
 *
 * If a level has no room, nothing is charged at any level.
 *
 * Context: Any but NMI. Takes no lock, does not sleep. Under rcu_read_lock(), unless
 * something else keeps the counter.
 * Return: NULL, or the counter that has no room. Unless the caller tries something
 * else and succeeds, it is to call bc_counter_refused(). BC_FORCE always succeeds.
 */
struct bc_counter *bc_counter_charge(struct bc_counter *counter,
				     unsigned long n,
				     enum bc_severity severity)
{
	if (!counter->batch)
		return charge_plain(counter, n, severity);
	if (credit_take(counter, n))
		return NULL;
	return charge_uncredited(counter, n, severity);
}

/**
 * bc_counter_charge_levels - charge a counter and its ancestors, by level
 * @counter: the counter
 * @n: how much for each level: @n[0] for @counter, @n[1] for its parent, and so
 *	on, to the root or to the first 0; never more for a level than below it
 * @severity: when to fail
 *
 * For things that move within the tree, which count in some ancestors already.
 * Apart from that, it is bc_counter_charge().
 *
 * Context: Any but NMI. Takes no lock, does not sleep.
 * Return: as bc_counter_charge().
 */
struct bc_counter *bc_counter_charge_levels(struct bc_counter *counter,
					    const unsigned long *n,
					    enum bc_severity severity)
{
	struct bc_counter *refuser;

	refuser = charge_path(counter, 0, n, severity);
	if (unlikely(refuser) && counter->batch)
		refuser = charge_drained(counter, 0, n, severity, refuser);
	return refuser;
}

/**
 * bc_counter_refused - count a charge that was refused
 * @counter: what was to be charged
 * @refuser: the counter that has no room: @counter or an ancestor
 *
 * Context: Any but NMI.
 * Return: how many @refuser has refused, with this one.
 */
unsigned long bc_counter_refused(struct bc_counter *counter,
				 struct bc_counter *refuser)
{
	if (bc_sabotaged(BC_SABOTAGE_FAILCNT))
		refuser = counter;
	return atomic_long_inc_return(&refuser->failcnt);
}

static noinline void uncharge_uncredited(struct bc_counter *counter,
					 unsigned long n)
{
	if (may_have_credit(counter, n) && credit_open(counter, n))
		return;
	uncharge_path(counter, NULL, n);
}

/**
 * bc_counter_uncharge - uncharge a counter and all its ancestors
 * @counter: the counter
 * @n: how much; was charged before
 *
 * Context: Any but NMI. Takes no lock, does not sleep. Under rcu_read_lock(), unless
 * something else than the charge keeps the counter.
 */
void bc_counter_uncharge(struct bc_counter *counter, unsigned long n)
{
	if (bc_sabotaged(BC_SABOTAGE_UNCHARGE))
		return;
	if (!counter->batch)
		uncharge_levels(counter, NULL, n);
	else if (!credit_give(counter, n))
		uncharge_uncredited(counter, n);
}
EXPORT_SYMBOL_GPL(bc_counter_uncharge);

/**
 * bc_counter_uncharge_until - uncharge a counter and some of its ancestors
 * @counter: the counter
 * @stop: the first ancestor that is not uncharged, or NULL for none such
 * @n: how much; was charged before
 *
 * For things that move within the tree, see bc_counter_charge_levels().
 *
 * Context: as bc_counter_uncharge().
 */
void bc_counter_uncharge_until(struct bc_counter *counter,
			       struct bc_counter *stop, unsigned long n)
{
	if (bc_sabotaged(BC_SABOTAGE_UNCHARGE))
		return;
	uncharge_path(counter, stop, n);
}

/**
 * bc_counter_set_limit - set the limit, and let the barrier follow
 * @counter: the counter
 * @limit: the new limit, at most BC_MAX
 *
 * A barrier that is where the limit was goes with it, or to set a limit and then to
 * raise it would take two writes. One above the new limit is pulled down to it.
 *
 * It may be below what is held: nothing is taken away, nothing more is given.
 * Once this has returned, no charge succeeds that does not fit.
 *
 * Context: Process context. May sleep.
 */
void bc_counter_set_limit(struct bc_counter *counter, unsigned long limit)
{
	unsigned long old, barrier;

	guard(mutex)(&limits_mutex);

	old = counter->ceiling[BC_LIMIT];
	barrier = counter->ceiling[BC_BARRIER];
	if (barrier == old || limit < barrier)
		barrier = limit;

	if (limit < old)
		WRITE_ONCE(counter->ceiling[BC_BARRIER], barrier);
	/*
	 * The barrier is never above the limit in the order of the stores: down before it. Who
	 * reads both in passing, to tell which one was hit, may see otherwise.
	 */
	smp_wmb();
	WRITE_ONCE(counter->ceiling[BC_LIMIT], limit);
	/* up after it. */
	smp_wmb();
	WRITE_ONCE(counter->ceiling[BC_BARRIER], barrier);
	/* Pairs with the cmpxchg in charge_level(); charge_overtaken() comes after it. */
	smp_mb();
	if (counter->batch && !bc_sabotaged(BC_SABOTAGE_HOARD))
		take_credit_back(counter);
}
EXPORT_SYMBOL_GPL(bc_counter_set_limit);

/**
 * bc_counter_set_barrier - set the barrier
 * @counter: the counter
 * @barrier: the new barrier
 *
 * Context: Process context. May sleep.
 * Return: 0, or -EINVAL if @barrier is above the limit.
 */
int bc_counter_set_barrier(struct bc_counter *counter, unsigned long barrier)
{
	guard(mutex)(&limits_mutex);

	if (barrier > counter->ceiling[BC_LIMIT])
		return -EINVAL;
	WRITE_ONCE(counter->ceiling[BC_BARRIER], barrier);
	/* As above. */
	smp_mb();
	if (counter->batch && !bc_sabotaged(BC_SABOTAGE_HOARD))
		take_credit_back(counter);
	return 0;
}
EXPORT_SYMBOL_GPL(bc_counter_set_barrier);

/**
 * bc_counter_held - what is in use, here and below
 * @counter: the counter
 *
 * The credit of CPUs is taken back first, so that the result is exact when
 * nobody charges meanwhile; else it may be too high, by what bc_counter_slack()
 * says.
 *
 * Context: Any but NMI.
 */
unsigned long bc_counter_held(struct bc_counter *counter)
{
	if (counter->batch)
		take_credit_back(counter);
	return max(atomic_long_read(&counter->held), 0L);
}
EXPORT_SYMBOL_GPL(bc_counter_held);

/**
 * bc_counter_excess - how much is in the way of a charge
 * @counter: the counter, which alone is looked at
 * @n: of how much; 0: how far is it above the ceiling?
 * @severity: of the charge
 *
 * Credit of CPUs is in what is held, and is taken back before that is believed.
 *
 * Context: Any but NMI.
 * Return: 0, there is room.
 */
unsigned long bc_counter_excess(struct bc_counter *counter, unsigned long n,
				enum bc_severity severity)
{
	unsigned long max = READ_ONCE(counter->ceiling[severity]);
	unsigned long held = max(atomic_long_read(&counter->held), 0L) + n;

	if (held > max)
		held = bc_counter_held(counter) + n;
	return held > max ? held - max : 0;
}

/**
 * bc_counter_maxheld - the highest that any successful charge has made of held
 * @counter: the counter
 *
 * Exact in a plain counter. In a batched one it may be too high, by what
 * bc_counter_slack() says, and is never too low.
 *
 * Context: Any.
 */
unsigned long bc_counter_maxheld(struct bc_counter *counter)
{
	return atomic_long_read(&counter->maxheld);
}

/**
 * bc_counter_minheld - the lowest that held has been
 * @counter: the counter
 *
 * Exact in a plain counter. In a batched one it may be too high, by what
 * bc_counter_slack() says, but never higher than what is held now.
 *
 * Context: Any but NMI.
 */
unsigned long bc_counter_minheld(struct bc_counter *counter)
{
	if (counter->batch)
		take_credit_back(counter);
	return atomic_long_read(&counter->minheld);
}

/**
 * bc_counter_failcnt - how many charges were refused because of this counter
 * @counter: the counter
 *
 * Context: Any.
 */
unsigned long bc_counter_failcnt(struct bc_counter *counter)
{
	return atomic_long_read(&counter->failcnt);
}

/**
 * bc_counter_reset_maxheld - let maxheld start again from what is held
 * @counter: the counter
 *
 * Context: Any but NMI.
 */
void bc_counter_reset_maxheld(struct bc_counter *counter)
{
	atomic_long_set(&counter->maxheld, bc_counter_held(counter));
	/*
	 * A charge raises held, then looks at maxheld; we the other way round.
	 * One of us sees the other.
	 */
	smp_mb();
	raise_maxheld(counter, atomic_long_read(&counter->held));
}

/**
 * bc_counter_reset_minheld - let minheld start again from what is held
 * @counter: the counter
 *
 * Context: Any but NMI.
 */
void bc_counter_reset_minheld(struct bc_counter *counter)
{
	atomic_long_set(&counter->minheld, bc_counter_held(counter));
	/* As above. */
	smp_mb();
	lower_minheld(counter, atomic_long_read(&counter->held));
}

/**
 * bc_counter_slack - how far the watermarks of a counter may be off
 * @counter: the counter
 *
 * As much as all CPUs together may keep as credit, and have in hand while they
 * exchange one credit for another; 0 in a plain counter.
 *
 * Context: Any.
 */
unsigned long bc_counter_slack(struct bc_counter *counter)
{
	return (unsigned long)credit_max(counter) * (CREDIT_SLOTS + 1) *
		num_possible_cpus();
}
