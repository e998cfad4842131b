// SPDX-License-Identifier: GPL-2.0
/* Groups: names, directories, files. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

int bc_parse_group(struct bc *bc, const char *spec, const struct bc_hierarchy **h,
		   char **path)
{
	const char *slash = strchr(spec, '/'), *p = spec, *colon = NULL;
	char *to;
	size_t i;

	*path = NULL;
	if (!spec[0])
		return bc_fail(bc, EINVAL,
			       "an empty name is no group: '/' is the root, '/web' a group");
	for (i = 0; spec[i] && (!slash || spec + i < slash); i++) {
		if (spec[i] == ':')
			colon = spec + i;
	}
	if (colon) {
		char *name = strndup(spec, colon - spec);

		if (!name)
			return bc_fail(bc, ENOMEM, "out of memory");
		*h = bc_find_hierarchy(bc, name);
		free(name);
		if (!*h)
			return bc_fail(bc, ENOENT,
				       "there is no hierarchy '%.*s': /proc/beancounters lists them, and '/%s' would be a group in the default one",
				       (int)(colon - spec), spec, spec);
		p = colon + 1;
	} else {
		*h = bc_find_hierarchy(bc, "0");
	}

	to = malloc(strlen(p) + 2);
	if (!to)
		return bc_fail(bc, ENOMEM, "out of memory");
	*path = to;
	while (*p) {
		size_t len = strcspn(p, "/");

		if ((len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.')) {
			free(*path);
			*path = NULL;
			return bc_fail(bc, EINVAL,
				       "'%s' is no group: paths have no '.' and '..' in them",
				       spec);
		}
		if (len) {
			*to++ = '/';
			memcpy(to, p, len);
			to += len;
		}
		p += len;
		p += strspn(p, "/");
	}
	if (to == *path)
		*to++ = '/';
	*to = '\0';
	return 0;
}

void bc_group_close(struct bc_group *group)
{
	if (!group)
		return;
	if (group->fd >= 0)
		close(group->fd);
	free(group->path);
	free(group->name);
	free(group);
}

/* The path and the name of a child. */
static char *below(const char *path, const char *name)
{
	size_t len = strlen(path);
	char *s;

	if (asprintf(&s, "%s%s%s", path, path[len - 1] == '/' ? "" : "/", name) < 0)
		return NULL;
	return s;
}

