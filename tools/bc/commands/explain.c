// SPDX-License-Identifier: GPL-2.0
/* bcctl explain: which limit binds, there and elsewhere, and what to do about it. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bcctl.h"

/**
 * struct level - a group, and one above it, and so on
 * @group: open
 * @counters: by controller
 */
struct level {
	struct bc_group *group;
	struct bc_counter *counters;
};

#define MAX_LEVELS 64

/**
 * struct chain - from a group up to below the root of its hierarchy
 */
struct chain {
	struct level level[MAX_LEVELS];
	size_t n;
};

/**
 * struct elsewhere - a limit that beancounters have nothing to do with
 * @resource: which of ours it is about
 * @what: its name
 * @held, @limit: negative if not known
 */
struct elsewhere {
	const char *resource;
	char *what;
	long long held, limit;
};

static struct {
	struct bc *bc;
	const struct bc_controller *c;
	size_t nr_controllers;
	struct elsewhere *others;
	size_t nr_others;
} ex;

static void add_other(const char *resource, char *what, long long held, long long limit)
{
	struct elsewhere *o;

	ex.others = reallocarray(ex.others, ex.nr_others + 1, sizeof(*o));
	if (!ex.others)
		out_of_memory();
	o = &ex.others[ex.nr_others++];
	o->resource = resource;
	o->what = what;
	o->held = held;
	o->limit = limit;
}

/* A file below /proc, up to @size bytes of it. */
static bool read_proc(const char *file, char *buf, size_t size)
{
	char *path = format("%s/%s", bc_proc(ex.bc), file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0, ret;

	free(path);
	if (fd < 0)
		return false;
	while ((size_t)n < size - 1 && (ret = read(fd, buf + n, size - 1 - n)) > 0)
		n += ret;
	close(fd);
	buf[n] = '\0';
	return n > 0;
}

static long long proc_number(const char *file)
{
	char text[64];

	return read_proc(file, text, sizeof(text)) ? atoll(text) : -1;
}

/* The number behind "Name:" in the text of a status file. */
static long long field(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? atoll(p + strlen(name)) : -1;
}

/* The soft limit in the text of a limits file; BC_MAX for unlimited. */
static long long rlimit(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	if (!p)
		return -1;
	p += strlen(name);
	p += strspn(p, " ");
	return isdigit((unsigned char)*p) ? atoll(p) : BC_MAX;
}

static long count_entries(const char *dir)
{
	char *path = format("%s/%s", bc_proc(ex.bc), dir);
	DIR *d = opendir(path);
	struct dirent *e;
	long n = 0;

	free(path);
	if (!d)
		return -1;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/**
 * struct usage_of_user - what all processes of a user have
 * @tasks: of that real uid
 * @inotify: instances
 * @watches: in these
 */
struct usage_of_user {
	long long tasks, inotify, watches;
};

static void count_inotify(const char *pid, struct usage_of_user *u)
{
	char *dir = format("%s/%s/fd", bc_proc(ex.bc), pid), text[8192];
	DIR *d = opendir(dir);
	struct dirent *e;

	free(dir);
	while (d && (e = readdir(d))) {
		const char *p = text;
		ssize_t n;

		n = readlinkat(dirfd(d), e->d_name, text, sizeof(text) - 1);
		if (n <= 0)
			continue;
		text[n] = '\0';
		if (!strstr(text, "inotify"))
			continue;
		u->inotify++;
		dir = format("%s/fdinfo/%s", pid, e->d_name);
		if (read_proc(dir, text, sizeof(text))) {
			while ((p = strstr(p, "inotify wd:"))) {
				u->watches++;
				p++;
			}
		}
		free(dir);
	}
	if (d)
		closedir(d);
}

static void look_at_user(long long uid, struct usage_of_user *u)
{
	DIR *d = opendir(bc_proc(ex.bc));
	struct dirent *e;
	char text[4096];

	memset(u, 0, sizeof(*u));
	while (d && (e = readdir(d))) {
		char *file;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		file = format("%s/status", e->d_name);
		if (read_proc(file, text, sizeof(text)) && field(text, "\nUid:") == uid) {
			u->tasks += field(text, "\nThreads:");
			count_inotify(e->d_name, u);
		}
		free(file);
	}
	if (d)
		closedir(d);
}

/* Each cgroup from that of the process up that has a limit of pids. */
static void look_at_pids_cgroup(const char *pid)
{
	const char *root = secure_getenv("BC_CGROUP") ?: "/sys/fs/cgroup";
	char *file = format("%s/cgroup", pid), text[4096], *p = NULL, *end;

	if (read_proc(file, text, sizeof(text)))
		p = strstr(text, "0::");
	free(file);
	if (!p || (p != text && p[-1] != '\n'))
		return;
	p += 3;
	p[strcspn(p, "\n")] = '\0';
	while (*p) {
		char *name = format("%s%s/pids.current", root, p), buf[2][32];
		int i;

		for (i = 0; i < 2; i++) {
			int fd = open(name, O_RDONLY | O_CLOEXEC);
			ssize_t n = fd < 0 ? 0 : read(fd, buf[i], sizeof(buf[i]) - 1);

			if (fd >= 0)
				close(fd);
			buf[i][n > 0 ? n : 0] = '\0';
			free(name);
			name = format("%s%s/pids.max", root, p);
		}
		free(name);
		if (isdigit((unsigned char)buf[1][0]) && buf[0][0])
			add_other("numtasks", format("pids.max of cgroup %s", p), atoll(buf[0]),
				  atoll(buf[1]));
		end = strrchr(p, '/');
		if (!end || end == p)
			break;
		*end = '\0';
	}
}

static void look_at_memlock(const char *status, const char *limits)
{
	long long kb = field(status, "\nVmLck:"), limit = rlimit(limits, "Max locked memory");
	long page = sysconf(_SC_PAGESIZE);

	if (kb >= 0 && limit >= 0 && limit != BC_MAX)
		add_other("lockedpages", format("RLIMIT_MEMLOCK of the process, in pages"),
			  kb * 1024 / page, limit / page);
}

static void look_at_keys(long long uid)
{
	char text[8192], *line, *save;
	long long user, keys, max;

	if (!read_proc("key-users", text, sizeof(text)))
		return;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%lld: %*d %*d/%*d %lld/%lld", &user, &keys, &max) == 3 &&
		    user == uid)
			add_other("numkeys", format("kernel.keys.maxkeys for uid %lld", uid),
				  keys, max);
	}
}

