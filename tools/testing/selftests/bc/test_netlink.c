// SPDX-License-Identifier: GPL-2.0
/*
 * Requests over generic netlink: the dump has what the files have, and for nobody more than
 * that; who owns a subtree hears what happens in there, and nothing else.
 */
#include <poll.h>
#include <stdint.h>

#include "bc_util.h"
#include "bc_genl.h"

#define USER		12345
#define OTHER		12346

#define BIT(a)		(1U << (a))
#define AMOUNTS		6

/* From Linux 4.12 and 4.15. */
#ifndef NETLINK_EXT_ACK
#define NETLINK_EXT_ACK 11
#endif
#ifndef NLM_F_ACK_TLVS
#define NLM_F_ACK_TLVS 0x200
#define NLM_F_CAPPED 0x100
#define NLMSGERR_ATTR_MSG 1
#endif

static const char * const files[AMOUNTS] = {
	"held", "maxheld", "minheld", "barrier", "limit", "failcnt",
};

static const unsigned int attrs[AMOUNTS] = {
	BC_A_HELD, BC_A_MAXHELD, BC_A_MINHELD, BC_A_BARRIER, BC_A_LIMIT, BC_A_FAILCNT,
};

/**
 * struct counter - of a group
 * @name: of the resource
 * @unit: as it came
 * @seen: a bit for each of files[]
 * @val: by files[]
 * @refused_at: as it came; 0 if it did not
 */
struct counter {
	char name[32];
	unsigned int unit, seen;
	long val[AMOUNTS];
	unsigned long refused_at;
};

struct dumped_group {
	unsigned int hierarchy;
	unsigned long id;
	char *path;
	int n;
	struct counter *counters;
};

/**
 * struct dump - what has come
 * @n: how many groups
 * @groups: in the order in which they came
 * @messages: how many
 * @interrupted: groups have come or gone meanwhile
 */
struct dump {
	int n, messages;
	bool interrupted;
	struct dumped_group *groups;
};

static char buf[BC_GENL_BUF];
static char extack[256];

/* The line that comes with an error. */
static void parse_extack(const struct nlmsghdr *nlh, const char *data, size_t len)
{
	size_t skip = sizeof(int) + NLMSG_HDRLEN;
	struct bc_attr attr;

	extack[0] = '\0';
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (nlh->nlmsg_type == NLMSG_DONE) {
		skip = sizeof(int);
	} else if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
		struct nlmsghdr req;

		memcpy(&req, data + sizeof(int), sizeof(req));
		skip = sizeof(int) + NLMSG_ALIGN(req.nlmsg_len);
	}
	if (skip > len)
		return;
	data += skip;
	len -= skip;
	while (bc_next_attr(&data, &len, &attr)) {
		if (attr.type == NLMSGERR_ATTR_MSG)
			snprintf(extack, sizeof(extack), "%s", bc_attr_str(&attr) ?: "?");
	}
}

/*
 * A socket, and what the family is called; or -errno. The kernel makes messages as large as
 * the largest buffer that it has seen: here, it has seen none yet.
 */
static int open_genl(struct bc_genl *genl)
{
	int fd = bc_genl_open(), one = 1, err;

	if (fd < 0)
		return fd;
	err = bc_genl_resolve(fd, genl);
	close(fd);
	if (err)
		return err;
	fd = bc_genl_open();
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	return fd;
}

static size_t put_request(char *a, long hierarchy, const char *path)
{
	uint32_t number = hierarchy;
	size_t len = 0;

	if (hierarchy >= 0)
		bc_put_attr(a, &len, BC_A_HIERARCHY, &number, sizeof(number));
	if (path)
		bc_put_attr(a, &len, BC_A_GROUP_PATH, path, strlen(path) + 1);
	return len;
}

static void add_counter(struct dumped_group *g, const struct bc_attrs *a)
{
	struct counter *c;
	int i;

	g->counters = realloc(g->counters, (g->n + 1) * sizeof(*g->counters));
	c = &g->counters[g->n++];
	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", a->str[BC_A_RESOURCE] ?: "?");
	c->unit = a->seen & BIT(BC_A_UNIT) ? a->num[BC_A_UNIT] : 99;
	c->refused_at = a->num[BC_A_REFUSED_AT];
	for (i = 0; i < AMOUNTS; i++) {
		if (a->seen & BIT(attrs[i]))
			c->seen |= BIT(i);
		c->val[i] = a->num[attrs[i]];
	}
}

static int add_message(struct dump *d, const char *data, size_t len)
{
	struct bc_event ev = { .data = data, .len = len };
	struct bc_attrs a;
	struct dumped_group *g;
	size_t pos = 0;
	int err;

	err = bc_parse_attrs(data, len, &ev.a);
	if (err || !ev.a.str[BC_A_GROUP_PATH])
		return -EBADMSG;
	d->messages++;
	g = d->n ? &d->groups[d->n - 1] : NULL;
	if (!g || g->id != ev.a.num[BC_A_GROUP_ID] || !g->id) {
		d->groups = realloc(d->groups, (d->n + 1) * sizeof(*d->groups));
		g = &d->groups[d->n++];
		memset(g, 0, sizeof(*g));
		g->hierarchy = ev.a.num[BC_A_HIERARCHY];
		g->id = ev.a.num[BC_A_GROUP_ID];
		g->path = strdup(ev.a.str[BC_A_GROUP_PATH]);
	}
	while ((err = bc_next_counter(&ev, &pos, &a)) > 0)
		add_counter(g, &a);
	return err;
}

/* What is in one datagram. 1 if it goes on; 0 at the end; -errno. */
static int take(const struct bc_genl *genl, const char *p, size_t left, struct dump *d)
{
	struct genlmsghdr genlh;
	struct nlmsghdr nlh;
	const char *data;
	size_t len;
	int err;

	while ((data = bc_next_msg(&p, &left, &nlh, &len))) {
		if (d && (nlh.nlmsg_flags & NLM_F_DUMP_INTR))
			d->interrupted = true;
		if (nlh.nlmsg_type == NLMSG_ERROR || nlh.nlmsg_type == NLMSG_DONE) {
			memcpy(&err, data, sizeof(err));
			parse_extack(&nlh, data, len);
			return err;
		}
		memcpy(&genlh, data, sizeof(genlh));
		if (!d || nlh.nlmsg_type != genl->family || genlh.cmd != BC_CMD_GROUP_GET)
			continue;
		err = add_message(d, data + GENL_HDRLEN, len - GENL_HDRLEN);
		if (err)
			return err;
	}
	return left ? -EBADMSG : 1;
}

static void dump_free(struct dump *d)
{
	while (d->n--) {
		free(d->groups[d->n].path);
		free(d->groups[d->n].counters);
	}
	free(d->groups);
	memset(d, 0, sizeof(*d));
}

static int dump_start(int fd, const struct bc_genl *genl, long hierarchy, const char *path,
		      struct dump *d)
{
	static char a[16384];

	memset(d, 0, sizeof(*d));
	return bc_genl_send(fd, genl, BC_CMD_GROUP_GET, NLM_F_DUMP, a,
			    put_request(a, hierarchy, path));
}

static int dump_some(int fd, const struct bc_genl *genl, struct dump *d, size_t size)
{
	int ret = bc_genl_recv(fd, buf, size, 0);

	return ret < 0 ? ret : take(genl, buf, ret, d);
}

/* All of it, on a socket that is there already. */
static int dump_on(int fd, const struct bc_genl *genl, long hierarchy, const char *path,
		   struct dump *d, size_t size)
{
	int ret = dump_start(fd, genl, hierarchy, path, d);

	if (ret)
		return ret;
	do {
		ret = dump_some(fd, genl, d, size);
	} while (ret == 1);
	return ret;
}

