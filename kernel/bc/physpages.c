// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: physpages, the anonymous memory that a group has in RAM.
 *
 * What an administrator should know:
 *
 * - What counts are pages of anonymous memory: heaps, stacks, private mappings that were
 *   written to, from the first touch until they are freed; not page cache, nor shared
 *   memory (shmpages), nor hugetlbfs. A huge page counts whole.
 * - A page is charged to the group of the address space that touches it first, and stays so
 *   until it is freed, wherever that has gone meanwhile. What fork shares is charged
 *   once; who writes to it pays for the copy.
 * - At the limit, pages of the group are written to swap, as far as swappages has room:
 *   those that have not been used for the longest time, more or less, and none of other
 *   groups. If nothing can be had back, the OOM killer looks for a process in the group, or
 *   below. No system call fails. Where huge pages do not fit, small ones are taken.
 * - What a system call touches is not refused, and may go above the limit. The task then
 *   makes room on its way back to user mode, so that is one system call for each task.
 * - Above the barrier, tasks do the same, but nobody is killed for it.
 * - failcnt says how often there was no room at first, not what came of it; oom_kills does.
 * - If nobody may be killed, the limit does not hold. The log says so.
 * - pss is something else: what the group has mapped, shared pages in parts. It is only
 *   told, computed when it is read (pss.c), and limits nothing.
 *
 * How: an address space knows whom to charge (mm.c), and a page who has paid (pages.c).
 * A page fault cannot make room, with the locks that it holds. In user mode, it fails, and
 * is tried again: pagefault_out_of_memory() leaves it to us. On the way to user mode, with
 * no locks held, bc_anon_settle() reclaims, and kills if it has to.
 *
 * Reclaim goes around the address spaces of the group and of those below, a few hundred
 * pages each, like the hand of a clock. A page that was used since the last time has its
 * mark taken away, the others are written out. So what it costs depends on what it finds,
 * not on how large the group is. What is in no such address space any more, as its
 * processes have been moved, or is in the swap cache, is found in the table of owners, by
 * a walk over all of memory, before anybody is killed.
 *
 * Locking: tree_lock protects the lists, of all groups below one that is right below a root.
 * It nests in mm->bc.lock, and is taken with interrupts off. Whom an address space is
 * charged to is read under RCU; a group that is removed has no tasks, but what is left of
 * an address space may still fault: then it is the first group above that pays that has not
 * been removed.
 */
#include <linux/bc/anon.h>
#include <linux/bc/core.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/oom.h>
#include <linux/pagemap.h>
#include <linux/pagewalk.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/resume_user_mode.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/swap.h>
#include <linux/sysfs.h>
#include <linux/vmstat.h>
#include <trace/events/bc.h>

#include "../../mm/internal.h"

#include "credit.h"
#include "event.h"
#include "mm.h"
#include "pages.h"
#include "physpages.h"
#include "pss.h"
#include "sabotage.h"
#include "swappages.h"

/* So many pages are looked at in an address space before it is another one's turn. */
#define SCAN_BATCH	256

/* At least so many are to be freed at once: they go to swap together. */
#define MIN_TARGET	32UL

/* And at most, above the barrier, which is not urgent. */
#define MAX_TARGET	256UL

/* How often to try before somebody is killed, if nothing is freed. */
#define TRIES		4

/* How often, a jiffy each, while others write out pages, perhaps of this group. */
#define MAX_TRIES	(5 * HZ)

/* How long not to try again what was in vain. */
#define IDLE		(HZ / 10)

/**
 * struct phys_css - the state of physpages for a group
 * @res: the counter
 * @tree_lock: in the group right below the root
 * @tree: that one
 * @parent: one level up; NULL right below the root
 * @mms: address spaces that are charged to it, the next one to reclaim from first
 * @children: those one level down that have any, or below them, likewise
 * @node: in the parent's @children
 * @nr_mms: how many address spaces, those of groups below included
 * @turn: it is the turn of the children
 * @in_flight: tasks that write out pages of the tree, which makes room in a moment
 * @idle: since when nothing could be reclaimed above the barrier, for %IDLE
 * @stuck: since when there is nobody to be killed, likewise
 * @oom_group: all tasks are killed together
 * @oom_kills: processes that were killed, here and below
 */
struct phys_css {
	struct bc_resource	res;
	spinlock_t		tree_lock;	/* nests in mm->bc.lock */
	struct phys_css		*tree;
	struct phys_css		*parent;
	struct list_head	mms;
	struct list_head	children;
	struct list_head	node;
	unsigned long		nr_mms;
	bool			turn;
	atomic_t		in_flight;
	unsigned long		idle;
	unsigned long		stuck;
	bool			oom_group;
	atomic_long_t		oom_kills;
};

static struct phys_css *to_phys_css(struct bc_css *css)
{
	return container_of(css, struct phys_css, res.css);
}

static struct phys_css *counter_phys(struct bc_counter *counter)
{
	return container_of(counter, struct phys_css, res.counter);
}

