// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: who is killed when a group has no room in physpages, and, of groups, when
 * the whole machine has no memory.
 *
 * The kernel's OOM killer does the killing. Here it is said who: of the processes that are
 * charged to the group or one below, the one that is worst by its own measure; and for the
 * whole machine, which group loses one first.
 *
 * Locking: oom_lock, so that one kill is decided at a time, by us or by the kernel.
 * Processes are gone through under RCU, which keeps those whom they are charged to.
 */
#include <linux/bc/anon.h>
#include <linux/bc/core.h>
#include <linux/cleanup.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/oom.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>

#include "event.h"
#include "physpages.h"
#include "sabotage.h"

/**
 * struct phys_oom - a group that has no room, and who is killed for it
 * @top: the group
 * @victim: the process, by reference
 * @points: how bad it is
 * @pending: somebody has been killed already, and takes his time
 */
struct phys_oom {
	struct phys_css		*top;
	struct task_struct	*victim;
	long			points;
	bool			pending;
};

static bool is_victim(struct task_struct *p)
{
	/* Set once, for good, and by others too: by exit, and by who runs out of memory. */
	return data_race(tsk_is_oom_victim(p));
}

/* Whom a process is charged to, in an RCU read-side section; NULL: nobody, or nothing any more. */
static struct bc_css *process_css(struct task_struct *p)
{
	struct bc_css *css = NULL;
	struct task_struct *t;

	/* A victim may have given up its address space, but not all of its memory. */
	if (is_victim(p))
		return READ_ONCE(p->signal->oom_mm->bc.charge[BC_MM_ANON].css);
	t = find_lock_task_mm(p);
	if (t) {
		__acquire(&t->alloc_lock);
		css = READ_ONCE(t->mm->bc.charge[BC_MM_ANON].css);
		task_unlock(t);
	}
	return css;
}

static bool process_is_below(struct task_struct *p, struct phys_css *top)
{
	struct bc_css *css = process_css(p);

	/* Who has died for us would be waited for until somebody reaps it. */
	if (bc_sabotaged(BC_SABOTAGE_BYSTANDER) && !is_victim(p))
		return true;
	return css && phys_is_below(&to_bc_resource(css)->counter, &top->res.counter);
}

/* Return: false if nobody else is to be looked at. */
static bool consider(struct phys_oom *oom, struct task_struct *p)
{
	long points;

	if (is_global_init(p) || (bc_task_flags(p) & PF_KTHREAD) ||
	    !process_is_below(p, oom->top))
		return true;
	if (is_victim(p)) {
		/*
		 * exit_mmap() gives up its claim before it has freed all, but is about to.
		 * Without the claim, and with users, nothing more is to be had from it.
		 */
		oom->pending = !test_bit(MMF_OOM_SKIP, &p->signal->oom_mm->flags) ||
			       !atomic_read(&p->signal->oom_mm->mm_users);
		return !oom->pending;
	}
	/* Below 1000, oom_score_adj would mean nothing. */
	points = oom_badness(p, max(bc_counter_limit(&oom->top->res.counter), 1000UL));
	if (points == LONG_MIN || (oom->victim && points < oom->points))
		return true;
	if (oom->victim)
		put_task_struct(oom->victim);
	get_task_struct(p);
	oom->victim = p;
	oom->points = points;
	return true;
}

static void choose(struct phys_oom *oom)
{
	struct task_struct *p;

	lockdep_assert_held(&oom_lock);

	guard(rcu)();
	for_each_process(p) {
		if (!consider(oom, p))
			break;
	}
	if (oom->pending && oom->victim) {
		put_task_struct(oom->victim);
		oom->victim = NULL;
	}
}

static void count_kill(struct phys_css *p)
{
	for (; p; p = p->parent)
		atomic_long_inc(&p->oom_kills);
}

/* The uppermost group up to @top that is killed as a whole, with the one that is @p. */
static struct phys_css *kill_together(struct phys_css *p, struct phys_css *top)
{
	struct phys_css *all = NULL;

	for (; p; p = p->parent) {
		if (READ_ONCE(p->oom_group))
			all = p;
		if (p == top)
			return all;
	}
	return NULL;
}

static bool is_dying(const struct task_struct *p)
{
	/* Without siglock: who is killed in this moment is killed twice. */
	return data_race(READ_ONCE(p->signal->flags)) & SIGNAL_GROUP_EXIT;
}

static bool is_protected(const struct task_struct *p)
{
	if (bc_sabotaged(BC_SABOTAGE_SPARE))
		return false;
	/* Without a lock: who writes that now comes too late. */
	return data_race(READ_ONCE(p->signal->oom_score_adj)) == OOM_SCORE_ADJ_MIN;
}

static const char kill_message[] = "Beancounter out of memory";

/* How many are found at once: to kill one goes through all processes, too. */
#define KILL_BATCH	32

/* Some who go along with a group, by reference. */
static unsigned int find_some(struct phys_css *top, struct task_struct **some)
{
	struct task_struct *p;
	unsigned int n = 0;

	guard(rcu)();
	for_each_process(p) {
		if (is_global_init(p) || (bc_task_flags(p) & PF_KTHREAD) ||
		    is_victim(p) || is_protected(p) || is_dying(p) ||
		    !process_is_below(p, top))
			continue;
		get_task_struct(p);
		some[n++] = p;
		if (n == KILL_BATCH)
			break;
	}
	return n;
}

