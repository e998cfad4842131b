/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how places in swap are charged. kernel/bc/swappages.c has the rules.
 *
 * Without groups, all hooks are patched-out branches, but for those of swapon(2) and
 * swapoff(2). Why that is right for uncharging as well, see slab.h.
 */
#ifndef _LINUX_BC_SWAP_H
#define _LINUX_BC_SWAP_H

#include <linux/bc/charge.h>
#include <linux/mm_types.h>
#include <linux/page-flags.h>

#ifdef CONFIG_BC_SWAP

int bc_swap_on(unsigned int type, unsigned long nr);
void bc_swap_off(unsigned int type);
int __bc_swap_charge(struct folio *folio, swp_entry_t entry);
void __bc_swap_uncharge(swp_entry_t entry, unsigned int nr);
bool __bc_swap_full(const struct folio *folio);

/**
 * bc_swap_charge - charge a folio's place in swap to the group that has paid for the folio
 * @folio: the folio, locked
 * @entry: its first slot, which nobody else knows yet; 0: there was none to be had
 *
 * All of it, or nothing. It is uncharged when the slots are freed.
 *
 * Context: Process context. Does not sleep.
 * Return: 0, or -ENOMEM: there is no room in the group. Then the slots are to be freed, and
 * the folio stays where it is.
 */
static __always_inline int bc_swap_charge(struct folio *folio, swp_entry_t entry)
{
	if (!static_branch_unlikely(&bc_enabled_key.key) || !entry.val)
		return 0;
	return __bc_swap_charge(folio, entry);
}

/**
 * bc_swap_uncharge - uncharge slots, as far as they are charged
 * @entry: the first one
 * @nr: how many; nobody has anything in them any more, and they have not been freed yet
 *
 * Context: Any but interrupts.
 */
static __always_inline void bc_swap_uncharge(swp_entry_t entry, unsigned int nr)
{
	if (static_branch_unlikely(&bc_enabled_key.key))
		__bc_swap_uncharge(entry, nr);
}

/**
 * bc_swap_full - is a place in swap too precious for a folio that is in RAM as well?
 * @folio: the folio, locked; it need not be in the swap cache
 *
 * Context: Process context. Does not sleep.
 * Return: true if the group that pays for the place has half of what its barrier allows,
 * or one above it has.
 */
static __always_inline bool bc_swap_full(const struct folio *folio)
{
	return static_branch_unlikely(&bc_enabled_key.key) &&
	       folio_test_swapcache(folio) && __bc_swap_full(folio);
}

#else /* !CONFIG_BC_SWAP */

static inline int bc_swap_on(unsigned int type, unsigned long nr)
{
	return 0;
}

static inline void bc_swap_off(unsigned int type) { }

static inline int bc_swap_charge(struct folio *folio, swp_entry_t entry)
{
	return 0;
}

static inline void bc_swap_uncharge(swp_entry_t entry, unsigned int nr) { }

static inline bool bc_swap_full(const struct folio *folio)
{
	return false;
}

#endif /* CONFIG_BC_SWAP */
#endif /* _LINUX_BC_SWAP_H */
