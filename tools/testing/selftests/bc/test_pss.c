// SPDX-License-Identifier: GPL-2.0
/*
 * physpages/pss: what groups have mapped, what they share in parts. The kernel's own sum
 * for a process is Pss in /proc/<pid>/smaps_rollup.
 */
#include <sys/time.h>

#include "bc_failslab.h"
#include "bc_phys.h"

#define USER 12345

/* So many pages are shared; a multiple of 2 and 5. */
#define SHARED 300

static const char *pss = "physpages/pss";

/* Pss of a process in kB, from its directory in /proc. */
static long rollup(const char *dir)
{
	return bc_kb_of(dir, "smaps_rollup", "Pss");
}

/*
 * Is pss of a group what a process has, whose address space is the only one there? What
 * others have changed in between is looked at again.
 */
static bool agrees(const char *group, int i)
{
	long before = 0, after = 0, val = 0;
	char proc[32];
	int n;

	bc_proc_dir(proc, sizeof(proc), i);
	for (n = 0; n < 20; n++) {
		before = rollup(proc);
		val = bc_get(group, pss);
		after = rollup(proc);
		if (before == after && before > 0 && val == before * 1024 / (long)BC_PAGE)
			return true;
		usleep(10000);
	}
	printf("# %s has %ld pages, %s %ld to %ld kB\n", group, val, proc, before, after);
	return false;
}

/* But for some pages that the puppets share with us, and we write to. */
#define EXPECT_NEAR(want, seen) do {					\
	long want_ = (want), seen_ = (seen);				\
									\
	EXPECT_GE(want_ + 3, seen_);					\
	EXPECT_LE(want_ - 3, seen_);					\
} while (0)

TEST_F(phys, alone)
{
	long base, p;

	EXPECT_TRUE(agrees(self->a, 0));
	EXPECT_EQ(0, bc_get(self->b, pss));
	base = bc_get(self->a, pss);
	EXPECT_LT(0, base);

	p = bc_map_filled(0, SHARED);
	ASSERT_LT(0, p);
	EXPECT_NEAR(base + SHARED, bc_get(self->a, pss));
	EXPECT_TRUE(agrees(self->a, 0));

	/* Mapped only, or the page of zeroes: nothing. */
	EXPECT_EQ(0, bc_call(0, SYS_madvise, p, SHARED * BC_PAGE, MADV_DONTNEED));
	EXPECT_NEAR(base, bc_get(self->a, pss));
	EXPECT_EQ(SHARED, bc_call(0, BC_CALL_CHECK, p, SHARED));
	EXPECT_NEAR(base, bc_get(self->a, pss));
	EXPECT_TRUE(agrees(self->a, 0));

	/* Whoever has paid for it, it is in the group where its address space is. */
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, SHARED));
	EXPECT_EQ(0, bc_write(self->b, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_EQ(0, bc_get(self->a, pss));
	EXPECT_TRUE(agrees(self->b, 0));

	/* Another program, whose files are mapped elsewhere, too. */
	EXPECT_EQ(0, bc_puppet_exec(0));
	EXPECT_TRUE(agrees(self->b, 0));
	bc_puppet_kill(0);
	EXPECT_EQ(0, bc_settle(self->b, pss, 0));
}

/* Groups above have it, too, and others do not. */
TEST_F(phys, below)
{
	char c[BC_DIR];

	bc_child(c, self->a, "c");
	ASSERT_EQ(0, mkdir(c, 0755));
	EXPECT_EQ(0, bc_write(c, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_TRUE(agrees(c, 0));
	EXPECT_TRUE(agrees(self->a, 0));
	EXPECT_TRUE(agrees(self->dir, 0));
	EXPECT_EQ(0, bc_get(self->b, pss));
}

/* Let the first puppet have @kids, in groups of their own: b, c and so on. */
static void fork_kids(struct __test_metadata *_metadata, const char *dir,
		      char (*group)[BC_DIR], int kids)
{
	char name[2] = "a";
	int i;

	bc_child(group[0], dir, name);
	for (i = 1; i <= kids; i++) {
		name[0]++;
		bc_child(group[i], dir, name);
		if (i > 1)
			ASSERT_EQ(0, mkdir(group[i], 0755));
		ASSERT_EQ(0, bc_puppet_fork(0, i, BC_CALL_FORK));
		ASSERT_EQ(0, bc_write(group[i], "tasks", "%d", bc_puppets[i].pid));
		bc_warm_up(i);
	}
	bc_warm_up(0);
}

/*
 * The first puppet and its @kids share filled pages at @p. Are they a part in each of
 * their groups? What goes when nobody has them any more says so. A file's pages are not
 * mapped by fork(2), but when they are looked at.
 */
static void check_shares(struct __test_metadata *_metadata, char (*group)[BC_DIR], int kids,
			 long p)
{
	long part = SHARED / (kids + 1), with[BC_NR_PUPPETS];
	int i;

	for (i = 0; i <= kids; i++)
		EXPECT_EQ(0, bc_call(i, BC_CALL_CHECK, p, SHARED));
	for (i = 0; i <= kids; i++) {
		EXPECT_TRUE(agrees(group[i], i));
		with[i] = bc_get(group[i], pss);
		EXPECT_LE(part, with[i]);
	}
	for (i = 0; i <= kids; i++)
		EXPECT_EQ(0, bc_call(i, SYS_munmap, p, SHARED * BC_PAGE));
	for (i = 0; i <= kids; i++) {
		EXPECT_TRUE(agrees(group[i], i));
		EXPECT_NEAR(with[i] - part, bc_get(group[i], pss));
	}
}

TEST_F(phys, shared_by_fork)
{
	char group[2][BC_DIR];
	long p = bc_map_filled(0, SHARED), half;

	ASSERT_LT(0, p);
	fork_kids(_metadata, self->dir, group, 1);
	half = bc_get(self->a, pss);
	/* Who writes to it has it alone, and so does the other. */
	EXPECT_EQ(0, bc_call(1, BC_CALL_FILL, p, SHARED));
	EXPECT_NEAR(half + SHARED / 2, bc_get(self->a, pss));
	EXPECT_TRUE(agrees(self->a, 0));
	EXPECT_TRUE(agrees(self->b, 1));
	EXPECT_EQ(0, bc_call(1, SYS_munmap, p, SHARED * BC_PAGE));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, SHARED * BC_PAGE));

	bc_puppet_kill(1);
	p = bc_map_filled(0, SHARED);
	ASSERT_LT(0, p);
	fork_kids(_metadata, self->dir, group, 1);
	check_shares(_metadata, group, 1, p);
}

TEST_F(phys, shared_memory)
{
	char group[2][BC_DIR];
	long p = bc_puppet_map(0, 0, SHARED, BC_RW, MAP_SHARED);

	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, SHARED));
	fork_kids(_metadata, self->dir, group, 1);
	check_shares(_metadata, group, 1, p);
}

