/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: what other headers need to know.
 */
#ifndef _LINUX_BC_TYPES_H
#define _LINUX_BC_TYPES_H

struct bc_counter;

#define BC_CONTROLLER(name) BC_ID_##name,
/* The controllers, by number: BC_ID_numfiles and so on. */
enum bc_controller_id {
#include <linux/bc/controllers.h>
	BC_NR_CONTROLLERS
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

#endif /* _LINUX_BC_TYPES_H */
