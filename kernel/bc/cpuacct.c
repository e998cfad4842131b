// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: cpuacct, the CPU time that the tasks of a group use (Menage, Singh).
 *
 * What an administrator should know:
 *
 * - usage is what the scheduler gives to tasks, in nanoseconds. user and system are
 *   counted by ticks, a whole one for who is there when it comes, as in /proc/stat.
 *   All is what cgroup v1's cpuacct calls usage, usage_user and usage_sys.
 * - Interrupts and softirqs are a part of usage and system of who is interrupted, unless
 *   the kernel counts them apart (CONFIG_IRQ_TIME_ACCOUNTING): then they are nobody's.
 *   Idle and iowait time is nobody's; nor is steal time, where the kernel knows of it
 *   (CONFIG_PARAVIRT_TIME_ACCOUNTING).
 * - Groups above have what those below them have. A task that moves takes nothing along,
 *   up to the nanosecond of the move.
 * - The root shows the whole system, as /proc/stat counts it: its usage is user + system.
 * - load is percent of one CPU in the last full interval of ten seconds. The root has one
 *   as long as there are groups.
 * - 0 written to usage starts usage, user, system and usage_percpu of that group, and of
 *   no other, anew.
 *
 * Locking: the counters are per CPU, and each is written by one place only: the usage and
 * what belongs to the load under the lock of the CPU's run queue, user and system on the
 * CPU itself, with interrupts off. Nothing is ever taken off them: to start anew is to
 * remember where, in the base, under the lock of the group's state, which readers take.
 */
#include <linux/bc/core.h>
#include <linux/bc/cpuacct.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kernel_stat.h>
#include <linux/math64.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched/cputime.h>
#include <linux/seq_file.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/u64_stats_sync.h>

#include "sabotage.h"

/* How long an interval of the load is, in jiffies. */
#define LOAD_INTERVAL	(10 * HZ)

enum cpuacct_stat {
	CPUACCT_USAGE,
	CPUACCT_USER,
	CPUACCT_SYSTEM,
	CPUACCT_NSTATS
};

/**
 * struct cpuacct_cpu - what tasks of a group have used on one CPU
 * @usage_sync: protects @stat[CPUACCT_USAGE] where 64 bits are read in two steps
 * @time_sync: the same for user and system
 * @stat: nanoseconds
 * @load_seq: protects the next three
 * @load_interval: the last interval in which anything was used
 * @load_start: the usage at its beginning
 * @load_last: what was used in the one before it
 * @load_begin: in jiffies, when it began
 * @base: what @stat was when the counting was started anew
 */
struct cpuacct_cpu {
	struct u64_stats_sync	usage_sync;
	struct u64_stats_sync	time_sync;
	u64_stats_t		stat[CPUACCT_NSTATS];
	seqcount_t		load_seq;
	u64			load_interval;
	u64			load_start;
	u64			load_last;
	unsigned long		load_begin;
	u64			base[CPUACCT_NSTATS];
};

/**
 * struct cpuacct - the state of the controller
 * @css: as for every controller
 * @parent: the state one level up; NULL if that is the root
 * @cpu: the counters. In a root, only for the load.
 * @lock: protects the base of all CPUs
 */
struct cpuacct {
	struct bc_css			css;
	struct cpuacct			*parent;
	struct cpuacct_cpu __percpu	*cpu;
	spinlock_t			lock;	/* for the bases */
};

/* Groups, without the root, and since which interval there are any. */
static atomic_t nr_groups;
static unsigned long groups_since;

static struct cpuacct *to_cpuacct(struct bc_css *css)
{
	return container_of(css, struct cpuacct, css);
}

static u64 current_interval(void)
{
	return div_u64(get_jiffies_64(), LOAD_INTERVAL);
}

static struct bc_css *cpuacct_alloc(const struct bc_controller *controller,
				    struct bc_css *parent)
{
	struct cpuacct *ca = kzalloc(sizeof(*ca), GFP_KERNEL_ACCOUNT);
	int cpu;

