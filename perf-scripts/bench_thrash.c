// SPDX-License-Identifier: GPL-2.0
/*
 * Workloads that do not fit: processes that write to more memory than the limit of their
 * group leaves them, physpages/limit of a beancounter or memory.max of a cgroup v2, with
 * swap that is there already. In the lab's deterministic guest a nanosecond is an
 * instruction. perf-scripts/thrash runs this, and compares.
 *
 * usage: bench_thrash bc|cgroup WHAT
 *   sequential, random, hot   one process that writes to a word of one page after the
 *                 other, 40,000 times, with memory of 1.2, 2 and 4 times the limit of
 *                 16 MB. hot: nine of ten times it is one of the first tenth.
 *   neighbour     the same, random, twice the limit, beside a process with 4 MB that
 *                 writes to all of it all the time: own, each group has a limit, and
 *                 nothing has to be taken from the neighbour; common, what both are in
 *                 has one, with room for the neighbour
 *   processes     10 and 1,000 processes that have 64 MB together and write to all of it
 *                 in turn, twice; the limit is 32 MB
 *
 * All pages have been written to once before it begins. memory.max has what the kernel
 * has charged for the processes at the start on top, so that both leave the same for
 * pages. Prints a line for each run, "WHAT CASE" and:
 *   touches       writes that were done
 *   instructions  CPU time of the processes
 *   time          from begin to end: more if they have waited, or others worked for them
 *   in, out       pages that came from swap and went there, of the whole system
 *   own_in, own_out   those of the processes that thrash
 *   kills         processes that were killed for want of room
 *   looked, freed pages that reclaim has looked at and freed
 *   gone          1 if such a process did not come to its end
 *   lost          of the neighbour: faults, each is a page that was taken from it
 *   pages         of the neighbour
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bench.h"

#define TRACING "/sys/kernel/tracing"
#define DISK "/sys/block/zram0"
#define PAGE 4096

#define LIMIT 4096
#define TOUCHES 40000
#define NEIGHBOUR 1024
#define NEIGHBOUR_TOUCHES 20000
#define MAX_PROCESSES 1000
#define PROCESSES_LIMIT 8192
#define PROCESSES_ROUNDS 2

/*
 * The number in a file, or that behind a word at the beginning of one of its lines.
 * Return: -1, there is none.
 */
static long find(const char *dir, const char *name, const char *key)
{
	char path[PATH_MAX], line[256];
	size_t len = key ? strlen(key) : 0;
	long val = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		return -1;
	errno = ENODATA;
	while (val < 0 && fgets(line, sizeof(line), f)) {
		if (!key || (!strncmp(line, key, len) && strchr(" :", line[len])))
			val = strtol(line + len + !!key, NULL, 10);
	}
	fclose(f);
	return val;
}

static long get(const char *dir, const char *name, const char *key)
{
	long val = find(dir, name, key);

	if (val < 0) {
		fprintf(stderr, "%s/%s: ", dir, name);
		die(key ? key : "a number");
	}
	return val;
}

/*
 * The processes. They do one step after the other when they are told to, and each knows
 * whose turn it is by a futex of its own.
 */

enum pattern { SEQUENTIAL, RANDOM, HOT, ENDLESS };

/* What a process does: it starts, fills its memory, and thrashes, perhaps several times. */
enum { START = 1, FILL, THRASH };

/**
 * struct worker - a process
 * @told: the step that it is to do
 * @done: the last one that it has done
 * @pid: 0, it is gone
 * @dir: its group
 * @pages: its memory
 * @pattern: how it writes to it
 * @touches: how often, in a step
 * @count: how often it did, in all
 * @cpu: nanoseconds of CPU time that this has taken
 * @major: pages that came from swap meanwhile
 * @minor: faults for others
 */
struct worker {
	int		told;
	int		done;
	pid_t		pid;
	const char	*dir;
	size_t		pages;
	enum pattern	pattern;
	size_t		touches;
	long		count;
	long		cpu;
	long		major;
	long		minor;
};

/* What all share. It is made outside of the groups, and so is nobody's. */
static struct {
	int		stop;	/* for ENDLESS */
	struct worker	workers[MAX_PROCESSES];
} *shared;

static size_t nr_workers;

static const struct kind {
	const char *name, *root, *tasks, *limit;
} kinds[] = {
	{ "bc", "/sys/kernel/config/bc", "tasks", "physpages/limit" },
	{ "cgroup", "/sys/fs/cgroup", "cgroup.procs", "memory.max" },
};

