/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_GUEST_NTFS_H
#define FY_GUEST_NTFS_H

#include <stdint.h>

#include "common/error.h"
#include "common/volume.h"

/* What $Bitmap and the runs of all records say of each other, in clusters. */
struct fy_ntfs_check {
	uint64_t shared;   /* in more than one run */
	uint64_t unmarked; /* in a run, free by the bitmap */
	uint64_t lost;	   /* used by the bitmap, in no run */
};

/*
 * Go through all records of the MFT that are in use.  Memory: a bit a cluster
 * (128 MiB for 4 TiB of 4 KiB clusters).
 * FY_E_IO, FY_E_NOMEM; FY_E_FORMAT when the metadata makes no sense.
 */
int fy_ntfs_check(struct fy_volume *v, struct fy_ntfs_check *ret,
		  struct fy_error *err);

#endif
