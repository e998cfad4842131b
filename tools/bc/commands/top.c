// SPDX-License-Identifier: GPL-2.0
/* bcctl top: groups, live. */
#include <ctype.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "bcctl.h"

/**
 * struct row - a group in this round
 * @name: as bcctl takes it
 * @id: to find it in the round before
 * @tasks: threads, with those of groups below; -1 without numtasks
 * @usage: CPU time so far in ns; -1 without cpuacct
 * @failcnt: of all resources
 * @cpu: percent of one CPU since the last round; negative for none yet
 * @refused: a second, since the last round
 * @percent: of what is nearest to its limit
 * @near: what that is
 */
struct row {
	char *name;
	unsigned long long id;
	long long tasks, usage, failcnt;
	double cpu, refused, percent;
	char near[80];
};

struct round {
	struct row *rows;
	size_t n;
	struct timespec when;
};

static int by_id(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

/* The highest first. */
static int compare(double a, double b, const void *x, const void *y)
{
	return a > b ? -1 : a < b ? 1 : by_name(x, y);
}

static int by_cpu(const void *a, const void *b)
{
	return compare(((const struct row *)a)->cpu, ((const struct row *)b)->cpu, a, b);
}

static int by_tasks(const void *a, const void *b)
{
	return compare(((const struct row *)a)->tasks, ((const struct row *)b)->tasks, a, b);
}

static int by_percent(const void *a, const void *b)
{
	return compare(((const struct row *)a)->percent, ((const struct row *)b)->percent, a, b);
}

static int by_refused(const void *a, const void *b)
{
	return compare(((const struct row *)a)->refused, ((const struct row *)b)->refused, a, b);
}

static const struct {
	char key;
	const char *name;
	int (*compare)(const void *a, const void *b);
} orders[] = {
	{ 'c', "cpu", by_cpu },
	{ 't', "tasks", by_tasks },
	{ 'l', "limit", by_percent },
	{ 'r', "refused", by_refused },
	{ 'g', "group", by_name },
};

/* What is next to its limit, as "numfiles 190/200". */
static void look_at(const struct bc_controller *c, const struct bc_counter *counter,
		    struct row *row)
{
	char held[BC_AMOUNT_SIZE], bound[BC_AMOUNT_SIZE];
	double percent = percent_of(c, counter);

	row->failcnt += counter->val[BC_FAILCNT];
	if (!strcmp(c->name, "numtasks"))
		row->tasks = counter->val[BC_HELD];
	if (percent <= row->percent)
		return;
	row->percent = percent;
	bc_format_human(counter->val[BC_HELD], c->unit, held);
	bc_format_human(bound_of(c, counter), c->unit, bound);
	snprintf(row->near, sizeof(row->near), "%.20s %s/%s", c->name, held, bound);
}

#define TOP_FILES (BC_BIT(BC_HELD) | BC_BIT(BC_BARRIER) | BC_BIT(BC_LIMIT) | \
		   BC_BIT(BC_FAILCNT))

static int add_row(struct bc_group *group, int depth, void *arg)
{
	const struct bc_controller *c;
	struct bc_counter counter;
	struct round *round = arg;
	struct row row = { .tasks = -1, .usage = -1, .cpu = -1 };
	char text[32];
	size_t i, n;

	(void)depth;
	if (bc_group_is_root(group) || bc_group_id(group, &row.id))
		return 0;
	c = bc_controllers(bc_group_bc(group), &n);
	for (i = 0; i < n; i++) {
		if (!bc_group_has(group, &c[i]))
			continue;
		if (c[i].counter && !bc_counter_read(group, &c[i], TOP_FILES, &counter))
			look_at(&c[i], &counter, &row);
		if (!strcmp(c[i].name, "cpuacct") &&
		    !bc_read_number(group, "cpuacct/usage", text, sizeof(text)))
			row.usage = atoll(text);
	}
	row.name = format("%s", bc_group_name(group));
	if (!(round->n & (round->n - 1))) {
		round->rows = reallocarray(round->rows, round->n ? 2 * round->n : 1,
					   sizeof(row));
		if (!round->rows)
			out_of_memory();
	}
	round->rows[round->n++] = row;
	return 0;
}

