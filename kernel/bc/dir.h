/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_DIR_H
#define _BC_DIR_H

struct bc_group;

struct bc_group *bc_dir_make(struct bc_group *parent, const char *name);
void bc_dir_remove(struct bc_group *group);

#endif /* _BC_DIR_H */
