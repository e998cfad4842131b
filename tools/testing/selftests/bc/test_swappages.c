// SPDX-License-Identifier: GPL-2.0
/*
 * swappages: slots that are charged and given back, and what stays in RAM.
 *
 * Swap is a RAM disk. What is in one place only, as it has been read back, loses its slot
 * there at once, as the kernel sees no use in a copy that is in RAM as well. Pages are
 * written out by MADV_PAGEOUT, which knows of no limit; or by reclaim, which does.
 */
#include "bc_anon.h"
#include "bc_failslab.h"
#include "bc_proc.h"

static const char *held = "swappages/held";
static const char *maxheld = "swappages/maxheld";
static const char *limit = "swappages/limit";
static const char *barrier = "swappages/barrier";
static const char *failcnt = "swappages/failcnt";
static const char *ram = "physpages/held";
static const char *ram_limit = "physpages/limit";
static const char *kills = "physpages/oom_kills";

/* By this name in the kernel, it is made. */
#define TABLE "make_swap_owners"

FIXTURE(swap) {
	char dir[BC_DIR];
	char a[BC_DIR];
	char b[BC_DIR];
	bool swap;
};

static const char *unavailable(void)
{
	const char *why = bc_unavailable();

	if (!why && bc_get(BC_ROOT, "swappages") == -ENOENT)
		why = "no swappages in this kernel";
	return why;
}

FIXTURE_SETUP(swap)
{
	int err;

	if (unavailable())
		SKIP(return, "%s", unavailable());
	/* First, as who is skipped leaves what there is. */
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	err = bc_two_groups(self->dir, self->a, self->b);
	if (err)
		swapoff(bc_disk);
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(swap)
{
	if (!self->dir[0])
		return;
	bc_puppets_kill();
	EXPECT_EQ(0, bc_settle(self->a, held, 0));
	EXPECT_EQ(0, bc_settle(self->b, held, 0));
	if (self->swap)
		EXPECT_EQ(0, swapoff(bc_disk));
	/* Whatever has been read from there was charged once. */
	EXPECT_EQ(0, bc_settle(self->dir, ram, 0));
	bc_expect_clean(_metadata, self->dir);
}

/* How many devices are swapped on. */
static int swap_devices(void)
{
	char text[4096], *line;
	int n = 0;

	if (bc_read("/proc", "swaps", text, sizeof(text)))
		return 0;
	/* There is a line above. */
	for (line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n'))
		n++;
	return n;
}

/*
 * Have a puppet write pages to swap, until it has @want there, of these and others. Returns
 * how many it has. What CPUs keep on its way to the kernel's lists cannot be had at once.
 */
static long page_out(int i, long p, size_t pages, long want)
{
	long swapped = 0;
	int n;

	for (n = 0; n < 50; n++) {
		bc_call(i, SYS_madvise, p, pages * BC_PAGE, MADV_PAGEOUT);
		swapped = bc_pages_of(i, "VmSwap");
		if (swapped >= want)
			break;
		bc_write("/proc/sys/vm", "drop_caches", "1");
	}
	return swapped;
}

/* New memory that is in swap, and nothing else of the puppet. */
static long map_swapped(int i, size_t pages)
{
	long p = bc_map_filled(i, pages), want = bc_pages_of(i, "VmSwap") + pages;

	if (p < 0)
		return p;
	return page_out(i, p, pages, want) == want ? p : -EAGAIN;
}

TEST_F(swap, out_and_in)
{
	long p = bc_map_filled(0, 60), val = bc_get(self->a, ram);

	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_get(self->a, held));
	EXPECT_EQ(60, page_out(0, p, 60, 60));
	EXPECT_EQ(60, bc_get(self->a, held));
	EXPECT_EQ(60, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_get(self->b, held));
	EXPECT_LE(60, bc_get(BC_ROOT, held));
	EXPECT_EQ(val - 60, bc_settle(self->a, ram, val - 60));
	/* Written to, then read. */
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, 20));
	EXPECT_EQ(40, bc_settle(self->a, held, 40));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 60));
	EXPECT_EQ(0, bc_settle(self->a, held, 0));
	EXPECT_EQ(val, bc_settle(self->a, ram, val));
	/* Once more: slots have been used before. */
	EXPECT_EQ(60, page_out(0, p, 60, 60));
	EXPECT_EQ(60, bc_get(self->a, held));
	EXPECT_EQ(0, bc_get(self->a, failcnt));
}

