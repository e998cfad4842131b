// SPDX-License-Identifier: GPL-2.0
/*
 * The next operation, at random, mostly one that makes sense. The same seed makes the
 * same list.
 */
#include "model.h"

static unsigned long long state;

/* What comes next, if not something at random: see focus(). */
static struct op last, again;

void set_seed(unsigned long long seed)
{
	state = seed;
	last.kind = NR_OPS;
	again.kind = NR_OPS;
}

/* splitmix64: the C library's may be another one in the next release. */
unsigned int rnd(unsigned int below)
{
	unsigned long long z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (z ^ (z >> 31)) % below;
}

/* How often each is tried. What needs something else first needs to be tried more often. */
static const unsigned char weight[NR_OPS] = {
	[OP_MKDIR] = 30,
	[OP_RMDIR] = 20,
	[OP_LIMIT] = 50,
	[OP_BARRIER] = 20,
	[OP_RESET_MAX] = 15,
	[OP_RESET_MIN] = 20,
	[OP_WRITE_HELD] = 1,
	[OP_CHOWN] = 12,
	[OP_USER] = 12,
	[OP_START] = 20,
	[OP_FORK] = 30,
	[OP_EXEC] = 4,
	[OP_KILL] = 8,
	[OP_REAP] = 30,
	[OP_THREAD] = 15,
	[OP_THREAD_END] = 10,
	[OP_MOVE] = 70,
	[OP_MOVE_THREAD] = 25,
	[OP_ACT] = 25,
	[OP_UNSHARE] = 25,
	[OP_DROP_CAPS] = 3,
	[OP_SETUID] = 8,
	[OP_OPEN] = 25,
	[OP_OPEN_PATH] = 35,
	[OP_TCP] = 15,
	[OP_UDP] = 15,
	[OP_PTY] = 12,
	[OP_INOTIFY] = 20,
	[OP_MEMFD] = 15,
	[OP_PAIR] = 20,
	[OP_DUP] = 15,
	[OP_CLOSE] = 60,
	[OP_SEND] = 15,
	[OP_RECEIVE] = 20,
	[OP_FALLOCATE] = 25,
	[OP_WATCH] = 50,
	[OP_UNWATCH] = 30,
	[OP_FLOCK] = 40,
	[OP_POSIX] = 40,
	[OP_OFD] = 30,
	[OP_TIMER] = 15,
	[OP_TIMER_END] = 15,
	[OP_SIGNAL] = 40,
	[OP_TAKE_SIGNAL] = 25,
	[OP_MAP] = 30,
	[OP_MAP_SHARED] = 20,
	[OP_UNMAP] = 30,
	[OP_PROTECT] = 25,
	[OP_LOCK] = 20,
	[OP_UNLOCK] = 12,
};

static int random_kind(void)
{
	unsigned int sum = 0, n;
	int kind;

	for (kind = 0; kind < NR_OPS; kind++)
		sum += weight[kind];
	n = rnd(sum);
	for (kind = 0; n >= weight[kind]; kind++)
		n -= weight[kind];
	return kind;
}

/* One that there is, or, seldom, any. */
static int random_place(const struct model *m, int h)
{
	int place, tries;

	for (tries = 0; tries < 8; tries++) {
		place = rnd(NR_PLACES);
		if (m->place[h][place] != NONE || !rnd(16))
			break;
	}
	return place;
}

/* In the second one, too, where something is bound there. */
static int random_hierarchy(const struct model *m)
{
	return m->hierarchy_of[rnd(NR_RESOURCES)];
}

static int random_proc(const struct model *m, enum proc_state state)
{
	int i, tries;

	for (tries = 0; tries < 12; tries++) {
		i = rnd(NR_PROCS);
		if (m->proc[i].state == state)
			break;
	}
	return i;
}

static int random_fd(const struct proc *p, bool open)
{
	int i, tries;

	for (tries = 0; tries < 8; tries++) {
		i = rnd(NR_FDS);
		if (open ? p->fd[i].file != NONE : p->fd[i].file == NONE)
			break;
	}
	return i;
}

/*
 * Where something is being refused, or is about to be; or there is none: where there is no
 * room, there is no credit. focus() sees to it that enough is refused.
 */
