// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: nodeset, which memory nodes the tasks of a group get memory from.
 *
 * What an administrator should know:
 *
 * - A task gets memory from the nodes that its cgroup's cpuset and its group here both
 *   allow; Mems_allowed in /proc/<pid>/status shows it. Where they have nothing in
 *   common, the next group above counts; in the end, cgroup's nodes alone.
 * - mbind(2), set_mempolicy(2) and migrate_pages(2) can only narrow that. Policies are
 *   rebound when it changes, as with cgroup's cpusets.
 * - Pages stay where they are, unless memory_migrate is set.
 * - As with cgroup's cpusets, what the kernel needs for itself, and tasks that exit or are
 *   being killed for want of memory, may get it from elsewhere.
 * - memory_spread_page spreads the page cache over the nodes; memory_spread_slab has no
 *   effect in 6.12, where no slab allocator asks for it any more.
 * - memory_pressure is how often the group's own tasks have to reclaim memory before they
 *   get any: times a second, in thousandths; half of it is forgotten in ten seconds.
 *
 * How it is done: the page allocator and the policies look at task->mems_allowed, which
 * cgroup's cpusets write, and only if cpusets_enabled(). They ask us when they do
 * (bc_restrict_mems()), and do it when we ask them to (cpuset_update_mems()).
 *
 * Locking: see set.c. task->mems_allowed is written under cgroup's cpuset_mutex.
 * restricting_mutex nests in bc_mutex, and cpu_hotplug_lock in that.
 */
#include <linux/bc/nodeset.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/cpu.h>
#include <linux/cpuset.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/mempolicy.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "set.h"

DEFINE_STATIC_KEY_FALSE(bc_nodeset_key);
DEFINE_STATIC_KEY_FALSE(bc_memory_pressure_key);

/**
 * struct meter - how often something happens
 * @lock: protects the others
 * @time: the second up to which @rate is known
 * @count: what has happened since
 * @rate: times a second, in thousandths
 */
struct meter {
	spinlock_t	lock;	/* for the others */
	time64_t	time;
	unsigned int	count;
	unsigned int	rate;
};

/**
 * struct nodeset - the state of the controller
 * @set: the nodes
 * @migrate: pages go where their process goes
 * @spread_page: spread the page cache over the nodes
 * @spread_slab: the same for what the kernel caches of files
 * @pressure: direct reclaims
 */
struct nodeset {
	struct bc_set	set;
	bool		migrate;
	bool		spread_page;
	bool		spread_slab;
	struct meter	pressure;
};

static struct nodeset *to_nodeset(struct bc_css *css)
{
	return container_of(to_bc_set(css), struct nodeset, set);
}

/* The caller is in an RCU read-side section. */
static struct nodeset *task_nodeset(struct task_struct *task)
{
	return to_nodeset(bc_task_css(task, BC_ID_nodeset));
}

void __bc_restrict_mems(struct task_struct *tsk, nodemask_t *mems)
{
	guard(rcu)();
	bc_set_narrow(&task_nodeset(tsk)->set, nodes_addr(*mems), nodes_addr(*mems),
		      NULL);
}

void __bc_spread(struct task_struct *tsk)
{
	struct nodeset *ns;

	guard(rcu)();
	ns = task_nodeset(tsk);
	if (READ_ONCE(ns->spread_page))
		task_set_spread_page(tsk);
	if (READ_ONCE(ns->spread_slab))
		task_set_spread_slab(tsk);
}

/* The nodes that a task gets memory from. */
static void get_mems(struct task_struct *task, nodemask_t *mems)
{
	/* Memory that comes and goes meanwhile is told of by cgroup's cpusets. */
	nodemask_t there = data_race(node_states[N_MEMORY]);

	task_lock(task);
	nodes_and(*mems, task->mems_allowed, there);
	task_unlock(task);
}

