// SPDX-License-Identifier: GPL-2.0
/*
 * The example in samples/bc/: a resource of one's own.
 */
#include "bc_util.h"

#define TICKETS "/dev/bc_tickets"

static const char *unavailable(void)
{
	const char *why = bc_unavailable();

	if (!why && access(TICKETS, F_OK))
		why = "no sample here: CONFIG_SAMPLE_BC";
	return why;
}

/* How many tickets one gets, at most 20. */
static int take(void *arg)
{
	const char *dir = arg;
	int n = 0;

	if (bc_write(dir, "tasks", "0"))
		return 100;
	while (n < 20 && open(TICKETS, O_RDONLY) >= 0)
		n++;
	if (n < 20 && errno != ENOSPC)
		return 101;
	if (bc_get(dir, "numtickets/held") != n)
		return 102;
	return n;
}

TEST_F(bc, tickets)
{
	int fd;

	if (unavailable())
		SKIP(return, "%s", unavailable());
	EXPECT_EQ(20, bc_in_child(take, self->dir));
	EXPECT_EQ(0, bc_settle(self->dir, "numtickets/held", 0));
	ASSERT_EQ(0, bc_write(self->dir, "numtickets/limit", "3"));
	EXPECT_EQ(3, bc_in_child(take, self->dir));
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
	return take(path);
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
