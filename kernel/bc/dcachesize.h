/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_DCACHESIZE_H
#define _BC_DCACHESIZE_H

#include <linux/bc/types.h>
#include <linux/gfp_types.h>

bool bc_dcachesize_charge(struct bc_charge *charge, unsigned long n, gfp_t flags);

#endif /* _BC_DCACHESIZE_H */
