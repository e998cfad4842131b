// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: a group for who gets namespaces of its own (Menage's container_clone,
 * the cgroup of that name).
 *
 * With kernel.bc_clone_on_unshare, unshare(2) makes a group below the caller's, in the
 * default hierarchy, and moves the calling thread in; clone(2) starts the child in
 * one. In unshare(2), nothing that comes later can fail; in clone(2), it can, and then
 * the group is removed.
 *
 * Making a directory takes the locks of directories, and moving a task takes bc_mutex:
 * no other lock may be held here.
 */
#include <linux/bc/core.h>
#include <linux/bc/task.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sysctl.h>

#include "dir.h"
#include "sabotage.h"

static u8 clone_on_unshare;

static struct ctl_table clone_table[] = {
	{
		.procname	= "bc_clone_on_unshare",
		.data		= &clone_on_unshare,
		.maxlen		= sizeof(clone_on_unshare),
		.mode		= 0644,
		.proc_handler	= proc_dou8vec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE,
	},
};

static int __init clone_init(void)
{
	register_sysctl_init("kernel", clone_table);
	return 0;
}
late_initcall(clone_init);

/*
 * Process ids come back, and a group stays until somebody removes it: if the name is
 * taken, there is another one.
 */
static struct bc_group *make_group(struct task_struct *task,
				   struct bc_hierarchy *h)
{
	struct bc_group *parent = bc_task_group_get(task, h), *group;
	char name[32];
	unsigned int n;

	snprintf(name, sizeof(name), "node_%d", task_pid_nr(task));
	group = bc_dir_make(parent, name);
	for (n = 1; group == ERR_PTR(-EEXIST) && !fatal_signal_pending(current); n++) {
		snprintf(name, sizeof(name), "node_%d.%u", task_pid_nr(task), n);
		group = bc_dir_make(parent, name);
	}
	bc_group_put(parent);
	/* Only a parent that the task has left can have been removed. */
	if (group == ERR_PTR(-ENOENT))
		return ERR_PTR(-ESTALE);
	return group == ERR_PTR(-EEXIST) ? ERR_PTR(-EINTR) : group;
}

static int post_clone(struct bc_group *group)
{
	int id, err = 0;

	for (id = 0; !err && id < BC_NR_CONTROLLERS; id++) {
		if (group->css[id] && bc_controllers[id]->post_clone)
			err = bc_controllers[id]->post_clone(group->css[id]);
	}
	return err;
}

/**
 * bc_clone - make a group below that of a task, and move the task in
 * @task: the current task; or one that it is creating, after bc_can_fork()
 * @h: the hierarchy
 *
 * The group is named node_<pid>, and belongs to root. Nothing of it is left behind on
 * failure.
 *
 * Context: Process context. May sleep.
 * Return: the group, which is kept by the task that is in it; or an ERR_PTR():
 * -ENOSPC, it would be too many levels below the root; -ENOMEM; -EINTR, the current
 * task has been killed; what a controller says.
 */
struct bc_group *bc_clone(struct task_struct *task, struct bc_hierarchy *h)
{
	struct bc_group *group;
	int err;

	for (;;) {
		group = make_group(task, h);
		err = PTR_ERR_OR_ZERO(group);
		if (!err) {
			err = post_clone(group) ?: bc_attach_down(group, task);
			if (err)
				bc_dir_remove(group);
			bc_group_put(group);
		}
		/* Somebody has moved the task, or removed the group: begin again. */
		if (err != -ESTALE)
			return err ? ERR_PTR(err) : group;
		if (fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
	}
}

int __bc_unshare(void)
{
	if (!READ_ONCE(clone_on_unshare))
		return 0;
	return PTR_ERR_OR_ZERO(bc_clone(current, &bc_default_hierarchy));
}

int __bc_clone_fork(struct task_struct *p, struct bc_group **made)
{
	struct bc_group *group;

	if (!READ_ONCE(clone_on_unshare))
		return 0;
	group = bc_clone(p, &bc_default_hierarchy);
	if (IS_ERR(group))
		return PTR_ERR(group);
	*made = group;
	return 0;
}

void __bc_cancel_clone(struct task_struct *p, struct bc_group *made)
{
	bc_group_get(made);
	/* As long as it is in there, the group cannot go. */
	__bc_cancel_fork(p);
	if (!bc_sabotaged(BC_SABOTAGE_LEFTOVER))
		bc_dir_remove(made);
	bc_group_put(made);
}
