// SPDX-License-Identifier: GPL-2.0
/*
 * How long interrupts, or preemption, are off at a stretch, and who has turned them off. The
 * kernel is that of VARIANT=latency, which has an event for each time; in the lab's
 * deterministic guest a tick of the TSC is an instruction, those of the events included.
 *
 * usage: bench_latency none|limited SCENARIO [N]
 *
 * Runs SCENARIO, in no group or in one four levels deep with limits that are not reached, and
 * prints a line for each function that has begun a section: "SCENARIO SITUATION irqs|preempt
 * ADDRESS NAME LONGEST TIMES ADDRESS NAME", where the last two are of the function that ended
 * the longest one. With preemption off, those that an interrupt has hit do not count. For each
 * operation that was refused, "SCENARIO SITUATION refused NAME MEDIAN"; for each that was
 * done next to such, "SCENARIO SITUATION beside NAME ALONE BESIDE". N is how much of what the
 * scenario has much of.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bench.h"

#define ROOT	"/sys/kernel/config/bc"
#define TOP	ROOT "/top"
#define DEEPEST	TOP "/l/l/l"
#define TRACING	"/sys/kernel/tracing"

static const char *scenario, *situation;
static bool limited;

/*
 * What the kernel has noted
 */

/* Both kinds of sections, and their events. */
enum { IRQS, PREEMPT };

static const struct {
	const char *name, *begin, *end;
} kinds[] = {
	[IRQS] = { "irqs", "irq_disable", "irq_enable" },
	[PREEMPT] = { "preempt", "preempt_disable", "preempt_enable" },
};

struct symbol {
	unsigned long addr;
	char name[64];
	/* Of sections that this function began, by kind. */
	unsigned long longest[ARRAY_SIZE(kinds)], times[ARRAY_SIZE(kinds)];
	unsigned long end[ARRAY_SIZE(kinds)];
};

static struct symbol *symbols;
static size_t nr_symbols;
static unsigned long stext;
static int event_begin[ARRAY_SIZE(kinds)], event_end[ARRAY_SIZE(kinds)];

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void read_symbols(void)
{
	size_t room = 0;
	char line[256];
	FILE *f = fopen("/proc/kallsyms", "r");

	if (!f)
		die("/proc/kallsyms");
	while (fgets(line, sizeof(line), f)) {
		struct symbol s = { 0 };
		char type;

		if (sscanf(line, "%lx %c %63s", &s.addr, &type, s.name) != 3 ||
		    !strchr("tTwW", type))
			continue;
		if (!strcmp(s.name, "_stext"))
			stext = s.addr;
		/* One of those that share an address. */
		if (!strcmp(s.name, "_stext") || !strcmp(s.name, "_text"))
			continue;
		if (nr_symbols == room) {
			room = room ? 2 * room : 32768;
			symbols = realloc(symbols, room * sizeof(*symbols));
			if (!symbols)
				die("realloc");
		}
		symbols[nr_symbols++] = s;
	}
	fclose(f);
	if (!stext || !nr_symbols) {
		errno = ENODATA;
		die("/proc/kallsyms");
	}
	qsort(symbols, nr_symbols, sizeof(*symbols), by_address);
}

static struct symbol *symbol_at(unsigned long addr)
{
	size_t low = 0, high = nr_symbols;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (symbols[middle].addr <= addr)
			low = middle;
		else
			high = middle;
	}
	return &symbols[low];
}

/* Who takes or drops a lock says more than the lock's function. */
static struct symbol *who(const int *offsets)
{
	struct symbol *s = symbol_at(stext + offsets[0]);

	if (!strncmp(s->name, "_raw_", 5) || !strncmp(s->name, "__raw_", 6) ||
	    !strncmp(s->name, "__local_bh_", 11))
		return symbol_at(stext + offsets[1]);
	return s;
}

