// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: physpages, the anonymous memory that a group has in RAM.
 *
 * What an administrator should know:
 *
 * - What counts are pages of anonymous memory: heaps, stacks, private mappings that were
 *   written to, from the first touch until they are freed; not page cache, nor shared
 *   memory (shmpages), nor hugetlbfs. A huge page counts whole.
 * - A page is charged to the group of the address space that touches it first, and stays so
 *   until it is freed, wherever that has gone meanwhile. What fork shares is charged
 *   once; who writes to it pays for the copy.
 * - At the limit, pages of the group are written to swap, as far as swappages has room:
 *   those that have not been used for the longest time, more or less, and none of other
 *   groups. If nothing can be had back, the OOM killer looks for a process in the group, or
 *   below. No system call fails. Where huge pages do not fit, small ones are taken.
 * - What a system call touches is not refused, and may go above the limit. The task then
 *   makes room on its way back to user mode, so that is one system call for each task.
 * - Above the barrier, tasks do the same, but nobody is killed for it.
 * - failcnt says how often there was no room at first, not what came of it; oom_kills does.
 * - If nobody may be killed, the limit does not hold. The log says so.
 * - pss is something else: what the group has mapped, shared pages in parts. It is only
 *   told, computed when it is read (pss.c), and limits nothing.
 *
 * How: an address space knows whom to charge (mm.c), and a page who has paid (pages.c).
 * A page fault cannot make room, with the locks that it holds. In user mode, it fails, and
 * is tried again: pagefault_out_of_memory() leaves it to us. On the way to user mode, with
 * no locks held, bc_anon_settle() reclaims (reclaim.c), and kills if it has to (oom.c).
 * Who populates (MAP_POPULATE, mlock(2)) does so on the way.
 *
 * Locking: tree_lock protects the lists, of all groups below one that is right below a root.
 * It nests in mm->bc.lock, and is taken with interrupts off. Whom an address space is
 * charged to is read under RCU; a group that is removed has no tasks, but what is left of
 * an address space may still fault: then it is the first group above that pays that has not
 * been removed.
 */
#include <linux/bc/anon.h>
#include <linux/bc/core.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/resume_user_mode.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/vmstat.h>

#include "credit.h"
#include "mm.h"
#include "pages.h"
#include "physpages.h"
#include "pss.h"
#include "sabotage.h"

/* At most so many are to be freed above the barrier, which is not urgent. */
#define MAX_TARGET	256UL

/* How often to try before somebody is killed, if nothing is freed. */
#define TRIES		4

/* How often, a jiffy each, while others write out pages, perhaps of this group. */
#define MAX_TRIES	(5 * HZ)

/* How long not to try again what was in vain. */
#define IDLE		(HZ / 10)

/*
 * The lists
 */

/**
 * bc_physpages_add_mm - an address space is charged from now on
 * @css: to whom
 * @mm: the address space
 *
 * Context: mm->bc.lock is held, with interrupts off.
 */
void bc_physpages_add_mm(struct bc_css *css, struct mm_struct *mm)
{
	struct phys_css *p = to_phys_css(css), *up;

	scoped_guard(spinlock, &p->tree->tree_lock) {
		/* It is the last one's turn. */
		list_add_tail(&mm->bc.reclaim, &p->mms);
		mm->bc.since = atomic_long_read(&p->tree->freed);
		if (!p->nr_own++)
			list_add_tail(&p->own, &p->turns);
		for (; p; p = up) {
			up = p->parent;
			if (!p->nr_mms++ && up)
				list_add_tail(&p->node, &up->turns);
		}
	}
}

/**
 * bc_physpages_remove_mm - it is not any more
 * @css: to whom
 * @mm: the address space
 *
 * Context: mm->bc.lock is held, with interrupts off.
 */
void bc_physpages_remove_mm(struct bc_css *css, struct mm_struct *mm)
{
	struct phys_css *p = to_phys_css(css);

	scoped_guard(spinlock, &p->tree->tree_lock) {
		list_del_init(&mm->bc.reclaim);
		if (!--p->nr_own)
			list_del_init(&p->own);
		for (; p; p = p->parent) {
			if (p->largest == mm)
				p->largest = NULL;
			if (!--p->nr_mms && p->parent)
				list_del_init(&p->node);
		}
	}
}

