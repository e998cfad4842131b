// SPDX-License-Identifier: GPL-2.0
/*
 * What system calls cost that make and free what beancounters count, and what
 * operations on groups cost. In the lab's deterministic guest a nanosecond is an
 * instruction. perf-scripts/bench runs this once a boot, and compares; on-metal.sh
 * runs it on a real machine.
 *
 * usage: bench_paths [-n TIMES [-m]] SITUATION [PATH ...]
 *   none          as booted
 *   root          100 groups exist, and we are in none
 *   group[N]      in a group without limits, N (1) levels deep
 *   limited[N]    the same with limits on everything
 *   otherN        limited, next to N other groups
 *   hierN         limited, the controllers divided among N hierarchies
 *   pids, pids+memory, all   in a cgroup with these controllers, limits set; all is
 *                 pids, memory, cpu and cpuset; a number is the depth
 *   both          all and limited
 *
 * Prints "PATH INSTRUCTIONS" for each path, or for those that are named: the median
 * of 201 rounds. list is for one of 10,000 ids, walk for one that is not listed, and
 * move for one of 1,000 threads, all the minimum of a few rounds. With -n, runs each
 * TIMES more times, for a profiler, but these three and exit; with -m, between two calls
 * of getsid(2), by which that finds them, each round of these four as well. Groups
 * (bench-*) stay when it ends.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bench.h"

#define BC "/sys/kernel/config/bc"
#define HIERARCHIES "/sys/kernel/config/bc_hierarchies"
#define CGROUP "/sys/fs/cgroup"
#define ALL "+pids +memory +cpu +cpuset"
#define ROUNDS 201
#define MEMBERS 10000
#define THREADS 1000
#define PAGE 4096
/* Of a process that exits. */
#define EXIT_PAGES 64
/* What fits into one packet. */
#define UDP_MAX 65507

static int check(int fd, const char *what)
{
	if (fd < 0)
		die(what);
	return fd;
}

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return x < y ? -1 : x > y;
}

static long median(long *cost)
{
	qsort(cost, ROUNDS, sizeof(cost[0]), compare);
	return cost[ROUNDS / 2];
}

/* Where a profiler is to begin and to end. */
static int marked;

static void mark(void)
{
	if (marked)
		syscall(SYS_getsid, 0);
}

/*
 * Paths that any process takes
 */

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

static char self[PATH_MAX];

/* This program again, which exits at once. */
static void path_exec(void)
{
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		execl(self, "exit", NULL);
		_exit(1);
	}
	waitpid(check(pid, "vfork"), &status, 0);
	if (status)
		die("exec");
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

static char *region;

/* At a place whose page table stays: its pages come from another path. */
static char *fill(size_t pages)
{
	size_t i, len = pages * PAGE;
	char *p = mmap(region + 16 * PAGE, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	for (i = 0; i < len; i += PAGE)
		p[i] = 1;
	return p;
}

static void touch(size_t pages)
{
	munmap(fill(pages), pages * PAGE);
}

static void path_mmap1(void)
{
	touch(1);
}

static void path_mmap16(void)
{
	touch(16);
}

/* More than a CPU keeps credit for. */
static void path_mmap256(void)
{
	touch(256);
}

static void path_brk(void)
{
	char *p = sbrk(PAGE);

	*p = 1;
	sbrk(-PAGE);
}

static int file;

/* Becomes private and writable, and back. */
static void path_mprotect(void)
{
	static char *p;

	if (!p) {
		p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			die("mmap");
	}
	check(mprotect(p, PAGE, PROT_READ | PROT_WRITE), "mprotect");
	check(mprotect(p, PAGE, PROT_READ), "mprotect");
}

static void path_mlock(void)
{
	check(mlock(region, PAGE), "mlock");
	check(munlock(region, PAGE), "munlock");
}

/* A page of shared memory that is made, used and gone. */
static void path_shm(void)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	*p = 1;
	munmap(p, PAGE);
}

static void path_memfd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = check(memfd_create("bench", 0), "memfd_create");
	check(pwrite(fd, "", 1, 0), "pwrite");
	check(ftruncate(fd, 0), "ftruncate");
}

static void path_fcntl(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };

	check(fcntl(file, F_SETLK, &fl), "F_SETLK");
	fl.l_type = F_UNLCK;
	check(fcntl(file, F_SETLK, &fl), "F_SETLK");
}

