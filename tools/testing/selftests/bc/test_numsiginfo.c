// SPDX-License-Identifier: GPL-2.0
/*
 * numsiginfo: the limit does what RLIMIT_SIGPENDING does, no more and no less.
 */
#include <time.h>

#include "bc_util.h"

static const char *held = "numsiginfo/held";

static sigset_t blocked;

static void block(void)
{
	sigfillset(&blocked);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
}

static int queue(pid_t pid, int sig, int value)
{
	union sigval val = { .sival_int = value };

	return sigqueue(pid, sig, val) ? -errno : 0;
}

/* The next pending signal. */
static int take(siginfo_t *info)
{
	struct timespec now = { };

	return sigtimedwait(&blocked, info, &now);
}

TEST_F(bc, full)
{
	siginfo_t info;

	block();
	ASSERT_EQ(0, bc_write(self->dir, "numsiginfo/limit", "2"));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	EXPECT_EQ(0, queue(getpid(), SIGRTMIN, 1));
	EXPECT_EQ(0, queue(getpid(), SIGRTMIN, 2));
	EXPECT_EQ(2, bc_get(self->dir, held));
	EXPECT_EQ(-EAGAIN, queue(getpid(), SIGRTMIN, 3));
	EXPECT_EQ(-EAGAIN, queue(getpid(), SIGRTMIN + 1, 4));
	EXPECT_EQ(2, bc_get(self->dir, "numsiginfo/failcnt"));

	/* An ordinary signal comes, without what was sent along. */
	EXPECT_EQ(0, queue(getpid(), SIGUSR1, 5));
	EXPECT_EQ(2, bc_get(self->dir, held));
	ASSERT_EQ(SIGUSR1, take(&info));
	EXPECT_EQ(SI_USER, info.si_code);
	EXPECT_EQ(0, info.si_pid);

	/* kill() is not refused, and tells who it was. */
	EXPECT_EQ(0, kill(getpid(), SIGUSR2));
	EXPECT_EQ(3, bc_get(self->dir, held));
	ASSERT_EQ(SIGUSR2, take(&info));
	EXPECT_EQ(getpid(), info.si_pid);

	ASSERT_EQ(SIGRTMIN, take(&info));
	EXPECT_EQ(1, info.si_value.sival_int);
	EXPECT_EQ(1, bc_get(self->dir, held));
	EXPECT_EQ(0, queue(getpid(), SIGRTMIN, 6));
	ASSERT_EQ(SIGRTMIN, take(&info));
	EXPECT_EQ(2, info.si_value.sival_int);
	ASSERT_EQ(SIGRTMIN, take(&info));
	EXPECT_EQ(6, info.si_value.sival_int);
	EXPECT_EQ(-1, take(&info));
	EXPECT_EQ(0, bc_get(self->dir, held));
}

/* A timer has its siginfo from the start. */
TEST_F(bc, timer)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	struct itimerspec its = { .it_value.tv_nsec = 1000000 };
	siginfo_t info;
	timer_t t, u;

	block();
	ASSERT_EQ(0, bc_write(self->dir, "numsiginfo/limit", "1"));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	ASSERT_EQ(0, timer_create(CLOCK_MONOTONIC, &ev, &t));
	EXPECT_EQ(1, bc_get(self->dir, held));
	EXPECT_EQ(-1, timer_create(CLOCK_MONOTONIC, &ev, &u));
	EXPECT_EQ(EAGAIN, errno);
	/* It goes off without another one. */
	ASSERT_EQ(0, timer_settime(t, 0, &its, NULL));
	EXPECT_EQ(SIGRTMIN, sigwaitinfo(&blocked, &info));
	EXPECT_EQ(1, bc_get(self->dir, held));
	EXPECT_EQ(0, timer_delete(t));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

/* Who gets the signal pays, wherever the sender is; and dying ends it. */
TEST_F(bc, target_pays)
{
	pid_t pid = bc_spawn();
	int i;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_EQ(0, bc_write(self->dir, "numsiginfo/limit", "5"));
	/* It does not block them, so stop it first. */
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, queue(pid, SIGRTMIN, i));
	EXPECT_EQ(5, bc_get(self->dir, held));
	EXPECT_EQ(-EAGAIN, queue(pid, SIGRTMIN, i));
	/* They stay where they are charged. */
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", pid));
	EXPECT_EQ(5, bc_get(self->dir, held));
	EXPECT_EQ(0, queue(pid, SIGRTMIN, i));
	EXPECT_EQ(5, bc_get(self->dir, held));
	/* At the limit, it can be killed. */
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	bc_reap(pid);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

TEST_HARNESS_MAIN
