/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JFS (of Linux and OS/2): the block allocation map, a file of the aggregate's
 * inode 2, decides.
 *
 * Its 4 KiB pages are: a control page, three levels of summaries, and the
 * dmaps, each with two bitmaps of 8192 blocks: the working map (what is
 * allocated now) and the persistent map (what is allocated by committed
 * transactions).  A block is free only when both say so.  A dmap that
 * contradicts its own numbers costs its 8192 blocks; the summaries are not
 * believed.  The map's pages are found through the inode's extent tree; they,
 * the tree, the first 64 KiB (superblocks, first inodes) and the second inode
 * table are used whatever the map says.  Behind the mapped blocks lie fsck's
 * workspace and the log, which are used as a whole.
 *
 * What was not cleanly unmounted is not mapped: the log may hold the newest
 * allocations.  Format: the headers of the Linux driver (fs/jfs) and of
 * jfsutils.
 */
#include "partclone/filesystem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "partclone/block-map.h"

#define SUPER_OFFSET 32768
#define SUPER_BYTES  184
#define INODE_OFFSET (0xb000 + 2 * 512) /* of the map's inode */
#define INODE_BYTES  512
#define ROOT_OFFSET  224 /* of the extent tree, in the inode */
#define PAGE	     4096u
#define FIXED_BLOCKS 16u /* what lies at fixed places */
#define DMAP_BLOCKS  8192u
#define READ_PAGES   64u
#define MAX_DEPTH    8
#define MAX_PAGES    65536u	   /* of the extent tree */
#define MAX_PIECES   (256u * 1024) /* of the map's file */
#define MAX_BLOCKS   (UINT64_C(1) << 40)

#define VERSION_MAX   2
#define STATE_CLEAN   0
#define FLAG_INLINE   0x00000800u /* the log is in here */
#define FLAG_BAD_SAIT 0x00010000u /* the second inode table is damaged */
/* unicode, what to do on errors, quotas, commit, log, sparse, DASD limits, byte
 * order of the machine, directory index, platforms (not AIX) */
#define FLAGS_KNOWN 0x703f1fffu

#define PAGE_LEAF     2
#define PAGE_INTERNAL 4
#define XAD_UNWRITTEN 8

/* Blocks of the volume, as a descriptor names them. */
struct pxd {
	uint64_t first, count;
};

/* Consecutive pages of the map's file. */
struct piece {
	uint64_t page, count, block;
};

struct jfs {
	struct fy_volume *volume;
	uint32_t block_bytes, version, flags, state, compress;
	struct pxd inodes2, inode_map2, log, fsck;
	uint64_t blocks; /* that are mapped */
	uint64_t end;	 /* blocks, with workspace and log */
	struct piece *pieces;
	size_t n_pieces, room, tree_pages;
	struct fy_block_map *map;
	uint64_t damaged; /* dmaps */
};

static struct pxd
get_pxd(const unsigned char *p)
{
	uint32_t head = fy_get_le32(p);

	return (struct pxd){
		.first = (uint64_t)(head >> 24) << 32 | fy_get_le32(p + 4),
		.count = head & 0xffffff,
	};
}

/* --- the superblock ------------------------------------------------------------ */

/* The end of 'pxd' when that is further than 'end'. */
static uint64_t
further(uint64_t end, struct pxd pxd)
{
	return pxd.count == 0 ? end : fy_max_u64(end, pxd.first + pxd.count);
}

/* NULL, or why there can be no map. */
static const char *
decode_super(const unsigned char *b, struct jfs *j)
{
	uint32_t sector = fy_get_le32(b + 24), per_block;

	j->version = fy_get_le32(b + 4);
	j->block_bytes = fy_get_le32(b + 16);
	j->flags = fy_get_le32(b + 36);
	j->state = fy_get_le32(b + 40);
	j->compress = fy_get_le32(b + 44);
	j->inodes2 = get_pxd(b + 48);
	j->inode_map2 = get_pxd(b + 56);
	j->log = get_pxd(b + 72);
	j->fsck = get_pxd(b + 80);
	if (j->version == 0 || j->version > VERSION_MAX)
		return "its version is not known";
	if ((j->flags & ~FLAGS_KNOWN) != 0 || j->compress != 0)
		return "it has a feature that is not known";
	if (j->block_bytes != PAGE)
		return "its blocks are not of 4096 bytes";
	if (sector < 512 || sector > PAGE || !fy_is_power_of_two(sector))
		return "the superblock is damaged";
	per_block = PAGE / sector;
	j->blocks = fy_get_le64(b + 8) / per_block;
	if (fy_get_le64(b + 8) % per_block != 0 || j->blocks <= FIXED_BLOCKS ||
	    j->blocks > MAX_BLOCKS)
		return "the superblock is damaged";
	j->end = further(j->blocks, j->fsck);
	if ((j->flags & FLAG_INLINE) != 0)
		j->end = further(j->end, j->log);
	if (j->end > fy_volume_size(j->volume) / PAGE)
		return "it claims to reach behind the end of its partition";
	return NULL;
}

