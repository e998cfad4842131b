// SPDX-License-Identifier: GPL-2.0
/* bcctl profile: limits under a name. */
#include <dirent.h>

#include "bcctl.h"
#include "profile.h"

/*
 * Limits that ordinary use does not reach, and what runs wild does. Those of memory are
 * only for kernels that have them.
 *
 * Beside a number is what Debian's services have held at most (lab/profiles): sshd with so
 * many logins, nginx and postgres with so many clients; a user in tmux with vim, git and
 * make -j4; a container with systemd, dbus, logind, cron, rsyslog, sshd (10), nginx (200)
 * and postgres (10), one load after the other. It may be too high by 18, as CPUs keep credit
 * (kmemsize, dcachesize: 256 KB). A number where there is none of them is an estimate.
 */
static const struct {
	const char *name, *summary, *text;
} profiles[] = {
	{
		"small", "a service of a few processes, or a cron job",
		"numtasks = 96          # sshd 10: 40; postgres 10: 18; nginx 200: 3\n"
		"numfiles = 1500:1600   # sshd 10: 630; postgres 10: 315; nginx 200: 234\n"
		"numinotify = 8         # one a process that watches its configuration\n"
		"numwatches = 1024      # a configuration tree, no source tree\n"
		"numflock = 128         # sshd 10: 18\n"
		"numpty = 24            # sshd 10: 10, one a login\n"
		"numkeys = 32           # sshd 10: 10, one a login\n"
		"numsiginfo = 256       # sshd 10, postgres 10: 18\n"
		"numtcpsock = 512       # nginx 200: 207\n"
		"numothersock = 256     # sshd 10: 54\n"
		"privvmpages = 128M     # postgres 10: 48 MB; sshd 10: 37; nginx 200: 4\n"
		"lockedpages = 1M       # none of these locks any; an agent has keys\n"
		"shmpages = 320M        # postgres 10: 154 MB, its buffers for the most part\n"
		"kmemsize = 14M:16M     # sshd 10: 5.1 MB; postgres 10: 4.7; nginx 200: 0.4\n"
		"dcachesize = 4M        # nginx 200: 0.2 MB; more is pruned\n"
	},
	{
		"medium", "a web or mail server, an application with a thread pool",
		"numtasks = 512         # sshd 50: 157\n"
		"numfiles = 7500:8K     # sshd 50: 2817; nginx 200: 234\n"
		"numinotify = 64\n"
		"numwatches = 16K       # a document tree\n"
		"numflock = 2K          # sshd 50: 18; mailboxes, sessions have more\n"
		"numpty = 128           # sshd 50: 50, one a login\n"
		"numkeys = 200          # sshd 50: 50, one a login\n"
		"numsiginfo = 2K        # sshd 50: 18\n"
		"numtcpsock = 4K        # nginx 200: 207; sshd 50: 63\n"
		"numothersock = 2K      # sshd 50: 207\n"
		"privvmpages = 1G       # sshd 50: 167 MB\n"
		"lockedpages = 16M      # none of these locks any; some servers lock keys\n"
		"shmpages = 512M        # postgres 10: 154 MB, its buffers for the most part\n"
		"kmemsize = 136M:144M   # sshd 50: 22 MB; 512 tasks of 270 KB, as of postgres\n"
		"dcachesize = 32M       # sshd 50: 0.5 MB; more is pruned\n"
	},
	{
		"large", "a database or a proxy that has the machine nearly for itself",
		"numtasks = 8K          # postgres 200: 207, one a client\n"
		"numfiles = 120K:128K   # postgres 200: 4221, 20 a client; nginx 1000: 1044\n"
		"numinotify = 256\n"
		"numwatches = 128K\n"
		"numflock = 32K\n"
		"numpty = 64\n"
		"numkeys = 2K\n"
		"numsiginfo = 16K       # postgres 200: 52\n"
		"numtcpsock = 64K       # nginx 1000: 1008; more than the ports of one address\n"
		"numothersock = 16K     # postgres 200, nginx 1000: 18\n"
		"privvmpages = 32G      # postgres 200: 643 MB; 8 K tasks of 3.2 MB, as there\n"
		"lockedpages = 256M     # none of these locks any\n"
		"shmpages = 8G          # postgres 200: 154 MB; a quarter of 32 GB is usual there\n"
		"kmemsize = 2500M:2600M # postgres 200: 61 MB; 8 K tasks of 301 KB, as there\n"
		"dcachesize = 256M      # nginx 1000: 0.9 MB; more is pruned\n"
	},
	{
		"container", "a system container, with an init and a dozen of services",
		"numtasks = 2K          # container: 63; what systemd gives a user's slice, and less\n"
		"numfiles = 30K:32K     # container: 1224\n"
		"numinotify = 128       # container: 10\n"
		"numwatches = 64K       # container: 64; an application may watch a tree\n"
		"numflock = 8K          # container: 18; mailboxes, packages\n"
		"numpty = 64            # container: 10, one a login\n"
		"numkeys = 500          # container: 1; others have one for each session and service\n"
		"numsiginfo = 8K        # container: 27\n"
		"numtcpsock = 8K        # container: 225, with 200 clients\n"
		"numothersock = 8K      # container: 126\n"
		"privvmpages = 6G       # container: 119 MB; 2 K tasks of 2.9 MB, as of postgres\n"
		"lockedpages = 16M      # container: none\n"
		"shmpages = 512M        # container: 144 MB, the buffers of postgres for the most part\n"
		"kmemsize = 550M:580M   # container: 11 MB; 2 K tasks of 270 KB, as of postgres\n"
		"dcachesize = 64M       # container: 1.4 MB; more is pruned\n"
	},
	{
		"shell-user", "a person who logs in, compiles, and runs an editor",
		"numtasks = 400         # user: 21; a browser, make -j; a fork bomb is over here\n"
		"numfiles = 15K:16K     # user: 297; 400 tasks with 3 to 40 each\n"
		"numinotify = 64        # user: 1, tail -f; an editor, a file manager\n"
		"numwatches = 64K       # user: 1; an editor may watch a source tree\n"
		"numflock = 1K          # user: 9\n"
		"numpty = 32            # user: 5, tmux with four windows\n"
		"numkeys = 200          # user: 1; as kernel.keys.maxkeys\n"
		"numsiginfo = 1K        # user: 26\n"
		"numtcpsock = 512       # user: 0; a browser\n"
		"numothersock = 1K      # user: 18\n"
		"privvmpages = 4G       # user: 119 MB; a browser\n"
		"lockedpages = 64M      # user: none; RLIMIT_MEMLOCK is 8 MB for a process\n"
		"shmpages = 512M        # user: 0.8 MB; a browser, /dev/shm\n"
		"kmemsize = 104M:112M   # user: 2.3 MB; 400 tasks of 270 KB, as of postgres\n"
		"dcachesize = 64M       # user: 0.4 MB; a large tree; more is pruned\n"
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