static void event(unsigned long t, const unsigned char *data)
{
	static struct symbol *began[ARRAY_SIZE(kinds)];
	static unsigned long since[ARRAY_SIZE(kinds)];
	int offsets[2];
	unsigned short type;
	size_t k;

	/* What all events have in common is eight bytes. */
	memcpy(&type, data, sizeof(type));
	memcpy(offsets, data + 8, sizeof(offsets));
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct symbol *s = began[k];

		if (type == event_begin[k]) {
			began[k] = who(offsets);
			since[k] = t;
			if (k == IRQS && !strcmp(began[k]->name, "irqentry_enter"))
				began[PREEMPT] = NULL;
		} else if (type == event_end[k] && s) {
			s->times[k]++;
			if (t - since[k] >= s->longest[k]) {
				s->longest[k] = t - since[k];
				s->end[k] = who(offsets)->addr;
			}
			began[k] = NULL;
		}
	}
}

/* A page of the kernel's ring buffer: its time, the length of what follows, and that. */
static void page(const unsigned char *buf)
{
	unsigned long t, length;
	size_t i = 16;

	memcpy(&t, buf, 8);
	memcpy(&length, buf + 8, 8);
	length = 16 + (length & 0xfffff);
	while (i + 4 <= length) {
		unsigned int word, more;
		unsigned int type;

		memcpy(&word, buf + i, 4);
		memcpy(&more, buf + i + 4, 4);
		type = word & 31;
		if (type == 29) {		/* padding: nothing, if it has no time */
			if (!(word >> 5))
				return;
			t += word >> 5;
			i += 4 + more;
		} else if (type == 30) {	/* time has made a large step */
			t += (word >> 5) + ((unsigned long)more << 27);
			i += 8;
		} else if (type == 31) {	/* the time itself, of which this has 59 bits */
			t = (word >> 5) + ((unsigned long)more << 27);
			i += 8;
		} else {
			t += word >> 5;
			event(t, buf + i + (type ? 4 : 8));
			i += 4 + (type ? type * 4 : more);
		}
	}
}

static int number_of(const char *name)
{
	char path[PATH_MAX], buf[32] = "";
	int fd;

	snprintf(path, sizeof(path), TRACING "/events/preemptirq/%s/id", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) < 0)
		die(path);
	close(fd);
	return atoi(buf);
}

static void start_tracing(void)
{
	size_t k;

	if (mount("tracefs", TRACING, "tracefs", 0, NULL) && errno != EBUSY)
		die(TRACING);
	read_symbols();
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		event_begin[k] = number_of(kinds[k].begin);
		event_end[k] = number_of(kinds[k].end);
	}
	put(TRACING, "tracing_on", "0");
	put(TRACING, "trace_clock", "x86-tsc");
	put(TRACING, "buffer_size_kb", "300000");
	put(TRACING, "events/preemptirq/enable", "1");
	put(TRACING, "tracing_on", "1");
}

static void stop_tracing(void)
{
	static unsigned char buf[65536];
	char line[128];
	long lost;
	FILE *f;
	ssize_t n;
	int fd;

	put(TRACING, "tracing_on", "0");
	put(TRACING, "events/preemptirq/enable", "0");
	f = fopen(TRACING "/per_cpu/cpu0/stats", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "overrun: %ld", &lost) == 1 && lost) {
			errno = EOVERFLOW;
			die("the buffer was too small");
		}
	}
	if (!f)
		die("stats");
	fclose(f);
	fd = open(TRACING "/per_cpu/cpu0/trace_pipe_raw", O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		die("trace_pipe_raw");
	while ((n = read(fd, buf, sysconf(_SC_PAGESIZE))) > 0)
		page(buf);
	close(fd);
}

static void print_sections(void)
{
	size_t i, k, n = 0;

	for (i = 0; i < nr_symbols; i++) {
		struct symbol *s = &symbols[i];

		for (k = 0; k < ARRAY_SIZE(kinds); k++) {
			if (!s->times[k])
				continue;
			n++;
			printf("%s %s %s %016lx %s %lu %lu %016lx %s\n", scenario, situation,
			       kinds[k].name, s->addr, s->name, s->longest[k], s->times[k],
			       s->end[k], symbol_at(s->end[k])->name);
		}
	}
	if (!n) {
		errno = ENODATA;
		die("no sections");
	}
}

