// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for kernel/bc/counter.c.
 *
 * Each of the invariants that are promised there is tested here, and each test
 * fails when its invariant is broken on purpose: see sabotage.h, and the list in
 * the project's lab/guest/sabotage.sh.
 */
#include <kunit/test.h>
#include <kunit/resource.h>
#include <linux/atomic.h>
#include <linux/bc/counter.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include "credit.h"

#define BATCH	16

static bool count_refusal(struct bc_counter *counter, struct bc_counter *refuser)
{
	if (refuser)
		bc_counter_refused(counter, refuser);
	return !refuser;
}

static bool try_charge(struct bc_counter *counter, unsigned long n,
		       enum bc_severity severity)
{
	return count_refusal(counter, bc_counter_charge(counter, n, severity));
}

static bool try_charge_levels(struct bc_counter *counter, const unsigned long *n,
			      enum bc_severity severity)
{
	return count_refusal(counter, bc_counter_charge_levels(counter, n, severity));
}

static void destroy_counter(void *counter)
{
	bc_counter_destroy(counter);
}

static struct bc_counter *new_counter(struct kunit *test,
				      struct bc_counter *parent,
				      unsigned int batch)
{
	struct bc_counter *counter = kunit_kzalloc(test, sizeof(*counter), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, counter);
	KUNIT_ASSERT_EQ(test, bc_counter_init(counter, parent, batch), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, destroy_counter, counter), 0);
	return counter;
}

/*
 * Plain counters, by one thread
 */

static void bc_counter_test_charge(struct kunit *test)
{
	struct bc_counter *parent = new_counter(test, NULL, 0);
	struct bc_counter *child = new_counter(test, parent, 0);

	KUNIT_EXPECT_TRUE(test, try_charge(child, 3, BC_LIMIT));
	KUNIT_EXPECT_TRUE(test, try_charge(parent, 1, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_held(child), 3);
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 4);

	bc_counter_uncharge(child, 2);
	KUNIT_EXPECT_EQ(test, bc_counter_held(child), 1);
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 2);

	bc_counter_uncharge(child, 1);
	bc_counter_uncharge(parent, 1);
	KUNIT_EXPECT_EQ(test, bc_counter_held(child), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 0);
}

