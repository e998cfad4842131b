// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation on the way fails once: what is done to groups and their files, over
 * netlink, and by tasks in a group; nothing is left behind, nor counted wrongly. What has a
 * test of its own has this there, too: hierarchies, sets, memory, modules, clone(2). Needs a
 * kernel with fault injection (CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC,
 * CONFIG_FAULT_INJECTION_DEBUG_FS).
 */
#include <sys/mount.h>

#include "bc_failslab.h"
#include "bc_genl.h"
#include "bc_worker.h"

#define USER 12345

enum {
	NR_THREADS = 100,
};

FIXTURE(fail) {
	char dir[64];
	long groups;
};

FIXTURE_SETUP(fail)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	self->groups = bc_get(BC_GROUPS, "groups");
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
}

/* Nothing keeps a group. Those that were there before may have gone meanwhile. */
static bool groups_gone(long most)
{
	int i;

	for (i = 0; i < 500; i++) {
		if (bc_get(BC_GROUPS, "groups") <= most)
			return true;
		if (i % 50 == 5)
			bc_write("/proc/sys/vm", "drop_caches", "3");
		usleep(20000);
	}
	return false;
}

FIXTURE_TEARDOWN(fail)
{
	if (!self->dir[0])
		return;
	bc_expect_clean(_metadata, self->dir);
	/* If the kernel says how many there are. */
	if (self->groups >= 0)
		EXPECT_TRUE(groups_gone(self->groups));
}

static void undo_nothing(const char *dir)
{
}

/* What failed, or was undone, has left nobody in the group. */
static bool empty(const char *dir)
{
	return bc_get(dir, "g/numtasks/held") <= 0;
}

static char path[PATH_MAX];

/* Longer than configfs has room for, so that the name needs an allocation too. */
#define LONG_NAME "a-name-of-more-than-twenty-characters"

static int do_mkdir(const char *dir)
{
	return mkdir(path, 0755) ? -errno : 0;
}

static void undo_mkdir(const char *dir)
{
	rmdir(path);
}

TEST_F_TIMEOUT(fail, make_group, 300)
{
	pid_t looker;

	bc_path(path, self->dir, LONG_NAME);

	/* Directories that are taken down again may be in use already. */
	looker = fork();
	if (looker == 0) {
		char inner[PATH_MAX + 16];

		bc_die_with_parent();
		snprintf(inner, sizeof(inner), "%s/numtasks", path);
		for (;;)
			close(open(inner, O_PATH));
	}
	bc_fail_all(_metadata, do_mkdir, undo_mkdir, empty, self->dir, "mkdir");
	bc_reap(looker);
	EXPECT_EQ(-1, access(path, F_OK));
	/* It can still be made, used and removed. */
	EXPECT_EQ(0, mkdir(path, 0755));
	EXPECT_EQ(0, bc_write(path, "tasks", "0"));
	EXPECT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
	EXPECT_EQ(0, rmdir(path));
}

static pid_t moved;

static int do_move(const char *dir)
{
	return bc_write(dir, "g/tasks", "%d", moved);
}

static void undo_move(const char *dir)
{
	bc_write(dir, "tasks", "%d", moved);
}

