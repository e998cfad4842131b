/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libbc: beancounters for programs. Groups, their counters and settings, the tasks in
 * them, and what happens there. See bc(7) for what all that is.
 *
 * Errors
 *   What returns an int returns 0 or a number above, or -errno. After an error,
 *   bc_error() has one line without a newline: what, where, why. It is good until the
 *   next call with that handle.
 *
 * Ownership
 *   What is returned as const belongs to the handle or to the group that it was asked
 *   of, and lives as long. What a char ** or a pid_t ** gets is the caller's, to be given
 *   to free(3). A group is to be closed before its handle is.
 *
 * Threads
 *   A handle, with its groups, is for one thread at a time. There is no global state.
 *
 * Environment
 *   None of its variables are looked at: libbc may be used with more rights than who
 *   has started the program. Files are opened with O_CLOEXEC.
 */
#ifndef LIBBC_H
#define LIBBC_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include <linux/beancounters.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An amount that says "no limit": "max" in the files. */
#define BC_MAX LLONG_MAX

enum bc_unit {
	BC_UNIT_NONE,		/* of a controller that counts nothing */
	BC_UNIT_ITEMS,
	BC_UNIT_BYTES,
	BC_UNIT_PAGES,
};

/**
 * struct bc_hierarchy - a tree of groups
 * @number: as in /proc/<pid>/bc and in events; 0 is the default one
 * @name: "bc" for the default one
 * @groups: how many there were when the handle was opened, with the root
 */
struct bc_hierarchy {
	unsigned int number;
	const char *name;
	unsigned long groups;
};

/**
 * struct bc_controller - a directory in each group of its hierarchy
 * @name: as "numfiles"
 * @unit: of its amounts
 * @counter: has held, maxheld, minheld, barrier, limit and failcnt
 * @barrier: charges are refused above the barrier already, not only above the limit. True
 *	for what this version does not know.
 * @hierarchy: where it is bound
 */
struct bc_controller {
	const char *name;
	enum bc_unit unit;
	bool counter;
	bool barrier;
	const struct bc_hierarchy *hierarchy;
};

/* The files of a counter. */
enum bc_file {
	BC_HELD,
	BC_MAXHELD,
	BC_MINHELD,
	BC_BARRIER,
	BC_LIMIT,
	BC_FAILCNT,
	BC_NR_FILES,
};

#define BC_BIT(file)	(1U << (file))
#define BC_ALL		(BC_BIT(BC_NR_FILES) - 1)

/**
 * struct bc_counter - the amounts of a counter
 * @val: by enum bc_file; BC_MAX is no limit
 * @seen: a BC_BIT() for each that could be read
 * @refused_at: when the group itself has last refused something, in seconds of
 *	CLOCK_BOOTTIME; 0 if it never has, or that is not known: only bc_fetch() knows
 */
struct bc_counter {
	long long val[BC_NR_FILES];
	unsigned int seen;
	long long refused_at;
};

/**
 * struct bc_setting - what to write
 * @name: "numfiles", "numfiles.barrier", "cpuset.cpus", "notify_on_release"
 * @value: for a counter without a file: LIMIT, which sets both, or BARRIER:LIMIT, with
 *	suffixes. For its files: an amount. For all else what the file takes.
 */
struct bc_setting {
	const char *name;
	const char *value;
};

/**
 * struct bc_settings - a list of them that grows
 * @list: their strings belong to the list
 * @n: how many
 *
 * All zero is an empty one.
 */
struct bc_settings {
	struct bc_setting *list;
	size_t n;
};

/**
 * struct bc_options - where to look, for tests and containers
 * @configfs: instead of /sys/kernel/config; NULL for that
 * @proc: instead of /proc; NULL for that
 */
struct bc_options {
	const char *configfs;
	const char *proc;
};

struct bc;
struct bc_group;

/*
 * Get a handle, and learn which hierarchies and controllers there are. After an error
 * (EOPNOTSUPP: no beancounters in this kernel, ENODEV: configfs is not mounted), *@bc is
 * good for bc_error() and bc_close() only, or NULL for lack of memory.
 */
int bc_open(struct bc **bc, const struct bc_options *opt);
void bc_close(struct bc *bc);
const char *bc_error(const struct bc *bc);
/* Where it looks. */
const char *bc_configfs(const struct bc *bc);
const char *bc_proc(const struct bc *bc);