/* Pages of a file, with some beside them that nobody maps. */
TEST_F(phys, shared_file)
{
	long fd = bc_call(0, SYS_memfd_create, (long)"pss", 0), p, base;
	char group[2][BC_DIR];

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bc_call(0, SYS_ftruncate, fd, 2 * SHARED * BC_PAGE));
	ASSERT_EQ(0, bc_call(0, SYS_fallocate, fd, 0, 0, 2 * SHARED * BC_PAGE));
	p = bc_call(0, SYS_mmap, 0, SHARED * BC_PAGE, BC_RW, MAP_SHARED, fd, 0);
	ASSERT_LT(0, p);
	EXPECT_EQ(0, bc_call(0, BC_CALL_FILL, p, SHARED));
	fork_kids(_metadata, self->dir, group, 1);
	check_shares(_metadata, group, 1, p);
	/* Twice in one address space is two halves. */
	base = bc_get(self->a, pss);
	p = bc_call(0, SYS_mmap, 0, SHARED * BC_PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_LT(0, p);
	EXPECT_LE(0, bc_call(0, BC_CALL_CHECK, p, SHARED));
	EXPECT_NEAR(base + SHARED, bc_get(self->a, pss));
	p = bc_call(0, SYS_mmap, 0, SHARED * BC_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_LT(0, p);
	EXPECT_LE(0, bc_call(0, BC_CALL_CHECK, p, SHARED));
	EXPECT_NEAR(base + SHARED, bc_get(self->a, pss));
	EXPECT_TRUE(agrees(self->a, 0));
}

/* The sum of what @get says of the directories in @dir, and of how many. */
static long sum_in(const char *dir, long (*get)(const char *dir), int *n)
{
	char path[PATH_MAX];
	struct dirent *de;
	DIR *d = opendir(dir);
	long sum = 0, val;

	while (d && (de = readdir(d))) {
		/* /proc/self is none. */
		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		bc_path(path, dir, de->d_name);
		val = get(path);
		if (val < 0)
			continue;
		sum += val;
		++*n;
	}
	if (d)
		closedir(d);
	return sum;
}

static long get_pss(const char *dir)
{
	return bc_get(dir, pss);
}

/*
 * All groups and the root are all there is. Each process, and each group, is rounded down
 * by less than a kB, or a page; and others may do something in between.
 */
static void check_sum(struct __test_metadata *_metadata)
{
	long before, groups, after, slack;
	int n = 0, m = 0;

	sum_in("/proc", rollup, &n);
	n = 0;
	before = sum_in("/proc", rollup, &n) * 1024 / (long)BC_PAGE;
	groups = sum_in(BC_ROOT, get_pss, &m) + bc_get(BC_ROOT, pss);
	after = sum_in("/proc", rollup, &(int){ 0 }) * 1024 / (long)BC_PAGE;
	slack = labs(after - before) + n * 1024 / (long)BC_PAGE + m + 10;
	TH_LOG("%d groups have %ld pages, %d processes %ld to %ld", m + 1, groups, n, before,
	       after);
	EXPECT_LE(1, m);
	EXPECT_LE(7, n);
	EXPECT_GE(slack, labs(groups - before));
	/* Or it would mean nothing. */
	EXPECT_GT(SHARED, slack);
}

TEST_F(phys, zygote)
{
	long p = bc_map_filled(0, SHARED);
	char group[5][BC_DIR];

	ASSERT_LT(0, p);
	fork_kids(_metadata, self->dir, group, 4);
	check_sum(_metadata);
	check_shares(_metadata, group, 4, p);
	check_sum(_metadata);
	/* With one of them in the root. */
	EXPECT_LT(0, bc_map_filled(4, 2 * SHARED));
	EXPECT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", bc_puppets[4].pid));
	EXPECT_EQ(0, bc_get(group[4], pss));
	check_sum(_metadata);
}

/* Huge pages count page by page, also when they are mapped in parts. */
TEST_F(phys, huge)
{
	char group[2][BC_DIR], proc[32];
	long base, p;

	p = bc_map_huge(0, 1);
	if (p == -EINVAL)
		SKIP(return, "no huge pages");
	ASSERT_LT(0, p);
	base = bc_get(self->a, pss);
	EXPECT_EQ(0, bc_call(0, BC_CALL_TOUCH, p));
	bc_proc_dir(proc, sizeof(proc), 0);
	if (bc_kb_of(proc, "smaps_rollup", "AnonHugePages") < (long)BC_HUGE / 1024)
		SKIP(return, "no huge page to be had");
	EXPECT_NEAR(base + (long)BC_HUGE_PAGES, bc_get(self->a, pss));
	EXPECT_TRUE(agrees(self->a, 0));

	fork_kids(_metadata, self->dir, group, 1);
	base = bc_get(self->a, pss);
	EXPECT_TRUE(agrees(self->a, 0));
	EXPECT_TRUE(agrees(self->b, 1));
	/* A hundred pages that were half its own. */
	EXPECT_EQ(0, bc_call(1, SYS_munmap, p, 100 * BC_PAGE));
	EXPECT_NEAR(base + 50, bc_get(self->a, pss));
	EXPECT_TRUE(agrees(self->a, 0));
	EXPECT_TRUE(agrees(self->b, 1));
}

static bool same_pss(const char *dir)
{
	return agrees(dir, 1);
}

static int read_pss(const char *dir)
{
	long val = bc_get(dir, pss);

	return val < 0 ? val : 0;
}

static void nothing_to_undo(const char *dir)
{
}

/*
 * Processes with the same memory: it counts once, where it is, however many they are; also
 * when the one that has made it is gone, and the group, too.
 */
TEST_F(phys, same_memory)
{
	char c[BC_DIR];

	bc_child(c, self->a, "c");
	ASSERT_EQ(0, mkdir(c, 0755));
	EXPECT_EQ(0, bc_write(c, "tasks", "%d", bc_puppets[0].pid));
	EXPECT_LT(0, bc_map_filled(0, SHARED));
	ASSERT_EQ(0, bc_puppet_fork(0, 1, BC_CALL_VFORK));
	ASSERT_EQ(0, bc_puppet_fork(0, 2, BC_CALL_VFORK));
	bc_warm_up(1);
	bc_warm_up(2);
	EXPECT_TRUE(agrees(c, 0));
	EXPECT_EQ(0, bc_write(self->b, "tasks", "%d", bc_puppets[1].pid));
	EXPECT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", bc_puppets[2].pid));
	EXPECT_TRUE(agrees(c, 1));
	EXPECT_TRUE(agrees(self->a, 2));
	EXPECT_EQ(0, bc_get(self->b, pss));

	bc_puppet_kill(0);
	EXPECT_TRUE(agrees(c, 1));
	EXPECT_TRUE(agrees(self->a, 2));
	EXPECT_EQ(0, bc_get(self->b, pss));
	EXPECT_EQ(0, rmdir(c));
	EXPECT_TRUE(agrees(self->a, 1));
	EXPECT_TRUE(agrees(self->dir, 2));
	EXPECT_EQ(0, bc_get(self->b, pss));

	/* That they were met is remembered, if there is memory for it. */
	if (bc_fail_set_up()) {
		/* By this name, lab/check-log knows whose failures are on purpose. */
		prctl(PR_SET_NAME, "test_failslab");
		bc_fail_each(_metadata, read_pss, nothing_to_undo, same_pss, self->a, "pss");
	}
	bc_puppet_kill(1);
	EXPECT_TRUE(agrees(self->a, 2));
}

TEST_F(phys, swapped)
{
	long p = bc_map_filled(0, SHARED), base;

	ASSERT_LT(0, p);
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	base = bc_get(self->a, pss);
	EXPECT_EQ(-EAGAIN, bc_write(self->a, "physpages/reclaim", "1G"));
	EXPECT_LE(SHARED - 20, bc_pages_of(0, "VmSwap"));
	EXPECT_GE(base - (SHARED - 20), bc_get(self->a, pss));
	EXPECT_TRUE(agrees(self->a, 0));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, SHARED));
	EXPECT_TRUE(agrees(self->a, 0));
}

