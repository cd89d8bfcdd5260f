/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ext2/3/4: the used map, group by group.
 *
 * libext2fs's own ext2fs_read_bitmaps builds a tree over all groups; here each
 * group's bitmap is read (several at once where flex_bg put them side by
 * side), checked and turned into ranges, so that memory is bounded by the
 * group descriptors.  Three lists make the map:
 *
 *   bitmaps   what the bitmaps call used; nothing for BLOCK_UNINIT groups
 *   bad       data blocks of the bad-block inode
 *   metadata  the tables of every group, and superblock and descriptors where
 *             no bitmap tells about them
 *
 *   used = (bitmaps - bad) + metadata
 */
#include "partclone/ext-map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define WINDOW_BYTES (256 * 1024)
#define MAX_PIECES   (4u << 20) /* of metadata */
#define MAX_BAD	     (1u << 20) /* blocks on the bad-block list */

struct piece {
	uint64_t block, count;
};

struct pieces {
	struct piece *items;
	size_t n, room;
};

struct map {
	ext2_filsys fs;
	bool strict, has_checksum;
	uint64_t first, end; /* blocks of the filesystem */
	struct fy_extents *used;
	struct fy_ext_map_report *report;
	/* Bitmap blocks in memory. */
	unsigned char *window;
	uint64_t window_block, window_count, window_room;
	struct pieces pieces;
};

/* --- metadata ----------------------------------------------------------------- */

/* Add blocks, cut to the filesystem. */
static int
add_piece(struct map *m, uint64_t block, uint64_t count, struct fy_error *err)
{
	struct pieces *p = &m->pieces;
	struct piece *last = p->n > 0 ? &p->items[p->n - 1] : NULL;

	if (block < m->first || block >= m->end)
		return 0;
	count = fy_min_u64(count, m->end - block);
	if (last != NULL && block == last->block + last->count) {
		last->count += count;
		return 0;
	}
	if (p->n == p->room) {
		size_t room = p->room == 0 ? 64 : p->room * 2;
		struct piece *grown;

		if (p->n >= MAX_PIECES)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "the metadata lies in more than "
					    "%u pieces",
					    MAX_PIECES);
		grown = realloc(p->items, room * sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		p->items = grown;
		p->room = room;
	}
	p->items[p->n++] = (struct piece){ block, count };
	return 0;
}

static bool
descriptor_is_right(const struct map *m, dgrp_t group)
{
	return !m->has_checksum || ext2fs_group_desc_csum_verify(m->fs, group);
}

static bool
is_uninit(const struct map *m, dgrp_t group)
{
	return m->has_checksum &&
	       ext2fs_bg_flags_test(m->fs, group, EXT2_BG_BLOCK_UNINIT);
}

/* The superblock's and the descriptors' copy in a group, as
 * ext2fs_reserve_super_and_bgd reserves them. */
static int
add_super(struct map *m, dgrp_t group, struct fy_error *err)
{
	struct ext2_super_block *sb = m->fs->super;
	blk64_t super, old_desc, new_desc;
	uint64_t old_count;
	errcode_t code;

	code = ext2fs_super_and_bgd_loc2(m->fs, group, &super, &old_desc,
					 &new_desc, NULL);
	if (code != 0)
		return fy_ext_error(m->fs, code, err, "group %u",
				    (unsigned)group);
	if (ext2fs_has_feature_meta_bg(sb))
		old_count = sb->s_first_meta_bg;
	else
		old_count = m->fs->desc_blocks + sb->s_reserved_gdt_blocks;
	if ((super != 0 || group == 0) && add_piece(m, super, 1, err) == -1)
		return -1;
	if (old_desc != 0 && add_piece(m, old_desc, old_count, err) == -1)
		return -1;
	return new_desc != 0 ? add_piece(m, new_desc, 1, err) : 0;
}

/* The pieces of all groups.  One kind after the other: with flex_bg those of
 * neighbours touch. */
