// SPDX-License-Identifier: GPL-2.0
/*
 * pam_bc: sessions of a user in a group of beancounters, /users/NAME. See pam_bc(8).
 *
 * All that makes, fills and removes a group is done with its lock held, as logins come in
 * parallel: nobody is in a group before its limits are there, and none is removed between
 * being made and being filled. A group without tasks is never used again, but removed and
 * made anew: who made it may have died before it had limits. If groups below are in the way,
 * of somebody who knew nothing of limits, it is used, and its limits are set again.
 *
 * Each name has a lock of its own, and nobody waits for somebody else's: who runs su(1) can
 * stop it at any place, with a signal or by freezing a cgroup. So a process that is somebody's,
 * by its real user id, takes no lock but that of the session's user, neither to come in nor to
 * go; what others have left is removed by sessions that root's processes close (sshd, cron).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <security/pam_modutil.h>

#include <conf.h>
#include <users.h>

#define __printf(a, b)	__attribute__((format(printf, a, b)))

#define LOCK_SECONDS	"10"

/* Where things are. Elsewhere for tests, which are a module of their own. */
static const char *where(const char *name, const char *otherwise)
{
#ifdef PAM_BC_TEST
	return getenv(name) ?: otherwise;
#else
	(void)name;
	return otherwise;
#endif
}

/**
 * struct login - what is done, and for whom
 * @pamh: PAM's
 * @conf: users.conf
 * @root: the group that has the groups of users in it
 * @required: who cannot be put into a group is refused
 * @debug: log what is done, too
 * @user: whose session it is; NULL if that is not known yet
 * @uid: theirs
 * @bc: NULL if there is none
 * @h: the hierarchy of @root
 * @spec: the user's group, as libbc takes it
 */
struct login {
	pam_handle_t *pamh;
	const char *conf, *root;
	bool required, debug;
	const char *user;
	uid_t uid;
	struct bc *bc;
	const struct bc_hierarchy *h;
	char *spec;
};

/**
 * struct session - what closing has to know
 * @home: the group that the process was in; NULL if it was in the user's already
 */
struct session {
	char *home;
};

static const char data_name[] = "pam_bc";

static void __printf(3, 4) say(const struct login *l, int priority, const char *fmt, ...)
{
	va_list ap;

	if (priority == LOG_DEBUG && !l->debug)
		return;
	va_start(ap, fmt);
	pam_vsyslog(l->pamh, priority, fmt, ap);
	va_end(ap);
}

/* What libbc has said; what a user without a privilege may not do, is no news. */
static int say_bc(const struct login *l, int err)
{
	bool expected = geteuid() && (err == -EACCES || err == -EPERM);

	say(l, expected ? LOG_DEBUG : LOG_ERR, "%s", bc_error(l->bc));
	return err;
}

static int no_memory(const struct login *l)
{
	say(l, LOG_CRIT, "out of memory");
	return -ENOMEM;
}

static void free_session(pam_handle_t *pamh, void *data, int status)
{
	struct session *s = data;

	(void)pamh;
	(void)status;
	if (s)
		free(s->home);
	free(s);
}

static void read_args(struct login *l, int argc, const char **argv)
{
	int i;

	l->conf = where("BC_USERS", BC_USERS_CONF);
	l->root = "/users";
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "conf=", 5))
			l->conf = argv[i] + 5;
		else if (!strncmp(argv[i], "root=", 5))
			l->root = argv[i] + 5;
		else if (!strcmp(argv[i], "required"))
			l->required = true;
		else if (!strcmp(argv[i], "debug"))
			l->debug = true;
		else
			say(l, LOG_ERR, "there is no argument '%s'", argv[i]);
	}
}

static int find_user(struct login *l)
{
	const void *user;
	struct passwd *pw;

	if (pam_get_item(l->pamh, PAM_USER, &user) != PAM_SUCCESS || !user) {
		say(l, LOG_ERR, "nobody has said whose session it is");
		return -EINVAL;
	}
	pw = pam_modutil_getpwnam(l->pamh, user);
	if (!pw) {
		say(l, LOG_ERR, "there is no user '%s'", (const char *)user);
		return -ENOENT;
	}
	l->user = pw->pw_name;
	l->uid = pw->pw_uid;
	return 0;
}

/* Where groups are, and what the user's is called. */
static int find_group(struct login *l)
{
	struct bc_options opt = {
		.configfs = where("BC_CONFIGFS", NULL),
		.proc = where("BC_PROC", NULL),
	};
	char *path, *name;
	int err;

	err = bc_open(&l->bc, &opt);
	if (err)
		return say_bc(l, err);
	err = bc_parse_group(l->bc, l->root, &l->h, &path);
	if (err)
		return say_bc(l, err);
	/* There, all groups would be ours. */
	err = path[1] ? 0 : -EINVAL;
	free(path);
	if (err) {
		say(l, LOG_ERR, "root=%s: the groups of users are in a group, and not there",
		    l->root);
		return err;
	}
	err = bc_escape_name(l->bc, l->user, &name);
	if (err)
		return say_bc(l, err);
	if (asprintf(&l->spec, "%s/%s", l->root, name) < 0)
		l->spec = NULL;
	free(name);
	return l->spec ? 0 : no_memory(l);
}

