// SPDX-License-Identifier: GPL-2.0
/* bcctl snapshot, restore: groups as a file that a person can edit. */
#include <ctype.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bcctl.h"
#include "conf.h"

/*
 * Settings that are no amounts. Written when they differ from what a new group has, which
 * for most is what its parent has.
 */
static const struct {
	const char *file;
	const char *is_default;		/* NULL: the parent's */
} kept[] = {
	{ "notify_on_release", NULL },
	{ "cpuset/cpus", NULL },
	{ "cpuset/cpu_exclusive", "0" },
	{ "nodeset/mems", NULL },
	{ "nodeset/mem_exclusive", "0" },
	{ "nodeset/memory_migrate", NULL },
	{ "nodeset/memory_spread_page", NULL },
	{ "nodeset/memory_spread_slab", NULL },
	{ "physpages/oom_group", NULL },
};

static const char * const kept_in_root[] = {
	"notify_on_release", "release_agent", "nodeset/memory_pressure_enabled",
};

/* A file that may not be there; NULL then. */
static char *read_quietly(struct bc_group *group, const char *file)
{
	char *text;

	if (faccessat(bc_group_fd(group), file, R_OK, AT_EACCESS) ||
	    bc_group_read(group, file, &text))
		return NULL;
	return text;
}

/* "cpuset/cpus" is "cpuset.cpus" here. */
static void put_setting(const char *file, const char *value)
{
	char *name = format("%s", file), *slash = strchr(name, '/');

	if (slash)
		*slash = '.';
	printf("\t%s = ", name);
	bc_conf_put_word(stdout, value);
	putchar('\n');
	free(name);
}

static void put_root(struct bc_group *group)
{
	bool any = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kept_in_root); i++) {
		char *text = read_quietly(group, kept_in_root[i]);

		if (text && text[0] && strcmp(text, "0")) {
			if (!any) {
				fputs("\ngroup ", stdout);
				bc_conf_put_word(stdout, bc_group_name(group));
				putchar('\n');
			}
			any = true;
			put_setting(kept_in_root[i], text);
		}
		free(text);
	}
}

static void put_kept(struct bc_group *group, struct bc_group *parent)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kept); i++) {
		char *text = read_quietly(group, kept[i].file), *usual = NULL;

		if (text && kept[i].is_default)
			usual = format("%s", kept[i].is_default);
		else if (text && parent)
			usual = read_quietly(parent, kept[i].file);
		if (text && (!usual || strcmp(text, usual)))
			put_setting(kept[i].file, text);
		free(text);
		free(usual);
	}
}

/* In numbers, which are known at boot as well. The names, which may not be, are for people. */
static void put_ids(const char *what, const struct stat *st)
{
	struct passwd *pw = getpwuid(st->st_uid);
	struct group *gr = getgrgid(st->st_gid);
	char *user = pw ? format("%s", pw->pw_name) : format("%u", st->st_uid);
	char *group = gr ? format("%s", gr->gr_name) : format("%u", st->st_gid);

	printf("\t%s = %u:%u", what, st->st_uid, st->st_gid);
	if (pw || gr) {
		fputs("  # ", stdout);
		put_name(stdout, user, false);
		putchar(':');
		put_name(stdout, group, false);
	}
	putchar('\n');
	free(user);
	free(group);
}

/*
 * Who it was given to (the directory and the lists of tasks), or, if the other files are
 * somebody's as well, who has made it. Root's are not worth a line.
 */
static void put_owner(struct bc_group *group)
{
	struct stat st, file;

	if (fstat(bc_group_fd(group), &st) ||
	    fstatat(bc_group_fd(group), "notify_on_release", &file, 0))
		return;
	if (file.st_uid || file.st_gid)
		put_ids("maker", &file);
	else if (st.st_uid || st.st_gid)
		put_ids("owner", &st);
}

