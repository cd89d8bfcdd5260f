/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LINUX_INITRAMFS_STREAM_H
#define FY_LINUX_INITRAMFS_STREAM_H

#include "drivers-inject/linux-initramfs.h"

/* How one segment of an initramfs is packed. */
enum fy_istream_method {
	FY_ISTREAM_PLAIN,
	FY_ISTREAM_GZIP,
	FY_ISTREAM_XZ,
	FY_ISTREAM_LZMA,
	FY_ISTREAM_ZSTD,
	FY_ISTREAM_LZ4, /* legacy */
	FY_ISTREAM_BZIP2,
	FY_ISTREAM_LZO,
};
const char *fy_istream_method_name(enum fy_istream_method m);

/*
 * The decompressed bytes of the segment that starts at 'offset' of 'input'
 * (borrowed), recognised by its first bytes.  Memory: up to 160 MiB for what
 * the archive itself asks for as a window; beyond is FY_E_UNSUPPORTED.
 * Errors: FY_E_UNSUPPORTED for a compression that can't be undone here,
 * FY_E_FORMAT for what is none.
 */
struct fy_istream;
int fy_istream_open(const struct fy_initramfs_input *input, uint64_t offset,
		    struct fy_istream **ret, struct fy_error *err);
void fy_istream_free(struct fy_istream *s);
FY_DEFINE_AUTO(istream, struct fy_istream, fy_istream_free)

enum fy_istream_method fy_istream_method(const struct fy_istream *s);

/* A fy_cpio_pull; 'ctx' is the struct fy_istream. */
int fy_istream_pull(void *ctx, void *buf, size_t len, size_t *ret,
		    struct fy_error *err);

/* Where in the input the segment ended: valid once _pull gave 0 bytes.  With
 * LZ4 that is behind its last block; only zeros follow, to the input's end.
 * For a plain segment the parser of the archive knows, not this. */
uint64_t fy_istream_end(const struct fy_istream *s);

/*
 * Compress 'data' so that a kernel that took a segment of that method takes
 * this one: gzip, xz (CRC32), zstd or legacy LZ4; malloc'd.  Others are
 * FY_E_UNSUPPORTED.
 */
int fy_istream_compress(enum fy_istream_method method, const void *data,
			size_t len, unsigned char **ret, size_t *ret_len,
			struct fy_error *err);

#endif
