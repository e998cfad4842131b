// SPDX-License-Identifier: GPL-2.0
/*
 * Controllers that modules bring along: samples/bc/numtickets.ko comes and goes.
 */
#include "bc_failslab.h"
#include "bc_tickets.h"

/* Beside the test, or where it was built. */
static int open_module(void)
{
	static const char * const places[] = {
		"numtickets.ko", "../../../../samples/bc/numtickets.ko",
	};
	char exe[PATH_MAX], path[2 * PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;
	size_t i;
	int fd;

	if (len < 0)
		return -errno;
	exe[len] = '\0';
	slash = strrchr(exe, '/');
	*slash = '\0';
	for (i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s/%s", exe, places[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno != ENOENT)
			return -errno;
	}
	return -ENOENT;
}

static int load(void)
{
	int fd = open_module(), err;

	if (fd < 0)
		return fd;
	err = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return err;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "numtickets", O_NONBLOCK) ? -errno : 0;
}

/* The same once what was there has gone, which takes a moment. */
static int unload_settled(void)
{
	int err, i;

	for (i = 0; i < 500; i++) {
		err = unload();
		if (err != -EAGAIN)
			break;
		usleep(20000);
	}
	return err;
}

/* Is it in the list of all controllers? */
static bool listed(void)
{
	char *line = NULL;
	bool found = false;
	size_t len = 0;
	FILE *f = fopen("/proc/beancounters", "re");

	while (f && getline(&line, &len, f) > 0)
		found |= !strncmp(line, "numtickets\t", 11);
	free(line);
	if (f)
		fclose(f);
	return found;
}

static bool in_controllers(const char *dir)
{
	char text[1024];

	return !bc_read(dir, "controllers", text, sizeof(text)) &&
	       strstr(text, "numtickets");
}

FIXTURE(module) {
	char dir[64], hier[64];
	bool loaded;
};

FIXTURE_SETUP(module)
{
	int fd, err;

	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	fd = open_module();
	if (fd < 0)
		SKIP(return, "no numtickets.ko here: CONFIG_SAMPLE_BC=m");
	close(fd);
	if (bc_children(BC_ROOT, false) || bc_children(BC_HIERARCHIES, false))
		SKIP(return, "there are groups, or other hierarchies");
	/* Groups of the tests before live on while a CPU keeps a page of theirs. */
	bc_write("/proc/sys/vm", "drop_caches", "1");
	err = unload_settled();
	self->loaded = !err;
	if (err == -ENOENT)
		err = load() ?: unload();
	if (err == -ENOEXEC)
		SKIP(return, "numtickets.ko is another kernel's");
	ASSERT_EQ(0, err);
	snprintf(self->dir, sizeof(self->dir), BC_ROOT "/selftest-%d", getpid());
	bc_hierarchy(self->hier, sizeof(self->hier), 'm');
}

FIXTURE_TEARDOWN(module)
{
	if (!self->dir[0])
		return;
	bc_write(BC_ROOT, "tasks", "0");
	bc_remove(self->dir);
	EXPECT_EQ(0, bc_remove_hierarchy(self->hier));
	unload_settled();
	if (self->loaded)
		EXPECT_EQ(0, load());
}

TEST_F(module, come_and_go)
{
	int i, fd;
	char c;

	for (i = 0; i < 3; i++) {
		EXPECT_FALSE(listed());
		EXPECT_FALSE(in_controllers(BC_ROOT));
		EXPECT_EQ(-ENOENT, bc_get(BC_ROOT, "numtickets/held"));
		ASSERT_EQ(0, load());
		EXPECT_TRUE(listed());
		EXPECT_TRUE(in_controllers(BC_ROOT));
		EXPECT_EQ(0, bc_get(BC_ROOT, "numtickets/held"));
		fd = open(TICKETS, O_RDONLY);
		ASSERT_LE(0, fd);
		EXPECT_EQ(1, bc_get(BC_ROOT, "numtickets/held"));
		close(fd);

		/* A file that is open meanwhile is that of the one that was there. */
		fd = open(BC_ROOT "/numtickets/held", O_RDONLY);
		ASSERT_LE(0, fd);
		EXPECT_EQ(1, pread(fd, &c, 1, 0));
		EXPECT_EQ(0, unload_settled());
		EXPECT_EQ(-1, pread(fd, &c, 1, 0));
		EXPECT_EQ(ENOENT, errno);
		ASSERT_EQ(0, load());
		EXPECT_EQ(-1, pread(fd, &c, 1, 0));
		EXPECT_EQ(ENOENT, errno);
		EXPECT_EQ(0, bc_get(BC_ROOT, "numtickets/held"));
		EXPECT_EQ(0, unload_settled());
		close(fd);
	}
}