static int put_group(struct bc_group *group, int depth, void *arg)
{
	char barrier[BC_AMOUNT_SIZE], limit[BC_AMOUNT_SIZE];
	struct bc *bc = bc_group_bc(group);
	const struct bc_controller *c;
	struct bc_group *parent = NULL;
	struct bc_counter counter;
	size_t i, n;

	(void)depth;
	(void)arg;
	if (bc_group_is_root(group)) {
		put_root(group);
		return 0;
	}
	fputs("\ngroup ", stdout);
	bc_conf_put_word(stdout, bc_group_name(group));
	putchar('\n');
	c = bc_controllers(bc, &n);
	for (i = 0; i < n; i++) {
		if (!c[i].counter || !bc_group_has(group, &c[i]) ||
		    bc_counter_read(group, &c[i], BC_BIT(BC_BARRIER) | BC_BIT(BC_LIMIT),
				    &counter) ||
		    counter.val[BC_BARRIER] == BC_MAX)
			continue;
		bc_format_amount(counter.val[BC_BARRIER], barrier);
		bc_format_amount(counter.val[BC_LIMIT], limit);
		if (strcmp(barrier, limit))
			printf("\t%s = %s:%s\n", c[i].name, barrier, limit);
		else
			printf("\t%s = %s\n", c[i].name, limit);
	}
	if (bc_group_parent(group, &parent))
		parent = NULL;
	put_kept(group, parent);
	put_owner(group);
	bc_group_close(parent);
	return 0;
}

/* The controllers of an extra hierarchy are for its root to say. */
static int put_hierarchies(struct bc *bc)
{
	const struct bc_hierarchy *h;
	struct bc_group *root;
	size_t i, n;
	char *text;

	h = bc_hierarchies(bc, &n);
	for (i = 0; i < n; i++) {
		if (!h[i].number)
			continue;
		if (bc_group_root(bc, &h[i], &root))
			return fail_bc(bc, NULL);
		if (bc_group_read(root, "controllers", &text)) {
			bc_group_close(root);
			return fail_bc(bc, NULL);
		}
		fputs("\nhierarchy ", stdout);
		bc_conf_put_word(stdout, h[i].name);
		printf(" = %s\n", text);
		free(text);
		bc_group_close(root);
	}
	return STATUS_OK;
}

static int cmd_snapshot(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct bc *bc;
	int status = STATUS_OK;

	while (next_option(argc, argv, "", longs) != -1)
		;
	if (argc - optind > 1)
		return usage("one group at a time");
	bc = open_bc();
	puts("# bc.conf(5), for 'bcctl restore'. What is not named in a group has no limit.");
	if (optind == argc)
		status = put_hierarchies(bc);
	status = each_group(bc, argv + optind, argc - optind, true, put_group, NULL) ?: status;
	bc_close(bc);
	return status;
}

const struct command snapshot_command = {
	.name = "snapshot",
	.run = cmd_snapshot,
	.args = "[GROUP] > FILE",
	.summary = "Write groups and limits as a file for 'restore'",
	.help =
	"With GROUP, it and what is below. The format is bc.conf(5).\n",
};

/**
 * struct restoring - what is asked for, and how it goes
 * @file: its name, for messages
 * @bc: NULL as long as there is none
 * @dry: say, and do not
 * @pending: hierarchies that the file has may not be there yet
 * @changes: how many there were
 * @not_given: STATUS_FAILED if a group could not be given away, which ends nothing
 */
struct restoring {
	const char *file;
	struct bc *bc;
	bool dry, pending;
	unsigned long changes;
	int not_given;
};

static void __printf(2, 3) say_change(struct restoring *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	r->changes++;
}

static int fail_line(const struct restoring *r, unsigned int line, const char *why)
{
	return fail("%s:%u: %s", r->file, line, why);
}

/* The same names, in whatever order? */
static bool same_words(const char *a, const char *b)
{
	const char *from[2] = { a, b }, *in[2] = { b, a };
	int i;

	for (i = 0; i < 2; i++) {
		char *copy = format("%s", from[i]), *save, *word;
		char *text = format(" %s ", in[i]);
		bool found = true;

		for (word = strtok_r(copy, " ", &save); word && found;
		     word = strtok_r(NULL, " ", &save)) {
			char *spaced = format(" %s ", word);

			found = strstr(text, spaced);
			free(spaced);
		}
		free(text);
		free(copy);
		if (!found)
			return false;
	}
	return true;
}

