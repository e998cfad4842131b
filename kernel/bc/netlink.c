// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: generic netlink. The events of all groups for who has joined the multicast
 * group, those of a subtree for who has subscribed to it, and a dump of all counters.
 *
 * netlink-gen.c, which has the table of requests, and the header for user space are made
 * of Documentation/netlink/specs/beancounters.yaml, see lab/ynl.
 *
 * A subscription belongs to a socket, which is known by its struct sock: what an address
 * belongs to now is no matter. It holds a reference to its group, whose @watchers say that
 * there is one, so that an event in a group that nobody watches, nor one above, is not
 * even queued. What is lost while there are @watchers is counted in each group from there
 * upwards; a subscription remembers how many of these it has told of.
 *
 * Who may see what is as with the files: it takes the credentials of who makes the request,
 * and those of who has opened the socket, lest somebody has a program that has more rights
 * write a request to it.
 *
 * listeners_mutex protects the subscriptions, and @watchers. A group is looked for, and is
 * subscribed to, under bc_mutex, so that it cannot be removed meanwhile.
 *
 * Lock order: listeners_mutex, bc_mutex.
 */
#include <linux/bc/core.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uidgid.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "dir.h"
#include "event.h"
#include "netlink-gen.h"
#include "sabotage.h"

/* How many subscriptions a user may have, and all who have no CAP_SYS_ADMIN together. */
#define USER_SUBSCRIPTIONS	16
#define MAX_SUBSCRIPTIONS	1024

/**
 * struct viewer - whose permissions count
 * @opener: who has opened the socket
 * @caller: who has made the request
 *
 * Each with a reference.
 */
struct viewer {
	const struct cred	*opener;
	const struct cred	*caller;
};

/**
 * struct listener - a socket that may have subscriptions
 * @sk: the socket, with a reference; NULL if it has none
 * @node: in listeners, if it has any
 * @subs: the subscriptions, none below another one
 * @unsent: so many events did not get into the socket's buffer, or had no memory
 */
struct listener {
	struct sock		*sk;
	struct list_head	node;
	struct list_head	subs;
	unsigned long		unsent;
};

/**
 * struct subscription - to the events of a group and those below it
 * @node: in the listener's @subs
 * @group: the group, with a reference
 * @viewer: whose it is
 * @lost: so many of the group's @events_lost are known
 * @privileged: is one too many, of somebody who may; does not count
 */
struct subscription {
	struct list_head	node;
	struct bc_group		*group;
	struct viewer		viewer;
	unsigned long		lost;
	bool			privileged;
};

static DEFINE_MUTEX(listeners_mutex);
static LIST_HEAD(listeners);
static unsigned int nr_subscriptions;

static struct genl_family family;
static bool family_registered __ro_after_init;

/*
 * Who may see what
 */

static struct viewer viewer_get(struct sk_buff *skb)
{
	struct socket *sock = NETLINK_CB(skb).sk->sk_socket;
	const struct cred *opener = sock && sock->file ? sock->file->f_cred :
							 current_cred();

	return (struct viewer) {
		.opener = get_cred(opener),
		.caller = get_current_cred(),
	};
}

static void viewer_put(const struct viewer *viewer)
{
	put_cred(viewer->opener);
	put_cred(viewer->caller);
}

/* What @may says for both. */
static int viewer_may(const struct viewer *viewer, int (*may)(struct bc_group *group),
		      struct bc_group *group)
{
	const struct cred *old;
	int err;

	if (bc_sabotaged(BC_SABOTAGE_SHOW))
		return 0;
	old = override_creds(viewer->opener);
	err = may(group);
	revert_creds(old);
	if (err || viewer->caller == viewer->opener)
		return err;
	old = override_creds(viewer->caller);
	err = may(group);
	revert_creds(old);
	return err;
}

/* What both see of a group, of what is in @view. */
static int viewer_restrict(const struct viewer *viewer, struct bc_group *group,
			   struct bc_view *view)
{
	const struct cred *old;
	int err;

	if (bc_sabotaged(BC_SABOTAGE_SHOW))
		return 0;
	old = override_creds(viewer->opener);
	err = bc_dir_view(group, view);
	revert_creds(old);
	if (err || viewer->caller == viewer->opener)
		return err;
	old = override_creds(viewer->caller);
	err = bc_dir_view(group, view);
	revert_creds(old);
	return err;
}