static void look_at_process(const char *pid)
{
	char limits[4096] = "", status[4096] = "", *file;
	struct usage_of_user u;
	long long uid, queued = -1;
	const char *p;

	file = format("%s/limits", pid);
	read_proc(file, limits, sizeof(limits));
	free(file);
	file = format("%s/status", pid);
	read_proc(file, status, sizeof(status));
	free(file);
	uid = field(status, "\nUid:");
	look_at_user(uid, &u);
	file = format("%s/fd", pid);
	add_other("numfiles", format("RLIMIT_NOFILE of the process"), count_entries(file),
		  rlimit(limits, "Max open files"));
	free(file);
	/* It does not hold for root, nor for who has CAP_SYS_RESOURCE. */
	if (uid)
		add_other("numtasks", format("RLIMIT_NPROC, for all of uid %lld", uid), u.tasks,
			  rlimit(limits, "Max processes"));
	p = strstr(status, "\nSigQ:");
	if (p)
		queued = atoll(p + 6);
	add_other("numsiginfo", format("RLIMIT_SIGPENDING, for all of uid %lld", uid), queued,
		  rlimit(limits, "Max pending signals"));
	add_other("numinotify", format("fs.inotify.max_user_instances for uid %lld", uid),
		  u.inotify, proc_number("sys/fs/inotify/max_user_instances"));
	add_other("numwatches", format("fs.inotify.max_user_watches for uid %lld", uid),
		  u.watches, proc_number("sys/fs/inotify/max_user_watches"));
	look_at_memlock(status, limits);
	look_at_keys(uid);
	look_at_pids_cgroup(pid);
}

