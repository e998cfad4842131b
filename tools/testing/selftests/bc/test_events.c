// SPDX-License-Identifier: GPL-2.0
/*
 * Events: over generic netlink, as tracepoints, and in the kernel's log. What
 * they say is true, and what is missing is told.
 */
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mount.h>
#include <time.h>

#include "bc_util.h"
#include "bc_genl.h"

#define USER		12345
#define TOOL		"/bc/bc-events"
#define CHILD		"bc events child"

#define BIT(a)		(1U << (a))
#define GROUP_ATTRS	(BIT(BC_A_HIERARCHY) | BIT(BC_A_GROUP_ID) | \
			 BIT(BC_A_GROUP_PATH) | BIT(BC_A_PID) | BIT(BC_A_COMM))
#define REFUSED_ATTRS	(GROUP_ATTRS | BIT(BC_A_RESOURCE) | \
			 BIT(BC_A_REFUSER_ID) | BIT(BC_A_REFUSER_PATH) | \
			 BIT(BC_A_AMOUNT) | BIT(BC_A_HELD) | \
			 BIT(BC_A_BARRIER) | BIT(BC_A_LIMIT) | \
			 BIT(BC_A_FAILCNT))
#define COUNTER_ATTRS	(BIT(BC_A_RESOURCE) | BIT(BC_A_HELD) | \
			 BIT(BC_A_MAXHELD) | BIT(BC_A_MINHELD) | \
			 BIT(BC_A_FAILCNT))

static int listen_to(struct bc_listener *l, int buffer)
{
	int err;

	l->left = 0;
	l->lost = 0;
	l->overruns = 0;
	l->fd = bc_genl_open();
	if (l->fd < 0)
		return l->fd;
	err = bc_genl_resolve(l->fd, &l->genl);
	if (!err)
		err = bc_genl_buffer(l->fd, buffer);
	if (!err)
		err = bc_genl_join(l->fd, &l->genl);
	if (err)
		close(l->fd);
	return err;
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static const char *str(const struct bc_event *ev, unsigned int attr)
{
	return ev->a.str[attr] ?: "";
}

/* As it is in an event. */
static const char *event_path(const char *dir)
{
	return dir + strlen(BC_ROOT);
}

static bool is_below(const struct bc_event *ev, const char *dir)
{
	const char *path = event_path(dir);

	return !strncmp(str(ev, BC_A_GROUP_PATH), path, strlen(path));
}

/* The next event of this kind, or any for 0, in @dir or below. */
static int hear_of(struct bc_listener *l, struct bc_event *ev, const char *dir,
		   unsigned int cmd)
{
	int ret;

	do {
		ret = bc_hear(l, ev, 30000);
	} while (ret > 0 && !((!cmd || ev->cmd == cmd) && is_below(ev, dir)));
	return ret > 0 ? 0 : ret ?: -ETIME;
}

/* How many there are until nothing comes for a while. */
static int hear_rest(struct bc_listener *l, const char *dir)
{
	struct bc_event ev;
	int n = 0, ret;

	while ((ret = bc_hear(l, &ev, 300)) > 0)
		n += is_below(&ev, dir);
	return ret ?: n;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { };

	return syscall(SYS_capset, &hdr, data) ? -errno : 0;
}

static pid_t start_stopped(int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		bc_die_with_parent();
		prctl(PR_SET_NAME, CHILD);
		raise(SIGSTOP);
		_exit(fn(arg));
	}
	if (pid > 0)
		waitpid(pid, &status, WUNTRACED);
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	if (pid <= 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 126;
	return WEXITSTATUS(status);
}

/*
 * Run @fn in a child that is in @dir from its start: it has opened no file to
 * get there. *@pid is which; returns what @fn has.
 */
static int run_in(const char *dir, int (*fn)(void *arg), void *arg, pid_t *pid)
{
	*pid = start_stopped(fn, arg);
	if (*pid < 0)
		return 127;
	if (bc_write(dir, "tasks", "%d", *pid)) {
		bc_reap(*pid);
		return 125;
	}
	kill(*pid, SIGCONT);
	return end_of(*pid);
}

/* @arg files are fine, one more is not. */
static int opens_and_one_more(void *arg)
{
	long n = (long)arg;

	while (n--) {
		if (open("/dev/null", O_RDONLY) < 0)
			return 2;
	}
	return bc_opens_refused((void *)1);
}

static int opens_without_capabilities(void *arg)
{
	return drop_capabilities() ? 3 : opens_and_one_more(arg);
}

/* Is the event about this group, and this task? */
static void check_group(struct __test_metadata *_metadata,
			const struct bc_event *ev, const char *dir, pid_t pid,
			const char *comm)
{
	EXPECT_EQ(GROUP_ATTRS, ev->a.seen & GROUP_ATTRS);
	EXPECT_EQ(0, ev->a.num[BC_A_HIERARCHY]);
	EXPECT_STREQ(event_path(dir), str(ev, BC_A_GROUP_PATH));
	EXPECT_EQ((unsigned int)pid, ev->a.num[BC_A_PID]);
	EXPECT_STREQ(comm, str(ev, BC_A_COMM));
}

struct refusal {
	const char *dir, *by, *resource;
	unsigned long held, barrier, limit, failcnt;
	pid_t pid;
	const char *comm;
};

static void check_refused(struct __test_metadata *_metadata,
			  const struct bc_event *ev, const struct refusal *r)
{
	EXPECT_EQ(BC_CMD_REFUSED, ev->cmd);
	EXPECT_EQ(REFUSED_ATTRS, ev->a.seen);
	check_group(_metadata, ev, r->dir, r->pid, r->comm);
	EXPECT_EQ((unsigned long)bc_get(r->dir, "id"),
		  ev->a.num[BC_A_GROUP_ID]);
	EXPECT_STREQ(r->resource, str(ev, BC_A_RESOURCE));
	EXPECT_EQ((unsigned long)bc_get(r->by, "id"),
		  ev->a.num[BC_A_REFUSER_ID]);
	EXPECT_STREQ(event_path(r->by), str(ev, BC_A_REFUSER_PATH));
	EXPECT_EQ(1, ev->a.num[BC_A_AMOUNT]);
	EXPECT_EQ(r->held, ev->a.num[BC_A_HELD]);
	EXPECT_EQ(r->barrier, ev->a.num[BC_A_BARRIER]);
	EXPECT_EQ(r->limit, ev->a.num[BC_A_LIMIT]);
	EXPECT_EQ(r->failcnt, ev->a.num[BC_A_FAILCNT]);
}

static struct bc_listener l, l2;

TEST_F(bc, family)
{
	int fd = bc_genl_open();
	struct bc_genl genl;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bc_genl_resolve(fd, &genl));
	EXPECT_LT(GENL_ID_CTRL, genl.family);
	EXPECT_LT(0, genl.group);
	EXPECT_EQ(BC_GENL_VERSION, genl.version);
	EXPECT_EQ(0, bc_genl_join(fd, &genl));
	close(fd);
}

