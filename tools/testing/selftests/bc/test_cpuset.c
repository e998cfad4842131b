// SPDX-License-Identifier: GPL-2.0
/*
 * cpuset: which CPUs a group's tasks have, beside affinity masks, cgroup cpusets,
 * and CPUs that come and go.
 */
#define SET_DIR "cpuset"
#define SET_LIST "cpuset/cpus"
#define SET_EFFECTIVE "cpuset/effective_cpus"
#define SET_EXCLUSIVE "cpuset/cpu_exclusive"
#define SET_POSSIBLE "sys/devices/system/cpu/possible"
#define SET_USABLE "sys/devices/system/cpu/online"
#define SET_STATUS "Cpus_allowed_list"

#include "bc_sets.h"

#include <linux/io_uring.h>

#define THREE_CPUS "needs three CPUs"
#define NO_HOTPLUG "CPU 1 cannot be taken offline"

static long affinity(pid_t tid)
{
	unsigned long mask[128] = { 0 };
	long ret = syscall(SYS_sched_getaffinity, tid, sizeof(mask), mask);

	return ret < 0 ? -errno : (long)(mask[0] & LONG_MAX);
}

static int set_affinity(pid_t tid, long cpus)
{
	unsigned long mask[128] = { cpus };

	return syscall(SYS_sched_setaffinity, tid, sizeof(mask), mask) ? -errno : 0;
}

/* For puppets. */
static long set_own_affinity(long cpus)
{
	return set_affinity(0, cpus);
}

/* Both say the same, for each thread. */
static int wrong(pid_t pid, long want)
{
	char path[64];
	struct dirent *de;
	int n = set_wrong(pid, SET_STATUS, want);
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (de = readdir(d))) {
		long cpus = de->d_name[0] == '.' ? -ESRCH :
			    affinity(atoi(de->d_name));

		n += cpus != -ESRCH && cpus != want;
	}
	if (d)
		closedir(d);
	return n;
}

/* Tasks that run all the time, and say where. */
struct spinner {
	pid_t pid;
	struct spun {
		long seen;	/* CPUs */
		long rounds;
	} *spun;
};

static struct spinner spin(void)
{
	struct spinner s;

	s.spun = mmap(NULL, sizeof(*s.spun), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s.pid = fork();
	if (s.pid == 0) {
		unsigned int cpu;

		bc_die_with_parent();
		for (;;) {
			syscall(SYS_getcpu, &cpu, NULL, NULL);
			__atomic_or_fetch(&s.spun->seen, 1L << cpu, __ATOMIC_SEQ_CST);
			__atomic_add_fetch(&s.spun->rounds, 1, __ATOMIC_SEQ_CST);
		}
	}
	return s;
}

/* Does it go on for @n rounds? */
static bool goes_on(struct spinner s, long n)
{
	long from = __atomic_load_n(&s.spun->rounds, __ATOMIC_SEQ_CST);

	return SET_POLL(__atomic_load_n(&s.spun->rounds, __ATOMIC_SEQ_CST) >= from + n);
}

/*
 * Where it runs from now on. What it saw before, it may note now: two rounds later
 * all that it says is later than this call.
 */
static long runs_on(struct spinner s)
{
	if (!goes_on(s, 2))
		return -ETIME;
	__atomic_store_n(&s.spun->seen, 0, __ATOMIC_SEQ_CST);
	if (!goes_on(s, 2000))
		return -ETIME;
	return __atomic_load_n(&s.spun->seen, __ATOMIC_SEQ_CST);
}

static bool hotplug(void)
{
	return !access("/sys/devices/system/cpu/cpu1/online", W_OK);
}

/* The masks of io_uring's threads are not a way out. */
static int use_io_uring(void *dir)
{
	struct io_uring_params params = { };
	long mask = 2;
	int fd;

	if (bc_write(dir, "a/tasks", "0"))
		return 1;
	fd = syscall(SYS_io_uring_setup, 4, &params);
	if (fd < 0)
		return 77;
	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_IOWQ_AFF, &mask,
		    sizeof(mask)) != -1 || errno != EINVAL)
		return 2;
	mask = 1;
	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_IOWQ_AFF, &mask,
		    sizeof(mask)))
		return 3;
	close(fd);

	params.flags = IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF;
	params.sq_thread_cpu = 1;
	if (syscall(SYS_io_uring_setup, 4, &params) != -1 || errno != EINVAL)
		return 4;
	params.sq_thread_cpu = 0;
	return syscall(SYS_io_uring_setup, 4, &params) < 0 ? 5 : 0;
}

