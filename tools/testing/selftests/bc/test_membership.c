// SPDX-License-Identifier: GPL-2.0
/*
 * Who is in which group: after fork, thread creation, exec, exit, and moves.
 */
#include <linux/sched.h>
#include <pthread.h>
#include <sys/mman.h>

#include "bc_util.h"

static pid_t tid(void)
{
	return syscall(SYS_gettid);
}

TEST_F(bc, move_and_inherit)
{
	int to[2], from[2], status;
	pid_t child, grandchild;

	ASSERT_EQ(0, pipe(to));
	ASSERT_EQ(0, pipe(from));
	child = fork();
	if (child == 0) {
		char c;

		if (read(to[0], &c, 1) != 1)
			_exit(1);
		grandchild = fork();
		if (grandchild == 0) {
			for (;;)
				pause();
		}
		if (write(from[1], &grandchild, sizeof(grandchild)) != sizeof(grandchild))
			_exit(1);
		for (;;)
			pause();
	}
	EXPECT_EQ(0, bc_count(self->dir, "tasks", 0));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", child));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", child));
	EXPECT_EQ(0, bc_count(BC_ROOT, "tasks", child));
	/* Where it is already: fine. */
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d\n", child));

	ASSERT_EQ(1, write(to[1], "x", 1));
	ASSERT_EQ((ssize_t)sizeof(grandchild), read(from[0], &grandchild, sizeof(grandchild)));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", grandchild));
	EXPECT_EQ(2, bc_count(self->dir, "tasks", 0));
	EXPECT_EQ(2, bc_count(self->dir, "threads", 0));
	EXPECT_EQ(2, bc_get(self->dir, "numtasks/held"));

	/* The child alone goes back; the grandchild stays. */
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", child));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(0, bc_count(self->dir, "tasks", child));
	EXPECT_EQ(1, bc_count(BC_ROOT, "tasks", child));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", grandchild));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", grandchild));
	kill(grandchild, SIGKILL);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

TEST_F(bc, self)
{
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", getpid()));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", getpid()));
	EXPECT_EQ(0, bc_count(self->dir, "tasks", 0));
	ASSERT_EQ(0, bc_write(self->dir, "threads", "0"));
	EXPECT_EQ(1, bc_count(self->dir, "threads", tid()));
	ASSERT_EQ(0, bc_write(BC_ROOT, "threads", "0"));
}

struct threads {
	pthread_t thread[8];
	pid_t tid[8];
	int n;
	pthread_barrier_t started;
	pthread_mutex_t stop;
};

static void *sleeper(void *arg)
{
	struct threads *t = ((void **)arg)[0];
	long i = (long)((void **)arg)[1];

	free(arg);
	t->tid[i] = tid();
	pthread_barrier_wait(&t->started);
	pthread_mutex_lock(&t->stop);
	pthread_mutex_unlock(&t->stop);
	return NULL;
}

static void start_threads(struct threads *t, int n)
{
	long i;

	t->n = n;
	pthread_barrier_init(&t->started, NULL, n + 1);
	pthread_mutex_init(&t->stop, NULL);
	pthread_mutex_lock(&t->stop);
	for (i = 0; i < n; i++) {
		void **arg = malloc(2 * sizeof(*arg));

		arg[0] = t;
		arg[1] = (void *)i;
		pthread_create(&t->thread[i], NULL, sleeper, arg);
	}
	pthread_barrier_wait(&t->started);
}

static void stop_threads(struct threads *t)
{
	int i;

	pthread_mutex_unlock(&t->stop);
	for (i = 0; i < t->n; i++)
		pthread_join(t->thread[i], NULL);
}

TEST_F(bc, threads)
{
	struct threads t;
	int i;

	start_threads(&t, 4);
	/* All of them, by the id of any of them. */
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", t.tid[2]));
	EXPECT_EQ(5, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(5, bc_count(self->dir, "threads", 0));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", 0));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", getpid()));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1, bc_count(self->dir, "threads", t.tid[i]));

	/* One of them only. */
	ASSERT_EQ(0, bc_write(BC_ROOT, "threads", "%d", t.tid[1]));
	EXPECT_EQ(4, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(0, bc_count(self->dir, "threads", t.tid[1]));
	EXPECT_EQ(1, bc_count(BC_ROOT, "threads", t.tid[1]));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", getpid()));
	EXPECT_EQ(1, bc_count(BC_ROOT, "tasks", getpid()));

	/* The leader: the process is where any of its threads is. */
	ASSERT_EQ(0, bc_write(BC_ROOT, "threads", "%d", getpid()));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", getpid()));
	EXPECT_EQ(3, bc_count(self->dir, "threads", 0));

	/* All together again. */
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", getpid()));
	EXPECT_EQ(5, bc_get(self->dir, "numtasks/held"));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", getpid()));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/held"));
	stop_threads(&t);
}

