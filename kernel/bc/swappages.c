// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: swappages, the places in swap that a group's anonymous memory takes.
 *
 * What an administrator should know:
 *
 * - What counts are slots, a page each, from the moment that a page is given one until the
 *   slot is freed. A page that was read back may keep its slot for a while, and then
 *   counts here and in physpages.
 * - A slot is charged to the group that has paid for the page (physpages), and stays so,
 *   wherever the process goes that has it mapped. What fork shares has one slot.
 * - At the limit, pages stay in RAM. If that has no room either, it is as without swap:
 *   physpages has the group lose a process.
 * - From half of the barrier on, a slot is freed as soon as its page is read back.
 * - Where physpages is in another hierarchy, or counts no pages, nothing counts.
 *
 * How: owners are in a table for each swap device, by slot. A counter is known by its id,
 * which is 4 bytes: what is charged keeps the counter, and the counter its id. 0 is
 * nobody. The table is made when the device is swapped on, if there are groups, or with the
 * first group; what was in swap before that is nobody's. It is freed when the device is
 * swapped off.
 *
 * Locking: the word of a slot belongs to who has the slot: who has just been given it, and
 * then who drops the last that is in it. As long as a slot is in use, swapoff(2) waits, so
 * the table is there. owners_mutex is for making and freeing the tables. It nests in
 * bc_mutex, and in the lock of the inode that is swapped on.
 */
#include <linux/bc/core.h>
#include <linux/bc/swap.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmdebug.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/vmalloc.h>

#include "credit.h"
#include "pages.h"
#include "sabotage.h"
#include "swappages.h"

/**
 * struct swap_owners - who has paid for the slots of a swap device
 * @id: the ids of the counters, by slot; NULL: nobody for any
 * @nr: how many slots there are; 0: it is not swapped on
 */
struct swap_owners {
	u32		*id;
	unsigned long	nr;
};

static DEFINE_MUTEX(owners_mutex);
static struct swap_owners swap_owners[MAX_SWAPFILES];

/* Groups that have a counter, those that were removed and live on included. */
static unsigned int nr_groups;

/*
 * By the name of this function, the table is in /proc/vmallocinfo. Rather no group, or no
 * swap, than an OOM kill.
 */
static noinline int make_swap_owners(struct swap_owners *owners)
{
	u32 *id;

	lockdep_assert_held(&owners_mutex);
	/* Without owners of pages, there is nobody who could be charged. */
	if (owners->id || !owners->nr || !nr_groups || !READ_ONCE(bc_nr_page_owners))
		return 0;
	id = __vmalloc(array_size(owners->nr, sizeof(*id)),
		       GFP_KERNEL | __GFP_ZERO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!id)
		return -ENOMEM;
	/* All 0, for who finds it. */
	smp_store_release(&owners->id, id);
	return 0;
}

/**
 * bc_swap_on - a swap device is going to be used
 * @type: its number
 * @nr: how many slots it has, the first one included, which is never used
 *
 * Context: Process context. May sleep. Takes owners_mutex.
 * Return: 0, or -ENOMEM. In either case, bc_swap_off() comes later.
 */
int bc_swap_on(unsigned int type, unsigned long nr)
{
	guard(mutex)(&owners_mutex);
	swap_owners[type].nr = nr;
	return make_swap_owners(&swap_owners[type]);
}

/**
 * bc_swap_off - a swap device is not used any more, or could not be
 * @type: its number; all slots have been freed, and nobody can get one
 *
 * Context: Process context. May sleep. Takes owners_mutex.
 */
void bc_swap_off(unsigned int type)
{
	struct swap_owners *owners = &swap_owners[type];
	u32 *id;

	guard(mutex)(&owners_mutex);
	id = owners->id;
	WRITE_ONCE(owners->id, NULL);
	owners->nr = 0;
	vfree(id);
}

/* Where the owner of a slot is remembered, that is in use; NULL: nowhere. */
static u32 *slot_owner(swp_entry_t entry)
{
	/* Pairs with make_swap_owners(), by the dependency. */
	u32 *id = READ_ONCE(swap_owners[swp_type(entry)].id);

	return id ? id + swp_offset(entry) : NULL;
}

/*
 * Who pays for a place of what a counter of physpages has paid for. The group of that is
 * kept by RCU, or by its charge.
 */
static struct bc_css *payer(struct bc_counter *phys)
{
	struct bc_group *group = container_of(phys, struct bc_resource, counter)->css.group;

	return bc_css_living(bc_css_charged(group->css[BC_ID_swappages]));
}

/* Shared memory is nobody's here: who has paid for it is in shmpages. */
static struct bc_css *folio_payer(struct folio *folio)
{
	unsigned long *owner = bc_page_owner(&folio->page);
	unsigned long word = owner ? READ_ONCE(*owner) : 0;

	return word & BC_OWNER_ANON ? payer(bc_owner_counter(word)) : NULL;
}

