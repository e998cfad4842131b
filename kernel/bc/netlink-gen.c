// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/beancounters.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink-gen.h"

#include <uapi/linux/beancounters.h>

/* BC_CMD_GROUP_GET - do */
static const struct nla_policy beancounters_group_get_do_nl_policy[BC_A_GROUP_PATH + 1] = {
	[BC_A_HIERARCHY] = { .type = NLA_U32, },
	[BC_A_GROUP_PATH] = { .type = NLA_NUL_STRING, .len = 8192, },
};

/* BC_CMD_GROUP_GET - dump */
static const struct nla_policy beancounters_group_get_dump_nl_policy[BC_A_GROUP_PATH + 1] = {
	[BC_A_HIERARCHY] = { .type = NLA_U32, },
	[BC_A_GROUP_PATH] = { .type = NLA_NUL_STRING, .len = 8192, },
};

/* BC_CMD_SUBSCRIBE - do */
static const struct nla_policy beancounters_subscribe_nl_policy[BC_A_GROUP_PATH + 1] = {
	[BC_A_HIERARCHY] = { .type = NLA_U32, },
	[BC_A_GROUP_PATH] = { .type = NLA_NUL_STRING, .len = 8192, },
};

/* Ops table for beancounters */
const struct genl_split_ops beancounters_nl_ops[3] = {
	{
		.cmd		= BC_CMD_GROUP_GET,
		.doit		= beancounters_nl_group_get_doit,
		.policy		= beancounters_group_get_do_nl_policy,
		.maxattr	= BC_A_GROUP_PATH,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BC_CMD_GROUP_GET,
		.start		= beancounters_nl_group_get_start,
		.dumpit		= beancounters_nl_group_get_dumpit,
		.done		= beancounters_nl_group_get_done,
		.policy		= beancounters_group_get_dump_nl_policy,
		.maxattr	= BC_A_GROUP_PATH,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= BC_CMD_SUBSCRIBE,
		.doit		= beancounters_nl_subscribe_doit,
		.policy		= beancounters_subscribe_nl_policy,
		.maxattr	= BC_A_GROUP_PATH,
		.flags		= GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group beancounters_nl_mcgrps[] = {
	[BEANCOUNTERS_NLGRP_EVENTS] = { "events", },
};
