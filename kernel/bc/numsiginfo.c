// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numsiginfo, the number of queued signals in a group.
 *
 * What an administrator should know:
 *
 * - Each signal that is queued with a siginfo counts, until it is delivered or thrown
 *   away, and so does each POSIX timer (timer_create(2)), which has one set aside. It
 *   is charged to the group of the task that it is sent to.
 * - Above the limit, it is as above RLIMIT_SIGPENDING: sigqueue(3) with a real-time
 *   signal fails with EAGAIN, and so does timer_create(2); ordinary signals are
 *   delivered, and have lost their siginfo if they came from sigqueue(3). The barrier
 *   is not looked at. What kill(2) sends and faults of the task itself are never
 *   refused, but count; there can be one of each ordinary signal in each queue.
 *
 * cgroups have no such thing. RLIMIT_SIGPENDING limits by user.
 */
#include <linux/bc/core.h>

const struct bc_controller bc_numsiginfo_controller = {
	.name		= "numsiginfo",
	.batch		= 8,
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
};
