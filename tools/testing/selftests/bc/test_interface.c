// SPDX-License-Identifier: GPL-2.0
/*
 * The files of a group and of a resource: names, modes, formats, errors.
 */
#include "bc_util.h"

static const struct bc_file_mode group_files[] = {
	{ "tasks",		0644 },
	{ "threads",		0644 },
	{ "id",			0444 },
	{ "controllers",	0444 },
	{ "notify_on_release",	0644 },
	{ "releasable",		0444 },
};

/* Which of them there are depends on the kernel's configuration. */
static const char * const controllers[] = {
	"numtasks", "numgroups", "numfiles", "numinotify", "numwatches", "numflock",
	"numpty", "numkeys", "numsiginfo", "numtcpsock", "numothersock", "numiptent",
	"privvmpages", "lockedpages", "physpages", "swappages", "shmpages", "kmemsize",
	"dcachesize", "tcpsndbuf", "tcprcvbuf", "dgramrcvbuf", "othersockbuf", "cpuacct",
	"cpuset", "nodeset", "debug", "numtickets",
};

static const struct bc_file_mode resource_files[] = {
	{ "held",	0444 },
	{ "maxheld",	0644 },
	{ "minheld",	0644 },
	{ "barrier",	0644 },
	{ "limit",	0644 },
	{ "failcnt",	0444 },
};

/* On top of these. */
static const struct bc_file_mode physpages_files[] = {
	{ "reclaim",	0200 },
	{ "oom_group",	0644 },
	{ "oom_kills",	0444 },
	{ "pss",	0400 },
};

static const struct bc_file_mode debug_files[] = {
	{ "taskcount",			0444 },
	{ "bc_refcount",		0444 },
	{ "current_css_group",		0444 },
	{ "current_css_group_refcount",	0444 },
	{ "css_groups",			0444 },
};

static const struct bc_file_mode cpuacct_files[] = {
	{ "usage",		0644 },
	{ "user",		0444 },
	{ "system",		0444 },
	{ "usage_percpu",	0444 },
	{ "load",		0444 },
};

static const struct bc_file_mode cpuset_files[] = {
	{ "cpus",		0644 },
	{ "effective_cpus",	0444 },
	{ "cpu_exclusive",	0644 },
};

/* The last one is only in the roots. */
static const struct bc_file_mode nodeset_files[] = {
	{ "mems",			0644 },
	{ "effective_mems",		0444 },
	{ "mem_exclusive",		0644 },
	{ "memory_migrate",		0644 },
	{ "memory_pressure",		0444 },
	{ "memory_spread_page",		0644 },
	{ "memory_spread_slab",		0644 },
	{ "memory_pressure_enabled",	0644 },
};

static void check_files(struct __test_metadata *_metadata, const char *dir,
			const struct bc_file_mode *files, size_t n)
{
	struct dirent *de;
	size_t seen = 0;
	DIR *d;

	bc_expect_modes(_metadata, dir, files, n);
	/* These and no others. */
	d = opendir(dir);
	ASSERT_NE(NULL, d);
	while ((de = readdir(d)))
		seen += de->d_name[0] != '.';
	closedir(d);
	EXPECT_EQ(n, seen);
}

static void check_controller(struct __test_metadata *_metadata, const char *dir,
			     const char *name)
{
	static const struct {
		const char *name;
		const struct bc_file_mode *files;
		size_t n, n_root;
	} others[] = {
#define OTHER(name, n) { #name, name##_files, n, ARRAY_SIZE(name##_files) }
		OTHER(debug, ARRAY_SIZE(debug_files)),
		OTHER(cpuacct, ARRAY_SIZE(cpuacct_files)),
		OTHER(cpuset, ARRAY_SIZE(cpuset_files)),
		OTHER(nodeset, ARRAY_SIZE(nodeset_files) - 1),
#undef OTHER
	};
	struct bc_file_mode files[ARRAY_SIZE(resource_files) + ARRAY_SIZE(physpages_files)];
	size_t n = ARRAY_SIZE(resource_files);
	char path[PATH_MAX];
	size_t i;

	bc_path(path, dir, name);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		if (!strcmp(name, others[i].name)) {
			check_files(_metadata, path, others[i].files,
				    strcmp(dir, BC_ROOT) ? others[i].n :
							   others[i].n_root);
			return;
		}
	}
	memcpy(files, resource_files, sizeof(resource_files));
	if (!strcmp(name, "physpages")) {
		memcpy(files + n, physpages_files, sizeof(physpages_files));
		n += ARRAY_SIZE(physpages_files);
	}
	check_files(_metadata, path, files, n);
}