static bool is_below(const struct bc_counter *counter, const struct bc_counter *top)
{
	while (counter && counter != top)
		counter = counter->parent;
	return counter;
}

/*
 * The lists
 */

/**
 * bc_physpages_add_mm - an address space is charged from now on
 * @css: to whom
 * @mm: the address space
 *
 * Context: mm->bc.lock is held, with interrupts off.
 */
void bc_physpages_add_mm(struct bc_css *css, struct mm_struct *mm)
{
	struct phys_css *p = to_phys_css(css), *up;

	scoped_guard(spinlock, &p->tree->tree_lock) {
		/* It is the last one's turn. */
		list_add_tail(&mm->bc.reclaim, &p->mms);
		for (; p; p = up) {
			up = p->parent;
			if (!p->nr_mms++ && up)
				list_add_tail(&p->node, &up->children);
		}
	}
}

/**
 * bc_physpages_remove_mm - it is not any more
 * @css: to whom
 * @mm: the address space
 *
 * Context: mm->bc.lock is held, with interrupts off.
 */
void bc_physpages_remove_mm(struct bc_css *css, struct mm_struct *mm)
{
	struct phys_css *p = to_phys_css(css);

	scoped_guard(spinlock, &p->tree->tree_lock) {
		list_del_init(&mm->bc.reclaim);
		for (; p; p = p->parent) {
			if (!--p->nr_mms && p->parent)
				list_del_init(&p->node);
		}
	}
}

/* Whose turn it is, of the address spaces of a group and below. By reference, or NULL. */
static struct mm_struct *next_mm(struct phys_css *top)
{
	struct phys_css *p = top;
	struct mm_struct *mm = NULL;

	scoped_guard(spinlock_irq, &top->tree->tree_lock) {
		while (!list_empty(&p->children) && (list_empty(&p->mms) || p->turn)) {
			p->turn = false;
			p = list_first_entry(&p->children, struct phys_css, node);
			list_move_tail(&p->node, &p->parent->children);
		}
		p->turn = true;
		mm = list_first_entry_or_null(&p->mms, struct mm_struct, bc.reclaim);
		if (!mm)
			break;
		list_move_tail(&mm->bc.reclaim, &p->mms);
		/* It is on its way out of the list if it has no users. */
		if (!mmget_not_zero(mm))
			mm = NULL;
	}
	return mm;
}

static unsigned long count_mms(struct phys_css *top)
{
	unsigned long nr = 0;

	scoped_guard(spinlock_irq, &top->tree->tree_lock)
		nr = top->nr_mms;
	return nr;
}

/*
 * Charging
 */

/* Let the current task see to it on its way to user mode, if it has one. */
static void settle_later(void)
{
	if (!in_task() || (current->flags & PF_KTHREAD) || !current->mm)
		return;
	current->bc_anon_over = 1;
	set_notify_resume(current);
}

/* Is it a fault that can be tried again? */
static bool may_refuse(const struct mm_struct *mm)
{
	return current->bc_user_fault && current->mm == mm && !current->bc_anon_forced &&
	       !(current->flags & (PF_MEMALLOC | PF_EXITING)) &&
	       !tsk_is_oom_victim(current) && !fatal_signal_pending(current);
}

/* Device memory is not for the machine's tasks, and may have no place in the table. */
static unsigned long *folio_owner(const struct folio *folio)
{
	return folio_is_zone_device(folio) ? NULL : bc_page_owner(&folio->page);
}

/* There is no credit above a barrier, so this is looked at with each page there. */
static bool above_barrier(const struct bc_counter *c)
{
	for (; c; c = c->parent) {
		if (atomic_long_read(&c->held) > bc_counter_barrier(c))
			return true;
	}
	return false;
}

/* Return: the counter; NULL, nobody is to be charged; or an ERR_PTR(). */
static noinline struct bc_counter *charge_slowly(struct bc_css *css,
						 const struct mm_struct *mm,
						 unsigned long n, bool force)
{
	bool refuse = !force && may_refuse(mm);
	struct bc_counter *counter;

	css = bc_css_living(css);
	if (!css)
		return NULL;
	counter = &to_bc_resource(css)->counter;
	if (n > 1 && !force) {
		/* Smaller ones will do. */
		if (bc_counter_charge(counter, n, BC_LIMIT))
			return ERR_PTR(-ENOMEM);
	} else if (!refuse && current->bc_anon_over) {
		/* More of what is going to be settled. */
		bc_resource_try_charge(css, n, BC_FORCE);
	} else if (!bc_resource_try_charge(css, n, BC_LIMIT)) {
		if (refuse) {
			current->bc_anon_refused = 1;
			settle_later();
			return ERR_PTR(-ENOMEM);
		}
		bc_resource_try_charge(css, n, BC_FORCE);
		current->bc_anon_forced = 0;
	}
	if (above_barrier(counter))
		settle_later();
	return counter;
}

