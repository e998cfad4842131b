// SPDX-License-Identifier: GPL-2.0
/*
 * A subtree that was given to a user: what he can do there, and what he cannot do
 * from there.
 */
#include "bc_util.h"

/* The group differs from the user, or nobody would see them exchanged. */
#define USER 12345
#define GROUP 23456
#define OTHER 12346

/* g/ is the user's, h/ the other's. */
FIXTURE(delegation) {
	char dir[64];
	char g[80];
	char h[80];
	char extra[96];
};

struct as_user {
	const char *dir;
	const char *g;
	const char *h;
	const char *extra;
	pid_t pid;
	pid_t foreign;
};

static int give(const char *dir, uid_t uid, gid_t gid)
{
	return bc_chown(dir, "", uid, gid) ?:
	       bc_chown(dir, "tasks", uid, gid) ?:
	       bc_chown(dir, "threads", uid, gid);
}

FIXTURE_SETUP(delegation)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	snprintf(self->g, sizeof(self->g), "%s/g", self->dir);
	snprintf(self->h, sizeof(self->h), "%s/h", self->dir);
	ASSERT_EQ(0, mkdir(self->g, 0755));
	ASSERT_EQ(0, mkdir(self->h, 0755));
	ASSERT_EQ(0, give(self->g, USER, GROUP));
	ASSERT_EQ(0, give(self->h, OTHER, OTHER));
}

FIXTURE_TEARDOWN(delegation)
{
	if (!self->dir[0])
		return;
	if (self->extra[0])
		EXPECT_EQ(0, bc_remove_hierarchy(self->extra));
	bc_write(BC_ROOT, "tasks", "0");
	bc_children(self->dir, true);
	bc_expect_clean(_metadata, self->dir);
}

static struct as_user as_user(struct _test_data_delegation *self)
{
	struct as_user a = {
		.dir = self->dir, .g = self->g, .h = self->h, .extra = self->extra,
	};

	return a;
}