static void bc_counter_test_limit(struct kunit *test)
{
	struct bc_counter *c = new_counter(test, NULL, 0);

	bc_counter_set_limit(c, 4);
	KUNIT_EXPECT_TRUE(test, try_charge(c, 4, BC_LIMIT));
	KUNIT_EXPECT_FALSE(test, try_charge(c, 1, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_held(c), 4);
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(c), 1);

	/* Below what is held: nothing is taken away, nothing more is given. */
	bc_counter_set_limit(c, 2);
	KUNIT_EXPECT_EQ(test, bc_counter_held(c), 4);
	bc_counter_uncharge(c, 1);
	KUNIT_EXPECT_FALSE(test, try_charge(c, 1, BC_LIMIT));
	bc_counter_uncharge(c, 2);
	KUNIT_EXPECT_TRUE(test, try_charge(c, 1, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(c), 2);

	/* No overflow, with no limit at all. */
	bc_counter_set_limit(c, BC_MAX);
	KUNIT_EXPECT_FALSE(test, try_charge(c, BC_MAX, BC_LIMIT));
	KUNIT_EXPECT_TRUE(test, try_charge(c, BC_MAX - 2, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_held(c), BC_MAX);
	bc_counter_uncharge(c, BC_MAX);
}

static void bc_counter_test_severity(struct kunit *test)
{
	struct bc_counter *c = new_counter(test, NULL, 0);

	bc_counter_set_limit(c, 10);
	KUNIT_EXPECT_EQ(test, bc_counter_barrier(c), 10);
	KUNIT_EXPECT_EQ(test, bc_counter_set_barrier(c, 5), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_set_barrier(c, 11), -EINVAL);
	KUNIT_EXPECT_EQ(test, bc_counter_barrier(c), 5);

	KUNIT_EXPECT_TRUE(test, try_charge(c, 5, BC_BARRIER));
	KUNIT_EXPECT_FALSE(test, try_charge(c, 1, BC_BARRIER));
	KUNIT_EXPECT_TRUE(test, try_charge(c, 5, BC_LIMIT));
	KUNIT_EXPECT_FALSE(test, try_charge(c, 1, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(c), 2);
	KUNIT_EXPECT_TRUE(test, try_charge(c, 3, BC_FORCE));
	KUNIT_EXPECT_EQ(test, bc_counter_held(c), 13);
	KUNIT_EXPECT_EQ(test, bc_counter_maxheld(c), 13);
	/* A forced charge is not a refused one. */
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(c), 2);
	bc_counter_uncharge(c, bc_counter_held(c));

	/* One write is enough to lower both. */
	bc_counter_set_limit(c, 3);
	KUNIT_EXPECT_EQ(test, bc_counter_barrier(c), 3);
	/* It goes up with the limit from there, and stays behind from elsewhere. */
	bc_counter_set_limit(c, 6);
	KUNIT_EXPECT_EQ(test, bc_counter_barrier(c), 6);
	KUNIT_EXPECT_EQ(test, bc_counter_set_barrier(c, 3), 0);
	bc_counter_set_limit(c, BC_MAX);
	KUNIT_EXPECT_EQ(test, bc_counter_barrier(c), 3);
}

static void bc_counter_test_parent_refuses(struct kunit *test)
{
	struct bc_counter *top = new_counter(test, NULL, 0);
	struct bc_counter *mid = new_counter(test, top, 0);
	struct bc_counter *leaf = new_counter(test, mid, 0);

	bc_counter_set_limit(top, 5);
	KUNIT_EXPECT_TRUE(test, try_charge(top, 3, BC_LIMIT));
	KUNIT_EXPECT_TRUE(test, try_charge(leaf, 1, BC_LIMIT));
	KUNIT_EXPECT_FALSE(test, try_charge(leaf, 2, BC_LIMIT));

	/* Nothing is left of it below, and it counts where the limit said no. */
	KUNIT_EXPECT_EQ(test, bc_counter_held(leaf), 1);
	KUNIT_EXPECT_EQ(test, bc_counter_held(mid), 1);
	KUNIT_EXPECT_EQ(test, bc_counter_held(top), 4);
	KUNIT_EXPECT_EQ(test, bc_counter_maxheld(leaf), 1);
	KUNIT_EXPECT_EQ(test, bc_counter_maxheld(mid), 1);
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(leaf), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(mid), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(top), 1);

	bc_counter_uncharge(leaf, bc_counter_held(leaf));
	bc_counter_uncharge(top, bc_counter_held(top));
}

static void bc_counter_test_watermarks(struct kunit *test)
{
	struct bc_counter *parent = new_counter(test, NULL, 0);
	struct bc_counter *a = new_counter(test, parent, 0);
	struct bc_counter *b = new_counter(test, parent, 0);

	KUNIT_EXPECT_TRUE(test, try_charge(a, 7, BC_LIMIT));
	bc_counter_uncharge(a, 5);
	/* A new peak of b is none of parent. */
	KUNIT_EXPECT_TRUE(test, try_charge(b, 1, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_maxheld(a), 7);
	KUNIT_EXPECT_EQ(test, bc_counter_maxheld(b), 1);
	KUNIT_EXPECT_EQ(test, bc_counter_maxheld(parent), 7);

	bc_counter_reset_maxheld(parent);
	KUNIT_EXPECT_EQ(test, bc_counter_maxheld(parent), 3);
	KUNIT_EXPECT_EQ(test, bc_counter_maxheld(a), 7);

	KUNIT_EXPECT_EQ(test, bc_counter_minheld(parent), 0);
	bc_counter_reset_minheld(parent);
	KUNIT_EXPECT_EQ(test, bc_counter_minheld(parent), 3);
	KUNIT_EXPECT_TRUE(test, try_charge(b, 4, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_minheld(parent), 3);
	bc_counter_uncharge(b, 5);
	KUNIT_EXPECT_EQ(test, bc_counter_minheld(parent), 2);
	bc_counter_uncharge(a, 2);
	KUNIT_EXPECT_EQ(test, bc_counter_minheld(parent), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_slack(parent), 0);
}

static void bc_counter_test_levels(struct kunit *test)
{
	struct bc_counter *top = new_counter(test, NULL, 0);
	struct bc_counter *mid = new_counter(test, top, 0);
	struct bc_counter *leaf = new_counter(test, mid, 0);
	unsigned long n[BC_MAX_DEPTH] = { 5, 2 };

	/* As if 3 came from another child of mid, and 2 from one of top. */
	KUNIT_EXPECT_TRUE(test, try_charge_levels(leaf, n, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_held(leaf), 5);
	KUNIT_EXPECT_EQ(test, bc_counter_held(mid), 2);
	KUNIT_EXPECT_EQ(test, bc_counter_held(top), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_maxheld(mid), 2);

	bc_counter_set_limit(mid, 3);
	KUNIT_EXPECT_FALSE(test, try_charge_levels(leaf, n, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_held(leaf), 5);
	KUNIT_EXPECT_EQ(test, bc_counter_maxheld(leaf), 5);
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(mid), 1);
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(leaf), 0);

	bc_counter_uncharge_until(leaf, mid, 3);
	bc_counter_uncharge_until(leaf, top, 2);
	KUNIT_EXPECT_EQ(test, bc_counter_held(leaf), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_held(mid), 0);
}

static void bc_counter_test_depth(struct kunit *test)
{
	struct bc_counter *c[BC_MAX_DEPTH];
	int i;

	for (i = 0; i < BC_MAX_DEPTH; i++)
		c[i] = new_counter(test, i ? c[i - 1] : NULL, BATCH);

	KUNIT_EXPECT_TRUE(test, try_charge(c[BC_MAX_DEPTH - 1], 1, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_held(c[0]), 1);
	bc_counter_set_limit(c[0], 1);
	KUNIT_EXPECT_FALSE(test, try_charge(c[BC_MAX_DEPTH - 1], 1, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(c[0]), 1);
	bc_counter_uncharge(c[BC_MAX_DEPTH - 1], 1);
	KUNIT_EXPECT_EQ(test, bc_counter_held(c[0]), 0);
}

/*
 * Batched counters, by one thread at a time
 */

struct remote {
	struct bc_counter *counter;
	unsigned long n;
	enum bc_severity severity;
	bool uncharge;
};

static long remote_fn(void *data)
{
	struct remote *r = data;

	if (r->uncharge) {
		bc_counter_uncharge(r->counter, r->n);
		return true;
	}
	return try_charge(r->counter, r->n, r->severity);
}

static bool charge_on(int cpu, struct bc_counter *counter, unsigned long n,
		      enum bc_severity severity)
{
	struct remote r = { .counter = counter, .n = n, .severity = severity };

	return work_on_cpu(cpu, remote_fn, &r);
}

static void uncharge_on(int cpu, struct bc_counter *counter, unsigned long n)
{
	struct remote r = { .counter = counter, .n = n, .uncharge = true };

	work_on_cpu(cpu, remote_fn, &r);
}

static int second_cpu(struct kunit *test)
{
	int cpu = cpumask_next(cpumask_first(cpu_online_mask), cpu_online_mask);

	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs two CPUs");
	return cpu;
}

/* All of the limit can be used, though CPUs have credit. failcnt is true. */
static void bc_counter_test_no_false_refusal(struct kunit *test)
{
	int a = cpumask_first(cpu_online_mask), b = second_cpu(test);
	struct bc_counter *parent = new_counter(test, NULL, BATCH);
	struct bc_counter *one = new_counter(test, parent, BATCH);
	struct bc_counter *two = new_counter(test, parent, BATCH);
	int i;

	bc_counter_set_limit(parent, 2 * BATCH + 4);
	/* Takes a batch for later, on each CPU, and in both children. */
	KUNIT_EXPECT_TRUE(test, charge_on(a, one, 1, BC_LIMIT));
	KUNIT_EXPECT_TRUE(test, charge_on(b, two, 1, BC_LIMIT));
	for (i = 2; i < 2 * BATCH + 4; i++)
		KUNIT_EXPECT_TRUE(test, charge_on(i % 3 ? a : b, one, 1, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(parent), 0);

	KUNIT_EXPECT_FALSE(test, charge_on(a, two, 1, BC_LIMIT));
	KUNIT_EXPECT_FALSE(test, charge_on(b, one, 1, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_failcnt(parent), 2);
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 2 * BATCH + 4);

	/* Room that is made on one CPU is there for the other one at once. */
	uncharge_on(a, two, 1);
	KUNIT_EXPECT_TRUE(test, charge_on(b, one, 1, BC_LIMIT));
	KUNIT_EXPECT_FALSE(test, charge_on(a, one, 1, BC_LIMIT));

	bc_counter_uncharge(one, bc_counter_held(one));
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_held(one), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_held(two), 0);
}

/* In a hard interrupt: no section is open. */
static void late_seq_fn(void *unused)
{
	WRITE_ONCE(this_cpu_ptr(&bc_credit_cache)->seq, -4U);
}

/* CPUs come to the end of the numbers of their sections, while they lose their credit. */
static void bc_counter_test_seq(struct kunit *test)
{
	int a = cpumask_first(cpu_online_mask), b = second_cpu(test);
	struct bc_counter *counter = new_counter(test, NULL, BATCH);
	int i;

	bc_counter_set_limit(counter, 2 * BATCH);
	on_each_cpu(late_seq_fn, NULL, true);
	for (i = 1; i <= BATCH; i++) {
		KUNIT_EXPECT_TRUE(test, charge_on(a, counter, 1, BC_LIMIT));
		KUNIT_EXPECT_TRUE(test, charge_on(b, counter, 1, BC_LIMIT));
		KUNIT_EXPECT_EQ(test, bc_counter_held(counter), 2 * i);
	}
	KUNIT_EXPECT_FALSE(test, charge_on(a, counter, 1, BC_LIMIT));
	KUNIT_EXPECT_FALSE(test, charge_on(b, counter, 1, BC_LIMIT));
	/* They did, both. */
	KUNIT_EXPECT_LT(test, READ_ONCE(per_cpu(bc_credit_cache, a).seq), 10000);
	KUNIT_EXPECT_LT(test, READ_ONCE(per_cpu(bc_credit_cache, b).seq), 10000);
	uncharge_on(a, counter, 2 * BATCH);
	KUNIT_EXPECT_EQ(test, bc_counter_held(counter), 0);
}

/* Ids on both sides of the highest bit: no credit is taken for another counter's. */
static void bc_counter_test_ids(struct kunit *test)
{
	struct bc_counter *c[128];
	bool low = false, high = false;
	int i;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = new_counter(test, NULL, BATCH);
		low |= !(c[i]->id >> 31);
		high |= c[i]->id >> 31;
		KUNIT_EXPECT_PTR_EQ(test, bc_counter_find(c[i]->id), c[i]);
		KUNIT_EXPECT_EQ(test, credit_id(credit_word(c[i], BATCH)), c[i]->id);
		KUNIT_EXPECT_EQ(test, credit_units(credit_word(c[i], BATCH)), BATCH);
		KUNIT_EXPECT_TRUE(test, try_charge(c[i], i + 1, BC_LIMIT));
	}
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		KUNIT_EXPECT_EQ(test, bc_counter_held(c[i]), i + 1);
		bc_counter_uncharge(c[i], i + 1);
		KUNIT_EXPECT_EQ(test, bc_counter_held(c[i]), 0);
	}
	KUNIT_EXPECT_TRUE(test, high);
	/* With many groups, the lower ones may be taken. */
	if (!low)
		kunit_info(test, "no low ids were left");
}

/* held is what is in use, also while CPUs have credit. */
static void bc_counter_test_held_is_exact(struct kunit *test)
{
	int a = cpumask_first(cpu_online_mask), b = second_cpu(test);
	struct bc_counter *parent = new_counter(test, NULL, BATCH);
	struct bc_counter *child = new_counter(test, parent, BATCH);
	unsigned long slack = bc_counter_slack(parent);
	int i;

	for (i = 1; i <= 100; i++) {
		KUNIT_EXPECT_TRUE(test, charge_on(i % 2 ? a : b, child, 1, BC_LIMIT));
		if (i % 7 == 0) {
			KUNIT_EXPECT_EQ(test, bc_counter_held(parent), i);
			KUNIT_EXPECT_EQ(test, bc_counter_held(child), i);
		}
	}
	KUNIT_EXPECT_GE(test, bc_counter_maxheld(parent), 100);
	KUNIT_EXPECT_LE(test, bc_counter_maxheld(parent), 100 + slack);
	KUNIT_EXPECT_EQ(test, slack, 2UL * BATCH * (CREDIT_SLOTS + 1) * num_possible_cpus());

	bc_counter_reset_maxheld(child);
	KUNIT_EXPECT_EQ(test, bc_counter_maxheld(child), 100);
	bc_counter_reset_minheld(child);
	KUNIT_EXPECT_EQ(test, bc_counter_minheld(child), 100);
	for (i = 99; i >= 0; i--) {
		uncharge_on(i % 3 ? a : b, child, 1);
		if (i % 7 == 0) {
			KUNIT_EXPECT_EQ(test, bc_counter_held(child), i);
			KUNIT_EXPECT_EQ(test, bc_counter_minheld(child), i);
		}
	}
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 0);
}

/* What is in the way of a charge is not credit. And a counter is known by its id. */
static void bc_counter_test_excess(struct kunit *test)
{
	int a = cpumask_first(cpu_online_mask);
	struct bc_counter *counter = new_counter(test, NULL, BATCH);

	KUNIT_EXPECT_PTR_EQ(test, bc_counter_find(counter->id), counter);
	KUNIT_EXPECT_EQ(test, bc_counter_excess(counter, 1000, BC_LIMIT), 0);
	bc_counter_set_limit(counter, 100);
	KUNIT_EXPECT_EQ(test, bc_counter_set_barrier(counter, 90), 0);
	/* With credit, it is at 87. */
	KUNIT_EXPECT_TRUE(test, charge_on(a, counter, 70, BC_LIMIT));
	KUNIT_EXPECT_TRUE(test, charge_on(a, counter, 1, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_excess(counter, 19, BC_BARRIER), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_excess(counter, 20, BC_BARRIER), 1);
	KUNIT_EXPECT_EQ(test, bc_counter_excess(counter, 29, BC_LIMIT), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_excess(counter, 30, BC_LIMIT), 1);
	KUNIT_EXPECT_EQ(test, bc_counter_excess(counter, 1000, BC_FORCE), 0);

	KUNIT_EXPECT_TRUE(test, charge_on(a, counter, 24, BC_LIMIT));
	KUNIT_EXPECT_EQ(test, bc_counter_excess(counter, 0, BC_BARRIER), 5);
	KUNIT_EXPECT_EQ(test, bc_counter_excess(counter, 0, BC_LIMIT), 0);
	uncharge_on(a, counter, 95);
	KUNIT_EXPECT_EQ(test, bc_counter_held(counter), 0);
}

/* Credit is of no use above the barrier. */
static void bc_counter_test_crossing(struct kunit *test)
{
	int a = cpumask_first(cpu_online_mask), b = second_cpu(test);
	struct bc_counter *parent = new_counter(test, NULL, BATCH);
	struct bc_counter *child = new_counter(test, parent, BATCH);

	bc_counter_set_limit(parent, 1000);
	KUNIT_EXPECT_EQ(test, bc_counter_set_barrier(parent, 100), 0);
	/* Leaves credit on a. Then b goes across the barrier. */
	KUNIT_EXPECT_TRUE(test, charge_on(a, child, 1, BC_BARRIER));
	KUNIT_EXPECT_TRUE(test, charge_on(b, child, 150, BC_LIMIT));
	KUNIT_EXPECT_FALSE(test, charge_on(a, child, 1, BC_BARRIER));
	KUNIT_EXPECT_TRUE(test, charge_on(a, child, 1, BC_LIMIT));
	/* What is freed above the barrier leaves no credit either. */
	uncharge_on(a, child, 2);
	KUNIT_EXPECT_FALSE(test, charge_on(a, child, 1, BC_BARRIER));
	uncharge_on(a, child, 150);
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 0);
}

/* A new limit binds at once, whatever credit there was. */
static void bc_counter_test_new_limit(struct kunit *test)
{
	int a = cpumask_first(cpu_online_mask), b = second_cpu(test);
	struct bc_counter *parent = new_counter(test, NULL, BATCH);
	struct bc_counter *child = new_counter(test, parent, BATCH);

	KUNIT_EXPECT_TRUE(test, charge_on(a, child, 2, BC_LIMIT));
	KUNIT_EXPECT_TRUE(test, charge_on(b, child, 2, BC_LIMIT));
	bc_counter_set_limit(parent, 4);
	KUNIT_EXPECT_FALSE(test, charge_on(a, child, 1, BC_LIMIT));
	KUNIT_EXPECT_FALSE(test, charge_on(b, child, 1, BC_LIMIT));

	bc_counter_set_limit(parent, 1000);
	KUNIT_EXPECT_EQ(test, bc_counter_set_barrier(parent, 1000), 0);
	KUNIT_EXPECT_TRUE(test, charge_on(b, child, 2, BC_BARRIER));
	KUNIT_EXPECT_EQ(test, bc_counter_set_barrier(child, 6), 0);
	KUNIT_EXPECT_FALSE(test, charge_on(b, child, 1, BC_BARRIER));
	KUNIT_EXPECT_TRUE(test, charge_on(b, child, 1, BC_LIMIT));
	bc_counter_uncharge(child, 7);
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 0);
}

/* More counters than slots: they throw out each other's credit. */
static void bc_counter_test_slots(struct kunit *test)
{
	struct bc_counter *parent = new_counter(test, NULL, BATCH);
	struct bc_counter *c[40];
	int i, round;

	for (i = 0; i < ARRAY_SIZE(c); i++)
		c[i] = new_counter(test, parent, BATCH);
	/* Nor is that of the next group in the same one. */
	for (i = CREDIT_SLOTS; i < ARRAY_SIZE(c); i++) {
		if (c[i]->id == c[i - CREDIT_SLOTS]->id + CREDIT_SLOTS)
			KUNIT_EXPECT_NE(test, c[i]->slot, c[i - CREDIT_SLOTS]->slot);
	}
	for (round = 1; round <= 20; round++) {
		for (i = 0; i < ARRAY_SIZE(c); i++)
			KUNIT_EXPECT_TRUE(test, try_charge(c[i], 3, BC_LIMIT));
	}
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 60 * ARRAY_SIZE(c));
	for (i = 0; i < ARRAY_SIZE(c); i++)
		KUNIT_EXPECT_EQ(test, bc_counter_held(c[i]), 60);
	for (round = 1; round <= 30; round++) {
		for (i = 0; i < ARRAY_SIZE(c); i++)
			bc_counter_uncharge(c[i], 2);
	}
	for (i = 0; i < ARRAY_SIZE(c); i++)
		KUNIT_EXPECT_EQ(test, bc_counter_held(c[i]), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 0);
}

