/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_EVENT_H
#define _BC_EVENT_H

#include <linux/types.h>

struct bc_css;
struct bc_group;
struct task_struct;

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

void bc_event_refused(const struct bc_refusal *refusal);
void bc_event_attach(struct bc_group *group, struct task_struct *task);
void bc_event_create(struct bc_group *group);
void bc_event_remove(struct bc_group *group);

#endif /* _BC_EVENT_H */