static int dump(long hierarchy, const char *path, struct dump *d)
{
	struct bc_genl genl;
	int fd = open_genl(&genl), ret;

	memset(d, 0, sizeof(*d));
	if (fd < 0)
		return fd;
	ret = dump_on(fd, &genl, hierarchy, path, d, sizeof(buf));
	close(fd);
	return ret;
}

static const char *group_path(const char *dir)
{
	return dir + strlen(BC_ROOT);
}

/* The only one with this path, or NULL. */
static struct dumped_group *find(const struct dump *d, const char *path)
{
	struct dumped_group *g = NULL;
	int i;

	for (i = 0; i < d->n; i++) {
		if (strcmp(d->groups[i].path, path))
			continue;
		if (g)
			return NULL;
		g = &d->groups[i];
	}
	return g;
}

static struct counter *find_counter(const struct dumped_group *g, const char *name)
{
	int i;

	for (i = 0; g && i < g->n; i++) {
		if (!strcmp(g->counters[i].name, name))
			return &g->counters[i];
	}
	return NULL;
}

/* Is what was said of a resource in the directory @dir? Returns how many are not. */
static int check_counter(const char *dir, struct counter *c, const char *name)
{
	bool root = !strcmp(dir, BC_ROOT);
	char path[PATH_MAX];
	int i, wrong = 0;
	long val;

	for (i = 0; i < AMOUNTS; i++) {
		bool dumped = c && (c->seen & BIT(i)), readable;

		snprintf(path, sizeof(path), "%s/%s", name, files[i]);
		val = bc_get(dir, path);
		readable = val >= 0;
		if (dumped != readable) {
			printf("# %s/%s: %ld, dumped: %d\n", dir, path, val, dumped);
			wrong++;
		}
		if (val < 0)
			continue;
		/* What the whole system holds goes up and down. */
		if (c && val != c->val[i] && !(root && i < 3)) {
			printf("# %s/%s: %ld, dumped: %ld\n", dir, path, val, c->val[i]);
			wrong++;
		}
	}
	return wrong;
}

/* By its name: its files may not be for us to open. */
static bool is_counter(const char *name)
{
	static const char * const others[] = { "cpuacct", "cpuset", "nodeset", "debug" };
	unsigned int i;

	if (!strncmp(name, "num", 3))
		return true;
	for (i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (!strcmp(name, others[i]))
			return false;
	}
	return strlen(name) > 5 && (strstr(name, "pages") || strstr(name, "size") ||
				    strstr(name, "buf"));
}

/*
 * Compare a dump with all that the current task sees in a directory and below. *@n counts
 * the groups that it sees. Returns how much is wrong.
 */
static int compare(const struct dump *d, const char *dir, int *n)
{
	const char *path = *group_path(dir) ? group_path(dir) : "/";
	struct dumped_group *g = find(d, path);
	char sub[PATH_MAX];
	struct dirent *de;
	int wrong = 0, counters = 0;
	DIR *f;

	if (bc_get(dir, "id") < 0) {
		if (g)
			printf("# %s is dumped, and cannot be entered\n", path);
		return !!g;
	}
	++*n;
	if (!g) {
		printf("# %s is not dumped, or more than once\n", path);
		return 1;
	}
	wrong += (unsigned long)bc_get(dir, "id") != g->id;
	f = opendir(dir);
	if (!f) {
		/* There is more than can be listed. */
		for (int i = 0; i < g->n; i++)
			wrong += check_counter(dir, &g->counters[i], g->counters[i].name);
		return wrong;
	}
	while ((de = readdir(f))) {
		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", dir, de->d_name);
		if (is_counter(de->d_name)) {
			struct counter *c = find_counter(g, de->d_name);

			wrong += check_counter(dir, c, de->d_name);
			counters += !!c;
		} else if (access(sub, X_OK) || bc_is_group(sub)) {
			wrong += compare(d, sub, n);
		}
	}
	closedir(f);
	if (counters != g->n) {
		printf("# %s: %d counters, dumped: %d\n", path, counters, g->n);
		wrong++;
	}
	return wrong;
}

/* Parents before their children. */
static bool in_order(const struct dump *d)
{
	int i, j;

	for (i = 0; i < d->n; i++) {
		char *path = strdup(d->groups[i].path), *slash = strrchr(path, '/');
		bool found = i == 0;

		slash[slash == path] = '\0';
		for (j = 0; j < i && !found; j++)
			found = !strcmp(d->groups[j].path, path);
		free(path);
		if (!found)
			return false;
	}
	return true;
}

/* Is it the same as in a dump? */
static bool same(const struct dumped_group *a, const struct dumped_group *b)
{
	int i;

	if (a->id != b->id || a->hierarchy != b->hierarchy || strcmp(a->path, b->path) ||
	    a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++) {
		if (memcmp(&a->counters[i], &b->counters[i], sizeof(struct counter)))
			return false;
	}
	return true;
}

/* Send a request with these attributes; what comes of it, and, into @d, what is answered. */
static int ask(unsigned int cmd, unsigned int flags, const char *a, size_t len,
	       struct dump *d)
{
	struct bc_genl genl;
	int fd = open_genl(&genl), ret;

	extack[0] = '\0';
	if (fd < 0)
		return fd;
	ret = bc_genl_send(fd, &genl, cmd, flags | NLM_F_ACK, a, len);
	while (!ret) {
		ret = bc_genl_recv(fd, buf, sizeof(buf), 0);
		if (ret >= 0)
			ret = take(&genl, buf, ret, d);
		if (ret <= 0)
			break;
		ret = 0;
	}
	close(fd);
	return ret;
}

static int request(unsigned int cmd, unsigned int flags, const char *a, size_t len)
{
	return ask(cmd, flags, a, len, NULL);
}

/* One group, and no dump. */
static int get_group(long hierarchy, const char *path, struct dump *d)
{
	static char a[16384];

	memset(d, 0, sizeof(*d));
	return ask(BC_CMD_GROUP_GET, 0, a, put_request(a, hierarchy, path), d);
}

static struct dump d, one;

TEST_F(bc, dump_has_what_files_have)
{
	char dir[96];
	pid_t pid;
	int n = 0;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "c"));
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "70"));
	ASSERT_EQ(0, bc_write(self->dir, "a/numtasks/limit", "2"));
	ASSERT_EQ(0, bc_write(self->dir, "a/numtasks/barrier", "1"));
	ASSERT_EQ(0, bc_write(self->dir, "a/b/numfiles/limit", "max"));
	pid = bc_spawn();
	ASSERT_EQ(0, bc_write(self->dir, "a/b/tasks", "%d", pid));
	snprintf(dir, sizeof(dir), "%s/a", self->dir);
	EXPECT_EQ(-EAGAIN, bc_write(dir, "tasks", "%d", (int)getpid()) ?: -EAGAIN);
	EXPECT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));

	ASSERT_EQ(0, dump(-1, NULL, &d));
	EXPECT_FALSE(d.interrupted);
	EXPECT_EQ(0, compare(&d, BC_ROOT, &n));
	EXPECT_EQ(n, d.n);
	EXPECT_LE(5, n);
	EXPECT_TRUE(in_order(&d));
	EXPECT_STREQ("/", d.groups[0].path);
	EXPECT_EQ(0, d.groups[0].id);
	dump_free(&d);

	/* A part of it. */
	n = 0;
	ASSERT_EQ(0, dump(0, group_path(dir), &d));
	EXPECT_EQ(0, compare(&d, dir, &n));
	EXPECT_EQ(2, n);
	EXPECT_EQ(2, d.n);
	ASSERT_NE(NULL, find_counter(&d.groups[0], "numtasks"));
	EXPECT_EQ(2, find_counter(&d.groups[0], "numtasks")->val[4]);
	EXPECT_EQ(BC_GENL_UNIT_ITEMS, find_counter(&d.groups[0], "numtasks")->unit);
	EXPECT_EQ(LONG_MAX, find_counter(&d.groups[1], "numfiles")->val[4]);
	if (find_counter(&d.groups[0], "privvmpages"))
		EXPECT_EQ(BC_GENL_UNIT_PAGES,
			  find_counter(&d.groups[0], "privvmpages")->unit);
	/* The one and the other for themselves. */
	for (n = 0; n < d.n; n++) {
		ASSERT_EQ(0, get_group(-1, d.groups[n].path, &one));
		ASSERT_EQ(1, one.n);
		EXPECT_TRUE(same(&d.groups[n], &one.groups[0])) {
			TH_LOG("%s", d.groups[n].path);
		}
		dump_free(&one);
	}
	dump_free(&d);
	bc_reap(pid);
	/* Without a path, the root, whose numbers are of the moment. */
	n = 0;
	ASSERT_EQ(0, get_group(-1, NULL, &one));
	ASSERT_EQ(1, one.n);
	EXPECT_STREQ("/", one.groups[0].path);
	EXPECT_NE(NULL, find_counter(&one.groups[0], "numtasks"));
	dump_free(&one);
}

