// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: what cpuset and nodeset have in common.
 *
 * A group has a set of CPUs, or of memory nodes, which is a part of its parent's. The
 * rules and the errors are those of the classic cpuset (Jackson, Menage, cgroup v1), but
 * for new groups: they have what the parent has, less what is exclusive to a sibling, so
 * that who does not care for sets need not know of them.
 *
 * Locking: sets change under bc_lock(), together with what they depend on: which groups
 * there are, and which tasks are in them. What is to be replaced is freed by RCU, as the
 * scheduler and the page allocator look without a lock. They may find a group that has
 * been removed, and so never look at a root, which may be gone with its hierarchy, and
 * restricts nothing.
 *
 * What can be used (->usable) changes as CPUs and memory come and go, which nobody waits
 * for: who finds it half changed is told again when it has changed, by hotplug.
 */
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/find.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "sabotage.h"
#include "set.h"

static struct bc_set_mask *alloc_mask(const struct bc_set_type *type)
{
	struct bc_set_mask *mask;

	/*
	 * Charged to nobody: it is freed with the group, and a task in that group may be who
	 * has it made. The charge would keep the group for ever.
	 */
	mask = kzalloc(struct_size(mask, bits, BITS_TO_LONGS(type->nbits)),
		       GFP_KERNEL);
	return mask ?: ERR_PTR(-ENOMEM);
}

/**
 * bc_set_bits - what is in a set
 * @set: the set
 *
 * Context: rcu_read_lock() or bc_lock().
 * Return: the bits, which stay as long.
 */
const unsigned long *bc_set_bits(struct bc_set *set)
{
	return rcu_dereference_check(set->mask, bc_lock_is_held())->bits;
}

/* The set of the same kind that another group has; not for a group of another hierarchy. */
static struct bc_set *set_of(struct bc_group *group, const struct bc_set *set)
{
	return to_bc_set(group->css[set->css.id]);
}

/* A root's set restricts nothing, and is not looked at. */
static struct bc_set *below_root(struct bc_set *set)
{
	return set->css.root ? NULL : set;
}

/* The set one level up, or NULL if that is a root, which may be gone. */
static struct bc_set *set_above(struct bc_set *set)
{
	struct bc_group *parent = set->css.group->parent;

	return parent->parent ? set_of(parent, set) : NULL;
}

/**
 * bc_set_init - make the set of a new group, for a controller's css_alloc()
 * @set: the set, all zero
 * @type: which kind
 * @parent: that of the group one level up, NULL for the root
 *
 * Context: Process context. May sleep. bc_lock() is held.
 * Return: 0, or -ENOMEM.
 */
int bc_set_init(struct bc_set *set, const struct bc_set_type *type,
		struct bc_set *parent)
{
	struct bc_set_mask *mask = alloc_mask(type);
	struct bc_group *child;
	struct bc_set *sibling;

	if (IS_ERR(mask))
		return PTR_ERR(mask);

	set->type = type;
	set->exclusive = !parent;
	bitmap_copy(mask->bits, parent ? bc_set_bits(parent) : type->possible,
		    type->nbits);
	/* A new group is not to cost more next to many. */
	if (parent && parent->nr_exclusive) {
		list_for_each_entry(child, &parent->css.group->children, sibling) {
			sibling = set_of(child, parent);
			if (sibling->exclusive)
				bitmap_andnot(mask->bits, mask->bits,
					      bc_set_bits(sibling), type->nbits);
		}
	}
	RCU_INIT_POINTER(set->mask, mask);
	return 0;
}

static void set_exclusive(struct bc_set *set, bool exclusive)
{
	struct bc_group *parent = set->css.group->parent;
	struct bc_css *css = parent->css[set->css.id];

	lockdep_assert(bc_lock_is_held());

	/* The hierarchy may have lost the controller since the group was removed. */
	if (!parent->parent)
		css = bc_root_css[set->css.id];
	if (set->exclusive != exclusive)
		to_bc_set(css)->nr_exclusive += exclusive ? 1 : -1;
	WRITE_ONCE(set->exclusive, exclusive);
}

