// SPDX-License-Identifier: GPL-2.0
/*
 * Events: the multicast group of the kernel's generic netlink family, or a subscription to a
 * subtree, with libnl.
 */
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <poll.h>

#include "internal.h"
#include "nl.h"

/**
 * struct bc_events - who listens
 * @sk: joined to the multicast group
 * @family: the type of its messages
 * @buf: what was received last, a datagram; libnl's to free
 * @pos: the next message in it
 * @left: how many bytes there are from there on
 * @overrun: some were lost before anybody could be told
 */
struct bc_events {
	struct nl_sock *sk;
	unsigned int family;
	unsigned char *buf;
	const char *pos;
	size_t left;
	bool overrun;
};

static unsigned int seen(struct nlattr **tb)
{
	unsigned int bits = 0, i;

	for (i = BC_A_PAD + 1; i <= BC_A_MAX; i++)
		bits |= tb[i] ? 1U << i : 0;
	return bits;
}

static void parse_counter(struct nlattr *a, struct bc_event *event)
{
	struct nlattr *tb[BC_A_MAX + 1];
	struct bc_event_counter *c;

	/* One that cannot be read is as good as none. */
	if (event->nr_counters == BC_EVENT_COUNTERS ||
	    parse_attrs(nla_data(a), nla_len(a), tb) || !tb[BC_A_RESOURCE])
		return;
	c = &event->counters[event->nr_counters++];
	c->seen = seen(tb);
	c->resource = get_str(tb[BC_A_RESOURCE]);
	c->held = get_u64(tb[BC_A_HELD]);
	c->maxheld = get_u64(tb[BC_A_MAXHELD]);
	c->minheld = get_u64(tb[BC_A_MINHELD]);
	c->failcnt = get_u64(tb[BC_A_FAILCNT]);
}

static int parse_event(struct nlmsghdr *nlh, struct bc_event *event)
{
	struct nlattr *tb[BC_A_MAX + 1], *head, *a;
	struct genlmsghdr *genlh;
	int len, left;

	memset(event, 0, sizeof(*event));
	if (!genlmsg_valid_hdr(nlh, 0))
		return -EBADMSG;
	genlh = genlmsg_hdr(nlh);
	head = genlmsg_attrdata(genlh, 0);
	len = genlmsg_attrlen(genlh, 0);
	if (parse_attrs(head, len, tb))
		return -EBADMSG;
	event->cmd = genlh->cmd;
	event->seen = seen(tb);
	event->hierarchy = get_u32(tb[BC_A_HIERARCHY]);
	event->group_id = get_u64(tb[BC_A_GROUP_ID]);
	event->group = get_str(tb[BC_A_GROUP_PATH]);
	event->pid = get_u32(tb[BC_A_PID]);
	event->comm = get_str(tb[BC_A_COMM]);
	event->resource = get_str(tb[BC_A_RESOURCE]);
	event->refuser_id = get_u64(tb[BC_A_REFUSER_ID]);
	event->refuser = get_str(tb[BC_A_REFUSER_PATH]);
	event->amount = get_u64(tb[BC_A_AMOUNT]);
	event->held = get_u64(tb[BC_A_HELD]);
	event->barrier = get_u64(tb[BC_A_BARRIER]);
	event->limit = get_u64(tb[BC_A_LIMIT]);
	event->failcnt = get_u64(tb[BC_A_FAILCNT]);
	event->lost = get_u64(tb[BC_A_LOST]);
	nla_for_each_attr(a, head, len, left) {
		if (nla_type(a) == BC_A_COUNTER)
			parse_counter(a, event);
	}
	return 1;
}

int bc_event_parse(unsigned int family, const char **pos, size_t *len,
		   struct bc_event *event)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)*pos;
	int left = *len, ret;

	while (nlmsg_ok(nlh, left)) {
		struct nlmsghdr *this = nlh;

		nlh = nlmsg_next(nlh, &left);
		*len = left > 0 ? left : 0;
		*pos = (const char *)nlh;
		if (this->nlmsg_type != family)
			continue;
		return parse_event(this, event);
	}
	ret = *len ? -EBADMSG : 0;
	*len = 0;
	return ret;
}

/* A socket that knows the family, and listens to nothing. */
static int open_events(struct bc_events **events, int buffer)
{
	struct bc_events *e = calloc(1, sizeof(*e));
	int ret;

	*events = NULL;
	if (!e)
		return -ENOMEM;
	ret = nl_open(&e->sk, &e->family);
	if (ret) {
		bc_events_close(e);
		return ret;
	}
	/* What is sent to all has no sequence that we could know. */
	nl_socket_disable_seq_check(e->sk);
	nl_socket_disable_auto_ack(e->sk);
	/* Any size with CAP_NET_ADMIN; less, if it has to be, without. */
	ret = 0;
	if (setsockopt(nl_socket_get_fd(e->sk), SOL_SOCKET, SO_RCVBUFFORCE, &buffer,
		       sizeof(buffer)))
		ret = nl_socket_set_buffer_size(e->sk, buffer, 0);
	nl_socket_set_msg_buf_size(e->sk, BC_EVENT_BUF);
	if (ret < 0) {
		bc_events_close(e);
		return nl_to_errno(ret);
	}
	*events = e;
	return 0;
}

