// SPDX-License-Identifier: GPL-2.0
/*
 * nodeset: on which nodes a group's tasks have their memory, beside memory policies
 * and cgroup cpusets; that it moves on request; what happens when a node is full.
 */
#define SET_DIR "nodeset"
#define SET_LIST "nodeset/mems"
#define SET_EFFECTIVE "nodeset/effective_mems"
#define SET_EXCLUSIVE "nodeset/mem_exclusive"
#define SET_POSSIBLE "sys/devices/system/node/possible"
#define SET_USABLE "sys/devices/system/node/has_memory"
#define SET_STATUS "Mems_allowed_list"

#include <linux/mempolicy.h>

#include "bc_sets.h"

#define MIGRATE "nodeset/memory_migrate"
#define PRESSURE "nodeset/memory_pressure"
#define ENABLED "nodeset/memory_pressure_enabled"
#define SPREAD_PAGE "nodeset/memory_spread_page"
#define SPREAD_SLAB "nodeset/memory_spread_slab"

#define PAGE 4096UL
#define SOME 256	/* pages: a megabyte */
#define MANY 4096	/* pages: 16 */

/* What is done to memory is done by puppets, to memory of their own. */
static char *area;

/* New memory, that is not there yet. */
static long new_area(long pages)
{
	area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return area == MAP_FAILED ? -errno : 0;
}

static long touch_area(long pages)
{
	long i;

	for (i = 0; i < pages; i++)
		area[i * PAGE] = i + 1;
	return 0;
}

static long new_touched(long pages)
{
	return new_area(pages) ?: touch_area(pages);
}

static long new_shared(long pages)
{
	area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return area == MAP_FAILED ? -errno : touch_area(pages);
}

/* How many pages are on a node: pages in the upper half of @arg. */
#define ON(node, pages) ((long)(pages) << 32 | (node))

static long count_on(long arg)
{
	static void *page[MANY];
	static int where[MANY];
	long i, n = 0, pages = arg >> 32;
	int node = arg & INT_MAX;

	for (i = 0; i < pages; i++)
		page[i] = area + i * PAGE;
	/* No nodes to go to: it only says where they are. */
	if (syscall(SYS_move_pages, 0, pages, page, NULL, where, 0))
		return -errno;
	for (i = 0; i < pages; i++)
		n += where[i] == node;
	return n;
}

/* The same by another call, for the first page. */
static long node_of_first(long unused)
{
	int node;

	if (syscall(SYS_get_mempolicy, &node, NULL, 0UL, area,
		    (long)(MPOL_F_NODE | MPOL_F_ADDR)))
		return -errno;
	return node;
}

/* Policies, with a mode in the upper half. */
#define POLICY(mode, nodes) ((long)(mode) << 32 | (nodes))

static long set_policy(long arg)
{
	unsigned long nodes = arg & INT_MAX;

	return syscall(SYS_set_mempolicy, arg >> 32, nodes ? &nodes : NULL, 63UL) ?
	       -errno : 0;
}

static long bind_area(long arg)
{
	unsigned long nodes = arg & INT_MAX;

	return syscall(SYS_mbind, area, SOME * PAGE, arg >> 32, &nodes, 63UL, 0UL) ?
	       -errno : 0;
}

static long policy_nodes(long of_area)
{
	unsigned long nodes = 0;
	int mode;

	if (syscall(SYS_get_mempolicy, &mode, &nodes, 64UL, of_area ? area : NULL,
		    of_area ? (long)MPOL_F_ADDR : 0L))
		return -errno;
	return nodes;
}

/* From, and to. */
static long migrate(long arg)
{
	unsigned long from = arg >> 32, to = arg & INT_MAX;
	long ret = syscall(SYS_migrate_pages, 0, 63UL, &from, &to);

	return ret < 0 ? -errno : ret;
}

static long move_first(long node)
{
	int to = node, status = -1;
	void *page = area;
	long ret = syscall(SYS_move_pages, 0, 1UL, &page, &to, &status, MPOL_MF_MOVE);

	return ret < 0 ? -errno : status;
}

