/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * APFS: a container's newest checkpoint, and the driver.
 *
 * Block 0 has a superblock that may be old; it says where the checkpoints are.
 * Of the superblocks there the one with the highest transaction and a right
 * checksum counts, as for a mount.  The blocks before it are its map of those
 * objects that are written anew by each checkpoint, and lie in an area of their
 * own: one of them is the space manager (apfs-space.c).
 *
 * There is no clean and unclean: nothing that a checkpoint refers to is
 * overwritten, its superblock is written last, and what a mount finds is that
 * checkpoint, whatever was written after it.  So its map is the right one of a
 * container that was not unmounted, too.  Blocks that were given free wait in a
 * queue, some transactions long, and stay used in the bitmaps until they leave
 * it; so nearly all that older checkpoints refer to is copied as well, and of
 * these no more is whole on the source itself.
 *
 * Used in any case: block 0, the areas of the checkpoints, the space manager's
 * own blocks, the boot loader's first block, the key bags.  Encryption does not
 * matter.  Format: Apple File System Reference.
 */
#include "partclone/filesystem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/apfs.h"

#define LEAST_BLOCK 4096u
#define MOST_BLOCK  65536u
#define SUPER_BYTES 1408u
#define MAX_AREA    16384u	       /* blocks of superblocks and maps */
#define MAX_SPACE   (4u * 1024 * 1024) /* bytes of a space manager */
#define VERSION_2   2u /* the one incompatible feature that is known */
#define FUSION	    0x100u
#define MAP_HEAD    40u
#define MAP_ENTRY   40u
#define MAP_LAST    1u

struct container {
	struct fy_apfs fs;
	unsigned char *super; /* a block: the checkpoint's superblock */
	unsigned char *block; /* a block, to read into */
	uint32_t place;	      /* of that superblock in its area */
	uint32_t area_blocks, data_blocks;
	uint64_t area, data; /* their first blocks */
};

static int
damaged(struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "%s", what);
}

static int
unknown(struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_UNSUPPORTED, 0, "%s", what);
}

static int
read_block(struct container *c, uint64_t block, struct fy_error *err)
{
	return fy_volume_pread(c->fs.volume, c->block, c->fs.block_bytes,
			       block * c->fs.block_bytes, err);
}

/* --- superblocks ---------------------------------------------------------------- */

static bool
is_super(const struct container *c, const unsigned char *block)
{
	return memcmp(block + 32, "NXSB", 4) == 0 &&
	       fy_apfs_is_object(block, c->fs.block_bytes, FY_APFS_SUPER);
}

/* Whether they are of one container: size of blocks, id, and areas. */
static bool
belong_together(const unsigned char *a, const unsigned char *b)
{
	return memcmp(a + 36, b + 36, 4) == 0 &&
	       memcmp(a + 72, b + 72, 16) == 0 &&
	       memcmp(a + 104, b + 104, 24) == 0;
}

/* Whether that many blocks from there are on the volume. */
static bool
is_inside(const struct container *c, uint64_t first, uint64_t count)
{
	uint64_t all = fy_volume_size(c->fs.volume) / c->fs.block_bytes;

	return first < all && count <= all - first;
}

/* By block 0, which is in c->block. */
static int
find_areas(struct container *c, struct fy_error *err)
{
	const unsigned char *b = c->block;

	c->area_blocks = fy_get_le32(b + 104);
	c->data_blocks = fy_get_le32(b + 108);
	c->area = fy_get_le64(b + 112);
	c->data = fy_get_le64(b + 120);
	if (((c->area_blocks | c->data_blocks) >> 31) != 0)
		return unknown(err, "its checkpoints lie in several pieces");
	if (c->area_blocks < 2 || c->area_blocks > MAX_AREA ||
	    c->data_blocks < 1 || !is_inside(c, c->area, c->area_blocks) ||
	    !is_inside(c, c->data, c->data_blocks))
		return damaged(err, "where its checkpoints are makes no sense");
	return 0;
}

/* The newest checkpoint's, to c->super, where block 0 is now. */
static int
find_newest(struct container *c, struct fy_error *err)
{
	uint64_t old = fy_get_le64(c->super + FY_APFS_XID), xid;
	unsigned char *swap;
	uint32_t i, same = 0;

	for (i = 0; i < c->area_blocks; i++) {
		if (fy_stop_check(c->fs.stop, err) == -1 ||
		    read_block(c, c->area + i, err) == -1)
			return -1;
		xid = fy_get_le64(c->block + FY_APFS_XID);
		if (!is_super(c, c->block) || xid < c->fs.xid || xid < old)
			continue;
		if (!belong_together(c->super, c->block))
			return damaged(err, "a checkpoint is of another "
					    "container");
		same = xid == c->fs.xid ? same + 1 : 1;
		c->fs.xid = xid;
		c->place = i;
		swap = c->super;
		c->super = c->block;
		c->block = swap;
	}
	if (same == 0)
		return damaged(err, "no checkpoint is as new as block 0");
	if (same > 1)
		return damaged(err, "there are two newest checkpoints");
	return 0;
}

