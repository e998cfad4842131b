// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: groups, css_groups, and the tasks in them.
 *
 * A task points to one css_group, which it shares with all tasks that have the
 * same memberships, and which has a pointer to the state of every controller for
 * the task's group. NULL means the root group, which most tasks are in for ever.
 *
 * Locking:
 *
 * bc_mutex serializes moves (bc_attach()) and what makes and kills groups.
 *
 * task->css_group is written under the siglock of the task's thread group, and
 * read under that or under RCU. A css_group is freed by RCU, and so are groups and
 * the controllers' states, so that a reader needs two dereferences and no lock.
 * There is no list of tasks. Listing walks the pids; a move of a process walks its
 * threads under siglock, where they are linked and unlinked as well:
 *
 * - A thread that is being created was charged to the group where its creator
 *   was (bc_can_fork()). If its process is moved before it is linked, bc_fork()
 *   moves it too, in the siglock section that links it. Thus no thread is left
 *   behind, and none is charged twice.
 * - A thread that exits is uncharged (bc_exit()) in the section that unlinks it.
 *   A move sees it with its charge, or not at all. After that, css_group is NULL:
 *   for the rest of its life the task counts as one of the root's.
 *
 * css_group->refs counts tasks (and forks and moves on their way). Forks take a
 * reference only while it is not 0, without a lock. The last reference is dropped
 * under css_group_lock, which also protects the hash of css_groups and
 * bc_group->nr_css_groups: a group has tasks if and only if it has css_groups, and
 * as only bc_attach() can give it one, a group without any can be killed under
 * bc_mutex; no fork can come in between.
 *
 * A group goes in three steps. bc_group_kill() takes its tasks' and its directory's
 * place away. When directory and children have dropped their references and a grace
 * period has passed, nobody finds it through a task any more, and the controllers
 * are told (css_offline()). What was charged by then, an open file, say, has a
 * pointer to the group's counter and no reference: the charge itself keeps the
 * counter, and each counter that still holds something keeps the group (resource.c).
 * When the last one is empty and another grace period has passed, it is freed.
 *
 * Lock order: bc_mutex, siglock, css_group_lock.
 */
#include <linux/bc/core.h>
#include <linux/bc/task.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate_wait.h>
#include <linux/rhashtable.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "sabotage.h"

#define BC_CONTROLLER(name) [BC_ID_##name] = &bc_##name##_controller,
const struct bc_controller * const bc_controllers[BC_NR_CONTROLLERS] = {
#include <linux/bc/controllers.h>
};

#undef BC_CONTROLLER

/* Groups come and go in bursts; do not patch the kernel's text each time. */
DEFINE_STATIC_KEY_DEFERRED_FALSE(bc_enabled_key, HZ);

struct bc_group bc_root_group;

static DEFINE_MUTEX(bc_mutex);
static DEFINE_SPINLOCK(css_group_lock);
static struct rhashtable css_groups;
static atomic64_t last_id;

static const struct rhashtable_params css_group_params = {
	.key_len	= sizeof_field(struct css_group, css),
	.key_offset	= offsetof(struct css_group, css),
	.head_offset	= offsetof(struct css_group, node),
};

/*
 * css_groups
 */

/* The css_group of @group with one more reference, if there is one. */
static struct css_group *css_group_find(struct bc_group *group)
{
	struct css_group *cg;

	lockdep_assert_held(&css_group_lock);

	cg = rhashtable_lookup_fast(&css_groups, group->css, css_group_params);
	if (cg)
		refcount_inc(&cg->refs);
	return cg;
}

/* Find or make the css_group of @group, and take a reference. */
static struct css_group *css_group_get(struct bc_group *group)
{
	struct css_group *cg;
	int err;

	lockdep_assert_held(&bc_mutex);

	scoped_guard(spinlock_irq, &css_group_lock)
		cg = css_group_find(group);
	if (cg)
		return cg;

	cg = kzalloc(sizeof(*cg), GFP_KERNEL);
	if (!cg)
		return ERR_PTR(-ENOMEM);
	memcpy(cg->css, group->css, sizeof(cg->css));
	cg->group = group;
	refcount_set(&cg->refs, 1);

