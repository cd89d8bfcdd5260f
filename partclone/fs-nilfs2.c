/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NILFS2: a log in segments; the segment usage file decides which of them are
 * used, as a whole.
 *
 * The newer of the two superblocks names the last log; that one ends in the
 * super root, with the inodes of the DAT, the checkpoints and the segment
 * usages.  A segment is free only when it has no flag there.  Used in any case
 * is what lies before the first segment's blocks (the superblock), behind the
 * segments (the second superblock), and the segments of the last log, of the
 * next one, and of each block that was read on the way.  The counts in the file's header must
 * be true, else nothing is left out.
 *
 * Mounted, or with a log behind the last one that the superblock knows, it is
 * unclean: a mount would go forward to that log and its super root.  Format:
 * nilfs2_ondisk.h of Linux.
 */
#include "partclone/filesystem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/bytes.h"
#include "partclone/nilfs2.h"

#define SUPER_OFFSET 1024u
#define SUPER_BYTES  1024u
#define SUPER_CRC    16u /* where its checksum is */
#define SUPER_LEAST  0x100u
#define MAGIC	     0x3434
#define REVISION     2
#define RO_KNOWN     1u /* the blocks are counted */
#define STATE_VALID  1u
#define LOG_MAGIC    0x1eaffa11u
#define LOG_HEAD     64u
#define LOG_ROOT     4u /* flag: it ends in a super root */
#define ROOT_HEAD    16u
#define INODE_TREE   56u
#define USAGE_HEAD   24u /* of the segment usage file */
#define MAX_BLOCK    65536u
#define MAX_SEGMENTS (64u * 1024 * 1024)

struct nilfs2 {
	struct fy_nilfs2 files;
	unsigned char super[SUPER_BYTES];
	uint32_t inode_bytes, usage_bytes, seed;
	uint64_t segments, device_bytes, log, sequence;
	uint64_t data; /* the first segment's first block; it begins with 0 */
	unsigned char usage[FY_NILFS2_ROOT];
	uint64_t *usage_blocks; /* of the volume; 0: a hole */
	uint64_t n_usage_blocks, per_block,
		first; /* usages; the first's place */
};

/* A log: one or more of them are a segment. */
struct log {
	uint32_t flags, blocks;
	uint64_t next; /* a block of the next segment */
};

static int
damaged(struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "%s", what);
}

/* Linux's crc32_le(). */
static uint32_t
crc_more(uint32_t crc, const void *data, size_t len)
{
	return ~(uint32_t)crc32(~crc & UINT32_MAX, data, (uInt)len);
}

/* --- superblocks --------------------------------------------------------------- */

static bool
is_super(const unsigned char *b)
{
	static const unsigned char none[4];
	size_t bytes = fy_get_le16(b + 8);
	uint32_t crc;

	if (fy_get_le16(b + 6) != MAGIC || bytes < SUPER_LEAST ||
	    bytes > SUPER_BYTES)
		return false;
	crc = crc_more(fy_get_le32(b + 12), b, SUPER_CRC);
	crc = crc_more(crc, none, 4);
	crc = crc_more(crc, b + SUPER_CRC + 4, bytes - SUPER_CRC - 4);
	return crc == fy_get_le32(b + SUPER_CRC);
}

/* The one with the newer checkpoint.  1; 0 (none is intact, or they are of two
 * filesystems); -1. */
static int
find_super(struct nilfs2 *n, struct fy_error *err)
{
	struct fy_volume *v = n->files.volume;
	uint64_t size = fy_volume_size(v);
	unsigned char second[SUPER_BYTES];
	bool has_first, has_second;

	if (size < 8192)
		return 0;
	if (fy_volume_pread(v, n->super, SUPER_BYTES, SUPER_OFFSET, err) ==
		    -1 ||
	    fy_volume_pread(v, second, SUPER_BYTES,
			    fy_align_down(size, 4096) - 4096, err) == -1)
		return -1;
	has_first = is_super(n->super);
	has_second = is_super(second);
	if (has_first && has_second &&
	    memcmp(n->super + 0x98, second + 0x98, 16) != 0)
		return 0;
	if (has_second && (!has_first || fy_get_le64(second + 0x38) >
						 fy_get_le64(n->super + 0x38)))
		memcpy(n->super, second, sizeof(second));
	return has_first || has_second;
}

static bool
is_known(const unsigned char *b)
{
	return fy_get_le32(b) == REVISION && fy_get_le64(b + 0x100) == 0 &&
	       (fy_get_le64(b + 0x108) & ~(uint64_t)RO_KNOWN) == 0 &&
	       fy_get_le64(b + 0x110) == 0;
}

