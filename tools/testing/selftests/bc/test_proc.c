// SPDX-License-Identifier: GPL-2.0
/*
 * What /proc says: /proc/<pid>/bc, /proc/<pid>/task/<tid>/bc, Bcid in status,
 * and /proc/beancounters.
 */
#include <sys/mman.h>
#include <sys/mount.h>

#include "bc_proc.h"

#define USER 12345
#define DEPTH 32

/* Default and an extra hierarchy, to which numfiles is bound. */
FIXTURE(two) {
	char h[80];
	char def[80];
};

FIXTURE_SETUP(two)
{
	const char *why;

	if (!bc_bindable(&why))
		SKIP(return, "%s", why);
	bc_hierarchy(self->h, sizeof(self->h), 'a');
	ASSERT_EQ(0, mkdir(self->h, 0755) ? errno : 0);
	EXPECT_EQ(0, bc_write(self->h, "controllers", "numfiles"));
	EXPECT_EQ(0, bc_set_up(self->def, sizeof(self->def)));
	/* There is no teardown then. */
	if (_metadata->exit_code) {
		rmdir(self->def);
		rmdir(self->h);
	}
}

/* Not by who ran the test, which may have died in a group. */
FIXTURE_TEARDOWN_PARENT(two)
{
	EXPECT_EQ(0, bc_remove(self->def));
	EXPECT_EQ(0, bc_remove_hierarchy(self->h));
}

/* All of /proc/@who/@file; overwritten by the next call. */
static const char *text_of(const char *who, const char *file)
{
	static char *text;
	char path[128];

	snprintf(path, sizeof(path), "/proc/%s/%s", who, file);
	free(text);
	text = bc_slurp(path, 32768);
	if (!text && asprintf(&text, "%s: %s", path, strerror(errno)) < 0)
		abort();
	return text;
}

static const char *text_of_pid(pid_t pid, const char *file)
{
	char who[16];

	snprintf(who, sizeof(who), "%d", pid);
	return text_of(who, file);
}

static const char *text_of_tid(pid_t pid, pid_t tid, const char *file)
{
	char who[40];

	snprintf(who, sizeof(who), "%d/task/%d", pid, tid);
	return text_of(who, file);
}

/* The number after Bcid; -1 when it is not there once, and so. */
static long bcid(const char *status)
{
	const char *p = strstr(status, "\nBcid:\t");
	char line[64];
	long id;

	if (!p || strstr(p + 1, "\nBcid") || sscanf(p, " Bcid: %ld", &id) != 1)
		return -1;
	snprintf(line, sizeof(line), "\nBcid:\t%ld\n", id);
	return strncmp(p, line, strlen(line)) ? -1 : id;
}

/*
 * What has to be in /proc/<pid>/bc for a task in @path of the default
 * hierarchy, in @extra of the one named @name, and in the root of any others
 * there are. To be freed.
 */
static char *lines(const char *path, const char *name, const char *extra)
{
	char *text, *comma;
	struct bc_proc p;
	size_t size;
	FILE *f;
	int i;

	if (bc_proc(&p))
		return strdup("no /proc/beancounters");
	f = open_memstream(&text, &size);
	for (i = 0; i < p.nr_hierarchies; i++) {
		comma = p.hierarchy[i].controllers;
		fprintf(f, "%d:%s:", p.hierarchy[i].id,
			strcmp(comma, "-") ? comma : "");
		if (!p.hierarchy[i].id)
			fprintf(f, "%s\n", path);
		else if (name && !strcmp(name, p.hierarchy[i].name))
			fprintf(f, "%s\n", extra);
		else
			fprintf(f, "/\n");
	}
	fclose(f);
	return text;
}

static const char *base_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* The path of a group of the default hierarchy, as it is to be shown. */
static const char *shown(const char *dir)
{
	return dir + strlen(BC_ROOT);
}

