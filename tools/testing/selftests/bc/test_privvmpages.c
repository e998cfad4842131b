// SPDX-License-Identifier: GPL-2.0
/*
 * privvmpages: each path on which memory is mapped, grows, shrinks, changes hands and
 * goes, compared with what the kernel itself says of the process; each refusal; and the
 * moves of address spaces.
 */
#include <linux/mman.h>

#include "bc_failslab.h"
#include "bc_mm.h"

static const char *held = "privvmpages/held";
static const char *limit = "privvmpages/limit";
static const char *failcnt = "privvmpages/failcnt";

FIXTURE(priv) {
	char dir[64];
};

FIXTURE_SETUP(priv)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, "privvmpages") == -ENOENT)
		SKIP(return, "no privvmpages in this kernel");
	ASSERT_EQ(0, bc_set_up_puppet(self->dir, sizeof(self->dir)));
}

FIXTURE_TEARDOWN(priv)
{
	if (!self->dir[0])
		return;
	bc_puppets_kill();
	bc_expect_clean(_metadata, self->dir);
}

/* How much the puppets map, if that is what @dir is charged for; else -1. */
static long matched(const char *dir, int first, int last)
{
	long sum = 0, val;
	struct bc_vm vm;

	for (; first <= last; first++) {
		if (bc_vm(bc_puppets[first].pid, &vm))
			return -2;
		sum += vm.data;
	}
	val = bc_get(dir, held);
	if (val == sum)
		return sum;
	printf("# %ld mapped, %ld charged\n", sum, val);
	return -1;
}

/* So much more than @base, and not in the kernel's opinion alone. */
#define EXPECT_MORE(base, more) EXPECT_EQ((base) + (more), matched(self->dir, 0, 0))