/*
 * All CPUs at once
 */

#define MAX_CRAMMERS	8
#define SHARE		3

struct storm;

struct crammer {
	struct storm *storm;
	struct bc_counter *counter;
	struct task_struct *thread;
	unsigned long highest;
	unsigned long refused;
};

/**
 * struct storm - threads that charge and uncharge, and one that watches
 * @top: where all of it counts
 * @crammer: the threads
 * @nr: how many they are
 * @greedy: charge until refused; else nobody takes more than SHARE
 * @rounds: of each thread
 * @running: threads that are not done
 * @above: how often held was seen above the limit
 * @done: no thread is running
 */
struct storm {
	struct bc_counter *top;
	struct crammer crammer[MAX_CRAMMERS];
	int nr;
	bool greedy;
	unsigned long rounds;
	atomic_t running;
	atomic_t above;
	struct completion done;
};

static unsigned long raw_held(struct bc_counter *counter)
{
	/* Not bc_counter_held(): it would take all credit back all the time. */
	return atomic_long_read(&counter->held);
}

static int crammer_fn(void *data)
{
	struct crammer *c = data;
	struct storm *s = c->storm;
	unsigned long mine = 0, i, held;
	u32 rnd = (u32)(unsigned long)c | 1;

	for (i = 0; i < s->rounds; i++) {
		unsigned long n;

		rnd = rnd * 1664525 + 1013904223;
		n = 1 + (rnd >> 24) % SHARE;
		if (s->greedy ? (rnd >> 30) : mine + n <= SHARE) {
			if (try_charge(c->counter, n, BC_LIMIT)) {
				mine += n;
				held = raw_held(s->top);
				c->highest = max(c->highest, held);
			} else {
				c->refused++;
			}
		} else if (mine) {
			n = min(n, mine);
			bc_counter_uncharge(c->counter, n);
			mine -= n;
		}
		if (raw_held(s->top) > bc_counter_limit(s->top))
			atomic_inc(&s->above);
		if (i % 64 == 0)
			cond_resched();
	}
	if (mine)
		bc_counter_uncharge(c->counter, mine);
	if (atomic_dec_and_test(&s->running))
		complete(&s->done);
	return 0;
}