static void come_and_go(const char *dir)
{
	pid_t pid = fork();
	char page[4 * BC_PAGE];

	if (pid == 0) {
		bc_write(dir, "tasks", "0");
		memset(page, 1, sizeof(page));
		_exit(page[0] != 1);
	}
	waitpid(pid, NULL, 0);
}

/* Processes that come and go, and one that maps and unmaps, while it is read. */
TEST_F(phys, busy)
{
	double end = bc_end_time(2);
	int reads = 0;
	pid_t pid;

	ASSERT_EQ(0, bc_start_in(self->b, 1));
	/* Not less than this, wherever the walk has to let go of the lock. */
	ASSERT_LT(0, bc_map_filled(1, SHARED));
	pid = bc_background(come_and_go, self->a);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, bc_call_send(1, &(struct bc_call){ .nr = BC_CALL_STORM, .arg = { 64 } }));
	do {
		ASSERT_LT(0, bc_get(self->a, pss));
		ASSERT_LE(SHARED, bc_get(self->b, pss));
		ASSERT_LT(0, bc_get(BC_ROOT, pss));
		reads++;
	} while (bc_now() < end);
	TH_LOG("read %d times", reads);
	bc_reap(pid);
	EXPECT_EQ(0, bc_call_send(1, &(struct bc_call){ .nr = SYS_getpid }));
	EXPECT_EQ(0, bc_call_answer(1));
	EXPECT_EQ(bc_puppets[1].pid, bc_call_answer(1));
	EXPECT_TRUE(agrees(self->b, 1));
	/* The last one may be on its way out. */
	for (reads = 0; reads < 500 && bc_count(self->a, "tasks", 0) != 1; reads++)
		usleep(10000);
	EXPECT_TRUE(agrees(self->a, 0));
}

