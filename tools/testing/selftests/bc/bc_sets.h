/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of cpuset and nodeset share. The rules of their lists are the
 * same, and so are the tests of these rules, which are here. Who includes this
 * defines before:
 *
 * SET_DIR		the controller
 * SET_LIST, SET_EFFECTIVE, SET_EXCLUSIVE
 *			its files, with its directory
 * SET_POSSIBLE, SET_USABLE
 *			where the kernel says what there is
 * SET_STATUS		which line of /proc/<pid>/status tells it
 *
 * A set is a long with a bit for each CPU or node. Those above 62 do not matter
 * here. Negative is -errno.
 */
#ifndef BC_SETS_H
#define BC_SETS_H

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "bc_cpus.h"
#include "bc_failslab.h"

#define SET_USER 12345
#define SET_TWO "needs two of them: CPUs 0 and 1, or nodes 0 and 1"
#define SET_RACE 4	/* seconds */

/* Wait until it is so, for a time in which even the slowest guest gets there. */
#define SET_POLL(cond) ({					\
	double poll_end = bc_now() + 60;			\
	bool poll_ok;						\
								\
	while (!(poll_ok = (cond)) && bc_now() < poll_end)	\
		usleep(20000);					\
	poll_ok;						\
})

static inline long set_parse(const char *p)
{
	long mask = 0, first, last;
	char *end;

	while (*p && *p != '\n') {
		first = strtol(p, &end, 10);
		if (end == p)
			return -EINVAL;
		last = first;
		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		for (; first <= last && first < 63; first++)
			mask |= 1L << first;
		p = *end == ',' ? end + 1 : end;
	}
	return mask;
}

static inline long set_get(const char *dir, const char *file)
{
	char buf[4096];
	int err = bc_read(dir, file, buf, sizeof(buf));

	return err ?: set_parse(buf);
}

static inline bool set_has(long set, long needed)
{
	return set >= 0 && (set & needed) == needed;
}

/* What a list in a task's status says: Cpus_allowed_list, Mems_allowed_list. */
static inline long set_status(pid_t tid, const char *field)
{
	size_t len = 0, n = strlen(field);
	long ret = -ESRCH;
	char *line = NULL;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (ret < 0 && getline(&line, &len, f) > 0) {
		if (!strncmp(line, field, n) && line[n] == ':')
			ret = set_parse(line + n + 1 + strspn(line + n + 1, "\t "));
	}
	free(line);
	fclose(f);
	return ret;
}

/*
 * Who is just being born is in the lists already, and may have another set until shortly
 * before it runs. Where tasks are made meanwhile, it is looked at once more, so often.
 */
static int set_patience;

/* -ESRCH or the like if there is no such task. */
static inline long set_is_wrong(pid_t tid, const char *field, long want)
{
	long mask;
	int i;

	for (i = 0; ; i++) {
		mask = set_status(tid, field);
		if (mask < 0 || mask == want || i >= set_patience)
			return mask < 0 ? mask : mask != want;
		usleep(10000);
	}
}

/* How many threads of a process have another set. Negative: there are no threads. */
static inline int set_wrong(pid_t pid, const char *field, long want)
{
	int wrong = 0, seen = 0;
	struct dirent *de;
	char path[64];
	long is_wrong;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (de = readdir(d))) {
		if (de->d_name[0] == '.')
			continue;
		is_wrong = set_is_wrong(atoi(de->d_name), field, want);
		if (is_wrong < 0)
			continue;	/* it has exited meanwhile */
		seen++;
		wrong += is_wrong;
	}
	if (d)
		closedir(d);
	return seen ? wrong : -ESRCH;
}

/* The same for all who are listed in a group; how many there are in @seen. */
static inline int set_wrong_in(const char *dir, const char *file, const char *field,
			       long want, int *seen)
{
	char path[PATH_MAX];
	int wrong = 0, id;
	long is_wrong;
	FILE *f;

	bc_path(path, dir, file);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	*seen = 0;
	while (fscanf(f, "%d", &id) == 1) {
		is_wrong = set_is_wrong(id, field, want);
		if (is_wrong < 0)
			continue;
		(*seen)++;
		wrong += is_wrong;
	}
	fclose(f);
	return wrong;
}

/* A child that does what it is told: it calls a function of ours. */
struct puppet {
	pid_t pid;
	int fd;
};

struct puppet_order {
	long (*fn)(long arg);
	long arg;
};

static inline struct puppet puppet_start(void)
{
	struct puppet p = { .pid = -1 };
	struct puppet_order o;
	int fd[2];
	long ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return p;
	p.pid = fork();
	if (p.pid == 0) {
		bc_die_with_parent();
		close(fd[0]);
		while (read(fd[1], &o, sizeof(o)) == sizeof(o)) {
			ret = o.fn(o.arg);
			if (write(fd[1], &ret, sizeof(ret)) != sizeof(ret))
				break;
		}
		_exit(0);
	}
	close(fd[1]);
	p.fd = fd[0];
	return p;
}

/* What @fn returns there; -EIO when it has died of it. */
static inline long puppet(struct puppet p, long (*fn)(long arg), long arg)
{
	struct puppet_order o = { .fn = fn, .arg = arg };
	long ret;

	if (send(p.fd, &o, sizeof(o), MSG_NOSIGNAL) != sizeof(o) ||
	    recv(p.fd, &ret, sizeof(ret), MSG_WAITALL) != sizeof(ret))
		return -EIO;
	return ret;
}

static inline void puppet_end(struct puppet p)
{
	bc_reap(p.pid);
	close(p.fd);
}

static inline void *set_idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* For puppets: threads more, that do nothing. */
static inline long set_add_threads(long n)
{
	pthread_t thread;

	while (n--) {
		if (pthread_create(&thread, NULL, set_idle, NULL))
			return -EAGAIN;
	}
	return 0;
}

/* For puppets: what a child of it, and a thread of that, have from the beginning. */
static inline void *set_status_thread(void *arg)
{
	*(long *)arg = set_status(syscall(SYS_gettid), SET_STATUS);
	return arg;
}

