/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * exFAT: the allocation bitmap, a file that the root directory names, decides.
 *
 * Used is everything before the cluster heap (both boot regions, the FATs) and
 * behind its last cluster, and each cluster that a bitmap calls used: of the
 * two that TexFAT has, the active one counts, and what only the other one
 * calls used is kept too, since not every driver knows that there are two.
 * The root directory, the bitmaps and the up-case table are used whatever the
 * bitmap says.  Bad clusters are left out (exfat-bad.c).  Whatever contradicts
 * itself makes the volume whole, and so does a mark that it was not unmounted:
 * a file's newest clusters may not be in the bitmap yet.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/exfat.h"

#define ENTRY_BITMAP 0x81
#define ENTRY_UPCASE 0x82
#define MAX_UPCASE   (1u << 20) /* bytes; 64 Ki characters take 128 KiB */

/* What is used in any case, in order. */
struct forced {
	struct fy_exfat_run *runs;
	size_t n;
	size_t at;	  /* the first that may reach into the next window */
	uint64_t missing; /* clusters that the bitmap calls free */
};

/* What the root directory names. */
struct named {
	uint32_t bitmap[2], upcase; /* first clusters; 0: not named */
	uint64_t bitmap_bytes[2], upcase_bytes;
	bool twice;
};

/* --- the root directory -------------------------------------------------------- */

static void
name_once(struct named *n, uint32_t *first, uint64_t *bytes,
	  const unsigned char *entry)
{
	if (*first != 0)
		n->twice = true;
	*first = fy_get_le32(entry + 20);
	*bytes = fy_get_le64(entry + 24);
}

static int
look_at_entry(void *arg, const unsigned char *entry, struct fy_error *err)
{
	unsigned which = entry[1] & 1;
	struct named *n = arg;

	(void)err;
	if (entry[0] == ENTRY_BITMAP)
		name_once(n, &n->bitmap[which], &n->bitmap_bytes[which], entry);
	else if (entry[0] == ENTRY_UPCASE)
		name_once(n, &n->upcase, &n->upcase_bytes, entry);
	return 0;
}

/* The chain of a file with this length: as long as that, not longer.  As
 * fy_exfat_follow. */
static int
follow_file(struct fy_exfat *e, uint32_t first, uint64_t bytes,
	    struct fy_exfat_chain *ret, struct fy_error *err)
{
	uint64_t clusters = fy_div_up(bytes, e->cluster_bytes);
	int r;

	if (clusters == 0 || clusters > e->clusters)
		return 0;
	r = fy_exfat_follow(e, first, (uint32_t)clusters, ret, err);
	return r != 1 ? r : ret->clusters == clusters;
}

/* The chains that must be there.  1; 0 with 'result' whole; -1. */
static int
find_files(struct fy_exfat_map *m, struct fy_exfat_chain *root,
	   struct fy_exfat_chain *upcase, struct fy_fs_result *result,
	   struct fy_error *err)
{
	struct fy_exfat *e = m->fs;
	uint64_t need = (uint64_t)e->clusters / 8 + (e->clusters % 8 != 0);
	struct named n = { 0 };
	uint32_t i;
	int r;

	r = fy_exfat_follow(
		e, e->root,
		(uint32_t)fy_max_u64(FY_EXFAT_DIRECTORY / e->cluster_bytes, 1),
		root, err);
	if (r == 1 &&
	    fy_exfat_each_entry(e, root, look_at_entry, &n, err) == -1)
		return -1;
	if (r == 0)
		fy_fs_whole(result, true,
			    "exFAT's root directory can't be followed");
	if (r != 1)
		return r;
	if (n.twice || n.upcase == 0 || n.bitmap[0] == 0 ||
	    (n.bitmap[1] != 0) != (e->fats == 2) || n.upcase_bytes > MAX_UPCASE)
		return fy_fs_whole(result, true,
				   "exFAT's root directory doesn't name what "
				   "it must");
	r = follow_file(e, n.upcase, n.upcase_bytes, upcase, err);
	for (i = 0; r == 1 && i < e->fats; i++) {
		if (n.bitmap_bytes[i] < need)
			r = 0;
		else
			r = follow_file(e, n.bitmap[i], n.bitmap_bytes[i],
					&m->bitmap[i], err);
	}
	if (r == 0)
		fy_fs_whole(result, true,
			    "exFAT's allocation bitmap or up-case table can't "
			    "be followed");
	return r;
}

