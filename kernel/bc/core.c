// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: css_groups, what fork and exit do with them, and the locks of it all.
 *
 * Each hierarchy is a tree of groups, and every task is in one group of each. A task
 * points to one css_group, which it shares with all tasks that have the same
 * memberships, and which has a pointer to the state of every controller for the
 * task's groups. NULL means the root groups, which most tasks are in for ever.
 *
 * The trees are in hierarchy.c, and what is in them in group.c; attach.c moves tasks,
 * listing.c finds them, and controller.c knows who counts.
 *
 * Locking:
 *
 * bc_mutex serializes moves (bc_attach()), what makes and kills groups, and what
 * makes, kills and binds hierarchies. The latter, which are rare, also hold
 * bc_hierarchies_rwsem for writing: it is for readers that have nothing to do with
 * groups that come and go, such as /proc/<pid>/bc.
 *
 * task->css_group is written under the siglock of the task's thread group, and
 * read under that or under RCU. A css_group is freed by RCU, and so are groups and
 * the controllers' states, so that a reader needs two dereferences and no lock.
 * There is no list of tasks. Listing walks the pids; a move of a process walks its
 * threads under siglock, where they are linked and unlinked as well:
 *
 * - A thread that is being created was charged to the groups where its creator
 *   was (bc_can_fork()). If its process is moved before it is linked, bc_fork()
 *   moves it too, in the siglock section that links it. Thus no thread is left
 *   behind, and none is charged twice.
 * - A thread that exits is uncharged (bc_exit()) in the section that unlinks it.
 *   A move sees it with its charge, or not at all. After that, css_group is NULL:
 *   for the rest of its life the task counts as one of the roots'.
 *
 * css_group->refs counts tasks (and forks and moves on their way). Forks take a
 * reference only while it is not 0, without a lock. The last reference is dropped
 * under css_group_lock, which also protects the hash of css_groups and
 * bc_group->nr_css_groups: a group with tasks has css_groups, and as only a move can
 * give it one, a group without any can be killed under bc_mutex; no fork can come in
 * between. A move that is refused has made one for a moment, under bc_mutex.
 *
 * Lock order: bc_mutex, bc_hierarchies_rwsem; bc_mutex, siglock, css_group_lock.
 */
#include <linux/bc/core.h>
#include <linux/bc/task.h>
#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "core.h"
#include "sabotage.h"

/* Groups come and go in bursts; do not patch the kernel's text each time. */
DEFINE_STATIC_KEY_DEFERRED_FALSE(bc_enabled_key, HZ);
/* For mmap_write_unlock() in modules. */
EXPORT_SYMBOL(bc_enabled_key);

/* Never off again: a fork that has begun before may need it at its end. */
DEFINE_STATIC_KEY_FALSE(bc_fork_key);

/*
 * Which controllers have something to do in a fork, and in an exit. Those of modules come
 * and go while no task is in a group that has their states.
 */
static unsigned long fork_controllers __read_mostly;
static unsigned long exit_controllers __read_mostly;

/* What these two protect is said above. */
DEFINE_MUTEX(bc_mutex);
DEFINE_SPINLOCK(css_group_lock);
static struct rhashtable css_groups;

/*
 * By where the groups are in memory. A hash of all bytes would be most of what a move
 * costs, and nearly all of them are 0.
 */
static u32 hash_groups(const void *data, u32 len, u32 seed)
{
	struct bc_group * const *groups = data;
	u64 hash = seed;
	int i;

	for (i = 0; i < BC_MAX_HIERARCHIES; i++) {
		if (groups[i])
			hash = (hash + i + (unsigned long)groups[i]) *
			       GOLDEN_RATIO_64;
	}
	return hash >> 32;
}

static const struct rhashtable_params css_group_params = {
	.hashfn		= hash_groups,
	.key_len	= sizeof_field(struct css_group, groups),
	.key_offset	= offsetof(struct css_group, groups),
	.head_offset	= offsetof(struct css_group, node),
};

/**
 * bc_lock - keep groups, hierarchies, and the places of tasks as they are
 *
 * Forks and exits go on.
 *
 * Context: Process context. May sleep. Takes bc_mutex.
 */
void bc_lock(void)
{
	mutex_lock(&bc_mutex);
}

/**
 * bc_unlock - undo bc_lock()
 */
void bc_unlock(void)
{
	mutex_unlock(&bc_mutex);
}

