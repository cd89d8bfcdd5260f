/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_NILFS2_H
#define FY_NILFS2_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/volume.h"
#include "partclone/block-map.h"

/*
 * The files of NILFS2's own, for its driver.
 *
 * An inode has the root of a tree from a file's blocks to those of the volume.
 * Only the DAT's tree names them directly; all others name virtual blocks, and
 * the DAT has an entry for each, with the block that it is now.
 */
#define FY_NILFS2_ROOT 56u /* bytes of a tree's root in the inode */

struct fy_nilfs2 {
	struct fy_volume *volume;
	uint32_t block_bytes, segment_blocks, dat_entry_bytes;
	uint64_t blocks; /* in all segments; what is behind them is none */
	unsigned char dat[FY_NILFS2_ROOT];
	unsigned char *node; /* a block, for the trees */
	/* Named in it is the segment of each block that is read. */
	struct fy_block_map *segments;
};

/*
 * Read a block, whose segment is used then.  FY_E_FORMAT when it lies in none.
 */
int fy_nilfs2_read(struct fy_nilfs2 *n, uint64_t block, void *ret,
		   struct fy_error *err);

/*
 * The volume's block of block 'key' of the file whose tree has this root: 1; 0
 * when the file has a hole there; -1 (FY_E_FORMAT: the tree is damaged).
 */
int fy_nilfs2_find(struct fy_nilfs2 *n, const unsigned char *root, uint64_t key,
		   uint64_t *ret, struct fy_error *err);

#endif