/* A process of somebody's, which is in @dir when this returns. */
static pid_t spawn_as(const char *dir, uid_t ruid, uid_t euid, uid_t suid)
{
	int fd[2];
	pid_t pid;
	char c;

	if (pipe(fd))
		return -errno;
	pid = fork();
	if (pid == 0) {
		if (bc_write(dir, "tasks", "0") || setresuid(ruid, euid, suid))
			_exit(1);
		bc_die_with_parent();
		if (write(fd[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fd[1]);
	if (read(fd[0], &c, 1) != 1) {
		bc_reap(pid);
		pid = -EIO;
	}
	close(fd[0]);
	return pid;
}

/* How many directories and files, from @dir on, are not @uid's and @gid's. */
static int not_of(const char *dir, uid_t uid, gid_t gid, int *all)
{
	char path[PATH_MAX];
	struct dirent *de;
	struct stat st;
	int n = 0;
	DIR *d;

	if (lstat(dir, &st))
		return INT_MAX / 2;
	(*all)++;
	n += st.st_uid != uid || st.st_gid != gid;
	if (!S_ISDIR(st.st_mode))
		return n;
	d = opendir(dir);
	while (d && (de = readdir(d))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		bc_path(path, dir, de->d_name);
		n += not_of(path, uid, gid, all);
	}
	if (d)
		closedir(d);
	return n;
}

static int make_two(void *arg)
{
	const struct as_user *a = arg;

	bc_become(USER, GROUP);
	umask(077);
	return bc_mkdir(a->g, "a") || bc_mkdir(a->g, "a/b") ? 1 : 0;
}

/* The user's, whoever he is now, and not what they are in. */
TEST_F(delegation, owner)
{
	struct as_user a = as_user(self);
	char path[PATH_MAX];
	struct stat st;
	int all = 0;

	EXPECT_EQ(0, bc_in_child(make_two, &a));
	bc_path(path, self->g, "a");
	EXPECT_EQ(0, not_of(path, USER, GROUP, &all));
	/* Two groups with at least six files, and numtasks/ with six. */
	EXPECT_LE(2 * 14, all);
	bc_path(path, self->g, "numtasks/limit");
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0, (int)st.st_uid);
	EXPECT_EQ(0, (int)st.st_gid);
	bc_path(path, self->g, "numtasks");
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0, (int)st.st_uid);

	/* Root's is root's, there too. */
	ASSERT_EQ(0, bc_mkdir(self->g, "r"));
	bc_path(path, self->g, "r");
	EXPECT_EQ(0, not_of(path, 0, 0, &all));
	/* And it is the ids for file systems that count. */
	ASSERT_EQ(0, setegid(GROUP));
	ASSERT_EQ(0, seteuid(USER));
	EXPECT_EQ(0, bc_mkdir(self->g, "e"));
	ASSERT_EQ(0, seteuid(0));
	ASSERT_EQ(0, setegid(0));
	bc_path(path, self->g, "e");
	EXPECT_EQ(0, not_of(path, USER, GROUP, &all));
}

/* Writes @text to the file @name of each controller's directory in @dir. */
static int each_controller(const char *dir, const char *name, const char *text,
			   int want)
{
	char file[NAME_MAX + 64];
	struct dirent *de;
	DIR *d = opendir(dir);
	int n = 0;

	while (d && n >= 0 && (de = readdir(d))) {
		if (strncmp(de->d_name, "num", 3))
			continue;
		snprintf(file, sizeof(file), "%s/%s", de->d_name, name);
		n = bc_write(dir, file, "%s", text) == want ? n + 1 : INT_MIN / 2;
	}
	if (d)
		closedir(d);
	return n;
}

static int can(void *arg)
{
	const struct as_user *a = arg;
	char path[PATH_MAX];
	int i;

	bc_become(USER, GROUP);
	if (bc_mkdir(a->g, "a") || bc_mkdir(a->g, "a/b") || bc_mkdir(a->g, "c"))
		return 1;
	bc_path(path, a->g, "a");
	if (each_controller(path, "limit", "50", 0) <= 0 ||
	    each_controller(path, "barrier", "40", 0) <= 0 ||
	    each_controller(path, "maxheld", "0", 0) <= 0)
		return 2;
	if (bc_get(path, "numtasks/limit") != 50 ||
	    bc_get(path, "numtasks/barrier") != 40)
		return 3;
	if (bc_write(path, "notify_on_release", "1") ||
	    bc_write(path, "notify_on_release", "0"))
		return 4;
	/* To and fro, as a process and as a thread. */
	for (i = 0; i < 2; i++) {
		const char *file = i ? "threads" : "tasks";

		if (bc_write(path, file, "%d", a->pid))
			return 5;
		bc_path(path, a->g, "a/b");
		if (bc_write(path, file, "%d", a->pid) ||
		    bc_count(path, file, a->pid) != 1)
			return 6;
		bc_path(path, a->g, "c");
		if (bc_write(path, file, "%d", a->pid))
			return 7;
		if (bc_rmdir(a->g, "c") != -EBUSY)
			return 8;
		if (bc_write(a->g, file, "%d", a->pid))
			return 9;
		bc_path(path, a->g, "a");
	}
	if (bc_rmdir(a->g, "a") != -ENOTEMPTY || bc_rmdir(a->g, "a/b") ||
	    bc_rmdir(a->g, "a") || bc_rmdir(a->g, "c"))
		return 10;
	return 0;
}

TEST_F(delegation, can)
{
	struct as_user a = as_user(self);

	a.pid = spawn_as(self->g, USER, USER, USER);
	ASSERT_LT(0, a.pid);
	EXPECT_EQ(0, bc_in_child(can, &a));
	bc_reap(a.pid);
	EXPECT_EQ(0, bc_children(self->g, false));
}

/* What the giver has kept. As whoever calls it. */
static int kept(const struct as_user *a)
{
	char path[PATH_MAX];

	if (each_controller(a->g, "limit", "max", -EACCES) <= 0 ||
	    each_controller(a->g, "limit", "1", -EACCES) <= 0 ||
	    each_controller(a->g, "barrier", "1", -EACCES) <= 0 ||
	    each_controller(a->g, "maxheld", "0", -EACCES) <= 0)
		return 1;
	if (bc_write(a->g, "notify_on_release", "1") != -EACCES)
		return 2;
	if (bc_chown(a->g, "numtasks/limit", geteuid(), getegid()) != -EPERM ||
	    bc_chown(a->g, "numtasks", geteuid(), getegid()) != -EPERM)
		return 3;
	bc_path(path, a->g, "numtasks/limit");
	if (!chmod(path, 0666) || errno != EPERM)
		return 4;
	bc_path(path, a->g, "numtasks");
	if (!chmod(path, 0777) || errno != EPERM)
		return 5;
	/* The group itself is the giver's to remove. */
	if (bc_rmdir(a->dir, "g") != -EACCES || bc_mkdir(a->dir, "x") != -EACCES)
		return 6;
	/* Not to be given away either. */
	if (bc_chown(a->g, "tasks", OTHER, -1) == 0)
		return 7;
	return 0;
}

static int cannot(void *arg)
{
	bc_become(USER, GROUP);
	return kept(arg);
}

TEST_F(delegation, kept)
{
	struct as_user a = as_user(self);

	EXPECT_EQ(0, bc_in_child(cannot, &a));
	EXPECT_EQ(LONG_MAX, bc_get(self->g, "numtasks/limit"));
}

/* Not in, not out. @a->pid is his and in g/, @a->foreign is root's and there too. */
static int borders(const struct as_user *a)
{
	static const char * const files[] = { "tasks", "threads" };
	char to[PATH_MAX];
	pid_t own;
	size_t i;
	int ret = 0;

	own = bc_spawn();
	bc_path(to, a->g, "a");
	if (own < 0 || bc_mkdir(a->g, "a"))
		return 10;
	for (i = 0; i < ARRAY_SIZE(files) && !ret; i++) {
		if (bc_write(to, files[i], "%d", own) != -EACCES ||
		    bc_write(a->g, files[i], "%d", own) != -EACCES ||
		    bc_write(to, files[i], "0") != -EACCES)
			ret = 11;
		else if (bc_write(a->dir, files[i], "%d", a->pid) != -EACCES ||
			 bc_write(BC_ROOT, files[i], "%d", a->pid) != -EACCES ||
			 bc_write(a->h, files[i], "%d", a->pid) != -EACCES)
			ret = 12;
		else if (bc_write(to, files[i], "%d", a->foreign) != -EACCES)
			ret = 13;
		/* His own, there, he can. */
		else if (bc_write(to, files[i], "%d", a->pid) ||
			 bc_write(a->g, files[i], "%d", a->pid))
			ret = 14;
	}
	bc_reap(own);
	return bc_rmdir(a->g, "a") ? 15 : ret;
}

static int not_over_borders(void *arg)
{
	bc_become(USER, GROUP);
	return borders(arg);
}

TEST_F(delegation, borders)
{
	struct as_user a = as_user(self);

	a.pid = spawn_as(self->g, USER, USER, USER);
	a.foreign = spawn_as(self->g, 0, 0, 0);
	ASSERT_LT(0, a.pid);
	ASSERT_LT(0, a.foreign);
	EXPECT_EQ(0, bc_in_child(not_over_borders, &a));
	EXPECT_EQ(1, bc_count(self->g, "tasks", a.pid));
	EXPECT_EQ(1, bc_count(self->g, "tasks", a.foreign));
	bc_reap(a.pid);
	bc_reap(a.foreign);
}

static int as_root_of_users(void *arg)
{
	const struct as_user *a = arg;
	int ret;

	bc_become(USER, GROUP);
	if (bc_user_namespace())
		return 99;
	ret = kept(a) ?: borders(a);
	return ret ?: -bc_mkdir(a->g, "u");
}

/* Root in a user namespace is the user that he was. */
TEST_F(delegation, user_namespace)
{
	struct as_user a = as_user(self);
	char path[PATH_MAX];
	int ret, all = 0;

	a.pid = spawn_as(self->g, USER, USER, USER);
	a.foreign = spawn_as(self->g, OTHER, OTHER, OTHER);
	ASSERT_LT(0, a.pid);
	ASSERT_LT(0, a.foreign);
	ret = bc_in_child(as_root_of_users, &a);
	bc_reap(a.pid);
	bc_reap(a.foreign);
	if (ret == 99)
		SKIP(return, "no user namespaces for users");
	EXPECT_EQ(0, ret);
	bc_path(path, self->g, "u");
	EXPECT_EQ(0, not_of(path, USER, GROUP, &all));
}

/* Nothing of one hierarchy gives a right in another. */
static int other_hierarchy(void *arg)
{
	const struct as_user *a = arg;
	char x[PATH_MAX];

	bc_become(USER, GROUP);
	bc_path(x, a->extra, "x");
	if (bc_write(a->extra, "tasks", "%d", a->pid) != -EACCES ||
	    bc_write(a->extra, "threads", "%d", a->pid) != -EACCES)
		return 1;
	/* In the default hierarchy it is in g/, in this one in the root. */
	if (bc_write(x, "tasks", "%d", a->pid) != -EACCES ||
	    bc_write(x, "threads", "%d", a->pid) != -EACCES)
		return 2;
	if (bc_write(a->extra, "controllers", "numtasks") != -EACCES ||
	    bc_mkdir(a->extra, "y") != -EACCES)
		return 3;
	return bc_mkdir(x, "y") || bc_rmdir(x, "y") ? 4 : 0;
}

TEST_F(delegation, hierarchy)
{
	struct as_user a = as_user(self);
	char x[PATH_MAX];

	bc_hierarchy(x, sizeof(x), 'd');
	ASSERT_EQ(0, mkdir(x, 0755));
	bc_hierarchy(self->extra, sizeof(self->extra), 'd');
	bc_path(x, self->extra, "x");
	ASSERT_EQ(0, mkdir(x, 0755));
	ASSERT_EQ(0, give(x, USER, GROUP));
	a.pid = spawn_as(self->g, USER, USER, USER);
	ASSERT_LT(0, a.pid);
	EXPECT_EQ(0, bc_in_child(other_hierarchy, &a));
	EXPECT_EQ(0, bc_count(x, "tasks", 0));
	bc_reap(a.pid);
}

static int write_fd(int fd, pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", pid);
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int open_as(uid_t uid, const char *dir, const char *file)
{
	char path[PATH_MAX];
	int fd;

	bc_path(path, dir, file);
	if (seteuid(uid))
		return -errno;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (seteuid(0))
		_exit(1);
	return fd;
}

struct by_fd {
	int fd;
	pid_t pid;
};

static int user_writes(void *arg)
{
	const struct by_fd *b = arg;

	bc_become(USER, GROUP);
	return -write_fd(b->fd, b->pid);
}

/*
 * A descriptor is a right that the opener has, and can give. Writing "0" means
 * the writer, with the opener's rights.
 */
TEST_F(delegation, descriptors)
{
	struct by_fd b;
	pid_t own, foreign;
	int fd;

	own = spawn_as(self->g, USER, USER, USER);
	foreign = spawn_as(self->g, OTHER, OTHER, OTHER);
	ASSERT_LT(0, own);
	ASSERT_LT(0, foreign);

	/* The user's, written by root. */
	ASSERT_EQ(0, seteuid(USER));
	ASSERT_EQ(0, bc_mkdir(self->g, "a"));
	ASSERT_EQ(0, seteuid(0));
	fd = open_as(USER, self->g, "a/threads");
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, write_fd(fd, foreign));
	EXPECT_EQ(-EACCES, write_fd(fd, 0));
	EXPECT_EQ(-EACCES, write_fd(fd, 1));
	EXPECT_EQ(0, bc_count(self->g, "a/threads", 0));
	EXPECT_EQ(0, write_fd(fd, own));
	EXPECT_EQ(1, bc_count(self->g, "a/threads", own));
	close(fd);

	/* Root's, written by the user: out, and what is not his. */
	b.fd = open_as(0, self->dir, "tasks");
	ASSERT_LE(0, b.fd);
	b.pid = own;
	EXPECT_EQ(0, bc_in_child(user_writes, &b));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", own));
	b.pid = foreign;
	EXPECT_EQ(0, bc_in_child(user_writes, &b));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", foreign));
	close(b.fd);
	bc_reap(own);
	bc_reap(foreign);
}

/* What was opened in a group that is gone is not the next one's. */
static int kept_open(void *arg)
{
	const struct as_user *a = arg;
	static const char * const files[] = {
		"a/tasks", "a/threads", "a/numtasks/limit", "a/notify_on_release",
	};
	int fd[ARRAY_SIZE(files)];
	char path[PATH_MAX];
	size_t i;

	bc_become(USER, GROUP);
	if (bc_mkdir(a->g, "a"))
		return 1;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		bc_path(path, a->g, files[i]);
		fd[i] = open(path, O_WRONLY | O_CLOEXEC);
		if (fd[i] < 0)
			return 2;
	}
	if (bc_rmdir(a->g, "a") || write_fd(fd[0], a->pid) != -ENOENT)
		return 3;
	if (bc_mkdir(a->g, "a"))
		return 4;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		if (write_fd(fd[i], i < 2 ? a->pid : 1) != -ENOENT)
			return 5;
	}
	if (bc_get(a->g, "a/numtasks/limit") != LONG_MAX ||
	    bc_get(a->g, "a/notify_on_release") ||
	    bc_count(a->g, "a/tasks", 0))
		return 6;
	return bc_rmdir(a->g, "a") ? 7 : 0;
}