static long become_user(long unused)
{
	bc_become(SET_USER, SET_USER);
	return 0;
}

/* Run on a CPU of that node, if it has one: so that its memory is what comes first. */
static long run_on_node(long node)
{
	unsigned long mask[128] = { 0 };
	char file[64];
	long cpus;

	snprintf(file, sizeof(file), "sys/devices/system/node/node%ld/cpulist", node);
	cpus = set_get("/", file);
	if (cpus <= 0)
		return 0;
	mask[0] = cpus;
	return syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask) ? -errno : 0;
}

static int mems(struct _test_data_sets *self, const char *group, const char *list)
{
	char file[64];

	snprintf(file, sizeof(file), "%s/" SET_LIST, group);
	return bc_write(self->dir, file, "%s", list);
}

static int join(struct _test_data_sets *self, const char *group, struct puppet p)
{
	char file[64];

	snprintf(file, sizeof(file), "%s/tasks", group);
	return bc_write(self->dir, file, "%d", p.pid);
}

/* Nearly all: a page that somebody else holds for a moment cannot be moved. */
static bool most(long n, long of)
{
	return n >= of - of / 64 && n <= of;
}

TEST_F(sets, flags)
{
	static const char * const flags[] = { MIGRATE, SPREAD_PAGE, SPREAD_SLAB };
	static const char * const bad[] = { "2", "-1", "x", "1x", "\n", "on" };
	char path[PATH_MAX], file[64];
	struct stat st;
	size_t i, j;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		bc_path(path, self->dir, flags[i]);
		ASSERT_EQ(0, stat(path, &st)) {
			TH_LOG("%s", flags[i]);
		}
		EXPECT_EQ((mode_t)(S_IFREG | 0644), st.st_mode);
		EXPECT_EQ(0, bc_get(BC_ROOT, flags[i]));
		EXPECT_EQ(-EACCES, bc_write(BC_ROOT, flags[i], "0"));
		EXPECT_EQ(-EACCES, bc_write(BC_ROOT, flags[i], "1"));
		EXPECT_EQ(0, bc_get(BC_ROOT, flags[i]));
		EXPECT_EQ(0, bc_get(self->dir, flags[i]));
		for (j = 0; j < ARRAY_SIZE(bad); j++) {
			EXPECT_EQ(-EINVAL, bc_write(self->dir, flags[i], "%s",
						    bad[j])) {
				TH_LOG("%s: '%s'", flags[i], bad[j]);
			}
			EXPECT_EQ(0, bc_get(self->dir, flags[i]));
		}
		EXPECT_EQ(0, bc_write(self->dir, flags[i], "1\n"));
		for (j = 0; j < ARRAY_SIZE(flags); j++)
			EXPECT_EQ(i == j, bc_get(self->dir, flags[j]));
		/* New groups have it from their parent, those that exist do not. */
		snprintf(file, sizeof(file), "a/%s", flags[i]);
		EXPECT_EQ(0, bc_get(self->dir, file));
		ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
		for (j = 0; j < ARRAY_SIZE(flags); j++) {
			snprintf(file, sizeof(file), "b/%s", flags[j]);
			EXPECT_EQ(i == j, bc_get(self->dir, file));
		}
		ASSERT_EQ(0, bc_rmdir(self->dir, "b"));
		EXPECT_EQ(0, bc_write(self->dir, flags[i], "0"));
		EXPECT_EQ(0, bc_get(self->dir, flags[i]));
	}
}

