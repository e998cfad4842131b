// SPDX-License-Identifier: GPL-2.0
/*
 * cpuacct: whose time it counts, where that stays, and that nothing is lost or counted
 * twice.
 *
 * The scheduler adds the same number to a task's own clock and to its group, in the
 * same place. So the two are not nearly equal but equal, once the task is off its CPU:
 * tests stop a task, wait until it really does not run, and compare. No test depends on
 * how long something takes: what is awaited is CPU time, and that is read from the
 * task's own clock.
 */
#include <sys/mount.h>
#include <sys/resource.h>

#include "bc_cpus.h"

#define NSEC_PER_MSEC	1000000LL
#define NSEC_PER_SEC	1000000000LL

/* How many moves are wanted, and the seconds after which fewer have to do. */
#define HOPS		1000
#define HOP_SECONDS	10

/* In nanoseconds. Of a task, of a group, or a difference. */
struct times {
	long long usage, user, system;
};

static const struct times nothing;

static struct times minus(struct times a, struct times b)
{
	return (struct times) {
		a.usage - b.usage, a.user - b.user, a.system - b.system,
	};
}

static struct times plus(struct times a, struct times b)
{
	return (struct times) {
		a.usage + b.usage, a.user + b.user, a.system + b.system,
	};
}

/*
 * A number of a group, or -errno. One that went below zero shows up as more than
 * 2^63, and is LLONG_MAX here.
 */
static long long get_ns(const char *dir, const char *file)
{
	unsigned long long val;
	char buf[64], *end;
	int err;

	err = bc_read(dir, file, buf, sizeof(buf));
	if (err)
		return err;
	val = strtoull(buf, &end, 10);
	/* No sign, no blank, one line. */
	if (buf[0] < '0' || buf[0] > '9' || strcmp(end, "\n"))
		return -EPROTO;
	return val > LLONG_MAX ? LLONG_MAX : (long long)val;
}

static struct times group_times(const char *dir, const char *group)
{
	char path[PATH_MAX];

	bc_path(path, dir, group);
	return (struct times) {
		get_ns(path, "cpuacct/usage"),
		get_ns(path, "cpuacct/user"),
		get_ns(path, "cpuacct/system"),
	};
}

/*
 * A clock of another process: 0 is user and system as they were counted at ticks, 1 is
 * user, 2 is what the scheduler has measured. What /proc and getrusage() show is scaled,
 * this is not. It can be read until the process is reaped. See clock_getcpuclockid(3).
 */
static long long cpu_clock(pid_t pid, int which)
{
	clockid_t id = (~(clockid_t)pid) * 8 + which;
	struct timespec ts;

	if (clock_gettime(id, &ts))
		return -errno;
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static struct times task_times(pid_t pid)
{
	struct times t = { .usage = cpu_clock(pid, 2), .user = cpu_clock(pid, 1) };

	t.system = cpu_clock(pid, 0) - t.user;
	return t;
}

/* A tick, in nanoseconds. */
static long long tick(void)
{
	struct timespec ts;

	clock_getres(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* How many numbers there are in usage_percpu, and their sum; -1 if it is malformed. */
static int read_percpu(const char *dir, const char *group, long long *val, long long *sum)
{
	char path[PATH_MAX], buf[16384], *p = buf;
	unsigned long long v;
	int n = 0;

	*sum = 0;
	bc_path(path, dir, group);
	if (bc_read(path, "cpuacct/usage_percpu", buf, sizeof(buf)))
		return -1;
	for (;;) {
		if (*p < '0' || *p > '9' || n == BC_CPUS_MAX)
			return -1;
		v = strtoull(p, &p, 10);
		val[n] = v > LLONG_MAX ? LLONG_MAX : (long long)v;
		*sum += val[n++];
		if (!strcmp(p, "\n"))
			return n;
		if (*p++ != ' ')
			return -1;
	}
}

/*
 * Wait until no thread of @pid is on a CPU, or about to be. It has to be stopped or dead.
 * Neither its state nor the return of wait() says so: both come before the last switch.
 * To read "syscall" waits for that, or says "running".
 */
static bool wait_off_cpu(pid_t pid)
{
	char task[64], path[PATH_MAX], buf[256];
	int i, running, err;
	struct dirent *de;
	DIR *d;

	snprintf(task, sizeof(task), "/proc/%d/task", pid);
	for (i = 0; i < 3000; i++) {
		running = 0;
		d = opendir(task);
		if (!d)
			return false;
		while ((de = readdir(d))) {
			if (de->d_name[0] == '.')
				continue;
			bc_path(path, task, de->d_name);
			err = bc_read(path, "syscall", buf, sizeof(buf));
			if (err && err != -ENOENT && err != -ESRCH) {
				closedir(d);
				return false;
			}
			running += !err && !strncmp(buf, "running", 7);
		}
		closedir(d);
		if (!running)
			return true;
		usleep(10000);
	}
	return false;
}

static bool wait_stopped(pid_t pid)
{
	int status;

	return waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) &&
	       wait_off_cpu(pid);
}

static bool stop(pid_t pid)
{
	return !kill(pid, SIGSTOP) && wait_stopped(pid);
}

static bool go(pid_t pid)
{
	return !kill(pid, SIGCONT);
}

/* Kill it, and return when it cannot use anything any more. */
static bool finish(pid_t pid)
{
	bool ok;

	kill(pid, SIGKILL);
	bc_wait_zombie(pid);
	ok = wait_off_cpu(pid);
	return waitpid(pid, NULL, 0) == pid && ok;
}

/* A bit of user time and a bit of system time. */
static void burn(void)
{
	int i;

	for (i = 0; i < 100000; i++)
		__asm__ volatile("");
	for (i = 0; i < 300; i++)
		syscall(SYS_getppid);
}

static long long my_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static void burn_for(clockid_t id, int ms)
{
	long long end = my_clock(id) + ms * NSEC_PER_MSEC;

	while (my_clock(id) < end)
		burn();
}

static void *busy_thread(void *arg)
{
	for (;;)
		burn();
	return arg;
}

/* A child with @n threads more, all of them stopped, and busy whenever they are not. */
static pid_t spawn_busy_threads(int n)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t thread;

		bc_die_with_parent();
		while (n--) {
			if (pthread_create(&thread, NULL, busy_thread, NULL))
				_exit(1);
		}
		raise(SIGSTOP);
		busy_thread(NULL);
	}
	if (pid > 0 && !wait_stopped(pid)) {
		bc_reap(pid);
		return -EIO;
	}
	return pid < 0 ? -errno : pid;
}

static pid_t spawn_busy(void)
{
	return spawn_busy_threads(0);
}

/* Wait until @pid has had @ms of a CPU, and some @ticks in both modes. */
static bool wait_used(pid_t pid, int ms, int ticks)
{
	struct times from = task_times(pid), t;
	long long enough = ticks * tick();
	int i;

	for (i = 0; i < 20000; i++) {
		t = minus(task_times(pid), from);
		if (t.usage >= ms * NSEC_PER_MSEC && t.user >= enough &&
		    t.system >= enough)
			return true;
		usleep(5000);
	}
	return false;
}

/* Let it run for a while. */
static bool run_for(pid_t pid, int ms, int ticks)
{
	return go(pid) && wait_used(pid, ms, ticks) && stop(pid);
}

/* Are they equal? Not nearly: see above. */
static void expect_same(struct __test_metadata *_metadata, const char *what,
			struct times want, struct times seen)
{
	EXPECT_EQ(want.usage, seen.usage) {
		TH_LOG("usage: %s", what);
	}
	EXPECT_EQ(want.user, seen.user) {
		TH_LOG("user: %s", what);
	}
	EXPECT_EQ(want.system, seen.system) {
		TH_LOG("system: %s", what);
	}
}

static void expect_near(struct __test_metadata *_metadata, const char *what,
			long long want, long long seen, long long tolerance)
{
	EXPECT_LE(llabs(want - seen), tolerance) {
		TH_LOG("%s: %lld instead of %lld", what, seen, want);
	}
}

/* As long as nobody runs in it, the CPUs' sum is the whole. */
static void expect_sum(struct __test_metadata *_metadata, const char *dir,
		       const char *group)
{
	long long val[BC_CPUS_MAX], sum;

	EXPECT_LT(0, read_percpu(dir, group, val, &sum));
	EXPECT_EQ(group_times(dir, group).usage, sum) {
		TH_LOG("usage_percpu of %s", group);
	}
}

static int open_tasks(const char *dir, const char *group, const char *file)
{
	char path[PATH_MAX], both[128];

	snprintf(both, sizeof(both), "%s/%s", group, file);
	bc_path(path, dir, both);
	return open(path, O_WRONLY | O_CLOEXEC);
}

static int move(int fd, pid_t pid)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", pid);

	return pwrite(fd, text, len, 0) == len ? 0 : -errno;
}

