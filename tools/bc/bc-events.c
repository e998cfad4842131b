// SPDX-License-Identifier: GPL-2.0
/*
 * bc-events: print what happens in the groups of beancounters. See bc-events.8.
 */
#include <ctype.h>
#include <err.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>

#include "genl.h"

#define VERSION "1.0"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

enum {
	STATUS_OK,
	STATUS_ERROR,
	STATUS_USAGE,
	STATUS_TIMEOUT,
};

static const char * const event_names[] = {
	[BC_CMD_REFUSED] = "refused",
	[BC_CMD_ATTACHED] = "attached",
	[BC_CMD_CREATED] = "created",
	[BC_CMD_REMOVED] = "removed",
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
static struct options {
	bool json, verbose;
	unsigned long count;
	long timeout;
	const char *group;
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

/* How many bytes the valid UTF-8 sequence at @s has, 0 if it is none. */
static int utf8_len(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	int len, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	/* Too long, surrogates, above U+10FFFF. */
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	/* A NUL is out of range, so that this does not go beyond the end. */
	for (i = 1; i < len; i++) {
		if (s[i] < low || s[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

static void put_json(const char *str)
{
	const unsigned char *s = (const unsigned char *)str;

	putchar('"');
	while (*s) {
		int len = utf8_len(s);

		if (!len || *s < ' ' || *s == 0x7f) {
			printf("\\u%04x", *s++);
			continue;
		}
		if (*s == '"' || *s == '\\')
			putchar('\\');
		fwrite(s, 1, len, stdout);
		s += len;
	}
	putchar('"');
}

/* One word, octal as in mountinfo, and nothing that a terminal would obey. */
static void put_text(const char *str)
{
	const unsigned char *s = (const unsigned char *)str;

	while (*s) {
		int len = utf8_len(s);

		if (!len || *s <= ' ' || *s == 0x7f || *s == '\\' ||
		    (*s == 0xc2 && s[1] < 0xa0)) {
			printf("\\%03o", *s++);
			continue;
		}
		fwrite(s, 1, len, stdout);
		s += len;
	}
}

static bool has(const struct bc_attrs *a, unsigned int attr)
{
	return a->seen & 1U << attr;
}

static const char *str(const struct bc_attrs *a, unsigned int attr)
{
	return a->str[attr] ?: "?";
}

static void json_str(const struct bc_attrs *a, unsigned int attr,
		     const char *key)
{
	if (!has(a, attr))
		return;
	printf(",\"%s\":", key);
	put_json(a->str[attr]);
}

static void json_num(const struct bc_attrs *a, unsigned int attr,
		     const char *key)
{
	if (has(a, attr))
		printf(",\"%s\":%llu", key, a->num[attr]);
}

/* "max" is LONG_MAX of the kernel, whose words may be longer than ours. */
static bool is_max(unsigned long long val)
{
	return val == LLONG_MAX || val == LONG_MAX;
}

static void json_max(const struct bc_attrs *a, unsigned int attr,
		     const char *key)
{
	if (has(a, attr) && is_max(a->num[attr]))
		printf(",\"%s\":null", key);
	else
		json_num(a, attr, key);
}

static void print_json(const struct bc_event *ev)
{
	const struct bc_attrs *a = &ev->a;
	struct bc_attrs c;
	size_t pos = 0;
	bool first = true;
	int ret;

	printf("{\"event\":\"%s\"", event_names[ev->cmd]);
	json_num(a, BC_A_HIERARCHY, "hierarchy");
	json_num(a, BC_A_GROUP_ID, "group_id");
	json_str(a, BC_A_GROUP_PATH, "group");
	json_str(a, BC_A_RESOURCE, "resource");
	json_num(a, BC_A_REFUSER_ID, "refuser_id");
	json_str(a, BC_A_REFUSER_PATH, "refuser");
	json_num(a, BC_A_AMOUNT, "amount");
	json_num(a, BC_A_HELD, "held");
	json_max(a, BC_A_BARRIER, "barrier");
	json_max(a, BC_A_LIMIT, "limit");
	json_num(a, BC_A_FAILCNT, "failcnt");
	json_num(a, BC_A_PID, "pid");
	json_str(a, BC_A_COMM, "comm");
	if (ev->cmd == BC_CMD_REMOVED) {
		printf(",\"counters\":{");
		while ((ret = bc_next_counter(ev, &pos, &c))) {
			if (ret < 0)
				continue;
			if (!first)
				putchar(',');
			first = false;
			put_json(str(&c, BC_A_RESOURCE));
			printf(":{\"held\":%llu", c.num[BC_A_HELD]);
			json_num(&c, BC_A_MAXHELD, "maxheld");
			json_num(&c, BC_A_MINHELD, "minheld");
			json_num(&c, BC_A_FAILCNT, "failcnt");
			putchar('}');
		}
		putchar('}');
	}
	puts("}");
}

/* As in /proc/<pid>/bc; the default hierarchy needs no number. */
static void print_path(const struct bc_attrs *a, unsigned int attr)
{
	if (a->num[BC_A_HIERARCHY])
		printf("%llu:", a->num[BC_A_HIERARCHY]);
	put_text(str(a, attr));
}

static void print_max(const char *name, unsigned long long val)
{
	if (is_max(val))
		printf(" %s max", name);
	else
		printf(" %s %llu", name, val);
}

static void print_refused(const struct bc_attrs *a)
{
	printf("refused ");
	put_text(str(a, BC_A_RESOURCE));
	putchar(' ');
	print_path(a, BC_A_GROUP_PATH);
	printf(" by ");
	print_path(a, BC_A_REFUSER_PATH);
	printf(": held %llu", a->num[BC_A_HELD]);
	print_max("barrier", a->num[BC_A_BARRIER]);
	print_max("limit", a->num[BC_A_LIMIT]);
	printf(" amount %llu failcnt %llu", a->num[BC_A_AMOUNT],
	       a->num[BC_A_FAILCNT]);
}

/* Only those that have something to tell. */
static void print_counters(const struct bc_event *ev)
{
	bool any = false;
	struct bc_attrs c;
	size_t pos = 0;
	int ret;

	while ((ret = bc_next_counter(ev, &pos, &c))) {
		if (ret < 0 || !(c.num[BC_A_HELD] | c.num[BC_A_MAXHELD] |
				 c.num[BC_A_FAILCNT]))
			continue;
		printf(any ? ", " : " ");
		any = true;
		put_text(str(&c, BC_A_RESOURCE));
		putchar(':');
		if (c.num[BC_A_HELD])
			printf(" held %llu", c.num[BC_A_HELD]);
		printf(" maxheld %llu failcnt %llu", c.num[BC_A_MAXHELD],
		       c.num[BC_A_FAILCNT]);
	}
	if (any)
		putchar(',');
}

static void print_text(const struct bc_event *ev)
{
	const struct bc_attrs *a = &ev->a;

	if (ev->cmd == BC_CMD_REFUSED) {
		print_refused(a);
	} else {
		printf("%s ", event_names[ev->cmd]);
		print_path(a, BC_A_GROUP_PATH);
	}
	if (ev->cmd == BC_CMD_REMOVED)
		print_counters(ev);
	putchar(' ');
	put_text(str(a, BC_A_COMM));
	printf("[%llu]\n", a->num[BC_A_PID]);
}

/* The kernel knows how many; when our buffer was full, nobody does. */
static void print_lost(const unsigned long long *kernel)
{
	if (opt.json)
		printf("{\"event\":\"lost\",\"where\":\"%s\",\"count\":",
		       kernel ? "kernel" : "receiver");
	if (opt.json && kernel)
		printf("%llu}\n", *kernel);
	else if (opt.json)
		puts("null}");
	else if (kernel)
		printf("lost %llu in the kernel\n", *kernel);
	else
		puts("lost some here: the receive buffer was full (--buffer)");
}

/* The group or below. One that was cut in front can be anywhere. */
static bool path_matches(const char *path)
{
	size_t len = strlen(opt.group);

	if (path[0] != '/')
		return true;
	/* "/" has been made "", so that it is everywhere. */
	return !strncmp(path, opt.group, len) &&
	       (path[len] == '\0' || path[len] == '/');
}

static bool wanted(const struct bc_event *ev)
{
	const struct bc_attrs *a = &ev->a;

	/* A later kernel may have more of them. */
	if (ev->cmd >= ARRAY_SIZE(event_names) || !event_names[ev->cmd])
		return false;
	if (!(opt.events & 1U << ev->cmd))
		return false;
	if (opt.resource && strcmp(str(a, BC_A_RESOURCE), opt.resource))
		return false;
	if (opt.hierarchy >= 0 &&
	    a->num[BC_A_HIERARCHY] != (unsigned long)opt.hierarchy)
		return false;
	return !opt.group || path_matches(str(a, BC_A_GROUP_PATH));
}

static void flush(void)
{
	if (fflush(stdout) || ferror(stdout))
		err(STATUS_ERROR, "cannot write");
}

static unsigned long printed;

static bool enough(void)
{
	return opt.count && printed >= opt.count;
}

/* Print what was received, until it is enough. */
static void print_all(const struct bc_genl *genl, const char *buf, size_t len)
{
	struct bc_event ev;
	int ret;

	while (!enough() && (ret = bc_next_event(genl, &buf, &len, &ev))) {
		if (ret < 0) {
			warnx("left out a message that makes no sense");
			continue;
		}
		if (ev.cmd == BC_CMD_LOST) {
			print_lost(&ev.a.num[BC_A_LOST]);
		} else if (wanted(&ev)) {
			if (opt.json)
				print_json(&ev);
			else
				print_text(&ev);
			printed++;
		} else {
			continue;
		}
		flush();
	}
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Print what there is, but not for long: something else may have happened. */
static void take(int fd, const struct bc_genl *genl)
{
	static char buf[BC_GENL_BUF];
	int i, ret;

	for (i = 0; i < 64 && !enough(); i++) {
		ret = bc_genl_recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (ret == -EAGAIN || ret == -EINTR)
			break;
		if (ret == -ENOBUFS) {
			print_lost(NULL);
			flush();
		} else if (ret == -EMSGSIZE) {
			warnx("left out a message that is too long");
		} else if (ret < 0) {
			errno = -ret;
			err(STATUS_ERROR, "cannot receive");
		} else {
			print_all(genl, buf, ret);
		}
	}
}

/* @sig can be read when we are to end. */
static int loop(int fd, int sig, const struct bc_genl *genl)
{
	struct pollfd pfd[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = sig, .events = POLLIN },
	};
	long end = now_ms() + opt.timeout, left = -1;

	while (!enough()) {
		if (opt.timeout >= 0) {
			left = end - now_ms();
			if (left <= 0)
				return STATUS_TIMEOUT;
		}
		if (poll(pfd, ARRAY_SIZE(pfd), left) < 0 && errno != EINTR)
			err(STATUS_ERROR, "cannot wait");
		if (pfd[1].revents)
			break;
		if (pfd[0].revents)
			take(fd, genl);
	}
	return STATUS_OK;
}

static void no_family(void)
{
	if (access("/proc/beancounters", F_OK) &&
	    access("/sys/kernel/config/bc", F_OK))
		errx(STATUS_ERROR, "%s",
		     "this kernel has no beancounters (CONFIG_BEANCOUNTERS)");
	errx(STATUS_ERROR, "%s",
	     "no events here: this is not the initial network namespace.\n"
	     "Try: nsenter --net=/proc/1/ns/net bc-events");
}

static int set_up(struct bc_genl *genl)
{
	int fd = bc_genl_open(), ret;

	if (fd < 0) {
		errno = -fd;
		err(STATUS_ERROR, "cannot open a netlink socket");
	}
	ret = bc_genl_resolve(fd, genl);
	if (ret == -ENOENT)
		no_family();
	if (!ret)
		ret = bc_genl_buffer(fd, opt.buffer);
	if (!ret)
		ret = bc_genl_join(fd, genl);
	if (ret == -EPERM || ret == -EACCES)
		errx(STATUS_ERROR, "not permitted: needs root (CAP_SYS_ADMIN)");
	if (ret) {
		errno = -ret;
		err(STATUS_ERROR, "cannot listen to events");
	}
	return fd;
}

static void print_usage(FILE *f)
{
	fputs("usage: bc-events [options]\n"
	      "Print events of beancounters, until interrupted.\n"
	      "\n"
	      "  -j, --json           an object for each event, one a line\n"
	      "  -n, --count N        exit after N events\n"
	      "  -t, --timeout SEC    exit after SEC seconds, with status 3\n"
	      "  -g, --group PATH     only this group and below; PATH as in\n"
	      "                       /proc/<pid>/bc: /web/php, 1:/web/php\n"
	      "  -r, --resource NAME  only refusals of this resource\n"
	      "  -e, --event NAME[,NAME]...\n"
	      "                       refused, attached, created, removed\n"
	      "  -b, --buffer SIZE    room for what is not read yet, 4M\n"
	      "  -v, --verbose        \"ready\" on stderr when it listens\n"
	      "  -h, --help           this text\n"
	      "  -V, --version        the version\n"
	      "\n"
	      "Exit status: 0 interrupted, or N events printed; 1 error;\n"
	      "2 usage; 3 the time is over.\n", f);
}

static void bad(const char *option, const char *what, const char *arg)
{
	errx(STATUS_USAGE, "%s: '%s' is not %s. See bc-events --help", option,
	     arg, what);
}

static unsigned long parse_count(const char *arg)
{
	unsigned long val;
	char *end;

	errno = 0;
	val = strtoul(arg, &end, 10);
	if (!isdigit((unsigned char)arg[0]) || *end || errno || !val)
		bad("--count", "a number above 0", arg);
	return val;
}

static long parse_timeout(const char *arg)
{
	double val;
	char *end;

	val = strtod(arg, &end);
	if (!(isdigit((unsigned char)arg[0]) || arg[0] == '.') || end == arg ||
	    *end || !(val >= 0 && val <= INT_MAX / 1000))
		bad("--timeout", "a number of seconds", arg);
	return val * 1000;
}

static int parse_size(const char *arg)
{
	unsigned long val, unit = 1;
	char *end;

	errno = 0;
	val = strtoul(arg, &end, 10);
	if (*end && strchr("kK", *end))
		unit = 1UL << 10;
	else if (*end && strchr("mM", *end))
		unit = 1UL << 20;
	else if (*end && strchr("gG", *end))
		unit = 1UL << 30;
	if (unit > 1)
		end++;
	if (!isdigit((unsigned char)arg[0]) || *end || errno || !val ||
	    val > INT_MAX / 2 / unit)
		bad("--buffer", "a size from 1 to 1023M", arg);
	return val * unit;
}

static void parse_group(char *arg)
{
	char *path = arg;
	size_t len;

	if (isdigit((unsigned char)arg[0])) {
		errno = 0;
		opt.hierarchy = strtol(arg, &path, 10);
		if (errno || opt.hierarchy > INT_MAX || *path++ != ':')
			bad("--group", "a path from a hierarchy's root", arg);
	}
	if (path[0] != '/')
		bad("--group", "a path from a hierarchy's root", arg);
	len = strlen(path);
	while (len && path[len - 1] == '/')
		path[--len] = '\0';
	opt.group = path;
}

#define EVENT_LIST "refused, attached, created or removed"

static unsigned int parse_events(char *arg)
{
	unsigned int set = 0, i;
	char *name, *save;

	for (name = strtok_r(arg, ",", &save); name;
	     name = strtok_r(NULL, ",", &save)) {
		for (i = 0; i < ARRAY_SIZE(event_names); i++) {
			if (event_names[i] && !strcmp(name, event_names[i]))
				break;
		}
		if (i == ARRAY_SIZE(event_names))
			bad("--event", EVENT_LIST, name);
		set |= 1U << i;
	}
	if (!set)
		bad("--event", EVENT_LIST, arg);
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
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ }
	};
	int c;

	for (;;) {
		c = getopt_long(argc, argv, "jn:t:g:r:e:b:vhV", longs, NULL);
		if (c == -1)
			break;
		switch (c) {
		case 'j':
			opt.json = true;
			break;
		case 'n':
			opt.count = parse_count(optarg);
			break;
		case 't':
			opt.timeout = parse_timeout(optarg);
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
		case 'h':
			print_usage(stdout);
			exit(STATUS_OK);
		case 'V':
			puts("bc-events " VERSION);
			exit(STATUS_OK);
		default:
			fputs("See bc-events --help\n", stderr);
			exit(STATUS_USAGE);
		}
	}
	if (optind < argc)
		errx(STATUS_USAGE, "'%s' is no option. See bc-events --help",
		     argv[optind]);
	if (opt.resource && !(opt.events & 1U << BC_CMD_REFUSED))
		errx(STATUS_USAGE, "--resource needs --event refused");
	if (opt.resource)
		opt.events = 1U << BC_CMD_REFUSED;
}

int main(int argc, char **argv)
{
	struct bc_genl genl;
	sigset_t set;
	int fd, sig;

	parse_options(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sig = signalfd(-1, &set, SFD_CLOEXEC);
	if (sig < 0)
		err(STATUS_ERROR, "cannot wait for signals");

	fd = set_up(&genl);
	if (opt.verbose)
		fputs("ready\n", stderr);
	return loop(fd, sig, &genl);
}