static const struct kind *kind;

static int is_cgroup(void)
{
	return kind == &kinds[1];
}

static void futex_wake(int *word, int val)
{
	__atomic_store_n(word, val, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Return: whether it has come so far, and not just the time. */
static int futex_wait(int *word, int val, const struct timespec *timeout)
{
	int now = __atomic_load_n(word, __ATOMIC_SEQ_CST);

	if (now < val)
		syscall(SYS_futex, word, FUTEX_WAIT, now, timeout, NULL, 0);
	return __atomic_load_n(word, __ATOMIC_SEQ_CST) >= val;
}

static unsigned long next_random(unsigned long *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static size_t next_page(const struct worker *w, enum pattern how, size_t i, unsigned long *x)
{
	size_t hot = w->pages / 10;
	unsigned long r;

	switch (how) {
	case RANDOM:
		return next_random(x) % w->pages;
	case HOT:
		r = next_random(x);
		if (r % 10)
			return r / 10 % hot;
		return hot + r / 10 % (w->pages - hot);
	default:
		return i % w->pages;
	}
}

/* Return: how often. */
static size_t touch(const struct worker *w, char *mem, enum pattern how, size_t touches)
{
	unsigned long x = 88172645463325252;
	size_t i;

	for (i = 0; i < touches; i++) {
		size_t page = next_page(w, how, i, &x);

		/* Never zeroes only, which need no swap. */
		__atomic_store_n((size_t *)(mem + page * PAGE), i + 1, __ATOMIC_RELAXED);
		if (how == ENDLESS && __atomic_load_n(&shared->stop, __ATOMIC_RELAXED))
			break;
	}
	return i;
}

static void thrash(struct worker *w, char *mem)
{
	struct rusage before, after;
	long cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	getrusage(RUSAGE_SELF, &before);
	w->count += touch(w, mem, w->pattern, w->touches);
	getrusage(RUSAGE_SELF, &after);
	w->cpu += clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	w->major += after.ru_majflt - before.ru_majflt;
	w->minor += after.ru_minflt - before.ru_minflt;
}

/* A neighbour is there already, with all of its pages. */
static size_t fill_touches(const struct worker *w)
{
	return w->pattern == ENDLESS ? 3 * w->pages : w->pages;
}

static void work(struct worker *w)
{
	char *mem;
	int step;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	put(w->dir, kind->tasks, "0");
	mem = mmap(NULL, w->pages * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	for (step = START;; step++) {
		while (!futex_wait(&w->told, step, NULL))
			;
		if (step == START)
			touch(w, mem, SEQUENTIAL, 1);	/* for its page table */
		else if (step == FILL)
			touch(w, mem, SEQUENTIAL, fill_touches(w));
		else
			thrash(w, mem);
		futex_wake(&w->done, step);
	}
}

static struct worker *start(const char *dir, size_t pages, enum pattern how, size_t touches)
{
	struct worker *w = &shared->workers[nr_workers++];
	pid_t pid;

	*w = (struct worker){ .dir = dir, .pages = pages, .pattern = how, .touches = touches };
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		work(w);
	w->pid = pid;
	return w;
}

static void tell(struct worker *w, int step)
{
	futex_wake(&w->told, step);
}

static int is_gone(struct worker *w)
{
	int status;

	if (w->pid && waitpid(w->pid, &status, WNOHANG) > 0) {
		w->pid = 0;
		if (WIFEXITED(status))
			exit(1);	/* it has said why */
	}
	return !w->pid;
}

/* One that is killed never answers. */
static void wait_for(struct worker *w, int step)
{
	const struct timespec second = { .tv_sec = 1 };

	while (w->pid && !futex_wait(&w->done, step, &second) && !is_gone(w))
		;
}

static void do_step(struct worker *w, int step)
{
	tell(w, step);
	wait_for(w, step);
}

/* One after the other. */
static void all_do(int step)
{
	size_t i;

	for (i = 0; i < nr_workers; i++)
		do_step(&shared->workers[i], step);
}

/* Return: whether all of them have come to this end. */
static int end_all(void)
{
	int whole = 1;
	size_t i;

	for (i = 0; i < nr_workers; i++) {
		struct worker *w = &shared->workers[i];

		if (is_gone(w)) {
			whole = 0;
			continue;
		}
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, 0);
	}
	nr_workers = 0;
	return whole;
}

/*
 * Groups
 */

static void make_group(char *dir, size_t size, const char *parent, const char *name)
{
	if (is_cgroup())
		put(parent, "cgroup.subtree_control", "+memory");
	snprintf(dir, size, "%s/%s", parent, name);
	if (mkdir(dir, 0755))
		die(dir);
}

static void remove_group(const char *dir)
{
	if (rmdir(dir))
		die(dir);
}

static void set_limit(const char *dir, size_t pages)
{
	size_t bytes = pages * PAGE;
	char text[32];

	if (is_cgroup())
		bytes += get(dir, "memory.stat", "kernel");
	snprintf(text, sizeof(text), "%zuK", bytes / 1024);
	put(dir, kind->limit, text);
}

/*
 * What is counted
 */

struct counts {
	long time, in, out, swapped, kills, looked, freed;
};

static void clear_trace(void)
{
	int fd = open(TRACING "/trace", O_WRONLY | O_TRUNC);

	if (fd < 0)
		die(TRACING "/trace");
	close(fd);
}

static void trace_reclaim(void)
{
	if (access(TRACING "/trace", F_OK) &&
	    mount("tracefs", TRACING, "tracefs", 0, NULL))
		die(TRACING);
	put(TRACING, "buffer_size_kb", "16384");
	put(TRACING, "events/bc/bc_reclaim/enable", "1");
}

/* What the tracepoint has said since it was cleared. */
static void read_trace(struct counts *c)
{
	unsigned long freed, looked, here, written;
	FILE *f = fopen(TRACING "/trace", "r");
	char line[1024], *p;

	if (!f)
		die(TRACING "/trace");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "# entries-in-buffer/entries-written: %lu/%lu", &here,
			   &written) == 2 && here != written) {
			errno = EOVERFLOW;
			die(TRACING "/trace");
		}
		p = *line == '#' ? NULL : strstr(line, " freed=");
		if (p && sscanf(p, " freed=%lu looked=%lu", &freed, &looked) == 2) {
			c->freed += freed;
			c->looked += looked;
		}
	}
	fclose(f);
}

