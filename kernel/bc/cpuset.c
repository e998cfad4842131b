// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: cpuset, which CPUs the tasks of a group run on.
 *
 * What an administrator should know:
 *
 * - A task runs on the CPUs that its affinity mask, its cgroup's cpuset and its group
 *   here all allow. sched_getaffinity(2) and Cpus_allowed in /proc/<pid>/status show it.
 * - Where affinity and group have nothing in common, the affinity mask is not looked at,
 *   as with cgroup's cpusets, and counts again when they have. Where cgroup and group
 *   have nothing in common, the next group above counts; in the end, cgroup's mask alone.
 * - The same when no CPU of the group is online: its tasks run elsewhere until one is.
 *
 * How it is done: cgroup's cpusets, affinity and hotplug all end in
 * __set_cpus_allowed_ptr(), which asks us. The kernel keeps what the user wanted
 * (user_cpus_ptr), and cgroup what it wants, so that there is nothing to save here: when
 * the group changes, or a task moves, cgroup's mask is set anew, and the others come in.
 *
 * Locking: see set.c. __bc_restrict_cpus() runs under the lock of a run queue. Who sets a
 * task's mask takes that, too, and what it finds of the group is as new as when it was
 * asked to do so: of several at a time, the last one finds the last state.
 */
#include <linux/bc/cpuset.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/cpuset.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "set.h"

DEFINE_STATIC_KEY_FALSE(bc_cpuset_key);

bool __bc_restrict_cpus(struct task_struct *p, struct cpumask *out,
			const struct cpumask *in, const struct cpumask *user)
{
	struct bc_css *css;

	guard(rcu)();
	css = bc_task_css(p, BC_ID_cpuset);
	if (!bc_set_narrow(to_bc_set(css), cpumask_bits(out), cpumask_bits(in),
			   user ? cpumask_bits(user) : NULL))
		return false;
	/* The words of a cpumask that a set on this machine does not have. */
	cpumask_and(out, out, cpu_possible_mask);
	return true;
}

/* Let a task have what it is to have now. */
static void update_task(struct task_struct *task)
{
	cpumask_var_t allowed, now;

	if (bc_task_flags(task) & PF_NO_SETAFFINITY)
		return;

	/* What cannot fail must not need memory that may not be there. */
	alloc_cpumask_var(&allowed, GFP_KERNEL | __GFP_NOFAIL);
	alloc_cpumask_var(&now, GFP_KERNEL | __GFP_NOFAIL);
	cpuset_cpus_allowed(task, now);
	do {
		cpumask_copy(allowed, now);
		/* It can only fail as it does when cgroup sets the same. */
		set_cpus_allowed_ptr(task, allowed);
		/* Cgroup may have set something else, and we have undone it. */
		cpuset_cpus_allowed(task, now);
	} while (!cpumask_equal(allowed, now));
	free_cpumask_var(now);
	free_cpumask_var(allowed);
}

/* A task with a deadline has been admitted to all CPUs of its root domain. */
static int check_deadlines(struct bc_set *set, const unsigned long *bits)
{
	struct task_struct *task;
	struct bc_task_iter iter;
	int err = 0;

	bc_task_iter_start(&iter, NULL);
	while ((task = bc_task_iter_next(&iter))) {
		if (!err && bc_set_concerns(set, task))
			err = dl_task_check_affinity(task, to_cpumask(bits));
	}
	return err;
}

static void prepare(struct bc_set *set, const unsigned long *bits)
{
	static_branch_enable(&bc_cpuset_key);
	bc_want_fork();
}

static struct bc_set_type cpuset_type = {
	.possible	= cpumask_bits(cpu_possible_mask),
	.usable		= cpumask_bits(cpu_active_mask),
	.check		= check_deadlines,
	.prepare	= prepare,
	.update_task	= update_task,
};

static struct bc_css *cpuset_alloc(const struct bc_controller *controller,
				   struct bc_css *parent)
{
	struct bc_set *set = kzalloc(sizeof(*set), GFP_KERNEL_ACCOUNT);
	int err;

	if (!set)
		return ERR_PTR(-ENOMEM);
	/* The first one is made when it is known how many there can be. */
	if (!parent)
		cpuset_type.nbits = nr_cpu_ids;
	err = bc_set_init(set, &cpuset_type, parent ? to_bc_set(parent) : NULL);
	if (err) {
		kfree(set);
		return ERR_PTR(err);
	}
	return &set->css;
}

