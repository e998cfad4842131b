/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that makes and drops things which are charged, when it is told to. What
 * it is told and answers goes over a socket from outside all groups, so that a group
 * holds nothing but what the test is about.
 */
#ifndef BC_WORKER_H
#define BC_WORKER_H

#include <linux/keyctl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <time.h>

#include "bc_util.h"

/**
 * struct bc_kind - something that is charged
 * @resource: to which controller
 * @error: what making one fails with when there is no room
 * @make: make one. A handle for it, or -errno.
 * @drop: drop it
 */
struct bc_kind {
	const char *resource;
	int error;
	int (*make)(void);
	void (*drop)(int handle);
};

static inline int bc_fd(int fd)
{
	return fd < 0 ? -errno : fd;
}

static inline void bc_close(int fd)
{
	close(fd);
}

static inline int bc_make_file(void)
{
	return bc_fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

/* Send a file over a UNIX socket. */
static inline int bc_send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "", c = 0;
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

static inline int bc_make_inotify(void)
{
	return bc_fd(inotify_init1(IN_CLOEXEC));
}

static int bc_instance;

static inline void bc_watched_path(char *path, size_t size, int wd)
{
	snprintf(path, size, "/tmp/bc-watch-%d-%d", getpid(), wd);
}

static inline int bc_make_watch(void)
{
	char path[64], name[64];
	int wd;

	bc_watched_path(path, sizeof(path), 0);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	wd = bc_fd(inotify_add_watch(bc_instance, path, IN_MODIFY));
	if (wd < 0) {
		unlink(path);
		return wd;
	}
	bc_watched_path(name, sizeof(name), wd);
	rename(path, name);
	return wd;
}

static inline void bc_drop_watch(int wd)
{
	char path[64];

	inotify_rm_watch(bc_instance, wd);
	bc_watched_path(path, sizeof(path), wd);
	unlink(path);
}

/* Bytes of one file, of which no two are neighbours. */
static int bc_lock_fd;
static unsigned char bc_locked[1024];

static inline int bc_setlk(int type, off_t start, off_t len)
{
	struct flock fl = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len,
	};

	return fcntl(bc_lock_fd, F_OFD_SETLK, &fl) ? -errno : 0;
}

static inline int bc_open_tmp(void)
{
	char path[] = "/tmp/bc-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	unlink(path);
	return fd;
}

static inline int bc_make_lock(void)
{
	int i = 0, err;

	while (bc_locked[i])
		i++;
	err = bc_setlk(F_WRLCK, 2 * i, 1);
	if (err)
		return err;
	bc_locked[i] = 1;
	return i;
}

static inline void bc_drop_lock(int i)
{
	bc_setlk(F_UNLCK, 2 * i, 1);
	bc_locked[i] = 0;
}

