// SPDX-License-Identifier: GPL-2.0
/* Errors, options, text and JSON. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <unistd.h>

#include "bcctl.h"

static void say(const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "bcctl %s: ", command->name);
	vfprintf(stderr, fmt, ap);
}

int fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return STATUS_FAILED;
}

int fail_bc(struct bc *bc, const char *hint)
{
	return fail("%s%s%s", bc_error(bc), hint ? "; " : "", hint ?: "");
}

int usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fprintf(stderr, ": see bcctl %s --help\n", command->name);
	return STATUS_USAGE;
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void out_of_memory(void)
{
	fail("out of memory");
	exit(STATUS_FAILED);
}

void *alloc(size_t n, size_t size)
{
	void *p = calloc(n ?: 1, size);

	if (!p)
		out_of_memory();
	return p;
}

char *format(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int ret;

	va_start(ap, fmt);
	ret = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (ret < 0)
		out_of_memory();
	return s;
}

void print_help(void)
{
	printf("usage: bcctl %s %s\n%s.\n", command->name, command->args, command->summary);
	if (command->help[0])
		printf("\n%s", command->help);
}

int next_option(int argc, char **argv, const char *shorts, const struct option *longs)
{
	char text[32];
	int c;

	opterr = 0;
	snprintf(text, sizeof(text), "+:h%s", shorts);
	c = getopt_long(argc, argv, text, longs, NULL);
	switch (c) {
	case 'h':
		print_help();
		exit(fflush(stdout) ? STATUS_FAILED : STATUS_OK);
	case ':':
		exit(usage("option '%s' needs an argument", argv[optind - 1]));
	case '?':
		if (optopt)
			exit(usage("there is no option '-%c'", optopt));
		exit(usage("there is no option '%s'", argv[optind - 1]));
	}
	return c;
}

double seconds_arg(const char *option, const char *arg)
{
	double val;
	char *end;

	val = strtod(arg, &end);
	if (!(isdigit((unsigned char)arg[0]) || arg[0] == '.') || end == arg || *end ||
	    !(val >= 0 && val <= INT_MAX / 1000))
		exit(usage("%s: '%s' is no number of seconds", option, arg));
	return val;
}

unsigned long count_arg(const char *option, const char *arg)
{
	unsigned long val;
	char *end;

	errno = 0;
	val = strtoul(arg, &end, 10);
	if (!isdigit((unsigned char)arg[0]) || *end || errno || !val)
		exit(usage("%s: '%s' is no number above 0", option, arg));
	return val;
}

void check_pids(char **args, int n, bool threads)
{
	char *end;
	long pid;
	int i;

	for (i = 0; i < n; i++) {
		errno = 0;
		pid = strtol(args[i], &end, 10);
		if (!isdigit((unsigned char)args[i][0]) || *end || errno || pid <= 0 ||
		    pid > INT_MAX)
			exit(usage("'%s' is no id of a %s", args[i],
				   threads ? "thread" : "process"));
	}
}

struct bc *open_bc(void)
{
	/* For tests, and for who has them mounted elsewhere. */
	struct bc_options opt = {
		.configfs = secure_getenv("BC_CONFIGFS"),
		.proc = secure_getenv("BC_PROC"),
	};
	struct bc *bc;

	if (bc_open(&bc, &opt)) {
		fail_bc(bc, NULL);
		bc_close(bc);
		exit(STATUS_FAILED);
	}
	return bc;
}

const char *profile_dir(void)
{
	return secure_getenv("BC_PROFILES") ?: BC_PROFILE_DIR;
}

void add_setting(struct bc_settings *s, const char *name, const char *value)
{
	if (bc_settings_add(s, name, value))
		out_of_memory();
}

static void note_left_out(const char *name, const char *why, void *arg)
{
	(void)arg;
	note("left out %s: %s", name, why);
}

int set_all(struct bc_group *group, const struct bc_settings *s)
{
	struct bc_settings all;
	int err;

	err = bc_expand_profile(bc_group_bc(group), bc_group_hierarchy(group), profile_dir(), s,
				&all, note_left_out, NULL);
	if (!err)
		err = bc_set(group, all.list, all.n);
	bc_settings_free(&all);
	return err;
}

int parse_settings(char **argv, int n, struct bc_settings *s)
{
	int i, err;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < n; i++) {
		err = bc_settings_parse(s, argv[i]);
		if (err == -ENOMEM)
			out_of_memory();
		if (err) {
			bc_settings_free(s);
			return usage("'%s' is no RESOURCE=VALUE", argv[i]);
		}
	}
	return STATUS_OK;
}

