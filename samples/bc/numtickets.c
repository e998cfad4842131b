// SPDX-License-Identifier: GPL-2.0
/*
 * A controller of beancounters for a resource of one's own, as an example: tickets. Who
 * opens /dev/bc_tickets has one until the file is closed. Above a group's limit there
 * are none: open(2) fails with ENOSPC.
 *
 * It takes the struct bc_controller, a call where a ticket is made and where it is freed,
 * and registering the controller. Documentation/beancounters.txt, section 6, has the rest.
 */
#include <linux/atomic.h>
#include <linux/bc/charge.h>
#include <linux/bc/core.h>
#include <linux/compiler.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/slab.h>

struct ticket {
	struct bc_charge	charge;
};

static atomic_long_t sold;

/* The number of our controller, once it is registered. */
static int numtickets = -1;

static int tickets_open(struct inode *inode, struct file *file)
{
	int id = READ_ONCE(numtickets);
	struct ticket *ticket;

	if (id < 0)
		return -ENODEV;
	ticket = kzalloc(sizeof(*ticket), GFP_KERNEL);
	if (!ticket)
		return -ENOMEM;
	if (!bc_try_charge(&ticket->charge, id, BC_BARRIER)) {
		kfree(ticket);
		return -ENOSPC;
	}
	atomic_long_inc(&sold);
	file->private_data = ticket;
	return 0;
}

static int tickets_release(struct inode *inode, struct file *file)
{
	struct ticket *ticket = file->private_data;

	bc_uncharge(&ticket->charge);
	kfree(ticket);
	atomic_long_dec(&sold);
	return 0;
}

static const struct file_operations tickets_fops = {
	.owner		= THIS_MODULE,
	.open		= tickets_open,
	.release	= tickets_release,
};

static struct miscdevice tickets_dev = {
	.minor		= MISC_DYNAMIC_MINOR,
	.name		= "bc_tickets",
	.mode		= 0666,
	.fops		= &tickets_fops,
};

/* All callbacks that follow are optional. */
static unsigned long numtickets_root_held(void)
{
	return atomic_long_read(&sold);
}

static void numtickets_limit_hit(struct bc_css *css, unsigned long amount)
{
	pr_debug("no %lu more tickets in group %llu\n", amount, css->group->id);
}

/* A container does not start with more than a few. */
static int numtickets_post_clone(struct bc_css *css)
{
	bc_counter_set_limit(&to_bc_resource(css)->counter, 10);
	return 0;
}

static void numtickets_bind(struct bc_css *root)
{
	pr_debug("tickets are in hierarchy %u now\n", root->group->hierarchy->id);
}

static const struct bc_controller controller = {
	.name		= "numtickets",
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.bind		= numtickets_bind,
	.post_clone	= numtickets_post_clone,
	.limit_hit	= numtickets_limit_hit,
	.root_held	= numtickets_root_held,
};

/* Groups can have it from then on, and keep us: the last thing that can fail. */
static int __init numtickets_init(void)
{
	int id, err;

	err = misc_register(&tickets_dev);
	if (err)
		return err;
	id = bc_register_controller(&controller);
	if (id < 0) {
		misc_deregister(&tickets_dev);
		return id;
	}
	WRITE_ONCE(numtickets, id);
	return 0;
}
module_init(numtickets_init);

static void __exit numtickets_exit(void)
{
	misc_deregister(&tickets_dev);
	bc_unregister_controller(&controller);
}
module_exit(numtickets_exit);

MODULE_DESCRIPTION("An example of a controller for beancounters");
MODULE_LICENSE("GPL");
