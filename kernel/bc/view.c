// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: what the current task may do with directories and files, for netlink.c.
 *
 * As the VFS decides, but for security modules that judge by the file of an attribute,
 * which need not have an inode, and for mounts, of which none need be in sight.
 *
 * Locking: the caller has bc_lock(), so that directories stay. Dentries are found in the
 * dcache, by a reference; no lock of a directory is taken.
 */
#include <linux/bc/core.h>
#include <linux/bits.h>
#include <linux/configfs.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/lockdep.h>
#include <linux/mnt_idmapping.h>
#include <linux/string.h>

#include "dir.h"

/* A directory in another one, with a reference, or NULL. */
static struct dentry *find_dentry(struct dentry *dir, const char *name)
{
	struct qstr qname = QSTR_INIT(name, strlen(name));
	struct dentry *dentry = d_hash_and_lookup(dir, &qname);

	if (IS_ERR_OR_NULL(dentry))
		return NULL;
	if (d_really_is_positive(dentry))
		return dentry;
	dput(dentry);
	return NULL;
}

/**
 * bc_dir_find - the directory of a group
 * @group: the group
 *
 * By name, as of one that is being made, and may fail to be, nothing can be relied on. Where
 * there is a child, all is well with the parent.
 *
 * Context: Between bc_lock() and bc_unlock(). May sleep.
 * Return: the directory, with a reference; NULL: it is being made, or gone.
 */
struct dentry *bc_dir_find(struct bc_group *group)
{
	struct config_item *parent = &bc_hierarchies_subsys.su_group.cg_item;

	lockdep_assert(bc_lock_is_held());

	if (group->dead)
		return NULL;
	if (group == &bc_default_hierarchy.root)
		return dget(group->item->ci_dentry);
	if (group->parent)
		parent = group->parent->item;
	return find_dentry(parent->ci_dentry, group->name);
}

static int dentry_permission(struct dentry *dentry, int mask)
{
	return inode_permission(&nop_mnt_idmap, d_inode(dentry), mask);
}

/* May the current task come to a directory, from that of configfs? */
static int may_reach(struct dentry *dentry)
{
	int err = 0;

	/* There is no rename in configfs. */
	while (!err && !IS_ROOT(dentry)) {
		dentry = dentry->d_parent;
		err = dentry_permission(dentry, MAY_EXEC);
	}
	return err;
}

/**
 * bc_dir_may_enter - may the current task enter the directory of a group?
 * @group: the group
 *
 * Context: Between bc_lock() and bc_unlock(). May sleep.
 * Return: 0; -EACCES, also if not that of a group above; -ENOENT.
 */
int bc_dir_may_enter(struct bc_group *group)
{
	struct dentry *dentry = bc_dir_find(group);
	int err;

	if (!dentry)
		return -ENOENT;
	err = may_reach(dentry) ?: dentry_permission(dentry, MAY_EXEC);
	dput(dentry);
	return err;
}

/**
 * bc_dir_may_own - does the current task own a subtree of groups?
 * @group: its uppermost group
 *
 * It does if it may write to the directory, and to tasks in there: that is what is given
 * away with a subtree.
 *
 * Context: Between bc_lock() and bc_unlock(). May sleep.
 * Return: 0; -EACCES; -ENOENT.
 */
int bc_dir_may_own(struct bc_group *group)
{
	struct dentry *dentry = bc_dir_find(group);
	int err;

	if (!dentry)
		return -ENOENT;
	err = may_reach(dentry) ?: dentry_permission(dentry, MAY_WRITE | MAY_EXEC);
	err = err ?: configfs_attr_permission(dentry, &bc_dir_attr_tasks, MAY_WRITE);
	dput(dentry);
	return err;
}

/* Which files of a counter can be read? */
static unsigned int readable_files(struct dentry *dir, const struct bc_controller *c)
{
	struct dentry *dentry = find_dentry(dir, c->name);
	unsigned int files = 0;
	int i;

	if (!dentry)
		return 0;
	if (!dentry_permission(dentry, MAY_EXEC)) {
		for (i = 0; i < BC_NR_FILES; i++) {
			if (!configfs_attr_permission(dentry, bc_res_attrs[i], MAY_READ))
				files |= BIT(i);
		}
	}
	dput(dentry);
	return files;
}

/**
 * bc_dir_view - restrict a view of a group to what the current task sees
 * @group: the group
 * @view: the view
 *
 * Context: Between bc_lock() and bc_unlock(). May sleep.
 * Return: 0; -EACCES: it may not enter the group's directory, if it comes there at all;
 * -ENOENT.
 */
int bc_dir_view(struct bc_group *group, struct bc_view *view)
{
	struct dentry *dentry = bc_dir_find(group);
	int id, err;

	if (!dentry)
		return -ENOENT;
	err = dentry_permission(dentry, MAY_EXEC);
	if (!err && dentry_permission(dentry, MAY_READ))
		view->list = false;
	for (id = 0; !err && id < BC_NR_CONTROLLERS; id++) {
		if (view->files[id] && group->css[id] && !bc_controllers[id]->attrs)
			view->files[id] &= readable_files(dentry, bc_controllers[id]);
	}
	dput(dentry);
	return err;
}
