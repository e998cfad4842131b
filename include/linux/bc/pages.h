/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how the kernel's pages are charged, and how all are uncharged.
 * kernel/bc/pages.c has the rules.
 *
 * Without groups, all hooks are patched-out branches. Why that is right for uncharging as
 * well, see slab.h.
 */
#ifndef _LINUX_BC_PAGES_H
#define _LINUX_BC_PAGES_H

#include <linux/bc/charge.h>
#include <linux/gfp.h>
#include <linux/mm.h>

#ifdef CONFIG_BC_PAGES

/* By page frame number: who has paid, or 0. See pages.c. */
extern unsigned long *bc_page_owners;
extern unsigned long bc_nr_page_owners;

bool __bc_page_charge(struct page *page, gfp_t flags, unsigned int order);
void __bc_page_uncharge(unsigned long *owner);
void __bc_page_split(unsigned long *owner, unsigned int order, unsigned int new_order);
void __bc_page_move(unsigned long *to, unsigned long *from);

/* Where the owner of a page is remembered; NULL: nowhere. */
static __always_inline unsigned long *bc_page_owner(const struct page *page)
{
	unsigned long pfn = page_to_pfn(page);

	/* Pairs with make_owners(): the table was there before its size. */
	if (unlikely(pfn >= smp_load_acquire(&bc_nr_page_owners)))
		return NULL;
	return bc_page_owners + pfn;
}

/**
 * bc_page_charge - charge new pages to the group of the current task, if they are of a
 * kind that counts
 * @page: the first one; NULL: there are none
 * @flags: as given to the allocator
 * @order: how many, as a power of two
 *
 * Context: Process context, or any other, where nobody is charged. Does not sleep.
 * Return: true if charged, or if nobody is to be; else the pages are to be freed.
 */
static __always_inline bool bc_page_charge(struct page *page, gfp_t flags,
					   unsigned int order)
{
	if (!static_branch_unlikely(&bc_enabled_key.key))
		return true;
	if (likely(!(flags & __GFP_ACCOUNT)) || !bc_may_charge(current) || !in_task())
		return true;
	return __bc_page_charge(page, flags, order);
}

/**
 * bc_page_uncharge - uncharge pages, if they are charged
 * @page: the first one of those that were charged together, which are about to be freed,
 *	or are no memory of the kernel any more
 *
 * Context: Any but NMI.
 */
static __always_inline void bc_page_uncharge(struct page *page)
{
	unsigned long *owner;

	if (!static_branch_unlikely(&bc_enabled_key.key))
		return;
	owner = bc_page_owner(page);
	if (owner && unlikely(*owner))
		__bc_page_uncharge(owner);
}

/**
 * bc_page_split - pages that were allocated together are going to be freed in parts
 * @page: the first one
 * @order: how many, as a power of two
 * @new_order: how many together from now on, likewise
 *
 * Context: Any.
 */
static __always_inline void bc_page_split(struct page *page, unsigned int order,
					  unsigned int new_order)
{
	unsigned long *owner;

	if (!static_branch_unlikely(&bc_enabled_key.key))
		return;
	owner = bc_page_owner(page);
	if (owner && unlikely(*owner))
		__bc_page_split(owner, order, new_order);
}

/**
 * bc_page_move - what was in some pages is in others now
 * @to: the first one of these, for which nobody has paid
 * @from: the first one of those
 *
 * Context: Any but NMI.
 */
static __always_inline void bc_page_move(struct page *to, struct page *from)
{
	unsigned long *owner;

	/* Device memory may have no place in the table, see pages.c. */
	if (!static_branch_unlikely(&bc_enabled_key.key) || is_zone_device_page(from))
		return;
	owner = bc_page_owner(from);
	if (owner && unlikely(*owner))
		__bc_page_move(is_zone_device_page(to) ? NULL : bc_page_owner(to), owner);
}

/**
 * bc_page_may_refuse - can it be a limit that pages could not be had for?
 * @flags: as given to the allocator
 *
 * Such a failure is for the one who has set the limit to look at, in the group, and for
 * nobody else: it does not belong into the kernel's log.
 *
 * Context: Any.
 */
static __always_inline bool bc_page_may_refuse(gfp_t flags)
{
	return bc_may_charge(current) && (flags & __GFP_ACCOUNT) &&
	       READ_ONCE(bc_nr_page_owners);
}

#else /* !CONFIG_BC_PAGES */

static inline bool bc_page_charge(struct page *page, gfp_t flags, unsigned int order)
{
	return true;
}

static inline void bc_page_uncharge(struct page *page) { }

static inline void bc_page_split(struct page *page, unsigned int order,
				 unsigned int new_order) { }

static inline void bc_page_move(struct page *to, struct page *from) { }

static inline bool bc_page_may_refuse(gfp_t flags)
{
	return false;
}

#endif /* CONFIG_BC_PAGES */
#endif /* _LINUX_BC_PAGES_H */
