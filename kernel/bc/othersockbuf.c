// SPDX-License-Identifier: GPL-2.0
/*
 * Beancounters: othersockbuf, what sockets that are not TCP have sent, in bytes.
 *
 * What an administrator should know:
 *
 * - What counts is the memory of what was sent over UNIX sockets and not read yet, and of
 *   what UDP, raw, packet and other sockets have sent, until the network device is done
 *   with it (truesize). The group that pays for the sender's socket (numothersock) pays.
 *   So a UNIX socket that was closed counts as long as somebody could read what it has sent.
 * - Above the limit, send(2) fails with ENOBUFS. If it does not block, and the message could
 *   ever fit, it fails with EAGAIN, and poll(2) says when to try again. The barrier is not
 *   looked at.
 *
 * Memory cgroups charge what is in UNIX sockets as kernel memory, to who sends it.
 */
#include "sockbuf.h"

const struct bc_controller bc_othersockbuf_controller = {
	.name		= "othersockbuf",
	.unit		= BC_UNIT_BYTES,
	.batch		= BC_SOCKBUF_BATCH,
	.css_alloc	= bc_sockbuf_alloc,
	.css_offline	= bc_sockbuf_offline,
	.css_free	= bc_sockbuf_free,
	.limit_set	= bc_sockbuf_limit_set,
};