TEST_F(bc, files)
{
	struct bc_file_mode files[ARRAY_SIZE(group_files) + ARRAY_SIZE(controllers)];
	size_t i, n = ARRAY_SIZE(group_files);
	char path[PATH_MAX], expect[1024] = "", buf[1024];

	memcpy(files, group_files, sizeof(group_files));
	for (i = 0; i < ARRAY_SIZE(controllers); i++) {
		bc_path(path, self->dir, controllers[i]);
		if (access(path, F_OK))
			continue;
		files[n].name = controllers[i];
		files[n++].mode = S_IFDIR | 0755;
		check_controller(_metadata, self->dir, controllers[i]);
		check_controller(_metadata, BC_ROOT, controllers[i]);
		strcat(strcat(expect, *expect ? " " : ""), controllers[i]);
	}
	check_files(_metadata, self->dir, files, n);
	strcat(expect, "\n");
	ASSERT_EQ(0, bc_read(self->dir, "controllers", buf, sizeof(buf)));
	EXPECT_STREQ(expect, buf);
	EXPECT_LE(3, n - ARRAY_SIZE(group_files));
}

/* What somebody still has open of a group that is gone cannot be listed. */
TEST_F(bc, list_removed)
{
	static const char * const dirs[] = { "g", "g/numtasks" };
	char path[PATH_MAX];
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
		bc_path(path, self->dir, dirs[i]);
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, bc_rmdir(self->dir, "g"));
		/* Who looks at what was freed has time to be caught. */
		usleep(200000);
		EXPECT_EQ(-1, openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		EXPECT_EQ(ENOENT, errno);
		EXPECT_EQ(-1, faccessat(fd, "held", F_OK, 0));
		EXPECT_EQ(ENOENT, errno);
		close(fd);
	}
}

TEST_F(bc, defaults)
{
	static const char * const zero[] = { "held", "maxheld", "minheld", "failcnt" };
	static const char * const max[] = { "barrier", "limit" };
	char file[64], buf[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(zero); i++) {
		snprintf(file, sizeof(file), "numtasks/%s", zero[i]);
		ASSERT_EQ(0, bc_read(self->dir, file, buf, sizeof(buf)));
		EXPECT_STREQ("0\n", buf);
	}
	for (i = 0; i < ARRAY_SIZE(max); i++) {
		snprintf(file, sizeof(file), "numtasks/%s", max[i]);
		ASSERT_EQ(0, bc_read(self->dir, file, buf, sizeof(buf)));
		EXPECT_STREQ("max\n", buf);
	}
	ASSERT_EQ(0, bc_read(self->dir, "tasks", buf, sizeof(buf)));
	EXPECT_STREQ("", buf);
}

