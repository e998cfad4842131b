/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Let allocations fail, one at a time. Needs a kernel with fault injection
 * (CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC, CONFIG_FAULT_INJECTION_DEBUG_FS).
 */
#ifndef BC_FAILSLAB_H
#define BC_FAILSLAB_H

#include "bc_util.h"

#define BC_DEBUGFS "/sys/kernel/debug"

static inline bool bc_fail_set_up(void)
{
	int err;

	/* Fail also what may sleep, and keep the log readable. */
	err = bc_write(BC_DEBUGFS, "failslab/ignore-gfp-wait", "N");
	err = err ?: bc_write(BC_DEBUGFS, "failslab/verbose", "0");
	err = err ?: bc_write(BC_DEBUGFS, "fail_page_alloc/ignore-gfp-wait", "N");
	err = err ?: bc_write(BC_DEBUGFS, "fail_page_alloc/verbose", "0");
	return !err && !access("/proc/self/fail-nth", W_OK);
}

static inline int bc_fail_nth(int fd, int n)
{
	char buf[16];

	return pwrite(fd, buf, snprintf(buf, sizeof(buf), "%d", n), 0);
}

/* Was a fault injected since bc_fail_nth(fd, n > 0)? */
static inline bool bc_fail_injected(int fd)
{
	char buf[16] = "";
	bool yes;

	yes = pread(fd, buf, sizeof(buf) - 1, 0) > 0 && atoi(buf) == 0;
	bc_fail_nth(fd, 0);
	return yes;
}

/* More allocations than anything makes here. */
#define BC_FAIL_MAX 3000

/*
 * From the 80th allocation on, or another one, only every so manieth fails: for what takes
 * too long. With BC_FAIL_ALL in the environment, each one does.
 */
static int bc_fail_gap = 1;
static int bc_fail_dense = 80;

static inline int bc_fail_next(int n)
{
	return n + (n < bc_fail_dense || getenv("BC_FAIL_ALL") ? 1 : bc_fail_gap);
}

/*
 * Let the first allocation of @what fail, then the second, and so on, until it gets by
 * without a failure. It ends with ENOMEM, or it succeeds because the kernel could do without
 * that allocation. After a failure, and after @undo, all is as it was before: @undone
 * says so.
 */
static inline void bc_fail_each(struct __test_metadata *_metadata,
				int (*what)(const char *dir),
				void (*undo)(const char *dir),
				bool (*undone)(const char *dir),
				const char *dir, const char *name)
{
	int fd = open("/proc/self/fail-nth", O_RDWR);
	int n, err, failed = 0;

	ASSERT_LE(0, fd);
	for (n = 1; n < BC_FAIL_MAX; n = bc_fail_next(n)) {
		ASSERT_LT(0, bc_fail_nth(fd, n));
		err = what(dir);
		if (!bc_fail_injected(fd))
			break;
		if (err)
			failed++;
		EXPECT_TRUE(err == 0 || err == -ENOMEM) {
			TH_LOG("%s: error %d at allocation %d", name, -err, n);
		}
		if (!err)
			undo(dir);
		EXPECT_TRUE(undone(dir)) {
			TH_LOG("%s: not undone at allocation %d", name, n);
		}
	}
	close(fd);
	TH_LOG("%s: up to %d allocations, %d that it needs", name, n - 1, failed);
	EXPECT_EQ(0, err);
	EXPECT_LT(0, failed);
	EXPECT_GT(BC_FAIL_MAX, n);
	undo(dir);
}

/*
 * What a group holds, but for memory: how much of that a process needs depends on what it
 * has done before, and the kernel keeps names.
 */
static inline void bc_fail_held(const char *dir, char *text, size_t size)
{
	static const char * const memory[] = {
		"privvmpages", "physpages", "kmemsize", "dcachesize",
	};
	char file[NAME_MAX + 8];
	struct dirent *de;
	size_t i, len = 0;
	long val;
	DIR *d;

	text[0] = '\0';
	d = opendir(dir);
	while (d && (de = readdir(d)) && len < size) {
		for (i = 0; i < ARRAY_SIZE(memory); i++) {
			if (!strcmp(de->d_name, memory[i]))
				break;
		}
		if (i < ARRAY_SIZE(memory))
			continue;
		snprintf(file, sizeof(file), "%s/held", de->d_name);
		val = bc_get(dir, file);
		if (val >= 0)
			len += snprintf(text + len, size - len, " %s %ld", de->d_name, val);
	}
	if (d)
		closedir(d);
}

/* bc_fail_each(), after which @dir, the group for the test, holds what it held before. */
static inline void bc_fail_all(struct __test_metadata *_metadata,
			       int (*what)(const char *dir), void (*undo)(const char *dir),
			       bool (*undone)(const char *dir), const char *dir,
			       const char *name)
{
	char before[2048], after[2048];
	int i;

	bc_fail_held(dir, before, sizeof(before));
	bc_fail_each(_metadata, what, undo, undone, dir, name);
	/* What is freed late is given back then. */
	for (i = 0; i < 500; i++) {
		bc_fail_held(dir, after, sizeof(after));
		if (!strcmp(before, after))
			break;
		usleep(20000);
	}
	EXPECT_STREQ(before, after) {
		TH_LOG("%s", name);
	}
}

#endif /* BC_FAILSLAB_H */
