// SPDX-License-Identifier: GPL-2.0
/*
 * kmemsize. What stands for all kernel memory in most tests is a message of System V IPC,
 * which is one slab object that any process may free. How many bytes it counts depends
 * on the kernel's debug options, so that is found out first.
 */
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "bc_failslab.h"
#include "bc_kmem.h"
#include "bc_proc.h"
#include "bc_worker.h"

#define KFENCE	"/sys/module/kfence/parameters"
#define CGROUP	"/sys/fs/cgroup"

static const char held[] = "kmemsize/held";
static const char limit[] = "kmemsize/limit";
static const char failcnt[] = "kmemsize/failcnt";

/* Not in the headers of older systems. */
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY	0x10000
#endif

/* Room for every test in one queue. */
static int queue = -1;

struct message {
	long type;
	char text[1000];
};

/* Send @n messages. How many, or -errno. */
static int send_messages(long n)
{
	static struct message msg = { .type = 1 };
	long i;

	for (i = 0; i < n; i++) {
		if (msgsnd(queue, &msg, sizeof(msg.text), IPC_NOWAIT))
			return i ?: -errno;
	}
	return i;
}

static int receive_messages(long n)
{
	static struct message msg;
	long i;

	for (i = 0; i < n; i++) {
		if (msgrcv(queue, &msg, sizeof(msg.text), 0, IPC_NOWAIT) < 0)
			return i ?: -errno;
	}
	return i;
}

FIXTURE(kmem) {
	char dir[64];
	struct bc_servant p;
	long unit;
};

FIXTURE_SETUP(kmem)
{
	struct msqid_ds ds;

	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, held) == -ENOENT)
		SKIP(return, "no kmemsize in this kernel");
	queue = msgget(IPC_PRIVATE, 0600);
	ASSERT_LE(0, queue);
	ASSERT_EQ(0, msgctl(queue, IPC_STAT, &ds));
	ds.msg_qbytes = 1000000;
	ASSERT_EQ(0, msgctl(queue, IPC_SET, &ds));
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));

	self->p = bc_servant_start();
	ASSERT_LT(0, self->p.pid);
	/* All it needs to do so itself, it has afterwards. */
	ASSERT_EQ(1, bc_servant_do(self->p, send_messages, 1));
	ASSERT_EQ(1, bc_servant_do(self->p, receive_messages, 1));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", self->p.pid));
	ASSERT_EQ(0, bc_get(self->dir, held));
	ASSERT_EQ(1, bc_servant_do(self->p, send_messages, 1));
	self->unit = bc_get(self->dir, held);
	ASSERT_LE(1000, self->unit);
	ASSERT_EQ(1, bc_servant_do(self->p, receive_messages, 1));
	ASSERT_EQ(0, bc_get(self->dir, held));
}

FIXTURE_TEARDOWN(kmem)
{
	if (!self->dir[0])
		return;
	bc_servant_kill(self->p);
	msgctl(queue, IPC_RMID, NULL);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	bc_expect_clean(_metadata, self->dir);
}

TEST_F(kmem, refuse)
{
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 3 * self->unit));
	ASSERT_EQ(0, bc_write(self->dir, "kmemsize/maxheld", "0"));
	EXPECT_EQ(3, bc_servant_do(self->p, send_messages, 4));
	EXPECT_EQ(3 * self->unit, bc_get(self->dir, held));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(-ENOMEM, bc_servant_do(self->p, send_messages, 1));
	EXPECT_EQ(2, bc_get(self->dir, failcnt));
	EXPECT_GE(3 * self->unit, bc_get(self->dir, "kmemsize/maxheld"));

	EXPECT_EQ(1, bc_servant_do(self->p, receive_messages, 1));
	EXPECT_EQ(2 * self->unit, bc_get(self->dir, held));
	/* Not a byte too many. */
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 3 * self->unit - 1));
	EXPECT_EQ(-ENOMEM, bc_servant_do(self->p, send_messages, 1));
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 3 * self->unit));
	EXPECT_EQ(1, bc_servant_do(self->p, send_messages, 1));

	/* Somebody else frees them, from outside. */
	EXPECT_EQ(3, receive_messages(4));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(3, bc_get(self->dir, failcnt));
}

TEST_F(kmem, refuse_above)
{
	char leaf[96], path[64];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	bc_path(path, self->dir, "a");
	snprintf(leaf, sizeof(leaf), "%s/a/b", self->dir);
	ASSERT_EQ(0, bc_servant_move(self->p, leaf));
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 2 * self->unit));
	ASSERT_EQ(0, bc_write(self->dir, "a/kmemsize/limit", "%ld", 5 * self->unit));
	EXPECT_EQ(2, bc_servant_do(self->p, send_messages, 3));
	EXPECT_EQ(2 * self->unit, bc_get(leaf, held));
	EXPECT_EQ(2 * self->unit, bc_get(self->dir, "a/kmemsize/held"));
	EXPECT_EQ(2 * self->unit, bc_get(self->dir, held));
	EXPECT_EQ(0, bc_get(leaf, failcnt));
	EXPECT_EQ(0, bc_get(self->dir, "a/kmemsize/failcnt"));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));

	ASSERT_EQ(0, bc_write(self->dir, limit, "max"));
	ASSERT_EQ(0, bc_write(leaf, limit, "%ld", 2 * self->unit));
	EXPECT_EQ(-ENOMEM, bc_servant_do(self->p, send_messages, 1));
	EXPECT_EQ(1, bc_get(leaf, failcnt));
	EXPECT_EQ(2, receive_messages(2));
	EXPECT_EQ(0, bc_get(self->dir, held));
}

