/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NTFS: the used map out of $Bitmap.
 *
 * Two lists of clusters stand beside the bitmap.  Those of the filesystem's own
 * files (MFT records 0 to 11, the boot sectors among them) must be used; where
 * the bitmap calls one free, it is used all the same and counted, for then the
 * bitmap is not to be trusted far.  Those on $BadClus are left out, but never
 * one of the former.  Each window of the bitmap is corrected by both lists and
 * then read off in runs of bits.
 */
#include "partclone/ntfs-map.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"

#define WINDOW_BYTES (64u << 10)
#define WINDOW_BITS  (WINDOW_BYTES * UINT64_C(8))
#define BAD_STREAM   "$Bad"
#define BOOT_BYTES   8192 /* of $Boot */

/* Ranges of clusters. */
struct range {
	uint64_t from, to;
};

struct ranges {
	struct range *items;
	size_t n, room;
};

static int
add_range(struct ranges *r, uint64_t from, uint64_t to, struct fy_error *err)
{
	struct range *grown;

	if (r->n == FY_NTFS_RUNS)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the filesystem's own files are in too "
				    "many pieces");
	if (r->n == r->room) {
		r->room = r->room == 0 ? 64 : r->room * 2;
		grown = realloc(r->items, r->room * sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		r->items = grown;
	}
	r->items[r->n++] = (struct range){ from, to };
	return 0;
}

static int
by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Sorted, and what touches joined. */
static void
settle(struct ranges *r)
{
	size_t i, n = 0;

	fy_sort(r->items, r->n, sizeof(*r->items), by_start);
	for (i = 0; i < r->n; i++) {
		struct range *last = n > 0 ? &r->items[n - 1] : NULL;

		if (last != NULL && r->items[i].from <= last->to)
			last->to = fy_max_u64(last->to, r->items[i].to);
		else
			r->items[n++] = r->items[i];
	}
	r->n = n;
}

/* Append 'a' without 'b' (both settled) to 'ret'. */
static int
subtract(const struct ranges *a, const struct ranges *b, struct ranges *ret,
	 struct fy_error *err)
{
	size_t i, k = 0, m;

	for (i = 0; i < a->n; i++) {
		uint64_t from = a->items[i].from, to = a->items[i].to;

		while (k < b->n && b->items[k].to <= from)
			k++;
		for (m = k; from < to && m < b->n && b->items[m].from < to;
		     m++) {
			if (b->items[m].from > from &&
			    add_range(ret, from, b->items[m].from, err) == -1)
				return -1;
			from = b->items[m].to;
		}
		if (from < to && add_range(ret, from, to, err) == -1)
			return -1;
	}
	return 0;
}

/* --- the two lists ---------------------------------------------------------------- */

static int
add_attribute(struct fy_ntfs *nt, const struct fy_ntfs_attribute *a, void *ctx,
	      struct fy_error *err)
{
	struct ranges *must = ctx;
	struct fy_ntfs_pairs pairs;
	struct fy_ntfs_run run;
	int r;

	if (a->is_resident || fy_ntfs_is_attribute(a, FY_NTFS_DATA, BAD_STREAM))
		return 0;
	fy_ntfs_pairs_init(&pairs, nt, a);
	while ((r = fy_ntfs_next_run(&pairs, &run, err)) == 1)
		if (run.lcn != FY_NTFS_SPARSE &&
		    add_range(must, run.lcn, run.lcn + run.clusters, err) == -1)
			return -1;
	return r;
}

/* The clusters of these bytes. */
static int
add_bytes(const struct fy_ntfs *nt, uint64_t at, uint64_t len,
	  struct ranges *must, struct fy_error *err)
{
	uint64_t size = nt->cluster_bytes, from = at / size;
	uint64_t to = fy_min_u64((at + len + size - 1) / size, nt->clusters);

	return from < to ? add_range(must, from, to, err) : 0;
}

/* NT 3.51 put the boot sector's backup in the volume's middle. */
static int
add_middle(struct fy_ntfs *nt, struct ranges *must, struct fy_error *err)
{
	uint64_t at = nt->total_bytes / nt->sector_bytes / 2 * nt->sector_bytes;
	unsigned char first[512], middle[512];

	if (nt->total_bytes - at < sizeof(middle))
		return 0;
	if (fy_volume_pread(nt->volume, first, sizeof(first), 0, err) == -1)
		return -1;
	/* What can't be read here is no reason to fail: it's found again when
	 * it is copied, if it is used. */
	if (fy_volume_pread(nt->volume, middle, sizeof(middle), at,
			    &(struct fy_error){ 0 }) == -1 ||
	    memcmp(first, middle, sizeof(first)) != 0)
		return 0;
	return add_bytes(nt, at, nt->sector_bytes, must, err);
}

/* Records 9 and 11 are not there in old versions. */
static int
collect_record(struct fy_ntfs *nt, uint64_t number, struct ranges *must,
	       struct fy_error *err)
{
	fy_autofree unsigned char *record = NULL;
	int r = 1;