const struct bc_hierarchy *bc_hierarchies(const struct bc *bc, size_t *n);
const struct bc_controller *bc_controllers(const struct bc *bc, size_t *n);
/* NULL if there is none. The hierarchy can be a number, too. */
const struct bc_hierarchy *bc_find_hierarchy(const struct bc *bc, const char *name);
const struct bc_controller *bc_find_controller(const struct bc *bc, const char *name);
/* The next better name for one that does not exist, or NULL. */
const char *bc_similar_controller(const struct bc *bc, const char *name);

/* Amounts ------------------------------------------------------------------------- */

extern const char * const bc_file_names[BC_NR_FILES];
const char *bc_unit_name(enum bc_unit unit);

/*
 * Read an amount: digits, with K, M, G, T (of pages: bytes, rounded down to pages) or,
 * of pages, P; "max" or "unlimited". -EINVAL: no such thing, or less than a page;
 * -ERANGE: too large.
 */
int bc_parse_amount(const char *text, enum bc_unit unit, long long *val);

#define BC_AMOUNT_SIZE 24

/* Digits or "max", as in the files. */
char *bc_format_amount(long long val, char buf[BC_AMOUNT_SIZE]);
/* Short, for people, with a suffix that bc_parse_amount() takes; rounded down. */
char *bc_format_human(long long val, enum bc_unit unit, char buf[BC_AMOUNT_SIZE]);
/* In bytes, if it is a number of pages or bytes, else as it is. */
long long bc_to_bytes(long long val, enum bc_unit unit);

/* Groups -------------------------------------------------------------------------- */

/*
 * Take "[HIERARCHY:]PATH" apart. A hierarchy is what is before the last colon in front of
 * the first slash. *@path starts with a slash, has no empty names and no slash at the end.
 */
int bc_parse_group(struct bc *bc, const char *spec, const struct bc_hierarchy **h,
		   char **path);

int bc_group_open(struct bc *bc, const char *spec, struct bc_group **group);
int bc_group_root(struct bc *bc, const struct bc_hierarchy *h, struct bc_group **group);
int bc_group_child(struct bc_group *group, const char *name, struct bc_group **child);
int bc_group_parent(struct bc_group *group, struct bc_group **parent);
void bc_group_close(struct bc_group *group);

struct bc *bc_group_bc(const struct bc_group *group);
/* As bc_group_open() takes it: "/web/php" or "net:/www". */
const char *bc_group_name(const struct bc_group *group);
/* From the root of its hierarchy: "/www". */
const char *bc_group_path(const struct bc_group *group);
const struct bc_hierarchy *bc_group_hierarchy(const struct bc_group *group);
bool bc_group_is_root(const struct bc_group *group);
/* O_PATH, for what is not here. */
int bc_group_fd(const struct bc_group *group);
int bc_group_id(struct bc_group *group, unsigned long long *id);
/* Whether the controllers of its hierarchy have this one. */
bool bc_group_has(const struct bc_group *group, const struct bc_controller *c);

/*
 * Call @fn for the group and all below it, parents first, in the order of their names.
 * @depth is 0 for the group itself. What is removed meanwhile is left out. Ends when @fn
 * returns something other than 0, which is returned.
 */
int bc_group_walk(struct bc_group *group,
		  int (*fn)(struct bc_group *group, int depth, void *arg), void *arg);
/* The names of the child groups, sorted; the last one is followed by NULL. */
int bc_group_children(struct bc_group *group, char ***names);
void bc_free_names(char **names);

/*
 * Make a group; with @parents, those above it, too. -EEXIST if it is there. Returns how
 * many were made, which bc_uncreate() removes, from @group upwards.
 */
int bc_create(struct bc *bc, const char *spec, bool parents, struct bc_group **group);
void bc_uncreate(struct bc_group *group, int levels);
/* Remove it. -EBUSY: tasks; -ENOTEMPTY: child groups. It remains to be closed. */
int bc_remove(struct bc_group *group);
/*
 * The same with all groups below it, from below. Where one has tasks, @busy is called: if it
 * returns 0, it is tried again; anything else ends it, and is returned.
 */
int bc_remove_tree(struct bc_group *group, int (*busy)(struct bc_group *group, void *arg),
		   void *arg);