/* False when the numbers make no sense. */
static bool
decode_sizes(struct nilfs2 *n)
{
	const unsigned char *b = n->super;
	struct fy_nilfs2 *f = &n->files;
	uint32_t log = fy_get_le32(b + 0x14);

	if (log > 6)
		return false;
	f->block_bytes = 1024u << log;
	f->segment_blocks = fy_get_le32(b + 0x30);
	f->dat_entry_bytes = fy_get_le16(b + 0x92);
	n->inode_bytes = fy_get_le16(b + 0x90);
	n->usage_bytes = fy_get_le16(b + 0x96);
	n->segments = fy_get_le64(b + 0x18);
	n->device_bytes = fy_get_le64(b + 0x20);
	n->log = fy_get_le64(b + 0x40);
	n->sequence = fy_get_le64(b + 0x48);
	n->seed = fy_get_le32(b + 12);
	n->data = fy_get_le64(b + 0x28);
	return f->segment_blocks >= 16 && n->segments >= 1 &&
	       n->segments <= MAX_SEGMENTS && f->dat_entry_bytes >= 32 &&
	       f->dat_entry_bytes <= 256 && n->usage_bytes >= 16 &&
	       n->usage_bytes <= 64 && n->inode_bytes >= 128 &&
	       ROOT_HEAD + 3 * n->inode_bytes <= f->block_bytes &&
	       n->data < f->segment_blocks &&
	       n->data * f->block_bytes >= SUPER_OFFSET + SUPER_BYTES;
}

/* NULL, or why there can be no map. */
static const char *
decode_super(struct nilfs2 *n)
{
	struct fy_nilfs2 *f = &n->files;
	uint64_t bytes;

	if (!is_known(n->super))
		return "it has a revision or feature that is not known";
	if (!decode_sizes(n))
		return "the superblock is damaged";
	f->blocks = n->segments * f->segment_blocks;
	if (!fy_mul_u64(f->blocks, f->block_bytes, &bytes) ||
	    bytes > n->device_bytes || n->log >= f->blocks)
		return "the superblock is damaged";
	if (n->device_bytes > fy_volume_size(f->volume))
		return "it claims to reach behind the end of its partition";
	return NULL;
}

/* --- logs ------------------------------------------------------------------------- */

/* The checksum of a log's summary, all but its first 8 of 'bytes' bytes. */
static int
summary_crc(struct nilfs2 *n, uint64_t block, uint64_t bytes, uint32_t *ret,
	    struct fy_error *err)
{
	uint32_t size = n->files.block_bytes, crc = n->seed;
	fy_autofree unsigned char *buffer = malloc(size);
	uint64_t at, len, skip = 8;

	if (buffer == NULL)
		return fy_error_nomem(err);
	for (at = 0; at < bytes; at += size) {
		len = fy_min_u64(size, bytes - at);
		if (fy_volume_pread(n->files.volume, buffer, (size_t)len,
				    block * size + at, err) == -1)
			return -1;
		crc = crc_more(crc, buffer + skip, (size_t)(len - skip));
		skip = 0;
	}
	*ret = crc;
	return 0;
}

/* Whether the log with that sequence number begins at 'block': 1, 0, -1. */
static int
read_log(struct nilfs2 *n, uint64_t block, uint64_t sequence, struct log *ret,
	 struct fy_error *err)
{
	struct fy_nilfs2 *f = &n->files;
	uint64_t room = f->segment_blocks - block % f->segment_blocks, bytes;
	unsigned char head[LOG_HEAD];
	uint32_t crc = 0;

	if (block >= f->blocks)
		return 0;
	if (fy_volume_pread(f->volume, head, sizeof(head),
			    block * f->block_bytes, err) == -1)
		return -1;
	ret->flags = fy_get_le16(head + 14);
	ret->next = fy_get_le64(head + 32);
	ret->blocks = fy_get_le32(head + 40);
	bytes = fy_get_le32(head + 48);
	if (fy_get_le32(head + 8) != LOG_MAGIC ||
	    fy_get_le64(head + 16) != sequence || ret->blocks < 2 ||
	    ret->blocks > room || bytes < LOG_HEAD ||
	    bytes > (ret->blocks - 1) * (uint64_t)f->block_bytes)
		return 0;
	if (summary_crc(n, block, bytes, &crc, err) == -1)
		return -1;
	return crc == fy_get_le32(head + 4);
}