/*
 * Charging
 */

/* Let the current task see to it on its way to user mode, if it has one. */
static void settle_later(void)
{
	if (!in_task() || (current->flags & PF_KTHREAD) || !current->mm)
		return;
	current->bc_anon_over = 1;
	set_notify_resume(current);
}

/* Is it a fault that can be tried again? */
static bool may_refuse(const struct mm_struct *mm)
{
	if (!current->bc_user_fault || current->mm != mm || current->bc_anon_forced ||
	    (current->flags & (PF_MEMALLOC | PF_EXITING)) || fatal_signal_pending(current))
		return false;
	/* Who becomes one in this moment settles on its way to user mode, or ends there. */
	return !data_race(tsk_is_oom_victim(current));
}

/* There is no credit above a barrier, so this is looked at with each page there. */
static bool above_barrier(const struct bc_counter *c)
{
	for (; c; c = c->parent) {
		if (atomic_long_read(&c->held) > bc_counter_barrier(c))
			return true;
	}
	return false;
}

/* Return: the counter; NULL, nobody is to be charged; or an ERR_PTR(). */
static noinline struct bc_counter *charge_slowly(struct bc_css *css,
						 const struct mm_struct *mm,
						 unsigned long n, bool force)
{
	bool refuse = !force && may_refuse(mm);
	struct bc_counter *counter;

	css = bc_css_living(css);
	if (!css)
		return NULL;
	counter = &to_bc_resource(css)->counter;
	if (n > 1 && !force) {
		/* Smaller ones will do. */
		if (bc_counter_charge(counter, n, BC_LIMIT))
			return ERR_PTR(-ENOMEM);
	} else if (!refuse && current->bc_anon_over) {
		/* More of what is going to be settled. */
		bc_resource_try_charge(css, n, BC_FORCE);
	} else if (!bc_resource_try_charge(css, n, BC_LIMIT)) {
		if (refuse) {
			current->bc_anon_refused = 1;
			settle_later();
			return ERR_PTR(-ENOMEM);
		}
		bc_resource_try_charge(css, n, BC_FORCE);
		current->bc_anon_forced = 0;
	}
	if (above_barrier(counter))
		settle_later();
	return counter;
}

static int charge(struct folio *folio, struct mm_struct *mm, bool force)
{
	unsigned long *owner = folio_owner(folio);
	unsigned long n = folio_nr_pages(folio);
	struct bc_counter *counter;
	struct bc_css *css;

	if (unlikely(!owner))
		return 0;
	guard(rcu)();
	css = READ_ONCE(mm->bc.charge[BC_MM_ANON].css);
	if (unlikely(!css))
		return 0;
	counter = &to_bc_resource(css)->counter;
	if (!credit_take(counter, n)) {
		counter = charge_slowly(css, mm, n, force);
		if (IS_ERR_OR_NULL(counter))
			return PTR_ERR_OR_ZERO(counter);
	}
	WRITE_ONCE(*owner, (unsigned long)counter | BC_OWNER_ANON | folio_order(folio));
	return 0;
}

int __bc_anon_charge(struct folio *folio, struct mm_struct *mm)
{
	return charge(folio, mm, false);
}

/* The folio is locked, and so is who else wants to pay. */
static bool is_paid(struct folio *folio)
{
	unsigned long *owner = folio_owner(folio);

	VM_WARN_ON_ONCE_FOLIO(!folio_test_locked(folio), folio);
	return owner && *owner && !bc_sabotaged(BC_SABOTAGE_TWICE);
}

int __bc_anon_charge_swapin(struct folio *folio, struct mm_struct *mm)
{
	/* There are no smaller ones to take. */
	return is_paid(folio) ? 0 : charge(folio, mm, folio_test_large(folio));
}

void __bc_anon_charge_unuse(struct folio *folio, struct mm_struct *mm)
{
	if (!is_paid(folio))
		charge(folio, mm, true);
}

/*
 * On the way to user mode
 */

/*
 * The first group of the current task's address space, or above, that has no room for @n
 * more below its ceiling. By reference.
 */
static struct phys_css *get_full(unsigned long n, enum bc_severity ceiling)
{
	struct bc_counter *c;
	struct bc_css *css;

