// SPDX-License-Identifier: GPL-2.0
/*
 * numflock: ranges that are split and merged, locks that are converted, all kinds of
 * locks. The kernel's own list, /proc/locks, is what the count is compared with.
 */
#include <sys/file.h>

#include "bc_worker.h"

static const char *held = "numflock/held";

FIXTURE(lock) {
	char dir[64];
	char path[64];
	int fd;		/* the file, opened by us */
	ino_t ino;
};

FIXTURE_SETUP(lock)
{
	struct stat st;

	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, "numflock") == -ENOENT)
		SKIP(return, "no numflock in this kernel");
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	snprintf(self->path, sizeof(self->path), "/tmp/bc-lock-%d", getpid());
	self->fd = open(self->path, O_RDWR | O_CREAT, 0600);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fstat(self->fd, &st));
	self->ino = st.st_ino;
	/* We are a member. Files have no limit here. */
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
}

FIXTURE_TEARDOWN(lock)
{
	if (!self->dir[0])
		return;
	close(self->fd);
	unlink(self->path);
	bc_expect_clean(_metadata, self->dir);
}

/* How many locks the file has, those that wait left out. */
static int locks_of(ino_t ino)
{
	FILE *f = fopen("/proc/locks", "re");
	char line[256];
	int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long i;
		char *colon = strrchr(line, ':');

		if (strstr(line, "->") || !colon)
			continue;
		i = strtoul(colon + 1, NULL, 10);
		n += i == ino;
	}
	if (f)
		fclose(f);
	return n;
}

static int set(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock fl = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len,
	};

	return fcntl(fd, cmd, &fl) ? -errno : 0;
}

/* The same, if it is what is charged. */
static int locks(const char *dir, ino_t ino)
{
	int n = locks_of(ino);
	long charged = bc_get(dir, held);

	if (charged == n)
		return n;
	printf("# %d set, %ld charged\n", n, charged);
	return -1;
}

static void ranges(struct __test_metadata *_metadata, const char *dir, int fd,
		   ino_t ino, int cmd)
{
	EXPECT_EQ(0, set(fd, cmd, F_WRLCK, 0, 100));
	EXPECT_EQ(1, locks(dir, ino));
	/* A hole makes two of it, its other half none. */
	EXPECT_EQ(0, set(fd, cmd, F_UNLCK, 40, 20));
	EXPECT_EQ(2, locks(dir, ino));
	EXPECT_EQ(0, set(fd, cmd, F_UNLCK, 60, 40));
	EXPECT_EQ(1, locks(dir, ino));
	/* A neighbour is merged, and what is between two makes one of them. */
	EXPECT_EQ(0, set(fd, cmd, F_WRLCK, 40, 10));
	EXPECT_EQ(1, locks(dir, ino));
	EXPECT_EQ(0, set(fd, cmd, F_WRLCK, 60, 10));
	EXPECT_EQ(2, locks(dir, ino));
	EXPECT_EQ(0, set(fd, cmd, F_WRLCK, 50, 10));
	EXPECT_EQ(1, locks(dir, ino));
	/* Another type in the middle makes three. */
	EXPECT_EQ(0, set(fd, cmd, F_RDLCK, 20, 10));
	EXPECT_EQ(3, locks(dir, ino));
	EXPECT_EQ(0, set(fd, cmd, F_WRLCK, 20, 10));
	EXPECT_EQ(1, locks(dir, ino));
	/* Replaced, whole and in part. */
	EXPECT_EQ(0, set(fd, cmd, F_RDLCK, 0, 70));
	EXPECT_EQ(1, locks(dir, ino));
	EXPECT_EQ(0, set(fd, cmd, F_WRLCK, 60, 20));
	EXPECT_EQ(2, locks(dir, ino));
	EXPECT_EQ(0, set(fd, cmd, F_WRLCK, 0, 200));
	EXPECT_EQ(1, locks(dir, ino));
	EXPECT_EQ(0, set(fd, cmd, F_UNLCK, 0, 0));
	EXPECT_EQ(0, locks(dir, ino));
}

TEST_F(lock, posix)
{
	ranges(_metadata, self->dir, self->fd, self->ino, F_SETLK);
}

TEST_F(lock, ofd)
{
	ranges(_metadata, self->dir, self->fd, self->ino, F_OFD_SETLK);
}

