// SPDX-License-Identifier: GPL-2.0
/*
 * dcachesize. What cannot be freed is an eventfd, which is a dentry in use; what can are
 * the names in sysfs that are not there, which are dentries as well.
 */
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "bc_failslab.h"
#include "bc_kmem.h"
#include "bc_proc.h"

#define NAMES	"/sys/kernel"
#define DISK	"/dev/ram0"

static const char held[] = "dcachesize/held";
static const char limit[] = "dcachesize/limit";
static const char failcnt[] = "dcachesize/failcnt";

/* In the servants. */
static int fds[1024], nr_fds;
static char mnt[64];
static long step;

static int open_some(long n)
{
	long i;

	for (i = 0; i < n; i++) {
		int fd = eventfd(0, 0);

		if (fd < 0)
			return i ?: -errno;
		fds[nr_fds++] = fd;
	}
	return i;
}

static int close_some(long n)
{
	long i;

	for (i = 0; i < n && nr_fds; i++)
		close(fds[--nr_fds]);
	return i;
}

/* Look for a name that has never been looked for, or for the last ones again. */
static int look(const char *where, long nr)
{
	struct stat st;
	char path[128];

	snprintf(path, sizeof(path), "%s/bc-%d-%ld", where, getpid(), nr);
	if (!stat(path, &st))
		return -EEXIST;
	return errno == ENOENT ? 0 : -errno;
}

static int look_for(long n)
{
	int err;

	for (; n > 0; n--) {
		err = look(NAMES, step++);
		if (err)
			return err;
	}
	return 0;
}

static int look_again(long n)
{
	int err;

	for (; n > 0; n--) {
		err = look(NAMES, step - n);
		if (err)
			return err;
	}
	return 0;
}

FIXTURE(dcache) {
	char dir[64];
	struct bc_servant p;
	long unit;
};

FIXTURE_SETUP(dcache)
{
	struct rlimit files = { 2048, 2048 };

	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, held) == -ENOENT)
		SKIP(return, "no dcachesize in this kernel");
	setrlimit(RLIMIT_NOFILE, &files);
	snprintf(mnt, sizeof(mnt), "/tmp/bc-dcache-%d", getpid());
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));

	self->p = bc_servant_start();
	ASSERT_LT(0, self->p.pid);
	/* All it needs to do so itself, it has afterwards. */
	ASSERT_EQ(1, bc_servant_do(self->p, open_some, 1));
	ASSERT_EQ(1, bc_servant_do(self->p, close_some, 1));
	ASSERT_EQ(0, bc_servant_move(self->p, self->dir));
	ASSERT_EQ(0, bc_get(self->dir, held));
	ASSERT_EQ(1, bc_servant_do(self->p, open_some, 1));
	self->unit = bc_get(self->dir, held);
	ASSERT_LE(100, self->unit);
	ASSERT_EQ(1, bc_servant_do(self->p, close_some, 1));
	ASSERT_EQ(0, bc_settle(self->dir, held, 0));
}

FIXTURE_TEARDOWN(dcache)
{
	if (!self->dir[0])
		return;
	bc_servant_kill(self->p);
	bc_expect_clean(_metadata, self->dir);
}

TEST_F(dcache, refuse)
{
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 3 * self->unit));
	ASSERT_EQ(0, bc_write(self->dir, "dcachesize/maxheld", "0"));
	EXPECT_EQ(3, bc_servant_do(self->p, open_some, 4));
	EXPECT_EQ(3 * self->unit, bc_get(self->dir, held));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(-ENOMEM, bc_servant_do(self->p, open_some, 1));
	EXPECT_EQ(2, bc_get(self->dir, failcnt));
	EXPECT_GE(3 * self->unit, bc_get(self->dir, "dcachesize/maxheld"));

	EXPECT_EQ(1, bc_servant_do(self->p, close_some, 1));
	EXPECT_EQ(2 * self->unit, bc_settle(self->dir, held, 2 * self->unit));
	/* Not a byte too many. */
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 3 * self->unit - 1));
	EXPECT_EQ(-ENOMEM, bc_servant_do(self->p, open_some, 1));
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 3 * self->unit));
	EXPECT_EQ(1, bc_servant_do(self->p, open_some, 1));
	EXPECT_EQ(3, bc_get(self->dir, failcnt));
	EXPECT_EQ(3, bc_servant_do(self->p, close_some, 3));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

