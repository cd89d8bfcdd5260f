/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XFS: the used map, AG by AG.
 *
 * Each AG has a btree of its free extents sorted by block (bnobt), whose root
 * the AGF names.  It is walked in order with one block per level in memory.
 * Every block must say where it is, of which AG, and who its neighbours are;
 * keys and extents must ascend; what is free must not be the AG's header, the
 * log, or a btree's block, and its sum must be the AGF's.  When anything is
 * wrong, nothing of the AG is free.
 *
 * The blocks on the free list (AGFL), a reserve for the btrees, are in no
 * btree of free space, so they are used.
 */
#include "partclone/xfs-map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define MAX_LEVELS	9
#define MAX_TREE_BLOCKS (4u << 20) /* of one AG */
#define NO_BLOCK	UINT32_MAX

/* Places in the AGF. */
#define AGF_SEQNO     8
#define AGF_LENGTH    12
#define AGF_BNO_ROOT  16
#define AGF_CNT_ROOT  20
#define AGF_RMAP_ROOT 24
#define AGF_BNO_LEVEL 28
#define AGF_FREEBLKS  52
#define AGF_LONGEST   56
#define AGF_UUID      64
#define AGF_REFC_ROOT 88
#define AGF_CRC	      216

/* Places in a btree's block; from BT_BLKNO on in version 5 only. */
#define BT_LEVEL    4
#define BT_NUMRECS  6
#define BT_LEFT	    8
#define BT_RIGHT    12
#define BT_BLKNO    16
#define BT_UUID	    32
#define BT_OWNER    48
#define BT_CRC	    52
#define BT_HEADER_4 16
#define BT_HEADER_5 56

struct level {
	unsigned char *block;
	uint32_t agbno, right; /* of the block; what it says is behind it */
	uint32_t n, next;      /* records or pointers; which comes next */
};

struct walk {
	struct fy_volume *volume;
	const struct fy_xfs *fs;
	const struct fy_stop *stop;
	uint32_t ag, length;
	unsigned char *sector; /* with the AGF */
	struct level levels[MAX_LEVELS];
	unsigned depth;
	/* Blocks that belong to a btree, in any order. */
	uint32_t *tree;
	size_t tree_n, tree_room;
	/* What was found so far: bytes from the AG's start, sorted. */
	struct fy_extents *free;
	uint64_t end, sum, longest; /* in blocks */
};

static int
damaged(struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "%s", what);
}

/* --- the AGF ------------------------------------------------------------------- */

/* Note a block of a btree. */
static int
add_tree_block(struct walk *w, uint32_t block, struct fy_error *err)
{
	size_t room = w->tree_room == 0 ? 64 : w->tree_room * 2;
	uint32_t *grown;

	if (w->tree_n >= w->length || w->tree_n >= MAX_TREE_BLOCKS)
		return damaged(err, "its btree of free space has no end");
	if (w->tree_n == w->tree_room) {
		grown = realloc(w->tree, room * sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		w->tree = grown;
		w->tree_room = room;
	}
	w->tree[w->tree_n++] = block;
	return 0;
}

static bool
is_inside(const struct walk *w, uint32_t block)
{
	return block >= w->fs->header_blocks && block < w->length;
}

/* Read and check the AGF. */
static int
read_agf(struct walk *w, struct fy_error *err)
{
	const struct fy_xfs *fs = w->fs;
	unsigned char *b = w->sector;

	if (fy_volume_pread(w->volume, b, fs->sector_bytes,
			    fy_xfs_place(fs, w->ag, 0) + fs->sector_bytes,
			    err) == -1)
		return -1;
	if (memcmp(b, "XAGF", 4) != 0)
		return damaged(err, "it has no AGF");
	if (!fy_xfs_checksum_is_right(fs, b, fs->sector_bytes, AGF_CRC))
		return damaged(err, "the checksum of its AGF is wrong");
	if (fs->version >= 5 && !fs->ignore_checksums &&
	    memcmp(b + AGF_UUID, fs->uuid, sizeof(fs->uuid)) != 0)
		return damaged(err, "its AGF is another filesystem's");
	if (fy_get_be32(b + 4) != 1 || fy_get_be32(b + AGF_SEQNO) != w->ag ||
	    fy_get_be32(b + AGF_LENGTH) != w->length ||
	    fy_get_be32(b + AGF_FREEBLKS) > w->length ||
	    fy_get_be32(b + AGF_LONGEST) > fy_get_be32(b + AGF_FREEBLKS))
		return damaged(err, "its AGF contradicts the superblock");
	w->depth = fy_get_be32(b + AGF_BNO_LEVEL);
	if (w->depth == 0 || w->depth > MAX_LEVELS)
		return damaged(err, "its btree of free space is too deep");
	return 0;
}

/* The roots of the btrees that aren't walked are no free space either. */
static int
note_roots(struct walk *w, struct fy_error *err)
{
	const size_t places[] = {
		AGF_CNT_ROOT,
		w->fs->has_rmap ? AGF_RMAP_ROOT : 0,
		w->fs->has_reflink ? AGF_REFC_ROOT : 0,
	};
	uint32_t root;
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i] == 0)
			continue;
		root = fy_get_be32(w->sector + places[i]);
		if (!is_inside(w, root))
			return damaged(err, "the root of a btree is outside");
		if (add_tree_block(w, root, err) == -1)
			return -1;
	}
	return 0;
}