/* -errno, without a line. */
static int open_child(struct bc_group *group, const char *name, struct bc_group **child)
{
	struct bc_group *g;
	int err;

	*child = NULL;
	/* A controller's name is nobody else's. */
	if (bc_find_controller(group->bc, name))
		return -ENOTDIR;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->bc = group->bc;
	g->hierarchy = group->hierarchy;
	g->path = below(group->path, name);
	g->name = below(group->name, name);
	g->fd = openat(group->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	err = g->fd < 0 ? -errno : 0;
	if (!g->path || !g->name)
		err = -ENOMEM;
	if (err) {
		bc_group_close(g);
		return err;
	}
	*child = g;
	return 0;
}

int bc_group_child(struct bc_group *group, const char *name, struct bc_group **child)
{
	struct bc *bc = group->bc;
	int err = open_child(group, name, child);
	char *where;

	if (!err)
		return 0;
	where = below(group->name, name);
	if (err == -ENOTDIR)
		bc_fail(bc, ENOTDIR, "%s is no group", where);
	else if (err == -ENOENT)
		bc_fail(bc, ENOENT, "there is no group %s", where);
	else if (err == -EACCES)
		bc_fail(bc, EACCES, "cannot open %s: no permission to search %s", where,
			group->name);
	else
		bc_fail(bc, -err, "cannot open %s: %s", where, strerror(-err));
	free(where);
	return err;
}

/* One name after the other: a path may be longer than PATH_MAX. */
static int open_path(struct bc *bc, const struct bc_hierarchy *h, const char *path,
		     struct bc_group **group)
{
	struct bc_group *g, *child;
	char name[NAME_MAX + 1];
	int err;

	err = bc_group_root(bc, h, &g);
	while (!err && *++path) {
		size_t len = strcspn(path, "/");

		if (len > NAME_MAX) {
			err = bc_fail(bc, ENAMETOOLONG,
				      "there is no group in %s with a name of %zu bytes: 255 are the most",
				      g->name, len);
			bc_group_close(g);
			break;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		err = bc_group_child(g, name, &child);
		bc_group_close(g);
		g = child;
		path += len;
		if (!*path)
			break;
	}
	*group = err ? NULL : g;
	return err;
}

int bc_group_open(struct bc *bc, const char *spec, struct bc_group **group)
{
	const struct bc_hierarchy *h;
	char *path;
	int err;

	*group = NULL;
	err = bc_parse_group(bc, spec, &h, &path);
	if (!err)
		err = open_path(bc, h, path, group);
	free(path);
	return err;
}

/* What is above a path; the root is above itself. To be freed. */
static char *dirname_of(const char *path)
{
	size_t len = strrchr(path, '/') - path;

	return strndup(path, len ?: 1);
}

int bc_group_parent(struct bc_group *group, struct bc_group **parent)
{
	char *path = dirname_of(group->path);
	int err;

	*parent = NULL;
	if (!path)
		return bc_fail(group->bc, ENOMEM, "out of memory");
	err = open_path(group->bc, group->hierarchy, path, parent);
	free(path);
	return err;
}

struct bc *bc_group_bc(const struct bc_group *group)
{
	return group->bc;
}

const char *bc_group_name(const struct bc_group *group)
{
	return group->name;
}

const char *bc_group_path(const struct bc_group *group)
{
	return group->path;
}

const struct bc_hierarchy *bc_group_hierarchy(const struct bc_group *group)
{
	return group->hierarchy;
}

bool bc_group_is_root(const struct bc_group *group)
{
	return !group->path[1];
}

int bc_group_fd(const struct bc_group *group)
{
	return group->fd;
}

bool bc_group_has(const struct bc_group *group, const struct bc_controller *c)
{
	return c->hierarchy == group->hierarchy;
}

static struct bc_fetched *fetched(const struct bc_group *group)
{
	return bc_fetched(group->bc, group->hierarchy->number, group->path, false);
}

int bc_group_id(struct bc_group *group, unsigned long long *id)
{
	struct bc_fetched *f = fetched(group);
	char text[32];
	int err;

	if (f) {
		*id = f->id;
		return 0;
	}
	err = bc_read_short(group->fd, "id", text, sizeof(text));
	if (err)
		return bc_fail(group->bc, -err, "cannot read the id of %s: %s", group->name,
			       strerror(-err));
	*id = strtoull(text, NULL, 10);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char * const *)a, *(char * const *)b);
}

void bc_free_names(char **names)
{
	size_t i;

	for (i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}

static bool is_dir(int fd, const struct dirent *d)
{
	struct stat st;

	if (d->d_type != DT_UNKNOWN)
		return d->d_type == DT_DIR;
	return !fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode);
}

/* The names in a directory that are directories, or that are not. -errno, or how many. */
static int list_names(int dirfd, const char *path, bool dirs, const struct bc *but,
		      char ***names)
{
	size_t n = 0, room = 16;
	struct dirent *d;
	char **list;
	int fd, err = 0;
	DIR *dir;

	fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	list = calloc(room + 1, sizeof(*list));
	if (!dir || !list) {
		if (dir)
			closedir(dir);
		else
			close(fd);
		free(list);
		return -ENOMEM;
	}
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") ||
		    is_dir(fd, d) != dirs || (but && bc_find_controller(but, d->d_name)))
			continue;
		if (n == room) {
			char **more = reallocarray(list, 2 * room + 1, sizeof(*list));

			if (!more) {
				err = -ENOMEM;
				break;
			}
			list = more;
			room *= 2;
		}
		list[n] = strdup(d->d_name);
		if (!list[n]) {
			err = -ENOMEM;
			break;
		}
		list[++n] = NULL;
	}
	closedir(dir);
	if (err) {
		bc_free_names(list);
		return err;
	}
	qsort(list, n, sizeof(*list), by_name);
	*names = list;
	return n;
}

int bc_list_dirs(int dirfd, const char *path, char ***names)
{
	return list_names(dirfd, path, true, NULL, names);
}

int bc_group_children(struct bc_group *group, char ***names)
{
	int ret = list_names(group->fd, ".", true, group->bc, names);

	if (ret < 0)
		bc_fail(group->bc, -ret, "cannot list %s: %s", group->name, strerror(-ret));
	return ret;
}