/* The super root, at the end of the last log. */
static int
read_root(struct nilfs2 *n, uint64_t block, struct fy_error *err)
{
	fy_autofree unsigned char *root = malloc(n->files.block_bytes);
	size_t bytes;

	if (root == NULL)
		return fy_error_nomem(err);
	if (fy_nilfs2_read(&n->files, block, root, err) == -1)
		return -1;
	bytes = fy_get_le16(root + 4);
	if (bytes < ROOT_HEAD + 3 * n->inode_bytes ||
	    bytes > n->files.block_bytes ||
	    crc_more(n->seed, root + 4, bytes - 4) != fy_get_le32(root))
		return damaged(err, "the super root is damaged");
	memcpy(n->files.dat, root + ROOT_HEAD + INODE_TREE, FY_NILFS2_ROOT);
	memcpy(n->usage, root + ROOT_HEAD + 2 * n->inode_bytes + INODE_TREE,
	       FY_NILFS2_ROOT);
	return 0;
}

/* Where the block is the first of its segment: behind the superblock in the
 * first one. */
static uint64_t
segment_start(const struct nilfs2 *n, uint64_t block)
{
	uint64_t segment = block / n->files.segment_blocks;

	return segment == 0 ? n->data : segment * n->files.segment_blocks;
}

/* Whether a log follows the last one, in its segment or the next: 1, 0, -1. */
static int
has_newer_log(struct nilfs2 *n, const struct log *last, struct fy_error *err)
{
	uint64_t behind = n->log + last->blocks;
	struct log log;
	int r = 0;

	if (behind % n->files.segment_blocks != 0)
		r = read_log(n, behind, n->sequence, &log, err);
	if (r != 0)
		return r;
	return read_log(n, segment_start(n, last->next), n->sequence + 1, &log,
			err);
}

/* Also names what the last log and the next one use.  '*ret_newer': there is a
 * log that the superblock does not know. */
static int
read_last_log(struct nilfs2 *n, bool *ret_newer, struct fy_error *err)
{
	struct fy_nilfs2 *f = &n->files;
	struct log log;
	int r = read_log(n, n->log, n->sequence, &log, err);

	if (r == -1)
		return -1;
	if (r == 0 || (log.flags & LOG_ROOT) == 0 || log.next >= f->blocks)
		return damaged(err, "the last log is damaged");
	r = has_newer_log(n, &log, err);
	if (r == -1)
		return -1;
	*ret_newer = r == 1;
	if (fy_block_map_name(f->segments, log.next / f->segment_blocks, 1,
			      err) == -1)
		return -1;
	return read_root(n, n->log + log.blocks - 1, err);
}

/* --- the segment usage file -------------------------------------------------------- */

/* Where its blocks are; all of this names segments, so it comes before the
 * first window. */
static int
find_usage_blocks(struct nilfs2 *n, const struct fy_fs_map_options *options,
		  struct fy_error *err)
{
	uint64_t i;
	int r;

	n->per_block = n->files.block_bytes / n->usage_bytes;
	n->first = (USAGE_HEAD + n->usage_bytes - 1) / n->usage_bytes;
	n->n_usage_blocks = (n->first + n->segments - 1) / n->per_block + 1;
	n->usage_blocks =
		calloc((size_t)n->n_usage_blocks, sizeof(*n->usage_blocks));
	if (n->usage_blocks == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < n->n_usage_blocks; i++) {
		if (fy_stop_check(options->stop, err) == -1)
			return -1;
		r = fy_nilfs2_find(&n->files, n->usage, i, &n->usage_blocks[i],
				   err);
		if (r == -1)
			return -1;
		/* The header is in the first one. */
		if (r == 0 && i == 0)
			return damaged(err, "the segment usage file is empty");
		if (r == 1 && fy_nilfs2_read(&n->files, n->usage_blocks[i],
					     n->files.node, err) == -1)
			return -1;
	}
	return 0;
}

/* One block's usages to bits, and a window of segments; 'block' is its content,
 * 'at' its number.  How many are clean is added to '*ret_clean'. */
static int
scan_usage_block(struct nilfs2 *n, const unsigned char *block, uint64_t at,
		 unsigned char *bits, uint64_t *ret_clean, struct fy_error *err)
{
	struct fy_block_map *map = n->files.segments;
	uint64_t first = at == 0 ? n->first : 0, i;
	uint64_t count = fy_min_u64(n->per_block - first,
				    n->segments - fy_block_map_next(map));
	const unsigned char *usage = block + first * n->usage_bytes;

	memset(bits, 0, (size_t)fy_align_up(n->per_block / 8 + 1, 8));
	for (i = 0; i < count; i++, usage += n->usage_bytes) {
		if (fy_get_le32(usage + 12) == 0)
			++*ret_clean;
		else
			bits[i / 8] |= (unsigned char)(1u << i % 8);
	}
	return fy_block_map_window(map, bits, count, err);
}

