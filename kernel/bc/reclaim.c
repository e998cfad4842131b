// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: reclaim, what a group at the limit of physpages gives to swap.
 *
 * Reclaim goes around the address spaces of the group and of those below, one after the
 * other, like the hand of a clock, a few hundred pages each time. A page that was used since
 * the last time has its mark taken away, the others are written out. So what it costs depends
 * on what it finds, not on how large the group is. Where everything has been used, a lap may
 * be over before anybody could use anything: who is small is then passed over once, in favour
 * of who is much larger and has more to lose. What is in no such address space any more,
 * as its processes have been moved, or is in the swap cache, is found in the table of owners,
 * by a walk over all of memory, before anybody is killed.
 *
 * Locking: tree_lock for whose turn it is, and who is the largest, in mm->bc.lock; an address
 * space, while it is walked, by a reference and its mmap_lock, which is not waited for. Where
 * to go on in it is claimed by cmpxchg, as others may walk it, too. Pages that were found
 * are isolated from the kernel's lists. The walk over all of memory is for one at a time of
 * those below a group right below the root, whose walk_mutex it has.
 */
#include <linux/bc/core.h>
#include <linux/bc/pages.h>
#include <linux/cleanup.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/pagewalk.h>
#include <linux/rcupdate.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/swap.h>
#include <trace/events/bc.h>

#include "../../mm/internal.h"

#include "pages.h"
#include "physpages.h"
#include "sabotage.h"
#include "swappages.h"

/* So many pages are looked at while mmap_lock is held. */
#define SCAN_BATCH	256

/* While so many are freed, who needs his pages uses them. */
#define USED_WITHIN	256

/* Who is so many times as large has more to lose. */
#define MUCH_LARGER	4

/* It is the turn of others, of this address space and of its groups the last one. */
static void leave_turn(struct phys_css *top, struct phys_css *p, struct mm_struct *mm)
{
	lockdep_assert_held(&top->tree->tree_lock);
	list_move_tail(&mm->bc.reclaim, &p->mms);
	list_move_tail(&p->own, &p->turns);
	for (; p != top; p = p->parent)
		list_move_tail(&p->node, &p->parent->turns);
}

/* It was not done yet. */
static void keep_turn(struct phys_css *top, struct phys_css *p, struct mm_struct *mm)
{
	lockdep_assert_held(&top->tree->tree_lock);
	list_move(&mm->bc.reclaim, &p->mms);
	list_move(&p->own, &p->turns);
	for (; p != top && p->parent; p = p->parent)
		list_move(&p->node, &p->parent->turns);
}

/*
 * One of the address spaces of a group is through. The group's turn goes on until as many
 * were as there are, and so do the turns of those above.
 */
static void count_round(struct phys_css *top, struct phys_css *p)
{
	lockdep_assert_held(&top->tree->tree_lock);
	if (++p->own_rounds >= p->nr_own)
		p->own_rounds = 0;
	else
		list_move(&p->own, &p->turns);
	for (; p != top && p->parent; p = p->parent) {
		if (++p->rounds >= p->nr_mms)
			p->rounds = 0;
		else
			list_move(&p->node, &p->parent->turns);
	}
}

/* Of anonymous memory, or nearly so. */
static unsigned long size_of(struct mm_struct *mm)
{
	return get_mm_counter(mm, MM_ANONPAGES);
}

/*
 * A lap that begins: is @mm to be passed over in favour of the largest one? What is left
 * unused since a moment ago says nothing. But not twice in a row: that one may have nothing
 * that can go.
 */
static bool is_passed_over(const struct phys_css *top, struct mm_struct *mm)
{
	return !top->preferred && top->largest && top->largest != mm &&
	       atomic_long_read(&top->tree->freed) - mm->bc.since < USED_WITHIN &&
	       size_of(top->largest) / MUCH_LARGER > size_of(mm) &&
	       !bc_sabotaged(BC_SABOTAGE_EAGER);
}