int bc_group_files(struct bc_group *group, const struct bc_controller *c, char ***names)
{
	int ret, i, n = 0;
	char **list;

	if (!bc_group_has(group, c))
		return bc_fail(group->bc, ENOENT, "%s is in hierarchy %s, %s is not", c->name,
			       c->hierarchy->name, group->name);
	ret = list_names(group->fd, c->name, false, NULL, &list);
	if (ret < 0)
		return bc_fail(group->bc, -ret, "cannot list %s of %s: %s", c->name,
			       group->name, strerror(-ret));
	for (i = 0; i < ret; i++) {
		struct stat st;
		char *file = NULL;

		if (asprintf(&file, "%s/%s", c->name, list[i]) < 0) {
			bc_free_names(list);
			return bc_fail(group->bc, ENOMEM, "out of memory");
		}
		/* Some can only be written. */
		if (!fstatat(group->fd, file, &st, 0) && (st.st_mode & 0444))
			list[n++] = list[i];
		else
			free(list[i]);
		free(file);
	}
	list[n] = NULL;
	*names = list;
	return n;
}

static int walk(struct bc_group *group, int depth,
		int (*fn)(struct bc_group *group, int depth, void *arg), void *arg)
{
	struct bc_group *child;
	char **names;
	int ret, i;

	ret = fn(group, depth, arg);
	if (ret)
		return ret;
	ret = list_names(group->fd, ".", true, group->bc, &names);
	if (ret == -ENOENT && depth)
		return 0;
	if (ret < 0)
		return bc_fail(group->bc, -ret, "cannot list %s: %s", group->name,
			       strerror(-ret));
	ret = 0;
	for (i = 0; names[i] && !ret; i++) {
		ret = open_child(group, names[i], &child);
		if (ret == -ENOENT) {
			ret = 0;
			continue;
		}
		if (ret) {
			bc_fail(group->bc, -ret, "cannot open %s in %s: %s", names[i],
				group->name, strerror(-ret));
			break;
		}
		ret = walk(child, depth + 1, fn, arg);
		bc_group_close(child);
	}
	bc_free_names(names);
	return ret;
}

int bc_group_walk(struct bc_group *group,
		  int (*fn)(struct bc_group *group, int depth, void *arg), void *arg)
{
	return walk(group, 0, fn, arg);
}

/* Whether a group's own files, or its controllers, have this name. */
static bool is_taken(struct bc *bc, const char *name)
{
	static const char * const files[] = {
		"id", "tasks", "threads", "controllers", "notify_on_release", "releasable",
		"release_agent",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		if (!strcmp(files[i], name))
			return true;
	}
	return bc_find_controller(bc, name);
}

int bc_escape_name(struct bc *bc, const char *name, char **escaped)
{
	const unsigned char *s = (const unsigned char *)name;
	bool first = name[0] == '.' || (bc && is_taken(bc, name));
	char *to;

	*escaped = NULL;
	if (!*s)
		return bc ? bc_fail(bc, EINVAL, "an empty name is no group") : -EINVAL;
	to = malloc(3 * strlen(name) + 1);
	if (!to)
		return bc ? bc_fail(bc, ENOMEM, "out of memory") : -ENOMEM;
	*escaped = to;
	for (; *s; s++, first = false) {
		if (first || *s == '/' || *s == '%' || *s < ' ' || *s == 0x7f)
			to += sprintf(to, "%%%02X", *s);
		else
			*to++ = *s;
	}
	*to = '\0';
	return 0;
}

static const char *why_not_made(int err)
{
	switch (err) {
	case EACCES:
		return "no permission to make groups there";
	case EPERM:
		return "there can be no groups there";
	case ENOSPC:
		return "groups nest 32 levels deep and no deeper";
	case ENAMETOOLONG:
		return "a name has 255 bytes at most";
	case EINVAL:
		return "a name cannot have a newline in it";
	case EROFS:
		return "configfs is mounted read-only here";
	default:
		return strerror(err);
	}
}

static int make_child(struct bc_group *parent, const char *name)
{
	struct bc *bc = parent->bc;
	char *where;
	int err;

	err = mkdirat(parent->fd, name, 0755) ? errno : 0;
	if (!err)
		return 0;
	where = below(parent->name, name);
	if (err == EEXIST && bc_find_controller(bc, name))
		bc_fail(bc, err, "cannot create %s: '%s' is a controller's name", where, name);
	else if (err == EEXIST && faccessat(parent->fd, name, F_OK, 0) == 0)
		bc_fail(bc, err, "cannot create %s: it is there already", where);
	else
		bc_fail(bc, err, "cannot create %s: %s", where, why_not_made(err));
	free(where);
	return -err;
}

