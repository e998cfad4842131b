// SPDX-License-Identifier: GPL-2.0
/*
 * What each operation returns, and what it does to the counters. Nothing here knows of
 * the kernel: see Documentation/beancounters.txt, sections 3 to 5.
 */
#include <errno.h>
#include <string.h>

#include "model.h"

const char * const resource_names[NR_RESOURCES] = {
	[NUMTASKS] = "numtasks",
	[NUMGROUPS] = "numgroups",
	[NUMFILES] = "numfiles",
	[NUMINOTIFY] = "numinotify",
	[NUMWATCHES] = "numwatches",
	[NUMFLOCK] = "numflock",
	[NUMPTY] = "numpty",
	[NUMSIGINFO] = "numsiginfo",
	[NUMTCPSOCK] = "numtcpsock",
	[NUMOTHERSOCK] = "numothersock",
	[PRIVVMPAGES] = "privvmpages",
	[LOCKEDPAGES] = "lockedpages",
	[SHMPAGES] = "shmpages",
};

const char * const file_names[NR_FILES] = {
	[F_HELD] = "held",
	[F_MAXHELD] = "maxheld",
	[F_MINHELD] = "minheld",
	[F_FAILCNT] = "failcnt",
	[F_LIMIT] = "limit",
	[F_BARRIER] = "barrier",
};

/* 5.3 and 5.18; 0 is a plain counter. */
static const int batch[NR_RESOURCES] = {
	[NUMFILES] = 8,
	[NUMFLOCK] = 8,
	[NUMSIGINFO] = 8,
	[NUMTCPSOCK] = 8,
	[NUMOTHERSOCK] = 8,
	[PRIVVMPAGES] = 64,
	[LOCKEDPAGES] = 64,
	[SHMPAGES] = 64,
};

/* Which of an address space's groups is that of a resource. */
static const enum resource mm_resource[2] = { PRIVVMPAGES, LOCKEDPAGES };

static long max(long a, long b)
{
	return a > b ? a : b;
}

static long min(long a, long b)
{
	return a < b ? a : b;
}

/*
 * Counters
 */

static struct counter *counter_of(struct model *m, int group, enum resource res)
{
	return &m->group[group].count[res];
}

static long ceiling(const struct counter *c, enum severity severity)
{
	return severity == FORCE ? LONG_MAX : c->ceiling[severity];
}

/* A charge has made it hold more. What CPUs keep as credit may be in maxheld (4.4). */
static void charged(const struct model *m, struct counter *c, enum resource res, long n,
		    enum severity severity)
{
	long slack = 2L * batch[res] * (16 + 1) * m->cpus;

	c->held += n;
	c->max = max(c->max, c->held);
	slack = min(c->held + slack, ceiling(c, severity)) - c->held;
	c->max_most = max(c->max_most, c->held + max(slack, 0));
}

static void uncharged(struct counter *c, long n)
{
	c->held -= n;
	c->min = min(c->min, c->held);
}

/*
 * Charge a group and those above it, up to @stop, which is not charged: all or nothing.
 * NONE, or who has no room.
 */
static int try_charge(struct model *m, int group, int stop, enum resource res, long n,
		      enum severity severity)
{
	int g;

	if (!n)
		return NONE;
	for (g = group; g != stop && g != ROOT; g = m->group[g].parent) {
		struct counter *c = counter_of(m, g, res);

		if (c->held + n > ceiling(c, severity))
			return g;
	}
	for (g = group; g != stop && g != ROOT; g = m->group[g].parent)
		charged(m, counter_of(m, g, res), res, n, severity);
	return NONE;
}

static void uncharge(struct model *m, int group, int stop, enum resource res, long n)
{
	int g;

	if (!n)
		return;
	for (g = group; g != stop && g != ROOT; g = m->group[g].parent)
		uncharged(counter_of(m, g, res), n);
}

static bool refused(struct model *m, int group, enum resource res)
{
	if (group == NONE)
		return false;
	counter_of(m, group, res)->failcnt++;
	return true;
}

/* The same, and who refuses counts it. */
static bool charge(struct model *m, int group, enum resource res, long n,
		   enum severity severity)
{
	return !refused(m, try_charge(m, group, ROOT, res, n, severity), res);
}

static bool counts_in(const struct model *m, int group, int above)
{
	while (group != above && group != ROOT)
		group = m->group[group].parent;
	return group == above;
}

/* Where the ways up from two groups meet, or ROOT. */
static int common(const struct model *m, int a, int b)
{
	while (!counts_in(m, a, b))
		b = m->group[b].parent;
	return b;
}

/*
 * Groups
 */

/* Of the thread that does something. */
static int group_of(const struct model *m, const struct proc *p, enum resource res)
{
	return p->group[m->hierarchy_of[res]][p->acting];
}

static int group_at(const struct model *m, enum resource res, int place)
{
	return m->place[m->hierarchy_of[res]][place];
}

static int new_group(struct model *m, int hierarchy, int parent)
{
	struct node *g = &m->group[m->nr_groups];
	int res;

	*g = (struct node){ .hierarchy = hierarchy, .parent = parent };
	for (res = 0; res < NR_RESOURCES; res++) {
		g->count[res].ceiling[BARRIER] = LONG_MAX;
		g->count[res].ceiling[LIMIT] = LONG_MAX;
	}
	if (parent != ROOT) {
		m->group[parent].children++;
		m->group[parent].used = true;
	}
	return m->nr_groups++;
}

/* 3.8: may who does it write to the directory, or to tasks and threads? The roots are root's. */
static bool may_write(const struct model *m, int group)
{
	if (!m->as_user)
		return true;
	return group != ROOT && (m->group[group].given || m->group[group].users);
}

