// SPDX-License-Identifier: GPL-2.0
/*
 * numkeys: keys, keyrings, and those that may overrun a quota.
 */
#include <linux/keyctl.h>

#include "bc_util.h"

static const char *held = "numkeys/held";

static long keyctl(int cmd, long a, long b, long c)
{
	long ret = syscall(SYS_keyctl, cmd, a, b, c, 0);

	return ret < 0 ? -errno : ret;
}

static long add_key(const char *type, const char *desc, long ring)
{
	size_t len = strcmp(type, "keyring") ? 1 : 0;
	long ret = syscall(SYS_add_key, type, desc, len ? "x" : NULL, len, ring);

	return ret < 0 ? -errno : ret;
}

/* Returns the line that failed, with 0 for none. */
static int keyrings(void *arg)
{
	const char *dir = arg;
	long ring, key;

	if (bc_write(dir, "tasks", "0"))
		return __LINE__ % 120;
	/* A keyring of our own, which needs no quota, and no room. */
	if (bc_write(dir, "numkeys/limit", "0"))
		return __LINE__ % 120;
	if (keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0) != -EDQUOT &&
	    bc_get(dir, held) != 1)
		return __LINE__ % 120;
	if (keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1, 0) < 0)
		return __LINE__ % 120;
	if (bc_get(dir, held) < 1)
		return __LINE__ % 120;
	if (add_key("user", "bc-none", KEY_SPEC_PROCESS_KEYRING) != -EDQUOT)
		return __LINE__ % 120;
	if (bc_write(dir, "numkeys/limit", "max"))
		return __LINE__ % 120;
	if (bc_write(dir, "numkeys/limit", "%ld", bc_get(dir, held) + 3))
		return __LINE__ % 120;

	/* A keyring with keys, and all of it at once. */
	ring = add_key("keyring", "bc-ring", KEY_SPEC_PROCESS_KEYRING);
	if (ring < 0)
		return __LINE__ % 120;
	key = add_key("user", "bc-1", ring);
	if (key < 0 || add_key("user", "bc-2", ring) < 0)
		return __LINE__ % 120;
	if (add_key("user", "bc-3", ring) != -EDQUOT)
		return __LINE__ % 120;
	/* To give one another value is not to add one. */
	if (add_key("user", "bc-2", ring) < 0)
		return __LINE__ % 120;
	if (bc_get(dir, held) != bc_get(dir, "numkeys/limit"))
		return __LINE__ % 120;
	/* Another owner does not change who pays. */
	if (keyctl(KEYCTL_CHOWN, key, 1000, -1))
		return __LINE__ % 120;
	if (bc_get(dir, held) != bc_get(dir, "numkeys/limit"))
		return __LINE__ % 120;
	if (keyctl(KEYCTL_UNLINK, ring, KEY_SPEC_PROCESS_KEYRING, 0))
		return __LINE__ % 120;
	if (bc_settle(dir, held, bc_get(dir, "numkeys/limit") - 3) !=
	    bc_get(dir, "numkeys/limit") - 3)
		return __LINE__ % 120;
	return 0;
}

TEST_F(bc, keyrings)
{
	if (bc_get(BC_ROOT, "numkeys") == -ENOENT)
		SKIP(return, "no keys in this kernel");
	EXPECT_EQ(0, bc_in_child(keyrings, self->dir));
	EXPECT_LE(2, bc_get(self->dir, "numkeys/failcnt"));
	EXPECT_EQ(0, bc_settle(self->dir, held, 0));
}

TEST_HARNESS_MAIN