/* What was made before a move stays where it was charged. */
TEST_F(kmem, stay)
{
	char a[80], b[80];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	bc_path(a, self->dir, "a");
	bc_path(b, self->dir, "b");
	ASSERT_EQ(0, bc_servant_move(self->p, a));
	EXPECT_EQ(2, bc_servant_do(self->p, send_messages, 2));
	ASSERT_EQ(0, bc_servant_move(self->p, b));
	EXPECT_EQ(3, bc_servant_do(self->p, send_messages, 3));
	EXPECT_EQ(2 * self->unit, bc_get(a, held));
	EXPECT_EQ(3 * self->unit, bc_get(b, held));
	EXPECT_EQ(5 * self->unit, bc_get(self->dir, held));
	/* First come, first served: it is those of a that go. */
	EXPECT_EQ(2, bc_servant_do(self->p, receive_messages, 2));
	EXPECT_EQ(0, bc_get(a, held));
	EXPECT_EQ(3 * self->unit, bc_get(b, held));
	EXPECT_EQ(3, bc_servant_do(self->p, receive_messages, 3));
	EXPECT_EQ(0, bc_get(b, held));
}

/* A group without a directory goes on paying, and is freed in the end. */
TEST_F(kmem, outlive)
{
	long groups = bc_settle(BC_GROUPS, "groups", bc_live_groups());
	char a[80];

	if (groups < 0)
		SKIP(return, "the kernel does not say how many groups there are");
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	bc_path(a, self->dir, "a");
	ASSERT_EQ(0, bc_servant_move(self->p, a));
	EXPECT_EQ(4, bc_servant_do(self->p, send_messages, 4));
	ASSERT_EQ(0, bc_servant_move(self->p, BC_ROOT));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(4 * self->unit, bc_get(self->dir, held));
	EXPECT_EQ(groups + 1, bc_get(BC_GROUPS, "groups"));
	EXPECT_EQ(3, receive_messages(3));
	EXPECT_EQ(self->unit, bc_get(self->dir, held));
	EXPECT_EQ(1, receive_messages(1));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(groups, bc_settle(BC_GROUPS, "groups", groups));
}

/* Nobody in the root group is charged, also while there are other groups. */
TEST_F(kmem, root)
{
	EXPECT_EQ(3, send_messages(3));
	EXPECT_EQ(0, bc_get(self->dir, held));
	EXPECT_EQ(3, bc_servant_do(self->p, receive_messages, 3));
	EXPECT_EQ(0, bc_get(self->dir, held));
	/* The kernel's own count, which has that of groups in it. */
	EXPECT_LT(3 * self->unit, bc_get(BC_ROOT, held));
}

/* A whole process, with all it has: nothing remains. */
static int live_a_little(long arg)
{
	char stack[4096], path[64];
	int fd[2], i;
	pid_t pid;

	snprintf(path, sizeof(path), "/tmp/bc-kmem-%d", getpid());
	for (i = 0; i < arg; i++) {
		pid = fork();
		if (pid == 0) {
			memset(stack, i, sizeof(stack));
			if (pipe(fd) || socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
				_exit(1);
			close(open(path, O_CREAT | O_RDWR, 0600));
			if (write(fd[0], stack, sizeof(stack)) != sizeof(stack))
				_exit(2);
			mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			execl("/bin/true", "true", NULL);
			_exit(0);
		}
		if (pid < 0)
			return -errno;
		waitpid(pid, NULL, 0);
	}
	unlink(path);
	return 0;
}

TEST_F(kmem, processes)
{
	long base;

	EXPECT_EQ(0, bc_servant_do(self->p, live_a_little, 1));
	base = bc_calm(self->dir, held);
	EXPECT_EQ(0, bc_servant_do(self->p, live_a_little, 20));
	EXPECT_EQ(base, bc_settle(self->dir, held, base));
	EXPECT_LT(base + 10000, bc_get(self->dir, "kmemsize/maxheld"));
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
}

/* Make and free at random, until told to stop. How many were refused. */
static int storm(long depth)
{
	unsigned int seed = getpid();
	int n = 0, refused = 0, ret;

	while (!bc_told_to_stop()) {
		if (n && (n == depth || rand_r(&seed) & 1)) {
			ret = receive_messages(1);
			/* The other one may have taken ours. */
			n -= ret == 1;
			if (ret < 0 && ret != -ENOMSG)
				return ret;
			if (ret == -ENOMSG)
				n = 0;
			continue;
		}
		ret = send_messages(1);
		if (ret == 1)
			n++;
		else if (ret == -ENOMEM)
			refused++;
		else
			return ret;
	}
	return refused;
}

/* Two make and free at a limit, in different groups below it. */
TEST_F(kmem, storm)
{
	struct bc_servant other = bc_servant_start();
	double end = bc_end_time(3);
	long refused, r, failed;
	char a[80], b[80];
	int over = 0, n;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	bc_path(a, self->dir, "a");
	bc_path(b, self->dir, "b");
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 6 * self->unit));
	ASSERT_EQ(0, bc_write(a, limit, "%ld", 5 * self->unit));
	ASSERT_EQ(0, bc_servant_move(self->p, a));
	ASSERT_EQ(0, bc_servant_move(other, b));
	bc_servant_tell(self->p, storm, 8);
	bc_servant_tell(other, storm, 8);
	for (n = 0; bc_goes_on(end, bc_get(self->dir, failcnt) > 0); n++) {
		over += bc_get(self->dir, held) > 6 * self->unit;
		over += bc_get(a, held) > 5 * self->unit;
	}
	EXPECT_EQ(0, over);
	bc_servant_stop(self->p);
	bc_servant_stop(other);
	refused = bc_servant_answer(self->p);
	EXPECT_LE(0, refused);
	r = bc_servant_answer(other);
	EXPECT_LE(0, r);
	refused += r;
	bc_servant_kill(other);
	receive_messages(100);
	/* What the other one needed to do so: faults, and its end. */
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	EXPECT_EQ(0, bc_settle(b, held, 0));
	failed = bc_get(self->dir, failcnt) + bc_get(a, failcnt) + bc_get(b, failcnt);
	TH_LOG("%ld refused, looked %d times", refused, n);
	EXPECT_EQ(refused, failed);
	EXPECT_LT(0, refused);
}