	if (!ca)
		return ERR_PTR(-ENOMEM);
	ca->cpu = alloc_percpu_gfp(struct cpuacct_cpu, GFP_KERNEL_ACCOUNT);
	if (!ca->cpu) {
		kfree(ca);
		return ERR_PTR(-ENOMEM);
	}
	for_each_possible_cpu(cpu) {
		struct cpuacct_cpu *c = per_cpu_ptr(ca->cpu, cpu);

		u64_stats_init(&c->usage_sync);
		u64_stats_init(&c->time_sync);
		seqcount_init(&c->load_seq);
		c->load_begin = jiffies - LOAD_INTERVAL;
	}
	spin_lock_init(&ca->lock);
	if (!parent)
		return &ca->css;

	if (!parent->root)
		ca->parent = to_cpuacct(parent);
	if (!atomic_read(&nr_groups))
		WRITE_ONCE(groups_since, current_interval());
	/* Pairs with cpuacct_load_show(). */
	atomic_inc_return_release(&nr_groups);
	return &ca->css;
}

static void cpuacct_free(struct bc_css *css)
{
	struct cpuacct *ca = to_cpuacct(css);

	atomic_dec(&nr_groups);
	free_percpu(ca->cpu);
	kfree(ca);
}

/* Another interval has begun since anything was used. */
static void load_next(struct cpuacct_cpu *c)
{
	u64 interval = current_interval();
	u64 usage = u64_stats_read(&c->stat[CPUACCT_USAGE]);

	raw_write_seqcount_begin(&c->load_seq);
	c->load_last = interval == c->load_interval + 1 ? usage - c->load_start : 0;
	c->load_start = usage;
	c->load_interval = interval;
	c->load_begin = (unsigned long)(interval * LOAD_INTERVAL);
	raw_write_seqcount_end(&c->load_seq);
}

static bool load_ended(struct cpuacct_cpu *c)
{
	/* That its end is still to come is true again, on 32 bits, after 25 days without use. */
	return jiffies - READ_ONCE(c->load_begin) >= LOAD_INTERVAL;
}

/* u64_stats_add() takes a long, which on 32 bits is four seconds. */
static __always_inline void add_time(u64_stats_t *stat, u64 delta)
{
	u64_stats_set(stat, u64_stats_read(stat) + delta);
}

static __always_inline void add_usage(struct cpuacct_cpu *c, u64 delta)
{
	u64_stats_update_begin(&c->usage_sync);
	add_time(&c->stat[CPUACCT_USAGE], delta);
	u64_stats_update_end(&c->usage_sync);
}

static noinline void add_usage_and_load(struct cpuacct_cpu *c, u64 delta)
{
	if (load_ended(c))
		load_next(c);
	add_usage(c, delta);
}

/* The state of a task's group, or NULL for the root's. Under RCU. */
static struct cpuacct *task_cpuacct(struct task_struct *task)
{
	struct css_group *cg = rcu_dereference(task->css_group);
	struct bc_css *css = cg ? cg->css[BC_ID_cpuacct] : NULL;

	return css ? to_cpuacct(css) : NULL;
}

/*
 * Apart from __bc_account_runtime(), which is part of each change of tasks and has no use
 * for a stack without this.
 */
static noinline void account_runtime_and_load(struct cpuacct *ca, unsigned int cpu,
					      u64 delta)
{
	for (; ca; ca = ca->parent) {
		add_usage_and_load(per_cpu_ptr(ca->cpu, cpu), delta);
		if (bc_sabotaged(BC_SABOTAGE_RUNTIME))
			break;
	}
}

void __bc_account_runtime(struct task_struct *p, u64 delta)
{
	unsigned int cpu = task_cpu(p);
	struct cpuacct *ca;

	guard(rcu)();
	for (ca = task_cpuacct(p); ca; ca = ca->parent) {
		struct cpuacct_cpu *c = per_cpu_ptr(ca->cpu, cpu);

		if (unlikely(load_ended(c))) {
			account_runtime_and_load(ca, cpu, delta);
			break;
		}
		add_usage(c, delta);
		if (bc_sabotaged(BC_SABOTAGE_RUNTIME))
			break;
	}
}

