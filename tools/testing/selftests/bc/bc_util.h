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
#include <grp.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"

/*
 * Seconds, unless a test says otherwise. This is for tests that hang: under a debug kernel, in
 * emulation and beside another guest, one that does not can take more than the harness's 30.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

#define BC_ROOT "/sys/kernel/config/bc"
#define BC_HIERARCHIES "/sys/kernel/config/bc_hierarchies"
#define BC_TRACING "/sys/kernel/tracing"

/* Where CONFIG_BC_SABOTAGE tells, in "groups", how many there are, nameless ones too. */
#define BC_GROUPS "/sys/kernel/debug/bc"

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
 * from a work queue is uncharged then. Pages that were touched a moment ago are kept by
 * that CPU on their way to the kernel's lists, which dropping caches puts an end to.
 */
static inline long bc_settle(const char *dir, const char *file, long want)
{
	long val;
	int i;

	for (i = 0; i < 500; i++) {
		val = bc_get(dir, file);
		if (val == want)
			break;
		if (i == 5)
			bc_write("/proc/sys/vm", "drop_caches", "1");
		usleep(20000);
	}
	return val;
}

/* Is there tracing? It need not have been mounted. */
static inline bool bc_tracing(void)
{
	if (access(BC_TRACING "/events", F_OK))
		mount("none", BC_TRACING, "tracefs", 0, NULL);
	return !access(BC_TRACING "/events", F_OK);
}

/* How many tables of owners there are that the kernel's function @by has made. */
static inline int bc_tables(const char *by)
{
	char line[256];
	int n = 0;
	FILE *f = fopen("/proc/vmallocinfo", "re");

	while (f && fgets(line, sizeof(line), f))
		n += !!strstr(line, by);
	if (f)
		fclose(f);
	return n;
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

static inline void *bc_thread(void *arg)
{
	pid_t tid = syscall(SYS_gettid);

	if (write(*(int *)arg, &tid, sizeof(tid)) != sizeof(tid))
		_exit(1);
	for (;;)
		pause();
	return arg;
}

/* The same with @n threads more, whose ids come to @tid. */
static inline pid_t bc_spawn_threads(int n, pid_t *tid)
{
	pthread_t thread;
	int fd[2], i;
	pid_t pid;

	if (pipe(fd))
		return -errno;
	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		for (i = 0; i < n; i++) {
			if (pthread_create(&thread, NULL, bc_thread, &fd[1]))
				_exit(1);
		}
		for (;;)
			pause();
	}
	close(fd[1]);
	for (i = 0; i < n && pid > 0; i++) {
		if (read(fd[0], &tid[i], sizeof(*tid)) != sizeof(*tid)) {
			waitpid(pid, NULL, 0);
			pid = -EAGAIN;
		}
	}
	close(fd[0]);
	return pid;
}

/* A child that calls @fn until it is killed. */
static inline pid_t bc_background(void (*fn)(const char *dir), const char *dir)
{
	pid_t pid = fork();

	if (pid == 0) {
		bc_die_with_parent();
		for (;;)
			fn(dir);
	}
	return pid < 0 ? -errno : pid;
}

/* In seconds. */
static inline double bc_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Wait until a grace period of RCU is over, however long that takes here. */
static inline void bc_grace_period(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

/*
 * A number when it has been the same @times, with 30 ms and a grace period between; or, if it
 * never is, what it is after half a minute.
 */
static inline long bc_rest(const char *dir, const char *file, int times)
{
	long val = bc_get(dir, file), last;
	double end = bc_now() + 30;
	int same = 0;

	while (same < times && bc_now() < end) {
		usleep(30000);
		bc_grace_period();
		last = val;
		val = bc_get(dir, file);
		same = val == last ? same + 1 : 0;
	}
	return val;
}

/* When a race that takes @seconds ends; BC_SECONDS in the environment wins. */
static inline double bc_end_time(int seconds)
{
	const char *s = getenv("BC_SECONDS");

	return bc_now() + (s ? atoi(s) : seconds);
}

/*
 * Does a race go on that was to end then? Where not all has been @seen yet that should have
 * been, it has a minute more: it may be that somebody got no CPU.
 */
static inline bool bc_goes_on(double end, bool seen)
{
	return bc_now() < end + (seen ? 0 : 60);
}

static inline void bc_reap(pid_t pid)
{
	if (pid <= 0)
		return;		/* or it would mean: everybody */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Fork, as often as @arg says; each has to be refused. For bc_in_child() and its like. */
static inline int bc_forks_refused(void *arg)
{
	long n = (long)arg;

	while (n--) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0 || errno != EAGAIN)
			return 1;
	}
	return 0;
}

