/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: kernel memory that may not be refused.
 *
 * kernel/bc/kmemsize.c has the rules and the reasons.
 */
#ifndef _LINUX_BC_KMEM_H
#define _LINUX_BC_KMEM_H

#include <linux/types.h>

#ifdef CONFIG_BEANCOUNTERS

#include <linux/bc/charge.h>

/**
 * bc_kmem_force - say whether the current task can be refused kernel memory
 * @force: no, whatever the limit is, until it is called with false
 *
 * For what cannot fail gracefully: a page fault, say. It does not nest: within what is
 * called with true, nobody may call it but with true, or what follows may be refused.
 * Does nothing in an interrupt.
 *
 * Groups may come and go meanwhile, and one of two calls may be a patched-out branch. A
 * task that is left with what the first one has set was in no group, and gets rid of it
 * with its next page fault in one.
 *
 * Context: Any.
 */
static __always_inline void bc_kmem_force(bool force)
{
	if (static_branch_unlikely(&bc_enabled_key.key) && in_task())
		current->bc_kmem_forced = force;
}

#else /* !CONFIG_BEANCOUNTERS */

static inline void bc_kmem_force(bool force) { }

#endif /* CONFIG_BEANCOUNTERS */
#endif /* _LINUX_BC_KMEM_H */
