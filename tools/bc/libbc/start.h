/* SPDX-License-Identifier: GPL-2.0 */
/* How programs begin that are made with libbc in this directory; it is not installed. */
#ifndef LIBBC_START_H
#define LIBBC_START_H

/*
 * What is closed of standard input, output and error would be the first thing that is opened: a
 * group, or a pipe of ours, in which the other end would get what is for people. It is /dev/null
 * from now on, opened with @flags, 0 or O_CLOEXEC, and the wrong way round: to read from such
 * input, or to write such output, is as much an error as it was. 0 or -errno.
 */
int bc_fill_standard(int flags);

#endif /* LIBBC_START_H */
