// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation on the way fails once: mkdir, moves, reading lists. Needs a
 * kernel with fault injection (CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC,
 * CONFIG_FAULT_INJECTION_DEBUG_FS).
 */
#include "bc_failslab.h"
#include "bc_worker.h"

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

TEST_F_TIMEOUT(bc, make_group, 300)
{
	pid_t looker;

	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
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
	bc_fail_each(_metadata, do_mkdir, undo_mkdir, empty, self->dir, "mkdir");
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

TEST_F_TIMEOUT(bc, move_task, 300)
{
	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
	moved = bc_spawn();
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", moved));
	bc_fail_each(_metadata, do_move, undo_move, empty, self->dir, "move");
	EXPECT_EQ(1, bc_count(self->dir, "tasks", moved));
	EXPECT_EQ(1, bc_get(self->dir, "numtasks/held"));
	bc_reap(moved);
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

static int do_limit(const char *dir)
{
	return bc_write(dir, "g/numtasks/limit", "77");
}

static void undo_limit(const char *dir)
{
	bc_write(dir, "g/numtasks/limit", "max");
}

static int do_list(const char *dir)
{
	char buf[64];

	return bc_read(dir, "g/tasks", buf, sizeof(buf));
}

static void undo_list(const char *dir)
{
}

TEST_F_TIMEOUT(bc, use_files, 300)
{
	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	ASSERT_EQ(0, bc_mkdir(self->dir, "g"));
	bc_fail_each(_metadata, do_limit, undo_limit, empty, self->dir,
		     "writing a limit");
	EXPECT_EQ(LONG_MAX, bc_get(self->dir, "g/numtasks/limit"));
	bc_fail_each(_metadata, do_list, undo_list, empty, self->dir,
		     "listing tasks");
	EXPECT_EQ(0, bc_rmdir(self->dir, "g"));
}

/* Forks that fail for lack of memory give back what they were charged. */
static int fork_each(void *arg)
{
	const char *dir = arg;
	int fd = open("/proc/self/fail-nth", O_RDWR);
	int n, failed = 0;

	if (fd < 0 || bc_write(dir, "tasks", "0"))
		return 1;
	for (n = 1; n < 1000; n++) {
		bool hit;
		pid_t pid;

		if (bc_fail_nth(fd, n) <= 0)
			return 2;
		/* No atfork handlers, nothing of the C library. */
		pid = syscall(SYS_fork);
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
	return failed > 5 && n < 1000 ? 0 : 4;
}

TEST_F_TIMEOUT(bc, fork_task, 300)
{
	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	EXPECT_EQ(0, bc_in_child(fork_each, self->dir));
	EXPECT_EQ(0, bc_get(self->dir, "numtasks/failcnt"));
}

/*
 * An object that cannot be made for lack of memory has given back what it was
 * charged. The kind is what the next child is to try.
 */
static const struct bc_kind *kind;

static int make_each(void *arg)
{
	const char *dir = arg;
	int fd, n, failed = 0;

	bc_worker_init();
	fd = open("/proc/self/fail-nth", O_RDWR);
	if (fd < 0 || bc_write(dir, "tasks", "0"))
		return 1;
	for (n = 1; n < 1000; n++) {
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
	return failed && n < 1000 ? 0 : 3;
}

TEST_F_TIMEOUT(bc, make_object, 300)
{
	static const struct bc_kind * const kinds[] = {
		&bc_file, &bc_inotify, &bc_watch, &bc_lock, &bc_pty, &bc_key,
		&bc_signal, &bc_tcp, &bc_unix,
	};
	char file[64];
	size_t i;

	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
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

TEST_HARNESS_MAIN
