/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of what is in physpages/ have in common.
 */
#ifndef BC_PHYS_H
#define BC_PHYS_H

#include "bc_anon.h"

FIXTURE(phys) {
	char dir[BC_DIR];
	char a[BC_DIR];
	char b[BC_DIR];
	bool swap;
};

FIXTURE_SETUP(phys)
{
	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, "physpages") == -ENOENT)
		SKIP(return, "no physpages in this kernel");
	ASSERT_EQ(0, bc_two_groups(self->dir, self->a, self->b));
}

FIXTURE_TEARDOWN(phys)
{
	if (!self->dir[0])
		return;
	bc_puppets_kill();
	if (self->swap)
		EXPECT_EQ(0, swapoff(bc_disk));
	EXPECT_EQ(0, bc_settle(self->a, "physpages/held", 0));
	EXPECT_EQ(0, bc_settle(self->b, "physpages/held", 0));
	EXPECT_EQ(0, bc_settle(self->dir, "physpages/held", 0));
	bc_expect_clean(_metadata, self->dir);
}

#endif /* BC_PHYS_H */
