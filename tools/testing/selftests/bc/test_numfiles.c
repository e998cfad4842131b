// SPDX-License-Identifier: GPL-2.0
/*
 * numfiles: what is an open file, who pays for it, and who may go up to the limit.
 */
#include <linux/capability.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "bc_worker.h"

static const char *held = "numfiles/held";

/*
 * The test itself goes into the group and comes out again: what it opens in between
 * is the group's, and what it reads from outside is not.
 */
#define IN_GROUP(dir) \
	for (int once_ = bc_write(dir, "tasks", "0") ? 0 : 1; once_; \
	     once_ = 0, bc_write(BC_ROOT, "tasks", "0"))

TEST_F(bc, kinds)
{
	int fd[32], n = 0, i, sv[2];
	sigset_t set;

	sigemptyset(&set);
	IN_GROUP(self->dir) {
		fd[n++] = open("/dev/null", O_RDONLY);
		fd[n++] = open("/tmp", O_PATH);
		fd[n++] = open("/tmp", O_TMPFILE | O_RDWR, 0600);
		fd[n++] = open("/proc/self", O_RDONLY | O_DIRECTORY);
		ASSERT_EQ(0, pipe(fd + n));
		n += 2;
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
		fd[n++] = sv[0];
		fd[n++] = sv[1];
		fd[n++] = socket(AF_INET, SOCK_DGRAM, 0);
		fd[n++] = epoll_create1(0);
		fd[n++] = eventfd(0, 0);
		fd[n++] = memfd_create("bc", 0);
		fd[n++] = timerfd_create(CLOCK_MONOTONIC, 0);
		fd[n++] = signalfd(-1, &set, 0);
		fd[n++] = inotify_init();
		fd[n++] = syscall(SYS_pidfd_open, getpid(), 0);
	}
	for (i = 0; i < n; i++)
		ASSERT_LE(0, fd[i]) {
			TH_LOG("%d", i);
		}
	EXPECT_EQ(n, bc_get(self->dir, held));
	for (i = 0; i < n; i++)
		close(fd[i]);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

/* The same file under another number, or in another process, is the same file. */
TEST_F(bc, same_file)
{
	int fd = -1, copy = -1;
	pid_t pid = 0;

	IN_GROUP(self->dir) {
		fd = open("/dev/null", O_RDONLY);
		copy = dup(fd);
		close(fcntl(fd, F_DUPFD, 50));
		pid = bc_spawn();
	}
	EXPECT_EQ(1, bc_get(self->dir, held));
	close(copy);
	close(fd);
	/* The child has it. */
	EXPECT_EQ(1, bc_get(self->dir, held));
	bc_reap(pid);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

/* A mapping has the file, too; shared memory without a name has one of its own. */
TEST_F(bc, mapped)
{
	void *p = MAP_FAILED;
	int fd;

	IN_GROUP(self->dir) {
		fd = memfd_create("bc", 0);
		ASSERT_EQ(0, ftruncate(fd, 4096));
		p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(1, bc_get(self->dir, held));
	munmap(p, 4096);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));

	IN_GROUP(self->dir)
		p = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(1, bc_get(self->dir, held));
	munmap(p, 4096);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

static int receive_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))], c;
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

/* A file that is sent stays its opener's: in flight, received, and after rmdir. */
TEST_F(bc, sent)
{
	int sv[2], fd;
	pid_t pid;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	pid = fork();
	if (pid == 0) {
		bc_write(self->dir, "a/tasks", "0");
		_exit(bc_send_fd(sv[1], open("/dev/null", O_RDONLY)) ? 1 : 0);
	}
	waitpid(pid, NULL, 0);
	EXPECT_EQ(1, bc_get(self->dir, "a/numfiles/held"));
	fd = receive_fd(sv[0]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, bc_get(self->dir, "a/numfiles/held"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(1, bc_get(self->dir, held));
	close(fd);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));

	/* And one that is never received. */
	IN_GROUP(self->dir) {
		fd = open("/dev/null", O_RDONLY);
		EXPECT_EQ(0, bc_send_fd(sv[1], fd));
		close(fd);
	}
	EXPECT_EQ(1, bc_get(self->dir, held));
	close(sv[0]);
	close(sv[1]);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

static char self_exe[PATH_MAX];

/* exec closes what is to be closed, and only that. */
TEST_F(bc, exec)
{
	int ready[2];
	pid_t pid;
	char c;

	ASSERT_LT(0, readlink("/proc/self/exe", self_exe, sizeof(self_exe) - 1));
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (pid == 0) {
		char num[16];

		bc_die_with_parent();
		bc_write(self->dir, "tasks", "0");
		open("/dev/null", O_RDONLY | O_CLOEXEC);
		open("/dev/null", O_RDONLY | O_CLOEXEC);
		open("/dev/null", O_RDONLY);
		snprintf(num, sizeof(num), "%d", ready[1]);
		setenv("BC_EXEC_READY", num, 1);
		execl(self_exe, "test_numfiles", NULL);
		_exit(1);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ('x', c);
	/* One descriptor, and the program itself, which was opened to be mapped. */
	EXPECT_EQ(2, bc_settle(self->dir, held, 2));
	bc_reap(pid);
	close(ready[0]);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

static int nothing(void *arg)
{
	return 0;
}

/* With no room, all of these say ENFILE, and have left nothing behind. */
static int no_room(void *arg)
{
	int fds[2], sock = *(int *)arg;

	if (open("/dev/null", O_RDONLY) != -1 || errno != ENFILE)
		return 1;
	if (open("/tmp", O_PATH) != -1 || errno != ENFILE)
		return 2;
	if (pipe(fds) != -1 || errno != ENFILE)
		return 3;
	if (socket(AF_UNIX, SOCK_STREAM, 0) != -1 || errno != ENFILE)
		return 4;
	if (epoll_create1(0) != -1 || errno != ENFILE)
		return 5;
	if (eventfd(0, 0) != -1 || errno != ENFILE)
		return 6;
	if (memfd_create("bc", 0) != -1 || errno != ENFILE)
		return 7;
	if (accept(sock, NULL, NULL) != -1 || errno != ENFILE)
		return 8;
	if (execl(self_exe, "nothing", NULL) != -1 || errno != ENFILE)
		return 9;
	/* What is there can be used, and forks are fine. */
	if (dup(sock) < 0 || bc_in_child(nothing, NULL))
		return 10;
	return 0;
}

TEST_F(bc, no_room)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(addr);
	pid_t pid;
	int status;

	ASSERT_LT(0, readlink("/proc/self/exe", self_exe, sizeof(self_exe) - 1));
	/* An address that the kernel picks. */
	ASSERT_EQ(0, bind(sock, (void *)&addr, sizeof(sa_family_t)));
	ASSERT_EQ(0, listen(sock, 5));
	ASSERT_EQ(0, getsockname(sock, (void *)&addr, &len));
	ASSERT_EQ(0, connect(client, (void *)&addr, len));

	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "0"));
	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		raise(SIGSTOP);
		_exit(no_room(&sock));
	}
	waitpid(pid, &status, WUNTRACED);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_get(self->dir, "numfiles/maxheld"));
	EXPECT_LE(9, bc_get(self->dir, "numfiles/failcnt"));

	/* The connection is still there to be accepted. */
	status = accept(sock, NULL, NULL);
	EXPECT_LE(0, status);
	close(status);
	close(sock);
	close(client);
}

