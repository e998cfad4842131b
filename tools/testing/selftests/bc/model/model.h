/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters as Documentation/beancounters.txt has them, in plain C: groups, tasks,
 * objects, and who pays for what. It is asked what an operation returns and what all
 * counters are after it; the kernel is asked the same.
 *
 * Names do not move: a group, a process, a descriptor is a place out of a few, so that
 * what is left of a list of operations still means something when others are taken out
 * of it. An operation that makes no sense in the state that it meets is skipped.
 */
#ifndef BC_MODEL_H
#define BC_MODEL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* In the order in which a move asks them. */
enum resource {
	NUMTASKS,
	NUMGROUPS,
	NUMFILES,
	NUMINOTIFY,
	NUMWATCHES,
	NUMFLOCK,
	NUMPTY,
	NUMSIGINFO,
	NUMTCPSOCK,
	NUMOTHERSOCK,
	PRIVVMPAGES,
	LOCKEDPAGES,
	SHMPAGES,
	NR_RESOURCES
};

enum severity { BARRIER, LIMIT, FORCE };

/* The six files of a counter, in the order in which they are compared. */
enum counter_file { F_HELD, F_MAXHELD, F_MINHELD, F_FAILCNT, F_LIMIT, F_BARRIER, NR_FILES };

enum {
	NR_HIERARCHIES	= 2,
	NR_PLACES	= 7,	/* groups: 0 is above 1 and 2, 1 above 3 and 4, 2 above 5, 6 */
	NR_PROCS	= 6,
	NR_THREADS	= 2,	/* besides the first one */
	NR_FDS		= 6,
	NR_MAPS		= 3,
	NR_TIMERS	= 2,
	NR_SIGNALS	= 3,	/* the last one is not a real-time signal */
	NR_QUEUED	= 4,	/* of each */
	NR_PATHS	= 3,	/* files that can be locked and watched */
	NR_BYTES	= 3,	/* of each */
	NR_MAIL		= 4,	/* files that nobody has received yet */
	MAX_GROUPS	= 400,	/* with those that were removed */
	MAX_OPEN	= NR_PROCS * (NR_FDS + NR_MAPS + 2) + NR_MAIL,
	MAX_LOCKS	= NR_PATHS * NR_BYTES * (NR_PROCS + NR_FDS),
	MAX_OPS		= 1000,
};

#define ROOT	(-1)	/* the root group, and what is charged to nobody */
#define NONE	(-2)

/* What it takes as given: what a process has mapped when it has been started. */
#define SOME_PAGES 300

enum op_kind {
	OP_MKDIR,		/* hierarchy, place */
	OP_RMDIR,		/* hierarchy, place */
	OP_LIMIT,		/* resource, place, amount: above held, or one of these: */
	OP_BARRIER,		/* the same */
	OP_RESET_MAX,		/* resource, place */
	OP_RESET_MIN,		/* resource, place */
	OP_WRITE_HELD,		/* resource, place, 1: failcnt */
	OP_CHOWN,		/* hierarchy, place: directory, tasks and threads to the user */
	OP_USER,		/* 1: the user does what is done to groups, and moves; 0: root */
	OP_START,		/* process: by us, in the root */
	OP_FORK,		/* process, who is made */
	OP_EXEC,		/* process */
	OP_KILL,		/* process, with its children */
	OP_REAP,		/* process, which is a zombie */
	OP_THREAD,		/* process, thread */
	OP_THREAD_END,		/* process, thread */
	OP_ACT,			/* process, thread: it does all that the process does; 0 at first */
	OP_UNSHARE,		/* process, place of the group that it gets, right below its own */
	OP_MOVE,		/* process, hierarchy, place or ROOT */
	OP_MOVE_THREAD,		/* process, hierarchy, place, thread; 0 is the first */
	OP_DROP_CAPS,		/* process; its acting thread, as the next one */
	OP_SETUID,		/* process: to the user */
	OP_OPEN,		/* process, descriptor, O_CLOEXEC; also for all below */
	OP_OPEN_PATH,		/* process, descriptor, O_CLOEXEC, which */
	OP_TCP,
	OP_UDP,
	OP_PTY,
	OP_INOTIFY,
	OP_MEMFD,
	OP_PAIR,		/* process, descriptor, O_CLOEXEC, the other one */
	OP_DUP,			/* process, descriptor, O_CLOEXEC, of which one */
	OP_CLOSE,		/* process, descriptor */
	OP_SEND,		/* process, descriptor */
	OP_RECEIVE,		/* process, descriptor */
	OP_FALLOCATE,		/* process, descriptor, pages */
	OP_WATCH,		/* process, descriptor, which path */
	OP_UNWATCH,		/* process, descriptor, which path */
	OP_FLOCK,		/* process, descriptor, type */
	OP_POSIX,		/* process, descriptor, type, byte */
	OP_OFD,			/* process, descriptor, type, byte */
	OP_TIMER,		/* process, timer */
	OP_TIMER_END,		/* process, timer */
	OP_SIGNAL,		/* process, which signal; we send it */
	OP_TAKE_SIGNAL,		/* process, which signal */
	OP_MAP,			/* process, mapping, pages, locked */
	OP_MAP_SHARED,		/* process, mapping, pages */
	OP_UNMAP,		/* process, mapping */
	OP_PROTECT,		/* process, mapping, writable */
	OP_LOCK,		/* process, mapping */
	OP_UNLOCK,		/* process, mapping */
	NR_OPS
};

