// SPDX-License-Identifier: GPL-2.0
/*
 * Two at once: moves, exits, forks, removals, writers. Whatever wins, nothing is
 * lost and nothing is left.
 */
#include "bc_util.h"

/* How long each race is run, in seconds. */
#define RACE 5

TEST_F_TIMEOUT(bc, move_against_exit, 300)
{
	double end = bc_end_time(RACE);
	int moved = 0, late = 0, other = 0;

	while (bc_now() < end) {
		pid_t pid = fork();
		int err, i;

		if (pid == 0) {
			for (i = 0; i < (getpid() * 37) % 5000; i++)
				__asm__ volatile("");
			_exit(0);
		}
		/* To and fro until it is gone. */
		do {
			err = bc_write(self->dir, "tasks", "%d", pid);
			if (!err)
				moved++;
			else if (err == -ESRCH)
				late++;
			else
				other++;
			if (!err)
				err = bc_write(BC_ROOT, "tasks", "%d", pid);
		} while (!err);
		waitpid(pid, NULL, 0);
	}
	TH_LOG("%d moved, %d had exited", moved, late);
	EXPECT_LT(0, late);
	EXPECT_EQ(0, other);
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(0, bc_count(self->dir, "threads", 0));
}

static void make_and_remove(const char *dir)
{
	bc_mkdir(dir, "g");
	bc_rmdir(dir, "g");
}

TEST_F_TIMEOUT(bc, move_against_rmdir, 300)
{
	pid_t maker = bc_background(make_and_remove, self->dir);
	pid_t pid = bc_spawn();
	double end = bc_end_time(RACE);
	int in = 0, gone = 0, other = 0;

	while (bc_now() < end || !in) {
		int err = bc_write(self->dir, "g/tasks", "%d", pid);

		if (!err) {
			/* While it is in there, the group stays. */
			EXPECT_EQ(1, bc_count(self->dir, "g/tasks", pid));
			EXPECT_EQ(1, bc_get(self->dir, "g/numtasks/held"));
			EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
			in++;
		} else if (err == -ENOENT) {
			gone++;
		} else {
			other++;
		}
		EXPECT_LE(bc_get(self->dir, "numtasks/held"), 1);
	}
	TH_LOG("%d moves in, %d times too late", in, gone);
	EXPECT_LT(0, in);
	EXPECT_EQ(0, other);
	bc_reap(maker);
	bc_reap(pid);
	bc_rmdir(self->dir, "g");
}