static int
scan_usages(struct nilfs2 *n, const struct fy_fs_map_options *options,
	    struct fy_error *err)
{
	uint32_t size = n->files.block_bytes;
	fy_autofree unsigned char *block = malloc(size), *bits = NULL;
	uint64_t i, clean = 0, told = 0, told_dirty = 0;

	bits = malloc((size_t)fy_align_up(n->per_block / 8 + 1, 8));
	if (block == NULL || bits == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < n->n_usage_blocks; i++) {
		if (fy_stop_check(options->stop, err) == -1)
			return -1;
		memset(block, 0, size);
		if (n->usage_blocks[i] != 0 &&
		    fy_volume_pread(n->files.volume, block, size,
				    n->usage_blocks[i] * size, err) == -1)
			return -1;
		if (i == 0) {
			told = fy_get_le64(block);
			told_dirty = fy_get_le64(block + 8);
		}
		if (scan_usage_block(n, block, i, bits, &clean, err) == -1)
			return -1;
	}
	if (clean != told || n->segments - clean != told_dirty)
		return damaged(err,
			       "the segment usage file contradicts itself");
	return 0;
}

/* --- the driver ------------------------------------------------------------------------ */

static int
unclean(const struct fy_fs_map_options *options, const char *why,
	struct fy_fs_result *ret, struct fy_error *err)
{
	if (options->allow_dirty)
		return fy_fs_whole(ret, true, "unclean: %s", why);
	return fy_error_set(err, FY_E_DIRTY, 0,
			    "the filesystem is unclean, so its map is not "
			    "safe: %s; mount and unmount it once, or allow it "
			    "to be copied whole (--allow-dirty)",
			    why);
}

static int
map_nilfs2(struct nilfs2 *n, const struct fy_fs_map_options *options,
	   struct fy_extents *used, struct fy_fs_result *ret,
	   struct fy_error *err)
{
	uint64_t end = n->files.blocks * n->files.block_bytes, denied;
	bool newer = false;

	if (read_last_log(n, &newer, err) == -1)
		return -1;
	if (newer)
		return unclean(options,
			       "it has a log that its superblock does "
			       "not know of",
			       ret, err);
	if (find_usage_blocks(n, options, err) == -1 ||
	    fy_extents_append(used, 0, n->data * n->files.block_bytes, err) ==
		    -1 ||
	    scan_usages(n, options, err) == -1 ||
	    fy_extents_append(used, end, n->device_bytes - end, err) == -1)
		return -1;
	ret->bytes = n->device_bytes;
	denied = fy_block_map_denied(n->files.segments);
	if (denied > 0) {
		ret->warn = true;
		snprintf(ret->note, sizeof(ret->note),
			 "%" PRIu64 " segments with the filesystem's own files "
			 "are called free; they are copied",
			 denied);
	}
	return 0;
}

static int
open_and_map(struct nilfs2 *n, const struct fy_fs_map_options *options,
	     struct fy_extents *used, struct fy_fs_result *ret,
	     struct fy_error *err)
{
	struct fy_nilfs2 *f = &n->files;
	int r = -1;

	f->node = malloc(f->block_bytes);
	f->segments = fy_block_map_new(
		used, (uint64_t)f->segment_blocks * f->block_bytes, n->segments,
		err);
	if (f->node == NULL)
		fy_error_nomem(err);
	else if (f->segments != NULL)
		r = map_nilfs2(n, options, used, ret, err);
	fy_block_map_free(f->segments);
	free(f->node);
	free(n->usage_blocks);
	return r;
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	struct nilfs2 n = { .files.volume = v };
	struct fy_error failure = { 0 };
	const char *why;
	int r = find_super(&n, err);

	if (r == -1)
		return -1;
	if (r == 0)
		return fy_fs_whole(ret, true,
				   "no superblock of it is intact, or two do "
				   "not belong together");
	why = decode_super(&n);
	if (why != NULL)
		return fy_fs_whole(ret, true, "%s", why);
	if (fy_get_le16(n.super + 0x74) != STATE_VALID)
		return unclean(options,
			       "it is mounted, was not cleanly "
			       "unmounted, or has errors",
			       ret, err);
	if (open_and_map(&n, options, used, ret, &failure) == 0)
		return 0;
	if (failure.code == FY_E_FORMAT)
		return fy_fs_whole(ret, true, "damaged: %.200s", failure.msg);
	*err = failure;
	return -1;
}

const struct fy_fs_driver fy_fs_nilfs2 = {
	.name = "nilfs2",
	.read_map = read_map,
};
