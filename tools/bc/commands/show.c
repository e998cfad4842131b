// SPDX-License-Identifier: GPL-2.0
/* bcctl show: a table of what groups hold, and whether that is too much. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bcctl.h"

/**
 * struct refusals - of a resource of a group, at an earlier time
 * @id: the group, which is never used again while the system is up
 * @resource: its name
 * @failcnt: as it was
 */
struct refusals {
	unsigned long long id;
	char *resource;
	long long failcnt;
};

/* What was seen the last time, and what is seen now. */
struct memory {
	struct refusals *list;
	size_t n;
};

/**
 * struct showing - what is asked for
 * @trouble: only what is in trouble
 * @all: what is unlimited, too
 * @since: refusals since the last time
 * @json: as objects
 * @before, @after: for @since
 * @shown: something was
 * @groups: how many were looked at
 */
struct showing {
	bool trouble, all, since, json, shown;
	struct memory before, after;
	unsigned long groups;
};

static int by_id(const void *a, const void *b)
{
	const struct refusals *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return strcmp(x->resource, y->resource);
}

static void remember(struct memory *mem, unsigned long long id, const char *resource,
		     long long failcnt)
{
	if (!(mem->n & (mem->n - 1))) {
		mem->list = reallocarray(mem->list, mem->n ? 2 * mem->n : 1,
					 sizeof(*mem->list));
		if (!mem->list)
			out_of_memory();
	}
	mem->list[mem->n].id = id;
	mem->list[mem->n].resource = format("%s", resource);
	mem->list[mem->n++].failcnt = failcnt;
}

static const struct refusals *recall(const struct memory *mem, unsigned long long id,
				     const char *resource)
{
	struct refusals key = { .id = id, .resource = (char *)resource };

	return mem->n ? bsearch(&key, mem->list, mem->n, sizeof(key), by_id) : NULL;
}

static void forget(struct memory *mem)
{
	size_t i;

	for (i = 0; i < mem->n; i++)
		free(mem->list[i].resource);
	free(mem->list);
}

static char *memory_path(void)
{
	const char *dir = secure_getenv("BC_STATE");

	if (!dir)
		dir = geteuid() ? secure_getenv("XDG_RUNTIME_DIR") : "/run";
	return dir ? format("%s/bcctl.refusals", dir) : NULL;
}

/* Ids and counts start anew with each boot. */
static void read_boot_id(struct bc *bc, char id[64])
{
	char *path = format("%s/sys/kernel/random/boot_id", bc_proc(bc));
	FILE *f = fopen(path, "re");

	if (!f || !fgets(id, 64, f))
		snprintf(id, 64, "unknown\n");
	if (f)
		fclose(f);
	free(path);
}

static void load(struct bc *bc, const char *path, struct memory *mem)
{
	char line[512], id[64], resource[256];
	unsigned long long group;
	long long failcnt;
	FILE *f = fopen(path, "re");

	if (!f)
		return;
	read_boot_id(bc, id);
	if (fgets(line, sizeof(line), f) && !strcmp(line, id)) {
		while (fgets(line, sizeof(line), f)) {
			if (sscanf(line, "%llu %255s %lld", &group, resource, &failcnt) == 3)
				remember(mem, group, resource, failcnt);
		}
		qsort(mem->list, mem->n, sizeof(*mem->list), by_id);
	}
	fclose(f);
}

static int save(struct bc *bc, const char *path, const struct showing *show, bool whole)
{
	char *temp = format("%s.%d", path, getpid()), id[64];
	int fd, status = STATUS_OK;
	FILE *f = NULL;
	size_t i;

	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (f) {
		read_boot_id(bc, id);
		fputs(id, f);
		for (i = 0; i < show->after.n; i++)
			fprintf(f, "%llu %s %lld\n", show->after.list[i].id,
				show->after.list[i].resource, show->after.list[i].failcnt);
		/* Of those that were not looked at, the old ones hold. */
		for (i = 0; !whole && i < show->before.n; i++) {
			const struct refusals *r = &show->before.list[i];

			if (!recall(&show->after, r->id, r->resource))
				fprintf(f, "%llu %s %lld\n", r->id, r->resource, r->failcnt);
		}
	}
	if (!f || fclose(f) || rename(temp, path)) {
		status = fail("cannot remember the refusals in %s: %s", path, strerror(errno));
		unlink(temp);
	}
	free(temp);
	return status;
}

static void heading(struct bc_group *group, const struct showing *show)
{
	if (show->shown)
		putchar('\n');
	put_name(stdout, bc_group_name(group), false);
	printf("\n  %-13s %9s %9s %9s %9s %9s\n", "resource", "held", "maxheld", "barrier",
	       "limit", show->since ? "refused" : "failcnt");
}

static void cell(const struct bc_controller *c, const struct bc_counter *counter,
		 enum bc_file file)
{
	char text[BC_AMOUNT_SIZE];

