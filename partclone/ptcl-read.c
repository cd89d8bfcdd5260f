/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading partclone's images from front to back, all of what they have checked:
 * header, bitmap, every strip (the last, shorter one too), and that nothing is
 * missing at the end or follows it.
 *
 * Format 1 has a checksum behind each block, which is never begun afresh, and
 * into which a mistake of its writer puts the block's first byte as often as
 * the block has bytes: it covers little.  Writers of 64 bits before 0.1.0 left
 * 4 bytes of rubbish behind each one; which kind it is shows in the second
 * block.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/ptcl.h"

#define PIECE_BYTES (1u << 20)

struct fy_ptcl_reader {
	struct fy_unpack *in;
	struct fy_ptcl_header h;
	struct fy_extents *used;
	struct fy_extents_cursor cursor;
	struct fy_extent now; /* what of the current extent is left */
	uint64_t n_used;      /* blocks */
	struct fy_ptcl_sum *sum;
	uint64_t strip_left; /* bytes until the next checksum */
	uint64_t strip_bytes;
	uint64_t strip_from, strip_to; /* on the volume */
	unsigned char *buf;
	size_t room;
	const struct fy_stop *stop;
	fy_ptcl_damage *damage;
	void *damage_ctx;
	/* format 1 */
	uint32_t v1_crc;
	unsigned extra; /* bytes behind each checksum */
	bool extra_known;
	unsigned char *ahead; /* read in advance: ahead_len bytes from
				 ahead_at on */
	size_t ahead_len, ahead_at;
};

void
fy_ptcl_close(struct fy_ptcl_reader *r)
{
	if (r == NULL)
		return;
	fy_extents_free(r->used);
	fy_ptcl_sum_free(r->sum);
	free(r->buf);
	free(r->ahead);
	free(r);
}

static int
read_header(struct fy_ptcl_reader *r, struct fy_error *err)
{
	unsigned char p[FY_PTCL_V1_HEADER_BYTES];
	size_t n;

	if (fy_unpack_read(r->in, p, FY_PTCL_HEADER_BYTES, &n, err) == -1)
		return -1;
	if (!fy_ptcl_is_image(p, n))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "this is no partclone image");
	if (n < FY_PTCL_HEADER_BYTES)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "it ends inside the header");
	if (memcmp(p + 30, "0001", 4) != 0)
		return fy_ptcl_header_parse(p, &r->h, err);
	if (fy_unpack_read_full(r->in, p + n, sizeof(p) - n, "the header",
				err) == -1)
		return -1;
	return fy_ptcl_v1_header_parse(p, &r->h, err);
}

static int
prepare(struct fy_ptcl_reader *r, struct fy_error *err)
{
	const struct fy_ptcl_header *h = &r->h;

	r->used = fy_extents_new(err);
	if (r->used == NULL)
		return -1;
	if ((h->version == 1
		     ? fy_ptcl_v1_bitmap_read(r->in, h, r->used, r->stop, err)
		     : fy_ptcl_bitmap_read(r->in, h, r->used, r->stop, err)) ==
	    -1)
		return -1;
	fy_extents_cursor_init(&r->cursor, r->used);
	r->n_used = fy_extents_bytes(r->used) / h->block_bytes;
	r->room = h->version == 1 ? h->block_bytes : PIECE_BYTES;
	r->buf = malloc(r->room);
	if (h->version == 1)
		r->ahead = malloc((size_t)h->block_bytes + 8);
	r->strip_bytes = h->sum == FY_PTCL_SUM_NONE
				 ? UINT64_MAX
				 : (uint64_t)h->strip_blocks * h->block_bytes;
	r->strip_left = r->strip_bytes;
	if (r->buf == NULL || (h->version == 1 && r->ahead == NULL))
		return fy_error_nomem(err);
	r->sum = fy_ptcl_sum_new(h->sum, err);
	return r->sum == NULL ? -1 : 0;
}

