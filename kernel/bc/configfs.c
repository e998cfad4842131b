// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: directories and files.
 *
 * A group is a directory in /sys/kernel/config/bc, with a directory for each
 * controller in it. Nothing is decided here: text goes in and out, core.c and the
 * controllers do the rest.
 *
 * configfs runs the callbacks so that a group's directory cannot go while one of
 * its files is read or written, and asks (prepare_drop) before it goes. mkdir and
 * rmdir in the same directory exclude each other.
 */
#include <linux/bc/core.h>
#include <linux/configfs.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

/**
 * struct bc_ctrl_dir - a controller's directory
 * @cg: for configfs
 * @dir: the group's directory, by reference; NULL in the root, which never goes
 * @css: the controller's state for the group
 * @controller: the controller
 */
struct bc_ctrl_dir {
	struct config_group		cg;
	struct bc_dir			*dir;
	struct bc_css			*css;
	const struct bc_controller	*controller;
};

/**
 * struct bc_dir - a group's directory
 * @cg: for configfs
 * @group: the group, by reference
 * @ctrl: the directories in it that come and go with it
 */
struct bc_dir {
	struct config_group	cg;
	struct bc_group		*group;
	struct bc_ctrl_dir	ctrl[BC_NR_CONTROLLERS];
};

static struct bc_ctrl_dir root_ctrl[BC_NR_CONTROLLERS];
static struct configfs_subsystem bc_subsys;

static struct bc_dir *to_bc_dir(struct config_item *item)
{
	return container_of(to_config_group(item), struct bc_dir, cg);
}

static struct bc_group *to_bc_group(struct config_item *item)
{
	if (item == &bc_subsys.su_group.cg_item)
		return &bc_root_group;
	return to_bc_dir(item)->group;
}

static struct bc_ctrl_dir *to_bc_ctrl_dir(struct config_item *item)
{
	return container_of(to_config_group(item), struct bc_ctrl_dir, cg);
}

/*
 * What was written, without white space around it. A text with a NUL in it is
 * none.
 */
