/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_RELEASE_H
#define _BC_RELEASE_H

struct bc_group;
struct bc_hierarchy;
struct seq_file;

void bc_release_queue(struct bc_group *group);
int bc_release_set_agent(struct bc_hierarchy *h, const char *path);
void bc_release_show_agent(struct bc_hierarchy *h, struct seq_file *m);

#endif /* _BC_RELEASE_H */