static int viewer_view(const struct viewer *viewer, struct bc_group *group,
		       struct bc_view *view)
{
	view->list = true;
	memset(view->files, 0xff, sizeof(view->files));
	return viewer_restrict(viewer, group, view);
}

/*
 * Messages
 */

static int put_u64(struct sk_buff *skb, int attr, u64 val)
{
	return nla_put_u64_64bit(skb, attr, val, BC_A_PAD);
}

static int put_path(struct sk_buff *skb, int attr, struct bc_group *group)
{
	size_t size = bc_group_path(group, NULL, 0) + 1;
	struct nlattr *nla = nla_reserve(skb, attr, size);

	if (!nla)
		return -EMSGSIZE;
	bc_group_path(group, nla_data(nla), size);
	return 0;
}

static int put_group(struct sk_buff *skb, struct bc_group *group)
{
	if (nla_put_u32(skb, BC_A_HIERARCHY, group->hierarchy->id) ||
	    put_u64(skb, BC_A_GROUP_ID, group->id) ||
	    put_path(skb, BC_A_GROUP_PATH, group))
		return -EMSGSIZE;
	return 0;
}

static int put_counter(struct sk_buff *skb, const char *name,
		       struct bc_counter *counter)
{
	struct nlattr *nest = nla_nest_start(skb, BC_A_COUNTER);