TEST_F(sets, io_uring)
{
	int err;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	err = bc_in_child(use_io_uring, self->dir);
	if (err == 77)
		SKIP(return, "no io_uring in this kernel");
	EXPECT_EQ(0, err);
}

/* One that runs is moved at once: no round of it is elsewhere any more. */
TEST_F(sets, running)
{
	struct spinner s[2];
	int i, j;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	for (i = 0; i < 2; i++) {
		s[i] = spin();
		ASSERT_LT(0, s[i].pid);
		ASSERT_TRUE(goes_on(s[i], 1));
		ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", s[i].pid));
		EXPECT_EQ(1, runs_on(s[i]));
	}
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, i & 1 ? "0" : "1"));
		for (j = 0; j < 2; j++) {
			EXPECT_EQ(i & 1 ? 1 : 2, affinity(s[j].pid));
			EXPECT_EQ(i & 1 ? 1 : 2, runs_on(s[j]));
		}
	}
	for (i = 0; i < 2; i++)
		bc_reap(s[i].pid);
}

TEST_F(sets, affinity)
{
	struct puppet p = puppet_start();
	long base;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	base = affinity(p.pid);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "1"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", p.pid));
	EXPECT_EQ(0, wrong(p.pid, 1));

	/* By itself, and from outside: what is allowed of it, or an error. */
	EXPECT_EQ(0, puppet(p, set_own_affinity, 1));
	EXPECT_EQ(0, wrong(p.pid, 1));
	EXPECT_EQ(-EINVAL, puppet(p, set_own_affinity, 2));
	EXPECT_EQ(-EINVAL, set_affinity(p.pid, 2));
	EXPECT_EQ(0, wrong(p.pid, 1));
	EXPECT_EQ(0, puppet(p, set_own_affinity, 3));
	EXPECT_EQ(0, wrong(p.pid, 1));
	EXPECT_EQ(0, set_affinity(p.pid, 3));
	EXPECT_EQ(0, wrong(p.pid, 1));

	/* All that was asked for is remembered, also what was not to be had. */
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	EXPECT_EQ(0, wrong(p.pid, 3));
	EXPECT_EQ(0, puppet(p, set_own_affinity, 2));
	EXPECT_EQ(0, wrong(p.pid, 2));
	/* Where it does not fit it is ignored, and counts again where it does. */
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	EXPECT_EQ(0, wrong(p.pid, 1));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	EXPECT_EQ(0, wrong(p.pid, 2));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	EXPECT_EQ(0, wrong(p.pid, 1));
	/* The same with moves. */
	ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", p.pid));
	EXPECT_EQ(0, wrong(p.pid, 2));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", p.pid));
	EXPECT_EQ(0, wrong(p.pid, 1));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", p.pid));
	EXPECT_EQ(0, wrong(p.pid, 2));
	EXPECT_EQ(0, set_affinity(p.pid, self->possible));
	EXPECT_EQ(base, affinity(p.pid));
	puppet_end(p);
}

/* With isolcpus=, all tasks begin with the others, and none gets more by being made. */
TEST_F(sets, isolated)
{
	long isolated = set_get("/", "sys/devices/system/cpu/isolated");
	long own = affinity(0);
	int i;

	if (isolated <= 0)
		SKIP(return, "needs isolcpus= on the kernel's command line");
	EXPECT_EQ(self->usable & ~isolated, own);
	EXPECT_EQ(own, set_of_child(false));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	for (i = 0; i < 2; i++) {
		/* From the first change on, each new task is looked at. */
		ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, i ? "0" : "1"));
		EXPECT_EQ(own, set_of_child(false));
		EXPECT_EQ(own, set_of_child(true));
		EXPECT_EQ(own, affinity(0));
	}
}

