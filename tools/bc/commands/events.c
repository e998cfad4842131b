// SPDX-License-Identifier: GPL-2.0
/* bcctl events: print what happens in the groups. */
#include <ctype.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "bcctl.h"

static const char * const event_names[] = {
	[BC_CMD_REFUSED] = "refused",
	[BC_CMD_ATTACHED] = "attached",
	[BC_CMD_CREATED] = "created",
	[BC_CMD_REMOVED] = "removed",
	[BC_CMD_OOM] = "oom",
};

/**
 * struct options - what was asked for
 * @json: an object a line
 * @verbose: say "ready"
 * @count: how many events; 0 is no end
 * @timeout: milliseconds; negative is no end
 * @group: this path and below, or NULL
 * @hierarchy: in this hierarchy; negative is any
 * @resource: refusals of this one only, or NULL
 * @events: a bit for each BC_CMD_* to print
 * @buffer: bytes of receive buffer
 */
static struct {
	bool json, verbose;
	unsigned long count;
	long timeout;
	char *group;
	long hierarchy;
	const char *resource;
	unsigned int events;
	int buffer;
} opt = {
	.timeout = -1,
	.hierarchy = -1,
	.events = ~0U,
	.buffer = 4 << 20,
};

static bool has(const struct bc_event *ev, unsigned int attr)
{
	return ev->seen & 1U << attr;
}

/* "max" is LONG_MAX of the kernel, whose words may be longer than ours. */
static bool is_max(unsigned long long val)
{
	return val == LLONG_MAX || val == LONG_MAX;
}

static void add_num(struct json_object *obj, bool there, const char *key,
		    unsigned long long val)
{
	if (there)
		json_object_object_add(obj, key, json_object_new_uint64(val));
}

static void add_text(struct json_object *obj, const char *key, const char *text)
{
	if (text)
		json_object_object_add(obj, key, json_text(text));
}

static void add_max(struct json_object *obj, bool there, const char *key,
		    unsigned long long val)
{
	if (there && is_max(val))
		json_object_object_add(obj, key, NULL);
	else
		add_num(obj, there, key, val);
}

static void print_json(const struct bc_event *ev)
{
	struct json_object *obj = json_object_new_object(), *counters;
	unsigned int i;

	add_text(obj, "event", event_names[ev->cmd]);
	add_num(obj, has(ev, BC_A_HIERARCHY), "hierarchy", ev->hierarchy);
	add_num(obj, has(ev, BC_A_GROUP_ID), "group_id", ev->group_id);
	add_text(obj, "group", ev->group);
	add_text(obj, "resource", ev->resource);
	add_num(obj, has(ev, BC_A_REFUSER_ID), "refuser_id", ev->refuser_id);
	add_text(obj, "refuser", ev->refuser);
	add_num(obj, has(ev, BC_A_AMOUNT), "amount", ev->amount);
	add_num(obj, has(ev, BC_A_HELD), "held", ev->held);
	add_max(obj, has(ev, BC_A_BARRIER), "barrier", ev->barrier);
	add_max(obj, has(ev, BC_A_LIMIT), "limit", ev->limit);
	add_num(obj, has(ev, BC_A_FAILCNT), "failcnt", ev->failcnt);
	add_num(obj, has(ev, BC_A_PID), "pid", ev->pid);
	add_text(obj, "comm", ev->comm);
	if (ev->cmd == BC_CMD_REMOVED) {
		counters = json_object_new_object();
		for (i = 0; i < ev->nr_counters; i++) {
			const struct bc_event_counter *c = &ev->counters[i];
			struct json_object *one = json_object_new_object();

			add_num(one, true, "held", c->held);
			add_num(one, c->seen & 1U << BC_A_MAXHELD, "maxheld", c->maxheld);
			add_num(one, c->seen & 1U << BC_A_MINHELD, "minheld", c->minheld);
			add_num(one, c->seen & 1U << BC_A_FAILCNT, "failcnt", c->failcnt);
			json_object_object_add(counters, c->resource, one);
		}
		json_object_object_add(obj, "counters", counters);
	}
	json_line(obj);
}