static inline long set_of_child(long thread_too)
{
	int status, fd[2];
	pthread_t thread;
	long mask = -1;
	pid_t pid;

	if (pipe(fd))
		return -errno;
	pid = fork();
	if (pid == 0) {
		if (!thread_too)
			mask = set_status(getpid(), SET_STATUS);
		else if (pthread_create(&thread, NULL, set_status_thread, &mask) ||
			 pthread_join(thread, NULL))
			_exit(1);
		_exit(write(fd[1], &mask, sizeof(mask)) != sizeof(mask));
	}
	close(fd[1]);
	if (read(fd[0], &mask, sizeof(mask)) != sizeof(mask))
		mask = -EIO;
	close(fd[0]);
	waitpid(pid, &status, 0);
	return mask;
}

/* For puppets: children that stay. */
static inline long set_add_children(long n)
{
	while (n--) {
		if (bc_spawn() < 0)
			return -EAGAIN;
	}
	return 0;
}

/* Some are below, in dir. */
FIXTURE(sets) {
	char dir[64];
	long possible;
	long usable;
	long online;		/* CPUs when it began */
	char mnt[64];		/* a cgroup file system, when a test has mounted it */
	char cg[96];		/* and a cgroup in it */
	bool v2;
	bool control;		/* cpuset was to be enabled in it */
	bool pressure;		/* memory_pressure_enabled is to be written 0 to */
	char ramfs[64];		/* is mounted there */
};

FIXTURE_SETUP(sets)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (access(BC_ROOT "/" SET_LIST, F_OK))
		SKIP(return, "no " SET_DIR " here");
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	self->possible = set_get("/", SET_POSSIBLE);
	self->usable = set_get("/", SET_USABLE);
	self->online = set_get("/", "sys/devices/system/cpu/online");
}

/* By the parent of who ran the test: that one may have died of it. */
FIXTURE_TEARDOWN_PARENT(sets)
{
	int cpu;

	for (cpu = 1; cpu < 63; cpu++) {
		if (self->online > 0 && self->online & 1L << cpu)
			bc_cpu_online(cpu, 1);
	}
	EXPECT_EQ(self->online, set_get("/", "sys/devices/system/cpu/online"));
	if (self->pressure)
		EXPECT_EQ(0, bc_write(BC_ROOT, "nodeset/memory_pressure_enabled",
				      "0"));
	/* It kills who is in there. */
	EXPECT_EQ(0, bc_remove(self->dir));
	if (self->ramfs[0]) {
		EXPECT_TRUE(SET_POLL(!umount(self->ramfs)));
		rmdir(self->ramfs);
	}
	if (!self->mnt[0])
		return;
	EXPECT_TRUE(SET_POLL(!rmdir(self->cg) || errno == ENOENT));
	if (self->control)
		EXPECT_EQ(0, bc_write(self->mnt, "cgroup.subtree_control",
				      "-cpuset"));
	EXPECT_TRUE(SET_POLL(!umount(self->mnt)));
	rmdir(self->mnt);
}

/*
 * A cgroup cpuset of our own, with all that there is. Version 1 if the kernel has
 * it: it keeps what it was told. Otherwise version 2. It has to be empty at the end.
 */
static inline int set_cgroup(struct _test_data_sets *self)
{
	char buf[512], path[128];

	snprintf(path, sizeof(path), "/tmp/selftest-cgroup-%d", getpid());
	if (mkdir(path, 0700))
		return -errno;
	snprintf(self->mnt, sizeof(self->mnt), "%.63s", path);
	snprintf(self->cg, sizeof(self->cg), "%s/selftest", self->mnt);
	if (!mount("none", self->mnt, "cgroup", 0, "cpuset")) {
		if (!mkdir(self->cg, 0755) &&
		    !bc_read(self->mnt, "cpuset.cpus", buf, sizeof(buf)) &&
		    !bc_write(self->cg, "cpuset.cpus", "%s", buf) &&
		    !bc_read(self->mnt, "cpuset.mems", buf, sizeof(buf)))
			return bc_write(self->cg, "cpuset.mems", "%s", buf);
		rmdir(self->cg);
		umount(self->mnt);
	}
	self->v2 = true;
	if (mount("none", self->mnt, "cgroup2", 0, NULL)) {
		rmdir(self->mnt);
		self->mnt[0] = '\0';
		return -ENODEV;
	}
	if (bc_read(self->mnt, "cgroup.controllers", buf, sizeof(buf)) ||
	    !strstr(buf, "cpuset"))
		return -ENODEV;
	if (bc_read(self->mnt, "cgroup.subtree_control", buf, sizeof(buf)))
		return -EIO;
	if (!strstr(buf, "cpuset")) {
		if (bc_write(self->mnt, "cgroup.subtree_control", "+cpuset"))
			return -EBUSY;
		self->control = true;
	}
	return mkdir(self->cg, 0755) ? -errno : 0;
}

TEST_F(sets, root_files)
{
	char want[4096], text[4096];

	/* What is in the machine, and what of it is there now. */
	ASSERT_EQ(0, bc_read("/", SET_POSSIBLE, want, sizeof(want)));
	ASSERT_EQ(0, bc_read(BC_ROOT, SET_LIST, text, sizeof(text)));
	EXPECT_STREQ(want, text);
	ASSERT_EQ(0, bc_read("/", SET_USABLE, want, sizeof(want)));
	ASSERT_EQ(0, bc_read(BC_ROOT, SET_EFFECTIVE, text, sizeof(text)));
	EXPECT_STREQ(want, text);
	EXPECT_EQ(1, bc_get(BC_ROOT, SET_EXCLUSIVE));

	/* Not to be changed, not even to what it is. */
	EXPECT_EQ(-EACCES, bc_write(BC_ROOT, SET_LIST, "0"));
	EXPECT_EQ(-EACCES, bc_write(BC_ROOT, SET_LIST, "\n"));
	EXPECT_EQ(-EACCES, bc_write(BC_ROOT, SET_EFFECTIVE, "0"));
	EXPECT_EQ(-EACCES, bc_write(BC_ROOT, SET_EXCLUSIVE, "0"));
	EXPECT_EQ(-EACCES, bc_write(BC_ROOT, SET_EXCLUSIVE, "1"));
	EXPECT_EQ(self->possible, set_get(BC_ROOT, SET_LIST));
	EXPECT_EQ(self->usable, set_get(BC_ROOT, SET_EFFECTIVE));
	EXPECT_EQ(1, bc_get(BC_ROOT, SET_EXCLUSIVE));
}