TEST_F(dcache, refuse_above)
{
	char leaf[96];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	snprintf(leaf, sizeof(leaf), "%s/a/b", self->dir);
	ASSERT_EQ(0, bc_servant_move(self->p, leaf));
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 2 * self->unit));
	ASSERT_EQ(0, bc_write(self->dir, "a/dcachesize/limit", "%ld", 5 * self->unit));
	EXPECT_EQ(2, bc_servant_do(self->p, open_some, 3));
	EXPECT_EQ(2 * self->unit, bc_get(leaf, held));
	EXPECT_EQ(2 * self->unit, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_get(leaf, failcnt));
	EXPECT_EQ(0, bc_get(self->dir, "a/dcachesize/failcnt"));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(2, bc_servant_do(self->p, close_some, 2));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

/* What was made before a move stays where it was charged. */
TEST_F(dcache, stay)
{
	char a[80], b[80];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	bc_path(a, self->dir, "a");
	bc_path(b, self->dir, "b");
	ASSERT_EQ(0, bc_servant_move(self->p, a));
	EXPECT_EQ(2, bc_servant_do(self->p, open_some, 2));
	EXPECT_EQ(2 * self->unit, bc_get(a, held));
	ASSERT_EQ(0, bc_servant_move(self->p, b));
	/* Last come, first closed: it is that of a that remains. */
	EXPECT_EQ(3, bc_servant_do(self->p, open_some, 3));
	EXPECT_EQ(2 * self->unit, bc_get(a, held));
	EXPECT_EQ(3 * self->unit, bc_get(b, held));
	EXPECT_EQ(4, bc_servant_do(self->p, close_some, 4));
	EXPECT_EQ(self->unit, bc_settle(a, held, self->unit));
	EXPECT_EQ(0, bc_settle(b, held, 0));
	EXPECT_EQ(1, bc_servant_do(self->p, close_some, 1));
	EXPECT_EQ(0, bc_settle(a, held, 0));
}

/* A group without a directory goes on paying, and is freed in the end. */
TEST_F(dcache, outlive)
{
	long groups = bc_settle(BC_GROUPS, "groups", bc_live_groups());
	char a[80];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	bc_path(a, self->dir, "a");
	ASSERT_EQ(0, bc_servant_move(self->p, a));
	EXPECT_EQ(4, bc_servant_do(self->p, open_some, 4));
	ASSERT_EQ(0, bc_servant_move(self->p, BC_ROOT));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(4 * self->unit, bc_get(self->dir, held));
	EXPECT_EQ(groups + 1, bc_get(BC_GROUPS, "groups"));
	EXPECT_EQ(4, bc_servant_do(self->p, close_some, 4));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	EXPECT_EQ(groups, bc_settle(BC_GROUPS, "groups", groups));
}

/* What it has cached does not keep it, but is the group's above, and then nobody's. */
TEST_F(dcache, hand_over)
{
	long groups = bc_settle(BC_GROUPS, "groups", bc_live_groups()), cached;
	char a[80];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	bc_path(a, self->dir, "a");
	ASSERT_EQ(0, bc_servant_move(self->p, a));
	EXPECT_EQ(0, bc_servant_do(self->p, look_for, 100));
	cached = bc_get(a, held);
	EXPECT_LE(100 * self->unit, cached);
	ASSERT_EQ(0, bc_servant_move(self->p, BC_ROOT));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(groups, bc_settle(BC_GROUPS, "groups", groups));
	EXPECT_EQ(cached, bc_get(self->dir, held));

	/* It is in the cache still, and counts in the group above, which may have it. */
	ASSERT_EQ(0, bc_servant_move(self->p, self->dir));
	EXPECT_EQ(0, bc_servant_do(self->p, look_again, 100));
	EXPECT_EQ(cached, bc_get(self->dir, held));
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", cached));
	EXPECT_EQ(0, bc_servant_do(self->p, look_for, 200));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
}

/* Nobody in the root group is charged. */
TEST_F(dcache, root)
{
	EXPECT_EQ(0, look_for(3));
	EXPECT_EQ(3, open_some(3));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(3, close_some(3));
	/* The kernel's own count, which has that of groups in it. */
	EXPECT_LT(0, bc_get(BC_ROOT, held));
}

