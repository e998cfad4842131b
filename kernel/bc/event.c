// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: telling the world what happens in the groups: tracepoints, generic
 * netlink, and a line in the log for the first refusal.
 *
 * A charge may be refused under any lock, siglock included, and waking up who listens
 * may take siglock. So an event is only put into a queue there, and a work item
 * formats and sends it. Where nobody listens, a refusal costs a look at one bit. A
 * queue that is full loses events, and says how many, at the place where they are
 * missing.
 *
 * queue_lock protects the queue and is innermost. The work item runs once at a time.
 */
#include <linux/bc/core.h>
#include <linux/cleanup.h>
#include <linux/init.h>
#include <linux/kfifo.h>
#include <linux/minmax.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>
#include <uapi/linux/beancounters.h>

#include "event.h"
#include "sabotage.h"

/* Also what the tracepoint has for the counters of a group. */
static void __maybe_unused bc_group_counters(struct bc_group *group, char *buf,
					     size_t size);

#define CREATE_TRACE_POINTS
#include <trace/events/bc.h>

/* A storm fills any queue. This one is enough for what comes in bursts. */
#define QUEUE_LENGTH	256

/**
 * struct event - what has happened
 * @cmd: as userspace calls it
 * @lost: so many were lost just before this one
 * @group: the group, with a reference
 * @refuser: likewise, for %BC_CMD_REFUSED
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
struct event {
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

static void send_work_fn(struct work_struct *work);

static DEFINE_KFIFO(queue, struct event, QUEUE_LENGTH);
static DEFINE_RAW_SPINLOCK(queue_lock);
static unsigned long queue_lost;
static DECLARE_WORK(send_work, send_work_fn);

/*
 * Generic netlink
 */

#ifdef CONFIG_NET

static const struct genl_multicast_group event_mcgrps[] = {
	{ .name = BC_GENL_MCGRP_EVENTS, .flags = GENL_MCAST_CAP_SYS_ADMIN },
};

static struct genl_family event_family __ro_after_init = {
	.name		= BC_GENL_NAME,
	.version	= BC_GENL_VERSION,
	.maxattr	= BC_A_MAX,
	.mcgrps		= event_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(event_mcgrps),
	.module		= THIS_MODULE,
};

static bool event_registered __ro_after_init;

static bool has_listeners(void)
{
	return event_registered && genl_has_listeners(&event_family, &init_net, 0);
}

static int put_u64(struct sk_buff *skb, int attr, u64 val)
{
	return nla_put_u64_64bit(skb, attr, val, BC_A_PAD);
}

static int put_path(struct sk_buff *skb, int attr, struct bc_group *group)
{
	size_t size = bc_group_path(group, NULL, 0) + 1;
	struct nlattr *nla = nla_reserve(skb, attr, size);

	if (!nla)
		return -EMSGSIZE;
	bc_group_path(group, nla_data(nla), size);
	return 0;
}

static int put_counter(struct sk_buff *skb, const char *name,
		       struct bc_counter *counter)
{
	struct nlattr *nest = nla_nest_start(skb, BC_A_COUNTER);