/* As in /proc/<pid>/bc; the default hierarchy needs no number. */
static void print_path(const struct bc_event *ev, const char *path)
{
	if (ev->hierarchy)
		printf("%u:", ev->hierarchy);
	put_name(stdout, path ?: "?", true);
}

static void print_num(bool there, const char *name, unsigned long long val)
{
	if (there)
		printf(" %s %llu", name, val);
	else
		printf(" %s ?", name);
}

static void print_max(bool there, const char *name, unsigned long long val)
{
	if (there && is_max(val))
		printf(" %s max", name);
	else
		print_num(there, name, val);
}

/* Or of an OOM, whose amount is what the process had. */
static void print_refused(const struct bc_event *ev)
{
	printf("%s ", event_names[ev->cmd]);
	put_name(stdout, ev->resource ?: "?", true);
	putchar(' ');
	print_path(ev, ev->group);
	printf(" by ");
	print_path(ev, ev->refuser);
	/* Who has no privilege may not be told of a group above. */
	putchar(':');
	print_num(has(ev, BC_A_HELD), "held", ev->held);
	print_max(has(ev, BC_A_BARRIER), "barrier", ev->barrier);
	print_max(has(ev, BC_A_LIMIT), "limit", ev->limit);
	print_num(true, "amount", ev->amount);
	print_num(has(ev, BC_A_FAILCNT), "failcnt", ev->failcnt);
}

/* Only those that have something to tell. */
static void print_counters(const struct bc_event *ev)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < ev->nr_counters; i++) {
		const struct bc_event_counter *c = &ev->counters[i];

		if (!(c->held | c->maxheld | c->failcnt))
			continue;
		printf(any ? ", " : " ");
		any = true;
		put_name(stdout, c->resource, true);
		putchar(':');
		if (c->held)
			printf(" held %llu", c->held);
		printf(" maxheld %llu failcnt %llu", c->maxheld, c->failcnt);
	}
	if (any)
		putchar(',');
}

static void print_text(const struct bc_event *ev)
{
	if (ev->cmd == BC_CMD_REFUSED || ev->cmd == BC_CMD_OOM) {
		print_refused(ev);
	} else {
		printf("%s ", event_names[ev->cmd]);
		print_path(ev, ev->group);
	}
	if (ev->cmd == BC_CMD_REMOVED)
		print_counters(ev);
	putchar(' ');
	put_name(stdout, ev->comm ?: "?", true);
	printf("[%u]\n", ev->pid);
}

/* The kernel knows how many; when our buffer was full, nobody does. */
static void print_lost(const struct bc_event *ev)
{
	if (opt.json) {
		struct json_object *obj = json_object_new_object();

		add_text(obj, "event", "lost");
		add_text(obj, "where", ev ? "kernel" : "receiver");
		json_object_object_add(obj, "count",
				       ev ? json_object_new_uint64(ev->lost) : NULL);
		json_line(obj);
	} else if (ev) {
		printf("lost %llu in the kernel\n", ev->lost);
	} else {
		puts("lost some here: the receive buffer was full (--buffer)");
	}
}

/* The group or below. One that was cut in front can be anywhere. */
static bool path_matches(const char *path)
{
	size_t len = strlen(opt.group);

	if (!path || path[0] != '/')
		return true;
	/* "/" has been made "", so that it is everywhere. */
	return !strncmp(path, opt.group, len) && (path[len] == '\0' || path[len] == '/');
}

static bool wanted(const struct bc_event *ev)
{
	/* A later kernel may have more of them. */
	if (ev->cmd >= ARRAY_SIZE(event_names) || !event_names[ev->cmd])
		return false;
	if (!(opt.events & 1U << ev->cmd))
		return false;
	if (opt.resource && (!ev->resource || strcmp(ev->resource, opt.resource)))
		return false;
	if (opt.hierarchy >= 0 && ev->hierarchy != opt.hierarchy)
		return false;
	return !opt.group || path_matches(ev->group);
}

static bool flush(void)
{
	return !fflush(stdout) && !ferror(stdout);
}

