// SPDX-License-Identifier: GPL-2.0
/*
 * Socket buffers: tcpsndbuf, tcprcvbuf, dgramrcvbuf and othersockbuf. Who pays, for how long,
 * what is refused and with which error, and, above all, that everything goes on: who waits for
 * room is woken, and transfers complete through limits of any size.
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "bc_cpus.h"
#include "bc_genl.h"
#include "bc_net.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef SO_RESERVE_MEM
#define SO_RESERVE_MEM 73
#endif

static const char *snd = "tcpsndbuf/held";
static const char *rcv = "tcprcvbuf/held";
static const char *dgram = "dgramrcvbuf/held";
static const char *other = "othersockbuf/held";

static int pair_in(const char *dir, int type, int sv[2])
{
	int err = bc_enter(dir);

	if (!err && socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv))
		err = -errno;
	return bc_leave() ?: err;
}

static int nonblock(int fd, bool on)
{
	return fcntl(fd, F_SETFL, on ? O_NONBLOCK : 0);
}

/*
 * UNIX sockets
 */

static void unix_kind(struct __test_metadata *_metadata, const char *dir, int type)
{
	long one, before;
	int sv[2], i;

	ASSERT_EQ(0, pair_in(dir, type, sv));
	before = bc_get(dir, other);
	EXPECT_EQ(0, before);
	ASSERT_EQ(0, bc_send(sv[0], 1000, 0));
	one = bc_get(dir, other);
	EXPECT_LT(1000, one);
	EXPECT_GT(4096, one);
	for (i = 0; i < 9; i++)
		ASSERT_EQ(0, bc_send(sv[0], 1000, 0));
	EXPECT_EQ(10 * one, bc_get(dir, other));
	/* The sender pays. Nobody is charged for what waits for the other one. */
	EXPECT_EQ(0, bc_get(dir, dgram));
	ASSERT_EQ(1000, recv(sv[1], bc_buf, 1000, 0));
	EXPECT_EQ(9 * one, bc_settle(dir, other, 9 * one));

	/* It stays so when the sender has gone. */
	close(sv[0]);
	usleep(50000);
	EXPECT_EQ(9 * one, bc_get(dir, other));
	for (i = 0; i < 9; i++)
		EXPECT_EQ(1000, recv(sv[1], bc_buf, 1000, 0));
	EXPECT_EQ(0, bc_settle(dir, other, 0));
	close(sv[1]);

	/* What nobody has read goes with the reader. */
	ASSERT_EQ(0, pair_in(dir, type, sv));
	EXPECT_LT(0, bc_fill(sv[0], 5000));
	EXPECT_LT(0, bc_get(dir, other));
	close(sv[1]);
	close(sv[0]);
	EXPECT_EQ(0, bc_settle(dir, other, 0));
}

TEST_F(bc, unix_dgram)
{
	unix_kind(_metadata, self->dir, SOCK_DGRAM);
}

TEST_F(bc, unix_stream)
{
	unix_kind(_metadata, self->dir, SOCK_STREAM);
}

TEST_F(bc, unix_seqpacket)
{
	unix_kind(_metadata, self->dir, SOCK_SEQPACKET);
}

/* Large ones have pages, and splice(2) brings its own. */
TEST_F(bc, unix_large)
{
	int sv[2], p[2];
	ssize_t n;

	ASSERT_EQ(0, pair_in(self->dir, SOCK_STREAM, sv));
	n = send(sv[0], bc_buf, 150000, MSG_DONTWAIT);
	ASSERT_LT(0, n);
	EXPECT_LE(n, bc_get(self->dir, other));
	EXPECT_LT(0, bc_drain(sv[1]));
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(20000, write(p[1], bc_buf, 20000));
	ASSERT_EQ(20000, splice(p[0], NULL, sv[0], NULL, 20000, 0));
	EXPECT_LE(20000, bc_get(self->dir, other));
	EXPECT_LT(0, bc_drain(sv[1]));
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
	close(p[0]);
	close(p[1]);
	close(sv[0]);
	close(sv[1]);
}

TEST_F(bc, unix_refuse)
{
	const struct timeval some = { .tv_sec = 5 };
	int sv[2], n;

	ASSERT_EQ(0, pair_in(self->dir, SOCK_DGRAM, sv));
	ASSERT_EQ(0, bc_write(self->dir, "othersockbuf/limit", "10000"));
	/* More than there will ever be room for: nothing to wait for. */
	EXPECT_EQ(ENOBUFS, bc_send(sv[0], 20000, MSG_DONTWAIT));
	EXPECT_TRUE(bc_ready(sv[0], POLLOUT, 0));
	n = bc_fill(sv[0], 1000);
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LT(2, n);
	EXPECT_GE(10000, bc_get(self->dir, other));
	EXPECT_GE(10000, bc_get(self->dir, "othersockbuf/maxheld"));
	EXPECT_EQ(2, bc_get(self->dir, "othersockbuf/failcnt"));
	/* Who asks does not have to try. */
	EXPECT_FALSE(bc_ready(sv[0], POLLOUT, 300));
	EXPECT_EQ(2, bc_get(self->dir, "othersockbuf/failcnt"));
	/* Nobody waits where the program has not said that it could; nor do we, for ever. */
	ASSERT_EQ(0, setsockopt(sv[0], SOL_SOCKET, SO_SNDTIMEO, &some, sizeof(some)));
	EXPECT_EQ(ENOBUFS, bc_send(sv[0], 1000, 0));
	EXPECT_EQ(3, bc_get(self->dir, "othersockbuf/failcnt"));

	ASSERT_EQ(1000, recv(sv[1], bc_buf, 1000, 0));
	EXPECT_TRUE(bc_ready(sv[0], POLLOUT, 10000));
	EXPECT_EQ(0, bc_send(sv[0], 1000, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, bc_send(sv[0], 1000, MSG_DONTWAIT));
	EXPECT_FALSE(bc_ready(sv[0], POLLOUT, 0));

	/* A limit that is raised is room, too. */
	ASSERT_EQ(0, bc_write(self->dir, "othersockbuf/limit", "12000"));
	EXPECT_TRUE(bc_ready(sv[0], POLLOUT, 10000));
	EXPECT_EQ(0, bc_send(sv[0], 1000, MSG_DONTWAIT));
	EXPECT_EQ(n + 1, bc_drain(sv[1]));
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
	close(sv[0]);
	close(sv[1]);
}

TEST_F(bc, unix_refuse_above)
{
	char leaf[128];
	int sv[2];

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "a/b"));
	snprintf(leaf, sizeof(leaf), "%s/a/b", self->dir);
	ASSERT_EQ(0, bc_write(self->dir, "othersockbuf/limit", "10000"));
	ASSERT_EQ(0, bc_write(self->dir, "a/othersockbuf/limit", "50000"));
	ASSERT_EQ(0, pair_in(leaf, SOCK_DGRAM, sv));
	EXPECT_LT(2, bc_fill(sv[0], 1000));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_GE(10000, bc_get(self->dir, other));
	EXPECT_EQ(bc_get(self->dir, other), bc_get(leaf, other));
	EXPECT_EQ(1, bc_get(self->dir, "othersockbuf/failcnt"));
	EXPECT_EQ(0, bc_get(self->dir, "a/othersockbuf/failcnt"));
	EXPECT_EQ(0, bc_get(leaf, "othersockbuf/failcnt"));
	/* It waits for the one that has refused. */
	EXPECT_FALSE(bc_ready(sv[0], POLLOUT, 0));
	ASSERT_EQ(0, bc_write(self->dir, "othersockbuf/limit", "max"));
	EXPECT_TRUE(bc_ready(sv[0], POLLOUT, 10000));
	close(sv[0]);
	close(sv[1]);
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a/b"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
}

