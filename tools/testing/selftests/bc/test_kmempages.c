// SPDX-License-Identifier: GPL-2.0
/*
 * kmemsize of whole pages: what is in pipes, page tables, stacks, vmalloc(). A pipe is
 * what stands for all of them where it does not matter.
 */
#include <sys/mount.h>
#include <sys/resource.h>

#include "bc_failslab.h"
#include "bc_kmem.h"
#include "bc_proc.h"

#define BLOCKS	"/sys/devices/system/memory"

static const char held[] = "kmemsize/held";
static const char limit[] = "kmemsize/limit";
static const char failcnt[] = "kmemsize/failcnt";

enum {
	PIPE_PAGES = 64,
	TABLES = 32,
	TABLE_SPAN = 2 << 20,	/* a page of a page table maps as much, or more */
	STACK = 16384,		/* or more */
};

static long page_size;
static int fds[2] = { -1, -1 };

/* Put @n pages into the pipe. How many, or -errno. */
static int fill(long n)
{
	static char page[65536];
	long i;

	for (i = 0; i < n; i++) {
		if (write(fds[1], page, page_size) != page_size)
			return i ?: -errno;
	}
	return i;
}

static int drain(long n)
{
	static char page[65536];
	long i;

	for (i = 0; i < n; i++) {
		if (read(fds[0], page, page_size) != page_size)
			return i ?: -errno;
	}
	return i;
}

/* So that the other one is the last to have it. */
static int close_pipe(long arg)
{
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* What is before the first group is run first, as it stands here before all others. */
FIXTURE(table) { };

FIXTURE_SETUP(table)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
}

FIXTURE_TEARDOWN(table)
{
}

FIXTURE(pages) {
	char dir[64];
	struct bc_servant p;
};

/* Booted with beancounters.pages=0? */
static bool switched_off(void)
{
	char text[8] = "";

	bc_read("/sys/module/beancounters/parameters", "pages", text, sizeof(text));
	return text[0] == 'N';
}

FIXTURE_SETUP(pages)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (switched_off())
		SKIP(return, "booted with beancounters.pages=0");
	page_size = sysconf(_SC_PAGESIZE);
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	ASSERT_EQ(0, pipe2(fds, O_NONBLOCK | O_CLOEXEC));
	ASSERT_LE(PIPE_PAGES * page_size, fcntl(fds[1], F_SETPIPE_SZ, PIPE_PAGES * page_size));

	self->p = bc_servant_start();
	ASSERT_LT(0, self->p.pid);
	/* All it needs to do so itself, it has afterwards. */
	ASSERT_EQ(2, bc_servant_do(self->p, fill, 2));
	ASSERT_EQ(2, bc_servant_do(self->p, drain, 2));
	/* The page that the pipe keeps for the next one is nobody's, and used first. */
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", self->p.pid));
	ASSERT_EQ(1, bc_servant_do(self->p, fill, 1));
	ASSERT_EQ(0, bc_get(self->dir, held));
}

FIXTURE_TEARDOWN(pages)
{
	if (!self->dir[0])
		return;
	bc_servant_kill(self->p);
	close_pipe(0);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	bc_expect_clean(_metadata, self->dir);
}

TEST_F(pages, refuse)
{
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 3 * page_size));
	EXPECT_EQ(3, bc_servant_do(self->p, fill, 4));
	EXPECT_EQ(3 * page_size, bc_get(self->dir, held));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(-ENOMEM, bc_servant_do(self->p, fill, 1));
	EXPECT_EQ(2, bc_get(self->dir, failcnt));
	EXPECT_EQ(3 * page_size, bc_get(self->dir, "kmemsize/maxheld"));

	/* One is nobody's, one is freed, and one is kept for the next. */
	EXPECT_EQ(3, drain(3));
	EXPECT_EQ(page_size, bc_get(self->dir, held));
	/* Not a byte too many: the one that was kept, and no more. */
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 2 * page_size - 1));
	EXPECT_EQ(1, bc_servant_do(self->p, fill, 2));
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 2 * page_size));
	EXPECT_EQ(1, bc_servant_do(self->p, fill, 2));
}

