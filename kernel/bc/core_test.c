// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for what kernel/bc/group.c does with groups alone. What it does with
 * tasks, and with hierarchies, is for the kselftests.
 */
#include <kunit/test.h>
#include <linux/bc/core.h>
#include <linux/err.h>
#include <linux/string.h>

/* A tree: top, top/a, top/a/b, top/c. */
struct tree {
	struct bc_group *top, *a, *b, *c;
};

static struct bc_group *make(struct kunit *test, struct bc_group *parent,
			     const char *name)
{
	struct bc_group *group = bc_group_create(parent, name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, group);
	return group;
}

static void remove(struct kunit *test, struct bc_group *group)
{
	KUNIT_EXPECT_EQ(test, bc_group_kill(group), 0);
	bc_group_put(group);
}

static int make_tree(struct kunit *test)
{
	struct tree *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->top = make(test, &bc_default_hierarchy.root, "kunit");
	t->a = make(test, t->top, "a");
	t->b = make(test, t->a, "b");
	t->c = make(test, t->top, "c");
	test->priv = t;
	return 0;
}

static void remove_tree(struct kunit *test)
{
	struct tree *t = test->priv;

	if (!t)
		return;
	remove(test, t->c);
	remove(test, t->b);
	remove(test, t->a);
	remove(test, t->top);
}

static void bc_core_test_path(struct kunit *test)
{
	static const char path[] = "/kunit/a/b";
	struct tree *t = test->priv;
	char buf[16];
	size_t size;

	KUNIT_EXPECT_EQ(test, bc_group_path(&bc_default_hierarchy.root, buf, 2), 1);
	KUNIT_EXPECT_STREQ(test, buf, "/");
	KUNIT_EXPECT_EQ(test, bc_group_path(t->top, buf, sizeof(buf)), 6);
	KUNIT_EXPECT_STREQ(test, buf, "/kunit");

	/* Where there is not enough room, it is the end. */
	for (size = 0; size < sizeof(buf); size++) {
		memset(buf, 'x', sizeof(buf));
		KUNIT_EXPECT_EQ(test, bc_group_path(t->b, buf, size), strlen(path));
		KUNIT_EXPECT_EQ(test, buf[size], 'x');
		if (size > strlen(path)) {
			KUNIT_EXPECT_STREQ(test, buf, path);
		} else if (size > 3) {
			KUNIT_EXPECT_EQ(test, strlen(buf), size - 1);
			KUNIT_EXPECT_EQ(test, strncmp(buf, "...", 3), 0);
			KUNIT_EXPECT_STREQ(test, buf + 3,
					   path + sizeof(path) - size + 3);
		}
	}
}

static void bc_core_test_descendants(struct kunit *test)
{
	struct tree *t = test->priv;
	struct bc_group *pos;

	bc_lock();
	pos = bc_group_next_descendant(NULL, t->top);
	KUNIT_EXPECT_PTR_EQ(test, pos, t->top);
	pos = bc_group_next_descendant(pos, t->top);
	KUNIT_EXPECT_PTR_EQ(test, pos, t->a);
	pos = bc_group_next_descendant(pos, t->top);
	KUNIT_EXPECT_PTR_EQ(test, pos, t->b);
	pos = bc_group_next_descendant(pos, t->top);
	KUNIT_EXPECT_PTR_EQ(test, pos, t->c);
	KUNIT_EXPECT_NULL(test, bc_group_next_descendant(pos, t->top));

	/* It does not leave the group where it has begun. */
	KUNIT_EXPECT_PTR_EQ(test, bc_group_next_descendant(t->a, t->a), t->b);
	KUNIT_EXPECT_NULL(test, bc_group_next_descendant(t->b, t->a));
	KUNIT_EXPECT_NULL(test, bc_group_next_descendant(t->c, t->c));
	bc_unlock();

	/* What is removed is not met again. */
	pos = make(test, t->a, "gone");
	remove(test, pos);
	bc_lock();
	KUNIT_EXPECT_PTR_EQ(test, bc_group_next_descendant(t->b, t->top), t->c);
	bc_unlock();
}

static void bc_core_test_common(struct kunit *test)
{
	struct tree *t = test->priv;

	KUNIT_EXPECT_PTR_EQ(test, bc_group_common(t->b, t->c), t->top);
	KUNIT_EXPECT_PTR_EQ(test, bc_group_common(t->c, t->b), t->top);
	KUNIT_EXPECT_PTR_EQ(test, bc_group_common(t->b, t->a), t->a);
	KUNIT_EXPECT_PTR_EQ(test, bc_group_common(t->b, t->b), t->b);
	KUNIT_EXPECT_PTR_EQ(test, bc_group_common(t->b, &bc_default_hierarchy.root),
			    &bc_default_hierarchy.root);
}

/* A child that nobody has seen is no use of its parent, one that was removed is. */
static void bc_core_test_used(struct kunit *test)
{
	struct tree *t = test->priv;
	struct bc_group *child;

	KUNIT_EXPECT_FALSE(test, bc_group_releasable(t->c));
	child = make(test, t->c, "d");
	bc_group_cancel(child);
	bc_group_put(child);
	KUNIT_EXPECT_FALSE(test, bc_group_releasable(t->c));

	child = make(test, t->c, "d");
	KUNIT_EXPECT_FALSE(test, bc_group_releasable(t->c));
	remove(test, child);
	KUNIT_EXPECT_TRUE(test, bc_group_releasable(t->c));
	KUNIT_EXPECT_FALSE(test, bc_group_releasable(t->a));
	KUNIT_EXPECT_FALSE(test, bc_group_releasable(&bc_default_hierarchy.root));
}

static void bc_core_test_ids(struct kunit *test)
{
	struct tree *t = test->priv;

	KUNIT_EXPECT_EQ(test, bc_default_hierarchy.root.id, 0);
	KUNIT_EXPECT_LT(test, t->top->id, t->a->id);
	KUNIT_EXPECT_LT(test, t->a->id, t->b->id);
	KUNIT_EXPECT_EQ(test, t->b->level, 3);
}

/* A dump that finds 0 would not look for changes: it is left out when it would come. */
static void bc_core_test_seq(struct kunit *test)
{
	struct bc_hierarchy *h = &bc_default_hierarchy;
	struct tree *t = test->priv;
	unsigned int seq, last;
	int i;

	bc_lock();
	h->seq = -3U;
	last = h->seq;
	bc_unlock();
	for (i = 0; i < 4; i++) {
		struct bc_group *group = make(test, t->top, "late");

		bc_lock();
		seq = h->seq;
		bc_unlock();
		KUNIT_EXPECT_NE(test, seq, 0);
		KUNIT_EXPECT_NE(test, seq, last);
		last = seq;
		remove(test, group);
		bc_lock();
		seq = h->seq;
		bc_unlock();
		KUNIT_EXPECT_NE(test, seq, 0);
		KUNIT_EXPECT_NE(test, seq, last);
		last = seq;
	}
	/* It did come to the end. */
	KUNIT_EXPECT_LT(test, last, 1000);
}

static struct kunit_case bc_core_cases[] = {
	KUNIT_CASE(bc_core_test_path),
	KUNIT_CASE(bc_core_test_descendants),
	KUNIT_CASE(bc_core_test_common),
	KUNIT_CASE(bc_core_test_used),
	KUNIT_CASE(bc_core_test_ids),
	KUNIT_CASE(bc_core_test_seq),
	{}
};

static struct kunit_suite bc_core_suite = {
	.name = "bc_core",
	.init = make_tree,
	.exit = remove_tree,
	.test_cases = bc_core_cases,
};

kunit_test_suite(bc_core_suite);
