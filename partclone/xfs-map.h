/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_XFS_MAP_H
#define FY_XFS_MAP_H

#include "common/extents.h"
#include "common/stop.h"
#include "partclone/xfs-super.h"

struct fy_xfs_map_report {
	uint32_t damaged;    /* AGs that are used whole */
	uint32_t first;	     /* the first of them */
	char why[160];	     /* what is wrong with it */
	uint64_t free_bytes; /* that the map leaves out */
};

/*
 * Append the used extents: all that the AGs' btrees of free space by block
 * number don't name.  An AG whose free space can't be believed is used whole,
 * and counted in 'ret'.
 *
 * 'v' is asked for single blocks: a cached view of the volume.
 * 0, or -1: FY_E_IO, FY_E_NOMEM, FY_E_CANCELLED.
 */
int fy_xfs_map(struct fy_volume *v, const struct fy_xfs *fs,
	       const struct fy_stop *stop, struct fy_extents *used,
	       struct fy_xfs_map_report *ret, struct fy_error *err);

#endif
