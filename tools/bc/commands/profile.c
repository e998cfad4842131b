// SPDX-License-Identifier: GPL-2.0
/* bcctl profile: limits under a name. */
#include <dirent.h>

#include "bcctl.h"
#include "profile.h"

/*
 * Limits that ordinary use does not reach, and what runs wild does. Those of memory are
 * only for kernels that have them. The numbers are estimates: what sshd, nginx, postgres,
 * a shell user and a container with systemd need has not been measured yet.
 */
static const struct {
	const char *name, *summary, *text;
} profiles[] = {
	{
		"small", "a service of a few processes, or a cron job",
		"numtasks = 64          # a supervisor with some workers and helpers\n"
		"numfiles = 900:1024    # as RLIMIT_NOFILE of one process; root has a reserve\n"
		"numinotify = 8         # one a process that watches its configuration\n"
		"numwatches = 1024      # a configuration tree, no source tree\n"
		"numflock = 128         # pid files and a small database\n"
		"numpty = 4             # it is no terminal server\n"
		"numkeys = 32           # session keyrings of its processes\n"
		"numsiginfo = 256       # timers and real-time signals: few use them\n"
		"numtcpsock = 256       # clients at a time\n"
		"numothersock = 256     # syslog, D-Bus, DNS: some a process\n"
	},
	{
		"medium", "a web or mail server, an application with a thread pool",
		"numtasks = 512         # worker processes, each with a pool of threads\n"
		"numfiles = 7500:8K     # a socket and a file for each of some 2000 clients\n"
		"numinotify = 64\n"
		"numwatches = 16K       # a document tree\n"
		"numflock = 2K          # mailboxes, sessions\n"
		"numpty = 16\n"
		"numkeys = 200          # as kernel.keys.maxkeys for a user\n"
		"numsiginfo = 2K\n"
		"numtcpsock = 4K        # clients, and connections to what is behind it\n"
		"numothersock = 2K\n"
	},
	{
		"large", "a database or a proxy that has the machine nearly for itself",
		"numtasks = 8K          # a process or thread for each connection\n"
		"numfiles = 120K:128K   # two sockets for each of 32 K connections, and tables\n"
		"numinotify = 256\n"
		"numwatches = 128K\n"
		"numflock = 32K\n"
		"numpty = 64\n"
		"numkeys = 2K\n"
		"numsiginfo = 16K\n"
		"numtcpsock = 64K       # more than the ports of one address\n"
		"numothersock = 16K\n"
	},
	{
		"container", "a system container, with an init and a dozen of services",
		"numtasks = 2K          # what systemd gives a user's slice, and a bit less\n"
		"numfiles = 30K:32K     # a dozen of services, some as 'medium'\n"
		"numinotify = 128       # systemd has some, each login and each service one\n"
		"numwatches = 64K\n"
		"numflock = 8K\n"
		"numpty = 64            # logins, and what runs things in terminals\n"
		"numkeys = 500          # each session and service has a keyring\n"
		"numsiginfo = 8K\n"
		"numtcpsock = 8K\n"
		"numothersock = 8K      # D-Bus and the journal: some for each service\n"
	},
	{
		"shell-user", "a person who logs in, compiles, and runs an editor",
		"numtasks = 400         # make -j, an editor, a browser; a fork bomb is over here\n"
		"numfiles = 15K:16K     # each of these processes has 3 to 40\n"
		"numinotify = 64        # an editor, a file manager, tail -f\n"
		"numwatches = 64K       # an editor watches a source tree\n"
		"numflock = 1K\n"
		"numpty = 32            # terminals, tmux, screen\n"
		"numkeys = 200          # as kernel.keys.maxkeys for a user\n"
		"numsiginfo = 1K\n"
		"numtcpsock = 512\n"
		"numothersock = 1K\n"
	},
};

static char *profile_dir(void)
{
	return format("%s", secure_getenv("BC_PROFILES") ?: "/etc/bc/profiles");
}

/* A whole file; NULL with errno. */
static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re"), *mem;
	char *text = NULL, buf[4096];
	size_t n;

	if (!f)
		return NULL;
	mem = open_memstream(&text, len);
	if (!mem)
		out_of_memory();
	while ((n = fread(buf, 1, sizeof(buf), f)))
		fwrite(buf, 1, n, mem);
	fclose(f);
	if (fclose(mem))
		out_of_memory();
	return text;
}

static bool is_name(const char *name)
{
	return name[0] && name[0] != '.' && !strchr(name, '/');
}

/* The text of a profile, the administrator's first, and where it is from. Or NULL. */
static char *profile_text(const char *name, size_t *len, char **path)
{
	char *dir = profile_dir(), *text = NULL;
	size_t i;

	*path = format("%s/%s", dir, name);
	free(dir);
	if (is_name(name))
		text = read_file(*path, len);
	if (text)
		return text;
	for (i = 0; i < ARRAY_SIZE(profiles); i++) {
		if (!strcmp(profiles[i].name, name)) {
			free(*path);
			*path = format("profile %s", name);
			*len = strlen(profiles[i].text);
			return format("%s", profiles[i].text);
		}
	}
	return NULL;
}

