/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how sockets, and what is in their buffers, are charged. For <net/sock.h>
 * and what includes it; kernel/bc/sockbuf.c has the rules.
 *
 * A socket has a struct bc_sock, or NULL if nobody pays for it, which sk_bc() finds: until
 * the first group is made, a patched-out branch. That is right for uncharges as well, as
 * with slab objects: the socket keeps its groups, and these the static key.
 */
#ifndef _LINUX_BC_SOCKBUF_H
#define _LINUX_BC_SOCKBUF_H

#include <linux/atomic.h>
#include <linux/bc/charge.h>
#include <linux/gfp_types.h>
#include <linux/list.h>
#include <linux/types.h>

struct bc_sockbuf;
struct sk_buff;
struct sock;

/**
 * enum bc_sock_kind - how the kernel accounts what a socket has in its buffers
 * @BC_SOCK_TCP: both directions by sk_forward_alloc, MPTCP included
 * @BC_SOCK_UDP: what is received by sk_forward_alloc, what is sent by sk_wmem_alloc
 * @BC_SOCK_PLAIN: by sk_rmem_alloc and sk_wmem_alloc
 * @BC_SOCK_OTHER: by sk_forward_alloc, but not as above; only what is sent by
 *	sk_wmem_alloc is charged
 */
enum bc_sock_kind {
	BC_SOCK_TCP,
	BC_SOCK_UDP,
	BC_SOCK_PLAIN,
	BC_SOCK_OTHER,
};

/**
 * struct bc_sock - who pays for a socket and its buffers
 * @socket: who pays for the socket, in numtcpsock or numothersock
 * @buf: the controllers' states, by SK_MEM_SEND and SK_MEM_RECV; NULL: nobody pays.
 *	Never changes, and each has a reference.
 * @charged: so many bytes, in the same order; also if nobody pays
 * @sk: the socket
 * @waiting: in the list of those that wait for room in a group, or that are to be woken
 * @kind: of accounting
 * @blocked: waits for room, and may not be written to until it has been woken
 * @refused: the last charge of something to be sent was refused
 * @waited: has been in a list
 *
 * @waiting and @waited are protected by the lock of the waiting, as are writes to @blocked.
 */
struct bc_sock {
	struct bc_charge	socket;
	struct bc_sockbuf	*buf[2];
	atomic_long_t		charged[2];
	struct sock		*sk;
	struct list_head	waiting;
	enum bc_sock_kind	kind;
	bool			blocked;
	bool			refused;
	bool			waited;
};

#ifdef CONFIG_BEANCOUNTERS

struct bc_sock *bc_sock_alloc(enum bc_sock_kind kind, gfp_t flags);
struct bc_sock *bc_sock_clone(const struct bc_sock *bc, gfp_t flags);
void __bc_sock_free(struct bc_sock *bc);

bool __bc_sock_mem_charge(struct bc_sock *bc, int dir, unsigned long n);
void __bc_sock_mem_cancel(struct bc_sock *bc, int dir, unsigned long n);
void __bc_sock_mem_force(struct bc_sock *bc, int dir, unsigned long n);
void __bc_sock_mem_uncharge(struct bc_sock *bc, unsigned long n);
void __bc_sock_limit_window(struct bc_sock *bc, int mss, int *free_space,
			    int *allowed_space);

bool __bc_sock_charge_recv(struct bc_sock *bc, unsigned long n);
void __bc_sock_force_recv(struct bc_sock *bc, unsigned long n);
void __bc_sock_uncharge_recv(struct bc_sock *bc, unsigned long n);

int __bc_sock_charge_send(struct bc_sock *bc, struct sk_buff *skb, bool noblock);
void __bc_sock_force_send(struct bc_sock *bc, unsigned long n);
void __bc_sock_uncharge_send(struct bc_sock *bc, unsigned long n);

void __bc_sock_unblock(struct bc_sock *bc);

/**
 * bc_sock_free - nobody pays for a socket any more
 * @bc: of the socket, or NULL; its buffers are empty
 *
 * Context: Any but NMI and hard interrupts.
 */
