// SPDX-License-Identifier: GPL-2.0
/*
 * What privvmpages and lockedpages hold against what the kernel says of the processes,
 * after each of many random operations on their memory: mmap, munmap, mprotect, mremap,
 * brk, madvise, mlock, fork, exec, and moves between groups, with limits that are in the
 * way now and then. BC_SEED repeats a run; BC_SECONDS is how long it goes.
 */
#include <linux/mman.h>

#include "bc_mm.h"

#define NR_GROUPS 4		/* 0 is the root, 1 is above 2 and 3 */
#define AREA_PAGES 64UL		/* where mappings are */

FIXTURE(fuzz) {
	char dir[64];
	char group[NR_GROUPS][96];
};

FIXTURE_SETUP(fuzz)
{
	int i;

	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, "privvmpages") == -ENOENT)
		SKIP(return, "no privvmpages in this kernel");
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	snprintf(self->group[0], sizeof(self->group[0]), BC_ROOT);
	snprintf(self->group[1], sizeof(self->group[1]), "%s", self->dir);
	bc_path(self->group[2], self->dir, "a");
	bc_path(self->group[3], self->dir, "b");
	ASSERT_EQ(0, bc_puppets_init());
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, bc_puppet_start(i));
}

FIXTURE_TEARDOWN(fuzz)
{
	if (!self->dir[0])
		return;
	bc_puppets_kill();
	bc_expect_clean(_metadata, self->dir);
}

/**
 * struct model - what has to be so
 * @group: where each puppet is
 * @parent: who has forked it, and takes it along when it is killed; -1: we
 * @area: where its mappings are, in its memory; 0 if there is none after an exec
 */
static struct model {
	int group[BC_NR_PUPPETS];
	int parent[BC_NR_PUPPETS];
	long area[BC_NR_PUPPETS];
} m = { .parent = { -1, -1 } };

static unsigned int rnd(unsigned int below)
{
	return random() % below;
}

static bool is_below(int group, int top)
{
	return group == top || (top == 1 && group > 1);
}

/* Compare all groups with all processes. NULL, or what is wrong. */
static const char *compare(char group[][96])
{
	static char text[160];
	struct bc_vm sum[NR_GROUPS] = { }, vm;
	int i, g;

	for (i = 0; i < BC_NR_PUPPETS; i++) {
		if (!bc_puppets[i].pid)
			continue;
		if (bc_vm(bc_puppets[i].pid, &vm))
			return "a process is gone";
		for (g = 1; g < NR_GROUPS; g++) {
			if (is_below(m.group[i], g)) {
				sum[g].data += vm.data;
				sum[g].locked += vm.locked;
			}
		}
	}
	for (g = 1; g < NR_GROUPS; g++) {
		long data = bc_get(group[g], "privvmpages/held");
		long locked = bc_get(group[g], "lockedpages/held");

		if (data == sum[g].data && locked == sum[g].locked)
			continue;
		snprintf(text, sizeof(text),
			 "group %d: privvmpages %ld, is %ld; lockedpages %ld, is %ld",
			 g, data, sum[g].data, locked, sum[g].locked);
		return text;
	}
	return NULL;
}

/* What is mapped privately and writable, or grows down, by the list of mappings. */
static long smaps_data(pid_t pid)
{
	unsigned long start, end, size = 0;
	char path[32], line[512], perms[8];
	bool grows, private = false;
	long sum = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) == 3) {
			size = (end - start) / BC_PAGE;
			private = perms[1] == 'w' && perms[3] == 'p';
		} else if (!strncmp(line, "VmFlags:", 8)) {
			grows = strstr(line, " gd");
			sum += private || grows ? size : 0;
		}
	}
	if (f)
		fclose(f);
	return f ? sum : -1;
}

/* Some pages in the area, or a bit beyond. */
static long place(int i, long *len)
{
	long first = rnd(AREA_PAGES);

	*len = (1 + rnd(16)) * BC_PAGE;
	return m.area[i] + first * BC_PAGE;
}

static int random_prot(void)
{
	static const int prot[] = { PROT_NONE, PROT_READ, BC_RW, BC_RW, BC_RW,
				    PROT_READ | PROT_EXEC, BC_RW | PROT_EXEC };

	return prot[rnd(ARRAY_SIZE(prot))];
}

static int random_map_flags(void)
{
	int flags = MAP_ANONYMOUS | MAP_FIXED;

	flags |= rnd(4) ? MAP_PRIVATE : MAP_SHARED;
	if (!rnd(4))
		flags |= MAP_NORESERVE;
	if (!rnd(8))
		flags |= MAP_LOCKED;
	if ((flags & MAP_PRIVATE) && !rnd(16))
		flags |= MAP_GROWSDOWN;
	return flags;
}

/* The operation, for the log. */
static struct bc_call last;
static int last_puppet;
static long last_ret;

static long do_call(int i, struct bc_call call)
{
	last = call;
	last_puppet = i;
	last_ret = bc_call_now(i, &call);
	return last_ret;
}

static void make_area(int i)
{
	/* With room around it for what goes beyond, and is not to hit anything else. */
	long p = bc_puppet_map(i, 0, AREA_PAGES + 64, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);

	m.area[i] = p > 0 ? p + 16 * BC_PAGE : 0;
}

#define CALL(i, n, ...) do_call((i), (struct bc_call){ .nr = (n), .arg = { __VA_ARGS__ } })