/* Threads come to where their creator is, and are gone when they have exited. */
TEST_F(bc, new_threads)
{
	struct threads t;

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	start_threads(&t, 3);
	EXPECT_EQ(4, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(4, bc_count(self->dir, "threads", 0));
	stop_threads(&t);
	while (bc_get(self->dir, "numtasks/held") > 1)
		usleep(1000);
	EXPECT_EQ(1, bc_count(self->dir, "threads", 0));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
}

static void *exec_sleep(void *arg)
{
	execl("/bin/sh", "sh", "-c", "read x", NULL);
	return arg;
}

/* exec by the leader, and by another thread, which takes the leader's id. */
static void check_exec(struct __test_metadata *_metadata, const char *dir,
		       bool leader)
{
	pthread_t thread;
	char comm[32];
	int fd[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(fd));
	pid = fork();
	if (pid == 0) {
		dup2(fd[0], 0);
		close(fd[1]);
		bc_write(dir, "tasks", "0");
		prctl(PR_SET_NAME, "before");
		if (leader)
			exec_sleep(NULL);
		pthread_create(&thread, NULL, exec_sleep, NULL);
		for (;;)
			pause();
	}
	close(fd[0]);
	do {
		char path[64];

		usleep(2000);
		snprintf(path, sizeof(path), "/proc/%d", pid);
		bc_read(path, "comm", comm, sizeof(comm));
	} while (strcmp(comm, "sh\n"));

	EXPECT_EQ(1, bc_get(dir, "numtasks/held"));
	EXPECT_EQ(1, bc_count(dir, "tasks", pid));
	EXPECT_EQ(1, bc_count(dir, "threads", 0));
	EXPECT_EQ(-EBUSY, rmdir(dir) ? -errno : 0);
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", pid));
	EXPECT_EQ(0, bc_get(dir, "numtasks/held"));
	close(fd[1]);
	waitpid(pid, NULL, 0);
}

TEST_F(bc, exec)
{
	check_exec(_metadata, self->dir, true);
	check_exec(_metadata, self->dir, false);
}

TEST_F(bc, exiting)
{
	pid_t pid = bc_spawn();

	kill(pid, SIGKILL);
	bc_wait_zombie(pid);
	EXPECT_EQ(-ESRCH, bc_write(self->dir, "tasks", "%d", pid));
	EXPECT_EQ(-ESRCH, bc_write(self->dir, "threads", "%d", pid));
	waitpid(pid, NULL, 0);
	EXPECT_EQ(-ESRCH, bc_write(self->dir, "tasks", "%d", pid));
}

static void *wait_forever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* The leader has exited, the process goes on: it moves, zombie and all. */
TEST_F(bc, dead_leader)
{
	char path[64], stat[512];
	pthread_t thread;
	pid_t pid = fork();

	if (pid == 0) {
		pthread_create(&thread, NULL, wait_forever, NULL);
		pthread_exit(NULL);
	}
	snprintf(path, sizeof(path), "/proc/%d", pid);
	do {
		usleep(2000);
		ASSERT_EQ(0, bc_read(path, "stat", stat, sizeof(stat)));
	} while (!strstr(stat, ") Z "));

	EXPECT_EQ(-ESRCH, bc_write(self->dir, "threads", "%d", pid));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	EXPECT_EQ(2, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", pid));
	EXPECT_EQ(1, bc_count(self->dir, "threads", 0));
	EXPECT_EQ(0, bc_count(self->dir, "threads", pid));
	bc_reap(pid);
}

TEST_F(bc, kernel_threads)
{
	char path[64], comm[64];
	pid_t pid, bound = 0;

	for (pid = 2; pid < 100 && !bound; pid++) {
		snprintf(path, sizeof(path), "/proc/%d", pid);
		if (!bc_read(path, "comm", comm, sizeof(comm)) &&
		    (!strncmp(comm, "kworker/0:", 10) || !strncmp(comm, "ksoftirqd/0", 11)))
			bound = pid;
	}
	ASSERT_NE(0, bound);
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "tasks", "%d", bound));
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "threads", "%d", bound));
	/* kthreadd: every kernel thread would follow. */
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "tasks", "2"));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/held"));
}

