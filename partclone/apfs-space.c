/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * APFS's space manager: chunks of as many blocks as a block has bits.
 *
 * It names blocks of chunks, in a large container by way of blocks with their
 * addresses; a chunk has the number of its free blocks and a bitmap (none: they
 * are all free).  Bitmaps and these blocks lie in the internal pool, which is
 * used as a whole, and are written anew to another of its blocks when they
 * change.  The bitmaps have no checksum: their bits must be as many as the
 * chunk's count, the chunks' counts together the container's.
 *
 * One block of each kind is in memory.  Nothing is read twice: each block has
 * its number in it, each chunk its place.
 */
#include "partclone/apfs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define DEVICE	    48u /* where the first device's numbers are */
#define DEVICE_SIZE 48u
#define SPACE_LEAST 344u
#define BLOCK_HEAD  40u /* of those with chunks and with addresses */
#define CHUNK	    32u
#define COUNT_BITS  0xfffffu /* the rest of a count are flags */

struct space {
	const struct fy_apfs *fs;
	const unsigned char *object;
	size_t len;
	struct fy_block_map *map;
	uint32_t per_chunk, per_cib,
		per_cab; /* blocks; chunks; chunks' blocks */
	uint64_t chunks, free, pool, pool_blocks;
	uint64_t seen_free;
	unsigned char *cibs, *cib, *bits; /* a block each */
};

static int
damaged(struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "%s", what);
}

bool
fy_apfs_is_object(const unsigned char *object, size_t len, uint32_t type)
{
	uint64_t low = 0, high = 0, check_low, check_high;
	size_t at;

	if (fy_get_le32(object + FY_APFS_TYPE) != type)
		return false;
	/* Fletcher's of 64 bits.  Within 16384 words no sum overflows. */
	for (at = 8; at < len; at += 4) {
		low += fy_get_le32(object + at);
		high += low;
		if (at % 65536 == 0) {
			low %= UINT32_MAX;
			high %= UINT32_MAX;
		}
	}
	low %= UINT32_MAX;
	high %= UINT32_MAX;
	check_low = UINT32_MAX - (low + high) % UINT32_MAX;
	check_high = UINT32_MAX - (low + check_low) % UINT32_MAX;
	return fy_get_le64(object) == (check_high << 32 | check_low);
}

/* --- reading ---------------------------------------------------------------------- */

/* A block of the internal pool. */
static int
read_block(struct space *s, uint64_t block, unsigned char *ret,
	   struct fy_error *err)
{
	const struct fy_apfs *fs = s->fs;

	if (block < s->pool || block - s->pool >= s->pool_blocks)
		return damaged(err, "a block of the space manager is not in "
				    "its internal pool");
	return fy_volume_pread(fs->volume, ret, fs->block_bytes,
			       block * fs->block_bytes, err);
}

/* One with addresses or chunks: the 'index'th, with 'count' of them. */
static int
read_list(struct space *s, uint64_t block, uint32_t type, uint64_t index,
	  uint64_t count, unsigned char *ret, struct fy_error *err)
{
	if (fy_stop_check(s->fs->stop, err) == -1 ||
	    read_block(s, block, ret, err) == -1)
		return -1;
	if (!fy_apfs_is_object(ret, s->fs->block_bytes, type))
		return damaged(err, "a block of the space manager has a wrong "
				    "checksum or type");
	if (fy_get_le64(ret + FY_APFS_OID) != block ||
	    fy_get_le64(ret + FY_APFS_XID) > s->fs->xid ||
	    fy_get_le32(ret + 32) != index || fy_get_le32(ret + 36) != count)
		return damaged(err, "a block of the space manager is not the "
				    "one that belongs there");
	return 0;
}

/* --- chunks ------------------------------------------------------------------------- */

/* One that has no bitmap, with 'n' blocks. */
static int
map_plain_chunk(struct space *s, uint64_t n, uint64_t free,
		struct fy_error *err)
{
	/* No bitmap and none free is not known to be written by anyone; that
	 * they are used is on the safe side. */
	if (free == 0)
		return fy_block_map_all(s->map, n, err);
	if (free != n)
		return damaged(err, "a chunk has used blocks, but no bitmap");
	memset(s->bits, 0, s->fs->block_bytes);
	return fy_block_map_window(s->map, s->bits, n, err);
}

static int
map_chunk(struct space *s, const unsigned char *chunk, struct fy_error *err)
{
	uint64_t first = fy_block_map_next(s->map);
	uint64_t n = fy_min_u64(s->per_chunk, s->fs->blocks - first);
	uint64_t free = fy_get_le32(chunk + 20) & COUNT_BITS;
	uint64_t bitmap = fy_get_le64(chunk + 24);

	if (fy_get_le64(chunk) > s->fs->xid ||
	    fy_get_le64(chunk + 8) != first ||
	    (fy_get_le32(chunk + 16) & COUNT_BITS) != n || free > n)
		return damaged(err, "a chunk is not the one that belongs "
				    "there");
	s->seen_free += free;
	if (bitmap == 0)
		return map_plain_chunk(s, n, free, err);
	if (read_block(s, bitmap, s->bits, err) == -1)
		return -1;
	if (fy_count_zero_bits(s->bits, n) != free)
		return damaged(err, "a chunk's bitmap has another number of "
				    "free blocks than the chunk");
	return fy_block_map_window(s->map, s->bits, n, err);
}

