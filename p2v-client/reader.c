/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The unit reader.  A range is gone through twice: first (with a copy of the
 * cursor) to read, merging extents whose gap is below GAP_BYTES into one large
 * read, rounded outwards to the alignment that O_DIRECT wants; then to wipe
 * what is not used.  Neither keeps a list, so any number of extents will do.
 *
 * Gaps may hold sectors that can't be read (blocks on a bad-block list are
 * unused).  So when a merged read fails, each extent is read by itself, and
 * one that fails in pieces of PIECE_BYTES, to name the place; or it is given to
 * the rescue.
 */
#include "p2v-client/reader.h"

#include <fcntl.h>
#include <string.h>

#include "common/bytes.h"

#define ALIGN	    4096u
#define GAP_BYTES   (128 * FY_KIB)
#define PIECE_BYTES 4096u

static int
advance(struct fy_reader *r, struct fy_error *err)
{
	int got = fy_extents_next(&r->cursor, &r->next, err);

	if (got == -1)
		return -1;
	r->has_next = got == 1;
	return 0;
}

int
fy_reader_init(struct fy_reader *r, struct fy_volume *disk,
	       const struct fy_extents *used, struct fy_error *err)
{
	int fd = fy_volume_fd(disk);

	if (fy_extents_end(used) > fy_volume_size(disk))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%s: the used map reaches behind its end",
				    fy_volume_name(disk));
	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	r->disk = disk;
	r->rescue = NULL;
	fy_extents_cursor_init(&r->cursor, used);
	return advance(r, err);
}

/* Drop the extents that end at or before 'offset'. */
static int
skip_to(struct fy_reader *r, uint64_t offset, struct fy_error *err)
{
	while (r->has_next && r->next.offset + r->next.length <= offset)
		if (advance(r, err) == -1)
			return -1;
	return 0;
}

int
fy_reader_next_used(struct fy_reader *r, uint64_t offset, uint64_t *ret,
		    struct fy_error *err)
{
	if (skip_to(r, offset, err) == -1)
		return -1;
	*ret = r->has_next ? fy_max_u64(offset, r->next.offset) : UINT64_MAX;
	return 0;
}

struct span {
	uint64_t start, end;
};

/* The used bytes of the present extent that lie in [from, to). */
static struct span
clip(const struct fy_reader *r, uint64_t from, uint64_t to)
{
	struct span s;

	s.start = fy_max_u64(r->next.offset, from);
	s.end = fy_min_u64(r->next.offset + r->next.length, to);
	return s;
}

/* Read [s.start, s.end) in small pieces, to find what can't be read. */
static int
read_pieces(struct fy_reader *r, struct span s, unsigned char *buf,
	    uint64_t base, uint64_t *ret_bad, struct fy_error *err)
{
	uint64_t at = s.start, end;

	while (at < s.end) {
		end = fy_min_u64(s.end,
				 fy_align_down(at, PIECE_BYTES) + PIECE_BYTES);
		if (fy_volume_pread(r->disk, buf + (at - base),
				    (size_t)(end - at), at, err) == -1) {
			*ret_bad = at;
			return fy_error_prefix(err, "at byte %llu",
					       (unsigned long long)at);
		}
		at = end;
	}
	return 0;
}

/* One extent, or its part: all of it, or what the rescue makes of it. */
static int
read_extent(struct fy_reader *r, struct span s, unsigned char *buf,
	    uint64_t base, uint64_t *ret_bad, struct fy_error *err)
{
	struct fy_error ignored = { .code = FY_E_NONE };

	if (fy_volume_pread(r->disk, buf + (s.start - base),
			    (size_t)(s.end - s.start), s.start,
			    &ignored) == 0) {
		if (r->rescue != NULL)
			fy_rescue_good(r->rescue, s.start, s.end);
		return 0;
	}
	if (r->rescue == NULL)
		return read_pieces(r, s, buf, base, ret_bad, err);
	return fy_rescue_read(r->rescue, buf + (s.start - base), s.start, s.end,
			      err);
}

