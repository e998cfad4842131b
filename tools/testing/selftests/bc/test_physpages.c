// SPDX-License-Identifier: GPL-2.0
/*
 * physpages: what is charged and given back, reclaim, and who is killed.
 *
 * Swap is a RAM disk. The puppets' pages have their addresses in them, so that it can be
 * seen that each comes back from there as it was.
 */
#include <sys/prctl.h>
#include <sys/time.h>

#include "bc_phys.h"

static const char *held = "physpages/held";
static const char *maxheld = "physpages/maxheld";
static const char *limit = "physpages/limit";
static const char *barrier = "physpages/barrier";
static const char *failcnt = "physpages/failcnt";
static const char *kills = "physpages/oom_kills";

static void nothing(int sig)
{
}

TEST_F(phys, touch)
{
	long base = bc_get(self->a, held), p, q;

	/* Mapped is not touched, and the page of zeroes is nobody's. */
	p = bc_puppet_map(0, 0, 100, BC_RW, MAP_PRIVATE);
	ASSERT_LT(0, p);
	EXPECT_EQ(100, bc_call(0, BC_CALL_CHECK, p, 100));
	EXPECT_EQ(base, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, 60));
	EXPECT_EQ(base + 60, bc_get(self->a, held));
	EXPECT_EQ(base + 60, bc_get(self->dir, held));
	/* Once. */
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, 100));
	EXPECT_EQ(base + 100, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 100));

	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, 20 * BC_PAGE, MADV_DONTNEED));
	EXPECT_EQ(base + 80, bc_settle(self->a, held, base + 80));
	/* A system call that touches it. */
	EXPECT_EQ(0, bc_call(0, SYS_getcwd, p, 16) < 0);
	EXPECT_EQ(base + 81, bc_get(self->a, held));
	/* A move within the address space is none of ours. */
	q = bc_call(0, SYS_mremap, p, 100 * BC_PAGE, 200 * BC_PAGE, MREMAP_MAYMOVE);
	ASSERT_LT(0, q);
	EXPECT_EQ(base + 81, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, q, 200 * BC_PAGE));
	EXPECT_EQ(base, bc_settle(self->a, held, base));

	/* Shared memory is in shmpages. */
	p = bc_puppet_map(0, 0, 20, BC_RW, MAP_SHARED);
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, 20));
	EXPECT_EQ(base, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 20 * BC_PAGE));
}

TEST_F(phys, fork)
{
	long p = bc_map_filled(0, 100), base = bc_get(self->a, held), val;

	ASSERT_LT(0, p);
	ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, p, 100));
	val = bc_get(self->a, held);
	/* Its stack, and not what they share. */
	EXPECT_GT(base + 50, val);
	EXPECT_EQ(0, bc_write(self->b, "tasks", "%d", bc_puppets[1].pid));
	val = bc_get(self->b, held);
	EXPECT_EQ(0, bc_call(1, BC_CALL_FILL, p, 40));
	/* Who writes pays; and may have written to its stack for the first time. */
	EXPECT_LE(val + 40, bc_get(self->b, held));
	EXPECT_GT(val + 60, bc_get(self->b, held));
	/* The one who has paid has another program, and the others go on. */
	EXPECT_EQ(0, bc_puppet_exec(0));
	bc_warm_up(0);
	val = bc_get(self->a, held);
	EXPECT_LE(60, val);
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, p, 100));
	EXPECT_EQ(0, bc_call(1, SYS_munmap, p, 100 * BC_PAGE));
	EXPECT_EQ(val - 60, bc_settle(self->a, held, val - 60));
}

/* What was touched stays where it is, what comes is the new group's. */
TEST_F(phys, move)
{
	long base = bc_get(self->a, held), p = bc_map_filled(0, 50), q, val;

	ASSERT_LT(0, p);
	EXPECT_EQ(base + 50, bc_get(self->a, held));
	EXPECT_EQ(0, bc_write(self->b, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(base + 50, bc_get(self->a, held));
	q = bc_map_filled(0, 30);
	ASSERT_LT(0, q);
	EXPECT_EQ(base + 50, bc_get(self->a, held));
	val = bc_get(self->b, held);
	EXPECT_LE(30, val);
	EXPECT_GT(40, val);
	EXPECT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_LT(0, bc_map_filled(0, 30));
	EXPECT_EQ(base + 50, bc_get(self->a, held));
	EXPECT_EQ(val, bc_get(self->b, held));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 50 * BC_PAGE));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, q, 30 * BC_PAGE));
	EXPECT_EQ(base, bc_settle(self->a, held, base));
	EXPECT_EQ(val - 30, bc_settle(self->b, held, val - 30));
}

