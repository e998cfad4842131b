// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: the proportional share that address spaces have of all pages mapped in
 * them, private and shared, anonymous and of files: each page counts one over the number
 * of its mappings. So the shares of all address spaces are the memory that is mapped.
 *
 * It is Pss of /proc/<pid>/smaps_rollup, page by page, and fs/proc/task_mmu.c says what
 * that is; only the sum is over many address spaces, and so is its rounding.
 *
 * Address spaces are found through the processes, in the order of their ids: those that are
 * in no group are in no list. One that several processes share counts with the process that
 * has made it (mm.c). If that has gone, it counts with the first one that is met, which has
 * to be remembered; that is rare, so little is. Nothing is kept between two readers, and
 * no lock but that of the address space that is looked at is held.
 */
#include <linux/bc/core.h>
#include <linux/bc/mm.h>
#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/oom.h>
#include <linux/pagewalk.h>
#include <linux/pgtable.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/spinlock.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/xarray.h>

/* For folio_precise_page_mapcount(), which is for Pss. */
#include "../../fs/proc/internal.h"

#include "pss.h"
#include "sabotage.h"

/* Fractional bits of a byte, as fs/proc/task_mmu.c has them. */
#define PSS_SHIFT 12

/**
 * struct pss - a sum of shares on its way
 * @wanted: does an address space belong to it?
 * @arg: for @wanted
 * @nr: the lowest id of a process that has not been met
 * @orphans: address spaces that were met without the process that has made them, by
 *	address; these are names, not references
 * @next: how far it has come in this address space
 * @sum: in bytes, with %PSS_SHIFT fractional bits
 */
struct pss {
	bool		(*wanted)(const struct mm_struct *mm, void *arg);
	void		*arg;
	pid_t		nr;
	struct xarray	orphans;
	unsigned long	next;
	u64		sum;
};

/*
 * Pages
 */

/* See smaps_account(). What is not @present has no mappings that can be counted. */
static void add_shares(struct pss *s, struct page *page, unsigned long nr, bool present)
{
	struct folio *folio = page_folio(page);

	if (!present || folio_ref_count(folio) == 1) {
		s->sum += (u64)nr << (PAGE_SHIFT + PSS_SHIFT);
		return;
	}
	for (; nr; nr--, page++) {
		unsigned long share = PAGE_SIZE << PSS_SHIFT;
		int mappings = folio_precise_page_mapcount(folio, page);

		if (mappings >= 2 && !bc_sabotaged(BC_SABOTAGE_WHOLE))
			share /= mappings;
		s->sum += share;
	}
}

/* See smaps_pte_entry(). */
static void add_pte(struct pss *s, struct vm_area_struct *vma, unsigned long addr, pte_t pte)
{
	bool present = pte_present(pte);
	struct page *page = NULL;
	swp_entry_t entry;

	if (present) {
		page = vm_normal_page(vma, addr, pte);
	} else if (is_swap_pte(pte)) {
		/* In swap; or under way to another place, or a device has it. */
		entry = pte_to_swp_entry(pte);
		if (is_pfn_swap_entry(entry)) {
			page = pfn_swap_entry_to_page(entry);
			present = is_device_private_entry(entry);
		}
	}
	if (page)
		add_shares(s, page, 1, present);
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
/* See smaps_pmd_entry(). Return: false if it is not one. */
static bool add_huge(struct pss *s, struct vm_area_struct *vma, unsigned long addr, pmd_t *pmd)
{
	spinlock_t *ptl = pmd_trans_huge_lock(pmd, vma);
	struct page *page = NULL;
	bool present;

	if (!ptl)
		return false;
	__acquire(ptl);
	present = pmd_present(*pmd);
	if (present)
		page = vm_normal_page_pmd(vma, addr, *pmd);
	else if (thp_migration_supported() && is_pfn_swap_entry(pmd_to_swp_entry(*pmd)))
		page = pfn_swap_entry_to_page(pmd_to_swp_entry(*pmd));
	if (page)
		add_shares(s, page, compound_nr(page), present);
	spin_unlock(ptl);
	return true;
}
#else
static bool add_huge(struct pss *s, struct vm_area_struct *vma, unsigned long addr, pmd_t *pmd)
{
	return false;
}
#endif

/* Return: false if that has just changed, and is to be looked at again. */
static bool add_table(struct pss *s, struct vm_area_struct *vma, unsigned long addr,
		      unsigned long end, pmd_t *pmd)
{
	pte_t *start, *pte;
	spinlock_t *ptl = NULL;

	start = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!start)
		return false;
	for (pte = start; addr < end; pte++, addr += PAGE_SIZE)
		add_pte(s, vma, addr, ptep_get(pte));
	pte_unmap_unlock(start, ptl);
	return true;
}

