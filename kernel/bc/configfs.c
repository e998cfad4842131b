// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: directories and files.
 *
 * A group is a directory in /sys/kernel/config/bc, with a directory for each
 * controller in it. A directory in /sys/kernel/config/bc_hierarchies is the root of
 * another hierarchy. Nothing is decided here: text goes in and out, group.c, attach.c and the
 * controllers do the rest.
 *
 * configfs runs the callbacks so that a group's directory cannot go while one of
 * its files is read or written, and asks (prepare_drop) before it goes. mkdir and
 * rmdir in the same directory exclude each other.
 *
 * The root of each hierarchy has the directories of all controllers, and those that are
 * bound to other hierarchies are hidden: to make and remove them as controllers come
 * and go would take the locks of directories, which nobody may take who comes from a
 * file. bind_mutex keeps what is hidden in step with what is bound. It is taken before
 * bc_mutex.
 *
 * The directory of a module's controller comes to the default root when the controller is
 * registered. Then there is no other hierarchy; those that are made later have it from the
 * beginning, and keep the module. Registering is serialized by register_mutex, which is
 * taken before the locks of directories, and these before bind_mutex.
 */
#include <linux/bc/core.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "dir.h"
#include "release.h"

/**
 * struct bc_ctrl_dir - a controller's directory
 * @cg: for configfs
 * @dir: the group's directory, by reference; NULL in the default root, which never
 *	goes
 * @css: the controller's state for the group
 * @controller: the controller
 * @id: what is to be put with bc_controller_put(); -1: nothing
 */
struct bc_ctrl_dir {
	struct config_group		cg;
	struct bc_dir			*dir;
	struct bc_css			*css;
	const struct bc_controller	*controller;
	int				id;
};

/**
 * struct bc_dir - a group's directory
 * @cg: for configfs
 * @group: the group, by reference
 * @ctrl: the controllers' directories in it, by enum bc_controller_id, which go when it
 *	does; only in the root of a hierarchy, as nobody asks for them elsewhere
 */
struct bc_dir {
	struct config_group	cg;
	struct bc_group		*group;
	struct bc_ctrl_dir	*ctrl[];
};

/* In the default root. Written, once there is more than one task, under bind_mutex. */
static struct bc_ctrl_dir *root_ctrl[BC_NR_CONTROLLERS];
static struct config_item_type ctrl_types[BC_NR_CONTROLLERS];
static struct config_item_type root_ctrl_types[BC_NR_CONTROLLERS];
static struct configfs_subsystem bc_subsys;
static DEFINE_MUTEX(bind_mutex);
static DEFINE_MUTEX(register_mutex);

static struct bc_dir *to_bc_dir(struct config_item *item)
{
	return container_of(to_config_group(item), struct bc_dir, cg);
}

static struct bc_group *to_bc_group(struct config_item *item)
{
	if (item == &bc_subsys.su_group.cg_item)
		return &bc_default_hierarchy.root;
	return to_bc_dir(item)->group;
}

static struct bc_ctrl_dir *to_bc_ctrl_dir(struct config_item *item)
{
	return container_of(to_config_group(item), struct bc_ctrl_dir, cg);
}

/**
 * bc_item_css - whose file is read or written
 * @item: what a file's callback was given
 *
 * Context: In callbacks of files.
 * Return: the state of the controller for the group.
 */
struct bc_css *bc_item_css(struct config_item *item)
{
	return to_bc_ctrl_dir(item)->css;
}
EXPORT_SYMBOL_GPL(bc_item_css);

/**
 * bc_item_group - in whose directory a file is read or written
 * @item: what a file's callback was given
 *
 * A root's state is shared by all hierarchies, and its group may be another one by now:
 * this one stays as long as the callback runs.
 *
 * Context: In callbacks of files of controllers.
 * Return: the group.
 */
struct bc_group *bc_item_group(struct config_item *item)
{
	struct bc_dir *dir = to_bc_ctrl_dir(item)->dir;

