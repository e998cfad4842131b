// SPDX-License-Identifier: GPL-2.0
/*
 * numpty: a pair is one, and lasts as long as either end.
 */
#include <stdlib.h>

#include "bc_util.h"

static const char *held = "numpty/held";

static int open_master(void)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

static int open_slave(int master)
{
	const char *name = unlockpt(master) ? NULL : ptsname(master);
	int fd = name ? open(name, O_RDWR | O_NOCTTY) : -1;

	return fd < 0 ? -errno : fd;
}

TEST_F(bc, pair)
{
	int m, s;

	ASSERT_EQ(0, bc_write(self->dir, "numpty/limit", "1"));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	m = open_master();
	ASSERT_LE(0, m);
	s = open_slave(m);
	ASSERT_LE(0, s);
	EXPECT_EQ(1, bc_get(self->dir, held));
	EXPECT_EQ(-ENOSPC, open_master());
	EXPECT_EQ(1, bc_get(self->dir, "numpty/failcnt"));
	/* The master first. */
	close(m);
	EXPECT_EQ(1, bc_get(self->dir, held));
	close(s);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));

	/* The slave first. */
	m = open_master();
	s = open_slave(m);
	close(s);
	EXPECT_EQ(1, bc_get(self->dir, held));
	s = open_slave(m);
	EXPECT_LE(0, s);
	close(s);
	close(m);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	EXPECT_EQ(1, bc_get(self->dir, "numpty/maxheld"));
}

/* A session that is killed, with its terminal. */
TEST_F(bc, session)
{
	int m, p[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	m = open_master();
	ASSERT_LE(0, m);
	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		setsid();
		if (open(ptsname(m), O_RDWR) < 0 && !unlockpt(m))
			open(ptsname(m), O_RDWR);
		close(m);
		if (write(p[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	ASSERT_EQ(1, read(p[0], &c, 1));
	close(m);
	/* The hang-up may have killed it by now, or not. */
	bc_reap(pid);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	close(p[0]);
	close(p[1]);
}

TEST_F(bc, root)
{
	long first = bc_get(BC_ROOT, held);
	int m = open_master();

	EXPECT_LE(0, first);
	EXPECT_EQ(first + 1, bc_get(BC_ROOT, held));
	close(m);
	EXPECT_EQ(first, bc_settle(BC_ROOT, held, first));
}

TEST_HARNESS_MAIN
