// SPDX-License-Identifier: GPL-2.0
/*
 * In place of a runtime: what "exec" runs in a container is a child of the runtime, and so
 * starts in the runtime's group, and no hook is called for it. So this joins the container's
 * group before it becomes the runtime. All other commands are the runtime's alone.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "oci.h"

/* Options of crun, runc (also the later ones) and youki; a letter is a short one. */
static const char * const global_values[] = {
	"root", "r", "log", "l", "log-format", "log-level", "criu", "rootless",
	"cgroup-manager", NULL
};

static const char * const global_flags[] = {
	"debug", "systemd-cgroup", "help", "h", "?", "usage", "version", "v", "V", NULL
};

static const char * const exec_values[] = {
	"console-socket", "cwd", "env", "e", "user", "u", "additional-gids", "g", "process",
	"p", "pid-file", "pidfd-socket", "process-label", "apparmor", "cap", "c", "preserve-fds",
	"cgroup", NULL
};

static const char * const exec_flags[] = {
	"tty", "t", "detach", "d", "no-new-privs", "ignore-paused", "help", "h", "?", "usage", NULL
};

static bool is_in(const char * const *list, const char *name, size_t len)
{
	for (; *list; list++) {
		if (strlen(*list) == len && !memcmp(*list, name, len))
			return true;
	}
	return false;
}

/* How many arguments an option is, with its value, 1 or 2; 0 if it is not known. */
static int option_args(const char *arg, const char * const *values, const char * const *flags)
{
	const char *name = arg + 1 + (arg[1] == '-');
	size_t len = strcspn(name, "="), i;

	/* With its value in it, or without: it is one. Go takes one dash for two. */
	if (name[len] == '=')
		return 1;
	if (is_in(values, name, len))
		return 2;
	if (is_in(flags, name, len))
		return 1;
	if (arg[1] == '-')
		return 0;
	for (i = 0; name[i]; i++) {
		if (is_in(values, name + i, 1))
			return name[i + 1] ? 1 : 2;
		if (!is_in(flags, name + i, 1))
			return 0;
	}
	return 1;
}

/* The first argument from the ith on that is no option; @argc if there is none. */
static int skip_options(int argc, char **argv, int i, const char * const *values,
			const char * const *flags, const char **wrong)
{
	while (i < argc && argv[i][0] == '-' && argv[i][1]) {
		int n;

		if (!strcmp(argv[i], "--"))
			return i + 1 < argc ? i + 1 : argc;
		n = option_args(argv[i], values, flags);
		if (!n) {
			*wrong = argv[i];
			return argc;
		}
		i += n;
	}
	return i < argc ? i : argc;
}

const char *oci_exec_container(int argc, char **argv, const char **wrong)
{
	int i, k;

	*wrong = NULL;
	i = skip_options(argc, argv, 1, global_values, global_flags, wrong);
	if (*wrong) {
		/* Not known, but of no interest, unless there may be an "exec". */
		for (k = 1; k < argc && strcmp(argv[k], "exec"); k++)
			;
		if (k == argc)
			*wrong = NULL;
		return NULL;
	}
	if (i == argc || strcmp(argv[i], "exec"))
		return NULL;
	i = skip_options(argc, argv, i + 1, exec_values, exec_flags, wrong);
	return i < argc ? argv[i] : NULL;
}

/* The program of that name which is not this one; to be freed. NULL if there is none. */
static char *find_program(const char *name)
{
	const char *dirs = secure_getenv("BC_RUNTIMES") ?:
		"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	struct stat self, st;
	bool known = !stat("/proc/self/exe", &self);

	while (*dirs) {
		size_t len = strcspn(dirs, ":");
		char *path = format("%.*s/%s", (int)len, dirs, name);

		if (!access(path, X_OK) && !stat(path, &st) && S_ISREG(st.st_mode) &&
		    !(known && st.st_dev == self.st_dev && st.st_ino == self.st_ino))
			return path;
		free(path);
		dirs += len;
		dirs += *dirs == ':';
	}
	return NULL;
}

/* 0 if the real one may go on. */
static int join(const char *container)
{
	struct bc_options opt = oci_options();
	struct bc_group *group;
	struct oci_record rec;
	struct bc *bc = NULL;
	int err;

	err = oci_record_read(container, &rec);
	if (err < 0)
		return fail("container %s: cannot tell its group: %s", container, strerror(-err));
	/* It has none of its own. */
	if (!err)
		return 0;
	err = bc_open(&bc, &opt) ?: oci_record_open(bc, &rec, &group);
	if (!err) {
		err = bc_move(group, 0, false);
		bc_group_close(group);
	} else if (err == -ENOENT) {
		/* No process was left in it: there is no such container any more. */
		err = 0;
	}
	if (err)
		fail("container %s: %s", container, bc_error(bc));
	oci_record_free(&rec);
	bc_close(bc);
	return err;
}

int oci_runtime(const char *name, int argc, char **argv)
{
	const char *container, *wrong;
	char *path;

	if (!strcmp(name, "bc-oci-runtime")) {
		path = find_program("crun") ?: find_program("runc");
		name = "crun or runc";
	} else {
		name += strncmp(name, "bc-", 3) ? 0 : 3;
		path = find_program(name);
	}
	if (!path)
		return fail("there is no %s in the directories of programs", name);
	container = oci_exec_container(argc, argv, &wrong);
	if (wrong) {
		free(path);
		return fail("cannot tell which container it is: option '%s' is not known here",
			    wrong);
	}
	if (container && join(container)) {
		free(path);
		return EXIT_FAILURE;
	}
	execv(path, argv);
	fail("cannot run %s: %s", path, strerror(errno));
	free(path);
	return EXIT_FAILURE;
}