static void rebind_mm(struct mm_struct *mm, struct task_struct *task)
{
	nodemask_t mems = cpuset_mems_allowed(task);

	mpol_rebind_mm(mm, &mems);
}

/*
 * The memory of the process that a task speaks for: the leader does, unless it has exited
 * before the others; then each of these.
 */
static struct mm_struct *get_process_mm(struct task_struct *task)
{
	struct mm_struct *mm = get_task_mm(task);

	if (!mm)
		return NULL;
	scoped_guard(rcu) {
		/* Whoever becomes the leader by exec has an address space of its own by then. */
		if (data_race(thread_group_leader(task) || !pid_alive(task) ||
			      !READ_ONCE(READ_ONCE(task->group_leader)->mm)))
			return mm;
	}
	mmput(mm);
	return NULL;
}

/*
 * Let a task have what it is to have now, with the policies of its memory. These come
 * first: then a child that has what is new has copied policies that are, too.
 */
static void update_task(struct task_struct *task)
{
	struct mm_struct *mm = get_process_mm(task);

	if (mm) {
		rebind_mm(mm, task);
		mmput(mm);
	}
	cpuset_update_mems(task);
}

struct migrate_work {
	struct work_struct	work;
	struct mm_struct	*mm;
	nodemask_t		from;
	nodemask_t		to;
};

/* A page of a file system that does not answer is waited for: nobody else is to wait, too. */
static struct workqueue_struct *migrate_wq;

static void migrate_work_fn(struct work_struct *work)
{
	struct migrate_work *m = container_of(work, struct migrate_work, work);

	do_migrate_pages(m->mm, &m->from, &m->to, MPOL_MF_MOVE_ALL);
}

/*
 * Move the pages of the process that @task speaks for from @from to where it gets memory
 * now. A worker does it, as the current task may not get memory there.
 */
static void migrate(struct task_struct *task, const nodemask_t *from)
{
	struct migrate_work m = { .from = *from, .mm = get_process_mm(task) };

	if (!m.mm)
		return;
	get_mems(task, &m.to);
	if (!nodes_equal(m.from, m.to)) {
		INIT_WORK_ONSTACK(&m.work, migrate_work_fn);
		queue_work(migrate_wq, &m.work);
		flush_work(&m.work);
		destroy_work_on_stack(&m.work);
	}
	mmput(m.mm);
}

static bool wants_migration(struct task_struct *task)
{
	guard(rcu)();
	return READ_ONCE(task_nodeset(task)->migrate);
}

static void start_looking(void)
{
	static_branch_enable(&bc_nodeset_key);
	bc_want_fork();
}

/*
 * While any set restricts, and some time longer, the page allocator looks at mems_allowed.
 * To let it begin and end is to patch it, for which all CPUs are interrupted: whoever
 * writes to a set again and again is not to do that to all others.
 */
#define LOOK_AWAY_DELAY		(10 * HZ)

static DEFINE_MUTEX(restricting_mutex);
static unsigned int nr_restricting;
static bool allocator_looks;

static void set_allocator_looks(bool looks)
{
	lockdep_assert_held(&restricting_mutex);

	if (looks == allocator_looks)
		return;
	allocator_looks = looks;
	cpus_read_lock();
	if (looks)
		cpuset_inc();
	else
		cpuset_dec();
	cpus_read_unlock();
}

static void look_away_fn(struct work_struct *work)
{
	guard(mutex)(&restricting_mutex);
	set_allocator_looks(nr_restricting);
}

static DECLARE_DELAYED_WORK(look_away_work, look_away_fn);

static void count_restricting(bool more)
{
	guard(mutex)(&restricting_mutex);
	if (more) {
		nr_restricting++;
		set_allocator_looks(true);
	} else if (!--nr_restricting) {
		mod_delayed_work(system_wq, &look_away_work, LOOK_AWAY_DELAY);
	}
}

static void prepare(struct bc_set *set, const unsigned long *bits)
{
	start_looking();
	if (bc_set_would_restrict(set->type, bits) && !bc_set_restricts(set))
		count_restricting(true);
}