static char *copy_text(const char *page, size_t count, char **text)
{
	char *buf;

	if (strnlen(page, count) != count)
		return ERR_PTR(-EINVAL);
	buf = kmemdup_nul(page, count, GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	*text = strim(buf);
	return buf;
}

/*
 * The files of every controller that is a counter
 */

static bool is_root(struct bc_ctrl_dir *dir)
{
	return !dir->css->group->parent;
}

static struct bc_counter *dir_counter(struct bc_ctrl_dir *dir)
{
	return &to_bc_resource(dir->css)->counter;
}

static ssize_t show_amount(char *page, unsigned long amount)
{
	if (amount == BC_MAX)
		return sysfs_emit(page, "max\n");
	return sysfs_emit(page, "%lu\n", amount);
}

/* A decimal number with K, M or G, or a word for no limit. */
static int parse_amount(const char *page, size_t count, unsigned long *amount)
{
	unsigned int shift = 0;
	unsigned long long val;
	char *buf, *text;
	size_t len;
	int err;

	buf = copy_text(page, count, &text);
	if (IS_ERR(buf))
		return PTR_ERR(buf);

	err = 0;
	if (!strcmp(text, "max") || !strcmp(text, "unlimited")) {
		*amount = BC_MAX;
		goto out;
	}

	len = strlen(text);
	if (len > 1 && isdigit(text[len - 2])) {
		switch (text[len - 1]) {
		case 'G':
		case 'g':
			shift += 10;
			fallthrough;
		case 'M':
		case 'm':
			shift += 10;
			fallthrough;
		case 'K':
		case 'k':
			shift += 10;
			text[len - 1] = '\0';
		}
	}
	err = kstrtoull(text, 10, &val);
	if (!err && val > (BC_MAX >> shift))
		err = -ERANGE;
	if (!err)
		*amount = val << shift;
out:
	kfree(buf);
	return err;
}

static ssize_t bc_res_held_show(struct config_item *item, char *page)
{
	struct bc_ctrl_dir *dir = to_bc_ctrl_dir(item);

	if (!is_root(dir))
		return show_amount(page, bc_counter_held(dir_counter(dir)));
	if (!dir->controller->root_held)
		return -ENODATA;
	return show_amount(page, dir->controller->root_held());
}

/* The kernel keeps no watermarks of the root: there, they are what is held. */
static ssize_t bc_res_maxheld_show(struct config_item *item, char *page)
{
	struct bc_ctrl_dir *dir = to_bc_ctrl_dir(item);

	if (is_root(dir))
		return bc_res_held_show(item, page);
	return show_amount(page, bc_counter_maxheld(dir_counter(dir)));
}

static ssize_t bc_res_maxheld_store(struct config_item *item, const char *page,
				    size_t count)
{
	struct bc_ctrl_dir *dir = to_bc_ctrl_dir(item);

	if (!is_root(dir))
		bc_counter_reset_maxheld(dir_counter(dir));
	return count;
}

static ssize_t bc_res_minheld_show(struct config_item *item, char *page)
{
	struct bc_ctrl_dir *dir = to_bc_ctrl_dir(item);

	if (is_root(dir))
		return bc_res_held_show(item, page);
	return show_amount(page, bc_counter_minheld(dir_counter(dir)));
}

static ssize_t bc_res_minheld_store(struct config_item *item, const char *page,
				    size_t count)
{
	struct bc_ctrl_dir *dir = to_bc_ctrl_dir(item);

	if (!is_root(dir))
		bc_counter_reset_minheld(dir_counter(dir));
	return count;
}

static ssize_t bc_res_barrier_show(struct config_item *item, char *page)
{
	return show_amount(page, bc_counter_barrier(dir_counter(to_bc_ctrl_dir(item))));
}

static ssize_t bc_res_barrier_store(struct config_item *item, const char *page,
				    size_t count)
{
	struct bc_ctrl_dir *dir = to_bc_ctrl_dir(item);
	unsigned long barrier;
	int err;

	if (is_root(dir))
		return -EINVAL;
	err = parse_amount(page, count, &barrier);
	if (!err)
		err = bc_counter_set_barrier(dir_counter(dir), barrier);
	return err ?: count;
}

static ssize_t bc_res_limit_show(struct config_item *item, char *page)
{
	return show_amount(page, bc_counter_limit(dir_counter(to_bc_ctrl_dir(item))));
}

static ssize_t bc_res_limit_store(struct config_item *item, const char *page,
				  size_t count)
{
	struct bc_ctrl_dir *dir = to_bc_ctrl_dir(item);
	unsigned long limit;
	int err;

	if (is_root(dir))
		return -EINVAL;
	err = parse_amount(page, count, &limit);
	if (err)
		return err;
	bc_counter_set_limit(dir_counter(dir), limit);
	return count;
}

static ssize_t bc_res_failcnt_show(struct config_item *item, char *page)
{
	return show_amount(page, bc_counter_failcnt(dir_counter(to_bc_ctrl_dir(item))));
}

CONFIGFS_ATTR_RO(bc_res_, held);
CONFIGFS_ATTR(bc_res_, maxheld);
CONFIGFS_ATTR(bc_res_, minheld);
CONFIGFS_ATTR(bc_res_, barrier);
CONFIGFS_ATTR(bc_res_, limit);
CONFIGFS_ATTR_RO(bc_res_, failcnt);

static struct configfs_attribute *bc_res_attrs[] = {
	&bc_res_attr_held,
	&bc_res_attr_maxheld,
	&bc_res_attr_minheld,
	&bc_res_attr_barrier,
	&bc_res_attr_limit,
	&bc_res_attr_failcnt,
	NULL
};

/* It is a part of the group's directory, which stays until nobody holds it. */
static void bc_ctrl_dir_release(struct config_item *item)
{
	config_item_put(&to_bc_ctrl_dir(item)->dir->cg.cg_item);
}

static struct configfs_item_operations bc_ctrl_dir_item_ops = {
	.release	= bc_ctrl_dir_release,
};

static const struct config_item_type bc_res_type = {
	.ct_item_ops	= &bc_ctrl_dir_item_ops,
	.ct_attrs	= bc_res_attrs,
	.ct_owner	= THIS_MODULE,
};

/*
 * The files of every group
 */

/* The position in the file is the id of a task: nothing is kept between reads. */
static void *list_start(struct seq_file *m, loff_t *pos, bool threads)
{
	struct bc_group *group = to_bc_group(configfs_seq_item(m));
	pid_t nr;

	if (*pos > PID_MAX_LIMIT)
		return NULL;
	nr = bc_group_next_pid(group, max_t(pid_t, *pos, 1), threads);
	if (!nr)
		return NULL;
	*pos = nr;
	return pos;
}

static void *list_next(struct seq_file *m, loff_t *pos, bool threads)
{
	++*pos;
	return list_start(m, pos, threads);
}

static void list_stop(struct seq_file *m, void *v)
{
}

static int list_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%lld\n", *(loff_t *)v);
	return 0;
}