static void free_round(struct round *round)
{
	size_t i;

	for (i = 0; i < round->n; i++)
		free(round->rows[i].name);
	free(round->rows);
	memset(round, 0, sizeof(*round));
}

/* @last is sorted by id. */
static void compute_rates(struct round *round, const struct round *last)
{
	double sec = round->when.tv_sec - last->when.tv_sec +
		(round->when.tv_nsec - last->when.tv_nsec) / 1e9;
	size_t i;

	for (i = 0; i < round->n; i++) {
		struct row *row = &round->rows[i], *old;

		old = last->n ? bsearch(row, last->rows, last->n, sizeof(*row), by_id) : NULL;
		if (!old || sec <= 0)
			continue;
		if (row->usage >= 0 && old->usage >= 0)
			row->cpu = (row->usage - old->usage) / 1e7 / sec;
		row->refused = (row->failcnt - old->failcnt) / sec;
	}
}

/* A line, as wide as it needs to be, or @width at most. */
static char *line_of(const struct row *row)
{
	char tasks[24] = "-", cpu[24] = "-", refused[24] = "-";

	if (row->tasks >= 0)
		snprintf(tasks, sizeof(tasks), "%lld", row->tasks);
	if (row->cpu >= 0)
		snprintf(cpu, sizeof(cpu), "%.1f", row->cpu);
	if (row->refused > 0)
		snprintf(refused, sizeof(refused), "%.1f", row->refused);
	return format("%7s %7s %9s %5.0f%%  %-26s ", tasks, cpu, refused, row->percent,
		      row->near);
}

static const char title[] =
	"  TASKS    CPU%  REFUSED/s   USED  NEAREST TO ITS LIMIT       GROUP";

static void print_batch(const struct round *round, bool heading)
{
	size_t i;

	if (heading)
		puts(title);
	for (i = 0; i < round->n; i++) {
		char *line = line_of(&round->rows[i]);

		fputs(line, stdout);
		put_name(stdout, round->rows[i].name, false);
		putchar('\n');
		free(line);
	}
	fflush(stdout);
}

static void print_screen(const struct round *round, size_t first, const char *order)
{
	int y, rows, columns;
	size_t i;

	getmaxyx(stdscr, rows, columns);
	erase();
	mvprintw(0, 0, "%zu groups, by %s. q ends; sort: c CPU, t tasks, l limit, r refused, g",
		 round->n, order);
	attron(A_REVERSE);
	mvprintw(1, 0, "%-*.*s", columns, columns, title);
	attroff(A_REVERSE);
	for (y = 2, i = first; y < rows && i < round->n; y++, i++) {
		const struct row *row = &round->rows[i];
		char *line = line_of(row), *name = NULL;
		size_t len;
		FILE *f = open_memstream(&name, &len);

		if (!f)
			out_of_memory();
		put_name(f, row->name, false);
		fclose(f);
		if (row->percent > NEAR_PERCENT || row->refused > 0)
			attron(A_BOLD);
		mvaddnstr(y, 0, line, columns);
		if (columns > (int)strlen(line))
			addnstr(name, columns - strlen(line));
		attroff(A_BOLD);
		free(line);
		free(name);
	}
	refresh();
}

/* Wait, and do what keys say. False to end. */
static bool wait_for_key(double sec, size_t *order, size_t *first, bool *again)
{
	int key, rows = getmaxy(stdscr) - 3;
	size_t i;

	*again = false;
	timeout(sec * 1000);
	key = getch();
	switch (key) {
	case ERR:
		*again = true;
		return true;
	case 'q':
		return false;
	case KEY_DOWN:
		++*first;
		return true;
	case KEY_UP:
		*first -= *first > 0;
		return true;
	case KEY_NPAGE:
		*first += rows;
		return true;
	case KEY_PPAGE:
		*first -= *first > (size_t)rows ? (size_t)rows : *first;
		return true;
	}
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		if (orders[i].key == tolower(key))
			*order = i;
	}
	return true;
}

/**
 * struct topping - what is asked for
 * @delay: seconds between rounds
 * @rounds: how many; 0 is no end
 * @batch: no screen
 * @order: by what it is sorted
 */
struct topping {
	double delay;
	unsigned long rounds;
	bool batch;
	size_t order;
};

