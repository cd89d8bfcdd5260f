/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CACHE_H
#define FY_CACHE_H

#include "common/volume.h"

/*
 * A read-only view of 'base' (borrowed) that keeps what was read lately: for
 * readers that ask for single blocks, of a volume where each read is a round
 * trip.  'base' must not change while the view is in use.
 *
 * Memory: line_bytes * lines.  line_bytes is a power of two; reads at least
 * that long go straight to 'base'.
 * Threads: preads may run at the same time (one after the other).
 */
int fy_cache_new(struct fy_volume *base, uint32_t line_bytes, unsigned lines,
		 struct fy_volume **ret, struct fy_error *err);

#endif