static bool try_charge(struct bc_css *css, unsigned long n)
{
	struct bc_counter *counter = &to_bc_resource(css)->counter;

	if (credit_take(counter, n))
		return true;
	/* It is split, and the parts are tried one by one. */
	if (n > 1)
		return !bc_counter_charge(counter, n, BC_LIMIT);
	return bc_resource_try_charge(css, n, BC_LIMIT);
}

int __bc_swap_charge(struct folio *folio, swp_entry_t entry)
{
	u32 *owner = slot_owner(entry), *end;
	struct bc_css *css;

	if (!owner)
		return 0;
	guard(rcu)();
	css = folio_payer(folio);
	if (!css)
		return 0;
	if (!try_charge(css, folio_nr_pages(folio)))
		return -ENOMEM;
	for (end = owner + folio_nr_pages(folio); owner < end; owner++) {
		VM_WARN_ON_ONCE(*owner);
		WRITE_ONCE(*owner, to_bc_resource(css)->counter.id);
	}
	return 0;
}

static bool is_same(u32 id, u32 first)
{
	return id == first || bc_sabotaged(BC_SABOTAGE_NEIGHBOURS);
}

/* Neighbours may have been freed together, and be of several groups. */
void __bc_swap_uncharge(swp_entry_t entry, unsigned int nr)
{
	u32 *owner = slot_owner(entry), *end;
	unsigned long n;
	u32 id;

	if (!owner)
		return;
	for (end = owner + nr; owner < end; owner += n) {
		id = *owner;
		for (n = 0; owner + n < end && is_same(owner[n], id); n++)
			WRITE_ONCE(owner[n], 0);
		if (id)
			credit_uncharge(bc_counter_find(id), n);
	}
}

bool __bc_swap_full(const struct folio *folio)
{
	u32 *owner = slot_owner(folio->swap);
	u32 id = owner ? READ_ONCE(*owner) : 0;
	struct bc_counter *c;

	VM_WARN_ON_ONCE_FOLIO(!folio_test_locked(folio), folio);
	if (bc_sabotaged(BC_SABOTAGE_COPIES))
		return false;
	/* The folio keeps the slot, that the counter. */
	for (c = id ? bc_counter_find(id) : NULL; c; c = c->parent) {
		long half = bc_counter_barrier(c) / 2;

		/* It matters what of it is credit. */
		if (atomic_long_read(&c->held) >= half && bc_counter_held(c) >= half)
			return true;
	}
	return false;
}

/* The first level that has no room. */
static struct bc_counter *find_full(struct bc_css *css, unsigned long n)
{
	struct bc_counter *c;

	for (c = css ? &to_bc_resource(css)->counter : NULL; c; c = c->parent) {
		if (bc_counter_excess(c, n, BC_LIMIT))
			break;
	}
	return c;
}

/**
 * bc_swap_has_room - could pages of a group go to swap, as far as groups are concerned?
 * @phys: the counter of physpages that has paid for the pages
 * @n: how many
 *
 * Context: Any but NMI. RCU, or a charge, keeps @phys.
 */
bool bc_swap_has_room(struct bc_counter *phys, unsigned long n)
{
	guard(rcu)();
	return !find_full(payer(phys), n);
}

/**
 * bc_swap_stays - a page is not even tried to be written to swap, for want of room
 * @phys: the counter of physpages that has paid for the page
 *
 * That is a refusal like others, if there is no room for a single page.
 *
 * Context: as bc_swap_has_room().
 */
void bc_swap_stays(struct bc_counter *phys)
{
	struct bc_counter *full;
	struct bc_css *css;

	guard(rcu)();
	css = payer(phys);
	full = find_full(css, 1);
	if (full)
		bc_resource_refuse(css, full, 1, BC_LIMIT);
}

static int add_group(void)
{
	unsigned int type;
	int err = 0;

	guard(mutex)(&owners_mutex);
	nr_groups++;
	for (type = 0; type < MAX_SWAPFILES && !err; type++)
		err = make_swap_owners(&swap_owners[type]);
	return err;
}

static void remove_group(void)
{
	guard(mutex)(&owners_mutex);
	nr_groups--;
}

static void swappages_css_free(struct bc_css *css)
{
	if (!css->root)
		remove_group();
	bc_resource_free(css);
}

static struct bc_css *swappages_css_alloc(const struct bc_controller *controller,
					  struct bc_css *parent)
{
	struct bc_css *css = bc_resource_alloc(controller, parent);
	int err;

	if (IS_ERR(css) || !parent)
		return css;
	/* The table of pages is there, if at all: physpages comes first. */
	err = add_group();
	if (err) {
		swappages_css_free(css);
		return ERR_PTR(err);
	}
	return css;
}

static unsigned long swappages_root_held(void)
{
	struct sysinfo info;

	/* SwapTotal - SwapFree in /proc/meminfo. */
	si_swapinfo(&info);
	return info.totalswap - info.freeswap;
}

const struct bc_controller bc_swappages_controller = {
	.name		= "swappages",
	.unit		= BC_UNIT_PAGES,
	.batch		= 64,
	.css_alloc	= swappages_css_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= swappages_css_free,
	.root_held	= swappages_root_held,
};
