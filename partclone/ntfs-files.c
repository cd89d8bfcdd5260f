/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NTFS: from bytes to the names of files.
 *
 * All records of the MFT are gone through, in windows, for runs that are hit;
 * an extension record's are its base record's.  A file's name and its parent
 * stand in its record, so the path is followed upwards from there.  A record
 * that lies in the ranges itself can't be looked at: it counts as hit when the
 * MFT's bitmap says that it is in use, and only for such records all
 * directories are gone through, for an entry that names them.
 *
 * Bounded: by the number of records that fit on the volume, by the volume's
 * size for the indexes that are read, by DEPTH for a path.
 */
#include "partclone/ntfs-files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "partclone/hits.h"
#include "partclone/ntfs-io.h"
#include "partclone/utf16.h"

#define WINDOW_BYTES (256u << 10)
#define DEPTH	     256 /* directories above a file */
#define PATH_BYTES   8192
#define NAME_BYTES   800 /* 255 units of UTF-16 as UTF-8 */
#define NAME_AT	     66u /* in the attribute FILE_NAME */
#define DOS	     2u

struct name {
	char text[NAME_BYTES]; /* "": none */
	uint64_t parent;       /* a reference */
	uint8_t space;
};

struct hit {
	uint64_t number;
	bool lost;	   /* its record can't be read */
	struct name *name; /* of a lost one, by its directory; malloc'd */
};

struct search {
	struct fy_ntfs *nt;
	struct fy_hit_ranges ranges;
	size_t most;
	struct fy_ntfs_stream in_use; /* the MFT's bitmap */
	bool knows_in_use;

	struct hit *hits; /* sorted by number */
	size_t n, room;
	uint64_t more, last_more;
	uint64_t file_blocks;
	bool has_lost;
	uint64_t dir;	 /* whose entries are gone through: a reference */
	uint64_t budget; /* bytes of indexes that may still be read */
};

/* --- which ---------------------------------------------------------------------------- */