TEST_F(bc, ids)
{
	long first, second;

	EXPECT_EQ(0, bc_get(BC_ROOT, "id"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	first = bc_get(self->dir, "a/id");
	EXPECT_LT(bc_get(self->dir, "id"), first);
	ASSERT_EQ(0, bc_rmdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	/* Never reused. */
	second = bc_get(self->dir, "a/id");
	EXPECT_LT(first, second);
	ASSERT_EQ(0, bc_rmdir(self->dir, "a"));
}

TEST_F(bc, amounts)
{
	static const struct {
		const char *text;
		int err;
		long value;
	} t[] = {
		{ "5",				0,	5 },
		{ "5\n",			0,	5 },
		{ " 7\t\n",			0,	7 },
		{ "0",				0,	0 },
		{ "1k",				0,	1024 },
		{ "2K\n",			0,	2048 },
		{ "3M",				0,	3 << 20 },
		{ "1g",				0,	1 << 30 },
		{ "2T",				0,	2L << 40 },
		{ "3t\n",			0,	3L << 40 },
		{ "max",			0,	LONG_MAX },
		{ "100",			0,	100 },
		{ "unlimited\n",		0,	LONG_MAX },
		{ "9223372036854775807",	0,	LONG_MAX },
		{ "8",				0,	8 },
		{ "",				-EINVAL, 8 },
		{ "\n",				-EINVAL, 8 },
		{ " ",				-EINVAL, 8 },
		{ "K",				-EINVAL, 8 },
		{ "-1",				-EINVAL, 8 },
		{ "abc",			-EINVAL, 8 },
		{ "5x",				-EINVAL, 8 },
		{ "5 6",			-EINVAL, 8 },
		{ "5KK",			-EINVAL, 8 },
		{ "5P",				-EINVAL, 8 },
		{ "5 K",			-EINVAL, 8 },
		{ "5\nK",			-EINVAL, 8 },
		{ "0x10",			-EINVAL, 8 },
		{ "1.5",			-EINVAL, 8 },
		{ "maximum",			-EINVAL, 8 },
		{ "9223372036854775808",	-ERANGE, 8 },
		{ "18446744073709551616",	-ERANGE, 8 },
		{ "99999999999999999999999999999999999999", -ERANGE, 8 },
		{ "9007199254740992K",		-ERANGE, 8 },
		{ "17179869184G",		-ERANGE, 8 },
		{ "8388608T",			-ERANGE, 8 },
		{ "18446744073709551615T",	-ERANGE, 8 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		EXPECT_EQ(t[i].err, bc_write(self->dir, "numtasks/limit", "%s", t[i].text)) {
			TH_LOG("writing '%s'", t[i].text);
		}
		EXPECT_EQ(t[i].value, bc_get(self->dir, "numtasks/limit")) {
			TH_LOG("after writing '%s'", t[i].text);
		}
	}
	/* A NUL does not end the number, it is garbage. */
	EXPECT_EQ(-EINVAL, bc_write_text(self->dir, "numtasks/limit", "5\0006", 3));
	EXPECT_EQ(8, bc_get(self->dir, "numtasks/limit"));
}

/* Of pages, what has a suffix is bytes. */
TEST_F(bc, pages)
{
	static const struct {
		const char *text;
		int err;
		long value;
	} t[] = {
		{ "5",				0,	5 },
		{ "5P",				0,	5 },
		{ "6p\n",			0,	6 },
		{ "512M",			0,	131072 },
		{ "4K",				0,	1 },
		{ "7k",				0,	1 },
		{ "1T",				0,	1L << 28 },
		{ "0K",				0,	0 },
		{ "9",				0,	9 },
		{ "3K",				-EINVAL, 9 },
		{ "P",				-EINVAL, 9 },
		{ "4PK",			-EINVAL, 9 },
		{ "9223372036854775808P",	-ERANGE, 9 },
		{ "16777216T",			-ERANGE, 9 },
		{ "16777215T",			0,	16777215L << 28 },
		{ "max",			0,	LONG_MAX },
	};
	long page = sysconf(_SC_PAGESIZE);
	size_t i;

	if (page != 4096 || bc_get(self->dir, "privvmpages") == -ENOENT)
		SKIP(return, "no privvmpages here, or pages of %ld bytes", page);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		EXPECT_EQ(t[i].err, bc_write(self->dir, "privvmpages/limit", "%s", t[i].text)) {
			TH_LOG("writing '%s'", t[i].text);
		}
		EXPECT_EQ(t[i].value, bc_get(self->dir, "privvmpages/limit")) {
			TH_LOG("after writing '%s'", t[i].text);
		}
	}
}

TEST_F(bc, limit_and_barrier)
{
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/limit", "100"));
	EXPECT_EQ(100, bc_get(self->dir, "numtasks/barrier"));
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/barrier", "50"));
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "numtasks/barrier", "101"));
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "numtasks/barrier", "max"));
	EXPECT_EQ(50, bc_get(self->dir, "numtasks/barrier"));
	EXPECT_EQ(100, bc_get(self->dir, "numtasks/limit"));
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/limit", "20"));
	EXPECT_EQ(20, bc_get(self->dir, "numtasks/barrier"));
	/* Where they are the same, they stay so: one write is enough. */
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/limit", "30"));
	EXPECT_EQ(30, bc_get(self->dir, "numtasks/barrier"));
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/barrier", "20"));
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/limit", "max"));
	EXPECT_EQ(20, bc_get(self->dir, "numtasks/barrier"));
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/barrier", "max"));
}

TEST_F(bc, read_only)
{
	EXPECT_EQ(-EACCES, bc_write(self->dir, "numtasks/held", "0"));
	EXPECT_EQ(-EACCES, bc_write(self->dir, "numtasks/failcnt", "0"));
	EXPECT_EQ(-EACCES, bc_write(self->dir, "id", "0"));
	EXPECT_EQ(-EACCES, bc_write(self->dir, "controllers", "numtasks"));
}

TEST_F(bc, watermarks)
{
	pid_t a = bc_spawn(), b = bc_spawn();

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", a));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", b));
	EXPECT_EQ(2, bc_get(self->dir, "numtasks/maxheld"));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/minheld"));
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/minheld", "anything"));
	EXPECT_EQ(2, bc_get(self->dir, "numtasks/minheld"));
	bc_reap(a);
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/held"));
	EXPECT_EQ(2, bc_get(self->dir, "numtasks/maxheld"));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/minheld"));
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/maxheld", "0"));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/maxheld"));
	bc_reap(b);
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/maxheld"));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/minheld"));
}

