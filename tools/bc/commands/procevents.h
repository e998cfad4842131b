/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's process events: who has started a program or changed its ids. */
#ifndef BCCTL_PROCEVENTS_H
#define BCCTL_PROCEVENTS_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Listen. A descriptor to be polled for reading. -EPERM: takes CAP_NET_ADMIN;
 * -EPROTONOSUPPORT: this kernel has no connector; -ETIME: nor process events.
 */
int procevents_open(void);
/*
 * The next process, more than 0; 0 if there is none now; -ENOBUFS: some are lost, as nobody has
 * read for too long; -errno.
 */
int procevents_next(int fd);
/*
 * The same in memory: a message of @len bytes. 0: it is about something else; -EBADMSG.
 * Whether it answers procevents_open() goes to *@answer.
 */
int procevents_parse(const void *buf, size_t len, bool *answer);

#endif /* BCCTL_PROCEVENTS_H */
