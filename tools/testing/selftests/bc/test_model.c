// SPDX-License-Identifier: GPL-2.0
/*
 * Operations at random, and a model that tells what each of them returns and what all
 * counters are after it. Where the kernel has it otherwise, the shortest list of
 * operations that shows it is printed. Then several at once, of whom only what is always
 * true is known. "--help" explains.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model/model.h"

/* Skipped, in KTAP's own way. */
#define KSFT_SKIP 4

/**
 * struct run - how operations are done, which a seed decides
 * @hierarchy_of: where resources are bound
 * @two: whether there is a second hierarchy
 * @often: the counters are compared after each operation; else only where something may
 *	be freed later, and at the end, so that CPUs keep their credit meanwhile
 */
struct run {
	int hierarchy_of[NR_RESOURCES];
	bool two, often;
};

/**
 * struct seen - what a list has shown
 * @wrong: what is not as it should be
 * @pages: what START and EXEC have mapped, by the numbers that they have in that list; or 0
 */
struct seen {
	char wrong[WRONG_SIZE];
	long pages[MAX_OPS];
};

static struct {
	unsigned long long seed;
	bool one_seed, dry, no_shrink, parallel;
	int ops, plant;
	double seconds, shrink_seconds, patience;
} opt = { .ops = 250, .plant = -1, .seconds = 60, .shrink_seconds = 300, .patience = 15 };

static struct model *model, *shown;
static struct run run;
static struct op ops[MAX_OPS];
/* By the last list, and by the shortest one that has failed as the first one did. */
static struct seen seen, found;
static char other[WRONG_SIZE];
static double run_end, shrink_end;
static bool shrinking, hasty, stuck, can_bind, can_exec;
static long done, refused, runs, otherwise;

static void start_model(struct model *m)
{
	model_init(m, run.hierarchy_of, sysconf(_SC_NPROCESSORS_CONF), can_exec);
	/* A list that has become shorter has no such place any more. */
	m->planted = opt.plant >= 0 && shrinking;
}

static void say_returned(long expected, long is)
{
	snprintf(seen.wrong, sizeof(seen.wrong), "returns: expected %s, is %s",
		 expected ? strerror(-expected) : "success", is ? strerror(-is) : "success");
}

/* Are the counters compared after it? To look at them takes credit back from CPUs. */
static bool is_looked_at(int i, bool at_once, long ret)
{
	return run.often || !at_once || ret || i % 16 == 15;
}

/* One operation, in both. False if they do not agree. */
static bool step(const struct op *op, int i)
{
	long amount = 0, expected, is;
	bool at_once;

	if (i == opt.plant)
		model->planted = true;
	if (op->kind == OP_LIMIT || op->kind == OP_BARRIER)
		amount = model_amount(model, op);
	at_once = model_settles_at_once(model, op);
	expected = model_do(model, op);
	if (expected == SKIPPED)
		return true;
	is = opt.dry ? expected : kernel_do(model, op, amount);
	done++;
	refused += expected < 0;
	if (is != expected) {
		say_returned(expected, is);
		return false;
	}
	if (!is && (op->kind == OP_START || op->kind == OP_EXEC)) {
		seen.pages[i] = opt.dry ? SOME_PAGES : kernel_pages(op->arg[0]);
		model_has_mapped(model, op, seen.pages[i]);
	}
	if (opt.dry || !is_looked_at(i, at_once, is))
		return true;
	model_looked(model);
	return kernel_compare(model, i % 8 == 7, hasty ? opt.patience / 5 : opt.patience,
			      seen.wrong);
}

/*
 * What comes before a list. A hierarchy is given its controllers while neither it nor the
 * default one has groups.
 */
