/* SPDX-License-Identifier: GPL-2.0 */
/* Profiles: limits under a name. */
#ifndef BCCTL_PROFILE_H
#define BCCTL_PROFILE_H

#include "conf.h"

/*
 * The lines of a profile, to be freed with conf_free(): from a file of the administrator,
 * or one that is built in. Returns NULL, or what is wrong, to be freed.
 */
char *profile_lines(const char *name, struct conf *conf);

#endif /* BCCTL_PROFILE_H */