static int begin(struct login *l, pam_handle_t *pamh, int argc, const char **argv)
{
	int err;

	memset(l, 0, sizeof(*l));
	l->pamh = pamh;
	read_args(l, argc, argv);
	err = find_user(l);
	return err ?: find_group(l);
}

static int end(struct login *l, int err)
{
	bool refuse = err && l->required;

	/* The administrator comes in, whatever is wrong. */
	if (refuse && l->user && !l->uid) {
		say(l, LOG_WARNING, "root is not refused");
		refuse = false;
	}
	free(l->spec);
	bc_close(l->bc);
	return refuse ? PAM_SESSION_ERR : PAM_SUCCESS;
}

/*
 * The lock of the group with this name: a descriptor, for bc_users_unlock(), or -errno. Whoever
 * holds it may be stopped: there is an end to waiting, and without @wait there is none of it.
 */
static int take_lock(const struct login *l, const char *name, bool wait)
{
	const char *dir = where("BC_RUN", BC_USERS_RUN);
	int fd;

	fd = bc_users_lock(dir, name, wait ? 100 * atoi(where("BC_LOCK", LOCK_SECONDS)) : 1);
	if (fd < 0 && (wait || fd != -EWOULDBLOCK))
		say(l, geteuid() && fd == -EACCES ? LOG_DEBUG : LOG_ERR,
		    "cannot lock %s/users.lock for %s: %s", dir, name, fd == -EWOULDBLOCK ?
		    "somebody has it for too long" : strerror(-fd));
	return fd;
}

/* What the user's group is called in @root. */
static const char *name_of(const struct login *l)
{
	return strrchr(l->spec, '/') + 1;
}

/* The group that we are in, or NULL. */
static char *where_we_are(const struct login *l)
{
	char *spec;

	return bc_task_group(l->bc, 0, l->h, &spec) ? NULL : spec;
}

static bool is_below(const char *spec, const char *group)
{
	size_t len = strlen(group);

	return spec && !strncmp(spec, group, len) && (!spec[len] || spec[len] == '/');
}

/* The first word of a line, to be freed; NULL if it cannot be told. */
static char *first_word(const char *text, size_t len, unsigned int line)
{
	const char *end = text + len;

	for (; line > 1 && text; line--) {
		text = memchr(text, '\n', end - text);
		text += !!text;
	}
	if (!text)
		return NULL;
	text += strspn(text, " \t\r\"");
	len = strcspn(text, " \t\r\"=\n");
	/* None, or the beginning of one: what a NUL byte has made of it. */
	if (!len || (!text[len] && text + len < end))
		return NULL;
	return strndup(text, len);
}

static bool in_group(const char *group, void *arg)
{
	struct login *l = arg;

	return pam_modutil_user_in_group_nam_nam(l->pamh, l->user, group) == 1;
}

/**
 * struct wrong - lines that are left out
 * @l: who it is about
 * @text, @len: of the file
 * @user, @group, @all: one of them is for this user by name, by group, with "*"
 */
struct wrong {
	struct login *l;
	const char *text;
	size_t len;
	bool user, group, all;
};

static void wrong_line(unsigned int line, const char *why, void *arg)
{
	struct wrong *w = arg;
	char *who = first_word(w->text, w->len, line);

	say(w->l, LOG_ERR, "%s:%u: %s; the line is left out", w->l->conf, line, why);
	if (!who || !strcmp(who, w->l->user))
		w->user = true;
	else if (!strcmp(who, "*"))
		w->all = true;
	else if (who[0] == '@' && who[1] && in_group(who + 1, w->l))
		w->group = true;
	free(who);
}

/* Whether a line that is left out would have been the user's, as bc_users_find() has it. */
static bool may_be_left_out(const struct wrong *w, const struct bc_user *found)
{
	if (found && !strcmp(found->who, w->l->user))
		return false;
	return w->user || w->group || (w->all && !found);
}

static void left_out(const char *name, const char *why, void *arg)
{
	say(arg, LOG_DEBUG, "left out %s: %s", name, why);
}

/* The value of RESOURCE.FILE in a list, or, without a file, of RESOURCE; NULL. */
static const char *value_of(const struct bc_settings *s, const char *resource, const char *file)
{
	size_t len = strlen(resource), i;

	for (i = 0; i < s->n; i++) {
		const char *name = s->list[i].name;

		if (!strncmp(name, resource, len) && !strcmp(name + len, file))
			return s->list[i].value;
	}
	return NULL;
}

