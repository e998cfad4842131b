/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_DIR_H
#define _BC_DIR_H

#include <linux/bc/types.h>

struct bc_group;
struct configfs_attribute;
struct configfs_subsystem;
struct dentry;

/* The files of a counter. */
enum bc_file {
	BC_FILE_HELD,
	BC_FILE_MAXHELD,
	BC_FILE_MINHELD,
	BC_FILE_BARRIER,
	BC_FILE_LIMIT,
	BC_FILE_FAILCNT,
	BC_NR_FILES
};

/**
 * struct bc_view - what somebody sees of a group
 * @list: the names of the groups one level down
 * @files: a bit for each enum bc_file that can be read, by controller
 */
struct bc_view {
	bool	list;
	u8	files[BC_NR_CONTROLLERS];
};

/* configfs.c */
extern struct configfs_subsystem bc_hierarchies_subsys;
extern struct configfs_attribute bc_dir_attr_tasks;
/* By enum bc_file, ended by NULL. */
extern struct configfs_attribute *bc_res_attrs[BC_NR_FILES + 1];

struct bc_group *bc_dir_make(struct bc_group *parent, const char *name);
void bc_dir_remove(struct bc_group *group);

/* view.c */
struct dentry *bc_dir_find(struct bc_group *group);
int bc_dir_may_enter(struct bc_group *group);
int bc_dir_may_own(struct bc_group *group);
int bc_dir_view(struct bc_group *group, struct bc_view *view);

#endif /* _BC_DIR_H */
