// SPDX-License-Identifier: GPL-2.0
/* A fork bomb. Run it in a beancounter, or not at all. */
#include <unistd.h>

int main(void)
{
	for (;;)
		fork();
}
