// SPDX-License-Identifier: GPL-2.0
/*
 * A server with another bug: it keeps each answer, so that it has it the next time, and
 * never looks whether it has it. Run it in a beancounter.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* For all to see, or the compiler finds out that nobody looks. */
void *last;

int main(void)
{
	struct timespec pause = { .tv_nsec = 10000000 };
	size_t size = 128 << 10;
	void **answer;

	for (;;) {
		answer = malloc(size);
		/* It always gets some: that is not RAM yet. */
		if (answer) {
			memset(answer, 1, size);
			*answer = last;
			last = answer;
		}
		nanosleep(&pause, NULL);
	}
}
