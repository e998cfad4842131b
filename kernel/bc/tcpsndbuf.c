// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: tcpsndbuf, what the TCP sockets of a group have to send, in bytes.
 *
 * What an administrator should know:
 *
 * - What counts is the memory of what was written to a TCP socket and is not acknowledged
 *   yet (truesize, rounded up to pages for each socket), whether it was sent or not. The
 *   group that pays for the socket (numtcpsock) pays for it.
 * - Above the barrier, a socket that has something to send gets no more: send(2) waits
 *   until there is room, fails with EAGAIN if it does not block, or returns what it could
 *   take; poll(2) says that the socket cannot be written to.
 * - A socket that has nothing to send may always queue something, some kilobytes, so that
 *   each connection goes on, and is closed properly. That may take a group above its limit,
 *   by no more than that for each of its sockets.
 *
 * Memory cgroups charge the same memory, in both directions, to memory.current.
 */
#include "sockbuf.h"

const struct bc_controller bc_tcpsndbuf_controller = {
	.name		= "tcpsndbuf",
	.unit		= BC_UNIT_BYTES,
	.batch		= BC_SOCKBUF_BATCH,
	.css_alloc	= bc_sockbuf_alloc,
	.css_offline	= bc_sockbuf_offline,
	.css_free	= bc_sockbuf_free,
	.limit_set	= bc_sockbuf_limit_set,
};
