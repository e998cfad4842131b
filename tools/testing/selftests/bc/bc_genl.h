/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading the events of beancounters with plain sockets: to build and run the selftests
 * takes no library, and what libbc makes of a message does not matter to them. What fails
 * returns -errno.
 */
#ifndef BC_GENL_H
#define BC_GENL_H

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/beancounters.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "bc_util.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

/* More than the longest message has: two paths of 32 * 256 bytes. */
#define BC_GENL_BUF 65536

/**
 * struct bc_genl - what the kernel calls our family
 * @family: type of its messages
 * @group: its multicast group
 * @version: the family's version
 */
struct bc_genl {
	unsigned int family, group, version;
};

/**
 * struct bc_attrs - attributes, by BC_A_*
 * @seen: a bit for each that is there, but for BC_A_PAD
 * @num: those that are numbers; 0 if not there
 * @str: those that are strings; NULL if not there. They live in the message.
 */
struct bc_attrs {
	unsigned int seen;
	unsigned long long num[BC_A_MAX + 1];
	const char *str[BC_A_MAX + 1];
};

/**
 * struct bc_event - a message
 * @cmd: BC_CMD_*
 * @a: its attributes
 * @data: all attributes as they came, for bc_next_counter()
 * @len: bytes there
 */
struct bc_event {
	unsigned int cmd;
	struct bc_attrs a;
	const char *data;
	size_t len;
};

struct bc_attr {
	unsigned int type;
	const char *data;
	size_t len;
};

/*
 * Take an attribute off @p, where @left bytes are left. False at the end; if
 * @left is not 0 then, what follows is no attribute.
 */
static inline bool bc_next_attr(const char **p, size_t *left,
				struct bc_attr *attr)
{
	struct nlattr nla;
	size_t step;

	if (*left < NLA_HDRLEN)
		return false;
	memcpy(&nla, *p, sizeof(nla));
	if (nla.nla_len < NLA_HDRLEN || nla.nla_len > *left)
		return false;
	attr->type = nla.nla_type & NLA_TYPE_MASK;
	attr->data = *p + NLA_HDRLEN;
	attr->len = nla.nla_len - NLA_HDRLEN;
	/* The last one need not be padded. */
	step = NLA_ALIGN(nla.nla_len);
	if (step > *left)
		step = *left;
	*p += step;
	*left -= step;
	return true;
}

/* A number of @size bytes, as this machine has them. */
static inline bool bc_attr_num(const struct bc_attr *attr, size_t size,
			       unsigned long long *num)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	if (attr->len != size)
		return false;
	switch (size) {
	case sizeof(u16):
		memcpy(&u16, attr->data, size);
		*num = u16;
		return true;
	case sizeof(u32):
		memcpy(&u32, attr->data, size);
		*num = u32;
		return true;
	case sizeof(u64):
		memcpy(&u64, attr->data, size);
		*num = u64;
		return true;
	}
	return false;
}

/* A string that ends in the attribute, or NULL. */
static inline const char *bc_attr_str(const struct bc_attr *attr)
{
	return memchr(attr->data, '\0', attr->len) ? attr->data : NULL;
}

static inline int bc_parse_attrs(const char *p, size_t left,
				 struct bc_attrs *a)
{
	struct bc_attr attr;

	memset(a, 0, sizeof(*a));
	while (bc_next_attr(&p, &left, &attr)) {
		unsigned int i = attr.type;
		bool good = true;

		switch (i) {
		case BC_A_HIERARCHY:
		case BC_A_PID:
		case BC_A_UNIT:
			good = bc_attr_num(&attr, 4, &a->num[i]);
			break;
		case BC_A_GROUP_ID:
		case BC_A_REFUSER_ID:
		case BC_A_AMOUNT:
		case BC_A_HELD:
		case BC_A_MAXHELD:
		case BC_A_MINHELD:
		case BC_A_BARRIER:
		case BC_A_LIMIT:
		case BC_A_FAILCNT:
		case BC_A_LOST:
		case BC_A_REFUSED_AT:
			good = bc_attr_num(&attr, 8, &a->num[i]);
			break;
		case BC_A_GROUP_PATH:
		case BC_A_RESOURCE:
		case BC_A_REFUSER_PATH:
		case BC_A_COMM:
			a->str[i] = bc_attr_str(&attr);
			good = a->str[i];
			break;
		case BC_A_COUNTER:
			break;
		default:
			/* Padding, and what a later kernel may add. */
			continue;
		}
		if (!good)
			return -EBADMSG;
		a->seen |= 1U << i;
	}
	return left ? -EBADMSG : 0;
}

/*
 * The counters of a removed group, one after the other: *@pos is 0 before the
 * first. 1; 0 at the end; -EBADMSG for one that cannot be read.
 */
static inline int bc_next_counter(const struct bc_event *ev, size_t *pos,
				  struct bc_attrs *a)
{
	const char *p = ev->data + *pos;
	size_t left = ev->len - *pos;
	struct bc_attr attr;

