// SPDX-License-Identifier: GPL-2.0
/* The kernel's process events, through its connector: drivers/connector/cn_proc.c. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>

#include "procevents.h"

#define BUFFER	(4 << 20)

/* As struct proc_input, which older headers do not have. */
struct listen {
	__u32 op;
	__u32 events;
};

/* A request with @size bytes of @what: the kernel tells by the size whether there is a filter. */
static int ask(int fd, const struct listen *what, size_t size)
{
	char buf[NLMSG_SPACE(sizeof(struct cn_msg) + sizeof(*what))] = { };
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	struct cn_msg *msg = NLMSG_DATA(nlh);

	nlh->nlmsg_len = NLMSG_LENGTH(sizeof(*msg) + size);
	nlh->nlmsg_type = NLMSG_DONE;
	nlh->nlmsg_pid = getpid();
	msg->id.idx = CN_IDX_PROC;
	msg->id.val = CN_VAL_PROC;
	msg->len = size;
	memcpy(msg->data, what, size);
	return send(fd, buf, nlh->nlmsg_len, 0) < 0 ? -errno : 0;
}

int procevents_parse(const void *buf, size_t len, bool *answer)
{
	const size_t head = offsetof(struct proc_event, event_data);
	const char *data = (const char *)buf + NLMSG_HDRLEN + sizeof(struct cn_msg);
	struct proc_event ev = { };
	struct nlmsghdr nlh;
	struct cn_msg msg;

	*answer = false;
	if (len < NLMSG_HDRLEN + sizeof(msg))
		return -EBADMSG;
	memcpy(&nlh, buf, sizeof(nlh));
	memcpy(&msg, (const char *)buf + NLMSG_HDRLEN, sizeof(msg));
	if (nlh.nlmsg_len > len || nlh.nlmsg_len < NLMSG_HDRLEN + sizeof(msg) + head ||
	    msg.len < head || msg.len > nlh.nlmsg_len - NLMSG_HDRLEN - sizeof(msg))
		return -EBADMSG;
	if (msg.id.idx != CN_IDX_PROC || msg.id.val != CN_VAL_PROC)
		return 0;
	memcpy(&ev, data, msg.len < sizeof(ev) ? msg.len : sizeof(ev));
	switch ((__u32)ev.what) {
	case PROC_EVENT_NONE:
		*answer = true;
		return 0;
	case PROC_EVENT_EXEC:
		return ev.event_data.exec.process_tgid > 0 ?
			ev.event_data.exec.process_tgid : -EBADMSG;
	case PROC_EVENT_UID:
	case PROC_EVENT_GID:
		return ev.event_data.id.process_tgid > 0 ?
			ev.event_data.id.process_tgid : -EBADMSG;
	default:
		return 0;
	}
}

/* One message. -EAGAIN if there is none. */
static int next(int fd, bool *answer)
{
	char buf[4096];
	struct sockaddr_nl from = { };
	socklen_t size = sizeof(from);
	ssize_t len;

	*answer = false;
	len = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &size);
	if (len < 0)
		return -errno;
	/* Only the kernel knows. */
	return from.nl_pid ? 0 : procevents_parse(buf, len, answer);
}

int procevents_next(int fd)
{
	bool answer;
	int ret;

	do {
		ret = next(fd, &answer);
	} while (!ret || ret == -EINTR || ret == -EBADMSG);
	return ret == -EAGAIN ? 0 : ret;
}

/* A kernel without process events says nothing at all. Events before that are lost. */
static int wait_for_answer(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	bool answer = false;
	int ret;

	while (!answer) {
		ret = poll(&pfd, 1, 2000);
		if (ret < 0 && errno != EINTR)
			return -errno;
		if (!ret)
			return -ETIME;
		ret = next(fd, &answer);
		/* What is lost may be the answer: somebody is there, then. */
		if (ret == -ENOBUFS)
			break;
	}
	return 0;
}

int procevents_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
	struct listen all = { .op = PROC_CN_MCAST_LISTEN };
	struct listen some = {
		.op = PROC_CN_MCAST_LISTEN,
		.events = PROC_EVENT_EXEC | PROC_EVENT_UID | PROC_EVENT_GID,
	};
	int fd, size = BUFFER, err = 0;

	fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
	if (fd < 0)
		return -errno;
	/* As much as one gets. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err = -errno;
	/* The first, as only then is it answered; the second, not to be told of all. */
	err = err ?: ask(fd, &all, sizeof(all.op));
	err = err ?: wait_for_answer(fd);
	err = err ?: ask(fd, &some, sizeof(some));
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
