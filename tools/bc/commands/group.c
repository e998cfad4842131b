// SPDX-License-Identifier: GPL-2.0
/* bcctl create, delete, move. */
#include <time.h>
#include <unistd.h>

#include "bcctl.h"

static const char *create_hint(int err)
{
	switch (err) {
	case -ENOENT:
		return "-p makes what is above it, too";
	case -EACCES:
		return "root can give a directory away: see bcctl(8), DELEGATION";
	default:
		return NULL;
	}
}

static int cmd_create(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "parents", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct bc_group *group;
	bool parents = false;
	struct bc_settings s;
	struct bc *bc;
	int c, made, status;

	while ((c = next_option(argc, argv, "p", longs)) != -1)
		parents |= c == 'p';
	if (optind == argc)
		return usage("which group?");
	status = parse_settings(argv + optind + 1, argc - optind - 1, &s);
	if (status)
		return status;
	bc = open_bc();
	made = bc_create(bc, argv[optind], parents, &group);
	if (made < 0) {
		status = fail_bc(bc, create_hint(made));
	} else {
		if (set_all(group, &s)) {
			/* All that was asked for, or nothing. */
			status = fail_bc(bc, "the group is not made");
			bc_uncreate(group, made);
		}
		bc_group_close(group);
	}
	bc_settings_free(&s);
	bc_close(bc);
	return status;
}

const struct command create_command = {
	.name = "create",
	.run = cmd_create,
	.args = "[-p] GROUP [RESOURCE=VALUE]...",
	.summary = "Make a group, with limits",
	.help =
	"  -p, --parents   make the groups above it as well, if they are not there\n"
	"\n"
	"If a limit cannot be set, no group is made.\n",
};

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/**
 * struct deletion - what is asked for
 * @below: what is below, too
 * @kill: end its tasks
 * @timeout: for that, in ms
 * @end: when it is over
 */
struct deletion {
	bool below, kill;
	long timeout, end;
};

/* Nothing is to be gone when we find that something has to stay. */
static int check_empty(struct bc_group *group, int depth, void *arg)
{
	const struct deletion *del = arg;
	pid_t *ids;
	int n;

	if (depth && !del->below)
		return fail("cannot delete it: %s is below; -r deletes that, too",
			    bc_group_name(group));
	if (del->kill)
		return 0;
	n = bc_tasks(group, false, &ids);
	free(ids);
	if (n > 0)
		return fail("cannot delete %s: it has %d task%s; move them, or --kill ends them",
			    bc_group_name(group), n, n == 1 ? "" : "s");
	return n;
}

/* Zombies keep a group busy until their parents look. */
static int still_busy(struct bc_group *group, void *arg)
{
	const struct deletion *del = arg;
	char *zombies;
	int ret;

	if (del->kill && now_ms() < del->end) {
		ret = bc_kill(group);
		usleep(5000);
		return ret < 0 ? ret : 0;
	}
	zombies = zombies_of(group);
	if (zombies)
		fail("cannot delete %s: there is still %s", bc_group_name(group), zombies);
	else
		fail_bc(bc_group_bc(group), del->kill ? NULL :
			"--kill ends what is in there");
	free(zombies);
	return del->kill ? STATUS_TIMEOUT : STATUS_FAILED;
}

static int delete_one(struct bc *bc, const char *name, struct deletion *del)
{
	struct bc_group *group;
	int ret;

	if (bc_group_open(bc, name, &group))
		return fail_bc(bc, NULL);
	if (bc_group_is_root(group)) {
		ret = fail("cannot delete %s: a root stays%s", name,
			   bc_group_hierarchy(group)->number ?
			   "; rmdir in bc_hierarchies removes a hierarchy" : "");
		bc_group_close(group);
		return ret;
	}
	ret = bc_group_walk(group, check_empty, del);
	if (ret < 0)
		ret = fail_bc(bc, NULL);
	if (!ret && del->kill) {
		del->end = now_ms() + del->timeout;
		ret = bc_end(group, del->timeout);
		if (ret)
			fail_bc(bc, NULL);
		if (ret)
			ret = ret == -ETIME ? STATUS_TIMEOUT : STATUS_FAILED;
	}
	if (!ret) {
		ret = bc_remove_tree(group, still_busy, del);
		/* What still_busy() has to say, it has said. */
		if (ret < 0)
			ret = fail_bc(bc, NULL);
	}
	bc_group_close(group);
	return ret;
}

static int cmd_delete(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "recursive", no_argument, NULL, 'r' },
		{ "kill", no_argument, NULL, 'k' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct deletion del = { .timeout = 10000 };
	int c, ret, status = STATUS_OK;
	struct bc *bc;

	while ((c = next_option(argc, argv, "rkt:", longs)) != -1) {
		switch (c) {
		case 'r':
			del.below = true;
			break;
		case 'k':
			del.kill = true;
			break;
		case 't':
			del.timeout = seconds_arg("--timeout", optarg) * 1000;
			break;
		}
	}
	if (optind == argc)
		return usage("which group?");
	bc = open_bc();
	for (; optind < argc; optind++) {
		ret = delete_one(bc, argv[optind], &del);
		status = ret ?: status;
	}
	bc_close(bc);
	return status;
}

const struct command delete_command = {
	.name = "delete",
	.run = cmd_delete,
	.args = "[-r] [-k] [-t SEC] GROUP...",
	.summary = "Remove groups, with what is in them if asked for",
	.help =
	"  -r, --recursive     the groups below it as well\n"
	"  -k, --kill          end all tasks in it: no more forks (numtasks' limit is set\n"
	"                      to 0), SIGKILL, wait, remove\n"
	"  -t, --timeout SEC   how long to wait with --kill, 10; exit status 3 then\n"
	"\n"
	"A group with tasks, zombies included, or with groups in it stays as it is.\n",
};

static int cmd_move(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "threads", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct bc_group *group;
	bool threads = false;
	struct bc *bc;
	int c, i, status = STATUS_OK;
	const char *name;

	while ((c = next_option(argc, argv, "t", longs)) != -1)
		threads |= c == 't';
	if (argc - optind < 2)
		return usage(optind == argc ? "which group, and which process?" :
			     "which process?");
	name = argv[optind++];
	check_pids(argv + optind, argc - optind, threads);
	bc = open_bc();
	if (bc_group_open(bc, name, &group)) {
		status = fail_bc(bc, "'bcctl create' makes one");
		bc_close(bc);
		return status;
	}
	for (i = optind; i < argc; i++) {
		int err = bc_move(group, atoi(argv[i]), threads);

		if (err)
			status = fail_bc(bc, err == -EAGAIN ?
					 "'bcctl explain' tells which" : NULL);
	}
	bc_group_close(group);
	bc_close(bc);
	return status;
}

const struct command move_command = {
	.name = "move",
	.run = cmd_move,
	.args = "[-t] GROUP PID...",
	.summary = "Move processes, or threads, into a group",
	.help =
	"  -t, --threads   PID are single threads\n"
	"\n"
	"Each moves as a whole or stays. What can be moved is moved, also if another one\n"
	"cannot.\n",
};