TEST_F(bc, membership)
{
	char *want, all[512], *p;
	pid_t pid = bc_spawn();
	char path[96];

	/* In the root: the list is that of the root, with commas. */
	want = lines("/", NULL, NULL);
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	EXPECT_STREQ(want, text_of("self", "bc"));
	EXPECT_STREQ(want, text_of("thread-self", "bc"));
	EXPECT_STREQ(want, text_of_pid(1, "bc"));
	ASSERT_EQ(0, bc_read(BC_ROOT, "controllers", all, sizeof(all)));
	*strchr(all, '\n') = '\0';
	while ((p = strchr(all, ' ')))
		*p = ',';
	EXPECT_EQ(0, strncmp(want, "0:", 2));
	EXPECT_EQ(0, strncmp(want + 2, all, strlen(all)));
	EXPECT_EQ(0, strncmp(want + 2 + strlen(all), ":/\n", 3));
	free(want);

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	want = lines(shown(self->dir), NULL, NULL);
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	EXPECT_STREQ(want, text_of_tid(pid, pid, "bc"));
	EXPECT_STRNE(want, text_of("self", "bc"));
	free(want);

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	bc_path(path, shown(self->dir), "a");
	want = lines(path, NULL, NULL);
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	free(want);

	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", pid));
	want = lines("/", NULL, NULL);
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	free(want);
	bc_reap(pid);
}

static int mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -errno : (int)st.st_mode;
}

TEST_F(bc, modes)
{
	char path[64];

	EXPECT_EQ(S_IFREG | 0444, mode_of("/proc/self/bc"));
	snprintf(path, sizeof(path), "/proc/self/task/%d/bc", getpid());
	EXPECT_EQ(S_IFREG | 0444, mode_of(path));
	EXPECT_EQ(S_IFREG | 0444, mode_of("/proc/beancounters"));
	EXPECT_NE(0, bc_write("/proc/self", "bc", "x"));
	EXPECT_NE(0, bc_write("/proc", "beancounters", "x"));

	/* These would be proof of another system. */
	EXPECT_EQ(-1, access("/proc/bc", F_OK));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(-1, access("/proc/user_beancounters", F_OK));
	EXPECT_EQ(ENOENT, errno);
}

/* One byte at a time, and again from the beginning. */
TEST_F(bc, small_reads)
{
	static const char * const files[] = {
		"/proc/self/bc", "/proc/beancounters",
	};
	char first[32], *whole, *bytes;
	size_t i;
	int fd;

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	bc_rest_css_groups();
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		whole = bc_slurp(files[i], 32768);
		ASSERT_NE(NULL, whole);
		bytes = bc_slurp(files[i], 1);
		EXPECT_STREQ(whole, bytes);
		free(bytes);
		bytes = bc_slurp(files[i], 7);
		EXPECT_STREQ(whole, bytes);
		fd = open(files[i], O_RDONLY);
		EXPECT_EQ(10, read(fd, first, 10));
		EXPECT_EQ(10, pread(fd, first, 10, 3));
		EXPECT_EQ(0, memcmp(first, whole + 3, 10));
		EXPECT_EQ(0, lseek(fd, 0, SEEK_SET));
		EXPECT_EQ(10, read(fd, first, 10));
		EXPECT_EQ(0, memcmp(first, whole, 10));
		close(fd);
		free(bytes);
		free(whole);
	}
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
}

TEST_F(bc, status)
{
	pid_t tid[2], pid = bc_spawn_threads(2, tid);
	long id;

	ASSERT_LT(0, pid);
	EXPECT_EQ(0, bcid(text_of("self", "status")));
	EXPECT_EQ(0, bcid(text_of_pid(pid, "status")));
	id = bc_get(self->dir, "id");
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	EXPECT_EQ(id, bcid(text_of_pid(pid, "status")));
	EXPECT_EQ(id, bcid(text_of_tid(pid, tid[0], "status")));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/threads", "%d", tid[0]));
	EXPECT_EQ(id, bcid(text_of_pid(pid, "status")));
	EXPECT_EQ(id, bcid(text_of_tid(pid, tid[1], "status")));
	EXPECT_EQ(bc_get(self->dir, "a/id"),
		  bcid(text_of_tid(pid, tid[0], "status")));
	EXPECT_NE(id, bc_get(self->dir, "a/id"));
	bc_reap(pid);
}