/* One that has sent nothing waits for another, of another group; edges are seen. */
TEST_F(bc, unix_wake)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int a[2], b[2], ep;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "othersockbuf/limit", "10000"));
	ASSERT_EQ(0, pair_in(bc_path_to(self->dir, "a"), SOCK_DGRAM, a));
	ASSERT_EQ(0, pair_in(bc_path_to(self->dir, "b"), SOCK_DGRAM, b));
	ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, b[0], &ev));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 1000));
	EXPECT_LT(2, bc_fill(a[0], 1000));
	EXPECT_EQ(EAGAIN, bc_send(b[0], 2000, MSG_DONTWAIT));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 300));
	EXPECT_LT(2, bc_drain(a[1]));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 10000));
	EXPECT_EQ(0, bc_send(b[0], 2000, MSG_DONTWAIT));
	close(ep);
	close(a[0]);
	close(a[1]);
	/* Who goes while it waits is in nobody's way. */
	EXPECT_LT(0, bc_fill(b[0], 1000));
	close(b[0]);
	close(b[1]);
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
}

/* Who is woken, and does nothing, is in nobody's way. */
TEST_F(bc, unix_turns)
{
	int a[2], b[2], c[2];

	ASSERT_EQ(0, pair_in(self->dir, SOCK_DGRAM, a));
	ASSERT_EQ(0, pair_in(self->dir, SOCK_DGRAM, b));
	ASSERT_EQ(0, pair_in(self->dir, SOCK_DGRAM, c));
	ASSERT_EQ(0, bc_send(c[0], 1000, 0));
	ASSERT_EQ(0, bc_write(self->dir, "othersockbuf/limit", "%ld",
			      bc_get(self->dir, other)));
	EXPECT_EQ(EAGAIN, bc_send(a[0], 1000, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, bc_send(b[0], 1000, MSG_DONTWAIT));
	EXPECT_FALSE(bc_ready(b[0], POLLOUT, 0));
	EXPECT_EQ(1, bc_drain(c[1]));
	EXPECT_TRUE(bc_ready(b[0], POLLOUT, 10000));
	EXPECT_EQ(0, bc_send(b[0], 1000, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, bc_send(a[0], 1000, MSG_DONTWAIT));
	/* Nor who is closed. */
	close(a[0]);
	close(a[1]);
	EXPECT_EQ(EAGAIN, bc_send(c[0], 1000, MSG_DONTWAIT));
	EXPECT_EQ(1, bc_drain(b[1]));
	EXPECT_TRUE(bc_ready(c[0], POLLOUT, 10000));
	close(b[0]);
	close(b[1]);
	close(c[0]);
	close(c[1]);
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
}

/* The one of two users of a socket who needs more room, and polls for it. */
static int send_when_ready(int fd, const struct sockaddr_un *to, socklen_t len, int told)
{
	double start;

	bc_die_with_parent();
	if (sendto(fd, bc_buf, 1000, MSG_DONTWAIT, (void *)to, len) != -1 || errno != EAGAIN ||
	    write(told, "x", 1) != 1)
		return 2;
	do {
		start = bc_now();
		/* When its time is over, poll(2) looks once more, though nobody has told it. */
		if (!bc_ready(fd, POLLOUT, 15000) || bc_now() - start > 14)
			return 3;
	} while (sendto(fd, bc_buf, 1000, MSG_DONTWAIT, (void *)to, len) < 0 && errno == EAGAIN);
	return 0;
}

/*
 * Two who share a socket: that the one finds room for something small is no reason to forget the
 * other, who waits for more.
 */
TEST_F(bc, unix_shared)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(to);
	int r, s, ep, c[2], p[2], status, i;
	pid_t pid;
	long small;
	char byte;

	ASSERT_EQ(0, pair_in(self->dir, SOCK_DGRAM, c));
	ASSERT_EQ(0, bc_enter(self->dir));
	s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(0, bc_leave());
	ASSERT_LE(0, s);
	/* The name is the kernel's choice. */
	r = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(0, bind(r, (void *)&to, sizeof(to.sun_family)));
	ASSERT_EQ(0, getsockname(r, (void *)&to, &len));
	ASSERT_EQ(1, sendto(s, bc_buf, 1, 0, (void *)&to, len));
	small = bc_get(self->dir, other);
	ASSERT_LT(0, small);
	ASSERT_EQ(1, recv(r, bc_buf, 1, 0));
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));

	/* Room for a small one. Nobody reads it, or the socket would be told of that. */
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, bc_send(c[0], 1000, 0));
	ASSERT_EQ(0, bc_write(self->dir, "othersockbuf/limit", "%ld",
			      bc_get(self->dir, other) + small));
	ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 10000));
	EXPECT_EQ(-1, sendto(s, bc_buf, 1000, MSG_DONTWAIT, (void *)&to, len));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 100));
	EXPECT_EQ(1, sendto(s, bc_buf, 1, MSG_DONTWAIT, (void *)&to, len));
	EXPECT_EQ(4, bc_drain(c[1]));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 10000));
	EXPECT_EQ(1000, sendto(s, bc_buf, 1000, MSG_DONTWAIT, (void *)&to, len));
	EXPECT_EQ(2, bc_drain(r));
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
	close(ep);

	/* The same with another process, in poll(2). */
	ASSERT_EQ(0, pipe(p));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, bc_send(c[0], 1000, 0));
	pid = fork();
	if (pid == 0)
		_exit(send_when_ready(s, &to, len, p[1]));
	close(p[1]);
	EXPECT_EQ(1, read(p[0], &byte, 1));
	for (i = 0; i < 500 && bc_state(pid) != 'S'; i++)
		usleep(20000);
	usleep(200000);
	EXPECT_EQ(1, sendto(s, bc_buf, 1, MSG_DONTWAIT, (void *)&to, len));
	EXPECT_EQ(4, bc_drain(c[1]));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(2, bc_drain(r));
	close(p[0]);
	close(c[0]);
	close(c[1]);
	close(r);
	close(s);
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
}

