// SPDX-License-Identifier: GPL-2.0
/*
 * Several hierarchies: making and removing them, binding controllers to them,
 * and that tasks in one do not matter in another.
 */
#include <linux/sched.h>
#include <sys/mman.h>

#include "bc_failslab.h"
#include "bc_proc.h"
#include "bc_worker.h"

#define NR_EXTRA (BC_NR_HIERARCHIES - 1)

/* The first one is there when a test begins; the default has no groups. */
FIXTURE(hier) {
	char h[NR_EXTRA][80];
	char def[80];		/* for a group in the default hierarchy */
	char all[512];		/* controllers, as read */
};

/* What controllers says there; it is overwritten by the next call. */
static const char *controllers(const char *dir)
{
	static char buf[512];
	int err = bc_read(dir, "controllers", buf, sizeof(buf));

	if (err)
		snprintf(buf, sizeof(buf), "error %d", -err);
	return buf;
}

static int bind_to(const char *dir, const char *names)
{
	return bc_write(dir, "controllers", "%s", names);
}

FIXTURE_SETUP(hier)
{
	const char *why;
	int i;

	if (!bc_bindable(&why))
		SKIP(return, "%s", why);
	for (i = 0; i < NR_EXTRA; i++)
		bc_hierarchy(self->h[i], sizeof(self->h[i]), 'a' + i);
	snprintf(self->def, sizeof(self->def), BC_ROOT "/selftest-%d", getpid());
	snprintf(self->all, sizeof(self->all), "%s", controllers(BC_ROOT));
	ASSERT_EQ(0, mkdir(self->h[0], 0755) ? errno : 0);
}

/* Not by who ran the test, which may have died in a group. */
FIXTURE_TEARDOWN_PARENT(hier)
{
	int i;

	if (!access(self->def, F_OK))
		EXPECT_EQ(0, bc_remove(self->def));
	for (i = 0; i < NR_EXTRA; i++) {
		EXPECT_EQ(0, bc_remove_hierarchy(self->h[i])) {
			TH_LOG("%s", self->h[i]);
		}
	}
	EXPECT_STREQ(self->all, controllers(BC_ROOT));
}

/* Is @name in the list? */
static bool has(const char *list, const char *name)
{
	size_t len = strlen(name);
	const char *p;

	for (p = list; (p = strstr(p, name)); p += len) {
		if ((p == list || p[-1] == ' ') &&
		    (p[len] == ' ' || p[len] == '\n'))
			return true;
	}
	return false;
}

/* The list without @names; overwritten by the next call. */
static const char *without(const char *list, const char *names)
{
	static char buf[512];
	char *copy = strdup(list), *name, *save;

	buf[0] = '\0';
	for (name = strtok_r(copy, "\n ", &save); name;
	     name = strtok_r(NULL, "\n ", &save)) {
		if (has(names, name))
			continue;
		if (*buf)
			strcat(buf, " ");
		strcat(buf, name);
	}
	free(copy);
	return strcat(buf, "\n");
}

/*
 * 3 when a controller's directory is there by all means: stat, readdir, and
 * open of a file in it; 0 when by none.
 */
static int seen(const char *dir, const char *name)
{
	char path[PATH_MAX], c;
	struct dirent *de;
	struct stat st;
	int n = 0, fd;
	DIR *d;

	bc_path(path, dir, name);
	if (!stat(path, &st))
		n += S_ISDIR(st.st_mode) ? 1 : 100;
	else if (errno != ENOENT)
		n += 1000;

	d = opendir(dir);
	while (d && (de = readdir(d)))
		n += !strcmp(de->d_name, name);
	if (d)
		closedir(d);

	d = opendir(path);
	if (!d)
		return n + (errno == ENOENT ? 0 : 1000);
	while ((de = readdir(d)) && de->d_name[0] == '.')
		;
	fd = de ? openat(dirfd(d), de->d_name, O_RDONLY) : -1;
	n += fd >= 0 && (read(fd, &c, 1) >= 0 || errno == ENODATA);
	close(fd);
	closedir(d);
	return n;
}

static long get(const char *dir, const char *group, const char *file)
{
	char path[PATH_MAX];

	bc_path(path, dir, group);
	return bc_get(path, file);
}

TEST_F(hier, new_one)
{
	static const struct bc_file_mode files[] = {
		{ "tasks", 0644 }, { "threads", 0644 }, { "id", 0444 },
		{ "controllers", 0644 }, { "notify_on_release", 0644 },
		{ "releasable", 0444 }, { "release_agent", 0644 },
	};
	struct dirent *de;
	size_t n = 0;
	pid_t pid;
	DIR *d;

	bc_expect_modes(_metadata, self->h[0], files, ARRAY_SIZE(files));
	/* And no others: no controller. */
	d = opendir(self->h[0]);
	ASSERT_NE(NULL, d);
	while ((de = readdir(d)))
		n += de->d_name[0] != '.' && strcmp(de->d_name, "debug");
	closedir(d);
	EXPECT_EQ(ARRAY_SIZE(files), n);

	EXPECT_STREQ("\n", controllers(self->h[0]));
	EXPECT_STREQ(self->all, controllers(BC_ROOT));
	EXPECT_EQ(0, bc_get(self->h[0], "id"));

	/* Everybody is in its root. */
	pid = bc_spawn();
	EXPECT_EQ(1, bc_count(self->h[0], "tasks", pid));
	EXPECT_EQ(1, bc_count(self->h[0], "tasks", getpid()));
	EXPECT_EQ(1, bc_count(self->h[0], "threads", 1));
	bc_reap(pid);
}

TEST_F(hier, make_and_remove)
{
	char path[128];
	long id;
	int i;

	EXPECT_EQ(-1, mkdir(self->h[0], 0755));
	EXPECT_EQ(EEXIST, errno);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, mkdir(self->h[1], 0755));
		ASSERT_EQ(0, bc_mkdir(self->h[1], "g"));
		EXPECT_LT(0, get(self->h[1], "g", "id"));
		EXPECT_EQ(-1, rmdir(self->h[1]));
		EXPECT_EQ(ENOTEMPTY, errno);
		ASSERT_EQ(0, bc_rmdir(self->h[1], "g"));
		ASSERT_EQ(0, rmdir(self->h[1]));
		EXPECT_EQ(-1, access(self->h[1], F_OK));
	}
	EXPECT_EQ(-1, rmdir(self->h[1]));
	EXPECT_EQ(ENOENT, errno);

	/* Groups of different hierarchies are different, by name and id. */
	ASSERT_EQ(0, bc_mkdir(self->h[0], "g"));
	ASSERT_EQ(0, bc_mkdir(self->h[0], "g/k"));
	ASSERT_EQ(0, mkdir(self->def, 0755));
	id = get(self->h[0], "g", "id");
	EXPECT_NE(id, bc_get(self->def, "id"));
	bc_path(path, self->h[0], "g/k");
	EXPECT_STREQ("\n", controllers(path));
	EXPECT_EQ(-ENOENT, bc_rmdir(self->def, "k"));
	EXPECT_EQ(-ENOTEMPTY, bc_rmdir(self->h[0], "g"));
	EXPECT_EQ(0, bc_rmdir(self->h[0], "g/k"));
	EXPECT_EQ(0, bc_rmdir(self->h[0], "g"));
	/* Groups of the default do not hold one that has no controllers. */
	EXPECT_EQ(0, rmdir(self->h[0]));
	EXPECT_EQ(0, rmdir(self->def));
}

