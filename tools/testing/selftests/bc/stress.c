// SPDX-License-Identifier: GPL-2.0
/*
 * A mixed load in nested groups with limits, while tasks move, holders are killed and
 * groups come and go. No limit may be broken at any moment, no call may fail with an
 * error that it has no right to, and in the end nothing is held and no group is left.
 *
 * usage: stress [SECONDS]	10 of them, if not given
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>

#include "bc_proc.h"
#include "bc_worker.h"

#define GROUPS "/sys/kernel/debug/bc"

#define WORKERS		6
#define MAX_OBJECTS	30	/* no more than there are real-time signals */
#define MAX_LEVEL	4
#define MAX_GROUPS	30

static char top[64];

/* What the processes tell each other. */
static struct {
	atomic_int worker[WORKERS];		/* pids */
	atomic_ulong ops, refused, killed, moves, made, removed;
	atomic_int unexpected, where;
} *shared;

/*
 * What a worker does: make something, and drop it
 */

struct op {
	const char *name;
	int (*make)(void);
	void (*drop)(int handle);
	int errors[4];		/* that are fine, but for those of kmemsize */
};

/* All of them need memory. */
static bool no_memory(int error)
{
	return error == ENOMEM || error == ENOBUFS;
}

static unsigned int seed;

static int rnd(int n)
{
	return rand_r(&seed) % n;
}

static int make_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		/* With copies of all that its parent has, for a while. */
		if (rnd(2))
			usleep(rnd(20000));
		_exit(0);
	}
	return pid < 0 ? -errno : pid;
}

static void drop_child(int pid)
{
	waitpid(pid, NULL, 0);
}

/* Two files, of which one is left open. */
static int make_pipe(void)
{
	int fd[2], i = rnd(2);

	if (pipe(fd))
		return -errno;
	close(fd[i]);
	return fd[!i];
}

/* Write until there is no room, of whatever kind, or for a while. Nobody reads it. */
static void fill(int fd)
{
	static char data[20000];
	int n = rnd(20);

	while (n-- && send(fd, data, rnd(sizeof(data)), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
}

static int make_pair(void)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		return -errno;
	/* A file that is in flight for as long as the socket lives. */
	if (rnd(2)) {
		int fd = open("/dev/null", O_RDONLY);

		if (fd >= 0) {
			int err = bc_send_fd(sv[1], fd);

			if (err && !no_memory(-err))
				printf("# sendmsg: %d\n", -err);
			close(fd);
		}
	}
	if (rnd(2))
		fill(sv[0]);
	if (rnd(2))
		fill(sv[1]);
	close(sv[1]);
	return sv[0];
}

static int make_epoll(void)
{
	return bc_fd(epoll_create1(0));
}

static int flock_fd = -1;

static int make_flock(void)
{
	char path[64];
	int fd, err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", flock_fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_SH)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* A range in the middle of others, so that they are split and merged. */
static int make_range(void)
{
	int type = rnd(2) ? F_RDLCK : F_WRLCK, start = 4000 + rnd(50);
	int err = bc_setlk(type, start, 1 + rnd(10));

	return err ?: start;
}

static void drop_range(int start)
{
	bc_setlk(F_UNLCK, start, 5);		/* may be refused */
	if (!rnd(4))
		bc_setlk(F_UNLCK, 4000, 0);	/* all */
}

static int make_timer(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	int id;

	/* The C library's timer_t is something else. */
	return syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id) ? -errno : id;
}

static void drop_timer(int id)
{
	syscall(SYS_timer_delete, id);
}

/* A connection to ourselves; the end that was accepted is what stays. */
static int make_connection(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int l, c, a = -1;

	l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (l < 0)
		return -errno;
	if (bind(l, (void *)&addr, len) || listen(l, 4) ||
	    getsockname(l, (void *)&addr, &len)) {
		a = -errno;
		close(l);
		/* It is not ports that are short, but memory for one. */
		return a == -EADDRINUSE ? -ENOBUFS : a;
	}
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c >= 0 && connect(c, (void *)&addr, len) && errno != EINPROGRESS)
		a = -errno;
	else if (c >= 0)
		a = accept(l, NULL, NULL);
	if (a == -1)
		a = -errno;
	/* What the closed one has sent waits for the other one. */
	if (a >= 0 && rnd(2))
		fill(a);
	if (a >= 0 && rnd(2))
		fill(c);
	close(c);
	close(l);
	return a == -EAGAIN ? -ENOBUFS : a;	/* refused by the listener's group */
}

