// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: moving tasks to other groups.
 *
 * A move is decided and done in one section of the siglock of the tasks' process, where
 * threads are linked and unlinked as well: none is left behind. The controllers are asked
 * first (can_attach()); if one refuses, nothing has happened. What has to sleep comes
 * before that section, or after it (post_attach()).
 *
 * A move in one hierarchy leaves the memberships in the others alone, so that the
 * threads of a process can need several new css_groups. They are made before siglock
 * is taken, one for each that the threads have: nobody else moves tasks meanwhile,
 * and a thread that is created has its creator's.
 *
 * The address space goes along if the process moves as a whole (mm.c).
 *
 * Locking: a move holds bc_mutex all the time, siglock while the tasks move, and
 * css_group_lock in that for a moment, where a css_group loses its last task. A new thread
 * that follows its process (__bc_fork()) needs no new css_group, and no bc_mutex.
 */
#include <linux/bc/core.h>
#include <linux/bc/task.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#include "core.h"
#include "event.h"
#include "mm.h"
#include "sabotage.h"

/**
 * struct move - tasks on their way to another group
 * @tset: the tasks, for the controllers
 * @group: where to
 * @css_groups: those that the tasks have, with a reference each, and one to ->to
 * @root_to: ->to for the tasks that have none, with a reference, if @root_known
 * @root_known: @root_to is valid
 * @moved: any task was somewhere else
 */
struct move {
	struct bc_taskset	tset;
	struct bc_group		*group;
	struct list_head	css_groups;
	struct css_group	*root_to;
	bool			root_known;
	bool			moved;
};

static struct task_struct *taskset_next(const struct bc_taskset *tset,
					struct task_struct *task)
{
	if (!tset->process)
		return task ? NULL : tset->task;
	if (task)
		return __next_thread(task);
	return list_first_or_null_rcu(&tset->task->signal->thread_head,
				      struct task_struct, thread_node);
}

/**
 * bc_taskset_next - iterate over the tasks that move
 * @tset: the tasks
 * @task: the one before, NULL for the first
 * @id: the controller that asks
 *
 * Tasks whose state for the controller stays the same are left out.
 *
 * Context: The siglock of the tasks is held.
 * Return: the next one, or NULL.
 */
struct task_struct *bc_taskset_next(const struct bc_taskset *tset,
				    struct task_struct *task,
				    enum bc_controller_id id)
{
	lockdep_assert_held(bc_siglock(tset->task));

	do {
		task = taskset_next(tset, task);
	} while (task && bc_task_css(task, id) == tset->css[id]);
	return task;
}
EXPORT_SYMBOL_GPL(bc_taskset_next);

static void cancel_attach(const struct bc_taskset *tset, int id)
{
	while (id--) {
		if (tset->css[id] && bc_controllers[id]->cancel_attach)
			bc_controllers[id]->cancel_attach(tset);
	}
}

static int can_attach(const struct bc_taskset *tset)
{
	int id, err;

	for (id = 0; id < BC_NR_CONTROLLERS; id++) {
		if (!tset->css[id] || !bc_controllers[id]->can_attach)
			continue;
		err = bc_controllers[id]->can_attach(tset);
		if (err) {
			cancel_attach(tset, id);
			return err;
		}
	}
	if (bc_sabotaged(BC_SABOTAGE_VETO)) {
		cancel_attach(tset, id);
		return -EPERM;
	}
	return 0;
}

static void attach(const struct bc_taskset *tset)
{
	int id;

	for (id = 0; id < BC_NR_CONTROLLERS; id++) {
		if (tset->css[id] && bc_controllers[id]->attach)
			bc_controllers[id]->attach(tset);
	}
}

static void set_css_group(struct task_struct *task, struct css_group *to)
{
	struct css_group *from = task_css_group(task);

	if (to) {
		refcount_inc(&to->refs);
		WRITE_ONCE(to->used, true);
	}
	rcu_assign_pointer(task->css_group, to);
	css_group_put(from);
}

static bool is_prepared(const struct move *move, const struct css_group *cg)
{
	return cg ? !list_empty(&cg->moving) : move->root_known;
}

static struct css_group *move_to(const struct move *move, struct css_group *cg)
{
	return cg ? cg->to : move->root_to;
}

