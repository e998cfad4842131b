// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: tcprcvbuf, what the TCP sockets of a group have received, in bytes.
 *
 * What an administrator should know:
 *
 * - What counts is the memory of what has come in and was not read yet (truesize, rounded
 *   up to pages for each socket), also what came out of order. The group that pays for the
 *   socket (numtcpsock) pays for it, also before accept(2).
 * - The windows of the group's sockets shrink with what is left below the barrier. What
 *   comes nevertheless is dropped above the limit, and the other end sends it again.
 * - A socket that has nothing to be read takes what comes next in any case, so that each
 *   connection goes on. That may take a group above its limit, by no more than one packet
 *   for each of its sockets, which is up to 64 KB of data where packets are put together.
 *
 * Memory cgroups charge the same memory, in both directions, to memory.current.
 */
#include "sockbuf.h"

const struct bc_controller bc_tcprcvbuf_controller = {
	.name		= "tcprcvbuf",
	.unit		= BC_UNIT_BYTES,
	.batch		= BC_SOCKBUF_BATCH,
	.css_alloc	= bc_sockbuf_alloc,
	.css_offline	= bc_sockbuf_offline,
	.css_free	= bc_sockbuf_free,
};