static void run_storm(struct kunit *test, struct storm *s, unsigned int batch,
		      bool siblings)
{
	unsigned long refused = 0, highest = 0;
	int i, cpu = -1;

	s->top = new_counter(test, NULL, batch);
	s->nr = min(2 * num_online_cpus(), (unsigned int)MAX_CRAMMERS);
	init_completion(&s->done);
	atomic_set(&s->running, s->nr);
	/* Exactly what all of them together may want. */
	bc_counter_set_limit(s->top, s->nr * SHARE);

	for (i = 0; i < s->nr; i++) {
		struct crammer *c = &s->crammer[i];

		cpu = cpumask_next_wrap(cpu, cpu_online_mask, -1, false);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
		c->storm = s;
		c->counter = siblings ? new_counter(test, s->top, batch) : s->top;
		c->thread = kthread_create_on_cpu(crammer_fn, c, cpu, "bc_cram/%u");
		KUNIT_ASSERT_FALSE(test, IS_ERR(c->thread));
	}
	for (i = 0; i < s->nr; i++)
		wake_up_process(s->crammer[i].thread);
	wait_for_completion(&s->done);

	for (i = 0; i < s->nr; i++) {
		refused += s->crammer[i].refused;
		highest = max(highest, s->crammer[i].highest);
	}
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&s->above), 0, "held was above the limit");
	if (s->greedy) {
		KUNIT_EXPECT_GT_MSG(test, refused, 0, "the test was too easy");
		/* With siblings, all of it is at the top's limit. */
		KUNIT_EXPECT_EQ(test, bc_counter_failcnt(s->top), refused);
	} else {
		KUNIT_EXPECT_EQ_MSG(test, refused, 0, "refused with room left");
		KUNIT_EXPECT_EQ(test, bc_counter_failcnt(s->top), 0);
	}
	KUNIT_EXPECT_GE_MSG(test, bc_counter_maxheld(s->top), highest,
			    "a peak was lost");
	KUNIT_EXPECT_LE(test, bc_counter_maxheld(s->top), bc_counter_limit(s->top));
	KUNIT_EXPECT_EQ(test, bc_counter_held(s->top), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_minheld(s->top), 0);
}