static int take_round(struct round *round)
{
	struct bc *bc = open_bc();
	int status;

	clock_gettime(CLOCK_MONOTONIC, &round->when);
	status = each_group(bc, NULL, 0, true, add_row, round);
	bc_close(bc);
	return status;
}

static double left_of(const struct round *round, double delay)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	delay -= now.tv_sec - round->when.tv_sec +
		(now.tv_nsec - round->when.tv_nsec) / 1e9;
	return delay > 0 ? delay : 0;
}

static int loop(struct topping *t)
{
	struct round last = { }, round = { };
	int status = STATUS_OK;
	unsigned long n = 0;
	size_t first = 0;
	bool more = true;

	while (more && !status) {
		status = take_round(&round);
		if (status)
			break;
		compute_rates(&round, &last);
		free_round(&last);
		/* Rates need two rounds: the first one is shown if it is the only one. */
		n++;
		qsort(round.rows, round.n, sizeof(*round.rows), orders[t->order].compare);
		if (t->batch) {
			print_batch(&round, true);
			more = n != t->rounds && !ferror(stdout);
			if (more) {
				double sec = left_of(&round, t->delay);

				putchar('\n');
				usleep(sec * 1000000);
			}
		} else {
			bool again = false;

			while (more && !again) {
				if (first >= round.n)
					first = round.n ? round.n - 1 : 0;
				qsort(round.rows, round.n, sizeof(*round.rows),
				      orders[t->order].compare);
				print_screen(&round, first, orders[t->order].name);
				if (n == t->rounds)
					more = false;
				more = more && wait_for_key(left_of(&round, t->delay),
							    &t->order, &first, &again);
			}
		}
		last = round;
		qsort(last.rows, last.n, sizeof(*last.rows), by_id);
		memset(&round, 0, sizeof(round));
	}
	free_round(&last);
	free_round(&round);
	return status;
}

static int cmd_top(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "delay", required_argument, NULL, 'd' },
		{ "iterations", required_argument, NULL, 'n' },
		{ "batch", no_argument, NULL, 'b' },
		{ "sort", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct topping t = { .delay = 2 };
	SCREEN *screen = NULL;
	int c, status;
	size_t i;

	while ((c = next_option(argc, argv, "d:n:bs:", longs)) != -1) {
		switch (c) {
		case 'd':
			t.delay = seconds_arg("--delay", optarg);
			break;
		case 'n':
			t.rounds = count_arg("--iterations", optarg);
			break;
		case 'b':
			t.batch = true;
			break;
		case 's':
			for (i = 0; i < ARRAY_SIZE(orders); i++) {
				if (!strcmp(orders[i].name, optarg))
					break;
			}
			if (i == ARRAY_SIZE(orders))
				return usage("--sort: there is no order '%s'", optarg);
			t.order = i;
			break;
		}
	}
	if (optind < argc)
		return usage("'%s' is too much", argv[optind]);
	/* Into a pipe, one round, as systemd-cgtop. */
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
		t.batch = true;
		if (!t.rounds)
			t.rounds = 1;
	}
	/* Before the screen is taken: what is wrong is to be seen. */
	bc_close(open_bc());
	if (!t.batch) {
		/* Names may be UTF-8. */
		setlocale(LC_CTYPE, "");
		screen = newterm(NULL, stdout, stdin);
		if (!screen) {
			note("cannot use terminal '%s': as with --batch", getenv("TERM") ?: "");
			t.batch = true;
		}
	}
	if (screen) {
		cbreak();
		noecho();
		keypad(stdscr, TRUE);
		curs_set(0);
	}
	status = loop(&t);
	if (screen) {
		endwin();
		delscreen(screen);
	}
	return status;
}

const struct command top_command = {
	.name = "top",
	.run = cmd_top,
	.args = "[-d SEC] [-n N] [-b] [-s ORDER]",
	.summary = "Groups, live",
	.help =
	"  -d, --delay SEC       between two rounds, 2\n"
	"  -n, --iterations N    end after so many rounds\n"
	"  -b, --batch           lines instead of a screen; one round if it is no terminal\n"
	"  -s, --sort ORDER      cpu, tasks, limit, refused or group\n"
	"\n"
	"Keys: q ends it; c, t, l, r and g sort; arrows and pages scroll.\n",
};
