/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_EXT_MAP_H
#define FY_EXT_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/extents.h"
#include "common/stop.h"
#include "partclone/ext-io.h"

struct fy_ext_map_report {
	uint64_t damaged_groups; /* their bitmap can't be believed: whole */
	uint64_t bad_bytes;	 /* on the bad-block list, left out */
};

/*
 * Append to 'used' what the filesystem's block bitmaps call used, and all of
 * its metadata whatever they say.  Memory does not grow with the number of
 * blocks: the bitmaps are read a few groups at a time.
 *
 * 'strict': a group whose bitmap contradicts its checksum or its descriptor's
 * count is used whole.  Without (before a journal's replay, when they may
 * well disagree) the bitmap is taken as it is.
 *
 * Returns: 0, or -1: FY_E_IO, FY_E_NOMEM, FY_E_CANCELLED, FY_E_FORMAT when the
 * metadata makes no sense.
 */
int fy_ext_map(ext2_filsys fs, bool strict, const struct fy_stop *stop,
	       struct fy_extents *used, struct fy_ext_map_report *ret,
	       struct fy_error *err);

#endif
