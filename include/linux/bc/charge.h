/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how objects are charged: files, locks, sockets and so on.
 *
 * An object has a struct bc_charge in it, and is charged to the group of the task
 * that makes it. It stays charged to that group, wherever the task goes, until it
 * is freed, and the charge keeps the group, also when its directory has been
 * removed.
 *
 * Until the first group is made, a charge is a patched-out branch. With groups
 * about, a task in the root group pays for a pointer test. Uncharging does not look
 * at the static key: what has been charged must be uncharged.
 */
#ifndef _LINUX_BC_CHARGE_H
#define _LINUX_BC_CHARGE_H

#include <linux/bc/types.h>
#include <linux/types.h>

#ifdef CONFIG_BEANCOUNTERS

#include <linux/err.h>
#include <linux/jump_label_ratelimit.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

/* On while there is any group besides the root, the nameless ones included. */
extern struct static_key_false_deferred bc_enabled_key;

/**
 * bc_may_charge - can there be anything to charge to a task?
 * @task: the task
 *
 * The functions below ask that themselves; this is for what would be worked out for them.
 *
 * Context: Any.
 * Return: false if the task is in the root group, which takes a pointer test, or if there
 * is no other, which takes a patched-out branch.
 */
static __always_inline bool bc_may_charge(const struct task_struct *task)
{
	return static_branch_unlikely(&bc_enabled_key.key) &&
	       rcu_access_pointer(task->css_group);
}

/* The counter that pays, NULL for the root, or an ERR_PTR(). */
struct bc_counter *__bc_charge(struct task_struct *task, enum bc_controller_id id,
			       enum bc_severity severity);
bool __bc_charge_counter(struct bc_counter *counter, enum bc_severity severity);
void __bc_uncharge(struct bc_counter *counter);

/*
 * The counter is stored here and not there: a struct bc_charge whose address goes
 * nowhere can be kept in a register. NULL is stored when the root pays.
 */
static __always_inline bool __bc_try_charge(struct bc_charge *charge,
					    struct task_struct *task,
					    enum bc_controller_id id,
					    enum bc_severity severity)
{
	struct bc_counter *counter = __bc_charge(task, id, severity);

	if (IS_ERR(counter))
		return false;
	charge->counter = counter;
	return true;
}

/**
 * bc_charge_init - nothing has been charged for an object
 * @charge: in the object
 *
 * Not needed where the object has been zeroed.
 */
static inline void bc_charge_init(struct bc_charge *charge)
{
	charge->counter = NULL;
}

/**
 * bc_charged - does anybody pay for an object?
 * @charge: in the object
 */
static inline bool bc_charged(const struct bc_charge *charge)
{
	return charge->counter;
}

/**
 * bc_try_charge_task - charge an object to the group of a task
 * @charge: in the object; nothing has been charged for it
 * @task: the task, which the caller keeps from being freed
 * @id: the controller
 * @severity: when to fail. At %BC_BARRIER, the barrier binds ordinary tasks, and the
 *	limit those with CAP_SYS_ADMIN (BC v6); the current task is what counts, and
 *	in an interrupt, nobody is privileged.
 *
 * Context: Any but NMI. Takes no lock, does not sleep.
 * Return: true if charged, or if the task is in the root group.
 */
static inline bool bc_try_charge_task(struct bc_charge *charge,
				      struct task_struct *task,
				      enum bc_controller_id id,
				      enum bc_severity severity)
{
	if (bc_may_charge(task))
		return __bc_try_charge(charge, task, id, severity);
	return true;
}

/**
 * bc_try_charge - charge an object to the group of the current task
 * @charge: in the object; nothing has been charged for it
 * @id: the controller
 * @severity: as in bc_try_charge_task()
 *
 * An interrupt has nothing to do with the current task: what it makes is charged
 * to nobody.
 *
 * Context: Any but NMI. Takes no lock, does not sleep.
 * Return: true if charged, or if the task is in the root group.
 */
static inline bool bc_try_charge(struct bc_charge *charge,
				 enum bc_controller_id id,
				 enum bc_severity severity)
{
	if (bc_may_charge(current) && in_task())
		return __bc_try_charge(charge, current, id, severity);
	return true;
}

/**
 * bc_try_charge_as - charge an object to the group that pays for another one
 * @charge: in the object; nothing has been charged for it
 * @as: in the other object, of the same kind, which the caller keeps from being
 *	uncharged meanwhile
 * @severity: as in bc_try_charge_task()
 *
 * Context: Any but NMI. Takes no lock, does not sleep.
 * Return: true if charged, or if nothing was charged for the other one either.
 */
static inline bool bc_try_charge_as(struct bc_charge *charge,
				    const struct bc_charge *as,
				    enum bc_severity severity)
{
	struct bc_counter *counter = as->counter;

	if (counter) {
		if (!__bc_charge_counter(counter, severity))
			return false;
		charge->counter = counter;
	}
	return true;
}

/**
 * bc_charge_move - let one object be paid for by what was charged for another
 * @to: in the one; nothing has been charged for it
 * @from: in the other one, of the same kind; charged or not, now it is not
 *
 * Context: Any.
 */
static inline void bc_charge_move(struct bc_charge *to, struct bc_charge *from)
{
	to->counter = from->counter;
	from->counter = NULL;
}

/**
 * bc_uncharge - uncharge what has been charged for an object, if anything
 * @charge: in the object
 *
 * Context: Any but NMI. Takes no lock, does not sleep.
 */
static inline void bc_uncharge(struct bc_charge *charge)
{
	struct bc_counter *counter = charge->counter;

	if (counter) {
		charge->counter = NULL;
		__bc_uncharge(counter);
	}
}

#else /* !CONFIG_BEANCOUNTERS */

struct task_struct;

static inline bool bc_may_charge(const struct task_struct *task)
{
	return false;
}

static inline void bc_charge_init(struct bc_charge *charge) { }

static inline bool bc_charged(const struct bc_charge *charge)
{
	return false;
}

static inline bool bc_try_charge_task(struct bc_charge *charge,
				      struct task_struct *task,
				      enum bc_controller_id id,
				      enum bc_severity severity)
{
	return true;
}

static inline bool bc_try_charge(struct bc_charge *charge,
				 enum bc_controller_id id,
				 enum bc_severity severity)
{
	return true;
}

static inline bool bc_try_charge_as(struct bc_charge *charge,
				    const struct bc_charge *as,
				    enum bc_severity severity)
{
	return true;
}

static inline void bc_charge_move(struct bc_charge *to, struct bc_charge *from) { }

static inline void bc_uncharge(struct bc_charge *charge) { }

#endif /* CONFIG_BEANCOUNTERS */
#endif /* _LINUX_BC_CHARGE_H */
