// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: who has paid for a slab object. The controllers say what that means, see
 * kmemsize.c.
 *
 * The counter that has paid is in the slab's vector of struct slabobj_ext, beside what
 * memory cgroups keep there. If there is no memory for a vector, the object is nobody's.
 * The order in which the two charge does not matter to either.
 *
 * No locks: an object's slabobj_ext belongs to who makes the object, then to who frees it.
 * The vector is made with cmpxchg(), see alloc_slab_obj_exts(), and lives as long as the
 * slab. A counter is found through the task's css_group under RCU, and kept by the charge
 * (counter.c).
 */
#include <linux/bc/core.h>
#include <linux/cleanup.h>
#include <linux/gfp.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "../../mm/slab.h"
#include <linux/bc/slab.h>

#include "credit.h"
#include "kmemsize.h"

static noinline bool charge_uncredited(struct bc_css *css, unsigned long n, gfp_t flags)
{
	return bc_resource_try_charge(css, n, bc_kmem_severity(flags));
}

/* A slab that is older than the need for a vector. May sleep. */
static noinline struct slabobj_ext *make_exts(struct kmem_cache *s, struct slab *slab,
					      gfp_t flags)
{
	if (alloc_slab_obj_exts(slab, s, flags & gfp_allowed_mask, false))
		return NULL;
	return slab_obj_exts(slab);
}

bool __bc_slab_charge(struct kmem_cache *s, gfp_t flags, void *p)
{
	struct bc_counter *counter;
	struct slabobj_ext *vec;
	struct css_group *cg;
	struct bc_css *css;
	struct slab *slab;

	if (unlikely(!p))
		return true;
	slab = virt_to_slab(p);
	vec = slab_obj_exts(slab);
	if (unlikely(!vec)) {
		vec = make_exts(s, slab, flags);
		if (!vec)
			return true;
	}

	guard(rcu)();
	cg = rcu_dereference(current->css_group);
	/* It may have left for the root by now, or be in a root of this kind. */
	css = cg ? cg->css[BC_ID_kmemsize] : NULL;
	if (!css)
		return true;
	counter = &to_bc_resource(css)->counter;
	if (unlikely(!credit_take(counter, s->size)) &&
	    !charge_uncredited(css, s->size, flags))
		return false;
	vec[obj_to_index(s, slab, p)].bc.counter = counter;
	return true;
}

bool __bc_slab_charge_bulk(struct kmem_cache *s, gfp_t flags, size_t n, void **p)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!__bc_slab_charge(s, flags, p[i]))
			return false;
	}
	return true;
}

void __bc_slab_uncharge(struct kmem_cache *s, struct slab *slab,
			struct slabobj_ext *vec, void *p)
{
	struct bc_charge *charge = &vec[obj_to_index(s, slab, p)].bc;
	struct bc_counter *counter = charge->counter;

	if (counter) {
		charge->counter = NULL;
		credit_uncharge(counter, s->size);
	}
}
