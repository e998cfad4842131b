/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: the share of all pages that are mapped, for physpages.c.
 */
#ifndef _BC_PSS_H
#define _BC_PSS_H

#include <linux/types.h>

struct mm_struct;

int bc_pss(bool (*wanted)(const struct mm_struct *mm, void *arg), void *arg,
	   unsigned long *pages);

#endif /* _BC_PSS_H */