static struct storm *new_storm(struct kunit *test, bool greedy)
{
	struct storm *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->greedy = greedy;
	s->rounds = 5000;
	return s;
}

static void bc_counter_test_storm_plain(struct kunit *test)
{
	run_storm(test, new_storm(test, false), 0, false);
	run_storm(test, new_storm(test, false), 0, true);
}

static void bc_counter_test_storm_plain_greedy(struct kunit *test)
{
	run_storm(test, new_storm(test, true), 0, false);
	run_storm(test, new_storm(test, true), 0, true);
}

static void bc_counter_test_storm_batched(struct kunit *test)
{
	/* A batch that fits several times, and one that hardly fits. */
	run_storm(test, new_storm(test, false), 2, false);
	run_storm(test, new_storm(test, false), 2, true);
	run_storm(test, new_storm(test, false), 5, true);
}

static void bc_counter_test_storm_batched_greedy(struct kunit *test)
{
	run_storm(test, new_storm(test, true), 2, false);
	run_storm(test, new_storm(test, true), 2, true);
	run_storm(test, new_storm(test, true), 5, true);
}

/* Interrupts charge the counter that they have interrupted. */
struct irq_charge {
	struct bc_counter *counter;
	atomic_t charged;
};

static void irq_charge_fn(void *data)
{
	struct irq_charge *irq = data;

	if (try_charge(irq->counter, 1, BC_LIMIT))
		atomic_inc(&irq->charged);
}