TEST_F(delegation, removed)
{
	struct as_user a = as_user(self);

	a.pid = spawn_as(self->g, USER, USER, USER);
	ASSERT_LT(0, a.pid);
	EXPECT_EQ(0, bc_in_child(kept_open, &a));
	EXPECT_EQ(1, bc_count(self->g, "tasks", a.pid));
	bc_reap(a.pid);
}

static int no_links(void *arg)
{
	const struct as_user *a = arg;
	char from[PATH_MAX], to[PATH_MAX];

	bc_become(USER, GROUP);
	if (bc_mkdir(a->g, "a"))
		return 1;
	bc_path(from, a->g, "a");
	bc_path(to, a->g, "b");
	if (!symlink(from, to) || errno != EPERM)
		return 2;
	if (!symlink(a->h, to) || errno != EPERM)
		return 3;
	if (!rename(from, to) || errno != EPERM)
		return 4;
	bc_path(to, a->g, "a/b");
	if (!symlink(a->dir, to) || errno != EPERM)
		return 5;
	bc_path(from, a->g, "tasks");
	if (!link(from, to) || errno != EPERM)
		return 6;
	if (!rename(from, to) || errno != EPERM)
		return 7;
	if (!unlink(from) || errno != EPERM)
		return 8;
	if (!mkfifo(to, 0600) || errno != EPERM)
		return 9;
	if (open(to, O_CREAT | O_WRONLY, 0600) >= 0 || errno != EACCES)
		return 10;
	return bc_rmdir(a->g, "a") ? 11 : 0;
}