static void show_beginning(void)
{
	int res, n = 0;

	if (run.two) {
		printf("# r1=/sys/kernel/config/bc_hierarchies/y; mkdir $r1\n# echo \"");
		for (res = 0; res < NR_RESOURCES; res++) {
			if (run.hierarchy_of[res] == 1)
				printf("%s%s", n++ ? " " : "", resource_names[res]);
		}
		printf("\" > $r1/controllers\n");
	}
	printf("# h0=/sys/kernel/config/bc/x; mkdir $h0\n");
	if (run.two)
		printf("# h1=$r1/x; mkdir $h1\n");
	printf("# # workers block SIGUSR1 and SIGRTMIN to SIGRTMIN+%d\n", NR_SIGNALS - 2);
	printf("# # all counters are looked at %s, and at the end\n",
	       run.often ? "each time" : "where it says \"look\"");
}

/*
 * Print a list, with what it is to return, how much is mapped, which nobody chooses, and
 * where the counters are looked at. What is seen after the last one is not for here.
 */
static void show(const struct op *list, int n, const long *pages)
{
	int i;

	show_beginning();
	start_model(shown);
	for (i = 0; i < n; i++) {
		struct model *before = model;
		long expected;

		*before = *shown;
		expected = model_do(shown, &list[i]);
		if (expected == SKIPPED)
			continue;
		print_op(before, &list[i], expected);
		if (pages[i]) {
			model_has_mapped(shown, &list[i], pages[i]);
			printf("# # worker %d has %ld private pages\n", list[i].arg[0], pages[i]);
		}
		if (!run.often && i < n - 1 &&
		    is_looked_at(i, model_settles_at_once(before, &list[i]), expected))
			printf("# # look\n");
	}
}

/* How many were done, with the one that has failed; 0 if all is well, -1: it cannot begin. */
static int play(struct op *list, int n, bool generate)
{
	int i, err, failed = 0;

	memset(seen.pages, 0, sizeof(seen.pages));
	start_model(model);
	err = opt.dry ? 0 : kernel_begin(run.hierarchy_of, run.two);
	if (err) {
		snprintf(seen.wrong, sizeof(seen.wrong), "cannot begin: %s", strerror(-err));
		return -1;
	}
	for (i = 0; i < n && !failed; i++) {
		/* Where all is slow, a list can take longer than there is time. */
		if (generate && !opt.one_seed && i && kernel_now() > run_end)
			break;
		if (generate)
			generate_op(model, &list[i]);
		if (!step(&list[i], i))
			failed = i + 1;
	}
	if (opt.dry)
		return 0;
	/* Those that were not compared each time. */
	model_looked(model);
	if (!failed && !kernel_compare(model, true, opt.patience, seen.wrong))
		failed = i;
	if (!kernel_end(!failed, hasty ? opt.patience / 3 : opt.patience, seen.wrong) && !failed)
		failed = i;
	return failed;
}

/* What it says, from the controller on: the groups of a path have one letter. */
static const char *without_group(const char *text)
{
	if (strncmp(text, "$h", 2))
		return text;
	text = strchr(text, '/');
	while (text && text[1] && text[2] == '/')
		text += 2;
	return text ?: "";
}

/*
 * Have two lists failed in the same way? Of a file of a group, the controller and the file
 * have to be the same. In which group it is first seen depends on which ones there are, and
 * by how much it is off, and to which side, on which group that is: a charge that has gone
 * to the wrong one is missing elsewhere. Of what is returned all has to be the same: what
 * takes too long or has died makes errors of its own.
 */
static bool same_failure(const char *a, const char *b)
{
	const char *end;

	a = without_group(a);
	b = without_group(b);
	end = strstr(a, ": expected");
	if (!end || !strncmp(a, "returns", 7))
		return !strcmp(a, b);
	return !strncmp(a, b, end - a + strlen(": expected"));
}

static bool fails(const struct op *list, int *n)
{
	int failed;

	if (kernel_now() > shrink_end) {
		*n = 0;
		return false;
	}
	failed = play((struct op *)list, *n, false);
	if (!failed)
		return false;
	/* A group that stays, as what was found may have it, is in the way of all others. */
	if (failed < 0) {
		stuck = true;
		*n = 0;
		return false;
	}
	if (!same_failure(found.wrong, seen.wrong)) {
		memcpy(other, seen.wrong, sizeof(other));
		otherwise++;
		return false;
	}
	found = seen;
	*n = failed;
	return true;
}