/*
 * Messages. Sockets belong to the group that makes them, so the first call does, and the
 * pair stays.
 */
struct pair {
	int made, fd[2];
};

static int bound(int type)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int fd = check(socket(AF_INET, type, 0), "socket");

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(fd, (void *)&addr, sizeof(addr)), "bind to lo");
	return fd;
}

static void connect_to(int fd, int to)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	check(getsockname(to, (void *)&addr, &len), "getsockname");
	check(connect(fd, (void *)&addr, len), "connect on lo");
}

static void make_udp(int *fd)
{
	fd[0] = bound(SOCK_DGRAM);
	fd[1] = bound(SOCK_DGRAM);
	connect_to(fd[0], fd[1]);
	connect_to(fd[1], fd[0]);
}

static void make_tcp(int *fd)
{
	int i, one = 1, listener = bound(SOCK_STREAM);

	check(listen(listener, 1), "listen");
	fd[0] = bound(SOCK_STREAM);
	connect_to(fd[0], listener);
	fd[1] = check(accept(listener, NULL, NULL), "accept");
	close(listener);
	for (i = 0; i < 2; i++)
		check(setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)),
		      "TCP_NODELAY");
}

static int *pair_of(int domain, int type)
{
	static struct pair pairs[2][2];
	struct pair *p = &pairs[domain == AF_INET][type == SOCK_DGRAM];

	if (p->made)
		return p->fd;
	if (domain == AF_UNIX)
		check(socketpair(AF_UNIX, type, 0, p->fd), "socketpair");
	else if (type == SOCK_DGRAM)
		make_udp(p->fd);
	else
		make_tcp(p->fd);
	p->made = 1;
	return p->fd;
}

/* All of it is queued before somebody reads. */
static void pass(int from, int to, size_t len)
{
	static char buf[65536];
	ssize_t n, got;

	n = write(from, buf, len);
	if (n != (ssize_t)len)
		die("message: write");
	for (got = 0; got < (ssize_t)len; got += n) {
		n = read(to, buf, len - got);
		if (n <= 0)
			die("message: read");
	}
}

/* There and back, so that what TCP acknowledges goes along with the next one. */
static void ping_pong(int domain, int type, size_t len)
{
	int *fd = pair_of(domain, type);

	pass(fd[0], fd[1], len);
	pass(fd[1], fd[0], len);
}

/* One way. */
static void path_dgram(void)
{
	int *fd = pair_of(AF_UNIX, SOCK_DGRAM);

	pass(fd[0], fd[1], 1);
}

static void path_dgram1(void)
{
	ping_pong(AF_UNIX, SOCK_DGRAM, 1);
}

static void path_dgram1k(void)
{
	ping_pong(AF_UNIX, SOCK_DGRAM, 1024);
}

static void path_dgram64k(void)
{
	ping_pong(AF_UNIX, SOCK_DGRAM, 65536);
}

static void path_stream1(void)
{
	ping_pong(AF_UNIX, SOCK_STREAM, 1);
}

static void path_stream1k(void)
{
	ping_pong(AF_UNIX, SOCK_STREAM, 1024);
}

static void path_stream64k(void)
{
	ping_pong(AF_UNIX, SOCK_STREAM, 65536);
}

static void path_udp1(void)
{
	ping_pong(AF_INET, SOCK_DGRAM, 1);
}

static void path_udp1k(void)
{
	ping_pong(AF_INET, SOCK_DGRAM, 1024);
}

static void path_udp64k(void)
{
	ping_pong(AF_INET, SOCK_DGRAM, UDP_MAX);
}

static void path_tcp1(void)
{
	ping_pong(AF_INET, SOCK_STREAM, 1);
}

static void path_tcp1k(void)
{
	ping_pong(AF_INET, SOCK_STREAM, 1024);
}

static void path_tcp64k(void)
{
	ping_pong(AF_INET, SOCK_STREAM, 65536);
}

static sigset_t rt;
static int queue;

static void path_signal(void)
{
	union sigval val = { };
	siginfo_t info;

	check(sigqueue(getpid(), SIGRTMIN, val), "sigqueue");
	sigwaitinfo(&rt, &info);
}