TEST_F(bc, other_hierarchy)
{
	char dir[96], name[32];
	long number = -1, i;

	if (access(BC_HIERARCHIES, F_OK))
		SKIP(return, "no hierarchies in this kernel");
	snprintf(name, sizeof(name), "netlink%d", getpid());
	snprintf(dir, sizeof(dir), BC_HIERARCHIES "/%s", name);
	ASSERT_EQ(0, mkdir(dir, 0755));
	EXPECT_EQ(0, bc_mkdir(dir, "a"));
	for (i = 1; i < 16; i++) {
		int err = dump(i, NULL, &d);

		if (err) {
			EXPECT_EQ(-ENOENT, err);
			EXPECT_STREQ("there is no such hierarchy", extack);
		} else if (find(&d, "/a")) {
			number = i;
			EXPECT_EQ(2, d.n);
			EXPECT_EQ(number, d.groups[1].hierarchy);
			EXPECT_EQ(0, d.groups[1].n);
		}
		dump_free(&d);
	}
	EXPECT_LT(0, number);
	EXPECT_EQ(0, bc_rmdir(dir, "a"));
	EXPECT_EQ(0, rmdir(dir));
	EXPECT_EQ(-ENOENT, dump(number, NULL, &d));
}

TEST_F(bc, malformed)
{
	static const unsigned int cmds[] = {
		BC_CMD_GROUP_GET, BC_CMD_GROUP_GET, BC_CMD_SUBSCRIBE
	};
	static char a[16384], path[9000];
	unsigned long long wide = 0;
	unsigned int i, flags;
	uint32_t n;
	size_t len;

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	for (i = 0; i < 3; i++) {
		flags = i ? 0 : NLM_F_DUMP;
		len = put_request(a, -1, "a/b");
		EXPECT_EQ(-EINVAL, request(cmds[i], flags, a, len));
		EXPECT_STREQ("a path starts with a slash", extack);
		len = put_request(a, -1, "");
		EXPECT_EQ(-EINVAL, request(cmds[i], flags, a, len));
		len = put_request(a, -1, "/no/such/group");
		EXPECT_EQ(-ENOENT, request(cmds[i], flags, a, len));
		EXPECT_STREQ("there is no such group", extack);
		len = put_request(a, -1, "/numtasks");
		EXPECT_EQ(-ENOENT, request(cmds[i], flags, a, len));
		len = put_request(a, 15, "/");
		EXPECT_EQ(-ENOENT, request(cmds[i], flags, a, len));
		EXPECT_STREQ("there is no such hierarchy", extack);
		len = put_request(a, 0xffffffff, "/");
		EXPECT_EQ(-ENOENT, request(cmds[i], flags, a, len));
		/* Longer than any. */
		len = put_request(a, -1, path);
		EXPECT_GT(0, request(cmds[i], flags, a, len));
		EXPECT_STRNE("", extack);
		/* A number of the wrong size, a string without an end. */
		len = 0;
		bc_put_attr(a, &len, BC_A_HIERARCHY, &wide, sizeof(wide));
		EXPECT_EQ(-EINVAL, request(cmds[i], flags, a, len));
		EXPECT_STRNE("", extack);
		len = 0;
		bc_put_attr(a, &len, BC_A_GROUP_PATH, "/abc", 4);
		EXPECT_EQ(-EINVAL, request(cmds[i], flags, a, len));
		EXPECT_STRNE("", extack);
		/* Attributes that are not for requests, or are none. */
		n = 0;
		for (unsigned int t = BC_A_RESOURCE; t <= BC_A_MAX + 2; t++) {
			len = put_request(a, -1, "/");
			bc_put_attr(a, &len, t, &n, sizeof(n));
			EXPECT_EQ(-EINVAL, request(cmds[i], flags, a, len)) {
				TH_LOG("attribute %u", t);
			}
			EXPECT_STRNE("", extack);
		}
		/* Half an attribute. */
		len = put_request(a, -1, "/");
		a[len] = 8;
		a[len + 1] = 0;
		a[len + 2] = 0;
		EXPECT_EQ(-EINVAL, request(cmds[i], flags, a, len + 3));
	}
	EXPECT_EQ(-EINVAL, request(BC_CMD_SUBSCRIBE, 0, a, 0));
	/* There is nothing to dump of the other; and events are no requests. */
	len = put_request(a, -1, "/");
	EXPECT_EQ(-EOPNOTSUPP, request(BC_CMD_SUBSCRIBE, NLM_F_DUMP, a, len));
	for (i = 0; i <= BC_CMD_LOST; i++)
		EXPECT_EQ(-EOPNOTSUPP, request(i, 0, a, len));
	EXPECT_EQ(-EOPNOTSUPP, request(BC_CMD_MAX + 1, 0, a, len));
}

static int compare_as_user(void *arg)
{
	struct dump dump_ = { };
	int n = 0, err;

	bc_become(USER, USER);
	err = dump(-1, NULL, &dump_);
	if (err)
		return 101;
	err = compare(&dump_, BC_ROOT, &n);
	if (n != dump_.n) {
		printf("# %d groups are seen, %d dumped\n", n, dump_.n);
		err++;
	}
	return err > 99 ? 99 : err;
}

/* What a dump shows of each group, and nothing of others. */
static int get_as_user(void *arg)
{
	static const char * const sub[] = { "", "/a", "/a/b", "/a/b/c" };
	struct dump all = { }, got;
	char path[PATH_MAX / 2], dir[PATH_MAX];
	struct dumped_group *g;
	int wrong = 0, err;

	bc_become(USER, USER);
	if (dump(-1, NULL, &all))
		return 101;
	for (unsigned int i = 0; i < sizeof(sub) / sizeof(*sub); i++) {
		snprintf(path, sizeof(path), "%s%s", group_path(arg), sub[i]);
		g = find(&all, path);
		err = get_group(-1, path, &got);
		if (!err && (got.n != 1 || (g && !same(g, &got.groups[0]))))
			wrong++;
		/* It may be in a directory that cannot be listed. */
		snprintf(dir, sizeof(dir), BC_ROOT "%s", path);
		if (err ? err != -EACCES || g : access(dir, X_OK)) {
			printf("# %s: %d, dumped: %d\n", path, err, !!g);
			wrong++;
		}
		dump_free(&got);
	}
	return wrong;
}

static int dump_path_as_user(void *arg)
{
	struct dump dump_;

	bc_become(USER, USER);
	return -dump(-1, group_path(arg), &dump_);
}

