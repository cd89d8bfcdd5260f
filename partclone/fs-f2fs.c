/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * F2FS: the segment information table (SIT) says which blocks of the main area
 * are valid.
 *
 * Used are all areas before the main one (superblocks, checkpoints, SIT, NAT,
 * SSA), the valid blocks of each segment, and what lies behind the last
 * segment.  The block at which each of the six logs goes on is used as well:
 * after a crash F2FS looks there for nodes with the checkpoint's version, and
 * an old one of a target's earlier life would be believed.
 *
 * The counts must agree, as they must for Linux and fsck.f2fs: of each segment
 * with its bitmap, of all nodes and of free segments with the checkpoint.  The
 * checkpoint's count of all blocks includes those that are preallocated and
 * have no place yet, so it may only be higher.  What does not agree is whole.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/f2fs.h"

#define MAP_BYTES  (FY_F2FS_SEGMENT / 8)
#define FIRST_NODE 3u /* type of a segment; those of data are lower */

struct scan {
	struct fy_volume *volume;
	const struct fy_f2fs_super *super;
	const struct fy_f2fs_checkpoint *checkpoint;
	const struct fy_stop *stop;
	struct fy_extents *used;
	uint64_t nodes, blocks, free;
};

static unsigned
count_bits(const unsigned char *map)
{
	unsigned n = 0, i;

	for (i = 0; i < MAP_BYTES; i++)
		n += (unsigned)__builtin_popcount(map[i]);
	return n;
}

/* The later entry of the journal wins, as for Linux. */
static const unsigned char *
entry_of(const struct scan *s, uint32_t segment, const unsigned char *in_table)
{
	const struct fy_f2fs_checkpoint *c = s->checkpoint;
	size_t i;

	for (i = c->n_journal; i > 0; i--)
		if (c->journal_segment[i - 1] == segment)
			return c->journal[i - 1];
	return in_table;
}

static int
append_map(struct scan *s, uint32_t segment, const unsigned char *map,
	   struct fy_error *err)
{
	uint64_t at = s->super->main + (uint64_t)segment * FY_F2FS_SEGMENT;
	size_t i = 0, from;

	while (i < FY_F2FS_SEGMENT) {
		if (!fy_f2fs_bit(map, i)) {
			i += i % 8 == 0 && map[i / 8] == 0 ? 8 : 1;
			continue;
		}
		from = i;
		while (i < FY_F2FS_SEGMENT && fy_f2fs_bit(map, i))
			i++;
		if (fy_extents_append(s->used, (at + from) * FY_F2FS_BLOCK,
				      (i - from) * FY_F2FS_BLOCK, err) == -1)
			return -1;
	}
	return 0;
}

/* 1, 0 (the entry contradicts itself), -1. */
static int
scan_segment(struct scan *s, uint32_t segment, const unsigned char *entry,
	     struct fy_error *err)
{
	unsigned valid = fy_get_le16(entry) & 0x3ff;
	unsigned type = fy_get_le16(entry) >> 10;
	unsigned char map[MAP_BYTES];
	bool current = false;
	unsigned i;

	memcpy(map, entry + 2, sizeof(map));
	if (count_bits(map) != valid || type >= FY_F2FS_LOGS)
		return 0;
	s->blocks += valid;
	if (type >= FIRST_NODE)
		s->nodes += valid;
	for (i = 0; i < FY_F2FS_LOGS; i++) {
		const struct fy_f2fs_log *log = &s->checkpoint->logs[i];

		if (log->segment != segment)
			continue;
		current = true;
		map[log->block / 8] |=
			(unsigned char)(0x80u >> (log->block % 8));
	}
	s->free += valid == 0 && !current;
	return append_map(s, segment, map, err) == -1 ? -1 : 1;
}