/* What a new group would have for this counter, if the list does not say all of it. */
static int add_default(struct bc_settings *s, const char *resource)
{
	const char *limit = value_of(s, resource, ".limit");
	bool barrier = value_of(s, resource, ".barrier");
	char *name;
	int err;

	if (value_of(s, resource, "") || (limit && barrier))
		return 0;
	if (!limit && !barrier)
		return bc_settings_add(s, resource, "max");
	/* There, a limit takes the barrier along. */
	if (asprintf(&name, "%s.%s", resource, limit ? "barrier" : "limit") < 0)
		return -ENOMEM;
	err = bc_settings_add(s, name, limit ?: "max");
	free(name);
	return err;
}

/* So that nothing is left of what the group had before. */
static int add_defaults(struct login *l, struct bc_settings *s)
{
	const struct bc_controller *c;
	size_t n, i;
	int err = 0;

	c = bc_controllers(l->bc, &n);
	for (i = 0; i < n && !err; i++) {
		if (c[i].counter && c[i].hierarchy == l->h)
			err = add_default(s, c[i].name);
	}
	return err ? no_memory(l) : 0;
}

/* What can be set, is; -errno of what cannot. @used: the group is not a new one. */
static int set_limits(struct login *l, const struct bc_user *user, struct bc_group *group,
		      bool used)
{
	struct bc_settings s;
	int err, ret;
	size_t i;

	ret = bc_expand_profile(l->bc, l->h, where("BC_PROFILES", NULL), &user->settings, &s,
				left_out, l);
	if (ret)
		say(l, LOG_ERR, "%s:%u: %s", l->conf, user->line, bc_error(l->bc));
	if (used)
		ret = add_defaults(l, &s) ?: ret;
	if (s.n && !bc_set(group, s.list, s.n)) {
		bc_settings_free(&s);
		return ret;
	}
	/* One by one: who has mistyped one limit has not given up the others. */
	for (i = 0; i < s.n; i++) {
		err = bc_set(group, &s.list[i], 1);
		if (err)
			say(l, LOG_ERR, "%s:%u: %s", l->conf, user->line, bc_error(l->bc));
		ret = ret ?: err;
	}
	bc_settings_free(&s);
	return ret;
}

/*
 * A group that others keep from being removed: one was made below it, by bc-restore, or by
 * a container that root has started in the session. Who is in there has its limits already.
 */
static int use_again(struct login *l, const struct bc_user *user, struct bc_group *group)
{
	pid_t *ids;
	int n, err;

	n = bc_tasks(group, false, &ids);
	if (n < 0)
		return say_bc(l, n);
	free(ids);
	if (n)
		return 0;
	err = set_limits(l, user, group, true);
	if (err && l->required && l->uid)
		return err;
	say(l, LOG_DEBUG, "set the limits of %s again, as %s:%u says", l->spec, l->conf,
	    user->line);
	return 0;
}

/* 0: there is none any more; 1: it is to be used as it is; or -errno. */
static int remove_old(struct login *l, const struct bc_user *user, struct bc_group *group)
{
	int err = bc_remove(group);

	switch (err) {
	case 0:
	case -ENOENT:
		return 0;
	case -EBUSY:
		/* Somebody is in there, see above. */
		return 1;
	case -ENOTEMPTY:
		return use_again(l, user, group) ?: 1;
	default:
		return say_bc(l, err);
	}
}

/* With the lock held: the user's group. Returns whether it was made, or -errno. */
static int get_group(struct login *l, const struct bc_user *user, struct bc_group **group)
{
	int err;

	err = bc_group_open(l->bc, l->spec, group);
	if (!err) {
		err = remove_old(l, user, *group);
		if (err == 1)
			return 0;
		bc_group_close(*group);
		*group = NULL;
		if (err)
			return err;
	} else if (err != -ENOENT) {
		return say_bc(l, err);
	}
	err = bc_create(l->bc, l->spec, true, group);
	if (err < 0)
		return say_bc(l, err);
	err = set_limits(l, user, *group, false);
	if (err && l->required && l->uid) {
		bc_remove(*group);
		bc_group_close(*group);
		*group = NULL;
		return err;
	}
	say(l, LOG_DEBUG, "made %s as %s:%u says", l->spec, l->conf, user->line);
	return 1;
}