static int
judge(const struct jfs *j, const struct fy_fs_map_options *options,
      struct fy_fs_result *ret, struct fy_error *err)
{
	if (j->state != STATE_CLEAN) {
		if (options->allow_dirty)
			return fy_fs_whole(ret, true,
					   "unclean: not cleanly unmounted");
		return fy_error_set(err, FY_E_DIRTY, 0,
				    "the filesystem was not cleanly unmounted "
				    "(state %#x), so its map is not safe; run "
				    "fsck.jfs on it, or allow it to be copied "
				    "whole (--allow-dirty)",
				    j->state);
	}
	if ((j->flags & FLAG_INLINE) != 0)
		return 0;
	if (options->allow_dirty)
		return fy_fs_whole(ret, true, "its log is on another device");
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "its log is on another device, without which a "
			    "copy is not usable; give it a log inside, or have "
			    "the volume copied whole");
}

/* --- the extent tree of the map's file ------------------------------------------ */

static int
damaged(struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "%s", what);
}

static int
add_piece(struct jfs *j, uint64_t page, struct pxd at, struct fy_error *err)
{
	struct piece *pieces;
	size_t room;

	if (j->n_pieces == MAX_PIECES)
		return damaged(err, "the block map lies in too many pieces");
	if (j->n_pieces == j->room) {
		room = j->room == 0 ? 16 : j->room * 2;
		pieces = reallocarray(j->pieces, room, sizeof(*pieces));
		if (pieces == NULL)
			return fy_error_nomem(err);
		j->pieces = pieces;
		j->room = room;
	}
	j->pieces[j->n_pieces++] = (struct piece){ page, at.count, at.first };
	return fy_block_map_name(j->map, at.first, at.count, err);
}

static int walk_page(struct jfs *j, uint64_t block, int depth,
		     struct fy_error *err);

/* One descriptor of a leaf (a piece, behind all before it) or of an inner page
 * (one page of the tree). */
static int
walk_entry(struct jfs *j, const unsigned char *xad, bool leaf, int depth,
	   struct fy_error *err)
{
	uint64_t page = (uint64_t)xad[3] << 32 | fy_get_le32(xad + 4);
	const struct piece *last;
	struct pxd at = get_pxd(xad + 8);

	if (at.count == 0)
		return damaged(err, "the block map's extents are damaged");
	if (!leaf) {
		if (fy_block_map_name(j->map, at.first, 1, err) == -1)
			return -1;
		return walk_page(j, at.first, depth + 1, err);
	}
	last = j->n_pieces > 0 ? &j->pieces[j->n_pieces - 1] : NULL;
	if ((xad[0] & XAD_UNWRITTEN) != 0 ||
	    (last != NULL && page < last->page + last->count))
		return damaged(err, "the block map's extents are damaged");
	return add_piece(j, page, at, err);
}

/* A page of the tree with room for 'max' descriptors; the first two places are
 * its header. */
static int
walk_entries(struct jfs *j, const unsigned char *p, unsigned max, int depth,
	     struct fy_error *err)
{
	unsigned kind = p[16] & (PAGE_LEAF | PAGE_INTERNAL);
	unsigned i, n = fy_get_le16(p + 18);

	if ((kind != PAGE_LEAF && kind != PAGE_INTERNAL) || n < 2 || n > max)
		return damaged(err, "the block map's extent tree is damaged");
	for (i = 2; i < n; i++)
		if (walk_entry(j, p + (size_t)i * 16, kind == PAGE_LEAF, depth,
			       err) == -1)
			return -1;
	return 0;
}

