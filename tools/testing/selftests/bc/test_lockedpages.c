// SPDX-License-Identifier: GPL-2.0
/*
 * lockedpages: each way of locking memory, compared with VmLck, and each refusal. We are
 * privileged, so that nothing here is refused by RLIMIT_MEMLOCK.
 */
#include <linux/mman.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "bc_mm.h"

static const char *held = "lockedpages/held";
static const char *limit = "lockedpages/limit";
static const char *failcnt = "lockedpages/failcnt";

FIXTURE(locked) {
	char dir[64];
};

FIXTURE_SETUP(locked)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, "lockedpages") == -ENOENT)
		SKIP(return, "no lockedpages in this kernel");
	ASSERT_EQ(0, bc_set_up_puppet(self->dir, sizeof(self->dir)));
}

FIXTURE_TEARDOWN(locked)
{
	if (!self->dir[0])
		return;
	bc_puppets_kill();
	bc_expect_clean(_metadata, self->dir);
}

/* What the puppet has locked, if that is what is charged; else -1. */
static long matched(const char *dir, int i)
{
	long val = bc_get(dir, held);
	struct bc_vm vm;

	if (bc_vm(bc_puppets[i].pid, &vm))
		return -2;
	if (val == vm.locked)
		return val;
	printf("# %ld locked, %ld charged\n", vm.locked, val);
	return -1;
}

TEST_F(locked, paths)
{
	long p, q, brk;

	EXPECT_EQ(0, matched(self->dir, 0));
	p = bc_puppet_map(0, 0, 20, BC_RW, MAP_PRIVATE);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, SYS_mlock, p, 10 * BC_PAGE));
	EXPECT_EQ(10, matched(self->dir, 0));
	/* What is locked already counts once. */
	EXPECT_EQ(0, bc_call(0, SYS_mlock, p + 5 * BC_PAGE, 10 * BC_PAGE));
	EXPECT_EQ(15, matched(self->dir, 0));
	EXPECT_EQ(0, bc_call(0, SYS_mlock2, p, 20 * BC_PAGE, 1 /* MLOCK_ONFAULT */));
	EXPECT_EQ(20, matched(self->dir, 0));
	EXPECT_EQ(0, bc_call(0, SYS_munlock, p + 4 * BC_PAGE, 4 * BC_PAGE));
	EXPECT_EQ(16, matched(self->dir, 0));
	/* Over a hole: as much as there is before it, and an error. */
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p + 10 * BC_PAGE, BC_PAGE));
	EXPECT_EQ(15, matched(self->dir, 0));
	EXPECT_EQ(-ENOMEM, bc_call(0, SYS_mlock, p, 20 * BC_PAGE));
	EXPECT_EQ(19, matched(self->dir, 0));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 20 * BC_PAGE));
	EXPECT_EQ(0, matched(self->dir, 0));

	p = bc_puppet_map(0, 0, 4, BC_RW, MAP_PRIVATE | MAP_LOCKED);
	ASSERT_LT(0, p);
	EXPECT_EQ(4, matched(self->dir, 0));
	EXPECT_EQ(p, bc_puppet_map(0, p, 4, BC_RW, MAP_SHARED | MAP_FIXED | MAP_LOCKED));
	EXPECT_EQ(4, matched(self->dir, 0));
	p = bc_call(0, SYS_mremap, p, 4 * BC_PAGE, 4 * BC_PAGE, MREMAP_MAYMOVE);
	EXPECT_EQ(4, matched(self->dir, 0));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 4 * BC_PAGE));
	p = bc_puppet_map(0, 0, 4, BC_RW, MAP_PRIVATE | MAP_LOCKED);
	q = bc_call(0, SYS_mremap, p, 4 * BC_PAGE, 9 * BC_PAGE, MREMAP_MAYMOVE);
	ASSERT_LT(0, q);
	EXPECT_EQ(9, matched(self->dir, 0));
	/* The new place is locked, the old one is not any more. */
	p = bc_call(0, SYS_mremap, q, 9 * BC_PAGE, 9 * BC_PAGE,
		    MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	ASSERT_LT(0, p);
	EXPECT_EQ(9, matched(self->dir, 0));
	EXPECT_EQ(0, bc_call(0, SYS_munlockall, 0));
	EXPECT_EQ(0, matched(self->dir, 0));

	/* All there is, and all that comes. */
	EXPECT_EQ(0, bc_call(0, SYS_mlockall, MCL_CURRENT | MCL_FUTURE));
	q = matched(self->dir, 0);
	EXPECT_LT(20, q);
	EXPECT_LT(0, bc_puppet_map(0, 0, 3, PROT_READ, MAP_PRIVATE));
	EXPECT_EQ(q + 3, matched(self->dir, 0));
	brk = bc_call(0, SYS_brk, 0);
	EXPECT_EQ(brk + 2 * BC_PAGE, bc_call(0, SYS_brk, brk + 2 * BC_PAGE));
	EXPECT_EQ(q + 5, matched(self->dir, 0));
	/* Locks are not inherited, and an exec drops them. */
	EXPECT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	EXPECT_EQ(q + 5, matched(self->dir, 0));
	EXPECT_EQ(0, bc_puppet_exec(0));
	EXPECT_EQ(0, matched(self->dir, 0));
}