TEST_F(bc, threads)
{
	pid_t tid[2], pid = bc_spawn_threads(2, tid);
	char *here, *below, path[96];

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	bc_path(path, shown(self->dir), "a");
	here = lines(shown(self->dir), NULL, NULL);
	below = lines(path, NULL, NULL);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	ASSERT_EQ(0, bc_write(self->dir, "a/threads", "%d", tid[1]));
	EXPECT_STREQ(here, text_of_tid(pid, pid, "bc"));
	EXPECT_STREQ(here, text_of_tid(pid, tid[0], "bc"));
	EXPECT_STREQ(below, text_of_tid(pid, tid[1], "bc"));
	/* The process's file is the leader's; a thread has one too. */
	EXPECT_STREQ(here, text_of_pid(pid, "bc"));
	EXPECT_STREQ(below, text_of_pid(tid[1], "bc"));
	ASSERT_EQ(0, bc_write(self->dir, "a/threads", "%d", pid));
	EXPECT_STREQ(below, text_of_pid(pid, "bc"));
	EXPECT_STREQ(here, text_of_tid(pid, tid[0], "bc"));
	bc_reap(pid);
	free(here);
	free(below);
}

TEST_F(bc, names)
{
	static const char * const names[] = {
		"with space", "  ", "ünïcödé 容器", "a:b", "a,b", "tab\there",
		"back\\slash", "#hash", "(deleted)", "%s%n", "\001\377", "...",
		"-",
	};
	char path[256], file[128], *want;
	pid_t pid = bc_spawn();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(0, bc_mkdir(self->dir, names[i])) {
			TH_LOG("%s", names[i]);
		}
		snprintf(file, sizeof(file), "%s/tasks", names[i]);
		ASSERT_EQ(0, bc_write(self->dir, file, "%d", pid));
		bc_path(path, shown(self->dir), names[i]);
		want = lines(path, NULL, NULL);
		EXPECT_STREQ(want, text_of_pid(pid, "bc"));
		free(want);
		ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
		ASSERT_EQ(0, bc_rmdir(self->dir, names[i]));
	}
	bc_reap(pid);
}

