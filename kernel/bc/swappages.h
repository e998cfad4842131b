/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_SWAPPAGES_H
#define _BC_SWAPPAGES_H

#include <linux/types.h>

struct bc_counter;

#ifdef CONFIG_BC_SWAP

bool bc_swap_has_room(struct bc_counter *phys, unsigned long n);
void bc_swap_stays(struct bc_counter *phys);

#else

static inline bool bc_swap_has_room(struct bc_counter *phys, unsigned long n)
{
	return true;
}

static inline void bc_swap_stays(struct bc_counter *phys) { }

#endif

#endif /* _BC_SWAPPAGES_H */
