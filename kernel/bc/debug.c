// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: debug, a controller that shows what is behind a group (Menage's task
 * containers, as the debug controller of cgroups).
 *
 * What a developer should know:
 *
 * - taskcount is counted by walking the tasks, exiting ones left out. While threads exit,
 *   others of their process may be counted twice.
 * - bc_refcount is what keeps the group: its directory, its children, and whoever looks
 *   at it. Tasks and charged objects hold no references.
 * - current_css_group is that of the reading task, wherever it is: a number that stands
 *   for its address, 0 in all roots; current_css_group_refcount is how many tasks, forks
 *   and moves share it.
 * - css_groups is how many different sets of memberships there are with this group in
 *   them; in a root, how many there are at all.
 */
#include <linux/bc/core.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

static struct bc_css *debug_alloc(const struct bc_controller *controller,
				  struct bc_css *parent)
{
	struct bc_css *css = kzalloc(sizeof(*css), GFP_KERNEL_ACCOUNT);

	return css ?: ERR_PTR(-ENOMEM);
}

static void debug_free(struct bc_css *css)
{
	kfree(css);
}

static ssize_t bc_debug_taskcount_show(struct config_item *item, char *page)
{
	struct bc_group *group = bc_item_group(item);
	struct task_struct *task;
	struct bc_task_iter iter;
	unsigned long n = 0;

	bc_task_iter_start(&iter, NULL);
	while ((task = bc_task_iter_next(&iter))) {
		guard(rcu)();
		n += bc_task_group(task, group->hierarchy) == group &&
		     !(bc_task_flags(task) & PF_EXITING);
	}
	return sysfs_emit(page, "%lu\n", n);
}

static ssize_t bc_debug_bc_refcount_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n",
			  refcount_read(&bc_item_group(item)->refs));
}

static ssize_t bc_debug_current_css_group_show(struct config_item *item, char *page)
{
	struct css_group *cg;

	guard(rcu)();
	cg = rcu_dereference(current->css_group);
	/* Hashed, as all addresses are that userspace is shown. */
	return cg ? sysfs_emit(page, "%p\n", cg) : sysfs_emit(page, "0\n");
}

static ssize_t bc_debug_current_css_group_refcount_show(struct config_item *item,
							char *page)
{
	struct css_group *cg;

	guard(rcu)();
	cg = rcu_dereference(current->css_group);
	return sysfs_emit(page, "%u\n", cg ? refcount_read(&cg->refs) : 0);
}

static ssize_t bc_debug_css_groups_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", bc_nr_css_groups(bc_item_group(item)));
}

CONFIGFS_ATTR_RO(bc_debug_, taskcount);
CONFIGFS_ATTR_RO(bc_debug_, bc_refcount);
CONFIGFS_ATTR_RO(bc_debug_, current_css_group);
CONFIGFS_ATTR_RO(bc_debug_, current_css_group_refcount);
CONFIGFS_ATTR_RO(bc_debug_, css_groups);

static struct configfs_attribute *debug_attrs[] = {
	&bc_debug_attr_taskcount,
	&bc_debug_attr_bc_refcount,
	&bc_debug_attr_current_css_group,
	&bc_debug_attr_current_css_group_refcount,
	&bc_debug_attr_css_groups,
	NULL
};

const struct bc_controller bc_debug_controller = {
	.name		= "debug",
	.attrs		= debug_attrs,
	.css_alloc	= debug_alloc,
	.css_free	= debug_free,
};
