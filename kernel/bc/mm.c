// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: whose an address space is, and what is charged for it as a whole.
 *
 * An address space belongs to the group of the process that makes it, by fork or exec,
 * and goes along when that process is moved, with what is charged for it: all of it, or
 * the process stays. Who else uses it does not matter: a vfork child that is moved takes
 * nothing along, and is charged to its own group from its exec on; nor does a thread that
 * is moved alone. If the maker ends or execs while others go on, it stays where it is.
 *
 * What is charged is what the kernel counts already: mm->data_vm + mm->stack_vm (VmData
 * and VmStk of /proc/<pid>/status) for privvmpages, mm->locked_vm (VmLck) for
 * lockedpages. All of them change only while mmap_lock is held for writing. So:
 *
 * - who is about to make one of them grow charges first (bc_mm_grow() and its like), and
 *   fails if there is no room;
 * - who releases mmap_lock makes what is charged what is there (bc_mm_settle()): what
 *   went, and what was charged and did not come about, is given back. So there is nothing
 *   to undo on any error path, and nothing to do where something is unmapped.
 *
 * Settling can charge, too, by force: what the kernel maps without asking, and what was
 * under way when the address space was moved out of a root group, where nobody had to ask.
 *
 * Locking: mm->bc.lock protects mm->bc. It is taken inside siglock, with interrupts off.
 * Moving takes no mmap_lock, so that a process can be moved that hangs in a page fault.
 * While a move is being decided, between can_attach() and attach() or cancel_attach(),
 * ->to is set, and what grows or shrinks does so in both groups.
 *
 * A charge of no pages does not keep a group, and an address space may live longer than
 * all tasks of the group. So each of its css's is held by a reference, which is given up
 * when the last user has gone (bc_mm_exit()). Lazy references (mm_count) do not matter.
 */
#include <linux/bc/core.h>
#include <linux/bc/mm.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

#include "../../mm/internal.h"
#include "mm.h"
#include "physpages.h"
#include "sabotage.h"

static const enum bc_controller_id resource_id[BC_NR_MM_RESOURCES] = {
	[BC_MM_PRIVATE] = BC_ID_privvmpages,
	[BC_MM_LOCKED] = BC_ID_lockedpages,
	[BC_MM_ANON] = BC_ID_physpages,
};

/*
 * They are written under mmap_lock, which who moves an address space does not have: what has
 * changed since is settled by who releases the lock, see claim().
 */
static unsigned long pages_used(const struct mm_struct *mm, enum bc_mm_resource res)
{
	switch (res) {
	case BC_MM_PRIVATE:
		/* As above. */
		return data_race(READ_ONCE(mm->data_vm) + READ_ONCE(mm->stack_vm));
	case BC_MM_LOCKED:
		/* As above. */
		return data_race(READ_ONCE(mm->locked_vm));
	default:
		return 0;
	}
}

/* As vm_stat_account() has it. */
static bool is_private(vm_flags_t flags)
{
	return is_data_mapping(flags) || is_stack_mapping(flags);
}

static struct bc_counter *css_counter(struct bc_css *css)
{
	return css ? &to_bc_resource(css)->counter : NULL;
}

/*
 * Where the ways up from two groups meet; NULL: in the root, or one of them is it. The
 * resource may have been bound to another hierarchy since its last group there was removed,
 * which the address space keeps: they meet nowhere then.
 */
static struct bc_css *common_css(struct bc_css *a, struct bc_css *b)
{
	if (!a || !b || a->group->hierarchy != b->group->hierarchy)
		return NULL;
	return bc_css_charged(bc_group_common(a->group, b->group)->css[a->id]);
}

/* Charge @css and what is above it, below @stop. */
static bool charge_until(struct bc_css *css, struct bc_css *stop, unsigned long pages,
			 enum bc_severity severity)
{
	unsigned int n = css->group->level - (stop ? stop->group->level : 0);
	unsigned long levels[BC_MAX_DEPTH] = { };

	/* Nothing needs no room, nor does it fail for want of it. */
	if (!pages)
		return true;
	while (n)
		levels[--n] = pages;
	return bc_resource_try_charge_levels(css, levels, severity);
}

static void uncharge_until(struct bc_css *css, struct bc_css *stop, unsigned long pages)
{
	bc_counter_uncharge_until(css_counter(css), css_counter(stop), pages);
}

