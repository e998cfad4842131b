// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: dcachesize, what a group has made the kernel remember of files.
 *
 * What an administrator should know:
 *
 * - What counts are those slab objects that are marked as the user's, as for kmemsize, and
 *   that the kernel can have back when memory is short (SLAB_RECLAIM_ACCOUNT): dentries
 *   with their names, and inodes, whether they are in use (of an open file, a socket, a
 *   pipe) or cached. An object counts as much as it takes in its slab, in bytes.
 * - An object is charged to the group of the task that makes it, and stays so until it is
 *   freed: until nobody can find it any more, that is, as RCU may take its time.
 * - Who is about to be refused, and may wait, first has the group's own unused objects
 *   freed, or those of the groups below the one that is full, and nobody else's. An inode
 *   goes with its page cache, but not before that is written: a group that has nothing
 *   left but what is dirty waits for the flusher, some seconds at most.
 * - So it is what cannot be freed that can be refused: what is open, mounted, locked, a
 *   working directory, the directories above all that. ENOMEM from the system call, then.
 * - What may not wait, or is within a file system, which may be in the way of freeing
 *   anything (GFP_NOFS), as most inodes are, may go above the limit. The task then prunes on
 *   its way back to user mode, so that is one system call for each task.
 * - What is never refused: as for kmemsize.
 * - XFS frees inodes in the background, and makes new ones of old ones, all of which goes
 *   unnoticed: they count until they are freed, and who makes a new one of them does not
 *   pay. With CONFIG_SLUB_TINY, nothing is marked, and all of this is kmemsize.
 *
 * When a group is removed, what it has cached is handed over to the one above, or to
 * nobody, by a worker that looks at all there is.
 *
 * The kernel's lists of unused objects are those of memory cgroups: one of each kind for
 * each superblock, node and memory cgroup, and none for groups like ours. So who prunes
 * has to look at others' objects, but does not touch them; a walk goes on where the last
 * one, of whomever, has ended, by moving the head of the list, so that the order remains,
 * but for where it begins. It ends when an eighth of what the group holds is free.
 *
 * Locks: pruning is direct reclaim, and lockdep is told so. Superblocks are only tried to
 * be locked. A mutex for each group right below the root sees to it that nobody is refused
 * because somebody else has just taken all there was to be freed; it is not waited for
 * without a limit.
 */
#include <linux/backing-dev.h>
#include <linux/bc/core.h>
#include <linux/bc/dcache.h>
#include <linux/buffer_head.h>
#include <linux/cleanup.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/list_lru.h>
#include <linux/memcontrol.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/resume_user_mode.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include <linux/writeback.h>
#include <trace/events/bc.h>

#include "../../fs/internal.h"
#include "../../mm/slab.h"

#include "credit.h"
#include "dcachesize.h"
#include "kmemsize.h"
#include "sabotage.h"

/* How many entries are looked at with the lock of a list held, which is one for all groups. */
#define BATCH		128UL

/* At least so much is freed at once, if half of what is held is more. */
#define MIN_TARGET	(16 * 1024UL)

/*
 * How often to wait for the flusher, twice as long each time up to a point, and how long at
 * first: 2.5 seconds in all, or half a minute on the way to user mode.
 */
#define WAITS		8
#define MANY_WAITS	20
#define FIRST_WAIT	msecs_to_jiffies(10)
#define LAST_WAIT	msecs_to_jiffies(2500)

/* How often to prune and try again. Others may be faster than we. */
#define TRIES		100

/**
 * struct bc_prune - what a task that prunes knows; its bc_prune points there
 * @top: the counter that is to have room; what counts in it may be freed
 * @target: how many bytes are to be freed
 * @freed: how many have been
 * @objects: in how many objects
 * @looked: how many entries of lists, used or not, whosesoever
 * @taken: bytes in the two lists
 * @left: how many entries to look at before the lock is dropped
 * @hard: there is no way to free anything but to take what makes others hard to find
 * @met_dirty: something could be freed if it were written
 * @missed: something could not be handed over
 * @dentries: to be freed
 * @inodes: to be freed
 */