static int random_amount(void)
{
	switch (rnd(8)) {
	case 0 ... 4:
		return AMOUNT_MAX;
	case 5:
		return AMOUNT_ZERO;
	case 6:
		return (int)rnd(20);
	default:
		return (int)rnd(5) - 1;
	}
}

static void counter_op(const struct model *m, struct op *op)
{
	int res = rnd(NR_RESOURCES);

	op->arg[0] = res;
	op->arg[1] = random_place(m, m->hierarchy_of[res]);
	op->arg[2] = op->kind == OP_WRITE_HELD ? (int)rnd(2) : random_amount();
	/* Room for a process, now and then. */
	if (res == PRIVVMPAGES && op->arg[2] < AMOUNT_MAX && rnd(3))
		op->arg[2] += SOME_PAGES + rnd(100);
}

/* What an operation needs room in, or NR_RESOURCES. */
static enum resource needs(const struct op *op)
{
	switch (op->kind) {
	case OP_FORK:
	case OP_THREAD:
		return NUMTASKS;
	case OP_OPEN:
	case OP_OPEN_PATH:
		return NUMFILES;
	case OP_TCP:
		return NUMTCPSOCK;
	case OP_UDP:
	case OP_PAIR:
		return NUMOTHERSOCK;
	case OP_PTY:
		return NUMPTY;
	case OP_INOTIFY:
		return NUMINOTIFY;
	case OP_WATCH:
		return NUMWATCHES;
	case OP_FLOCK:
	case OP_POSIX:
	case OP_OFD:
		return NUMFLOCK;
	case OP_TIMER:
	case OP_SIGNAL:
		return NUMSIGINFO;
	case OP_MAP:
	case OP_PROTECT:
		return PRIVVMPAGES;
	case OP_LOCK:
		return LOCKEDPAGES;
	case OP_MAP_SHARED:
	case OP_FALLOCATE:
		return SHMPAGES;
	default:
		return NR_RESOURCES;
	}
}

static int place_of(const struct model *m, int h, int group)
{
	int place;

	for (place = 0; place < NR_PLACES; place++) {
		if (m->place[h][place] == group)
			return place;
	}
	return NONE;
}

/*
 * Limits at random are seldom where something is being charged. So, now and then, set one
 * right there, or above, and do the same again.
 */
static bool focus(const struct model *m, struct op *op)
{
	enum resource res = last.kind < NR_OPS ? needs(&last) : NR_RESOURCES;
	const struct proc *p;
	int h, group;

	/* A move, by whom else, into where there may be no room. */
	if (last.kind == OP_MOVE && last.arg[2] != ROOT && !rnd(4)) {
		*op = (struct op){ .kind = OP_LIMIT, .arg = { NUMTASKS } };
		if (!rnd(3))
			op->arg[0] = PRIVVMPAGES;
		op->arg[1] = random_place(m, m->hierarchy_of[op->arg[0]]);
		op->arg[2] = (int)rnd(3) - 1;
		again = (struct op){
			.kind = OP_MOVE, .arg = { 0, m->hierarchy_of[op->arg[0]], op->arg[1] },
		};
		return true;
	}
	/* A mkdir, likewise. */
	if (last.kind == OP_MKDIR && !rnd(4)) {
		int up = rnd(NR_PLACES / 2);

		h = m->hierarchy_of[NUMGROUPS];
		*op = (struct op){ .kind = OP_LIMIT,
				   .arg = { NUMGROUPS, up, (int)rnd(3) - 1 } };
		again = (struct op){ .kind = OP_MKDIR, .arg = { h, 2 * up + 1 + rnd(2) } };
		return true;
	}
	/* Signals are what is charged both at a limit and by force. */
	if (res == NR_RESOURCES || rnd(res == NUMSIGINFO ? 2 : 5))
		return false;
	p = &m->proc[last.arg[0]];
	if (p->state != ALIVE)
		return false;
	h = m->hierarchy_of[res];
	group = p->group[h][p->acting];
	while (group != ROOT && m->group[group].parent != ROOT && !rnd(3))
		group = m->group[group].parent;
	if (group == ROOT || place_of(m, h, group) == NONE)
		return false;
	*op = (struct op){ .kind = rnd(3) ? OP_LIMIT : OP_BARRIER,
			   .arg = { res, place_of(m, h, group), (int)rnd(3) - 1 } };
	/* Or see how far it falls from here. */
	if (!rnd(8))
		op->kind = OP_RESET_MIN;
	else if (rnd(4))
		again = last;
	return true;
}

