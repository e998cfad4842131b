/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: where cgroup's cpusets ask which memory nodes a task may have, and what
 * they do for that.
 */
#ifndef _LINUX_BC_NODESET_H
#define _LINUX_BC_NODESET_H

#include <linux/nodemask_types.h>
#include <linux/types.h>

struct task_struct;

#if defined(CONFIG_BEANCOUNTERS) && defined(CONFIG_CPUSETS)

#include <linux/jump_label.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

/* On once any group has been restricted, or has wanted to spread something. */
extern struct static_key_false bc_nodeset_key;

/* On as long as memory_pressure_enabled says so. */
extern struct static_key_false bc_memory_pressure_key;

void __bc_restrict_mems(struct task_struct *tsk, nodemask_t *mems);
void __bc_spread(struct task_struct *tsk);
void __bc_memory_pressure_bump(void);

/**
 * bc_restrict_mems - restrict what a task is to have to its group's nodes
 * @tsk: the task
 * @mems: what it may have otherwise
 *
 * Context: Any but NMI.
 */
static inline void bc_restrict_mems(struct task_struct *tsk, nodemask_t *mems)
{
	if (static_branch_unlikely(&bc_nodeset_key) &&
	    rcu_access_pointer(tsk->css_group))
		__bc_restrict_mems(tsk, mems);
}

/**
 * bc_spread - set the flags of a task that its group wants, and cgroup may not
 * @tsk: the task
 *
 * Context: Any but NMI.
 */
static inline void bc_spread(struct task_struct *tsk)
{
	if (static_branch_unlikely(&bc_nodeset_key) &&
	    rcu_access_pointer(tsk->css_group))
		__bc_spread(tsk);
}

/**
 * bc_memory_pressure_bump - the current task has to reclaim memory itself
 *
 * Context: Process context.
 */
static inline void bc_memory_pressure_bump(void)
{
	if (static_branch_unlikely(&bc_memory_pressure_key))
		__bc_memory_pressure_bump();
}

#else

static inline void bc_restrict_mems(struct task_struct *tsk, nodemask_t *mems) { }
static inline void bc_spread(struct task_struct *tsk) { }
static inline void bc_memory_pressure_bump(void) { }

#endif
#endif /* _LINUX_BC_NODESET_H */