/* In a directory whose path is too long for an open(2). */
static int write_at(int dir, const char *file, pid_t pid)
{
	int fd = openat(dir, file, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (dprintf(fd, "%d", pid) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* No ASSERT: what is too deep for the teardown is removed here. */
TEST_F(bc, deep)
{
	char name[NAME_MAX + 1] = "", *path, *want;
	int dir[DEPTH + 1], i, made = 1;
	pid_t pid = bc_spawn();
	struct bc_proc p, q;

	EXPECT_EQ(0, bc_proc(&p));
	path = calloc(DEPTH + 1, NAME_MAX + 1);
	strcat(path, shown(self->dir));
	dir[1] = open(self->dir, O_RDONLY | O_DIRECTORY);
	for (i = 2; i <= DEPTH; i++) {
		/* No two levels are alike. */
		memset(name, 'a' + i % 26, NAME_MAX);
		name[i] = '0';
		if (mkdirat(dir[i - 1], name, 0755)) {
			TH_LOG("level %d: %s", i, strerror(errno));
			break;
		}
		strcat(strcat(path, "/"), name);
		dir[i] = openat(dir[i - 1], name, O_RDONLY | O_DIRECTORY);
		made = i;
	}
	EXPECT_EQ(DEPTH, made);
	EXPECT_LT(31 * 256, (int)strlen(path));
	EXPECT_EQ(0, write_at(dir[made], "tasks", pid));
	want = lines(path, NULL, NULL);
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	EXPECT_STREQ(want, text_of_tid(pid, pid, "bc"));
	EXPECT_LT(0, bcid(text_of_pid(pid, "status")));
	EXPECT_EQ(0, bc_proc(&q));
	EXPECT_EQ(p.hierarchy[0].groups + DEPTH - 1, q.hierarchy[0].groups);
	free(want);

	bc_reap(pid);
	for (i = made; i > 1; i--) {
		memset(name, 'a' + i % 26, NAME_MAX);
		name[i] = '0';
		close(dir[i]);
		EXPECT_EQ(0, unlinkat(dir[i - 1], name, AT_REMOVEDIR));
	}
	close(dir[1]);
	free(path);
}

/* Who is dead is where it was, until it is reaped. */
TEST_F(bc, zombie)
{
	char file[64], buf[64], *want;
	pid_t pid = bc_spawn();
	int fd;

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	want = lines(shown(self->dir), NULL, NULL);
	snprintf(file, sizeof(file), "/proc/%d/bc", pid);
	fd = open(file, O_RDONLY);
	ASSERT_LE(0, fd);
	kill(pid, SIGKILL);
	bc_wait_zombie(pid);
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	EXPECT_STREQ(want, text_of_tid(pid, pid, "bc"));
	EXPECT_EQ(bc_get(self->dir, "id"), bcid(text_of_pid(pid, "status")));
	waitpid(pid, NULL, 0);
	EXPECT_EQ(-1, access(file, F_OK));
	EXPECT_EQ(-1, read(fd, buf, sizeof(buf)));
	EXPECT_EQ(ESRCH, errno);
	close(fd);
	free(want);
}

/* Read it while it exits: it is never elsewhere. */
TEST_F(bc, exiting)
{
	char *want;
	pid_t pid;
	int i, j;

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	want = lines(shown(self->dir), NULL, NULL);
	for (i = 0; i < 60; i++) {
		pid = fork();
		if (pid == 0) {
			for (j = 0; j < i * 300; j++)
				__asm__ volatile("");
			_exit(0);
		}
		ASSERT_LT(0, pid);
		for (j = 0; j < 5; j++) {
			ASSERT_STREQ(want, text_of_pid(pid, "bc"));
			ASSERT_LT(0, bcid(text_of_pid(pid, "status")));
		}
		waitpid(pid, NULL, 0);
	}
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
	free(want);
}

TEST_F(bc, kernel_thread)
{
	char *want = lines("/", NULL, NULL);

	if (strcmp(text_of("2", "comm"), "kthreadd\n"))
		SKIP(return, "no kthreadd in this pid namespace");
	EXPECT_STREQ(want, text_of("2", "bc"));
	EXPECT_EQ(0, bcid(text_of("2", "status")));
	free(want);
}

struct elsewhere {
	const char *want;
	long id;
};

/* A proc of another pid namespace shows the same paths. */
static int in_pid_namespace(void *arg)
{
	const struct elsewhere *e = arg;
	char dir[] = "/tmp/bc-proc-XXXXXX", file[64], *text;
	int ret = 0;

	if (getpid() != 1)
		return 1;
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 2;
	if (!mkdtemp(dir))
		return 3;
	if (mount("proc", dir, "proc", 0, NULL)) {
		ret = 4;
	} else {
		bc_path(file, dir, "1/bc");
		text = bc_slurp(file, 32768);
		if (!text || strcmp(text, e->want))
			ret = 5;
		bc_path(file, dir, "1/status");
		text = bc_slurp(file, 32768);
		if (!text || bcid(text) != e->id)
			ret = 6;
		bc_path(file, dir, "beancounters");
		if (access(file, R_OK))
			ret = 7;
		umount(dir);
	}
	rmdir(dir);
	return ret;
}

TEST_F(bc, pid_namespace)
{
	char *want = lines(shown(self->dir), NULL, NULL);
	struct elsewhere e = { want, bc_get(self->dir, "id") };

	if (unshare(CLONE_NEWPID))
		SKIP(return, "no pid namespaces");
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	EXPECT_EQ(0, bc_in_child(in_pid_namespace, &e));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
	free(want);
}

/* Whoever is named is in a group that exists. */
TEST_F(bc, removed)
{
	char path[96], *want;
	pid_t pid = bc_spawn();
	long id;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	bc_path(path, shown(self->dir), "a");
	want = lines(path, NULL, NULL);
	id = bcid(text_of_pid(pid, "status"));
	EXPECT_EQ(-EBUSY, bc_rmdir(self->dir, "a"));
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	kill(pid, SIGKILL);
	bc_wait_zombie(pid);
	EXPECT_EQ(-EBUSY, bc_rmdir(self->dir, "a"));
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	waitpid(pid, NULL, 0);
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));

	/* The next of that name is another one. */
	pid = bc_spawn();
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	EXPECT_LT(id, bcid(text_of_pid(pid, "status")));
	bc_reap(pid);
	free(want);
}

struct reader {
	pid_t pid;
	const char *want;
	long id;
};

static int read_as_user(void *arg)
{
	const struct reader *r = arg;
	struct bc_proc p;

	bc_become(USER, USER);
	if (strcmp(text_of_pid(r->pid, "bc"), r->want))
		return 1;
	if (strcmp(text_of_tid(r->pid, r->pid, "bc"), r->want))
		return 2;
	if (bcid(text_of_pid(r->pid, "status")) != r->id)
		return 3;
	if (bc_proc(&p) || !p.nr_controllers)
		return 4;
	if (strncmp(text_of_pid(1, "bc"), "0:", 2))
		return 5;
	return 0;
}

/* A user without privileges sees all of it, also of root's tasks. */
TEST_F(bc, unprivileged)
{
	struct reader r = { bc_spawn(), NULL, bc_get(self->dir, "id") };

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", r.pid));
	r.want = lines(shown(self->dir), NULL, NULL);
	EXPECT_EQ(0, bc_in_child(read_as_user, &r));
	bc_reap(r.pid);
}

/* Index of the hierarchy that is called @name, or -1. */
static int find(const struct bc_proc *p, const char *name)
{
	int i;

	for (i = 0; i < p->nr_hierarchies; i++) {
		if (!strcmp(p->hierarchy[i].name, name))
			return i;
	}
	return -1;
}

TEST_F(bc, beancounters)
{
	char all[512] = "", buf[512];
	struct bc_proc p, q;
	int i;

	ASSERT_EQ(0, bc_proc(&p));
	ASSERT_LE(1, p.nr_hierarchies);
	EXPECT_EQ(0, p.hierarchy[0].id);
	EXPECT_STREQ("bc", p.hierarchy[0].name);
	EXPECT_LE(0, p.css_groups);
	/* The root and ours at least. */
	EXPECT_LE(2, p.hierarchy[0].groups);
	/* Those of the default, in their order. */
	for (i = 0; i < p.nr_controllers; i++) {
		if (p.controller[i].hierarchy)
			continue;
		if (*all)
			strcat(all, " ");
		strcat(all, p.controller[i].name);
	}
	strcat(all, "\n");
	ASSERT_EQ(0, bc_read(BC_ROOT, "controllers", buf, sizeof(buf)));
	EXPECT_STREQ(buf, all);
	EXPECT_STREQ("numtasks", p.controller[0].name);
	EXPECT_LE(3, p.nr_controllers);

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	ASSERT_EQ(0, bc_proc(&q));
	EXPECT_EQ(p.hierarchy[0].groups + 2, q.hierarchy[0].groups);
	EXPECT_EQ(p.nr_hierarchies, q.nr_hierarchies);
	ASSERT_EQ(0, bc_rmdir(self->dir, "a/b"));
	ASSERT_EQ(0, bc_proc(&q));
	EXPECT_EQ(p.hierarchy[0].groups + 1, q.hierarchy[0].groups);
	ASSERT_EQ(0, bc_rmdir(self->dir, "a"));
	ASSERT_EQ(0, bc_proc(&q));
	EXPECT_EQ(p.hierarchy[0].groups, q.hierarchy[0].groups);
}

TEST_F(bc, combinations)
{
	pid_t tid[1], pid = bc_spawn_threads(1, tid), other = bc_spawn();
	int n = bc_rest_css_groups();

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	EXPECT_EQ(n + 1, bc_settle_css_groups(n + 1));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", other));
	EXPECT_EQ(n + 1, bc_settle_css_groups(n + 1));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(n + 1, bc_css_groups());
	ASSERT_EQ(0, bc_write(self->dir, "a/threads", "%d", tid[0]));
	EXPECT_EQ(n + 2, bc_settle_css_groups(n + 2));
	bc_reap(pid);
	EXPECT_EQ(n + 1, bc_settle_css_groups(n + 1));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", other));
	EXPECT_EQ(n, bc_settle_css_groups(n));
	bc_reap(other);
}

/* A name that has what separates fields, as in /proc/self/mountinfo. */
TEST_F(bc, hierarchy_names)
{
	char name[NAME_MAX + 1], escaped[4 * NAME_MAX + 1] = "";
	struct bc_proc p;
	int i;

	if (access(BC_HIERARCHIES, F_OK))
		SKIP(return, "there is only one hierarchy");
	snprintf(name, sizeof(name), "selftest-%d a\tb\\c#ünï", getpid());
	snprintf(escaped, sizeof(escaped),
		 "selftest-%d\\040a\\011b\\134c\\043ünï", getpid());
	ASSERT_EQ(0, bc_mkdir(BC_HIERARCHIES, name));
	EXPECT_EQ(0, bc_proc(&p));
	i = find(&p, escaped);
	EXPECT_LT(0, i);
	if (i > 0) {
		EXPECT_EQ(1, p.hierarchy[i].groups);
		EXPECT_STREQ("-", p.hierarchy[i].controllers);
	}
	EXPECT_EQ(0, bc_rmdir(BC_HIERARCHIES, name));

	/* The longest name, of what needs four characters each. */
	escaped[0] = '\0';
	for (i = 0; i < NAME_MAX; i++) {
		name[i] = i % 3 ? ' ' : '\\';
		strcat(escaped, i % 3 ? "\\040" : "\\134");
	}
	name[i] = '\0';
	EXPECT_EQ(0, bc_mkdir(BC_HIERARCHIES, name));
	EXPECT_EQ(0, bc_proc(&p));
	EXPECT_LT(0, find(&p, escaped));
	EXPECT_EQ(0, bc_rmdir(BC_HIERARCHIES, name));
	EXPECT_EQ(0, bc_proc(&p));
	EXPECT_EQ(-1, find(&p, escaped));
}

TEST_F(two, membership)
{
	const char *name = base_name(self->h);
	pid_t tid[1], pid = bc_spawn_threads(1, tid);
	char h[16], *want;
	struct bc_proc p;
	int i;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_mkdir(self->h, "x"));
	ASSERT_EQ(0, bc_mkdir(self->h, "x/y"));
	ASSERT_EQ(0, bc_proc(&p));
	i = find(&p, name);
	ASSERT_LT(0, i);
	EXPECT_STREQ("numfiles", p.hierarchy[i].controllers);
	EXPECT_EQ(3, p.hierarchy[i].groups);
	EXPECT_EQ(2, p.hierarchy[0].groups);
	EXPECT_EQ(NULL, strstr(p.hierarchy[0].controllers, "numfiles"));

	want = lines("/", name, "/");
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	snprintf(h, sizeof(h), "\n%d:", p.hierarchy[i].id);
	EXPECT_NE(NULL, strstr(want, h));
	EXPECT_NE(NULL, strstr(want, ":numfiles:/\n"));
	free(want);

	ASSERT_EQ(0, bc_write(self->h, "x/y/tasks", "%d", pid));
	want = lines("/", name, "/x/y");
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	EXPECT_STREQ(want, text_of_tid(pid, tid[0], "bc"));
	EXPECT_NE(NULL, strstr(want, ":numfiles:/x/y\n"));
	free(want);
	/* Bcid is about the default. */
	EXPECT_EQ(0, bcid(text_of_pid(pid, "status")));

	ASSERT_EQ(0, bc_write(self->def, "threads", "%d", tid[0]));
	want = lines(shown(self->def), name, "/x/y");
	EXPECT_STREQ(want, text_of_tid(pid, tid[0], "bc"));
	free(want);
	want = lines("/", name, "/x/y");
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	free(want);
	EXPECT_EQ(bc_get(self->def, "id"),
		  bcid(text_of_tid(pid, tid[0], "status")));
	EXPECT_EQ(0, bcid(text_of_pid(pid, "status")));

	/* Dead, and still in both. */
	ASSERT_EQ(0, bc_write(self->def, "tasks", "%d", pid));
	kill(pid, SIGKILL);
	bc_wait_zombie(pid);
	want = lines(shown(self->def), name, "/x/y");
	EXPECT_STREQ(want, text_of_pid(pid, "bc"));
	free(want);
	waitpid(pid, NULL, 0);
}