/*
 * Groups
 */

/* Whether a group has this file depends on what the kernel was made with. */
static void try_put(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY);
	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			die(path);
		close(fd);
	}
}

static const char * const resources[] = {
	"dcachesize", "dgramrcvbuf", "kmemsize", "lockedpages", "numfiles", "numflock",
	"numgroups", "numinotify", "numiptent", "numkeys", "numothersock", "numpty",
	"numsiginfo", "numtasks", "numtcpsock", "numwatches", "othersockbuf", "physpages",
	"privvmpages", "shmpages", "swappages", "tcprcvbuf", "tcpsndbuf",
};

static void make_deepest(void)
{
	static const char * const levels[] = { TOP, TOP "/l", TOP "/l/l", DEEPEST };
	char name[32];
	size_t l, i;

	for (l = 0; l < ARRAY_SIZE(levels); l++) {
		if (mkdir(levels[l], 0755))
			die(levels[l]);
		for (i = 0; i < ARRAY_SIZE(resources); i++) {
			snprintf(name, sizeof(name), "%s/limit", resources[i]);
			try_put(levels[l], name, "100000000000");
		}
	}
}

static void enter(const char *dir)
{
	put(dir, "tasks", "0");
}

/*
 * The scenarios
 */

static void *nothing(void *arg)
{
	return arg;
}

static void reap(pid_t pid)
{
	if (pid < 0)
		die("fork");
	if (waitpid(pid, NULL, 0) != pid)
		die("waitpid");
}

static void one_round(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	size_t len = 64 * sysconf(_SC_PAGESIZE);
	char buf[512] = "";
	pthread_t thread;
	timer_t timer;
	int fds[2], fd, i;
	char *map;
	pid_t pid;

	fd = open("/tmp/file", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || fcntl(fd, F_SETLK, &lock))
		die("/tmp/file");
	lock.l_type = F_UNLCK;
	fcntl(fd, F_SETLK, &lock);
	close(fd);
	if (pipe(fds))
		die("pipe");
	close(fds[0]);
	close(fds[1]);
	for (i = 0; i < 2; i++) {
		if (socketpair(AF_UNIX, i ? SOCK_DGRAM : SOCK_STREAM, 0, fds) ||
		    write(fds[0], buf, sizeof(buf)) < 0 || read(fds[1], buf, sizeof(buf)) < 0)
			die("socketpair");
		close(fds[0]);
		close(fds[1]);
	}
	fd = inotify_init();
	if (fd < 0 || inotify_add_watch(fd, "/tmp", IN_CREATE) < 0)
		die("inotify");
	close(fd);
	fd = open("/dev/ptmx", O_RDWR);
	if (fd >= 0)
		close(fd);
	if (timer_create(CLOCK_MONOTONIC, &ev, &timer))
		die("timer_create");
	timer_delete(timer);
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		die("mmap");
	memset(map, 1, len);
	pid = fork();
	if (!pid) {
		memset(map, 2, len);
		kill(getpid(), SIGUSR1);
		_exit(0);
	}
	reap(pid);
	munmap(map, len);
	pid = vfork();
	if (!pid) {
		execl("/bc/bench_latency", "bench_latency", NULL);
		_exit(0);
	}
	reap(pid);
	if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
		die("pthread");
}

