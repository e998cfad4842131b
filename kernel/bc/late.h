/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BC_LATE_H
#define _BC_LATE_H

#include <linux/kconfig.h>

/*
 * Where numbers begin that could come to their end in the life of a machine, or have a bit
 * set that they have not for years: where tests are built in, shortly before that, so that
 * each run of them gets there. As with INITIAL_JIFFIES.
 */
#define BC_LATE(late, first)	(IS_ENABLED(CONFIG_BC_KUNIT_TEST) ? (late) : (first))

#endif /* _BC_LATE_H */
