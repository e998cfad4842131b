/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: what fork and exit call.
 *
 * Until the first group is made, each of these is a patched-out branch. With
 * groups about, a task in the root group pays for a pointer test.
 */
#ifndef _LINUX_BC_TASK_H
#define _LINUX_BC_TASK_H

#include <linux/jump_label_ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#ifdef CONFIG_BEANCOUNTERS

/* On while there is any group besides the root, the nameless ones included. */
extern struct static_key_false_deferred bc_enabled_key;

int __bc_can_fork(struct task_struct *p);
void __bc_cancel_fork(struct task_struct *p);
int __bc_fork(struct task_struct *p);
void __bc_exit(struct task_struct *tsk);

/**
 * bc_can_fork - put a new task in the group of the current one
 * @p: the new task, not yet visible to anybody
 *
 * The task joins the group of the current task, and the controllers charge for
 * it.
 *
 * Context: Process context. Takes no lock.
 * Return: 0, or what the controller that refused says, as -EAGAIN for numtasks.
 */
static inline int bc_can_fork(struct task_struct *p)
{
	/*
	 * What dup_task_struct() has copied holds no reference, and its group
	 * may be gone by now.
	 */
	RCU_INIT_POINTER(p->css_group, NULL);
	if (static_branch_unlikely(&bc_enabled_key.key) &&
	    rcu_access_pointer(current->css_group))
		return __bc_can_fork(p);
	return 0;
}

/**
 * bc_cancel_fork - undo bc_can_fork(), the new task will not live
 * @p: the new task, not yet visible to anybody
 *
 * Context: Any.
 */
static inline void bc_cancel_fork(struct task_struct *p)
{
	if (rcu_access_pointer(p->css_group))
		__bc_cancel_fork(p);
}

/**
 * bc_fork - let a new thread follow its process
 * @p: the new task, about to be linked
 * @clone_flags: as given to clone()
 *
 * The process may have been moved since bc_can_fork(). A thread goes where its
 * creator is now; any other child stays where its parent was.
 *
 * Context: tasklist_lock write-locked and current->sighand->siglock held.
 * Return: 0, or the error of a controller that refuses the thread.
 */
static inline int bc_fork(struct task_struct *p, u64 clone_flags)
{
	if (static_branch_unlikely(&bc_enabled_key.key) &&
	    (clone_flags & CLONE_THREAD) &&
	    rcu_access_pointer(p->css_group) !=
	    rcu_access_pointer(current->css_group))
		return __bc_fork(p);
	return 0;
}

/**
 * bc_exit - take a task out of its group
 * @tsk: the task, which has just been unlinked from its thread group
 *
 * From now on, it counts as one of the root group's.
 *
 * Context: tasklist_lock write-locked and tsk->sighand->siglock held.
 */
static inline void bc_exit(struct task_struct *tsk)
{
	if (static_branch_unlikely(&bc_enabled_key.key) &&
	    rcu_access_pointer(tsk->css_group))
		__bc_exit(tsk);
}

#else /* !CONFIG_BEANCOUNTERS */

static inline int bc_can_fork(struct task_struct *p)
{
	return 0;
}

static inline void bc_cancel_fork(struct task_struct *p) { }

static inline int bc_fork(struct task_struct *p, u64 clone_flags)
{
	return 0;
}

static inline void bc_exit(struct task_struct *tsk) { }

#endif /* CONFIG_BEANCOUNTERS */
#endif /* _LINUX_BC_TASK_H */
