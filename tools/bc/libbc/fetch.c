// SPDX-License-Identifier: GPL-2.0
/* All counters of many groups in one go, from the kernel's generic netlink family. */
#include "internal.h"
#include "nl.h"

/* As large as the kernel makes a message of a dump. */
#define FETCH_BUF 65536

/**
 * struct fetching - what goes on
 * @bc: where it goes
 * @family: of the messages
 * @err: what has failed first, -errno
 * @done: no more is to come
 */
struct fetching {
	struct bc *bc;
	unsigned int family;
	int err;
	bool done;
};

static long long amount(struct nlattr *a)
{
	unsigned long long val = get_u64(a);

	/* "max" is LONG_MAX, of whatever size that is in the kernel. */
	return val == LONG_MAX || val >= LLONG_MAX ? BC_MAX : (long long)val;
}

static void parse_counter(struct bc *bc, struct bc_fetched *f, struct nlattr *nest)
{
	static const int attrs[BC_NR_FILES] = {
		[BC_HELD]	= BC_A_HELD,
		[BC_MAXHELD]	= BC_A_MAXHELD,
		[BC_MINHELD]	= BC_A_MINHELD,
		[BC_BARRIER]	= BC_A_BARRIER,
		[BC_LIMIT]	= BC_A_LIMIT,
		[BC_FAILCNT]	= BC_A_FAILCNT,
	};
	const struct bc_controller *c;
	struct bc_counter *counter;
	struct nlattr *tb[BC_A_MAX + 1];
	int i;

	if (parse_attrs(nla_data(nest), nla_len(nest), tb) || !tb[BC_A_RESOURCE])
		return;
	/* One that is newer than the handle is none of ours. */
	c = bc_find_controller(bc, get_str(tb[BC_A_RESOURCE]));
	if (!c)
		return;
	counter = &f->counters[c - bc->controllers];
	memset(counter, 0, sizeof(*counter));
	for (i = 0; i < BC_NR_FILES; i++) {
		if (!tb[attrs[i]])
			continue;
		counter->val[i] = amount(tb[attrs[i]]);
		counter->seen |= BC_BIT(i);
	}
	counter->refused_at = get_u64(tb[BC_A_REFUSED_AT]);
}

int bc_fetch_parse(struct bc *bc, unsigned int family, const void *data)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)data;
	struct nlattr *tb[BC_A_MAX + 1], *head, *a;
	struct genlmsghdr *genlh;
	struct bc_fetched *f;
	int len, left;

	if (nlh->nlmsg_type != family)
		return 0;
	if (!genlmsg_valid_hdr(nlh, 0))
		return -EBADMSG;
	genlh = genlmsg_hdr(nlh);
	if (genlh->cmd != BC_CMD_GROUP_GET)
		return 0;
	head = genlmsg_attrdata(genlh, 0);
	len = genlmsg_attrlen(genlh, 0);
	if (parse_attrs(head, len, tb) || !tb[BC_A_GROUP_PATH])
		return -EBADMSG;
	/* Of a large one, there are several messages. */
	f = bc_fetched(bc, get_u32(tb[BC_A_HIERARCHY]), get_str(tb[BC_A_GROUP_PATH]), true);
	if (!f)
		return -ENOMEM;
	/* Or it was removed meanwhile, and made again. */
	if (f->told && f->id != get_u64(tb[BC_A_GROUP_ID]))
		memset(f->counters, 0, bc->nr_controllers * sizeof(f->counters[0]));
	f->told = true;
	f->id = get_u64(tb[BC_A_GROUP_ID]);
	nla_for_each_attr(a, head, len, left) {
		if (nla_type(a) == BC_A_COUNTER)
			parse_counter(bc, f, a);
	}
	return 0;
}

static int take_message(struct nl_msg *msg, void *arg)
{
	struct fetching *fetch = arg;
	int err = bc_fetch_parse(fetch->bc, fetch->family, nlmsg_hdr(msg));

	fetch->err = fetch->err ?: err;
	return NL_OK;
}

/* Groups that have come meanwhile are read in files. */
static int interrupted(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_OK;
}

/* What has gone wrong in the middle is in the last message, which libnl does not look at. */
static int take_end(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct fetching *fetch = arg;

	if (nlh->nlmsg_type == NLMSG_DONE && nlmsg_datalen(nlh) >= (int)sizeof(int)) {
		int err = *(int *)nlmsg_data(nlh);

		fetch->err = fetch->err ?: err < 0 ? err : 0;
	}
	fetch->done = true;
	return NL_STOP;
}

/* What the kernel says, before libnl has made another number of it. */
static int take_error(struct sockaddr_nl *from, struct nlmsgerr *err, void *arg)
{
	(void)from;
	*(int *)arg = err->error;
	return NL_STOP;
}

static int fetch(struct nl_sock *sk, struct fetching *fetch, struct nl_msg *msg)
{
	int ret, err = 0;

	nl_socket_set_msg_buf_size(sk, FETCH_BUF);
	nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, take_error, &err);
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, take_message, fetch);
	nl_socket_modify_cb(sk, NL_CB_DUMP_INTR, NL_CB_CUSTOM, interrupted, NULL);
	nl_socket_modify_cb(sk, NL_CB_FINISH, NL_CB_CUSTOM, take_end, fetch);
	nl_socket_modify_cb(sk, NL_CB_ACK, NL_CB_CUSTOM, take_end, fetch);
	ret = nl_send_auto(sk, msg);
	while (ret >= 0 && !err && !fetch->done)
		ret = nl_recvmsgs_default(sk);
	if (err)
		return err;
	return ret < 0 ? nl_to_errno(ret) : fetch->err;
}

int bc_fetch(struct bc_group *group, bool below)
{
	struct fetching fetching = { .bc = group->bc };
	struct bc *bc = group->bc;
	struct nl_sock *sk;
	struct nl_msg *msg;
	int err;

	bc_forget(bc);
	if (bc->elsewhere)
		return bc_fail(bc, EOPNOTSUPP, "only the kernel knows its own groups");
	err = nl_open(&sk, &fetching.family);
	if (err)
		return bc_fail(bc, err == -ENOENT ? EOPNOTSUPP : -err,
			       "the kernel cannot be asked for counters here");
	msg = nl_request(fetching.family, BC_CMD_GROUP_GET, below ? NLM_F_DUMP : NLM_F_ACK,
			 group->hierarchy->number, group->path);
	err = msg ? fetch(sk, &fetching, msg) : -ENOMEM;
	nlmsg_free(msg);
	nl_socket_free(sk);
	if (!err)
		return 0;
	/* Half of it would be old sooner than the other half. */
	bc_forget(bc);
	return bc_fail(bc, -err, "the kernel does not tell the counters of %s: %s",
		       group->name, strerror(-err));
}