static int
walk_page(struct jfs *j, uint64_t block, int depth, struct fy_error *err)
{
	fy_autofree unsigned char *page = malloc(PAGE);

	if (page == NULL)
		return fy_error_nomem(err);
	if (depth > MAX_DEPTH || j->tree_pages++ > MAX_PAGES)
		return damaged(err, "the block map's extent tree is too large");
	if (fy_volume_pread(j->volume, page, PAGE, block * PAGE, err) == -1)
		return -1;
	if (get_pxd(page + 24).first != block)
		return damaged(err, "the block map's extent tree is damaged");
	return walk_entries(j, page, PAGE / 16, depth, err);
}

static int
read_pieces(struct jfs *j, struct fy_error *err)
{
	unsigned char inode[INODE_BYTES];

	if (fy_volume_pread(j->volume, inode, sizeof(inode), INODE_OFFSET,
			    err) == -1)
		return -1;
	if (fy_get_le32(inode + 8) != 2 || fy_get_le32(inode + 4) != 1)
		return damaged(err, "the block map's inode is damaged");
	return walk_entries(j, inode + ROOT_OFFSET, 18, 0, err);
}

/* The block of a page of the map, and how many pages follow each other there;
 * 'hint' is the piece to begin with. */
static int
find_page(const struct jfs *j, uint64_t page, size_t *hint, uint64_t *ret,
	  uint64_t *ret_n, struct fy_error *err)
{
	const struct piece *p;

	while (*hint < j->n_pieces &&
	       j->pieces[*hint].page + j->pieces[*hint].count <= page)
		++*hint;
	if (*hint == j->n_pieces || j->pieces[*hint].page > page)
		return damaged(err, "the block map's file has a hole");
	p = &j->pieces[*hint];
	*ret = p->block + (page - p->page);
	*ret_n = p->count - (page - p->page);
	return 0;
}

/* --- dmaps ------------------------------------------------------------------------ */

/* The first block of a dmap's word is its highest bit. */
static uint32_t
turn_word(uint32_t w)
{
	w = (w >> 1 & 0x55555555) | (w & 0x55555555) << 1;
	w = (w >> 2 & 0x33333333) | (w & 0x33333333) << 2;
	w = (w >> 4 & 0x0f0f0f0f) | (w & 0x0f0f0f0f) << 4;
	return __builtin_bswap32(w);
}

static int
scan_dmap(struct jfs *j, const unsigned char *page, struct fy_error *err)
{
	const unsigned char *working = page + 2048, *persistent = page + 3072;
	uint64_t start = fy_block_map_next(j->map);
	uint64_t n = fy_min_u64(DMAP_BLOCKS, j->blocks - start);
	unsigned char bits[DMAP_BLOCKS / 8];
	size_t i;

	for (i = 0; i < sizeof(bits); i += 4)
		fy_put_le32(bits + i, turn_word(fy_get_le32(working + i)));
	if (fy_get_le32(page) != n || fy_get_le64(page + 8) != start ||
	    fy_get_le32(page + 4) != fy_count_zero_bits(bits, n)) {
		j->damaged++;
		return fy_block_map_all(j->map, n, err);
	}
	for (i = 0; i < sizeof(bits); i += 4)
		fy_put_le32(bits + i,
			    fy_get_le32(bits + i) |
				    turn_word(fy_get_le32(persistent + i)));
	return fy_block_map_window(j->map, bits, n, err);
}

/* Each 1024 dmaps are led by a page of their own, each 1024 times 1024 by one
 * more; four pages come first. */
static uint64_t
dmap_page(uint64_t dmap)
{
	return dmap + (dmap >> 10) + (dmap >> 20) + 4;
}

static int
scan_dmaps(struct jfs *j, const struct fy_fs_map_options *options,
	   struct fy_error *err)
{
	uint64_t dmaps = (j->blocks + DMAP_BLOCKS - 1) / DMAP_BLOCKS, dmap = 0;
	fy_autofree unsigned char *buffer = malloc(READ_PAGES * PAGE);
	uint64_t block, n, i;
	size_t hint = 0;

	if (buffer == NULL)
		return fy_error_nomem(err);
	while (dmap < dmaps) {
		if (fy_stop_check(options->stop, err) == -1 ||
		    find_page(j, dmap_page(dmap), &hint, &block, &n, err) == -1)
			return -1;
		n = fy_min_u64(n, READ_PAGES);
		n = fy_min_u64(n, 1024 - dmap % 1024);
		n = fy_min_u64(n, dmaps - dmap);
		if (fy_volume_pread(j->volume, buffer, (size_t)n * PAGE,
				    block * PAGE, err) == -1)
			return -1;
		for (i = 0; i < n; i++)
			if (scan_dmap(j, buffer + i * PAGE, err) == -1)
				return -1;
		dmap += n;
	}
	return 0;
}

