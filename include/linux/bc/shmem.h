/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how shared memory is charged: what mm/shmem.c calls.
 * kernel/bc/shmpages.c has the rules.
 */
#ifndef _LINUX_BC_SHMEM_H
#define _LINUX_BC_SHMEM_H

#include <linux/bc/charge.h>
#include <linux/fs.h>
#include <linux/types.h>

/* Else shmem is a ramfs. */
#if defined(CONFIG_BEANCOUNTERS) && defined(CONFIG_SHMEM) && defined(CONFIG_MMU)

int __bc_shmem_create(struct inode *inode);
bool __bc_shmem_charge(struct inode *inode, unsigned long pages);
void __bc_shmem_uncharge(struct inode *inode, unsigned long pages);
int __bc_shmem_resize(struct inode *inode, loff_t size);
void __bc_shmem_evict(struct inode *inode);
bool __bc_shmem_lock(struct inode *inode);
void __bc_shmem_unlock(struct inode *inode);

/**
 * bc_shmem_create - let a shared memory object belong to the group of who makes it
 * @inode: the object, with its size, which nobody else has seen
 *
 * One whose size is reserved (no VM_NORESERVE) is charged as a whole.
 *
 * Context: Process context. May sleep.
 * Return: 0 or -ENOMEM.
 */
static inline int bc_shmem_create(struct inode *inode)
{
	return bc_may_charge(current) ? __bc_shmem_create(inode) : 0;
}

/**
 * bc_shmem_charge - charge pages that are about to be added to a file
 * @inode: the file; nothing happens if its size is reserved
 * @pages: how many
 *
 * Context: Process context. May sleep.
 * Return: false if there is no room.
 */
static inline bool bc_shmem_charge(struct inode *inode, unsigned long pages)
{
	if (static_branch_unlikely(&bc_enabled_key.key))
		return __bc_shmem_charge(inode, pages);
	return true;
}

/**
 * bc_shmem_uncharge - uncharge pages that have not been added, or have gone
 * @inode: the file; nothing happens if its size is reserved
 * @pages: how many
 *
 * Context: Process context. May sleep.
 */
static inline void bc_shmem_uncharge(struct inode *inode, unsigned long pages)
{
	/* Who has anything charged keeps the key on. */
	if (static_branch_unlikely(&bc_enabled_key.key))
		__bc_shmem_uncharge(inode, pages);
}

/**
 * bc_shmem_resize - charge for another size, if that is reserved
 * @inode: the object
 * @size: what it is going to be; or what it remains, if that failed
 *
 * Context: Process context, i_rwsem is held. May sleep.
 * Return: 0 or -ENOMEM.
 */
static inline int bc_shmem_resize(struct inode *inode, loff_t size)
{
	if (static_branch_unlikely(&bc_enabled_key.key))
		return __bc_shmem_resize(inode, size);
	return 0;
}

/**
 * bc_shmem_evict - uncharge an object that has gone
 * @inode: the object
 *
 * Context: Process context. May sleep.
 */
static inline void bc_shmem_evict(struct inode *inode)
{
	if (static_branch_unlikely(&bc_enabled_key.key))
		__bc_shmem_evict(inode);
}

/**
 * bc_shmem_lock - charge for locking an object in memory (SHM_LOCK)
 * @inode: the object
 *
 * Context: Process context; does not sleep.
 * Return: false if there is no room.
 */
static inline bool bc_shmem_lock(struct inode *inode)
{
	return bc_may_charge(current) ? __bc_shmem_lock(inode) : true;
}

/**
 * bc_shmem_unlock - undo bc_shmem_lock()
 * @inode: the object
 *
 * Context: as bc_shmem_lock().
 */
static inline void bc_shmem_unlock(struct inode *inode)
{
	if (static_branch_unlikely(&bc_enabled_key.key))
		__bc_shmem_unlock(inode);
}

#else /* !CONFIG_BEANCOUNTERS || !CONFIG_SHMEM || !CONFIG_MMU */

static inline int bc_shmem_create(struct inode *inode)
{
	return 0;
}

static inline bool bc_shmem_charge(struct inode *inode, unsigned long pages)
{
	return true;
}

static inline void bc_shmem_uncharge(struct inode *inode, unsigned long pages) { }

static inline int bc_shmem_resize(struct inode *inode, loff_t size)
{
	return 0;
}

static inline void bc_shmem_evict(struct inode *inode) { }

static inline bool bc_shmem_lock(struct inode *inode)
{
	return true;
}

static inline void bc_shmem_unlock(struct inode *inode) { }

#endif
#endif /* _LINUX_BC_SHMEM_H */
