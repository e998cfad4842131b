// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: the table of controllers, and those of modules, which come and go.
 *
 * A module's controller has a slot in the same arrays as the others. It is registered
 * while the default hierarchy is the only one, and has no group but the root, so that no
 * group is there without its state. From then on, whatever has a state, but for the
 * root's, keeps the module: groups, also those that live on without a name, and the
 * directories in other hierarchies. When a module goes, only its root's state is left, and
 * nobody can come to that but under bc_mutex or bc_hierarchies_rwsem, or from the module.
 * What is called where nothing keeps the module is not for modules (post_attach(), fork()).
 *
 * Locking: the arrays are written with bc_mutex held, and with bc_hierarchies_rwsem held
 * for writing, in this order; either is enough to read them. Whoever keeps a state can
 * read its controller's slot without. The slots of those that are built in never change.
 */
#include <linux/bc/core.h>
#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>

#include "core.h"

#define BC_CONTROLLER(name) [BC_ID_##name] = &bc_##name##_controller,
/* Those of modules are written with bc_mutex and the rwsem held for writing. */
const struct bc_controller *bc_controllers[BC_NR_CONTROLLERS] = {
#include <linux/bc/controllers.h>
};

#undef BC_CONTROLLER

/* Whose they are, with bc_mutex held. A group's state keeps the module. */
struct module *bc_owners[BC_NR_CONTROLLERS];

/* The controllers' states for the root groups. */
struct bc_css *bc_root_css[BC_NR_CONTROLLERS];
EXPORT_SYMBOL_GPL(bc_root_css);

static bool others_exist(void)
{
	int i;

	for (i = 0; i < BC_MAX_HIERARCHIES; i++) {
		if (bc_hierarchies[i] && bc_hierarchies[i] != &bc_default_hierarchy)
			return true;
	}
	return bc_default_hierarchy.nr_groups > 1;
}

static int find_slot(void)
{
	int id;

	for (id = BC_NR_BUILTIN; id < BC_NR_CONTROLLERS; id++) {
		if (!bc_controllers[id])
			return id;
	}
	return -ENOSPC;
}

/**
 * bc_controller_prepare - find a place for a module's controller, and make the root's state
 * @controller: the controller
 * @css: becomes the state, for bc_controller_add() or, before or without that, for the
 *	controller's css_free()
 *
 * The caller registers one controller at a time.
 *
 * Context: Process context. May sleep. Takes bc_mutex.
 * Return: its number; or
 * -EBUSY, there are groups or other hierarchies;
 * -ENOSPC, there are %BC_NR_SLOTS of them;
 * what css_alloc() says.
 */
int bc_controller_prepare(const struct bc_controller *controller, struct bc_css **css)
{
	int id;

	guard(mutex)(&bc_mutex);
	if (others_exist())
		return -EBUSY;
	id = find_slot();
	if (id < 0)
		return id;
	*css = controller->css_alloc(controller, NULL);
	if (IS_ERR(*css))
		return PTR_ERR(*css);
	(*css)->group = &bc_default_hierarchy.root;
	(*css)->id = id;
	(*css)->root = true;
	return id;
}

/**
 * bc_controller_add - let groups have a module's controller from now on
 * @controller: the controller
 * @owner: the module
 * @css: what bc_controller_prepare() has made
 *
 * Context: Process context. May sleep. Takes bc_mutex and bc_hierarchies_rwsem.
 * Return: 0, or -EBUSY, there are groups or other hierarchies by now.
 */
int bc_controller_add(const struct bc_controller *controller, struct module *owner,
		      struct bc_css *css)
{
	struct bc_hierarchy *h = &bc_default_hierarchy;
	int id = css->id;

	guard(mutex)(&bc_mutex);
	if (others_exist())
		return -EBUSY;
	guard(rwsem_write)(&bc_hierarchies_rwsem);
	bc_owners[id] = owner;
	bc_controllers[id] = controller;
	bc_root_css[id] = css;
	h->root.css[id] = css;
	bc_want_tasks(controller, id, true);
	WRITE_ONCE(h->controllers, h->controllers | BIT(id));
	return 0;
}

/**
 * bc_controller_del - undo bc_controller_add()
 * @controller: the controller, which no group has
 *
 * Context: Process context. May sleep. Takes bc_mutex and bc_hierarchies_rwsem.
 * Return: the root's state, for css_free(); NULL: it was not added.
 */
struct bc_css *bc_controller_del(const struct bc_controller *controller)
{
	struct bc_hierarchy *h;
	struct bc_css *css;
	int id;

	guard(mutex)(&bc_mutex);
	for (id = BC_NR_BUILTIN; id < BC_NR_CONTROLLERS; id++) {
		if (bc_controllers[id] == controller)
			break;
	}
	if (id == BC_NR_CONTROLLERS)
		return NULL;
	h = bc_controller_hierarchy(id);
	css = bc_root_css[id];

	guard(rwsem_write)(&bc_hierarchies_rwsem);
	WRITE_ONCE(h->controllers, h->controllers & ~BIT(id));
	bc_want_tasks(controller, id, false);
	h->root.css[id] = NULL;
	bc_root_css[id] = NULL;
	bc_controllers[id] = NULL;
	bc_owners[id] = NULL;
	return css;
}

/**
 * bc_controller_get - keep a controller
 * @id: its number
 *
 * Context: Process context, between bc_lock() and bc_unlock().
 * Return: false if there is none, or if its module is on its way out.
 */
bool bc_controller_get(int id)
{
	lockdep_assert_held(&bc_mutex);

	return bc_controllers[id] && try_module_get(bc_owners[id]);
}

/**
 * bc_controller_put - undo bc_controller_get()
 * @id: its number
 *
 * Context: Any.
 */
void bc_controller_put(int id)
{
	module_put(bc_owners[id]);
}
