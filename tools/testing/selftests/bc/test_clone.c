// SPDX-License-Identifier: GPL-2.0
/*
 * kernel.bc_clone_on_unshare: whoever makes a namespace gets a group for it.
 */
#include <linux/sched.h>
#include <sys/time.h>

#include "bc_failslab.h"

#define USER 12345
#define DEPTH 32
#define SYSCTL "bc_clone_on_unshare"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static int set_sysctl(const char *text)
{
	return bc_write("/proc/sys/kernel", SYSCTL, "%s", text);
}

static int do_unshare(int flags)
{
	return syscall(SYS_unshare, flags) ? -errno : 0;
}

static pid_t forked(pid_t pid)
{
	if (pid == 0) {
		bc_die_with_parent();
		for (;;)
			pause();
	}
	return pid < 0 ? -errno : pid;
}

/* A child that does nothing until it is killed. */
static pid_t do_clone(int flags)
{
	return forked(syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0));
}

static pid_t do_clone3(int flags, pid_t *set_tid)
{
	struct clone_args args = {
		.flags = flags,
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)set_tid,
		.set_tid_size = set_tid ? 1 : 0,
	};

	return forked(syscall(SYS_clone3, &args, sizeof(args)));
}

/* Is @pid in @dir's group node_@id@suffix? With 0, the caller. */
static bool in_node(pid_t pid, const char *dir, pid_t id, const char *suffix)
{
	char want[PATH_MAX], is[PATH_MAX];

	snprintf(want, sizeof(want), "%s/node_%d%s", dir + strlen(BC_ROOT), id,
		 suffix);
	return !bc_group(pid, 0, is, sizeof(is)) && !strcmp(is, want);
}

static bool in_dir(pid_t pid, const char *dir)
{
	char is[PATH_MAX];

	return !bc_group(pid, 0, is, sizeof(is)) &&
	       !strcmp(is, dir + strlen(BC_ROOT));
}

static int remove_node(const char *dir, pid_t id)
{
	char name[32];

	snprintf(name, sizeof(name), "node_%d", id);
	return bc_rmdir(dir, name);
}

FIXTURE(clone) {
	char dir[64];
	char before[16];
};

static void set_up(struct __test_metadata *_metadata,
		   struct _test_data_clone *self)
{
	ASSERT_EQ(0, bc_read("/proc/sys/kernel", SYSCTL, self->before,
			     sizeof(self->before)));
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	ASSERT_EQ(0, set_sysctl("1"));
}

static void tear_down(struct __test_metadata *_metadata,
		      struct _test_data_clone *self)
{
	if (!self->dir[0])
		return;
	EXPECT_EQ(0, set_sysctl(self->before));
	bc_expect_clean(_metadata, self->dir);
}

FIXTURE_SETUP(clone)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	set_up(_metadata, self);
}

FIXTURE_TEARDOWN(clone)
{
	tear_down(_metadata, self);
}

/* The same for each kind of namespace. */
FIXTURE(kind) {
	struct _test_data_clone c;
};

FIXTURE_VARIANT(kind) {
	int flag;
};

FIXTURE_VARIANT_ADD(kind, mnt) { CLONE_NEWNS };
FIXTURE_VARIANT_ADD(kind, uts) { CLONE_NEWUTS };
FIXTURE_VARIANT_ADD(kind, ipc) { CLONE_NEWIPC };
FIXTURE_VARIANT_ADD(kind, user) { CLONE_NEWUSER };
FIXTURE_VARIANT_ADD(kind, pid) { CLONE_NEWPID };
FIXTURE_VARIANT_ADD(kind, net) { CLONE_NEWNET };
FIXTURE_VARIANT_ADD(kind, cgroup) { CLONE_NEWCGROUP };
FIXTURE_VARIANT_ADD(kind, time) { CLONE_NEWTIME };

struct job {
	const char *dir;
	int flag;
	bool user;
	pid_t pid;
};

static int try_unshare(void *arg)
{
	const struct job *j = arg;

	return -do_unshare(j->flag);
}

FIXTURE_SETUP(kind)
{
	struct job j = { .flag = variant->flag };

	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	set_up(_metadata, &self->c);
	ASSERT_EQ(0, set_sysctl("0"));
	if (bc_in_child(try_unshare, &j) == EINVAL) {
		tear_down(_metadata, &self->c);
		SKIP(return, "no such namespace in this kernel");
	}
	ASSERT_EQ(0, set_sysctl("1"));
}

FIXTURE_TEARDOWN(kind)
{
	tear_down(_metadata, &self->c);
}

/* Whose it is, and that it is like any other new group. */
static bool is_new(const char *dir)
{
	static const char * const files[] = {
		"", "tasks", "threads", "numtasks", "numtasks/limit",
		"notify_on_release",
	};
	char path[PATH_MAX];
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		bc_path(path, dir, files[i]);
		if (stat(path, &st) || st.st_uid || st.st_gid ||
		    (st.st_mode & 07777) != (S_ISDIR(st.st_mode) ? 0755 : 0644))
			return false;
	}
	return bc_get(dir, "numtasks/limit") == LONG_MAX &&
	       bc_get(dir, "numtasks/barrier") == LONG_MAX;
}