	/* Only we make css_groups, under bc_mutex: there is still none. */
	scoped_guard(spinlock_irq, &css_group_lock) {
		err = rhashtable_insert_fast(&css_groups, &cg->node,
					     css_group_params);
		if (!err)
			group->nr_css_groups++;
	}
	if (err) {
		kfree(cg);
		return ERR_PTR(-ENOMEM);
	}
	return cg;
}

static void css_group_put(struct css_group *cg)
{
	bool last = false;

	if (refcount_dec_not_one(&cg->refs))
		return;

	scoped_guard(spinlock_irqsave, &css_group_lock) {
		last = refcount_dec_and_test(&cg->refs);
		if (last) {
			rhashtable_remove_fast(&css_groups, &cg->node,
					       css_group_params);
			cg->group->nr_css_groups--;
		}
	}
	if (last)
		kfree_rcu(cg, rcu);
}

static struct css_group *task_css_group(struct task_struct *task)
{
	return rcu_dereference_check(task->css_group,
				     lockdep_is_held(bc_siglock(task)));
}

static struct bc_group *task_group(struct task_struct *task)
{
	struct css_group *cg = task_css_group(task);

	return cg ? cg->group : &bc_root_group;
}

/*
 * Moving tasks
 */

static struct task_struct *taskset_skip(const struct bc_taskset *tset,
					struct task_struct *task)
{
	while (task && rcu_access_pointer(task->css_group) == tset->to)
		task = tset->process ? __next_thread(task) : NULL;
	return task;
}

/**
 * bc_taskset_next - iterate over the tasks that move
 * @tset: the tasks
 * @task: the one before, NULL for the first
 *
 * Tasks that are where they should be are left out.
 *
 * Context: The siglock of the tasks is held.
 * Return: the next one, or NULL.
 */
struct task_struct *bc_taskset_next(const struct bc_taskset *tset,
				    struct task_struct *task)
{
	lockdep_assert_held(bc_siglock(tset->task));

	if (!tset->process)
		return task ? NULL : taskset_skip(tset, tset->task);
	if (task)
		task = __next_thread(task);
	else
		task = list_first_entry(&tset->task->signal->thread_head,
					struct task_struct, thread_node);
	return taskset_skip(tset, task);
}

/*
 * Move tasks, all or none. The caller holds their siglock, and a reference to
 * the css_group that they move to.
 */
static int migrate(const struct bc_taskset *tset)
{
	struct task_struct *task = NULL;
	int i, err;

	if (!bc_taskset_next(tset, NULL))
		return 0;

	for (i = 0; i < BC_NR_CONTROLLERS; i++) {
		if (!bc_controllers[i]->can_attach)
			continue;
		err = bc_controllers[i]->can_attach(tset);
		if (err)
			goto cancel;
	}

	for (i = 0; i < BC_NR_CONTROLLERS; i++) {
		if (bc_controllers[i]->attach)
			bc_controllers[i]->attach(tset);
	}

	while ((task = bc_taskset_next(tset, task))) {
		struct css_group *from = task_css_group(task);

		if (tset->to)
			refcount_inc(&tset->to->refs);
		rcu_assign_pointer(task->css_group, tset->to);
		if (from)
			css_group_put(from);
		if (bc_sabotaged(BC_SABOTAGE_SIBLINGS))
			break;
	}
	return 0;

cancel:
	while (i--) {
		if (bc_controllers[i]->cancel_attach)
			bc_controllers[i]->cancel_attach(tset);
	}
	return err;
}

/*
 * May the current task move @task to @group? Needs to be privileged, or to have
 * the task's uid or saved uid as effective uid (as with cgroup v1), and write
 * permission in the nearest common ancestor of the groups (as with cgroup v2).
 */
static int may_move(struct task_struct *task, struct bc_group *group,
		    int (*may_write)(struct bc_group *group))
{
	const struct cred *cred = current_cred(), *tcred = __task_cred(task);
	struct bc_group *from = task_group(task);

	if (!uid_eq(cred->euid, tcred->uid) && !uid_eq(cred->euid, tcred->suid) &&
	    !ns_capable(tcred->user_ns, CAP_SYS_ADMIN))
		return -EACCES;
	if (from == group)
		return 0;
	return may_write(bc_group_common(from, group));
}

