// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: who has paid for a page. The controllers say what that means, see
 * kmemsize.c and physpages.c.
 *
 * What counts as the kernel's is what is allocated with __GFP_ACCOUNT, and the stacks of
 * tasks, which the kernel keeps and gives to the next task, so that fork and exit say whose
 * they are. Anonymous memory has the same table, see physpages.c.
 *
 * Owners are in a table by page frame number, a word a page, as there is no room in struct
 * page: memory cgroups have the one word that there is. The word is the counter, and in
 * its lowest bits how many pages were charged together, as a power of two, and what they
 * were charged as, in the word of the first one. That is what is uncharged, whatever the
 * order that they are freed with:
 * __free_pages() may find that somebody else still looks at the first page, and then frees
 * the others one by one.
 *
 * The table is made with the first group. It is a sparse vm_area as large as memory can
 * become, with memory behind it where there are pages that the allocator can have, so it
 * takes 8 bytes a page (4 with 32 bits). Before more memory goes online, its part of the
 * table is made; it stays when the memory goes offline, and waits for its return. Who does
 * not want the table says beancounters.pages=0, and then pages do not count.
 *
 * No locks: the word belongs to who has the pages. Making the table is serialized by
 * owners_mutex, which nests in bc_mutex, and mem_hotplug_lock in that.
 */
#include <linux/bc/core.h>
#include <linux/bc/pages.h>
#include <linux/cleanup.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/math.h>
#include <linux/memblock.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pageblock-flags.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include "credit.h"
#include "kmemsize.h"
#include "pages.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "beancounters."

static bool pages_enabled __ro_after_init = true;
module_param_named(pages, pages_enabled, bool, 0444);
MODULE_PARM_DESC(pages, "Count pages (default: yes)");

/* The words in a page of the table. */
#define WORDS		(PAGE_SIZE / sizeof(unsigned long))

static DEFINE_MUTEX(owners_mutex);
static struct vm_struct *owners_area;

unsigned long *bc_page_owners __read_mostly;
unsigned long bc_nr_page_owners __read_mostly;

bool __bc_page_charge(struct page *page, gfp_t flags, unsigned int order)
{
	unsigned long n = PAGE_SIZE << order;
	struct bc_counter *counter;
	unsigned long *owner;
	struct bc_css *css;

	if (unlikely(!page))
		return true;
	owner = bc_page_owner(page);
	if (unlikely(!owner))
		return true;

	guard(rcu)();
	css = bc_task_css_charged(current, BC_ID_kmemsize);
	if (!css)
		return true;
	counter = &to_bc_resource(css)->counter;
	if (!credit_take(counter, n) && !bc_kmem_try_charge_pages(css, n, flags))
		return false;
	WRITE_ONCE(*owner, (unsigned long)counter | order);
	return true;
}

void __bc_page_uncharge(unsigned long *owner)
{
	unsigned long word = *owner;
	unsigned int shift = word & BC_OWNER_ANON ? 0 : PAGE_SHIFT;

	WRITE_ONCE(*owner, 0);
	credit_uncharge(bc_owner_counter(word), 1UL << shift << (word & BC_OWNER_ORDER));
}

void __bc_page_split(unsigned long *owner, unsigned int order, unsigned int new_order)
{
	unsigned long word = (*owner & ~BC_OWNER_ORDER) | new_order;
	unsigned long i;

	for (i = 0; i < 1UL << order; i += 1UL << new_order)
		WRITE_ONCE(owner[i], word);
}

void __bc_page_move(unsigned long *to, unsigned long *from)
{
	if (!to) {
		__bc_page_uncharge(from);
		return;
	}
	WRITE_ONCE(*to, *from);
	WRITE_ONCE(*from, 0);
}

/**
 * bc_css_living - who pays when a group has been removed
 * @css: the state of a resource controller that was to pay; NULL: nobody
 *
 * Context: An RCU read-side section; the result is good for as long as that lasts.
 * Return: the state, or that of the first group above that has not been removed; NULL: nobody.
 */
struct bc_css *bc_css_living(struct bc_css *css)
{
	while (css && READ_ONCE(css->group->dead)) {
		struct bc_group *up = css->group->parent;

		/* Nobody pays in a root, whose states may be about to be bound elsewhere. */
		css = up && up->parent ? up->css[css->id] : NULL;
	}
	return css;
}

/*
 * A page that the allocator can have, of the WORDS from @pfn on; or NULL. Memory begins where
 * the firmware says, which the kernel remembers by 2 MB, however large its blocks are.
 */