TEST_F_TIMEOUT(fail, move_task, 300)
{
	ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
	moved = bc_spawn();
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", moved));
	bc_fail_all(_metadata, do_move, undo_move, empty, self->dir, "move");
	EXPECT_EQ(1, bc_count(self->dir, "tasks", moved));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/held"));
	bc_reap(moved);
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

static pid_t tid[NR_THREADS];

/* The process, with every other thread, to a; the others to b. */
static void spread(const char *dir)
{
	int i;

	bc_write(dir, "a/tasks", "%d", moved);
	for (i = 0; i < NR_THREADS; i += 2)
		bc_write(dir, "b/threads", "%d", tid[i]);
}

/* A move of a process is one of all its threads, or of none. */
static bool is_spread(const char *dir)
{
	return bc_get(dir, "a/numtasks/held") == NR_THREADS / 2 + 1 &&
	       bc_get(dir, "b/numtasks/held") == NR_THREADS / 2 &&
	       bc_count(dir, "a/threads", 0) == NR_THREADS / 2 + 1 &&
	       bc_count(dir, "b/threads", 0) == NR_THREADS / 2 && empty(dir);
}

TEST_F_TIMEOUT(fail, move_threads, 300)
{
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
	moved = bc_spawn_threads(NR_THREADS, tid);
	ASSERT_LT(0, moved);
	spread(self->dir);
	EXPECT_TRUE(is_spread(self->dir));
	bc_fail_all(_metadata, do_move, spread, is_spread, self->dir, "move of threads");
	EXPECT_EQ(0, do_move(self->dir));
	EXPECT_EQ(NR_THREADS + 1, bc_get(self->dir, "g/numtasks/held"));
	bc_reap(moved);
	EXPECT_EQ(0, bc_settle(self->dir, "g/numtasks/held", 0));
}

/* All of @path. */
static int do_read(const char *dir)
{
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t ret;

	if (fd < 0)
		return -errno;
	do {
		ret = read(fd, text, sizeof(text));
	} while (ret > 0);
	if (ret < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Those of all counters are the same. */
static bool is_counters(const char *dir, const char *name)
{
	static const char * const files[] = {
		"held", "maxheld", "minheld", "barrier", "limit", "failcnt",
	};
	size_t i;

	if (strstr(dir, "/numtasks"))
		return false;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		if (!strcmp(name, files[i]))
			return true;
	}
	return false;
}

/* Of an inode that it cannot make, proc says that there is no such file. */
static int do_read_proc(const char *dir)
{
	int err = do_read(dir);

	return err == -ENOENT ? -ENOMEM : err;
}

/* Each file in @dir and below that can be read. Returns how many there were. */
static int read_files(struct __test_metadata *_metadata, const char *dir)
{
	char inner[PATH_MAX];
	struct dirent *de;
	DIR *d = opendir(dir);
	int n = 0;

	while (d && (de = readdir(d))) {
		if (de->d_name[0] == '.')
			continue;
		bc_path(inner, dir, de->d_name);
		if (de->d_type == DT_DIR) {
			n += read_files(_metadata, inner);
			continue;
		}
		memcpy(path, inner, sizeof(path));
		if (is_counters(dir, de->d_name) || do_read(dir))
			continue;
		bc_fail_each(_metadata, do_read, undo_nothing, empty, dir, path);
		n++;
	}
	if (d)
		closedir(d);
	return n;
}

TEST_F_TIMEOUT(fail, read_files, 300)
{
	char before[2048], after[2048];
	char g[80];

	ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
	bc_path(g, self->dir, "g");
	moved = bc_spawn();
	ASSERT_EQ(0, bc_write(g, "tasks", "%d", moved));
	bc_fail_held(self->dir, before, sizeof(before));
	/* tasks, threads, and at least those of numtasks and cpuacct. */
	EXPECT_LT(10, read_files(_metadata, g));
	bc_fail_held(self->dir, after, sizeof(after));
	EXPECT_STREQ(before, after);

	snprintf(path, sizeof(path), "/proc/%d/bc", moved);
	bc_fail_all(_metadata, do_read_proc, undo_nothing, empty, g, path);
	snprintf(path, sizeof(path), "/proc/beancounters");
	bc_fail_all(_metadata, do_read_proc, undo_nothing, empty, g, path);
	bc_reap(moved);
}

/* A file, what is to be written to it, and what was in it. */
static const char *file, *text;
static char was[4096];

static int do_write(const char *dir)
{
	return bc_write(dir, file, "%s", text);
}

static void undo_write(const char *dir)
{
	bc_write(dir, file, "%s", was);
}

static bool is_as_it_was(const char *dir)
{
	char is[sizeof(was)] = "";

	return !bc_read(dir, file, is, sizeof(is)) && !strcmp(is, was);
}

static void write_each(struct __test_metadata *_metadata, const char *dir)
{
	if (bc_read(dir, file, was, sizeof(was)))
		return;		/* not in this kernel */
	bc_fail_each(_metadata, do_write, undo_write, is_as_it_was, dir, file);
}

TEST_F_TIMEOUT(fail, write_files, 300)
{
	static const struct {
		const char *file, *text;
	} writes[] = {
		{ "g/numtasks/limit", "77" },
		{ "g/numtasks/barrier", "55" },
		{ "g/numtasks/maxheld", "0" },
		{ "g/numtasks/minheld", "0" },
		{ "g/privvmpages/limit", "64M" },
		{ "g/tcpsndbuf/limit", "1M" },
		{ "g/dcachesize/limit", "1M" },
		{ "g/physpages/oom_group", "1" },
		{ "g/notify_on_release", "1" },
	};
	size_t i;

	ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		file = writes[i].file;
		text = writes[i].text;
		write_each(_metadata, self->dir);
	}
	EXPECT_EQ(LONG_MAX, bc_get(self->dir, "g/numtasks/limit"));
	/* Only a root has it. */
	file = "release_agent";
	text = "/bin/true";
	write_each(_metadata, BC_ROOT);
}

/* To give away a group, or a file in it. */
static int do_chown(const char *dir)
{
	return bc_chown(dir, file, USER, USER);
}

static void undo_chown(const char *dir)
{
	bc_chown(dir, file, 0, 0);
}

static bool is_roots(const char *dir)
{
	char full[PATH_MAX];
	struct stat st;

	bc_path(full, dir, file);
	return !stat(full, &st) && !st.st_uid && !st.st_gid;
}

TEST_F_TIMEOUT(fail, delegate, 300)
{
	static const char * const files[] = { "g", "g/tasks", "g/numtasks/limit" };
	size_t i;

	ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		file = files[i];
		bc_fail_all(_metadata, do_chown, undo_chown, is_roots, self->dir, file);
	}
}

