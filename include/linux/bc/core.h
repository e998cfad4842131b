/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: groups of tasks, and what a controller has to do with them.
 *
 * Documentation/beancounters.txt tells how to write a controller.
 */
#ifndef _LINUX_BC_CORE_H
#define _LINUX_BC_CORE_H

#include <linux/atomic.h>
#include <linux/bc/counter.h>
#include <linux/bc/types.h>
#include <linux/container_of.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct bc_hierarchy;
struct config_item;
struct configfs_attribute;
struct module;
struct seq_file;

/**
 * struct bc_css - what one controller keeps for one group
 * @group: the group; for a root, that of the hierarchy which has the controller now,
 *	which is for who holds bc_mutex, or knows that the hierarchy has groups
 * @id: the controller
 * @root: it is a root's
 * @told: the first refusal is in the log, see event.c
 * @refused_at: when the last one was, in seconds of CLOCK_BOOTTIME; 0: never
 *
 * A controller embeds it in a structure of its own. The core fills it in.
 */
struct bc_css {
	struct bc_group		*group;
	enum bc_controller_id	id;
	bool			root;
	atomic_t		told;
	unsigned long		refused_at;
};

/**
 * struct bc_group - a beancounter
 * @parent: one level up; NULL in a root. Held by a reference.
 * @hierarchy: the hierarchy that it is in; kept by the root's references
 * @id: names the group as long as the system is up; 0 is a root
 * @name: of its directory; never changes. bc_group_path() has the whole path.
 * @level: a root is 0
 * @dead: removed, and only kept by what refers to it. Protected by bc_mutex.
 * @notify_on_release: run the release agent when @releasable becomes true
 * @used: has lost tasks or children. Protected by css_group_lock, as are the next
 *	three.
 * @lost: has lost some since the release agent was told, or need not be
 * @nr_css_groups: css_groups of it, that is, whether it has tasks, or a move on its way
 * @nr_children: groups one level down that are not dead
 * @watchers: who has subscribed to what happens here and below, see netlink.c
 * @events_lost: so many events of here and below were lost while there were @watchers
 * @removal_lost: that it was removed is among them; written under the lock of the queue
 * @refs: its directory, its children; after that, those of the controllers whose
 *	state is still in use, see css_offline() in struct bc_controller
 * @work: what comes after the last reference, when a grace period has passed
 * @item: its directory, for configfs.c; gone when @dead
 * @children: not dead, in the order in which they were made. Protected by bc_mutex.
 * @sibling: in the parent's @children
 * @release_node: waits for the release agent, see release.c
 * @css: the controllers' states, by enum bc_controller_id; NULL for the controllers
 *	that were in other hierarchies when the group was made
 */
struct bc_group {
	struct bc_group		*parent;
	struct bc_hierarchy	*hierarchy;
	u64			id;
	const char		*name;
	unsigned int		level;
	bool			dead;
	bool			notify_on_release;
	bool			used;
	bool			lost;
	bool			removal_lost;
	unsigned int		nr_css_groups;
	unsigned int		nr_children;
	unsigned int		watchers;
	atomic_long_t		events_lost;
	refcount_t		refs;
	struct rcu_work		work;
	struct config_item	*item;
	struct list_head	children;
	struct list_head	sibling;
	struct list_head	release_node;
	struct bc_css		*css[BC_NR_CONTROLLERS];
};

/* How many hierarchies there can be, with the default one. */
#define BC_MAX_HIERARCHIES	16

/**
 * struct bc_hierarchy - a tree of groups, which all tasks are in
 * @root: its root group
 * @id: where it is in bc_hierarchies[]; 0 is the default one
 * @controllers: a bit for each controller that is bound to it. A controller is bound to
 *	one hierarchy at a time. Written with bc_mutex and bc_hierarchies_rwsem held,
 *	while there are no groups but the root.
 * @nr_groups: groups that are not dead, the root included. Protected by bc_mutex.
 * @seq: another one, but not 0, when a group has come or gone. Protected by bc_mutex.
 * @release_agent: the program to run, or NULL; see release.c
 */
struct bc_hierarchy {
	struct bc_group		root;
	unsigned int		id;
	unsigned long		controllers;
	unsigned int		nr_groups;
	unsigned int		seq;
	char			*release_agent;
};

