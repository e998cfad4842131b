// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numinotify, the number of inotify instances in a group.
 *
 * What an administrator should know:
 *
 * - An instance is charged to the group of the task that calls inotify_init(2), and
 *   stays so until its last descriptor has been closed.
 * - Above the limit, inotify_init(2) fails with EMFILE, as it does above
 *   fs.inotify.max_user_instances. The barrier is not looked at.
 * - That sysctl still holds. It counts by user, so that all containers with the same
 *   user ids share it: raise it, and let the groups have their own limits.
 *
 * cgroups have no such thing.
 */
#include <linux/bc/core.h>

const struct bc_controller bc_numinotify_controller = {
	.name		= "numinotify",
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
};