struct bc_prune {
	const struct bc_counter	*top;
	unsigned long		target;
	unsigned long		freed;
	unsigned long		objects;
	unsigned long		looked;
	unsigned long		taken;
	unsigned long		left;
	bool			hard;
	bool			met_dirty;
	bool			missed;
	struct list_head	dentries;
	struct list_head	inodes;
};

/**
 * struct dcache_css - the state of dcachesize for a group
 * @res: the counter; first, for bc_resource_free()
 * @prune_mutex: in the group right below the root: who prunes in its tree
 * @hopeless_since: likewise; the last resort has found nothing, and is not tried again from
 *	then, in jiffies,
 * @hopeless_for: for so long. Both with @prune_mutex held.
 */
struct dcache_css {
	struct bc_resource	res;
	struct mutex		prune_mutex;	/* nobody waits long for it */
	unsigned long		hopeless_since;
	unsigned long		hopeless_for;
};

/*
 * What is kept of an object, which is an address within it, and how large it is. It may be
 * in use, or on its way to be freed.
 */
static struct bc_charge *charge_of(const void *obj, unsigned long *size)
{
	struct slab *slab = virt_to_slab(obj);
	struct slabobj_ext *vec = slab ? slab_obj_exts(slab) : NULL;

	*size = 0;
	if (!vec)
		return NULL;
	*size = slab->slab_cache->size;
	return &vec[obj_to_index(slab->slab_cache, slab, (void *)obj)].bc;
}

static bool is_below(const struct bc_counter *counter, const struct bc_counter *top)
{
	while (counter && counter != top)
		counter = counter->parent;
	return counter;
}

/*
 * The caller keeps the object. Who has paid may change meanwhile, see hand_over(), and RCU
 * keeps either.
 */
static bool mine(const struct bc_prune *p, const void *obj, unsigned long *size)
{
	struct bc_charge *charge = charge_of(obj, size);

	if (bc_sabotaged(BC_SABOTAGE_FOREIGN))
		return true;
	guard(rcu)();
	return charge && is_below(READ_ONCE(charge->counter), p->top);
}

void __bc_dcache_gone(const void *obj)
{
	struct bc_prune *p = current->bc_prune;
	struct bc_counter *counter;
	struct bc_charge *charge;
	unsigned long size;

	charge = charge_of(obj, &size);
	counter = charge ? charge->counter : NULL;
	if (!counter)
		return;
	if (unlikely(p) && in_task() && is_below(counter, p->top)) {
		p->freed += size;
		p->objects++;
	}
	WRITE_ONCE(charge->counter, NULL);
	credit_uncharge(counter, size);
}

bool __bc_dcache_keep(const struct dentry *dentry)
{
	unsigned long size;

	return !mine(current->bc_prune, dentry, &size);
}

static bool is_dirty(struct inode *inode)
{
	/* Not all have i_lock: what has just become dirty is seen before it is freed. */
	return data_race(READ_ONCE(inode->i_state) & I_DIRTY_ALL ||
			 mapping_tagged(&inode->i_data, PAGECACHE_TAG_DIRTY) ||
			 mapping_tagged(&inode->i_data, PAGECACHE_TAG_WRITEBACK));
}

bool __bc_dcache_drop_inode(struct inode *inode)
{
	unsigned long size;

	/* Its buffers are what a later fsync() writes. */
	return !(inode->i_state & ~I_REFERENCED) && !is_dirty(inode) &&
	       !inode_has_buffers(inode) && mine(current->bc_prune, inode, &size);
}

/*
 * Is an entry worth a look? What the walk begins with the next time is what follows it.
 * Called for each entry, so @left is what the walk of the list counts as well.
 */
static bool may_look(struct bc_prune *p, struct list_head *item, struct list_lru_one *lru)
{
	p->looked++;
	if (!--p->left)
		list_move(&lru->list, item);
	return p->freed + p->taken < p->target;
}

