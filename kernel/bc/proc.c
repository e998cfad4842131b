// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: /proc/beancounters and /proc/<pid>/bc.
 *
 * bc_hierarchies_rwsem keeps hierarchies, and where controllers are bound, as they
 * are. A task's groups come from one css_group, under RCU, so that no line is from
 * before a move and another one from after it. Neither has to wait for groups that are
 * made, nor for moves.
 */
#include <linux/bc/core.h>
#include <linux/bc/task.h>
#include <linux/cleanup.h>
#include <linux/init.h>
#include <linux/proc_fs.h>
#include <linux/rwsem.h>
#include <linux/seq_file.h>

/* The controllers' names, separated by commas. Returns whether there are any. */
static bool show_controllers(struct seq_file *m, const struct bc_hierarchy *h)
{
	const char *comma = "";
	int id;

	for_each_set_bit(id, &h->controllers, BC_NR_CONTROLLERS) {
		seq_printf(m, "%s%s", comma, bc_controllers[id]->name);
		comma = ",";
	}
	return *comma;
}

static void show_path(struct seq_file *m, struct bc_group *group)
{
	char *buf;
	size_t size = seq_get_buf(m, &buf);
	size_t len = bc_group_path(group, buf, size);

	/* Without room for all, seq_file comes again with more. */
	seq_commit(m, len < size ? len : -1);
}

/**
 * proc_bc_show - show the groups of a task, for /proc/<pid>/bc
 * @m: where to
 * @ns: of the reader, not looked at: paths are the same for everybody
 * @pid: the task
 * @task: the same
 *
 * Context: Process context. May sleep.
 * Return: 0.
 */
int proc_bc_show(struct seq_file *m, struct pid_namespace *ns, struct pid *pid,
		 struct task_struct *task)
{
	struct css_group *cg;
	int i;

	guard(rwsem_read)(&bc_hierarchies_rwsem);
	guard(rcu)();
	cg = rcu_dereference(task->css_group);
	for (i = 0; i < BC_MAX_HIERARCHIES; i++) {
		struct bc_hierarchy *h = bc_hierarchies[i];

		if (!h)
			continue;
		seq_printf(m, "%d:", i);
		show_controllers(m, h);
		seq_putc(m, ':');
		show_path(m, cg && cg->groups[i] ? cg->groups[i] : &h->root);
		seq_putc(m, '\n');
	}
	return 0;
}

/**
 * proc_bc_id - the id of a task's group in the default hierarchy, for
 * /proc/<pid>/status
 * @m: gets the line
 * @task: the task
 *
 * Context: Any.
 */
void proc_bc_id(struct seq_file *m, struct task_struct *task)
{
	guard(rcu)();
	seq_printf(m, "Bcid:\t%llu\n",
		   bc_task_group(task, &bc_default_hierarchy)->id);
}

/* What the numbers in a controller's files count, if it is a counter. */
static const char *unit_name(const struct bc_controller *controller)
{
	static const char * const names[] = {
		[BC_UNIT_ITEMS] = "items",
		[BC_UNIT_BYTES] = "bytes",
		[BC_UNIT_PAGES] = "pages",
	};

	return controller->attrs ? "-" : names[controller->unit];
}

static int beancounters_show(struct seq_file *m, void *v)
{
	int i, id;

	guard(rwsem_read)(&bc_hierarchies_rwsem);
	seq_puts(m, "#hierarchy\tname\tgroups\tcontrollers\n");
	for (i = 0; i < BC_MAX_HIERARCHIES; i++) {
		struct bc_hierarchy *h = bc_hierarchies[i];

		if (!h)
			continue;
		seq_printf(m, "%d\t", i);
		seq_escape(m, h->root.name, " \t\n\\#");
		seq_printf(m, "\t%u\t", READ_ONCE(h->nr_groups));
		if (!show_controllers(m, h))
			seq_putc(m, '-');
		seq_putc(m, '\n');
	}

	seq_puts(m, "#controller\thierarchy\tunit\n");
	for (id = 0; id < BC_NR_CONTROLLERS; id++) {
		if (!bc_controllers[id])
			continue;
		seq_printf(m, "%s\t%u\t%s\n", bc_controllers[id]->name,
			   bc_root_css[id]->group->hierarchy->id,
			   unit_name(bc_controllers[id]));
	}

	seq_printf(m, "#css_groups\t%u\n",
		   bc_nr_css_groups(&bc_default_hierarchy.root));
	return 0;
}

static int __init bc_proc_init(void)
{
	proc_create_single("beancounters", 0444, NULL, beancounters_show);
	return 0;
}
late_initcall(bc_proc_init);
