// SPDX-License-Identifier: GPL-2.0
/*
 * Operations as a person would type them. $w1 is the id of worker 1, which is a process
 * that does what it is told; the shell is in the root group.
 */
#include <stdio.h>
#include <string.h>

#include "model.h"

/* From the first group of the hierarchy: "a/b", or "." for that one. */
void place_path(char *path, size_t size, int place)
{
	static const char * const name[NR_PLACES] = {
		".", "a", "b", "a/a", "a/b", "b/a", "b/b",
	};

	snprintf(path, size, "%s", place == ROOT ? "/" : name[place]);
}

static const char * const lock_type[] = { "UN", "SH", "EX" };
static const char * const range_type[] = { "UNLCK", "RDLCK", "WRLCK" };

/* What is written to a file of a group. */
static void print_write(const struct model *m, const struct op *op, const char *place)
{
	static const char * const file[NR_OPS] = {
		[OP_LIMIT] = "limit",
		[OP_BARRIER] = "barrier",
		[OP_RESET_MAX] = "maxheld",
		[OP_RESET_MIN] = "minheld",
	};
	int res = op->arg[0];
	char text[24] = "0";

	if (op->kind == OP_LIMIT || op->kind == OP_BARRIER) {
		long amount = model_amount(m, op);

		if (amount == LONG_MAX)
			snprintf(text, sizeof(text), "max");
		else
			snprintf(text, sizeof(text), "%ld", amount);
	}
	printf("echo %s > $h%d/%s/%s/%s", text, m->hierarchy_of[res], place,
	       resource_names[res],
	       op->kind != OP_WRITE_HELD ? file[op->kind] : op->arg[2] ? "failcnt" : "held");
}

static void print_move(const struct op *op)
{
	char place[16];

	place_path(place, sizeof(place), op->arg[2]);
	printf("echo $w%d", op->arg[0]);
	if (op->kind == OP_MOVE_THREAD && op->arg[3])
		printf("t%d", op->arg[3]);
	if (op->arg[2] == ROOT)
		printf(" > $h%d/..", op->arg[1]);
	else
		printf(" > $h%d/%s", op->arg[1], place);
	printf("/%s", op->kind == OP_MOVE ? "tasks" : "threads");
}

