// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: kmemsize, the kernel memory that a group has made the kernel use.
 *
 * What an administrator should know:
 *
 * - What counts are the slab objects that the kernel marks as the user's (SLAB_ACCOUNT,
 *   __GFP_ACCOUNT), the same that memory cgroups count: tasks, address spaces and their
 *   mappings, credentials, files, pipes, epoll, inotify and signal queues, sockets,
 *   messages of System V IPC and UNIX sockets, semaphores, namespaces, mounts, and so on.
 *   An object counts as much as it takes in its slab, in bytes.
 * - An object is charged to the group of the task that makes it, and stays so until it is
 *   freed, by whomever. What interrupts and kernel threads make is nobody's.
 * - What does not count: dentries, inodes and whatever else the kernel can have back when
 *   memory is short, or a group that looks at many files would be at its limit for good;
 *   and memory that is taken in whole pages: kernel stacks, page tables, what is in pipes,
 *   objects above 8 KB, vmalloc().
 * - Above the barrier, what may wait is refused, above the limit, also what may not.
 *   Privileges do not help. Refused memory is ENOMEM from the system call, as if there were
 *   none left.
 * - Some things are never refused, and count above the limit, where they are in the way of
 *   the rest: what a page fault needs, the second half of execve(2), what a task needs
 *   that is being killed or exits, what a signal from the kernel brings along, what is
 *   needed to free memory.
 *
 * Memory cgroups charge the same objects (memory.current, or memory.kmem.* in version 1).
 * They have given up limits for them, as a refusal in a page fault led to the OOM killer,
 * and because nobody knew what to set them to. Look at maxheld first.
 */
#include <linux/bc/core.h>
#include <linux/gfp.h>
#include <linux/oom.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/vmstat.h>

#include "kmemsize.h"
#include "sabotage.h"

/*
 * What a charge may be refused for. A task that is killed needs memory to get to its end,
 * where it gives back more, and so does one that frees memory (PF_MEMALLOC). Behind the
 * point where execve() marks the task, there is no way back to the old program: it would
 * be killed.
 */
enum bc_severity bc_kmem_severity(gfp_t flags)
{
	if ((flags & __GFP_NOFAIL) || (current->flags & (PF_MEMALLOC | PF_EXITING)) ||
	    (current->bc_kmem_forced && !bc_sabotaged(BC_SABOTAGE_FAULT)) ||
	    current->in_execve ||
	    tsk_is_oom_victim(current) || fatal_signal_pending(current))
		return BC_FORCE;
	return gfpflags_allow_blocking(flags) ? BC_BARRIER : BC_LIMIT;
}

static unsigned long kmemsize_root_held(void)
{
	/* SUnreclaim in /proc/meminfo: what is nobody's, and what is not marked, included. */
	return global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) << PAGE_SHIFT;
}

const struct bc_controller bc_kmemsize_controller = {
	.name		= "kmemsize",
	.unit		= BC_UNIT_BYTES,
	.batch		= 16384,
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.root_held	= kmemsize_root_held,
};