/* From one group to the other, as fast as it goes. How often, or -errno. */
static int hop(const char *dir, const char *group0, const char *group1, pid_t pid,
	       int hops, int seconds)
{
	int fd[2] = {
		open_tasks(dir, group0, "tasks"), open_tasks(dir, group1, "tasks"),
	};
	double end = bc_now() + seconds;
	int n = 0, err = 0;

	/* There and back, however long that takes. */
	while (!err && n < hops && (n < 2 || bc_now() < end)) {
		err = move(fd[n % 2], pid);
		n += !err;
	}
	close(fd[0]);
	close(fd[1]);
	return err ?: n;
}

TEST_F(bc, files)
{
	static const struct bc_file_mode files[] = {
		{ "cpuacct/usage", 0644 }, { "cpuacct/user", 0444 },
		{ "cpuacct/system", 0444 }, { "cpuacct/usage_percpu", 0444 },
		{ "cpuacct/load", 0444 },
	};
	const char *const dirs[] = { self->dir, BC_ROOT };
	int cpus[BC_CPUS_MAX], n = bc_cpus("possible", cpus), i;
	long long val[BC_CPUS_MAX], sum, load;
	size_t d, f;

	ASSERT_LT(0, n);
	for (d = 0; d < ARRAY_SIZE(dirs); d++) {
		bc_expect_modes(_metadata, dirs[d], files, ARRAY_SIZE(files));
		for (f = 0; f < ARRAY_SIZE(files); f++) {
			if (files[f].mode & 0200)
				continue;
			EXPECT_EQ(-EACCES, bc_write(dirs[d], files[f].name, "0")) {
				TH_LOG("%s: %s", dirs[d], files[f].name);
			}
		}
		/* One for each CPU that may ever be there, not only for those online. */
		EXPECT_EQ(n, read_percpu(dirs[d], ".", val, &sum));
	}

	/* A new one starts with nothing. */
	expect_same(_metadata, "a new group", nothing, group_times(self->dir, "."));
	EXPECT_EQ(n, read_percpu(self->dir, ".", val, &sum));
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, val[i]);
	EXPECT_EQ(0, get_ns(self->dir, "cpuacct/load"));

	/* The root's are those of the machine, which was busy booting. */
	EXPECT_LT(0, get_ns(BC_ROOT, "cpuacct/usage"));
	EXPECT_LE(0, get_ns(BC_ROOT, "cpuacct/user"));
	EXPECT_LE(0, get_ns(BC_ROOT, "cpuacct/system"));
	load = get_ns(BC_ROOT, "cpuacct/load");
	EXPECT_TRUE(load >= 0 || load == -ENODATA) {
		TH_LOG("load of the root: %lld", load);
	}
}

/* All levels see it, the neighbours do not. */
TEST_F_TIMEOUT(bc, nested, 300)
{
	struct times before, used, root;
	long long shown;
	pid_t pid;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/c"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "d"));
	pid = spawn_busy();
	ASSERT_LT(0, pid);
	before = task_times(pid);
	ASSERT_EQ(0, bc_write(self->dir, "a/b/tasks", "%d", pid));
	/* It takes nothing along. */
	expect_same(_metadata, "before it runs", nothing, group_times(self->dir, "a/b"));

	root = group_times(BC_ROOT, ".");
	ASSERT_TRUE(go(pid));
	ASSERT_TRUE(wait_used(pid, 100, 3));
	/* It is counted while it runs, not only when it stops; and not in advance. */
	shown = group_times(self->dir, "a").usage;
	EXPECT_LT(0, shown);
	EXPECT_LE(shown, task_times(pid).usage - before.usage);
	ASSERT_TRUE(wait_used(pid, 100, 3));
	ASSERT_TRUE(stop(pid));

	used = minus(task_times(pid), before);
	expect_same(_metadata, "its group", used, group_times(self->dir, "a/b"));
	expect_same(_metadata, "the parent", used, group_times(self->dir, "a"));
	expect_same(_metadata, "the grandparent", used, group_times(self->dir, "."));
	expect_same(_metadata, "a sibling", nothing, group_times(self->dir, "a/c"));
	expect_same(_metadata, "a neighbour", nothing, group_times(self->dir, "d"));
	expect_sum(_metadata, self->dir, "a/b");
	expect_sum(_metadata, self->dir, "a");
	expect_sum(_metadata, self->dir, ".");

	/* The root counts ticks, those of this task and of others. */
	root = minus(group_times(BC_ROOT, "."), root);
	EXPECT_LE(used.user, root.user);
	EXPECT_LE(used.system, root.system);
	EXPECT_LE(used.user + used.system, root.usage);
	bc_reap(pid);
}

/* The numbers in usage_percpu are in the CPUs' order. */
TEST_F_TIMEOUT(bc, percpu, 300)
{
	int possible[BC_CPUS_MAX], online[BC_CPUS_MAX], n, m, i, j;
	long long old[BC_CPUS_MAX] = { 0 }, val[BC_CPUS_MAX], sum, used;
	pid_t pid = spawn_busy();

	ASSERT_LT(0, pid);
	n = bc_cpus("possible", possible);
	m = bc_cpus("online", online);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	for (i = 0; i < m && i < 4; i++) {
		ASSERT_TRUE(bc_pin(pid, online[i]));
		used = task_times(pid).usage;
		ASSERT_TRUE(run_for(pid, 50, 0));
		used = task_times(pid).usage - used;
		ASSERT_EQ(n, read_percpu(self->dir, ".", val, &sum));
		for (j = 0; j < n; j++) {
			EXPECT_EQ(possible[j] == online[i] ? used : 0, val[j] - old[j]) {
				TH_LOG("CPU %d while on CPU %d", possible[j], online[i]);
			}
		}
		memcpy(old, val, sizeof(*old) * n);
		expect_sum(_metadata, self->dir, ".");
	}
	bc_reap(pid);
}

/* struct sched_attr, the first version of it. */
struct policy {
	__u32 size, sched_policy;
	__u64 sched_flags;
	__s32 sched_nice;
	__u32 sched_priority;
	__u64 sched_runtime, sched_deadline, sched_period;
};

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif

/*
 * Each scheduling class has its own place where it counts. With moves of a task that
 * runs: what has to be done for that is something else in each of them.
 */
TEST_F_TIMEOUT(bc, policies, 300)
{
	static const struct policy policies[] = {
		{ .sched_policy = SCHED_OTHER, .sched_nice = 19 },
		{ .sched_policy = SCHED_BATCH, .sched_nice = -10 },
		{ .sched_policy = SCHED_IDLE },
		{ .sched_policy = SCHED_FIFO, .sched_priority = 1 },
		{ .sched_policy = SCHED_RR, .sched_priority = 2 },
		{ .sched_policy = SCHED_DEADLINE, .sched_runtime = 20 * NSEC_PER_MSEC,
		  .sched_deadline = 50 * NSEC_PER_MSEC,
		  .sched_period = 50 * NSEC_PER_MSEC },
	};
	int online[BC_CPUS_MAX], n = ARRAY_SIZE(policies), i;
	struct times before, used;
	char what[32];
	pid_t pid;

	/* Realtime would keep us away from an only CPU. */
	if (bc_cpus("online", online) < 2)
		n = 3;
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	for (i = 0; i < n; i++) {
		struct policy attr = policies[i];

		snprintf(what, sizeof(what), "policy %u", attr.sched_policy);
		attr.size = sizeof(attr);
		pid = spawn_busy();
		ASSERT_LT(0, pid);
		if (syscall(SYS_sched_setattr, pid, &attr, 0)) {
			TH_LOG("%s is not to be had: %s", what, strerror(errno));
			bc_reap(pid);
			continue;
		}
		/* As if it had used what is there from the ones before. */
		before = minus(task_times(pid), group_times(self->dir, "."));
		ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
		ASSERT_TRUE(go(pid));
		ASSERT_TRUE(wait_used(pid, 40, 0));
		EXPECT_LT(0, hop(self->dir, "a", "b", pid, 20, 10));
		ASSERT_TRUE(wait_used(pid, 40, 0));
		ASSERT_TRUE(stop(pid));
		used = minus(task_times(pid), before);
		expect_same(_metadata, what, used,
			    plus(group_times(self->dir, "a"), group_times(self->dir, "b")));
		expect_same(_metadata, what, used, group_times(self->dir, "."));
		ASSERT_TRUE(finish(pid));
	}
}

/* A busy task, from one group to the other and back. Nothing is lost or double. */
TEST_F_TIMEOUT(bc, hop, 300)
{
	struct times before, used, a, b;
	pid_t pid;
	int n;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	pid = spawn_busy();
	ASSERT_LT(0, pid);
	before = task_times(pid);
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	ASSERT_TRUE(go(pid));
	ASSERT_TRUE(wait_used(pid, 50, 0));
	n = hop(self->dir, "a", "b", pid, HOPS, HOP_SECONDS);
	EXPECT_LT(1, n);
	/* An odd number of moves later it is in b, for sure and for some time. */
	ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", pid));
	ASSERT_TRUE(wait_used(pid, 50, 0));
	ASSERT_TRUE(stop(pid));

	used = minus(task_times(pid), before);
	a = group_times(self->dir, "a");
	b = group_times(self->dir, "b");
	TH_LOG("%d moves in %lld ms of CPU", n, used.usage / NSEC_PER_MSEC);
	expect_same(_metadata, "both", used, plus(a, b));
	expect_same(_metadata, "the parent", used, group_times(self->dir, "."));
	EXPECT_LT(0, a.usage);
	EXPECT_LT(0, b.usage);
	expect_sum(_metadata, self->dir, "a");
	expect_sum(_metadata, self->dir, "b");
	expect_sum(_metadata, self->dir, ".");
	bc_reap(pid);
}