/*
 * Any name, of a user for instance, as the name of a group: a slash, a percent sign and
 * control characters become %XX, and so does the first byte if that is a dot, or if the name
 * is that of a controller or of a group's own file. Different ones stay different. To be freed.
 * @bc may be NULL for the name of a file elsewhere.
 */
int bc_escape_name(struct bc *bc, const char *name, char **escaped);

/* Files --------------------------------------------------------------------------- */

/* A file of a group, as "numfiles/held" or "id", without its last newline. */
int bc_group_read(struct bc_group *group, const char *file, char **text);
int bc_group_write(struct bc_group *group, const char *file, const char *text);
/* The same for one short line, without memory; leaves no line for bc_error(). */
int bc_read_number(struct bc_group *group, const char *file, char *buf, size_t size);
/* The readable files in a controller's directory, sorted, NULL at the end. */
int bc_group_files(struct bc_group *group, const struct bc_controller *c, char ***names);

/*
 * Those files of a counter for which @files has a BC_BIT(). What cannot be read (in a
 * root, for instance) is not in @counter->seen; only -ENOENT, for a group that is gone,
 * is an error.
 */
int bc_counter_read(struct bc_group *group, const struct bc_controller *c,
		    unsigned int files, struct bc_counter *counter);

/*
 * Get all counters of a group, or, with @below, of those below it, too, from the kernel in
 * one go. From then on, bc_counter_read() and bc_group_id() have what was got, and read no
 * file for that; what has come since, or was not got, they do read. What was got before is
 * forgotten. A group is known by its path there: one that is removed, and made again, is the
 * new one. -EOPNOTSUPP: it can only be read in files (another place than the kernel's own,
 * another network namespace, an old kernel); -EACCES, -ENOENT; -errno. A program that uses
 * this links with libnl-genl-3, see libbc.pc.
 */
int bc_fetch(struct bc_group *group, bool below);
void bc_forget(struct bc *bc);

/*
 * Write all settings, or none. All are checked first: names, values, permissions, and
 * that no barrier is above its limit. If a write fails all the same, what has been
 * written is put back.
 */
int bc_set(struct bc_group *group, const struct bc_setting *settings, size_t n);
/* The checks of that alone. */
int bc_check(struct bc_group *group, const struct bc_setting *settings, size_t n);

/* Lists of settings. 0 or -ENOMEM; none of these leaves a line for bc_error(). */
int bc_settings_add(struct bc_settings *s, const char *name, const char *value);
/* "NAME=VALUE" as on bcctl's command line; -EINVAL if it is none. */
int bc_settings_parse(struct bc_settings *s, const char *text);
bool bc_settings_have(const struct bc_settings *s, const char *name);
void bc_settings_free(struct bc_settings *s);

/* Profiles ------------------------------------------------------------------------ */

#define BC_PROFILE_DIR "/etc/bc/profiles"

/**
 * struct bc_profile - limits under a name that are built in
 * @name: "small"
 * @summary: what it is for, one line
 * @text: lines "NAME = VALUE", as in bc.conf(5), with comments
 */
struct bc_profile {
	const char *name, *summary, *text;
};

const struct bc_profile *bc_profiles(size_t *n);
const struct bc_profile *bc_find_profile(const char *name);
/* Whether a file in the directory of profiles would be one. */
bool bc_is_profile_name(const char *name);
/*
 * The text of a profile, from a file in @dir (NULL for BC_PROFILE_DIR), or built in. *@from
 * is where from; to be freed, as is *@text. -ENOENT, with *@from being the file that would be
 * one; -EINVAL, if there is a NUL byte in it: bc_profile_settings() tells where; -ENOMEM.
 */
int bc_profile_text(const char *dir, const char *name, char **text, char **from);
/*
 * The settings of a profile, as they are there. -ENOENT, -EINVAL: *@wrong tells in a line, to
 * be freed; -ENOMEM: it is NULL.
 */
int bc_profile_settings(const char *dir, const char *name, struct bc_settings *s,
			char **wrong);
/*
 * Copy a list, in which a setting "profile" stands for what that profile has, but for what the
 * list says otherwise. What this kernel, or hierarchy @h, has not got is left out; for each,
 * @left_out is called, if it is not NULL. -errno, with a line for bc_error(). *@all is to be
 * freed in any case; after an error of the profile, it has the others.
 */