TEST_F(sets, new_groups)
{
	static const struct bc_file_mode files[] = {
		{ SET_LIST, 0644 }, { SET_EFFECTIVE, 0444 }, { SET_EXCLUSIVE, 0644 },
	};

	bc_expect_modes(_metadata, self->dir, files, ARRAY_SIZE(files));
	/* Unrestricted, as the parent is. */
	EXPECT_EQ(self->possible, set_get(self->dir, SET_LIST));
	EXPECT_EQ(self->usable, set_get(self->dir, SET_EFFECTIVE));
	EXPECT_EQ(0, bc_get(self->dir, SET_EXCLUSIVE));
	EXPECT_EQ(-EACCES, bc_write(self->dir, SET_EFFECTIVE, "0"));

	/* Restricted, as the parent is; later changes are not taken over. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/k"));
	EXPECT_EQ(1, set_get(self->dir, "a/k/" SET_LIST));
	EXPECT_EQ(1, set_get(self->dir, "a/k/" SET_EFFECTIVE));
	EXPECT_EQ(0, bc_get(self->dir, "a/k/" SET_EXCLUSIVE));
	EXPECT_EQ(self->possible, set_get(self->dir, SET_LIST));
	if (!set_has(self->usable, 3))
		return;		/* the rest needs two of them */
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	EXPECT_EQ(3, set_get(self->dir, "a/" SET_EFFECTIVE));
	EXPECT_EQ(1, set_get(self->dir, "a/k/" SET_LIST));
	EXPECT_EQ(1, set_get(self->dir, "a/k/" SET_EFFECTIVE));
}

TEST_F(sets, good_lists)
{
	static const struct {
		const char *text;
		long want;
	} lists[] = {
		{ "0", 1 }, { "0\n", 1 }, { "0-0", 1 }, { "0,0", 1 }, { " 0 ", 1 },
		{ "00", 1 }, { "1", 2 }, { "1-1\n", 2 }, { "0-1", 3 }, { "0,1", 3 },
		{ "1,0", 3 }, { "0-1,1", 3 }, { "1,0-1\n", 3 },
		/* As everywhere in the kernel: more than one separator, groups. */
		{ "0,,1", 3 }, { "1,", 2 }, { "0 1", 3 }, { "0-1:1/2", 1 },
	};
	char text[4000];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		if (!set_has(self->usable, lists[i].want))
			continue;
		/* So that it is changed by all means. */
		ASSERT_EQ(0, bc_write(self->dir, SET_LIST, "\n"));
		ASSERT_EQ(0, set_get(self->dir, SET_LIST));
		EXPECT_EQ(0, bc_write(self->dir, SET_LIST, "%s", lists[i].text)) {
			TH_LOG("'%s'", lists[i].text);
		}
		EXPECT_EQ(lists[i].want, set_get(self->dir, SET_LIST)) {
			TH_LOG("'%s'", lists[i].text);
		}
		EXPECT_EQ(lists[i].want, set_get(self->dir, SET_EFFECTIVE)) {
			TH_LOG("'%s'", lists[i].text);
		}
	}
	/* Much white space is no error. */
	ASSERT_EQ(0, bc_write(self->dir, SET_LIST, "\n"));
	memset(text, ' ', sizeof(text));
	text[3000] = '0';
	EXPECT_EQ(0, bc_write_text(self->dir, SET_LIST, text, sizeof(text)));
	EXPECT_EQ(1, set_get(self->dir, SET_LIST));
	/* What is read can be written. */
	ASSERT_EQ(0, bc_read(BC_ROOT, SET_LIST, text, sizeof(text)));
	EXPECT_EQ(0, bc_write(self->dir, SET_LIST, "%s", text));
	EXPECT_EQ(self->possible, set_get(self->dir, SET_LIST));
}

TEST_F(sets, bad_lists)
{
	static const char * const bad[] = {
		"x", "0x0", "0x", "0-", "-0", "-1", "-", "--", "0--1", "1-0", "5-2",
		"0-0-0", "0;0", "0.0", "+0", "0,x", "0 x", "x,0", "0,-1", "0-x",
		"0,1-0", "0:1/1", "0-0:", "0-0:1", "0-0:2/1", "0-0:0/0", "max", "~0",
		"0\n1", "0\nx",
	};
	static const char * const far[] = {
		"1000000", "0,1000000", "0-1000000", "1000000-1000001",
		"2147483648", "4294967295", "4294967296", "4294967297",
		"18446744073709551616", "99999999999999999999999999999999",
	};
	int err, above;
	size_t i;

	ASSERT_EQ(0, bc_write(self->dir, SET_LIST, "0"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, bc_write(self->dir, SET_LIST, "%s", bad[i])) {
			TH_LOG("'%s'", bad[i]);
		}
		ASSERT_EQ(1, set_get(self->dir, SET_LIST));
		ASSERT_EQ(1, set_get(self->dir, SET_EFFECTIVE));
	}
	EXPECT_EQ(-EINVAL, bc_write_text(self->dir, SET_LIST, "0\0001", 3));
	EXPECT_EQ(1, set_get(self->dir, SET_LIST));
	for (i = 0; i < ARRAY_SIZE(far); i++) {
		/* EOVERFLOW is what the kernel's lists say above 32 bits. */
		err = bc_write(self->dir, SET_LIST, "%s", far[i]);
		EXPECT_TRUE(err == -ERANGE || err == -EINVAL || err == -EOVERFLOW) {
			TH_LOG("'%s': %s", far[i], strerror(-err));
		}
		ASSERT_EQ(1, set_get(self->dir, SET_LIST));
	}
	/* One that the kernel could have, but that is not in this machine. */
	above = 64 - __builtin_clzl(self->possible);
	err = bc_write(self->dir, SET_LIST, "0,%d", above);
	EXPECT_TRUE(err == -ERANGE || err == -EINVAL) {
		TH_LOG("%d: %s", above, strerror(-err));
	}
	/* Refused as a whole, also where a part of it would be a change for good. */
	ASSERT_EQ(0, bc_write(self->dir, SET_LIST, "\n"));
	EXPECT_EQ(-EINVAL, bc_write(self->dir, SET_LIST, "0,x"));
	EXPECT_EQ(0, set_get(self->dir, SET_LIST));
	EXPECT_EQ(self->usable, set_get(self->dir, SET_EFFECTIVE));
}