void bc_uncreate(struct bc_group *group, int levels)
{
	struct bc_group *g = group, *parent;

	while (levels-- > 0 && !bc_remove(g) && !bc_group_parent(g, &parent)) {
		if (g != group)
			bc_group_close(g);
		g = parent;
	}
	if (g != group)
		bc_group_close(g);
}

int bc_create(struct bc *bc, const char *spec, bool parents, struct bc_group **group)
{
	const struct bc_hierarchy *h;
	struct bc_group *g, *child;
	char *path, *name, *why;
	int err, made = 0;

	*group = NULL;
	err = bc_parse_group(bc, spec, &h, &path);
	if (err)
		return err;
	if (!path[1]) {
		free(path);
		return bc_fail(bc, EEXIST, "cannot create %s: a root is always there", spec);
	}
	err = bc_group_root(bc, h, &g);
	name = path + 1;
	while (!err) {
		size_t len = strcspn(name, "/");
		bool last = !name[len];

		name[len] = '\0';
		err = last ? -ENOENT : open_child(g, name, &child);
		if (err == -ENOENT && (last || parents)) {
			bool ours;

			err = make_child(g, name);
			ours = !err;
			made += ours;
			if (!err || (err == -EEXIST && !last))
				err = bc_group_child(g, name, &child);
			/* The undoing below begins with g, which is above it. */
			if (err && ours) {
				unlinkat(g->fd, name, AT_REMOVEDIR);
				made--;
			}
		} else if (err) {
			/* Again, for the line. */
			err = bc_group_child(g, name, &child);
		}
		if (err)
			break;
		bc_group_close(g);
		g = child;
		if (last)
			break;
		name += len + 1;
	}
	free(path);
	if (!err) {
		*group = g;
		return made;
	}
	if (made) {
		why = strdup(bc->error);
		bc_uncreate(g, made);
		bc_fail(bc, -err, "%s", why ?: "out of memory");
		free(why);
	}
	bc_group_close(g);
	return err;
}

int bc_remove(struct bc_group *group)
{
	struct bc *bc = group->bc;
	struct bc_group *parent;
	const char *name = strrchr(group->path, '/') + 1;
	int err;

	if (bc_group_is_root(group))
		return bc_fail(bc, EPERM, "cannot delete %s: a root stays", group->name);
	err = bc_group_parent(group, &parent);
	if (err)
		return err;
	err = unlinkat(parent->fd, name, AT_REMOVEDIR) ? -errno : 0;
	bc_group_close(parent);
	switch (err) {
	case 0:
		return 0;
	case -EBUSY:
		return bc_fail(bc, EBUSY, "cannot delete %s: it has tasks", group->name);
	case -ENOTEMPTY:
		return bc_fail(bc, ENOTEMPTY, "cannot delete %s: it has child groups",
			       group->name);
	case -EACCES:
		return bc_fail(bc, EACCES, "cannot delete %s: no permission to remove it",
			       group->name);
	default:
		return bc_fail(bc, -err, "cannot delete %s: %s", group->name, strerror(-err));
	}
}

int bc_remove_tree(struct bc_group *group, int (*busy)(struct bc_group *group, void *arg),
		   void *arg)
{
	struct bc_group *child;
	char **names;
	int n, i, ret;

	n = bc_group_children(group, &names);
	if (n < 0)
		return n;
	for (i = 0, ret = 0; i < n && !ret; i++) {
		ret = bc_group_child(group, names[i], &child);
		if (!ret) {
			ret = bc_remove_tree(child, busy, arg);
			bc_group_close(child);
		}
		if (ret == -ENOENT)
			ret = 0;
	}
	bc_free_names(names);
	while (!ret) {
		ret = bc_remove(group);
		if (ret != -EBUSY)
			break;
		ret = busy(group, arg);
	}
	return ret;
}

int bc_group_read(struct bc_group *group, const char *file, char **text)
{
	int err = bc_read_at(group->fd, file, text, NULL);

	if (err)
		return bc_fail(group->bc, -err, "cannot read %s of %s: %s", file, group->name,
			       err == -ENODATA ? "the kernel has no such count here" :
			       strerror(-err));
	return 0;
}

int bc_read_number(struct bc_group *group, const char *file, char *buf, size_t size)
{
	return bc_read_short(group->fd, file, buf, size);
}

