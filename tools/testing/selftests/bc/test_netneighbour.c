// SPDX-License-Identifier: GPL-2.0
/*
 * Bad neighbours on a network: who never reads, who never accepts, a flood of datagrams. Their
 * group pays, up to its limit; what others have to say to each other meanwhile comes through, on
 * lo, and on a line that loses packets; and all is given back when who has caused it is killed.
 *
 * Below the test's group, "bad" is the one, "good" is its neighbour, and "peer" is who talks to
 * "bad". The test itself, which is in the root group, talks to "good".
 */
#include <linux/sock_diag.h>
#include <sys/time.h>

#include "bc_net.h"

/* What "bad" may have in buffers, in bytes. Without a limit, it would be twice that, and more. */
#define TCP_LIMIT	200000
#define UDP_LIMIT	40000

/*
 * So much more may be queued for each connection: what one that has nothing to send always may,
 * some 8 KB, and what it takes to split packets, as it makes room for others.
 */
#define TCP_EXTRA	32768

FIXTURE(net) {
	char dir[64], bad[80], good[80], peer[80];
	struct bc_line line;
	const struct bc_line *over;	/* NULL: lo */
};

FIXTURE_VARIANT(net) {
	bool lossy;
	int echoes;
};

FIXTURE_VARIANT_ADD(net, lo) {
	.echoes = 100,
};

FIXTURE_VARIANT_ADD(net, lossy) {
	.lossy = true,
	.echoes = 30,
};

FIXTURE_SETUP(net)
{
	int err;

	if (bc_unavailable())
		SKIP(return, "%s", bc_unavailable());
	if (bc_get(BC_ROOT, "tcpsndbuf/held") == -ENOENT)
		SKIP(return, "no tcpsndbuf in this kernel: CONFIG_INET");
	if (variant->lossy) {
		err = bc_make_line(&self->line);
		if (err == -EOPNOTSUPP || err == -ENOENT)
			SKIP(return, "no veth or netem in this kernel");
		ASSERT_EQ(0, err);
		self->over = &self->line;
	}
	ASSERT_EQ(0, bc_set_up(self->dir, sizeof(self->dir)));
	snprintf(self->bad, sizeof(self->bad), "%s/bad", self->dir);
	snprintf(self->good, sizeof(self->good), "%s/good", self->dir);
	snprintf(self->peer, sizeof(self->peer), "%s/peer", self->dir);
	ASSERT_EQ(0, bc_mkdir(self->dir, "bad"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "good"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "peer"));
	ASSERT_EQ(0, bc_write(self->good, "tcpsndbuf/limit", "%d", TCP_LIMIT));
	ASSERT_EQ(0, bc_write(self->good, "tcprcvbuf/limit", "%d", TCP_LIMIT));
}

FIXTURE_TEARDOWN(net)
{
	if (self->dir[0])
		bc_expect_clean(_metadata, self->dir);
}

/*
 * Start a process in a group, which has nothing but one socket, and does @fn with it until it is
 * killed. The socket is the process's then.
 */
static pid_t start(const char *dir, void (*fn)(int sock), int sock)
{
	pid_t pid = fork();

	if (pid == 0) {
		bc_die_with_parent();
		if (bc_enter(dir) || dup2(sock, 3) != 3 ||
		    syscall(SYS_close_range, 4, ~0U, 0))
			_exit(1);
		fn(3);
		_exit(1);
	}
	close(sock);
	return pid;
}

static void do_nothing(int sock)
{
	for (;;)
		pause();
}

static bool echo_one(int fd)
{
	ssize_t n = recv(fd, bc_buf, sizeof(bc_buf), 0);

	return n > 0 && send(fd, bc_buf, n, MSG_NOSIGNAL) == n;
}

/* Serve one who connects. */
static void echo(int l)
{
	int c = accept(l, NULL, NULL);

	while (echo_one(c))
		;
	pause();
}

/* Send to the first who connects all that it takes; the second one is answered. */
static void pour_and_echo(int l)
{
	struct pollfd pfd[] = {
		{ .fd = accept(l, NULL, NULL), .events = POLLOUT },
		{ .fd = l, .events = POLLIN },
	};
	int size = TCP_LIMIT;

	/* Twice that, whatever the congestion window says: what stops it is the group. */
	setsockopt(pfd[0].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	while (poll(pfd, 2, -1) > 0) {
		if (pfd[0].revents & (POLLERR | POLLHUP))
			break;
		if (pfd[0].revents)
			bc_fill(pfd[0].fd, 10000);
		if (!pfd[1].revents)
			continue;
		if (pfd[1].fd == l)
			pfd[1].fd = accept(l, NULL, NULL);
		else if (!echo_one(pfd[1].fd))
			pfd[1].fd = -1;
	}
	pause();
}

static void echo_datagrams(int u)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(u, bc_buf, sizeof(bc_buf), 0, (void *)&from, &len)) >= 0)
		sendto(u, bc_buf, n, 0, (void *)&from, len);
}