/* Without swap, who has too much is killed, and nobody else. */
TEST_F(phys, kill)
{
	long base = bc_get(self->a, held), p, q;

	ASSERT_EQ(0, bc_start_in(self->b, 1));
	q = bc_map_filled(1, 300);
	ASSERT_LT(0, q);
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", base + 100));
	/* Credit of CPUs may have been in it. */
	EXPECT_EQ(0, bc_write(self->a, maxheld, "0"));
	p = bc_map_filled(0, 100);
	ASSERT_LT(0, p);
	EXPECT_EQ(base + 100, bc_get(self->a, held));
	EXPECT_EQ(0, bc_get(self->a, failcnt));
	EXPECT_EQ(-EPIPE, bc_map_filled(0, 1));
	EXPECT_EQ(1, bc_get(self->a, kills));
	EXPECT_EQ(1, bc_get(self->dir, kills));
	EXPECT_EQ(0, bc_get(self->b, kills));
	EXPECT_LT(0, bc_get(self->a, failcnt));
	EXPECT_EQ(base + 100, bc_get(self->a, maxheld));
	EXPECT_EQ(0, bc_settle(self->a, held, 0));
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, q, 300));
}

/* The largest of the group whose limit it is, or of those below. */
TEST_F(phys, kill_below)
{
	long q;

	ASSERT_EQ(0, bc_start_in(self->b, 1));
	ASSERT_EQ(0, bc_puppet_start(2));
	q = bc_map_filled(1, 300);
	ASSERT_LT(0, q);
	EXPECT_LT(0, bc_map_filled(2, 1000));
	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", bc_get(self->dir, held) + 50));
	EXPECT_EQ(0, bc_write(self->dir, maxheld, "0"));
	EXPECT_LT(0, bc_map_filled(0, 100));
	EXPECT_EQ(1, bc_get(self->dir, kills));
	EXPECT_EQ(1, bc_get(self->b, kills));
	EXPECT_EQ(0, bc_get(self->a, kills));
	EXPECT_EQ(-EPIPE, bc_call(1, BC_CALL_CHECK, q, 1));
	EXPECT_EQ(0, bc_call(2, SYS_getpid, 0) < 0);
	EXPECT_LE(bc_get(self->dir, maxheld), bc_get(self->dir, limit));
}

/* What one has had is enough: nobody else is killed while it is being freed. */
TEST_F(phys, kill_one)
{
	long p;
	int i;

	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", bc_get(self->dir, held) + 360));
	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(0, bc_start_in(self->b, 1));
		ASSERT_LT(0, bc_map_filled(1, 300));
		p = bc_map_filled(0, 200);
		ASSERT_LT(0, p);
		EXPECT_EQ(i, bc_get(self->dir, kills));
		EXPECT_EQ(i, bc_get(self->b, kills));
		EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 200 * BC_PAGE));
		bc_puppet_kill(1);
		EXPECT_EQ(0, bc_settle(self->b, held, 0));
	}
}

/* More than are found at once. */
TEST_F(phys, kill_many)
{
	pid_t pid[40];
	size_t i;

	ASSERT_EQ(0, bc_write(self->a, "physpages/oom_group", "1"));
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = bc_spawn();
		EXPECT_EQ(0, bc_write(self->a, "tasks", "%d", pid[i]));
	}
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", bc_get(self->a, held) + 50));
	EXPECT_EQ(-EPIPE, bc_map_filled(0, 100));
	EXPECT_EQ(1 + (long)ARRAY_SIZE(pid),
		  bc_settle(self->a, kills, 1 + (long)ARRAY_SIZE(pid)));
	for (i = 0; i < ARRAY_SIZE(pid); i++)
		bc_reap(pid[i]);
}

TEST_F(phys, kill_all)
{
	long p = bc_map_filled(0, 10);
	char proc[32];

	/* It is inherited. */
	EXPECT_EQ(0, bc_get(self->a, "physpages/oom_group"));
	EXPECT_EQ(0, bc_write(self->a, "physpages/oom_group", "1"));
	ASSERT_EQ(0, bc_mkdir(self->a, "c"));
	bc_child(self->b, self->a, "c");
	EXPECT_EQ(1, bc_get(self->b, "physpages/oom_group"));
	EXPECT_EQ(-EINVAL, bc_write(self->a, "physpages/oom_group", "2"));
	EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, "physpages/oom_group", "1"));
	ASSERT_EQ(0, bc_start_in(self->b, 1));
	ASSERT_EQ(0, bc_start_in(self->a, 2));
	ASSERT_EQ(0, bc_start_in(self->dir, 3));
	/* Who may not be killed is not. */
	ASSERT_EQ(0, bc_start_in(self->a, 4));
	bc_proc_dir(proc, sizeof(proc), 4);
	ASSERT_EQ(0, bc_write(proc, "oom_score_adj", "-1000"));
	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", bc_get(self->dir, held) + 50));
	EXPECT_EQ(-EPIPE, bc_map_filled(1, 100));
	EXPECT_EQ(-EPIPE, bc_call(0, BC_CALL_CHECK, p, 1));
	EXPECT_EQ(-EPIPE, bc_call(2, BC_CALL_CHECK, p, 1));
	EXPECT_EQ(3, bc_get(self->a, kills));
	EXPECT_EQ(1, bc_get(self->b, kills));
	EXPECT_EQ(0, bc_call(3, SYS_getpid, 0) < 0);
	EXPECT_EQ(0, bc_call(4, SYS_getpid, 0) < 0);
	EXPECT_EQ(0, bc_settle(self->b, held, 0));
	bc_puppet_kill(1);
	EXPECT_EQ(0, rmdir(self->b));
	bc_child(self->b, self->dir, "b");
}