static int charge(struct folio *folio, struct mm_struct *mm, bool force)
{
	unsigned long *owner = folio_owner(folio);
	unsigned long n = folio_nr_pages(folio);
	struct bc_counter *counter;
	struct bc_css *css;

	if (unlikely(!owner))
		return 0;
	guard(rcu)();
	css = READ_ONCE(mm->bc.charge[BC_MM_ANON].css);
	if (unlikely(!css))
		return 0;
	counter = &to_bc_resource(css)->counter;
	if (!credit_take(counter, n)) {
		counter = charge_slowly(css, mm, n, force);
		if (IS_ERR_OR_NULL(counter))
			return PTR_ERR_OR_ZERO(counter);
	}
	WRITE_ONCE(*owner, (unsigned long)counter | BC_OWNER_ANON | folio_order(folio));
	return 0;
}

int __bc_anon_charge(struct folio *folio, struct mm_struct *mm)
{
	return charge(folio, mm, false);
}

/* The folio is locked, and so is who else wants to pay. */
static bool is_paid(struct folio *folio)
{
	unsigned long *owner = folio_owner(folio);

	VM_WARN_ON_ONCE_FOLIO(!folio_test_locked(folio), folio);
	return owner && *owner;
}

int __bc_anon_charge_swapin(struct folio *folio, struct mm_struct *mm)
{
	/* There are no smaller ones to take. */
	return is_paid(folio) ? 0 : charge(folio, mm, folio_test_large(folio));
}

void __bc_anon_charge_unuse(struct folio *folio, struct mm_struct *mm)
{
	if (!is_paid(folio))
		charge(folio, mm, true);
}

/*
 * Reclaim
 */

/**
 * struct phys_scan - a look for pages that can be written out
 * @top: the counter that is to have room
 * @folios: those that were found, isolated
 * @found: where they are, and how large
 * @nr: how many folios
 * @pages: how many pages
 * @want: that is enough of them
 * @left: how many entries to look at in this address space
 * @looked: how many pages were looked at, whosesoever
 * @freed: pages
 * @next: where the walk has ended
 * @full: what this one has paid for stays, as there is no room in swap for more than what
 *	was found; only to be compared
 * @told: that was counted as a refusal
 */
struct phys_scan {
	struct phys_css		*top;
	struct list_head	folios;
	struct {
		unsigned long	pfn;
		unsigned long	nr;
	}			found[MIN_TARGET];
	unsigned int		nr;
	unsigned long		pages;
	unsigned long		want;
	unsigned int		left;
	unsigned long		looked;
	unsigned long		freed;
	unsigned long		next;
	const struct bc_counter	*full;
	bool			told;
};

static bool enough(const struct phys_scan *s)
{
	return s->pages >= s->want || s->nr >= ARRAY_SIZE(s->found);
}

/* Who looks at it keeps the charge by RCU: a counter is freed a grace period after its last. */
static bool is_ours(const struct phys_scan *s, const struct folio *folio)
{
	unsigned long *owner = folio_owner(folio), word;

	guard(rcu)();
	word = owner ? READ_ONCE(*owner) : 0;
	if (bc_sabotaged(BC_SABOTAGE_FOREIGN))
		return true;
	return (word & BC_OWNER_ANON) && is_below(bc_owner_counter(word), &s->top->res.counter);
}

/* Can it be freed at all? Without room in swap, only what is in there, or is not needed. */
static bool can_go(const struct folio *folio)
{
	return folio_test_anon(folio) && !folio_test_writeback(folio) &&
	       (get_nr_swap_pages() > 0 || folio_test_swapcache(folio) ||
		!folio_test_swapbacked(folio));
}

/* The caller keeps the folio. */
static void take(struct phys_scan *s, struct folio *folio)
{
	if (folio_maybe_dma_pinned(folio) || !folio_isolate_lru(folio))
		return;
	if (folio_test_unevictable(folio)) {
		folio_putback_lru(folio);
		return;
	}
	list_add(&folio->lru, &s->folios);
	s->found[s->nr].pfn = folio_pfn(folio);
	s->found[s->nr++].nr = folio_nr_pages(folio);
	s->pages += folio_nr_pages(folio);
}

/*
 * Does swappages let it go? Who has no room there is not asked again for each page, nor is
 * each one a refusal: whatever is looked at would be one. Parts of a large folio may go, and
 * those that may not are one each: only if there is nothing else.
 */
static bool has_place(struct phys_scan *s, const struct folio *folio)
{
	unsigned long *owner = folio_owner(folio), word;
	struct bc_counter *counter;

	if (folio_test_swapcache(folio) || !folio_test_swapbacked(folio))
		return true;
	guard(rcu)();
	word = owner ? READ_ONCE(*owner) : 0;
	if (!(word & BC_OWNER_ANON))
		return true;
	counter = bc_owner_counter(word);
	if (counter == s->full)
		return false;
	if (bc_swap_has_room(counter, s->pages + (s->freed ? folio_nr_pages(folio) : 1)))
		return true;
	s->full = counter;
	if (!s->pages && !s->told) {
		s->told = true;
		bc_swap_stays(counter);
	}
	return false;
}