static int close_failed(struct bc_events **events, int err)
{
	bc_events_close(*events);
	*events = NULL;
	return err;
}

int bc_events_open(struct bc_events **events, int buffer)
{
	int ret = open_events(events, buffer);

	if (ret)
		return ret;
	ret = genl_ctrl_resolve_grp((*events)->sk, BC_GENL_NAME, BC_GENL_MCGRP_EVENTS);
	if (ret >= 0)
		ret = nl_socket_add_membership((*events)->sk, ret);
	if (ret >= 0)
		ret = nl_socket_set_nonblocking((*events)->sk);
	return ret < 0 ? close_failed(events, nl_to_errno(ret)) : 0;
}

/* Events that have come before the answer. */
static int keep(struct bc_events *e, const void *data, size_t len)
{
	unsigned char *buf = realloc(e->buf, e->left + NLMSG_ALIGN(len));

	if (!buf)
		return -ENOMEM;
	memcpy(buf + e->left, data, len);
	memset(buf + e->left + len, 0, NLMSG_ALIGN(len) - len);
	e->buf = buf;
	e->pos = (const char *)buf;
	e->left += NLMSG_ALIGN(len);
	return 0;
}

/* libnl would throw away what is no answer. */
static int wait_for_answer(struct bc_events *e, unsigned int seq)
{
	struct sockaddr_nl from;
	struct nlmsghdr *nlh;
	unsigned char *data;
	bool answered = false;
	int ret, err = 0;

	while (!answered && !err) {
		errno = 0;
		ret = nl_recv(e->sk, &from, &data, NULL);
		if (ret == -NLE_INTR)
			continue;
		if (ret < 0 && errno == ENOBUFS) {
			e->overrun = true;
			continue;
		}
		if (ret <= 0)
			return ret ? nl_to_errno(ret) : -EIO;
		nlh = (struct nlmsghdr *)data;
		if (!from.nl_pid && nlmsg_ok(nlh, ret)) {
			answered = nlh->nlmsg_type == NLMSG_ERROR && nlh->nlmsg_seq == seq;
			if (answered)
				err = ((struct nlmsgerr *)nlmsg_data(nlh))->error;
			else if (nlh->nlmsg_type == e->family)
				err = keep(e, data, ret);
		}
		free(data);
	}
	return err;
}

static int subscribe(struct bc_events *e, unsigned int hierarchy, const char *path)
{
	struct nl_msg *msg = nl_request(e->family, BC_CMD_SUBSCRIBE, NLM_F_ACK, hierarchy,
					path);
	unsigned int seq;
	int ret;

	if (!msg)
		return -ENOMEM;
	ret = nl_send_auto(e->sk, msg);
	seq = nlmsg_hdr(msg)->nlmsg_seq;
	nlmsg_free(msg);
	return ret < 0 ? nl_to_errno(ret) : wait_for_answer(e, seq);
}

int bc_events_open_group(struct bc_events **events, unsigned int hierarchy,
			 const char *path, int buffer)
{
	int ret = open_events(events, buffer);

	if (ret)
		return ret;
	ret = subscribe(*events, hierarchy, path);
	if (!ret)
		ret = nl_to_errno(nl_socket_set_nonblocking((*events)->sk));
	return ret ? close_failed(events, ret) : 0;
}

void bc_events_close(struct bc_events *events)
{
	if (!events)
		return;
	free(events->buf);
	nl_socket_free(events->sk);
	free(events);
}

int bc_events_fd(const struct bc_events *events)
{
	return nl_socket_get_fd(events->sk);
}

int bc_events_next(struct bc_events *events, struct bc_event *event)
{
	struct sockaddr_nl from;
	int ret;

	for (;;) {
		if (events->left) {
			ret = bc_event_parse(events->family, &events->pos, &events->left, event);
			if (ret)
				return ret;
		}
		if (events->overrun) {
			events->overrun = false;
			return -ENOBUFS;
		}
		free(events->buf);
		events->buf = NULL;
		errno = 0;
		ret = nl_recv(events->sk, &from, &events->buf, NULL);
		if (ret == 0 || ret == -NLE_AGAIN)
			return 0;
		if (ret == -NLE_INTR)
			continue;
		/* libnl has "out of memory" for it, as for others. */
		if (ret < 0 && errno == ENOBUFS)
			return -ENOBUFS;
		if (ret < 0)
			return nl_to_errno(ret);
		/* From the kernel, not from somebody who has our address. */
		events->left = from.nl_pid ? 0 : ret;
		events->pos = (const char *)events->buf;
	}
}
