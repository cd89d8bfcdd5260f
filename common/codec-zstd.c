/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * zstd: one frame per unit, no checksum (the unit has a digest), no dictionary.
 *
 * A payload may become a qcow2 cluster as it is, so the decompressor accepts
 * only what QEMU's streaming reader accepts too: exactly one frame, no
 * skippable ones, and a window of at most 8 MiB (what RFC 8878 asks every
 * decoder to support; units are at most 4 MiB).
 */
#include <zstd.h>
#include <zstd_errors.h>

#include "common/bytes.h"
#include "common/codec-driver.h"

#define FRAME_MAGIC	0xfd2fb528u
#define FRAME_MIN_BYTES 6u /* magic, descriptor, window or size */
#define SINGLE_SEGMENT	0x20u
#define MAX_WINDOW_LOG	23u

static void *
zstd_compressor_new(int level, unsigned window_bits, struct fy_error *err)
{
	ZSTD_CCtx *c;
	size_t r = 0;

	if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel()) {
		fy_error_set(err, FY_E_USAGE, 0,
			     "zstd has no level %d (%d to %d)", level,
			     ZSTD_minCLevel(), ZSTD_maxCLevel());
		return NULL;
	}
	c = ZSTD_createCCtx();
	if (c == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	r = ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
	if (!ZSTD_isError(r) && window_bits != 0)
		r = ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog,
					   (int)window_bits);
	if (ZSTD_isError(r)) {
		fy_error_set(err, FY_E_USAGE, 0,
			     "zstd: level %d, window %u: %s", level,
			     window_bits, ZSTD_getErrorName(r));
		ZSTD_freeCCtx(c);
		return NULL;
	}
	return c;
}

static void
zstd_compressor_free(void *state)
{
	ZSTD_freeCCtx(state);
}

static int
zstd_compress(void *state, const void *data, size_t len, void *out,
	      size_t *ret_len, struct fy_error *err)
{
	size_t r = ZSTD_compress2(state, out, len - 1, data, len);

	if (!ZSTD_isError(r)) {
		*ret_len = r;
		return 1;
	}
	if (ZSTD_getErrorCode(r) == ZSTD_error_dstSize_tooSmall)
		return 0;
	return fy_error_set(err, FY_E_NOMEM, 0, "zstd cannot compress: %s",
			    ZSTD_getErrorName(r));
}

static void *
zstd_decompressor_new(struct fy_error *err)
{
	ZSTD_DCtx *d = ZSTD_createDCtx();

	if (d == NULL)
		fy_error_nomem(err);
	return d;
}

static void
zstd_decompressor_free(void *state)
{
	ZSTD_freeDCtx(state);
}

/* That the payload is one ordinary frame with a modest window. */
static int
check_frame(const unsigned char *p, size_t len, struct fy_error *err)
{
	if (len < FRAME_MIN_BYTES || fy_get_le32(p) != FRAME_MAGIC)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "the payload is no zstd frame");
	if ((p[4] & SINGLE_SEGMENT) == 0 && (p[5] >> 3) + 10u > MAX_WINDOW_LOG)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "a zstd frame asks for a window of 2^%u "
				    "bytes",
				    (p[5] >> 3) + 10u);
	if (ZSTD_findFrameCompressedSize(p, len) != len)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "the payload is not exactly one zstd "
				    "frame");
	return 0;
}

static int
zstd_decompress(void *state, unsigned window_bits, const void *data, size_t len,
		void *out, size_t out_len, struct fy_error *err)
{
	size_t r;

	(void)window_bits; /* readers of zstd have no smaller window */
	if (check_frame(data, len, err) == -1)
		return -1;
	r = ZSTD_decompressDCtx(state, out, out_len, data, len);
	if (ZSTD_isError(r))
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "zstd cannot decompress: %s",
				    ZSTD_getErrorName(r));
	if (r != out_len)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "zstd gave %zu bytes where %zu are "
				    "expected",
				    r, out_len);
	return 0;
}

const struct fy_codec_driver fy_codec_driver_zstd = {
	.compressor_new = zstd_compressor_new,
	.compressor_free = zstd_compressor_free,
	.compress = zstd_compress,
	.decompressor_new = zstd_decompressor_new,
	.decompressor_free = zstd_decompressor_free,
	.decompress = zstd_decompress,
};