TEST_F(delegation, no_links)
{
	struct as_user a = as_user(self);

	EXPECT_EQ(0, bc_in_child(no_links, &a));
	EXPECT_EQ(0, bc_children(self->g, false));
}

/* As with any file, permission for it is looked at when it is opened. */
TEST_F(delegation, taken_back)
{
	int limit, tasks, up;
	char a[PATH_MAX];
	pid_t pid;

	pid = spawn_as(self->g, USER, USER, USER);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_mkdir(self->g, "a"));
	bc_path(a, self->g, "a");
	ASSERT_EQ(0, give(a, USER, GROUP));
	ASSERT_EQ(0, bc_chown(self->g, "numtasks/limit", USER, GROUP));
	limit = open_as(USER, self->g, "numtasks/limit");
	tasks = open_as(USER, a, "tasks");
	up = open_as(USER, self->g, "tasks");
	ASSERT_LE(0, limit);
	ASSERT_LE(0, tasks);
	ASSERT_LE(0, up);
	EXPECT_EQ(0, write_fd(limit, 20));

	/* What is open goes on working, and cannot be opened again. */
	ASSERT_EQ(0, bc_chown(self->g, "numtasks/limit", 0, 0));
	ASSERT_EQ(0, give(a, 0, 0));
	EXPECT_EQ(0, write_fd(limit, 30));
	EXPECT_EQ(30, bc_get(self->g, "numtasks/limit"));
	EXPECT_EQ(0, write_fd(tasks, pid));
	EXPECT_EQ(1, bc_count(a, "tasks", pid));
	EXPECT_EQ(-1, open_as(USER, self->g, "numtasks/limit"));
	EXPECT_EQ(-1, open_as(USER, a, "tasks"));
	EXPECT_EQ(0, write_fd(up, pid));

	/* The ancestor's file is not open: it is looked at when something moves. */
	ASSERT_EQ(0, give(self->g, 0, 0));
	EXPECT_EQ(-EACCES, write_fd(tasks, pid));
	EXPECT_EQ(1, bc_count(self->g, "tasks", pid));
	close(limit);
	close(tasks);
	close(up);
	bc_reap(pid);
}