/* With the lock held. */
static int enter_group(struct login *l, const struct bc_user *user, char **home)
{
	struct bc_group *group;
	int made, err = 0;

	made = get_group(l, user, &group);
	if (made < 0)
		return made;
	*home = where_we_are(l);
	if (is_below(*home, bc_group_name(group))) {
		/* A session in a session. */
		free(*home);
		*home = NULL;
	} else {
		if (!*home && asprintf(home, "%u:/", l->h->number) < 0)
			*home = NULL;
		err = *home ? bc_move(group, 0, false) : no_memory(l);
		if (err == -EAGAIN)
			say(l, LOG_WARNING, "%s is at its limit of tasks: %s %s", l->spec,
			    l->user, l->required && l->uid ? "is refused" :
			    "comes in outside of it, as 'required' is not given");
		else if (err)
			say_bc(l, err);
		if (err && made)
			bc_remove(group);
	}
	bc_group_close(group);
	return err;
}

static int open_session(struct login *l, const struct bc_user *user)
{
	struct session *s;
	int lock, err;

	s = calloc(1, sizeof(*s));
	if (!s)
		return no_memory(l);
	lock = take_lock(l, name_of(l), true);
	err = lock < 0 ? lock : enter_group(l, user, &s->home);
	if (lock >= 0)
		bc_users_unlock(lock);
	if (!err && pam_set_data(l->pamh, data_name, s, free_session) != PAM_SUCCESS)
		err = no_memory(l);
	if (err)
		free_session(l->pamh, s, 0);
	return err;
}

/* Root has a group only if users.conf says so by name. */
static int with_conf(struct login *l)
{
	struct wrong wrong = { .l = l };
	const struct bc_user *user;
	struct bc_users users;
	char *text;
	int err;

	err = bc_conf_read(l->conf, &text, &wrong.len);
	if (err) {
		say(l, LOG_ERR, "cannot read %s: %s", l->conf, strerror(-err));
		return err;
	}
	wrong.text = text;
	err = bc_users_parse(text, wrong.len, &users, wrong_line, &wrong);
	free(text);
	if (err) {
		bc_users_free(&users);
		return no_memory(l);
	}
	user = bc_users_find(&users, l->user, !l->uid, in_group, l);
	if (l->required && l->uid && may_be_left_out(&wrong, user)) {
		say(l, LOG_ERR, "%s is refused: the limits are in a line of %s that is wrong",
		    l->user, l->conf);
		err = -EINVAL;
	} else if (!user || user->none) {
		say(l, LOG_DEBUG, "%s has no group of one's own in %s", l->user, l->conf);
	} else {
		err = open_session(l, user);
	}
	bc_users_free(&users);
	return err;
}

int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct login l;
	int err;

	(void)flags;
	err = begin(&l, pamh, argc, argv);
	return end(&l, err ?: with_conf(&l));
}

/* Back to where we were, or, if that is gone, to the root: who closes is in the way. */
static void leave_group(const struct login *l, const struct session *s,
			const struct bc_group *group)
{
	const char *to[2] = { s ? s->home : NULL, NULL };
	char *now = where_we_are(l), *top;
	struct bc_group *home;
	int i, err = -ENOENT;

	if (!is_below(now, bc_group_name(group)) || (s && !s->home)) {
		free(now);
		return;
	}
	free(now);
	if (asprintf(&top, "%u:/", l->h->number) < 0)
		return;
	to[1] = top;
	for (i = 0; i < 2 && err; i++) {
		if (!to[i])
			continue;
		err = bc_group_open(l->bc, to[i], &home);
		if (err)
			continue;
		err = bc_move(home, 0, false);
		bc_group_close(home);
	}
	if (err)
		say_bc(l, err);
	free(top);
}

static int lock_for_prune(const char *name, bool wait, void *arg)
{
	return take_lock(arg, name, wait);
}

static void say_removed(const char *group, void *arg)
{
	say(arg, LOG_DEBUG, "removed %s", group);
}

static int close_session(struct login *l)
{
	const void *data = NULL;
	struct bc_group *group;
	int err;

	err = bc_group_open(l->bc, l->spec, &group);
	if (err && err != -ENOENT)
		return say_bc(l, err);
	if (!err) {
		pam_get_data(l->pamh, data_name, &data);
		leave_group(l, data, group);
		bc_group_close(group);
	}
	/* Only once, also if who closes goes on. */
	pam_set_data(l->pamh, data_name, NULL, NULL);
	/*
	 * Those of other users, too, whose last session ended when something was still running,
	 * but not if one of them can stop us: su(1) has the real user id of who has called it.
	 */
	bc_users_prune(l->bc, l->root, &(struct bc_users_prune){
		.own = name_of(l), .alone = getuid(), .lock = lock_for_prune,
		.removed = say_removed, .arg = l,
	});
	return 0;
}

int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct login l;
	int err;

	(void)flags;
	err = begin(&l, pamh, argc, argv);
	if (!err)
		close_session(&l);
	/* It is over, whatever is left of it. */
	l.required = false;
	return end(&l, 0);
}
