/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Extents as a stream of LEB128 pairs (gap since the last end, length).  The
 * newest range is held apart as 'last' so that it can still grow.  The coded
 * bytes live in one buffer up to SPILL_BYTES and then in an unlinked temporary
 * file with that buffer as its write window.
 */
#include "common/extents.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"

#define SPILL_BYTES (4 * FY_MIB)

struct fy_extents {
	unsigned char *buffer; /* coded bytes from 'spilled' on */
	size_t used, room;     /* of buffer */
	uint64_t spilled;      /* coded bytes that are in the file */
	int fd;		       /* -1 until it spills */
	uint64_t count, bytes; /* 'last' included */
	uint64_t coded_end;    /* end of the newest coded range */
	struct fy_extent last; /* not coded yet */
	bool has_last;
};

struct fy_extents *
fy_extents_new(struct fy_error *err)
{
	struct fy_extents *e = calloc(1, sizeof(*e));

	if (e == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	e->fd = -1;
	return e;
}

void
fy_extents_free(struct fy_extents *e)
{
	if (e == NULL)
		return;
	if (e->fd >= 0)
		close(e->fd);
	free(e->buffer);
	free(e);
}

static size_t
put_varint(unsigned char *p, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		p[n++] = (unsigned char)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (unsigned char)v;
	return n;
}

static int
spill(struct fy_extents *e, struct fy_error *err)
{
	if (e->fd < 0) {
		e->fd = fy_file_temporary(NULL, err);
		if (e->fd < 0)
			return -1;
	}
	if (fy_fd_pwrite_full(e->fd, e->buffer, e->used, e->spilled, err) == -1)
		return fy_error_prefix(err, "extent list's temporary file");
	e->spilled += e->used;
	e->used = 0;
	return 0;
}

static int
make_room(struct fy_extents *e, struct fy_error *err)
{
	unsigned char *grown;
	size_t room;

	if (e->room - e->used >= 20)
		return 0;
	if (e->room >= SPILL_BYTES)
		return spill(e, err);
	room = e->room == 0 ? 256 : e->room * 2;
	grown = realloc(e->buffer, room);
	if (grown == NULL)
		return fy_error_nomem(err);
	e->buffer = grown;
	e->room = room;
	return 0;
}

/* Code 'last', so that a new one can take its place. */
static int
code_last(struct fy_extents *e, struct fy_error *err)
{
	if (!e->has_last)
		return 0;
	if (make_room(e, err) == -1)
		return -1;
	e->used +=
		put_varint(e->buffer + e->used, e->last.offset - e->coded_end);
	e->used += put_varint(e->buffer + e->used, e->last.length);
	e->coded_end = e->last.offset + e->last.length;
	e->has_last = false;
	return 0;
}

int
fy_extents_append(struct fy_extents *e, uint64_t offset, uint64_t length,
		  struct fy_error *err)
{
	uint64_t end, last_end;

	if (length == 0)
		return 0;
	if (!fy_add_u64(offset, length, &end))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "extent at %llu is too long",
				    (unsigned long long)offset);
	if (e->has_last) {
		last_end = e->last.offset + e->last.length;
		if (offset < e->last.offset)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "extent at %llu is out of order",
					    (unsigned long long)offset);
		if (offset <= last_end) {
			if (end > last_end) {
				e->last.length = end - e->last.offset;
				e->bytes += end - last_end;
			}
			return 0;
		}
	}
	if (code_last(e, err) == -1)
		return -1;
	e->last.offset = offset;
	e->last.length = length;
	e->has_last = true;
	e->count++;
	e->bytes += length;
	return 0;
}

uint64_t
fy_extents_count(const struct fy_extents *e)
{
	return e->count;
}

uint64_t
fy_extents_bytes(const struct fy_extents *e)
{
	return e->bytes;
}

uint64_t
fy_extents_end(const struct fy_extents *e)
{
	return e->has_last ? e->last.offset + e->last.length : e->coded_end;
}

void
fy_extents_cursor_init(struct fy_extents_cursor *c, const struct fy_extents *e)
{
	c->list = e;
	c->position = 0;
	c->offset = 0;
	c->have = c->used = 0;
	c->tail_done = false;
}

/* Fill the cursor's buffer with coded bytes.  1 = some, 0 = end, -1 error. */
static int
cursor_fill(struct fy_extents_cursor *c, struct fy_error *err)
{
	const struct fy_extents *e = c->list;
	uint64_t at = c->position, left;
	size_t n;

	if (at < e->spilled) {
		left = e->spilled - at;
		n = (size_t)fy_min_u64(left, sizeof(c->buffer));
		if (fy_fd_pread_full(e->fd, c->buffer, n, at, err) == -1)
			return fy_error_prefix(err, "extent list");
	} else {
		left = e->spilled + e->used - at;
		if (left == 0)
			return 0;
		n = (size_t)fy_min_u64(left, sizeof(c->buffer));
		memcpy(c->buffer, e->buffer + (at - e->spilled), n);
	}
	c->have = n;
	c->used = 0;
	c->position += n;
	return 1;
}