static bool look(struct phys_scan *s, const struct folio *folio)
{
	s->looked++;
	return can_go(folio) && is_ours(s, folio) && has_place(s, folio);
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
/* Return: false if it is not one. */
static bool scan_huge(pmd_t *pmd, unsigned long addr, struct mm_walk *walk)
{
	spinlock_t *ptl = pmd_trans_huge_lock(pmd, walk->vma);
	struct phys_scan *s = walk->private;
	struct folio *folio;

	if (!ptl)
		return false;
	__acquire(ptl);
	if (pmd_present(*pmd) && !is_huge_zero_pmd(*pmd)) {
		folio = pmd_folio(*pmd);
		if (look(s, folio) &&
		    !pmdp_clear_young_notify(walk->vma, addr & HPAGE_PMD_MASK, pmd))
			take(s, folio);
	}
	s->left--;
	spin_unlock(ptl);
	return true;
}
#else
static bool scan_huge(pmd_t *pmd, unsigned long addr, struct mm_walk *walk)
{
	return false;
}
#endif

static int scan_pmd(pmd_t *pmd, unsigned long addr, unsigned long end,
		    struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;
	struct phys_scan *s = walk->private;
	pte_t *start, *pte, ptent;
	struct folio *folio;
	spinlock_t *ptl = NULL;
	int nr;

	cond_resched();
	if (scan_huge(pmd, addr, walk)) {
		s->next = end;
		return enough(s) || !s->left;
	}
	start = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!start)
		return 0;
	for (pte = start; addr < end && s->left && !enough(s); pte += nr, addr += nr * PAGE_SIZE) {
		bool young, other = false;

		nr = 1;
		s->left--;
		ptent = ptep_get(pte);
		if (!pte_present(ptent))
			continue;
		folio = vm_normal_folio(vma, addr, ptent);
		if (!folio || !look(s, folio))
			continue;
		if (folio_test_large(folio))
			nr = folio_pte_batch(folio, addr, pte, ptent, (end - addr) >> PAGE_SHIFT,
					     FPB_IGNORE_DIRTY | FPB_IGNORE_SOFT_DIRTY, NULL,
					     &other, NULL);
		/* Virtual machines have marks of their own, which are asked for as well. */
		young = ptep_clear_young_notify(vma, addr, pte);
		if (other)
			clear_young_dirty_ptes(vma, addr, pte, nr, CYDP_CLEAR_YOUNG);
		if (!young && !other)
			take(s, folio);
	}
	pte_unmap_unlock(start, ptl);
	s->next = addr;
	return enough(s) || !s->left;
}

static int scan_test(unsigned long start, unsigned long end, struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;

	/* 1: leave it out. */
	return !vma->anon_vma || (vma->vm_flags & (VM_LOCKED | VM_HUGETLB | VM_SPECIAL));
}

static const struct mm_walk_ops scan_ops = {
	.pmd_entry	= scan_pmd,
	.test_walk	= scan_test,
	.walk_lock	= PGWALK_RDLOCK,
};

/*
 * Nobody is waited for, who may wait for us.
 *
 * Return: true if it is through, or cannot be looked at.
 */
static bool scan_mm(struct phys_scan *s, struct mm_struct *mm)
{
	unsigned long start = READ_ONCE(mm->bc.cursor), end = mm->task_size;
	bool through;

	if (!mmap_read_trylock(mm))
		return true;
	s->left = SCAN_BATCH;
	if (start >= end)
		start = 0;
	through = !walk_page_range(mm, start, end, &scan_ops, s);
	/* Two at once begin at the same place, the next time. */
	WRITE_ONCE(mm->bc.cursor, through ? 0 : s->next);
	mmap_read_unlock(mm);
	return through;
}

/* What others have used, that have it from a fork, stays. */
static void put_used_back(struct phys_scan *s)
{
	struct folio *folio, *next;
	unsigned long flags;

	list_for_each_entry_safe(folio, next, &s->folios, lru) {
		if (!folio_likely_mapped_shared(folio) ||
		    !folio_referenced(folio, 0, NULL, &flags))
			continue;
		list_del(&folio->lru);
		folio_putback_lru(folio);
	}
}

/* A folio of ours by its page frame number, by reference, if it is in the swap cache only. */
static struct folio *get_unmapped(const struct phys_scan *s, unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	struct folio *folio;

	if (!page)
		return NULL;
	folio = page_folio(page);
	if (!folio_try_get(folio))
		return NULL;
	if (page_folio(page) == folio && folio_test_swapcache(folio) &&
	    !folio_mapped(folio) && is_ours(s, folio))
		return folio;
	folio_put(folio);
	return NULL;
}