static int
collect_pieces(struct map *m, struct fy_error *err)
{
	ext2_filsys fs = m->fs;
	dgrp_t g, n = fs->group_desc_count;

	for (g = 0; g < n; g++)
		if (descriptor_is_right(m, g) &&
		    add_piece(m, ext2fs_block_bitmap_loc(fs, g), 1, err) == -1)
			return -1;
	for (g = 0; g < n; g++)
		if (descriptor_is_right(m, g) &&
		    add_piece(m, ext2fs_inode_bitmap_loc(fs, g), 1, err) == -1)
			return -1;
	for (g = 0; g < n; g++)
		if (descriptor_is_right(m, g) &&
		    add_piece(m, ext2fs_inode_table_loc(fs, g),
			      fs->inode_blocks_per_group, err) == -1)
			return -1;
	for (g = 0; g < n; g++)
		if ((g == 0 || is_uninit(m, g)) && add_super(m, g, err) == -1)
			return -1;
	return 0;
}

static int
by_block(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return x->block < y->block ? -1 : x->block > y->block;
}

/* Sorted pieces as extents. */
static int
append_pieces(const struct map *m, struct pieces *p, struct fy_extents *ret,
	      struct fy_error *err)
{
	uint64_t size = m->fs->blocksize, end = 0, from, to;
	size_t i;

	fy_sort(p->items, p->n, sizeof(*p->items), by_block);
	for (i = 0; i < p->n; i++) {
		from = fy_max_u64(p->items[i].block, end);
		to = p->items[i].block + p->items[i].count;
		if (from >= to)
			continue;
		if (fy_extents_append(ret, from * size, (to - from) * size,
				      err) == -1)
			return -1;
		end = to;
	}
	return 0;
}

/* --- bitmaps -------------------------------------------------------------------- */

static int
append_blocks(struct map *m, uint64_t block, uint64_t count,
	      struct fy_error *err)
{
	if (block >= m->end)
		return 0;
	count = fy_min_u64(count, m->end - block);
	return fy_extents_append(m->used, block * m->fs->blocksize,
				 count * m->fs->blocksize, err);
}

static int
append_group(struct map *m, dgrp_t group, struct fy_error *err)
{
	uint64_t from = ext2fs_group_first_block2(m->fs, group);

	return append_blocks(m, from, m->fs->super->s_blocks_per_group, err);
}

/* The block with a group's bitmap; '*ret' points into the window.  Those of
 * the groups behind are read along when they lie behind it. */
static int
load_bitmap(struct map *m, dgrp_t group, const unsigned char **ret,
	    struct fy_error *err)
{
	ext2_filsys fs = m->fs;
	uint64_t block = ext2fs_block_bitmap_loc(fs, group);
	uint64_t n = 1;
	errcode_t code;

	if (block < m->window_block ||
	    block >= m->window_block + m->window_count) {
		while (n < m->window_room && group + n < fs->group_desc_count &&
		       block + n < m->end &&
		       ext2fs_block_bitmap_loc(fs, (dgrp_t)(group + n)) ==
			       block + n)
			n++;
		m->window_count = 0;
		code = io_channel_read_blk64(fs->io, block, (int)n, m->window);
		if (code != 0)
			return fy_ext_error(fs, code, err,
					    "block bitmap of group %u",
					    (unsigned)group);
		m->window_block = block;
		m->window_count = n;
	}
	*ret = m->window + (block - m->window_block) * fs->blocksize;
	return 0;
}