TEST_F(swap, freed)
{
	long p = map_swapped(0, 90);

	ASSERT_LT(0, p);
	EXPECT_EQ(90, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, 20 * BC_PAGE, MADV_DONTNEED));
	EXPECT_EQ(70, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p + 20 * BC_PAGE, 20 * BC_PAGE, MADV_FREE));
	EXPECT_EQ(50, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 60 * BC_PAGE));
	EXPECT_EQ(30, bc_get(self->a, held));
	bc_puppet_kill(0);
	EXPECT_EQ(0, bc_settle(self->a, held, 0));
}

TEST_F(swap, off)
{
	long p = map_swapped(0, 50);
	int n = bc_tables(TABLE);

	ASSERT_LT(0, p);
	EXPECT_EQ(50, bc_get(self->a, held));
	EXPECT_EQ(0, bc_swap_off(&self->swap));
	EXPECT_EQ(0, bc_get(self->a, held));
	EXPECT_LE(50, bc_get(self->a, ram));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 50));
	EXPECT_EQ(n - 1, bc_tables(TABLE));
	/* Again, and there are groups already. */
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	EXPECT_EQ(n, bc_tables(TABLE));
	EXPECT_EQ(50, page_out(0, p, 50, 50));
	EXPECT_EQ(50, bc_get(self->a, held));
}

/* What is shared has one slot, as long as one of them is left. */
TEST_F(swap, fork)
{
	long p = map_swapped(0, 50);

	ASSERT_LT(0, p);
	ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	EXPECT_EQ(0, bc_write(self->b, "tasks", "%d", bc_puppets[1].pid));
	EXPECT_EQ(50, bc_pages_of(1, "VmSwap"));
	EXPECT_EQ(50, bc_get(self->a, held));
	EXPECT_EQ(0, bc_get(self->b, held));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 50 * BC_PAGE));
	EXPECT_EQ(50, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, p, 20));
	EXPECT_EQ(30, bc_settle(self->a, held, 30));
	EXPECT_EQ(0, bc_call(1, SYS_munmap, p, 50 * BC_PAGE));
	EXPECT_EQ(0, bc_settle(self->a, held, 0));
}

/* A slot stays with who has paid for the page. */
TEST_F(swap, move)
{
	long p = map_swapped(0, 50), q;

	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_write(self->b, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(50, bc_get(self->a, held));
	q = map_swapped(0, 30);
	ASSERT_LT(0, q);
	EXPECT_EQ(50, bc_get(self->a, held));
	EXPECT_EQ(30, bc_get(self->b, held));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 20 * BC_PAGE));
	EXPECT_EQ(30, bc_get(self->a, held));
	EXPECT_EQ(30, bc_get(self->b, held));
	/* And in the root, nobody pays. */
	EXPECT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_LT(0, map_swapped(0, 30));
	EXPECT_EQ(30, bc_get(self->a, held));
	EXPECT_EQ(30, bc_get(self->b, held));
	EXPECT_EQ(60, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, q, 30 * BC_PAGE));
	EXPECT_EQ(0, bc_get(self->b, held));
	EXPECT_EQ(30, bc_get(self->a, held));
}