/* What is being written is waited for, and so is its end in the swap cache. */
static void free_written(struct phys_scan *s, unsigned long pfn, unsigned long nr)
{
	struct folio *folio;
	unsigned long end;

	/* It may have been split. */
	for (end = pfn + nr; pfn < end; pfn++) {
		folio = get_unmapped(s, pfn);
		if (!folio)
			continue;
		if (!folio_wait_writeback_killable(folio) && folio_isolate_lru(folio))
			list_add(&folio->lru, &s->folios);
		folio_put(folio);
	}
}

/* Write out what was found. */
static void reclaim_found(struct phys_scan *s)
{
	atomic_t *in_flight = &s->top->tree->in_flight;
	unsigned int i;

	if (!s->nr)
		return;
	atomic_inc(in_flight);
	put_used_back(s);
	s->freed += reclaim_pages(&s->folios);
	for (i = 0; i < s->nr; i++)
		free_written(s, s->found[i].pfn, s->found[i].nr);
	s->freed += reclaim_pages(&s->folios);
	s->nr = 0;
	s->pages = 0;
	s->full = NULL;
	atomic_dec(in_flight);
}

/*
 * Around the address spaces, up to three times: once to take the marks away, once to find
 * what was not used since, and once as it did not begin at the beginning.
 */
static void reclaim_mms(struct phys_scan *s, unsigned long target)
{
	unsigned long laps = 3 * (count_mms(s->top) + 1);

	while (laps && s->freed < target && !fatal_signal_pending(current)) {
		struct mm_struct *mm = next_mm(s->top);

		s->want = target - s->freed;
		if (!mm || scan_mm(s, mm))
			laps--;
		/* If we are its last user, it is not for us to tear it down. */
		if (mm)
			mmput_async(mm);
		reclaim_found(s);
		cond_resched();
	}
}

/* All of memory. One after the other: who comes second may find that there is room. */
static void reclaim_owned(struct phys_scan *s, unsigned long target)
{
	static DEFINE_MUTEX(walk_mutex);
	unsigned long pfn, nr = bc_nr_page_owners;

	if (mutex_lock_killable(&walk_mutex))
		return;
	for (pfn = 0; pfn < nr && s->freed < target && !fatal_signal_pending(current); pfn++) {
		struct page *page = pfn_to_online_page(pfn);
		struct folio *folio;

		if (!(pfn % SCAN_BATCH))
			cond_resched();
		if (!page || !(READ_ONCE(bc_page_owners[pfn]) & BC_OWNER_ANON))
			continue;
		folio = page_folio(page);
		if (!folio_try_get(folio))
			continue;
		s->want = target - s->freed;
		if (page_folio(page) == folio && look(s, folio))
			take(s, folio);
		folio_put(folio);
		if (enough(s))
			reclaim_found(s);
	}
	reclaim_found(s);
	mutex_unlock(&walk_mutex);
}

/* Is there any sense in looking for pages that were not used for long? */
static bool may_write(struct phys_css *top)
{
	if (get_nr_swap_pages() <= 0)
		return false;
	if (bc_swap_has_room(&top->res.counter, 1))
		return true;
	bc_swap_stays(&top->res.counter);
	return false;
}

/*
 * Free pages of a group and those below.
 *
 * Context: no locks. May sleep.
 * Return: how many were freed.
 */
static unsigned long reclaim(struct phys_css *top, unsigned long target, bool hard)
{
	struct phys_scan s = {
		.top	= top,
		.folios	= LIST_HEAD_INIT(s.folios),
	};

	might_sleep();
	if (bc_sabotaged(BC_SABOTAGE_RECLAIM))
		return 0;
	/* What is about to be put into the lists of pages can be found afterwards. */
	if (hard)
		lru_add_drain_all();
	else
		lru_add_drain();
	if (hard || may_write(top))
		reclaim_mms(&s, target);
	if (hard && s.freed < target)
		reclaim_owned(&s, target);
	trace_bc_reclaim(top->res.css.group, target, s.freed, s.looked);
	return s.freed;
}

/*
 * OOM
 */

/**
 * struct phys_oom - a group that has no room, and who is killed for it
 * @top: the group
 * @victim: the process, by reference
 * @points: how bad it is
 * @pending: somebody has been killed already, and takes his time
 */
struct phys_oom {
	struct phys_css		*top;
	struct task_struct	*victim;
	long			points;
	bool			pending;
};

/* Whom a process is charged to, in an RCU read-side section; NULL: nobody, or nothing any more. */
static struct bc_css *process_css(struct task_struct *p)
{
	struct bc_css *css = NULL;
	struct task_struct *t;

	/* A victim may have given up its address space, but not all of its memory. */
	if (tsk_is_oom_victim(p))
		return READ_ONCE(p->signal->oom_mm->bc.charge[BC_MM_ANON].css);
	t = find_lock_task_mm(p);
	if (t) {
		__acquire(&t->alloc_lock);
		css = READ_ONCE(t->mm->bc.charge[BC_MM_ANON].css);
		task_unlock(t);
	}
	return css;
}

