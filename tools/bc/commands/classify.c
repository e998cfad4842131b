// SPDX-License-Identifier: GPL-2.0
/* bcctl classify: processes go where rules say, once or as they come. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bcctl.h"
#include "conf.h"
#include "procevents.h"
#include "rules.h"

/* What has been said already, of which there would be a line for each process otherwise. */
struct said {
	unsigned int line;
	int err;
};

/**
 * struct classifying - what is asked for
 * @bc: the handle
 * @file: of the rules
 * @rules: what it says
 * @mistakes: how many lines of it are wrong
 * @force: also those that are in a group already
 * @dry: say it, and do not do it
 * @quiet: do not say what is done
 * @once: an error of a kind is said once
 * @said, @nr_said: which have been
 */
struct classifying {
	struct bc *bc;
	const char *file;
	struct bc_rules rules;
	unsigned int mistakes;
	bool force, dry, quiet, once;
	struct said *said;
	size_t nr_said;
};

static void wrong_line(unsigned int line, const char *why, void *arg)
{
	struct classifying *c = arg;

	c->mistakes++;
	fail("%s:%u: %s", c->file, line, why);
}

/* Who is not known has no processes, or not yet. */
static void resolve(struct classifying *c, struct bc_rule *r)
{
	bool group = r->who[0] == '@';
	gid_t unused;

	if (!strcmp(r->who, "*"))
		return;
	r->known = group ? find_group(r->who + 1, &r->id) : find_user(r->who, &r->id, &unused);
	if (!r->known)
		note("%s:%u: there is no %s '%s'", c->file, r->line, group ? "group" : "user",
		     r->who + group);
}

/* With one line left out, processes would go to where the next ones say. So: all or none. */
static int read_rules(struct classifying *c)
{
	struct bc_rules rules;
	size_t len, i;
	char *text;
	int err;

	err = bc_conf_read(c->file, &text, &len);
	if (err)
		return fail("cannot read %s: %s", c->file, strerror(-err));
	c->mistakes = 0;
	err = bc_rules_parse(text, len, &rules, wrong_line, c);
	free(text);
	if (err)
		out_of_memory();
	if (c->mistakes) {
		bc_rules_free(&rules);
		return STATUS_FAILED;
	}
	for (i = 0; i < rules.n; i++)
		resolve(c, &rules.list[i]);
	bc_rules_free(&c->rules);
	c->rules = rules;
	c->nr_said = 0;
	return STATUS_OK;
}

/* Whether this is the first of its kind, if that matters. */
static bool is_new(struct classifying *c, unsigned int line, int err)
{
	size_t i;

	for (i = 0; c->once && i < c->nr_said; i++) {
		if (c->said[i].line == line && c->said[i].err == err)
			return false;
	}
	if (!c->once)
		return true;
	c->said = reallocarray(c->said, c->nr_said + 1, sizeof(*c->said));
	if (!c->said)
		out_of_memory();
	c->said[c->nr_said++] = (struct said) { line, err };
	return true;
}

/* The ids behind "Uid:" and "Gid:" are real, effective, saved, and of file systems. */
static bool read_ids(struct bc_process *p, char *status)
{
	bool uid = false, gid = false;
	char *line, *save, *word, *save2;
	unsigned long real, effective;

	for (line = strtok_r(status, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "Uid: %lu %lu", &real, &effective) == 2) {
			p->uid = effective;
			uid = true;
		} else if (sscanf(line, "Gid: %lu %lu", &real, &effective) == 2) {
			p->gids[0] = effective;
			gid = true;
		} else if (!strncmp(line, "Groups:", 7)) {
			for (word = strtok_r(line + 7, "\t ", &save2); word;
			     word = strtok_r(NULL, "\t ", &save2))
				p->gids[p->n++] = strtoul(word, NULL, 10);
		}
	}
	return uid && gid;
}

/* The program of a thread. -ENOENT: it is a kernel's, or it has ended. */
static int read_exe(int dirfd, const char *file, char *program)
{
	ssize_t n = readlinkat(dirfd, file, program, PATH_MAX - 1);

	/* Who has made a path so long is not to get away from a rule for all programs. */
	if (n < 0 && errno == ENAMETOOLONG)
		n = 0;
	if (n < 0)
		return -errno;
	program[n] = '\0';
	return 0;
}