/* Threads of one process may want different things. */
TEST_F(sets, affinity_of_threads)
{
	pid_t tid[2], pid;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	pid = bc_spawn_threads(2, tid);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, set_affinity(tid[0], 1));
	ASSERT_EQ(0, set_affinity(tid[1], 2));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	EXPECT_EQ(3, affinity(pid));
	EXPECT_EQ(1, affinity(tid[0]));
	EXPECT_EQ(2, affinity(tid[1]));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "1"));
	EXPECT_EQ(0, wrong(pid, 2));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	EXPECT_EQ(3, affinity(pid));
	EXPECT_EQ(1, affinity(tid[0]));
	EXPECT_EQ(2, affinity(tid[1]));
	bc_reap(pid);
}

/*
 * This program, when it is run by the next test: a thread that is not the first one
 * runs it again, and so on, with a sign of life each time.
 */
static void *exec_again(void *arg)
{
	char name[] = "exec";
	char * const argv[] = { name, NULL };

	execv("/proc/self/exe", argv);
	_exit(1);
	return arg;
}

static __attribute__((constructor(200))) void exec_loop(void)
{
	const char *fd = getenv("BC_CPUSET_EXEC");
	pthread_t thread;

	if (!fd)
		return;
	bc_die_with_parent();	/* who calls exec is another one each time */
	if (write(atoi(fd), "x", 1) != 1 ||
	    pthread_create(&thread, NULL, exec_again, NULL))
		_exit(1);
	for (;;)
		pause();
}

