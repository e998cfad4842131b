// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: which tasks are in a group, and walks over tasks that may sleep.
 *
 * Groups have no list of their tasks: to keep one would cost every fork and exit. So all
 * pids are gone through, some under RCU at a time, and nothing is held in between. Where to
 * go on is an id in a list, and a task with a reference in a walk.
 *
 * What a task is in is read under RCU, as in core.c. No lock is taken.
 */
#include <linux/array_size.h>
#include <linux/bc/core.h>
#include <linux/cleanup.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/radix-tree.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_wait.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/timekeeping.h>

static bool is_member(struct bc_group *group, struct task_struct *task,
		      bool threads)
{
	struct bc_hierarchy *h = group->hierarchy;
	struct task_struct *t;

	if (threads)
		return bc_task_group(task, h) == group &&
		       !(bc_task_flags(task) & PF_EXITING);

	for_each_thread(task, t) {
		if (bc_task_group(t, h) == group && !(bc_task_flags(t) & PF_EXITING))
			return true;
	}
	return false;
}

/* How many tasks are looked at before others may have the CPU. */
#define SCAN_MAX	1024

/*
 * Fill @list with ids of @group's tasks from @nr on, as @ns has them. Returns where to go
 * on, or 0 at the end. find_ge_pid() would begin at the root of the tree for each id.
 */
static pid_t scan_pids(struct bc_group *group, pid_t nr, struct pid_namespace *ns,
		       bool threads, struct bc_pid_list *list)
{
	enum pid_type type = threads ? PIDTYPE_PID : PIDTYPE_TGID;
	unsigned int scanned = 0;
	struct radix_tree_iter iter;
	void __rcu **slot;

	guard(rcu)();
	radix_tree_for_each_slot(slot, &ns->idr.idr_rt, &iter, nr) {
		struct pid *pid = rcu_dereference_raw(*slot);
		struct task_struct *task;

		if (radix_tree_deref_retry(pid)) {
			slot = radix_tree_iter_retry(&iter);
			continue;
		}
		if (scanned++ > SCAN_MAX || list->n == ARRAY_SIZE(list->nr))
			return iter.index;
		/* An id that has just been given away has no pid yet. */
		task = pid ? pid_task(pid, type) : NULL;
		if (task && !threads)
			/* More or less: it is for who waits for the CPU. */
			scanned += data_race(get_nr_threads(task));
		if (task && is_member(group, task, threads))
			list->nr[list->n++] = iter.index;
	}
	return 0;
}

/**
 * bc_group_list_pids - list the tasks of a group, some at a time
 * @group: the group
 * @nr: where to start
 * @threads: list threads, not processes. A process is in the group if any of its
 *	threads is.
 * @list: becomes the lowest ids in the group from @nr on, as the pid namespace of the
 *	current task sees them, in ascending order; none at the end
 *
 * Nothing is held between two calls. What is a member all the time is listed, and
 * what is not at any time is not.
 *
 * Context: Process context. May sleep.
 */
void bc_group_list_pids(struct bc_group *group, pid_t nr, bool threads,
			struct bc_pid_list *list)
{
	might_sleep();
	list->n = 0;
	do {
		cond_resched();
		nr = scan_pids(group, nr, task_active_pid_ns(current), threads, list);
	} while (nr && list->n < ARRAY_SIZE(list->nr));
}

/**
 * bc_task_iter_start - walk over tasks that are there now, and sleep between them
 * @iter: the walk, which has to go on until bc_task_iter_next() returns NULL
 * @process: a task of the process to be walked over, which the caller keeps from being
 *	freed; NULL for the tasks of all processes
 *
 * Each thread that is there all the time is met, some perhaps more than once, and calls
 * of exec do not hide any. Threads that are started from now on are left out: with
 * bc_want_fork(), they come to the controller's fork() themselves, and see what was
 * written before this call. Without that, walks in a process that creates threads all the
 * time might not end.
 *
 * Context: Any.
 */
void bc_task_iter_start(struct bc_task_iter *iter, struct task_struct *process)
{
	iter->process = process;
	iter->task = NULL;
	/*
	 * What was written has to be seen by who is not met, or was met before it moved. See
	 * __bc_post_fork() and post_attach().
	 */
	smp_mb();
	iter->before = ktime_get_ns();
}

static u64 start_time(const struct task_struct *task)
{
	u64 time, again;

	do {
		/* Another one writes it in exec; on 32 bits, that takes two steps. */
		time = data_race(READ_ONCE(task->start_time));
		/* Then what was read in between is not what is there now. */
		again = data_race(READ_ONCE(task->start_time));
	} while (time != again);
	return time;
}

/* The thread after @prev in its process, or the first one there. */
static struct task_struct *iter_thread(const struct bc_task_iter *iter,
				       struct task_struct *process,
				       struct task_struct *prev)
{
	struct task_struct *task;

	/*
	 * When it is not in the list any more, nobody knows what came after it.
	 * Starting again ends, as it takes a thread's death each time, and those that
	 * are born meanwhile do not count. Who dies now can still be gone on from, by RCU.
	 */
	if (prev && data_race(pid_alive(prev)))
		task = __next_thread(prev);
	else
		task = list_first_or_null_rcu(&process->signal->thread_head,
					      struct task_struct, thread_node);
	/*
	 * By exec, a thread gets the leader's time, which is earlier: it may be met twice. Who
	 * was started in the same tick of a coarse clock may not have seen what was written.
	 */
	while (task && start_time(task) > iter->before)
		task = __next_thread(task);
	return task;
}

/**
 * bc_task_iter_next - go on
 * @iter: the walk
 *
 * Context: Process context. May sleep.
 * Return: the next task, which is there until the next call, or NULL at the end.
 */
struct task_struct *bc_task_iter_next(struct bc_task_iter *iter)
{
	struct task_struct *prev = iter->task, *task = NULL, *leader;
	struct pid *pid;
	pid_t nr = 1;

	might_sleep();
	cond_resched();
	rcu_read_lock();
	if (iter->process) {
		task = iter_thread(iter, iter->process, prev);
	} else if (prev) {
		task = iter_thread(iter, prev, prev);
		nr = prev->tgid + 1;
	}
	/* By process: exec gives a thread's id away, never that of the process. */
	while (!task && !iter->process && (pid = find_ge_pid(nr, &init_pid_ns))) {
		nr = pid_nr(pid) + 1;
		leader = pid_task(pid, PIDTYPE_TGID);
		if (leader)
			task = iter_thread(iter, leader, NULL);
		else if (nr % 64 == 0)
			cond_resched_rcu();
	}
	iter->task = task ? get_task_struct(task) : NULL;
	rcu_read_unlock();
	if (prev)
		put_task_struct(prev);
	return task;
}