/* It is connected. */
static void flood(int u)
{
	for (;;)
		send(u, bc_buf, 1000, 0);
}

/* How many of @n messages come back, one after the other. None takes longer than 10 seconds. */
static int echoes(int fd, int n, size_t len)
{
	struct timeval wait = { .tv_sec = 10 };
	int i;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	for (i = 0; i < n; i++) {
		if (bc_send(fd, len, 0) ||
		    recv(fd, bc_buf, len, MSG_WAITALL) != (ssize_t)len)
			break;
	}
	return i;
}

/* A listener in a group, at the far end of the line. Who calls it is at the near one then. */
static int listen_far(const struct bc_line *line, const char *dir, struct sockaddr_in *addr,
		      int backlog)
{
	int l;

	*addr = line ? line->addr : (struct sockaddr_in) {};
	if (bc_go_to(line, 1))
		return -1;
	l = bc_listen_in(dir, addr, backlog);
	return bc_go_to(line, 0) ? -1 : l;
}

/* A line may lose what tells the other end that it is over; then it has to ask for it. */
static void tcp_is_given_back(struct __test_metadata *_metadata, const char *dir)
{
	int i;

	for (i = 0; i < 3 && bc_settle(dir, "numtcpsock/held", 0); i++)
		;
	EXPECT_EQ(0, bc_get(dir, "numtcpsock/held"));
	EXPECT_EQ(0, bc_settle(dir, "tcpsndbuf/held", 0));
	EXPECT_EQ(0, bc_settle(dir, "tcprcvbuf/held", 0));
}

/* The neighbour's: a connection is made, and messages go to and fro. */
static void good_goes_on(struct __test_metadata *_metadata, const struct bc_line *line,
			 const char *good, int n)
{
	struct sockaddr_in addr;
	int l = listen_far(line, good, &addr, 5), c;
	pid_t pid;

	ASSERT_LE(0, l);
	pid = start(good, echo, l);
	c = bc_connect(&addr);
	EXPECT_LE(0, c);
	EXPECT_EQ(n, echoes(c, n, 1000));
	EXPECT_EQ(0, bc_get(good, "tcpsndbuf/failcnt"));
	EXPECT_EQ(0, bc_get(good, "tcprcvbuf/failcnt"));
	close(c);
	bc_reap(pid);
	tcp_is_given_back(_metadata, good);
}

/* A client that never reads: what the server has sent is the server's, up to its limit. */
TEST_F_TIMEOUT(net, never_reads, 300)
{
	struct sockaddr_in addr;
	pid_t server, client;
	int l, c, d;

	ASSERT_EQ(0, bc_write(self->bad, "tcpsndbuf/limit", "%d", TCP_LIMIT));
	l = listen_far(self->over, self->bad, &addr, 5);
	ASSERT_LE(0, l);
	server = start(self->bad, pour_and_echo, l);
	c = bc_connect_in(self->peer, &addr);
	ASSERT_LE(0, c);
	client = start(self->peer, do_nothing, c);
	EXPECT_LE(1, bc_at_least(self->bad, "tcpsndbuf/failcnt", 1));
	EXPECT_LE(TCP_LIMIT / 2, bc_at_least(self->bad, "tcpsndbuf/held", TCP_LIMIT / 2));
	/* Who does not read pays for what has arrived. */
	EXPECT_LT(0, bc_at_least(self->peer, "tcprcvbuf/held", 1));

	good_goes_on(_metadata, self->over, self->good, variant->echoes);
	/* So does who has little to say in the same group: it always has room for that. */
	d = bc_connect(&addr);
	EXPECT_LE(0, d);
	EXPECT_EQ(variant->echoes, echoes(d, variant->echoes, 100));
	EXPECT_LE(TCP_LIMIT / 2, bc_get(self->bad, "tcpsndbuf/held"));
	EXPECT_GE(TCP_LIMIT + 2 * TCP_EXTRA, bc_get(self->bad, "tcpsndbuf/maxheld"));
	close(d);

	/* What a server has sent that was killed is on its way until the client is, too. */
	bc_reap(server);
	EXPECT_EQ(0, bc_settle(self->bad, "numtasks/held", 0));
	EXPECT_LE(TCP_LIMIT / 2, bc_get(self->bad, "tcpsndbuf/held"));
	bc_reap(client);
	tcp_is_given_back(_metadata, self->bad);
	tcp_is_given_back(_metadata, self->peer);
}

/*
 * A server that never accepts: what its clients have sent is the server's, as the connections are,
 * up to its limit; the rest is the clients'.
 */