/* With nobody to be killed, it goes on above the limit. */
TEST_F(phys, nobody)
{
	char path[32];
	long p;

	snprintf(path, sizeof(path), "/proc/%d", bc_puppets[0].pid);
	ASSERT_EQ(0, bc_write(path, "oom_score_adj", "-1000"));
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", bc_get(self->a, held) + 10));
	p = bc_map_filled(0, 14);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 14));
	EXPECT_LT(bc_get(self->a, limit), bc_get(self->a, held));
	EXPECT_EQ(0, bc_get(self->a, kills));
	EXPECT_LT(0, bc_get(self->a, failcnt));
}

/* What is locked cannot be had back, and is no reason to go on for ever. */
TEST_F(phys, locked)
{
	long p = bc_map_filled(0, 100);

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	EXPECT_EQ(0, bc_call(0, SYS_mlockall, MCL_CURRENT | MCL_FUTURE));
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", bc_get(self->a, held) + 10));
	EXPECT_EQ(-EPIPE, bc_map_filled(0, 100));
	EXPECT_EQ(1, bc_get(self->a, kills));
	EXPECT_LT(0, p);
}

/* With swap, it is slower, and nothing else. */
TEST_F(phys, reclaim)
{
	long max = bc_get(self->a, held) + 200, p;

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", max));
	EXPECT_EQ(0, bc_write(self->a, maxheld, "0"));
	p = bc_map_filled(0, 1000);
	ASSERT_LT(0, p);
	EXPECT_GE(max, bc_get(self->a, maxheld));
	EXPECT_LE(700, bc_pages_of(0, "VmSwap"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 1000));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 1000));
	EXPECT_GE(max, bc_get(self->a, maxheld));
	EXPECT_EQ(0, bc_get(self->a, kills));
	EXPECT_LT(0, bc_get(self->a, failcnt));
	TH_LOG("%ld times at the limit", bc_get(self->a, failcnt));
	/* More than the limit comes back with swapoff(2). */
	EXPECT_EQ(0, bc_swap_off(&self->swap));
	EXPECT_LE(1000, bc_get(self->a, held));
	EXPECT_EQ(0, bc_write(self->a, limit, "max"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 1000));
}

/* Pages that a fork shares, and the limit of a group above. */
TEST_F(phys, reclaim_below)
{
	long max, p, q;

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	p = bc_map_filled(0, 400);
	ASSERT_LT(0, p);
	ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	bc_warm_up(1);
	ASSERT_EQ(0, bc_start_in(self->b, 2));
	max = bc_get(self->dir, held) + 100;
	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", max));
	EXPECT_EQ(0, bc_write(self->dir, maxheld, "0"));
	q = bc_map_filled(2, 400);
	ASSERT_LT(0, q);
	EXPECT_GE(max, bc_get(self->dir, maxheld));
	EXPECT_EQ(0, bc_get(self->dir, kills));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 400));
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, p, 400));
	EXPECT_EQ(0, bc_call(2, BC_CALL_CHECK, q, 400));
	EXPECT_GE(max, bc_get(self->dir, maxheld));
}

/* A group at its limit takes nothing of others, and nothing of the root. */
TEST_F(phys, neighbour)
{
	long p, q, r;

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	ASSERT_EQ(0, bc_start_in(self->b, 1));
	ASSERT_EQ(0, bc_puppet_start(2));
	q = bc_map_filled(1, 300);
	r = bc_map_filled(2, 300);
	ASSERT_LT(0, q);
	ASSERT_LT(0, r);
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", bc_get(self->a, held) + 100));
	p = bc_map_filled(0, 600);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 600));
	EXPECT_LE(400, bc_pages_of(0, "VmSwap"));
	EXPECT_EQ(0, bc_pages_of(1, "VmSwap"));
	EXPECT_EQ(0, bc_pages_of(2, "VmSwap"));
	EXPECT_EQ(0, bc_get(self->a, kills));
}

/* The second puppet, in a group below. */
static int start_below(const char *dir)
{
	char c[BC_DIR];
	int err = bc_mkdir(dir, "c");

	bc_child(c, dir, "c");
	return err ?: bc_start_in(c, 1);
}

/* A group that has processes of its own, and others below: both give. */
TEST_F(phys, reclaim_in_turn)
{
	long p, q;

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	ASSERT_EQ(0, start_below(self->a));
	q = bc_map_filled(1, 300);
	ASSERT_LT(0, q);
	/* At a limit, all of memory would be looked at in the end. */
	EXPECT_EQ(0, bc_write(self->a, barrier, "%ld", bc_get(self->a, held) + 100));
	p = bc_map_filled(0, 600);
	ASSERT_LT(0, p);
	EXPECT_LE(32, bc_pages_of(0, "VmSwap"));
	EXPECT_LE(32, bc_pages_of(1, "VmSwap"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 600));
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, q, 300));
	EXPECT_EQ(0, bc_get(self->a, kills));
}

