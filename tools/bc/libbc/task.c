// SPDX-License-Identifier: GPL-2.0
/* Tasks: in which group they are, moving and ending them. */
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

int bc_move(struct bc_group *group, pid_t pid, bool thread)
{
	const char *file = thread ? "threads" : "tasks";
	char text[16];
	int err;

	snprintf(text, sizeof(text), "%d", pid);
	err = bc_write_at(group->fd, file, text);
	if (err && pid)
		return bc_fail(group->bc, -err, "cannot move %d to %s: %s", pid, group->name,
			       bc_why(file, -err));
	if (err)
		return bc_fail(group->bc, -err, "cannot move into %s: %s", group->name,
			       bc_why(file, -err));
	return 0;
}

int bc_tasks(struct bc_group *group, bool threads, pid_t **ids)
{
	const char *file = threads ? "threads" : "tasks";
	char *text, *line, *save;
	size_t n = 0, room = 1;
	pid_t *list;
	int err;

	*ids = NULL;
	err = bc_read_at(group->fd, file, &text, NULL);
	if (err)
		return bc_fail(group->bc, -err, "cannot read %s of %s: %s", file, group->name,
			       strerror(-err));
	for (line = text; *line; line++)
		room += *line == '\n';
	list = calloc(room, sizeof(*list));
	if (!list) {
		free(text);
		return bc_fail(group->bc, ENOMEM, "out of memory");
	}
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		list[n++] = atoi(line);
	free(text);
	*ids = list;
	return n;
}

/* The path in a line "number:controllers:path" of this hierarchy, or NULL. */
static char *path_in(char *text, unsigned int number)
{
	char *line, *save, *colon;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strtoul(line, &colon, 10) != number || *colon != ':')
			continue;
		colon = strchr(colon + 1, ':');
		if (colon)
			return colon + 1;
	}
	return NULL;
}

/* -errno, without a line. */
static int task_path(struct bc *bc, const char *task, unsigned int number, char **path)
{
	char *file, *text, *p;
	int err;

	*path = NULL;
	if (asprintf(&file, "%s/%s/bc", bc->proc, task) < 0)
		return -ENOMEM;
	err = bc_read_at(AT_FDCWD, file, &text, NULL);
	free(file);
	if (err)
		return err;
	p = path_in(text, number);
	*path = p ? strdup(p) : NULL;
	free(text);
	return *path ? 0 : -ESRCH;
}

int bc_task_group(struct bc *bc, pid_t pid, const struct bc_hierarchy *h, char **spec)
{
	char task[16], *path;
	int err;

	*spec = NULL;
	snprintf(task, sizeof(task), "%d", pid);
	err = task_path(bc, pid ? task : "self", h->number, &path);
	if (err == -ENOENT)
		return bc_fail(bc, ESRCH, "there is no process %d", pid);
	if (err)
		return bc_fail(bc, -err, "cannot tell the group of process %d in %s: %s", pid,
			       h->name, strerror(-err));
	if (h->number == 0) {
		*spec = path;
		return 0;
	}
	err = asprintf(spec, "%s:%s", h->name, path);
	free(path);
	return err < 0 ? bc_fail(bc, ENOMEM, "out of memory") : 0;
}

/* Is this path the group's, or below it? */
static bool is_below(const struct bc_group *group, const char *path)
{
	size_t len = strlen(group->path);

	if (bc_group_is_root(group))
		return true;
	return !strncmp(path, group->path, len) && (path[len] == '\0' || path[len] == '/');
}

/*
 * Is a process, or one of its threads, in there? @process is an id, or "self". The leader
 * first, which is right nearly always.
 */
