// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numflock, the number of file locks in a group.
 *
 * What an administrator should know:
 *
 * - POSIX locks (fcntl(2), lockf(3)), open file description locks, flock(2) locks and
 *   leases count, each contiguous range with one owner and one type as one, as in
 *   /proc/locks. Ranges that are merged count as one, ranges that are split as two or
 *   three. Requests that wait do not count.
 * - A lock is charged to the group of the task that sets it, and stays so until it is
 *   removed, by whomever. A lock that replaces another one of the same owner takes
 *   over its charge, so that converting a lock does not need room.
 * - On a filesystem that keeps locks elsewhere (NFS, SMB, GFS2 and others, FUSE), each
 *   request to lock needs room, whatever becomes of it, because what a server has
 *   granted cannot be refused. What is split there is never refused.
 * - Above the limit, these calls fail with ENOLCK, and nothing is changed. That is so
 *   for unlocking a part in the middle of a range, too, as it leaves two behind where
 *   one was; or a group could have any number of locks. Unlocking to the end of what
 *   is locked always succeeds. The barrier is not looked at.
 *
 * cgroups have no such thing. Linux has had a limit for locks (RLIMIT_LOCKS), and has
 * none now: the memory for them is not even charged to memory cgroups.
 */
#include <linux/bc/core.h>

const struct bc_controller bc_numflock_controller = {
	.name		= "numflock",
	.batch		= 8,
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
};