/* The barrier is for all who may wait, with privileges or not. */
static int queue_signal(long arg)
{
	union sigval val = { };

	return sigqueue(getpid(), SIGRTMIN, val) ? -errno : 0;
}

static int drop_signals(long arg)
{
	struct timespec now = { };
	sigset_t set;
	int n = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	while (sigtimedwait(&set, NULL, &now) == SIGRTMIN)
		n++;
	return n;
}

static int block_signals(long arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	return sigprocmask(SIG_BLOCK, &set, NULL) ? -errno : 0;
}

TEST_F(kmem, barrier)
{
	long signal;

	ASSERT_EQ(0, bc_servant_do(self->p, block_signals, 0));
	ASSERT_EQ(0, bc_servant_do(self->p, queue_signal, 0));
	signal = bc_get(self->dir, held);
	EXPECT_LT(0, signal);
	EXPECT_EQ(1, bc_servant_do(self->p, drop_signals, 0));
	EXPECT_EQ(0, bc_get(self->dir, held));

	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 3 * self->unit));
	ASSERT_EQ(0, bc_write(self->dir, "kmemsize/barrier", "%ld", self->unit));
	EXPECT_EQ(1, bc_servant_do(self->p, send_messages, 1));
	EXPECT_EQ(-ENOMEM, bc_servant_do(self->p, send_messages, 1));
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", self->unit + 2 * signal));
	/* Under a lock, there is no waiting for anything. */
	EXPECT_EQ(0, bc_servant_do(self->p, queue_signal, 0));
	EXPECT_EQ(0, bc_servant_do(self->p, queue_signal, 0));
	EXPECT_EQ(-EAGAIN, bc_servant_do(self->p, queue_signal, 0));
	EXPECT_EQ(self->unit + 2 * signal, bc_get(self->dir, held));
	EXPECT_EQ(2, bc_get(self->dir, failcnt));
	EXPECT_EQ(2, bc_servant_do(self->p, drop_signals, 0));
	EXPECT_EQ(1, receive_messages(1));
}

/* Memory that has never been touched. */
static char *fresh;

static int map_fresh(long flags)
{
	size_t page = sysconf(_SC_PAGESIZE);

	/*
	 * Far from others, or it would share what its neighbours have, and what is near
	 * them does not grow.
	 */
	fresh = mmap(NULL, 4096 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fresh == MAP_FAILED || munmap(fresh, 4096 * page))
		return -errno;
	fresh += 2048 * page;
	fresh = mmap(fresh, 2 * page, PROT_READ | PROT_WRITE,
		     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	return fresh == MAP_FAILED ? -errno : 0;
}

static void touch(char *p)
{
	__atomic_store_n(p, 1, __ATOMIC_RELAXED);
}

static int touch_fresh(long offset)
{
	touch(fresh + offset);
	return 0;
}

static int zero_fd;

static int open_zero(long arg)
{
	zero_fd = open("/dev/zero", O_RDONLY);
	return zero_fd < 0 ? -errno : 0;
}

/* The kernel is told to write there, and has nobody to tell but the caller. */
static int read_zero(long offset)
{
	return read(zero_fd, fresh + offset, 1) == 1 ? 0 : -errno;
}

/* A page fault is not refused: there is nobody who could be told. */
TEST_F_TIMEOUT(kmem, fault, 180)
{
	static const struct {
		int flags, (*how)(long offset), offset;
	} faults[] = {
		{ 0, touch_fresh, 0 },
		{ 0, read_zero, 0 },
		/* The stack of a thread, say, grows. */
		{ MAP_GROWSDOWN, touch_fresh, -1 },
		{ MAP_GROWSDOWN, read_zero, -1 },
	};
	long base, failed;
	size_t i;

	ASSERT_EQ(0, bc_servant_do(self->p, open_zero, 0));
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		ASSERT_EQ(0, bc_write(self->dir, limit, "max"));
		ASSERT_EQ(0, bc_servant_do(self->p, map_fresh, faults[i].flags));
		base = bc_calm(self->dir, held);
		ASSERT_EQ(0, bc_write(self->dir, limit, "%d", 1));
		failed = bc_get(self->dir, failcnt);
		ASSERT_EQ(0, bc_servant_do(self->p, faults[i].how, faults[i].offset)) {
			TH_LOG("fault %zu", i);
		}
		EXPECT_LT(base, bc_get(self->dir, held)) {
			TH_LOG("fault %zu", i);
		}
		EXPECT_EQ(failed, bc_get(self->dir, failcnt));
		/* It is in the way of all else. */
		EXPECT_EQ(-ENOMEM, bc_servant_do(self->p, bc_do_fork, 0));
	}
}