	while (bc_next_attr(&p, &left, &attr)) {
		*pos = ev->len - left;
		if (attr.type == BC_A_COUNTER)
			return bc_parse_attrs(attr.data, attr.len, a) ?: 1;
	}
	return 0;
}

/* Take a message off @p. Its payload is @data; NULL at the end, as above. */
static inline const char *bc_next_msg(const char **p, size_t *left,
				      struct nlmsghdr *nlh, size_t *len)
{
	const char *data;
	size_t step;

	if (*left < NLMSG_HDRLEN)
		return NULL;
	memcpy(nlh, *p, sizeof(*nlh));
	if (nlh->nlmsg_len < NLMSG_HDRLEN || nlh->nlmsg_len > *left)
		return NULL;
	data = *p + NLMSG_HDRLEN;
	*len = nlh->nlmsg_len - NLMSG_HDRLEN;
	step = NLMSG_ALIGN((size_t)nlh->nlmsg_len);
	if (step > *left)
		step = *left;
	*p += step;
	*left -= step;
	return data;
}

/*
 * The next event in what has been received, of which @left bytes from @p are
 * left. 1; 0 at the end; -EBADMSG for one that cannot be read: others may be
 * behind it.
 */
static inline int bc_next_event(const struct bc_genl *genl, const char **p,
				size_t *left, struct bc_event *ev)
{
	struct genlmsghdr genlh;
	struct nlmsghdr nlh;
	const char *data;
	size_t len;
	int err;

	while ((data = bc_next_msg(p, left, &nlh, &len))) {
		if (nlh.nlmsg_type != genl->family)
			continue;
		if (len < GENL_HDRLEN)
			return -EBADMSG;
		memcpy(&genlh, data, sizeof(genlh));
		ev->cmd = genlh.cmd;
		ev->data = data + GENL_HDRLEN;
		ev->len = len - GENL_HDRLEN;
		err = bc_parse_attrs(ev->data, ev->len, &ev->a);
		return err ?: 1;
	}
	if (!*left)
		return 0;
	*left = 0;
	return -EBADMSG;
}

/* How many bytes, all from the kernel; 0 if it was somebody else. */
static inline int bc_genl_recv(int fd, char *buf, size_t size, int flags)
{
	struct sockaddr_nl from = { };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from),
		.msg_iov = &iov, .msg_iovlen = 1,
	};
	ssize_t ret = recvmsg(fd, &msg, flags);

	if (ret < 0)
		return -errno;
	if (msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	return msg.msg_namelen == sizeof(from) && !from.nl_pid ? ret : 0;
}

/* The id of the multicast group of events among those of the family. */
static inline unsigned int bc_genl_group(const char *p, size_t left)
{
	struct bc_attr group, attr;

	while (bc_next_attr(&p, &left, &group)) {
		const char *name = NULL;
		unsigned long long id = 0;

		while (bc_next_attr(&group.data, &group.len, &attr)) {
			if (attr.type == CTRL_ATTR_MCAST_GRP_NAME)
				name = bc_attr_str(&attr);
			else if (attr.type == CTRL_ATTR_MCAST_GRP_ID)
				bc_attr_num(&attr, 4, &id);
		}
		if (name && !strcmp(name, BC_GENL_MCGRP_EVENTS))
			return id;
	}
	return 0;
}

/* What the kernel has answered when it was asked for the family. */
static inline int bc_parse_family(const char *p, size_t left,
				  struct bc_genl *genl)
{
	unsigned long long family = 0, version = 0;
	struct nlmsghdr nlh;
	struct bc_attr attr;
	const char *data;
	size_t len;
	int err;

	memset(genl, 0, sizeof(*genl));
	data = bc_next_msg(&p, &left, &nlh, &len);
	if (!data)
		return -EBADMSG;
	if (nlh.nlmsg_type == NLMSG_ERROR) {
		if (len < sizeof(err))
			return -EBADMSG;
		memcpy(&err, data, sizeof(err));
		return err < 0 ? err : -EBADMSG;
	}
	if (nlh.nlmsg_type != GENL_ID_CTRL || len < GENL_HDRLEN)
		return -EBADMSG;
	data += GENL_HDRLEN;
	len -= GENL_HDRLEN;
	while (bc_next_attr(&data, &len, &attr)) {
		if (attr.type == CTRL_ATTR_FAMILY_ID)
			bc_attr_num(&attr, 2, &family);
		else if (attr.type == CTRL_ATTR_VERSION)
			bc_attr_num(&attr, 4, &version);
		else if (attr.type == CTRL_ATTR_MCAST_GROUPS)
			genl->group = bc_genl_group(attr.data, attr.len);
	}
	genl->family = family;
	genl->version = version;
	return family && genl->group ? 0 : -EBADMSG;
}

