/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_PHYSPAGES_H
#define _BC_PHYSPAGES_H

struct bc_css;
struct mm_struct;

void bc_physpages_add_mm(struct bc_css *css, struct mm_struct *mm);
void bc_physpages_remove_mm(struct bc_css *css, struct mm_struct *mm);

#endif /* _BC_PHYSPAGES_H */
