// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numiptent, the number of rules of packet filters in a group.
 *
 * What an administrator should know:
 *
 * - iptables, ip6tables, arptables: each entry of a table counts that has not been there
 *   from the beginning: a rule is one, a chain of one's own is two (its head and its
 *   end). The policies of the built-in chains are the kernel's. ebtables: each rule.
 * - Such a table is replaced as a whole, also where one rule is added: who does that pays
 *   for all of it from then on. Who has paid for the old one needs room for what is added
 *   only.
 * - nftables: each rule, each set or map, and each element of one counts as one. They are
 *   charged to the group of the task that sends the request, and stay so until they are
 *   freed. What packets add to a set is charged to the group that pays for the set.
 * - It does not matter whose the network namespace is, or who may do it by virtue of a
 *   user namespace.
 * - Above the limit, the request fails with ENOMEM, and none of the table, or of the batch,
 *   is in. A packet adds nothing then. The barrier is not looked at.
 *
 * cgroups have no such thing: they count the memory of tables, rules, and elements.
 *
 * A table that is replaced is charged here as a whole; rules, sets and elements of
 * nftables are objects (resource.c). The struct bc_rules of a table belongs to who
 * makes it. Once it is in use, it is protected by the mutex under which the table is
 * replaced (that of the address family in x_tables, ebt_mutex), and when it has been
 * replaced, it belongs to who frees it.
 */
#include <linux/bc/core.h>
#include <linux/bc/netfilter.h>
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>

#include "credit.h"

bool __bc_rules_replace(struct bc_rules *to, struct bc_rules *from, unsigned long n)
{
	struct bc_counter *counter;
	unsigned long same = 0;
	struct bc_css *css;

	guard(rcu)();
	css = bc_task_css_charged(current, BC_ID_numiptent);
	if (!css)
		return true;

	counter = &to_bc_resource(css)->counter;
	if (from->counter == counter)
		same = min(from->n, n);
	if (n > same && !bc_resource_try_charge(css, n - same, BC_LIMIT))
		return false;
	to->counter = n ? counter : NULL;
	to->n = n;
	from->n -= same;
	if (!from->n)
		from->counter = NULL;
	return true;
}
EXPORT_SYMBOL_GPL(__bc_rules_replace);

void __bc_rules_uncharge(struct bc_rules *rules)
{
	credit_uncharge(rules->counter, rules->n);
	bc_rules_init(rules);
}
EXPORT_SYMBOL_GPL(__bc_rules_uncharge);

const struct bc_controller bc_numiptent_controller = {
	.name		= "numiptent",
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
};