TEST_F(pages, refuse_above)
{
	char a[80];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	bc_path(a, self->dir, "a");
	ASSERT_EQ(0, bc_write(a, "tasks", "%d", self->p.pid));
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 2 * page_size));
	EXPECT_EQ(2, bc_servant_do(self->p, fill, 3));
	EXPECT_EQ(2 * page_size, bc_get(a, held));
	EXPECT_EQ(2 * page_size, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_get(a, failcnt));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
}

/* Pages stay with who has made them, also when the directory has gone. */
TEST_F(pages, outlive)
{
	long groups = bc_settle(BC_GROUPS, "groups", bc_live_groups());
	char a[80];

	if (groups < 0)
		SKIP(return, "the kernel does not say how many groups there are");
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	bc_path(a, self->dir, "a");
	ASSERT_EQ(0, bc_write(a, "tasks", "%d", self->p.pid));
	EXPECT_EQ(3, bc_servant_do(self->p, fill, 3));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", self->p.pid));
	EXPECT_EQ(2, bc_servant_do(self->p, fill, 2));
	EXPECT_EQ(3 * page_size, bc_get(a, held));
	EXPECT_EQ(5 * page_size, bc_get(self->dir, held));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", self->p.pid));
	EXPECT_EQ(2, bc_servant_do(self->p, fill, 2));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(5 * page_size, bc_get(self->dir, held));
	EXPECT_EQ(groups + 1, bc_get(BC_GROUPS, "groups"));

	EXPECT_EQ(0, bc_servant_do(self->p, close_pipe, 0));
	close_pipe(0);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	EXPECT_EQ(groups, bc_settle(BC_GROUPS, "groups", groups));
}

/* Page tables: as many as the process itself is said to have. */
static char *area;

static int map_area(long arg)
{
	size_t len = (TABLES + 1L) * TABLE_SPAN;

	area = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return -errno;
	madvise(area, len, MADV_NOHUGEPAGE);
	return 0;
}

static int read_area(long arg)
{
	int i, sum = 0;

	for (i = 0; i < TABLES; i++)
		sum += __atomic_load_n(area + (long)i * TABLE_SPAN, __ATOMIC_RELAXED);
	return sum;
}

static int zap_area(long arg)
{
	return munmap(area, (TABLES + 1L) * TABLE_SPAN) ? -errno : 0;
}

/* Bytes, by a line of /proc/PID/status. */
static long status_bytes(pid_t pid, const char *name)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, strlen(name)))
			kib = atol(line + strlen(name) + 1);
	}
	if (f)
		fclose(f);
	return kib * 1024;
}

TEST_F(pages, tables)
{
	long base, before;

	ASSERT_EQ(0, bc_servant_do(self->p, map_area, 0));
	base = bc_calm(self->dir, held);
	before = status_bytes(self->p.pid, "VmPTE");
	ASSERT_EQ(0, bc_servant_do(self->p, read_area, 0));
	EXPECT_LE(base + (TABLES - 1) * page_size, bc_get(self->dir, held));
	EXPECT_EQ(status_bytes(self->p.pid, "VmPTE") - before,
		  bc_get(self->dir, held) - base);
	ASSERT_EQ(0, bc_servant_do(self->p, zap_area, 0));
	EXPECT_GE(base, bc_settle(self->dir, held, 0));
}

