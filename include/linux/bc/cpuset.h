/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: where the scheduler asks which CPUs a task may have.
 */
#ifndef _LINUX_BC_CPUSET_H
#define _LINUX_BC_CPUSET_H

#include <linux/cpumask_types.h>
#include <linux/types.h>

struct task_struct;

#if defined(CONFIG_BEANCOUNTERS) && defined(CONFIG_SMP)

#include <linux/jump_label.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

/* On once any group has been restricted. */
extern struct static_key_false bc_cpuset_key;

bool __bc_restrict_cpus(struct task_struct *p, struct cpumask *out,
			const struct cpumask *in, const struct cpumask *user);

/**
 * bc_restrict_cpus - restrict what a task is to have to its group's CPUs
 * @p: the task
 * @out: becomes the rest; may be @in
 * @in: what it may have otherwise
 * @user: restrict it to these, too, if that leaves anything; or NULL
 *
 * Context: Any but NMI.
 * Return: true if @out is what counts; false if the group has nothing to say, and @out is
 * as it was.
 */
static inline bool bc_restrict_cpus(struct task_struct *p, struct cpumask *out,
				    const struct cpumask *in,
				    const struct cpumask *user)
{
	return static_branch_unlikely(&bc_cpuset_key) &&
	       rcu_access_pointer(p->css_group) &&
	       __bc_restrict_cpus(p, out, in, user);
}

#else

static inline bool bc_restrict_cpus(struct task_struct *p, struct cpumask *out,
				    const struct cpumask *in,
				    const struct cpumask *user)
{
	return false;
}

#endif
#endif /* _LINUX_BC_CPUSET_H */
