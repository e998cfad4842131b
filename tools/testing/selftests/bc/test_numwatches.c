// SPDX-License-Identifier: GPL-2.0
/*
 * numinotify and numwatches: which watches count, and all the ways in which they go.
 */
#include <sys/fanotify.h>
#include <sys/inotify.h>

#include "bc_util.h"

static const char *instances = "numinotify/held";
static const char *watches = "numwatches/held";

FIXTURE(watch) {
	char dir[64];
	char tmp[64];
};

FIXTURE_SETUP(watch)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, "numinotify") == -ENOENT)
		SKIP(return, "no inotify in this kernel");
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	snprintf(self->tmp, sizeof(self->tmp), "/tmp/bc-watches-%d", getpid());
	ASSERT_EQ(0, mkdir(self->tmp, 0700));
	ASSERT_EQ(0, bc_mkdir(self->tmp, "a"));
	ASSERT_EQ(0, bc_mkdir(self->tmp, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
}

FIXTURE_TEARDOWN(watch)
{
	if (!self->dir[0])
		return;
	bc_rmdir(self->tmp, "a");
	bc_rmdir(self->tmp, "b");
	rmdir(self->tmp);
	bc_expect_clean(_metadata, self->dir);
}

static int watch(int fd, const char *dir, const char *name, unsigned int mask)
{
	char path[PATH_MAX];
	int wd;

	bc_path(path, dir, name);
	wd = inotify_add_watch(fd, path, mask);
	return wd < 0 ? -errno : wd;
}

TEST_F(watch, ways_to_go)
{
	int fd = inotify_init1(IN_NONBLOCK), copy, wd;

	ASSERT_LE(0, fd);
	wd = watch(fd, self->tmp, "a", IN_CREATE);
	EXPECT_LT(0, wd);
	EXPECT_EQ(1, bc_get(self->dir, watches));
	/* To change one is not to make one. */
	EXPECT_EQ(wd, watch(fd, self->tmp, "a", IN_DELETE));
	EXPECT_EQ(wd, watch(fd, self->tmp, "a", IN_OPEN | IN_MASK_ADD));
	EXPECT_EQ(1, bc_get(self->dir, watches));
	/* It goes at once, not when its memory does. */
	EXPECT_EQ(0, inotify_rm_watch(fd, wd));
	EXPECT_EQ(0, bc_get(self->dir, watches));

	/* With what is watched. */
	EXPECT_LT(0, watch(fd, self->tmp, "a", IN_CREATE));
	EXPECT_EQ(0, bc_rmdir(self->tmp, "a"));
	EXPECT_EQ(0, bc_settle(self->dir, watches, 0));
	EXPECT_EQ(0, bc_mkdir(self->tmp, "a"));

	/* After its first event. */
	EXPECT_LT(0, watch(fd, self->tmp, "a", IN_CREATE | IN_ONESHOT));
	EXPECT_EQ(0, bc_mkdir(self->tmp, "a/x"));
	EXPECT_EQ(0, bc_settle(self->dir, watches, 0));
	EXPECT_EQ(0, bc_rmdir(self->tmp, "a/x"));

	/* With the last descriptor of the instance. */
	EXPECT_LT(0, watch(fd, self->tmp, "a", IN_CREATE));
	EXPECT_LT(0, watch(fd, self->tmp, "b", IN_CREATE));
	EXPECT_EQ(2, bc_get(self->dir, watches));
	copy = dup(fd);
	close(fd);
	EXPECT_EQ(1, bc_get(self->dir, instances));
	EXPECT_EQ(2, bc_get(self->dir, watches));
	close(copy);
	EXPECT_EQ(0, bc_settle(self->dir, instances, 0));
	EXPECT_EQ(0, bc_settle(self->dir, watches, 0));
}

TEST_F(watch, full)
{
	int fd = inotify_init1(0), wd;

	ASSERT_EQ(0, bc_write(self->dir, "numinotify/limit", "1"));
	EXPECT_EQ(-1, inotify_init1(0));
	EXPECT_EQ(EMFILE, errno);
	ASSERT_EQ(0, bc_write(self->dir, "numwatches/limit", "1"));
	wd = watch(fd, self->tmp, "a", IN_CREATE);
	EXPECT_LT(0, wd);
	EXPECT_EQ(-ENOSPC, watch(fd, self->tmp, "b", IN_CREATE));
	/* Those that are there can be changed, and work. */
	EXPECT_EQ(wd, watch(fd, self->tmp, "a", IN_CREATE | IN_DELETE));
	EXPECT_EQ(1, bc_get(self->dir, "numwatches/failcnt"));
	EXPECT_EQ(1, bc_get(self->dir, "numinotify/failcnt"));
	EXPECT_EQ(0, inotify_rm_watch(fd, wd));
	/* Also after a refusal, there is room for as many as before. */
	EXPECT_LT(0, watch(fd, self->tmp, "b", IN_CREATE));
	EXPECT_EQ(1, bc_get(self->dir, watches));
	/* What cannot be watched is not charged. */
	ASSERT_EQ(0, bc_write(self->dir, "numwatches/limit", "max"));
	EXPECT_EQ(-ENOENT, watch(fd, self->tmp, "c", IN_CREATE));
	EXPECT_EQ(1, bc_get(self->dir, watches));
	close(fd);
}

/* Watches are charged to who adds them, whoever made the instance. */
TEST_F(watch, of_another)
{
	int fd = inotify_init1(0);

	ASSERT_EQ(0, bc_mkdir(self->dir, "x"));
	ASSERT_EQ(0, bc_write(self->dir, "x/tasks", "0"));
	EXPECT_LT(0, watch(fd, self->tmp, "a", IN_CREATE));
	EXPECT_EQ(1, bc_get(self->dir, "x/numwatches/held"));
	EXPECT_EQ(0, bc_get(self->dir, "x/numinotify/held"));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "x"));
	EXPECT_EQ(1, bc_get(self->dir, watches));
	close(fd);
	EXPECT_EQ(0, bc_settle(self->dir, watches, 0));
}

