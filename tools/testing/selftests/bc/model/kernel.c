// SPDX-License-Identifier: GPL-2.0
/*
 * The same operations, done by the kernel. We are in the root group; workers do what they
 * are told over the sockets of bc_mm.h, one call after the other, so that all is at rest
 * when a call has returned and the counters have settled.
 */
#include <assert.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sys/auxv.h>
#include <sys/file.h>

#include "../bc_cpus.h"
#include "../bc_mm.h"
#include "../bc_worker.h"
#include "model.h"

#define GROUPS "/sys/kernel/debug/bc"

/* What a worker can do besides system calls, and what bc_mm.h has. */
enum {
	CALL_FORK = -100,	/* which one it is to be */
	CALL_EXEC = -101,
	CALL_WAIT = -102,	/* for whom */
	CALL_THREAD = -103,	/* which one */
	CALL_THREAD_END = -104,	/* which one */
	CALL_DROP_CAPS = -105,
	CALL_OPEN = -106,	/* enum op_kind, O_CLOEXEC or 0, which path */
	CALL_PAIR = -107,	/* O_CLOEXEC or 0; both descriptors, one in the upper half */
	CALL_SEND = -108,	/* descriptor */
	CALL_RECEIVE = -109,	/* O_CLOEXEC or 0 */
	CALL_WATCH = -110,	/* descriptor, which path */
	CALL_RANGE = -111,	/* descriptor, command, type, byte */
	CALL_TIMER = -112,
	CALL_TAKE = -113,	/* which signal */
	CALL_ACT = -114,	/* which thread */
	CALL_UNSHARE = -115,
	CALL_SETUID = -116,
};

/* Whom groups are given to, and processes of that one. */
enum { USER = 1000 };

/* Descriptors that stay what they are over an exec, as those of bc_puppets_init(). */
enum { MAIL_OUT = 120, MAIL_IN };

static_assert(NR_PROCS <= BC_NR_PUPPETS, "more workers than sockets");

/*
 * In a worker
 */

/* Where the files are that can be locked and watched. */
static char files[64];

static void file_path(char *path, size_t size, int i)
{
	snprintf(path, size, "%s/file%d", files, i);
}

static int signal_number(int i)
{
	return i == NR_SIGNALS - 1 ? SIGUSR1 : SIGRTMIN + i;
}

static void block_signals(void)
{
	sigset_t set;
	int i;

	sigemptyset(&set);
	for (i = 0; i < NR_SIGNALS; i++)
		sigaddset(&set, signal_number(i));
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/*
 * One thread at a time, the acting one, reads what to do and does it: they are without the
 * C library's idea of a thread, which has memory of its own, and share errno. Who waits has
 * a word of its own to wait for, so that no call of it fails while another one acts.
 */
static struct {
	int turn;		/* it may go on */
	bool end;		/* to its end */
	int stack;
	pid_t tid;		/* 0 when it is gone */
} threads[1 + NR_THREADS];

/* One more than threads: a process goes on with that of the thread that has forked it. */
static long stacks[NR_THREADS + 1][2048];
static int first_stack = -1;

static void give_turn(int i)
{
	__atomic_store_n(&threads[i].turn, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &threads[i].turn, FUTEX_WAKE, 1);
}

/* Returns whether it is there to go on. */
static bool wait_for_turn(int i)
{
	while (!__atomic_exchange_n(&threads[i].turn, 0, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &threads[i].turn, FUTEX_WAIT, 0, NULL);
	return !threads[i].end;
}

static void act(int i);

/* Whose socket they read. */
static int worker;

static int thread_main(void *arg)
{
	int i = (long)arg;

	if (wait_for_turn(i))
		act(i);
	return 0;
}

static int free_stack(void)
{
	int s, i;

	for (s = 0; s < NR_THREADS; s++) {
		bool used = s == first_stack;

		for (i = 1; i <= NR_THREADS; i++)
			used |= threads[i].tid && threads[i].stack == s;
		if (!used)
			break;
	}
	return s;
}

static long start_thread(int i)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			  CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	int tid;

	/* In parallel, an exec that was refused has left it there. */
	if (threads[i].tid)
		return -EBUSY;
	threads[i].turn = 0;
	threads[i].end = false;
	threads[i].stack = free_stack();
	tid = clone(thread_main, stacks[threads[i].stack] + ARRAY_SIZE(stacks[0]), flags,
		    (void *)(long)i, &threads[i].tid, NULL, &threads[i].tid);
	return tid < 0 ? -errno : tid;
}

static long end_thread(int i)
{
	pid_t tid;

	threads[i].end = true;
	give_turn(i);
	while ((tid = __atomic_load_n(&threads[i].tid, __ATOMIC_ACQUIRE)))
		syscall(SYS_futex, &threads[i].tid, FUTEX_WAIT, tid, NULL);
	return 0;
}

static long drop_caps(void)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { };

	return syscall(SYS_capset, &hdr, data) ? -errno : 0;
}