static inline void bc_sock_free(struct bc_sock *bc)
{
	if (bc)
		__bc_sock_free(bc);
}

#else /* !CONFIG_BEANCOUNTERS */

static inline struct bc_sock *bc_sock_clone(const struct bc_sock *bc, gfp_t flags)
{
	return NULL;
}

static inline void bc_sock_free(struct bc_sock *bc) { }

static inline bool __bc_sock_mem_charge(struct bc_sock *bc, int dir, unsigned long n)
{
	return true;
}

static inline void __bc_sock_mem_cancel(struct bc_sock *bc, int dir, unsigned long n) { }

static inline void __bc_sock_mem_force(struct bc_sock *bc, int dir, unsigned long n) { }

static inline void __bc_sock_mem_uncharge(struct bc_sock *bc, unsigned long n) { }

static inline void __bc_sock_limit_window(struct bc_sock *bc, int mss, int *free_space,
					  int *allowed_space) { }

static inline bool __bc_sock_charge_recv(struct bc_sock *bc, unsigned long n)
{
	return true;
}

static inline void __bc_sock_force_recv(struct bc_sock *bc, unsigned long n) { }

static inline void __bc_sock_uncharge_recv(struct bc_sock *bc, unsigned long n) { }

static inline int __bc_sock_charge_send(struct bc_sock *bc, struct sk_buff *skb,
					bool noblock)
{
	return 0;
}

static inline void __bc_sock_force_send(struct bc_sock *bc, unsigned long n) { }

static inline void __bc_sock_uncharge_send(struct bc_sock *bc, unsigned long n) { }

static inline void __bc_sock_unblock(struct bc_sock *bc) { }

#endif /* CONFIG_BEANCOUNTERS */

/*
 * Without beancounters, sk_bc() is NULL, which the compiler knows, so that nothing is
 * left of what follows. All take that NULL, and mean that nobody pays, then.
 */

/**
 * bc_sock_mem_charge - charge what is added to sk_forward_alloc
 * @bc: of the socket
 * @dir: SK_MEM_SEND or SK_MEM_RECV
 * @n: bytes
 *
 * Context: as __sk_mem_schedule(): what keeps sk_forward_alloc is held.
 * Return: false if there is no room, which was counted and told. Who sends is blocked then.
 */
static inline bool bc_sock_mem_charge(struct bc_sock *bc, int dir, unsigned long n)
{
	return !bc || __bc_sock_mem_charge(bc, dir, n);
}

/**
 * bc_sock_mem_cancel - undo bc_sock_mem_charge()
 * @bc: of the socket
 * @dir: SK_MEM_SEND or SK_MEM_RECV
 * @n: bytes
 *
 * Context: the same.
 */
static inline void bc_sock_mem_cancel(struct bc_sock *bc, int dir, unsigned long n)
{
	if (bc)
		__bc_sock_mem_cancel(bc, dir, n);
}

/**
 * bc_sock_mem_force - charge what is added to sk_forward_alloc, room or not
 * @bc: of the socket
 * @dir: SK_MEM_SEND or SK_MEM_RECV
 * @n: bytes
 *
 * Context: as bc_sock_mem_charge().
 */
static inline void bc_sock_mem_force(struct bc_sock *bc, int dir, unsigned long n)
{
	if (bc)
		__bc_sock_mem_force(bc, dir, n);
}

/**
 * bc_sock_mem_uncharge - uncharge what has left sk_forward_alloc
 * @bc: of the socket
 * @n: bytes
 *
 * Context: as bc_sock_mem_charge().
 */
static inline void bc_sock_mem_uncharge(struct bc_sock *bc, unsigned long n)
{
	if (bc)
		__bc_sock_mem_uncharge(bc, n);
}

/**
 * bc_sock_limit_window - let the window of a TCP connection shrink with the room in its group
 * @bc: of the socket
 * @mss: what a segment from the other end has
 * @free_space: room in the socket's own receive buffer, as a window, which may be lowered
 * @allowed_space: the same if it were empty
 *
 * Context: the lock of the socket.
 */
static inline void bc_sock_limit_window(struct bc_sock *bc, int mss, int *free_space,
					int *allowed_space)
{
	if (bc)
		__bc_sock_limit_window(bc, mss, free_space, allowed_space);
}