/* Pages side by side in memory, and in swap, that two groups have paid for by turns. */
TEST_F(swap, neighbours)
{
	long p = bc_puppet_map(0, 0, 60, BC_RW, MAP_PRIVATE);
	int i;

	ASSERT_LT(0, p);
	for (i = 0; i < 60; i += 2)
		EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p + i * BC_PAGE, 1));
	EXPECT_EQ(0, bc_write(self->b, "tasks", "%d", bc_puppets[0].pid));
	for (i = 1; i < 60; i += 2)
		EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p + i * BC_PAGE, 1));
	EXPECT_EQ(60, page_out(0, p, 60, 60));
	EXPECT_EQ(30, bc_get(self->a, held));
	EXPECT_EQ(30, bc_get(self->b, held));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 20 * BC_PAGE));
	EXPECT_EQ(20, bc_get(self->a, held));
	EXPECT_EQ(20, bc_get(self->b, held));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p + 20 * BC_PAGE, 40 * BC_PAGE));
	EXPECT_EQ(0, bc_get(self->a, held));
	EXPECT_EQ(0, bc_get(self->b, held));
	EXPECT_EQ(0, bc_get(self->dir, held));
}

/* A group that was removed is there until its last slot is freed, and no longer. */
TEST_F(swap, outlive)
{
	long groups = bc_settle(BC_GROUPS, "groups", bc_live_groups()), p, q;
	char c[BC_DIR];

	if (groups < 0)
		SKIP(return, "the kernel does not say how many groups there are");
	ASSERT_EQ(0, bc_mkdir(self->dir, "c"));
	bc_child(c, self->dir, "c");
	ASSERT_EQ(0, bc_start_in(c, 1));
	p = map_swapped(1, 40);
	q = bc_map_filled(1, 10);
	ASSERT_LT(0, p);
	ASSERT_LT(0, q);
	EXPECT_EQ(40, bc_get(c, held));
	/* What it has in swap keeps it, as what it has in RAM does. */
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", bc_puppets[1].pid));
	EXPECT_EQ(0, rmdir(c));
	EXPECT_EQ(40, bc_get(self->dir, held));
	EXPECT_EQ(groups + 1, bc_get(BC_GROUPS, "groups"));
	/* The page is of a group that is none any more: the next one pays for the slot. */
	EXPECT_EQ(50, page_out(1, q, 10, 50));
	EXPECT_EQ(50, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_call(1, SYS_munmap, p, 40 * BC_PAGE));
	EXPECT_EQ(10, bc_get(self->dir, held));
	bc_puppet_kill(1);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	EXPECT_EQ(groups, bc_settle(BC_GROUPS, "groups", groups));
}

/* Pages stay in RAM, and nothing happens to anybody. */
TEST_F(swap, limit)
{
	long p = bc_map_filled(0, 100);

	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_write(self->a, limit, "30"));
	EXPECT_EQ(30, page_out(0, p, 100, 30));
	EXPECT_EQ(30, bc_get(self->a, held));
	EXPECT_EQ(30, bc_get(self->a, maxheld));
	EXPECT_LT(0, bc_get(self->a, failcnt));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
	EXPECT_LE(70, bc_get(self->a, ram));
	/* What is above a new limit stays, and nothing comes to it. */
	EXPECT_EQ(0, bc_write(self->a, limit, "10"));
	bc_call(0, SYS_madvise, p, 100 * BC_PAGE, MADV_PAGEOUT);
	EXPECT_EQ(30, bc_get(self->a, held));
	EXPECT_EQ(30, bc_pages_of(0, "VmSwap"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 100));
	EXPECT_EQ(0, bc_settle(self->a, held, 0));
	EXPECT_EQ(10, page_out(0, p, 100, 10));
	EXPECT_EQ(10, bc_get(self->a, held));
	EXPECT_EQ(0, bc_write(self->a, limit, "max"));
	EXPECT_EQ(100, page_out(0, p, 100, 100));
	EXPECT_EQ(100, bc_get(self->a, held));
	EXPECT_EQ(0, bc_get(self->a, kills));
}