static long open_kind(int kind, int cloexec, int i)
{
	char path[80];

	switch (kind) {
	case OP_OPEN:
		return bc_fd(open("/dev/null", O_RDONLY | cloexec));
	case OP_OPEN_PATH:
		file_path(path, sizeof(path), i);
		return bc_fd(open(path, O_RDWR | cloexec));
	case OP_TCP:
		return bc_no_memory(bc_fd(socket(AF_INET, SOCK_STREAM | cloexec, 0)));
	case OP_UDP:
		return bc_no_memory(bc_fd(socket(AF_INET, SOCK_DGRAM | cloexec, 0)));
	case OP_PTY:
		return bc_fd(open("/dev/ptmx", O_RDWR | O_NOCTTY | cloexec));
	case OP_INOTIFY:
		return bc_fd(inotify_init1(cloexec));
	default:
		return bc_fd(memfd_create("bc", cloexec ? MFD_CLOEXEC : 0));
	}
}

static long open_pair(int cloexec)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | cloexec, 0, sv))
		return -errno;
	return sv[0] | (long)sv[1] << 16;
}

static long receive_fd(int cloexec)
{
	char control[CMSG_SPACE(sizeof(int))], c;
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(MAIL_IN, &msg, MSG_DONTWAIT | (cloexec ? MSG_CMSG_CLOEXEC : 0)) < 0)
		return -errno;
	if (!CMSG_FIRSTHDR(&msg))
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static long add_watch(int fd, int i)
{
	char path[80];

	file_path(path, sizeof(path), i);
	return bc_fd(inotify_add_watch(fd, path, IN_DELETE_SELF));
}

static long lock_range(const long *a)
{
	static const short type[] = { F_UNLCK, F_RDLCK, F_WRLCK };
	struct flock fl = {
		.l_type = type[a[2]], .l_whence = SEEK_SET, .l_start = 2 * a[3], .l_len = 1,
	};

	return fcntl(a[0], a[1], &fl) ? -errno : 0;
}

static long make_timer(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	int id;

	/* The C library's timer_t is something else. */
	return syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id) ? -errno : id;
}

static long take_signal(int i)
{
	struct timespec now = { };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal_number(i));
	return sigtimedwait(&set, NULL, &now) < 0 ? -errno : 0;
}

static long fork_worker(int child, int me)
{
	pid_t pid = fork();
	int i;

	if (!pid) {
		if (me)
			first_stack = threads[me].stack;
		/* These are not its own. */
		for (i = 0; i <= NR_THREADS; i++)
			threads[i].tid = 0;
		worker = child;
		act(0);
	}
	return pid < 0 ? -errno : pid;
}

static long exec_worker(int i)
{
	char number[16], *argv[] = { "model", "bc-model-worker", number, files, NULL };

	snprintf(number, sizeof(number), "%d", i);
	execv("/proc/self/exe", argv);
	return -errno;
}

/* Of this thread alone, which the C library's would not do. */
static long set_uid(void)
{
	return syscall(SYS_setresuid, USER, USER, USER) ? -errno : 0;
}

static long worker_do(int i, int me, const struct bc_call *call)
{
	const long *a = call->arg;

	switch (call->nr) {
	case CALL_FORK:
		return fork_worker(a[0], me);
	case CALL_EXEC:
		return exec_worker(i);
	case CALL_WAIT:
		return waitpid(a[0], NULL, 0) < 0 ? -errno : 0;
	case CALL_THREAD:
		return start_thread(a[0]);
	case CALL_THREAD_END:
		return a[0] == me ? -EINVAL : end_thread(a[0]);
	case CALL_DROP_CAPS:
		return drop_caps();
	case CALL_OPEN:
		return open_kind(a[0], a[1], a[2]);
	case CALL_PAIR:
		return open_pair(a[0]);
	case CALL_SEND:
		return bc_send_fd(MAIL_OUT, a[0]);
	case CALL_RECEIVE:
		return receive_fd(a[0]);
	case CALL_WATCH:
		return add_watch(a[0], a[1]);
	case CALL_RANGE:
		return lock_range(a);
	case CALL_TIMER:
		return make_timer();
	case CALL_TAKE:
		return take_signal(a[0]);
	case CALL_ACT:
		return a[0] && !threads[a[0]].tid ? -ESRCH : 0;
	case CALL_UNSHARE:
		return unshare(CLONE_NEWUTS) ? -errno : 0;
	case CALL_SETUID:
		return set_uid();
	default:
		return bc_puppet_do(i, call);
	}
}

/*
 * Reads and answers without anything from the heap, and reaps nobody unasked. Returns when
 * the thread is to end.
 *
 * Whoever we were forked by may be a thread, with whose end PR_SET_PDEATHSIG comes, and a
 * change of ids takes that away. So look, now and then, whether all above have died.
 */