/*
 * Take note of all css_groups of the tasks that are new to us, with references. Return:
 * false if there are none.
 */
static bool find_unprepared(struct move *move)
{
	struct task_struct *task = NULL;
	bool found = false;

	lockdep_assert_held(&bc_mutex);

	guard(rcu)();
	while ((task = taskset_next(&move->tset, task))) {
		struct css_group *cg = task_css_group(task);

		if (is_prepared(move, cg))
			continue;
		/* Without a reference, the task has just exited. */
		if (cg && !refcount_inc_not_zero(&cg->refs))
			continue;
		if (cg)
			list_add(&cg->moving, &move->css_groups);
		else
			move->root_known = true;
		found = true;
	}
	return found;
}

/* Find or make the css_group that is one's own, but for the group to move to. */
static int prepare_one(struct move *move, const struct css_group *cg, struct css_group **to)
{
	struct bc_group *groups[BC_MAX_HIERARCHIES] = { };

	/* It may be there already, unless it is none, as in all roots. */
	if (*to)
		return 0;
	if (cg && !bc_sabotaged(BC_SABOTAGE_MEMBERSHIPS))
		memcpy(groups, cg->groups, sizeof(groups));
	groups[move->group->hierarchy->id] = move->group->parent ? move->group : NULL;
	*to = css_group_get(groups);
	if (!IS_ERR(*to))
		return 0;
	*to = NULL;
	return -ENOMEM;
}

/* Find or make the css_groups that the tasks need. */
static int prepare(struct move *move)
{
	struct css_group *cg;
	int err = 0;

	lockdep_assert_held(&bc_mutex);

	while (!err && find_unprepared(move)) {
		if (move->root_known)
			err = prepare_one(move, NULL, &move->root_to);
		list_for_each_entry(cg, &move->css_groups, moving)
			err = err ?: prepare_one(move, cg, &cg->to);
	}
	return err;
}

static void unprepare(struct move *move)
{
	struct css_group *cg, *next;

	list_for_each_entry_safe(cg, next, &move->css_groups, moving) {
		list_del_init(&cg->moving);
		css_group_put(cg->to);
		cg->to = NULL;
		css_group_put(cg);
	}
	css_group_put(move->root_to);
}

/* What user space is this task's own? A kernel thread may have borrowed one. */
static struct mm_struct *task_mm(struct task_struct *task)
{
	if (bc_task_flags(task) & PF_KTHREAD)
		return NULL;
	/* Without task_lock(), exec may be about to change it. See bc_mm_exec(). */
	return data_race(READ_ONCE(task->mm));
}

static struct mm_struct *task_mm_grab(struct task_struct *task)
{
	struct mm_struct *mm;

	task_lock(task);
	mm = task_mm(task);
	if (mm)
		mmgrab(mm);
	task_unlock(task);
	return mm;
}

/*
 * The address space of a process, with a reference to the structure, or NULL. Some of its
 * threads may have given it up; one that is being created is not among them yet.
 */
static struct mm_struct *process_mm_grab(struct task_struct *process)
{
	struct mm_struct *mm = task_mm_grab(process);
	struct task_struct *task;

	guard(rcu)();
	for_each_thread(process, task) {
		if (mm)
			break;
		mm = task_mm_grab(task);
	}
	return mm;
}

/* A process moves as a whole, too, if its only thread does. */
static bool is_whole(const struct bc_taskset *tset)
{
	return tset->process || get_nr_threads(tset->task) == 1;
}

/* Has there been an exec since process_mm_grab()? */
static bool mm_is_stale(const struct bc_taskset *tset)
{
	struct task_struct *task = tset->task;
	struct mm_struct *mm = task_mm(task);

	lockdep_assert_held(bc_siglock(task));

	if (!mm && tset->process) {
		for_each_thread(tset->task, task) {
			mm = task_mm(task);
			if (mm)
				break;
		}
	}
	return mm && mm != tset->mm;
}