/* A thread becomes the first one, with the set of the group, whatever that is then. */
TEST_F_TIMEOUT(sets, exec, 300)
{
	double end;
	int fd[2], i, err, execs = 0, n;
	char buf[64];
	pid_t pid;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "0-1"));
	ASSERT_EQ(0, pipe(fd));
	pid = fork();
	if (pid == 0) {
		snprintf(buf, sizeof(buf), "%d", fd[1]);
		setenv("BC_CPUSET_EXEC", buf, 1);
		exec_again(NULL);
	}
	ASSERT_LT(0, pid);
	close(fd[1]);
	/* When it has died, a read says so. */
	ASSERT_EQ(1, read(fd[0], buf, 1));
	ASSERT_EQ(0, fcntl(fd[0], F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	end = bc_end_time(SET_RACE);
	for (i = 0; bc_now() < end || (execs < 5 && bc_now() < end + 60); i++) {
		long want = i % 3 == 2 ? 3 : i & 1 ? 2 : 1;

		err = want == 3 ? bc_write(self->dir, "b/tasks", "%d", pid) :
		      bc_write(self->dir, "a/" SET_LIST, want == 1 ? "0" : "1");
		ASSERT_EQ(0, err);
		if (i % 3 == 0)
			ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
		/* The old leader may be seen on its way out: who follows counts. */
		ASSERT_TRUE(SET_POLL(set_status(pid, SET_STATUS) == want)) {
			TH_LOG("write %d, %d execs", i, execs);
		}
		n = read(fd[0], buf, sizeof(buf));
		ASSERT_NE(0, n);
		execs += n > 0 ? n : 0;
	}
	TH_LOG("%d writes, %d execs", i, execs);
	EXPECT_LE(5, execs);
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "1"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	EXPECT_EQ(2, set_status(pid, SET_STATUS));
	close(fd[0]);
	bc_reap(pid);
}

/* The group keeps what is left, and gets back what comes back. */
TEST_F_TIMEOUT(sets, offline_one, 300)
{
	struct spinner s;
	pid_t pinned;

	if (!set_has(self->usable, 3) || !hotplug())
		SKIP(return, NO_HOTPLUG);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	s = spin();
	/* One that sleeps would be told only when it wakes up. */
	pinned = spin().pid;
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", s.pid));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pinned));
	ASSERT_EQ(0, set_affinity(pinned, 2));
	ASSERT_EQ(0, bc_cpu_online(1, 0));
	EXPECT_TRUE(SET_POLL(set_get(self->dir, "a/" SET_EFFECTIVE) == 1));
	EXPECT_EQ(3, set_get(self->dir, "a/" SET_LIST));
	EXPECT_EQ(self->possible, set_get(self->dir, SET_LIST));
	EXPECT_EQ(self->usable & ~2L, set_get(self->dir, SET_EFFECTIVE));
	EXPECT_EQ(1, affinity(s.pid));
	EXPECT_EQ(1, runs_on(s));
	/* Who wanted only that one is not stuck on it, nor outside. */
	EXPECT_TRUE(SET_POLL(affinity(pinned) == 1));
	ASSERT_EQ(0, bc_cpu_online(1, 1));
	EXPECT_TRUE(SET_POLL(set_get(self->dir, "a/" SET_EFFECTIVE) == 3));
	EXPECT_TRUE(SET_POLL(wrong(s.pid, 3) == 0));
	EXPECT_TRUE(goes_on(s, 10));
	/* Its own mask may be lost: that is what the kernel does to everybody. */
	EXPECT_TRUE(SET_POLL(affinity(pinned) & 2));
	EXPECT_FALSE(affinity(pinned) & ~3L);
	bc_reap(s.pid);
	bc_reap(pinned);
}

/* When none is left, the task runs where the parent may, until there is one again. */
TEST_F_TIMEOUT(sets, offline_last, 300)
{
	struct puppet p = puppet_start();
	struct spinner s, in_b;

	if (!set_has(self->usable, 3) || !hotplug())
		SKIP(return, NO_HOTPLUG);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "c"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "1"));
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "1"));
	ASSERT_EQ(0, bc_write(self->dir, "c/" SET_LIST, "0"));
	s = spin();
	in_b = spin();
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", s.pid));
	ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", in_b.pid));
	ASSERT_EQ(0, bc_write(self->dir, "c/tasks", "%d", p.pid));
	EXPECT_EQ(2, runs_on(s));

	ASSERT_EQ(0, bc_cpu_online(1, 0));
	EXPECT_FALSE(runs_on(s) & 2);
	EXPECT_FALSE(runs_on(in_b) & 2);
	EXPECT_LT(0, affinity(s.pid));
	EXPECT_EQ(2, set_get(self->dir, "a/" SET_LIST));
	EXPECT_TRUE(SET_POLL(set_get(self->dir, "a/" SET_EFFECTIVE) ==
			     (self->usable & ~2L)));
	/* Nobody else comes in, and no other group gets into that. */
	EXPECT_EQ(-ENOSPC, bc_write(self->dir, "a/tasks", "%d", p.pid));
	EXPECT_EQ(1, bc_count(self->dir, "c/tasks", p.pid));
	EXPECT_EQ(0, wrong(p.pid, 1));
	EXPECT_EQ(-ENOSPC, bc_write(self->dir, "c/" SET_LIST, "1"));
	EXPECT_EQ(1, set_get(self->dir, "c/" SET_LIST));
	EXPECT_EQ(0, wrong(p.pid, 1));
	/* What is there now is taken at once. */
	EXPECT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "0-1"));
	EXPECT_EQ(1, affinity(in_b.pid));
	EXPECT_EQ(1, runs_on(in_b));

	ASSERT_EQ(0, bc_cpu_online(1, 1));
	EXPECT_TRUE(SET_POLL(set_get(self->dir, "a/" SET_EFFECTIVE) == 2));
	EXPECT_TRUE(SET_POLL(wrong(s.pid, 2) == 0));
	EXPECT_EQ(2, runs_on(s));
	EXPECT_TRUE(SET_POLL(wrong(in_b.pid, 3) == 0));
	EXPECT_EQ(0, wrong(p.pid, 1));
	EXPECT_EQ(0, bc_write(self->dir, "a/tasks", "%d", p.pid));
	EXPECT_EQ(0, wrong(p.pid, 2));
	bc_reap(s.pid);
	bc_reap(in_b.pid);
	puppet_end(p);
}