static void act(int me)
{
	struct bc_call call;
	ssize_t len;
	long ret;

	for (;;) {
		int fd = bc_puppets[worker].fd[1];

		len = read(fd, &call, sizeof(call));
		if (len < 0 && errno == EAGAIN && getppid() != 1)
			continue;
		if (len != sizeof(call))
			_exit(0);
		ret = worker_do(worker, me, &call);
		if (write(fd, &ret, sizeof(ret)) != sizeof(ret))
			_exit(0);
		if (call.nr == CALL_ACT && !ret && call.arg[0] != me) {
			give_turn(call.arg[0]);
			if (!wait_for_turn(me))
				return;
		}
	}
}

/**
 * kernel_worker_main - be a worker that has called execve(2), if this is one
 * @argc: as main() has it
 * @argv: the same
 *
 * Return: if this is not one.
 */
void kernel_worker_main(int argc, char **argv)
{
	long ret = 0;
	int i;

	if (argc != 4 || strcmp(argv[1], "bc-model-worker"))
		return;
	bc_puppet_stack();
	i = atoi(argv[2]);
	snprintf(files, sizeof(files), "%s", argv[3]);
	for (int j = 0; j < BC_NR_PUPPETS; j++)
		bc_puppets[j].fd[1] = 100 + j;
	worker = i;
	if (write(bc_puppets[i].fd[1], &ret, sizeof(ret)) == sizeof(ret))
		act(0);
	_exit(1);
}

/*
 * The other side
 */

/**
 * struct worker - what the kernel has called the things of a worker
 * @parent: who has forked it, or ROOT
 * @alive: and not a zombie
 * @tid: its threads; the first one's is in bc_puppets[]
 * @fd: its descriptors
 * @addr: its mappings
 * @timer: its timers
 */
static struct worker {
	int parent;
	bool alive;
	pid_t tid[1 + NR_THREADS];
	int fd[NR_FDS];
	long addr[NR_MAPS];
	int timer[NR_TIMERS];
} workers[NR_PROCS];

static int watch_of[MAX_OPEN][NR_PATHS];

/* The roots, and the first group, of each hierarchy. */
static char root[NR_HIERARCHIES][64], top[NR_HIERARCHIES][160];
static int nr_hierarchies;
static int bound_to[NR_RESOURCES];
static long groups_before;

/* Who makes, removes and changes groups, and moves. */
static bool as_user;

/* What is read again and again stays open: the files of each counter, and releasable. */
#define RELEASABLE (NR_RESOURCES * NR_FILES)
static int cache[NR_HIERARCHIES][NR_PLACES][RELEASABLE + 1];

double kernel_now(void)
{
	return bc_now();
}

/* What unshare(2) has called a group; empty: it is what place_path() says. */
static char node_name[NR_HIERARCHIES][NR_PLACES][32];

static void group_dir(char *dir, size_t size, int h, int place)
{
	static const char * const name[] = { "b", "a" };
	char up[160];

	if (place <= 0) {
		snprintf(dir, size, "%s", place == ROOT ? root[h] : top[h]);
		return;
	}
	group_dir(up, sizeof(up), h, parent_place(place));
	snprintf(dir, size, "%s/%s", up,
		 *node_name[h][place] ? node_name[h][place] : name[place % 2]);
}

static void forget(int h, int place)
{
	int i;

	for (i = 0; i <= RELEASABLE; i++) {
		if (cache[h][place][i] > 0)
			close(cache[h][place][i]);
		cache[h][place][i] = 0;
	}
}

/* A number, or -errno. */
static long read_number(int h, int place, int i)
{
	char dir[192], path[PATH_MAX], file[48] = "releasable", buf[64];
	int *fd = &cache[h][place][i];
	ssize_t len;

	if (*fd <= 0) {
		group_dir(dir, sizeof(dir), h, place);
		if (i != RELEASABLE)
			snprintf(file, sizeof(file), "%s/%s", resource_names[i / NR_FILES],
				 file_names[i % NR_FILES]);
		bc_path(path, dir, file);
		*fd = open(path, O_RDONLY | O_CLOEXEC);
		if (*fd < 0)
			return -errno;
	}
	len = pread(*fd, buf, sizeof(buf) - 1, 0);
	if (len < 0)
		return -errno;
	buf[len] = '\0';
	return strcmp(buf, "max\n") ? strtol(buf, NULL, 10) : LONG_MAX;
}

const char *kernel_unavailable(void)
{
	const char *why = bc_unavailable();
	int res;

	for (res = 0; res < NR_RESOURCES && !why; res++) {
		char dir[64];

		bc_path(dir, BC_ROOT, resource_names[res]);
		if (access(dir, F_OK))
			why = "not all controllers are there, or are bound elsewhere";
	}
	return why;
}

bool kernel_can_bind(void)
{
	const char *why;

	return bc_bindable(&why);
}

/* What the dynamic linker opens is open. */
bool kernel_can_exec(void)
{
	return !getauxval(AT_BASE);
}

static void remove_files(void)
{
	char path[80];
	int i;

	for (i = 0; i < NR_PATHS; i++) {
		file_path(path, sizeof(path), i);
		unlink(path);
	}
	rmdir(files);
}

