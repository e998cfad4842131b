// SPDX-License-Identifier: GPL-2.0
/*
 * The shortest list of operations that still fails: delta debugging, as Zeller and
 * Hildebrandt have it, with complements only. What is left of a list makes sense, see
 * model.h.
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"

/**
 * shrink - take operations out as long as it goes on failing
 * @ops: a list that fails; the result
 * @n: how many they are
 * @fails: does this list fail? Makes @n of it how many it needed for that, or 0 if it is
 *	to end here, with what has been found.
 *
 * Return: how many are left.
 */
int shrink(struct op *ops, int n, bool (*fails)(const struct op *ops, int *n))
{
	struct op *less = malloc(n * sizeof(*less));
	int chunk = (n + 1) / 2, start, rest;
	bool again = false;

	while (less && n > 1 && chunk) {
		for (start = 0; start < n; ) {
			int len = chunk < n - start ? chunk : n - start;

			rest = n - len;
			if (!rest)
				break;
			memcpy(less, ops, start * sizeof(*ops));
			memcpy(less + start, ops + start + len,
			       (rest - start) * sizeof(*ops));
			if (fails(less, &rest)) {
				/* It may have failed earlier than the first one. */
				n = rest;
				memcpy(ops, less, n * sizeof(*ops));
				again = true;
			} else if (!rest) {
				goto out;
			} else {
				start += len;
			}
		}
		/* The last one may have made others superfluous. */
		if (chunk > 1 || !again)
			chunk /= 2;
		again = false;
	}
out:
	free(less);
	return n;
}
