// SPDX-License-Identifier: GPL-2.0
/*
 * Many of everything at once: groups, tasks, files and locks. What one of them weighs, what
 * an operation costs next to few and next to all, and that all of it can be removed, in time
 * in proportion to how much there is. KTAP. In the lab's deterministic guest a nanosecond is
 * an instruction.
 *
 * usage: bench_scale [GROUPS [TASKS [FILES [LOCKS]]]]
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bench.h"

#define ROOT	"/sys/kernel/config/bc"
#define TOP	ROOT "/scale"
#define ROUNDS	40

/* So many of a kind a process has. */
#define EACH	1000

/* What an operation costs next to all may be so many times what it costs next to few. */
#define BOUND	1.25

static int tests, failed;

static void result(bool ok, const char *what)
{
	printf("%s %d %s\n", ok ? "ok" : "not ok", ++tests, what);
	fflush(stdout);
	failed += !ok;
}

/* In bytes: what the kernel has for itself. */
static long memory(void)
{
	static const char * const names[] = { "Slab", "Percpu", "KernelStack", "PageTables" };
	char line[128], name[32];
	long sum = 0, kb;
	size_t i;
	FILE *f;

	sync();
	put_file("/proc/sys/vm/drop_caches", "2");
	f = fopen("/proc/meminfo", "r");
	if (!f)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31[^:]: %ld", name, &kb) != 2)
			continue;
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			if (!strcmp(name, names[i]))
				sum += kb * 1024;
		}
	}
	fclose(f);
	return sum;
}

static long get(const char *dir, const char *name)
{
	char path[PATH_MAX], buf[64] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) < 0)
		die(path);
	close(fd);
	return atol(buf);
}

static void group(char *path, size_t size, int i)
{
	/* A hundred in each: what users have is not flat. */
	snprintf(path, size, TOP "/g%d/g%d", i / 100, i % 100);
}

static void make_groups(int n)
{
	char path[64];
	int i;

	for (i = 0; i < n; i++) {
		if (i % 100 == 0) {
			snprintf(path, sizeof(path), TOP "/g%d", i / 100);
			if (mkdir(path, 0755))
				die(path);
		}
		group(path, sizeof(path), i);
		if (mkdir(path, 0755))
			die(path);
	}
}

static void remove_groups(int n)
{
	char path[64];
	int i;

	for (i = n - 1; i >= 0; i--) {
		group(path, sizeof(path), i);
		if (rmdir(path))
			die(path);
		if (i % 100)
			continue;
		snprintf(path, sizeof(path), TOP "/g%d", i / 100);
		if (rmdir(path))
			die(path);
	}
}

/*
 * What each operation costs: the least of some rounds
 */

static void op_mkdir(void)
{
	if (mkdir(TOP "/probe", 0755))
		die("mkdir");
}

static void op_rmdir(void)
{
	if (rmdir(TOP "/probe"))
		die("rmdir");
}

static void op_attach(void)
{
	put(TOP "/one", "tasks", "0");
}

static void op_attach_back(void)
{
	put(TOP "/two", "tasks", "0");
}

static void op_open(void)
{
	int fd = open("/dev/null", O_RDONLY);

	if (fd < 0)
		die("/dev/null");
	close(fd);
}

static void op_fork(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(0);
	if (pid < 0)
		die("vfork");
	waitpid(pid, NULL, 0);
}

static void op_lock(void)
{
	static int fd = -1;
	struct flock fl = { .l_whence = SEEK_SET, .l_len = 1 };

	if (fd < 0)
		fd = open("/tmp/bench_scale.lock", O_RDWR | O_CREAT, 0600);
	fl.l_type = F_WRLCK;
	if (fcntl(fd, F_SETLK, &fl))
		die("F_SETLK");
	fl.l_type = F_UNLCK;
	fcntl(fd, F_SETLK, &fl);
}

static void op_held(void)
{
	get(TOP, "numfiles/held");
}

static void op_limit(void)
{
	put(TOP, "numfiles/limit", "100000000");
}

static void op_nothing(void)
{
}