/* In a child, which is in the group that is looked at. */
static int unshare_once(void *arg)
{
	const struct job *j = arg;
	char node[PATH_MAX];

	bc_die_with_parent();
	snprintf(node, sizeof(node), "%s/node_%d", j->dir, getpid());
	if (bc_write(j->dir, "tasks", "0"))
		return 1;
	if (do_unshare(j->flag))
		return 2;
	if (!in_node(0, j->dir, getpid(), ""))
		return 3;
	if (bc_count(node, "tasks", 0) != 1 || bc_count(node, "threads", 0) != 1)
		return 4;
	if (bc_count(j->dir, "tasks", 0) || bc_children(j->dir, false) != 1)
		return 5;
	if (bc_get(node, "numtasks/held") != 1 ||
	    bc_get(j->dir, "numtasks/held") != 1)
		return 6;
	return bc_rmdir(node, "") == -EBUSY ? 0 : 7;
}

/* The path of a child group, if there is one. */
static bool find_node(const char *dir, char *node)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	bool found = false;

	while (d && !found && (de = readdir(d))) {
		bc_path(node, dir, de->d_name);
		found = de->d_name[0] != '.' && bc_is_group(node);
	}
	if (d)
		closedir(d);
	return found;
}

TEST_F(kind, unshare)
{
	struct job j = { .dir = self->c.dir, .flag = variant->flag };
	char node[PATH_MAX];

	EXPECT_EQ(0, bc_in_child(unshare_once, &j));
	/* It stays when the task has gone, and can be removed. */
	EXPECT_EQ(0, bc_get(self->c.dir, "numtasks/held"));
	EXPECT_EQ(1, bc_children(self->c.dir, false));
	ASSERT_TRUE(find_node(self->c.dir, node));
	EXPECT_TRUE(is_new(node));
	EXPECT_EQ(0, bc_rmdir(node, ""));
	EXPECT_EQ(0, bc_children(self->c.dir, false));
}

static void check_child(struct __test_metadata *_metadata, const char *dir,
			pid_t pid)
{
	char node[PATH_MAX];

	ASSERT_LT(0, pid);
	snprintf(node, sizeof(node), "%s/node_%d", dir, pid);
	EXPECT_TRUE(in_node(pid, dir, pid, ""));
	EXPECT_TRUE(in_dir(0, dir));
	EXPECT_EQ(1, bc_count(node, "tasks", pid));
	EXPECT_EQ(1, bc_count(node, "tasks", 0));
	EXPECT_EQ(0, bc_count(dir, "tasks", pid));
	EXPECT_EQ(1, bc_get(node, "numtasks/held"));
	EXPECT_EQ(2, bc_get(dir, "numtasks/held"));
	EXPECT_EQ(1, bc_children(dir, false));
	EXPECT_TRUE(is_new(node));
	EXPECT_EQ(-EBUSY, remove_node(dir, pid));
	bc_reap(pid);
	EXPECT_EQ(0, remove_node(dir, pid));
	EXPECT_EQ(0, bc_children(dir, false));
}

TEST_F(kind, clone)
{
	ASSERT_EQ(0, bc_write(self->c.dir, "tasks", "0"));
	/* For clone(2), the bits of CLONE_NEWTIME are a signal. */
	if (variant->flag != CLONE_NEWTIME)
		check_child(_metadata, self->c.dir, do_clone(variant->flag));
	check_child(_metadata, self->c.dir, do_clone3(variant->flag, NULL));
}

static int unshare_off(void *arg)
{
	const struct job *j = arg;

	if (bc_write(j->dir, "tasks", "0"))
		return 1;
	return do_unshare(j->flag) || !in_dir(0, j->dir) ? 2 : 0;
}

TEST_F(kind, off)
{
	struct job j = { .dir = self->c.dir, .flag = variant->flag };
	pid_t pid;

	ASSERT_EQ(0, set_sysctl("0"));
	EXPECT_EQ(0, bc_in_child(unshare_off, &j));
	ASSERT_EQ(0, bc_write(self->c.dir, "tasks", "0"));
	pid = do_clone3(variant->flag, NULL);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(in_dir(pid, self->c.dir));
	bc_reap(pid);
	EXPECT_EQ(0, bc_children(self->c.dir, false));
}

TEST_F(clone, sysctl)
{
	static const char * const bad[] = { "2", "-1", "x", "10", "1x" };
	char buf[16];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, set_sysctl(bad[i])) {
			TH_LOG("'%s'", bad[i]);
		}
		EXPECT_EQ(1, bc_get("/proc/sys/kernel", SYSCTL));
	}
	EXPECT_EQ(0, set_sysctl("0\n"));
	ASSERT_EQ(0, bc_read("/proc/sys/kernel", SYSCTL, buf, sizeof(buf)));
	EXPECT_STREQ("0\n", buf);
	EXPECT_EQ(0, set_sysctl("1\n"));
	ASSERT_EQ(0, bc_read("/proc/sys/kernel", SYSCTL, buf, sizeof(buf)));
	EXPECT_STREQ("1\n", buf);
}

