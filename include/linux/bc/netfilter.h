/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how tables of rules are charged that are replaced as a whole.
 *
 * What has one object for each rule uses <linux/bc/charge.h>.
 */
#ifndef _LINUX_BC_NETFILTER_H
#define _LINUX_BC_NETFILTER_H

#include <linux/bc/charge.h>

#ifdef CONFIG_BEANCOUNTERS

bool __bc_rules_replace(struct bc_rules *to, struct bc_rules *from, unsigned long n);
void __bc_rules_uncharge(struct bc_rules *rules);

/**
 * bc_rules_init - nothing has been charged for a table
 * @rules: in the table
 *
 * Not needed where the table has been zeroed.
 */
static inline void bc_rules_init(struct bc_rules *rules)
{
	rules->counter = NULL;
	rules->n = 0;
}

/**
 * bc_rules_replace - charge a table that is about to take the place of another one
 * @to: in the new table; nothing has been charged for it
 * @from: in the old table, which nobody else charges or uncharges meanwhile
 * @n: how many rules the new one has
 *
 * It is charged to the group of the current task. If that has paid for the old table, too,
 * the new one takes over as much as it needs, so that to change a rule takes no room. What
 * is left goes with the old table.
 *
 * Context: Process context. Takes no lock, does not sleep.
 * Return: true if charged, or if the task is in the root group; false leaves both as they
 * were.
 */
static inline bool bc_rules_replace(struct bc_rules *to, struct bc_rules *from,
				    unsigned long n)
{
	return !bc_may_charge(current) || __bc_rules_replace(to, from, n);
}

/**
 * bc_rules_uncharge - uncharge what has been charged for a table, if anything
 * @rules: in the table
 *
 * Context: Any but NMI. Takes no lock, does not sleep.
 */
static inline void bc_rules_uncharge(struct bc_rules *rules)
{
	if (rules->counter)
		__bc_rules_uncharge(rules);
}

#else /* !CONFIG_BEANCOUNTERS */

static inline void bc_rules_init(struct bc_rules *rules) { }

static inline bool bc_rules_replace(struct bc_rules *to, struct bc_rules *from,
				    unsigned long n)
{
	return true;
}

static inline void bc_rules_uncharge(struct bc_rules *rules) { }

#endif /* CONFIG_BEANCOUNTERS */
#endif /* _LINUX_BC_NETFILTER_H */
