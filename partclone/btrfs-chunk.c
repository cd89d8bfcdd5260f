/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Chunks of Btrfs: from logical addresses to stripes on devices.
 *
 * A chunk has columns of FY_BTRFS_STRIPE bytes side by side, each kept in a
 * number of copies, and maybe parities:
 *
 *   single, DUP, RAID1, C3, C4   1 column, n copies, no rows
 *   RAID0                        n columns
 *   RAID10                       n/2 columns of 2 copies side by side
 *   RAID5, RAID6                 n-1, n-2 columns; in each row of stripes the
 *                                places move on by one device
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/btrfs.h"

#define HEAD_BYTES   48
#define STRIPE_BYTES 32

/* Bounds of what is kept in memory: 256 TiB of the usual chunks. */
#define MAX_CHUNKS  (1u << 18)
#define MAX_STRIPES (1u << 20)

#define KINDS	 UINT64_C(7) /* data, system, metadata */
#define PROFILES UINT64_C(0x7f8)

struct profile {
	uint64_t flag;
	uint16_t min, max, copies, parities;
};

static const struct profile profiles[] = {
	{ 0, 1, 1, 1, 0 },
	{ 1 << 3, 1, UINT16_MAX, 1, 0 }, /* RAID0 */
	{ 1 << 4, 2, 2, 2, 0 },		 /* RAID1 */
	{ 1 << 5, 2, 2, 2, 0 },		 /* DUP */
	{ 1 << 6, 2, UINT16_MAX, 2, 0 }, /* RAID10 */
	{ 1 << 7, 2, UINT16_MAX, 1, 1 }, /* RAID5 */
	{ 1 << 8, 3, UINT16_MAX, 1, 2 }, /* RAID6 */
	{ 1 << 9, 3, 3, 3, 0 },		 /* RAID1C3 */
	{ 1 << 10, 4, 4, 4, 0 },	 /* RAID1C4 */
};

#define RAID10 (1 << 6)

void
fy_btrfs_release_chunks(struct fy_btrfs_chunks *c)
{
	free(c->items);
	free(c->stripes);
	memset(c, 0, sizeof(*c));
}

static bool
is_striped(const struct fy_btrfs_chunk *c)
{
	return (c->flags & ((1 << 3) | (1 << 6) | (1 << 7) | (1 << 8))) != 0;
}

uint64_t
fy_btrfs_stripe_bytes(const struct fy_btrfs_chunk *c)
{
	return c->length / c->columns;
}

/* --- reading chunk items ------------------------------------------------------ */

/* Room for 'more' items of 'size' bytes; the array at '*items' grows. */
static int
make_room(void *items, size_t size, size_t n, size_t more, size_t *room,
	  size_t max, struct fy_error *err)
{
	size_t want = n + more, grown = *room == 0 ? 64 : *room;
	void *p;

	if (want > max)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "it has more chunks than this program "
				    "keeps in memory");
	if (want <= *room)
		return 0;
	while (grown < want)
		grown *= 2;
	p = realloc(*(void **)items, grown * size);
	if (p == NULL)
		return fy_error_nomem(err);
	*(void **)items = p;
	*room = grown;
	return 0;
}

static int
bad(uint64_t start, const char *what, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "chunk %" PRIu64 ": %s", start,
			    what);
}

/* The profile into 'c'. */
static int
set_profile(struct fy_btrfs_chunk *c, unsigned sub_stripes,
	    struct fy_error *err)
{
	const struct profile *p = NULL;
	size_t i;

	if (c->flags & ~(KINDS | PROFILES))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "chunk %" PRIu64
				    " is of a kind that this program does not "
				    "know (0x%" PRIx64 ")",
				    c->start, c->flags);
	for (i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		if ((c->flags & PROFILES) == profiles[i].flag)
			p = &profiles[i];
	if (p == NULL || (c->flags & KINDS) == 0)
		return bad(c->start, "no possible kind", err);
	if (c->stripes < p->min || c->stripes > p->max ||
	    (p->flag == RAID10 && (sub_stripes != 2 || c->stripes % 2 != 0)))
		return bad(c->start, "a wrong number of stripes", err);
	c->copies = p->copies;
	c->parities = p->parities;
	c->columns = 1;
	if (is_striped(c))
		c->columns = (uint16_t)((c->stripes - p->parities) / p->copies);
	return 0;
}

