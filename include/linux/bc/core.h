/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: groups of tasks, and what a controller has to do with them.
 *
 * Documentation/beancounters.txt tells how to write a controller.
 */
#ifndef _LINUX_BC_CORE_H
#define _LINUX_BC_CORE_H

#include <linux/bc/counter.h>
#include <linux/bc/types.h>
#include <linux/container_of.h>
#include <linux/lockdep.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct config_item;

/**
 * struct bc_css - what one controller keeps for one group
 * @group: the group
 *
 * A controller embeds it in a structure of its own.
 */
struct bc_css {
	struct bc_group		*group;
};

/**
 * struct bc_group - a beancounter
 * @parent: one level up; NULL in the root. Held by a reference.
 * @id: names the group as long as the system is up; 0 is the root
 * @level: the root is 0
 * @dead: removed, and only kept by what refers to it. Protected by bc_mutex.
 * @nr_css_groups: css_groups of it, that is, whether it has tasks. Protected by
 *	css_group_lock.
 * @refs: its directory, its children; after that, those of the controllers whose
 *	state is still in use, see css_offline() in struct bc_controller
 * @work: what comes after the last reference, when a grace period has passed
 * @item: its directory, for configfs.c; gone when @dead
 * @css: the controllers' states, by enum bc_controller_id
 */
struct bc_group {
	struct bc_group		*parent;
	u64			id;
	unsigned int		level;
	bool			dead;
	unsigned int		nr_css_groups;
	refcount_t		refs;
	struct rcu_work		work;
	struct config_item	*item;
	struct bc_css		*css[BC_NR_CONTROLLERS];
};

/**
 * struct css_group - the memberships of a task
 * @css: the controllers' states for the task's groups; the key of the hash
 * @group: the task's group
 * @refs: tasks, forks on their way, and moves on their way. The last one takes
 *	it out of the hash, under css_group_lock.
 * @node: in the hash
 * @rcu: frees it
 *
 * All tasks with the same memberships share one. Tasks in the root group have
 * none. But for @refs, nothing in it changes once a task has it.
 */
struct css_group {
	struct bc_css		*css[BC_NR_CONTROLLERS];
	struct bc_group		*group;
	refcount_t		refs;
	struct rhash_head	node;
	struct rcu_head		rcu;
};

/**
 * struct bc_taskset - tasks that move to another group together
 * @task: one of them
 * @process: all threads of @task's process, not just @task
 * @group: where to
 * @to: its css_group, NULL in the root
 */
struct bc_taskset {
	struct task_struct	*task;
	bool			process;
	struct bc_group		*group;
	struct css_group	*to;
};

struct task_struct *bc_taskset_next(const struct bc_taskset *tset,
				    struct task_struct *task);

/**
 * struct bc_controller - a controller
 * @name: of its directory in each group; below 20 characters
 * @batch: how much credit a CPU takes at once, see bc_counter_init(); 0 for counters
 *	that are exact in everything
 * @css_alloc: make the state for a new group. @parent is that of the group one
 *	level up, NULL for the root. Returns it or an ERR_PTR(). May sleep.
 * @css_offline: directory, tasks and children are gone, for longer than an RCU
 *	grace period. If the state is still in use, take a reference to the group
 *	and drop it when the use ends. May sleep.
 * @css_free: free it, an RCU grace period after the last reference to the group
 *	was dropped. May sleep.
 * @can_attach: may these tasks move? Charges what they need in the new group.
 *	Returns 0 or an error, and then has changed nothing.
 * @cancel_attach: undo @can_attach, another controller has refused
 * @attach: they move now: uncharge the groups where they still are
 * @can_fork: may the group have one more task, @p, which nobody sees yet?
 *	Charges for it. Returns 0 or an error. May sleep.
 * @cancel_fork: undo @can_fork, the fork has failed later
 * @exit: a task of the group has been reaped
 * @root_held: the kernel's own count, of what the whole system uses; NULL if it
 *	has none
 *
 * The attach callbacks and @exit run under the siglock of the tasks' thread
 * group, with interrupts off. All but @css_alloc and @css_free are optional. So far,
 * every controller is a resource controller, whose state is a struct bc_resource: its
 * directory has the files of a counter. bc_resource_alloc() and its like are its
 * css_alloc and so on.
 */
struct bc_controller {
	const char	*name;
	unsigned int	batch;
	struct bc_css	*(*css_alloc)(const struct bc_controller *controller,
				      struct bc_css *parent);
	void		(*css_offline)(struct bc_css *css);
	void		(*css_free)(struct bc_css *css);
	int		(*can_attach)(const struct bc_taskset *tset);
	void		(*cancel_attach)(const struct bc_taskset *tset);
	void		(*attach)(const struct bc_taskset *tset);
	int		(*can_fork)(struct bc_css *css, struct task_struct *p);
	void		(*cancel_fork)(struct bc_css *css, struct task_struct *p);
	void		(*exit)(struct bc_css *css, struct task_struct *tsk);
	unsigned long	(*root_held)(void);
};

#define BC_CONTROLLER(name) extern const struct bc_controller bc_##name##_controller;
#include <linux/bc/controllers.h>
#undef BC_CONTROLLER

extern const struct bc_controller * const bc_controllers[BC_NR_CONTROLLERS];
extern struct bc_group bc_root_group;

int bc_core_init(void);
struct bc_group *bc_group_create(struct bc_group *parent);
int bc_group_kill(struct bc_group *group);
void bc_group_get(struct bc_group *group);
void bc_group_put(struct bc_group *group);
struct bc_group *bc_group_common(struct bc_group *a, struct bc_group *b);

int bc_attach(struct bc_group *group, pid_t pid, bool process,
	      int (*may_write)(struct bc_group *group));
pid_t bc_group_next_pid(struct bc_group *group, pid_t nr, bool threads);

/**
 * bc_siglock - the lock under which the group of a task changes
 * @task: the task, which has not been reaped
 *
 * For assertions; who takes it does so with lock_task_sighand().
 */
static inline spinlock_t *bc_siglock(struct task_struct *task)
{
	return &rcu_dereference_raw(task->sighand)->siglock;
}

/**
 * bc_task_css - the state of a controller for the group of a task
 * @task: the task
 * @id: the controller
 *
 * Context: rcu_read_lock() or the siglock of the task; the result is good for as
 * long as that is held.
 * Return: the state; that of the root group, if the task is in no other.
 */
static inline struct bc_css *bc_task_css(struct task_struct *task,
					 enum bc_controller_id id)
{
	struct css_group *cg;

	cg = rcu_dereference_check(task->css_group,
				   lockdep_is_held(bc_siglock(task)));
	return cg ? cg->css[id] : bc_root_group.css[id];
}

/**
 * struct bc_resource - the state of a controller that is one counter
 * @css: as for every controller
 * @counter: what the group holds; not used in the root
 */
struct bc_resource {
	struct bc_css		css;
	struct bc_counter	counter;
};

/**
 * to_bc_resource - the counter's state of a resource controller
 * @css: the state
 */
static inline struct bc_resource *to_bc_resource(struct bc_css *css)
{
	return container_of(css, struct bc_resource, css);
}

struct bc_css *bc_resource_alloc(const struct bc_controller *controller,
				 struct bc_css *parent);
void bc_resource_offline(struct bc_css *css);
void bc_resource_free(struct bc_css *css);

#endif /* _LINUX_BC_CORE_H */
