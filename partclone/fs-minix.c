/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Minix, versions 1, 2 and 3, as Linux (minix_fs.h) lays it out: a superblock,
 * bitmaps of inodes and zones, the inodes, the zones.
 *
 * The zone bitmap says what is used; everything before the first data zone is.
 * Version 3 has no mark of a clean unmount, and the magic numbers are two bytes
 * long, so the bitmap is not believed by itself: all inodes and their indirect
 * zones are read, and each zone that they name must be one, be marked used, and
 * be named once.  That bounds the work, too: no zone is read twice.  What does
 * not fit is whole.
 */
#include "partclone/filesystem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define MAX_ZONES (64u << 20) /* bitmaps of 8 MiB in memory */
#define SUPER_AT  1024u
#define V1	  0x137fu
#define V1_LONG	  0x138fu
#define V2	  0x2468u
#define V2_LONG	  0x2478u
#define V3	  0x4d5au

#define STATE_CLEAN 1u
#define STATE_ERROR 2u

struct minix {
	struct fy_volume *volume;
	const struct fy_stop *stop;
	unsigned version;
	uint32_t block_bytes, inode_bytes;
	uint32_t inodes, zones, first; /* data zone */
	uint32_t imap_blocks, zmap_blocks, log_zone, state;
	unsigned char *imap, *zmap; /* bit i - first + 1 is zone i */
	unsigned char *seen;	    /* bits as in zmap */
};

static bool
get_bit(const unsigned char *map, uint32_t i)
{
	return (map[i / 8] >> (i % 8) & 1) != 0;
}

/* --- the superblock ------------------------------------------------------------ */

static void
decode_old(const unsigned char *b, struct minix *m)
{
	m->version = fy_get_le16(b + 16) < V2 ? 1 : 2;
	m->block_bytes = 1024;
	m->inode_bytes = m->version == 1 ? 32 : 64;
	m->inodes = fy_get_le16(b);
	m->imap_blocks = fy_get_le16(b + 4);
	m->zmap_blocks = fy_get_le16(b + 6);
	m->first = fy_get_le16(b + 8);
	m->log_zone = fy_get_le16(b + 10);
	m->state = fy_get_le16(b + 18);
	m->zones = m->version == 1 ? fy_get_le16(b + 2) : fy_get_le32(b + 20);
}

static void
decode_v3(const unsigned char *b, struct minix *m)
{
	m->version = 3;
	m->inodes = fy_get_le32(b);
	m->imap_blocks = fy_get_le16(b + 6);
	m->zmap_blocks = fy_get_le16(b + 8);
	m->first = fy_get_le16(b + 10);
	m->log_zone = fy_get_le16(b + 12);
	m->zones = fy_get_le32(b + 20);
	m->block_bytes = fy_get_le16(b + 28);
	m->inode_bytes = 64;
	m->state = STATE_CLEAN; /* there is none */
	if (b[30] != 0)
		m->version = 0; /* a revision of Minix's own */
}

static bool
is_old_magic(unsigned magic)
{
	return magic == V1 || magic == V1_LONG || magic == V2 ||
	       magic == V2_LONG;
}

/* NULL, or why it is nothing for us. */
static const char *
check_super(const struct minix *m)
{
	uint64_t bits = (uint64_t)m->block_bytes * 8, table;

	if (m->version == 0)
		return "is of a revision that is not known here";
	if (m->log_zone != 0)
		return "has zones of several blocks";
	if (m->block_bytes < 1024 || m->block_bytes > 32768 ||
	    !fy_is_power_of_two(m->block_bytes))
		return "has blocks of an impossible size";
	table = ((uint64_t)m->inodes * m->inode_bytes + m->block_bytes - 1) /
		m->block_bytes;
	if (m->inodes == 0 || m->zones <= m->first ||
	    m->first < 2 + m->imap_blocks + m->zmap_blocks + table ||
	    m->imap_blocks * bits < (uint64_t)m->inodes + 1 ||
	    m->zmap_blocks * bits < (uint64_t)m->zones - m->first + 1)
		return "contradicts itself";
	if (m->zones > MAX_ZONES)
		return "is too large for its map to be proven";
	if (m->zones > fy_volume_size(m->volume) / m->block_bytes)
		return "claims to reach behind the end of its partition";
	return NULL;
}

