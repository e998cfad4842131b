// SPDX-License-Identifier: GPL-2.0
/* The handle: which hierarchies and controllers there are, and what has failed. */
#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

static const char no_memory[] = "out of memory";

int bc_fail(struct bc *bc, int err, const char *fmt, ...)
{
	char *error, *p;
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = vasprintf(&error, fmt, ap);
	va_end(ap);
	if (ret < 0)
		error = (char *)no_memory;
	/* Names can have anything in them but a newline; a terminal would obey. */
	for (p = error; *p; p++) {
		if (iscntrl((unsigned char)*p))
			*p = '?';
	}
	/* Not before: the old line may be a part of the new one. */
	if (bc->error != no_memory)
		free(bc->error);
	bc->error = error;
	return -err;
}

const char *bc_error(const struct bc *bc)
{
	return bc ? bc->error ?: "no error" : no_memory;
}

const char *bc_configfs(const struct bc *bc)
{
	return bc->configfs;
}

const char *bc_proc(const struct bc *bc)
{
	return bc->proc;
}

int bc_read_at(int dirfd, const char *file, char **text, size_t *lenp)
{
	size_t size = 4096, len = 0;
	char *buf = malloc(size);
	ssize_t ret;
	int fd, err;

	*text = NULL;
	if (!buf)
		return -ENOMEM;
	fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		free(buf);
		return err;
	}
	for (;;) {
		ret = read(fd, buf + len, size - 1 - len);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			break;
		len += ret;
		if (len == size - 1) {
			char *more = realloc(buf, size * 2);

			if (!more) {
				errno = ENOMEM;
				ret = -1;
				break;
			}
			buf = more;
			size *= 2;
		}
	}
	err = ret < 0 ? -errno : 0;
	close(fd);
	if (err) {
		free(buf);
		return err;
	}
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	*text = buf;
	if (lenp)
		*lenp = len;
	return 0;
}

