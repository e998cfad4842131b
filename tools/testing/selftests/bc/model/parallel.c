// SPDX-License-Identifier: GPL-2.0
/*
 * Several at once, in the same groups, which have limits. Nobody knows what is going to be
 * refused, so only what is always true is looked at.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"

#define NR_CONTROLLERS 3

/* Low enough to be met all the time. Memory of processes has none: an exec would kill. */
static const int limits[NR_RESOURCES] = {
	[NUMTASKS] = 7,
	[NUMFILES] = 12,
	[NUMINOTIFY] = 3,
	[NUMWATCHES] = 4,
	[NUMFLOCK] = 5,
	[NUMPTY] = 2,
	[NUMSIGINFO] = 6,
	[NUMTCPSOCK] = 3,
	[NUMOTHERSOCK] = 5,
	[LOCKEDPAGES] = 20,
	[SHMPAGES] = 20,
};

/* What changes the limits is not for them, nor are groups that others count on. */
static bool is_allowed(const struct op *op)
{
	switch (op->kind) {
	case OP_LIMIT ... OP_USER:
	case OP_UNSHARE:
		return false;
	case OP_MKDIR:
	case OP_RMDIR:
		return op->arg[1] > 2;
	default:
		return true;
	}
}

/**
 * struct report - what a controller has to say when it is done
 * @who: its number
 * @done: how many operations it did
 * @refused: how many of these have failed
 */
struct report {
	int who;
	long done, refused;
};

static const int all_in_one[NR_RESOURCES];

static void make_groups(struct model *m)
{
	struct op op = { .kind = OP_MKDIR };

	model_init(m, all_in_one, sysconf(_SC_NPROCESSORS_CONF), kernel_can_exec());
	for (op.arg[1] = 1; op.arg[1] < NR_PLACES; op.arg[1]++)
		model_do(m, &op);
}

/*
 * What the model says is what would be if nobody else was there. Where the kernel has
 * refused something, later calls find nothing and fail: no harm is done.
 */
static void control(struct model *m, unsigned long long seed, double end, struct report *r)
{
	struct op op;

	set_seed(seed);
	while (kernel_now() < end) {
		generate_op(m, &op);
		if (!is_allowed(&op) || model_do(m, &op) == SKIPPED)
			continue;
		r->refused += kernel_do(m, &op, 0) < 0;
		r->done++;
		/*
		 * It has no room for more groups. Begin again, without processes, and as if all
		 * groups were there: what others have removed, it never knows.
		 */
		if (m->nr_groups == MAX_GROUPS) {
			kernel_kill_all();
			make_groups(m);
		}
	}
}

/* In a child: do it, tell that it is done, and end when told so. */
static void controller(struct model *m, int who, unsigned long long seed, double end, int tell,
		       int wait)
{
	struct report r = { .who = who };
	char c;

	if (kernel_join())
		_exit(1);
	make_groups(m);
	control(m, seed + who, end, &r);
	/* So short that it comes in one piece. */
	if (write(tell, &r, sizeof(r)) != sizeof(r))
		_exit(1);
	/* Or, as long as we wait, nobody hears that another one has died. */
	close(tell);
	if (read(wait, &c, 1) < 0)
		_exit(1);
	kernel_kill_all();
	kernel_exit();
	_exit(0);
}

static bool set_limits(void)
{
	struct model *m = calloc(1, sizeof(*m));
	struct op op = { .kind = OP_MKDIR };
	long err = m ? 0 : -ENOMEM;
	int place, res;

	for (place = 1; place < NR_PLACES && !err; place++) {
		op.arg[1] = place;
		err = kernel_do(m, &op, 0);
	}
	op.kind = OP_LIMIT;
	for (place = 0; place < NR_PLACES && !err; place++) {
		op.arg[1] = place;
		for (res = 0; res < NR_RESOURCES && !err; res++) {
			op.arg[0] = res;
			/* More room above than below, but not for all. */
			if (limits[res])
				err = kernel_do(m, &op, limits[res] * (place ? 2 : 3) / 2);
		}
	}
	free(m);
	return !err;
}

/* What all of them report. How many have not, but closed the pipe, as who dies does. */
static int hear(int from, bool *well, char *wrong)
{
	int left = NR_CONTROLLERS;
	struct report r;

	while (left && read(from, &r, sizeof(r)) == sizeof(r)) {
		printf("# controller %d: %ld operations, %ld refused\n", r.who, r.done, r.refused);
		if (*well && r.done == r.refused) {
			snprintf(wrong, WRONG_SIZE, "controller %d: nothing was done", r.who);
			*well = false;
		}
		left--;
	}
	return left;
}

/**
 * parallel - let several do operations at random
 * @seconds: for so long
 * @seed: what they do
 * @wrong: what was not as it should be
 *
 * Return: true if all was well.
 */
bool parallel(double seconds, unsigned long long seed, char *wrong)
{
	struct model *m = calloc(1, sizeof(*m));
	int done[2], go[2], i, status, left;
	pid_t pid[NR_CONTROLLERS];
	double end;
	bool well;

	snprintf(wrong, WRONG_SIZE, "cannot begin");
	if (!m || pipe(done) || pipe(go) || kernel_begin(all_in_one, false))
		return false;
	well = set_limits();
	end = kernel_now() + seconds;
	for (i = 0; i < NR_CONTROLLERS; i++) {
		fflush(stdout);
		pid[i] = fork();
		if (pid[i] == 0) {
			close(go[1]);
			close(done[0]);
			controller(m, i, seed, end, done[1], go[0]);
		}
	}
	close(done[1]);
	close(go[0]);
	while (well && kernel_now() < end) {
		well = kernel_in_limits(wrong);
		usleep(20000);
	}
	left = hear(done[0], &well, wrong);
	if (well && left)
		snprintf(wrong, WRONG_SIZE, "%d of %d have died", left, NR_CONTROLLERS);
	well = well && !left && kernel_at_rest(20, wrong);
	close(go[1]);
	close(done[0]);
	for (i = 0; i < NR_CONTROLLERS; i++) {
		if (pid[i] > 0 && waitpid(pid[i], &status, 0) == pid[i] && status && well) {
			snprintf(wrong, WRONG_SIZE, "a controller ended with %#x", status);
			well = false;
		}
	}
	free(m);
	return kernel_end(well, 20, wrong);
}
