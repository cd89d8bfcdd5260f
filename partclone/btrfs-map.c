/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the extent tree of a Btrfs to the used bytes of each device.
 *
 * One pass over the extent tree gives all extents in logical order; they are
 * kept as a list of extents (which spills to a file), each chunk's range moved
 * away from the one before by SHIFT bytes, so that none of two chunks are
 * joined, with a mark where each chunk begins.  Then each device's stripes are
 * gone through in physical order.
 *
 * The proof that nothing is missing: a chunk's extents must add up to what its
 * block group counts as used, else all of the chunk is used; and the roots of
 * all trees and all tree blocks that were read here must be among the extents,
 * else there is no map.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/btrfs.h"

#define SHIFT	    4096
#define MAX_FIXED   4
#define TREE_RELOC  ((uint64_t)-8)
#define GROUP_BYTES 24

/* --- the root tree ------------------------------------------------------------- */

struct roots {
	struct fy_btrfs *fs;
	struct fy_btrfs_ref extent, device, group; /* bytenr 0: not there */
	bool has_extent, has_device, has_group;
};

static int
take_root(void *arg, const struct fy_btrfs_key *key, const unsigned char *item,
	  uint32_t len, struct fy_error *err)
{
	struct roots *r = arg;
	struct fy_btrfs_ref ref;

	if (key->type != FY_BTRFS_ROOT_ITEM)
		return 0;
	if (len < 239 || item[238] >= FY_BTRFS_LEVELS)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the root of tree %" PRIu64
				    " makes no sense",
				    key->objectid);
	ref = (struct fy_btrfs_ref){ fy_get_le64(item + 176),
				     fy_get_le64(item + 160), key->objectid,
				     item[238] };
	if (key->objectid == FY_BTRFS_EXTENT_TREE && key->offset == 0) {
		r->extent = ref;
		r->has_extent = true;
	} else if (key->objectid == FY_BTRFS_DEV_TREE) {
		r->device = ref;
		r->has_device = true;
	} else if (key->objectid == FY_BTRFS_BLOCK_GROUP_TREE) {
		r->group = ref;
		r->has_group = true;
	}
	/* One that nothing refers to any more may be gone in part. */
	if (key->objectid == TREE_RELOC || fy_get_le32(item + 216) == 0)
		return 0;
	return fy_btrfs_note_block(r->fs, ref.bytenr, err);
}

static int
read_roots(struct fy_btrfs *fs, struct roots *r, struct fy_error *err)
{
	memset(r, 0, sizeof(*r));
	r->fs = fs;
	if (fy_btrfs_walk(fs, &fs->super.root, NULL, take_root, r, err) == -1)
		return -1;
	if (r->has_extent && r->has_device &&
	    r->has_group == ((fs->super.compat_ro & FY_BTRFS_GROUP_TREE) != 0))
		return 0;
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "one of its trees is missing, or there is one too "
			    "many");
}

/* --- the device tree ------------------------------------------------------------ */

struct device_walk {
	struct fy_btrfs *fs;
	uint64_t extents;
};

/* A range of a device belongs to a chunk that has it, too. */
static int
check_device_extent(struct device_walk *w, const struct fy_btrfs_key *key,
		    const unsigned char *item, uint32_t len,
		    struct fy_error *err)
{
	const struct fy_btrfs_chunks *chunks = &w->fs->chunks;
	const struct fy_btrfs_chunk *c = NULL;
	const struct fy_btrfs_stripe *s;
	unsigned i;

	if (len >= 32)
		c = fy_btrfs_find_chunk(chunks, fy_get_le64(item + 16));
	for (i = 0; c != NULL && i < c->stripes; i++) {
		s = &chunks->stripes[c->first_stripe + i];
		if (s->at == key->offset &&
		    w->fs->devices[s->device].id == key->objectid &&
		    c->start == fy_get_le64(item + 16) &&
		    fy_btrfs_stripe_bytes(c) == fy_get_le64(item + 24)) {
			w->extents++;
			return 0;
		}
	}
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "byte %" PRIu64 " of device %" PRIu64
			    " is not of the chunk that its device tree says",
			    key->offset, key->objectid);
}

