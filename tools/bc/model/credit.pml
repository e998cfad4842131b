/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: credit, and its being taken back.
 *
 * Models the batched counters of kernel/bc/counter.c and kernel/bc/credit.h: credit_take(),
 * credit_give(), credit_begin() to take_credit_back(), charge_path(), charge_drained(),
 * uncharge_path(), bc_counter_charge(), bc_counter_uncharge(), and the part of
 * bc_counter_kill() and bc_counter_destroy() that has to do with credit.
 *
 * Two counters, A and B, and their parent P. Each CPU charges and uncharges whatever it
 * likes, OPS times, one unit at a time.
 *
 * - Nothing is refused while there is room: at the moment at which the level that refuses
 *   was looked at last, what was in use left none. (A unit is in use at a level from the step
 *   that charges it there to the step that uncharges it there or makes it credit.)
 * - Nothing is lost: in the end, @held of each level is what is in use and what is credit.
 * - Who drains next finds what there is: in the end, where credit is, @lent is set.
 * - No credit above a barrier, in the end (BARRIER below LIMIT).
 * - When a counter has been killed, no slot has its id, no credit is in its @held, so that it
 *   gets to 0, and nobody touches it when it is freed then (KILL).
 * - Nobody waits for ever.
 *
 * What is left out, and why that is no harm:
 *
 * - A CPU has one slot, for which all counters compete: two counters whose ids pick different
 *   slots have less to do with each other.
 * - The cmpxchg loops are one step. When the cmpxchg succeeds, the value was that which had
 *   been loaded; when the loop gives up, it is by a load that had nothing behind it. Where
 *   something is done between load and cmpxchg, with a slot's word, they are two steps.
 * - A CPU does not wait for its own sections: who waits is in none.
 * - Interrupts between sections are as other CPUs, of which there are enough. A task that is
 *   moved to another CPU with a pointer to a slot in hand takes from, or gives to, another
 *   CPU's slot, see any_slot().
 * - Limits do not change, and there are no watermarks: limit.pml, watermark.pml.
 * - A counter is freed at once, when nobody is in bc_counter_charge() or
 *   bc_counter_uncharge() with it: for these there is the RCU grace period. Who has found
 *   it by the id in a slot does not get one.
 *
 * Without one of these, the model fails:
 *   NO_BEGIN_MB		smp_mb() in credit_begin()
 *   NO_END_RELEASE	the release store in credit_end() (KILL, LIMIT_A=0)
 *   NO_WAIT_ACQUIRE	the acquire loads in credit_wait()
 *   NO_DRAIN_MB		the first smp_mb() in credit_drain()
 *   NO_DRAIN_MB2	the second
 *   NO_LENT_ACQUIRE	the acquire load of @lent in credit_drain()
 *   NO_UNPRESS_RELEASE	the release in credit_unpress()
 *   NO_ALLOWED_ACQUIRE	the acquire loads of @pressure in credit_allowed()
 *   NO_WAIT, NO_WAIT2	no barriers: the waits themselves
 */
#ifndef LIMIT
#define LIMIT	2	/* of P */
#endif
#ifndef BARRIER
#define BARRIER	LIMIT
#endif
#ifndef LIMIT_A
#define LIMIT_A	9
#endif
#ifndef WORKERS
#define WORKERS	2
#endif
#ifndef OPS
#define OPS	2
#endif
#ifdef KILL
#define CPUS	(WORKERS + 1)
#else
#define CPUS	WORKERS
#endif

#define BATCH		1
#define CREDIT_MAX	(2 * BATCH)

/* Counters. Spin's conditional expressions, (if -> then : else), need all parentheses. */
#define A	0
#define B	1
#define P	2
#define NONE	3
#define parent(c)		((c) == P -> NONE : P)
#define counts_in(c, above)	((c) == (above) || (above) == P)
#define barrier(c)		((c) == P -> BARRIER : ((c) == A -> LIMIT_A : 9))
#define limit(c)		((c) == P -> LIMIT : ((c) == A -> LIMIT_A : 9))
#define ceiling(c, severe)	((severe) -> limit(c) : barrier(c))

/* Stores that can wait: to @seq, and to @lent and @pressure of A, B and P. */
#define SEQ		0
#define LENT		1
#define PRESSURE	4
#define STORES		7
#include "memory.pml"