TEST_F(sets, pressure_files)
{
	static const char * const bad[] = { "2", "-1", "x", "1x", "\n", "on" };
	size_t i;

	if (bc_get(BC_ROOT, ENABLED))
		SKIP(return, "somebody measures memory pressure");
	self->pressure = true;
	EXPECT_EQ(-ENOENT, bc_get(self->dir, ENABLED));
	EXPECT_EQ(0, bc_get(self->dir, PRESSURE));
	EXPECT_EQ(-EACCES, bc_write(self->dir, PRESSURE, "0"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, ENABLED, "%s", bad[i])) {
			TH_LOG("'%s'", bad[i]);
		}
		EXPECT_EQ(0, bc_get(BC_ROOT, ENABLED));
	}
	EXPECT_EQ(0, bc_write(BC_ROOT, ENABLED, "1"));
	EXPECT_EQ(1, bc_get(BC_ROOT, ENABLED));
	EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, ENABLED, "2"));
	EXPECT_EQ(1, bc_get(BC_ROOT, ENABLED));
	/* Nobody is in there who could have caused any. */
	EXPECT_EQ(0, bc_get(self->dir, PRESSURE));
	EXPECT_EQ(0, bc_write(BC_ROOT, ENABLED, "0"));
	EXPECT_EQ(0, bc_get(BC_ROOT, ENABLED));
}

/* New pages come from there, wherever the CPU is. Old ones stay. */
TEST_F(sets, faults)
{
	struct puppet p = puppet_start();
	int to, cpu;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, mems(self, "a", "0"));
	ASSERT_EQ(0, join(self, "a", p));
	for (to = 1; to >= 0; to--) {
		ASSERT_EQ(0, mems(self, "a", to ? "1" : "0"));
		for (cpu = 0; cpu < 2; cpu++) {
			ASSERT_EQ(0, puppet(p, run_on_node, cpu));
			ASSERT_EQ(0, puppet(p, new_touched, SOME));
			EXPECT_EQ(SOME, puppet(p, count_on, ON(to, SOME)));
			EXPECT_EQ(to, puppet(p, node_of_first, 0));
			ASSERT_EQ(0, puppet(p, new_shared, SOME));
			EXPECT_EQ(SOME, puppet(p, count_on, ON(to, SOME)));
		}
		ASSERT_EQ(0, mems(self, "a", to ? "0" : "1"));
		EXPECT_EQ(SOME, puppet(p, count_on, ON(to, SOME)));
	}
	/* Free again, it takes what is near. */
	ASSERT_EQ(0, mems(self, "a", "0-1"));
	ASSERT_EQ(0, puppet(p, run_on_node, 0));
	ASSERT_EQ(0, puppet(p, new_touched, SOME));
	EXPECT_LT(0, puppet(p, count_on, ON(0, SOME)));
	puppet_end(p);
}

TEST_F(sets, migrate_change)
{
	struct puppet p = puppet_start();

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, mems(self, "a", "0"));
	ASSERT_EQ(0, puppet(p, set_add_threads, 2));
	ASSERT_EQ(0, join(self, "a", p));
	ASSERT_EQ(0, puppet(p, new_touched, MANY));
	EXPECT_EQ(MANY, puppet(p, count_on, ON(0, MANY)));
	/* Not asked for. Turning it on later does nothing by itself. */
	ASSERT_EQ(0, mems(self, "a", "1"));
	EXPECT_EQ(MANY, puppet(p, count_on, ON(0, MANY)));
	ASSERT_EQ(0, bc_write(self->dir, "a/" MIGRATE, "1"));
	EXPECT_EQ(MANY, puppet(p, count_on, ON(0, MANY)));
	/* More is no reason to move. */
	ASSERT_EQ(0, mems(self, "a", "0-1"));
	EXPECT_EQ(MANY, puppet(p, count_on, ON(0, MANY)));
	/* When the write is done, they are there. */
	ASSERT_EQ(0, mems(self, "a", "1"));
	EXPECT_TRUE(most(puppet(p, count_on, ON(1, MANY)), MANY)) {
		TH_LOG("%ld moved", puppet(p, count_on, ON(1, MANY)));
	}
	ASSERT_EQ(0, mems(self, "a", "0"));
	EXPECT_TRUE(most(puppet(p, count_on, ON(0, MANY)), MANY));
	/* Refused is refused: nothing is moved. */
	EXPECT_EQ(-ENOSPC, mems(self, "a", "\n"));
	EXPECT_TRUE(most(puppet(p, count_on, ON(0, MANY)), MANY));
	puppet_end(p);
}

