/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: what css_groups, groups, hierarchies and moves share, see core.c.
 */
#ifndef _BC_CORE_H
#define _BC_CORE_H

#include <linux/bc/core.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

/* core.c, which says what they protect */
extern struct mutex bc_mutex;
extern spinlock_t css_group_lock;

void bc_want_tasks(const struct bc_controller *c, int id, bool on);

/* controller.c */
extern struct module *bc_owners[BC_NR_CONTROLLERS];

/* group.c */
void bc_group_init(struct bc_group *group, struct bc_group *parent,
		   struct bc_hierarchy *h);
int bc_group_alloc_css(struct bc_group *group);
void bc_group_check_release(struct bc_group *group, bool used);
void bc_groups_changed(struct bc_hierarchy *h);

/* hierarchy.c */
int bc_hierarchy_init(void);

/**
 * bc_controller_hierarchy - the hierarchy that a controller is bound to
 * @id: the controller, which is there
 *
 * Context: bc_mutex or bc_hierarchies_rwsem is held.
 */
static inline struct bc_hierarchy *bc_controller_hierarchy(unsigned int id)
{
	return bc_root_css[id]->group->hierarchy;
}

#endif /* _BC_CORE_H */