void __bc_account_cputime(struct task_struct *p, enum cpu_usage_stat index, u64 delta)
{
	enum cpuacct_stat stat;
	struct cpuacct *ca;

	switch (index) {
	case CPUTIME_USER:
	case CPUTIME_NICE:
		stat = CPUACCT_USER;
		break;
	case CPUTIME_SYSTEM:
	case CPUTIME_IRQ:
	case CPUTIME_SOFTIRQ:
		stat = CPUACCT_SYSTEM;
		break;
	default:
		return;
	}

	guard(rcu)();
	for (ca = task_cpuacct(p); ca; ca = ca->parent) {
		struct cpuacct_cpu *c = this_cpu_ptr(ca->cpu);
		unsigned long flags;

		flags = u64_stats_update_begin_irqsave(&c->time_sync);
		add_time(&c->stat[stat], delta);
		u64_stats_update_end_irqrestore(&c->time_sync, flags);
	}
	/* The root's counter has no other use, and no other writer. */
	ca = to_cpuacct(bc_root_css[BC_ID_cpuacct]);
	add_usage_and_load(this_cpu_ptr(ca->cpu), delta);
}

/* What a task has run up to now is where it was; the other CPU may be running it. */
static void flush(struct task_struct *task)
{
	task_sched_runtime(task);
}

static void cpuacct_attach(const struct bc_taskset *tset)
{
	struct task_struct *task = NULL;

	while ((task = bc_taskset_next(tset, task, BC_ID_cpuacct)))
		flush(task);
}

static void cpuacct_exit(struct bc_css *css, struct task_struct *tsk)
{
	flush(tsk);
}

/*
 * Files
 */

static u64 read_stat(const struct cpuacct_cpu *c, enum cpuacct_stat stat)
{
	const struct u64_stats_sync *sync;
	unsigned int start;
	u64 val;

	sync = stat == CPUACCT_USAGE ? &c->usage_sync : &c->time_sync;
	do {
		start = u64_stats_fetch_begin(sync);
		val = u64_stats_read(&c->stat[stat]);
	} while (u64_stats_fetch_retry(sync, start));
	return val;
}

/* The whole system's. */
static u64 read_root_stat(int cpu, enum cpuacct_stat stat)
{
	struct kernel_cpustat kcpustat;
	u64 user, system;

	kcpustat_cpu_fetch(&kcpustat, cpu);
	user = kcpustat.cpustat[CPUTIME_USER] + kcpustat.cpustat[CPUTIME_NICE];
	system = kcpustat.cpustat[CPUTIME_SYSTEM] + kcpustat.cpustat[CPUTIME_IRQ] +
		 kcpustat.cpustat[CPUTIME_SOFTIRQ];
	switch (stat) {
	case CPUACCT_USER:
		return user;
	case CPUACCT_SYSTEM:
		return system;
	default:
		return user + system;
	}
}

static u64 read_cpu(struct cpuacct *ca, int cpu, enum cpuacct_stat stat)
{
	struct cpuacct_cpu *c = per_cpu_ptr(ca->cpu, cpu);

	return ca->css.root ? read_root_stat(cpu, stat) : read_stat(c, stat);
}

/* Since the counting was started. The system's counters may jitter. */
static u64 get_cpu_stat(struct cpuacct *ca, int cpu, enum cpuacct_stat stat)
{
	u64 val, base;

	scoped_guard(spinlock, &ca->lock) {
		val = read_cpu(ca, cpu, stat);
		base = per_cpu_ptr(ca->cpu, cpu)->base[stat];
	}
	return val > base ? val - base : 0;
}

static ssize_t show_stat(struct config_item *item, char *page, enum cpuacct_stat stat)
{
	struct cpuacct *ca = to_cpuacct(bc_item_css(item));
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += get_cpu_stat(ca, cpu, stat);
	return sysfs_emit(page, "%llu\n", sum);
}

static ssize_t cpuacct_usage_show(struct config_item *item, char *page)
{
	return show_stat(item, page, CPUACCT_USAGE);
}

