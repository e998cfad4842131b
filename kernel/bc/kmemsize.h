/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_KMEMSIZE_H
#define _BC_KMEMSIZE_H

#include <linux/bc/types.h>
#include <linux/gfp_types.h>
#include <linux/types.h>

enum bc_severity bc_kmem_severity(gfp_t flags);
bool bc_kmem_try_charge_pages(struct bc_css *css, unsigned long n, gfp_t flags);

#endif /* _BC_KMEMSIZE_H */