byte held[3], pressure[3];
bool lent[3];

/* The slots, and seq, of each CPU. A word that is changed in one step. */
byte id[CPUS] = NONE, units[CPUS];
byte seq[CPUS];

/* What there is to check. */
byte used[3];
bool killed, freed[3];
byte charging, uncharging;	/* B, now */
byte finished;

inline add_pressure(cpu, c)
{
	pressure[c] = (stored(cpu, PRESSURE + c) -> pressure[c] + 1 : pressure[c] - 1);
	performed(cpu, PRESSURE + c)
}

inline set_lent(cpu, c)
{
	lent[c] = stored(cpu, LENT + c);
	performed(cpu, LENT + c)
}

proctype memory(byte cpu)
{
end:	do
	:: atomic { can_perform(cpu, SEQ) -> seq[cpu]++; performed(cpu, SEQ) }
	:: atomic { can_perform(cpu, LENT + A) -> set_lent(cpu, A) }
	:: atomic { can_perform(cpu, LENT + B) -> set_lent(cpu, B) }
	:: atomic { can_perform(cpu, LENT + P) -> set_lent(cpu, P) }
	:: atomic { can_perform(cpu, PRESSURE + A) -> add_pressure(cpu, A) }
	:: atomic { can_perform(cpu, PRESSURE + B) -> add_pressure(cpu, B) }
	:: atomic { can_perform(cpu, PRESSURE + P) -> add_pressure(cpu, P) }
	od
}

/* From @from to below @stop. Of each unit, or of none, it is known that it was in use. */
inline uncharge_path(from, stop, n, in_use)
{
	c = from;
	do
	:: c != stop ->
		atomic {
			full_barrier(me) ->
			assert(!freed[c] && held[c] >= n && used[c] >= in_use);
			held[c] = held[c] - (n);
			used[c] = used[c] - (in_use);
			c = parent(c)
		}
	:: else -> break
	od;
	c = NONE
}

/*
 * Sets @refuser, which may have had @room. Of @n, one unit is going to be used. Levels that
 * are above their barrier then get a bit in @over.
 */
inline charge_path(from, n)
{
	c = from;
	refuser = NONE;
	do
	:: c != NONE && refuser == NONE ->
		atomic {
			if
			:: !early_full && held[c] + (n) <= ceiling(c, severe) && full_barrier(me) ->
				held[c] = held[c] + (n);
				used[c]++;
				if
				:: held[c] > barrier(c) -> over = over | BIT(c)
				:: else
				fi;
				c = parent(c)
			:: !early_full && held[c] + (n) > ceiling(c, severe) ->
				refuser = c;
				room = used[c] + 1 <= ceiling(c, severe)
			:: early_full ->
				refuser = c;
				room = early_room
			fi;
			early_full = false;
			early_room = false
		}
	:: else -> break
	od;
	c = NONE;
	if
	:: refuser != NONE ->
		over = 0;
		uncharge_path(from, refuser, n, 1)
	:: else
	fi
}

/*
 * A load of @held in charge_path() that is performed here already, as something that should
 * keep it back has been taken away. It can be so early only if charge_path() has
 * no atomic operation before it: at the first level.
 */
inline load_early(from, level)
{
	if
	:: from == level ->
		atomic {
			early_full = held[level] + 1 > ceiling(level, severe);
			early_room = early_full && used[level] + 1 <= ceiling(level, severe)
		}
	:: skip
	fi
}

inline credit_begin()
{
	write_once(me, SEQ, 1);
#ifndef NO_BEGIN_MB
	full_barrier(me)
#endif
}

inline credit_end()
{
	store_release(me, SEQ, 1)
}

#define other(cpu)	((cpu) == me -> (cpu) + 1 : (cpu))

inline credit_wait()
{
	w = other(0);
	do
	:: w < CPUS && w != waited ->
		atomic {
			old = seq[w];
			if
			:: old & 1
			:: else -> old = 0; w = other(w + 1)
			fi
		}
		if
		:: old -> atomic { seq[w] != old -> old = 0; w = other(w + 1) }
		:: else
		fi
	:: w < CPUS && w == waited -> w = other(w + 1)
	:: else -> break
	od;
	w = 0;
	waited = NONE
}

