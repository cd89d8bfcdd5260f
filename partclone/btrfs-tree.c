/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tree blocks of Btrfs, and walks through a tree.
 *
 * A block is believed when its checksum holds and it is the one that its parent
 * means: place, filesystem, generation, owner, level, first key.  Else the next
 * copy is tried.  Keys rise through the whole walk and stay between those of
 * the parent, and levels fall by one at each step, so a walk visits no block
 * twice and ends whatever the disk says.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/btrfs.h"

#define CSUM_BYTES 32
#define HEAD_BYTES 101 /* what all tree blocks begin with */
#define KEY_BYTES  17
#define PTR_BYTES  33 /* key, address, generation */
#define ITEM_BYTES 25 /* key, place and length of the data */

#define MAX_SEEN (1u << 20)

struct walk {
	struct fy_btrfs *fs;
	const struct fy_btrfs_key *from;
	fy_btrfs_item_fn *fn;
	void *arg;
	uint64_t owner;
};

static void
get_key(const unsigned char *b, struct fy_btrfs_key *ret)
{
	ret->objectid = fy_get_le64(b);
	ret->type = b[8];
	ret->offset = fy_get_le64(b + 9);
}

static int
compare(const struct fy_btrfs_key *a, const struct fy_btrfs_key *b)
{
	if (a->objectid != b->objectid)
		return a->objectid < b->objectid ? -1 : 1;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* --- one block ------------------------------------------------------------------ */

static const char *
check_header(const struct fy_btrfs *fs, const struct fy_btrfs_ref *want,
	     const unsigned char *b)
{
	const struct fy_btrfs_super *s = &fs->super;
	unsigned char csum[32];
	size_t len = fy_btrfs_csum(s->csum_type, b + CSUM_BYTES,
				   s->node_bytes - CSUM_BYTES, csum);

	if (!(fs->flags & FY_BTRFS_IGNORE_CHECKSUMS) &&
	    memcmp(csum, b, len) != 0)
		return "fails its checksum";
	if (memcmp(b + 32, s->header_fsid, 16) != 0)
		return "is of another filesystem";
	if (fy_get_le64(b + 48) != want->bytenr)
		return "belongs at another place";
	if (fy_get_le64(b + 80) != want->generation)
		return "is of another generation";
	if (fy_get_le64(b + 88) != want->owner)
		return "is of another tree";
	if (b[100] != want->level)
		return "is of another level";
	return NULL;
}

/* The items: keys rise, data lie behind each other from the end on. */
static const char *
check_leaf(const unsigned char *b, uint32_t node_bytes, uint32_t n)
{
	uint32_t room = node_bytes - HEAD_BYTES, end = room, i, at, len;
	struct fy_btrfs_key key, last = { 0, 0, 0 };

	if (n > room / ITEM_BYTES)
		return "has too many items";
	for (i = 0; i < n; i++) {
		const unsigned char *item = b + HEAD_BYTES + ITEM_BYTES * i;

		get_key(item, &key);
		at = fy_get_le32(item + 17);
		len = fy_get_le32(item + 21);
		if (i > 0 && compare(&last, &key) >= 0)
			return "has keys out of order";
		if (at > end || len != end - at || at < ITEM_BYTES * n)
			return "has items that overlap";
		end = at;
		last = key;
	}
	return NULL;
}

static const char *
check_node(const struct fy_btrfs *fs, const unsigned char *b, uint32_t n)
{
	uint32_t room = fs->super.node_bytes - HEAD_BYTES, i;
	struct fy_btrfs_key key, last = { 0, 0, 0 };

	if (n == 0 || n > room / PTR_BYTES)
		return "has an impossible number of children";
	for (i = 0; i < n; i++) {
		const unsigned char *ptr = b + HEAD_BYTES + PTR_BYTES * i;

		get_key(ptr, &key);
		if (i > 0 && compare(&last, &key) >= 0)
			return "has keys out of order";
		if (fy_get_le64(ptr + KEY_BYTES) % fs->super.sector_bytes != 0)
			return "has a child at an impossible place";
		last = key;
	}
	return NULL;
}

static const char *
check_block(const struct fy_btrfs *fs, const struct fy_btrfs_ref *want,
	    const unsigned char *b)
{
	const char *why = check_header(fs, want, b);
	uint32_t n = fy_get_le32(b + 96);

	if (why != NULL)
		return why;
	return want->level == 0 ? check_leaf(b, fs->super.node_bytes, n)
				: check_node(fs, b, n);
}

int
fy_btrfs_note_block(struct fy_btrfs *fs, uint64_t bytenr, struct fy_error *err)
{
	size_t room = fs->seen_room == 0 ? 256 : fs->seen_room * 2;
	uint64_t *grown;

	if (fs->n_seen == MAX_SEEN)
		return 0;
	if (fs->n_seen == fs->seen_room) {
		grown = realloc(fs->seen, room * sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		fs->seen = grown;
		fs->seen_room = room;
	}
	fs->seen[fs->n_seen++] = bytenr;
	return 0;
}

/* Read the block into the place for its level, from the first good copy.  A
 * copy that can't be read is worse than one that is wrong: FY_E_IO then. */
static int
read_block(struct fy_btrfs *fs, const struct fy_btrfs_ref *want,
	   struct fy_error *err)
{
	unsigned copies = fy_btrfs_copies(fs, want->bytenr), i;
	const char *why = "is in no chunk";
	struct fy_error io = { 0 };
	unsigned char *b = fs->nodes[want->level];

	if (b == NULL) {
		b = calloc(1, fs->super.node_bytes);
		if (b == NULL)
			return fy_error_nomem(err);
		fs->nodes[want->level] = b;
	}
	for (i = 0; i < copies; i++) {
		struct fy_error failure = { 0 };

		if (fy_btrfs_read_copy(fs, want->bytenr, i, b,
				       fs->super.node_bytes, &failure) == -1) {
			if (failure.code != FY_E_IO) {
				*err = failure;
				return -1;
			}
			io = failure;
			continue;
		}
		why = check_block(fs, want, b);
		if (why == NULL)
			return fy_btrfs_note_block(fs, want->bytenr, err);
	}
	if (io.code != FY_E_NONE) {
		*err = io;
		return fy_error_prefix(err, "tree block %" PRIu64,
				       want->bytenr);
	}
	return fy_error_set(err, FY_E_FORMAT, 0, "tree block %" PRIu64 " %s",
			    want->bytenr, why);
}

/* --- walks ---------------------------------------------------------------------- */

static int
walk_leaf(const struct walk *w, const unsigned char *b,
	  const struct fy_btrfs_key *below, struct fy_error *err)
{
	uint32_t n = fy_get_le32(b + 96), i;
	struct fy_btrfs_key key;
	int r = 0;

	for (i = 0; i < n && r == 0; i++) {
		const unsigned char *item = b + HEAD_BYTES + ITEM_BYTES * i;

		get_key(item, &key);
		if (below != NULL && compare(&key, below) >= 0)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "tree block %" PRIu64
					    " has keys of its neighbour",
					    fy_get_le64(b + 48));
		if (w->from != NULL && compare(&key, w->from) < 0)
			continue;
		r = w->fn(w->arg, &key, b + HEAD_BYTES + fy_get_le32(item + 17),
			  fy_get_le32(item + 21), err);
	}
	return r;
}

/* 'first': the key that the block must begin with, NULL for a root; 'below':
 * all keys must be smaller. */
static int
walk_block(const struct walk *w, const struct fy_btrfs_ref *ref,
	   const struct fy_btrfs_key *first, const struct fy_btrfs_key *below,
	   struct fy_error *err)
{
	struct fy_btrfs_key key, next;
	const unsigned char *b;
	uint32_t n, i;
	int r = 0;

	if (fy_stop_check(w->fs->stop, err) == -1 ||
	    read_block(w->fs, ref, err) == -1)
		return -1;
	b = w->fs->nodes[ref->level];
	n = fy_get_le32(b + 96);
	get_key(b + HEAD_BYTES, &key);
	if (first != NULL && (n == 0 || compare(first, &key) != 0))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "tree block %" PRIu64
				    " begins with another key than its parent "
				    "says",
				    ref->bytenr);
	if (ref->level == 0)
		return walk_leaf(w, b, below, err);
	for (i = 0; i < n && r == 0; i++) {
		const unsigned char *ptr = b + HEAD_BYTES + PTR_BYTES * i;
		const struct fy_btrfs_ref child = {
			.bytenr = fy_get_le64(ptr + KEY_BYTES),
			.generation = fy_get_le64(ptr + KEY_BYTES + 8),
			.owner = w->owner,
			.level = (uint8_t)(ref->level - 1),
		};

		get_key(ptr, &key);
		if (i + 1 < n)
			get_key(ptr + PTR_BYTES, &next);
		else if (below != NULL)
			next = *below;
		if (below != NULL && compare(&key, below) >= 0)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "tree block %" PRIu64
					    " has keys of its neighbour",
					    ref->bytenr);
		/* Nothing of it is wanted. */
		if (w->from != NULL && i + 1 < n &&
		    compare(&next, w->from) <= 0)
			continue;
		r = walk_block(w, &child, &key,
			       i + 1 < n || below != NULL ? &next : NULL, err);
	}
	return r;
}

int
fy_btrfs_walk(struct fy_btrfs *fs, const struct fy_btrfs_ref *root,
	      const struct fy_btrfs_key *from, fy_btrfs_item_fn *fn, void *arg,
	      struct fy_error *err)
{
	const struct walk w = { fs, from, fn, arg, root->owner };

	return walk_block(&w, root, NULL, NULL, err);
}