/* Nor is what the kernel has to say with a signal. */
static sigjmp_buf after;
static long caught;

static void set_caught(long what)
{
	__atomic_store_n(&caught, what, __ATOMIC_RELAXED);
}

static long get_caught(void)
{
	return __atomic_load_n(&caught, __ATOMIC_RELAXED);
}

static void catch_fault(int sig, siginfo_t *info, void *context)
{
	set_caught((long)info->si_addr);
	siglongjmp(after, 1);
}

static void catch_kill(int sig, siginfo_t *info, void *context)
{
	set_caught(info->si_pid);
}

static int fault_at(long addr)
{
	struct sigaction sa = { .sa_sigaction = catch_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	set_caught(-1);
	if (!sigsetjmp(after, 1))
		touch((char *)addr);
	return get_caught() == addr ? 0 : -EINVAL;
}

static int kill_oneself(long arg)
{
	struct sigaction sa = { .sa_sigaction = catch_kill, .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &sa, NULL);
	set_caught(-1);
	kill(getpid(), SIGUSR1);
	return get_caught() == getpid() ? 0 : -EINVAL;
}

TEST_F(kmem, signals)
{
	ASSERT_EQ(0, bc_write(self->dir, limit, "1"));
	ASSERT_EQ(0, bc_servant_do(self->p, block_signals, 0));
	EXPECT_EQ(-EAGAIN, bc_servant_do(self->p, queue_signal, 0));
	EXPECT_EQ(0, bc_servant_do(self->p, fault_at, 0x10));
	EXPECT_EQ(0, bc_servant_do(self->p, kill_oneself, 0));
	EXPECT_EQ(1, bc_get(self->dir, failcnt));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

/* Memory cgroups charge the same objects: neither is to notice the other. */
TEST_F(kmem, memcg)
{
	char cg[64];

	if (bc_write(CGROUP, "cgroup.subtree_control", "+memory"))
		SKIP(return, "no memory cgroups here");
	snprintf(cg, sizeof(cg), CGROUP "/bc-%d", getpid());
	ASSERT_EQ(0, mkdir(cg, 0755));
	ASSERT_EQ(0, bc_write(cg, "cgroup.procs", "%d", self->p.pid));
	ASSERT_EQ(0, bc_write(self->dir, limit, "%ld", 10 * self->unit));
	EXPECT_EQ(10, bc_servant_do(self->p, send_messages, 11));
	EXPECT_EQ(10 * self->unit, bc_get(self->dir, held));
	EXPECT_EQ(10, bc_servant_do(self->p, receive_messages, 10));
	EXPECT_EQ(0, bc_get(self->dir, held));
	ASSERT_EQ(0, bc_write(self->dir, limit, "max"));
	EXPECT_EQ(0, bc_servant_do(self->p, live_a_little, 5));
	bc_reap(self->p.pid);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	EXPECT_EQ(0, rmdir(cg));
	bc_write(CGROUP, "cgroup.subtree_control", "-memory");
}

/* Objects that KFENCE has taken into its care count as others do. */
TEST_F(kmem, kfence)
{
	long interval = bc_get(KFENCE, "sample_interval");
	char before[4096], after_[4096];
	int i;

	if (interval <= 0)
		SKIP(return, "KFENCE does not run");
	ASSERT_EQ(0, bc_read("/sys/kernel/debug/kfence", "stats", before, sizeof(before)));
	ASSERT_EQ(0, bc_write(KFENCE, "sample_interval", "1"));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(200, bc_servant_do(self->p, send_messages, 200));
		EXPECT_EQ(200 * self->unit, bc_get(self->dir, held));
		EXPECT_EQ(200, receive_messages(200));
		EXPECT_EQ(0, bc_get(self->dir, held));
	}
	EXPECT_EQ(0, bc_servant_do(self->p, live_a_little, 10));
	ASSERT_EQ(0, bc_write(KFENCE, "sample_interval", "%ld", interval));
	ASSERT_EQ(0, bc_read("/sys/kernel/debug/kfence", "stats", after_, sizeof(after_)));
	EXPECT_NE(0, strcmp(before, after_));
}

/*
 * Every system call that allocates what counts, each allocation refused in turn. @error:
 * what it fails with; some say something else than ENOMEM.
 */
struct call {
	const char *name;
	int (*fn)(long arg);
	long arg;
	int error;
	int (*prepare)(long arg);	/* once, without a limit */
	bool once;	/* it cannot be undone: what it has made goes with it */
};

static int fd_result(int fd)
{
	int ret = fd < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

/* Programs that do not get memory complain. */
static int be_quiet(long arg)
{
	int fd = open("/dev/null", O_WRONLY);

	return dup2(fd, STDERR_FILENO) < 0 ? -errno : 0;
}

static int do_vfork(long arg)
{
	int status = 0;
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return -errno;
	waitpid(pid, &status, 0);
	return status ? -ECHILD : 0;
}

/* The child of a vfork is who fails; it is not to be killed. */
static int do_exec(long arg)
{
	char * const argv[] = { "true", NULL };
	char * const envp[] = { NULL };
	static int err;
	int status = 0;
	pid_t pid;

	__atomic_store_n(&err, 0, __ATOMIC_RELAXED);
	pid = vfork();
	if (pid == 0) {
		execve("/bin/true", argv, envp);
		/* In the parent's memory. */
		__atomic_store_n(&err, errno, __ATOMIC_RELAXED);
		_exit(1);
	}
	if (pid < 0)
		return -errno;
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		return -EINTR;
	return -__atomic_load_n(&err, __ATOMIC_RELAXED);
}

static void *end_thread(void *arg)
{
	return arg;
}

static int do_thread(long arg)
{
	static char stack[65536];
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, sizeof(stack));
	err = pthread_create(&thread, &attr, end_thread, NULL);
	if (!err)
		pthread_join(thread, NULL);
	return -err;
}

static int do_open(long arg)
{
	return fd_result(open("/dev/null", O_RDONLY));
}

static int do_create(long arg)
{
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/tmp/bc-kmem-%d", getpid());
	ret = fd_result(open(path, O_CREAT | O_EXCL | O_RDWR, 0600));
	unlink(path);
	return ret;
}

static int do_memfd(long arg)
{
	return fd_result(memfd_create("bc", 0));
}

static int do_seq_file(long arg)
{
	int fd = open("/proc/self/status", O_RDONLY), ret = 0;
	char c;

	if (fd < 0)
		return -errno;
	if (read(fd, &c, 1) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int two_fds(int ret, int *fd)
{
	if (ret)
		return -errno;
	close(fd[0]);
	close(fd[1]);
	return 0;
}

static int do_pipe(long arg)
{
	int fd[2];

	return two_fds(pipe(fd), fd);
}

static int do_pipe_size(long arg)
{
	if (fcntl(zero_fd, F_SETPIPE_SZ, 128 << 10) < 0)
		return -errno;
	return fcntl(zero_fd, F_SETPIPE_SZ, 64 << 10) < 0 ? -errno : 0;
}

static int open_pipe(long arg)
{
	int fd[2];

	if (pipe(fd))
		return -errno;
	zero_fd = fd[0];
	return 0;
}

static int do_socketpair(long type)
{
	int fd[2];

	return two_fds(socketpair(AF_UNIX, type, 0, fd), fd);
}

static int do_tcp(long arg)
{
	return fd_result(socket(AF_INET, SOCK_STREAM, 0));
}

static int do_udp(long arg)
{
	return fd_result(socket(AF_INET, SOCK_DGRAM, 0));
}

static int do_netlink(long arg)
{
	return fd_result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int pair[2];

static int open_pair(long type)
{
	return socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) ? -errno : 0;
}

static int do_send(long arg)
{
	char c;

	if (send(pair[0], "", 1, 0) < 0)
		return -errno;
	return recv(pair[1], &c, 1, 0) == 1 ? 0 : -EIO;
}

static int do_send_fd(long arg)
{
	int err = bc_send_fd(pair[0], pair[0]);
	char c;

	/* Without taking it. */
	return err ?: recv(pair[1], &c, 1, 0) == 1 ? 0 : -EIO;
}

static struct sockaddr_un_ { sa_family_t family; char path[32]; } name;
static int listener;

static int listen_unix(long arg)
{
	name.family = AF_UNIX;
	snprintf(name.path + 1, sizeof(name.path) - 1, "bc-kmem-%d", getpid());
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (void *)&name, sizeof(name)) || listen(listener, 5))
		return -errno;
	return 0;
}

static int do_connect(long arg)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), other, ret = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (void *)&name, sizeof(name)))
		ret = -errno;
	close(fd);
	if (!ret) {
		/* Made by connect(2), but the file is not. */
		do {
			other = accept(listener, NULL, NULL);
			if (other < 0)
				ret = -errno;
		} while (other < 0 && errno == EINTR);
		if (other >= 0)
			close(other);
	}
	return ret;
}

