// SPDX-License-Identifier: GPL-2.0
/* Settings: all are written, or none. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/**
 * struct change - what is to be done to a counter, or to another file
 * @c: the controller; NULL for a file of the group itself
 * @file: from the group's directory. Of a counter's pair, the limit.
 * @pair: barrier and limit of @c, as one
 * @barrier, @limit: what the pair is to be
 * @old_barrier, @old_limit: what it is
 * @text, @old: of any other file
 */
struct change {
	const struct bc_controller *c;
	char *file;
	bool pair;
	long long barrier, limit;
	long long old_barrier, old_limit;
	bool has_barrier, has_limit;
	char *text, *old;
};

static int no_controller(struct bc_group *group, const char *name)
{
	const char *similar = bc_similar_controller(group->bc, name);

	if (similar)
		return bc_fail(group->bc, ENOENT, "there is no resource '%s': is it '%s'?", name,
			       similar);
	return bc_fail(group->bc, ENOENT,
		       "there is no resource '%s': /proc/beancounters lists them", name);
}

static int parse_one(struct bc_group *group, const struct bc_controller *c, const char *what,
		     const char *text, long long *val)
{
	int err = bc_parse_amount(text, c->unit, val);
	struct bc *bc = group->bc;

	if (err == -ERANGE)
		return bc_fail(bc, ERANGE, "%s '%s' of %s for %s is too large", what, text,
			       c->name, group->name);
	if (err && c->unit == BC_UNIT_PAGES)
		return bc_fail(bc, EINVAL,
			       "%s '%s' of %s for %s is no amount: pages, bytes with K, M, G or T and not less than a page, or 'max'",
			       what, text, c->name, group->name);
	if (err)
		return bc_fail(bc, EINVAL,
			       "%s '%s' of %s for %s is no amount: digits, with K, M, G or T, or 'max'",
			       what, text, c->name, group->name);
	return 0;
}

/* Find the one for this file, or add one. */
static struct change *change_for(struct change *list, size_t *n, const char *file)
{
	size_t i;

	for (i = 0; i < *n; i++) {
		if (!strcmp(list[i].file, file))
			return &list[i];
	}
	list[*n].file = strdup(file);
	if (!list[*n].file)
		return NULL;
	return &list[(*n)++];
}

static int given_twice(struct bc_group *group, const char *name)
{
	return bc_fail(group->bc, EINVAL, "%s is given twice for %s", name, group->name);
}

/* "LIMIT" or "BARRIER:LIMIT". */
static int parse_pair(struct bc_group *group, const struct bc_controller *c,
		      const char *value, struct change *ch)
{
	const char *colon = strchr(value, ':');
	char *first;
	int err;

	if (!colon) {
		err = parse_one(group, c, "limit", value, &ch->limit);
		ch->barrier = ch->limit;
		return err;
	}
	first = strndup(value, colon - value);
	if (!first)
		return bc_fail(group->bc, ENOMEM, "out of memory");
	err = parse_one(group, c, "barrier", first, &ch->barrier);
	free(first);
	return err ?: parse_one(group, c, "limit", colon + 1, &ch->limit);
}

static int check_counter(struct bc_group *group, const struct bc_controller *c,
			 const char *name, const char *file, const char *value,
			 struct change *list, size_t *n)
{
	char path[NAME_MAX + 16];
	struct change *ch;
	bool barrier, limit;

	if (file[0] && strcmp(file, "barrier") && strcmp(file, "limit")) {
		if (!strcmp(file, "held") || !strcmp(file, "failcnt"))
			return bc_fail(group->bc, EACCES,
				       "%s cannot be set: it is what the kernel has counted",
				       name);
		return 1;
	}
	if (bc_group_is_root(group))
		return bc_fail(group->bc, EINVAL,
			       "cannot set %s of %s: a root cannot be limited; make a group",
			       c->name, group->name);
	snprintf(path, sizeof(path), "%s/limit", c->name);
	ch = change_for(list, n, path);
	if (!ch)
		return bc_fail(group->bc, ENOMEM, "out of memory");
	ch->c = c;
	ch->pair = true;
	barrier = strcmp(file, "limit");
	limit = strcmp(file, "barrier");
	if ((barrier && ch->has_barrier) || (limit && ch->has_limit))
		return given_twice(group, name);
	ch->has_barrier |= barrier;
	ch->has_limit |= limit;
	if (barrier && limit)
		return parse_pair(group, c, value, ch);
	if (barrier)
		return parse_one(group, c, "barrier", value, &ch->barrier);
	return parse_one(group, c, "limit", value, &ch->limit);
}

