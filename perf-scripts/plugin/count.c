// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU that counts the instructions of a guest's kernel, block by
 * block, in windows: between an odd and an even execution of a marker.
 *
 * Arguments: mark=ADDRESS out=FILE [skip=ADDRESS]. A window in which skip is executed
 * does not count. Writes "ADDRESS INSTRUCTIONS" for each block, in hexadecimal and
 * decimal, and "windows N", those that count, at the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

/* Above this, a part of the kernel is running. */
#define KERNEL 0xffffffff80000000ULL
#define BUCKETS 65536

/*
 * Blocks are translated more than once, also with other lengths when the budget of
 * -icount ends in one. All are kept until the end.
 */
struct block {
	struct block *next, *next_run;
	unsigned long long addr, insns;
	unsigned long long runs;	/* in windows that count */
	unsigned long long now;		/* in this window */
};

int qemu_plugin_version = API_VERSION;

static struct block *blocks[BUCKETS];
static struct block *run_now;	/* those of this window */
static unsigned long long marker, skipper, windows;
static int inside, skipped;
static const char *out;

static void mark(unsigned int vcpu, void *data)
{
	struct block *b;

	(void)vcpu;
	(void)data;
	for (b = run_now; b; b = b->next_run) {
		if (!skipped)
			b->runs += b->now;
		b->now = 0;
	}
	run_now = NULL;
	windows += inside && !skipped;
	inside = !inside;
	skipped = 0;
}

static void skip(unsigned int vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	skipped = inside;
}

static void run(unsigned int vcpu, void *data)
{
	struct block *b = data;

	(void)vcpu;
	if (!inside)
		return;
	if (!b->now++) {
		b->next_run = run_now;
		run_now = b;
	}
}

static void translate(unsigned long long id, struct qemu_plugin_tb *tb)
{
	unsigned long long addr = qemu_plugin_tb_vaddr(tb);
	unsigned long long insns = qemu_plugin_tb_n_insns(tb);
	struct block *b, **bucket = &blocks[addr % BUCKETS];

	(void)id;
	if (addr < KERNEL)
		return;
	for (b = *bucket; b; b = b->next)
		if (b->addr == addr && b->insns == insns)
			break;
	if (!b) {
		b = calloc(1, sizeof(*b));
		if (!b)
			abort();
		b->addr = addr;
		b->insns = insns;
		b->next = *bucket;
		*bucket = b;
	}
	qemu_plugin_register_vcpu_tb_exec_cb(tb, run, QEMU_PLUGIN_CB_NO_REGS, b);
	if (addr == marker)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, mark, QEMU_PLUGIN_CB_NO_REGS, NULL);
	if (addr == skipper)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, skip, QEMU_PLUGIN_CB_NO_REGS, NULL);
}

static void finish(unsigned long long id, void *data)
{
	struct block *b;
	FILE *f = fopen(out, "w");
	int i;

	(void)id;
	(void)data;
	if (!f) {
		perror(out);
		return;
	}
	for (i = 0; i < BUCKETS; i++)
		for (b = blocks[i]; b; b = b->next)
			if (b->runs)
				fprintf(f, "%016llx %llu\n", b->addr, b->insns * b->runs);
	fprintf(f, "windows %llu\n", windows);
	fclose(f);
}

int qemu_plugin_install(unsigned long long id, const struct qemu_info_t *info,
			int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "mark=", 5))
			marker = strtoull(argv[i] + 5, NULL, 16);
		else if (!strncmp(argv[i], "skip=", 5))
			skipper = strtoull(argv[i] + 5, NULL, 16);
		else if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
	}
	if (!marker || !out) {
		fputs("count: needs mark=ADDRESS and out=FILE\n", stderr);
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