/* See act(). */
static int set_timeouts(void)
{
	const struct timeval some = { .tv_sec = 5 };
	int i;

	for (i = 0; i < BC_NR_PUPPETS; i++) {
		if (setsockopt(bc_puppets[i].fd[1], SOL_SOCKET, SO_RCVTIMEO, &some,
			       sizeof(some)))
			return -1;
	}
	return 0;
}

/**
 * kernel_init - sockets and files for workers
 *
 * Return: 0 or -errno.
 */
int kernel_init(void)
{
	struct rlimit max;
	char path[80];
	int mail[2], i, fd;

	(void)test_harness_run;		/* comes with the helpers */
	if (!getrlimit(RLIMIT_NOFILE, &max)) {
		max.rlim_cur = max.rlim_max;
		setrlimit(RLIMIT_NOFILE, &max);
	}
	/* Who loses its parent is ours to be waited for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (bc_puppets_init() || set_timeouts() || socketpair(AF_UNIX, SOCK_DGRAM, 0, mail) ||
	    dup2(mail[0], MAIL_OUT) < 0 || dup2(mail[1], MAIL_IN) < 0)
		return -errno;
	close(mail[0]);
	close(mail[1]);
	snprintf(files, sizeof(files), "/tmp/bc-model-%d", getpid());
	if (mkdir(files, 0755))
		return -errno;
	for (i = 0; i < NR_PATHS; i++) {
		file_path(path, sizeof(path), i);
		fd = open(path, O_CREAT | O_RDWR, 0600);
		/* Also for who is not root any more. */
		if (fd < 0 || fchmod(fd, 0666))
			return -errno;
		close(fd);
	}
	return 0;
}

/* The second hierarchy, with what is to be there. */
static int make_hierarchy(void)
{
	char names[512] = "";
	int res, err;

	bc_hierarchy(root[1], sizeof(root[1]), 'm');
	if (mkdir(root[1], 0755))
		return -errno;
	for (res = 0; res < NR_RESOURCES; res++) {
		if (bound_to[res] == 1)
			snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s ",
				 resource_names[res]);
	}
	err = bc_write(root[1], "controllers", "%s\n", names);
	if (err)
		rmdir(root[1]);
	return err;
}

/**
 * kernel_begin - make the first group of each hierarchy
 * @hierarchy_of: where resources are to be bound
 * @two: whether there is to be more than one
 *
 * Return: 0 or -errno.
 */
int kernel_begin(const int *hierarchy_of, bool two)
{
	int h, err;

	as_user = false;
	memset(workers, 0, sizeof(workers));
	memset(node_name, 0, sizeof(node_name));
	memcpy(bound_to, hierarchy_of, sizeof(bound_to));
	nr_hierarchies = 1 + two;
	groups_before = bc_get(GROUPS, "groups");
	snprintf(root[0], sizeof(root[0]), BC_ROOT);
	err = two ? make_hierarchy() : 0;
	for (h = 0; h < nr_hierarchies && !err; h++) {
		snprintf(top[h], sizeof(top[h]), "%s/selftest-%d", root[h], getpid());
		err = mkdir(top[h], 0755) ? -errno : 0;
	}
	return err;
}

/* What the last one of that number has not read, and what nobody wanted to know. */
static void drain(int i)
{
	char c[sizeof(struct bc_call)];
	int end;

	for (end = 0; end < 2; end++) {
		while (recv(bc_puppets[i].fd[end], c, sizeof(c), MSG_DONTWAIT) > 0)
			;
	}
}

/* The only call that is made before there is a worker. */
static long start_worker(int i)
{
	pid_t pid;

	drain(i);
	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		/* What is ours alone. */
		syscall(SYS_close_range, 3, 99, 0);
		syscall(SYS_close_range, 100 + BC_NR_PUPPETS, MAIL_OUT - 1, 0);
		syscall(SYS_close_range, MAIL_IN + 1, ~0u, 0);
		block_signals();
		bc_puppet_stack();
		worker = i;
		act(0);
	}
	if (pid < 0)
		return -errno;
	bc_puppets[i].pid = pid;
	workers[i] = (struct worker){ .parent = ROOT, .alive = true };
	/* When it answers, it is ready. */
	return bc_call(i, SYS_getppid, 0) == getpid() ? 0 : -ECHILD;
}

/* What it has mapped. */
long kernel_pages(int proc)
{
	struct bc_vm vm;

	return bc_vm(bc_puppets[proc].pid, &vm) ? 0 : vm.data;
}

/*
 * Has it ended? As long as one of its threads is still on the way out, the first one is a
 * zombie, but what it has forked has not got another parent.
 */
static bool has_ended(pid_t pid)
{
	char path[32];
	int n = 0;
	DIR *d;

	if (!bc_is_gone(pid))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	/* With "." and "..". */
	return n <= 3;
}