static int restore_hierarchy(struct restoring *r, const struct conf_line *l)
{
	const struct bc_hierarchy *h = bc_find_hierarchy(r->bc, l->name);
	struct bc_group *root = NULL;
	char *now = NULL, *path;
	int status = STATUS_OK;

	if (h && !h->number)
		return fail_line(r, l->line, "the default hierarchy has what no other one takes");
	if (!h || strcmp(h->name, l->name)) {
		say_change(r, "create hierarchy %s", l->name);
		if (!r->dry) {
			path = format("%s/bc_hierarchies/%s", bc_configfs(r->bc), l->name);
			if (strchr(l->name, '/') || mkdir(path, 0755)) {
				status = fail("%s:%u: cannot create hierarchy %s: %s", r->file,
					      l->line, l->name, strchr(l->name, '/') ?
					      "there is a slash in its name" : strerror(errno));
				free(path);
				return status;
			}
			free(path);
			/* It gets to know the new one. */
			bc_close(r->bc);
			r->bc = open_bc();
			h = bc_find_hierarchy(r->bc, l->name);
		}
	}
	if (h && (bc_group_root(r->bc, h, &root) ||
		  bc_group_read(root, "controllers", &now))) {
		status = fail_bc(r->bc, NULL);
	} else if (!same_words(now ?: "", l->value)) {
		say_change(r, "bind to hierarchy %s: %s (was: %s)", l->name, l->value,
			   now && now[0] ? now : "nothing");
		if (!r->dry && bc_group_write(root, "controllers", l->value)) {
			status = fail("%s:%u: %s", r->file, l->line, bc_error(r->bc));
		} else if (!r->dry) {
			bc_group_close(root);
			root = NULL;
			bc_close(r->bc);
			r->bc = open_bc();
		}
	}
	free(now);
	bc_group_close(root);
	return status;
}

/**
 * struct plan - what is to become of a group
 * @conf: what the file says
 * @path: in its hierarchy, to sort by
 * @h: NULL if it is only about to be made
 * @is_root: it is a root
 * @want: all settings that are named, and "max" for counters that are not
 * @owner: who gets the directory and the lists of tasks, or, with @all, all files; or NULL
 * @owner_line: where that is
 * @done: has been set
 */
struct plan {
	const struct conf_group *conf;
	char *path;
	const struct bc_hierarchy *h;
	bool is_root;
	struct bc_settings want;
	const char *owner;
	bool all;
	unsigned int owner_line;
	bool done;
};

/* A counter that is not named has no limit, so that the file says it all. */
static void want_the_rest(struct restoring *r, struct plan *p)
{
	const struct bc_controller *c;
	size_t i, k, n;

	if (!p->h || !p->path[1])
		return;
	c = bc_controllers(r->bc, &n);
	for (i = 0; i < n; i++) {
		size_t len = strlen(c[i].name);
		bool named = false;

		for (k = 0; k < p->want.n; k++) {
			const char *name = p->want.list[k].name;

			named |= !strncmp(name, c[i].name, len) &&
				(!name[len] || !strcmp(name + len, ".limit") ||
				 !strcmp(name + len, ".barrier"));
		}
		if (c[i].counter && c[i].hierarchy == p->h && !named)
			add_setting(&p->want, c[i].name, "max");
	}
}

/* The line where a setting is, or where the profile is that has it, or the group. */
static unsigned int line_of(const struct plan *p, const char *name)
{
	unsigned int line = p->conf->line;
	size_t i;

	for (i = 0; i < p->conf->n; i++) {
		if (!strcmp(p->conf->lines[i].name, name))
			return p->conf->lines[i].line;
		if (!strcmp(p->conf->lines[i].name, "profile"))
			line = p->conf->lines[i].line;
	}
	return line;
}

/* What a profile names goes where the group does not say otherwise, if it is there. */
static int want_profile(struct restoring *r, struct plan *p)
{
	struct bc_settings all;
	int err;

	err = bc_expand_profile(r->bc, p->h, profile_dir(), &p->want, &all, NULL, NULL);
	bc_settings_free(&p->want);
	p->want = all;
	return err ? fail_line(r, line_of(p, "profile"), bc_error(r->bc)) : STATUS_OK;
}