static void give_and_take(const char *g)
{
	give(g, 0, 0);
	give(g, USER, GROUP);
}

static bool refused(int err)
{
	return err == -EACCES || err == -EPERM;
}

static int while_given(void *arg)
{
	const struct as_user *a = arg;
	double end = bc_end_time(2);
	int done = 0, i, err;

	bc_become(USER, GROUP);
	for (i = 0; bc_goes_on(end, done); i++) {
		err = bc_write(a->g, i & 1 ? "a/tasks" : "b/tasks", "%d", a->pid);
		if (err && !refused(err))
			return 1;
		done += !err;
		err = bc_write(a->g, i & 2 ? "threads" : "tasks", "%d", a->pid);
		if (err && !refused(err))
			return 2;
		/* It is there if it could not be removed, and not if not made. */
		err = bc_mkdir(a->g, "x");
		if (err && !refused(err) && err != -EEXIST)
			return 3;
		err = bc_rmdir(a->g, "x");
		if (err && !refused(err) && err != -ENOENT)
			return 4;
	}
	return done ? 0 : 5;
}

/* Yes or no, and nothing in between. */
TEST_F(delegation, chown_race)
{
	struct as_user a = as_user(self);
	pid_t chowner;
	char path[PATH_MAX];

	ASSERT_EQ(0, seteuid(USER));
	ASSERT_EQ(0, bc_mkdir(self->g, "a"));
	ASSERT_EQ(0, bc_mkdir(self->g, "b"));
	ASSERT_EQ(0, seteuid(0));
	a.pid = spawn_as(self->g, USER, USER, USER);
	ASSERT_LT(0, a.pid);
	chowner = bc_background(give_and_take, self->g);
	EXPECT_EQ(0, bc_in_child(while_given, &a));
	bc_reap(chowner);
	/* It is still in there, and once. */
	EXPECT_EQ(1, bc_get(self->g, "numtasks/held"));
	EXPECT_EQ(1, bc_count(self->g, "tasks", 0) +
		     bc_count(self->g, "a/tasks", 0) +
		     bc_count(self->g, "b/tasks", 0));
	bc_reap(a.pid);
	bc_path(path, self->g, "x");
	if (!access(path, F_OK))
		EXPECT_EQ(0, rmdir(path));
}

