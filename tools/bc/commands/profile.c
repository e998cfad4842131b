// SPDX-License-Identifier: GPL-2.0
/* bcctl profile: limits under a name. */
#include <dirent.h>

#include "bcctl.h"

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_profile(const struct dirent *d)
{
	return bc_is_profile_name(d->d_name);
}

static int list_profiles(void)
{
	const char *dir = profile_dir();
	const struct bc_profile *p;
	struct dirent **names;
	size_t i, nr;
	int n, k;

	p = bc_profiles(&nr);
	for (i = 0; i < nr; i++)
		printf("%-12s %s\n", p[i].name, p[i].summary);
	n = scandir(dir, &names, is_profile, by_name);
	for (k = 0; k < n; k++) {
		put_name(stdout, names[k]->d_name, false);
		printf("%*s %s/%s\n", 12 - width_of(names[k]->d_name) > 0 ?
		       12 - width_of(names[k]->d_name) : 0, "", dir, names[k]->d_name);
		free(names[k]);
	}
	if (n >= 0)
		free(names);
	return STATUS_OK;
}

/* What is wrong with it, as who sets it would be told. */
static int fail_profile(const char *name, const char *from)
{
	struct bc_settings s;
	int status;
	char *wrong;

	if (bc_profile_settings(profile_dir(), name, &s, &wrong) == -ENOMEM)
		out_of_memory();
	/* It may be another file by now. */
	status = fail("%s", wrong ?: from);
	bc_settings_free(&s);
	free(wrong);
	return status;
}

static int show_profile(const char *name)
{
	int err, status = STATUS_OK;
	char *text, *from;
	size_t len;

	err = bc_profile_text(profile_dir(), name, &text, &from);
	if (err == -ENOMEM)
		out_of_memory();
	if (err == -EINVAL) {
		status = fail_profile(name, from);
	} else if (err) {
		status = fail("there is no profile '%s', neither built in nor as %s: %s", name,
			      from, "'bcctl profile list' lists them");
	} else {
		len = strlen(text);
		printf("# %s\n%s%s", from, text, len && text[len - 1] != '\n' ? "\n" : "");
	}
	free(text);
	free(from);
	return status;
}

static int apply_profile(const char *name, const char *group_name)
{
	struct bc_settings s = { };
	struct bc_group *group;
	struct bc *bc = open_bc();
	int status = STATUS_OK;

	if (bc_group_open(bc, group_name, &group)) {
		status = fail_bc(bc, "'bcctl create' makes one");
	} else {
		add_setting(&s, "profile", name);
		if (set_all(group, &s))
			status = fail_bc(bc, NULL);
		bc_group_close(group);
	}
	bc_settings_free(&s);
	bc_close(bc);
	return status;
}

static int cmd_profile(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *what;
	int n;

	while (next_option(argc, argv, "", longs) != -1)
		;
	n = argc - optind - 1;
	if (n < 0)
		return usage("list, show or apply?");
	what = argv[optind++];
	if (!strcmp(what, "list"))
		return n ? usage("'%s' is too much", argv[optind]) : list_profiles();
	if (!strcmp(what, "show"))
		return n == 1 ? show_profile(argv[optind]) : usage("show which one profile?");
	if (!strcmp(what, "apply"))
		return n == 2 ? apply_profile(argv[optind], argv[optind + 1]) :
			usage("apply which profile to which group?");
	return usage("'%s' is not list, show or apply", what);
}

const struct command profile_command = {
	.name = "profile",
	.run = cmd_profile,
	.args = "list | show NAME | apply NAME GROUP",
	.summary = "Limits under a name",
	.help =
	"  list               those that are built in, and those in /etc/bc/profiles\n"
	"  show NAME          its limits, with the reasons\n"
	"  apply NAME GROUP   set them, all or none; what it does not name stays\n"
	"\n"
	"A file in /etc/bc/profiles has lines 'RESOURCE = VALUE', as in bc.conf(5), and goes\n"
	"before a built-in one of its name.\n",
};