/* Errors of writing a file, see section 2.3 of Documentation/beancounters.txt. */
static const struct {
	const char *file;	/* its end; "" is any */
	int err;
	const char *why;
} reasons[] = {
	{ "tasks", EAGAIN, "a limit of numtasks has no room for it, there or above" },
	{ "threads", EAGAIN, "a limit of numtasks has no room for it, there or above" },
	{ "tasks", ESRCH, "there is no such process, or it is exiting" },
	{ "threads", ESRCH, "there is no such thread, or it is exiting" },
	{ "tasks", EINVAL, "it is a kernel thread that cannot be moved" },
	{ "threads", EINVAL, "it is a kernel thread that cannot be moved" },
	{ "tasks", EACCES,
	  "not permitted: 'tasks' has to be writable there and in the group above both places, and the process one's own"
	},
	{ "threads", EACCES,
	  "not permitted: 'threads' has to be writable there, 'tasks' in the group above both places, and the thread one's own"
	},
	{ "tasks", ENOSPC, "none of its CPUs or memory nodes can be used now" },
	{ "threads", ENOSPC, "none of its CPUs or memory nodes can be used now" },
	{ "tasks", EBUSY, "a deadline task would not have all CPUs" },
	{ "threads", EBUSY, "a deadline task would not have all CPUs" },
	{ "cpus", EACCES, "not permitted, or not a part of what the group above has" },
	{ "mems", EACCES, "not permitted, or not a part of what the group above has" },
	{ "cpus", EBUSY, "a group below, or a deadline task, needs more than that" },
	{ "mems", EBUSY, "a group below needs more than that" },
	{ "cpus", EINVAL, "no list as '0-3,6', or a sibling has some of it exclusively" },
	{ "mems", EINVAL, "no list as '0-3,6', or a sibling has some of it exclusively" },
	{ "cpus", ENOSPC, "the group has tasks, and nothing of this can be used now" },
	{ "mems", ENOSPC, "the group has tasks, and nothing of this can be used now" },
	{ "cpus", ERANGE, "there are not so many" },
	{ "mems", ERANGE, "there are not so many" },
	{ "exclusive", EACCES, "not permitted, or the group above is not exclusive" },
	{ "exclusive", EBUSY, "a group below is exclusive" },
	{ "exclusive", EINVAL, "neither 0 nor 1, or a sibling has some of it" },
	{ "release_agent", EPERM, "that takes CAP_SYS_ADMIN" },
	{ "release_agent", EINVAL, "it has to be a path from the root" },
	{ "controllers", EPERM, "that takes CAP_SYS_ADMIN" },
	{ "controllers", EBUSY, "a hierarchy that would lose or gain one has groups" },
	{ "barrier", EINVAL, "no amount, or above the limit" },
	{ "limit", EINVAL, "no amount" },
	{ "", EACCES, "not permitted" },
	{ "", ENOENT, "it is gone" },
	{ "", EROFS, "configfs is mounted read-only here" },
};

const char *bc_why(const char *file, int err)
{
	size_t len = strlen(file), i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		size_t end = strlen(reasons[i].file);

		if (reasons[i].err == err && end <= len &&
		    !strcmp(file + len - end, reasons[i].file))
			return reasons[i].why;
	}
	return strerror(err);
}

int bc_group_write(struct bc_group *group, const char *file, const char *text)
{
	int err = bc_write_at(group->fd, file, text);

	if (err)
		return bc_fail(group->bc, -err, "cannot write '%s' to %s of %s: %s", text, file,
			       group->name, bc_why(file, -err));
	return 0;
}

int bc_counter_read(struct bc_group *group, const struct bc_controller *c,
		    unsigned int files, struct bc_counter *counter)
{
	struct bc_fetched *f = fetched(group);
	char path[NAME_MAX + 16], text[32];
	int i, err;

	if (f && f->counters[c - group->bc->controllers].seen) {
		*counter = f->counters[c - group->bc->controllers];
		counter->seen &= files;
		return 0;
	}
	memset(counter, 0, sizeof(*counter));
	for (i = 0; i < BC_NR_FILES; i++) {
		if (!(files & BC_BIT(i)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", c->name, bc_file_names[i]);
		err = bc_read_short(group->fd, path, text, sizeof(text));
		if (err == -ENOENT)
			return bc_fail(group->bc, ENOENT, "%s is gone", group->name);
		if (err)
			continue;
		counter->val[i] = bc_amount_value(text);
		if (counter->val[i] >= 0)
			counter->seen |= BC_BIT(i);
	}
	return 0;
}