/*
 * In other hierarchies
 */

/* The number of a hierarchy of ours. */
static long number(const char *dir)
{
	const char *name = strrchr(dir, '/') + 1;
	char *line = NULL, is[256];
	long id, found = -1;
	size_t len = 0;
	FILE *f = fopen("/proc/beancounters", "re");

	while (f && getline(&line, &len, f) > 0) {
		if (sscanf(line, "%ld\t%255s", &id, is) == 2 && !strcmp(is, name))
			found = id;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

FIXTURE(hier) {
	struct _test_data_clone c;
	char a[64], b[64];
	long na, nb;
};

FIXTURE_SETUP(hier)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (access(BC_HIERARCHIES, F_OK))
		SKIP(return, "there is only one hierarchy");
	bc_hierarchy(self->a, sizeof(self->a), 'a');
	bc_hierarchy(self->b, sizeof(self->b), 'b');
	ASSERT_EQ(0, mkdir(self->a, 0755));
	ASSERT_EQ(0, mkdir(self->b, 0755));
	self->na = number(self->a);
	self->nb = number(self->b);
	ASSERT_LT(0, self->na);
	ASSERT_LT(0, self->nb);
	set_up(_metadata, &self->c);
}

FIXTURE_TEARDOWN(hier)
{
	if (!self->a[0])
		return;
	bc_write(self->a, "tasks", "0");
	bc_write(self->b, "tasks", "0");
	tear_down(_metadata, &self->c);
	EXPECT_EQ(0, bc_remove_hierarchy(self->a));
	EXPECT_EQ(0, bc_remove_hierarchy(self->b));
}

static int set_mask(unsigned long mask)
{
	return bc_write("/proc/sys/kernel", SYSCTL, "%lu", mask);
}

/* Is @pid, of this id, in a group of its own below the root of a hierarchy? */
static bool in_own(pid_t pid, long hierarchy, pid_t id)
{
	char want[64], is[PATH_MAX];

	snprintf(want, sizeof(want), "/node_%d", id);
	return !bc_group(pid, hierarchy, is, sizeof(is)) && !strcmp(is, want);
}

static bool in_root(pid_t pid, long hierarchy)
{
	char is[PATH_MAX];

	return !bc_group(pid, hierarchy, is, sizeof(is)) && !strcmp(is, "/");
}

/* Only where it is asked for. */
TEST_F(hier, chosen)
{
	pid_t pid;

	ASSERT_EQ(0, set_mask(1UL << self->na));
	pid = do_clone(CLONE_NEWUTS);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(in_own(pid, self->na, pid));
	EXPECT_TRUE(in_root(pid, self->nb));
	EXPECT_TRUE(in_root(pid, 0));
	bc_reap(pid);
	EXPECT_EQ(0, remove_node(self->a, pid));

	ASSERT_EQ(0, set_mask(1UL << self->na | 1UL << self->nb | 1));
	ASSERT_EQ(0, bc_write(self->c.dir, "tasks", "0"));
	pid = do_clone(CLONE_NEWUTS);
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
	ASSERT_LT(0, pid);
	EXPECT_TRUE(in_own(pid, self->na, pid));
	EXPECT_TRUE(in_own(pid, self->nb, pid));
	EXPECT_TRUE(in_node(pid, self->c.dir, pid, ""));
	bc_reap(pid);
	EXPECT_EQ(0, remove_node(self->a, pid));
	EXPECT_EQ(0, remove_node(self->b, pid));
	EXPECT_EQ(0, remove_node(self->c.dir, pid));

	ASSERT_EQ(0, set_mask(0));
	pid = do_clone(CLONE_NEWUTS);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(in_root(pid, self->na));
	EXPECT_TRUE(in_root(pid, 0));
	bc_reap(pid);
}

struct three {
	const char *dir;
	long na, nb;
	bool moved;
};

static int unshare_in_three(void *arg)
{
	struct three *t = arg;
	int err;

	if (bc_write(t->dir, "tasks", "0"))
		return 100;
	err = do_unshare(CLONE_NEWUTS);
	if (err) {
		/* All is as it was. */
		if (!in_dir(0, t->dir) || !in_root(0, t->na) || !in_root(0, t->nb))
			return 101;
		return -err;
	}
	if (!in_node(0, t->dir, getpid(), "") || !in_own(0, t->na, getpid()) ||
	    !in_own(0, t->nb, getpid()))
		return 102;
	return 0;
}

TEST_F(hier, unshare)
{
	struct three t = { self->c.dir, self->na, self->nb };

	ASSERT_EQ(0, set_mask(1UL << self->na | 1UL << self->nb | 1));
	EXPECT_EQ(0, bc_in_child(unshare_in_three, &t));
	EXPECT_EQ(1, bc_children(self->c.dir, true));
	EXPECT_EQ(1, bc_children(self->a, true));
	EXPECT_EQ(1, bc_children(self->b, true));
}

static bool make_deep(const char *dir, char *deep, size_t size)
{
	int i;

	snprintf(deep, size, "%s", dir);
	for (i = 0; i < DEPTH; i++) {
		if (bc_mkdir(deep, "d"))
			return false;
		snprintf(deep + strlen(deep), size - strlen(deep), "/d");
	}
	return true;
}

static int unshare_with_deep(void *arg)
{
	struct three *t = arg;
	char is[PATH_MAX];
	int err;

	if (bc_write(t->dir, "tasks", "0"))
		return 100;
	err = do_unshare(CLONE_NEWUTS);
	if (!in_root(0, 0) || !in_root(0, t->na) || bc_group(0, t->nb, is, sizeof(is)) ||
	    strlen(is) != 2 * DEPTH)
		return 101;
	if (do_clone(CLONE_NEWUTS) != err)
		return 102;
	return -err;
}

/* Where there can be no group in one hierarchy, there is none in the others. */
TEST_F(hier, all_or_none)
{
	char deep[PATH_MAX];
	struct three t = { deep, self->na, self->nb };

	ASSERT_LT(self->na, self->nb);
	ASSERT_EQ(0, set_mask(1UL << self->na | 1UL << self->nb | 1));
	ASSERT_TRUE(make_deep(self->b, deep, sizeof(deep)));
	EXPECT_EQ(ENOSPC, bc_in_child(unshare_with_deep, &t));
	EXPECT_EQ(1, bc_children(BC_ROOT, false));
	EXPECT_EQ(0, bc_children(self->a, false));
	bc_rmdir_below(self->b);
	EXPECT_EQ(0, bc_children(self->b, false));
}

/* One that is removed is chosen no longer, nor is one that is not there. */
TEST_F(hier, removed)
{
	pid_t pid;

	ASSERT_EQ(0, set_mask(1UL << self->na | 1UL << self->nb));
	EXPECT_EQ(-EINVAL, set_mask(1UL << self->na | 1UL << 15));
	EXPECT_EQ(-EINVAL, set_mask(1UL << 16));
	EXPECT_EQ(-EINVAL, set_mask(1UL << 31 | 1));
	EXPECT_EQ(1L << self->na | 1L << self->nb, bc_get("/proc/sys/kernel", SYSCTL));
	ASSERT_EQ(0, rmdir(self->b));
	EXPECT_EQ(1L << self->na, bc_get("/proc/sys/kernel", SYSCTL));
	/* Another one with that number. */
	ASSERT_EQ(0, mkdir(self->b, 0755));
	ASSERT_EQ(self->nb, number(self->b));
	pid = do_clone(CLONE_NEWUTS);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(in_own(pid, self->na, pid));
	EXPECT_TRUE(in_root(pid, self->nb));
	bc_reap(pid);
	EXPECT_EQ(1, bc_children(self->a, true));
}

static int sysctl_as_user(void *arg)
{
	bc_become(USER, USER);
	return bc_get("/proc/sys/kernel", SYSCTL) == 1 ? -set_sysctl("0") : 99;
}

TEST_F(clone, sysctl_user)
{
	EXPECT_EQ(EACCES, bc_in_child(sysctl_as_user, NULL));
	EXPECT_EQ(1, bc_get("/proc/sys/kernel", SYSCTL));
}

/* No new namespace, no new group. */
TEST_F(clone, no_namespace)
{
	pid_t pid;

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	EXPECT_EQ(0, do_unshare(0));
	EXPECT_EQ(0, do_unshare(CLONE_FILES | CLONE_FS));
	EXPECT_TRUE(in_dir(0, self->dir));
	pid = do_clone(0);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(in_dir(pid, self->dir));
	bc_reap(pid);
	EXPECT_EQ(0, bc_children(self->dir, false));
}

/* Several at once are one. */
static int several(void *arg)
{
	struct job *j = arg;

	j->flag = CLONE_NEWNS | CLONE_NEWUTS | CLONE_FILES;
	return unshare_once(j);
}

TEST_F(clone, several)
{
	struct job j = { .dir = self->dir };

	EXPECT_EQ(0, bc_in_child(several, &j));
	EXPECT_EQ(1, bc_children(self->dir, true));
}

static int clash(void *arg)
{
	const char *dir = arg;
	char name[32];

	if (bc_write(dir, "tasks", "0"))
		return 1;
	snprintf(name, sizeof(name), "node_%d", getpid());
	if (bc_mkdir(dir, name) || do_unshare(CLONE_NEWUTS))
		return 2;
	if (!in_node(0, dir, getpid(), ".1"))
		return 3;
	if (bc_write(dir, "tasks", "0") || do_unshare(CLONE_NEWUTS))
		return 4;
	if (!in_node(0, dir, getpid(), ".2"))
		return 5;
	/* The first that is free. */
	snprintf(name, sizeof(name), "node_%d.1", getpid());
	if (bc_rmdir(dir, name) || bc_write(dir, "tasks", "0") ||
	    do_unshare(CLONE_NEWUTS))
		return 6;
	return in_node(0, dir, getpid(), ".1") ? 0 : 7;
}

TEST_F(clone, clash)
{
	EXPECT_EQ(0, bc_in_child(clash, self->dir));
	EXPECT_EQ(3, bc_children(self->dir, true));
}

/* The child's pid cannot be known before, but asked for. */
TEST_F(clone, clash_child)
{
	pid_t pid, free = bc_spawn();
	char name[32];

	ASSERT_LT(0, free);
	bc_reap(free);
	snprintf(name, sizeof(name), "node_%d", free);
	ASSERT_EQ(0, bc_mkdir(self->dir, name));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	pid = do_clone3(CLONE_NEWUTS, &free);
	if (pid < 0) {
		bc_rmdir(self->dir, name);
		SKIP(return, "clone3: %s", strerror(-pid));
	}
	EXPECT_EQ(free, pid);
	EXPECT_TRUE(in_node(pid, self->dir, pid, ".1"));
	bc_reap(pid);
	EXPECT_EQ(2, bc_children(self->dir, true));
}

static int nested(void *arg)
{
	const char *dir = arg;
	char sub[PATH_MAX], node[32];
	int i;

	snprintf(sub, sizeof(sub), "%s", dir);
	snprintf(node, sizeof(node), "/node_%d", getpid());
	if (bc_write(dir, "tasks", "0"))
		return 1;
	for (i = 0; i < 3; i++) {
		if (do_unshare(CLONE_NEWUTS))
			return 2;
		if (!in_node(0, sub, getpid(), "") ||
		    bc_children(sub, false) != 1)
			return 3;
		strcat(sub, node);
		if (bc_get(sub, "numtasks/held") != 1)
			return 4;
	}
	return bc_get(dir, "numtasks/held") == 1 ? 0 : 5;
}

TEST_F(clone, nested)
{
	EXPECT_EQ(0, bc_in_child(nested, self->dir));
	EXPECT_EQ(1, bc_children(self->dir, true));
}

/* Pids are those of the initial pid namespace. */
static int in_pid_namespace(void *arg)
{
	const struct job *j = arg;
	char node[PATH_MAX];

	if (getpid() != 1)
		return 1;
	/* The tests' /proc is not that of the new namespace. */
	snprintf(node, sizeof(node), "%s/node_%d", j->dir, j->pid);
	if (do_unshare(CLONE_NEWUTS))
		return 2;
	return bc_children(node, false) == 1 &&
	       in_node(0, node, j->pid, "") ? 0 : 3;
}

TEST_F(clone, pid_namespace)
{
	struct job *j = mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd[2], status;
	pid_t pid;
	char c;

	ASSERT_NE(MAP_FAILED, j);
	ASSERT_EQ(0, pipe(fd));
	j->dir = self->dir;
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		if (read(fd[0], &c, 1) != 1)
			_exit(100);
		_exit(in_pid_namespace(j));
	}
	if (pid < 0)
		SKIP(return, "no pid namespaces");
	j->pid = pid;
	EXPECT_EQ(1, write(fd[1], "x", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(1, bc_children(self->dir, true));
	munmap(j, sizeof(*j));
}

static ino_t uts_namespace(void)
{
	struct stat st;

	return stat("/proc/thread-self/ns/uts", &st) ? 0 : st.st_ino;
}

static int refused_unshare(void *arg)
{
	const struct job *j = arg;
	ino_t uts = uts_namespace();
	int err;

	if (bc_write(j->dir, "tasks", "0"))
		return 101;
	if (j->user)
		bc_become(USER, USER);
	err = do_unshare(j->flag);
	if (!in_dir(0, j->dir))
		return 102;
	return uts_namespace() == uts ? -err : 103;
}

TEST_F(clone, refused_unshare)
{
	struct job j = { .dir = self->dir };
	long max;

	/* As a user. */
	j.user = true;
	j.flag = CLONE_NEWUTS;
	EXPECT_EQ(EPERM, bc_in_child(refused_unshare, &j));
	EXPECT_EQ(0, bc_children(self->dir, false));
	j.flag = CLONE_NEWNS;
	EXPECT_EQ(EPERM, bc_in_child(refused_unshare, &j));
	EXPECT_EQ(0, bc_children(self->dir, false));

	/* Flags that make no sense. */
	j.user = false;
	j.flag = CLONE_NEWUTS | CLONE_PTRACE;
	EXPECT_EQ(EINVAL, bc_in_child(refused_unshare, &j));
	EXPECT_EQ(0, bc_children(self->dir, false));

	/* No more namespaces. */
	max = bc_get("/proc/sys/user", "max_uts_namespaces");
	if (max > 0) {
		EXPECT_EQ(0, bc_write("/proc/sys/user", "max_uts_namespaces", "0"));
		j.flag = CLONE_NEWUTS;
		EXPECT_EQ(ENOSPC, bc_in_child(refused_unshare, &j));
		EXPECT_EQ(0, bc_write("/proc/sys/user", "max_uts_namespaces",
				      "%ld", max));
		EXPECT_EQ(0, bc_children(self->dir, false));
	}
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/held"));
}

static int refused_clone(void *arg)
{
	const struct job *j = arg;
	pid_t pid;

	if (bc_write(j->dir, "tasks", "0"))
		return 101;
	if (j->user)
		bc_become(USER, USER);
	pid = do_clone(j->flag);
	if (pid > 0)
		bc_reap(pid);
	return pid > 0 ? 0 : -pid;
}

TEST_F(clone, refused_clone)
{
	struct job j = { .dir = self->dir };
	pid_t taken = getpid();

	j.user = true;
	j.flag = CLONE_NEWUTS;
	EXPECT_EQ(EPERM, bc_in_child(refused_clone, &j));
	EXPECT_EQ(0, bc_children(self->dir, false));
	j.user = false;
	j.flag = CLONE_NEWNS | CLONE_FS;
	EXPECT_EQ(EINVAL, bc_in_child(refused_clone, &j));
	EXPECT_EQ(0, bc_children(self->dir, false));

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	EXPECT_EQ(-EEXIST, do_clone3(CLONE_NEWUTS, &taken));
	EXPECT_EQ(0, bc_children(self->dir, false));
	EXPECT_TRUE(in_dir(0, self->dir));

	/* No room for another task, but there is for this one in another group. */
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	EXPECT_EQ(-EAGAIN, do_clone(CLONE_NEWUTS));
	EXPECT_EQ(0, bc_children(self->dir, false));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/failcnt"));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/held"));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
	j.flag = CLONE_NEWUTS;
	EXPECT_EQ(0, bc_in_child(unshare_once, &j));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/failcnt"));
	EXPECT_EQ(1, bc_children(self->dir, true));
}