/* Pages that came from swap, of a puppet. */
static long major_faults(int i)
{
	char path[32], buf[1024], *p;
	unsigned long val;

	snprintf(path, sizeof(path), "/proc/%d", bc_puppets[i].pid);
	if (bc_read(path, "stat", buf, sizeof(buf)))
		return -1;
	p = strrchr(buf, ')');
	if (!p || sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %lu", &val) != 1)
		return -1;
	return val;
}

/* Small beside large: what it uses again and again stays, whatever the other one needs. */
TEST_F_TIMEOUT(phys, small_beside_large, 300)
{
	const size_t small = 64, large = 1000, piece = 50;
	long p, q, before = 0;
	size_t i;

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	ASSERT_EQ(0, start_below(self->a));
	q = bc_map_filled(1, small);
	ASSERT_LT(0, q);
	p = bc_puppet_map(0, 0, large, BC_RW, MAP_PRIVATE);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", bc_get(self->a, held) + 500));
	for (i = 0; i < 3 * large; i += piece) {
		EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p + i % large * BC_PAGE, piece));
		EXPECT_EQ(0, bc_call(1, BC_CALL_FILL, q, small));
		/* A processor that has a page in its TLB need not say that it was used. */
		EXPECT_EQ(0, bc_call(1, SYS_mprotect, q, small * BC_PAGE, PROT_READ));
		EXPECT_EQ(0, bc_call(1, SYS_mprotect, q, small * BC_PAGE, BC_RW));
		/* What it does not use comes and goes at first. */
		if (i == large)
			before = major_faults(1);
	}
	ASSERT_LE(0, before);
	i = major_faults(1) - before;
	TH_LOG("%zu pages came from swap", i);
	/* Once, perhaps. It uses it 40 times. */
	EXPECT_GE(small, i);
	/* What the small one does not use goes as well. */
	EXPECT_LE(large - 500, bc_pages_of(0, "VmSwap") + bc_pages_of(1, "VmSwap"));
	EXPECT_EQ(0, bc_get(self->a, kills));
}

/* All have used all of theirs, and nobody had time to do so again: who has most gives. */
TEST_F(phys, all_used)
{
	long p, q;

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	ASSERT_EQ(0, start_below(self->a));
	/* The small one is the first in turn. */
	p = bc_map_filled(0, 64);
	ASSERT_LT(0, p);
	q = bc_map_filled(1, 800);
	ASSERT_LT(0, q);
	bc_write("/proc/sys/vm", "drop_caches", "1");
	EXPECT_EQ(0, bc_write(self->a, "physpages/reclaim", "100"));
	EXPECT_EQ(0, bc_write(self->a, "physpages/reclaim", "100"));
	EXPECT_EQ(0, bc_pages_of(0, "VmSwap"));
	EXPECT_LE(200, bc_pages_of(1, "VmSwap"));
	/* Only so long: who uses nothing has had its time. */
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, q, 800));
	EXPECT_EQ(0, bc_write(self->a, "physpages/reclaim", "500"));
	EXPECT_LE(64, bc_pages_of(0, "VmSwap"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 64));
}

/* Some pages out of many. */
static long check_some(long p, size_t pages)
{
	long bad = 0;
	size_t i;

	for (i = 0; i < pages; i += 8)
		bad += bc_call(0, BC_CALL_CHECK, p + i * BC_PAGE, 1);
	return bad;
}

/* What was used since the last time stays, the rest goes. */
TEST_F(phys, second_chance)
{
	long p = bc_map_filled(0, 400), val;

	ASSERT_LT(0, p);
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	/* All have been used: all lose their marks, then some go. */
	bc_write("/proc/sys/vm", "drop_caches", "1");
	EXPECT_EQ(0, bc_write(self->a, "physpages/reclaim", "40"));
	EXPECT_EQ(0, check_some(p, 400));
	bc_write("/proc/sys/vm", "drop_caches", "1");
	EXPECT_EQ(0, bc_write(self->a, "physpages/reclaim", "100"));
	val = bc_pages_of(0, "VmSwap");
	EXPECT_LE(100, val);
	/* They need not be read. It may have used a page of its own for the first time. */
	EXPECT_EQ(0, check_some(p, 400));
	EXPECT_GE(3, val - bc_pages_of(0, "VmSwap"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 400));
}

/* What the group does not use, and somebody else does who shares it, stays as well. */
TEST_F(phys, used_by_others)
{
	long p = bc_map_filled(0, 300), q = p + 100 * BC_PAGE;

	ASSERT_LT(0, p);
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	/* What is shared comes before what is not. */
	EXPECT_EQ(0, bc_call(1, SYS_munmap, q, 200 * BC_PAGE));
	EXPECT_EQ(0, bc_write(self->b, "tasks", "%d", bc_puppets[1].pid));
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, p, 100));
	bc_write("/proc/sys/vm", "drop_caches", "1");
	EXPECT_EQ(0, bc_write(self->a, "physpages/reclaim", "100"));
	EXPECT_LE(100, bc_pages_of(0, "VmSwap"));
	/* Some of its stack, perhaps. */
	EXPECT_GE(50, bc_pages_of(1, "VmSwap"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 300));
	EXPECT_EQ(0, bc_call(1, BC_CALL_CHECK, p, 100));
}