	if (!nest || nla_put_string(skb, BC_A_RESOURCE, name) ||
	    put_u64(skb, BC_A_HELD, bc_counter_held(counter)) ||
	    put_u64(skb, BC_A_MAXHELD, bc_counter_maxheld(counter)) ||
	    put_u64(skb, BC_A_MINHELD, bc_counter_minheld(counter)) ||
	    put_u64(skb, BC_A_FAILCNT, bc_counter_failcnt(counter)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* All that there is now, as it is now. */
static int put_counters(struct sk_buff *skb, struct bc_group *group)
{
	int id, err = 0;

	for (id = 0; !err && id < BC_NR_CONTROLLERS; id++) {
		if (group->css[id] && !bc_controllers[id]->attrs)
			err = put_counter(skb, bc_controllers[id]->name,
					  &to_bc_resource(group->css[id])->counter);
	}
	return err;
}

static int put_if(struct sk_buff *skb, unsigned int files, enum bc_file file, u64 val)
{
	static const int attrs[BC_NR_FILES] = {
		[BC_FILE_HELD]		= BC_A_HELD,
		[BC_FILE_MAXHELD]	= BC_A_MAXHELD,
		[BC_FILE_MINHELD]	= BC_A_MINHELD,
		[BC_FILE_BARRIER]	= BC_A_BARRIER,
		[BC_FILE_LIMIT]		= BC_A_LIMIT,
		[BC_FILE_FAILCNT]	= BC_A_FAILCNT,
	};

	return files & BIT(file) ? put_u64(skb, attrs[file], val) : 0;
}

static int put_refusal(struct sk_buff *skb, const struct bc_event *event,
		       unsigned int files)
{
	if (nla_put_string(skb, BC_A_RESOURCE, event->controller->name) ||
	    put_u64(skb, BC_A_REFUSER_ID, event->refuser->id) ||
	    put_path(skb, BC_A_REFUSER_PATH, event->refuser) ||
	    put_u64(skb, BC_A_AMOUNT, event->amount) ||
	    put_if(skb, files, BC_FILE_HELD, event->held) ||
	    put_if(skb, files, BC_FILE_BARRIER, event->barrier) ||
	    put_if(skb, files, BC_FILE_LIMIT, event->limit) ||
	    put_if(skb, files, BC_FILE_FAILCNT, event->failcnt))
		return -EMSGSIZE;
	return 0;
}

static int put_event(struct sk_buff *skb, const struct bc_event *event,
		     unsigned int files)
{
	if (put_group(skb, event->group) ||
	    nla_put_u32(skb, BC_A_PID, event->pid) ||
	    nla_put_string(skb, BC_A_COMM, event->comm))
		return -EMSGSIZE;
	if (event->refuser)
		return put_refusal(skb, event, files);
	if (event->cmd == BC_CMD_REMOVED)
		return put_counters(skb, event->group);
	return 0;
}

/* More than what is put into a message besides paths and counters; and a counter. */
#define MESSAGE_SIZE	512
#define COUNTER_SIZE	160

static size_t event_size(const struct bc_event *event)
{
	size_t size = MESSAGE_SIZE + bc_group_path(event->group, NULL, 0);

	if (event->refuser)
		size += bc_group_path(event->refuser, NULL, 0);
	if (event->cmd == BC_CMD_REMOVED)
		size += COUNTER_SIZE * BC_NR_CONTROLLERS;
	return size;
}

/* The message for an event, with those of the refuser's amounts that are in @files. */
static struct sk_buff *make_event(const struct bc_event *event, unsigned int files)
{
	struct sk_buff *skb = genlmsg_new(event_size(event), GFP_KERNEL);
	void *hdr;

	if (!skb)
		return NULL;
	hdr = genlmsg_put(skb, 0, 0, &family, 0, event->cmd);
	if (!hdr || put_event(skb, event, files)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, hdr);
	return skb;
}

static struct sk_buff *make_lost(unsigned long lost)
{
	struct sk_buff *skb = genlmsg_new(MESSAGE_SIZE, GFP_KERNEL);
	void *hdr;

	if (!skb)
		return NULL;
	hdr = genlmsg_put(skb, 0, 0, &family, 0, BC_CMD_LOST);
	if (!hdr || put_u64(skb, BC_A_LOST, lost)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, hdr);
	return skb;
}

/*
 * Events
 */

static bool has_joined(void)
{
	return family_registered && genl_has_listeners(&family, &init_net, 0);
}

/* Has anybody subscribed to what happens in a group? */
static bool is_watched(struct bc_group *group)
{
	for (; group; group = group->parent) {
		if (READ_ONCE(group->watchers))
			return true;
	}
	return false;
}

/**
 * bc_netlink_listens - is anybody to be told of an event?
 * @group: where it happens
 *
 * Context: Any. The caller keeps the group from being freed.
 */
bool bc_netlink_listens(struct bc_group *group)
{
	return has_joined() ||
	       (unlikely(READ_ONCE(nr_subscriptions)) && is_watched(group));
}

/**
 * bc_netlink_lose - an event is lost
 * @group: where it has happened
 * @cmd: what it was
 *
 * Context: Any, under the lock of the queue. The caller keeps the group from being freed.
 */
void bc_netlink_lose(struct bc_group *group, enum bc_genl_cmd cmd)
{
	if (!READ_ONCE(nr_subscriptions) || bc_sabotaged(BC_SABOTAGE_LOST))
		return;
	if (cmd == BC_CMD_REMOVED)
		WRITE_ONCE(group->removal_lost, true);
	for (; group; group = group->parent) {
		if (READ_ONCE(group->watchers))
			atomic_long_inc(&group->events_lost);
	}
}

/* Who cannot keep up is told by its socket (ENOBUFS). Takes over @skb, which may be NULL. */
static bool send_to(struct listener *l, struct sk_buff *skb)
{
	struct sock *sk = l->sk;
	long timeo = 0;

	if (!skb)
		return false;
	if (sk_filter(sk, skb)) {
		/* Its own. */
		kfree_skb(skb);
		return true;
	}
	/* That takes over a reference to the socket, whatever comes of it. */
	sock_hold(sk);
	if (netlink_attachskb(sk, skb, &timeo, NULL))
		return false;
	netlink_sendskb(sk, skb);
	return true;
}

static void tell_lost(struct listener *l, unsigned long lost)
{
	if (lost && !send_to(l, make_lost(lost)))
		l->unsent += lost;
}

/* What could not be sent to it: how many is told when there is room again. */
static void tell_unsent(struct listener *l)
{
	unsigned long unsent = l->unsent;

	l->unsent = 0;
	tell_lost(l, unsent);
}

/* What was lost before it could be sent to anybody. */
static void tell_losses(struct listener *l)
{
	struct subscription *sub;
	unsigned long lost = l->unsent, now;

	l->unsent = 0;
	list_for_each_entry(sub, &l->subs, node) {
		now = atomic_long_read(&sub->group->events_lost);
		lost += now - sub->lost;
		sub->lost = now;
	}
	tell_lost(l, lost);
}

static void drop(struct subscription *sub)
{
	lockdep_assert_held(&listeners_mutex);

	list_del(&sub->node);
	WRITE_ONCE(sub->group->watchers, sub->group->watchers - 1);
	WRITE_ONCE(nr_subscriptions, nr_subscriptions - 1);
	bc_group_put(sub->group);
	viewer_put(&sub->viewer);
	kfree(sub);
}

static void drop_listener(struct listener *l)
{
	struct subscription *sub, *next;

	lockdep_assert_held(&listeners_mutex);

	list_for_each_entry_safe(sub, next, &l->subs, node)
		drop(sub);
	if (!l->sk)
		return;
	list_del(&l->node);
	sock_put(l->sk);
	l->sk = NULL;
}

/* It has no subscription any more. */
static void end_listener(struct listener *l)
{
	/* Nobody else is going to say so; as if there had been no room. */
	if (l->sk && l->unsent) {
		WRITE_ONCE(l->sk->sk_err, ENOBUFS);
		sk_error_report(l->sk);
	}
	drop_listener(l);
}

static struct subscription *find_subscription(struct listener *l, struct bc_group *group)
{
	struct subscription *sub;

	list_for_each_entry(sub, &l->subs, node) {
		if (bc_group_is_below(group, sub->group))
			return sub;
	}
	return NULL;
}

/*
 * Which of the refuser's amounts may be told? All in the subtree; those of a group above
 * it, if they can be read in its files.
 */
static unsigned int visible_files(const struct subscription *sub,
				  const struct bc_event *event)
{
	struct bc_view view = { };
	int id = 0, err;

	if (!event->refuser || bc_group_is_below(event->refuser, sub->group))
		return ~0;
	while (bc_controllers[id] != event->controller)
		id++;
	/* There may be a storm of these: the others do not matter. */
	view.files[id] = 0xff;
	bc_lock();
	err = viewer_may(&sub->viewer, bc_dir_may_enter, event->refuser);
	err = err ?: viewer_restrict(&sub->viewer, event->refuser, &view);
	bc_unlock();
	return err ? 0 : view.files[id];
}

static void send_to_listener(struct listener *l, const struct bc_event *event)
{
	struct subscription *sub = find_subscription(l, event->group);
	bool last;

	if (!sub)
		return;
	last = event->cmd == BC_CMD_REMOVED && event->group == sub->group;
	if (last)
		tell_losses(l);
	else
		tell_unsent(l);
	if (!send_to(l, make_event(event, visible_files(sub, event))))
		l->unsent++;
	if (last)
		drop(sub);
	if (list_empty(&l->subs))
		end_listener(l);
}

static void send_to_listeners(const struct bc_event *event)
{
	struct listener *l, *next;

	guard(mutex)(&listeners_mutex);
	list_for_each_entry_safe(l, next, &listeners, node)
		send_to_listener(l, event);
}

/**
 * bc_netlink_send - tell all who are to be told of an event
 * @event: the event
 *
 * Context: Process context. May sleep. Takes listeners_mutex and bc_mutex.
 * Return: false if there was no memory to tell those of the multicast group. The others
 * are told of that themselves.
 */
bool bc_netlink_send(const struct bc_event *event)
{
	struct sk_buff *skb;

	if (READ_ONCE(nr_subscriptions))
		send_to_listeners(event);
	/* What becomes of hierarchies is for who has subscribed to one. */
	if (!has_joined() || (event->cmd == BC_CMD_REMOVED && !event->group->parent))
		return true;
	skb = make_event(event, ~0);
	if (!skb)
		return false;
	/* Who cannot keep up is told by its socket (ENOBUFS). */
	genlmsg_multicast(&family, skb, 0, 0, GFP_KERNEL);
	return true;
}

/**
 * bc_netlink_send_lost - tell that events are missing here
 * @lost: so many, of all groups; who has subscribed is only told of its own
 *
 * Context: Process context. May sleep. Takes listeners_mutex.
 * Return: as bc_netlink_send().
 */
bool bc_netlink_send_lost(unsigned long lost)
{
	struct listener *l;
	struct sk_buff *skb;

	if (READ_ONCE(nr_subscriptions)) {
		guard(mutex)(&listeners_mutex);
		list_for_each_entry(l, &listeners, node)
			tell_losses(l);
	}
	if (!has_joined())
		return true;
	skb = make_lost(lost);
	if (!skb)
		return false;
	genlmsg_multicast(&family, skb, 0, 0, GFP_KERNEL);
	return true;
}

static void end_lost(struct listener *l)
{
	struct subscription *sub, *next;

	list_for_each_entry_safe(sub, next, &l->subs, node) {
		/* There may be older events of it that have not been sent: later, then. */
		if (!READ_ONCE(sub->group->removal_lost) || !bc_event_none_queued())
			continue;
		tell_losses(l);
		drop(sub);
	}
	if (list_empty(&l->subs))
		end_listener(l);
}

/**
 * bc_netlink_end_lost - end the subscriptions whose last event was lost
 *
 * Or they, and their groups, would stay until the socket is closed.
 *
 * Context: Process context, where events are sent. May sleep. Takes listeners_mutex.
 */
void bc_netlink_end_lost(void)
{
	struct listener *l, *next;

	if (!READ_ONCE(nr_subscriptions) || bc_sabotaged(BC_SABOTAGE_ENDLESS))
		return;
	guard(mutex)(&listeners_mutex);
	list_for_each_entry_safe(l, next, &listeners, node)
		end_lost(l);
}

/*
 * Requests
 */

static struct bc_group *find_child(struct bc_group *group, const char *name, size_t len)
{
	struct bc_group *child;

	list_for_each_entry(child, &group->children, sibling) {
		if (!strncmp(child->name, name, len) && !child->name[len])
			return child;
	}
	return NULL;
}

/* As a path is looked up. */
static struct bc_group *find_path(const struct viewer *viewer, struct bc_group *root,
				  const char *path)
{
	struct bc_group *group = root;
	size_t len;
	int err;

	while (group) {
		err = viewer_may(viewer, bc_dir_may_enter, group);
		if (err)
			return ERR_PTR(err);
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (!len)
			return group;
		group = find_child(group, path, len);
		path += len;
	}
	return ERR_PTR(-ENOENT);
}

/*
 * The group that a request is about, which the viewer may enter. Without a path, the root;
 * without a hierarchy, the default one.
 */
static struct bc_group *find_group(const struct viewer *viewer,
				   const struct genl_info *info)
{
	struct nlattr *number = info->attrs[BC_A_HIERARCHY];
	struct nlattr *path = info->attrs[BC_A_GROUP_PATH];
	u32 id = number ? nla_get_u32(number) : 0;
	struct bc_hierarchy *h = NULL;
	struct bc_group *group;

	lockdep_assert(bc_lock_is_held());

	if (path && *(char *)nla_data(path) != '/') {
		NL_SET_ERR_MSG_ATTR(info->extack, path, "a path starts with a slash");
		return ERR_PTR(-EINVAL);
	}
	if (id < BC_MAX_HIERARCHIES)
		h = bc_hierarchies[array_index_nospec(id, BC_MAX_HIERARCHIES)];
	if (!h) {
		NL_SET_ERR_MSG_ATTR(info->extack, number, "there is no such hierarchy");
		return ERR_PTR(-ENOENT);
	}
	group = find_path(viewer, &h->root, path ? nla_data(path) : "/");
	if (group == ERR_PTR(-ENOENT))
		NL_SET_ERR_MSG_ATTR(info->extack, path, "there is no such group");
	else if (IS_ERR(group))
		NL_SET_ERR_MSG_ATTR(info->extack, path,
				    "that is in a directory which may not be entered");
	return group;
}

static bool too_many(const struct subscription *sub)
{
	unsigned int users = 0, all = 0;
	struct subscription *other;
	struct listener *l;

	lockdep_assert_held(&listeners_mutex);

	if (sub->privileged)
		return false;
	list_for_each_entry(l, &listeners, node) {
		list_for_each_entry(other, &l->subs, node) {
			if (other->privileged)
				continue;
			all++;
			users += uid_eq(other->viewer.caller->uid, sub->viewer.caller->uid);
		}
	}
	return users >= USER_SUBSCRIPTIONS || all >= MAX_SUBSCRIPTIONS;
}

static bool overlaps(const struct listener *l, struct bc_group *group)
{
	struct subscription *sub;

	list_for_each_entry(sub, &l->subs, node) {
		if (bc_group_is_below(group, sub->group) ||
		    bc_group_is_below(sub->group, group))
			return true;
	}
	return false;
}

/* Find out whether all is well, and take a reference to the group. */
static int subscribe(struct listener *l, struct subscription *sub,
		     const struct genl_info *info)
{
	struct bc_group *group;
	int err;

	lockdep_assert_held(&listeners_mutex);

	group = find_group(&sub->viewer, info);
	if (IS_ERR(group))
		return PTR_ERR(group);
	err = viewer_may(&sub->viewer, bc_dir_may_own, group);
	if (err) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[BC_A_GROUP_PATH],
				    "its directory, or tasks in it, is not yours to write");
		return err;
	}
	if (overlaps(l, group)) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[BC_A_GROUP_PATH],
				    "the socket has that group, or one above or below it");
		return -EEXIST;
	}
	bc_group_get(group);
	sub->group = group;
	/* Before the group can be removed: that is an event. */
	WRITE_ONCE(group->watchers, group->watchers + 1);
	WRITE_ONCE(nr_subscriptions, nr_subscriptions + 1);
	sub->lost = atomic_long_read(&group->events_lost);
	return 0;
}

