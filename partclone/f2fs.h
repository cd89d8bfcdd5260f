/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_F2FS_H
#define FY_F2FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/volume.h"
#include "partclone/filesystem.h"

/*
 * F2FS as Linux (Documentation/filesystems/f2fs.rst, f2fs_fs.h) lays it out:
 * blocks of 4 KiB, segments of 512 of them.  Addresses and counts are in
 * blocks.  fs-f2fs.c makes the map, f2fs-checkpoint.c reads what decides.
 */
#define FY_F2FS_BLOCK	    4096u
#define FY_F2FS_SEGMENT	    512u
#define FY_F2FS_SIT_ENTRY   74u
#define FY_F2FS_SIT_ENTRIES 55u /* of a block */
#define FY_F2FS_JOURNAL	    6u	/* SIT entries in a summary */
#define FY_F2FS_LOGS	    6u	/* three for data, three for nodes */

struct fy_f2fs_super {
	uint32_t cp, sit, nat, ssa, main; /* where the areas begin */
	uint32_t sit_blocks;		  /* of one of the two sets */
	uint32_t nat_blocks;
	uint32_t segments; /* of the main area */
	uint64_t blocks;   /* of the volume */
	uint32_t payload;  /* blocks of a checkpoint behind its first */
	bool lone;	   /* the second superblock is damaged */
};

struct fy_f2fs_log {
	uint32_t segment, block; /* where it goes on */
};

struct fy_f2fs_checkpoint {
	unsigned char *blocks; /* header and payload, as on the volume */
	uint32_t at;	       /* block of the pack that counts */
	uint32_t flags;
	uint64_t valid_blocks;
	uint32_t valid_nodes, free_segments;
	const unsigned char *sit_bitmap; /* in 'blocks' */
	struct fy_f2fs_log logs[FY_F2FS_LOGS];
	bool lone; /* the other pack is damaged */

	/* SIT entries that are newer than those of the SIT. */
	uint32_t journal_segment[FY_F2FS_JOURNAL];
	unsigned char journal[FY_F2FS_JOURNAL][FY_F2FS_SIT_ENTRY];
	size_t n_journal;
};

/* Most significant bit first. */
static inline bool
fy_f2fs_bit(const unsigned char *map, size_t i)
{
	return (map[i / 8] >> (7 - i % 8) & 1) != 0;
}

#define FY_F2FS_MAGIC 0xf2f52010u /* the seed of all checksums, too */

/*
 * Both superblocks.  0, and 'result' is whole when they contradict themselves
 * or have what is not known here; -1: FY_E_IO.
 */
int fy_f2fs_read_super(struct fy_volume *v, struct fy_f2fs_super *ret,
		       struct fy_fs_result *result, struct fy_error *err);

/*
 * The newest checkpoint.  0, and 'result' as above; -1: FY_E_IO, FY_E_NOMEM.
 * '*ret_unclean' is why it is not that of a clean unmount, or NULL.
 */
int fy_f2fs_read_checkpoint(struct fy_volume *v, const struct fy_f2fs_super *s,
			    struct fy_f2fs_checkpoint *ret,
			    const char **ret_unclean,
			    struct fy_fs_result *result, struct fy_error *err);

#endif