static bool parse_id(const char *text, unsigned int *id)
{
	unsigned long val;
	char *end;

	errno = 0;
	val = strtoul(text, &end, 10);
	*id = val;
	/* The last one is no id. */
	return isdigit((unsigned char)text[0]) && !*end && !errno && val < UINT_MAX;
}

bool find_user(const char *name, uid_t *uid, gid_t *gid)
{
	struct passwd *pw;

	*gid = -1;
	if (parse_id(name, uid))
		return true;
	pw = getpwnam(name);
	if (pw) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
	}
	return pw;
}

bool find_group(const char *name, gid_t *gid)
{
	struct group *gr;

	if (parse_id(name, gid))
		return true;
	gr = getgrnam(name);
	if (gr)
		*gid = gr->gr_gid;
	return gr;
}

int parse_owner(const char *text, uid_t *uid, gid_t *gid)
{
	const char *colon = strchr(text, ':');
	char *user = format("%.*s", colon ? (int)(colon - text) : INT_MAX, text);
	bool found = find_user(user, uid, gid) && (!colon || find_group(colon + 1, gid));

	free(user);
	return found ? 0 : -ENOENT;
}

static int each_below(struct bc *bc, struct bc_group *group, bool below,
		      int (*fn)(struct bc_group *group, int depth, void *arg), void *arg)
{
	int ret;

	/* All in one go; or, where that cannot be, one file after the other. */
	bc_fetch(group, below);
	ret = below ? bc_group_walk(group, fn, arg) : fn(group, 0, arg);
	bc_group_close(group);
	/* What @fn has to say, it has said; what libbc has, not yet. */
	return ret < 0 ? fail_bc(bc, NULL) : ret;
}

int each_group(struct bc *bc, char **names, int n, bool below,
	       int (*fn)(struct bc_group *group, int depth, void *arg), void *arg)
{
	const struct bc_hierarchy *h;
	struct bc_group *group;
	int i, ret, status = STATUS_OK;
	size_t nr, k;

	for (i = 0; i < n; i++) {
		if (bc_group_open(bc, names[i], &group))
			ret = fail_bc(bc, NULL);
		else
			ret = each_below(bc, group, below, fn, arg);
		status = ret ?: status;
	}
	if (n)
		return status;
	h = bc_hierarchies(bc, &nr);
	for (k = 0; k < nr; k++) {
		if (bc_group_root(bc, &h[k], &group))
			ret = fail_bc(bc, NULL);
		else
			ret = each_below(bc, group, true, fn, arg);
		status = ret ?: status;
	}
	return status;
}

long long bound_of(const struct bc_controller *c, const struct bc_counter *counter)
{
	long long bound = BC_MAX;

	if (counter->seen & BC_BIT(BC_LIMIT))
		bound = counter->val[BC_LIMIT];
	if (c->barrier && counter->seen & BC_BIT(BC_BARRIER) &&
	    counter->val[BC_BARRIER] < bound)
		bound = counter->val[BC_BARRIER];
	return bound;
}

double percent_of(const struct bc_controller *c, const struct bc_counter *counter)
{
	long long bound = bound_of(c, counter), held = counter->val[BC_HELD];

	if (bound == BC_MAX || !held)
		return 0;
	/* With a limit of 0, all that is held is too much. */
	return bound ? 100.0 * held / bound : 999;
}

