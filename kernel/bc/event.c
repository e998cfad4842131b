// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: telling the world what happens in the groups: tracepoints, generic
 * netlink (netlink.c), and a line in the log for the first refusal.
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
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "event.h"
#include "sabotage.h"

/* Also what the tracepoint has for the counters of a group. */
static void __maybe_unused bc_group_counters(struct bc_group *group, char *buf,
					     size_t size);

#define CREATE_TRACE_POINTS
#include <trace/events/bc.h>

/* A storm fills any queue. This one is enough for what comes in bursts. */
#define QUEUE_LENGTH	256

static void send_work_fn(struct work_struct *work);

static DEFINE_KFIFO(queue, struct bc_event, QUEUE_LENGTH);
static DEFINE_RAW_SPINLOCK(queue_lock);
static unsigned long queue_lost;
static DECLARE_WORK(send_work, send_work_fn);
static struct task_struct *sender;	/* who sends events now */

/*
 * The queue
 */

static void put_groups(const struct bc_event *event)
{
	bc_group_put(event->group);
	if (event->refuser)
		bc_group_put(event->refuser);
}

/* Takes over the references to the groups. Returns false if it was lost. */
static bool queue_event(struct bc_event *event)
{
	bool full;

	scoped_guard(raw_spinlock_irqsave, &queue_lock) {
		event->lost = queue_lost;
		full = !kfifo_put(&queue, *event);
		if (full)
			bc_netlink_lose(event->group, event->cmd);
		queue_lost = full ? queue_lost + !bc_sabotaged(BC_SABOTAGE_LOST) : 0;
	}
	if (full)
		put_groups(event);
	queue_work(system_unbound_wq, &send_work);
	return !full;
}

static void lose_event(struct bc_group *group)
{
	scoped_guard(raw_spinlock_irqsave, &queue_lock) {
		bc_netlink_lose(group, BC_CMD_REFUSED);
		queue_lost++;
	}
	queue_work(system_unbound_wq, &send_work);
}

/* The next event; or false, and how many were lost after the last one. */
static bool next_event(struct bc_event *event, unsigned long *lost)
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

/**
 * bc_event_none_queued - has everything left the queue?
 *
 * Context: Any but NMI. For who sends events: what has left the queue is sent, then.
 */
bool bc_event_none_queued(void)
{
	bool empty;

	scoped_guard(raw_spinlock_irqsave, &queue_lock)
		empty = kfifo_is_empty(&queue);
	return empty;
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

static void log_event(const struct bc_event *event, bool oom)
{
	static DEFINE_RATELIMIT_STATE(first_limit, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);
	static DEFINE_RATELIMIT_STATE(oom_limit, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);
	char *refuser __free(kfree) = log_path(event->refuser);
	char *group __free(kfree) = log_path(event->group);

	/* Refusals do not keep the log from telling of an OOM. */
	if (!refuser || !group || !__ratelimit(oom ? &oom_limit : &first_limit))
		return;
	/* Nobody is to forge lines with a name. */
	if (oom)
		pr_notice("bc: %*pE: out of memory, %s held %lu limit %lu: killed %*pE[%d] with %lu pages, group %*pE\n",
			  (int)strlen(refuser), refuser, event->controller->name,
			  event->held, event->limit,
			  (int)strlen(event->comm), event->comm, event->pid,
			  event->amount, (int)strlen(group), group);
	else
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
	struct bc_event event;
	bool more;

	WRITE_ONCE(sender, current);
	for (;;) {
		more = next_event(&event, &lost);
		unsent += lost;
		if (unsent && bc_netlink_send_lost(unsent))
			unsent = 0;
		if (!more)
			break;
		if (event.first)
			log_event(&event, false);
		if (event.cmd == BC_CMD_OOM)
			log_event(&event, true);
		if (!bc_netlink_send(&event))
			unsent++;
		put_groups(&event);
		cond_resched();
	}
	bc_netlink_end_lost();
	WRITE_ONCE(sender, NULL);

	/* No memory to say so: a later event will. */
	scoped_guard(raw_spinlock_irqsave, &queue_lock)
		queue_lost += unsent;
}

/*
 * What happens
 */

static void set_task(struct bc_event *event, struct task_struct *task)
{
	event->pid = task_pid_nr(task);
	/* Its lock may not be taken here. Who is given another name meanwhile has some of both. */
	data_race(memcpy(event->comm, task->comm, sizeof(event->comm)));
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
	struct bc_event event = {
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

	WRITE_ONCE(refusal->refuser->refused_at, ktime_get_boottime_seconds());
	trace_bc_charge_fail(event.group, event.refuser, event.controller->name,
			     event.amount, event.held,
			     event.at_barrier ? event.barrier : event.limit);

	event.first = (!atomic_read(told) && !atomic_xchg(told, 1)) ||
		      bc_sabotaged(BC_SABOTAGE_TOLD);
	if (!event.first && !bc_netlink_listens(event.group))
		return;
	/*
	 * It is an event that somebody's dgramrcvbuf has no room for, or would be another one
	 * for each that is sent. The line for the log is for the next one, too.
	 */
	if (in_task() && READ_ONCE(sender) == current) {
		if (event.first)
			atomic_set(told, 0);
		return;
	}
	if (in_task())
		set_task(&event, current);
	if (bc_group_tryget(event.group)) {
		bc_group_get(event.refuser);
		queued = queue_event(&event);
	} else {
		/* It has just been removed, and lives by its charges soon. */
		queued = false;
		lose_event(event.group);
	}
	/* The line for the log is for the next one, then. */
	if (!queued && event.first)
		atomic_set(told, 0);
}

/**
 * bc_event_oom - a process was killed, as its group has no room
 * @css: the state of physpages of its group
 * @top: the state of physpages of the group whose limit it was
 * @victim: the process
 *
 * Context: Any but NMI. RCU keeps the group, the caller that of @top.
 */
void bc_event_oom(struct bc_css *css, struct bc_css *top, struct task_struct *victim)
{
	struct bc_counter *counter = &to_bc_resource(top)->counter;
	struct bc_event event = {
		.cmd		= BC_CMD_OOM,
		.group		= css->group,
		.refuser	= top->group,
		.controller	= bc_controllers[top->id],
		.held		= bc_counter_held(counter),
		.barrier	= bc_counter_barrier(counter),
		.limit		= bc_counter_limit(counter),
		.failcnt	= bc_counter_failcnt(counter),
	};
	struct task_struct *t = find_lock_task_mm(victim);

	if (t) {
		__acquire(&t->alloc_lock);
		event.amount = get_mm_counter(t->mm, MM_ANONPAGES);
		task_unlock(t);
	}
	set_task(&event, victim);
	trace_bc_oom(event.group, top->group, victim, event.held, event.limit);
	if (!bc_group_tryget(event.group)) {
		event.group = top->group;
		bc_group_get(event.group);
	}
	bc_group_get(top->group);
	queue_event(&event);
}

static void queue_group_event(enum bc_genl_cmd cmd, struct bc_group *group,
			      struct task_struct *task)
{
	struct bc_event event = { .cmd = cmd, .group = group };

	if (!bc_netlink_listens(group))
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

/**
 * bc_event_remove_root - a hierarchy was removed, and its root with it
 * @root: the root
 *
 * That is no event, but for who has subscribed to it, and is to learn that it has ended.
 *
 * Context: Process context, under bc_mutex.
 */
void bc_event_remove_root(struct bc_group *root)
{
	if (READ_ONCE(root->watchers))
		queue_group_event(BC_CMD_REMOVED, root, current);
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