	if (counter->seen & BC_BIT(file))
		printf(" %9s", bc_format_human(counter->val[file], c->unit, text));
	else
		printf(" %9s", "-");
}

static void print_row(const struct bc_controller *c, const struct bc_counter *counter,
		      long long refused)
{
	double percent = percent_of(c, counter);

	printf("  %-13s", c->name);
	cell(c, counter, BC_HELD);
	cell(c, counter, BC_MAXHELD);
	cell(c, counter, BC_BARRIER);
	cell(c, counter, BC_LIMIT);
	printf(" %9lld", refused);
	if (percent > NEAR_PERCENT)
		printf("  %.0f%% used", percent);
	if (refused)
		printf("%s %lld refused", percent > NEAR_PERCENT ? "," : " ", refused);
	putchar('\n');
}

static bool is_unlimited(const struct bc_counter *counter)
{
	return counter->val[BC_BARRIER] == BC_MAX && counter->val[BC_LIMIT] == BC_MAX;
}

static int show_group(struct bc_group *group, int depth, void *arg)
{
	struct json_object *obj = NULL, *resources = NULL;
	struct bc *bc = bc_group_bc(group);
	const struct bc_controller *c;
	struct showing *show = arg;
	struct bc_counter counter;
	unsigned long long id = 0;
	bool any = false;
	size_t i, n;
	int err = 0;

	(void)depth;
	show->groups++;
	if (show->since && bc_group_id(group, &id))
		return 0;
	if (show->json) {
		obj = json_group(group);
		resources = json_object_new_object();
		json_object_object_add(obj, "resources", resources);
	}
	c = bc_controllers(bc, &n);
	for (i = 0; i < n; i++) {
		const struct refusals *old = NULL;
		long long refused;

		if (!c[i].counter || !bc_group_has(group, &c[i]))
			continue;
		err = bc_counter_read(group, &c[i], BC_ALL, &counter);
		if (err)
			break;
		refused = counter.val[BC_FAILCNT];
		if (show->since) {
			old = recall(&show->before, id, c[i].name);
			remember(&show->after, id, c[i].name, refused);
			refused -= old && old->failcnt <= refused ? old->failcnt : 0;
		}
		if (show->trouble && !refused && percent_of(&c[i], &counter) <= NEAR_PERCENT)
			continue;
		if (!show->all && !refused && is_unlimited(&counter))
			continue;
		if (show->json) {
			struct json_object *r = json_counter(&c[i], &counter);

			if (show->since)
				json_object_object_add(r, "refused",
						       json_object_new_int64(refused));
			json_object_object_add(resources, c[i].name, r);
		} else {
			if (!any)
				heading(group, show);
			print_row(&c[i], &counter, refused);
		}
		any = true;
		show->shown = true;
	}
	/* It may be gone by now, which is no error in a walk. */
	if (show->json && !err && (any || !show->trouble))
		json_element(obj);
	else
		json_object_put(obj);
	return 0;
}

static int cmd_show(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "quiet", no_argument, NULL, 'q' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "refusals", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct showing show = { };
	char *path = NULL;
	struct bc *bc;
	int c, status;

	while ((c = next_option(argc, argv, "qvrj", longs)) != -1) {
		show.trouble |= c == 'q';
		show.all |= c == 'v';
		show.since |= c == 'r';
		show.json |= c == 'j';
	}
	if (show.since) {
		path = memory_path();
		if (!path)
			return fail("no place to remember refusals: set XDG_RUNTIME_DIR");
	}
	bc = open_bc();
	if (show.since)
		load(bc, path, &show.before);
	status = each_group(bc, argv + optind, argc - optind, false, show_group, &show);
	if (show.json)
		json_element(NULL);
	else if (!show.shown && !status && !show.trouble)
		note("nothing is limited in %lu group%s; -v shows what is unlimited",
		     show.groups, show.groups == 1 ? "" : "s");
	if (show.since) {
		qsort(show.after.list, show.after.n, sizeof(*show.after.list), by_id);
		status = save(bc, path, &show, optind == argc) ?: status;
		forget(&show.before);
		forget(&show.after);
		free(path);
	}
	bc_close(bc);
	return status;
}

const struct command show_command = {
	.name = "show",
	.run = cmd_show,
	.args = "[-q] [-v] [-r] [--json] [GROUP]...",
	.summary = "A table of what groups hold",
	.help =
	"  -q, --quiet      only what is in trouble: refusals, or above 80 % of a limit\n"
	"  -v, --verbose    what is unlimited, too\n"
	"  -r, --refusals   refusals since the last 'show -r', not since the group was made\n"
	"  -j, --json       objects, with exact amounts\n"
	"\n"
	"Without GROUP, all groups of all hierarchies. Bytes and pages are shown as bytes,\n"
	"K is 1024.\n",
};