static void random_op(const struct model *m, struct op *op)
{
	bool same = again.kind != NR_OPS;
	const struct proc *p;
	short *a = op->arg;

	*op = (struct op){ .kind = same ? again.kind : random_kind() };
	if (again.kind == OP_MOVE || again.kind == OP_MKDIR) {
		*op = again;
		if (again.kind == OP_MOVE)
			a[0] = random_proc(m, ALIVE);
		again.kind = NR_OPS;
		return;
	}
	again.kind = NR_OPS;
	switch (op->kind) {
	case OP_MKDIR:
	case OP_RMDIR:
		a[0] = random_hierarchy(m);
		a[1] = 1 + rnd(NR_PLACES - 1);
		return;
	case OP_LIMIT ... OP_WRITE_HELD:
		counter_op(m, op);
		return;
	case OP_CHOWN:
		a[0] = random_hierarchy(m);
		a[1] = random_place(m, a[0]);
		return;
	case OP_USER:
		/* Root can do more. */
		a[0] = !rnd(3);
		return;
	case OP_START:
		a[0] = random_proc(m, GONE);
		return;
	case OP_REAP:
		a[0] = random_proc(m, ZOMBIE);
		return;
	default:
		break;
	}

	a[0] = same ? again.arg[0] : random_proc(m, ALIVE);
	p = &m->proc[a[0]];
	switch (op->kind) {
	case OP_FORK:
		a[1] = random_proc(m, GONE);
		break;
	case OP_THREAD:
	case OP_THREAD_END:
		a[1] = 1 + rnd(NR_THREADS);
		break;
	case OP_ACT:
		a[1] = rnd(1 + NR_THREADS);
		break;
	case OP_UNSHARE:
		/* One of the two right below, if it is not below all others. */
		a[1] = place_of(m, 0, p->group[0][p->acting]);
		a[1] = a[1] < 0 || a[1] > 2 ? 0 : 2 * a[1] + 1 + (int)rnd(2);
		break;
	case OP_MOVE:
	case OP_MOVE_THREAD:
		a[1] = random_hierarchy(m);
		a[2] = rnd(8) ? random_place(m, a[1]) : ROOT;
		a[3] = rnd(1 + NR_THREADS);
		if (!rnd(16))
			a[0] = rnd(NR_PROCS);
		break;
	case OP_OPEN ... OP_DUP:
		a[1] = random_fd(p, false);
		a[2] = rnd(2);
		a[3] = op->kind == OP_OPEN_PATH ? (int)rnd(NR_PATHS) :
		       random_fd(p, op->kind == OP_DUP);
		break;
	case OP_RECEIVE:
		a[1] = random_fd(p, false);
		a[2] = rnd(2);
		break;
	case OP_CLOSE ... OP_SEND:
	case OP_FALLOCATE ... OP_OFD:
		a[1] = random_fd(p, true);
		a[2] = rnd(3);
		a[3] = rnd(NR_BYTES);
		if (op->kind == OP_FALLOCATE)
			a[2] = 1 + rnd(6);
		break;
	case OP_TIMER:
	case OP_TIMER_END:
		a[1] = rnd(NR_TIMERS);
		break;
	case OP_SIGNAL:
	case OP_TAKE_SIGNAL:
		/* Where the others are refused, the last one is not. */
		a[1] = same && rnd(2) ? NR_SIGNALS - 1 : (int)rnd(NR_SIGNALS);
		break;
	case OP_MAP ... OP_UNLOCK:
		a[1] = rnd(NR_MAPS);
		a[2] = op->kind == OP_PROTECT ? (int)rnd(2) : 1 + (int)rnd(8);
		a[3] = !rnd(3);
		break;
	}
}

/**
 * generate_op - the next operation
 * @m: the model as it is now
 * @op: the result
 */
void generate_op(const struct model *m, struct op *op)
{
	if (!focus(m, op))
		random_op(m, op);
	last = *op;
}
