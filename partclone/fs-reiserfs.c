/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ReiserFS 3.5 and 3.6: a bitmap for each (block size * 8) blocks decides.
 *
 * The superblock is at 64 KiB, the first bitmap behind it, and the other ones
 * begin the stretches that they describe; before 3.5.10 the superblock was at
 * 8 KiB and all bitmaps lay behind it.  Used whatever the bitmaps say: what
 * lies before the superblock, it, the bitmaps, the journal with its header and
 * the tree's root.  The bitmaps must have as many free blocks as the superblock
 * says, else nothing is left out.
 *
 * Unclean is what a mount marked, what reiserfsck left unfinished, and what has
 * a committed transaction at the place where the journal's header says that the
 * first unflushed one begins: the kernel would replay it, and the mark may be
 * in it.  Format: fs/reiserfs of Linux, and reiserfsprogs.
 */
#include "partclone/filesystem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/block-map.h"

#define SUPER_NEW   65536u
#define SUPER_OLD   8192u
#define SUPER_BYTES 204
#define MAX_BLOCK   8192u
#define STATE_VALID 1
#define VERSION_3_5 0
#define VERSION_3_6 2
#define FLAGS_KNOWN 1u /* the attributes were cleared once */
#define DESCRIPTOR  "ReIsErLB"
#define READ_BYTES  (1024u * 1024)

struct reiserfs {
	struct fy_volume *volume;
	unsigned char super[SUPER_BYTES];
	bool old; /* the superblock is at 8 KiB */
	uint32_t block_bytes, free;
	uint64_t blocks, super_block, bitmaps, root;
	uint32_t journal, journal_blocks; /* without its header block */
	struct fy_block_map *map;
};

/* A transaction's first block, its descriptor. */
struct transaction {
	uint32_t id, blocks, mount;
};

/* --- the superblock ------------------------------------------------------------ */

static bool
has_magic(const unsigned char *b)
{
	return memcmp(b + 52, "ReIsErFs\0", 9) == 0 ||
	       memcmp(b + 52, "ReIsEr2Fs", 9) == 0 ||
	       memcmp(b + 52, "ReIsEr3Fs", 9) == 0;
}

/* 1; 0 when none is there, or two; -1. */
static int
find_super(struct reiserfs *r, struct fy_error *err)
{
	unsigned char old[SUPER_BYTES];
	bool has_old, has_new = false;

	if (fy_volume_size(r->volume) < SUPER_OLD + SUPER_BYTES)
		return 0;
	if (fy_volume_pread(r->volume, old, sizeof(old), SUPER_OLD, err) == -1)
		return -1;
	if (fy_volume_size(r->volume) >= SUPER_NEW + SUPER_BYTES) {
		if (fy_volume_pread(r->volume, r->super, SUPER_BYTES, SUPER_NEW,
				    err) == -1)
			return -1;
		has_new = has_magic(r->super);
	}
	has_old = has_magic(old);
	if (has_old)
		memcpy(r->super, old, sizeof(old));
	r->old = has_old;
	return has_old != has_new;
}

/* Whether it is of a version that is known: only the third magic leaves it to
 * a field, and only 3.6 has flags. */
static bool
is_known(const unsigned char *b)
{
	uint16_t version = fy_get_le16(b + 72);

	if (memcmp(b + 52, "ReIsErFs", 8) == 0)
		version = VERSION_3_5;
	else if (b[52 + 6] == '2' && version != VERSION_3_6)
		return false;
	return version == VERSION_3_5 ||
	       (version == VERSION_3_6 &&
		(fy_get_le32(b + 80) & ~FLAGS_KNOWN) == 0);
}

/* NULL, or why there can be no map. */
static const char *
decode_super(struct reiserfs *r)
{
	const unsigned char *b = r->super;
	uint32_t per_bitmap;
	uint16_t told = fy_get_le16(b + 70);

	if (!is_known(b))
		return "it has a version or feature that is not known";
	r->blocks = fy_get_le32(b);
	r->free = fy_get_le32(b + 4);
	r->root = fy_get_le32(b + 8);
	r->journal = fy_get_le32(b + 12);
	r->journal_blocks = fy_get_le32(b + 20);
	r->block_bytes = fy_get_le16(b + 44);
	if (r->block_bytes < 512 || r->block_bytes > MAX_BLOCK ||
	    !fy_is_power_of_two(r->block_bytes))
		return "the superblock is damaged";
	per_bitmap = r->block_bytes * 8;
	r->super_block = (r->old ? SUPER_OLD : SUPER_NEW) / r->block_bytes;
	r->bitmaps = (r->blocks + per_bitmap - 1) / per_bitmap;
	if (r->blocks * r->block_bytes > fy_volume_size(r->volume))
		return "it claims to reach behind the end of its partition";
	if (r->super_block + 2 >= r->blocks || r->free >= r->blocks ||
	    told != (r->bitmaps > UINT16_MAX ? 0 : r->bitmaps))
		return "the superblock is damaged";
	return NULL;
}

