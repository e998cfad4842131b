// SPDX-License-Identifier: GPL-2.0
/*
 * A directory tree that behaves like beancounters in configfs, for the tests: what bcctl
 * and libbc call to change it comes here first (ld's --wrap). BC_CONFIGFS and BC_PROC are
 * where the tree is. BC_FAKE_FAIL=SUFFIX=ERRNO lets writes to files that end so fail,
 * and removing such a group; BC_FAKE_SHUT opening one; with ENOENT, it is gone by then.
 *
 * With BC_FAKE_EVENTS=FIFO, a line "exec PID", "uid PID", "gid PID", "fork PID" or "lost" there
 * comes as a process event, "spoof PID" as an "exec PID" that is not the kernel's; with a number
 * instead of a FIFO, that is the error of listening, and with 0 there is never an answer.
 *
 * It is good for what libbc does, one program at a time, and for nothing else. What the
 * kernel does is tested in tools/testing/selftests/bc.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>

#include "fake.h"

static const char *configfs(void)
{
	return getenv("BC_CONFIGFS") ?: "/nonexistent";
}

static const char *proc(void)
{
	return getenv("BC_PROC") ?: "/nonexistent";
}

/* The path of a descriptor, if it is in our tree. */
static bool in_tree(int fd, char path[PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return !strncmp(path, configfs(), strlen(configfs()));
}

static void __printf(2, 3) to_path(char path[PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, PATH_MAX, fmt, ap);
	va_end(ap);
	if (n >= PATH_MAX)
		abort();
}

static void put(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	to_path(path, "%s/%s", dir, file);
	f = fopen(path, "we");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static void get(const char *dir, const char *file, char *text, size_t size)
{
	char path[PATH_MAX];
	size_t n = 0;
	FILE *f;

	to_path(path, "%s/%s", dir, file);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, size - 1, f);
		fclose(f);
	}
	text[n] = '\0';
}

static bool is_counter(const char *name)
{
	return strcmp(name, "cpuacct") && strcmp(name, "cpuset") && strcmp(name, "nodeset") &&
		strcmp(name, "debug");
}

static void add_controller(const char *group, const char *name)
{
	static const char * const files[][2] = {
		{ "held", "0\n" }, { "maxheld", "0\n" }, { "minheld", "0\n" },
		{ "barrier", "max\n" }, { "limit", "max\n" }, { "failcnt", "0\n" },
	};
	char dir[PATH_MAX], path[PATH_MAX];
	size_t i;

	to_path(dir, "%s/%s", group, name);
	__real_mkdir(dir, 0755);
	for (i = 0; is_counter(name) && i < 6; i++) {
		put(dir, files[i][0], files[i][1]);
		to_path(path, "%s/%s", dir, files[i][0]);
		if (!strcmp(files[i][0], "held") || !strcmp(files[i][0], "failcnt"))
			chmod(path, 0444);
	}
	if (!strcmp(name, "cpuacct")) {
		put(dir, "usage", "1500000000\n");
		put(dir, "user", "1000000000\n");
		put(dir, "system", "500000000\n");
		to_path(path, "%s/user", dir);
		chmod(path, 0444);
		to_path(path, "%s/system", dir);
		chmod(path, 0444);
	}
	if (!strcmp(name, "cpuset")) {
		put(dir, "cpus", "0-3\n");
		put(dir, "cpu_exclusive", "0\n");
	}
	if (!strcmp(name, "nodeset")) {
		put(dir, "mems", "0\n");
		put(dir, "memory_migrate", "0\n");
	}
	if (!strcmp(name, "debug"))
		put(dir, "taskcount", "0\n");
}

/* The root of the hierarchy that a path is in. */
static void root_of(const char *path, char root[PATH_MAX])
{
	const char *rest = path + strlen(configfs()) + 1;
	size_t len = strcspn(rest, "/");

	if (!strncmp(rest, "bc_hierarchies/", 15))
		len = 15 + strcspn(rest + 15, "/");
	snprintf(root, PATH_MAX, "%.*s", (int)(rest - path + len), path);
}