/* In pages, of those who thrash. */
static long in_swap(void)
{
	long kb = 0, val;
	char dir[32];
	size_t i;

	for (i = 0; i < nr_workers; i++) {
		struct worker *w = &shared->workers[i];

		if (is_gone(w) || w->pattern == ENDLESS)
			continue;
		snprintf(dir, sizeof(dir), "/proc/%d", w->pid);
		val = find(dir, "status", "VmSwap");
		if (val > 0)
			kb += val;	/* or it is on its way out */
	}
	return kb * 1024 / PAGE;
}

/*
 * Pages that have been read from swap and written to it, since boot. The disk says so, in
 * sectors, as the kernel has no VM_EVENT_COUNTERS.
 */
static void count_swap(long *in, long *out)
{
	unsigned long sectors[2];
	FILE *f = fopen(DISK "/stat", "r");

	if (!f || fscanf(f, "%*u %*u %lu %*u %*u %*u %lu", &sectors[0], &sectors[1]) != 2)
		die(DISK "/stat");
	fclose(f);
	*in = sectors[0] * 512 / PAGE;
	*out = sectors[1] * 512 / PAGE;
}

static void count(struct counts *c, const char *dir)
{
	memset(c, 0, sizeof(*c));
	count_swap(&c->in, &c->out);
	c->swapped = in_swap();
	if (is_cgroup()) {
		c->kills = get(dir, "memory.events", "oom_kill");
		c->looked = get(dir, "memory.stat", "pgscan");
		c->freed = get(dir, "memory.stat", "pgsteal");
	} else {
		c->kills = get(dir, "physpages/oom_kills", NULL);
		read_trace(c);
	}
}

/* Kills count from when the group was made, which is before it is full. */
static void begin(struct counts *c, const char *dir)
{
	if (!is_cgroup())
		clear_trace();
	count(c, dir);
	c->time = clock_ns(CLOCK_MONOTONIC);
}

static void report(const struct counts *b, const char *dir)
{
	long time = clock_ns(CLOCK_MONOTONIC) - b->time;
	long touches = 0, cpu = 0, major = 0;
	struct counts e;
	size_t i;

	count(&e, dir);
	for (i = 0; i < nr_workers; i++) {
		const struct worker *w = &shared->workers[i];

		if (w->pattern == ENDLESS)
			continue;
		touches += w->count;
		cpu += w->cpu;
		major += w->major;
	}
	printf(" touches=%ld instructions=%ld time=%ld in=%ld out=%ld own_in=%ld own_out=%ld",
	       touches, cpu, time, e.in - b->in, e.out - b->out, major,
	       major + e.swapped - b->swapped);
	printf(" kills=%ld looked=%ld freed=%ld", e.kills, e.looked - b->looked,
	       e.freed - b->freed);
}