static int
find_super(struct container *c, struct fy_error *err)
{
	unsigned char head[SUPER_BYTES], *swap;
	uint64_t size = fy_volume_size(c->fs.volume);

	if (size < LEAST_BLOCK)
		return damaged(err, "it is too small");
	if (fy_volume_pread(c->fs.volume, head, sizeof(head), 0, err) == -1)
		return -1;
	c->fs.block_bytes = fy_get_le32(head + 36);
	if (c->fs.block_bytes < LEAST_BLOCK || c->fs.block_bytes > MOST_BLOCK ||
	    !fy_is_power_of_two(c->fs.block_bytes) || c->fs.block_bytes > size)
		return damaged(err, "the size of its blocks makes no sense");
	c->super = malloc(c->fs.block_bytes);
	c->block = malloc(c->fs.block_bytes);
	if (c->super == NULL || c->block == NULL)
		return fy_error_nomem(err);
	if (read_block(c, 0, err) == -1)
		return -1;
	if (!is_super(c, c->block))
		return damaged(err, "the superblock in block 0 has a wrong "
				    "checksum or type");
	if (find_areas(c, err) == -1)
		return -1;
	swap = c->super;
	c->super = c->block;
	c->block = swap;
	return find_newest(c, err);
}

static int
judge_super(struct container *c, struct fy_error *err)
{
	const unsigned char *b = c->super;
	uint64_t incompatible = fy_get_le64(b + 64), bytes;

	if ((incompatible & FUSION) != 0 || !fy_is_zero(b + 1280, 16))
		return unknown(err, "it is a Fusion drive, on two devices");
	if (incompatible != VERSION_2 || fy_get_le64(b + 56) != 0)
		return unknown(err,
			       "it has a version or feature that is not known");
	c->fs.blocks = fy_get_le64(b + 40);
	if (!fy_mul_u64(c->fs.blocks, c->fs.block_bytes, &bytes) ||
	    bytes > fy_volume_size(c->fs.volume))
		return damaged(err, "it claims to reach behind the end of its "
				    "partition");
	return 0;
}

/* --- the checkpoint ---------------------------------------------------------------- */

/* The entry of the space manager in c->block, a block of the checkpoint's map:
 * 1, 0, -1. */
static int
find_entry(struct container *c, uint64_t *ret, uint64_t *ret_bytes,
	   struct fy_error *err)
{
	uint32_t n = fy_get_le32(c->block + 36), i, found = 0;
	uint64_t oid = fy_get_le64(c->super + 152);
	const unsigned char *e = c->block + MAP_HEAD;

	if (n > (c->fs.block_bytes - MAP_HEAD) / MAP_ENTRY)
		return damaged(err, "the checkpoint's map is damaged");
	for (i = 0; i < n; i++, e += MAP_ENTRY) {
		if (fy_get_le64(e + 24) != oid)
			continue;
		if (found++ > 0 || fy_get_le32(e) != FY_APFS_SPACE)
			return damaged(err, "the checkpoint's map is damaged");
		*ret_bytes = fy_get_le32(e + 8);
		*ret = fy_get_le64(e + 32);
	}
	return (int)found;
}

/* Go through the blocks of the checkpoint, of which the superblock is the last:
 * where the space manager is. */
static int
find_space(struct container *c, uint64_t *ret, uint64_t *ret_bytes,
	   struct fy_error *err)
{
	uint32_t first = fy_get_le32(c->super + 136), i, found = 0;
	uint32_t n = fy_get_le32(c->super + 140), last;
	int r;