/* Types of locks. */
enum { UNLOCKED, SHARED, EXCLUSIVE };

/* Amounts that are not a number of what is above held. */
enum { AMOUNT_MAX = 1000, AMOUNT_ZERO = 1001 };

/**
 * struct op - an operation
 * @kind: which one
 * @arg: as it says above
 */
struct op {
	unsigned short kind;
	short arg[4];
};

/**
 * struct counter - what the files of a controller have to say
 * @held: exactly, at rest
 * @max: maxheld, exactly in a plain counter and never less in a batched one
 * @max_most: and never more in a batched one
 * @min: minheld, exactly in a plain counter and never less in a batched one
 * @min_most: and never more in a batched one: what it was when we looked
 * @failcnt: exactly
 * @ceiling: barrier and limit
 */
struct counter {
	long held, max, max_most, min, min_most, failcnt;
	long ceiling[FORCE];
};

/**
 * struct node - a group, with or without a directory
 * @hierarchy: where
 * @parent: the one above, ROOT if there is none
 * @children: how many have directories
 * @tasks: how many, zombies too
 * @used: has had tasks or groups
 * @given: directory, tasks and threads are the user's
 * @users: all files are, as the user has made it
 * @count: its counters
 *
 * Who has an address space or a memfd in one that was removed goes on charging it, and its
 * limits go on holding.
 */
struct node {
	int hierarchy, parent, children, tasks;
	bool used, given, users;
	struct counter count[NR_RESOURCES];
};

enum file_kind { PLAIN, PATH, SOCKET, PTY, INOTIFY, MEMFD, ANON_SHARED, PROGRAM };

/**
 * struct file - an open file
 * @refs: descriptors, mappings and messages that have it; 0: there is none
 * @kind: what it is
 * @owner: the group that pays for the file
 * @also: what else counts besides numfiles, or NR_RESOURCES
 * @also_owner: the group that pays for that
 * @also_gone: a socket, which was closed
 * @peer: a socket that keeps this one, and is kept by it, or NONE
 * @path: which of the files that can be locked
 * @flock: the type of its flock(2) lock
 * @flock_owner: the group that pays for that
 * @watch: the groups that pay for watches, or NONE
 * @pages: of shared memory
 * @pages_owner: the group that pays for these
 */
struct file {
	int refs;
	enum file_kind kind;
	int owner;
	enum resource also;
	int also_owner;
	bool also_gone;
	int peer;
	int path;
	int flock, flock_owner;
	int watch[NR_PATHS];
	long pages;
	int pages_owner;
};

/* A POSIX lock of a process, or an open file description lock of a file. */
struct lock {
	int type, path, byte, proc, file, owner;
};

enum map_kind { UNMAPPED, PRIVATE, MAP_OF_FILE };

struct map {
	enum map_kind kind;
	bool writable, locked;
	int pages, file;
};

struct fd {
	int file;	/* or NONE */
	bool cloexec;
};

enum proc_state { GONE, ALIVE, ZOMBIE };