/* The ids are those of the reader's pid namespace. */
static int in_pid_namespace(void *dir)
{
	pid_t pid;
	int ret = 0;

	if (getpid() != 1)
		return 10;
	pid = bc_spawn();
	if (pid != 2)
		return 11;
	if (bc_write(dir, "tasks", "2"))
		ret = 1;
	else if (bc_count(dir, "tasks", 0) != 1 || bc_count(dir, "tasks", 2) != 1)
		ret = 2;
	/* Whoever is outside cannot be named. */
	else if (bc_write(dir, "tasks", "%d", 30000) != -ESRCH)
		ret = 3;
	bc_reap(pid);
	return ret;
}

TEST_F(bc, pid_namespace)
{
	pid_t outside = bc_spawn();

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", outside));
	if (unshare(CLONE_NEWPID)) {
		bc_reap(outside);
		SKIP(return, "no pid namespaces");
	}
	EXPECT_EQ(0, bc_in_child(in_pid_namespace, self->dir));
	bc_reap(outside);
}

/*
 * A process that creates threads all the time is moved to and fro. None is left
 * behind, none is counted twice.
 */
/* Live long enough to be seen where it should not be. */
static void *live_shortly(void *arg)
{
	usleep(5000);
	return arg;
}

static void *creator(void *arg)
{
	pthread_t thread;

	for (;;) {
		if (!pthread_create(&thread, NULL, live_shortly, NULL))
			pthread_join(thread, NULL);
	}
	return NULL;
}

TEST_F_TIMEOUT(bc, move_while_creating_threads, 300)
{
	int i, j, moves = getenv("BC_MOVES") ? atoi(getenv("BC_MOVES")) : 150;
	char a[80], b[80], *from = a, *to = b, *t;
	pid_t pid;

	bc_path(a, self->dir, "a");
	bc_path(b, self->dir, "b");
	ASSERT_EQ(0, mkdir(a, 0755));
	ASSERT_EQ(0, mkdir(b, 0755));

	pid = fork();
	if (pid == 0) {
		pthread_t thread[3];

		bc_die_with_parent();
		for (i = 0; i < 3; i++)
			pthread_create(&thread[i], NULL, creator, NULL);
		for (;;)
			pause();
	}
	do {
		usleep(2000);
		ASSERT_EQ(0, bc_write(from, "tasks", "%d", pid));
	} while (bc_get(from, "numtasks/held") < 4);
	for (i = 0; i < moves; i++) {
		ASSERT_EQ(0, bc_write(to, "tasks", "%d", pid));
		ASSERT_EQ(0, bc_count(from, "threads", 0)) {
			TH_LOG("left behind at move %d", i);
		}
		/* A thread that is not there yet may still be charged there. */
		for (j = 0; j < 500 && bc_get(from, "numtasks/held"); j++)
			usleep(10000);
		ASSERT_EQ(0, bc_get(from, "numtasks/held"));
		EXPECT_LE(4, bc_get(to, "numtasks/held"));
		t = from;
		from = to;
		to = t;
	}
	bc_reap(pid);
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(0, rmdir(a));
	EXPECT_EQ(0, rmdir(b));
}

#define SABOTAGE "/sys/kernel/debug/bc"

/* What the controllers have charged is given back when one of them refuses. */
TEST_F(bc, refused_by_another)
{
	pid_t pid, tid[3];
	int err;

	if (access(SABOTAGE "/sabotage", W_OK))
		SKIP(return, "needs CONFIG_BC_SABOTAGE");
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	pid = bc_spawn_threads(3, tid);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));

	ASSERT_EQ(0, bc_write(SABOTAGE, "sabotage", "veto"));
	err = bc_write(self->dir, "b/tasks", "%d", pid);
	ASSERT_EQ(0, bc_write(SABOTAGE, "sabotage", "none"));
	EXPECT_EQ(-EPERM, err);
	EXPECT_EQ(4, bc_get(self->dir, "a/numtasks/held"));
	EXPECT_EQ(0, bc_get(self->dir, "b/numtasks/held"));
	EXPECT_EQ(4, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(4, bc_count(self->dir, "a/threads", 0));
	EXPECT_EQ(0, bc_count(self->dir, "b/threads", 0));

	EXPECT_EQ(0, bc_write(self->dir, "b/tasks", "%d", pid));
	EXPECT_EQ(4, bc_get(self->dir, "b/numtasks/held"));
	bc_reap(pid);
}

TEST_HARNESS_MAIN