static int make_plan(struct restoring *r, const struct conf *conf, const struct conf_group *g,
		     struct plan *p)
{
	int status;
	size_t i;

	memset(p, 0, sizeof(*p));
	p->conf = g;
	if (bc_parse_group(r->bc, g->name, &p->h, &p->path)) {
		for (i = 0; r->pending && i < conf->nr_hierarchies; i++) {
			size_t len = strlen(conf->hierarchies[i].name);

			if (!strncmp(g->name, conf->hierarchies[i].name, len) &&
			    g->name[len] == ':') {
				const char *path = g->name + len + 1;

				p->h = NULL;
				p->path = format("%s", g->name);
				p->is_root = !path[strspn(path, "/")];
				break;
			}
		}
		if (!p->path)
			return fail_line(r, g->line, bc_error(r->bc));
	} else {
		p->is_root = !p->path[1];
	}
	for (i = 0; i < g->n; i++) {
		const struct conf_line *l = &g->lines[i];

		if (!strcmp(l->name, "owner") || !strcmp(l->name, "maker")) {
			p->owner = l->value;
			p->all = l->name[0] == 'm';
			p->owner_line = l->line;
		} else if (bc_settings_have(&p->want, l->name)) {
			return fail("%s:%u: %s is there twice in %s", r->file, l->line, l->name,
				    g->name);
		} else {
			add_setting(&p->want, l->name, l->value);
		}
	}
	status = want_profile(r, p);
	if (!status)
		want_the_rest(r, p);
	return status;
}

/* A pair, or one of it. -EINVAL is said by bc_check() later on. */
static int parse_pair(const struct bc_controller *c, const char *text, long long *barrier,
		      long long *limit)
{
	const char *colon = strchr(text, ':');
	char *first;
	int err;

	if (!colon) {
		err = bc_parse_amount(text, c->unit, limit);
		*barrier = *limit;
		return err;
	}
	first = strndup(text, colon - text);
	if (!first)
		out_of_memory();
	err = bc_parse_amount(first, c->unit, barrier);
	free(first);
	return err ?: bc_parse_amount(colon + 1, c->unit, limit);
}

struct line_check {
	const struct restoring *r;
	const struct plan *p;
	int status;
};

static void wrong_setting(const struct bc_setting *s, const char *why, void *arg)
{
	struct line_check *check = arg;

	/* The first one is said, as elsewhere. */
	if (!check->status)
		check->status = fail_line(check->r, line_of(check->p, s->name), why);
}

/* Names and values, with those of the profile: all but whether they are of this hierarchy. */
static int check_lines(struct restoring *r, const struct plan *p)
{
	struct line_check check = { .r = r, .p = p };

	check_settings(r->bc, p->is_root, &p->want, wrong_setting, &check);
	return check.status;
}

/* A group that is not there yet cannot be asked. */
static int check_new(struct restoring *r, const struct plan *p)
{
	const struct bc_controller *c;
	size_t i;

	for (i = 0; i < p->want.n && p->h; i++) {
		const char *name = p->want.list[i].name;
		char *first = format("%.*s", (int)strcspn(name, "."), name);

		c = bc_find_controller(r->bc, first);
		free(first);
		if (c && c->hierarchy != p->h)
			return fail("%s:%u: %s is in hierarchy '%s', %s is not", r->file,
				    line_of(p, name), c->name, c->hierarchy->name,
				    p->conf->name);
	}
	return STATUS_OK;
}

/* Do both say the same, though not with the same characters? */
static bool same_value(struct restoring *r, const char *name, const char *a, const char *b)
{
	static bool x[MAX_BIT], y[MAX_BIT];
	const struct bc_controller *c;
	long long m, n;
	char *first;

	if (!strcmp(a, b))
		return true;
	first = strndup(name, strcspn(name, "."));
	if (!first)
		out_of_memory();
	c = bc_find_controller(r->bc, first);
	free(first);
	if (c && c->counter)
		return !bc_parse_amount(a, BC_UNIT_ITEMS, &m) &&
			!bc_parse_amount(b, c->unit, &n) && m == n;
	return parse_list(a, x) && parse_list(b, y) && !memcmp(x, y, sizeof(x));
}