static int join(void *arg)
{
	struct bc_genl genl;
	int fd, err;

	fd = bc_genl_open();
	if (fd < 0)
		return 101;
	/* Everybody may know that there is such a family. */
	err = bc_genl_resolve(fd, &genl);
	if (err)
		return 102;
	return -bc_genl_join(fd, &genl);
}

static int join_as_user(void *arg)
{
	bc_become(USER, USER);
	return join(arg);
}

static int join_without_capabilities(void *arg)
{
	return drop_capabilities() ? 103 : join(arg);
}

/* Root in a user namespace of its own is nobody here. */
static int join_as_own_root(void *arg)
{
	int ret = EPERM;

	bc_become(USER, USER);
	prctl(PR_SET_DUMPABLE, 1);
	if (!unshare(CLONE_NEWUSER))
		ret = join(arg);
	return ret;
}

/* With a network of its own, there is no family, or nobody may join. */
static int join_in_own_network(void *arg)
{
	struct bc_genl genl;
	int fd, err;

	bc_become(USER, USER);
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return 0;	/* no such thing */
	fd = bc_genl_open();
	err = bc_genl_resolve(fd, &genl);
	if (err)
		return -err == ENOENT ? 0 : 1;
	return bc_genl_join(fd, &genl) ? 0 : 2;
}

TEST_F(bc, join_needs_privilege)
{
	EXPECT_EQ(0, bc_in_child(join, NULL));
	EXPECT_EQ(EPERM, bc_in_child(join_as_user, NULL));
	EXPECT_EQ(EPERM, bc_in_child(join_without_capabilities, NULL));
	EXPECT_EQ(EPERM, bc_in_child(join_as_own_root, NULL));
	EXPECT_EQ(0, bc_in_child(join_in_own_network, NULL));
}

TEST_F(bc, refused_tasks)
{
	struct refusal r = {
		.dir = self->dir, .by = self->dir, .resource = "numtasks",
		.held = 1, .barrier = 1, .limit = 1, .comm = CHILD,
	};
	struct bc_event ev;

	ASSERT_EQ(0, listen_to(&l, 1 << 20));
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	EXPECT_EQ(0, run_in(self->dir, bc_forks_refused, (void *)3, &r.pid));
	for (r.failcnt = 1; r.failcnt <= 3; r.failcnt++) {
		ASSERT_EQ(0, hear_of(&l, &ev, self->dir, BC_CMD_REFUSED));
		check_refused(_metadata, &ev, &r);
	}
	EXPECT_EQ(0, hear_rest(&l, self->dir));
	EXPECT_EQ(0, l.lost);
	close(l.fd);
}

TEST_F(bc, refused_files)
{
	struct refusal r = {
		.dir = self->dir, .by = self->dir, .resource = "numfiles",
		.held = 3, .barrier = 3, .limit = 3, .failcnt = 1,
		.comm = CHILD,
	};
	struct bc_event ev;

	ASSERT_EQ(0, listen_to(&l, 1 << 20));
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "3"));
	EXPECT_EQ(0, run_in(self->dir, opens_and_one_more, (void *)3, &r.pid));
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, BC_CMD_REFUSED));
	check_refused(_metadata, &ev, &r);

	/* By the barrier. */
	EXPECT_EQ(0, bc_settle(self->dir, "numfiles/held", 0));
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/barrier", "2"));
	EXPECT_EQ(0, run_in(self->dir, opens_without_capabilities, (void *)2,
			    &r.pid));
	r.held = 2;
	r.barrier = 2;
	r.failcnt = 2;
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, BC_CMD_REFUSED));
	check_refused(_metadata, &ev, &r);
	EXPECT_EQ(0, hear_rest(&l, self->dir));
	close(l.fd);
}

/* The limit of an ancestor: who wanted it, and who said no. */
TEST_F(bc, refused_above)
{
	struct refusal r = { .by = self->dir, .comm = CHILD, .failcnt = 1 };
	struct bc_event ev;
	char leaf[96];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	snprintf(leaf, sizeof(leaf), "%s/a/b", self->dir);
	r.dir = leaf;
	ASSERT_EQ(0, listen_to(&l, 1 << 20));

	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	ASSERT_EQ(0, bc_write(leaf, "numtasks/limit", "10"));
	EXPECT_EQ(0, run_in(leaf, bc_forks_refused, (void *)1, &r.pid));
	r.resource = "numtasks";
	r.held = 1;
	r.barrier = 1;
	r.limit = 1;
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, BC_CMD_REFUSED));
	check_refused(_metadata, &ev, &r);

	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "4"));
	EXPECT_EQ(0, run_in(leaf, opens_and_one_more, (void *)4, &r.pid));
	r.resource = "numfiles";
	r.held = 4;
	r.barrier = 4;
	r.limit = 4;
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, BC_CMD_REFUSED));
	check_refused(_metadata, &ev, &r);
	EXPECT_EQ(0, hear_rest(&l, self->dir));
	close(l.fd);
	EXPECT_EQ(0, bc_settle(leaf, "numfiles/held", 0));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
}

/* A move that is refused is no move. The current task is who has written. */
TEST_F(bc, refused_move)
{
	struct refusal r = {
		.dir = self->dir, .by = self->dir, .resource = "numtasks",
		.failcnt = 1, .pid = getpid(), .comm = "bc events test",
	};
	struct bc_event ev;
	pid_t pid;

	prctl(PR_SET_NAME, r.comm);
	ASSERT_EQ(0, listen_to(&l, 1 << 20));
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "0"));
	pid = bc_spawn();
	EXPECT_EQ(-EAGAIN, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, 0));
	check_refused(_metadata, &ev, &r);
	EXPECT_EQ(0, hear_rest(&l, self->dir));
	close(l.fd);
	bc_reap(pid);
}

