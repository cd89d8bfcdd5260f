/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NTFS: attributes, their runs, and the streams of bytes that these make.
 *
 * An attribute may be in pieces, in its record and in extension records; the
 * attribute list, which may itself have runs, says where.  It is sorted, so
 * the pieces are taken in its order, and each must begin where the last one
 * ended.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "partclone/ntfs-io.h"

#define END_TYPE   UINT32_MAX
#define COMPRESSED 0x00ffu
#define ENCRYPTED  0x4000u

/* --- attributes -------------------------------------------------------------------- */

static int
bad_attribute(const unsigned char *record, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "MFT record %" PRIu32 " has a damaged attribute",
			    fy_get_le32(record + 44));
}

static bool
decode_resident(const unsigned char *p, size_t len,
		struct fy_ntfs_attribute *ret)
{
	size_t at = fy_get_le16(p + 20);

	ret->value_len = fy_get_le32(p + 16);
	if (at > len || ret->value_len > len - at)
		return false;
	ret->value = p + at;
	return true;
}

static bool
decode_not_resident(const unsigned char *p, size_t len,
		    struct fy_ntfs_attribute *ret)
{
	size_t at;

	if (len < 64)
		return false;
	at = fy_get_le16(p + 32);
	if (at < 64 || at > len)
		return false;
	ret->first_vcn = fy_get_le64(p + 16);
	ret->size = fy_get_le64(p + 48);
	ret->initialized = fy_get_le64(p + 56);
	ret->pairs = p + at;
	ret->pairs_len = len - at;
	return ret->size <= INT64_MAX && ret->initialized <= INT64_MAX;
}

int
fy_ntfs_next_attribute(const unsigned char *record, uint32_t *at,
		       struct fy_ntfs_attribute *ret, struct fy_error *err)
{
	uint32_t used = fy_get_le32(record + 24), len, name;
	const unsigned char *p;

	if (*at == 0)
		*at = fy_get_le16(record + 20);
	if (used < 4 || *at > used - 4)
		return bad_attribute(record, err);
	p = record + *at;
	memset(ret, 0, sizeof(*ret));
	ret->type = fy_get_le32(p);
	if (ret->type == END_TYPE)
		return 0;
	if (used - *at < 24)
		return bad_attribute(record, err);
	len = fy_get_le32(p + 4);
	if (len < 24 || len % 8 != 0 || len > used - *at || p[8] > 1)
		return bad_attribute(record, err);
	ret->is_resident = p[8] == 0;
	ret->name_units = p[9];
	name = ret->name_units > 0 ? fy_get_le16(p + 10) : 0;
	ret->flags = fy_get_le16(p + 12);
	if (name > len || 2 * ret->name_units > len - name)
		return bad_attribute(record, err);
	ret->name = p + name;
	if (!(ret->is_resident ? decode_resident(p, len, ret)
			       : decode_not_resident(p, len, ret)))
		return bad_attribute(record, err);
	*at += len;
	return 1;
}

static bool
same_units(const unsigned char *name, size_t units, const char *ascii)
{
	size_t i;

	if (strlen(ascii) != units)
		return false;
	for (i = 0; i < units; i++)
		if (fy_get_le16(name + 2 * i) != (unsigned char)ascii[i])
			return false;
	return true;
}

bool
fy_ntfs_is_attribute(const struct fy_ntfs_attribute *a, uint32_t type,
		     const char *name)
{
	return a->type == type && same_units(a->name, a->name_units, name);
}

/* --- runs ---------------------------------------------------------------------------- */

void
fy_ntfs_pairs_init(struct fy_ntfs_pairs *p, const struct fy_ntfs *nt,
		   const struct fy_ntfs_attribute *a)
{
	*p = (struct fy_ntfs_pairs){
		.at = a->pairs,
		.end = a->pairs + a->pairs_len,
		.vcn = a->first_vcn,
		.clusters = nt->clusters,
	};
}

/* 'n' bytes (1 to 8), little-endian, signed. */
static int64_t
get_signed(const unsigned char *p, size_t n)
{
	uint64_t v = (p[n - 1] & 0x80) != 0 ? UINT64_MAX : 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return (int64_t)v;
}

static int
bad_run(struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "a list of runs makes no sense");
}

int
fy_ntfs_next_run(struct fy_ntfs_pairs *p, struct fy_ntfs_run *ret,
		 struct fy_error *err)
{
	size_t length_bytes, lcn_bytes;
	int64_t length;
	uint64_t end;

