// SPDX-License-Identifier: GPL-2.0
/* bc.conf(5): reading and writing. Knows words and lines, and nothing of what they mean. */
#include <ctype.h>
#include <fcntl.h>

#include "conf.h"
#include "internal.h"

static const char no_memory[] = "out of memory";

/* What can be written without quotes. */
static bool is_plain(unsigned char c)
{
	return c > ' ' && c != '"' && c != '#' && c != '=' && c != '\\' && c != 0x7f;
}

void bc_conf_put_word(FILE *f, const char *word)
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

const char *bc_conf_out_of_memory(void)
{
	return no_memory;
}

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

const char *bc_conf_split(const char *s, size_t len, struct conf_words *w)
{
	const char *end = s + len, *wrong;
	char *to;

	memset(w, 0, sizeof(*w));
	/* With a NUL behind each word, there can be no more. */
	to = calloc(2 * len + 2, 1);
	w->buf = to;
	if (!to)
		return no_memory;
	if (memchr(s, '\0', len))
		return "there is a NUL byte in this line";
	while (s < end) {
		if (isblank((unsigned char)*s) || *s == '\r') {
			s++;
			continue;
		}
		if (*s == '#')
			break;
		if (w->n == CONF_MAX_WORDS)
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

bool bc_conf_no_memory(const char *wrong)
{
	return wrong == no_memory;
}

bool bc_conf_is_sign(const struct conf_words *w, size_t i)
{
	return i < w->n && !w->quoted[i] && !strcmp(w->word[i], "=");
}

/* The words from the ith on, with blanks between them. NULL for lack of memory. */
static char *join(const struct conf_words *w, size_t i)
{
	size_t len = 1, k;
	char *all, *to;

	for (k = i; k < w->n; k++)
		len += strlen(w->word[k]) + 1;
	all = malloc(len);
	if (!all)
		return NULL;
	to = all;
	for (k = i; k < w->n; k++) {
		if (k > i)
			*to++ = ' ';
		to = stpcpy(to, w->word[k]);
	}
	*to = '\0';
	return all;
}

/* NULL, or what is wrong. @value is the list's from now on; NULL if there was no memory. */
static const char *add_line(struct conf_line **lines, size_t *n, const char *name, char *value,
			    unsigned int line)
{
	struct conf_line *more = reallocarray(*lines, *n + 1, sizeof(**lines));
	char *copy = strdup(name);

	if (more)
		*lines = more;
	if (!more || !copy || !value) {
		free(copy);
		free(value);
		return no_memory;
	}
	more[(*n)++] = (struct conf_line) { .name = copy, .value = value, .line = line };
	return NULL;
}

static const char *add_group(struct conf *conf, const char *name, unsigned int line)
{
	struct conf_group *more;
	char *copy = strdup(name);

	more = reallocarray(conf->groups, conf->nr_groups + 1, sizeof(*more));
	if (more)
		conf->groups = more;
	if (!more || !copy) {
		free(copy);
		return no_memory;
	}
	more[conf->nr_groups++] = (struct conf_group) { .name = copy, .line = line };
	return NULL;
}

static const char *add_words(struct conf *conf, const struct conf_words *w, bool bare,
			     unsigned int line)
{
	struct conf_group *g;

	if (!bare && !w->quoted[0] && !strcmp(w->word[0], "group") && !bc_conf_is_sign(w, 1)) {
		if (w->n != 2)
			return "one name comes behind 'group', in quotes if it has blanks";
		return add_group(conf, w->word[1], line);
	}
	if (!bare && !w->quoted[0] && !strcmp(w->word[0], "hierarchy") && !bc_conf_is_sign(w, 1)) {
		if (w->n != 2 && !bc_conf_is_sign(w, 2))
			return "it has to be 'hierarchy NAME = CONTROLLER...'";
		return add_line(&conf->hierarchies, &conf->nr_hierarchies, w->word[1],
				join(w, 3), line);
	}
	if (bc_conf_is_sign(w, 0) || !bc_conf_is_sign(w, 1))
		return bare ? "it has to be 'NAME = VALUE'" :
			"it has to be 'group NAME', 'hierarchy NAME = ...' or 'NAME = VALUE'";
	if (!conf->nr_groups)
		return "this belongs to a group: a line 'group NAME' comes first";
	g = &conf->groups[conf->nr_groups - 1];
	return add_line(&g->lines, &g->n, w->word[0], join(w, 2), line);
}

int bc_conf_parse(const char *text, size_t len, bool bare, struct conf *conf, char **wrong)
{
	const char *end = text + len, *why = NULL;
	unsigned int line = 0;
	struct conf_words w;

	*wrong = NULL;
	memset(conf, 0, sizeof(*conf));
	if (bare)
		why = add_group(conf, "", 0);
	while (text < end && !why) {
		const char *eol = memchr(text, '\n', end - text) ?: end;

		line++;
		why = bc_conf_split(text, eol - text, &w);
		if (!why && w.n)
			why = add_words(conf, &w, bare, line);
		free(w.buf);
		text = eol + 1;
	}
	if (!why)
		return 0;
	if (bc_conf_no_memory(why))
		return -ENOMEM;
	if (asprintf(wrong, "%u: %s", line, why) >= 0)
		return -EINVAL;
	*wrong = NULL;
	return -ENOMEM;
}

int bc_conf_lines(const char *text, size_t len,
		  const char *(*fn)(const struct conf_words *w, unsigned int line, void *arg),
		  void (*wrong)(unsigned int line, const char *why, void *arg), void *arg)
{
	const char *end = text + len, *why;
	unsigned int line = 0;
	struct conf_words w;

	for (; text < end; text++) {
		const char *eol = memchr(text, '\n', end - text) ?: end;

		line++;
		why = bc_conf_split(text, eol - text, &w);
		if (!why && w.n)
			why = fn(&w, line, arg);
		free(w.buf);
		if (bc_conf_no_memory(why))
			return -ENOMEM;
		if (why)
			wrong(line, why, arg);
		text = eol;
	}
	return 0;
}

int bc_conf_read(const char *file, char **text, size_t *len)
{
	return bc_read_at(AT_FDCWD, file, text, len);
}

int bc_conf_read_at(int dirfd, const char *file, char **text, size_t *len)
{
	return bc_read_at(dirfd, file, text, len);
}

static void free_lines(struct conf_line *lines, size_t n)
{
	while (n--) {
		free(lines[n].name);
		free(lines[n].value);
	}
}

void bc_conf_free(struct conf *conf)
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
