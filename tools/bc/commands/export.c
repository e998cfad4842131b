// SPDX-License-Identifier: GPL-2.0
/* bcctl export: all groups, for other programs. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bcctl.h"

/**
 * struct row - a group, as it was when it was looked at
 * @name: as bcctl takes it
 * @id: 0 for roots
 * @h: its hierarchy
 * @counters: by controller; what is not there has seen nothing
 * @cpu: usage, user, system in ns; the first is negative if they are not known
 */
struct row {
	char *name;
	unsigned long long id;
	const struct bc_hierarchy *h;
	struct bc_counter *counters;
	long long cpu[3];
};

struct export {
	struct bc *bc;
	const struct bc_controller *c;
	size_t nr_controllers;
	struct row *rows;
	size_t n;
	bool roots, cpu;
};

static const char * const cpu_files[] = { "usage", "user", "system" };

static void read_cpu(struct export *e, struct bc_group *group, struct row *row)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cpu_files); i++) {
		char file[32], text[32];

		snprintf(file, sizeof(file), "cpuacct/%s", cpu_files[i]);
		row->cpu[i] = -1;
		if (e->cpu && bc_read_number(group, file, text, sizeof(text)) == 0)
			row->cpu[i] = atoll(text);
	}
}

/* Each file is read once: metrics are sorted by resource, not by group. */
static int add_row(struct bc_group *group, int depth, void *arg)
{
	const struct bc_controller *cpuacct;
	struct export *e = arg;
	struct row *row;
	size_t i;

	(void)depth;
	if (bc_group_is_root(group) && !e->roots)
		return 0;
	if (!(e->n & (e->n - 1))) {
		e->rows = reallocarray(e->rows, e->n ? 2 * e->n : 1, sizeof(*row));
		if (!e->rows)
			out_of_memory();
	}
	row = &e->rows[e->n];
	memset(row, 0, sizeof(*row));
	if (bc_group_id(group, &row->id))
		return 0;
	row->h = bc_group_hierarchy(group);
	row->counters = alloc(e->nr_controllers, sizeof(*row->counters));
	for (i = 0; i < e->nr_controllers; i++) {
		if (!e->c[i].counter || !bc_group_has(group, &e->c[i]))
			continue;
		if (bc_counter_read(group, &e->c[i], BC_ALL, &row->counters[i])) {
			/* Removed meanwhile. */
			free(row->counters);
			return 0;
		}
	}
	cpuacct = bc_find_controller(e->bc, "cpuacct");
	if (cpuacct && bc_group_has(group, cpuacct))
		read_cpu(e, group, row);
	else
		row->cpu[0] = -1;
	row->name = format("%s", bc_group_name(group));
	e->n++;
	return 0;
}

/* A label's value: UTF-8, with these three escaped. */
static void put_label(const char *name)
{
	struct json_object *valid = json_text(name);
	const char *s;

	for (s = json_object_get_string(valid); *s; s++) {
		if (*s == '\\' || *s == '"')
			printf("\\%c", *s);
		else if (*s == '\n')
			fputs("\\n", stdout);
		else
			putchar(*s);
	}
	json_object_put(valid);
}

