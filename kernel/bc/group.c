// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: groups, from mkdir to the last charge, and the trees that they make.
 *
 * A group goes in three steps. bc_group_kill() takes its tasks' and its directory's
 * place away. When directory and children have dropped their references and a grace
 * period has passed, nobody finds it through a task any more, and the controllers
 * are told (css_offline()). What was charged by then, an open file, say, has a
 * pointer to the group's counter and no reference: the charge itself keeps the
 * counter, and each counter that still holds something keeps the group (resource.c).
 * When the last one is empty and another grace period has passed, it is freed.
 *
 * Locking: bc_mutex protects the tree of groups that are not dead. What tells whether a
 * group is in use, and so when the release agent is told, is under css_group_lock, as
 * the last css_group can go with a task. Parent, name and level never change, and the
 * parent is kept by a reference: who has a group can go up without a lock.
 */
#include <linux/bc/core.h>
#include <linux/bc/task.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "core.h"
#include "event.h"
#include "release.h"
#include "sabotage.h"

static atomic64_t last_id;

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

/**
 * bc_group_path - where a group is, from the root of its hierarchy
 * @group: the group, or what is left of it when it has been removed
 * @buf: gets "/" for the root, else "/" before each name, and a NUL. If there is not
 *	enough room, it gets the end of that, with "..." in front.
 * @size: how long @buf is
 *
 * Names never change, and a group keeps its parent.
 *
 * Context: Any. The caller keeps the group from being freed.
 * Return: the length, without the NUL, that it has or would have.
 */
size_t bc_group_path(struct bc_group *group, char *buf, size_t size)
{
	struct bc_group *g;
	size_t len = 0, n;
	char *end;

	for (g = group; g->parent; g = g->parent)
		len += strlen(g->name) + 1;
	len = len ?: 1;
	if (!size)
		return len;

	end = buf + min(len, size - 1);
	*end = '\0';
	if (group->parent) {
		for (g = group; g->parent && end > buf; g = g->parent) {
			n = min_t(size_t, strlen(g->name), end - buf);
			end -= n;
			memcpy(end, g->name + strlen(g->name) - n, n);
			if (end > buf)
				*--end = '/';
		}
	} else if (end > buf) {
		*--end = '/';
	}
	if (len >= size)
		memcpy(buf, "...", min_t(size_t, 3, size - 1));
	return len;
}

/**
 * bc_group_check_release - a group has lost a css_group or a child: was it the last one?
 * @group: the group
 * @used: it was not just one that a move or a mkdir has made and did not need
 *
 * If so, the release agent is told, also if what is lost now only was in the way of telling
 * it before.
 *
 * Context: css_group_lock is held.
 */
void bc_group_check_release(struct bc_group *group, bool used)
{
	lockdep_assert_held(&css_group_lock);

	if (!used && bc_sabotaged(BC_SABOTAGE_MISSED))
		return;
	group->used |= used;
	group->lost |= used;
	if (group->nr_css_groups || group->nr_children || !group->parent ||
	    !group->lost)
		return;
	group->lost = false;
	if (READ_ONCE(group->notify_on_release) &&
	    !bc_sabotaged(BC_SABOTAGE_RELEASE))
		bc_release_queue(group);
}

/**
 * bc_group_releasable - has the group been used, and is it empty now?
 * @group: the group
 *
 * Context: Process context.
 * Return: true if it has had tasks or children, and has none any more. Never for a
 * root, where all tasks are that are nowhere else.
 */
bool bc_group_releasable(struct bc_group *group)
{
	bool releasable;

	scoped_guard(spinlock_irq, &css_group_lock)
		releasable = group->used && !group->nr_css_groups &&
			     !group->nr_children;
	return releasable;
}

/**
 * bc_group_release - is it time to tell the release agent of a group?
 * @group: the group, which was queued for that
 *
 * If something is in the group that goes again without having been a task or a child,
 * the group is queued once more then.
 *
 * Context: Process context.
 * Return: as bc_group_releasable().
 */
bool bc_group_release(struct bc_group *group)
{
	bool empty;

	scoped_guard(spinlock_irq, &css_group_lock) {
		empty = !group->nr_css_groups && !group->nr_children;
		group->lost |= !empty;
	}
	return empty;
}

/**
 * bc_group_next_descendant - iterate over a group and all groups below it
 * @pos: the one before, NULL for the first, which is @top
 * @top: the group
 *
 * Parents come before their children, and groups that have been removed do not.
 *
 * Context: Between bc_lock() and bc_unlock().
 * Return: the next one, or NULL.
 */
struct bc_group *bc_group_next_descendant(struct bc_group *pos,
					  struct bc_group *top)
{
	lockdep_assert_held(&bc_mutex);

	if (!pos)
		return top;
	if (!list_empty(&pos->children))
		return list_first_entry(&pos->children, struct bc_group, sibling);
	while (pos != top) {
		if (!list_is_last(&pos->sibling, &pos->parent->children))
			return list_next_entry(pos, sibling);
		pos = pos->parent;
	}
	return NULL;
}