/* With those that it has forked, from below. All are zombies then. */
static long kill_worker(int i)
{
	pid_t pid = bc_puppets[i].pid;
	double end = bc_now() + 20;
	int j;

	for (j = 0; j < NR_PROCS; j++) {
		if (bc_puppets[j].pid <= 0 || workers[j].parent != i)
			continue;
		if (workers[j].alive)
			kill_worker(j);
		workers[j].parent = ROOT;
	}
	if (pid <= 0)
		return -ESRCH;
	kill(pid, SIGKILL);
	while (!has_ended(pid)) {
		if (bc_now() > end)
			return -ETIMEDOUT;
		usleep(200);
	}
	workers[i].alive = false;
	return 0;
}

static long reap_worker(int i)
{
	pid_t pid = bc_puppets[i].pid;
	long ret;

	if (pid <= 0)
		return -ESRCH;
	if (workers[i].parent == ROOT)
		ret = waitpid(pid, NULL, 0) == pid ? 0 : -errno;
	else
		ret = bc_call(workers[i].parent, CALL_WAIT, pid);
	bc_puppets[i].pid = 0;
	return ret;
}

void kernel_kill_all(void)
{
	int i;

	for (i = 0; i < NR_PROCS; i++) {
		if (bc_puppets[i].pid > 0 && workers[i].alive)
			kill_worker(i);
	}
	for (i = 0; i < NR_PROCS; i++) {
		if (bc_puppets[i].pid > 0)
			reap_worker(i);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	/* And what they have sent each other. */
	while ((i = receive_fd(O_CLOEXEC)) >= 0)
		close(i);
}

static long do_fork(int i, int child)
{
	long pid;

	drain(child);
	pid = bc_call(i, CALL_FORK, child);
	if (pid < 0)
		return pid;
	bc_puppets[child].pid = pid;
	workers[child] = workers[i];
	workers[child].parent = i;
	return 0;
}

static long do_chown(const struct op *op)
{
	static const char * const file[] = { "", "/tasks", "/threads" };
	char dir[192], path[256];
	size_t i;

	group_dir(dir, sizeof(dir), op->arg[0], op->arg[1]);
	for (i = 0; i < ARRAY_SIZE(file); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, file[i]);
		if (chown(path, USER, USER))
			return -errno;
	}
	return 0;
}

/* The acting thread's id, which is the name of the group that it gets. */
static long do_unshare(const struct model *m, const struct op *op)
{
	int i = op->arg[0], h = 0, place = op->arg[1], thread = m->proc[i].acting;
	pid_t pid = bc_puppets[i].pid, tid = thread ? workers[i].tid[thread] : pid;
	char path[64], line[512], *name;
	long ret, err;
	FILE *f;

	err = bc_write("/proc/sys/kernel", "bc_clone_on_unshare", "1");
	if (err)
		return err;
	ret = bc_call(i, CALL_UNSHARE, 0);
	err = bc_write("/proc/sys/kernel", "bc_clone_on_unshare", "0");
	if (ret || err)
		return ret ?: err;
	/* The id may have been another one's, so that there was one of that name. */
	snprintf(path, sizeof(path), "/proc/%d/task/%d/bc", pid, tid);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f))
		err = -EIO;
	if (f)
		fclose(f);
	if (err)
		return err;
	line[strcspn(line, "\n")] = '\0';
	name = strrchr(line, '/');
	snprintf(node_name[h][place], sizeof(node_name[h][place]), "%s", name ? name + 1 : "");
	return 0;
}

static long do_group(const struct op *op, long amount)
{
	int h = op->kind <= OP_RMDIR ? op->arg[0] : bound_to[op->arg[0]];
	char dir[192], file[48];
	const char *res = resource_names[op->arg[0]];

	group_dir(dir, sizeof(dir), h, op->arg[1]);
	switch (op->kind) {
	case OP_MKDIR:
		return mkdir(dir, 0755) ? -errno : 0;
	case OP_RMDIR:
		forget(h, op->arg[1]);
		if (rmdir(dir))
			return -errno;
		*node_name[h][op->arg[1]] = '\0';
		return 0;
	case OP_LIMIT:
	case OP_BARRIER:
		snprintf(file, sizeof(file), "%s/%s", res,
			 op->kind == OP_LIMIT ? "limit" : "barrier");
		return amount == LONG_MAX ? bc_write(dir, file, "max") :
					    bc_write(dir, file, "%ld", amount);
	case OP_RESET_MAX:
	case OP_RESET_MIN:
		snprintf(file, sizeof(file), "%s/%s", res,
			 op->kind == OP_RESET_MAX ? "maxheld" : "minheld");
		return bc_write(dir, file, "0");
	default:
		snprintf(file, sizeof(file), "%s/%s", res, op->arg[2] ? "failcnt" : "held");
		return bc_write(dir, file, "0");
	}
}

static long do_move(const struct op *op)
{
	int thread = op->kind == OP_MOVE ? 0 : op->arg[3];
	pid_t id = thread ? workers[op->arg[0]].tid[thread] : bc_puppets[op->arg[0]].pid;
	char dir[192];

	/* It would be us. */
	if (id <= 0)
		return -ESRCH;
	group_dir(dir, sizeof(dir), op->arg[1], op->arg[2]);
	return bc_write(dir, op->kind == OP_MOVE ? "tasks" : "threads", "%d", id);
}