/* Descriptors on their way: what has them on board counts. */
TEST_F(bc, unix_rights)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte = 'x';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int sv[2], inner[2];
	long held;

	ASSERT_EQ(0, pair_in(self->dir, SOCK_STREAM, sv));
	ASSERT_EQ(0, pair_in(self->dir, SOCK_STREAM, inner));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &inner[1], sizeof(int));
	ASSERT_EQ(1, sendmsg(sv[0], &msg, 0));
	ASSERT_EQ(0, bc_send(inner[0], 1000, 0));
	close(inner[0]);
	close(inner[1]);
	held = bc_get(self->dir, other);
	EXPECT_LT(1000, held);
	usleep(50000);
	EXPECT_EQ(held, bc_get(self->dir, other));
	/* All of it is thrown away, the one in the other one, too. */
	close(sv[0]);
	close(sv[1]);
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
}

/* Who uses the socket does not matter. */
TEST_F(bc, stay)
{
	int sv[2];
	long one;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, pair_in(bc_path_to(self->dir, "a"), SOCK_DGRAM, sv));
	ASSERT_EQ(0, bc_enter(bc_path_to(self->dir, "b")));
	ASSERT_EQ(0, bc_send(sv[0], 1000, 0));
	one = bc_get(self->dir, "a/othersockbuf/held");
	EXPECT_LT(1000, one);
	EXPECT_EQ(0, bc_get(self->dir, "b/othersockbuf/held"));
	ASSERT_EQ(1000, recv(sv[1], bc_buf, 1000, 0));
	EXPECT_EQ(0, bc_settle(self->dir, "a/othersockbuf/held", 0));
	EXPECT_EQ(0, bc_get(self->dir, "b/othersockbuf/held"));
	ASSERT_EQ(0, bc_leave());
	close(sv[0]);
	close(sv[1]);
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_settle(self->dir, "b/numtasks/held", 0));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
}

/*
 * What a child has made in the group, which leaves nothing else there. Whoever was in a group has
 * memory of it, and keeps it.
 */
static int sockets_of_child(const char *dir, int sv[2], int *u)
{
	int made[3], p[2], fd, i;
	pid_t pid;

	if (pipe(p))
		return -errno;
	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		if (bc_enter(dir) || socketpair(AF_UNIX, SOCK_DGRAM, 0, made))
			_exit(1);
		made[2] = socket(AF_INET, SOCK_DGRAM, 0);
		if (write(p[1], made, sizeof(made)) != sizeof(made))
			_exit(1);
		for (;;)
			pause();
	}
	close(p[1]);
	if (read(p[0], made, sizeof(made)) != sizeof(made))
		return -EIO;
	fd = syscall(SYS_pidfd_open, pid, 0);
	for (i = 0; i < 3; i++)
		made[i] = syscall(SYS_pidfd_getfd, fd, made[i], 0);
	sv[0] = made[0];
	sv[1] = made[1];
	*u = made[2];
	close(fd);
	close(p[0]);
	bc_reap(pid);
	return sv[0] < 0 || sv[1] < 0 || *u < 0 ? -EBADF : 0;
}

/* A group that has been removed pays on, also for what comes then; and goes in the end. */
TEST_F(bc, outlive)
{
	long before, one;
	int sv[2], u = -1;

	/* Ours, when those of the test before have gone. */
	before = bc_settle(BC_GROUPS, "groups", 1);
	if (before < 0)
		SKIP(return, "needs CONFIG_BC_SABOTAGE");
	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, sockets_of_child(bc_path_to(self->dir, "a"), sv, &u));
	ASSERT_EQ(0, bc_send(sv[0], 1000, 0));
	one = bc_get(self->dir, other);
	EXPECT_LT(0, one);
	EXPECT_EQ(0, bc_settle(self->dir, "a/numtasks/held", 0));
	ASSERT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(one, bc_get(self->dir, other));
	ASSERT_EQ(1000, recv(sv[1], bc_buf, 1000, 0));
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
	/* Long after it has held nothing. */
	usleep(200000);
	ASSERT_EQ(0, bc_send(sv[0], 1000, 0));
	EXPECT_EQ(one, bc_get(self->dir, other));
	EXPECT_EQ(before + 1, bc_get(BC_GROUPS, "groups"));
	ASSERT_EQ(0, bc_write(self->dir, "othersockbuf/limit", "10000"));
	EXPECT_LT(0, bc_fill(sv[0], 1000));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(1, bc_get(self->dir, "othersockbuf/failcnt"));
	close(sv[0]);
	close(sv[1]);
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
	close(u);
	EXPECT_EQ(before, bc_settle(BC_GROUPS, "groups", before));
}

/* In another hierarchy than the sockets are counted in. */
TEST(other_hierarchy)
{
	char h[64], dir[128];
	const char *why;
	int sv[2];

	if (!bc_bindable(&why))
		SKIP(return, "%s", why);
	bc_hierarchy(h, sizeof(h), 'a');
	ASSERT_EQ(0, mkdir(h, 0755));
	snprintf(dir, sizeof(dir), "%s/g", h);
	ASSERT_EQ(0, bc_write(h, "controllers", "othersockbuf tcpsndbuf"));
	ASSERT_EQ(0, mkdir(dir, 0755));
	ASSERT_EQ(0, bc_enter(dir));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
	ASSERT_EQ(0, bc_enter(h));
	ASSERT_EQ(0, bc_send(sv[0], 1000, 0));
	EXPECT_LT(1000, bc_get(dir, other));
	EXPECT_EQ(0, rmdir(dir));
	ASSERT_EQ(1000, recv(sv[1], bc_buf, 1000, 0));
	close(sv[0]);
	close(sv[1]);
	EXPECT_EQ(0, bc_remove_hierarchy(h));
}

/*
 * Datagrams
 */

static void shout(int fd, const struct sockaddr_in *to, size_t len, int n)
{
	while (n--)
		sendto(fd, bc_buf, len, MSG_DONTWAIT, (void *)to, sizeof(*to));
}

/* A flood: the one group pays, the other one's goes on. */
TEST_F(bc, udp_flood)
{
	struct sockaddr_in addr, mine, neighbour;
	int u, s, v;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "a/dgramrcvbuf/limit", "40000"));
	u = bc_udp_in(bc_path_to(self->dir, "a"), &addr);
	v = bc_udp_in(bc_path_to(self->dir, "b"), &neighbour);
	s = bc_udp(&mine);
	ASSERT_LE(0, u);
	ASSERT_LE(0, v);
	shout(s, &addr, 1000, 1);
	EXPECT_LT(1000, bc_at_least(self->dir, "a/dgramrcvbuf/held", 1000));
	shout(s, &addr, 1000, 200);
	shout(s, &neighbour, 1000, 20);
	EXPECT_GE(40000, bc_get(self->dir, "a/dgramrcvbuf/held"));
	EXPECT_GE(40000, bc_get(self->dir, "a/dgramrcvbuf/maxheld"));
	EXPECT_LT(100, bc_get(self->dir, "a/dgramrcvbuf/failcnt"));
	EXPECT_EQ(20, bc_drain(v));
	EXPECT_LT(1, bc_drain(u));
	/* Nothing is kept for the next one. */
	EXPECT_EQ(0, bc_settle(self->dir, dgram, 0));
	shout(s, &addr, 1000, 1);
	EXPECT_TRUE(bc_ready(u, POLLIN, 10000));
	EXPECT_EQ(1, bc_drain(u));
	EXPECT_EQ(0, bc_settle(self->dir, dgram, 0));
	/* And what is left goes with the socket. */
	shout(s, &addr, 1000, 10);
	EXPECT_LT(0, bc_get(self->dir, dgram));
	close(u);
	close(v);
	close(s);
	EXPECT_EQ(0, bc_settle(self->dir, dgram, 0));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
}

