/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bitmaps of partclone's images, read and written piece by piece: that of a
 * 16 TiB filesystem has half a GiB, its extents far less.
 *
 * Bit n of a bitmap of bits is bit n % 8 of byte n / 8, for a little-endian
 * writer.  A big-endian one writes the words of its memory, so each word has its
 * bytes in reverse; and because it writes ceil(blocks / 8) bytes of them, the
 * last word lacks the bytes that matter.  How many bits were set there is known
 * from the header's count: none or all of them is certain, else the image does
 * not tell which blocks it holds.
 *
 * The checksum is over the bits as they lay in the writer's memory, also when
 * bytes were written.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/ptcl.h"

#define CHUNK (64u << 10) /* bytes of a bitmap at a time; whole words */

/* --- from bits to extents ------------------------------------------------------ */

struct runs {
	const struct fy_ptcl_header *h;
	struct fy_extents *ret;
	uint64_t next;	/* block that comes next */
	uint64_t since; /* first block of the run */
	bool in_run;
};

static int
end_run(struct runs *r, uint64_t at, struct fy_error *err)
{
	uint64_t size = r->h->block_bytes;

	if (!r->in_run)
		return 0;
	r->in_run = false;
	return fy_extents_append(r->ret, r->since * size,
				 (at - r->since) * size, err);
}

/* 'n' blocks that are all the same. */
static int
add_blocks(struct runs *r, bool used, uint64_t n, struct fy_error *err)
{
	if (used && !r->in_run) {
		r->in_run = true;
		r->since = r->next;
	} else if (!used && end_run(r, r->next, err) == -1) {
		return -1;
	}
	r->next += n;
	return 0;
}

static int
add_bits(struct runs *r, const unsigned char *p, uint64_t n,
	 struct fy_error *err)
{
	uint64_t at;
	unsigned bit;

	for (at = 0; at < n; at += 8, p++) {
		if (n - at >= 8 && (*p == 0 || *p == 0xff)) {
			if (add_blocks(r, *p != 0, 8, err) == -1)
				return -1;
			continue;
		}
		for (bit = 0; bit < 8 && at + bit < n; bit++)
			if (add_blocks(r, (*p >> bit & 1) != 0, 1, err) == -1)
				return -1;
	}
	return 0;
}

/* --- words --------------------------------------------------------------------- */

/* Reverse the bytes of each word of 'size'; 'len' is whole words. */
static void
reverse_words(unsigned char *p, size_t len, size_t size)
{
	unsigned char byte;
	size_t at, i;

	for (at = 0; at < len; at += size)
		for (i = 0; i < size / 2; i++) {
			byte = p[at + i];
			p[at + i] = p[at + size - 1 - i];
			p[at + size - 1 - i] = byte;
		}
}

/*
 * The last word of a big-endian writer: 'p' has its first 'have' bytes, of
 * which the last ones of the bitmap are.  'bits' blocks are left.
 */
static int
add_cut_word(struct runs *r, const unsigned char *p, size_t have, uint64_t bits,
	     struct fy_error *err)
{
	size_t size = r->h->cpu_bits / 8, lost = size - have;
	uint64_t unknown = fy_min_u64(8 * lost, bits), known, missing;
	unsigned char word[8] = { 0 };

	memcpy(word, p, have);
	reverse_words(word, size, size);
	known = fy_extents_bytes(r->ret) / r->h->block_bytes;
	if (r->in_run)
		known += r->next - r->since;
	for (uint64_t i = unknown; i < bits; i++)
		known += word[i / 8] >> (i % 8) & 1;
	missing = r->h->used_blocks - known;
	if (r->h->used_blocks < known || (missing != 0 && missing != unknown))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the image was written by a big-endian "
				    "machine, and its bitmap lacks the bits of "
				    "the last %" PRIu64 " blocks: they can't "
				    "be told",
				    unknown);
	if (add_blocks(r, missing != 0, unknown, err) == -1)
		return -1;
	if (bits == unknown)
		return 0;
	/* 'unknown' is whole bytes here. */
	return add_bits(r, word + unknown / 8, bits - unknown, err);
}