/* Return: 1: somebody waits for the lock; -EINTR; or 0. */
static int walk_pmd(pmd_t *pmd, unsigned long addr, unsigned long end, struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;
	struct pss *s = walk->private;

	if (!add_huge(s, vma, addr, pmd) && !add_table(s, vma, addr, end, pmd)) {
		walk->action = ACTION_AGAIN;
		return 0;
	}
	s->next = end;
	cond_resched();
	if (signal_pending(current))
		return -EINTR;
	return mmap_lock_is_contended(walk->mm);
}

static int walk_test(unsigned long start, unsigned long end, struct mm_walk *walk)
{
	const struct vm_area_struct *vma = walk->vma;

	/*
	 * In VM_PFNMAP, too, there are pages if it is private and was written to. 1: leave out
	 * others, whose huge entries would be split, which a device's user notices. Who writes
	 * for the first time has mmap_lock for reading, too.
	 */
	return (vma->vm_flags & VM_PFNMAP) && !data_race(READ_ONCE(vma->anon_vma));
}

/* As in smaps, what is not mapped counts nothing, and hugetlbfs is left out. */
static const struct mm_walk_ops walk_ops = {
	.pmd_entry	= walk_pmd,
	.test_walk	= walk_test,
	.walk_lock	= PGWALK_RDLOCK,
};

/*
 * Address spaces
 */

static int add_mm(struct pss *s, struct mm_struct *mm)
{
	/* Exec sets it once more, when the address space can be seen, to the same or lower. */
	unsigned long end = data_race(READ_ONCE(mm->task_size));
	int ret = 0;

	s->next = 0;
	/* Who wants to map something need not wait until it is through. */
	while (ret >= 0 && s->next < end) {
		if (mmap_read_lock_killable(mm))
			return -EINTR;
		ret = walk_page_range(mm, s->next, end, &walk_ops, s);
		mmap_read_unlock(mm);
		if (!ret)
			break;
	}
	return min(ret, 0);
}

static int add_mm_once(struct pss *s, struct mm_struct *mm)
{
	int err = 0;

	if (!READ_ONCE(mm->bc.maker))
		err = xa_insert(&s->orphans, (unsigned long)mm, mm, GFP_KERNEL);
	/* It was met before. */
	if (err == -EBUSY)
		return 0;
	return err ?: add_mm(s, mm);
}

/* The address space that counts with a process, by reference, or NULL. With RCU. */
static struct mm_struct *process_mm(const struct pss *s, struct task_struct *process)
{
	struct task_struct *t = find_lock_task_mm(process);
	struct mm_struct *mm = NULL;
	const void *maker;

	if (!t)
		return NULL;
	__acquire(&t->alloc_lock);
	maker = READ_ONCE(t->mm->bc.maker);
	if (!(bc_task_flags(t) & PF_KTHREAD) && (!maker || maker == process->signal) &&
	    s->wanted(t->mm, s->arg) && mmget_not_zero(t->mm))
		mm = t->mm;
	task_unlock(t);
	return mm;
}

/* The next one, by reference, or NULL. */
static struct mm_struct *next_mm(struct pss *s)
{
	struct task_struct *process;
	struct mm_struct *mm;
	struct pid *pid;

	guard(rcu)();
	while ((pid = find_ge_pid(s->nr, &init_pid_ns))) {
		s->nr = pid_nr(pid) + 1;
		process = pid_task(pid, PIDTYPE_TGID);
		mm = process ? process_mm(s, process) : NULL;
		if (mm)
			return mm;
		if (s->nr % 64 == 0)
			cond_resched_rcu();
	}
	return NULL;
}

/**
 * bc_pss - the share that some address spaces have of all memory that is mapped
 * @wanted: is it one of them? Called in an RCU read-side section, with task_lock() of
 *	somebody who uses it
 * @arg: what @wanted is given
 * @pages: becomes the share, in pages, rounded down
 *
 * Each address space of a process that is there all the time counts once, however many
 * processes share it, unless the one that has made it ends meanwhile. Those of processes
 * that come or go meanwhile may count or not. Takes time in proportion to what they have
 * mapped, and to the number of tasks.
 *
 * Context: Process context, without locks. May sleep. Takes mmap_lock of each of them.
 * Return: 0; -EINTR, there is a signal; -ENOMEM.
 */
int bc_pss(bool (*wanted)(const struct mm_struct *mm, void *arg), void *arg,
	   unsigned long *pages)
{
	struct pss s = {
		.wanted	= wanted,
		.arg	= arg,
		.nr	= 1,
	};
	struct mm_struct *mm;
	int err = 0;

	might_sleep();
	xa_init(&s.orphans);
	while (!err && (mm = next_mm(&s))) {
		err = add_mm_once(&s, mm);
		/* If we are its last user, it is not for us to tear it down. */
		mmput_async(mm);
		cond_resched();
	}
	xa_destroy(&s.orphans);
	*pages = s.sum >> (PAGE_SHIFT + PSS_SHIFT);
	return err;
}