static void finish(struct bc_set *set, const unsigned long *old, bool lifted)
{
	struct nodeset *ns = container_of(set, struct nodeset, set);
	struct task_struct *task;
	struct bc_task_iter iter;
	nodemask_t from = NODE_MASK_NONE, there;

	if (lifted)
		count_restricting(false);
	if (!READ_ONCE(ns->migrate))
		return;

	/* As above. */
	there = data_race(node_states[N_MEMORY]);
	bitmap_and(nodes_addr(from), old, nodes_addr(there), nr_node_ids);
	bc_task_iter_start(&iter, NULL);
	while ((task = bc_task_iter_next(&iter))) {
		if (bc_set_concerns(set, task))
			migrate(task, &from);
	}
}

static struct bc_set_type nodeset_type = {
	.possible	= nodes_addr(node_states[N_POSSIBLE]),
	.usable		= nodes_addr(node_states[N_MEMORY]),
	.prepare	= prepare,
	.update_task	= update_task,
	.finish		= finish,
};

static struct bc_css *nodeset_alloc(const struct bc_controller *controller,
				    struct bc_css *parent)
{
	struct nodeset *ns = kzalloc(sizeof(*ns), GFP_KERNEL_ACCOUNT);
	int err;

	if (!ns)
		return ERR_PTR(-ENOMEM);
	/* The first one is made when it is known how many there can be. */
	if (!parent)
		nodeset_type.nbits = nr_node_ids;
	err = bc_set_init(&ns->set, &nodeset_type, parent ? to_bc_set(parent) : NULL);
	if (err) {
		kfree(ns);
		return ERR_PTR(err);
	}
	if (parent) {
		ns->migrate = READ_ONCE(to_nodeset(parent)->migrate);
		ns->spread_page = READ_ONCE(to_nodeset(parent)->spread_page);
		ns->spread_slab = READ_ONCE(to_nodeset(parent)->spread_slab);
	}
	spin_lock_init(&ns->pressure.lock);
	ns->pressure.time = ktime_get_seconds();
	if (bc_set_restricts(&ns->set))
		count_restricting(true);
	return &ns->set.css;
}

static void nodeset_free(struct bc_css *css)
{
	struct nodeset *ns = to_nodeset(css);

	if (bc_set_restricts(&ns->set))
		count_restricting(false);
	bc_set_destroy(&ns->set);
	kfree(ns);
}

static int nodeset_can_attach(const struct bc_taskset *tset)
{
	struct bc_set *set = to_bc_set(tset->css[BC_ID_nodeset]);

	guard(rcu)();
	return set->css.root || bc_set_usable(set) ? 0 : -ENOSPC;
}

static void nodeset_post_attach(struct task_struct *task, bool process)
{
	struct bc_task_iter iter;
	nodemask_t from;

	if (!static_key_enabled(&bc_nodeset_key))
		return;
	get_mems(task, &from);
	bc_set_update_process(&nodeset_type, task, process);
	if (!wants_migration(task))
		return;
	if (!process) {
		migrate(task, &from);
		return;
	}
	/* One of them speaks for the process. */
	bc_task_iter_start(&iter, task);
	while ((task = bc_task_iter_next(&iter)))
		migrate(task, &from);
}

/* Is a new task as its parent was some time ago, and not what it is to be? */
static bool is_stale(struct task_struct *p)
{
	/* Memory that comes and goes meanwhile is told of by cgroup's cpusets. */
	nodemask_t mems = data_race(node_states[N_MEMORY]), has;
	struct nodeset *ns;
	bool spread;

	get_mems(p, &has);
	scoped_guard(rcu) {
		ns = task_nodeset(p);
		spread = task_spread_page(p) == READ_ONCE(ns->spread_page) &&
			 task_spread_slab(p) == READ_ONCE(ns->spread_slab);
		bc_set_narrow(&ns->set, nodes_addr(mems), nodes_addr(mems), NULL);
	}
	/* Where it has all that its group has, nobody else restricts it. */
	if (spread && nodes_equal(mems, has))
		return false;
	mems = cpuset_mems_allowed(p);
	return !spread || !nodes_equal(mems, has);
}