static char *no_profile(const char *name, const char *path)
{
	return format("there is no profile '%s', neither built in nor as %s", name, path);
}

char *profile_lines(const char *name, struct conf *conf)
{
	char *text, *path, *wrong, *where = NULL;
	size_t len;

	memset(conf, 0, sizeof(*conf));
	text = profile_text(name, &len, &path);
	if (!text) {
		where = no_profile(name, path);
	} else {
		wrong = conf_parse(text, len, true, conf);
		if (wrong)
			where = format("%s:%s", path, wrong);
		free(wrong);
	}
	free(text);
	free(path);
	return where;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_profile(const struct dirent *d)
{
	return is_name(d->d_name);
}

static int list_profiles(void)
{
	char *dir = profile_dir();
	struct dirent **names;
	size_t i;
	int n, k;

	for (i = 0; i < ARRAY_SIZE(profiles); i++)
		printf("%-12s %s\n", profiles[i].name, profiles[i].summary);
	n = scandir(dir, &names, is_profile, by_name);
	for (k = 0; k < n; k++) {
		put_name(stdout, names[k]->d_name, false);
		printf("%*s %s/%s\n", 12 - width_of(names[k]->d_name) > 0 ?
		       12 - width_of(names[k]->d_name) : 0, "", dir, names[k]->d_name);
		free(names[k]);
	}
	if (n >= 0)
		free(names);
	free(dir);
	return STATUS_OK;
}

static int show_profile(const char *name)
{
	char *text, *path, *wrong;
	int status = STATUS_OK;
	size_t len;

	text = profile_text(name, &len, &path);
	if (text) {
		printf("# %s\n", path);
		fwrite(text, 1, len, stdout);
	} else {
		wrong = no_profile(name, path);
		status = fail("%s: 'bcctl profile list' lists them", wrong);
		free(wrong);
	}
	free(text);
	free(path);
	return status;
}

/* What this kernel, or this hierarchy, has not got is left out, and said. */
static int apply_profile(const char *name, const char *group_name)
{
	const struct bc_controller *c;
	struct settings s = { };
	struct bc_group *group;
	struct conf conf;
	int status = STATUS_FAILED;
	struct bc *bc;
	char *wrong;
	size_t i;

	wrong = profile_lines(name, &conf);
	if (wrong) {
		fail("%s", wrong);
		free(wrong);
		conf_free(&conf);
		return STATUS_FAILED;
	}
	bc = open_bc();
	if (bc_group_open(bc, group_name, &group)) {
		fail_bc(bc, "'bcctl create' makes one");
		goto out;
	}
	for (i = 0; i < conf.groups[0].n; i++) {
		struct conf_line *l = &conf.groups[0].lines[i];
		char *res = strndup(l->name, strcspn(l->name, "."));

		if (!res)
			out_of_memory();
		c = bc_find_controller(bc, res);
		free(res);
		if (c && !bc_group_has(group, c))
			note("left out %s: it is in hierarchy '%s'", l->name,
			     c->hierarchy->name);
		else if (!c && strncmp(l->name, "notify", 6))
			note("left out %s: this kernel has no such resource", l->name);
		else
			add_setting(&s, l->name, l->value);
	}
	if (bc_set(group, s.list, s.n))
		fail_bc(bc, NULL);
	else
		status = STATUS_OK;
	bc_group_close(group);
	free_settings(&s);
out:
	conf_free(&conf);
	bc_close(bc);
	return status;
}

static int cmd_profile(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *what;
	int n;

	while (next_option(argc, argv, "", longs) != -1)
		;
	n = argc - optind - 1;
	if (n < 0)
		return usage("list, show or apply?");
	what = argv[optind++];
	if (!strcmp(what, "list"))
		return n ? usage("'%s' is too much", argv[optind]) : list_profiles();
	if (!strcmp(what, "show"))
		return n == 1 ? show_profile(argv[optind]) : usage("show which one profile?");
	if (!strcmp(what, "apply"))
		return n == 2 ? apply_profile(argv[optind], argv[optind + 1]) :
			usage("apply which profile to which group?");
	return usage("'%s' is not list, show or apply", what);
}

const struct command profile_command = {
	.name = "profile",
	.run = cmd_profile,
	.args = "list | show NAME | apply NAME GROUP",
	.summary = "Limits under a name",
	.help =
	"  list               those that are built in, and those in /etc/bc/profiles\n"
	"  show NAME          its limits, with the reasons\n"
	"  apply NAME GROUP   set them, all or none; what it does not name stays\n"
	"\n"
	"A file in /etc/bc/profiles has lines 'RESOURCE = VALUE', as in bc.conf(5), and goes\n"
	"before a built-in one of its name.\n",
};