/* Sending in all the ways there are leaves nothing behind. */
TEST_F(bc, udp_send)
{
	struct sockaddr_in addr, mine;
	int u = bc_udp(&addr), s, one = 1, size = 1000, i;

	s = bc_udp_in(self->dir, &mine);
	ASSERT_LE(0, s);
	ASSERT_EQ(0, connect(s, (void *)&addr, sizeof(addr)));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0, bc_send(s, 1000 * i, 0));
		bc_drain(u);
	}
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));
	EXPECT_LT(0, bc_get(self->dir, "othersockbuf/maxheld"));

	/* Corked: it waits, and counts. */
	ASSERT_EQ(0, setsockopt(s, IPPROTO_UDP, UDP_CORK, &one, sizeof(one)));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, bc_send(s, 3000, 0));
	EXPECT_LE(30000, bc_get(self->dir, other));
	one = 0;
	ASSERT_EQ(0, setsockopt(s, IPPROTO_UDP, UDP_CORK, &one, sizeof(one)));
	EXPECT_EQ(30000, recv(u, bc_buf, sizeof(bc_buf), 0));
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));

	/* In segments, and without copies. */
	ASSERT_EQ(0, setsockopt(s, IPPROTO_UDP, 103 /* UDP_SEGMENT */, &size, sizeof(size)));
	EXPECT_EQ(0, bc_send(s, 20000, 0));
	EXPECT_TRUE(bc_ready(u, POLLIN, 10000));
	bc_drain(u);
	size = 0;
	ASSERT_EQ(0, setsockopt(s, IPPROTO_UDP, 103, &size, sizeof(size)));
	one = 1;
	if (!setsockopt(s, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		EXPECT_EQ(0, bc_send(s, 40000, MSG_ZEROCOPY));
	EXPECT_TRUE(bc_ready(u, POLLIN, 10000));
	bc_drain(u);
	EXPECT_EQ(0, bc_settle(self->dir, other, 0));

	/* No room at all. */
	ASSERT_EQ(0, bc_write(self->dir, "othersockbuf/limit", "0"));
	EXPECT_EQ(ENOBUFS, bc_send(s, 100, 0));
	EXPECT_EQ(ENOBUFS, bc_send(s, 100, MSG_DONTWAIT));
	EXPECT_EQ(2, bc_get(self->dir, "othersockbuf/failcnt"));
	close(s);
	close(u);
}

/* Raw and packet sockets put things into their queues themselves. */
TEST_F(bc, raw_and_packet)
{
	struct tpacket_stats stats = {};
	socklen_t len = sizeof(stats);
	struct sockaddr_in addr, mine;
	int u = bc_udp(&addr), s = bc_udp(&mine), r, p;
	long held;

	ASSERT_EQ(0, bc_enter(self->dir));
	r = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
	ASSERT_EQ(0, bc_leave());
	ASSERT_LE(0, r);
	shout(s, &addr, 1000, 3);
	EXPECT_LT(3000, bc_at_least(self->dir, dgram, 3000));
	EXPECT_EQ(3, bc_drain(r));
	EXPECT_EQ(0, bc_settle(self->dir, dgram, 0));
	ASSERT_EQ(0, bc_write(self->dir, "dgramrcvbuf/limit", "10000"));
	shout(s, &addr, 1000, 30);
	EXPECT_LT(0, bc_at_least(self->dir, "dgramrcvbuf/failcnt", 1));
	EXPECT_GE(10000, bc_get(self->dir, dgram));
	close(r);
	EXPECT_EQ(0, bc_settle(self->dir, dgram, 0));

	held = bc_get(self->dir, "dgramrcvbuf/failcnt");
	ASSERT_EQ(0, bc_enter(self->dir));
	p = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	ASSERT_EQ(0, bc_leave());
	if (p < 0)
		SKIP(goto out, "no packet sockets in this kernel");
	shout(s, &addr, 1000, 3);
	EXPECT_LT(3000, bc_at_least(self->dir, dgram, 3000));
	shout(s, &addr, 1000, 30);
	EXPECT_LT(held, bc_at_least(self->dir, "dgramrcvbuf/failcnt", held + 1));
	EXPECT_GE(10000, bc_get(self->dir, dgram));
	EXPECT_EQ(0, getsockopt(p, SOL_PACKET, PACKET_STATISTICS, &stats, &len));
	EXPECT_LT(0U, stats.tp_drops);
	EXPECT_LT(1, bc_drain(p));
	EXPECT_EQ(0, bc_settle(self->dir, dgram, 0));
	close(p);
out:
	close(u);
	close(s);
}

static int ask_for_link(int fd, int flags)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} req = {
		.h = {
			.nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = 1,
		},
		.i = { .ifi_index = flags & NLM_F_DUMP ? 0 : 1 },
	};

	return send(fd, &req, sizeof(req), 0) == sizeof(req) ? 0 : -errno;
}

TEST_F(bc, netlink)
{
	bool done = false;
	int n, i;

	ASSERT_EQ(0, bc_enter(self->dir));
	n = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ASSERT_EQ(0, bc_leave());
	ASSERT_EQ(0, ask_for_link(n, 0));
	EXPECT_LT(0, bc_get(self->dir, dgram));
	EXPECT_EQ(1, bc_drain(n));
	EXPECT_EQ(0, bc_settle(self->dir, dgram, 0));

	/* What is dropped, is told. */
	ASSERT_EQ(0, bc_write(self->dir, "dgramrcvbuf/limit", "0"));
	ask_for_link(n, 0);
	EXPECT_EQ(1, bc_get(self->dir, "dgramrcvbuf/failcnt"));
	EXPECT_EQ(0, bc_get(self->dir, dgram));
	EXPECT_EQ(-1, recv(n, bc_buf, sizeof(bc_buf), MSG_DONTWAIT));
	EXPECT_EQ(ENOBUFS, errno);

	/* A dump comes in pieces, one of which there may be at a time. */
	ASSERT_EQ(0, ask_for_link(n, NLM_F_DUMP));
	for (i = 0; i < 100 && !done; i++) {
		ssize_t len = recv(n, bc_buf, sizeof(bc_buf), MSG_DONTWAIT);
		struct nlmsghdr *h = (void *)bc_buf;

		ASSERT_LT(0, len);
		for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len))
			done |= h->nlmsg_type == NLMSG_DONE;
	}
	EXPECT_TRUE(done);
	ASSERT_EQ(0, bc_write(self->dir, "dgramrcvbuf/limit", "max"));
	ASSERT_EQ(0, ask_for_link(n, 0));
	EXPECT_LT(0, bc_get(self->dir, dgram));
	close(n);
	EXPECT_EQ(0, bc_settle(self->dir, dgram, 0));
}