static void look_at_system(void)
{
	long long tasks = -1;
	char text[128], *slash;

	if (read_proc("loadavg", text, sizeof(text))) {
		slash = strchr(text, '/');
		if (slash)
			tasks = atoll(slash + 1);
	}
	add_other("numfiles", format("fs.file-max of the system"),
		  proc_number("sys/fs/file-nr"), proc_number("sys/fs/file-max"));
	add_other("numtasks", format("kernel.pid_max of the system"), tasks,
		  proc_number("sys/kernel/pid_max"));
	add_other("numtasks", format("kernel.threads-max of the system"), tasks,
		  proc_number("sys/kernel/threads-max"));
	add_other("numpty", format("kernel.pty.max of the system"),
		  proc_number("sys/kernel/pty/nr"), proc_number("sys/kernel/pty/max"));
}

static void close_chain(struct chain *ch)
{
	while (ch->n--) {
		bc_group_close(ch->level[ch->n].group);
		free(ch->level[ch->n].counters);
	}
}

static int open_chain(const char *spec, struct chain *ch)
{
	struct bc_group *group, *parent;
	size_t i;
	int err;

	ch->n = 0;
	err = bc_group_open(ex.bc, spec, &group);
	while (!err && !bc_group_is_root(group) && ch->n < MAX_LEVELS) {
		struct level *l = &ch->level[ch->n++];

		l->group = group;
		/* For the time of the last refusal, which is in no file. */
		bc_fetch(group, false);
		l->counters = alloc(ex.nr_controllers, sizeof(*l->counters));
		for (i = 0; i < ex.nr_controllers && !err; i++) {
			if (ex.c[i].counter && bc_group_has(group, &ex.c[i]))
				err = bc_counter_read(group, &ex.c[i], BC_ALL, &l->counters[i]);
		}
		if (!err)
			err = bc_group_parent(group, &parent);
		group = err ? NULL : parent;
	}
	if (group)
		bc_group_close(group);
	if (err)
		close_chain(ch);
	return err ? fail_bc(ex.bc, NULL) : STATUS_OK;
}

/* Where there is the least room, from below; NULL if nothing is limited. */
static const struct level *binding(const struct chain *ch, size_t k, long long *room)
{
	const struct level *found = NULL;
	size_t i;

	*room = BC_MAX;
	for (i = 0; i < ch->n; i++) {
		const struct bc_counter *counter = &ch->level[i].counters[k];
		long long bound = bound_of(&ex.c[k], counter), left;

		if (bound == BC_MAX || !counter->seen)
			continue;
		left = counter->val[BC_HELD] < bound ? bound - counter->val[BC_HELD] : 0;
		if (!found || left < *room) {
			found = &ch->level[i];
			*room = left;
		}
	}
	return found;
}

/* Who has refused it at all; the first from below. */
static const struct level *refuser(const struct chain *ch, size_t k)
{
	size_t i;

	for (i = 0; i < ch->n; i++) {
		if (ch->level[i].counters[k].val[BC_FAILCNT] > 0)
			return &ch->level[i];
	}
	return NULL;
}

/*
 * The kernel logs the first refusal in a group of a resource:
 * "bc: /web: numfiles limit 200 reached by nginx[812], group /web/php".
 */
