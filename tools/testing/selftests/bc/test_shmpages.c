// SPDX-License-Identifier: GPL-2.0
/*
 * shmpages: each kind of shared memory, who pays for it, and what a refusal looks like.
 */
#include <linux/falloc.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/shm.h>

#include "bc_failslab.h"
#include "bc_mm.h"

static const char *held = "shmpages/held";
static const char *limit = "shmpages/limit";
static const char *failcnt = "shmpages/failcnt";

FIXTURE(shm) {
	char dir[64];
	char mnt[64];	/* a tmpfs of our own */
};

FIXTURE_SETUP(shm)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, "shmpages") == -ENOENT)
		SKIP(return, "no shmpages in this kernel");
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	snprintf(self->mnt, sizeof(self->mnt), "/tmp/bc-shm-%d", getpid());
	ASSERT_EQ(0, mkdir(self->mnt, 0755));
	ASSERT_EQ(0, mount("none", self->mnt, "tmpfs", 0, NULL));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_puppets_init());
	ASSERT_EQ(0, bc_puppet_start(0));
	ASSERT_EQ(0, bc_puppet_start(1));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", bc_puppets[0].pid));
	ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", bc_puppets[1].pid));
}

FIXTURE_TEARDOWN(shm)
{
	if (!self->dir[0])
		return;
	bc_puppets_kill();
	umount(self->mnt);
	rmdir(self->mnt);
	bc_expect_clean(_metadata, self->dir);
}

static long held_a(const char *dir)
{
	return bc_get(dir, "a/shmpages/held");
}

static long held_b(const char *dir)
{
	return bc_get(dir, "b/shmpages/held");
}

/* Its size counts, from when it is made until it is gone. */
TEST_F(shm, segment)
{
	long id, p;

	EXPECT_EQ(0, bc_write(self->dir, "a/shmpages/limit", "9"));
	EXPECT_EQ(-ENOMEM, bc_call(0, SYS_shmget, IPC_PRIVATE, 9 * BC_PAGE + 1, 0600));
	EXPECT_EQ(1, bc_get(self->dir, "a/shmpages/failcnt"));
	EXPECT_EQ(0, held_a(self->dir));
	EXPECT_EQ(0, bc_write(self->dir, "a/shmpages/limit", "10"));
	id = bc_call(0, SYS_shmget, IPC_PRIVATE, 9 * BC_PAGE + 1, 0600);
	ASSERT_LE(0, id);
	EXPECT_EQ(10, held_a(self->dir));
	/* Others may use it, and it may be removed while it is used. */
	p = bc_call(1, SYS_shmat, id, 0, 0);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(1, BC_CALL_TOUCH, p));
	EXPECT_EQ(10, held_a(self->dir));
	EXPECT_EQ(0, held_b(self->dir));
	EXPECT_EQ(0, bc_call(0, SYS_shmctl, id, IPC_RMID, 0));
	bc_puppet_kill(0);
	EXPECT_EQ(10, held_a(self->dir));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(10, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_call(1, SYS_shmdt, p));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

