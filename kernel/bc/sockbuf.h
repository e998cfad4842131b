/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_SOCKBUF_H
#define _BC_SOCKBUF_H

#include <linux/bc/core.h>
#include <linux/list.h>
#include <linux/percpu-refcount.h>

/**
 * struct bc_sockbuf - the state of a controller of socket buffers
 * @res: the counter
 * @sockets: those that charge to it, which keep the group; not used in the root
 * @waiters: sockets that wait for room in this very counter, charged here or below
 */
struct bc_sockbuf {
	struct bc_resource	res;
	struct percpu_ref	sockets;
	struct list_head	waiters;
};

struct bc_css *bc_sockbuf_alloc(const struct bc_controller *controller,
				struct bc_css *parent);
void bc_sockbuf_offline(struct bc_css *css);
void bc_sockbuf_free(struct bc_css *css);
void bc_sockbuf_limit_set(struct bc_css *css);

/*
 * Bytes. A CPU has no more than two batches: a skb with some pages, or some of those with
 * one segment each.
 */
#define BC_SOCKBUF_BATCH	16384

#endif /* _BC_SOCKBUF_H */
