/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store of a snapshot, in chunks, little-endian:
 *   chunk 0: 0 magic "SnAp"  4 valid  8 version 1  12 sectors of a chunk (u32)
 *   chunk 1, and then each (entries of a chunk + 1)-th: a list of pairs
 *   (chunk of the origin, chunk of the store; u64), ended by a pair whose
 *   second is 0; the chunks that follow are what it speaks of.
 */
#include "partclone/cow.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

#define MAX_ENTRIES (UINT64_C(4) << 20)
#define MAX_CHUNK   (UINT64_C(1) << 20)

struct entry {
	uint64_t from, to; /* chunks of the origin, of the store */
};

struct cow {
	struct fy_volume *store, *origin;
	uint64_t chunk;
	struct entry *entries; /* by 'from' */
	size_t n, room;
};

static int
bad(struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "the snapshot's store: %s",
			    what);
}

static void
cow_close(void *handle)
{
	struct cow *c = handle;

	free(c->entries);
	free(c);
}

static int
add_entry(struct cow *c, uint64_t from, uint64_t to, struct fy_error *err)
{
	struct entry *grown;
	size_t room;

	if (c->n == MAX_ENTRIES)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the snapshot's store has too many chunks");
	if (c->n == c->room) {
		room = c->room == 0 ? 256 : c->room * 2;
		grown = reallocarray(c->entries, room, sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		c->entries = grown;
		c->room = room;
	}
	c->entries[c->n++] = (struct entry){ from, to };
	return 0;
}

/* One list; '*ret_more': it is full, so another follows. */
static int
read_list(struct cow *c, uint64_t at, unsigned char *buf, bool *ret_more,
	  struct fy_error *err)
{
	uint64_t chunks = fy_volume_size(c->store) / c->chunk, i, from, to;

	*ret_more = false;
	if (at >= chunks)
		return 0;
	if (fy_volume_pread(c->store, buf, (size_t)c->chunk, at * c->chunk,
			    err) == -1)
		return -1;
	for (i = 0; i < c->chunk; i += 16) {
		from = fy_get_le64(buf + i);
		to = fy_get_le64(buf + i + 8);
		if (to == 0)
			return 0;
		if (to >= chunks || from > fy_volume_size(c->origin) / c->chunk)
			return bad(err, "a chunk lies outside");
		if (add_entry(c, from, to, err) == -1)
			return -1;
	}
	*ret_more = true;
	return 0;
}

static int
by_from(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static int
read_lists(struct cow *c, struct fy_error *err)
{
	fy_autofree unsigned char *buf = malloc((size_t)c->chunk);
	uint64_t at;
	bool more = true;
	size_t i;

	if (buf == NULL)
		return fy_error_nomem(err);
	for (at = 1; more; at += c->chunk / 16 + 1)
		if (read_list(c, at, buf, &more, err) == -1)
			return -1;
	fy_sort(c->entries, c->n, sizeof(*c->entries), by_from);
	for (i = 1; i < c->n; i++)
		if (c->entries[i].from == c->entries[i - 1].from)
			return bad(err, "a chunk is there twice");
	return 0;
}

/* --- the volume -------------------------------------------------------------- */

static const struct entry *
find_entry(const struct cow *c, uint64_t chunk)
{
	size_t low = 0, high = c->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (c->entries[middle].from == chunk)
			return &c->entries[middle];
		if (c->entries[middle].from < chunk)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int
cow_pread(void *handle, void *buf, size_t len, uint64_t offset,
	  struct fy_error *err)
{
	const struct cow *c = handle;
	unsigned char *to = buf;
	const struct entry *e;
	uint64_t within;
	size_t part;
	int r;

	while (len > 0) {
		within = offset % c->chunk;
		part = (size_t)fy_min_u64(len, c->chunk - within);
		e = find_entry(c, offset / c->chunk);
		r = e == NULL
			    ? fy_volume_pread(c->origin, to, part, offset, err)
			    : fy_volume_pread(c->store, to, part,
					      e->to * c->chunk + within, err);
		if (r == -1)
			return -1;
		to += part;
		offset += part;
		len -= part;
	}
	return 0;
}

static const struct fy_volume_ops cow_ops = {
	.pread = cow_pread,
	.close = cow_close,
};

/* The header; FY_E_FORMAT. */
static int
read_header(struct fy_volume *store, struct fy_cow_info *ret,
	    struct fy_error *err)
{
	unsigned char h[512];

	if (fy_volume_size(store) < sizeof(h))
		return bad(err, "it is too small");
	if (fy_volume_pread(store, h, sizeof(h), 0, err) == -1)
		return -1;
	if (memcmp(h, "SnAp", 4) != 0)
		return bad(err, "it has no header");
	if (fy_get_le32(h + 8) != 1)
		return bad(err, "it is of an unknown version");
	ret->valid = fy_get_le32(h + 4) != 0;
	ret->chunk_bytes = (uint64_t)fy_get_le32(h + 12) * 512;
	if (!fy_is_power_of_two(ret->chunk_bytes) ||
	    ret->chunk_bytes > MAX_CHUNK)
		return bad(err, "its chunks have a senseless size");
	return 0;
}

int
fy_cow_open(struct fy_volume *store, struct fy_volume *origin, const char *name,
	    struct fy_cow_info *ret_info, struct fy_volume **ret,
	    struct fy_error *err)
{
	struct cow *c;

	*ret = NULL;
	if (read_header(store, ret_info, err) == -1)
		return -1;
	if (!ret_info->valid)
		return 0;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return fy_error_nomem(err);
	c->store = store;
	c->origin = origin;
	c->chunk = ret_info->chunk_bytes;
	if (read_lists(c, err) == -1) {
		cow_close(c);
		return -1;
	}
	*ret = fy_volume_new(&cow_ops, c, name, fy_volume_size(origin),
			     fy_volume_sector_bytes(origin), err);
	return *ret == NULL ? -1 : 0;
}
