/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TOLERANT_H
#define FY_TOLERANT_H

#include "common/volume.h"

#define FY_TOLERANT_SURE  4096u
#define FY_TOLERANT_BYTES (128u << 10)

/* What a tolerant view has met. */
struct fy_lost_sectors {
	uint64_t n;	/* reads of a sector that failed */
	uint64_t first; /* the first one's byte on the volume */
	/* Set by the user: nothing is lost in [fine_from, fine_to). */
	uint64_t fine_from, fine_to;
};

/*
 * A view of 'v' (borrowed) in which a sector that can't be read is zeros, and
 * counted in 'lost' (borrowed) if it was asked for in a read of at most
 * FY_TOLERANT_SURE bytes.  Larger reads are of tables that have checksums (a
 * GPT's entries) or that repeat themselves (ZFS's rings), which a lost sector
 * does not hide; of more than FY_TOLERANT_BYTES they fail as on 'v', so that
 * whoever reads ahead falls back to what it needs.  'direct' (borrowed) is the
 * same volume, past the kernel's cache, whose pages hold several sectors; or
 * 'v' itself.  For looking at signatures and partition
 * tables, where zeros mean that there is nothing: whoever uses it must see to
 * it that what may have been there is not left out.  Never for a filesystem's
 * map.
 */
int fy_tolerant_view(struct fy_volume *v, struct fy_volume *direct,
		     struct fy_lost_sectors *lost, struct fy_volume **ret,
		     struct fy_error *err);

#endif
