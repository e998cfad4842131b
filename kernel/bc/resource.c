// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: what controllers have in common that are one counter.
 *
 * A controller of objects (files, locks, sockets) needs not much more than its
 * name, and hooks where an object is made and freed, from <linux/bc/charge.h>. The
 * object has a struct bc_charge in it: which counter has paid for it, and that one
 * is uncharged, wherever the tasks that had to do with it have gone. NULL is the
 * root, which is never charged.
 *
 * No locks: an object's bc_charge belongs to who makes it, then to who frees it. A
 * counter is found through a task's css_group under RCU, and kept by the charge
 * (counter.c).
 */
#include <linux/bc/charge.h>
#include <linux/bc/core.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "credit.h"
#include "event.h"
#include "sabotage.h"

/**
 * bc_resource_init - make a group's counter in a state that is larger
 * @res: in the state, which is all zero
 * @controller: the controller
 * @parent: the state one level up, NULL for the root
 *
 * The root is never charged: the counters below it have no parent.
 *
 * Context: Process context. May sleep.
 * Return: 0, or -ENOMEM.
 */
int bc_resource_init(struct bc_resource *res, const struct bc_controller *controller,
		     struct bc_css *parent)
{
	struct bc_counter *up = NULL;

	if (parent && !parent->root)
		up = &to_bc_resource(parent)->counter;
	return bc_counter_init(&res->counter, up, controller->batch);
}

/**
 * bc_resource_alloc - make a group's counter, for a controller's css_alloc()
 * @controller: the controller
 * @parent: the state one level up, NULL for the root
 *
 * Context: Process context. May sleep.
 * Return: the state, or ERR_PTR(-ENOMEM).
 */
struct bc_css *bc_resource_alloc(const struct bc_controller *controller,
				 struct bc_css *parent)
{
	struct bc_resource *res;
	int err;

	res = kzalloc(sizeof(*res), GFP_KERNEL_ACCOUNT);
	if (!res)
		return ERR_PTR(-ENOMEM);

	err = bc_resource_init(res, controller, parent);
	if (err) {
		kfree(res);
		return ERR_PTR(err);
	}
	return &res->css;
}
EXPORT_SYMBOL_GPL(bc_resource_alloc);

static void resource_release(struct bc_counter *counter)
{
	bc_group_put(container_of(counter, struct bc_resource, counter)->css.group);
}

/**
 * bc_resource_offline - keep a group while its counter holds something, for a
 * controller's css_offline()
 * @css: the state
 *
 * Context: Process context. May sleep.
 */
void bc_resource_offline(struct bc_css *css)
{
	bc_group_get(css->group);
	bc_counter_kill(&to_bc_resource(css)->counter, resource_release);
}
EXPORT_SYMBOL_GPL(bc_resource_offline);

/**
 * bc_resource_free - free a group's counter, for a controller's css_free()
 * @css: the state
 *
 * Context: Process context. May sleep.
 */
void bc_resource_free(struct bc_css *css)
{
	struct bc_resource *res = to_bc_resource(css);

	bc_counter_destroy(&res->counter);
	kfree(res);
}
EXPORT_SYMBOL_GPL(bc_resource_free);

/* Where the barrier is the limit, it is the limit that was hit. */
static bool at_barrier(const struct bc_counter *refuser, enum bc_severity severity)
{
	return severity == BC_BARRIER &&
	       bc_counter_barrier(refuser) < bc_counter_limit(refuser);
}

/*
 * May the current task go on to the limit, if that is where there is more room? Looked
 * at last, as to ask is to use the privilege. Others ask all the time, which is not
 * worth an entry in the audit log.
 */
static bool may_pass_barrier(const struct bc_counter *refuser,
			     enum bc_severity severity)
{
	if (bc_sabotaged(BC_SABOTAGE_PRIVILEGE))
		return false;
	return at_barrier(refuser, severity) && in_task() &&
	       ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
}

static struct bc_css *counter_css(struct bc_counter *counter)
{
	return &container_of(counter, struct bc_resource, counter)->css;
}

/* Tell the controller that a counter is full. */
static void hit(struct bc_counter *refuser, unsigned long n, bool barrier)
{
	struct bc_css *css = counter_css(refuser);
	const struct bc_controller *controller = bc_controllers[css->id];

	if (barrier && controller->barrier_hit)
		controller->barrier_hit(css, n);
	if (!barrier && controller->limit_hit)
		controller->limit_hit(css, n);
}

/* A charge was refused: count it, and tell everybody. */
static void refused(struct bc_counter *counter, struct bc_counter *refuser,
		    unsigned long n, enum bc_severity severity)
{
	struct bc_refusal refusal = {
		.css		= counter_css(counter),
		.refuser	= counter_css(refuser),
		.amount		= n,
		.at_barrier	= at_barrier(refuser, severity),
	};

	refusal.failcnt = bc_counter_refused(counter, refuser);
	hit(refuser, n, refusal.at_barrier);
	bc_event_refused(&refusal);
}