static long do_signal(int i, int s)
{
	union sigval val = { };

	if (bc_puppets[i].pid <= 0)
		return -ESRCH;
	if (s == NR_SIGNALS - 1)
		return kill(bc_puppets[i].pid, SIGUSR1) ? -errno : 0;
	return sigqueue(bc_puppets[i].pid, signal_number(s), val) ? -errno : 0;
}

/* Keep what has been made by its new number. */
static long keep(long ret, int *where)
{
	*where = ret;
	return ret < 0 ? ret : 0;
}

static long do_pair(const struct op *op)
{
	struct worker *w = &workers[op->arg[0]];
	long ret = bc_call(op->arg[0], CALL_PAIR, op->arg[2] ? O_CLOEXEC : 0);

	if (ret < 0)
		return ret;
	w->fd[op->arg[1]] = ret & 0xffff;
	w->fd[op->arg[3]] = ret >> 16;
	return 0;
}

static long do_with_fd(const struct model *m, const struct op *op)
{
	int i = op->arg[0], cloexec = op->arg[2] ? O_CLOEXEC : 0;
	int *fd = &workers[i].fd[op->arg[1]];
	int file = m->proc[i].fd[op->arg[1]].file;
	static const int flock_type[] = { LOCK_UN, LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB };

	switch (op->kind) {
	case OP_PAIR:
		return do_pair(op);
	case OP_DUP:
		return keep(bc_call(i, SYS_fcntl, workers[i].fd[op->arg[3]],
				    cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, 0), fd);
	case OP_CLOSE:
		return bc_call(i, SYS_close, *fd);
	case OP_SEND:
		return bc_call(i, CALL_SEND, *fd);
	case OP_RECEIVE:
		return keep(bc_call(i, CALL_RECEIVE, cloexec), fd);
	case OP_FALLOCATE:
		return bc_call(i, SYS_fallocate, *fd, 0, 0, op->arg[2] * BC_PAGE);
	case OP_WATCH:
		return keep(bc_call(i, CALL_WATCH, *fd, op->arg[2]),
			    &watch_of[file][op->arg[2]]);
	case OP_UNWATCH:
		return bc_call(i, SYS_inotify_rm_watch, *fd, watch_of[file][op->arg[2]]);
	case OP_FLOCK:
		return bc_call(i, SYS_flock, *fd, flock_type[op->arg[2]]);
	case OP_POSIX:
	case OP_OFD:
		return bc_call(i, CALL_RANGE, *fd,
			       op->kind == OP_OFD ? F_OFD_SETLK : F_SETLK, op->arg[2],
			       op->arg[3]);
	default:
		return keep(bc_call(i, CALL_OPEN, op->kind, cloexec, op->arg[3]), fd);
	}
}

static long do_map(const struct op *op)
{
	int i = op->arg[0], flags = op->kind == OP_MAP ? MAP_PRIVATE : MAP_SHARED;
	long *addr = &workers[i].addr[op->arg[1]];
	long ret;

	if (op->kind == OP_MAP && op->arg[3])
		flags |= MAP_LOCKED;
	ret = bc_puppet_map(i, 0, op->arg[2], BC_RW, flags);
	if (ret < 0)
		return ret;
	*addr = ret;
	return 0;
}

static long do_with_map(const struct model *m, const struct op *op)
{
	int i = op->arg[0];
	long addr = workers[i].addr[op->arg[1]];
	/* It stays in there when it is gone. */
	long size = m->proc[i].map[op->arg[1]].pages * BC_PAGE;

	switch (op->kind) {
	case OP_UNMAP:
		return bc_call(i, SYS_munmap, addr, size);
	case OP_PROTECT:
		return bc_call(i, SYS_mprotect, addr, size, op->arg[2] ? BC_RW : PROT_READ);
	case OP_LOCK:
		return bc_call(i, SYS_mlock, addr, size);
	default:
		return bc_call(i, SYS_munlock, addr, size);
	}
}

/**
 * kernel_do - do it
 * @m: the model, after it has done the same
 * @op: the operation, which makes sense
 * @amount: what model_amount() said before
 *
 * Return: 0 or -errno.
 */