static int forks_and_opens_refused(void *arg)
{
	return opens_and_one_more(arg) ?: bc_forks_refused((void *)2);
}

struct counters {
	int n;
	char name[64][32];
	long held[64], maxheld[64], minheld[64], failcnt[64];
};

static long get_counter(const char *dir, const char *name, const char *file)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", name, file);
	return bc_get(dir, path);
}

/* What is in a group's directory. */
static void get_counters(const char *dir, struct counters *c)
{
	struct dirent *de;
	DIR *d = opendir(dir);
	int n = 0;

	while (d && (de = readdir(d)) && n < 64) {
		if (de->d_type != DT_DIR || strlen(de->d_name) >= 32 ||
		    get_counter(dir, de->d_name, "failcnt") < 0)
			continue;
		snprintf(c->name[n], sizeof(c->name[n]), "%s", de->d_name);
		c->held[n] = get_counter(dir, de->d_name, "held");
		c->maxheld[n] = get_counter(dir, de->d_name, "maxheld");
		c->minheld[n] = get_counter(dir, de->d_name, "minheld");
		c->failcnt[n] = get_counter(dir, de->d_name, "failcnt");
		n++;
	}
	if (d)
		closedir(d);
	c->n = n;
}

/* The event has each of them, once, and no others. */
static void check_counters(struct __test_metadata *_metadata,
			   const struct bc_event *ev, const struct counters *c)
{
	bool seen[64] = { };
	struct bc_attrs a;
	size_t pos = 0;
	int n = 0, ret, i;

	while ((ret = bc_next_counter(ev, &pos, &a))) {
		ASSERT_EQ(1, ret);
		ASSERT_EQ(COUNTER_ATTRS, a.seen);
		for (i = 0; i < c->n; i++) {
			if (!strcmp(c->name[i], a.str[BC_A_RESOURCE]))
				break;
		}
		ASSERT_NE(c->n, i) {
			TH_LOG("no %s", a.str[BC_A_RESOURCE]);
		}
		EXPECT_FALSE(seen[i]);
		seen[i] = true;
		EXPECT_EQ((unsigned long)c->held[i], a.num[BC_A_HELD]);
		EXPECT_EQ((unsigned long)c->maxheld[i], a.num[BC_A_MAXHELD]);
		EXPECT_EQ((unsigned long)c->minheld[i], a.num[BC_A_MINHELD]);
		EXPECT_EQ((unsigned long)c->failcnt[i], a.num[BC_A_FAILCNT]);
		n++;
	}
	EXPECT_EQ(c->n, n);
}

/* The life of a group: all of it, in this order, and nothing else. */
TEST_F(bc, life)
{
	static struct counters c;
	struct bc_event ev;
	unsigned long id;
	char dir[80];
	pid_t pid;

	snprintf(dir, sizeof(dir), "%s/a", self->dir);
	prctl(PR_SET_NAME, "bc events test");
	ASSERT_EQ(0, listen_to(&l, 1 << 20));

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	id = bc_get(dir, "id");
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, 0));
	EXPECT_EQ(BC_CMD_CREATED, ev.cmd);
	EXPECT_EQ(GROUP_ATTRS, ev.a.seen);
	EXPECT_EQ(id, ev.a.num[BC_A_GROUP_ID]);
	check_group(_metadata, &ev, dir, getpid(), "bc events test");

	ASSERT_EQ(0, bc_write(dir, "numtasks/limit", "1"));
	ASSERT_EQ(0, bc_write(dir, "numfiles/limit", "3"));
	EXPECT_EQ(0, run_in(dir, forks_and_opens_refused, (void *)3, &pid));
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, 0));
	EXPECT_EQ(BC_CMD_ATTACHED, ev.cmd);
	EXPECT_EQ(GROUP_ATTRS, ev.a.seen);
	EXPECT_EQ(id, ev.a.num[BC_A_GROUP_ID]);
	/* Who was moved, not who has moved. */
	check_group(_metadata, &ev, dir, pid, CHILD);

	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, 0));
	EXPECT_EQ(BC_CMD_REFUSED, ev.cmd);
	EXPECT_STREQ("numfiles", str(&ev, BC_A_RESOURCE));
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, 0));
	EXPECT_STREQ("numtasks", str(&ev, BC_A_RESOURCE));
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, 0));
	EXPECT_STREQ("numtasks", str(&ev, BC_A_RESOURCE));

	EXPECT_EQ(0, bc_settle(dir, "numfiles/held", 0));
	EXPECT_EQ(1, bc_get(dir, "numtasks/maxheld"));
	EXPECT_EQ(2, bc_get(dir, "numtasks/failcnt"));
	EXPECT_EQ(3, bc_get(dir, "numfiles/maxheld"));
	EXPECT_EQ(1, bc_get(dir, "numfiles/failcnt"));
	get_counters(dir, &c);
	EXPECT_LE(2, c.n);
	/* What fails is no event. */
	EXPECT_EQ(-EEXIST, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(-ENOTEMPTY, bc_rmdir(self->dir, ""));
	ASSERT_EQ(0, bc_rmdir(self->dir, "a"));
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, 0));
	EXPECT_EQ(BC_CMD_REMOVED, ev.cmd);
	EXPECT_EQ(GROUP_ATTRS | BIT(BC_A_COUNTER), ev.a.seen);
	EXPECT_EQ(id, ev.a.num[BC_A_GROUP_ID]);
	check_group(_metadata, &ev, dir, getpid(), "bc events test");
	check_counters(_metadata, &ev, &c);

	/* The next of that name is another one. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, 0));
	EXPECT_EQ(BC_CMD_CREATED, ev.cmd);
	EXPECT_LT(id, ev.a.num[BC_A_GROUP_ID]);
	ASSERT_EQ(0, bc_rmdir(self->dir, "a"));
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, 0));
	EXPECT_EQ(BC_CMD_REMOVED, ev.cmd);
	EXPECT_EQ(0, hear_rest(&l, self->dir));
	EXPECT_EQ(0, l.lost);
	close(l.fd);
}

/* The number of an extra hierarchy, from /proc/beancounters. */
static long hierarchy_number(const char *name)
{
	FILE *f = fopen("/proc/beancounters", "re");
	char line[512], word[256];
	long id = -1, n;

	while (f && id < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%ld %255s", &n, word) == 2 &&
		    !strcmp(word, name))
			id = n;
	}
	if (f)
		fclose(f);
	return id;
}

