/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SKIPPED_H
#define FY_SKIPPED_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "drivers-inject/system.h"

/* By the partition's type: a part of Windows' Logical Disk Manager, which may
 * mirror it elsewhere. */
bool fy_volume_is_dynamic(const struct fy_disk_volume *v);

/* Put all that can't be looked into, with the reason, under "skipped". */
int fy_disks_list_skipped(struct fy_disks *d, struct fy_error *err);

/*
 * At the end, with the number of systems that were edited: FY_E_UNSUPPORTED
 * when that is none, and one may be in what was left alone.
 */
int fy_disks_check_edited(struct fy_disks *d, size_t edited,
			  struct fy_error *err);

#endif