/* The journal is elsewhere when a device is named; mkreiserfs takes a file, too,
 * which has no number, but a journal of its own never begins with block 0. */
static bool
has_foreign_journal(const struct reiserfs *r)
{
	return fy_get_le32(r->super + 16) != 0 ||
	       (r->journal == 0 && r->super[52 + 6] == '3');
}

/* --- the journal ---------------------------------------------------------------- */

/* The same as the descriptor's, or there is no transaction: read the commit
 * block of the one that begins at 'place' of the journal.  1, 0, -1. */
static int
is_committed(struct reiserfs *r, uint64_t place, const struct transaction *t,
	     struct fy_error *err)
{
	uint64_t at = (place + t->blocks + 1) % r->journal_blocks;
	unsigned char commit[8];

	if (fy_volume_pread(r->volume, commit, sizeof(commit),
			    (r->journal + at) * r->block_bytes, err) == -1)
		return -1;
	return fy_get_le32(commit) == t->id &&
	       fy_get_le32(commit + 4) == t->blocks;
}

/* Whether a block is a descriptor. */
static bool
get_transaction(const struct reiserfs *r, const unsigned char *block,
		struct transaction *ret)
{
	ret->id = fy_get_le32(block);
	ret->blocks = fy_get_le32(block + 4);
	ret->mount = fy_get_le32(block + 8);
	return memcmp(block + r->block_bytes - 12, DESCRIPTOR, 8) == 0 &&
	       ret->blocks > 0 && ret->blocks < r->journal_blocks;
}

/* Any transaction at all?  For a journal whose header says nothing.  1, 0, -1. */
static int
has_transactions(struct reiserfs *r, const struct fy_fs_map_options *options,
		 struct fy_error *err)
{
	fy_autofree unsigned char *buffer = malloc(READ_BYTES);
	uint64_t place, per_read = READ_BYTES / r->block_bytes, n, i;
	struct transaction t;
	int found;

	if (buffer == NULL)
		return fy_error_nomem(err);
	for (place = 0; place < r->journal_blocks; place += n) {
		n = fy_min_u64(per_read, r->journal_blocks - place);
		if (fy_stop_check(options->stop, err) == -1 ||
		    fy_volume_pread(
			    r->volume, buffer, (size_t)n * r->block_bytes,
			    (r->journal + place) * r->block_bytes, err) == -1)
			return -1;
		for (i = 0; i < n; i++) {
			if (!get_transaction(r, buffer + i * r->block_bytes,
					     &t))
				continue;
			found = is_committed(r, place + i, &t, err);
			if (found != 0)
				return found;
		}
	}
	return 0;
}

/* Whether a mount would replay something: 1, 0, -1. */
static int
needs_replay(struct reiserfs *r, const struct fy_fs_map_options *options,
	     struct fy_error *err)
{
	fy_autofree unsigned char *block = malloc(r->block_bytes);
	unsigned char header[12];
	uint32_t flushed, place, mount;
	struct transaction t;

	if (block == NULL)
		return fy_error_nomem(err);
	if (fy_volume_pread(r->volume, header, sizeof(header),
			    ((uint64_t)r->journal + r->journal_blocks) *
				    r->block_bytes,
			    err) == -1)
		return -1;
	flushed = fy_get_le32(header);
	place = fy_get_le32(header + 4);
	mount = fy_get_le32(header + 8);
	if (flushed == 0 || place >= r->journal_blocks)
		return has_transactions(r, options, err);
	if (fy_volume_pread(r->volume, block, r->block_bytes,
			    ((uint64_t)r->journal + place) * r->block_bytes,
			    err) == -1)
		return -1;
	/* What is older was left by an earlier round through the journal. */
	if (!get_transaction(r, block, &t) || t.id <= flushed ||
	    t.mount < mount)
		return 0;
	return is_committed(r, place, &t, err);
}

/* --- whether it can be mapped ----------------------------------------------------- */

/* NULL when it is clean.  'needs' is needs_replay's answer. */
static const char *
unclean(const struct reiserfs *r, int needs)
{
	if (r->root == UINT32_MAX)
		return "reiserfsck has not finished rebuilding its tree";
	if (fy_get_le16(r->super + 62) != 0)
		return "reiserfsck has found errors in it";
	if (fy_get_le16(r->super + 50) != STATE_VALID)
		return "not cleanly unmounted";
	if (needs == 1)
		return "its journal has not been replayed";
	return NULL;
}

static int
judge(struct reiserfs *r, const struct fy_fs_map_options *options,
      struct fy_fs_result *ret, struct fy_error *err)
{
	const char *why;
	int needs;