static bool
get_bit(const unsigned char *bits, uint64_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

/* The first bit from 'i' on that is 'value', or 'n'. */
static uint64_t
find_bit(const unsigned char *bits, uint64_t i, uint64_t n, bool value)
{
	uint64_t same = value ? 0 : UINT64_MAX;

	while (i < n) {
		if (i % 64 == 0 && i + 64 <= n &&
		    fy_get_le64(bits + i / 8) == same) {
			i += 64;
			continue;
		}
		if (get_bit(bits, i) == value)
			return i;
		i++;
	}
	return n;
}

static uint64_t
count_used(const unsigned char *bits, uint64_t n)
{
	uint64_t i, used = 0;

	for (i = 0; i + 64 <= n; i += 64)
		used += (uint64_t)__builtin_popcountll(
			fy_get_le64(bits + i / 8));
	for (; i < n; i++)
		used += get_bit(bits, i);
	return used;
}

/* Whether checksum and free count of the descriptor agree with the bitmap. */
static bool
bitmap_is_right(const struct map *m, dgrp_t group, const unsigned char *bits,
		uint64_t clusters)
{
	ext2_filsys fs = m->fs;
	int bytes = (int)(fs->super->s_clusters_per_group / 8);

	if (!ext2fs_block_bitmap_csum_verify(fs, group, (char *)(uintptr_t)bits,
					     bytes))
		return false;
	return clusters - count_used(bits, clusters) ==
	       ext2fs_bg_free_blocks_count(fs, group);
}

static int
map_bits(struct map *m, dgrp_t group, const unsigned char *bits,
	 uint64_t clusters, struct fy_error *err)
{
	uint64_t first = ext2fs_group_first_block2(m->fs, group);
	int shift = m->fs->cluster_ratio_bits;
	uint64_t from, to = 0;

	for (;;) {
		from = find_bit(bits, to, clusters, true);
		if (from == clusters)
			return 0;
		to = find_bit(bits, from, clusters, false);
		if (append_blocks(m, first + (from << shift),
				  (to - from) << shift, err) == -1)
			return -1;
	}
}

static int
map_group(struct map *m, dgrp_t group, struct fy_error *err)
{
	ext2_filsys fs = m->fs;
	uint64_t first = ext2fs_group_first_block2(fs, group);
	uint64_t blocks = fs->super->s_blocks_per_group, clusters, location;
	const unsigned char *bits = NULL;

	blocks = fy_min_u64(blocks, m->end - first);
	clusters = (blocks + (uint64_t)EXT2FS_CLUSTER_MASK(fs)) >>
		   fs->cluster_ratio_bits;
	location = ext2fs_block_bitmap_loc(fs, group);
	if (!descriptor_is_right(m, group)) {
		m->report->damaged_groups++;
		return append_group(m, group, err);
	}
	if (is_uninit(m, group))
		return 0;
	if (location < m->first || location >= m->end) {
		m->report->damaged_groups++;
		return append_group(m, group, err);
	}
	if (load_bitmap(m, group, &bits, err) == -1)
		return -1;
	if (m->strict && !bitmap_is_right(m, group, bits, clusters)) {
		m->report->damaged_groups++;
		return append_group(m, group, err);
	}
	return map_bits(m, group, bits, clusters, err);
}

/* --- the bad-block list ---------------------------------------------------------- */

struct bad_list {
	struct map *map;
	struct pieces pieces;
	bool failed;
};

static int
take_bad(ext2_filsys fs, blk64_t *block, e2_blkcnt_t count, blk64_t ref_block,
	 int ref_offset, void *ctx)
{
	struct bad_list *list = ctx;
	struct pieces *p = &list->pieces;
	struct piece *grown;
	size_t room;

	(void)fs;
	(void)ref_block;
	(void)ref_offset;
	if (count < 0)
		return 0;
	if (*block < list->map->first || *block >= list->map->end ||
	    p->n >= MAX_BAD) {
		list->failed = true;
		return BLOCK_ABORT;
	}
	if (p->n == p->room) {
		room = p->room == 0 ? 64 : p->room * 2;
		grown = realloc(p->items, room * sizeof(*grown));
		if (grown == NULL) {
			list->failed = true;
			return BLOCK_ABORT;
		}
		p->items = grown;
		p->room = room;
	}
	p->items[p->n++] = (struct piece){ *block, 1 };
	return 0;
}

/* Append the blocks on the bad-block list.  A list that can't be read, or that
 * is too long to be true, is taken as empty: then everything is read. */
static int
collect_bad(struct map *m, struct fy_extents *ret, struct fy_error *err)
{
	struct bad_list list = { .map = m };
	struct ext2_inode inode;
	int r = 0;

	if (ext2fs_read_inode(m->fs, EXT2_BAD_INO, &inode) != 0 ||
	    (inode.i_flags & EXT4_EXTENTS_FL) ||
	    inode.i_block[EXT2_TIND_BLOCK] != 0)
		return 0;
	if (ext2fs_block_iterate3(m->fs, EXT2_BAD_INO, BLOCK_FLAG_READ_ONLY,
				  NULL, take_bad, &list) == 0 &&
	    !list.failed)
		r = append_pieces(m, &list.pieces, ret, err);
	free(list.pieces.items);
	return r;
}

/* --- all together ------------------------------------------------------------------ */

static int
map_groups(struct map *m, const struct fy_stop *stop, struct fy_error *err)
{
	dgrp_t g;

	for (g = 0; g < m->fs->group_desc_count; g++) {
		if (g % 64 == 0 && fy_stop_check(stop, err) == -1)
			return -1;
		if (map_group(m, g, err) == -1)
			return -1;
	}
	return 0;
}

static int
combine(struct map *m, const struct fy_extents *bitmaps,
	struct fy_extents *used, struct fy_error *err)
{
	fy_autoextents struct fy_extents *bad = fy_extents_new(err);
	fy_autoextents struct fy_extents *metadata = fy_extents_new(err);
	fy_autoextents struct fy_extents *without = NULL;
	uint64_t before = fy_extents_bytes(bitmaps);

	if (bad == NULL || metadata == NULL || collect_bad(m, bad, err) == -1 ||
	    append_pieces(m, &m->pieces, metadata, err) == -1)
		return -1;
	/* The boot block, which no bitmap knows when blocks are 1 KiB. */
	if (fy_extents_append(used, 0, m->first * m->fs->blocksize, err) == -1)
		return -1;
	if (fy_extents_count(bad) == 0)
		return fy_extents_union(bitmaps, metadata, used, err);
	without = fy_extents_new(err);
	if (without == NULL ||
	    fy_extents_subtract(bitmaps, bad, without, err) == -1)
		return -1;
	m->report->bad_bytes = before - fy_extents_bytes(without);
	return fy_extents_union(without, metadata, used, err);
}

static int
check_geometry(const struct map *m, struct fy_error *err)
{
	struct ext2_super_block *sb = m->fs->super;
	uint64_t groups;

	if (sb->s_clusters_per_group == 0 ||
	    sb->s_clusters_per_group % 8 != 0 ||
	    sb->s_clusters_per_group / 8 > m->fs->blocksize ||
	    (uint64_t)sb->s_clusters_per_group << m->fs->cluster_ratio_bits !=
		    sb->s_blocks_per_group ||
	    m->first >= m->end)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the superblock contradicts itself");
	groups = (m->end - m->first + sb->s_blocks_per_group - 1) /
		 sb->s_blocks_per_group;
	if (groups != m->fs->group_desc_count)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%" PRIu64 " groups are needed, %u are "
				    "there",
				    groups, (unsigned)m->fs->group_desc_count);
	return 0;
}

int
fy_ext_map(ext2_filsys fs, bool strict, const struct fy_stop *stop,
	   struct fy_extents *used, struct fy_ext_map_report *ret,
	   struct fy_error *err)
{
	fy_autoextents struct fy_extents *bitmaps = NULL;
	fy_autofree unsigned char *window = NULL;
	struct map m = {
		.fs = fs,
		.strict = strict,
		.has_checksum = ext2fs_has_group_desc_csum(fs),
		.first = fs->super->s_first_data_block,
		.end = ext2fs_blocks_count(fs->super),
		.report = ret,
	};
	int r = -1;

	memset(ret, 0, sizeof(*ret));
	if (check_geometry(&m, err) == -1)
		return -1;
	m.window_room = fy_max_u64(1, WINDOW_BYTES / fs->blocksize);
	window = malloc(m.window_room * fs->blocksize);
	bitmaps = fy_extents_new(err);
	if (window == NULL || bitmaps == NULL)
		return fy_error_nomem(err);
	m.window = window;
	m.used = bitmaps;
	if (collect_pieces(&m, err) == 0 && map_groups(&m, stop, err) == 0)
		r = combine(&m, bitmaps, used, err);
	free(m.pieces.items);
	return r;
}
