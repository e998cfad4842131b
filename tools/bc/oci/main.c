// SPDX-License-Identifier: GPL-2.0
/*
 * bc-oci-hook: a group of beancounters for a container, as its annotations say. A hook of
 * OCI runtimes (crun, runc); under another name, in place of a runtime. See bc-oci-hook(8).
 */
#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "oci.h"
#include "start.h"

enum {
	STATUS_USAGE = 2,
};

/* More is no state, and no config.json. */
#define MAX_STATE (1024 * 1024)
#define MAX_CONFIG (16 * MAX_STATE)

/**
 * struct how - what the hook's configuration says
 * @ms: how long to wait for the last processes
 * @places: below which org.beancounters.group may be, too
 * @nr_places: how many
 */
struct how {
	long ms;
	const char **places;
	size_t nr_places;
};

struct bc_options oci_options(void)
{
	/* For tests, and for who has them mounted elsewhere, as for bcctl. */
	return (struct bc_options) {
		.configfs = secure_getenv("BC_CONFIGFS"),
		.proc = secure_getenv("BC_PROC"),
	};
}

char *format(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int ret;

	va_start(ap, fmt);
	ret = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (ret < 0) {
		fputs("bc-oci-hook: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return s;
}

int fail(const char *fmt, ...)
{
	va_list ap;
	char *s, *p;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	/* What a container is called, and asks for, can have anything in it. */
	for (p = s; p && *p; p++) {
		if (iscntrl((unsigned char)*p))
			*p = '?';
	}
	fprintf(stderr, "bc-oci-hook: %s\n", s ?: "out of memory");
	/* Not all runtimes pass on what a hook says. */
	if (s && !oci_options().proc)
		syslog(LOG_DAEMON | LOG_ERR, "%s", s);
	free(s);
	return EXIT_FAILURE;
}

/* The whole file, and one byte more if it is longer than @max. NULL with errno. */
static char *read_all(FILE *f, size_t max, size_t *len)
{
	char *text, buf[4096];
	FILE *mem = open_memstream(&text, len);
	size_t n, sum = 0;

	while (mem && sum <= max && (n = fread(buf, 1, sizeof(buf), f))) {
		fwrite(buf, 1, n, mem);
		sum += n;
	}
	if (!mem || fclose(mem)) {
		errno = ENOMEM;
		return NULL;
	}
	if (ferror(f) || sum > max) {
		errno = ferror(f) ? EIO : EFBIG;
		free(text);
		return NULL;
	}
	return text;
}

static int read_state(struct oci_state *s)
{
	char *text, *wrong;
	size_t len;

	memset(s, 0, sizeof(*s));
	text = read_all(stdin, MAX_STATE, &len);
	if (!text)
		return fail("cannot read the state of the container: %s", strerror(errno));
	wrong = oci_parse_state(text, len, s);
	free(text);
	if (!wrong)
		return 0;
	fail("the state of the container, on standard input: %s", wrong);
	free(wrong);
	return EXIT_FAILURE;
}

/* Some runtimes leave annotations out of the state. */
static int read_config(struct oci_state *s)
{
	char *path, *text = NULL, *wrong;
	int status = 0;
	size_t len;
	FILE *f;

	if (s->annotated || !s->bundle)
		return 0;
	path = format("%s/config.json", s->bundle);
	f = fopen(path, "re");
	if (f)
		text = read_all(f, MAX_CONFIG, &len);
	if (!text) {
		status = fail("container %s: cannot read %s: %s", s->id, path, strerror(errno));
	} else {
		wrong = oci_parse_config(text, len, s);
		if (wrong)
			status = fail("container %s: %s: %s", s->id, path, wrong);
		free(wrong);
	}
	if (f)
		fclose(f);
	free(text);
	free(path);
	return status;
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int still_busy(struct bc_group *group, void *arg)
{
	(void)group;
	(void)arg;
	return -EBUSY;
}

/* Remove the group of a container that has ended. -errno with a line for bc_error(). */
static int remove_group(struct bc_group *group)
{
	int err = bc_remove_tree(group, still_busy, NULL);

	return err == -ENOENT ? 0 : err;
}

static int has_tasks(struct bc_group *group, int depth, void *arg)
{
	pid_t *ids;
	int n = bc_tasks(group, false, &ids);

	(void)depth;
	(void)arg;
	free(ids);
	return n;
}

/* Is there no such group any more? */
static bool sweep(const struct oci_record *rec, void *arg)
{
	struct bc *bc = arg;
	struct bc_group *group;
	int err;

	err = oci_record_open(bc, rec, &group);
	if (!err) {
		/* Groups that a container has made are to stay as long as it is there. */
		err = bc_group_walk(group, has_tasks, NULL) ?: remove_group(group);
		bc_group_close(group);
	}
	return !err || err == -ENOENT;
}

/*
 * runc calls nobody if it fails between createRuntime and the container's program. So whoever
 * comes next removes what that has left: a group without a process that is older than any
 * hook takes. The others are none of our business, nor is what goes wrong with them.
 */
#define OLD_SECONDS 60

static void sweep_old(struct bc *bc)
{
	oci_record_sweep(OLD_SECONDS, sweep, bc);
}

/* Where groups of containers are, if nobody says otherwise. */
#define OUR_PLACE "/containers"

static bool is_below(const char *path, const char *place)
{
	size_t len = strlen(place);

	/* All is below the root, which ends with a slash. */
	if (!place[1])
		return true;
	return !strncmp(path, place, len) && path[len] == '/';
}

/*
 * Who writes annotations may be anybody who may start containers, and who calls the hook is
 * root: so the group that they ask for is one below OUR_PLACE, where there is nobody else's,
 * or below what the hook's arguments allow. In any hierarchy. 0 or EXIT_FAILURE.
 */
static int check_place(struct bc *bc, const struct oci_state *s, const struct how *how,
		       const char *path)
{
	const struct bc_hierarchy *h;
	bool found = is_below(path, OUR_PLACE);
	char *place;
	size_t i;

	for (i = 0; i < how->nr_places && !found; i++) {
		if (bc_parse_group(bc, how->places[i], &h, &place))
			return fail("container %s: --below: %s", s->id, bc_error(bc));
		found = is_below(path, place);
		free(place);
	}
	if (found)
		return 0;
	return fail("container %s: " OCI_PREFIX "group: '%s' is not below " OUR_PLACE "%s", s->id,
		    s->group, how->nr_places ? " or what --below allows" :
		    ": the hook's --below allows other places");
}

/**
 * struct claim - a group that a container is to be in
 * @bc: the handle
 * @name: of the group
 * @caller: the group of who calls, without a slash at the end
 * @taken: it is the group of another container, or in there
 * @same: it is that group
 */
struct claim {
	struct bc *bc;
	const char *name, *caller;
	bool taken, same;
};

/* Is it this group, or below it? Both are as bc_group_open() takes them. */
static bool is_inside(const char *name, const char *group)
{
	size_t len = strlen(group);

	return !strncmp(name, group, len) && (!name[len] || name[len] == '/');
}

static void find_owner(const struct oci_record *rec, void *arg)
{
	struct claim *claim = arg;
	struct bc_group *group;

	/* In the container in which the caller is, there is all that the caller makes. */
	if (!is_inside(claim->name, rec->group) ||
	    is_inside(claim->caller, rec->group))
		return;
	/* Of a container that is gone, there may be a record still. */
	if (oci_record_open(claim->bc, rec, &group) == -ENOENT)
		return;
	bc_group_close(group);
	claim->taken = true;
	claim->same |= !strcmp(claim->name, rec->group);
}

/*
 * The group of a container, and all below it, is that container's: who knows its id is not to
 * be charged there, nor to keep its group from being removed. The records, whose lock is held,
 * say whose is which. 0 or EXIT_FAILURE.
 */
static int check_owner(struct bc *bc, const struct oci_state *s, const char *name,
		       const char *caller)
{
	struct claim claim = { .bc = bc, .name = name, .caller = caller };

	oci_record_each(find_owner, &claim);
	if (!claim.taken)
		return 0;
	return fail("container %s: %s is %sthe group of another container; " OCI_PREFIX
		    "group has to be elsewhere", s->id, name, claim.same ? "" : "in ");
}

/*
 * The group that a container is to be in: a path from the group of who calls, so that a
 * container in a container is in the limits of both, and one that a user starts in those of
 * the user. *@in_ours: it is below OUR_PLACE. 0 or EXIT_FAILURE.
 */
static int find_name(struct bc *bc, const struct oci_state *s, const struct how *how,
		     const struct bc_hierarchy **h, char **name, bool *in_ours)
{
	char *id, *spec, *path, *caller;
	int err;

	err = bc_escape_name(bc, s->id, &id);
	if (err)
		return fail("container %s: %s", s->id, bc_error(bc));
	spec = s->group ? format("%s", s->group) : format(OUR_PLACE "/%s", id);
	free(id);
	err = bc_parse_group(bc, spec, h, &path);
	free(spec);
	if (err)
		return fail("container %s: " OCI_PREFIX "group: %s", s->id, bc_error(bc));
	if (!path[1]) {
		free(path);
		return fail("container %s: " OCI_PREFIX "group: '%s' is where everybody is",
			    s->id, s->group);
	}
	/* In a record, what follows would not be of its name. */
	if (strchr(path, '\n')) {
		free(path);
		return fail("container %s: " OCI_PREFIX "group: '%s' has a newline in it", s->id,
			    s->group);
	}
	if (check_place(bc, s, how, path)) {
		free(path);
		return EXIT_FAILURE;
	}
	*in_ours = is_below(path, OUR_PLACE);
	err = bc_task_group(bc, 0, *h, &caller);
	if (err) {
		free(path);
		return fail("container %s: %s", s->id, bc_error(bc));
	}
	/* That of a root ends with a slash. */
	if (caller[strlen(caller) - 1] == '/')
		caller[strlen(caller) - 1] = '\0';
	*name = format("%s%s", caller, path);
	err = check_owner(bc, s, *name, caller);
	if (err) {
		free(*name);
		*name = NULL;
	}
	free(caller);
	free(path);
	return err;
}

static bool is_in(struct bc *bc, pid_t pid, struct bc_group *group)
{
	bool same;
	char *spec;

	if (bc_task_group(bc, pid, bc_group_hierarchy(group), &spec))
		return false;
	same = !strcmp(spec, bc_group_name(group));
	free(spec);
	return same;
}

/*
 * There may be a group from the time before, if nobody has come to remove it. 0: there is none
 * any more; 1: this is the second stage for which we are called, and all is done.
 */
static int clear_old(struct bc *bc, const struct oci_state *s)
{
	struct bc_group *group;
	struct oci_record rec;
	int err, ret;

	err = oci_record_read(s->id, &rec);
	if (!err)
		return 0;
	if (err < 0) {
		fail("container %s: cannot tell its old group: %s", s->id, strerror(-err));
		return -1;
	}
	err = oci_record_open(bc, &rec, &group);
	if (!err && is_in(bc, s->pid, group)) {
		ret = 1;
	} else {
		ret = err ?: remove_group(group);
		if (ret == -EBUSY)
			fail("container %s: there is one of this name already, of %s: %s", s->id,
			     rec.bundle, bc_error(bc));
		else if (ret && ret != -ENOENT)
			fail("container %s: %s", s->id, bc_error(bc));
		ret = ret && ret != -ENOENT ? -1 : 0;
	}
	if (!err)
		bc_group_close(group);
	if (!ret)
		oci_record_drop(s->id);
	oci_record_free(&rec);
	return ret;
}

/*
 * Annotations are for resources. The files of a group itself, as notify_on_release, are not
 * limits, and a container is not to say what happens with its group. bc_set() knows them.
 */
static const char *not_for_containers(struct bc *bc, const struct oci_state *s,
				      struct bc_group *group)
{
	size_t i;

	for (i = 0; i < s->settings.n; i++) {
		const char *name = s->settings.list[i].name;

		/* With a dot or a slash it is none; bc_set() says what it is. */
		if (!strpbrk(name, "./") && !bc_find_controller(bc, name) &&
		    !faccessat(bc_group_fd(group), name, F_OK, 0))
			return name;
	}
	return NULL;
}

/* Limits first, so that the process is never without. -errno with a line for bc_error(). */
static int fill(struct bc *bc, const struct oci_state *s, struct bc_group *group)
{
	struct bc_settings all;
	int err;

	err = bc_expand_profile(bc, bc_group_hierarchy(group), secure_getenv("BC_PROFILES"),
				&s->settings, &all, NULL, NULL);
	err = err ?: bc_set(group, all.list, all.n);
	bc_settings_free(&all);
	return err ?: bc_move(group, s->pid, false);
}

static int save(const struct oci_state *s, struct oci_record *rec, struct bc_group *group)
{
	char *where;
	int err;

	if (group && bc_group_id(group, &rec->id))
		return fail("container %s: %s", s->id, bc_error(bc_group_bc(group)));
	err = oci_record_write(s->id, rec, &where);
	if (err)
		fail("container %s: cannot note its group in %s: %s", s->id, where ?: "?",
		     strerror(-err));
	free(where);
	return err ? EXIT_FAILURE : 0;
}

/*
 * A group of that name without a record is not ours. But below OUR_PLACE, one that nobody uses
 * is removed: "bcctl restore" has made it from what was noted while a container ran, and its
 * limits are not to be this one's. 0 if there is none any more, or EXIT_FAILURE.
 */
static int clear_name(struct bc *bc, const struct oci_state *s, const char *name, bool in_ours)
{
	struct bc_group *group;
	int err;

	err = bc_group_open(bc, name, &group);
	if (!err && !in_ours) {
		bc_group_close(group);
		return fail("container %s: there is a group %s already, made by somebody else",
			    s->id, name);
	}
	if (!err) {
		err = bc_remove(group);
		bc_group_close(group);
	}
	if (!err || err == -ENOENT)
		return 0;
	if (err == -EBUSY || err == -ENOTEMPTY)
		return fail("container %s: there is a group %s already, made by somebody else: %s",
			    s->id, name, bc_error(bc));
	return fail("container %s: %s", s->id, bc_error(bc));
}

static int make(struct bc *bc, const struct oci_state *s, const char *name, bool in_ours)
{
	struct oci_record rec = {
		.group = (char *)name, .bundle = s->bundle ?: "?",
	};
	struct bc_group *group;
	const char *wrong;
	int made, err;

	if (clear_name(bc, s, name, in_ours))
		return EXIT_FAILURE;
	/* Before there is one, so that it is found if we are killed. */
	if (save(s, &rec, NULL))
		return EXIT_FAILURE;
	made = bc_create(bc, name, true, &group);
	/* Another container's hook may have taken back what is above. */
	if (made == -ENOENT)
		made = bc_create(bc, name, true, &group);
	if (made < 0) {
		fail("container %s: %s", s->id, bc_error(bc));
		oci_record_drop(s->id);
		return EXIT_FAILURE;
	}
	err = save(s, &rec, group);
	wrong = not_for_containers(bc, s, group);
	if (!err && wrong)
		err = fail("container %s: '%s' is no resource", s->id, wrong);
	else if (!err && fill(bc, s, group))
		err = fail("container %s: %s", s->id, bc_error(bc));
	if (err) {
		bc_uncreate(group, made);
		oci_record_drop(s->id);
	}
	bc_group_close(group);
	return err;
}

static int enter(struct oci_state *s, const struct how *how)
{
	struct bc_options opt = oci_options();
	const struct bc_hierarchy *h;
	char *name = NULL;
	struct bc *bc;
	int status, old, lock;
	bool in_ours = false;

	if (read_config(s))
		return EXIT_FAILURE;
	if (!oci_wants_group(s))
		return EXIT_SUCCESS;
	if (!s->pid)
		return fail("container %s: its state has no 'pid'", s->id);
	if (bc_open(&bc, &opt)) {
		status = fail("container %s: %s", s->id, bc_error(bc));
		bc_close(bc);
		return status;
	}
	/* If there can be no records, the first one says so. */
	lock = oci_record_lock();
	sweep_old(bc);
	old = clear_old(bc, s);
	status = old < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	if (!old)
		status = find_name(bc, s, how, &h, &name, &in_ours);
	if (name)
		status = make(bc, s, name, in_ours);
	if (lock >= 0)
		close(lock);
	free(name);
	bc_close(bc);
	return status;
}

/*
 * With the records' lock held: remove the group, and then the record, if they still are those of
 * @first. The runtime calls poststop when the name is free again, so the next container may have
 * it by now. Groups are removed by name, but without the lock no hook makes one. -errno with a
 * line for bc_error().
 */
static int try_leave(struct bc *bc, const char *container, const struct oci_record *first)
{
	struct bc_group *group;
	struct oci_record rec;
	int err;

	if (oci_record_read(container, &rec) <= 0)
		return 0;
	err = 0;
	if (rec.id == first->id && !strcmp(rec.group, first->group)) {
		err = oci_record_open(bc, &rec, &group);
		if (!err) {
			err = remove_group(group);
			bc_group_close(group);
		} else if (err == -ENOENT) {
			err = 0;
		}
		if (!err)
			oci_record_drop(container);
	}
	oci_record_free(&rec);
	return err;
}

static int leave(struct oci_state *s, long ms)
{
	struct bc_options opt = oci_options();
	long end = now_ms() + ms;
	struct oci_record rec;
	struct bc *bc;
	int err, lock, status = EXIT_SUCCESS;

	err = oci_record_read(s->id, &rec);
	/* It has no group of ours, or that is gone already. */
	if (!err)
		return EXIT_SUCCESS;
	if (err < 0)
		return fail("container %s: cannot tell its group: %s", s->id, strerror(-err));
	err = bc_open(&bc, &opt);
	while (!err) {
		lock = oci_record_lock();
		err = try_leave(bc, s->id, &rec);
		if (lock >= 0)
			close(lock);
		/* Nobody is to wait for the last process but us. */
		if (err != -EBUSY || now_ms() >= end)
			break;
		usleep(10000);
		err = 0;
	}
	if (err == -EBUSY)
		status = fail("container %s: %s after %g s; 'bcctl delete -r -k' ends them", s->id,
			      bc_error(bc), ms / 1000.0);
	else if (err)
		status = fail("container %s: %s", s->id, bc_error(bc));
	oci_record_free(&rec);
	bc_close(bc);
	return status;
}

static const char help[] =
	"usage: bc-oci-hook [-t SEC] [-b PATH]... [createRuntime | prestart | poststop] < STATE\n"
	"Make a group of beancounters for a container, or remove it, as a hook of an OCI\n"
	"runtime. Without a stage, the state says which.\n"
	"  -t, --timeout SEC   how long to wait for the last processes at poststop, 5\n"
	"  -b, --below PATH    org.beancounters.group may be a group below this, too, not only\n"
	"                      below /containers; '/' is everywhere\n"
	"Under another name, as crun or bc-crun, it is put in place of that runtime.\n"
	"bc-oci-hook(8) tells more.\n";

static int usage(const char *what)
{
	fprintf(stderr, "bc-oci-hook: '%s': see bc-oci-hook --help\n", what);
	return STATUS_USAGE;
}

static bool is_stage(const char *name)
{
	return !strcmp(name, "createRuntime") || !strcmp(name, "prestart") ||
		!strcmp(name, "poststop");
}

static int hook(const char *stage, const struct how *how)
{
	struct oci_state s;
	int status;

	status = read_state(&s);
	if (!status && !stage)
		stage = s.status && !strcmp(s.status, "stopped") ? "poststop" : "createRuntime";
	if (!status && !strcmp(stage, "poststop"))
		status = leave(&s, how->ms);
	else if (!status)
		status = enter(&s, how);
	oci_state_free(&s);
	return status;
}

/* The options. EXIT_SUCCESS, or how it ends; with *@done, also if that is success. */
static int read_options(int argc, char **argv, struct how *how, bool *done)
{
	static const struct option longs[] = {
		{ "below", required_argument, NULL, 'b' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ }
	};
	double seconds = 5;
	char *end;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "b:t:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'b':
			if (optarg[0] != '/')
				return usage(optarg);
			how->places[how->nr_places++] = optarg;
			break;
		case 't':
			seconds = strtod(optarg, &end);
			if (*end || !isdigit((unsigned char)optarg[0]) || seconds > 3600)
				return usage(optarg);
			break;
		case 'h':
			fputs(help, stdout);
			*done = true;
			return EXIT_SUCCESS;
		case 'V':
			puts("bc-oci-hook " VERSION);
			*done = true;
			return EXIT_SUCCESS;
		default:
			return usage(argv[optind - 1]);
		}
	}
	if (argc - optind > 1)
		return usage(argv[optind + 1]);
	if (optind < argc && !is_stage(argv[optind]))
		return usage(argv[optind]);
	how->ms = seconds * 1000;
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const char *name = argc ? strrchr(argv[0], '/') : NULL;
	struct how how = { };
	bool done = false;
	int status;

	/* The runtime that this becomes finds closed what was closed. */
	if (bc_fill_standard(O_CLOEXEC))
		_exit(EXIT_FAILURE);
	openlog("bc-oci-hook", LOG_PID, LOG_DAEMON);
	name = name ? name + 1 : argc ? argv[0] : "";
	/* A hook is called as its configuration has it. */
	if (strncmp(name, "bc-oci-hook", 11) && !(argc == 2 && is_stage(argv[1])))
		return oci_runtime(name, argc, argv);
	how.places = calloc(argc + 1, sizeof(*how.places));
	if (!how.places)
		return fail("out of memory");
	status = read_options(argc, argv, &how, &done);
	if (!status && !done)
		status = hook(optind < argc ? argv[optind] : NULL, &how);
	free(how.places);
	return status;
}
