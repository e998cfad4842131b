/* SPDX-License-Identifier: GPL-2.0 */
/* What ld's --wrap makes of the calls of bcctl. */
#ifndef BCCTL_FAKE_H
#define BCCTL_FAKE_H

#include <sys/socket.h>
#include <sys/types.h>

#define __printf(a, b)	__attribute__((format(printf, a, b)))

int __real_mkdirat(int dirfd, const char *name, mode_t mode);
int __real_mkdir(const char *path, mode_t mode);
int __real_unlinkat(int dirfd, const char *name, int flags);
int __real_openat(int dirfd, const char *name, int flags, ...);
ssize_t __real_write(int fd, const void *buf, size_t n);
int __real_socket(int domain, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *addr, socklen_t len);
ssize_t __real_send(int fd, const void *buf, size_t n, int flags);
ssize_t __real_readlinkat(int dirfd, const char *name, char *buf, size_t size);
ssize_t __real_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
			socklen_t *len);

int __wrap_mkdirat(int dirfd, const char *name, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_unlinkat(int dirfd, const char *name, int flags);
int __wrap_openat(int dirfd, const char *name, int flags, ...);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len);
ssize_t __wrap_send(int fd, const void *buf, size_t n, int flags);
ssize_t __wrap_readlinkat(int dirfd, const char *name, char *buf, size_t size);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr,
			socklen_t *len);

#endif /* BCCTL_FAKE_H */
