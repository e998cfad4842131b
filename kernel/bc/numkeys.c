// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numkeys, the number of keys in a group.
 *
 * What an administrator should know:
 *
 * - Keys and keyrings count that count for the quota of a user (/proc/key-users). A
 *   key is charged to the group of the task that makes it: with add_key(2),
 *   request_key(2), keyctl(2), or by first using a keyring of its own. It stays so
 *   until the last reference is gone, also when its owner is changed. Keys that the
 *   kernel looks up for caches of its own (DNS, NFS id mapping) do not count.
 * - Above the limit, these calls fail with EDQUOT, as they do above
 *   kernel.keys.maxkeys. The barrier is not looked at. Keyrings that the kernel makes
 *   for a process, and that may overrun the quota, count, but are never refused.
 * - That quota still holds. It counts by user, so that all containers with the same
 *   user ids share it: raise it, and let the groups have their own limits.
 *
 * cgroups have no such thing.
 */
#include <linux/bc/core.h>

const struct bc_controller bc_numkeys_controller = {
	.name		= "numkeys",
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
};
