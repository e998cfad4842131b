// SPDX-License-Identifier: GPL-2.0
/*
 * Ten thousand tasks in one group: all are listed, each once, in order.
 */
#include <sys/mman.h>

#include "bc_util.h"

#define STACK 4096

static int child(void *arg)
{
	/* A few bytes of stack have to do. */
	for (;;)
		syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
	return 0;
}

static int wanted(void)
{
	const char *s = getenv("BC_TASKS");

	return s ? atoi(s) : 10000;
}

/* Read in small pieces, as somebody with a small buffer does. */
static int count_slowly(const char *dir, const char *file, size_t size)
{
	char path[PATH_MAX], buf[4096];
	int fd, n = 0;
	ssize_t ret;

	bc_path(path, dir, file);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	while ((ret = read(fd, buf, size)) > 0) {
		while (ret--)
			n += buf[ret] == '\n';
	}
	close(fd);
	return ret < 0 ? -errno : n;
}

TEST_F_TIMEOUT(bc, ten_thousand, 900)
{
	int i, n = wanted(), made = 0, status;
	long threads_max = bc_get("/proc/sys/kernel", "threads-max");
	pid_t *pid = calloc(n, sizeof(*pid)), maker;
	char *stacks;

	if (threads_max < n + 1000)
		bc_write("/proc/sys/kernel", "threads-max", "%d", n + 1000);
	if (bc_get("/proc/sys/kernel", "pid_max") < n + 1000)
		bc_write("/proc/sys/kernel", "pid_max", "%d", n + 1000);
	stacks = mmap(NULL, (size_t)n * STACK, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, stacks);

	maker = getpid();
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", maker));
	/* Processes that share all they can: they cost little. */
	for (i = 0; i < n - 1; i++) {
		pid[i] = clone(child, stacks + (size_t)(i + 1) * STACK,
			       CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
			       SIGCHLD, NULL);
		if (pid[i] < 0)
			break;
		made++;
	}
	if (made < n - 1)
		TH_LOG("only %d tasks could be made: %s", made, strerror(errno));
	EXPECT_EQ(n - 1, made);

	EXPECT_EQ(made + 1, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(made + 1, bc_count(self->dir, "tasks", 0));
	EXPECT_EQ(made + 1, bc_count(self->dir, "threads", 0));
	EXPECT_EQ(made + 1, count_slowly(self->dir, "tasks", 100));
	for (i = 0; i < made; i += made / 7 + 1)
		EXPECT_EQ(1, bc_count(self->dir, "tasks", pid[i]));

	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", maker));
	EXPECT_EQ(made, bc_get(self->dir, "numtasks/held"));
	for (i = 0; i < made; i++)
		kill(pid[i], SIGKILL);
	for (i = 0; i < made; i++)
		waitpid(pid[i], &status, 0);
	EXPECT_EQ(0, bc_count(self->dir, "tasks", 0));
	EXPECT_EQ(made + 1, bc_get(self->dir, "numtasks/maxheld"));
	if (threads_max < n + 1000)
		bc_write("/proc/sys/kernel", "threads-max", "%ld", threads_max);
}

TEST_HARNESS_MAIN