static long do_mkdir(struct model *m, int h, int place)
{
	int up = parent_place(place);

	if (m->place[h][place] != NONE)
		return -EEXIST;
	if (m->place[h][up] == NONE)
		return -ENOENT;
	if (!may_write(m, m->place[h][up]))
		return -EACCES;
	if (m->nr_groups == MAX_GROUPS)
		return SKIPPED;
	if (m->hierarchy_of[NUMGROUPS] == h && !charge(m, m->place[h][up], NUMGROUPS, 1, LIMIT))
		return -EAGAIN;
	m->place[h][place] = new_group(m, h, m->place[h][up]);
	m->group[m->place[h][place]].users = m->as_user;
	return 0;
}

static void remove_group(struct model *m, int h, int place)
{
	const struct node *g = &m->group[m->place[h][place]];

	m->group[g->parent].children--;
	if (m->hierarchy_of[NUMGROUPS] == h)
		uncharge(m, g->parent, ROOT, NUMGROUPS, 1);
	m->place[h][place] = NONE;
}

static long do_rmdir(struct model *m, int h, int place)
{
	struct node *g;

	/* The first one is who runs this one's. */
	if (!place)
		return SKIPPED;
	if (m->place[h][place] == NONE)
		return -ENOENT;
	g = &m->group[m->place[h][place]];
	if (!may_write(m, g->parent))
		return -EACCES;
	if (g->children)
		return -ENOTEMPTY;
	if (g->tasks)
		return -EBUSY;
	remove_group(m, h, place);
	return 0;
}

/* As root, whoever does the rest. */
static long do_chown(struct model *m, int h, int place)
{
	int g = m->place[h][place];

	if (g == NONE)
		return -ENOENT;
	m->group[g].given = true;
	return 0;
}

/* What is written to limit or barrier. */
long model_amount(const struct model *m, const struct op *op)
{
	int g = group_at(m, op->arg[0], op->arg[1]);

	if (op->arg[2] == AMOUNT_MAX)
		return LONG_MAX;
	if (op->arg[2] == AMOUNT_ZERO || g == NONE)
		return 0;
	return max(0, m->group[g].count[op->arg[0]].held + op->arg[2]);
}

static long do_counter_file(struct model *m, const struct op *op)
{
	int g = group_at(m, op->arg[0], op->arg[1]);
	long amount = model_amount(m, op), old;
	struct counter *c;

	if (g == NONE)
		return -ENOENT;
	/* Not with the directory. */
	if (m->as_user && !m->group[g].users)
		return -EACCES;
	c = counter_of(m, g, op->arg[0]);
	switch (op->kind) {
	case OP_LIMIT:
		old = c->ceiling[LIMIT];
		c->ceiling[LIMIT] = amount;
		if (c->ceiling[BARRIER] == old || c->ceiling[BARRIER] > amount)
			c->ceiling[BARRIER] = amount;
		return 0;
	case OP_BARRIER:
		if (amount > c->ceiling[LIMIT])
			return -EINVAL;
		c->ceiling[BARRIER] = amount;
		return 0;
	case OP_RESET_MAX:
		c->max = c->held;
		c->max_most = c->held;
		return 0;
	case OP_RESET_MIN:
		c->min = c->held;
		c->min_most = c->held;
		return 0;
	default:
		return -EACCES;
	}
}

/*
 * Files and what they bring along
 */

static bool is_free(const struct file *f)
{
	return !f->refs && !f->also_gone;
}

/* A place for a file, besides @but. */
static int free_file(const struct model *m, int but)
{
	int i;

	for (i = 0; i < MAX_OPEN; i++) {
		if (i != but && is_free(&m->file[i]))
			return i;
	}
	return NONE;
}

static void new_file(struct model *m, int i, const struct proc *p, enum file_kind kind)
{
	int path;

	m->file[i] = (struct file){
		.refs = 1, .kind = kind, .owner = group_of(m, p, NUMFILES),
		.also = NR_RESOURCES, .peer = NONE, .pages_owner = group_of(m, p, SHMPAGES),
	};
	for (path = 0; path < NR_PATHS; path++)
		m->file[i].watch[path] = NONE;
}

/* 5.4: who has CAP_SYS_ADMIN may go on, from a barrier that is below the limit. */
static bool charge_file(struct model *m, const struct proc *p)
{
	int group = group_of(m, p, NUMFILES);
	int refuser = try_charge(m, group, ROOT, NUMFILES, 1, BARRIER);

	if (refuser != NONE && p->caps[p->acting]) {
		const struct counter *c = counter_of(m, refuser, NUMFILES);

		if (c->ceiling[BARRIER] < c->ceiling[LIMIT])
			refuser = try_charge(m, group, ROOT, NUMFILES, 1, LIMIT);
	}
	return !refused(m, refuser, NUMFILES);
}

static void uncharge_file(struct model *m, const struct proc *p)
{
	uncharge(m, group_of(m, p, NUMFILES), ROOT, NUMFILES, 1);
}

static void drop_lock(struct model *m, struct lock *l)
{
	uncharge(m, l->owner, ROOT, NUMFLOCK, 1);
	l->type = UNLOCKED;
}

static void end_also(struct model *m, struct file *f)
{
	uncharge(m, f->also_owner, ROOT, f->also, 1);
	f->also_gone = false;
}

