// SPDX-License-Identifier: GPL-2.0
/*
 * physpages and nodeset: a group that has its memory on one node, and not as much as it
 * wants.
 */
#include "bc_phys.h"

#define PAGES 600

static const char *held = "physpages/held";
static const char *limit = "physpages/limit";

/* How many pages of the first puppet are on a node. */
static long count_on(long p, int node)
{
	static int where[PAGES];
	static void *page[PAGES];
	long i, n = 0;

	for (i = 0; i < PAGES; i++)
		page[i] = (void *)(p + i * BC_PAGE);
	/* No nodes to go to: it only says where they are. */
	if (syscall(SYS_move_pages, bc_puppets[0].pid, (long)PAGES, page, NULL, where, 0))
		return -errno;
	for (i = 0; i < PAGES; i++)
		n += where[i] == node;
	return n;
}

/* Pages that come, go to swap, come back and move are the group's, and on its node. */
TEST_F_TIMEOUT(phys, nodes, 300)
{
	long p, max, n;

	if (access("/sys/devices/system/node/node1", F_OK) ||
	    bc_get(self->a, "nodeset/memory_migrate") < 0)
		SKIP(return, "no second node, or no nodeset");
	if (!bc_have_swap(_metadata, &self->swap))
		return;
	ASSERT_EQ(0, bc_write(self->a, "nodeset/mems", "1"));
	max = bc_get(self->a, held) + PAGES / 2;
	EXPECT_EQ(0, bc_write(self->a, limit, "%ld", max));
	p = bc_map_filled(0, PAGES);
	ASSERT_LT(0, p);
	EXPECT_GE(max, bc_get(self->a, held));
	n = count_on(p, 1);
	EXPECT_LT(PAGES / 4, n);
	EXPECT_GE(PAGES / 2, n);
	EXPECT_EQ(0, count_on(p, 0));
	/* They come from swap, others go. */
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, PAGES));
	EXPECT_GE(max, bc_get(self->a, held));
	EXPECT_LT(PAGES / 4, count_on(p, 1));
	EXPECT_EQ(0, count_on(p, 0));

	/* They move, and are as many. */
	ASSERT_EQ(0, bc_write(self->a, "nodeset/memory_migrate", "1"));
	ASSERT_EQ(0, bc_write(self->a, "nodeset/mems", "0"));
	EXPECT_GE(max, bc_get(self->a, held));
	EXPECT_LT(PAGES / 4, count_on(p, 0));
	EXPECT_EQ(0, count_on(p, 1));
	EXPECT_EQ(0, bc_call(0, BC_CALL_CHECK, p, PAGES));
	EXPECT_EQ(0, count_on(p, 1));
	EXPECT_EQ(0, bc_get(self->a, "physpages/oom_kills"));
	EXPECT_EQ(0, bc_call(0, SYS_munmap, p, PAGES * BC_PAGE));
	/* Less, if it has pages of its own in swap. CPUs may keep some that have gone. */
	bc_write("/proc/sys/vm", "drop_caches", "1");
	EXPECT_GE(max - PAGES / 2, bc_get(self->a, held));
}

TEST_HARNESS_MAIN
