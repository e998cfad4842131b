// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer: what restore, pam_bc and classify read. Besides not crashing, a word that was read
 * is written so that it is read again as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "../libbc/conf.h"
#include "../libbc/libbc.h"
#include "../libbc/rules.h"
#include "../libbc/users.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_word(const char *word)
{
	char *text, *wrong;
	struct conf conf;
	size_t len;
	FILE *f;

	f = open_memstream(&text, &len);
	fputs("group ", f);
	bc_conf_put_word(f, word);
	fputc('\n', f);
	fclose(f);
	if (bc_conf_parse(text, len, false, &conf, &wrong) || conf.nr_groups != 1 ||
	    strcmp(conf.groups[0].name, word))
		abort();
	bc_conf_free(&conf);
	free(text);
}

static void note_line(unsigned int line, const char *why, void *arg)
{
	unsigned int *last = arg;

	/* Each line is wrong once at most. */
	if (line <= *last || !why)
		abort();
	*last = line;
}

static bool in_group(const char *group, void *arg)
{
	(void)arg;
	return group[0] == 's';
}

static void read_users(const char *text, size_t size)
{
	const struct bc_user *user;
	struct bc_users users;
	unsigned int last = 0;

	if (bc_users_parse(text, size, &users, note_line, &last))
		abort();
	user = bc_users_find(&users, "alice", false, in_group, NULL);
	if (user && user->none && user->settings.n)
		abort();
	bc_users_free(&users);
}

static void read_rules(const char *text, size_t size)
{
	gid_t gids[] = { 0 };
	const struct bc_process process = {
		.gids = gids, .n = 1, .program = "/usr/sbin/nginx",
	};
	const struct bc_rule *rule;
	struct bc_rules rules;
	unsigned int last = 0;
	char *group;

	if (bc_rules_parse(text, size, &rules, note_line, &last))
		abort();
	rule = bc_rules_find(&rules, &process);
	if (rule && rule->group) {
		group = bc_rule_group(rule, "alice", "users");
		if (!group)
			abort();
		free(group);
	}
	bc_rules_free(&rules);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct conf conf;
	long long val;
	size_t i, k;
	int bare;

	for (bare = 0; bare < 2; bare++) {
		char *wrong;

		/* Who fails says why. */
		if (!bc_conf_parse((const char *)data, size, bare, &conf, &wrong) != !wrong)
			abort();
		for (i = 0; i < conf.nr_groups; i++) {
			check_word(conf.groups[i].name);
			for (k = 0; k < conf.groups[i].n; k++) {
				const char *value = conf.groups[i].lines[k].value;

				check_word(value);
				if (!bc_parse_amount(value, BC_UNIT_PAGES, &val) && val < 0)
					abort();
			}
		}
		free(wrong);
		bc_conf_free(&conf);
	}
	read_users((const char *)data, size);
	read_rules((const char *)data, size);
	return 0;
}