static void put_file(struct model *m, int i)
{
	struct file *f = &m->file[i];
	int n;

	if (--f->refs)
		return;
	uncharge(m, f->owner, ROOT, NUMFILES, 1);
	if (f->flock)
		uncharge(m, f->flock_owner, ROOT, NUMFLOCK, 1);
	f->flock = UNLOCKED;
	for (n = 0; n < MAX_LOCKS; n++) {
		if (m->lock[n].type && m->lock[n].file == i)
			drop_lock(m, &m->lock[n]);
	}
	for (n = 0; n < NR_PATHS; n++) {
		if (f->watch[n] != NONE)
			uncharge(m, f->watch[n], ROOT, NUMWATCHES, 1);
	}
	uncharge(m, f->pages_owner, ROOT, SHMPAGES, f->pages);
	f->pages = 0;
	if (f->also == NR_RESOURCES)
		return;
	/* 5.11: each end of a UNIX connection keeps the other one. */
	f->also_gone = true;
	if (f->peer == NONE) {
		end_also(m, f);
	} else if (m->file[f->peer].also_gone) {
		end_also(m, f);
		end_also(m, &m->file[f->peer]);
	}
}

static void close_fd(struct model *m, int proc, int fd)
{
	int file = m->proc[proc].fd[fd].file, n;

	if (file == NONE)
		return;
	/* A process that closes a file, by whatever number, has no POSIX locks there. */
	for (n = 0; n < MAX_LOCKS && m->file[file].kind == PATH; n++) {
		struct lock *l = &m->lock[n];

		if (l->type && l->proc == proc && l->path == m->file[file].path)
			drop_lock(m, l);
	}
	m->proc[proc].fd[fd].file = NONE;
	put_file(m, file);
}

static void new_fd(struct proc *p, const struct op *op, int fd, int file)
{
	p->fd[fd] = (struct fd){ .file = file, .cloexec = op->arg[2] };
}

/* What counts besides the file, before or after it, and what it says if it is full. */
static long do_open_also(struct model *m, struct proc *p, const struct op *op, int i,
			 enum file_kind kind, enum resource also, int error)
{
	int group = group_of(m, p, also);
	bool file_first = kind == PTY;

	if (file_first && !charge_file(m, p))
		return -ENFILE;
	if (!charge(m, group, also, 1, LIMIT)) {
		if (file_first)
			uncharge_file(m, p);
		return error;
	}
	if (!file_first && !charge_file(m, p)) {
		uncharge(m, group, ROOT, also, 1);
		return -ENFILE;
	}
	new_file(m, i, p, kind);
	m->file[i].also = also;
	m->file[i].also_owner = group;
	new_fd(p, op, op->arg[1], i);
	return 0;
}

static long do_pair(struct model *m, struct proc *p, const struct op *op, int i)
{
	int group = group_of(m, p, NUMOTHERSOCK), j = free_file(m, i), n;
	int file[2] = { i, j };

	if (j == NONE || op->arg[1] == op->arg[3] || p->fd[op->arg[3]].file != NONE)
		return SKIPPED;
	for (n = 0; n < 2; n++) {
		if (charge(m, group, NUMOTHERSOCK, 1, LIMIT))
			continue;
		uncharge(m, group, ROOT, NUMOTHERSOCK, n);
		return -ENOMEM;
	}
	for (n = 0; n < 2; n++) {
		if (charge_file(m, p))
			continue;
		uncharge(m, group_of(m, p, NUMFILES), ROOT, NUMFILES, n);
		uncharge(m, group, ROOT, NUMOTHERSOCK, 2);
		return -ENFILE;
	}
	for (n = 0; n < 2; n++) {
		new_file(m, file[n], p, SOCKET);
		m->file[file[n]].also = NUMOTHERSOCK;
		m->file[file[n]].also_owner = group;
		m->file[file[n]].peer = file[!n];
		new_fd(p, op, op->arg[n ? 3 : 1], file[n]);
	}
	return 0;
}

static long do_open(struct model *m, struct proc *p, const struct op *op)
{
	int i = free_file(m, NONE);

	if (i == NONE || p->fd[op->arg[1]].file != NONE)
		return SKIPPED;
	switch (op->kind) {
	case OP_TCP:
		return do_open_also(m, p, op, i, SOCKET, NUMTCPSOCK, -ENOMEM);
	case OP_UDP:
		return do_open_also(m, p, op, i, SOCKET, NUMOTHERSOCK, -ENOMEM);
	case OP_PTY:
		return do_open_also(m, p, op, i, PTY, NUMPTY, -ENOSPC);
	case OP_INOTIFY:
		return do_open_also(m, p, op, i, INOTIFY, NUMINOTIFY, -EMFILE);
	case OP_PAIR:
		return do_pair(m, p, op, i);
	default:
		break;
	}
	if (!charge_file(m, p))
		return -ENFILE;
	new_file(m, i, p, op->kind == OP_OPEN_PATH ? PATH :
			  op->kind == OP_MEMFD ? MEMFD : PLAIN);
	if (op->kind == OP_OPEN_PATH)
		m->file[i].path = op->arg[3];
	new_fd(p, op, op->arg[1], i);
	return 0;
}

static long do_dup(struct model *m, struct proc *p, const struct op *op)
{
	int file = p->fd[op->arg[3]].file;

	if (file == NONE || p->fd[op->arg[1]].file != NONE)
		return SKIPPED;
	m->file[file].refs++;
	new_fd(p, op, op->arg[1], file);
	if (m->planted)
		charge_file(m, p);
	return 0;
}

static long do_send(struct model *m, struct proc *p, const struct op *op)
{
	int file = p->fd[op->arg[1]].file;

	if (file == NONE || m->nr_mail == NR_MAIL)
		return SKIPPED;
	m->file[file].refs++;
	m->mail[m->nr_mail++] = file;
	return 0;
}

static long do_receive(struct model *m, struct proc *p, const struct op *op)
{
	if (!m->nr_mail || p->fd[op->arg[1]].file != NONE)
		return SKIPPED;
	new_fd(p, op, op->arg[1], m->mail[0]);
	memmove(m->mail, m->mail + 1, --m->nr_mail * sizeof(*m->mail));
	return 0;
}