TEST_F(module, count)
{
	char leaf[96];

	ASSERT_EQ(0, load());
	ASSERT_EQ(0, mkdir(self->dir, 0755));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	bc_path(leaf, self->dir, "a");
	ASSERT_EQ(0, bc_write(self->dir, "numtickets/limit", "5"));
	EXPECT_EQ(5, bc_in_child(take_tickets, leaf));
	EXPECT_EQ(1, bc_get(self->dir, "numtickets/failcnt"));
	EXPECT_EQ(0, bc_settle(self->dir, "numtickets/held", 0));
	ASSERT_EQ(0, bc_write(leaf, "numtickets/limit", "2"));
	EXPECT_EQ(2, bc_in_child(take_tickets, leaf));
	EXPECT_EQ(1, bc_get(leaf, "numtickets/failcnt"));
	EXPECT_EQ(-EEXIST, bc_mkdir(self->dir, "numtickets"));
}

/* Not while there are groups that would not have it. */
TEST_F(module, busy)
{
	ASSERT_EQ(0, mkdir(self->dir, 0755));
	EXPECT_EQ(-EBUSY, load());
	EXPECT_FALSE(listed());
	EXPECT_EQ(-ENOENT, bc_get(BC_ROOT, "numtickets/held"));
	EXPECT_EQ(-ENOENT, bc_get(self->dir, "numtickets/held"));
	EXPECT_EQ(-1, open(TICKETS, O_RDONLY));
	/* A group may have its name as long as it is not there. */
	EXPECT_EQ(0, bc_mkdir(self->dir, "numtickets"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "numtickets"));
	ASSERT_EQ(0, rmdir(self->dir));

	ASSERT_EQ(0, mkdir(self->hier, 0755));
	EXPECT_EQ(-EBUSY, load());
	EXPECT_FALSE(listed());
	ASSERT_EQ(0, rmdir(self->hier));
	EXPECT_EQ(0, load());
	EXPECT_EQ(-EEXIST, load());
}

/* What is charged keeps the group, which keeps the module. */
TEST_F(module, stay)
{
	int fd, keep;

	ASSERT_EQ(0, load());
	ASSERT_EQ(0, mkdir(self->dir, 0755));
	EXPECT_EQ(-EAGAIN, unload());
	/* Something of another controller will do. */
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	fd = open(TICKETS, O_RDONLY);
	keep = open("/dev/null", O_RDONLY);
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
	ASSERT_LE(0, fd);
	ASSERT_LE(0, keep);
	EXPECT_EQ(1, bc_get(self->dir, "numtickets/held"));
	ASSERT_EQ(0, rmdir(self->dir));
	close(fd);
	usleep(300000);
	EXPECT_EQ(-EAGAIN, unload());
	EXPECT_TRUE(listed());
	close(keep);
	EXPECT_EQ(0, unload_settled());
	EXPECT_FALSE(listed());
}

TEST_F(module, bound)
{
	char group[96];
	const char *why;

	ASSERT_EQ(0, load());
	if (!bc_bindable(&why))
		SKIP(return, "%s", why);
	ASSERT_EQ(0, mkdir(self->hier, 0755));
	/* A hierarchy may have it any time. */
	EXPECT_EQ(-EAGAIN, unload());
	ASSERT_EQ(0, bc_write(self->hier, "controllers", "numtickets"));
	EXPECT_TRUE(in_controllers(self->hier));
	EXPECT_FALSE(in_controllers(BC_ROOT));
	EXPECT_EQ(0, bc_get(self->hier, "numtickets/held"));
	EXPECT_EQ(-ENOENT, bc_get(BC_ROOT, "numtickets/held"));
	ASSERT_EQ(0, bc_mkdir(self->hier, "g"));
	bc_path(group, self->hier, "g");
	ASSERT_EQ(0, bc_write(group, "numtickets/limit", "3"));
	EXPECT_EQ(3, bc_in_child(take_tickets, group));
	EXPECT_EQ(-EAGAIN, unload());
	EXPECT_EQ(0, bc_rmdir(self->hier, "g"));
	/* Back it goes. */
	ASSERT_EQ(0, bc_write(self->hier, "controllers", "\n"));
	EXPECT_EQ(0, bc_get(BC_ROOT, "numtickets/held"));
	ASSERT_EQ(0, bc_write(self->hier, "controllers", "numtickets"));
	ASSERT_EQ(0, rmdir(self->hier));
	EXPECT_EQ(0, bc_get(BC_ROOT, "numtickets/held"));
	EXPECT_EQ(0, unload_settled());
	EXPECT_FALSE(listed());
}

