/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_GAP_H
#define FY_GAP_H

#include "common/extents.h"
#include "common/volume.h"

/*
 * Bytes that belong to no volume, or lie behind a filesystem's end inside its
 * partition.
 */
struct fy_gap {
	uint64_t start, length;	      /* on the disk */
	bool whole;		      /* copy all of it, whatever its size */
	const struct fy_extent *must; /* always copied where they lie in it */
	size_t n_must;
};

/*
 * Append to 'used' (positions on the disk) what of the gap is copied: all of
 * it up to 16 MiB; of a larger one the first and last MiB, the table's own
 * sectors and the surroundings of known signatures.  '*ret_skipped' is the
 * number of bytes that are left out.
 */
int fy_gap_append(struct fy_volume *disk, const struct fy_gap *gap,
		  struct fy_extents *used, uint64_t *ret_skipped,
		  struct fy_error *err);

#endif