/**
 * bc_sock_charge_recv - charge what is about to be put into a receive queue
 * @bc: of the socket; not charged if that has sk_forward_alloc
 * @n: bytes
 *
 * sock_rfree() uncharges it.
 *
 * Context: Any but NMI.
 * Return: false if there is no room, which was counted and told.
 */
static inline bool bc_sock_charge_recv(struct bc_sock *bc, unsigned long n)
{
	return !bc || bc->kind != BC_SOCK_PLAIN || __bc_sock_charge_recv(bc, n);
}

/**
 * bc_sock_force_recv - the same, room or not
 * @bc: of the socket
 * @n: bytes
 *
 * Context: Any but NMI.
 */
static inline void bc_sock_force_recv(struct bc_sock *bc, unsigned long n)
{
	if (bc && bc->kind == BC_SOCK_PLAIN)
		__bc_sock_force_recv(bc, n);
}

/**
 * bc_sock_uncharge_recv - uncharge what has left a receive queue
 * @bc: of the socket
 * @n: bytes
 *
 * Context: Any but NMI.
 */
static inline void bc_sock_uncharge_recv(struct bc_sock *bc, unsigned long n)
{
	if (bc && bc->kind == BC_SOCK_PLAIN)
		__bc_sock_uncharge_recv(bc, n);
}

/**
 * bc_sock_charge_send - charge what is going to be sent
 * @bc: of the socket
 * @skb: what, which the socket owns (skb_set_owner_w()); freed on errors
 * @noblock: say -EAGAIN if it is worth waiting
 *
 * sock_wfree() uncharges it.
 *
 * Context: Any but NMI and hard interrupts. Somebody holds the socket.
 * Return: 0, -ENOBUFS or -EAGAIN; a refusal was counted and told.
 */
static inline int bc_sock_charge_send(struct bc_sock *bc, struct sk_buff *skb, bool noblock)
{
	return bc ? __bc_sock_charge_send(bc, skb, noblock) : 0;
}

/**
 * bc_sock_force_send - charge what was added to sk_wmem_alloc, room or not
 * @bc: of the socket
 * @n: bytes
 *
 * Context: Any but NMI.
 */
static inline void bc_sock_force_send(struct bc_sock *bc, unsigned long n)
{
	if (bc && n && bc->kind != BC_SOCK_TCP)
		__bc_sock_force_send(bc, n);
}

/**
 * bc_sock_uncharge_send - uncharge what is about to be subtracted from sk_wmem_alloc
 * @bc: of the socket
 * @n: bytes
 *
 * Context: Any but NMI.
 */
static inline void bc_sock_uncharge_send(struct bc_sock *bc, unsigned long n)
{
	if (bc && bc->kind != BC_SOCK_TCP)
		__bc_sock_uncharge_send(bc, n);
}

/**
 * bc_sock_blocked - does a socket wait for room in its group?
 * @bc: of the socket
 *
 * Then it cannot be written to. sk_write_space() is called when that has changed.
 *
 * Context: Any.
 */
static inline bool bc_sock_blocked(const struct bc_sock *bc)
{
	return bc && READ_ONCE(bc->blocked);
}

/**
 * bc_sock_unblock - do not wait for room any more
 * @bc: of the socket
 *
 * For a TCP socket that has nothing to send any more: the next it may always have.
 *
 * Context: Any but NMI.
 */
static inline void bc_sock_unblock(struct bc_sock *bc)
{
	if (bc_sock_blocked(bc))
		__bc_sock_unblock(bc);
}

/**
 * bc_sock_was_refused - was there no room when something was to be sent?
 * @bc: of the socket
 *
 * If so, and if the socket is not blocked, it is time to try again.
 *
 * Context: the lock of the socket.
 * Return: true once for each refusal, at most.
 */
static inline bool bc_sock_was_refused(struct bc_sock *bc)
{
	bool refused = bc && bc->refused;

	if (refused)
		bc->refused = false;
	return refused;
}

#endif /* _LINUX_BC_SOCKBUF_H */