/*
 * Whose turn it is, of the address spaces of a group and below. By reference, or NULL. Who
 * asks next, before end_turn(), gets another one, if there is one. As often as @extra says,
 * what is out of turn does not count in @laps.
 */
static struct mm_struct *begin_turn(struct phys_css *top, unsigned long *laps,
				    unsigned int *extra)
{
	struct phys_css *p = top;
	struct mm_struct *mm = NULL;

	scoped_guard(spinlock_irq, &top->tree->tree_lock) {
		/* Whoever is in there has some, or somebody below. */
		while (!list_empty(&p->turns) && !list_is_first(&p->own, &p->turns)) {
			if (p->nr_own && bc_sabotaged(BC_SABOTAGE_ELDERS))
				break;
			p = list_first_entry(&p->turns, struct phys_css, node);
		}
		mm = list_first_entry_or_null(&p->mms, struct mm_struct, bc.reclaim);
		if (!mm)
			break;
		if (!READ_ONCE(mm->bc.cursor)) {
			top->preferred = *extra && is_passed_over(top, mm);
			if (top->preferred) {
				mm = top->largest;
				p = top->largest_in;
				++*laps;
				--*extra;
			}
			mm->bc.since = atomic_long_read(&top->tree->freed);
		}
		leave_turn(top, p, mm);
		/* Without users, it is on its way out of the list, and others have their turn. */
		if (!mmget_not_zero(mm)) {
			count_round(top, p);
			mm = NULL;
		}
	}
	return mm;
}

/* Remember who is large, for all groups that it is in. */
static void note_size(struct phys_css *p, struct mm_struct *mm)
{
	struct phys_css *top;

	lockdep_assert_held(&p->tree->tree_lock);
	for (top = p; top; top = top->parent) {
		if (top->largest && size_of(top->largest) >= size_of(mm))
			continue;
		top->largest = mm;
		top->largest_in = p;
	}
}

/*
 * It stays its turn until all of it was looked at, and its group's, of those beside it, until
 * as many were as there are: so that between two looks at a page everything else is looked
 * at, too, and who uses a page has that much time to do so, whoever is beside him.
 */
static void end_turn(struct phys_css *top, struct mm_struct *mm, bool through)
{
	struct phys_css *p;

	scoped_guard(spinlock_irq, &mm->bc.lock) {
		/* It can have been moved. */
		if (!mm->bc.charge[BC_MM_ANON].css)
			return;
		p = to_phys_css(mm->bc.charge[BC_MM_ANON].css);
		if (p->tree != top->tree)
			return;
		scoped_guard(spinlock, &p->tree->tree_lock) {
			note_size(p, mm);
			if (through)
				count_round(top, p);
			else
				keep_turn(top, p, mm);
		}
	}
}

static unsigned long count_mms(struct phys_css *top)
{
	unsigned long nr = 0;

	scoped_guard(spinlock_irq, &top->tree->tree_lock)
		nr = top->nr_mms;
	return nr;
}

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
 * @claimed: up to where nobody else looks meanwhile
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
	}			found[PHYS_MIN_TARGET];
	unsigned int		nr;
	unsigned long		pages;
	unsigned long		want;
	unsigned int		left;
	unsigned long		looked;
	unsigned long		freed;
	unsigned long		next;
	unsigned long		claimed;
	const struct bc_counter	*full;
	bool			told;
};

static bool enough(const struct phys_scan *s)
{
	return s->pages >= s->want || s->nr >= ARRAY_SIZE(s->found);
}

/* Who looks at it keeps the charge by RCU: a counter is freed a grace period after its last. */
static bool is_owned(const struct phys_scan *s, const unsigned long *owner)
{
	unsigned long word;

	guard(rcu)();
	word = READ_ONCE(*owner);
	if (bc_sabotaged(BC_SABOTAGE_FOREIGN))
		return true;
	return (word & BC_OWNER_ANON) &&
	       phys_is_below(bc_owner_counter(word), &s->top->res.counter);
}