/* The barrier is for all who may wait, with privileges or not. */
TEST_F(dcache, barrier)
{
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 9 * self->unit));
	ASSERT_EQ(0, bc_write(self->dir, "dcachesize/barrier", "%ld", 4 * self->unit));
	EXPECT_EQ(4, bc_servant_do(self->p, open_some, 6));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(3, bc_servant_do(self->p, close_some, 3));
	/* What can be freed makes room for what cannot. */
	EXPECT_EQ(0, bc_servant_do(self->p, look_for, 100));
	EXPECT_EQ(3, bc_servant_do(self->p, open_some, 4));
	EXPECT_EQ(4 * self->unit, bc_get(self->dir, held));
	EXPECT_EQ(2, bc_get(self->dir, failcnt));
	EXPECT_EQ(4, bc_servant_do(self->p, close_some, 4));
}

/* A large file that is open, with all its pages in the page cache. */
static int write_much(long len)
{
	static char buf[65536];
	int fd = memfd_create("bc", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (; len > 0; len -= sizeof(buf)) {
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			return -EIO;
	}
	fds[nr_fds++] = fd;
	return 0;
}

/* What the page cache needs to find its pages cannot be pruned, and does not count. */
TEST_F(dcache, page_cache)
{
	ASSERT_EQ(0, bc_servant_do(self->p, write_much, 16 << 20));
	/* A dentry. */
	EXPECT_GE(8192, bc_get(self->dir, held));
	EXPECT_EQ(1, bc_servant_do(self->p, close_some, 1));
}

/* How many names a walk has. */
static long nr_names(void)
{
	const char *s = getenv("BC_NAMES");

	return s ? atol(s) : 2500;
}

/* In portions that a servant can be waited for. */
static int walk(struct bc_servant p, long n)
{
	int err = 0;

	for (; n > 0 && !err; n -= 250)
		err = bc_servant_do(p, look_for, n < 250 ? n : 250);
	return err;
}

/* A group that walks any number of names never fails. */
TEST_F_TIMEOUT(dcache, walk, 1800)
{
	long max = 500 * self->unit, names = nr_names();
	double start = bc_now();

	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", max));
	EXPECT_EQ(0, walk(self->p, names));
	TH_LOG("%ld names in %.1f s", names, bc_now() - start);
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
	EXPECT_GE(max, bc_get(self->dir, "dcachesize/maxheld"));
	/* It has not lost all of it either. */
	EXPECT_LT(max / 4, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_servant_do(self->p, open_some, 1) - 1);

	/* Names that are longer than a dentry has room for are objects of their own. */
	EXPECT_EQ(1, bc_servant_do(self->p, close_some, 1));
}

static int look_for_long(long n)
{
	char path[300], fill[200];
	struct stat st;

	memset(fill, 'x', sizeof(fill) - 1);
	fill[sizeof(fill) - 1] = 0;
	for (; n > 0; n--) {
		snprintf(path, sizeof(path), NAMES "/%s-%d-%ld", fill, getpid(), step++);
		if (!stat(path, &st))
			return -EEXIST;
		if (errno != ENOENT)
			return -errno;
	}
	return 0;
}

TEST_F(dcache, long_names)
{
	long one;

	EXPECT_EQ(0, bc_servant_do(self->p, look_for, 1));
	one = bc_get(self->dir, held);
	EXPECT_EQ(0, bc_servant_do(self->p, look_for_long, 1));
	EXPECT_LT(one + self->unit, bc_get(self->dir, held));
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 100 * self->unit));
	EXPECT_EQ(0, bc_servant_do(self->p, look_for_long, 300));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
}