	if (p->at >= p->end || p->at[0] == 0)
		return 0;
	length_bytes = p->at[0] & 15;
	lcn_bytes = p->at[0] >> 4;
	if (length_bytes == 0 || length_bytes > 8 || lcn_bytes > 8 ||
	    (size_t)(p->end - p->at) < 1 + length_bytes + lcn_bytes)
		return bad_run(err);
	length = get_signed(p->at + 1, length_bytes);
	if (length <= 0 || !fy_add_u64(p->vcn, (uint64_t)length, &end) ||
	    end > INT64_MAX)
		return bad_run(err);
	ret->vcn = p->vcn;
	ret->clusters = (uint64_t)length;
	ret->lcn = FY_NTFS_SPARSE;
	if (lcn_bytes > 0 &&
	    __builtin_add_overflow(
		    p->lcn, get_signed(p->at + 1 + length_bytes, lcn_bytes),
		    &p->lcn))
		return bad_run(err);
	/* In NTFS 1.2 a hole has the cluster -1. */
	if (lcn_bytes > 0 && p->lcn != -1) {
		if (p->lcn < 0 || (uint64_t)p->lcn >= p->clusters ||
		    ret->clusters > p->clusters - (uint64_t)p->lcn)
			return bad_run(err);
		ret->lcn = (uint64_t)p->lcn;
	}
	p->vcn = end;
	p->at += 1 + length_bytes + lcn_bytes;
	return 1;
}

/* --- streams ------------------------------------------------------------------------- */

void
fy_ntfs_stream_release(struct fy_ntfs_stream *s)
{
	free(s->value);
	free(s->runs);
	memset(s, 0, sizeof(*s));
}

static uint64_t
end_vcn(const struct fy_ntfs_stream *s)
{
	return s->n == 0 ? 0
			 : s->runs[s->n - 1].vcn + s->runs[s->n - 1].clusters;
}

static int
add_run(struct fy_ntfs_stream *s, const struct fy_ntfs_run *run,
	struct fy_error *err)
{
	struct fy_ntfs_run *grown;

	if (s->n == FY_NTFS_RUNS)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "a file of the filesystem's own is in more "
				    "than %" PRIu64 " pieces",
				    FY_NTFS_RUNS);
	if (s->n == s->room) {
		s->room = s->room == 0 ? 16 : s->room * 2;
		grown = realloc(s->runs, s->room * sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		s->runs = grown;
	}
	s->runs[s->n++] = *run;
	return 0;
}

static int
set_value(struct fy_ntfs_stream *s, const struct fy_ntfs_attribute *a,
	  struct fy_error *err)
{
	s->value = malloc(a->value_len + 1);
	if (s->value == NULL)
		return fy_error_nomem(err);
	if (a->value_len > 0)
		memcpy(s->value, a->value, a->value_len);
	s->size = s->initialized = a->value_len;
	s->plain = true;
	return 0;
}

/* Take one piece of the attribute, which must be the next. */
static int
add_piece(const struct fy_ntfs *nt, const struct fy_ntfs_attribute *a,
	  struct fy_ntfs_stream *s, struct fy_error *err)
{
	struct fy_ntfs_pairs pairs;
	struct fy_ntfs_run run;
	int r;

	if (s->value != NULL || a->first_vcn != end_vcn(s))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the pieces of an attribute don't follow "
				    "each other");
	if (a->is_resident)
		return s->n == 0 ? set_value(s, a, err) : bad_run(err);
	if (a->first_vcn == 0) {
		s->size = a->size;
		s->initialized = a->initialized;
		s->plain = (a->flags & (COMPRESSED | ENCRYPTED)) == 0;
	}
	fy_ntfs_pairs_init(&pairs, nt, a);
	while ((r = fy_ntfs_next_run(&pairs, &run, err)) == 1)
		if (add_run(s, &run, err) == -1)
			return -1;
	return r;
}

/* The run that holds this cluster of the stream, or NULL. */
static const struct fy_ntfs_run *
find_run(const struct fy_ntfs_stream *s, uint64_t vcn)
{
	size_t low = 0, high = s->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (s->runs[mid].vcn + s->runs[mid].clusters <= vcn)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n && s->runs[low].vcn <= vcn ? &s->runs[low] : NULL;
}

bool
fy_ntfs_stream_place(const struct fy_ntfs *nt, const struct fy_ntfs_stream *s,
		     uint64_t at, uint64_t *ret, uint64_t *ret_len)
{
	uint64_t vcn = at / nt->cluster_bytes, in = at % nt->cluster_bytes;
	const struct fy_ntfs_run *run = find_run(s, vcn);

	if (run == NULL || run->lcn == FY_NTFS_SPARSE)
		return false;
	vcn -= run->vcn;
	*ret = (run->lcn + vcn) * nt->cluster_bytes + in;
	*ret_len = (run->clusters - vcn) * nt->cluster_bytes - in;
	return true;
}

