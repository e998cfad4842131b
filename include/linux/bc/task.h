/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: what fork, exit, unshare and proc call.
 *
 * Until the first group is made, each of these is a patched-out branch. With
 * groups about, a task in the root group pays for a pointer test.
 */
#ifndef _LINUX_BC_TASK_H
#define _LINUX_BC_TASK_H

#include <linux/jump_label_ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/types.h>

struct bc_group;
struct pid;
struct pid_namespace;
struct seq_file;

#ifdef CONFIG_BEANCOUNTERS

/* Who gets any of these may get a group, see bc_unshare(). */
#define BC_CLONE_FLAGS	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |	\
			 CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |	\
			 CLONE_NEWNET | CLONE_NEWTIME)

/* On while there is any group besides the root, the nameless ones included. */
extern struct static_key_false_deferred bc_enabled_key;

/* On when some controller wants to see new tasks, see bc_want_fork(). */
extern struct static_key_false bc_fork_key;

int __bc_can_fork(struct task_struct *p);
void __bc_cancel_fork(struct task_struct *p);
int __bc_fork(struct task_struct *p);
void __bc_post_fork(struct task_struct *p);
void __bc_exit(struct task_struct *tsk);
int __bc_unshare(void);
int __bc_clone_fork(struct task_struct *p, unsigned long *made);
void __bc_cancel_clone(struct task_struct *p, unsigned long made);

int proc_bc_show(struct seq_file *m, struct pid_namespace *ns, struct pid *pid,
		 struct task_struct *task);
void proc_bc_id(struct seq_file *m, struct task_struct *task);

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
 * bc_clone_fork - give a new task a group of its own, if it gets a namespace
 * @p: the new task, not yet visible to anybody, but with a pid
 * @clone_flags: as given to clone()
 * @made: becomes the hierarchies in which it gets one, a bit for each
 *
 * Only if kernel.bc_clone_on_unshare is set. A thread stays in its process's group.
 *
 * Context: Process context. May sleep, and takes locks of directories.
 * Return: 0, or why there is no group: see bc_clone().
 */
static inline int bc_clone_fork(struct task_struct *p, u64 clone_flags,
				unsigned long *made)
{
	if (unlikely(clone_flags & BC_CLONE_FLAGS) && !(clone_flags & CLONE_THREAD))
		return __bc_clone_fork(p, made);
	return 0;
}

/**
 * bc_cancel_fork - undo bc_can_fork(), the new task will not live
 * @p: the new task, not yet visible to anybody
 * @made: where bc_clone_fork() has made a group, also if it has failed
 *
 * Context: Process context. May sleep if there is @made.
 */
static inline void bc_cancel_fork(struct task_struct *p, unsigned long made)
{
	if (made)
		__bc_cancel_clone(p, made);
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
 * bc_post_fork - let a new task catch up with its group
 * @p: the new task, which everybody can see, and which does not run yet
 *
 * Who goes through all tasks, to give them new CPUs, say, does not see one that is not
 * linked yet. Nor does bc_fork() do such things, which may sleep. One in the root may
 * have copied what its parent had in another group before it was moved.
 *
 * Context: Process context. May sleep.
 */
static inline void bc_post_fork(struct task_struct *p)
{
	if (static_branch_unlikely(&bc_fork_key))
		__bc_post_fork(p);
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

/**
 * bc_unshare - give the current task a group of its own, if it gets a namespace
 * @unshare_flags: as given to unshare()
 *
 * Only if kernel.bc_clone_on_unshare is set.
 *
 * Context: Process context. May sleep, and takes locks of directories.
 * Return: 0, or why there is no group: see bc_clone().
 */
static inline int bc_unshare(unsigned long unshare_flags)
{
	return unshare_flags & BC_CLONE_FLAGS ? __bc_unshare() : 0;
}

#else /* !CONFIG_BEANCOUNTERS */

static inline int bc_can_fork(struct task_struct *p)
{
	return 0;
}

static inline int bc_clone_fork(struct task_struct *p, u64 clone_flags,
				unsigned long *made)
{
	return 0;
}

static inline void bc_cancel_fork(struct task_struct *p, unsigned long made) { }

static inline int bc_fork(struct task_struct *p, u64 clone_flags)
{
	return 0;
}

static inline void bc_post_fork(struct task_struct *p) { }

static inline void bc_exit(struct task_struct *tsk) { }

static inline int bc_unshare(unsigned long unshare_flags)
{
	return 0;
}

static inline void proc_bc_id(struct seq_file *m, struct task_struct *task) { }

#endif /* CONFIG_BEANCOUNTERS */
#endif /* _LINUX_BC_TASK_H */
