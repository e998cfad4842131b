/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bc.conf(5) and its like: hierarchies, groups and their settings as text. For what is made
 * with libbc in this directory; it is not installed.
 */
#ifndef LIBBC_CONF_H
#define LIBBC_CONF_H

#include <stdbool.h>
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
 * Read @len bytes at @text. 0; -EINVAL, and *@wrong is what is wrong, "3: ...", with the
 * number of the line, to be freed; -ENOMEM, and *@wrong is NULL. @conf is to be freed in all
 * cases. With @bare, it is the lines of one group, which has no name.
 */
int bc_conf_parse(const char *text, size_t len, bool bare, struct conf *conf, char **wrong);
void bc_conf_free(struct conf *conf);
/* A word as bc_conf_parse() reads it. */
void bc_conf_put_word(FILE *f, const char *word);

/* A user with a barrier and a limit for each of 40 resources: three words each. */
#define CONF_MAX_WORDS 256

/**
 * struct conf_words - a line, taken apart
 * @word: with quotes and escapes gone, or "="
 * @quoted: was in quotes, so that "=" is no sign
 * @n: how many
 * @buf: where they are, to be freed
 */
struct conf_words {
	char *word[CONF_MAX_WORDS];
	bool quoted[CONF_MAX_WORDS];
	size_t n;
	char *buf;
};

/* Take a line of @len bytes apart. NULL, or what is wrong. @w->buf is to be freed. */
const char *bc_conf_split(const char *s, size_t len, struct conf_words *w);
/* Whether that is lack of memory, and no mistake in the line. */
bool bc_conf_no_memory(const char *wrong);
/* What says so. */
const char *bc_conf_out_of_memory(void);
/* Is the ith word there, and the sign "="? */
bool bc_conf_is_sign(const struct conf_words *w, size_t i);

/*
 * A whole file, up to its last newline, to be freed. -errno. *@len is for who parses it: what
 * is behind a NUL byte is not to be overlooked. @len may be NULL.
 */
int bc_conf_read(const char *file, char **text, size_t *len);
int bc_conf_read_at(int dirfd, const char *file, char **text, size_t *len);

/*
 * Call @fn for each line that is not empty; it returns NULL, or what is wrong. That, or what
 * is wrong with quotes and the like, goes to @wrong, and the other lines are read all the same.
 * 0 or -ENOMEM.
 */
int bc_conf_lines(const char *text, size_t len,
		  const char *(*fn)(const struct conf_words *w, unsigned int line, void *arg),
		  void (*wrong)(unsigned int line, const char *why, void *arg), void *arg);

#endif /* LIBBC_CONF_H */
