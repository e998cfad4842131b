// SPDX-License-Identifier: GPL-2.0
/* Lists of settings; profiles: limits under a name. */
#include <fcntl.h>

#include "conf.h"
#include "internal.h"

int bc_settings_add(struct bc_settings *s, const char *name, const char *value)
{
	struct bc_setting *more = reallocarray(s->list, s->n + 1, sizeof(*more));
	struct bc_setting new;

	if (!more)
		return -ENOMEM;
	s->list = more;
	new.name = strdup(name);
	new.value = strdup(value);
	if (!new.name || !new.value) {
		free((char *)new.name);
		free((char *)new.value);
		return -ENOMEM;
	}
	more[s->n++] = new;
	return 0;
}

int bc_settings_parse(struct bc_settings *s, const char *text)
{
	const char *sign = strchr(text, '=');
	char *name;
	int err;

	if (!sign || sign == text)
		return -EINVAL;
	name = strndup(text, sign - text);
	err = name ? bc_settings_add(s, name, sign + 1) : -ENOMEM;
	free(name);
	return err;
}

bool bc_settings_have(const struct bc_settings *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (!strcmp(s->list[i].name, name))
			return true;
	}
	return false;
}

void bc_settings_free(struct bc_settings *s)
{
	while (s->n) {
		s->n--;
		free((char *)s->list[s->n].name);
		free((char *)s->list[s->n].value);
	}
	free(s->list);
	s->list = NULL;
}

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
static const struct bc_profile profiles[] = {
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

const struct bc_profile *bc_profiles(size_t *n)
{
	*n = ARRAY_SIZE(profiles);
	return profiles;
}

const struct bc_profile *bc_find_profile(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(profiles); i++) {
		if (!strcmp(profiles[i].name, name))
			return &profiles[i];
	}
	return NULL;
}

bool bc_is_profile_name(const char *name)
{
	return name[0] && name[0] != '.' && !strchr(name, '/');
}

static int profile_text(const char *dir, const char *name, char **text, size_t *len, char **from)
{
	const struct bc_profile *p;
	char *path;

	*text = NULL;
	*from = NULL;
	if (asprintf(&path, "%s/%s", dir ?: BC_PROFILE_DIR, name) < 0)
		return -ENOMEM;
	/* One that cannot be read is as good as none, so that the built-in one is taken. */
	if (bc_is_profile_name(name) && !bc_read_at(AT_FDCWD, path, text, len)) {
		*from = path;
		return 0;
	}
	p = bc_find_profile(name);
	if (!p) {
		*from = path;
		return -ENOENT;
	}
	free(path);
	if (asprintf(from, "profile %s", name) < 0)
		*from = NULL;
	*text = strdup(p->text);
	*len = strlen(p->text);
	if (*from && *text)
		return 0;
	free(*from);
	free(*text);
	*from = NULL;
	*text = NULL;
	return -ENOMEM;
}

int bc_profile_text(const char *dir, const char *name, char **text, char **from)
{
	size_t len;
	int err;

	err = profile_text(dir, name, text, &len, from);
	/* What is behind it would be overlooked. */
	if (!err && memchr(*text, '\0', len)) {
		free(*text);
		*text = NULL;
		err = -EINVAL;
	}
	return err;
}

/* What is wrong, in *@wrong, or NULL there for lack of memory. Returns -errno. */
static int __printf(3, 4) say(char **wrong, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(wrong, fmt, ap) < 0) {
		*wrong = NULL;
		err = ENOMEM;
	}
	va_end(ap);
	return -err;
}

int bc_profile_settings(const char *dir, const char *name, struct bc_settings *s,
			char **wrong)
{
	struct conf conf = { };
	char *text, *from, *why;
	size_t len, i;
	int err;

	memset(s, 0, sizeof(*s));
	*wrong = NULL;
	err = profile_text(dir, name, &text, &len, &from);
	if (err == -ENOENT)
		say(wrong, ENOENT, "there is no profile '%s', neither built in nor as %s", name,
		    from);
	if (!err) {
		err = bc_conf_parse(text, len, true, &conf, &why);
		if (why)
			err = say(wrong, EINVAL, "%s:%s", from, why);
		free(why);
	}
	for (i = 0; !err && i < conf.groups[0].n; i++)
		err = bc_settings_add(s, conf.groups[0].lines[i].name,
				      conf.groups[0].lines[i].value);
	bc_conf_free(&conf);
	free(text);
	free(from);
	if (err)
		bc_settings_free(s);
	return err;
}