static int do_bind(long arg)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), ret = 0;

	if (fd < 0)
		return -errno;
	if (bind(fd, (void *)&in, sizeof(in)))
		ret = -errno;
	close(fd);
	return ret;
}

static int do_epoll(long arg)
{
	return fd_result(epoll_create1(0));
}

static int epoll, event;

static int open_epoll(long arg)
{
	epoll = epoll_create1(0);
	event = eventfd(0, 0);
	return epoll < 0 || event < 0 ? -errno : 0;
}

static int do_epoll_add(long arg)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, event, &ev))
		return -errno;
	return epoll_ctl(epoll, EPOLL_CTL_DEL, event, &ev) ? -errno : 0;
}

static int do_eventfd(long arg)
{
	return fd_result(eventfd(0, 0));
}

static int do_signalfd(long arg)
{
	sigset_t set;

	sigemptyset(&set);
	return fd_result(signalfd(-1, &set, 0));
}

static int do_timerfd(long arg)
{
	return fd_result(timerfd_create(CLOCK_MONOTONIC, 0));
}

static int do_inotify(long arg)
{
	return fd_result(inotify_init1(0));
}

static int inotify;

static int open_inotify(long arg)
{
	inotify = inotify_init1(0);
	return inotify < 0 ? -errno : 0;
}