int utf8_len(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	int len, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	/* Too long, surrogates, above U+10FFFF. */
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	/* A NUL is out of range, so that this does not go beyond the end. */
	for (i = 1; i < len; i++) {
		if (s[i] < low || s[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

/* Whether to write it in octal, as in mountinfo. */
static bool is_special(const unsigned char *s, int len, bool word)
{
	return !len || *s < ' ' || *s == 0x7f || *s == '\\' || (word && *s == ' ') ||
	       (*s == 0xc2 && s[1] < 0xa0);
}

void put_name(FILE *f, const char *name, bool word)
{
	const unsigned char *s = (const unsigned char *)name;

	while (*s) {
		int len = utf8_len(s);

		if (is_special(s, len, word)) {
			fprintf(f, "\\%03o", *s++);
			continue;
		}
		fwrite(s, 1, len, f);
		s += len;
	}
}

int width_of(const char *name)
{
	const unsigned char *s = (const unsigned char *)name;
	int width = 0;

	while (*s) {
		int len = utf8_len(s);

		if (is_special(s, len, false)) {
			width += 4;
			s++;
		} else {
			width++;
			s += len;
		}
	}
	return width;
}

void put_quoted(FILE *f, const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || (s[n] && strchr("_-+=./:,@%", s[n])))
		n++;
	if (n && !s[n]) {
		fputs(s, f);
		return;
	}
	fputc('\'', f);
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", f);
		else
			fputc(*s, f);
	}
	fputc('\'', f);
}

struct json_object *json_text(const char *text)
{
	const unsigned char *s = (const unsigned char *)(text ?: "?");
	size_t room = strlen((const char *)s) * 2 + 1, n = 0;
	struct json_object *obj;
	char *valid;

	valid = alloc(room, 1);
	while (*s) {
		int len = utf8_len(s);

		if (!len) {
			valid[n++] = 0xc0 | *s >> 6;
			valid[n++] = 0x80 | (*s++ & 0x3f);
			continue;
		}
		memcpy(valid + n, s, len);
		n += len;
		s += len;
	}
	obj = json_object_new_string_len(valid, n);
	free(valid);
	return obj;
}

struct json_object *json_amount(long long val)
{
	return val == BC_MAX ? NULL : json_object_new_int64(val);
}

#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

void json_line(struct json_object *obj)
{
	puts(json_object_to_json_string_ext(obj, JSON_FLAGS));
	json_object_put(obj);
}

void json_element(struct json_object *obj)
{
	static bool any;

	if (!obj) {
		puts(any ? "\n]" : "[]");
		return;
	}
	fputs(any ? ",\n" : "[\n", stdout);
	any = true;
	fputs(json_object_to_json_string_ext(obj, JSON_FLAGS), stdout);
	json_object_put(obj);
}

struct json_object *json_group(struct bc_group *group)
{
	struct json_object *obj = json_object_new_object();
	unsigned long long id;

	json_object_object_add(obj, "group", json_text(bc_group_name(group)));
	json_object_object_add(obj, "hierarchy",
			       json_text(bc_group_hierarchy(group)->name));
	if (!bc_group_id(group, &id))
		json_object_object_add(obj, "id", json_object_new_uint64(id));
	return obj;
}

struct json_object *json_counter(const struct bc_controller *c,
				 const struct bc_counter *counter)
{
	struct json_object *obj = json_object_new_object();
	int i;

	json_object_object_add(obj, "unit", json_object_new_string(bc_unit_name(c->unit)));
	for (i = 0; i < BC_NR_FILES; i++) {
		if (counter->seen & BC_BIT(i))
			json_object_object_add(obj, bc_file_names[i],
					       json_amount(counter->val[i]));
	}
	return obj;
}

/* Name, state and parent of a process. */
static bool read_stat(struct bc *bc, const char *pid, char comm[64], char *state, int *ppid)
{
	char *path = format("%s/%s/stat", bc_proc(bc), pid), *first, *last;
	char text[512];
	ssize_t n = 0;
	int fd;

	fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n <= 0)
		return false;
	text[n] = '\0';
	first = strchr(text, '(');
	last = strrchr(text, ')');
	if (!first || !last || last < first)
		return false;
	*last = '\0';
	snprintf(comm, 64, "%s", first + 1);
	return sscanf(last + 1, " %c %d", state, ppid) == 2;
}

char *zombies_of(struct bc_group *group)
{
	struct bc *bc = bc_group_bc(group);
	char comm[64], parent[64] = "?", state, other, *spec, *text = NULL;
	int n = 0, ppid, unused;
	struct dirent *d;
	DIR *dir = opendir(bc_proc(bc));

	while (dir && (d = readdir(dir))) {
		if (!isdigit((unsigned char)d->d_name[0]) ||
		    !read_stat(bc, d->d_name, comm, &state, &ppid) || state != 'Z' ||
		    bc_task_group(bc, atoi(d->d_name), bc_group_hierarchy(group), &spec))
			continue;
		if (!strcmp(spec, bc_group_name(group)) && n++ == 0) {
			char pid[16];

			snprintf(pid, sizeof(pid), "%d", ppid);
			read_stat(bc, pid, parent, &other, &unused);
			text = format("%s[%s], whose parent %s[%d] has not waited for it", comm,
				      d->d_name, parent, ppid);
		}
		free(spec);
	}
	if (dir)
		closedir(dir);
	if (n > 1) {
		char *more = format("%s, and %d more", text, n - 1);

		free(text);
		text = more;
	}
	return text;
}
