// SPDX-License-Identifier: GPL-2.0
/*
 * Hardware and time that change under a load: CPUs that go away with credit on them and
 * come back, memory that does so, tasks that are frozen, a clock that jumps. At rest, counts
 * are exact; nothing is refused while there is room; and all is given back.
 */
#include <sys/mman.h>

#include "bc_cpus.h"
#include "bc_worker.h"

#define BLOCKS		"/sys/devices/system/memory"
#define POWER		"/sys/power"
#define PM_DELAY	"/sys/module/suspend/parameters"
#define WORKERS		2

/* As long as a test has a CPU away, @cpu says which, for who cleans up; or -1. */
FIXTURE(hotplug) {
	char dir[64];
	int cpu;
	struct bc_worker w[WORKERS];
};

FIXTURE_SETUP(hotplug)
{
	int i;

	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	self->cpu = -1;
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	for (i = 0; i < WORKERS; i++) {
		self->w[i] = bc_worker_start(&bc_file);
		ASSERT_LT(0, self->w[i].pid);
		ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", self->w[i].pid));
	}
}

/*
 * By the parent of who ran the test, which may have died with a CPU away. The workers have
 * died with it.
 */
FIXTURE_TEARDOWN_PARENT(hotplug)
{
	const char *wrong;

	if (!self->dir[0])
		return;
	if (self->cpu >= 0)
		bc_cpu_online(self->cpu, 1);
	wrong = bc_tear_down(self->dir);
	EXPECT_EQ(NULL, wrong) {
		TH_LOG("%s", wrong);
	}
}

/*
 * One makes files on a CPU, and leaves credit there. When the CPU has gone, that is still
 * in what is held: but nobody sees it, and it is there for who would be refused otherwise.
 */
TEST_F(hotplug, credit)
{
	int cpu = bc_cpu_removable(), i;

	if (cpu < 0)
		SKIP(return, "no CPU can be taken offline");
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(bc_pin(self->w[0].pid, cpu));
		ASSERT_EQ(1, bc_make_n(self->w[0], 1));
		self->cpu = cpu;
		ASSERT_EQ(0, bc_cpu_online(cpu, 0));

		/* The first look takes it back. */
		EXPECT_EQ(1, bc_get(self->dir, "numfiles/held"));
		ASSERT_EQ(0, bc_cpu_online(cpu, 1));
		self->cpu = -1;
		bc_drop_all(self->w[0]);
		EXPECT_EQ(0, bc_settle(self->dir, "numfiles/held", 0));
	}
}

/* The same, and the first who needs it is a charge. */
TEST_F(hotplug, credit_is_wanted)
{
	int cpu = bc_cpu_removable();

	if (cpu < 0)
		SKIP(return, "no CPU can be taken offline");
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "20"));
	ASSERT_TRUE(bc_pin(self->w[0].pid, cpu));
	ASSERT_EQ(1, bc_make_n(self->w[0], 1));
	self->cpu = cpu;
	ASSERT_EQ(0, bc_cpu_online(cpu, 0));
	/* Elsewhere. */
	EXPECT_EQ(19, bc_make_n(self->w[1], 20));
	EXPECT_EQ(1, bc_get(self->dir, "numfiles/failcnt"));
	EXPECT_EQ(20, bc_get(self->dir, "numfiles/held"));
	ASSERT_EQ(0, bc_cpu_online(cpu, 1));
	self->cpu = -1;
	bc_drop_all(self->w[1]);
	EXPECT_EQ(1, bc_settle(self->dir, "numfiles/held", 1));
}

/* A group goes with credit on a CPU that is away, and so does its counter. */
TEST_F(hotplug, group_goes)
{
	int cpu = bc_cpu_removable();
	char a[96];

	if (cpu < 0)
		SKIP(return, "no CPU can be taken offline");
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	bc_path(a, self->dir, "a");
	ASSERT_EQ(0, bc_write(a, "tasks", "%d", self->w[0].pid));
	ASSERT_TRUE(bc_pin(self->w[0].pid, cpu));
	ASSERT_EQ(3, bc_make_n(self->w[0], 3));
	self->cpu = cpu;
	ASSERT_EQ(0, bc_cpu_online(cpu, 0));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", self->w[0].pid));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(3, bc_get(self->dir, "numfiles/held"));
	bc_drop_all(self->w[0]);
	EXPECT_EQ(0, bc_settle(self->dir, "numfiles/held", 0));
	ASSERT_EQ(0, bc_cpu_online(cpu, 1));
	self->cpu = -1;
	/* It makes no difference when the CPU is back. */
	EXPECT_EQ(0, bc_get(self->dir, "numfiles/held"));
}

/* Let all of them make and drop at a limit, while @change goes on @n times. */
static int storm(struct bc_worker *w, int (*change)(int arg, int i), int arg, int n,
		 long *refused)
{
	int i, err = 0, ret;

	for (i = 0; i < WORKERS; i++)
		bc_tell(w[i], 's');
	for (i = 0; i < n && !err; i++)
		err = change(arg, i);
	*refused = 0;
	for (i = 0; i < WORKERS; i++)
		bc_tell(w[i], 'e');
	for (i = 0; i < WORKERS; i++) {
		ret = bc_answer(w[i]);
		if (ret < 0)
			err = err ?: ret;
		else
			*refused += ret;
	}
	return err;
}

static int toggle_cpu(int cpu, int i)
{
	return bc_cpu_online(cpu, i % 2);
}

