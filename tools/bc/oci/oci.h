/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of bc-oci-hook share. */
#ifndef BC_OCI_H
#define BC_OCI_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libbc.h>

#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* What annotations begin with. */
#define OCI_PREFIX "org.beancounters."

/* main.c -------------------------------------------------------------------------- */

/* One line on standard error, and in the system's log; returns EXIT_FAILURE. */
int __printf(1, 2) fail(const char *fmt, ...);
/* Ends the program for lack of memory. */
char *format(const char *fmt, ...) __printf(1, 2);
/* Where to look, if somebody has said so. */
struct bc_options oci_options(void);

/* state.c ------------------------------------------------------------------------- */

/**
 * struct oci_state - what the runtime tells of a container
 * @id: its name
 * @status: "creating", "created", "stopped"; NULL if it is not told
 * @bundle: where its config.json is; NULL if it is not told
 * @pid: of its first process; 0 if there is none
 * @annotated: the state has annotations, ours or not
 * @group: what this annotation says, or NULL
 * @settings: what the others of ours say, as bc_expand_profile() takes them
 */
struct oci_state {
	char *id, *status, *bundle;
	pid_t pid;
	bool annotated;
	char *group;
	struct bc_settings settings;
};

/*
 * Read the state, or, of a bundle's config.json, the annotations. NULL, or what is wrong, to
 * be freed. @s is to be freed in any case.
 */
char *oci_parse_state(const char *text, size_t len, struct oci_state *s);
char *oci_parse_config(const char *text, size_t len, struct oci_state *s);
void oci_state_free(struct oci_state *s);
/* Is there any annotation of ours? */
bool oci_wants_group(const struct oci_state *s);

/* record.c ------------------------------------------------------------------------ */

/**
 * struct oci_record - the group of a container, which outlives the hook
 * @group: as bc_group_open() takes it
 * @bundle: of the container, for messages
 * @id: the group's; 0 if it was about to be made
 */
struct oci_record {
	char *group, *bundle;
	unsigned long long id;
};

/*
 * Wait until nobody else makes or removes groups of containers, with records that are to stay
 * as they are meanwhile. A descriptor, to be closed at the end, or -errno.
 */
int oci_record_lock(void);
/* 1, 0 if there is none, or -errno. */
int oci_record_read(const char *container, struct oci_record *rec);
/* 0 or -errno; *@where is the directory that it was about, to be freed. */
int oci_record_write(const char *container, const struct oci_record *rec, char **where);
void oci_record_drop(const char *container);
void oci_record_free(struct oci_record *rec);
/* All that can be read. */
void oci_record_each(void (*fn)(const struct oci_record *rec, void *arg), void *arg);
/* Those that are older than this; one for which @fn returns true is dropped. */
void oci_record_sweep(int seconds, bool (*fn)(const struct oci_record *rec, void *arg),
		      void *arg);
/*
 * Open the group of a record. -ENOENT if it is gone, or another one has its name; -errno
 * with a line for bc_error().
 */
int oci_record_open(struct bc *bc, const struct oci_record *rec, struct bc_group **group);

/* runtime.c ----------------------------------------------------------------------- */

/* In place of the runtime of this name. Returns if that cannot be. */
int oci_runtime(const char *name, int argc, char **argv);
/*
 * The container in which "RUNTIME exec" is to run something. NULL if it is another command,
 * or, with *@wrong, which is not to be freed, if an option is not known.
 */
const char *oci_exec_container(int argc, char **argv, const char **wrong);

#endif /* BC_OCI_H */