/* An event that has no room is none itself: it would never end. */
TEST_F(bc, events_end)
{
	struct bc_genl genl;
	int fd, i, sv[2], same = 0;
	long failcnt = 0, last;

	ASSERT_EQ(0, bc_enter(self->dir));
	fd = bc_genl_open();
	ASSERT_EQ(0, bc_leave());
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bc_genl_resolve(fd, &genl));
	ASSERT_EQ(0, bc_genl_join(fd, &genl));
	ASSERT_EQ(0, pair_in(self->dir, SOCK_DGRAM, sv));
	ASSERT_EQ(0, bc_write(self->dir, "dgramrcvbuf/limit", "0"));
	ASSERT_EQ(0, bc_write(self->dir, "othersockbuf/limit", "0"));
	EXPECT_EQ(ENOBUFS, bc_send(sv[0], 10, 0));
	EXPECT_LT(0, bc_at_least(self->dir, "dgramrcvbuf/failcnt", 1));
	/* What has failed tells the listener so; it is free again then. */
	for (i = 0; i < 600 && same < 5; i++) {
		recv(fd, bc_buf, sizeof(bc_buf), MSG_DONTWAIT);
		usleep(50000);
		last = failcnt;
		failcnt = bc_get(self->dir, "dgramrcvbuf/failcnt");
		same = failcnt == last ? same + 1 : 0;
	}
	for (i = 0; i < 10; i++) {
		recv(fd, bc_buf, sizeof(bc_buf), MSG_DONTWAIT);
		usleep(50000);
	}
	EXPECT_EQ(failcnt, bc_get(self->dir, "dgramrcvbuf/failcnt"));
	close(fd);
	close(sv[0]);
	close(sv[1]);
}

/*
 * TCP
 */

TEST_F(bc, tcp_send)
{
	int c[2];

	ASSERT_EQ(0, bc_tcp_pair(self->dir, NULL, c));
	EXPECT_EQ(0, bc_get(self->dir, snd));
	EXPECT_LT(0, bc_fill(c[0], 10000));
	EXPECT_LT(10000, bc_get(self->dir, snd));
	EXPECT_EQ(0, bc_get(self->dir, rcv));
	/* It waits for the other end, also without a descriptor. */
	close(c[0]);
	usleep(200000);
	EXPECT_LT(10000, bc_get(self->dir, snd));
	while (recv(c[1], bc_buf, sizeof(bc_buf), 0) > 0)
		;
	EXPECT_EQ(0, bc_settle(self->dir, snd, 0));
	close(c[1]);

	/* A reset ends it, too. */
	ASSERT_EQ(0, bc_tcp_pair(self->dir, NULL, c));
	EXPECT_LT(0, bc_fill(c[0], 10000));
	close(c[0]);
	EXPECT_LT(10000, bc_get(self->dir, snd));
	close(c[1]);
	EXPECT_EQ(0, bc_settle(self->dir, snd, 0));
}

#define CGROUP "/sys/fs/cgroup"
#define MEMCG CGROUP "/bc-selftest"

/* In a memory cgroup: reserve memory for a socket of nobody, and for one of @dir. */
static int reserve_memory(void *dir)
{
	int size = 1 << 20, fd, ret = 0;

	bc_die_with_parent();
	if (bc_write(MEMCG, "cgroup.procs", "0"))
		return 8;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (setsockopt(fd, SOL_SOCKET, SO_RESERVE_MEM, &size, sizeof(size)))
		ret |= 1;
	close(fd);
	if (bc_enter(dir))
		ret |= 2;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (!setsockopt(fd, SOL_SOCKET, SO_RESERVE_MEM, &size, sizeof(size)) ||
	    errno != EOPNOTSUPP)
		ret |= 4;
	close(fd);
	return ret;
}

/* What is reserved is not charged, and would be given back as if it was. */
TEST_F(bc, tcp_reserve)
{
	char before[256];

	if (bc_read(CGROUP, "cgroup.subtree_control", before, sizeof(before)) ||
	    bc_write(CGROUP, "cgroup.subtree_control", "+memory"))
		SKIP(return, "needs cgroup2 with memory in " CGROUP);
	EXPECT_EQ(0, mkdir(MEMCG, 0755));
	EXPECT_EQ(0, bc_in_child(reserve_memory, self->dir));
	EXPECT_EQ(0, rmdir(MEMCG));
	if (!strstr(before, "memory"))
		EXPECT_EQ(0, bc_write(CGROUP, "cgroup.subtree_control", "-memory"));
}

TEST_F(bc, tcp_receive)
{
	int c[2];
	long held;

	ASSERT_EQ(0, bc_tcp_pair(NULL, self->dir, c));
	ASSERT_EQ(0, bc_send(c[0], 50000, 0));
	held = bc_at_least(self->dir, rcv, 50000);
	EXPECT_LE(50000, held);
	EXPECT_EQ(0, bc_settle(self->dir, snd, 0));
	ASSERT_EQ(50000, recv(c[1], bc_buf, 50000, MSG_WAITALL));
	EXPECT_EQ(0, bc_settle(self->dir, rcv, 0));
	ASSERT_EQ(0, bc_send(c[0], 50000, 0));
	EXPECT_LT(50000, bc_at_least(self->dir, rcv, 50000));
	close(c[1]);
	EXPECT_EQ(0, bc_settle(self->dir, rcv, 0));
	close(c[0]);
}

/* No room: it stops there, and goes on when there is some, without trying meanwhile. */
TEST_F(bc, tcp_block)
{
	long failcnt, held;
	int a[2], b[2];

	ASSERT_EQ(0, bc_tcp_pair(self->dir, NULL, a));
	ASSERT_EQ(0, bc_tcp_pair(self->dir, NULL, b));
	ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "200000"));
	EXPECT_LT(0, bc_fill_up(a[0], 5000));
	held = bc_get(self->dir, snd);
	EXPECT_LT(100000, held);
	EXPECT_GE(200000 + 16384, held);
	EXPECT_LT(0, bc_get(self->dir, "tcpsndbuf/failcnt"));
	EXPECT_FALSE(bc_ready(a[0], POLLOUT, 0));

	/* No room at all now: the other one, which has nothing on its way, may send a little. */
	ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "%ld", held));
	EXPECT_TRUE(bc_ready(b[0], POLLOUT, 0));
	ASSERT_EQ(0, bc_send(b[0], 1000, MSG_DONTWAIT));
	ASSERT_EQ(1000, recv(b[1], bc_buf, 1000, MSG_WAITALL));
	EXPECT_TRUE(bc_ready(b[0], POLLOUT, 10000));
	bc_fill_up(a[0], 5000);

	/* Nobody tries while nothing changes. */
	failcnt = bc_rest(self->dir, "tcpsndbuf/failcnt", 10);
	EXPECT_FALSE(bc_ready(a[0], POLLOUT, 1500));
	EXPECT_EQ(failcnt, bc_get(self->dir, "tcpsndbuf/failcnt"));

	/* What is raised is used. */
	ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "max"));
	EXPECT_TRUE(bc_ready(a[0], POLLOUT, 10000));
	close(a[0]);
	close(a[1]);
	close(b[0]);
	close(b[1]);
	EXPECT_EQ(0, bc_settle(self->dir, snd, 0));
}

