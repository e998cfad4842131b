// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: a group for who gets namespaces of its own (Menage's container_clone,
 * the cgroup of that name).
 *
 * With kernel.bc_clone_on_unshare, unshare(2) makes a group below the caller's, in each
 * hierarchy that is chosen, and moves the calling thread in; clone(2) starts the child in
 * them. In unshare(2), nothing that comes later can fail; in clone(2), it can, and then
 * the groups are removed. So are those in some hierarchies when there can be none in
 * another one.
 *
 * Making a directory takes the locks of directories, and moving a task takes bc_mutex:
 * no other lock may be held here. Which hierarchies are chosen is written under bc_mutex,
 * so that none is that has been removed.
 */
#include <linux/bc/core.h>
#include <linux/bc/task.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sysctl.h>

#include "dir.h"
#include "sabotage.h"

/* In which hierarchies, a bit for each: 1 is the default one. */
static unsigned int clone_hierarchies;

static int choose(unsigned long hierarchies)
{
	int id, err = 0;

	bc_lock();
	for_each_set_bit(id, &hierarchies, BITS_PER_LONG) {
		if (id >= BC_MAX_HIERARCHIES || !bc_hierarchies[id])
			err = -EINVAL;
	}
	if (!err)
		WRITE_ONCE(clone_hierarchies, hierarchies);
	bc_unlock();
	return err;
}

static int clone_sysctl(const struct ctl_table *table, int write, void *buffer,
			size_t *lenp, loff_t *ppos)
{
	unsigned int hierarchies = READ_ONCE(clone_hierarchies);
	struct ctl_table tmp = {
		.procname	= table->procname,
		.data		= &hierarchies,
		.maxlen		= sizeof(hierarchies),
		.mode		= table->mode,
	};
	int err;

	err = proc_douintvec(&tmp, write, buffer, lenp, ppos);
	if (!err && write)
		err = choose(hierarchies);
	return err;
}

static struct ctl_table clone_table[] = {
	{
		.procname	= "bc_clone_on_unshare",
		.mode		= 0644,
		.proc_handler	= clone_sysctl,
	},
};

static int __init clone_init(void)
{
	register_sysctl_init("kernel", clone_table);
	return 0;
}
late_initcall(clone_init);

/**
 * bc_clone_forget - a hierarchy is removed, and its number will be another one's
 * @h: the hierarchy
 *
 * Context: Between bc_lock() and bc_unlock().
 */
void bc_clone_forget(struct bc_hierarchy *h)
{
	lockdep_assert(bc_lock_is_held());

	WRITE_ONCE(clone_hierarchies, clone_hierarchies & ~BIT(h->id));
}

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

	/* It has been removed, and its number is another one's. */
	if (parent->hierarchy != h) {
		bc_group_put(parent);
		return ERR_PTR(-ENOENT);
	}
	snprintf(name, sizeof(name), "node_%d", task_pid_nr(task));
	group = bc_dir_make(parent, name);
	for (n = 1; group == ERR_PTR(-EEXIST) && !fatal_signal_pending(current); n++) {
		snprintf(name, sizeof(name), "node_%d.%u", task_pid_nr(task), n);
		group = bc_dir_make(parent, name);
	}
	/* Only a parent that the task has left can have been removed, or all of them. */
	if (group == ERR_PTR(-ENOENT) && parent->parent)
		group = ERR_PTR(-ESTALE);
	bc_group_put(parent);
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
 * Return: the group, with a reference; or an ERR_PTR():
 * -ENOSPC, it would be too many levels below the root; -ENOMEM; -EINTR, the current
 * task has been killed; -ENOENT, the hierarchy has been removed; what a controller says.
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
			if (err) {
				bc_dir_remove(group);
				bc_group_put(group);
			}
		}
		/* Somebody has moved the task, or removed the group: begin again. */
		if (err != -ESTALE)
			return err ? ERR_PTR(err) : group;
		if (fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
	}
}

/* A hierarchy, kept by a reference to its root, or NULL. */
static struct bc_hierarchy *get_hierarchy(int id)
{
	struct bc_hierarchy *h;

	bc_lock();
	h = bc_hierarchies[id];
	if (h)
		bc_group_get(&h->root);
	bc_unlock();
	return h;
}

/*
 * The same in one of the hierarchies that are chosen: NULL if it has gone since.
 */
static struct bc_group *clone_in(struct task_struct *task, int id)
{
	struct bc_hierarchy *h = get_hierarchy(id);
	struct bc_group *group;

	if (!h)
		return NULL;
	group = bc_clone(task, h);
	bc_group_put(&h->root);
	return group == ERR_PTR(-ENOENT) ? NULL : group;
}

int __bc_unshare(void)
{
	unsigned long hierarchies = READ_ONCE(clone_hierarchies);
	struct bc_group *made[BC_MAX_HIERARCHIES];
	int id, n = 0, err = 0;

	for_each_set_bit(id, &hierarchies, BC_MAX_HIERARCHIES) {
		struct bc_group *group = clone_in(current, id);

		err = PTR_ERR_OR_ZERO(group);
		if (err)
			break;
		if (group)
			made[n++] = group;
	}
	while (n--) {
		/* If not even that can be, we stay there, and so does the group. */
		if (err) {
			bc_attach_up(made[n], current);
			bc_dir_remove(made[n]);
		}
		bc_group_put(made[n]);
	}
	return err;
}

int __bc_clone_fork(struct task_struct *p, unsigned long *made)
{
	unsigned long hierarchies = READ_ONCE(clone_hierarchies);
	int id;

	for_each_set_bit(id, &hierarchies, BC_MAX_HIERARCHIES) {
		struct bc_group *group = clone_in(p, id);

		if (IS_ERR(group))
			return PTR_ERR(group);
		if (!group)
			continue;
		/* Nobody else can move it, and as long as it is in there, that stays. */
		*made |= BIT(id);
		bc_group_put(group);
	}
	return 0;
}

void __bc_cancel_clone(struct task_struct *p, unsigned long made)
{
	struct bc_group *groups[BC_MAX_HIERARCHIES];
	int id, n = 0;

	for_each_set_bit(id, &made, BC_MAX_HIERARCHIES)
		groups[n++] = bc_task_group_get(p, bc_hierarchies[id]);
	/* As long as it is in there, no group can go. */
	__bc_cancel_fork(p);
	while (n--) {
		if (!bc_sabotaged(BC_SABOTAGE_LEFTOVER))
			bc_dir_remove(groups[n]);
		bc_group_put(groups[n]);
	}
}