static void fill(const char *group, bool is_root)
{
	char root[PATH_MAX], text[4096], counter[32], *word, *save;
	static char id[16];

	root_of(group, root);
	get(configfs(), ".last_id", counter, sizeof(counter));
	snprintf(id, sizeof(id), "%d\n", is_root ? 0 : atoi(counter) + 1);
	if (!is_root)
		put(configfs(), ".last_id", id);
	put(group, "id", id);
	put(group, "tasks", "");
	put(group, "threads", "");
	put(group, "notify_on_release", "0\n");
	put(group, "releasable", "0\n");
	get(root, "controllers", text, sizeof(text));
	put(group, "controllers", text);
	for (word = strtok_r(text, "\n ", &save); word; word = strtok_r(NULL, "\n ", &save))
		add_controller(group, word);
}

/* Which of the pids of a group are alive: ours, or those that the test has made up. */
static void prune(const char *group, char *alive, size_t size)
{
	char text[4096], *line, *save;
	size_t n = 0;

	get(group, "tasks", text, sizeof(text));
	alive[0] = '\0';
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char path[PATH_MAX];

		to_path(path, "%s/%s/made_up", proc(), line);
		if (!access(path, F_OK) || !kill(atoi(line), 0))
			n += snprintf(alive + n, size - n, "%s\n", line);
	}
}

static void unlist(const char *dir, const char *pid)
{
	char path[PATH_MAX], text[4096], left[4096] = "", *line, *save;
	struct dirent *e;
	DIR *d;

	get(dir, "tasks", text, sizeof(text));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strcmp(line, pid)) {
			strcat(left, line);
			strcat(left, "\n");
		}
	}
	put(dir, "tasks", left);
	d = opendir(dir);
	while (d && (e = readdir(d))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		to_path(path, "%s/%s/tasks", dir, e->d_name);
		if (access(path, F_OK))
			continue;
		to_path(path, "%s/%s", dir, e->d_name);
		unlist(path, pid);
	}
	if (d)
		closedir(d);
}

static int move(const char *group, const char *text)
{
	char root[PATH_MAX], pid[16], path[PATH_MAX], list[4096];
	int id = atoi(text) ?: getpid();

	snprintf(pid, sizeof(pid), "%d", id);
	to_path(path, "%s/%s/made_up", proc(), pid);
	if (access(path, F_OK) && kill(id, 0))
		return -ESRCH;
	root_of(group, root);
	unlist(root, pid);
	get(group, "tasks", list, sizeof(list) - 32);
	strcat(list, pid);
	strcat(list, "\n");
	put(group, "tasks", list);
	to_path(path, "%s/%s", proc(), pid);
	__real_mkdir(path, 0755);
	snprintf(list, sizeof(list), "0:numtasks:%.4000s\n",
		 group[strlen(root)] ? group + strlen(root) : "/");
	put(path, "bc", list);
	return 0;
}

static void list_hierarchy(FILE *f, int number, const char *name, const char *root,
			   char *tail, size_t size)
{
	char text[4096], *word, *save;

	get(root, "controllers", text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	fprintf(f, "%d\t%s\t1\t%s\n", number, name, text[0] ? text : "-");
	for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		snprintf(tail + strlen(tail), size - strlen(tail), "%s\t%d\n", word, number);
}

/* /proc/beancounters, from the tree. */
static void tell_proc(void)
{
	char path[PATH_MAX], tail[8192] = "";
	struct dirent *e;
	int number = 0;
	DIR *d;
	FILE *f;

	to_path(path, "%s/beancounters", proc());
	f = fopen(path, "we");
	if (!f)
		return;
	fputs("#hierarchy\tname\tgroups\tcontrollers\n", f);
	to_path(path, "%s/bc", configfs());
	list_hierarchy(f, number++, "bc", path, tail, sizeof(tail));
	to_path(path, "%s/bc_hierarchies", configfs());
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		to_path(path, "%s/bc_hierarchies/%s", configfs(), e->d_name);
		list_hierarchy(f, number++, e->d_name, path, tail, sizeof(tail));
	}
	if (d)
		closedir(d);
	fprintf(f, "#controller\thierarchy\n%s#css_groups\t1\n", tail);
	fclose(f);
}