static void shrink_and_show(int n)
{
	bool same = true;
	int again = n;

	found = seen;
	printf("# after %d operations: %s\n", n, found.wrong);
	shrinking = true;
	shrink_end = kernel_now() + opt.shrink_seconds;
	if (!opt.no_shrink) {
		hasty = true;
		n = shrink(ops, n, fails);
		hasty = false;
		/* Once more, with all patience: what was only late is right then. */
		again = stuck ? -1 : play(ops, n, false);
		same = again > 0 && same_failure(found.wrong, seen.wrong);
		if (same) {
			n = again;
			found = seen;
		}
	}
	show(ops, n, found.pages);
	printf("# %s\n", found.wrong);
	if (otherwise)
		printf("# %ld other lists have failed otherwise, the last one: %s\n", otherwise,
		       other);
	if (again < 0)
		printf("# no more lists can be tried: %s\n", seen.wrong);
	else if (!again)
		printf("# done once more, with all patience, it did not fail again\n");
	else if (!same)
		printf("# done once more, it failed otherwise: %s\n", seen.wrong);
	shrinking = false;
}

/* What a seed says besides the operations. */
static void choose_run(void)
{
	int res, two = rnd(3) == 0, often = rnd(2);

	run = (struct run){ .two = two && can_bind, .often = often };
	for (res = 0; res < NR_RESOURCES; res++) {
		int h = rnd(2);

		run.hierarchy_of[res] = run.two ? h : 0;
	}
}

static int sequential(double end)
{
	int failed;

	run_end = end;
	do {
		set_seed(opt.seed);
		choose_run();
		printf("# --seed %llu --ops %d: hierarchies %d, compared %s\n", opt.seed, opt.ops,
		       1 + run.two, run.often ? "each time" : "now and then");
		fflush(stdout);
		failed = play(ops, opt.ops, true);
		if (opt.dry) {
			show(ops, opt.ops, seen.pages);
			return 0;
		}
		if (failed < 0) {
			printf("# %s\n", seen.wrong);
			return failed;
		}
		runs++;
		if (failed) {
			shrink_and_show(failed);
			return failed;
		}
		opt.seed++;
	} while (!opt.one_seed && kernel_now() < end);
	return 0;
}

static void help(FILE *f)
{
	fprintf(f, "usage: test_model [OPTION ...]\n"
		"  --seconds N         how long, a quarter of it in parallel (BC_SECONDS, 60)\n"
		"  --parallel          all of it in parallel\n"
		"  --seed N            the operations of this one, and no others (BC_SEED)\n"
		"  --ops N             so many of each seed (250, at most %d)\n"
		"  --dry-run           print them, with what they are to return; needs no kernel\n"
		"  --plant N           the model is wrong from operation N on: what is duplicated\n"
		"                      counts twice\n"
		"  --no-shrink         print the list that has failed as it is\n"
		"  --shrink-seconds N  how long a shorter one is looked for (300)\n"
		"  --patience N        seconds in which counters have to settle (15)\n", MAX_OPS);
}

static bool get_seconds(const char *what, const char *text, double least, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	/* It takes "nan" and "inf", too. */
	if (end != text && !*end && *seconds >= least && *seconds <= 1e9)
		return true;
	fprintf(stderr, "test_model: %s: \"%s\" is not a number from %g to 1e9\n", what, text,
		least);
	return false;
}

static bool get_number(const char *what, const char *text, unsigned long long least,
		       unsigned long long most, unsigned long long *n)
{
	char *end;

	errno = 0;
	*n = strtoull(text, &end, 0);
	/* It takes a sign, too. */
	if (*text >= '0' && *text <= '9' && !*end && !errno && *n >= least && *n <= most)
		return true;
	fprintf(stderr, "test_model: %s: \"%s\" is not a number from %llu to %llu\n", what, text,
		least, most);
	return false;
}

