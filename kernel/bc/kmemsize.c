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
 * - So do whole pages: page tables, stacks that tasks have in the kernel, what is in pipes,
 *   large objects, vmalloc().
 * - What does not count: dentries, inodes and whatever else the kernel can have back when
 *   memory is short, or a group that looks at many files would be at its limit for good.
 * - Above the barrier, what may wait is refused, above the limit, also what may not.
 *   Privileges do not help. Refused memory is ENOMEM from the system call, as if there were
 *   none left.
 * - Some things are never refused, and count above the limit, where they are in the way of
 *   the rest: what a page fault needs, the second half of execve(2), what a task needs
 *   that is being killed or exits, what a signal from the kernel brings along, what is
 *   needed to free memory. Whose page faults go further than an eighth above the limit is
 *   killed.
 *
 * Memory cgroups charge the same objects (memory.current, or memory.kmem.* in version 1).
 * They have given up limits for them, as a refusal in a page fault led to the OOM killer,
 * and because nobody knew what to set them to. Look at maxheld first.
 */
#include <linux/bc/core.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/oom.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/vmstat.h>

#include "kmemsize.h"
#include "pages.h"
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
	    current->in_execve || fatal_signal_pending(current))
		return BC_FORCE;
	/* Who becomes one in this moment is not yet in need. */
	if (data_race(tsk_is_oom_victim(current)))
		return BC_FORCE;
	return gfpflags_allow_blocking(flags) ? BC_BARRIER : BC_LIMIT;
}

/* How far page faults may take a group above its limit. */
static unsigned long fault_reserve(unsigned long limit)
{
	return max(limit / 8, (unsigned long)SZ_1M);
}

/*
 * A page fault of the current task has made a group's counters grow by @n. Nobody could be
 * told of a refusal, but it is not to go on for ever: page tables for what is mapped and
 * not written are in no other resource.
 */
static void stop_faults(struct bc_css *css, unsigned long n)
{
	struct bc_counter *c;

	for (c = &to_bc_resource(css)->counter; c; c = c->parent) {
		unsigned long limit = bc_counter_limit(c);

		/* There is no credit above a limit. */
		if (likely(atomic_long_read(&c->held) <= limit + fault_reserve(limit)))
			continue;
		bc_resource_refuse(css, c, n, BC_LIMIT);
		pr_info_ratelimited("bc: %s[%d] is killed: page faults have taken its group far above the limit of kmemsize\n",
				    current->comm, task_pid_nr(current));
		send_sig(SIGKILL, current, 1);
		break;
	}
}

/**
 * bc_kmem_try_charge_pages - charge a group for pages of the current task
 * @css: the state of kmemsize for the group
 * @n: bytes
 * @flags: as given to the allocator
 *
 * May kill the task, so not for what is allocated under its siglock, as what a signal
 * needs is.
 *
 * Context: as bc_resource_try_charge().
 * Return: true if charged; else the refusal was counted and told.
 */
bool bc_kmem_try_charge_pages(struct bc_css *css, unsigned long n, gfp_t flags)
{
	if (!bc_resource_try_charge(css, n, bc_kmem_severity(flags)))
		return false;
	if (current->bc_kmem_forced && !fatal_signal_pending(current))
		stop_faults(css, n);
	return true;
}

static struct bc_css *kmemsize_css_alloc(const struct bc_controller *controller,
					 struct bc_css *parent)
{
	int err = parent ? bc_pages_enable() : 0;

	return err ? ERR_PTR(err) : bc_resource_alloc(controller, parent);
}

/* What is nobody's, and what is not marked as a user's, included; see /proc/meminfo. */
static unsigned long kmemsize_root_held(void)
{
	unsigned long pages = global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) +
			      global_node_page_state(NR_PAGETABLE);

	return (pages << PAGE_SHIFT) + (global_node_page_state(NR_KERNEL_STACK_KB) << 10);
}

const struct bc_controller bc_kmemsize_controller = {
	.name		= "kmemsize",
	.unit		= BC_UNIT_BYTES,
	.batch		= 65536,
	.css_alloc	= kmemsize_css_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.root_held	= kmemsize_root_held,
};
