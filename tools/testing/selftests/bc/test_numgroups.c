// SPDX-License-Identifier: GPL-2.0
/*
 * numgroups: the groups below a group, also for somebody to whom it was given, and without
 * those that were removed and live on.
 */
#include <sched.h>

#include "bc_failslab.h"

#define USER 1000

static const char held[] = "numgroups/held";
static const char limit[] = "numgroups/limit";
static const char failcnt[] = "numgroups/failcnt";

/* Each counts above itself, once. */
TEST_F(bc, counts)
{
	long before = bc_get(BC_ROOT, held);

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/c"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "d"));
	EXPECT_EQ(4, bc_get(self->dir, held));
	EXPECT_EQ(2, bc_get(self->dir, "a/numgroups/held"));
	EXPECT_EQ(0, bc_get(self->dir, "a/b/numgroups/held"));
	EXPECT_EQ(before + 4, bc_get(BC_ROOT, held));
	/* What does not come, or not go, changes nothing. */
	EXPECT_EQ(-EEXIST, bc_mkdir(self->dir, "d"));
	EXPECT_EQ(-EEXIST, bc_mkdir(self->dir, "numfiles"));
	EXPECT_EQ(-ENOTEMPTY, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(4, bc_get(self->dir, held));
	EXPECT_EQ(4, bc_get(self->dir, "numgroups/maxheld"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/c"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(1, bc_get(self->dir, held));
	EXPECT_EQ(before + 1, bc_get(BC_ROOT, held));
}

TEST_F(bc, refuse)
{
	ASSERT_EQ(0, bc_write(self->dir, limit, "3"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b/c"));
	/* Wherever below, and the one counts it whose limit it is. */
	EXPECT_EQ(-EAGAIN, bc_mkdir(self->dir, "a/b/c/d"));
	EXPECT_EQ(-EAGAIN, bc_mkdir(self->dir, "d"));
	EXPECT_EQ(2, bc_get(self->dir, failcnt));
	EXPECT_EQ(0, bc_get(self->dir, "a/b/c/numgroups/failcnt"));
	EXPECT_EQ(3, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_get(self->dir, "a/b/c/numgroups/held"));
	/* The barrier means nothing, nor does a limit for what is there. */
	ASSERT_EQ(0, bc_write(self->dir, limit, "4"));
	ASSERT_EQ(0, bc_write(self->dir, "numgroups/barrier", "0"));
	EXPECT_EQ(0, bc_mkdir(self->dir, "d"));
	ASSERT_EQ(0, bc_write(self->dir, limit, "1"));
	EXPECT_EQ(4, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_rmdir(self->dir, "d"));
	EXPECT_EQ(-EAGAIN, bc_mkdir(self->dir, "d"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b/c"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(-EAGAIN, bc_mkdir(self->dir, "d"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_mkdir(self->dir, "d"));
}

/* There is room as soon as rmdir(2) returns, although the group may live on. */
TEST_F(bc, room_at_once)
{
	char g[80];
	int i, fd;

	bc_path(g, self->dir, "g");
	ASSERT_EQ(0, bc_write(self->dir, limit, "1"));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, bc_mkdir(self->dir, "g")) {
			TH_LOG("after %d", i);
		}
		ASSERT_EQ(0, bc_rmdir(self->dir, "g"));
	}
	ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
	ASSERT_EQ(0, bc_write(g, "tasks", "0"));
	fd = open("/dev/null", O_RDONLY);
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
	ASSERT_EQ(0, bc_rmdir(self->dir, "g"));
	EXPECT_LE(1, bc_get(self->dir, "numfiles/held"));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_mkdir(self->dir, "g"));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
	EXPECT_EQ(0, bc_get(self->dir, "numgroups/minheld"));
	close(fd);
}

/* Who has been given the directory, and nothing else. */
static int as_user(void *arg)
{
	const char *dir = arg;
	char file[96];

	bc_path(file, dir, limit);
	bc_become(USER, USER);
	if (bc_mkdir(dir, "a") || bc_mkdir(dir, "a/b"))
		return 1;
	/* Limits of one's own do not help. */
	if (bc_write(dir, "a/numgroups/limit", "1000"))
		return 2;
	if (bc_mkdir(dir, "a/c") != -EAGAIN || bc_mkdir(dir, "c") != -EAGAIN)
		return 3;
	if (bc_write(dir, limit, "1000") != -EACCES || !chmod(file, 0666))
		return 4;
	if (bc_rmdir(dir, "a/b") || bc_mkdir(dir, "a/c"))
		return 5;
	return 0;
}

TEST_F(bc, delegated)
{
	ASSERT_EQ(0, bc_write(self->dir, limit, "2"));
	ASSERT_EQ(0, bc_chown(self->dir, ".", USER, USER));
	EXPECT_EQ(0, bc_in_child(as_user, self->dir));
	EXPECT_EQ(2, bc_get(self->dir, failcnt));
	EXPECT_EQ(2, bc_get(self->dir, held));
}

static int in_namespaces(void *arg)
{
	const char *dir = arg;

	if (bc_write(dir, "tasks", "0"))
		return 1;
	if (unshare(CLONE_NEWUTS))
		return 2;
	/* In the new one now, below which there is no room, either. */
	if (!unshare(CLONE_NEWUTS) || errno != EAGAIN)
		return 3;
	return 0;
}

TEST_F(bc, clone)
{
	ASSERT_EQ(0, bc_write(self->dir, limit, "1"));
	ASSERT_EQ(0, bc_write("/proc/sys/kernel", "bc_clone_on_unshare", "1"));
	EXPECT_EQ(0, bc_in_child(in_namespaces, self->dir));
	bc_write("/proc/sys/kernel", "bc_clone_on_unshare", "0");
	EXPECT_EQ(1, bc_get(self->dir, held));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
}

/* It counts in the hierarchy that has it, and in no other. */
TEST_F(bc, other_hierarchy)
{
	const char *why;
	char h[80];

	ASSERT_EQ(0, bc_remove(self->dir));
	if (!bc_bindable(&why)) {
		ASSERT_EQ(0, mkdir(self->dir, 0755));
		SKIP(return, "%s", why);
	}
	bc_hierarchy(h, sizeof(h), 'g');
	ASSERT_EQ(0, mkdir(h, 0755));
	EXPECT_EQ(0, bc_write(h, "controllers", "numgroups"));
	EXPECT_EQ(0, bc_mkdir(h, "a"));
	EXPECT_EQ(0, bc_write(h, "a/numgroups/limit", "1"));
	EXPECT_EQ(0, bc_mkdir(h, "a/b"));
	EXPECT_EQ(-EAGAIN, bc_mkdir(h, "a/c"));
	EXPECT_EQ(2, bc_get(h, held));
	EXPECT_EQ(0, mkdir(self->dir, 0755));
	EXPECT_EQ(0, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(-ENOENT, bc_get(self->dir, held));
	EXPECT_EQ(2, bc_get(h, held));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, rmdir(self->dir));
	EXPECT_EQ(0, bc_remove_hierarchy(h));
	EXPECT_EQ(0, mkdir(self->dir, 0755));
	EXPECT_EQ(0, bc_get(self->dir, held));
}

static void make_and_remove(const char *dir)
{
	unsigned int seed = getpid();
	char name[16];

	for (;;) {
		snprintf(name, sizeof(name), "%u", rand_r(&seed) % 4);
		if (rand_r(&seed) % 2)
			bc_mkdir(dir, name);
		else
			bc_rmdir(dir, name);
	}
}

TEST_F(bc, storm)
{
	double end = bc_end_time(3);
	long n = 0, most = 0, failed = 0;
	pid_t pid[3];
	size_t i;

	ASSERT_EQ(0, bc_write(self->dir, limit, "2"));
	for (i = 0; i < ARRAY_SIZE(pid); i++)
		pid[i] = bc_background(make_and_remove, self->dir);
	while (n <= 2 && n >= 0 && bc_goes_on(end, most == 2 && failed)) {
		n = bc_get(self->dir, held);
		most = n > most ? n : most;
		if (!failed)
			failed = bc_get(self->dir, failcnt);
	}
	for (i = 0; i < ARRAY_SIZE(pid); i++)
		bc_reap(pid[i]);
	EXPECT_GE(2, n);
	EXPECT_LE(0, n);
	EXPECT_EQ(2, most);
	EXPECT_EQ(2, bc_get(self->dir, "numgroups/maxheld"));
	EXPECT_LT(0, bc_get(self->dir, failcnt));
	EXPECT_EQ(bc_children(self->dir, false), bc_get(self->dir, held));
	EXPECT_LE(0, bc_children(self->dir, true));
	EXPECT_EQ(0, bc_get(self->dir, held));
}

static int make(const char *dir)
{
	return bc_mkdir(dir, "g");
}

static void unmake(const char *dir)
{
	bc_rmdir(dir, "g");
}

static bool unmade(const char *dir)
{
	return bc_get(dir, held) == 0;
}

/* A mkdir(2) that fails later gives the place back at once. */
TEST_F_TIMEOUT(bc, failures, 300)
{
	if (!bc_fail_set_up())
		SKIP(return, "needs failslab and fail-nth");
	bc_fail_gap = 15;
	bc_fail_each(_metadata, make, unmake, unmade, self->dir, "mkdir");
}

TEST_HARNESS_MAIN
