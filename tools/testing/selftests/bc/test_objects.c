// SPDX-License-Identifier: GPL-2.0
/*
 * What all resources have in common that count objects: who pays, for how long, and
 * what is refused. Each test is run for each of them.
 */
#include "bc_proc.h"
#include "bc_worker.h"

FIXTURE(object) {
	char dir[64];
	char held[32], maxheld[32], limit[32], failcnt[32];
	struct bc_worker w;
};

FIXTURE_VARIANT(object) {
	const struct bc_kind *kind;
};

FIXTURE_VARIANT_ADD(object, numfiles) { &bc_file };
FIXTURE_VARIANT_ADD(object, numinotify) { &bc_inotify };
FIXTURE_VARIANT_ADD(object, numwatches) { &bc_watch };
FIXTURE_VARIANT_ADD(object, numflock) { &bc_lock };
FIXTURE_VARIANT_ADD(object, numpty) { &bc_pty };
FIXTURE_VARIANT_ADD(object, numkeys) { &bc_key };
FIXTURE_VARIANT_ADD(object, numsiginfo) { &bc_signal };
FIXTURE_VARIANT_ADD(object, numtcpsock) { &bc_tcp };
FIXTURE_VARIANT_ADD(object, numothersock) { &bc_unix };

FIXTURE_SETUP(object)
{
	const char *res = variant->kind->resource;

	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, res) == -ENOENT)
		SKIP(return, "no %s in this kernel", res);
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	snprintf(self->held, sizeof(self->held), "%s/held", res);
	snprintf(self->maxheld, sizeof(self->maxheld), "%s/maxheld", res);
	snprintf(self->limit, sizeof(self->limit), "%s/limit", res);
	snprintf(self->failcnt, sizeof(self->failcnt), "%s/failcnt", res);
	self->w = bc_worker_start(variant->kind);
	ASSERT_LT(0, self->w.pid);
}

FIXTURE_TEARDOWN(object)
{
	if (!self->dir[0])
		return;
	bc_worker_kill(self->w);
	bc_expect_clean(_metadata, self->dir);
}

/* A file of the resource in a group below ours. */
static const char *below(const char *group, const char *file)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", group, file);
	return path;
}

static int move_in(struct bc_worker w, const char *dir)
{
	return bc_write(dir, "tasks", "%d", w.pid);
}

TEST_F(object, refuse)
{
	ASSERT_EQ(0, bc_write(self->dir, self->limit, "3"));
	ASSERT_EQ(0, move_in(self->w, self->dir));
	EXPECT_EQ(3, bc_make_n(self->w, 3));
	EXPECT_EQ(3, bc_get(self->dir, self->held));
	EXPECT_EQ(variant->kind->error, bc_make(self->w));
	EXPECT_EQ(variant->kind->error, bc_make(self->w));
	EXPECT_EQ(2, bc_get(self->dir, self->failcnt));
	EXPECT_EQ(3, bc_get(self->dir, self->held));
	EXPECT_EQ(3, bc_get(self->dir, self->maxheld));

	bc_drop(self->w);
	EXPECT_EQ(2, bc_settle(self->dir, self->held, 2));
	EXPECT_EQ(0, bc_make(self->w));
	EXPECT_EQ(3, bc_get(self->dir, self->held));
	bc_drop_all(self->w);
	EXPECT_EQ(0, bc_settle(self->dir, self->held, 0));
	EXPECT_EQ(2, bc_get(self->dir, self->failcnt));
}