TEST_F(bc, other_hierarchy)
{
	char dir[96], name[32], path[128];
	struct bc_event ev;
	unsigned long id;
	pid_t pid;
	int ret;

	if (access(BC_HIERARCHIES, F_OK))
		SKIP(return, "no hierarchies in this kernel");
	snprintf(name, sizeof(name), "events%d", getpid());
	snprintf(dir, sizeof(dir), BC_HIERARCHIES "/%s", name);
	ASSERT_EQ(0, mkdir(dir, 0755));
	ASSERT_EQ(0, listen_to(&l, 1 << 20));
	EXPECT_EQ(0, bc_mkdir(dir, name));
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	id = bc_get(path, "id");
	pid = bc_spawn();
	EXPECT_EQ(0, bc_write(path, "tasks", "%d", pid));
	bc_reap(pid);
	EXPECT_EQ(0, bc_rmdir(dir, name));

	snprintf(path, sizeof(path), "/%s", name);
	for (unsigned int cmd = BC_CMD_CREATED; cmd;) {
		do {
			ret = bc_hear(&l, &ev, 30000);
			ASSERT_EQ(1, ret);
		} while (strcmp(path, str(&ev, BC_A_GROUP_PATH)));
		EXPECT_EQ(cmd, ev.cmd);
		/* It has no controllers, hence no counters. */
		EXPECT_EQ(GROUP_ATTRS, ev.a.seen);
		EXPECT_EQ(id, ev.a.num[BC_A_GROUP_ID]);
		EXPECT_EQ((unsigned long)hierarchy_number(name),
			  ev.a.num[BC_A_HIERARCHY]);
		cmd = cmd == BC_CMD_CREATED ? BC_CMD_ATTACHED :
		      cmd == BC_CMD_ATTACHED ? BC_CMD_REMOVED : 0;
	}
	close(l.fd);
	EXPECT_EQ(0, rmdir(dir));
}

struct thread {
	const char *dir;
	pid_t tid;
	int ret;
};

/* Moves itself, alone. */
static void *thread_refused(void *arg)
{
	struct thread *t = arg;

	t->tid = syscall(SYS_gettid);
	prctl(PR_SET_NAME, "bc thread");
	t->ret = bc_write(t->dir, "threads", "0");
	if (!t->ret)
		t->ret = bc_forks_refused((void *)1);
	return NULL;
}

/* A thread where its process is not. Nothing is told of the process. */
TEST_F(bc, one_thread)
{
	struct refusal r = {
		.dir = self->dir, .by = self->dir, .resource = "numtasks",
		.held = 1, .barrier = 1, .limit = 1, .failcnt = 1,
		.comm = "bc thread",
	};
	struct thread t = { .dir = self->dir };
	struct bc_event ev;
	pthread_t thread;

	ASSERT_EQ(0, listen_to(&l, 1 << 20));
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, thread_refused, &t));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, t.ret);
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, 0));
	EXPECT_EQ(BC_CMD_ATTACHED, ev.cmd);
	check_group(_metadata, &ev, self->dir, t.tid, "bc thread");
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, 0));
	r.pid = t.tid;
	check_refused(_metadata, &ev, &r);
	EXPECT_EQ(0, hear_rest(&l, self->dir));
	close(l.fd);
}

/* In a pid namespace: the id that the event has is that of the initial one. */
TEST_F(bc, pid_namespace)
{
	struct bc_event ev;
	int status;
	pid_t pid;

	ASSERT_EQ(0, listen_to(&l, 1 << 20));
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		SKIP(return, "no pid namespaces");
	if (pid == 0) {
		if (bc_write(self->dir, "tasks", "0"))
			_exit(2);
		_exit(bc_forks_refused((void *)1));
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, BC_CMD_REFUSED));
	EXPECT_EQ((unsigned int)pid, ev.a.num[BC_A_PID]);
	close(l.fd);
}

/* Two who listen hear the same. */
TEST_F(bc, two_listeners)
{
	struct bc_event ev;
	pid_t pid;
	int i;

	ASSERT_EQ(0, listen_to(&l, 1 << 20));
	ASSERT_EQ(0, listen_to(&l2, 1 << 20));
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "0"));
	EXPECT_EQ(0, run_in(self->dir, bc_opens_refused, (void *)5, &pid));
	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(0, hear_of(&l, &ev, self->dir, BC_CMD_REFUSED));
		EXPECT_EQ((unsigned int)i, ev.a.num[BC_A_FAILCNT]);
		ASSERT_EQ(0, hear_of(&l2, &ev, self->dir, BC_CMD_REFUSED));
		EXPECT_EQ((unsigned int)i, ev.a.num[BC_A_FAILCNT]);
	}
	close(l.fd);
	EXPECT_EQ(0, run_in(self->dir, bc_opens_refused, (void *)1, &pid));
	ASSERT_EQ(0, hear_of(&l2, &ev, self->dir, BC_CMD_REFUSED));
	EXPECT_EQ(6, ev.a.num[BC_A_FAILCNT]);
	close(l2.fd);
}

/* Nobody hears what happens before; who comes later hears what is later. */
TEST_F(bc, nobody)
{
	struct bc_event ev;
	pid_t pid;

	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "0"));
	EXPECT_EQ(0, run_in(self->dir, bc_opens_refused, (void *)1000, &pid));
	EXPECT_EQ(1000, bc_get(self->dir, "numfiles/failcnt"));
	EXPECT_EQ(0, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));

	ASSERT_EQ(0, listen_to(&l, 1 << 20));
	EXPECT_EQ(0, hear_rest(&l, self->dir));
	/* Nor are those counted as lost. */
	EXPECT_EQ(0, l.lost);
	EXPECT_EQ(0, run_in(self->dir, bc_opens_refused, (void *)1, &pid));
	ASSERT_EQ(0, hear_of(&l, &ev, self->dir, BC_CMD_REFUSED));
	EXPECT_EQ(1001, ev.a.num[BC_A_FAILCNT]);
	EXPECT_EQ(0, l.lost);
	close(l.fd);
}

/* Refusals without end. */
static int storm(void *arg)
{
	while (!bc_opens_refused((void *)100))
		;
	return 1;
}