static void cpuset_free(struct bc_css *css)
{
	bc_set_destroy(to_bc_set(css));
	kfree(to_bc_set(css));
}

static int cpuset_can_attach(const struct bc_taskset *tset)
{
	struct bc_set *set = to_bc_set(tset->css[BC_ID_cpuset]);
	struct task_struct *task = NULL;
	int err = 0;

	if (set->css.root)
		return 0;
	guard(rcu)();
	if (!bc_set_usable(set))
		return -ENOSPC;
	while (!err && (task = bc_taskset_next(tset, task, BC_ID_cpuset)))
		err = dl_task_check_affinity(task, to_cpumask(bc_set_bits(set)));
	return err;
}

static void cpuset_post_attach(struct task_struct *task, bool process)
{
	if (static_key_enabled(&bc_cpuset_key))
		bc_set_update_process(&cpuset_type, task, process);
}

/* Does a new task have all that its group has, which then nobody else restricts? */
static bool has_all(struct task_struct *p)
{
	const struct cpumask *housekeeping = housekeeping_cpumask(HK_TYPE_DOMAIN);
	const unsigned long *bits;
	struct bc_set *set;

	guard(rcu)();
	set = to_bc_set(bc_task_css(p, BC_ID_cpuset));
	/* Who sets its affinity, as everybody sees it already, comes to bc_restrict_cpus(). */
	if (data_race(READ_ONCE(p->user_cpus_ptr)) ||
	    !(set->css.root || bc_set_usable(set)))
		return false;
	bits = bc_set_bits(set);
	/*
	 * As above. With isolcpus=, all have less than all CPUs from the beginning, and go on
	 * with that.
	 */
	return data_race(bitmap_equal(cpumask_bits(&p->cpus_mask), bits, cpuset_type.nbits) ||
			 (bitmap_equal(bits, cpuset_type.possible, cpuset_type.nbits) &&
			  cpumask_equal(&p->cpus_mask, housekeeping)));
}

static void cpuset_fork(struct task_struct *p)
{
	/* The common case need not take a lock that all forks share. */
	if (static_key_enabled(&bc_cpuset_key) && !has_all(p))
		update_task(p);
}

static struct configfs_attribute cpus_attr = {
	.ca_name	= "cpus",
	.ca_mode	= 0644,
	.ca_owner	= THIS_MODULE,
	.show		= bc_set_show,
	.store		= bc_set_store,
};

static struct configfs_attribute effective_cpus_attr = {
	.ca_name	= "effective_cpus",
	.ca_mode	= 0444,
	.ca_owner	= THIS_MODULE,
	.show		= bc_set_effective_show,
};

static struct configfs_attribute cpu_exclusive_attr = {
	.ca_name	= "cpu_exclusive",
	.ca_mode	= 0644,
	.ca_owner	= THIS_MODULE,
	.show		= bc_set_exclusive_show,
	.store		= bc_set_exclusive_store,
};

static struct configfs_attribute *cpuset_attrs[] = {
	&cpus_attr,
	&effective_cpus_attr,
	&cpu_exclusive_attr,
	NULL
};

const struct bc_controller bc_cpuset_controller = {
	.name		= "cpuset",
	.attrs		= cpuset_attrs,
	.css_alloc	= cpuset_alloc,
	.css_offline	= bc_set_offline,
	.css_free	= cpuset_free,
	.can_attach	= cpuset_can_attach,
	.post_attach	= cpuset_post_attach,
	.fork		= cpuset_fork,
};

/*
 * A CPU has come or gone. Tasks of groups that have no other had to go elsewhere, or can
 * come back. The scheduler has seen to it that they run; where they belong is our job.
 */
static void hotplug_work_fn(struct work_struct *work)
{
	/* A CPU that comes up can be used only when all of that is done. */
	cpus_read_lock();
	cpus_read_unlock();
	bc_set_update_tasks(to_bc_set(bc_root_css[BC_ID_cpuset]));
}

static DECLARE_WORK(hotplug_work, hotplug_work_fn);

static int hotplug(unsigned int cpu)
{
	if (static_key_enabled(&bc_cpuset_key))
		queue_work(system_unbound_wq, &hotplug_work);
	return 0;
}

static int __init bc_cpuset_init(void)
{
	int err = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "bc/cpuset:online",
					    hotplug, hotplug);

	return min(err, 0);
}
late_initcall(bc_cpuset_init);