	return dir ? dir->group : &bc_default_hierarchy.root;
}
EXPORT_SYMBOL_GPL(bc_item_group);

/*
 * For seq_operations of files that are one line: longer than a page, or with a writer
 * who is to be judged by the opener's credentials.
 */
void *bc_line_start(struct seq_file *m, loff_t *pos)
{
	return *pos ? NULL : pos;
}

void *bc_line_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return NULL;
}

void bc_line_stop(struct seq_file *m, void *v)
{
}

/*
 * The files of every controller that is a counter
 */

static bool is_root(struct bc_ctrl_dir *dir)
{
	return dir->css->root;
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

/* Somebody may wait for room. */
static void limit_set(struct bc_ctrl_dir *dir)
{
	if (dir->controller->limit_set)
		dir->controller->limit_set(dir->css);
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
	err = bc_parse_amount(page, count, dir->controller->unit, &barrier);
	if (!err)
		err = bc_counter_set_barrier(dir_counter(dir), barrier);
	if (err)
		return err;
	limit_set(dir);
	return count;
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
	err = bc_parse_amount(page, count, dir->controller->unit, &limit);
	if (err)
		return err;
	bc_counter_set_limit(dir_counter(dir), limit);
	limit_set(dir);
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

struct configfs_attribute *bc_res_attrs[BC_NR_FILES + 1] = {
	[BC_FILE_HELD]		= &bc_res_attr_held,
	[BC_FILE_MAXHELD]	= &bc_res_attr_maxheld,
	[BC_FILE_MINHELD]	= &bc_res_attr_minheld,
	[BC_FILE_BARRIER]	= &bc_res_attr_barrier,
	[BC_FILE_LIMIT]		= &bc_res_attr_limit,
	[BC_FILE_FAILCNT]	= &bc_res_attr_failcnt,
	[BC_NR_FILES]		= NULL
};

static void bc_ctrl_dir_release(struct config_item *item)
{
	struct bc_ctrl_dir *ctrl = to_bc_ctrl_dir(item);

	if (ctrl->id >= 0)
		bc_controller_put(ctrl->id);
	if (ctrl->dir)
		config_item_put(&ctrl->dir->cg.cg_item);
	kfree(ctrl);
}

static struct configfs_item_operations bc_ctrl_dir_item_ops = {
	.release	= bc_ctrl_dir_release,
};

/* The files of a counter, and those that the controller has beside them. */
static struct configfs_attribute **counter_attrs(const struct bc_controller *controller,
						 int id)
{
	static struct configfs_attribute *attrs[BC_NR_CONTROLLERS]
					       [BC_NR_FILES + BC_MORE_ATTRS + 1];
	int i;

	if (!controller->more_attrs)
		return bc_res_attrs;
	memcpy(attrs[id], bc_res_attrs, sizeof(bc_res_attrs));
	for (i = 0; controller->more_attrs[i]; i++) {
		if (WARN_ON_ONCE(i == BC_MORE_ATTRS))
			break;
		attrs[id][BC_NR_FILES + i] = controller->more_attrs[i];
	}
	attrs[id][BC_NR_FILES + i] = NULL;
	return attrs[id];
}

static void init_ctrl_types(const struct bc_controller *controller, int id)
{
	ctrl_types[id].ct_item_ops = &bc_ctrl_dir_item_ops;
	ctrl_types[id].ct_attrs = controller->attrs ?: counter_attrs(controller, id);
	ctrl_types[id].ct_owner = THIS_MODULE;
	root_ctrl_types[id] = ctrl_types[id];
	if (controller->root_attrs)
		root_ctrl_types[id].ct_attrs = controller->root_attrs;
}

/*
 * The files of every group
 */

/**
 * struct listing - ids on their way to a reader
 * @list: the ids
 * @next: the first one that has not been printed
 *
 * The position in the file is an id: nothing is kept between reads.
 */
struct listing {
	struct bc_pid_list	list;
	unsigned int		next;
};

/* Get the ids from *@pos on. Without any, @l ends here. */
static struct listing *list_fill(struct seq_file *m, struct listing *l, loff_t *pos,
				 bool threads)
{
	l->next = 0;
	bc_group_list_pids(to_bc_group(configfs_seq_item(m)), *pos, threads, &l->list);
	if (l->list.n) {
		*pos = l->list.nr[0];
		return l;
	}
	kfree(l);
	return NULL;
}

static void *list_start(struct seq_file *m, loff_t *pos, bool threads)
{
	struct listing *l;

	if (*pos > PID_MAX_LIMIT)
		return NULL;
	l = kmalloc(sizeof(*l), GFP_KERNEL);
	if (!l)
		return ERR_PTR(-ENOMEM);
	return list_fill(m, l, pos, threads);
}

static void *list_next(struct seq_file *m, void *v, loff_t *pos, bool threads)
{
	struct listing *l = v;

	++*pos;
	if (++l->next == l->list.n)
		return list_fill(m, l, pos, threads);
	*pos = l->list.nr[l->next];
	return l;
}

static void list_stop(struct seq_file *m, void *v)
{
	if (!IS_ERR(v))
		kfree(v);
}

static int list_show(struct seq_file *m, void *v)
{
	struct listing *l = v;

	seq_put_decimal_ull(m, "", l->list.nr[l->next]);
	seq_putc(m, '\n');
	return 0;
}

static void *tasks_start(struct seq_file *m, loff_t *pos)
{
	return list_start(m, pos, false);
}

static void *tasks_next(struct seq_file *m, void *v, loff_t *pos)
{
	return list_next(m, v, pos, false);
}

static void *threads_start(struct seq_file *m, loff_t *pos)
{
	return list_start(m, pos, true);
}

static void *threads_next(struct seq_file *m, void *v, loff_t *pos)
{
	return list_next(m, v, pos, true);
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

static int may_write_tasks(struct bc_group *group)
{
	return configfs_attr_may_write(group->item, &bc_dir_attr_tasks);
}

static ssize_t attach(struct config_item *item, const char *page, size_t count,
		      bool process)
{
	char *buf, *text;
	int pid, err;

	buf = bc_copy_text(page, count, &text);
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

struct configfs_attribute bc_dir_attr_tasks = {
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

static int controllers_show(struct seq_file *m, void *v)
{
	struct bc_hierarchy *h = to_bc_group(configfs_seq_item(m))->hierarchy;
	unsigned long controllers;
	const char *space = "";
	int id;

	guard(rwsem_read)(&bc_hierarchies_rwsem);
	controllers = h->controllers;
	for_each_set_bit(id, &controllers, BC_NR_CONTROLLERS) {
		seq_printf(m, "%s%s", space, bc_controllers[id]->name);
		space = " ";
	}
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations controllers_seq_ops = {
	.start	= bc_line_start,
	.next	= bc_line_next,
	.stop	= bc_line_stop,
	.show	= controllers_show,
};

static struct configfs_attribute bc_dir_attr_controllers = {
	.ca_name	= "controllers",
	.ca_mode	= 0444,
	.ca_owner	= THIS_MODULE,
	.seq_ops	= &controllers_seq_ops,
};

static ssize_t bc_dir_notify_on_release_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n",
			  READ_ONCE(to_bc_group(item)->notify_on_release));
}

static ssize_t bc_dir_notify_on_release_store(struct config_item *item,
					      const char *page, size_t count)
{
	bool val;
	int err;

	err = bc_parse_bool(page, count, &val);
	if (err)
		return err;
	WRITE_ONCE(to_bc_group(item)->notify_on_release, val);
	return count;
}

static ssize_t bc_dir_releasable_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", bc_group_releasable(to_bc_group(item)));
}

CONFIGFS_ATTR_RO(bc_dir_, id);
CONFIGFS_ATTR(bc_dir_, notify_on_release);
CONFIGFS_ATTR_RO(bc_dir_, releasable);

static struct configfs_attribute *bc_dir_attrs[] = {
	&bc_dir_attr_tasks,
	&bc_dir_attr_threads,
	&bc_dir_attr_id,
	&bc_dir_attr_controllers,
	&bc_dir_attr_notify_on_release,
	&bc_dir_attr_releasable,
	NULL
};

/*
 * More files of a hierarchy's root
 */

static int agent_show(struct seq_file *m, void *v)
{
	bc_release_show_agent(to_bc_group(configfs_seq_item(m))->hierarchy, m);
	return 0;
}

static const struct seq_operations agent_seq_ops = {
	.start	= bc_line_start,
	.next	= bc_line_next,
	.stop	= bc_line_stop,
	.show	= agent_show,
};

/* What runs is what was written, spaces included. */
static ssize_t release_agent_store(struct config_item *item, const char *page,
				   size_t count)
{
	size_t len = count;
	char *path;
	int err;

	/* It may have been cut. */
	if (count >= PATH_MAX - 1)
		return -ENAMETOOLONG;
	if (page[len - 1] == '\n')
		len--;
	if (memchr(page, '\n', len) || memchr(page, '\0', len))
		return -EINVAL;
	path = kmemdup_nul(page, len, GFP_KERNEL);
	if (!path)
		return -ENOMEM;
	err = bc_release_set_agent(to_bc_group(item)->hierarchy, path);
	kfree(path);
	return err ?: count;
}

static struct configfs_attribute bc_root_attr_release_agent = {
	.ca_name	= "release_agent",
	.ca_mode	= 0644,
	.ca_owner	= THIS_MODULE,
	.seq_ops	= &agent_seq_ops,
	.store		= release_agent_store,
};

static struct bc_ctrl_dir *root_ctrl_dir(struct bc_group *root, int id)
{
	if (root == &bc_default_hierarchy.root)
		return root_ctrl[id];
	return to_bc_dir(root->item)->ctrl[id];
}

/* Show the controllers that are bound to a hierarchy, and no other. */
static void show_bound(void)
{
	int h, i;

	lockdep_assert_held(&bind_mutex);

	for (h = 0; h < BC_MAX_HIERARCHIES; h++) {
		struct bc_group *root;

		if (!bc_hierarchies[h])
			continue;
		root = &bc_hierarchies[h]->root;
		/* One that is being made has none, and hides them all already. */
		for (i = 0; i < BC_NR_CONTROLLERS; i++) {
			struct bc_ctrl_dir *ctrl = root_ctrl_dir(root, i);

			if (ctrl)
				configfs_hide_group(&ctrl->cg, !root->css[i]);
		}
	}
}

static int find_controller(const char *name)
{
	int i;

	guard(rwsem_read)(&bc_hierarchies_rwsem);
	for (i = 0; i < BC_NR_CONTROLLERS; i++) {
		if (bc_controllers[i] && !strcmp(bc_controllers[i]->name, name))
			return i;
	}
	return -EINVAL;
}

static ssize_t controllers_store(struct config_item *item, const char *page,
				 size_t count)
{
	unsigned long controllers = 0;
	char *buf, *text, *name;
	int id, err = 0;

	/* It takes them away from others. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	buf = bc_copy_text(page, count, &text);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	/* What has a name now is to have the same number below. */
	guard(mutex)(&bind_mutex);
	while (!err && (name = strsep(&text, " \t\n"))) {
		if (!*name)
			continue;
		id = find_controller(name);
		if (id < 0)
			err = id;
		else
			controllers |= BIT(id);
	}
	kfree(buf);
	if (err)
		return err;

	err = bc_hierarchy_bind(to_bc_group(item)->hierarchy, controllers);
	if (!err)
		show_bound();
	return err ?: count;
}

static struct configfs_attribute bc_hierarchy_attr_controllers = {
	.ca_name	= "controllers",
	.ca_mode	= 0644,
	.ca_owner	= THIS_MODULE,
	.seq_ops	= &controllers_seq_ops,
	.store		= controllers_store,
};

static struct configfs_attribute *bc_root_attrs[] = {
	&bc_dir_attr_tasks,
	&bc_dir_attr_threads,
	&bc_dir_attr_id,
	&bc_dir_attr_controllers,
	&bc_dir_attr_notify_on_release,
	&bc_dir_attr_releasable,
	&bc_root_attr_release_agent,
	NULL
};

static struct configfs_attribute *bc_hierarchy_attrs[] = {
	&bc_dir_attr_tasks,
	&bc_dir_attr_threads,
	&bc_dir_attr_id,
	&bc_hierarchy_attr_controllers,
	&bc_dir_attr_notify_on_release,
	&bc_dir_attr_releasable,
	&bc_root_attr_release_agent,
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

/* mkdir has failed half-way, and nobody has been asked. Nobody is in there. */
static void cancel_group(struct bc_group *group)
{
	if (group->parent)
		bc_group_cancel(group);
	else
		bc_hierarchy_kill(group->hierarchy);
}

static int bc_prepare_drop(struct config_group *parent, struct config_item *item)
{
	return bc_group_kill(to_bc_group(item));
}

static int hierarchy_prepare_drop(struct config_group *parent,
				  struct config_item *item)
{
	int err;

	guard(mutex)(&bind_mutex);
	err = bc_hierarchy_kill(to_bc_group(item)->hierarchy);
	if (!err)
		show_bound();
	return err;
}

static void bc_drop_item(struct config_group *parent, struct config_item *item)
{
	struct bc_group *group = to_bc_group(item);

	if (!group->dead)
		cancel_group(group);
	configfs_remove_default_groups(to_config_group(item));
	config_item_put(item);
}

static struct configfs_group_operations bc_dir_group_ops = {
	.make_group	= bc_make_group,
	.prepare_drop	= bc_prepare_drop,
	.drop_item	= bc_drop_item,
};

static void hierarchy_drop_item(struct config_group *parent,
				struct config_item *item)
{
	guard(mutex)(&bind_mutex);
	bc_drop_item(parent, item);
}

static const struct config_item_type bc_dir_type = {
	.ct_item_ops	= &bc_dir_item_ops,
	.ct_group_ops	= &bc_dir_group_ops,
	.ct_attrs	= bc_dir_attrs,
	.ct_owner	= THIS_MODULE,
};

/* The default root's directory is never released. */
static const struct config_item_type bc_root_type = {
	.ct_group_ops	= &bc_dir_group_ops,
	.ct_attrs	= bc_root_attrs,
	.ct_owner	= THIS_MODULE,
};

static const struct config_item_type bc_hierarchy_type = {
	.ct_item_ops	= &bc_dir_item_ops,
	.ct_group_ops	= &bc_dir_group_ops,
	.ct_attrs	= bc_hierarchy_attrs,
	.ct_owner	= THIS_MODULE,
};

/* Each by itself: all in one would be rounded up to the next power of two. */
static struct bc_ctrl_dir *alloc_ctrl_dir(struct bc_dir *dir,
					  const struct bc_controller *controller,
					  struct bc_css *css)
{
	struct bc_ctrl_dir *ctrl = kzalloc(sizeof(*ctrl), GFP_KERNEL_ACCOUNT);

	if (!ctrl)
		return NULL;
	if (dir)
		config_item_get(&dir->cg.cg_item);
	ctrl->dir = dir;
	ctrl->css = css;
	ctrl->controller = controller;
	ctrl->id = -1;
	config_group_init_type_name(&ctrl->cg, controller->name,
				    css->root ? &root_ctrl_types[css->id] :
						&ctrl_types[css->id]);
	return ctrl;
}

static struct bc_ctrl_dir *make_ctrl_dir(struct bc_dir *dir, int id,
					 struct bc_css *css)
{
	struct bc_ctrl_dir *ctrl = alloc_ctrl_dir(dir, bc_controllers[id], css);

	if (ctrl)
		configfs_add_default_group(&ctrl->cg, &dir->cg);
	return ctrl;
}

/*
 * The directory of a new group, whose reference it takes over, with room for @n of the
 * controllers' directories.
 */
static struct bc_dir *make_dir(struct bc_group *group, const char *name,
			       const struct config_item_type *type, size_t n)
{
	struct bc_dir *dir = kzalloc(struct_size(dir, ctrl, n), GFP_KERNEL_ACCOUNT);

	if (dir) {
		dir->group = group;
		config_group_init_type_name(&dir->cg, name, type);
		/* A long name needs memory of its own. */
		if (config_item_name(&dir->cg.cg_item)) {
			group->item = &dir->cg.cg_item;
			return dir;
		}
		kfree(dir);
	}
	cancel_group(group);
	bc_group_put(group);
	return NULL;
}

/* It could not be finished, and nobody has seen it. */
static void cancel_dir(struct bc_dir *dir)
{
	configfs_remove_default_groups(&dir->cg);
	cancel_group(dir->group);
	config_item_put(&dir->cg.cg_item);
}

static struct config_group *bc_make_group(struct config_group *parent,
					  const char *name)
{
	struct bc_group *group;
	struct bc_dir *dir;
	int i;

	/* It would break every list of groups with a group a line. */
	if (strchr(name, '\n'))
		return ERR_PTR(-EINVAL);
	/* It may be here, or come one day. */
	if (find_controller(name) >= 0)
		return ERR_PTR(-EEXIST);

	group = bc_group_create(to_bc_group(&parent->cg_item), name);
	if (IS_ERR(group))
		return ERR_CAST(group);
	/* One that has come since is found now; and none comes as long as there is a group. */
	if (find_controller(name) >= 0) {
		cancel_group(group);
		bc_group_put(group);
		return ERR_PTR(-EEXIST);
	}
	dir = make_dir(group, name, &bc_dir_type, 0);
	if (!dir)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < BC_NR_CONTROLLERS; i++) {
		if (group->css[i] && !make_ctrl_dir(dir, i, group->css[i])) {
			cancel_dir(dir);
			return ERR_PTR(-ENOMEM);
		}
	}
	return &dir->cg;
}

static struct configfs_subsystem bc_subsys = {
	.su_group.cg_item = {
		.ci_namebuf	= "bc",
		.ci_type	= &bc_root_type,
	},
	.su_mutex = __MUTEX_INITIALIZER(bc_subsys.su_mutex),
};

/*
 * Hierarchies
 */

/* The directories of all controllers in the root of a new hierarchy, hidden. */
static int make_root_ctrl_dirs(struct bc_dir *dir)
{
	bool there;
	int i;

	lockdep_assert_held(&bind_mutex);

	for (i = 0; i < BC_NR_CONTROLLERS; i++) {
		bc_lock();
		there = bc_controller_get(i);
		bc_unlock();
		/* One that is on its way out cannot be bound any more. */
		if (!there)
			continue;
		dir->ctrl[i] = make_ctrl_dir(dir, i, bc_root_css[i]);
		if (!dir->ctrl[i]) {
			bc_controller_put(i);
			return -ENOMEM;
		}
		dir->ctrl[i]->id = i;
		dir->ctrl[i]->cg.cg_hidden = true;
	}
	return 0;
}

static struct config_group *make_hierarchy(struct config_group *parent,
					   const char *name)
{
	struct bc_hierarchy *h;
	struct bc_dir *dir;

	if (strchr(name, '\n'))
		return ERR_PTR(-EINVAL);

	guard(mutex)(&bind_mutex);
	h = bc_hierarchy_create(name);
	if (IS_ERR(h))
		return ERR_CAST(h);
	dir = make_dir(&h->root, name, &bc_hierarchy_type, BC_NR_CONTROLLERS);
	if (!dir)
		return ERR_PTR(-ENOMEM);
	if (make_root_ctrl_dirs(dir)) {
		cancel_dir(dir);
		return ERR_PTR(-ENOMEM);
	}
	return &dir->cg;
}

static struct configfs_group_operations hierarchies_group_ops = {
	.make_group	= make_hierarchy,
	.prepare_drop	= hierarchy_prepare_drop,
	.drop_item	= hierarchy_drop_item,
};

static const struct config_item_type hierarchies_type = {
	.ct_group_ops	= &hierarchies_group_ops,
	.ct_owner	= THIS_MODULE,
};

struct configfs_subsystem bc_hierarchies_subsys = {
	.su_group.cg_item = {
		.ci_namebuf	= "bc_hierarchies",
		.ci_type	= &hierarchies_type,
	},
	.su_mutex = __MUTEX_INITIALIZER(bc_hierarchies_subsys.su_mutex),
};

/*
 * Controllers of modules
 */

static bool is_valid(const struct bc_controller *c)
{
	/* Where these two are called, nothing keeps the module. */
	if (!c->css_alloc || !c->css_free || c->post_attach || c->fork)
		return false;
	if (!c->name || !*c->name || strlen(c->name) >= CONFIGFS_ITEM_NAME_LEN)
		return false;
	return !strpbrk(c->name, " \t\n/,") && !(c->root_attrs && !c->attrs);
}

/* A directory that bc_unregister_controller() has taken away, or that has not come to be. */
static void drop_root_ctrl(struct bc_ctrl_dir *ctrl)
{
	const struct bc_controller *controller = ctrl->controller;
	struct bc_css *css = ctrl->css;

	/* Who has a file of it open has the structure, and is told that it is gone. */
	config_item_put(&ctrl->cg.cg_item);
	/* Who has come by the root's state under RCU, in the module, still looks at it. */
	synchronize_rcu();
	controller->css_free(css);
}

/* Add a controller whose directory is in place, and show that. */
static int add_controller(struct bc_ctrl_dir *ctrl, struct module *owner)
{
	int err;

	guard(mutex)(&bind_mutex);
	err = bc_controller_add(ctrl->controller, owner, ctrl->css);
	if (err)
		return err;
	root_ctrl[ctrl->css->id] = ctrl;
	show_bound();
	return 0;
}

/* See bc_register_controller(). */
int __bc_register_controller(const struct bc_controller *controller,
			     struct module *owner)
{
	struct bc_ctrl_dir *ctrl;
	struct bc_css *css;
	int id, err;

	if (!is_valid(controller))
		return -EINVAL;

	guard(mutex)(&register_mutex);
	if (find_controller(controller->name) >= 0)
		return -EEXIST;
	id = bc_controller_prepare(controller, &css);
	if (id < 0)
		return id;
	init_ctrl_types(controller, id);
	ctrl = alloc_ctrl_dir(NULL, controller, css);
	if (!ctrl) {
		controller->css_free(css);
		return -ENOMEM;
	}
	/* The directory first: it can fail when nobody has a group with that yet. */
	ctrl->cg.cg_hidden = true;
	err = configfs_register_group(&bc_subsys.su_group, &ctrl->cg);
	if (!err) {
		err = add_controller(ctrl, owner);
		if (err)
			configfs_unregister_group(&ctrl->cg);
	}
	if (err) {
		drop_root_ctrl(ctrl);
		return err;
	}
	return id;
}
EXPORT_SYMBOL_GPL(__bc_register_controller);

/**
 * bc_unregister_controller - undo bc_register_controller()
 * @controller: the controller, which may also have failed to be registered
 *
 * To be called when the module goes, which it does not while a group has the controller.
 * When it returns, no callback is called any more.
 *
 * Context: Process context. May sleep.
 */
void bc_unregister_controller(const struct bc_controller *controller)
{
	struct bc_ctrl_dir *ctrl;
	struct bc_css *css;

	guard(mutex)(&register_mutex);
	scoped_guard(mutex, &bind_mutex) {
		css = bc_controller_del(controller);
		if (!css)
			return;
		ctrl = root_ctrl[css->id];
		root_ctrl[css->id] = NULL;
	}
	configfs_unregister_group(&ctrl->cg);
	drop_root_ctrl(ctrl);
}
EXPORT_SYMBOL_GPL(bc_unregister_controller);

/*
 * Directories that the kernel makes itself, see clone.c
 */

/* The directory of a group, with a reference, unless it is gone, or not yet there. */
static struct dentry *get_dentry(struct bc_group *group)
{
	struct dentry *dentry;

	bc_lock();
	dentry = bc_dir_find(group);
	bc_unlock();
	return dentry;
}

/**
 * bc_dir_make - make a group, as mkdir(2) does, but for nobody in particular
 * @parent: the group one level up
 * @name: of the directory, which belongs to root
 *
 * Context: Process context. May sleep. Takes the lock of the parent's directory.
 * Return: the group, with a reference; or an ERR_PTR() as mkdir(2) would have it:
 * -EEXIST, -ENOENT: the parent is gone, -ENOSPC, -ENOMEM.
 */
struct bc_group *bc_dir_make(struct bc_group *parent, const char *name)
{
	struct dentry *dentry = get_dentry(parent);
	struct config_item *item;
	struct bc_group *group;

	if (!dentry)
		return ERR_PTR(-ENOENT);
	item = configfs_make_item(dentry, name);
	dput(dentry);
	if (IS_ERR(item))
		return ERR_CAST(item);
	group = to_bc_group(item);
	bc_group_get(group);
	config_item_put(item);
	return group;
}

struct remove_work {
	struct work_struct	work;
	struct dentry		*dentry;
};

static void remove_work_fn(struct work_struct *work)
{
	configfs_remove_item(container_of(work, struct remove_work, work)->dentry);
}

/**
 * bc_dir_remove - remove a group, as rmdir(2) does
 * @group: the group. If somebody has come in meanwhile, it stays.
 *
 * A worker does it: rmdir(2) gives up when the current task has been killed.
 *
 * Context: Process context. May sleep. Takes the lock of the parent's directory.
 */
void bc_dir_remove(struct bc_group *group)
{
	struct remove_work remove = { .dentry = get_dentry(group) };

	if (!remove.dentry)
		return;
	INIT_WORK_ONSTACK(&remove.work, remove_work_fn);
	queue_work(system_unbound_wq, &remove.work);
	flush_work(&remove.work);
	destroy_work_on_stack(&remove.work);
	dput(remove.dentry);
}

static int __init bc_configfs_init(void)
{
	struct config_group *root = &bc_subsys.su_group;
	int i, err;

	err = bc_core_init();
	if (err)
		return err;

	config_group_init(root);
	bc_default_hierarchy.root.item = &root->cg_item;
	for (i = 0; i < BC_NR_BUILTIN; i++) {
		init_ctrl_types(bc_controllers[i], i);
		root_ctrl[i] = alloc_ctrl_dir(NULL, bc_controllers[i], bc_root_css[i]);
		if (!root_ctrl[i])
			return -ENOMEM;
		configfs_add_default_group(&root_ctrl[i]->cg, root);
	}
	err = configfs_register_subsystem(&bc_subsys);
	if (err)
		return err;

	config_group_init(&bc_hierarchies_subsys.su_group);
	return configfs_register_subsystem(&bc_hierarchies_subsys);
}
subsys_initcall(bc_configfs_init);