int
fy_ptcl_open(struct fy_unpack *in, const struct fy_stop *stop,
	     struct fy_ptcl_reader **ret, struct fy_error *err)
{
	FY_AUTO(ptcl_reader) struct fy_ptcl_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return fy_error_nomem(err);
	r->in = in;
	r->stop = stop;
	r->v1_crc = FY_PTCL_CRC_BEGIN;
	if (read_header(r, err) == -1 || prepare(r, err) == -1)
		return fy_error_prefix(err, "%s", fy_unpack_name(in));
	*ret = fy_steal_ptr(&r);
	return 0;
}

const struct fy_ptcl_header *
fy_ptcl_header(const struct fy_ptcl_reader *r)
{
	return &r->h;
}

const struct fy_extents *
fy_ptcl_used(const struct fy_ptcl_reader *r)
{
	return r->used;
}

void
fy_ptcl_tolerate(struct fy_ptcl_reader *r, fy_ptcl_damage *damage, void *ctx)
{
	r->damage = damage;
	r->damage_ctx = ctx;
}

/* --- checksums -------------------------------------------------------------------- */

static int
tell_damage(struct fy_ptcl_reader *r, struct fy_error *err)
{
	if (r->damage != NULL)
		return r->damage(r->damage_ctx, r->strip_from, r->strip_to,
				 err);
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    "%s: a checksum does not match: used blocks "
			    "between bytes %" PRIu64 " and %" PRIu64
			    " of the volume are damaged",
			    fy_unpack_name(r->in), r->strip_from, r->strip_to);
}

/* The checksum that ends a strip. */
static int
end_strip(struct fy_ptcl_reader *r, struct fy_error *err)
{
	unsigned char is[16], want[16];
	size_t n = fy_ptcl_sum_bytes(r->h.sum);

	if (fy_unpack_read_full(r->in, want, n, "a checksum", err) == -1)
		return -1;
	fy_ptcl_sum_get(r->sum, r->h.big_endian, is);
	r->strip_left = r->strip_bytes;
	if (memcmp(is, want, n) != 0 && tell_damage(r, err) == -1)
		return -1;
	if (r->h.reseed)
		fy_ptcl_sum_begin(r->sum);
	return 0;
}

/* --- the end ------------------------------------------------------------------------ */

static int
expect_end(struct fy_ptcl_reader *r, struct fy_error *err)
{
	unsigned char p[8];
	size_t n;

	if (fy_unpack_read(r->in, p, sizeof(p), &n, err) == -1)
		return -1;
	if (n == 0)
		return 0;
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    "%s: bytes follow behind the last block, from byte "
			    "%" PRIu64 " on",
			    fy_unpack_name(r->in), fy_unpack_bytes(r->in) - n);
}

/* 1: 'now' is not empty; 0: there are no more. */
static int
next_extent(struct fy_ptcl_reader *r, struct fy_error *err)
{
	int status;

	if (r->now.length > 0)
		return 1;
	status = fy_extents_next(&r->cursor, &r->now, err);
	if (status == 0)
		r->now.length = 0;
	return status;
}

/* --- format 2 ----------------------------------------------------------------------- */

static int
next_v2(struct fy_ptcl_reader *r, uint64_t *ret_offset, size_t *ret_len,
	struct fy_error *err)
{
	int status = next_extent(r, err);
	size_t n;

	if (status == -1)
		return -1;
	if (status == 0) {
		if (r->strip_left != r->strip_bytes && end_strip(r, err) == -1)
			return -1;
		return expect_end(r, err);
	}
	n = (size_t)fy_min_u64(fy_min_u64(r->now.length, PIECE_BYTES),
			       r->strip_left);
	if (fy_unpack_read_full(r->in, r->buf, n, "the blocks", err) == -1)
		return -1;
	if (r->strip_left == r->strip_bytes)
		r->strip_from = r->now.offset;
	*ret_offset = r->now.offset;
	*ret_len = n;
	r->now.offset += n;
	r->now.length -= n;
	r->strip_to = r->now.offset;
	fy_ptcl_sum_add(r->sum, r->buf, n);
	if (r->h.sum == FY_PTCL_SUM_NONE)
		return 1;
	r->strip_left -= n;
	if (r->strip_left == 0 && end_strip(r, err) == -1)
		return -1;
	return 1;
}