/* That of its first thread, or, if that has ended and others have not, of one of them. */
static int read_program(int dirfd, char *program)
{
	int err = read_exe(dirfd, "exe", program), fd;
	struct dirent *d;
	char *file;
	DIR *dir;

	if (err != -ENOENT)
		return err;
	fd = openat(dirfd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir && fd >= 0)
		close(fd);
	while (err && dir && (d = readdir(dir))) {
		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		file = format("task/%s/exe", d->d_name);
		err = read_exe(dirfd, file, program);
		free(file);
	}
	if (dir)
		closedir(dir);
	return err ? -ESRCH : 0;
}

/*
 * -ESRCH: it is gone, or it is a kernel thread, and has no program. @exe is its program as the
 * kernel has it.
 */
static int read_process(int dirfd, struct bc_process *p, char *exe, char *program)
{
	static const char deleted[] = " (deleted)";
	char *status;
	bool known;
	ssize_t n;
	int err;

	memset(p, 0, sizeof(*p));
	err = read_program(dirfd, exe);
	if (err)
		return err;
	memcpy(program, exe, strlen(exe) + 1);
	/* As after an upgrade: it is what it was. */
	n = strlen(program) - strlen(deleted);
	if (n > 0 && !strcmp(program + n, deleted))
		program[n] = '\0';
	p->program = program;

	err = bc_conf_read_at(dirfd, "status", &status, NULL);
	if (err)
		return err == -ENOENT ? -ESRCH : err;
	/* Each has a blank in front of it. */
	p->gids = alloc(strlen(status) / 2 + 1, sizeof(*p->gids));
	p->n = 1;
	known = read_ids(p, status);
	free(status);
	return known ? 0 : -ESRCH;
}

/* What %u or %g is: a name, or a number. */
static char *escaped(struct bc *bc, const char *name, unsigned int id)
{
	char number[16], *text;

	snprintf(number, sizeof(number), "%u", id);
	if (bc_escape_name(bc, name ?: number, &text))
		out_of_memory();
	return text;
}

static char *group_of(struct bc *bc, const struct bc_rule *r, const struct bc_process *p)
{
	struct passwd *pw = strstr(r->group, "%u") ? getpwuid(p->uid) : NULL;
	char *user = escaped(bc, pw ? pw->pw_name : NULL, p->uid), *group, *spec;
	struct group *gr = strstr(r->group, "%g") ? getgrgid(p->gids[0]) : NULL;

	group = escaped(bc, gr ? gr->gr_name : NULL, p->gids[0]);
	spec = bc_rule_group(r, user, group);
	if (!spec)
		out_of_memory();
	free(user);
	free(group);
	return spec;
}

/* Whether it is to go there: it is in the root, or --force, and not there or below already. */
static int is_to_go(const struct classifying *c, pid_t pid, const struct bc_hierarchy *h,
		    const char *path)
{
	const char *now;
	size_t len = strlen(path);
	char *spec;
	bool is_root, is_there;
	int err;

	err = bc_task_group(c->bc, pid, h, &spec);
	if (err)
		return err;
	now = strchr(spec, '/') ?: spec;
	is_root = !strcmp(now, "/");
	is_there = !strcmp(path, "/") ? is_root :
		!strncmp(now, path, len) && (!now[len] || now[len] == '/');
	free(spec);
	return !is_there && (is_root || c->force);
}

/* The group may be removed as soon as we have looked, if it was empty. */
static int put_into(struct bc *bc, pid_t pid, const char *spec)
{
	struct bc_group *group;
	int err, i;

	for (i = 0; i < 3; i++) {
		err = bc_group_open(bc, spec, &group);
		if (err == -ENOENT)
			err = bc_create(bc, spec, true, &group);
		if (err == -EEXIST)
			continue;
		if (err < 0)
			break;
		err = bc_move(group, pid, false);
		bc_group_close(group);
		if (err != -ENOENT)
			break;
	}
	return err < 0 ? err : 0;
}

/*
 * Whether it still runs what we have looked at. -ESRCH: it is gone, and its id may be somebody
 * else's. -ESTALE: it has started another program meanwhile, maybe as another user.
 */