static int
find_device(const struct fy_btrfs *fs, const unsigned char *stripe,
	    uint32_t *ret, struct fy_error *err)
{
	uint64_t id = fy_get_le64(stripe);
	size_t i;

	for (i = 0; i < fs->n_devices; i++) {
		if (fs->devices[i].id != id)
			continue;
		if (memcmp(fs->devices[i].uuid, stripe + 16, 16) != 0)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "device %" PRIu64
					    " is another one than its chunks "
					    "were made on",
					    id);
		*ret = (uint32_t)i;
		return 0;
	}
	return fy_error_set(
		err, FY_E_UNSUPPORTED, 0,
		"it has chunks on device %" PRIu64 ", which is not here", id);
}

static int
add_stripes(struct fy_btrfs *fs, struct fy_btrfs_chunks *to,
	    const struct fy_btrfs_chunk *c, const unsigned char *item,
	    struct fy_error *err)
{
	uint64_t bytes = fy_btrfs_stripe_bytes(c), end;
	unsigned i;

	for (i = 0; i < c->stripes; i++) {
		const unsigned char *b = item + HEAD_BYTES + STRIPE_BYTES * i;
		struct fy_btrfs_stripe *s = &to->stripes[to->n_stripes];

		s->at = fy_get_le64(b + 8);
		if (find_device(fs, b, &s->device, err) == -1)
			return -1;
		if (s->at % fs->super.sector_bytes != 0 ||
		    !fy_add_u64(s->at, bytes, &end) ||
		    end > fs->devices[s->device].bytes)
			return bad(c->start, "it reaches outside its device",
				   err);
		to->n_stripes++;
	}
	return 0;
}

int
fy_btrfs_add_chunk(struct fy_btrfs *fs, struct fy_btrfs_chunks *to,
		   uint64_t start, const unsigned char *item, size_t len,
		   struct fy_error *err)
{
	struct fy_btrfs_chunk c = { .start = start };
	uint32_t sector = fs->super.sector_bytes;
	uint64_t end;

	if (len < HEAD_BYTES)
		return bad(start, "its item is too short", err);
	c.length = fy_get_le64(item);
	c.flags = fy_get_le64(item + 24);
	c.stripes = fy_get_le16(item + 44);
	if (c.stripes == 0 ||
	    len != HEAD_BYTES + (size_t)STRIPE_BYTES * c.stripes)
		return bad(start, "its item has another length", err);
	if (c.length == 0 || start % sector != 0 || c.length % sector != 0 ||
	    !fy_add_u64(start, c.length, &end) || end > INT64_MAX ||
	    fy_get_le64(item + 16) != FY_BTRFS_STRIPE)
		return bad(start, "impossible sizes", err);
	if (set_profile(&c, fy_get_le16(item + 46), err) == -1)
		return -1;
	if (is_striped(&c) &&
	    c.length % ((uint64_t)FY_BTRFS_STRIPE * c.columns) != 0)
		return bad(start, "its last row is cut", err);
	if (make_room(&to->items, sizeof(*to->items), to->n, 1, &to->room,
		      MAX_CHUNKS, err) == -1 ||
	    make_room(&to->stripes, sizeof(*to->stripes), to->n_stripes,
		      c.stripes, &to->stripes_room, MAX_STRIPES, err) == -1)
		return -1;
	c.first_stripe = (uint32_t)to->n_stripes;
	if (add_stripes(fs, to, &c, item, err) == -1)
		return -1;
	to->items[to->n++] = c;
	return 0;
}