TEST_F(sets, migrate_attach)
{
	struct puppet p = puppet_start();

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, mems(self, "a", "0"));
	ASSERT_EQ(0, mems(self, "b", "1"));
	ASSERT_EQ(0, puppet(p, set_add_threads, 2));
	ASSERT_EQ(0, join(self, "a", p));
	ASSERT_EQ(0, puppet(p, new_touched, MANY));
	EXPECT_EQ(MANY, puppet(p, count_on, ON(0, MANY)));
	ASSERT_EQ(0, join(self, "b", p));
	EXPECT_EQ(MANY, puppet(p, count_on, ON(0, MANY)));
	/* It is the new group that says so. */
	ASSERT_EQ(0, join(self, "a", p));
	ASSERT_EQ(0, bc_write(self->dir, "a/" MIGRATE, "1"));
	ASSERT_EQ(0, join(self, "b", p));
	EXPECT_EQ(MANY, puppet(p, count_on, ON(0, MANY)));
	ASSERT_EQ(0, join(self, "a", p));
	ASSERT_EQ(0, bc_write(self->dir, "b/" MIGRATE, "1"));
	ASSERT_EQ(0, join(self, "b", p));
	EXPECT_TRUE(most(puppet(p, count_on, ON(1, MANY)), MANY)) {
		TH_LOG("%ld moved", puppet(p, count_on, ON(1, MANY)));
	}
	ASSERT_EQ(0, join(self, "a", p));
	EXPECT_TRUE(most(puppet(p, count_on, ON(0, MANY)), MANY));
	/* To where there is no restriction, there is no reason. */
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", p.pid));
	EXPECT_TRUE(most(puppet(p, count_on, ON(0, MANY)), MANY));
	puppet_end(p);
}

/* Asked for outside: an error, or what of it is inside. */
TEST_F(sets, policies)
{
	struct puppet p = puppet_start();

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, mems(self, "a", "1"));
	ASSERT_EQ(0, join(self, "a", p));
	EXPECT_EQ(-EINVAL, puppet(p, set_policy, POLICY(MPOL_BIND, 1)));
	EXPECT_EQ(-EINVAL, puppet(p, set_policy, POLICY(MPOL_INTERLEAVE, 1)));
	EXPECT_EQ(0, puppet(p, policy_nodes, 0));
	EXPECT_EQ(0, puppet(p, set_policy, POLICY(MPOL_BIND, 3)));
	EXPECT_EQ(2, puppet(p, policy_nodes, 0));
	EXPECT_EQ(0, puppet(p, set_policy, POLICY(MPOL_INTERLEAVE, 3)));
	EXPECT_EQ(2, puppet(p, policy_nodes, 0));
	ASSERT_EQ(0, puppet(p, new_touched, SOME));
	EXPECT_EQ(SOME, puppet(p, count_on, ON(1, SOME)));
	EXPECT_EQ(0, puppet(p, set_policy, POLICY(MPOL_DEFAULT, 0)));

	ASSERT_EQ(0, puppet(p, new_area, SOME));
	EXPECT_EQ(-EINVAL, puppet(p, bind_area, POLICY(MPOL_BIND, 1)));
	EXPECT_EQ(0, puppet(p, bind_area, POLICY(MPOL_BIND, 3)));
	EXPECT_EQ(2, puppet(p, policy_nodes, 1));
	ASSERT_EQ(0, puppet(p, touch_area, SOME));
	EXPECT_EQ(SOME, puppet(p, count_on, ON(1, SOME)));
	puppet_end(p);
}

