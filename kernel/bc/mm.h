/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: address spaces that move, for core.c and the controllers.
 */
#ifndef _BC_MM_H
#define _BC_MM_H

#include <linux/bc/types.h>

struct bc_taskset;

#ifdef CONFIG_MMU

bool bc_mm_moves(const struct bc_taskset *tset);
int bc_mm_can_attach(const struct bc_taskset *tset, enum bc_mm_resource res);
void bc_mm_cancel_attach(const struct bc_taskset *tset, enum bc_mm_resource res);
void bc_mm_attach(const struct bc_taskset *tset, enum bc_mm_resource res);

#else

static inline bool bc_mm_moves(const struct bc_taskset *tset)
{
	return false;
}

#endif
#endif /* _BC_MM_H */