static void fork_and_wait(const char *dir)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* The group is never empty: whatever is on its way in a fork counts. */
TEST_F_TIMEOUT(bc, fork_against_rmdir, 300)
{
	pid_t forker = bc_background(fork_and_wait, self->dir);
	double end = bc_end_time(RACE);
	int busy = 0;

	ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", forker));
	while (bc_now() < end) {
		int err = bc_rmdir(self->dir, "g");

		ASSERT_EQ(-EBUSY, err);
		busy++;
	}
	TH_LOG("%d times busy", busy);
	bc_reap(forker);
	/* Its last child may be with init now. */
	while (bc_get(self->dir, "g/numtasks/held") > 0)
		usleep(1000);
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

/* A process that forks all the time is moved; its children stay where they are. */
TEST_F_TIMEOUT(bc, fork_against_move, 300)
{
	pid_t forker[2] = {
		bc_background(fork_and_wait, self->dir),
		bc_background(fork_and_wait, self->dir),
	};
	double end = bc_end_time(RACE);
	int i;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	for (i = 0; bc_now() < end; i++) {
		int err = bc_write(self->dir, i % 3 == 0 ? "a/tasks" :
				   i % 3 == 1 ? "b/tasks" : "../tasks",
				   "%d", forker[i % 2]);

		ASSERT_EQ(0, err);
		ASSERT_LE(0, bc_get(self->dir, "a/numtasks/held"));
		ASSERT_GE(4, bc_get(self->dir, "numtasks/held"));
	}
	bc_reap(forker[0]);
	bc_reap(forker[1]);
	while (bc_get(self->dir, "numtasks/held") > 0)
		usleep(1000);
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
}

static pid_t victim;

static void move_victim(const char *dir)
{
	bc_write(dir, "a/tasks", "%d", victim);
	bc_write(dir, "numtasks/limit", "5");
	bc_write(dir, "numtasks/barrier", "3");
	bc_write(dir, "a/numtasks/maxheld", "0");
}

/* Two move the same process, and write the same limits. */
TEST_F_TIMEOUT(bc, two_writers, 300)
{
	double end = bc_end_time(RACE);
	pid_t writer;
	int n = 0;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	victim = bc_spawn();
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", victim));
	writer = bc_background(move_victim, self->dir);
	while (bc_now() < end) {
		ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", victim));
		ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "2"));
		ASSERT_EQ(0, bc_write(self->dir, "b/numtasks/maxheld", "0"));
		/* It is always in one of them. */
		EXPECT_EQ(1, bc_get(self->dir, "numtasks/held"));
		/* And the barrier is where one of them has put it, or goes with the limit. */
		EXPECT_GE(5, bc_get(self->dir, "numtasks/limit"));
		EXPECT_GE(5, bc_get(self->dir, "numtasks/barrier"));
		n++;
	}
	TH_LOG("%d rounds", n);
	bc_reap(writer);
	EXPECT_EQ(1, bc_get(self->dir, "a/numtasks/held") +
		     bc_get(self->dir, "b/numtasks/held"));
	EXPECT_GE(bc_get(self->dir, "numtasks/limit"),
		  bc_get(self->dir, "numtasks/barrier"));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/maxheld"));
	bc_reap(victim);
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
}

/* Forks at a limit, in two groups below it: never above, and no false refusal. */
TEST_F_TIMEOUT(bc, fork_against_limit, 300)
{
	pid_t forker[2];
	double end = bc_end_time(RACE);
	long above = 0;
	int i;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	/* Just what the two need: themselves, and a child each. */
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "4"));
	for (i = 0; i < 2; i++) {
		forker[i] = bc_background(fork_and_wait, self->dir);
		while (bc_write(self->dir, i ? "b/tasks" : "a/tasks", "%d", forker[i]))
			usleep(1000);
	}
	while (bc_now() < end)
		above += bc_get(self->dir, "numtasks/held") > 4;
	EXPECT_EQ(0, above);
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/failcnt"));
	EXPECT_GE(4, bc_get(self->dir, "numtasks/maxheld"));

	/* One less than they need: sometimes refused, never above. */
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "3"));
	while (bc_get(self->dir, "numtasks/held") > 3)
		;
	end = bc_end_time(RACE);
	while (bc_now() < end)
		above += bc_get(self->dir, "numtasks/held") > 3;
	EXPECT_EQ(0, above);
	for (i = 0; i < 2; i++)
		bc_reap(forker[i]);
	while (bc_get(self->dir, "numtasks/held") > 0)
		usleep(1000);
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
}

static void list_all(const char *dir)
{
	bc_count(dir, "g/threads", 0);
	bc_count(dir, "g/tasks", 0);
	bc_get(dir, "g/numtasks/held");
	bc_count(BC_ROOT, "threads", 0);
}

/* Groups come and go, with tasks in them, while they are listed. */
TEST_F_TIMEOUT(bc, list_against_everything, 300)
{
	pid_t reader = bc_background(list_all, self->dir);
	double end = bc_end_time(RACE);

	while (bc_now() < end) {
		pid_t pid;

		ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
		pid = bc_spawn();
		ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", pid));
		bc_reap(pid);
		ASSERT_EQ(0, bc_rmdir(self->dir, "g"));
	}
	bc_reap(reader);
}

TEST_HARNESS_MAIN