static int move_other(void *arg)
{
	const struct as_user *a = arg;

	bc_become(USER, GROUP);
	return -bc_write(a->g, "a/tasks", "%d", a->pid);
}

static int move_with_euid(void *arg)
{
	const struct as_user *a = arg;

	if (setresuid(USER, OTHER, USER))
		return 1;
	return -bc_write(a->g, "a/tasks", "%d", a->pid);
}

/* It is the real and saved uid of what is moved that count, and not its rights. */
TEST_F(delegation, set_user_id)
{
	static const struct {
		uid_t ruid, euid, suid;
		int err;
	} ids[] = {
		{ USER, OTHER, OTHER, 0 },
		{ USER, 0, 0, 0 },
		{ OTHER, OTHER, USER, 0 },
		{ OTHER, USER, OTHER, EACCES },
		{ 0, USER, 0, EACCES },
		{ OTHER, OTHER, OTHER, EACCES },
	};
	struct as_user a = as_user(self);
	char path[PATH_MAX];
	size_t i;

	ASSERT_EQ(0, bc_mkdir(self->g, "a"));
	bc_path(path, self->g, "a");
	ASSERT_EQ(0, give(path, USER, GROUP));
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		a.pid = spawn_as(self->g, ids[i].ruid, ids[i].euid, ids[i].suid);
		ASSERT_LT(0, a.pid);
		EXPECT_EQ(ids[i].err, bc_in_child(move_other, &a)) {
			TH_LOG("%d, %d, %d", ids[i].ruid, ids[i].euid, ids[i].suid);
		}
		bc_reap(a.pid);
	}

	/* Of who moves it is the effective one, even where all may write. */
	bc_path(path, self->g, "tasks");
	ASSERT_EQ(0, chmod(path, 0666));
	bc_path(path, self->g, "a/tasks");
	ASSERT_EQ(0, chmod(path, 0666));
	a.pid = spawn_as(self->g, USER, USER, USER);
	ASSERT_LT(0, a.pid);
	EXPECT_EQ(EACCES, bc_in_child(move_with_euid, &a));
	bc_reap(a.pid);
	a.pid = spawn_as(self->g, OTHER, OTHER, OTHER);
	ASSERT_LT(0, a.pid);
	EXPECT_EQ(0, bc_in_child(move_with_euid, &a));
	bc_reap(a.pid);
}

