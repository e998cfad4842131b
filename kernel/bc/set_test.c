// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for how sets narrow a mask (kernel/bc/set.c). The rules for changing sets
 * are for the kselftests.
 */
#include <kunit/test.h>
#include <linux/bc/core.h>
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "set.h"

/* A tree of eight CPUs that nobody else has: root, root/a, root/a/b. */
#define NBITS		8
#define NR_GROUPS	3

struct tree {
	unsigned long		possible;
	unsigned long		usable;
	struct bc_set_type	type;
	struct bc_group		group[NR_GROUPS];
	struct bc_set		set[NR_GROUPS];
};

DEFINE_LOCK_GUARD_0(groups, bc_lock(), bc_unlock())

static void free_sets(void *tree)
{
	struct tree *t = tree;
	int i;

	for (i = 0; i < NR_GROUPS; i++)
		bc_set_destroy(&t->set[i]);
}

static int make_tree(struct kunit *test)
{
	struct tree *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	t->possible = 0xff;
	t->usable = 0xff;
	t->type.possible = &t->possible;
	t->type.usable = &t->usable;
	t->type.nbits = NBITS;
	guard(groups)();
	for (i = 0; i < NR_GROUPS; i++) {
		struct bc_set *set = &t->set[i];

		INIT_LIST_HEAD(&t->group[i].children);
		KUNIT_ASSERT_EQ(test, 0, bc_set_init(set, &t->type,
						     i ? &t->set[i - 1] : NULL));
		set->css.group = &t->group[i];
		set->css.id = BC_ID_cpuset;
		set->css.root = !i;
		t->group[i].css[BC_ID_cpuset] = &set->css;
		if (i) {
			t->group[i].parent = &t->group[i - 1];
			list_add_tail(&t->group[i].sibling,
				      &t->group[i - 1].children);
		}
	}
	return kunit_add_action_or_reset(test, free_sets, t);
}

static void set_bits_of(struct tree *t, int i, unsigned long bits)
{
	guard(groups)();
	*(unsigned long *)bc_set_bits(&t->set[i]) = bits;
}

/* What is left of @in in group @i; 0 if it has nothing to say. */
static unsigned long narrow(struct tree *t, int i, unsigned long in,
			    unsigned long prefer)
{
	unsigned long out = 0;

	guard(rcu)();
	if (!bc_set_narrow(&t->set[i], &out, &in, prefer ? &prefer : NULL))
		return 0;
	return out;
}

static bool usable(struct tree *t, int i)
{
	guard(rcu)();
	return bc_set_usable(&t->set[i]);
}

static void bc_set_test_new(struct kunit *test)
{
	struct tree *t = test->priv;

	scoped_guard(groups)
		KUNIT_EXPECT_EQ(test, *bc_set_bits(&t->set[2]), 0xff);
	KUNIT_EXPECT_TRUE(test, t->set[0].exclusive);
	KUNIT_EXPECT_FALSE(test, t->set[1].exclusive);
	KUNIT_EXPECT_FALSE(test, bc_set_restricts(&t->set[2]));
	set_bits_of(t, 2, 0x7f);
	KUNIT_EXPECT_TRUE(test, bc_set_restricts(&t->set[2]));
}

/* What a sibling has for itself is not for a new group. */
static void bc_set_test_new_sibling(struct kunit *test)
{
	struct tree *t = test->priv;
	struct bc_set set = { };

	set_bits_of(t, 1, 0x3f);
	set_bits_of(t, 2, 0x0c);
	guard(groups)();
	KUNIT_ASSERT_EQ(test, 0, bc_set_init(&set, &t->type, &t->set[1]));
	KUNIT_EXPECT_EQ(test, *bc_set_bits(&set), 0x3f);
	bc_set_destroy(&set);

	t->set[2].exclusive = true;
	t->set[1].nr_exclusive = 1;
	KUNIT_ASSERT_EQ(test, 0, bc_set_init(&set, &t->type, &t->set[1]));
	KUNIT_EXPECT_EQ(test, *bc_set_bits(&set), 0x33);
	bc_set_destroy(&set);
}

static void bc_set_test_narrow(struct kunit *test)
{
	struct tree *t = test->priv;

	set_bits_of(t, 1, 0x0f);
	set_bits_of(t, 2, 0x03);
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0xff, 0), 0x03);
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0x06, 0), 0x02);
	KUNIT_EXPECT_EQ(test, narrow(t, 1, 0x06, 0), 0x06);
	/* What cannot be used now is not lost. */
	t->usable = 0xf1;
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0xff, 0), 0x03);
	KUNIT_EXPECT_TRUE(test, usable(t, 2));
	/* The root has nothing to say. */
	KUNIT_EXPECT_EQ(test, narrow(t, 0, 0xff, 0), 0);
}

/* Where a group leaves nothing, the next one above counts, in the end nobody. */
static void bc_set_test_fallback(struct kunit *test)
{
	struct tree *t = test->priv;

	set_bits_of(t, 1, 0x0f);
	set_bits_of(t, 2, 0x03);
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0x1c, 0), 0x0c);
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0xf0, 0), 0);
	t->usable = 0xfc;
	KUNIT_EXPECT_FALSE(test, usable(t, 2));
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0xff, 0), 0x0f);
	t->usable = 0xf0;
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0xff, 0), 0);
	/* An empty set is one of which nothing can be used. */
	t->usable = 0xff;
	set_bits_of(t, 2, 0);
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0xff, 0), 0x0f);
}

/* What the user prefers gives way before the group does. */
static void bc_set_test_prefer(struct kunit *test)
{
	struct tree *t = test->priv;

	set_bits_of(t, 1, 0x0f);
	set_bits_of(t, 2, 0x03);
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0xff, 0x02), 0x02);
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0xff, 0xfe), 0x02);
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0xff, 0x04), 0x03);
	t->usable = 0xfd;
	KUNIT_EXPECT_EQ(test, narrow(t, 2, 0xff, 0x02), 0x03);
}

/* The mask itself may be narrowed, and is left alone otherwise. */
static void bc_set_test_in_place(struct kunit *test)
{
	struct tree *t = test->priv;
	unsigned long mask = 0x3c;
	bool narrowed;

	set_bits_of(t, 1, 0x0f);
	scoped_guard(rcu)
		narrowed = bc_set_narrow(&t->set[1], &mask, &mask, NULL);
	KUNIT_EXPECT_TRUE(test, narrowed);
	KUNIT_EXPECT_EQ(test, mask, 0x0c);
	mask = 0xf0;
	scoped_guard(rcu)
		narrowed = bc_set_narrow(&t->set[1], &mask, &mask, NULL);
	KUNIT_EXPECT_FALSE(test, narrowed);
	KUNIT_EXPECT_EQ(test, mask, 0xf0);
}

static struct kunit_case bc_set_cases[] = {
	KUNIT_CASE(bc_set_test_new),
	KUNIT_CASE(bc_set_test_new_sibling),
	KUNIT_CASE(bc_set_test_narrow),
	KUNIT_CASE(bc_set_test_fallback),
	KUNIT_CASE(bc_set_test_prefer),
	KUNIT_CASE(bc_set_test_in_place),
	{}
};

static struct kunit_suite bc_set_suite = {
	.name = "bc_set",
	.init = make_tree,
	.test_cases = bc_set_cases,
};

kunit_test_suite(bc_set_suite);