TEST_F(priv, paths)
{
	long base = matched(self->dir, 0, 0), p, q, brk;

	ASSERT_LT(0, base);
	/* Private and writable, whatever else; not what is shared or read only. */
	p = bc_puppet_map(0, 0, 10, BC_RW, MAP_PRIVATE);
	ASSERT_LT(0, p);
	EXPECT_MORE(base, 10);
	q = bc_puppet_map(0, 0, 20, BC_RW, MAP_PRIVATE | MAP_NORESERVE);
	ASSERT_LT(0, q);
	EXPECT_MORE(base, 30);
	EXPECT_EQ(0, bc_call(0, SYS_munmap, q, 20 * BC_PAGE));
	q = bc_puppet_map(0, 0, 20, BC_RW, MAP_SHARED);
	ASSERT_LT(0, q);
	EXPECT_MORE(base, 10);
	EXPECT_EQ(0, bc_call(0, SYS_munmap, q, 20 * BC_PAGE));
	q = bc_puppet_map(0, 0, 20, PROT_READ, MAP_PRIVATE);
	ASSERT_LT(0, q);
	EXPECT_MORE(base, 10);

	/* It becomes what counts, whole, in part, and no more. */
	EXPECT_EQ(0, bc_call(0, SYS_mprotect, q, 20 * BC_PAGE, BC_RW));
	EXPECT_MORE(base, 30);
	EXPECT_EQ(0, bc_call(0, SYS_mprotect, q, 20 * BC_PAGE, BC_RW | PROT_EXEC));
	EXPECT_MORE(base, 30);
	EXPECT_EQ(0, bc_call(0, SYS_mprotect, q + 5 * BC_PAGE, 5 * BC_PAGE, PROT_NONE));
	EXPECT_MORE(base, 25);
	EXPECT_EQ(0, bc_call(0, SYS_mprotect, q, 20 * BC_PAGE, PROT_READ));
	EXPECT_MORE(base, 10);
	/* Over what is there: what was reserved, what counts, and a bit of both. */
	EXPECT_EQ(q, bc_puppet_map(0, q, 20, BC_RW, MAP_PRIVATE | MAP_FIXED));
	EXPECT_MORE(base, 30);
	EXPECT_EQ(q, bc_puppet_map(0, q, 20, BC_RW, MAP_PRIVATE | MAP_FIXED));
	EXPECT_MORE(base, 30);
	EXPECT_EQ(q, bc_puppet_map(0, q, 10, PROT_NONE, MAP_PRIVATE | MAP_FIXED));
	EXPECT_MORE(base, 20);
	EXPECT_EQ(q, bc_puppet_map(0, q, 15, BC_RW, MAP_PRIVATE | MAP_FIXED));
	EXPECT_MORE(base, 30);
	/* A hole, both ends, the rest. */
	EXPECT_EQ(0, bc_call(0, SYS_munmap, q + 8 * BC_PAGE, 4 * BC_PAGE));
	EXPECT_MORE(base, 26);
	EXPECT_EQ(0, bc_call(0, SYS_munmap, q, BC_PAGE));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, q + 19 * BC_PAGE, BC_PAGE));
	EXPECT_MORE(base, 24);
	EXPECT_EQ(0, bc_call(0, SYS_munmap, q, 20 * BC_PAGE));
	EXPECT_MORE(base, 10);

	/* Resized where it is, moved, moved and left. */
	EXPECT_EQ(p, bc_call(0, SYS_mremap, p, 10 * BC_PAGE, 4 * BC_PAGE, 0));
	EXPECT_MORE(base, 4);
	p = bc_call(0, SYS_mremap, p, 4 * BC_PAGE, 40 * BC_PAGE, MREMAP_MAYMOVE);
	ASSERT_LT(0, p);
	EXPECT_MORE(base, 40);
	q = bc_puppet_map(0, 0, 60, PROT_NONE, MAP_PRIVATE);
	ASSERT_LT(0, q);
	EXPECT_EQ(q, bc_call(0, SYS_mremap, p, 40 * BC_PAGE, 50 * BC_PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, q));
	EXPECT_MORE(base, 50);
	p = bc_call(0, SYS_mremap, q, 50 * BC_PAGE, 50 * BC_PAGE,
		    MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	ASSERT_LT(0, p);
	EXPECT_MORE(base, 100);
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 50 * BC_PAGE));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, q, 60 * BC_PAGE));
	EXPECT_MORE(base, 0);

	/* What is dropped stays mapped. */
	p = bc_puppet_map(0, 0, 10, BC_RW, MAP_PRIVATE | MAP_POPULATE);
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, 10 * BC_PAGE, MADV_DONTNEED));
	EXPECT_MORE(base, 10);
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 10 * BC_PAGE));

	brk = bc_call(0, SYS_brk, 0);
	EXPECT_EQ(brk + 7 * BC_PAGE, bc_call(0, SYS_brk, brk + 7 * BC_PAGE));
	EXPECT_MORE(base, 7);
	EXPECT_EQ(brk + 2 * BC_PAGE, bc_call(0, SYS_brk, brk + 2 * BC_PAGE));
	EXPECT_MORE(base, 2);
	EXPECT_EQ(brk, bc_call(0, SYS_brk, brk));
	EXPECT_MORE(base, 0);
}

TEST_F(priv, stack)
{
	long base = matched(self->dir, 0, 0), p;

	/* One that grows down to where we touch it, with room below. */
	p = bc_puppet_map(0, 0, 1000, PROT_NONE, MAP_PRIVATE);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 1000 * BC_PAGE));
	p += 998 * BC_PAGE;
	EXPECT_EQ(p, bc_puppet_map(0, p, 2, BC_RW, MAP_PRIVATE | MAP_FIXED | MAP_GROWSDOWN));
	EXPECT_MORE(base, 2);
	EXPECT_EQ(0, bc_call(0, BC_CALL_TOUCH, p - 10 * BC_PAGE));
	EXPECT_MORE(base, 12);

	/* A barrier does not bind it, as it binds who asks; the limit does. */
	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", base + 20));
	EXPECT_EQ(0, bc_write(self->dir, "privvmpages/barrier", "%ld", base + 10));
	EXPECT_EQ(-ENOMEM, bc_puppet_map(0, 0, 1, BC_RW, MAP_PRIVATE));
	EXPECT_EQ(0, bc_call(0, BC_CALL_TOUCH, p - 18 * BC_PAGE));
	EXPECT_MORE(base, 20);
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(-EPIPE, bc_call(0, BC_CALL_TOUCH, p - 19 * BC_PAGE));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	EXPECT_EQ(2, bc_get(self->dir, failcnt));
}

