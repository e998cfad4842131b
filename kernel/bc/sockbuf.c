// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: sockets, and what the controllers of their buffers have in common: tcpsndbuf,
 * tcprcvbuf, dgramrcvbuf and othersockbuf.
 *
 * Who pays
 *
 * A socket of a group has a struct bc_sock, made with it, which has what was charged for
 * the socket itself (numtcpsock, numothersock), and names the states of the two controllers
 * that its buffers are charged to: those of the group that pays for the socket, in the
 * hierarchies of these controllers.
 * A socket may have nothing in its buffers and get something when its group has long been
 * removed, so it is the socket that keeps the group, by a percpu_ref, and not the charge:
 * counters of buffers are not killed (counter.c). All that was charged for a socket has
 * been uncharged when it is freed, at the latest by its being freed.
 *
 * How much
 *
 * The kernel accounts buffers by truesize, in two ways. TCP, and UDP where it receives,
 * keep sk_forward_alloc, in pages, from what all sockets of the protocol have together:
 * we charge what is added to the latter and uncharge what is subtracted. There is one
 * sk_forward_alloc for both directions of a TCP socket, so how much was charged for which
 * one is remembered, and what is given back is taken from what was to be sent as long as
 * that is more than is still queued to be. All others have sk_rmem_alloc and sk_wmem_alloc:
 * we charge what is put into a queue, and uncharge in the destructor of the skb. A skb may
 * have changed in between, or not be one that was charged. So how much was charged for a
 * socket is remembered here, too; no more than that is uncharged; and when nothing is left,
 * all of it.
 *
 * Waiting for room
 *
 * What cannot be sent because of a group's limit has to be sent later, and nobody is to
 * poll for that. A socket that is refused is put into the list of the counter that has no
 * room, its own or one above it, and is blocked: it cannot be written to, poll(2) included.
 * Then the charge is tried once more. Who uncharges looks at the lists afterwards, of the
 * counter and of those above it. So either the charge sees what was uncharged, or the
 * socket is woken. Of TCP, in the order in which they came, as many sockets are woken as
 * pages were uncharged; the rest of them when what these send has been uncharged. Of
 * others, all are: nobody knows whether who is woken still wants to send, and if not,
 * nothing more would be uncharged. A limit that is written wakes all. Who is woken and
 * finds no room is put at the end of the list.
 *
 * A TCP socket that has nothing to send is always given room, by force, and is not blocked,
 * so that each connection goes on, however many there are, and none depends on others to
 * move, nor to take their turn.
 *
 * waiting_lock protects the lists, and what is in a bc_sock for them. It is innermost.
 * Sockets are woken by a work item, as the one who uncharges may have any lock, that of
 * another socket included. A socket in a list has no reference: it leaves the list before
 * it is freed.
 */
#include <linux/atomic.h>
#include <linux/bc/core.h>
#include <linux/bc/sockbuf.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/percpu-refcount.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/mptcp.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "credit.h"
#include "sabotage.h"
#include "sockbuf.h"

static void wake_fn(struct work_struct *work);

/* How many are woken with the lock held. */
#define WAKE_BATCH	64

static struct kmem_cache *bc_sock_cache __ro_after_init;
/* Sockets in any list of waiters: read by all who send. */
static atomic_t nr_blocked __cacheline_aligned_in_smp;
static __cacheline_aligned_in_smp DEFINE_SPINLOCK(waiting_lock);
static LIST_HEAD(woken);		/* to be told so */
static DECLARE_WORK(wake_work, wake_fn);

static struct bc_sockbuf *to_sockbuf(struct bc_counter *counter)
{
	return container_of(counter, struct bc_sockbuf, res.counter);
}

/*
 * The state of a group
 */

static void sockbuf_release(struct percpu_ref *sockets)
{
	bc_group_put(container_of(sockets, struct bc_sockbuf, sockets)->res.css.group);
}

/**
 * bc_sockbuf_alloc - make the state for a group, for a controller's css_alloc()
 * @controller: the controller
 * @parent: the state one level up, NULL for the root
 *
 * Context: Process context. May sleep.
 * Return: the state, or ERR_PTR(-ENOMEM).
 */