static int
by_start(const void *a, const void *b)
{
	const struct fy_btrfs_chunk *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

int
fy_btrfs_sort_chunks(struct fy_btrfs_chunks *c, struct fy_error *err)
{
	size_t i;

	fy_sort(c->items, c->n, sizeof(*c->items), by_start);
	for (i = 1; i < c->n; i++)
		if (c->items[i].start - c->items[i - 1].start <
		    c->items[i - 1].length)
			return bad(c->items[i].start, "it overlaps another one",
				   err);
	return 0;
}

struct fy_btrfs_chunk *
fy_btrfs_find_chunk(const struct fy_btrfs_chunks *c, uint64_t logical)
{
	size_t low = 0, high = c->n, mid;

	/* The number of chunks that begin at or before it. */
	while (low < high) {
		mid = low + (high - low) / 2;
		if (c->items[mid].start <= logical)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 ||
	    logical - c->items[low - 1].start >= c->items[low - 1].length)
		return NULL;
	return &c->items[low - 1];
}

/* --- where bytes are ----------------------------------------------------------- */

/* How many of the chunk's first 'n' bytes column number 'column' has. */
static uint64_t
in_column(const struct fy_btrfs_chunk *c, unsigned column, uint64_t n)
{
	uint64_t row = (uint64_t)FY_BTRFS_STRIPE * c->columns;
	uint64_t before = (uint64_t)FY_BTRFS_STRIPE * column, rest = n % row;

	rest = rest <= before ? 0 : fy_min_u64(rest - before, FY_BTRFS_STRIPE);
	return n / row * FY_BTRFS_STRIPE + rest;
}

/* On one device, what a range of the chunk covers is in one piece: every row
 * but the first and the last is covered wholly. */
struct fy_extent
fy_btrfs_part(const struct fy_btrfs_chunk *c, unsigned stripe, uint64_t from,
	      uint64_t to)
{
	uint64_t row = (uint64_t)FY_BTRFS_STRIPE * c->columns;

	if (!is_striped(c))
		return (struct fy_extent){ from, to - from };
	if (c->parities > 0) {
		/* Whole rows: a parity is over all of its row. */
		from = from / row * FY_BTRFS_STRIPE;
		to = (to + row - 1) / row * FY_BTRFS_STRIPE;
	} else {
		from = in_column(c, stripe / c->copies, from);
		to = in_column(c, stripe / c->copies, to);
	}
	return (struct fy_extent){ from, to - from };
}

/* Byte 'at' of the chunk: its stripe, and where in that. */
static const struct fy_btrfs_stripe *
locate(const struct fy_btrfs_chunks *chunks, const struct fy_btrfs_chunk *c,
       uint64_t at, unsigned copy, uint64_t *ret_at)
{
	const struct fy_btrfs_stripe *s = chunks->stripes + c->first_stripe;
	uint64_t nr = at / FY_BTRFS_STRIPE, row = nr / c->columns;
	uint64_t column = nr % c->columns;

	if (!is_striped(c)) {
		*ret_at = at;
		return s + copy;
	}
	*ret_at = row * FY_BTRFS_STRIPE + at % FY_BTRFS_STRIPE;
	if (c->parities > 0)
		return s + (row + column) % c->stripes;
	return s + column * c->copies + copy;
}

unsigned
fy_btrfs_copies(const struct fy_btrfs *fs, uint64_t logical)
{
	const struct fy_btrfs_chunk *c =
		fy_btrfs_find_chunk(&fs->chunks, logical);

	return c == NULL ? 0 : c->copies;
}

int
fy_btrfs_read_copy(struct fy_btrfs *fs, uint64_t logical, unsigned copy,
		   unsigned char *ret, size_t len, struct fy_error *err)
{
	const struct fy_btrfs_chunk *c =
		fy_btrfs_find_chunk(&fs->chunks, logical);
	const struct fy_btrfs_stripe *s;
	uint64_t at, in_stripe;
	size_t n;

	if (c == NULL || c->start + c->length - logical < len)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "tree block %" PRIu64 " is in no chunk",
				    logical);
	for (at = logical - c->start; len > 0; at += n, ret += n, len -= n) {
		n = (size_t)fy_min_u64(len,
				       FY_BTRFS_STRIPE - at % FY_BTRFS_STRIPE);
		s = locate(&fs->chunks, c, at, copy, &in_stripe);
		if (fy_volume_pread(fs->devices[s->device].volume, ret, n,
				    s->at + in_stripe, err) == -1)
			return -1;
	}
	return 0;
}