/* Up to 'len' bytes within one run, none of them behind what is initialized. */
static int
read_run(struct fy_ntfs *nt, const struct fy_ntfs_stream *s, uint64_t at,
	 unsigned char *ret, size_t len, size_t *ret_len, struct fy_error *err)
{
	uint64_t vcn = at / nt->cluster_bytes, place, there;
	const struct fy_ntfs_run *run = find_run(s, vcn);

	if (run == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "a file of the filesystem's own is shorter "
				    "than it says");
	if (run->lcn == FY_NTFS_SPARSE) {
		*ret_len = (size_t)fy_min_u64(
			len, nt->cluster_bytes - at % nt->cluster_bytes);
		memset(ret, 0, *ret_len);
		return 0;
	}
	(void)fy_ntfs_stream_place(nt, s, at, &place, &there);
	*ret_len = (size_t)fy_min_u64(len, there);
	return fy_volume_pread(nt->volume, ret, *ret_len, place, err);
}

int
fy_ntfs_stream_read(struct fy_ntfs *nt, const struct fy_ntfs_stream *s,
		    uint64_t at, void *ret, size_t len, struct fy_error *err)
{
	unsigned char *to = ret;
	uint64_t valid = fy_min_u64(s->size, s->initialized);
	size_t done = 0;

	if (!s->plain || at > s->size || len > s->size - at)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "a file of the filesystem's own is not as "
				    "it should be");
	if (s->value != NULL) {
		memcpy(to, s->value + at, len);
		return 0;
	}
	while (len > 0) {
		if (at >= valid) {
			memset(to, 0, len);
			return 0;
		}
		if (read_run(nt, s, at, to, (size_t)fy_min_u64(len, valid - at),
			     &done, err) == -1)
			return -1;
		to += done;
		at += done;
		len -= done;
	}
	return 0;
}

/* --- attribute lists --------------------------------------------------------------- */

struct list {
	struct fy_ntfs *nt;
	uint64_t number;	      /* of the base record */
	const unsigned char *base;    /* it */
	unsigned char *bytes, *other; /* the list; an extension record */
	size_t len, at;
	uint64_t other_number; /* what 'other' holds, if it does */
	bool has_other;
};

struct list_entry {
	uint32_t type;
	const unsigned char *name;
	size_t name_units;
	uint64_t first_vcn, ref;
};

static void
list_release(struct list *l)
{
	free(l->bytes);
	free(l->other);
}

static int
bad_list(const struct list *l, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "the attribute list of MFT record %" PRIu64
			    " is damaged",
			    l->number);
}

/* 1, 0 when there is no list, -1.  Release 'l' in any case. */
static int
list_open(struct list *l, struct fy_error *err)
{
	struct fy_ntfs_stream s = { 0 };
	struct fy_ntfs_attribute a;
	uint32_t at = 0;
	int r;

	do {
		r = fy_ntfs_next_attribute(l->base, &at, &a, err);
		if (r != 1)
			return r;
	} while (a.type != FY_NTFS_ATTRIBUTE_LIST);
	r = add_piece(l->nt, &a, &s, err);
	if (r == 0 && (s.size > FY_NTFS_LIST_BYTES || s.size == 0))
		r = bad_list(l, err);
	if (r == 0) {
		l->len = (size_t)s.size;
		l->bytes = malloc(l->len);
		l->other = fy_ntfs_record_buffer(l->nt, err);
		if (l->bytes == NULL || l->other == NULL)
			r = fy_error_nomem(err);
	}
	if (r == 0)
		r = fy_ntfs_stream_read(l->nt, &s, 0, l->bytes, l->len, err);
	fy_ntfs_stream_release(&s);
	return r == -1 ? -1 : 1;
}

/* 1, 0 at the end, -1. */
static int
list_next(struct list *l, struct list_entry *ret, struct fy_error *err)
{
	const unsigned char *p = l->bytes + l->at;
	size_t left = l->len - l->at, len;

	if (left < 26)
		return 0;
	len = fy_get_le16(p + 4);
	ret->type = fy_get_le32(p);
	ret->name_units = p[6];
	ret->name = p + p[7];
	ret->first_vcn = fy_get_le64(p + 8);
	ret->ref = fy_get_le64(p + 16);
	if (len < 26 || len > left || p[7] + 2 * ret->name_units > len)
		return bad_list(l, err);
	l->at += len;
	return 1;
}