	if (has_foreign_journal(r)) {
		if (options->allow_dirty)
			return fy_fs_whole(ret, true,
					   "its journal is on another device");
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "its journal is on another device, without "
				    "which a copy is not usable; move it "
				    "inside (reiserfstune), or have the volume "
				    "copied whole");
	}
	if (r->journal <= r->super_block || r->journal_blocks == 0 ||
	    (uint64_t)r->journal + r->journal_blocks >= r->blocks)
		return fy_fs_whole(ret, true, "the superblock is damaged");
	needs = needs_replay(r, options, err);
	if (needs == -1)
		return -1;
	why = unclean(r, needs);
	if (why == NULL)
		return 0;
	if (options->allow_dirty)
		return fy_fs_whole(ret, true, "unclean: %s", why);
	return fy_error_set(err, FY_E_DIRTY, 0,
			    "the filesystem is unclean, so its map is not "
			    "safe: %s; run reiserfsck on it, or allow it to be "
			    "copied whole (--allow-dirty)",
			    why);
}

/* --- the map ------------------------------------------------------------------------ */

static uint64_t
bitmap_block(const struct reiserfs *r, uint64_t i)
{
	if (r->old || i == 0)
		return r->super_block + 1 + i;
	return i * r->block_bytes * 8;
}

static int
name_metadata(const struct reiserfs *r, struct fy_error *err)
{
	uint64_t i;

	if (fy_block_map_name(r->map, 0, r->super_block + 1, err) == -1 ||
	    fy_block_map_name(r->map, r->journal,
			      (uint64_t)r->journal_blocks + 1, err) == -1 ||
	    fy_block_map_name(r->map, r->root, 1, err) == -1)
		return -1;
	for (i = 0; i < r->bitmaps; i++)
		if (fy_block_map_name(r->map, bitmap_block(r, i), 1, err) == -1)
			return -1;
	return 0;
}

/* '*ret_free': what the bitmaps call free. */
static int
scan_bitmaps(struct reiserfs *r, const struct fy_fs_map_options *options,
	     uint64_t *ret_free, struct fy_error *err)
{
	fy_autofree unsigned char *bits = malloc(r->block_bytes);
	uint64_t i, n, first = 0;

	if (bits == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < r->bitmaps; i++, first += n) {
		n = fy_min_u64(r->block_bytes * 8ull, r->blocks - first);
		if (fy_stop_check(options->stop, err) == -1 ||
		    fy_volume_pread(r->volume, bits, r->block_bytes,
				    bitmap_block(r, i) * r->block_bytes,
				    err) == -1)
			return -1;
		*ret_free += fy_count_zero_bits(bits, n);
		if (fy_block_map_window(r->map, bits, n, err) == -1)
			return -1;
	}
	return 0;
}

static int
map_reiserfs(struct reiserfs *r, const struct fy_fs_map_options *options,
	     struct fy_fs_result *ret, struct fy_error *err)
{
	uint64_t free_blocks = 0, denied;

	if (name_metadata(r, err) == -1 ||
	    scan_bitmaps(r, options, &free_blocks, err) == -1)
		return -1;
	if (free_blocks != r->free)
		return fy_error_set(
			err, FY_E_FORMAT, 0,
			"the bitmaps have %" PRIu64
			" free blocks, the superblock says %" PRIu32,
			free_blocks, r->free);
	ret->bytes = r->blocks * r->block_bytes;
	denied = fy_block_map_denied(r->map);
	if (denied > 0) {
		ret->warn = true;
		snprintf(ret->note, sizeof(ret->note),
			 "the bitmaps call %" PRIu64 " blocks of the "
			 "filesystem's own free; they are copied",
			 denied);
	}
	return 0;
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	struct reiserfs r = { .volume = v };
	struct fy_error failure = { 0 };
	const char *why;
	int status = find_super(&r, err);

	if (status == -1)
		return -1;
	if (status == 0)
		return fy_fs_whole(ret, true, "it has no superblock, or two");
	why = decode_super(&r);
	if (why != NULL)
		return fy_fs_whole(ret, true, "%s", why);
	if (judge(&r, options, ret, err) == -1)
		return -1;
	if (ret->whole)
		return 0;
	r.map = fy_block_map_new(used, r.block_bytes, r.blocks, err);
	if (r.map == NULL)
		return -1;
	status = map_reiserfs(&r, options, ret, &failure);
	fy_block_map_free(r.map);
	if (status == 0)
		return 0;
	if (failure.code == FY_E_FORMAT)
		return fy_fs_whole(ret, true, "damaged: %.200s", failure.msg);
	*err = failure;
	return -1;
}

const struct fy_fs_driver fy_fs_reiserfs = {
	.name = "reiserfs",
	.read_map = read_map,
};