TEST_F(clone, depth)
{
	struct job j = { .flag = CLONE_NEWUTS };
	char path[PATH_MAX];
	pid_t pid;
	int i;

	/* self->dir is the first. */
	snprintf(path, sizeof(path), "%s", self->dir);
	for (i = 2; i <= DEPTH; i++) {
		ASSERT_EQ(0, bc_mkdir(path, "d"));
		strcat(path, "/d");
	}
	j.dir = path;
	EXPECT_EQ(ENOSPC, bc_in_child(refused_unshare, &j));
	EXPECT_EQ(ENOSPC, bc_in_child(refused_clone, &j));
	EXPECT_EQ(0, bc_children(path, false));
	EXPECT_EQ(0, bc_get(path, "numtasks/held"));
	/* Without, there is no such limit. */
	ASSERT_EQ(0, set_sysctl("0"));
	EXPECT_EQ(0, bc_in_child(unshare_off, &j));
	ASSERT_EQ(0, set_sysctl("1"));

	/* One above, all is well. */
	EXPECT_EQ(0, rmdir(path));
	*strrchr(path, '/') = '\0';
	EXPECT_EQ(0, bc_in_child(unshare_once, &j));
	EXPECT_EQ(1, bc_children(path, true));
	ASSERT_EQ(0, bc_write(path, "tasks", "0"));
	pid = do_clone(CLONE_NEWUTS);
	EXPECT_TRUE(in_node(pid, path, pid, ""));
	bc_reap(pid);
	EXPECT_EQ(0, remove_node(path, pid));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
	EXPECT_EQ(1, bc_children(self->dir, true));
}