/* Policies from before follow the group. */
TEST_F(sets, rebind)
{
	struct puppet p = puppet_start();
	long n;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, mems(self, "a", "0-1"));
	ASSERT_EQ(0, join(self, "a", p));
	ASSERT_EQ(0, puppet(p, set_policy, POLICY(MPOL_INTERLEAVE, 3)));
	ASSERT_EQ(0, puppet(p, new_touched, SOME));
	n = puppet(p, count_on, ON(1, SOME));
	EXPECT_TRUE(n > SOME / 4 && n < SOME * 3 / 4) {
		TH_LOG("%ld", n);
	}
	ASSERT_EQ(0, mems(self, "a", "1"));
	EXPECT_EQ(2, puppet(p, policy_nodes, 0));
	ASSERT_EQ(0, puppet(p, new_touched, SOME));
	EXPECT_EQ(SOME, puppet(p, count_on, ON(1, SOME)));
	ASSERT_EQ(0, mems(self, "a", "0"));
	EXPECT_EQ(1, puppet(p, policy_nodes, 0));
	ASSERT_EQ(0, puppet(p, new_touched, SOME));
	EXPECT_EQ(SOME, puppet(p, count_on, ON(0, SOME)));

	/* Of a range of memory; and by a move instead of a change. */
	ASSERT_EQ(0, puppet(p, set_policy, POLICY(MPOL_DEFAULT, 0)));
	ASSERT_EQ(0, mems(self, "a", "0-1"));
	ASSERT_EQ(0, puppet(p, new_area, SOME));
	ASSERT_EQ(0, puppet(p, bind_area, POLICY(MPOL_INTERLEAVE, 3)));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, mems(self, "b", "1"));
	ASSERT_EQ(0, join(self, "b", p));
	EXPECT_EQ(2, puppet(p, policy_nodes, 1));
	ASSERT_EQ(0, puppet(p, touch_area, SOME));
	EXPECT_EQ(SOME, puppet(p, count_on, ON(1, SOME)));

	/* Static nodes are meant as they are: less for a while, then all again. */
	ASSERT_EQ(0, join(self, "a", p));
	ASSERT_EQ(0, puppet(p, set_policy,
			    POLICY(MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, 3)));
	ASSERT_EQ(0, mems(self, "a", "1"));
	ASSERT_EQ(0, puppet(p, new_touched, SOME));
	EXPECT_EQ(SOME, puppet(p, count_on, ON(1, SOME)));
	ASSERT_EQ(0, mems(self, "a", "0-1"));
	ASSERT_EQ(0, puppet(p, new_touched, SOME));
	n = puppet(p, count_on, ON(1, SOME));
	EXPECT_TRUE(n > SOME / 4 && n < SOME * 3 / 4) {
		TH_LOG("%ld", n);
	}
	puppet_end(p);
}

/* As man pages say: EINVAL when no node is left, EPERM for who has no CAP_SYS_NICE. */
TEST_F(sets, migrate_pages)
{
	struct puppet p = puppet_start();

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, mems(self, "a", "1"));
	ASSERT_EQ(0, join(self, "a", p));
	ASSERT_EQ(0, puppet(p, new_touched, SOME));
	EXPECT_EQ(-EINVAL, puppet(p, migrate, POLICY(2, 1)));
	EXPECT_EQ(-EACCES, puppet(p, move_first, 0));
	EXPECT_EQ(SOME, puppet(p, count_on, ON(1, SOME)));
	/* Inside it works: pages from before, that are outside, come in. */
	ASSERT_EQ(0, mems(self, "a", "0"));
	EXPECT_LE(0, puppet(p, migrate, POLICY(2, 1)));
	EXPECT_TRUE(most(puppet(p, count_on, ON(0, SOME)), SOME));
	ASSERT_EQ(0, mems(self, "a", "1"));
	EXPECT_EQ(1, puppet(p, move_first, 1));
	ASSERT_EQ(0, puppet(p, become_user, 0));
	EXPECT_EQ(-EPERM, puppet(p, migrate, POLICY(2, 1)));
	EXPECT_EQ(-EACCES, puppet(p, move_first, 0));
	puppet_end(p);
}

/* Where the file is that file_area() maps: of a file system with a plain page cache. */
static char file_path[128];

