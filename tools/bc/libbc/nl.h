/* SPDX-License-Identifier: GPL-2.0 */
/* How libbc uses libnl: for events.c and fetch.c. */
#ifndef LIBBC_NL_H
#define LIBBC_NL_H

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "internal.h"

/* Lengths and types; libnl sees to it that strings end where they should. */
static const struct nla_policy nl_policy[BC_A_MAX + 1] = {
	[BC_A_HIERARCHY]	= { .type = NLA_U32 },
	[BC_A_GROUP_ID]		= { .type = NLA_U64 },
	[BC_A_GROUP_PATH]	= { .type = NLA_STRING },
	[BC_A_RESOURCE]		= { .type = NLA_STRING },
	[BC_A_REFUSER_ID]	= { .type = NLA_U64 },
	[BC_A_REFUSER_PATH]	= { .type = NLA_STRING },
	[BC_A_AMOUNT]		= { .type = NLA_U64 },
	[BC_A_HELD]		= { .type = NLA_U64 },
	[BC_A_MAXHELD]		= { .type = NLA_U64 },
	[BC_A_MINHELD]		= { .type = NLA_U64 },
	[BC_A_BARRIER]		= { .type = NLA_U64 },
	[BC_A_LIMIT]		= { .type = NLA_U64 },
	[BC_A_FAILCNT]		= { .type = NLA_U64 },
	[BC_A_PID]		= { .type = NLA_U32 },
	[BC_A_COMM]		= { .type = NLA_STRING },
	[BC_A_COUNTER]		= { .type = NLA_NESTED },
	[BC_A_LOST]		= { .type = NLA_U64 },
	[BC_A_UNIT]		= { .type = NLA_U32 },
	[BC_A_REFUSED_AT]	= { .type = NLA_U64 },
};

/* @tb by number; of those that are there several times (BC_A_COUNTER), the last one. */
static inline int parse_attrs(struct nlattr *head, int len, struct nlattr **tb)
{
	return nla_parse(tb, BC_A_MAX, head, len, nl_policy) < 0 ? -EBADMSG : 0;
}

static inline const char *get_str(struct nlattr *a)
{
	return a ? nla_get_string(a) : NULL;
}

static inline unsigned int get_u32(struct nlattr *a)
{
	return a ? nla_get_u32(a) : 0;
}

static inline unsigned long long get_u64(struct nlattr *a)
{
	return a ? nla_get_u64(a) : 0;
}

static inline int nl_to_errno(int err)
{
	switch (-err) {
	case NLE_SUCCESS:
		return 0;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_OBJ_NOTFOUND:
	case NLE_NODEV:
		return -ENOENT;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_AGAIN:
		return -EAGAIN;
	case NLE_INTR:
		return -EINTR;
	case NLE_MSG_TRUNC:
		return -EMSGSIZE;
	default:
		return -EIO;
	}
}

/* A socket, and the type of the family's messages; or NULL, and -errno. */
static inline int nl_open(struct nl_sock **sk, unsigned int *family)
{
	int ret;

	*sk = nl_socket_alloc();
	if (!*sk)
		return -ENOMEM;
	ret = genl_connect(*sk);
	if (ret >= 0)
		ret = genl_ctrl_resolve(*sk, BC_GENL_NAME);
	if (ret < 0) {
		nl_socket_free(*sk);
		*sk = NULL;
		return nl_to_errno(ret);
	}
	*family = ret;
	return 0;
}

/* A request about a group; NULL for lack of memory. */
static inline struct nl_msg *nl_request(unsigned int family, unsigned int cmd, int flags,
					unsigned int hierarchy, const char *path)
{
	struct nl_msg *msg = nlmsg_alloc_size(strlen(path) + 256);

	if (msg && genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, flags, cmd,
			       BC_GENL_VERSION) &&
	    !nla_put_u32(msg, BC_A_HIERARCHY, hierarchy) &&
	    !nla_put_string(msg, BC_A_GROUP_PATH, path))
		return msg;
	nlmsg_free(msg);
	return NULL;
}

#endif /* LIBBC_NL_H */