static void bc_counter_test_interrupts(struct kunit *test)
{
	struct storm *s = new_storm(test, true);
	struct irq_charge irq = { };
	struct crammer *c = &s->crammer[0];
	int i;

	s->top = new_counter(test, NULL, 3);
	irq.counter = s->top;
	bc_counter_set_limit(s->top, 12);
	s->nr = 1;
	init_completion(&s->done);
	atomic_set(&s->running, 1);
	c->storm = s;
	c->counter = s->top;
	c->thread = kthread_create_on_cpu(crammer_fn, c, cpumask_last(cpu_online_mask),
					  "bc_cram/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(c->thread));
	wake_up_process(c->thread);

	for (i = 0; i < 200; i++) {
		on_each_cpu(irq_charge_fn, &irq, true);
		bc_counter_uncharge(s->top, atomic_xchg(&irq.charged, 0));
	}
	wait_for_completion(&s->done);
	KUNIT_EXPECT_EQ(test, atomic_read(&s->above), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_held(s->top), 0);
}

/* Limits are written while others charge: what has been set, binds. */
static void bc_counter_test_limit_race(struct kunit *test)
{
	struct storm *s = new_storm(test, true);
	struct bc_counter *top = new_counter(test, NULL, 4);
	int i, n = min(num_online_cpus(), 2U);
	unsigned long broken = 0, held;

	s->top = top;
	s->nr = n;
	s->rounds = 20000;
	init_completion(&s->done);
	atomic_set(&s->running, n);
	for (i = 0; i < n; i++) {
		struct crammer *c = &s->crammer[i];

		c->storm = s;
		c->counter = new_counter(test, top, 4);
		c->thread = kthread_run(crammer_fn, c, "bc_cram/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(c->thread));
	}
	while (!try_wait_for_completion(&s->done)) {
		bc_counter_set_limit(top, 20);
		held = bc_counter_held(top);
		/* From here on it can only go down to the new limit. */
		bc_counter_set_limit(top, 10);
		held = max(bc_counter_held(top), 10UL);
		for (i = 0; i < 20; i++) {
			unsigned long now = bc_counter_held(top);
			int patience = 1000;

			/* A charge that saw the old limit is about to leave. */
			while (now > held && --patience) {
				cond_resched();
				now = bc_counter_held(top);
			}
			broken += now > held;
			held = max(min(held, now), 10UL);
		}
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, broken, 0);
	KUNIT_EXPECT_EQ(test, bc_counter_held(top), 0);
}

/**
 * struct lowering - who charges, while a limit is lowered
 * @counter: the counter, of which no more than 1 is charged in this way
 * @start: of a round
 * @running: charges are being made
 * @done: with the round
 * @lowered: the limit is what it is going to be in this round
 * @stop: there are no more rounds
 * @by_level: charge with bc_counter_charge_levels()
 * @refused: how many charges were
 */
struct lowering {
	struct bc_counter *counter;
	struct completion start;
	struct completion running;
	struct completion done;
	bool lowered;
	bool stop;
	bool by_level;
	unsigned long refused;
};

static int lowering_fn(void *data)
{
	static const unsigned long one[] = { 1, 0 };
	struct lowering *l = data;
	bool last;

	for (;;) {
		wait_for_completion(&l->start);
		if (l->stop)
			break;
		complete(&l->running);
		do {
			last = READ_ONCE(l->lowered);
			if (l->by_level ? try_charge_levels(l->counter, one, BC_LIMIT) :
					  try_charge(l->counter, 1, BC_LIMIT))
				bc_counter_uncharge(l->counter, 1);
			else
				l->refused++;
			cond_resched();
		} while (!last);
		complete(&l->done);
	}
	complete(&l->done);
	return 0;
}

/*
 * There is room for 1 at every moment: others uncharge theirs before the limit is lowered.
 * So nothing is refused, whatever a charge has seen of the limit and of them. Each charge
 * sees the limit lowered once, and never raised.
 */
static void run_lowering(struct kunit *test, bool by_level)
{
	struct lowering *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	struct task_struct *thread;
	unsigned long refused = 0, end;
	int round, i;

	KUNIT_ASSERT_NOT_NULL(test, l);
	l->counter = new_counter(test, NULL, 0);
	l->by_level = by_level;
	init_completion(&l->start);
	init_completion(&l->running);
	init_completion(&l->done);
	thread = kthread_create_on_cpu(lowering_fn, l, cpumask_last(cpu_online_mask),
				       "bc_lower/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(thread));
	wake_up_process(thread);

	/* Where both share a CPU, a round takes as long as it takes to be preempted. */
	end = jiffies + 10 * HZ;
	for (round = 0; round < 2000 && time_before(jiffies, end); round++) {
		bc_counter_set_limit(l->counter, 2);
		refused += !try_charge(l->counter, 1, BC_LIMIT);
		l->lowered = false;
		complete(&l->start);
		wait_for_completion(&l->running);
		for (i = 0; i < round % 64; i++)
			cpu_relax();
		bc_counter_uncharge(l->counter, 1);
		bc_counter_set_limit(l->counter, 1);
		WRITE_ONCE(l->lowered, true);
		wait_for_completion(&l->done);
	}
	l->stop = true;
	complete(&l->start);
	wait_for_completion(&l->done);
	refused += l->refused;
	KUNIT_EXPECT_EQ_MSG(test, refused, 0, "refused with room left");
	KUNIT_EXPECT_EQ(test, bc_counter_held(l->counter), 0);
}

static void bc_counter_test_lowered(struct kunit *test)
{
	run_lowering(test, false);
	run_lowering(test, true);
}

/*
 * The end of a counter
 */

struct mortal {
	struct bc_counter	counter;
	atomic_t		released;
	struct work_struct	work;
	int			charges;
};

static void mortal_release(struct bc_counter *counter)
{
	atomic_inc(&container_of(counter, struct mortal, counter)->released);
}

static struct mortal *new_mortal(struct kunit *test, struct bc_counter *parent,
				 unsigned int batch)
{
	struct mortal *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	KUNIT_ASSERT_EQ(test, bc_counter_init(&m->counter, parent, batch), 0);
	return m;
}

/* The last uncharge ends it, or the kill if there is nothing to wait for. */
static void test_kill(struct kunit *test, unsigned int batch)
{
	struct bc_counter *parent = new_counter(test, NULL, batch);
	struct mortal *m = new_mortal(test, parent, batch);

	KUNIT_EXPECT_TRUE(test, try_charge(&m->counter, 1, BC_LIMIT));
	KUNIT_EXPECT_TRUE(test, try_charge(&m->counter, 2, BC_LIMIT));
	bc_counter_uncharge(&m->counter, 1);
	bc_counter_kill(&m->counter, mortal_release);
	KUNIT_EXPECT_EQ(test, atomic_read(&m->released), 0);
	KUNIT_EXPECT_EQ(test, bc_counter_held(&m->counter), 2);
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 2);

	/* Who has a charge may get more; no credit comes of it. */
	KUNIT_EXPECT_TRUE(test, try_charge(&m->counter, 1, BC_LIMIT));
	bc_counter_uncharge(&m->counter, 1);
	bc_counter_uncharge(&m->counter, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&m->released), 0);
	bc_counter_uncharge(&m->counter, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&m->released), 1);
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 0);
	bc_counter_destroy(&m->counter);

	/* Nothing is held but credit. */
	m = new_mortal(test, parent, batch);
	KUNIT_EXPECT_TRUE(test, try_charge(&m->counter, 1, BC_LIMIT));
	bc_counter_uncharge(&m->counter, 1);
	bc_counter_kill(&m->counter, mortal_release);
	KUNIT_EXPECT_EQ(test, atomic_read(&m->released), 1);
	bc_counter_destroy(&m->counter);
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 0);
}