struct bc_css *bc_sockbuf_alloc(const struct bc_controller *controller,
				struct bc_css *parent)
{
	struct bc_sockbuf *buf;
	int err;

	buf = kzalloc(sizeof(*buf), GFP_KERNEL_ACCOUNT);
	if (!buf)
		return ERR_PTR(-ENOMEM);

	INIT_LIST_HEAD(&buf->waiters);
	if (parent) {
		err = percpu_ref_init(&buf->sockets, sockbuf_release, 0,
				      GFP_KERNEL_ACCOUNT);
		if (err)
			goto free_buf;
	}
	err = bc_resource_init(&buf->res, controller, parent);
	if (err)
		goto exit_ref;
	return &buf->res.css;

exit_ref:
	percpu_ref_exit(&buf->sockets);
free_buf:
	kfree(buf);
	return ERR_PTR(err);
}

/**
 * bc_sockbuf_offline - keep a group as long as there are sockets, for a controller's
 * css_offline()
 * @css: the state
 *
 * Context: Process context. May sleep.
 */
void bc_sockbuf_offline(struct bc_css *css)
{
	bc_group_get(css->group);
	percpu_ref_kill(&container_of(css, struct bc_sockbuf, res.css)->sockets);
}

/**
 * bc_sockbuf_free - free the state of a group, for a controller's css_free()
 * @css: the state
 *
 * Context: Process context. May sleep.
 */
void bc_sockbuf_free(struct bc_css *css)
{
	struct bc_sockbuf *buf = container_of(css, struct bc_sockbuf, res.css);

	WARN_ON_ONCE(!list_empty(&buf->waiters));
	percpu_ref_exit(&buf->sockets);
	bc_counter_destroy(&buf->res.counter);
	kfree(buf);
}

/*
 * Sockets
 */

/* The state that pays for a new socket of the current task, with a reference, or NULL. */
static struct bc_sockbuf *current_sockbuf(enum bc_controller_id id)
{
	struct bc_css *css = bc_task_css_charged(current, id);
	struct bc_sockbuf *buf;

	if (!css)
		return NULL;
	buf = container_of(css, struct bc_sockbuf, res.css);
	percpu_ref_get(&buf->sockets);
	return buf;
}

/* Takes over the charge. That comes first: a socket that is refused is to cost little. */
static struct bc_sock *new_sock(enum bc_sock_kind kind, struct bc_charge *socket, gfp_t flags)
{
	struct bc_sock *bc = kmem_cache_zalloc(bc_sock_cache, flags);

	if (!bc) {
		bc_uncharge(socket);
		return ERR_PTR(-ENOMEM);
	}
	bc_charge_move(&bc->socket, socket);
	bc->kind = kind;
	INIT_LIST_HEAD(&bc->waiting);
	return bc;
}

static void put_sockbufs(const struct bc_sock *bc)
{
	int dir;

	for (dir = 0; dir < ARRAY_SIZE(bc->buf); dir++) {
		if (bc->buf[dir])
			percpu_ref_put(&bc->buf[dir]->sockets);
	}
}

static bool charge_socket(struct bc_charge *socket, enum bc_sock_kind kind)
{
#ifdef CONFIG_INET
	if (kind == BC_SOCK_TCP)
		return bc_try_charge(socket, BC_ID_numtcpsock, BC_LIMIT);
#endif
	return bc_try_charge(socket, BC_ID_numothersock, BC_LIMIT);
}

/**
 * bc_sock_alloc - make the current task's group pay for a new socket
 * @kind: of the socket
 * @flags: for the allocation
 *
 * Context: Process context; an interrupt's sockets are nobody's. May sleep if @flags say
 * so.
 * Return: what the socket is to keep, NULL if nobody pays, or ERR_PTR(-ENOMEM), also if
 * there is no room for a socket.
 */
struct bc_sock *bc_sock_alloc(enum bc_sock_kind kind, gfp_t flags)
{
	struct bc_charge socket = {};
	struct bc_sock *bc;

	if (!in_task())
		return NULL;
	if (!charge_socket(&socket, kind))
		return ERR_PTR(-ENOMEM);
	bc = new_sock(kind, &socket, flags);
	if (IS_ERR(bc))
		return bc;

