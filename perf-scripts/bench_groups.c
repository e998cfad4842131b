// SPDX-License-Identifier: GPL-2.0
/*
 * What operations on groups cost, next to few and next to many other groups. In
 * the lab's deterministic guest a nanosecond is an instruction.
 *
 * usage: bench_groups [FEW [MANY]]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ROOT "/sys/kernel/config/bc"
#define ROUNDS 40
#define BOUND 1.2

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void get(const char *path)
{
	char buf[64];
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, buf, sizeof(buf)) < 0)
		die(path);
	close(fd);
}

static void op_mkdir(void)
{
	if (mkdir(ROOT "/probe", 0755))
		die("mkdir");
}

static void op_rmdir(void)
{
	if (rmdir(ROOT "/probe"))
		die("rmdir");
}

static void op_attach(void)
{
	put(ROOT "/one/tasks", "0");
}

static void op_attach_back(void)
{
	put(ROOT "/two/tasks", "0");
}

static void op_read(void)
{
	get(ROOT "/id");
}

static void op_missing(void)
{
	struct stat st;

	if (!stat(ROOT "/missing", &st))
		die("stat");
}

static void op_nothing(void)
{
}

/* Each is measured, then undone. */
static const struct {
	const char *name;
	void (*op)(void);
	void (*undo)(void);
} ops[] = {
	{ "mkdir", op_mkdir, op_rmdir },
	{ "rmdir", op_rmdir, op_mkdir },
	{ "attach", op_attach, op_attach_back },
	{ "open, read, close a file in the root", op_read, op_nothing },
	{ "look up a name that is missing", op_missing, op_nothing },
};

#define NOPS ARRAY_SIZE(ops)

static void measure(long *cost)
{
	size_t i;
	int r;

	for (i = 0; i < NOPS; i++) {
		if (ops[i].op == op_rmdir)
			op_mkdir();
		cost[i] = 0;
		for (r = 0; r < ROUNDS; r++) {
			long t = now();

			ops[i].op();
			t = now() - t;
			if (!r || t < cost[i])
				cost[i] = t;
			ops[i].undo();
		}
		if (ops[i].op == op_rmdir)
			op_rmdir();
	}
}

/* Slab + Percpu, in KB. */
static long memory(void)
{
	long sum = 0, kb;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	if (!f)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Slab: %ld", &kb) == 1 ||
		    sscanf(line, "Percpu: %ld", &kb) == 1)
			sum += kb;
	}
	fclose(f);
	return sum;
}

static void group(int i, int (*fn)(const char *path))
{
	char path[64];

	snprintf(path, sizeof(path), ROOT "/other-%d", i);
	if (fn(path))
		die(path);
}

static int make(const char *path)
{
	return mkdir(path, 0755);
}

int main(int argc, char **argv)
{
	int few = argc > 1 ? atoi(argv[1]) : 10;
	int many = argc > 2 ? atoi(argv[2]) : 10000;
	long at_few[NOPS], at_many[NOPS], mem, first = 0, last = 0;
	int i, rc = 0, even;

	printf("TAP version 13\n1..%zu\n", NOPS + 1);
	if (mkdir(ROOT "/one", 0755) || mkdir(ROOT "/two", 0755))
		die("mkdir");
	for (i = 0; i < few; i++)
		group(i, make);
	measure(at_few);

	mem = memory();
	for (; i < many; i++)
		group(i, make);
	mem = memory() - mem;
	measure(at_many);

	for (i = 0; i < (int)NOPS; i++) {
		double ratio = (double)at_many[i] / at_few[i];

		if (ratio > BOUND)
			rc = 1;
		printf("%s %d %s: %ld next to %d groups, %ld next to %d (%.3f times)\n",
		       ratio > BOUND ? "not ok" : "ok", i + 1, ops[i].name,
		       at_few[i], few, at_many[i], many, ratio);
	}
	printf("# %.2f KB of Slab and Percpu a group\n", (double)mem / (many - few));

	put(ROOT "/tasks", "0");
	rmdir(ROOT "/one");
	rmdir(ROOT "/two");
	/* The last one goes as fast as the first, while the others are there. */
	for (i = many - 1; i >= 0; i--) {
		long t = now();

		group(i, rmdir);
		t = now() - t;
		if (i == many - 1 || (i > many - 40 && t < first))
			first = t;
		if (i == 39 || (i < 39 && t < last))
			last = t;
	}
	even = (double)first / last <= BOUND && (double)last / first <= BOUND;
	printf("%s %zu rmdir of the first of %d: %ld, of the last: %ld (%.3f times)\n",
	       even ? "ok" : "not ok", NOPS + 1, many, first, last, (double)last / first);
	return rc || !even;
}