/* The word has been loaded. Whose credit is it? Take it, if it counts in @level. */
inline drain_slot(level)
{
	do
	:: word != NONE && counts_in(word, level) ->
		assert(!freed[word]);
		atomic {
			if
			:: id[d] == word && units[d] == n && full_barrier(me) ->
				id[d] = NONE;
				units[d] = 0;
				waited = NONE;
				break
			:: id[d] != word || units[d] != n ->
				word = id[d];
				n = units[d]
			fi
		}
	:: else ->
#ifdef NO_END_RELEASE
		/* No atomic operation, so that credit_end() may overtake the loads. */
		credit_end();
		ended = true;
#endif
		atomic { assert(word == NONE || !freed[word]); n = 0; break }
	od
}

/* Whoever drains @level is going to charge @from, or NONE. */
inline credit_drain(from, level)
{
#ifndef NO_DRAIN_MB
	full_barrier(me);
#endif
	was_lent = 2;
#ifdef NO_WAIT_ACQUIRE
	if
	:: was_lent = lent[level]
	:: skip
	fi;
#endif
#ifndef NO_WAIT
	credit_wait();
#endif
#ifdef NO_LENT_ACQUIRE
	load_early(from, level);
#endif
	if
	:: was_lent == 2 -> was_lent = lent[level]
	:: else
	fi;
	if
	:: was_lent ->
		atomic { was_lent = 0; early_full = false; early_room = false }
		d = 0;
		do
		:: d < CPUS ->
#ifdef NO_DRAIN_MB2
			/* The last slot is another CPU's. Its seq may be loaded before that. */
			if
			:: d == CPUS - 1 && d != me && !(seq[d] & 1) -> waited = d
			:: skip
			fi;
#endif
			if
			:: id[d] == NONE
			:: else ->
				credit_begin();
				atomic { word = id[d]; n = units[d] }
				drain_slot(level);
				if
				:: n -> uncharge_path(word, NONE, n, 0)
				:: else
				fi;
#ifdef NO_END_RELEASE
				if
				:: !ended -> credit_end()
				:: else -> ended = false
				fi
#else
				credit_end()
#endif
			fi;
			atomic { word = NONE; n = 0; d++ }
		:: else -> break
		od;
		d = 0;
#ifndef NO_DRAIN_MB2
		full_barrier(me);
#endif
#ifdef NO_WAIT_ACQUIRE
		load_early(from, level);
#endif
#ifndef NO_WAIT2
		credit_wait();
#endif
		/*
		 * A plain store: nothing that comes before can be later. All uncharges are full
		 * barriers, those of others were waited for by acquire loads, and smp_mb() was in
		 * between. With a release, the model has the same states.
		 */
		write_once(me, LENT + level, 0)
	:: else
	fi
}

inline credit_press(from, level)
{
	write_once(me, PRESSURE + level, 1);
	credit_drain(from, level)
}

inline credit_unpress(level)
{
#ifndef NO_UNPRESS_RELEASE
	store_release(me, PRESSURE + level, 0)
#else
	write_once(me, PRESSURE + level, 0)
#endif
}

/* Loads of credit_allowed(), and of credit_lend() after it: @pressure, @held, @lent. */
#define PRESSURE_C	1
#define PRESSURE_P	2
#define HELD_P		4
#define LENT_C		8
#define LENT_P		16
#define loaded(what)	((loads & (what)) == (what))
#define PRESSURES	(PRESSURE_C | PRESSURE_P)
#define LOADS		(PRESSURES | HELD_P | LENT_C | LENT_P)

#ifdef NO_ALLOWED_ACQUIRE
#define acquired	true
#else
#define acquired	loaded(PRESSURES)
#endif

/*
 * Sets @allowed. What has been loaded by an acquire is followed by all that comes later in
 * the program; the rest is in any order. Only P has a barrier that keeps slots closed.
 */
