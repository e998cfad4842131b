/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_SABOTAGE_H
#define _BC_SABOTAGE_H

#include <linux/compiler.h>
#include <linux/types.h>

/* What can be broken on purpose, by name in debugfs: bc/sabotage. */
#define BC_SABOTAGES(x)							\
	x(none)			/* all is well */			\
	x(uncharge)		/* an uncharge is forgotten */		\
	x(limit)		/* the limit is overlooked */		\
	x(barrier)		/* the barrier is overlooked */		\
	x(force)		/* a forced charge is refused */	\
	x(parent)		/* only the group itself is asked */	\
	x(overshoot)		/* charge first, look at the limit then */ \
	x(rollback)		/* a refused charge stays with the children */ \
	x(maxheld)		/* maxheld is raised before all have agreed */ \
	x(lost_maxheld)		/* maxheld is raised by a plain store */ \
	x(minheld)		/* minheld is not lowered */		\
	x(failcnt)		/* failcnt counts where the charge began */ \
	x(drain)		/* refused without taking credit back */ \
	x(crossing)		/* credit is left with the CPUs above the barrier */ \
	x(hoard)		/* limits are set, and credit is left alone */ \
	x(refork)		/* a new thread does not follow its process */ \
	x(siblings)		/* only one thread of a process is moved */

enum bc_sabotage {
#define BC_SABOTAGE_ENUM(name) BC_SABOTAGE_##name,
	BC_SABOTAGES(BC_SABOTAGE_ENUM)
#undef BC_SABOTAGE_ENUM
};

#ifdef CONFIG_BC_SABOTAGE
extern enum bc_sabotage bc_sabotage;
#define bc_sabotaged(what) \
	unlikely(READ_ONCE(bc_sabotage) == BC_SABOTAGE_##what)
#else
#define bc_sabotaged(what) false
#endif

#endif /* _BC_SABOTAGE_H */