TEST_F(hier, bind)
{
	char *a = self->h[0], *list = strdup(self->all), *p;
	int i;

	ASSERT_EQ(0, bind_to(a, "numfiles\n"));
	EXPECT_STREQ("numfiles\n", controllers(a));
	EXPECT_STREQ(without(self->all, "numfiles\n"), controllers(BC_ROOT));

	/* Any white space; always listed in the same order. */
	ASSERT_EQ(0, bind_to(a, " numfiles\t\tnumtasks\t\n\n"));
	EXPECT_STREQ("numtasks numfiles\n", controllers(a));
	EXPECT_STREQ(without(self->all, "numtasks numfiles\n"),
		     controllers(BC_ROOT));

	/* Exactly these: the other one goes back. */
	ASSERT_EQ(0, bind_to(a, "numtasks"));
	EXPECT_STREQ("numtasks\n", controllers(a));
	EXPECT_STREQ(without(self->all, "numtasks\n"), controllers(BC_ROOT));
	ASSERT_EQ(0, bind_to(a, "numtasks"));
	EXPECT_STREQ("numtasks\n", controllers(a));

	/* Twice is as good as once. */
	ASSERT_EQ(0, bind_to(a, "numfiles numfiles\nnumfiles"));
	EXPECT_STREQ("numfiles\n", controllers(a));
	EXPECT_STREQ(without(self->all, "numfiles\n"), controllers(BC_ROOT));

	ASSERT_EQ(0, bind_to(a, "\n"));
	EXPECT_STREQ("\n", controllers(a));
	EXPECT_STREQ(self->all, controllers(BC_ROOT));
	ASSERT_EQ(0, bind_to(a, "\n"));

	/* All, one a line, to and fro. */
	while ((p = strchr(list, ' ')))
		*p = '\n';
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, bind_to(a, list));
		EXPECT_STREQ(self->all, controllers(a));
		EXPECT_STREQ("\n", controllers(BC_ROOT));
		ASSERT_EQ(0, bind_to(a, "\n"));
		EXPECT_STREQ(self->all, controllers(BC_ROOT));
	}

	/* rmdir gives back. */
	ASSERT_EQ(0, bind_to(a, list));
	ASSERT_EQ(0, rmdir(a));
	EXPECT_STREQ(self->all, controllers(BC_ROOT));
	EXPECT_EQ(3, seen(BC_ROOT, "numfiles"));
}

TEST_F(hier, bind_from_another)
{
	char *a = self->h[0], *b = self->h[1];

	ASSERT_EQ(0, mkdir(b, 0755));
	ASSERT_EQ(0, bind_to(a, "numfiles"));
	ASSERT_EQ(0, bind_to(b, "numtasks numfiles"));
	EXPECT_STREQ("\n", controllers(a));
	EXPECT_STREQ("numtasks numfiles\n", controllers(b));
	EXPECT_EQ(0, seen(a, "numfiles"));
	EXPECT_EQ(0, seen(BC_ROOT, "numfiles"));
	EXPECT_EQ(3, seen(b, "numfiles"));

	/* What is not in it cannot be given back by it. */
	ASSERT_EQ(0, bind_to(a, "\n"));
	EXPECT_STREQ("numtasks numfiles\n", controllers(b));

	/* One away from another, which keeps the rest; the same with rmdir. */
	ASSERT_EQ(0, bind_to(a, "numtasks"));
	EXPECT_STREQ("numtasks\n", controllers(a));
	EXPECT_STREQ("numfiles\n", controllers(b));
	ASSERT_EQ(0, rmdir(b));
	EXPECT_STREQ(without(self->all, "numtasks\n"), controllers(BC_ROOT));
	EXPECT_STREQ("numtasks\n", controllers(a));
}

TEST_F(hier, bind_errors)
{
	static const char * const bad[] = {
		"nosuch", "numfiles nosuch", "nosuch numfiles", "numfile",
		"numfilesx", "NUMFILES", "num files", "numfiles,numtasks",
		"numtasks -", "+numfiles", "-numtasks", "numfiles/held", "bc",
	};
	char *a = self->h[0], path[128], text[4000];
	size_t i;
	int fd;

	ASSERT_EQ(0, bind_to(a, "numtasks"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, bind_to(a, bad[i])) {
			TH_LOG("%s", bad[i]);
		}
		ASSERT_STREQ("numtasks\n", controllers(a));
		ASSERT_EQ(3, seen(a, "numtasks"));
		ASSERT_EQ(3, seen(BC_ROOT, "numfiles"));
	}
	EXPECT_EQ(-EINVAL, bind_to(a, ""));
	EXPECT_EQ(-EINVAL, bc_write_text(a, "controllers", "numfiles\0x", 10));
	memset(text, 'n', sizeof(text));
	EXPECT_EQ(-EINVAL, bc_write_text(a, "controllers", text, sizeof(text)));
	EXPECT_STREQ("numtasks\n", controllers(a));

	/* Much white space is no error. */
	memset(text, ' ', sizeof(text));
	memcpy(text + 3000, "numfiles", 8);
	EXPECT_EQ(0, bc_write_text(a, "controllers", text, sizeof(text)));
	EXPECT_STREQ("numfiles\n", controllers(a));

	/* Only extra hierarchies' roots are to be written to. */
	EXPECT_EQ(-EACCES, bind_to(BC_ROOT, "numfiles"));
	ASSERT_EQ(0, bc_mkdir(a, "g"));
	bc_path(path, a, "g");
	EXPECT_EQ(-EACCES, bind_to(path, "numfiles"));
	EXPECT_STREQ("numfiles\n", controllers(path));
	EXPECT_EQ(-EACCES, bc_write(a, "id", "0"));
	ASSERT_EQ(0, bc_rmdir(a, "g"));

	/* A file that stayed open when the hierarchy was removed. */
	bc_path(path, a, "controllers");
	fd = open(path, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, rmdir(a));
	EXPECT_EQ(-1, write(fd, "numfiles", 8));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(-1, pread(fd, path, 1, 0));
	EXPECT_EQ(ENOENT, errno);
	close(fd);
	EXPECT_STREQ(self->all, controllers(BC_ROOT));
}

TEST_F(hier, busy)
{
	char *a = self->h[0], *b = self->h[1];
	pid_t pid = bc_spawn();

	ASSERT_EQ(0, mkdir(b, 0755));
	/* The default would lose. */
	ASSERT_EQ(0, mkdir(self->def, 0755));
	EXPECT_EQ(-EBUSY, bind_to(a, "numfiles"));
	EXPECT_STREQ("\n", controllers(a));
	EXPECT_STREQ(self->all, controllers(BC_ROOT));
	EXPECT_EQ(3, seen(self->def, "numfiles"));
	EXPECT_EQ(0, seen(a, "numfiles"));
	/* Nothing to be bound, nobody to mind. */
	EXPECT_EQ(0, bind_to(a, "\n"));
	ASSERT_EQ(0, rmdir(self->def));

	/* The target has a group. Tasks in its root do not matter. */
	ASSERT_EQ(0, bc_mkdir(a, "g"));
	EXPECT_EQ(-EBUSY, bind_to(a, "numfiles"));
	EXPECT_STREQ("\n", controllers(a));
	ASSERT_EQ(0, bc_rmdir(a, "g"));
	ASSERT_EQ(0, bind_to(a, "numfiles"));

	/* The target has one, and would lose; and would neither lose nor gain. */
	ASSERT_EQ(0, bc_mkdir(a, "g"));
	EXPECT_EQ(-EBUSY, bind_to(a, "\n"));
	EXPECT_EQ(-EBUSY, bind_to(a, "numtasks"));
	EXPECT_EQ(-EBUSY, bind_to(a, "numfiles numtasks"));
	EXPECT_EQ(0, bind_to(a, "numfiles"));
	/* Another one would gain. */
	EXPECT_EQ(-EBUSY, bind_to(b, "numfiles"));
	/* All or nothing, also where one of them could be moved. */
	EXPECT_EQ(-EBUSY, bind_to(b, "numtasks numfiles"));
	EXPECT_STREQ("\n", controllers(b));
	EXPECT_STREQ("numfiles\n", controllers(a));
	EXPECT_STREQ(without(self->all, "numfiles\n"), controllers(BC_ROOT));
	EXPECT_EQ(3, seen(BC_ROOT, "numtasks"));
	/* Groups of one that has no part in it do not matter. */
	EXPECT_EQ(0, bind_to(b, "numtasks"));
	EXPECT_EQ(0, bind_to(b, "\n"));
	ASSERT_EQ(0, bc_rmdir(a, "g"));

	/* The default one has a group, and would gain. */
	ASSERT_EQ(0, mkdir(self->def, 0755));
	EXPECT_EQ(-EBUSY, bind_to(a, "\n"));
	EXPECT_EQ(-1, rmdir(a));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_STREQ("numfiles\n", controllers(a));
	EXPECT_EQ(3, seen(a, "numfiles"));
	/* It has no part in a move between two others. */
	EXPECT_EQ(0, bind_to(b, "numfiles"));
	EXPECT_STREQ("\n", controllers(a));
	EXPECT_EQ(-EBUSY, bind_to(b, "numfiles numtasks"));
	EXPECT_EQ(-EBUSY, bind_to(b, "numtasks"));
	EXPECT_STREQ("numfiles\n", controllers(b));
	/* Without controllers it can go, and one that was refused works. */
	EXPECT_EQ(0, rmdir(a));
	EXPECT_EQ(-1, rmdir(b));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, bc_mkdir(b, "g"));
	EXPECT_EQ(0, bc_write(b, "g/tasks", "%d", pid));
	EXPECT_EQ(0, bc_write(b, "g/numfiles/limit", "5"));
	EXPECT_EQ(-1, rmdir(b));
	EXPECT_EQ(ENOTEMPTY, errno);
	ASSERT_EQ(0, rmdir(self->def));
	EXPECT_EQ(-1, rmdir(b));
	EXPECT_EQ(ENOTEMPTY, errno);
	EXPECT_EQ(1, bc_count(b, "g/tasks", pid));
	bc_reap(pid);
	EXPECT_EQ(0, bc_rmdir(b, "g"));
	EXPECT_EQ(0, rmdir(b));
}

