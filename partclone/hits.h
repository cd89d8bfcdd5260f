/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_HITS_H
#define FY_HITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/extents.h"

/*
 * What drivers share that tell which files lie in some ranges of a volume
 * (bytes; sorted and disjoint).
 */
struct fy_hit_ranges {
	const struct fy_extent *items;
	size_t n;
};

#define FY_HITS_SHOWN 1024 /* bytes of a path, with the NUL */

/* Whether a byte of [from, to) lies in the ranges. */
bool fy_hits_touch(const struct fy_hit_ranges *r, uint64_t from, uint64_t to);

/* How many of the blocks of 'size' bytes in [from, to) are touched; 'from' is a
 * multiple of it. */
uint64_t fy_hits_blocks(const struct fy_hit_ranges *r, uint64_t from,
			uint64_t to, uint64_t size);

/* A name is any bytes; what is shown must be a text: what is neither printable
 * ASCII nor UTF-8 becomes \xNN, and a long one is cut. */
void fy_hits_show(const char *name, char *ret, size_t ret_size);

#endif
