/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_EXT_FILES_H
#define FY_EXT_FILES_H

#include <stdint.h>

#include "common/extents.h"
#include "common/options.h"
#include "common/stop.h"
#include "common/volume.h"

struct fy_ext_hits {
	struct fy_strings paths; /* what is not printable ASCII or UTF-8 as
				    \xNN; at most 'most' of them */
	uint64_t more;		 /* files that are hit besides these */
	uint64_t other_blocks;	 /* hit and of no file: the filesystem's own, or
				  of nothing */
};

/*
 * Which files of the ext2/3/4 on 'v' lie in 'ranges' (n of them, sorted,
 * disjoint, bytes on 'v'): with a block of their data or their own metadata, or
 * with their inode.  An inode that nothing names is told by its number.  'v'
 * should read as zeros where it can't be read.
 *
 * Release ret->paths, on failure too.  FY_E_IO, FY_E_FORMAT, FY_E_UNSUPPORTED,
 * FY_E_NOMEM, FY_E_CANCELLED.
 */
int fy_ext_files(struct fy_volume *v, const struct fy_extent *ranges, size_t n,
		 size_t most, const struct fy_stop *stop,
		 struct fy_ext_hits *ret, struct fy_error *err);

#endif
