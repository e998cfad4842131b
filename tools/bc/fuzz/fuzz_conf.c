// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer: what restore reads. Besides not crashing, a word that was read is written so
 * that it is read again as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "../libbc/conf.h"
#include "../libbc/libbc.h"

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
	return 0;
}