/**
 * bc_set_offline - a group has been removed, for a controller's css_offline()
 * @css: the state
 *
 * Context: Process context. May sleep. Takes bc_mutex.
 */
void bc_set_offline(struct bc_css *css)
{
	bc_lock();
	set_exclusive(to_bc_set(css), false);
	bc_unlock();
}

/**
 * bc_set_destroy - undo bc_set_init(), for a controller's css_free()
 * @set: the set
 */
void bc_set_destroy(struct bc_set *set)
{
	/* Nobody else is left. */
	kfree(rcu_dereference_protected(set->mask, true));
}

/* A list as "0-3,6". An empty line is an empty set. */
static struct bc_set_mask *parse(const struct bc_set_type *type, const char *page,
				 size_t count)
{
	struct bc_set_mask *mask;
	char *buf, *text;
	int err;

	buf = bc_copy_text(page, count, &text);
	if (IS_ERR(buf))
		return ERR_CAST(buf);
	mask = alloc_mask(type);
	if (IS_ERR(mask))
		goto out;
	/* The parser is content with the first line. */
	err = strchr(text, '\n') ? -EINVAL :
				   bitmap_parselist(text, mask->bits, type->nbits);
	/* As for all numbers here. */
	if (err == -EOVERFLOW)
		err = -ERANGE;
	if (!err && !bitmap_subset(mask->bits, type->possible, type->nbits))
		err = -EINVAL;
	if (err) {
		kfree(mask);
		mask = ERR_PTR(err);
	}
out:
	kfree(buf);
	return mask;
}

static bool is_subset(struct bc_set *a, const unsigned long *bits)
{
	return bitmap_subset(bc_set_bits(a), bits, a->type->nbits);
}

/* May the set become this? If not, the errors are those of the classic cpuset. */
static int check(struct bc_set *set, const unsigned long *bits, bool exclusive)
{
	struct bc_group *group = set->css.group, *child;
	unsigned int nbits = set->type->nbits;
	struct bc_set *other;

	lockdep_assert(bc_lock_is_held());

	if (bc_sabotaged(BC_SABOTAGE_RULES))
		return 0;
	list_for_each_entry(child, &group->children, sibling) {
		other = set_of(child, set);
		if (!is_subset(other, bits) || other->exclusive > exclusive)
			return -EBUSY;
	}

	other = set_of(group->parent, set);
	if (!bitmap_subset(bits, bc_set_bits(other), nbits) ||
	    exclusive > other->exclusive)
		return -EACCES;

	list_for_each_entry(child, &group->parent->children, sibling) {
		other = set_of(child, set);
		if (other != set && (exclusive || other->exclusive) &&
		    bitmap_intersects(bits, bc_set_bits(other), nbits))
			return -EINVAL;
	}

	return 0;
}

/**
 * bc_set_would_restrict - is there anything that is not in this?
 * @type: which kind
 * @bits: what a set could be
 *
 * Context: Any.
 */
bool bc_set_would_restrict(const struct bc_set_type *type, const unsigned long *bits)
{
	return !bitmap_equal(bits, type->possible, type->nbits);
}

/**
 * bc_set_restricts - is there anything that is not in a set?
 * @set: the set
 *
 * Context: bc_lock(), or css_alloc() and css_free().
 */
bool bc_set_restricts(struct bc_set *set)
{
	return bc_set_would_restrict(set->type,
				     rcu_dereference_protected(set->mask, true)->bits);
}

/* Is there anything in a mask that can be used now? */
static bool is_usable(const struct bc_set_type *type, const unsigned long *bits)
{
	/* It changes, see above. */
	return data_race(bitmap_intersects(bits, type->usable, type->nbits));
}

/**
 * bc_set_usable - is there anything in a set that can be used now?
 * @set: the set
 *
 * Context: as bc_set_bits().
 */
bool bc_set_usable(struct bc_set *set)
{
	return is_usable(set->type, bc_set_bits(set));
}

/* Is there anything in both masks that can be used now? */
static bool usable_in(const struct bc_set_type *type, const unsigned long *a,
		      const unsigned long *b)
{
	/* It changes, see above. */
	return data_race(find_first_and_and_bit(a, b, type->usable, type->nbits)) < type->nbits;
}