TEST_F(shm, anonymous)
{
	long p;

	EXPECT_EQ(0, bc_write(self->dir, "a/shmpages/limit", "10"));
	EXPECT_EQ(-ENOMEM, bc_puppet_map(0, 0, 11, BC_RW, MAP_SHARED));
	EXPECT_EQ(1, bc_get(self->dir, "a/shmpages/failcnt"));
	p = bc_puppet_map(0, 0, 10, BC_RW, MAP_SHARED);
	ASSERT_LT(0, p);
	EXPECT_EQ(10, held_a(self->dir));
	/* Not once for each who has it, and not until the last part of it is gone. */
	ASSERT_EQ(0, bc_puppet_fork(0, 2, BC_CALL_FORK));
	EXPECT_EQ(10, held_a(self->dir));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, 10 * BC_PAGE));
	EXPECT_EQ(0, bc_call(2, SYS_munmap, p, 9 * BC_PAGE));
	EXPECT_EQ(10, held_a(self->dir));
	/* It does not go along. */
	EXPECT_EQ(0, bc_write(self->dir, "b/tasks", "%d", bc_puppets[2].pid));
	EXPECT_EQ(10, held_a(self->dir));
	bc_puppet_kill(2);
	EXPECT_EQ(0, bc_settle(self->dir, "a/shmpages/held", 0));

	/* What is not reserved counts when it is touched. */
	p = bc_puppet_map(0, 0, 1000, BC_RW, MAP_SHARED | MAP_NORESERVE);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, held_a(self->dir));
	EXPECT_EQ(0, bc_call(0, BC_CALL_TOUCH, p));
	EXPECT_EQ(0, bc_call(0, BC_CALL_TOUCH, p + 500 * BC_PAGE));
	EXPECT_EQ(2, held_a(self->dir));
	EXPECT_EQ(0, bc_write(self->dir, "a/shmpages/limit", "2"));
	/* SIGBUS. */
	EXPECT_EQ(-EPIPE, bc_call(0, BC_CALL_TOUCH, p + BC_PAGE));
	EXPECT_EQ(0, bc_settle(self->dir, "a/shmpages/held", 0));
}

static char page[4096];

TEST_F(shm, memfd)
{
	long fd;

	fd = bc_call(0, SYS_memfd_create, (long)"bc", 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, bc_call(0, SYS_ftruncate, fd, 100 * BC_PAGE));
	EXPECT_EQ(0, held_a(self->dir));
	EXPECT_EQ(4096, bc_call(0, SYS_pwrite64, fd, (long)page, 4096, 0));
	EXPECT_EQ(1, held_a(self->dir));
	EXPECT_EQ(4096, bc_call(0, SYS_pwrite64, fd, (long)page, 4096, 10));
	EXPECT_EQ(2, held_a(self->dir));
	EXPECT_EQ(0, bc_call(0, SYS_fallocate, fd, 0, 0, 10 * BC_PAGE));
	EXPECT_EQ(10, held_a(self->dir));
	EXPECT_EQ(0, bc_call(0, SYS_fallocate, fd,
			     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			     2 * BC_PAGE, 3 * BC_PAGE));
	EXPECT_EQ(7, held_a(self->dir));
	EXPECT_EQ(0, bc_call(0, SYS_ftruncate, fd, BC_PAGE));
	EXPECT_EQ(1, held_a(self->dir));
	/* All of it or nothing; a write may be short. */
	EXPECT_EQ(0, bc_write(self->dir, "a/shmpages/limit", "5"));
	EXPECT_EQ(-ENOSPC, bc_call(0, SYS_fallocate, fd, 0, 0, 10 * BC_PAGE));
	EXPECT_EQ(1, held_a(self->dir));
	EXPECT_EQ(1, bc_get(self->dir, "a/shmpages/failcnt"));
	EXPECT_EQ(0, bc_call(0, SYS_fallocate, fd, 0, 0, 5 * BC_PAGE));
	EXPECT_EQ(-ENOSPC, bc_call(0, SYS_pwrite64, fd, (long)page, 1, 5 * BC_PAGE));
	EXPECT_EQ(2, bc_get(self->dir, "a/shmpages/failcnt"));
	EXPECT_EQ(5, held_a(self->dir));
	/* Who has made it pays, whoever writes. */
	ASSERT_EQ(0, bc_puppet_fork(0, 2, BC_CALL_FORK));
	EXPECT_EQ(0, bc_write(self->dir, "b/tasks", "%d", bc_puppets[2].pid));
	EXPECT_EQ(-ENOSPC, bc_call(2, SYS_pwrite64, fd, (long)page, 1, 5 * BC_PAGE));
	EXPECT_EQ(0, bc_write(self->dir, "a/shmpages/limit", "6"));
	EXPECT_EQ(1, bc_call(2, SYS_pwrite64, fd, (long)page, 1, 5 * BC_PAGE));
	EXPECT_EQ(6, held_a(self->dir));
	EXPECT_EQ(0, held_b(self->dir));
	EXPECT_EQ(0, bc_call(0, SYS_close, fd));
	EXPECT_EQ(6, held_a(self->dir));
	EXPECT_EQ(0, bc_call(2, SYS_close, fd));
	EXPECT_EQ(0, bc_settle(self->dir, "a/shmpages/held", 0));
}