static bool charge_more(struct bc_mm_charge *charge, unsigned long pages,
			enum bc_severity severity)
{
	/* As above. */
	if (!pages)
		return true;
	if (charge->css && !bc_resource_try_charge(charge->css, pages, severity))
		return false;
	if (charge->to && !charge_until(charge->to, charge->stop, pages, severity)) {
		if (charge->css)
			bc_counter_uncharge(css_counter(charge->css), pages);
		return false;
	}
	charge->pages += pages;
	return true;
}

static void charge_less(struct bc_mm_charge *charge, unsigned long pages)
{
	if (charge->css)
		bc_counter_uncharge(css_counter(charge->css), pages);
	if (charge->to)
		uncharge_until(charge->to, charge->stop, pages);
	charge->pages -= pages;
}

static bool is_charged(const struct bc_mm_charge *charge)
{
	return charge->css || charge->to;
}

/* Let @pages be charged, or more. */
static bool make_room(struct mm_struct *mm, enum bc_mm_resource res, unsigned long pages,
		      enum bc_severity severity)
{
	struct bc_mm_charge *charge = &mm->bc.charge[res];
	unsigned long flags;
	bool ok = true;

	spin_lock_irqsave(&mm->bc.lock, flags);
	if (is_charged(charge) && pages > charge->pages)
		ok = charge_more(charge, pages - charge->pages, severity);
	spin_unlock_irqrestore(&mm->bc.lock, flags);
	return ok;
}

int __bc_mm_grow(struct mm_struct *mm, vm_flags_t flags, unsigned long pages,
		 unsigned long private_freed, unsigned long locked_freed,
		 enum bc_severity severity)
{
	mmap_assert_write_locked(mm);

	if (is_private(flags) &&
	    !make_room(mm, BC_MM_PRIVATE,
		       pages_used(mm, BC_MM_PRIVATE) + pages - private_freed, severity))
		return -ENOMEM;
	if ((flags & VM_LOCKED) &&
	    !make_room(mm, BC_MM_LOCKED,
		       pages_used(mm, BC_MM_LOCKED) + pages - locked_freed, severity))
		return -EAGAIN;
	return 0;
}

int __bc_mm_lock_pages(struct mm_struct *mm, unsigned long pages)
{
	mmap_assert_write_locked(mm);

	return make_room(mm, BC_MM_LOCKED, pages_used(mm, BC_MM_LOCKED) + pages,
			 BC_BARRIER) ? 0 : -ENOMEM;
}

/* How many pages mlock_fixup() is going to lock in a range. */
static unsigned long pages_to_lock(struct mm_struct *mm, unsigned long start,
				   unsigned long len)
{
	unsigned long end = start + len < start ? ULONG_MAX : start + len;
	struct vma_iterator vmi;
	struct vm_area_struct *vma;
	unsigned long pages = 0;

	vma_iter_init(&vmi, mm, start);
	for_each_vma_range(vmi, vma, end) {
		if ((vma->vm_flags & VM_LOCKED) || vma_is_secretmem(vma) ||
		    !vma_supports_mlock(vma))
			continue;
		pages += PHYS_PFN(min(end, vma->vm_end) - max(start, vma->vm_start));
	}
	return pages;
}

int __bc_mm_lock(struct mm_struct *mm, unsigned long start, unsigned long len)
{
	/* For which mlock() does nothing; a walk up to 0 would be one to the end. */
	if (!len)
		return 0;
	return __bc_mm_lock_pages(mm, pages_to_lock(mm, start, len));
}

static void settle(struct mm_struct *mm, enum bc_mm_resource res)
{
	struct bc_mm_charge *charge = &mm->bc.charge[res];
	unsigned long pages = pages_used(mm, res);
	unsigned long flags;

	/*
	 * Who moves it between groups leaves what is charged alone. Who moves it in from a
	 * root sets that before ->css, see end_move().
	 */
	if ((smp_load_acquire(&charge->css) && data_race(charge->pages) == pages) ||
	    bc_sabotaged(BC_SABOTAGE_SETTLE))
		return;
	spin_lock_irqsave(&mm->bc.lock, flags);
	if (!is_charged(charge))
		;
	else if (pages < charge->pages)
		charge_less(charge, charge->pages - pages);
	else
		charge_more(charge, pages - charge->pages, BC_FORCE);
	spin_unlock_irqrestore(&mm->bc.lock, flags);
}

void __bc_mm_settle(struct mm_struct *mm)
{
	/* For writing, or the one who had it so is still there. */
	mmap_assert_locked(mm);
	settle(mm, BC_MM_PRIVATE);
	settle(mm, BC_MM_LOCKED);
}
EXPORT_SYMBOL(__bc_mm_settle);