/* 5.21: page by page, charged to who has made it; all or nothing. */
static long do_fallocate(struct model *m, struct file *f, long pages)
{
	long n;

	for (n = f->pages; n < pages; n++) {
		if (charge(m, f->pages_owner, SHMPAGES, 1, BARRIER))
			continue;
		uncharge(m, f->pages_owner, ROOT, SHMPAGES, n - f->pages);
		return -ENOSPC;
	}
	f->pages = max(f->pages, pages);
	return 0;
}

static long do_watch(struct model *m, struct proc *p, struct file *f, int path)
{
	int group = group_of(m, p, NUMWATCHES);

	if (f->watch[path] != NONE)
		return 0;
	if (!charge(m, group, NUMWATCHES, 1, LIMIT))
		return -ENOSPC;
	f->watch[path] = group;
	return 0;
}

static long do_unwatch(struct model *m, struct file *f, int path)
{
	if (f->watch[path] == NONE)
		return SKIPPED;
	uncharge(m, f->watch[path], ROOT, NUMWATCHES, 1);
	f->watch[path] = NONE;
	return 0;
}

static bool conflict(int a, int b)
{
	return a && b && (a == EXCLUSIVE || b == EXCLUSIVE);
}

static long do_flock(struct model *m, struct proc *p, struct file *f, int type)
{
	bool found = f->flock, busy = false;
	int i;

	if (f->flock == type)
		return 0;
	for (i = 0; i < MAX_OPEN; i++) {
		const struct file *other = &m->file[i];

		if (other != f && other->refs && other->kind == PATH && other->path == f->path)
			busy |= conflict(other->flock, type);
	}
	/* To convert a lock is to give it up first, see flock(2). */
	if (found && (!type || busy)) {
		uncharge(m, f->flock_owner, ROOT, NUMFLOCK, 1);
		f->flock = UNLOCKED;
	}
	if (busy)
		return -EAGAIN;
	if (!found && !charge(m, group_of(m, p, NUMFLOCK), NUMFLOCK, 1, LIMIT))
		return -ENOLCK;
	if (!found)
		f->flock_owner = group_of(m, p, NUMFLOCK);
	f->flock = type;
	return 0;
}

/* A lock of one byte, of which no two are neighbours. */
static long do_range(struct model *m, const struct op *op, struct proc *p, int file)
{
	bool ofd = op->kind == OP_OFD;
	struct lock new = {
		.type = op->arg[2], .path = m->file[file].path, .byte = op->arg[3],
		.proc = ofd ? NONE : op->arg[0], .file = ofd ? file : NONE,
	};
	struct lock *mine = NULL, *room = NULL;
	int i;

	for (i = 0; i < MAX_LOCKS; i++) {
		struct lock *l = &m->lock[i];

		if (!l->type)
			room = l;
		else if (l->path != new.path || l->byte != new.byte)
			continue;
		else if (l->proc == new.proc && l->file == new.file)
			mine = l;
		else if (conflict(l->type, new.type))
			return -EAGAIN;
	}
	if (mine && !new.type)
		drop_lock(m, mine);
	else if (mine)
		mine->type = new.type;		/* and who pays goes on paying */
	if (mine || !new.type)
		return 0;
	if (!room)
		return SKIPPED;
	new.owner = group_of(m, p, NUMFLOCK);
	if (!charge(m, new.owner, NUMFLOCK, 1, LIMIT))
		return -ENOLCK;
	*room = new;
	return 0;
}

/* What needs a descriptor of some kind. */
static long do_with_fd(struct model *m, struct proc *p, const struct op *op)
{
	static const enum file_kind kind[NR_OPS] = {
		[OP_FALLOCATE] = MEMFD,
		[OP_WATCH] = INOTIFY,
		[OP_UNWATCH] = INOTIFY,
		[OP_FLOCK] = PATH,
		[OP_POSIX] = PATH,
		[OP_OFD] = PATH,
	};
	int file = p->fd[op->arg[1]].file;
	struct file *f;

	if (file == NONE)
		return SKIPPED;
	if (op->kind == OP_CLOSE) {
		close_fd(m, op->arg[0], op->arg[1]);
		return 0;
	}
	f = &m->file[file];
	if (f->kind != kind[op->kind])
		return SKIPPED;
	switch (op->kind) {
	case OP_FALLOCATE:
		return do_fallocate(m, f, op->arg[2]);
	case OP_WATCH:
		return do_watch(m, p, f, op->arg[2]);
	case OP_UNWATCH:
		return do_unwatch(m, f, op->arg[2]);
	case OP_FLOCK:
		return do_flock(m, p, f, op->arg[2]);
	default:
		return do_range(m, op, p, file);
	}
}

/*
 * Memory
 */

static bool charge_mm(struct model *m, const struct proc *p, int res, long pages)
{
	return charge(m, p->mm[res], mm_resource[res], pages, BARRIER);
}

static void uncharge_mm(struct model *m, const struct proc *p, int res, long pages)
{
	uncharge(m, p->mm[res], ROOT, mm_resource[res], pages);
}

static long do_map(struct model *m, struct proc *p, const struct op *op)
{
	struct map *map = &p->map[op->arg[1]];
	int pages = op->arg[2], locked = op->arg[3] ? pages : 0;

	if (map->kind)
		return SKIPPED;
	if (!charge_mm(m, p, 0, pages))
		return -ENOMEM;
	if (!charge_mm(m, p, 1, locked)) {
		uncharge_mm(m, p, 0, pages);
		return -EAGAIN;
	}
	*map = (struct map){
		.kind = PRIVATE, .writable = true, .locked = locked, .pages = pages, .file = NONE,
	};
	p->data += pages;
	p->locked += locked;
	return 0;
}