TEST_F(hier, directories)
{
	char *a = self->h[0], path[128], inner[128];
	int i;

	for (i = 0; i < 5; i++) {
		EXPECT_EQ(0, seen(a, "numfiles"));
		EXPECT_EQ(3, seen(BC_ROOT, "numfiles"));
		ASSERT_EQ(0, bind_to(a, "numfiles"));
		EXPECT_EQ(3, seen(a, "numfiles"));
		EXPECT_EQ(0, seen(BC_ROOT, "numfiles"));
		EXPECT_EQ(3, seen(BC_ROOT, "numtasks"));

		/* A root has no limits, here as there. */
		EXPECT_EQ(-EINVAL, bc_write(a, "numfiles/limit", "1000"));
		EXPECT_EQ(-EPERM, bc_rmdir(a, "numfiles"));
		EXPECT_EQ(-EPERM, bc_mkdir(a, "numfiles/x"));

		/* Groups have those of their hierarchy. */
		ASSERT_EQ(0, bc_mkdir(a, "g"));
		ASSERT_EQ(0, bc_mkdir(a, "g/k"));
		ASSERT_EQ(0, mkdir(self->def, 0755));
		bc_path(path, a, "g");
		bc_path(inner, a, "g/k");
		EXPECT_EQ(3, seen(path, "numfiles"));
		EXPECT_EQ(0, seen(path, "numtasks"));
		EXPECT_EQ(3, seen(inner, "numfiles"));
		EXPECT_EQ(0, seen(inner, "numtasks"));
		EXPECT_EQ(0, seen(self->def, "numfiles"));
		EXPECT_EQ(3, seen(self->def, "numtasks"));
		EXPECT_STREQ("numfiles\n", controllers(path));
		EXPECT_STREQ("numfiles\n", controllers(inner));
		EXPECT_STREQ(without(self->all, "numfiles\n"),
			     controllers(self->def));
		ASSERT_EQ(0, rmdir(self->def));
		ASSERT_EQ(0, bc_rmdir(a, "g/k"));
		ASSERT_EQ(0, bc_rmdir(a, "g"));
		ASSERT_EQ(0, bind_to(a, "\n"));
	}
}

/* Somebody is in the directory that vanishes, or has a file of it open. */
TEST_F(hier, open_when_bound)
{
	char *a = self->h[0], buf[16];
	int dir, held, limit;
	DIR *d;

	dir = open(BC_ROOT "/numfiles", O_RDONLY | O_DIRECTORY);
	held = open(BC_ROOT "/numfiles/held", O_RDONLY);
	limit = open(BC_ROOT "/numfiles/limit", O_RDWR);
	ASSERT_LE(0, dir);
	ASSERT_LE(0, held);
	ASSERT_LE(0, limit);
	EXPECT_LT(0, pread(held, buf, sizeof(buf), 0));
	ASSERT_EQ(0, fchdir(dir));

	/* There is no path to it, but it is the root's as before. */
	ASSERT_EQ(0, bind_to(a, "numfiles"));
	EXPECT_EQ(0, seen(BC_ROOT, "numfiles"));
	EXPECT_LT(0, pread(held, buf, sizeof(buf), 0));
	EXPECT_EQ(-1, write(limit, "5", 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, mkdirat(dir, "x", 0755));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(NULL, getcwd(buf, sizeof(buf)));
	EXPECT_EQ(ENOENT, errno);
	d = opendir(".");
	ASSERT_NE(NULL, d);
	closedir(d);

	ASSERT_EQ(0, bind_to(a, "\n"));
	EXPECT_EQ(3, seen(BC_ROOT, "numfiles"));
	EXPECT_LT(0, pread(held, buf, sizeof(buf), 0));
	EXPECT_EQ(0, faccessat(dir, "held", R_OK, 0));
	ASSERT_EQ(0, chdir("/"));
	close(dir);
	close(held);
	close(limit);
}

/* A group has no controller's name, wherever that controller is. */
TEST_F(hier, names)
{
	static const char * const files[] = {
		"tasks", "threads", "id", "controllers", "notify_on_release",
		"releasable",
	};
	char *copy = strdup(self->all), *name, *save, *a = self->h[0], inner[128];
	size_t i;

	ASSERT_EQ(0, bind_to(a, "numfiles"));
	ASSERT_EQ(0, bc_mkdir(a, "g"));
	ASSERT_EQ(0, mkdir(self->def, 0755));
	for (name = strtok_r(copy, "\n ", &save); name;
	     name = strtok_r(NULL, "\n ", &save)) {
		snprintf(inner, sizeof(inner), "g/%s", name);
		EXPECT_EQ(-EEXIST, bc_mkdir(a, name)) {
			TH_LOG("%s", name);
		}
		EXPECT_EQ(-EEXIST, bc_mkdir(a, inner)) {
			TH_LOG("%s", inner);
		}
		EXPECT_EQ(-EEXIST, bc_mkdir(BC_ROOT, name)) {
			TH_LOG("%s", name);
		}
		EXPECT_EQ(-EEXIST, bc_mkdir(self->def, name)) {
			TH_LOG("%s", name);
		}
	}
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		EXPECT_EQ(-EEXIST, bc_mkdir(a, files[i])) {
			TH_LOG("%s", files[i]);
		}
	}
	EXPECT_EQ(-EEXIST, bc_mkdir(a, "release_agent"));
	EXPECT_EQ(0, bc_mkdir(a, "numfiles2"));
	EXPECT_EQ(0, bc_rmdir(a, "numfiles2"));
	EXPECT_EQ(0, bc_rmdir(a, "g"));
	EXPECT_EQ(0, rmdir(self->def));
	/* The refusals are forgotten. */
	EXPECT_EQ(0, bind_to(a, self->all));
	EXPECT_EQ(0, seen(BC_ROOT, "numtasks"));
	EXPECT_EQ(3, seen(a, "numtasks"));
}

static int try_fork(void *dir)
{
	pid_t pid;

	if (bc_write(dir, "tasks", "0"))
		return 1;
	pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return pid > 0 ? 0 : errno;
}