inline credit_allowed(x, lend_loads)
{
	atomic {
		allowed = true;
		loads = (lend_loads -> 0 : LENT_C | LENT_P) | (x == P -> PRESSURE_C | LENT_C : 0)
	}
	do
	:: atomic { !loaded(PRESSURE_C) ->
			loads = loads | PRESSURE_C;
			allowed = allowed && !pressure[x] }
	:: atomic { !loaded(PRESSURE_P) && loaded(PRESSURE_C) ->
			loads = loads | PRESSURE_P;
			allowed = allowed && !pressure[P] }
	:: atomic { !loaded(HELD_P) && loaded(PRESSURES) ->
			loads = loads | HELD_P;
			allowed = allowed && held[P] <= BARRIER }
	:: atomic { !loaded(LENT_C) && acquired -> loads = loads | LENT_C; lent_c = lent[x] }
	:: atomic { !loaded(LENT_P) && acquired -> loads = loads | LENT_P; lent_p = lent[P] }
	:: !allowed || loaded(LOADS) -> break
	od;
	loads = 0
}

inline credit_lend(x)
{
	if
	:: x != P && !lent_c -> write_once(me, LENT + x, 1)
	:: else
	fi;
	if
	:: !lent_p -> write_once(me, LENT + P, 1)
	:: else
	fi;
	lent_c = false;
	lent_p = false
}

/* Credit is made use of, or made of it, at all levels at once. */
inline now_used(x)
{
	used[x]++;
	if
	:: x != P -> used[P]++
	:: else
	fi
}

inline now_credit(x)
{
	used[x]--;
	if
	:: x != P -> used[P]--
	:: else
	fi
}

/* Sets @ok. With the severity that there is, barrier: charge() sets it only then. */
inline credit_refill(x)
{
	credit_begin();
	credit_allowed(x, false);
	if
	:: allowed -> charge_path(x, 1 + BATCH); ok = refuser == NONE
	:: else
	fi;
	if
	:: ok ->
		lent_c = lent[x];
		lent_p = lent[P];
		credit_lend(x);
		atomic {
			full_barrier(me) ->
			word = id[me];
			n = units[me];
			id[me] = x;
			units[me] = BATCH
		}
		if
		:: n -> assert(!freed[word]); uncharge_path(word, NONE, n, 0)
		:: else
		fi;
		atomic { word = NONE; n = 0 }
	:: else
	fi;
	credit_end();
	allowed = false
}

/* Sets @ok. A slot that is full keeps a batch, one that is empty gets what is uncharged. */
inline credit_open(x)
{
	credit_begin();
	atomic { word = id[me]; n = units[me] }
	credit_allowed(x, true);
	if
	:: allowed ->
		credit_lend(x);
		atomic {
			if
			:: (!n || word == x) && id[me] == word && units[me] == n && full_barrier(me) ->
				id[me] = x;
				units[me] = (n -> BATCH : 1);
				now_credit(x);
				ok = true
			:: (n && word != x) || id[me] != word || units[me] != n
			fi
		}
		if
		:: ok && n -> uncharge_path(x, NONE, n + 1 - BATCH, 0)
		:: else
		fi
	:: else
	fi;
	atomic { word = NONE; n = 0; lent_c = false; lent_p = false }
	credit_end();
	allowed = false
}

inline any_slot()
{
	if
	:: s = 0
	:: s = 1
#if WORKERS > 2
	:: s = 2
#endif
	fi
}

/* charge_path(), and what it does in the end: no credit above a barrier. */
inline charge_and_look(x)
{
	charge_path(x, 1);
	do
	:: over && severe ->
		w = (over & BIT(x) -> x : P);
		over = over & ~BIT(w);
		level = w;
		w = 0;
		credit_press(NONE, level);
		credit_unpress(level);
		level = 0
	:: else -> break
	od;
	over = 0
}

inline charge(x)
{
	any_slot();
	atomic {
		if
		:: id[s] == x && units[s] && full_barrier(me) ->
			units[s]--;
			now_used(x);
			ok = true
		:: id[s] != x || !units[s]
		fi;
		s = 0
	}
	if
	:: !ok -> credit_refill(x); over = 0
	:: else
	fi;
	if
	:: !ok ->
#if BARRIER < LIMIT
		if
		:: severe = true
		:: skip
		fi;
#endif
		charge_and_look(x);
		do
		:: refuser != NONE && !(drained & BIT(refuser)) ->
			drained = drained | BIT(refuser);
			credit_press(x, refuser);
			charge_and_look(x)
		:: else -> break
		od;
		assert(refuser == NONE || !room);
		ok = refuser == NONE;
		refuser = A;
		do
		:: drained & BIT(refuser) ->
			credit_unpress(refuser);
			drained = drained & ~BIT(refuser)
		:: drained && !(drained & BIT(refuser)) -> refuser++
		:: !drained -> break
		od;
		severe = false
	:: else
	fi;
	atomic {
		if
		:: ok -> mine[x]++
		:: else
		fi;
		ok = false;
		room = false;
		refuser = NONE
	}
}

