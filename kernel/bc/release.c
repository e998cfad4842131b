// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: the release agent, a program that is told which group has become
 * empty (Menage's task containers, as cgroup v1 has it).
 *
 * A group is queued where it loses its last task or child, which is under siglock
 * most of the time. A work item runs the agents, one after the other, and waits only
 * until each has been started. The group may have got new tasks by then, or be gone.
 * Then nobody is told, until it becomes empty again. If it gets tasks later still, the
 * agent's rmdir(2) fails, which harms nobody; an agent that comes so late that another
 * group has the name now may remove that one, if it is empty.
 *
 * release_lock protects the list, and is innermost. agent_mutex protects the agents'
 * names, which are copied: nothing is held while a program is started.
 */
#include <linux/bc/core.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/umh.h>
#include <linux/workqueue.h>

#include "release.h"

static void release_work_fn(struct work_struct *work);

static LIST_HEAD(release_list);
static DEFINE_SPINLOCK(release_lock);
static DECLARE_WORK(release_work, release_work_fn);
static DEFINE_MUTEX(agent_mutex);

/**
 * bc_release_queue - let the release agent know of an empty group
 * @group: the group, which is not dead
 *
 * A group that waits already is not queued again: it is told once.
 *
 * Context: css_group_lock is held. Does not sleep.
 */
void bc_release_queue(struct bc_group *group)
{
	scoped_guard(spinlock_irqsave, &release_lock) {
		if (!list_empty(&group->release_node))
			return;
		/* Its directory has one: it is not dead. */
		bc_group_get(group);
		list_add_tail(&group->release_node, &release_list);
	}
	queue_work(system_unbound_wq, &release_work);
}

static struct bc_group *first_released(void)
{
	struct bc_group *group;

	scoped_guard(spinlock_irq, &release_lock) {
		group = list_first_entry_or_null(&release_list, struct bc_group,
						 release_node);
		if (group)
			list_del_init(&group->release_node);
	}
	return group;
}

static void run_agent(struct bc_group *group)
{
	size_t len = bc_group_path(group, NULL, 0);
	char *argv[3] = { }, *envp[3] = { };

	scoped_guard(mutex, &agent_mutex)
		argv[0] = kstrdup(group->hierarchy->release_agent, GFP_KERNEL);
	argv[1] = kmalloc(len + 1, GFP_KERNEL);
	envp[0] = "HOME=/";
	envp[1] = "PATH=/sbin:/bin:/usr/sbin:/usr/bin";
	if (argv[0] && argv[1]) {
		bc_group_path(group, argv[1], len + 1);
		call_usermodehelper(argv[0], argv, envp, UMH_WAIT_EXEC);
	}
	kfree(argv[1]);
	kfree(argv[0]);
}

static void release_work_fn(struct work_struct *work)
{
	struct bc_group *group;

	while ((group = first_released())) {
		/* A dead group is empty, too, but its path may be another's now. */
		if (!READ_ONCE(group->dead) && bc_group_release(group))
			run_agent(group);
		bc_group_put(group);
	}
}

/**
 * bc_release_set_agent - set the release agent of a hierarchy
 * @h: the hierarchy
 * @path: the program, an absolute path; empty for none
 *
 * What runs as root when a group becomes empty is not for the owner of a file to
 * say: only who is privileged in the initial user namespace may.
 *
 * Context: Process context. May sleep. The current task's credentials are the
 * opener's of the file.
 * Return: 0, -EPERM, -EINVAL: it is not absolute; or -ENOMEM.
 */
int bc_release_set_agent(struct bc_hierarchy *h, const char *path)
{
	char *agent = NULL;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (*path && *path != '/')
		return -EINVAL;
	if (*path) {
		agent = kstrdup(path, GFP_KERNEL);
		if (!agent)
			return -ENOMEM;
	}
	scoped_guard(mutex, &agent_mutex)
		swap(h->release_agent, agent);
	kfree(agent);
	return 0;
}

/**
 * bc_release_show_agent - the release agent of a hierarchy
 * @h: the hierarchy
 * @m: gets it, with a newline
 *
 * Context: Process context. May sleep.
 */
void bc_release_show_agent(struct bc_hierarchy *h, struct seq_file *m)
{
	guard(mutex)(&agent_mutex);
	seq_printf(m, "%s\n", h->release_agent ?: "");
}
