// SPDX-License-Identifier: GPL-2.0
/*
 * Which group was made for which container: a file for each, in a directory that is gone
 * after a boot, as groups are. It says whose a group is: who finds one of that name without
 * a file has not made it, and leaves it alone. And whoever removes a container may be in
 * another group than who has made it, so that the path alone would not do.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "oci.h"

/* Who we are outside of a user namespace, as podman without root has one. */
static unsigned int outer_uid(void)
{
	unsigned int inside, outside;
	FILE *f = fopen("/proc/self/uid_map", "re");
	int n = 0;

	if (f) {
		n = fscanf(f, "%u %u", &inside, &outside);
		fclose(f);
	}
	return n == 2 ? geteuid() - inside + outside : geteuid();
}

/* An empty one, which no file has, if there is none for it. */
static char *file_name(const char *container)
{
	char *name;

	return bc_escape_name(NULL, container, &name) ? format("%s", "") : name;
}

/* Open the directory. A descriptor, or -errno; *@where is what it is, to be freed. */
static int open_dir(bool make, char **where)
{
	const char *state = secure_getenv("BC_STATE");
	int i, fd = -1, err = 0;

	*where = NULL;
	/* For root; then for others, who can write to nothing else. */
	for (i = 0; i < (state ? 1 : 2) && fd < 0; i++) {
		free(*where);
		if (i)
			*where = format("/run/user/%u/bc-oci", outer_uid());
		else
			*where = format("%s/bc-oci", state ?: "/run");
		if (make && mkdirat(AT_FDCWD, *where, 0700) && errno != EEXIST) {
			err = -errno;
			continue;
		}
		fd = open(*where, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && faccessat(fd, ".", make ? W_OK | X_OK : X_OK, AT_EACCESS)) {
			err = -errno;
			close(fd);
			fd = -1;
		} else if (fd < 0) {
			err = -errno;
		}
	}
	return fd < 0 ? err : fd;
}

int oci_record_lock(void)
{
	char *where;
	int fd = open_dir(true, &where), err;

	free(where);
	if (fd < 0)
		return fd;
	/* If the one that has it is killed, it is ours. */
	while (flock(fd, LOCK_EX)) {
		err = -errno;
		if (err != -EINTR) {
			close(fd);
			return err;
		}
	}
	return fd;
}

static int parse(FILE *f, struct oci_record *rec)
{
	size_t room = 0;

	if (fscanf(f, "%llu", &rec->id) != 1 || fgetc(f) != '\n')
		return -EBADMSG;
	if (getdelim(&rec->group, &room, '\n', f) <= 1)
		return -EBADMSG;
	rec->group[strcspn(rec->group, "\n")] = '\0';
	room = 0;
	/* The rest, with newlines, if it has any. */
	if (getdelim(&rec->bundle, &room, '\0', f) < 0) {
		free(rec->bundle);
		rec->bundle = format("?");
	}
	return 0;
}

static int read_file(int dir, const char *name, struct oci_record *rec)
{
	int fd, err;
	FILE *f;

	memset(rec, 0, sizeof(*rec));
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	err = parse(f, rec);
	fclose(f);
	if (err)
		oci_record_free(rec);
	return err ?: 1;
}

int oci_record_read(const char *container, struct oci_record *rec)
{
	char *name, *where;
	int dir, ret;

	memset(rec, 0, sizeof(*rec));
	dir = open_dir(false, &where);
	free(where);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	name = file_name(container);
	ret = read_file(dir, name, rec);
	free(name);
	close(dir);
	return ret;
}

/* NULL if there are none, or none that can be read. */
static DIR *open_records(void)
{
	char *where;
	DIR *dir;
	int fd;

	fd = open_dir(false, &where);
	free(where);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

void oci_record_sweep(int seconds, bool (*fn)(const struct oci_record *rec, void *arg),
		      void *arg)
{
	DIR *dir = open_records();
	int fd = dir ? dirfd(dir) : -1;
	struct oci_record rec;
	struct dirent *d;
	struct stat st;

	while (dir && (d = readdir(dir))) {
		if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) ||
		    st.st_mtime > time(NULL) - seconds)
			continue;
		/* Of who was killed before it had its name. */
		if (d->d_name[0] == '.')
			unlinkat(fd, d->d_name, 0);
		if (d->d_name[0] == '.' || read_file(fd, d->d_name, &rec) <= 0)
			continue;
		if (fn(&rec, arg))
			unlinkat(fd, d->d_name, 0);
		oci_record_free(&rec);
	}
	if (dir)
		closedir(dir);
}

void oci_record_each(void (*fn)(const struct oci_record *rec, void *arg), void *arg)
{
	DIR *dir = open_records();
	struct oci_record rec;
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || read_file(dirfd(dir), d->d_name, &rec) <= 0)
			continue;
		fn(&rec, arg);
		oci_record_free(&rec);
	}
	if (dir)
		closedir(dir);
}

int oci_record_write(const char *container, const struct oci_record *rec, char **where)
{
	char *name, *temp;
	int dir, fd, err = 0;
	FILE *f = NULL;

	dir = open_dir(true, where);
	if (dir < 0)
		return dir;
	name = file_name(container);
	/* No name begins with a dot. */
	temp = format(".%s", name);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (!f) {
		err = -errno;
		if (fd >= 0)
			close(fd);
	} else {
		fprintf(f, "%llu\n%s\n%s", rec->id, rec->group, rec->bundle);
		if (ferror(f))
			err = -EIO;
		if (fclose(f) && !err)
			err = -errno;
		if (!err && renameat(dir, temp, dir, name))
			err = -errno;
		if (err)
			unlinkat(dir, temp, 0);
	}
	free(name);
	free(temp);
	close(dir);
	return err;
}

void oci_record_drop(const char *container)
{
	char *where, *name;
	int dir = open_dir(false, &where);

	free(where);
	if (dir < 0)
		return;
	name = file_name(container);
	unlinkat(dir, name, 0);
	free(name);
	close(dir);
}

void oci_record_free(struct oci_record *rec)
{
	free(rec->group);
	free(rec->bundle);
	memset(rec, 0, sizeof(*rec));
}

int oci_record_open(struct bc *bc, const struct oci_record *rec, struct bc_group **group)
{
	unsigned long long id;
	int err = bc_group_open(bc, rec->group, group);

	if (err)
		return err;
	err = bc_group_id(*group, &id);
	if (!err && rec->id && id != rec->id)
		err = -ENOENT;
	if (err) {
		bc_group_close(*group);
		*group = NULL;
	}
	return err;
}