TEST_F(priv, refuse)
{
	long base, p, q, ro, brk;

	p = bc_puppet_map(0, 0, 10, BC_RW, MAP_PRIVATE);
	q = bc_puppet_map(0, 0, 10, PROT_NONE, MAP_PRIVATE);
	ro = bc_puppet_map(0, 0, 10, PROT_READ, MAP_PRIVATE);
	base = matched(self->dir, 0, 0);
	brk = bc_call(0, SYS_brk, 0);
	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", base + 3));
	EXPECT_EQ(0, bc_write(self->dir, "privvmpages/maxheld", "0"));

	/* One too many, on each path; nothing has happened then. */
	EXPECT_EQ(-ENOMEM, bc_puppet_map(0, 0, 4, BC_RW, MAP_PRIVATE));
	EXPECT_EQ(-ENOMEM, bc_puppet_map(0, q, 4, BC_RW, MAP_PRIVATE | MAP_FIXED));
	EXPECT_EQ(-ENOMEM, bc_call(0, SYS_mprotect, ro, 4 * BC_PAGE, BC_RW));
	EXPECT_EQ(-ENOMEM, bc_call(0, SYS_mremap, p, 10 * BC_PAGE, 14 * BC_PAGE,
				   MREMAP_MAYMOVE));
	EXPECT_EQ(-ENOMEM, bc_call(0, SYS_mremap, p, 10 * BC_PAGE, 10 * BC_PAGE,
				   MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	EXPECT_EQ(brk, bc_call(0, SYS_brk, brk + 4 * BC_PAGE));
	EXPECT_EQ(-ENOMEM, bc_puppet_fork(0, 1, BC_CALL_FORK));
	EXPECT_EQ(7, bc_get(self->dir, failcnt));
	EXPECT_MORE(base, 0);

	/* What does not need room. */
	EXPECT_EQ(p, bc_puppet_map(0, p, 10, BC_RW, MAP_PRIVATE | MAP_FIXED));
	EXPECT_EQ(0, bc_call(0, SYS_mprotect, p, 10 * BC_PAGE, PROT_READ));
	EXPECT_EQ(0, bc_call(0, SYS_mprotect, p, 10 * BC_PAGE, BC_RW));
	EXPECT_EQ(0, bc_call(0, SYS_mprotect, p, 10 * BC_PAGE, BC_RW | PROT_EXEC));
	EXPECT_LT(0, bc_puppet_map(0, 0, 1000, BC_RW, MAP_SHARED));
	EXPECT_LT(0, bc_puppet_map(0, 0, 1000, PROT_NONE, MAP_PRIVATE));
	EXPECT_EQ(7, bc_get(self->dir, failcnt));
	EXPECT_MORE(base, 0);

	/* And what fits exactly. */
	EXPECT_EQ(0, bc_call(0, SYS_mprotect, ro, BC_PAGE, BC_RW));
	EXPECT_EQ(q, bc_puppet_map(0, q, 1, BC_RW, MAP_PRIVATE | MAP_FIXED));
	EXPECT_EQ(brk + BC_PAGE, bc_call(0, SYS_brk, brk + BC_PAGE));
	EXPECT_MORE(base, 3);
	EXPECT_EQ(-ENOMEM, bc_puppet_map(0, 0, 1, BC_RW, MAP_PRIVATE));
	EXPECT_EQ(8, bc_get(self->dir, failcnt));
	EXPECT_EQ(base + 3, bc_get(self->dir, "privvmpages/maxheld"));
}

/* A kernel that refuses half-way must not leave anything charged, nor half a mapping. */
TEST_F_TIMEOUT(priv, allocation_fails, 300)
{
	int n, i, failed = 0;
	long p, q;

	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	p = bc_puppet_map(0, 0, 64, BC_RW, MAP_PRIVATE);
	q = bc_puppet_map(0, 0, 64, PROT_READ, MAP_PRIVATE);

	struct bc_call calls[] = {
		{ SYS_mmap, { 0, 8 * BC_PAGE, BC_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
		{ SYS_mmap, { p + 8 * BC_PAGE, 8 * BC_PAGE, PROT_READ,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0 } },
		{ SYS_munmap, { p + 24 * BC_PAGE, 8 * BC_PAGE } },
		{ SYS_mprotect, { q + 8 * BC_PAGE, 8 * BC_PAGE, BC_RW } },
		{ SYS_mprotect, { p + 40 * BC_PAGE, 8 * BC_PAGE, PROT_NONE } },
		{ SYS_mremap, { p + 48 * BC_PAGE, 8 * BC_PAGE, 16 * BC_PAGE, MREMAP_MAYMOVE } },
		{ BC_CALL_FORK, { 1 } },
	};
	for (i = 0; i < (int)ARRAY_SIZE(calls); i++) {
		for (n = 1; n < 500; n++) {
			long ret;

			calls[i].fail = n;
			ret = bc_call_now(0, &calls[i]);
			if (calls[i].nr == BC_CALL_FORK && ret > 0) {
				bc_puppets[1].pid = ret;
				EXPECT_LT(0, matched(self->dir, 0, 1));
				bc_puppet_kill(1);
				break;
			}
			EXPECT_LT(0, matched(self->dir, 0, 0)) {
				TH_LOG("call %d, allocation %d: %ld", i, n, ret);
			}
			if (ret >= 0)
				break;
			EXPECT_EQ(-ENOMEM, ret);
			failed++;
		}
		EXPECT_GT(500, n);
	}
	TH_LOG("%d failures", failed);
	EXPECT_LT(4, failed);
}

TEST_F(priv, fork_and_exec)
{
	long base = matched(self->dir, 0, 0), one;

	EXPECT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	EXPECT_EQ(2 * base, matched(self->dir, 0, 1));
	/* Only what was written after the fork is one's own. */
	EXPECT_LT(0, bc_puppet_map(1, 0, 100, BC_RW, MAP_PRIVATE));
	EXPECT_EQ(2 * base + 100, matched(self->dir, 0, 1));
	EXPECT_EQ(0, bc_puppet_exec(1));
	one = matched(self->dir, 0, 1);
	EXPECT_LT(base, one);
	EXPECT_GT(2 * base + 100, one);
	bc_puppet_kill(1);
	EXPECT_EQ(base, bc_settle(self->dir, held, base));
	EXPECT_EQ(base, matched(self->dir, 0, 0));
}

/* Not copied, or copied and empty. */
TEST_F(priv, fork_without)
{
	long base = matched(self->dir, 0, 0), p;

	p = bc_puppet_map(0, 0, 1000, BC_RW, MAP_PRIVATE);
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, 500 * BC_PAGE, MADV_DONTFORK));
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p + 500 * BC_PAGE, 500 * BC_PAGE,
			     MADV_WIPEONFORK));
	/* There is room for what is copied, and for nothing else. */
	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", 2 * base + 1500));
	EXPECT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
	EXPECT_EQ(2 * base + 1500, matched(self->dir, 0, 1));
	bc_puppet_kill(1);
	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", 2 * base + 1499));
	EXPECT_EQ(-ENOMEM, bc_puppet_fork(0, 1, BC_CALL_FORK));
	EXPECT_MORE(base, 1000);
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
}