/* Each is measured, then undone. */
static const struct {
	const char *name;
	void (*op)(void);
	void (*undo)(void);
} ops[] = {
	{ "mkdir", op_mkdir, op_rmdir },
	{ "attach", op_attach, op_attach_back },
	{ "open + close", op_open, op_nothing },
	{ "vfork + exit + wait", op_fork, op_nothing },
	{ "lock + unlock", op_lock, op_nothing },
	{ "read held of all", op_held, op_nothing },
	{ "write the limit of all", op_limit, op_nothing },
};

#define NOPS ARRAY_SIZE(ops)

static void measure(long *cost)
{
	size_t i;
	int r;

	for (i = 0; i < NOPS; i++) {
		cost[i] = LONG_MAX;
		for (r = 0; r < ROUNDS; r++) {
			long t = now();

			ops[i].op();
			t = now() - t;
			ops[i].undo();
			if (t < cost[i])
				cost[i] = t;
		}
	}
}

static void compare(const char *next_to, const long *few, const long *many)
{
	char what[160];
	size_t i;

	for (i = 0; i < NOPS; i++) {
		double ratio = (double)many[i] / few[i];

		snprintf(what, sizeof(what), "%s: %ld, and next to %s %ld (%.3f times)",
			 ops[i].name, few[i], next_to, many[i], ratio);
		result(ratio <= BOUND, what);
	}
}

/*
 * Who holds them: processes, each in a group of its own, that say when they have what they
 * are to have, and end when the pipe of orders is closed
 */

static int orders[2];

/* The stack of a thread that does nothing. */
static char *stacks;

static int idle(void *arg)
{
	for (;;)
		pause();
	return !!arg;
}

static int hold_threads(int n)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			  CLONE_SYSVSEM;
	size_t size = 4096;
	int i;

	stacks = mmap(NULL, n * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stacks == MAP_FAILED)
		return -1;
	for (i = 0; i < n; i++) {
		if (clone(idle, stacks + (i + 1) * size, flags, NULL) < 0)
			return -1;
	}
	return 0;
}

static int hold_files(int n)
{
	struct rlimit rl = { .rlim_cur = n + 64, .rlim_max = n + 64 };
	int i;

	if (setrlimit(RLIMIT_NOFILE, &rl))
		return -1;
	for (i = 0; i < n; i++) {
		if (open("/dev/null", O_RDONLY) < 0)
			return -1;
	}
	return 0;
}

static int hold_locks(int n)
{
	struct flock fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
	char path[64];
	int fd, i;

	snprintf(path, sizeof(path), "/tmp/bench_scale.%d", getpid());
	fd = open(path, O_RDWR | O_CREAT, 0600);
	unlink(path);
	/* No two are neighbours, and the last one is found at once. */
	for (i = n - 1; i >= 0; i--) {
		fl.l_start = 2L * i;
		if (fd < 0 || fcntl(fd, F_SETLK, &fl))
			return -1;
	}
	return 0;
}

static void holder(int i, int (*hold)(int n), int n, const int ready[2])
{
	char path[64], c = 'y';

	close(orders[1]);
	close(ready[0]);
	group(path, sizeof(path), i);
	put(path, "tasks", "0");
	if (hold(n))
		c = 'n';
	if (write(ready[1], &c, 1) != 1)
		_exit(1);
	if (read(orders[0], &c, 1))
		_exit(1);
	/* All threads, and what they have. */
	syscall(SYS_exit_group, 0);
}

/* Let @n of something be held, by as many processes as that takes. How many there are. */
static int hold(int groups, int (*fn)(int n), int n)
{
	int i, ready[2], holders = (n + EACH - 1) / EACH;
	pid_t pid;
	char c;

	if (pipe(orders))
		die("pipe");
	for (i = 0; i < holders; i++) {
		/* One each, which ends with who has its other end: it may be killed. */
		if (pipe(ready))
			die("pipe");
		pid = fork();
		if (!pid)
			holder(i % groups, fn, n - i * EACH < EACH ? n - i * EACH : EACH, ready);
		if (pid < 0)
			die("fork");
		close(ready[1]);
		/* One after the other: it is not to be a race for memory. */
		if (read(ready[0], &c, 1) != 1 || c != 'y')
			die("a holder");
		close(ready[0]);
	}
	close(orders[0]);
	return holders;
}