/* 1, 0 (the SIT contradicts itself), -1. */
static int
scan_main(struct scan *s, struct fy_error *err)
{
	const struct fy_f2fs_super *f = s->super;
	fy_autofree unsigned char *block = malloc(FY_F2FS_BLOCK);
	uint32_t segment, i;
	uint64_t at;
	int r;

	if (block == NULL)
		return fy_error_nomem(err);
	for (segment = 0; segment < f->segments; segment++) {
		i = segment % FY_F2FS_SIT_ENTRIES;
		if (i == 0) {
			at = (uint64_t)f->sit + segment / FY_F2FS_SIT_ENTRIES;
			if (fy_f2fs_bit(s->checkpoint->sit_bitmap,
					segment / FY_F2FS_SIT_ENTRIES))
				at += f->sit_blocks;
			if (fy_stop_check(s->stop, err) == -1 ||
			    fy_volume_pread(s->volume, block, FY_F2FS_BLOCK,
					    at * FY_F2FS_BLOCK, err) == -1)
				return -1;
		}
		r = scan_segment(
			s, segment,
			entry_of(s, segment,
				 block + (size_t)i * FY_F2FS_SIT_ENTRY),
			err);
		if (r != 1)
			return r;
	}
	return 1;
}

static int
make_map(struct scan *s, struct fy_fs_result *ret, struct fy_error *err)
{
	const struct fy_f2fs_checkpoint *c = s->checkpoint;
	const struct fy_f2fs_super *f = s->super;
	uint64_t end = f->main + (uint64_t)f->segments * FY_F2FS_SEGMENT;
	int r;

	ret->bytes = f->blocks * FY_F2FS_BLOCK;
	if (fy_extents_append(s->used, 0, (uint64_t)f->main * FY_F2FS_BLOCK,
			      err) == -1)
		return -1;
	r = scan_main(s, err);
	if (r == -1)
		return -1;
	if (r == 0)
		return fy_fs_whole(ret, true,
				   "F2FS's segment information table "
				   "contradicts itself");
	if (s->nodes != c->valid_nodes || s->free != c->free_segments ||
	    s->blocks > c->valid_blocks)
		return fy_fs_whole(ret, true,
				   "F2FS's checkpoint counts other blocks than "
				   "its segment information table");
	if (fy_extents_append(s->used, end * FY_F2FS_BLOCK,
			      (f->blocks - end) * FY_F2FS_BLOCK, err) == -1)
		return -1;
	if (f->lone || c->lone) {
		ret->warn = true;
		snprintf(ret->note, sizeof(ret->note), "F2FS's %s is damaged",
			 f->lone ? "second superblock" : "older checkpoint");
	}
	return 0;
}

static int
unclean(const struct fy_fs_map_options *options, const char *why,
	struct fy_fs_result *ret, struct fy_error *err)
{
	if (options->allow_dirty)
		return fy_fs_whole(ret, true, "the F2FS is unclean: %s", why);
	return fy_error_set(err, FY_E_DIRTY, 0,
			    "the filesystem is unclean, so its map is not "
			    "safe: %s; mount and unmount it or run fsck.f2fs "
			    "on it, or allow it to be copied whole "
			    "(--allow-dirty)",
			    why);
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	struct fy_f2fs_checkpoint c = { 0 };
	struct fy_f2fs_super super;
	struct scan s = {
		.volume = v,
		.super = &super,
		.checkpoint = &c,
		.stop = options->stop,
		.used = used,
	};
	const char *why = NULL;
	int r;

	r = fy_f2fs_read_super(v, &super, ret, err);
	if (r == 0 && !ret->whole)
		r = fy_f2fs_read_checkpoint(v, &super, &c, &why, ret, err);
	if (r == 0 && why != NULL)
		r = unclean(options, why, ret, err);
	else if (r == 0 && !ret->whole)
		r = make_map(&s, ret, err);
	free(c.blocks);
	return r;
}

const struct fy_fs_driver fy_fs_f2fs = {
	.name = "f2fs",
	.read_map = read_map,
};
