// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit benchmark for kernel/bc/counter.c: what one charge of a counter and its uncharge
 * take, beside the page_counter of memory cgroups, which does a similar thing.
 *
 * It prints lines of "bench: WHAT KIND [WHERE] NUMBER FIGURE", for perf-scripts/bench:
 *
 * - "depth": nanoseconds on one CPU, at so many levels. In a guest that counts
 *   instructions as time, these are instructions.
 * - "parallel": pairs a millisecond of so many CPUs together, which share a counter, or
 *   have one each without or with a common parent.
 *
 * What a thread has begun when time is up, at most 100 pairs, counts, too.
 *
 * The best of some rounds, as whatever else goes on makes it slower and never faster. It
 * fails only if a counter refuses or miscounts: no time is too long.
 */
#include <kunit/test.h>
#include <kunit/resource.h>
#include <linux/bc/counter.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/page_counter.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

/* As controllers with batched counters have it. */
#define BATCH		8

#define DEPTH_PAIRS	1000
#define DEPTH_ROUNDS	5

#define PARALLEL_MS	20
#define PARALLEL_ROUNDS	5
#define PARALLEL_BURST	100

union bench_counter {
	struct bc_counter	bc;
	struct page_counter	page;
};

/**
 * struct bench_kind - a kind of counter
 * @name: for who reads the figures
 * @init: make a counter below @parent; returns 0, or -ENOMEM
 * @destroy: which holds nothing; or NULL
 * @held: what a counter holds
 * @charge: by so much; returns whether that failed
 * @uncharge: by so much
 * @pairs: charge by 1 and uncharge so often; returns how often that failed
 */
struct bench_kind {
	const char	*name;
	int		(*init)(union bench_counter *c, union bench_counter *parent);
	void		(*destroy)(void *c);
	unsigned long	(*held)(union bench_counter *c);
	bool		(*charge)(union bench_counter *c, unsigned long n);
	void		(*uncharge)(union bench_counter *c, unsigned long n);
	int		(*pairs)(union bench_counter *c, int nr);
};

static int init_plain(union bench_counter *c, union bench_counter *parent)
{
	return bc_counter_init(&c->bc, parent ? &parent->bc : NULL, 0);
}

static int init_batched(union bench_counter *c, union bench_counter *parent)
{
	return bc_counter_init(&c->bc, parent ? &parent->bc : NULL, BATCH);
}

static void destroy_bc(void *c)
{
	bc_counter_destroy(&((union bench_counter *)c)->bc);
}

static unsigned long held_bc(union bench_counter *c)
{
	return bc_counter_held(&c->bc);
}

static __always_inline bool charge_bc(union bench_counter *c, unsigned long n)
{
	return bc_counter_charge(&c->bc, n, BC_LIMIT);
}

static __always_inline void uncharge_bc(union bench_counter *c, unsigned long n)
{
	rcu_read_lock();
	bc_counter_uncharge(&c->bc, n);
	rcu_read_unlock();
}

static int pairs_bc(union bench_counter *c, int nr)
{
	int failed = 0;

	while (nr--) {
		if (charge_bc(c, 1))
			failed++;
		else
			uncharge_bc(c, 1);
	}
	return failed;
}

#ifdef CONFIG_MEMCG
static int init_page(union bench_counter *c, union bench_counter *parent)
{
	page_counter_init(&c->page, parent ? &parent->page : NULL, false);
	return 0;
}

static unsigned long held_page(union bench_counter *c)
{
	return page_counter_read(&c->page);
}

static __always_inline bool charge_page(union bench_counter *c, unsigned long n)
{
	struct page_counter *fail;

	return !page_counter_try_charge(&c->page, n, &fail);
}

static __always_inline void uncharge_page(union bench_counter *c, unsigned long n)
{
	page_counter_uncharge(&c->page, n);
}