static int do_watch(long arg)
{
	int wd = inotify_add_watch(inotify, "/tmp", IN_DELETE_SELF);

	if (wd < 0)
		return -errno;
	inotify_rm_watch(inotify, wd);
	return 0;
}

static int do_fasync(long arg)
{
	if (fcntl(zero_fd, F_SETFL, O_ASYNC))
		return -errno;
	return fcntl(zero_fd, F_SETFL, 0) ? -errno : 0;
}

/* The table of descriptors grows, and stays so. */
static int do_fdtable(long arg)
{
	return fd_result(fcntl(0, F_DUPFD, arg));
}

static int do_mmap(long arg)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, 4096);
	return 0;
}

/* Three pages of a kind that nothing is merged with; none is in use. */
static char *map_area(void)
{
	char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int unmap_area(char *p, int ret)
{
	int err = ret ? -errno : 0;

	return munmap(p, 3 * 4096) ? -EIO : err;
}

/* Unmapping can fail as well: what was one mapping is two. */
static int do_munmap(long arg)
{
	char *p = map_area();

	return p ? unmap_area(p, munmap(p + 4096, 4096)) : -errno;
}

static int do_mprotect(long arg)
{
	char *p = map_area();

	return p ? unmap_area(p, mprotect(p + 4096, 4096, PROT_READ)) : -errno;
}

static int do_mlock(long arg)
{
	char *p = map_area();

	return p ? unmap_area(p, mlock(p + 4096, 4096)) : -errno;
}

/* To where it cannot be merged with anything. */
static int do_mremap(long arg)
{
	char *p, *to;
	int ret;

	to = mmap(NULL, 64 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (to == MAP_FAILED)
		return -errno;
	p = map_area();
	ret = p ? 0 : -errno;
	if (p) {
		ret = mremap(p, 4096, 16 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED,
			     to + 16 * 4096) == MAP_FAILED;
		ret = unmap_area(p, ret);
	}
	return munmap(to, 64 * 4096) ? -EIO : ret;
}

static int do_msgget(long arg)
{
	int id = msgget(IPC_PRIVATE, 0600);

	return id < 0 ? -errno : msgctl(id, IPC_RMID, NULL);
}

/* Of several parts: each is an object. */
static int do_msgsnd(long arg)
{
	static struct { long type; char text[8192]; } msg = { .type = 1 };

	if (msgsnd(queue, &msg, sizeof(msg.text), IPC_NOWAIT))
		return -errno;
	/* msgrcv() takes no part of it. */
	return msgrcv(queue, &msg, sizeof(msg.text), 0, IPC_NOWAIT) < 0 ? -errno : 0;
}

static int do_semget(long arg)
{
	int id = semget(IPC_PRIVATE, 10, 0600);

	return id < 0 ? -errno : semctl(id, 0, IPC_RMID);
}

static int do_sem_undo(long arg)
{
	struct sembuf op = { .sem_op = 1, .sem_flg = SEM_UNDO };
	int id = semget(IPC_PRIVATE, 1, 0600), ret;

	if (id < 0)
		return -errno;
	ret = semop(id, &op, 1) ? -errno : 0;
	semctl(id, 0, IPC_RMID);
	return ret;
}

static int do_shmget(long arg)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);

	return id < 0 ? -errno : shmctl(id, IPC_RMID, NULL);
}

static int shm;

static int make_shm(long arg)
{
	shm = shmget(IPC_PRIVATE, 4096, 0600);
	if (shm < 0 || shmat(shm, NULL, 0) == (void *)-1)
		return -errno;
	/* It goes with the process. */
	return shmctl(shm, IPC_RMID, NULL);
}

static int do_shmat(long arg)
{
	void *p = shmat(shm, NULL, SHM_RDONLY);

	if (p == (void *)-1)
		return -errno;
	return shmdt(p) ? -errno : 0;
}

static int do_mq_open(long arg)
{
	char mq[32];
	int fd;

	snprintf(mq, sizeof(mq), "bc-kmem-%d", getpid());
	fd = fd_result(syscall(SYS_mq_open, mq, O_CREAT | O_EXCL | O_RDWR, 0600, NULL));
	/* If there is no file for it, it has been made all the same. */
	syscall(SYS_mq_unlink, mq);
	return fd;
}

static int do_timer(long arg)
{
	int id, ret;

	ret = syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id);
	if (ret)
		return -errno;
	return syscall(SYS_timer_delete, id) ? -errno : 0;
}

static int do_sigqueue(long arg)
{
	int ret = queue_signal(0);

	drop_signals(0);
	return ret;
}

static int do_setgroups(long arg)
{
	static gid_t groups[200];

	return setgroups(arg, groups) ? -errno : 0;
}

static int do_unshare(long flags)
{
	return unshare(flags) ? -errno : 0;
}

static int do_mount(long arg)
{
	int ret = 0;

	if (mount("none", "/mnt", "tmpfs", 0, NULL))
		return -errno;
	if (umount2("/mnt", MNT_DETACH)) {
		ret = -errno;
		umount2("/mnt", MNT_DETACH);
	}
	return ret;
}

static int do_pty(long arg)
{
	return fd_result(open("/dev/pts/ptmx", O_RDWR | O_NOCTTY));
}

static int do_aio(long arg)
{
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, 4, &ctx))
		return -errno;
	return syscall(SYS_io_destroy, ctx) ? -errno : 0;
}

static int do_io_uring(long arg)
{
	struct io_uring_params params = { };

	return fd_result(syscall(SYS_io_uring_setup, 4, &params));
}