/* Whatever somebody does to modes and owners. */
TEST_F_TIMEOUT(bc, dump_shows_what_files_show, 300)
{
	static const struct {
		const char *file;
		unsigned int mode;
		uid_t uid;
	} changes[] = {
		{ "a", 0700 }, { "a", 0711 }, { "a", 0744 }, { "a", 0755 },
		{ "a/b", 0700 }, { "a/b", 0700, USER }, { "a/b", 0077, USER },
		{ "a/b", 0755 },
		{ "a/numtasks", 0700 }, { "a/numtasks", 0711 },
		{ "a/numtasks", 0500, USER }, { "a/numtasks", 0755 },
		{ "a/numtasks/held", 0400 }, { "a/numtasks/failcnt", 0 },
		{ "a/numtasks/limit", 0600, USER }, { "a/numtasks/barrier", 0066, USER },
		{ "", 0700 }, { "", 0755 },
	};
	char path[PATH_MAX];
	unsigned int i;
	int n;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b/c"));
	EXPECT_EQ(0, bc_in_child(compare_as_user, NULL));
	for (i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		bc_path(path, self->dir, changes[i].file);
		ASSERT_EQ(0, chown(path, changes[i].uid, 0));
		ASSERT_EQ(0, chmod(path, changes[i].mode));
		EXPECT_EQ(0, bc_in_child(compare_as_user, NULL)) {
			TH_LOG("%s is %o, of %u", changes[i].file, changes[i].mode,
			       changes[i].uid);
		}
		EXPECT_EQ(0, bc_in_child(get_as_user, self->dir));
		if (changes[i].mode)
			continue;
		/* What nobody can read, root cannot either. */
		n = 0;
		ASSERT_EQ(0, dump(-1, NULL, &d));
		EXPECT_EQ(0, compare(&d, BC_ROOT, &n));
		dump_free(&d);
	}
	/* Also above all groups. */
	ASSERT_EQ(0, chmod(BC_ROOT, 0700));
	snprintf(path, sizeof(path), "%s/a", self->dir);
	EXPECT_EQ(EACCES, bc_in_child(dump_path_as_user, path));
	/* One cannot find out what there is. */
	snprintf(path, sizeof(path), "%s/no", self->dir);
	EXPECT_EQ(EACCES, bc_in_child(dump_path_as_user, path));
	ASSERT_EQ(0, chmod(BC_ROOT, 0755));
	EXPECT_EQ(ENOENT, bc_in_child(dump_path_as_user, path));
	ASSERT_EQ(0, chmod("/sys/kernel/config", 0700));
	EXPECT_EQ(EACCES, bc_in_child(dump_path_as_user, path));
	ASSERT_EQ(0, chmod("/sys/kernel/config", 0755));
}

struct shared {
	int fd;
	struct bc_genl genl;
	const char *path;
};

/* Make the request as somebody else than who has opened the socket. */
static int dump_shared_as_user(void *arg)
{
	struct shared *s = arg;
	struct dump dump_;
	int err;

	bc_become(USER, USER);
	err = dump_on(s->fd, &s->genl, -1, group_path(s->path), &dump_, sizeof(buf));
	return err ? -err : dump_.n;
}

static int dump_with_users_socket(void *arg)
{
	struct shared *s = arg;
	struct dump dump_;
	int err;

	if (seteuid(USER))
		return 101;
	s->fd = open_genl(&s->genl);
	if (seteuid(0))
		return 102;
	err = dump_on(s->fd, &s->genl, -1, group_path(s->path), &dump_, sizeof(buf));
	return err ? -err : dump_.n;
}

TEST_F(bc, dump_takes_two_to_see)
{
	struct shared s = { .path = self->dir };
	char path[PATH_MAX];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	bc_path(path, self->dir, "a");
	ASSERT_EQ(0, chmod(path, 0700));
	ASSERT_EQ(0, dump(-1, group_path(self->dir), &d));
	EXPECT_EQ(3, d.n);
	dump_free(&d);
	s.fd = open_genl(&s.genl);
	ASSERT_LE(0, s.fd);
	EXPECT_EQ(2, bc_in_child(dump_shared_as_user, &s));
	close(s.fd);
	EXPECT_EQ(2, bc_in_child(dump_with_users_socket, &s));
	s.path = path;
	EXPECT_EQ(EACCES, bc_in_child(dump_with_users_socket, &s));
}

struct in {
	const char *dir;
	int (*fn)(void *arg);
	void *arg;
};

static int go_in(void *arg)
{
	struct in *in = arg;

	return bc_write(in->dir, "tasks", "0") ? 125 : in->fn(in->arg);
}

/* In a child that has moved itself to @dir. */
static int run_in(const char *dir, int (*fn)(void *arg), long arg)
{
	struct in in = { .dir = dir, .fn = fn, .arg = (void *)arg };

	return bc_in_child(go_in, &in);
}

static int sees_refusal(void *arg)
{
	struct dump got;
	struct counter *c;

	bc_become(USER, USER);
	if (get_group(-1, arg, &got))
		return 101;
	c = find_counter(&got.groups[0], "numtasks");
	return c ? !!c->refused_at : 102;
}

/* When somebody was last refused, as the clock has it. */
TEST_F(bc, refused_at)
{
	struct timespec start, end;
	char a[96], path[PATH_MAX];
	struct counter *c;

	snprintf(a, sizeof(a), "%s/a", self->dir);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_write(a, "numtasks/limit", "1"));
	ASSERT_EQ(0, get_group(-1, group_path(a), &one));
	c = find_counter(&one.groups[0], "numtasks");
	ASSERT_NE(NULL, c);
	EXPECT_EQ(0, c->refused_at);
	dump_free(&one);

	clock_gettime(CLOCK_BOOTTIME, &start);
	ASSERT_EQ(0, run_in(a, bc_forks_refused, 1));
	clock_gettime(CLOCK_BOOTTIME, &end);
	ASSERT_EQ(0, get_group(-1, group_path(a), &one));
	c = find_counter(&one.groups[0], "numtasks");
	ASSERT_NE(NULL, c);
	/* A clock that is read cheaply is late by a tick. */
	EXPECT_LE(start.tv_sec - 1, (long)c->refused_at);
	EXPECT_GE(end.tv_sec, (long)c->refused_at);
	EXPECT_EQ(0, find_counter(&one.groups[0], "numfiles")->refused_at);
	dump_free(&one);
	/* The group above has not refused anything. */
	ASSERT_EQ(0, get_group(-1, group_path(self->dir), &one));
	EXPECT_EQ(0, find_counter(&one.groups[0], "numtasks")->refused_at);
	dump_free(&one);
	/* It goes with failcnt. */
	EXPECT_EQ(1, bc_in_child(sees_refusal, (void *)group_path(a)));
	bc_path(path, a, "numtasks/failcnt");
	ASSERT_EQ(0, chmod(path, 0));
	EXPECT_EQ(0, bc_in_child(sees_refusal, (void *)group_path(a)));
}

#define MANY 25

/* More than what goes into a message, into buffers of any size. */
TEST_F_TIMEOUT(bc, many, 300)
{
	static const size_t sizes[] = { 4096, 65536 };
	struct bc_genl genl;
	char name[32];
	unsigned int i;
	int fd, n;

	for (n = 0; n < MANY; n++) {
		snprintf(name, sizeof(name), "g%d", n);
		ASSERT_EQ(0, bc_mkdir(self->dir, name));
	}
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		fd = open_genl(&genl);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, dump_on(fd, &genl, -1, NULL, &d, sizes[i])) {
			TH_LOG("with %zu bytes", sizes[i]);
		}
		close(fd);
		EXPECT_FALSE(d.interrupted);
		EXPECT_TRUE(in_order(&d));
		if (!i) {
			n = 0;
			EXPECT_EQ(0, compare(&d, BC_ROOT, &n));
			EXPECT_LT(MANY, n);
		}
		EXPECT_EQ(n, d.n);
		dump_free(&d);
	}
}

