/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/beancounters.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_BEANCOUNTERS_H
#define _UAPI_LINUX_BEANCOUNTERS_H

#define BC_GENL_NAME	"beancounters"
#define BC_GENL_VERSION	1

/**
 * enum bc_genl_unit - what a resource is counted in
 * @BC_GENL_UNIT_ITEMS: things, as they are
 * @BC_GENL_UNIT_BYTES: bytes
 * @BC_GENL_UNIT_PAGES: pages of memory, as getpagesize(2) has their size
 */
enum bc_genl_unit {
	BC_GENL_UNIT_ITEMS,
	BC_GENL_UNIT_BYTES,
	BC_GENL_UNIT_PAGES,
};

enum bc_genl_attr {
	BC_A_UNSPEC,
	BC_A_PAD,
	BC_A_HIERARCHY,
	BC_A_GROUP_ID,
	BC_A_GROUP_PATH,
	BC_A_RESOURCE,
	BC_A_REFUSER_ID,
	BC_A_REFUSER_PATH,
	BC_A_AMOUNT,
	BC_A_HELD,
	BC_A_MAXHELD,
	BC_A_MINHELD,
	BC_A_BARRIER,
	BC_A_LIMIT,
	BC_A_FAILCNT,
	BC_A_PID,
	BC_A_COMM,
	BC_A_COUNTER,
	BC_A_LOST,
	BC_A_UNIT,
	BC_A_REFUSED_AT,

	__BC_A_MAX
};
#define BC_A_MAX (__BC_A_MAX - 1)

enum bc_genl_cmd {
	BC_CMD_UNSPEC,
	BC_CMD_REFUSED,
	BC_CMD_ATTACHED,
	BC_CMD_CREATED,
	BC_CMD_REMOVED,
	BC_CMD_LOST,
	BC_CMD_GROUP_GET,
	BC_CMD_SUBSCRIBE,
	BC_CMD_OOM,

	__BC_CMD_MAX
};
#define BC_CMD_MAX (__BC_CMD_MAX - 1)

#define BC_GENL_MCGRP_EVENTS	"events"

#endif /* _UAPI_LINUX_BEANCOUNTERS_H */