static bool is_ours(const struct phys_scan *s, const struct folio *folio)
{
	const unsigned long *owner = folio_owner(folio);

	return owner && is_owned(s, owner);
}

/* Can it be freed at all? Without room in swap, only what is in there, or is not needed. */
static bool can_go(const struct folio *folio)
{
	/* It may be about to be mapped for the first time. */
	return data_race(folio_test_anon(folio)) && !folio_test_writeback(folio) &&
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

/*
 * Take what is looked at next for ourselves. What is not used since we have looked at it a
 * moment ago would be taken for what is not used.
 *
 * Return: false if others look at it, or have begun again from the start.
 */
static bool claim_up_to(struct phys_scan *s, struct mm_struct *mm, unsigned long addr,
			unsigned long to)
{
	unsigned long old = READ_ONCE(mm->bc.cursor);

	do {
		if (old != s->claimed && (old < s->claimed || old > addr))
			return false;
		if (old >= to)
			return true;
	} while (!try_cmpxchg(&mm->bc.cursor, &old, to));
	s->claimed = to;
	return true;
}

static int scan_pmd(pmd_t *pmd, unsigned long addr, unsigned long end,
		    struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;
	struct phys_scan *s = walk->private;
	bool huge = pmd_leaf(pmdp_get_lockless(pmd));
	pte_t *start, *pte, ptent;
	struct folio *folio;
	spinlock_t *ptl = NULL;
	int nr;

	cond_resched();
	if (!claim_up_to(s, walk->mm, addr,
			 huge ? end : min(end, addr + s->left * PAGE_SIZE)))
		return 1;
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
		if ((!young && !other) || bc_sabotaged(BC_SABOTAGE_YOUNG))
			take(s, folio);
	}
	pte_unmap_unlock(start, ptl);
	s->next = addr;
	return enough(s) || !s->left;
}

static int scan_test(unsigned long start, unsigned long end, struct mm_walk *walk)
{
	struct vm_area_struct *vma = walk->vma;

	/* 1: leave it out. Who touches it for the first time has mmap_lock for reading, too. */
	return !data_race(READ_ONCE(vma->anon_vma)) ||
	       (vma->vm_flags & (VM_LOCKED | VM_HUGETLB | VM_SPECIAL));
}

static const struct mm_walk_ops scan_ops = {
	.pmd_entry	= scan_pmd,
	.test_walk	= scan_test,
	.walk_lock	= PGWALK_RDLOCK,
};

/* Where to go on, up to @end: who comes meanwhile goes on behind that. */
static unsigned long claim(struct phys_scan *s, struct mm_struct *mm, unsigned long end)
{
	unsigned long old = READ_ONCE(mm->bc.cursor), start;

	do {
		start = old < end ? old : 0;
		s->claimed = start + SCAN_BATCH * PAGE_SIZE;
	} while (!try_cmpxchg(&mm->bc.cursor, &old, s->claimed));
	return start;
}

/*
 * The walk is over. Who is through is so for all who are as far: with several at once, each
 * would find that another one has claimed something behind the last page, and go on there.
 */
static void end_claim(struct phys_scan *s, struct mm_struct *mm, bool through)
{
	unsigned long old;

	if (!through) {
		cmpxchg(&mm->bc.cursor, s->claimed, s->next);
		return;
	}
	old = READ_ONCE(mm->bc.cursor);
	while (old >= s->claimed && !try_cmpxchg(&mm->bc.cursor, &old, 0))
		;
}

/*
 * Nobody is waited for, who may wait for us.
 *
 * Return: true if it is through, or cannot be looked at.
 */
static bool scan_mm(struct phys_scan *s, struct mm_struct *mm)
{
	/* Exec sets it once more, see pss.c. Before, it is 0, and there is nothing to walk over. */
	unsigned long end = data_race(READ_ONCE(mm->task_size));
	unsigned long start;
	bool through;

	if (!mmap_read_trylock(mm))
		return true;
	s->left = SCAN_BATCH;
	start = claim(s, mm, end);
	s->next = start;
	through = walk_page_range(mm, start, end, &scan_ops, s) <= 0;
	end_claim(s, mm, through);
	mmap_read_unlock(mm);
	return through;
}