/**
 * struct css_group - the memberships of a task
 * @css: the controllers' states for the task's groups; NULL for a root
 * @refs: tasks, forks on their way, and moves on their way. The last one takes
 *	it out of the hash, under css_group_lock.
 * @groups: the task's groups, by hierarchy; NULL for a root. The key of the hash.
 * @node: in the hash
 * @to: where tasks that have this one move, while @moving is on a list
 * @moving: in the css_groups that a move concerns. Protected by bc_mutex, as is @to.
 * @used: some task has had it
 * @rcu: frees it
 *
 * All tasks with the same memberships share one. Tasks that are in all hierarchies'
 * roots have none. But for @refs, and what is a move's, nothing in it changes once a
 * task has it.
 */
struct css_group {
	struct bc_css		*css[BC_NR_CONTROLLERS];
	refcount_t		refs;
	struct bc_group		*groups[BC_MAX_HIERARCHIES];
	struct rhash_head	node;
	struct css_group	*to;
	struct list_head	moving;
	bool			used;
	struct rcu_head		rcu;
};

/**
 * struct bc_taskset - tasks that move to another group together
 * @task: one of them
 * @process: all threads of @task's process, not just @task
 * @mm: their address space, by mm_count, if the process moves as a whole; it goes along
 *	if the process has made it, see mm.c
 * @css: the controllers' states where they go, a root's included; NULL for those that
 *	the move does not concern
 */
struct bc_taskset {
	struct task_struct	*task;
	bool			process;
	struct mm_struct	*mm;
	struct bc_css		*css[BC_NR_CONTROLLERS];
};

struct task_struct *bc_taskset_next(const struct bc_taskset *tset,
				    struct task_struct *task,
				    enum bc_controller_id id);

/**
 * struct bc_task_iter - a walk over tasks that may sleep
 * @process: the process that is walked over; NULL: all processes
 * @task: where it is, with a reference; NULL before the first
 * @before: who was started later is left out
 *
 * See bc_task_iter_start().
 */
struct bc_task_iter {
	struct task_struct	*process;
	struct task_struct	*task;
	u64			before;
};

void bc_task_iter_start(struct bc_task_iter *iter, struct task_struct *process);
struct task_struct *bc_task_iter_next(struct bc_task_iter *iter);

/* How many files a counter may have besides those that all have. */
#define BC_MORE_ATTRS	4