static void add(struct listener *l, struct subscription *sub, struct sock *sk)
{
	list_add_tail(&sub->node, &l->subs);
	if (l->sk)
		return;
	sock_hold(sk);
	l->sk = sk;
	l->unsent = 0;
	list_add_tail(&l->node, &listeners);
}

int beancounters_nl_subscribe_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sock *sk = NETLINK_CB(skb).sk;
	struct subscription *sub;
	struct listener *l;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, BC_A_GROUP_PATH))
		return -EINVAL;
	l = genl_sk_priv_get(&family, sk);
	if (IS_ERR(l))
		return PTR_ERR(l);
	sub = kzalloc(sizeof(*sub), GFP_KERNEL_ACCOUNT);
	if (!sub)
		return -ENOMEM;
	sub->viewer = viewer_get(skb);

	scoped_guard(mutex, &listeners_mutex) {
		/* To ask is to use the privilege: only where it matters. */
		sub->privileged = too_many(sub) && netlink_capable(skb, CAP_SYS_ADMIN);
		if (too_many(sub)) {
			NL_SET_ERR_MSG(info->extack, "there are too many subscriptions");
			err = -ENOSPC;
			break;
		}
		bc_lock();
		err = subscribe(l, sub, info);
		bc_unlock();
		if (!err)
			add(l, sub, sk);
	}
	if (err) {
		viewer_put(&sub->viewer);
		kfree(sub);
	}
	return err;
}