static void bc_counter_test_kill_plain(struct kunit *test)
{
	test_kill(test, 0);
}

static void bc_counter_test_kill_batched(struct kunit *test)
{
	test_kill(test, BATCH);
}

static void mortal_uncharge(struct work_struct *work)
{
	struct mortal *m = container_of(work, struct mortal, work);
	int i;

	guard(rcu)();
	for (i = 0; i < m->charges; i++)
		bc_counter_uncharge(&m->counter, 1);
}

/* On another CPU, the last charges go while it is killed. It ends once. */
static void bc_counter_test_kill_race(struct kunit *test)
{
	struct bc_counter *parent = new_counter(test, NULL, BATCH);
	int other = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	int round, early = 0;

	if (other >= nr_cpu_ids)
		kunit_skip(test, "needs two CPUs");
	for (round = 0; round < 200; round++) {
		struct mortal *m = new_mortal(test, parent, BATCH);
		int i;

		m->charges = 1 + round % 40;
		for (i = 0; i < m->charges; i++)
			try_charge(&m->counter, 1, BC_LIMIT);
		INIT_WORK(&m->work, mortal_uncharge);
		queue_work_on(other, system_wq, &m->work);
		for (i = 0; i < round % 50; i++)
			cpu_relax();
		bc_counter_kill(&m->counter, mortal_release);
		early += !atomic_read(&m->released);
		flush_work(&m->work);
		KUNIT_EXPECT_EQ(test, atomic_read(&m->released), 1);
		bc_counter_destroy(&m->counter);
		kunit_kfree(test, m);
	}
	kunit_info(test, "%d of %d were killed before the last uncharge\n", early,
		   round);
	KUNIT_EXPECT_EQ(test, bc_counter_held(parent), 0);
}

