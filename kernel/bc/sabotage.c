// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters, broken on purpose: what a test suite must notice. Also how many
 * groups there are, which a test suite must know.
 */
#include <linux/bc/task.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "sabotage.h"

enum bc_sabotage bc_sabotage;

static const char * const names[] = {
	[BC_SABOTAGE_NONE] = "none",
	[BC_SABOTAGE_UNCHARGE] = "uncharge",
	[BC_SABOTAGE_LIMIT] = "limit",
	[BC_SABOTAGE_BARRIER] = "barrier",
	[BC_SABOTAGE_FORCE] = "force",
	[BC_SABOTAGE_PARENT] = "parent",
	[BC_SABOTAGE_OVERSHOOT] = "overshoot",
	[BC_SABOTAGE_ROLLBACK] = "rollback",
	[BC_SABOTAGE_MAXHELD] = "maxheld",
	[BC_SABOTAGE_LOST_MAXHELD] = "lost_maxheld",
	[BC_SABOTAGE_MINHELD] = "minheld",
	[BC_SABOTAGE_FAILCNT] = "failcnt",
	[BC_SABOTAGE_DRAIN] = "drain",
	[BC_SABOTAGE_CROSSING] = "crossing",
	[BC_SABOTAGE_HOARD] = "hoard",
	[BC_SABOTAGE_LINGER] = "linger",
	[BC_SABOTAGE_OWNER] = "owner",
	[BC_SABOTAGE_PRIVILEGE] = "privilege",
	[BC_SABOTAGE_REFORK] = "refork",
	[BC_SABOTAGE_SIBLINGS] = "siblings",
	[BC_SABOTAGE_VETO] = "veto",
	[BC_SABOTAGE_MEMBERSHIPS] = "memberships",
	[BC_SABOTAGE_RELEASE] = "release",
	[BC_SABOTAGE_USED] = "used",
	[BC_SABOTAGE_MISSED] = "missed",
	[BC_SABOTAGE_LEFTOVER] = "leftover",
	[BC_SABOTAGE_LOST] = "lost",
	[BC_SABOTAGE_ENDLESS] = "endless",
	[BC_SABOTAGE_SHOW] = "show",
	[BC_SABOTAGE_TOLD] = "told",
	[BC_SABOTAGE_RUNTIME] = "runtime",
	[BC_SABOTAGE_NARROW] = "narrow",
	[BC_SABOTAGE_RULES] = "rules",
	[BC_SABOTAGE_LEAVE_MM] = "leave_mm",
	[BC_SABOTAGE_SETTLE] = "settle",
	[BC_SABOTAGE_EVICT] = "evict",
	[BC_SABOTAGE_LATE] = "late",
	[BC_SABOTAGE_FAULT] = "fault",
	[BC_SABOTAGE_PRUNE] = "prune",
	[BC_SABOTAGE_FOREIGN] = "foreign",
	[BC_SABOTAGE_RECLAIM] = "reclaim",
	[BC_SABOTAGE_BYSTANDER] = "bystander",
	[BC_SABOTAGE_TURNS] = "turns",
	[BC_SABOTAGE_ASLEEP] = "asleep",
	[BC_SABOTAGE_WHOLE] = "whole",
	[BC_SABOTAGE_TWICE] = "twice",
	[BC_SABOTAGE_YOUNG] = "young",
	[BC_SABOTAGE_OTHERS] = "others",
	[BC_SABOTAGE_ELDERS] = "elders",
	[BC_SABOTAGE_HASTY] = "hasty",
	[BC_SABOTAGE_EAGER] = "eager",
	[BC_SABOTAGE_SPARE] = "spare",
	[BC_SABOTAGE_COPIES] = "copies",
	[BC_SABOTAGE_NEIGHBOURS] = "neighbours",
	[BC_SABOTAGE_FIRST] = "first",
};

static int sabotage_show(struct seq_file *m, void *v)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		seq_printf(m, i == READ_ONCE(bc_sabotage) ? "[%s]\n" : "%s\n", names[i]);
	return 0;
}

static int sabotage_open(struct inode *inode, struct file *file)
{
	return single_open(file, sabotage_show, NULL);
}

static ssize_t sabotage_write(struct file *file, const char __user *ubuf,
			      size_t count, loff_t *ppos)
{
	char buf[32];
	int i;

	if (count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, count))
		return -EFAULT;
	buf[count] = '\0';

	i = sysfs_match_string(names, buf);
	if (i < 0)
		return i;
	WRITE_ONCE(bc_sabotage, i);
	return count;
}

static const struct file_operations sabotage_fops = {
	.open		= sabotage_open,
	.read		= seq_read,
	.write		= sabotage_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

/* Groups besides the root, with those that have been removed and live on. */
static int groups_get(void *data, u64 *val)
{
	*val = static_key_count(&bc_enabled_key.key.key);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(groups_fops, groups_get, NULL, "%llu\n");

static int __init sabotage_init(void)
{
	struct dentry *dir = debugfs_create_dir("bc", NULL);

	debugfs_create_file("sabotage", 0600, dir, NULL, &sabotage_fops);
	debugfs_create_file("groups", 0400, dir, NULL, &groups_fops);
	return 0;
}
late_initcall(sabotage_init);