/* Only the lock of the list is held. */
static bool in_use(const struct dentry *dentry)
{
	/* What takes it off the list looks again, with d_lock. */
	return data_race(READ_ONCE(dentry->d_lockref.count)) > 0;
}

static enum lru_status dentry_isolate(struct list_head *item, struct list_lru_one *lru,
				      spinlock_t *lock, void *arg)
{
	struct dentry *dentry = container_of(item, struct dentry, d_lru);
	unsigned long size, inode_size, mine_too = 0;
	struct bc_prune *p = arg;
	struct inode *inode;
	enum lru_status ret;
	bool used;

	if (!may_look(p, item, lru)) {
		/* Or with this one. */
		list_move_tail(&lru->list, item);
		return LRU_STOP;
	}
	if (!mine(p, dentry, &size))
		return LRU_SKIP;
	/*
	 * Without its dentry, an inode with page cache would be on no list but that of all
	 * inodes.
	 */
	scoped_guard(rcu) {
		/* As there. RCU keeps it. */
		inode = data_race(READ_ONCE(dentry->d_inode));
		/* If others use it, writing it would free nothing. */
		if (inode && !in_use(dentry) && atomic_read(&inode->i_count) == 1 &&
		    mine(p, inode, &inode_size)) {
			if (is_dirty(inode)) {
				p->met_dirty = true;
				if (!p->hard)
					return LRU_SKIP;
			}
			mine_too = inode_size;
		}
	}
	used = in_use(dentry);
	ret = dentry_lru_isolate(item, lru, lock, &p->dentries);
	/* What is in use is only taken off the list. */
	if (ret == LRU_REMOVED && !used)
		p->taken += size + mine_too;
	return ret;
}

static enum lru_status inode_isolate(struct list_head *item, struct list_lru_one *lru,
				     spinlock_t *lock, void *arg)
{
	struct inode *inode = container_of(item, struct inode, i_lru);
	struct bc_prune *p = arg;
	enum lru_status ret;
	unsigned long size;

	if (!may_look(p, item, lru)) {
		list_move_tail(&lru->list, item);
		return LRU_STOP;
	}
	if (!mine(p, inode, &size))
		return LRU_SKIP;
	if (atomic_read(&inode->i_count))
		size = 0;
	ret = inode_lru_isolate(item, lru, lock, &p->inodes);
	if (ret == LRU_REMOVED)
		p->taken += size;
	return ret;
}

static bool enough(const struct bc_prune *p)
{
	return p->freed >= p->target || fatal_signal_pending(current);
}

/* Once around all lists of a superblock, which are one a node and memory cgroup. */
static void prune_lru(struct bc_prune *p, struct list_lru *lru, list_lru_walk_cb isolate)
{
	struct mem_cgroup *memcg;
	int nid;

	for_each_node_state(nid, N_NORMAL_MEMORY) {
		if (!list_lru_count_node(lru, nid))
			continue;
		/* With cgroup.memory=nokmem, there is one list for all. */
		memcg = mem_cgroup_kmem_disabled() ? NULL : mem_cgroup_iter(NULL, NULL, NULL);
		do {
			unsigned long todo = list_lru_count_one(lru, nid, memcg);

			while (todo && !enough(p)) {
				unsigned long n = min(todo, BATCH), asked = n;

				p->left = n;
				list_lru_walk_one(lru, nid, memcg, isolate, p, &n);
				/* Stopped by what was found, which may not be enough. */
				todo -= asked - n;
				shrink_dentry_list(&p->dentries);
				dispose_list(&p->inodes);
				p->taken = 0;
				cond_resched();
				/* There is nothing in the list any more. */
				if (n == asked)
					break;
			}
			if (enough(p)) {
				mem_cgroup_iter_break(NULL, memcg);
				return;
			}
			if (memcg)
				memcg = mem_cgroup_iter(NULL, memcg, NULL);
		} while (memcg);
	}
}

