/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/beancounters.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_BEANCOUNTERS_GEN_H
#define _LINUX_BEANCOUNTERS_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/beancounters.h>

/* Ops table for beancounters */
extern const struct genl_split_ops beancounters_nl_ops[3];

int beancounters_nl_group_get_start(struct netlink_callback *cb);
int beancounters_nl_group_get_done(struct netlink_callback *cb);

int beancounters_nl_group_get_doit(struct sk_buff *skb, struct genl_info *info);
int beancounters_nl_group_get_dumpit(struct sk_buff *skb,
				     struct netlink_callback *cb);
int beancounters_nl_subscribe_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	BEANCOUNTERS_NLGRP_EVENTS,
};

#endif /* _LINUX_BEANCOUNTERS_GEN_H */