int bc_read_short(int dirfd, const char *file, char *buf, size_t size)
{
	int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return -errno;
	do {
		ret = read(fd, buf, size - 1);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		ret = -errno;
	close(fd);
	if (ret < 0)
		return ret;
	if (ret && buf[ret - 1] == '\n')
		ret--;
	buf[ret] = '\0';
	return 0;
}

int bc_write_at(int dirfd, const char *file, const char *text)
{
	size_t len = strlen(text);
	int fd, err = 0;
	ssize_t ret;

	fd = openat(dirfd, file, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* No text is a line without any: configfs refuses zero bytes. */
	do {
		ret = len ? write(fd, text, len) : write(fd, "\n", 1);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		err = -errno;
	else if (len && (size_t)ret != len)
		err = -EIO;
	close(fd);
	return err;
}

/* Names in /proc/beancounters have some characters in octal. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && isdigit((unsigned char)s[2]) &&
		    isdigit((unsigned char)s[3])) {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static void *grow(void *array, size_t n, size_t size)
{
	void *more = reallocarray(array, n + 1, size);

	if (more)
		memset((char *)more + n * size, 0, size);
	return more;
}

static int add_hierarchy(struct bc *bc, char *line)
{
	char *number, *name, *groups, *save;
	struct bc_hierarchy *h;

	number = strtok_r(line, "\t", &save);
	name = strtok_r(NULL, "\t", &save);
	groups = strtok_r(NULL, "\t", &save);
	if (!groups)
		return -EBADMSG;
	h = grow(bc->hierarchies, bc->nr_hierarchies, sizeof(*h));
	if (!h)
		return -ENOMEM;
	bc->hierarchies = h;
	h += bc->nr_hierarchies;
	unescape(name);
	h->name = strdup(name);
	if (!h->name)
		return -ENOMEM;
	h->number = strtoul(number, NULL, 10);
	h->groups = strtoul(groups, NULL, 10);
	bc->nr_hierarchies++;
	return 0;
}

static enum bc_unit parse_unit(const char *text)
{
	enum bc_unit unit;

	/* Before there was this column, all that was counted were items. */
	if (!text)
		return BC_UNIT_ITEMS;
	for (unit = BC_UNIT_NONE; unit <= BC_UNIT_PAGES; unit++) {
		if (!strcmp(text, bc_unit_name(unit)))
			return unit;
	}
	return BC_UNIT_ITEMS;
}

/*
 * Whose charges are refused above the barrier already. Of what is not listed, we do not
 * know, and barriers are there to be respected.
 */
static bool minds_barrier(const char *name)
{
	static const char * const limit_only[] = {
		"numtasks", "numgroups", "numinotify", "numwatches", "numflock", "numpty",
		"numkeys", "numsiginfo", "numtcpsock", "numothersock", "numiptent",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(limit_only); i++) {
		if (!strcmp(name, limit_only[i]))
			return false;
	}
	return true;
}

static int add_controller(struct bc *bc, char *line)
{
	char *name, *number, *unit, *save;
	struct bc_controller *c;
	size_t i;

	name = strtok_r(line, "\t", &save);
	number = strtok_r(NULL, "\t", &save);
	unit = strtok_r(NULL, "\t", &save);
	if (!number)
		return -EBADMSG;
	c = grow(bc->controllers, bc->nr_controllers, sizeof(*c));
	if (!c)
		return -ENOMEM;
	bc->controllers = c;
	c += bc->nr_controllers;
	unescape(name);
	for (i = 0; i < bc->nr_hierarchies; i++) {
		if (bc->hierarchies[i].number == strtoul(number, NULL, 10))
			c->hierarchy = &bc->hierarchies[i];
	}
	if (!c->hierarchy)
		return -EBADMSG;
	c->name = strdup(name);
	if (!c->name)
		return -ENOMEM;
	c->unit = parse_unit(unit);
	c->barrier = minds_barrier(name);
	bc->nr_controllers++;
	return 0;
}

/* Three tables; a line that begins with "#" says which one comes. */
static int parse_tables(struct bc *bc, char *text)
{
	int (*add)(struct bc *bc, char *line) = NULL;
	char *line, *save;
	int err;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (line[0] == '#') {
			add = NULL;
			if (!strncmp(line, "#hierarchy\t", 11))
				add = add_hierarchy;
			else if (!strncmp(line, "#controller\t", 12))
				add = add_controller;
		} else if (add) {
			err = add(bc, line);
			if (err)
				return err;
		}
	}
	return bc->nr_hierarchies ? 0 : -EBADMSG;
}

/* Where the groups of a hierarchy are. */
static int root_path(struct bc *bc, const struct bc_hierarchy *h, char **path)
{
	int ret;

	if (h->number == 0)
		ret = asprintf(path, "%s/bc", bc->configfs);
	else
		ret = asprintf(path, "%s/bc_hierarchies/%s", bc->configfs, h->name);
	return ret < 0 ? -ENOMEM : 0;
}

/*
 * A counter is what has the files of one, so that controllers which are newer than this
 * are shown and limited as well.
 */
static int find_counters(struct bc *bc)
{
	char *root, *file;
	size_t i;

	for (i = 0; i < bc->nr_controllers; i++) {
		struct bc_controller *c = &bc->controllers[i];

		if (root_path(bc, c->hierarchy, &root))
			return -ENOMEM;
		if (asprintf(&file, "%s/%s/failcnt", root, c->name) < 0)
			file = NULL;
		free(root);
		if (!file)
			return -ENOMEM;
		c->counter = !access(file, F_OK);
		if (!c->counter)
			c->unit = BC_UNIT_NONE;
		free(file);
	}
	return 0;
}

static int learn(struct bc *bc)
{
	char *path, *text;
	int err;

	if (asprintf(&path, "%s/beancounters", bc->proc) < 0)
		return bc_fail(bc, ENOMEM, "out of memory");
	err = bc_read_at(AT_FDCWD, path, &text, NULL);
	if (err == -ENOENT)
		bc_fail(bc, EOPNOTSUPP,
			"this kernel has no beancounters: there is no %s (CONFIG_BEANCOUNTERS)",
			path);
	else if (err)
		bc_fail(bc, -err, "cannot read %s: %s", path, strerror(-err));
	free(path);
	if (err)
		return err == -ENOENT ? -EOPNOTSUPP : err;
	err = parse_tables(bc, text);
	free(text);
	if (err == -EBADMSG)
		return bc_fail(bc, EBADMSG, "cannot make sense of %s/beancounters", bc->proc);
	if (err)
		return bc_fail(bc, -err, "%s", strerror(-err));

	if (asprintf(&path, "%s/bc", bc->configfs) < 0)
		return bc_fail(bc, ENOMEM, "out of memory");
	if (access(path, F_OK))
		err = bc_fail(bc, ENODEV,
			      "there is no %s: mount it with 'mount -t configfs none %s'",
			      path, bc->configfs);
	free(path);
	if (err)
		return err;
	err = find_counters(bc);
	return err ? bc_fail(bc, -err, "%s", strerror(-err)) : 0;
}

int bc_open(struct bc **bcp, const struct bc_options *opt)
{
	struct bc *bc = calloc(1, sizeof(*bc));

	*bcp = bc;
	if (!bc)
		return -ENOMEM;
	bc->configfs = strdup(opt && opt->configfs ? opt->configfs : "/sys/kernel/config");
	bc->proc = strdup(opt && opt->proc ? opt->proc : "/proc");
	if (!bc->configfs || !bc->proc)
		return bc_fail(bc, ENOMEM, "out of memory");
	bc->elsewhere = opt && (opt->configfs || opt->proc);
	return learn(bc);
}

void bc_close(struct bc *bc)
{
	size_t i;

	if (!bc)
		return;
	bc_forget(bc);
	for (i = 0; i < bc->nr_hierarchies; i++)
		free((char *)bc->hierarchies[i].name);
	for (i = 0; i < bc->nr_controllers; i++)
		free((char *)bc->controllers[i].name);
	free(bc->hierarchies);
	free(bc->controllers);
	free(bc->configfs);
	free(bc->proc);
	if (bc->error != no_memory)
		free(bc->error);
	free(bc);
}

const struct bc_hierarchy *bc_hierarchies(const struct bc *bc, size_t *n)
{
	*n = bc->nr_hierarchies;
	return bc->hierarchies;
}

const struct bc_controller *bc_controllers(const struct bc *bc, size_t *n)
{
	*n = bc->nr_controllers;
	return bc->controllers;
}

const struct bc_hierarchy *bc_find_hierarchy(const struct bc *bc, const char *name)
{
	unsigned long number;
	char *end;
	size_t i;

	/* The name of an extra one may look like a number, or be that of the default. */
	for (i = bc->nr_hierarchies; i-- > 0;) {
		if (!strcmp(bc->hierarchies[i].name, name))
			return &bc->hierarchies[i];
	}
	number = strtoul(name, &end, 10);
	if (!isdigit((unsigned char)name[0]) || *end)
		return NULL;
	for (i = 0; i < bc->nr_hierarchies; i++) {
		if (bc->hierarchies[i].number == number)
			return &bc->hierarchies[i];
	}
	return NULL;
}

const struct bc_controller *bc_find_controller(const struct bc *bc, const char *name)
{
	size_t i;

	for (i = 0; i < bc->nr_controllers; i++) {
		if (!strcmp(bc->controllers[i].name, name))
			return &bc->controllers[i];
	}
	return NULL;
}

/* How many letters have to be changed to get from one to the other. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[64], i, j, diag, up;

	for (j = 0; b[j] && j < ARRAY_SIZE(row) - 1; j++)
		row[j] = j;
	row[j] = j;
	for (i = 0; a[i]; i++) {
		diag = row[0];
		row[0] = i + 1;
		for (j = 0; b[j] && j < ARRAY_SIZE(row) - 1; j++) {
			up = row[j + 1];
			row[j + 1] = diag + (a[i] != b[j]);
			if (up + 1 < row[j + 1])
				row[j + 1] = up + 1;
			if (row[j] + 1 < row[j + 1])
				row[j + 1] = row[j] + 1;
			diag = up;
		}
	}
	return row[j];
}

const char *bc_similar_controller(const struct bc *bc, const char *name)
{
	/* What UBC and cgroups call them. */
	static const char * const other[][2] = {
		{ "numproc", "numtasks" }, { "pids", "numtasks" }, { "nofile", "numfiles" },
		{ "files", "numfiles" }, { "cpu", "cpuacct" }, { "mems", "nodeset" },
	};
	unsigned int best = 4, d;
	const char *found = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(other); i++) {
		if (!strcmp(name, other[i][0]) && bc_find_controller(bc, other[i][1]))
			return other[i][1];
	}
	for (i = 0; i < bc->nr_controllers; i++) {
		d = distance(name, bc->controllers[i].name);
		if (d < best) {
			best = d;
			found = bc->controllers[i].name;
		}
	}
	return found;
}

int bc_group_root(struct bc *bc, const struct bc_hierarchy *h, struct bc_group **group)
{
	struct bc_group *g = calloc(1, sizeof(*g));
	char *path;
	int err;

	*group = NULL;
	if (!g || root_path(bc, h, &path)) {
		free(g);
		return bc_fail(bc, ENOMEM, "out of memory");
	}
	g->bc = bc;
	g->hierarchy = h;
	g->path = strdup("/");
	if (asprintf(&g->name, h->number ? "%s:/" : "/", h->name) < 0)
		g->name = NULL;
	g->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	err = errno;
	if (g->fd < 0) {
		bc_fail(bc, err, "cannot open %s: %s", path, strerror(err));
		free(path);
		bc_group_close(g);
		return -err;
	}
	free(path);
	if (!g->path || !g->name) {
		bc_group_close(g);
		return bc_fail(bc, ENOMEM, "out of memory");
	}
	*group = g;
	return 0;
}