/**
 * struct bc_controller - a controller
 * @name: of its directory in each group; below 20 characters
 * @unit: what it counts; means nothing if there are @attrs
 * @batch: how much credit a CPU takes at once, see bc_counter_init(); 0 for counters
 *	that are exact in everything
 * @attrs: the files in its directory, ended by NULL; their callbacks find the state
 *	with bc_item_css(). NULL: the files of a counter, and the state is a
 *	struct bc_resource, which bc_resource_alloc() and its like make and free.
 * @more_attrs: files beside those of a counter, up to %BC_MORE_ATTRS, ended by NULL
 * @root_attrs: the files in its directory of a root; NULL: the same
 * @css_alloc: make the state for a new group. @parent is that of the group one
 *	level up, NULL for a root. Returns it or an ERR_PTR(). May sleep; bc_mutex is
 *	held.
 * @css_online: the new group has all states, and is about to be there: may it be?
 *	Returns 0 or an error, and then has changed nothing. May sleep; bc_mutex is held.
 * @css_kill: the group is about to lose its place among those that are there, or has
 *	not got one as another controller has refused. May sleep; bc_mutex is held.
 * @css_offline: directory, tasks and children are gone, for longer than an RCU
 *	grace period. If the state is still in use, take a reference with bc_css_get()
 *	and drop it when the use ends. May sleep.
 * @css_free: free it, an RCU grace period after the last reference to the group
 *	was dropped. May sleep.
 * @can_attach: may these tasks move? Charges what they need in the new group.
 *	Returns 0 or an error, and then has changed nothing.
 * @cancel_attach: undo @can_attach, another controller has refused
 * @attach: they move now: uncharge the groups where they still are
 * @post_attach: a process, or only this one thread, has moved: make the tasks what they
 *	are to be in the groups where they find themselves now, which others may have
 *	changed again. No lock is held; may sleep.
 * @can_fork: may the group have one more task, @p, which nobody sees yet?
 *	Charges for it. Returns 0 or an error. May sleep.
 * @cancel_fork: undo @can_fork, the fork has failed later
 * @fork: a new task can be seen by everybody, and does not run yet; it may have missed
 *	what was done to all tasks of its group meanwhile. No lock is held; may sleep.
 *	Only called after bc_want_fork().
 * @exit: a task of the group has been reaped
 * @bind: the controller was bound to another hierarchy: @root is its state for the
 *	root group, which is that hierarchy's now. There is no other group. May sleep;
 *	bc_mutex is held.
 * @post_clone: a group was made for a task that has got namespaces of its own
 *	(bc_clone()), and the task is about to be moved in: give @css what a task cannot
 *	do without. Returns 0 or an error other than -ESTALE, and then the group goes.
 *	May sleep.
 * @barrier_hit: a charge was refused, or went on to the limit with a privilege,
 *	because of the barrier of this counter, which is below its limit (BC v6)
 * @limit_hit: a charge was refused because of the limit of this counter (BC v6)
 * @limit_set: the limit or the barrier of this counter was written; there may be room now
 *	for who waits for it. May sleep.
 * @root_held: the kernel's own count, of what the whole system uses; NULL if it
 *	has none
 *
 * The attach callbacks and @exit run under the siglock of the tasks' thread
 * group, with interrupts off; @barrier_hit and @limit_hit wherever the charge was made,
 * and may not sleep. @css_online, @css_kill, @can_fork, @cancel_fork and @exit are not
 * called for a root, @post_attach and @fork are. All but @css_alloc and @css_free are optional.
 */
struct bc_controller {
	const char	*name;
	enum bc_unit	unit;
	unsigned int	batch;
	struct configfs_attribute	**attrs;
	struct configfs_attribute	**more_attrs;
	struct configfs_attribute	**root_attrs;
	struct bc_css	*(*css_alloc)(const struct bc_controller *controller,
				      struct bc_css *parent);
	int		(*css_online)(struct bc_css *css);
	void		(*css_kill)(struct bc_css *css);
	void		(*css_offline)(struct bc_css *css);
	void		(*css_free)(struct bc_css *css);
	int		(*can_attach)(const struct bc_taskset *tset);
	void		(*cancel_attach)(const struct bc_taskset *tset);
	void		(*attach)(const struct bc_taskset *tset);
	void		(*post_attach)(struct task_struct *task, bool process);
	int		(*can_fork)(struct bc_css *css, struct task_struct *p);
	void		(*cancel_fork)(struct bc_css *css, struct task_struct *p);
	void		(*fork)(struct task_struct *p);
	void		(*exit)(struct bc_css *css, struct task_struct *tsk);
	void		(*bind)(struct bc_css *root);
	int		(*post_clone)(struct bc_css *css);
	void		(*barrier_hit)(struct bc_css *css, unsigned long amount);
	void		(*limit_hit)(struct bc_css *css, unsigned long amount);
	void		(*limit_set)(struct bc_css *css);
	unsigned long	(*root_held)(void);
};

#define BC_CONTROLLER(name) extern const struct bc_controller bc_##name##_controller;
#include <linux/bc/controllers.h>
#undef BC_CONTROLLER

extern const struct bc_controller *bc_controllers[BC_NR_CONTROLLERS];
extern struct bc_css *bc_root_css[BC_NR_CONTROLLERS];
extern struct bc_hierarchy bc_default_hierarchy;
extern struct bc_hierarchy *bc_hierarchies[BC_MAX_HIERARCHIES];
extern struct rw_semaphore bc_hierarchies_rwsem;

int bc_core_init(void);

int __bc_register_controller(const struct bc_controller *controller,
			     struct module *owner);
void bc_unregister_controller(const struct bc_controller *controller);