/* Whom it is charged to from now on; a reference goes with it. */
static void set_css(struct mm_struct *mm, enum bc_mm_resource res, struct bc_css *css)
{
	struct bc_mm_charge *charge = &mm->bc.charge[res];

	lockdep_assert_held(&mm->bc.lock);

	if (res == BC_MM_ANON && charge->css)
		bc_physpages_remove_mm(charge->css, mm);
	/* Pairs with settle(): what is charged is known. */
	smp_store_release(&charge->css, css);
	if (res == BC_MM_ANON && css)
		bc_physpages_add_mm(css, mm);
}

/* From now on, who maps settles, so that what is there can be counted. */
static void claim(struct mm_struct *mm)
{
	lockdep_assert_held(&mm->bc.lock);

	WRITE_ONCE(mm->bc.owned, true);
	/* Pairs with bc_mm_settle() and __bc_mm_exit(). */
	smp_mb();
}

/* If nothing can be charged any more, nobody needs to settle. */
static void disclaim(struct mm_struct *mm)
{
	bool owned = false;
	int res;

	lockdep_assert_held(&mm->bc.lock);

	for (res = 0; res < BC_NR_MM_RESOURCES; res++)
		owned |= is_charged(&mm->bc.charge[res]);
	WRITE_ONCE(mm->bc.owned, owned);
}

/*
 * A move begins, of what was claimed: charge @to for all there is, unless it is NULL, a
 * root. It ends with end_move() or cancel_move(), in the same section of siglock.
 */
static bool begin_move(struct mm_struct *mm, enum bc_mm_resource res, struct bc_css *to,
		       enum bc_severity severity)
{
	struct bc_mm_charge *charge = &mm->bc.charge[res];

	lockdep_assert_held(&mm->bc.lock);

	if (charge->css == to)
		return true;
	if (!charge->css)
		charge->pages = pages_used(mm, res);
	charge->stop = common_css(charge->css, to);
	if (to && !charge_until(to, charge->stop, charge->pages, severity))
		return false;
	charge->to = to;
	mm->bc.moving[res] = true;
	return true;
}

static void cancel_move(struct mm_struct *mm, enum bc_mm_resource res)
{
	struct bc_mm_charge *charge = &mm->bc.charge[res];

	lockdep_assert_held(&mm->bc.lock);

	if (charge->to)
		uncharge_until(charge->to, charge->stop, charge->pages);
	charge->to = NULL;
	mm->bc.moving[res] = false;
}

static void end_move(struct mm_struct *mm, enum bc_mm_resource res)
{
	struct bc_mm_charge *charge = &mm->bc.charge[res];
	struct bc_css *from = charge->css;

	lockdep_assert_held(&mm->bc.lock);

	/* There was nothing to move, or it has ended meanwhile. */
	if (!mm->bc.moving[res])
		return;
	mm->bc.moving[res] = false;
	if (charge->to)
		bc_css_get(charge->to);
	set_css(mm, res, charge->to);
	charge->to = NULL;
	if (from) {
		uncharge_until(from, charge->stop, charge->pages);
		bc_css_put(from);
	}
}

/* Who has made it is its process still, see bc_mm_leave(). */
static bool goes_along(const struct bc_taskset *tset)
{
	const struct mm_struct *mm = tset->mm;

	if (!mm || bc_sabotaged(BC_SABOTAGE_LEAVE_MM))
		return false;
	return READ_ONCE(mm->bc.maker) == tset->task->signal;
}

/**
 * bc_mm_moves - is there an address space that moves along, to another group?
 * @tset: what moves
 *
 * Context: The siglock of the tasks is held.
 */
bool bc_mm_moves(const struct bc_taskset *tset)
{
	int res;

	if (!goes_along(tset))
		return false;
	for (res = 0; res < BC_NR_MM_RESOURCES; res++) {
		struct bc_css *css = tset->css[resource_id[res]];

		if (css && READ_ONCE(tset->mm->bc.charge[res].css) != bc_css_charged(css))
			return true;
	}
	return false;
}

/**
 * bc_mm_can_attach - can_attach() in struct bc_controller for a resource of address spaces
 * @tset: what moves
 * @res: the resource
 *
 * Context: The siglock of the tasks is held.
 * Return: 0, or -ENOMEM: there is no room, and nothing has changed.
 */