/* --- format 1 ----------------------------------------------------------------------- */

/* From what was read in advance, then from the stream. */
static int
take(struct fy_ptcl_reader *r, unsigned char *to, size_t len, const char *what,
     struct fy_error *err)
{
	size_t n = (size_t)fy_min_u64(len, r->ahead_len);

	memcpy(to, r->ahead + r->ahead_at, n);
	r->ahead_at += n;
	r->ahead_len -= n;
	return fy_unpack_read_full(r->in, to + n, len - n, what, err);
}

/* The running checksum with one more block, as its writers had it. */
static uint32_t
add_v1(uint32_t crc, unsigned char first, size_t times)
{
	unsigned char same[4096];
	size_t n;

	memset(same, first, sizeof(same));
	for (; times > 0; times -= n) {
		n = (size_t)fy_min_u64(times, sizeof(same));
		crc = fy_ptcl_crc(crc, same, n);
	}
	return crc;
}

static uint32_t
get_v1(const struct fy_ptcl_reader *r, const unsigned char *p)
{
	return r->h.big_endian ? fy_get_be32(p) : fy_get_le32(p);
}

/* Whether the next block lies 'extra' bytes on, in what is read in advance. */
static bool
fits(const struct fy_ptcl_reader *r, size_t extra)
{
	const unsigned char *p = r->ahead + extra;
	size_t size = r->h.block_bytes;

	return r->ahead_len >= extra + size + 4 &&
	       get_v1(r, p + size) == add_v1(r->v1_crc, p[0], size);
}

/* Behind the first checksum: 0 or 4 bytes to leave out? */
static int
find_extra(struct fy_ptcl_reader *r, struct fy_error *err)
{
	size_t room = (size_t)r->h.block_bytes + 8;

	r->extra_known = true;
	if (fy_unpack_read(r->in, r->ahead, room, &r->ahead_len, err) == -1)
		return -1;
	r->ahead_at = 0;
	if (r->n_used == 1)
		r->extra = r->ahead_len == 4 ? 4 : 0;
	else if (!fits(r, 0) && fits(r, 4))
		r->extra = 4;
	return 0;
}

static int
end_v1_block(struct fy_ptcl_reader *r, struct fy_error *err)
{
	unsigned char p[4];

	r->v1_crc = add_v1(r->v1_crc, r->buf[0], r->h.block_bytes);
	if (take(r, p, 4, "a checksum", err) == -1)
		return -1;
	if (get_v1(r, p) != r->v1_crc) {
		if (tell_damage(r, err) == -1)
			return -1;
		r->v1_crc = get_v1(r, p);
	}
	if (!r->extra_known && find_extra(r, err) == -1)
		return -1;
	return r->extra == 0 ? 0 : take(r, p, 4, "a checksum", err);
}

static int
next_v1(struct fy_ptcl_reader *r, uint64_t *ret_offset, size_t *ret_len,
	struct fy_error *err)
{
	size_t size = r->h.block_bytes;
	int status = next_extent(r, err);

	if (status == -1)
		return -1;
	if (status == 0 && r->ahead_len > 0)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "%s: bytes follow behind the last block",
				    fy_unpack_name(r->in));
	if (status == 0)
		return expect_end(r, err);
	if (take(r, r->buf, size, "the blocks", err) == -1)
		return -1;
	r->strip_from = *ret_offset = r->now.offset;
	*ret_len = size;
	r->now.offset += size;
	r->now.length -= size;
	r->strip_to = r->now.offset;
	return end_v1_block(r, err) == -1 ? -1 : 1;
}

int
fy_ptcl_next(struct fy_ptcl_reader *r, uint64_t *ret_offset,
	     const unsigned char **ret_data, size_t *ret_len,
	     struct fy_error *err)
{
	if (fy_stop_check(r->stop, err) == -1)
		return -1;
	*ret_data = r->buf;
	return r->h.version == 1 ? next_v1(r, ret_offset, ret_len, err)
				 : next_v2(r, ret_offset, ret_len, err);
}