	guard(rcu)();
	css = bc_css_living(READ_ONCE(current->mm->bc.charge[BC_MM_ANON].css));
	if (!css)
		return NULL;
	for (c = &to_bc_resource(css)->counter; c; c = c->parent) {
		if (bc_counter_excess(c, n, ceiling) &&
		    bc_group_tryget(counter_phys(c)->res.css.group))
			return counter_phys(c);
	}
	return NULL;
}

static void put_phys(struct phys_css *p)
{
	bc_group_put(p->res.css.group);
}

static bool is_idle(const unsigned long *since)
{
	unsigned long start = READ_ONCE(*since);

	return time_in_range_open(jiffies, start, start + IDLE);
}

/* Return: whether it makes sense to go on. @tries becomes how often that was for nothing. */
static bool make_room(struct phys_css *p, unsigned int *tries)
{
	unsigned long target = max(bc_counter_excess(&p->res.counter, 1, BC_LIMIT),
				   PHYS_MIN_TARGET);

	if (is_idle(&p->stuck))
		return false;
	if (bc_phys_reclaim(p, target, *tries % 16 == TRIES - 1, true)) {
		*tries = 0;
		return true;
	}
	if (++*tries < TRIES ||
	    (*tries < MAX_TRIES && atomic_read(&p->tree->in_flight))) {
		/* Others are at it, or have locked what could be looked at. */
		schedule_timeout_killable(1);
		return true;
	}
	if (!bc_phys_out_of_memory(p)) {
		WRITE_ONCE(p->stuck, jiffies);
		return false;
	}
	/* CPUs may keep some of what that frees: look for it before another one is killed. */
	*tries = 0;
	if (!fatal_signal_pending(current))
		schedule_timeout_killable(HZ / 20);
	return true;
}

static void lower_to_barrier(void)
{
	struct phys_css *p = get_full(0, BC_BARRIER);
	unsigned long over;

	if (!p)
		return;
	over = clamp(bc_counter_excess(&p->res.counter, 0, BC_BARRIER), PHYS_MIN_TARGET,
		     MAX_TARGET);
	/*
	 * If what is above the barrier cannot go, all else would, what the task has touched
	 * in this moment as well, and be back at once: let it get on meanwhile.
	 */
	if (!is_idle(&p->idle) && bc_phys_reclaim(p, over, false, false) < over)
		WRITE_ONCE(p->idle, jiffies);
	put_phys(p);
}

/*
 * On the way to user mode, a signal may have something to say about it; but not before it is
 * clear whether there is room, or who is sent one all the time would never get on.
 */
static bool should_stop(unsigned int tries, bool user)
{
	if (fatal_signal_pending(current))
		return true;
	return user && (freezing(current) || (!tries && signal_pending(current)));
}

void __bc_anon_settle(bool user)
{
	unsigned int refused = current->bc_anon_refused, tries = 0;
	bool progress = true;
	struct phys_css *p;

	current->bc_anon_over = 0;
	current->bc_anon_refused = 0;
	if (!current->mm)
		return;
	while (progress && !should_stop(tries, user)) {
		p = get_full(refused, BC_LIMIT);
		if (!p)
			break;
		progress = make_room(p, &tries);
		if (!progress && refused) {
			pr_notice_ratelimited("bc: %s[%d] may go above the limit of physpages: there is nobody to be killed\n",
					      current->comm, task_pid_nr(current));
			current->bc_anon_forced = 1;
		}
		put_phys(p);
	}
	/* What a signal has to say comes first, but then there is this again. */
	if (progress && !fatal_signal_pending(current) && should_stop(tries, user))
		settle_later();
	lower_to_barrier();
}

/*
 * Files
 */

static ssize_t physpages_reclaim_store(struct config_item *item, const char *page,
				       size_t count)
{
	struct bc_css *css = bc_item_css(item);
	unsigned long amount, freed = 0, n;
	bool hard = false;
	int err;

	if (css->root)
		return -EINVAL;
	err = bc_parse_amount(page, count, BC_UNIT_PAGES, &amount);
	if (err)
		return err;
	while (freed < amount) {
		if (signal_pending(current))
			return -EINTR;
		n = bc_phys_reclaim(to_phys_css(css), min(amount - freed, 1024UL), hard, false);
		if (!n && hard)
			return -EAGAIN;
		hard = !n;
		freed += n;
	}
	return count;
}

