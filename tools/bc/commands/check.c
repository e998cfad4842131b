// SPDX-License-Identifier: GPL-2.0
/* What can be known to be wrong with settings before there is the group. */
#include <ctype.h>
#include <sys/stat.h>

#include "bcctl.h"

/* What a file takes, and in which groups it is, or can be written. */
enum takes { FLAG, ZERO, LIST, PROGRAM };
enum where { EACH, ROOT, BELOW };

static const struct known {
	const char *name;
	enum takes takes;
	enum where where;
} known[] = {
	{ "notify_on_release", FLAG, EACH },
	{ "release_agent", PROGRAM, ROOT },
	{ "cpuacct.usage", ZERO, EACH },
	{ "cpuset.cpus", LIST, BELOW },
	{ "cpuset.cpu_exclusive", FLAG, BELOW },
	{ "nodeset.mems", LIST, BELOW },
	{ "nodeset.mem_exclusive", FLAG, BELOW },
	{ "nodeset.memory_migrate", FLAG, BELOW },
	{ "nodeset.memory_spread_page", FLAG, BELOW },
	{ "nodeset.memory_spread_slab", FLAG, BELOW },
	{ "nodeset.memory_pressure_enabled", FLAG, ROOT },
	{ "physpages.oom_group", FLAG, BELOW },
};

/**
 * struct bounds - what settings say of a counter
 * @given: a BC_BIT() for each of BC_BARRIER and BC_LIMIT
 * @known: those that are amounts
 * @val: these
 * @last: which setting has said so
 */
struct bounds {
	unsigned int given, known;
	long long val[BC_NR_FILES];
	const struct bc_setting *last;
};

static const struct known *find_known(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (!strcmp(known[i].name, name))
			return &known[i];
	}
	return NULL;
}

bool parse_list(const char *text, bool bits[MAX_BIT])
{
	const char *p = text;

	memset(bits, 0, MAX_BIT * sizeof(bits[0]));
	for (;;) {
		unsigned long first, last;
		char *end;

		while (*p == ',' || isspace((unsigned char)*p))
			p++;
		if (!*p)
			return true;
		if (!isdigit((unsigned char)*p))
			return false;
		first = strtoul(p, &end, 10);
		last = first;
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		if (last < first || last >= MAX_BIT ||
		    (*end && *end != ',' && !isspace((unsigned char)*end)))
			return false;
		for (; first <= last; first++)
			bits[first] = true;
		p = end;
	}
}

