/* SPDX-License-Identifier: GPL-2.0 */
/* bc-rules.conf(5): which processes go to which group. Not installed, as conf.h. */
#ifndef LIBBC_RULES_H
#define LIBBC_RULES_H

#include "libbc.h"

#define BC_RULES_CONF "/etc/bc/rules.conf"

/**
 * struct bc_rule - a line
 * @who: "NAME", "@NAME", or "*"
 * @id: of that user or group
 * @known: @id is there; without it, the rule is for nobody, unless it is for all
 * @program: a pattern for its path or, without a slash, for its name; NULL for any
 * @group: where to, with %u and %g; NULL to stay
 * @line: its number
 */
struct bc_rule {
	char *who;
	unsigned int id;
	bool known;
	char *program;
	char *group;
	unsigned int line;
};

struct bc_rules {
	struct bc_rule *list;
	size_t n;
};

/**
 * struct bc_process - what rules look at
 * @uid: the effective one
 * @gids: the effective one, and the others
 * @n: how many
 * @program: the path of its executable
 */
struct bc_process {
	uid_t uid;
	gid_t *gids;
	size_t n;
	const char *program;
};

/*
 * Read @len bytes at @text. What is wrong in a line goes to @wrong, and that line is left out.
 * 0 or -ENOMEM; @rules is to be freed in both cases. No @id is known afterwards.
 */
int bc_rules_parse(const char *text, size_t len, struct bc_rules *rules,
		   void (*wrong)(unsigned int line, const char *why, void *arg), void *arg);
void bc_rules_free(struct bc_rules *rules);
/* The first one for this process, or NULL. */
const struct bc_rule *bc_rules_find(const struct bc_rules *rules,
				    const struct bc_process *process);
/* Its group, with these for %u and %g, to be freed. NULL for lack of memory. */
char *bc_rule_group(const struct bc_rule *rule, const char *user, const char *group);

#endif /* LIBBC_RULES_H */