/* A new file, and its pages. */
static long file_area(long pages)
{
	char buf[PAGE] = "x";
	long i, sum = 0;
	int fd;

	unlink(file_path);
	fd = open(file_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	for (i = 0; i < pages; i++) {
		if (write(fd, buf, sizeof(buf)) != (ssize_t)sizeof(buf))
			return -EIO;
	}
	area = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (area == MAP_FAILED)
		return -errno;
	for (i = 0; i < pages; i++)
		sum += area[i * PAGE];
	return sum == 'x' * pages ? 0 : -EIO;
}

/*
 * ramfs, because tmpfs has its own way to allocate pages. Nothing of it is seen for
 * slabs: 6.12 has no allocator that would care.
 */
TEST_F(sets, spread_page)
{
	struct puppet p;
	long n;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	snprintf(self->ramfs, sizeof(self->ramfs), "/tmp/selftest-ramfs-%d", getpid());
	ASSERT_EQ(0, mkdir(self->ramfs, 0700));
	if (mount("none", self->ramfs, "ramfs", 0, NULL)) {
		rmdir(self->ramfs);
		self->ramfs[0] = '\0';
		SKIP(return, "no ramfs here");
	}
	snprintf(file_path, sizeof(file_path), "%s/file", self->ramfs);
	p = puppet_start();
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, join(self, "a", p));
	ASSERT_EQ(0, puppet(p, run_on_node, 0));
	ASSERT_EQ(0, puppet(p, file_area, SOME));
	/* What is near, if there is enough of it: there should be. */
	EXPECT_GE(SOME / 8, puppet(p, count_on, ON(1, SOME)));
	/* For who is in there already. */
	ASSERT_EQ(0, bc_write(self->dir, "a/" SPREAD_PAGE, "1"));
	ASSERT_EQ(0, puppet(p, file_area, SOME));
	n = puppet(p, count_on, ON(1, SOME));
	EXPECT_TRUE(n > SOME / 4 && n < SOME * 3 / 4) {
		TH_LOG("%ld", n);
	}
	/* Not outside. */
	ASSERT_EQ(0, mems(self, "a", "0"));
	ASSERT_EQ(0, puppet(p, file_area, SOME));
	EXPECT_EQ(SOME, puppet(p, count_on, ON(0, SOME)));
	ASSERT_EQ(0, mems(self, "a", "0-1"));
	/* Who leaves it behind, and who comes in. */
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", p.pid));
	ASSERT_EQ(0, puppet(p, file_area, SOME));
	EXPECT_GE(SOME / 8, puppet(p, count_on, ON(1, SOME)));
	ASSERT_EQ(0, join(self, "a", p));
	ASSERT_EQ(0, puppet(p, file_area, SOME));
	n = puppet(p, count_on, ON(1, SOME));
	EXPECT_TRUE(n > SOME / 4 && n < SOME * 3 / 4) {
		TH_LOG("%ld", n);
	}
	ASSERT_EQ(0, bc_write(self->dir, "a/" SPREAD_PAGE, "0"));
	ASSERT_EQ(0, puppet(p, file_area, SOME));
	EXPECT_GE(SOME / 8, puppet(p, count_on, ON(1, SOME)));
	puppet_end(p);
}

static int cg_mems(struct _test_data_sets *self, const char *list)
{
	return bc_write(self->cg, "cpuset.mems", "%s", list);
}