static bool process_is_below(struct task_struct *p, struct phys_css *top)
{
	struct bc_css *css = process_css(p);

	if (bc_sabotaged(BC_SABOTAGE_BYSTANDER))
		return true;
	return css && is_below(&to_bc_resource(css)->counter, &top->res.counter);
}

/* Return: false if nobody else is to be looked at. */
static bool consider(struct phys_oom *oom, struct task_struct *p)
{
	long points;

	if (is_global_init(p) || (p->flags & PF_KTHREAD) || !process_is_below(p, oom->top))
		return true;
	if (tsk_is_oom_victim(p)) {
		/*
		 * exit_mmap() gives up its claim before it has freed all, but is about to.
		 * Without the claim, and with users, nothing more is to be had from it.
		 */
		oom->pending = !test_bit(MMF_OOM_SKIP, &p->signal->oom_mm->flags) ||
			       !atomic_read(&p->signal->oom_mm->mm_users);
		return !oom->pending;
	}
	/* Below 1000, oom_score_adj would mean nothing. */
	points = oom_badness(p, max(bc_counter_limit(&oom->top->res.counter), 1000UL));
	if (points == LONG_MIN || (oom->victim && points < oom->points))
		return true;
	if (oom->victim)
		put_task_struct(oom->victim);
	get_task_struct(p);
	oom->victim = p;
	oom->points = points;
	return true;
}

static void choose(struct phys_oom *oom)
{
	struct task_struct *p;

	guard(rcu)();
	for_each_process(p) {
		if (!consider(oom, p))
			break;
	}
	if (oom->pending && oom->victim) {
		put_task_struct(oom->victim);
		oom->victim = NULL;
	}
}

static void count_kill(struct phys_css *p)
{
	for (; p; p = p->parent)
		atomic_long_inc(&p->oom_kills);
}

/* The uppermost group up to @top that is killed as a whole, with the one that is @p. */
static struct phys_css *kill_together(struct phys_css *p, struct phys_css *top)
{
	struct phys_css *all = NULL;

	for (; p; p = p->parent) {
		if (READ_ONCE(p->oom_group))
			all = p;
		if (p == top)
			return all;
	}
	return NULL;
}

static bool is_dying(const struct task_struct *p)
{
	return READ_ONCE(p->signal->flags) & SIGNAL_GROUP_EXIT;
}

static const char kill_message[] = "Beancounter out of memory";

/* In an RCU read-side section, with oom_lock. */
static void kill_all(struct phys_css *top)
{
	struct task_struct *p;
	struct bc_css *css;

	for_each_process(p) {
		if (is_global_init(p) || (p->flags & PF_KTHREAD) || tsk_is_oom_victim(p) ||
		    READ_ONCE(p->signal->oom_score_adj) == OOM_SCORE_ADJ_MIN || is_dying(p))
			continue;
		css = process_css(p);
		if (!css || !is_below(&to_bc_resource(css)->counter, &top->res.counter))
			continue;
		get_task_struct(p);
		if (oom_kill_chosen(p, kill_message))
			count_kill(to_phys_css(css));
	}
}

/*
 * Kill the one who was chosen, or all that are to go along. With oom_lock.
 *
 * Return: false if nobody can be.
 */
static bool kill_victim(struct phys_oom *oom)
{
	struct task_struct *victim = oom->victim;
	bool dying = is_dying(victim), killed;
	struct phys_css *p, *all;
	struct bc_css *css;

	guard(rcu)();
	css = process_css(victim);
	if (!bc_sabotaged(BC_SABOTAGE_BYSTANDER) &&
	    (!css || !is_below(&to_bc_resource(css)->counter, &oom->top->res.counter))) {
		/* It has just gone, or was moved away. There may be another one. */
		put_task_struct(victim);
		return true;
	}
	p = css ? to_phys_css(css) : oom->top;
	all = kill_together(p, oom->top);
	get_task_struct(victim);
	killed = oom_kill_chosen(victim, kill_message);
	/* Who was on its way out is only helped. */
	if (killed && !dying) {
		count_kill(p);
		bc_event_oom(&p->res.css, &oom->top->res.css, victim);
	}
	put_task_struct(victim);
	if (killed && all)
		kill_all(all);
	return killed;
}

/*
 * Nothing could be freed: somebody in the group has to go.
 *
 * Return: false if there is nobody.
 */
static bool out_of_memory_in(struct phys_css *top)
{
	struct phys_oom oom = { .top = top };
	bool progress;

	if (mutex_lock_killable(&oom_lock))
		return true;
	if (!bc_counter_excess(&top->res.counter, 1, BC_LIMIT)) {
		mutex_unlock(&oom_lock);
		return true;
	}
	choose(&oom);
	progress = oom.pending;
	if (oom.victim)
		progress = kill_victim(&oom);
	mutex_unlock(&oom_lock);
	return progress;
}