static inline int bc_make_pty(void)
{
	return bc_fd(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
}

static inline long bc_keyctl(int cmd, long a, long b)
{
	return syscall(SYS_keyctl, cmd, a, b, 0, 0);
}

static inline int bc_make_key(void)
{
	static int n;
	char desc[64];
	int key;

	snprintf(desc, sizeof(desc), "bc-%d-%d", getpid(), n++);
	key = syscall(SYS_add_key, "user", desc, "x", 1, KEY_SPEC_PROCESS_KEYRING);
	return bc_fd(key);
}

static inline void bc_drop_key(int key)
{
	bc_keyctl(KEYCTL_UNLINK, key, KEY_SPEC_PROCESS_KEYRING);
}

/* Each has a number of its own, so that it can be told from the others. */
static bool bc_queued[_NSIG];

static inline int bc_make_signal(void)
{
	union sigval val = { };
	int sig = SIGRTMIN;

	while (bc_queued[sig])
		sig++;
	if (sigqueue(getpid(), sig, val))
		return -errno;
	bc_queued[sig] = true;
	return sig;
}

static inline void bc_drop_signal(int sig)
{
	struct timespec now = { };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	if (sigtimedwait(&set, NULL, &now) == sig)
		bc_queued[sig] = false;
}

/* Which of the two it is depends on the address family and the kernel's version. */
static inline int bc_no_memory(int fd)
{
	return fd == -ENOBUFS ? -ENOMEM : fd;
}

static inline int bc_make_tcp(void)
{
	return bc_no_memory(bc_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
}

static inline int bc_make_unix(void)
{
	return bc_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static const struct bc_kind bc_file = {
	"numfiles", -ENFILE, bc_make_file, bc_close
};

static const struct bc_kind bc_inotify = {
	"numinotify", -EMFILE, bc_make_inotify, bc_close
};

static const struct bc_kind bc_watch = {
	"numwatches", -ENOSPC, bc_make_watch, bc_drop_watch
};

static const struct bc_kind bc_lock = {
	"numflock", -ENOLCK, bc_make_lock, bc_drop_lock
};

static const struct bc_kind bc_pty = {
	"numpty", -ENOSPC, bc_make_pty, bc_close
};

static const struct bc_kind bc_key = {
	"numkeys", -EDQUOT, bc_make_key, bc_drop_key
};

static const struct bc_kind bc_signal = {
	"numsiginfo", -EAGAIN, bc_make_signal, bc_drop_signal
};

static const struct bc_kind bc_tcp = {
	"numtcpsock", -ENOMEM, bc_make_tcp, bc_close
};

static const struct bc_kind bc_unix = {
	"numothersock", -ENOMEM, bc_make_unix, bc_close
};

struct bc_worker {
	pid_t pid;
	int sock;
};

enum {
	BC_WORKER_MAX	= 200,
	BC_STORM_DEPTH	= 8,
};

/* Make and drop at random until there is something to read. */
static inline int bc_storm(const struct bc_kind *kind, int sock)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	unsigned int seed = getpid();
	int handle[BC_STORM_DEPTH];
	int n = 0, refused = 0, i = 0;

	while (++i % 32 || !poll(&pfd, 1, 0)) {
		if (n && (n == BC_STORM_DEPTH || rand_r(&seed) & 1)) {
			kind->drop(handle[--n]);
			continue;
		}
		handle[n] = kind->make();
		if (handle[n] >= 0)
			n++;
		else if (handle[n] == kind->error)
			refused++;
		else
			return handle[n];
	}
	while (n)
		kind->drop(handle[--n]);
	return refused;
}

static inline void bc_worker_loop(const struct bc_kind *kind, int sock)
{
	static int handle[BC_WORKER_MAX];
	int n = 0, ret;
	char cmd;

	while (read(sock, &cmd, 1) == 1) {
		ret = 0;
		switch (cmd) {
		case 'm':
			ret = n < BC_WORKER_MAX ? kind->make() : -E2BIG;
			if (ret >= 0) {
				handle[n++] = ret;
				ret = 0;
			}
			break;
		case 'd':
			if (n)
				kind->drop(handle[--n]);
			break;
		case 'a':
			while (n)
				kind->drop(handle[--n]);
			break;
		case 's':
			ret = bc_storm(kind, sock);
			break;
		case 'e':
			continue;	/* ends a storm, which has answered */
		}
		if (write(sock, &ret, sizeof(ret)) != sizeof(ret))
			break;
	}
	_exit(0);
}

/* What everything else needs. To be done in the root group, so that it is nobody's. */
static inline void bc_worker_init(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	for (sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
		sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
	bc_keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1);
	bc_instance = inotify_init1(IN_CLOEXEC);
	bc_lock_fd = bc_open_tmp();
}

static inline void bc_tell(struct bc_worker w, char cmd)
{
	if (write(w.sock, &cmd, 1) != 1)
		perror("worker");
}

static inline int bc_answer(struct bc_worker w)
{
	int ret;

	return read(w.sock, &ret, sizeof(ret)) == sizeof(ret) ? ret : -EPIPE;
}

static inline int bc_do(struct bc_worker w, char cmd)
{
	bc_tell(w, cmd);
	return bc_answer(w);
}

static inline void bc_worker_kill(struct bc_worker w)
{
	close(w.sock);
	bc_reap(w.pid);
}

/* Start one, in the root group. */
static inline struct bc_worker bc_worker_start(const struct bc_kind *kind)
{
	struct bc_worker w = { .pid = -1 };
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return w;
	w.sock = sv[0];
	w.pid = fork();
	if (w.pid == 0) {
		bc_die_with_parent();
		close(sv[0]);
		bc_worker_init();
		bc_worker_loop(kind, sv[1]);
	}
	close(sv[1]);
	/* When it answers, it is ready. */
	if (w.pid > 0 && bc_do(w, 'a'))
		bc_worker_kill(w);
	return w;
}

/* Make one. 0 or -errno. */
static inline int bc_make(struct bc_worker w)
{
	return bc_do(w, 'm');
}

/* Make @n. How many were made. */
static inline int bc_make_n(struct bc_worker w, int n)
{
	int i;

	for (i = 0; i < n && !bc_make(w); i++)
		;
	return i;
}

/* Drop the last one that was made. */
static inline void bc_drop(struct bc_worker w)
{
	bc_do(w, 'd');
}

static inline void bc_drop_all(struct bc_worker w)
{
	bc_do(w, 'a');
}

#endif /* BC_WORKER_H */