/* 0, 'ret' perhaps whole; -1. */
static int
open_minix(struct fy_volume *v, struct minix *m, struct fy_fs_result *ret,
	   struct fy_error *err)
{
	unsigned char b[32];
	const char *wrong;

	if (fy_volume_size(v) < SUPER_AT + sizeof(b))
		return fy_fs_whole(ret, true, "the Minix volume is cut off");
	if (fy_volume_pread(v, b, sizeof(b), SUPER_AT, err) == -1)
		return -1;
	if (is_old_magic(fy_get_le16(b + 16)))
		decode_old(b, m);
	else if (fy_get_le16(b + 24) == V3)
		decode_v3(b, m);
	else if (is_old_magic(fy_get_be16(b + 16)) || fy_get_be16(b + 24) == V3)
		return fy_fs_whole(ret, false,
				   "a Minix filesystem of the other byte "
				   "order, whose bitmaps have no one form");
	else
		return fy_fs_whole(ret, true, "Minix's superblock is gone");
	wrong = check_super(m);
	if (wrong != NULL)
		return fy_fs_whole(ret, true, "the Minix filesystem %s", wrong);
	return 0;
}

/* --- the bitmaps ---------------------------------------------------------------- */

/* As many of the map's bytes as hold 'bits', from block 'at' on. */
static int
read_map_blocks(const struct minix *m, uint64_t at, uint64_t bits,
		unsigned char **ret, struct fy_error *err)
{
	size_t len = (size_t)(bits / 8 + 1);

	*ret = malloc(len);
	if (*ret == NULL)
		return fy_error_nomem(err);
	/* The checks of the superblock have it that they are there. */
	(*ret)[len - 1] = 0;
	return fy_volume_pread(m->volume, *ret, (size_t)((bits + 7) / 8),
			       at * m->block_bytes, err);
}

static int
read_maps(struct minix *m, struct fy_error *err)
{
	uint64_t zbits = (uint64_t)m->zones - m->first + 1;

	m->seen = calloc(1, (size_t)(zbits / 8 + 1));
	if (m->seen == NULL)
		return fy_error_nomem(err);
	if (read_map_blocks(m, 2, (uint64_t)m->inodes + 1, &m->imap, err) == -1)
		return -1;
	return read_map_blocks(m, 2 + (uint64_t)m->imap_blocks, zbits, &m->zmap,
			       err);
}

/* --- the inodes ------------------------------------------------------------------- */

/* A zone is named: true when it is one, marked used, and named the first
 * time. */
static bool
name_zone(struct minix *m, uint32_t zone)
{
	uint32_t bit;

	if (zone < m->first || zone >= m->zones)
		return false;
	bit = zone - m->first + 1;
	if (!get_bit(m->zmap, bit) || get_bit(m->seen, bit))
		return false;
	m->seen[bit / 8] |= (unsigned char)(1u << (bit % 8));
	return true;
}

static uint32_t
get_zone(const struct minix *m, const unsigned char *p, uint32_t i)
{
	return m->version == 1 ? fy_get_le16(p + 2 * (size_t)i)
			       : fy_get_le32(p + 4 * (size_t)i);
}

/* A zone and what it leads to over 'depth' levels (0: data).  1, 0 (the map
 * is wrong), -1. */
static int
walk_zone(struct minix *m, uint32_t zone, unsigned depth, struct fy_error *err)
{
	uint32_t n = m->block_bytes / (m->version == 1 ? 2 : 4), i, next;
	fy_autofree unsigned char *block = NULL;
	int r = 1;

	if (zone == 0)
		return 1;
	if (!name_zone(m, zone))
		return 0;
	if (depth == 0)
		return 1;
	block = malloc(m->block_bytes);
	if (block == NULL)
		return fy_error_nomem(err);
	if (fy_stop_check(m->stop, err) == -1 ||
	    fy_volume_pread(m->volume, block, m->block_bytes,
			    (uint64_t)zone * m->block_bytes, err) == -1)
		return -1;
	for (i = 0; r == 1 && i < n; i++) {
		next = get_zone(m, block, i);
		r = walk_zone(m, next, depth - 1, err);
	}
	return r;
}

static bool
has_zones(unsigned mode)
{
	unsigned kind = mode & 0170000;

	return kind == 0100000 || kind == 0040000 || kind == 0120000;
}