/* What a worker does. */
static void print_work(const struct op *op)
{
	const short *a = op->arg;
	const char *cloexec = a[2] ? ", O_CLOEXEC" : "";

	printf("worker %d: ", a[0]);
	switch (op->kind) {
	case OP_EXEC:
		printf("execve(\"/proc/self/exe\")");
		break;
	case OP_FORK:
		printf("w%d = fork()", a[1]);
		break;
	case OP_THREAD:
		printf("w%dt%d = clone(CLONE_THREAD)", a[0], a[1]);
		break;
	case OP_THREAD_END:
		printf("thread %d: exit()", a[1]);
		break;
	case OP_ACT:
		printf("thread %d does all that follows", a[1]);
		break;
	case OP_DROP_CAPS:
		printf("capset(none)");
		break;
	case OP_SETUID:
		printf("setresuid(user), of this thread");
		break;
	case OP_OPEN:
		printf("fd%d = open(\"/dev/null\"%s)", a[1], cloexec);
		break;
	case OP_OPEN_PATH:
		printf("fd%d = open(\"file%d\", O_RDWR%s)", a[1], a[3], cloexec);
		break;
	case OP_TCP:
		printf("fd%d = socket(AF_INET, SOCK_STREAM%s)", a[1], cloexec);
		break;
	case OP_UDP:
		printf("fd%d = socket(AF_INET, SOCK_DGRAM%s)", a[1], cloexec);
		break;
	case OP_PTY:
		printf("fd%d = open(\"/dev/ptmx\"%s)", a[1], cloexec);
		break;
	case OP_INOTIFY:
		printf("fd%d = inotify_init1(0%s)", a[1], cloexec);
		break;
	case OP_MEMFD:
		printf("fd%d = memfd_create(0%s)", a[1], cloexec);
		break;
	case OP_PAIR:
		printf("fd%d, fd%d = socketpair(AF_UNIX, SOCK_STREAM%s)", a[1], a[3], cloexec);
		break;
	case OP_DUP:
		printf("fd%d = dup(fd%d%s)", a[1], a[3], cloexec);
		break;
	case OP_CLOSE:
		printf("close(fd%d)", a[1]);
		break;
	case OP_SEND:
		printf("sendmsg(mail, SCM_RIGHTS, fd%d)", a[1]);
		break;
	case OP_RECEIVE:
		printf("fd%d = recvmsg(mail, SCM_RIGHTS%s)", a[1], cloexec);
		break;
	case OP_FALLOCATE:
		printf("fallocate(fd%d, 0, %d pages)", a[1], a[2]);
		break;
	case OP_WATCH:
		printf("inotify_add_watch(fd%d, \"file%d\")", a[1], a[2]);
		break;
	case OP_UNWATCH:
		printf("inotify_rm_watch(fd%d, \"file%d\")", a[1], a[2]);
		break;
	case OP_FLOCK:
		printf("flock(fd%d, LOCK_%s)", a[1], lock_type[a[2]]);
		break;
	case OP_POSIX:
	case OP_OFD:
		printf("fcntl(fd%d, F_%sSETLK, F_%s, byte %d)", a[1],
		       op->kind == OP_OFD ? "OFD_" : "", range_type[a[2]], 2 * a[3]);
		break;
	case OP_TIMER:
		printf("timer%d = timer_create()", a[1]);
		break;
	case OP_TIMER_END:
		printf("timer_delete(timer%d)", a[1]);
		break;
	case OP_TAKE_SIGNAL:
		if (a[1] == NR_SIGNALS - 1)
			printf("sigtimedwait(SIGUSR1)");
		else
			printf("sigtimedwait(SIGRTMIN+%d)", a[1]);
		break;
	case OP_MAP:
		printf("map%d = mmap(%d pages, MAP_PRIVATE%s)", a[1], a[2],
		       a[3] ? " | MAP_LOCKED" : "");
		break;
	case OP_MAP_SHARED:
		printf("map%d = mmap(%d pages, MAP_SHARED)", a[1], a[2]);
		break;
	case OP_UNMAP:
		printf("munmap(map%d)", a[1]);
		break;
	case OP_PROTECT:
		printf("mprotect(map%d, PROT_READ%s)", a[1], a[2] ? " | PROT_WRITE" : "");
		break;
	case OP_LOCK:
		printf("mlock(map%d)", a[1]);
		break;
	case OP_UNLOCK:
		printf("munlock(map%d)", a[1]);
		break;
	}
}

/**
 * print_op - print a line for an operation
 * @m: the model, before it
 * @op: the operation
 * @expected: what it is to return
 */
void print_op(const struct model *m, const struct op *op, long expected)
{
	const short *a = op->arg;
	char place[16];

	place_path(place, sizeof(place), a[1]);
	printf("# ");
	switch (op->kind) {
	case OP_MKDIR:
		printf("mkdir $h%d/%s", a[0], place);
		break;
	case OP_RMDIR:
		printf("rmdir $h%d/%s", a[0], place);
		break;
	case OP_LIMIT ... OP_WRITE_HELD:
		print_write(m, op, place);
		break;
	case OP_CHOWN:
		printf("chown user $h%d/%s $h%d/%s/tasks $h%d/%s/threads", a[0], place, a[0],
		       place, a[0], place);
		break;
	case OP_USER:
		printf("%s does what follows in $h0 and $h1", a[0] ? "user" : "root");
		break;
	case OP_UNSHARE:
		printf("sysctl kernel.bc_clone_on_unshare=1; ");
		printf("worker %d: unshare(CLONE_NEWUTS), its group is $h0/%s", a[0], place);
		break;
	case OP_START:
		printf("start worker %d in the root", a[0]);
		break;
	case OP_KILL:
		printf("kill -KILL $w%d, after its children", a[0]);
		break;
	case OP_REAP:
		if (m->proc[a[0]].parent == ROOT)
			printf("wait $w%d", a[0]);
		else
			printf("worker %d: waitpid(w%d)", m->proc[a[0]].parent, a[0]);
		break;
	case OP_MOVE:
	case OP_MOVE_THREAD:
		print_move(op);
		break;
	case OP_SIGNAL:
		if (a[1] == NR_SIGNALS - 1)
			printf("kill -USR1 $w%d", a[0]);
		else
			printf("sigqueue($w%d, SIGRTMIN+%d)", a[0], a[1]);
		break;
	default:
		print_work(op);
	}
	if (expected)
		printf("\t# %s", strerror(-expected));
	printf("\n");
}