/* Room for several groups in a message: one is added for each message. */
#define SOME 16384

/* What comes and goes between two messages. */
TEST_F_TIMEOUT(bc, come_and_go, 300)
{
	struct bc_genl genl;
	char name[64], path[PATH_MAX];
	int fd, n, i, ret;

	for (n = 0; n < 60; n++) {
		snprintf(name, sizeof(name), "g%d", n);
		ASSERT_EQ(0, bc_mkdir(self->dir, name));
		snprintf(name, sizeof(name), "g%d/x", n);
		ASSERT_EQ(0, bc_mkdir(self->dir, name));
	}
	fd = open_genl(&genl);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, dump_start(fd, &genl, -1, group_path(self->dir), &d));
	/* In every message, the last one seen goes, and perhaps the one above it. */
	for (i = 0; (ret = dump_some(fd, &genl, &d, SOME)) == 1; i++) {
		snprintf(path, sizeof(path), BC_ROOT "%s", d.groups[d.n - 1].path);
		rmdir(path);
		if (i % 2) {
			*strrchr(path, '/') = '\0';
			rmdir(path);
		}
		snprintf(name, sizeof(name), "new%d", i);
		ASSERT_EQ(0, bc_mkdir(self->dir, name));
	}
	EXPECT_EQ(0, ret);
	EXPECT_LT(10, i);
	EXPECT_TRUE(d.interrupted);
	/* Who was there all the time is there, once. */
	for (n = 0; n < 60; n++) {
		snprintf(path, sizeof(path), "%s/g%d", self->dir, n);
		EXPECT_NE(NULL, find(&d, group_path(path)));
		strcat(path, "/x");
		EXPECT_NE(NULL, find(&d, group_path(path)));
	}
	dump_free(&d);

	/* The one that is dumped. */
	ASSERT_EQ(0, bc_mkdir(self->dir, "top"));
	for (n = 0; n < 30; n++) {
		snprintf(name, sizeof(name), "top/g%d", n);
		ASSERT_EQ(0, bc_mkdir(self->dir, name));
	}
	snprintf(path, sizeof(path), "%s/top", self->dir);
	ASSERT_EQ(0, dump_start(fd, &genl, -1, group_path(path), &d));
	EXPECT_EQ(1, dump_some(fd, &genl, &d, SOME));
	bc_rmdir_below(path);
	EXPECT_EQ(0, rmdir(path));
	while ((ret = dump_some(fd, &genl, &d, SOME)) == 1)
		;
	EXPECT_EQ(0, ret);
	EXPECT_TRUE(d.interrupted);
	dump_free(&d);

	/* One that is never read to its end. */
	ASSERT_EQ(0, dump_start(fd, &genl, -1, NULL, &d));
	close(fd);
}

static void churn(const char *dir)
{
	char name[32];
	int i;

	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		bc_mkdir(dir, name);
		snprintf(name, sizeof(name), "c%d/d", i);
		bc_mkdir(dir, name);
	}
	bc_rmdir_below(dir);
}

/* While others make and remove groups. */
TEST_F(bc, race)
{
	char a[96], b[96], name[32], path[PATH_MAX];
	double end = bc_end_time(10);
	struct bc_genl genl;
	pid_t pids[2];
	int fd, n;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "s"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	for (n = 0; n < 30; n++) {
		snprintf(name, sizeof(name), "s/g%d", n);
		ASSERT_EQ(0, bc_mkdir(self->dir, name));
	}
	snprintf(a, sizeof(a), "%s/a", self->dir);
	snprintf(b, sizeof(b), "%s/b", self->dir);
	pids[0] = bc_background(churn, a);
	pids[1] = bc_background(churn, b);
	fd = open_genl(&genl);
	while (bc_now() < end) {
		ASSERT_EQ(0, dump_on(fd, &genl, -1, group_path(self->dir), &d, 4096));
		for (n = 0; n < 30; n++) {
			snprintf(path, sizeof(path), "%s/s/g%d", self->dir, n);
			ASSERT_NE(NULL, find(&d, group_path(path)));
		}
		ASSERT_NE(NULL, find(&d, group_path(b)));
		dump_free(&d);
	}
	close(fd);
	bc_reap(pids[0]);
	bc_reap(pids[1]);
}

/* Names as long as they may be, as deep as groups may be. */
TEST_F(bc, long_paths)
{
	char name[200], *path = calloc(1, 16384);
	struct bc_genl genl;
	int fd, cwd, depth;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cwd = open(".", O_PATH | O_CLOEXEC);
	ASSERT_EQ(0, chdir(self->dir));
	strcat(path, group_path(self->dir));
	for (depth = 0; depth < 31; depth++) {
		if (mkdir(name, 0755))
			break;
		ASSERT_EQ(0, chdir(name));
		strcat(path, "/");
		strcat(path, name);
	}
	EXPECT_EQ(31, depth);
	fd = open_genl(&genl);
	ASSERT_EQ(0, dump_on(fd, &genl, -1, group_path(self->dir), &d, sizeof(buf)));
	EXPECT_EQ(depth + 1, d.n);
	EXPECT_NE(NULL, find(&d, path));
	EXPECT_LT(10, d.groups[d.n - 1].n);
	EXPECT_EQ(d.groups[0].n, d.groups[d.n - 1].n);
	dump_free(&d);
	close(fd);
	/* The first message is made before the kernel knows of any buffer. */
	ASSERT_EQ(0, dump(-1, path, &d));
	EXPECT_EQ(1, d.n);
	EXPECT_LT(1, d.messages);
	EXPECT_STREQ(path, d.groups[0].path);
	dump_free(&d);
	/* A buffer that is too small is an error, not an end. */
	fd = open_genl(&genl);
	EXPECT_EQ(-EMSGSIZE, dump_on(fd, &genl, -1, group_path(self->dir), &d, 4096));
	dump_free(&d);
	close(fd);

	while (depth--) {
		ASSERT_EQ(0, chdir(".."));
		EXPECT_EQ(0, rmdir(name));
	}
	EXPECT_EQ(0, fchdir(cwd));
	close(cwd);
	free(path);
}

/*
 * Subscriptions
 */

static int subscribe_in(int fd, const struct bc_genl *genl, long hierarchy,
			const char *path)
{
	static char a[16384];
	int ret = bc_genl_send(fd, genl, BC_CMD_SUBSCRIBE, NLM_F_ACK, a,
			       put_request(a, hierarchy, path));

	while (!ret) {
		ret = bc_genl_recv(fd, buf, sizeof(buf), 0);
		if (ret >= 0)
			ret = take(genl, buf, ret, NULL);
		if (ret <= 0)
			break;
		ret = 0;
	}
	return ret;
}

static int subscribe_on(int fd, const struct bc_genl *genl, const char *path)
{
	return subscribe_in(fd, genl, -1, path);
}

static int listen_to(struct bc_listener *l, const char *dir)
{
	int err;

	l->left = 0;
	l->lost = 0;
	l->overruns = 0;
	l->fd = open_genl(&l->genl);
	if (l->fd < 0)
		return l->fd;
	err = subscribe_on(l->fd, &l->genl, group_path(dir));
	if (err)
		close(l->fd);
	return err;
}