	if (n < 2 || n > c->area_blocks || first >= c->area_blocks ||
	    ((uint64_t)first + n - 1) % c->area_blocks != c->place)
		return damaged(err, "the checkpoint's place makes no sense");
	for (i = 0; i + 1 < n; i++) {
		uint64_t at = c->area + ((uint64_t)first + i) % c->area_blocks;

		if (read_block(c, at, err) == -1)
			return -1;
		last = fy_get_le32(c->block + 32) & MAP_LAST;
		if (!fy_apfs_is_object(c->block, c->fs.block_bytes,
				       FY_APFS_CHECKPOINT) ||
		    fy_get_le64(c->block + FY_APFS_XID) != c->fs.xid ||
		    (last != 0) != (i + 2 == n))
			return damaged(err, "the checkpoint's map is damaged");
		r = find_entry(c, ret, ret_bytes, err);
		if (r == -1)
			return -1;
		found += (uint32_t)r;
	}
	if (found != 1)
		return damaged(err, "the checkpoint has no space manager, or "
				    "more than one");
	return 0;
}

/* The space manager; the caller frees '*ret'. */
static int
read_space(struct container *c, unsigned char **ret, size_t *ret_len,
	   struct fy_error *err)
{
	uint64_t at = 0, bytes = 0, n;
	uint32_t size = c->fs.block_bytes;
	unsigned char *object;

	if (find_space(c, &at, &bytes, err) == -1)
		return -1;
	n = bytes / size;
	if (bytes % size != 0 || n < 1 || bytes > MAX_SPACE || at < c->data ||
	    at - c->data >= c->data_blocks ||
	    n > c->data_blocks - (at - c->data))
		return damaged(err, "the space manager's place makes no sense");
	object = malloc((size_t)bytes);
	if (object == NULL)
		return fy_error_nomem(err);
	*ret = object;
	*ret_len = (size_t)bytes;
	if (fy_volume_pread(c->fs.volume, object, (size_t)bytes, at * size,
			    err) == -1)
		return -1;
	if (!fy_apfs_is_object(object, (size_t)bytes, FY_APFS_SPACE) ||
	    memcmp(object + FY_APFS_OID, c->super + 152, 8) != 0)
		return damaged(err, "the space manager has a wrong checksum "
				    "or type");
	if (fy_get_le64(object + FY_APFS_XID) != c->fs.xid)
		return damaged(err, "the space manager is not the "
				    "checkpoint's");
	return 0;
}

/* --- the driver ------------------------------------------------------------------------ */

/* What is used whatever the bitmaps say. */
static int
name_own_blocks(struct container *c, struct fy_block_map *map,
		struct fy_error *err)
{
	const unsigned char *b = c->super;
	uint64_t boot = fy_get_le64(b + 1272);

	if (fy_block_map_name(map, 0, 1, err) == -1 ||
	    fy_block_map_name(map, c->area, c->area_blocks, err) == -1 ||
	    fy_block_map_name(map, c->data, c->data_blocks, err) == -1 ||
	    fy_block_map_name(map, fy_get_le64(b + 1296), fy_get_le64(b + 1304),
			      err) == -1 ||
	    fy_block_map_name(map, fy_get_le64(b + 1392), fy_get_le64(b + 1400),
			      err) == -1)
		return -1;
	return fy_block_map_name(map, boot, boot != 0, err);
}

static int
map_container(struct container *c, struct fy_extents *used,
	      struct fy_fs_result *ret, struct fy_error *err)
{
	fy_autofree unsigned char *space = NULL;
	FY_AUTO(block_map) struct fy_block_map *map = NULL;
	size_t len = 0;
	uint64_t denied;

	if (find_super(c, err) == -1 || judge_super(c, err) == -1 ||
	    read_space(c, &space, &len, err) == -1)
		return -1;
	map = fy_block_map_new(used, c->fs.block_bytes, c->fs.blocks, err);
	if (map == NULL || name_own_blocks(c, map, err) == -1 ||
	    fy_apfs_map_space(&c->fs, space, len, map, err) == -1)
		return -1;
	ret->bytes = c->fs.blocks * c->fs.block_bytes;
	denied = fy_block_map_denied(map);
	if (denied > 0) {
		ret->warn = true;
		snprintf(ret->note, sizeof(ret->note),
			 "%" PRIu64 " blocks of the container's own are called "
			 "free; they are copied",
			 denied);
	}
	return 0;
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	struct container c = { .fs.volume = v, .fs.stop = options->stop };
	struct fy_error failure = { 0 };
	int r = map_container(&c, used, ret, &failure);

	free(c.super);
	free(c.block);
	if (r == 0)
		return 0;
	if (failure.code == FY_E_UNSUPPORTED)
		return fy_fs_whole(ret, true, "%.200s", failure.msg);
	if (failure.code == FY_E_FORMAT)
		return fy_fs_whole(ret, true, "damaged: %.200s", failure.msg);
	*err = failure;
	return -1;
}

const struct fy_fs_driver fy_fs_apfs = {
	.name = "apfs",
	.read_map = read_map,
};