/* The limit of a group above. */
TEST_F(swap, parent)
{
	long p;

	ASSERT_EQ(0, bc_start_in(self->b, 1));
	EXPECT_EQ(0, bc_write(self->dir, limit, "50"));
	EXPECT_LT(0, map_swapped(0, 30));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
	p = bc_map_filled(1, 60);
	ASSERT_LT(0, p);
	EXPECT_EQ(20, page_out(1, p, 60, 20));
	EXPECT_EQ(30, bc_get(self->a, held));
	EXPECT_EQ(20, bc_get(self->b, held));
	EXPECT_EQ(50, bc_get(self->dir, held));
	EXPECT_LT(0, bc_get(self->dir, failcnt));
	EXPECT_EQ(0, bc_get(self->a, failcnt));
	EXPECT_EQ(0, bc_get(self->b, failcnt));
}

/*
 * Two read what they share, and have it in RAM then. The slots are of use as long as there
 * are many: who writes the pages out again need not write anything.
 */
TEST_F(swap, barrier)
{
	long p = map_swapped(0, 40);

	ASSERT_LT(0, p);
	ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 40));
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, p, 40));
	EXPECT_EQ(0, bc_pages_of(0, "VmSwap"));
	EXPECT_EQ(0, bc_pages_of(1, "VmSwap"));
	EXPECT_EQ(40, bc_get(self->a, held));
	bc_puppet_kill(1);
	EXPECT_EQ(40, page_out(0, p, 40, 40));
	EXPECT_EQ(40, bc_get(self->a, held));
	/* Half of it is enough. Also of the one above. */
	EXPECT_EQ(0, bc_write(self->dir, barrier, "2"));
	ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 40));
	EXPECT_EQ(40, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, p, 40));
	EXPECT_EQ(0, bc_settle(self->a, held, 0));
	/* It is not what a charge fails above. */
	bc_puppet_kill(1);
	EXPECT_EQ(40, page_out(0, p, 40, 40));
	EXPECT_EQ(40, bc_get(self->a, held));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
}

/* What physpages has no room for. */
TEST_F(swap, reclaim)
{
	long p, val;

	EXPECT_EQ(0, bc_write(self->a, ram_limit, "%ld", bc_get(self->a, ram) + 100));
	p = bc_map_filled(0, 300);
	ASSERT_LT(0, p);
	val = bc_get(self->a, held);
	EXPECT_LE(200, val);
	EXPECT_LE(bc_pages_of(0, "VmSwap"), val);
	EXPECT_EQ(val, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 300));
	EXPECT_EQ(0, bc_get(self->a, failcnt));
	EXPECT_EQ(0, bc_get(self->a, kills));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 300 * BC_PAGE));
}

/* No room in RAM, nor in swap: it is as without swap, and as soon. */
TEST_F(swap, both_limits)
{
	long q;

	ASSERT_EQ(0, bc_start_in(self->b, 1));
	q = bc_map_filled(1, 100);
	ASSERT_LT(0, q);
	EXPECT_EQ(0, bc_write(self->a, ram_limit, "%ld", bc_get(self->a, ram) + 100));
	EXPECT_EQ(0, bc_write(self->a, limit, "50"));
	/* There is some for both together. */
	EXPECT_LT(0, bc_map_filled(0, 120));
	EXPECT_EQ(0, bc_get(self->a, kills));
	EXPECT_LE(20, bc_get(self->a, held));
	EXPECT_EQ(-EPIPE, bc_map_filled(0, 300));
	EXPECT_EQ(1, bc_get(self->a, kills));
	EXPECT_GE(50, bc_get(self->a, maxheld));
	/* Not each page that was looked at. */
	EXPECT_LT(0, bc_get(self->a, failcnt));
	EXPECT_GT(100, bc_get(self->a, failcnt));
	EXPECT_EQ(0, bc_settle(self->a, held, 0));
	/* Nobody else has had to suffer. */
	EXPECT_EQ(0, bc_pages_of(1, "VmSwap"));
	EXPECT_EQ(0, bc_get(self->b, kills));
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, q, 100));
}