static void end_line(void)
{
	printf(" gone=%d\n", !end_all());
	fflush(stdout);
}

/*
 * What is measured
 */

static void one_process(const char *what, enum pattern how)
{
	static const int tenths[] = { 12, 20, 40 };
	struct counts before;
	char dir[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tenths); i++) {
		make_group(dir, sizeof(dir), kind->root, "thrash");
		start(dir, LIMIT * tenths[i] / 10, how, TOUCHES);
		all_do(START);
		set_limit(dir, LIMIT);
		all_do(FILL);
		begin(&before, dir);
		all_do(THRASH);
		printf("%s %d.%d", what, tenths[i] / 10, tenths[i] % 10);
		report(&before, dir);
		end_line();
		remove_group(dir);
	}
}

static void sequential(void)
{
	one_process("sequential", SEQUENTIAL);
}

static void random_pages(void)
{
	one_process("random", RANDOM);
}

static void hot(void)
{
	one_process("hot", HOT);
}

static void beside(const char *name, int common)
{
	char top[64], a[80], b[80];
	struct worker *neighbour, *other;
	struct counts before;

	make_group(top, sizeof(top), kind->root, "thrash");
	make_group(a, sizeof(a), top, "a");
	make_group(b, sizeof(b), top, "b");
	shared->stop = 0;
	neighbour = start(b, NEIGHBOUR, ENDLESS, SIZE_MAX);
	other = start(a, 2 * LIMIT, RANDOM, NEIGHBOUR_TOUCHES);
	all_do(START);
	if (common) {
		set_limit(top, LIMIT + NEIGHBOUR);
	} else {
		set_limit(a, LIMIT);
		set_limit(b, LIMIT);
	}
	/* Or its pages would be old before it begins to use them. */
	do_step(other, FILL);
	do_step(neighbour, FILL);
	begin(&before, top);
	tell(neighbour, THRASH);
	do_step(other, THRASH);
	printf("neighbour %s", name);
	report(&before, top);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
	wait_for(neighbour, THRASH);
	printf(" lost=%ld pages=%d", neighbour->major + neighbour->minor, NEIGHBOUR);
	end_line();
	remove_group(b);
	remove_group(a);
	remove_group(top);
}

static void with_neighbour(void)
{
	beside("own", 0);
	beside("common", 1);
}

static void many(void)
{
	static const int numbers[] = { 10, MAX_PROCESSES };
	struct counts before;
	char dir[64];
	size_t i;
	int j;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		size_t pages = 2 * PROCESSES_LIMIT / numbers[i];

		make_group(dir, sizeof(dir), kind->root, "thrash");
		for (j = 0; j < numbers[i]; j++)
			start(dir, pages, SEQUENTIAL, pages);
		all_do(START);
		set_limit(dir, PROCESSES_LIMIT);
		all_do(FILL);
		begin(&before, dir);
		for (j = 0; j < PROCESSES_ROUNDS; j++)
			all_do(THRASH + j);
		printf("processes %d", numbers[i]);
		report(&before, dir);
		end_line();
		remove_group(dir);
	}
}

static const struct {
	const char *name;
	void (*fn)(void);
} whats[] = {
	{ "sequential", sequential },
	{ "random", random_pages },
	{ "hot", hot },
	{ "neighbour", with_neighbour },
	{ "processes", many },
};

static void help(void)
{
	fputs("usage: bench_thrash bc|cgroup sequential|random|hot|neighbour|processes\n"
	      "There has to be swap. What is what is in the source.\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	size_t i, k;

	if (argc != 3)
		help();
	for (k = 0; k < ARRAY_SIZE(kinds); k++)
		if (!strcmp(argv[1], kinds[k].name))
			break;
	for (i = 0; i < ARRAY_SIZE(whats); i++)
		if (!strcmp(argv[2], whats[i].name))
			break;
	if (k == ARRAY_SIZE(kinds) || i == ARRAY_SIZE(whats))
		help();
	kind = &kinds[k];
	if (!get("/proc", "meminfo", "SwapTotal")) {
		fputs("bench_thrash: there is no swap\n", stderr);
		return 1;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	memset(shared, 0, sizeof(*shared));
	if (!is_cgroup())
		trace_reclaim();
	whats[i].fn();
	return 0;
}