TEST_F(locked, refuse)
{
	long p, q, brk, fails = 0;

	p = bc_puppet_map(0, 0, 20, BC_RW, MAP_PRIVATE);
	q = bc_puppet_map(0, 0, 6, BC_RW, MAP_PRIVATE | MAP_LOCKED);
	EXPECT_EQ(0, bc_write(self->dir, limit, "10"));
	EXPECT_EQ(0, bc_write(self->dir, "lockedpages/maxheld", "0"));
	/* One too many, and then nothing is locked. */
	EXPECT_EQ(-ENOMEM, bc_call(0, SYS_mlock, p, 5 * BC_PAGE));
	EXPECT_EQ(++fails, bc_get(self->dir, failcnt));
	EXPECT_EQ(-ENOMEM, bc_call(0, SYS_mlock2, p, 5 * BC_PAGE, 1));
	EXPECT_EQ(++fails, bc_get(self->dir, failcnt));
	EXPECT_EQ(-ENOMEM, bc_call(0, SYS_mlockall, MCL_CURRENT));
	EXPECT_EQ(++fails, bc_get(self->dir, failcnt));
	EXPECT_EQ(-EAGAIN, bc_puppet_map(0, 0, 5, BC_RW, MAP_PRIVATE | MAP_LOCKED));
	EXPECT_EQ(++fails, bc_get(self->dir, failcnt));
	EXPECT_EQ(-EAGAIN, bc_call(0, SYS_mremap, q, 6 * BC_PAGE, 11 * BC_PAGE,
				   MREMAP_MAYMOVE));
	EXPECT_EQ(++fails, bc_get(self->dir, failcnt));
	EXPECT_EQ(6, matched(self->dir, 0));
	/* Without having mapped it, that is. */
	EXPECT_EQ(0, bc_call(0, SYS_mlockall, MCL_FUTURE));
	brk = bc_call(0, SYS_brk, 0);
	EXPECT_EQ(brk, bc_call(0, SYS_brk, brk + 5 * BC_PAGE));
	EXPECT_EQ(++fails, bc_get(self->dir, failcnt));
	EXPECT_EQ(6, matched(self->dir, 0));
	/* What fits, and what is locked already. */
	EXPECT_EQ(0, bc_call(0, SYS_mlock, p, 4 * BC_PAGE));
	EXPECT_EQ(0, bc_call(0, SYS_mlock, p, 4 * BC_PAGE));
	EXPECT_EQ(q, bc_puppet_map(0, q, 6, BC_RW, MAP_PRIVATE | MAP_FIXED | MAP_LOCKED));
	EXPECT_EQ(10, matched(self->dir, 0));
	EXPECT_EQ(-ENOMEM, bc_call(0, SYS_mlock, p, 5 * BC_PAGE));
	EXPECT_EQ(++fails, bc_get(self->dir, failcnt));
	EXPECT_EQ(10, matched(self->dir, 0));
	EXPECT_EQ(10, bc_get(self->dir, "lockedpages/maxheld"));
}

/* A group that is above its limit cannot lock more, and that is all. */
TEST_F(locked, above)
{
	long p = bc_puppet_map(0, 0, 20, BC_RW, MAP_PRIVATE);

	EXPECT_EQ(0, bc_call(0, SYS_mlock, p, 20 * BC_PAGE));
	EXPECT_EQ(0, bc_write(self->dir, limit, "10"));
	EXPECT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	EXPECT_EQ(0, bc_puppet_exec(1));
	EXPECT_LT(0, bc_puppet_map(0, 0, 20, BC_RW, MAP_PRIVATE));
	/* Who has nothing locked can come. */
	ASSERT_EQ(0, bc_puppet_start(2));
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", bc_puppets[2].pid));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
	EXPECT_EQ(-ENOMEM, bc_call(0, SYS_mlock, p, 20 * BC_PAGE + 1));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(20, matched(self->dir, 0));
}