/* 5.21: its size counts, and it is a file. */
static long do_map_shared(struct model *m, struct proc *p, const struct op *op)
{
	int group = group_of(m, p, SHMPAGES), pages = op->arg[2], i = free_file(m, NONE);
	struct map *map = &p->map[op->arg[1]];

	if (map->kind || i == NONE)
		return SKIPPED;
	if (!charge(m, group, SHMPAGES, pages, BARRIER))
		return -ENOMEM;
	if (!charge_file(m, p)) {
		uncharge(m, group, ROOT, SHMPAGES, pages);
		return -ENFILE;
	}
	new_file(m, i, p, ANON_SHARED);
	m->file[i].pages = pages;
	*map = (struct map){ .kind = MAP_OF_FILE, .writable = true, .pages = pages, .file = i };
	return 0;
}

static void unlock_map(struct model *m, struct proc *p, struct map *map)
{
	if (!map->locked)
		return;
	uncharge_mm(m, p, 1, map->pages);
	p->locked -= map->pages;
	map->locked = false;
}

static void unmap(struct model *m, struct proc *p, struct map *map)
{
	unlock_map(m, p, map);
	if (map->kind == PRIVATE && map->writable) {
		uncharge_mm(m, p, 0, map->pages);
		p->data -= map->pages;
	}
	if (map->kind == MAP_OF_FILE)
		put_file(m, map->file);
	map->kind = UNMAPPED;
}

static long do_with_map(struct model *m, struct proc *p, const struct op *op)
{
	struct map *map = &p->map[op->arg[1]];

	if (!map->kind)
		return SKIPPED;
	switch (op->kind) {
	case OP_UNMAP:
		unmap(m, p, map);
		return 0;
	case OP_LOCK:
		if (map->locked)
			return 0;
		if (!charge_mm(m, p, 1, map->pages))
			return -ENOMEM;
		map->locked = true;
		p->locked += map->pages;
		return 0;
	case OP_UNLOCK:
		unlock_map(m, p, map);
		return 0;
	default:
		break;
	}
	if (map->kind != PRIVATE)
		return SKIPPED;
	if (map->writable == op->arg[2])
		return 0;
	if (map->writable) {
		uncharge_mm(m, p, 0, map->pages);
		p->data -= map->pages;
	} else {
		if (!charge_mm(m, p, 0, map->pages))
			return -ENOMEM;
		p->data += map->pages;
	}
	map->writable = op->arg[2];
	return 0;
}

/* It goes. */
static void drop_mm(struct model *m, struct proc *p)
{
	int i;

	for (i = 0; i < NR_MAPS; i++)
		unmap(m, p, &p->map[i]);
	uncharge_mm(m, p, 0, p->data);
	p->data = 0;
	if (p->program != NONE)
		put_file(m, p->program);
	p->program = NONE;
}

/*
 * Processes
 */

static void join(struct model *m, int group)
{
	if (group == ROOT)
		return;
	m->group[group].tasks++;
	m->group[group].used = true;
}

static void leave(struct model *m, int group)
{
	if (group != ROOT)
		m->group[group].tasks--;
}

static void join_all(struct model *m, struct proc *p, int thread)
{
	int h;

	p->thread[thread] = true;
	p->caps[thread] = p->caps[p->acting];
	p->user[thread] = p->user[p->acting];
	for (h = 0; h < NR_HIERARCHIES; h++) {
		p->group[h][thread] = p->group[h][p->acting];
		join(m, p->group[h][thread]);
	}
}

static void leave_all(struct model *m, struct proc *p, int thread)
{
	int h;

	p->thread[thread] = false;
	uncharge(m, p->group[m->hierarchy_of[NUMTASKS]][thread], ROOT, NUMTASKS, 1);
	for (h = 0; h < NR_HIERARCHIES; h++)
		leave(m, p->group[h][thread]);
}

static void end_threads(struct model *m, struct proc *p)
{
	int t;

	for (t = 1; t <= NR_THREADS; t++) {
		if (p->thread[t])
			leave_all(m, p, t);
	}
}

/* 3.3: execve(2) ends all threads but the one that calls it, which becomes the first one. */
static void go_on_as(struct model *m, struct proc *p, int thread)
{
	int t, h;

	for (t = 0; t <= NR_THREADS; t++) {
		if (p->thread[t] && t != thread)
			leave_all(m, p, t);
	}
	for (h = 0; h < NR_HIERARCHIES; h++)
		p->group[h][0] = p->group[h][thread];
	p->user[0] = p->user[thread];
	p->thread[thread] = false;
	p->thread[0] = true;
	p->acting = 0;
}

static void end_timers(struct model *m, struct proc *p)
{
	int t;

	for (t = 0; t < NR_TIMERS; t++) {
		if (p->timer[t] != NONE)
			uncharge(m, p->timer[t], ROOT, NUMSIGINFO, 1);
		p->timer[t] = NONE;
	}
}

static void init_proc(struct proc *p)
{
	int i, h;

	*p = (struct proc){
		.state = ALIVE, .parent = ROOT, .caps = { true }, .program = NONE,
		.mm = { ROOT, ROOT },
	};
	for (i = 0; i < NR_FDS; i++)
		p->fd[i].file = NONE;
	for (i = 0; i < NR_TIMERS; i++)
		p->timer[i] = NONE;
	for (h = 0; h < NR_HIERARCHIES; h++)
		p->group[h][0] = ROOT;
}

static long do_start(struct proc *p)
{
	if (p->state != GONE)
		return SKIPPED;
	init_proc(p);
	p->thread[0] = true;
	return 0;
}