inline uncharge(x)
{
	any_slot();
	atomic {
		if
		:: id[s] == x && units[s] < CREDIT_MAX && full_barrier(me) ->
			units[s]++;
			now_credit(x);
			ok = true
		:: id[s] != x || units[s] == CREDIT_MAX
		fi;
		s = 0;
		mine[x]--
	}
	if
	:: !ok -> credit_open(x)
	:: else
	fi;
	if
	:: !ok -> uncharge_path(x, NONE, 1, 1)
	:: else
	fi;
	ok = false
}

#define LOCALS \
	byte s, d, w, old, word = NONE, n, c = NONE, level;			\
	byte refuser = NONE, drained, over, loads, was_lent, waited = NONE;	\
	bool ok, room, severe, allowed, lent_c, lent_p, early_full, early_room, ended

proctype worker(byte me)
{
	LOCALS;
	byte ops, x, mine[3];

#ifdef WARM
	/* One has a unit of B. With KILL, to uncharge it is all that it does. */
	atomic {
		if
		:: me == 1 ->
			mine[B] = 1;
#ifdef KILL
			ops = OPS
#endif
		:: else
		fi
	}
#endif
	do
	:: ops < OPS ->
		atomic {
			ops++;
			if
			:: x = A
			:: x = B
#ifndef WARM
			:: x = P
#endif
			fi
		}
		/* Nobody charges a counter that has been killed. */
		if
		:: atomic { !(killed && x == B) -> charging = charging + (x == B -> 1 : 0) }
			charge(x);
			charging = charging - (x == B -> 1 : 0)
		:: atomic { mine[x] -> uncharging = uncharging + (x == B -> 1 : 0) }
			uncharge(x);
			uncharging = uncharging - (x == B -> 1 : 0)
		:: killed && x == B && !mine[x]
		fi;
		x = 0
#ifdef KILL
	:: atomic { ops == OPS && mine[B] -> x = B; uncharging++ }
		uncharge(x);
		uncharging--;
		x = 0
#endif
	:: else -> break
	od;
	finished++
}

#ifdef KILL
proctype remover(byte me)
{
	LOCALS;

	atomic { charging == 0 -> killed = true }
	credit_press(NONE, B);
	atomic {
		assert(id[0] != B && id[1] != B && id[me] != B);
		assert(held[B] == used[B])
	}
	/* The last uncharge, which kill.pml is about, and a grace period. */
	atomic { held[B] == 0 && uncharging == 0 -> freed[B] = true }
	finished++
}
#endif

#define credit_of(cpu, c) \
	((id[cpu] == (c) || ((c) == P && id[cpu] != NONE)) -> units[cpu] : 0)
#if CPUS > 2
#define credit(c)	(credit_of(0, c) + credit_of(1, c) + credit_of(2, c))
#else
#define credit(c)	(credit_of(0, c) + credit_of(1, c))
#endif

inline check(c)
{
	assert(held[c] == used[c] + credit(c));
	assert(!credit(c) || lent[c]);
	assert(!credit(c) || held[c] <= barrier(c))
}

init {
	byte cpu;

	atomic {
#ifdef WARM
		/* B has one unit in use and one that is credit of CPU 0, A had some once. */
		used[B] = 1; used[P] = 1;
		id[0] = B; units[0] = 1;
		held[B] = 2; held[P] = 2;
		lent[A] = true; lent[B] = true; lent[P] = true;
#endif
		do
		:: cpu < CPUS ->
			run memory(cpu);
			if
			:: cpu < WORKERS -> run worker(cpu)
#ifdef KILL
			:: else -> run remover(cpu)
#endif
			fi;
			cpu++
		:: else -> break
		od
	}
	atomic {
		finished == CPUS && todo[0] == 0 && todo[1] == 0 && todo[CPUS - 1] == 0 ->
		check(A);
		check(B);
		check(P)
	}
}
