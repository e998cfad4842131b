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

/* From the 80th allocation on, only every so manieth fails: for what takes too long. */
static int bc_fail_gap = 1;

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
	for (n = 1; n < 1000; n += n < 80 ? 1 : bc_fail_gap) {
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
	EXPECT_GT(1000, n);
	undo(dir);
}

#endif /* BC_FAILSLAB_H */