	if (number == 9 || number == 11) {
		record = fy_ntfs_record_buffer(nt, err);
		if (record == NULL)
			return -1;
		r = fy_ntfs_read_record(nt, number, record, err);
		if (r == 1 && !fy_ntfs_is_in_use(record))
			return 0;
	}
	if (r == -1)
		return -1;
	return fy_ntfs_each_attribute(nt, number, add_attribute, must, err);
}

static int
collect_own(struct fy_ntfs *nt, struct ranges *must, struct fy_error *err)
{
	uint64_t i;

	if (add_bytes(nt, 0, BOOT_BYTES, must, err) == -1 ||
	    add_bytes(nt, nt->mft_at, 4 * nt->record_bytes, must, err) == -1 ||
	    add_bytes(nt, nt->mirror_at, 4 * nt->record_bytes, must, err) ==
		    -1 ||
	    add_middle(nt, must, err) == -1)
		return -1;
	for (i = 0; i < FY_NTFS_SYSTEM_END; i++)
		if (collect_record(nt, i, must, err) == -1)
			return -1;
	settle(must);
	return 0;
}

/* $BadClus:$Bad is as large as the volume, a hole but for the bad clusters,
 * each of which is its own number. */
static int
read_bad(struct fy_ntfs *nt, struct ranges *bad, struct fy_error *err)
{
	fy_autofree unsigned char *record = fy_ntfs_record_buffer(nt, err);
	struct fy_ntfs_stream s = { 0 };
	size_t i;
	int r;

	if (record == NULL)
		return -1;
	r = fy_ntfs_read_record(nt, FY_NTFS_BADCLUS, record, err);
	if (r == 1)
		r = fy_ntfs_open_stream(nt, FY_NTFS_BADCLUS, record,
					FY_NTFS_DATA, BAD_STREAM, &s, err);
	for (i = 0; r == 1 && i < s.n; i++) {
		if (s.runs[i].lcn == FY_NTFS_SPARSE)
			continue;
		if (s.runs[i].lcn != s.runs[i].vcn)
			r = fy_error_set(err, FY_E_FORMAT, 0,
					 "the list of bad clusters is damaged");
		else if (add_range(bad, s.runs[i].lcn,
				   s.runs[i].lcn + s.runs[i].clusters,
				   err) == -1)
			r = -1;
	}
	fy_ntfs_stream_release(&s);
	return r == -1 ? -1 : 0;
}

/* The bad clusters that are nothing else.  A list that makes no sense is as
 * good as none. */
static int
collect_bad(struct fy_ntfs *nt, const struct ranges *must, struct ranges *ret,
	    struct fy_ntfs_map_report *report, struct fy_error *err)
{
	struct ranges all = { 0 };
	struct fy_error why = { 0 };
	int r = read_bad(nt, &all, &why);

	if (r == -1 && why.code == FY_E_FORMAT) {
		report->list_ignored = true;
		r = 0;
	} else if (r == -1) {
		*err = why;
	} else {
		settle(&all);
		r = subtract(&all, must, ret, err);
	}
	free(all.items);
	return r;
}

/* --- the bitmap -------------------------------------------------------------------- */

struct scan {
	struct fy_ntfs *nt;
	struct fy_ntfs_stream bitmap;
	struct ranges must, bad;
	size_t at_must, at_bad; /* the first that may reach into the window */
	struct fy_extents *used;
	struct fy_ntfs_map_report *report;
	unsigned char *window; /* WINDOW_BYTES */
};

static uint64_t
get_word(const unsigned char *map, uint64_t word)
{
	return fy_get_le64(map + word * 8);
}

/* The first bit from 'at' on that is 'value', or 'end'.  The map's length is a
 * whole number of words. */
static uint64_t
next_bit(const unsigned char *map, uint64_t at, uint64_t end, bool value)
{
	uint64_t word;

	while (at < end) {
		word = get_word(map, at / 64);
		if (!value)
			word = ~word;
		word &= UINT64_MAX << at % 64;
		if (word != 0)
			return fy_min_u64(
				at / 64 * 64 + (unsigned)__builtin_ctzll(word),
				end);
		at = at / 64 * 64 + 64;
	}
	return end;
}

/* Make the bits [from, to) 'value'; returns how many were not. */
static uint64_t
set_bits(unsigned char *map, uint64_t from, uint64_t to, bool value)
{
	uint64_t changed = 0;

	for (from = next_bit(map, from, to, !value); from < to;
	     from = next_bit(map, from + 1, to, !value)) {
		map[from / 8] = (unsigned char)(map[from / 8] ^ 1u << from % 8);
		changed++;
	}
	return changed;
}

/* Make the bits of the window at 'base' ('n' of them) that are in the ranges
 * 'value'; '*at' goes on. */