	/* States that are found here are not offline: that is a grace period away. */
	scoped_guard(rcu) {
#ifdef CONFIG_INET
		if (kind == BC_SOCK_TCP) {
			bc->buf[SK_MEM_SEND] = current_sockbuf(BC_ID_tcpsndbuf);
			bc->buf[SK_MEM_RECV] = current_sockbuf(BC_ID_tcprcvbuf);
		}
#endif
		if (kind != BC_SOCK_TCP) {
			bc->buf[SK_MEM_SEND] = current_sockbuf(BC_ID_othersockbuf);
			bc->buf[SK_MEM_RECV] = current_sockbuf(BC_ID_dgramrcvbuf);
		}
	}
	if (bc_charged(&bc->socket) || bc->buf[SK_MEM_SEND] || bc->buf[SK_MEM_RECV])
		return bc;
	kmem_cache_free(bc_sock_cache, bc);
	return NULL;
}

/**
 * bc_sock_clone - make who pays for one socket pay for another one
 * @bc: of the one, or NULL
 * @flags: for the allocation
 *
 * Context: Any but NMI and hard interrupts.
 * Return: as bc_sock_alloc().
 */
struct bc_sock *bc_sock_clone(const struct bc_sock *bc, gfp_t flags)
{
	struct bc_charge socket = {};
	struct bc_sock *new;
	int dir;

	if (!bc)
		return NULL;
	if (!bc_try_charge_as(&socket, &bc->socket, BC_LIMIT))
		return ERR_PTR(-ENOMEM);
	new = new_sock(bc->kind, &socket, flags);
	if (IS_ERR(new))
		return new;
	for (dir = 0; dir < ARRAY_SIZE(bc->buf); dir++) {
		new->buf[dir] = bc->buf[dir];
		if (new->buf[dir])
			percpu_ref_get(&new->buf[dir]->sockets);
	}
	return new;
}

/*
 * Waiting
 */

/* Take a socket off the list of those who wait, to where it belongs then. */
static void leave_waiters(struct bc_sock *bc, struct list_head *to)
{
	lockdep_assert_held(&waiting_lock);
	if (bc->blocked) {
		WRITE_ONCE(bc->blocked, false);
		atomic_dec(&nr_blocked);
	}
	if (to)
		list_move_tail(&bc->waiting, to);
	else
		list_del_init(&bc->waiting);
}

void __bc_sock_unblock(struct bc_sock *bc)
{
	scoped_guard(spinlock_irqsave, &waiting_lock) {
		/* Who has been taken off to be woken is woken. */
		if (bc->blocked)
			leave_waiters(bc, NULL);
	}
}

/* It can be sent again, and others than who has found that out may wait for it. */
static void unblock_and_tell(struct bc_sock *bc)
{
	bool blocked;

	scoped_guard(spinlock_irqsave, &waiting_lock) {
		blocked = bc->blocked;
		if (blocked)
			leave_waiters(bc, &woken);
	}
	if (blocked)
		queue_work(system_unbound_wq, &wake_work);
}

static void block(struct bc_sock *bc, struct bc_counter *refuser)
{
	scoped_guard(spinlock_irqsave, &waiting_lock) {
		if (!bc->blocked) {
			WRITE_ONCE(bc->blocked, true);
			atomic_inc(&nr_blocked);
		}
		bc->waited = true;
		list_move_tail(&bc->waiting, &to_sockbuf(refuser)->waiters);
	}
	/* Then the charge is tried again. Pairs with the uncharge before wake_waiters(). */
	smp_mb();
}