/* Move tasks, all or none. The caller holds their siglock. */
static int migrate(struct move *move)
{
	const struct bc_taskset *tset = &move->tset;
	struct task_struct *task = NULL;
	int err;

	while ((task = taskset_next(tset, task))) {
		struct css_group *cg = task_css_group(task);

		/* See find_unprepared(): all that can be new is a child's. */
		if (WARN_ON_ONCE(!is_prepared(move, cg)))
			return -EAGAIN;
		move->moved |= move_to(move, cg) != cg;
	}
	move->moved |= bc_mm_moves(tset);
	if (!move->moved)
		return 0;

	err = can_attach(tset);
	if (err)
		return err;
	attach(tset);

	while ((task = taskset_next(tset, task))) {
		struct css_group *cg = task_css_group(task);

		if (move_to(move, cg) != cg)
			set_css_group(task, move_to(move, cg));
		if (bc_sabotaged(BC_SABOTAGE_SIBLINGS))
			break;
	}
	return 0;
}

/*
 * May the current task move @task to @group? Needs to be privileged, or to have
 * the task's uid or saved uid as effective uid (as with cgroup v1), and write
 * permission in the nearest common ancestor of the groups (as with cgroup v2).
 * @asked is the last one that was asked for, and has said yes: to ask is to look
 * for a name in a directory, which may be long, and threads are many.
 */
static int may_move(struct task_struct *task, struct bc_group *group,
		    int (*may_write)(struct bc_group *group), struct bc_group **asked)
{
	const struct cred *cred = current_cred(), *tcred = __task_cred(task);
	struct bc_group *from = bc_task_group(task, group->hierarchy), *common;
	int err;

	if (!uid_eq(cred->euid, tcred->uid) && !uid_eq(cred->euid, tcred->suid) &&
	    !ns_capable(tcred->user_ns, CAP_SYS_ADMIN))
		return -EACCES;
	if (from == group)
		return 0;
	common = bc_group_common(from, group);
	if (common == *asked)
		return 0;
	err = may_write(common);
	if (!err)
		*asked = common;
	return err;
}

static int check_move(const struct move *move,
		      int (*may_write)(struct bc_group *group))
{
	struct task_struct *task = move->tset.task, *t = NULL;
	struct bc_group *asked = NULL;
	int err = 0;

	/*
	 * A kernel thread that is bound to its CPUs would not follow, say, a
	 * cpuset, and kthreadd would pass its group on to all others.
	 */
	if ((bc_task_flags(task) & PF_NO_SETAFFINITY) || task == kthreadd_task)
		return -EINVAL;
#ifdef CONFIG_CGROUPS
	/* It is about to be bound. The other bits of the word are the task's, too. */
	if (data_race(!!task->no_cgroup_migration))
		return -EINVAL;
#endif

	/*
	 * Nobody else moves tasks meanwhile, and a thread that is created now
	 * has the group and the credentials of its creator, which we check.
	 */
	guard(rcu)();
	while (!err && (t = taskset_next(&move->tset, t)))
		err = may_move(t, move->group, may_write, &asked);
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
	return !(bc_task_flags(tset->task) & PF_EXITING);
}

/*
 * Move them, unless the task has been reaped and has no siglock any more, or has got
 * another address space by an exec: then return false.
 */
static bool lock_and_migrate(struct move *move, int *err)
{
	struct bc_taskset *tset = &move->tset;
	struct mm_struct *mm;
	bool whole, done = true;
	unsigned long flags;

	mm = process_mm_grab(tset->task);
	if (!lock_task_sighand(tset->task, &flags)) {
		done = false;
		goto out;
	}
	whole = is_whole(tset);
	tset->mm = whole ? mm : NULL;
	if (!is_alive(tset))
		*err = -ESRCH;
	else if (whole && mm_is_stale(tset))
		done = false;
	else
		*err = migrate(move);
	unlock_task_sighand(tset->task, &flags);
out:
	if (mm)
		mmdrop(mm);
	return done;
}

/* Move what is in @move->tset. Returns false as lock_and_migrate() does. */
static bool move_tasks(struct move *move, int *err)
{
	struct bc_hierarchy *h = move->group->hierarchy;
	bool done = true;
	int id;

	for_each_set_bit(id, &h->controllers, BC_NR_CONTROLLERS)
		move->tset.css[id] = move->group->css[id];
	INIT_LIST_HEAD(&move->css_groups);

	*err = prepare(move);
	if (!*err)
		done = lock_and_migrate(move, err);
	unprepare(move);
	return done;
}

