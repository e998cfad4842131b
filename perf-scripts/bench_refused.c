// SPDX-License-Identifier: GPL-2.0
/*
 * What an open(2) costs that a beancounter refuses, next to one that it does not. In
 * the lab's deterministic guest a nanosecond is an instruction. perf-scripts/bench
 * runs this with and without somebody who listens.
 *
 * usage: bench_refused
 *
 * Prints the median of 200 opens that succeed (without the close), that of 200 that are
 * refused, and that of 2,000 in a row: in a storm, most events are lost, and what the
 * others cost is not in the median.
 */
#define _GNU_SOURCE
#include <sys/stat.h>

#include "bench.h"

#define GROUP "/sys/kernel/config/bc/bench"

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return x < y ? -1 : x > y;
}

/* The median of @n opens, each followed by @pause microseconds of rest. */
static long measure(int n, int pause, int want)
{
	static long cost[2000];
	long begin;
	int i, fd;

	for (i = 0; i < n; i++) {
		begin = now();
		fd = open("/dev/null", O_RDONLY);
		cost[i] = now() - begin;
		if (fd < 0 ? errno != want : want)
			die("open");
		if (fd >= 0)
			close(fd);
		if (pause)
			usleep(pause);
	}
	qsort(cost, n, sizeof(cost[0]), compare);
	return cost[n / 2];
}

int main(void)
{
	long ok, one, storm;
	int limit;

	if (mkdir(GROUP, 0755))
		die(GROUP);
	put_file(GROUP "/tasks", "0");
	ok = measure(200, 1000, 0);
	/* Where no file can be opened, that of the limit cannot. */
	limit = open(GROUP "/numfiles/limit", O_WRONLY);
	if (limit < 0 || write(limit, "0", 1) != 1)
		die("limit");
	measure(1, 1000, ENFILE);	/* the first one is logged */
	one = measure(200, 1000, ENFILE);
	storm = measure(2000, 0, ENFILE);
	printf("open %ld, refused %ld, in a storm %ld\n", ok, one, storm);

	if (write(limit, "max", 3) != 3)
		die("limit");
	put_file("/sys/kernel/config/bc/tasks", "0");
	return rmdir(GROUP) ? 1 : 0;
}