TEST_F(object, refuse_above)
{
	char leaf[128];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	snprintf(leaf, sizeof(leaf), "%s/a/b", self->dir);
	ASSERT_EQ(0, bc_write(self->dir, self->limit, "2"));
	ASSERT_EQ(0, bc_write(self->dir, below("a", self->limit), "5"));
	ASSERT_EQ(0, move_in(self->w, leaf));
	EXPECT_EQ(2, bc_make_n(self->w, 3));
	EXPECT_EQ(2, bc_get(self->dir, below("a/b", self->held)));
	EXPECT_EQ(2, bc_get(self->dir, below("a", self->held)));
	EXPECT_EQ(2, bc_get(self->dir, self->held));
	EXPECT_EQ(0, bc_get(self->dir, below("a/b", self->failcnt)));
	EXPECT_EQ(0, bc_get(self->dir, below("a", self->failcnt)));
	EXPECT_EQ(1, bc_get(self->dir, self->failcnt));

	ASSERT_EQ(0, bc_write(self->dir, self->limit, "max"));
	ASSERT_EQ(0, bc_write(self->dir, below("a/b", self->limit), "2"));
	EXPECT_EQ(variant->kind->error, bc_make(self->w));
	EXPECT_EQ(1, bc_get(self->dir, below("a/b", self->failcnt)));
	EXPECT_EQ(1, bc_get(self->dir, self->failcnt));

	bc_worker_kill(self->w);
	EXPECT_EQ(0, bc_settle(self->dir, self->held, 0));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
}

/* A limit below what is held takes nothing away. */
TEST_F(object, lower_limit)
{
	ASSERT_EQ(0, move_in(self->w, self->dir));
	EXPECT_EQ(5, bc_make_n(self->w, 5));
	ASSERT_EQ(0, bc_write(self->dir, self->limit, "2"));
	EXPECT_EQ(5, bc_get(self->dir, self->held));
	EXPECT_EQ(variant->kind->error, bc_make(self->w));
	bc_drop(self->w);
	bc_drop(self->w);
	bc_drop(self->w);
	EXPECT_EQ(2, bc_settle(self->dir, self->held, 2));
	EXPECT_EQ(variant->kind->error, bc_make(self->w));
	EXPECT_EQ(2, bc_get(self->dir, self->failcnt));
	bc_drop(self->w);
	EXPECT_EQ(1, bc_settle(self->dir, self->held, 1));
	EXPECT_EQ(0, bc_make(self->w));
}

/* What was made before a move stays where it was charged. */
TEST_F(object, stay)
{
	char a[96], b[96];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	bc_path(a, self->dir, "a");
	bc_path(b, self->dir, "b");

	EXPECT_EQ(1, bc_make_n(self->w, 1));
	ASSERT_EQ(0, move_in(self->w, a));
	EXPECT_EQ(0, bc_get(a, self->held));
	EXPECT_EQ(2, bc_make_n(self->w, 2));
	ASSERT_EQ(0, move_in(self->w, b));
	EXPECT_EQ(3, bc_make_n(self->w, 3));
	EXPECT_EQ(2, bc_get(a, self->held));
	EXPECT_EQ(3, bc_get(b, self->held));
	EXPECT_EQ(5, bc_get(self->dir, self->held));

	/* The last ones first. */
	bc_drop(self->w);
	bc_drop(self->w);
	bc_drop(self->w);
	EXPECT_EQ(0, bc_settle(b, self->held, 0));
	EXPECT_EQ(2, bc_get(a, self->held));
	bc_drop(self->w);
	EXPECT_EQ(1, bc_settle(a, self->held, 1));
	EXPECT_EQ(1, bc_get(self->dir, self->held));
	bc_drop_all(self->w);
	EXPECT_EQ(0, bc_settle(a, self->held, 0));
	EXPECT_EQ(0, bc_get(b, self->held));

	ASSERT_EQ(0, move_in(self->w, BC_ROOT));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
}

