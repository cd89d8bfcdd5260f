/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Raw deflate by zlib, for processors that ISA-L has no fast code for.  When the
 * window is limited, the output goes through a small buffer, since only then
 * zlib notices a stream that reaches further back (by more than that buffer's
 * size: less cannot be told apart).
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/bytes.h"
#include "common/codec-driver.h"

#define MIN_WINDOW_BITS 9u
#define MAX_WINDOW_BITS 15u
#define PIECE_BYTES	256u

static void
zlib_compressor_free(void *state)
{
	z_stream *z = state;

	deflateEnd(z);
	free(z);
}

static void *
zlib_compressor_new(int level, unsigned window_bits, struct fy_error *err)
{
	unsigned bits = window_bits != 0 ? window_bits : MAX_WINDOW_BITS;
	z_stream *z;

	if (level < 1 || level > 3) {
		fy_error_set(err, FY_E_USAGE, 0,
			     "deflate has no level %d (1 to 3)", level);
		return NULL;
	}
	if (bits < MIN_WINDOW_BITS || bits > MAX_WINDOW_BITS) {
		fy_error_set(err, FY_E_USAGE, 0,
			     "deflate has no window of %u bits (%u to %u)",
			     bits, MIN_WINDOW_BITS, MAX_WINDOW_BITS);
		return NULL;
	}
	z = calloc(1, sizeof(*z));
	if (z == NULL || deflateInit2(z, level, Z_DEFLATED, -(int)bits, 8,
				      Z_DEFAULT_STRATEGY) != Z_OK) {
		free(z);
		fy_error_nomem(err);
		return NULL;
	}
	return z;
}

static int
zlib_compress(void *state, const void *data, size_t len, void *out,
	      size_t *ret_len, struct fy_error *err)
{
	z_stream *z = state;
	int r;

	if (len > UINT32_MAX)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "a unit of %zu bytes is too long", len);
	if (deflateReset(z) != Z_OK)
		return fy_error_set(err, FY_E_NOMEM, 0, "zlib cannot restart");
	z->next_in = (Bytef *)(uintptr_t)data; /* only read */
	z->avail_in = (uInt)len;
	z->next_out = out;
	z->avail_out = (uInt)(len - 1);
	r = deflate(z, Z_FINISH);
	if (r == Z_STREAM_END) {
		*ret_len = (size_t)z->total_out;
		return 1;
	}
	if (r == Z_OK || r == Z_BUF_ERROR)
		return 0;
	return fy_error_set(err, FY_E_NOMEM, 0, "zlib cannot compress (%d)", r);
}

struct zlib_decompressor {
	z_stream z;
	unsigned char piece[PIECE_BYTES];
};

static void
zlib_decompressor_free(void *state)
{
	struct zlib_decompressor *d = state;

	inflateEnd(&d->z);
	free(d);
}

static void *
zlib_decompressor_new(struct fy_error *err)
{
	struct zlib_decompressor *d = calloc(1, sizeof(*d));

	if (d == NULL || inflateInit2(&d->z, -(int)MAX_WINDOW_BITS) != Z_OK) {
		free(d);
		fy_error_nomem(err);
		return NULL;
	}
	return d;
}

/* Inflate through the small buffer; Z_STREAM_END when all came out. */
static int
inflate_in_pieces(struct zlib_decompressor *d, void *out, size_t out_len)
{
	unsigned char *to = out;
	int r = Z_OK;

	while (r == Z_OK) {
		size_t n;

		d->z.next_out = d->piece;
		d->z.avail_out = PIECE_BYTES;
		r = inflate(&d->z, Z_SYNC_FLUSH);
		n = PIECE_BYTES - d->z.avail_out;
		if (n > out_len)
			return Z_DATA_ERROR;
		memcpy(to, d->piece, n);
		to += n;
		out_len -= n;
	}
	return r;
}

static int
zlib_decompress(void *state, unsigned window_bits, const void *data, size_t len,
		void *out, size_t out_len, struct fy_error *err)
{
	unsigned bits = window_bits != 0 ? window_bits : MAX_WINDOW_BITS;
	struct zlib_decompressor *d = state;
	z_stream *z = &d->z;
	int r;

	if (len > UINT32_MAX || out_len > UINT32_MAX)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "a unit of %zu bytes is too long", out_len);
	if (bits < MIN_WINDOW_BITS || bits > MAX_WINDOW_BITS ||
	    inflateReset2(z, -(int)bits) != Z_OK)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "deflate has no window of %u bits", bits);
	z->next_in = (Bytef *)(uintptr_t)data; /* only read */
	z->avail_in = (uInt)len;
	if (window_bits != 0) {
		r = inflate_in_pieces(d, out, out_len);
	} else {
		z->next_out = out;
		z->avail_out = (uInt)out_len;
		r = inflate(z, Z_FINISH);
	}
	if (r != Z_STREAM_END)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "deflate cannot decompress (%d)", r);
	if (z->total_out != out_len || z->avail_in != 0)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "deflate gave %lu bytes where %zu are "
				    "expected, %u bytes left over",
				    z->total_out, out_len, z->avail_in);
	return 0;
}

const struct fy_codec_driver fy_codec_driver_zlib = {
	.compressor_new = zlib_compressor_new,
	.compressor_free = zlib_compressor_free,
	.compress = zlib_compress,
	.decompressor_new = zlib_decompressor_new,
	.decompressor_free = zlib_decompressor_free,
	.decompress = zlib_decompress,
};
