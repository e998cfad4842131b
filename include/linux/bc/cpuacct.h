/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: where the scheduler tells what time tasks have used.
 */
#ifndef _LINUX_BC_CPUACCT_H
#define _LINUX_BC_CPUACCT_H

#include <linux/kernel_stat.h>
#include <linux/types.h>

struct task_struct;

#ifdef CONFIG_BEANCOUNTERS

#include <linux/jump_label_ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

/* On while there is any group besides the root, the nameless ones included. */
extern struct static_key_false_deferred bc_enabled_key;

void __bc_account_runtime(struct task_struct *p, u64 delta);
void __bc_account_cputime(struct task_struct *p, enum cpu_usage_stat index, u64 delta);

/**
 * bc_account_runtime - a task has run
 * @p: the task
 * @delta: for so many nanoseconds
 *
 * Context: The lock of the task's run queue is held.
 */
static inline void bc_account_runtime(struct task_struct *p, u64 delta)
{
	if (static_branch_unlikely(&bc_enabled_key.key) &&
	    rcu_access_pointer(p->css_group))
		__bc_account_runtime(p, delta);
}

/**
 * bc_account_cputime - time has passed while a task was there, as ticks see it
 * @p: the task
 * @index: what the CPU has done in that time
 * @delta: so many nanoseconds
 *
 * Not for idle, steal and iowait time. Tasks in the root count, too, for its load: there
 * is a tick in between, so that this costs nothing.
 *
 * Context: The CPU that has done it. Preemption is off.
 */
static inline void bc_account_cputime(struct task_struct *p, enum cpu_usage_stat index,
				      u64 delta)
{
	if (static_branch_unlikely(&bc_enabled_key.key))
		__bc_account_cputime(p, index, delta);
}

#else

static inline void bc_account_runtime(struct task_struct *p, u64 delta) { }
static inline void bc_account_cputime(struct task_struct *p, enum cpu_usage_stat index,
				      u64 delta) { }

#endif
#endif /* _LINUX_BC_CPUACCT_H */