/* A group without a directory goes on paying, and is freed in the end. */
TEST_F(object, outlive)
{
	long groups = bc_settle(BC_GROUPS, "groups", bc_live_groups());
	char a[96], b[96];
	int i;

	/* Those of the last test have gone. What has been sabotaged stays for ever. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	bc_path(a, self->dir, "a");
	bc_path(b, self->dir, "a/b");
	ASSERT_EQ(0, move_in(self->w, b));
	EXPECT_EQ(3, bc_make_n(self->w, 3));
	ASSERT_EQ(0, move_in(self->w, a));
	EXPECT_EQ(2, bc_make_n(self->w, 2));
	ASSERT_EQ(0, move_in(self->w, BC_ROOT));
	EXPECT_EQ(1, bc_make_n(self->w, 1));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(5, bc_get(a, self->held));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(5, bc_get(self->dir, self->held));
	/* A new group of that name has nothing to do with it. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	EXPECT_EQ(0, bc_get(a, self->held));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));

	bc_drop(self->w);
	EXPECT_EQ(5, bc_get(self->dir, self->held));
	for (i = 4; i >= 0; i--) {
		bc_drop(self->w);
		EXPECT_EQ(i, bc_settle(self->dir, self->held, i));
	}
	/* What a page fault there has left the worker with counts for kmemsize. */
	bc_worker_kill(self->w);
	EXPECT_EQ(groups, bc_settle(BC_GROUPS, "groups", groups));
}

/* Nobody drops what a killed process has: that is for the kernel to do. */
TEST_F(object, killed)
{
	ASSERT_EQ(0, move_in(self->w, self->dir));
	EXPECT_EQ(20, bc_make_n(self->w, 20));
	EXPECT_EQ(20, bc_get(self->dir, self->held));
	bc_worker_kill(self->w);
	EXPECT_EQ(0, bc_settle(self->dir, self->held, 0));
}

/* Nobody in the root group is charged, also while there are other groups. */
TEST_F(object, root)
{
	EXPECT_EQ(5, bc_make_n(self->w, 5));
	EXPECT_EQ(0, bc_get(self->dir, self->held));
	ASSERT_EQ(0, move_in(self->w, self->dir));
	EXPECT_EQ(0, bc_get(self->dir, self->held));
	bc_drop_all(self->w);
	EXPECT_EQ(0, bc_get(self->dir, self->held));
	EXPECT_EQ(0, bc_get(self->dir, self->maxheld));
}

/* Two make and drop at a limit, in different groups below it. */
TEST_F(object, storm)
{
	struct bc_worker other = bc_worker_start(variant->kind);
	long refused, failed;
	char a[96], b[96];
	int n = 0, over = 0, r;
	double end;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	bc_path(a, self->dir, "a");
	bc_path(b, self->dir, "b");
	ASSERT_EQ(0, bc_write(self->dir, self->limit, "6"));
	ASSERT_EQ(0, bc_write(a, self->limit, "5"));
	ASSERT_EQ(0, move_in(self->w, a));
	ASSERT_EQ(0, move_in(other, b));
	bc_tell(self->w, 's');
	bc_tell(other, 's');

	end = bc_end_time(3);
	do {
		over += bc_get(self->dir, self->held) > 6;
		over += bc_get(self->dir, self->maxheld) > 6;
		over += bc_get(a, self->held) > 5;
		n++;
	} while (bc_goes_on(end, bc_get(self->dir, self->failcnt) > 0));
	EXPECT_EQ(0, over);

	bc_tell(self->w, 'e');
	bc_tell(other, 'e');
	refused = bc_answer(self->w);
	EXPECT_LE(0, refused);
	r = bc_answer(other);
	EXPECT_LE(0, r);
	refused += r;
	failed = bc_get(self->dir, self->failcnt) + bc_get(a, self->failcnt) +
		 bc_get(b, self->failcnt);
	TH_LOG("%ld refused, looked %d times", refused, n);
	EXPECT_EQ(refused, failed);
	EXPECT_LT(0, refused);
	EXPECT_EQ(0, bc_settle(a, self->held, 0));
	EXPECT_EQ(0, bc_settle(b, self->held, 0));
	EXPECT_EQ(0, bc_get(self->dir, self->held));
	EXPECT_GE(6, bc_get(self->dir, self->maxheld));

	bc_worker_kill(other);
	ASSERT_EQ(0, move_in(self->w, BC_ROOT));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
}

TEST_HARNESS_MAIN
