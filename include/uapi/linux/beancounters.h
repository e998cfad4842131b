/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Beancounters: what happens in the groups, over generic netlink.
 *
 * Who joins the multicast group BC_GENL_MCGRP_EVENTS of the family BC_GENL_NAME, in
 * the initial network namespace and with CAP_SYS_ADMIN, is sent a message for each
 * event in any group. The command says what has happened; an attribute that is not
 * listed for a command is not in its messages.
 */
#ifndef _UAPI_LINUX_BEANCOUNTERS_H
#define _UAPI_LINUX_BEANCOUNTERS_H

#define BC_GENL_NAME		"beancounters"
#define BC_GENL_VERSION		1
#define BC_GENL_MCGRP_EVENTS	"events"

/**
 * enum bc_genl_cmd - what has happened
 * @BC_CMD_UNSPEC: not used
 * @BC_CMD_REFUSED: a charge was refused: HIERARCHY, GROUP_ID and GROUP_PATH of who was
 *	charged, RESOURCE, REFUSER_ID and REFUSER_PATH of the group whose barrier or
 *	limit said no, AMOUNT, and HELD, BARRIER, LIMIT and FAILCNT of the refuser; PID
 *	and COMM of the current task
 * @BC_CMD_ATTACHED: tasks were moved: HIERARCHY, GROUP_ID and GROUP_PATH of where to;
 *	PID and COMM of the task
 * @BC_CMD_CREATED: a group was made: HIERARCHY, GROUP_ID, GROUP_PATH; PID and COMM of
 *	who made it
 * @BC_CMD_REMOVED: a group was removed: the same, and a COUNTER for each of its
 *	resources, as it was at the end
 * @BC_CMD_LOST: so many events are missing here: LOST
 */
enum bc_genl_cmd {
	BC_CMD_UNSPEC,
	BC_CMD_REFUSED,
	BC_CMD_ATTACHED,
	BC_CMD_CREATED,
	BC_CMD_REMOVED,
	BC_CMD_LOST,
};

/**
 * enum bc_genl_attr - attributes of a message
 * @BC_A_UNSPEC: not used
 * @BC_A_PAD: alignment
 * @BC_A_HIERARCHY: u32, as in /proc/beancounters
 * @BC_A_GROUP_ID: u64
 * @BC_A_GROUP_PATH: string, from the root of the hierarchy, starting with "/"
 * @BC_A_RESOURCE: string, the controller's name
 * @BC_A_REFUSER_ID: u64
 * @BC_A_REFUSER_PATH: string
 * @BC_A_AMOUNT: u64, in the unit of the resource
 * @BC_A_HELD: u64
 * @BC_A_MAXHELD: u64
 * @BC_A_MINHELD: u64
 * @BC_A_BARRIER: u64; "max" is the largest signed number
 * @BC_A_LIMIT: u64; likewise
 * @BC_A_FAILCNT: u64
 * @BC_A_PID: u32, as in the initial pid namespace; 0 in an interrupt
 * @BC_A_COMM: string
 * @BC_A_COUNTER: nested: RESOURCE, HELD, MAXHELD, MINHELD, FAILCNT
 * @BC_A_LOST: u64
 */
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
	__BC_A_MAX,
};

#define BC_A_MAX (__BC_A_MAX - 1)

#endif /* _UAPI_LINUX_BEANCOUNTERS_H */