/*
 * The same with the root. Its part cannot be seen there (it counts ticks, and
 * everybody's). But the group has not more than the task, and its parent the same.
 */
TEST_F_TIMEOUT(bc, hop_root, 300)
{
	struct times before, used, in, root;
	pid_t pid;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	pid = spawn_busy();
	ASSERT_LT(0, pid);
	before = task_times(pid);
	root = group_times(BC_ROOT, ".");
	ASSERT_TRUE(go(pid));
	ASSERT_TRUE(wait_used(pid, 50, 0));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	ASSERT_TRUE(wait_used(pid, 50, 0));
	EXPECT_LT(1, hop(self->dir, "a", "..", pid, 100, 3));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", pid));
	/* From here on it is elsewhere. */
	in = group_times(self->dir, "a");
	ASSERT_TRUE(wait_used(pid, 100, 2));
	ASSERT_TRUE(stop(pid));
	used = minus(task_times(pid), before);
	root = minus(group_times(BC_ROOT, "."), root);

	EXPECT_LT(0, in.usage);
	EXPECT_EQ(in.usage, group_times(self->dir, "a").usage);
	EXPECT_GE(used.usage - 150 * NSEC_PER_MSEC, in.usage);
	expect_same(_metadata, "the parent", group_times(self->dir, "a"),
		    group_times(self->dir, "."));
	expect_sum(_metadata, self->dir, "a");
	/* The root has had all of it. */
	EXPECT_LE(used.user, root.user);
	EXPECT_LE(used.system, root.system);
	bc_reap(pid);
}

/* A process of four busy threads; and single threads of it. */
TEST_F_TIMEOUT(bc, hop_threads, 300)
{
	struct times before, used, a, b;
	int fd[2], tid[4], n, m = 0;
	char path[64];
	struct dirent *de;
	double end;
	pid_t pid;
	DIR *d;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	pid = spawn_busy_threads(3);
	ASSERT_LT(0, pid);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	ASSERT_NE(NULL, d);
	for (n = 0; n < 4 && (de = readdir(d));) {
		if (de->d_name[0] != '.')
			tid[n++] = atoi(de->d_name);
	}
	closedir(d);
	ASSERT_EQ(4, n);

	before = task_times(pid);
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	ASSERT_TRUE(go(pid));
	n = hop(self->dir, "a", "b", pid, 100, 3);
	EXPECT_LT(1, n);
	fd[0] = open_tasks(self->dir, "a", "threads");
	fd[1] = open_tasks(self->dir, "b", "threads");
	for (end = bc_now() + 3; bc_now() < end && m < 200; m++)
		EXPECT_EQ(0, move(fd[(m / 3) % 2], tid[m % 4]));
	close(fd[0]);
	close(fd[1]);
	/* Now in both, and for some time. */
	ASSERT_EQ(0, bc_write(self->dir, "a/threads", "%d", tid[0]));
	ASSERT_EQ(0, bc_write(self->dir, "b/threads", "%d", tid[1]));
	ASSERT_TRUE(wait_used(pid, 200, 0));
	ASSERT_TRUE(stop(pid));

	used = minus(task_times(pid), before);
	a = group_times(self->dir, "a");
	b = group_times(self->dir, "b");
	TH_LOG("%d moves of a process, %d of a thread, in %lld ms of CPU", n, m,
	       used.usage / NSEC_PER_MSEC);
	expect_same(_metadata, "both", used, plus(a, b));
	expect_same(_metadata, "the parent", used, group_times(self->dir, "."));
	EXPECT_LT(0, a.usage);
	EXPECT_LT(0, b.usage);
	expect_sum(_metadata, self->dir, "a");
	expect_sum(_metadata, self->dir, "b");
	bc_reap(pid);
}

static pid_t hoppers[4];
static const char *const four[] = { "a", "a/x", "b", "b/y" };

/* Move somebody somewhere. */
static void shuffle(const char *dir)
{
	static unsigned int rnd;
	char file[32];

	if (!rnd)
		rnd = getpid();
	rnd = rnd * 1103515245 + 12345;
	snprintf(file, sizeof(file), "%s/tasks", four[(rnd >> 16) % 4]);
	bc_write(dir, file, "%d", hoppers[(rnd >> 20) % 4]);
}

static bool all_used(const char *dir)
{
	int i;

	for (i = 0; i < 4 && group_times(dir, four[i]).usage > 0; i++)
		;
	return i == 4;
}

/* Four tasks among four groups, two of which are below the others; by two movers. */
TEST_F_TIMEOUT(bc, hop_four, 300)
{
	struct times used = nothing, g[4];
	pid_t mover[2];
	double end;
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, bc_mkdir(self->dir, four[i]));
		hoppers[i] = spawn_busy();
		ASSERT_LT(0, hoppers[i]);
	}
	for (i = 0; i < 4; i++) {
		used = minus(used, task_times(hoppers[i]));
		ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", hoppers[i]));
		ASSERT_TRUE(go(hoppers[i]));
	}
	for (i = 0; i < 2; i++)
		mover[i] = bc_background(shuffle, self->dir);
	end = bc_end_time(4);
	while (bc_goes_on(end, all_used(self->dir)))
		usleep(20000);
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(wait_used(hoppers[i], 20, 0));
	for (i = 0; i < 2; i++)
		bc_reap(mover[i]);
	for (i = 0; i < 4; i++) {
		ASSERT_TRUE(stop(hoppers[i]));
		used = plus(used, task_times(hoppers[i]));
	}
	for (i = 0; i < 4; i++) {
		g[i] = group_times(self->dir, four[i]);
		TH_LOG("%s: %lld ms", four[i], g[i].usage / NSEC_PER_MSEC);
		EXPECT_LT(0, g[i].usage);
		expect_sum(_metadata, self->dir, four[i]);
	}
	expect_same(_metadata, "all groups", used, plus(g[0], g[2]));
	expect_same(_metadata, "the parent", used, group_times(self->dir, "."));
	/* A part is never more than the whole. */
	EXPECT_LE(g[1].usage, g[0].usage);
	EXPECT_LE(g[3].usage, g[2].usage);
	for (i = 0; i < 4; i++)
		bc_reap(hoppers[i]);
}

/* The past stays where it was spent. */
TEST_F_TIMEOUT(bc, history, 300)
{
	struct times c[4], left, now;
	pid_t pid;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	pid = spawn_busy();
	ASSERT_LT(0, pid);

	/* Of a task that is stopped it is known to the nanosecond. */
	c[0] = task_times(pid);
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	ASSERT_TRUE(run_for(pid, 100, 2));
	c[1] = task_times(pid);
	ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", pid));
	expect_same(_metadata, "left", minus(c[1], c[0]), group_times(self->dir, "a"));
	expect_same(_metadata, "new", nothing, group_times(self->dir, "b"));
	ASSERT_TRUE(run_for(pid, 100, 2));
	c[2] = task_times(pid);
	expect_same(_metadata, "left", minus(c[1], c[0]), group_times(self->dir, "a"));
	expect_same(_metadata, "new", minus(c[2], c[1]), group_times(self->dir, "b"));
	expect_same(_metadata, "both", minus(c[2], c[0]), group_times(self->dir, "."));

	/*
	 * One that runs: after the move, the old group has got all it gets. But a tick
	 * that was on its way, on the task's CPU, may still come.
	 */
	ASSERT_TRUE(go(pid));
	ASSERT_TRUE(wait_used(pid, 20, 0));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	left = group_times(self->dir, "b");
	ASSERT_TRUE(wait_used(pid, 100, 2));
	now = group_times(self->dir, "b");
	EXPECT_EQ(left.usage, now.usage);
	expect_near(_metadata, "user", left.user, now.user, tick());
	expect_near(_metadata, "system", left.system, now.system, tick());
	ASSERT_TRUE(stop(pid));
	c[3] = task_times(pid);
	expect_same(_metadata, "both", minus(c[3], c[0]),
		    plus(group_times(self->dir, "a"), group_times(self->dir, "b")));
	expect_same(_metadata, "the parent", minus(c[3], c[0]),
		    group_times(self->dir, "."));
	bc_reap(pid);
}

/*
 * What has been used since the last tick belongs to the old group. If the new one got
 * it, all sums would be right all the same. But then the old group's usage after a move
 * would mostly be what it was just before. If it is right it has grown, for the task
 * was running. To compare with, there are moves of somebody else, which take as long:
 * with those it grows only if there was a tick in between.
 */