/* After START and EXEC: what it has mapped by then. Where an exec was in between is open. */
void model_has_mapped(struct model *m, const struct op *op, long pages)
{
	struct proc *p = &m->proc[op->arg[0]];
	int g;

	p->data = pages;
	try_charge(m, p->mm[0], ROOT, PRIVVMPAGES, pages, FORCE);
	for (g = p->mm[0]; g != ROOT && op->kind == OP_EXEC; g = m->group[g].parent) {
		struct counter *c = counter_of(m, g, PRIVVMPAGES);

		/* Old and new were there at once, and how large the new one was is open. */
		c->max_most += 4 * SOME_PAGES + pages;
	}
}

static long do_fork(struct model *m, struct proc *p, int child)
{
	struct proc *c = &m->proc[child];
	int i, group = group_of(m, p, NUMTASKS);

	if (c->state != GONE)
		return SKIPPED;
	if (!charge(m, group, NUMTASKS, 1, LIMIT))
		return -EAGAIN;
	/* Memory is copied later than that, and what it needs is known then. */
	if (!charge(m, group_of(m, p, PRIVVMPAGES), PRIVVMPAGES, p->data, BARRIER)) {
		uncharge(m, group, ROOT, NUMTASKS, 1);
		return -ENOMEM;
	}
	init_proc(c);
	c->parent = p - m->proc;
	c->caps[0] = p->caps[p->acting];
	c->user[0] = p->user[p->acting];
	for (i = 0; i < NR_HIERARCHIES; i++)
		c->group[i][0] = p->group[i][p->acting];
	join_all(m, c, 0);
	for (i = 0; i < 2; i++)
		c->mm[i] = group_of(m, c, mm_resource[i]);
	c->data = p->data;
	for (i = 0; i < NR_FDS; i++) {
		c->fd[i] = p->fd[i];
		if (c->fd[i].file != NONE)
			m->file[c->fd[i].file].refs++;
	}
	for (i = 0; i < NR_MAPS; i++) {
		c->map[i] = p->map[i];
		c->map[i].locked = false;
		if (c->map[i].kind == MAP_OF_FILE)
			m->file[c->map[i].file].refs++;
	}
	c->program = p->program;
	if (c->program != NONE)
		m->file[c->program].refs++;
	return 0;
}

/* What is in the way of it after the point of no return kills the process (5.19). */
static bool can_exec(const struct model *m, const struct proc *p)
{
	int g;

	for (g = group_of(m, p, PRIVVMPAGES); g != ROOT; g = m->group[g].parent) {
		if (m->group[g].count[PRIVVMPAGES].ceiling[BARRIER] != LONG_MAX)
			return false;
	}
	return m->can_exec;
}

static long do_exec(struct model *m, struct proc *p)
{
	int file = free_file(m, NONE), i;

	if (file == NONE || !can_exec(m, p))
		return SKIPPED;
	if (!charge_file(m, p))
		return -ENFILE;
	new_file(m, file, p, PROGRAM);
	go_on_as(m, p, p->acting);
	end_timers(m, p);
	drop_mm(m, p);
	p->program = file;
	for (i = 0; i < 2; i++)
		p->mm[i] = group_of(m, p, mm_resource[i]);
	for (i = 0; i < NR_FDS; i++) {
		if (p->fd[i].cloexec)
			close_fd(m, p - m->proc, i);
	}
	/* Root's, by its number, has all. */
	p->caps[0] = !p->user[0];
	return 0;
}

static void kill_one(struct model *m, int proc)
{
	struct proc *p = &m->proc[proc];
	int i;

	/* Their signal comes with its death. */
	for (i = 0; i < NR_PROCS; i++) {
		if (m->proc[i].state != GONE && m->proc[i].parent == proc) {
			if (m->proc[i].state == ALIVE)
				kill_one(m, i);
			m->proc[i].parent = ROOT;
		}
	}
	for (i = 0; i < NR_FDS; i++)
		close_fd(m, proc, i);
	drop_mm(m, p);
	end_timers(m, p);
	end_threads(m, p);
	p->acting = 0;
	p->state = ZOMBIE;
}

static long do_reap(struct model *m, struct proc *p)
{
	int s, i;

	if (p->state != ZOMBIE)
		return SKIPPED;
	leave_all(m, p, 0);
	for (s = 0; s < NR_SIGNALS; s++) {
		for (i = 0; i < p->queued[s]; i++)
			uncharge(m, p->signal[s][i], ROOT, NUMSIGINFO, 1);
	}
	p->state = GONE;
	return 0;
}

static long do_thread(struct model *m, struct proc *p, const struct op *op)
{
	bool end = op->kind == OP_THREAD_END;

	if (p->thread[op->arg[1]] != end)
		return SKIPPED;
	if (end && op->arg[1] == p->acting)
		return SKIPPED;
	if (end) {
		leave_all(m, p, op->arg[1]);
		return 0;
	}
	if (!charge(m, group_of(m, p, NUMTASKS), NUMTASKS, 1, LIMIT))
		return -EAGAIN;
	join_all(m, p, op->arg[1]);
	return 0;
}

/* Charge a group and those above by what has to be added there, or tell who has no room. */
static int charge_levels(struct model *m, int to, enum resource res, const long *n)
{
	int g, i;

	for (g = to, i = 0; g != ROOT && n[i]; g = m->group[g].parent, i++) {
		if (counter_of(m, g, res)->held + n[i] > ceiling(counter_of(m, g, res), LIMIT))
			return g;
	}
	for (g = to, i = 0; g != ROOT && n[i]; g = m->group[g].parent, i++)
		charged(m, counter_of(m, g, res), res, n[i], LIMIT);
	return NONE;
}

/*
 * 3.3 and 5.18: @who of the threads, or -1 for all, and with all of them (or the only one)
 * the address space. numtasks is asked first, then memory.
 */
