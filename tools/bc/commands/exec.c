// SPDX-License-Identifier: GPL-2.0
/* bcctl exec: run a program in a group. */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bcctl.h"

enum {
	STATUS_CANNOT_RUN = 126,
	STATUS_NOT_FOUND = 127,
};

/**
 * struct job - what is to be run
 * @argv: the program
 * @user: who to be in there, USER[:GROUP]; NULL for who we are
 * @uid, @gid: the same
 */
struct job {
	char **argv;
	const char *user;
	uid_t uid;
	gid_t gid;
};

/* Only if it is the one that we know: another one may have got the name. */
static int remove_same(struct bc_group *group, unsigned long long id)
{
	unsigned long long now;

	if (bc_group_id(group, &now) || now != id)
		return -ENOENT;
	return bc_remove(group);
}

/* Until one of the processes of the group ends, or nothing can be waited for. */
static bool wait_for_one(struct bc_group *group)
{
	struct pollfd *pfd;
	pid_t *ids;
	int n, i, nr = 0;

	n = bc_tasks(group, false, &ids);
	if (n <= 0)
		return false;
	/* Some are as good as all: it is looked at again. */
	if (n > 64)
		n = 64;
	pfd = calloc(n, sizeof(*pfd));
	for (i = 0; pfd && i < n; i++) {
		pfd[nr].fd = syscall(SYS_pidfd_open, ids[i], 0);
		pfd[nr].events = POLLIN;
		if (pfd[nr].fd >= 0)
			nr++;
	}
	if (nr)
		poll(pfd, nr, -1);
	for (i = 0; i < nr; i++)
		close(pfd[i].fd);
	free(pfd);
	free(ids);
	return nr;
}