TEST_F_TIMEOUT(bc, flush_at_move, 300)
{
	int online[BC_CPUS_MAX], i, same = 0, control = 0;
	const int rounds = 60;
	long long usage;
	pid_t pid, other;

	if (bc_cpus("online", online) < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	pid = spawn_busy();
	ASSERT_LT(0, pid);
	other = spawn_busy();	/* but it is never let go */
	ASSERT_LT(0, other);
	ASSERT_TRUE(bc_pin(0, online[0]));
	ASSERT_TRUE(bc_pin(pid, online[1]));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", other));
	ASSERT_TRUE(go(pid));
	for (i = 0; i < rounds; i++) {
		ASSERT_TRUE(wait_used(pid, 1, 0));
		usage = get_ns(self->dir, "a/cpuacct/usage");
		ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", other));
		control += usage == get_ns(self->dir, "a/cpuacct/usage");
		ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", other));

		usage = get_ns(self->dir, "a/cpuacct/usage");
		ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", pid));
		same += usage == get_ns(self->dir, "a/cpuacct/usage");
		ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	}
	TH_LOG("unchanged after %d of %d moves of another task, %d of this one",
	       control, rounds, same);
	/* If moves take longer than a tick anyway, this cannot be seen here. */
	if (control >= 10)
		EXPECT_GE(control / 2, same);
	bc_reap(pid);
	bc_reap(other);
}

/* Who sleeps uses nothing. */
TEST_F(bc, idle)
{
	struct times before, after;
	pid_t pid = bc_spawn();
	int i;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	/* It may not have come to its pause() yet. */
	for (i = 0; i < 20; i++) {
		before = group_times(self->dir, ".");
		usleep(200000);
		after = group_times(self->dir, ".");
		if (before.usage == after.usage)
			break;
	}
	expect_same(_metadata, "asleep", before, after);
	EXPECT_EQ(task_times(pid).usage, cpu_clock(pid, 2));
	EXPECT_LE(after.usage, cpu_clock(pid, 2));
	bc_reap(pid);
}

/* How a busy task ends. */
enum ending { RETURNS, IS_KILLED };

static void ends(struct __test_metadata *_metadata, const char *dir, enum ending how)
{
	struct times before, used;
	struct rusage ru;
	long long total;
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		raise(SIGSTOP);
		if (how == RETURNS)
			burn_for(CLOCK_PROCESS_CPUTIME_ID, 150);
		else
			busy_thread(NULL);
		_exit(0);
	}
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_stopped(pid));
	before = task_times(pid);
	ASSERT_EQ(0, bc_write(dir, "a/tasks", "%d", pid));
	ASSERT_TRUE(go(pid));
	if (how == IS_KILLED) {
		ASSERT_TRUE(wait_used(pid, 150, 0));
		kill(pid, SIGKILL);
	}
	/* Its clock can be read until it is reaped, and says all that it has ever used. */
	bc_wait_zombie(pid);
	ASSERT_TRUE(wait_off_cpu(pid));
	used = minus(task_times(pid), before);
	EXPECT_LE(150 * NSEC_PER_MSEC, used.usage);
	expect_same(_metadata, "a zombie", used, group_times(dir, "a"));
	ASSERT_EQ(pid, wait4(pid, &status, 0, &ru));
	EXPECT_EQ(how == IS_KILLED, !!WIFSIGNALED(status));
	/* It remains when it is reaped. */
	expect_same(_metadata, "who was reaped", used, group_times(dir, "a"));
	expect_same(_metadata, "who was reaped, parent", used, group_times(dir, "."));
	expect_sum(_metadata, dir, "a");
	/* Its parent is told the same. Both parts are cut to microseconds. */
	total = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * NSEC_PER_SEC +
		(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000LL;
	expect_near(_metadata, "wait4()", before.usage + used.usage, total, 2000);
}

TEST_F_TIMEOUT(bc, exit, 300)
{
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ends(_metadata, self->dir, RETURNS);
}

TEST_F_TIMEOUT(bc, killed, 300)
{
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ends(_metadata, self->dir, IS_KILLED);
}

/* Children of a task in the group, and theirs, each of which exits. */
static void fork_some(int fd, int depth)
{
	long long sum = 0, clock;
	pid_t pid;
	int i;

	for (i = 0; i < 3; i++) {
		pid = fork();
		if (pid == 0) {
			bc_die_with_parent();
			burn_for(CLOCK_PROCESS_CPUTIME_ID, 15);
			if (depth)
				fork_some(fd, depth - 1);
			_exit(0);
		}
		if (pid < 0)
			_exit(1);
		bc_wait_zombie(pid);
		if (!wait_off_cpu(pid))
			_exit(2);
		clock = cpu_clock(pid, 2);
		if (clock < 0)
			_exit(3);
		sum += clock;
		waitpid(pid, NULL, 0);
	}
	if (write(fd, &sum, sizeof(sum)) != sizeof(sum))
		_exit(4);
}

TEST_F_TIMEOUT(bc, exit_of_children, 300)
{
	long long sum = 0, part, before;
	int fd[2], i;
	pid_t pid;

	ASSERT_EQ(0, pipe(fd));
	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		raise(SIGSTOP);
		fork_some(fd[1], 1);
		raise(SIGSTOP);
		_exit(0);
	}
	close(fd[1]);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_stopped(pid));
	before = task_times(pid).usage;
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_TRUE(go(pid));
	ASSERT_TRUE(wait_stopped(pid));
	/* One message from each of the three, and one from their parent. */
	for (i = 0; i < 4; i++) {
		ASSERT_EQ((ssize_t)sizeof(part), read(fd[0], &part, sizeof(part)));
		sum += part;
	}
	close(fd[0]);
	EXPECT_LE(12 * 15 * NSEC_PER_MSEC, sum);
	EXPECT_EQ(sum + task_times(pid).usage - before,
		  get_ns(self->dir, "cpuacct/usage"));
	expect_sum(_metadata, self->dir, ".");
	bc_reap(pid);
}

static void *burn_and_return(void *arg)
{
	burn_for(CLOCK_THREAD_CPUTIME_ID, 150);
	return arg;
}

/*
 * Threads that exit. Nobody reaps them: they give their clock's value to the process
 * when they are almost gone, and the little that they use after that is nowhere but in
 * the group. So usage may be a bit more than the process says, never less.
 */
TEST_F_TIMEOUT(bc, thread_exit, 300)
{
	struct times before, used, seen;
	pid_t pid;
	int i;

	pid = fork();
	if (pid == 0) {
		pthread_t thread[3];

		bc_die_with_parent();
		raise(SIGSTOP);
		for (i = 0; i < 3; i++) {
			if (pthread_create(&thread[i], NULL, burn_and_return, NULL))
				_exit(1);
		}
		for (i = 0; i < 3; i++)
			pthread_join(thread[i], NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_stopped(pid));
	before = task_times(pid);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_TRUE(go(pid));
	ASSERT_TRUE(wait_stopped(pid));
	/* They have been joined, but may still be there. */
	for (i = 0; i < 500 && bc_count(self->dir, "threads", 0) != 1; i++)
		usleep(20000);
	used = minus(task_times(pid), before);
	seen = group_times(self->dir, ".");
	EXPECT_LE(450 * NSEC_PER_MSEC, used.usage);
	EXPECT_LE(used.usage, seen.usage);
	EXPECT_LE(seen.usage, used.usage + used.usage / 4);
	EXPECT_LE(used.user, seen.user);
	EXPECT_LE(used.system, seen.system);
	bc_reap(pid);
}

/*
 * Reaped by nobody, as SIGCHLD is ignored: no clock can be read afterwards. They say
 * what it was just before; and they cannot have had more than what has passed.
 */
TEST_F_TIMEOUT(bc, reaped_automatically, 300)
{
	long long sum = 0, seen = 0, last, used;
	int fd[2], status, i;
	double start;
	pid_t pid;

	ASSERT_EQ(0, pipe(fd));
	start = bc_now();
	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		signal(SIGCHLD, SIG_IGN);
		for (i = 0; i < 3; i++) {
			if (fork())
				continue;
			bc_die_with_parent();
			if (bc_write(self->dir, "tasks", "0"))
				_exit(1);
			used = -my_clock(CLOCK_PROCESS_CPUTIME_ID);
			burn_for(CLOCK_PROCESS_CPUTIME_ID, 100);
			used += my_clock(CLOCK_PROCESS_CPUTIME_ID);
			if (write(fd[1], &used, sizeof(used)) != sizeof(used))
				_exit(2);
			_exit(0);
		}
		/* It waits for all of them, and then says that there is none. */
		_exit(wait(NULL) == -1 && errno == ECHILD ? 0 : 3);
	}
	close(fd[1]);
	ASSERT_LT(0, pid);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ((ssize_t)sizeof(used), read(fd[0], &used, sizeof(used)));
		EXPECT_LE(100 * NSEC_PER_MSEC, used);
		sum += used;
	}
	close(fd[0]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, bc_count(self->dir, "threads", 0));
	/* They may still be on their way off the CPU. It never gets less. */
	for (i = 0; i < 100; i++) {
		last = seen;
		seen = get_ns(self->dir, "cpuacct/usage");
		EXPECT_LE(last, seen);
		EXPECT_LE(sum, seen);
		if (seen == last)
			break;
		usleep(100000);
	}
	EXPECT_EQ(last, seen);
	/* The scheduler's clock and the other one are not the same. */
	EXPECT_GE((bc_now() - start) * 1.1 * 3 * NSEC_PER_SEC, seen);
	expect_sum(_metadata, self->dir, ".");
}