/* As many of them as there can be, in a group that is full. */
static int read_for_ever(long arg)
{
	const long len = 1L << 40;
	int status, sum = 0;
	pid_t pid = fork();
	char *p;
	long i;

	if (pid == 0) {
		p = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			 -1, 0);
		if (p == MAP_FAILED)
			_exit(1);
		madvise(p, len, MADV_NOHUGEPAGE);
		for (i = 0; i < len; i += TABLE_SPAN)
			sum += __atomic_load_n(p + i, __ATOMIC_RELAXED);
		_exit(sum);
	}
	if (pid < 0)
		return -errno;
	if (waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

TEST_F(pages, fault_storm)
{
	const long max = 16 << 20;

	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", max));
	EXPECT_EQ(SIGKILL, bc_servant_do(self->p, read_for_ever, 0));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_LT(max + max / 8, bc_get(self->dir, "kmemsize/maxheld"));
	EXPECT_GT(max + max / 8 + 100 * page_size, bc_get(self->dir, "kmemsize/maxheld"));
	/* All is well again, for who is left. */
	EXPECT_GT(max / 2, bc_calm(self->dir, held));
	EXPECT_EQ(3, bc_servant_do(self->p, fill, 3));
}

/* Has kmemsize refused so much at once, since the trace was emptied? */
static bool refused(long amount)
{
	static char text[1 << 20];
	char what[64];
	size_t n = 0;
	ssize_t ret;
	int fd = open(BC_TRACING "/trace", O_RDONLY | O_CLOEXEC);

	while ((ret = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += ret;
	close(fd);
	text[n] = '\0';
	snprintf(what, sizeof(what), "kmemsize amount=%ld ", amount);
	return strstr(text, what);
}

/* By each step of 4 KB: at each page that it needs, and at what is between them. */
TEST_F(pages, fork)
{
	long base, room;
	int ret = -1;

	bc_tracing();
	bc_write(BC_TRACING, "trace", "0");
	bc_write(BC_TRACING, "events/bc/bc_charge_fail/enable", "1");

	ASSERT_EQ(0, bc_servant_do(self->p, bc_do_fork, 0));
	base = bc_calm(self->dir, held);
	for (room = 0; room < 4096 * 1024 && ret; room += 4096) {
		ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", base + room));
		ret = bc_servant_do(self->p, bc_do_fork, 0);
		if (ret)
			EXPECT_EQ(-ENOMEM, ret);
		ASSERT_EQ(0, bc_write(self->dir, limit, "max"));
		EXPECT_EQ(base, bc_settle(self->dir, held, base));
	}
	EXPECT_EQ(0, ret);
	/* Page tables, and a stack, which is twice as large with KASAN. */
	if (!access(BC_TRACING "/events/bc", F_OK)) {
		EXPECT_TRUE(refused(page_size));
		EXPECT_TRUE(refused(STACK) || refused(2 * STACK));
		bc_write(BC_TRACING, "events/bc/bc_charge_fail/enable", "0");
	}
	TH_LOG("a fork needs %ld to %ld bytes", room - 8192, room - 4096);
}

static int thread_pipe[2];
static pthread_t threads[8];

static void *wait_for_end(void *arg)
{
	char c;

	if (read(thread_pipe[0], &c, 1))
		abort();
	return NULL;
}

static int start_threads(long n)
{
	long i;
	int ret;

	if (pipe(thread_pipe))
		return -errno;
	for (i = 0; i < n; i++) {
		ret = pthread_create(&threads[i], NULL, wait_for_end, NULL);
		if (ret)
			return -ret;
	}
	return i;
}

static int end_threads(long n)
{
	close(thread_pipe[1]);
	while (n--)
		pthread_join(threads[n], NULL);
	close(thread_pipe[0]);
	return 0;
}

/* The kernel keeps the stack of who has gone. It is not the group's any more. */
TEST_F(pages, stacks)
{
	long base;

	/* What the C library keeps, too. */
	ASSERT_EQ(8, bc_servant_do(self->p, start_threads, 8));
	ASSERT_EQ(0, bc_servant_do(self->p, end_threads, 8));
	base = bc_calm(self->dir, held);
	ASSERT_EQ(8, bc_servant_do(self->p, start_threads, 8));
	EXPECT_LE(base + 8 * STACK, bc_get(self->dir, held));
	ASSERT_EQ(0, bc_servant_do(self->p, end_threads, 8));
	EXPECT_EQ(base, bc_settle(self->dir, held, base));
	bc_do_fork(0);
	EXPECT_EQ(base, bc_get(self->dir, held));
}

/* A table for very many files, which is more than can be had in one piece. */
static int grow_fdtable(long fd)
{
	struct rlimit rlim = { .rlim_cur = fd + 1, .rlim_max = fd + 1 };
	int ret;

	if (setrlimit(RLIMIT_NOFILE, &rlim))
		return -errno;
	ret = dup2(0, fd) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int grow_in_child(long fd)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(-grow_fdtable(fd));
	if (pid < 0)
		return -errno;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

/* How often the kernel's log has said something, since it was last looked at. */
static int said(int log, const char *what)
{
	char buf[8192];
	ssize_t len;
	int n = 0;

	for (;;) {
		len = read(log, buf, sizeof(buf) - 1);
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			return n;
		buf[len] = '\0';
		n += !!strstr(buf, what);
	}
}

TEST_F(pages, vmalloc)
{
	const long fd = (1 << 20) - 1, size = (fd + 1) * sizeof(void *);
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	long base;

	ASSERT_EQ(0, bc_servant_do(self->p, grow_in_child, fd));
	base = bc_calm(self->dir, held);
	EXPECT_LE(size, bc_get(self->dir, "kmemsize/maxheld"));

	if (log >= 0)
		lseek(log, 0, SEEK_END);
	/* Half of it fits. */
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", base + size / 2));
	EXPECT_EQ(-ENOMEM, bc_servant_do(self->p, grow_in_child, fd));
	EXPECT_LT(0, bc_get(self->dir, failcnt));
	EXPECT_EQ(base, bc_settle(self->dir, held, base));
	if (log >= 0) {
		EXPECT_EQ(0, said(log, "vmalloc error"));
		close(log);
	}
}

/* Fill, drain, close, fork, and be moved, at a limit that is in the way. */
static int busy(long seed)
{
	int i, fd[2];
	char *buf;

	buf = mmap(NULL, 32 * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	if (buf == MAP_FAILED)
		return -errno;
	for (i = 0; !bc_told_to_stop(); i++) {
		if (pipe2(fd, O_NONBLOCK))
			continue;
		write(fd[1], buf, (1 + (seed + i) % 16) * page_size);
		if (i % 2)
			read(fd[0], buf, page_size * (1 + i % 8));
		if (i % 4 == 0)
			bc_do_fork(0);
		close(fd[0]);
		close(fd[1]);
	}
	munmap(buf, 32 * page_size);
	return i;
}

TEST_F(pages, storm)
{
	struct bc_servant p[4];
	char sub[2][80];
	double end;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, bc_mkdir(self->dir, i ? "b" : "a"));
		bc_path(sub[i], self->dir, i ? "b" : "a");
	}
	for (i = 0; i < 4; i++) {
		p[i] = bc_servant_start();
		ASSERT_LT(0, p[i].pid);
		bc_servant_tell(p[i], busy, i);
	}
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 64 * page_size));
	end = bc_end_time(5);
	for (i = 0; bc_goes_on(end, bc_get(self->dir, failcnt) > 0); i++) {
		EXPECT_EQ(0, bc_write(sub[i & 1], "tasks", "%d", p[i % 4].pid));
		usleep(3000);
	}
	for (i = 0; i < 4; i++)
		bc_servant_stop(p[i]);
	for (i = 0; i < 4; i++) {
		EXPECT_LT(0, bc_servant_answer(p[i]));
		bc_servant_kill(p[i]);
	}
	EXPECT_LT(0, bc_get(self->dir, failcnt));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, bc_settle(sub[i], held, 0));
}