/* All but these two, and what is standard. */
static void close_others(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	if (low > 3)
		close_range(3, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

/*
 * In a process of its own, which nobody who kills bcctl hits: when the other end of the
 * pipe is closed, wait until the group is empty, and remove it. A byte says that this is
 * done already.
 */
static void watch(struct bc_group *group, unsigned long long id, int fd)
{
	int delay = 10, null;
	ssize_t ret;
	char byte;

	setsid();
	signal(SIGHUP, SIG_IGN);
	null = open("/dev/null", O_RDWR);
	if (null >= 0) {
		/* Who reads what the program writes is not to wait for us. */
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
	}
	close_others(bc_group_fd(group), fd);
	if (chdir("/"))
		_exit(STATUS_FAILED);
	do {
		ret = read(fd, &byte, 1);
	} while (ret < 0 && errno == EINTR);
	if (ret > 0)
		_exit(STATUS_OK);
	for (;;) {
		int err = remove_same(group, id);

		/* Child groups may go as well, made by what runs in there. */
		if (err != -EBUSY && err != -ENOTEMPTY)
			_exit(err ? STATUS_FAILED : STATUS_OK);
		if (wait_for_one(group)) {
			delay = 10;
			continue;
		}
		/* Zombies, or groups: there is nothing to be waited for. */
		usleep(delay * 1000);
		if (delay < 1000)
			delay *= 2;
	}
}

/* The writing end of the pipe; -1 with errno set. */
static int start_watcher(struct bc_group *group, unsigned long long id)
{
	int fd[2], status, err = 0;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid == 0) {
		close(fd[1]);
		/* So that it is not a child of what bcctl is a child of. */
		pid = fork();
		if (pid)
			_exit(pid < 0 ? errno : 0);
		watch(group, id, fd[0]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		err = errno;
	else if (status)
		err = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
	close(fd[0]);
	if (!err)
		return fd[1];
	close(fd[1]);
	errno = err;
	return -1;
}

static int cannot_run(const char *name, const char *group)
{
	int err = errno;

	if (err == ENOENT)
		fail("cannot run '%s': there is no such program", name);
	else if (err == ENFILE)
		fail("cannot run '%s': too many open files, maybe a limit: see 'bcctl explain %s'",
		     name, group);
	else
		fail("cannot run '%s': %s", name, strerror(err));
	return err == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN;
}

/* What came first: who calls us sees the end that COMMAND has had. */
static int end_like(int status)
{
	struct rlimit no_core = { };

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	setrlimit(RLIMIT_CORE, &no_core);
	signal(WTERMSIG(status), SIG_DFL);
	fflush(NULL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

static pid_t child;

static void pass_on(int sig, siginfo_t *info, void *context)
{
	(void)context;
	/* What a terminal sends, it sends to both. */
	if (info->si_code <= 0 && child > 0)
		kill(child, sig);
}

static void pass_signals_on(void)
{
	static const int signals[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGCONT,
	};
	struct sigaction sa = { .sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

/* Remove the group after COMMAND; if others are left in it, the watcher will. */
static void clean_up(struct bc_group *group, unsigned long long id, int fd)
{
	struct timespec pause = { .tv_nsec = 10000000 };
	int i, err, n;
	pid_t *ids;

	/* If the watcher was killed; COMMAND, which is not to inherit that, is started. */
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < 30; i++) {
		err = remove_same(group, id);
		if (err != -EBUSY)
			break;
		/* Those that it has left may be about to be reaped. */
		n = bc_tasks(group, false, &ids);
		free(ids);
		if (n > 0 && i > 10)
			break;
		nanosleep(&pause, NULL);
	}
	if (!err || err == -ENOENT) {
		if (write(fd, "", 1) != 1)
			note("the watcher is gone");
	} else if (err == -EBUSY || err == -ENOTEMPTY) {
		note("%s is still in use; it is removed as soon as it is empty",
		     bc_group_name(group));
	} else {
		fail_bc(bc_group_bc(group), NULL);
	}
	close(fd);
}

/* Become the user, and the program. Returns an exit status if that cannot be. */
static int become(const struct job *job, struct bc_group *group)
{
	struct passwd *pw = job->user ? getpwuid(job->uid) : NULL;

	if (job->user && ((pw ? initgroups(pw->pw_name, job->gid) : setgroups(0, NULL)) ||
			  setgid(job->gid) || setuid(job->uid)))
		return fail("cannot run '%s' as %s: %s", job->argv[0], job->user,
			    strerror(errno));
	execvp(job->argv[0], job->argv);
	return cannot_run(job->argv[0], bc_group_name(group));
}

static int run_and_delete(struct bc_group *group, int made, const struct job *job)
{
	struct sigaction by_default = { .sa_handler = SIG_DFL }, chld;
	unsigned long long id;
	sigset_t all, old;
	int fd, status, err = 0;

	if (bc_group_id(group, &id))
		return fail_bc(bc_group_bc(group), NULL);
	/* Where it is ignored, nobody can be waited for. */
	sigaction(SIGCHLD, &by_default, &chld);
	fd = start_watcher(group, id);
	if (fd < 0) {
		status = fail("cannot start who removes %s afterwards: %s",
			      bc_group_name(group), strerror(errno));
		bc_uncreate(group, made);
		return status;
	}
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	child = fork();
	if (child == 0) {
		close(fd);
		sigaction(SIGCHLD, &chld, NULL);
		sigprocmask(SIG_SETMASK, &old, NULL);
		if (bc_move(group, 0, false))
			_exit(fail_bc(bc_group_bc(group), NULL));
		_exit(become(job, group));
	}
	if (child < 0) {
		status = fail("cannot fork: %s", strerror(errno));
		clean_up(group, id, fd);
		return status;
	}
	pass_signals_on();
	sigprocmask(SIG_SETMASK, &old, NULL);
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR) {
			err = errno;
			break;
		}
	}
	child = 0;
	clean_up(group, id, fd);
	if (err)
		return fail("cannot wait for '%s': %s", job->argv[0], strerror(err));
	return end_like(status);
}

static int run_here(struct bc_group *group, int made, const struct job *job)
{
	struct bc *bc = bc_group_bc(group);
	struct bc_group *home = NULL;
	char *spec;
	int status;

	/* Where to go back to; maybe it is not ours to go there. */
	if (!bc_task_group(bc, 0, bc_group_hierarchy(group), &spec)) {
		if (bc_group_open(bc, spec, &home))
			home = NULL;
		free(spec);
	}
	if (bc_move(group, 0, false)) {
		status = fail_bc(bc, NULL);
	} else {
		status = become(job, group);
		if (made && (!home || bc_move(home, 0, false)))
			made = 0;
	}
	if (made)
		bc_uncreate(group, made);
	bc_group_close(home);
	return status;
}

static int run(const char *name, bool creates, bool deletes, const struct bc_settings *s,
	       const struct job *job)
{
	struct bc *bc = open_bc();
	struct bc_group *group;
	int made = 0, err, status;

	err = creates ? bc_create(bc, name, true, &group) : bc_group_open(bc, name, &group);
	if (creates && err == -EEXIST)
		err = bc_group_open(bc, name, &group);
	else if (creates && err > 0)
		made = err;
	if (err < 0) {
		status = fail_bc(bc, err == -ENOENT ? "-c creates it" : NULL);
		bc_close(bc);
		return status;
	}
	if (deletes && bc_group_is_root(group)) {
		status = fail("cannot delete %s afterwards: a root stays", name);
	} else if (set_all(group, s)) {
		status = fail_bc(bc, NULL);
		bc_uncreate(group, made);
	} else if (deletes) {
		status = run_and_delete(group, made, job);
	} else {
		status = run_here(group, made, job);
	}
	bc_group_close(group);
	bc_close(bc);
	return status;
}

static int cmd_exec(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "create", no_argument, NULL, 'c' },
		{ "delete", no_argument, NULL, 'd' },
		{ "user", required_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	bool creates = false, deletes = false;
	struct job job = { };
	struct bc_settings s;
	int c, first, i, status;

	while ((c = next_option(argc, argv, "cdu:", longs)) != -1) {
		creates |= c == 'c';
		deletes |= c == 'd';
		if (c == 'u')
			job.user = optarg;
	}
	if (job.user && parse_owner(job.user, &job.uid, &job.gid))
		return usage("--user: there is no user or group '%s'", job.user);
	if (job.user && job.gid == (gid_t)-1)
		return usage("--user: of which group is %s? '%s:GROUP'", job.user, job.user);
	/* Settings, the group, "--", COMMAND. */
	first = optind;
	for (i = first; i < argc && strcmp(argv[i], "--"); i++)
		;
	if (i == argc && optind > 1 && !strcmp(argv[optind - 1], "--"))
		return usage("which group? It comes before '--'");
	if (i == argc)
		return usage("there is no '--' before the program to run");
	if (i == first)
		return usage("which group?");
	if (i + 1 == argc)
		return usage("which program?");
	status = parse_settings(argv + first, i - 1 - first, &s);
	if (status)
		return status;
	job.argv = argv + i + 1;
	status = run(argv[i - 1], creates, deletes, &s, &job);
	bc_settings_free(&s);
	return status;
}

const struct command exec_command = {
	.name = "exec",
	.run = cmd_exec,
	.args = "[-c] [-d] [-u USER] [RESOURCE=VALUE]... GROUP -- COMMAND [ARGUMENT]...",
	.summary = "Run a program in a group",
	.help =
	"  -c, --create   make the group, and those above it, if it is not there\n"
	"  -d, --delete   remove the group when COMMAND and all that it has started have\n"
	"                 ended, also if bcctl is killed before that\n"
	"  -u, --user USER[:GROUP]\n"
	"                 be that user, but not before it is in the group\n"
	"\n"
	"The exit status is that of COMMAND; 126 if it cannot be run, 127 if there is no\n"
	"such program; 1 and 2 if bcctl fails before that. Signals are passed on.\n",
};