static struct page *find_online_page(unsigned long pfn)
{
	unsigned long step = min_t(unsigned long, pageblock_nr_pages, SZ_2M >> PAGE_SHIFT);
	unsigned long end = pfn + WORDS;
	struct page *page = NULL;

	for (; pfn < end && !page; pfn += step)
		page = pfn_to_online_page(pfn);
	return page;
}

/* Put memory behind the words from @pfn on. */
static int populate(struct vm_struct *area, unsigned long pfn, int nid)
{
	unsigned long addr = (unsigned long)area->addr + pfn * sizeof(unsigned long);
	struct page *page;
	int err;

	if (vmalloc_to_page((void *)addr))
		return 0;
	/* Rather no group than an OOM kill. */
	page = alloc_pages_node(nid, GFP_KERNEL | __GFP_ZERO | __GFP_RETRY_MAYFAIL |
				__GFP_NOWARN, 0);
	if (!page)
		return -ENOMEM;
	err = vm_area_map_pages(area, addr, addr + PAGE_SIZE, &page);
	if (err)
		__free_page(page);
	return err;
}

static void free_owners(struct vm_struct *area, unsigned long nr)
{
	unsigned long *owners = area->addr;
	unsigned long pfn;

	for (pfn = 0; pfn < nr; pfn += WORDS) {
		unsigned long addr = (unsigned long)(owners + pfn);
		struct page *page;

		cond_resched();
		page = vmalloc_to_page((void *)addr);
		if (page) {
			vm_area_unmap_pages(area, addr, addr + PAGE_SIZE);
			__free_page(page);
		}
	}
	free_vm_area(area);
}

static int make_owners(void)
{
	unsigned long nr = max_t(unsigned long, max_pfn, max_possible_pfn);
	struct page *page;
	unsigned long pfn;
	int err;

	lockdep_assert_held(&owners_mutex);
	BUILD_BUG_ON(__alignof__(struct bc_counter) <= BC_OWNER_MASK);
	BUILD_BUG_ON(MAX_PAGE_ORDER > BC_OWNER_ORDER);

	nr = round_up(nr, WORDS);
	/* By this name it is in /proc/vmallocinfo. */
	owners_area = get_vm_area_caller(nr * sizeof(unsigned long), VM_SPARSE,
					 bc_pages_enable);
	if (!owners_area)
		return -ENOMEM;
	for (pfn = 0; pfn < nr; pfn += WORDS) {
		cond_resched();
		page = find_online_page(pfn);
		if (!page)
			continue;
		err = populate(owners_area, pfn, page_to_nid(page));
		if (err) {
			free_owners(owners_area, nr);
			owners_area = NULL;
			return err;
		}
	}
	bc_page_owners = owners_area->addr;
	/* Pairs with bc_page_owner(). */
	smp_store_release(&bc_nr_page_owners, nr);
	return 0;
}

/**
 * bc_pages_enable - let pages be charged from now on
 *
 * Context: Process context. May sleep. Takes owners_mutex and mem_hotplug_lock.
 * Return: 0, also if that was so before, or if it was switched off at boot; or -ENOMEM.
 */
int bc_pages_enable(void)
{
	int err = 0;

	if (!pages_enabled)
		return 0;
	guard(mutex)(&owners_mutex);
	if (owners_area)
		return 0;
	get_online_mems();
	err = make_owners();
	put_online_mems();
	return err;
}

/* Called with mem_hotplug_lock, so the table is not being made. */
static int memory_changes(struct notifier_block *nb, unsigned long action, void *arg)
{
	struct memory_notify *range = arg;
	unsigned long pfn, end;
	int err;

	if (action != MEM_GOING_ONLINE || !owners_area)
		return NOTIFY_OK;
	end = min(range->start_pfn + range->nr_pages, bc_nr_page_owners);
	if (end != range->start_pfn + range->nr_pages)
		pr_warn_once("bc: more memory than the firmware has told of does not count\n");
	for (pfn = round_down(range->start_pfn, WORDS); pfn < end; pfn += WORDS) {
		err = populate(owners_area, pfn, NUMA_NO_NODE);
		if (err)
			return notifier_from_errno(err);
		cond_resched();
	}
	return NOTIFY_OK;
}

static int __init pages_init(void)
{
	if (pages_enabled)
		hotplug_memory_notifier(memory_changes, DEFAULT_CALLBACK_PRI);
	return 0;
}
subsys_initcall(pages_init);
