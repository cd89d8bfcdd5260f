/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packing a segment in memory: it is a few MiB, so whole buffers do.
 *
 * What the kernel's decompressors want beyond the formats themselves: xz with
 * a CRC32 or no check, zstd with a window of at most 128 MiB, LZ4 legacy with
 * blocks of 8 MiB.
 */
#include "drivers-inject/linux-initramfs-stream.h"

#include <lz4.h>
#include <lz4hc.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "common/bytes.h"

#define LZ4_BLOCK (8 * FY_MIB)

static int
pack_gzip(const void *data, size_t len, unsigned char *out, size_t room,
	  size_t *ret_len, struct fy_error *err)
{
	z_stream z = { 0 };
	int r;

	if (deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return fy_error_nomem(err);
	z.next_in = (unsigned char *)(uintptr_t)data;
	z.avail_in = (uInt)len;
	z.next_out = out;
	z.avail_out = (uInt)room;
	r = deflate(&z, Z_FINISH);
	*ret_len = room - z.avail_out;
	deflateEnd(&z);
	if (r != Z_STREAM_END)
		return fy_error_set(err, FY_E_IO, 0, "zlib failed (%d)", r);
	return 0;
}

static int
pack_xz(const void *data, size_t len, unsigned char *out, size_t room,
	size_t *ret_len, struct fy_error *err)
{
	size_t used = 0;
	lzma_ret r;

	r = lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, data, len, out,
				    &used, room);
	if (r != LZMA_OK)
		return fy_error_set(err, FY_E_IO, 0, "liblzma failed (%d)",
				    (int)r);
	*ret_len = used;
	return 0;
}

static int
pack_zstd(const void *data, size_t len, unsigned char *out, size_t room,
	  size_t *ret_len, struct fy_error *err)
{
	size_t n = ZSTD_compress(out, room, data, len, 12);

	if (ZSTD_isError(n))
		return fy_error_set(err, FY_E_IO, 0, "zstd failed: %s",
				    ZSTD_getErrorName(n));
	*ret_len = n;
	return 0;
}

static int
pack_lz4(const void *data, size_t len, unsigned char *out, size_t room,
	 size_t *ret_len, struct fy_error *err)
{
	const char *in = data;
	size_t used = 4, piece;
	int n;

	fy_put_le32(out, 0x184c2102u);
	while (len > 0) {
		piece = (size_t)fy_min_u64(len, LZ4_BLOCK);
		n = LZ4_compress_HC(in, (char *)out + used + 4, (int)piece,
				    (int)(room - used - 4), LZ4HC_CLEVEL_MAX);
		if (n <= 0)
			return fy_error_set(err, FY_E_IO, 0, "LZ4 failed");
		fy_put_le32(out + used, (uint32_t)n);
		used += 4 + (size_t)n;
		in += piece;
		len -= piece;
	}
	*ret_len = used;
	return 0;
}

int
fy_istream_compress(enum fy_istream_method method, const void *data, size_t len,
		    unsigned char **ret, size_t *ret_len, struct fy_error *err)
{
	fy_autofree unsigned char *out = NULL;
	size_t room = len + len / 8 + 65536;
	int r;

	if (len > FY_GIB)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the segment is larger than 1 GiB");
	out = malloc(room);
	if (out == NULL)
		return fy_error_nomem(err);
	switch (method) {
	case FY_ISTREAM_GZIP:
		r = pack_gzip(data, len, out, room, ret_len, err);
		break;
	case FY_ISTREAM_XZ:
		r = pack_xz(data, len, out, room, ret_len, err);
		break;
	case FY_ISTREAM_ZSTD:
		r = pack_zstd(data, len, out, room, ret_len, err);
		break;
	case FY_ISTREAM_LZ4:
		r = pack_lz4(data, len, out, room, ret_len, err);
		break;
	default:
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "%s is not written here",
				    fy_istream_method_name(method));
	}
	if (r == 0)
		*ret = fy_steal_ptr(&out);
	return r;
}
