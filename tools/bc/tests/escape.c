// SPDX-License-Identifier: GPL-2.0
/* Prints names of users as names of groups: bc_escape_name(). */
#include <stdlib.h>

#include <libbc.h>

int main(int argc, char **argv)
{
	struct bc_options opt = { getenv("BC_CONFIGFS"), getenv("BC_PROC") };
	struct bc *bc;
	char *name;
	int i;

	if (bc_open(&bc, &opt))
		return 1;
	for (i = 1; i < argc; i++) {
		if (bc_escape_name(bc, argv[i], &name))
			puts(bc_error(bc));
		else
			puts(name);
		free(name);
	}
	bc_close(bc);
	return 0;
}