TEST_F_TIMEOUT(net, never_accepts, 300)
{
	struct sockaddr_in addr;
	pid_t server;
	int l, c[8], i, j;

	ASSERT_EQ(0, bc_write(self->bad, "tcprcvbuf/limit", "%d", TCP_LIMIT / 2));
	l = listen_far(self->over, self->bad, &addr, ARRAY_SIZE(c));
	ASSERT_LE(0, l);
	server = start(self->bad, do_nothing, l);
	/* The first packet of each is taken in any case: let all of these come first. */
	for (i = 0; i < (int)ARRAY_SIZE(c); i++) {
		c[i] = bc_connect_in(self->peer, &addr);
		ASSERT_LE(0, c[i]);
		EXPECT_EQ(0, bc_send(c[i], 100, 0));
	}
	EXPECT_LE(4096 * (long)ARRAY_SIZE(c),
		  bc_at_least(self->bad, "tcprcvbuf/held", 4096 * ARRAY_SIZE(c)));
	EXPECT_EQ(1 + ARRAY_SIZE(c), bc_get(self->bad, "numtcpsock/held"));
	for (i = 0; i < (int)ARRAY_SIZE(c); i++) {
		for (j = 0; j < 10 && !bc_send(c[i], 20000, MSG_DONTWAIT); j++)
			;
		EXPECT_LT(0, j);
	}
	EXPECT_LE(1, bc_at_least(self->bad, "tcprcvbuf/failcnt", 1));
	EXPECT_LE(TCP_LIMIT / 4, bc_at_least(self->bad, "tcprcvbuf/held", TCP_LIMIT / 4));

	good_goes_on(_metadata, self->over, self->good, variant->echoes);
	EXPECT_GE(TCP_LIMIT / 2, bc_get(self->bad, "tcprcvbuf/maxheld"));
	EXPECT_LT(0, bc_get(self->peer, "tcpsndbuf/held"));

	/* Connections that nobody has accepted end with the listener. */
	bc_reap(server);
	tcp_is_given_back(_metadata, self->bad);
	for (i = 0; i < (int)ARRAY_SIZE(c); i++)
		close(c[i]);
	tcp_is_given_back(_metadata, self->peer);
}

/* A flood of datagrams for who does not read them: they are dropped, and nobody else's are. */
TEST_F(bc, floods)
{
	unsigned int info[SK_MEMINFO_VARS] = {};
	struct sockaddr_in addr, good, mine;
	pid_t victim, attacker, neighbour;
	socklen_t len = sizeof(info);
	int u, v, s, t;
	long failcnt;

	ASSERT_EQ(0, bc_mkdir(self->dir, "bad"));
	ASSERT_EQ(0, bc_mkdir(self->dir, "good"));
	ASSERT_EQ(0, bc_write(self->dir, "bad/dgramrcvbuf/limit", "%d", UDP_LIMIT));
	ASSERT_EQ(0, bc_write(self->dir, "good/dgramrcvbuf/limit", "%d", UDP_LIMIT));
	u = bc_udp_in(bc_path_to(self->dir, "bad"), &addr);
	v = bc_udp_in(bc_path_to(self->dir, "good"), &good);
	s = bc_udp(&mine);
	t = bc_udp(&mine);
	ASSERT_EQ(0, connect(s, (void *)&addr, sizeof(addr)));
	ASSERT_EQ(0, connect(t, (void *)&good, sizeof(good)));
	neighbour = start(bc_path_to(self->dir, "good"), echo_datagrams, v);
	/* We keep one to ask it. */
	victim = start(bc_path_to(self->dir, "bad"), do_nothing, dup(u));
	attacker = start(BC_ROOT, flood, s);

	failcnt = bc_at_least(self->dir, "bad/dgramrcvbuf/failcnt", 100);
	EXPECT_LE(100, failcnt);
	EXPECT_EQ(100, echoes(t, 100, 1000));
	/* It has not ended meanwhile. */
	EXPECT_LT(failcnt, bc_at_least(self->dir, "bad/dgramrcvbuf/failcnt", failcnt + 1));
	EXPECT_EQ(0, bc_get(self->dir, "good/dgramrcvbuf/failcnt"));
	EXPECT_LE(UDP_LIMIT / 2, bc_get(self->dir, "bad/dgramrcvbuf/held"));
	EXPECT_GE(UDP_LIMIT, bc_get(self->dir, "bad/dgramrcvbuf/maxheld"));
	EXPECT_EQ(0, getsockopt(u, SOL_SOCKET, SO_MEMINFO, info, &len));
	EXPECT_LE(100U, info[SK_MEMINFO_DROPS]);

	bc_reap(attacker);
	close(u);
	EXPECT_LE(UDP_LIMIT / 2, bc_get(self->dir, "bad/dgramrcvbuf/held"));
	bc_reap(victim);
	EXPECT_EQ(0, bc_settle(self->dir, "bad/dgramrcvbuf/held", 0));
	EXPECT_EQ(0, bc_settle(self->dir, "bad/numothersock/held", 0));
	bc_reap(neighbour);
	close(t);
	EXPECT_EQ(0, bc_settle(self->dir, "good/dgramrcvbuf/held", 0));
	EXPECT_EQ(0, bc_settle(self->dir, "good/numothersock/held", 0));
}

TEST_HARNESS_MAIN