/* Which settings are not as they should be, and what they are; those of @changed. */
static void find_changes(struct restoring *r, struct plan *p, struct bc_group *group,
			 struct bc_settings *changed, struct bc_settings *was)
{
	size_t i;

	for (i = 0; i < p->want.n; i++) {
		const char *name = p->want.list[i].name, *value = p->want.list[i].value;
		const struct bc_controller *c = bc_find_controller(r->bc, name);
		char b[BC_AMOUNT_SIZE], l[BC_AMOUNT_SIZE], *now = NULL;
		struct bc_counter counter = { };
		long long barrier, limit;
		bool same = false;

		if (c && c->counter) {
			if (group)
				bc_counter_read(group, c, BC_BIT(BC_BARRIER) | BC_BIT(BC_LIMIT),
						&counter);
			if (!group) {
				counter.val[BC_BARRIER] = BC_MAX;
				counter.val[BC_LIMIT] = BC_MAX;
			}
			same = !parse_pair(c, value, &barrier, &limit) &&
				barrier == counter.val[BC_BARRIER] &&
				limit == counter.val[BC_LIMIT];
			bc_format_amount(counter.val[BC_BARRIER], b);
			bc_format_amount(counter.val[BC_LIMIT], l);
			now = strcmp(b, l) ? format("%s:%s", b, l) : format("%s", l);
		} else {
			char *file = format("%s", name), *dot = strchr(file, '.');

			if (dot)
				*dot = '/';
			if (group)
				now = read_quietly(group, file);
			same = now && same_value(r, name, now, value);
			free(file);
		}
		if (!same) {
			add_setting(changed, name, value);
			add_setting(was, name, now ?: "");
		}
		free(now);
	}
}

static int check_plan(struct restoring *r, struct plan *p)
{
	struct bc_settings changed = { }, was = { };
	struct bc_group *group;
	int err, status = STATUS_OK;

	err = p->h ? bc_group_open(r->bc, p->conf->name, &group) : -ENOENT;
	if (err == -ENOENT)
		return check_new(r, p);
	if (err)
		return fail_line(r, p->conf->line, bc_error(r->bc));
	find_changes(r, p, group, &changed, &was);
	if (bc_check(group, changed.list, changed.n))
		status = fail_line(r, p->conf->line, bc_error(r->bc));
	bc_settings_free(&changed);
	bc_settings_free(&was);
	bc_group_close(group);
	return status;
}

/**
 * struct gift - who is to get what
 * @uid, @gid: @gid may be -1
 * @differs: something is not theirs yet
 * @give: change that, or just look
 */
struct gift {
	uid_t uid;
	gid_t gid;
	bool differs, give;
};

/* 0, or -errno. */
static int give_file(struct bc_group *group, const char *file, struct gift *gift)
{
	struct stat st;

	if (fstatat(bc_group_fd(group), file, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (st.st_uid == gift->uid && (gift->gid == (gid_t)-1 || st.st_gid == gift->gid))
		return 0;
	gift->differs = true;
	if (gift->give && fchownat(bc_group_fd(group), file, gift->uid, gift->gid,
				   AT_SYMLINK_NOFOLLOW))
		return -errno;
	return 0;
}

/* The files of a group, and of its controllers, but not of groups in it. */
static int give_all(struct restoring *r, struct bc_group *group, struct gift *gift)
{
	static const char * const own[] = {
		"id", "controllers", "notify_on_release", "releasable",
	};
	const struct bc_controller *c;
	int err = 0, k, nr;
	char **names;
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(own) && !err; i++)
		err = give_file(group, own[i], gift);
	c = bc_controllers(r->bc, &n);
	for (i = 0; i < n && !err; i++) {
		if (!bc_group_has(group, &c[i]))
			continue;
		err = give_file(group, c[i].name, gift);
		nr = bc_group_files(group, &c[i], &names);
		if (nr < 0)
			return nr;
		for (k = 0; k < nr && !err; k++) {
			char *file = format("%s/%s", c[i].name, names[k]);

			err = give_file(group, file, gift);
			free(file);
		}
		bc_free_names(names);
	}
	return err;
}

static int give(struct restoring *r, struct plan *p, struct bc_group *group, struct gift *gift)
{
	static const char * const files[] = { ".", "tasks", "threads" };
	int err = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files) && !err; i++)
		err = give_file(group, files[i], gift);
	if (!err && p->all)
		err = give_all(r, group, gift);
	return err;
}