	if (!nest || nla_put_string(skb, BC_A_RESOURCE, name) ||
	    put_u64(skb, BC_A_HELD, bc_counter_held(counter)) ||
	    put_u64(skb, BC_A_MAXHELD, bc_counter_maxheld(counter)) ||
	    put_u64(skb, BC_A_MINHELD, bc_counter_minheld(counter)) ||
	    put_u64(skb, BC_A_FAILCNT, bc_counter_failcnt(counter)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_counters(struct sk_buff *skb, struct bc_group *group)
{
	int id, err = 0;

	for (id = 0; !err && id < BC_NR_CONTROLLERS; id++) {
		if (group->css[id] && !bc_controllers[id]->attrs)
			err = put_counter(skb, bc_controllers[id]->name,
					  &to_bc_resource(group->css[id])->counter);
	}
	return err;
}

static int put_refusal(struct sk_buff *skb, const struct event *event)
{
	if (nla_put_string(skb, BC_A_RESOURCE, event->controller->name) ||
	    put_u64(skb, BC_A_REFUSER_ID, event->refuser->id) ||
	    put_path(skb, BC_A_REFUSER_PATH, event->refuser) ||
	    put_u64(skb, BC_A_AMOUNT, event->amount) ||
	    put_u64(skb, BC_A_HELD, event->held) ||
	    put_u64(skb, BC_A_BARRIER, event->barrier) ||
	    put_u64(skb, BC_A_LIMIT, event->limit) ||
	    put_u64(skb, BC_A_FAILCNT, event->failcnt))
		return -EMSGSIZE;
	return 0;
}

static int put_event(struct sk_buff *skb, const struct event *event)
{
	if (nla_put_u32(skb, BC_A_HIERARCHY, event->group->hierarchy->id) ||
	    put_u64(skb, BC_A_GROUP_ID, event->group->id) ||
	    put_path(skb, BC_A_GROUP_PATH, event->group) ||
	    nla_put_u32(skb, BC_A_PID, event->pid) ||
	    nla_put_string(skb, BC_A_COMM, event->comm))
		return -EMSGSIZE;
	if (event->cmd == BC_CMD_REFUSED)
		return put_refusal(skb, event);
	if (event->cmd == BC_CMD_REMOVED)
		return put_counters(skb, event->group);
	return 0;
}

/* More than what is put into a message besides its paths. */
#define MESSAGE_SIZE	(1024 + 128 * BC_NR_CONTROLLERS)

/* @event is NULL for %BC_CMD_LOST. Returns false if the message could not be made. */
static bool send(const struct event *event, unsigned long lost)
{
	size_t size = MESSAGE_SIZE;
	struct sk_buff *skb;
	void *hdr;

	if (event)
		size += bc_group_path(event->group, NULL, 0);
	if (event && event->refuser)
		size += bc_group_path(event->refuser, NULL, 0);
	skb = genlmsg_new(size, GFP_KERNEL);
	if (!skb)
		return false;
	hdr = genlmsg_put(skb, 0, 0, &event_family, 0,
			  event ? event->cmd : BC_CMD_LOST);
	if (!hdr || (event ? put_event(skb, event) :
			     put_u64(skb, BC_A_LOST, lost))) {
		nlmsg_free(skb);
		return false;
	}
	genlmsg_end(skb, hdr);
	/* Who cannot keep up is told by its socket (ENOBUFS). */
	genlmsg_multicast(&event_family, skb, 0, 0, GFP_KERNEL);
	return true;
}

static int __init event_init(void)
{
	int err = genl_register_family(&event_family);

	event_registered = !err;
	return err;
}
device_initcall(event_init);

#else /* !CONFIG_NET */

static bool has_listeners(void)
{
	return false;
}

static bool send(const struct event *event, unsigned long lost)
{
	return true;
}

#endif /* CONFIG_NET */

/*
 * The queue
 */

static void put_groups(const struct event *event)
{
	bc_group_put(event->group);
	if (event->refuser)
		bc_group_put(event->refuser);
}

/* Takes over the references to the groups. Returns false if it was lost. */
static bool queue_event(struct event *event)
{
	bool full;

	scoped_guard(raw_spinlock_irqsave, &queue_lock) {
		event->lost = queue_lost;
		full = !kfifo_put(&queue, *event);
		queue_lost = full ? queue_lost + !bc_sabotaged(BC_SABOTAGE_LOST) : 0;
	}
	if (full)
		put_groups(event);
	queue_work(system_unbound_wq, &send_work);
	return !full;
}

static void lose_event(void)
{
	scoped_guard(raw_spinlock_irqsave, &queue_lock)
		queue_lost++;
	queue_work(system_unbound_wq, &send_work);
}

/* The next event; or false, and how many were lost after the last one. */
static bool next_event(struct event *event, unsigned long *lost)
{
	bool more;

	scoped_guard(raw_spinlock_irqsave, &queue_lock) {
		more = kfifo_get(&queue, event);
		*lost = more ? event->lost : queue_lost;
		if (!more)
			queue_lost = 0;
	}
	return more;
}

/*
 * The path for a line in the log, with the name of a hierarchy that is not the default.
 * A line has room for about a thousand bytes, and some are four there.
 */
static char *log_path(struct bc_group *group)
{
	size_t size = min_t(size_t, bc_group_path(group, NULL, 0) + 1, 80);
	struct bc_hierarchy *h = group->hierarchy;
	char *path = kmalloc(size, GFP_KERNEL), *full;

	if (!path)
		return NULL;
	bc_group_path(group, path, size);
	if (!h->id)
		return path;
	full = kasprintf(GFP_KERNEL, "%.20s:%s", h->root.name, path);
	kfree(path);
	return full;
}

static void log_first(const struct event *event)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);
	char *refuser __free(kfree) = log_path(event->refuser);
	char *group __free(kfree) = log_path(event->group);

	if (!refuser || !group || !__ratelimit(&limit))
		return;
	/* Nobody is to forge lines with a name. */
	pr_notice("bc: %*pE: %s %s %lu reached by %*pE[%d], group %*pE\n",
		  (int)strlen(refuser), refuser, event->controller->name,
		  event->at_barrier ? "barrier" : "limit",
		  event->at_barrier ? event->barrier : event->limit,
		  (int)strlen(event->comm), event->comm, event->pid,
		  (int)strlen(group), group);
}

static void send_work_fn(struct work_struct *work)
{
	unsigned long lost, unsent = 0;
	struct event event;
	bool more;

	for (;;) {
		more = next_event(&event, &lost);
		unsent += lost;
		if (unsent && (!has_listeners() || send(NULL, unsent)))
			unsent = 0;
		if (!more)
			break;
		if (event.first)
			log_first(&event);
		if (has_listeners() && !send(&event, 0))
			unsent++;
		put_groups(&event);
		cond_resched();
	}

	/* No memory to say so: a later event will. */
	scoped_guard(raw_spinlock_irqsave, &queue_lock)
		queue_lost += unsent;
}

/*
 * What happens
 */

static void set_task(struct event *event, struct task_struct *task)
{
	event->pid = task_pid_nr(task);
	memcpy(event->comm, task->comm, sizeof(event->comm));
	event->comm[sizeof(event->comm) - 1] = '\0';
}

/**
 * bc_event_refused - a charge was refused
 * @refusal: which one
 *
 * Context: Any but NMI. The caller keeps the group. Does not sleep.
 */
void bc_event_refused(const struct bc_refusal *refusal)
{
	struct bc_counter *counter = &to_bc_resource(refusal->refuser)->counter;
	atomic_t *told = &refusal->refuser->told;
	bool queued;
	struct event event = {
		.cmd		= BC_CMD_REFUSED,
		.group		= refusal->css->group,
		.refuser	= refusal->refuser->group,
		.controller	= bc_controllers[refusal->css->id],
		.at_barrier	= refusal->at_barrier,
		.amount		= refusal->amount,
		.held		= atomic_long_read(&counter->held),
		.barrier	= bc_counter_barrier(counter),
		.limit		= bc_counter_limit(counter),
		.failcnt	= refusal->failcnt,
	};

	trace_bc_charge_fail(event.group, event.refuser, event.controller->name,
			     event.amount, event.held,
			     event.at_barrier ? event.barrier : event.limit);

	event.first = (!atomic_read(told) && !atomic_xchg(told, 1)) ||
		      bc_sabotaged(BC_SABOTAGE_TOLD);
	if (!event.first && !has_listeners())
		return;
	if (in_task())
		set_task(&event, current);
	if (bc_group_tryget(event.group)) {
		bc_group_get(event.refuser);
		queued = queue_event(&event);
	} else {
		/* It has just been removed, and lives by its charges soon. */
		queued = false;
		lose_event();
	}
	/* The line for the log is for the next one, then. */
	if (!queued && event.first)
		atomic_set(told, 0);
}

static void queue_group_event(enum bc_genl_cmd cmd, struct bc_group *group,
			      struct task_struct *task)
{
	struct event event = { .cmd = cmd, .group = group };

