/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_NTFS_MAP_H
#define FY_NTFS_MAP_H

#include <stdint.h>

#include "common/extents.h"
#include "partclone/ntfs-io.h"

struct fy_ntfs_map_report {
	uint64_t bad;	   /* clusters on $BadClus, left out */
	uint64_t unmarked; /* clusters of the filesystem's own files that its
			    bitmap calls free; used all the same */
	uint64_t beyond; /* clusters that the bitmap says nothing about: used */
	bool list_ignored; /* $BadClus makes no sense; its clusters are read */
	uint64_t bytes;	   /* how far the filesystem reaches on its volume, with
			      the backup of the boot sector */
};

/*
 * Append what $Bitmap calls used, the filesystem's own files whatever it says,
 * and what lies between the last cluster and the backup of the boot sector.
 * The bitmap is read in windows, so memory depends only on how fragmented the
 * filesystem's own files are.
 *
 * Returns: 0, or -1: FY_E_IO, FY_E_NOMEM, FY_E_CANCELLED, FY_E_FORMAT when the
 * metadata makes no sense.
 */
int fy_ntfs_map(struct fy_ntfs *nt, struct fy_extents *used,
		struct fy_ntfs_map_report *ret, struct fy_error *err);

#endif