/* Limits hold where the controller is bound; elsewhere groups do not matter. */
TEST_F(hier, numtasks)
{
	char *a = self->h[0], g[128];
	pid_t p = bc_spawn();

	ASSERT_EQ(0, bind_to(a, "numtasks"));
	ASSERT_EQ(0, mkdir(self->def, 0755));
	ASSERT_EQ(0, bc_mkdir(a, "g"));
	ASSERT_EQ(0, bc_mkdir(a, "g/k"));
	bc_path(g, a, "g/k");
	ASSERT_EQ(0, bc_write(a, "g/numtasks/limit", "1"));
	EXPECT_EQ(0, bc_in_child(try_fork, self->def));
	EXPECT_EQ(EAGAIN, bc_in_child(try_fork, g));
	EXPECT_EQ(1, bc_get(a, "g/numtasks/failcnt"));
	EXPECT_EQ(1, bc_get(a, "g/numtasks/maxheld"));
	EXPECT_EQ(0, bc_get(a, "g/k/numtasks/failcnt"));

	/* A move in the default is none here, and the other way round. */
	ASSERT_EQ(0, bc_write(self->def, "tasks", "%d", p));
	EXPECT_EQ(0, bc_get(a, "g/numtasks/held"));
	ASSERT_EQ(0, bc_write(g, "tasks", "%d", p));
	EXPECT_EQ(1, bc_get(a, "g/numtasks/held"));
	EXPECT_EQ(1, bc_count(self->def, "tasks", p));
	EXPECT_EQ(-EAGAIN, bc_write(g, "tasks", "0"));
	EXPECT_EQ(1, bc_count(a, "tasks", getpid()));
	EXPECT_EQ(0, bc_count(g, "tasks", getpid()));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", p));
	EXPECT_EQ(1, bc_get(a, "g/numtasks/held"));
	bc_reap(p);
	EXPECT_EQ(0, bc_get(a, "g/numtasks/held"));
}

TEST_F(hier, numfiles)
{
	struct bc_worker in = bc_worker_start(&bc_file);
	struct bc_worker out = bc_worker_start(&bc_file);
	char *a = self->h[0];

	ASSERT_LT(0, in.pid);
	ASSERT_LT(0, out.pid);
	ASSERT_EQ(0, bind_to(a, "numfiles"));
	ASSERT_EQ(0, bc_mkdir(a, "g"));
	ASSERT_EQ(0, mkdir(self->def, 0755));
	ASSERT_EQ(0, bc_write(a, "g/numfiles/limit", "3"));
	ASSERT_EQ(0, bc_write(a, "g/tasks", "%d", in.pid));
	/* Both are in one group of the default. */
	ASSERT_EQ(0, bc_write(self->def, "tasks", "%d", in.pid));
	ASSERT_EQ(0, bc_write(self->def, "tasks", "%d", out.pid));
	EXPECT_EQ(2, bc_get(self->def, "numtasks/held"));

	EXPECT_EQ(3, bc_make_n(in, 3));
	EXPECT_EQ(-ENFILE, bc_make(in));
	EXPECT_EQ(10, bc_make_n(out, 10));
	EXPECT_EQ(3, bc_get(a, "g/numfiles/held"));
	EXPECT_EQ(1, bc_get(a, "g/numfiles/failcnt"));
	/* Elsewhere in the default, it is refused all the same. */
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", in.pid));
	EXPECT_EQ(-ENFILE, bc_make(in));
	bc_drop(in);
	EXPECT_EQ(2, bc_settle(a, "g/numfiles/held", 2));
	EXPECT_EQ(0, bc_make(in));
	/* Elsewhere here, it is not. */
	ASSERT_EQ(0, bc_write(a, "tasks", "%d", in.pid));
	EXPECT_EQ(0, bc_make(in));
	EXPECT_EQ(3, bc_get(a, "g/numfiles/held"));
	bc_worker_kill(in);
	bc_worker_kill(out);
	EXPECT_EQ(0, bc_settle(a, "g/numfiles/held", 0));
}

/* Where @pid is: a digit for each group, from 1 to @n - 1, that lists it. */
static int where(char (*group)[96], int n, const char *file, pid_t pid)
{
	int i, digits = 0;

	for (i = 1; i < n; i++) {
		if (bc_count(group[i], file, pid) == 1)
			digits = digits * 10 + i;
		else if (bc_count(group[i], file, pid))
			digits = -1;
	}
	return digits;
}

TEST_F(hier, independent)
{
	char g[9][96] = { "" };	/* 1, 2: default; 3 to 5: a; 6 to 8: b */
	char *a = self->h[0], *b = self->h[1];
	pid_t p = bc_spawn(), q = bc_spawn();

	ASSERT_EQ(0, mkdir(b, 0755));
	bc_path(g[1], BC_ROOT, "");
	bc_path(g[2], self->def, "");
	bc_path(g[3], a, "");
	bc_path(g[4], a, "x");
	bc_path(g[5], a, "y");
	bc_path(g[6], b, "");
	bc_path(g[7], b, "x");
	bc_path(g[8], b, "x/y");
	ASSERT_EQ(0, mkdir(g[2], 0755));
	ASSERT_EQ(0, mkdir(g[4], 0755));
	ASSERT_EQ(0, mkdir(g[5], 0755));
	ASSERT_EQ(0, mkdir(g[7], 0755));
	ASSERT_EQ(0, mkdir(g[8], 0755));

	EXPECT_EQ(136, where(g, 9, "tasks", p));
	ASSERT_EQ(0, bc_write(g[4], "tasks", "%d", p));
	EXPECT_EQ(146, where(g, 9, "tasks", p));
	ASSERT_EQ(0, bc_write(g[8], "tasks", "%d", p));
	EXPECT_EQ(148, where(g, 9, "tasks", p));
	ASSERT_EQ(0, bc_write(g[2], "tasks", "%d", p));
	EXPECT_EQ(248, where(g, 9, "threads", p));
	EXPECT_EQ(136, where(g, 9, "tasks", q));
	ASSERT_EQ(0, bc_write(g[5], "threads", "%d", q));
	EXPECT_EQ(156, where(g, 9, "tasks", q));
	ASSERT_EQ(0, bc_write(g[5], "tasks", "%d", p));
	EXPECT_EQ(258, where(g, 9, "tasks", p));
	EXPECT_EQ(2, bc_count(g[5], "tasks", 0));
	EXPECT_EQ(1, bc_count(g[8], "tasks", 0));
	EXPECT_EQ(-EBUSY, bc_rmdir(b, "x/y"));
	ASSERT_EQ(0, bc_write(g[7], "tasks", "%d", p));
	EXPECT_EQ(257, where(g, 9, "tasks", p));
	EXPECT_EQ(0, bc_rmdir(b, "x/y"));
	ASSERT_EQ(0, bc_write(a, "tasks", "%d", p));
	EXPECT_EQ(237, where(g, 8, "tasks", p));
	EXPECT_EQ(156, where(g, 8, "tasks", q));
	ASSERT_EQ(0, bc_write(b, "tasks", "%d", p));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", p));
	EXPECT_EQ(136, where(g, 8, "tasks", p));
	EXPECT_EQ(156, where(g, 8, "tasks", q));
	bc_reap(p);
	bc_reap(q);
}

/* Groups 1 to 6: x and y in the default, in a and in b. */
static char family[7][96];

static void make_family(struct __test_metadata *_metadata, const char *def,
			const char *a, const char *b)
{
	const char * const dir[] = { def, a, b };
	int i;

	ASSERT_EQ(0, mkdir(def, 0755));
	ASSERT_EQ(0, mkdir(b, 0755));
	for (i = 0; i < 6; i++) {
		bc_path(family[i + 1], dir[i / 2], i & 1 ? "y" : "x");
		ASSERT_EQ(0, mkdir(family[i + 1], 0755));
	}
}

static int join(const char *file)
{
	return bc_write(family[1], file, "0") ?: bc_write(family[4], file, "0") ?:
	       bc_write(family[5], file, "0");
}

static bool joined(void)
{
	return where(family, 7, "tasks", getpid()) == 145 &&
	       where(family, 7, "threads", syscall(SYS_gettid)) == 145;
}