static int fork_in_a(void *arg)
{
	const struct as_user *a = arg;
	pid_t pid[2];

	if (bc_write(a->g, "tasks", "0"))
		return 1;
	bc_become(USER, GROUP);
	if (bc_mkdir(a->g, "a") || bc_write(a->g, "a/numtasks/limit", "100") ||
	    bc_write(a->g, "a/tasks", "0"))
		return 2;
	pid[0] = bc_spawn();
	pid[1] = bc_spawn();
	bc_reap(pid[0]);
	bc_reap(pid[1]);
	if (pid[0] <= 0 || pid[1] != -EAGAIN)
		return 3;
	/* No limit at all is no help either. */
	if (bc_write(a->g, "a/numtasks/limit", "max"))
		return 4;
	pid[0] = bc_spawn();
	pid[1] = bc_spawn();
	bc_reap(pid[0]);
	bc_reap(pid[1]);
	return pid[0] > 0 && pid[1] == -EAGAIN ? 0 : 5;
}

TEST_F(delegation, limit)
{
	struct as_user a = as_user(self);

	ASSERT_EQ(0, bc_write(self->g, "numtasks/limit", "2"));
	EXPECT_EQ(0, bc_in_child(fork_in_a, &a));
	EXPECT_EQ(2, bc_get(self->g, "numtasks/failcnt"));
	EXPECT_EQ(0, bc_get(self->g, "a/numtasks/failcnt"));
	EXPECT_EQ(2, bc_get(self->g, "numtasks/maxheld"));
	EXPECT_EQ(0, bc_get(self->g, "numtasks/held"));
}

static int other_makes(void *arg)
{
	const struct as_user *a = arg;

	bc_become(OTHER, OTHER);
	return -bc_mkdir(a->h, "x");
}

static int neighbour(void *arg)
{
	const struct as_user *a = arg;
	char x[PATH_MAX];

	bc_become(USER, GROUP);
	bc_path(x, a->h, "x");
	if (bc_mkdir(a->h, "y") != -EACCES || bc_mkdir(x, "y") != -EACCES ||
	    bc_rmdir(a->h, "x") != -EACCES)
		return 1;
	if (bc_write(a->h, "tasks", "%d", a->pid) != -EACCES ||
	    bc_write(a->h, "threads", "%d", a->pid) != -EACCES ||
	    bc_write(x, "tasks", "%d", a->pid) != -EACCES ||
	    bc_write(x, "threads", "%d", a->pid) != -EACCES)
		return 2;
	if (bc_write(x, "numtasks/limit", "0") != -EACCES ||
	    bc_write(x, "notify_on_release", "1") != -EACCES)
		return 3;
	if (bc_write(a->g, "tasks", "%d", a->foreign) != -EACCES ||
	    bc_write(a->g, "threads", "%d", a->foreign) != -EACCES)
		return 4;
	if (bc_chown(x, "tasks", USER, GROUP) != -EPERM)
		return 5;
	return 0;
}

TEST_F(delegation, neighbours)
{
	struct as_user a = as_user(self);

	EXPECT_EQ(0, bc_in_child(other_makes, &a));
	a.pid = spawn_as(self->g, USER, USER, USER);
	a.foreign = spawn_as(self->h, OTHER, OTHER, OTHER);
	ASSERT_LT(0, a.pid);
	ASSERT_LT(0, a.foreign);
	EXPECT_EQ(0, bc_in_child(neighbour, &a));
	/* His own process, which is in the other's subtree. */
	bc_reap(a.foreign);
	a.foreign = spawn_as(self->h, USER, USER, USER);
	ASSERT_LT(0, a.foreign);
	EXPECT_EQ(0, bc_in_child(neighbour, &a));
	bc_reap(a.foreign);
	bc_reap(a.pid);
	EXPECT_EQ(1, bc_children(self->h, false));
}