/* --- what is used in any case ---------------------------------------------------- */

static int
by_first(const void *a, const void *b)
{
	const struct fy_exfat_run *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* 1; 0 when two of them share a cluster; -1. */
static int
force(const struct fy_exfat_chain *const *chains, size_t n, struct forced *ret,
      struct fy_error *err)
{
	size_t i, total = 0;

	for (i = 0; i < n; i++)
		total += chains[i]->n;
	ret->runs = calloc(total, sizeof(*ret->runs));
	if (ret->runs == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < n; i++) {
		if (chains[i]->n == 0)
			continue;
		memcpy(ret->runs + ret->n, chains[i]->runs,
		       chains[i]->n * sizeof(*ret->runs));
		ret->n += chains[i]->n;
	}
	fy_sort(ret->runs, ret->n, sizeof(*ret->runs), by_first);
	for (i = 1; i < ret->n; i++)
		if (ret->runs[i].first - ret->runs[i - 1].first <
		    ret->runs[i - 1].count)
			return 0;
	return 1;
}

/* --- the bitmap ------------------------------------------------------------------- */

int
fy_exfat_read_bits(const struct fy_exfat_map *m, uint32_t first, size_t n,
		   unsigned char ret[FY_EXFAT_WINDOW / 8], struct fy_error *err)
{
	unsigned char other[FY_EXFAT_WINDOW / 8];
	size_t len = (n + 7) / 8, i;

	memset(ret, 0, FY_EXFAT_WINDOW / 8);
	if (fy_exfat_chain_read(m->fs, &m->bitmap[0], first / 8, ret, len,
				err) == -1)
		return -1;
	if (m->fs->fats == 2) {
		if (fy_exfat_chain_read(m->fs, &m->bitmap[1], first / 8, other,
					len, err) == -1)
			return -1;
		for (i = 0; i < len; i++)
			ret[i] |= other[i];
	}
	if (n % 8 != 0)
		ret[len - 1] &= (unsigned char)((1u << (n % 8)) - 1);
	return 0;
}

static bool
get_bit(const unsigned char *bits, size_t i)
{
	return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void
force_window(struct forced *f, uint32_t first, size_t n, unsigned char *bits)
{
	uint64_t start = (uint64_t)first + FY_EXFAT_FIRST, i;
	const struct fy_exfat_run *r;

	for (; f->at < f->n; f->at++) {
		r = &f->runs[f->at];
		if (r->first >= start + n)
			return;
		for (i = fy_max_u64(r->first, start);
		     i < fy_min_u64((uint64_t)r->first + r->count, start + n);
		     i++) {
			if (get_bit(bits, i - start))
				continue;
			bits[(i - start) / 8] |=
				(unsigned char)(1u << ((i - start) % 8));
			f->missing++;
		}
		if ((uint64_t)r->first + r->count > start + n)
			return;
	}
}

/* '*at' is the next of the bad ones.  Adds to '*count' what is left out. */
static void
drop_bad(const struct fy_exfat_bad *b, uint32_t first, size_t n, size_t *at,
	 uint64_t *count, unsigned char *bits)
{
	uint64_t start = (uint64_t)first + FY_EXFAT_FIRST, i;

	for (; *at < b->n && b->clusters[*at] < start + n; (*at)++) {
		if (b->owned[*at])
			continue;
		i = b->clusters[*at] - start;
		bits[i / 8] &= (unsigned char)~(1u << (i % 8));
		(*count)++;
	}
}

static int
append_bits(const struct fy_exfat *e, uint32_t first, size_t n,
	    const unsigned char *bits, struct fy_extents *used,
	    struct fy_error *err)
{
	size_t i = 0, from;

	while (i < n) {
		if (i % 8 == 0 && bits[i / 8] == 0) {
			i += 8;
			continue;
		}
		if (!get_bit(bits, i)) {
			i++;
			continue;
		}
		from = i;
		while (i < n && get_bit(bits, i))
			i += i % 8 == 0 && bits[i / 8] == 0xff ? 8 : 1;
		if (fy_extents_append(
			    used,
			    e->heap_offset + (first + from) * e->cluster_bytes,
			    (uint64_t)(i - from) * e->cluster_bytes, err) == -1)
			return -1;
	}
	return 0;
}

struct scan {
	const struct fy_exfat_map *map;
	const struct fy_exfat_bad *bad;
	struct forced *forced;
	size_t bad_at;
	uint64_t left_out; /* bad clusters */
};

static int
scan_bitmap(struct scan *s, struct fy_extents *used, struct fy_error *err)
{
	const struct fy_exfat *e = s->map->fs;
	unsigned char bits[FY_EXFAT_WINDOW / 8] = { 0 };
	uint64_t end;
	uint32_t first;
	size_t n;

	if (fy_extents_append(used, 0, e->heap_offset, err) == -1)
		return -1;
	for (first = 0; first < e->clusters; first += (uint32_t)n) {
		n = fy_min_u64(FY_EXFAT_WINDOW, e->clusters - first);
		if (fy_stop_check(s->map->stop, err) == -1 ||
		    fy_exfat_read_bits(s->map, first, n, bits, err) == -1)
			return -1;
		force_window(s->forced, first, n, bits);
		drop_bad(s->bad, first, n, &s->bad_at, &s->left_out, bits);
		if (append_bits(e, first, n, bits, used, err) == -1)
			return -1;
	}
	end = e->heap_offset + (uint64_t)e->clusters * e->cluster_bytes;
	return fy_extents_append(used, end, e->total_bytes - end, err);
}

static void
make_note(const struct scan *s, struct fy_fs_result *ret)
{
	if (s->forced->missing > 0) {
		ret->warn = true;
		snprintf(ret->note, sizeof(ret->note),
			 "the allocation bitmap calls %" PRIu64
			 " clusters of exFAT's own files free; they are "
			 "copied, but fsck.exfat or chkdsk should see it",
			 s->forced->missing);
	} else if (s->map->fs->lone) {
		ret->warn = true;
		snprintf(ret->note, sizeof(ret->note),
			 "exFAT's backup boot region is damaged");
	} else if (s->left_out > 0) {
		snprintf(ret->note, sizeof(ret->note),
			 "%" PRIu64 " bad clusters are not read", s->left_out);
	}
}

static int
map_files(struct fy_exfat_map *m, const struct fy_exfat_chain *root,
	  const struct fy_exfat_chain *upcase, struct fy_extents *used,
	  struct fy_fs_result *ret, struct fy_error *err)
{
	const struct fy_exfat_chain *const chains[] = { root, upcase,
							&m->bitmap[0],
							&m->bitmap[1] };
	struct fy_exfat_bad bad = { 0 };
	struct forced forced = { 0 };
	struct scan s = { .map = m, .bad = &bad, .forced = &forced };
	int r;

	r = force(chains, 4, &forced, err);
	if (r == 0)
		fy_fs_whole(ret, true,
			    "two of exFAT's own files share "
			    "clusters");
	if (r == 1) {
		r = fy_exfat_find_bad(m, &bad, err);
		if (r == 0)
			r = scan_bitmap(&s, used, err);
		if (r == 0)
			make_note(&s, ret);
	}
	free(forced.runs);
	fy_exfat_bad_release(&bad);
	return r;
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	fy_autofree struct fy_exfat *e = malloc(sizeof(*e));
	struct fy_exfat_map m = { .fs = e, .stop = options->stop };
	struct fy_exfat_chain root = { 0 }, upcase = { 0 };
	int r;

	if (e == NULL)
		return fy_error_nomem(err);
	if (fy_exfat_open(v, e, ret, err) == -1)
		return -1;
	if (ret->whole)
		return 0;
	if (e->dirty)
		return fy_fs_whole(ret, true,
				   "exFAT is marked dirty (not cleanly "
				   "unmounted): after fsck.exfat or chkdsk "
				   "only its used part is copied");
	if (e->failed)
		return fy_fs_whole(ret, true,
				   "exFAT is marked to have failed on its "
				   "medium");
	ret->bytes = e->total_bytes;
	r = find_files(&m, &root, &upcase, ret, err);
	if (r == 1)
		r = map_files(&m, &root, &upcase, used, ret, err);
	fy_exfat_chain_release(&root);
	fy_exfat_chain_release(&upcase);
	fy_exfat_chain_release(&m.bitmap[0]);
	fy_exfat_chain_release(&m.bitmap[1]);
	return r;
}

const struct fy_fs_driver fy_fs_exfat = {
	.name = "exfat",
	.read_map = read_map,
};