/* Who asks for it does not get more than there is room for. */
TEST_F(swap, on_demand)
{
	long p = bc_map_filled(0, 100);

	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_write(self->a, limit, "30"));
	EXPECT_EQ(0, bc_write(self->a, "physpages/reclaim", "20"));
	EXPECT_EQ(-EAGAIN, bc_write(self->a, "physpages/reclaim", "1G"));
	EXPECT_EQ(30, bc_get(self->a, held));
	EXPECT_LT(0, bc_get(self->a, failcnt));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 100));
}

/* Shared memory is in shmpages, wherever it is. */
TEST_F(swap, shmem)
{
	long base = bc_pages_of(0, "RssShmem"), p;
	int n;

	p = bc_puppet_map(0, 0, 40, BC_RW, MAP_SHARED);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, 40));
	EXPECT_EQ(base + 40, bc_pages_of(0, "RssShmem"));
	for (n = 0; n < 50 && bc_pages_of(0, "RssShmem") > base; n++) {
		bc_write("/proc/sys/vm", "drop_caches", "1");
		bc_call(0, SYS_madvise, p, 40 * BC_PAGE, MADV_PAGEOUT);
	}
	EXPECT_EQ(base, bc_pages_of(0, "RssShmem"));
	EXPECT_LE(40, bc_get(BC_ROOT, held));
	EXPECT_EQ(0, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 40));
	EXPECT_EQ(0, bc_get(self->a, maxheld));
}

/* Three at once, of two groups. */
TEST_F(swap, together)
{
	const struct bc_call *call;
	struct bc_call out[3], in[3];
	long p[3];
	int i, n;

	ASSERT_EQ(0, bc_start_in(self->a, 1));
	ASSERT_EQ(0, bc_start_in(self->b, 2));
	for (i = 0; i < 3; i++) {
		p[i] = bc_map_filled(i, 60);
		ASSERT_LT(0, p[i]);
		out[i] = (struct bc_call){ SYS_madvise, { p[i], 60 * BC_PAGE, MADV_PAGEOUT } };
		in[i] = (struct bc_call){ BC_CALL_FILL, { p[i], 60 } };
	}
	for (n = 0; n < 20; n++) {
		for (i = 0; i < 3; i++) {
			call = (n + i) % 2 ? &in[i] : &out[i];
			EXPECT_EQ(0, bc_call_send(i, call));
		}
		for (i = 0; i < 3; i++)
			EXPECT_EQ(0, bc_call_answer(i));
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, bc_call(i, BC_CALL_FILL, p[i], 60));
		EXPECT_EQ(60, page_out(i, p[i], 60, 60));
	}
	EXPECT_EQ(120, bc_get(self->a, held));
	EXPECT_EQ(60, bc_get(self->b, held));
	EXPECT_EQ(180, bc_get(self->dir, held));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, bc_call(i, SYS_munmap, p[i], 60 * BC_PAGE));
	EXPECT_EQ(0, bc_settle(self->a, held, 0));
	EXPECT_EQ(0, bc_settle(self->b, held, 0));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
}

/*
 * Devices have tables of their own, and one that is swapped off gives back what was in it,
 * and no more.
 */