/* Who could be told something, when its socket is in use by somebody. */
static void wake_sleepers(struct sock *sk)
{
	struct socket_wq *wq;

	guard(rcu)();
	wq = rcu_dereference(sk->sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	sk_wake_async_rcu(sk, SOCK_WAKE_SPACE, POLL_OUT);
}

/*
 * TCP, and who sits on top of it, has its callback called with the lock of the socket. As in
 * tcp_check_space(), not when it has been closed: it may be on its way out, and what MPTCP's
 * callback needs may have been freed.
 */
static void wake_tcp(struct sock *sk)
{
	local_bh_disable();
	bh_lock_sock(sk);
	if (sock_owned_by_user(sk))
		wake_sleepers(sk);
	else if (sk->sk_socket)
		sk->sk_write_space(sk);
	bh_unlock_sock(sk);
	local_bh_enable();
}

/* The next socket to be woken, with a reference. */
static struct sock *next_woken(bool *tcp)
{
	struct sock *sk = NULL;
	struct bc_sock *bc;

	scoped_guard(spinlock_irqsave, &waiting_lock) {
		while (!sk && !list_empty(&woken)) {
			bc = list_first_entry(&woken, struct bc_sock, waiting);
			list_del_init(&bc->waiting);
			*tcp = bc->kind == BC_SOCK_TCP;
			if (refcount_inc_not_zero(&bc->sk->sk_refcnt))
				sk = bc->sk;
		}
	}
	return sk;
}

static void wake_fn(struct work_struct *work)
{
	void (*write_space)(struct sock *sk);
	struct sock *sk;
	bool tcp;

	for (sk = next_woken(&tcp); sk; sk = next_woken(&tcp)) {
		write_space = READ_ONCE(sk->sk_write_space);
		if (tcp)
			wake_tcp(sk);
		else
			write_space(sk);
		sock_put(sk);
		cond_resched();
	}
}

/* Wake some of a list, not too many at once. Return: how many. */
static unsigned long wake_batch(struct list_head *waiters, unsigned long budget)
{
	unsigned long n = 0;

	scoped_guard(spinlock_irqsave, &waiting_lock) {
		for (; n < min(budget, WAKE_BATCH) && !list_empty(waiters); n++)
			leave_waiters(list_first_entry(waiters, struct bc_sock, waiting), &woken);
	}
	return n;
}

/*
 * Wake some who wait for room in one counter, or all: those who do so now, that is, as who
 * is woken may be back in the list before we are through.
 */
static void wake_list(struct list_head *waiters, unsigned long budget)
{
	LIST_HEAD(all);
	unsigned long n;
	bool any = false;

	if (budget == ULONG_MAX) {
		scoped_guard(spinlock_irqsave, &waiting_lock)
			list_splice_init(waiters, &all);
		waiters = &all;
	}
	do {
		n = wake_batch(waiters, budget);
		budget -= n;
		any |= n;
	} while (n == WAKE_BATCH);
	if (any)
		queue_work(system_unbound_wq, &wake_work);
}

/*
 * Without the lock, which is the same for all groups. Who is not in a list yet charges again
 * after it is: see block().
 */
static bool anybody_waits(struct bc_counter *counter, const struct bc_counter *stop)
{
	for (; counter != stop; counter = counter->parent) {
		if (!list_empty(&to_sockbuf(counter)->waiters))
			return true;
	}
	return false;
}

/* Wake some of those who wait for room in @counter or above, below @stop. */
static noinline void wake_path(struct bc_counter *counter, struct bc_counter *stop,
			       unsigned long budget)
{
	if (!anybody_waits(counter, stop))
		return;
	for (; counter != stop; counter = counter->parent)
		wake_list(&to_sockbuf(counter)->waiters, budget);
}

/*
 * @n bytes have been uncharged, by an atomic operation that is a full barrier, which pairs
 * with that of block(). That they may be with a CPU as credit makes no difference: a charge
 * that is about to be refused finds them there.
 */
static void wake_waiters(const struct bc_sock *bc, struct bc_sockbuf *buf, unsigned long n)
{
	unsigned long budget = ULONG_MAX;

	if (likely(!atomic_read(&nr_blocked)) || bc_sabotaged(BC_SABOTAGE_ASLEEP))
		return;
	if (bc->kind == BC_SOCK_TCP || bc_sabotaged(BC_SABOTAGE_TURNS))
		budget = max(n >> PAGE_SHIFT, 1UL);
	wake_path(&buf->res.counter, NULL, budget);
}

/*
 * A charge that a group above has refused was there for a moment in those below, and may have
 * been why somebody else waits there. What is undone is a full barrier, too.
 */
static void wake_below(struct bc_sockbuf *buf, struct bc_counter *refuser)
{
	if (unlikely(atomic_read(&nr_blocked)))
		wake_path(&buf->res.counter, refuser, ULONG_MAX);
}

/**
 * bc_sockbuf_limit_set - there may be more room, for a controller's limit_set()
 * @css: the state
 *
 * Context: Process context.
 */
void bc_sockbuf_limit_set(struct bc_css *css)
{
	if (bc_sabotaged(BC_SABOTAGE_ASLEEP))
		return;
	wake_list(&container_of(css, struct bc_sockbuf, res.css)->waiters, ULONG_MAX);
}

/*
 * Charging
 */

/* Returns the counter that has no room, or NULL. The socket keeps the counter. */
static struct bc_counter *charge(struct bc_sock *bc, int dir, unsigned long n,
				 enum bc_severity severity)
{
	struct bc_sockbuf *buf = bc->buf[dir];
	struct bc_counter *refuser = NULL;

	if (buf)
		refuser = bc_counter_charge(&buf->res.counter, n, severity);
	if (!refuser)
		atomic_long_add(n, &bc->charged[dir]);
	else if (dir == SK_MEM_SEND)
		wake_below(buf, refuser);
	return refuser;
}

/* Uncharge no more than was charged. Returns how much that was. */
static unsigned long uncharge(struct bc_sock *bc, int dir, unsigned long n)
{
	struct bc_sockbuf *buf = bc->buf[dir];
	long old = atomic_long_read(&bc->charged[dir]);

	do {
		n = min_t(unsigned long, n, old);
		if (!n)
			return 0;
	} while (!atomic_long_try_cmpxchg(&bc->charged[dir], &old, old - (long)n));

	if (buf) {
		credit_uncharge(&buf->res.counter, n);
		if (dir == SK_MEM_SEND)
			wake_waiters(bc, buf, n);
	}
	return n;
}

static void refuse(struct bc_sock *bc, int dir, struct bc_counter *refuser,
		   unsigned long n, enum bc_severity severity)
{
	bc_resource_refuse(&bc->buf[dir]->res.css, refuser, n, severity);
}

static void charged_send(struct bc_sock *bc)
{
	/* Senders of datagrams have no lock, and it is never true for them. */
	WRITE_ONCE(bc->refused, false);
	if (likely(!READ_ONCE(bc->blocked)))
		return;
	/* Of TCP's, something is queued, and who polls is told when that has gone. */
	if (bc->kind == BC_SOCK_TCP)
		__bc_sock_unblock(bc);
	else
		unblock_and_tell(bc);
}

/*
 * @refuser has no room for something to be sent. Wait for it, unless it is there now.
 * Returns NULL if it is, and then it was charged; else who has none.
 */
static noinline struct bc_counter *charge_or_block(struct bc_sock *bc, unsigned long n,
						   enum bc_severity severity,
						   struct bc_counter *refuser)
{
	struct bc_counter *last;
	int i = 0;

	do {
		last = refuser;
		block(bc, last);
		refuser = charge(bc, SK_MEM_SEND, n, severity);
		if (!refuser) {
			charged_send(bc);
			return NULL;
		}
	} while (refuser != last && ++i < BC_MAX_DEPTH);

	/* A different one each time: it is for the caller to try again. */
	if (refuser != last)
		__bc_sock_unblock(bc);
	return refuser;
}

/*
 * Some have to have what they ask for in one piece, and would not get on without: MPTCP's
 * sockets, and those whose data goes through something else first (kTLS, sockmap). They
 * are only stopped after it.
 */
static bool is_stacked(const struct sock *sk)
{
	/* What was accepted has the other protocol from its beginning. */
	return sk->sk_protocol == IPPROTO_MPTCP || sk_is_mptcp(sk) ||
	       READ_ONCE(sk->sk_prot) != sk->sk_prot_creator;
}

static bool mem_charge_send(struct bc_sock *bc, unsigned long n)
{
	enum bc_severity severity = BC_BARRIER;
	struct bc_counter *refuser;
	bool first;

	first = !atomic_long_read(&bc->charged[SK_MEM_SEND]);
	if (first)
		severity = BC_LIMIT;
	refuser = charge(bc, SK_MEM_SEND, n, severity);
	if (likely(!refuser)) {
		charged_send(bc);
		return true;
	}
	/* There may always be something on its way. */
	if (first && !bc_sabotaged(BC_SABOTAGE_FIRST)) {
		charge(bc, SK_MEM_SEND, n, BC_FORCE);
		return true;
	}
	refuser = charge_or_block(bc, n, severity, refuser);
	if (!refuser)
		return true;
	refuse(bc, SK_MEM_SEND, refuser, n, severity);
	/* So that who has to wait next does not take it for a shortage of the system's. */
	bc->refused = true;
	if (is_stacked(bc->sk)) {
		charge(bc, SK_MEM_SEND, n, BC_FORCE);
		return true;
	}
	return false;
}

static bool charge_recv(struct bc_sock *bc, unsigned long n)
{
	struct bc_counter *refuser = charge(bc, SK_MEM_RECV, n, BC_LIMIT);

	if (likely(!refuser))
		return true;
	/* MPTCP has acknowledged it already. */
	if (bc->sk->sk_protocol == IPPROTO_MPTCP) {
		charge(bc, SK_MEM_RECV, n, BC_FORCE);
		return true;
	}
	refuse(bc, SK_MEM_RECV, refuser, n, BC_LIMIT);
	return false;
}

/* Is this direction charged with sk_forward_alloc? */
static bool has_forward_alloc(const struct bc_sock *bc, int dir)
{
	return bc->kind == BC_SOCK_TCP || (bc->kind == BC_SOCK_UDP && dir == SK_MEM_RECV);
}

bool __bc_sock_mem_charge(struct bc_sock *bc, int dir, unsigned long n)
{
	if (!has_forward_alloc(bc, dir))
		return true;
	return dir == SK_MEM_SEND ? mem_charge_send(bc, n) : charge_recv(bc, n);
}

void __bc_sock_mem_cancel(struct bc_sock *bc, int dir, unsigned long n)
{
	if (has_forward_alloc(bc, dir))
		uncharge(bc, dir, n);
}

void __bc_sock_mem_force(struct bc_sock *bc, int dir, unsigned long n)
{
	if (has_forward_alloc(bc, dir))
		charge(bc, dir, n, BC_FORCE);
}

void __bc_sock_mem_uncharge(struct bc_sock *bc, unsigned long n)
{
	long queued, spare;

	if (!has_forward_alloc(bc, SK_MEM_RECV))
		return;
	if (bc->kind == BC_SOCK_TCP) {
		queued = (long)sk_mem_pages(max(READ_ONCE(bc->sk->sk_wmem_queued), 0)) <<
			 PAGE_SHIFT;
		spare = atomic_long_read(&bc->charged[SK_MEM_SEND]) - queued;
		if (spare > 0)
			n -= uncharge(bc, SK_MEM_SEND, min_t(unsigned long, n, spare));
	}
	n -= uncharge(bc, SK_MEM_RECV, n);
	/* What is left was not charged, if it was not this. */
	if (bc->kind == BC_SOCK_TCP)
		uncharge(bc, SK_MEM_SEND, n);
}

/* How much more the groups of a socket may receive before they are at a barrier. */
static unsigned long recv_room(struct bc_sock *bc)
{
	struct bc_sockbuf *buf = bc->buf[SK_MEM_RECV];
	struct bc_counter *c = buf ? &buf->res.counter : NULL;
	unsigned long room = BC_MAX;

	for (; c; c = c->parent) {
		unsigned long barrier = bc_counter_barrier(c);
		unsigned long held;

		if (barrier == BC_MAX)
			continue;
		held = max(atomic_long_read(&c->held), 0L);
		/* It matters what of it is credit. */
		if (held + SZ_64K > barrier)
			held = bc_counter_held(c);
		room = min(room, barrier - min(barrier, held));
	}
	return room;
}

#ifdef CONFIG_INET
void __bc_sock_limit_window(struct bc_sock *bc, int mss, int *free_space,
			    int *allowed_space)
{
	struct sock *sk = bc->sk;
	struct tcp_sock *tp = tcp_sk(sk);
	unsigned long room = recv_room(bc);
	int space;

	if (likely(room > SZ_1G))
		return;
	space = tcp_win_from_space(sk, room);
	/*
	 * What comes for an empty queue is taken in any case. To ask for less than a segment
	 * would stop the connection for nothing, until the other end probes; and so would less
	 * than can be told, where the window may shrink.
	 */
	if (skb_queue_empty(&sk->sk_receive_queue)) {
		space = ALIGN(max3(space, mss, (int)tp->advmss), 1 << tp->rx_opt.rcv_wscale);
		*allowed_space = min(*allowed_space, space);
	}
	*free_space = min(*free_space, space);
}
#endif

bool __bc_sock_charge_recv(struct bc_sock *bc, unsigned long n)
{
	return charge_recv(bc, n);
}
EXPORT_SYMBOL(__bc_sock_charge_recv);

void __bc_sock_force_recv(struct bc_sock *bc, unsigned long n)
{
	charge(bc, SK_MEM_RECV, n, BC_FORCE);
}

void __bc_sock_uncharge_recv(struct bc_sock *bc, unsigned long n)
{
	uncharge(bc, SK_MEM_RECV, n);
}

/* What has not been charged must not be uncharged. */
static void free_uncharged(struct bc_sock *bc, struct sk_buff *skb)
{
	struct sock *sk = bc->sk;
	void (*write_space)(struct sock *sk) = READ_ONCE(sk->sk_write_space);

	skb->destructor = NULL;
	skb->sk = NULL;
	WARN_ON_ONCE(refcount_sub_and_test(skb->truesize, &sk->sk_wmem_alloc));
	kfree_skb(skb);
	/* Somebody may have found the buffer full with it. */
	write_space(sk);
}

int __bc_sock_charge_send(struct bc_sock *bc, struct sk_buff *skb, bool noblock)
{
	struct bc_counter *refuser;
	unsigned long n = skb->truesize;
	int err = -ENOBUFS;

	if (bc->kind == BC_SOCK_TCP)
		return 0;
	refuser = charge(bc, SK_MEM_SEND, n, BC_LIMIT);
	if (likely(!refuser)) {
		charged_send(bc);
		return 0;
	}
	/* It is of no use to wait for what will never fit. */
	if (noblock && n <= bc_counter_limit(refuser)) {
		/* For SIGIO; and tun and tap tell nobody without. */
		sk_set_bit(SOCKWQ_ASYNC_NOSPACE, bc->sk);
		if (bc->sk->sk_socket)
			set_bit(SOCKWQ_ASYNC_NOSPACE, &bc->sk->sk_socket->flags);
		refuser = charge_or_block(bc, n, BC_LIMIT, refuser);
		if (!refuser)
			return 0;
		if (n <= bc_counter_limit(refuser))
			err = -EAGAIN;
		else
			__bc_sock_unblock(bc);
	}
	refuse(bc, SK_MEM_SEND, refuser, n, BC_LIMIT);
	free_uncharged(bc, skb);
	return err;
}

void __bc_sock_force_send(struct bc_sock *bc, unsigned long n)
{
	charge(bc, SK_MEM_SEND, n, BC_FORCE);
}
EXPORT_SYMBOL(__bc_sock_force_send);

void __bc_sock_uncharge_send(struct bc_sock *bc, unsigned long n)
{
	unsigned long left;

	uncharge(bc, SK_MEM_SEND, n);
	left = atomic_long_read(&bc->charged[SK_MEM_SEND]);
	if (likely(!left))
		return;
	/*
	 * It has changed on its way, unless what is left is another one's, which has been
	 * added to what the socket has allocated before it was charged. Pairs with the
	 * full barrier of charging a counter, in between.
	 */
	smp_rmb();
	if (sk_wmem_alloc_get(bc->sk) <= (long)n)
		uncharge(bc, SK_MEM_SEND, left);
}

void __bc_sock_free(struct bc_sock *bc)
{
	int dir;

	if (bc->waited) {
		scoped_guard(spinlock_irqsave, &waiting_lock)
			leave_waiters(bc, NULL);
	}
	for (dir = 0; dir < ARRAY_SIZE(bc->buf); dir++)
		uncharge(bc, dir, ULONG_MAX);
	put_sockbufs(bc);
	bc_uncharge(&bc->socket);
	kmem_cache_free(bc_sock_cache, bc);
}

static int __init bc_sockbuf_init(void)
{
	bc_sock_cache = KMEM_CACHE(bc_sock, SLAB_ACCOUNT | SLAB_PANIC);
	return 0;
}
core_initcall(bc_sockbuf_init);
