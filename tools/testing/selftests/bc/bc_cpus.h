/* SPDX-License-Identifier: GPL-2.0 */
/*
 * CPUs that there are, that tasks run on, and that come and go.
 */
#ifndef BC_CPUS_H
#define BC_CPUS_H

#include "bc_util.h"

#define BC_CPUS "/sys/devices/system/cpu"
#define BC_CPUS_MAX 1024

/* The list in one of the kernel's files ("online", "possible"). How many there are. */
static inline int bc_cpus(const char *file, int *cpu)
{
	int n = 0, from, to;
	char buf[256], *p;

	if (bc_read(BC_CPUS, file, buf, sizeof(buf)))
		return 0;
	for (p = buf; *p >= '0' && *p <= '9'; p += *p == ',') {
		from = strtol(p, &p, 10);
		to = *p == '-' ? strtol(p + 1, &p, 10) : from;
		for (; from <= to && n < BC_CPUS_MAX; from++)
			cpu[n++] = from;
	}
	return n;
}

static inline bool bc_pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(pid, sizeof(set), &set);
}

static inline int bc_cpu_online(int cpu, int online)
{
	char file[64];

	snprintf(file, sizeof(file), "cpu%d/online", cpu);
	return bc_write(BC_CPUS, file, "%d", online);
}

/* A CPU that can be taken away, or -1; at least one other has to remain. */
static inline int bc_cpu_removable(void)
{
	int online[BC_CPUS_MAX], n = bc_cpus("online", online);
	char path[PATH_MAX];

	while (n-- > 1) {
		snprintf(path, sizeof(path), BC_CPUS "/cpu%d/online", online[n]);
		if (!access(path, W_OK))
			return online[n];
	}
	return -1;
}

#endif /* BC_CPUS_H */
