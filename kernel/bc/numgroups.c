// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numgroups, the number of groups below a group.
 *
 * What an administrator should know:
 *
 * - Each group counts as one in all groups above it, not in itself, from mkdir(2), or from
 *   what makes it for a new namespace, until rmdir(2). A removed group that lives on
 *   because of what is charged to it does not count: it is bounded by that.
 * - A mkdir(2) that would take any group above it over its limit fails with EAGAIN, as
 *   with cgroup.max.descendants. The barrier is not looked at. Somebody to whom a subtree
 *   was given cannot write the limit of its topmost group, and so not get around it.
 * - What is counted are the groups of the one hierarchy that has this controller, the
 *   default one unless it was bound to another: give nobody a subtree of a hierarchy that
 *   does not have it.
 * - It is what bounds the memory of groups, most of which is the counters' and counts for
 *   nobody.
 */
#include <linux/bc/core.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/lockdep.h>

/* Below the root. Written with bc_mutex held. */
static unsigned long nr_groups;

/* That of the group one level up, or NULL: a root is not charged. */
static struct bc_css *parent_css(const struct bc_css *css)
{
	struct bc_group *parent = css->group->parent;

	return parent->parent ? parent->css[BC_ID_numgroups] : NULL;
}

static int numgroups_online(struct bc_css *css)
{
	struct bc_css *parent = parent_css(css);

	lockdep_assert(bc_lock_is_held());

	if (parent && !bc_resource_try_charge(parent, 1, BC_LIMIT))
		return -EAGAIN;
	WRITE_ONCE(nr_groups, nr_groups + 1);
	return 0;
}

static void numgroups_kill(struct bc_css *css)
{
	struct bc_css *parent = parent_css(css);

	lockdep_assert(bc_lock_is_held());

	if (parent)
		bc_counter_uncharge(&to_bc_resource(parent)->counter, 1);
	WRITE_ONCE(nr_groups, nr_groups - 1);
}

static unsigned long numgroups_root_held(void)
{
	return READ_ONCE(nr_groups);
}

const struct bc_controller bc_numgroups_controller = {
	.name		= "numgroups",
	.css_alloc	= bc_resource_alloc,
	.css_online	= numgroups_online,
	.css_kill	= numgroups_kill,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.root_held	= numgroups_root_held,
};