/* What a process has said that it could do without needs no swap to go. */
TEST_F(phys, lazy_free)
{
	long p = bc_map_filled(0, 100), max;

	ASSERT_LT(0, p);
	bc_write("/proc/sys/vm", "drop_caches", "1");
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, 100 * BC_PAGE, MADV_FREE));
	max = bc_get(self->a, held);
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", max));
	EXPECT_LT(0, bc_map_filled(0, 50));
	EXPECT_EQ(0, bc_get(self->a, kills));
	EXPECT_GE(max, bc_get(self->a, held));
}

/* Credit that CPUs keep is no reason to kill anybody. */
TEST_F(phys, credit)
{
	long p, q, i;

	p = bc_map_filled(0, 120);
	ASSERT_LT(0, p);
	ASSERT_EQ(0, bc_start_in(self->a, 1));
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", bc_get(self->a, held)));
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, 120 * BC_PAGE, MADV_DONTNEED));
	/* What one CPU has given back, another one takes. */
	for (i = 0; i < 20; i++) {
		q = bc_map_filled(1, 100);
		ASSERT_LT(0, q);
		EXPECT_EQ(0, bc_call(1, SYS_munmap, q, 100 * BC_PAGE));
		EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, 100));
		EXPECT_EQ(0, bc_call(0, SYS_madvise, p, 120 * BC_PAGE, MADV_DONTNEED));
	}
	EXPECT_EQ(0, bc_get(self->a, kills));
}

/* Who gets signals all the time is held up like everybody. */
TEST_F(phys, signals)
{
	static struct itimerval ticks = { { 0, 2000 }, { 0, 2000 } };

	bc_puppet_kill(0);
	signal(SIGALRM, nothing);
	ASSERT_EQ(0, bc_start_in(self->a, 0));
	EXPECT_EQ(0, bc_call(0, SYS_setitimer, ITIMER_REAL, (long)&ticks, 0));
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", bc_get(self->a, held) + 20));
	EXPECT_EQ(-EPIPE, bc_map_filled(0, 100));
	EXPECT_EQ(1, bc_get(self->a, kills));
	signal(SIGALRM, SIG_DFL);
}

/* So many of the structures that ppoll(2) writes to are in a page. */
#define POLLS (BC_PAGE / sizeof(struct pollfd))

/*
 * Let the first puppet use @pages that are new, one in each system call, with two signals to
 * handle on its way back: ppoll(2) lets them in, and has something to write to all the same.
 * Return: how many it has used; the signals are those of a new one.
 */
static size_t use_with_signals(struct __test_metadata *_metadata, const char *group,
			       long room, size_t pages)
{
	static const unsigned long both = 1UL << (SIGUSR1 - 1) | 1UL << (SIGUSR2 - 1), none;
	static const struct timespec now;
	long p, fd, ret = -EINTR;
	size_t n;

	bc_puppet_kill(0);
	signal(SIGUSR1, nothing);
	signal(SIGUSR2, nothing);
	EXPECT_EQ(0, bc_start_in(group, 0));
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	EXPECT_EQ(0, bc_call(0, SYS_rt_sigprocmask, SIG_BLOCK, (long)&both, 0, sizeof(both)));
	/* A page of zeroes asks for the first file: one that has nothing to say. */
	fd = bc_call(0, SYS_openat, AT_FDCWD, (long)"/proc/self/exe", O_RDONLY);
	EXPECT_LT(0, fd);
	EXPECT_EQ(0, bc_call(0, SYS_dup3, fd, 0, 0));
	p = bc_puppet_map(0, 0, pages, BC_RW, MAP_PRIVATE);
	EXPECT_LT(0, p);
	EXPECT_EQ(0, bc_write(group, limit, "%ld", bc_get(group, held) + room));
	/* It has seen what CPUs had as credit. */
	EXPECT_EQ(0, bc_write(group, maxheld, "0"));
	for (n = 0; n < pages && ret == -EINTR; n++) {
		bc_call(0, SYS_kill, bc_puppets[0].pid, SIGUSR1);
		bc_call(0, SYS_kill, bc_puppets[0].pid, SIGUSR2);
		ret = bc_call(0, SYS_ppoll, p + n * BC_PAGE, POLLS, (long)&now, (long)&none,
			      sizeof(none));
	}
	/* Or it is gone. */
	if (ret != -EINTR)
		EXPECT_EQ(-EPIPE, ret);
	return n;
}

