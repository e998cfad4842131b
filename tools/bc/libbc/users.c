// SPDX-License-Identifier: GPL-2.0
/* bc-users.conf(5): who gets which limits. */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"
#include "internal.h"
#include "users.h"

/* How long to wait for who is ending, in 10 ms. */
#define ENDING_TRIES	200

struct reading {
	struct bc_users *users;
	void (*wrong)(unsigned int line, const char *why, void *arg);
	void *arg;
};

static void free_user(struct bc_user *u)
{
	free(u->who);
	bc_settings_free(&u->settings);
}

/* The ith word, the sign, and the next one. */
static const char *take_setting(struct bc_user *u, const struct conf_words *w, size_t i)
{
	const char *name = w->word[i];

	if (bc_conf_is_sign(w, i) || !bc_conf_is_sign(w, i + 1) || i + 2 >= w->n ||
	    bc_conf_is_sign(w, i + 2))
		return "behind who it is come 'NAME=VALUE', or '-' alone";
	if (bc_settings_have(&u->settings, name))
		return "a resource, or the profile, is there twice";
	return bc_settings_add(&u->settings, name, w->word[i + 2]) ?
		bc_conf_out_of_memory() : NULL;
}

static const char *take_words(struct bc_user *u, const struct conf_words *w)
{
	const char *wrong = NULL;
	size_t i;

	if (w->n == 2 && !w->quoted[1] && !strcmp(w->word[1], "-")) {
		u->none = true;
		return NULL;
	}
	for (i = 1; i < w->n && !wrong; i += 3)
		wrong = take_setting(u, w, i);
	return wrong;
}

static const char *take_line(const struct conf_words *w, unsigned int line, void *arg)
{
	struct bc_users *users = ((struct reading *)arg)->users;
	const char *who = w->word[0], *wrong;
	struct bc_user *more, u = { .line = line };
	size_t i;

	if (bc_conf_is_sign(w, 0) || !who[0] || !strcmp(who, "@"))
		return "a line begins with a user, @GROUP or *";
	for (i = 0; i < users->n; i++) {
		if (!strcmp(users->list[i].who, who))
			return "there is a line for this one above, which goes before";
	}
	wrong = take_words(&u, w);
	if (!wrong) {
		u.who = strdup(who);
		more = reallocarray(users->list, users->n + 1, sizeof(*more));
		if (more)
			users->list = more;
		if (!more || !u.who)
			wrong = bc_conf_out_of_memory();
	}
	if (wrong)
		free_user(&u);
	else
		users->list[users->n++] = u;
	return wrong;
}

static void pass_on(unsigned int line, const char *why, void *arg)
{
	struct reading *r = arg;

	r->wrong(line, why, r->arg);
}

int bc_users_parse(const char *text, size_t len, struct bc_users *users,
		   void (*wrong)(unsigned int line, const char *why, void *arg), void *arg)
{
	struct reading r = { .users = users, .wrong = wrong, .arg = arg };

	memset(users, 0, sizeof(*users));
	return bc_conf_lines(text, len, take_line, pass_on, &r);
}

void bc_users_free(struct bc_users *users)
{
	while (users->n)
		free_user(&users->list[--users->n]);
	free(users->list);
	users->list = NULL;
}

const struct bc_user *bc_users_find(const struct bc_users *users, const char *name,
				    bool by_name,
				    bool (*in_group)(const char *group, void *arg), void *arg)
{
	const struct bc_user *all = NULL;
	size_t i;

	for (i = 0; i < users->n; i++) {
		if (!strcmp(users->list[i].who, name))
			return &users->list[i];
		if (!strcmp(users->list[i].who, "*"))
			all = &users->list[i];
	}
	for (i = 0; i < users->n && !by_name; i++) {
		if (users->list[i].who[0] == '@' && in_group(users->list[i].who + 1, arg))
			return &users->list[i];
	}
	return by_name ? NULL : all;
}

/* The byte of the file that is for this name. Two names may share one: they wait, then. */
static off_t place(const char *name)
{
	unsigned int hash = 2166136261;

	while (*name)
		hash = (hash ^ (unsigned char)*name++) * 16777619;
	return hash & 0x7fffffff;
}

static void pause_10ms(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

int bc_users_lock(const char *dir, const char *name, int tries)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = place(name), .l_len = 1,
	};
	int fd, err, i;
	char *file;

	if (asprintf(&file, "%s/users.lock", dir) < 0)
		return -ENOMEM;
	mkdirat(AT_FDCWD, dir, 0755);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	err = fd < 0 ? -errno : -EWOULDBLOCK;
	free(file);
	for (i = 0; err == -EWOULDBLOCK && i < tries; i++) {
		if (i)
			pause_10ms();
		err = fcntl(fd, F_OFD_SETLK, &lock) ? -errno : 0;
		if (err == -EINTR)
			err = -EWOULDBLOCK;
	}
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}

void bc_users_unlock(int fd)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	fcntl(fd, F_OFD_SETLK, &lock);
	close(fd);
}

/* Nobody runs in there any more, and yet it is in use: by who has not come to his end yet. */
static bool is_ending(struct bc_group *group)
{
	pid_t *ids;
	int n;

	n = bc_tasks(group, false, &ids);
	if (n >= 0)
		free(ids);
	return !n;
}

/* Who has just been killed, or not been waited for yet, is worth a moment. */
static int remove_group(struct bc_group *group, bool own, bool patient)
{
	int tries = own ? ENDING_TRIES : 0, err;

	while ((err = bc_remove(group)) == -EBUSY && tries-- > 0 &&
	       (patient || is_ending(group)))
		pause_10ms();
	return err;
}

int bc_users_prune(struct bc *bc, const char *root, const struct bc_users_prune *how)
{
	int i, n, err, lock;
	struct bc_group *top, *child;
	char **names;

	err = bc_group_open(bc, root, &top);
	if (err)
		return err;
	n = bc_group_children(top, &names);
	for (i = 0; i < n; i++) {
		bool own = how->own && !strcmp(names[i], how->own);

		if (how->alone && !own)
			continue;
		lock = how->lock(names[i], own, how->arg);
		if (lock == -EWOULDBLOCK)
			continue;
		if (lock < 0) {
			err = lock;
			break;
		}
		if (!bc_group_child(top, names[i], &child)) {
			if (!remove_group(child, own, how->patient))
				how->removed(bc_group_name(child), how->arg);
			bc_group_close(child);
		}
		bc_users_unlock(lock);
	}
	if (n >= 0)
		bc_free_names(names);
	bc_group_close(top);
	return err;
}
