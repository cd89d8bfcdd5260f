/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CODEC_DRIVER_H
#define FY_CODEC_DRIVER_H

#include "common/codec.h"

/*
 * What a codec brings.  States are opaque and serve one thread at a time; they
 * are made once and used for many units.
 */
struct fy_codec_driver {
	/* Levels outside the codec's range are FY_E_USAGE. */
	void *(*compressor_new)(int level, unsigned window_bits,
				struct fy_error *err);
	void (*compressor_free)(void *state);
	/* Contract of fy_compress. */
	int (*compress)(void *state, const void *data, size_t len, void *out,
			size_t *ret_len, struct fy_error *err);
	void *(*decompressor_new)(struct fy_error *err);
	void (*decompressor_free)(void *state);
	/* Contract of fy_decompress; 'window_bits' 0: the codec's largest. */
	int (*decompress)(void *state, unsigned window_bits, const void *data,
			  size_t len, void *out, size_t out_len,
			  struct fy_error *err);
};

extern const struct fy_codec_driver fy_codec_driver_zstd;
extern const struct fy_codec_driver fy_codec_driver_isal;
/* Deflate where ISA-L has no fast code for the processor; and the judge of the
 * other one in tests. */
extern const struct fy_codec_driver fy_codec_driver_zlib;

#endif