static int is_same(int dirfd, const char *exe)
{
	char now[PATH_MAX];
	int err = read_program(dirfd, now);

	return err ?: strcmp(now, exe) ? -ESTALE : 0;
}

/*
 * 0, or -errno with a line for bc_error(). @line is the rule's. @dirfd is the process's in
 * /proc: with it, all that is read is of one process, even if its id comes again.
 */
static int classify_once(struct classifying *c, int dirfd, pid_t pid, unsigned int *line)
{
	char exe[PATH_MAX], program[PATH_MAX], *spec = NULL, *path = NULL;
	const struct bc_hierarchy *h;
	const struct bc_rule *r = NULL;
	struct bc_process p;
	int ret;

	*line = 0;
	ret = read_process(dirfd, &p, exe, program);
	if (!ret)
		r = bc_rules_find(&c->rules, &p);
	if (r && r->group) {
		*line = r->line;
		spec = group_of(c->bc, r, &p);
		ret = bc_parse_group(c->bc, spec, &h, &path) ?: is_to_go(c, pid, h, path);
		if (ret > 0) {
			ret = is_same(dirfd, exe) ?: 1;
			/* That is not about the rule. */
			*line = ret > 0 ? r->line : 0;
		}
		if (ret > 0) {
			ret = c->dry ? 0 : put_into(c->bc, pid, spec);
			if (!ret && !c->quiet) {
				printf("%d ", pid);
				put_name(stdout, program, false);
				fputs(" to ", stdout);
				put_name(stdout, spec, false);
				putchar('\n');
			}
		}
	}
	free(p.gids);
	free(spec);
	free(path);
	return ret;
}

static int classify(struct classifying *c, pid_t pid, unsigned int *line)
{
	char *path = format("%s/%d", bc_proc(c->bc), pid);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), i;
	int ret = fd < 0 ? -errno : -ESTALE;

	free(path);
	/* Who changes all the time comes again, as an event. */
	for (i = 0; i < 3 && ret == -ESTALE; i++)
		ret = classify_once(c, fd, pid, line);
	if (fd >= 0)
		close(fd);
	return ret == -ENOENT && !*line ? -ESRCH : ret;
}

/* What is one's own to look at, or what was named: @asked. Returns STATUS_*. */
static int try(struct classifying *c, pid_t pid, bool asked)
{
	unsigned int line = 0;
	int err = classify(c, pid, &line);

	if (!err || (err == -ESRCH && !asked))
		return STATUS_OK;
	if (!line) {
		/* Nobody has said so yet. */
		if (!is_new(c, 0, err))
			return STATUS_FAILED;
		return err == -ESRCH ? fail("%d is no process with a program", pid) :
			fail("cannot look at %d: %s", pid, strerror(-err));
	}
	if (is_new(c, line, err))
		fail("%s:%u: %s", c->file, line, bc_error(c->bc));
	return STATUS_FAILED;
}

/*
 * All but us, and init: where that is, everything would start, and no rule would find it in
 * the root.
 */
static int try_all(struct classifying *c)
{
	struct dirent *d;
	int status = STATUS_OK;
	DIR *dir;

	dir = opendir(bc_proc(c->bc));
	if (!dir)
		return fail("cannot list %s: %s", bc_proc(c->bc), strerror(errno));
	while ((d = readdir(dir))) {
		pid_t pid = atoi(d->d_name);

		if (isdigit((unsigned char)d->d_name[0]) && pid > 1 && pid != getpid())
			status = try(c, pid, false) ?: status;
	}
	closedir(dir);
	return status;
}

static int cannot_listen(int err)
{
	switch (err) {
	case -EPERM:
		return fail("cannot listen to process events: that takes CAP_NET_ADMIN");
	case -EPROTONOSUPPORT:
	case -ETIME:
		return fail("this kernel has no process events (CONFIG_PROC_EVENTS), or not in %s",
			    "this namespace");
	default:
		return fail("cannot listen to process events: %s", strerror(-err));
	}
}