static int send_all(void *arg)
{
	int fd = *(int *)arg, i;

	bc_die_with_parent();
	nonblock(fd, false);
	for (i = 0; i < 20; i++) {
		if (bc_send(fd, 10000, 0))
			return 1;
	}
	return 0;
}

/*
 * One fills the group. Another one, which has something on its way that is not read, sleeps in
 * send(2) and is woken by what is read of the first one.
 */
TEST_F(bc, tcp_wake)
{
	int a[2], b[2], status, i;
	pid_t pid;
	long failcnt;
	double start;

	ASSERT_EQ(0, bc_tcp_pair(self->dir, NULL, a));
	ASSERT_EQ(0, bc_tcp_pair(self->dir, NULL, b));
	ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "400000"));
	EXPECT_LT(0, bc_fill_up(b[0], 3000));
	EXPECT_LT(100000, bc_get(self->dir, snd));
	ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "%ld", bc_get(self->dir, snd)));
	EXPECT_LT(0, bc_fill_up(a[0], 3000));
	pid = fork();
	if (pid == 0)
		_exit(send_all(&a[0]));
	for (i = 0; i < 500 && bc_state(pid) != 'S'; i++)
		usleep(20000);
	failcnt = bc_rest(self->dir, "tcpsndbuf/failcnt", 10);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	usleep(1500000);
	EXPECT_EQ(failcnt, bc_get(self->dir, "tcpsndbuf/failcnt"));
	/* Room in the group, and then with the one who reads. */
	ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "%ld",
			      bc_get(self->dir, snd) + 2000000));
	start = bc_now();
	while (bc_now() - start < 30 && !waitpid(pid, &status, WNOHANG)) {
		bc_drain(a[1]);
		usleep(10000);
	}
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	bc_reap(pid);
	close(a[0]);
	close(a[1]);
	close(b[0]);
	close(b[1]);
	EXPECT_EQ(0, bc_settle(self->dir, snd, 0));
}

/* What is read from one is room for another one. */
TEST_F(bc, tcp_wake_other)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int a[2], b[2], ep, i;

	ASSERT_EQ(0, bc_tcp_pair(self->dir, NULL, a));
	ASSERT_EQ(0, bc_tcp_pair(self->dir, NULL, b));
	ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "300000"));
	EXPECT_LT(0, bc_fill_up(a[0], 5000));
	EXPECT_LT(0, bc_fill_up(b[0], 5000));
	bc_fill_up(a[0], 5000);
	ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, b[0], &ev));
	/* What was on its way makes room once more when it has arrived. */
	for (i = 0; i < 20 && epoll_wait(ep, &ev, 1, 500); i++)
		bc_fill_up(b[0], 5000);
	EXPECT_GT(20, i);
	/* a's is read, b's is not. */
	close(a[0]);
	while (recv(a[1], bc_buf, sizeof(bc_buf), 0) > 0)
		;
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 10000));
	EXPECT_LT(0, bc_fill(b[0], 1000));
	close(ep);
	close(a[1]);
	close(b[0]);
	close(b[1]);
	EXPECT_EQ(0, bc_settle(self->dir, snd, 0));
}

/* A client that never reads, a server that never accepts: what they take is bounded. */
TEST_F(bc, tcp_never)
{
	struct sockaddr_in addr = {};
	int c[2], d[2], l, k[4], i;

	ASSERT_EQ(0, bc_mkdir(self->dir, "a"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "b"));
	ASSERT_EQ(0, bc_write(self->dir, "a/tcprcvbuf/limit", "300000"));
	ASSERT_EQ(0, bc_tcp_pair(NULL, bc_path_to(self->dir, "a"), c));
	for (i = 0; i < 20; i++) {
		bc_fill(c[0], 20000);
		usleep(50000);
	}
	EXPECT_LT(50000, bc_get(self->dir, "a/tcprcvbuf/held"));
	EXPECT_GE(300000, bc_get(self->dir, "a/tcprcvbuf/maxheld"));

	l = bc_listen_in(bc_path_to(self->dir, "a"), &addr, 10);
	ASSERT_LE(0, l);
	for (i = 0; i < 4; i++) {
		k[i] = bc_connect(&addr);
		ASSERT_LE(0, k[i]);
		bc_fill(k[i], 20000);
	}
	usleep(500000);
	/* One packet each, which may be a large one. */
	EXPECT_GE(300000 + 4 * 150000, bc_get(self->dir, "a/tcprcvbuf/maxheld"));
	EXPECT_LT(0, bc_get(self->dir, "a/tcprcvbuf/failcnt"));

	/* The neighbours do not notice. */
	ASSERT_EQ(0, bc_tcp_pair(NULL, bc_path_to(self->dir, "b"), d));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, bc_send(d[0], 30000, 0));
		ASSERT_EQ(30000, recv(d[1], bc_buf, 30000, MSG_WAITALL));
	}
	for (i = 0; i < 4; i++)
		close(k[i]);
	close(l);
	close(c[0]);
	close(c[1]);
	close(d[0]);
	close(d[1]);
	EXPECT_EQ(0, bc_settle(self->dir, rcv, 0));
	EXPECT_EQ(0, bc_rmdir(self->dir, "a"));
	EXPECT_EQ(0, bc_rmdir(self->dir, "b"));
}

/*
 * Transfers: many connections, both ways at once, in one process with poll(2). What comes must be
 * what was sent.
 */

struct peer {
	int fd;
	size_t sent, got;
};

static char pattern(size_t pos)
{
	return pos * 7 + (pos >> 8) + (pos >> 16);
}

