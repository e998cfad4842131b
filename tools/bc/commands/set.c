// SPDX-License-Identifier: GPL-2.0
/* bcctl set, get. */
#include "bcctl.h"

static int cmd_set(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct bc_group *group;
	struct bc_settings s;
	struct bc *bc;
	int status;

	while (next_option(argc, argv, "", longs) != -1)
		;
	if (argc - optind < 2)
		return usage(optind == argc ? "which group?" : "set what? RESOURCE=VALUE");
	status = parse_settings(argv + optind + 1, argc - optind - 1, &s);
	if (status)
		return status;
	bc = open_bc();
	if (bc_group_open(bc, argv[optind], &group)) {
		status = fail_bc(bc, "'bcctl create' makes one");
	} else {
		if (set_all(group, &s))
			status = fail_bc(bc, NULL);
		bc_group_close(group);
	}
	bc_settings_free(&s);
	bc_close(bc);
	return status;
}

const struct command set_command = {
	.name = "set",
	.run = cmd_set,
	.args = "GROUP RESOURCE=VALUE...",
	.summary = "Set limits, all of them or none",
	.help =
	"  RESOURCE=LIMIT           barrier and limit\n"
	"  RESOURCE=BARRIER:LIMIT   both\n"
	"  RESOURCE.FILE=VALUE      one file: barrier, limit; maxheld, minheld (starts\n"
	"                           them anew); cpuset.cpus=0-3, and so on\n"
	"  notify_on_release=1      a file of the group itself\n"
	"  profile=NAME             what a profile has, where nothing else is said\n"
	"\n"
	"All is checked before anything is written. If a write fails all the same, what\n"
	"was written is put back.\n",
};

/* A file's text as what it is: a number, null for "max", or the text. */
static struct json_object *json_value(const char *text)
{
	long long val;
	char *end;

	if (!strcmp(text, "max"))
		return NULL;
	errno = 0;
	val = strtoll(text, &end, 10);
	if (end == text || *end || errno)
		return json_text(text);
	return json_object_new_int64(val);
}

/**
 * struct getting - what is printed
 * @json: the object, or NULL for text
 * @bare: the value alone
 */
struct getting {
	struct json_object *json;
	bool bare;
};

static void print_value(const struct getting *get, struct json_object *to, const char *name,
			const char *file, const char *text)
{
	if (to) {
		json_object_object_add(to, file ?: name, json_value(text));
		return;
	}
	if (!get->bare)
		printf("%s%s%s=", name, file ? "." : "", file ?: "");
	puts(text);
}

static int get_file(struct bc_group *group, const struct getting *get,
		    struct json_object *to, const struct bc_controller *c,
		    const char *name, bool asked)
{
	char *path = format("%s/%s", c->name, name), *text;
	int err = bc_group_read(group, path, &text);

	free(path);
	if (err) {
		/* In roots, some are not there to be read. */
		if (!asked)
			return STATUS_OK;
		return fail_bc(bc_group_bc(group), NULL);
	}
	print_value(get, to, c->name, name, text);
	free(text);
	return STATUS_OK;
}

static struct json_object *json_controller(const struct getting *get,
					   const struct bc_controller *c)
{
	struct json_object *all, *obj;

	if (!get->json)
		return NULL;
	json_object_object_get_ex(get->json, "controllers", &all);
	if (!json_object_object_get_ex(all, c->name, &obj)) {
		obj = json_object_new_object();
		if (c->counter)
			json_object_object_add(obj, "unit",
					       json_object_new_string(bc_unit_name(c->unit)));
		json_object_object_add(all, c->name, obj);
	}
	return obj;
}

static int get_controller(struct bc_group *group, const struct getting *get,
			  const struct bc_controller *c)
{
	struct json_object *to = json_controller(get, c);
	int i, n, status = STATUS_OK;
	char **names;

	n = bc_group_files(group, c, &names);
	if (n < 0)
		return fail_bc(bc_group_bc(group), NULL);
	for (i = 0; i < n; i++)
		status = get_file(group, get, to, c, names[i], false) ?: status;
	bc_free_names(names);
	return status;
}