static int drop_privilege(void)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { };

	return syscall(SYS_capset, &hdr, data) ? -errno : 0;
}

/* Open until it fails. How many. */
static int open_all(void *arg)
{
	int n = 0;

	if (arg && drop_privilege())
		return 120;
	while (n < 100 && open("/dev/null", O_RDONLY) >= 0)
		n++;
	return n;
}

/* In the group from the start, without having opened a file to get there. */
static int in_group(const char *dir, int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		bc_die_with_parent();
		raise(SIGSTOP);
		_exit(fn(arg));
	}
	waitpid(pid, &status, WUNTRACED);
	status = bc_write(dir, "tasks", "%d", pid);
	if (status)
		return status;
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -status;
}

/* The barrier is for everybody, the limit for CAP_SYS_ADMIN. */
TEST_F(bc, barrier)
{
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "30"));
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/barrier", "20"));
	EXPECT_EQ(30, in_group(self->dir, open_all, NULL));
	EXPECT_EQ(1, bc_get(self->dir, "numfiles/failcnt"));
	EXPECT_EQ(30, bc_get(self->dir, "numfiles/maxheld"));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/maxheld", "0"));
	EXPECT_EQ(20, in_group(self->dir, open_all, ""));
	EXPECT_EQ(2, bc_get(self->dir, "numfiles/failcnt"));
	EXPECT_EQ(20, bc_get(self->dir, "numfiles/maxheld"));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

/* An open that fails later has been charged, and is uncharged. */
static int fail_opens(void *arg)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (open("/nonexistent", O_RDONLY) >= 0 ||
		    open("/tmp", O_WRONLY) >= 0 ||
		    open("/dev/null", O_RDONLY | O_DIRECTORY) >= 0)
			return 1;
	}
	return 0;
}

TEST_F(bc, failed_opens)
{
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "1"));
	EXPECT_EQ(0, in_group(self->dir, fail_opens, NULL));
	EXPECT_EQ(0, bc_get(self->dir, "numfiles/failcnt"));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

/*
 * What CPUs keep as credit may show in maxheld: twice a batch of 8 for each CPU in a
 * group without children, and what is being exchanged.
 */
TEST_F(bc, maxheld)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	int round;

	for (round = 0; round < 10; round++) {
		long max;

		EXPECT_EQ(100, in_group(self->dir, open_all, NULL));
		EXPECT_EQ(0, bc_settle(self->dir, held, 0));
		max = bc_get(self->dir, "numfiles/maxheld");
		EXPECT_LE(100, max);
		EXPECT_GE(100 + 16 * 2 * cpus, max);
	}
}

/*
 * To the file, where fs.file-nr leaves out what each CPU has not added up. Who else opens
 * and closes files now, as what a former test has left behind, makes us try again.
 */
TEST_F(bc, root)
{
	long before, with, after;
	int fd[100], try = 0;
	int i;

	do {
		before = bc_get(BC_ROOT, held);
		for (i = 0; i < 100; i++)
			fd[i] = open("/dev/null", O_RDONLY);
		with = bc_get(BC_ROOT, held);
		for (i = 0; i < 100; i++)
			close(fd[i]);
		after = bc_get(BC_ROOT, held);
	} while ((with != before + 100 || after != before) && ++try < 50);

	EXPECT_LT(0, before);
	EXPECT_EQ(before + 100, with);
	EXPECT_EQ(before, after);
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, "numfiles/limit", "1000000"));
}

/* After exec: say so, and wait. Before the harness sets up shared memory. */
static void __attribute__((constructor(101))) after_exec(void)
{
	const char *ready = getenv("BC_EXEC_READY");

	if (!ready)
		return;
	bc_die_with_parent();
	if (write(atoi(ready), "x", 1) == 1)
		pause();
	_exit(1);
}

TEST_HARNESS_MAIN
