/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_GATHER_H
#define FY_GATHER_H

#include "common/volume.h"

/* A place on a volume. */
struct fy_gather_area {
	struct fy_volume *volume; /* borrowed: outlives what is made of it */
	uint64_t offset;
};

/*
 * A run of bytes of the volume that is made.  One area: its bytes follow each
 * other there.  Several: they are dealt out in turn, 'stripe_bytes' at a time,
 * as RAID 0 does; or ('mirrored') each has all of them, the first is read and
 * all are written.  None: zeros.
 */
struct fy_gather_piece {
	uint64_t start, length; /* on the volume that is made */
	const struct fy_gather_area *areas;
	unsigned n_areas;
	uint64_t stripe_bytes;
	bool mirrored;
};

/*
 * A volume out of pieces of others, in order and without gaps from 0 on
 * (copied).  It can be written to when all of those can, and no piece is
 * zeros.  FY_E_FORMAT when they are not, or reach behind an area's volume.
 */
int fy_gather_new(const struct fy_gather_piece *pieces, size_t n,
		  const char *name, uint32_t sector_bytes,
		  struct fy_volume **ret, struct fy_error *err);

/*
 * Of 'length' bytes dealt out to 'n' areas in turn, 'stripe_bytes' at a time:
 * how many of the first 'length' ones fall to area 'k'.
 */
uint64_t fy_gather_share(uint64_t length, unsigned n, uint64_t stripe_bytes,
			 unsigned k);

#endif
