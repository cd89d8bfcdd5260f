/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Raw deflate by ISA-L: several times zlib's speed at nearly its ratio.
 *
 * qcow2's readers may inflate in pieces with a window of 12 bits, so the
 * compressor is told how far back it may reach, and the decompressor refuses
 * what reaches further.  isal_inflate() is used because the stateless form drops
 * that limit (and is no faster).
 *
 * XXX ISA-L looks at the limit in blocks with their own Huffman codes only: a
 * foreign compressor that reaches far back in a block of fixed codes is not
 * noticed.  QEMU reads such a cluster all the same.
 */
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec-driver.h"

#define MIN_WINDOW_BITS 9u
#define MAX_WINDOW_BITS 15u

struct isal_compressor {
	struct isal_zstream stream;
	uint32_t level, level_bytes;
	uint16_t window_bits;
	uint8_t *level_buf;
};

static const uint32_t level_bytes[] = {
	0,
	ISAL_DEF_LVL1_DEFAULT,
	ISAL_DEF_LVL2_DEFAULT,
	ISAL_DEF_LVL3_DEFAULT,
};

static void
isal_compressor_free(void *state)
{
	struct isal_compressor *c = state;

	free(c->level_buf);
	free(c);
}

static void *
isal_compressor_new(int level, unsigned window_bits, struct fy_error *err)
{
	struct isal_compressor *c;

	if (level < 1 || level > 3) {
		fy_error_set(err, FY_E_USAGE, 0,
			     "deflate has no level %d (1 to 3)", level);
		return NULL;
	}
	if (window_bits != 0 &&
	    (window_bits < MIN_WINDOW_BITS || window_bits > MAX_WINDOW_BITS)) {
		fy_error_set(err, FY_E_USAGE, 0,
			     "deflate has no window of %u bits (%u to %u)",
			     window_bits, MIN_WINDOW_BITS, MAX_WINDOW_BITS);
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (c != NULL)
		c->level_buf = malloc(level_bytes[level]);
	if (c == NULL || c->level_buf == NULL) {
		free(c);
		fy_error_nomem(err);
		return NULL;
	}
	c->level = (uint32_t)level;
	c->level_bytes = level_bytes[level];
	c->window_bits = (uint16_t)window_bits;
	return c;
}

static int
isal_compress(void *state, const void *data, size_t len, void *out,
	      size_t *ret_len, struct fy_error *err)
{
	struct isal_compressor *c = state;
	struct isal_zstream *s = &c->stream;
	int r;

	if (len > UINT32_MAX)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "a unit of %zu bytes is too long", len);
	isal_deflate_stateless_init(s);
	s->level = c->level;
	s->level_buf = c->level_buf;
	s->level_buf_size = c->level_bytes;
	s->hist_bits = c->window_bits;
	s->gzip_flag = IGZIP_DEFLATE;
	s->end_of_stream = 1;
	s->flush = NO_FLUSH;
	s->next_in = (uint8_t *)(uintptr_t)data; /* only read */
	s->avail_in = (uint32_t)len;
	s->next_out = out;
	s->avail_out = (uint32_t)(len - 1);
	r = isal_deflate_stateless(s);
	if (r == STATELESS_OVERFLOW)
		return 0;
	if (r != COMP_OK || s->avail_in != 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "ISA-L cannot compress (error %d)", r);
	*ret_len = s->total_out;
	return 1;
}

static void *
isal_decompressor_new(struct fy_error *err)
{
	struct inflate_state *s = malloc(sizeof(*s));

	if (s == NULL)
		fy_error_nomem(err);
	return s;
}

static int
isal_decompress(void *state, unsigned window_bits, const void *data, size_t len,
		void *out, size_t out_len, struct fy_error *err)
{
	struct inflate_state *s = state;
	uint64_t left;
	int r;

	if (len > UINT32_MAX || out_len > UINT32_MAX)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "a unit of %zu bytes is too long", out_len);
	isal_inflate_init(s);
	s->crc_flag = ISAL_DEFLATE;
	s->hist_bits = window_bits;
	s->next_in = (uint8_t *)(uintptr_t)data; /* only read */
	s->avail_in = (uint32_t)len;
	s->next_out = out;
	s->avail_out = (uint32_t)out_len;
	r = isal_inflate(s);
	/* Whole bytes that are still in the bit buffer were not used. */
	left = s->avail_in + (uint64_t)(s->read_in_length / 8);
	if (r != ISAL_DECOMP_OK || s->block_state != ISAL_BLOCK_FINISH)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "deflate cannot decompress (error %d)", r);
	if (s->total_out != out_len || left != 0)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "deflate gave %u bytes where %zu are "
				    "expected, %llu bytes left over",
				    s->total_out, out_len,
				    (unsigned long long)left);
	return 0;
}

const struct fy_codec_driver fy_codec_driver_isal = {
	.compressor_new = isal_compressor_new,
	.compressor_free = isal_compressor_free,
	.compress = isal_compress,
	.decompressor_new = isal_decompressor_new,
	.decompressor_free = free,
	.decompress = isal_decompress,
};