/* The 'index'th block of chunks. */
static int
map_cib(struct space *s, uint64_t block, uint64_t index, struct fy_error *err)
{
	uint64_t n = fy_min_u64(s->per_cib, s->chunks - index * s->per_cib), i;

	if (read_list(s, block, FY_APFS_CIB, index, n, s->cib, err) == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (map_chunk(s, s->cib + BLOCK_HEAD + i * CHUNK, err) == -1)
			return -1;
	return 0;
}

/* The 'index'th block of addresses of the 'cibs' blocks of chunks. */
static int
map_cab(struct space *s, uint64_t block, uint64_t index, uint64_t cibs,
	struct fy_error *err)
{
	uint64_t first = index * s->per_cab, i;
	uint64_t n = fy_min_u64(s->per_cab, cibs - first);

	if (read_list(s, block, FY_APFS_CIBS, index, n, s->cibs, err) == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (map_cib(s, fy_get_le64(s->cibs + BLOCK_HEAD + i * 8),
			    first + i, err) == -1)
			return -1;
	return 0;
}

/* --- the space manager ---------------------------------------------------------------- */

static int
map_device(struct space *s, struct fy_error *err)
{
	const unsigned char *d = s->object + DEVICE, *addresses;
	uint64_t cibs = fy_get_le32(d + 16), cabs = fy_get_le32(d + 20), i;
	uint64_t offset = fy_get_le32(d + 32), n = cabs > 0 ? cabs : cibs;
	int r;

	if (fy_get_le64(d) != s->fs->blocks ||
	    fy_get_le64(d + 8) != s->chunks ||
	    cibs != fy_div_up(s->chunks, s->per_cib) ||
	    (cabs != 0 && cabs != fy_div_up(cibs, s->per_cab)))
		return damaged(err, "the space manager's counts of the "
				    "container are wrong");
	if (offset < SPACE_LEAST || offset > s->len ||
	    n > (s->len - offset) / 8)
		return damaged(err, "the space manager has no room for its "
				    "addresses");
	addresses = s->object + offset;
	for (i = 0; i < n; i++) {
		uint64_t block = fy_get_le64(addresses + 8 * i);

		r = cabs > 0 ? map_cab(s, block, i, cibs, err)
			     : map_cib(s, block, i, err);
		if (r == -1)
			return -1;
	}
	if (s->seen_free != s->free)
		return damaged(err, "the chunks have another number of free "
				    "blocks than the space manager");
	return 0;
}

static int
decode(struct space *s, struct fy_error *err)
{
	const unsigned char *o = s->object;
	uint32_t room = s->fs->block_bytes - BLOCK_HEAD;

	if (s->len < SPACE_LEAST)
		return damaged(err, "the space manager is too short");
	s->per_chunk = fy_get_le32(o + 36);
	s->per_cib = fy_get_le32(o + 40);
	s->per_cab = fy_get_le32(o + 44);
	s->free = fy_get_le64(o + DEVICE + 24);
	s->pool_blocks = fy_get_le64(o + 152);
	s->pool = fy_get_le64(o + 176);
	if (!fy_is_zero(o + DEVICE + DEVICE_SIZE, 32))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "it is a Fusion drive, on two devices");
	if (fy_get_le32(o + 32) != s->fs->block_bytes ||
	    s->per_chunk != s->fs->block_bytes * 8 || s->per_cib < 1 ||
	    s->per_cib > room / CHUNK || s->per_cab < 1 ||
	    s->per_cab > room / 8)
		return damaged(err, "the space manager's sizes make no sense");
	s->chunks = fy_div_up(s->fs->blocks, s->per_chunk);
	/* The pool, and the blocks for the bitmap of the pool itself. */
	if (fy_block_map_name(s->map, s->pool, s->pool_blocks, err) == -1 ||
	    fy_block_map_name(s->map, fy_get_le64(o + 168),
			      fy_get_le32(o + 164), err) == -1)
		return -1;
	return 0;
}

int
fy_apfs_map_space(const struct fy_apfs *fs, const unsigned char *object,
		  size_t len, struct fy_block_map *map, struct fy_error *err)
{
	fy_autofree unsigned char *blocks = malloc((size_t)fs->block_bytes * 3);
	struct space s = {
		.fs = fs,
		.object = object,
		.len = len,
		.map = map,
		.cibs = blocks,
	};

	if (blocks == NULL)
		return fy_error_nomem(err);
	s.cib = blocks + fs->block_bytes;
	s.bits = s.cib + fs->block_bytes;
	if (decode(&s, err) == -1)
		return -1;
	return map_device(&s, err);
}
