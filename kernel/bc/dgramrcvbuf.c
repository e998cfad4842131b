// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: dgramrcvbuf, datagrams that wait to be read, in bytes.
 *
 * What an administrator should know:
 *
 * - What counts is the memory of what is in the receive queues of UDP, raw, ping, packet and
 *   netlink sockets, and others that are not TCP (truesize; with UDP, rounded up to pages
 *   for each socket). The group that pays for the socket (numothersock) pays for it,
 *   whoever has sent it.
 * - Above the limit, a datagram is dropped, as with a socket whose SO_RCVBUF is full. The
 *   barrier is not looked at. A netlink socket tells its owner (ENOBUFS), as always.
 * - UNIX sockets are not in it: there, the sender pays (othersockbuf).
 *
 * Memory cgroups charge what UDP has, to memory.current.
 */
#include "sockbuf.h"

const struct bc_controller bc_dgramrcvbuf_controller = {
	.name		= "dgramrcvbuf",
	.unit		= BC_UNIT_BYTES,
	.batch		= BC_SOCKBUF_BATCH,
	.css_alloc	= bc_sockbuf_alloc,
	.css_offline	= bc_sockbuf_offline,
	.css_free	= bc_sockbuf_free,
};
