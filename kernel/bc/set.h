/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_SET_H
#define _BC_SET_H

#include <linux/bc/core.h>
#include <linux/types.h>

struct config_item;

struct bc_set;

/**
 * struct bc_set_type - what cpuset and nodeset differ in
 * @possible: all that there can ever be on this machine
 * @usable: what can be used now
 * @nbits: how many bits these have, and all others
 * @check: may the set become this? Called last, under bc_lock(). Optional.
 * @prepare: the set is about to become this. Called under bc_lock().
 * @update_task: make a task what it is to be where it is now. May sleep.
 * @finish: the set has changed from @old, and the tasks know; @lifted: it restricts
 *	nothing any more. May sleep. Optional.
 */
struct bc_set_type {
	const unsigned long	*possible;
	const unsigned long	*usable;
	unsigned int		nbits;
	int			(*check)(struct bc_set *set, const unsigned long *bits);
	void			(*prepare)(struct bc_set *set, const unsigned long *bits);
	void			(*update_task)(struct task_struct *task);
	void			(*finish)(struct bc_set *set, const unsigned long *old,
					  bool lifted);
};

/**
 * struct bc_set_mask - what is in a set; is replaced, and never changes
 * @rcu: frees it
 * @bits: the CPUs or nodes
 */
struct bc_set_mask {
	struct rcu_head		rcu;
	unsigned long		bits[];
};

/**
 * struct bc_set - the state of a controller that restricts tasks to CPUs or nodes
 * @css: as for every controller
 * @type: which kind
 * @mask: what tasks of the group may use. Written under bc_lock().
 * @exclusive: siblings may have nothing of it. Protected by bc_lock(), as is the next.
 * @nr_exclusive: how many sets one level down are exclusive, some that have been removed
 *	among them
 */
struct bc_set {
	struct bc_css			css;
	const struct bc_set_type	*type;
	struct bc_set_mask __rcu	*mask;
	bool				exclusive;
	unsigned int			nr_exclusive;
};

static inline struct bc_set *to_bc_set(struct bc_css *css)
{
	return container_of(css, struct bc_set, css);
}

int bc_set_init(struct bc_set *set, const struct bc_set_type *type,
		struct bc_set *parent);
void bc_set_offline(struct bc_css *css);
void bc_set_destroy(struct bc_set *set);
const unsigned long *bc_set_bits(struct bc_set *set);
bool bc_set_restricts(struct bc_set *set);
bool bc_set_would_restrict(const struct bc_set_type *type, const unsigned long *bits);
bool bc_set_usable(struct bc_set *set);
bool bc_set_narrow(struct bc_set *set, unsigned long *out, const unsigned long *in,
		   const unsigned long *prefer);
bool bc_set_concerns(struct bc_set *changed, struct task_struct *task);
void bc_set_update_tasks(struct bc_set *changed);
void bc_set_update_process(const struct bc_set_type *type, struct task_struct *task,
			   bool process);

ssize_t bc_set_show(struct config_item *item, char *page);
ssize_t bc_set_store(struct config_item *item, const char *page, size_t count);
ssize_t bc_set_effective_show(struct config_item *item, char *page);
ssize_t bc_set_exclusive_show(struct config_item *item, char *page);
ssize_t bc_set_exclusive_store(struct config_item *item, const char *page,
			       size_t count);

#endif /* _BC_SET_H */
