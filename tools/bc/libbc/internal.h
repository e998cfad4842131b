/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of libbc share. */
#ifndef LIBBC_INTERNAL_H
#define LIBBC_INTERNAL_H

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "libbc.h"

#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

struct bc {
	char *configfs, *proc;
	struct bc_hierarchy *hierarchies;
	struct bc_controller *controllers;
	size_t nr_hierarchies, nr_controllers;
	/* What has failed; not to be freed if there was no room for that. */
	char *error;
	/* Not only the kernel's own files: somebody has said where to look. */
	bool elsewhere;
	/* What bc_fetch() has got: a tree of struct bc_fetched, see tsearch(3). */
	void *fetched;
};

/**
 * struct bc_fetched - a group, as the kernel has told of it
 * @hierarchy: its number
 * @path: from the root of that
 * @id: as in the file
 * @told: that is known
 * @counters: by number of the controller; what was not told has seen nothing
 */
struct bc_fetched {
	unsigned int hierarchy;
	char *path;
	unsigned long long id;
	bool told;
	struct bc_counter counters[];
};

struct bc_group {
	struct bc *bc;
	const struct bc_hierarchy *hierarchy;
	int fd;
	char *path, *name;
};

/* Leave a line for bc_error(), and return -@err. */
int __printf(3, 4) bc_fail(struct bc *bc, int err, const char *fmt, ...);
/* What an error means where @file is written: better than strerror(3), if we know. */
const char *bc_why(const char *file, int err);
/*
 * A whole file, up to its last newline, which is *@len bytes; @len may be NULL. A NUL is behind
 * it, and may be in it. -errno; leaves no line.
 */
int bc_read_at(int dirfd, const char *file, char **text, size_t *len);
/* The same for one that is a number: one open(2), one read(2), as there are many. */
int bc_read_short(int dirfd, const char *file, char *buf, size_t size);
/* In one write(2). -errno; leaves no line. */
int bc_write_at(int dirfd, const char *file, const char *text);
/* The directories in a directory, sorted; how many, or -errno; leaves no line. */
int bc_list_dirs(int dirfd, const char *path, char ***names);
/* What was got of a group before, or NULL. With @add, it is made: NULL for lack of memory. */
struct bc_fetched *bc_fetched(struct bc *bc, unsigned int hierarchy, const char *path,
			      bool add);
/* Take in what answers a request, which is of the type @family. -EBADMSG, -ENOMEM. */
int bc_fetch_parse(struct bc *bc, unsigned int family, const void *nlh);
/* As read from a file: BC_MAX for "max". */
long long bc_amount_value(const char *text);

#endif /* LIBBC_INTERNAL_H */