/* Is the next event this one? */
static int next_is(struct bc_listener *l, unsigned int cmd, const char *dir)
{
	struct bc_event ev;
	int ret = bc_hear(l, &ev, 30000);

	if (ret <= 0)
		return ret ?: -ETIME;
	if (ev.cmd != cmd || strcmp(ev.a.str[BC_A_GROUP_PATH] ?: "", group_path(dir))) {
		printf("# event %u of %s\n", ev.cmd, ev.a.str[BC_A_GROUP_PATH] ?: "?");
		return -EPROTO;
	}
	return 0;
}

static int subscribe_as_user(void *arg)
{
	static struct bc_listener l;

	bc_become(USER, USER);
	return -listen_to(&l, arg);
}

static int subscribe_in_user_namespace(void *arg)
{
	static struct bc_listener l;

	bc_become(USER, USER);
	if (bc_user_namespace())
		return 102;
	return -listen_to(&l, arg);
}

static int subscribe_in_own_network(void *arg)
{
	static struct bc_listener l;

	if (unshare(CLONE_NEWNET))
		return 102;
	return -listen_to(&l, arg);
}

static int subscribe_shared_as_user(void *arg)
{
	struct shared *s = arg;

	bc_become(USER, USER);
	return -subscribe_on(s->fd, &s->genl, group_path(s->path));
}

static int subscribe_with_others_socket(void *arg)
{
	struct shared *s = arg;

	if (seteuid(OTHER))
		return 101;
	s->fd = open_genl(&s->genl);
	if (seteuid(0) || setresuid(USER, USER, USER))
		return 102;
	return -subscribe_on(s->fd, &s->genl, group_path(s->path));
}

static int give_away(const char *dir, uid_t uid)
{
	return bc_chown(dir, "", uid, uid) ?: bc_chown(dir, "tasks", uid, uid) ?:
	       bc_chown(dir, "threads", uid, uid);
}

TEST_F(bc, who_may_subscribe)
{
	static struct bc_listener l;
	struct shared s = { .path = self->dir };
	char a[96], b[96];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	snprintf(a, sizeof(a), "%s/a", self->dir);
	snprintf(b, sizeof(b), "%s/a/b", self->dir);

	EXPECT_EQ(0, listen_to(&l, BC_ROOT "/"));
	close(l.fd);
	EXPECT_EQ(0, listen_to(&l, a));
	close(l.fd);
	EXPECT_EQ(EACCES, bc_in_child(subscribe_as_user, a));
	EXPECT_EQ(EACCES, bc_in_child(subscribe_in_user_namespace, a));
	EXPECT_EQ(EACCES, bc_in_child(subscribe_as_user, BC_ROOT "/"));

	/* It takes the directory, and tasks. */
	ASSERT_EQ(0, bc_chown(a, "", USER, USER));
	EXPECT_EQ(EACCES, bc_in_child(subscribe_as_user, a));
	ASSERT_EQ(0, bc_chown(a, "", 0, 0));
	ASSERT_EQ(0, bc_chown(a, "tasks", USER, USER));
	EXPECT_EQ(EACCES, bc_in_child(subscribe_as_user, a));
	ASSERT_EQ(0, give_away(a, USER));
	EXPECT_EQ(0, bc_in_child(subscribe_as_user, a));
	EXPECT_EQ(0, bc_in_child(subscribe_in_user_namespace, a));
	/* Not what root has made in there; and nothing above. */
	EXPECT_EQ(EACCES, bc_in_child(subscribe_as_user, b));
	EXPECT_EQ(EACCES, bc_in_child(subscribe_as_user, self->dir));
	EXPECT_EQ(EACCES, bc_in_child(subscribe_as_user, BC_ROOT "/"));
	/* To give it to a group of users is as good. */
	ASSERT_EQ(0, bc_chown(a, "", OTHER, USER));
	ASSERT_EQ(0, chmod(a, 0775));
	EXPECT_EQ(0, bc_in_child(subscribe_as_user, a));
	ASSERT_EQ(0, chmod(a, 0755));
	EXPECT_EQ(EACCES, bc_in_child(subscribe_as_user, a));
	ASSERT_EQ(0, give_away(a, OTHER));
	EXPECT_EQ(EACCES, bc_in_child(subscribe_as_user, a));
	ASSERT_EQ(0, give_away(a, USER));

	/* One has to come there. */
	ASSERT_EQ(0, chmod(self->dir, 0700));
	EXPECT_EQ(EACCES, bc_in_child(subscribe_as_user, a));
	ASSERT_EQ(0, chmod(self->dir, 0755));

	/* A socket that somebody else has opened. */
	s.fd = open_genl(&s.genl);
	EXPECT_EQ(EACCES, bc_in_child(subscribe_shared_as_user, &s));
	s.path = a;
	EXPECT_EQ(0, bc_in_child(subscribe_shared_as_user, &s));
	close(s.fd);
	EXPECT_EQ(EACCES, bc_in_child(subscribe_with_others_socket, &s));

	EXPECT_EQ(ENOENT, bc_in_child(subscribe_in_own_network, a));
}

/* Only what happens there, and all of it, once. */
TEST_F(bc, events_of_a_subtree)
{
	static struct bc_listener la, lb, ltop;
	char a[96], b[96], x[128], y[128];
	struct bc_event ev;

	snprintf(a, sizeof(a), "%s/a", self->dir);
	snprintf(b, sizeof(b), "%s/ab", self->dir);
	snprintf(x, sizeof(x), "%s/x", a);
	snprintf(y, sizeof(y), "%s/y", b);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "ab"));
	ASSERT_EQ(0, listen_to(&la, a));
	ASSERT_EQ(0, listen_to(&lb, b));
	ASSERT_EQ(0, listen_to(&ltop, self->dir));
	/* One group, one above it, or one below: it has that already. */
	EXPECT_EQ(-EEXIST, subscribe_on(la.fd, &la.genl, group_path(a)));
	EXPECT_EQ(-EEXIST, subscribe_on(la.fd, &la.genl, group_path(self->dir)));
	EXPECT_EQ(-EEXIST, subscribe_on(ltop.fd, &ltop.genl, group_path(a)));

	ASSERT_EQ(0, bc_mkdir(self->dir, "c"));
	ASSERT_EQ(0, bc_rmdir(self->dir, "c"));
	ASSERT_EQ(0, bc_mkdir(a, "x"));
	ASSERT_EQ(0, bc_mkdir(b, "y"));
	ASSERT_EQ(0, bc_write(x, "numtasks/limit", "1"));
	ASSERT_EQ(0, bc_write(b, "numtasks/limit", "1"));
	EXPECT_EQ(0, run_in(x, bc_forks_refused, 2));
	EXPECT_EQ(0, run_in(y, bc_forks_refused, 1));
	ASSERT_EQ(0, bc_rmdir(a, "x"));

	EXPECT_EQ(0, next_is(&la, BC_CMD_CREATED, x));
	EXPECT_EQ(0, next_is(&la, BC_CMD_ATTACHED, x));
	EXPECT_EQ(0, next_is(&la, BC_CMD_REFUSED, x));
	EXPECT_EQ(0, next_is(&la, BC_CMD_REFUSED, x));
	EXPECT_EQ(0, next_is(&la, BC_CMD_REMOVED, x));
	EXPECT_EQ(0, bc_hear(&la, &ev, 300));

	EXPECT_EQ(0, next_is(&lb, BC_CMD_CREATED, y));
	EXPECT_EQ(0, next_is(&lb, BC_CMD_ATTACHED, y));
	EXPECT_EQ(0, next_is(&lb, BC_CMD_REFUSED, y));
	EXPECT_EQ(0, bc_hear(&lb, &ev, 300));

	/* c twice, and all of these. */
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(1, bc_hear(&ltop, &ev, 30000));
	EXPECT_EQ(0, bc_hear(&ltop, &ev, 300));
	EXPECT_EQ(0, la.lost + lb.lost + ltop.lost);
	close(la.fd);
	close(lb.fd);
	close(ltop.fd);
}