/* A group that is removed leaves its time to those above. */
TEST_F_TIMEOUT(bc, removed, 300)
{
	long long val[2][BC_CPUS_MAX], sum;
	struct times before, used;
	pid_t pid;
	int i, n;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	pid = spawn_busy();
	ASSERT_LT(0, pid);
	before = task_times(pid);
	ASSERT_EQ(0, bc_write(self->dir, "a/b/tasks", "%d", pid));
	ASSERT_TRUE(run_for(pid, 100, 2));
	used = minus(task_times(pid), before);
	n = read_percpu(self->dir, "a", val[0], &sum);
	ASSERT_LT(0, n);
	EXPECT_EQ(used.usage, sum);
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", pid));
	ASSERT_EQ(0, bc_rmdir(self->dir, "a/b"));
	/* At once, and when the group has been freed, after a grace period. */
	for (i = 0; i < 2; i++) {
		expect_same(_metadata, "the parent", used, group_times(self->dir, "a"));
		expect_same(_metadata, "above", used, group_times(self->dir, "."));
		EXPECT_EQ(n, read_percpu(self->dir, "a", val[1], &sum));
		EXPECT_EQ(0, memcmp(val[0], val[1], n * sizeof(**val)));
		usleep(500000);
	}
	/* One of the same name is another one. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	expect_same(_metadata, "a new one", nothing, group_times(self->dir, "a/b"));
	ASSERT_EQ(0, bc_rmdir(self->dir, "a/b"));
	ASSERT_EQ(0, bc_rmdir(self->dir, "a"));
	expect_same(_metadata, "above", used, group_times(self->dir, "."));
	bc_reap(pid);
}

/* Writing 0: this group's numbers, and no others. */
TEST_F_TIMEOUT(bc, reset, 300)
{
	static const char *const zero[] = { "0", "0\n" };
	struct times c[3], b, other, before, after;
	long long val[BC_CPUS_MAX], sum;
	pid_t pid, pid2;
	int i, j, n;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/c"));
	pid = spawn_busy();
	ASSERT_LT(0, pid);
	pid2 = spawn_busy();
	ASSERT_LT(0, pid2);
	c[0] = task_times(pid);
	ASSERT_EQ(0, bc_write(self->dir, "a/b/tasks", "%d", pid));
	ASSERT_EQ(0, bc_write(self->dir, "a/c/tasks", "%d", pid2));
	ASSERT_TRUE(run_for(pid2, 50, 2));
	other = group_times(self->dir, "a/c");
	EXPECT_LT(0, other.usage);

	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(run_for(pid, 50, 2));
		c[1] = task_times(pid);
		b = minus(c[1], c[0]);
		EXPECT_LT(0, group_times(self->dir, "a").user);
		EXPECT_LT(0, group_times(self->dir, "a").system);
		before = group_times(BC_ROOT, ".");
		EXPECT_EQ(0, bc_write(self->dir, "a/cpuacct/usage", "%s", zero[i]));
		after = group_times(BC_ROOT, ".");

		expect_same(_metadata, "reset", nothing, group_times(self->dir, "a"));
		n = read_percpu(self->dir, "a", val, &sum);
		EXPECT_LT(0, n);
		for (j = 0; j < n; j++)
			EXPECT_EQ(0, val[j]);
		expect_same(_metadata, "a child", b, group_times(self->dir, "a/b"));
		expect_same(_metadata, "the other", other, group_times(self->dir, "a/c"));
		expect_same(_metadata, "its parent", plus(b, other),
			    group_times(self->dir, "."));
		EXPECT_LE(before.usage, after.usage);
		EXPECT_LE(before.user, after.user);
		EXPECT_LE(before.system, after.system);

		/* And on, from there. */
		ASSERT_TRUE(run_for(pid, 50, 2));
		c[2] = task_times(pid);
		expect_same(_metadata, "since the reset", minus(c[2], c[1]),
			    group_times(self->dir, "a"));
		expect_same(_metadata, "a child, since", minus(c[2], c[0]),
			    group_times(self->dir, "a/b"));
		expect_same(_metadata, "its parent, since",
			    plus(minus(c[2], c[0]), other), group_times(self->dir, "."));
		expect_sum(_metadata, self->dir, "a");
		expect_sum(_metadata, self->dir, ".");
	}

	/* Of a child: what the parent has had of it remains. */
	before = group_times(self->dir, "a");
	EXPECT_EQ(0, bc_write(self->dir, "a/b/cpuacct/usage", "0"));
	expect_same(_metadata, "reset child", nothing, group_times(self->dir, "a/b"));
	expect_same(_metadata, "its parent", before, group_times(self->dir, "a"));

	/* Also when the child is removed after it. */
	ASSERT_TRUE(finish(pid));
	ASSERT_TRUE(finish(pid2));
	before = group_times(self->dir, "a");
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	expect_same(_metadata, "removed", before, group_times(self->dir, "a"));
	usleep(200000);
	expect_same(_metadata, "freed", before, group_times(self->dir, "a"));
}

TEST_F_TIMEOUT(bc, reset_refused, 300)
{
	static const char *const text[] = {
		"1", "-1", "", "\n", " ", "0x", "0 0", "0\n0", "abc", "0a", "max",
		"0.0",
	};
	struct times b;
	pid_t pid = spawn_busy();
	size_t i;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_TRUE(run_for(pid, 50, 1));
	b = group_times(self->dir, ".");
	EXPECT_LT(0, b.usage);
	for (i = 0; i < ARRAY_SIZE(text); i++) {
		EXPECT_EQ(-EINVAL, bc_write(self->dir, "cpuacct/usage", "%s", text[i])) {
			TH_LOG("writing '%s'", text[i]);
		}
		expect_same(_metadata, text[i], b, group_times(self->dir, "."));
		EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, "cpuacct/usage", "%s", text[i])) {
			TH_LOG("writing '%s' to the root's", text[i]);
		}
	}
	EXPECT_EQ(-ERANGE, bc_write(self->dir, "cpuacct/usage", "18446744073709551616"));
	/* A NUL does not end it. */
	EXPECT_EQ(-EINVAL, bc_write_text(self->dir, "cpuacct/usage", "0\0001", 3));
	expect_same(_metadata, "NUL", b, group_times(self->dir, "."));
	expect_sum(_metadata, self->dir, ".");
	bc_reap(pid);
}

static int reset_by_user(void *arg)
{
	const char *dir = arg;

	bc_become(65534, 65534);
	if (bc_write(dir, "cpuacct/usage", "0") != -EACCES)
		return 1;
	if (bc_write(BC_ROOT, "cpuacct/usage", "0") != -EACCES)
		return 2;
	/* But everybody may look. */
	return get_ns(dir, "cpuacct/usage") > 0 ? 0 : 3;
}

TEST_F_TIMEOUT(bc, reset_unprivileged, 300)
{
	struct times b;
	pid_t pid = spawn_busy();

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_TRUE(run_for(pid, 20, 0));
	b = group_times(self->dir, ".");
	EXPECT_EQ(0, bc_in_child(reset_by_user, self->dir));
	expect_same(_metadata, "by a user", b, group_times(self->dir, "."));
	bc_reap(pid);
}

/*
 * Is it more than @pid has ever used, after its clock said @start? Then it went below
 * zero. The clock is read last, and is put on before the group is. Ticks are no measure
 * of that, as all of them may hit this one; but 1000 s would be too many.
 */
static bool huge(const char *dir, const char *group, long long start, pid_t pid)
{
	struct times t = group_times(dir, group);
	long long val[BC_CPUS_MAX], sum, limit;
	int i, n = read_percpu(dir, group, val, &sum);

	limit = cpu_clock(pid, 2) - start;
	for (i = 0; i < n; i++) {
		if (val[i] > limit)
			return true;
	}
	return n < 0 || t.usage < 0 || t.user < 0 || t.system < 0 || t.usage > limit ||
	       t.user > 1000 * NSEC_PER_SEC || t.system > 1000 * NSEC_PER_SEC;
}