/**
 * struct proc - a process with its address space
 * @state: is it there?
 * @parent: who has forked it, or ROOT: we
 * @group: where its threads are, in each hierarchy; the first one has the number 0
 * @thread: which of these there are
 * @caps: which of these have CAP_SYS_ADMIN
 * @user: which of these are the user's
 * @acting: which of these does what the process does
 * @fd: descriptors
 * @map: mappings
 * @program: the file of the program that it has executed, or NONE: as we
 * @mm: the groups that the address space belongs to, one for each resource of memory
 * @data: private pages
 * @locked: locked pages
 * @signal: the groups that pay for queued signals
 * @queued: how many of these
 * @timer: the groups that pay for timers, or NONE
 */
struct proc {
	enum proc_state state;
	int parent;
	int group[NR_HIERARCHIES][1 + NR_THREADS];
	bool thread[1 + NR_THREADS], caps[1 + NR_THREADS], user[1 + NR_THREADS];
	int acting;
	struct fd fd[NR_FDS];
	struct map map[NR_MAPS];
	int program;
	int mm[2];
	long data, locked;
	int signal[NR_SIGNALS][NR_QUEUED];
	int queued[NR_SIGNALS];
	int timer[NR_TIMERS];
};

/**
 * struct model - all of it
 * @hierarchy_of: where each resource is bound
 * @cpus: how many the kernel can have, for what batched counters may be off
 * @planted: it is wrong, on purpose: what is duplicated counts twice
 * @can_exec: whether a program can be executed that needs no other file
 * @as_user: who makes, removes and changes groups, and moves, is the user, not root
 * @place: which group is there, or NONE; place 0 is always taken
 * @group: all groups that there have been
 * @nr_groups: how many
 * @proc: processes
 * @file: open files
 * @lock: locks of ranges
 * @mail: files that were sent, the oldest first
 * @nr_mail: how many
 */
struct model {
	int hierarchy_of[NR_RESOURCES];
	int cpus;
	bool can_exec, planted, as_user;
	int place[NR_HIERARCHIES][NR_PLACES];
	struct node group[MAX_GROUPS];
	int nr_groups;
	struct proc proc[NR_PROCS];
	struct file file[MAX_OPEN];
	struct lock lock[MAX_LOCKS];
	int mail[NR_MAIL], nr_mail;
};

/* An operation that makes no sense now. No error has that number. */
#define SKIPPED LONG_MIN

extern const char * const resource_names[NR_RESOURCES];
extern const char * const file_names[NR_FILES];

void model_init(struct model *m, const int *hierarchy_of, int cpus, bool can_exec);
long model_do(struct model *m, const struct op *op);
void model_has_mapped(struct model *m, const struct op *op, long pages);
void model_looked(struct model *m);
bool model_settles_at_once(const struct model *m, const struct op *op);
long model_amount(const struct model *m, const struct op *op);
void model_expects(const struct counter *c, enum counter_file file, long *least, long *most);
bool model_releasable(const struct node *g);

static inline int parent_place(int place)
{
	return place ? (place - 1) / 2 : NONE;
}

/* text.c */
void place_path(char *path, size_t size, int place);
void print_op(const struct model *m, const struct op *op, long expected);

/* generate.c */
void generate_op(const struct model *m, struct op *op);
unsigned int rnd(unsigned int below);
void set_seed(unsigned long long seed);

/* shrink.c */
int shrink(struct op *ops, int n, bool (*fails)(const struct op *ops, int *n));

/* parallel.c */
#define WRONG_SIZE 256

bool parallel(double seconds, unsigned long long seed, char *wrong);

/* kernel.c */
void kernel_worker_main(int argc, char **argv);
const char *kernel_unavailable(void);
bool kernel_can_bind(void);
bool kernel_can_exec(void);
int kernel_init(void);
int kernel_join(void);
int kernel_begin(const int *hierarchy_of, bool bind);
long kernel_do(const struct model *m, const struct op *op, long amount);
long kernel_pages(int proc);
bool kernel_compare(const struct model *m, bool all, double patience, char *wrong);
bool kernel_at_rest(double patience, char *wrong);
bool kernel_in_limits(char *wrong);
void kernel_kill_all(void);
bool kernel_end(bool well, double patience, char *wrong);
void kernel_exit(void);
double kernel_now(void);

#endif /* BC_MODEL_H */
