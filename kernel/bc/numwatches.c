// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numwatches, the number of inotify watches and fanotify marks in a
 * group.
 *
 * What an administrator should know:
 *
 * - A watch is charged to the group of the task that calls inotify_add_watch(2) or
 *   fanotify_mark(2), and stays so until it is removed: by inotify_rm_watch(2), with
 *   the watched file, or with the instance. To change an existing one is free.
 * - Above the limit, these calls fail with ENOSPC, as they do above
 *   fs.inotify.max_user_watches and fs.fanotify.max_user_marks. The barrier is not
 *   looked at. Marks of a group with FAN_UNLIMITED_MARKS, which takes CAP_SYS_ADMIN,
 *   count, but are never refused.
 * - A watch pins an inode, which costs some hundred bytes more than the watch.
 *
 * cgroups have no such thing.
 */
#include <linux/bc/core.h>

const struct bc_controller bc_numwatches_controller = {
	.name		= "numwatches",
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
};
