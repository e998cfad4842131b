// SPDX-License-Identifier: GPL-2.0
/*
 * numtcpsock and numothersock: connections that come in, connections that linger, and
 * a listener that has to go on.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "bc_util.h"

static const char *tcp = "numtcpsock/held";
static const char *other = "numothersock/held";

static int listener(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_in) {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (bind(fd, (void *)addr, len) || listen(fd, 64) ||
	    getsockname(fd, (void *)addr, &len))
		return -1;
	return fd;
}

static int client(const struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (void *)addr, sizeof(*addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A listener that was made in the group; the test itself is in the root. */
static int listener_in(const char *dir, struct sockaddr_in *addr)
{
	int fd;

	if (bc_write(dir, "tasks", "0"))
		return -1;
	fd = listener(addr);
	return bc_write(BC_ROOT, "tasks", "0") ? -1 : fd;
}

static bool readable(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) == 1;
}

TEST_F(bc, kinds)
{
	int sv[2], t, u, n;

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	t = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	u = socket(AF_INET, SOCK_DGRAM, 0);
	n = socket(AF_NETLINK, SOCK_RAW, 0);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
	ASSERT_LE(0, t);
	ASSERT_LE(0, u);
	ASSERT_LE(0, n);
	EXPECT_EQ(1, bc_get(self->dir, tcp));
	EXPECT_EQ(4, bc_get(self->dir, other));
	close(t);
	close(u);
	close(n);
	close(sv[0]);
	close(sv[1]);
	EXPECT_EQ(0, bc_settle(self->dir, tcp, 0));
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));

	/* What each protocol makes of it: ENOMEM or ENOBUFS. */
	ASSERT_EQ(0, bc_write(self->dir, "numtcpsock/limit", "0"));
	ASSERT_EQ(0, bc_write(self->dir, "numothersock/limit", "1"));
	EXPECT_EQ(-1, socket(AF_INET, SOCK_STREAM, 0));
	EXPECT_TRUE(errno == ENOMEM || errno == ENOBUFS);
	EXPECT_EQ(-1, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	EXPECT_EQ(ENOMEM, errno);
	u = socket(AF_INET, SOCK_DGRAM, 0);
	EXPECT_LE(0, u);
	EXPECT_EQ(-1, socket(AF_INET, SOCK_DGRAM, 0));
	EXPECT_TRUE(errno == ENOMEM || errno == ENOBUFS);
	EXPECT_EQ(-1, socket(AF_NETLINK, SOCK_RAW, 0));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(1, bc_get(self->dir, "numtcpsock/failcnt"));
	EXPECT_EQ(3, bc_get(self->dir, "numothersock/failcnt"));
	close(u);
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
}

/* A connection is the listener's from the handshake on. The other end is not. */
TEST_F(bc, accepted)
{
	struct sockaddr_in addr;
	int l = listener_in(self->dir, &addr), c, a;

	ASSERT_LE(0, l);
	EXPECT_EQ(1, bc_get(self->dir, tcp));
	c = client(&addr);
	ASSERT_LE(0, c);
	EXPECT_EQ(2, bc_settle(self->dir, tcp, 2));
	a = accept(l, NULL, NULL);
	ASSERT_LE(0, a);
	EXPECT_EQ(2, bc_get(self->dir, tcp));
	close(c);
	close(a);
	EXPECT_EQ(1, bc_settle(self->dir, tcp, 1));

	/* A listener that goes takes along who has not been accepted. */
	c = client(&addr);
	ASSERT_LE(0, c);
	EXPECT_EQ(2, bc_settle(self->dir, tcp, 2));
	close(l);
	EXPECT_EQ(0, bc_settle(self->dir, tcp, 0));
	close(c);
}