/* Why this cannot be set in that hierarchy, as a line for bc_error(); or NULL. */
static const char *why_left_out(struct bc *bc, const struct bc_hierarchy *h, const char *name)
{
	size_t len = strcspn(name, "."), i;

	for (i = 0; i < bc->nr_controllers; i++) {
		const struct bc_controller *c = &bc->controllers[i];

		if (strncmp(c->name, name, len) || c->name[len])
			continue;
		if (c->hierarchy == h)
			return NULL;
		bc_fail(bc, ENOENT, "it is in hierarchy '%s'", c->hierarchy->name);
		return bc_error(bc);
	}
	/* The files of a group itself. */
	return strncmp(name, "notify", 6) ? "this kernel has no such resource" : NULL;
}

/* Is there a setting of this file of a resource, or, with "", of all of it? */
static bool mentions(const struct bc_settings *s, const char *resource, size_t len,
		     const char *file)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		const char *name = s->list[i].name;

		if (!strncmp(name, resource, len) &&
		    (file[0] ? name[len] == '.' && !strcmp(name + len + 1, file) : !name[len]))
			return true;
	}
	return false;
}

/*
 * What a profile says, but for what is in the list already: a limit there takes the barrier
 * along, and of a resource that has a barrier alone there, the limit is the profile's.
 */
static int add_rest(struct bc_settings *s, const struct bc_setting *one)
{
	size_t len = strcspn(one->name, ".");
	const char *colon = strchr(one->value, ':');
	char *limit;
	int err;

	if (mentions(s, one->name, len, "") || bc_settings_have(s, one->name) ||
	    (!one->name[len] && mentions(s, one->name, len, "limit")))
		return 0;
	if (one->name[len] || !mentions(s, one->name, len, "barrier"))
		return bc_settings_add(s, one->name, one->value);
	if (asprintf(&limit, "%s.limit", one->name) < 0)
		return -ENOMEM;
	err = bc_settings_add(s, limit, colon ? colon + 1 : one->value);
	free(limit);
	return err;
}

static int add_profile(struct bc *bc, const struct bc_hierarchy *h, const char *dir,
		       const char *name, struct bc_settings *s,
		       void (*left_out)(const char *name, const char *why, void *arg), void *arg)
{
	struct bc_settings profile;
	char *wrong;
	size_t i;
	int err;

	err = bc_profile_settings(dir, name, &profile, &wrong);
	if (err)
		bc_fail(bc, -err, "%s", wrong ?: "out of memory");
	free(wrong);
	for (i = 0; !err && i < profile.n; i++) {
		const struct bc_setting *one = &profile.list[i];
		const char *why = why_left_out(bc, h, one->name);

		if (why && left_out)
			left_out(one->name, why, arg);
		if (why)
			continue;
		err = add_rest(s, one);
		if (err)
			bc_fail(bc, ENOMEM, "out of memory");
	}
	bc_settings_free(&profile);
	return err;
}

int bc_expand_profile(struct bc *bc, const struct bc_hierarchy *h, const char *dir,
		      const struct bc_settings *s, struct bc_settings *all,
		      void (*left_out)(const char *name, const char *why, void *arg), void *arg)
{
	const char *profile = NULL;
	int err = 0;
	size_t i;

	memset(all, 0, sizeof(*all));
	for (i = 0; i < s->n && !err; i++) {
		const struct bc_setting *one = &s->list[i];

		if (strcmp(one->name, "profile")) {
			if (bc_settings_add(all, one->name, one->value))
				err = bc_fail(bc, ENOMEM, "out of memory");
		} else if (profile) {
			err = bc_fail(bc, EINVAL,
				      "there is one profile for a group, and not two: '%s', '%s'",
				      profile, one->value);
		} else {
			profile = one->value;
		}
	}
	if (err || !profile)
		return err;
	return add_profile(bc, h, dir, profile, all, left_out, arg);
}