static int mark(int fd, unsigned int flags, const char *dir, const char *name)
{
	char path[PATH_MAX];

	bc_path(path, dir, name);
	return fanotify_mark(fd, flags, FAN_OPEN, AT_FDCWD, path) ? -errno : 0;
}

TEST_F(watch, fanotify)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);

	if (fd < 0)
		SKIP(return, "no fanotify in this kernel");
	ASSERT_EQ(0, bc_write(self->dir, "numwatches/limit", "1"));
	EXPECT_EQ(0, bc_get(self->dir, instances));
	EXPECT_EQ(0, mark(fd, FAN_MARK_ADD, self->tmp, "a"));
	EXPECT_EQ(0, mark(fd, FAN_MARK_ADD, self->tmp, "a"));
	EXPECT_EQ(1, bc_get(self->dir, watches));
	EXPECT_EQ(-ENOSPC, mark(fd, FAN_MARK_ADD, self->tmp, "b"));
	EXPECT_EQ(0, mark(fd, FAN_MARK_REMOVE, self->tmp, "a"));
	EXPECT_EQ(0, bc_get(self->dir, watches));
	EXPECT_EQ(0, mark(fd, FAN_MARK_ADD, self->tmp, "b"));
	EXPECT_EQ(0, mark(fd, FAN_MARK_FLUSH, self->tmp, "b"));
	EXPECT_EQ(0, bc_get(self->dir, watches));
	EXPECT_EQ(0, mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT, "/", "tmp"));
	EXPECT_EQ(1, bc_get(self->dir, watches));
	close(fd);
	EXPECT_EQ(0, bc_settle(self->dir, watches, 0));

	/* What has no limit has none here, and counts. */
	fd = fanotify_init(FAN_CLASS_NOTIF | FAN_UNLIMITED_MARKS, O_RDONLY);
	EXPECT_EQ(0, mark(fd, FAN_MARK_ADD, self->tmp, "a"));
	EXPECT_EQ(0, mark(fd, FAN_MARK_ADD, self->tmp, "b"));
	EXPECT_EQ(2, bc_get(self->dir, watches));
	close(fd);
	EXPECT_EQ(0, bc_settle(self->dir, watches, 0));
	EXPECT_EQ(1, bc_get(self->dir, "numwatches/failcnt"));
}

TEST_HARNESS_MAIN
