// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numfiles, the number of open files in a group.
 *
 * What an administrator should know:
 *
 * - What counts is a struct file, which open(2), pipe(2), socket(2), accept(2),
 *   epoll_create(2), memfd_create(2) and so on make: what has a file position and
 *   flags of its own. O_PATH files count. So does shared memory, with and without a
 *   name: it is a file to the kernel. What dup(2), fork(2) and SCM_RIGHTS make is one
 *   more reference to the same file, and does not count again.
 * - A file is charged to the group of the task that opens it, and stays so until the
 *   last reference is gone: the last close(2) or munmap(2), the exit of the last task
 *   that has it, a message with it that is read or thrown away.
 * - Above the barrier, open(2) and its like fail with ENFILE, as above fs.file-max. So
 *   do execve(2), which opens the program, mmap(2) of shared memory, and a core dump.
 *   Tasks with CAP_SYS_ADMIN in the initial user namespace may go on up to the limit.
 * - Files that the kernel opens for itself without putting them into fs.file-nr do not
 *   count. Neither do those that kernel threads open.
 *
 * cgroups have no such thing. RLIMIT_NOFILE limits descriptors, of each process alone.
 */
#include <linux/bc/core.h>
#include <linux/fs.h>

static unsigned long numfiles_root_held(void)
{
	/* What /proc/sys/fs/file-nr has, which does not look at what each CPU keeps back. */
	return sum_nr_files();
}

const struct bc_controller bc_numfiles_controller = {
	.name		= "numfiles",
	.batch		= 8,
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.root_held	= numfiles_root_held,
};