/* --- the driver --------------------------------------------------------------------- */

static int
check_control_page(struct jfs *j, struct fy_error *err)
{
	unsigned char page[24];
	uint64_t block, n;
	size_t hint = 0;

	if (find_page(j, 0, &hint, &block, &n, err) == -1 ||
	    fy_volume_pread(j->volume, page, sizeof(page), block * PAGE, err) ==
		    -1)
		return -1;
	if (fy_get_le64(page) != j->blocks || fy_get_le32(page + 16) != 0)
		return damaged(err, "the block map is of another size than "
				    "the filesystem");
	return 0;
}

/* As far as it is in the mapped blocks; usually it lies behind them. */
static int
name_part(struct jfs *j, struct pxd at, struct fy_error *err)
{
	if (at.first >= j->blocks)
		return 0;
	return fy_block_map_name(j->map, at.first,
				 fy_min_u64(at.count, j->blocks - at.first),
				 err);
}

static int
name_metadata(struct jfs *j, struct fy_error *err)
{
	if (fy_block_map_name(j->map, 0, FIXED_BLOCKS, err) == -1 ||
	    name_part(j, j->log, err) == -1 || name_part(j, j->fsck, err) == -1)
		return -1;
	if ((j->flags & FLAG_BAD_SAIT) != 0)
		return 0;
	if (fy_block_map_name(j->map, j->inodes2.first, j->inodes2.count,
			      err) == -1)
		return -1;
	return fy_block_map_name(j->map, j->inode_map2.first,
				 j->inode_map2.count, err);
}

static void
describe(const struct jfs *j, struct fy_fs_result *ret)
{
	uint64_t denied = fy_block_map_denied(j->map);

	if (j->damaged == 0 && denied == 0)
		return;
	ret->warn = true;
	if (j->damaged > 0)
		snprintf(ret->note, sizeof(ret->note),
			 "%" PRIu64 " pages of the block map contradict "
			 "themselves; their blocks are copied",
			 j->damaged);
	else
		snprintf(ret->note, sizeof(ret->note),
			 "the block map calls %" PRIu64 " blocks of the "
			 "filesystem's own free; they are copied",
			 denied);
}

static int
map_jfs(struct jfs *j, const struct fy_fs_map_options *options,
	struct fy_extents *used, struct fy_fs_result *ret, struct fy_error *err)
{
	if (name_metadata(j, err) == -1 || read_pieces(j, err) == -1 ||
	    check_control_page(j, err) == -1 ||
	    scan_dmaps(j, options, err) == -1)
		return -1;
	if (fy_extents_append(used, j->blocks * PAGE,
			      (j->end - j->blocks) * PAGE, err) == -1)
		return -1;
	ret->bytes = j->end * PAGE;
	describe(j, ret);
	return 0;
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	unsigned char super[SUPER_BYTES];
	struct fy_error failure = { 0 };
	struct jfs j = { .volume = v };
	const char *why;
	int r;

	if (fy_volume_size(v) < FIXED_BLOCKS * PAGE)
		return fy_fs_whole(ret, true, "the volume is too small for it");
	if (fy_volume_pread(v, super, sizeof(super), SUPER_OFFSET, err) == -1)
		return -1;
	why = decode_super(super, &j);
	if (why != NULL)
		return fy_fs_whole(ret, true, "%s", why);
	if (judge(&j, options, ret, err) == -1)
		return -1;
	if (ret->whole)
		return 0;
	j.map = fy_block_map_new(used, PAGE, j.blocks, err);
	if (j.map == NULL)
		return -1;
	r = map_jfs(&j, options, used, ret, &failure);
	fy_block_map_free(j.map);
	free(j.pieces);
	if (r == 0)
		return 0;
	if (failure.code == FY_E_FORMAT)
		return fy_fs_whole(ret, true, "damaged: %.200s", failure.msg);
	*err = failure;
	return -1;
}

const struct fy_fs_driver fy_fs_jfs = {
	.name = "jfs",
	.read_map = read_map,
};