/**
 * bc_group_resume - go on iterating where bc_unlock() has been in between
 * @pos: the last one, which may have been removed; kept by a reference
 * @top: the group that is iterated over, with all below it; likewise
 * @down: also over what is below @pos
 *
 * Groups that are there all the time are met once.
 *
 * Context: Between bc_lock() and bc_unlock().
 * Return: the next one, or NULL.
 */
struct bc_group *bc_group_resume(struct bc_group *pos, struct bc_group *top, bool down)
{
	struct bc_group *group;

	lockdep_assert_held(&bc_mutex);

	/* One that is dead has had no children. */
	if (down && !list_empty(&pos->children))
		return list_first_entry(&pos->children, struct bc_group, sibling);
	for (; pos != top; pos = pos->parent) {
		if (pos->parent->dead)
			continue;
		if (!pos->dead) {
			if (!list_is_last(&pos->sibling, &pos->parent->children))
				return list_next_entry(pos, sibling);
			continue;
		}
		/* It has left the list, in which ids ascend. */
		list_for_each_entry(group, &pos->parent->children, sibling) {
			if (group->id > pos->id)
				return group;
		}
	}
	return NULL;
}

/**
 * bc_group_is_below - is a group another one, or below it?
 * @group: the group
 * @top: the other one
 *
 * Context: Any. The caller keeps the groups from being freed.
 */
bool bc_group_is_below(struct bc_group *group, struct bc_group *top)
{
	while (group->level > top->level)
		group = group->parent;
	return group == top;
}

static void free_css(struct bc_group *group)
{
	int i;

	for (i = BC_NR_CONTROLLERS - 1; i >= 0; i--) {
		if (!group->css[i])
			continue;
		bc_controllers[i]->css_free(group->css[i]);
		module_put(bc_owners[i]);
	}
}

static int alloc_one_css(struct bc_group *group, int id)
{
	struct bc_group *parent = group->parent;
	struct bc_css *css;

	css = bc_controllers[id]->css_alloc(bc_controllers[id],
					    parent ? parent->css[id] : NULL);
	if (IS_ERR(css))
		return PTR_ERR(css);
	css->group = group;
	css->id = id;
	css->root = !parent;
	group->css[id] = css;
	return 0;
}

/**
 * bc_group_alloc_css - make the states of a new group, or of the first root
 * @group: the group; those that could be made are there if this fails
 *
 * Context: Process context. May sleep. bc_mutex is held, but at boot.
 * Return: 0, or what css_alloc() says.
 */
int bc_group_alloc_css(struct bc_group *group)
{
	int i, err;

	for_each_set_bit(i, &group->hierarchy->controllers, BC_NR_CONTROLLERS) {
		/* What is on its way out is not for groups that come now. */
		if (!try_module_get(bc_owners[i]))
			continue;
		err = alloc_one_css(group, i);
		if (err) {
			module_put(bc_owners[i]);
			return err;
		}
	}
	return 0;
}

/* The group goes, or does not come: tell the first @n controllers, which have let it come. */
static void kill_css(struct bc_group *group, int n)
{
	lockdep_assert_held(&bc_mutex);

	while (--n >= 0) {
		if (group->css[n] && bc_controllers[n]->css_kill)
			bc_controllers[n]->css_kill(group->css[n]);
	}
}

static int online_css(struct bc_group *group)
{
	int i, err;

	lockdep_assert_held(&bc_mutex);

	for (i = 0; i < BC_NR_CONTROLLERS; i++) {
		if (!group->css[i] || !bc_controllers[i]->css_online)
			continue;
		err = bc_controllers[i]->css_online(group->css[i]);
		if (err) {
			kill_css(group, i);
			return err;
		}
	}
	return 0;
}

static void free_group(struct bc_group *group)
{
	free_css(group);
	kfree_const(group->name);
	kfree(group);
}

static void group_free_work(struct work_struct *work)
{
	struct bc_group *group = container_of(to_rcu_work(work), struct bc_group,
					      work);
	struct bc_group *parent = group->parent;

	free_group(group);
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
		if (group->css[i] && bc_controllers[i]->css_offline)
			bc_controllers[i]->css_offline(group->css[i]);
	}
	bc_group_put(group);
}

static void set_nr_groups(struct bc_hierarchy *h, unsigned int nr)
{
	lockdep_assert_held(&bc_mutex);

	/* /proc/beancounters shows it, and does not wait for us. */
	WRITE_ONCE(h->nr_groups, nr);
}

/**
 * bc_groups_changed - the groups of a hierarchy are others now
 * @h: the hierarchy
 *
 * Context: bc_mutex is held.
 */
void bc_groups_changed(struct bc_hierarchy *h)
{
	lockdep_assert_held(&bc_mutex);

	if (!++h->seq)
		h->seq = 1;
}

