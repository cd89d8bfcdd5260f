/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_DRIVERS_CHECK_H
#define FY_DRIVERS_CHECK_H

#include "common/error.h"
#include "common/log.h"
#include "common/machine.h"
#include "common/stop.h"

/*
 * Whether the Windows systems that a machine's description names can be given
 * drivers out of 'virtio_win' (NULL: there is none), as far as that can be told
 * before the disks are here: that there are drivers, and those for a Windows
 * whose version and architecture are known.
 * Returns: 0, also for a machine without a Windows, or -1: FY_E_NOTFOUND,
 *          FY_E_FORMAT, FY_E_UNSUPPORTED with what to do.
 * Threads: one caller at a time; it forks.
 */
int fy_drivers_check(const char *virtio_win, const struct fy_machine *m,
		     struct fy_log *log, const struct fy_stop *stop,
		     struct fy_error *err);

/*
 * The names of the drivers for the machine's Windows systems (10 and later)
 * that don't have Microsoft's signature: '*ret' is malloc'd, "viostor, vioscsi",
 * "" when there is none.  Threads: as above.
 */
int fy_drivers_unsigned(const char *virtio_win, const struct fy_machine *m,
			struct fy_log *log, const struct fy_stop *stop,
			char **ret, struct fy_error *err);

#endif