/* What is left in TIME_WAIT is no socket; what waits to be sent is one. */
TEST_F(bc, linger)
{
	struct sockaddr_in addr;
	int l = listener_in(self->dir, &addr), c, a;
	static char buf[65536];

	ASSERT_LE(0, l);
	c = client(&addr);
	a = accept(l, NULL, NULL);
	ASSERT_LE(0, a);
	close(a);		/* first, so that it is the one to wait */
	EXPECT_EQ(0, read(c, buf, 1));
	close(c);
	EXPECT_EQ(1, bc_settle(self->dir, tcp, 1));

	/* Nobody reads: the other end cannot finish. */
	c = client(&addr);
	a = accept(l, NULL, NULL);
	ASSERT_LE(0, a);
	ASSERT_EQ(0, fcntl(a, F_SETFL, O_NONBLOCK));
	while (write(a, buf, sizeof(buf)) > 0)
		;
	close(a);
	usleep(200000);
	EXPECT_EQ(2, bc_get(self->dir, tcp));
	/* A reset ends it. */
	close(c);
	EXPECT_EQ(1, bc_settle(self->dir, tcp, 1));
	close(l);
	EXPECT_EQ(0, bc_settle(self->dir, tcp, 0));
}

/* At the limit, the listener goes on: who is refused may come back. */
TEST_F(bc, listener_goes_on)
{
	struct sockaddr_in addr;
	int l = listener_in(self->dir, &addr), c[4], a[4], i;
	char byte;

	ASSERT_LE(0, l);
	ASSERT_EQ(0, bc_write(self->dir, "numtcpsock/limit", "4"));
	for (i = 0; i < 3; i++) {
		c[i] = client(&addr);
		ASSERT_LE(0, c[i]);
		a[i] = accept(l, NULL, NULL);
		ASSERT_LE(0, a[i]);
	}
	EXPECT_EQ(4, bc_get(self->dir, tcp));

	/* The client thinks that it is connected. Nobody is there to be accepted. */
	c[3] = client(&addr);
	ASSERT_LE(0, c[3]);
	EXPECT_FALSE(readable(l, 300));
	EXPECT_EQ(4, bc_get(self->dir, tcp));
	EXPECT_LE(1, bc_get(self->dir, "numtcpsock/failcnt"));

	/* The others are served. */
	EXPECT_EQ(1, write(c[0], "x", 1));
	EXPECT_EQ(1, read(a[0], &byte, 1));
	EXPECT_EQ(1, write(a[0], "y", 1));
	EXPECT_EQ(1, read(c[0], &byte, 1));

	/* One leaves. What the other sends, and sends again, lets it in. */
	close(c[0]);
	close(a[0]);
	EXPECT_EQ(3, bc_settle(self->dir, tcp, 3));
	EXPECT_EQ(1, write(c[3], "z", 1));
	EXPECT_TRUE(readable(l, 30000));
	a[0] = accept(l, NULL, NULL);
	ASSERT_LE(0, a[0]);
	EXPECT_EQ(1, read(a[0], &byte, 1));
	EXPECT_EQ('z', byte);
	EXPECT_EQ(4, bc_get(self->dir, tcp));

	for (i = 0; i < 4; i++) {
		close(a[i]);
		if (i)
			close(c[i]);
	}
	EXPECT_EQ(1, bc_settle(self->dir, tcp, 1));
	close(l);
}

/*
 * An MPTCP listener is two sockets, of which the kernel makes one for itself. What
 * comes in counts as with TCP, whatever the client speaks.
 */
TEST_F(bc, mptcp)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int l, c, a, again;
	long before;

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262 /* IPPROTO_MPTCP */);
	if (l < 0)
		SKIP(return, "no MPTCP in this kernel");
	ASSERT_EQ(0, bind(l, (void *)&addr, len));
	ASSERT_EQ(0, listen(l, 5));
	ASSERT_EQ(0, getsockname(l, (void *)&addr, &len));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
	EXPECT_EQ(2, bc_get(self->dir, tcp));

	c = client(&addr);
	ASSERT_LE(0, c);
	a = accept(l, NULL, NULL);
	ASSERT_LE(0, a);
	before = bc_get(self->dir, tcp);
	EXPECT_LE(3, before);

	ASSERT_EQ(0, bc_write(self->dir, "numtcpsock/limit", "%ld", before));
	again = client(&addr);
	ASSERT_LE(0, again);
	EXPECT_FALSE(readable(l, 300));
	EXPECT_EQ(before, bc_get(self->dir, tcp));
	EXPECT_LE(1, bc_get(self->dir, "numtcpsock/failcnt"));
	close(again);
	close(a);
	close(c);
	close(l);
	EXPECT_EQ(0, bc_settle(self->dir, tcp, 0));
}