/* One of them. What is wrong, to be freed, or NULL. */
static char *check_bound(const struct bc_controller *c, const struct bc_setting *s,
			 const char *text, enum bc_file file, struct bounds *bounds)
{
	if (bounds->given & BC_BIT(file))
		return format("%s is given twice", c->name);
	bounds->given |= BC_BIT(file);
	bounds->last = s;
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

/* A number that can be this at most, with blanks around it, as the kernel reads it. */
static bool is_number(const char *text, unsigned long max)
{
	unsigned long val;
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	errno = 0;
	val = strtoul(text, &end, 10);
	if (end == text || *text == '-' || errno || val > max)
		return false;
	while (isspace((unsigned char)*end))
		end++;
	return !*end;
}

/* A list that the kernel would never take: it is none, or has more than the root. */
static char *check_list(struct bc_group *root, const char *path, const struct bc_setting *s)
{
	static bool want[MAX_BIT], have[MAX_BIT];
	char *all, *wrong = NULL;
	bool ours;
	int i;

	if (bc_group_read(root, path, &all))
		return NULL;
	/* "all", "N" and "0-15:2/4" are lists as well, but not for us to read. */
	ours = parse_list(s->value, want);
	if (!ours && !strpbrk(s->value, ":NnLl"))
		wrong = format("'%s' of %s is no list, as '0-3,6', of what this machine has: %s",
			       s->value, s->name, all);
	for (i = 0; ours && parse_list(all, have) && i < MAX_BIT && !wrong; i++) {
		if (want[i] && !have[i])
			wrong = format("'%s' of %s is more than this machine has: %s", s->value,
				       s->name, all);
	}
	free(all);
	return wrong;
}

static char *check_text(struct bc_group *root, const char *path, const struct known *k,
			const struct bc_setting *s)
{
	switch (k->takes) {
	case FLAG:
	case ZERO:
		if (!is_number(s->value, k->takes == FLAG))
			return format("'%s' of %s is not 0%s", s->value, s->name,
				      k->takes == FLAG ? " or 1" : "");
		return NULL;
	case LIST:
		return check_list(root, path, s);
	default:
		if (s->value[0] && s->value[0] != '/')
			return format("'%s' of %s is no path from the root", s->value, s->name);
		return NULL;
	}
}

/*
 * A file that is none of a counter's bounds. A root has all the files that groups have, of the
 * same modes: what nobody may write there, configfs lets not even root write.
 */
static char *check_file(struct bc *bc, const struct bc_hierarchy *h, bool is_root,
			const struct bc_setting *s)
{
	const struct known *k = find_known(s->name);
	char *path = format("%s", s->name), *dot = strchr(path, '.'), *wrong = NULL;
	struct bc_group *root;
	struct stat st;

	if (dot)
		*dot = '/';
	if (bc_group_root(bc, h, &root)) {
		free(path);
		return format("%s", bc_error(bc));
	}
	if (k && k->where == (is_root ? BELOW : ROOT))
		wrong = format("%s is for %s", s->name,
			       is_root ? "groups, not for a root" : "a root");
	else if (fstatat(bc_group_fd(root), path, &st, 0))
		wrong = format("%.*s has no file '%s'", (int)strcspn(s->name, "."), s->name,
			       dot ? dot + 1 : path);
	else if (!(st.st_mode & 0222))
		wrong = format("%s cannot be set: it can only be read", s->name);
	else if (k)
		wrong = check_text(root, path, k, s);
	bc_group_close(root);
	free(path);
	return wrong;
}

/* @bounds are those of the controllers. What is wrong, to be freed, or NULL. */
static char *check_value(struct bc *bc, bool is_root, const struct bc_setting *s,
			 struct bounds *bounds)
{
	size_t len = strcspn(s->name, "."), n;
	const char *file = s->name + len + (s->name[len] == '.'), *similar;
	char *name = format("%.*s", (int)len, s->name), *wrong = NULL;
	const struct bc_controller *c = bc_find_controller(bc, name);
	const struct known *k = find_known(s->name);

	similar = c ? NULL : bc_similar_controller(bc, name);
	if (!c && k && !s->name[len])
		wrong = check_file(bc, bc_find_hierarchy(bc, "0"), is_root, s);
	else if (!c)
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
	if (is_root && c->counter &&
	    (!file[0] || !strcmp(file, "barrier") || !strcmp(file, "limit")))
		return format("%s: a root cannot be limited; make a group", s->name);
	if (!file[0])
		return check_pair(c, s, bounds);
	if (c->counter && !strcmp(file, "barrier"))
		return check_bound(c, s, s->value, BC_BARRIER, bounds);
	if (c->counter && !strcmp(file, "limit"))
		return check_bound(c, s, s->value, BC_LIMIT, bounds);
	if (c->counter && (!strcmp(file, "held") || !strcmp(file, "failcnt")))
		return format("%s cannot be set: it is what the kernel has counted", s->name);
	return check_file(bc, c->hierarchy, is_root, s);
}

void check_settings(struct bc *bc, bool is_root, const struct bc_settings *s,
		    void (*wrong)(const struct bc_setting *s, const char *why, void *arg),
		    void *arg)
{
	const struct bc_controller *controllers;
	struct bounds *bounds;
	size_t i, n;
	char *why;

	controllers = bc_controllers(bc, &n);
	bounds = alloc(n, sizeof(*bounds));
	for (i = 0; i < s->n; i++) {
		why = check_value(bc, is_root, &s->list[i], bounds);
		if (why)
			wrong(&s->list[i], why, arg);
		free(why);
	}
	for (i = 0; i < n; i++) {
		if (bounds[i].known != (BC_BIT(BC_BARRIER) | BC_BIT(BC_LIMIT)) ||
		    bounds[i].val[BC_BARRIER] <= bounds[i].val[BC_LIMIT])
			continue;
		why = format("the barrier of %s is above its limit", controllers[i].name);
		wrong(bounds[i].last, why, arg);
		free(why);
	}
	free(bounds);
}