TEST_F(sets, not_zero_or_one)
{
	static const char * const bad[] = {
		"2", "-1", "10", "x", "0x", "1x", "0 1", "\n", " ", "max", "on",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, bc_write(self->dir, SET_EXCLUSIVE, "%s", bad[i])) {
			TH_LOG("'%s'", bad[i]);
		}
		ASSERT_EQ(0, bc_get(self->dir, SET_EXCLUSIVE));
	}
	EXPECT_EQ(-ERANGE, bc_write(self->dir, SET_EXCLUSIVE, "18446744073709551616"));
	ASSERT_EQ(0, bc_get(self->dir, SET_EXCLUSIVE));
}

/* A child has no more than its parent, whoever is changed. */
TEST_F(sets, subset)
{
	struct puppet p = puppet_start();

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_LT(0, p.pid);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/k"));
	ASSERT_EQ(0, bc_write(self->dir, "a/k/tasks", "%d", p.pid));

	EXPECT_EQ(-EACCES, bc_write(self->dir, "a/k/" SET_LIST, "1"));
	EXPECT_EQ(-EACCES, bc_write(self->dir, "a/k/" SET_LIST, "0-1"));
	EXPECT_EQ(1, set_get(self->dir, "a/k/" SET_LIST));
	EXPECT_EQ(1, set_get(self->dir, "a/k/" SET_EFFECTIVE));
	EXPECT_EQ(1, set_status(p.pid, SET_STATUS));
	EXPECT_EQ(1, set_get(self->dir, "a/" SET_LIST));

	EXPECT_EQ(-EBUSY, bc_write(self->dir, "a/" SET_LIST, "1"));
	EXPECT_EQ(1, set_get(self->dir, "a/" SET_LIST));
	EXPECT_EQ(-EBUSY, bc_write(self->dir, "a/" SET_LIST, "\n"));
	EXPECT_EQ(1, set_get(self->dir, "a/" SET_LIST));
	EXPECT_EQ(1, set_get(self->dir, "a/" SET_EFFECTIVE));
	EXPECT_EQ(-EBUSY, bc_write(self->dir, SET_LIST, "1"));
	EXPECT_EQ(self->possible, set_get(self->dir, SET_LIST));
	EXPECT_EQ(1, set_status(p.pid, SET_STATUS));

	/* From above it can be widened, then below; back the other way round. */
	EXPECT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	EXPECT_EQ(1, set_status(p.pid, SET_STATUS));
	EXPECT_EQ(0, bc_write(self->dir, "a/k/" SET_LIST, "1"));
	EXPECT_EQ(-EBUSY, bc_write(self->dir, "a/" SET_LIST, "0"));
	EXPECT_EQ(3, set_get(self->dir, "a/" SET_LIST));
	EXPECT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "1"));
	EXPECT_EQ(2, set_status(p.pid, SET_STATUS));
	puppet_end(p);
}