#define CGROUP "/sys/fs/cgroup"

static int refused_by_cgroup(void *arg)
{
	const char *dir = arg;

	if (bc_write(CGROUP, "cgroup.subtree_control", "+pids") ||
	    bc_mkdir(CGROUP, "bc-selftest"))
		return 100;
	if (bc_write(CGROUP, "bc-selftest/pids.max", "1") ||
	    bc_write(CGROUP, "bc-selftest/cgroup.procs", "0"))
		return 101;
	if (bc_write(dir, "tasks", "0"))
		return 102;
	return -do_clone(CLONE_NEWUTS);
}

/* The pids controller of cgroups is asked when there is a group for the child already. */
TEST_F(clone, refused_by_cgroup)
{
	int err = bc_in_child(refused_by_cgroup, self->dir);

	bc_rmdir(CGROUP, "bc-selftest");
	if (err == 100)
		SKIP(return, "needs cgroup2 with pids in " CGROUP);
	EXPECT_EQ(EAGAIN, err);
	EXPECT_EQ(0, bc_children(self->dir, false));
	EXPECT_EQ(0, bc_settle(self->dir, "numtasks/held", 0));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/failcnt"));
}

/* A user can have a group made so, but it is not his. */
static int unprivileged(void *arg)
{
	const char *dir = arg;
	char node[PATH_MAX];
	pid_t pid;

	if (bc_write(dir, "tasks", "0"))
		return 1;
	bc_become(USER, USER);
	snprintf(node, sizeof(node), "%s/node_%d", dir, getpid());
	if (bc_user_namespace())
		return 99;
	if (!in_node(0, dir, getpid(), ""))
		return 2;
	if (bc_write(node, "numtasks/limit", "5") != -EACCES ||
	    bc_write(node, "notify_on_release", "1") != -EACCES)
		return 3;
	if (bc_mkdir(node, "x") != -EACCES)
		return 4;
	if (bc_write(dir, "tasks", "0") != -EACCES ||
	    bc_write(node, "tasks", "0") != -EACCES)
		return 5;
	if (bc_chown(node, "tasks", 0, 0) != -EPERM)
		return 6;
	/* As root there he can make other namespaces. */
	pid = do_clone(CLONE_NEWUTS);
	if (pid < 0 || !in_node(pid, node, pid, ""))
		return 7;
	bc_reap(pid);
	return remove_node(node, pid) == -EACCES ? 0 : 8;
}