static int
take_device_item(void *arg, const struct fy_btrfs_key *key,
		 const unsigned char *item, uint32_t len, struct fy_error *err)
{
	uint64_t state;

	switch (key->type) {
	case FY_BTRFS_DEV_EXTENT:
		return check_device_extent(arg, key, item, len, err);
	case FY_BTRFS_PERSISTENT_ITEM:
		return 0;
	case FY_BTRFS_DEV_REPLACE:
		state = len >= 40 ? fy_get_le64(item + 32) : UINT64_MAX;
		/* Never started, finished, cancelled. */
		if (state == 0 || state == 2 || state == 3)
			return 0;
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "one of its devices is being replaced");
	default:
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "its device tree has items that this "
				    "program does not know (type %u)",
				    key->type);
	}
}

static int
check_devices(struct fy_btrfs *fs, const struct fy_btrfs_ref *root,
	      struct fy_error *err)
{
	struct device_walk w = { fs, 0 };

	if (fy_btrfs_walk(fs, root, NULL, take_device_item, &w, err) == -1)
		return -1;
	if (w.extents != fs->chunks.n_stripes)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "its device tree has %" PRIu64
				    " ranges, its chunks have %zu",
				    w.extents, fs->chunks.n_stripes);
	return 0;
}

/* --- the extent tree -------------------------------------------------------------- */

struct extent_walk {
	struct fy_btrfs *fs;
	struct fy_extents *list; /* logical, moved by SHIFT for each chunk */
	size_t chunk;		 /* the first one that isn't finished */
	uint64_t end;		 /* of the last extent */
};

/* Where a logical address of a chunk is in the list. */
static uint64_t
in_list(const struct fy_btrfs *fs, const struct fy_btrfs_chunk *c,
	uint64_t logical)
{
	return logical + (uint64_t)(c - fs->chunks.items) * SHIFT;
}

static int
take_group(struct fy_btrfs *fs, const struct fy_btrfs_key *key,
	   const unsigned char *item, uint32_t len, struct fy_error *err)
{
	struct fy_btrfs_chunk *c =
		fy_btrfs_find_chunk(&fs->chunks, key->objectid);

	if (len != GROUP_BYTES || c == NULL || c->start != key->objectid ||
	    c->length != key->offset)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "block group %" PRIu64 " has no chunk",
				    key->objectid);
	c->has_group = true;
	c->used_bytes = fy_get_le64(item);
	if (fy_get_le64(item + 16) != c->flags)
		c->damaged = true;
	return 0;
}

static int
take_group_item(void *arg, const struct fy_btrfs_key *key,
		const unsigned char *item, uint32_t len, struct fy_error *err)
{
	if (key->type != FY_BTRFS_GROUP_ITEM)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "its block group tree has items that this "
				    "program does not know (type %u)",
				    key->type);
	return take_group(arg, key, item, len, err);
}

/* Mark where the chunks up to that of 'logical' begin in the list. */
static struct fy_btrfs_chunk *
go_to_chunk(struct extent_walk *w, uint64_t logical)
{
	struct fy_btrfs_chunks *chunks = &w->fs->chunks;
	struct fy_btrfs_chunk *c = fy_btrfs_find_chunk(chunks, logical);

	while (w->chunk < chunks->n &&
	       (c == NULL || &chunks->items[w->chunk] <= c))
		fy_extents_take_mark(w->list, &chunks->items[w->chunk++].mark);
	return c;
}

static int
take_extent(struct extent_walk *w, uint64_t start, uint64_t length,
	    struct fy_error *err)
{
	struct fy_btrfs_chunk *c = go_to_chunk(w, start);
	uint32_t sector = w->fs->super.sector_bytes;

	if (c == NULL || length == 0 || start < w->end || start % sector != 0 ||
	    length % sector != 0 || length > c->start + c->length - start)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the extent at %" PRIu64
				    " overlaps another one or leaves its chunk",
				    start);
	w->end = start + length;
	c->extent_bytes += length;
	return fy_extents_append(w->list, in_list(w->fs, c, start), length,
				 err);
}

