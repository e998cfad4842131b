// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: shmpages, the shared memory of a group.
 *
 * What an administrator should know:
 *
 * - A SysV segment, and a shared anonymous mapping, counts with its whole size from when
 *   it is made, touched or not, and is charged to the group of who makes it. With
 *   SHM_NORESERVE or MAP_NORESERVE it counts page by page, as it is touched, as does a
 *   memfd: they all are charged to who has made the object, whoever touches it.
 * - A file in a tmpfs counts page by page, and each page is charged to the group of who
 *   writes it, so that nobody can fill what others have made for free. When a part of a
 *   file is truncated, what the task that does so has written goes first, then what was
 *   charged to nobody, then what others have written.
 * - It stays charged until the object, or the page, is gone; pages that are swapped out go
 *   on counting.
 * - Above the barrier, shmget(2) and mmap(2) fail with ENOMEM, write(2) and fallocate(2)
 *   with ENOSPC, and who touches a page gets SIGBUS, as with a full tmpfs.
 * - The sum of Shmem in /proc/meminfo has the pages that are there, and not those which
 *   are reserved. Huge pages of hugetlbfs count in neither.
 *
 * cgroups count pages of shared memory that are there, as one kind of memory among
 * others; they have no limit for it.
 *
 * What is charged to nobody is not known to the page: writers who are under way when the
 * first group comes, or when pages go, can be counted in or left out. So a group may be
 * charged for some pages less than it has, one for each such writer, until the file goes.
 *
 * Locking: the lock that shmem has in each inode (info->lock) protects info->bc, but for
 * what is locked, where shmem has no lock either: SysV IPC has one. An owner holds a
 * reference to the group's state, as it may have no pages; of a file in a tmpfs, an owner
 * of no pages goes.
 */
#include <linux/bc/core.h>
#include <linux/bc/shmem.h>
#include <linux/cleanup.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmstat.h>

#include "sabotage.h"

/**
 * struct shmem_owner - one of those who have paid for an object
 * @node: in the object's list
 * @css: the group's state for shmpages, by reference
 * @pages: how many
 */
struct shmem_owner {
	struct hlist_node	node;
	struct bc_css		*css;
	unsigned long		pages;
};

/* Made for one user, who pays for it; not a file in a tmpfs. */
static bool is_object(const struct inode *inode)
{
	/* A remount changes others. */
	return READ_ONCE(inode->i_sb->s_flags) & SB_KERNMOUNT;
}

static bool is_reserved(struct inode *inode)
{
	/* That flag never changes; another one, of SHM_LOCK, does. */
	return !(data_race(READ_ONCE(SHMEM_I(inode)->flags)) & VM_NORESERVE);
}

static struct shmem_owner *find_owner(struct shmem_inode_info *info,
				      const struct bc_css *css)
{
	struct shmem_owner *owner;

	lockdep_assert_held(&info->lock);

	hlist_for_each_entry(owner, &info->bc.owners, node) {
		if (owner->css == css)
			return owner;
	}
	return NULL;
}

static struct shmem_owner *alloc_owner(struct bc_css *css, unsigned long pages)
{
	struct shmem_owner *owner = kmalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);

	if (owner) {
		owner->css = css;
		owner->pages = pages;
	}
	return owner;
}

static void uncharge(struct shmem_owner *owner, unsigned long pages)
{
	owner->pages -= pages;
	bc_counter_uncharge(&to_bc_resource(owner->css)->counter, pages);
}

static void free_owner(struct shmem_owner *owner)
{
	hlist_del(&owner->node);
	bc_css_put(owner->css);
	kfree(owner);
}

int __bc_shmem_create(struct inode *inode)
{
	struct shmem_inode_info *info = SHMEM_I(inode);
	unsigned long pages = is_reserved(inode) ? PFN_UP(inode->i_size) : 0;
	struct bc_css *css = bc_task_css_get(current, BC_ID_shmpages);
	struct shmem_owner *owner;

	if (!css)
		return 0;
	owner = pages <= BC_MAX ? alloc_owner(css, pages) : NULL;
	if (!owner || (pages && !bc_resource_try_charge(css, pages, BC_BARRIER))) {
		kfree(owner);
		bc_css_put(css);
		return -ENOMEM;
	}
	hlist_add_head(&owner->node, &info->bc.owners);
	return 0;
}

/* Note that somebody, whose state has a reference for that, has paid for pages. */
static bool charge_pages(struct inode *inode, struct bc_css *css, unsigned long pages)
{
	struct shmem_inode_info *info = SHMEM_I(inode);
	struct shmem_owner *owner, *new = NULL;

	for (;;) {
		scoped_guard(spinlock, &info->lock) {
			owner = find_owner(info, css);
			if (!owner && new) {
				if (hlist_empty(&info->bc.owners))
					info->bc.nobody = info->alloced;
				hlist_add_head(&new->node, &info->bc.owners);
				return true;
			}
			if (owner)
				owner->pages += pages;
		}
		if (owner) {
			/* It has one reference already. */
			bc_css_put(css);
			kfree(new);
			return true;
		}
		new = alloc_owner(css, pages);
		if (!new)
			return false;
	}
}