static long do_move(struct model *m, struct proc *p, int h, int to, int who)
{
	long n[NR_PLACES] = { }, pages[2];
	bool moves_mm = true, counts = m->hierarchy_of[NUMTASKS] == h;
	int t, i, g, old[1 + NR_THREADS], stop[2];

	for (t = 0; t <= NR_THREADS; t++) {
		old[t] = p->group[h][t];
		if (!p->thread[t] || (who >= 0 && t != who)) {
			/* Not all of them. */
			if (p->thread[t])
				moves_mm = false;
			old[t] = NONE;
			continue;
		}
		for (g = to, i = 0; g != ROOT; g = m->group[g].parent, i++)
			n[i] += !counts_in(m, old[t], g);
	}
	if (counts && refused(m, charge_levels(m, to, NUMTASKS, n), NUMTASKS))
		return -EAGAIN;
	for (i = 0; i < 2; i++) {
		pages[i] = i ? p->locked : p->data;
		if (!moves_mm || m->hierarchy_of[mm_resource[i]] != h)
			continue;
		stop[i] = common(m, p->mm[i], to);
		if (!refused(m, try_charge(m, to, stop[i], mm_resource[i], pages[i], LIMIT),
			     mm_resource[i]))
			continue;
		if (i && m->hierarchy_of[mm_resource[0]] == h)
			uncharge(m, to, stop[0], mm_resource[0], pages[0]);
		for (g = to, i = 0; counts && g != ROOT; g = m->group[g].parent, i++)
			uncharged(counter_of(m, g, NUMTASKS), n[i]);
		return -ENOMEM;
	}
	for (t = 0; t <= NR_THREADS; t++) {
		if (old[t] == NONE)
			continue;
		if (counts)
			uncharge(m, old[t], common(m, old[t], to), NUMTASKS, 1);
		leave(m, old[t]);
		join(m, to);
		p->group[h][t] = to;
	}
	for (i = 0; i < 2; i++) {
		if (!moves_mm || m->hierarchy_of[mm_resource[i]] != h)
			continue;
		uncharge(m, p->mm[i], stop[i], mm_resource[i], pages[i]);
		p->mm[i] = to;
	}
	return 0;
}

/* 3.3: who may move what, for each thread of it that there is. */
static bool may_move(const struct model *m, const struct proc *p, int h, int to, int who)
{
	int t;

	for (t = 0; t <= NR_THREADS; t++) {
		if (!p->thread[t] || (who >= 0 && t != who))
			continue;
		if (m->as_user && !p->user[t])
			return false;
		if (p->group[h][t] != to && !may_write(m, common(m, p->group[h][t], to)))
			return false;
	}
	return true;
}

static long do_move_op(struct model *m, struct proc *p, const struct op *op)
{
	int h = op->arg[1], place = op->arg[2];
	int who = op->kind == OP_MOVE ? -1 : op->arg[3], to;

	if (p->state == GONE || (who >= 0 && !p->thread[who]))
		return SKIPPED;
	if (place != ROOT && m->place[h][place] == NONE)
		return -ENOENT;
	to = place == ROOT ? ROOT : m->place[h][place];
	if (!may_write(m, to) || !may_move(m, p, h, to, who))
		return -EACCES;
	if (p->state == ZOMBIE)
		return -ESRCH;
	return do_move(m, p, h, to, who);
}

/* 3.7, in the default hierarchy. The group that it gets is root's, whoever it is. */
static long do_unshare(struct model *m, struct proc *p, int place)
{
	int up = parent_place(place), from = p->group[0][p->acting];
	long err;

	if (!place || from == ROOT || m->place[0][up] != from || m->place[0][place] != NONE ||
	    m->nr_groups == MAX_GROUPS)
		return SKIPPED;
	if (!p->caps[p->acting])
		return -EPERM;
	if (m->hierarchy_of[NUMGROUPS] == 0 && !charge(m, from, NUMGROUPS, 1, LIMIT))
		return -EAGAIN;
	m->place[0][place] = new_group(m, 0, from);
	err = do_move(m, p, 0, m->place[0][place], p->acting);
	if (err)
		remove_group(m, 0, place);
	return err;
}

static long do_timer(struct model *m, struct proc *p, const struct op *op)
{
	int *timer = &p->timer[op->arg[1]], group = group_of(m, p, NUMSIGINFO);
	bool end = op->kind == OP_TIMER_END;

	if (end ? *timer == NONE : *timer != NONE)
		return SKIPPED;
	if (end) {
		uncharge(m, *timer, ROOT, NUMSIGINFO, 1);
		*timer = NONE;
		return 0;
	}
	if (!charge(m, group, NUMSIGINFO, 1, LIMIT))
		return -EAGAIN;
	*timer = group;
	return 0;
}

/* 5.10: charged to who gets it. An ordinary signal is one at most, and never refused. */
static long do_signal(struct model *m, struct proc *p, int s)
{
	/* Whoever is acting: it goes to the process, and so to its first thread. */
	int group = p->group[m->hierarchy_of[NUMSIGINFO]][0], *n = &p->queued[s];
	bool ordinary = s == NR_SIGNALS - 1;

	if (ordinary && *n)
		return 0;
	if (*n == NR_QUEUED)
		return SKIPPED;
	if (!charge(m, group, NUMSIGINFO, 1, ordinary ? FORCE : LIMIT))
		return -EAGAIN;
	p->signal[s][(*n)++] = group;
	return 0;
}

static long do_take_signal(struct model *m, struct proc *p, int s)
{
	if (!p->queued[s])
		return -EAGAIN;
	uncharge(m, p->signal[s][0], ROOT, NUMSIGINFO, 1);
	memmove(p->signal[s], p->signal[s] + 1, --p->queued[s] * sizeof(*p->signal[s]));
	return 0;
}

