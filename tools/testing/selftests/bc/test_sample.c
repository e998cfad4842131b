// SPDX-License-Identifier: GPL-2.0
/*
 * The example in samples/bc/: a resource of one's own.
 */
#include "bc_tickets.h"

static const char *unavailable(void)
{
	const char *why = bc_unavailable();

	if (!why && access(TICKETS, F_OK))
		why = "no sample here: CONFIG_SAMPLE_BC";
	return why;
}

TEST_F(bc, tickets)
{
	int fd;

	if (unavailable())
		SKIP(return, "%s", unavailable());
	EXPECT_EQ(20, bc_in_child(take_tickets, self->dir));
	EXPECT_EQ(0, bc_settle(self->dir, "numtickets/held", 0));
	ASSERT_EQ(0, bc_write(self->dir, "numtickets/limit", "3"));
	EXPECT_EQ(3, bc_in_child(take_tickets, self->dir));
	EXPECT_EQ(1, bc_get(self->dir, "numtickets/failcnt"));

	/* Who is in the root is counted there. */
	fd = open(TICKETS, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, bc_settle(BC_ROOT, "numtickets/held", 1));
	close(fd);
	EXPECT_EQ(0, bc_settle(BC_ROOT, "numtickets/held", 0));
}

static int contained(void *arg)
{
	char path[PATH_MAX], group[NAME_MAX];

	if (bc_write(arg, "tasks", "0"))
		return 100;
	if (unshare(CLONE_NEWNS))
		return 101;
	if (bc_group(0, 0, group, sizeof(group)))
		return 102;
	snprintf(path, sizeof(path), "%s%s", BC_ROOT, group);
	if (bc_get(path, "numtickets/limit") != 10)
		return 103;
	return take_tickets(path);
}

/* A container starts with room for ten: the controller's post_clone(). */
TEST_F(bc, post_clone)
{
	long before;

	if (unavailable())
		SKIP(return, "%s", unavailable());
	before = bc_get("/proc/sys/kernel", "bc_clone_on_unshare");
	ASSERT_EQ(0, bc_write("/proc/sys/kernel", "bc_clone_on_unshare", "1"));
	EXPECT_EQ(10, bc_in_child(contained, self->dir));
	EXPECT_EQ(0, bc_write("/proc/sys/kernel", "bc_clone_on_unshare", "%ld",
			      before));
	EXPECT_EQ(1, bc_children(self->dir, true));
}

TEST_HARNESS_MAIN
