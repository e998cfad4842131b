// SPDX-License-Identifier: GPL-2.0
/* bcctl users: what pam_bc(8) would do. */
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "bcctl.h"
#include "conf.h"
#include "users.h"

struct checking {
	const char *file;
	const struct passwd *pw;
	int status;
};

static void wrong_line(unsigned int line, const char *why, void *arg)
{
	struct checking *c = arg;

	c->status = fail("%s:%u: %s", c->file, line, why);
}

static bool in_group(const char *name, void *arg)
{
	const struct passwd *pw = ((struct checking *)arg)->pw;
	struct group *gr = getgrnam(name);
	gid_t gid = gr ? gr->gr_gid : 0, *list;
	int i, n = 0;
	bool found = false;

	if (!gr)
		return false;
	getgrouplist(pw->pw_name, pw->pw_gid, NULL, &n);
	list = alloc(n, sizeof(*list));
	n = getgrouplist(pw->pw_name, pw->pw_gid, list, &n);
	for (i = 0; i < n; i++)
		found |= list[i] == gid;
	free(list);
	return found;
}

static int fail_line(const struct checking *c, const struct bc_user *user, const char *why)
{
	return fail("%s:%u: %s", c->file, user->line, why);
}

struct line {
	struct checking *c;
	const struct bc_user *user;
};

static void wrong_setting(const struct bc_setting *s, const char *why, void *arg)
{
	struct line *line = arg;

	(void)s;
	line->c->status = fail_line(line->c, line->user, why);
}

/* Names and values of a line, with those of its profile. */
static void check_line(struct bc *bc, const struct bc_user *user, struct checking *c)
{
	struct line line = { .c = c, .user = user };
	struct bc_settings s;

	if (bc_expand_profile(bc, bc_find_hierarchy(bc, "0"), profile_dir(), &user->settings, &s,
			      NULL, NULL))
		c->status = fail_line(c, user, bc_error(bc));
	check_settings(bc, false, &s, wrong_setting, &line);
	bc_settings_free(&s);
}

static int check_all(struct bc *bc, const struct bc_users *users, struct checking *c)
{
	size_t i;

	for (i = 0; i < users->n; i++)
		check_line(bc, &users->list[i], c);
	return c->status;
}

static int show_user(struct bc *bc, const struct bc_users *users, struct checking *c)
{
	const struct bc_user *user;
	struct bc_settings s;
	int status = STATUS_OK;
	size_t i;

	user = bc_users_find(users, c->pw->pw_name, !c->pw->pw_uid, in_group, c);
	if (!user || user->none) {
		printf("%s: no group\n", c->pw->pw_name);
		return STATUS_OK;
	}
	printf("%s: as %s:%u says for '%s'\n", c->pw->pw_name, c->file, user->line, user->who);
	if (bc_expand_profile(bc, bc_find_hierarchy(bc, "0"), profile_dir(), &user->settings, &s,
			      NULL, NULL))
		status = fail("%s:%u: %s", c->file, user->line, bc_error(bc));
	for (i = 0; i < s.n; i++)
		printf("  %s=%s\n", s.list[i].name, s.list[i].value);
	bc_settings_free(&s);
	return status;
}

static int lock_for_prune(const char *name, bool wait, void *arg)
{
	(void)arg;
	return bc_users_lock(secure_getenv("BC_RUN") ?: BC_USERS_RUN, name, wait ? 1000 : 1);
}

static void print_removed(const char *group, void *arg)
{
	(void)arg;
	printf("removed %s\n", group);
}

/* @pw: whose last session is just about to end, or NULL. */
static int prune(const char *root, const struct passwd *pw)
{
	struct bc_users_prune how = {
		.patient = pw, .lock = lock_for_prune, .removed = print_removed,
	};
	struct bc *bc = open_bc();
	struct bc_group *group;
	char *name = NULL;
	int err;

	if (pw && bc_escape_name(bc, pw->pw_name, &name))
		out_of_memory();
	how.own = name;
	err = bc_group_open(bc, root, &group);
	if (!err) {
		bc_group_close(group);
		err = bc_users_prune(bc, root, &how);
	} else if (err == -ENOENT) {
		err = 0;	/* nobody has logged in yet */
	}
	free(name);
	bc_close(bc);
	return err ? fail("cannot remove groups in %s: %s", root, strerror(-err)) : STATUS_OK;
}

/* By name, or by number, as systemd has it. */
static const struct passwd *passwd_of(const char *text)
{
	const struct passwd *pw = getpwnam(text);
	char *end;
	long uid;

	if (pw)
		return pw;
	uid = strtol(text, &end, 10);
	return end == text || *end ? NULL : getpwuid(uid);
}

static int cmd_users(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "conf", required_argument, NULL, 'c' },
		{ "prune", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct checking c = { .file = secure_getenv("BC_USERS") ?: BC_USERS_CONF };
	struct bc_users users;
	struct bc *bc;
	const char *root = NULL;
	char *text;
	size_t len;
	int opt, err;

	while ((opt = next_option(argc, argv, "c:p:", longs)) != -1) {
		if (opt == 'c')
			c.file = optarg;
		else if (opt == 'p')
			root = optarg;
	}
	if (argc - optind > 1)
		return usage("one user at a time");
	if (optind < argc) {
		c.pw = passwd_of(argv[optind]);
		if (!c.pw)
			return fail("there is no user '%s'", argv[optind]);
	}
	if (root)
		return prune(root, c.pw);
	err = bc_conf_read(c.file, &text, &len);
	if (err)
		return fail("cannot read %s: %s", c.file, strerror(-err));
	if (bc_users_parse(text, len, &users, wrong_line, &c))
		out_of_memory();
	free(text);
	bc = open_bc();
	if (c.pw)
		c.status = show_user(bc, &users, &c) ?: c.status;
	else
		check_all(bc, &users, &c);
	bc_users_free(&users);
	bc_close(bc);
	return c.status;
}

const struct command users_command = {
	.name = "users",
	.run = cmd_users,
	.args = "[-c FILE] [USER] | --prune GROUP [USER]",
	.summary = "Check who gets which limits at login",
	.help =
	"  -c, --conf FILE   instead of /etc/bc/users.conf\n"
	"  -p, --prune GROUP remove the groups of users in GROUP that nobody is in; that of\n"
	"                    USER, if its last process ends within two seconds\n"
	"\n"
	"Without USER, all lines of the file are checked, and mistakes are said. With it: which\n"
	"line is for this user, and what it comes to. See bc-users.conf(5) and pam_bc(8).\n",
};