TEST_F(swap, two_devices)
{
	const char *other = "/dev/ram1";
	long p = map_swapped(0, 50), q, val;
	int n = bc_tables(TABLE);

	ASSERT_LT(0, p);
	if (access("/sys/block/ram1", F_OK))
		SKIP(return, "one RAM disk only");
	ASSERT_EQ(0, bc_swap_on_to(other, 1, BC_SWAP_PRIORITY + 1));
	EXPECT_EQ(n + 1, bc_tables(TABLE));
	/* More than CPUs have places ready for in the first one. */
	q = map_swapped(0, 500);
	EXPECT_LT(0, q);
	EXPECT_EQ(550, bc_get(self->a, held));

	EXPECT_EQ(0, bc_swap_off(&self->swap));
	EXPECT_EQ(n, bc_tables(TABLE));
	val = bc_pages_of(0, "VmSwap");
	EXPECT_LT(0, val);
	EXPECT_GE(500, val);
	EXPECT_EQ(val, bc_settle(self->a, held, val));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 50));
	EXPECT_EQ(val, bc_get(self->a, held));

	EXPECT_EQ(0, swapoff(other));
	EXPECT_EQ(n - 1, bc_tables(TABLE));
	EXPECT_EQ(0, bc_settle(self->a, held, 0));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, q, 500));
}

/* A device goes while pages go there, and while they come from there. */
TEST_F(swap, off_meanwhile)
{
	const size_t len = 500 * BC_PAGE;
	struct bc_call out, in;
	long p[2];
	int i, n;

	if (swap_devices() > 1)
		SKIP(return, "pages would go to another device meanwhile");
	ASSERT_EQ(0, bc_start_in(self->b, 1));
	for (i = 0; i < 2; i++) {
		p[i] = bc_map_filled(i, 500);
		ASSERT_LT(0, p[i]);
	}
	/* Where it is wrong, it is slow. */
	for (n = 0; n < 8 && __test_passed(_metadata); n++) {
		for (i = 0; i < 2; i++) {
			out = (struct bc_call){ SYS_madvise, { p[i], len, MADV_PAGEOUT } };
			in = (struct bc_call){ BC_CALL_FILL, { p[i], 500 } };
			EXPECT_EQ(0, bc_call_send(i, &out));
			/* Both ways, or one of them only. */
			if (n % 2)
				EXPECT_EQ(0, bc_call_send(i, &in));
		}
		usleep(n * 20000);
		EXPECT_EQ(0, bc_swap_off(&self->swap));
		for (i = 0; i < 2; i++) {
			EXPECT_EQ(0, bc_call_answer(i));
			if (n % 2)
				EXPECT_EQ(0, bc_call_answer(i));
			EXPECT_EQ(0, bc_pages_of(i, "VmSwap"));
			EXPECT_EQ(0, bc_call(i, BC_CALL_CHECK, p[i], 500));
		}
		EXPECT_EQ(0, bc_settle(self->a, held, 0));
		EXPECT_EQ(0, bc_settle(self->b, held, 0));
		EXPECT_EQ(0, bc_settle(self->dir, held, 0));
		if (!bc_have_swap(_metadata, &self->swap))
			return;
	}
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
	/* There was something to be given back. */
	EXPECT_LT(0, bc_get(self->a, maxheld));
	EXPECT_LT(0, bc_get(self->b, maxheld));
}

/* A huge page goes whole, or what there is room for of it. */
TEST_F(swap, huge)
{
	long base = bc_get(self->a, ram), p = bc_map_huge(0, 2), pages = BC_HUGE_PAGES;

	if (p == -EINVAL)
		SKIP(return, "no huge pages");
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, BC_CALL_TOUCH, p));
	EXPECT_EQ(0, bc_call(0, BC_CALL_TOUCH, p + BC_HUGE));
	if (bc_get(self->a, ram) != base + 2 * pages)
		SKIP(return, "no huge page to be had");
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, 2 * pages));
	EXPECT_EQ(pages, page_out(0, p, pages, pages));
	EXPECT_EQ(pages, bc_get(self->a, held));
	/* From the middle of it. */
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p + 100 * BC_PAGE, 100 * BC_PAGE));
	EXPECT_EQ(pages - 100, bc_get(self->a, held));

	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", pages - 50));
	EXPECT_EQ(pages - 50, page_out(0, p + BC_HUGE, pages, pages - 50));
	EXPECT_EQ(pages - 50, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p + BC_HUGE, pages));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 100));
	EXPECT_EQ(0, bc_get(self->a, kills));
}