/**
 * model_do - do it
 * @m: the model
 * @op: the operation. After one of START and EXEC that has worked, model_has_mapped() has
 *	to be called.
 *
 * Return: 0 or -errno, as the kernel has it, or SKIPPED: it makes no sense.
 */
long model_do(struct model *m, const struct op *op)
{
	struct proc *p;

	switch (op->kind) {
	case OP_MKDIR:
		return op->arg[1] ? do_mkdir(m, op->arg[0], op->arg[1]) : SKIPPED;
	case OP_RMDIR:
		return do_rmdir(m, op->arg[0], op->arg[1]);
	case OP_LIMIT ... OP_WRITE_HELD:
		return do_counter_file(m, op);
	case OP_CHOWN:
		return do_chown(m, op->arg[0], op->arg[1]);
	case OP_USER:
		m->as_user = op->arg[0];
		return 0;
	default:
		break;
	}

	p = &m->proc[op->arg[0]];
	switch (op->kind) {
	case OP_START:
		return do_start(p);
	case OP_MOVE:
	case OP_MOVE_THREAD:
		return do_move_op(m, p, op);
	case OP_REAP:
		return do_reap(m, p);
	default:
		break;
	}

	/* All else is done by it, or to it, while it lives. */
	if (p->state != ALIVE)
		return SKIPPED;
	switch (op->kind) {
	case OP_FORK:
		return do_fork(m, p, op->arg[1]);
	case OP_EXEC:
		return do_exec(m, p);
	case OP_KILL:
		kill_one(m, op->arg[0]);
		return 0;
	case OP_THREAD:
	case OP_THREAD_END:
		return do_thread(m, p, op);
	case OP_ACT:
		if (!p->thread[op->arg[1]])
			return SKIPPED;
		p->acting = op->arg[1];
		return 0;
	case OP_UNSHARE:
		return do_unshare(m, p, op->arg[1]);
	case OP_SETUID:
		if (!p->caps[p->acting] && !p->user[p->acting])
			return -EPERM;
		p->user[p->acting] = true;
		p->caps[p->acting] = false;
		return 0;
	case OP_DROP_CAPS:
		p->caps[p->acting] = false;
		return 0;
	case OP_OPEN ... OP_PAIR:
		return do_open(m, p, op);
	case OP_DUP:
		return do_dup(m, p, op);
	case OP_SEND:
		return do_send(m, p, op);
	case OP_RECEIVE:
		return do_receive(m, p, op);
	case OP_TIMER:
	case OP_TIMER_END:
		return do_timer(m, p, op);
	case OP_SIGNAL:
		return do_signal(m, p, op->arg[1]);
	case OP_TAKE_SIGNAL:
		return do_take_signal(m, p, op->arg[1]);
	case OP_MAP:
		return do_map(m, p, op);
	case OP_MAP_SHARED:
		return do_map_shared(m, p, op);
	case OP_UNMAP ... OP_UNLOCK:
		return do_with_map(m, p, op);
	default:
		return do_with_fd(m, p, op);
	}
}

/**
 * model_settles_at_once - is all given back that an operation gives back, when it returns?
 * @m: the model, before or after it
 * @op: the operation
 *
 * Return: false if it may take until an RCU grace period or a work queue is through with
 * it: before the next operation, somebody has to wait for the counters.
 */
bool model_settles_at_once(const struct model *m, const struct op *op)
{
	int file;

	switch (op->kind) {
	case OP_START:
	case OP_EXEC:
	case OP_KILL:
	case OP_REAP:
	case OP_THREAD_END:
	case OP_TIMER_END:
	case OP_UNWATCH:
	case OP_UNMAP:
	case OP_PTY:
	case OP_INOTIFY:
	case OP_PAIR:
		return false;
	case OP_CLOSE:
		file = m->proc[op->arg[0]].fd[op->arg[1]].file;
		return file == NONE || m->file[file].kind == PLAIN || m->file[file].kind == PATH;
	default:
		return true;
	}
}

/* Who looks at held takes credit back, which takes minheld to it. */
void model_looked(struct model *m)
{
	int g, res;

	for (g = 0; g < m->nr_groups; g++) {
		for (res = 0; res < NR_RESOURCES; res++) {
			struct counter *c = counter_of(m, g, res);

			c->min_most = min(c->min_most, c->held);
			if (!batch[res]) {
				c->min_most = c->min;
				c->max_most = c->max;
			}
		}
	}
}

/**
 * model_expects - what a file says
 * @c: the counter, after model_looked()
 * @file: which file
 * @least: no less than that
 * @most: no more than that
 */
void model_expects(const struct counter *c, enum counter_file file, long *least, long *most)
{
	const long from[NR_FILES] = {
		c->held, c->max, c->min, c->failcnt, c->ceiling[LIMIT], c->ceiling[BARRIER],
	};

	*least = from[file];
	*most = file == F_MAXHELD ? c->max_most : file == F_MINHELD ? c->min_most : *least;
}

/* 3.1 */
bool model_releasable(const struct node *g)
{
	return g->used && !g->tasks && !g->children;
}

/**
 * model_init - nothing but the first group of each hierarchy
 * @m: the model
 * @hierarchy_of: where each resource is bound
 * @cpus: how many CPUs there can be
 * @exec: whether OP_EXEC can be told what it opens
 */
void model_init(struct model *m, const int *hierarchy_of, int cpus, bool exec)
{
	int h, place;

	memset(m, 0, sizeof(*m));
	memcpy(m->hierarchy_of, hierarchy_of, sizeof(m->hierarchy_of));
	m->cpus = cpus;
	m->can_exec = exec;
	for (h = 0; h < NR_HIERARCHIES; h++) {
		for (place = 1; place < NR_PLACES; place++)
			m->place[h][place] = NONE;
		m->place[h][0] = new_group(m, h, ROOT);
	}
}