/* Two masters, as with CPUs: see test_cpuset. */
TEST_F(sets, cgroup)
{
	struct puppet p = puppet_start();

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	if (set_cgroup(self))
		SKIP(return, "no cgroup cpusets here");
	ASSERT_EQ(0, puppet(p, set_add_threads, 2));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, mems(self, "a", "0-1"));
	ASSERT_EQ(0, cg_mems(self, "1"));
	ASSERT_EQ(0, join(self, "a", p));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 3));
	ASSERT_EQ(0, bc_write(self->cg, "cgroup.procs", "%d", p.pid));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 2));
	/* What they set does not undo ours. */
	ASSERT_EQ(0, mems(self, "a", "1"));
	ASSERT_EQ(0, cg_mems(self, "0-1"));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 2));
	ASSERT_EQ(0, puppet(p, new_touched, SOME));
	EXPECT_EQ(SOME, puppet(p, count_on, ON(1, SOME)));
	ASSERT_EQ(0, mems(self, "a", "0-1"));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 3));
	/* What we set does not undo theirs. */
	ASSERT_EQ(0, cg_mems(self, "1"));
	ASSERT_EQ(0, mems(self, "a", "1"));
	ASSERT_EQ(0, mems(self, "a", "0-1"));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 2));
	EXPECT_EQ(-EINVAL, puppet(p, set_policy, POLICY(MPOL_BIND, 1)));
	/* Nothing in common: the cgroup's, until there is again. */
	ASSERT_EQ(0, mems(self, "a", "0"));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 2));
	ASSERT_EQ(0, puppet(p, new_touched, SOME));
	EXPECT_EQ(SOME, puppet(p, count_on, ON(1, SOME)));
	ASSERT_EQ(0, cg_mems(self, "0-1"));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 1));
	ASSERT_EQ(0, cg_mems(self, "1"));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 2));
	ASSERT_EQ(0, mems(self, "a", "1"));
	ASSERT_EQ(0, bc_write(self->mnt, "cgroup.procs", "%d", p.pid));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 2));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", p.pid));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 3));
	puppet_end(p);
}

static int free_mb(int node)
{
	char file[64], buf[4096], *p;

	snprintf(file, sizeof(file), "sys/devices/system/node/node%d/meminfo", node);
	if (bc_read("/", file, buf, sizeof(buf)))
		return -1;
	p = strstr(buf, "MemFree:");
	return p ? atoi(p + 8) / 1024 : -1;
}

/* A child takes all memory that it can get. Nothing can be reclaimed: it dies of it. */
static pid_t hog(const char *dir)
{
	pid_t pid = fork();

	if (pid == 0) {
		bc_die_with_parent();
		prctl(PR_SET_NAME, "bc_oom_hog");
		if (bc_write(dir, "tasks", "0"))
			_exit(1);
		for (;;) {
			if (mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE |
				 MAP_ANONYMOUS | MAP_POPULATE | MAP_NORESERVE, -1,
				 0) == MAP_FAILED)
				_exit(2);
		}
	}
	return pid;
}

/*
 * Which signal it died of, however long that takes, as long as it goes on taking memory. Not
 * waited for without end: that would be the deadlock.
 */
static int died_of(pid_t pid)
{
	int status, before, now = free_mb(1);
	bool dead;

	do {
		before = now;
		dead = SET_POLL(waitpid(pid, &status, WNOHANG) == pid) ||
			SET_POLL(waitpid(pid, &status, WNOHANG) == pid);
		now = free_mb(1);
	} while (!dead && now < before);
	if (!dead) {
		bc_reap(pid);
		return -ETIME;
	}
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

/*
 * A node is full, and the group may use no other. Its task is killed, and nobody who
 * sits on the other node, where there is room: not even one who asks for it.
 * Meanwhile the group is changed, to see that nobody waits for somebody who waits.
 */
TEST_F_TIMEOUT(sets, full_node, 1200)
{
	struct puppet innocent = puppet_start();
	char path[PATH_MAX];
	int room, i;
	pid_t pid;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	room = free_mb(1);
	if (room < 0 || room > 2000 || free_mb(0) < 100)
		SKIP(return, "%d MB free on node 1: too much to fill, or no room on 0",
		     room);
	if (bc_get(BC_ROOT, ENABLED))
		SKIP(return, "somebody measures memory pressure");
	self->pressure = true;
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, mems(self, "a", "1"));
	ASSERT_EQ(0, mems(self, "b", "0"));
	ASSERT_EQ(0, join(self, "b", innocent));
	ASSERT_EQ(0, puppet(innocent, new_touched, MANY));
	snprintf(path, sizeof(path), "/proc/%d", innocent.pid);
	ASSERT_EQ(0, bc_write(path, "oom_score_adj", "1000"));

	for (i = 0; i < 2; i++) {
		/* First without, then with a look at how hard it tries. */
		ASSERT_EQ(0, bc_write(BC_ROOT, ENABLED, "%d", i));
		bc_path(path, self->dir, "a");
		pid = hog(path);
		ASSERT_LT(0, pid);
		ASSERT_TRUE(SET_POLL(bc_count(path, "tasks", 0) > 0 ||
				     free_mb(1) < room / 2));
		EXPECT_EQ(0, bc_mkdir(path, "k"));
		EXPECT_EQ(0, bc_write(path, "k/" SET_LIST, "1"));
		EXPECT_EQ(0, bc_rmdir(path, "k"));
		EXPECT_EQ(SIGKILL, died_of(pid));
		EXPECT_EQ(MANY, puppet(innocent, count_on, ON(0, MANY)));
		if (!i) {
			sleep(2);	/* the meter moves once a second */
			EXPECT_EQ(0, bc_get(path, PRESSURE));
		} else {
			EXPECT_TRUE(SET_POLL(bc_get(path, PRESSURE) > 0));
			TH_LOG("memory_pressure %ld", bc_get(path, PRESSURE));
			/* Its own tasks', not those below, nor beside. */
			EXPECT_EQ(0, bc_get(self->dir, PRESSURE));
			EXPECT_EQ(0, bc_get(self->dir, "b/" PRESSURE));
		}
	}
	/* Nothing of it is shown when it is turned off. */
	EXPECT_EQ(0, bc_write(BC_ROOT, ENABLED, "0"));
	EXPECT_EQ(0, bc_get(path, PRESSURE));
	/* There is room again, and the group works. */
	ASSERT_EQ(0, join(self, "a", innocent));
	EXPECT_EQ(0, puppet(innocent, new_touched, SOME));
	EXPECT_EQ(SOME, puppet(innocent, count_on, ON(1, SOME)));
	puppet_end(innocent);
}