static char mnt[64];

static int do_mount(const char *dir)
{
	return mount("none", mnt, "configfs", 0, NULL) ? -errno : 0;
}

static void undo_mount(const char *dir)
{
	umount(mnt);
}

static bool is_not_mounted(const char *dir)
{
	char full[80];

	bc_path(full, mnt, "bc");
	return access(full, F_OK);
}

TEST_F_TIMEOUT(fail, mount, 300)
{
	snprintf(mnt, sizeof(mnt), "/tmp/bc-mount-%d", getpid());
	ASSERT_EQ(0, mkdir(mnt, 0700));
	bc_fail_all(_metadata, do_mount, undo_mount, is_not_mounted, self->dir, "mount");
	EXPECT_EQ(0, rmdir(mnt));
}

/* Forks that fail for lack of memory give back what they were charged. */
static int fork_each(void *arg)
{
	const char *dir = arg;
	int fd = open("/proc/self/fail-nth", O_RDWR);
	int n, failed = 0;

	if (fd < 0 || bc_write(dir, "tasks", "0"))
		return 1;
	for (n = 1; n < BC_FAIL_MAX; n++) {
		bool hit;
		pid_t pid;

		if (bc_fail_nth(fd, n) <= 0)
			return 2;
		/* No atfork handlers, nothing of the C library. */
		pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (pid == 0)
			syscall(SYS_exit_group, 0);
		hit = bc_fail_injected(fd);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		else
			failed++;
		if (bc_get(dir, "numtasks/held") != 1)
			return 3;
		if (!hit)
			break;
	}
	close(fd);
	return failed > 5 && n < BC_FAIL_MAX ? 0 : 4;
}

TEST_F_TIMEOUT(fail, fork_task, 300)
{
	EXPECT_EQ(0, bc_in_child(fork_each, self->dir));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/failcnt"));
}

static char program[PATH_MAX];

/* What is called in exec_task. */
__attribute__((constructor(101)))
static void exit_at_once(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "bc-exit"))
		_exit(0);
}

/* In the group, to its end. The rest of what is to fail is for the new program. */
static pid_t start_exec(const char *dir, int n)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	bc_die_with_parent();
	if (bc_write(dir, "g/tasks", "0"))
		_exit(2);
	fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fd < 0 || bc_fail_nth(fd, n) <= 0)
		_exit(2);
	execl(program, "test_failslab", "bc-exit", NULL);
	_exit(1);
}

/* An exec that fails too late to return kills the process, which gives all back. */
TEST_F_TIMEOUT(fail, exec_task, 1200)
{
	int n, failed = 0, status = 0;
	bool hit = true;

	/* By its name, for who looks at the kernel's log. */
	ASSERT_LT(0, readlink("/proc/self/exe", program, sizeof(program) - 1));
	ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
	bc_fail_gap = 10;
	for (n = 1; hit && n < BC_FAIL_MAX; n = bc_fail_next(n)) {
		pid_t pid = start_exec(self->dir, n);
		char proc[32];

		ASSERT_LT(0, pid);
		bc_wait_zombie(pid);
		snprintf(proc, sizeof(proc), "/proc/%d", pid);
		hit = bc_get(proc, "fail-nth") == 0;
		waitpid(pid, &status, 0);
		EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 2);
		failed += !!status;
		EXPECT_EQ(0, bc_settle(self->dir, "g/numtasks/held", 0)) {
			TH_LOG("at allocation %d", n);
		}
	}
	TH_LOG("exec: up to %d allocations, %d that it needs", n - 1, failed);
	EXPECT_EQ(0, status);
	EXPECT_LT(10, failed);
	EXPECT_FALSE(hit);
	EXPECT_EQ(0, bc_settle(self->dir, "g/numfiles/held", 0));
	EXPECT_EQ(0, bc_settle(self->dir, "g/privvmpages/held", 0));
	EXPECT_EQ(0, bc_settle(self->dir, "g/physpages/held", 0));
	EXPECT_EQ(0, bc_get(self->dir, "g/numtasks/failcnt"));
}

