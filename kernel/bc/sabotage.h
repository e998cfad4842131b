/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_SABOTAGE_H
#define _BC_SABOTAGE_H

#include <linux/compiler.h>
#include <linux/kconfig.h>
#include <linux/types.h>

/* What can be broken on purpose, by name in debugfs: bc/sabotage. */
enum bc_sabotage {
	BC_SABOTAGE_NONE,		/* all is well */
	BC_SABOTAGE_UNCHARGE,		/* an uncharge is forgotten */
	BC_SABOTAGE_LIMIT,		/* the limit is overlooked */
	BC_SABOTAGE_BARRIER,		/* the barrier is overlooked */
	BC_SABOTAGE_FORCE,		/* a forced charge is refused */
	BC_SABOTAGE_PARENT,		/* only the group itself is asked */
	BC_SABOTAGE_OVERSHOOT,		/* charge first, look at the limit then */
	BC_SABOTAGE_ROLLBACK,		/* a refused charge stays with the children */
	BC_SABOTAGE_MAXHELD,		/* maxheld is raised before all have agreed */
	BC_SABOTAGE_LOST_MAXHELD,	/* maxheld is set, whatever it was */
	BC_SABOTAGE_MINHELD,		/* minheld is not lowered */
	BC_SABOTAGE_FAILCNT,		/* failcnt counts where the charge began */
	BC_SABOTAGE_DRAIN,		/* refused without taking credit back */
	BC_SABOTAGE_CROSSING,		/* credit is left with the CPUs above the barrier */
	BC_SABOTAGE_HOARD,		/* limits are set, and credit is left alone */
	BC_SABOTAGE_LINGER,		/* the last uncharge does not end a counter */
	BC_SABOTAGE_OWNER,		/* who frees an object is uncharged for it */
	BC_SABOTAGE_PRIVILEGE,		/* the barrier binds the privileged, too */
	BC_SABOTAGE_REFORK,		/* a new thread does not follow its process */
	BC_SABOTAGE_SIBLINGS,		/* only one thread of a process is moved */
	BC_SABOTAGE_VETO,		/* after all have agreed, a move is refused */
	BC_SABOTAGE_MEMBERSHIPS,	/* a move takes a task out of other hierarchies */
	BC_SABOTAGE_RELEASE,		/* the release agent is not told */
	BC_SABOTAGE_MISSED,		/* nor if a move is refused at that moment */
	BC_SABOTAGE_USED,		/* a refused move counts as use */
	BC_SABOTAGE_LEFTOVER,		/* the group of a failed clone stays */
	BC_SABOTAGE_LOST,		/* lost events are not counted */
	BC_SABOTAGE_ENDLESS,		/* a subscription whose end was lost stays */
	BC_SABOTAGE_SHOW,		/* over netlink, everybody may see everything */
	BC_SABOTAGE_TOLD,		/* every refusal is logged */
	BC_SABOTAGE_RUNTIME,		/* groups above do not learn of run time */
	BC_SABOTAGE_NARROW,		/* sets of CPUs and nodes restrict nobody */
	BC_SABOTAGE_RULES,		/* sets may be anything */
	BC_SABOTAGE_LEAVE_MM,		/* address spaces do not move along */
	BC_SABOTAGE_SETTLE,		/* what was unmapped stays charged */
	BC_SABOTAGE_EVICT,		/* shared memory that is gone stays charged */
	BC_SABOTAGE_LATE,		/* who was late does not learn what it has missed */
	BC_SABOTAGE_FAULT,		/* a page fault is refused memory */
	BC_SABOTAGE_PRUNE,		/* nothing is pruned */
	BC_SABOTAGE_FOREIGN,		/* anybody's cache is pruned */
	BC_SABOTAGE_RECLAIM,		/* no page is reclaimed */
	BC_SABOTAGE_BYSTANDER,		/* anybody may be killed for a group without room */
	BC_SABOTAGE_TURNS,		/* of those who wait for room, not all are woken */
	BC_SABOTAGE_ASLEEP,		/* who waits for room in a group is not woken */
	BC_SABOTAGE_WHOLE,		/* of a page that is shared, each has all */
	BC_SABOTAGE_TWICE,		/* a page that was paid for is charged once more */
	BC_SABOTAGE_YOUNG,		/* pages that were used just now are reclaimed, too */
	BC_SABOTAGE_OTHERS,		/* and those that others use who share them */
	BC_SABOTAGE_ELDERS,		/* pages of groups below are not, if there are others */
	BC_SABOTAGE_HASTY,		/* reclaim goes around small processes more often */
	BC_SABOTAGE_EAGER,		/* and does not pass them over when all is in use */
	BC_SABOTAGE_SPARE,		/* who may not be killed is, when all of a group are */
	BC_SABOTAGE_COPIES,		/* pages keep their slots in swap when they are read */
	BC_SABOTAGE_NEIGHBOURS,		/* slots are uncharged from who has the first of them */
	BC_SABOTAGE_FIRST,		/* a socket with nothing to send is refused, too */
};

extern enum bc_sabotage bc_sabotage;

static inline bool bc_sabotaged(enum bc_sabotage what)
{
	return IS_ENABLED(CONFIG_BC_SABOTAGE) &&
	       unlikely(READ_ONCE(bc_sabotage) == what);
}

#endif /* _BC_SABOTAGE_H */