/* TCP and UDP, by way of the loopback. */
static void inet_round(void)
{
	int type;

	for (type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		int one = socket(AF_INET, type, 0), two = socket(AF_INET, type, 0), got = -1;
		struct sockaddr_in addr = { .sin_family = AF_INET };
		socklen_t len = sizeof(addr);
		char buf[4096] = "";
		int i;

		addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (one < 0 || two < 0 || bind(one, (void *)&addr, len) ||
		    (type == SOCK_STREAM && listen(one, 1)) ||
		    getsockname(one, (void *)&addr, &len) || connect(two, (void *)&addr, len))
			die("inet");
		if (type == SOCK_STREAM)
			got = accept(one, NULL, NULL);
		for (i = 0; i < 16; i++) {
			if (write(two, buf, sizeof(buf)) < 0 ||
			    read(got < 0 ? one : got, buf, sizeof(buf)) < 0)
				die("inet");
		}
		close(one);
		close(two);
		if (got >= 0)
			close(got);
	}
}

static void run_paths(int n)
{
	int i;

	if (limited)
		enter(DEEPEST);
	signal(SIGUSR1, SIG_IGN);
	start_tracing();
	for (i = 0; i < n; i++) {
		one_round();
		inet_round();
	}
	stop_tracing();
}

static int refused_open(void)
{
	return open("/dev/null", O_RDONLY);
}

static int lock_fd;

static int refused_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	return fcntl(lock_fd, F_SETLK, &lock);
}

static int refused_timer(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	timer_t timer;

	return timer_create(CLOCK_MONOTONIC, &ev, &timer);
}

static int refused_signal(void)
{
	return sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 });
}

static int refused_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid;
}

static int refused_watch(void)
{
	return inotify_add_watch(lock_fd, "/tmp", IN_CREATE);
}

static int refused_map(void)
{
	void *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	return map == MAP_FAILED ? -1 : 0;
}

static int refused_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int refused_group(void)
{
	return mkdir(TOP "/l/refused", 0755);
}

static const struct {
	const char *resource;
	int (*op)(void);
} refusals[] = {
	{ "numfiles", refused_open },
	{ "numflock", refused_lock },
	{ "numsiginfo", refused_timer },
	{ "numsiginfo", refused_signal },
	{ "numtasks", refused_fork },
	{ "numwatches", refused_watch },
	{ "privvmpages", refused_map },
	{ "numtcpsock", refused_socket },
	{ "numgroups", refused_group },
};

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return x < y ? -1 : x > y;
}

/* Each is refused two levels above the group, by a limit of 0 that is written meanwhile. */
static void run_refused(int n)
{
	long *cost = calloc(n, sizeof(*cost));
	int limit[ARRAY_SIZE(refusals)];
	long median[ARRAY_SIZE(refusals)];
	sigset_t set;
	size_t r;
	int i;

	if (!cost)
		die("calloc");
	/* It is to wait, or nothing is charged. */
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (r = 0; r < ARRAY_SIZE(refusals); r++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), TOP "/l/%s/limit", refusals[r].resource);
		limit[r] = open(path, O_WRONLY);
		if (limit[r] < 0)
			die(path);
	}
	enter(DEEPEST);
	start_tracing();
	for (r = 0; r < ARRAY_SIZE(refusals); r++) {
		if (refusals[r].op == refused_watch)
			lock_fd = inotify_init();
		else
			lock_fd = open("/tmp/file", O_RDWR | O_CREAT, 0600);
		if (lock_fd < 0)
			die("no file");
		if (pwrite(limit[r], "0", 1, 0) != 1)
			die(refusals[r].resource);
		for (i = 0; i < n; i++) {
			long begin = now();
			int got = refusals[r].op();

			cost[i] = now() - begin;
			if (got >= 0) {
				errno = 0;
				die(refusals[r].resource);
			}
		}
		qsort(cost, n, sizeof(*cost), compare);
		median[r] = cost[n / 2];
		if (pwrite(limit[r], "100000000000", 12, 0) != 12)
			die(refusals[r].resource);
		close(lock_fd);
	}
	stop_tracing();
	for (r = 0; r < ARRAY_SIZE(refusals); r++)
		printf("%s %s refused %s %ld\n", scenario, situation, refusals[r].resource,
		       median[r]);
	free(cost);
}