TEST_F(clone, unprivileged)
{
	char node[PATH_MAX], inner[PATH_MAX];
	int ret = bc_in_child(unprivileged, self->dir);

	if (ret == 99) {
		bc_children(self->dir, true);
		SKIP(return, "no user namespaces for users");
	}
	EXPECT_EQ(0, ret);
	ASSERT_TRUE(find_node(self->dir, node));
	EXPECT_TRUE(is_new(node));
	ASSERT_TRUE(find_node(node, inner));
	EXPECT_TRUE(is_new(inner));
	EXPECT_EQ(0, bc_rmdir(inner, ""));
	EXPECT_EQ(0, bc_rmdir(node, ""));
}

static char stack[65536];

static int wait_in_thread(void *arg)
{
	/* It shares errno, and needs nothing of the C library. */
	for (;;)
		syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
	return 0;
}

static int clone_thread(void *arg)
{
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
		    CLONE_THREAD | CLONE_NEWUTS;
	const char *dir = arg;
	pid_t tid;

	if (bc_write(dir, "tasks", "0"))
		return 1;
	if (clone(wait_in_thread, stack + sizeof(stack), flags | CLONE_NEWPID,
		  NULL) != -1 || errno != EINVAL)
		return 2;
	if (bc_children(dir, false))
		return 3;
	tid = clone(wait_in_thread, stack + sizeof(stack), flags, NULL);
	if (tid < 0)
		return 4;
	return bc_count(dir, "threads", tid) == 1 &&
	       bc_count(dir, "threads", 0) == 2 &&
	       !bc_children(dir, false) ? 0 : 5;
}

