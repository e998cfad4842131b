// SPDX-License-Identifier: GPL-2.0
/* bc-rules.conf(5): which processes go to which group. */
#include <fnmatch.h>

#include "conf.h"
#include "internal.h"
#include "rules.h"

struct reading {
	struct bc_rules *rules;
	void (*wrong)(unsigned int line, const char *why, void *arg);
	void *arg;
};

static void free_rule(struct bc_rule *r)
{
	free(r->who);
	free(r->program);
	free(r->group);
}

static bool is_group(const char *group)
{
	const char *p;

	for (p = strchr(group, '%'); p; p = strchr(p + 2, '%')) {
		if (!p[1] || !strchr("ug%", p[1]))
			return false;
	}
	return group[0];
}

static const char *take_line(const struct conf_words *w, unsigned int line, void *arg)
{
	struct bc_rules *rules = ((struct reading *)arg)->rules;
	size_t len = strcspn(w->word[0], ":");
	struct bc_rule *more, r = { .line = line };

	if (w->n != 2 || bc_conf_is_sign(w, 0) || bc_conf_is_sign(w, 1))
		return "it has to be 'WHO GROUP', 'WHO:PROGRAM GROUP', or '-' for the group";
	if (!len || (len == 1 && w->word[0][0] == '@'))
		return "a line begins with a user, @GROUP or *";
	if (w->word[0][len] && !w->word[0][len + 1])
		return "behind the colon comes a program";
	if (!is_group(w->word[1]))
		return "a group has %u, %g, %% and no other percent signs";
	r.who = strndup(w->word[0], len);
	if (w->word[0][len])
		r.program = strdup(w->word[0] + len + 1);
	if (w->quoted[1] || strcmp(w->word[1], "-"))
		r.group = strdup(w->word[1]);
	more = reallocarray(rules->list, rules->n + 1, sizeof(*more));
	if (more)
		rules->list = more;
	if (!more || !r.who || (w->word[0][len] && !r.program) ||
	    (!r.group && (w->quoted[1] || strcmp(w->word[1], "-")))) {
		free_rule(&r);
		return bc_conf_out_of_memory();
	}
	more[rules->n++] = r;
	return NULL;
}

static void pass_on(unsigned int line, const char *why, void *arg)
{
	struct reading *r = arg;

	r->wrong(line, why, r->arg);
}

int bc_rules_parse(const char *text, size_t len, struct bc_rules *rules,
		   void (*wrong)(unsigned int line, const char *why, void *arg), void *arg)
{
	struct reading r = { .rules = rules, .wrong = wrong, .arg = arg };

	memset(rules, 0, sizeof(*rules));
	return bc_conf_lines(text, len, take_line, pass_on, &r);
}

void bc_rules_free(struct bc_rules *rules)
{
	while (rules->n)
		free_rule(&rules->list[--rules->n]);
	free(rules->list);
	rules->list = NULL;
}

static bool is_who(const struct bc_rule *r, const struct bc_process *p)
{
	size_t i;

	if (!strcmp(r->who, "*"))
		return true;
	if (!r->known)
		return false;
	if (r->who[0] != '@')
		return r->id == p->uid;
	for (i = 0; i < p->n; i++) {
		if (r->id == p->gids[i])
			return true;
	}
	return false;
}

static bool is_program(const struct bc_rule *r, const struct bc_process *p)
{
	const char *slash;

	if (!r->program)
		return true;
	if (strchr(r->program, '/'))
		return !fnmatch(r->program, p->program, FNM_PATHNAME);
	slash = strrchr(p->program, '/');
	return !fnmatch(r->program, slash ? slash + 1 : p->program, 0);
}

const struct bc_rule *bc_rules_find(const struct bc_rules *rules,
				    const struct bc_process *process)
{
	size_t i;

	for (i = 0; i < rules->n; i++) {
		if (is_who(&rules->list[i], process) && is_program(&rules->list[i], process))
			return &rules->list[i];
	}
	return NULL;
}

char *bc_rule_group(const struct bc_rule *rule, const char *user, const char *group)
{
	const char *p;
	char *text;
	size_t len;
	FILE *f;

	f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	for (p = rule->group; *p; p++) {
		if (*p != '%')
			fputc(*p, f);
		else if (*++p == '%')
			fputc('%', f);
		else
			fputs(*p == 'u' ? user : group, f);
	}
	if (!fclose(f))
		return text;
	free(text);
	return NULL;
}