	if (!has_listeners())
		return;
	set_task(&event, task);
	bc_group_get(group);
	queue_event(&event);
}

/**
 * bc_event_attach - tasks were moved
 * @group: where to
 * @task: one of them
 *
 * Context: Process context, under bc_mutex.
 */
void bc_event_attach(struct bc_group *group, struct task_struct *task)
{
	trace_bc_attach(group, task);
	queue_group_event(BC_CMD_ATTACHED, group, task);
}

/**
 * bc_event_create - a group was made
 * @group: the group
 *
 * Context: Process context, under bc_mutex.
 */
void bc_event_create(struct bc_group *group)
{
	trace_bc_mkdir(group);
	queue_group_event(BC_CMD_CREATED, group, current);
}

/**
 * bc_event_remove - a group was removed
 * @group: the group, with its counters
 *
 * Context: Process context, under bc_mutex.
 */
void bc_event_remove(struct bc_group *group)
{
	trace_bc_rmdir(group);
	queue_group_event(BC_CMD_REMOVED, group, current);
}

static void __maybe_unused bc_group_counters(struct bc_group *group, char *buf,
					     size_t size)
{
	size_t len = 0;
	int id;

	*buf = '\0';
	for (id = 0; id < BC_NR_CONTROLLERS; id++) {
		struct bc_counter *counter;

		if (!group->css[id] || bc_controllers[id]->attrs)
			continue;
		counter = &to_bc_resource(group->css[id])->counter;
		len += scnprintf(buf + len, size - len,
				 " %s: held=%lu maxheld=%lu failcnt=%lu",
				 bc_controllers[id]->name, bc_counter_held(counter),
				 bc_counter_maxheld(counter),
				 bc_counter_failcnt(counter));
	}
}