/*
 * What cannot be given away has its limits all the same, and so have the groups after it: at
 * boot, who knows the users may not be there yet.
 */
static void give_away(struct restoring *r, struct plan *p, struct bc_group *group)
{
	struct gift gift = { .differs = !group };
	int err = 0;

	if (!p->owner)
		return;
	if (parse_owner(p->owner, &gift.uid, &gift.gid)) {
		r->not_given = fail("%s:%u: there is no user or group '%s': %s is not given away",
				    r->file, p->owner_line, p->owner, p->conf->name);
		return;
	}
	if (group)
		err = give(r, p, group, &gift);
	if (!err && !gift.differs)
		return;
	say_change(r, "give %s%s to %s", p->all ? "all of " : "", p->conf->name, p->owner);
	gift.give = true;
	if (!err && !r->dry)
		err = give(r, p, group, &gift);
	if (err)
		r->not_given = fail("%s:%u: cannot give %s to %s: %s", r->file, p->owner_line,
				    p->conf->name, p->owner, strerror(-err));
}

/*
 * Where sets of CPUs or nodes shrink, those below have to do so first, and where they
 * grow, those above. So what is refused is tried again later, as long as @again.
 */
static int restore_group(struct restoring *r, struct plan *p, bool again)
{
	struct bc_settings changed = { }, was = { };
	struct bc_group *group = NULL;
	int err, status = STATUS_OK;
	size_t i;

	err = p->h ? bc_group_open(r->bc, p->conf->name, &group) : -ENOENT;
	if (err == -ENOENT) {
		say_change(r, "create %s", p->conf->name);
		if (!r->dry) {
			err = bc_create(r->bc, p->conf->name, true, &group);
			if (err < 0)
				return fail_line(r, p->conf->line, bc_error(r->bc));
		}
	} else if (err) {
		return fail_line(r, p->conf->line, bc_error(r->bc));
	}
	find_changes(r, p, group, &changed, &was);
	if (!r->dry && bc_set(group, changed.list, changed.n)) {
		if (!again)
			status = fail_line(r, p->conf->line, bc_error(r->bc));
		goto out;
	}
	for (i = 0; i < changed.n; i++)
		say_change(r, "set %s %s=%s%s%s%s", p->conf->name, changed.list[i].name,
			   changed.list[i].value, was.list[i].value[0] ? " (was " : "",
			   was.list[i].value, was.list[i].value[0] ? ")" : "");
	p->done = true;
	give_away(r, p, group);
out:
	bc_settings_free(&changed);
	bc_settings_free(&was);
	bc_group_close(group);
	return status;
}

static int by_path(const void *a, const void *b)
{
	const struct plan *x = a, *y = b;
	unsigned int i = x->h ? x->h->number : ~0U, k = y->h ? y->h->number : ~0U;

	if (i != k)
		return i < k ? -1 : 1;
	return strcmp(x->path, y->path);
}

/* All that can be said of the lines alone. *@all is to be freed in any case. */
static int plan_groups(struct restoring *r, const struct conf *conf, struct plan **all)
{
	size_t n = conf->nr_groups, i;
	struct plan *plans = alloc(n, sizeof(*plans));
	int status = STATUS_OK;

	*all = plans;
	for (i = 0; i < n && !status; i++)
		status = make_plan(r, conf, &conf->groups[i], &plans[i]) ?:
			 check_lines(r, &plans[i]);
	if (!status)
		qsort(plans, n, sizeof(*plans), by_path);
	for (i = 1; i < n && !status; i++) {
		if (!by_path(&plans[i - 1], &plans[i]))
			status = fail("%s:%u: %s is there twice", r->file, plans[i].conf->line,
				      plans[i].conf->name);
	}
	return status;
}