long kernel_do(const struct model *m, const struct op *op, long amount)
{
	int i = op->arg[0];
	long ret;

	/* The model thinks that there is one, of which, in parallel, it cannot be sure. */
	if (op->kind >= OP_FORK && op->kind != OP_REAP && op->kind != OP_MOVE &&
	    op->kind != OP_MOVE_THREAD && !workers[i].alive)
		return -ESRCH;
	switch (op->kind) {
	case OP_MKDIR ... OP_WRITE_HELD:
	case OP_MOVE:
	case OP_MOVE_THREAD:
		if (as_user && seteuid(USER))
			return -errno;
		ret = op->kind <= OP_WRITE_HELD ? do_group(op, amount) : do_move(op);
		return as_user && seteuid(0) ? -errno : ret;
	case OP_CHOWN:
		return do_chown(op);
	case OP_USER:
		as_user = op->arg[0];
		return 0;
	case OP_START:
		return start_worker(i);
	case OP_FORK:
		return do_fork(i, op->arg[1]);
	case OP_EXEC:
		return bc_call(i, CALL_EXEC, 0);
	case OP_KILL:
		return kill_worker(i);
	case OP_REAP:
		return reap_worker(i);
	case OP_THREAD:
		return keep(bc_call(i, CALL_THREAD, op->arg[1]), &workers[i].tid[op->arg[1]]);
	case OP_THREAD_END:
		return bc_call(i, CALL_THREAD_END, op->arg[1]);
	case OP_ACT:
		return bc_call(i, CALL_ACT, op->arg[1]);
	case OP_UNSHARE:
		return do_unshare(m, op);
	case OP_DROP_CAPS:
		return bc_call(i, CALL_DROP_CAPS, 0);
	case OP_SETUID:
		return bc_call(i, CALL_SETUID, 0);
	case OP_TIMER:
		return keep(bc_call(i, CALL_TIMER, 0), &workers[i].timer[op->arg[1]]);
	case OP_TIMER_END:
		return bc_call(i, SYS_timer_delete, workers[i].timer[op->arg[1]]);
	case OP_SIGNAL:
		return do_signal(i, op->arg[1]);
	case OP_TAKE_SIGNAL:
		return bc_call(i, CALL_TAKE, op->arg[1]);
	case OP_MAP:
	case OP_MAP_SHARED:
		return do_map(op);
	case OP_UNMAP ... OP_UNLOCK:
		return do_with_map(m, op);
	default:
		return do_with_fd(m, op);
	}
}

static void describe(char *wrong, int h, int place, int i, long least, long most, long is)
{
	char path[16];
	int n;

	place_path(path, sizeof(path), place);
	if (i == RELEASABLE)
		n = snprintf(wrong, WRONG_SIZE, "$h%d/%s/releasable", h, path);
	else
		n = snprintf(wrong, WRONG_SIZE, "$h%d/%s/%s/%s", h, path,
			     resource_names[i / NR_FILES], file_names[i % NR_FILES]);
	n += snprintf(wrong + n, WRONG_SIZE - n, ": expected %ld", least);
	if (most != least)
		n += snprintf(wrong + n, WRONG_SIZE - n, " to %ld", most);
	snprintf(wrong + n, WRONG_SIZE - n, ", is %ld", is);
}

/*
 * What is freed after an RCU grace period, or from a work queue, is uncharged then; and a
 * process is a zombie before the last of its threads has gone.
 */
static bool wait_for(int h, int place, int i, long least, long most, double patience,
		     char *wrong)
{
	double end = 0;
	long is;

	for (;;) {
		is = read_number(h, place, i);
		if (is >= least && is <= most)
			return true;
		if (!end)
			end = bc_now() + patience;
		else if (bc_now() > end)
			break;
		usleep(1000);
	}
	describe(wrong, h, place, i, least, most, is);
	return false;
}

static bool compare_group(const struct model *m, int h, int place, bool all,
			  double patience, char *wrong)
{
	const struct node *g = &m->group[m->place[h][place]];
	int res, file;
	long least, most;

	for (res = 0; res < NR_RESOURCES; res++) {
		if (bound_to[res] != h)
			continue;
		/* held comes first: only when it is what it should be, all has settled. */
		for (file = 0; file < (all ? NR_FILES : F_LIMIT); file++) {
			model_expects(&g->count[res], file, &least, &most);
			if (!wait_for(h, place, res * NR_FILES + file, least, most, patience,
				      wrong))
				return false;
		}
	}
	return wait_for(h, place, RELEASABLE, model_releasable(g), model_releasable(g),
			patience, wrong);
}

/**
 * kernel_compare - are all counters of all groups what the model says?
 * @m: the model, after model_looked()
 * @all: also limit and barrier
 * @patience: for so many seconds, they need not be yet
 * @wrong: the first one that is not
 *
 * Return: true if they are.
 */
bool kernel_compare(const struct model *m, bool all, double patience, char *wrong)
{
	int h, place;

	for (h = 0; h < nr_hierarchies; h++) {
		/* From below, or who comes first has not settled yet. */
		for (place = NR_PLACES - 1; place >= 0; place--) {
			if (m->place[h][place] != NONE &&
			    !compare_group(m, h, place, all, patience, wrong))
				return false;
		}
	}
	return true;
}

/**
 * kernel_join - let a child of ours have workers of its own, in the same groups
 *
 * Return: 0 or -errno.
 */
int kernel_join(void)
{
	bc_die_with_parent();
	return kernel_init();
}