static void listener_init(void *priv)
{
	struct listener *l = priv;

	INIT_LIST_HEAD(&l->node);
	INIT_LIST_HEAD(&l->subs);
}

/* The socket is closed. */
static void listener_destroy(void *priv)
{
	guard(mutex)(&listeners_mutex);
	drop_listener(priv);
}

/*
 * Groups, with their counters
 */

static int put_refused_at(struct sk_buff *skb, struct bc_css *css, unsigned int files)
{
	unsigned long at = READ_ONCE(css->refused_at);

	return at && (files & BIT(BC_FILE_FAILCNT)) ?
	       put_u64(skb, BC_A_REFUSED_AT, at) : 0;
}

static int put_amounts(struct sk_buff *skb, struct bc_css *css, unsigned int files)
{
	const struct bc_controller *c = bc_controllers[css->id];
	struct bc_counter *counter = &to_bc_resource(css)->counter;
	unsigned long held, maxheld, minheld;

	if (!css->root) {
		held = bc_counter_held(counter);
		maxheld = bc_counter_maxheld(counter);
		minheld = bc_counter_minheld(counter);
	} else if (c->root_held) {
		/* As in the root's files. */
		held = c->root_held();
		maxheld = held;
		minheld = held;
	} else {
		held = 0;
		maxheld = 0;
		minheld = 0;
		files &= ~(BIT(BC_FILE_HELD) | BIT(BC_FILE_MAXHELD) | BIT(BC_FILE_MINHELD));
	}
	if (put_if(skb, files, BC_FILE_HELD, held) ||
	    put_if(skb, files, BC_FILE_MAXHELD, maxheld) ||
	    put_if(skb, files, BC_FILE_MINHELD, minheld) ||
	    put_if(skb, files, BC_FILE_BARRIER, bc_counter_barrier(counter)) ||
	    put_if(skb, files, BC_FILE_LIMIT, bc_counter_limit(counter)) ||
	    put_if(skb, files, BC_FILE_FAILCNT, bc_counter_failcnt(counter)) ||
	    put_refused_at(skb, css, files))
		return -EMSGSIZE;
	return 0;
}