static void nodeset_fork(struct task_struct *p)
{
	/* All forks would have to wait for cgroup's mutex otherwise. */
	if (static_key_enabled(&bc_nodeset_key) && is_stale(p)) {
		if (p->mm && p->mm != current->mm)
			rebind_mm(p->mm, p);
		cpuset_update_mems(p);
	}
}

/*
 * Memory pressure
 */

/* What is left of a rate after a second: half of it after ten. */
#define METER_DECAY		933
#define METER_SCALE		1000

/* After that, nothing is left. */
#define METER_SECONDS_MAX	300

/* As much as there is room for, as in the classic cpuset: one in a millisecond. */
#define METER_COUNT_MAX		1000U

static void meter_catch_up(struct meter *m)
{
	time64_t now = ktime_get_seconds();
	unsigned int seconds = min_t(time64_t, now - m->time, METER_SECONDS_MAX);

	lockdep_assert_held(&m->lock);

	if (!seconds)
		return;
	m->time = now;
	while (seconds-- && m->rate)
		m->rate = m->rate * METER_DECAY / METER_SCALE;
	m->rate += m->count * (METER_SCALE - METER_DECAY);
	m->count = 0;
}

static void meter_count(struct meter *m)
{
	spin_lock(&m->lock);
	meter_catch_up(m);
	m->count = min(m->count + 1, METER_COUNT_MAX);
	spin_unlock(&m->lock);
}

static unsigned int meter_rate(struct meter *m)
{
	unsigned int rate;

	spin_lock(&m->lock);
	meter_catch_up(m);
	rate = m->rate;
	spin_unlock(&m->lock);
	return rate;
}

void __bc_memory_pressure_bump(void)
{
	guard(rcu)();
	meter_count(&task_nodeset(current)->pressure);
}

/*
 * Files
 */

static struct nodeset *item_nodeset(struct config_item *item)
{
	return to_nodeset(bc_item_css(item));
}

static ssize_t show_flag(const bool *flag, char *page)
{
	return sysfs_emit(page, "%d\n", READ_ONCE(*flag));
}

static ssize_t store_flag(struct nodeset *ns, bool *flag, const char *page,
			  size_t count)
{
	bool val;
	int err;

	if (ns->set.css.root)
		return -EACCES;
	err = bc_parse_bool(page, count, &val);
	if (err)
		return err;
	WRITE_ONCE(*flag, val);
	return count;
}

/* The same for a flag that each task has. */
static ssize_t store_task_flag(struct nodeset *ns, bool *flag, const char *page,
			       size_t count)
{
	ssize_t ret = store_flag(ns, flag, page, count);

	if (ret < 0)
		return ret;
	start_looking();
	bc_set_update_tasks(&ns->set);
	return ret;
}

static ssize_t nodeset_memory_migrate_show(struct config_item *item, char *page)
{
	return show_flag(&item_nodeset(item)->migrate, page);
}

static ssize_t nodeset_memory_migrate_store(struct config_item *item,
					    const char *page, size_t count)
{
	struct nodeset *ns = item_nodeset(item);

	return store_flag(ns, &ns->migrate, page, count);
}

static ssize_t nodeset_memory_spread_page_show(struct config_item *item, char *page)
{
	return show_flag(&item_nodeset(item)->spread_page, page);
}

static ssize_t nodeset_memory_spread_page_store(struct config_item *item,
						const char *page, size_t count)
{
	struct nodeset *ns = item_nodeset(item);

	return store_task_flag(ns, &ns->spread_page, page, count);
}