static void nothing(int sig)
{
}

/* A signal ends it. */
TEST_F(phys, signal)
{
	static const struct itimerval ticks = { { 0, 2000 }, { 0, 2000 } }, none;
	double end = bc_now() + 10;
	long val;

	signal(SIGALRM, nothing);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &ticks, NULL));
	do {
		val = bc_get(BC_ROOT, pss);
	} while (val >= 0 && bc_now() < end);
	setitimer(ITIMER_REAL, &none, NULL);
	signal(SIGALRM, SIG_DFL);
	EXPECT_EQ(-EINTR, val);
	EXPECT_LT(0, bc_get(BC_ROOT, pss));
}

static int as_user(void *arg)
{
	const char *dir = arg;

	bc_become(USER, USER);
	if (bc_get(dir, "a/physpages/pss") != -EACCES)
		return 1;
	if (bc_get(BC_ROOT, pss) != -EACCES)
		return 2;
	if (bc_get(dir, "a/physpages/held") < 0)
		return 3;
	/* This one is the user's. */
	return bc_get(dir, "b/physpages/pss") == 0 ? 0 : 4;
}

TEST_F(phys, permission)
{
	ASSERT_EQ(0, bc_chown(self->b, pss, USER, USER));
	EXPECT_EQ(0, bc_in_child(as_user, self->dir));
	/* Nobody writes to it. */
	EXPECT_EQ(-EACCES, bc_write(self->a, pss, "0"));
}

TEST_HARNESS_MAIN