TEST_F(bc, come_and_go)
{
	long end = now_ms() + 2000, rounds = 0, heard = 0, before;
	struct bc_event ev;
	pid_t pid[2];
	int i, n;

	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "0"));
	for (i = 0; i < 2; i++) {
		pid[i] = start_stopped(storm, NULL);
		ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid[i]));
		kill(pid[i], SIGCONT);
	}
	while (now_ms() < end || !heard) {
		/* Go with some heard, or none, or with a full buffer. */
		ASSERT_EQ(0, listen_to(&l, rounds % 2 ? 1 << 20 : 4096));
		before = bc_get(self->dir, "numfiles/failcnt");
		for (n = rounds % 4; n && bc_hear(&l, &ev, 1000) > 0; n--)
			heard += ev.cmd == BC_CMD_REFUSED;
		close(l.fd);
		ASSERT_LE(before, bc_get(self->dir, "numfiles/failcnt"));
		ASSERT_GT(end + 60000, now_ms());
		rounds++;
	}
	TH_LOG("%ld times, %ld events heard", rounds, heard);
	/* They are at it still. */
	before = bc_get(self->dir, "numfiles/failcnt");
	for (i = 0; i < 2000; i++) {
		if (bc_get(self->dir, "numfiles/failcnt") > before)
			break;
		usleep(10000);
	}
	EXPECT_GT(2000, i);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, waitpid(pid[i], NULL, WNOHANG));
		bc_reap(pid[i]);
	}
	EXPECT_EQ(0, bc_settle(self->dir, "numfiles/held", 0));
}

/**
 * struct account - what a storm has come to
 * @heard: refusals that we have been told of
 * @last: failcnt of the last of these
 * @disorder: how often it was not higher than that of the one before
 * @markers: groups made after the storm to hear of, in vain
 */
struct account {
	unsigned long heard, last, disorder, markers;
};

static void account_for(const struct bc_event *ev, struct account *a)
{
	if (ev->cmd != BC_CMD_REFUSED)
		return;
	a->heard++;
	if (ev->a.num[BC_A_FAILCNT] <= a->last)
		a->disorder++;
	a->last = ev->a.num[BC_A_FAILCNT];
}

/* What others have lost before may be told now. That is not for us. */
static int begin(struct bc_listener *l, const char *dir)
{
	struct bc_event ev;
	int err;

	err = bc_mkdir(dir, "first") ?: bc_rmdir(dir, "first");
	err = err ?: hear_of(l, &ev, dir, BC_CMD_REMOVED);
	l->lost = 0;
	return err;
}

/*
 * Hear what is left after a storm. What was lost is told with the next event at
 * the latest: a group is made, again if that was lost, too.
 */
static int finish(struct bc_listener *l, const char *dir, struct account *a)
{
	struct bc_event ev;
	char name[32], path[128];
	bool heard = false;
	int i, ret;

	for (i = 0; i < 5 && !heard; i++) {
		snprintf(name, sizeof(name), "marker%d", i);
		snprintf(path, sizeof(path), "%s/%s", event_path(dir), name);
		if (bc_mkdir(dir, name))
			return -EIO;
		a->markers++;
		while ((ret = bc_hear(l, &ev, heard ? 300 : 2000)) > 0) {
			if (!is_below(&ev, dir))
				continue;
			account_for(&ev, a);
			if (ev.cmd != BC_CMD_CREATED)
				continue;
			a->markers--;
			if (!strcmp(path, str(&ev, BC_A_GROUP_PATH)))
				heard = true;
		}
		if (ret < 0)
			return ret;
	}
	while (i--) {
		snprintf(name, sizeof(name), "marker%d", i);
		bc_rmdir(dir, name);
	}
	return heard ? 0 : -ETIME;
}

#define MAX_STORM 16

static int four_thousand(void *arg)
{
	return bc_opens_refused((void *)4000);
}

static int one_thousand(void *arg)
{
	return bc_opens_refused((void *)1000);
}

/*
 * Give each of the @n stopped children a CPU to itself, from the moment when all of
 * them go on. Nobody else runs until the first one has ended.
 */
static int hog_cpus(const pid_t *pid, int n)
{
	struct sched_param first = { .sched_priority = 2 };
	struct sched_param then = { .sched_priority = 1 };
	struct sched_param normal = { };
	int i, cpu = -1, bad = 0;
	cpu_set_t ours, one;

	/* Who is woken first is not to keep us from waking the others. */
	if (sched_getaffinity(0, sizeof(ours), &ours) ||
	    sched_setscheduler(0, SCHED_FIFO, &first))
		return 1;
	for (i = 0; i < n; i++) {
		while (!CPU_ISSET(++cpu, &ours))
			;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		bad += !!sched_setaffinity(pid[i], sizeof(one), &one);
		bad += !!sched_setscheduler(pid[i], SCHED_FIFO, &then);
	}
	for (i = 0; i < n; i++)
		kill(pid[i], SIGCONT);
	bad += !!sched_setscheduler(0, SCHED_OTHER, &normal);
	return bad;
}

static int go_on(const pid_t *pid, int n)
{
	while (n--)
		kill(pid[n], SIGCONT);
	return 0;
}

/* Start @n children in @dir that all do @fn, let them @go, hear until all have ended. */
static int hear_storm(const char *dir, int (*fn)(void *arg), int n,
		      int (*go)(const pid_t *pid, int n), struct account *a)
{
	struct bc_event ev;
	pid_t pid[MAX_STORM] = { 0 };
	int i, ret, bad = 0;

	for (i = 0; i < n; i++) {
		pid[i] = start_stopped(fn, NULL);
		if (bc_write(dir, "tasks", "%d", pid[i]))
			bad++;
	}
	bad += go(pid, n);
	/* Until the last one is a zombie. */
	for (i = 0; i < n; i++) {
		siginfo_t info = { };

		while (!info.si_pid) {
			ret = bc_hear(&l, &ev, 10);
			if (ret < 0)
				bad++;
			else if (ret && is_below(&ev, dir))
				account_for(&ev, a);
			if (bad || waitid(P_PID, pid[i], &info,
					  WEXITED | WNOWAIT | WNOHANG))
				break;
		}
	}
	for (i = 0; i < n; i++) {
		if (bad)
			kill(pid[i], SIGKILL);
		bad += !!end_of(pid[i]);
	}
	return bad;
}