static void remove_word(char *text, const char *word)
{
	char left[4096] = "", *w, *save, *copy = strdup(text);

	for (w = strtok_r(copy, "\n ", &save); w; w = strtok_r(NULL, "\n ", &save)) {
		if (strcmp(w, word)) {
			strcat(left, left[0] ? " " : "");
			strcat(left, w);
		}
	}
	free(copy);
	snprintf(text, sizeof(left), "%s", left);
}

static void remove_all(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		to_path(path, "%s/%s", dir, e->d_name);
		if (e->d_type == DT_DIR)
			remove_all(path);
		else
			unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

/* All of these come here, from the default hierarchy. */
static void bind_to(const char *root, const char *names)
{
	char home[PATH_MAX], text[4096], dir[PATH_MAX], *copy = strdup(names), *w, *save;

	to_path(home, "%s/bc", configfs());
	get(home, "controllers", text, sizeof(text));
	for (w = strtok_r(copy, "\n ", &save); w; w = strtok_r(NULL, "\n ", &save)) {
		remove_word(text, w);
		to_path(dir, "%s/%s", home, w);
		remove_all(dir);
		add_controller(root, w);
	}
	free(copy);
	strcat(text, "\n");
	put(home, "controllers", text);
	put(root, "controllers", names);
	tell_proc();
}

int __wrap_mkdirat(int dirfd, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	int fd;

	if (__real_mkdirat(dirfd, name, mode))
		return -1;
	fd = __real_openat(dirfd, name, O_PATH | O_CLOEXEC);
	if (in_tree(fd, path))
		fill(path, false);
	close(fd);
	return 0;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	if (__real_mkdir(path, mode))
		return -1;
	put(path, "controllers", "\n");
	fill(path, true);
	tell_proc();
	return 0;
}

static bool is_child(const char *dir, const char *name)
{
	char path[PATH_MAX];

	to_path(path, "%s/%s/tasks", dir, name);
	return name[0] != '.' && !access(path, F_OK);
}

/* So many times, somebody has not come to his end yet. */
static bool is_ending(void)
{
	static int left = -1;
	const char *times = getenv("BC_FAKE_ENDING");

	if (left < 0)
		left = times ? atoi(times) : 0;
	return left && left--;
}

static bool ends_with(const char *s, const char *end)
{
	return strlen(s) >= strlen(end) && !strcmp(s + strlen(s) - strlen(end), end);
}

static int wanted_failure(const char *name, const char *path)
{
	const char *fails = getenv(name), *sign = fails ? strrchr(fails, '=') : NULL;
	char suffix[256];

	if (!sign)
		return 0;
	snprintf(suffix, sizeof(suffix), "%.*s", (int)(sign - fails), fails);
	return ends_with(path, suffix) ? atoi(sign + 1) : 0;
}

int __wrap_unlinkat(int dirfd, const char *name, int flags)
{
	char path[PATH_MAX], alive[4096];
	struct dirent *e;
	int fd, err = 0;
	DIR *d;

	fd = __real_openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (!(flags & AT_REMOVEDIR) || !in_tree(fd, path)) {
		close(fd);
		return __real_unlinkat(dirfd, name, flags);
	}
	close(fd);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (is_child(path, e->d_name))
			err = ENOTEMPTY;
	}
	if (d)
		closedir(d);
	prune(path, alive, sizeof(alive));
	err = wanted_failure("BC_FAKE_FAIL", path) ?: err;
	if (!err && (alive[0] || is_ending()))
		err = EBUSY;
	/* As chown and chmod would have it; the test may be root. */
	if (faccessat(dirfd, ".", W_OK, AT_EACCESS))
		err = EACCES;
	if (err) {
		errno = err;
		return -1;
	}
	remove_all(path);
	return 0;
}

