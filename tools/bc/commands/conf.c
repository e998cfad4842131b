// SPDX-License-Identifier: GPL-2.0
/* bc.conf(5): reading and writing. Knows words and lines, and nothing of what they mean. */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "bcctl.h"
#include "conf.h"

/* What can be written without quotes. */
static bool is_plain(unsigned char c)
{
	return c > ' ' && c != '"' && c != '#' && c != '=' && c != '\\' && c != 0x7f;
}

void conf_put_word(FILE *f, const char *word)
{
	const unsigned char *s = (const unsigned char *)word;
	bool plain = *s;

	for (; *s && plain; s++)
		plain = is_plain(*s);
	if (plain) {
		fputs(word, f);
		return;
	}
	fputc('"', f);
	for (s = (const unsigned char *)word; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if (*s < ' ' || *s == 0x7f)
			fprintf(f, "\\%03o", *s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

#define MAX_WORDS 64

/**
 * struct words - a line, taken apart
 * @word: with quotes and escapes gone, or "="
 * @quoted: was in quotes, so that "=" is no sign
 * @n: how many
 * @buf: where they are
 */
struct words {
	char *word[MAX_WORDS];
	bool quoted[MAX_WORDS];
	size_t n;
	char *buf;
};

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* A quoted word from behind its first quote. NULL, or what is wrong. */
static const char *take_quoted(const char **p, const char *end, char **to)
{
	const char *s = *p;

	while (s < end && *s != '"') {
		if (*s != '\\') {
			*(*to)++ = *s++;
			continue;
		}
		if (end - s >= 4 && s[1] <= '3' && is_octal(s[1]) && is_octal(s[2]) &&
		    is_octal(s[3])) {
			char c = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');

			if (!c)
				return "a NUL byte cannot be in a word";
			*(*to)++ = c;
			s += 4;
		} else if (end - s >= 2 && (s[1] == '"' || s[1] == '\\')) {
			*(*to)++ = s[1];
			s += 2;
		} else {
			return "after a backslash come a quote, a backslash or three octal digits";
		}
	}
	if (s == end)
		return "there is no second quote";
	*p = s + 1;
	return NULL;
}

/* Take @len bytes apart. NULL, or what is wrong. */
static const char *split(const char *s, size_t len, struct words *w)
{
	const char *end = s + len, *wrong;
	char *to;

	memset(w, 0, sizeof(*w));
	/* With a NUL behind each word, there can be no more. */
	to = alloc(2 * len + 2, 1);
	w->buf = to;
	while (s < end) {
		if (isblank((unsigned char)*s) || *s == '\r') {
			s++;
			continue;
		}
		if (*s == '#')
			break;
		if (w->n == MAX_WORDS)
			return "there are too many words in this line";
		w->word[w->n] = to;
		if (*s == '=') {
			*to++ = *s++;
		} else if (*s == '"') {
			s++;
			wrong = take_quoted(&s, end, &to);
			if (wrong)
				return wrong;
			w->quoted[w->n] = true;
			if (s < end && is_plain(*s))
				return "there has to be a blank behind a quoted word";
		} else {
			while (s < end && is_plain(*s))
				*to++ = *s++;
			if (w->word[w->n] == to)
				return "there is a character that has to be in quotes";
		}
		*to++ = '\0';
		w->n++;
	}
	return NULL;
}

static bool is_sign(const struct words *w, size_t i)
{
	return i < w->n && !w->quoted[i] && !strcmp(w->word[i], "=");
}

/* The words from the ith on, with blanks between them. */
static char *join(const struct words *w, size_t i)
{
	char *all = format("%s", i < w->n ? w->word[i] : "");

	for (i++; i < w->n; i++) {
		char *more = format("%s %s", all, w->word[i]);

		free(all);
		all = more;
	}
	return all;
}

static void add_line(struct conf_line **lines, size_t *n, const char *name, char *value,
		     unsigned int line)
{
	struct conf_line *l;

	*lines = reallocarray(*lines, *n + 1, sizeof(**lines));
	if (!*lines)
		out_of_memory();
	l = &(*lines)[(*n)++];
	l->name = format("%s", name);
	l->value = value;
	l->line = line;
}

static struct conf_group *add_group(struct conf *conf, const char *name, unsigned int line)
{
	struct conf_group *g;

	conf->groups = reallocarray(conf->groups, conf->nr_groups + 1, sizeof(*g));
	if (!conf->groups)
		out_of_memory();
	g = &conf->groups[conf->nr_groups++];
	memset(g, 0, sizeof(*g));
	g->name = format("%s", name);
	g->line = line;
	return g;
}

static const char *add_words(struct conf *conf, const struct words *w, bool bare,
			     unsigned int line)
{
	struct conf_group *g;

	if (!bare && !w->quoted[0] && !strcmp(w->word[0], "group") && !is_sign(w, 1)) {
		if (w->n != 2)
			return "one name comes behind 'group', in quotes if it has blanks";
		add_group(conf, w->word[1], line);
		return NULL;
	}
	if (!bare && !w->quoted[0] && !strcmp(w->word[0], "hierarchy") && !is_sign(w, 1)) {
		if (w->n != 2 && !is_sign(w, 2))
			return "it has to be 'hierarchy NAME = CONTROLLER...'";
		add_line(&conf->hierarchies, &conf->nr_hierarchies, w->word[1], join(w, 3),
			 line);
		return NULL;
	}
	if (is_sign(w, 0) || !is_sign(w, 1))
		return bare ? "it has to be 'NAME = VALUE'" :
			"it has to be 'group NAME', 'hierarchy NAME = ...' or 'NAME = VALUE'";
	if (!conf->nr_groups)
		return "this belongs to a group: a line 'group NAME' comes first";
	g = &conf->groups[conf->nr_groups - 1];
	add_line(&g->lines, &g->n, w->word[0], join(w, 2), line);
	return NULL;
}

char *conf_parse(const char *text, size_t len, bool bare, struct conf *conf)
{
	const char *end = text + len, *wrong = NULL;
	unsigned int line = 0;
	struct words w;

	memset(conf, 0, sizeof(*conf));
	if (bare)
		add_group(conf, "", 0);
	while (text < end && !wrong) {
		const char *eol = memchr(text, '\n', end - text) ?: end;

		line++;
		if (memchr(text, '\0', eol - text)) {
			wrong = "there is a NUL byte in this line";
			break;
		}
		wrong = split(text, eol - text, &w);
		if (!wrong && w.n)
			wrong = add_words(conf, &w, bare, line);
		free(w.buf);
		text = eol + 1;
	}
	return wrong ? format("%u: %s", line, wrong) : NULL;
}

static void free_lines(struct conf_line *lines, size_t n)
{
	while (n--) {
		free(lines[n].name);
		free(lines[n].value);
	}
}

void conf_free(struct conf *conf)
{
	free_lines(conf->hierarchies, conf->nr_hierarchies);
	free(conf->hierarchies);
	while (conf->nr_groups--) {
		struct conf_group *g = &conf->groups[conf->nr_groups];

		free_lines(g->lines, g->n);
		free(g->lines);
		free(g->name);
	}
	free(conf->groups);
}
