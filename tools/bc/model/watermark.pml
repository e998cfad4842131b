/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: watermarks, and their being reset meanwhile.
 *
 * Models raise_maxheld(), lower_minheld(), bc_counter_reset_maxheld() and
 * bc_counter_reset_minheld() in kernel/bc/counter.c: two CPUs charge and uncharge, a third one
 * resets one watermark. One level and a plain counter: in a batched one, watermarks are as far
 * off as there is credit.
 *
 * - at rest, @held is between the watermarks;
 * - they are exact: what @held has been at its highest and at its lowest, from some moment of
 *   the reset on. A charge that the reset overlaps may come before or after it.
 *
 * @maxima has a bit for each value that @maxheld may have, so: one for each moment at which
 * the reset may be thought to have been.
 *
 * Without one of these, the model fails:
 *   NO_MAX_MB	smp_mb() in bc_counter_reset_maxheld()
 *   NO_MIN_MB	smp_mb() in bc_counter_reset_minheld()
 */
#define CPUS 3
#define RESETTER 2

#define MAX 0
#define MIN 1
#define STORES 2
#include "memory.pml"

#define OPS 2

byte held = 2, maxheld = 4, minheld = 1;
byte reset_to;

/* What there is to check. */
byte maxima = BIT(4), minima = BIT(1);
bool resetting_max, resetting_min;
byte finished;

#define below(n)	(BIT(n) - 1)
#define above(n)	(255 - below((n) + 1))

inline held_changed()
{
	maxima = (maxima & ~below(held)) |
		 ((maxima & below(held)) || resetting_max -> BIT(held) : 0);
	minima = (minima & ~above(held)) |
		 ((minima & above(held)) || resetting_min -> BIT(held) : 0)
}

proctype memory(byte cpu)
{
end:	do
	:: atomic { can_perform(cpu, MAX) -> maxheld = reset_to; performed(cpu, MAX) }
	:: atomic { can_perform(cpu, MIN) -> minheld = reset_to; performed(cpu, MIN) }
	od
}

inline raise_maxheld(seen)
{
	if
	:: now > seen ->
		atomic {
			if
			:: now > maxheld && full_barrier(me) -> maxheld = now
			:: now <= maxheld
			fi
		}
	:: else
	fi
}

inline lower_minheld(seen)
{
	if
	:: now < seen ->
		atomic {
			if
			:: now < minheld && full_barrier(me) -> minheld = now
			:: now >= minheld
			fi
		}
	:: else
	fi
}

proctype charger(byte me)
{
	byte ops, now, mark;

	do
	:: ops < OPS ->
		ops++;
		if
		:: atomic { full_barrier(me) -> held++; now = held; held_changed() }
			mark = maxheld;
			raise_maxheld(mark);
			maxima = maxima | (maxima & below(now) -> BIT(now) : 0)
		:: atomic { held && full_barrier(me) -> held--; now = held; held_changed() }
			mark = minheld;
			lower_minheld(mark);
			minima = minima | (minima & above(now) -> BIT(now) : 0)
		fi;
		atomic { now = 0; mark = 0 }
	:: else -> break
	od;
	finished++
}

/* Who has stored a watermark sees that, wherever it is. */
#define own(what, mark)	((todo[me] & BIT(what)) -> reset_to : mark)

proctype resetter(byte me)
{
	byte now, mark;

	if
	:: atomic { reset_to = held; resetting_max = true; maxima = BIT(held) }
		write_once(me, MAX, 1);
#ifndef NO_MAX_MB
		full_barrier(me);
#endif
		now = held;
		mark = own(MAX, maxheld);
		raise_maxheld(mark)
	:: atomic { reset_to = held; resetting_min = true; minima = BIT(held) }
		write_once(me, MIN, 1);
#ifndef NO_MIN_MB
		full_barrier(me);
#endif
		now = held;
		mark = own(MIN, minheld);
		lower_minheld(mark)
	fi;
	atomic { resetting_max = false; resetting_min = false; finished++ }
}

init {
	atomic {
		run memory(RESETTER);
		run charger(0);
		run charger(1);
		run resetter(RESETTER)
	}
	finished == 3 && todo[RESETTER] == 0;
	assert(minheld <= held && held <= maxheld);
	assert(maxima & BIT(maxheld));
	assert(minima & BIT(minheld))
}