/*
 * When the whole machine is out of memory
 */

/* The one of @p and the groups above it that is furthest above its barrier, or @worst. */
static struct phys_css *worse(struct phys_css *p, struct phys_css *worst,
			      unsigned long *most)
{
	for (; p; p = p->parent) {
		unsigned long over = bc_counter_excess(&p->res.counter, 0, BC_BARRIER);

		if (over > *most) {
			*most = over;
			worst = p;
		}
	}
	return worst;
}

/**
 * bc_oom_group - which group is to lose a process first
 *
 * The one that is furthest above its barrier, in pages (BC v6).
 *
 * Context: An RCU read-side section, with oom_lock.
 * Return: the state of physpages for it; NULL: none is above.
 */
struct bc_css *bc_oom_group(void)
{
	struct phys_css *worst = NULL;
	unsigned long most = 0;
	struct task_struct *p;
	struct bc_css *css;

	if (!static_branch_unlikely(&bc_enabled_key.key))
		return NULL;
	for_each_process(p) {
		css = process_css(p);
		if (css)
			worst = worse(to_phys_css(css), worst, &most);
	}
	return worst ? &worst->res.css : NULL;
}

/**
 * bc_oom_is_in - is a process one of a group?
 * @p: the process
 * @css: from bc_oom_group(); NULL: all are
 *
 * Context: An RCU read-side section.
 */
bool bc_oom_is_in(struct task_struct *p, struct bc_css *css)
{
	return !css || process_is_below(p, to_phys_css(css));
}

/*
 * On the way to user mode
 */

/*
 * The first group of the current task's address space, or above, that has no room for @n
 * more below its ceiling. By reference.
 */
static struct phys_css *get_full(unsigned long n, enum bc_severity ceiling)
{
	struct bc_counter *c;
	struct bc_css *css;

	guard(rcu)();
	css = bc_css_living(READ_ONCE(current->mm->bc.charge[BC_MM_ANON].css));
	if (!css)
		return NULL;
	for (c = &to_bc_resource(css)->counter; c; c = c->parent) {
		if (bc_counter_excess(c, n, ceiling) &&
		    bc_group_tryget(counter_phys(c)->res.css.group))
			return counter_phys(c);
	}
	return NULL;
}

static void put_phys(struct phys_css *p)
{
	bc_group_put(p->res.css.group);
}

static bool is_idle(const unsigned long *since)
{
	unsigned long start = READ_ONCE(*since);

	return time_in_range_open(jiffies, start, start + IDLE);
}

/* Return: whether it makes sense to go on. @tries becomes how often that was for nothing. */
static bool make_room(struct phys_css *p, unsigned int *tries)
{
	if (is_idle(&p->stuck))
		return false;
	if (reclaim(p, max(bc_counter_excess(&p->res.counter, 1, BC_LIMIT), MIN_TARGET),
		    *tries % 16 == TRIES - 1)) {
		*tries = 0;
		return true;
	}
	if (++*tries < TRIES ||
	    (*tries < MAX_TRIES && atomic_read(&p->tree->in_flight))) {
		/* Others are at it, or have locked what could be looked at. */
		schedule_timeout_killable(1);
		return true;
	}
	if (!out_of_memory_in(p)) {
		WRITE_ONCE(p->stuck, jiffies);
		return false;
	}
	/* CPUs may keep some of what that frees: look for it before another one is killed. */
	*tries = 0;
	if (!fatal_signal_pending(current))
		schedule_timeout_killable(HZ / 20);
	return true;
}

static void lower_to_barrier(void)
{
	struct phys_css *p = get_full(0, BC_BARRIER);
	unsigned long over;

	if (!p)
		return;
	over = bc_counter_excess(&p->res.counter, 0, BC_BARRIER);
	if (!is_idle(&p->idle) && !reclaim(p, clamp(over, MIN_TARGET, MAX_TARGET), false))
		WRITE_ONCE(p->idle, jiffies);
	put_phys(p);
}

/*
 * A signal may have something to say about it; but not before it is clear whether there is
 * room, or who is sent one all the time would never get on.
 */
static bool should_stop(unsigned int tries)
{
	return fatal_signal_pending(current) || freezing(current) ||
	       (!tries && signal_pending(current));
}

void __bc_anon_settle(void)
{
	unsigned int refused = current->bc_anon_refused, tries = 0;
	bool progress = true;
	struct phys_css *p;

	current->bc_anon_over = 0;
	current->bc_anon_refused = 0;
	if (!current->mm)
		return;
	while (progress && !should_stop(tries)) {
		p = get_full(refused, BC_LIMIT);
		if (!p)
			break;
		progress = make_room(p, &tries);
		if (!progress && refused) {
			pr_notice_ratelimited("bc: %s[%d] may go above the limit of physpages: there is nobody to be killed\n",
					      current->comm, task_pid_nr(current));
			current->bc_anon_forced = 1;
		}
		put_phys(p);
	}
	lower_to_barrier();
}