#ifdef CONFIG_LOCKDEP
/**
 * bc_lock_is_held - is bc_lock() held? For assertions.
 *
 * Return: false only if it is certainly not.
 */
bool bc_lock_is_held(void)
{
	return lockdep_is_held(&bc_mutex);
}
#endif

/**
 * bc_want_fork - have fork() in struct bc_controller called from now on
 *
 * To be called before something is done to the tasks of a group that new ones are not
 * to miss. Cannot be undone.
 *
 * Context: Process context. May sleep.
 */
void bc_want_fork(void)
{
	static_branch_enable(&bc_fork_key);
}

/**
 * bc_want_tasks - which forks and exits a controller is told of
 * @c: the controller
 * @id: its number
 * @on: those that it has a callback for, or none any more
 *
 * Context: bc_mutex is held, but at boot.
 */
void bc_want_tasks(const struct bc_controller *c, int id, bool on)
{
	unsigned long bit = on ? BIT(id) : 0;

	WRITE_ONCE(fork_controllers, (fork_controllers & ~BIT(id)) |
				     (c->can_fork ? bit : 0));
	WRITE_ONCE(exit_controllers, (exit_controllers & ~BIT(id)) |
				     (c->exit ? bit : 0));
}

/*
 * css_groups
 */

/* The css_group of @groups with one more reference, if there is one. */
static struct css_group *css_group_find(struct bc_group **groups)
{
	struct css_group *cg;

	lockdep_assert_held(&css_group_lock);

	cg = rhashtable_lookup_fast(&css_groups, groups, css_group_params);
	if (cg)
		refcount_inc(&cg->refs);
	return cg;
}

static void css_group_fill(struct css_group *cg, struct bc_group **groups)
{
	int i, id;

	for (i = 0; i < BC_MAX_HIERARCHIES; i++) {
		struct bc_group *group = groups[i];

		cg->groups[i] = group;
		if (!group)
			continue;
		for (id = 0; id < BC_NR_CONTROLLERS; id++) {
			if (group->css[id])
				cg->css[id] = group->css[id];
		}
	}
}

/**
 * css_group_get - find or make a css_group, and take a reference
 * @groups: by hierarchy, NULL for a root. The caller keeps them from being killed.
 *
 * Context: Process context. May sleep. bc_mutex is held.
 * Return: the css_group; NULL for all roots; or ERR_PTR(-ENOMEM).
 */
struct css_group *css_group_get(struct bc_group **groups)
{
	struct css_group *cg;
	int i, err;

	lockdep_assert_held(&bc_mutex);

	if (!memchr_inv(groups, 0, sizeof(cg->groups)))
		return NULL;
	scoped_guard(spinlock_irq, &css_group_lock)
		cg = css_group_find(groups);
	if (cg)
		return cg;

	cg = kzalloc(sizeof(*cg), GFP_KERNEL);
	if (!cg)
		return ERR_PTR(-ENOMEM);
	css_group_fill(cg, groups);
	INIT_LIST_HEAD(&cg->moving);
	refcount_set(&cg->refs, 1);

	/* Only we make css_groups, under bc_mutex: there is still none. */
	scoped_guard(spinlock_irq, &css_group_lock) {
		err = rhashtable_insert_fast(&css_groups, &cg->node,
					     css_group_params);
		for (i = 0; !err && i < BC_MAX_HIERARCHIES; i++) {
			if (groups[i])
				groups[i]->nr_css_groups++;
		}
	}
	if (err) {
		kfree(cg);
		return ERR_PTR(-ENOMEM);
	}
	return cg;
}

/**
 * css_group_put - drop a reference to a css_group
 * @cg: the css_group, or NULL
 *
 * Context: Any. Takes css_group_lock for the last reference.
 */
void css_group_put(struct css_group *cg)
{
	bool used;
	int i;

	if (!cg || refcount_dec_not_one(&cg->refs))
		return;

	scoped_guard(spinlock_irqsave, &css_group_lock) {
		if (!refcount_dec_and_test(&cg->refs))
			return;
		/* A move that was refused leaves no trace. */
		used = cg->used || bc_sabotaged(BC_SABOTAGE_USED);
		rhashtable_remove_fast(&css_groups, &cg->node, css_group_params);
		for (i = 0; i < BC_MAX_HIERARCHIES; i++) {
			struct bc_group *group = cg->groups[i];

			if (!group)
				continue;
			group->nr_css_groups--;
			bc_group_check_release(group, used);
		}
	}
	kfree_rcu(cg, rcu);
}