static int do_load(const char *dir)
{
	return load();
}

static void undo_load(const char *dir)
{
	unload_settled();
}

/* Neither the module nor its controller is there, and groups can be made. */
static bool not_loaded(const char *dir)
{
	return unload() == -ENOENT && !listed() && !in_controllers(BC_ROOT) &&
	       !mkdir(dir, 0755) && !rmdir(dir);
}

/* A module that cannot be loaded leaves no controller behind, nor half of one. */
TEST_F_TIMEOUT(module, memory, 1200)
{
	if (!bc_fail_set_up())
		SKIP(return, "no fault injection in this kernel");
	/* By this name, lab/check-log knows whose failures are on purpose. */
	prctl(PR_SET_NAME, "test_failslab");
	bc_fail_gap = 10;
	bc_fail_each(_metadata, do_load, undo_load, not_loaded, self->dir, "load");
	EXPECT_TRUE(not_loaded(self->dir));
}

/* There have to be times in which a module can be loaded, also where all is slow. */
static void pause_after(double start)
{
	usleep(20000 + 5000000 * (bc_now() - start));
}

static void make_groups(const char *dir)
{
	double start = bc_now();
	char leaf[96];
	int fd;

	bc_path(leaf, dir, "a");
	if (mkdir(dir, 0755))
		return;
	mkdir(leaf, 0755);
	bc_write(leaf, "tasks", "0");
	fd = open(TICKETS, O_RDONLY);
	bc_write(BC_ROOT, "tasks", "0");
	if (fd >= 0)
		close(fd);
	rmdir(leaf);
	rmdir(dir);
	pause_after(start);
}

static void make_hierarchies(const char *dir)
{
	double start = bc_now();

	mkdir(dir, 0755);
	bc_write(dir, "controllers", "numtickets");
	rmdir(dir);
	pause_after(start);
}

static void look(const char *dir)
{
	char buf[4096];

	bc_read("/proc", "beancounters", buf, sizeof(buf));
	bc_read(dir, "controllers", buf, sizeof(buf));
	bc_get(dir, "numtickets/held");
	bc_get(dir, "numtickets/limit");
}

/* It comes and goes while groups do. */
TEST_F(module, storm)
{
	double until = bc_end_time(5);
	int loaded = 0, gone = 0, err;
	pid_t pid[3];
	size_t i;

	pid[0] = bc_background(make_groups, self->dir);
	pid[1] = bc_background(make_hierarchies, self->hier);
	pid[2] = bc_background(look, BC_ROOT);
	while (bc_now() < until || (!loaded && bc_now() < until + 60)) {
		err = load();
		ASSERT_TRUE(!err || err == -EBUSY || err == -EEXIST) {
			TH_LOG("load: %s", strerror(-err));
		}
		loaded += !err;
		err = unload();
		ASSERT_TRUE(!err || err == -EAGAIN || err == -ENOENT) {
			TH_LOG("unload: %s", strerror(-err));
		}
		gone += !err;
	}
	for (i = 0; i < 3; i++)
		bc_reap(pid[i]);
	TH_LOG("loaded %d times, unloaded %d times", loaded, gone);
	EXPECT_LT(0, loaded);
	bc_remove(self->dir);
	bc_remove_hierarchy(self->hier);
	err = unload_settled();
	EXPECT_TRUE(!err || err == -ENOENT);
	EXPECT_FALSE(listed());
	EXPECT_EQ(0, load());
}

TEST_HARNESS_MAIN