/*
 * All inodes of a superblock. What @look says yes to, under i_lock, is let go by iput(), as
 * soon as the next one keeps our place in the list. That one cannot be unlinked: we might
 * become its last user, and have to delete a file.
 */
static void walk_inodes(struct super_block *sb, struct bc_prune *p,
			bool (*look)(struct bc_prune *p, struct inode *inode))
{
	struct inode *inode, *last = NULL;
	unsigned long n = 0;
	bool chosen;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		p->looked++;
		spin_lock(&inode->i_lock);
		if (inode->i_state & (I_FREEING | I_WILL_FREE | I_NEW)) {
			p->missed |= inode->i_state & I_NEW;
			spin_unlock(&inode->i_lock);
			continue;
		}
		chosen = look(p, inode);
		/* It may be unlinked as long as we have no reference, and is so in any case. */
		if (!data_race(READ_ONCE(inode->i_nlink)) ||
		    !(chosen || ++n >= BATCH || need_resched())) {
			spin_unlock(&inode->i_lock);
			continue;
		}
		n = 0;
		__iget(inode);
		spin_unlock(&inode->i_lock);
		spin_unlock(&sb->s_inode_list_lock);

		/* Those of its buffers that have been written. */
		if (chosen)
			remove_inode_buffers(inode);
		iput(last);
		last = inode;
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
		if (enough(p))
			break;
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(last);
}

/*
 * The last resort: inodes that have lost their dentries, but not their page cache, are on
 * no other list than that of all inodes. iput() sees to them.
 */
static bool look_for_unused(struct bc_prune *p, struct inode *inode)
{
	unsigned long size;

	if (atomic_read(&inode->i_count) || !mine(p, inode, &size))
		return false;
	if (is_dirty(inode)) {
		p->met_dirty = true;
		return false;
	}
	return true;
}

/* Nobody is waited for: the caller may hold whatever locks. */
static void prune_super(struct super_block *sb, void *arg)
{
	bool met_dirty = false;
	struct bc_prune *p = arg;

	if (enough(p) || !super_trylock_shared(sb))
		return;
	swap(p->met_dirty, met_dirty);
	prune_lru(p, &sb->s_dentry_lru, dentry_isolate);
	prune_lru(p, &sb->s_inode_lru, inode_isolate);
	if (p->hard && !enough(p))
		walk_inodes(sb, p, look_for_unused);
	if (p->met_dirty && !enough(p))
		wakeup_flusher_threads_bdi(sb->s_bdi, WB_REASON_VMSCAN);
	p->met_dirty |= met_dirty;
	up_read(&sb->s_umount);
}

/* Once around all superblocks. */
static void prune_supers(struct bc_prune *p, gfp_t flags)
{
	unsigned int noreclaim;

	p->met_dirty = false;
	fs_reclaim_acquire(flags);
	noreclaim = memalloc_noreclaim_save();
	current->bc_prune = p;
	iterate_supers_unlocked(prune_super, p);
	current->bc_prune = NULL;
	memalloc_noreclaim_restore(noreclaim);
	fs_reclaim_release(flags);
}

static struct bc_css *counter_css(struct bc_counter *counter)
{
	return &container_of(counter, struct bc_resource, counter)->css;
}

static struct bc_group *counter_group(struct bc_counter *counter)
{
	return counter_css(counter)->group;
}

/* The state of the group right below the root. */
static struct dcache_css *tree_of(struct bc_counter *counter)
{
	while (counter->parent)
		counter = counter->parent;
	return container_of(counter, struct dcache_css, res.counter);
}

/*
 * The last resort: also what makes others hard to find, and all inodes of all file systems.
 * Who is refused all the time is not to keep others from their lists with that: what finds
 * nothing takes a tenth of the time at most.
 */