/* A thread stays with its process, whatever it is created with. */
TEST_F(clone, clone_thread)
{
	EXPECT_EQ(0, bc_in_child(clone_thread, self->dir));
	EXPECT_EQ(0, bc_children(self->dir, false));
}

static void *unshare_in_thread(void *arg)
{
	struct job *j = arg;
	pid_t tid = syscall(SYS_gettid);
	char node[32];

	j->flag = 10;
	snprintf(node, sizeof(node), "node_%d/threads", tid);
	if (!do_unshare(CLONE_NEWUTS) && in_node(0, j->dir, tid, "") &&
	    bc_count(j->dir, node, tid) == 1 && bc_count(j->dir, node, 0) == 1)
		j->flag = 0;
	return NULL;
}

static int unshare_thread(void *arg)
{
	struct job j = { .dir = arg };
	pthread_t thread;

	if (bc_write(j.dir, "tasks", "0"))
		return 1;
	if (pthread_create(&thread, NULL, unshare_in_thread, &j) ||
	    pthread_join(thread, NULL))
		return 2;
	return in_dir(getpid(), j.dir) ? j.flag : 3;
}

/* But unshare(2) is about the calling thread. */
TEST_F(clone, unshare_thread)
{
	EXPECT_EQ(0, bc_in_child(unshare_thread, self->dir));
	EXPECT_EQ(1, bc_children(self->dir, true));
}

static int in_own_node(void *arg)
{
	return in_node(0, arg, getpid(), "") ? 0 : 1;
}

TEST_F(clone, vfork)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	pid = clone(in_own_node, stack + sizeof(stack),
		    CLONE_VM | CLONE_VFORK | CLONE_NEWUTS | SIGCHLD, self->dir);
	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(in_dir(0, self->dir));
	EXPECT_EQ(0, remove_node(self->dir, pid));
}

TEST_F(clone, notify_on_release)
{
	char file[64];
	pid_t pid;
	int i;

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	for (i = 0; i <= 1; i++) {
		ASSERT_EQ(0, bc_write(self->dir, "notify_on_release", "%d", i));
		pid = do_clone(CLONE_NEWUTS);
		ASSERT_LT(0, pid);
		snprintf(file, sizeof(file), "node_%d/notify_on_release", pid);
		EXPECT_EQ(i, bc_get(self->dir, file));
		/* Before there can be an agent for it. */
		EXPECT_EQ(0, bc_write(self->dir, file, "0"));
		bc_reap(pid);
		EXPECT_EQ(0, remove_node(self->dir, pid));
		ASSERT_EQ(0, bc_write(self->dir, "notify_on_release", "0"));
	}
}

static void on_alarm(int sig)
{
}