static void memory_op(int i)
{
	const int move = MREMAP_MAYMOVE | MREMAP_FIXED;
	long len, len2, addr = place(i, &len), to = place(i, &len2);

	if (!m.area[i]) {
		make_area(i);
		return;
	}
	switch (rnd(16)) {
	case 0 ... 4:
		CALL(i, SYS_mmap, addr, len, random_prot(), random_map_flags(), -1, 0);
		break;
	case 5:
		CALL(i, SYS_munmap, addr, len);
		break;
	case 6 ... 8:
		CALL(i, SYS_mprotect, addr, len, random_prot());
		break;
	case 9:
		CALL(i, SYS_mremap, addr, len, len2, move, to);
		break;
	case 10:
		CALL(i, SYS_mremap, addr, len, len2, 0);
		break;
	case 11:
		CALL(i, SYS_mremap, addr, len, len, move | MREMAP_DONTUNMAP, to);
		break;
	case 12:
		CALL(i, rnd(3) ? SYS_mlock : SYS_munlock, addr, len);
		break;
	case 13:
		CALL(i, rnd(4) ? SYS_munlockall : SYS_mlockall, MCL_CURRENT << rnd(2));
		break;
	case 14:
		CALL(i, SYS_madvise, addr, len, rnd(2) ? MADV_DONTNEED :
							 MADV_DONTFORK << rnd(2));
		break;
	case 15:
		addr = bc_call(i, SYS_brk, 0);
		CALL(i, SYS_brk, addr + ((long)rnd(32) - 12) * (long)BC_PAGE);
		break;
	}
}

static void kill_with_children(int i)
{
	int j;

	for (j = 0; j < BC_NR_PUPPETS; j++) {
		if (bc_puppets[j].pid && m.parent[j] == i)
			kill_with_children(j);
	}
	bc_puppet_kill(i);
}

static void fork_op(int i)
{
	int j = rnd(BC_NR_PUPPETS);

	if (bc_puppets[j].pid) {
		/* Our own two stay. */
		if (j > 1) {
			kill_with_children(j);
			last = (struct bc_call){ SYS_kill };
			last_puppet = j;
		}
		return;
	}
	last = (struct bc_call){ BC_CALL_FORK, { j } };
	last_puppet = i;
	last_ret = bc_puppet_fork(i, j, BC_CALL_FORK);
	if (!last_ret) {
		m.group[j] = m.group[i];
		m.parent[j] = i;
		m.area[j] = m.area[i];
	}
}

static void exec_op(int i)
{
	if (CALL(i, BC_CALL_EXEC, 0))
		return;
	m.area[i] = 0;
}

static void move_op(char group[][96], int i)
{
	int g = rnd(NR_GROUPS);

	last = (struct bc_call){ SYS_write, { g } };
	last_puppet = i;
	last_ret = bc_write(group[g], "tasks", "%d", bc_puppets[i].pid);
	if (!last_ret)
		m.group[i] = g;
}

/*
 * Sometimes there is no room for the next things. Never for an exec that has begun, which
 * would be the end of the process.
 */
static void limit_op(char group[][96])
{
	static const char * const what[] = { "privvmpages/limit", "lockedpages/limit" };
	const char *file = what[rnd(2)];
	int g = 1 + rnd(NR_GROUPS - 1);
	char res[32];
	long held;

	snprintf(res, sizeof(res), "%.*sheld", (int)strcspn(file, "/") + 1, file);
	held = bc_get(group[g], res);
	if (rnd(2))
		bc_write(group[g], file, "max");
	else
		bc_write(group[g], file, "%ld", held + rnd(20));
}

static void no_limits(char group[][96])
{
	int g;

	for (g = 1; g < NR_GROUPS; g++) {
		bc_write(group[g], "privvmpages/limit", "max");
		bc_write(group[g], "lockedpages/limit", "max");
	}
}

TEST_F_TIMEOUT(fuzz, random, 100000)
{
	const char *seed_text = getenv("BC_SEED"), *wrong = NULL;
	unsigned int seed = seed_text ? atoi(seed_text) : time(NULL) ^ getpid();
	double end = bc_end_time(60);
	long n = 0, refused = 0;
	int i;

	TH_LOG("BC_SEED=%u", seed);
	srandom(seed);
	while (!wrong && bc_now() < end) {
		i = rnd(BC_NR_PUPPETS);
		if (!bc_puppets[i].pid)
			i = rnd(2);
		last = (struct bc_call){ };
		last_ret = 0;
		switch (rnd(32)) {
		case 0:
			fork_op(i);
			break;
		case 1:
			no_limits(self->group);
			exec_op(i);
			break;
		case 2 ... 4:
			move_op(self->group, i);
			break;
		case 5:
			limit_op(self->group);
			break;
		default:
			memory_op(i);
		}
		n++;
		refused += last_ret == -ENOMEM || last_ret == -EAGAIN;
		wrong = compare(self->group);
	}
	EXPECT_EQ(NULL, wrong) {
		TH_LOG("BC_SEED=%u, step %ld: %s", seed, n, wrong);
		TH_LOG("after %d did %ld(%#lx, %#lx, %#lx, %#lx, %#lx): %ld", last_puppet,
		       last.nr, last.arg[0], last.arg[1], last.arg[2], last.arg[3],
		       last.arg[4], last_ret);
	}
	/* And the count itself is what the list of mappings says. */
	for (i = 0; i < BC_NR_PUPPETS; i++) {
		struct bc_vm vm;

		if (!bc_puppets[i].pid)
			continue;
		EXPECT_EQ(0, bc_vm(bc_puppets[i].pid, &vm));
		EXPECT_EQ(vm.data, smaps_data(bc_puppets[i].pid)) {
			TH_LOG("BC_SEED=%u, process %d", seed, i);
		}
	}
	TH_LOG("%ld operations, %ld refused", n, refused);
	/* A second of it, as when something is broken on purpose, has not met all of it. */
	EXPECT_LT(0, n);
	if (n > 500)
		EXPECT_LT(0, refused);
}

TEST_HARNESS_MAIN