/**
 * bc_set_narrow - restrict a mask to what a group allows
 * @set: the set of the group
 * @out: becomes what is left; may be @in
 * @in: the mask
 * @prefer: restrict it to this, too, if that leaves anything; or NULL
 *
 * Where the set leaves nothing that can be used now, the nearest ancestor's counts that
 * does, as with the effective masks of cgroup v2.
 *
 * Context: rcu_read_lock(). Any but NMI.
 * Return: false if no group on the way leaves anything, or it is the root: then it is not
 * for us to say, and @out is as it was.
 */
bool bc_set_narrow(struct bc_set *set, unsigned long *out, const unsigned long *in,
		   const unsigned long *prefer)
{
	const struct bc_set_type *type = set->type;
	unsigned int nbits = type->nbits;

	if (bc_sabotaged(BC_SABOTAGE_NARROW))
		return false;
	for (set = below_root(set); set; set = set_above(set)) {
		const unsigned long *bits = bc_set_bits(set);

		if (usable_in(type, in, bits)) {
			/* May be the same mask. */
			data_race(bitmap_and(out, in, bits, nbits));
			if (prefer && usable_in(type, out, prefer))
				bitmap_and(out, out, prefer, nbits);
			return true;
		}
	}
	return false;
}

/**
 * bc_set_concerns - is what a task may use decided by a set?
 * @changed: the set; a root's stands for all others
 * @task: the task
 *
 * Context: Any but NMI.
 * Return: true if the set is that of the task's group, or the nearest above it that has
 * something that can be used.
 */
bool bc_set_concerns(struct bc_set *changed, struct task_struct *task)
{
	struct bc_set *set;

	guard(rcu)();
	set = to_bc_set(bc_task_css(task, changed->css.id));
	for (set = below_root(set); set; set = set_above(set)) {
		if (set == changed || changed->css.root)
			return true;
		if (bc_set_usable(set))
			return false;
	}
	return false;
}

/**
 * bc_set_update_tasks - tell all tasks that a set concerns that it has changed
 * @changed: the set; a root's stands for all sets
 *
 * Context: Process context. May sleep.
 */
void bc_set_update_tasks(struct bc_set *changed)
{
	struct task_struct *task;
	struct bc_task_iter iter;

	bc_task_iter_start(&iter, NULL);
	while ((task = bc_task_iter_next(&iter))) {
		if (bc_set_concerns(changed, task))
			changed->type->update_task(task);
	}
}

/**
 * bc_set_update_process - the same for one process, or one thread, that has moved
 * @type: which kind of set
 * @task: a task of the process, or the thread
 * @process: it is the process
 *
 * Context: Process context. May sleep.
 */
void bc_set_update_process(const struct bc_set_type *type, struct task_struct *task,
			   bool process)
{
	struct bc_task_iter iter;

	if (!process) {
		type->update_task(task);
		return;
	}
	bc_task_iter_start(&iter, task);
	while ((task = bc_task_iter_next(&iter)))
		type->update_task(task);
}

/*
 * Files
 */

static ssize_t show_bits(char *page, const unsigned long *bits, unsigned int nbits)
{
	return sysfs_emit(page, "%*pbl\n", nbits, bits);
}

/**
 * bc_set_show - show what is in a set, for a controller's file
 * @item: what the file's callback was given
 * @page: for the text
 */
ssize_t bc_set_show(struct config_item *item, char *page)
{
	struct bc_set *set = to_bc_set(bc_item_css(item));

	guard(rcu)();
	return show_bits(page, bc_set_bits(set), set->type->nbits);
}

/* Under bc_lock(). */
static int change(struct bc_set *set, struct bc_set_mask *mask)
{
	const struct bc_set_type *type = set->type;
	int err;

	err = check(set, mask->bits, set->exclusive);
	if (!err && bc_nr_css_groups(set->css.group) && !is_usable(type, mask->bits))
		err = -ENOSPC;
	if (!err && type->check)
		err = type->check(set, mask->bits);
	if (err)
		return err;
	type->prepare(set, mask->bits);
	rcu_assign_pointer(set->mask, mask);
	return 0;
}

