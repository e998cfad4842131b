// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numpty, the number of pseudo-terminals in a group.
 *
 * What an administrator should know:
 *
 * - A pair of master and slave counts as one. It is charged to the group of the task
 *   that opens /dev/ptmx, and stays so until both ends have been closed.
 * - Above the limit, that fails with ENOSPC, as it does above kernel.pty.max and the
 *   "max" option of devpts. The barrier is not looked at.
 * - BSD-style ptys (/dev/ptyp0) are not counted. There are 256 at most.
 *
 * cgroups have no such thing.
 */
#include <linux/bc/core.h>
#include <linux/devpts_fs.h>

static unsigned long numpty_root_held(void)
{
	/* As /proc/sys/kernel/pty/nr has it. */
	return devpts_count();
}

const struct bc_controller bc_numpty_controller = {
	.name		= "numpty",
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.root_held	= numpty_root_held,
};
