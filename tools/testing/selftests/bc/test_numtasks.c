// SPDX-License-Identifier: GPL-2.0
/*
 * numtasks: what it counts, what it refuses, and that it gives back.
 */
#include <linux/sched.h>
#include <pthread.h>

#include "bc_util.h"

static void *nothing(void *arg)
{
	return arg;
}

/* Runs in a group with room for one task: us. Returns the line that failed. */
static int no_room(void *arg)
{
	const char *dir = arg;
	struct clone_args args = { .exit_signal = SIGCHLD };
	pthread_t thread;
	pid_t pid;

	if (bc_write(dir, "tasks", "0"))
		return 1;
	pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid > 0 || errno != EAGAIN)
		return 2;
	pid = vfork();
	if (pid == 0)
		_exit(0);
	if (pid > 0 || errno != EAGAIN)
		return 3;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(0);
	if (pid > 0 || errno != EAGAIN)
		return 4;
	if (pthread_create(&thread, NULL, nothing, NULL) != EAGAIN)
		return 5;
	return 0;
}

TEST_F(bc, refuse)
{
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	EXPECT_EQ(0, bc_in_child(no_room, self->dir));
	EXPECT_EQ(4, bc_get(self->dir, "numtasks/failcnt"));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/maxheld"));
}

/* The limit of an ancestor, and where that counts. */
TEST_F(bc, refuse_above)
{
	char leaf[96];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	snprintf(leaf, sizeof(leaf), "%s/a/b", self->dir);
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	ASSERT_EQ(0, bc_write(self->dir, "a/numtasks/limit", "10"));
	EXPECT_EQ(0, bc_in_child(no_room, leaf));
	EXPECT_EQ(4, bc_get(self->dir, "numtasks/failcnt"));
	EXPECT_EQ(0, bc_get(self->dir, "a/numtasks/failcnt"));
	EXPECT_EQ(0, bc_get(self->dir, "a/b/numtasks/failcnt"));
	/* A refused charge is no peak, at any level. */
	EXPECT_EQ(1, bc_get(self->dir, "a/b/numtasks/maxheld"));
	EXPECT_EQ(1, bc_get(self->dir, "a/numtasks/maxheld"));
	EXPECT_EQ(0, bc_get(self->dir, "a/numtasks/held"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
}

TEST_F(bc, move_over_limit)
{
	pid_t a = bc_spawn(), b = bc_spawn();

	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", a));
	EXPECT_EQ(-EAGAIN, bc_write(self->dir, "tasks", "%d", b));
	EXPECT_EQ(-EAGAIN, bc_write(self->dir, "threads", "%d", b));
	EXPECT_EQ(2, bc_get(self->dir, "numtasks/failcnt"));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/maxheld"));
	EXPECT_EQ(1, bc_count(BC_ROOT, "tasks", b));
	/* Where it is already, it costs nothing. */
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", a));
	bc_reap(a);
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", b));
	bc_reap(b);
}

/* Between groups with a full parent: the parent does not notice. */
TEST_F(bc, move_below_full_parent)
{
	pid_t pid = bc_spawn();

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b/c"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));

	EXPECT_EQ(0, bc_write(self->dir, "b/tasks", "%d", pid));
	EXPECT_EQ(0, bc_get(self->dir, "a/numtasks/held"));
	EXPECT_EQ(1, bc_get(self->dir, "b/numtasks/held"));
	EXPECT_EQ(0, bc_write(self->dir, "b/c/tasks", "%d", pid));
	EXPECT_EQ(1, bc_get(self->dir, "b/numtasks/held"));
	EXPECT_EQ(1, bc_get(self->dir, "b/c/numtasks/held"));
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	EXPECT_EQ(0, bc_get(self->dir, "b/numtasks/held"));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(0, bc_write(self->dir, "b/c/tasks", "%d", pid));

	EXPECT_EQ(1, bc_get(self->dir, "numtasks/maxheld"));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/failcnt"));
	EXPECT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", pid));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/held"));
	bc_reap(pid);
	EXPECT_EQ(0, bc_rmdir(self->dir, "b/c"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
}

static void *wait_forever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* A process of four threads, which are spread over three groups, moves whole. */
TEST_F(bc, move_scattered_threads)
{
	pid_t tids[3] = { }, pid;
	char path[128];
	int i, n;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "c"));
	pid = fork();
	if (pid == 0) {
		pthread_t thread;

		for (i = 0; i < 3; i++)
			pthread_create(&thread, NULL, wait_forever, NULL);
		for (;;)
			pause();
	}
	/* Find the threads: those that a listing has beside the leader. */
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	do {
		FILE *f;
		int id;

		usleep(2000);
		snprintf(path, sizeof(path), "%s/threads", self->dir);
		f = fopen(path, "re");
		ASSERT_NE(NULL, f);
		for (n = 0; n < 3 && fscanf(f, "%d", &id) == 1;) {
			if (id != pid)
				tids[n++] = id;
		}
		fclose(f);
	} while (n < 3);

	ASSERT_EQ(0, bc_write(self->dir, "a/threads", "%d", tids[0]));
	ASSERT_EQ(0, bc_write(self->dir, "b/threads", "%d", tids[1]));
	ASSERT_EQ(0, bc_write(BC_ROOT, "threads", "%d", tids[2]));
	EXPECT_EQ(3, bc_get(self->dir, "numtasks/held"));

	/* There is room for three in c: all of them are refused, none is moved. */
	ASSERT_EQ(0, bc_write(self->dir, "c/numtasks/limit", "3"));
	EXPECT_EQ(-EAGAIN, bc_write(self->dir, "c/tasks", "%d", pid));
	EXPECT_EQ(0, bc_get(self->dir, "c/numtasks/held"));
	EXPECT_EQ(0, bc_get(self->dir, "c/numtasks/maxheld"));
	EXPECT_EQ(1, bc_get(self->dir, "c/numtasks/failcnt"));
	EXPECT_EQ(1, bc_get(self->dir, "a/numtasks/held"));
	EXPECT_EQ(1, bc_get(self->dir, "b/numtasks/held"));
	EXPECT_EQ(3, bc_get(self->dir, "numtasks/held"));

	/* One more is new to the parent, and is one too many for it. */
	ASSERT_EQ(0, bc_write(self->dir, "c/numtasks/limit", "4"));
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "3"));
	EXPECT_EQ(-EAGAIN, bc_write(self->dir, "c/tasks", "%d", pid));
	EXPECT_EQ(0, bc_get(self->dir, "c/numtasks/maxheld"));
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "4"));
	EXPECT_EQ(0, bc_write(self->dir, "c/tasks", "%d", pid));
	EXPECT_EQ(4, bc_get(self->dir, "c/numtasks/held"));
	EXPECT_EQ(0, bc_get(self->dir, "a/numtasks/held"));
	EXPECT_EQ(0, bc_get(self->dir, "b/numtasks/held"));
	EXPECT_EQ(4, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(4, bc_count(self->dir, "c/threads", 0));
	bc_reap(pid);
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "c"));
}