/* The first block of memory after @i that can go offline, and has; or -1. */
static int take_offline(int i, char *block, size_t size)
{
	char state[16];

	for (i++; i < 256; i++) {
		snprintf(block, size, BLOCKS "/memory%d", i);
		if (!bc_read(block, "state", state, sizeof(state)) &&
		    !strcmp(state, "online\n") && !bc_write(block, "state", "offline"))
			return i;
	}
	return -1;
}

/* Memory goes offline and comes back, and can be charged then. */
TEST_F_TIMEOUT(pages, hotplug, 300)
{
	int i = -1, n = 0;
	char block[96];

	if (access(BLOCKS, F_OK))
		SKIP(return, "no memory hotplug in this kernel");
	ASSERT_EQ(PIPE_PAGES - 1, bc_servant_do(self->p, fill, PIPE_PAGES - 1));
	for (; n < 2; n++) {
		i = take_offline(i, block, sizeof(block));
		if (i < 0)
			break;
		EXPECT_EQ(PIPE_PAGES / 2, drain(PIPE_PAGES / 2));
		ASSERT_EQ(0, bc_write(block, "state", "online"));
		EXPECT_EQ(PIPE_PAGES / 2, bc_servant_do(self->p, fill, PIPE_PAGES / 2));
		EXPECT_EQ(0, bc_servant_do(self->p, bc_do_fork, 0));
	}
	if (!n)
		SKIP(return, "no block of memory could go offline");
	TH_LOG("%d blocks", n);
}

