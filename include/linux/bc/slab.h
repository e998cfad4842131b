/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how slab objects are charged. For mm/slub.c, after mm/slab.h.
 *
 * Until the first group is made, both hooks are patched-out branches. That is right for
 * freeing as well: whoever has paid for an object is a group, nameless at worst, and as
 * long as there is one, the static key is on. It is on everywhere before a task can be
 * moved into the first group, which is before anything is charged.
 */
#ifndef _LINUX_BC_SLAB_H
#define _LINUX_BC_SLAB_H

#include <linux/bc/charge.h>
#include <linux/gfp.h>
#include <linux/slab.h>
#include <linux/types.h>

#ifdef CONFIG_BEANCOUNTERS

struct slabobj_ext;

bool __bc_slab_charge(struct kmem_cache *s, gfp_t flags, void *p);
bool __bc_slab_charge_bulk(struct kmem_cache *s, gfp_t flags, size_t n, void **p);
void __bc_slab_uncharge(struct kmem_cache *s, struct slab *slab,
			struct slabobj_ext *vec, void *p);

/**
 * bc_slab_charge - charge new objects to the group of the current task, if they are of
 * a kind that counts
 * @s: the cache that they are from
 * @flags: as given to the allocator
 * @n: how many
 * @p: the objects; a single one may be NULL, and then there is none
 *
 * Context: Process context, or any other, where nobody is charged. May sleep if @flags
 * say so.
 * Return: true if charged, or if nobody is to be; else some may be charged, and all are
 * to be freed.
 */
static __always_inline bool bc_slab_charge(struct kmem_cache *s, gfp_t flags,
					   size_t n, void **p)
{
	if (!static_branch_unlikely(&bc_enabled_key.key))
		return true;
	if (likely(!(flags & __GFP_ACCOUNT) && !(s->flags & SLAB_ACCOUNT)))
		return true;
	/* What the page cache needs beside its pages: who prunes cannot have that back. */
	if (SLAB_RECLAIM_ACCOUNT && (s->flags & SLAB_RECLAIM_ACCOUNT) &&
	    !(s->flags & (SLAB_ACCOUNT | SLAB_KMALLOC)))
		return true;
	if (!bc_may_charge(current) || !in_task())
		return true;
	/* Mostly a constant. */
	if (n == 1)
		return __bc_slab_charge(s, flags, *p);
	return __bc_slab_charge_bulk(s, flags, n, p);
}

/**
 * bc_slab_uncharge - uncharge objects that are about to be freed, if they are charged
 * @s: the cache that they are from
 * @slab: the slab that they are all in
 * @p: the objects
 * @n: how many
 *
 * Context: Any but NMI.
 */
static __always_inline void bc_slab_uncharge(struct kmem_cache *s, struct slab *slab,
					     void **p, int n)
{
	struct slabobj_ext *vec;

	if (!static_branch_unlikely(&bc_enabled_key.key))
		return;
	vec = slab_obj_exts(slab);
	if (!vec)
		return;
	for (; n > 0; n--)
		__bc_slab_uncharge(s, slab, vec, *p++);
}

#else /* !CONFIG_BEANCOUNTERS */

static inline bool bc_slab_charge(struct kmem_cache *s, gfp_t flags, size_t n, void **p)
{
	return true;
}

static inline void bc_slab_uncharge(struct kmem_cache *s, struct slab *slab,
				    void **p, int n) { }

#endif /* CONFIG_BEANCOUNTERS */
#endif /* _LINUX_BC_SLAB_H */