/* What others have used, that have it from a fork, stays. */
static void put_used_back(struct phys_scan *s)
{
	struct folio *folio, *next;
	unsigned long flags;

	if (bc_sabotaged(BC_SABOTAGE_OTHERS))
		return;
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
	unsigned long freed = s->freed;
	unsigned int i;

	if (!s->nr)
		return;
	atomic_inc(in_flight);
	put_used_back(s);
	s->freed += reclaim_pages(&s->folios);
	for (i = 0; i < s->nr; i++)
		free_written(s, s->found[i].pfn, s->found[i].nr);
	s->freed += reclaim_pages(&s->folios);
	atomic_long_add(s->freed - freed, &s->top->tree->freed);
	s->nr = 0;
	s->pages = 0;
	s->full = NULL;
	atomic_dec(in_flight);
}

/*
 * Around the address spaces, up to three times: once to take the marks away, once to find
 * what was not used since, and once as it did not begin at the beginning. Beside that, three
 * laps at most of who is the largest.
 */
static void reclaim_mms(struct phys_scan *s, unsigned long target)
{
	unsigned long laps = 3 * (count_mms(s->top) + 1);
	unsigned int extra = 3;

	while (laps && s->freed < target && !fatal_signal_pending(current)) {
		struct mm_struct *mm = begin_turn(s->top, &laps, &extra);
		bool through = true;

		s->want = target - s->freed;
		if (mm) {
			through = scan_mm(s, mm);
			end_turn(s->top, mm, through || bc_sabotaged(BC_SABOTAGE_HASTY));
			/* If we are its last user, it is not for us to tear it down. */
			mmput_async(mm);
		}
		laps -= through;
		reclaim_found(s);
		cond_resched();
	}
}

/*
 * All of memory, without touching what is others': a reference to a page of theirs would be
 * in the way of whoever wants to know whether it has one user. One after the other of a
 * tree: who comes second, and wants room and nothing else, may find that there is some.
 */
static void reclaim_owned(struct phys_scan *s, unsigned long target, bool for_room)
{
	unsigned long pfn, nr = bc_nr_page_owners;
	struct phys_css *tree = s->top->tree;

	if (mutex_lock_killable(&tree->walk_mutex))
		return;
	if (for_room && !bc_counter_excess(&s->top->res.counter, 1, BC_LIMIT))
		nr = 0;
	for (pfn = 0; pfn < nr && s->freed < target && !fatal_signal_pending(current); pfn++) {
		struct page *page = pfn_to_online_page(pfn);
		struct folio *folio;

		if (!(pfn % SCAN_BATCH))
			cond_resched();
		/* Holes can be terabytes. Their ends are no nearer to each other than this. */
		if (!page) {
			pfn |= PFN_DOWN(SZ_2M) - 1;
			continue;
		}
		/* Most are nobody's. */
		if (!(READ_ONCE(bc_page_owners[pfn]) & BC_OWNER_ANON) ||
		    !is_owned(s, &bc_page_owners[pfn]))
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
	mutex_unlock(&tree->walk_mutex);
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

/**
 * bc_phys_reclaim - free pages of a group and those below
 * @top: the group
 * @target: how many would do
 * @hard: look at all of memory, too, for what is in no address space
 * @for_room: not if there is room by then
 *
 * Context: Process context, without any lock. May sleep.
 * Return: how many were freed; it may be more, by what goes to swap together.
 */
unsigned long bc_phys_reclaim(struct phys_css *top, unsigned long target, bool hard,
			      bool for_room)
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
		reclaim_owned(&s, target, for_room);
	trace_bc_reclaim(top->res.css.group, target, s.freed, s.looked);
	return s.freed;
}