static int namespaces(void *arg)
{
	static const int flags[] = {
		CLONE_FS, CLONE_FILES, CLONE_SYSVSEM, CLONE_NEWNS, CLONE_NEWUTS,
		CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWCGROUP, CLONE_NEWTIME,
		CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC, CLONE_NEWUSER,
		/* The last one: it has one child only. */
		CLONE_NEWPID,
	};
	int uts = open("/proc/self/ns/uts", O_RDONLY);
	int status, done = 0;
	size_t i;
	pid_t pid;

	if (join("tasks") || !joined())
		return 1;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		/* What is not configured is EINVAL. */
		if (!unshare(flags[i]))
			done++;
		else if (errno != EINVAL)
			return 2;
		if (!joined())
			return 10 + i;
		if (flags[i] == CLONE_NEWIPC && !setns(uts, 0) && !joined())
			return 3;
		/* Also children, who may be in another pid namespace. */
		pid = fork();
		if (pid == 0)
			_exit(!joined());
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			return 30 + i;
	}
	return done > 3 ? 0 : 4;
}

TEST_F(hier, fork_unshare_setns)
{
	if (bc_get("/proc/sys/kernel", "bc_clone_on_unshare") == 1)
		SKIP(return, "kernel.bc_clone_on_unshare is set");
	make_family(_metadata, self->def, self->h[0], self->h[1]);
	EXPECT_EQ(0, bc_in_child(namespaces, NULL));
}

static int clone_flags(void *arg)
{
	struct clone_args args = {
		.flags = *(int *)arg, .exit_signal = SIGCHLD,
	};
	int status;
	pid_t pid;

	if (join("tasks"))
		return 1;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		syscall(SYS_exit_group, !joined());
	if (pid < 0)
		return errno == EINVAL ? 0 : 2;
	waitpid(pid, &status, 0);
	return status ? 3 : 0;
}

TEST_F(hier, clone)
{
	static int flags[] = {
		0, CLONE_FILES | CLONE_FS, CLONE_VFORK, CLONE_NEWNS,
		CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWUSER,
	};
	size_t i;

	if (bc_get("/proc/sys/kernel", "bc_clone_on_unshare") == 1)
		SKIP(return, "kernel.bc_clone_on_unshare is set");
	make_family(_metadata, self->def, self->h[0], self->h[1]);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_EQ(0, bc_in_child(clone_flags, &flags[i])) {
			TH_LOG("flags %x", flags[i]);
		}
	}
}

static void *exec_elsewhere(void *arg)
{
	/* In another group than the leader, in one hierarchy. */
	if (bc_write(family[3], "threads", "0"))
		_exit(1);
	execl("/bin/sh", "sh", "-c", "read x", NULL);
	_exit(1);
	return arg;
}

static void check_exec(struct __test_metadata *_metadata, bool leader)
{
	pthread_t thread;
	char dir[32], comm[32] = "";
	double end = bc_now() + 60;
	int fd[2], i;
	pid_t pid;

	ASSERT_EQ(0, pipe(fd));
	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		dup2(fd[0], 0);
		close(fd[1]);
		if (join("tasks"))
			_exit(1);
		if (leader)
			exec_elsewhere(NULL);
		pthread_create(&thread, NULL, exec_elsewhere, NULL);
		for (;;)
			pause();
	}
	close(fd[0]);
	snprintf(dir, sizeof(dir), "/proc/%d", pid);
	while (bc_now() < end) {
		if (!bc_read(dir, "comm", comm, sizeof(comm)) &&
		    !strcmp(comm, "sh\n"))
			break;
		usleep(2000);
	}
	EXPECT_STREQ("sh\n", comm);
	/* As the thread was, which has the leader's id now. */
	EXPECT_EQ(135, where(family, 7, "tasks", pid));
	EXPECT_EQ(135, where(family, 7, "threads", pid));
	EXPECT_EQ(0, bc_count(family[4], "threads", 0));
	EXPECT_EQ(1, bc_count(family[1], "threads", 0));
	close(fd[1]);
	waitpid(pid, NULL, 0);
	/* Nothing holds them any more. */
	for (i = 1; i <= 6; i++) {
		EXPECT_EQ(0, rmdir(family[i])) {
			TH_LOG("%s", family[i]);
		}
		EXPECT_EQ(0, mkdir(family[i], 0755));
	}
}

TEST_F(hier, exec)
{
	make_family(_metadata, self->def, self->h[0], self->h[1]);
	check_exec(_metadata, true);
	check_exec(_metadata, false);
}

TEST_F(hier, one_thread)
{
	char *a = self->h[0], g[128];
	pid_t pid, tid[3];
	int i;

	ASSERT_EQ(0, bind_to(a, "numtasks"));
	ASSERT_EQ(0, bc_mkdir(a, "g"));
	ASSERT_EQ(0, mkdir(self->def, 0755));
	bc_path(g, a, "g");
	pid = bc_spawn_threads(3, tid);
	ASSERT_LT(0, pid);

	ASSERT_EQ(0, bc_write(g, "threads", "%d", tid[1]));
	EXPECT_EQ(1, bc_count(g, "threads", 0));
	EXPECT_EQ(1, bc_get(g, "numtasks/held"));
	/* The process is in both, in that hierarchy; in the default in one. */
	EXPECT_EQ(1, bc_count(g, "tasks", pid));
	EXPECT_EQ(1, bc_count(a, "tasks", pid));
	EXPECT_EQ(1, bc_count(BC_ROOT, "tasks", pid));
	ASSERT_EQ(0, bc_write(self->def, "tasks", "%d", tid[2]));
	EXPECT_EQ(4, bc_count(self->def, "threads", 0));
	EXPECT_EQ(0, bc_count(BC_ROOT, "tasks", pid));
	EXPECT_EQ(1, bc_count(g, "threads", 0));
	EXPECT_EQ(1, bc_count(g, "threads", tid[1]));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(i != 1, bc_count(a, "threads", tid[i]));
	bc_reap(pid);
	EXPECT_EQ(0, bc_get(g, "numtasks/held"));
}

/* Threads are all over one hierarchy, and move together in another. */
TEST_F(hier, threads_keep)
{
	char *a = self->h[0], *b = self->h[1], file[32];
	pid_t pid, tid[5];
	int i;

	ASSERT_EQ(0, mkdir(b, 0755));
	ASSERT_EQ(0, bind_to(a, "numtasks"));
	ASSERT_EQ(0, bc_mkdir(b, "x"));
	ASSERT_EQ(0, mkdir(self->def, 0755));
	pid = bc_spawn_threads(4, tid);
	ASSERT_LT(0, pid);
	tid[4] = pid;
	/* The fifth, the leader, stays in the root of a. */
	for (i = 0; i < 4; i++) {
		snprintf(file, sizeof(file), "g%d", i);
		ASSERT_EQ(0, bc_mkdir(a, file));
		snprintf(file, sizeof(file), "g%d/threads", i);
		ASSERT_EQ(0, bc_write(a, file, "%d", tid[i]));
	}
	ASSERT_EQ(0, bc_write(b, "x/threads", "%d", tid[2]));

	ASSERT_EQ(0, bc_write(b, "x/tasks", "%d", tid[1]));
	ASSERT_EQ(0, bc_write(self->def, "tasks", "%d", pid));
	EXPECT_EQ(5, bc_count(b, "x/threads", 0));
	EXPECT_EQ(5, bc_count(self->def, "threads", 0));
	EXPECT_EQ(0, bc_count(b, "tasks", pid));
	for (i = 0; i < 4; i++) {
		snprintf(file, sizeof(file), "g%d/threads", i);
		EXPECT_EQ(1, bc_count(a, file, 0));
		EXPECT_EQ(1, bc_count(a, file, tid[i]));
		snprintf(file, sizeof(file), "g%d/numtasks/held", i);
		EXPECT_EQ(1, bc_get(a, file));
	}
	EXPECT_EQ(1, bc_count(a, "threads", pid));

	/* Out again; then all to one group of a. */
	ASSERT_EQ(0, bc_write(b, "tasks", "%d", pid));
	EXPECT_EQ(0, bc_count(b, "x/threads", 0));
	ASSERT_EQ(0, bc_write(a, "g2/tasks", "%d", pid));
	EXPECT_EQ(5, bc_get(a, "g2/numtasks/held"));
	EXPECT_EQ(0, bc_get(a, "g1/numtasks/held"));
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(1, bc_count(a, "g2/threads", tid[i]));
		EXPECT_EQ(1, bc_count(b, "threads", tid[i]));
		EXPECT_EQ(1, bc_count(self->def, "threads", tid[i]));
	}
	bc_reap(pid);
	EXPECT_EQ(0, bc_get(a, "g2/numtasks/held"));
}