/* Requests are made several at once, kmem_cache_alloc_bulk(). */
static int do_io_uring_nop(long arg)
{
	struct io_uring_params params = { .flags = IORING_SETUP_NO_SQARRAY };
	int fd = syscall(SYS_io_uring_setup, 4, &params), ret = 0;
	size_t size;
	char *ring;

	if (fd < 0)
		return -errno;
	size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
	ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    IORING_OFF_SQ_RING);
	if (ring == MAP_FAILED) {
		ret = -errno;
		close(fd);
		return ret;
	}
	/* All zero is IORING_OP_NOP. */
	__atomic_fetch_add((unsigned int *)(ring + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		ret = -errno;
	munmap(ring, size);
	close(fd);
	return ret;
}

/* With many more than any other. */
static const struct call new_net = {
	"unshare(net)", do_unshare, CLONE_NEWNET, .error = ENOBUFS, .once = true
};

static const struct call calls[] = {
	{ "fork", bc_do_fork },
	{ "vfork", do_vfork },
	{ "thread", do_thread, .error = EAGAIN },	/* the C library's */
	{ "execve", do_exec, .prepare = be_quiet },
	{ "open", do_open },
	{ "creat", do_create, .error = ENOSPC },
	{ "memfd_create", do_memfd, .error = ENOSPC },
	{ "seq_file", do_seq_file },
	{ "pipe", do_pipe, .error = ENFILE },
	{ "F_SETPIPE_SZ", do_pipe_size, .prepare = open_pipe },
	{ "socketpair", do_socketpair, SOCK_STREAM },
	{ "tcp", do_tcp, .error = ENOBUFS },
	{ "udp", do_udp, .error = ENOBUFS },
	{ "netlink", do_netlink },
	{ "send", do_send, .error = ENOBUFS, .prepare = open_pair },
	{ "send_fd", do_send_fd, .error = ENOBUFS, .prepare = open_pair },
	{ "connect", do_connect, .prepare = listen_unix },
	{ "bind", do_bind, .error = EADDRINUSE },
	{ "epoll_create", do_epoll },
	{ "epoll_ctl", do_epoll_add, .prepare = open_epoll },
	{ "eventfd", do_eventfd },
	{ "signalfd", do_signalfd },
	{ "timerfd", do_timerfd },
	{ "inotify_init", do_inotify },
	{ "inotify_add_watch", do_watch, .prepare = open_inotify },
	{ "fasync", do_fasync, .prepare = open_pipe },
	{ "fdtable", do_fdtable, 700, .once = true },
	{ "mmap", do_mmap, .error = ENOSPC },
	{ "munmap", do_munmap },
	{ "mprotect", do_mprotect },
	{ "mlock", do_mlock },
	{ "mremap", do_mremap },
	{ "msgget", do_msgget },
	{ "msgsnd", do_msgsnd },
	{ "semget", do_semget },
	{ "sem_undo", do_sem_undo, .prepare = do_sem_undo },
	{ "shmget", do_shmget, .error = ENOSPC },
	{ "shmat", do_shmat, .prepare = make_shm },
	{ "mq_open", do_mq_open },
	{ "timer_create", do_timer, .error = EAGAIN },
	{ "sigqueue", do_sigqueue, .error = EAGAIN, .prepare = block_signals },
	{ "setgroups", do_setgroups, 200, .once = true },
	{ "unshare(uts)", do_unshare, CLONE_NEWUTS, .once = true },
	{ "unshare(ipc)", do_unshare, CLONE_NEWIPC, .once = true },
	{ "unshare(mnt)", do_unshare, CLONE_NEWNS, .once = true },
	{ "unshare(pid)", do_unshare, CLONE_NEWPID, .once = true },
	{ "unshare(user)", do_unshare, CLONE_NEWUSER, .once = true },
	{ "mount", do_mount, .error = ENOSPC },
	{ "pty", do_pty },
	{ "io_setup", do_aio },
	{ "io_uring_setup", do_io_uring },
	{ "io_uring_enter", do_io_uring_nop, .error = EAGAIN },
};

FIXTURE(call) {
	char dir[64], trace[96];
};

FIXTURE_SETUP(call)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, held) == -ENOENT)
		SKIP(return, "no kmemsize in this kernel");
	bc_tracing();
	snprintf(self->trace, sizeof(self->trace), BC_TRACING "/instances/bc-%d", getpid());
	if (mkdir(self->trace, 0700))
		SKIP(return, "no tracing in this kernel");
	queue = msgget(IPC_PRIVATE, 0600);
	ASSERT_LE(0, queue);
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	ASSERT_EQ(0, bc_write(self->trace, "events/bc/bc_charge_fail/enable", "1"));
}

FIXTURE_TEARDOWN(call)
{
	if (!self->dir[0])
		return;
	bc_write(self->trace, "events/bc/enable", "0");
	rmdir(self->trace);
	msgctl(queue, IPC_RMID, NULL);
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
	bc_expect_clean(_metadata, self->dir);
}

/*
 * A network namespace that could not be set up is freed when the next one is taken down,
 * net_passive_dec(). For a child.
 */
static int flush_net(void *arg)
{
	return unshare(CLONE_NEWNET) ? 1 : 0;
}

/*
 * What the first refusal since the last call would have made of held; 0: there was none.
 * Which says where the limit has to be for the next allocation to be the one that fails.
 */