static int check_move(const struct bc_taskset *tset,
		      int (*may_write)(struct bc_group *group))
{
	struct task_struct *task = tset->task, *t;
	int err = 0;

	/*
	 * A kernel thread that is bound to its CPUs would not follow, say, a
	 * cpuset, and kthreadd would pass its group on to all others.
	 */
	if ((task->flags & PF_NO_SETAFFINITY) || task == kthreadd_task)
		return -EINVAL;
#ifdef CONFIG_CGROUPS
	/* It is about to be bound. */
	if (task->no_cgroup_migration)
		return -EINVAL;
#endif

	/*
	 * Nobody else moves tasks meanwhile, and a thread that is created now
	 * has the group and the credentials of its creator, which we check.
	 */
	guard(rcu)();
	if (!tset->process)
		return may_move(task, tset->group, may_write);
	for_each_thread(task, t) {
		err = may_move(t, tset->group, may_write);
		if (err)
			break;
	}
	return err;
}

static struct task_struct *find_task(pid_t pid)
{
	struct task_struct *task;

	guard(rcu)();
	task = pid ? find_task_by_vpid(pid) : current;
	return task ? get_task_struct(task) : NULL;
}

/* Is there anything left of it that could run in a group? */
static bool is_alive(const struct bc_taskset *tset)
{
	if (tset->process)
		return atomic_read(&tset->task->signal->live);
	return !(tset->task->flags & PF_EXITING);
}

/*
 * Move them, unless the task has been reaped and has no siglock any more: then
 * return false.
 */
static bool lock_and_migrate(const struct bc_taskset *tset, int *err)
{
	unsigned long flags;

	if (!lock_task_sighand(tset->task, &flags))
		return false;
	*err = is_alive(tset) ? migrate(tset) : -ESRCH;
	unlock_task_sighand(tset->task, &flags);
	return true;
}

/**
 * bc_attach - move a process, or one thread, to a group
 * @group: the group
 * @pid: the process or thread, as the pid namespace of the current task sees it;
 *	0 is the current task. For a process, the id of any of its threads will do.
 * @process: move the process with all its threads, its zombies too
 * @may_write: tells whether the current task may write to the "tasks" file of a
 *	group; called under RCU
 *
 * All tasks are moved, or none. Moving to where it is succeeds. Children that are
 * being forked stay behind; threads that are being created follow.
 *
 * Context: Process context. May sleep. Takes bc_mutex.
 * Return: 0;
 * -ENOENT, the group has been removed;
 * -ESRCH, there is no such task, or it is exiting;
 * -EACCES, the current task may not move it;
 * -EINVAL, it is a kernel thread that is bound to its CPUs;
 * -ENOMEM;
 * or what a controller says, as -EAGAIN from numtasks.
 */
int bc_attach(struct bc_group *group, pid_t pid, bool process,
	      int (*may_write)(struct bc_group *group))
{
	struct bc_taskset tset = { .process = process, .group = group };
	bool done = false;
	int err;

	guard(mutex)(&bc_mutex);

	if (group->dead)
		return -ENOENT;
	if (group->parent) {
		tset.to = css_group_get(group);
		if (IS_ERR(tset.to))
			return PTR_ERR(tset.to);
	}

	/*
	 * A task without a siglock has been reaped. But if it was the leader of
	 * a process, and another thread has called exec, the pid is now that
	 * thread's: look again. A reaped task is not found a second time.
	 */
	while (!done) {
		tset.task = find_task(pid);
		if (!tset.task) {
			err = -ESRCH;
			break;
		}
		err = check_move(&tset, may_write);
		done = err || lock_and_migrate(&tset, &err);
		put_task_struct(tset.task);
	}

	if (tset.to)
		css_group_put(tset.to);
	return err;
}

/*
 * Fork and exit, called from <linux/bc/task.h>
 */

static void cancel_fork(struct css_group *cg, struct task_struct *p, int i)
{
	while (i--) {
		if (bc_controllers[i]->cancel_fork)
			bc_controllers[i]->cancel_fork(cg->css[i], p);
	}
	css_group_put(cg);
}