/*
 * An object that cannot be made for lack of memory has given back what it was
 * charged. The kind is what the next child is to try.
 */
static const struct bc_kind *kind;

/* Two sockets, and what one of them has sent to the other. */
static int sender;

static int make_packet(void)
{
	int sv[2], err;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv))
		return -errno;
	if (send(sv[0], "x", 1, MSG_DONTWAIT) != 1) {
		err = -errno;
		close(sv[0]);
		close(sv[1]);
		return err;
	}
	sender = sv[0];
	return sv[1];
}

static void drop_packet(int fd)
{
	close(sender);
	close(fd);
}

static const struct bc_kind packet = {
	"othersockbuf", -ENOMEM, make_packet, drop_packet
};

static int make_each(void *arg)
{
	const char *dir = arg;
	int fd, n, failed = 0;

	bc_worker_init();
	fd = open("/proc/self/fail-nth", O_RDWR);
	if (fd < 0 || bc_write(dir, "tasks", "0"))
		return 1;
	for (n = 1; n < BC_FAIL_MAX; n++) {
		int handle;
		bool hit;

		if (bc_fail_nth(fd, n) <= 0)
			return 2;
		handle = kind->make();
		hit = bc_fail_injected(fd);
		if (handle >= 0)
			kind->drop(handle);
		else
			failed++;
		if (!hit)
			break;
	}
	close(fd);
	return failed && n < BC_FAIL_MAX ? 0 : 3;
}

TEST_F_TIMEOUT(fail, make_object, 300)
{
	static const struct bc_kind * const kinds[] = {
		&bc_file, &bc_inotify, &bc_watch, &bc_lock, &bc_pty, &bc_key,
		&bc_signal, &bc_tcp, &bc_unix, &packet,
	};
	char file[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		kind = kinds[i];
		if (bc_get(BC_ROOT, kind->resource) == -ENOENT)
			continue;
		EXPECT_EQ(0, bc_in_child(make_each, self->dir)) {
			TH_LOG("%s", kind->resource);
		}
		snprintf(file, sizeof(file), "%s/held", kind->resource);
		EXPECT_EQ(0, bc_settle(self->dir, file, 0)) {
			TH_LOG("%s", file);
		}
		snprintf(file, sizeof(file), "%s/failcnt", kind->resource);
		EXPECT_EQ(0, bc_get(self->dir, file));
	}
}

static struct bc_genl genl;

/* The kernel has no one way to say so. */
static int no_memory(int err)
{
	return err == -ENFILE ? -ENOMEM : bc_no_memory(err);
}

/* What is in one datagram: 0, and *@end at the end; or an error. */
static int take_answer(int fd, bool *end)
{
	static char buf[BC_GENL_BUF];
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	const char *p = buf, *data;
	struct nlmsghdr nlh;
	size_t left, len;
	int ret, err;

	if (poll(&pfd, 1, 10000) != 1)
		return -ETIMEDOUT;
	ret = bc_genl_recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (ret < 0)
		return ret;
	left = ret;
	while ((data = bc_next_msg(&p, &left, &nlh, &len))) {
		if (nlh.nlmsg_type != NLMSG_ERROR && nlh.nlmsg_type != NLMSG_DONE)
			continue;
		*end = true;
		memcpy(&err, data, sizeof(err));
		return err;
	}
	return 0;
}

/* Ask for something that has to do with a group, and wait for the end of the answer. */
static int ask(int fd, const char *dir, unsigned int cmd, unsigned int flags)
{
	const char *group = dir + strlen(BC_ROOT);
	char attrs[256];
	size_t len = 0;
	bool end = false;
	int err;

	bc_put_attr(attrs, &len, BC_A_GROUP_PATH, group, strlen(group) + 1);
	err = bc_genl_send(fd, &genl, cmd, flags, attrs, len);
	while (!err && !end)
		err = take_answer(fd, &end);
	return no_memory(err);
}

/* The same with a socket for it alone. */
static int ask_once(const char *dir, unsigned int cmd, unsigned int flags)
{
	int fd = bc_genl_open(), err;

	if (fd < 0)
		return no_memory(fd);
	err = ask(fd, dir, cmd, flags);
	close(fd);
	return err;
}