/* --- the btree ------------------------------------------------------------------- */

static size_t
header_bytes(const struct walk *w)
{
	return w->fs->version >= 5 ? BT_HEADER_5 : BT_HEADER_4;
}

/* How many records (8 bytes) or keys with pointers (8 and 4) a block holds. */
static uint32_t
capacity(const struct walk *w, unsigned level)
{
	size_t room = w->fs->block_bytes - header_bytes(w);

	return (uint32_t)(room / (level == 0 ? 8 : 12));
}

/* The first block of record or key 'i'. */
static uint32_t
start_of(const struct walk *w, const struct level *l, uint32_t i)
{
	return fy_get_be32(l->block + header_bytes(w) + 8 * (size_t)i);
}

static uint32_t
count_of(const struct walk *w, const struct level *l, uint32_t i)
{
	return fy_get_be32(l->block + header_bytes(w) + 8 * (size_t)i + 4);
}

static uint32_t
pointer_of(const struct walk *w, unsigned level, uint32_t i)
{
	return fy_get_be32(w->levels[level].block + header_bytes(w) +
			   8 * (size_t)capacity(w, level) + 4 * (size_t)i);
}

/* What only version 5 says of itself. */
static int
check_self(const struct walk *w, const unsigned char *b, uint32_t agbno,
	   struct fy_error *err)
{
	const struct fy_xfs *fs = w->fs;

	if (fs->version < 5)
		return 0;
	if (!fy_xfs_checksum_is_right(fs, b, fs->block_bytes, BT_CRC))
		return damaged(err, "a checksum in its btree of free space is "
				    "wrong");
	if (fy_get_be64(b + BT_BLKNO) != fy_xfs_place(fs, w->ag, agbno) / 512 ||
	    fy_get_be32(b + BT_OWNER) != w->ag ||
	    (!fs->ignore_checksums &&
	     memcmp(b + BT_UUID, fs->uuid, sizeof(fs->uuid)) != 0))
		return damaged(err, "a block of its btree of free space "
				    "belongs elsewhere");
	return 0;
}