int bc_mm_can_attach(const struct bc_taskset *tset, enum bc_mm_resource res)
{
	struct bc_css *to = bc_css_charged(tset->css[resource_id[res]]);
	int err = 0;

	if (!goes_along(tset))
		return 0;
	/* Interrupts are off, with siglock; or, with PREEMPT_RT, nobody takes it in one. */
	spin_lock(&tset->mm->bc.lock);
	claim(tset->mm);
	/* Who ends it looks at ->owned after that: see __bc_mm_exit(). */
	if (goes_along(tset) && !begin_move(tset->mm, res, to, BC_LIMIT))
		err = -ENOMEM;
	disclaim(tset->mm);
	spin_unlock(&tset->mm->bc.lock);
	return err;
}

/**
 * bc_mm_cancel_attach - undo bc_mm_can_attach()
 * @tset: what does not move
 * @res: the resource
 *
 * Context: The siglock of the tasks is held.
 */
void bc_mm_cancel_attach(const struct bc_taskset *tset, enum bc_mm_resource res)
{
	if (!tset->mm)
		return;
	spin_lock(&tset->mm->bc.lock);
	cancel_move(tset->mm, res);
	disclaim(tset->mm);
	spin_unlock(&tset->mm->bc.lock);
}

/**
 * bc_mm_attach - attach() in struct bc_controller for a resource of address spaces
 * @tset: what moves
 * @res: the resource
 *
 * Context: The siglock of the tasks is held.
 */
void bc_mm_attach(const struct bc_taskset *tset, enum bc_mm_resource res)
{
	if (!tset->mm)
		return;
	spin_lock(&tset->mm->bc.lock);
	end_move(tset->mm, res);
	disclaim(tset->mm);
	spin_unlock(&tset->mm->bc.lock);
}

static bool own(struct mm_struct *mm, struct task_struct *task, enum bc_mm_resource res)
{
	struct bc_mm_charge *charge = &mm->bc.charge[res];
	struct bc_css *css = bc_task_css_get(task, resource_id[res]);
	unsigned long flags;
	bool ok;

	if (!css)
		return true;
	spin_lock_irqsave(&mm->bc.lock, flags);
	claim(mm);
	set_css(mm, res, css);
	ok = charge_more(charge, pages_used(mm, res), BC_BARRIER);
	/* Or it would be charged by force while it is torn down. */
	if (!ok)
		set_css(mm, res, NULL);
	disclaim(mm);
	spin_unlock_irqrestore(&mm->bc.lock, flags);
	if (!ok)
		bc_css_put(css);
	return ok;
}

int __bc_mm_own(struct mm_struct *mm, struct task_struct *task)
{
	int res;

	for (res = 0; res < BC_NR_MM_RESOURCES; res++) {
		/* The caller gives the address space up, and so comes to bc_mm_exit(). */
		if (!own(mm, task, res))
			return -ENOMEM;
	}
	return 0;
}

/*
 * There is no way back for exec: what is too much in the group where the process has been
 * moved meanwhile is forced.
 */
void __bc_mm_exec(struct mm_struct *mm)
{
	int res;

	spin_lock_irq(bc_siglock(current));
	spin_lock(&mm->bc.lock);
	claim(mm);
	for (res = 0; res < BC_NR_MM_RESOURCES; res++) {
		struct bc_css *css = bc_css_charged(bc_task_css(current, resource_id[res]));

		begin_move(mm, res, css, BC_FORCE);
		end_move(mm, res);
	}
	disclaim(mm);
	spin_unlock(&mm->bc.lock);
	spin_unlock_irq(bc_siglock(current));
}

void __bc_mm_exit(struct mm_struct *mm)
{
	unsigned long flags;
	int res;

	WRITE_ONCE(mm->bc.maker, NULL);
	/* Pairs with claim() in bc_mm_can_attach(). */
	smp_mb();
	if (!READ_ONCE(mm->bc.owned))
		return;

	spin_lock_irqsave(&mm->bc.lock, flags);
	for (res = 0; res < BC_NR_MM_RESOURCES; res++) {
		struct bc_mm_charge *charge = &mm->bc.charge[res];

		if (is_charged(charge))
			charge_less(charge, charge->pages);
		if (charge->css) {
			struct bc_css *css = charge->css;

			set_css(mm, res, NULL);
			bc_css_put(css);
		}
		charge->to = NULL;
		mm->bc.moving[res] = false;
	}
	disclaim(mm);
	spin_unlock_irqrestore(&mm->bc.lock, flags);
}
