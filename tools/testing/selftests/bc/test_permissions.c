// SPDX-License-Identifier: GPL-2.0
/*
 * Who may do what: users that are not root, and a subtree that is theirs.
 */
#include "bc_util.h"

#define USER 12345

struct as_user {
	const char *dir;
	pid_t pid;
};

static int outsider(void *arg)
{
	const struct as_user *a = arg;

	bc_become(USER, USER);
	if (bc_mkdir(a->dir, "mine") != -EACCES)
		return 1;
	if (bc_write(a->dir, "tasks", "0") != -EACCES)
		return 2;
	if (bc_write(a->dir, "threads", "0") != -EACCES)
		return 3;
	if (bc_write(a->dir, "numtasks/limit", "5") != -EACCES)
		return 4;
	if (bc_write(BC_ROOT, "tasks", "0") != -EACCES)
		return 5;
	/* Looking is free. */
	if (bc_get(a->dir, "numtasks/held") != 0 || bc_count(a->dir, "tasks", 0) != 0)
		return 6;
	return 0;
}

TEST_F(bc, outsider)
{
	struct as_user a = { .dir = self->dir };

	EXPECT_EQ(0, bc_in_child(outsider, &a));
}

/* A process of the user's in a/. */
static pid_t spawn_user_in(const char *dir)
{
	int fd[2];
	pid_t pid;
	char c;

	if (pipe(fd))
		_exit(102);
	pid = fork();
	if (pid == 0) {
		if (bc_write(dir, "a/tasks", "0"))
			_exit(103);
		bc_become(USER, USER);
		if (write(fd[1], "x", 1) != 1)
			_exit(104);
		for (;;)
			pause();
	}
	close(fd[1]);
	if (read(fd[0], &c, 1) != 1)
		_exit(105);
	close(fd[0]);
	return pid;
}

static int delegate(void *arg)
{
	const struct as_user *a = arg;
	pid_t own;

	bc_become(USER, USER);
	/* Within the subtree: its own process, to and fro. */
	if (bc_write(a->dir, "b/tasks", "%d", a->pid))
		return 1;
	if (bc_write(a->dir, "a/threads", "%d", a->pid) != -EACCES)
		return 2;	/* a/threads is root's */
	if (bc_write(a->dir, "a/tasks", "%d", a->pid))
		return 3;
	if (bc_write(a->dir, "tasks", "%d", a->pid))
		return 4;
	/* Not out of it. */
	if (bc_write(BC_ROOT, "tasks", "%d", a->pid) != -EACCES)
		return 5;
	/* Not from elsewhere into it, not even its own. */
	own = bc_spawn();
	if (bc_write(a->dir, "a/tasks", "%d", own) != -EACCES)
		return 6;
	if (bc_write(a->dir, "a/tasks", "0") != -EACCES)
		return 7;
	bc_reap(own);
	/* Nor somebody else's, wherever. */
	if (bc_write(a->dir, "a/tasks", "1") != -EACCES)
		return 8;
	return 0;
}

static int not_others(void *arg)
{
	const struct as_user *a = arg;

	bc_become(USER, USER);
	/* A process of root's that is in the subtree already. */
	return bc_write(a->dir, "b/tasks", "%d", a->pid) == -EACCES ? 0 : 1;
}

static int without_ancestor(void *arg)
{
	const struct as_user *a = arg;

	bc_become(USER, USER);
	return bc_write(a->dir, "b/tasks", "%d", a->pid) == -EACCES ? 0 : 1;
}

TEST_F(bc, delegation)
{
	struct as_user a = { .dir = self->dir };
	pid_t roots = bc_spawn();

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_chown(self->dir, "a/tasks", USER, USER));
	ASSERT_EQ(0, bc_chown(self->dir, "b/tasks", USER, USER));
	a.pid = spawn_user_in(self->dir);
	/* Both groups are the user's, what is above them is not. */
	EXPECT_EQ(0, bc_in_child(without_ancestor, &a));
	EXPECT_EQ(1, bc_count(self->dir, "a/tasks", a.pid));

	ASSERT_EQ(0, bc_chown(self->dir, "tasks", USER, USER));
	EXPECT_EQ(0, bc_in_child(delegate, &a));
	bc_reap(a.pid);

	a.pid = roots;
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", roots));
	EXPECT_EQ(0, bc_in_child(not_others, &a));
	bc_reap(roots);
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
}

/* Permission by mode and by group of users, also when the file is not open. */
static int by_group(void *arg)
{
	const struct as_user *a = arg;

	if (setgroups(0, NULL) || setresgid(USER, USER, USER) ||
	    setresuid(USER, USER, USER))
		return 100;
	return -bc_write(a->dir, "b/tasks", "%d", a->pid);
}

TEST_F(bc, mode)
{
	struct as_user a = { .dir = self->dir };
	char path[PATH_MAX];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_chown(self->dir, "b/tasks", USER, USER));
	a.pid = spawn_user_in(self->dir);

	bc_path(path, self->dir, "tasks");
	ASSERT_EQ(0, chown(path, 0, USER));
	ASSERT_EQ(0, chmod(path, 0644));
	EXPECT_EQ(EACCES, bc_in_child(by_group, &a));
	ASSERT_EQ(0, chmod(path, 0664));
	EXPECT_EQ(0, bc_in_child(by_group, &a));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", a.pid));
	/* The group's bits count for the group, the others' do not. */
	ASSERT_EQ(0, chmod(path, 0646));
	EXPECT_EQ(EACCES, bc_in_child(by_group, &a));
	/* The owner's bits for the owner, even with all others allowed. */
	ASSERT_EQ(0, chown(path, USER, 0));
	ASSERT_EQ(0, chmod(path, 0466));
	EXPECT_EQ(EACCES, bc_in_child(by_group, &a));
	bc_reap(a.pid);
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
}

/*
 * A file that the user has opened is handed to root, who writes to it: it is the
 * opener's right that counts. The other way round it is a right that was given.
 */
TEST_F(bc, opener)
{
	pid_t roots = bc_spawn();
	char path[PATH_MAX], text[32];
	int fd;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_chown(self->dir, "a/tasks", USER, USER));
	bc_path(path, self->dir, "a/tasks");
	ASSERT_EQ(0, seteuid(USER));
	fd = open(path, O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, seteuid(0));

	snprintf(text, sizeof(text), "%d", roots);
	EXPECT_EQ(-1, write(fd, text, strlen(text)));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, bc_get(self->dir, "a/numtasks/held"));
	close(fd);

	fd = open(path, O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, seteuid(USER));
	EXPECT_EQ((ssize_t)strlen(text), write(fd, text, strlen(text)));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(1, bc_get(self->dir, "a/numtasks/held"));
	close(fd);
	bc_reap(roots);
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
}

TEST_HARNESS_MAIN
