/* SPDX-License-Identifier: GPL-2.0 */
/* bc-users.conf(5): who gets which limits. Not installed, as conf.h. */
#ifndef LIBBC_USERS_H
#define LIBBC_USERS_H

#include "libbc.h"

#define BC_USERS_CONF "/etc/bc/users.conf"

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

#endif /* LIBBC_USERS_H */
