/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All controllers of beancounters, in the order in which they are called.
 *
 * DO NOT add include guards: <linux/bc/core.h> and kernel/bc/core.c include this
 * with different meanings of BC_CONTROLLER(). A controller x is a
 * struct bc_controller named bc_x_controller.
 */
BC_CONTROLLER(numtasks)