static int check_other(struct bc_group *group, const struct bc_controller *c,
		       const char *name, const char *path, const char *value,
		       struct change *list, size_t *n)
{
	struct change *ch;

	if (faccessat(group->fd, path, F_OK, 0)) {
		if (!c)
			return no_controller(group, name);
		return bc_fail(group->bc, ENOENT, "%s of %s has no file '%s'", c->name,
			       group->name, strchr(path, '/') + 1);
	}
	ch = change_for(list, n, path);
	if (!ch)
		return bc_fail(group->bc, ENOMEM, "out of memory");
	if (ch->text)
		return given_twice(group, name);
	ch->c = c;
	ch->text = strdup(value);
	return ch->text ? 0 : bc_fail(group->bc, ENOMEM, "out of memory");
}

/* Files of a group that are no settings. */
static bool is_list(const char *name)
{
	return !strcmp(name, "tasks") || !strcmp(name, "threads") || !strcmp(name, "id") ||
	       !strcmp(name, "releasable");
}

static int check_setting(struct bc_group *group, const struct bc_setting *s,
			 struct change *list, size_t *n)
{
	const struct bc_controller *c;
	const char *dot = strchr(s->name, '.'), *file = dot ? dot + 1 : "";
	char name[NAME_MAX + 1], path[2 * NAME_MAX + 2];
	size_t len = dot ? (size_t)(dot - s->name) : strlen(s->name);
	int ret;

	if (len > NAME_MAX || strlen(file) > NAME_MAX || strchr(s->name, '/') || !len)
		return bc_fail(group->bc, EINVAL, "'%s' is no resource", s->name);
	memcpy(name, s->name, len);
	name[len] = '\0';
	c = bc_find_controller(group->bc, name);
	if (!c) {
		if (dot || is_list(name))
			return no_controller(group, name);
		return check_other(group, NULL, name, name, s->value, list, n);
	}
	if (!bc_group_has(group, c))
		return bc_fail(group->bc, ENOENT,
			       "cannot set %s of %s: %s is in hierarchy '%s', where it has groups of its own",
			       s->name, group->name, c->name, c->hierarchy->name);
	if (c->counter) {
		ret = check_counter(group, c, s->name, file, s->value, list, n);
		if (ret <= 0)
			return ret;
	}
	if (!file[0])
		return bc_fail(group->bc, EINVAL,
			       "%s counts nothing that could be limited: name one of its files, as in '%s.%s=VALUE'",
			       c->name, c->name, strcmp(name, "nodeset") ? "cpus" : "mems");
	snprintf(path, sizeof(path), "%s/%s", c->name, file);
	return check_other(group, c, s->name, path, s->value, list, n);
}

static int check_write(struct bc_group *group, const char *path)
{
	struct stat st;

	/* configfs lets not even root write such a file. */
	if (!fstatat(group->fd, path, &st, 0) && !(st.st_mode & 0222))
		return bc_fail(group->bc, EACCES, "cannot write to %s of %s: it can only be read",
			       path, group->name);
	if (!faccessat(group->fd, path, W_OK, AT_EACCESS))
		return 0;
	return bc_fail(group->bc, errno, "cannot write to %s of %s: %s", path, group->name,
		       errno == EACCES ?
		       "not permitted; it is for who owns it to do, or root" :
		       strerror(errno));
}

/* What is there now, whether it can be changed, and whether the result makes sense. */
static int check_change(struct bc_group *group, struct change *ch)
{
	char barrier[BC_AMOUNT_SIZE], limit[BC_AMOUNT_SIZE], path[NAME_MAX + 16];
	struct bc_counter now;
	int err;

	if (!ch->pair) {
		err = bc_read_at(group->fd, ch->file, &ch->old, NULL);
		/* What can only be written cannot be put back. */
		if (err && err != -EACCES)
			return bc_fail(group->bc, -err, "cannot read %s of %s: %s", ch->file,
				       group->name, strerror(-err));
		return check_write(group, ch->file);
	}
	err = bc_counter_read(group, ch->c, BC_BIT(BC_BARRIER) | BC_BIT(BC_LIMIT), &now);
	if (err)
		return err;
	if (now.seen != (BC_BIT(BC_BARRIER) | BC_BIT(BC_LIMIT)))
		return bc_fail(group->bc, EIO, "cannot read limit and barrier of %s in %s",
			       ch->c->name, group->name);
	ch->old_barrier = now.val[BC_BARRIER];
	ch->old_limit = now.val[BC_LIMIT];
	/* As the kernel has it: equal ones go up together, a limit takes it down. */
	if (!ch->has_barrier)
		ch->barrier = ch->old_barrier == ch->old_limit || ch->old_barrier > ch->limit ?
			ch->limit : ch->old_barrier;
	if (!ch->has_limit)
		ch->limit = ch->old_limit;
	if (ch->barrier > ch->limit)
		return bc_fail(group->bc, EINVAL,
			       "barrier %s of %s for %s would be above the limit, %s: give both, as in '%s=BARRIER:LIMIT'",
			       bc_format_amount(ch->barrier, barrier), ch->c->name, group->name,
			       bc_format_amount(ch->limit, limit), ch->c->name);
	if (ch->limit != ch->old_limit || ch->has_limit) {
		err = check_write(group, ch->file);
		if (err)
			return err;
	}
	if (!ch->has_barrier)
		return 0;
	snprintf(path, sizeof(path), "%s/barrier", ch->c->name);
	return check_write(group, path);
}

