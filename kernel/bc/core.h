/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: what css_groups, groups, hierarchies and moves share, see core.c.
 */
#ifndef _BC_CORE_H
#define _BC_CORE_H

#include <linux/bc/core.h>
#include <linux/bc/task.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

/* core.c, which says what they protect */
extern struct mutex bc_mutex;
extern spinlock_t css_group_lock;

struct css_group *css_group_get(struct bc_group **groups);
void css_group_put(struct css_group *cg);
void bc_want_tasks(const struct bc_controller *c, int id, bool on);

/**
 * task_css_group - the css_group of a task
 * @task: the task
 *
 * Context: rcu_read_lock() or the siglock of the task; the result is good for as
 * long as that is held.
 * Return: the css_group; NULL, the task is in all roots.
 */
static inline struct css_group *task_css_group(struct task_struct *task)
{
	return rcu_dereference_check(task->css_group,
				     lockdep_is_held(bc_siglock(task)));
}

/* controller.c */
extern struct module *bc_owners[BC_NR_CONTROLLERS];

/* group.c */
void bc_group_init(struct bc_group *group, struct bc_group *parent,
		   struct bc_hierarchy *h);
int bc_group_alloc_css(struct bc_group *group);
void bc_group_check_release(struct bc_group *group, bool used);
void bc_groups_changed(struct bc_hierarchy *h);

/* hierarchy.c */
int bc_hierarchy_init(void);

/**
 * bc_controller_hierarchy - the hierarchy that a controller is bound to
 * @id: the controller, which is there
 *
 * Context: bc_mutex is held.
 * Return: the hierarchy.
 */
static inline struct bc_hierarchy *bc_controller_hierarchy(unsigned int id)
{
	lockdep_assert_held(&bc_mutex);

	return bc_root_css[id]->group->hierarchy;
}

#endif /* _BC_CORE_H */
