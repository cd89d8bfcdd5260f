/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A volume out of pieces of other volumes: what a logical volume is.  The piece
 * of a byte is found by bisection; a read or write that crosses pieces or
 * stripes is cut there.
 */
#include "common/gather.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

struct gather {
	struct fy_gather_piece *pieces; /* their areas are in 'areas' */
	struct fy_gather_area *areas;
	size_t n, n_areas;
};

uint64_t
fy_gather_share(uint64_t length, unsigned n, uint64_t stripe_bytes, unsigned k)
{
	uint64_t round, rest, before;

	if (n <= 1)
		return length;
	round = n * stripe_bytes;
	rest = length % round;
	before = k * stripe_bytes;
	return length / round * stripe_bytes +
	       (rest <= before ? 0 : fy_min_u64(rest - before, stripe_bytes));
}

/* How far the byte at 'at' of the piece goes on in one area; the place there
 * to 'ret'. */
static uint64_t
find_place(const struct fy_gather_piece *p, uint64_t at,
	   struct fy_gather_area *ret)
{
	uint64_t stripe, within;

	if (p->n_areas == 0) {
		*ret = (struct fy_gather_area){ NULL, 0 };
		return p->length - at;
	}
	if (p->n_areas == 1 || p->mirrored) {
		*ret = p->areas[0];
		ret->offset += at;
		return p->length - at;
	}
	stripe = at / p->stripe_bytes;
	within = at % p->stripe_bytes;
	*ret = p->areas[stripe % p->n_areas];
	ret->offset += stripe / p->n_areas * p->stripe_bytes + within;
	return fy_min_u64(p->length - at, p->stripe_bytes - within);
}

/* The piece that holds the byte; there is one. */
static const struct fy_gather_piece *
find_piece(const struct gather *g, uint64_t offset)
{
	size_t low = 0, high = g->n - 1, middle;

	while (low < high) {
		middle = low + (high - low + 1) / 2;
		if (g->pieces[middle].start <= offset)
			low = middle;
		else
			high = middle - 1;
	}
	return &g->pieces[low];
}

static int
gather_pread(void *handle, void *buf, size_t len, uint64_t offset,
	     struct fy_error *err)
{
	const struct gather *g = handle;
	unsigned char *to = buf;
	struct fy_gather_area area;
	size_t part;

	while (len > 0) {
		const struct fy_gather_piece *p = find_piece(g, offset);

		part = (size_t)fy_min_u64(
			len, find_place(p, offset - p->start, &area));
		if (area.volume == NULL)
			memset(to, 0, part);
		else if (fy_volume_pread(area.volume, to, part, area.offset,
					 err) == -1)
			return -1;
		to += part;
		offset += part;
		len -= part;
	}
	return 0;
}

/* To all areas of a mirrored piece, else to the one place. */
static int
write_part(const struct fy_gather_piece *p, const void *buf, size_t len,
	   uint64_t at, const struct fy_gather_area *place,
	   struct fy_error *err)
{
	unsigned k;

	if (!p->mirrored)
		return fy_volume_pwrite(place->volume, buf, len, place->offset,
					err);
	for (k = 0; k < p->n_areas; k++)
		if (fy_volume_pwrite(p->areas[k].volume, buf, len,
				     p->areas[k].offset + at, err) == -1)
			return -1;
	return 0;
}

static int
gather_pwrite(void *handle, const void *buf, size_t len, uint64_t offset,
	      struct fy_error *err)
{
	const struct gather *g = handle;
	const unsigned char *from = buf;
	struct fy_gather_area area;
	size_t part;

	while (len > 0) {
		const struct fy_gather_piece *p = find_piece(g, offset);

		part = (size_t)fy_min_u64(
			len, find_place(p, offset - p->start, &area));
		if (write_part(p, from, part, offset - p->start, &area, err))
			return -1;
		from += part;
		offset += part;
		len -= part;
	}
	return 0;
}

static int
gather_flush(void *handle, struct fy_error *err)
{
	const struct gather *g = handle;
	size_t i;

	for (i = 0; i < g->n_areas; i++)
		if (fy_volume_flush(g->areas[i].volume, err) == -1)
			return -1;
	return 0;
}

static void
gather_close(void *handle)
{
	struct gather *g = handle;

	free(g->pieces);
	free(g->areas);
	free(g);
}

static const struct fy_volume_ops gather_ops = {
	.pread = gather_pread,
	.close = gather_close,
};

static const struct fy_volume_ops gather_ops_rw = {
	.pread = gather_pread,
	.pwrite = gather_pwrite,
	.flush = gather_flush,
	.close = gather_close,
};

static bool
all_writable(const struct gather *g)
{
	size_t i;

	for (i = 0; i < g->n; i++)
		if (g->pieces[i].n_areas == 0)
			return false;
	for (i = 0; i < g->n_areas; i++)
		if (!fy_volume_is_writable(g->areas[i].volume))
			return false;
	return true;
}

/* Whether the piece follows the bytes before it and lies in its areas. */
static bool
is_sound(const struct fy_gather_piece *p, uint64_t start)
{
	uint64_t end, share;
	unsigned k;

	if (p->start != start || p->length == 0 ||
	    !fy_add_u64(p->start, p->length, &end))
		return false;
	if (p->n_areas > 1 && !p->mirrored &&
	    (p->stripe_bytes == 0 ||
	     !fy_mul_u64(p->n_areas, p->stripe_bytes, &share)))
		return false;
	for (k = 0; k < p->n_areas; k++) {
		share = p->mirrored ? p->length
				    : fy_gather_share(p->length, p->n_areas,
						      p->stripe_bytes, k);
		if (!fy_add_u64(p->areas[k].offset, share, &end) ||
		    end > fy_volume_size(p->areas[k].volume))
			return false;
	}
	return true;
}

static int
check(const struct fy_gather_piece *pieces, size_t n, const char *name,
      uint64_t *ret_size, size_t *ret_areas, struct fy_error *err)
{
	size_t i;

	*ret_size = 0;
	*ret_areas = 0;
	for (i = 0; i < n; i++) {
		if (!is_sound(&pieces[i], *ret_size))
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "%s: its piece %zu does not fit",
					    name, i);
		*ret_size += pieces[i].length;
		*ret_areas += pieces[i].n_areas;
	}
	return 0;
}

int
fy_gather_new(const struct fy_gather_piece *pieces, size_t n, const char *name,
	      uint32_t sector_bytes, struct fy_volume **ret,
	      struct fy_error *err)
{
	struct gather *g;
	size_t i, areas, at = 0;
	uint64_t size;

	if (check(pieces, n, name, &size, &areas, err) == -1)
		return -1;
	g = calloc(1, sizeof(*g));
	if (g != NULL) {
		g->n = n;
		g->n_areas = areas;
		g->pieces = calloc(n + 1, sizeof(*g->pieces));
		g->areas = calloc(areas + 1, sizeof(*g->areas));
	}
	if (g == NULL || g->pieces == NULL || g->areas == NULL) {
		if (g != NULL)
			gather_close(g);
		return fy_error_nomem(err);
	}
	for (i = 0; i < n; i++) {
		g->pieces[i] = pieces[i];
		g->pieces[i].areas = g->areas + at;
		if (pieces[i].n_areas > 0)
			memcpy(g->areas + at, pieces[i].areas,
			       pieces[i].n_areas * sizeof(*g->areas));
		at += pieces[i].n_areas;
	}
	*ret = fy_volume_new(all_writable(g) ? &gather_ops_rw : &gather_ops, g,
			     name, size, sector_bytes, err);
	return *ret == NULL ? -1 : 0;
}