/* A process, or one thread, has moved to @group, and perhaps on since. */
static void post_attach(struct bc_group *group, struct task_struct *task, bool process)
{
	unsigned long controllers = READ_ONCE(group->hierarchy->controllers);
	int id;

	might_sleep();
	/* Moved, then looked at what to be. Pairs with bc_task_iter_start(). */
	smp_mb();
	for_each_set_bit(id, &controllers, BC_NR_BUILTIN) {
		if (bc_controllers[id]->post_attach)
			bc_controllers[id]->post_attach(task, process);
	}
}

/*
 * Move the process, or the thread, that @pid is. Returns the task with a reference; NULL if
 * it was there already.
 */
static struct task_struct *move_pid(struct bc_group *group, pid_t pid, bool process,
				    int (*may_write)(struct bc_group *group))
{
	bool done = false;
	int err;

	guard(mutex)(&bc_mutex);

	if (group->dead)
		return ERR_PTR(-ENOENT);

	/*
	 * A task without a siglock has been reaped. But if it was the leader of
	 * a process, and another thread has called exec, the pid is now that
	 * thread's: look again. A reaped task is not found a second time.
	 */
	do {
		struct move move = { .group = group, .tset.process = process };
		struct task_struct *task = find_task(pid);

		if (!task)
			return ERR_PTR(-ESRCH);
		move.tset.task = task;
		err = check_move(&move, may_write);
		done = err || move_tasks(&move, &err);
		if (done && !err && move.moved) {
			bc_event_attach(group, task);
			return task;
		}
		put_task_struct(task);
	} while (!done);
	return ERR_PTR(err);
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
	struct task_struct *task = move_pid(group, pid, process, may_write);

	if (IS_ERR_OR_NULL(task))
		return PTR_ERR(task);
	post_attach(group, task, process);
	put_task_struct(task);
	return 0;
}

/* Move one task, whoever asks, if it is in @from. */
static int attach_one(struct bc_group *from, struct bc_group *group,
		      struct task_struct *task)
{
	struct move move = { .group = group, .tset.task = task };
	int err;

	scoped_guard(mutex, &bc_mutex) {
		if (group->dead)
			return -ESTALE;
		scoped_guard(rcu) {
			if (bc_task_group(task, group->hierarchy) != from)
				return -ESTALE;
		}
		if (!move_tasks(&move, &err))
			return -ESRCH;
		if (!err)
			bc_event_attach(group, task);
	}
	/* One that is being created comes to bc_post_fork(). */
	if (!err && task == current)
		post_attach(group, task, false);
	return err;
}

/**
 * bc_attach_down - move one task from the group where it is to one below, whoever asks
 * @group: the group
 * @task: the task, which the caller keeps from being reaped; it may also be one that is
 *	being created, after bc_can_fork()
 *
 * Context: Process context. May sleep. Takes bc_mutex.
 * Return: as bc_attach(); -ESTALE, it is not in the parent of @group, or that has been
 * removed.
 */
int bc_attach_down(struct bc_group *group, struct task_struct *task)
{
	return attach_one(group->parent, group, task);
}

/**
 * bc_attach_up - undo bc_attach_down()
 * @group: the group, no root
 * @task: the task, as there
 *
 * Context: Process context. May sleep. Takes bc_mutex.
 * Return: as bc_attach(); -ESTALE, it is not in @group any more.
 */
int bc_attach_up(struct bc_group *group, struct task_struct *task)
{
	return attach_one(group, group->parent, task);
}

/*
 * Called from <linux/bc/task.h>: bc_fork(), the process of a new thread has been moved since
 * bc_can_fork()
 */
int __bc_fork(struct task_struct *p)
{
	struct css_group *from = task_css_group(p), *to = task_css_group(current);
	struct bc_taskset tset = { .task = p };
	int id, err;

	if (bc_sabotaged(BC_SABOTAGE_REFORK))
		return 0;

	for (id = 0; id < BC_NR_CONTROLLERS; id++) {
		/* Where both are in the root, its state may be going with a module. */
		if ((from ? from->css[id] : NULL) != (to ? to->css[id] : NULL))
			tset.css[id] = bc_task_css(current, id);
	}
	err = can_attach(&tset);
	if (err)
		return err;
	attach(&tset);
	set_css_group(p, task_css_group(current));
	return 0;
}