static u32 unit_number(enum bc_unit unit)
{
	switch (unit) {
	case BC_UNIT_BYTES:
		return BC_GENL_UNIT_BYTES;
	case BC_UNIT_PAGES:
		return BC_GENL_UNIT_PAGES;
	default:
		return BC_GENL_UNIT_ITEMS;
	}
}

static int put_visible_counter(struct sk_buff *skb, struct bc_css *css, unsigned int files)
{
	const struct bc_controller *c = bc_controllers[css->id];
	struct nlattr *nest = nla_nest_start(skb, BC_A_COUNTER);

	if (!nest)
		return -EMSGSIZE;
	if (nla_put_string(skb, BC_A_RESOURCE, c->name) ||
	    nla_put_u32(skb, BC_A_UNIT, unit_number(c->unit)) ||
	    put_amounts(skb, css, files)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

/*
 * Counters of a group from *@id on, as many as there is room for. *@id becomes the first
 * one that there was none for; returns how many there are.
 */
static unsigned int put_visible_counters(struct sk_buff *skb, struct bc_group *group,
					 const struct bc_view *view, unsigned int *id)
{
	unsigned int n = 0;

	for (; *id < BC_NR_CONTROLLERS; ++*id) {
		struct bc_css *css = group->css[*id];

		if (!css || bc_controllers[*id]->attrs || !view->files[*id])
			continue;
		if (put_visible_counter(skb, css, view->files[*id]))
			break;
		n++;
	}
	return n;
}

static int put_visible(struct sk_buff *skb, struct bc_group *group,
		       const struct bc_view *view)
{
	unsigned int id = 0;

	if (put_group(skb, group))
		return -EMSGSIZE;
	put_visible_counters(skb, group, view, &id);
	return id < BC_NR_CONTROLLERS ? -EMSGSIZE : 0;
}

/* What is visible of a group, or an ERR_PTR(). */
static struct sk_buff *make_reply(const struct viewer *viewer, struct genl_info *info)
{
	struct bc_group *group;
	struct sk_buff *skb;
	struct bc_view view;
	void *hdr;
	int err;

	group = find_group(viewer, info);
	if (IS_ERR(group))
		return ERR_CAST(group);
	err = viewer_view(viewer, group, &view);
	if (err)
		return ERR_PTR(err);
	skb = genlmsg_new(MESSAGE_SIZE + bc_group_path(group, NULL, 0) +
			  COUNTER_SIZE * BC_NR_CONTROLLERS, GFP_KERNEL);
	if (!skb)
		return ERR_PTR(-ENOMEM);
	hdr = genlmsg_put_reply(skb, info, &family, 0, BC_CMD_GROUP_GET);
	err = hdr ? put_visible(skb, group, &view) : -EMSGSIZE;
	if (err) {
		nlmsg_free(skb);
		return ERR_PTR(err);
	}
	genlmsg_end(skb, hdr);
	return skb;
}

int beancounters_nl_group_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct viewer viewer = viewer_get(skb);
	struct sk_buff *reply;

	bc_lock();
	reply = make_reply(&viewer, info);
	bc_unlock();
	viewer_put(&viewer);
	return IS_ERR(reply) ? PTR_ERR(reply) : genlmsg_reply(reply, info);
}

/*
 * The dump
 */

/**
 * struct dump - what is kept of a dump between two calls
 * @viewer: whose it is
 * @top: the group that is dumped, with all below it, by reference
 * @pos: the last one that was looked at, by reference; NULL before the first
 * @next: of @pos, the counters from here on are still to be told, if not 0
 * @down: what is below @pos is to be told
 */
struct dump {
	struct viewer		viewer;
	struct bc_group		*top;
	struct bc_group		*pos;
	unsigned short		next;
	bool			down;
};

/* What the message of a group takes at least, with one counter. */
static u32 group_size(struct bc_group *group)
{
	return MESSAGE_SIZE + COUNTER_SIZE + bc_group_path(group, NULL, 0);
}

/*
 * Put a group into @skb. -EMSGSIZE: there was no room for it, or for its counters from
 * ->next on. A message is given up for that only if there is one before it.
 */
static int __dump_group(struct sk_buff *skb, struct netlink_callback *cb,
			struct bc_group *group)
{
	struct dump *d = (struct dump *)cb->ctx;
	unsigned int id = d->next, n;
	bool first = !skb->len;
	struct bc_view view;
	void *hdr;

	if (viewer_view(&d->viewer, group, &view)) {
		d->next = 0;
		d->down = false;
		return 0;
	}
	hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &family,
			  NLM_F_MULTI, BC_CMD_GROUP_GET);
	if (!hdr)
		return -EMSGSIZE;
	if (put_group(skb, group)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	n = put_visible_counters(skb, group, &view, &id);
	if (id < BC_NR_CONTROLLERS && !(first && n)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	/* Not before: it says so once only, and the message might have been given up. */
	genl_dump_check_consistent(cb, hdr);
	genlmsg_end(skb, hdr);
	d->down = view.list;
	d->next = id < BC_NR_CONTROLLERS ? id : 0;
	return d->next ? -EMSGSIZE : 0;
}

/*
 * The same. It is the first one of the next message if there was no room for it, whatever
 * little memory there is for that.
 */
static int dump_group(struct sk_buff *skb, struct netlink_callback *cb,
		      struct bc_group *group)
{
	int err = __dump_group(skb, cb, group);

	if (err)
		cb->min_dump_alloc = max_t(u32, cb->min_dump_alloc, group_size(group));
	return err;
}

static struct bc_group *dump_next(struct dump *d)
{
	if (!d->pos)
		return d->top;
	if (d->next && !d->pos->dead)
		return d->pos;
	/* What was told of one that has gone meanwhile is all. */
	d->next = 0;
	return bc_group_resume(d->pos, d->top, d->down);
}

static void dump_set_pos(struct dump *d, struct bc_group *group)
{
	bc_group_get(group);
	if (d->pos)
		bc_group_put(d->pos);
	d->pos = group;
}

/* So many groups at a time: others may want bc_mutex. */
#define DUMP_BATCH	64

/* Returns 1 if that was not all. */
static int dump_batch(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump *d = (struct dump *)cb->ctx;
	int i, err;

	lockdep_assert(bc_lock_is_held());

	cb->seq = d->top->hierarchy->seq;
	/* It has all been told, then. */
	if (d->top->dead)
		return 0;
	err = viewer_may(&d->viewer, bc_dir_may_enter, d->top);
	for (i = 0; !err && i < DUMP_BATCH; i++) {
		struct bc_group *group = dump_next(d);

		if (!group)
			return 0;
		err = dump_group(skb, cb, group);
		if (!err || d->next)
			dump_set_pos(d, group);
	}
	return err ?: 1;
}

int beancounters_nl_group_get_start(struct netlink_callback *cb)
{
	const struct genl_info *info = genl_info_dump(cb);
	struct dump *d = (struct dump *)cb->ctx;
	struct bc_group *group;

	NL_ASSERT_DUMP_CTX_FITS(struct dump);

	d->viewer = viewer_get(cb->skb);
	bc_lock();
	group = find_group(&d->viewer, info);
	if (!IS_ERR(group)) {
		bc_group_get(group);
		d->top = group;
		/* A message has to have room, whatever the reader's is. */
		cb->min_dump_alloc = group_size(group);
	}
	bc_unlock();
	if (IS_ERR(group)) {
		viewer_put(&d->viewer);
		return PTR_ERR(group);
	}
	return 0;
}

int beancounters_nl_group_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	int ret;

	do {
		bc_lock();
		ret = dump_batch(skb, cb);
		bc_unlock();
		cond_resched();
	} while (ret > 0);
	return ret;
}

int beancounters_nl_group_get_done(struct netlink_callback *cb)
{
	struct dump *d = (struct dump *)cb->ctx;

	if (d->pos)
		bc_group_put(d->pos);
	bc_group_put(d->top);
	viewer_put(&d->viewer);
	return 0;
}

/*
 * The family
 */

static const struct genl_multicast_group mcgrps[] = {
	[BEANCOUNTERS_NLGRP_EVENTS] = {
		.name	= BC_GENL_MCGRP_EVENTS,
		.flags	= GENL_MCAST_CAP_SYS_ADMIN,
	},
};

static struct genl_family family __ro_after_init = {
	.name			= BC_GENL_NAME,
	.version		= BC_GENL_VERSION,
	.parallel_ops		= true,
	.split_ops		= beancounters_nl_ops,
	.n_split_ops		= ARRAY_SIZE(beancounters_nl_ops),
	.mcgrps			= mcgrps,
	.n_mcgrps		= ARRAY_SIZE(mcgrps),
	.sock_priv_size		= sizeof(struct listener),
	.sock_priv_init		= listener_init,
	.sock_priv_destroy	= listener_destroy,
	.module			= THIS_MODULE,
};

static int __init bc_netlink_init(void)
{
	int err = genl_register_family(&family);

	family_registered = !err;
	return err;
}
device_initcall(bc_netlink_init);