static void prune_hard(struct bc_prune *p, struct dcache_css *tree, gfp_t flags)
{
	unsigned long freed = p->freed, start = jiffies;

	lockdep_assert_held(&tree->prune_mutex);
	if (time_in_range_open(start, tree->hopeless_since,
			       tree->hopeless_since + tree->hopeless_for))
		return;
	p->hard = true;
	prune_supers(p, flags);
	tree->hopeless_since = start;
	tree->hopeless_for = p->freed == freed ? 10 * (jiffies - start) : 0;
}

/* Is there something more urgent? Nothing can be left half done, unless we are settling. */
static bool should_stop(bool settling)
{
	return settling ? signal_pending(current) || freezing(current) :
			  fatal_signal_pending(current);
}

static void wait_a_little(unsigned int waits, bool settling)
{
	long timeout = min(FIRST_WAIT << waits, LAST_WAIT);

	__set_current_state(settling ? TASK_INTERRUPTIBLE | TASK_FREEZABLE : TASK_KILLABLE);
	schedule_timeout(timeout);
}

/*
 * Somebody makes room, for us as well, perhaps. But not for ever: it may wait for a file
 * system's server, which may be us.
 */
static void wait_for_others(struct mutex *mutex, bool settling)
{
	unsigned int waits;

	for (waits = 0; waits < WAITS && !should_stop(settling); waits++) {
		wait_a_little(0, settling);
		if (mutex_trylock(mutex)) {
			mutex_unlock(mutex);
			break;
		}
	}
}

/*
 * Make room in a counter that has none for @n. Waits for what has to be written, longer if
 * @settling, which is on the way to user mode.
 *
 * Return: false if there was nothing to be found.
 */
static bool prune(struct bc_counter *top, unsigned long n, bool settling, gfp_t flags)
{
	unsigned long held = atomic_long_read(&top->held);
	unsigned long barrier = bc_counter_barrier(top);
	unsigned long excess = held > barrier ? held - barrier : 0;
	struct dcache_css *tree = tree_of(top);
	struct mutex *mutex = &tree->prune_mutex;
	struct bc_prune p = {
		.top		= top,
		.target		= max3(n + excess, held / 8, min(held / 2, MIN_TARGET)),
		.dentries	= LIST_HEAD_INIT(p.dentries),
		.inodes		= LIST_HEAD_INIT(p.inodes),
	};
	unsigned int waits = 0;
	bool others = false;

	if (bc_sabotaged(BC_SABOTAGE_PRUNE))
		return false;
	might_sleep();
	if (!mutex_trylock(mutex)) {
		wait_for_others(mutex, settling);
		return true;
	}
	prune_supers(&p, flags);
	/* What was used since the last time has lost its second chance. */
	if (p.freed < n)
		prune_supers(&p, flags);
	while (p.freed < n && p.met_dirty && waits < (settling ? MANY_WAITS : WAITS) &&
	       !should_stop(settling)) {
		mutex_unlock(mutex);
		wait_a_little(waits++, settling);
		if (!mutex_trylock(mutex)) {
			/* Others have begun meanwhile, and what they find is for us, too. */
			others = true;
			goto out;
		}
		prune_supers(&p, flags);
	}
	if (p.freed < n)
		prune_hard(&p, tree, flags);
	mutex_unlock(mutex);
out:
	trace_bc_prune(counter_group(top), p.target, p.freed, p.objects, p.looked, waits);
	return p.freed || others;
}

/* May a task with these flags prune? */
static bool may_prune(gfp_t flags)
{
	return gfpflags_allow_blocking(flags) && (flags & __GFP_FS);
}

/**
 * bc_dcachesize_charge - charge the current task's group, and prune before that fails
 * @charge: what was charged is stored there
 * @n: how much
 * @flags: as given to the allocator
 *
 * Context: Process context. May sleep if @flags say so.
 * Return: true if charged, or if nobody is to be; else the refusal was counted and told.
 */