static uint64_t
apply(unsigned char *map, uint64_t base, uint64_t n, const struct ranges *r,
      size_t *at, bool value)
{
	uint64_t changed = 0;
	size_t i;

	while (*at < r->n && r->items[*at].to <= base)
		(*at)++;
	for (i = *at; i < r->n && r->items[i].from < base + n; i++)
		changed += set_bits(
			map, fy_max_u64(r->items[i].from, base) - base,
			fy_min_u64(r->items[i].to, base + n) - base, value);
	return changed;
}

static int
emit(struct scan *s, uint64_t base, uint64_t n, struct fy_error *err)
{
	uint64_t from, to = 0, size = s->nt->cluster_bytes;

	while ((from = next_bit(s->window, to, n, true)) < n) {
		to = next_bit(s->window, from, n, false);
		if (fy_extents_append(s->used, (base + from) * size,
				      (to - from) * size, err) == -1)
			return -1;
	}
	return 0;
}

/* The window of 'n' clusters from 'base' on, of which the bitmap knows 'known'
 * (from the start; whole bytes, unless it knows all). */
static int
scan_window(struct scan *s, uint64_t base, uint64_t n, uint64_t known,
	    struct fy_error *err)
{
	memset(s->window, 0xff, WINDOW_BYTES);
	if (known > 0 &&
	    fy_ntfs_stream_read(s->nt, &s->bitmap, base / 8, s->window,
				(size_t)((known + 7) / 8), err) == -1)
		return -1;
	s->report->unmarked +=
		apply(s->window, base, n, &s->must, &s->at_must, true);
	s->report->bad += apply(s->window, base, n, &s->bad, &s->at_bad, false);
	return emit(s, base, n, err);
}

/* How many clusters the bitmap tells of: what is not initialized is zeros, but
 * that proves nothing. */
static int
count_known(const struct scan *s, uint64_t *ret, struct fy_error *err)
{
	uint64_t bytes = fy_min_u64(s->bitmap.size, s->bitmap.initialized);
	size_t i;

	for (i = 0; i < s->bitmap.n; i++)
		if (s->bitmap.runs[i].lcn == FY_NTFS_SPARSE)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "$Bitmap has holes");
	if (!s->bitmap.plain)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "$Bitmap is compressed or encrypted");
	*ret = fy_min_u64(bytes, s->nt->clusters / 8 + 1) * 8;
	*ret = fy_min_u64(*ret, s->nt->clusters);
	return 0;
}

static int
open_bitmap(struct scan *s, struct fy_error *err)
{
	fy_autofree unsigned char *record = fy_ntfs_record_buffer(s->nt, err);
	int r;

	if (record == NULL)
		return -1;
	r = fy_ntfs_read_record(s->nt, FY_NTFS_BITMAP, record, err);
	if (r == 1 && !fy_ntfs_is_in_use(record))
		r = 0;
	if (r == 1)
		r = fy_ntfs_open_stream(s->nt, FY_NTFS_BITMAP, record,
					FY_NTFS_DATA, "", &s->bitmap, err);
	if (r == 0)
		return fy_error_set(err, FY_E_FORMAT, 0, "there is no $Bitmap");
	return r == -1 ? -1 : 0;
}

/* From the last cluster to the end, and the boot sector's backup, which is the
 * sector behind it. */
static int
add_end(struct scan *s, struct fy_error *err)
{
	const struct fy_ntfs *nt = s->nt;
	uint64_t at = nt->clusters * nt->cluster_bytes;

	s->report->bytes = fy_min_u64(nt->total_bytes + nt->sector_bytes,
				      fy_volume_size(nt->volume));
	return fy_extents_append(s->used, at, s->report->bytes - at, err);
}

static int
run_scan(struct scan *s, struct fy_error *err)
{
	uint64_t at, n, known = 0, clusters = s->nt->clusters;

	if (open_bitmap(s, err) == -1 || count_known(s, &known, err) == -1 ||
	    collect_own(s->nt, &s->must, err) == -1 ||
	    collect_bad(s->nt, &s->must, &s->bad, s->report, err) == -1)
		return -1;
	s->report->beyond = clusters - known;
	for (at = 0; at < clusters; at += n) {
		n = fy_min_u64(WINDOW_BITS, clusters - at);
		if (fy_stop_check(s->nt->stop, err) == -1 ||
		    scan_window(s, at, n,
				known > at ? fy_min_u64(known - at, n) : 0,
				err) == -1)
			return -1;
	}
	return add_end(s, err);
}

int
fy_ntfs_map(struct fy_ntfs *nt, struct fy_extents *used,
	    struct fy_ntfs_map_report *ret, struct fy_error *err)
{
	struct scan s = { .nt = nt, .used = used, .report = ret };
	int r;

	memset(ret, 0, sizeof(*ret));
	s.window = malloc(WINDOW_BYTES);
	if (s.window == NULL)
		return fy_error_nomem(err);
	r = run_scan(&s, err);
	fy_ntfs_stream_release(&s.bitmap);
	free(s.must.items);
	free(s.bad.items);
	free(s.window);
	return r;
}