static unsigned long printed;

static bool enough(void)
{
	return opt.count && printed >= opt.count;
}

/* Print what there is, but not for long: something else may have happened. */
static int take(struct bc_events *events)
{
	static struct bc_event ev;
	int i, ret;

	for (i = 0; i < 256 && !enough(); i++) {
		ret = bc_events_next(events, &ev);
		if (ret == 0)
			break;
		if (ret == -ENOBUFS) {
			print_lost(NULL);
		} else if (ret == -EBADMSG || ret == -EMSGSIZE) {
			note("left out a message that makes no sense");
			continue;
		} else if (ret < 0) {
			return fail("cannot receive: %s", strerror(-ret));
		} else if (ev.cmd == BC_CMD_LOST) {
			print_lost(&ev);
		} else if (wanted(&ev)) {
			if (opt.json)
				print_json(&ev);
			else
				print_text(&ev);
			printed++;
		} else {
			continue;
		}
		if (!flush())
			return fail("cannot write: %s", strerror(errno));
	}
	return STATUS_OK;
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* @sig can be read when we are to end. */
static int loop(struct bc_events *events, int sig)
{
	struct pollfd pfd[] = {
		{ .fd = bc_events_fd(events), .events = POLLIN },
		{ .fd = sig, .events = POLLIN },
	};
	long end = now_ms() + opt.timeout, left = -1;
	int status;

	while (!enough()) {
		if (opt.timeout >= 0) {
			left = end - now_ms();
			if (left <= 0)
				return STATUS_TIMEOUT;
		}
		if (poll(pfd, ARRAY_SIZE(pfd), left) < 0 && errno != EINTR)
			return fail("cannot wait: %s", strerror(errno));
		if (pfd[1].revents)
			break;
		status = pfd[0].revents ? take(events) : STATUS_OK;
		if (status)
			return status;
	}
	return STATUS_OK;
}

static int no_family(void)
{
	if (access("/proc/beancounters", F_OK) && access("/sys/kernel/config/bc", F_OK))
		return fail("this kernel has no beancounters (CONFIG_BEANCOUNTERS)");
	return fail("%s%s", "no events here: this is not the initial network namespace; try ",
		    "'nsenter --net=/proc/1/ns/net bcctl events'");
}

static int parse_size(const char *arg)
{
	long long val;

	if (!isdigit((unsigned char)arg[0]) || bc_parse_amount(arg, BC_UNIT_BYTES, &val) ||
	    !val || val >= INT_MAX / 2)
		exit(usage("--buffer: '%s' is no size from 1 to 1023M", arg));
	return val;
}

/* As for other commands, or with the number of a hierarchy. */
static void parse_group(const char *arg)
{
	const struct bc_hierarchy *h;
	const char *p = strchr(arg, '/') ?: "";
	struct bc *bc;
	size_t len;

	if (isdigit((unsigned char)arg[0])) {
		char *end;

		errno = 0;
		opt.hierarchy = strtol(arg, &end, 10);
		if (errno || opt.hierarchy > INT_MAX || *end != ':' || end[1] != '/')
			exit(usage("--group: '%s' is no path from a hierarchy's root", arg));
		opt.group = format("%s", end + 1);
	} else if (p == arg) {
		opt.group = format("%s", arg);
	} else {
		bc = open_bc();
		if (bc_parse_group(bc, arg, &h, &opt.group))
			exit(fail_bc(bc, NULL));
		opt.hierarchy = h->number;
		bc_close(bc);
	}
	len = strlen(opt.group);
	while (len && opt.group[len - 1] == '/')
		opt.group[--len] = '\0';
}

static unsigned int parse_events(char *arg)
{
	unsigned int set = 0, i;
	char *name, *save;

	for (name = strtok_r(arg, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		for (i = 0; i < ARRAY_SIZE(event_names); i++) {
			if (event_names[i] && !strcmp(name, event_names[i]))
				break;
		}
		if (i == ARRAY_SIZE(event_names))
			exit(usage("--event: '%s' is not refused, attached, created or removed",
				   name));
		set |= 1U << i;
	}
	if (!set)
		exit(usage("--event: which one? refused, attached, created or removed"));
	return set;
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "count", required_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{ "group", required_argument, NULL, 'g' },
		{ "resource", required_argument, NULL, 'r' },
		{ "event", required_argument, NULL, 'e' },
		{ "buffer", required_argument, NULL, 'b' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = next_option(argc, argv, "jn:t:g:r:e:b:vV", longs)) != -1) {
		switch (c) {
		case 'j':
			opt.json = true;
			break;
		case 'n':
			opt.count = count_arg("--count", optarg);
			break;
		case 't':
			opt.timeout = seconds_arg("--timeout", optarg) * 1000;
			break;
		case 'g':
			parse_group(optarg);
			break;
		case 'r':
			opt.resource = optarg;
			break;
		case 'e':
			opt.events = parse_events(optarg);
			break;
		case 'b':
			opt.buffer = parse_size(optarg);
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'V':
			puts("bcctl " VERSION);
			exit(STATUS_OK);
		}
	}
	if (optind < argc && !opt.group)
		parse_group(argv[optind++]);
	if (optind < argc)
		exit(usage("'%s' is too much", argv[optind]));
	if (opt.resource && !(opt.events & 1U << BC_CMD_REFUSED))
		exit(usage("--resource needs --event refused"));
	if (opt.resource)
		opt.events = 1U << BC_CMD_REFUSED;
}

/* Who may not listen to all may to what is theirs. */
static int open_events(struct bc_events **events)
{
	int err = bc_events_open(events, opt.buffer);

	if (err != -EPERM || !opt.group)
		return err;
	err = bc_events_open_group(events, opt.hierarchy < 0 ? 0 : opt.hierarchy,
				   opt.group[0] ? opt.group : "/", opt.buffer);
	return err == -EOPNOTSUPP ? -EPERM : err;
}

static int no_events(int err)
{
	const char *group = opt.group && opt.group[0] ? opt.group : "/";

	switch (-err) {
	case ENOENT:
		return opt.group ? fail("there is no group '%s', or no events here", group) :
				   no_family();
	case EPERM:
		return fail("not permitted: needs root (CAP_SYS_ADMIN), or --group with a %s",
			    "group that is yours");
	case EACCES:
		return fail("%s: not permitted: its directory, or tasks in it, is not %s",
			    group, "yours to write");
	case ENOSPC:
		return fail("too many are listening already");
	default:
		return fail("cannot listen to events: %s", strerror(-err));
	}
}

static int cmd_events(int argc, char **argv)
{
	struct bc_events *events;
	int sig, err, status;
	sigset_t set;

	parse_options(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sig = signalfd(-1, &set, SFD_CLOEXEC);
	if (sig < 0)
		return fail("cannot wait for signals: %s", strerror(errno));
	err = open_events(&events);
	if (err)
		return no_events(err);
	if (opt.verbose)
		fputs("ready\n", stderr);
	status = loop(events, sig);
	bc_events_close(events);
	free(opt.group);
	return status;
}

const struct command events_command = {
	.name = "events",
	.run = cmd_events,
	.args = "[OPTION]... [GROUP]",
	.summary = "Print what happens in the groups, until interrupted",
	.help =
	"  -j, --json           an object for each event, one a line\n"
	"  -n, --count N        exit after N events\n"
	"  -t, --timeout SEC    exit after SEC seconds, with status 3\n"
	"  -g, --group GROUP    only this group and below; the number of a hierarchy can be\n"
	"                       before it, as in /proc/<pid>/bc: 1:/web/php. Who owns the group\n"
	"                       needs no privilege for that. GROUP alone is as good.\n"
	"  -r, --resource NAME  only refusals of this resource\n"
	"  -e, --event NAME[,NAME]...\n"
	"                       refused, attached, created, removed\n"
	"  -b, --buffer SIZE    room for what is not read yet, 4M\n"
	"  -v, --verbose        \"ready\" on standard error when it listens\n"
	"  -V, --version        the version\n",
};
