/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Beancounters: how sockets are charged.
 */
#ifndef _LINUX_BC_SOCK_H
#define _LINUX_BC_SOCK_H

#include <linux/bc/charge.h>
#include <net/sock.h>
#include <net/tcp.h>

/**
 * bc_try_charge_sock - charge a new socket to the group of the current task
 * @charge: for the socket
 * @prot: its protocol
 * @kern: it is for the kernel itself, and not charged
 *
 * Some protocols make sockets for connections that come in, in softirq context:
 * these are charged to nobody.
 *
 * Context: Any but NMI. Takes no lock, does not sleep.
 * Return: true if charged, if @kern, or if the task is in the root group.
 */
static inline bool bc_try_charge_sock(struct bc_charge *charge,
				      const struct proto *prot, int kern)
{
	/* Before the protocol is looked at. */
	if (!bc_may_charge(current) || kern)
		return true;
#ifdef CONFIG_INET
	if (prot->memory_allocated == &tcp_memory_allocated)
		return bc_try_charge(charge, BC_ID_numtcpsock, BC_LIMIT);
#endif
	return bc_try_charge(charge, BC_ID_numothersock, BC_LIMIT);
}

#endif /* _LINUX_BC_SOCK_H */
