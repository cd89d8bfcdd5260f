/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_EXTENTS_H
#define FY_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"

/*
 * A sorted, disjoint list of byte ranges.  Append-only, in offset order;
 * ranges that touch are joined.  Kept delta-coded (about 4 to 8 bytes an
 * extent); past a few MiB it goes to an unlinked temporary file, so that
 * tens of millions of extents cost little memory.
 */
struct fy_extents;

struct fy_extent {
	uint64_t offset; /* bytes */
	uint64_t length; /* bytes, never 0 */
};

/* NULL when out of memory ('err' filled). */
struct fy_extents *fy_extents_new(struct fy_error *err);
void fy_extents_free(struct fy_extents *e);
FY_DEFINE_AUTO(extents, struct fy_extents, fy_extents_free)
#define fy_autoextents FY_AUTO(extents)

/*
 * Append a range.  A length of 0 does nothing.  A range that begins before the
 * end of the last one is FY_E_FORMAT, unless 'offset' is not below the last
 * one's own offset: then only what is new is added.
 * Returns 0, or -1: FY_E_FORMAT, FY_E_NOMEM, FY_E_IO (temporary file).
 */
int fy_extents_append(struct fy_extents *e, uint64_t offset, uint64_t length,
		      struct fy_error *err);

/* Number of ranges, sum of their lengths, end of the last one (0 if none). */
uint64_t fy_extents_count(const struct fy_extents *e);
uint64_t fy_extents_bytes(const struct fy_extents *e);
uint64_t fy_extents_end(const struct fy_extents *e);

/*
 * Reading from front to back.  The cursor is the caller's storage; several may
 * read one list at the same time from several threads as long as nobody
 * appends.  _next returns 1 and fills 'ret', 0 at the end, -1 on error.
 */
struct fy_extents_cursor {
	const struct fy_extents *list;
	uint64_t position; /* in the coded bytes */
	uint64_t offset;   /* end of the range that was returned last */
	size_t have, used; /* in buffer */
	bool tail_done;
	unsigned char buffer[1024];
};
void fy_extents_cursor_init(struct fy_extents_cursor *c,
			    const struct fy_extents *e);
int fy_extents_next(struct fy_extents_cursor *c, struct fy_extent *ret,
		    struct fy_error *err);

/*
 * Append to 'ret' the ranges of 'src' (clipped to its first 'limit' bytes),
 * each moved up by 'shift'.  Used to place a volume's map on its disk.
 */
int fy_extents_append_shifted(struct fy_extents *ret,
			      const struct fy_extents *src, uint64_t shift,
			      uint64_t limit, struct fy_error *err);

/* Append the union of 'a' and 'b' to 'ret'. */
int fy_extents_union(const struct fy_extents *a, const struct fy_extents *b,
		     struct fy_extents *ret, struct fy_error *err);

/* Append 'a' without 'b' to 'ret'. */
int fy_extents_subtract(const struct fy_extents *a, const struct fy_extents *b,
			struct fy_extents *ret, struct fy_error *err);

/*
 * A position to go back to: _mark takes it, _cut drops all that was appended
 * since.  For drivers that must leave 'ret' as it was when they fail.
 */
struct fy_extents_mark {
	uint64_t coded_bytes, count, bytes, coded_end;
	struct fy_extent last;
	bool has_last;
};
void fy_extents_take_mark(const struct fy_extents *e,
			  struct fy_extents_mark *ret);
void fy_extents_cut(struct fy_extents *e, const struct fy_extents_mark *mark);

/* A cursor that begins where 'mark' was taken: with the range that was the
 * newest one then (and may have grown since), if there was one. */
void fy_extents_cursor_at(struct fy_extents_cursor *c,
			  const struct fy_extents *e,
			  const struct fy_extents_mark *mark);

#endif