static long refused_at(const char *trace)
{
	static char text[1 << 16];
	char path[PATH_MAX], *p;
	size_t n = 0;
	ssize_t ret;
	long sum;
	int fd;

	bc_path(path, trace, "trace");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while ((ret = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += ret;
	close(fd);
	text[n] = '\0';
	/* What is there is thrown away. */
	close(open(path, O_WRONLY | O_TRUNC));
	p = strstr(text, "kmemsize amount=");
	if (!p)
		return 0;
	sum = strtol(p + strlen("kmemsize amount="), NULL, 10);
	p = strstr(p, " held=");
	return p ? sum + strtol(p + strlen(" held="), NULL, 10) : 0;
}

static void refuse_each(struct __test_metadata *_metadata, const char *dir,
			const char *trace, const struct call *call)
{
	struct bc_servant p = bc_servant_start();
	int n, ret = 0, failed = 0, other = 0;
	long base, rest, at, max;

	ASSERT_LT(0, p.pid);
	if (call->prepare)
		ret = bc_servant_do(p, call->prepare, call->arg);
	/* Lazy things of the C library and of the kernel. */
	if (!ret && !call->once)
		ret = bc_servant_do(p, call->fn, call->arg);
	if (!ret)
		ret = bc_servant_move(p, dir);
	if (!ret && !call->once)
		ret = bc_servant_do(p, call->fn, call->arg);
	if (ret) {
		bc_servant_kill(p);
		TH_LOG("%s: not here: %s", call->name, strerror(-ret));
		return;
	}
	base = bc_calm(dir, held);
	refused_at(trace);

	max = base;
	for (n = 0; n < 500; n++) {
		ASSERT_EQ(0, bc_write(dir, limit, "%ld", max));
		ret = bc_servant_do(p, call->fn, call->arg);
		at = refused_at(trace);
		if (!at)
			break;
		failed += !!ret;
		other += ret && ret != -ENOMEM;
		EXPECT_TRUE(!ret || ret == -ENOMEM || ret == -call->error) {
			TH_LOG("%s: %s at refusal %d", call->name, strerror(-ret), n + 1);
		}
		if (ret == -ETIMEDOUT || ret == -ESRCH || (!ret && call->once))
			break;
		if (call == &new_net)
			bc_in_child(flush_net, NULL);
		rest = bc_settle_below(dir, held, base);
		EXPECT_GE(base, rest) {
			TH_LOG("%s: at refusal %d (%s)", call->name, n + 1,
			       strerror(-ret));
		}
		/* Something was still to be freed, by RCU say, when we began. */
		base = rest;
		/* If something was freed meanwhile, that was not the way. */
		max = at > max ? at : max + 64;
	}
	TH_LOG("%s: refused %d times, failed %d, with another error %d, needs %ld", call->name,
	       n, failed, other, max - base);
	EXPECT_EQ(0, ret) {
		TH_LOG("%s: %s without a refusal", call->name, strerror(-ret));
	}
	EXPECT_LT(0, failed) {
		TH_LOG("%s", call->name);
	}
	EXPECT_GT(500, n);
	ASSERT_EQ(0, bc_write(dir, limit, "max"));
	bc_servant_kill(p);
	if (call == &new_net)
		bc_in_child(flush_net, NULL);
	EXPECT_EQ(0, bc_settle(dir, held, 0)) {
		TH_LOG("%s: after its end", call->name);
	}
}

TEST_F_TIMEOUT(call, each, 1200)
{
	const char *only = getenv("BC_CALL");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (!only || !strcmp(only, calls[i].name))
			refuse_each(_metadata, self->dir, self->trace, &calls[i]);
	}
}

TEST_F_TIMEOUT(call, new_net, 600)
{
	refuse_each(_metadata, self->dir, self->trace, &new_net);
}

/* Allocations that fail for another reason have given back what was charged. */
static const char *fail_dir;

static int make_each(void *arg)
{
	const struct call *call = arg;
	int fd, n, failed = 0;

	if ((call->prepare && call->prepare(call->arg)) || call->fn(call->arg))
		return 0;	/* not here */
	if (bc_write(fail_dir, "tasks", "0"))
		return 4;
	fd = open("/proc/self/fail-nth", O_RDWR);
	if (fd < 0)
		return 1;
	for (n = 1; n < 1000; n = bc_fail_next(n)) {
		if (bc_fail_nth(fd, n) <= 0)
			return 2;
		if (call->fn(call->arg))
			failed++;
		if (!bc_fail_injected(fd))
			break;
	}
	close(fd);
	return failed && n < 1000 ? 0 : 3;
}

TEST_F_TIMEOUT(kmem, failslab, 300)
{
	size_t i;

	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	bc_fail_dense = 10;
	bc_fail_gap = 4;
	fail_dir = self->dir;
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *call = &calls[i];

		/* The kernel is loud if it cannot have a terminal's buffer. */
		if (call->once || !strcmp(call->name, "thread") ||
		    !strcmp(call->name, "pty"))
			continue;
		EXPECT_EQ(0, bc_in_child(make_each, (void *)call)) {
			TH_LOG("%s", call->name);
		}
		EXPECT_EQ(0, bc_settle(self->dir, held, 0)) {
			TH_LOG("%s", call->name);
		}
	}
	EXPECT_EQ(0, bc_get(self->dir, failcnt));
}

TEST_HARNESS_MAIN
