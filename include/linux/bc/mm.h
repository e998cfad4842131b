/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: what an address space is charged for, and to whom: what mm/, fork and
 * exec call. kernel/bc/mm.c has the rules.
 *
 * Until the first group is made, each of these is a patched-out branch. With groups
 * about, an address space that is in none pays for a test or two.
 */
#ifndef _LINUX_BC_MM_H
#define _LINUX_BC_MM_H

#include <linux/bc/types.h>

#if defined(CONFIG_BEANCOUNTERS) && defined(CONFIG_MMU)

#include <linux/jump_label_ratelimit.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

/* On while there is any group besides the root, the nameless ones included. */
extern struct static_key_false_deferred bc_enabled_key;

int __bc_mm_grow(struct mm_struct *mm, vm_flags_t flags, unsigned long pages,
		 unsigned long private_freed, unsigned long locked_freed,
		 enum bc_severity severity);
int __bc_mm_lock(struct mm_struct *mm, unsigned long start, unsigned long len);
int __bc_mm_lock_pages(struct mm_struct *mm, unsigned long pages);
void __bc_mm_settle(struct mm_struct *mm);
int __bc_mm_own(struct mm_struct *mm, struct task_struct *task);
void __bc_mm_exec(struct mm_struct *mm);
void __bc_mm_exit(struct mm_struct *mm);

/**
 * bc_mm_init - an address space belongs to nobody yet
 * @mm: the address space, which may be a copy of another one, byte by byte
 * @task: a task of the process that makes it, or is made with it
 *
 * Context: Any.
 */
static inline void bc_mm_init(struct mm_struct *mm, const struct task_struct *task)
{
	mm->bc = (struct bc_mm){ .maker = task->signal };
	spin_lock_init(&mm->bc.lock);
	INIT_LIST_HEAD(&mm->bc.reclaim);
}

/**
 * bc_mm_own - charge a new address space to the group of a task
 * @mm: the address space, which nobody else uses yet
 * @task: the task that has made it, or is made with it
 *
 * Context: Process context. Does not sleep.
 * Return: 0, or -ENOMEM, if there is no room for what it has mapped.
 */
static inline int bc_mm_own(struct mm_struct *mm, struct task_struct *task)
{
	if (static_branch_unlikely(&bc_enabled_key.key) &&
	    rcu_access_pointer(task->css_group))
		return __bc_mm_own(mm, task);
	return 0;
}

/**
 * bc_mm_leave - a process has done with an address space
 * @mm: the address space, which others may go on using
 *
 * From now on, it does not go along with anybody.
 *
 * Context: Any; no other thread of the current process uses it any more.
 */
static inline void bc_mm_leave(struct mm_struct *mm)
{
	if (READ_ONCE(mm->bc.maker) == current->signal)
		WRITE_ONCE(mm->bc.maker, NULL);
}

/**
 * bc_mm_exec - let the address space of a new program be where its process is
 * @mm: the address space, which has just become that of the current task
 * @old: the one it had before, or NULL
 *
 * The process may have been moved since bc_mm_own(). Whether it has is only known under
 * siglock.
 *
 * Context: Process context. Takes siglock.
 */
static inline void bc_mm_exec(struct mm_struct *mm, struct mm_struct *old)
{
	if (old)
		bc_mm_leave(old);
	if (static_branch_unlikely(&bc_enabled_key.key))
		__bc_mm_exec(mm);
}

/**
 * bc_mm_exit - uncharge an address space that has gone
 * @mm: the address space, which has no users any more
 *
 * Context: Process context.
 */
static inline void bc_mm_exit(struct mm_struct *mm)
{
	if (static_branch_unlikely(&bc_enabled_key.key))
		__bc_mm_exit(mm);
}

/**
 * bc_mm_grow - charge for what is about to be mapped
 * @mm: the address space
 * @flags: of the mapping; with VM_LOCKED if it adds to mm->locked_vm
 * @pages: how much longer it is going to be, or by how much more of it is going to count
 * @severity: when to fail
 *
 * What is charged and does not come about is given back when mmap_lock is.
 *
 * Context: mmap_lock is held for writing. Does not sleep.
 * Return: 0; -ENOMEM, no room for private pages; -EAGAIN, none for locked ones.
 */
