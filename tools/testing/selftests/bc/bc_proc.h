/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of beancounters know from /proc/beancounters.
 */
#ifndef BC_PROC_H
#define BC_PROC_H

#include "bc_util.h"

enum {
	BC_NR_HIERARCHIES	= 16,	/* with the default one */
	BC_NR_CONTROLLERS	= 32,	/* there are fewer */
};

/* All that can be read from @path, in pieces of @size. To be freed. */
static inline char *bc_slurp(const char *path, size_t size)
{
	size_t len = 0, room = 65536;
	char *text = malloc(room);
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	ssize_t ret = -1;

	while (fd >= 0 && len + size < room &&
	       (ret = read(fd, text + len, size)) > 0)
		len += ret;
	err = errno;
	if (fd >= 0)
		close(fd);
	text[len] = '\0';
	if (ret) {
		free(text);
		text = NULL;
		errno = ret < 0 ? err : EFBIG;
	}
	return text;
}

/**
 * struct bc_proc - what /proc/beancounters says
 * @nr_hierarchies: how many of @hierarchy are filled in
 * @nr_controllers: how many of @controller are filled in
 * @hierarchy: a line of the first table each
 * @controller: a line of the second table each
 * @css_groups: how many there are
 */
struct bc_proc {
	int nr_hierarchies;
	int nr_controllers;
	struct {
		int id;
		char name[4 * NAME_MAX + 1];
		int groups;
		char controllers[512];
	} hierarchy[BC_NR_HIERARCHIES];
	struct {
		char name[32];
		int hierarchy;
		char unit[8];
	} controller[BC_NR_CONTROLLERS];
	int css_groups;
};

/* What /proc/beancounters has to be when its second table is right. */
static inline char *bc_proc_format(const struct bc_proc *p)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int i, j;

	fprintf(f, "#hierarchy\tname\tgroups\tcontrollers\n");
	for (i = 0; i < p->nr_hierarchies; i++) {
		const char *sep = "";

		fprintf(f, "%d\t%s\t%d\t", p->hierarchy[i].id,
			p->hierarchy[i].name, p->hierarchy[i].groups);
		for (j = 0; j < p->nr_controllers; j++) {
			if (p->controller[j].hierarchy != p->hierarchy[i].id)
				continue;
			fprintf(f, "%s%s", sep, p->controller[j].name);
			sep = ",";
		}
		fprintf(f, "%s\n", *sep ? "" : "-");
	}
	fprintf(f, "#controller\thierarchy\tunit\n");
	for (j = 0; j < p->nr_controllers; j++)
		fprintf(f, "%s\t%d\t%s\n", p->controller[j].name,
			p->controller[j].hierarchy, p->controller[j].unit);
	fprintf(f, "#css_groups\t%d\n", p->css_groups);
	fclose(f);
	return text;
}

/*
 * Read /proc/beancounters. -EPROTO when it is not exactly as it has to be: each
 * line, the order of the hierarchies, and that the two tables agree.
 */
static inline int bc_proc(struct bc_proc *p)
{
	char *text = bc_slurp("/proc/beancounters", 16384);
	char *copy, *line, *save, *want;
	int err = 0, h = 0, c = 0, val;

	if (!text)
		return -errno;
	memset(p, 0, sizeof(*p));
	p->css_groups = -1;
	copy = strdup(text);
	for (line = strtok_r(copy, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (h < BC_NR_HIERARCHIES &&
		    sscanf(line, "%d\t%1020[^\t]\t%d\t%511[^\n]",
			   &p->hierarchy[h].id, p->hierarchy[h].name,
			   &p->hierarchy[h].groups,
			   p->hierarchy[h].controllers) == 4) {
			if (h && p->hierarchy[h].id <= p->hierarchy[h - 1].id)
				err = -EPROTO;
			h++;
		} else if (c < BC_NR_CONTROLLERS &&
			   sscanf(line, "%31[a-z0-9_]\t%d\t%7[a-z-]",
				  p->controller[c].name,
				  &p->controller[c].hierarchy,
				  p->controller[c].unit) == 3) {
			c++;
		} else if (sscanf(line, "#css_groups\t%d", &val) == 1) {
			p->css_groups = val;
		}
	}
	p->nr_hierarchies = h;
	p->nr_controllers = c;
	want = bc_proc_format(p);
	if (strcmp(text, want))
		err = -EPROTO;
	if (err)
		printf("# got:\n%s# and not:\n%s", text, want);
	free(want);
	free(copy);
	free(text);
	return err;
}

/* Groups besides the roots, those that were removed and live on left out. */
static inline long bc_live_groups(void)
{
	struct bc_proc p;
	long n = bc_proc(&p);
	int i;

	for (i = 0; n >= 0 && i < p.nr_hierarchies; i++)
		n += p.hierarchy[i].groups - 1;
	return n;
}

static inline int bc_css_groups(void)
{
	struct bc_proc p;

	return bc_proc(&p) ?: p.css_groups;
}

/* The same when it has become @want: what is freed leaves after a while. */
static inline int bc_settle_css_groups(int want)
{
	int i, val = bc_css_groups();

	for (i = 0; i < 500 && val != want; i++) {
		usleep(20000);
		val = bc_css_groups();
	}
	return val;
}

/* The same when it has not changed for half a second, and some grace periods. */
static inline int bc_rest_css_groups(void)
{
	int i, last = -1, val, same = 0;

	for (i = 0; i < 100 && same < 5; i++) {
		val = bc_css_groups();
		same = val == last ? same + 1 : 0;
		last = val;
		usleep(100000);
		bc_grace_period();
	}
	return last;
}

#endif /* BC_PROC_H */
