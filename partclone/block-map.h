/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_BLOCK_MAP_H
#define FY_BLOCK_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/extents.h"

/*
 * From bitmaps of blocks to extents, for filesystems that keep one bit a block.
 *
 * The driver first names the blocks that are used whatever the bitmaps say (its
 * own metadata), in any order, then hands over the bitmaps window by window,
 * from the first block to the last.  Memory depends on the named runs only.
 */
struct fy_block_map;

/* How many runs may be named: FY_E_FORMAT beyond it. */
#define FY_BLOCK_RUNS (512u * 1024)

/* 'used' is borrowed; 'blocks' times 'block_bytes' does not overflow.  NULL
 * when out of memory. */
struct fy_block_map *fy_block_map_new(struct fy_extents *used,
				      uint64_t block_bytes, uint64_t blocks,
				      struct fy_error *err);
void fy_block_map_free(struct fy_block_map *m);
FY_DEFINE_AUTO(block_map, struct fy_block_map, fy_block_map_free)

/*
 * These blocks are used.  Before the first window.  -1: FY_E_NOMEM; FY_E_FORMAT
 * when they are not all inside the filesystem, or too many runs are named.
 */
int fy_block_map_name(struct fy_block_map *m, uint64_t first, uint64_t count,
		      struct fy_error *err);

/*
 * The next 'n' blocks: bit i (bit i % 8 of byte i / 8) is set when the window's
 * block i is used.  'bits' is whole 8-byte words; it is changed: named blocks
 * are set.  -1: what fy_extents_append says.
 */
int fy_block_map_window(struct fy_block_map *m, unsigned char *bits, uint64_t n,
			struct fy_error *err);

/* The next 'n' blocks are all used. */
int fy_block_map_all(struct fy_block_map *m, uint64_t n, struct fy_error *err);

/* Blocks that the windows have covered, and how many of the named ones were
 * free by their bitmap. */
uint64_t fy_block_map_next(const struct fy_block_map *m);
uint64_t fy_block_map_denied(const struct fy_block_map *m);

/* Bits that are not set among the first 'n' of whole 8-byte words. */
uint64_t fy_count_zero_bits(const unsigned char *bits, uint64_t n);

#endif