static void drop(int holders)
{
	close(orders[1]);
	while (holders--)
		wait(NULL);
}

/* What is freed after a grace period is uncharged then. */
static bool settled(const char *name, long want)
{
	int i;

	for (i = 0; i < 1000 && get(TOP, name) != want; i++)
		usleep(10000);
	return i < 1000;
}

/*
 * One kind of thing. @max: what one may weigh, in bytes, with all that the kernel needs for it,
 * groups or not.
 */
static void kind(const char *name, const char *held, int groups, int (*fn)(int n), int n,
		 long max, const long *few)
{
	long many[NOPS], before = get(TOP, held), mem = memory(), t;
	char what[160];
	int holders;

	if (n <= 0)
		return;
	t = now();
	holders = hold(groups, fn, n);
	t = now() - t;
	mem = (memory() - mem) / n;
	printf("# %d %s, by %d processes: %ld ns each\n", n, name, holders, t / n);
	snprintf(what, sizeof(what), "%d %s are held", n, name);
	result(get(TOP, held) - before >= n, what);
	snprintf(what, sizeof(what), "%s: %ld bytes each, at most %ld", name, mem, max);
	result(mem <= max, what);
	measure(many);
	snprintf(what, sizeof(what), "%d %s", n, name);
	compare(what, few, many);

	t = now();
	drop(holders);
	snprintf(what, sizeof(what), "all %s are given back", name);
	result(settled(held, before), what);
	t = now() - t;
	printf("# %s: %ld ns each to give back\n", name, t / n);
}

static int arg(int argc, char **argv, int i, int def)
{
	return argc > i ? atoi(argv[i]) : def;
}

int main(int argc, char **argv)
{
	int groups = arg(argc, argv, 1, 10000), tasks = arg(argc, argv, 2, 100000);
	int files = arg(argc, argv, 3, 1000000), locks = arg(argc, argv, 4, 1000000);
	long few[NOPS], many[NOPS], mem, t, first;
	char what[160];

	printf("TAP version 13\n1..%zu\n",
	       3 + NOPS + (3 + NOPS) * ((tasks > 0) + (files > 0) + (locks > 0)));
	put_file("/proc/sys/kernel/pid_max", "4194304");
	put_file("/proc/sys/kernel/threads-max", "1000000");
	put_file("/proc/sys/vm/max_map_count", "1000000");
	put_file("/proc/sys/fs/file-max", "10000000");
	put_file("/proc/sys/fs/nr_open", "10000000");
	if (mkdir(TOP, 0755) || mkdir(TOP "/one", 0755) || mkdir(TOP "/two", 0755))
		die("mkdir");
	put(TOP "/two", "tasks", "0");
	measure(few);

	mem = memory();
	t = now();
	make_groups(groups);
	first = now() - t;
	mem = (memory() - mem) / groups;
	snprintf(what, sizeof(what), "groups: %ld bytes each, at most %d", mem, 48 * 1024);
	result(mem <= 48 * 1024, what);
	measure(many);
	snprintf(what, sizeof(what), "%d groups", groups);
	compare(what, few, many);

	kind("tasks", "numtasks/held", groups, hold_threads, tasks, 32 * 1024, few);
	kind("files", "numfiles/held", groups, hold_files, files, 1024, few);
	kind("locks", "numflock/held", groups, hold_locks, locks, 1024, few);

	put(ROOT, "tasks", "0");
	t = now();
	remove_groups(groups);
	t = now() - t;
	printf("# %ld ns to make a group, %ld to remove one\n", first / groups, t / groups);
	snprintf(what, sizeof(what), "all %d groups are removed, no slower than they were made",
		 groups);
	result(t <= first, what);
	result(!rmdir(TOP "/one") && !rmdir(TOP "/two") && !rmdir(TOP), "nothing is left");
	return failed > 0;
}
