/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: what other headers need to know.
 */
#ifndef _LINUX_BC_TYPES_H
#define _LINUX_BC_TYPES_H

#include <linux/spinlock_types.h>
#include <linux/types.h>

struct bc_counter;
struct bc_css;

/* How many controllers of modules there can be. */
#ifdef CONFIG_MODULES
#define BC_NR_SLOTS	4
#else
#define BC_NR_SLOTS	0
#endif

#define BC_CONTROLLER(name) BC_ID_##name,
/* The controllers, by number: BC_ID_numfiles and so on; then those of modules. */
enum bc_controller_id {
#include <linux/bc/controllers.h>
	BC_NR_BUILTIN,
	BC_NR_CONTROLLERS = BC_NR_BUILTIN + BC_NR_SLOTS
};

#undef BC_CONTROLLER

/**
 * enum bc_severity - how hard a charge tries (BC v6)
 * @BC_BARRIER: fail above the barrier; for what can fail gracefully
 * @BC_LIMIT: fail above the limit only
 * @BC_FORCE: never fail; for what has happened already
 * @BC_NR_SEVERITIES: how many there are
 */
enum bc_severity {
	BC_BARRIER,
	BC_LIMIT,
	BC_FORCE,
	BC_NR_SEVERITIES
};

/**
 * enum bc_unit - what a resource is counted in, and what suffixes mean (vzctl)
 * @BC_UNIT_ITEMS: objects; K, M, G and T are powers of 1024
 * @BC_UNIT_BYTES: bytes; likewise
 * @BC_UNIT_PAGES: pages; K, M, G and T are of bytes, P is of pages
 */
enum bc_unit {
	BC_UNIT_ITEMS,
	BC_UNIT_BYTES,
	BC_UNIT_PAGES,
};

/**
 * struct bc_charge - who has paid for an object; a part of the object
 * @counter: what was charged; NULL: nothing was
 *
 * All zero means that nothing was charged. Use <linux/bc/charge.h>.
 */
struct bc_charge {
#ifdef CONFIG_BEANCOUNTERS
	struct bc_counter	*counter;
#endif
};

/**
 * struct bc_rules - who has paid for a table of rules; a part of the table
 * @counter: what was charged; NULL: nothing was
 * @n: by how much
 *
 * All zero means that nothing was charged. Use <linux/bc/netfilter.h>.
 */
struct bc_rules {
#ifdef CONFIG_BEANCOUNTERS
	struct bc_counter	*counter;
	unsigned long		n;
#endif
};

/**
 * enum bc_mm_resource - what is charged for an address space as a whole
 * @BC_MM_PRIVATE: private writable mappings, for privvmpages
 * @BC_MM_LOCKED: locked pages, for lockedpages
 * @BC_MM_ANON: for physpages, which counts pages and not address spaces: nothing, but
 *	it says who is charged
 * @BC_NR_MM_RESOURCES: how many there are
 */
enum bc_mm_resource {
	BC_MM_PRIVATE,
	BC_MM_LOCKED,
	BC_MM_ANON,
	BC_NR_MM_RESOURCES
};

/**
 * struct bc_mm_charge - what is charged for an address space of one resource
 * @css: whom it is charged to, by reference; NULL: nobody, or a root
 * @to: while a move is being decided: whom it will be charged to, if that is no root
 * @stop: the level up from @to, or from @css, that they have in common
 * @pages: how much is charged to @css, and to @to up to @stop
 */
struct bc_mm_charge {
	struct bc_css		*css;
	struct bc_css		*to;
	struct bc_css		*stop;
	unsigned long		pages;
};

/**
 * struct bc_mm - whose an address space is; a part of struct mm_struct
 * @lock: protects what follows; taken with interrupts off
 * @owned: any @charge may have a css. Looked at without @lock.
 * @moving: a move is being decided, by resource
 * @maker: the process that made it, as long as it uses it: a name, no reference
 * @charge: by resource
 * @reclaim: in the list of those that are reclaimed from, see physpages.c
 * @cursor: where that goes on
 * @since: how many pages had been freed when it last began
 *
 * Use <linux/bc/mm.h>.
 */
struct bc_mm {
#ifdef CONFIG_BEANCOUNTERS
	spinlock_t		lock;	/* taken inside siglock */
	bool			owned;
	bool			moving[BC_NR_MM_RESOURCES];
	const void		*maker;
	struct bc_mm_charge	charge[BC_NR_MM_RESOURCES];
	struct list_head	reclaim;
	unsigned long		cursor;
	unsigned long		since;
#endif
};

/**
 * struct bc_shmem - who has paid for a shared memory object; a part of its inode
 * @owners: whom it is charged to, see kernel/bc/shmpages.c
 * @nobody: pages of it that are charged to nobody; counted while there are @owners
 * @locked: who has paid for locking it (SHM_LOCK)
 * @nr_locked: how many pages
 *
 * All zero means that nothing was charged. Use <linux/bc/shmem.h>.
 */
struct bc_shmem {
#ifdef CONFIG_BEANCOUNTERS
	struct hlist_head	owners;
	unsigned long		nobody;
	struct bc_charge	locked;
	unsigned long		nr_locked;
#endif
};

#endif /* _LINUX_BC_TYPES_H */
