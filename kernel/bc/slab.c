// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: who has paid for a slab object. The controllers say what that means, see
 * kmemsize.c and dcachesize.c.
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
#include "dcachesize.h"
#include "kmemsize.h"

/* A slab that is older than the need for a vector. May sleep. */
static struct slabobj_ext *make_exts(struct kmem_cache *s, struct slab *slab, gfp_t flags)
{
	if (alloc_slab_obj_exts(slab, s, flags & gfp_allowed_mask, false))
		return NULL;
	return slab_obj_exts(slab);
}

/* Who pays for an object of this kind that the current task makes. */
static __always_inline struct bc_css *current_css(const struct kmem_cache *s)
{
	return bc_task_css_charged(current, s->flags & SLAB_RECLAIM_ACCOUNT ?
					    BC_ID_dcachesize : BC_ID_kmemsize);
}

/* What needs more than the credit of this CPU. */
static noinline bool charge_slowly(struct kmem_cache *s, gfp_t flags, void *p)
{
	struct slab *slab = virt_to_slab(p);
	struct slabobj_ext *vec = slab_obj_exts(slab);
	struct bc_charge *charge;
	struct bc_css *css;

	if (!vec)
		vec = make_exts(s, slab, flags);
	if (!vec)
		return true;

	charge = &vec[obj_to_index(s, slab, p)].bc;
	if (s->flags & SLAB_RECLAIM_ACCOUNT)
		return bc_dcachesize_charge(charge, s->size, flags);
	guard(rcu)();
	css = current_css(s);
	if (!css)
		return true;
	if (!bc_resource_try_charge(css, s->size, bc_kmem_severity(flags)))
		return false;
	charge->counter = &to_bc_resource(css)->counter;
	return true;
}

/* Calls nothing but what it ends with, so that few registers have to be saved. */
bool __bc_slab_charge(struct kmem_cache *s, gfp_t flags, void *p)
{
	struct bc_counter *counter;
	struct slabobj_ext *vec;
	struct bc_css *css;
	struct slab *slab;
	bool done;

	if (unlikely(!p))
		return true;
	slab = virt_to_slab(p);
	vec = slab_obj_exts(slab);
	if (unlikely(!vec))
		return charge_slowly(s, flags, p);

	rcu_read_lock();
	css = current_css(s);
	done = !css;
	if (likely(css)) {
		counter = &to_bc_resource(css)->counter;
		done = credit_take(counter, s->size);
		if (likely(done))
			vec[obj_to_index(s, slab, p)].bc.counter = counter;
	}
	rcu_read_unlock();
	return likely(done) ? true : charge_slowly(s, flags, p);
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
