/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_BTRFS_H
#define FY_BTRFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/extents.h"
#include "common/stop.h"
#include "common/volume.h"

/*
 * Reading Btrfs: superblocks, chunks, tree blocks, and from these the used
 * extents of each device.  The format is as the kernel's uapi header
 * btrfs_tree.h and its tree checker have it (Linux 6.1 and later).
 *
 * Two kinds of addresses: "logical" ones, of the filesystem as a whole, and
 * "physical" ones, bytes on a device.  Chunks map ranges of the former to
 * stripes on the latter.
 *
 * All that is foreign: FY_E_FORMAT when it contradicts itself,
 * FY_E_UNSUPPORTED when no map can be had of it; both mean that everything is
 * used.
 */
#define FY_BTRFS_SUPER_AT    65536u
#define FY_BTRFS_SUPER_BYTES 4096u
#define FY_BTRFS_STRIPE	     65536u /* bytes in a row before the next column */
#define FY_BTRFS_LEVELS	     8
#define FY_BTRFS_ARRAY_BYTES 2048u

/* Incompatible features by which reading differs. */
#define FY_BTRFS_SKINNY	    (UINT64_C(1) << 8)
#define FY_BTRFS_ZONED	    (UINT64_C(1) << 12)
#define FY_BTRFS_GROUP_TREE (UINT64_C(1) << 3) /* compatible, read-only */

/* Kinds of items. */
enum fy_btrfs_type {
	FY_BTRFS_ROOT_ITEM = 132,
	FY_BTRFS_EXTENT_ITEM = 168,
	FY_BTRFS_METADATA_ITEM = 169,
	FY_BTRFS_EXTENT_OWNER_REF = 172,
	FY_BTRFS_TREE_BLOCK_REF = 176,
	FY_BTRFS_EXTENT_DATA_REF = 178,
	FY_BTRFS_SHARED_BLOCK_REF = 182,
	FY_BTRFS_SHARED_DATA_REF = 184,
	FY_BTRFS_GROUP_ITEM = 192,
	FY_BTRFS_DEV_EXTENT = 204,
	FY_BTRFS_DEV_ITEM = 216,
	FY_BTRFS_CHUNK_ITEM = 228,
	FY_BTRFS_PERSISTENT_ITEM = 249,
	FY_BTRFS_DEV_REPLACE = 250,
};

/* Numbers of trees. */
enum fy_btrfs_tree {
	FY_BTRFS_ROOT_TREE = 1,
	FY_BTRFS_EXTENT_TREE = 2,
	FY_BTRFS_CHUNK_TREE = 3,
	FY_BTRFS_DEV_TREE = 4,
	FY_BTRFS_BLOCK_GROUP_TREE = 11,
};

struct fy_btrfs_key {
	uint64_t objectid;
	uint8_t type;
	uint64_t offset;
};

/* What leads to a tree block, and what must be found there. */
struct fy_btrfs_ref {
	uint64_t bytenr; /* logical */
	uint64_t generation, owner;
	uint8_t level;
};

struct fy_btrfs_super {
	uint64_t flags, generation, devices;
	uint64_t log_root, compat, compat_ro, incompat;
	struct fy_btrfs_ref root, chunk_root;
	uint32_t sector_bytes, node_bytes, array_bytes;
	uint16_t csum_type;
	unsigned char fsid[16];	       /* as shown to people */
	unsigned char header_fsid[16]; /* as tree blocks have it */
	/* This device's. */
	uint64_t device_id, device_bytes;
	unsigned char device_uuid[16];
	unsigned char array[FY_BTRFS_ARRAY_BYTES]; /* the system chunks */
};

struct fy_btrfs_device {
	struct fy_volume *volume; /* borrowed */
	uint64_t id, bytes;
	unsigned char uuid[16];
	bool listed; /* in the chunk tree */
};

struct fy_btrfs_stripe {
	uint64_t at; /* physical */
	uint32_t device;
};

struct fy_btrfs_chunk {
	uint64_t start, length; /* logical */
	uint64_t flags;
	uint64_t used_bytes, extent_bytes; /* by its group, by its extents */
	uint32_t first_stripe;
	uint16_t stripes, copies, columns, parities;
	bool has_group, damaged;
	struct fy_extents_mark mark; /* where its extents begin in the list */
};

/* Sorted by 'start', disjoint. */
struct fy_btrfs_chunks {
	struct fy_btrfs_chunk *items;
	struct fy_btrfs_stripe *stripes;
	size_t n, room, n_stripes, stripes_room;
};

enum fy_btrfs_flags {
	FY_BTRFS_IGNORE_CHECKSUMS = 1, /* for fuzzing */
};

