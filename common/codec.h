/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CODEC_H
#define FY_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"

/* The numbers are those of the wire and the journal. */
enum fy_codec { FY_CODEC_NONE = 0, FY_CODEC_ZSTD = 1, FY_CODEC_DEFLATE = 2 };

/* "none", "zstd", "deflate". */
const char *fy_codec_name(enum fy_codec codec);
int fy_codec_from_name(const char *name, enum fy_codec *ret,
		       struct fy_error *err);

/*
 * Compressors and decompressors keep their working memory: one per worker.
 * Deflate is raw deflate by ISA-L (zlib where that has no fast code), levels 1
 * to 3, 'window_bits' 0 or 9 to 15; qcow2's readers want 12 bits.  zstd takes
 * every level that the library has, the negative ones too.  What can't be had
 * is FY_E_USAGE.
 */
struct fy_compressor;
struct fy_compressor *fy_compressor_new(enum fy_codec codec, int level,
					unsigned window_bits, /* 0: default */
					struct fy_error *err);
void fy_compressor_free(struct fy_compressor *c);
FY_DEFINE_AUTO(compressor, struct fy_compressor, fy_compressor_free)

/* 1: 'out' has the result, '*ret_len' < len bytes; 0: it would not be smaller
 * (keep the plain bytes); -1: error.  'out' has room for 'len' bytes. */
int fy_compress(struct fy_compressor *c, const void *data, size_t len,
		void *out, size_t *ret_len, struct fy_error *err);

struct fy_decompressor;
struct fy_decompressor *fy_decompressor_new(struct fy_error *err);
void fy_decompressor_free(struct fy_decompressor *d);
FY_DEFINE_AUTO(decompressor, struct fy_decompressor, fy_decompressor_free)

/*
 * From now on a deflate stream that reaches back by more than 2^window_bits
 * bytes is FY_E_CORRUPT (0, as at first: the 32 KiB of deflate itself).  For
 * payloads that are stored as they came: the sink's plan names the window.
 */
void fy_decompressor_limit_window(struct fy_decompressor *d,
				  unsigned window_bits);

/* Exactly 'out_len' bytes must come out, from exactly 'len': else FY_E_CORRUPT
 * ('out' is then undefined).  zstd: one frame, with a window of at most 8 MiB.
 * Never writes or reads outside. */
int fy_decompress(struct fy_decompressor *d, enum fy_codec codec,
		  const void *data, size_t len, void *out, size_t out_len,
		  struct fy_error *err);

#endif