/* configfs does not empty a file before it is written. */
int __wrap_openat(int dirfd, const char *name, int flags, ...)
{
	char path[PATH_MAX], alive[4096];
	struct stat st;
	mode_t mode = 0;
	va_list ap;
	int fd, err;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, int);
	va_end(ap);
	/* Where we are: in the root as long as we have not moved. */
	if (ends_with(name, "/self/bc") && !strncmp(name, proc(), strlen(proc()))) {
		to_path(path, "%s/%d/bc", proc(), getpid());
		if (!access(path, F_OK))
			return __real_openat(dirfd, path, flags);
	}
	fd = __real_openat(dirfd, name, flags & ~O_TRUNC, mode);
	if (fd < 0)
		return fd;
	if (!in_tree(fd, path)) {
		close(fd);
		return __real_openat(dirfd, name, flags, mode);
	}
	err = flags & O_PATH ? wanted_failure("BC_FAKE_SHUT", path) : 0;
	/* Not even root writes to what can only be read. */
	if ((flags & O_ACCMODE) != O_RDONLY && !fstat(fd, &st) && !(st.st_mode & 0222))
		err = EACCES;
	if (err) {
		if (err == ENOENT)
			remove_all(path);
		close(fd);
		errno = err;
		return -1;
	}
	/* What the kernel does not count. */
	if ((flags & (O_ACCMODE | O_PATH)) == O_RDONLY && pread(fd, alive, 7, 0) == 7 &&
	    !memcmp(alive, "ENODATA", 7)) {
		close(fd);
		errno = ENODATA;
		return -1;
	}
	/* Who has ended is not listed. */
	if (!strcmp(name, "tasks") && (flags & O_ACCMODE) == O_RDONLY) {
		path[strlen(path) - 6] = '\0';
		prune(path, alive, sizeof(alive));
		put(path, "tasks", alive);
	}
	return fd;
}

static long long value(const char *text)
{
	return strncmp(text, "max", 3) ? atoll(text) : LLONG_MAX;
}

/* What limit and barrier do to each other. */
static int write_bound(const char *dir, const char *file, const char *text)
{
	char limit[64], barrier[64];

	get(dir, "limit", limit, sizeof(limit));
	get(dir, "barrier", barrier, sizeof(barrier));
	if (!strcmp(file, "barrier") && value(text) > value(limit))
		return -EINVAL;
	if (!strcmp(file, "limit") &&
	    (value(barrier) > value(text) || value(barrier) == value(limit)))
		put(dir, "barrier", text);
	put(dir, file, text);
	return 0;
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	char path[PATH_MAX], text[4096], *file;
	int err = 0;

	if (n >= sizeof(text) - 2 || !in_tree(fd, path))
		return __real_write(fd, buf, n);
	memcpy(text, buf, n);
	text[n] = '\0';
	if (!n || text[n - 1] != '\n')
		memcpy(text + n, "\n", 2);
	err = wanted_failure("BC_FAKE_FAIL", path);
	if (err) {
		errno = err;
		return -1;
	}
	file = strrchr(path, '/');
	*file++ = '\0';
	if (!strcmp(file, "tasks") || !strcmp(file, "threads"))
		err = move(path, text);
	else if (!strcmp(file, "limit") || !strcmp(file, "barrier"))
		err = write_bound(path, file, text);
	else if (!strcmp(file, "controllers"))
		bind_to(path, text);
	else
		put(path, file, text);
	if (err) {
		errno = -err;
		return -1;
	}
	return n;
}