/* Whatever is done with ranges, the count is that of /proc/locks. */
TEST_F(lock, at_random)
{
	static const int types[] = { F_RDLCK, F_WRLCK, F_UNLCK };
	unsigned int seed = 1;
	int i, refused = 0, most = 0;

	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "12"));
	for (i = 0; i < 1500; i++) {
		int cmd = i & 1 ? F_SETLK : F_OFD_SETLK;
		int err, n;

		/* Two owners, each with a half of the file. */
		err = set(self->fd, cmd, types[rand_r(&seed) % 3],
			  (i & 1) * 1000 + rand_r(&seed) % 40, 1 + rand_r(&seed) % 8);
		ASSERT_TRUE(err == 0 || err == -ENOLCK);
		refused += !!err;
		n = locks_of(self->ino);
		most = n > most ? n : most;
		ASSERT_EQ(n, bc_get(self->dir, held)) {
			TH_LOG("after %d calls", i + 1);
		}
	}
	TH_LOG("%d refused, up to %d locks", refused, most);
	EXPECT_EQ(12, most);
	EXPECT_LT(0, refused);
	EXPECT_EQ(refused, bc_get(self->dir, "numflock/failcnt"));
	EXPECT_EQ(12, bc_get(self->dir, "numflock/maxheld"));
}

/* At the limit: what needs no room works, and what needs some changes nothing. */
TEST_F(lock, full)
{
	int fd = self->fd;

	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "1"));
	EXPECT_EQ(0, set(fd, F_SETLK, F_WRLCK, 0, 100));
	EXPECT_EQ(0, set(fd, F_SETLK, F_WRLCK, 10, 10));	/* has it */
	EXPECT_EQ(0, set(fd, F_SETLK, F_WRLCK, 100, 10));	/* grows */
	EXPECT_EQ(0, set(fd, F_SETLK, F_UNLCK, 0, 10));		/* shrinks */
	EXPECT_EQ(0, set(fd, F_SETLK, F_RDLCK, 0, 200));	/* is replaced */
	EXPECT_EQ(0, set(fd, F_SETLK, F_WRLCK, 0, 200));
	EXPECT_EQ(0, bc_get(self->dir, "numflock/failcnt"));

	EXPECT_EQ(-ENOLCK, set(fd, F_SETLK, F_WRLCK, 300, 1));
	EXPECT_EQ(-ENOLCK, set(fd, F_SETLK, F_UNLCK, 10, 10));
	EXPECT_EQ(-ENOLCK, set(fd, F_SETLK, F_RDLCK, 10, 10));
	EXPECT_EQ(-ENOLCK, set(fd, F_SETLK, F_RDLCK, 0, 10));
	EXPECT_EQ(4, bc_get(self->dir, "numflock/failcnt"));
	EXPECT_EQ(1, locks(self->dir, self->ino));
	EXPECT_EQ(1, bc_get(self->dir, "numflock/maxheld"));

	/* Two are needed, one is there. */
	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "2"));
	EXPECT_EQ(-ENOLCK, set(fd, F_SETLK, F_RDLCK, 10, 10));
	EXPECT_EQ(1, locks(self->dir, self->ino));
	EXPECT_EQ(0, set(fd, F_SETLK, F_UNLCK, 10, 10));
	EXPECT_EQ(2, locks(self->dir, self->ino));
	EXPECT_EQ(0, set(fd, F_SETLK, F_UNLCK, 0, 0));
	EXPECT_EQ(0, locks(self->dir, self->ino));
}

TEST_F(lock, flock)
{
	int other = open(self->path, O_RDWR);
	pid_t pid;

	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "1"));
	EXPECT_EQ(0, flock(self->fd, LOCK_SH));
	EXPECT_EQ(1, locks(self->dir, self->ino));
	EXPECT_EQ(0, flock(self->fd, LOCK_SH));
	/* Converting needs no room. */
	EXPECT_EQ(0, flock(self->fd, LOCK_EX));
	EXPECT_EQ(0, flock(self->fd, LOCK_SH));
	EXPECT_EQ(1, locks(self->dir, self->ino));
	EXPECT_EQ(0, bc_get(self->dir, "numflock/failcnt"));
	EXPECT_EQ(-1, flock(other, LOCK_SH));
	EXPECT_EQ(ENOLCK, errno);
	EXPECT_EQ(1, bc_get(self->dir, "numflock/failcnt"));

	/* A conflict is one, also when there is no room. */
	EXPECT_EQ(0, flock(self->fd, LOCK_EX));
	EXPECT_EQ(-1, flock(other, LOCK_SH | LOCK_NB));
	EXPECT_EQ(EWOULDBLOCK, errno);

	/* It is a child's, too, and one lock. */
	pid = bc_spawn();
	close(self->fd);
	EXPECT_EQ(1, locks(self->dir, self->ino));
	bc_reap(pid);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	close(other);
	self->fd = open(self->path, O_RDWR);
}

