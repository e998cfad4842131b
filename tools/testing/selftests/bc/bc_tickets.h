/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The resource of samples/bc/: tickets.
 */
#ifndef BC_TICKETS_H
#define BC_TICKETS_H

#include "bc_util.h"

#define TICKETS "/dev/bc_tickets"

/* For bc_in_child(): how many tickets one gets in the group @arg, at most 20. */
static inline int take_tickets(void *arg)
{
	const char *dir = arg;
	int n = 0;

	if (bc_write(dir, "tasks", "0"))
		return 100;
	while (n < 20 && open(TICKETS, O_RDONLY) >= 0)
		n++;
	if (n < 20 && errno != ENOSPC)
		return 101;
	if (bc_get(dir, "numtickets/held") != n)
		return 102;
	return n;
}

#endif /* BC_TICKETS_H */