/* Resets of a busy group, and somebody who looks all the time. */
TEST_F_TIMEOUT(bc, reset_race, 300)
{
	long long last = 0, usage, clock;
	int fd[2], n, status;
	struct times before, used;
	int wrong = 0, less = 0, old = 0;
	pid_t pid, reader;
	double end;
	char c;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	pid = spawn_busy_threads(2);
	ASSERT_LT(0, pid);
	before = task_times(pid);
	ASSERT_EQ(0, bc_write(self->dir, "a/b/tasks", "%d", pid));
	ASSERT_TRUE(go(pid));
	ASSERT_TRUE(wait_used(pid, 1000, 0));
	ASSERT_EQ(0, pipe2(fd, O_CLOEXEC | O_NONBLOCK));
	reader = fork();
	if (reader == 0) {
		bc_die_with_parent();
		for (;;) {
			if (huge(self->dir, "a/b", before.usage, pid))
				_exit(1);
			/* Told to end? */
			if (read(fd[0], &c, 1) == 1)
				_exit(0);
		}
	}
	end = bc_end_time(4);
	for (n = 0; n < 300 && bc_now() < end; n++) {
		clock = cpu_clock(pid, 2);
		EXPECT_EQ(0, bc_write(self->dir, "a/b/cpuacct/usage", "0"));
		usage = get_ns(self->dir, "a/b/cpuacct/usage");
		/*
		 * Only what was used since; and what the threads' clocks had got just
		 * before, but the group just after the reset: a tick's worth for each.
		 */
		old += usage > cpu_clock(pid, 2) - clock + 500 * NSEC_PER_MSEC;
		wrong += huge(self->dir, "a/b", before.usage, pid);
		/* The parent has not been reset, and has more and more. */
		usage = get_ns(self->dir, "a/cpuacct/usage");
		less += usage < last;
		last = usage;
	}
	TH_LOG("%d resets", n);
	EXPECT_LT(0, n);
	EXPECT_EQ(0, old);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, less);
	ASSERT_EQ(1, write(fd[1], "", 1));
	ASSERT_EQ(reader, waitpid(reader, &status, 0));
	EXPECT_EQ(0, status);
	close(fd[0]);
	close(fd[1]);

	ASSERT_TRUE(stop(pid));
	used = minus(task_times(pid), before);
	EXPECT_FALSE(huge(self->dir, "a/b", before.usage, pid));
	expect_sum(_metadata, self->dir, "a/b");
	/* The child's resets have cost those above nothing. */
	expect_same(_metadata, "the parent", used, group_times(self->dir, "a"));
	expect_same(_metadata, "the grandparent", used, group_times(self->dir, "."));
	/* One with nobody running is exact, also after all those. */
	EXPECT_EQ(0, bc_write(self->dir, "a/b/cpuacct/usage", "0"));
	expect_same(_metadata, "the last reset", nothing, group_times(self->dir, "a/b"));
	before = task_times(pid);
	ASSERT_TRUE(run_for(pid, 50, 0));
	expect_same(_metadata, "after it", minus(task_times(pid), before),
		    group_times(self->dir, "a/b"));
	expect_sum(_metadata, self->dir, "a/b");
	bc_reap(pid);
}

/* A line of /proc/stat in nanoseconds. Each of its columns was cut to a unit. */
struct stat_line {
	long long user, system, idle;
};

static long long stat_unit(void)
{
	return NSEC_PER_SEC / sysconf(_SC_CLK_TCK);
}

/* @cpu is -1 for all. */
static bool proc_stat(int cpu, struct stat_line *s)
{
	long long v[7], unit = stat_unit();
	char *line = NULL, name[16] = "cpu ";
	bool found = false;
	size_t len = 0;
	FILE *f;

	if (cpu >= 0)
		snprintf(name, sizeof(name), "cpu%d ", cpu);
	f = fopen("/proc/stat", "re");
	if (!f)
		return false;
	while (!found && getline(&line, &len, f) > 0) {
		if (strncmp(line, name, strlen(name)))
			continue;
		/* user nice system idle iowait irq softirq */
		found = sscanf(line + strlen(name),
			       "%lld %lld %lld %lld %lld %lld %lld", &v[0], &v[1],
			       &v[2], &v[3], &v[4], &v[5], &v[6]) == 7;
	}
	free(line);
	fclose(f);
	if (found) {
		s->user = (v[0] + v[1]) * unit;
		s->system = (v[2] + v[5] + v[6]) * unit;
		s->idle = (v[3] + v[4]) * unit;
	}
	return found;
}

/* The root's numbers, with /proc/stat before and after; of all, and of some CPUs. */
struct snapshot {
	struct stat_line before, after, cpu_before[4], cpu_after[4];
	struct times root, group;
	long long percpu[BC_CPUS_MAX], sum;
	long long usage_before, usage_after;
};

static bool snap(struct snapshot *s, const char *dir, const int *cpu, int nr)
{
	bool ok = proc_stat(-1, &s->before);
	int i;

	for (i = 0; i < nr; i++)
		ok = ok && proc_stat(cpu[i], &s->cpu_before[i]);
	s->group = group_times(dir, ".");
	s->usage_before = get_ns(BC_ROOT, "cpuacct/usage");
	s->root = group_times(BC_ROOT, ".");
	ok = ok && read_percpu(BC_ROOT, ".", s->percpu, &s->sum) > 0;
	s->usage_after = get_ns(BC_ROOT, "cpuacct/usage");
	for (i = 0; i < nr; i++)
		ok = ok && proc_stat(cpu[i], &s->cpu_after[i]);
	return ok && proc_stat(-1, &s->after);
}

/*
 * Can something have grown by @seen, if it is one of what was read before and after it?
 * @columns of /proc/stat were cut.
 */
static void expect_between(struct __test_metadata *_metadata, const char *what,
			   long long before0, long long after0, long long before1,
			   long long after1, long long seen, int columns)
{
	EXPECT_LE(before1 - after0 - columns * stat_unit(), seen) {
		TH_LOG("%s is less than in /proc/stat", what);
	}
	EXPECT_GE(after1 - before0 + columns * stat_unit(), seen) {
		TH_LOG("%s is more than in /proc/stat", what);
	}
}

/* The root is the machine, and /proc/stat says the same: they are the same ticks. */
TEST_F_TIMEOUT(bc, proc_stat, 300)
{
	int possible[BC_CPUS_MAX], online[BC_CPUS_MAX], n, m, i, j;
	struct snapshot *s;
	struct times group, root;
	long long slack;
	pid_t pid[2];
	char what[32];

	n = bc_cpus("possible", possible);
	m = bc_cpus("online", online);
	if (m > 4)
		m = 4;
	s = calloc(2, sizeof(*s));
	ASSERT_NE(NULL, s);
	for (i = 0; i < 2; i++) {
		pid[i] = spawn_busy();
		ASSERT_LT(0, pid[i]);
		ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid[i]));
	}
	ASSERT_TRUE(snap(&s[0], self->dir, online, m));
	/* Busy, and then idle, which is not to be counted. */
	ASSERT_TRUE(go(pid[1]));
	ASSERT_TRUE(run_for(pid[0], 500, 5));
	ASSERT_TRUE(stop(pid[1]));
	usleep(700000);
	ASSERT_TRUE(snap(&s[1], self->dir, online, m));
	group = minus(s[1].group, s[0].group);
	root = minus(s[1].root, s[0].root);

	expect_between(_metadata, "user", s[0].before.user, s[0].after.user,
		       s[1].before.user, s[1].after.user, root.user, 2);
	expect_between(_metadata, "system", s[0].before.system, s[0].after.system,
		       s[1].before.system, s[1].after.system, root.system, 3);
	expect_between(_metadata, "usage",
		       s[0].before.user + s[0].before.system,
		       s[0].after.user + s[0].after.system,
		       s[1].before.user + s[1].before.system,
		       s[1].after.user + s[1].after.system, root.usage, 5);
	for (i = 0; i < m; i++) {
		struct stat_line *b0 = &s[0].cpu_before[i], *a0 = &s[0].cpu_after[i];
		struct stat_line *b1 = &s[1].cpu_before[i], *a1 = &s[1].cpu_after[i];

		for (j = 0; j < n && possible[j] != online[i]; j++)
			;
		ASSERT_LT(j, n);
		snprintf(what, sizeof(what), "CPU %d", online[i]);
		expect_between(_metadata, what, b0->user + b0->system,
			       a0->user + a0->system, b1->user + b1->system,
			       a1->user + a1->system, s[1].percpu[j] - s[0].percpu[j], 5);
	}
	/* There was something to leave out. */
	EXPECT_LT(0, s[1].before.idle - s[0].after.idle);

	/*
	 * usage is user and system there, and the sum over the CPUs. If somebody has reset
	 * it, there may have been a tick on each CPU between those.
	 */
	slack = 2 * n * tick();
	for (i = 0; i < 2; i++) {
		EXPECT_LE(s[i].usage_before - slack, s[i].root.user + s[i].root.system);
		EXPECT_GE(s[i].usage_after + slack, s[i].root.user + s[i].root.system);
		EXPECT_LE(s[i].usage_before, s[i].sum);
		EXPECT_GE(s[i].usage_after, s[i].sum);
	}

	/* A group's ticks are among those of the machine. */
	EXPECT_LT(0, group.user);
	EXPECT_LT(0, group.system);
	EXPECT_LE(group.user, s[1].after.user - s[0].before.user + 2 * stat_unit());
	EXPECT_LE(group.system, s[1].after.system - s[0].before.system + 3 * stat_unit());
	EXPECT_LE(group.user, root.user);
	EXPECT_LE(group.system, root.system);
	for (i = 0; i < 2; i++)
		bc_reap(pid[i]);
	free(s);
}