/* Children of a user: what they hear of a limit above what is theirs. */
struct above {
	const char *dir;
	int ready, go;
};

static int hear_refusal_from_above(void *arg)
{
	struct above *ab = arg;
	static struct bc_listener l;
	unsigned int i, bits = 0;
	struct bc_event ev;
	char c = 0;

	bc_become(USER, USER);
	if (listen_to(&l, ab->dir) || write(ab->ready, &c, 1) != 1)
		return 101;
	do {
		if (bc_hear(&l, &ev, 10000) != 1)
			return 102;
	} while (ev.cmd != BC_CMD_REFUSED);
	if (!(ev.a.seen & BIT(BC_A_REFUSER_ID)) || !ev.a.str[BC_A_REFUSER_PATH] ||
	    !ev.a.num[BC_A_AMOUNT])
		return 103;
	for (i = 0; i < AMOUNTS; i++) {
		if (ev.a.seen & BIT(attrs[i]))
			bits |= BIT(i);
	}
	return bits;
}

TEST_F(bc, refused_from_above)
{
	char a[96], path[PATH_MAX], c;
	struct above ab = { .dir = a };
	int i, status, fds[2];
	pid_t pid;

	static const struct {
		const char *file;
		unsigned int mode;
		int seen;
	} steps[] = {
		{ "numtasks/limit", 0644, 1 | 8 | 16 | 32 },
		{ "numtasks/limit", 0600, 1 | 8 | 32 },
		{ "numtasks/failcnt", 0400, 1 | 8 },
		{ "numtasks", 0700, 0 },
	};

	snprintf(a, sizeof(a), "%s/a", self->dir);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, give_away(a, USER));
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	ASSERT_EQ(0, pipe(fds));
	ab.ready = fds[1];
	for (i = 0; i < 4; i++) {
		bc_path(path, self->dir, steps[i].file);
		ASSERT_EQ(0, chmod(path, steps[i].mode));
		pid = fork();
		if (pid == 0)
			_exit(hear_refusal_from_above(&ab));
		ASSERT_EQ(1, read(fds[0], &c, 1));
		EXPECT_EQ(0, run_in(a, bc_forks_refused, 1));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(steps[i].seen, WEXITSTATUS(status));
	}
	close(fds[0]);
	close(fds[1]);
}

static int too_many(void *arg)
{
	static struct bc_listener l[17];
	int i, err;

	bc_become(USER, USER);
	for (i = 0; i < 16; i++) {
		if (listen_to(&l[i], arg))
			return 101;
	}
	err = listen_to(&l[16], arg);
	if (err != -ENOSPC)
		return 102;
	/* They end with their sockets. */
	close(l[3].fd);
	if (listen_to(&l[3], arg) || listen_to(&l[16], arg) != -ENOSPC)
		return 103;
	for (i = 0; i < 16; i++)
		close(l[i].fd);
	for (i = 0; i < 40; i++) {
		if (listen_to(&l[0], arg))
			return 104;
		close(l[0].fd);
	}
	return 0;
}

TEST_F(bc, so_many)
{
	static struct bc_listener l[20];
	char a[96];
	int i;

	snprintf(a, sizeof(a), "%s/a", self->dir);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, give_away(a, USER));
	EXPECT_EQ(0, bc_in_child(too_many, a));
	EXPECT_EQ(0, bc_in_child(too_many, a));
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, listen_to(&l[i], a));
	for (i = 0; i < 20; i++)
		close(l[i].fd);
}

/* With the group goes what was subscribed to. The next one of that name is another one. */
TEST_F(bc, ends_with_the_group)
{
	static struct bc_listener l;
	struct bc_event ev;
	char a[96];

	snprintf(a, sizeof(a), "%s/a", self->dir);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, listen_to(&l, a));
	ASSERT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, next_is(&l, BC_CMD_REMOVED, a));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(a, "b"));
	EXPECT_EQ(0, bc_hear(&l, &ev, 300));
	/* The socket may have it then. */
	EXPECT_EQ(0, subscribe_on(l.fd, &l.genl, group_path(a)));
	ASSERT_EQ(0, bc_rmdir(a, "b"));
	EXPECT_EQ(1, bc_hear(&l, &ev, 30000));
	EXPECT_EQ(BC_CMD_REMOVED, ev.cmd);
	/* A group that somebody listens to can be removed, and those above. */
	ASSERT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, next_is(&l, BC_CMD_REMOVED, a));
	close(l.fd);
}

/* The sum is right, whatever was lost on the way. */
static void check_sum(struct __test_metadata *_metadata, struct bc_listener *l, const char *dir,
		      int expected)
{
	struct bc_event ev;
	int n = 0, ret;

	while ((ret = bc_hear(l, &ev, 500)) > 0)
		n++;
	EXPECT_EQ(0, ret);
	/* What there was no room to say is said before the next one. */
	EXPECT_EQ(0, bc_genl_buffer(l->fd, 64 << 20));
	EXPECT_EQ(0, bc_mkdir(dir, "last"));
	EXPECT_EQ(0, bc_rmdir(dir, "last"));
	/* Not in vain if some are missing: more of them come. */
	do {
		ret = bc_hear(l, &ev, n + (int)l->lost < expected + 2 ? 30000 : 500);
		n += ret > 0;
	} while (ret > 0);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(expected + 2, n + (int)l->lost) {
		TH_LOG("%d have come, %llu are lost, %u overruns", n, l->lost,
		       l->overruns);
	}
}