/* In a file, each page is charged to who has written it. */
TEST_F(shm, file)
{
	static char path[96];
	long fd[2];
	int i, own;

	bc_path(path, self->mnt, "f");
	own = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_LE(0, own);
	for (i = 0; i < 2; i++) {
		/* The name is not in their memory, which is a copy from before. */
		bc_puppet_kill(i);
		ASSERT_EQ(0, bc_puppet_start(i));
		ASSERT_EQ(0, bc_write(self->dir, i ? "b/tasks" : "a/tasks", "%d",
				      bc_puppets[i].pid));
		fd[i] = bc_call(i, SYS_openat, AT_FDCWD, (long)path, O_RDWR);
		ASSERT_LE(0, fd[i]);
	}
	/* Five of ours, who pay nothing, ten of the one's, twenty of the other's. */
	EXPECT_EQ(0, fallocate(own, 0, 0, 5 * BC_PAGE));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_call(0, SYS_fallocate, fd[0], 0, 0, 15 * BC_PAGE));
	EXPECT_EQ(0, bc_call(1, SYS_fallocate, fd[1], 0, 0, 35 * BC_PAGE));
	EXPECT_EQ(10, held_a(self->dir));
	EXPECT_EQ(20, held_b(self->dir));
	/* What is written again is nobody else's. */
	EXPECT_EQ(4096, bc_call(1, SYS_pwrite64, fd[1], (long)page, 4096, 0));
	EXPECT_EQ(20, held_b(self->dir));
	/* One's own goes first, then nobody's, then that of others. */
	EXPECT_EQ(0, bc_call(1, SYS_ftruncate, fd[1], 20 * BC_PAGE));
	EXPECT_EQ(10, held_a(self->dir));
	EXPECT_EQ(5, held_b(self->dir));
	EXPECT_EQ(0, bc_call(0, SYS_ftruncate, fd[0], 9 * BC_PAGE));
	EXPECT_EQ(0, held_a(self->dir));
	EXPECT_EQ(5, held_b(self->dir));
	EXPECT_EQ(0, ftruncate(own, 0));
	EXPECT_EQ(0, bc_get(self->dir, held));

	/* Full for the one is not full for the other. */
	EXPECT_EQ(0, bc_write(self->dir, "a/shmpages/limit", "3"));
	EXPECT_EQ(0, bc_call(0, SYS_fallocate, fd[0], 0, 0, 3 * BC_PAGE));
	EXPECT_EQ(-ENOSPC, bc_call(0, SYS_pwrite64, fd[0], (long)page, 1, 3 * BC_PAGE));
	EXPECT_EQ(1, bc_call(1, SYS_pwrite64, fd[1], (long)page, 1, 3 * BC_PAGE));
	/* Nor can what others have made be filled for free. */
	EXPECT_EQ(1, pwrite(own, page, 1, 50 * BC_PAGE));
	EXPECT_EQ(-ENOSPC, bc_call(0, SYS_pwrite64, fd[0], (long)page, 1, 51 * BC_PAGE));
	EXPECT_EQ(3, held_a(self->dir));
	EXPECT_EQ(1, held_b(self->dir));
	/* The file is what is charged, not who has it open. */
	bc_puppets_kill();
	close(own);
	EXPECT_EQ(3, held_a(self->dir));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(4, bc_get(self->dir, held));
	EXPECT_EQ(0, unlink(path));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

TEST_F(shm, barrier)
{
	EXPECT_EQ(0, bc_write(self->dir, limit, "100"));
	EXPECT_EQ(0, bc_write(self->dir, "shmpages/barrier", "10"));
	EXPECT_EQ(-ENOMEM, bc_puppet_map(0, 0, 11, BC_RW, MAP_SHARED));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(0, bc_get(self->dir, "a/shmpages/failcnt"));
	EXPECT_LT(0, bc_puppet_map(0, 0, 10, BC_RW, MAP_SHARED));
}

