// SPDX-License-Identifier: GPL-2.0
/*
 * The debug controller, and with it what the core says of css_groups and references.
 */
#include "bc_proc.h"

static const char *unavailable(void)
{
	const char *why = bc_unavailable();

	if (!why && access(BC_ROOT "/debug", F_OK))
		why = "no debug controller here: CONFIG_BC_DEBUG";
	return why;
}

static int read_own(void *arg)
{
	const char *dir = arg;
	char group[64], in_root[64], inside[64];

	if (bc_read(BC_ROOT, "debug/current_css_group", group, sizeof(group)) ||
	    strcmp(group, "0\n"))
		return 1;
	if (bc_get(BC_ROOT, "debug/current_css_group_refcount") != 0)
		return 2;
	if (bc_write(dir, "tasks", "0"))
		return 3;
	/* It is the reader's, whichever group is asked. */
	if (bc_read(BC_ROOT, "debug/current_css_group", in_root, sizeof(in_root)) ||
	    bc_read(dir, "debug/current_css_group", inside, sizeof(inside)))
		return 4;
	if (strcmp(in_root, inside) || !strcmp(inside, "0\n"))
		return 5;
	if (bc_get(dir, "debug/current_css_group_refcount") != 1)
		return 6;
	return 0;
}

TEST_F(bc, current_css_group)
{
	if (unavailable())
		SKIP(return, "%s", unavailable());
	EXPECT_EQ(0, bc_in_child(read_own, self->dir));
}

TEST_F(bc, counts)
{
	long all;
	pid_t pid, tid[3];

	if (unavailable())
		SKIP(return, "%s", unavailable());

	all = bc_rest_css_groups();
	EXPECT_EQ(all, bc_get(BC_ROOT, "debug/css_groups"));
	EXPECT_EQ(0, bc_get(self->dir, "debug/css_groups"));
	EXPECT_EQ(0, bc_get(self->dir, "debug/taskcount"));
	EXPECT_EQ(1, bc_get(self->dir, "debug/bc_refcount"));
	EXPECT_LE(1, bc_get(BC_ROOT, "debug/taskcount"));

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(2, bc_get(self->dir, "debug/bc_refcount"));

	pid = bc_spawn_threads(3, tid);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	EXPECT_EQ(4, bc_get(self->dir, "debug/taskcount"));
	EXPECT_EQ(1, bc_get(self->dir, "debug/css_groups"));
	/* Tasks hold no references, their memory holds one for each that it is charged to. */
	EXPECT_EQ(2 + (bc_get(self->dir, "privvmpages/held") > 0) +
		  (bc_get(self->dir, "lockedpages/held") >= 0) +
		  (bc_get(self->dir, "physpages/held") >= 0),
		  bc_get(self->dir, "debug/bc_refcount"));
	EXPECT_EQ(all + 1, bc_get(BC_ROOT, "debug/css_groups"));

	ASSERT_EQ(0, bc_write(self->dir, "a/threads", "%d", tid[1]));
	EXPECT_EQ(3, bc_get(self->dir, "debug/taskcount"));
	EXPECT_EQ(1, bc_get(self->dir, "a/debug/taskcount"));
	EXPECT_EQ(all + 2, bc_get(BC_ROOT, "debug/css_groups"));

	bc_reap(pid);
	EXPECT_EQ(0, bc_get(self->dir, "debug/taskcount"));
	EXPECT_EQ(0, bc_get(self->dir, "debug/css_groups"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(1, bc_settle(self->dir, "debug/bc_refcount", 1));
}

TEST_HARNESS_MAIN
