/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how a group can have back what its dentries and inodes take.
 *
 * kernel/bc/dcachesize.c has the rules and the reasons.
 */
#ifndef _LINUX_BC_DCACHE_H
#define _LINUX_BC_DCACHE_H

#include <linux/types.h>

struct dentry;
struct inode;

#ifdef CONFIG_BEANCOUNTERS

#include <linux/bc/charge.h>
#include <linux/sched.h>

void __bc_dcache_gone(const void *obj);
bool __bc_dcache_keep(const struct dentry *dentry);
bool __bc_dcache_drop_inode(struct inode *inode);
void __bc_dcache_settle(void);

/**
 * bc_dcache_gone - uncharge what is freed after a grace period
 * @obj: a slab object, or what is within one. It cannot be found any more, but for who
 *	has found it already, under RCU.
 *
 * Who prunes needs room now, and who makes and removes files in a loop is not to be
 * refused because RCU takes its time.
 *
 * Context: Any but NMI. Takes no lock, does not sleep.
 */
static __always_inline void bc_dcache_gone(const void *obj)
{
	if (static_branch_unlikely(&bc_enabled_key.key))
		__bc_dcache_gone(obj);
}

/* Does the current task prune some group's caches? */
static __always_inline bool bc_dcache_pruning(void)
{
	return static_branch_unlikely(&bc_enabled_key.key) && unlikely(current->bc_prune);
}

/**
 * bc_dcache_keep - is a dentry to stay, though its last child was pruned?
 * @dentry: the dentry, locked
 *
 * Context: Process context.
 * Return: true if the current task prunes for a group, and the dentry is another one's.
 */
static __always_inline bool bc_dcache_keep(const struct dentry *dentry)
{
	return bc_dcache_pruning() && __bc_dcache_keep(dentry);
}

/**
 * bc_dcache_drop_inode - is an inode to go with the last dentry that was pruned?
 * @inode: the inode, with i_lock held; nobody uses it
 *
 * Context: Process context.
 * Return: true if the current task prunes for the inode's group, and nothing of it has to
 * be written.
 */
static __always_inline bool bc_dcache_drop_inode(struct inode *inode)
{
	return bc_dcache_pruning() && __bc_dcache_drop_inode(inode);
}

/**
 * bc_dcache_settle - on the way back to user mode, make room for what could not be refused
 *
 * Context: Process context, without any lock. May sleep.
 */
static __always_inline void bc_dcache_settle(void)
{
	if (static_branch_unlikely(&bc_enabled_key.key) && unlikely(current->bc_dcache_over))
		__bc_dcache_settle();
}

#else /* !CONFIG_BEANCOUNTERS */

static inline void bc_dcache_gone(const void *obj) { }

static inline bool bc_dcache_keep(const struct dentry *dentry)
{
	return false;
}

static inline bool bc_dcache_drop_inode(struct inode *inode)
{
	return false;
}

static inline void bc_dcache_settle(void) { }

#endif /* CONFIG_BEANCOUNTERS */
#endif /* _LINUX_BC_DCACHE_H */