/* The root's: what is shown there, not what the machine knows. */
TEST_F_TIMEOUT(bc, reset_root, 300)
{
	long long val[BC_CPUS_MAX], sum, limit;
	struct stat_line before, after;
	struct times b, old, now;
	pid_t pid = spawn_busy();

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_TRUE(run_for(pid, 200, 2));
	b = group_times(self->dir, ".");

	old = group_times(BC_ROOT, ".");
	ASSERT_TRUE(proc_stat(-1, &before));
	EXPECT_EQ(0, bc_write(BC_ROOT, "cpuacct/usage", "0"));
	now = group_times(BC_ROOT, ".");
	ASSERT_LT(0, read_percpu(BC_ROOT, ".", val, &sum));
	ASSERT_TRUE(proc_stat(-1, &after));
	/* There was this task's part, at least; and not more than what was used since. */
	EXPECT_LE(b.user, old.user);
	EXPECT_LE(b.system, old.system);
	limit = after.user + after.system - before.user - before.system +
		5 * stat_unit();
	EXPECT_GE(limit, now.usage);
	EXPECT_GE(limit, now.user + now.system);
	EXPECT_GE(limit, sum);
	EXPECT_LE(0, now.usage);
	EXPECT_LE(0, now.user);
	EXPECT_LE(0, now.system);
	/* The machine's have not been touched, nor the group's. */
	EXPECT_LE(old.usage, after.user + after.system + 5 * stat_unit());
	EXPECT_LE(before.user, after.user);
	EXPECT_LE(before.system, after.system);
	expect_same(_metadata, "a group", b, group_times(self->dir, "."));

	/* And on. */
	ASSERT_TRUE(run_for(pid, 50, 2));
	b = minus(group_times(self->dir, "."), b);
	now = group_times(BC_ROOT, ".");
	EXPECT_LE(b.user, now.user);
	EXPECT_LE(b.system, now.system);
	EXPECT_LE(b.user + b.system, now.usage);
	bc_reap(pid);
}

/* Whose load is looked at. */
enum { ALL, BUSY, DEEP, SHORT, RESET, SLEEPING, ROOT, NR_LOADS };

struct sample {
	double before, after;
	long long usage[NR_LOADS];
	long long load[NR_LOADS];	/* -EAGAIN: was not read */
};

#define NR_SAMPLES 600
#define INTERVAL 10.0

/* What usage cannot have been above, or below, at some time. */
static long long not_above(const struct sample *s, int n, int who, double when)
{
	int i;

	for (i = 0; i < n - 1 && s[i].before < when; i++)
		;
	return s[i].usage[who];
}

static long long not_below(const struct sample *s, int n, int who, double when)
{
	int i;

	for (i = 0; i < n - 1 && s[i + 1].after <= when; i++)
		;
	return s[i].usage[who];
}

/*
 * The load that was read with sample @i is that of some ten seconds, which ended
 * not more than ten seconds before. We do not know which, so it may be any of them: the
 * least and the most that usage has grown by in such a time are the bounds, in percent.
 */
static void load_bounds(const struct sample *s, int n, int i, int who, double *min,
			double *max)
{
	double end, lo, hi;

	*min = 1e9;
	*max = 0;
	for (end = s[i].before - INTERVAL - 0.2; end <= s[i].after + 0.1; end += 0.1) {
		lo = not_below(s, n, who, end) - not_above(s, n, who, end - INTERVAL);
		hi = not_above(s, n, who, end) - not_below(s, n, who, end - INTERVAL);
		lo = lo * 100 / INTERVAL / NSEC_PER_SEC;
		hi = hi * 100 / INTERVAL / NSEC_PER_SEC;
		if (lo < *min)
			*min = lo;
		if (hi > *max)
			*max = hi;
	}
}

/*
 * Some are busy, one of them for a short time only. Look at usage and load all the
 * time, and see whether the one fits the other. That is so for any share of a CPU that
 * they get, and with any delay.
 */
TEST_F_TIMEOUT(bc, load, 300)
{
	/* To the one that is reset belongs the usage of its parent. */
	static const struct {
		const char *name, *usage, *load;
	} who[NR_LOADS] = {
		[ALL] = { "all", ".", "." },
		[BUSY] = { "busy", "a", "a" },
		[DEEP] = { "deep", "a/deep", "a/deep" },
		[SHORT] = { "short", "b", "b" },
		[RESET] = { "reset", "c", "c/r" },
		[SLEEPING] = { "sleeping", "d", "d" },
		[ROOT] = { "root", "..", ".." },
	};
	double start, stopped = 0, min, max;
	int cpus[BC_CPUS_MAX], i, g, n;
	char path[PATH_MAX];
	struct sample *s;
	pid_t pid[3];

	s = calloc(NR_SAMPLES, sizeof(*s));
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/deep"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "c"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "c/r"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "d"));
	for (i = 0; i < 3; i++) {
		pid[i] = spawn_busy();
		ASSERT_LT(0, pid[i]);
	}
	ASSERT_EQ(0, bc_write(self->dir, "a/deep/tasks", "%d", pid[0]));
	ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", pid[1]));
	ASSERT_EQ(0, bc_write(self->dir, "c/r/tasks", "%d", pid[2]));
	start = bc_now();

	for (n = 0; n < NR_SAMPLES; n++) {
		bool late = stopped && bc_now() > stopped + 2 * INTERVAL;

		s[n].before = bc_now();
		for (g = 0; g < NR_LOADS; g++) {
			bc_path(path, self->dir, who[g].usage);
			s[n].usage[g] = get_ns(path, "cpuacct/usage");
			s[n].load[g] = -EAGAIN;
			bc_path(path, self->dir, who[g].load);
			/*
			 * One is not looked at before the end: it is not the reader who
			 * makes the intervals.
			 */
			if (g != DEEP || late)
				s[n].load[g] = get_ns(path, "cpuacct/load");
		}
		s[n].after = bc_now();
		/* All was quiet at the first one, and since the groups were made. */
		if (n == 0) {
			for (i = 0; i < 3; i++)
				ASSERT_TRUE(go(pid[i]));
		}
		if (!stopped && s[n].usage[SHORT] >= NSEC_PER_SEC) {
			ASSERT_TRUE(stop(pid[1]));
			stopped = bc_now();
		}
		if (n % 4 == 3)
			EXPECT_EQ(0, bc_write(self->dir, "c/r/cpuacct/usage", "0"));
		/* Long enough for one whole interval without it, wherever that begins. */
		if (stopped && s[n].before > stopped + 2 * INTERVAL + 1)
			break;
		usleep(300000);
	}
	ASSERT_GT(NR_SAMPLES, n);
	for (i = 0; i < 3; i++)
		bc_reap(pid[i]);

	/* Not the last: what came after it is not known. */
	for (i = 0; i < n; i++) {
		for (g = 0; g < NR_LOADS; g++) {
			long long load = s[i].load[g];

			if (load == -EAGAIN)
				continue;
			if (g == ROOT && s[i].before < start + 2 * INTERVAL + 1) {
				/* What it had used before we looked is not known, either. */
				EXPECT_TRUE(load >= 0 || load == -ENODATA);
				continue;
			}
			load_bounds(s, n + 1, i, g, &min, &max);
			/* It is a whole number, and intervals may begin a bit late. */
			EXPECT_LE(min * 0.95 - 3, load) {
				TH_LOG("%s, %.1f s: %lld is less than %.1f", who[g].name,
				       s[i].before - start, load, min);
			}
			EXPECT_GE(max * 1.05 + 3, load) {
				TH_LOG("%s, %.1f s: %lld is more than %.1f", who[g].name,
				       s[i].before - start, load, max);
			}
		}
	}
	/* Who was busy has some, who was quiet has none. */
	EXPECT_LT(0, s[n].load[ALL]);
	EXPECT_LT(0, s[n].load[BUSY]);
	EXPECT_LT(0, s[n].load[DEEP]);
	EXPECT_LT(0, s[n].load[RESET]);
	EXPECT_LT(0, s[n].load[ROOT]);
	EXPECT_EQ(0, s[n].load[SHORT]);
	EXPECT_EQ(0, s[n].load[SLEEPING]);
	EXPECT_GT(100 * bc_cpus("possible", cpus) + 10, s[n].load[ALL]);
	TH_LOG("%d samples in %.0f s; in the end: all %lld, busy %lld, reset %lld, root %lld",
	       n + 1, s[n].after - start, s[n].load[ALL], s[n].load[BUSY],
	       s[n].load[RESET], s[n].load[ROOT]);
	free(s);
}

