/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SHIM_PROC_MEMLOCK_H
#define SHIM_PROC_MEMLOCK_H

#include <stdbool.h>

/*
 * Locks every mapping of this process but the one that begins at skip, as mlockall(MCL_CURRENT)
 * would; onfault: as with MCL_ONFAULT. 0, -EPERM, -ENOMEM (the limit), -EAGAIN (/proc can't be
 * read).
 */
int memlock_current(const void *skip, bool onfault);

#endif