/* Where 'number' is among the hits, or would be. */
static size_t
find_hit(const struct search *s, uint64_t number)
{
	size_t low = 0, high = s->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (s->hits[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int
add_hit(struct search *s, uint64_t number, bool lost, struct fy_error *err)
{
	size_t i = find_hit(s, number);
	struct hit *grown;

	if (i < s->n && s->hits[i].number == number) {
		s->hits[i].lost = s->hits[i].lost || lost;
		return 0;
	}
	if (s->n == s->most) {
		s->more += s->last_more != number;
		s->last_more = number;
		return 0;
	}
	if (s->n == s->room) {
		s->room = s->room == 0 ? 64 : s->room * 2;
		grown = realloc(s->hits, s->room * sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		s->hits = grown;
	}
	memmove(s->hits + i + 1, s->hits + i, (s->n - i) * sizeof(*s->hits));
	s->hits[i] = (struct hit){ .number = number, .lost = lost };
	s->n++;
	return 0;
}

/* The blocks of an attribute that are hit.  What is damaged ends it. */
static uint64_t
count_attribute(const struct search *s, const struct fy_ntfs_attribute *a)
{
	uint64_t size = s->nt->cluster_bytes, n = 0;
	struct fy_error why = { 0 };
	struct fy_ntfs_pairs pairs;
	struct fy_ntfs_run run;

	fy_ntfs_pairs_init(&pairs, s->nt, a);
	while (fy_ntfs_next_run(&pairs, &run, &why) == 1)
		if (run.lcn != FY_NTFS_SPARSE)
			n += fy_hits_blocks(&s->ranges, run.lcn * size,
					    (run.lcn + run.clusters) * size,
					    size);
	return n;
}

static int
look_at_record(struct search *s, const unsigned char *record, uint64_t number,
	       struct fy_error *err)
{
	uint64_t base = fy_ntfs_base_of(record), n = 0;
	struct fy_error why = { 0 };
	struct fy_ntfs_attribute a;
	uint32_t at = 0;

	if (!fy_ntfs_is_in_use(record))
		return 0;
	while (fy_ntfs_next_attribute(record, &at, &a, &why) == 1)
		if (!a.is_resident &&
		    !(number == FY_NTFS_BADCLUS &&
		      fy_ntfs_is_attribute(&a, FY_NTFS_DATA, "$Bad")))
			n += count_attribute(s, &a);
	s->file_blocks += n;
	return n == 0 ? 0 : add_hit(s, base != 0 ? base : number, false, err);
}

/* Whether the bytes of record 'number' lie in the ranges. */
static bool
is_lost(const struct search *s, uint64_t number)
{
	uint64_t at = number * s->nt->record_bytes, place, len;
	uint64_t end = at + s->nt->record_bytes;

	while (at < end) {
		if (!fy_ntfs_stream_place(s->nt, &s->nt->mft, at, &place, &len))
			return false;
		len = fy_min_u64(len, end - at);
		if (fy_hits_touch(&s->ranges, place, place + len))
			return true;
		at += len;
	}
	return false;
}

static bool
is_marked(struct search *s, uint64_t number)
{
	struct fy_error why = { 0 };
	unsigned char byte;

	if (!s->knows_in_use ||
	    fy_ntfs_stream_read(s->nt, &s->in_use, number / 8, &byte, 1,
				&why) == -1)
		return true;
	return (byte >> number % 8 & 1) != 0;
}

/* --- all records ----------------------------------------------------------------------- */

/* Call 'look' for each record that there is; 'lost' are those that lie in the
 * ranges, whose bytes say nothing. */
static int
each_record(struct search *s, bool lost,
	    int (*look)(struct search *s, const unsigned char *record,
			uint64_t number, struct fy_error *err),
	    struct fy_error *err)
{
	fy_autofree unsigned char *window = malloc(WINDOW_BYTES);
	uint64_t size = s->nt->record_bytes, at, i, n;

	if (window == NULL)
		return fy_error_nomem(err);
	for (at = 0; at < s->nt->records; at += n) {
		n = fy_min_u64(WINDOW_BYTES / size, s->nt->records - at);
		if (fy_stop_check(s->nt->stop, err) == -1 ||
		    fy_ntfs_stream_read(s->nt, &s->nt->mft, at * size, window,
					(size_t)(n * size), err) == -1)
			return -1;
		for (i = 0; i < n; i++) {
			unsigned char *record = window + i * size;

			if (lost && is_lost(s, at + i) &&
			    is_marked(s, at + i)) {
				s->has_lost = true;
				if (add_hit(s, at + i, true, err) == -1)
					return -1;
			} else if (fy_ntfs_fixup(record, (uint32_t)size,
						 "FILE") &&
				   fy_ntfs_is_record(s->nt, record, at + i) &&
				   look(s, record, at + i, err) == -1) {
				return -1;
			}
		}
	}
	return 0;
}

/* --- names ------------------------------------------------------------------------------- */

static void
take_name(struct name *n, const unsigned char *units, size_t n_units,
	  uint8_t space, uint64_t parent)
{
	if (n->text[0] != '\0' && (n->space != DOS || space == DOS))
		return;
	fy_utf16le_to_utf8(units, n_units, n->text, sizeof(n->text));
	n->space = space;
	n->parent = parent;
}

/* -1 when no better name can come. */
static int
look_at_name(struct fy_ntfs *nt, const struct fy_ntfs_attribute *a, void *ctx,
	     struct fy_error *err)
{
	struct name *name = ctx;
	size_t units;

	(void)nt;
	(void)err;
	if (a->type != FY_NTFS_FILE_NAME || !a->is_resident ||
	    a->value_len < NAME_AT)
		return 0;
	units = a->value[64];
	if (2 * units <= a->value_len - NAME_AT)
		take_name(name, a->value + NAME_AT, units, a->value[65],
			  fy_get_le64(a->value));
	return name->text[0] != '\0' && name->space != DOS ? -1 : 0;
}

/* The name that a record has of itself; "" when none is found. */
static void
name_of(struct search *s, uint64_t number, struct name *ret)
{
	struct fy_error why = { 0 };

	ret->text[0] = '\0';
	(void)fy_ntfs_each_attribute(s->nt, number, look_at_name, ret, &why);
}

static bool
is_right(struct search *s, uint64_t ref)
{
	fy_autofree unsigned char *record = NULL;
	struct fy_error why = { 0 };

	record = fy_ntfs_record_buffer(s->nt, &why);
	return record != NULL &&
	       fy_ntfs_read_record(s->nt, fy_ntfs_ref_number(ref), record,
				   &why) == 1 &&
	       fy_ntfs_is_in_use(record) && fy_ntfs_is_directory(record) &&
	       fy_ntfs_sequence(record) == fy_ntfs_ref_sequence(ref);
}

/* Put 'text' before what is in path[*at..]; false when there is no room. */
static bool
prepend(char *path, size_t *at, const char *text)
{
	size_t n = strlen(text);

	if (n + 1 + 4 > *at)
		return false;
	*at -= n;
	memcpy(path + *at, text, n);
	path[--*at] = '/';
	return true;
}

/* The path of what has this name, at its end in 'path'; returns its start. */
static const char *
build_path(struct search *s, struct name *name, char *path)
{
	size_t at = PATH_BYTES - 1;
	bool whole = false;
	int depth;

	path[at] = '\0';
	for (depth = 0; depth < DEPTH && prepend(path, &at, name->text);
	     depth++) {
		uint64_t parent = name->parent;

		whole = fy_ntfs_ref_number(parent) == FY_NTFS_ROOT;
		if (whole || !is_right(s, parent))
			break;
		name_of(s, fy_ntfs_ref_number(parent), name);
		if (name->text[0] == '\0')
			break;
	}
	if (!whole) {
		at -= 3;
		memcpy(path + at, "...", 3);
	}
	return path + at;
}

static int
add_path(struct search *s, const struct hit *h, struct fy_strings *to,
	 struct fy_error *err)
{
	char shown[FY_HITS_SHOWN];
	fy_autofree char *path = NULL;
	struct name name = { .text = "" };

	if (fy_stop_check(s->nt->stop, err) == -1)
		return -1;
	if (h->number == FY_NTFS_ROOT)
		return fy_strings_add(to, "/", err);
	if (h->name != NULL)
		name = *h->name;
	else
		name_of(s, h->number, &name);
	if (name.text[0] == '\0') {
		snprintf(shown, sizeof(shown),
			 "MFT record %" PRIu64 ", whose name was not found",
			 h->number);
		return fy_strings_add(to, shown, err);
	}
	path = malloc(PATH_BYTES);
	if (path == NULL)
		return fy_error_nomem(err);
	fy_hits_show(build_path(s, &name, path), shown, sizeof(shown));
	return fy_strings_add(to, shown, err);
}

/* --- names of lost records --------------------------------------------------------------- */

static int
look_at_entry(const struct fy_ntfs_entry *e, void *ctx, struct fy_error *err)
{
	struct search *s = ctx;
	size_t i = find_hit(s, fy_ntfs_ref_number(e->ref));
	struct hit *h = i < s->n ? &s->hits[i] : NULL;

	if (h == NULL || !h->lost || h->number != fy_ntfs_ref_number(e->ref) ||
	    h->number == FY_NTFS_ROOT)
		return 0;
	if (h->name == NULL) {
		h->name = calloc(1, sizeof(*h->name));
		if (h->name == NULL)
			return fy_error_nomem(err);
	}
	take_name(h->name, e->name, e->name_units, e->space, s->dir);
	return 0;
}

static int
look_at_directory(struct search *s, const unsigned char *record,
		  uint64_t number, struct fy_error *err)
{
	struct fy_error why = { 0 };

	if (!fy_ntfs_is_in_use(record) || !fy_ntfs_is_directory(record) ||
	    fy_ntfs_base_of(record) != 0)
		return 0;
	s->dir = number | (uint64_t)fy_ntfs_sequence(record) << 48;
	if (fy_ntfs_each_entry(s->nt, number, &s->budget, look_at_entry, s,
			       &why) == 0 ||
	    why.code == FY_E_FORMAT)
		return 0;
	*err = why;
	return -1;
}

/* --- all of it ------------------------------------------------------------------------------- */

static int
open_in_use(struct search *s, struct fy_error *err)
{
	fy_autofree unsigned char *record = fy_ntfs_record_buffer(s->nt, err);
	struct fy_error why = { 0 };

	if (record == NULL)
		return -1;
	s->knows_in_use =
		fy_ntfs_read_record(s->nt, FY_NTFS_MFT, record, &why) == 1 &&
		fy_ntfs_open_stream(s->nt, FY_NTFS_MFT, record,
				    FY_NTFS_BITMAP_ATTRIBUTE, "", &s->in_use,
				    &why) == 1;
	if (why.code == FY_E_NONE || why.code == FY_E_FORMAT)
		return 0;
	*err = why;
	return -1;
}

static int
run(struct search *s, struct fy_fs_hits *ret, struct fy_error *err)
{
	uint64_t size = s->nt->cluster_bytes, blocks;
	size_t i;

	s->budget = s->nt->total_bytes;
	if (open_in_use(s, err) == -1 ||
	    each_record(s, true, look_at_record, err) == -1)
		return -1;
	if (s->has_lost && each_record(s, false, look_at_directory, err) == -1)
		return -1;
	for (i = 0; i < s->n; i++)
		if (add_path(s, &s->hits[i], &ret->paths, err) == -1)
			return -1;
	ret->more = s->more;
	blocks = fy_hits_blocks(&s->ranges, 0, s->nt->clusters * size, size);
	ret->other_blocks =
		blocks > s->file_blocks ? blocks - s->file_blocks : 0;
	return 0;
}

int
fy_ntfs_files(struct fy_volume *v, const struct fy_extent *ranges, size_t n,
	      size_t most, const struct fy_stop *stop, struct fy_fs_hits *ret,
	      struct fy_error *err)
{
	struct fy_ntfs nt;
	struct search s = { .nt = &nt, .ranges = { ranges, n }, .most = most };
	size_t i;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = fy_ntfs_open(v, stop, &nt, err);
	if (r == 0)
		r = run(&s, ret, err);
	for (i = 0; i < s.n; i++)
		free(s.hits[i].name);
	free(s.hits);
	fy_ntfs_stream_release(&s.in_use);
	fy_ntfs_release(&nt);
	return r;
}