static int parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "parallel", no_argument, NULL, 'P' },
		{ "seed", required_argument, NULL, 'r' },
		{ "ops", required_argument, NULL, 'n' },
		{ "dry-run", no_argument, NULL, 'd' },
		{ "plant", required_argument, NULL, 'p' },
		{ "no-shrink", no_argument, NULL, 'l' },
		{ "shrink-seconds", required_argument, NULL, 'S' },
		{ "patience", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *seed = getenv("BC_SEED"), *seconds = getenv("BC_SECONDS");
	unsigned long long n;
	bool ok = true;
	int c;

	opt.seed = time(NULL) ^ (unsigned long long)getpid() << 32;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			seconds = optarg;
			break;
		case 'P':
			opt.parallel = true;
			break;
		case 'r':
			seed = optarg;
			break;
		case 'n':
			ok &= get_number("--ops", optarg, 1, MAX_OPS, &n);
			opt.ops = n;
			break;
		case 'd':
			opt.dry = true;
			break;
		case 'p':
			ok &= get_number("--plant", optarg, 0, MAX_OPS, &n);
			opt.plant = n;
			break;
		case 'l':
			opt.no_shrink = true;
			break;
		case 'S':
			ok &= get_seconds("--shrink-seconds", optarg, 0, &opt.shrink_seconds);
			break;
		case 'w':
			ok &= get_seconds("--patience", optarg, 0, &opt.patience);
			break;
		case 'h':
			help(stdout);
			exit(0);
		default:
			return -EINVAL;
		}
	}
	/* What is given as an option takes the place of the environment. */
	if (seconds)
		ok &= get_seconds("--seconds, BC_SECONDS", seconds, 0.001, &opt.seconds);
	if (seed)
		ok &= get_number("--seed, BC_SEED", seed, 0, ULLONG_MAX, &opt.seed);
	opt.one_seed = seed;
	return optind == argc && ok ? 0 : -EINVAL;
}

/*
 * Is what was done worth an "ok"? Of 250 that are drawn, 30 or more make sense in any list
 * that is done to its end. One seed, which somebody asks for, is what it is.
 */
static bool is_enough(void)
{
	if (opt.one_seed || done >= opt.ops / 10)
		return true;
	printf("# that is too little to tell\n");
	return false;
}

static void result(int n, bool ok, const char *what)
{
	printf("%sok %d %s\n", ok ? "" : "not ", n, what);
}

int main(int argc, char **argv)
{
	const char *why;
	bool same = true, well = true;

	kernel_worker_main(argc, argv);
	setlinebuf(stdout);
	if (parse(argc, argv)) {
		help(stderr);
		return 2;
	}
	model = calloc(1, sizeof(*model));
	shown = calloc(1, sizeof(*shown));
	if (!model || !shown)
		return 1;
	/* That both be there is what a seed is made for. */
	can_bind = true;
	can_exec = true;
	if (opt.dry)
		return sequential(0);

	printf("TAP version 13\n");
	why = kernel_unavailable();
	if (why) {
		printf("1..0 # SKIP %s\n", why);
		return KSFT_SKIP;
	}
	can_bind = kernel_can_bind();
	can_exec = kernel_can_exec();
	if (!can_bind || !can_exec)
		printf("# without %s\n", can_bind ? "execve: it is not linked statically" :
						    "a second hierarchy: there are groups");
	printf("1..2\n");
	if (kernel_init()) {
		printf("Bail out! no workers: %s\n", strerror(errno));
		return 1;
	}
	if (opt.parallel) {
		printf("ok 1 model.sequential # SKIP was not asked for\n");
	} else {
		same = !sequential(kernel_now() + opt.seconds * 3 / 4);
		printf("# %ld lists, %ld operations, %ld refused\n", runs, done, refused);
		same = same && is_enough();
		result(1, same, "model.sequential");
	}
	if (!opt.parallel && (opt.one_seed || !same)) {
		printf("ok 2 model.parallel # SKIP only after a run of many seeds\n");
	} else {
		printf("# --seed %llu\n", opt.seed);
		well = parallel(opt.parallel ? opt.seconds : opt.seconds / 4, opt.seed, seen.wrong);
		if (!well)
			printf("# %s\n", seen.wrong);
		result(2, well, "model.parallel");
	}
	kernel_exit();
	return !same || !well;
}