/* What we have heard, and what we are told is missing, is all. */
static void check_account(struct __test_metadata *_metadata, const char *dir,
			  unsigned long refused, const struct account *a)
{
	unsigned long failcnt = bc_get(dir, "numfiles/failcnt");

	TH_LOG("%lu refused, %lu heard, %llu lost, buffer full %u times",
	       failcnt, a->heard, l.lost, l.overruns);
	EXPECT_EQ(refused, failcnt);
	EXPECT_LT(0, a->heard);
	if (l.overruns) {
		EXPECT_GE(failcnt, a->heard);
		return;
	}
	EXPECT_EQ(failcnt + a->markers, a->heard + l.lost);
}

TEST_F_TIMEOUT(bc, storm, 300)
{
	struct account a = { };

	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "0"));
	ASSERT_EQ(0, listen_to(&l, 64 << 20));
	ASSERT_EQ(0, begin(&l, self->dir));
	EXPECT_EQ(0, hear_storm(self->dir, four_thousand, 1, go_on, &a));
	EXPECT_EQ(0, finish(&l, self->dir, &a));
	check_account(_metadata, self->dir, 4000, &a);
	EXPECT_EQ(0, a.disorder);
	close(l.fd);
}

/* From more CPUs than one. The order is open then, the sum is not. */
TEST_F_TIMEOUT(bc, storm_of_four, 300)
{
	struct account a = { };

	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "0"));
	ASSERT_EQ(0, listen_to(&l, 64 << 20));
	ASSERT_EQ(0, begin(&l, self->dir));
	EXPECT_EQ(0, hear_storm(self->dir, one_thousand, 4, go_on, &a));
	EXPECT_EQ(0, finish(&l, self->dir, &a));
	check_account(_metadata, self->dir, 4000, &a);
	close(l.fd);
}

/* Whether a storm loses events is a matter of luck, if who sends them has a CPU. */
TEST_F_TIMEOUT(bc, nobody_sends, 300)
{
	struct account a = { };
	cpu_set_t ours;
	int n;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(ours), &ours));
	n = CPU_COUNT(&ours);
	if (n > MAX_STORM)
		SKIP(return, "%d CPUs", n);
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "0"));
	ASSERT_EQ(0, listen_to(&l, 64 << 20));
	ASSERT_EQ(0, begin(&l, self->dir));
	/* The queue has 256. Not more, as nothing else in the system runs meanwhile. */
	EXPECT_EQ(0, hear_storm(self->dir, one_thousand, n, hog_cpus, &a));
	EXPECT_EQ(0, finish(&l, self->dir, &a));
	check_account(_metadata, self->dir, 1000 * n, &a);
	EXPECT_EQ(0, l.overruns);
	EXPECT_LT(0, l.lost);
	close(l.fd);
}

/* Who does not read is told so, and hears again once it has read. */
TEST_F(bc, full_buffer)
{
	struct account a = { };
	struct bc_event ev;
	pid_t pid;
	int ret;

	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "0"));
	ASSERT_EQ(0, listen_to(&l, 4096));
	EXPECT_EQ(0, run_in(self->dir, bc_opens_refused, (void *)2000, &pid));
	EXPECT_EQ(2000, bc_get(self->dir, "numfiles/failcnt"));
	bc_wait_overrun(&l);
	while ((ret = bc_hear(&l, &ev, 300)) > 0) {
		if (is_below(&ev, self->dir))
			account_for(&ev, &a);
	}
	EXPECT_EQ(0, ret);
	EXPECT_LT(0, l.overruns + l.lost);
	EXPECT_GT(2000, a.heard);
	EXPECT_EQ(0, a.disorder);
	EXPECT_GE(2000, a.last);
	EXPECT_EQ(0, run_in(self->dir, bc_opens_refused, (void *)1, &pid));
	/* Of the 2000, there may be some that were late. */
	do {
		ASSERT_EQ(0, hear_of(&l, &ev, self->dir, BC_CMD_REFUSED));
		account_for(&ev, &a);
	} while (a.last < 2001);
	EXPECT_EQ(2001, a.last);
	EXPECT_EQ(0, a.disorder);
	close(l.fd);
}

#define DEPTH 32

/* The whole path, or its end after "...". */
static bool path_is(const char *got, const char *want)
{
	size_t len = strlen(got), whole = strlen(want);

	if (!strcmp(got, want))
		return true;
	if (strncmp(got, "...", 3) || len > 4095 || len < 1000)
		return false;
	return len - 3 < whole && !strcmp(got + 3, want + whole - (len - 3));
}

/* The deepest group with the longest names: more than PATH_MAX. */
TEST_F(bc, long_path)
{
	static char path[DEPTH * (NAME_MAX + 1) + 1];
	int dir[DEPTH + 1], depth, fd = -1, ret;
	char name[NAME_MAX + 1], text[32];
	struct bc_event ev;
	pid_t pid;

	ASSERT_EQ(0, listen_to(&l, 4 << 20));
	ASSERT_EQ(0, begin(&l, self->dir));
	dir[1] = open(self->dir, O_PATH | O_CLOEXEC);
	ASSERT_LE(0, dir[1]);
	snprintf(path, sizeof(path), "%s", event_path(self->dir));
	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	/* dir[1] is ours, the last one is at level 32. */
	for (depth = 1; depth < DEPTH; depth++) {
		name[0] = 'a' + depth % 26;
		ret = mkdirat(dir[depth], name, 0755);
		EXPECT_EQ(0, ret);
		if (ret)
			break;
		dir[depth + 1] = openat(dir[depth], name, O_PATH | O_CLOEXEC);
		EXPECT_LE(0, dir[depth + 1]);
		strcat(strcat(path, "/"), name);
		ret = hear_of(&l, &ev, self->dir, BC_CMD_CREATED);
		/* A path that was cut does not start with ours. */
		if (ret)
			break;
		EXPECT_STREQ(path, str(&ev, BC_A_GROUP_PATH));
	}
	TH_LOG("%s paths of %zu bytes", depth < DEPTH ? "not whole:" : "whole:",
	       strlen(path));
	/* Make the rest if paths are cut, and look at the last one. */
	for (; depth < DEPTH; depth++) {
		name[0] = 'a' + depth % 26;
		if (mkdirat(dir[depth], name, 0755) && errno != EEXIST)
			break;
		dir[depth + 1] = openat(dir[depth], name, O_PATH | O_CLOEXEC);
		if (strlen(path) < (size_t)depth * (NAME_MAX + 1))
			strcat(strcat(path, "/"), name);
	}
	EXPECT_EQ(DEPTH, depth);

	pid = start_stopped(bc_forks_refused, (void *)1);
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	fd = openat(dir[depth], "tasks", O_WRONLY | O_CLOEXEC);
	EXPECT_LE(0, fd);
	ret = snprintf(text, sizeof(text), "%d", pid);
	EXPECT_EQ(ret, write(fd, text, ret));
	close(fd);
	kill(pid, SIGCONT);
	EXPECT_EQ(0, end_of(pid));
	do {
		ret = bc_hear(&l, &ev, 30000);
	} while (ret > 0 && (ev.cmd != BC_CMD_REFUSED ||
			     ev.a.num[BC_A_PID] != (unsigned int)pid));
	EXPECT_EQ(1, ret);
	if (ret == 1) {
		const char *got = str(&ev, BC_A_GROUP_PATH);

		EXPECT_EQ(REFUSED_ATTRS, ev.a.seen);
		EXPECT_TRUE(path_is(got, path)) {
			TH_LOG("%.40s... (%zu bytes)", got, strlen(got));
		}
		EXPECT_STREQ(event_path(self->dir),
			     str(&ev, BC_A_REFUSER_PATH));
		EXPECT_STREQ(CHILD, str(&ev, BC_A_COMM));
	}

	/* By hand: the paths are too long for bc_remove(). */
	for (; depth > 1; depth--) {
		close(dir[depth]);
		name[0] = 'a' + (depth - 1) % 26;
		EXPECT_EQ(0, unlinkat(dir[depth - 1], name, AT_REMOVEDIR));
	}
	close(dir[1]);
	do {
		ret = bc_hear(&l, &ev, 300);
		EXPECT_LE(0, ret);
	} while (ret > 0);
	EXPECT_EQ(0, l.lost + l.overruns);
	close(l.fd);
}