struct fy_btrfs {
	enum fy_btrfs_flags flags;
	const struct fy_stop *stop;
	struct fy_btrfs_super super;
	struct fy_btrfs_device *devices;
	size_t n_devices;
	struct fy_btrfs_chunks chunks;
	unsigned char *nodes[FY_BTRFS_LEVELS]; /* a block of each level */
	uint64_t *seen; /* logical addresses of tree blocks, for a check */
	size_t n_seen, seen_room;
};

/* --- btrfs-csum.c ----------------------------------------------------------- */

/* Checksum of a kind (CRC-32C, XXH64, SHA-256, BLAKE2b-256) into 'ret', zeros
 * behind it.  Returns its length, 0 for an unknown kind. */
size_t fy_btrfs_csum(unsigned type, const void *data, size_t len,
		     unsigned char ret[32]);

/* --- btrfs-super.c ---------------------------------------------------------- */

/*
 * The superblock at 64 KiB.  FY_E_FORMAT: there is none, its checksum is wrong
 * or its fields can't be.  Features are not looked at.
 */
int fy_btrfs_read_super(struct fy_volume *v, enum fy_btrfs_flags flags,
			struct fy_btrfs_super *ret, struct fy_error *err);

/*
 * Whether there can be a map of a filesystem with this superblock on 'v':
 * known features, nothing half done, no newer copy of the superblock.
 * FY_E_DIRTY: its log waits for a replay.
 */
int fy_btrfs_judge_super(struct fy_volume *v, const struct fy_btrfs_super *s,
			 enum fy_btrfs_flags flags, struct fy_error *err);

/* Number 'i' of the places where a device has a superblock; UINT64_MAX behind
 * the last one. */
uint64_t fy_btrfs_super_place(unsigned i);

/* --- btrfs-chunk.c ---------------------------------------------------------- */

/* Add what a chunk item says; its stripes must be on devices of 'fs'. */
int fy_btrfs_add_chunk(struct fy_btrfs *fs, struct fy_btrfs_chunks *to,
		       uint64_t start, const unsigned char *item, size_t len,
		       struct fy_error *err);
/* Sort, when all have been added, and check that none overlap. */
int fy_btrfs_sort_chunks(struct fy_btrfs_chunks *c, struct fy_error *err);
/* The chunk of a logical address, or NULL. */
struct fy_btrfs_chunk *fy_btrfs_find_chunk(const struct fy_btrfs_chunks *c,
					   uint64_t logical);
void fy_btrfs_release_chunks(struct fy_btrfs_chunks *c);

/* Bytes that a chunk takes on each of its devices. */
uint64_t fy_btrfs_stripe_bytes(const struct fy_btrfs_chunk *c);

/* Which part of stripe number 'stripe' the bytes [from, to) of the chunk are
 * on, copies and parities included; from the stripe's start, maybe empty. */
struct fy_extent fy_btrfs_part(const struct fy_btrfs_chunk *c, unsigned stripe,
			       uint64_t from, uint64_t to);

/* How many copies there are of the block at 'logical' (0: outside all chunks);
 * and read one of them. */
unsigned fy_btrfs_copies(const struct fy_btrfs *fs, uint64_t logical);
int fy_btrfs_read_copy(struct fy_btrfs *fs, uint64_t logical, unsigned copy,
		       unsigned char *ret, size_t len, struct fy_error *err);

/* --- btrfs-tree.c ----------------------------------------------------------- */

/* 0: go on, 1: enough, -1. */
typedef int fy_btrfs_item_fn(void *arg, const struct fy_btrfs_key *key,
			     const unsigned char *item, uint32_t len,
			     struct fy_error *err);

/* All items of a tree from the key 'from' (NULL: the first) on, in order.
 * 0, 1 when 'fn' had enough, -1. */
int fy_btrfs_walk(struct fy_btrfs *fs, const struct fy_btrfs_ref *root,
		  const struct fy_btrfs_key *from, fy_btrfs_item_fn *fn,
		  void *arg, struct fy_error *err);

/* Note a tree block that must be among the extents (a bounded number). */
int fy_btrfs_note_block(struct fy_btrfs *fs, uint64_t bytenr,
			struct fy_error *err);

/* --- btrfs-open.c ----------------------------------------------------------- */

/*
 * The filesystem on these volumes, with all of its chunks.  'ret' is released
 * by the caller, also on failure.
 */
int fy_btrfs_open(struct fy_volume *const *v, size_t n,
		  enum fy_btrfs_flags flags, const struct fy_stop *stop,
		  struct fy_btrfs *ret, struct fy_error *err);
void fy_btrfs_release(struct fy_btrfs *fs);

/* --- btrfs-map.c ------------------------------------------------------------ */

struct fy_btrfs_report {
	uint64_t chunks, damaged_chunks; /* the latter are used whole */
};

/* Append the used extents of each device to the list of the same number. */
int fy_btrfs_map(struct fy_btrfs *fs, struct fy_extents *const *used,
		 struct fy_btrfs_report *ret, struct fy_error *err);

#endif
