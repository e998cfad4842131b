/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes that do system calls on their own memory when they are told to, and what the
 * kernel says of that memory. They are forked from the test, so that an address of a
 * string is good in both; who tells them is in no group.
 */
#ifndef BC_MM_H
#define BC_MM_H

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/resource.h>

#include "bc_util.h"

#define BC_PAGE 4096UL

/* So many processes at once. */
#define BC_NR_PUPPETS 8

/* What they can do besides system calls. */
enum {
	BC_CALL_FORK = -1,	/* another one, arg[0], that goes on from here */
	BC_CALL_EXEC = -2,	/* the test's program again */
	BC_CALL_TOUCH = -3,	/* write to a page: 0, or the process is gone */
	BC_CALL_VFORK = -4,	/* the same as fork, in the same memory */
	BC_CALL_STORM = -5,	/* map and unmap arg[0] pages until told otherwise */
	BC_CALL_FILL = -6,	/* write to arg[1] pages from arg[0] on */
	BC_CALL_CHECK = -7,	/* in how many of them is something else now? */
};

/**
 * struct bc_call - what is to be done
 * @nr: a number of a system call, or one of the above
 * @arg: its arguments
 * @fail: which of the allocations on the way is to fail, see bc_failslab.h; 0 for none
 */
struct bc_call {
	long nr;
	long arg[6];
	int fail;
};

/**
 * struct bc_puppet - one of these processes
 * @pid: its id, 0 if there is none
 * @fd: it reads from the second one
 */
struct bc_puppet {
	pid_t pid;
	int fd[2];
};

static struct bc_puppet bc_puppets[BC_NR_PUPPETS];

static void bc_puppet_loop(int i);

static int bc_puppet_child(void *arg)
{
	bc_puppet_loop((long)arg);
	return 0;
}

/* Until there is something to read. */
static inline void bc_puppet_storm(int fd, size_t pages)
{
	struct timeval now = { };
	char *p;
	fd_set set;

	do {
		p = mmap(NULL, pages * BC_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p != MAP_FAILED) {
			mprotect(p, BC_PAGE, PROT_NONE);
			munmap(p, pages * BC_PAGE);
		}
		FD_ZERO(&set);
		FD_SET(fd, &set);
	} while (!select(fd + 1, &set, NULL, NULL, &now));
}

/* What belongs into a page. */
static inline void bc_puppet_fill(long addr, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++, addr += BC_PAGE)
		__atomic_store_n((long *)addr, addr, __ATOMIC_RELAXED);
}

static inline long bc_puppet_check(long addr, size_t pages)
{
	long bad = 0;
	size_t i;

	for (i = 0; i < pages; i++, addr += BC_PAGE)
		bad += __atomic_load_n((long *)addr, __ATOMIC_RELAXED) != addr;
	return bad;
}

static inline void bc_puppet_fail(int fd, int n)
{
	char buf[16];

	if (fd >= 0 && pwrite(fd, buf, snprintf(buf, sizeof(buf), "%d", n), 0) < 0)
		_exit(1);
}

