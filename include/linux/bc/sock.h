/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how sockets are charged.
 */
#ifndef _LINUX_BC_SOCK_H
#define _LINUX_BC_SOCK_H

#include <linux/bc/charge.h>
#include <linux/bc/sockbuf.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/udp.h>

#ifdef CONFIG_BEANCOUNTERS
static inline enum bc_sock_kind bc_sock_kind(const struct proto *prot)
{
#ifdef CONFIG_INET
	if (prot->memory_allocated == &tcp_memory_allocated)
		return BC_SOCK_TCP;
	if (prot->memory_allocated == &udp_memory_allocated)
		return BC_SOCK_UDP;
#endif
	return prot->memory_allocated ? BC_SOCK_OTHER : BC_SOCK_PLAIN;
}
#endif

/**
 * bc_sock_new - charge a new socket to the group of the current task, which will pay for
 * its buffers, too
 * @prot: its protocol
 * @kern: it is for the kernel itself, and not charged
 * @flags: for an allocation
 *
 * Some protocols make sockets for connections that come in, in softirq context: these are
 * charged to nobody.
 *
 * Context: Any but NMI and hard interrupts. May sleep if @flags say so.
 * Return: what bc_sock_set() is to be given, NULL if nobody pays, or ERR_PTR(-ENOMEM),
 * also if there is no room.
 */
static inline struct bc_sock *bc_sock_new(const struct proto *prot, int kern, gfp_t flags)
{
#ifdef CONFIG_BEANCOUNTERS
	/* Before the protocol is looked at. */
	if (bc_may_charge(current) && !kern)
		return bc_sock_alloc(bc_sock_kind(prot), flags);
#endif
	return NULL;
}

/**
 * bc_sock_set - say who pays for a socket, in whose buffers nothing is yet
 * @sk: the socket
 * @bc: from bc_sock_new() or bc_sock_clone()
 */
static inline void bc_sock_set(struct sock *sk, struct bc_sock *bc)
{
#ifdef CONFIG_BEANCOUNTERS
	sk->sk_bc = bc;
	if (bc)
		bc->sk = sk;
#endif
}

#endif /* _LINUX_BC_SOCK_H */
