/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how anonymous memory is charged. kernel/bc/physpages.c has the rules.
 *
 * Without groups, all hooks are patched-out branches. An address space that is in none
 * pays for a test.
 */
#ifndef _LINUX_BC_ANON_H
#define _LINUX_BC_ANON_H

#include <linux/bc/kmem.h>
#include <linux/bc/pages.h>
#include <linux/mm_types.h>
#include <linux/sched.h>

#ifdef CONFIG_BC_PAGES

int __bc_anon_charge(struct folio *folio, struct mm_struct *mm);
int __bc_anon_charge_swapin(struct folio *folio, struct mm_struct *mm);
void __bc_anon_charge_unuse(struct folio *folio, struct mm_struct *mm);
void __bc_anon_settle(bool user);
struct bc_css *bc_oom_group(void);
bool bc_oom_is_in(struct task_struct *p, struct bc_css *css);

/* Is there anybody to be charged? */
static __always_inline bool bc_anon_charged(const struct mm_struct *mm)
{
	return static_branch_unlikely(&bc_enabled_key.key) &&
	       READ_ONCE(mm->bc.charge[BC_MM_ANON].css);
}

/**
 * bc_anon_charge - charge a new anonymous folio to the group of an address space
 * @folio: the folio, which nobody else sees yet
 * @mm: where it is going to be mapped
 *
 * It is uncharged when it is freed.
 *
 * Context: Process context. Does not sleep.
 * Return: 0, or -ENOMEM. That can only happen to a large folio, for which smaller ones
 * may do, and in a page fault in user mode, which then ends with VM_FAULT_OOM, and is
 * tried again after bc_anon_settle() has made room.
 */
static __always_inline int bc_anon_charge(struct folio *folio, struct mm_struct *mm)
{
	return bc_anon_charged(mm) ? __bc_anon_charge(folio, mm) : 0;
}

/**
 * bc_anon_charge_swapin - charge a folio that was read from swap, if nobody has paid yet
 * @folio: the folio, locked
 * @mm: where it is going to be mapped
 *
 * Context: Process context, in a page fault. Does not sleep.
 * Return: as bc_anon_charge(); a large folio is not refused.
 */
static __always_inline int bc_anon_charge_swapin(struct folio *folio, struct mm_struct *mm)
{
	return bc_anon_charged(mm) ? __bc_anon_charge_swapin(folio, mm) : 0;
}

/**
 * bc_anon_charge_unuse - the same for swapoff(2), which goes above the limit
 * @folio: the folio, locked
 * @mm: where it is going to be mapped
 *
 * Context: Any but interrupts.
 */
static __always_inline void bc_anon_charge_unuse(struct folio *folio, struct mm_struct *mm)
{
	if (bc_anon_charged(mm))
		__bc_anon_charge_unuse(folio, mm);
}

/**
 * bc_fault_enter - a page fault begins
 * @user: in user mode, where it can be tried again
 *
 * Of kernel memory, nothing is refused: there is nobody who could be told. Of anonymous
 * memory, what is refused to user mode is.
 *
 * Context: Process context.
 */
static __always_inline void bc_fault_enter(bool user)
{
	if (static_branch_unlikely(&bc_enabled_key.key)) {
		current->bc_kmem_forced = 1;
		current->bc_user_fault = user;
	}
}

/**
 * bc_fault_exit - a page fault ends
 *
 * Context: Process context.
 */
static __always_inline void bc_fault_exit(void)
{
	if (static_branch_unlikely(&bc_enabled_key.key)) {
		current->bc_kmem_forced = 0;
		current->bc_user_fault = 0;
	}
}

/**
 * bc_anon_refused - did a page fault of the current task fail for want of room in its group?
 *
 * Context: Process context.
 * Return: true if bc_anon_settle() is going to see to it.
 */
static __always_inline bool bc_anon_refused(void)
{
	return static_branch_unlikely(&bc_enabled_key.key) && current->bc_anon_refused;
}

/**
 * bc_anon_settle - on the way back to user mode, make room for anonymous memory
 *
 * Context: Process context, without any lock. May sleep.
 */
static __always_inline void bc_anon_settle(void)
{
	if (static_branch_unlikely(&bc_enabled_key.key) && unlikely(current->bc_anon_over))
		__bc_anon_settle(true);
}

/**
 * bc_anon_over - is there too much of anonymous memory, which the current task has touched?
 * @mm: an address space
 *
 * Context: Process context.
 * Return: true if it is the task's own, and its group is above its limit or barrier.
 */
static __always_inline bool bc_anon_over(const struct mm_struct *mm)
{
	return static_branch_unlikely(&bc_enabled_key.key) &&
	       unlikely(current->bc_anon_over) && current->mm == mm;
}

/**
 * bc_anon_make_room - bc_anon_settle() for who goes on in the kernel, signals or not
 *
 * Context: Process context, without any lock. May sleep.
 */
static inline void bc_anon_make_room(void)
{
	__bc_anon_settle(false);
}

#else /* !CONFIG_BC_PAGES */

static inline int bc_anon_charge(struct folio *folio, struct mm_struct *mm)
{
	return 0;
}

static inline int bc_anon_charge_swapin(struct folio *folio, struct mm_struct *mm)
{
	return 0;
}

static inline void bc_anon_charge_unuse(struct folio *folio, struct mm_struct *mm) { }

static inline void bc_fault_enter(bool user) { }

static inline void bc_fault_exit(void) { }

static inline bool bc_anon_refused(void)
{
	return false;
}

static inline void bc_anon_settle(void) { }

static inline bool bc_anon_over(const struct mm_struct *mm)
{
	return false;
}

static inline void bc_anon_make_room(void) { }

static inline struct bc_css *bc_oom_group(void)
{
	return NULL;
}

static inline bool bc_oom_is_in(struct task_struct *p, struct bc_css *css)
{
	return true;
}

#endif /* CONFIG_BC_PAGES */
#endif /* _LINUX_BC_ANON_H */
