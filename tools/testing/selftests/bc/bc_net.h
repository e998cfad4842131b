/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sockets that are made in groups, over lo or over a line that loses packets.
 */
#ifndef BC_NET_H
#define BC_NET_H

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bc_util.h"

/* What is sent, and what comes: nobody looks at it. */
static char bc_buf[1 << 20];

/* What the test makes while it is in a group is that group's. NULL is the root. */
static inline int bc_enter(const char *dir)
{
	return bc_write(dir ?: BC_ROOT, "tasks", "0");
}

static inline int bc_leave(void)
{
	return bc_enter(NULL);
}

/* Is one of @events true of @fd, within @ms? */
static inline bool bc_ready(int fd, int events, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, ms) == 1 && (pfd.revents & events);
}

/* Send as many bytes of nothing. 0 or an errno. */
static inline int bc_send(int fd, size_t len, int flags)
{
	return send(fd, bc_buf, len, flags | MSG_NOSIGNAL) == (ssize_t)len ? 0 : errno;
}

/* Send messages until it fails. Returns how many; the error is in errno. */
static inline int bc_fill(int fd, size_t len)
{
	int n = 0;

	while (send(fd, bc_buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		n++;
	return n;
}

/* The same until the other end's window is closed, and what is left waits. */
static inline int bc_fill_up(int fd, size_t len)
{
	int n = 0, more, idle = 0;

	/* What is acknowledged late makes room: then it is tried again. */
	while (idle < 4 || (idle < 8 && bc_ready(fd, POLLOUT, 0))) {
		more = bc_fill(fd, len);
		idle = more ? 0 : idle + 1;
		n += more;
		usleep(60000);
	}
	return n;
}

/* Take all that there is. Returns how many messages. */
static inline int bc_drain(int fd)
{
	int n = 0;

	while (recv(fd, bc_buf, sizeof(bc_buf), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

/* Wait until @file is at least @min. */
static inline long bc_at_least(const char *dir, const char *file, long min)
{
	long val;
	int i;

	for (i = 0; i < 500; i++) {
		val = bc_get(dir, file);
		if (val >= min || val < 0)
			break;
		usleep(20000);
	}
	return val;
}

/* A file in a group below ours, or in one beside it. */
static inline const char *bc_path_to(const char *dir, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* A socket for datagrams, and where it is. */
static inline int bc_udp(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_in) {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (bind(fd, (void *)addr, len) || getsockname(fd, (void *)addr, &len))
		return -1;
	return fd;
}

static inline int bc_udp_in(const char *dir, struct sockaddr_in *addr)
{
	int fd = bc_enter(dir) ? -1 : bc_udp(addr);

	return bc_leave() ? -1 : fd;
}

/* A listener at @addr, or where there is room, which is told then. */
static inline int bc_listen(struct sockaddr_in *addr, int backlog)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!addr->sin_family)
		*addr = (struct sockaddr_in) {
			.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		};
	if (bind(fd, (void *)addr, len) || listen(fd, backlog) ||
	    getsockname(fd, (void *)addr, &len))
		return -1;
	return fd;
}

static inline int bc_listen_in(const char *dir, struct sockaddr_in *addr, int backlog)
{
	int fd = bc_enter(dir) ? -1 : bc_listen(addr, backlog);

	return bc_leave() ? -1 : fd;
}

static inline int bc_connect(const struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (void *)addr, sizeof(*addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

static inline int bc_connect_in(const char *dir, const struct sockaddr_in *addr)
{
	int fd = bc_enter(dir) ? -1 : bc_connect(addr);

	return bc_leave() ? -1 : fd;
}

/* A connection: @c[0] of one group, @c[1], which is accepted, of another. */
static inline int bc_tcp_pair(const char *caller, const char *listener, int c[2])
{
	struct sockaddr_in addr = {};
	int l = bc_listen_in(listener, &addr, 5);

	if (l < 0)
		return -1;
	c[0] = bc_connect_in(caller, &addr);
	c[1] = c[0] < 0 ? -1 : accept4(l, NULL, NULL, SOCK_CLOEXEC);
	close(l);
	return c[1] < 0 ? -1 : 0;
}

/**
 * struct bc_line - two network namespaces, and what connects them
 * @ns: of the two ends: who calls is at the first, who listens at the second
 * @addr: of the second, without a port
 *
 * It is slow and loses packets. Where there is no line, both are where they are.
 */
struct bc_line {
	int ns[2];
	struct sockaddr_in addr;
};

static inline int bc_go_to(const struct bc_line *line, int end)
{
	return line ? setns(line->ns[end], CLONE_NEWNET) : 0;
}

struct bc_rt_request {
	struct nlmsghdr h;
	char data[1024];
};

static inline void *bc_rt_put(struct bc_rt_request *req, const void *data, size_t len)
{
	void *p = (char *)req + NLMSG_ALIGN(req->h.nlmsg_len);

	if (data)
		memcpy(p, data, len);
	req->h.nlmsg_len = NLMSG_ALIGN(req->h.nlmsg_len) + len;
	return p;
}

static inline struct rtattr *bc_rt_attr(struct bc_rt_request *req, int type,
					const void *data, size_t len)
{
	struct rtattr attr = { .rta_type = type, .rta_len = RTA_LENGTH(len) };
	struct rtattr *p = bc_rt_put(req, &attr, sizeof(attr));

	bc_rt_put(req, data, len);
	return p;
}

static inline void bc_rt_attr_end(struct bc_rt_request *req, struct rtattr *attr)
{
	attr->rta_len = (char *)req + NLMSG_ALIGN(req->h.nlmsg_len) - (char *)attr;
}

/* Send it, and return what the kernel says to it. */
static inline int bc_rt_do(struct bc_rt_request *req)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr err;
	} answer = {};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	req->h.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(fd, req, req->h.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		answer.err.error = -errno;
	close(fd);
	return answer.err.error;
}

static inline int bc_make_veth(int ns)
{
	struct ifinfomsg info = {};
	struct bc_rt_request req = {
		.h = {
			.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = RTM_NEWLINK,
			.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL,
		},
	};
	struct rtattr *link, *data, *peer;

	bc_rt_put(&req, &info, sizeof(info));
	bc_rt_attr(&req, IFLA_IFNAME, "bc0", 4);
	link = bc_rt_attr(&req, IFLA_LINKINFO, NULL, 0);
	bc_rt_attr(&req, IFLA_INFO_KIND, "veth", 5);
	data = bc_rt_attr(&req, IFLA_INFO_DATA, NULL, 0);
	peer = bc_rt_attr(&req, VETH_INFO_PEER, NULL, 0);
	bc_rt_put(&req, &info, sizeof(info));
	bc_rt_attr(&req, IFLA_IFNAME, "bc0", 4);
	bc_rt_attr(&req, IFLA_NET_NS_FD, &ns, sizeof(ns));
	bc_rt_attr_end(&req, peer);
	bc_rt_attr_end(&req, data);
	bc_rt_attr_end(&req, link);
	return bc_rt_do(&req);
}

/* @loss in percent. */
static inline int bc_add_netem(unsigned int ms, double loss)
{
	struct tc_netem_qopt opt = {
		.latency = ms * 1000000ULL >> 6,	/* in units of 64 ns */
		.limit = 1000,
		.loss = loss / 100 * UINT_MAX,
	};
	struct tcmsg tc = {
		.tcm_ifindex = if_nametoindex("bc0"), .tcm_parent = TC_H_ROOT,
	};
	struct bc_rt_request req = {
		.h = {
			.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = RTM_NEWQDISC,
			.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL,
		},
	};

	bc_rt_put(&req, &tc, sizeof(tc));
	bc_rt_attr(&req, TCA_KIND, "netem", 6);
	bc_rt_attr(&req, TCA_OPTIONS, &opt, sizeof(opt));
	return bc_rt_do(&req);
}

static inline int bc_set_up_end(const struct bc_line *line, int end, const char *addr)
{
	struct sockaddr_in *sin;
	struct ifreq ifr = { .ifr_name = "bc0" };
	int fd, err = 0;

	if (bc_go_to(line, end))
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sin = (struct sockaddr_in *)&ifr.ifr_addr;
	sin->sin_family = AF_INET;
	inet_pton(AF_INET, addr, &sin->sin_addr);
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		err = -errno;
	inet_pton(AF_INET, "255.255.255.0", &sin->sin_addr);
	if (ioctl(fd, SIOCSIFNETMASK, &ifr))
		err = -errno;
	ifr.ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		err = -errno;
	close(fd);
	return err ?: bc_add_netem(5, 3);
}

/* -EOPNOTSUPP or -ENOENT without veth or netem. The caller is at the one end or the other. */
static inline int bc_make_line(struct bc_line *line)
{
	int i, err;

	for (i = 0; i < 2; i++) {
		if (unshare(CLONE_NEWNET))
			return -errno;
		line->ns[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (line->ns[i] < 0)
			return -errno;
	}
	err = bc_go_to(line, 0) ?: bc_make_veth(line->ns[1]);
	err = err ?: bc_set_up_end(line, 0, "10.99.0.1");
	err = err ?: bc_set_up_end(line, 1, "10.99.0.2");
	line->addr.sin_family = AF_INET;
	inet_pton(AF_INET, "10.99.0.2", &line->addr.sin_addr);
	return err;
}

#endif /* BC_NET_H */