/**
 * bc_register_controller - have a controller that is not in <linux/bc/controllers.h>
 * @controller: the controller, without post_attach() and fork(); the caller's module is
 *	kept while any group, or any hierarchy but the default one, is there
 *
 * From then on, groups can be made that have it: nothing that the module does later when
 * it is loaded may fail.
 *
 * Context: Process context. May sleep.
 * Return: its number, for what takes an enum bc_controller_id; or
 * -EINVAL, it is not as it should be;
 * -EEXIST, there is one of that name;
 * -ENOSPC, there are %BC_NR_SLOTS of them;
 * -EBUSY, there are groups, or hierarchies besides the default one;
 * -ENOMEM.
 */
#define bc_register_controller(controller) \
	__bc_register_controller(controller, THIS_MODULE)

int bc_controller_prepare(const struct bc_controller *controller, struct bc_css **css);
int bc_controller_add(const struct bc_controller *controller, struct module *owner,
		      struct bc_css *css);
struct bc_css *bc_controller_del(const struct bc_controller *controller);
bool bc_controller_get(int id);
void bc_controller_put(int id);

struct bc_hierarchy *bc_hierarchy_create(const char *name);
int bc_hierarchy_bind(struct bc_hierarchy *h, unsigned long controllers);
int bc_hierarchy_kill(struct bc_hierarchy *h);

struct bc_group *bc_group_create(struct bc_group *parent, const char *name);
int bc_group_kill(struct bc_group *group);
void bc_group_cancel(struct bc_group *group);
void bc_group_get(struct bc_group *group);
void bc_group_put(struct bc_group *group);

/**
 * bc_group_tryget - take a reference to a group, if there is still one
 * @group: the group, which the caller keeps from being freed
 *
 * Context: Any.
 * Return: false if the group is on its way out.
 */
static inline bool bc_group_tryget(struct bc_group *group)
{
	return refcount_inc_not_zero(&group->refs);
}

struct bc_group *bc_group_common(struct bc_group *a, struct bc_group *b);
size_t bc_group_path(struct bc_group *group, char *buf, size_t size);
bool bc_group_releasable(struct bc_group *group);
bool bc_group_release(struct bc_group *group);
unsigned int bc_nr_css_groups(struct bc_group *group);

struct bc_css *bc_item_css(struct config_item *item);
struct bc_group *bc_item_group(struct config_item *item);
char *bc_copy_text(const char *page, size_t count, char **text);
int bc_parse_bool(const char *page, size_t count, bool *val);
int bc_parse_amount(const char *page, size_t count, enum bc_unit unit,
		    unsigned long *amount);
void *bc_line_start(struct seq_file *m, loff_t *pos);
void *bc_line_next(struct seq_file *m, void *v, loff_t *pos);
void bc_line_stop(struct seq_file *m, void *v);

void bc_lock(void);
void bc_unlock(void);
#ifdef CONFIG_LOCKDEP
bool bc_lock_is_held(void);
#else
static inline bool bc_lock_is_held(void)
{
	return true;
}
#endif
void bc_want_fork(void);
struct bc_group *bc_group_next_descendant(struct bc_group *pos,
					  struct bc_group *top);
struct bc_group *bc_group_resume(struct bc_group *pos, struct bc_group *top, bool down);
bool bc_group_is_below(struct bc_group *group, struct bc_group *top);

int bc_attach(struct bc_group *group, pid_t pid, bool process,
	      int (*may_write)(struct bc_group *group));
int bc_attach_down(struct bc_group *group, struct task_struct *task);
int bc_attach_up(struct bc_group *group, struct task_struct *task);
struct bc_group *bc_clone(struct task_struct *task, struct bc_hierarchy *h);
void bc_clone_forget(struct bc_hierarchy *h);
struct bc_group *bc_task_group_get(struct task_struct *task,
				   struct bc_hierarchy *h);
struct bc_group *bc_task_group(struct task_struct *task, struct bc_hierarchy *h);

/**
 * struct bc_pid_list - some ids of tasks
 * @n: how many
 * @nr: the ids
 */
struct bc_pid_list {
	unsigned int	n;
	pid_t		nr[62];
};

void bc_group_list_pids(struct bc_group *group, pid_t nr, bool threads,
			struct bc_pid_list *list);