/* It has datagrams, from itself. */
static int make_udp(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char byte;

	if (fd < 0)
		return -errno;
	if (bind(fd, (void *)&addr, len) || getsockname(fd, (void *)&addr, &len) ||
	    connect(fd, (void *)&addr, len)) {
		int err = -errno;

		close(fd);
		return err;
	}
	fill(fd);
	if (rnd(2))
		recv(fd, &byte, 1, MSG_DONTWAIT);
	return fd;
}

/* Memory of each kind. */
static struct {
	char *p;
	size_t size;
} areas[MAX_OBJECTS];

static int make_area(int prot, int flags)
{
	size_t size = (1 + rnd(200)) * 4096;
	unsigned int i;
	char *p;

	p = mmap(NULL, size, prot, flags | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	if (prot & PROT_WRITE)
		p[rnd(size)] = 1;
	for (i = 0; areas[i].p; i++)
		;
	areas[i].p = p;
	areas[i].size = size;
	return i;
}

static void drop_area(int i)
{
	munmap(areas[i].p, areas[i].size);
	areas[i].p = NULL;
}

static int make_private(void)
{
	return make_area(PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

static int make_locked(void)
{
	return make_area(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_LOCKED);
}

static int make_shared(void)
{
	return make_area(PROT_READ | PROT_WRITE, MAP_SHARED);
}

/* Holes, other protections, other places. */
static int make_holes(void)
{
	int i = make_area(PROT_READ, MAP_PRIVATE), err = 0;
	size_t half;
	char *p;

	if (i < 0)
		return i;
	half = areas[i].size / 8192 * 4096;
	if (half && mprotect(areas[i].p, half, PROT_READ | PROT_WRITE))
		err = -errno;
	if (half && !rnd(3))
		munmap(areas[i].p + half / 2 / 4096 * 4096, 4096);
	p = mremap(areas[i].p + half, areas[i].size - half, areas[i].size, MREMAP_MAYMOVE);
	if (p != MAP_FAILED)
		munmap(p, areas[i].size);
	if (err)
		drop_area(i);
	return err ?: i;
}

static int make_memfd(void)
{
	int fd = memfd_create("bc", MFD_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, (1 + rnd(100)) * 4096)) {
		err = -errno;
		close(fd);
		return err;
	}
	if (rnd(2) && ftruncate(fd, rnd(50) * 4096))
		perror("ftruncate");
	return fd;
}

static const struct op ops[] = {
	{ "private", make_private, drop_area, { ENOMEM } },
	{ "locked", make_locked, drop_area, { ENOMEM, EAGAIN } },
	{ "shared", make_shared, drop_area, { ENOMEM, ENFILE, ENOSPC } },
	{ "holes", make_holes, drop_area, { ENOMEM } },
	{ "memfd", make_memfd, bc_close, { ENFILE, ENOMEM, ENOSPC } },
	{ "fork", make_child, drop_child, { EAGAIN, ENOMEM } },
	{ "open", bc_make_file, bc_close, { ENFILE } },
	{ "pipe", make_pipe, bc_close, { ENFILE } },
	{ "epoll", make_epoll, bc_close, { ENFILE } },
	{ "socketpair", make_pair, bc_close, { ENFILE, ENOMEM } },
	{ "connection", make_connection, bc_close, { ENFILE, ENOBUFS, ENOMEM } },
	{ "udp", make_udp, bc_close, { ENFILE, ENOBUFS, ENOMEM, EAGAIN } },
	{ "inotify", bc_make_inotify, bc_close, { ENFILE, EMFILE } },
	{ "watch", bc_make_watch, bc_drop_watch, { ENFILE, ENOSPC, ENOENT } },
	{ "lock", bc_make_lock, bc_drop_lock, { ENOLCK } },
	{ "range", make_range, drop_range, { ENOLCK } },
	{ "flock", make_flock, bc_close, { ENFILE, ENOLCK } },
	{ "pty", bc_make_pty, bc_close, { ENFILE, ENOSPC } },
	{ "key", bc_make_key, bc_drop_key, { EDQUOT } },
	{ "sigqueue", bc_make_signal, bc_drop_signal, { EAGAIN } },
	{ "timer", make_timer, drop_timer, { EAGAIN } },
};

static void work(int me)
{
	struct { const struct op *op; int handle; } obj[MAX_OBJECTS];
	int i, n = 0;

	seed = getpid();
	bc_die_with_parent();
	bc_worker_init();
	flock_fd = bc_open_tmp();

	for (;;) {
		const struct op *op = &ops[rnd(ARRAY_SIZE(ops))];
		int handle;

		if (n == MAX_OBJECTS || (n && rnd(100) < 45)) {
			i = rnd(n--);
			obj[i].op->drop(obj[i].handle);
			obj[i] = obj[n];
			continue;
		}
		handle = op->make();
		shared->ops++;
		if (handle >= 0) {
			obj[n].op = op;
			obj[n++].handle = handle;
			continue;
		}
		shared->refused++;
		for (i = 0; i < 4 && op->errors[i] != -handle; i++)
			;
		if (i == 4 && !no_memory(-handle)) {
			shared->unexpected = -handle;
			shared->where = op - ops;
		}
	}
}

static pid_t start(void (*fn)(int me), int me)
{
	pid_t pid = fork();

	if (pid == 0) {
		fn(me);
		_exit(0);
	}
	return pid;
}

/*
 * Groups
 */

/* A group at random: go down until chance says stop. */
static void pick(char *path, size_t size)
{
	struct dirent *de;
	int level = 0, n;
	char name[64];
	DIR *d;

	snprintf(path, size, "%s", top);
	while (rnd(4) && level++ < MAX_LEVEL) {
		d = opendir(path);
		n = 0;
		name[0] = '\0';
		while (d && (de = readdir(d))) {
			if (de->d_name[0] != 'g')
				continue;
			if (!rnd(++n))
				snprintf(name, sizeof(name), "/%.60s", de->d_name);
		}
		if (d)
			closedir(d);
		if (!n)
			break;
		strncat(path, name, size - strlen(path) - 1);
	}
}

/* A second hierarchy, in which tasks are, independently of the first one. */
static char other[64];

#define OTHER_GROUPS 4

static void other_group(char *path, size_t size, int n)
{
	snprintf(path, size, "%s/g%d", other, n);
}

static int make_other(void)
{
	char path[PATH_MAX];
	int i, err;

	snprintf(other, sizeof(other), BC_HIERARCHIES "/stress-%d", getpid());
	err = mkdir(other, 0755);
	for (i = 0; i < OTHER_GROUPS && !err; i++) {
		other_group(path, sizeof(path), i);
		err = mkdir(path, 0755);
	}
	return err;
}

static int remove_other(void)
{
	char path[PATH_MAX];
	int i, err = 0;

	for (i = 0; i < OTHER_GROUPS; i++) {
		other_group(path, sizeof(path), i);
		err |= rmdir(path);
	}
	return err | rmdir(other);
}

/* Tasks move, to other groups and sometimes to none. */
static void mover(int me)
{
	char path[PATH_MAX];

	seed = getpid();
	bc_die_with_parent();
	for (;;) {
		pid_t pid = shared->worker[rnd(WORKERS)];

		if (!rnd(4) && pid > 0) {
			other_group(path, sizeof(path), rnd(OTHER_GROUPS));
			bc_write(rnd(8) ? path : other, "tasks", "%d", pid);
		}
		pick(path, sizeof(path));
		/* Not before it has its limits, or more may be held than they say. */
		if (bc_get(path, "numtasks/limit") == LONG_MAX)
			continue;
		if (pid > 0 && !bc_write(rnd(8) ? path : BC_ROOT, "tasks", "%d", pid))
			shared->moves++;
		if (!rnd(4))
			usleep(1000);
	}
}

static const struct {
	const char *name;
	int limit;
	bool forced;		/* some charges are not refused */
} resources[] = {
	{ "numtasks", 12, false },
	{ "numfiles", 60, false },
	{ "numinotify", 5, false },
	{ "numwatches", 6, false },
	{ "numflock", 12, false },
	{ "numpty", 4, false },
	{ "numkeys", 8, true },
	{ "numsiginfo", 8, true },
	{ "numtcpsock", 9, false },
	{ "numothersock", 6, false },
	/* What is mapped while a worker comes from a root is forced. */
	{ "privvmpages", 6000, true },
	{ "lockedpages", 600, true },
	{ "shmpages", 600, false },
	{ "kmemsize", 300000, true },
	{ "tcpsndbuf", 300000, true },
	{ "tcprcvbuf", 300000, true },
	{ "dgramrcvbuf", 60000, false },
	{ "othersockbuf", 60000, true },
};

/* Groups come and go. All have limits, the lower the smaller. */
static void maker(int me)
{
	char path[PATH_MAX], file[64];
	unsigned int i;
	int n = 0;

	seed = getpid();
	bc_die_with_parent();
	for (;;) {
		pick(path, sizeof(path));
		if (strcmp(path, top) &&
		    (rnd(2) || shared->made > shared->removed + MAX_GROUPS)) {
			if (!rmdir(path))
				shared->removed++;
			continue;
		}
		if (shared->made > shared->removed + MAX_GROUPS)
			continue;
		/* A name of its own, so that nobody takes it for another. */
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "/g%d", n++);
		if (mkdir(path, 0755))
			continue;
		shared->made++;
		/* numtasks, for which the mover waits, is the first, so it comes last. */
		for (i = ARRAY_SIZE(resources); i--; ) {
			snprintf(file, sizeof(file), "%s/limit", resources[i].name);
			bc_write(path, file, "%d", 1 + rnd(resources[i].limit));
		}
		usleep(rnd(5000));
	}
}

/*
 * What has to be true
 */

static int broken;

static void check_limits(const char *dir)
{
	static long limit[ARRAY_SIZE(resources)];
	char file[64];
	unsigned int i;
	long held;

	for (i = 0; i < ARRAY_SIZE(resources); i++) {
		snprintf(file, sizeof(file), "%s/limit", resources[i].name);
		limit[i] = bc_get(dir, file);
		if (limit[i] < 0 || limit[i] == LONG_MAX || resources[i].forced)
			continue;
		snprintf(file, sizeof(file), "%s/held", resources[i].name);
		held = bc_get(dir, file);
		if (held > limit[i]) {
			printf("# %s/%s: %ld, limit %ld\n", dir, file, held, limit[i]);
			broken++;
		}
		snprintf(file, sizeof(file), "%s/maxheld", resources[i].name);
		held = bc_get(dir, file);
		if (held > limit[i]) {
			printf("# %s/%s: %ld, limit %ld\n", dir, file, held, limit[i]);
			broken++;
		}
	}
}

/* Tell what is held there or below; how many counters are not 0. */
static int check_empty(const char *dir)
{
	char path[PATH_MAX], file[64];
	struct dirent *de;
	unsigned int i;
	int n = 0;
	DIR *d;

	for (i = 0; i < ARRAY_SIZE(resources); i++) {
		/* Connections in TIME_WAIT take a minute. */
		if (!strcmp(resources[i].name, "kmemsize"))
			continue;
		snprintf(file, sizeof(file), "%s/held", resources[i].name);
		bc_path(path, dir, resources[i].name);
		if (!access(path, F_OK) && bc_settle(dir, file, 0)) {
			printf("# %s/%s: %ld\n", dir, file, bc_get(dir, file));
			n++;
		}
	}
	d = opendir(dir);
	while (d && (de = readdir(d))) {
		if (de->d_name[0] != 'g')
			continue;
		bc_path(path, dir, de->d_name);
		n += check_empty(path);
	}
	if (d)
		closedir(d);
	return n;
}

/* Groups that have paid for connections in TIME_WAIT are there for a minute. */
static bool all_gone(long groups)
{
	int i;

	for (i = 0; i < 9; i++) {
		if (bc_settle(GROUPS, "groups", groups) == groups)
			return true;
	}
	return false;
}

/* What killed workers have left. */
static void clear_tmp(void)
{
	struct dirent *de;
	char path[PATH_MAX];
	DIR *d = opendir("/tmp");

	while (d && (de = readdir(d))) {
		if (strncmp(de->d_name, "bc-watch-", 9))
			continue;
		bc_path(path, "/tmp", de->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
}

static int failed;

static void result(int n, bool ok, const char *what)
{
	printf("%sok %d %s\n", ok ? "" : "not ", n, what);
	failed |= !ok;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void tell(double seconds)
{
	printf("# %.0f s: %lu calls, %lu refused; %lu moves; %lu killed; ", seconds,
	       shared->ops, shared->refused, shared->moves, shared->killed);
	printf("groups: %lu made, %lu removed\n", shared->made, shared->removed);
}

int main(int argc, char **argv)
{
	double begin, report, end;
	char path[PATH_MAX], file[64];
	pid_t mover_pid, maker_pid;
	unsigned int i;
	long groups;

	if (argc > 2 || (argc == 2 && atoi(argv[1]) <= 0)) {
		fprintf(stderr, "usage: %s [SECONDS]\n", argv[0]);
		return 2;
	}
	setlinebuf(stdout);
	(void)test_harness_run;		/* comes with the helpers */
	printf("TAP version 13\n");
	if (bc_unavailable()) {
		printf("1..0 # SKIP %s\n", bc_unavailable());
		return 4;
	}
	printf("1..5\n");

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	groups = bc_settle(GROUPS, "groups", bc_live_groups());
	if (shared == MAP_FAILED || bc_set_up(top, sizeof(top)) || make_other())
		return 1;
	for (i = 0; i < ARRAY_SIZE(resources); i++) {
		snprintf(file, sizeof(file), "%s/limit", resources[i].name);
		bc_write(top, file, "%d", 2 * resources[i].limit);
	}

	begin = now();
	report = begin + 10;
	end = begin + (argc == 2 ? atoi(argv[1]) : 10);
	mover_pid = start(mover, 0);
	maker_pid = start(maker, 0);
	seed = 1;
	while (now() < end) {
		i = rnd(WORKERS);
		if (shared->worker[i] > 0 && !rnd(4)) {
			bc_reap(shared->worker[i]);
			shared->worker[i] = 0;
			shared->killed++;
		}
		if (shared->worker[i] <= 0)
			shared->worker[i] = start(work, i);
		check_limits(top);
		pick(path, sizeof(path));
		check_limits(path);
		usleep(20000);
		if (now() > report) {
			tell(now() - begin);
			report += 10;
		}
	}
	bc_reap(mover_pid);
	bc_reap(maker_pid);
	for (i = 0; i < WORKERS; i++)
		bc_reap(shared->worker[i]);
	tell(now() - begin);

	result(1, !broken && shared->refused && shared->moves && shared->removed,
	       "no limit was broken");
	if (shared->unexpected)
		printf("# %s: %s\n", ops[shared->where].name,
		       strerror(shared->unexpected));
	result(2, !shared->unexpected, "no call failed without a reason");
	result(3, !check_empty(top), "nothing is held");
	bc_remove(top);
	clear_tmp();
	result(4, !remove_other(), "the second hierarchy is empty");
	if (bc_get(GROUPS, "groups") < 0)
		printf("ok 5 no group is left # SKIP needs CONFIG_BC_SABOTAGE\n");
	else
		result(5, all_gone(groups), "no group is left");
	return failed;
}
