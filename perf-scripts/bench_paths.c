// SPDX-License-Identifier: GPL-2.0
/*
 * What system calls cost that make and free what beancounters count. In the lab's
 * deterministic guest a nanosecond is an instruction. perf-scripts/paths runs this
 * once a boot, and compares.
 *
 * usage: bench_paths SITUATION
 *   none          as booted
 *   root          100 groups exist, and we are in none
 *   group[N]      in a group with limits on everything, N (1) levels deep
 *   open[N]       in a group without limits
 *   pids, pids+memory, all   in a cgroup with these controllers, limits set; all is
 *                 pids, memory, cpu and cpuset
 *
 * Prints "PATH INSTRUCTIONS" for each path.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BC "/sys/kernel/config/bc"
#define CGROUP "/sys/fs/cgroup"
#define ROUNDS 30

static void die(const char *what)
{
	fprintf(stderr, "bench_paths: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

/*
 * The paths
 */

static int check(int fd, const char *what)
{
	if (fd < 0)
		die(what);
	return fd;
}

static void path_null(void)
{
	syscall(SYS_getppid);
}

static void path_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(check(pid, "fork"), NULL, 0);
}

static void path_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	waitpid(check(pid, "vfork"), NULL, 0);
}

static void *nothing(void *arg)
{
	return arg;
}

static void path_pthread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, nothing, NULL))
		die("pthread_create");
	pthread_join(t, NULL);
}

static void path_open(void)
{
	close(check(open("/dev/null", O_RDONLY), "open"));
}

static void path_pipe(void)
{
	int fd[2];

	check(pipe(fd), "pipe");
	close(fd[0]);
	close(fd[1]);
}

static void path_unix(void)
{
	close(check(socket(AF_UNIX, SOCK_STREAM, 0), "socket"));
}

static void path_udp(void)
{
	close(check(socket(AF_INET, SOCK_DGRAM, 0), "socket"));
}

static void path_tcp(void)
{
	close(check(socket(AF_INET, SOCK_STREAM, 0), "socket"));
}

static void path_epoll(void)
{
	close(check(epoll_create1(0), "epoll_create1"));
}

static void path_inotify(void)
{
	close(check(inotify_init(), "inotify_init"));
}

static int instance;

static void path_watch(void)
{
	inotify_rm_watch(instance, check(inotify_add_watch(instance, "/tmp", IN_CREATE),
					 "inotify_add_watch"));
}

static void touch(size_t pages)
{
	size_t i, len = pages * 4096;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	for (i = 0; i < len; i += 4096)
		p[i] = 1;
	munmap(p, len);
}

static void path_mmap1(void)
{
	touch(1);
}

static void path_mmap16(void)
{
	touch(16);
}

static void path_brk(void)
{
	char *p = sbrk(4096);

	*p = 1;
	sbrk(-4096);
}

static int file;

static void path_fcntl(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };

	check(fcntl(file, F_SETLK, &fl), "F_SETLK");
	fl.l_type = F_UNLCK;
	check(fcntl(file, F_SETLK, &fl), "F_SETLK");
}

static int pair[2];

static void path_dgram(void)
{
	char c = 0;

	if (write(pair[0], &c, 1) != 1 || read(pair[1], &c, 1) != 1)
		die("datagram");
}

static sigset_t rt;

static void path_signal(void)
{
	union sigval val = { };
	siginfo_t info;

	check(sigqueue(getpid(), SIGRTMIN, val), "sigqueue");
	sigwaitinfo(&rt, &info);
}

static void path_pty(void)
{
	close(check(posix_openpt(O_RDWR | O_NOCTTY), "/dev/ptmx"));
}

static void path_key(void)
{
	long key = syscall(SYS_add_key, "user", "bench", "x", 1, -2 /* process */);

	check(key, "add_key");
	syscall(SYS_keyctl, 9 /* unlink */, key, -2, 0, 0);
}

