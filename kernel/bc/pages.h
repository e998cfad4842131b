/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_PAGES_H
#define _BC_PAGES_H

#include <linux/bc/pages.h>

struct bc_counter;
struct bc_css;

#ifdef CONFIG_BC_PAGES

/* In the word of an owner: how many pages, as a power of two; they are anonymous. */
#define BC_OWNER_ORDER	15UL
#define BC_OWNER_ANON	16UL
#define BC_OWNER_MASK	31UL

int bc_pages_enable(void);
struct bc_css *bc_css_living(struct bc_css *css);

/**
 * bc_owner_counter - which counter has paid
 * @word: from the table of owners, not 0
 */
static inline struct bc_counter *bc_owner_counter(unsigned long word)
{
	return (struct bc_counter *)(word & ~BC_OWNER_MASK);
}

#else

static inline int bc_pages_enable(void)
{
	return 0;
}

#endif

#endif /* _BC_PAGES_H */