int bc_expand_profile(struct bc *bc, const struct bc_hierarchy *h, const char *dir,
		      const struct bc_settings *s, struct bc_settings *all,
		      void (*left_out)(const char *name, const char *why, void *arg), void *arg);

/* Tasks --------------------------------------------------------------------------- */

/* Move a process, or, with @thread, one thread. 0 is who calls. */
int bc_move(struct bc_group *group, pid_t pid, bool thread);
/* The processes, or threads, in ascending order; returns how many. */
int bc_tasks(struct bc_group *group, bool threads, pid_t **ids);
/* The group of a task in a hierarchy, as bc_group_open() takes it. */
int bc_task_group(struct bc *bc, pid_t pid, const struct bc_hierarchy *h, char **spec);

/*
 * Send SIGKILL to all in the group and below, and nobody else, once. Returns how many
 * there were. Who forks may have to be killed again, see bc_end(). -EDEADLK: the caller is in
 * there, too, and nobody was hit.
 */
int bc_kill(struct bc_group *group);
/*
 * Permit no more tasks in the group, if numtasks is in its hierarchy and the caller may;
 * kill all until nobody is left, for @ms at most. -ETIME then; the limit is put back in
 * that case. Zombies whose parents do not wait for them stay. -EDEADLK as bc_kill().
 */
int bc_end(struct bc_group *group, int ms);

/* Events -------------------------------------------------------------------------- */

#define BC_EVENT_BUF 65536

/**
 * struct bc_event_counter - what a removed group had
 * @seen: a bit for each BC_A_*
 */
struct bc_event_counter {
	unsigned int seen;
	const char *resource;
	unsigned long long held, maxheld, minheld, failcnt;
};

#define BC_EVENT_COUNTERS 64

/**
 * struct bc_event - what has happened, see BC_CMD_* and BC_A_* in <linux/beancounters.h>
 * @cmd: BC_CMD_*
 * @seen: a bit for each BC_A_* that is there; what is not, is 0 or NULL
 * @counters: of BC_CMD_REMOVED
 * @nr_counters: how many
 *
 * Strings live in the listener, until the next call with it.
 */
struct bc_event {
	unsigned int cmd;
	unsigned int seen;
	unsigned int hierarchy, pid;
	unsigned long long group_id, refuser_id;
	const char *group, *comm, *resource, *refuser;
	unsigned long long amount, held, barrier, limit, failcnt, lost;
	struct bc_event_counter counters[BC_EVENT_COUNTERS];
	unsigned int nr_counters;
};

struct bc_events;

/*
 * Listen, with room for @buffer bytes that are not read yet. -EPERM: needs CAP_SYS_ADMIN.
 * -ENOENT: no such family in this network namespace, or kernel. A program that uses this
 * links with libnl-genl-3, see libbc.pc.
 */
int bc_events_open(struct bc_events **events, int buffer);
/*
 * The same for a group and all below it only, without CAP_SYS_ADMIN. Of a refusal by a group
 * above, amounts are there only if they can be read in files. -EACCES: that is not the
 * caller's, who would have to be able to write to its directory and to tasks in there;
 * -ENOENT: there is no such group, or family; -ENOSPC: the user has too many of these;
 * -EOPNOTSUPP: the kernel is too old.
 */
int bc_events_open_group(struct bc_events **events, unsigned int hierarchy,
			 const char *path, int buffer);
void bc_events_close(struct bc_events *events);
/* To be polled for reading. */
int bc_events_fd(const struct bc_events *events);
/*
 * The next event that is there. 1; 0 if there is none now; -ENOBUFS: some are lost, as
 * nobody has read for too long; -EBADMSG: left out one that makes no sense; -errno.
 */
int bc_events_next(struct bc_events *events, struct bc_event *event);
/*
 * The same in memory: the next event among *@len bytes at *@pos, which are moved on.
 * 1, 0 at the end, -EBADMSG. @family is the type of the messages. *@pos is aligned to 4.
 */
int bc_event_parse(unsigned int family, const char **pos, size_t *len,
		   struct bc_event *event);

#ifdef __cplusplus
}
#endif

#endif /* LIBBC_H */