static inline int bc_mm_grow(struct mm_struct *mm, vm_flags_t flags,
			     unsigned long pages, enum bc_severity severity)
{
	if (static_branch_unlikely(&bc_enabled_key.key) && READ_ONCE(mm->bc.owned))
		return __bc_mm_grow(mm, flags, pages, 0, 0, severity);
	return 0;
}

/**
 * bc_mm_replace - charge for a mapping that takes the place of others
 * @mm: the address space
 * @flags: of the mapping
 * @pages: its length
 * @private_freed: how many private writable pages and pages of stacks go
 * @locked_freed: how many locked pages go
 *
 * Apart from that, it is bc_mm_grow().
 *
 * Context: mmap_lock is held for writing. Does not sleep.
 * Return: as bc_mm_grow().
 */
static inline int bc_mm_replace(struct mm_struct *mm, vm_flags_t flags,
				unsigned long pages, unsigned long private_freed,
				unsigned long locked_freed)
{
	if (static_branch_unlikely(&bc_enabled_key.key) && READ_ONCE(mm->bc.owned))
		return __bc_mm_grow(mm, flags, pages, private_freed, locked_freed,
				    BC_BARRIER);
	return 0;
}

/**
 * bc_mm_lock - charge for what is about to be locked in a range
 * @mm: the address space of the current task
 * @start: of the range
 * @len: of the range
 *
 * Context: mmap_lock is held for writing.
 * Return: 0 or -ENOMEM.
 */
static inline int bc_mm_lock(struct mm_struct *mm, unsigned long start,
			     unsigned long len)
{
	if (static_branch_unlikely(&bc_enabled_key.key) && READ_ONCE(mm->bc.owned))
		return __bc_mm_lock(mm, start, len);
	return 0;
}

/**
 * bc_mm_lock_pages - charge for pages that are about to be locked for a device
 * @mm: the address space
 * @pages: by how much mm->locked_vm is going to grow
 *
 * Context: mmap_lock is held for writing.
 * Return: 0 or -ENOMEM.
 */
static inline int bc_mm_lock_pages(struct mm_struct *mm, unsigned long pages)
{
	if (static_branch_unlikely(&bc_enabled_key.key) && READ_ONCE(mm->bc.owned))
		return __bc_mm_lock_pages(mm, pages);
	return 0;
}

/**
 * bc_mm_settle - make what is charged what is there
 * @mm: the address space
 *
 * Called when mmap_lock is about to be released, or has been downgraded and the last of
 * what goes has gone.
 *
 * Context: mmap_lock is held for writing, or the holder has only downgraded it.
 */
static inline void bc_mm_settle(struct mm_struct *mm)
{
	if (static_branch_unlikely(&bc_enabled_key.key)) {
		/* What was mapped, then @owned. Pairs with claim() in mm.c. */
		smp_mb();
		if (READ_ONCE(mm->bc.owned))
			__bc_mm_settle(mm);
	}
}

#else /* !CONFIG_BEANCOUNTERS || !CONFIG_MMU */

struct mm_struct;
struct task_struct;

static inline void bc_mm_init(struct mm_struct *mm, const struct task_struct *task) { }

static inline int bc_mm_own(struct mm_struct *mm, struct task_struct *task)
{
	return 0;
}

static inline void bc_mm_leave(struct mm_struct *mm) { }

static inline void bc_mm_exec(struct mm_struct *mm, struct mm_struct *old) { }

static inline void bc_mm_exit(struct mm_struct *mm) { }

static inline int bc_mm_grow(struct mm_struct *mm, unsigned long flags,
			     unsigned long pages, enum bc_severity severity)
{
	return 0;
}

static inline int bc_mm_replace(struct mm_struct *mm, unsigned long flags,
				unsigned long pages, unsigned long private_freed,
				unsigned long locked_freed)
{
	return 0;
}

static inline int bc_mm_lock(struct mm_struct *mm, unsigned long start,
			     unsigned long len)
{
	return 0;
}

static inline int bc_mm_lock_pages(struct mm_struct *mm, unsigned long pages)
{
	return 0;
}

static inline void bc_mm_settle(struct mm_struct *mm) { }

#endif
#endif /* _LINUX_BC_MM_H */