static const struct {
	const char *name;
	void (*fn)(void);
	int times;
} paths[] = {
	{ "null",	path_null,	200 },
	{ "fork",	path_fork,	5 },
	{ "vfork",	path_vfork,	20 },
	{ "pthread",	path_pthread,	20 },
	{ "open",	path_open,	100 },
	{ "pipe",	path_pipe,	100 },
	{ "unix",	path_unix,	100 },
	{ "udp",	path_udp,	100 },
	{ "tcp",	path_tcp,	100 },
	{ "epoll",	path_epoll,	100 },
	{ "inotify",	path_inotify,	20 },
	{ "watch",	path_watch,	20 },
	{ "mmap1",	path_mmap1,	20 },
	{ "mmap16",	path_mmap16,	5 },
	{ "brk",	path_brk,	20 },
	{ "fcntl",	path_fcntl,	100 },
	{ "dgram",	path_dgram,	100 },
	{ "signal",	path_signal,	100 },
	{ "pty",	path_pty,	10 },
	{ "key",	path_key,	20 },
};

/* The cheapest of several rounds: without timer ticks and RCU callbacks. */
static long measure(void (*fn)(void), int times)
{
	long best = 0;
	int i, j;

	for (i = 0; i < ROUNDS; i++) {
		long start = now(), cost;

		for (j = 0; j < times; j++)
			fn();
		cost = (now() - start) / times;
		if (!best || cost < best)
			best = cost;
	}
	return best;
}

/*
 * The situations
 */

static void put(const char *dir, const char *name, const char *text)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = check(open(path, O_WRONLY), path);
	if (write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* High enough that nothing is refused, and low enough to be looked at. */
static void set_limits(const char *dir)
{
	struct dirent *de;
	char name[300];
	DIR *d = opendir(dir);

	while (d && (de = readdir(d))) {
		if (strncmp(de->d_name, "num", 3))
			continue;
		snprintf(name, sizeof(name), "%s/limit", de->d_name);
		put(dir, name, "100000");
	}
	if (d)
		closedir(d);
}

static void enter_group(int levels, int limits)
{
	char dir[4096] = BC;
	int i;

	for (i = 0; i < levels; i++) {
		strcat(dir, "/level");
		check(mkdir(dir, 0755), dir);
		if (limits)
			set_limits(dir);
	}
	put(dir, "tasks", "0");
}

static void make_groups(int n)
{
	char dir[64];

	while (n--) {
		snprintf(dir, sizeof(dir), BC "/other%d", n);
		check(mkdir(dir, 0755), dir);
	}
}

static void enter_cgroup(const char *controllers, int levels)
{
	char dir[4096] = CGROUP;
	int i;

	for (i = 0; i < levels; i++) {
		put(dir, "cgroup.subtree_control", controllers);
		strcat(dir, "/level");
		check(mkdir(dir, 0755), dir);
		if (strstr(controllers, "pids"))
			put(dir, "pids.max", "100000");
		if (strstr(controllers, "memory"))
			put(dir, "memory.max", "900000000");
	}
	put(dir, "cgroup.procs", "0");
}

static int enter(const char *what)
{
	int levels = 1;
	char name[32];

	if (sscanf(what, "%31[a-z+]%d", name, &levels) < 1 || levels < 1)
		return -1;
	if (!strcmp(name, "root"))
		make_groups(100);
	else if (!strcmp(name, "group"))
		enter_group(levels, 1);
	else if (!strcmp(name, "open"))
		enter_group(levels, 0);
	else if (!strcmp(name, "pids"))
		enter_cgroup("+pids", levels);
	else if (!strcmp(name, "pids+memory"))
		enter_cgroup("+pids +memory", levels);
	else if (!strcmp(name, "all"))
		enter_cgroup("+pids +memory +cpu +cpuset", levels);
	else if (strcmp(name, "none"))
		return -1;
	return 0;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 2 || enter(argv[1])) {
		fputs("usage: bench_paths SITUATION, see the source\n", stderr);
		return 2;
	}

	instance = inotify_init();
	file = check(open("/tmp/bench", O_RDWR | O_CREAT, 0600), "/tmp/bench");
	check(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), "socketpair");
	sigemptyset(&rt);
	sigaddset(&rt, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &rt, NULL);

	for (i = 0; i < ARRAY_SIZE(paths); i++)
		printf("%s %ld\n", paths[i].name, measure(paths[i].fn, paths[i].times));
	return 0;
}
