// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: what controllers have in common that are one counter.
 */
#include <linux/bc/core.h>
#include <linux/err.h>
#include <linux/slab.h>

/**
 * bc_resource_alloc - make a group's counter, for a controller's css_alloc()
 * @parent: the state one level up, NULL for the root
 * @batch: see bc_counter_init()
 *
 * The root is never charged: the counters below it have no parent.
 *
 * Context: Process context. May sleep.
 * Return: the state, or ERR_PTR(-ENOMEM).
 */
struct bc_css *bc_resource_alloc(struct bc_css *parent, unsigned int batch)
{
	struct bc_counter *up = NULL;
	struct bc_resource *res;
	int err;

	res = kzalloc(sizeof(*res), GFP_KERNEL);
	if (!res)
		return ERR_PTR(-ENOMEM);

	if (parent && parent->group->parent)
		up = &to_bc_resource(parent)->counter;
	err = bc_counter_init(&res->counter, up, batch);
	if (err) {
		kfree(res);
		return ERR_PTR(err);
	}
	return &res->css;
}

/**
 * bc_resource_free - free a group's counter, for a controller's css_free()
 * @css: the state
 *
 * Context: Process context. May sleep.
 */
void bc_resource_free(struct bc_css *css)
{
	struct bc_resource *res = to_bc_resource(css);

	bc_counter_destroy(&res->counter);
	kfree(res);
}
