/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of physpages and swappages share: two groups, puppets with memory, and
 * swap for it.
 */
#ifndef BC_ANON_H
#define BC_ANON_H

#include <linux/mman.h>
#include <sys/swap.h>
#include <sys/sysmacros.h>

#include "bc_mm.h"

#define BC_HUGE (2UL << 20)
#define BC_HUGE_PAGES (BC_HUGE / BC_PAGE)

/* Enough for the name of a group of ours. */
#define BC_DIR 80

static const char * const bc_disk = "/dev/ram0";

/* Before what else there is, so that pages go there and nowhere else. */
#define BC_SWAP_PRIORITY 32000

/* Let the kernel have 48 MB of a RAM disk as a swap device. */
static inline int bc_swap_on_to(const char *disk, int minor, int priority)
{
	static union {
		char page[BC_PAGE];
		struct {
			char boot[1024];
			uint32_t version, last_page, nr_bad;
		};
	} header;
	ssize_t ret;
	int fd;

	mknod(disk, S_IFBLK | 0600, makedev(1, minor));
	fd = open(disk, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	header.version = 1;
	header.last_page = (48 << 20) / BC_PAGE - 1;
	memcpy(header.page + BC_PAGE - 10, "SWAPSPACE2", 10);
	ret = pwrite(fd, header.page, BC_PAGE, 0);
	fsync(fd);
	close(fd);
	if (ret != BC_PAGE)
		return -EIO;
	return swapon(disk, SWAP_FLAG_PREFER | priority) ? -errno : 0;
}

static inline int bc_swap_on(void)
{
	return bc_swap_on_to(bc_disk, 0, BC_SWAP_PRIORITY);
}

/* And take it back. If that fails, the end of the test tries again. */
static inline int bc_swap_off(bool *on)
{
	if (swapoff(bc_disk))
		return -errno;
	*on = false;
	return 0;
}

/* The same for a test that cannot do without. Return: false, the test is to be left. */
static inline bool bc_have_swap(struct __test_metadata *_metadata, bool *on)
{
	if (access("/proc/swaps", F_OK) || access("/sys/block/ram0", F_OK))
		SKIP(return false, "no swap, or no RAM disk");
	ASSERT_EQ(0, bc_swap_on());
	*on = true;
	return true;
}

/* So that the pages that it has to copy are not in our way. */
static inline void bc_warm_up(int i)
{
	long p = bc_puppet_map(i, 0, 4, BC_RW, MAP_PRIVATE);

	bc_call(i, BC_CALL_FILL, p, 4);
	bc_call(i, BC_CALL_CHECK, p, 4);
	bc_call(i, SYS_munmap, p, 4 * BC_PAGE);
	/* Nor those that a CPU keeps on their way to the kernel's lists. */
	bc_write("/proc/sys/vm", "drop_caches", "1");
}

static inline int bc_start_in(const char *dir, int i)
{
	int err = bc_puppet_start(i);

	err = err ?: bc_write(dir, "tasks", "%d", bc_puppets[i].pid);
	if (!err)
		bc_warm_up(i);
	return err;
}

static inline void bc_child(char *path, const char *dir, const char *name)
{
	snprintf(path, BC_DIR, "%.60s/%s", dir, name);
}

/* A group of ours, with two below it, and the first puppet in the first one. */
static inline int bc_two_groups(char *dir, char *a, char *b)
{
	int err = bc_set_up(dir, BC_DIR);

	bc_child(a, dir, "a");
	bc_child(b, dir, "b");
	err = err ?: bc_mkdir(dir, "a");
	err = err ?: bc_mkdir(dir, "b");
	err = err ?: bc_puppets_init();
	return err ?: bc_start_in(a, 0);
}

/* What a file like smaps_rollup or status in /proc/<pid> says of @name, in kB. */
static inline long bc_kb_of(const char *dir, const char *file, const char *name)
{
	char path[PATH_MAX], line[128];
	size_t len = strlen(name);
	long kb = -ENODATA;
	FILE *f;

	bc_path(path, dir, file);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, len) && line[len] == ':')
			kb = strtol(line + len + 1, NULL, 10);
	}
	fclose(f);
	return kb;
}

static inline void bc_proc_dir(char *path, size_t size, int i)
{
	snprintf(path, size, "/proc/%d", bc_puppets[i].pid);
}

/* What of @name a process has, in pages. */
static inline long bc_pages_of(int i, const char *name)
{
	char dir[32];
	long kb;

	bc_proc_dir(dir, sizeof(dir), i);
	kb = bc_kb_of(dir, "status", name);
	return kb < 0 ? kb : kb * 1024 / (long)BC_PAGE;
}

static inline long bc_map_filled(int i, size_t pages)
{
	long p = bc_puppet_map(i, 0, pages, BC_RW, MAP_PRIVATE);

	return p < 0 ? p : bc_call(i, BC_CALL_FILL, p, pages) ?: p;
}

static inline long bc_map_huge(int i, size_t n)
{
	long p = bc_puppet_map(i, 0, (n + 1) * BC_HUGE_PAGES, BC_RW, MAP_PRIVATE);

	if (p < 0)
		return p;
	p = (p + BC_HUGE - 1) & ~(BC_HUGE - 1);
	return bc_call(i, SYS_madvise, p, n * BC_HUGE, MADV_HUGEPAGE) ?: p;
}

#endif /* BC_ANON_H */