/* 1, 0 (it contradicts the maps), -1. */
static int
walk_inode(struct minix *m, const unsigned char *inode, bool in_map,
	   struct fy_error *err)
{
	unsigned links = m->version == 1 ? inode[13] : fy_get_le16(inode + 2);
	unsigned direct = 7, levels = m->version == 1 ? 2 : 3, i;
	const unsigned char *zones = inode + (m->version == 1 ? 14 : 24);
	int r = 1;

	if (!in_map)
		return links == 0;
	if (!has_zones(fy_get_le16(inode)))
		return 1;
	for (i = 0; r == 1 && i < direct + levels; i++)
		r = walk_zone(m, get_zone(m, zones, i),
			      i < direct ? 0 : i - direct + 1, err);
	return r;
}

static int
walk_inodes(struct minix *m, struct fy_error *err)
{
	uint64_t at = 2 + (uint64_t)m->imap_blocks + m->zmap_blocks;
	uint32_t n = m->block_bytes / m->inode_bytes, i;
	fy_autofree unsigned char *block = malloc(m->block_bytes);
	int r = 1;

	if (block == NULL)
		return fy_error_nomem(err);
	for (i = 0; r == 1 && i < m->inodes; i++) {
		if (i % n == 0) {
			if (fy_stop_check(m->stop, err) == -1 ||
			    fy_volume_pread(m->volume, block, m->block_bytes,
					    (at + i / n) * m->block_bytes,
					    err) == -1)
				return -1;
		}
		r = walk_inode(m, block + (size_t)(i % n) * m->inode_bytes,
			       get_bit(m->imap, i + 1), err);
	}
	return r;
}

/* --- the map --------------------------------------------------------------------- */

static int
append_zones(const struct minix *m, struct fy_extents *used,
	     struct fy_error *err)
{
	uint32_t n = m->zones - m->first, i = 0, from;

	if (fy_extents_append(used, 0, (uint64_t)m->first * m->block_bytes,
			      err) == -1)
		return -1;
	while (i < n) {
		if (!get_bit(m->zmap, i + 1)) {
			i++;
			continue;
		}
		from = i;
		while (i < n && get_bit(m->zmap, i + 1))
			i++;
		if (fy_extents_append(
			    used, ((uint64_t)m->first + from) * m->block_bytes,
			    (uint64_t)(i - from) * m->block_bytes, err) == -1)
			return -1;
	}
	return 0;
}

static int
make_map(struct minix *m, struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	int r;

	if (read_maps(m, err) == -1)
		return -1;
	if (!get_bit(m->imap, 0) || !get_bit(m->imap, 1) ||
	    !get_bit(m->zmap, 0))
		return fy_fs_whole(ret, true,
				   "Minix's bitmaps lack what is always in "
				   "use");
	r = walk_inodes(m, err);
	if (r == -1)
		return -1;
	if (r == 0)
		return fy_fs_whole(ret, true,
				   "Minix's inodes and bitmaps contradict each "
				   "other: fsck.minix should see it");
	ret->bytes = (uint64_t)m->zones * m->block_bytes;
	return append_zones(m, used, err);
}

static int
unclean(const struct fy_fs_map_options *options, struct fy_fs_result *ret,
	struct fy_error *err)
{
	static const char why[] = "it was not unmounted, or has errors";

	if (options->allow_dirty)
		return fy_fs_whole(ret, true,
				   "the Minix filesystem is unclean: %s", why);
	return fy_error_set(err, FY_E_DIRTY, 0,
			    "the filesystem is unclean, so its map is not "
			    "safe: %s; run fsck.minix on it, or allow it to "
			    "be copied whole (--allow-dirty)",
			    why);
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	struct minix m = { .volume = v, .stop = options->stop };
	int r;

	r = open_minix(v, &m, ret, err);
	if (r == 0 && !ret->whole) {
		if ((m.state & (STATE_CLEAN | STATE_ERROR)) != STATE_CLEAN)
			r = unclean(options, ret, err);
		else
			r = make_map(&m, used, ret, err);
	}
	free(m.imap);
	free(m.zmap);
	free(m.seen);
	return r;
}

const struct fy_fs_driver fy_fs_minix = {
	.name = "minix",
	.read_map = read_map,
};
