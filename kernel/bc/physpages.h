/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_PHYSPAGES_H
#define _BC_PHYSPAGES_H

#include <linux/bc/core.h>
#include <linux/bc/pages.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

/* At least so many are to be freed at once: they go to swap together. */
#define PHYS_MIN_TARGET	32UL

/**
 * struct phys_css - the state of physpages for a group
 * @res: the counter
 * @tree_lock: in the group right below the root
 * @walk_mutex: there as well: who looks at all of memory
 * @tree: that one
 * @parent: one level up; NULL right below the root
 * @mms: address spaces that are charged to it, the next one to reclaim from first
 * @turns: whose turn it is to be reclaimed from: @own, if there are any in @mms, and @node of
 *	those one level down that have any, or below them
 * @own: in @turns
 * @node: in the parent's @turns
 * @nr_own: how many address spaces
 * @nr_mms: likewise, those of groups below included
 * @own_rounds: how many of @nr_own reclaim has gone around in this turn
 * @rounds: likewise, of @nr_mms, in the parent's turns
 * @freed: pages that reclaim has freed in the tree
 * @largest: the largest address space, here or below, of those that reclaim has come by;
 *	NULL: none is known
 * @largest_in: where that is
 * @preferred: it had the last turn, out of turn
 * @in_flight: tasks that write out pages of the tree, which makes room in a moment
 * @idle: since when nothing could be reclaimed above the barrier, for %IDLE
 * @stuck: since when there is nobody to be killed, likewise
 * @oom_group: all tasks are killed together
 * @oom_kills: processes that were killed, here and below
 */
struct phys_css {
	struct bc_resource	res;
	spinlock_t		tree_lock;	/* nests in mm->bc.lock */
	struct mutex		walk_mutex;
	struct phys_css		*tree;
	struct phys_css		*parent;
	struct list_head	mms;
	struct list_head	turns;
	struct list_head	own;
	struct list_head	node;
	unsigned long		nr_own;
	unsigned long		nr_mms;
	unsigned long		own_rounds;
	unsigned long		rounds;
	atomic_long_t		freed;
	struct mm_struct	*largest;
	struct phys_css		*largest_in;
	bool			preferred;
	atomic_t		in_flight;
	unsigned long		idle;
	unsigned long		stuck;
	bool			oom_group;
	atomic_long_t		oom_kills;
};

static inline struct phys_css *to_phys_css(struct bc_css *css)
{
	return container_of(css, struct phys_css, res.css);
}

static inline struct phys_css *counter_phys(struct bc_counter *counter)
{
	return container_of(counter, struct phys_css, res.counter);
}

/* Is a group another one, or below it? */
static inline bool phys_is_below(const struct bc_counter *counter,
				 const struct bc_counter *top)
{
	while (counter && counter != top)
		counter = counter->parent;
	return counter;
}

/* Device memory is not for the machine's tasks, and may have no place in the table. */
static inline unsigned long *folio_owner(const struct folio *folio)
{
	return folio_is_zone_device(folio) ? NULL : bc_page_owner(&folio->page);
}

/* physpages.c */
void bc_physpages_add_mm(struct bc_css *css, struct mm_struct *mm);
void bc_physpages_remove_mm(struct bc_css *css, struct mm_struct *mm);

/* reclaim.c */
unsigned long bc_phys_reclaim(struct phys_css *top, unsigned long target, bool hard,
			      bool for_room);

/* oom.c */
bool bc_phys_out_of_memory(struct phys_css *top);

#endif /* _BC_PHYSPAGES_H */