/* The lines of a trace. */
static char trace[1 << 18];

static int read_trace(const char *dir)
{
	char path[PATH_MAX];
	ssize_t ret;
	size_t n = 0;
	int fd;

	bc_path(path, dir, "trace");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		ret = read(fd, trace + n, sizeof(trace) - 1 - n);
		if (ret > 0)
			n += ret;
	} while (ret > 0);
	trace[n] = '\0';
	close(fd);
	return ret < 0 ? -errno : 0;
}

/*
 * A line of this event that has all of these words in it. The task may be in
 * what is printed before the event.
 */
static bool traced(const char *event, const char *a, const char *b, int pid)
{
	char *copy = strdup(trace), *line, *save, text[16];
	bool found = false;

	snprintf(text, sizeof(text), "%d", pid);
	for (line = strtok_r(copy, "\n", &save); line && !found;
	     line = strtok_r(NULL, "\n", &save)) {
		char *args = strstr(line, event);

		found = args && args[strlen(event)] == ':' && strstr(args, a) &&
			strstr(args, b) && strstr(line, text);
	}
	free(copy);
	return found;
}

static int trace_on(const char *dir, const char *event)
{
	char file[64];

	snprintf(file, sizeof(file), "events/bc/%s/enable", event);
	return bc_write(dir, file, "1");
}

TEST_F(bc, tracepoints)
{
	char dir[96], group[80], id[32];
	const char *path;
	pid_t pid;

	if (!bc_tracing())
		SKIP(return, "no tracing in this kernel");
	snprintf(dir, sizeof(dir), BC_TRACING "/instances/bc-%d", getpid());
	if (mkdir(dir, 0700))
		SKIP(return, "no instances of tracing in this kernel");
	EXPECT_EQ(0, trace_on(dir, "bc_mkdir"));
	EXPECT_EQ(0, trace_on(dir, "bc_attach"));
	EXPECT_EQ(0, trace_on(dir, "bc_charge_fail"));
	EXPECT_EQ(0, trace_on(dir, "bc_rmdir"));

	snprintf(group, sizeof(group), "%s/a", self->dir);
	EXPECT_EQ(0, bc_mkdir(self->dir, "a"));
	snprintf(id, sizeof(id), "%ld", bc_get(group, "id"));
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	EXPECT_EQ(0, run_in(group, bc_forks_refused, (void *)1, &pid));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));

	bc_write(dir, "events/bc/enable", "0");
	EXPECT_EQ(0, read_trace(dir));
	EXPECT_EQ(0, rmdir(dir));
	path = event_path(group);
	EXPECT_TRUE(traced("bc_mkdir", path, id, getpid()));
	EXPECT_TRUE(traced("bc_attach", path, CHILD, pid));
	EXPECT_TRUE(traced("bc_charge_fail", path, "numtasks", pid));
	EXPECT_TRUE(traced("bc_charge_fail", path, self->dir + strlen(BC_ROOT),
			   pid));
	EXPECT_TRUE(traced("bc_rmdir", path, id, getpid()));
}

/* What has been added to the log, and how many lines of it have @text. */
static char records[1 << 18];

static void read_log(int fd)
{
	size_t n = strlen(records);
	ssize_t ret;

	while (n < sizeof(records) - 8192) {
		ret = read(fd, records + n, 8191);
		if (ret < 0 && (errno == EPIPE || errno == EINTR))
			continue;	/* overwritten: go on behind */
		if (ret <= 0)
			break;
		n += ret;
	}
	records[n] = '\0';
}

static int count_log(const char *text)
{
	const char *p = records;
	int n = 0;

	while ((p = strstr(p, text))) {
		p += strlen(text);
		n++;
	}
	return n;
}

/*
 * One line for each resource of a group, however many refusals. Lines are rate
 * limited, and the groups of other tests may have used it up: then again later.
 */