/* A hierarchy's line comes and goes with it, and its controllers with them. */
TEST_F(two, lines)
{
	const char *name = base_name(self->h);
	char other[80], text[64], *want;
	struct bc_proc p, q;
	int i;

	bc_hierarchy(other, sizeof(other), 'b');
	ASSERT_EQ(0, bc_proc(&p));
	ASSERT_EQ(0, mkdir(other, 0755));
	EXPECT_EQ(0, bc_proc(&q));
	i = find(&q, base_name(other));
	EXPECT_EQ(p.nr_hierarchies + 1, q.nr_hierarchies);
	EXPECT_LT(0, i);
	if (i > 0) {
		EXPECT_EQ(1, q.hierarchy[i].groups);
		EXPECT_STREQ("-", q.hierarchy[i].controllers);
		snprintf(text, sizeof(text), "\n%d::/\n", q.hierarchy[i].id);
		EXPECT_NE(NULL, strstr(text_of("self", "bc"), text));
	}
	want = lines("/", NULL, NULL);
	EXPECT_STREQ(want, text_of("self", "bc"));
	free(want);

	/* numfiles goes there, though the default has a group. */
	EXPECT_EQ(0, bc_write(other, "controllers", "numfiles"));
	want = lines("/", NULL, NULL);
	EXPECT_STREQ(want, text_of("self", "bc"));
	free(want);
	EXPECT_EQ(0, bc_proc(&q));
	i = find(&q, name);
	EXPECT_LT(0, i);
	if (i > 0)
		EXPECT_STREQ("-", q.hierarchy[i].controllers);
	EXPECT_EQ(0, bc_write(self->h, "controllers", "numfiles"));
	EXPECT_EQ(0, rmdir(other));
	ASSERT_EQ(0, bc_proc(&q));
	EXPECT_EQ(p.nr_hierarchies, q.nr_hierarchies);
	want = lines("/", NULL, NULL);
	EXPECT_STREQ(want, text_of("self", "bc"));
	free(want);
}