/**
 * bc_css_get - keep the state of a controller for a group from being freed
 * @css: the state, which something else keeps for the moment: a reference, a task in
 *	the group that cannot leave, or css_offline() that is running. A root's is never
 *	freed.
 *
 * Context: Any. Does not sleep, takes no lock.
 */
static inline void bc_css_get(struct bc_css *css)
{
	if (!css->root)
		bc_group_get(css->group);
}

/**
 * bc_css_put - undo bc_css_get()
 * @css: the state
 *
 * Context: Any. Does not sleep; css_free() comes later.
 */
static inline void bc_css_put(struct bc_css *css)
{
	if (!css->root)
		bc_group_put(css->group);
}

/**
 * bc_siglock - the lock under which the group of a task changes
 * @task: the task, which has not been reaped
 *
 * For assertions; who takes it does so with lock_task_sighand().
 */
static inline spinlock_t *bc_siglock(struct task_struct *task)
{
	return &rcu_dereference_raw(task->sighand)->siglock;
}

/**
 * bc_task_flags - the flags of a task that may be running
 * @task: the task
 *
 * For a flag that is set before others see the task, or that makes no difference for a moment.
 *
 * Context: Any.
 * Return: the flags (PF_*).
 */
static inline unsigned int bc_task_flags(const struct task_struct *task)
{
	/* A task writes its flags itself, as a word, and asks nobody. */
	return data_race(READ_ONCE(task->flags));
}

/**
 * bc_task_css - the state of a controller for the group of a task
 * @task: the task
 * @id: the controller
 *
 * Context: rcu_read_lock() or the siglock of the task; the result is good for as
 * long as that is held.
 * Return: the state; that of the root group, if the task is in no other group of the
 * hierarchy that the controller is bound to.
 */
static inline struct bc_css *bc_task_css(struct task_struct *task,
					 enum bc_controller_id id)
{
	struct css_group *cg;

	cg = rcu_dereference_check(task->css_group,
				   lockdep_is_held(bc_siglock(task)));
	return cg && cg->css[id] ? cg->css[id] : bc_root_css[id];
}

/**
 * bc_css_charged - what to charge to
 * @css: the state of a resource controller, or NULL
 *
 * Context: Any.
 * Return: the state; NULL for a root's, which is never charged.
 */
static inline struct bc_css *bc_css_charged(struct bc_css *css)
{
	return css && !css->root ? css : NULL;
}

/**
 * bc_task_css_charged - what to charge to for a task
 * @task: the task
 * @id: the controller, of a resource
 *
 * The same as bc_css_charged(bc_task_css()), in fewer instructions.
 *
 * Context: rcu_read_lock(); the result is good for as long as that is held.
 * Return: the state; NULL for a root's. A task may have left for the root when this is
 * called, or be in a root of this kind only.
 */
static __always_inline struct bc_css *bc_task_css_charged(struct task_struct *task,
							  enum bc_controller_id id)
{
	struct css_group *cg = rcu_dereference(task->css_group);

	return cg ? cg->css[id] : NULL;
}

struct bc_css *bc_task_css_get(struct task_struct *task, enum bc_controller_id id);

/**
 * struct bc_resource - the state of a controller that is one counter
 * @css: as for every controller
 * @counter: what the group holds; not used in the root
 */
struct bc_resource {
	struct bc_css		css;
	struct bc_counter	counter;
};

/**
 * to_bc_resource - the counter's state of a resource controller
 * @css: the state
 */
static inline struct bc_resource *to_bc_resource(struct bc_css *css)
{
	return container_of(css, struct bc_resource, css);
}

int bc_resource_init(struct bc_resource *res, const struct bc_controller *controller,
		     struct bc_css *parent);
struct bc_css *bc_resource_alloc(const struct bc_controller *controller,
				 struct bc_css *parent);
void bc_resource_offline(struct bc_css *css);
void bc_resource_free(struct bc_css *css);
bool bc_resource_try_charge(struct bc_css *css, unsigned long n,
			    enum bc_severity severity);
bool bc_resource_try_charge_levels(struct bc_css *css, const unsigned long *n,
				   enum bc_severity severity);
void bc_resource_refuse(struct bc_css *css, struct bc_counter *refuser, unsigned long n,
			enum bc_severity severity);

#endif /* _LINUX_BC_CORE_H */