TEST_F(sets, exclusive)
{
	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	if (bc_children(BC_ROOT, false) != 1)
		SKIP(return, "there are other groups");
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "1"));

	/* The parent first. */
	EXPECT_EQ(-EACCES, bc_write(self->dir, "a/" SET_EXCLUSIVE, "1"));
	EXPECT_EQ(0, bc_get(self->dir, "a/" SET_EXCLUSIVE));
	EXPECT_EQ(0, bc_write(self->dir, "a/" SET_EXCLUSIVE, "0"));
	ASSERT_EQ(0, bc_write(self->dir, SET_EXCLUSIVE, "1"));
	EXPECT_EQ(1, bc_get(self->dir, SET_EXCLUSIVE));
	/* Not while others have it, either of two. */
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "0-1"));
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "a/" SET_EXCLUSIVE, "1"));
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "b/" SET_EXCLUSIVE, "1"));
	EXPECT_EQ(0, bc_get(self->dir, "a/" SET_EXCLUSIVE));
	EXPECT_EQ(0, bc_get(self->dir, "b/" SET_EXCLUSIVE));
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "1"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_EXCLUSIVE, "1\n"));
	EXPECT_EQ(1, bc_get(self->dir, "a/" SET_EXCLUSIVE));
	EXPECT_EQ(0, bc_write(self->dir, "a/" SET_EXCLUSIVE, "1"));

	/* Then neither gets what the other has, who of them is exclusive or not. */
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "b/" SET_LIST, "0"));
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "b/" SET_LIST, "0-1"));
	EXPECT_EQ(2, set_get(self->dir, "b/" SET_LIST));
	EXPECT_EQ(2, set_get(self->dir, "b/" SET_EFFECTIVE));
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	EXPECT_EQ(1, set_get(self->dir, "a/" SET_LIST));
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_EXCLUSIVE, "1"));
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "b/" SET_LIST, "0-1"));
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "a/" SET_LIST, "1"));
	EXPECT_EQ(1, set_get(self->dir, "a/" SET_LIST));
	EXPECT_EQ(2, set_get(self->dir, "b/" SET_LIST));

	/* The parent last. */
	EXPECT_EQ(-EBUSY, bc_write(self->dir, SET_EXCLUSIVE, "0"));
	EXPECT_EQ(1, bc_get(self->dir, SET_EXCLUSIVE));

	/* Who comes later gets the rest. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "c"));
	EXPECT_EQ(self->possible & ~3L, set_get(self->dir, "c/" SET_LIST));
	EXPECT_EQ(-EINVAL, bc_write(self->dir, "c/" SET_LIST, "0"));
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_EXCLUSIVE, "0"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "d"));
	EXPECT_EQ(self->possible & ~1L, set_get(self->dir, "d/" SET_LIST));
	ASSERT_EQ(0, bc_rmdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "e"));
	EXPECT_EQ(self->possible, set_get(self->dir, "e/" SET_LIST));
	/* Not taken from those who had it before. */
	EXPECT_EQ(self->possible & ~1L, set_get(self->dir, "d/" SET_LIST));
	/* Below, it does not matter what the other branch does. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "b/k"));
	EXPECT_EQ(2, set_get(self->dir, "b/k/" SET_LIST));
	EXPECT_EQ(0, bc_write(self->dir, SET_EXCLUSIVE, "0"));
	EXPECT_EQ(0, bc_get(self->dir, SET_EXCLUSIVE));
}

/* Tasks need something, groups do not. */
TEST_F(sets, empty)
{
	struct puppet p = puppet_start();
	long base = set_status(p.pid, SET_STATUS);
	char path[PATH_MAX];

	ASSERT_LT(0, p.pid);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", p.pid));
	EXPECT_EQ(-ENOSPC, bc_write(self->dir, "a/" SET_LIST, "\n"));
	EXPECT_EQ(1, set_get(self->dir, "a/" SET_LIST));
	EXPECT_EQ(1, set_get(self->dir, "a/" SET_EFFECTIVE));
	EXPECT_EQ(1, set_status(p.pid, SET_STATUS));

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", p.pid));
	EXPECT_EQ(base, set_status(p.pid, SET_STATUS));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "\n"));
	bc_path(path, self->dir, "a");
	EXPECT_EQ(0, set_get(path, SET_LIST));
	EXPECT_EQ(self->usable, set_get(path, SET_EFFECTIVE));

	/* It stays where it was, with what it had. */
	EXPECT_EQ(-ENOSPC, bc_write(path, "tasks", "%d", p.pid));
	EXPECT_EQ(-ENOSPC, bc_write(path, "threads", "%d", p.pid));
	EXPECT_EQ(-ENOSPC, bc_write(path, "tasks", "0"));
	EXPECT_EQ(0, bc_count(path, "threads", 0));
	EXPECT_EQ(1, bc_count(self->dir, "tasks", p.pid));
	EXPECT_EQ(base, set_status(p.pid, SET_STATUS));
	/* A new group has what its parent has: nothing. */
	ASSERT_EQ(0, bc_mkdir(path, "k"));
	EXPECT_EQ(0, set_get(path, "k/" SET_LIST));
	EXPECT_EQ(-ENOSPC, bc_write(path, "k/tasks", "%d", p.pid));
	EXPECT_EQ(-EACCES, bc_write(path, "k/" SET_LIST, "0"));

	EXPECT_EQ(0, bc_write(path, SET_LIST, "0"));
	EXPECT_EQ(0, bc_write(path, "tasks", "%d", p.pid));
	EXPECT_EQ(1, set_status(p.pid, SET_STATUS));
	puppet_end(p);
}

static inline int set_stranger(void *arg)
{
	bc_become(SET_USER, SET_USER);
	if (bc_write(arg, SET_LIST, "0") != -EACCES)
		return 1;
	if (bc_write(arg, SET_EXCLUSIVE, "0") != -EACCES)
		return 2;
	if (bc_write(arg, SET_EFFECTIVE, "0") != -EACCES)
		return 3;
	/* Looking is free. */
	if (set_get(arg, SET_LIST) < 0 || set_get(arg, SET_EFFECTIVE) < 0)
		return 4;
	return bc_get(arg, SET_EXCLUSIVE) ? 5 : 0;
}

static inline int set_owner(void *arg)
{
	bc_become(SET_USER, SET_USER);
	/* What he was given, and not more: the parent has only the first. */
	if (bc_write(arg, "k/" SET_LIST, "\n") || bc_write(arg, "k/" SET_LIST, "0"))
		return 1;
	if (bc_write(arg, "k/" SET_LIST, "0-1") != -EACCES)
		return 2;
	return bc_write(arg, SET_LIST, "0-1") == -EACCES ? 0 : 3;
}

TEST_F(sets, users)
{
	char path[PATH_MAX];

	EXPECT_EQ(0, bc_in_child(set_stranger, self->dir));
	EXPECT_EQ(self->possible, set_get(self->dir, SET_LIST));
	if (!set_has(self->usable, 3))
		return;		/* the rest needs two of them */
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	bc_path(path, self->dir, "a");
	ASSERT_EQ(0, bc_write(path, SET_LIST, "0"));
	ASSERT_EQ(0, bc_mkdir(path, "k"));
	ASSERT_EQ(0, bc_chown(path, "k/" SET_LIST, SET_USER, SET_USER));
	EXPECT_EQ(0, bc_in_child(set_owner, path));
	EXPECT_EQ(1, set_get(path, "k/" SET_LIST));
}

