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

/**
 * struct bounds - what a line says of a counter
 * @given: a BC_BIT() for each of BC_BARRIER and BC_LIMIT
 * @known: those that are amounts
 * @val: these
 */
struct bounds {
	unsigned int given, known;
	long long val[BC_NR_FILES];
};

/* One of them. What is wrong, to be freed, or NULL. */
static char *check_bound(const struct bc_controller *c, const struct bc_setting *s,
			 const char *text, enum bc_file file, struct bounds *bounds)
{
	if (bounds->given & BC_BIT(file))
		return format("%s is given twice", c->name);
	bounds->given |= BC_BIT(file);
	if (bc_parse_amount(text, c->unit, &bounds->val[file]))
		return format("'%s' of %s is no amount", s->value, s->name);
	bounds->known |= BC_BIT(file);
	return NULL;
}

/* LIMIT or BARRIER:LIMIT. */
static char *check_pair(const struct bc_controller *c, const struct bc_setting *s,
			struct bounds *bounds)
{
	const char *colon = strchr(s->value, ':'), *limit = colon ? colon + 1 : s->value;
	char *barrier = format("%.*s", colon ? (int)(colon - s->value) : INT_MAX, s->value);
	char *wrong = check_bound(c, s, barrier, BC_BARRIER, bounds);

	free(barrier);
	return wrong ?: check_bound(c, s, limit, BC_LIMIT, bounds);
}

/* A root has all the files that groups have. */
static bool is_there(struct bc *bc, const struct bc_controller *c, const char *file)
{
	char *path = format("%s/%s", c->name, file);
	struct bc_group *root;
	bool found = false;

	if (!bc_group_root(bc, c->hierarchy, &root)) {
		found = !faccessat(bc_group_fd(root), path, F_OK, 0);
		bc_group_close(root);
	}
	free(path);
	return found;
}

/*
 * What bc_set() would say of this at login, as far as it can be known without a group, to be
 * freed; or NULL. @bounds are those of the controllers.
 */
static char *check_value(struct bc *bc, const struct bc_setting *s, struct bounds *bounds)
{
	size_t len = strcspn(s->name, "."), n;
	const char *file = s->name + len + (s->name[len] == '.'), *similar;
	char *name = format("%.*s", (int)len, s->name), *wrong = NULL;
	const struct bc_controller *c = bc_find_controller(bc, name);

	similar = c ? NULL : bc_similar_controller(bc, name);
	if (!c && (s->name[len] || strcmp(name, "notify_on_release")))
		wrong = format("there is no resource '%s'%s%s%s", name, similar ? ": is it '" : "",
			       similar ?: "", similar ? "'?" : "");
	free(name);
	if (!c)
		return wrong;
	if (strchr(file, '/'))
		return format("'%s' is no resource", s->name);
	if (!file[0] && !c->counter)
		return format("%s counts nothing that could be limited", c->name);
	bounds += c - bc_controllers(bc, &n);
	if (!file[0])
		return check_pair(c, s, bounds);
	if (c->counter && !strcmp(file, "barrier"))
		return check_bound(c, s, s->value, BC_BARRIER, bounds);
	if (c->counter && !strcmp(file, "limit"))
		return check_bound(c, s, s->value, BC_LIMIT, bounds);
	if (c->counter && (!strcmp(file, "held") || !strcmp(file, "failcnt")))
		return format("%s cannot be set: it is what the kernel has counted", s->name);
	return is_there(bc, c, file) ? NULL : format("%s has no file '%s'", c->name, file);
}

static int fail_line(const struct checking *c, const struct bc_user *user, const char *why)
{
	return fail("%s:%u: %s", c->file, user->line, why);
}

/* Names and amounts of a line, with those of its profile. */
static int check_line(struct bc *bc, const struct bc_user *user, struct checking *c)
{
	const struct bc_hierarchy *h = bc_find_hierarchy(bc, "0");
	const struct bc_controller *controllers;
	int status = STATUS_OK;
	struct bounds *bounds;
	struct bc_settings s;
	size_t i, n;
	char *wrong;

	if (bc_expand_profile(bc, h, profile_dir(), &user->settings, &s, NULL, NULL))
		status = fail_line(c, user, bc_error(bc));
	controllers = bc_controllers(bc, &n);
	bounds = alloc(n, sizeof(*bounds));
	for (i = 0; i < s.n; i++) {
		wrong = check_value(bc, &s.list[i], bounds);
		if (wrong)
			status = fail_line(c, user, wrong);
		free(wrong);
	}
	for (i = 0; i < n; i++) {
		if (bounds[i].known != (BC_BIT(BC_BARRIER) | BC_BIT(BC_LIMIT)) ||
		    bounds[i].val[BC_BARRIER] <= bounds[i].val[BC_LIMIT])
			continue;
		wrong = format("the barrier of %s is above its limit", controllers[i].name);
		status = fail_line(c, user, wrong);
		free(wrong);
	}
	free(bounds);
	bc_settings_free(&s);
	return status;
}

static int check_all(struct bc *bc, const struct bc_users *users, struct checking *c)
{
	size_t i;

	for (i = 0; i < users->n; i++)
		c->status = check_line(bc, &users->list[i], c) ?: c->status;
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