/* Not anywhere: on what the nearest ancestor leaves. */
TEST_F_TIMEOUT(sets, offline_nested, 300)
{
	struct spinner s;

	if (!set_has(self->usable, 7))
		SKIP(return, THREE_CPUS);
	if (!hotplug())
		SKIP(return, NO_HOTPLUG);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "1-2"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/k"));
	ASSERT_EQ(0, bc_write(self->dir, "a/k/" SET_LIST, "1"));
	s = spin();
	ASSERT_EQ(0, bc_write(self->dir, "a/k/tasks", "%d", s.pid));
	EXPECT_EQ(2, runs_on(s));
	ASSERT_EQ(0, bc_cpu_online(1, 0));
	EXPECT_TRUE(SET_POLL(set_get(self->dir, "a/k/" SET_EFFECTIVE) == 4));
	EXPECT_TRUE(SET_POLL(affinity(s.pid) == 4));
	EXPECT_EQ(4, runs_on(s));
	EXPECT_EQ(2, set_get(self->dir, "a/k/" SET_LIST));
	ASSERT_EQ(0, bc_cpu_online(1, 1));
	EXPECT_TRUE(SET_POLL(set_get(self->dir, "a/k/" SET_EFFECTIVE) == 2));
	EXPECT_TRUE(SET_POLL(wrong(s.pid, 2) == 0));
	EXPECT_EQ(2, runs_on(s));
	bc_reap(s.pid);
}

static pid_t victims[2];

static void toggle_cpu(const char *dir)
{
	set_shared->wrong += bc_cpu_online(1, 0) != 0;
	set_shared->wrong += bc_cpu_online(1, 1) != 0;
	set_shared->done[0]++;
}

static void toggle_affinity(const char *dir)
{
	static int i;
	int err = set_affinity(victims[i & 1], i % 3 + 1);

	i++;
	set_shared->wrong += err && err != -EINVAL;
	set_shared->done[1] += !err;
}

static void toggle_list(const char *dir)
{
	static int i;
	int err = bc_write(dir, "a/" SET_LIST, i % 3 == 0 ? "0" : i % 3 == 1 ? "0-1" :
			   "1");

	i++;
	set_shared->wrong += err && err != -ENOSPC;
	set_shared->done[2] += !err;
}

/* All at once; then everybody has what he is to have. */
TEST_F_TIMEOUT(sets, offline_race, 300)
{
	pid_t pid[3];
	int i, err, moved = 0;
	double end;

	if (!set_has(self->usable, 3) || !hotplug())
		SKIP(return, NO_HOTPLUG);
	set_share();
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "1"));
	for (i = 0; i < 2; i++)
		victims[i] = i ? spin().pid : bc_spawn();
	pid[0] = bc_background(toggle_cpu, self->dir);
	pid[1] = bc_background(toggle_affinity, self->dir);
	pid[2] = bc_background(toggle_list, self->dir);
	end = bc_end_time(2 * SET_RACE);
	for (i = 0; bc_now() < end || (set_shared->done[0] < 4 && bc_now() < end + 60);
	     i++) {
		err = bc_write(self->dir, i % 3 == 0 ? "a/tasks" : i % 3 == 1 ?
			       "b/tasks" : "tasks", "%d", victims[i / 3 & 1]);
		ASSERT_TRUE(!err || err == -ENOSPC) {
			TH_LOG("attach: %s", strerror(-err));
		}
		moved += !err;
	}
	for (i = 0; i < 3; i++)
		bc_reap(pid[i]);
	ASSERT_EQ(0, bc_cpu_online(1, 1));
	TH_LOG("%d times off and on, %d affinities, %d lists, %d moves",
	       set_shared->done[0], set_shared->done[1], set_shared->done[2], moved);
	EXPECT_EQ(0, set_shared->wrong);
	EXPECT_LE(4, set_shared->done[0]);
	EXPECT_LT(0, set_shared->done[1]);
	EXPECT_LT(0, set_shared->done[2]);
	EXPECT_LT(0, moved);

	/* Wherever they are, they come back to it; all of it when they want all. */
	EXPECT_TRUE(SET_POLL(set_get(self->dir, "b/" SET_EFFECTIVE) == 2));
	for (i = 0; i < 2; i++) {
		long in = bc_count(self->dir, "a/tasks", victims[i]) ?
			  set_get(self->dir, "a/" SET_LIST) :
			  bc_count(self->dir, "b/tasks", victims[i]) ? 2 :
			  self->usable;

		EXPECT_TRUE(SET_POLL(!(affinity(victims[i]) & ~in))) {
			TH_LOG("%lx, not in %lx", affinity(victims[i]), in);
		}
		EXPECT_EQ(0, set_affinity(victims[i], self->possible));
		EXPECT_EQ(in, affinity(victims[i]));
		ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", victims[i]));
		EXPECT_EQ(0, wrong(victims[i], 2));
	}
	EXPECT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	EXPECT_EQ(3, set_get(self->dir, "a/" SET_EFFECTIVE));
	for (i = 0; i < 2; i++)
		bc_reap(victims[i]);
}

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif

struct sched_attributes {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

/* For puppets: with a deadline, and a little time, or as usual. */
static long set_deadline(long yes)
{
	struct sched_attributes attr = {
		.size = sizeof(attr),
		.policy = yes ? SCHED_DEADLINE : SCHED_OTHER,
		.runtime = yes ? 5000000 : 0,
		.deadline = yes ? 500000000 : 0,
		.period = yes ? 500000000 : 0,
	};

	return syscall(SYS_sched_setattr, 0, &attr, 0) ? -errno : 0;
}

/* Its bandwidth was granted on all CPUs of its domain: none is to be taken away. */
TEST_F(sets, deadline)
{
	struct puppet p = puppet_start();
	long err, all = self->usable;
	char list[4096];

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	ASSERT_EQ(0, bc_read(self->dir, "b/" SET_LIST, list, sizeof(list)));
	ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", p.pid));
	err = puppet(p, set_deadline, 1);
	if (err)
		SKIP(return, "no SCHED_DEADLINE: %s", strerror(-err));
	EXPECT_EQ(-EBUSY, bc_write(self->dir, "a/tasks", "%d", p.pid));
	EXPECT_EQ(-EBUSY, bc_write(self->dir, "a/threads", "%d", p.pid));
	EXPECT_EQ(0, bc_count(self->dir, "a/threads", 0));
	EXPECT_EQ(1, bc_count(self->dir, "b/tasks", p.pid));
	EXPECT_EQ(all, affinity(p.pid));
	EXPECT_EQ(-EBUSY, bc_write(self->dir, "b/" SET_LIST, "0"));
	EXPECT_EQ(self->possible, set_get(self->dir, "b/" SET_LIST));
	EXPECT_EQ(all, set_get(self->dir, "b/" SET_EFFECTIVE));
	EXPECT_EQ(all, affinity(p.pid));
	/* No change is none, and where there are all of them it may go. */
	EXPECT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "%s", list));
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", p.pid));
	EXPECT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "0"));
	EXPECT_EQ(-EBUSY, bc_write(self->dir, "b/tasks", "%d", p.pid));
	/* As any other it is moved. In there, there is no way back to it. */
	EXPECT_EQ(0, puppet(p, set_deadline, 0));
	EXPECT_EQ(0, bc_write(self->dir, "a/tasks", "%d", p.pid));
	EXPECT_EQ(0, wrong(p.pid, 1));
	EXPECT_EQ(-EPERM, puppet(p, set_deadline, 1));
	puppet_end(p);
}

static int cg_cpus(struct _test_data_sets *self, const char *list)
{
	return bc_write(self->cg, "cpuset.cpus", "%s", list);
}