/* One object that the kernel marks as the user's, and nothing else that is charged. */
static void path_msg(void)
{
	struct {
		long type;
		char text[64];
	} msg = { .type = 1 };

	check(msgsnd(queue, &msg, sizeof(msg.text), 0), "msgsnd");
	check(msgrcv(queue, &msg, sizeof(msg.text), 0, 0), "msgrcv");
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

/* The end of a process that has pages of its own, up to when it is reaped. */
static long exit_process(void)
{
	long cost[ROUNDS];
	int i, ready[2];
	pid_t pid;
	char c;

	check(pipe(ready), "pipe");
	for (i = 0; i < ROUNDS; i++) {
		pid = check(fork(), "fork");
		if (!pid) {
			c = fill(EXIT_PAGES)[0];
			if (write(ready[1], &c, 1) != 1)
				die("pipe");
			for (;;)
				pause();
		}
		if (read(ready[0], &c, 1) != 1)
			die("pipe");
		mark();
		cost[i] = now();
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		cost[i] = now() - cost[i];
		mark();
	}
	close(ready[0]);
	close(ready[1]);
	return median(cost);
}

/* What paths need, the same in all situations. */
static void prepare(void)
{
	instance = inotify_init();
	file = check(open("/tmp/bench", O_RDWR | O_CREAT, 0600), "/tmp/bench");
	queue = check(msgget(IPC_PRIVATE, 0600), "msgget");
	sigemptyset(&rt);
	sigaddset(&rt, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &rt, NULL);

	/* 2 MB, which a page table is for, and only the first page remains. */
	region = mmap(NULL, 1024 * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (region == MAP_FAILED)
		die("mmap");
	region += -(unsigned long)region % (512 * PAGE);
	munmap(region + PAGE, 511 * PAGE);
	*region = 1;
}

/*
 * Paths that manage groups
 */

/* Where the situation has its groups, and what the files are called there. */
static struct {
	const char *root, *tasks;
	char held[300];
} groups;

static char *in_groups(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", groups.root, name);
	return path;
}

static void path_attach(void)
{
	static int there;

	there = !there;
	put(in_groups(there ? "bench-there" : "bench-here"), groups.tasks, "0");
}

static void path_mkdir(void)
{
	char *probe = in_groups("bench-probe");

	check(mkdir(probe, 0755), "mkdir");
	check(rmdir(probe), "rmdir");
}

static void path_held(void)
{
	char buf[64];
	int fd = check(open(groups.held, O_RDONLY), groups.held);

	check(read(fd, buf, sizeof(buf)), groups.held);
	close(fd);
}

static int sleeper(void *arg)
{
	for (;;)
		pause();
	return !arg;
}

/* Processes that share what can be shared, so that many have room. */
static void start_members(pid_t *pids)
{
	int i, flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | SIGCHLD;
	char *stacks = mmap(NULL, MEMBERS * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (stacks == MAP_FAILED)
		die("mmap");
	put("/proc/sys/kernel", "threads-max", "65536");
	for (i = 0; i < MEMBERS; i++)
		pids[i] = check(clone(sleeper, stacks + (i + 1) * PAGE, flags, NULL),
				"clone");
}

/* A task of 10,000 in a group, of which there are @listed in the one that we read. */
static long list_tasks(const char *group, long listed)
{
	static pid_t pids[MEMBERS];
	static char buf[65536];
	long best = 0, start, ids;
	ssize_t n;
	int i, fd;

	put(in_groups("bench-here"), groups.tasks, "0");
	start_members(pids);
	fd = check(open(strcat(strcat(in_groups(group), "/"), groups.tasks), O_RDONLY),
		   groups.tasks);
	for (i = 0; i < 3; i++) {
		lseek(fd, 0, SEEK_SET);
		ids = 0;
		mark();
		start = now();
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			while (n--)
				ids += buf[n] == '\n';
		start = now() - start;
		mark();
		if (!best || start < best)
			best = start;
		if (ids != listed)
			die("tasks: not all, or too many");
	}
	close(fd);
	for (i = 0; i < MEMBERS; i++)
		kill(pids[i], SIGKILL);
	for (i = 0; i < MEMBERS; i++)
		waitpid(pids[i], NULL, 0);
	return best / MEMBERS;
}

/* We are in it, too. */
static long list_id(void)
{
	return list_tasks("bench-here", MEMBERS + 1);
}

static long walk_pid(void)
{
	return list_tasks("bench-there", 0);
}

static void *sleeping_thread(void *arg)
{
	sleeper(arg);
	return NULL;
}

/* A thread of a process that is moved. */
static long move_thread(void)
{
	int ready[2], i;
	pthread_attr_t attr;
	pthread_t t;
	long best = 0, start;
	char pid[16], c;
	pid_t child;

	check(pipe(ready), "pipe");
	child = check(fork(), "fork");
	if (!child) {
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 8 * PAGE);
		for (i = 1; i < THREADS; i++)
			if (pthread_create(&t, &attr, sleeping_thread, NULL))
				die("pthread_create");
		if (write(ready[1], "", 1) != 1)
			die("pipe");
		sleeper(NULL);
	}
	if (read(ready[0], &c, 1) != 1)
		die("pipe");
	snprintf(pid, sizeof(pid), "%d", child);
	for (i = 0; i < 9; i++) {
		mark();
		start = now();
		put(in_groups(i % 2 ? "bench-here" : "bench-there"), groups.tasks, pid);
		start = now() - start;
		mark();
		if (!best || start < best)
			best = start;
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	return best / THREADS;
}

enum needs { NOTHING, GROUPS, PATIENCE };

static const struct {
	const char *name;
	void (*fn)(void);
	int times;
	enum needs needs;
	long (*one)(void);
} paths[] = {
	{ .name = "null", .fn = path_null, .times = 200 },
	{ .name = "fork", .fn = path_fork, .times = 5 },
	{ .name = "exit", .one = exit_process },
	{ .name = "exec", .fn = path_exec, .times = 5 },
	{ .name = "pthread", .fn = path_pthread, .times = 20 },
	{ .name = "open", .fn = path_open, .times = 100 },
	{ .name = "pipe", .fn = path_pipe, .times = 100 },
	{ .name = "unix", .fn = path_unix, .times = 100 },
	{ .name = "udp", .fn = path_udp, .times = 100 },
	{ .name = "tcp", .fn = path_tcp, .times = 100 },
	{ .name = "epoll", .fn = path_epoll, .times = 100 },
	{ .name = "inotify", .fn = path_inotify, .times = 20 },
	{ .name = "watch", .fn = path_watch, .times = 20 },
	{ .name = "mmap1", .fn = path_mmap1, .times = 20 },
	{ .name = "mmap16", .fn = path_mmap16, .times = 5 },
	{ .name = "mmap256", .fn = path_mmap256, .times = 1 },
	{ .name = "brk", .fn = path_brk, .times = 20 },
	{ .name = "mprotect", .fn = path_mprotect, .times = 20 },
	{ .name = "mlock", .fn = path_mlock, .times = 20 },
	{ .name = "shm", .fn = path_shm, .times = 20 },
	{ .name = "memfd", .fn = path_memfd, .times = 20 },
	{ .name = "fcntl", .fn = path_fcntl, .times = 100 },
	{ .name = "dgram", .fn = path_dgram, .times = 100 },
	{ .name = "dgram1", .fn = path_dgram1, .times = 50 },
	{ .name = "dgram1k", .fn = path_dgram1k, .times = 50 },
	{ .name = "dgram64k", .fn = path_dgram64k, .times = 5 },
	{ .name = "stream1", .fn = path_stream1, .times = 50 },
	{ .name = "stream1k", .fn = path_stream1k, .times = 50 },
	{ .name = "stream64k", .fn = path_stream64k, .times = 5 },
	{ .name = "udp1", .fn = path_udp1, .times = 50 },
	{ .name = "udp1k", .fn = path_udp1k, .times = 50 },
	{ .name = "udp64k", .fn = path_udp64k, .times = 5 },
	{ .name = "tcp1", .fn = path_tcp1, .times = 50 },
	{ .name = "tcp1k", .fn = path_tcp1k, .times = 50 },
	{ .name = "tcp64k", .fn = path_tcp64k, .times = 5 },
	{ .name = "signal", .fn = path_signal, .times = 100 },
	{ .name = "msg", .fn = path_msg, .times = 100 },
	{ .name = "pty", .fn = path_pty, .times = 10 },
	{ .name = "key", .fn = path_key, .times = 20 },
	{ .name = "attach", .fn = path_attach, .times = 2, .needs = GROUPS },
	{ .name = "mkdir", .fn = path_mkdir, .times = 1, .needs = GROUPS },
	{ .name = "held", .fn = path_held, .times = 20, .needs = GROUPS },
	{ .name = "list", .needs = PATIENCE, .one = list_id },
	{ .name = "walk", .needs = PATIENCE, .one = walk_pid },
	{ .name = "move", .needs = PATIENCE, .one = move_thread },
};

/*
 * The median of several rounds: timer ticks, and the RCU callbacks that come with
 * them, hit few rounds only, and the first ones fill caches.
 */
static long measure(void (*fn)(void), int times)
{
	long cost[ROUNDS];
	int i, j;

	for (i = 0; i < ROUNDS; i++) {
		long start = now();

		for (j = 0; j < times; j++)
			fn();
		cost[i] = (now() - start) / times;
	}
	return median(cost);
}

/*
 * The situations
 */

/*
 * High enough that nothing is refused, and low enough to be looked at; of all that this
 * kernel counts: pages and buffers of sockets, too, if it has them.
 */
static void set_limits(const char *dir)
{
	char name[300], path[PATH_MAX];
	struct dirent *de;
	DIR *d = opendir(dir);

	while (d && (de = readdir(d))) {
		if (de->d_name[0] == '.')
			continue;
		/* Not all controllers are counters. */
		snprintf(name, sizeof(name), "%s/limit", de->d_name);
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (!access(path, F_OK))
			put(dir, name, "1G");
	}
	if (d)
		closedir(d);
}

static char me[16];

static void enter_group(const char *root, int levels, int limits)
{
	char dir[PATH_MAX];
	int i;

	snprintf(dir, sizeof(dir), "%s", root);
	for (i = 0; i < levels; i++) {
		strcat(dir, "/bench-level");
		check(mkdir(dir, 0755), dir);
		if (limits)
			set_limits(dir);
	}
	put(dir, "tasks", me);
}

static void make_groups(int n)
{
	char dir[64];

	while (n--) {
		snprintf(dir, sizeof(dir), BC "/bench-other%d", n);
		check(mkdir(dir, 0755), dir);
	}
}

/* Every n-th controller goes to the n-th hierarchy. */
static void divide_controllers(int n)
{
	char list[4096], mine[4096], dir[64], *name, *rest;
	int h, i, fd = check(open(BC "/controllers", O_RDONLY), BC "/controllers");
	ssize_t len = check(read(fd, list, sizeof(list) - 1), BC "/controllers");

	close(fd);
	for (h = 1; h < n; h++) {
		char copy[4096];

		list[len] = 0;
		memcpy(copy, list, len + 1);
		mine[0] = 0;
		rest = copy;
		for (i = 0; (name = strsep(&rest, "\n ")); i++) {
			if (i % n == h) {
				strcat(mine, name);
				strcat(mine, " ");
			}
		}
		snprintf(dir, sizeof(dir), HIERARCHIES "/bench-%d", h);
		check(mkdir(dir, 0755), dir);
		put(dir, "controllers", mine);
	}
	enter_group(BC, 1, 1);
	for (h = 1; h < n; h++) {
		snprintf(dir, sizeof(dir), HIERARCHIES "/bench-%d", h);
		enter_group(dir, 1, 1);
	}
}

static void enter_cgroup(const char *controllers, int levels)
{
	char dir[PATH_MAX] = CGROUP;
	int i;

	for (i = 0; i < levels; i++) {
		put(dir, "cgroup.subtree_control", controllers);
		strcat(dir, "/bench-level");
		check(mkdir(dir, 0755), dir);
		if (strstr(controllers, "pids"))
			put(dir, "pids.max", "100000");
		if (strstr(controllers, "memory"))
			put(dir, "memory.max", "900000000");
	}
	put(dir, "cgroup.procs", me);
}

static void enter(const char *kind, int n)
{
	if (!strcmp(kind, "root")) {
		make_groups(100);
	} else if (!strcmp(kind, "group") || !strcmp(kind, "limited")) {
		enter_group(BC, n, *kind == 'l');
	} else if (!strcmp(kind, "other")) {
		enter_group(BC, 1, 1);
		make_groups(n);
	} else if (!strcmp(kind, "hier")) {
		divide_controllers(n);
	} else if (!strcmp(kind, "pids")) {
		enter_cgroup("+pids", n);
	} else if (!strcmp(kind, "pids+memory")) {
		enter_cgroup("+pids +memory", n);
	} else if (!strcmp(kind, "all")) {
		enter_cgroup(ALL, n);
	} else if (!strcmp(kind, "both")) {
		enter_cgroup(ALL, n);
		enter_group(BC, n, 1);
	}
}

static const char * const kinds[] = {
	"none", "root", "group", "limited", "other", "hier", "pids", "pids+memory", "all",
	"both"
};

/* Two groups to move between, of the situation's kind. */
static void make_two(const char *kind)
{
	int cgroup = !strncmp(kind, "pids", 4) || !strcmp(kind, "all");
	struct dirent *de;
	DIR *d;

	groups.root = cgroup ? CGROUP : BC;
	groups.tasks = cgroup ? "cgroup.procs" : "tasks";
	check(mkdir(in_groups("bench-there"), 0755), "bench-there");
	check(mkdir(in_groups("bench-here"), 0755), "bench-here");
	if (cgroup) {
		snprintf(groups.held, sizeof(groups.held), CGROUP "/bench-here/pids.current");
		return;
	}
	if (strcmp(kind, "root") && strcmp(kind, "group")) {
		set_limits(in_groups("bench-there"));
		set_limits(in_groups("bench-here"));
	}
	/* The first controller that is a counter will do. */
	d = opendir(in_groups("bench-here"));
	while (d && (de = readdir(d))) {
		snprintf(groups.held, sizeof(groups.held), BC "/bench-here/%s/held", de->d_name);
		if (de->d_name[0] != '.' && !access(groups.held, F_OK))
			break;
	}
	if (d)
		closedir(d);
}

static int wanted(const char *name, char **names)
{
	if (!*names)
		return 1;
	while (*names)
		if (!strcmp(name, *names++))
			return 1;
	return 0;
}

static void help(void)
{
	fputs("usage: bench_paths [-n TIMES [-m]] SITUATION [PATH ...], see the source\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	int c, i, j, n = 1, times = 0, persona = personality(0xffffffff);
	enum needs has = NOTHING;
	char kind[32];
	pid_t pid;
	long cost;

	if (argc == 1 && !strcmp(argv[0], "exit"))
		_exit(0);
	check(readlink("/proc/self/exe", self, sizeof(self) - 1), "/proc/self/exe");
	/* Where things are, and so how many page tables there are, is not to vary. */
	if (!(persona & ADDR_NO_RANDOMIZE)) {
		check(personality(persona | ADDR_NO_RANDOMIZE), "personality");
		execv(self, argv);
		die("exec");
	}

	while ((c = getopt(argc, argv, "+mn:")) != -1) {
		if (c == 'm')
			marked = 1;
		else if (c == 'n')
			times = atoi(optarg);
		else
			help();
	}
	if (optind == argc || times < 0 || sscanf(argv[optind], "%31[a-z+]%d", kind, &n) < 1)
		help();
	for (j = optind + 1; j < argc; j++) {
		for (i = 0; i < (int)ARRAY_SIZE(paths); i++)
			if (!strcmp(argv[j], paths[i].name))
				break;
		if (i == ARRAY_SIZE(paths))
			help();
	}
	for (i = 0; i < (int)ARRAY_SIZE(kinds); i++)
		if (!strcmp(kind, kinds[i]))
			break;
	if (i == ARRAY_SIZE(kinds) || n < 1)
		help();
	if (strcmp(kind, "none"))
		has = GROUPS;
	if (n == 1 && (!strcmp(kind, "limited") || !strcmp(kind, "all")))
		has = PATIENCE;

	prepare();
	/* By a child, so that in all situations our memory is the same: fork copies it. */
	snprintf(me, sizeof(me), "%d", getpid());
	pid = check(fork(), "fork");
	if (!pid) {
		enter(kind, n);
		exit(0);
	}
	waitpid(pid, &c, 0);
	if (c)
		return 1;

	for (i = 0; i < (int)ARRAY_SIZE(paths); i++) {
		if (paths[i].needs > has || !wanted(paths[i].name, argv + optind + 1))
			continue;
		if (paths[i].needs && !groups.root)
			make_two(kind);
		cost = paths[i].one ? paths[i].one() : measure(paths[i].fn, paths[i].times);
		printf("%s %ld\n", paths[i].name, cost);
		fflush(stdout);
		for (j = 0; paths[i].fn && j < times; j++) {
			mark();
			paths[i].fn();
			mark();
		}
	}
	return 0;
}
