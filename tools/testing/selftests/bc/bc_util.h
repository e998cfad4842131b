/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of beancounters share. Functions return -errno where they fail,
 * so that a test can say which error it wants.
 */
#ifndef BC_UTIL_H
#define BC_UTIL_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"

#define BC_ROOT "/sys/kernel/config/bc"

/* A group of our own, below which a test does what it does. */
FIXTURE(bc) {
	char dir[64];
};

static inline void bc_path(char *path, const char *dir, const char *file)
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, file) >= PATH_MAX)
		abort();
}

static inline int bc_write_text(const char *dir, const char *file,
				const char *text, size_t len)
{
	char path[PATH_MAX];
	ssize_t ret;
	int fd;

	bc_path(path, dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, len);
	if (ret < 0)
		ret = -errno;
	else
		ret = (size_t)ret == len ? 0 : -EIO;
	close(fd);
	return ret;
}

static inline __printf(3, 4)
int bc_write(const char *dir, const char *file, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return bc_write_text(dir, file, text, len);
}

static inline int bc_read(const char *dir, const char *file, char *buf, size_t size)
{
	char path[PATH_MAX];
	ssize_t ret;
	int fd;

	bc_path(path, dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = read(fd, buf, size - 1);
	if (ret < 0) {
		ret = -errno;
	} else {
		buf[ret] = '\0';
		ret = 0;
	}
	close(fd);
	return ret;
}

/* A number; "max" is LONG_MAX. Errors are negative: no value is. */
static inline long bc_get(const char *dir, const char *file)
{
	char buf[64];
	int err = bc_read(dir, file, buf, sizeof(buf));

	if (err)
		return err;
	return strcmp(buf, "max\n") ? strtol(buf, NULL, 10) : LONG_MAX;
}

/*
 * The same when it has become @want. What is freed after an RCU grace period or
 * from a work queue is uncharged then.
 */
static inline long bc_settle(const char *dir, const char *file, long want)
{
	long val;
	int i;

	for (i = 0; i < 500; i++) {
		val = bc_get(dir, file);
		if (val == want)
			break;
		usleep(20000);
	}
	return val;
}

static inline int bc_mkdir(const char *dir, const char *name)
{
	char path[PATH_MAX];

	bc_path(path, dir, name);
	return mkdir(path, 0755) ? -errno : 0;
}

static inline int bc_rmdir(const char *dir, const char *name)
{
	char path[PATH_MAX];

	bc_path(path, dir, name);
	return rmdir(path) ? -errno : 0;
}

/* How many ids are listed, or how often @pid is. The list has to be ascending. */
static inline int bc_count(const char *dir, const char *file, pid_t pid)
{
	char path[PATH_MAX];
	int n = 0, id, last = 0;
	FILE *f;

	bc_path(path, dir, file);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fscanf(f, "%d", &id) == 1) {
		if (id <= last)
			n = INT_MIN / 2;
		last = id;
		if (!pid || id == pid)
			n++;
	}
	if (ferror(f))
		n = -EIO;
	fclose(f);
	return n;
}

/* A test that fails half-way leaves nobody behind. */
static inline void bc_die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A child that does nothing until it is killed. */
static inline pid_t bc_spawn(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		bc_die_with_parent();
		for (;;)
			pause();
	}
	return pid < 0 ? -errno : pid;
}

static inline void bc_reap(pid_t pid)
{
	if (pid <= 0)
		return;		/* or it would mean: everybody */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Wait until @pid is a zombie, and leave it one. */
static inline void bc_wait_zombie(pid_t pid)
{
	siginfo_t info;

	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
}

/* Run @fn in a child; its return value, 0 to 127. */
static inline int bc_in_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return 127;
	if (pid == 0)
		_exit(fn(arg));
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 126;
	return WEXITSTATUS(status);
}

/* Kill who is in @dir or below, and remove what is empty. */
static inline void bc_clear(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *de;
	FILE *f;
	DIR *d;
	int id;

	bc_path(path, dir, "threads");
	f = fopen(path, "re");
	if (!f)
		return;		/* not a group's directory */
	while (fscanf(f, "%d", &id) == 1)
		kill(id, SIGKILL);
	fclose(f);

	d = opendir(dir);
	while (d && (de = readdir(d))) {
		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		bc_path(path, dir, de->d_name);
		bc_clear(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

/* The same until all is gone. Orphans are reaped by init, in its own time. */
static inline int bc_remove(const char *dir)
{
	int i;

	for (i = 0; i < 100; i++) {
		bc_clear(dir);
		if (access(dir, F_OK))
			return 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		usleep(20000);
	}
	return -EBUSY;
}

/* Why the tests cannot run here, or NULL. */
static const char *bc_unavailable(void)
{
	if (access(BC_ROOT "/tasks", F_OK))
		return "no beancounters here: CONFIG_BEANCOUNTERS, configfs";
	if (geteuid())
		return "needs root";
	return NULL;
}

/* The group for a test. */
static inline int bc_set_up(char *dir, size_t size)
{
	snprintf(dir, size, BC_ROOT "/selftest-%d", getpid());
	return mkdir(dir, 0755) ? -errno : 0;
}

/*
 * Remove it. All that was charged has to have been given back, and nothing to keep
 * it busy. Returns the name of what went wrong, or NULL.
 */
static const char *bc_tear_down(const char *dir)
{
	static char file[NAME_MAX + 8];
	const char *wrong = NULL;
	struct dirent *de;
	DIR *d;

	bc_write(BC_ROOT, "tasks", "0");
	d = opendir(dir);
	while (d && (de = readdir(d)) && !wrong) {
		if (strncmp(de->d_name, "num", 3))
			continue;
		snprintf(file, sizeof(file), "%s/held", de->d_name);
		if (bc_settle(dir, file, 0))
			wrong = file;
	}
	if (d)
		closedir(d);
	if (rmdir(dir)) {
		wrong = wrong ?: "rmdir";
		bc_remove(dir);
	}
	return wrong;
}

FIXTURE_SETUP(bc)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
}

FIXTURE_TEARDOWN(bc)
{
	const char *wrong = self->dir[0] ? bc_tear_down(self->dir) : NULL;

	EXPECT_EQ(NULL, wrong) {
		TH_LOG("%s", wrong);
	}
}

#endif /* BC_UTIL_H */