static ssize_t physpages_oom_group_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", READ_ONCE(to_phys_css(bc_item_css(item))->oom_group));
}

static ssize_t physpages_oom_group_store(struct config_item *item, const char *page,
					 size_t count)
{
	struct bc_css *css = bc_item_css(item);
	bool val;
	int err;

	if (css->root)
		return -EINVAL;
	err = bc_parse_bool(page, count, &val);
	if (err)
		return err;
	WRITE_ONCE(to_phys_css(css)->oom_group, val);
	return count;
}

static ssize_t physpages_oom_kills_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%lu\n",
			  atomic_long_read(&to_phys_css(bc_item_css(item))->oom_kills));
}

/* In the group, or below; for a root: in no group. */
static bool is_in(const struct mm_struct *mm, void *arg)
{
	struct bc_css *top = arg, *css;

	guard(rcu)();
	css = bc_css_living(READ_ONCE(mm->bc.charge[BC_MM_ANON].css));
	if (top->root || !css)
		return top->root && !css;
	return phys_is_below(&to_bc_resource(css)->counter, &to_bc_resource(top)->counter);
}

static ssize_t physpages_pss_show(struct config_item *item, char *page)
{
	unsigned long pages;
	int err = bc_pss(is_in, bc_item_css(item), &pages);

	return err ?: sysfs_emit(page, "%lu\n", pages);
}

CONFIGFS_ATTR_WO(physpages_, reclaim);
CONFIGFS_ATTR(physpages_, oom_group);
CONFIGFS_ATTR_RO(physpages_, oom_kills);

/*
 * Not for everybody: it takes time in proportion to what is mapped, and tells what others
 * share with the group, which smaps_rollup tells only who may ptrace(2).
 */
static struct configfs_attribute physpages_attr_pss = {
	.ca_name	= "pss",
	.ca_mode	= 0400,
	.ca_owner	= THIS_MODULE,
	.show		= physpages_pss_show,
};

static struct configfs_attribute *physpages_attrs[] = {
	&physpages_attr_reclaim,
	&physpages_attr_oom_group,
	&physpages_attr_oom_kills,
	&physpages_attr_pss,
	NULL
};

static struct bc_css *physpages_css_alloc(const struct bc_controller *controller,
					  struct bc_css *parent)
{
	struct phys_css *p;
	int err = 0;

	if (parent)
		err = bc_pages_enable();
	if (err)
		return ERR_PTR(err);
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return ERR_PTR(-ENOMEM);
	err = bc_resource_init(&p->res, controller, parent);
	if (err) {
		kfree(p);
		return ERR_PTR(err);
	}
	spin_lock_init(&p->tree_lock);
	mutex_init(&p->walk_mutex);
	INIT_LIST_HEAD(&p->mms);
	INIT_LIST_HEAD(&p->turns);
	INIT_LIST_HEAD(&p->own);
	INIT_LIST_HEAD(&p->node);
	p->idle = jiffies - IDLE;
	p->stuck = jiffies - IDLE;
	p->tree = p;
	if (parent) {
		/* Inherited. */
		p->oom_group = READ_ONCE(to_phys_css(parent)->oom_group);
		if (!parent->root) {
			p->parent = to_phys_css(parent);
			p->tree = p->parent->tree;
		}
	}
	return &p->res.css;
}

static unsigned long physpages_root_held(void)
{
	/* AnonPages in /proc/meminfo, of all groups. */
	return global_node_page_state(NR_ANON_MAPPED);
}

static int physpages_can_attach(const struct bc_taskset *tset)
{
	return bc_mm_can_attach(tset, BC_MM_ANON);
}

static void physpages_cancel_attach(const struct bc_taskset *tset)
{
	bc_mm_cancel_attach(tset, BC_MM_ANON);
}

static void physpages_attach(const struct bc_taskset *tset)
{
	bc_mm_attach(tset, BC_MM_ANON);
}

const struct bc_controller bc_physpages_controller = {
	.name		= "physpages",
	.unit		= BC_UNIT_PAGES,
	.batch		= 64,
	.more_attrs	= physpages_attrs,
	.css_alloc	= physpages_css_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.can_attach	= physpages_can_attach,
	.cancel_attach	= physpages_cancel_attach,
	.attach		= physpages_attach,
	.root_held	= physpages_root_held,
};
