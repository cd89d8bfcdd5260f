/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gaps: boot loaders (the embedding area behind an MBR), extended boot
 * records, backup boot sectors, the metadata of arrays and of logical disk
 * managers live in bytes that no volume owns.  They are small and near the
 * gap's ends, so small gaps are copied whole and of large ones the ends; for
 * signatures the gap is looked at as if it were a volume, as libblkid would.
 */
#include "partclone/gap.h"

#include <stdlib.h>

#include "common/bytes.h"
#include "partclone/signature.h"

#define WHOLE_BYTES	(16 * FY_MIB)
#define END_BYTES	FY_MIB
#define SIGNATURE_BYTES 8192 /* kept around a signature, aligned */

struct ranges {
	struct fy_extent *items;
	size_t n;
};

static void
add(struct ranges *r, const struct fy_gap *gap, uint64_t from, uint64_t to)
{
	from = fy_max_u64(from, gap->start);
	to = fy_min_u64(to, gap->start + gap->length);
	if (from < to)
		r->items[r->n++] = (struct fy_extent){ from, to - from };
}

static int
by_offset(const void *a, const void *b)
{
	const struct fy_extent *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int
add_signatures(struct fy_volume *disk, const struct fy_gap *gap,
	       struct ranges *ranges, struct fy_error *err)
{
	struct fy_signature_hit hits[FY_SIGNATURE_HITS];
	fy_autovolume struct fy_volume *part = NULL;
	uint64_t at;
	size_t i, n;

	if (fy_volume_slice(disk, gap->start, gap->length, "gap", &part, err) ==
		    -1 ||
	    fy_signatures_find(part, hits, &n, err) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		at = gap->start + fy_align_down(hits[i].at, SIGNATURE_BYTES);
		add(ranges, gap, at, at + SIGNATURE_BYTES);
	}
	return 0;
}

int
fy_gap_append(struct fy_volume *disk, const struct fy_gap *gap,
	      struct fy_extents *used, uint64_t *ret_skipped,
	      struct fy_error *err)
{
	fy_autofree struct fy_extent *items = NULL;
	uint64_t end = gap->start + gap->length, done = gap->start, copied = 0;
	struct ranges ranges = { 0 };
	size_t i;

	*ret_skipped = 0;
	if (gap->whole || gap->length <= WHOLE_BYTES)
		return fy_extents_append(used, gap->start, gap->length, err);
	items = calloc(2 + gap->n_must + FY_SIGNATURE_HITS, sizeof(*items));
	if (items == NULL)
		return fy_error_nomem(err);
	ranges.items = items;
	add(&ranges, gap, gap->start, gap->start + END_BYTES);
	add(&ranges, gap, end - END_BYTES, end);
	for (i = 0; i < gap->n_must; i++)
		add(&ranges, gap, gap->must[i].offset,
		    gap->must[i].offset + gap->must[i].length);
	if (add_signatures(disk, gap, &ranges, err) == -1)
		return -1;
	fy_sort(items, ranges.n, sizeof(*items), by_offset);
	for (i = 0; i < ranges.n; i++) {
		uint64_t from = fy_max_u64(items[i].offset, done);
		uint64_t to = items[i].offset + items[i].length;

		if (from >= to)
			continue;
		if (fy_extents_append(used, from, to - from, err) == -1)
			return -1;
		copied += to - from;
		done = to;
	}
	*ret_skipped = gap->length - copied;
	return 0;
}