/* The record that an entry points at. */
static int
list_record(struct list *l, const struct list_entry *e,
	    const unsigned char **ret, struct fy_error *err)
{
	uint64_t number = fy_ntfs_ref_number(e->ref);
	int r;

	if (fy_stop_check(l->nt->stop, err) == -1)
		return -1;
	*ret = l->base;
	if (number == l->number)
		return 0;
	*ret = l->other;
	if (l->has_other && number == l->other_number)
		return 0;
	l->has_other = false;
	r = fy_ntfs_read_record(l->nt, number, l->other, err);
	if (r == -1)
		return -1;
	if (r == 0 || !fy_ntfs_is_in_use(l->other) ||
	    fy_ntfs_base_of(l->other) != l->number ||
	    fy_ntfs_sequence(l->other) != fy_ntfs_ref_sequence(e->ref))
		return bad_list(l, err);
	l->other_number = number;
	l->has_other = true;
	return 0;
}

/* The piece of an attribute that the entry is about. */
static int
list_piece(struct list *l, const struct list_entry *e, const char *name,
	   struct fy_ntfs_stream *s, struct fy_error *err)
{
	const unsigned char *record;
	struct fy_ntfs_attribute a;
	uint32_t at = 0;
	int r;

	if (list_record(l, e, &record, err) == -1)
		return -1;
	while ((r = fy_ntfs_next_attribute(record, &at, &a, err)) == 1)
		if (fy_ntfs_is_attribute(&a, e->type, name) &&
		    a.first_vcn == e->first_vcn)
			return add_piece(l->nt, &a, s, err);
	return r == -1 ? -1 : bad_list(l, err);
}

static int
open_listed(struct list *l, uint32_t type, const char *name,
	    struct fy_ntfs_stream *ret, struct fy_error *err)
{
	struct list_entry e;
	bool found = false;
	int r;

	while ((r = list_next(l, &e, err)) == 1) {
		if (e.type != type || !same_units(e.name, e.name_units, name))
			continue;
		if (list_piece(l, &e, name, ret, err) == -1)
			return -1;
		found = true;
	}
	return r == -1 ? -1 : found;
}

static int
open_unlisted(const struct list *l, uint32_t type, const char *name,
	      struct fy_ntfs_stream *ret, struct fy_error *err)
{
	struct fy_ntfs_attribute a;
	uint32_t at = 0;
	int r;

	while ((r = fy_ntfs_next_attribute(l->base, &at, &a, err)) == 1)
		if (fy_ntfs_is_attribute(&a, type, name))
			return add_piece(l->nt, &a, ret, err) == -1 ? -1 : 1;
	return r;
}

int
fy_ntfs_open_stream(struct fy_ntfs *nt, uint64_t number,
		    const unsigned char *record, uint32_t type,
		    const char *name, struct fy_ntfs_stream *ret,
		    struct fy_error *err)
{
	struct list l = { .nt = nt, .number = number, .base = record };
	int r = list_open(&l, err);

	if (r == 1)
		r = open_listed(&l, type, name, ret, err);
	else if (r == 0)
		r = open_unlisted(&l, type, name, ret, err);
	list_release(&l);
	return r;
}

/* --- all attributes of a file -------------------------------------------------------- */

static int
each_of_record(struct fy_ntfs *nt, const unsigned char *record,
	       int (*each)(struct fy_ntfs *nt,
			   const struct fy_ntfs_attribute *a, void *ctx,
			   struct fy_error *err),
	       void *ctx, struct fy_error *err)
{
	struct fy_ntfs_attribute a;
	uint32_t at = 0;
	int r;

	while ((r = fy_ntfs_next_attribute(record, &at, &a, err)) == 1)
		if (each(nt, &a, ctx, err) == -1)
			return -1;
	return r;
}

int
fy_ntfs_each_attribute(struct fy_ntfs *nt, uint64_t number,
		       int (*each)(struct fy_ntfs *nt,
				   const struct fy_ntfs_attribute *a, void *ctx,
				   struct fy_error *err),
		       void *ctx, struct fy_error *err)
{
	fy_autofree unsigned char *base = fy_ntfs_record_buffer(nt, err);
	struct list l = { .nt = nt, .number = number, .base = base };
	const unsigned char *record;
	struct list_entry e;
	int r;

	if (base == NULL)
		return -1;
	r = fy_ntfs_read_record(nt, number, base, err);
	if (r == 0 || (r == 1 && !fy_ntfs_is_in_use(base)))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "MFT record %" PRIu64 " is damaged",
				    number);
	if (r == -1 || each_of_record(nt, base, each, ctx, err) == -1)
		return -1;
	r = list_open(&l, err);
	while (r == 1 && (r = list_next(&l, &e, err)) == 1) {
		uint64_t last = l.other_number;
		bool has_last = l.has_other;

		r = list_record(&l, &e, &record, err);
		if (r == 0 && record != base &&
		    (!has_last || l.other_number != last))
			r = each_of_record(nt, record, each, ctx, err);
		r = r == -1 ? -1 : 1;
	}
	list_release(&l);
	return r;
}