/* CPUs come and go all the time: no limit is broken, and every refusal is counted. */
TEST_F_TIMEOUT(hotplug, cpu_storm, 300)
{
	int cpu = bc_cpu_removable();
	long refused;

	if (cpu < 0)
		SKIP(return, "no CPU can be taken offline");
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "10"));
	self->cpu = cpu;
	/* An even number: it is there in the end. */
	EXPECT_EQ(0, storm(self->w, toggle_cpu, cpu, 6, &refused));
	TH_LOG("%ld refused", refused);
	EXPECT_EQ(refused, bc_get(self->dir, "numfiles/failcnt"));
	EXPECT_GE(10, bc_get(self->dir, "numfiles/maxheld"));
	EXPECT_EQ(0, bc_settle(self->dir, "numfiles/held", 0));
}

static int toggle_memory(int block, int i)
{
	char dir[64];

	snprintf(dir, sizeof(dir), BLOCKS "/memory%d", block);
	return bc_write(dir, "state", i % 2 ? "online" : "offline");
}

/* The last block of memory that can go, which is the one with the least in it; or -1. */
static int removable_block(void)
{
	char dir[64], buf[16];
	int i;

	for (i = 255; i > 0; i--) {
		snprintf(dir, sizeof(dir), BLOCKS "/memory%d", i);
		if (bc_read(dir, "state", buf, sizeof(buf)) || strcmp(buf, "online\n"))
			continue;
		if (!toggle_memory(i, 0))
			return toggle_memory(i, 1) ? -1 : i;
	}
	return -1;
}

/* Touch memory and give it back, to be moved out of a block that goes. */
static void touch(const char *dir)
{
	size_t size = 1 << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(1);
	memset(p, 1, size);
	munmap(p, size);
}

/* Memory goes and comes back under who touches some. Pages that are moved stay charged. */
TEST_F_TIMEOUT(hotplug, memory_storm, 300)
{
	long private, pages;
	int block, i, n = 0;
	pid_t pid;

	if (access(BLOCKS, F_OK) || bc_get(BC_ROOT, "physpages") == -ENOENT)
		SKIP(return, "no memory hotplug, or no physpages, in this kernel");
	block = removable_block();
	if (block < 0)
		SKIP(return, "no block of memory could go offline");
	/* What the workers have, without what a CPU keeps of what they had. */
	ASSERT_EQ(0, bc_write("/proc/sys/vm", "drop_caches", "1"));
	private = bc_get(self->dir, "privvmpages/held");
	pages = bc_get(self->dir, "physpages/held");
	pid = bc_background(touch, NULL);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	/* It may be in use in this moment. Nothing here ends the test, with memory away. */
	for (i = 0; i < 4; i++) {
		if (toggle_memory(block, 0))
			continue;
		n++;
		EXPECT_EQ(0, toggle_memory(block, 1));
	}
	TH_LOG("%d times", n);
	bc_reap(pid);
	EXPECT_EQ(private, bc_settle(self->dir, "privvmpages/held", private));
	EXPECT_EQ(pages, bc_settle(self->dir, "physpages/held", pages));
}

/* As if to suspend, up to the point where all tasks are frozen, and back. */
static int freeze(int arg, int i)
{
	int err = bc_write(POWER, "pm_test", "freezer");

	err = err ?: bc_write(POWER, "state", "freeze");
	return bc_write(POWER, "pm_test", "none") ?: err;
}

/* Nobody who makes, drops or is refused keeps tasks from being frozen, nor is lost by it. */
TEST_F_TIMEOUT(hotplug, freezer, 300)
{
	long refused, delay = bc_get(PM_DELAY, "pm_test_delay");

	if (access(POWER "/pm_test", F_OK))
		SKIP(return, "no suspend, or no CONFIG_PM_DEBUG, in this kernel");
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "10"));
	/* Five seconds is how long they would be kept so. */
	ASSERT_EQ(0, bc_write(PM_DELAY, "pm_test_delay", "1"));
	EXPECT_EQ(0, storm(self->w, freeze, 0, 2, &refused));
	EXPECT_EQ(0, bc_write(PM_DELAY, "pm_test_delay", "%ld", delay));
	EXPECT_EQ(refused, bc_get(self->dir, "numfiles/failcnt"));
	EXPECT_GE(10, bc_get(self->dir, "numfiles/maxheld"));
	EXPECT_EQ(0, bc_settle(self->dir, "numfiles/held", 0));
}

/* Ten years on, or back to where it would have been without that. */
static int jump(int arg, int i)
{
	const long long second = 1000000000;
	static long long offset;
	struct timespec boot, real;
	long long now;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &real);
	now = boot.tv_sec * second + boot.tv_nsec;
	if (i % 2 == 0) {
		offset = real.tv_sec * second + real.tv_nsec - now;
		real.tv_sec += 10L * 365 * 86400;
	} else {
		now += offset;
		real = (struct timespec){ now / second, now % second };
	}
	return clock_settime(CLOCK_REALTIME, &real) ? -errno : 0;
}

/* None of our clocks is that on the wall: what is counted by time does not jump with it. */
TEST_F(hotplug, clock)
{
	long refused, usage, after;
	double start, real;

	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "10"));
	usage = bc_get(self->dir, "cpuacct/usage");
	ASSERT_LE(0, usage);
	start = bc_now();
	/* An even number: it is right in the end. */
	EXPECT_EQ(0, storm(self->w, jump, 0, 6, &refused));
	after = bc_get(self->dir, "cpuacct/usage");
	real = bc_now() - start;
	EXPECT_LE(usage, after);
	/* Each of them can have used as much time as has passed, and a bit. */
	EXPECT_GT((real + 1) * 1e9 * WORKERS, after - usage);
	EXPECT_EQ(refused, bc_get(self->dir, "numfiles/failcnt"));
	EXPECT_EQ(0, bc_settle(self->dir, "numfiles/held", 0));
}

TEST_HARNESS_MAIN