static int
take_extent_item(void *arg, const struct fy_btrfs_key *key,
		 const unsigned char *item, uint32_t len, struct fy_error *err)
{
	struct extent_walk *w = arg;

	switch (key->type) {
	case FY_BTRFS_EXTENT_ITEM:
		return take_extent(w, key->objectid, key->offset, err);
	case FY_BTRFS_METADATA_ITEM:
		if ((w->fs->super.incompat & FY_BTRFS_SKINNY) == 0 ||
		    key->offset >= FY_BTRFS_LEVELS)
			break;
		return take_extent(w, key->objectid, w->fs->super.node_bytes,
				   err);
	case FY_BTRFS_EXTENT_OWNER_REF:
	case FY_BTRFS_TREE_BLOCK_REF:
	case FY_BTRFS_EXTENT_DATA_REF:
	case FY_BTRFS_SHARED_BLOCK_REF:
	case FY_BTRFS_SHARED_DATA_REF:
		return 0;
	case FY_BTRFS_GROUP_ITEM:
		if (w->fs->super.compat_ro & FY_BTRFS_GROUP_TREE)
			break;
		return take_group(w->fs, key, item, len, err);
	}
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "its extent tree has items that this program does "
			    "not know (type %u)",
			    key->type);
}

static int
read_extents(struct fy_btrfs *fs, const struct roots *roots,
	     struct fy_extents *list, struct fy_error *err)
{
	struct extent_walk w = { .fs = fs, .list = list };

	if (roots->has_group && fy_btrfs_walk(fs, &roots->group, NULL,
					      take_group_item, fs, err) == -1)
		return -1;
	if (fy_btrfs_walk(fs, &roots->extent, NULL, take_extent_item, &w,
			  err) == -1)
		return -1;
	go_to_chunk(&w, UINT64_MAX);
	return 0;
}

/* --- the proof ------------------------------------------------------------------- */

static int
by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Every tree block that is known of lies in an extent. */
static int
check_seen(struct fy_btrfs *fs, const struct fy_extents *list,
	   struct fy_error *err)
{
	uint32_t node = fs->super.node_bytes;
	struct fy_extent x = { 0, 0 };
	struct fy_extents_cursor cursor;
	size_t i;
	int r = 1;

	fy_sort(fs->seen, fs->n_seen, sizeof(*fs->seen), by_number);
	fy_extents_cursor_init(&cursor, list);
	for (i = 0; i < fs->n_seen; i++) {
		const struct fy_btrfs_chunk *c =
			fy_btrfs_find_chunk(&fs->chunks, fs->seen[i]);
		uint64_t at = c == NULL ? 0 : in_list(fs, c, fs->seen[i]);

		while (r == 1 && c != NULL && x.offset + x.length <= at)
			r = fy_extents_next(&cursor, &x, err);
		if (r == -1)
			return -1;
		if (r == 0 || c == NULL || x.offset > at ||
		    at + node > x.offset + x.length)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "tree block %" PRIu64
					    " is not in the extent tree",
					    fs->seen[i]);
	}
	return 0;
}

static void
check_groups(struct fy_btrfs *fs, struct fy_btrfs_report *ret)
{
	size_t i;

	ret->chunks = fs->chunks.n;
	ret->damaged_chunks = 0;
	for (i = 0; i < fs->chunks.n; i++) {
		struct fy_btrfs_chunk *c = &fs->chunks.items[i];

		if (!c->has_group || c->used_bytes != c->extent_bytes)
			c->damaged = true;
		ret->damaged_chunks += c->damaged;
	}
}

/* --- devices ---------------------------------------------------------------------- */

struct place {
	uint64_t at; /* physical */
	uint32_t device, chunk;
	uint16_t stripe;
};

struct output {
	struct fy_btrfs *fs;
	const struct fy_extents *list;
	struct fy_extents *used;
	struct fy_extent fixed[MAX_FIXED]; /* used in any case, in order */
	size_t n_fixed, fixed_done;
};

static int
by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* The first MiB and the superblocks. */
static void
set_fixed(struct output *o, uint64_t device_bytes)
{
	uint64_t at;
	unsigned i;

	o->fixed[0] = (struct fy_extent){ 0, fy_min_u64(FY_MIB, device_bytes) };
	o->n_fixed = 1;
	o->fixed_done = 0;
	for (i = 1; (at = fy_btrfs_super_place(i)) != UINT64_MAX; i++)
		if (at < device_bytes)
			o->fixed[o->n_fixed++] = (struct fy_extent){
				at, fy_min_u64(FY_BTRFS_SUPER_BYTES,
					       device_bytes - at)
			};
}