/* The same with files. */
static inline int bc_opens_refused(void *arg)
{
	long n = (long)arg;

	while (n--) {
		if (open("/dev/null", O_RDONLY) >= 0 || errno != ENFILE)
			return 1;
	}
	return 0;
}

/* Wait until @pid is a zombie, and leave it one. */
static inline void bc_wait_zombie(pid_t pid)
{
	siginfo_t info;

	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
}

/* The state of a process as /proc says it: 'S' sleeps, 'Z' is a zombie; 'X' if there is none. */
static inline char bc_state(pid_t pid)
{
	char path[32], state = 'X';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 'X';
		fclose(f);
	}
	return state;
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

/* Where @pid, or with 0 the calling thread, is in a hierarchy, from its root. */
static inline int bc_group(pid_t pid, long hierarchy, char *path, size_t size)
{
	char proc[64] = "/proc/thread-self/bc", *line = NULL, *p;
	int err = -ENOENT;
	size_t len = 0;
	FILE *f;

	if (pid)
		snprintf(proc, sizeof(proc), "/proc/%d/bc", pid);
	f = fopen(proc, "re");
	if (!f)
		return -errno;
	while (err && getline(&line, &len, f) > 0) {
		if (strtol(line, &p, 10) != hierarchy || *p != ':')
			continue;
		p = strchr(p + 1, ':');
		if (!p)
			break;
		p[strcspn(p, "\n")] = '\0';
		snprintf(path, size, "%s", p + 1);
		err = 0;
	}
	free(line);
	fclose(f);
	return err;
}

static inline int bc_chown(const char *dir, const char *file, uid_t uid, gid_t gid)
{
	char path[PATH_MAX];

	bc_path(path, dir, file);
	return chown(path, uid, gid) ? -errno : 0;
}

/* Be a user without privileges. For a child. */
static inline void bc_become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) ||
	    setresuid(uid, uid, uid))
		_exit(100);
}

/* Be root in a user namespace of one's own. */
static inline int bc_user_namespace(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int err;

	/* Or the files in /proc are root's. */
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER))
		return -errno;
	err = bc_write("/proc/self", "uid_map", "0 %d 1", uid);
	err = err ?: bc_write("/proc/self", "setgroups", "deny");
	return err ?: bc_write("/proc/self", "gid_map", "0 %d 1", gid);
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

	for (i = 0; i < 500; i++) {
		bc_clear(dir);
		if (access(dir, F_OK))
			return 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		usleep(20000);
	}
	return -EBUSY;
}

static inline bool bc_is_group(const char *dir)
{
	char path[PATH_MAX];

	bc_path(path, dir, "tasks");
	return !access(path, F_OK);
}