/* Of the words whose bytes are in reverse. */
static size_t
word_bytes(const struct fy_ptcl_header *h)
{
	return h->big_endian && h->cpu_bits != 0 ? h->cpu_bits / 8 : 1;
}

/* --- format 2 -------------------------------------------------------------------- */

static int
check_crc(struct fy_unpack *in, const struct fy_ptcl_header *h, uint32_t crc,
	  struct fy_error *err)
{
	unsigned char p[4];
	uint32_t want;

	if (fy_unpack_read_full(in, p, 4, "the bitmap's checksum", err) == -1)
		return -1;
	want = h->big_endian ? fy_get_be32(p) : fy_get_le32(p);
	if (want == crc)
		return 0;
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    "the bitmap's checksum does not match: nothing "
			    "tells where the blocks belong");
}

static int
read_bits(struct fy_unpack *in, struct runs *r, uint32_t *crc,
	  const struct fy_stop *stop, unsigned char *buf, struct fy_error *err)
{
	const struct fy_ptcl_header *h = r->h;
	size_t size = word_bytes(h), n, whole;
	uint64_t bytes = h->blocks / 8 + (h->blocks % 8 != 0), bits;

	while (bytes > 0) {
		n = (size_t)fy_min_u64(bytes, CHUNK);
		whole = n - n % size;
		if (fy_stop_check(stop, err) == -1 ||
		    fy_unpack_read_full(in, buf, n, "the bitmap", err) == -1)
			return -1;
		*crc = fy_ptcl_crc(*crc, buf, n);
		reverse_words(buf, whole, size);
		bits = fy_min_u64(8 * (uint64_t)whole, h->blocks - r->next);
		if (add_bits(r, buf, bits, err) == -1)
			return -1;
		if (whole < n && add_cut_word(r, buf + whole, n - whole,
					      h->blocks - r->next, err) == -1)
			return -1;
		bytes -= n;
	}
	return 0;
}

/* Bytes; the checksum is over the bits that they make.  1 is used; format 1 has
 * been seen with other values for what is not. */
static int
read_bytes(struct fy_unpack *in, struct runs *r, uint32_t *crc,
	   const struct fy_stop *stop, unsigned char *buf, struct fy_error *err)
{
	const struct fy_ptcl_header *h = r->h;
	size_t size = word_bytes(h), n, i, len;
	unsigned char bits[4096];

	while (r->next < h->blocks) {
		n = (size_t)fy_min_u64(h->blocks - r->next, 8 * sizeof(bits));
		if (fy_stop_check(stop, err) == -1 ||
		    fy_unpack_read_full(in, buf, n, "the bitmap", err) == -1)
			return -1;
		memset(bits, 0, sizeof(bits));
		for (i = 0; i < n; i++) {
			if (buf[i] == 1)
				bits[i / 8] |= (unsigned char)(1u << (i % 8));
			else if (buf[i] != 0 && h->version > 1)
				return fy_error_set(err, FY_E_CORRUPT, 0,
						    "the bitmap has a byte "
						    "that is neither 0 nor 1");
		}
		if (add_bits(r, bits, n, err) == -1)
			return -1;
		len = (n + 7) / 8;
		reverse_words(bits, sizeof(bits), size);
		*crc = fy_ptcl_crc(*crc, bits, len);
	}
	return 0;
}

int
fy_ptcl_bitmap_read(struct fy_unpack *in, const struct fy_ptcl_header *h,
		    struct fy_extents *ret, const struct fy_stop *stop,
		    struct fy_error *err)
{
	fy_autofree unsigned char *buf = malloc(CHUNK);
	struct runs r = { .h = h, .ret = ret };
	uint32_t crc = FY_PTCL_CRC_BEGIN;
	int status;