/* The root is not charged: it shows the kernel's own count, and has no limits. */
TEST_F(bc, root)
{
	pid_t pid = bc_spawn();
	long held, listed;

	/* All threads of the system; kernel threads may come and go meanwhile. */
	listed = bc_count(BC_ROOT, "threads", 0);
	held = bc_get(BC_ROOT, "numtasks/held");
	EXPECT_LT(10, held);
	EXPECT_GE(5, labs(held - listed));
	EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, "numtasks/limit", "1000"));
	EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, "numtasks/barrier", "1000"));
	EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, "numtasks/limit", "max"));
	EXPECT_EQ(LONG_MAX, bc_get(BC_ROOT, "numtasks/limit"));
	EXPECT_EQ(LONG_MAX, bc_get(BC_ROOT, "numtasks/barrier"));
	EXPECT_EQ(0, bc_get(BC_ROOT, "numtasks/failcnt"));
	EXPECT_EQ(0, bc_write(BC_ROOT, "numtasks/maxheld", "0"));
	/* Where the kernel does not count, there is no number to show. */
	if (bc_get(BC_ROOT, "numsiginfo") != -ENOENT) {
		EXPECT_EQ(-ENODATA, bc_get(BC_ROOT, "numsiginfo/held"));
		EXPECT_EQ(-ENODATA, bc_get(BC_ROOT, "numsiginfo/maxheld"));
		EXPECT_EQ(LONG_MAX, bc_get(BC_ROOT, "numsiginfo/limit"));
		EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, "numsiginfo/limit", "5"));
	}
	EXPECT_EQ(1, bc_count(BC_ROOT, "tasks", pid));
	EXPECT_EQ(1, bc_count(BC_ROOT, "tasks", 1));
	bc_reap(pid);
}

TEST_F(bc, task_ids)
{
	static const struct {
		const char *text;
		int err;
	} t[] = {
		{ "", -EINVAL },
		{ "\n", -EINVAL },
		{ "x", -EINVAL },
		{ "-1", -EINVAL },
		{ "1 2", -EINVAL },
		{ "1K", -EINVAL },
		{ "2147483647", -ESRCH },
		{ "2147483648", -ERANGE },
		{ "99999999999999999999", -ERANGE },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		EXPECT_EQ(t[i].err, bc_write(self->dir, "tasks", "%s", t[i].text)) {
			TH_LOG("writing '%s'", t[i].text);
		}
		EXPECT_EQ(t[i].err, bc_write(self->dir, "threads", "%s", t[i].text)) {
			TH_LOG("writing '%s'", t[i].text);
		}
	}
	EXPECT_EQ(0, bc_count(self->dir, "threads", 0));
}

/* A file that stays open, and is read again and again from its beginning. */
TEST_F(bc, read_again)
{
	char path[PATH_MAX], buf[16] = "";
	pid_t pid = bc_spawn();
	int fd;

	bc_path(path, self->dir, "numtasks/held");
	fd = open(path, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(2, pread(fd, buf, sizeof(buf), 0));
	EXPECT_STREQ("0\n", buf);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_EQ(2, pread(fd, buf, sizeof(buf), 0));
	EXPECT_STREQ("1\n", buf);
	close(fd);
	bc_reap(pid);
}

/* Files that stay open when the group goes. */
TEST_F(bc, open_after_rmdir)
{
	static const struct {
		const char *name;
		bool write;
	} files[] = {
		{ "tasks", true }, { "threads", true }, { "id", false },
		{ "numtasks/held", false }, { "numtasks/limit", true },
	};
	char path[PATH_MAX], buf[16];
	int fd[ARRAY_SIZE(files)];
	size_t i;

	ASSERT_EQ(0, bc_mkdir(self->dir, "gone"));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/gone/%s", self->dir, files[i].name);
		fd[i] = open(path, files[i].write ? O_RDWR : O_RDONLY);
		ASSERT_LE(0, fd[i]);
	}
	/* Some have been read before, some not. */
	EXPECT_EQ(1, read(fd[2], buf, 1));
	EXPECT_LT(0, read(fd[3], buf, sizeof(buf)));
	ASSERT_EQ(0, bc_rmdir(self->dir, "gone"));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		EXPECT_EQ(-1, pread(fd[i], buf, sizeof(buf), 0));
		EXPECT_EQ(ENOENT, errno);
		if (files[i].write) {
			EXPECT_EQ(-1, write(fd[i], "0", 1));
			EXPECT_EQ(ENOENT, errno);
		}
		close(fd[i]);
	}
}

/* Wherever the offset is. */
TEST_F(bc, pwrite)
{
	char path[PATH_MAX];
	int fd;

	bc_path(path, self->dir, "tasks");
	fd = open(path, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, pwrite(fd, "0", 1, 10));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", getpid()));
	close(fd);
	bc_path(path, self->dir, "numtasks/limit");
	fd = open(path, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(2, pwrite(fd, "77", 2, 10));
	EXPECT_EQ(77, bc_get(self->dir, "numtasks/limit"));
	close(fd);
	EXPECT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
}

TEST_HARNESS_MAIN
