// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: hierarchies, and which of them a controller is bound to.
 *
 * A controller is bound to another hierarchy only while both have no group but the
 * root. Then no task has its state, but for the root's, which all hierarchies share.
 *
 * Locking: what is here is written with bc_mutex held, and with bc_hierarchies_rwsem held
 * for writing, in this order; either is enough to read it.
 */
#include <linux/bc/core.h>
#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "core.h"
#include "event.h"
#include "late.h"

struct bc_hierarchy bc_default_hierarchy;

/* By id. Written with bc_mutex and the rwsem held for writing. */
struct bc_hierarchy *bc_hierarchies[BC_MAX_HIERARCHIES];
DECLARE_RWSEM(bc_hierarchies_rwsem);

static void free_hierarchy(struct bc_hierarchy *h)
{
	kfree_const(h->root.name);
	kfree(h->release_agent);
	kfree(h);
}

static void hierarchy_free_work(struct work_struct *work)
{
	free_hierarchy(container_of(to_rcu_work(work), struct bc_hierarchy,
				    root.work));
}

static void init_hierarchy(struct bc_hierarchy *h, unsigned int id)
{
	bc_group_init(&h->root, NULL, h);
	h->id = id;
	h->nr_groups = 1;
	h->seq = BC_LATE(-4U, 1U);
	bc_hierarchies[id] = h;
}

/**
 * bc_hierarchy_create - make a hierarchy, without controllers
 * @name: of its directory
 *
 * All tasks are in its root.
 *
 * Context: Process context. May sleep. Takes bc_mutex and bc_hierarchies_rwsem.
 * Return: the hierarchy, whose root has one reference; or an ERR_PTR():
 * -ENOSPC, there are %BC_MAX_HIERARCHIES;
 * -ENOMEM.
 */
struct bc_hierarchy *bc_hierarchy_create(const char *name)
{
	struct bc_hierarchy *h;
	unsigned int id;

	h = kzalloc(sizeof(*h), GFP_KERNEL);
	if (!h)
		return ERR_PTR(-ENOMEM);
	h->root.name = kstrdup_const(name, GFP_KERNEL);
	if (!h->root.name) {
		free_hierarchy(h);
		return ERR_PTR(-ENOMEM);
	}

	guard(mutex)(&bc_mutex);
	for (id = 1; id < BC_MAX_HIERARCHIES; id++) {
		if (!bc_hierarchies[id])
			break;
	}
	if (id == BC_MAX_HIERARCHIES) {
		free_hierarchy(h);
		return ERR_PTR(-ENOSPC);
	}
	guard(rwsem_write)(&bc_hierarchies_rwsem);
	init_hierarchy(h, id);
	INIT_RCU_WORK(&h->root.work, hierarchy_free_work);
	return h;
}

/* Where a controller goes when @h is to have @controllers. */
static struct bc_hierarchy *bind_to(struct bc_hierarchy *h,
				    unsigned long controllers, unsigned int id)
{
	if (controllers & BIT(id))
		return h;
	return bc_controller_hierarchy(id) == h ? &bc_default_hierarchy :
						  bc_controller_hierarchy(id);
}

static int bind(struct bc_hierarchy *h, unsigned long controllers)
{
	struct bc_hierarchy *from, *to;
	int id;

	lockdep_assert_held(&bc_mutex);

	for (id = 0; id < BC_NR_CONTROLLERS; id++) {
		if (!bc_controllers[id])
			continue;
		from = bc_controller_hierarchy(id);
		to = bind_to(h, controllers, id);
		if (from != to && (from->nr_groups > 1 || to->nr_groups > 1))
			return -EBUSY;
	}

	guard(rwsem_write)(&bc_hierarchies_rwsem);
	for (id = 0; id < BC_NR_CONTROLLERS; id++) {
		if (!bc_controllers[id])
			continue;
		from = bc_controller_hierarchy(id);
		to = bind_to(h, controllers, id);
		if (from == to)
			continue;
		WRITE_ONCE(from->controllers, from->controllers & ~BIT(id));
		from->root.css[id] = NULL;
		WRITE_ONCE(to->controllers, to->controllers | BIT(id));
		to->root.css[id] = bc_root_css[id];
		bc_root_css[id]->group = &to->root;
		if (bc_controllers[id]->bind)
			bc_controllers[id]->bind(bc_root_css[id]);
	}
	return 0;
}

/**
 * bc_hierarchy_bind - set which controllers a hierarchy has
 * @h: the hierarchy, not the default one
 * @controllers: a bit for each. They come from wherever they are; what is not named
 *	goes to the default hierarchy.
 *
 * Context: Process context. May sleep. Takes bc_mutex and bc_hierarchies_rwsem.
 * Return: 0;
 * -EBUSY, a hierarchy that would gain or lose a controller has groups;
 * -ENOENT, the hierarchy has been removed.
 */
int bc_hierarchy_bind(struct bc_hierarchy *h, unsigned long controllers)
{
	guard(mutex)(&bc_mutex);
	return h->root.dead ? -ENOENT : bind(h, controllers);
}

/**
 * bc_hierarchy_kill - take a hierarchy away
 * @h: the hierarchy, not the default one, with no group but the root
 *
 * Its controllers go back to the default hierarchy.
 *
 * Context: Process context. May sleep. Takes bc_mutex and bc_hierarchies_rwsem.
 * Return: 0, or -EBUSY: they cannot, as the default hierarchy has groups.
 */
int bc_hierarchy_kill(struct bc_hierarchy *h)
{
	int err;

	guard(mutex)(&bc_mutex);
	err = bind(h, 0);
	if (err)
		return err;
	guard(rwsem_write)(&bc_hierarchies_rwsem);
	bc_groups_changed(h);
	bc_event_remove_root(&h->root);
	bc_clone_forget(h);
	h->root.dead = true;
	h->root.item = NULL;
	bc_hierarchies[h->id] = NULL;
	return 0;
}

/**
 * bc_hierarchy_init - make the default hierarchy, which has all controllers
 *
 * Context: At boot.
 * Return: 0, or -ENOMEM.
 */
int __init bc_hierarchy_init(void)
{
	struct bc_hierarchy *h = &bc_default_hierarchy;
	int err;

	init_hierarchy(h, 0);
	h->root.name = "bc";
	h->controllers = GENMASK(BC_NR_BUILTIN - 1, 0);
	err = bc_group_alloc_css(&h->root);
	memcpy(bc_root_css, h->root.css, sizeof(bc_root_css));
	return err;
}