/* What a listener wants of its connections is taken back when one is refused. */
TEST_F(bc, refused_timestamps)
{
	struct sockaddr_in addr, uaddr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int l = listener_in(self->dir, &addr), one = 1, c[20], i, u;
	struct timeval now, *then = NULL;
	struct cmsghdr *m;
	socklen_t len = sizeof(uaddr);
	char control[256], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};

	ASSERT_LE(0, l);
	ASSERT_EQ(0, setsockopt(l, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof(one)));
	u = socket(AF_INET, SOCK_DGRAM, 0);
	ASSERT_EQ(0, bind(u, (void *)&uaddr, len));
	ASSERT_EQ(0, getsockname(u, (void *)&uaddr, &len));
	ASSERT_EQ(0, setsockopt(u, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof(one)));
	ASSERT_EQ(0, bc_write(self->dir, "numtcpsock/limit", "1"));
	for (i = 0; i < 20; i++)
		c[i] = client(&addr);
	EXPECT_LE(20, bc_settle(self->dir, "numtcpsock/failcnt", 20));
	for (i = 0; i < 20; i++)
		close(c[i]);
	close(l);
	/* Others' packets still have theirs, from when they came in. */
	ASSERT_EQ(1, sendto(u, "x", 1, 0, (void *)&uaddr, len));
	usleep(100000);
	gettimeofday(&now, NULL);
	ASSERT_EQ(1, recvmsg(u, &msg, 0));
	for (m = CMSG_FIRSTHDR(&msg); m; m = CMSG_NXTHDR(&msg, m))
		if (m->cmsg_level == SOL_SOCKET && m->cmsg_type == SCM_TIMESTAMP)
			then = (struct timeval *)CMSG_DATA(m);
	ASSERT_NE(NULL, then);
	EXPECT_LT(then->tv_sec * 1000000L + then->tv_usec,
		  now.tv_sec * 1000000L + now.tv_usec);
	close(u);
	EXPECT_EQ(0, bc_settle(self->dir, tcp, 0));
}

/* Without room for a file, accept() fails, and the connection waits. */
TEST_F(bc, no_file_for_accept)
{
	struct sockaddr_in addr;
	int l, c, p[2];
	pid_t pid;
	char res;

	ASSERT_EQ(0, pipe(p));
	l = listener(&addr);
	c = client(&addr);
	ASSERT_LE(0, c);
	pid = fork();
	if (pid == 0) {
		int a, i;

		bc_die_with_parent();
		raise(SIGSTOP);
		res = accept(l, NULL, NULL) < 0 && errno == ENFILE ? 'n' : '?';
		if (write(p[1], &res, 1) != 1)
			_exit(1);
		for (i = 0; i < 500; i++) {
			a = accept(l, NULL, NULL);
			if (a >= 0)
				break;
			usleep(20000);
		}
		res = a >= 0 ? 'y' : '?';
		if (write(p[1], &res, 1) != 1)
			_exit(1);
		pause();
	}
	waitpid(pid, NULL, WUNTRACED);
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "0"));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "%d", pid));
	kill(pid, SIGCONT);
	ASSERT_EQ(1, read(p[0], &res, 1));
	EXPECT_EQ('n', res);
	ASSERT_EQ(0, bc_write(self->dir, "numfiles/limit", "1"));
	ASSERT_EQ(1, read(p[0], &res, 1));
	EXPECT_EQ('y', res);
	EXPECT_EQ(1, bc_get(self->dir, "numfiles/held"));
	bc_reap(pid);
	close(l);
	close(c);
	close(p[0]);
	close(p[1]);
}