/* An exec that is too large fails before the old program is gone, or kills. */
TEST_F(priv, exec_refused)
{
	long base = matched(self->dir, 0, 0);

	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", base));
	EXPECT_EQ(-ENOMEM, bc_puppet_exec(0));
	EXPECT_MORE(base, 0);
	EXPECT_LE(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(0, bc_write(self->dir, limit, "max"));
	EXPECT_EQ(0, bc_puppet_exec(0));
	EXPECT_LT(0, matched(self->dir, 0, 0));
}

static void group(char *path, const char *dir, const char *name)
{
	bc_mkdir(dir, name);
	bc_path(path, dir, name);
}

TEST_F(priv, move)
{
	long base = matched(self->dir, 0, 0);
	char a[96], b[96];

	group(a, self->dir, "a");
	group(b, self->dir, "b");
	EXPECT_EQ(0, bc_write(a, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(base, matched(a, 0, 0));
	EXPECT_EQ(base, bc_get(self->dir, held));
	/* Full, to the page: it stays, with all of it. */
	EXPECT_EQ(0, bc_write(b, limit, "%ld", base - 1));
	EXPECT_EQ(-ENOMEM, bc_write(b, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(1, bc_get(b, failcnt));
	EXPECT_EQ(0, bc_get(b, held));
	EXPECT_EQ(0, bc_get(b, "numtasks/held"));
	EXPECT_EQ(0, bc_get(b, "privvmpages/maxheld"));
	EXPECT_EQ(base, matched(a, 0, 0));
	EXPECT_EQ(1, bc_get(a, "numtasks/held"));
	/* What is above both is not asked, and need not have room for it twice. */
	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", base));
	EXPECT_EQ(0, bc_write(b, limit, "%ld", base));
	EXPECT_EQ(0, bc_write(b, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(base, matched(b, 0, 0));
	EXPECT_EQ(0, bc_get(a, held));
	EXPECT_EQ(base, bc_get(self->dir, held));
	EXPECT_EQ(base, bc_get(self->dir, "privvmpages/maxheld"));
	/* It goes on there. */
	EXPECT_EQ(-ENOMEM, bc_puppet_map(0, 0, 1, BC_RW, MAP_PRIVATE));
	EXPECT_EQ(0, bc_write(self->dir, limit, "max"));
	EXPECT_EQ(-ENOMEM, bc_puppet_map(0, 0, 1, BC_RW, MAP_PRIVATE));
	EXPECT_EQ(0, bc_write(b, limit, "max"));
	EXPECT_LT(0, bc_puppet_map(0, 0, 1, BC_RW, MAP_PRIVATE));
	EXPECT_EQ(base + 1, matched(b, 0, 0));
	/* Down, up, out and in again. */
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(base + 1, matched(self->dir, 0, 0));
	EXPECT_EQ(0, bc_get(b, held));
	EXPECT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_LT(0, bc_puppet_map(0, 0, 9, BC_RW, MAP_PRIVATE));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_write(a, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(base + 10, matched(a, 0, 0));
}

/* A refusal of another controller leaves it where it is. */
TEST_F(priv, move_refused_elsewhere)
{
	long base = matched(self->dir, 0, 0);
	char a[96];

	group(a, self->dir, "a");
	EXPECT_EQ(0, bc_write(a, "numtasks/limit", "0"));
	EXPECT_EQ(-EAGAIN, bc_write(a, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_MORE(base, 0);
	EXPECT_EQ(0, bc_get(a, held));
	if (access(BC_DEBUGFS "/bc/sabotage", W_OK))
		return;
	/* And one that comes when privvmpages has agreed. */
	EXPECT_EQ(0, bc_write(a, "numtasks/limit", "max"));
	ASSERT_EQ(0, bc_write(BC_DEBUGFS, "bc/sabotage", "veto"));
	EXPECT_EQ(-EPERM, bc_write(a, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(-EPERM, bc_write(BC_ROOT, "tasks", "%d", bc_puppets[0].pid));
	ASSERT_EQ(0, bc_write(BC_DEBUGFS, "bc/sabotage", "none"));
	EXPECT_MORE(base, 0);
	EXPECT_EQ(0, bc_get(a, held));
	EXPECT_LT(0, bc_puppet_map(0, 0, 9, BC_RW, MAP_PRIVATE));
	EXPECT_MORE(base, 9);
}

/* A thread does not take it along, unless it is the only one. */
TEST_F(priv, move_threads)
{
	pid_t tid[2], pid;
	struct bc_vm vm;
	char a[96];

	group(a, self->dir, "a");
	bc_puppet_kill(0);
	pid = bc_spawn_threads(2, tid);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_EQ(0, bc_vm(pid, &vm));
	EXPECT_EQ(vm.data, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_write(a, "threads", "%d", tid[0]));
	EXPECT_EQ(0, bc_write(a, "threads", "%d", tid[1]));
	EXPECT_EQ(0, bc_write(a, "threads", "%d", pid));
	EXPECT_EQ(0, bc_get(a, held));
	EXPECT_EQ(3, bc_get(a, "numtasks/held"));
	/* All are there, and only the memory moves. */
	EXPECT_EQ(0, bc_write(a, "tasks", "%d", pid));
	EXPECT_EQ(vm.data, bc_get(a, held));
	bc_reap(pid);

	pid = bc_spawn();
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_EQ(0, bc_vm(pid, &vm));
	EXPECT_EQ(0, bc_write(a, "threads", "%d", pid));
	EXPECT_EQ(vm.data, bc_get(a, held));
	bc_reap(pid);
}

/* Who only uses it takes nothing along, and has its own after an exec. */
TEST_F(priv, share)
{
	long base = matched(self->dir, 0, 0), own;
	char a[96];

	group(a, self->dir, "a");
	ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_VFORK));
	EXPECT_EQ(base, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_write(a, "tasks", "%d", bc_puppets[1].pid));
	EXPECT_EQ(1, bc_get(a, "numtasks/held"));
	EXPECT_EQ(0, bc_get(a, held));
	/* What it maps is its maker's. */
	EXPECT_LT(0, bc_puppet_map(1, 0, 5, BC_RW, MAP_PRIVATE));
	EXPECT_MORE(base, 5);
	EXPECT_EQ(0, bc_get(a, held));
	EXPECT_EQ(0, bc_puppet_exec(1));
	own = bc_get(a, held);
	EXPECT_EQ(own, matched(a, 1, 1));
	EXPECT_EQ(base + 5 + own, bc_get(self->dir, held));
	bc_puppet_kill(1);
	EXPECT_MORE(base, 5);

	/* The maker goes, and it stays where it is, without a name if need be. */
	ASSERT_EQ(0, bc_write(a, "tasks", "%d", bc_puppets[0].pid));
	ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_VFORK));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", bc_puppets[1].pid));
	bc_puppet_kill(0);
	EXPECT_EQ(base + 5, bc_get(a, held));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(base + 5, bc_get(self->dir, held));
	EXPECT_LT(0, bc_puppet_map(1, 0, 5, BC_RW, MAP_PRIVATE));
	EXPECT_EQ(base + 10, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", base + 10));
	EXPECT_EQ(-ENOMEM, bc_puppet_map(1, 0, 1, BC_RW, MAP_PRIVATE));
	bc_puppet_kill(1);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

/* It maps and unmaps all the time, and is moved all the time. */
TEST_F(priv, move_while_mapping)
{
	double end = bc_end_time(10);
	long base = matched(self->dir, 0, 0), max;
	int moves = 0, refused = 0, err;
	char g[3][96];

	group(g[0], self->dir, "a");
	group(g[1], self->dir, "b");
	group(g[2], g[1], "c");
	/* In one of them, there is not always room, neither to come nor to map. */
	max = base + 50;
	EXPECT_EQ(0, bc_write(g[2], limit, "%ld", max));
	ASSERT_EQ(0, bc_call_send(0, &(struct bc_call){ BC_CALL_STORM, { 100 } }));
	while (bc_now() < end) {
		err = bc_write(g[moves % 3], "tasks", "%d", bc_puppets[0].pid);
		EXPECT_TRUE(!err || err == -ENOMEM);
		refused += !!err;
		EXPECT_GE(max, bc_get(g[2], held));
		EXPECT_GE(max, bc_get(g[2], "privvmpages/maxheld"));
		moves++;
	}
	ASSERT_EQ(0, bc_call_send(0, &(struct bc_call){ SYS_getpid }));
	EXPECT_EQ(0, bc_call_answer(0));
	EXPECT_LT(0, bc_call_answer(0));
	EXPECT_EQ(0, bc_write(g[0], "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(base, matched(g[0], 0, 0));
	EXPECT_EQ(0, bc_get(g[1], held));
	EXPECT_EQ(0, bc_get(g[2], held));
	EXPECT_EQ(base, bc_get(self->dir, held));
	TH_LOG("%d moves, %d refused", moves, refused);
	EXPECT_LT(0, refused);
	EXPECT_LT(refused, bc_get(g[2], failcnt));
}

/* Moved while it forks and execs: each address space is where its process is. */
TEST_F(priv, move_while_execing)
{
	double end = bc_end_time(10);
	char g[2][96];
	int i, moves = 0, execs = 0;
	pid_t mover;

	group(g[0], self->dir, "a");
	group(g[1], self->dir, "b");
	mover = fork();
	if (!mover) {
		bc_die_with_parent();
		/* Also from where nobody is charged. */
		for (;;) {
			const char *to = moves % 3 < 2 ? g[moves % 3] : BC_ROOT;

			bc_write(to, "tasks", "%d", bc_puppets[0].pid);
			moves++;
		}
	}
	while (bc_now() < end) {
		struct bc_vm vm;
		long sum;

		ASSERT_EQ(0, bc_puppet_exec(0));
		execs++;
		/* Stop it where it is, now and then, and look. */
		if (execs % 4 == 0) {
			kill(mover, SIGSTOP);
			waitpid(mover, NULL, WUNTRACED);
			sum = bc_get(g[0], held) + bc_get(g[1], held);
			ASSERT_EQ(0, bc_vm(bc_puppets[0].pid, &vm));
			EXPECT_EQ(bc_count(BC_ROOT, "tasks", bc_puppets[0].pid) ? 0 : vm.data,
				  sum);
			kill(mover, SIGCONT);
		}
		if (execs % 8 == 0) {
			ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_FORK));
			bc_puppet_kill(1);
		}
	}
	bc_reap(mover);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, bc_write(g[i], "tasks", "%d", bc_puppets[0].pid));
		EXPECT_LT(0, matched(g[i], 0, 0));
		EXPECT_EQ(0, bc_settle(g[!i], held, 0));
	}
	TH_LOG("%d execs", execs);
}

/* Several processes at the same limit. It is never passed, and reached. */
TEST_F(priv, concurrent)
{
	double end = bc_end_time(5);
	long base, max;
	int i;

	for (i = 1; i < 4; i++) {
		ASSERT_EQ(0, bc_puppet_start(i));
		ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", bc_puppets[i].pid));
	}
	base = matched(self->dir, 0, 3);
	max = base + 130;
	EXPECT_EQ(0, bc_write(self->dir, limit, "%ld", max));
	for (i = 0; i < 4; i++)
		bc_call_send(i, &(struct bc_call){ BC_CALL_STORM, { 63 } });
	while (bc_now() < end)
		EXPECT_GE(max, bc_get(self->dir, held));
	for (i = 0; i < 4; i++) {
		bc_call_send(i, &(struct bc_call){ SYS_getpid });
		EXPECT_EQ(0, bc_call_answer(i));
		EXPECT_LT(0, bc_call_answer(i));
	}
	EXPECT_EQ(base, matched(self->dir, 0, 3));
	/* Room for two at a time. */
	EXPECT_LE(base + 126, bc_get(self->dir, "privvmpages/maxheld"));
	EXPECT_GE(max, bc_get(self->dir, "privvmpages/maxheld"));
	EXPECT_LT(0, bc_get(self->dir, failcnt));
}

/* It is still its old group's, which is gone, and is moved in another hierarchy. */
TEST_F(priv, other_hierarchy)
{
	long base = matched(self->dir, 0, 0);
	pid_t tid[1], pid;
	struct bc_vm vm;
	const char *why;
	char h[64];

	bc_puppets_kill();
	bc_hierarchy(h, sizeof(h), 'p');
	pid = bc_spawn_threads(1, tid);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_EQ(0, bc_vm(pid, &vm));
	EXPECT_EQ(vm.data, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_write(BC_ROOT, "threads", "%d", pid));
	EXPECT_EQ(0, bc_write(BC_ROOT, "threads", "%d", tid[0]));
	EXPECT_EQ(vm.data, bc_get(self->dir, held));
	ASSERT_EQ(0, rmdir(self->dir));
	if (bc_bindable(&why)) {
		ASSERT_EQ(0, mkdir(h, 0755));
		EXPECT_EQ(0, bc_write(h, "controllers", "privvmpages"));
		EXPECT_EQ(0, bc_mkdir(h, "g"));
		EXPECT_EQ(0, bc_write(h, "g/tasks", "%d", pid));
		EXPECT_EQ(vm.data, bc_get(h, "g/privvmpages/held"));
		EXPECT_EQ(0, bc_write(h, "tasks", "%d", pid));
		EXPECT_EQ(0, bc_get(h, "g/privvmpages/held"));
		EXPECT_EQ(0, bc_remove_hierarchy(h));
	} else {
		TH_LOG("%s", why);
	}
	bc_reap(pid);
	EXPECT_LT(0, base);
	/* For who tears it down. */
	EXPECT_EQ(0, mkdir(self->dir, 0755));
}

TEST_F(priv, root)
{
	char buf[64];

	/* Committed_AS, which has other memory in it, too. */
	EXPECT_LT(0, bc_get(BC_ROOT, held));
	EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, limit, "100"));
	EXPECT_EQ(0, bc_read(BC_ROOT, limit, buf, sizeof(buf)));
	EXPECT_STREQ("max\n", buf);
}

TEST_HARNESS_MAIN