static int do_dump(const char *dir)
{
	return ask_once(dir, BC_CMD_GROUP_GET, NLM_F_DUMP);
}

static int do_ask(const char *dir)
{
	return ask_once(dir, BC_CMD_GROUP_GET, NLM_F_ACK);
}

static int do_subscribe(const char *dir)
{
	return ask_once(dir, BC_CMD_SUBSCRIBE, NLM_F_ACK);
}

static int resolve(void)
{
	int fd = bc_genl_open(), err;

	if (fd < 0)
		return fd;
	err = bc_genl_resolve(fd, &genl);
	close(fd);
	return err;
}

TEST_F_TIMEOUT(fail, netlink, 300)
{
	if (resolve())
		SKIP(return, "no netlink in this kernel");
	ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
	bc_fail_all(_metadata, do_dump, undo_nothing, empty, self->dir, "dump");
	bc_fail_all(_metadata, do_ask, undo_nothing, empty, self->dir, "request");
	bc_fail_all(_metadata, do_subscribe, undo_nothing, empty, self->dir, "subscription");
}

/* Let what fails fail in the workers that the kernel has now. */
static void choose_workers(bool on)
{
	char dir[32 + NAME_MAX], comm[32];
	struct dirent *de;
	DIR *d = opendir("/proc");

	while (d && (de = readdir(d))) {
		snprintf(dir, sizeof(dir), "/proc/%s", de->d_name);
		if (!atoi(de->d_name) || bc_read(dir, "comm", comm, sizeof(comm)))
			continue;
		if (!strncmp(comm, "kworker/", 8))
			bc_write(dir, "make-it-fail", "%d", on);
	}
	if (d)
		closedir(d);
}

/* The @n-th allocation from now on that a worker makes fails, and no other one. */
static int fail_in_worker(int n)
{
	int err = bc_write(BC_DEBUGFS, "failslab/interval", "%d", n);

	err = err ?: bc_write(BC_DEBUGFS, "failslab/times", "1");
	return err ?: bc_write(BC_DEBUGFS, "failslab/probability", "100");
}

/* Events, until there have been @total with those that are lost, or none comes for @ms. */
static void hear_up_to(struct bc_listener *l, int *heard, int total, int ms)
{
	struct bc_event ev;

	while (*heard + (int)l->lost < total && bc_hear(l, &ev, ms) == 1)
		++*heard;
}

/*
 * Workers send events, and look whether there is a release agent to be run. There are
 * others, with allocations of their own: whichever fails, each event is heard or counted,
 * and no group is kept.
 */
TEST_F_TIMEOUT(fail, workers, 300)
{
	enum { ROUNDS = 12, EVENTS = 2 };
	static struct bc_listener l;
	int n, heard = 0, hits = 0;

	if (resolve())
		SKIP(return, "no netlink in this kernel");
	l.genl = genl;
	l.fd = bc_genl_open();
	ASSERT_LE(0, l.fd);
	ASSERT_EQ(0, ask(l.fd, self->dir, BC_CMD_SUBSCRIBE, NLM_F_ACK));
	ASSERT_EQ(0, bc_write(self->dir, "notify_on_release", "1"));
	EXPECT_EQ(0, bc_write(BC_DEBUGFS, "failslab/task-filter", "Y"));
	for (n = 1; n <= ROUNDS; n++) {
		choose_workers(true);
		EXPECT_EQ(0, fail_in_worker(n));
		EXPECT_EQ(0, bc_mkdir(self->dir, "g"));
		EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
		hear_up_to(&l, &heard, EVENTS * n, 1000);
		EXPECT_EQ(0, bc_write(BC_DEBUGFS, "failslab/probability", "0"));
		hits += bc_get(BC_DEBUGFS, "failslab/times") == 0;
	}
	EXPECT_EQ(0, bc_write(BC_DEBUGFS, "failslab/task-filter", "N"));
	choose_workers(false);
	bc_write(BC_DEBUGFS, "failslab/interval", "1");
	/* The next ones tell what was lost before. */
	EXPECT_EQ(0, bc_mkdir(self->dir, "g"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
	hear_up_to(&l, &heard, EVENTS * n, 30000);
	TH_LOG("%d failed, %llu events lost", hits, l.lost);
	EXPECT_LT(0, hits);
	EXPECT_EQ(EVENTS * (ROUNDS + 1), heard + (int)l.lost);
	close(l.fd);
}

TEST_HARNESS_MAIN