/* Returns 1 if something moved, 0 if not, -1 if it went wrong. */
static int move_some(struct peer *p, short revents, size_t total)
{
	static char data[16384];
	int moved = 0;
	ssize_t n;
	size_t i;

	if ((revents & POLLOUT) && p->sent < total) {
		size_t len = total - p->sent < sizeof(data) ? total - p->sent : sizeof(data);

		for (i = 0; i < len; i++)
			data[i] = pattern(p->sent + i);
		n = send(p->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n > 0) {
			p->sent += n;
			moved = 1;
		}
	}
	if (revents & (POLLIN | POLLHUP | POLLERR)) {
		n = recv(p->fd, data, sizeof(data), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return -1;
		for (i = 0; (ssize_t)i < n; i++) {
			if (data[i] != pattern(p->got + i))
				return -1;
		}
		if (n > 0) {
			p->got += n;
			moved = 1;
		}
	}
	return moved;
}

#define MAX_PEERS 2048

/*
 * Both ways at once, @total bytes each. Returns how often poll(2) has said that there is something
 * to be done and there was not, or -1 if there was nothing for a minute.
 */
static long transfer(struct peer *p, int n, size_t total)
{
	static struct pollfd pfd[MAX_PEERS];
	long idle = 0;
	int i, left, moved, ret;

	for (;;) {
		left = 0;
		for (i = 0; i < n; i++) {
			pfd[i].fd = p[i].fd;
			pfd[i].events = (p[i].got < total ? POLLIN : 0) |
					(p[i].sent < total ? POLLOUT : 0);
			if (pfd[i].events)
				left++;
			else
				pfd[i].fd = -1;
		}
		if (!left)
			return idle;
		if (poll(pfd, n, 60000) <= 0)
			return -1;
		moved = 0;
		for (i = 0; i < n; i++) {
			if (pfd[i].fd < 0 || !pfd[i].revents)
				continue;
			ret = move_some(&p[i], pfd[i].revents, total);
			if (ret < 0)
				return -2;
			moved += ret;
		}
		idle += !moved;
	}
}

static struct peer peers[MAX_PEERS];

static void transfers_over(struct __test_metadata *_metadata, const struct bc_line *line,
			   const char *dir, int pairs, size_t total, const char *send,
			   const char *receive, bool together)
{
	struct sockaddr_in addr = {};
	double start;
	int i, l;
	long idle;

	if (line)
		addr = line->addr;
	ASSERT_EQ(0, bc_enter(dir));
	ASSERT_EQ(0, bc_go_to(line, 1));
	l = bc_listen(&addr, 1024);
	ASSERT_LE(0, l);
	if (!together)
		ASSERT_EQ(0, bc_leave());
	ASSERT_EQ(0, bc_go_to(line, 0));
	for (i = 0; i < pairs; i++) {
		peers[2 * i] = (struct peer) { .fd = bc_connect(&addr) };
		ASSERT_LE(0, peers[2 * i].fd);
		peers[2 * i + 1] = (struct peer) { .fd = accept(l, NULL, NULL) };
		ASSERT_LE(0, peers[2 * i + 1].fd);
	}
	if (together)
		ASSERT_EQ(0, bc_leave());
	ASSERT_EQ(0, bc_write(dir, "tcpsndbuf/limit", "%s", send));
	ASSERT_EQ(0, bc_write(dir, "tcprcvbuf/limit", "%s", receive));
	start = bc_now();
	idle = transfer(peers, 2 * pairs, total);
	EXPECT_LE(0, idle);
	/* Who is woken may find that others were faster. A busy loop makes many more. */
	EXPECT_GE(20000, idle);
	TH_LOG("%d connections, %zu KB each way, limits %s, %s: %.1f s, %ld rounds for nothing",
	       pairs, total / 1024, send, receive, bc_now() - start, idle);
	TH_LOG("refused %ld and %ld so far, held %ld and %ld at most",
	       bc_get(dir, "tcpsndbuf/failcnt"), bc_get(dir, "tcprcvbuf/failcnt"),
	       bc_get(dir, "tcpsndbuf/maxheld"), bc_get(dir, "tcprcvbuf/maxheld"));
	for (i = 0; i < 2 * pairs; i++)
		close(peers[i].fd);
	close(l);
	EXPECT_EQ(0, bc_settle(dir, snd, 0));
	EXPECT_EQ(0, bc_settle(dir, rcv, 0));
	ASSERT_EQ(0, bc_write(dir, "tcpsndbuf/limit", "max"));
	ASSERT_EQ(0, bc_write(dir, "tcprcvbuf/limit", "max"));
}

static void transfers(struct __test_metadata *_metadata, const char *dir, int pairs,
		      size_t total, const char *send, const char *receive, bool together)
{
	transfers_over(_metadata, NULL, dir, pairs, total, send, receive, together);
}

TEST_F_TIMEOUT(bc, transfer_sizes, 600)
{
	static const char * const sizes[] = { "5000", "20000", "70000", "300000", "max" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		transfers(_metadata, self->dir, 1, 300000, sizes[i], "max", false);
		transfers(_metadata, self->dir, 1, 300000, "max", sizes[i], false);
		transfers(_metadata, self->dir, 1, 300000, sizes[i], sizes[i], true);
	}
}

TEST_F_TIMEOUT(bc, transfer_many, 900)
{
	/* Two descriptors each. */
	struct rlimit files = { .rlim_cur = 2100, .rlim_max = 4096 };
	const char *many = getenv("BC_CONNECTIONS");
	int n = many ? atoi(many) : 100;

	setrlimit(RLIMIT_NOFILE, &files);
	transfers(_metadata, self->dir, n, 20000, "300000", "300000", false);
	transfers(_metadata, self->dir, n, 20000, "300000", "300000", true);
}

/*
 * A line that is slow and loses packets: what is sent again, and what waits for that in the queue
 * of what has come out of order.
 */

TEST_F_TIMEOUT(bc, transfer_lossy, 900)
{
	struct bc_line line = {};
	int err = bc_make_line(&line);

	if (err == -EOPNOTSUPP || err == -ENOENT)
		SKIP(return, "no veth or netem in this kernel");
	ASSERT_EQ(0, err);
	transfers_over(_metadata, &line, self->dir, 1, 300000, "max", "max", true);
	transfers_over(_metadata, &line, self->dir, 1, 200000, "20000", "20000", true);
	transfers_over(_metadata, &line, self->dir, 20, 30000, "100000", "100000", true);
	transfers_over(_metadata, &line, self->dir, 20, 30000, "max", "60000", false);
	close(line.ns[0]);
	close(line.ns[1]);
}

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* Connections of MPTCP, both ends in @dir. -EOPNOTSUPP if there is none in this kernel. */
static int mptcp_pairs(const char *dir, struct peer *p, int n)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int err = bc_enter(dir), l;

	if (err)
		return err;
	l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	if (l < 0)
		return bc_leave() ?: -EOPNOTSUPP;
	if (bind(l, (void *)&addr, len) || listen(l, n) ||
	    getsockname(l, (void *)&addr, &len))
		err = -errno;
	for (; n && !err; n--, p += 2) {
		p[0] = (struct peer) {
			.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP),
		};
		if (connect(p[0].fd, (void *)&addr, len)) {
			err = -errno;
			break;
		}
		p[1] = (struct peer) { .fd = accept4(l, NULL, NULL, SOCK_CLOEXEC) };
		if (p[1].fd < 0)
			err = -errno;
	}
	close(l);
	return bc_leave() ?: err;
}