/**
 * bc_nr_css_groups - how many css_groups a group is in
 * @group: the group
 *
 * Context: Any.
 * Return: the number; for a root, how many there are at all.
 */
unsigned int bc_nr_css_groups(struct bc_group *group)
{
	if (!group->parent)
		return atomic_read(&css_groups.nelems);
	/* A number to look at: it may be another one already. */
	return data_race(group->nr_css_groups);
}

/**
 * bc_task_group - the group of a task in a hierarchy
 * @task: the task
 * @h: the hierarchy
 *
 * Context: rcu_read_lock() or the siglock of the task; the result is good for as
 * long as that is held.
 * Return: the group.
 */
struct bc_group *bc_task_group(struct task_struct *task, struct bc_hierarchy *h)
{
	struct css_group *cg = task_css_group(task);

	return cg && cg->groups[h->id] ? cg->groups[h->id] : &h->root;
}

/**
 * bc_task_group_get - the group of a task in a hierarchy, with a reference
 * @task: the task
 * @h: the hierarchy
 *
 * Context: Any.
 * Return: the group.
 */
struct bc_group *bc_task_group_get(struct task_struct *task,
				   struct bc_hierarchy *h)
{
	struct bc_group *group;

	guard(rcu)();
	/* It fails while the task is being moved out, and the group goes. */
	do {
		group = bc_task_group(task, h);
	} while (!bc_group_tryget(group));
	return group;
}

/**
 * bc_task_css_get - what to charge to for a task, with a reference
 * @task: the task
 * @id: a resource controller
 *
 * For what is not kept by its charge alone, as that can be one of nothing.
 *
 * Context: Any.
 * Return: the state, for bc_css_put(); NULL for a root's.
 */
struct bc_css *bc_task_css_get(struct task_struct *task, enum bc_controller_id id)
{
	struct bc_css *css;

	guard(rcu)();
	/* As above. */
	do {
		css = bc_css_charged(bc_task_css(task, id));
	} while (css && !bc_group_tryget(css->group));
	return css;
}

/*
 * Fork and exit, called from <linux/bc/task.h>
 */

static void cancel_fork(struct css_group *cg, struct task_struct *p, int i)
{
	while (i--) {
		if (cg->css[i] && bc_controllers[i]->cancel_fork)
			bc_controllers[i]->cancel_fork(cg->css[i], p);
	}
	css_group_put(cg);
}

int __bc_can_fork(struct task_struct *p)
{
	unsigned long controllers;
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

	/*
	 * Who has a state in the css_group was registered before that was made, and is to be
	 * seen here. Pairs with rcu_assign_pointer() of who has moved us there.
	 */
	smp_rmb();
	controllers = READ_ONCE(fork_controllers);
	for_each_set_bit(i, &controllers, BC_NR_CONTROLLERS) {
		if (!cg->css[i])
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

void __bc_post_fork(struct task_struct *p)
{
	int id;

	if (bc_sabotaged(BC_SABOTAGE_LATE))
		return;
	/* Linked, then looked at what to be. Pairs with bc_task_iter_start(). */
	smp_mb();
	for (id = 0; id < BC_NR_BUILTIN; id++) {
		if (bc_controllers[id]->fork)
			bc_controllers[id]->fork(p);
	}
}

void __bc_exit(struct task_struct *tsk)
{
	unsigned long controllers = READ_ONCE(exit_controllers);
	struct css_group *cg = task_css_group(tsk);
	int i;

	lockdep_assert_held(bc_siglock(tsk));

	for_each_set_bit(i, &controllers, BC_NR_CONTROLLERS) {
		if (cg->css[i])
			bc_controllers[i]->exit(cg->css[i], tsk);
	}
	RCU_INIT_POINTER(tsk->css_group, NULL);
	css_group_put(cg);
}

/**
 * bc_core_init - get ready for the first group
 *
 * No task needs to be told: NULL is the root.
 *
 * Return: 0, or -ENOMEM.
 */
int __init bc_core_init(void)
{
	int i, err;

	for (i = 0; i < BC_NR_BUILTIN; i++)
		bc_want_tasks(bc_controllers[i], i, true);
	err = rhashtable_init(&css_groups, &css_group_params);
	return err ?: bc_hierarchy_init();
}
