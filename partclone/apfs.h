/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_APFS_H
#define FY_APFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/stop.h"
#include "common/volume.h"
#include "partclone/block-map.h"

/*
 * A checkpoint of an APFS container, and its space manager, for the driver.
 *
 * Every object begins with the same header: its checksum, its number (of those
 * that stay where they are: the block), the transaction that wrote it, its type
 * with how it is stored.
 */
#define FY_APFS_OBJECT	   32u /* bytes of the header */
#define FY_APFS_OID	   8u
#define FY_APFS_XID	   16u
#define FY_APFS_TYPE	   24u
#define FY_APFS_SUPER	   0x80000001u
#define FY_APFS_SPACE	   0x80000005u
#define FY_APFS_CIBS	   0x40000006u /* addresses of blocks of ... */
#define FY_APFS_CIB	   0x40000007u /* ... chunks */
#define FY_APFS_CHECKPOINT 0x4000000cu

struct fy_apfs {
	struct fy_volume *volume;
	uint32_t block_bytes;
	uint64_t blocks; /* of the container */
	uint64_t xid;	 /* the checkpoint's transaction */
	const struct fy_stop *stop;
};

/* Whether 'len' bytes (a multiple of 4) are an object of that type with a right
 * checksum. */
bool fy_apfs_is_object(const unsigned char *object, size_t len, uint32_t type);

/*
 * The whole container to 'map', by the space manager 'object' (of 'len' bytes,
 * its checksum and type are right).  Names what belongs to it first; what else
 * is used whatever the bitmaps say has been named.  0, or -1: FY_E_FORMAT when
 * anything contradicts itself, FY_E_UNSUPPORTED with a reason why there can be
 * no map; else what fy_block_map_window says.
 */
int fy_apfs_map_space(const struct fy_apfs *fs, const unsigned char *object,
		      size_t len, struct fy_block_map *map,
		      struct fy_error *err);

#endif