static int put(struct bc_group *group, const char *name, const char *file, long long val)
{
	char path[NAME_MAX + 16], text[BC_AMOUNT_SIZE];
	int err;

	snprintf(path, sizeof(path), "%s/%s", name, file);
	err = bc_write_at(group->fd, path, bc_format_amount(val, text));
	if (err)
		return bc_fail(group->bc, -err, "cannot set %s.%s of %s to %s: %s", name, file,
			       group->name, text, bc_why(path, -err));
	return 0;
}

/*
 * From one pair to another, each write being valid, and without a moment at which either
 * is higher than it was and higher than it will be. (But for one: where both were equal,
 * both go up, and the barrier not as far. The limit takes it along for a moment.)
 */
static int put_pair(struct bc_group *group, const char *name, long long old_barrier,
		    long long old_limit, long long barrier, long long limit)
{
	bool follows = old_barrier == old_limit && limit > old_limit;
	int err = 0;

	if (barrier < old_barrier) {
		err = put(group, name, "barrier", barrier);
		old_barrier = barrier;
		follows = false;
	}
	if (!err && limit != old_limit) {
		err = put(group, name, "limit", limit);
		if (follows || old_barrier > limit)
			old_barrier = limit;
	}
	if (!err && barrier != old_barrier)
		err = put(group, name, "barrier", barrier);
	return err;
}

/* Back to what it was, from wherever it was left. */
static int put_back(struct bc_group *group, const struct change *ch)
{
	struct bc_counter now;

	if (!ch->pair)
		return ch->old ? bc_write_at(group->fd, ch->file, ch->old) : 0;
	if (bc_counter_read(group, ch->c, BC_BIT(BC_BARRIER) | BC_BIT(BC_LIMIT), &now))
		return -ENOENT;
	return put_pair(group, ch->c->name, now.val[BC_BARRIER], now.val[BC_LIMIT],
			ch->old_barrier, ch->old_limit);
}

static int apply(struct bc_group *group, const struct change *ch)
{
	int err;

	if (ch->pair)
		return put_pair(group, ch->c->name, ch->old_barrier, ch->old_limit, ch->barrier,
				ch->limit);
	err = bc_write_at(group->fd, ch->file, ch->text);
	if (err)
		return bc_fail(group->bc, -err, "cannot set %s of %s to '%s': %s", ch->file,
			       group->name, ch->text, bc_why(ch->file, -err));
	return 0;
}

static int check_and_set(struct bc_group *group, const struct bc_setting *settings, size_t n,
			 bool write)
{
	struct change *list = calloc(n ?: 1, sizeof(*list));
	size_t nr = 0, i, done;
	char *why;
	int err = 0;

	if (!list)
		return bc_fail(group->bc, ENOMEM, "out of memory");
	for (i = 0; i < n && !err; i++)
		err = check_setting(group, &settings[i], list, &nr);
	for (i = 0; i < nr && !err; i++)
		err = check_change(group, &list[i]);
	if (!err && write) {
		for (done = 0; done < nr && !err; done++)
			err = apply(group, &list[done]);
		if (err) {
			bool stuck = false;

			why = strdup(group->bc->error);
			/* That which has failed may be half done. */
			while (done--)
				stuck |= put_back(group, &list[done]);
			bc_fail(group->bc, -err, "%s; %s", why ?: "out of memory",
				stuck ? "some of what was set before could not be put back" :
				"all is as it was");
			free(why);
		}
	}
	for (i = 0; i < nr; i++) {
		free(list[i].file);
		free(list[i].text);
		free(list[i].old);
	}
	free(list);
	return err;
}

int bc_set(struct bc_group *group, const struct bc_setting *settings, size_t n)
{
	return check_and_set(group, settings, n, true);
}

int bc_check(struct bc_group *group, const struct bc_setting *settings, size_t n)
{
	return check_and_set(group, settings, n, false);
}