/* Takes over the reference. */
static bool kill_one(struct phys_css *top, struct task_struct *p)
{
	struct bc_css *css;

	guard(rcu)();
	css = process_css(p);
	if (!css || !phys_is_below(&to_bc_resource(css)->counter, &top->res.counter)) {
		put_task_struct(p);
		return false;
	}
	if (!oom_kill_chosen(p, kill_message))
		return false;
	count_kill(to_phys_css(css));
	return true;
}

/* All of a group, as many as there can be now: who is born meanwhile may escape. */
static void kill_all(struct phys_css *top)
{
	struct task_struct *some[KILL_BATCH];
	unsigned int i, n, rounds;
	bool any = true;

	lockdep_assert_held(&oom_lock);
	/* As many as there are about now. */
	rounds = data_race(nr_threads) / KILL_BATCH + 1;
	for (; any && rounds; rounds--) {
		any = false;
		n = find_some(top, some);
		for (i = 0; i < n; i++) {
			any |= kill_one(top, some[i]);
			cond_resched();
		}
	}
}

/*
 * Kill the one who was chosen. @all becomes the group that is to go along, with a reference,
 * if there is one.
 *
 * Return: false if nobody can be.
 */
static bool kill_chosen(struct phys_oom *oom, struct phys_css **all)
{
	struct task_struct *victim = oom->victim;
	bool dying = is_dying(victim), killed;
	struct bc_css *css;
	struct phys_css *p;

	guard(rcu)();
	css = process_css(victim);
	if (!bc_sabotaged(BC_SABOTAGE_BYSTANDER) &&
	    (!css || !phys_is_below(&to_bc_resource(css)->counter, &oom->top->res.counter))) {
		/* It has just gone, or was moved away. There may be another one. */
		put_task_struct(victim);
		return true;
	}
	p = css ? to_phys_css(css) : oom->top;
	*all = kill_together(p, oom->top);
	/* It has a process, which may be the last one, and on its way out. */
	if (*all && !bc_group_tryget((*all)->res.css.group))
		*all = NULL;
	get_task_struct(victim);
	killed = oom_kill_chosen(victim, kill_message);
	/* Who was on its way out is only helped. */
	if (killed && !dying) {
		count_kill(p);
		bc_event_oom(&p->res.css, &oom->top->res.css, victim);
	}
	put_task_struct(victim);
	return killed;
}

/* And all that go along. Return: false if nobody can be killed. */
static bool kill_victim(struct phys_oom *oom)
{
	struct phys_css *all = NULL;
	bool killed;

	lockdep_assert_held(&oom_lock);

	killed = kill_chosen(oom, &all);
	if (!all)
		return killed;
	if (killed)
		kill_all(all);
	bc_group_put(all->res.css.group);
	return killed;
}

/**
 * bc_phys_out_of_memory - nothing could be freed: somebody in a group has to go
 * @top: the group
 *
 * Context: Process context, without any lock. Takes oom_lock.
 * Return: false if there is nobody.
 */
bool bc_phys_out_of_memory(struct phys_css *top)
{
	struct phys_oom oom = { .top = top };
	bool progress;

	if (mutex_lock_killable(&oom_lock))
		return true;
	if (!bc_counter_excess(&top->res.counter, 1, BC_LIMIT)) {
		mutex_unlock(&oom_lock);
		return true;
	}
	choose(&oom);
	progress = oom.pending;
	if (oom.victim)
		progress = kill_victim(&oom);
	mutex_unlock(&oom_lock);
	return progress;
}

/* The one of @p and the groups above it that is furthest above its barrier, or @worst. */
static struct phys_css *worse(struct phys_css *p, struct phys_css *worst,
			      unsigned long *most)
{
	for (; p; p = p->parent) {
		unsigned long held = max(atomic_long_read(&p->res.counter.held), 0L);
		unsigned long barrier = bc_counter_barrier(&p->res.counter);

		/* No CPU keeps credit of one that is above its barrier. */
		if (held > barrier && held - barrier > *most) {
			*most = held - barrier;
			worst = p;
		}
	}
	return worst;
}

/**
 * bc_oom_group - which group is to lose a process first
 *
 * The one that is furthest above its barrier, in pages (BC v6).
 *
 * Context: An RCU read-side section, with oom_lock.
 * Return: the state of physpages for it; NULL: none is above.
 */
struct bc_css *bc_oom_group(void)
{
	struct phys_css *worst = NULL;
	unsigned long most = 0;
	struct task_struct *p;
	struct bc_css *css;

	if (!static_branch_unlikely(&bc_enabled_key.key))
		return NULL;
	for_each_process(p) {
		css = process_css(p);
		if (css)
			worst = worse(to_phys_css(css), worst, &most);
	}
	return worst ? &worst->res.css : NULL;
}

/**
 * bc_oom_is_in - is a process one of a group?
 * @p: the process
 * @css: from bc_oom_group(); NULL: all are
 *
 * Context: An RCU read-side section.
 */
bool bc_oom_is_in(struct task_struct *p, struct bc_css *css)
{
	return !css || process_is_below(p, to_phys_css(css));
}