/* Whether to look at all: some events are lost. Not for ever, as there are signals, too. */
static bool take_events(struct classifying *c, int fd)
{
	bool lost = false;
	int ret, i;

	for (i = 0; i < 1000 && (ret = procevents_next(fd)); i++) {
		if (ret > 0) {
			if (ret > 1 && ret != getpid())
				try(c, ret, false);
			continue;
		}
		if (ret == -ENOBUFS)
			lost = true;
		else if (is_new(c, 0, ret))
			fail("cannot read process events: %s", strerror(-ret));
		if (ret != -ENOBUFS)
			break;
	}
	if (lost && is_new(c, 0, -ENOBUFS))
		note("some process events are lost: all processes are looked at");
	return lost;
}

/* Whether to go on. */
static bool take_signal(struct classifying *c, int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return true;
	if (info.ssi_signo != SIGHUP)
		return false;
	if (read_rules(c))
		note("the rules stay as they were");
	else
		try_all(c);
	return true;
}

/* From now on, what they do is for follow() to say. A descriptor, or -1. */
static int take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Until a signal in @signals says that this is the end. */
static int follow(struct classifying *c, int signals)
{
	struct pollfd pfd[2] = {
		{ .fd = signals, .events = POLLIN }, { .events = POLLIN },
	};
	int fd;

	fd = procevents_open();
	if (fd < 0)
		return cannot_listen(fd);
	pfd[1].fd = fd;
	/* Those that were there before. */
	try_all(c);
	note("ready");
	do {
		fflush(stdout);
		while (poll(pfd, 2, -1) < 0)
			;
		if (pfd[1].revents && take_events(c, fd))
			try_all(c);
	} while (!pfd[0].revents || take_signal(c, signals));
	close(fd);
	return STATUS_OK;
}

static int run(struct classifying *c, bool all, bool daemon, char **pids, int n)
{
	int i, status = STATUS_OK, signals = -1;

	/* A reload may come before all is read. */
	if (daemon) {
		signals = take_signals();
		if (signals < 0)
			return fail("cannot wait for signals: %s", strerror(errno));
	}
	c->bc = open_bc();
	status = read_rules(c);
	if (!status && daemon)
		status = follow(c, signals);
	else if (!status && all)
		status = try_all(c);
	else if (!status)
		for (i = 0; i < n; i++)
			status = try(c, atoi(pids[i]), true) ?: status;
	bc_rules_free(&c->rules);
	free(c->said);
	bc_close(c->bc);
	if (signals >= 0)
		close(signals);
	return status;
}

static int cmd_classify(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "daemon", no_argument, NULL, 'd' },
		{ "force", no_argument, NULL, 'f' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "rules", required_argument, NULL, 'r' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct classifying c = { .file = secure_getenv("BC_RULES") ?: BC_RULES_CONF };
	bool all = false, daemon = false, verbose = false;
	int opt, n;

	while ((opt = next_option(argc, argv, "adfnr:v", longs)) != -1) {
		all |= opt == 'a';
		daemon |= opt == 'd';
		verbose |= opt == 'v';
		c.force |= opt == 'f';
		c.dry |= opt == 'n';
		if (opt == 'r')
			c.file = optarg;
	}
	n = argc - optind;
	if (all + daemon + !!n != 1)
		return usage("which processes? PID..., or --all, or --daemon");
	check_pids(argv + optind, n, false);
	c.once = daemon || all;
	c.quiet = daemon && !verbose;
	return run(&c, all, daemon, argv + optind, n);
}

const struct command classify_command = {
	.name = "classify",
	.run = cmd_classify,
	.args = "[-r FILE] [-f] [-n] PID... | --all | --daemon [-v]",
	.summary = "Move processes where rules say",
	.help =
	"  -a, --all         all but init\n"
	"  -d, --daemon      all, and then each that starts a program or changes its ids, some\n"
	"                    milliseconds later; SIGHUP: read the rules again\n"
	"  -r, --rules FILE  instead of /etc/bc/rules.conf\n"
	"  -f, --force       also those that are in a group already\n"
	"  -n, --dry-run     say where they would go\n"
	"  -v, --verbose     with --daemon: say what is moved\n"
	"\n"
	"Rules are as bc-rules.conf(5) describes; the first one for a process is taken. A group\n"
	"that is not there is made.\n",
};
