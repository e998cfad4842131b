// SPDX-License-Identifier: GPL-2.0
/* What bc_fetch() has got is kept in a tree, by hierarchy and path. */
#include <search.h>

#include "internal.h"

static int compare(const void *a, const void *b)
{
	const struct bc_fetched *f = a, *g = b;

	if (f->hierarchy != g->hierarchy)
		return f->hierarchy < g->hierarchy ? -1 : 1;
	return strcmp(f->path, g->path);
}

static void free_fetched(void *node)
{
	struct bc_fetched *f = node;

	free(f->path);
	free(f);
}

struct bc_fetched *bc_fetched(struct bc *bc, unsigned int hierarchy, const char *path,
			      bool add)
{
	struct bc_fetched key = { .hierarchy = hierarchy, .path = (char *)path };
	struct bc_fetched **found = tfind(&key, &bc->fetched, compare), *f;

	if (found)
		return *found;
	if (!add)
		return NULL;
	f = calloc(1, sizeof(*f) + bc->nr_controllers * sizeof(f->counters[0]));
	if (!f)
		return NULL;
	f->hierarchy = hierarchy;
	f->path = strdup(path);
	if (!f->path || !tsearch(f, &bc->fetched, compare)) {
		free_fetched(f);
		return NULL;
	}
	return f;
}

void bc_forget(struct bc *bc)
{
	tdestroy(bc->fetched, free_fetched);
	bc->fetched = NULL;
}