static void free_plans(struct plan *plans, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(plans[i].path);
		bc_settings_free(&plans[i].want);
	}
	free(plans);
}

/* Before a hierarchy is made, so that nothing is if a line is wrong. */
static int check_groups(struct restoring *r, const struct conf *conf)
{
	struct plan *plans;
	int status;

	r->pending = true;
	status = plan_groups(r, conf, &plans);
	r->pending = r->dry;
	free_plans(plans, conf->nr_groups);
	return status;
}

static int restore_groups(struct restoring *r, const struct conf *conf)
{
	size_t n = conf->nr_groups, i;
	struct plan *plans;
	int status;

	status = plan_groups(r, conf, &plans);
	for (i = 0; i < n && !status; i++)
		status = check_plan(r, &plans[i]);
	/* Parents first, then what could not be done then, from below, then again. */
	for (i = 0; i < n && !status; i++)
		status = restore_group(r, &plans[i], true);
	for (i = n; i-- > 0 && !status;) {
		if (!plans[i].done)
			status = restore_group(r, &plans[i], true);
	}
	for (i = 0; i < n && !status; i++) {
		if (!plans[i].done)
			status = restore_group(r, &plans[i], false);
	}
	free_plans(plans, n);
	return status;
}

static char *read_all(FILE *f, size_t *len)
{
	char *text, buf[4096];
	FILE *mem = open_memstream(&text, len);
	size_t n;

	if (!mem)
		out_of_memory();
	while ((n = fread(buf, 1, sizeof(buf), f)))
		fwrite(buf, 1, n, mem);
	if (fclose(mem))
		out_of_memory();
	if (ferror(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static int cmd_restore(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "dry-run", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct restoring r = { };
	int c, err, status = STATUS_OK;
	char *text, *wrong;
	struct conf conf;
	size_t len, i;
	FILE *f;

	while ((c = next_option(argc, argv, "n", longs)) != -1)
		r.dry |= c == 'n';
	if (argc - optind != 1)
		return usage(optind == argc ? "which file? '-' is standard input" :
			     "one file at a time");
	r.file = strcmp(argv[optind], "-") ? argv[optind] : "standard input";
	f = strcmp(argv[optind], "-") ? fopen(argv[optind], "re") : stdin;
	text = f ? read_all(f, &len) : NULL;
	if (!text)
		status = fail("cannot read %s: %s", r.file, strerror(errno));
	if (f && f != stdin)
		fclose(f);
	if (!text)
		return status;
	err = bc_conf_parse(text, len, false, &conf, &wrong);
	free(text);
	if (err == -ENOMEM)
		out_of_memory();
	if (err) {
		status = fail("%s:%s; nothing was changed", r.file, wrong);
		free(wrong);
		bc_conf_free(&conf);
		return status;
	}
	r.bc = open_bc();
	status = check_groups(&r, &conf);
	for (i = 0; i < conf.nr_hierarchies && !status; i++)
		status = restore_hierarchy(&r, &conf.hierarchies[i]);
	if (!status)
		status = restore_groups(&r, &conf) ?: r.not_given;
	if (!status && !r.changes)
		puts("all is so already");
	else if (status && r.changes && !r.dry)
		note("what was said is done; run it again when the rest is mended");
	bc_conf_free(&conf);
	bc_close(r.bc);
	return status;
}

const struct command restore_command = {
	.name = "restore",
	.run = cmd_restore,
	.args = "[--dry-run] FILE",
	.summary = "Make groups and limits what a file says",
	.help =
	"  -n, --dry-run   say what would be changed, and change nothing\n"
	"\n"
	"FILE is as bc.conf(5) describes; '-' is standard input. Each change is a line. What\n"
	"is so already is left alone, so that it can be run again. In a group that is named,\n"
	"a resource that is not named gets no limit. Groups that are not named stay as they\n"
	"are. Lines are checked before anything is changed. Hierarchies come first; then all\n"
	"groups are checked before one is changed. An owner who is not known is said, and all\n"
	"else is done.\n",
};
