// SPDX-License-Identifier: GPL-2.0
/*
 * A server with a bug: it answers requests by reading a file, and when the client asks
 * for a file that is empty, it forgets to close it. Requests come from its standard
 * input, a line each, and are made up here to save a client: every tenth is for
 * /dev/null.
 *
 * It is written to survive: an open that fails is an answer, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int answer(const char *name)
{
	char buf[64];
	int fd = open(name, O_RDONLY);

	if (fd < 0)
		return -errno;
	if (read(fd, buf, sizeof(buf)) <= 0)
		return 0;		/* nothing to send, and a descriptor less */
	close(fd);
	return 1;
}

int main(void)
{
	struct rlimit many = { 100000, 100000 };
	struct timespec pause = { .tv_nsec = 200000 };
	int err, last = 0;
	long i;

	/* Somebody has set this high "to be on the safe side". */
	setrlimit(RLIMIT_NOFILE, &many);
	for (i = 0; ; i++) {
		err = answer(i % 10 ? "/proc/uptime" : "/dev/null");
		if (err < 0 && err != last) {
			printf("  server: request %ld: %s\n", i, strerror(-err));
			fflush(stdout);
			last = err;
		}
		nanosleep(&pause, NULL);
	}
}