TEST_F_TIMEOUT(shm, allocation_fails, 300)
{
	static char path[96];
	struct bc_call calls[] = {
		{ SYS_mmap, { 0, 9 * BC_PAGE, BC_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0 } },
		{ SYS_memfd_create, { (long)"bc", 0 } },
		{ SYS_shmget, { IPC_PRIVATE, 9 * BC_PAGE, 0600 } },
		{ SYS_fallocate, { 0, 0, 0, 9 * BC_PAGE } },
	};
	int i, n, failed = 0;
	long fd, ret;

	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	bc_path(path, self->mnt, "f");
	bc_puppet_kill(0);
	ASSERT_EQ(0, bc_puppet_start(0));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", bc_puppets[0].pid));
	fd = bc_call(0, SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CREAT, 0600);
	ASSERT_LE(0, fd);
	calls[3].arg[0] = fd;
	for (i = 0; i < (int)ARRAY_SIZE(calls); i++) {
		for (n = 1; n < 300; n++) {
			calls[i].fail = n;
			ret = bc_call_now(0, &calls[i]);
			if (ret >= 0)
				break;
			failed++;
			EXPECT_TRUE(ret == -ENOMEM || ret == -ENOSPC || ret == -ENFILE) {
				TH_LOG("call %d, allocation %d: %ld", i, n, ret);
			}
			EXPECT_EQ(0, bc_settle(self->dir, held, 0)) {
				TH_LOG("call %d, allocation %d", i, n);
			}
		}
		EXPECT_GT(300, n);
		if (i == 0) {
			EXPECT_EQ(9, held_a(self->dir));
			EXPECT_EQ(0, bc_call(0, SYS_munmap, ret, 9 * BC_PAGE));
		} else if (i == 1) {
			EXPECT_EQ(0, bc_call(0, SYS_close, ret));
		} else if (i == 2) {
			EXPECT_EQ(9, held_a(self->dir));
			EXPECT_EQ(0, bc_call(0, SYS_shmctl, ret, IPC_RMID, 0));
		}
		EXPECT_EQ(i == 3 ? 9 : 0, bc_settle(self->dir, held, i == 3 ? 9 : 0));
	}
	TH_LOG("%d failures", failed);
	EXPECT_LT(2, failed);
	EXPECT_EQ(0, unlink(path));
}

/* Two that fill the same limit: it is reached, and not passed. */
TEST_F(shm, concurrent)
{
	double end = bc_end_time(3);
	pid_t pid[2];
	int i;

	bc_puppets_kill();
	EXPECT_EQ(0, bc_write(self->dir, limit, "100"));
	for (i = 0; i < 2; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			int fd = memfd_create("bc", 0);

			bc_die_with_parent();
			bc_write(self->dir, i ? "b/tasks" : "a/tasks", "0");
			/* One that belongs to the group. */
			close(fd);
			fd = memfd_create("bc", 0);
			for (;;) {
				if (pwrite(fd, page, 1, lseek(fd, BC_PAGE, SEEK_CUR)) != 1)
					ftruncate(fd, lseek(fd, 0, SEEK_SET));
			}
		}
	}
	while (bc_goes_on(end, bc_get(self->dir, failcnt) > 0))
		EXPECT_GE(100, bc_get(self->dir, held));
	EXPECT_EQ(100, bc_get(self->dir, "shmpages/maxheld"));
	EXPECT_LT(0, bc_get(self->dir, failcnt));
	for (i = 0; i < 2; i++)
		bc_reap(pid[i]);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

TEST_F(shm, root)
{
	FILE *f = fopen("/proc/meminfo", "re");
	long kb = -1, val;
	char line[128];

	/* Shmem, as of the same moment or nearly so. */
	val = bc_get(BC_ROOT, held);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Shmem: %ld", &kb) == 1)
			break;
	}
	if (f)
		fclose(f);
	EXPECT_LE(kb / 4 - 64, val);
	EXPECT_GE(kb / 4 + 64, val);
}

TEST_HARNESS_MAIN