/* "id", or "numfiles", or "numfiles.held". */
static int get_one(struct bc_group *group, struct getting *get, const char *name)
{
	const struct bc_controller *c;
	struct bc *bc = bc_group_bc(group);
	char *dot, *first = format("%s", name);
	int status;

	dot = strchr(first, '.');
	if (dot)
		*dot++ = '\0';
	c = bc_find_controller(bc, first);
	if (c && !bc_group_has(group, c)) {
		status = fail("%s is in hierarchy '%s', %s is not", c->name,
			      c->hierarchy->name, bc_group_name(group));
	} else if (c && dot && strchr(dot, '/')) {
		status = fail("'%s' is no file of %s", dot, c->name);
	} else if (c && dot) {
		status = get_file(group, get, json_controller(get, c), c, dot, true);
	} else if (c) {
		get->bare = false;
		status = get_controller(group, get, c);
	} else if (!dot && !strchr(first, '/')) {
		char *text;

		if (bc_group_read(group, first, &text)) {
			const char *similar = bc_similar_controller(bc, first);
			char *hint = similar ? format("is it '%s'?", similar) : NULL;

			status = fail_bc(bc, hint);
			free(hint);
		} else {
			print_value(get, get->json, first, NULL, text);
			free(text);
			status = STATUS_OK;
		}
	} else {
		const char *similar = bc_similar_controller(bc, first);

		status = similar ? fail("there is no resource '%s': is it '%s'?", first, similar) :
			fail("there is no resource '%s': /proc/beancounters lists them", first);
	}
	free(first);
	return status;
}

static int get_all(struct bc_group *group, struct getting *get)
{
	static const char * const own[] = { "id", "notify_on_release", "releasable" };
	struct bc *bc = bc_group_bc(group);
	const struct bc_controller *c;
	int status = STATUS_OK;
	size_t i, n;
	char *text;

	for (i = 0; i < ARRAY_SIZE(own); i++) {
		if (bc_group_read(group, own[i], &text))
			continue;
		print_value(get, get->json, own[i], NULL, text);
		free(text);
	}
	c = bc_controllers(bc, &n);
	for (i = 0; i < n; i++) {
		if (bc_group_has(group, &c[i]))
			status = get_controller(group, get, &c[i]) ?: status;
	}
	return status;
}

static int cmd_get(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct getting get = { };
	struct bc_group *group;
	bool json = false;
	struct bc *bc;
	int c, i, status = STATUS_OK;

	while ((c = next_option(argc, argv, "j", longs)) != -1)
		json |= c == 'j';
	if (optind == argc)
		return usage("which group?");
	bc = open_bc();
	if (bc_group_open(bc, argv[optind], &group)) {
		status = fail_bc(bc, NULL);
		bc_close(bc);
		return status;
	}
	if (json) {
		get.json = json_group(group);
		json_object_object_add(get.json, "controllers", json_object_new_object());
	}
	get.bare = argc - optind == 2;
	for (i = optind + 1; i < argc; i++)
		status = get_one(group, &get, argv[i]) ?: status;
	if (argc - optind == 1)
		status = get_all(group, &get);
	if (json && status)
		json_object_put(get.json);
	else if (json)
		json_line(get.json);
	bc_group_close(group);
	bc_close(bc);
	return status;
}

const struct command get_command = {
	.name = "get",
	.run = cmd_get,
	.args = "[--json] GROUP [RESOURCE[.FILE]]...",
	.summary = "Print what files say",
	.help =
	"  -j, --json   an object\n"
	"\n"
	"One RESOURCE.FILE alone is printed as the value alone, all else as NAME=VALUE.\n"
	"Without any, all files of all controllers are printed.\n",
};