/* Without taking anything from others. */
TEST_F_TIMEOUT(dcache, neighbours, 600)
{
	struct bc_servant other = bc_servant_start();
	long cached, n = nr_names() / 2;
	char a[80], b[80];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	bc_path(a, self->dir, "a");
	bc_path(b, self->dir, "b");
	ASSERT_EQ(0, bc_servant_move(self->p, a));
	ASSERT_EQ(0, bc_servant_move(other, b));
	ASSERT_EQ(0, bc_write(a, limit, "%ld", 300 * self->unit));

	/* Old and new, in the middle of each other's. */
	EXPECT_EQ(0, bc_servant_do(other, look_for, 500));
	EXPECT_EQ(0, bc_servant_do(self->p, look_for, 200));
	EXPECT_EQ(0, bc_servant_do(other, look_for, 500));
	cached = bc_get(b, held);
	EXPECT_LE(1000 * self->unit, cached);
	EXPECT_EQ(0, walk(self->p, n));
	EXPECT_EQ(cached, bc_get(b, held));
	/* They are still there: to look again makes nothing new. */
	EXPECT_EQ(0, bc_servant_do(other, look_again, 1000));
	EXPECT_EQ(cached, bc_get(b, held));
	EXPECT_EQ(0, bc_get(a, failcnt));
	EXPECT_GE(300 * self->unit, bc_get(a, "dcachesize/maxheld"));
	bc_servant_kill(other);
}

/* Ask for more than there is, until told to stop. How often that was refused. */
static int insist(long arg)
{
	int refused = 0;

	while (!bc_told_to_stop()) {
		int fd = eventfd(0, 0);

		if (fd >= 0)
			return -EEXIST;
		refused++;
	}
	return refused;
}

/* Nor keeping them from what is theirs, by being refused all the time. */
TEST_F_TIMEOUT(dcache, insistent, 300)
{
	struct bc_servant other[4];
	int i, refused = 0;
	double start;
	char a[80], b[80];

	for (i = 0; i < 4; i++)
		other[i] = bc_servant_start();
	snprintf(a, sizeof(a), "%s-a", self->dir);
	snprintf(b, sizeof(b), "%s-b", self->dir);
	ASSERT_EQ(0, mkdir(a, 0755));
	EXPECT_EQ(0, mkdir(b, 0755));
	EXPECT_EQ(0, bc_servant_move(self->p, a));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, bc_servant_move(other[i], b));
	EXPECT_EQ(0, bc_write(a, limit, "%ld", 100 * self->unit));
	EXPECT_EQ(0, bc_write(b, limit, "%ld", 50 * self->unit));
	EXPECT_EQ(0, walk(self->p, 200));
	EXPECT_LE(50, bc_servant_do(other[0], open_some, 51));
	for (i = 0; i < 4; i++)
		bc_servant_tell(other[i], insist, 0);
	start = bc_now();
	EXPECT_EQ(0, walk(self->p, 500));
	start = bc_now() - start;
	for (i = 0; i < 4; i++)
		bc_servant_stop(other[i]);
	for (i = 0; i < 4; i++)
		refused += bc_servant_answer(other[i]);
	TH_LOG("500 names in %.1f s, next to %d refusals", start, refused);
	EXPECT_EQ(0, bc_get(a, failcnt));
	EXPECT_LT(0, bc_get(b, failcnt));
	for (i = 0; i < 4; i++)
		bc_servant_kill(other[i]);
	EXPECT_EQ(0, bc_servant_move(self->p, self->dir));
	EXPECT_EQ(0, bc_remove(a));
	EXPECT_EQ(0, bc_remove(b));
}

/* In all directories of @where: themselves, or names in them that are not there. */
static int in_directories(const char *where, bool names)
{
	char path[512];
	struct dirent *de;
	struct stat st;
	int n = 0, err;
	DIR *d;

	d = opendir(where);
	if (!d)
		return -errno;
	while ((de = readdir(d))) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", where, de->d_name);
		if (!names) {
			if (stat(path, &st)) {
				n = -errno;
				break;
			}
		} else {
			err = look(path, step++);
			if (err && err != -ENOTDIR) {
				n = err;
				break;
			}
		}
		n++;
	}
	closedir(d);
	return n;
}

static int stat_directories(long arg)
{
	return in_directories("/sys/module", false);
}

static int look_in_directories(long n)
{
	int ret = 0;

	for (; n > 0 && ret >= 0; n--)
		ret = in_directories("/sys/module", true);
	return ret;
}