/* The socket that accept() returns is the connecting side's, with UNIX sockets. */
TEST_F(bc, unix_accepted)
{
	struct sockaddr addr = { .sa_family = AF_UNIX };
	char buf[128];
	socklen_t len = sizeof(buf);
	int l, c, a;

	l = socket(AF_UNIX, SOCK_STREAM, 0);
	ASSERT_EQ(0, bind(l, &addr, sizeof(sa_family_t)));
	ASSERT_EQ(0, listen(l, 5));
	ASSERT_EQ(0, getsockname(l, (void *)buf, &len));

	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	ASSERT_EQ(0, connect(c, (void *)buf, len));
	EXPECT_EQ(2, bc_get(self->dir, other));
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
	a = accept(l, NULL, NULL);
	ASSERT_LE(0, a);
	/* Each end keeps the other one's socket. */
	close(c);
	EXPECT_EQ(2, bc_get(self->dir, other));
	close(a);
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));

	/* connect() is what needs room. */
	ASSERT_EQ(0, bc_write(self->dir, "numothersock/limit", "1"));
	ASSERT_EQ(0, bc_write(self->dir, "tasks", "0"));
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	EXPECT_EQ(-1, connect(c, (void *)buf, len));
	EXPECT_EQ(ENOMEM, errno);
	ASSERT_EQ(0, bc_write(BC_ROOT, "tasks", "0"));
	close(c);
	close(l);
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
}

/* Many connections at once, in and out, against a limit. */
TEST_F(bc, crowd)
{
	struct sockaddr_in addr;
	int l = listener_in(self->dir, &addr), p[2], i;
	pid_t clients[2], server;
	int served = 0;
	char byte;

	ASSERT_LE(0, l);
	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, bc_write(self->dir, "numtcpsock/limit", "4"));
	server = fork();
	if (server == 0) {
		bc_die_with_parent();
		for (;;) {
			int a = accept(l, NULL, NULL);

			if (read(a, &byte, 1) == 1 && write(p[1], "x", 1) != 1)
				_exit(1);
			close(a);
		}
	}
	for (i = 0; i < 2; i++) {
		clients[i] = fork();
		if (clients[i] == 0) {
			struct linger reset = { .l_onoff = 1 };

			bc_die_with_parent();
			for (;;) {
				int c[4], j;

				for (j = 0; j < 4; j++) {
					c[j] = client(&addr);
					if (write(c[j], "x", 1) != 1)
						usleep(1000);
				}
				usleep(20000);
				for (j = 0; j < 4; j++) {
					setsockopt(c[j], SOL_SOCKET, SO_LINGER,
						   &reset, sizeof(reset));
					close(c[j]);
				}
			}
		}
	}
	for (i = 0; i < 100; i++) {
		long n = bc_get(self->dir, tcp);

		EXPECT_GE(4, n);
		usleep(50000);
	}
	for (i = 0; i < 2; i++)
		bc_reap(clients[i]);
	/* Who asks politely is still served. */
	ASSERT_EQ(0, fcntl(p[0], F_SETFL, O_NONBLOCK));
	while (read(p[0], &byte, 1) == 1)
		served++;
	i = client(&addr);
	ASSERT_EQ(1, write(i, "x", 1));
	EXPECT_TRUE(readable(p[0], 30000));
	TH_LOG("%d served, %ld refused", served, bc_get(self->dir, "numtcpsock/failcnt"));
	EXPECT_LT(0, served);
	EXPECT_LT(0, bc_get(self->dir, "numtcpsock/failcnt"));
	close(i);
	bc_reap(server);
	close(l);
	EXPECT_EQ(0, bc_settle(self->dir, tcp, 0));
}

TEST_HARNESS_MAIN