/* A signal puts off making room, and does not cancel it, however many there are. */
TEST_F(phys, two_signals)
{
	EXPECT_GT(50, use_with_signals(_metadata, self->a, 20, 100));
	EXPECT_EQ(1, bc_get(self->a, kills));
	EXPECT_GE(bc_get(self->a, limit) + 5, bc_get(self->a, maxheld));

	EXPECT_EQ(0, bc_write(self->a, limit, "max"));
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	EXPECT_EQ(100, use_with_signals(_metadata, self->a, 20, 100));
	EXPECT_EQ(1, bc_get(self->a, kills));
	/* One, and what of the puppet's own had gone to swap. */
	EXPECT_GE(bc_get(self->a, limit) + 20, bc_get(self->a, maxheld));
	EXPECT_LE(50, bc_pages_of(0, "VmSwap"));
}

/* So many in one address space at once. */
#define THREADS 4

static void start_threads(struct __test_metadata *_metadata)
{
	int i;

	for (i = 1; i < THREADS; i++) {
		ASSERT_EQ(0, bc_puppet_fork(0, i, BC_CALL_VFORK));
		bc_warm_up(i);
	}
}

/* Let each of them do something with its share of @pages. */
static void send_shares(struct __test_metadata *_metadata, int what, long p, size_t pages)
{
	int i;

	for (i = 0; i < THREADS; i++) {
		EXPECT_EQ(0, bc_call_send(i, &(struct bc_call){
			.nr = what,
			.arg = { p + i * (pages / THREADS) * BC_PAGE, pages / THREADS } }));
	}
}

/*
 * All of them look for what can go, and there is nothing. None goes on for ever where another
 * one has been: behind the program is a hole of terabytes, and then more than is looked at in
 * one go.
 */
TEST_F(phys, kill_threads)
{
	const size_t pages = THREADS * 400;
	double start, end;
	long p;
	int i;

	start_threads(_metadata);
	ASSERT_LT(0, bc_map_filled(0, 1500));
	p = bc_puppet_map(0, 0, pages, BC_RW, MAP_PRIVATE);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", bc_get(self->a, held) + 200));
	EXPECT_EQ(0, bc_write(self->a, maxheld, "0"));
	start = bc_now();
	end = start + 30;
	send_shares(_metadata, BC_CALL_FILL, p, pages);
	for (i = 0; i < THREADS; i++) {
		while (!bc_is_gone(bc_puppets[i].pid) && bc_now() < end)
			usleep(10000);
		EXPECT_TRUE(bc_is_gone(bc_puppets[i].pid));
	}
	TH_LOG("%.1f s", bc_now() - start);
	EXPECT_LE(1, bc_get(self->a, kills));
	/* On its way out, each may write to a page once more. */
	EXPECT_GE(bc_get(self->a, limit) + THREADS, bc_get(self->a, maxheld));
}

/* With swap, all of them get on. */
TEST_F(phys, reclaim_threads)
{
	const size_t pages = THREADS * 200;
	long max, p;
	int i;

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	start_threads(_metadata);
	p = bc_puppet_map(0, 0, pages, BC_RW, MAP_PRIVATE);
	ASSERT_LT(0, p);
	max = bc_get(self->a, held) + 300;
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", max));
	EXPECT_EQ(0, bc_write(self->a, maxheld, "0"));
	send_shares(_metadata, BC_CALL_FILL, p, pages);
	for (i = 0; i < THREADS; i++)
		EXPECT_EQ(0, bc_call_answer(i));
	send_shares(_metadata, BC_CALL_CHECK, p, pages);
	for (i = 0; i < THREADS; i++)
		EXPECT_EQ(0, bc_call_answer(i));
	EXPECT_EQ(0, bc_get(self->a, kills));
	EXPECT_LE(450, bc_pages_of(0, "VmSwap"));
	/* System calls write to pages of theirs, which may be in swap by then. */
	EXPECT_GE(max + 4 * THREADS, bc_get(self->a, maxheld));
}

/* What a group has paid for, and nobody in it has mapped any more. */
TEST_F(phys, moved_away)
{
	long p = bc_map_filled(0, 300);

	ASSERT_LT(0, p);
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	EXPECT_EQ(0, bc_write(self->b, "tasks", "%d", bc_puppets[0].pid));
	ASSERT_EQ(0, bc_start_in(self->a, 1));
	/* Its own cannot be had. */
	EXPECT_EQ(0, bc_call(1, SYS_mlockall, MCL_CURRENT | MCL_FUTURE));
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", bc_get(self->a, held)));
	EXPECT_LT(0, bc_map_filled(1, 50));
	EXPECT_EQ(0, bc_get(self->a, kills));
	EXPECT_LE(20, bc_pages_of(0, "VmSwap"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 300));
}

/* If what is above the barrier cannot go, there is no sense in taking the rest all the time. */
TEST_F(phys, barrier_of_locked)
{
	long p, q;
	int i;

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	p = bc_map_filled(0, 200);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, SYS_mlock, p, 200 * BC_PAGE));
	EXPECT_EQ(0, bc_write(self->a, barrier, "100"));
	q = bc_map_filled(0, 100);
	ASSERT_LT(0, q);
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, q, 100));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 200));
	EXPECT_EQ(0, bc_get(self->a, kills));
	/* Something was taken. */
	EXPECT_LE(1, bc_pages_of(0, "VmSwap") + major_faults(0));
}

