// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numtcpsock, the number of TCP sockets in a group.
 *
 * What an administrator should know:
 *
 * - A TCP socket, of IPv4 or IPv6, is charged to the group of the task that calls
 *   socket(2). One that a connection to a listener makes is charged to the group that
 *   pays for the listener, when the handshake completes, before accept(2).
 * - It stays so until it is freed. One that has been closed counts as long as it has
 *   data to send or waits for the other end (FIN_WAIT_1, LAST_ACK, CLOSING and the
 *   first part of FIN_WAIT_2). What is left of it in TIME_WAIT is not a full socket,
 *   and does not count. Neither do half-open connections (SYN_RECV).
 * - Above the limit, socket(2) fails with ENOMEM (IPv4) or ENOBUFS (IPv6). An
 *   incoming connection is not established: the listener drops the last packet of the
 *   handshake, the other end sends it again, and when there is room in time, the
 *   connection comes to be. (With net.ipv4.tcp_abort_on_overflow, it is reset.) The
 *   barrier is not looked at.
 * - MPTCP counts the socket and each of its subflows.
 *
 * cgroups have no such thing; they count the memory of sockets.
 */
#include <linux/bc/core.h>
#include <linux/percpu_counter.h>
#include <net/tcp.h>

static unsigned long numtcpsock_root_held(void)
{
	/* As /proc/net/sockstat has it (TCP: alloc). */
	return percpu_counter_sum_positive(&tcp_sockets_allocated);
}

const struct bc_controller bc_numtcpsock_controller = {
	.name		= "numtcpsock",
	.batch		= 8,
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
	.root_held	= numtcpsock_root_held,
};