/* Two masters: neither undoes what the other one says. */
TEST_F(sets, cgroup)
{
	struct spinner s;
	long base;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	if (set_cgroup(self))
		SKIP(return, "no cgroup cpusets here");
	TH_LOG("cgroup v%d", self->v2 ? 2 : 1);
	s = spin();
	base = affinity(s.pid);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	ASSERT_EQ(0, cg_cpus(self, "1"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", s.pid));
	EXPECT_EQ(0, wrong(s.pid, 3));
	ASSERT_EQ(0, bc_write(self->cg, "cgroup.procs", "%d", s.pid));
	EXPECT_EQ(0, wrong(s.pid, 2));
	EXPECT_EQ(2, runs_on(s));

	/* What they set does not undo ours. */
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "1"));
	EXPECT_EQ(0, wrong(s.pid, 2));
	ASSERT_EQ(0, cg_cpus(self, "0-1"));
	EXPECT_EQ(0, wrong(s.pid, 2));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	EXPECT_EQ(0, wrong(s.pid, 3));

	/* What we set does not undo theirs. */
	ASSERT_EQ(0, cg_cpus(self, "1"));
	EXPECT_EQ(0, wrong(s.pid, 2));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "1"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	EXPECT_EQ(0, wrong(s.pid, 2));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", s.pid));
	EXPECT_EQ(0, wrong(s.pid, 2));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", s.pid));
	EXPECT_EQ(-EINVAL, set_affinity(s.pid, 1));
	EXPECT_EQ(0, set_affinity(s.pid, 3));
	EXPECT_EQ(0, wrong(s.pid, 2));

	/* Nothing in common: it runs where the cgroup says, until there is again. */
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	EXPECT_EQ(0, wrong(s.pid, 2));
	EXPECT_EQ(2, runs_on(s));
	ASSERT_EQ(0, cg_cpus(self, "0-1"));
	EXPECT_EQ(0, wrong(s.pid, 1));
	ASSERT_EQ(0, cg_cpus(self, "1"));
	EXPECT_EQ(0, wrong(s.pid, 2));
	EXPECT_EQ(2, runs_on(s));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	EXPECT_EQ(0, wrong(s.pid, 2));
	ASSERT_EQ(0, cg_cpus(self, "0"));
	EXPECT_EQ(0, wrong(s.pid, 1));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "1"));
	EXPECT_EQ(0, wrong(s.pid, 1));

	/* When it leaves the one, there is the other. */
	ASSERT_EQ(0, bc_write(self->mnt, "cgroup.procs", "%d", s.pid));
	EXPECT_EQ(0, wrong(s.pid, 2));
	EXPECT_EQ(2, runs_on(s));
	ASSERT_EQ(0, bc_write(self->cg, "cgroup.procs", "%d", s.pid));
	EXPECT_EQ(0, wrong(s.pid, 1));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", s.pid));
	EXPECT_EQ(0, wrong(s.pid, 1));
	ASSERT_EQ(0, bc_write(self->mnt, "cgroup.procs", "%d", s.pid));
	EXPECT_EQ(0, set_affinity(s.pid, self->possible));
	EXPECT_EQ(base, affinity(s.pid));
	bc_reap(s.pid);
}

/* Nothing in common with the group, but with the one above it. */
TEST_F(sets, cgroup_nested)
{
	struct puppet p = puppet_start();

	if (!set_has(self->usable, 7))
		SKIP(return, THREE_CPUS);
	if (set_cgroup(self))
		SKIP(return, "no cgroup cpusets here");
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/k"));
	ASSERT_EQ(0, bc_write(self->dir, "a/k/" SET_LIST, "0"));
	ASSERT_EQ(0, bc_write(self->dir, "a/k/tasks", "%d", p.pid));
	ASSERT_EQ(0, cg_cpus(self, "1-2"));
	ASSERT_EQ(0, bc_write(self->cg, "cgroup.procs", "%d", p.pid));
	EXPECT_EQ(0, wrong(p.pid, 2));
	ASSERT_EQ(0, cg_cpus(self, "2"));
	EXPECT_EQ(0, wrong(p.pid, 4));
	ASSERT_EQ(0, cg_cpus(self, "0-2"));
	EXPECT_EQ(0, wrong(p.pid, 1));
	puppet_end(p);
}

TEST_HARNESS_MAIN