/* CPUs in one hierarchy, memory in another. */
TEST_F(apart, two_partitions)
{
	char *cpu = self->h[0], *mem = self->h[1];
	struct puppet p = puppet_start();
	long base;
	int i;

	if (access(BC_ROOT "/cpuset", F_OK))
		SKIP(return, "no cpuset here");
	if (!set_has(set_get("/", "sys/devices/system/cpu/online"), 3))
		SKIP(return, "needs two CPUs");
	base = set_status(p.pid, "Cpus_allowed_list");
	ASSERT_EQ(0, bc_write(cpu, "controllers", "cpuset"));
	ASSERT_EQ(0, bc_write(mem, "controllers", "nodeset"));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, bc_mkdir(cpu, i ? "g1" : "g0"));
		ASSERT_EQ(0, bc_mkdir(mem, i ? "g1" : "g0"));
		ASSERT_EQ(0, bc_write(cpu, i ? "g1/cpuset/cpus" : "g0/cpuset/cpus",
				      "%d", i));
		ASSERT_EQ(0, bc_write(mem, i ? "g1/" SET_LIST : "g0/" SET_LIST,
				      "%d", i));
	}
	/* One of the two is changed each time, and the other is as it was. */
	for (i = 0; i < 8; i++) {
		int c = (i + 1) >> 1 & 1, m = i >> 1 & 1;

		if (i & 1 || !i)
			ASSERT_EQ(0, bc_write(cpu, c ? "g1/tasks" : "g0/tasks", "%d",
					      p.pid));
		if (!(i & 1))
			ASSERT_EQ(0, bc_write(mem, m ? "g1/tasks" : "g0/tasks", "%d",
					      p.pid));
		EXPECT_EQ(1L << c, set_status(p.pid, "Cpus_allowed_list"));
		EXPECT_EQ(1L << m, set_status(p.pid, SET_STATUS));
		ASSERT_EQ(0, puppet(p, new_touched, SOME));
		EXPECT_EQ(SOME, puppet(p, count_on, ON(m, SOME)));
	}
	ASSERT_EQ(0, bc_write(cpu, "tasks", "%d", p.pid));
	EXPECT_EQ(base, set_status(p.pid, "Cpus_allowed_list"));
	EXPECT_EQ(2, set_status(p.pid, SET_STATUS));
	puppet_end(p);
}

TEST_HARNESS_MAIN