/* A clone that is interrupted and starts anew has made one group only. */
TEST_F(clone, signals)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	unsigned int seed = 1;
	int i;

	ASSERT_EQ(0, sigaction(SIGALRM, &sa, NULL));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	for (i = 0; i < 40; i++) {
		struct itimerval once = {
			.it_value.tv_usec = 1 + rand_r(&seed) % 3000,
		};
		pid_t pid;

		setitimer(ITIMER_REAL, &once, NULL);
		pid = do_clone(CLONE_NEWUTS);
		ASSERT_LT(0, pid);
		EXPECT_TRUE(in_node(pid, self->dir, pid, ""));
		EXPECT_EQ(1, bc_children(self->dir, false));
		bc_reap(pid);
		ASSERT_EQ(0, remove_node(self->dir, pid));
	}
	usleep(5000);
}

static void clone_and_wait(const char *dir)
{
	pid_t pid;

	/* Before, its groups would be in the root. */
	if (bc_write(dir, "tasks", "0"))
		return;
	pid = syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	remove_node(dir, pid);
}

/* Killed in the middle: what remains is a group in which there was a task. */
TEST_F(clone, killed)
{
	unsigned int seed = 1;
	char node[PATH_MAX];
	int i, left = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (i = 0; i < 50; i++) {
		pid_t pid = bc_background(clone_and_wait, self->dir);

		ASSERT_LT(0, pid);
		usleep(5000 + rand_r(&seed) % 20000);
		bc_reap(pid);
		while (waitpid(-1, NULL, 0) > 0)
			;
		EXPECT_EQ(0, bc_get(self->dir, "numtasks/held"));
		EXPECT_GE(1, bc_children(self->dir, false));
		if (!find_node(self->dir, node))
			continue;
		left++;
		EXPECT_EQ(1, bc_get(node, "releasable"));
		ASSERT_EQ(0, bc_rmdir(node, ""));
	}
	TH_LOG("%d left", left);
}

static int fail_unshare(const char *dir)
{
	return do_unshare(CLONE_NEWUTS);
}

static void undo_unshare(const char *dir)
{
	bc_write(dir, "tasks", "0");
	remove_node(dir, getpid());
}

static pid_t cloned;

static int fail_clone(const char *dir)
{
	cloned = syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);
	if (cloned == 0)
		_exit(0);
	return cloned < 0 ? -errno : 0;
}

static void undo_clone(const char *dir)
{
	waitpid(cloned, NULL, 0);
	remove_node(dir, cloned);
}

static bool undone(const char *dir)
{
	return in_dir(0, dir) && !bc_children(dir, false) &&
	       bc_get(dir, "numtasks/held") == 1;
}

TEST_F_TIMEOUT(clone, memory, 1200)
{
	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	bc_fail_gap = 9;
	bc_fail_each(_metadata, fail_unshare, undo_unshare, undone, self->dir,
		     "unshare");
	bc_fail_each(_metadata, fail_clone, undo_clone, undone, self->dir, "clone");
	EXPECT_TRUE(undone(self->dir));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/failcnt"));
}

/* Go in, make groups below, and leave them. */
static void unshare_in_g(const char *dir)
{
	int status, err, i;
	pid_t pid = fork();

	if (pid == 0) {
		err = bc_write(dir, "g/tasks", "0");
		if (err)
			_exit(err == -ENOENT ? 0 : 1);
		for (i = 0; i < 3; i++) {
			if (do_unshare(CLONE_NEWUTS))
				_exit(2);
		}
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		_exit(1);
}

/*
 * Remove what can be removed, but not for ever: there may be more behind it as fast as we
 * go. The number of unexpected errors.
 */
static int prune(const char *dir, double end)
{
	DIR *d = opendir(dir);
	char path[PATH_MAX];
	struct dirent *de;
	int wrong = 0;

	while (d && bc_now() < end && (de = readdir(d))) {
		bc_path(path, dir, de->d_name);
		if (de->d_name[0] != '.' && bc_is_group(path))
			wrong += prune(path, end);
	}
	if (d)
		closedir(d);
	if (rmdir(dir) && errno != EBUSY && errno != ENOTEMPTY && errno != ENOENT)
		wrong++;
	return wrong;
}

/* Who is in a group can make one below, whoever wants to remove it. */
TEST_F(clone, rmdir)
{
	double end = bc_end_time(2);
	int i, made = 0, wrong = 0, status;
	char g[PATH_MAX];
	pid_t pid[2];

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	bc_path(g, self->dir, "g");
	for (i = 0; i < 2; i++) {
		pid[i] = bc_background(unshare_in_g, self->dir);
		ASSERT_LT(0, pid[i]);
	}
	while (bc_now() < end) {
		int err = bc_mkdir(self->dir, "g");

		ASSERT_TRUE(err == 0 || err == -EEXIST);
		made += !err;
		wrong += prune(g, end);
	}
	TH_LOG("%d times made", made);
	EXPECT_EQ(0, wrong);
	for (i = 0; i < 2; i++) {
		/* It has not ended: there was no error. */
		EXPECT_EQ(0, waitpid(pid[i], &status, WNOHANG));
		bc_reap(pid[i]);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	EXPECT_EQ(0, prune(g, bc_now() + 60));
	EXPECT_EQ(0, bc_children(self->dir, false));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/held"));
}

TEST_HARNESS_MAIN