/**
 * bc_resource_refuse - count a refusal, and tell everybody
 * @css: the state of the group that was charged, or was to be
 * @refuser: the counter that has no room, that of the group or of one above it
 * @n: how much
 * @severity: of the charge
 *
 * For who charges the counter itself, as there is another way out than to fail: what was
 * charged by force stays charged.
 *
 * Context: as bc_resource_try_charge().
 */
void bc_resource_refuse(struct bc_css *css, struct bc_counter *refuser, unsigned long n,
			enum bc_severity severity)
{
	refused(&to_bc_resource(css)->counter, refuser, n, severity);
}

/* A level has no room. May we go on to its limit? Else say no, to everybody. */
static noinline bool no_room(struct bc_counter *counter,
			     struct bc_counter *refuser,
			     enum bc_severity severity)
{
	if (may_pass_barrier(refuser, severity)) {
		hit(refuser, 1, true);
		severity = BC_LIMIT;
		refuser = bc_counter_charge(counter, 1, severity);
		if (!refuser)
			return true;
	}
	refused(counter, refuser, 1, severity);
	return false;
}

static noinline struct bc_counter *try_harder(struct bc_counter *counter,
					      enum bc_severity severity)
{
	struct bc_counter *refuser = bc_counter_charge(counter, 1, severity);

	if (unlikely(refuser) && !no_room(counter, refuser, severity))
		return ERR_PTR(-ENOSPC);
	return counter;
}

/**
 * bc_resource_try_charge - charge a group's counter and those of all its ancestors
 * @css: the state of a resource controller for the group
 * @n: how much, in the unit of the resource
 * @severity: when to fail
 *
 * For what is no object with a struct bc_charge in it.
 *
 * Context: Any but NMI. RCU, or a task in the group, keeps the group. Does not sleep.
 * Return: true if charged; else the refusal was counted and told.
 */
bool bc_resource_try_charge(struct bc_css *css, unsigned long n,
			    enum bc_severity severity)
{
	struct bc_counter *counter = &to_bc_resource(css)->counter;
	struct bc_counter *refuser = bc_counter_charge(counter, n, severity);

	if (unlikely(refuser))
		refused(counter, refuser, n, severity);
	return !refuser;
}
EXPORT_SYMBOL_GPL(bc_resource_try_charge);

/**
 * bc_resource_try_charge_levels - charge each level by an amount of its own
 * @css: the state of a resource controller for the group
 * @n: as in bc_counter_charge_levels()
 * @severity: when to fail
 *
 * Context: as bc_resource_try_charge().
 * Return: true if charged; else the refusal was counted and told.
 */
bool bc_resource_try_charge_levels(struct bc_css *css, const unsigned long *n,
				   enum bc_severity severity)
{
	struct bc_counter *counter = &to_bc_resource(css)->counter;
	struct bc_counter *refuser = bc_counter_charge_levels(counter, n, severity);

	if (unlikely(refuser))
		refused(counter, refuser, n[0], severity);
	return !refuser;
}

/*
 * The caller is in an RCU read-side section, or has a charge in the counter. That is what
 * is returned, or an ERR_PTR().
 */
static __always_inline struct bc_counter *try_charge(struct bc_counter *counter,
						     enum bc_severity severity)
{
	return credit_take(counter, 1) ? counter : try_harder(counter, severity);
}

/* The counter of the current task that is of the same kind. */
static struct bc_counter *current_counter(struct bc_counter *counter)
{
	struct bc_css *css = bc_task_css_charged(current, counter_css(counter)->id);

	return css ? &to_bc_resource(css)->counter : counter;
}

struct bc_counter *__bc_charge(struct task_struct *task, enum bc_controller_id id,
			       enum bc_severity severity)
{
	struct bc_css *css;

	guard(rcu)();
	css = bc_task_css_charged(task, id);
	if (!css)
		return NULL;
	return try_charge(&to_bc_resource(css)->counter, severity);
}
EXPORT_SYMBOL_GPL(__bc_charge);

bool __bc_charge_counter(struct bc_counter *counter, enum bc_severity severity)
{
	guard(rcu)();
	return !IS_ERR(try_charge(counter, severity));
}
EXPORT_SYMBOL_GPL(__bc_charge_counter);

void bc_uncharge_uncredited(struct bc_counter *counter, unsigned long n)
{
	guard(rcu)();
	if (bc_sabotaged(BC_SABOTAGE_OWNER))
		counter = current_counter(counter);
	bc_counter_uncharge(counter, n);
}

void __bc_uncharge(struct bc_counter *counter)
{
	credit_uncharge(counter, 1);
}
EXPORT_SYMBOL_GPL(__bc_uncharge);