TEST_F(phys, barrier)
{
	long max, p;

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	max = bc_get(self->a, held) + 100;
	EXPECT_EQ(0, bc_write(self->a, barrier, "%ld", max));
	EXPECT_EQ(0, bc_write(self->a, maxheld, "0"));
	p = bc_map_filled(0, 600);
	ASSERT_LT(0, p);
	/* A system call, and a look around on the way out of it. */
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 600));
	EXPECT_GE(max + 64, bc_get(self->a, maxheld));
	EXPECT_GE(max + 1, bc_get(self->a, held));
	EXPECT_EQ(0, bc_get(self->a, failcnt));
	EXPECT_EQ(0, bc_get(self->a, kills));
}

TEST_F(phys, on_demand)
{
	long p = bc_map_filled(0, 200), val = bc_get(self->a, held);

	ASSERT_LT(0, p);
	EXPECT_EQ(-EAGAIN, bc_write(self->a, "physpages/reclaim", "10"));
	EXPECT_EQ(-EINVAL, bc_write(self->a, "physpages/reclaim", "x"));
	EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, "physpages/reclaim", "10"));
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	EXPECT_EQ(0, bc_write(self->a, "physpages/reclaim", "40"));
	EXPECT_GE(val - 40, bc_get(self->a, held));
	EXPECT_LE(val - 110, bc_get(self->a, held));
	/* From above, in bytes. */
	val = bc_get(self->a, held);
	EXPECT_EQ(0, bc_write(self->dir, "physpages/reclaim", "128K"));
	EXPECT_GE(val - 32, bc_get(self->a, held));
	EXPECT_EQ(-EAGAIN, bc_write(self->a, "physpages/reclaim", "1G"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 200));
	/* What is in swap comes at no charge of others. */
	EXPECT_EQ(-EACCES, bc_get(self->a, "physpages/reclaim"));
}

/* A system call is not refused, and what it takes is settled. */
TEST_F(phys, system_call)
{
	long max, p;

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	max = bc_get(self->a, held) + 50;
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", max));
	p = bc_puppet_map(0, 0, 200, BC_RW, MAP_PRIVATE);
	ASSERT_LT(0, p);
	EXPECT_EQ(200 * BC_PAGE, bc_call(0, SYS_getrandom, p, 200 * BC_PAGE, 0));
	EXPECT_LE(200, bc_get(self->a, maxheld));
	EXPECT_GE(max, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, 200));
	EXPECT_EQ(0, bc_get(self->a, kills));
}

/* What is populated may be all of memory, and more: there is room to be made on the way. */
TEST_F(phys, populate)
{
	long max, p;

	if (!bc_have_swap(_metadata, &self->swap))
		return;
	max = bc_get(self->a, held) + 100;
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", max));
	/* It has seen what CPUs had as credit. */
	EXPECT_EQ(0, bc_write(self->a, maxheld, "0"));
	p = bc_puppet_map(0, 0, 600, BC_RW, MAP_PRIVATE | MAP_POPULATE);
	ASSERT_LT(0, p);
	EXPECT_GE(max + 1, bc_get(self->a, maxheld));
	EXPECT_GE(max, bc_get(self->a, held));
	EXPECT_LE(500, bc_pages_of(0, "VmSwap"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, 600));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 600));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 600 * BC_PAGE));

	p = bc_puppet_map(0, 0, 600, BC_RW, MAP_PRIVATE);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, 600 * BC_PAGE, MADV_POPULATE_WRITE));
	EXPECT_GE(max + 1, bc_get(self->a, maxheld));
	EXPECT_GE(max, bc_get(self->a, held));
	EXPECT_EQ(0, bc_get(self->a, kills));

	/* What is locked cannot go. Who is killed would look into its list of futexes. */
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 600 * BC_PAGE));
	EXPECT_EQ(0, bc_call(0, SYS_set_robust_list, 0, 3 * sizeof(long)));
	p = bc_puppet_map(0, 0, 600, BC_RW, MAP_PRIVATE);
	ASSERT_LT(0, p);
	EXPECT_GT(0, bc_call(0, SYS_mlock, p, 600 * BC_PAGE));
	EXPECT_LE(1, bc_get(self->a, kills));
	EXPECT_GE(max + 1, bc_get(self->a, maxheld));
}

#define CGROUP "/sys/fs/cgroup"
#define MEMCG CGROUP "/bc-selftest"

/* Meet the limits of both, the cgroup's with @room pages, the group's with @max. */
static void meet_both(struct __test_metadata *_metadata, const char *group, long room,
		      long max)
{
	long p;

	/* Some batches of CPUs beside it. */
	room = (room + 128) * (long)BC_PAGE;
	EXPECT_EQ(0, bc_write(MEMCG, "memory.max", "%ld", room));
	EXPECT_EQ(0, bc_write(group, limit, "%ld", max));
	p = bc_map_filled(0, 600);
	EXPECT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, 600));
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, 600));
	EXPECT_GE(max, bc_get(group, held));
	EXPECT_GE(room, bc_get(MEMCG, "memory.current"));
	EXPECT_LE(300, bc_pages_of(0, "VmSwap"));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 600 * BC_PAGE));
}

