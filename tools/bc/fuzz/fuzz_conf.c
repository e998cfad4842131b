// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer: what restore reads. Besides not crashing, a word that was read is written so
 * that it is read again as the same.
 */
#include "../commands/bcctl.h"
#include "../commands/conf.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const struct command fuzz_command = { .name = "fuzz" };
const struct command *command = &fuzz_command;

static void check_word(const char *word)
{
	char *text, *wrong;
	struct conf conf;
	size_t len;
	FILE *f;

	f = open_memstream(&text, &len);
	fputs("group ", f);
	conf_put_word(f, word);
	fputc('\n', f);
	fclose(f);
	wrong = conf_parse(text, len, false, &conf);
	if (wrong || conf.nr_groups != 1 || strcmp(conf.groups[0].name, word))
		abort();
	conf_free(&conf);
	free(text);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct conf conf;
	long long val;
	size_t i, k;
	int bare;

	for (bare = 0; bare < 2; bare++) {
		char *wrong = conf_parse((const char *)data, size, bare, &conf);

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
		conf_free(&conf);
	}
	return 0;
}