/* Of a thing that is refused, or done and undone, in the time of this thread. */
static long median_of(int (*op)(void), int n)
{
	long *cost = calloc(n, sizeof(*cost)), median;
	int i;

	if (!cost)
		die("calloc");
	for (i = 0; i < n; i++) {
		long begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		if (op() < 0)
			die("in the storm");
		cost[i] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
	}
	qsort(cost, n, sizeof(*cost), compare);
	median = cost[n / 2];
	free(cost);
	return median;
}

static int open_and_close(void)
{
	int fd = open("/dev/null", O_RDONLY);

	return fd < 0 ? fd : close(fd);
}

static int lock_and_unlock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	if (fcntl(lock_fd, F_SETLK, &lock))
		return -1;
	lock.l_type = F_UNLCK;
	return fcntl(lock_fd, F_SETLK, &lock);
}

/* Within one's limits, alone and while four others below the same group are refused. */
static void run_storm(int n)
{
	static const struct {
		const char *resource;
		int (*op)(void);
		int (*refused)(void);
	} storms[] = {
		{ "numfiles", open_and_close, refused_open },
		{ "numflock", lock_and_unlock, refused_lock },
	};
	char name[64];
	size_t r;
	int i;

	if (mkdir(TOP "/l/storm", 0755))
		die("storm");
	enter(DEEPEST);
	start_tracing();
	for (r = 0; r < ARRAY_SIZE(storms); r++) {
		long alone, beside;
		pid_t pids[4];

		snprintf(name, sizeof(name), "%s/limit", storms[r].resource);
		put(TOP "/l/storm", name, "0");
		lock_fd = open("/tmp/file", O_RDWR | O_CREAT, 0600);
		alone = median_of(storms[r].op, n);
		for (i = 0; i < 4; i++) {
			pids[i] = fork();
			if (pids[i] < 0)
				die("fork");
			if (pids[i])
				continue;
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			snprintf(name, sizeof(name), "/tmp/file%d", i);
			lock_fd = open(name, O_RDWR | O_CREAT, 0600);
			enter(TOP "/l/storm");
			while (storms[r].refused() < 0)
				;
			_exit(1);
		}
		usleep(100000);
		beside = median_of(storms[r].op, n);
		for (i = 0; i < 4; i++) {
			int status;

			kill(pids[i], SIGKILL);
			if (waitpid(pids[i], &status, 0) != pids[i] || !WIFSIGNALED(status))
				die("not refused");
		}
		close(lock_fd);
		printf("%s %s beside %s %ld %ld\n", scenario, situation, storms[r].resource,
		       alone, beside);
	}
	stop_tracing();
}

static void *wait_for_the_end(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

/* A process with @n threads. Its pid, which is that of the first of them. */
static pid_t make_threads(int n)
{
	pthread_attr_t attr;
	pthread_t thread;
	int fds[2], i;
	pid_t pid;
	char c;

	if (pipe(fds))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 65536);
		for (i = 1; i < n; i++) {
			if (pthread_create(&thread, &attr, wait_for_the_end, NULL))
				die("pthread_create");
		}
		if (write(fds[1], "", 1) != 1)
			die("write");
		wait_for_the_end(NULL);
	}
	close(fds[1]);
	if (read(fds[0], &c, 1) != 1)
		die("make_threads");
	close(fds[0]);
	return pid;
}

static void attach(const char *dir, const char *file, long id)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", id);
	put(dir, file, text);
}

/* All of a process at once, there and back, and its end. */
static void run_move(int n)
{
	pid_t pid = make_threads(n);

	start_tracing();
	attach(DEEPEST, "tasks", pid);
	attach(TOP, "tasks", pid);
	attach(DEEPEST, "tasks", pid);
	kill(pid, SIGKILL);
	reap(pid);
	stop_tracing();
}

