/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_COW_H
#define FY_COW_H

#include "common/volume.h"

/*
 * A snapshot of device-mapper (not a thin one): its store holds the chunks of
 * the origin that were written since.
 */
struct fy_cow_info {
	bool valid; /* else the store overflowed: nobody can read it any more */
	uint64_t chunk_bytes;
};

/*
 * The snapshot as a volume of the origin's size, '*ret' (both are borrowed; the
 * list of chunks is kept in memory, 16 bytes each).  NULL with
 * ret_info->valid false.  FY_E_FORMAT, FY_E_UNSUPPORTED (too many chunks).
 */
int fy_cow_open(struct fy_volume *store, struct fy_volume *origin,
		const char *name, struct fy_cow_info *ret_info,
		struct fy_volume **ret, struct fy_error *err);

#endif