static void *tasks_start(struct seq_file *m, loff_t *pos)
{
	return list_start(m, pos, false);
}

static void *tasks_next(struct seq_file *m, void *v, loff_t *pos)
{
	return list_next(m, pos, false);
}

static void *threads_start(struct seq_file *m, loff_t *pos)
{
	return list_start(m, pos, true);
}

static void *threads_next(struct seq_file *m, void *v, loff_t *pos)
{
	return list_next(m, pos, true);
}

static const struct seq_operations tasks_seq_ops = {
	.start	= tasks_start,
	.next	= tasks_next,
	.stop	= list_stop,
	.show	= list_show,
};

static const struct seq_operations threads_seq_ops = {
	.start	= threads_start,
	.next	= threads_next,
	.stop	= list_stop,
	.show	= list_show,
};

static struct configfs_attribute bc_dir_attr_tasks;

static int may_write_tasks(struct bc_group *group)
{
	return configfs_attr_may_write(group->item, &bc_dir_attr_tasks);
}

static ssize_t attach(struct config_item *item, const char *page, size_t count,
		      bool process)
{
	char *buf, *text;
	int pid, err;

	buf = copy_text(page, count, &text);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	err = kstrtoint(text, 10, &pid);
	kfree(buf);
	if (!err && pid < 0)
		err = -EINVAL;
	if (!err)
		err = bc_attach(to_bc_group(item), pid, process, may_write_tasks);
	return err ?: count;
}

static ssize_t tasks_store(struct config_item *item, const char *page,
			   size_t count)
{
	return attach(item, page, count, true);
}

static ssize_t threads_store(struct config_item *item, const char *page,
			     size_t count)
{
	return attach(item, page, count, false);
}

static struct configfs_attribute bc_dir_attr_tasks = {
	.ca_name	= "tasks",
	.ca_mode	= 0644,
	.ca_owner	= THIS_MODULE,
	.seq_ops	= &tasks_seq_ops,
	.store		= tasks_store,
};

static struct configfs_attribute bc_dir_attr_threads = {
	.ca_name	= "threads",
	.ca_mode	= 0644,
	.ca_owner	= THIS_MODULE,
	.seq_ops	= &threads_seq_ops,
	.store		= threads_store,
};

static ssize_t bc_dir_id_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%llu\n", to_bc_group(item)->id);
}

static ssize_t bc_dir_controllers_show(struct config_item *item, char *page)
{
	int i, len = 0;

	for (i = 0; i < BC_NR_CONTROLLERS; i++)
		len += sysfs_emit_at(page, len, "%s%s", i ? " " : "",
				     bc_controllers[i]->name);
	return len + sysfs_emit_at(page, len, "\n");
}

CONFIGFS_ATTR_RO(bc_dir_, id);
CONFIGFS_ATTR_RO(bc_dir_, controllers);