static int
cursor_varint(struct fy_extents_cursor *c, uint64_t *ret, struct fy_error *err)
{
	unsigned shift = 0;
	uint64_t v = 0;
	unsigned char b;
	int r;

	do {
		if (c->used == c->have) {
			r = cursor_fill(c, err);
			if (r <= 0)
				return r;
		}
		b = c->buffer[c->used++];
		v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80);
	*ret = v;
	return 1;
}

int
fy_extents_next(struct fy_extents_cursor *c, struct fy_extent *ret,
		struct fy_error *err)
{
	uint64_t gap, length;
	int r;

	r = cursor_varint(c, &gap, err);
	if (r == -1)
		return -1;
	if (r == 0) {
		if (c->tail_done || !c->list->has_last)
			return 0;
		c->tail_done = true;
		*ret = c->list->last;
		return 1;
	}
	if (cursor_varint(c, &length, err) != 1)
		return fy_error_set(err, FY_E_IO, 0, "extent list is cut");
	ret->offset = c->offset + gap;
	ret->length = length;
	c->offset = ret->offset + length;
	return 1;
}

int
fy_extents_append_shifted(struct fy_extents *ret, const struct fy_extents *src,
			  uint64_t shift, uint64_t limit, struct fy_error *err)
{
	struct fy_extents_cursor c;
	struct fy_extent x;
	int r;

	fy_extents_cursor_init(&c, src);
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		uint64_t to;

		if (x.offset >= limit)
			return 0;
		x.length = fy_min_u64(x.length, limit - x.offset);
		if (!fy_add_u64(x.offset, shift, &to))
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "extent is out of range");
		if (fy_extents_append(ret, to, x.length, err) == -1)
			return -1;
	}
	return r;
}

int
fy_extents_union(const struct fy_extents *a, const struct fy_extents *b,
		 struct fy_extents *ret, struct fy_error *err)
{
	struct fy_extents_cursor ca, cb;
	struct fy_extent xa, xb;
	int ra, rb;

	fy_extents_cursor_init(&ca, a);
	fy_extents_cursor_init(&cb, b);
	ra = fy_extents_next(&ca, &xa, err);
	rb = fy_extents_next(&cb, &xb, err);
	while (ra == 1 || rb == 1) {
		if (ra == 1 && (rb != 1 || xa.offset <= xb.offset)) {
			if (fy_extents_append(ret, xa.offset, xa.length, err))
				return -1;
			ra = fy_extents_next(&ca, &xa, err);
		} else {
			if (fy_extents_append(ret, xb.offset, xb.length, err))
				return -1;
			rb = fy_extents_next(&cb, &xb, err);
		}
	}
	return ra == -1 || rb == -1 ? -1 : 0;
}

int
fy_extents_subtract(const struct fy_extents *a, const struct fy_extents *b,
		    struct fy_extents *ret, struct fy_error *err)
{
	struct fy_extents_cursor ca, cb;
	struct fy_extent xa, xb;
	uint64_t at, end;
	int ra, rb;

	fy_extents_cursor_init(&ca, a);
	fy_extents_cursor_init(&cb, b);
	rb = fy_extents_next(&cb, &xb, err);
	while ((ra = fy_extents_next(&ca, &xa, err)) == 1) {
		at = xa.offset;
		end = xa.offset + xa.length;
		while (rb == 1 && xb.offset < end) {
			if (xb.offset > at &&
			    fy_extents_append(ret, at, xb.offset - at, err))
				return -1;
			at = fy_max_u64(at, xb.offset + xb.length);
			if (at >= end)
				break;
			rb = fy_extents_next(&cb, &xb, err);
		}
		if (rb == -1)
			return -1;
		if (at < end && fy_extents_append(ret, at, end - at, err))
			return -1;
	}
	return ra == -1 || rb == -1 ? -1 : 0;
}

void
fy_extents_take_mark(const struct fy_extents *e, struct fy_extents_mark *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->coded_bytes = e->spilled + e->used;
	ret->count = e->count;
	ret->bytes = e->bytes;
	ret->coded_end = e->coded_end;
	ret->last = e->last;
	ret->has_last = e->has_last;
}

void
fy_extents_cut(struct fy_extents *e, const struct fy_extents_mark *mark)
{
	if (mark->coded_bytes >= e->spilled) {
		e->used = (size_t)(mark->coded_bytes - e->spilled);
	} else {
		/* What follows in the file is written over or never read. */
		e->spilled = mark->coded_bytes;
		e->used = 0;
	}
	e->count = mark->count;
	e->bytes = mark->bytes;
	e->coded_end = mark->coded_end;
	e->last = mark->last;
	e->has_last = mark->has_last;
}

void
fy_extents_cursor_at(struct fy_extents_cursor *c, const struct fy_extents *e,
		     const struct fy_extents_mark *mark)
{
	fy_extents_cursor_init(c, e);
	c->position = mark->coded_bytes;
	c->offset = mark->coded_end;
}