TEST_F(bc, log)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char dir[112], leaf[128], name[32], text[256];
	int i, tasks = 0, files = 0;
	pid_t pid;

	if (fd < 0)
		SKIP(return, "no /dev/kmsg");
	for (i = 0; i < 3 && !(tasks && files); i++) {
		if (i)
			sleep(6);
		/* A group that has not refused anything yet. */
		snprintf(name, sizeof(name), "l%d", i);
		snprintf(dir, sizeof(dir), "%s/%s", self->dir, name);
		snprintf(leaf, sizeof(leaf), "%s/a", dir);
		ASSERT_EQ(0, bc_mkdir(self->dir, name));
		ASSERT_EQ(0, bc_mkdir(dir, "a"));
		ASSERT_EQ(0, bc_write(dir, "numtasks/limit", "1"));
		ASSERT_EQ(0, bc_write(dir, "numfiles/limit", "0"));
		ASSERT_LE(0, lseek(fd, 0, SEEK_END));
		records[0] = '\0';
		EXPECT_EQ(0, run_in(leaf, bc_forks_refused, (void *)20, &pid));
		EXPECT_EQ(0, run_in(leaf, bc_opens_refused, (void *)20, &pid));
		/* Another child of the same, which is not the first. */
		EXPECT_EQ(0, run_in(dir, bc_forks_refused, (void *)20, &pid));
		read_log(fd);
		snprintf(text, sizeof(text), "bc: %s: numtasks limit 1 ",
			 event_path(dir));
		tasks = count_log(text);
		snprintf(text, sizeof(text), "bc: %s: numfiles limit 0 ",
			 event_path(dir));
		files = count_log(text);
		EXPECT_GE(1, tasks);
		EXPECT_GE(1, files);
	}
	EXPECT_EQ(1, tasks);
	EXPECT_EQ(1, files);
	snprintf(text, sizeof(text), " reached by %s[", CHILD);
	EXPECT_EQ(2, count_log(text));
	snprintf(text, sizeof(text), "], group %s\n", event_path(leaf));
	EXPECT_EQ(2, count_log(text));
	close(fd);
	while (i--) {
		snprintf(dir, sizeof(dir), "%s/l%d", self->dir, i);
		EXPECT_EQ(0, bc_rmdir(dir, "a"));
		EXPECT_EQ(0, rmdir(dir));
	}
}

struct tool {
	pid_t pid;
	FILE *out, *err;
};

/* Run bcctl events by its short name, as a user if @user, with some options up to NULL. */
static int start_tool(struct tool *t, int user, ...)
{
	const char *argv[16] = { TOOL };
	int out[2], err[2], i = 0;
	va_list ap;

	va_start(ap, user);
	while (argv[i] && i < 14)
		argv[++i] = va_arg(ap, const char *);
	va_end(ap);
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return -errno;
	t->pid = fork();
	if (t->pid == 0) {
		bc_die_with_parent();
		dup2(out[1], 1);
		dup2(err[1], 2);
		if (user)
			bc_become(USER, USER);
		execv(TOOL, (char **)argv);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	t->out = fdopen(out[0], "r");
	t->err = fdopen(err[0], "r");
	return t->pid < 0 || !t->out || !t->err ? -ENOMEM : 0;
}

static int end_tool(struct tool *t)
{
	fclose(t->out);
	fclose(t->err);
	return end_of(t->pid);
}

TEST_F(bc, tool)
{
	char line[4096], want[256], group[80];
	const char *path;
	struct tool t;
	pid_t pid;

	if (access(TOOL, X_OK))
		SKIP(return, TOOL " is not here");
	snprintf(group, sizeof(group), "%s/a", self->dir);
	path = event_path(group);
	ASSERT_EQ(0, start_tool(&t, 0, "--json", "--verbose",
				"--count", "4", "--timeout", "40",
				"--group", path, NULL));
	ASSERT_NE(NULL, fgets(line, sizeof(line), t.err));
	ASSERT_STREQ("ready\n", line);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	/* Not below, though it looks like it. */
	EXPECT_EQ(0, bc_mkdir(self->dir, "ab"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "ab"));
	EXPECT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	EXPECT_EQ(0, run_in(group, bc_forks_refused, (void *)1, &pid));
	snprintf(want, sizeof(want), "\"group_id\":%ld,\"group\":\"%s\",",
		 bc_get(group, "id"), path);
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));

	ASSERT_NE(NULL, fgets(line, sizeof(line), t.out));
	EXPECT_NE(NULL, strstr(line, "{\"event\":\"created\","));
	EXPECT_NE(NULL, strstr(line, "\"hierarchy\":0,"));
	EXPECT_NE(NULL, strstr(line, want));
	ASSERT_NE(NULL, fgets(line, sizeof(line), t.out));
	EXPECT_NE(NULL, strstr(line, "{\"event\":\"attached\","));
	EXPECT_NE(NULL, strstr(line, want));
	ASSERT_NE(NULL, fgets(line, sizeof(line), t.out));
	EXPECT_NE(NULL, strstr(line, "{\"event\":\"refused\","));
	EXPECT_NE(NULL, strstr(line, want));
	snprintf(want, sizeof(want), "\"pid\":%d,\"comm\":\"%s\"}\n", pid,
		 CHILD);
	EXPECT_NE(NULL, strstr(line, want));
	EXPECT_NE(NULL, strstr(line, "\"held\":1,\"barrier\":1,\"limit\":1,"));
	ASSERT_NE(NULL, fgets(line, sizeof(line), t.out));
	EXPECT_NE(NULL, strstr(line, "{\"event\":\"removed\","));
	EXPECT_NE(NULL, strstr(line, "\"numtasks\":{\"held\":0,\"maxheld\":1"));
	EXPECT_EQ(NULL, fgets(line, sizeof(line), t.out));
	EXPECT_EQ(0, end_tool(&t));

	ASSERT_EQ(0, start_tool(&t, 0, "-v", "-e", "refused",
				"-r", "numtasks", NULL));
	ASSERT_NE(NULL, fgets(line, sizeof(line), t.err));
	EXPECT_EQ(0, run_in(self->dir, bc_forks_refused, (void *)1, &pid));
	ASSERT_NE(NULL, fgets(line, sizeof(line), t.out));
	path = event_path(self->dir);
	snprintf(want, sizeof(want), "refused numtasks %s by %s: held 1 ",
		 path, path);
	EXPECT_EQ(0, strncmp(line, want, strlen(want)));
	snprintf(want, sizeof(want),
		 " barrier 1 limit 1 amount 1 failcnt 2 %s[%d]\n",
		 "bc\\040events\\040child", pid);
	EXPECT_NE(NULL, strstr(line, want));
	kill(t.pid, SIGINT);
	EXPECT_EQ(0, end_tool(&t));

	ASSERT_EQ(0, start_tool(&t, 0, "-t", "0.2", NULL));
	EXPECT_EQ(NULL, fgets(line, sizeof(line), t.err));
	EXPECT_EQ(3, end_tool(&t));

	ASSERT_EQ(0, start_tool(&t, 1, "-t", "0.2", NULL));
	ASSERT_NE(NULL, fgets(line, sizeof(line), t.err));
	EXPECT_NE(NULL, strstr(line, "CAP_SYS_ADMIN"));
	EXPECT_EQ(1, end_tool(&t));
}

TEST_HARNESS_MAIN
