// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numtasks, the number of tasks in a group.
 *
 * What an administrator should know:
 *
 * - Every thread counts as one, from fork(2), vfork(2) or clone(2) until it has
 *   been reaped. Zombies count.
 * - A fork that would take the group or any of its ancestors above its limit
 *   fails with EAGAIN. The barrier is not looked at: a fork is charged at
 *   severity BC_LIMIT, as in BC v6.
 * - The charge moves with the task. A move that would break a limit fails with
 *   EAGAIN, and the task, with all its threads, stays where it is. Groups that
 *   are above both the source and the target do not notice a move.
 * - A limit may be set below what is held. Nobody is killed; nothing more is
 *   forked, nor moved in, until enough tasks have gone.
 *
 * The pids controller of cgroups counts the same. There, a move into a full group
 * is never refused, and pids.current may then be above pids.max.
 */
#include <linux/bc/core.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/sched/stat.h>

/* NULL in the root, which is not charged. */
static struct bc_counter *group_counter(struct bc_group *group)
{
	if (!group->parent)
		return NULL;
	return &to_bc_resource(group->css[BC_ID_numtasks])->counter;
}

static int numtasks_can_fork(struct bc_css *css, struct task_struct *p)
{
	return bc_resource_try_charge(css, 1, BC_LIMIT) ? 0 : -EAGAIN;
}

static void numtasks_uncharge(struct bc_css *css, struct task_struct *p)
{
	bc_counter_uncharge(&to_bc_resource(css)->counter, 1);
}

/*
 * How many tasks each level above the target, itself included, is to be charged
 * for: n[0] for the target, n[1] for its parent, and so on. A task does not count
 * where it counts already, from the nearest common ancestor upwards.
 */
static void count_levels(const struct bc_taskset *tset, unsigned long *n)
{
	struct bc_css *to = tset->css[BC_ID_numtasks];
	unsigned int level = to->group->level;
	struct task_struct *task = NULL;
	int i;

	while ((task = bc_taskset_next(tset, task, BC_ID_numtasks))) {
		struct bc_css *from = bc_task_css(task, BC_ID_numtasks);
		struct bc_group *common = bc_group_common(from->group, to->group);

		/* Charged below the common ancestor: n[0] to n[i - 1]. */
		i = level - common->level;
		if (i)
			n[i - 1]++;
	}
	/* Who is charged at a level is charged at all levels below it. */
	for (i = BC_MAX_DEPTH - 1; i > 0; i--)
		n[i - 1] += n[i];
}

static int numtasks_can_attach(const struct bc_taskset *tset)
{
	struct bc_css *to = tset->css[BC_ID_numtasks];
	unsigned long n[BC_MAX_DEPTH] = { };

	/* The root is not charged. */
	if (!to->group->parent)
		return 0;
	count_levels(tset, n);
	return bc_resource_try_charge_levels(to, n, BC_LIMIT) ? 0 : -EAGAIN;
}

static void numtasks_cancel_attach(const struct bc_taskset *tset)
{
	struct bc_css *to = tset->css[BC_ID_numtasks];
	struct bc_counter *counter = group_counter(to->group);
	struct task_struct *task = NULL;

	while ((task = bc_taskset_next(tset, task, BC_ID_numtasks))) {
		struct bc_css *from = bc_task_css(task, BC_ID_numtasks);
		struct bc_group *common = bc_group_common(from->group, to->group);

		bc_counter_uncharge_until(counter, group_counter(common), 1);
	}
}

static void numtasks_attach(const struct bc_taskset *tset)
{
	struct bc_css *to = tset->css[BC_ID_numtasks];
	struct task_struct *task = NULL;

	while ((task = bc_taskset_next(tset, task, BC_ID_numtasks))) {
		struct bc_css *from = bc_task_css(task, BC_ID_numtasks);
		struct bc_group *common = bc_group_common(from->group, to->group);

		bc_counter_uncharge_until(group_counter(from->group),
					  group_counter(common), 1);
	}
}

static unsigned long numtasks_root_held(void)
{
	/* As /proc/loadavg has it. */
	return data_race(nr_threads);
}

const struct bc_controller bc_numtasks_controller = {
	.name		= "numtasks",
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.can_attach	= numtasks_can_attach,
	.cancel_attach	= numtasks_cancel_attach,
	.attach		= numtasks_attach,
	.can_fork	= numtasks_can_fork,
	.cancel_fork	= numtasks_uncharge,
	.exit		= numtasks_uncharge,
	.root_held	= numtasks_root_held,
};