/* Each thread comes from a group of its own. */
static void run_gather(int n)
{
	pid_t pid = make_threads(n);
	struct dirent *thread;
	char path[320];
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	threads = opendir(path);
	if (!threads)
		die(path);
	while ((thread = readdir(threads))) {
		if (thread->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), TOP "/g%s", thread->d_name);
		if (mkdir(path, 0755))
			die(path);
		put(path, "threads", thread->d_name);
	}
	closedir(threads);
	start_tracing();
	attach(DEEPEST, "tasks", pid);
	stop_tracing();
	kill(pid, SIGKILL);
	reap(pid);
}

static void run_list(int n)
{
	static char buf[65536];
	ssize_t got;
	long ids = 0;
	int fd, i;

	put_file("/proc/sys/kernel/pid_max", "4194304");
	put_file("/proc/sys/kernel/threads-max", "1000000");
	put_file("/proc/sys/vm/max_map_count", "1000000");
	enter(DEEPEST);
	/* With a thousand threads each, but for what is left over. */
	for (i = 0; i < n; i += 1000)
		make_threads(n - i < 1000 ? n - i : 1000);
	start_tracing();
	for (i = 0; i < 2; i++) {
		const char *path = i ? DEEPEST "/tasks" : DEEPEST "/threads";

		fd = open(path, O_RDONLY);
		if (fd < 0)
			die(path);
		while ((got = read(fd, buf, sizeof(buf))) > 0) {
			while (got-- > 0)
				ids += !i && buf[got] == '\n';
		}
		close(fd);
	}
	stop_tracing();
	if (ids < n) {
		errno = ESRCH;
		die("threads");
	}
}

/* What can be done with groups and their files. */
static void run_groups(int n)
{
	static const char * const files[] = {
		"numfiles/held", "numfiles/maxheld", "numfiles/minheld", "numfiles/failcnt",
		"kmemsize/held", "physpages/held", "cpuacct/usage",
	};
	char path[64], buf[256];
	size_t f;
	int fd, i;

	start_tracing();
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), DEEPEST "/g%d", i);
		if (mkdir(path, 0755))
			die(path);
		enter(path);
		if (open("/dev/null", O_RDONLY) < 0)
			die("open");
		put(path, "numfiles/limit", "50000");
		put(path, "numfiles/barrier", "40000");
		put(path, "cpuset/cpus", "0");
		for (f = 0; f < ARRAY_SIZE(files); f++) {
			char name[128];

			snprintf(name, sizeof(name), "%s/%s", path, files[f]);
			fd = open(name, O_RDONLY);
			if (fd < 0)
				continue;
			if (read(fd, buf, sizeof(buf)) < 0)
				die(name);
			close(fd);
		}
		enter(DEEPEST);
	}
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), DEEPEST "/g%d", i);
		if (rmdir(path))
			die(path);
	}
	stop_tracing();
}

static const struct {
	const char *name;
	void (*run)(int n);
	int n;
} scenarios[] = {
	{ "paths", run_paths, 20 },
	{ "refused", run_refused, 200 },
	{ "storm", run_storm, 2000 },
	{ "move", run_move, 1000 },
	{ "gather", run_gather, 1000 },
	{ "list", run_list, 100000 },
	{ "groups", run_groups, 100 },
};

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	size_t i;

	/* One of the programs that are started says nothing. */
	if (argc == 1)
		return 0;
	for (i = 0; argc >= 3 && i < ARRAY_SIZE(scenarios); i++) {
		if (!strcmp(argv[2], scenarios[i].name))
			break;
	}
	if (argc < 3 || i == ARRAY_SIZE(scenarios) ||
	    (strcmp(argv[1], "none") && strcmp(argv[1], "limited"))) {
		fprintf(stderr, "usage: bench_latency none|limited SCENARIO [N]\n");
		return 2;
	}
	situation = argv[1];
	scenario = argv[2];
	limited = !strcmp(situation, "limited");
	setrlimit(RLIMIT_NOFILE, &files);
	if (limited)
		make_deepest();
	scenarios[i].run(argc > 3 ? atoi(argv[3]) : scenarios[i].n);
	print_sections();
	return 0;
}