/* The CPU goes away under the group's task, which goes on elsewhere. */
TEST_F_TIMEOUT(bc, cpu_offline, 300)
{
	int possible[BC_CPUS_MAX], cpu = bc_cpu_removable(), n, which, i, j;
	long long val[BC_CPUS_MAX] = { 0 }, sum, last = 0, usage, there;
	struct times before;
	pid_t pid;

	if (cpu < 0)
		SKIP(return, "no CPU can be taken offline");
	n = bc_cpus("possible", possible);
	for (which = 0; which < n && possible[which] != cpu; which++)
		;
	ASSERT_LT(which, n);
	pid = spawn_busy();
	ASSERT_LT(0, pid);
	before = task_times(pid);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_TRUE(go(pid));
	/* Nothing from here on that ends the test, with the CPU away. */
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(n, read_percpu(self->dir, ".", val, &sum));
		there = val[which];
		EXPECT_TRUE(bc_pin(pid, cpu));
		EXPECT_TRUE(wait_used(pid, 50, 0));
		EXPECT_EQ(n, read_percpu(self->dir, ".", val, &sum));
		EXPECT_LT(there, val[which]);
		there = val[which];

		EXPECT_EQ(0, bc_cpu_online(cpu, 0));
		EXPECT_EQ(n, read_percpu(self->dir, ".", val, &sum));
		EXPECT_LE(there, val[which]);
		there = val[which];
		/* It goes on, but not there. */
		EXPECT_TRUE(wait_used(pid, 50, 0));
		for (j = 0; j < 5; j++) {
			usage = get_ns(self->dir, "cpuacct/usage");
			EXPECT_LE(last, usage);
			last = usage;
		}
		EXPECT_EQ(n, read_percpu(self->dir, ".", val, &sum));
		EXPECT_EQ(there, val[which]);

		/* The numbers of a CPU that is away are reset, too. */
		if (i == 2) {
			EXPECT_TRUE(stop(pid));
			expect_same(_metadata, "after all that",
				    minus(task_times(pid), before),
				    group_times(self->dir, "."));
			expect_sum(_metadata, self->dir, ".");
			EXPECT_EQ(0, bc_write(self->dir, "cpuacct/usage", "0"));
			EXPECT_EQ(n, read_percpu(self->dir, ".", val, &sum));
			EXPECT_EQ(0, val[which]);
			EXPECT_EQ(0, sum);
			there = 0;
		}

		EXPECT_EQ(0, bc_cpu_online(cpu, 1));
		EXPECT_EQ(n, read_percpu(self->dir, ".", val, &sum));
		EXPECT_LE(there, val[which]);
	}
	expect_same(_metadata, "online again", nothing, group_times(self->dir, "."));
	bc_reap(pid);
}

/* A cgroup of our own, to compare with. */
FIXTURE(cgroup) {
	char dir[64], mnt[64], g[96];
};

FIXTURE_VARIANT(cgroup) {
	const char *type, *options;
};

FIXTURE_VARIANT_ADD(cgroup, v1) {
	.type = "cgroup", .options = "cpuacct",
};

FIXTURE_VARIANT_ADD(cgroup, v2) {
	.type = "cgroup2",
};

FIXTURE_SETUP(cgroup)
{
	int err;

	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	snprintf(self->mnt, sizeof(self->mnt), "/tmp/bc-cgroup-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->mnt));
	if (mount("none", self->mnt, variant->type, 0, variant->options)) {
		err = errno;
		rmdir(self->mnt);
		SKIP(return, "no %s here: %s", variant->type, strerror(err));
	}
	snprintf(self->g, sizeof(self->g), "%s/bc-%d", self->mnt, getpid());
	EXPECT_EQ(0, mkdir(self->g, 0755));
	EXPECT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
}

FIXTURE_TEARDOWN(cgroup)
{
	int i;

	bc_expect_clean(_metadata, self->dir);
	/* Who was killed leaves it in its own time. */
	for (i = 0; i < 500 && rmdir(self->g) && errno == EBUSY; i++)
		usleep(20000);
	EXPECT_NE(0, access(self->g, F_OK));
	EXPECT_EQ(0, umount2(self->mnt, MNT_DETACH));
	EXPECT_EQ(0, rmdir(self->mnt));
}

/* What a line of cgroup v2's cpu.stat says, in nanoseconds. */
static long long cgroup_stat(const char *dir, const char *name)
{
	size_t len = strlen(name);
	char buf[4096], *p;

	if (bc_read(dir, "cpu.stat", buf, sizeof(buf)))
		return -1;
	for (p = strtok(buf, "\n"); p; p = strtok(NULL, "\n")) {
		if (!strncmp(p, name, len) && p[len] == ' ')
			return strtoll(p + len, NULL, 10) * 1000;
	}
	return -1;
}

/*
 * The same tasks, in a group and in a cgroup. There, they stay where they are; here, they
 * move between two groups.
 */
TEST_F_TIMEOUT(cgroup, compare, 300)
{
	bool v1 = !strcmp(variant->type, "cgroup");
	char path[PATH_MAX], theirs[16384], ours[16384];
	struct times seen, cg;
	size_t len;
	pid_t pid;
	int i;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	pid = spawn_busy_threads(1);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	ASSERT_EQ(0, bc_write(self->g, "cgroup.procs", "%d", pid));
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(go(pid));
		ASSERT_TRUE(wait_used(pid, 150, 5));
		if (i == 1)
			EXPECT_LT(1, hop(self->dir, "b", "a", pid, 51, 3));
		ASSERT_TRUE(stop(pid));

		seen = group_times(self->dir, ".");
		if (v1) {
			cg.usage = get_ns(self->g, "cpuacct.usage");
			cg.user = get_ns(self->g, "cpuacct.usage_user");
			cg.system = get_ns(self->g, "cpuacct.usage_sys");
			EXPECT_LT(0, cg.user);
			EXPECT_LT(0, cg.system);
			expect_near(_metadata, "user", cg.user, seen.user, tick());
			expect_near(_metadata, "system", cg.system, seen.system, tick());
		} else {
			/* user and system are scaled there, so that they make usage. */
			cg.usage = cgroup_stat(self->g, "usage_usec");
		}
		/* Or we would compare nothing with nothing. */
		EXPECT_LT((i + 1) * 149 * NSEC_PER_MSEC, cg.usage);
		expect_near(_metadata, "usage", cg.usage, seen.usage, tick());
		seen = plus(group_times(self->dir, "a"), group_times(self->dir, "b"));
		expect_near(_metadata, "a and b", cg.usage, seen.usage, tick());
		if (!v1)
			continue;
		/* The same CPUs in the same order; there is a blank more there. */
		ASSERT_EQ(0, bc_read(self->g, "cpuacct.usage_percpu", theirs,
				     sizeof(theirs)));
		bc_path(path, self->dir, "cpuacct");
		ASSERT_EQ(0, bc_read(path, "usage_percpu", ours, sizeof(ours)));
		len = strcspn(theirs, "\n");
		while (len && theirs[len - 1] == ' ')
			len--;
		theirs[len] = '\0';
		ours[strcspn(ours, "\n")] = '\0';
		EXPECT_STREQ(theirs, ours);
	}
	bc_reap(pid);
}

/* Bound to another hierarchy: it is that one's groups that count. */
FIXTURE(other) {
	char h[80], def[80];
};

FIXTURE_SETUP(other)
{
	const char *why;

	if (!bc_bindable(&why))
		SKIP(return, "%s", why);
	bc_hierarchy(self->h, sizeof(self->h), 'a');
	snprintf(self->def, sizeof(self->def), BC_ROOT "/selftest-%d", getpid());
	ASSERT_EQ(0, mkdir(self->h, 0755) ? errno : 0);
}

FIXTURE_TEARDOWN_PARENT(other)
{
	if (!access(self->def, F_OK))
		EXPECT_EQ(0, bc_remove(self->def));
	EXPECT_EQ(0, bc_remove_hierarchy(self->h));
	EXPECT_EQ(0, access(BC_ROOT "/cpuacct", F_OK));
}

TEST_F_TIMEOUT(other, hierarchy, 300)
{
	struct times before, used, root;
	pid_t pid;

	ASSERT_EQ(0, bc_write(self->h, "controllers", "cpuacct"));
	EXPECT_EQ(-1, access(BC_ROOT "/cpuacct", F_OK));
	ASSERT_EQ(0, mkdir(self->def, 0755));
	ASSERT_EQ(0, bc_mkdir(self->h, "a"));
	ASSERT_EQ(0, bc_mkdir(self->h, "a/b"));
	pid = spawn_busy();
	ASSERT_LT(0, pid);
	before = task_times(pid);
	root = group_times(self->h, ".");
	ASSERT_EQ(0, bc_write(self->h, "a/b/tasks", "%d", pid));
	ASSERT_TRUE(go(pid));
	ASSERT_TRUE(wait_used(pid, 50, 2));
	/* Where it is in the other one does not matter. */
	ASSERT_EQ(0, bc_write(self->def, "tasks", "%d", pid));
	ASSERT_TRUE(wait_used(pid, 50, 2));
	ASSERT_TRUE(stop(pid));
	used = minus(task_times(pid), before);
	expect_same(_metadata, "its group", used, group_times(self->h, "a/b"));
	expect_same(_metadata, "the parent", used, group_times(self->h, "a"));
	root = minus(group_times(self->h, "."), root);
	EXPECT_LE(used.user, root.user);
	EXPECT_LE(used.system, root.system);
	bc_reap(pid);
}

TEST_HARNESS_MAIN