/* Nor the directories in which it has looked, when they are not in use any more. */
TEST_F(dcache, directories)
{
	struct bc_servant other = bc_servant_start();
	char a[80], b[80];
	long cached;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	bc_path(a, self->dir, "a");
	bc_path(b, self->dir, "b");
	/* Whosever they are now. */
	bc_write("/proc/sys/vm", "drop_caches", "2");
	ASSERT_EQ(0, bc_servant_move(other, b));
	EXPECT_LT(10, bc_servant_do(other, stat_directories, 0));
	cached = bc_get(b, held);
	EXPECT_LT(10 * self->unit, cached);
	ASSERT_EQ(0, bc_servant_move(self->p, a));
	ASSERT_EQ(0, bc_write(a, limit, "%ld", 50 * self->unit));
	EXPECT_LT(0, bc_servant_do(self->p, look_in_directories, 20));
	EXPECT_EQ(0, bc_get(a, failcnt));
	/* Those in which it has nothing left, too. */
	EXPECT_EQ(0, bc_servant_do(self->p, look_for, 200));
	EXPECT_EQ(cached, bc_get(b, held));
	bc_servant_kill(other);
}

/* If it is the group above that is full, any below it may lose something. */
TEST_F(dcache, below)
{
	struct bc_servant other = bc_servant_start(), outside = bc_servant_start();
	char a[80], b[80], c[80];
	long cached, kept;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "c"));
	bc_path(a, self->dir, "a");
	bc_path(b, self->dir, "a/b");
	bc_path(c, self->dir, "c");
	ASSERT_EQ(0, bc_servant_move(self->p, a));
	ASSERT_EQ(0, bc_servant_move(other, b));
	ASSERT_EQ(0, bc_servant_move(outside, c));
	ASSERT_EQ(0, bc_write(a, limit, "%ld", 400 * self->unit));
	EXPECT_EQ(0, bc_servant_do(outside, look_for, 300));
	kept = bc_get(c, held);
	EXPECT_EQ(0, bc_servant_do(other, look_for, 300));
	cached = bc_get(b, held);
	EXPECT_EQ(0, walk(self->p, 1000));
	EXPECT_GT(cached, bc_get(b, held));
	EXPECT_EQ(kept, bc_get(c, held));
	EXPECT_EQ(0, bc_get(a, failcnt));
	/* All of it, if need be. */
	EXPECT_EQ(400, bc_servant_do(self->p, open_some, 401));
	EXPECT_EQ(400 * self->unit, bc_get(a, held));
	EXPECT_EQ(1, bc_get(a, failcnt));
	EXPECT_EQ(kept, bc_get(c, held));
	bc_servant_kill(outside);
	bc_servant_kill(other);
}

/* What a limit far below what is held means is learnt with the next allocation. */
TEST_F(dcache, lower)
{
	EXPECT_EQ(0, walk(self->p, 1000));
	EXPECT_LE(1000 * self->unit, bc_get(self->dir, held));
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 100 * self->unit));
	EXPECT_EQ(0, bc_servant_do(self->p, look_for, 1));
	EXPECT_GE(100 * self->unit, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
}

/* Files with contents, on a disk. */
static int files_made;

static void fill(char *buf, size_t size, long nr)
{
	unsigned int seed = nr;
	size_t i;

	for (i = 0; i < size; i++)
		buf[i] = rand_r(&seed);
}

static size_t file_size(long nr)
{
	return 1 + nr * 37 % 5000;
}

static int make_file(const char *dir, long nr)
{
	char path[128], buf[5000];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/f%ld", dir, nr);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0)
		return -errno;
	fill(buf, file_size(nr), nr);
	if (write(fd, buf, file_size(nr)) != file_size(nr))
		err = -errno ?: -EIO;
	close(fd);
	return err;
}

static int read_file(const char *dir, long nr)
{
	char path[128], buf[5000], want[5000];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/f%ld", dir, nr);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	fill(want, file_size(nr), nr);
	if (read(fd, buf, sizeof(buf)) != file_size(nr))
		err = -EIO;
	else if (memcmp(buf, want, file_size(nr)))
		err = -EILSEQ;
	close(fd);
	return err;
}

static int make_files(long n)
{
	int err = 0;

	for (; n > 0 && !err; n--)
		err = make_file(mnt, files_made++);
	return err;
}

static int next_read;

static int read_files(long n)
{
	int err = 0;

	for (; n > 0 && !err; n--)
		err = read_file(mnt, next_read++);
	return err;
}

static int rewind_files(long arg)
{
	next_read = arg;
	return 0;
}