/* Zombies count, until somebody waits for them. */
static int make_zombies(void *arg)
{
	const char *dir = arg;
	pid_t pid[2];
	int i;

	if (bc_write(dir, "tasks", "0"))
		return 1;
	for (i = 0; i < 2; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(0);
		if (pid[i] < 0)
			return 2;
		bc_wait_zombie(pid[i]);
	}
	if (bc_get(dir, "numtasks/held") != 3)
		return 3;
	if (fork() >= 0 || errno != EAGAIN)
		return 4;
	waitpid(pid[0], NULL, 0);
	if (bc_get(dir, "numtasks/held") != 2)
		return 5;
	pid[0] = fork();
	if (pid[0] == 0)
		_exit(0);
	if (pid[0] < 0)
		return 6;
	while (wait(NULL) > 0)
		;
	return bc_get(dir, "numtasks/held") == 1 ? 0 : 7;
}

TEST_F(bc, zombies)
{
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "3"));
	EXPECT_EQ(0, bc_in_child(make_zombies, self->dir));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/failcnt"));
}

TEST_F(bc, limit_below_held)
{
	pid_t a = bc_spawn(), b = bc_spawn(), c = bc_spawn();

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", a));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", b));
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	EXPECT_EQ(2, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(-EAGAIN, bc_write(self->dir, "tasks", "%d", c));
	bc_reap(a);
	EXPECT_EQ(-EAGAIN, bc_write(self->dir, "tasks", "%d", c));
	bc_reap(b);
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", c));
	bc_reap(c);
}

/*
 * Forks that fail later, for another reason: after the charge, copy_process()
 * finds that the id that is asked for is taken.
 */
static int fail_later(void *arg)
{
	const char *dir = arg;
	pid_t taken = 1;
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (unsigned long)&taken,
		.set_tid_size = 1,
	};
	int i;

	if (bc_write(dir, "tasks", "0"))
		return 1;
	for (i = 0; i < 20; i++) {
		pid_t pid = syscall(SYS_clone3, &args, sizeof(args));

		if (pid == 0)
			_exit(0);
		if (pid > 0 || errno != EEXIST)
			return 2;
	}
	if (bc_get(dir, "numtasks/held") != 1)
		return 3;
	/* It was charged, or this would test nothing. */
	if (bc_get(dir, "numtasks/maxheld") != 2)
		return 4;
	return 0;
}

TEST_F(bc, fork_fails_later)
{
	EXPECT_EQ(0, bc_in_child(fail_later, self->dir));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/failcnt"));
}

/* A fork bomb, and somebody who looks at held all the time. */
static int bomb(void *arg)
{
	int i;

	if (bc_write(arg, "tasks", "0"))
		return 1;
	for (i = 0; i < 12; i++) {
		if (fork() == 0)
			i = 0;
	}
	for (;;)
		pause();
	return 0;
}

TEST_F(bc, fork_bomb)
{
	long held, above = 0, looks = 0;
	pid_t pid;

	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "20"));
	pid = fork();
	if (pid == 0)
		_exit(bomb(self->dir));
	while (bc_get(self->dir, "numtasks/failcnt") < 50) {
		held = bc_get(self->dir, "numtasks/held");
		above += held > 20;
		looks++;
	}
	EXPECT_EQ(0, above);
	EXPECT_LT(0, looks);
	EXPECT_EQ(20, bc_get(self->dir, "numtasks/maxheld"));
	/* Life goes on outside. */
	EXPECT_EQ(0, system("true"));
	/* How it is ended: no more forks, then kill whoever is there. */
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/limit", "0"));
	EXPECT_EQ(0, bc_remove(self->dir));
	waitpid(pid, NULL, 0);
	self->dir[0] = '\0';
}

TEST_HARNESS_MAIN