/* Lives shortly, and has a successor before it ends. */
static void *relay(void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;

	usleep(3000);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	while (pthread_create(&thread, &attr, relay, NULL))
		usleep(1000);
	return arg;
}

/* A process that makes threads is moved in two hierarchies in turn. */
TEST_F_TIMEOUT(hier, move_while_creating_threads, 300)
{
	int i, moves = getenv("BC_MOVES") ? atoi(getenv("BC_MOVES")) : 60;
	char g[2][2][96];
	pthread_t thread;
	double end;
	pid_t pid;

	ASSERT_EQ(0, mkdir(self->h[1], 0755));
	ASSERT_EQ(0, bind_to(self->h[0], "numtasks"));
	for (i = 0; i < 4; i++) {
		bc_path(g[i / 2][i % 2], self->h[i / 2], i % 2 ? "y" : "x");
		ASSERT_EQ(0, mkdir(g[i / 2][i % 2], 0755));
	}
	ASSERT_EQ(0, mkdir(self->def, 0755));

	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		if (bc_write(g[0][0], "tasks", "0") ||
		    bc_write(g[1][0], "tasks", "0") ||
		    bc_write(self->def, "tasks", "0"))
			_exit(1);
		for (i = 0; i < 3; i++)
			pthread_create(&thread, NULL, relay, NULL);
		for (;;)
			pause();
	}
	end = bc_now() + 60;
	while (bc_get(g[0][0], "numtasks/held") < 4 && bc_now() < end)
		usleep(5000);
	/* It may have been one too many for a moment; all come soon. */
	ASSERT_GT(end, bc_now());

	for (i = 0; i < moves; i++) {
		/* a, b, a, b; to y, y, x, x. */
		char (*h)[96] = g[i & 1];
		int to = !(i & 2);

		ASSERT_EQ(0, bc_write(h[to], "tasks", "%d", pid));
		ASSERT_EQ(0, bc_count(h[!to], "threads", 0)) {
			TH_LOG("left behind at move %d", i);
		}
		ASSERT_EQ(0, bc_count(self->h[i & 1], "tasks", pid));
		ASSERT_EQ(0, bc_count(BC_ROOT, "tasks", pid));
		/* A thread that is not there yet may still be charged. */
		ASSERT_EQ(0, bc_settle(g[0][!to], "numtasks/held", 0));
		/* The other hierarchy is as it was. */
		h = g[!(i & 1)];
		to = i & 1 ? to : !to;
		ASSERT_EQ(1, bc_count(h[to], "tasks", pid)) {
			TH_LOG("move %d", i);
		}
		ASSERT_EQ(0, bc_count(h[!to], "threads", 0)) {
			TH_LOG("move %d", i);
		}
	}
	bc_reap(pid);
	EXPECT_EQ(0, bc_get(g[0][0], "numtasks/held"));
	EXPECT_EQ(0, bc_get(g[0][1], "numtasks/held"));
	EXPECT_EQ(0, rmdir(g[1][0]));
	EXPECT_EQ(0, rmdir(g[1][1]));
}

TEST_F(hier, sixteen)
{
	int i, n, made = 1, css_groups = bc_rest_css_groups();
	char *copy = strdup(self->all), *name, *save;
	struct bc_proc p;
	pid_t pid, tid;

	ASSERT_EQ(0, bc_proc(&p));
	n = BC_NR_HIERARCHIES - p.nr_hierarchies + 1;
	while (made < n) {
		ASSERT_EQ(0, mkdir(self->h[made], 0755)) {
			TH_LOG("%d: %s", made, strerror(errno));
		}
		made++;
	}
	EXPECT_EQ(-ENOSPC, bc_mkdir(BC_HIERARCHIES, "selftest-one-too-many"));
	EXPECT_EQ(-ENOSPC, bc_mkdir(BC_HIERARCHIES, "selftest-one-too-many"));
	EXPECT_EQ(-ENOENT, bc_rmdir(BC_HIERARCHIES, "selftest-one-too-many"));
	ASSERT_EQ(0, bc_proc(&p));
	EXPECT_EQ(BC_NR_HIERARCHIES, p.nr_hierarchies);
	/* There is room again for one. */
	ASSERT_EQ(0, rmdir(self->h[n / 2]));
	ASSERT_EQ(0, mkdir(self->h[n / 2], 0755));
	EXPECT_EQ(-ENOSPC, bc_mkdir(BC_HIERARCHIES, "selftest-one-too-many"));

	/* A controller to each, as far as there are any. */
	name = strtok_r(copy, "\n ", &save);
	for (i = 0; i < n && name; i++) {
		ASSERT_EQ(0, bind_to(self->h[i], name));
		EXPECT_EQ(3, seen(self->h[i], name));
		EXPECT_EQ(0, seen(BC_ROOT, name));
		name = strtok_r(NULL, "\n ", &save);
	}
	ASSERT_EQ(0, bc_proc(&p));

	/* Groups in all of them; a process, its thread and its child. */
	pid = bc_spawn_threads(1, &tid);
	ASSERT_LT(0, pid);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, bc_mkdir(self->h[i], "g"));
		ASSERT_EQ(0, bc_write(self->h[i], "g/tasks", "%d", pid));
	}
	for (i = 0; i < n; i++)
		EXPECT_EQ(2, bc_count(self->h[i], "g/threads", 0));
	EXPECT_EQ(1, bc_count(BC_ROOT, "tasks", pid));
	EXPECT_EQ(css_groups + 1, bc_settle_css_groups(css_groups + 1));
	bc_reap(pid);
	EXPECT_EQ(css_groups, bc_settle_css_groups(css_groups));
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, bc_rmdir(self->h[i], "g"));
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, rmdir(self->h[i]));
	EXPECT_STREQ(self->all, controllers(BC_ROOT));
}

enum {
	NR_GROUPS	= 100,	/* in each of three hierarchies */
	NR_TASKS	= 300,
};

struct spread {
	pid_t pid;
	int combination;	/* three numbers, 0 to NR_GROUPS, 0 is the root */
};

static int group_of(const struct spread *s, int h)
{
	int c = s->combination;

	while (h--)
		c /= NR_GROUPS + 1;
	return c % (NR_GROUPS + 1);
}

static int compare(const void *a, const void *b)
{
	const struct spread *s = a, *t = b;

	return s->combination - t->combination;
}

/* How many combinations there are, the roots not counted. Sorts. */
static int distinct(struct spread *s, int n)
{
	int i, count = 0;

	qsort(s, n, sizeof(*s), compare);
	for (i = 0; i < n; i++) {
		if (s[i].combination &&
		    (!i || s[i].combination != s[i - 1].combination))
			count++;
	}
	return count;
}

/* Move it to group @g of hierarchy @root, and write that down. */
static int put(const char *root, struct spread *s, int h, int g)
{
	int i, unit = 1, err;
	char file[32];

	for (i = 0; i < h; i++)
		unit *= NR_GROUPS + 1;
	snprintf(file, sizeof(file), g ? "g%d/tasks" : "tasks", g);
	err = bc_write(root, file, "%d", s->pid);
	if (!err)
		s->combination += (g - group_of(s, h)) * unit;
	return err;
}