static bool mount_disk(void)
{
	if (access(DISK, W_OK))
		return false;
	mkdir(mnt, 0700);
	return !system("/bin/busybox mke2fs -F -i 8192 " DISK " >/dev/null 2>&1") &&
	       !mount(DISK, mnt, "ext4", 0, NULL);
}

TEST_F_TIMEOUT(dcache, disk, 900)
{
	const int files = 1000;
	double start;
	long cached;
	int i;

	if (!mount_disk())
		SKIP(return, "no " DISK " with ext4 on it");
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 1000 * self->unit));
	start = bc_now();
	for (i = 0; i < files; i += 100)
		EXPECT_EQ(0, bc_servant_do(self->p, make_files, 100));
	TH_LOG("%d files made in %.1f s", files, bc_now() - start);
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
	start = bc_now();
	for (i = 0; i < files; i += 100)
		EXPECT_EQ(0, bc_servant_do(self->p, read_files, 100));
	TH_LOG("and read in %.1f s", bc_now() - start);
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
	/* An inode is made where nothing can be pruned for it. */
	EXPECT_GE(1010 * self->unit, bc_get(self->dir, "dcachesize/maxheld"));
	cached = bc_get(self->dir, held);

	ASSERT_EQ(0, umount(mnt));
	EXPECT_GT(cached, bc_get(self->dir, held));
	ASSERT_EQ(0, mount(DISK, mnt, "ext4", 0, NULL));
	ASSERT_EQ(0, bc_servant_do(self->p, rewind_files, 0));
	for (i = 0; i < files; i += 100)
		EXPECT_EQ(0, bc_servant_do(self->p, read_files, 100));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
	ASSERT_EQ(0, umount(mnt));
	rmdir(mnt);
}

/* Make, rename, look and remove, until told to stop. How many were refused. */
static int storm(long who)
{
	unsigned int seed = getpid();
	char a[160], b[160];
	int refused = 0;
	struct stat st;

	while (!bc_told_to_stop()) {
		long nr = rand_r(&seed) % 500;
		int err = 0;

		snprintf(a, sizeof(a), "%s/s%ld", mnt, nr);
		snprintf(b, sizeof(b), "%s/s%d", mnt, rand_r(&seed) % 500);
		switch (rand_r(&seed) % 8) {
		case 0:
		case 1:
			err = open(a, O_CREAT | O_RDWR, 0600);
			if (err >= 0) {
				if (write(err, a, sizeof(a)) < 0)
					refused++;
				close(err);
			}
			break;
		case 2:
			err = unlink(a);
			break;
		case 3:
			err = rename(a, b);
			break;
		case 4:
			err = link(a, b);
			break;
		default:
			err = look_for(10);
			if (err < 0)
				errno = -err;
			else
				err = stat(a, &st);
		}
		if (err < 0 && errno == ENOMEM)
			refused++;
		else if (err < 0 && errno != ENOENT && errno != EEXIST && errno != EINTR)
			return -errno;
	}
	return refused;
}

/* Several at once, above and below each other, and file systems that come and go. */
TEST_F(dcache, storm)
{
	struct bc_servant p[4];
	char path[80], other[80];
	double end;
	int i, over = 0, mounts = 0, refused, all = 0;

	if (!mount_disk())
		SKIP(return, "no " DISK " with ext4 on it");
	snprintf(other, sizeof(other), "%s-2", mnt);
	mkdir(other, 0700);
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 1000 * self->unit));
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%c", 'a' + i);
		ASSERT_EQ(0, bc_mkdir(self->dir, path));
		snprintf(path, sizeof(path), "%s/%c", self->dir, 'a' + i);
		ASSERT_EQ(0, bc_write(path, limit, "%ld", 500 * self->unit));
		p[i] = bc_servant_start();
		ASSERT_EQ(0, bc_servant_move(p[i], path));
		bc_servant_tell(p[i], storm, i);
	}
	end = bc_end_time(6);
	while (bc_now() < end) {
		/* Nothing goes above but what is forced: inodes, by four tasks. */
		over += bc_get(self->dir, held) > 1040 * self->unit;
		if (!mount("none", other, "sysfs", 0, NULL)) {
			for (i = 0; i < 50; i++)
				look(other, i);
			umount(other);
			mounts++;
		}
	}
	for (i = 0; i < 4; i++)
		bc_servant_stop(p[i]);
	for (i = 0; i < 4; i++) {
		refused = bc_servant_answer(p[i]);
		EXPECT_LE(0, refused);
		all += refused;
		bc_servant_kill(p[i]);
	}
	EXPECT_EQ(0, over);
	TH_LOG("%d refused, %d mounts", all, mounts);
	/* Nothing has a need to fail: it is all cache. */
	EXPECT_EQ(0, all);
	EXPECT_EQ(0, umount(mnt));
	rmdir(mnt);
	rmdir(other);
}