static int
append(struct output *o, uint64_t at, uint64_t length, struct fy_error *err)
{
	while (o->fixed_done < o->n_fixed &&
	       o->fixed[o->fixed_done].offset <= at) {
		const struct fy_extent *x = &o->fixed[o->fixed_done++];

		if (fy_extents_append(o->used, x->offset, x->length, err) == -1)
			return -1;
	}
	return fy_extents_append(o->used, at, length, err);
}

/* What of a chunk is used on one of its stripes. */
static int
append_stripe(struct output *o, const struct place *p, struct fy_error *err)
{
	const struct fy_btrfs_chunk *c = &o->fs->chunks.items[p->chunk];
	uint64_t from = in_list(o->fs, c, c->start), to = from + c->length;
	struct fy_extents_cursor cursor;
	struct fy_extent x, part;
	int r;

	if (fy_stop_check(o->fs->stop, err) == -1)
		return -1;
	if (c->damaged)
		return append(o, p->at, fy_btrfs_stripe_bytes(c), err);
	fy_extents_cursor_at(&cursor, o->list, &c->mark);
	while ((r = fy_extents_next(&cursor, &x, err)) == 1) {
		if (x.offset + x.length <= from)
			continue;
		if (x.offset >= to)
			return 0;
		part = fy_btrfs_part(c, p->stripe, x.offset - from,
				     x.offset + x.length - from);
		if (append(o, p->at + part.offset, part.length, err) == -1)
			return -1;
	}
	return r;
}

/* All stripes by device and place; none may overlap. */
static int
sort_places(const struct fy_btrfs *fs, struct place *p, struct fy_error *err)
{
	const struct fy_btrfs_chunks *chunks = &fs->chunks;
	size_t i, n = 0;
	uint16_t k;

	for (i = 0; i < chunks->n; i++)
		for (k = 0; k < chunks->items[i].stripes; k++) {
			const struct fy_btrfs_stripe *s =
				&chunks->stripes[chunks->items[i].first_stripe +
						 k];

			p[n++] = (struct place){ s->at, s->device, (uint32_t)i,
						 k };
		}
	fy_sort(p, n, sizeof(*p), by_place);
	for (i = 1; i < n; i++) {
		const struct fy_btrfs_chunk *c = &chunks->items[p[i - 1].chunk];

		if (p[i].device == p[i - 1].device &&
		    p[i].at - p[i - 1].at < fy_btrfs_stripe_bytes(c))
			return fy_error_set(
				err, FY_E_FORMAT, 0,
				"two chunks overlap at byte %" PRIu64
				" of device %" PRIu64,
				p[i].at, fs->devices[p[i].device].id);
	}
	return 0;
}

static int
append_all(struct fy_btrfs *fs, const struct fy_extents *list,
	   struct fy_extents *const *used, struct fy_error *err)
{
	fy_autofree struct place *places =
		calloc(fs->chunks.n_stripes, sizeof(*places));
	struct output o = { .fs = fs, .list = list };
	size_t i = 0, d;

	if (places == NULL)
		return fy_error_nomem(err);
	if (sort_places(fs, places, err) == -1)
		return -1;
	for (d = 0; d < fs->n_devices; d++) {
		o.used = used[d];
		set_fixed(&o, fs->devices[d].bytes);
		for (; i < fs->chunks.n_stripes && places[i].device == d; i++)
			if (append_stripe(&o, &places[i], err) == -1)
				return -1;
		/* The fixed ones that are left. */
		if (append(&o, UINT64_MAX, 0, err) == -1)
			return -1;
	}
	return 0;
}

int
fy_btrfs_map(struct fy_btrfs *fs, struct fy_extents *const *used,
	     struct fy_btrfs_report *ret, struct fy_error *err)
{
	fy_autoextents struct fy_extents *list = fy_extents_new(err);
	struct roots roots;

	if (list == NULL || read_roots(fs, &roots, err) == -1 ||
	    check_devices(fs, &roots.device, err) == -1 ||
	    read_extents(fs, &roots, list, err) == -1 ||
	    check_seen(fs, list, err) == -1)
		return -1;
	check_groups(fs, ret);
	return append_all(fs, list, used, err);
}