/* How many child groups there are in @dir; remove them if told to. */
static inline int bc_children(const char *dir, bool remove)
{
	char path[PATH_MAX];
	struct dirent *de;
	DIR *d = opendir(dir);
	int n = 0;

	while (d && (de = readdir(d))) {
		bc_path(path, dir, de->d_name);
		if (de->d_name[0] == '.' || !bc_is_group(path))
			continue;
		n++;
		if (remove)
			bc_remove(path);
	}
	if (d)
		closedir(d);
	return n;
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

/* Can controllers be bound here? If not, @why. */
static inline bool bc_bindable(const char **why)
{
	*why = bc_unavailable();
	if (!*why && access(BC_HIERARCHIES, F_OK))
		*why = "there is only one hierarchy";
	if (!*why && bc_children(BC_ROOT, false))
		*why = "the default hierarchy has groups";
	if (!*why && (access(BC_ROOT "/numtasks", F_OK) ||
		      access(BC_ROOT "/numfiles", F_OK)))
		*why = "controllers are bound elsewhere";
	return !*why;
}

/* The name of a test's hierarchy. */
static inline void bc_hierarchy(char *dir, size_t size, char c)
{
	snprintf(dir, size, BC_HIERARCHIES "/selftest-%d-%c", getpid(), c);
}

/* Kill who is in a group of it, and remove it. Its controllers go back. */
static inline int bc_remove_hierarchy(const char *dir)
{
	bc_children(dir, true);
	return rmdir(dir) && errno != ENOENT ? -errno : 0;
}

/* Remove what is below @dir. What is busy stays. */
static inline void bc_rmdir_below(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *de;
	DIR *d = opendir(dir);

	while (d && (de = readdir(d))) {
		bc_path(path, dir, de->d_name);
		if (de->d_name[0] == '.' || !bc_is_group(path))
			continue;
		bc_rmdir_below(path);
		rmdir(path);
	}
	if (d)
		closedir(d);
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
		/*
		 * What the kernel remembers of files stays; the group above gets it. And we may
		 * have been in the group, and have memory of it. The tests of kmemsize and
		 * physpages look for themselves. Groups go below.
		 */
		if (!strcmp(de->d_name, "dcachesize") || !strcmp(de->d_name, "kmemsize") ||
		    !strcmp(de->d_name, "physpages") || !strcmp(de->d_name, "numgroups"))
			continue;
		snprintf(file, sizeof(file), "%s/held", de->d_name);
		/* A child group, or a controller that counts nothing. */
		if (bc_get(dir, file) < 0)
			continue;
		if (bc_settle(dir, file, 0))
			wrong = file;
	}
	if (d)
		closedir(d);
	bc_rmdir_below(dir);
	if (bc_get(dir, "numgroups/held") > 0)
		wrong = wrong ?: "numgroups/held";
	if (rmdir(dir)) {
		wrong = wrong ?: "rmdir";
		bc_remove(dir);
	}
	return wrong;
}

/**
 * struct bc_file_mode - a file that has to be there
 * @name: of it
 * @mode: who may do what with it; and its type, a regular file if there is none
 */
struct bc_file_mode {
	const char *name;
	mode_t mode;
};

/* Files in @dir are as they should be, and root's. */
static inline void bc_expect_modes(struct __test_metadata *_metadata, const char *dir,
				   const struct bc_file_mode *files, size_t n)
{
	char path[PATH_MAX];
	struct stat st;
	mode_t mode;
	size_t i;

	for (i = 0; i < n; i++) {
		mode = files[i].mode;
		bc_path(path, dir, files[i].name);
		ASSERT_EQ(0, stat(path, &st)) {
			TH_LOG("%s: %s", path, strerror(errno));
		}
		EXPECT_EQ(mode & S_IFMT ? mode : S_IFREG | mode, st.st_mode) {
			TH_LOG("%s", path);
		}
		EXPECT_EQ(0, st.st_uid);
	}
}

/* The same as the end of a test. */
static inline void bc_expect_clean(struct __test_metadata *_metadata, const char *dir)
{
	const char *wrong = bc_tear_down(dir);

	EXPECT_EQ(NULL, wrong) {
		TH_LOG("%s", wrong);
	}
}

FIXTURE_SETUP(bc)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
}

FIXTURE_TEARDOWN(bc)
{
	if (self->dir[0])
		bc_expect_clean(_metadata, self->dir);
}

#endif /* BC_UTIL_H */