TEST_F_TIMEOUT(hier, css_groups, 600)
{
	const char *root[3] = { self->def, self->h[0], self->h[1] };
	const char *env = getenv("BC_TASKS");
	int n = env ? atoi(env) : NR_TASKS;
	static struct spread s[NR_TASKS];
	unsigned int seed = getpid();
	int i, h, g, base, want;
	char file[32];

	n = n > NR_TASKS ? NR_TASKS : n;
	ASSERT_EQ(0, mkdir(self->h[1], 0755));
	ASSERT_EQ(0, bind_to(self->h[0], "numtasks"));
	ASSERT_EQ(0, bind_to(self->h[1], "numfiles"));
	ASSERT_EQ(0, mkdir(self->def, 0755));
	for (g = 1; g <= NR_GROUPS; g++) {
		snprintf(file, sizeof(file), "g%d", g);
		for (h = 0; h < 3; h++)
			ASSERT_EQ(0, bc_mkdir(root[h], file));
	}
	base = bc_rest_css_groups();
	ASSERT_LE(0, base);
	TH_LOG("seed %u, %d css_groups before", seed, base);

	/*
	 * Each anywhere; then in few groups, so that many share. What is the root
	 * here is a group in the default: there, nobody is in the real one.
	 */
	for (i = 0; i < n; i++) {
		s[i].pid = bc_spawn();
		ASSERT_LT(0, s[i].pid);
	}
	for (i = 0; i < n; i++) {
		for (h = 0; h < 3; h++) {
			if (h && !(rand_r(&seed) % 10))
				continue;
			g = 1 + rand_r(&seed) % NR_GROUPS;
			ASSERT_EQ(0, put(root[h], &s[i], h, g));
		}
	}
	want = distinct(s, n);
	EXPECT_EQ(base + want, bc_settle_css_groups(base + want));
	for (h = 0; h < 3; h++) {
		int in[NR_GROUPS + 1] = { 0 };

		for (i = 0; i < n; i++)
			in[group_of(&s[i], h)]++;
		for (g = 1; g <= NR_GROUPS; g++) {
			snprintf(file, sizeof(file), "g%d/tasks", g);
			EXPECT_EQ(in[g], bc_count(root[h], file, 0));
			if (h != 1)
				continue;
			snprintf(file, sizeof(file), "g%d/numtasks/held", g);
			EXPECT_EQ(in[g], bc_get(root[h], file));
		}
	}

	for (i = 0; i < n; i++) {
		for (h = 0; h < 3; h++) {
			g = 1 + rand_r(&seed) % 3;
			ASSERT_EQ(0, put(root[h], &s[i], h, g));
		}
	}
	want = distinct(s, n);
	EXPECT_GE(27, want);
	EXPECT_EQ(base + want, bc_settle_css_groups(base + want));

	/* Half of them leave, in one hierarchy after the other; the rest dies. */
	for (h = 0; h < 3; h++) {
		for (i = 0; i < n / 2; i++)
			ASSERT_EQ(0, put(h ? root[h] : BC_ROOT, &s[i], h, 0));
	}
	want = distinct(s, n);
	EXPECT_EQ(base + want, bc_settle_css_groups(base + want));
	for (i = 0; i < n; i++)
		bc_reap(s[i].pid);
	EXPECT_EQ(base, bc_settle_css_groups(base));
	for (g = 1; g <= NR_GROUPS; g++) {
		snprintf(file, sizeof(file), "g%d", g);
		for (h = 0; h < 3; h++)
			EXPECT_EQ(0, bc_rmdir(root[h], file));
	}
}

/* Files outlive their group, and are closed when numfiles is elsewhere. */
TEST_F(hier, outlive_binding)
{
	struct bc_worker w = bc_worker_start(&bc_file);
	char *a = self->h[0], *b = self->h[1];
	int i;

	ASSERT_LT(0, w.pid);
	ASSERT_EQ(0, mkdir(b, 0755));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, bind_to(a, "numfiles"));
		ASSERT_EQ(0, bc_mkdir(a, "g"));
		ASSERT_EQ(0, bc_mkdir(a, "g/k"));
		ASSERT_EQ(0, bc_write(a, "g/k/tasks", "%d", w.pid));
		EXPECT_EQ(5, bc_make_n(w, 5));
		ASSERT_EQ(0, bc_write(a, "tasks", "%d", w.pid));
		ASSERT_EQ(0, bc_rmdir(a, "g/k"));
		EXPECT_EQ(5, bc_get(a, "g/numfiles/held"));
		ASSERT_EQ(0, bc_rmdir(a, "g"));

		ASSERT_EQ(0, bind_to(b, "numfiles"));
		ASSERT_EQ(0, bc_mkdir(b, "g"));
		EXPECT_EQ(0, bc_get(b, "g/numfiles/held"));
		ASSERT_EQ(0, bc_write(b, "g/numfiles/limit", "2"));
		ASSERT_EQ(0, bc_write(b, "g/tasks", "%d", w.pid));
		EXPECT_EQ(2, bc_make_n(w, 2));
		EXPECT_EQ(-ENFILE, bc_make(w));
		EXPECT_EQ(2, bc_get(b, "g/numfiles/held"));
		/* Two of them are this group's. */
		bc_drop(w);
		bc_drop(w);
		EXPECT_EQ(0, bc_settle(b, "g/numfiles/held", 0));
		if (i)
			bc_drop(w);
		if (i == 1)
			bc_drop_all(w);
		EXPECT_EQ(0, bc_get(b, "g/numfiles/held"));
		EXPECT_EQ(0, bc_get(b, "g/numfiles/minheld"));
		EXPECT_EQ(2, bc_make_n(w, 2));
		EXPECT_EQ(-ENFILE, bc_make(w));
		ASSERT_EQ(0, bc_write(b, "tasks", "%d", w.pid));
		/* Removed while it still holds, and while some of a's may too. */
		ASSERT_EQ(0, bc_rmdir(b, "g"));

		if (i == 2)
			ASSERT_EQ(0, rmdir(b));
		ASSERT_EQ(0, bind_to(a, "\n"));
		ASSERT_EQ(0, mkdir(self->def, 0755));
		if (i == 2) {
			EXPECT_EQ(0, bc_get(self->def, "numfiles/held"));
			bc_drop_all(w);
			EXPECT_EQ(0, bc_get(self->def, "numfiles/held"));
		}
		ASSERT_EQ(0, rmdir(self->def));
	}
	bc_worker_kill(w);
}

/* What went wrong in a child of a race, and how often all went well. */
static struct race {
	int wrong;
	int done[3];
} *race;

static void note(int kind, int err, int allowed, int allowed_too)
{
	if (!err)
		race->done[kind]++;
	else if (err != allowed && err != allowed_too)
		race->wrong = err;
}