static int pairs_page(union bench_counter *c, int nr)
{
	int failed = 0;

	while (nr--) {
		if (charge_page(c, 1))
			failed++;
		else
			uncharge_page(c, 1);
	}
	return failed;
}
#endif

static const struct bench_kind bench_kinds[] = {
	{ "plain", init_plain, destroy_bc, held_bc, charge_bc, uncharge_bc, pairs_bc },
	{ "batched", init_batched, destroy_bc, held_bc, charge_bc, uncharge_bc, pairs_bc },
#ifdef CONFIG_MEMCG
	{ "page_counter", init_page, NULL, held_page, charge_page, uncharge_page, pairs_page },
#endif
};

static union bench_counter *new_counter(struct kunit *test,
					const struct bench_kind *kind,
					union bench_counter *parent)
{
	union bench_counter *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, c);
	KUNIT_ASSERT_EQ(test, kind->init(c, parent), 0);
	if (kind->destroy)
		KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, kind->destroy, c), 0);
	return c;
}

/* Nothing comes between, but for what the host of a guest does. */
static u64 time_pairs(const struct bench_kind *kind, union bench_counter *c, int *failed)
{
	unsigned long flags;
	u64 begin, end;

	local_irq_save(flags);
	begin = ktime_get_ns();
	*failed += kind->pairs(c, DEPTH_PAIRS);
	end = ktime_get_ns();
	local_irq_restore(flags);
	return end - begin;
}

static void bench_depth(struct kunit *test, const struct bench_kind *kind)
{
	union bench_counter *c = NULL, *top = NULL;
	int depth, round, failed = 0;

	for (depth = 1; depth <= 16; depth++) {
		u64 best = U64_MAX;
		u32 rest;

		c = new_counter(test, kind, c);
		if (!top)
			top = c;
		if (!is_power_of_2(depth))
			continue;
		/* A group that is used is neither empty nor at its peak. */
		failed += kind->charge(c, 2);
		for (round = 0; round < DEPTH_ROUNDS; round++)
			best = min(best, time_pairs(kind, c, &failed));
		best = div_u64_rem(best, DEPTH_PAIRS, &rest);
		kunit_info(test, "bench: depth %s %d %llu.%03u\n", kind->name, depth,
			   best, rest);
		KUNIT_EXPECT_EQ(test, kind->held(c), 2);
		KUNIT_EXPECT_EQ(test, kind->held(top), 2);
		kind->uncharge(c, 2);
		KUNIT_EXPECT_EQ(test, kind->held(c), 0);
		KUNIT_EXPECT_EQ(test, kind->held(top), 0);
	}
	KUNIT_EXPECT_EQ(test, failed, 0);
}

static void bc_counter_bench_depth(struct kunit *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bench_kinds); i++)
		bench_depth(test, &bench_kinds[i]);
}

/**
 * struct bench_run - some CPUs that charge at the same time
 * @kind: of all counters
 * @begin: when they do
 * @stop: no more
 * @running: threads that have not ended
 * @done: no thread is left
 */
struct bench_run {
	const struct bench_kind	*kind;
	struct completion	begin;
	bool			stop;
	atomic_t		running;
	struct completion	done;
};

struct bench_thread {
	struct bench_run	*run;
	union bench_counter	*counter;
	unsigned long		pairs;
	int			failed;
};

static int bench_thread_fn(void *data)
{
	struct bench_thread *t = data;
	struct bench_run *run = t->run;
	unsigned long pairs = 0;
	int failed = 0;

	wait_for_completion(&run->begin);
	while (!READ_ONCE(run->stop)) {
		failed += run->kind->pairs(t->counter, PARALLEL_BURST);
		pairs += PARALLEL_BURST;
		cond_resched();
	}
	/* At the end: others' results are in the same cache line. */
	t->failed = failed;
	t->pairs = pairs;
	if (atomic_dec_and_test(&run->running))
		complete(&run->done);
	return 0;
}

