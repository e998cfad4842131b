// SPDX-License-Identifier: GPL-2.0
/*
 * The release agent: when it runs, how it is called, who may name it.
 */
#include <linux/capability.h>

#include "bc_util.h"

#define USER 12345

/* What the agent finds in its environment. */
#define ENVIRONMENT "/:/sbin:/bin:/usr/sbin:/usr/bin"

#define AGENT "release_agent"
#define NOTIFY "notify_on_release"

FIXTURE(release) {
	char dir[64];
	char tmp[32];
	char agent[64];
	char extra[96];
	char before[PATH_MAX];
	pid_t pid;
};

/* Make an executable shell script. */
static int script(const char *tmp, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	bc_path(path, tmp, name);
	f = fopen(path, "we");
	if (!f)
		return -errno;
	fprintf(f, "#!/bin/sh\nlog=%s/log\n%s\n", tmp, text);
	if (fclose(f) || chmod(path, 0755))
		return -errno;
	return 0;
}

/* A group that tells when it is released. */
static int make(const char *dir, const char *name)
{
	char path[PATH_MAX];

	bc_path(path, dir, name);
	return bc_mkdir(dir, name) ?: bc_write(path, NOTIFY, "1");
}

static int leave(pid_t pid)
{
	return bc_write(BC_ROOT, "tasks", "%d", pid);
}

/* How many lines of the log are @wanted, or all of them. */
static int logged(struct _test_data_release *self, const char *wanted)
{
	char path[PATH_MAX], *line = NULL;
	size_t size = 0;
	ssize_t len;
	int n = 0;
	FILE *f;

	bc_path(path, self->tmp, "log");
	f = fopen(path, "re");
	if (!f)
		return 0;
	while ((len = getline(&line, &size, f)) > 0) {
		/* Not one that is being written. */
		if (line[len - 1] != '\n')
			break;
		line[len - 1] = '\0';
		n += !wanted || !strcmp(line, wanted);
	}
	free(line);
	fclose(f);
	return n;
}

/* The same when it has become @n. */
static int wait_logged(struct _test_data_release *self, const char *wanted, int n)
{
	int i;

	for (i = 0; i < 1000 && logged(self, wanted) < n; i++)
		usleep(20000);
	return logged(self, wanted);
}

/* How often the agent has run for a group of ours. Waits until it is @n. */
static int runs(struct _test_data_release *self, const char *name, int n)
{
	char line[PATH_MAX];

	snprintf(line, sizeof(line), "1:%s/%s:" ENVIRONMENT,
		 self->dir + strlen(BC_ROOT), name);
	return wait_logged(self, line, n);
}

/*
 * How often it has run for all but the group fence. That one is emptied first:
 * when the agent has run for it, it should have run for whatever was emptied
 * before.
 */
static int others(struct _test_data_release *self)
{
	int n = runs(self, "fence", 0) + 1;

	if (bc_write(self->dir, "fence/tasks", "%d", self->pid) ||
	    leave(self->pid) || runs(self, "fence", n) != n)
		return -1;
	usleep(50000);
	return logged(self, NULL) - n;
}

FIXTURE_SETUP(release)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	ASSERT_EQ(0, bc_read(BC_ROOT, AGENT, self->before, sizeof(self->before)));
	snprintf(self->tmp, sizeof(self->tmp), "/tmp/bc-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->tmp));
	ASSERT_EQ(0, script(self->tmp, "agent",
			    "echo \"$#:$1:$HOME:$PATH\" >>$log"));
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	ASSERT_EQ(0, bc_write(self->dir, NOTIFY, "0"));
	ASSERT_EQ(0, make(self->dir, "fence"));
	snprintf(self->agent, sizeof(self->agent), "%s/agent", self->tmp);
	ASSERT_EQ(0, bc_write(BC_ROOT, AGENT, "%s\n", self->agent));
	self->pid = bc_spawn();
	ASSERT_LT(0, self->pid);
}