static pid_t hopper;
static char hop_from[2][80];	/* default and extra */

/*
 * Round and round, in one hierarchy at a time. In none of the six states is it
 * in 1 and 2, 2 and 3, or 3 and 1.
 */
static void hop(const char *dir)
{
	bc_write(hop_from[0], "g2/tasks", "%d", hopper);	/* 2 1 */
	bc_write(hop_from[1], "g2/tasks", "%d", hopper);	/* 2 2 */
	bc_write(hop_from[0], "g3/tasks", "%d", hopper);	/* 3 2 */
	bc_write(hop_from[1], "g3/tasks", "%d", hopper);	/* 3 3 */
	bc_write(hop_from[0], "g1/tasks", "%d", hopper);	/* 1 3 */
	bc_write(hop_from[1], "g1/tasks", "%d", hopper);	/* 1 1 */
}

/* Each read is what was true at some moment. */
TEST_F(two, hopping)
{
	const char *name = base_name(self->h), *got;
	char def[96], extra[16], *allowed[3][3];
	int i, reads = 0, states = 0, seen[3][3] = { };
	double end;
	pid_t child;

	snprintf(hop_from[0], sizeof(hop_from[0]), "%s", self->def);
	snprintf(hop_from[1], sizeof(hop_from[1]), "%s", self->h);
	for (i = 0; i < 3; i++) {
		snprintf(extra, sizeof(extra), "/g%d", i + 1);
		ASSERT_EQ(0, bc_mkdir(self->def, extra + 1));
		ASSERT_EQ(0, bc_mkdir(self->h, extra + 1));
	}
	for (i = 0; i < 9; i++) {
		snprintf(def, sizeof(def), "%s/g%d", shown(self->def), i / 3 + 1);
		snprintf(extra, sizeof(extra), "/g%d", i % 3 + 1);
		allowed[i / 3][i % 3] = lines(def, name, extra);
	}
	hopper = bc_spawn();
	ASSERT_EQ(0, bc_write(self->def, "g1/tasks", "%d", hopper));
	ASSERT_EQ(0, bc_write(self->h, "g1/tasks", "%d", hopper));
	end = bc_end_time(2);
	child = bc_background(hop, NULL);
	while (bc_goes_on(end, states >= 3)) {
		got = text_of_pid(hopper, "bc");
		for (i = 0; i < 9; i++) {
			if (!strcmp(got, allowed[i / 3][i % 3]))
				break;
		}
		ASSERT_GT(9, i) {
			TH_LOG("%s", got);
		}
		states += !seen[i / 3][i % 3]++;
		ASSERT_LT(0, bcid(text_of_pid(hopper, "status")));
		reads++;
	}
	bc_reap(child);
	bc_reap(hopper);
	TH_LOG("%d reads", reads);
	/* It has been about. */
	EXPECT_LE(3, states);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, seen[i][(i + 1) % 3]) {
			TH_LOG("in %d and %d at once", i + 1, (i + 1) % 3 + 1);
		}
	}
}