/* Read block 'agbno' of the btree as the next one of its level. */
static int
load(struct walk *w, unsigned level, uint32_t agbno, struct fy_error *err)
{
	const struct fy_xfs *fs = w->fs;
	struct level *l = &w->levels[level];
	unsigned char *b = l->block;
	bool is_root = level + 1 == w->depth;

	if (w->tree_n % 256 == 0 && fy_stop_check(w->stop, err) == -1)
		return -1;
	if (!is_inside(w, agbno))
		return damaged(err, "its btree of free space points outside");
	if (add_tree_block(w, agbno, err) == -1 ||
	    fy_volume_pread(w->volume, b, fs->block_bytes,
			    fy_xfs_place(fs, w->ag, agbno), err) == -1)
		return -1;
	if (memcmp(b, fs->version >= 5 ? "AB3B" : "ABTB", 4) != 0)
		return damaged(err, "its btree of free space is broken");
	if (check_self(w, b, agbno, err) == -1)
		return -1;
	l->n = fy_get_be16(b + BT_NUMRECS);
	l->next = 0;
	if (fy_get_be16(b + BT_LEVEL) != level || l->n > capacity(w, level) ||
	    (l->n == 0 && !(is_root && level == 0)))
		return damaged(err, "its btree of free space makes no sense");
	/* Left of it is what was there before, and that knows it. */
	if (fy_get_be32(b + BT_LEFT) != l->agbno ||
	    (l->agbno != NO_BLOCK && l->right != agbno))
		return damaged(err, "the chains in its btree of free space are "
				    "broken");
	l->right = fy_get_be32(b + BT_RIGHT);
	l->agbno = agbno;
	return 0;
}

static int
take_record(struct walk *w, uint64_t start, uint64_t count,
	    struct fy_error *err)
{
	const struct fy_xfs *fs = w->fs;
	uint64_t log = fs->log_block;

	if (count == 0 || start < w->end || start + count > w->length)
		return damaged(err,
			       "its free extents overlap or reach outside");
	if (fs->has_log && fs->log_ag == w->ag &&
	    start < log + fs->log_blocks && log < start + count)
		return damaged(err, "its free extents cover the log");
	w->end = start + count;
	w->sum += count;
	w->longest = fy_max_u64(w->longest, count);
	return fy_extents_append(w->free, start * fs->block_bytes,
				 count * fs->block_bytes, err);
}

static int
take_leaf(struct walk *w, struct fy_error *err)
{
	struct level *l = &w->levels[0];

	for (; l->next < l->n; l->next++)
		if (take_record(w, start_of(w, l, l->next),
				count_of(w, l, l->next), err) == -1)
			return -1;
	return 0;
}

/* Go to the next block below 'level', whose first key must be its own. */
static int
descend(struct walk *w, unsigned level, struct fy_error *err)
{
	struct level *l = &w->levels[level];
	uint32_t i = l->next++;

	if (load(w, level - 1, pointer_of(w, level, i), err) == -1)
		return -1;
	if (start_of(w, l, i) != start_of(w, &w->levels[level - 1], 0))
		return damaged(err,
			       "a key in its btree of free space is wrong");
	return 0;
}

/* All of the btree, in order. */
static int
walk_tree(struct walk *w, struct fy_error *err)
{
	unsigned level, top = w->depth - 1;

	for (level = 0; level < w->depth; level++)
		w->levels[level].agbno = w->levels[level].right = NO_BLOCK;
	if (load(w, top, fy_get_be32(w->sector + AGF_BNO_ROOT), err) == -1)
		return -1;
	level = top;
	for (;;) {
		if (level == 0 && take_leaf(w, err) == -1)
			return -1;
		if (w->levels[level].next < w->levels[level].n) {
			if (descend(w, level, err) == -1)
				return -1;
			level--;
		} else if (level == top) {
			break;
		} else {
			level++;
		}
	}
	for (level = 0; level < w->depth; level++)
		if (w->levels[level].right != NO_BLOCK)
			return damaged(err, "the chains in its btree of free "
					    "space are broken");
	return 0;
}

/* --- an AG ------------------------------------------------------------------------ */