int __bc_can_fork(struct task_struct *p)
{
	struct css_group *cg;
	int i, err;

	/*
	 * The reference may fail to come while we are being moved: when all
	 * tasks have left the css_group, it is on its way out. Look again.
	 */
	rcu_read_lock();
	do {
		cg = rcu_dereference(current->css_group);
	} while (cg && !refcount_inc_not_zero(&cg->refs));
	rcu_read_unlock();
	if (!cg)
		return 0;

	for (i = 0; i < BC_NR_CONTROLLERS; i++) {
		if (!bc_controllers[i]->can_fork)
			continue;
		err = bc_controllers[i]->can_fork(cg->css[i], p);
		if (err) {
			cancel_fork(cg, p, i);
			return err;
		}
	}
	rcu_assign_pointer(p->css_group, cg);
	return 0;
}

void __bc_cancel_fork(struct task_struct *p)
{
	/* Nobody else has seen it. */
	cancel_fork(rcu_dereference_protected(p->css_group, true), p,
		    BC_NR_CONTROLLERS);
	RCU_INIT_POINTER(p->css_group, NULL);
}

int __bc_fork(struct task_struct *p)
{
	struct bc_taskset tset = {
		.task = p,
		.group = task_group(current),
		.to = task_css_group(current),
	};

	if (bc_sabotaged(BC_SABOTAGE_REFORK))
		return 0;
	return migrate(&tset);
}

void __bc_exit(struct task_struct *tsk)
{
	struct css_group *cg = task_css_group(tsk);
	int i;

	lockdep_assert_held(bc_siglock(tsk));

	for (i = 0; i < BC_NR_CONTROLLERS; i++) {
		if (bc_controllers[i]->exit)
			bc_controllers[i]->exit(cg->css[i], tsk);
	}
	RCU_INIT_POINTER(tsk->css_group, NULL);
	css_group_put(cg);
}

/*
 * Listing tasks
 */

static bool is_member(struct bc_group *group, struct task_struct *task,
		      bool threads)
{
	struct task_struct *t;

	if (threads)
		return task_group(task) == group && !(task->flags & PF_EXITING);

	for_each_thread(task, t) {
		if (task_group(t) == group && !(t->flags & PF_EXITING))
			return true;
	}
	return false;
}

/**
 * bc_group_next_pid - list the tasks of a group, one at a time
 * @group: the group
 * @nr: where to start
 * @threads: list threads, not processes. A process is in the group if any of its
 *	threads is.
 *
 * Nothing is held between two calls. What is a member all the time is listed, and
 * what is not at any time is not.
 *
 * Context: Process context. May sleep.
 * Return: the lowest id in the group that is @nr or above, as the pid namespace
 * of the current task sees it, or 0.
 */
pid_t bc_group_next_pid(struct bc_group *group, pid_t nr, bool threads)
{
	struct pid_namespace *ns = task_active_pid_ns(current);
	enum pid_type type = threads ? PIDTYPE_PID : PIDTYPE_TGID;
	struct task_struct *task;
	unsigned int scanned = 0;
	struct pid *pid;
	pid_t found = 0;

	might_sleep();
	rcu_read_lock();
	while ((pid = find_ge_pid(nr, ns))) {
		nr = pid_nr_ns(pid, ns);
		task = pid_task(pid, type);
		if (task && is_member(group, task, threads)) {
			found = nr;
			break;
		}
		nr++;
		/* The number is all that we need to go on. */
		if (++scanned % 64 == 0)
			cond_resched_rcu();
	}
	rcu_read_unlock();
	return found;
}

/*
 * Groups
 */

/**
 * bc_group_common - the nearest common ancestor of two groups
 * @a: a group
 * @b: a group
 *
 * Context: Any. The caller keeps the groups from being freed.
 * Return: the lowest group that is @a or above it, and also @b or above it.
 */
struct bc_group *bc_group_common(struct bc_group *a, struct bc_group *b)
{
	while (a->level > b->level)
		a = a->parent;
	while (b->level > a->level)
		b = b->parent;
	while (a != b) {
		a = a->parent;
		b = b->parent;
	}
	return a;
}

static void free_css(struct bc_group *group)
{
	int i;

	for (i = BC_NR_CONTROLLERS - 1; i >= 0; i--) {
		if (group->css[i])
			bc_controllers[i]->css_free(group->css[i]);
	}
}