/* No length, and one that wraps to none. */
TEST_F(locked, nothing)
{
	EXPECT_EQ(0, bc_write(self->dir, limit, "10"));
	EXPECT_EQ(0, bc_call(0, SYS_mlock, 0, 0));
	EXPECT_EQ(0, bc_call(0, SYS_mlock, 0, -1));
	EXPECT_EQ(0, bc_call(0, SYS_munlock, 0, -1));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
	EXPECT_EQ(0, bc_get(self->dir, "lockedpages/maxheld"));
}

/* The barrier binds who asks, the limit a stack. */
TEST_F(locked, stack)
{
	long p;

	p = bc_puppet_map(0, 0, 1000, PROT_NONE, MAP_PRIVATE);
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 1000 * BC_PAGE));
	p += 998 * BC_PAGE;
	EXPECT_EQ(p, bc_puppet_map(0, p, 2, BC_RW,
				   MAP_PRIVATE | MAP_FIXED | MAP_GROWSDOWN | MAP_LOCKED));
	EXPECT_EQ(0, bc_write(self->dir, limit, "10"));
	EXPECT_EQ(0, bc_write(self->dir, "lockedpages/barrier", "5"));
	EXPECT_EQ(-EAGAIN, bc_puppet_map(0, 0, 4, BC_RW, MAP_PRIVATE | MAP_LOCKED));
	EXPECT_EQ(0, bc_call(0, BC_CALL_TOUCH, p - 8 * BC_PAGE));
	EXPECT_EQ(10, matched(self->dir, 0));
	EXPECT_EQ(-EPIPE, bc_call(0, BC_CALL_TOUCH, p - 9 * BC_PAGE));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

TEST_F(locked, move)
{
	char a[96];
	long p;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	bc_path(a, self->dir, "a");
	p = bc_puppet_map(0, 0, 20, BC_RW, MAP_PRIVATE);
	EXPECT_EQ(0, bc_call(0, SYS_mlock, p, 20 * BC_PAGE));
	EXPECT_EQ(0, bc_write(a, limit, "19"));
	EXPECT_EQ(-ENOMEM, bc_write(a, "tasks", "%d", bc_puppets[0].pid));
	/* And what privvmpages has agreed to is undone. */
	EXPECT_EQ(0, bc_get(a, "privvmpages/held"));
	EXPECT_EQ(20, matched(self->dir, 0));
	EXPECT_EQ(0, bc_write(a, limit, "20"));
	EXPECT_EQ(0, bc_write(a, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(20, matched(a, 0));
	EXPECT_EQ(20, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_call(0, SYS_munlock, p, 10 * BC_PAGE));
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(10, matched(self->dir, 0));
}

/* A segment that is locked is its locker's until it is unlocked, or gone. */
TEST_F(locked, segment)
{
	int id = shmget(IPC_PRIVATE, 10 * BC_PAGE - 1, 0600);

	ASSERT_LE(0, id);
	EXPECT_EQ(0, bc_write(self->dir, limit, "9"));
	EXPECT_EQ(-ENOMEM, bc_call(0, SYS_shmctl, id, SHM_LOCK, 0));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_write(self->dir, limit, "10"));
	EXPECT_EQ(0, bc_call(0, SYS_shmctl, id, SHM_LOCK, 0));
	EXPECT_EQ(0, bc_call(0, SYS_shmctl, id, SHM_LOCK, 0));
	EXPECT_EQ(10, bc_get(self->dir, held));
	EXPECT_EQ(0, shmctl(id, SHM_UNLOCK, NULL));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_call(0, SYS_shmctl, id, SHM_LOCK, 0));
	bc_puppet_kill(0);
	EXPECT_EQ(10, bc_get(self->dir, held));
	EXPECT_EQ(0, shmctl(id, IPC_RMID, NULL));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	/* In the root, nobody pays. */
	id = shmget(IPC_PRIVATE, BC_PAGE, 0600);
	EXPECT_EQ(0, shmctl(id, SHM_LOCK, NULL));
	EXPECT_EQ(0, shmctl(id, IPC_RMID, NULL));
	EXPECT_EQ(0, bc_get(self->dir, held));
}

TEST_HARNESS_MAIN
