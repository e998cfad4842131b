// SPDX-License-Identifier: GPL-2.0
/* bcctl tree: groups, their tasks, and what is close to a limit. */
#include "bcctl.h"

/**
 * struct line - a group, kept until it is known how wide all names are
 * @text: the lines of the tree, and the name
 * @width: of that
 * @tasks: processes; negative if they cannot be listed
 * @close: what is close to a limit, or has refused
 */
struct line {
	char *text;
	int width;
	int tasks;
	char *close;
};

struct listing {
	bool json;
	struct line *lines;
	size_t n;
	int widest;
};

static int count_tasks(struct bc_group *group)
{
	pid_t *ids;
	int n = bc_tasks(group, false, &ids);

	free(ids);
	return n;
}

/* What is worth a word about a counter, or NULL. */
static char *word_about(const struct bc_controller *c, const struct bc_counter *counter)
{
	char held[BC_AMOUNT_SIZE], bound[BC_AMOUNT_SIZE];
	double percent = percent_of(c, counter);
	long long failcnt = counter->val[BC_FAILCNT];

	if (percent <= NEAR_PERCENT && !failcnt)
		return NULL;
	bc_format_human(counter->val[BC_HELD], c->unit, held);
	bc_format_human(bound_of(c, counter), c->unit, bound);
	if (failcnt)
		return format("%s %s/%s, %lld refused", c->name, held, bound, failcnt);
	return format("%s %s/%s", c->name, held, bound);
}

#define TREE_FILES (BC_BIT(BC_HELD) | BC_BIT(BC_BARRIER) | BC_BIT(BC_LIMIT) | \
		    BC_BIT(BC_FAILCNT))

static char *words_about(struct bc_group *group, struct json_object *near)
{
	const struct bc_controller *c;
	struct bc_counter counter;
	char *all = NULL, *word;
	size_t i, n;

	c = bc_controllers(bc_group_bc(group), &n);
	for (i = 0; i < n; i++) {
		if (!c[i].counter || !bc_group_has(group, &c[i]) ||
		    bc_counter_read(group, &c[i], TREE_FILES, &counter))
			continue;
		word = word_about(&c[i], &counter);
		if (!word)
			continue;
		if (near) {
			json_object_object_add(near, c[i].name, json_counter(&c[i], &counter));
			free(word);
		} else if (all) {
			char *more = format("%s; %s", all, word);

			free(all);
			free(word);
			all = more;
		} else {
			all = word;
		}
	}
	return all;
}

/* @prefix: the lines left of the children. */
static int list(struct bc_group *group, struct listing *l, const char *prefix,
		const char *branch, const char *name)
{
	struct json_object *obj, *near;
	struct bc_group *child;
	int n, i, ret = 0;
	char **names;

	if (l->json) {
		obj = json_group(group);
		near = json_object_new_object();
		n = count_tasks(group);
		if (n >= 0)
			json_object_object_add(obj, "tasks", json_object_new_int(n));
		json_object_object_add(obj, "near", near);
		words_about(group, near);
		json_element(obj);
	} else {
		struct line *line;

		l->lines = reallocarray(l->lines, l->n + 1, sizeof(*line));
		if (!l->lines)
			out_of_memory();
		line = &l->lines[l->n++];
		line->text = format("%s%s%s", prefix, branch, name);
		line->width = width_of(line->text);
		line->tasks = count_tasks(group);
		line->close = words_about(group, NULL);
		if (line->width > l->widest)
			l->widest = line->width;
	}

	n = bc_group_children(group, &names);
	if (n == -ENOENT)
		return 0;
	if (n < 0)
		return fail_bc(bc_group_bc(group), NULL);
	for (i = 0; i < n && !ret; i++) {
		bool last = i == n - 1;
		char *lines;

		ret = bc_group_child(group, names[i], &child);
		if (ret) {
			ret = ret == -ENOENT ? 0 : fail_bc(bc_group_bc(group), NULL);
			continue;
		}
		lines = format("%s%s", prefix,
			       !strcmp(branch, "├─ ") ? "│  " : branch[0] ? "   " : "");
		ret = list(child, l, lines, last ? "└─ " : "├─ ", names[i]);
		free(lines);
		bc_group_close(child);
	}
	bc_free_names(names);
	return ret;
}

static void print_lines(struct listing *l)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		struct line *line = &l->lines[i];

		put_name(stdout, line->text, false);
		printf("%*s", l->widest - line->width, "");
		if (line->tasks >= 0)
			printf(" %6d task%s", line->tasks, line->tasks == 1 ? " " : "s");
		if (line->close)
			printf("  %s", line->close);
		putchar('\n');
		free(line->text);
		free(line->close);
	}
	free(l->lines);
}

static int cmd_tree(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const struct bc_hierarchy *h;
	struct listing l = { };
	struct bc_group *group;
	int c, status = STATUS_OK;
	struct bc *bc;
	size_t i, n;

	while ((c = next_option(argc, argv, "j", longs)) != -1)
		l.json |= c == 'j';
	if (argc - optind > 1)
		return usage("one group at a time");
	bc = open_bc();
	h = bc_hierarchies(bc, &n);
	for (i = 0; i < (optind < argc ? 1 : n) && !status; i++) {
		if (optind < argc ? bc_group_open(bc, argv[optind], &group) :
		    bc_group_root(bc, &h[i], &group)) {
			status = fail_bc(bc, NULL);
			break;
		}
		bc_fetch(group, true);
		status = list(group, &l, "", "", bc_group_name(group));
		bc_group_close(group);
	}
	if (l.json)
		json_element(NULL);
	else
		print_lines(&l);
	bc_close(bc);
	return status;
}

const struct command tree_command = {
	.name = "tree",
	.run = cmd_tree,
	.args = "[--json] [GROUP]",
	.summary = "Groups, their tasks, and what is close to a limit",
	.help =
	"  -j, --json   objects, parents first\n"
	"\n"
	"Without GROUP, all hierarchies. Tasks are processes of the group itself. A resource\n"
	"is shown when more than 80 % of its limit are held, or something was refused.\n",
};