TEST_F_TIMEOUT(bc, losses, 600)
{
	static struct bc_listener l, l2;
	char a[96], b[96];
	int size = 4096;

	snprintf(a, sizeof(a), "%s/a", self->dir);
	snprintf(b, sizeof(b), "%s/b", self->dir);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(a, "numtasks/limit", "1"));
	ASSERT_EQ(0, bc_write(b, "numtasks/limit", "1"));
	ASSERT_EQ(0, listen_to(&l, a));
	ASSERT_EQ(0, listen_to(&l2, b));
	ASSERT_EQ(0, bc_genl_buffer(l2.fd, 64 << 20));

	/* A storm where nobody listens takes no room. */
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "1"));
	EXPECT_EQ(0, run_in(self->dir, bc_forks_refused, 1000));
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "max"));
	check_sum(_metadata, &l, a, 0);
	EXPECT_EQ(0, l.lost);

	/* Too small a buffer. The move is an event, too. */
	ASSERT_EQ(0, setsockopt(l.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	EXPECT_EQ(0, run_in(a, bc_forks_refused, 2000));
	bc_wait_overrun(&l);
	usleep(500000);
	check_sum(_metadata, &l, a, 2001);
	EXPECT_LT(0, l.overruns);
	EXPECT_LT(0, l.lost);
	/* Another one does not feel it. */
	check_sum(_metadata, &l2, b, 0);
	EXPECT_EQ(0, l2.lost);
	EXPECT_EQ(0, l2.overruns);

	/* A queue that is too small, perhaps. */
	EXPECT_EQ(0, run_in(b, bc_forks_refused, 2000));
	check_sum(_metadata, &l2, b, 2001);
	EXPECT_EQ(0, l2.overruns);
	close(l.fd);
	close(l2.fd);
}

/* So does one to a root, with its hierarchy; and nobody else hears of that. */
TEST_F(bc, ends_with_the_hierarchy)
{
	static struct bc_listener l, all;
	struct bc_event ev;
	char dir[96];
	long number;

	if (access(BC_HIERARCHIES, F_OK))
		SKIP(return, "no hierarchies in this kernel");
	snprintf(dir, sizeof(dir), BC_HIERARCHIES "/netlink%d", getpid());
	ASSERT_EQ(0, mkdir(dir, 0755));
	ASSERT_EQ(0, bc_mkdir(dir, "only_here"));
	for (number = 1; number < 16; number++) {
		if (!get_group(number, "/only_here", &one))
			break;
		dump_free(&one);
	}
	dump_free(&one);
	ASSERT_GT(16, number);
	ASSERT_EQ(0, bc_rmdir(dir, "only_here"));

	l.fd = open_genl(&l.genl);
	ASSERT_LE(0, l.fd);
	ASSERT_EQ(0, subscribe_in(l.fd, &l.genl, number, "/"));
	all.fd = open_genl(&all.genl);
	ASSERT_LE(0, all.fd);
	ASSERT_EQ(0, bc_genl_join(all.fd, &all.genl));
	ASSERT_EQ(0, rmdir(dir));
	ASSERT_EQ(1, bc_hear(&l, &ev, 30000));
	EXPECT_EQ(BC_CMD_REMOVED, ev.cmd);
	EXPECT_EQ(number, (long)ev.a.num[BC_A_HIERARCHY]);
	EXPECT_STREQ("/", ev.a.str[BC_A_GROUP_PATH]);
	/* It is over: another hierarchy with that number is none of ours. */
	ASSERT_EQ(0, mkdir(dir, 0755));
	ASSERT_EQ(0, bc_mkdir(dir, "a"));
	EXPECT_EQ(0, bc_hear(&l, &ev, 300));
	ASSERT_EQ(0, bc_rmdir(dir, "a"));
	ASSERT_EQ(0, rmdir(dir));
	while (bc_hear(&all, &ev, 300) > 0)
		EXPECT_STRNE("/", ev.a.str[BC_A_GROUP_PATH]);
	close(l.fd);
	close(all.fd);
}

/* More tasks than CPUs, so that who sends events gets late. */
static int storm(const char *dir, pid_t pids[3])
{
	int i;

	for (i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(bc_write(dir, "tasks", "0") || bc_opens_refused((void *)1000));
		if (pids[i] < 0)
			return -errno;
	}
	return 0;
}

static int storm_ends(const pid_t pids[3])
{
	int i, status, err = 0;

	for (i = 0; i < 3; i++) {
		if (waitpid(pids[i], &status, 0) != pids[i] || status)
			err = -EIO;
	}
	return err;
}

static int removals_lost(void *arg)
{
	static struct bc_listener l[16];
	struct bc_event ev;
	char b[96], g[96];
	int i, n = 0, err;
	pid_t pids[3];
	double end;

	snprintf(b, sizeof(b), "%s/b", (char *)arg);
	snprintf(g, sizeof(g), "%s/g", (char *)arg);
	bc_become(USER, USER);
	/* All but one of those that a user may have. */
	for (i = 0; i < 15; i++) {
		if (listen_to(&l[i], b))
			return 101;
	}
	l[15].fd = open_genl(&l[15].genl);
	if (l[15].fd < 0)
		return 102;
	for (i = 0; i < 4; i++) {
		if (bc_mkdir(arg, "g"))
			return 103;
		/* That of the last round ends when all that was queued has been sent. */
		end = bc_now() + 120;
		do
			err = subscribe_on(l[15].fd, &l[15].genl, group_path(g));
		while (err == -ENOSPC && bc_now() < end);
		if (err)
			return 104;
		if (storm(b, pids))
			return 105;
		usleep(200000 + i * 20000);
		if (bc_rmdir(arg, "g"))
			return 106;
		if (storm_ends(pids))
			return 107;
		end = bc_now() + 120;
		while (n + l[15].lost <= i && bc_now() < end) {
			if (bc_hear(&l[15], &ev, 100) > 0)
				n += ev.cmd == BC_CMD_REMOVED;
		}
		if (n + l[15].lost != i + 1)
			return 108;
	}
	printf("# %d of %d removals were heard of\n", n, i);
	return 0;
}

/* A subscription ends with its group, also when there was no room to say so. */
TEST_F_TIMEOUT(bc, end_is_lost, 900)
{
	char a[96], b[96];

	snprintf(a, sizeof(a), "%s/a", self->dir);
	snprintf(b, sizeof(b), "%s/a/b", self->dir);
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(a, "b"));
	ASSERT_EQ(0, bc_write(b, "numfiles/limit", "0"));
	ASSERT_EQ(0, give_away(a, USER));
	ASSERT_EQ(0, give_away(b, USER));
	EXPECT_EQ(0, run_in(a, removals_lost, (long)a));
}

/* Sockets that come and go, and groups, while things happen. */
static void subscribe_and_close(const char *dir)
{
	static struct bc_listener l;
	struct bc_event ev;
	int i;

	for (i = 0; i < 20; i++) {
		if (listen_to(&l, dir))
			continue;
		bc_hear(&l, &ev, i % 4);
		close(l.fd);
	}
}

static void make_and_remove(const char *dir)
{
	char path[PATH_MAX];

	mkdir(dir, 0755);
	bc_path(path, dir, "x");
	mkdir(path, 0755);
	run_in(dir, bc_forks_refused, 1);
	rmdir(path);
	rmdir(dir);
}

TEST_F(bc, subscription_race)
{
	double end = bc_end_time(10);
	pid_t pids[4];
	char a[96];
	int i;

	snprintf(a, sizeof(a), "%s/a", self->dir);
	pids[0] = bc_background(subscribe_and_close, a);
	pids[1] = bc_background(subscribe_and_close, self->dir);
	pids[2] = bc_background(make_and_remove, a);
	pids[3] = bc_background(subscribe_and_close, a);
	while (bc_now() < end)
		usleep(100000);
	for (i = 0; i < 4; i++)
		bc_reap(pids[i]);
	EXPECT_EQ(0, bc_remove(a));
}

/* The kernel's own client, which is generated. */
static const char *client(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);

	if (n < 0)
		return NULL;
	path[n] = '\0';
	strrchr(path, '/')[1] = '\0';
	strcat(path, "bc-ynl");
	return access(path, X_OK) ? NULL : path;
}

TEST_F(bc, ynl)
{
	char cmd[PATH_MAX], line[8192], want[256];
	FILE *f;

	if (!client())
		SKIP(return, "no bc-ynl: it takes python3 with yaml and jsonschema to make it");
	ASSERT_EQ(0, bc_write(self->dir, "numtasks/limit", "77"));
	snprintf(want, sizeof(want), "0 %ld %s ", bc_get(self->dir, "id"),
		 group_path(self->dir));
	for (int i = 0; i < 2; i++) {
		snprintf(cmd, sizeof(cmd), "%s %s %s", client(), i ? "get" : "dump",
			 group_path(self->dir));
		f = popen(cmd, "r");
		ASSERT_NE(NULL, f);
		ASSERT_NE(NULL, fgets(line, sizeof(line), f));
		EXPECT_EQ(0, strncmp(line, want, strlen(want)));
		EXPECT_NE(NULL, strstr(line, " numtasks items 0 0 0 77 77 0"));
		EXPECT_EQ(NULL, fgets(line, sizeof(line), f));
		EXPECT_EQ(0, pclose(f));
	}

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	snprintf(cmd, sizeof(cmd), "%s events %s/a", client(), group_path(self->dir));
	f = popen(cmd, "r");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_STREQ("ready\n", line);
	ASSERT_EQ(0, bc_rmdir(self->dir, "a"));
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_STREQ("removed\n", line);
	EXPECT_EQ(0, pclose(f));
	snprintf(cmd, sizeof(cmd), "%s dump /no/such 2>&1", client());
	f = popen(cmd, "r");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_NE(NULL, strstr(line, "there is no such group")) {
		TH_LOG("%s", line);
	}
	EXPECT_NE(0, pclose(f));
}

TEST_HARNESS_MAIN