/*
 * Files
 */

static ssize_t physpages_reclaim_store(struct config_item *item, const char *page,
				       size_t count)
{
	struct bc_css *css = bc_item_css(item);
	unsigned long amount, freed = 0, n;
	bool hard = false;
	int err;

	if (css->root)
		return -EINVAL;
	err = bc_parse_amount(page, count, BC_UNIT_PAGES, &amount);
	if (err)
		return err;
	while (freed < amount) {
		if (signal_pending(current))
			return -EINTR;
		n = reclaim(to_phys_css(css), min(amount - freed, 1024UL), hard);
		if (!n && hard)
			return -EAGAIN;
		hard = !n;
		freed += n;
	}
	return count;
}

static ssize_t physpages_oom_group_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", READ_ONCE(to_phys_css(bc_item_css(item))->oom_group));
}

static ssize_t physpages_oom_group_store(struct config_item *item, const char *page,
					 size_t count)
{
	struct bc_css *css = bc_item_css(item);
	bool val;
	int err;

	if (css->root)
		return -EINVAL;
	err = bc_parse_bool(page, count, &val);
	if (err)
		return err;
	WRITE_ONCE(to_phys_css(css)->oom_group, val);
	return count;
}

static ssize_t physpages_oom_kills_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%lu\n",
			  atomic_long_read(&to_phys_css(bc_item_css(item))->oom_kills));
}

/* In the group, or below; for a root: in no group. */
static bool is_in(const struct mm_struct *mm, void *arg)
{
	struct bc_css *top = arg, *css;

	guard(rcu)();
	css = bc_css_living(READ_ONCE(mm->bc.charge[BC_MM_ANON].css));
	if (top->root || !css)
		return top->root && !css;
	return is_below(&to_bc_resource(css)->counter, &to_bc_resource(top)->counter);
}

static ssize_t physpages_pss_show(struct config_item *item, char *page)
{
	unsigned long pages;
	int err = bc_pss(is_in, bc_item_css(item), &pages);

	return err ?: sysfs_emit(page, "%lu\n", pages);
}

CONFIGFS_ATTR_WO(physpages_, reclaim);
CONFIGFS_ATTR(physpages_, oom_group);
CONFIGFS_ATTR_RO(physpages_, oom_kills);

/*
 * Not for everybody: it takes time in proportion to what is mapped, and tells what others
 * share with the group, which smaps_rollup tells only who may ptrace(2).
 */
static struct configfs_attribute physpages_attr_pss = {
	.ca_name	= "pss",
	.ca_mode	= 0400,
	.ca_owner	= THIS_MODULE,
	.show		= physpages_pss_show,
};

static struct configfs_attribute *physpages_attrs[] = {
	&physpages_attr_reclaim,
	&physpages_attr_oom_group,
	&physpages_attr_oom_kills,
	&physpages_attr_pss,
	NULL
};

static struct bc_css *physpages_css_alloc(const struct bc_controller *controller,
					  struct bc_css *parent)
{
	struct phys_css *p;
	int err = 0;

	if (parent)
		err = bc_pages_enable();
	if (err)
		return ERR_PTR(err);
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return ERR_PTR(-ENOMEM);
	err = bc_resource_init(&p->res, controller, parent);
	if (err) {
		kfree(p);
		return ERR_PTR(err);
	}
	spin_lock_init(&p->tree_lock);
	INIT_LIST_HEAD(&p->mms);
	INIT_LIST_HEAD(&p->children);
	INIT_LIST_HEAD(&p->node);
	p->idle = jiffies - IDLE;
	p->stuck = jiffies - IDLE;
	p->tree = p;
	if (parent) {
		/* Inherited. */
		p->oom_group = READ_ONCE(to_phys_css(parent)->oom_group);
		if (!parent->root) {
			p->parent = to_phys_css(parent);
			p->tree = p->parent->tree;
		}
	}
	return &p->res.css;
}

static unsigned long physpages_root_held(void)
{
	/* AnonPages in /proc/meminfo, of all groups. */
	return global_node_page_state(NR_ANON_MAPPED);
}

static int physpages_can_attach(const struct bc_taskset *tset)
{
	return bc_mm_can_attach(tset, BC_MM_ANON);
}

static void physpages_cancel_attach(const struct bc_taskset *tset)
{
	bc_mm_cancel_attach(tset, BC_MM_ANON);
}

static void physpages_attach(const struct bc_taskset *tset)
{
	bc_mm_attach(tset, BC_MM_ANON);
}

const struct bc_controller bc_physpages_controller = {
	.name		= "physpages",
	.unit		= BC_UNIT_PAGES,
	.batch		= 64,
	.more_attrs	= physpages_attrs,
	.css_alloc	= physpages_css_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.can_attach	= physpages_can_attach,
	.cancel_attach	= physpages_cancel_attach,
	.attach		= physpages_attach,
	.root_held	= physpages_root_held,
};