static struct configfs_attribute *bc_dir_attrs[] = {
	&bc_dir_attr_tasks,
	&bc_dir_attr_threads,
	&bc_dir_attr_id,
	&bc_dir_attr_controllers,
	NULL
};

/*
 * Groups
 */

static void bc_dir_release(struct config_item *item)
{
	struct bc_dir *dir = to_bc_dir(item);

	bc_group_put(dir->group);
	kfree(dir);
}

static struct configfs_item_operations bc_dir_item_ops = {
	.release	= bc_dir_release,
};

static struct config_group *bc_make_group(struct config_group *parent,
					  const char *name);

static int bc_prepare_drop(struct config_group *parent, struct config_item *item)
{
	return bc_group_kill(to_bc_dir(item)->group);
}

static void bc_drop_item(struct config_group *parent, struct config_item *item)
{
	configfs_remove_default_groups(to_config_group(item));
	config_item_put(item);
}

static struct configfs_group_operations bc_dir_group_ops = {
	.make_group	= bc_make_group,
	.prepare_drop	= bc_prepare_drop,
	.drop_item	= bc_drop_item,
};

static const struct config_item_type bc_dir_type = {
	.ct_item_ops	= &bc_dir_item_ops,
	.ct_group_ops	= &bc_dir_group_ops,
	.ct_attrs	= bc_dir_attrs,
	.ct_owner	= THIS_MODULE,
};

/* The root's directory is never released. */
static const struct config_item_type bc_root_type = {
	.ct_group_ops	= &bc_dir_group_ops,
	.ct_attrs	= bc_dir_attrs,
	.ct_owner	= THIS_MODULE,
};

static void add_ctrl_dirs(struct config_group *cg, struct bc_group *group,
			  struct bc_dir *dir, struct bc_ctrl_dir *ctrl)
{
	int i;

	for (i = 0; i < BC_NR_CONTROLLERS; i++) {
		if (dir)
			config_item_get(&dir->cg.cg_item);
		ctrl[i].dir = dir;
		ctrl[i].css = group->css[i];
		ctrl[i].controller = bc_controllers[i];
		config_group_init_type_name(&ctrl[i].cg, bc_controllers[i]->name,
					    &bc_res_type);
		configfs_add_default_group(&ctrl[i].cg, cg);
	}
}

static struct config_group *bc_make_group(struct config_group *parent,
					  const char *name)
{
	struct bc_group *group;
	struct bc_dir *dir;

	/* It would break every list of groups with a group a line. */
	if (strchr(name, '\n'))
		return ERR_PTR(-EINVAL);

	dir = kzalloc(sizeof(*dir), GFP_KERNEL);
	if (!dir)
		return ERR_PTR(-ENOMEM);
	group = bc_group_create(to_bc_group(&parent->cg_item));
	if (IS_ERR(group)) {
		kfree(dir);
		return ERR_CAST(group);
	}
	dir->group = group;
	config_group_init_type_name(&dir->cg, name, &bc_dir_type);
	if (!config_item_name(&dir->cg.cg_item)) {
		/* A long name needs memory of its own. */
		config_group_put(&dir->cg);
		return ERR_PTR(-ENOMEM);
	}
	group->item = &dir->cg.cg_item;
	add_ctrl_dirs(&dir->cg, group, dir, dir->ctrl);
	return &dir->cg;
}

static struct configfs_subsystem bc_subsys = {
	.su_group.cg_item = {
		.ci_namebuf	= "bc",
		.ci_type	= &bc_root_type,
	},
	.su_mutex = __MUTEX_INITIALIZER(bc_subsys.su_mutex),
};

static int __init bc_configfs_init(void)
{
	int err;

	err = bc_core_init();
	if (err)
		return err;

	config_group_init(&bc_subsys.su_group);
	bc_root_group.item = &bc_subsys.su_group.cg_item;
	add_ctrl_dirs(&bc_subsys.su_group, &bc_root_group, NULL, root_ctrl);
	return configfs_register_subsystem(&bc_subsys);
}
subsys_initcall(bc_configfs_init);