/* A number of a counter, of a group that may have gone. */
static long number(int h, int place, int res, int file)
{
	char dir[192], name[48];

	group_dir(dir, sizeof(dir), h, place);
	snprintf(name, sizeof(name), "%s/%s", resource_names[res], file_names[file]);
	return bc_get(dir, name);
}

/* What is true whatever anybody does: no limit is broken that cannot be. */
bool kernel_in_limits(char *wrong)
{
	int place, res, file;

	for (place = 0; place < NR_PLACES; place++) {
		for (res = 0; res < NR_RESOURCES; res++) {
			int h = bound_to[res];
			long limit = number(h, place, res, F_LIMIT);

			/* An ordinary signal is never refused. */
			if (limit < 0 || limit == LONG_MAX || res == NUMSIGINFO)
				continue;
			for (file = F_HELD; file <= F_MAXHELD; file++) {
				long is = number(h, place, res, file);

				if (is <= limit)
					continue;
				describe(wrong, h, place, res * NR_FILES + file, 0, limit, is);
				return false;
			}
		}
	}
	return true;
}

static bool rest_at(int h, int place, int res, char *wrong)
{
	long held = number(h, place, res, F_HELD), below = 0;
	long least = number(h, place, res, F_MINHELD);
	long most = number(h, place, res, F_MAXHELD);
	int child;

	for (child = 2 * place + 1; child <= 2 * place + 2 && child < NR_PLACES; child++) {
		long n = number(h, child, res, F_HELD);

		below += n > 0 ? n : 0;
	}
	least = below > least ? below : least;
	if (held < 0 || (held >= least && held <= most))
		return true;
	describe(wrong, h, place, res * NR_FILES, least, most, held);
	return false;
}

/**
 * kernel_at_rest - is each counter between its watermarks, and the sum below not above it?
 * @patience: for so many seconds, it need not be yet
 * @wrong: where it is not
 *
 * Nothing is being charged or uncharged but what is still being freed.
 *
 * Return: true if it is.
 */
bool kernel_at_rest(double patience, char *wrong)
{
	double end = bc_now() + patience;
	int place, res;

	for (place = 0; place < NR_PLACES; place++) {
		for (res = 0; res < NR_RESOURCES; res++) {
			while (!rest_at(bound_to[res], place, res, wrong)) {
				if (bc_now() > end)
					return false;
				usleep(10000);
			}
		}
	}
	return kernel_in_limits(wrong);
}

/* A CPU that has nothing to do keeps the last address space that it had, and so its group. */
static void visit_cpus(void)
{
	int cpu[BC_CPUS_MAX], n = bc_cpus("online", cpu);
	cpu_set_t before;

	sched_getaffinity(0, sizeof(before), &before);
	while (n--)
		bc_pin(0, cpu[n]);
	sched_setaffinity(0, sizeof(before), &before);
}

/* Those that were removed, too. What the kernel remembers of files may keep them. */
static bool groups_gone(double patience, char *wrong)
{
	double end = bc_now() + 2 * patience;
	bool dropped = false;
	long groups;

	while ((groups = bc_get(GROUPS, "groups")) > groups_before && groups_before >= 0) {
		if (bc_now() > end) {
			snprintf(wrong, WRONG_SIZE, "%s/groups: expected %ld, is %ld", GROUPS,
				 groups_before, groups);
			return false;
		}
		if (!dropped && bc_now() > end - patience) {
			dropped = !bc_write("/proc/sys/vm", "drop_caches", "3");
			visit_cpus();
		}
		usleep(10000);
	}
	return true;
}

/**
 * kernel_end - end all processes, and remove all groups
 * @well: whether all was well: then nothing is held, and nothing is in the way
 * @patience: for so many seconds, that need not be yet
 * @wrong: what was not so, if all was well before
 *
 * Return: true if all was well, and all has gone.
 */
bool kernel_end(bool well, double patience, char *wrong)
{
	int h, place, res;

	kernel_kill_all();
	for (h = 0; h < nr_hierarchies && well; h++)
		bc_rmdir_below(top[h]);
	for (res = 0; res < NR_RESOURCES && well; res++)
		well = wait_for(bound_to[res], 0, res * NR_FILES, 0, 0, patience, wrong);
	for (h = nr_hierarchies - 1; h >= 0; h--) {
		for (place = 0; place < NR_PLACES; place++)
			forget(h, place);
		if (well && rmdir(top[h])) {
			snprintf(wrong, WRONG_SIZE, "rmdir $h%d: %s", h, strerror(errno));
			well = false;
		}
		/* If it stays, the next list cannot begin, and says so. */
		if (!well)
			bc_remove(top[h]);
	}
	/* When the other one has no groups any more, controllers can go back to it. */
	if (nr_hierarchies > 1 && bc_remove_hierarchy(root[1]) && well) {
		snprintf(wrong, WRONG_SIZE, "rmdir $h1/..: %s", strerror(errno));
		well = false;
	}
	return well && groups_gone(patience, wrong);
}

/* What kernel_init() has made. */
void kernel_exit(void)
{
	remove_files();
}