/* What MPTCP sends goes on next to somebody who has taken all the room, from either end. */
TEST_F_TIMEOUT(bc, mptcp, 300)
{
	int t[2], err;
	long failcnt;

	ASSERT_EQ(0, bc_tcp_pair(self->dir, self->dir, t));
	err = mptcp_pairs(self->dir, peers, 1);
	if (err == -EOPNOTSUPP)
		SKIP(return, "no MPTCP in this kernel");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "65536"));
	EXPECT_LT(0, bc_fill_up(t[0], 4096));

	/* No room at all: who has nothing on its way is not refused. */
	ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "%ld", bc_get(self->dir, snd)));
	failcnt = bc_get(self->dir, "tcpsndbuf/failcnt");
	ASSERT_EQ(0, bc_send(peers[0].fd, 1000, MSG_DONTWAIT));
	EXPECT_EQ(failcnt, bc_get(self->dir, "tcpsndbuf/failcnt"));
	ASSERT_EQ(1000, recv(peers[1].fd, bc_buf, 1000, MSG_WAITALL));
	ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "65536"));

	EXPECT_LE(0, transfer(peers, 2, 300000));
	EXPECT_LT(0, bc_get(self->dir, "tcpsndbuf/failcnt"));
	/* Who does not poll is stopped, too: after what fits, and one send more at each level. */
	EXPECT_LT(0, bc_fill_up(peers[0].fd, 4096));
	EXPECT_GE(1 << 20, bc_get(self->dir, "tcpsndbuf/maxheld"));
	close(t[0]);
	close(t[1]);
	close(peers[0].fd);
	close(peers[1].fd);
	EXPECT_EQ(0, bc_settle(self->dir, snd, 0));
	EXPECT_EQ(0, bc_settle(self->dir, rcv, 0));
}

#define MPTCP_PAIRS 8

/* Who tells all who wait that there is room, and whom the CPU is taken away from meanwhile. */
struct late {
	const char *dir;
	int go[2];
	int told[2];
	bool *closed;
};

static int tell_late(struct late *late)
{
	struct sched_param fifo = { .sched_priority = 1 };
	unsigned int delay = 0;
	double end;
	char byte;

	bc_die_with_parent();
	close(late->go[1]);
	sched_setscheduler(0, SCHED_FIFO, &fifo);
	bc_pin(0, 0);
	while (read(late->go[0], &byte, 1) == 1) {
		if (bc_write(late->dir, "tcpsndbuf/limit", "65536"))
			return 1;
		/* The kernel's worker, on this CPU, gets so far. */
		delay = (delay + 370) % 3000;
		usleep(delay);
		if (write(late->told[1], "x", 1) != 1)
			return 2;
		end = bc_now() + 2;
		while (!__atomic_load_n(late->closed, __ATOMIC_ACQUIRE) && bc_now() < end)
			;
	}
	return 0;
}

/*
 * Connections that wait for room, and are reset as something has come that nobody has read. Who
 * was about to tell one of them that there is room finds nothing that could still be used: KASAN
 * would say so.
 */
TEST_F_TIMEOUT(bc, mptcp_close, 300)
{
	struct late late = { .dir = self->dir };
	int rounds = 0, err = 0, i;
	double end;
	pid_t pid;
	char byte;

	late.closed = mmap(NULL, sizeof(bool), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)late.closed);
	ASSERT_EQ(0, pipe(late.go));
	ASSERT_EQ(0, pipe(late.told));
	pid = fork();
	if (pid == 0)
		_exit(tell_late(&late));
	close(late.told[1]);
	bc_pin(0, 1);
	end = bc_end_time(5);
	for (; !rounds || bc_now() < end; rounds++) {
		ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "max"));
		err = mptcp_pairs(self->dir, peers, MPTCP_PAIRS);
		if (err == -EOPNOTSUPP)
			break;
		ASSERT_EQ(0, err);
		for (i = 0; i < MPTCP_PAIRS; i++)
			EXPECT_EQ(0, bc_send(peers[2 * i + 1].fd, 1000, 0));
		ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "65536"));
		for (i = 0; i < MPTCP_PAIRS; i++)
			EXPECT_LT(0, bc_fill(peers[2 * i].fd, 4096));
		__atomic_store_n(late.closed, false, __ATOMIC_RELEASE);
		ASSERT_EQ(1, write(late.go[1], "x", 1));
		ASSERT_EQ(1, read(late.told[0], &byte, 1));
		for (i = 0; i < MPTCP_PAIRS; i++)
			close(peers[2 * i].fd);
		/* What is freed is so after the last of some grace periods. */
		for (i = 0; i < 3; i++)
			bc_grace_period();
		__atomic_store_n(late.closed, true, __ATOMIC_RELEASE);
		for (i = 0; i < MPTCP_PAIRS; i++)
			close(peers[2 * i + 1].fd);
	}
	close(late.go[1]);
	bc_reap(pid);
	close(late.go[0]);
	close(late.told[0]);
	if (err == -EOPNOTSUPP)
		SKIP(return, "no MPTCP in this kernel");
	TH_LOG("%d rounds, refused %ld", rounds, bc_get(self->dir, "tcpsndbuf/failcnt"));
	EXPECT_LT(0, bc_get(self->dir, "tcpsndbuf/failcnt"));
	EXPECT_EQ(0, bc_settle(self->dir, snd, 0));
	EXPECT_EQ(0, bc_settle(self->dir, rcv, 0));
}

/* Without a limit, and with one, and with pages of a file, and without copies. */
TEST_F(bc, tcp_ways_to_send)
{
	int c[2], f, one = 1, p[2], status;
	off_t off = 0;
	pid_t pid;
	size_t n;

	ASSERT_EQ(0, bc_write(self->dir, "tcpsndbuf/limit", "50000"));
	ASSERT_EQ(0, bc_tcp_pair(self->dir, NULL, c));
	f = memfd_create("f", MFD_CLOEXEC);
	ASSERT_EQ(200000, write(f, bc_buf, 200000));
	pid = fork();
	if (pid == 0) {
		bc_die_with_parent();
		for (n = 0; n < 200000;) {
			ssize_t len = sendfile(c[0], f, &off, 200000 - n);

			if (len <= 0)
				_exit(1);
			n += len;
		}
		if (pipe(p))
			_exit(2);
		for (n = 0; n < 50; n++) {
			ssize_t len = 4000;

			if (write(p[1], bc_buf, len) != len)
				_exit(3);
			while (len) {
				ssize_t done = splice(p[0], NULL, c[0], NULL, len, 0);

				if (done <= 0)
					_exit(4);
				len -= done;
			}
		}
		setsockopt(c[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
		for (n = 0; n < 200000;) {
			ssize_t len = send(c[0], bc_buf, 40000, MSG_ZEROCOPY);

			if (len <= 0)
				_exit(5);
			n += len;
		}
		_exit(0);
	}
	close(c[0]);
	n = 0;
	for (;;) {
		ssize_t len = recv(c[1], bc_buf, 30000, 0);

		if (len <= 0)
			break;
		n += len;
		usleep(1000);
	}
	EXPECT_EQ(600000UL, n);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	close(f);
	close(c[1]);
	EXPECT_EQ(0, bc_settle(self->dir, snd, 0));
}

TEST_HARNESS_MAIN