static ssize_t nodeset_memory_spread_slab_show(struct config_item *item, char *page)
{
	return show_flag(&item_nodeset(item)->spread_slab, page);
}

static ssize_t nodeset_memory_spread_slab_store(struct config_item *item,
						const char *page, size_t count)
{
	struct nodeset *ns = item_nodeset(item);

	return store_task_flag(ns, &ns->spread_slab, page, count);
}

static ssize_t nodeset_memory_pressure_show(struct config_item *item, char *page)
{
	unsigned int rate = 0;

	if (static_key_enabled(&bc_memory_pressure_key))
		rate = meter_rate(&item_nodeset(item)->pressure);
	return sysfs_emit(page, "%u\n", rate);
}

static ssize_t nodeset_memory_pressure_enabled_show(struct config_item *item,
						    char *page)
{
	return sysfs_emit(page, "%d\n",
			  static_key_enabled(&bc_memory_pressure_key));
}

static ssize_t nodeset_memory_pressure_enabled_store(struct config_item *item,
						     const char *page, size_t count)
{
	bool val;
	int err;

	/* It is the whole system's, also in a hierarchy that somebody else has made. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = bc_parse_bool(page, count, &val);
	if (err)
		return err;
	if (val)
		static_branch_enable(&bc_memory_pressure_key);
	else
		static_branch_disable(&bc_memory_pressure_key);
	return count;
}

static struct configfs_attribute mems_attr = {
	.ca_name	= "mems",
	.ca_mode	= 0644,
	.ca_owner	= THIS_MODULE,
	.show		= bc_set_show,
	.store		= bc_set_store,
};

static struct configfs_attribute effective_mems_attr = {
	.ca_name	= "effective_mems",
	.ca_mode	= 0444,
	.ca_owner	= THIS_MODULE,
	.show		= bc_set_effective_show,
};

static struct configfs_attribute mem_exclusive_attr = {
	.ca_name	= "mem_exclusive",
	.ca_mode	= 0644,
	.ca_owner	= THIS_MODULE,
	.show		= bc_set_exclusive_show,
	.store		= bc_set_exclusive_store,
};

CONFIGFS_ATTR(nodeset_, memory_migrate);
CONFIGFS_ATTR(nodeset_, memory_spread_page);
CONFIGFS_ATTR(nodeset_, memory_spread_slab);
CONFIGFS_ATTR_RO(nodeset_, memory_pressure);
CONFIGFS_ATTR(nodeset_, memory_pressure_enabled);

static struct configfs_attribute *nodeset_attrs[] = {
	&mems_attr,
	&effective_mems_attr,
	&mem_exclusive_attr,
	&nodeset_attr_memory_migrate,
	&nodeset_attr_memory_spread_page,
	&nodeset_attr_memory_spread_slab,
	&nodeset_attr_memory_pressure,
	NULL
};

static struct configfs_attribute *nodeset_root_attrs[] = {
	&mems_attr,
	&effective_mems_attr,
	&mem_exclusive_attr,
	&nodeset_attr_memory_migrate,
	&nodeset_attr_memory_spread_page,
	&nodeset_attr_memory_spread_slab,
	&nodeset_attr_memory_pressure,
	&nodeset_attr_memory_pressure_enabled,
	NULL
};

const struct bc_controller bc_nodeset_controller = {
	.name		= "nodeset",
	.attrs		= nodeset_attrs,
	.root_attrs	= nodeset_root_attrs,
	.css_alloc	= nodeset_alloc,
	.css_offline	= bc_set_offline,
	.css_free	= nodeset_free,
	.can_attach	= nodeset_can_attach,
	.post_attach	= nodeset_post_attach,
	.fork		= nodeset_fork,
};

static int __init bc_nodeset_init(void)
{
	migrate_wq = alloc_workqueue("bc_migrate", WQ_UNBOUND, 0);
	if (!migrate_wq)
		migrate_wq = system_unbound_wq;
	return 0;
}
late_initcall(bc_nodeset_init);