/* Also when it has to wait: the charge waits with it. */
TEST_F(lock, flock_convert)
{
	int other = open(self->path, O_RDWR);
	int status = -1;
	pid_t pid;

	EXPECT_EQ(0, flock(other, LOCK_SH));
	pid = fork();
	if (pid == 0) {
		int fd = open(self->path, O_RDWR);

		bc_die_with_parent();
		if (flock(fd, LOCK_SH))
			_exit(1);
		_exit(flock(fd, LOCK_EX) ? 2 : 0);
	}
	/* Its shared lock is gone, and what was charged for it is not. */
	while (bc_get(self->dir, held) != 2 || locks_of(self->ino) != 1) {
		usleep(20000);
		ASSERT_EQ(0, waitpid(pid, NULL, WNOHANG));
	}
	/* Nobody may have another one now. */
	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "1"));
	EXPECT_EQ(0, flock(other, LOCK_UN));
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	EXPECT_EQ(0, bc_get(self->dir, "numflock/failcnt"));
	close(other);
}

/*
 * Locks that a server keeps: what it has granted is not refused. Needs a file on such
 * a filesystem, NFS or 9P, say.
 */
TEST_F(lock, remote)
{
	const char *path = getenv("BC_REMOTE_FILE");
	int fd = path ? open(path, O_RDONLY) : -1;

	if (fd < 0)
		SKIP(return, "BC_REMOTE_FILE is not a file");
	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "2"));
	EXPECT_EQ(0, set(fd, F_SETLK, F_RDLCK, 0, 100));
	EXPECT_EQ(1, bc_get(self->dir, held));
	EXPECT_EQ(0, set(fd, F_SETLK, F_RDLCK, 50, 100));
	EXPECT_EQ(1, bc_get(self->dir, held));
	/* The second hole is more than there is room for. */
	EXPECT_EQ(0, set(fd, F_SETLK, F_UNLCK, 10, 10));
	EXPECT_EQ(2, bc_get(self->dir, held));
	EXPECT_EQ(0, set(fd, F_SETLK, F_UNLCK, 30, 10));
	EXPECT_EQ(3, bc_get(self->dir, held));
	/* A new lock is refused before the server has seen it. */
	EXPECT_EQ(-ENOLCK, set(fd, F_SETLK, F_RDLCK, 300, 10));
	EXPECT_EQ(3, bc_get(self->dir, held));
	EXPECT_EQ(1, bc_get(self->dir, "numflock/failcnt"));
	EXPECT_EQ(0, set(fd, F_SETLK, F_UNLCK, 0, 0));
	EXPECT_EQ(0, bc_get(self->dir, held));

	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "1"));
	EXPECT_EQ(0, flock(fd, LOCK_SH));
	EXPECT_EQ(1, bc_get(self->dir, held));
	EXPECT_EQ(0, flock(fd, LOCK_UN));
	EXPECT_EQ(0, bc_get(self->dir, held));
	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "0"));
	EXPECT_EQ(-1, flock(fd, LOCK_SH));
	EXPECT_EQ(ENOLCK, errno);
	EXPECT_EQ(2, bc_get(self->dir, "numflock/failcnt"));
	close(fd);
}

/* A lock that could not be converted is gone, as flock(2) says. */
TEST_F(lock, flock_lost)
{
	int other = open(self->path, O_RDWR);

	EXPECT_EQ(0, flock(self->fd, LOCK_SH));
	EXPECT_EQ(0, flock(other, LOCK_SH));
	EXPECT_EQ(2, locks(self->dir, self->ino));
	EXPECT_EQ(-1, flock(other, LOCK_EX | LOCK_NB));
	EXPECT_EQ(1, locks(self->dir, self->ino));
	close(other);
	EXPECT_EQ(1, locks(self->dir, self->ino));
}