/*
 * A memory cgroup has its limit, too, and both are met by the same pages. Each gives back
 * what it has to, whichever is the tighter one, and the other does not notice.
 */
TEST_F(phys, memcg)
{
	/* The cgroup, the group, and as good as the same. */
	static const long room[] = { 100, 300, 150 };
	long max = bc_get(self->a, held) + 150;
	char before[256];
	size_t i;

	if (bc_read(CGROUP, "cgroup.subtree_control", before, sizeof(before)) ||
	    bc_write(CGROUP, "cgroup.subtree_control", "+memory"))
		SKIP(return, "needs cgroup2 with memory in " CGROUP);
	/* Nothing here ends the test before all is as it was. */
	EXPECT_EQ(0, mkdir(MEMCG, 0755));
	EXPECT_EQ(0, bc_write(MEMCG, "cgroup.procs", "%d", bc_puppets[0].pid));
	if (!access("/sys/block/ram0", F_OK) && !bc_swap_on()) {
		self->swap = true;
		for (i = 0; i < ARRAY_SIZE(room); i++)
			meet_both(_metadata, self->a, room[i], max);
		EXPECT_EQ(0, bc_get(self->a, kills));
		EXPECT_LT(0, bc_get(self->a, failcnt));
	}
	bc_puppet_kill(0);
	EXPECT_EQ(0, rmdir(MEMCG));
	if (!strstr(before, "memory"))
		EXPECT_EQ(0, bc_write(CGROUP, "cgroup.subtree_control", "-memory"));
	if (!self->swap)
		SKIP(return, "no swap, or no RAM disk");
}

/* Let the kernel kill somebody, as if the whole machine had no memory left. */
static int out_of_memory(void)
{
	double end = bc_now() + 20;
	int n = 0;

	if (bc_write("/proc", "sysrq-trigger", "f"))
		return -1;
	/* A worker does that. */
	while (!n && bc_now() < end) {
		usleep(10000);
		for (n = BC_NR_PUPPETS; n; n--) {
			if (bc_puppets[n - 1].pid > 0 && bc_is_gone(bc_puppets[n - 1].pid))
				break;
		}
	}
	return n - 1;
}

/* The group that is furthest above its barrier comes first, then the largest in it. */
TEST_F(phys, two_levels)
{
	int i;

	ASSERT_EQ(0, bc_start_in(self->b, 1));
	ASSERT_EQ(0, bc_start_in(self->b, 2));
	ASSERT_EQ(0, bc_puppet_start(3));
	/* Who looks at the kernel's log (lab/check-log) knows this name. */
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, bc_call(i, SYS_prctl, PR_SET_NAME, (long)"bc_oom_hog"));
	EXPECT_LT(0, bc_map_filled(0, 600));
	EXPECT_LT(0, bc_map_filled(1, 500));
	EXPECT_LT(0, bc_map_filled(2, 400));
	EXPECT_LT(0, bc_map_filled(3, 20000));
	/* a has more, and b is further above; all below the barrier of both. */
	EXPECT_EQ(0, bc_write(self->a, barrier, "%ld", bc_get(self->a, held) - 100));
	EXPECT_EQ(0, bc_write(self->b, barrier, "%ld", bc_get(self->b, held) - 200));
	EXPECT_EQ(1, out_of_memory());
	bc_puppet_kill(1);
	EXPECT_EQ(0, out_of_memory());
	bc_puppet_kill(0);
	/* None is above: the largest of all. */
	EXPECT_EQ(3, out_of_memory());
	EXPECT_EQ(0, bc_get(self->dir, kills));
}

TEST_F(phys, huge)
{
	long base = bc_get(self->a, held), p;

	p = bc_map_huge(0, 2);
	if (p == -EINVAL)
		SKIP(return, "no huge pages");
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, BC_CALL_TOUCH, p));
	if (bc_get(self->a, held) == base + 1)
		SKIP(return, "no huge page to be had");
	EXPECT_EQ(base + (long)BC_HUGE_PAGES, bc_get(self->a, held));
	/* In parts: what is left is small, and what is freed is given back. */
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, BC_HUGE_PAGES));
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 100 * BC_PAGE));
	EXPECT_EQ(-EAGAIN, bc_write(self->a, "physpages/reclaim", "1G"));
	EXPECT_GE(base + 20, bc_get(self->a, held));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p + 100 * BC_PAGE, BC_HUGE_PAGES - 100));
	EXPECT_LE((long)BC_HUGE_PAGES - 100, bc_get(self->a, held));
	/* There is no room for a whole one. */
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", bc_get(self->a, held) + 100));
	EXPECT_EQ(0, bc_write(self->a, maxheld, "0"));
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p + BC_HUGE, 50));
	EXPECT_EQ(0, bc_get(self->a, failcnt));
	EXPECT_EQ(0, bc_get(self->a, kills));
	EXPECT_GE(bc_get(self->a, limit), bc_get(self->a, maxheld));
}

TEST_HARNESS_MAIN