/* Each allocation fails, also those of who prunes. */
static int look_or_fail(const char *dir)
{
	int i, err = 0;

	for (i = 0; i < 3 && !err; i++)
		err = look(NAMES, step++);
	return err;
}

static void undo_nothing(const char *dir)
{
}

static bool may_go_on(const char *dir)
{
	return bc_get(dir, failcnt) == 0;
}

TEST_F_TIMEOUT(dcache, failures, 180)
{
	char a[80];

	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	bc_path(a, self->dir, "a");
	ASSERT_EQ(0, bc_write(a, limit, "%ld", 40 * self->unit));
	ASSERT_EQ(0, bc_write(a, "tasks", "0"));
	EXPECT_EQ(0, look_for(100));
	bc_fail_each(_metadata, look_or_fail, undo_nothing, may_go_on, a, "look");
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
}

/* What it costs: entries looked at for each that is freed. */
static bool start_trace(void)
{
	bc_tracing();
	return !bc_write(BC_TRACING, "events/bc/bc_prune/enable", "1");
}

static void clear_trace(void)
{
	int fd = open(BC_TRACING "/trace", O_WRONLY | O_TRUNC);

	if (fd >= 0)
		close(fd);
}

static bool sum_trace(long *looked, long *objects, long *calls)
{
	FILE *f = fopen(BC_TRACING "/trace", "r");
	char line[1024], *s;
	long o, l;

	*looked = *objects = *calls = 0;
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		s = strstr(line, " objects=");
		if (!s || sscanf(s, " objects=%ld looked=%ld", &o, &l) != 2)
			continue;
		*objects += o;
		*looked += l;
		++*calls;
	}
	fclose(f);
	clear_trace();
	return true;
}

TEST_F_TIMEOUT(dcache, cost, 600)
{
	static const int nr_groups[] = { 1, 10 };
	long looked, objects, calls, n;
	struct bc_servant p[10];
	char path[80];
	size_t g;
	int i;

	if (!start_trace())
		SKIP(return, "no tracing in this kernel");
	for (i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "%c", 'a' + i);
		ASSERT_EQ(0, bc_mkdir(self->dir, path));
		snprintf(path, sizeof(path), "%s/%c", self->dir, 'a' + i);
		ASSERT_EQ(0, bc_write(path, limit, "%ld", 500 * self->unit));
		p[i] = bc_servant_start();
		ASSERT_EQ(0, bc_servant_move(p[i], path));
	}
	for (g = 0; g < ARRAY_SIZE(nr_groups); g++) {
		for (n = 0; n < 1500; n += 10) {
			for (i = 0; i < nr_groups[g]; i++)
				EXPECT_EQ(0, bc_servant_do(p[i], look_for, 10));
			/* From here on, all are full. */
			if (n == 600)
				clear_trace();
		}
		ASSERT_TRUE(sum_trace(&looked, &objects, &calls));
		TH_LOG("%d groups: %ld looked at, %ld freed in %ld goes: %.1f",
		       nr_groups[g], looked, objects, calls, (double)looked / objects);
		EXPECT_LT(0, objects);
		EXPECT_GT(30 * objects, looked);
	}
	/* One walks, nine others have as much each that they do not use. */
	for (n = 0; n < 4000; n += 500)
		EXPECT_EQ(0, bc_servant_do(p[0], look_for, 500));
	ASSERT_TRUE(sum_trace(&looked, &objects, &calls));
	TH_LOG("one of 10: %ld looked at, %ld freed in %ld goes: %.1f",
	       looked, objects, calls, (double)looked / objects);
	EXPECT_GT(100 * objects, looked);
	bc_write(BC_TRACING, "events/bc/bc_prune/enable", "0");
	for (i = 0; i < 10; i++)
		bc_servant_kill(p[i]);
}

TEST_HARNESS_MAIN