/* Groups come and go, and tasks with them, while it is read. */
static void come_and_go(const char *dir)
{
	pid_t pid;

	bc_mkdir(dir, "a");
	pid = fork();
	if (pid == 0) {
		bc_write(dir, "a/tasks", "0");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	bc_rmdir(dir, "a");
}

TEST_F(two, always_right)
{
	int i, reads = 0, more = 0, n = bc_rest_css_groups();
	double end = bc_end_time(1);
	struct bc_proc p;
	pid_t child[2];

	child[0] = bc_background(come_and_go, self->h);
	child[1] = bc_background(come_and_go, self->def);
	while (bc_goes_on(end, more)) {
		ASSERT_EQ(0, bc_proc(&p));
		i = find(&p, base_name(self->h));
		ASSERT_LT(0, i);
		EXPECT_TRUE(p.hierarchy[i].groups == 1 ||
			    p.hierarchy[i].groups == 2);
		EXPECT_TRUE(p.hierarchy[0].groups == 2 ||
			    p.hierarchy[0].groups == 3);
		more += p.hierarchy[i].groups == 2 && p.hierarchy[0].groups == 3;
		reads++;
	}
	bc_reap(child[0]);
	bc_reap(child[1]);
	TH_LOG("%d reads, %d with both", reads, more);
	EXPECT_LT(0, more);
	EXPECT_EQ(n, bc_settle_css_groups(n));
}

TEST_HARNESS_MAIN