TEST_F(lock, lease)
{
	int fd = open(self->path, O_RDONLY);

	close(self->fd);
	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "1"));
	EXPECT_EQ(0, fcntl(fd, F_SETLEASE, F_RDLCK));
	EXPECT_EQ(1, locks(self->dir, self->ino));
	EXPECT_EQ(0, fcntl(fd, F_SETLEASE, F_RDLCK));
	EXPECT_EQ(0, fcntl(fd, F_SETLEASE, F_WRLCK));
	EXPECT_EQ(1, locks(self->dir, self->ino));
	EXPECT_EQ(0, fcntl(fd, F_SETLEASE, F_UNLCK));
	EXPECT_EQ(0, locks(self->dir, self->ino));
	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "0"));
	EXPECT_EQ(-1, fcntl(fd, F_SETLEASE, F_RDLCK));
	EXPECT_EQ(ENOLCK, errno);
	EXPECT_EQ(0, locks(self->dir, self->ino));
	EXPECT_EQ(1, bc_get(self->dir, "numflock/failcnt"));
	close(fd);
	self->fd = open(self->path, O_RDWR);
}

/* Who waits for a lock is not charged before it has it. */
TEST_F(lock, waiting)
{
	pid_t pid;
	int i;

	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "1"));
	EXPECT_EQ(0, set(self->fd, F_SETLK, F_WRLCK, 0, 10));
	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		if (set(self->fd, F_SETLKW, F_WRLCK, 0, 10))
			_exit(1);
		for (;;)
			pause();
	}
	/* Until it waits. */
	for (i = 0; i < 500; i++) {
		char line[256] = "", path[64];

		usleep(20000);
		snprintf(path, sizeof(path), "%d", pid);
		FILE *f = fopen("/proc/locks", "re");

		while (f && fgets(line, sizeof(line), f))
			if (strstr(line, "->") && strstr(line, path))
				i = 1000;
		if (f)
			fclose(f);
	}
	EXPECT_LE(1000, i);
	EXPECT_EQ(1, locks(self->dir, self->ino));
	EXPECT_EQ(0, bc_get(self->dir, "numflock/failcnt"));
	EXPECT_EQ(0, set(self->fd, F_SETLK, F_UNLCK, 0, 10));
	for (i = 0; i < 500 && locks_of(self->ino) != 1; i++)
		usleep(20000);
	EXPECT_EQ(1, locks(self->dir, self->ino));
	bc_reap(pid);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

/* Take a lock and give it back, again and again. Return: how often there was no room. */
static int take_turns(const char *path, bool whole)
{
	int fd = open(path, O_RDWR), i, refused = 0;

	for (i = 0; i < 500; i++) {
		if (whole) {
			refused += !!flock(fd, LOCK_EX);
			flock(fd, LOCK_UN);
		} else {
			refused += !!set(fd, F_SETLKW, F_WRLCK, 0, 10);
			set(fd, F_SETLK, F_UNLCK, 0, 10);
		}
	}
	close(fd);
	return refused;
}

/* Where there is room for one, who gets it next has the room of who gives it up. */
TEST_F(lock, handed_over)
{
	int whole, i, status;
	pid_t pid[3];

	ASSERT_EQ(0, bc_write(self->dir, "numflock/limit", "1"));
	for (whole = 0; whole < 2; whole++) {
		for (i = 0; i < 3; i++) {
			pid[i] = fork();
			if (pid[i] == 0) {
				bc_die_with_parent();
				_exit(!!take_turns(self->path, whole));
			}
		}
		for (i = 0; i < 3; i++) {
			EXPECT_EQ(pid[i], waitpid(pid[i], &status, 0));
			EXPECT_EQ(0, status);
		}
		EXPECT_EQ(0, bc_get(self->dir, "numflock/failcnt"));
		EXPECT_EQ(1, bc_get(self->dir, "numflock/maxheld"));
		EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	}
}

/* A lock that replaces another one is paid for by who paid for that. */
TEST_F(lock, moved)
{
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(0, set(self->fd, F_SETLK, F_RDLCK, 0, 10));
	EXPECT_EQ(0, bc_write(self->dir, "a/tasks", "0"));
	EXPECT_EQ(0, set(self->fd, F_SETLK, F_WRLCK, 0, 10));
	EXPECT_EQ(0, bc_get(self->dir, "a/numflock/held"));
	EXPECT_EQ(0, set(self->fd, F_SETLK, F_WRLCK, 20, 10));
	EXPECT_EQ(1, bc_get(self->dir, "a/numflock/held"));
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "0"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(2, bc_get(self->dir, held));
	EXPECT_EQ(0, set(self->fd, F_SETLK, F_UNLCK, 0, 0));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

TEST_HARNESS_MAIN
