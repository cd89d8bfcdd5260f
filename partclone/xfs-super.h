/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_XFS_SUPER_H
#define FY_XFS_SUPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/volume.h"

/*
 * XFS: its superblock, and what all its metadata have in common.
 *
 * Numbers are big-endian, checksums (version 5) little-endian CRC-32C.  The
 * filesystem is cut into allocation groups (AGs) of 'ag_blocks' blocks, the
 * last one maybe shorter.  An AG begins with four sectors: a superblock (the
 * first AG's counts), AGF (free space), AGI (inodes), AGFL (a reserve of
 * blocks for the btrees).
 */
enum fy_xfs_flags {
	FY_XFS_IGNORE_CHECKSUMS = 1, /* for fuzzing */
};

struct fy_xfs {
	uint32_t block_bytes;  /* 512 ... 65536 */
	uint32_t sector_bytes; /* 512 ... 32768, never above block_bytes */
	uint64_t blocks;       /* of all AGs; fits the volume */
	uint32_t ag_blocks, ag_count;
	uint32_t header_blocks; /* at each AG's start */
	unsigned version;	/* 4, 5; others in 'unknown' only */
	bool ignore_checksums;
	unsigned char uuid[16]; /* as the metadata of version 5 carry it */

	bool has_log; /* false: the log is on another device */
	bool log_v2;
	uint32_t log_ag, log_block, log_blocks; /* AG, place in it, length */

	bool in_progress;    /* mkfs or xfs_copy has not finished */
	bool needs_repair;   /* xfs_repair must run before the next mount */
	bool has_realtime;   /* file data lie elsewhere, too: */
	bool inner_realtime; /* behind the AGs, on the same volume */
	bool has_rmap, has_reflink;

	/* What this program does not know; "" when all is known. */
	char unknown[120];
};

/*
 * Read and check the superblock at the start of 'v'.
 * 0, or -1: FY_E_IO, FY_E_NOMEM, FY_E_FORMAT (damaged, or the filesystem ends
 * behind the volume's end; the message is for the user).  When 'unknown' is
 * not empty, only that was read.
 */
int fy_xfs_read_super(struct fy_volume *v, enum fy_xfs_flags flags,
		      struct fy_xfs *ret, struct fy_error *err);

/*
 * Compare with the copies in the second and the last AG: FY_E_FORMAT when one
 * has another geometry, and for version 4, which has no checksum, also when
 * there are AGs but no copy says the same.
 */
int fy_xfs_check_copies(struct fy_volume *v, const struct fy_xfs *fs,
			struct fy_error *err);

/* Bytes from the start of the volume. */
uint64_t fy_xfs_place(const struct fy_xfs *fs, uint32_t ag, uint32_t block);

/* Blocks of an AG. */
uint32_t fy_xfs_ag_length(const struct fy_xfs *fs, uint32_t ag);

/* The bytes of the filesystem. */
uint64_t fy_xfs_bytes(const struct fy_xfs *fs);

/* Whether the checksum at 'at' in 'len' bytes of metadata is right; always for
 * version 4, which has none. */
bool fy_xfs_checksum_is_right(const struct fy_xfs *fs,
			      const unsigned char *data, size_t len, size_t at);

#endif
