/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: charges while the limit is written.
 *
 * Models bc_counter_set_limit(), charge_level(), and charge_overtaken(), the second look at
 * the limit, in kernel/bc/counter.c: two CPUs charge, at the barrier or at the limit, and
 * uncharge; a third one writes the limit once, RAISE or not, or TWICE, the old one again. One
 * level and a plain counter: a level asks for nothing of the others, and a batched counter
 * charges levels in the same way. bc_counter_set_barrier() is a part of
 * bc_counter_set_limit().
 *
 * - the barrier is not above the limit, at any moment;
 * - no charge takes @held above what it is checked against, but for one during which that is
 *   lowered, which then takes it back;
 * - when the limit has been written, no charge succeeds that does not fit;
 * - a charge is refused only if there was no room at some moment since it began. What others
 *   have charged, or are charging, takes room, what it has charged itself does not;
 * - a level is asked again only as often as its limit is lowered, here once;
 * - nothing is lost: in the end, what has been charged is held.
 *
 * With RAISE and TWICE, the model fails: a limit that is raised and then lowered again, all
 * while one charge is being made, is for that charge one that was never raised, and what is
 * held under it no room. That is left open.
 *
 * Without one of these, the model fails:
 *   NO_ACQUIRE	the acquire in ceiling()
 *   NO_RMB	smp_rmb() in charge_level() (RAISE)
 *   NO_AGAIN	no barrier: after the second look, to ask again
 *   NO_DOWN_WMB	the first smp_wmb() in bc_counter_set_limit()
 *   NO_UP_WMB	the second (RAISE)
 *   NO_SET_MB	smp_mb() there
 */
#define CPUS 3
#define SETTER 2

#define BARRIER_DOWN 0
#define LIMIT 1
#define BARRIER_UP 2
#define STORES 3
#include "memory.pml"

#define OPS 2
#ifdef RAISE
#define OLD 1
#define NEW 3
#define HELD 0
#else
#define OLD 3
#define NEW 1
#define HELD 1	/* by CPU 0 */
#endif

#ifdef TWICE
#define LAST OLD
#else
#define LAST NEW
#endif

byte held = HELD;
byte limit = OLD, barrier = OLD;
#define ceiling(severe)	((severe) -> limit : barrier)

/* What there is to check. */
byte charged[CPUS];
bool at_limit[CPUS];
bool no_room[CPUS];	/* there was no room at some moment since */
bool lowered[CPUS];	/* the ceiling was lowered since */
byte in_hand[CPUS];	/* a part of @held that does not take room from itself */
bool returned;
byte finished;

inline look_at(i)
{
	no_room[i] = no_room[i] || held - in_hand[i] + 1 > ceiling(at_limit[i])
}

inline held_changed()
{
	look_at(0);
	look_at(1)
}

inline ceiling_changed(was, is)
{
	assert(barrier <= limit);
	if
	:: (is) < (was) -> lowered[0] = true; lowered[1] = true
	:: else
	fi;
	held_changed()
}

proctype memory(byte cpu)
{
	byte was;

end:	do
	:: atomic {
		can_perform(cpu, BARRIER_DOWN) ->
		was = barrier;
		barrier = (stored(cpu, BARRIER_DOWN) -> NEW : OLD);
		performed(cpu, BARRIER_DOWN);
		ceiling_changed(was, barrier)
	}
	:: atomic {
		can_perform(cpu, LIMIT) ->
		was = limit;
		limit = (stored(cpu, LIMIT) -> NEW : OLD);
		performed(cpu, LIMIT);
		ceiling_changed(was, limit)
	}
	:: atomic {
		can_perform(cpu, BARRIER_UP) ->
		was = barrier;
		barrier = (stored(cpu, BARRIER_UP) -> NEW : OLD);
		performed(cpu, BARRIER_UP);
		ceiling_changed(was, barrier)
	}
	od
}

/* The barrier is where the limit is, and goes with it. To NEW, or to OLD. */
inline set_limit(to_new, down)
{
	if
	:: down -> write_once(me, BARRIER_DOWN, to_new)
	:: else
	fi;
#ifndef NO_DOWN_WMB
	smp_wmb(me);
#endif
	write_once(me, LIMIT, to_new);
#ifndef NO_UP_WMB
	smp_wmb(me);
#endif
	write_once(me, BARRIER_UP, to_new);
#ifndef NO_SET_MB
	full_barrier(me)
#endif
}

proctype setter(byte me)
{
	set_limit(1, NEW < OLD);
#ifdef TWICE
	set_limit(0, OLD < NEW);
#endif
	returned = true;
	finished++
}

/* Sets @ok. */
inline charge_level()
{
	/* Where nothing keeps two loads in order, they are in any. */
	if
	:: max = ceiling(at_limit[me]); seen = held
#ifdef NO_ACQUIRE
	:: seen = held; max = ceiling(at_limit[me])
#endif
#ifdef NO_RMB
	:: max = ceiling(at_limit[me]); now = ceiling(at_limit[me]); seen = held
#endif
	fi;
	do
	:: seen + 1 > max ->
#ifdef NO_RMB
		if
		:: now
		:: now = ceiling(at_limit[me])
		fi;
#else
		now = ceiling(at_limit[me]);
#endif
		if
		:: now <= max -> ok = false; break
		:: else -> max = now
		fi
	:: else ->
		atomic {
			if
			:: seen == held && full_barrier(me) ->
				held++;
				in_hand[me] = 1;
				assert(held <= ceiling(at_limit[me]) || lowered[me]);
				held_changed();
				ok = true;
				break
			:: seen != held -> seen = held
			fi
		}
	od;
	now = 0
}

inline charge()
{
	atomic {
		if
		:: at_limit[me] = true
		:: at_limit[me] = false
		fi;
		no_room[me] = false;
		lowered[me] = false;
		look_at(me)
	}
	do
	:: charge_level();
		if
		:: !ok -> break
		:: else
		fi;
		/* charge_overtaken(): the limit may have been lowered since. */
		atomic {
			ok = seen + 1 <= ceiling(at_limit[me]);
			if
			:: ok -> assert(!returned || seen + 1 <= LAST); break
			:: else
			fi
		}
		atomic {
			full_barrier(me) ->
			held--;
			in_hand[me] = 0;
			held_changed();
			assert(!again);
			again = true
		}
#ifdef NO_AGAIN
		break
#endif
	od;
	atomic {
		assert(ok || no_room[me]);
		if
		:: ok -> charged[me]++
		:: else
		fi;
		in_hand[me] = 0;
		at_limit[me] = false; no_room[me] = false; lowered[me] = false;
		ok = false; again = false; max = 0; seen = 0
	}
}

proctype charger(byte me)
{
	byte ops, max, seen, now;
	bool ok, again;

	do
	:: ops < OPS ->
		ops++;
		if
		:: charge()
		:: atomic { charged[me] && full_barrier(me) -> held--; charged[me]--; held_changed() }
		fi
	:: else -> break
	od;
	finished++
}

init {
	atomic {
		charged[0] = HELD;
		run memory(SETTER);
		run charger(0);
		run charger(1);
		run setter(SETTER)
	}
	finished == 3 && todo[SETTER] == 0;
	assert(held == charged[0] + charged[1])
}
