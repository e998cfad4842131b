/* SPDX-License-Identifier: GPL-2.0 */
/* bc-users.conf(5): who gets which limits. Not installed, as conf.h. */
#ifndef LIBBC_USERS_H
#define LIBBC_USERS_H

#include "libbc.h"

#define BC_USERS_CONF "/etc/bc/users.conf"
#define BC_USERS_RUN "/run/bc"

/**
 * struct bc_user - a line
 * @who: a user, "@GROUP", or "*"
 * @none: there is to be no group
 * @settings: as bc_expand_profile() takes them
 * @line: its number
 */
struct bc_user {
	char *who;
	bool none;
	struct bc_settings settings;
	unsigned int line;
};

struct bc_users {
	struct bc_user *list;
	size_t n;
};

/*
 * Read @len bytes at @text. What is wrong in a line goes to @wrong, and that line is left out.
 * 0 or -ENOMEM; @users is to be freed in both cases.
 */
int bc_users_parse(const char *text, size_t len, struct bc_users *users,
		   void (*wrong)(unsigned int line, const char *why, void *arg), void *arg);
void bc_users_free(struct bc_users *users);

/*
 * Who is named goes before a group, and a group before "*"; of those, the first line. With
 * @by_name, only who is named is found. NULL if there is none.
 */
const struct bc_user *bc_users_find(const struct bc_users *users, const char *name,
				    bool by_name,
				    bool (*in_group)(const char *group, void *arg), void *arg);

/*
 * All that makes, fills and removes the group of a user is done with its lock held, which is
 * in @dir. Each name has a lock of its own. It is asked for @tries times, 10 ms apart. A
 * descriptor, for bc_users_unlock(), or -errno: -EWOULDBLOCK, if somebody has it.
 */
int bc_users_lock(const char *dir, const char *name, int tries);
/* Also if somebody else has forked by now, and has the descriptor as well. */
void bc_users_unlock(int fd);

/**
 * struct bc_users_prune - how to remove what nobody is in
 * @own: whose lock is worth waiting for, and the end of who ends there; or NULL
 * @alone: leave all others, and their locks, alone
 * @patient: wait for @own's group also while somebody runs in there, for as long
 * @lock: as bc_users_lock()
 * @removed: is told
 * @arg: for them
 */
struct bc_users_prune {
	const char *own;
	bool alone, patient;
	int (*lock)(const char *name, bool wait, void *arg);
	void (*removed)(const char *group, void *arg);
	void *arg;
};

/*
 * Remove the groups right below @root that nobody is in, but for those whose lock is held:
 * somebody comes in, or goes. 0 or -errno.
 */
int bc_users_prune(struct bc *bc, const char *root, const struct bc_users_prune *how);

#endif /* LIBBC_USERS_H */
