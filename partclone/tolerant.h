/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TOLERANT_H
#define FY_TOLERANT_H

#include "common/volume.h"

/* What a tolerant view has met. */
struct fy_lost_sectors {
	uint64_t n;	/* reads of a sector that failed */
	uint64_t first; /* the first one's byte on the volume */
};

/*
 * A view of 'v' (borrowed) in which a sector that can't be read is zeros, and
 * counted in 'lost' (borrowed).  For looking at signatures and partition
 * tables, where zeros mean that there is nothing: whoever uses it must see to
 * it that what may have been there is not left out.  Never for a filesystem's
 * map.
 */
int fy_tolerant_view(struct fy_volume *v, struct fy_lost_sectors *lost,
		     struct fy_volume **ret, struct fy_error *err);

#endif