static int try_swapon(const char *dir)
{
	return swapon(bc_disk, 0) ? -errno : 0;
}

static void undo_swapon(const char *dir)
{
	swapoff(bc_disk);
}

/* How many tables there were. */
static int tables;

static bool no_new_table(const char *dir)
{
	return bc_tables(TABLE) == tables;
}

/* With groups about, a device that has no table is not swapped on. */
TEST_F_TIMEOUT(swap, no_memory_for_swapon, 1200)
{
	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	ASSERT_EQ(0, bc_swap_off(&self->swap));
	tables = bc_tables(TABLE);
	bc_fail_gap = 20;
	bc_fail_each(_metadata, try_swapon, undo_swapon, no_new_table, NULL, "swapon");
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	EXPECT_EQ(tables + 1, bc_tables(TABLE));
	EXPECT_LT(0, map_swapped(0, 20));
	EXPECT_EQ(20, bc_get(self->a, held));
}

/* No group is there, and no swap device. */
FIXTURE(first) {
	char dir[BC_DIR];
	int tables;
	bool swap;
};

FIXTURE_SETUP(first)
{
	if (unavailable())
		SKIP(return, "%s", unavailable());
	if (bc_settle(BC_GROUPS, "groups", 0))
		SKIP(return, "there are groups, or the kernel does not say how many");
	if (swap_devices())
		SKIP(return, "there is swap in use");
	self->tables = bc_tables(TABLE);
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	snprintf(self->dir, sizeof(self->dir), BC_ROOT "/selftest-%d", getpid());
}

FIXTURE_TEARDOWN(first)
{
	bc_puppets_kill();
	if (bc_is_group(self->dir)) {
		EXPECT_EQ(0, bc_settle(self->dir, held, 0));
		EXPECT_EQ(NULL, bc_tear_down(self->dir));
	}
	if (self->swap)
		EXPECT_EQ(0, swapoff(bc_disk));
	EXPECT_EQ(self->tables, bc_tables(TABLE));
}

static int try_mkdir(const char *dir)
{
	return mkdir(dir, 0755) ? -errno : 0;
}

static void undo_mkdir(const char *dir)
{
	rmdir(dir);
}

static bool no_group(const char *dir)
{
	return access(dir, F_OK);
}

/* The first group is not made without the tables, and a failed one does not count. */
TEST_F_TIMEOUT(first, no_memory_for_mkdir, 1200)
{
	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	EXPECT_EQ(self->tables, bc_tables(TABLE));
	bc_fail_gap = 20;
	bc_fail_each(_metadata, try_mkdir, undo_mkdir, no_group, self->dir, "mkdir");
	EXPECT_EQ(self->tables + 1, bc_tables(TABLE));
	EXPECT_EQ(0, bc_settle(BC_GROUPS, "groups", 0));
	/* There is none any more, so that swapon(2) makes no table. */
	EXPECT_EQ(0, bc_swap_off(&self->swap));
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	EXPECT_EQ(self->tables, bc_tables(TABLE));
}

/*
 * The table of a swap device is there when there are groups. What was in swap before that
 * is nobody's for good.
 */
TEST_F(first, table)
{
	long p;

	ASSERT_EQ(0, bc_puppets_init());
	ASSERT_EQ(0, bc_puppet_start(0));
	p = map_swapped(0, 40);
	ASSERT_LT(0, p);
	EXPECT_EQ(self->tables, bc_tables(TABLE));

	ASSERT_EQ(0, mkdir(self->dir, 0755));
	EXPECT_EQ(self->tables + 1, bc_tables(TABLE));
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 20 * BC_PAGE));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_LT(0, map_swapped(0, 30));
	EXPECT_EQ(30, bc_get(self->dir, held));
}

TEST_HARNESS_MAIN
