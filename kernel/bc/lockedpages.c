// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: lockedpages, the memory that a group keeps from being swapped out.
 *
 * What an administrator should know:
 *
 * - Pages of mappings that are locked count, touched or not: mlock(2), mlock2(2),
 *   mlockall(2), MAP_LOCKED, and what grows while locked. It is the sum of VmLck in
 *   /proc/<pid>/status over the group's address spaces, which has memory that is pinned
 *   for VFIO as well. Two processes that lock the same page count twice.
 * - A locked SysV segment (SHM_LOCK) counts once, in the group of who has locked it, until
 *   somebody unlocks it or it goes.
 * - Above the barrier, calls fail as above RLIMIT_MEMLOCK: mlock(2), mlockall(2) and
 *   shmctl(2) with ENOMEM, mmap(2) and mremap(2) with EAGAIN; brk(2) changes nothing. A
 *   locked stack grows up to the limit. CAP_IPC_LOCK does not help. A call that is
 *   refused has locked nothing.
 * - What users lock in other ways, as buffers of io_uring, XDP or perf, has a count and
 *   a limit of its own for each user (RLIMIT_MEMLOCK), and does not count here.
 * - An address space is charged to the group of the process that made it, and moves
 *   with it; a move for which there is no room fails with ENOMEM.
 *
 * cgroups have no such thing. RLIMIT_MEMLOCK limits one process.
 */
#include <linux/bc/core.h>
#include <linux/mm.h>
#include <linux/vmstat.h>

#include "mm.h"

static int lockedpages_can_attach(const struct bc_taskset *tset)
{
	return bc_mm_can_attach(tset, BC_MM_LOCKED);
}

static void lockedpages_cancel_attach(const struct bc_taskset *tset)
{
	bc_mm_cancel_attach(tset, BC_MM_LOCKED);
}

static void lockedpages_attach(const struct bc_taskset *tset)
{
	bc_mm_attach(tset, BC_MM_LOCKED);
}

static unsigned long lockedpages_root_held(void)
{
	/* Mlocked of /proc/meminfo: of what is locked, what is in RAM, each page once. */
	return global_zone_page_state(NR_MLOCK);
}

const struct bc_controller bc_lockedpages_controller = {
	.name		= "lockedpages",
	.unit		= BC_UNIT_PAGES,
	.batch		= 64,
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.can_attach	= lockedpages_can_attach,
	.cancel_attach	= lockedpages_cancel_attach,
	.attach		= lockedpages_attach,
	.root_held	= lockedpages_root_held,
};