static ssize_t cpuacct_user_show(struct config_item *item, char *page)
{
	return show_stat(item, page, CPUACCT_USER);
}

static ssize_t cpuacct_system_show(struct config_item *item, char *page)
{
	return show_stat(item, page, CPUACCT_SYSTEM);
}

static ssize_t cpuacct_usage_store(struct config_item *item, const char *page,
				   size_t count)
{
	struct cpuacct *ca = to_cpuacct(bc_item_css(item));
	enum cpuacct_stat stat;
	bool val;
	int cpu, err;

	/* It is the whole system's, also in a hierarchy that somebody else has made. */
	if (bc_item_css(item)->root && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = bc_parse_bool(page, count, &val);
	if (err || val)
		return err ?: -EINVAL;
	for_each_possible_cpu(cpu) {
		struct cpuacct_cpu *c = per_cpu_ptr(ca->cpu, cpu);

		spin_lock(&ca->lock);
		for (stat = 0; stat < CPUACCT_NSTATS; stat++)
			c->base[stat] = read_cpu(ca, cpu, stat);
		spin_unlock(&ca->lock);
	}
	return count;
}

static u64 cpu_load(const struct cpuacct_cpu *c, u64 interval)
{
	unsigned int seq;
	u64 used;

	do {
		seq = read_seqcount_begin(&c->load_seq);
		if (c->load_interval == interval)
			used = c->load_last;
		else if (c->load_interval + 1 == interval)
			used = read_stat(c, CPUACCT_USAGE) - c->load_start;
		else
			used = 0;
	} while (read_seqcount_retry(&c->load_seq, seq));
	return used;
}

static ssize_t cpuacct_load_show(struct config_item *item, char *page)
{
	struct cpuacct *ca = to_cpuacct(bc_item_css(item));
	u64 interval = current_interval(), used = 0;
	int cpu;

	/* Without groups, nobody counts for the root. */
	if (ca->css.root && (!atomic_read_acquire(&nr_groups) ||
			     interval < READ_ONCE(groups_since) + 2))
		return -ENODATA;
	for_each_possible_cpu(cpu)
		used += cpu_load(per_cpu_ptr(ca->cpu, cpu), interval);
	return sysfs_emit(page, "%llu\n",
			  div64_u64(used * 100, jiffies_to_nsecs(LOAD_INTERVAL)));
}

static int percpu_show(struct seq_file *m, void *v)
{
	struct cpuacct *ca = to_cpuacct(bc_item_css(configfs_seq_item(m)));
	const char *space = "";
	int cpu;

	for_each_possible_cpu(cpu) {
		seq_printf(m, "%s%llu", space, get_cpu_stat(ca, cpu, CPUACCT_USAGE));
		space = " ";
	}
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations percpu_seq_ops = {
	.start	= bc_line_start,
	.next	= bc_line_next,
	.stop	= bc_line_stop,
	.show	= percpu_show,
};

static struct configfs_attribute cpuacct_attr_usage_percpu = {
	.ca_name	= "usage_percpu",
	.ca_mode	= 0444,
	.ca_owner	= THIS_MODULE,
	.seq_ops	= &percpu_seq_ops,
};

CONFIGFS_ATTR(cpuacct_, usage);
CONFIGFS_ATTR_RO(cpuacct_, user);
CONFIGFS_ATTR_RO(cpuacct_, system);
CONFIGFS_ATTR_RO(cpuacct_, load);

static struct configfs_attribute *cpuacct_attrs[] = {
	&cpuacct_attr_usage,
	&cpuacct_attr_user,
	&cpuacct_attr_system,
	&cpuacct_attr_usage_percpu,
	&cpuacct_attr_load,
	NULL
};

const struct bc_controller bc_cpuacct_controller = {
	.name		= "cpuacct",
	.attrs		= cpuacct_attrs,
	.css_alloc	= cpuacct_alloc,
	.css_free	= cpuacct_free,
	.attach		= cpuacct_attach,
	.exit		= cpuacct_exit,
};