/* Dashes and dots are nothing for the name of a metric. */
static void put_metric_name(const char *resource, const char *what, const char *unit)
{
	const char *s;

	fputs("bc_", stdout);
	for (s = resource; *s; s++)
		putchar((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') ? *s : '_');
	printf("_%s%s", what, unit);
}

static const struct metric {
	enum bc_file file;
	const char *name, *type, *help;
} metrics[] = {
	{ BC_HELD, "held", "gauge", "in use by the group and all groups below it" },
	{ BC_MAXHELD, "maxheld", "gauge", "the highest that was in use" },
	{ BC_MINHELD, "minheld", "gauge", "the lowest that was in use" },
	{ BC_BARRIER, "barrier", "gauge", "what can fail without harm is refused above it" },
	{ BC_LIMIT, "limit", "gauge", "above it, all is refused" },
	{ BC_FAILCNT, "failures_total", "counter",
	  "refused because of this group's own barrier or limit" },
};

static void put_metric(const struct export *e, size_t k, const struct metric *m)
{
	const struct bc_controller *c = &e->c[k];
	bool bytes = m->file != BC_FAILCNT && c->unit != BC_UNIT_ITEMS;
	bool any = false;
	size_t i;

	for (i = 0; i < e->n; i++) {
		const struct bc_counter *counter = &e->rows[i].counters[k];
		long long val = counter->val[m->file];

		if (!(counter->seen & BC_BIT(m->file)) || val == BC_MAX)
			continue;
		if (!any) {
			fputs("# HELP ", stdout);
			put_metric_name(c->name, m->name, bytes ? "_bytes" : "");
			printf(" %s: %s.\n# TYPE ", c->name, m->help);
			put_metric_name(c->name, m->name, bytes ? "_bytes" : "");
			printf(" %s\n", m->type);
			any = true;
		}
		put_metric_name(c->name, m->name, bytes ? "_bytes" : "");
		fputs("{group=\"", stdout);
		put_label(e->rows[i].name);
		printf("\"} %lld\n", bytes ? bc_to_bytes(val, c->unit) : val);
	}
}

static void put_cpu(const struct export *e)
{
	bool any = false;
	size_t i, k;

	for (k = 0; k < ARRAY_SIZE(cpu_files); k++) {
		any = false;
		for (i = 0; i < e->n; i++) {
			long long ns = e->rows[i].cpu[k];

			if (e->rows[i].cpu[0] < 0 || ns < 0)
				continue;
			if (!any)
				printf("# HELP bc_cpu_%s_seconds_total CPU time: %s.\n"
				       "# TYPE bc_cpu_%s_seconds_total counter\n", cpu_files[k],
				       k ? "in ticks of that mode" : "all, exact",
				       cpu_files[k]);
			any = true;
			printf("bc_cpu_%s_seconds_total{group=\"", cpu_files[k]);
			put_label(e->rows[i].name);
			printf("\"} %lld.%09lld\n", ns / 1000000000, ns % 1000000000);
		}
	}
}

static void put_groups(const struct export *e)
{
	const struct bc_hierarchy *h;
	size_t i, k, n;

	fputs("# HELP bc_groups Groups in the hierarchy, without its root.\n"
	      "# TYPE bc_groups gauge\n", stdout);
	h = bc_hierarchies(e->bc, &n);
	for (i = 0; i < n; i++) {
		unsigned long groups = 0;

		for (k = 0; k < e->n; k++)
			groups += e->rows[k].h == &h[i];
		fputs("bc_groups{hierarchy=\"", stdout);
		put_label(h[i].name);
		printf("\"} %lu\n", groups);
	}
}

static void put_prometheus(const struct export *e)
{
	size_t i, k;

	put_groups(e);
	for (i = 0; i < e->nr_controllers; i++) {
		for (k = 0; e->c[i].counter && k < ARRAY_SIZE(metrics); k++)
			put_metric(e, i, &metrics[k]);
	}
	put_cpu(e);
}

/* The rows of /proc/user_beancounters, in their order; and what they are called here. */
static const struct {
	const char *ubc, *bc;
} ubc_rows[] = {
	{ "kmemsize", "kmemsize" }, { "lockedpages", "lockedpages" },
	{ "privvmpages", "privvmpages" }, { "shmpages", "shmpages" }, { "dummy", NULL },
	{ "numproc", "numtasks" }, { "physpages", "physpages" }, { "vmguarpages", NULL },
	{ "oomguarpages", NULL }, { "numtcpsock", "numtcpsock" }, { "numflock", "numflock" },
	{ "numpty", "numpty" }, { "numsiginfo", "numsiginfo" }, { "tcpsndbuf", "tcpsndbuf" },
	{ "tcprcvbuf", "tcprcvbuf" }, { "othersockbuf", "othersockbuf" },
	{ "dgramrcvbuf", "dgramrcvbuf" }, { "numothersock", "numothersock" },
	{ "dcachesize", "dcachesize" }, { "numfile", "numfiles" }, { "dummy", NULL },
	{ "dummy", NULL }, { "dummy", NULL }, { "numiptent", "numiptent" },
};

/*
 * A resource that is not there holds nothing and has no limit; a dummy has all zeros, as
 * it had there.
 */
static void put_ubc_group(const struct export *e, const struct row *row)
{
	size_t i, k;
	char id[32];

	snprintf(id, sizeof(id), "%llu", row->id);
	for (i = 0; i < ARRAY_SIZE(ubc_rows); i++) {
		long long val[BC_NR_FILES] = { [BC_BARRIER] = BC_MAX, [BC_LIMIT] = BC_MAX };

		if (!strcmp(ubc_rows[i].ubc, "dummy"))
			memset(val, 0, sizeof(val));
		for (k = 0; k < e->nr_controllers; k++) {
			if (ubc_rows[i].bc && !strcmp(e->c[k].name, ubc_rows[i].bc) &&
			    row->counters[k].seen)
				memcpy(val, row->counters[k].val, sizeof(val));
		}
		printf("%10s%c %-12s %20lu %20lu %20lu %20lu %20lu\n", i ? "" : id, i ? ' ' : ':',
		       ubc_rows[i].ubc, (unsigned long)val[BC_HELD],
		       (unsigned long)val[BC_MAXHELD], (unsigned long)val[BC_BARRIER],
		       (unsigned long)val[BC_LIMIT], (unsigned long)val[BC_FAILCNT]);
	}
}

/* It knows one hierarchy, the default one, and its root as group 0. */
static void put_ubc(const struct export *e)
{
	size_t i;

	printf("Version: 2.5\n%10s  %-12s %20s %20s %20s %20s %20s\n", "uid", "resource",
	       "held", "maxheld", "barrier", "limit", "failcnt");
	for (i = 0; i < e->n; i++) {
		if (!e->rows[i].h->number)
			put_ubc_group(e, &e->rows[i]);
	}
}

static void put_json(const struct export *e)
{
	size_t i, k;

	for (i = 0; i < e->n; i++) {
		struct json_object *obj = json_object_new_object();
		struct json_object *resources = json_object_new_object(), *cpu;
		const struct row *row = &e->rows[i];

		json_object_object_add(obj, "group", json_text(row->name));
		json_object_object_add(obj, "hierarchy", json_text(row->h->name));
		json_object_object_add(obj, "id", json_object_new_uint64(row->id));
		json_object_object_add(obj, "resources", resources);
		for (k = 0; k < e->nr_controllers; k++) {
			if (row->counters[k].seen)
				json_object_object_add(resources, e->c[k].name,
						       json_counter(&e->c[k],
								    &row->counters[k]));
		}
		if (row->cpu[0] >= 0) {
			cpu = json_object_new_object();
			for (k = 0; k < ARRAY_SIZE(cpu_files); k++)
				json_object_object_add(cpu, cpu_files[k],
						       json_object_new_int64(row->cpu[k]));
			json_object_object_add(obj, "cpu_ns", cpu);
		}
		json_element(obj);
	}
	json_element(NULL);
}

/* Whoever reads the file sees the old one or the new one. */
static int redirect(const char *output, char **temp)
{
	int fd;

	*temp = format("%s.%d", output, getpid());
	fd = open(*temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		return fail("cannot write %s: %s", *temp, strerror(errno));
	close(fd);
	return STATUS_OK;
}

static int publish(const char *output, const char *temp, int status)
{
	if (!status && (fflush(stdout) || ferror(stdout) || rename(temp, output)))
		status = fail("cannot write %s: %s", output, strerror(errno));
	if (status)
		unlink(temp);
	return status;
}

static int cmd_export(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	static const struct {
		const char *name;
		void (*put)(const struct export *e);
		bool roots, cpu;
	} formats[] = {
		{ "prometheus", put_prometheus, false, true },
		{ "ubc", put_ubc, true, false },
		{ "json", put_json, true, true },
	};
	const char *format_name = NULL, *output = NULL;
	struct export e = { };
	char *temp = NULL;
	int c, status = STATUS_OK;
	size_t i, k;

	while ((c = next_option(argc, argv, "f:o:", longs)) != -1) {
		if (c == 'f')
			format_name = optarg;
		else if (c == 'o')
			output = optarg;
	}
	if (optind < argc)
		return usage("'%s' is too much", argv[optind]);
	if (!format_name)
		return usage("in which format? --format=prometheus, ubc or json");
	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		if (!strcmp(formats[i].name, format_name))
			break;
	}
	if (i == ARRAY_SIZE(formats))
		return usage("there is no format '%s': prometheus, ubc or json", format_name);

	e.bc = open_bc();
	e.c = bc_controllers(e.bc, &e.nr_controllers);
	e.roots = formats[i].roots;
	e.cpu = formats[i].cpu;
	status = each_group(e.bc, NULL, 0, true, add_row, &e);
	if (!status && output)
		status = redirect(output, &temp);
	if (!status)
		formats[i].put(&e);
	if (temp)
		status = publish(output, temp, status);
	for (k = 0; k < e.n; k++) {
		free(e.rows[k].name);
		free(e.rows[k].counters);
	}
	free(e.rows);
	free(temp);
	bc_close(e.bc);
	return status;
}

const struct command export_command = {
	.name = "export",
	.run = cmd_export,
	.args = "--format=prometheus|ubc|json [--output=FILE]",
	.summary = "All groups, for other programs",
	.help =
	"  -f, --format=prometheus   text format of Prometheus, without roots\n"
	"               ubc          as OpenVZ's /proc/user_beancounters, default hierarchy\n"
	"               json         an array of groups\n"
	"  -o, --output=FILE         write this file at once, as for node_exporter's textfile\n"
	"                            collector\n",
};