/**
 * bc_group_init - fill in what every group has
 * @group: the group, all 0, which nobody has seen; has one reference then
 * @parent: the group one level up; NULL for a root, whose @work is the caller's
 * @h: the hierarchy
 *
 * Context: Any.
 */
void bc_group_init(struct bc_group *group, struct bc_group *parent,
		   struct bc_hierarchy *h)
{
	group->parent = parent;
	group->hierarchy = h;
	refcount_set(&group->refs, 1);
	INIT_LIST_HEAD(&group->children);
	INIT_LIST_HEAD(&group->release_node);
	if (!parent)
		return;
	group->level = parent->level + 1;
	group->notify_on_release = READ_ONCE(parent->notify_on_release);
	INIT_RCU_WORK(&group->work, group_offline_work);
}

/**
 * bc_group_create - make a group
 * @parent: the group one level up
 * @name: of its directory, or what is going to be one
 *
 * Context: Process context. May sleep. Takes bc_mutex.
 * Return: the group, with one reference; or an ERR_PTR():
 * -ENOENT, the parent has been removed;
 * -ENOSPC, it would be more than BC_MAX_DEPTH levels below the root (as with pid
 * and user namespaces);
 * -ENOMEM;
 * what a controller's css_online() says.
 */
struct bc_group *bc_group_create(struct bc_group *parent, const char *name)
{
	struct bc_hierarchy *h = parent->hierarchy;
	struct bc_group *group;
	int err;

	if (parent->level >= BC_MAX_DEPTH)
		return ERR_PTR(-ENOSPC);

	/* Who may make groups may make many. */
	group = kzalloc(sizeof(*group), GFP_KERNEL_ACCOUNT);
	if (!group)
		return ERR_PTR(-ENOMEM);
	group->name = kstrdup_const(name, GFP_KERNEL_ACCOUNT);
	if (!group->name) {
		kfree(group);
		return ERR_PTR(-ENOMEM);
	}
	bc_group_init(group, parent, h);

	/* The hierarchy's controllers stay while there is a group. */
	scoped_guard(mutex, &bc_mutex) {
		err = parent->dead ? -ENOENT : bc_group_alloc_css(group) ?: online_css(group);
		if (err)
			break;
		group->id = atomic64_inc_return(&last_id);
		refcount_inc(&parent->refs);
		set_nr_groups(h, h->nr_groups + 1);
		bc_groups_changed(h);
		/* In the order of their ids: see bc_group_resume(). */
		list_add_tail(&group->sibling, &parent->children);
		scoped_guard(spinlock_irq, &css_group_lock)
			parent->nr_children++;
		bc_event_create(group);
	}
	if (err) {
		free_group(group);
		return ERR_PTR(err);
	}

	static_branch_deferred_inc(&bc_enabled_key);
	return group;
}

static void kill_group(struct bc_group *group)
{
	lockdep_assert_held(&bc_mutex);

	kill_css(group, BC_NR_CONTROLLERS);
	list_del(&group->sibling);
	set_nr_groups(group->hierarchy, group->hierarchy->nr_groups - 1);
	bc_groups_changed(group->hierarchy);
	bc_event_remove(group);
	/* Who charges for an address space that is left looks at it, under RCU. */
	WRITE_ONCE(group->dead, true);
	group->item = NULL;
}

/**
 * bc_group_kill - let a group have no tasks any more
 * @group: the group, not a root
 *
 * The group lives on, without tasks and without a name, as long as anything
 * refers to it.
 *
 * Context: Process context. May sleep. Takes bc_mutex.
 * Return: 0, or -EBUSY: it has tasks, zombies included.
 */
int bc_group_kill(struct bc_group *group)
{
	struct bc_group *parent = group->parent;

	guard(mutex)(&bc_mutex);

	scoped_guard(spinlock_irq, &css_group_lock) {
		if (group->nr_css_groups)
			return -EBUSY;
		parent->nr_children--;
		bc_group_check_release(parent, true);
	}
	kill_group(group);
	return 0;
}

/**
 * bc_group_cancel - undo bc_group_create(), but for the reference
 * @group: the group, which nobody has seen
 *
 * As bc_group_kill(), but the parent has not been used by that.
 *
 * Context: Process context. May sleep. Takes bc_mutex.
 */
void bc_group_cancel(struct bc_group *group)
{
	struct bc_group *parent = group->parent;

	guard(mutex)(&bc_mutex);

	scoped_guard(spinlock_irq, &css_group_lock) {
		parent->nr_children--;
		bc_group_check_release(parent, false);
	}
	kill_group(group);
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
EXPORT_SYMBOL_GPL(bc_group_get);

/**
 * bc_group_put - drop a reference to a group
 * @group: the group; the default root has one reference that is never dropped
 *
 * Context: Any. The group goes later, after an RCU grace period.
 */
void bc_group_put(struct bc_group *group)
{
	if (refcount_dec_and_test(&group->refs))
		queue_rcu_work(system_wq, &group->work);
}
EXPORT_SYMBOL_GPL(bc_group_put);
