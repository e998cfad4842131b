// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: privvmpages, the private writable memory that a group has mapped.
 *
 * What an administrator should know:
 *
 * - Pages of mappings that are private and writable count, and stacks, touched or not:
 *   what a process could dirty without asking anybody again. It is the sum of VmData and
 *   VmStk in /proc/<pid>/status over the group's address spaces, mappings with
 *   MAP_NORESERVE and of huge pages included, so that it can be looked up who has what.
 *   What is shared, or not writable, does not count; nor does it matter what is in RAM.
 * - An address space is charged to the group of the process that made it, and moves
 *   with it; a move for which there is no room fails with ENOMEM.
 * - Above the barrier, mmap(2), brk(2), mprotect(2), mremap(2), fork(2) and execve(2) fail
 *   with ENOMEM, as above RLIMIT_AS, and malloc(3) with them. A stack grows up to the
 *   limit; above it, the process gets SIGSEGV. What execve(2) maps after it has given up
 *   the old program cannot fail it any more, and the process is killed.
 * - A limit here refuses memory that may never be used, with RAM free. It is for those
 *   who want no promises that the machine cannot keep, one tenant at a time (BC v6).
 *
 * cgroups have no such thing. RLIMIT_DATA and RLIMIT_AS limit one process each.
 */
#include <linux/bc/core.h>
#include <linux/mman.h>

#include "mm.h"

static int privvmpages_can_attach(const struct bc_taskset *tset)
{
	return bc_mm_can_attach(tset, BC_MM_PRIVATE);
}

static void privvmpages_cancel_attach(const struct bc_taskset *tset)
{
	bc_mm_cancel_attach(tset, BC_MM_PRIVATE);
}

static void privvmpages_attach(const struct bc_taskset *tset)
{
	bc_mm_attach(tset, BC_MM_PRIVATE);
}

static unsigned long privvmpages_root_held(void)
{
	/* Committed_AS of /proc/meminfo, the nearest that the kernel has for all. */
	return vm_memory_committed();
}

const struct bc_controller bc_privvmpages_controller = {
	.name		= "privvmpages",
	.unit		= BC_UNIT_PAGES,
	.batch		= 64,
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.can_attach	= privvmpages_can_attach,
	.cancel_attach	= privvmpages_cancel_attach,
	.attach		= privvmpages_attach,
	.root_held	= privvmpages_root_held,
};