/*
 * The first group needs the table, and is not made if that cannot be had. Only seen where
 * no group was ever made, so lab/test has a guest for it alone.
 */
TEST_F_TIMEOUT(table, first, 600)
{
	bool all = getenv("BC_FAIL_ALL");
	int offline, fd, n, err;
	char block[96];

	if (switched_off())
		SKIP(return, "booted with beancounters.pages=0");
	if (bc_tables("bc_pages_enable"))
		SKIP(return, "not the first group since boot");
	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	ASSERT_EQ(0, bc_write(BC_DEBUGFS, "fail_page_alloc/min-order", "0"));
	/* The table is to grow by what was not there. */
	offline = take_offline(-1, block, sizeof(block));

	fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	/* From the middle of the table, which has 512 pages for each GB, on down. */
	for (n = 400; n > (all ? 0 : 100); n -= all ? 1 : 80) {
		ASSERT_LT(0, bc_fail_nth(fd, n));
		err = bc_mkdir(BC_ROOT, "selftest-first");
		EXPECT_TRUE(bc_fail_injected(fd));
		/* Before it, there may be some that the kernel can do without. */
		if (!err && n < 100) {
			EXPECT_EQ(0, bc_rmdir(BC_ROOT, "selftest-first"));
			break;
		}
		EXPECT_EQ(-ENOMEM, err);
		EXPECT_FALSE(bc_tables("bc_pages_enable"));
		EXPECT_EQ(-ENOENT, bc_get(BC_ROOT, "selftest-first/kmemsize/held"));
	}
	close(fd);

	ASSERT_EQ(0, bc_mkdir(BC_ROOT, "selftest-first"));
	EXPECT_TRUE(bc_tables("bc_pages_enable"));
	/* The allocator looks for an owner of each page that it gets. */
	if (offline < 0)
		TH_LOG("no block of memory could go offline");
	else
		EXPECT_EQ(0, bc_write(block, "state", "online"));
	EXPECT_EQ(0, bc_do_fork(0));
	EXPECT_EQ(0, bc_rmdir(BC_ROOT, "selftest-first"));
}

/* Who does not want it has no table, and pages do not count. */
TEST(off)
{
	struct bc_servant p;
	char dir[64];

	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (!switched_off())
		SKIP(return, "booted without beancounters.pages=0");
	page_size = sysconf(_SC_PAGESIZE);
	ASSERT_EQ(0, bc_set_up(dir, sizeof(dir)));
	ASSERT_EQ(0, pipe2(fds, O_NONBLOCK | O_CLOEXEC));
	p = bc_servant_start();
	ASSERT_LT(0, p.pid);
	ASSERT_EQ(0, bc_write(dir, "tasks", "%d", p.pid));
	EXPECT_EQ(8, bc_servant_do(p, fill, 8));
	EXPECT_EQ(0, bc_get(dir, held));
	EXPECT_FALSE(bc_tables("bc_pages_enable"));
	bc_servant_kill(p);
	EXPECT_EQ(NULL, bc_tear_down(dir));
}

TEST_HARNESS_MAIN
