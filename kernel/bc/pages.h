/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_PAGES_H
#define _BC_PAGES_H

#ifdef CONFIG_BC_PAGES

int bc_pages_enable(void);

#else

static inline int bc_pages_enable(void)
{
	return 0;
}

#endif

#endif /* _BC_PAGES_H */