/* Who is moved in has it at once, all threads, or the one that is moved. */
TEST_F(sets, move)
{
	struct puppet p = puppet_start();
	pid_t tid[2], pid;
	long base;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_LT(0, p.pid);
	base = set_status(p.pid, SET_STATUS);
	ASSERT_TRUE(set_has(base, 3));
	ASSERT_EQ(0, puppet(p, set_add_threads, 3));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "1"));
	EXPECT_EQ(0, bc_write(self->dir, "a/tasks", "%d", p.pid));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 1));
	EXPECT_EQ(0, bc_write(self->dir, "b/tasks", "%d", p.pid));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 2));
	EXPECT_EQ(0, bc_write(self->dir, "tasks", "%d", p.pid));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, base));
	EXPECT_EQ(0, bc_write(self->dir, "b/tasks", "%d", p.pid));
	EXPECT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", p.pid));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, base));
	puppet_end(p);

	/* Threads one by one; the others do not notice. */
	pid = bc_spawn_threads(2, tid);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, bc_write(self->dir, "a/threads", "%d", tid[0]));
	EXPECT_EQ(0, bc_write(self->dir, "b/threads", "%d", tid[1]));
	EXPECT_EQ(base, set_status(pid, SET_STATUS));
	EXPECT_EQ(1, set_status(tid[0], SET_STATUS));
	EXPECT_EQ(2, set_status(tid[1], SET_STATUS));
	EXPECT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	EXPECT_EQ(3, set_status(tid[0], SET_STATUS));
	EXPECT_EQ(2, set_status(tid[1], SET_STATUS));
	EXPECT_EQ(0, bc_write(self->dir, "b/tasks", "%d", pid));
	EXPECT_EQ(0, set_wrong(pid, SET_STATUS, 2));
	bc_reap(pid);
}

/* A change reaches all who are in the group, and nobody else. */
TEST_F(sets, change)
{
	struct puppet in = puppet_start(), below = puppet_start();
	struct puppet out = puppet_start();
	long base;
	int i;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	base = set_status(out.pid, SET_STATUS);
	ASSERT_EQ(0, puppet(in, set_add_threads, 3));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/k"));
	ASSERT_EQ(0, bc_write(self->dir, "a/k/" SET_LIST, "1"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", in.pid));
	ASSERT_EQ(0, bc_write(self->dir, "a/k/tasks", "%d", below.pid));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", out.pid));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "1"));
		EXPECT_EQ(0, set_wrong(in.pid, SET_STATUS, 2));
		EXPECT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
		EXPECT_EQ(0, set_wrong(in.pid, SET_STATUS, 3));
		EXPECT_EQ(2, set_status(below.pid, SET_STATUS));
		EXPECT_EQ(base, set_status(out.pid, SET_STATUS));
	}
	puppet_end(in);
	puppet_end(below);
	puppet_end(out);
}

/* Children and threads, and theirs, are born with it. */
TEST_F(sets, inherit)
{
	struct puppet p = puppet_start();

	ASSERT_LT(0, p.pid);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", p.pid));
	EXPECT_EQ(1, puppet(p, set_of_child, 0));
	EXPECT_EQ(1, puppet(p, set_of_child, 1));
	EXPECT_EQ(0, puppet(p, set_add_threads, 2));
	EXPECT_EQ(0, set_wrong(p.pid, SET_STATUS, 1));
	if (!set_has(self->usable, 3))
		return;		/* the rest needs two of them */
	/* What it is now, not what it was when the parent came in. */
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "1"));
	EXPECT_EQ(2, puppet(p, set_of_child, 0));
	EXPECT_EQ(2, puppet(p, set_of_child, 1));
	puppet_end(p);
}

/* A process that makes threads as fast as it can, up to 24; they stay. */
static inline pid_t set_thread_maker(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		bc_die_with_parent();
		set_add_threads(24);
		set_idle(NULL);
	}
	return pid;
}

/*
 * Meanwhile it is moved, and then the group is changed. A thread that is not
 * there yet when the others are told, and that copied its set before, would keep
 * the wrong one for ever: so it is enough to look after each write, and to look again.
 */
TEST_F_TIMEOUT(sets, storm_of_threads, 300)
{
	int i, err, rounds = 0, threads, written = 0;
	char path[64];
	struct stat st;
	double end;
	pid_t pid;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	set_patience = 100;
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "1"));
	end = bc_end_time(SET_RACE);
	do {
		pid = set_thread_maker();
		ASSERT_LT(0, pid);
		snprintf(path, sizeof(path), "/proc/%d/task", pid);
		if (rounds & 1)
			ASSERT_EQ(0, bc_write(self->dir, "b/tasks", "%d", pid));
		for (i = 0, threads = 0; threads < 25 || i & 1; i++) {
			/* The directory has a link for each of them, and two. */
			ASSERT_EQ(0, stat(path, &st));
			threads = st.st_nlink - 2;
			err = rounds & 1 ? bc_write(self->dir, "b/" SET_LIST,
						    i & 1 ? "1" : "0") :
			      bc_write(self->dir, i & 1 ? "b/tasks" : "a/tasks",
				       "%d", pid);
			ASSERT_EQ(0, err);
			ASSERT_EQ(0, set_wrong(pid, SET_STATUS, i & 1 ? 2 : 1)) {
				TH_LOG("round %d, write %d", rounds, i);
			}
			written++;
		}
		EXPECT_EQ(25, bc_count(self->dir, "b/threads", 0));
		EXPECT_EQ(0, set_wrong(pid, SET_STATUS, 2));
		bc_reap(pid);
		rounds++;
	} while (bc_now() < end || rounds < 2);
	TH_LOG("%d rounds, %d writes", rounds, written);
}