/* Read exactly the extents that lie in 's'; 'r' is at the first of them. */
static int
read_exactly(struct fy_reader *r, struct span s, unsigned char *buf,
	     uint64_t base, uint64_t *ret_bad, struct fy_error *err)
{
	struct span used;

	while (r->has_next && r->next.offset < s.end) {
		used = clip(r, s.start, s.end);
		if (read_extent(r, used, buf, base, ret_bad, err) == -1)
			return -1;
		if (r->next.offset + r->next.length > s.end)
			break;
		if (advance(r, err) == -1)
			return -1;
	}
	return 0;
}

/* One merged read; 'at_start' is the reader as it was at the first extent. */
static int
read_merged(const struct fy_reader *at_start, struct span s, struct span range,
	    unsigned char *buf, uint64_t *ret_bad, struct fy_error *err)
{
	uint64_t size = fy_volume_size(at_start->disk);
	struct fy_error first = { .code = FY_E_NONE };
	struct fy_reader again;
	uint64_t start, end;

	start = fy_max_u64(fy_align_down(s.start, ALIGN), range.start);
	end = fy_min_u64(fy_align_up(s.end, ALIGN),
			 fy_min_u64(range.end, size));
	if (fy_volume_pread(at_start->disk, buf + (start - range.start),
			    (size_t)(end - start), start, &first) == 0) {
		if (at_start->rescue != NULL)
			fy_rescue_good(at_start->rescue, start, end);
		return 0;
	}
	again = *at_start;
	return read_exactly(&again, s, buf, range.start, ret_bad, err);
}

static int
read_range(const struct fy_reader *from, struct span range, unsigned char *buf,
	   uint64_t *ret_bad, struct fy_error *err)
{
	struct fy_reader r = *from, begin = *from;
	struct span run = { 0, 0 }, used;

	while (r.has_next && r.next.offset < range.end) {
		used = clip(&r, range.start, range.end);
		if (run.end == 0) {
			run = used;
			begin = r;
		} else if (used.start - run.end <= GAP_BYTES) {
			run.end = used.end;
		} else {
			if (read_merged(&begin, run, range, buf, ret_bad,
					err) == -1)
				return -1;
			run = used;
			begin = r;
		}
		if (advance(&r, err) == -1)
			return -1;
	}
	if (run.end == 0)
		return 0;
	return read_merged(&begin, run, range, buf, ret_bad, err);
}

/* Count [s.start, s.end) as used in the units that it lies in. */
static void
count_used(struct span s, uint64_t base, uint64_t unit_bytes, uint32_t *used)
{
	uint64_t at = s.start, end;

	while (at < s.end) {
		end = fy_min_u64(s.end,
				 fy_align_down(at, unit_bytes) + unit_bytes);
		used[(at - base) / unit_bytes] += (uint32_t)(end - at);
		at = end;
	}
}

int
fy_reader_fill(struct fy_reader *r, uint64_t offset, unsigned char *buf,
	       uint64_t len, uint64_t unit_bytes, uint32_t *used,
	       uint64_t *ret_bad, struct fy_error *err)
{
	struct span range = { offset, offset + len }, s;
	uint64_t clean = offset; /* all before it is as it must be */

	if (r->rescue != NULL &&
	    fy_rescue_forget(r->rescue, range.start, range.end, err) == -1)
		return -1;
	if (skip_to(r, offset, err) == -1 ||
	    read_range(r, range, buf, ret_bad, err) == -1)
		return -1;
	while (r->has_next && r->next.offset < range.end) {
		s = clip(r, range.start, range.end);
		memset(buf + (clean - offset), 0, (size_t)(s.start - clean));
		count_used(s, offset, unit_bytes, used);
		clean = s.end;
		if (r->next.offset + r->next.length > range.end)
			break;
		if (advance(r, err) == -1)
			return -1;
	}
	memset(buf + (clean - offset), 0, (size_t)(range.end - clean));
	return 0;
}