static bool charge_writer(struct inode *inode, unsigned long pages)
{
	struct shmem_inode_info *info = SHMEM_I(inode);
	struct bc_css *css = NULL;

	if (!(current->flags & PF_KTHREAD))
		css = bc_task_css_get(current, BC_ID_shmpages);
	if (!css) {
		spin_lock(&info->lock);
		if (!hlist_empty(&info->bc.owners))
			info->bc.nobody += pages;
		spin_unlock(&info->lock);
		return true;
	}
	if (!bc_resource_try_charge(css, pages, BC_BARRIER)) {
		bc_css_put(css);
		return false;
	}
	if (!charge_pages(inode, css, pages)) {
		bc_counter_uncharge(&to_bc_resource(css)->counter, pages);
		bc_css_put(css);
		return false;
	}
	return true;
}

static bool charge_maker(struct inode *inode, unsigned long pages)
{
	struct shmem_inode_info *info = SHMEM_I(inode);
	struct shmem_owner *maker;
	bool ok = true;

	spin_lock(&info->lock);
	maker = hlist_entry_safe(info->bc.owners.first, struct shmem_owner, node);
	if (maker)
		ok = bc_resource_try_charge(maker->css, pages, BC_BARRIER);
	if (maker && ok)
		maker->pages += pages;
	spin_unlock(&info->lock);
	return ok;
}

bool __bc_shmem_charge(struct inode *inode, unsigned long pages)
{
	if (is_reserved(inode))
		return true;
	return is_object(inode) ? charge_maker(inode, pages) : charge_writer(inode, pages);
}

/* Take up to @pages from an owner. Returns how many are left to be taken. */
static unsigned long take_pages(struct inode *inode, struct shmem_owner *owner,
				unsigned long pages)
{
	unsigned long n = min(pages, owner->pages);

	uncharge(owner, n);
	if (!owner->pages && !is_object(inode))
		free_owner(owner);
	return pages - n;
}

void __bc_shmem_uncharge(struct inode *inode, unsigned long pages)
{
	struct shmem_inode_info *info = SHMEM_I(inode);
	struct shmem_owner *owner;
	struct hlist_node *next;
	unsigned long n;

	if (is_reserved(inode) || hlist_empty(&info->bc.owners))
		return;
	spin_lock(&info->lock);
	rcu_read_lock();
	owner = find_owner(info, bc_task_css(current, BC_ID_shmpages));
	if (owner)
		pages = take_pages(inode, owner, pages);
	n = min(pages, info->bc.nobody);
	info->bc.nobody -= n;
	pages -= n;
	hlist_for_each_entry_safe(owner, next, &info->bc.owners, node) {
		if (!pages)
			break;
		pages = take_pages(inode, owner, pages);
	}
	rcu_read_unlock();
	spin_unlock(&info->lock);
}

int __bc_shmem_resize(struct inode *inode, loff_t size)
{
	struct shmem_inode_info *info = SHMEM_I(inode);
	unsigned long pages = PFN_UP(size);
	struct shmem_owner *maker;
	int err = 0;

	if (!is_reserved(inode))
		return 0;
	spin_lock(&info->lock);
	maker = hlist_entry_safe(info->bc.owners.first, struct shmem_owner, node);
	if (maker && pages <= maker->pages)
		uncharge(maker, maker->pages - pages);
	else if (maker && (pages > BC_MAX ||
			   !bc_resource_try_charge(maker->css, pages - maker->pages,
						   BC_BARRIER)))
		err = -ENOMEM;
	else if (maker)
		maker->pages = pages;
	spin_unlock(&info->lock);
	return err;
}

void __bc_shmem_evict(struct inode *inode)
{
	struct shmem_inode_info *info = SHMEM_I(inode);
	struct shmem_owner *owner;
	struct hlist_node *next;

	/* Nobody else has the inode any more. */
	hlist_for_each_entry_safe(owner, next, &info->bc.owners, node) {
		if (!bc_sabotaged(BC_SABOTAGE_EVICT))
			uncharge(owner, owner->pages);
		free_owner(owner);
	}
	__bc_shmem_unlock(inode);
}

bool __bc_shmem_lock(struct inode *inode)
{
	struct shmem_inode_info *info = SHMEM_I(inode);
	unsigned long pages = PFN_UP(inode->i_size);
	struct bc_css *css;

	guard(rcu)();
	css = bc_css_charged(bc_task_css(current, BC_ID_lockedpages));
	if (!css)
		return true;
	if (!bc_resource_try_charge(css, pages, BC_BARRIER))
		return false;
	info->bc.locked.counter = &to_bc_resource(css)->counter;
	info->bc.nr_locked = pages;
	return true;
}

void __bc_shmem_unlock(struct inode *inode)
{
	struct shmem_inode_info *info = SHMEM_I(inode);
	struct bc_counter *counter = info->bc.locked.counter;

	if (!counter)
		return;
	info->bc.locked.counter = NULL;
	/* The charge keeps it, up to the last one. */
	guard(rcu)();
	bc_counter_uncharge(counter, info->bc.nr_locked);
}

static unsigned long shmpages_root_held(void)
{
	/* Shmem of /proc/meminfo. */
	return global_node_page_state(NR_SHMEM);
}

const struct bc_controller bc_shmpages_controller = {
	.name		= "shmpages",
	.unit		= BC_UNIT_PAGES,
	.batch		= 64,
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.root_held	= shmpages_root_held,
};