/* Pairs a millisecond, of @nr CPUs together; thread[i].counter is set. */
static u64 run_threads(struct kunit *test, const struct bench_kind *kind,
		       struct bench_thread *thread, int nr)
{
	struct bench_run run = { .kind = kind };
	unsigned long pairs = 0;
	int i, cpu, failed = 0;
	u64 begin, ns;

	init_completion(&run.begin);
	init_completion(&run.done);
	/* One for us, so that all is over when we say so. */
	atomic_set(&run.running, 1);
	cpu = cpumask_first(cpu_online_mask);
	for (i = 0; i < nr; i++) {
		struct task_struct *task;

		/* One may have gone offline. */
		if (cpu >= nr_cpu_ids)
			break;
		thread[i].run = &run;
		task = kthread_create_on_cpu(bench_thread_fn, &thread[i], cpu,
					     "bc_bench/%u");
		if (IS_ERR(task))
			break;
		atomic_inc(&run.running);
		wake_up_process(task);
		cpu = cpumask_next(cpu, cpu_online_mask);
	}
	begin = ktime_get_ns();
	complete_all(&run.begin);
	msleep(PARALLEL_MS);
	WRITE_ONCE(run.stop, true);
	ns = ktime_get_ns() - begin;
	if (!atomic_dec_and_test(&run.running))
		wait_for_completion(&run.done);

	/* None of them uses what is on our stack any more. */
	KUNIT_ASSERT_EQ_MSG(test, i, nr, "no thread");
	for (i = 0; i < nr; i++) {
		pairs += thread[i].pairs;
		failed += thread[i].failed;
	}
	KUNIT_EXPECT_EQ(test, failed, 0);
	return mul_u64_u64_div_u64(pairs, NSEC_PER_MSEC, ns);
}

static void bench_parallel(struct kunit *test, const struct bench_kind *kind,
			   struct bench_thread *thread, int nr)
{
	static const char *const wheres[] = { "shared", "separate", "siblings" };
	union bench_counter *top = new_counter(test, kind, NULL);
	u64 rate[ARRAY_SIZE(wheres)] = { };
	int i, where, round;

	/* By turns, so that what comes and goes on a host hits all. */
	for (round = 0; round < PARALLEL_ROUNDS; round++) {
		for (where = 0; where < ARRAY_SIZE(wheres); where++) {
			for (i = 0; i < nr; i++)
				thread[i].counter = !where ? top :
					new_counter(test, kind, where == 1 ? NULL : top);
			rate[where] = max(rate[where],
					  run_threads(test, kind, thread, nr));
			for (i = 0; i < nr; i++)
				KUNIT_EXPECT_EQ(test, kind->held(thread[i].counter), 0);
		}
	}
	KUNIT_EXPECT_EQ(test, kind->held(top), 0);
	for (where = 0; where < ARRAY_SIZE(wheres); where++)
		kunit_info(test, "bench: parallel %s %s %d %llu\n", kind->name,
			   wheres[where], nr, rate[where]);
}

static void bc_counter_bench_parallel(struct kunit *test)
{
	int i, nr, cpus = num_online_cpus();
	struct bench_thread *thread;

	thread = kunit_kcalloc(test, cpus, sizeof(*thread), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, thread);
	for (nr = 1; nr <= cpus; nr *= 2) {
		for (i = 0; i < ARRAY_SIZE(bench_kinds); i++)
			bench_parallel(test, &bench_kinds[i], thread, nr);
	}
}

static struct kunit_case bc_counter_bench_cases[] = {
	KUNIT_CASE(bc_counter_bench_depth),
	KUNIT_CASE_SLOW(bc_counter_bench_parallel),
	{}
};

static struct kunit_suite bc_counter_bench_suite = {
	.name = "bc_counter_bench",
	.test_cases = bc_counter_bench_cases,
};

kunit_test_suite(bc_counter_bench_suite);