static struct kunit_case bc_counter_test_cases[] = {
	KUNIT_CASE(bc_counter_test_charge),
	KUNIT_CASE(bc_counter_test_limit),
	KUNIT_CASE(bc_counter_test_severity),
	KUNIT_CASE(bc_counter_test_parent_refuses),
	KUNIT_CASE(bc_counter_test_watermarks),
	KUNIT_CASE(bc_counter_test_levels),
	KUNIT_CASE(bc_counter_test_depth),
	KUNIT_CASE(bc_counter_test_no_false_refusal),
	KUNIT_CASE(bc_counter_test_held_is_exact),
	KUNIT_CASE(bc_counter_test_seq),
	KUNIT_CASE(bc_counter_test_ids),
	KUNIT_CASE(bc_counter_test_excess),
	KUNIT_CASE(bc_counter_test_crossing),
	KUNIT_CASE(bc_counter_test_new_limit),
	KUNIT_CASE(bc_counter_test_slots),
	KUNIT_CASE_SLOW(bc_counter_test_storm_plain),
	KUNIT_CASE_SLOW(bc_counter_test_storm_plain_greedy),
	KUNIT_CASE_SLOW(bc_counter_test_storm_batched),
	KUNIT_CASE_SLOW(bc_counter_test_storm_batched_greedy),
	KUNIT_CASE_SLOW(bc_counter_test_interrupts),
	KUNIT_CASE_SLOW(bc_counter_test_limit_race),
	KUNIT_CASE_SLOW(bc_counter_test_lowered),
	KUNIT_CASE(bc_counter_test_kill_plain),
	KUNIT_CASE(bc_counter_test_kill_batched),
	KUNIT_CASE_SLOW(bc_counter_test_kill_race),
	{ }
};

static struct kunit_suite bc_counter_test_suite = {
	.name = "bc_counter",
	.test_cases = bc_counter_test_cases,
};

kunit_test_suite(bc_counter_test_suite);

MODULE_DESCRIPTION("KUnit tests for beancounter counters");
MODULE_LICENSE("GPL");
