/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_EVENT_H
#define _BC_EVENT_H

#include <linux/sched.h>
#include <linux/types.h>
#include <uapi/linux/beancounters.h>

struct bc_controller;
struct bc_css;
struct bc_group;

/**
 * struct bc_refusal - a charge that was refused
 * @css: what was charged
 * @refuser: the same, or that of a group above, whose barrier or limit has said no
 * @amount: how much was charged
 * @at_barrier: it was the barrier, not the limit
 * @failcnt: of the refuser, with this one
 */
struct bc_refusal {
	struct bc_css		*css;
	struct bc_css		*refuser;
	unsigned long		amount;
	bool			at_barrier;
	unsigned long		failcnt;
};

/**
 * struct bc_event - what has happened
 * @cmd: as userspace calls it
 * @lost: so many were lost just before this one
 * @group: the group, with a reference
 * @refuser: likewise, for %BC_CMD_REFUSED and %BC_CMD_OOM; else NULL
 * @controller: likewise; the other fields, up to @failcnt, too
 * @at_barrier: it was the barrier, not the limit
 * @first: it is one for the log
 * @amount: how much was charged
 * @held: what the refuser holds
 * @barrier: of the refuser
 * @limit: of the refuser
 * @failcnt: of the refuser
 * @pid: the task, or 0
 * @comm: its name
 */
struct bc_event {
	enum bc_genl_cmd		cmd;
	bool				at_barrier;
	bool				first;
	pid_t				pid;
	unsigned long			lost;
	struct bc_group			*group;
	struct bc_group			*refuser;
	const struct bc_controller	*controller;
	unsigned long			amount;
	unsigned long			held;
	unsigned long			barrier;
	unsigned long			limit;
	unsigned long			failcnt;
	char				comm[TASK_COMM_LEN];
};

void bc_event_refused(const struct bc_refusal *refusal);
void bc_event_oom(struct bc_css *css, struct bc_css *top, struct task_struct *victim);
void bc_event_attach(struct bc_group *group, struct task_struct *task);
void bc_event_create(struct bc_group *group);
void bc_event_remove(struct bc_group *group);
void bc_event_remove_root(struct bc_group *root);
bool bc_event_none_queued(void);

/* netlink.c */
#ifdef CONFIG_NET

bool bc_netlink_listens(struct bc_group *group);
void bc_netlink_lose(struct bc_group *group, enum bc_genl_cmd cmd);
bool bc_netlink_send(const struct bc_event *event);
bool bc_netlink_send_lost(unsigned long lost);
void bc_netlink_end_lost(void);

#else

static inline bool bc_netlink_listens(struct bc_group *group)
{
	return false;
}

static inline void bc_netlink_lose(struct bc_group *group, enum bc_genl_cmd cmd) { }

static inline bool bc_netlink_send(const struct bc_event *event)
{
	return true;
}

static inline bool bc_netlink_send_lost(unsigned long lost)
{
	return true;
}

static inline void bc_netlink_end_lost(void) { }

#endif
#endif /* _BC_EVENT_H */