static long bc_puppet_do(int i, const struct bc_call *call)
{
	const long *a = call->arg;
	static long stack[BC_NR_PUPPETS][2048];
	char number[16], *argv[] = { "puppet", "bc-puppet", number, NULL };
	int fd = call->fail ? open("/proc/thread-self/fail-nth", O_RDWR) : -1;
	long ret;

	bc_puppet_fail(fd, call->fail);
	switch (call->nr) {
	case BC_CALL_FORK:
		ret = fork();
		if (!ret) {
			bc_die_with_parent();
			bc_puppet_loop(a[0]);
		}
		break;
	case BC_CALL_VFORK:
		/* Shares the memory, but not, as vfork(2) has it, our time. */
		ret = clone(bc_puppet_child, stack[a[0]] + 2048,
			    CLONE_VM | SIGCHLD, (void *)a[0]);
		break;
	case BC_CALL_EXEC:
		snprintf(number, sizeof(number), "%d", i);
		ret = execv("/proc/self/exe", argv);
		break;
	case BC_CALL_TOUCH:
		__atomic_store_n((char *)a[0], 1, __ATOMIC_RELAXED);
		ret = 0;
		break;
	case BC_CALL_FILL:
		bc_puppet_fill(a[0], a[1]);
		ret = 0;
		break;
	case BC_CALL_CHECK:
		ret = bc_puppet_check(a[0], a[1]);
		break;
	case BC_CALL_STORM:
		bc_puppet_storm(bc_puppets[i].fd[1], a[0]);
		ret = 0;
		break;
	default:
		ret = syscall(call->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	ret = ret == -1 ? -errno : ret;
	bc_puppet_fail(fd, 0);
	close(fd);
	return ret;
}

/* As much of the stack as is ever needed: a limit may be in its way later. */
static inline void bc_puppet_stack(void)
{
	char stack[65536];
	size_t n;

	for (n = 0; n < sizeof(stack); n += BC_PAGE)
		__atomic_store_n(&stack[n], 1, __ATOMIC_RELAXED);
}

/* Reads and answers without anything from the heap. Never returns. */
static void bc_puppet_loop(int i)
{
	int fd = bc_puppets[i].fd[1];
	struct bc_call call;
	long ret;

	while (read(fd, &call, sizeof(call)) == sizeof(call)) {
		ret = bc_puppet_do(i, &call);
		if (write(fd, &ret, sizeof(ret)) != sizeof(ret))
			break;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	_exit(0);
}

/* After an exec: the descriptors are where they were, by number. */
__attribute__((constructor(101)))
static void bc_puppet_main(int argc, char **argv)
{
	long ret = 0;
	int i;

	if (argc != 3 || strcmp(argv[1], "bc-puppet"))
		return;
	bc_die_with_parent();
	bc_puppet_stack();
	for (i = 0; i < BC_NR_PUPPETS; i++)
		bc_puppets[i].fd[1] = 100 + i;
	i = atoi(argv[2]);
	if (write(bc_puppets[i].fd[1], &ret, sizeof(ret)) == sizeof(ret))
		bc_puppet_loop(i);
	_exit(1);
}

/* Is it dead? Perhaps nobody has reaped it. */
static inline bool bc_is_gone(pid_t pid)
{
	char state = bc_state(pid);

	return state == 'X' || state == 'Z';
}

/* Tell one what to do, without waiting for the answer. */
static inline int bc_call_send(int i, const struct bc_call *call)
{
	return write(bc_puppets[i].fd[0], call, sizeof(*call)) == sizeof(*call) ?
	       0 : -EPIPE;
}

/* What it answers; -EPIPE if it is gone. We have its end of the socket open, too. */
static inline long bc_call_answer(int i)
{
	struct bc_puppet *p = &bc_puppets[i];
	bool gone = false;
	long ret;

	for (;;) {
		if (recv(p->fd[0], &ret, sizeof(ret), MSG_DONTWAIT) == sizeof(ret))
			return ret;
		if (gone)
			return -EPIPE;
		/* It may have answered before. */
		gone = bc_is_gone(p->pid);
		if (!gone)
			poll(&(struct pollfd){ p->fd[0], POLLIN }, 1, 50);
	}
}

/* A system call, or one of the above, with at least one argument. */
#define bc_call(i, n, ...) \
	bc_call_now((i), &(struct bc_call){ .nr = (n), .arg = { __VA_ARGS__ } })

static inline long bc_call_now(int i, const struct bc_call *call)
{
	return bc_call_send(i, call) ?: bc_call_answer(i);
}

/* The sockets for all of them; numbers that stay the same over an exec. */
static inline int bc_puppets_init(void)
{
	int i, fd[2];

	for (i = 0; i < BC_NR_PUPPETS; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd) ||
		    dup2(fd[1], 100 + i) < 0)
			return -errno;
		close(fd[1]);
		bc_puppets[i] = (struct bc_puppet){ .fd = { fd[0], 100 + i } };
	}
	/* Who writes to one that has died is to be told so. */
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* The first one, or another one that is our child. Its memory is a copy of ours. */
static inline int bc_puppet_start(int i)
{
	pid_t pid = fork();

	if (!pid) {
		bc_die_with_parent();
		bc_puppet_stack();
		bc_puppet_loop(i);
	}
	bc_puppets[i].pid = pid;
	return pid < 0 ? -errno : 0;
}

/* The group for a test, and the first one in it. */
static inline int bc_set_up_puppet(char *dir, size_t size)
{
	int err = bc_set_up(dir, size);

	err = err ?: bc_puppets_init();
	err = err ?: bc_puppet_start(0);
	return err ?: bc_write(dir, "tasks", "%d", bc_puppets[0].pid);
}

/* Let one make another one. */
static inline int bc_puppet_fork(int from, int i, int how)
{
	long ret = bc_call(from, how, i);

	if (ret > 0)
		bc_puppets[i].pid = ret;
	return ret < 0 ? ret : 0;
}

static inline long bc_puppet_exec(int i)
{
	return bc_call(i, BC_CALL_EXEC, 0);
}

static inline void bc_puppet_kill(int i)
{
	char c[64];
	int n;

	if (bc_puppets[i].pid <= 0)
		return;
	kill(bc_puppets[i].pid, SIGKILL);
	/* Then its memory has gone. If it is not ours, somebody else reaps it. */
	for (n = 0; n < 5000 && !bc_is_gone(bc_puppets[i].pid); n++)
		usleep(1000);
	waitpid(bc_puppets[i].pid, NULL, WNOHANG);
	bc_puppets[i].pid = 0;
	/* What it has not read, and what nobody wanted to know. */
	while (recv(bc_puppets[i].fd[1], c, sizeof(c), MSG_DONTWAIT) > 0)
		;
	while (recv(bc_puppets[i].fd[0], c, sizeof(c), MSG_DONTWAIT) > 0)
		;
}

static inline void bc_puppets_kill(void)
{
	int i;

	for (i = BC_NR_PUPPETS - 1; i >= 0; i--)
		bc_puppet_kill(i);
}

/* The kernel's own count of a process's memory, in pages. */
struct bc_vm {
	long data;	/* VmData + VmStk: what privvmpages counts */
	long locked;	/* VmLck */
};

static inline int bc_vm(pid_t pid, struct bc_vm *vm)
{
	char path[32], line[128];
	long kb;
	FILE *f;

	*vm = (struct bc_vm){ };
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmData: %ld", &kb) == 1 ||
		    sscanf(line, "VmStk: %ld", &kb) == 1)
			vm->data += kb * 1024 / BC_PAGE;
		if (sscanf(line, "VmLck: %ld", &kb) == 1)
			vm->locked += kb * 1024 / BC_PAGE;
	}
	fclose(f);
	return 0;
}

/* Mapped anonymous memory of one's own. */
static inline long bc_puppet_map(int i, long addr, size_t pages, int prot, int flags)
{
	return bc_call(i, SYS_mmap, addr, pages * BC_PAGE, prot,
		       MAP_ANONYMOUS | flags, -1, 0);
}

#define BC_RW (PROT_READ | PROT_WRITE)

#endif /* BC_MM_H */