/* The same with children, which stay where their parent was when they were born. */
TEST_F_TIMEOUT(sets, storm_of_forks, 300)
{
	int seen_a = 0, seen_b = 0, rounds = 0, i;
	double end = bc_end_time(SET_RACE);
	char path[PATH_MAX];
	pid_t pid;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	set_patience = 100;
	do {
		ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
		ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
		ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
		ASSERT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "1"));
		pid = fork();
		if (pid == 0) {
			bc_die_with_parent();
			if (!bc_write(self->dir, "a/tasks", "0"))
				set_add_children(12);
			set_idle(NULL);
		}
		for (i = 0; bc_count(self->dir, "a/tasks", 0) +
			    bc_count(self->dir, "b/tasks", 0) < 13 && i < 1000; i++) {
			ASSERT_EQ(0, bc_write(self->dir, i & 1 ? "b/tasks" :
					      "a/tasks", "%d", pid));
			ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST,
					      i & 2 ? "0-1" : "0"));
			ASSERT_EQ(0, set_wrong_in(self->dir, "a/threads", SET_STATUS,
						  i & 2 ? 3 : 1, &seen_a));
			ASSERT_EQ(0, set_wrong_in(self->dir, "b/threads", SET_STATUS,
						  2, &seen_b));
		}
		EXPECT_GT(1000, i);
		ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
		EXPECT_EQ(0, set_wrong_in(self->dir, "a/threads", SET_STATUS, 1,
					  &seen_a));
		EXPECT_EQ(0, set_wrong_in(self->dir, "b/threads", SET_STATUS, 2,
					  &seen_b));
		EXPECT_EQ(13, seen_a + seen_b);
		bc_reap(pid);
		bc_path(path, self->dir, "a");
		ASSERT_EQ(0, bc_remove(path));
		bc_path(path, self->dir, "b");
		ASSERT_EQ(0, bc_remove(path));
		rounds++;
	} while (bc_now() < end);
	TH_LOG("%d rounds", rounds);
}

/*
 * The same between a group and the root, where nobody goes through the tasks, and which
 * has no list of its own to look at: each child looks for itself.
 */
struct set_born {
	int wrong;
	int in_root;
	int in_group;
};

static inline void set_bear(struct set_born *born, long usable)
{
	char group[PATH_MAX];
	pid_t pid = fork();

	if (pid == 0) {
		long has = set_status(getpid(), SET_STATUS) & usable;

		if (bc_group(0, 0, group, sizeof(group)))
			_exit(3);
		if (!strcmp(group, "/"))
			_exit(has == usable ? 1 : 0);
		_exit(has == 1 ? 2 : 0);
	}
	if (pid > 0) {
		int status = 0;

		waitpid(pid, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
			born->in_root++;
		else if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
			born->in_group++;
		else
			born->wrong++;
	}
}

TEST_F_TIMEOUT(sets, storm_to_the_root, 300)
{
	double end = bc_end_time(SET_RACE);
	struct set_born *born;
	pid_t pid;
	int i;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0"));
	born = mmap(NULL, sizeof(*born), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, born);
	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		for (;;)
			set_bear(born, self->usable);
	}
	for (i = 0; bc_now() < end || i < 20; i++) {
		ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
		usleep(i % 7 * 9000);
		ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", pid));
		usleep(i % 5 * 9000);
	}
	bc_reap(pid);
	TH_LOG("%d moves, born in the root %d, in the group %d", 2 * i, born->in_root,
	       born->in_group);
	EXPECT_EQ(0, born->wrong);
	EXPECT_LT(0, born->in_root);
	EXPECT_LT(0, born->in_group);
	munmap(born, sizeof(*born));
	ASSERT_EQ(0, bc_remove(self->dir));
	ASSERT_EQ(0, mkdir(self->dir, 0755));
}

static struct set_shared {
	int wrong;
	int done[4];
} *set_shared;