static char *logged(const char *group, const char *resource)
{
	const char *log = secure_getenv("BC_KMSG") ?: "/dev/kmsg";
	char *line = NULL, *start, *when = NULL, *quiet[2];
	int fd = open(log, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	size_t room = 0;

	if (!f)
		return NULL;
	/* A record is read as a whole, or not at all. */
	setvbuf(f, NULL, _IOFBF, 16384);
	quiet[0] = format("bc: %s: %s limit ", group, resource);
	quiet[1] = format("bc: %s: %s barrier ", group, resource);
	while (getline(&line, &room, f) > 0) {
		struct timespec now;
		char text[64];
		double usec;
		time_t t;

		start = strchr(line, ';');
		if (!start || (strncmp(start + 1, quiet[0], strlen(quiet[0])) &&
			       strncmp(start + 1, quiet[1], strlen(quiet[1]))))
			continue;
		if (sscanf(line, "%*d,%*d,%lf", &usec) != 1)
			continue;
		/* Since boot, without suspend: good enough for a date. */
		clock_gettime(CLOCK_MONOTONIC, &now);
		t = time(NULL) - now.tv_sec + usec / 1000000;
		strftime(text, sizeof(text), "%F %T", localtime(&t));
		start = strstr(start, " reached ");
		if (start)
			start[strcspn(start, "\n")] = '\0';
		free(when);
		when = format("first at %s%s", text, start ? start + 8 : "");
	}
	free(line);
	free(quiet[0]);
	free(quiet[1]);
	fclose(f);
	return when;
}

/* When the last refusal was, for people; NULL if nobody knows. */
static char *last_refused(const struct bc_counter *counter)
{
	struct timespec now;
	char text[64];
	time_t t;

	if (!counter->refused_at)
		return NULL;
	clock_gettime(CLOCK_BOOTTIME, &now);
	t = time(NULL) - now.tv_sec + counter->refused_at;
	strftime(text, sizeof(text), "%F %T", localtime(&t));
	return format("last at %s", text);
}

/* ", @text", and give it up, if there is any. */
static void print_also(char *text)
{
	if (!text)
		return;
	fputs(", ", stdout);
	put_name(stdout, text, false);
	free(text);
}

static void print_bound(const struct level *l, size_t k)
{
	const struct bc_counter *counter = &l->counters[k];
	char held[BC_AMOUNT_SIZE], bound[BC_AMOUNT_SIZE];
	bool barrier = bound_of(&ex.c[k], counter) < counter->val[BC_LIMIT];

	bc_format_human(counter->val[BC_HELD], ex.c[k].unit, held);
	bc_format_human(bound_of(&ex.c[k], counter), ex.c[k].unit, bound);
	printf("%s of %s (%s) in ", held, bound, barrier ? "barrier" : "limit");
	put_name(stdout, bc_group_name(l->group), false);
}

static long long twice(long long val)
{
	return val > BC_MAX / 2 ? BC_MAX : val ? 2 * val : 1;
}

/* A command that gives twice as much. */
static void print_advice(const struct level *l, size_t k)
{
	const struct bc_counter *counter = &l->counters[k];
	char barrier[BC_AMOUNT_SIZE], limit[BC_AMOUNT_SIZE];

	bc_format_amount(twice(counter->val[BC_BARRIER]), barrier);
	bc_format_amount(twice(counter->val[BC_LIMIT]), limit);
	printf("      more: bcctl set ");
	put_quoted(stdout, bc_group_name(l->group));
	if (strcmp(barrier, limit))
		printf(" %s=%s:%s\n", ex.c[k].name, barrier, limit);
	else
		printf(" %s=%s\n", ex.c[k].name, limit);
}

static void print_others(size_t k, long long room)
{
	long long least = room;
	size_t i;

	for (i = 0; i < ex.nr_others; i++) {
		const struct elsewhere *o = &ex.others[i];
		long long left = o->limit - o->held;

		if (!strcmp(o->resource, ex.c[k].name) && o->held >= 0 && o->limit >= 0 &&
		    left < least)
			least = left;
	}
	for (i = 0; i < ex.nr_others; i++) {
		const struct elsewhere *o = &ex.others[i];
		long long left = o->limit - o->held;

		if (strcmp(o->resource, ex.c[k].name) || o->limit < 0 || o->limit == BC_MAX)
			continue;
		if (o->held < 0) {
			printf("      also: %s is %lld\n", o->what, o->limit);
			continue;
		}
		printf("      also: %s: %lld of %lld, %lld left%s\n", o->what, o->held,
		       o->limit, left > 0 ? left : 0,
		       left == least && least < room ? "; this one binds first" : "");
	}
}

static void explain_resource(const struct chain *ch, size_t k)
{
	const struct level *l, *r;
	char held[BC_AMOUNT_SIZE], left[BC_AMOUNT_SIZE];
	long long room, bound = BC_MAX;

	l = binding(ch, k, &room);
	r = refuser(ch, k);
	bc_format_human(ch->level[0].counters[k].val[BC_HELD], ex.c[k].unit, held);
	printf("  %-13s ", ex.c[k].name);
	if (l) {
		bound = bound_of(&ex.c[k], &l->counters[k]);
		print_bound(l, k);
		printf(", %s left", bc_format_human(room, ex.c[k].unit, left));
		if (l != &ch->level[0])
			printf(" (%s of it held here)", held);
		putchar('\n');
	} else {
		printf("%s, no limit\n", held);
	}
	for (; r && r < ch->level + ch->n; r++) {
		if (!r->counters[k].val[BC_FAILCNT])
			continue;
		printf("      refused: %lld times by ", r->counters[k].val[BC_FAILCNT]);
		put_name(stdout, bc_group_name(r->group), false);
		print_also(last_refused(&r->counters[k]));
		print_also(logged(bc_group_name(r->group), ex.c[k].name));
		putchar('\n');
	}
	/* What is full, or has refused; there, more would help. */
	r = refuser(ch, k);
	if (l && (room < bound / 5 || r))
		print_advice(room < bound / 5 || !r ||
			     bound_of(&ex.c[k], &r->counters[k]) == BC_MAX ? l : r, k);
	print_others(k, room);
}

static int explain_group(const char *spec, bool is_task)
{
	struct chain ch;
	size_t k;

	if (open_chain(spec, &ch))
		return STATUS_FAILED;
	if (!ch.n) {
		put_name(stdout, spec, false);
		puts(is_task ? ": a root, where nothing is limited" :
		     " is a root, where nothing is limited; name a group or a process");
	} else {
		put_name(stdout, bc_group_name(ch.level[0].group), false);
		puts(":");
	}
	for (k = 0; ch.n && k < ex.nr_controllers; k++) {
		if (ex.c[k].counter && bc_group_has(ch.level[0].group, &ex.c[k]))
			explain_resource(&ch, k);
	}
	close_chain(&ch);
	return STATUS_OK;
}

static int explain_task(const char *pid)
{
	const struct bc_hierarchy *h;
	int status = STATUS_OK, ret;
	char *file, comm[64] = "?";
	size_t i, n;
	char *spec;

	file = format("%s/comm", pid);
	if (read_proc(file, comm, sizeof(comm)))
		comm[strcspn(comm, "\n")] = '\0';
	free(file);
	h = bc_hierarchies(ex.bc, &n);
	for (i = 0; i < n; i++) {
		if (bc_task_group(ex.bc, atoi(pid), &h[i], &spec))
			return fail_bc(ex.bc, NULL);
		if (!i)
			look_at_process(pid);
		put_name(stdout, comm, false);
		printf("[%s] is in ", pid);
		ret = explain_group(spec, true);
		status = ret ?: status;
		free(spec);
	}
	return status;
}

static int cmd_explain(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *arg;
	int status;

	while (next_option(argc, argv, "", longs) != -1)
		;
	if (argc - optind != 1)
		return usage(optind == argc ? "which group, or which process?" :
			     "one at a time");
	arg = argv[optind];
	ex.bc = open_bc();
	ex.c = bc_controllers(ex.bc, &ex.nr_controllers);
	look_at_system();
	/* A group that is called 123 is /123. */
	if (arg[0] && !arg[strspn(arg, "0123456789")])
		status = explain_task(arg);
	else
		status = explain_group(arg, false);
	while (ex.nr_others--)
		free(ex.others[ex.nr_others].what);
	free(ex.others);
	bc_close(ex.bc);
	return status;
}

const struct command explain_command = {
	.name = "explain",
	.run = cmd_explain,
	.args = "GROUP|PID",
	.summary = "Which limit binds, and what would help",
	.help =
	"For each resource: which level's limit leaves the least room, how much that is, what\n"
	"was refused and by whom, the command that gives more, and limits from elsewhere:\n"
	"of the system, and for a process those of setrlimit(2), of its user, and of the\n"
	"pids cgroup. When something was refused first is known if the kernel's log is\n"
	"readable and has not gone round. A number is a process, /123 a group.\n",
};