static void remove_files(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *de;
	DIR *d = opendir(dir);

	while (d && (de = readdir(d))) {
		bc_path(path, dir, de->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

FIXTURE_TEARDOWN(release)
{
	if (!self->dir[0])
		return;
	EXPECT_EQ(0, bc_write_text(BC_ROOT, AGENT, self->before,
				   strlen(self->before)));
	EXPECT_EQ(0, bc_chown(BC_ROOT, AGENT, 0, 0));
	bc_reap(self->pid);
	if (self->extra[0])
		EXPECT_EQ(0, bc_remove_hierarchy(self->extra));
	EXPECT_EQ(0, bc_rmdir(self->dir, "fence"));
	bc_expect_clean(_metadata, self->dir);
	remove_files(self->tmp);
}

TEST_F(release, notify)
{
	static const char * const bad[] = {
		"2", "-1", "x", "\n", "1 0", "1x", "max", "yes", "0.5",
	};
	size_t i;

	/* Handed to new children, from then on its own. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(0, bc_get(self->dir, "a/" NOTIFY));
	ASSERT_EQ(0, bc_write(self->dir, "a/" NOTIFY, "1\n"));
	EXPECT_EQ(1, bc_get(self->dir, "a/" NOTIFY));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b/c"));
	EXPECT_EQ(1, bc_get(self->dir, "a/b/" NOTIFY));
	EXPECT_EQ(1, bc_get(self->dir, "a/b/c/" NOTIFY));
	ASSERT_EQ(0, bc_write(self->dir, "a/b/" NOTIFY, "0"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b/d"));
	EXPECT_EQ(0, bc_get(self->dir, "a/b/d/" NOTIFY));
	EXPECT_EQ(1, bc_get(self->dir, "a/b/c/" NOTIFY));
	EXPECT_EQ(1, bc_get(self->dir, "a/" NOTIFY));
	EXPECT_EQ(0, bc_get(self->dir, NOTIFY));

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, bc_write(self->dir, "a/" NOTIFY, "%s", bad[i])) {
			TH_LOG("'%s'", bad[i]);
		}
		EXPECT_EQ(1, bc_get(self->dir, "a/" NOTIFY));
		EXPECT_EQ(-EINVAL, bc_write(self->dir, "a/b/" NOTIFY, "%s", bad[i]));
		EXPECT_EQ(0, bc_get(self->dir, "a/b/" NOTIFY));
	}
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b/c"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b/d"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
}

/* Without notify_on_release too. */
TEST_F(release, releasable)
{
	pid_t pid = bc_spawn();

	/* Never used. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(0, bc_get(self->dir, "a/releasable"));
	EXPECT_EQ(-EACCES, bc_write(self->dir, "a/releasable", "1"));

	/* Used by a task. */
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	EXPECT_EQ(0, bc_get(self->dir, "a/releasable"));
	ASSERT_EQ(0, leave(pid));
	EXPECT_EQ(1, bc_get(self->dir, "a/releasable"));
	EXPECT_EQ(1, bc_get(self->dir, "a/releasable"));

	/* In use again, by a child. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	EXPECT_EQ(0, bc_get(self->dir, "a/releasable"));
	EXPECT_EQ(0, bc_get(self->dir, "a/b/releasable"));
	ASSERT_EQ(0, bc_write(self->dir, "a/b/tasks", "%d", pid));
	EXPECT_EQ(0, bc_get(self->dir, "a/releasable"));
	ASSERT_EQ(0, leave(pid));
	EXPECT_EQ(0, bc_get(self->dir, "a/releasable"));
	EXPECT_EQ(1, bc_get(self->dir, "a/b/releasable"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(1, bc_get(self->dir, "a/releasable"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));

	/* Used by nobody but a child. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(0, bc_get(self->dir, "a/releasable"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	EXPECT_EQ(0, bc_get(self->dir, "a/releasable"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(1, bc_get(self->dir, "a/releasable"));

	/* A zombie is still in it. */
	ASSERT_EQ(0, bc_write(self->dir, "a/tasks", "%d", pid));
	kill(pid, SIGKILL);
	bc_wait_zombie(pid);
	EXPECT_EQ(0, bc_get(self->dir, "a/releasable"));
	bc_reap(pid);
	EXPECT_EQ(1, bc_get(self->dir, "a/releasable"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));

	/* The root has tasks. */
	EXPECT_EQ(0, bc_get(BC_ROOT, "releasable"));
}

/* A task that was refused has not been there. */
TEST_F(release, refused)
{
	ASSERT_EQ(0, make(self->dir, "g"));
	ASSERT_EQ(0, bc_write(self->dir, "g/numtasks/limit", "0"));
	EXPECT_EQ(-EAGAIN, bc_write(self->dir, "g/tasks", "%d", self->pid));
	EXPECT_EQ(0, bc_get(self->dir, "g/releasable"));
	EXPECT_EQ(0, others(self));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

/* Two threads, for which there is no room. */
static void knock(const char *dir)
{
	static pid_t pid, tid[1];

	if (!pid)
		pid = bc_spawn_threads(1, tid);
	if (bc_write(dir, "g/tasks", "%d", pid) != -EAGAIN)
		_exit(1);
}

/* The last task goes while another one is being refused, again and again. */
TEST_F(release, refused_meanwhile)
{
	pid_t knocker;
	int i, status;

	ASSERT_EQ(0, make(self->dir, "g"));
	ASSERT_EQ(0, bc_write(self->dir, "g/numtasks/limit", "1"));
	knocker = bc_background(knock, self->dir);
	ASSERT_LT(0, knocker);
	for (i = 1; i <= 60; i++) {
		pid_t pid = bc_spawn();

		ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", pid));
		bc_reap(pid);
		ASSERT_EQ(i, runs(self, "g", i));
	}
	/* It has not ended: it was refused each time. */
	EXPECT_EQ(0, waitpid(knocker, &status, WNOHANG));
	bc_reap(knocker);
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

TEST_F(release, last_exit)
{
	pid_t a = bc_spawn(), b = bc_spawn();

	ASSERT_EQ(0, make(self->dir, "g"));
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", a));
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", b));
	bc_reap(a);
	EXPECT_EQ(0, others(self));
	/* A zombie is there until somebody has waited for it. */
	kill(b, SIGKILL);
	bc_wait_zombie(b);
	EXPECT_EQ(0, others(self));
	bc_reap(b);
	EXPECT_EQ(1, runs(self, "g", 1));
	EXPECT_EQ(1, others(self));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

TEST_F(release, last_move)
{
	pid_t pid = bc_spawn();

	ASSERT_EQ(0, make(self->dir, "g"));
	ASSERT_EQ(0, make(self->dir, "h"));
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", pid));
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", self->pid));
	/* To where it is already. */
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", pid));
	ASSERT_EQ(0, bc_write(self->dir, "h/tasks", "%d", self->pid));
	EXPECT_EQ(1, bc_count(self->dir, "g/tasks", 0));
	ASSERT_EQ(0, leave(self->pid));
	EXPECT_EQ(1, runs(self, "h", 1));
	EXPECT_EQ(1, others(self));
	ASSERT_EQ(0, bc_write(self->dir, "h/tasks", "%d", pid));
	EXPECT_EQ(1, runs(self, "g", 1));
	EXPECT_EQ(2, others(self));
	bc_reap(pid);
	EXPECT_EQ(2, runs(self, "h", 2));
	EXPECT_EQ(3, others(self));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "h"));
}

/* One thread after the other. */
TEST_F(release, last_thread)
{
	pid_t tid, pid = bc_spawn_threads(1, &tid);

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, make(self->dir, "g"));
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", pid));
	ASSERT_EQ(0, bc_write(BC_ROOT, "threads", "%d", pid));
	EXPECT_EQ(0, others(self));
	ASSERT_EQ(0, bc_write(BC_ROOT, "threads", "%d", tid));
	EXPECT_EQ(1, runs(self, "g", 1));
	EXPECT_EQ(1, others(self));
	bc_reap(pid);
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

TEST_F(release, last_child)
{
	ASSERT_EQ(0, make(self->dir, "g"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "g/a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "g/b"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g/a"));
	EXPECT_EQ(0, others(self));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g/b"));
	EXPECT_EQ(1, runs(self, "g", 1));

	/* A task remains. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "g/a"));
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", self->pid));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g/a"));
	ASSERT_EQ(0, make(self->dir, "g/a"));
	/* A child remains. */
	ASSERT_EQ(0, bc_write(self->dir, "g/a/tasks", "%d", self->pid));
	ASSERT_EQ(0, leave(self->pid));
	EXPECT_EQ(1, runs(self, "g/a", 1));
	EXPECT_EQ(2, others(self));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g/a"));
	EXPECT_EQ(2, runs(self, "g", 2));
	EXPECT_EQ(3, others(self));
	/* Removing the group itself is not losing something. */
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
	EXPECT_EQ(3, others(self));
}

/* It is the group's own flag that counts, when it becomes empty. */
TEST_F(release, without_notify)
{
	ASSERT_EQ(0, make(self->dir, "g"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "g/a"));
	ASSERT_EQ(0, bc_write(self->dir, "g/" NOTIFY, "0"));
	ASSERT_EQ(0, bc_write(self->dir, "g/a/tasks", "%d", self->pid));
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", self->pid));
	EXPECT_EQ(1, runs(self, "g/a", 1));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g/a"));
	ASSERT_EQ(0, leave(self->pid));
	EXPECT_EQ(1, bc_get(self->dir, "g/releasable"));
	/* Too late. */
	ASSERT_EQ(0, bc_write(self->dir, "g/" NOTIFY, "1"));
	EXPECT_EQ(1, others(self));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

/* Once for each time that it becomes empty. */
TEST_F(release, again)
{
	int i;

	ASSERT_EQ(0, make(self->dir, "g"));
	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", self->pid));
		ASSERT_EQ(0, leave(self->pid));
		EXPECT_EQ(i, runs(self, "g", i));
	}
	EXPECT_EQ(5, others(self));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

/* Arguments and environment, and nothing more. */
TEST_F(release, environment)
{
	char line[PATH_MAX];

	ASSERT_EQ(0, script(self->tmp, "env",
			    "{ tr '\\0' '|' </proc/$$/cmdline; echo\n"
			    "tr '\\0' '|' </proc/$$/environ; echo; } >>$log"));
	ASSERT_EQ(0, bc_write(BC_ROOT, AGENT, "%s/env\n", self->tmp));
	ASSERT_EQ(0, make(self->dir, "a b"));
	ASSERT_EQ(0, bc_write(self->dir, "a b/tasks", "%d", self->pid));
	ASSERT_EQ(0, leave(self->pid));
	EXPECT_EQ(1, wait_logged(self, "HOME=/|PATH=/sbin:/bin:/usr/sbin:/usr/bin|",
				 1));
	snprintf(line, sizeof(line), "/bin/sh|%s/env|%s/a b|", self->tmp,
		 self->dir + strlen(BC_ROOT));
	EXPECT_EQ(1, logged(self, line));
	EXPECT_EQ(2, logged(self, NULL));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a b"));
}

static int groups(void)
{
	const char *s = getenv("BC_GROUPS");

	return s ? atoi(s) : 1000;
}

/* One task goes through many groups, which the agent removes behind it. */
TEST_F_TIMEOUT(release, storm, 900)
{
	int i, id, n = groups(), missing = 0, twice = 0, other = 0;
	char name[32], want[128], path[PATH_MAX], rest;
	int *seen = calloc(n, sizeof(*seen));
	FILE *f;

	ASSERT_NE(NULL, seen);
	ASSERT_EQ(0, script(self->tmp, "storm",
			    "echo \"$1\" >>$log\n"
			    "exec rmdir \"" BC_ROOT "$1\""));
	ASSERT_EQ(0, bc_write(BC_ROOT, AGENT, "%s/storm\n", self->tmp));
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "g%d", i);
		ASSERT_EQ(0, make(self->dir, name));
		snprintf(name, sizeof(name), "g%d/tasks", i);
		ASSERT_EQ(0, bc_write(self->dir, name, "%d", self->pid));
	}
	ASSERT_EQ(0, leave(self->pid));

	/* However long it takes, as long as there is progress. */
	for (i = 0; i < n; i++) {
		int j;

		snprintf(name, sizeof(name), "g%d", i);
		bc_path(path, self->dir, name);
		for (j = 0; j < 500 && !access(path, F_OK); j++)
			usleep(20000);
		if (!access(path, F_OK)) {
			missing++;
			bc_rmdir(self->dir, name);
		}
	}
	EXPECT_EQ(0, missing);

	bc_path(path, self->tmp, "log");
	f = fopen(path, "re");
	ASSERT_NE(NULL, f);
	snprintf(want, sizeof(want), "%s/g%%d%%c", self->dir + strlen(BC_ROOT));
	while (fgets(path, sizeof(path), f)) {
		if (sscanf(path, want, &id, &rest) != 2 || rest != '\n' ||
		    id < 0 || id >= n)
			other++;
		else if (seen[id]++)
			twice++;
	}
	fclose(f);
	EXPECT_EQ(0, other);
	EXPECT_EQ(0, twice);
	EXPECT_EQ(n, logged(self, NULL));
	free(seen);
}

/* What cannot be run does no harm, and the next one is run all the same. */
TEST_F(release, bad_agents)
{
	static const char * const bad[] = {
		"/missing", "/missing/agent", "/plain", "/nothing", "", "/text",
	};
	char path[PATH_MAX];
	size_t i;
	int err;

	ASSERT_EQ(0, script(self->tmp, "plain", "echo wrong >>$log"));
	bc_path(path, self->tmp, "plain");
	ASSERT_EQ(0, chmod(path, 0644));
	ASSERT_EQ(0, script(self->tmp, "nothing", ""));
	bc_path(path, self->tmp, "nothing");
	ASSERT_EQ(0, truncate(path, 0));
	bc_path(path, self->tmp, "text");
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
	ASSERT_EQ(0, bc_write(self->tmp, "text", "neither a script nor ELF\n"));

	ASSERT_EQ(0, make(self->dir, "g"));
	for (i = 0; i <= ARRAY_SIZE(bad); i++) {
		/* And none at all. */
		err = i == ARRAY_SIZE(bad) ? bc_write(BC_ROOT, AGENT, "\n") :
		      bc_write(BC_ROOT, AGENT, "%s%s\n", self->tmp, bad[i]);
		ASSERT_EQ(0, err);
		ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", self->pid));
		ASSERT_EQ(0, leave(self->pid));
		EXPECT_EQ(1, bc_get(self->dir, "g/releasable"));
		/* Nothing tells when it has failed. */
		usleep(100000);
	}
	/* Who is named when it is g's turn is run for it: not yet the one that is looked at. */
	ASSERT_EQ(0, script(self->tmp, "next", "case $1 in */fence) >$log.next ;; esac"));
	ASSERT_EQ(0, bc_write(BC_ROOT, AGENT, "%s/next\n", self->tmp));
	ASSERT_EQ(0, bc_write(self->dir, "fence/tasks", "%d", self->pid));
	ASSERT_EQ(0, leave(self->pid));
	bc_path(path, self->tmp, "log.next");
	for (i = 0; i < 1000 && access(path, F_OK); i++)
		usleep(20000);
	EXPECT_GT(1000, i);
	ASSERT_EQ(0, bc_write(BC_ROOT, AGENT, "%s\n", self->agent));
	EXPECT_EQ(0, others(self));
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", self->pid));
	ASSERT_EQ(0, leave(self->pid));
	EXPECT_EQ(1, runs(self, "g", 1));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

TEST_F(release, text)
{
	static const char * const bad[] = {
		"bin/true\n", "true", "./agent\n", "../agent\n", "~/agent\n",
	};
	char buf[PATH_MAX], want[PATH_MAX], *longest;
	int i, err;

	snprintf(want, sizeof(want), "%s\n", self->agent);
	ASSERT_EQ(0, bc_read(BC_ROOT, AGENT, buf, sizeof(buf)));
	EXPECT_STREQ(want, buf);
	for (i = 0; i < (int)ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, bc_write(BC_ROOT, AGENT, "%s", bad[i])) {
			TH_LOG("'%s'", bad[i]);
		}
	}
	EXPECT_EQ(-EINVAL, bc_write_text(BC_ROOT, AGENT, "/bin/true\0x", 11));

	/* Longer than any path. */
	longest = malloc(2 * PATH_MAX);
	ASSERT_NE(NULL, longest);
	memset(longest, 'x', 2 * PATH_MAX);
	longest[0] = '/';
	err = bc_write_text(BC_ROOT, AGENT, longest, 2 * PATH_MAX);
	EXPECT_TRUE(err == -EINVAL || err == -ENAMETOOLONG) {
		TH_LOG("%d", err);
	}
	ASSERT_EQ(0, bc_read(BC_ROOT, AGENT, buf, sizeof(buf)));
	EXPECT_STREQ(want, buf);

	/* Long, but a path. With and without a newline. */
	for (i = 200; i < 1000; i += 200)
		longest[i] = '/';
	EXPECT_EQ(0, bc_write_text(BC_ROOT, AGENT, longest, 1000));
	ASSERT_EQ(0, bc_read(BC_ROOT, AGENT, buf, sizeof(buf)));
	EXPECT_EQ(1001, (int)strlen(buf));
	EXPECT_EQ(0, strncmp(buf, longest, 1000));
	EXPECT_EQ('\n', buf[1000]);
	free(longest);

	EXPECT_EQ(0, bc_write(BC_ROOT, AGENT, "\n"));
	ASSERT_EQ(0, bc_read(BC_ROOT, AGENT, buf, sizeof(buf)));
	EXPECT_STREQ("\n", buf);
}

/* No shell, no words, no arguments: a path. */
TEST_F(release, spaces)
{
	char want[PATH_MAX], buf[PATH_MAX];

	ASSERT_EQ(0, script(self->tmp, "my", "echo wrong >>$log"));
	ASSERT_EQ(0, script(self->tmp, "my agent $HOME --x",
			    "echo \"$#:$1:$HOME:$PATH\" >>$log"));
	snprintf(want, sizeof(want), "%s/my agent $HOME --x\n", self->tmp);
	ASSERT_EQ(0, bc_write(BC_ROOT, AGENT, "%s", want));
	ASSERT_EQ(0, bc_read(BC_ROOT, AGENT, buf, sizeof(buf)));
	EXPECT_STREQ(want, buf);
	ASSERT_EQ(0, make(self->dir, "g"));
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", self->pid));
	ASSERT_EQ(0, leave(self->pid));
	EXPECT_EQ(1, runs(self, "g", 1));
	EXPECT_EQ(1, others(self));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

static int user_names(void *arg)
{
	bc_become(USER, USER);
	return -bc_write(BC_ROOT, AGENT, "%s\n", (char *)arg);
}

static int user_clears(void *arg)
{
	bc_become(USER, USER);
	return -bc_write(BC_ROOT, AGENT, "\n");
}

static int user_root_names(void *arg)
{
	bc_become(USER, USER);
	if (bc_user_namespace())
		return 101;
	return -bc_write(BC_ROOT, AGENT, "%s\n", (char *)arg);
}

/* Root, with all other capabilities. */
static int incapable_names(void *arg)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		return 102;
	d[0].effective &= ~(1U << CAP_SYS_ADMIN);
	if (syscall(SYS_capset, &h, d))
		return 103;
	return -bc_write(BC_ROOT, AGENT, "%s\n", (char *)arg);
}

/* Write through a file that one user has opened as another. */
static int names_as(uid_t opener, uid_t writer, const char *text)
{
	int fd, err;

	if (seteuid(opener))
		return -errno;
	fd = open(BC_ROOT "/" AGENT, O_WRONLY | O_CLOEXEC);
	err = fd < 0 ? -errno : 0;
	if (seteuid(0) || seteuid(writer))
		_exit(104);
	if (!err && write(fd, text, strlen(text)) < 0)
		err = -errno;
	if (seteuid(0))
		_exit(105);
	close(fd);
	return err;
}

/* Whoever names the agent has root's rights: only root may. */
TEST_F(release, who)
{
	char buf[PATH_MAX], want[PATH_MAX], other[PATH_MAX];
	int err;

	snprintf(other, sizeof(other), "%s/other", self->tmp);
	snprintf(want, sizeof(want), "%s\n", self->agent);
	EXPECT_EQ(EACCES, bc_in_child(user_names, other));
	EXPECT_EQ(EPERM, bc_in_child(incapable_names, other));

	ASSERT_EQ(0, bc_chown(BC_ROOT, AGENT, USER, USER));
	EXPECT_EQ(EPERM, bc_in_child(user_names, other));
	EXPECT_EQ(EPERM, bc_in_child(user_clears, NULL));
	err = bc_in_child(user_root_names, other);
	EXPECT_TRUE(err == EPERM || err == 101) {
		TH_LOG("in a user namespace: %d", err);
	}
	/* A privileged program that is made to write to his file. */
	EXPECT_EQ(-EPERM, names_as(USER, 0, other));
	ASSERT_EQ(0, bc_read(BC_ROOT, AGENT, buf, sizeof(buf)));
	EXPECT_STREQ(want, buf);

	/* The other way round it is a right that was given. */
	EXPECT_EQ(0, names_as(0, USER, "/bin/true\n"));
	ASSERT_EQ(0, bc_read(BC_ROOT, AGENT, buf, sizeof(buf)));
	EXPECT_STREQ("/bin/true\n", buf);
	EXPECT_EQ(0, bc_chown(BC_ROOT, AGENT, 0, 0));
}

static const char * const namespaces[] = {
	"mnt", "uts", "ipc", "net", "pid", "user", "cgroup",
};

/* As strange as can be when it leaves. */
static int leave_strangely(void *arg)
{
	static const int flags[] = {
		CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUSER,
	};
	const struct _test_data_release *self = arg;
	int fd = open(BC_ROOT "/tasks", O_WRONLY | O_CLOEXEC);
	size_t i;

	if (fd < 0 || bc_write(self->dir, "g/tasks", "0"))
		return 1;
	setenv("HOME", "/elsewhere", 1);
	/* What the kernel does not have cannot be in the way. */
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		unshare(flags[i]);
	if (chroot(self->tmp) || chdir("/"))
		return 2;
	return write(fd, "0", 1) == 1 ? 0 : 3;
}

/* Whose task was the last does not matter for who the agent is, and where. */
TEST_F(release, namespaces)
{
	char want[PATH_MAX] = "0 0 /", path[64], link[64];
	ssize_t len;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(namespaces); i++) {
		snprintf(path, sizeof(path), "/proc/1/ns/%s", namespaces[i]);
		len = readlink(path, link, sizeof(link));
		if (len < 0)
			continue;
		strcat(want, " ");
		strncat(want, link, len);
	}
	/* User, groups that are not the root, current directory, namespaces. */
	ASSERT_EQ(0, script(self->tmp, "where",
			    "set -f\nns='mnt uts ipc net pid user cgroup'\n"
			    "in=$(for n in $ns; do readlink /proc/self/ns/$n; done)\n"
			    "out=$(grep -vc ':/$' /proc/self/bc)\n"
			    "echo $(id -u) $out $(pwd) $in >>$log"));
	ASSERT_EQ(0, bc_write(BC_ROOT, AGENT, "%s/where\n", self->tmp));
	ASSERT_EQ(0, make(self->dir, "g"));
	EXPECT_EQ(0, bc_in_child(leave_strangely, self));
	EXPECT_EQ(1, wait_logged(self, NULL, 1));
	EXPECT_EQ(1, logged(self, want)) {
		TH_LOG("not '%s'", want);
	}
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

/* Each time that the agent removes the group, somebody may be in there again. */
TEST_F_TIMEOUT(release, reenter, 300)
{
	int i, err, in = 0, gone = 0;
	char path[PATH_MAX];

	bc_path(path, self->dir, "g");
	ASSERT_EQ(0, script(self->tmp, "race",
			    "exec rmdir \"" BC_ROOT "$1\" 2>/dev/null"));
	ASSERT_EQ(0, bc_write(BC_ROOT, AGENT, "%s/race\n", self->tmp));
	/* The last round has to be one in which the group was used. */
	for (i = 0, err = -1; i < 300 || err; i++) {
		err = bc_write(self->dir, "g/tasks", "%d", self->pid);
		if (err == -ENOENT) {
			gone++;
			/* An agent that was late can have removed it again. */
			err = make(self->dir, "g");
			ASSERT_TRUE(err == 0 || err == -ENOENT);
			err = -1;
			continue;
		}
		ASSERT_EQ(0, err);
		in++;
		/* While somebody is in there, it stays. */
		EXPECT_EQ(1, bc_count(self->dir, "g/tasks", self->pid));
		EXPECT_EQ(1, bc_get(self->dir, "g/numtasks/held"));
		EXPECT_EQ(0, bc_get(self->dir, "g/releasable"));
		ASSERT_EQ(0, leave(self->pid));
	}
	TH_LOG("%d times in, %d times made", in, gone);
	EXPECT_LT(0, in);
	for (i = 0; i < 1000 && !access(path, F_OK); i++)
		usleep(20000);
	EXPECT_EQ(-ENOENT, bc_rmdir(self->dir, "g"));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/held"));
}

/* Each hierarchy has its agent, on its root. Paths begin there. */
TEST_F(release, hierarchies)
{
	char path[PATH_MAX], buf[PATH_MAX];
	pid_t pid = bc_spawn();

	ASSERT_EQ(0, make(self->dir, "g"));
	bc_path(path, self->dir, "g/" AGENT);
	EXPECT_EQ(-1, access(path, F_OK));
	bc_path(path, self->dir, AGENT);
	EXPECT_EQ(-1, access(path, F_OK));

	bc_hierarchy(path, sizeof(path), 'r');
	ASSERT_EQ(0, mkdir(path, 0755));
	bc_hierarchy(self->extra, sizeof(self->extra), 'r');
	ASSERT_EQ(0, bc_read(self->extra, AGENT, buf, sizeof(buf)));
	EXPECT_STREQ("\n", buf);
	EXPECT_EQ(0, bc_get(self->extra, NOTIFY));
	EXPECT_EQ(-EINVAL, bc_write(self->extra, AGENT, "x"));
	ASSERT_EQ(0, script(self->tmp, "other", "echo \"other:$#:$1\" >>$log"));
	ASSERT_EQ(0, bc_write(self->extra, AGENT, "%s/other\n", self->tmp));
	/* One is not the other. */
	snprintf(path, sizeof(path), "%s\n", self->agent);
	ASSERT_EQ(0, bc_read(BC_ROOT, AGENT, buf, sizeof(buf)));
	EXPECT_STREQ(path, buf);

	ASSERT_EQ(0, make(self->extra, "g"));
	bc_path(path, self->extra, "g/" AGENT);
	EXPECT_EQ(-1, access(path, F_OK));
	ASSERT_EQ(0, bc_mkdir(self->extra, "g/h"));
	ASSERT_EQ(0, bc_write(self->extra, "g/h/tasks", "%d", pid));
	EXPECT_EQ(0, bc_get(self->extra, "g/h/releasable"));
	EXPECT_EQ(0, others(self));
	ASSERT_EQ(0, bc_write(self->extra, "tasks", "%d", pid));
	EXPECT_EQ(1, wait_logged(self, "other:1:/g/h", 1));
	EXPECT_EQ(1, others(self));

	/* The last of both at once. */
	ASSERT_EQ(0, bc_write(self->extra, "g/h/tasks", "%d", pid));
	ASSERT_EQ(0, bc_write(self->dir, "g/tasks", "%d", pid));
	bc_reap(pid);
	EXPECT_EQ(2, wait_logged(self, "other:1:/g/h", 2));
	EXPECT_EQ(1, runs(self, "g", 1));
	EXPECT_EQ(3, others(self));

	EXPECT_EQ(0, bc_rmdir(self->extra, "g/h"));
	EXPECT_EQ(1, wait_logged(self, "other:1:/g", 1));
	EXPECT_EQ(0, bc_rmdir(self->extra, "g"));
	EXPECT_EQ(4, others(self));
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

TEST_HARNESS_MAIN