/* Our end of the connector's socket, and the kernel's. */
static int connector = -1, kernel = -1;

static void tell_event(unsigned int what, pid_t pid, unsigned int from)
{
	char buf[NLMSG_SPACE(sizeof(struct cn_msg) + sizeof(struct proc_event))] = { };
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	struct cn_msg *msg = NLMSG_DATA(nlh);
	struct proc_event ev = { .what = what };

	nlh->nlmsg_len = NLMSG_LENGTH(sizeof(*msg) + sizeof(ev));
	nlh->nlmsg_type = NLMSG_DONE;
	nlh->nlmsg_pid = from;
	msg->id.idx = CN_IDX_PROC;
	msg->id.val = CN_VAL_PROC;
	msg->len = sizeof(ev);
	/* In a fork, the child's comes later. */
	ev.event_data.exec.process_pid = pid;
	ev.event_data.exec.process_tgid = pid;
	memcpy(msg->data, &ev, sizeof(ev));
	__real_send(kernel, buf, nlh->nlmsg_len, 0);
}

static void tell_events(const char *fifo)
{
	char word[16];
	FILE *f;
	int pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	f = fopen(fifo, "r+e");
	while (f && fscanf(f, "%15s", word) == 1) {
		if (!strcmp(word, "lost"))
			__real_send(kernel, "", 1, 0);
		else if (fscanf(f, "%d", &pid) == 1)
			tell_event(!strcmp(word, "exec") ? PROC_EVENT_EXEC :
				   !strcmp(word, "spoof") ? PROC_EVENT_EXEC :
				   !strcmp(word, "uid") ? PROC_EVENT_UID :
				   !strcmp(word, "gid") ? PROC_EVENT_GID : PROC_EVENT_FORK, pid,
				   !strcmp(word, "spoof"));
	}
	_exit(0);
}

int __wrap_socket(int domain, int type, int protocol)
{
	const char *fifo = getenv("BC_FAKE_EVENTS");
	int fd[2];

	if (domain != AF_NETLINK || protocol != NETLINK_CONNECTOR || !fifo)
		return __real_socket(domain, type, protocol);
	if (socketpair(AF_UNIX, type, 0, fd))
		return -1;
	connector = fd[0];
	kernel = fd[1];
	if (fifo[0] == '/' && !fork())
		tell_events(fifo);
	return connector;
}

int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	if (fd != connector)
		return __real_bind(fd, addr, len);
	errno = atoi(getenv("BC_FAKE_EVENTS"));
	return errno ? -1 : 0;
}

/* An answer to who wants to hear all. */
ssize_t __wrap_send(int fd, const void *buf, size_t n, int flags)
{
	if (fd != connector)
		return __real_send(fd, buf, n, flags);
	if (n == NLMSG_LENGTH(sizeof(struct cn_msg) + 4) && getenv("BC_FAKE_EVENTS")[0] == '/')
		tell_event(PROC_EVENT_NONE, 0, 0);
	return n;
}

ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
			socklen_t *len)
{
	ssize_t ret;

	if (fd != connector)
		return __real_recvfrom(fd, buf, n, flags, addr, len);
	ret = recv(fd, buf, n, flags);
	if (ret == 1) {
		errno = ENOBUFS;
		return -1;
	}
	if (ret >= (ssize_t)sizeof(struct nlmsghdr))
		((struct sockaddr_nl *)addr)->nl_pid = ((struct nlmsghdr *)buf)->nlmsg_pid;
	return ret;
}

/* A path that the kernel cannot tell: a link to ENAMETOOLONG. */
ssize_t __wrap_readlinkat(int dirfd, const char *name, char *buf, size_t size)
{
	ssize_t ret = __real_readlinkat(dirfd, name, buf, size);

	if (ret == 12 && !memcmp(buf, "ENAMETOOLONG", 12)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return ret;
}