bool bc_dcachesize_charge(struct bc_charge *charge, unsigned long n, gfp_t flags)
{
	enum bc_severity severity;
	unsigned int tries = 0;

	flags = current_gfp_context(flags);
	for (;;) {
		struct bc_counter *counter, *full;
		struct bc_css *css;
		bool progress;

		severity = bc_kmem_severity(flags);
		scoped_guard(rcu) {
			css = bc_task_css_charged(current, BC_ID_dcachesize);
			if (!css)
				return true;
			counter = &to_bc_resource(css)->counter;
			if (severity != BC_FORCE && !may_prune(flags)) {
				if (!bc_counter_charge(counter, n, BC_LIMIT)) {
					charge->counter = counter;
					return true;
				}
				severity = BC_FORCE;
				current->bc_dcache_over = 1;
				set_notify_resume(current);
			}
			/* The last try is one whose failure is told. */
			if (severity != BC_BARRIER || tries == TRIES) {
				if (!bc_resource_try_charge(css, n, severity))
					return false;
				charge->counter = counter;
				return true;
			}
			full = bc_counter_charge(counter, n, severity);
			if (!full) {
				charge->counter = counter;
				return true;
			}
			/* It may have lost its last task, which is us, by now. */
			if (!bc_group_tryget(counter_group(full)))
				continue;
		}
		progress = prune(full, n, false, flags);
		bc_group_put(counter_group(full));
		tries = progress ? tries + 1 : TRIES;
	}
}

/* The group of the current task, or one above, that is above its limit. By reference. */
static struct bc_counter *get_full(void)
{
	struct bc_counter *c;
	struct bc_css *css;

	guard(rcu)();
	css = bc_task_css_charged(current, BC_ID_dcachesize);
	if (!css)
		return NULL;
	for (c = &to_bc_resource(css)->counter; c; c = c->parent) {
		if (atomic_long_read(&c->held) > bc_counter_limit(c) &&
		    bc_group_tryget(counter_group(c)))
			return c;
	}
	return NULL;
}

void __bc_dcache_settle(void)
{
	struct bc_counter *full;
	unsigned int tries;
	bool progress = true;

	current->bc_dcache_over = 0;
	for (tries = 0; progress && tries < TRIES && !should_stop(true); tries++) {
		full = get_full();
		if (!full)
			break;
		progress = prune(full, 1, true, GFP_KERNEL);
		bc_group_put(counter_group(full));
	}
	/* What a signal has to say comes first, but then there is this again. */
	if (progress && tries < TRIES && !fatal_signal_pending(current) && should_stop(true)) {
		current->bc_dcache_over = 1;
		set_notify_resume(current);
	}
}

/* An object of a group that has been removed is the next one's above that is there. */
static void hand_over(const void *obj)
{
	struct bc_counter *counter, *to;
	struct bc_charge *charge;
	unsigned long size;

	charge = charge_of(obj, &size);
	if (!charge)
		return;
	guard(rcu)();
	counter = READ_ONCE(charge->counter);
	/* An inode of tmpfs is kmemsize's, and stays with its group. */
	if (!counter || counter_css(counter)->id != BC_ID_dcachesize)
		return;
	to = counter;
	while (to && READ_ONCE(to->release))
		to = to->parent;
	if (to == counter)
		return;
	WRITE_ONCE(charge->counter, to);
	bc_counter_uncharge_until(counter, to, size);
}

/* The dentry is locked, and so its name does not change. */
static void hand_over_dentry(const struct dentry *dentry)
{
	hand_over(dentry);
	if (dentry->d_name.name != dentry->d_iname)
		hand_over(dentry->d_name.name);
}

static enum lru_status hand_over_unused(struct list_head *item, struct list_lru_one *lru,
					spinlock_t *lock, void *arg)
{
	struct dentry *dentry = container_of(item, struct dentry, d_lru);
	struct bc_prune *p = arg;

	may_look(p, item, lru);
	/* Against the usual order. */
	if (spin_trylock(&dentry->d_lock)) {
		hand_over_dentry(dentry);
		spin_unlock(&dentry->d_lock);
	} else {
		p->missed = true;
	}
	return LRU_SKIP;
}