/* Find the family. -ENOENT if there is none in this network namespace. */
static inline int bc_genl_resolve(int fd, struct bc_genl *genl)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct {
		struct nlmsghdr nlh;
		struct genlmsghdr genlh;
		struct nlattr nla;
		char name[NLA_ALIGN(sizeof(BC_GENL_NAME))];
	} req = {
		.nlh = {
			.nlmsg_len = sizeof(req),
			.nlmsg_type = GENL_ID_CTRL,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.genlh = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 },
		.nla = {
			.nla_len = NLA_HDRLEN + sizeof(BC_GENL_NAME),
			.nla_type = CTRL_ATTR_FAMILY_NAME,
		},
		.name = BC_GENL_NAME,
	};
	char buf[8192];
	int ret;

	if (sendto(fd, &req, sizeof(req), 0, (void *)&to, sizeof(to)) < 0)
		return -errno;
	do {
		ret = bc_genl_recv(fd, buf, sizeof(buf), 0);
	} while (!ret || ret == -EINTR);
	return ret < 0 ? ret : bc_parse_family(buf, ret, genl);
}

static inline int bc_genl_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	return fd < 0 ? -errno : fd;
}

/* -EPERM without CAP_SYS_ADMIN. */
static inline int bc_genl_join(int fd, const struct bc_genl *genl)
{
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &genl->group,
		       sizeof(genl->group)))
		return -errno;
	return 0;
}

/*
 * Ask for something, with the attributes at @attrs. Returns 0, or -errno if it could not be
 * sent.
 */
static inline int bc_genl_send(int fd, const struct bc_genl *genl, unsigned int cmd,
			       unsigned int flags, const void *attrs, size_t len)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct nlmsghdr nlh = {
		.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN + len,
		.nlmsg_type = genl->family,
		.nlmsg_flags = NLM_F_REQUEST | flags,
		.nlmsg_seq = 1,
	};
	struct genlmsghdr genlh = { .cmd = cmd, .version = BC_GENL_VERSION };
	struct iovec iov[] = {
		{ .iov_base = &nlh, .iov_len = sizeof(nlh) },
		{ .iov_base = &genlh, .iov_len = sizeof(genlh) },
		{ .iov_base = (void *)attrs, .iov_len = len },
	};
	struct msghdr msg = {
		.msg_name = &to, .msg_namelen = sizeof(to),
		.msg_iov = iov, .msg_iovlen = 3,
	};

	return sendmsg(fd, &msg, 0) < 0 ? -errno : 0;
}

/* Append an attribute at *@len. */
static inline void bc_put_attr(char *attrs, size_t *len, unsigned int type,
			       const void *data, size_t size)
{
	struct nlattr nla = { .nla_len = NLA_HDRLEN + size, .nla_type = type };

	memcpy(attrs + *len, &nla, sizeof(nla));
	memcpy(attrs + *len + NLA_HDRLEN, data, size);
	memset(attrs + *len + nla.nla_len, 0, NLA_ALIGN(size) - size);
	*len += NLA_ALIGN(nla.nla_len);
}

/* Room for what has not been read yet. Any, with CAP_NET_ADMIN. */
static inline int bc_genl_buffer(int fd, int size)
{
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)))
		return -errno;
	return 0;
}

/**
 * struct bc_listener - who listens
 * @fd: the socket
 * @genl: the family
 * @buf: what was received last
 * @pos: what of it has not been looked at
 * @left: how much that is
 * @lost: events that are missing, as the kernel says
 * @overruns: how often our buffer was full
 */
struct bc_listener {
	int fd;
	struct bc_genl genl;
	char buf[BC_GENL_BUF];
	const char *pos;
	size_t left;
	unsigned long long lost;
	unsigned int overruns;
};

/*
 * The next event. 1; 0 when none has come for @ms; -errno. Those that tell of losses are
 * added up.
 */
static inline int bc_hear(struct bc_listener *l, struct bc_event *ev, int ms)
{
	struct pollfd pfd = { .fd = l->fd, .events = POLLIN };
	double end = bc_now() + ms / 1000.0;
	int ret;

	for (;;) {
		while ((ret = bc_next_event(&l->genl, &l->pos, &l->left, ev))) {
			if (ret < 0 || ev->cmd != BC_CMD_LOST)
				return ret;
			if (ev->a.seen != 1U << BC_A_LOST || !ev->a.num[BC_A_LOST])
				return -EPROTO;
			l->lost += ev->a.num[BC_A_LOST];
		}
		ms = (end - bc_now()) * 1000;
		if (poll(&pfd, 1, ms > 0 ? ms : 0) == 0)
			return 0;
		ret = bc_genl_recv(l->fd, l->buf, sizeof(l->buf), MSG_DONTWAIT);
		if (ret == -ENOBUFS) {
			l->overruns++;
			continue;
		}
		if (ret < 0 && ret != -EAGAIN)
			return ret;
		l->pos = l->buf;
		l->left = ret > 0 ? ret : 0;
	}
}

/* Do not read until something has found the buffer full; half a minute at most. */
static inline void bc_wait_overrun(struct bc_listener *l)
{
	struct pollfd pfd = { .fd = l->fd };

	poll(&pfd, 1, 30000);
}

#endif /* BC_GENL_H */