static int bind_as_user(void *arg)
{
	const char *h = arg;
	char path[PATH_MAX];
	int fd;

	bc_path(path, h, "controllers");
	fd = open(path, O_WRONLY);	/* as root */
	bc_become(USER, GROUP);
	if (bc_write(h, "controllers", "\n") != -EPERM)
		return 1;
	if (!bc_user_namespace() && bc_write(h, "controllers", "\n") != -EPERM)
		return 2;
	return write(fd, "\n", 1) == 1 ? 0 : 3;
}

/* A hierarchy can be given away, but not the controllers. */
TEST_F(delegation, controllers)
{
	char h[PATH_MAX];

	bc_hierarchy(h, sizeof(h), 'd');
	ASSERT_EQ(0, mkdir(h, 0755));
	EXPECT_EQ(0, chown(h, USER, GROUP));
	EXPECT_EQ(0, bc_chown(h, "controllers", USER, GROUP));
	EXPECT_EQ(0, bc_in_child(bind_as_user, h));
	EXPECT_EQ(0, bc_remove_hierarchy(h));
}

/* A hierarchy that a user has made, and what root has bound to it. */
FIXTURE(made) {
	char h[80];
	char g[96];
};

FIXTURE_SETUP(made)
{
	const char *why;

	if (!bc_bindable(&why))
		SKIP(return, "%s", why);
	if (access(BC_ROOT "/nodeset/memory_pressure_enabled", F_OK) ||
	    access(BC_ROOT "/cpuacct/usage", F_OK))
		SKIP(return, "no nodeset or no cpuacct here");
	bc_hierarchy(self->h, sizeof(self->h), 'm');
	snprintf(self->g, sizeof(self->g), "%s/g", self->h);
	ASSERT_EQ(0, chown(BC_HIERARCHIES, USER, GROUP));
	ASSERT_EQ(0, seteuid(USER));
	EXPECT_EQ(0, mkdir(self->h, 0755));
	ASSERT_EQ(0, seteuid(0));
	ASSERT_EQ(0, bc_write(self->h, "controllers", "nodeset cpuacct"));
}

/* Not by who ran the test, which may have died as the user. */
FIXTURE_TEARDOWN_PARENT(made)
{
	if (!self->h[0])
		return;
	EXPECT_EQ(0, chown(BC_HIERARCHIES, 0, 0));
	EXPECT_EQ(0, bc_remove_hierarchy(self->h));
}

static const char * const whole_system[] = { "nodeset/memory_pressure_enabled", "cpuacct/usage" };

static int cannot_write_all(const char *h)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(whole_system); i++) {
		if (bc_write(h, whole_system[i], "0") != -EPERM ||
		    bc_write(h, whole_system[i], "1") != -EPERM)
			return i + 1;
	}
	return 0;
}

static int write_all(void *arg)
{
	const char *h = arg;
	int ret;

	bc_become(USER, GROUP);
	ret = cannot_write_all(h);
	if (ret)
		return ret;
	/* What is only his group's is his. */
	if (bc_mkdir(h, "g") || bc_write(h, "g/cpuacct/usage", "0") ||
	    bc_write(h, "g/nodeset/memory_migrate", "1"))
		return 10;
	return !bc_user_namespace() ? 20 * !!cannot_write_all(h) : 0;
}

/* He owns the files that are the whole system's, and cannot write to them. */
TEST_F(made, whole_system)
{
	char path[PATH_MAX];
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(whole_system); i++) {
		bc_path(path, self->h, whole_system[i]);
		ASSERT_EQ(0, stat(path, &st));
		EXPECT_EQ(USER, (int)st.st_uid);
	}
	EXPECT_EQ(0, bc_get(self->h, whole_system[0]));
	EXPECT_EQ(0, bc_in_child(write_all, self->h));
	EXPECT_EQ(0, bc_get(self->h, whole_system[0]));
	/* Root can. */
	EXPECT_EQ(0, bc_write(self->h, whole_system[0], "1"));
	EXPECT_EQ(1, bc_get(self->h, whole_system[0]));
	EXPECT_EQ(0, bc_write(self->h, whole_system[0], "0"));
	EXPECT_EQ(0, bc_write(self->h, whole_system[1], "0"));
}

TEST_HARNESS_MAIN