static void race_start(void)
{
	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* The roots of a race, and a group in each. */
static char roots[3][96], groups[3][96];

static void binder(const char *dir)
{
	static const char * const lists[] = {
		"\n", "numtasks", "numfiles", "numfiles numtasks",
	};

	note(0, bind_to(roots[1 + rand() % 2], lists[rand() % 4]), -EBUSY, 0);
}

static void maker(const char *dir)
{
	const char *g = groups[rand() % 3];

	note(1, mkdir(g, 0755) ? -errno : 0, -EEXIST, 0);
	usleep(rand() % 500);
	/* When it is busy, it stays for a while. */
	note(2, rmdir(g) ? -errno : 0, -EBUSY, 0);
	usleep(rand() % 500);
}

TEST_F_TIMEOUT(hier, race_bind, 300)
{
	char *copy = strdup(self->all), *name, *save, file[PATH_MAX];
	int i, j, in, listed, attached = 0;
	double end = bc_end_time(2);
	pid_t child[2];
	struct bc_proc p;

	ASSERT_EQ(0, mkdir(self->h[1], 0755));
	bc_path(roots[0], BC_ROOT, "");
	bc_path(groups[0], self->def, "");
	for (i = 1; i < 3; i++) {
		bc_path(roots[i], self->h[i - 1], "");
		bc_path(groups[i], roots[i], "g");
	}
	race_start();
	child[0] = bc_background(binder, NULL);
	child[1] = bc_background(maker, NULL);
	for (i = 0; bc_goes_on(end, race->done[0] && race->done[2] && attached); i++) {
		pid_t pid = fork();
		int err;

		if (pid == 0) {
			/* Forks in there, a few times. */
			for (j = 0; j < 5; j++) {
				pid = fork();
				if (pid == 0)
					_exit(0);
				if (pid > 0)
					waitpid(pid, NULL, 0);
			}
			_exit(0);
		}
		/* A group is there for a moment only. */
		for (j = 0; j < 60; j++) {
			err = bc_write(groups[(i + j) % 3], "tasks", "%d", pid);
			attached += !err;
			EXPECT_TRUE(!err || err == -ENOENT || err == -ESRCH) {
				TH_LOG("attach: %s", strerror(-err));
			}
		}
		waitpid(pid, NULL, 0);
		ASSERT_EQ(0, bc_proc(&p));
	}
	bc_reap(child[0]);
	bc_reap(child[1]);
	TH_LOG("%d bound, %d made, %d removed, %d attached", race->done[0],
	       race->done[1], race->done[2], attached);
	EXPECT_EQ(0, race->wrong) {
		TH_LOG("%s", strerror(-race->wrong));
	}
	EXPECT_LT(0, race->done[0]);
	EXPECT_LT(0, race->done[2]);
	EXPECT_LT(0, attached);

	/* Each controller is in one hierarchy: listed, and its directory. */
	for (name = strtok_r(copy, "\n ", &save); name;
	     name = strtok_r(NULL, "\n ", &save)) {
		in = 0;
		listed = 0;
		for (i = 0; i < 3; i++) {
			in += seen(roots[i], name);
			listed += has(controllers(roots[i]), name);
			if (!bc_is_group(groups[i]))
				continue;
			EXPECT_EQ(seen(roots[i], name), seen(groups[i], name));
			if (!seen(groups[i], name) || strncmp(name, "num", 3))
				continue;
			snprintf(file, sizeof(file), "%s/held", name);
			EXPECT_EQ(0, bc_settle(groups[i], file, 0)) {
				TH_LOG("%s/%s", groups[i], file);
			}
		}
		EXPECT_EQ(3, in) {
			TH_LOG("%s", name);
		}
		EXPECT_EQ(1, listed) {
			TH_LOG("%s", name);
		}
	}
	ASSERT_EQ(0, bc_proc(&p));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, rmdir(groups[i]) && errno != ENOENT) {
			TH_LOG("%s", groups[i]);
		}
	}
	EXPECT_EQ(0, bind_to(roots[1], "\n"));
	EXPECT_EQ(0, bind_to(roots[2], "\n"));
	EXPECT_STREQ(self->all, controllers(BC_ROOT));
}

static void inner_maker(const char *dir)
{
	note(0, bc_mkdir(dir, "g"), -ENOENT, 0);
	note(1, bc_rmdir(dir, "g"), -ENOENT, 0);
}

TEST_F_TIMEOUT(hier, race_rmdir, 300)
{
	int removed = 0, not_empty = 0, bound = 0, other = 0;
	double end = bc_end_time(2);
	char *a = self->h[0];
	pid_t child;

	race_start();
	child = bc_background(inner_maker, a);
	while (bc_goes_on(end, removed && race->done[0])) {
		int err = bind_to(a, "numfiles");

		bound += !err;
		other += err && err != -EBUSY;
		err = rmdir(a) ? -errno : 0;
		if (!err) {
			removed++;
			ASSERT_EQ(0, mkdir(a, 0755));
		} else if (err == -ENOTEMPTY) {
			not_empty++;
		} else {
			other++;
		}
	}
	bc_reap(child);
	TH_LOG("%d groups made, %d removals, %d not empty, %d bound",
	       race->done[0], removed, not_empty, bound);
	EXPECT_EQ(0, race->wrong) {
		TH_LOG("%s", strerror(-race->wrong));
	}
	EXPECT_EQ(0, other);
	EXPECT_LT(0, removed);
	EXPECT_LT(0, race->done[0]);
	bc_rmdir(a, "g");
	EXPECT_EQ(0, rmdir(a));
	EXPECT_STREQ(self->all, controllers(BC_ROOT));
}

/* Long enough for a name to need an allocation of its own. */
static char long_name[128];

static int do_hierarchy(const char *dir)
{
	return mkdir(long_name, 0755) ? -errno : 0;
}

static void undo_hierarchy(const char *dir)
{
	rmdir(long_name);
}

static bool no_hierarchy(const char *dir)
{
	struct bc_proc p;

	return access(long_name, F_OK) && !bc_proc(&p) && p.nr_hierarchies == 3;
}

static int do_bind(const char *dir)
{
	return bc_write(dir, "controllers", "numfiles numtasks");
}

static void undo_bind(const char *dir)
{
	bc_write(dir, "controllers", "numtasks");
}

static bool not_bound(const char *dir)
{
	return !strcmp(controllers(dir), "numtasks\n") &&
	       seen(dir, "numtasks") == 3 && seen(dir, "numfiles") == 0 &&
	       seen(BC_ROOT, "numfiles") == 3 && seen(BC_ROOT, "numtasks") == 0;
}

static pid_t moved;

static int do_attach(const char *dir)
{
	return bc_write(dir, "g/tasks", "%d", moved);
}

static void undo_attach(const char *dir)
{
	bc_write(dir, "tasks", "%d", moved);
}

/* Where it was, in three hierarchies. */
static bool not_attached(const char *dir)
{
	return !bc_count(dir, "g/threads", 0) &&
	       bc_count(dir, "tasks", moved) == 1 &&
	       bc_count(groups[0], "tasks", moved) == 1 &&
	       bc_count(groups[1], "tasks", moved) == 1;
}

TEST_F_TIMEOUT(hier, failslab, 300)
{
	char *a = self->h[0], *b = self->h[1];
	struct bc_proc p;

	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	ASSERT_EQ(0, mkdir(b, 0755));
	ASSERT_EQ(0, bc_proc(&p));
	if (p.nr_hierarchies != 3)
		SKIP(return, "there are other hierarchies");

	snprintf(long_name, sizeof(long_name), "%s-and-some-more", a);
	bc_fail_each(_metadata, do_hierarchy, undo_hierarchy, no_hierarchy, NULL,
		     "mkdir of a hierarchy");
	EXPECT_EQ(0, mkdir(long_name, 0755));
	EXPECT_EQ(0, rmdir(long_name));

	ASSERT_EQ(0, bind_to(b, "numtasks"));
	bc_fail_each(_metadata, do_bind, undo_bind, not_bound, b, "binding");
	ASSERT_EQ(0, bind_to(a, "numfiles"));

	/* A combination that is new, for each of them. */
	ASSERT_EQ(0, mkdir(self->def, 0755));
	ASSERT_EQ(0, bc_mkdir(a, "g"));
	ASSERT_EQ(0, bc_mkdir(b, "g"));
	moved = bc_spawn();
	bc_path(groups[0], BC_ROOT, "");
	bc_path(groups[1], a, "g");
	ASSERT_EQ(0, bc_write(a, "g/tasks", "%d", moved));
	bc_fail_each(_metadata, do_attach, undo_attach, not_attached, b,
		     "attach in an extra hierarchy");
	EXPECT_EQ(0, bc_get(b, "g/numtasks/held"));
	ASSERT_EQ(0, bc_mkdir(self->def, "g"));
	ASSERT_EQ(0, bc_write(b, "g/tasks", "%d", moved));
	ASSERT_EQ(0, bc_write(self->def, "tasks", "%d", moved));
	bc_path(groups[0], b, "g");
	bc_fail_each(_metadata, do_attach, undo_attach, not_attached, self->def,
		     "attach in the default hierarchy");
	EXPECT_EQ(1, bc_get(b, "g/numtasks/held"));
	bc_reap(moved);
	EXPECT_EQ(0, bc_get(b, "g/numtasks/held"));
}

TEST_HARNESS_MAIN
