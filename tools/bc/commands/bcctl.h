/* SPDX-License-Identifier: GPL-2.0 */
/* What the commands of bcctl share. */
#ifndef BCCTL_H
#define BCCTL_H

#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libbc.h>

#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

enum {
	STATUS_OK,
	STATUS_FAILED,
	STATUS_USAGE,
	STATUS_TIMEOUT,
};

/**
 * struct command - as in "bcctl NAME"
 * @name: what it is called
 * @run: gets argv[0] = "bcctl NAME", returns the exit status
 * @args: what comes behind the name
 * @summary: one line
 * @help: the rest of --help
 */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args;
	const char *summary;
	const char *help;
};

extern const struct command create_command, delete_command, set_command, get_command,
	exec_command, move_command, tree_command, show_command, top_command,
	events_command, explain_command, snapshot_command, restore_command,
	export_command, profile_command, classify_command, users_command;

/* The one that is running. */
extern const struct command *command;

/* Errors: one line on standard error, "bcctl COMMAND: ..."; return STATUS_*. */
int __printf(1, 2) fail(const char *fmt, ...);
/* What libbc said, and @hint behind it if that is not NULL. */
int fail_bc(struct bc *bc, const char *hint);
int __printf(1, 2) usage(const char *fmt, ...);
void __printf(1, 2) note(const char *fmt, ...);
void out_of_memory(void);
void *alloc(size_t n, size_t size);
char *format(const char *fmt, ...) __printf(1, 2);

/*
 * The next option, as getopt_long(3), but "help" is answered, and what is wrong ends the
 * program. Options end at the first argument.
 */
void print_help(void);
int next_option(int argc, char **argv, const char *shorts, const struct option *longs);
double seconds_arg(const char *option, const char *arg);
unsigned long count_arg(const char *option, const char *arg);
void check_pids(char **args, int n, bool threads);

/* Ends the program if there are no beancounters. */
struct bc *open_bc(void);

/* RESOURCE=VALUE from the command line; usage() if there is none. */
int parse_settings(char **argv, int n, struct bc_settings *s);
/* Ends the program if there is no memory. */
void add_setting(struct bc_settings *s, const char *name, const char *value);
/* Where the administrator's profiles are. */
const char *profile_dir(void);
/* bc_set(), where "profile" stands for what it has; says what is left out. */
int set_all(struct bc_group *group, const struct bc_settings *s);

/*
 * What bc_set() and the kernel would say of settings, as far as it can be known without the
 * group; @is_root: it is a root. Calls @wrong for each that is wrong, with the reason.
 */
void check_settings(struct bc *bc, bool is_root, const struct bc_settings *s,
		    void (*wrong)(const struct bc_setting *s, const char *why, void *arg),
		    void *arg);

#define MAX_BIT 8192

/* "0-3,6" as bits; false if it is none, or too long for us. */
bool parse_list(const char *text, bool bits[MAX_BIT]);

/* By name or number: is there such a one? *@gid is the user's, or -1 if it is not known. */
bool find_user(const char *name, uid_t *uid, gid_t *gid);
bool find_group(const char *name, gid_t *gid);
/* USER[:GROUP], names or numbers; *@gid is -1 if it is not known. -ENOENT. */
int parse_owner(const char *text, uid_t *uid, gid_t *gid);

/*
 * Call @fn for these groups, or for all groups of all hierarchies. With @below, also for
 * those below the named ones. Returns STATUS_*.
 */
int each_group(struct bc *bc, char **names, int n, bool below,
	       int (*fn)(struct bc_group *group, int depth, void *arg), void *arg);

/* What binds first, barrier or limit; BC_MAX if nothing does. */
long long bound_of(const struct bc_controller *c, const struct bc_counter *counter);
/* How much of that is held, in percent; 0 without limit. */
double percent_of(const struct bc_controller *c, const struct bc_counter *counter);
/* What is above this is near its limit. */
#define NEAR_PERCENT 80.0

/* How many bytes the valid UTF-8 sequence at @s has, 0 if it is none. */
int utf8_len(const unsigned char *s);
/* Nothing that a terminal would obey; with @word, no white space either. */
void put_name(FILE *f, const char *s, bool word);
/* For a shell. */
void put_quoted(FILE *f, const char *s);
/* How many columns put_name() takes. */
int width_of(const char *s);

/* A string that is not UTF-8 gets characters for its bytes. */
struct json_object *json_text(const char *s);
/* null for "max". */
struct json_object *json_amount(long long val);
/* Print an object in one line, and free it. */
void json_line(struct json_object *obj);
/* Elements of an array, one a line; NULL ends it. */
void json_element(struct json_object *obj);

/* {"group", "hierarchy", "id"}: how objects of groups begin. */
struct json_object *json_group(struct bc_group *group);
/* The amounts of a counter, with its unit. */
struct json_object *json_counter(const struct bc_controller *c,
				 const struct bc_counter *counter);

/* The zombies of a group, for people; NULL if there are none. */
char *zombies_of(struct bc_group *group);

#endif /* BCCTL_H */