static inline void set_share(void)
{
	set_shared = mmap(NULL, sizeof(*set_shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* The only one who writes the child's list: it stays what it was written. */
static inline void set_write_child(const char *dir)
{
	static int i;
	long mask = i++ % 3 + 1, parent;
	int err = bc_write(dir, "a/k/" SET_LIST, mask == 1 ? "0" : mask == 2 ? "1" :
			   "0-1");

	if (err) {
		set_shared->wrong += err != -EACCES;
		set_shared->done[0]++;
		return;
	}
	set_shared->done[1]++;
	parent = set_get(dir, "a/" SET_LIST);
	set_shared->wrong += !set_has(parent, mask);
}

/* Two writers. Each sees, after it got its way, that the other has to respect it. */
TEST_F_TIMEOUT(sets, parent_against_child, 300)
{
	int i, err, refused = 0, done = 0;
	double end, latest;
	long child;
	pid_t pid;

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	set_share();
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/k"));
	ASSERT_EQ(0, bc_write(self->dir, "a/k/" SET_LIST, "0"));
	pid = bc_background(set_write_child, self->dir);
	end = bc_end_time(SET_RACE);
	latest = end + 60;
	for (i = 0; bc_now() < latest; i++) {
		long mask = i % 3 + 1;

		err = bc_write(self->dir, "a/" SET_LIST, mask == 1 ? "0" :
			       mask == 2 ? "1" : "0-1");
		if (err) {
			ASSERT_EQ(-EBUSY, err);
			refused++;
			continue;
		}
		done++;
		child = set_get(self->dir, "a/k/" SET_LIST);
		ASSERT_TRUE(child > 0 && !(child & ~mask)) {
			TH_LOG("%lx below %lx", child, mask);
		}
		if (bc_now() > end && refused && set_shared->done[0] &&
		    set_shared->done[1])
			break;
	}
	bc_reap(pid);
	TH_LOG("parent %d, refused %d, child %d, refused %d", done, refused,
	       set_shared->done[1], set_shared->done[0]);
	EXPECT_EQ(0, set_shared->wrong);
	EXPECT_LT(0, done);
	EXPECT_LT(0, refused);
	EXPECT_LT(0, set_shared->done[0]);
	EXPECT_LT(0, set_shared->done[1]);
	EXPECT_TRUE(set_has(set_get(self->dir, "a/" SET_LIST),
			    set_get(self->dir, "a/k/" SET_LIST)));
}

static pid_t set_victim;

static inline int set_do_write(const char *dir)
{
	return bc_write(dir, "a/" SET_LIST, "1");
}

static inline void set_undo_write(const char *dir)
{
	bc_write(dir, "a/" SET_LIST, "0-1");
}

static inline bool set_not_written(const char *dir)
{
	return set_get(dir, "a/" SET_LIST) == 3 &&
	       set_get(dir, "a/" SET_EFFECTIVE) == 3 &&
	       set_wrong(set_victim, SET_STATUS, 3) == 0;
}

static inline int set_do_attach(const char *dir)
{
	return bc_write(dir, "b/tasks", "%d", set_victim);
}

static inline void set_undo_attach(const char *dir)
{
	bc_write(dir, "a/tasks", "%d", set_victim);
}

static inline bool set_not_attached(const char *dir)
{
	return bc_count(dir, "b/threads", 0) == 0 &&
	       bc_count(dir, "a/tasks", set_victim) == 1 &&
	       set_wrong(set_victim, SET_STATUS, 3) == 0;
}

TEST_F_TIMEOUT(sets, failslab, 300)
{
	pid_t tid[2];

	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	/* By this name, lab/check-log knows whose failures are on purpose. */
	prctl(PR_SET_NAME, "test_failslab");
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "a/" SET_LIST, "0-1"));
	ASSERT_EQ(0, bc_write(self->dir, "b/" SET_LIST, "1"));
	set_victim = bc_spawn_threads(2, tid);
	ASSERT_LT(0, set_victim);
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", set_victim));
	bc_fail_each(_metadata, set_do_write, set_undo_write, set_not_written,
		     self->dir, "writing a list");
	EXPECT_TRUE(set_not_written(self->dir));
	bc_fail_each(_metadata, set_do_attach, set_undo_attach, set_not_attached,
		     self->dir, "attach");
	/* It still works when it may. */
	EXPECT_EQ(0, set_do_write(self->dir));
	EXPECT_EQ(0, set_wrong(set_victim, SET_STATUS, 2));
	set_undo_write(self->dir);
	EXPECT_EQ(0, set_do_attach(self->dir));
	EXPECT_EQ(0, set_wrong(set_victim, SET_STATUS, 2));
	bc_reap(set_victim);
}

/* Controllers in hierarchies of their own. The default one has no groups then. */
FIXTURE(apart) {
	char h[2][80];
	char def[80];
	long usable;
};

FIXTURE_SETUP(apart)
{
	const char *why;
	int i;

	if (!bc_bindable(&why))
		SKIP(return, "%s", why);
	if (access(BC_ROOT "/" SET_LIST, F_OK))
		SKIP(return, "no " SET_DIR " in the default hierarchy");
	self->usable = set_get("/", SET_USABLE);
	if (!set_has(self->usable, 3))
		SKIP(return, SET_TWO);
	snprintf(self->def, sizeof(self->def), BC_ROOT "/selftest-%d", getpid());
	for (i = 0; i < 2; i++) {
		bc_hierarchy(self->h[i], sizeof(self->h[i]), 'a' + i);
		ASSERT_EQ(0, mkdir(self->h[i], 0755) ? errno : 0);
	}
}

FIXTURE_TEARDOWN_PARENT(apart)
{
	int i;

	if (!access(self->def, F_OK))
		EXPECT_EQ(0, bc_remove(self->def));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, bc_remove_hierarchy(self->h[i]));
	EXPECT_EQ(0, access(BC_ROOT "/" SET_LIST, F_OK));
}

/* Its groups count, and those of the hierarchy that it has left do not. */
TEST_F(apart, elsewhere)
{
	struct puppet p = puppet_start();
	long base = set_status(p.pid, SET_STATUS);
	char *a = self->h[0];

	ASSERT_EQ(0, bc_write(a, "controllers", SET_DIR));
	EXPECT_EQ(-1, access(BC_ROOT "/" SET_LIST, F_OK));
	EXPECT_EQ(base, set_status(p.pid, SET_STATUS));
	EXPECT_EQ(self->usable, set_get(a, SET_EFFECTIVE));
	EXPECT_EQ(-EACCES, bc_write(a, SET_LIST, "0"));
	ASSERT_EQ(0, bc_mkdir(a, "g"));
	ASSERT_EQ(0, bc_write(a, "g/" SET_LIST, "1"));
	ASSERT_EQ(0, mkdir(self->def, 0755));
	EXPECT_EQ(-ENOENT, set_get(self->def, SET_LIST));
	ASSERT_EQ(0, bc_write(self->def, "tasks", "%d", p.pid));
	EXPECT_EQ(base, set_status(p.pid, SET_STATUS));
	ASSERT_EQ(0, bc_write(a, "g/tasks", "%d", p.pid));
	EXPECT_EQ(2, set_status(p.pid, SET_STATUS));
	EXPECT_EQ(2, puppet(p, set_of_child, 0));
	/* Moves in the other hierarchies do not touch it. */
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "%d", p.pid));
	EXPECT_EQ(2, set_status(p.pid, SET_STATUS));
	ASSERT_EQ(0, bc_mkdir(self->h[1], "g"));
	ASSERT_EQ(0, bc_write(self->h[1], "g/tasks", "%d", p.pid));
	EXPECT_EQ(2, set_status(p.pid, SET_STATUS));
	EXPECT_EQ(-EBUSY, bc_write(a, "controllers", "\n"));
	EXPECT_EQ(2, set_status(p.pid, SET_STATUS));

	/* It goes back, and nothing of it stays. */
	ASSERT_EQ(0, bc_write(a, "tasks", "%d", p.pid));
	EXPECT_EQ(base, set_status(p.pid, SET_STATUS));
	ASSERT_EQ(0, bc_rmdir(a, "g"));
	ASSERT_EQ(0, rmdir(self->def));
	ASSERT_EQ(0, bc_write(a, "controllers", "\n"));
	EXPECT_EQ(base, set_status(p.pid, SET_STATUS));
	ASSERT_EQ(0, mkdir(self->def, 0755));
	ASSERT_EQ(0, bc_write(self->def, SET_LIST, "0"));
	ASSERT_EQ(0, bc_write(self->def, "tasks", "%d", p.pid));
	EXPECT_EQ(1, set_status(p.pid, SET_STATUS));
	puppet_end(p);
}

#endif /* BC_SETS_H */
