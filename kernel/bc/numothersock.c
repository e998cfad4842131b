// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: numothersock, the number of sockets in a group that are not TCP.
 *
 * What an administrator should know:
 *
 * - Sockets of all families count, UNIX, UDP, netlink and packet sockets above all. A
 *   socket is charged to the group of the task that calls socket(2); socketpair(2)
 *   makes two. The socket that accept(2) returns for a UNIX socket was made, and is
 *   paid for, by the task that called connect(2).
 * - It stays so until it is freed, which is after the last close(2), after the last
 *   packet that it has sent was taken off a queue, and, with UNIX sockets, after
 *   the other end was closed, too.
 * - Above the limit, socket(2) fails with what the protocol makes of being out of
 *   memory: ENOMEM (UNIX, also connect(2); netlink; IPv4) or ENOBUFS (IPv6, packet).
 *   The barrier is not looked at.
 * - Sockets that the kernel makes for itself do not count, nor do those that it makes in
 *   a worker for connections that come in, with Bluetooth, vsock and SMC.
 *
 * cgroups have no such thing; they count the memory of sockets.
 */
#include <linux/bc/core.h>

const struct bc_controller bc_numothersock_controller = {
	.name		= "numothersock",
	.batch		= 8,
	.css_alloc	= bc_resource_alloc,
	.css_offline	= bc_resource_offline,
	.css_free	= bc_resource_free,
};