static int
by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* No block of a btree may be twice in them, nor be free. */
static int
check_tree_blocks(struct walk *w, struct fy_error *err)
{
	uint64_t size = w->fs->block_bytes, at;
	struct fy_extents_cursor c;
	struct fy_extent x;
	size_t i;
	int r;

	fy_sort(w->tree, w->tree_n, sizeof(*w->tree), by_number);
	for (i = 1; i < w->tree_n; i++)
		if (w->tree[i] == w->tree[i - 1])
			return damaged(err, "a block is in its btrees twice");
	fy_extents_cursor_init(&c, w->free);
	i = 0;
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		for (; i < w->tree_n && w->tree[i] * size < x.offset; i++)
			continue;
		at = i < w->tree_n ? w->tree[i] * size : UINT64_MAX;
		if (at < x.offset + x.length)
			return damaged(err, "its free extents cover a btree");
	}
	return r;
}

/* Find the AG's free extents.  FY_E_FORMAT: they can't be believed. */
static int
read_free(struct walk *w, struct fy_error *err)
{
	w->tree_n = 0;
	w->sum = w->longest = 0;
	w->end = w->fs->header_blocks;
	if (read_agf(w, err) == -1 || note_roots(w, err) == -1 ||
	    walk_tree(w, err) == -1)
		return -1;
	if (w->sum != fy_get_be32(w->sector + AGF_FREEBLKS) ||
	    w->longest != fy_get_be32(w->sector + AGF_LONGEST))
		return damaged(err, "its free extents are not as many as its "
				    "AGF says");
	return check_tree_blocks(w, err);
}

/* Append the AG without its free extents. */
static int
append_used(struct walk *w, struct fy_extents *used, struct fy_error *err)
{
	uint64_t start = fy_xfs_place(w->fs, w->ag, 0), at = 0;
	uint64_t end = (uint64_t)w->length * w->fs->block_bytes;
	struct fy_extents_cursor c;
	struct fy_extent x;
	int r;

	fy_extents_cursor_init(&c, w->free);
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		if (fy_extents_append(used, start + at, x.offset - at, err) ==
		    -1)
			return -1;
		at = x.offset + x.length;
	}
	if (r == -1)
		return -1;
	return fy_extents_append(used, start + at, end - at, err);
}

static int
map_ag(struct walk *w, struct fy_extents *used, struct fy_xfs_map_report *ret,
       struct fy_error *err)
{
	struct fy_error why = { 0 };
	struct fy_extents_mark empty;

	fy_extents_take_mark(w->free, &empty);
	if (read_free(w, &why) == -1) {
		if (why.code != FY_E_FORMAT) {
			*err = why;
			return -1;
		}
		fy_extents_cut(w->free, &empty);
		if (ret->damaged++ == 0) {
			ret->first = w->ag;
			snprintf(ret->why, sizeof(ret->why), "%.150s", why.msg);
		}
	}
	if (append_used(w, used, err) == -1)
		return -1;
	ret->free_bytes += fy_extents_bytes(w->free);
	fy_extents_cut(w->free, &empty);
	return 0;
}

int
fy_xfs_map(struct fy_volume *v, const struct fy_xfs *fs,
	   const struct fy_stop *stop, struct fy_extents *used,
	   struct fy_xfs_map_report *ret, struct fy_error *err)
{
	fy_autoextents struct fy_extents *free_extents = fy_extents_new(err);
	fy_autofree unsigned char *blocks = NULL;
	fy_autofree unsigned char *sector = malloc(fs->sector_bytes);
	struct walk w = { .volume = v, .fs = fs, .stop = stop };
	size_t i;
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	if (free_extents == NULL)
		return -1;
	blocks = calloc(MAX_LEVELS, fs->block_bytes);
	if (blocks == NULL || sector == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < MAX_LEVELS; i++)
		w.levels[i].block = blocks + i * fs->block_bytes;
	w.free = free_extents;
	w.sector = sector;
	for (w.ag = 0; w.ag < fs->ag_count && r == 0; w.ag++) {
		w.length = fy_xfs_ag_length(fs, w.ag);
		r = fy_stop_check(stop, err);
		if (r == 0)
			r = map_ag(&w, used, ret, err);
	}
	free(w.tree);
	return r;
}