	if (buf == NULL)
		return fy_error_nomem(err);
	if (h->bitmap == FY_PTCL_BITMAP_NONE)
		return fy_extents_append(ret, 0, h->blocks * h->block_bytes,
					 err);
	status = h->bitmap == FY_PTCL_BITMAP_BIT
			 ? read_bits(in, &r, &crc, stop, buf, err)
			 : read_bytes(in, &r, &crc, stop, buf, err);
	if (status == -1 || end_run(&r, r.next, err) == -1)
		return -1;
	return check_crc(in, h, crc, err);
}

/* --- format 1 -------------------------------------------------------------------- */

int
fy_ptcl_v1_bitmap_read(struct fy_unpack *in, const struct fy_ptcl_header *h,
		       struct fy_extents *ret, const struct fy_stop *stop,
		       struct fy_error *err)
{
	fy_autofree unsigned char *buf = malloc(CHUNK);
	struct runs r = { .h = h, .ret = ret };
	unsigned char magic[8];
	uint32_t crc = 0;

	if (buf == NULL)
		return fy_error_nomem(err);
	if (read_bytes(in, &r, &crc, stop, buf, err) == -1 ||
	    end_run(&r, r.next, err) == -1 ||
	    fy_unpack_read_full(in, magic, 8, "the mark behind the bitmap",
				err) == -1)
		return -1;
	if (memcmp(magic, "BiTmAgIc", 8) != 0)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "the mark behind the bitmap is not there");
	return 0;
}

/* --- writing ---------------------------------------------------------------------- */

/* Set bits [from, to) of a bitmap. */
static void
set_bits(unsigned char *p, uint64_t from, uint64_t to)
{
	while (from < to && from % 8 != 0) {
		p[from / 8] |= (unsigned char)(1u << (from % 8));
		from++;
	}
	memset(p + from / 8, 0xff, (size_t)((to - from) / 8));
	from += (to - from) / 8 * 8;
	while (from < to) {
		p[from / 8] |= (unsigned char)(1u << (from % 8));
		from++;
	}
}

/* The bits of blocks [first, first + n); 'x' is the extent to go on with (in
 * blocks), whose length is 0 behind the last one. */
static int
make_bits(struct fy_extents_cursor *c, struct fy_extent *x, uint64_t size,
	  uint64_t first, uint64_t n, unsigned char *p, struct fy_error *err)
{
	uint64_t end = first + n, to;
	int r;

	while (x->length > 0 && x->offset < end) {
		to = fy_min_u64(x->offset + x->length, end);
		set_bits(p, x->offset - first, to - first);
		x->length -= to - x->offset;
		x->offset = to;
		if (x->length > 0)
			return 0;
		r = fy_extents_next(c, x, err);
		if (r == -1)
			return -1;
		if (r == 0)
			x->length = 0;
		x->offset /= size;
		x->length /= size;
	}
	return 0;
}

int
fy_ptcl_bitmap_write(const struct fy_extents *used,
		     const struct fy_ptcl_header *h, struct fy_pack *out,
		     const struct fy_stop *stop, struct fy_error *err)
{
	fy_autofree unsigned char *buf = malloc(CHUNK);
	struct fy_extent x = { 0, 0 };
	uint32_t crc = FY_PTCL_CRC_BEGIN;
	struct fy_extents_cursor c;
	unsigned char p[4];
	uint64_t at, n;
	int r;

	if (buf == NULL)
		return fy_error_nomem(err);
	fy_extents_cursor_init(&c, used);
	r = fy_extents_next(&c, &x, err);
	if (r == -1)
		return -1;
	if (r == 0)
		x.length = 0;
	x.offset /= h->block_bytes;
	x.length /= h->block_bytes;
	for (at = 0; at < h->blocks; at += n) {
		n = fy_min_u64(8 * CHUNK, h->blocks - at);
		memset(buf, 0, CHUNK);
		if (fy_stop_check(stop, err) == -1 ||
		    make_bits(&c, &x, h->block_bytes, at, n, buf, err) == -1 ||
		    fy_pack_write(out, buf, (size_t)((n + 7) / 8), err) == -1)
			return -1;
		crc = fy_ptcl_crc(crc, buf, (size_t)((n + 7) / 8));
	}
	fy_put_le32(p, crc);
	return fy_pack_write(out, p, sizeof(p), err);
}
