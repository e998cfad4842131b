// SPDX-License-Identifier: GPL-2.0
/* bcctl: make, fill, watch and keep groups of beancounters. See bcctl(8). */
#include <unistd.h>

#include "bcctl.h"
#include "start.h"

const struct command *command;

static const struct command * const commands[] = {
	&create_command, &delete_command, &set_command, &get_command, &exec_command,
	&move_command, &tree_command, &show_command, &top_command, &events_command,
	&explain_command, &snapshot_command, &restore_command, &export_command,
	&profile_command, &users_command, &classify_command,
};

static void print_commands(FILE *f)
{
	size_t i;

	fputs("usage: bcctl COMMAND [ARGUMENT]...\n"
	      "Make, fill, watch and keep groups of beancounters.\n\n", f);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n"
	      "GROUP is a path from the root of its hierarchy, /web/php or web/php, or\n"
	      "net:/www in another hierarchy than the default one.\n"
	      "VALUE is LIMIT or BARRIER:LIMIT; an amount has K, M, G or T behind it, or is\n"
	      "'max' or 'unlimited'.\n"
	      "\n"
	      "bcctl COMMAND --help tells more, as do bcctl(8) and bc(7).\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage, 3 timeout.\n", f);
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	}
	return NULL;
}

static int run(int argc, char **argv)
{
	int status;

	argv[0] = format("bcctl %s", command->name);
	status = command->run(argc, argv);
	free(argv[0]);
	if ((fflush(stdout) || ferror(stdout)) && status != STATUS_USAGE)
		return fail("cannot write: %s", strerror(errno));
	return status;
}

int main(int argc, char **argv)
{
	const char *name = argc ? strrchr(argv[0], '/') : NULL;

	if (bc_fill_standard(0))
		_exit(STATUS_FAILED);
	name = name ? name + 1 : argc ? argv[0] : "";
	if (!strcmp(name, "bc-events")) {
		command = &events_command;
		return run(argc, argv);
	}
	if (argc < 2) {
		print_commands(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("bcctl " VERSION);
		return STATUS_OK;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    (!strcmp(argv[1], "help") && argc == 2)) {
		print_commands(stdout);
		return STATUS_OK;
	}
	if (!strcmp(argv[1], "help")) {
		command = find_command(argv[2]);
		if (command) {
			print_help();
			return fflush(stdout) ? STATUS_FAILED : STATUS_OK;
		}
		argv++;
	} else {
		command = find_command(argv[1]);
	}
	if (!command) {
		fprintf(stderr, "bcctl: there is no command '%s': see bcctl --help\n", argv[1]);
		return STATUS_USAGE;
	}
	return run(argc - 1, argv + 1);
}
