/* SPDX-License-Identifier: GPL-2.0 */
/* bc.conf(5): hierarchies, groups and their settings as text. */
#ifndef BCCTL_CONF_H
#define BCCTL_CONF_H

#include <stddef.h>
#include <stdio.h>

/* NAME = VALUE */
struct conf_line {
	char *name, *value;
	unsigned int line;
};

/* "hierarchy NAME = VALUE", where the value is the controllers. */
struct conf_group {
	char *name;
	unsigned int line;
	struct conf_line *lines;
	size_t n;
};

struct conf {
	struct conf_line *hierarchies;
	size_t nr_hierarchies;
	struct conf_group *groups;
	size_t nr_groups;
};

/*
 * Read @len bytes at @text. Returns NULL, or what is wrong, "3: ...", with the number of
 * the line, to be freed. @conf is to be freed in both cases. With @bare, it is the lines
 * of one group, which has no name.
 */
char *conf_parse(const char *text, size_t len, bool bare, struct conf *conf);
void conf_free(struct conf *conf);
/* A word as conf_parse() reads it. */
void conf_put_word(FILE *f, const char *word);

#endif /* BCCTL_CONF_H */