static bool is_in(struct bc_group *group, const char *process)
{
	char task[64], *path, *file, **tids;
	bool found = false;
	int i, err;

	err = task_path(group->bc, process, group->hierarchy->number, &path);
	if (!err)
		found = is_below(group, path);
	free(path);
	if (found || err == -ENOENT ||
	    asprintf(&file, "%s/%s/task", group->bc->proc, process) < 0)
		return found;
	err = bc_list_dirs(AT_FDCWD, file, &tids);
	free(file);
	for (i = 0; i < err && !found; i++) {
		snprintf(task, sizeof(task), "%s/task/%s", process, tids[i]);
		if (!task_path(group->bc, task, group->hierarchy->number, &path))
			found = is_below(group, path);
		free(path);
	}
	if (err >= 0)
		bc_free_names(tids);
	return found;
}

/* Ids come again: it may be somebody else by now. */
static bool still_there(struct bc_group *group, pid_t pid)
{
	char process[16];

	snprintf(process, sizeof(process), "%d", pid);
	return is_in(group, process);
}

static int pidfd_open(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

static int pidfd_kill(int fd)
{
	return syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

static int kill_one(struct bc_group *group, pid_t pid)
{
	int fd = pidfd_open(pid), err = 0;

	if (fd < 0 && errno == ESRCH)
		return 0;
	if (fd < 0)
		return bc_fail(group->bc, errno, "cannot kill %d of %s: %s", pid, group->name,
			       strerror(errno));
	/* With this descriptor, who was looked at is who is killed. */
	if (still_there(group, pid) && pidfd_kill(fd) && errno != ESRCH)
		err = bc_fail(group->bc, errno, "cannot kill %d of %s: %s", pid, group->name,
			      strerror(errno));
	close(fd);
	return err;
}

static int fail_in_there(struct bc_group *group)
{
	return bc_fail(group->bc, EDEADLK,
		       "cannot kill all of %s: who is to do it is in there, too", group->name);
}

static int kill_group(struct bc_group *group, int depth, void *arg)
{
	int n, i, err = 0, *killed = arg;
	pid_t *ids;

	(void)depth;
	n = bc_tasks(group, false, &ids);
	if (n < 0)
		return n == -ENOENT ? 0 : n;
	for (i = 0; i < n && !err; i++) {
		if (ids[i] == getpid())
			err = fail_in_there(group);
		else
			err = kill_one(group, ids[i]);
	}
	free(ids);
	*killed += n;
	return err;
}

int bc_kill(struct bc_group *group)
{
	int killed = 0, err;

	/* Before anybody is hit. Who is moved there later is found there. */
	if (is_in(group, "self"))
		return fail_in_there(group);
	err = bc_group_walk(group, kill_group, &killed);
	return err ?: killed;
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int bc_end(struct bc_group *group, int ms)
{
	const struct bc_controller *c = bc_find_controller(group->bc, "numtasks");
	struct bc_counter old = { };
	char text[BC_AMOUNT_SIZE];
	long end = now_ms() + ms;
	bool closed = false;
	int ret;

	/* Not even limits are for who could not go on. */
	if (is_in(group, "self"))
		return fail_in_there(group);
	if (c && c->counter && bc_group_has(group, c) && !bc_group_is_root(group)) {
		ret = bc_counter_read(group, c, BC_BIT(BC_BARRIER) | BC_BIT(BC_LIMIT), &old);
		if (ret)
			return ret;
		/* If it is not ours to write, we have to be faster than they fork. */
		closed = !bc_write_at(group->fd, "numtasks/limit", "0");
	}
	for (;;) {
		ret = bc_kill(group);
		if (ret <= 0)
			break;
		if (now_ms() >= end) {
			ret = bc_fail(group->bc, ETIME,
				      "cannot end %s: %d processes live on after SIGKILL%s",
				      group->name, ret, closed || !c ? "" :
				      ", and new ones cannot be kept from coming (numtasks)");
			break;
		}
		usleep(5000);
	}
	if (ret && closed && old.seen) {
		bc_write_at(group->fd, "numtasks/limit",
			    bc_format_amount(old.val[BC_LIMIT], text));
		bc_write_at(group->fd, "numtasks/barrier",
			    bc_format_amount(old.val[BC_BARRIER], text));
	}
	return ret;
}
