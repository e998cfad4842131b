// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to share a group: processes on CPUs of their own that open and close
 * a file, or create and join a thread, all in one group or each in its own.
 *
 * usage: bench_parallel [MILLISECONDS]
 *
 * Prints "OPERATION WHERE CPUS OPERATIONS-A-SECOND", the best of 7 rounds of
 * MILLISECONDS (300), for 1, 2, 4, ... CPUs, as many as there are. What else is going
 * on makes it slower, never faster.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bench.h"

#define BC "/sys/kernel/config/bc"
#define CGROUP "/sys/fs/cgroup"
#define ROUNDS 7
#define MAX_CPUS 64

static int op_open(void)
{
	int fd = open("/dev/null", O_RDONLY);

	return fd < 0 ? fd : close(fd);
}

static void *nothing(void *arg)
{
	return arg;
}

static int op_thread(void)
{
	pthread_t t;

	return pthread_create(&t, NULL, nothing, NULL) ? -1 : pthread_join(t, NULL);
}

static const struct {
	const char *name;
	int (*fn)(void);
} ops[] = {
	{ "open", op_open },
	{ "thread", op_thread },
};

/* Where the processes are: @root is NULL for nowhere. */
static const struct {
	const char *name, *root, *tasks;
	int shared;
} places[] = {
	{ "none", NULL, NULL, 0 },
	{ "bc-shared", BC, "tasks", 1 },
	{ "bc-separate", BC, "tasks", 0 },
	{ "pids-shared", CGROUP, "cgroup.procs", 1 },
	{ "pids-separate", CGROUP, "cgroup.procs", 0 },
};

static void set_limits(const char *dir)
{
	char name[300], path[600];
	struct dirent *de;
	DIR *d = opendir(dir);

	while (d && (de = readdir(d))) {
		snprintf(name, sizeof(name), "%s/limit", de->d_name);
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (de->d_name[0] != '.' && !access(path, F_OK))
			put(dir, name, "100000");
	}
	if (d)
		closedir(d);
}

static void make_groups(int cpus)
{
	char dir[64];
	int i;

	put(CGROUP, "cgroup.subtree_control", "+pids");
	for (i = 0; i < cpus; i++) {
		snprintf(dir, sizeof(dir), BC "/parallel%d", i);
		if (mkdir(dir, 0755))
			die(dir);
		set_limits(dir);
		snprintf(dir, sizeof(dir), CGROUP "/parallel%d", i);
		if (mkdir(dir, 0755))
			die(dir);
		put(dir, "pids.max", "100000");
	}
}

static void remove_groups(int cpus)
{
	char dir[64];
	int i;

	for (i = 0; i < cpus; i++) {
		snprintf(dir, sizeof(dir), BC "/parallel%d", i);
		rmdir(dir);
		snprintf(dir, sizeof(dir), CGROUP "/parallel%d", i);
		rmdir(dir);
	}
}

static struct {
	int ready, go, stop;
	long done[MAX_CPUS];
} *shared;

static void work(int cpu, int place, int op)
{
	char dir[64];
	cpu_set_t set;
	long n = 0;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
	if (places[place].root) {
		snprintf(dir, sizeof(dir), "%s/parallel%d", places[place].root,
			 places[place].shared ? 0 : cpu);
		put(dir, places[place].tasks, "0");
	}
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&shared->go, __ATOMIC_SEQ_CST))
		sched_yield();
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		if (ops[op].fn())
			die(ops[op].name);
		n++;
	}
	shared->done[cpu] = n;
	_exit(0);
}

/* Operations a second, of all CPUs together. */
static long round_of(int cpus, int place, int op, long ms)
{
	struct timespec begin, end, pause = { ms / 1000, ms % 1000 * 1000000 };
	int i, status, failed = 0;
	long sum = 0;

	shared->ready = 0;
	shared->go = 0;
	shared->stop = 0;
	for (i = 0; i < cpus; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			work(i, place, op);
	}
	while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < cpus) {
		/* One that has failed will not be ready. */
		if (waitpid(-1, &status, WNOHANG) > 0)
			exit(1);
		usleep(1000);
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	__atomic_store_n(&shared->go, 1, __ATOMIC_SEQ_CST);
	nanosleep(&pause, NULL);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
	clock_gettime(CLOCK_MONOTONIC, &end);
	while (wait(&status) > 0)
		failed |= status;
	if (failed)
		exit(1);
	for (i = 0; i < cpus; i++)
		sum += shared->done[i];
	return sum / ((end.tv_sec - begin.tv_sec) + (end.tv_nsec - begin.tv_nsec) / 1e9);
}

int main(int argc, char **argv)
{
	int online = sysconf(_SC_NPROCESSORS_ONLN), op, place, cpus, i;
	long ms = argc > 1 ? atol(argv[1]) : 300;

	if (argc > 2 || ms < 1) {
		fputs("usage: bench_parallel [MILLISECONDS]\n", stderr);
		return 2;
	}
	if (online > MAX_CPUS)
		online = MAX_CPUS;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	make_groups(online);
	for (op = 0; op < (int)ARRAY_SIZE(ops); op++) {
		for (cpus = 1; cpus <= online; cpus *= 2) {
			long best[ARRAY_SIZE(places)] = { 0 };

			/* By turns, so that what comes and goes on the host hits all. */
			for (i = 0; i < ROUNDS; i++) {
				for (place = 0; place < (int)ARRAY_SIZE(places); place++) {
					long rate = round_of(cpus, place, op, ms);

					if (rate > best[place])
						best[place] = rate;
				}
			}
			for (place = 0; place < (int)ARRAY_SIZE(places); place++)
				printf("%s %s %d %ld\n", ops[op].name, places[place].name,
				       cpus, best[place]);
			fflush(stdout);
		}
	}
	remove_groups(online);
	return 0;
}