static int alloc_css(struct bc_group *group)
{
	struct bc_group *parent = group->parent;
	struct bc_css *css;
	int i;

	for (i = 0; i < BC_NR_CONTROLLERS; i++) {
		css = bc_controllers[i]->css_alloc(bc_controllers[i],
						   parent ? parent->css[i] : NULL);
		if (IS_ERR(css)) {
			free_css(group);
			return PTR_ERR(css);
		}
		css->group = group;
		group->css[i] = css;
	}
	return 0;
}

static void group_free_work(struct work_struct *work)
{
	struct bc_group *group = container_of(to_rcu_work(work), struct bc_group,
					      work);
	struct bc_group *parent = group->parent;

	free_css(group);
	kfree(group);
	static_branch_slow_dec_deferred(&bc_enabled_key);
	bc_group_put(parent);
}

/*
 * Directory, tasks and children are gone, and who has seen a task in the group has
 * let go of it. What is charged to the group may still be there, and keeps it.
 */
static void group_offline_work(struct work_struct *work)
{
	struct bc_group *group = container_of(to_rcu_work(work), struct bc_group,
					      work);
	int i;

	INIT_RCU_WORK(&group->work, group_free_work);
	refcount_set(&group->refs, 1);
	for (i = 0; i < BC_NR_CONTROLLERS; i++) {
		if (bc_controllers[i]->css_offline)
			bc_controllers[i]->css_offline(group->css[i]);
	}
	bc_group_put(group);
}

/**
 * bc_group_create - make a group
 * @parent: the group one level up
 *
 * Context: Process context. May sleep. Takes bc_mutex.
 * Return: the group, with one reference; or an ERR_PTR():
 * -ENOENT, the parent has been removed;
 * -ENOSPC, it would be more than BC_MAX_DEPTH levels below the root (as with pid
 * and user namespaces);
 * -ENOMEM.
 */
struct bc_group *bc_group_create(struct bc_group *parent)
{
	struct bc_group *group;
	int err;

	if (parent->level >= BC_MAX_DEPTH)
		return ERR_PTR(-ENOSPC);

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return ERR_PTR(-ENOMEM);
	group->parent = parent;
	group->level = parent->level + 1;
	refcount_set(&group->refs, 1);
	INIT_RCU_WORK(&group->work, group_offline_work);

	err = alloc_css(group);
	if (err)
		goto free;

	scoped_guard(mutex, &bc_mutex) {
		if (parent->dead)
			err = -ENOENT;
		else
			refcount_inc(&parent->refs);
	}
	if (err)
		goto free_css;

	group->id = atomic64_inc_return(&last_id);
	static_branch_deferred_inc(&bc_enabled_key);
	return group;

free_css:
	free_css(group);
free:
	kfree(group);
	return ERR_PTR(err);
}

/**
 * bc_group_kill - let a group have no tasks any more
 * @group: the group, not the root
 *
 * The group lives on, without tasks and without a name, as long as anything
 * refers to it.
 *
 * Context: Process context. May sleep. Takes bc_mutex.
 * Return: 0, or -EBUSY: it has tasks, zombies included.
 */
int bc_group_kill(struct bc_group *group)
{
	guard(mutex)(&bc_mutex);

	scoped_guard(spinlock_irq, &css_group_lock) {
		if (group->nr_css_groups)
			return -EBUSY;
	}
	group->dead = true;
	group->item = NULL;
	return 0;
}

/**
 * bc_group_get - take a reference to a group
 * @group: the group, to which the caller has a reference; or in css_offline()
 *
 * Context: Any.
 */
void bc_group_get(struct bc_group *group)
{
	refcount_inc(&group->refs);
}

/**
 * bc_group_put - drop a reference to a group
 * @group: the group; the root has one reference that is never dropped
 *
 * Context: Any. The group goes later, after an RCU grace period.
 */
void bc_group_put(struct bc_group *group)
{
	if (refcount_dec_and_test(&group->refs))
		queue_rcu_work(system_wq, &group->work);
}

/**
 * bc_core_init - make the root group
 *
 * No task needs to be told: NULL is the root.
 *
 * Return: 0, or -ENOMEM.
 */
int __init bc_core_init(void)
{
	int err;

	err = rhashtable_init(&css_groups, &css_group_params);
	if (err)
		return err;
	refcount_set(&bc_root_group.refs, 1);
	return alloc_css(&bc_root_group);
}