/* What is in use by somebody has an inode, or else is on its way. */
static bool hand_over_inode(struct bc_prune *p, struct inode *inode)
{
	struct dentry *dentry;

	hand_over(inode);
	hlist_for_each_entry(dentry, &inode->i_dentry, d_u.d_alias) {
		spin_lock(&dentry->d_lock);
		hand_over_dentry(dentry);
		spin_unlock(&dentry->d_lock);
	}
	return false;
}

static void hand_over_super(struct super_block *sb, void *arg)
{
	struct bc_prune *p = arg;

	/* It may be locked for long, which is not to keep us from the others. */
	if (!super_trylock_shared(sb)) {
		p->missed = true;
		return;
	}
	prune_lru(p, &sb->s_dentry_lru, hand_over_unused);
	walk_inodes(sb, p, hand_over_inode);
	up_read(&sb->s_umount);
}

/*
 * What is cached may stay so for long, and would keep groups that have been removed. It is
 * handed over to the group above, which is charged for it already, or to nobody.
 */
static void hand_over_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(hand_over_soon, hand_over_work);
static unsigned long hand_over_delay = HZ;
/* How long it took the last time. */
static unsigned long hand_over_time;

static void hand_over_work(struct work_struct *work)
{
	/* Nothing is enough. */
	unsigned long start = jiffies;
	struct bc_prune p = {
		.target		= ULONG_MAX,
		.dentries	= LIST_HEAD_INIT(p.dentries),
		.inodes		= LIST_HEAD_INIT(p.inodes),
	};

	iterate_supers_unlocked(hand_over_super, &p);
	WRITE_ONCE(hand_over_time, jiffies - start);
	if (p.missed) {
		unsigned long delay = READ_ONCE(hand_over_delay);

		/* Less and less often: it may be in vain. Unless there is something new. */
		cmpxchg(&hand_over_delay, delay, min(2 * delay, 64UL * HZ));
		queue_delayed_work(system_unbound_wq, &hand_over_soon, delay);
	}
}

static struct bc_css *dcachesize_alloc(const struct bc_controller *controller,
				       struct bc_css *parent)
{
	struct dcache_css *dc = kzalloc(sizeof(*dc), GFP_KERNEL_ACCOUNT);
	int err;

	if (!dc)
		return ERR_PTR(-ENOMEM);
	mutex_init(&dc->prune_mutex);
	err = bc_resource_init(&dc->res, controller, parent);
	if (err) {
		kfree(dc);
		return ERR_PTR(err);
	}
	return &dc->res.css;
}

static void dcachesize_offline(struct bc_css *css)
{
	struct bc_counter *counter = &to_bc_resource(css)->counter;

	bc_group_get(css->group);
	bc_resource_offline(css);
	if (atomic_long_read(&counter->held) > 0) {
		/* Who makes and removes groups has a CPU half of the time at most. */
		unsigned long soon = max(HZ / 20UL, READ_ONCE(hand_over_time));

		/* Not put off again and again, where one group after the other is removed. */
		if (xchg(&hand_over_delay, HZ) > HZ)
			mod_delayed_work(system_unbound_wq, &hand_over_soon, soon);
		else
			queue_delayed_work(system_unbound_wq, &hand_over_soon, soon);
	}
	bc_group_put(css->group);
}

static unsigned long dcachesize_root_held(void)
{
	/* SReclaimable in /proc/meminfo: what is nobody's, and what is not marked, included. */
	return global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) << PAGE_SHIFT;
}

const struct bc_controller bc_dcachesize_controller = {
	.name		= "dcachesize",
	.unit		= BC_UNIT_BYTES,
	.batch		= 16384,
	.css_alloc	= dcachesize_alloc,
	.css_offline	= dcachesize_offline,
	.css_free	= bc_resource_free,
	.root_held	= dcachesize_root_held,
};