/**
 * bc_set_store - change what is in a set, for a controller's file
 * @item: what the file's callback was given
 * @page: what was written
 * @count: how much. An empty line is an empty set.
 *
 * When this returns, all tasks know.
 *
 * Return: @count; or, as with the classic cpuset,
 * -EINVAL, it is no list, or not all of it can be on this machine;
 * -ERANGE, it is beyond all numbers;
 * -EACCES, it is not a part of the parent's set; or this is the root;
 * -EBUSY, a child has something that is not in it;
 * -EINVAL, it overlaps a sibling's, and one of the two is exclusive;
 * -ENOSPC, the group has tasks, and nothing of it can be used now;
 * -ENOMEM; or what the controller says.
 */
ssize_t bc_set_store(struct config_item *item, const char *page, size_t count)
{
	struct bc_set *set = to_bc_set(bc_item_css(item));
	const struct bc_set_type *type = set->type;
	struct bc_set_mask *mask, *old;
	bool equal, lifted;
	int err = 0;

	if (set->css.root)
		return -EACCES;
	mask = parse(type, page, count);
	if (IS_ERR(mask))
		return PTR_ERR(mask);

	bc_lock();
	old = rcu_dereference_protected(set->mask, bc_lock_is_held());
	equal = bitmap_equal(old->bits, mask->bits, type->nbits);
	lifted = !bc_set_would_restrict(type, mask->bits);
	if (!equal)
		err = change(set, mask);
	bc_unlock();
	if (err || equal)
		kfree(mask);
	if (err)
		return err;

	/*
	 * From here on, the next writer may replace and free the new mask. Where nothing
	 * is new, somebody else may still be telling the tasks.
	 */
	bc_set_update_tasks(set);
	if (equal)
		return count;
	if (type->finish)
		type->finish(set, old->bits, lifted);
	kfree_rcu(old, rcu);
	return count;
}

/**
 * bc_set_effective_show - show what of a set can be used, for a controller's file
 * @item: what the file's callback was given
 * @page: for the text
 */
ssize_t bc_set_effective_show(struct config_item *item, char *page)
{
	struct bc_set *set = to_bc_set(bc_item_css(item));
	const struct bc_set_type *type = set->type;
	struct bc_set_mask *mask = alloc_mask(type);
	ssize_t len;

	if (IS_ERR(mask))
		return PTR_ERR(mask);
	scoped_guard(rcu) {
		if (bc_set_narrow(set, mask->bits, type->usable, NULL))
			break;
		/* It changes, see above. All of it is possible. */
		data_race(bitmap_and(mask->bits, type->usable, type->possible,
				     type->nbits));
	}
	len = show_bits(page, mask->bits, type->nbits);
	kfree(mask);
	return len;
}

/**
 * bc_set_exclusive_show - show whether a set is exclusive, for a controller's file
 * @item: what the file's callback was given
 * @page: for the text
 */
ssize_t bc_set_exclusive_show(struct config_item *item, char *page)
{
	struct bc_set *set = to_bc_set(bc_item_css(item));

	return sysfs_emit(page, "%d\n", READ_ONCE(set->exclusive));
}

/**
 * bc_set_exclusive_store - make a set exclusive, or not, for a controller's file
 * @item: what the file's callback was given
 * @page: what was written
 * @count: how much
 *
 * Return: @count; -EINVAL, not 0 or 1, or it overlaps a sibling's; -EACCES, the parent is not
 * exclusive, or this is the root; -EBUSY, a child is.
 */
ssize_t bc_set_exclusive_store(struct config_item *item, const char *page,
			       size_t count)
{
	struct bc_set *set = to_bc_set(bc_item_css(item));
	bool exclusive;
	int err;

	if (set->css.root)
		return -EACCES;
	err = bc_parse_bool(page, count, &exclusive);
	if (err)
		return err;
	bc_lock();
	if (set->exclusive != exclusive)
		err = check(set, bc_set_bits(set), exclusive);
	if (!err)
		set_exclusive(set, exclusive);
	bc_unlock();
	return err ?: count;
}
