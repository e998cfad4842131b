/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that does something when it is told to. What it is told and answers is in
 * memory that is shared, so that nothing is allocated in the kernel on that account.
 */
#ifndef BC_KMEM_H
#define BC_KMEM_H

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>

#include "bc_util.h"

typedef int (*bc_string)(long arg);

/**
 * struct bc_strings - what it is told
 * @fn: what to do; NULL when that has been done
 * @arg: with what
 * @ret: what came of it
 * @stop: no more of what takes long
 */
struct bc_strings {
	bc_string fn;
	long arg;
	int ret;
	bool stop;
};

/**
 * struct bc_servant - the process
 * @pid: the process
 * @shared: between it and us
 */
struct bc_servant {
	pid_t pid;
	struct bc_strings *shared;
};

enum {
	BC_SERVANT_SECONDS = 60,
};

/* In the process: its own. */
static struct bc_strings *bc_strings;

static inline bool bc_told_to_stop(void)
{
	return __atomic_load_n(&bc_strings->stop, __ATOMIC_RELAXED);
}

static inline bc_string bc_told(struct bc_strings *shared)
{
	return __atomic_load_n(&shared->fn, __ATOMIC_ACQUIRE);
}

static inline void bc_nap(void)
{
	struct timespec ts = { .tv_nsec = 200000 };

	nanosleep(&ts, NULL);
}

/* Start one, in the root group. */
static inline struct bc_servant bc_servant_start(void)
{
	struct bc_servant p = { .pid = -1 };
	bc_string fn;

	p.shared = mmap(NULL, sizeof(*p.shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p.shared == MAP_FAILED)
		return p;
	memset(p.shared, 0, sizeof(*p.shared));
	p.pid = fork();
	if (p.pid)
		return p;
	bc_die_with_parent();
	bc_strings = p.shared;
	for (;;) {
		while (!bc_told(p.shared))
			bc_nap();
		fn = bc_told(p.shared);
		p.shared->ret = fn(p.shared->arg);
		__atomic_store_n(&p.shared->fn, NULL, __ATOMIC_RELEASE);
	}
}

static inline void bc_servant_tell(struct bc_servant p, bc_string fn, long arg)
{
	p.shared->stop = false;
	p.shared->arg = arg;
	__atomic_store_n(&p.shared->fn, fn, __ATOMIC_RELEASE);
}

static inline void bc_servant_stop(struct bc_servant p)
{
	__atomic_store_n(&p.shared->stop, true, __ATOMIC_RELAXED);
}

/* What it says, or -ETIMEDOUT: it hangs, or -ESRCH: it is dead. */
static inline int bc_servant_answer(struct bc_servant p)
{
	double end = bc_now() + BC_SERVANT_SECONDS;
	siginfo_t info = { };

	while (bc_told(p.shared)) {
		if (bc_now() > end)
			return -ETIMEDOUT;
		waitid(P_PID, p.pid, &info, WEXITED | WNOWAIT | WNOHANG);
		if (info.si_pid)
			return -ESRCH;
		bc_nap();
	}
	return p.shared->ret;
}

static inline int bc_servant_do(struct bc_servant p, bc_string fn, long arg)
{
	bc_servant_tell(p, fn, arg);
	return bc_servant_answer(p);
}

static inline int bc_servant_move(struct bc_servant p, const char *dir)
{
	return bc_write(dir, "tasks", "%d", p.pid);
}

static inline void bc_servant_kill(struct bc_servant p)
{
	bc_reap(p.pid);
	munmap(p.shared, sizeof(*p.shared));
}

static inline int bc_do_fork(long arg)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return -errno;
	waitpid(pid, &status, 0);
	return status ? -ECHILD : 0;
}

/* A number when it does not change any more: what is freed late has been freed. */
static inline long bc_calm(const char *dir, const char *file)
{
	return bc_rest(dir, file, 4);
}

/* A number when it is at most @most: what is freed late has been freed. */
static inline long bc_settle_below(const char *dir, const char *file, long most)
{
	long val;
	int i;

	for (i = 0; i < 500; i++) {
		val = bc_get(dir, file);
		if (val <= most)
			break;
		usleep(20000);
	}
	return val;
}

#endif /* BC_KMEM_H */
