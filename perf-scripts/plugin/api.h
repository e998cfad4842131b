/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What count.c uses of the interface for TCG plugins, as Debian 12's packages of QEMU
 * come without its qemu-plugin.h. See "QEMU TCG Plugins" in QEMU's documentation.
 */
#ifndef _PLUGIN_API_H
#define _PLUGIN_API_H

#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_info_t;

enum qemu_plugin_cb_flags {
	QEMU_PLUGIN_CB_NO_REGS,
};

void qemu_plugin_register_vcpu_tb_trans_cb(unsigned long long id,
					   void (*cb)(unsigned long long id,
						      struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  void (*cb)(unsigned int vcpu, void *data),
					  enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_atexit_cb(unsigned long long id,
				    void (*cb)(unsigned long long id, void *data),
				    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
unsigned long long qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

/* What a plugin has. */
extern EXPORT int qemu_plugin_version;
EXPORT int qemu_plugin_install(unsigned long long id, const struct qemu_info_t *info,
			       int argc, char **argv);

#endif
