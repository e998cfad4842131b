// SPDX-License-Identifier: GPL-2.0
/*
 * Groups in groups, and what may be removed when.
 */
#include "bc_util.h"

#define DEPTH 32

TEST_F(bc, thirty_two_levels)
{
	char path[PATH_MAX];
	pid_t pid;
	int i;

	/* self->dir is the first. */
	snprintf(path, sizeof(path), "%s", self->dir);
	for (i = 2; i <= DEPTH; i++) {
		ASSERT_EQ(0, bc_mkdir(path, "d")) {
			TH_LOG("level %d", i);
		}
		strcat(path, "/d");
	}
	EXPECT_EQ(-ENOSPC, bc_mkdir(path, "d"));
	EXPECT_EQ(-ENOSPC, bc_mkdir(path, "e"));

	pid = bc_spawn();
	ASSERT_EQ(0, bc_write(path, "tasks", "%d", pid));
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	for (i = DEPTH; i >= 1; i--) {
		EXPECT_EQ(1, bc_get(path, "numtasks/held"));
		EXPECT_EQ(i == DEPTH, bc_count(path, "tasks", 0));
		if (i > 1)
			*strrchr(path, '/') = '\0';
	}
	bc_reap(pid);

	for (i = DEPTH; i >= 2; i--) {
		int j;

		snprintf(path, sizeof(path), "%s", self->dir);
		for (j = 2; j <= i; j++)
			strcat(path, "/d");
		EXPECT_EQ(0, rmdir(path));
	}
}

TEST_F(bc, names)
{
	char name[NAME_MAX + 2];

	EXPECT_EQ(-EEXIST, bc_mkdir(self->dir, "tasks"));
	EXPECT_EQ(-EEXIST, bc_mkdir(self->dir, "numtasks"));
	EXPECT_EQ(-EEXIST, bc_mkdir(self->dir, "id"));
	EXPECT_EQ(-EINVAL, bc_mkdir(self->dir, "a\nb"));
	EXPECT_EQ(0, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(-EEXIST, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(-ENOENT, bc_rmdir(self->dir, "a"));

	memset(name, 'n', sizeof(name));
	name[NAME_MAX + 1] = '\0';
	EXPECT_EQ(-ENAMETOOLONG, bc_mkdir(self->dir, name));
	name[NAME_MAX] = '\0';
	EXPECT_EQ(0, bc_mkdir(self->dir, name));
	EXPECT_EQ(0, bc_rmdir(self->dir, name));
	EXPECT_EQ(0, bc_mkdir(self->dir, "with space and ünïcödé"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "with space and ünïcödé"));
}

TEST_F(bc, rmdir_rules)
{
	char path[PATH_MAX];
	pid_t pid;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	EXPECT_EQ(-ENOTEMPTY, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(-EPERM, bc_rmdir(self->dir, "a/numtasks"));
	EXPECT_EQ(-EPERM, bc_mkdir(self->dir, "a/numtasks/x"));
	bc_path(path, self->dir, "a/held");
	EXPECT_EQ(-1, open(path, O_CREAT | O_WRONLY, 0644));
	bc_path(path, self->dir, "a/tasks");
	EXPECT_EQ(-1, unlink(path));
	bc_path(path, self->dir, "a/link");
	EXPECT_EQ(-1, symlink(self->dir, path));

	pid = bc_spawn();
	ASSERT_EQ(0, bc_write(self->dir, "a/b/tasks", "%d", pid));
	EXPECT_EQ(-EBUSY, bc_rmdir(self->dir, "a/b"));
	/* A refusal leaves everything as it was. */
	EXPECT_EQ(1, bc_count(self->dir, "a/b/tasks", pid));
	EXPECT_EQ(0, bc_write(self->dir, "a/b/numtasks/limit", "3"));
	EXPECT_EQ(0, bc_mkdir(self->dir, "a/b/c"));
	EXPECT_EQ(-ENOTEMPTY, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b/c"));

	/* A zombie is not listed, and is there until it is reaped. */
	kill(pid, SIGKILL);
	bc_wait_zombie(pid);
	EXPECT_EQ(0, bc_count(self->dir, "a/b/tasks", 0));
	EXPECT_EQ(1, bc_get(self->dir, "a/b/numtasks/held"));
	EXPECT_EQ(-EBUSY, bc_rmdir(self->dir, "a/b"));
	waitpid(pid, NULL, 0);
	EXPECT_EQ(0, bc_get(self->dir, "a/b/numtasks/held"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
}

TEST_F(bc, root_stays)
{
	EXPECT_EQ(-1, rmdir(BC_ROOT));
	EXPECT_EQ(0, access(BC_ROOT "/tasks", F_OK));
}

/* What is freed can be made again, many times, also next to many others. */
TEST_F_TIMEOUT(bc, many, 300)
{
	char name[32];
	int i;

	for (i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		ASSERT_EQ(0, bc_mkdir(self->dir, name));
	}
	for (i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		/* Found among the others, as are its parent's files. */
		EXPECT_EQ(-EEXIST, bc_mkdir(self->dir, name));
		ASSERT_EQ(0, bc_get(self->dir, "numtasks/held"));
		snprintf(name, sizeof(name), "h%d", i);
		EXPECT_EQ(-ENOENT, bc_rmdir(self->dir, name));
		snprintf(name, sizeof(name), "g%d", i);
		ASSERT_EQ(0, bc_rmdir(self->dir, name));
	}
}

TEST_HARNESS_MAIN
