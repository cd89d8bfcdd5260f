/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One segment of an initramfs, decompressed as it is read.
 *
 * The kernel knows the compressions by their first two bytes and gives the
 * whole rest of the initramfs to one decompressor, which says how much it ate.
 * So does this: one gzip member, one xz stream, one zstd frame, and what
 * follows is the next segment.  Legacy LZ4 has no end mark: its decompressor
 * in the kernel goes on to the end of the initramfs, takes the magic number
 * for the start of another archive and, since Linux 5.8, steps over zeros in
 * words of 4 bytes, before that fails on them.
 *
 * Each codec is a function that moves bytes from the input window to the
 * caller's buffer, so memory is the window plus what the codec wants.
 */
#include "drivers-inject/linux-initramfs-stream.h"

#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "common/bytes.h"

#define WINDOW_BYTES	65536
#define LZMA_MEMORY_MAX (160 * FY_MIB)
#define ZSTD_WINDOW_LOG 27 /* as the kernel: 128 MiB */
#define LZ4_MAGIC	0x184c2102u
#define LZ4_BLOCK_MAX	(8 * FY_MIB) /* of plain bytes, as the kernel */

struct fy_istream {
	const struct fy_initramfs_input *input;
	enum fy_istream_method method;
	uint64_t next; /* in the input: what the window hasn't got yet */
	uint64_t end;
	bool ended;
	unsigned char *window;
	size_t have, used;
	int (*step)(struct fy_istream *s, void *buf, size_t len, size_t *ret,
		    struct fy_error *err);

	z_stream z;
	bool z_ready;
	lzma_stream lzma;
	bool lzma_ready;
	ZSTD_DCtx *zstd;
	unsigned char *block; /* LZ4, plain */
	size_t block_have, block_used;
};

static const char *const method_names[] = {
	[FY_ISTREAM_PLAIN] = "none",  [FY_ISTREAM_GZIP] = "gzip",
	[FY_ISTREAM_XZ] = "xz",	      [FY_ISTREAM_LZMA] = "lzma",
	[FY_ISTREAM_ZSTD] = "zstd",   [FY_ISTREAM_LZ4] = "lz4",
	[FY_ISTREAM_BZIP2] = "bzip2", [FY_ISTREAM_LZO] = "lzo",
};

const char *
fy_istream_method_name(enum fy_istream_method m)
{
	return method_names[m];
}

enum fy_istream_method
fy_istream_method(const struct fy_istream *s)
{
	return s->method;
}

uint64_t
fy_istream_end(const struct fy_istream *s)
{
	return s->end;
}

/* Fill the window when it is empty; 0 bytes left means the input's end. */
static int
refill(struct fy_istream *s, struct fy_error *err)
{
	size_t n;

	if (s->used < s->have)
		return 0;
	n = (size_t)fy_min_u64(WINDOW_BYTES, s->input->size - s->next);
	s->used = 0;
	s->have = 0;
	if (n > 0 &&
	    s->input->pread(s->input->ctx, s->window, n, s->next, err) == -1)
		return -1;
	s->have = n;
	s->next += n;
	return 0;
}

static uint64_t
position(const struct fy_istream *s)
{
	return s->next - (s->have - s->used);
}

static void
finish(struct fy_istream *s)
{
	s->ended = true;
	s->end = position(s);
}

static int
broken(const struct fy_istream *s, const char *why, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "the %s data near byte %llu is damaged (%s)",
			    method_names[s->method],
			    (unsigned long long)position(s), why);
}

static int
step_plain(struct fy_istream *s, void *buf, size_t len, size_t *ret,
	   struct fy_error *err)
{
	size_t n;

	(void)err;
	n = (size_t)fy_min_u64(len, s->have - s->used);
	if (n == 0) {
		finish(s);
		return 0;
	}
	memcpy(buf, s->window + s->used, n);
	s->used += n;
	*ret = n;
	return 0;
}

static int
step_gzip(struct fy_istream *s, void *buf, size_t len, size_t *ret,
	  struct fy_error *err)
{
	int r;

	s->z.next_in = s->window + s->used;
	s->z.avail_in = (uInt)(s->have - s->used);
	s->z.next_out = buf;
	s->z.avail_out = (uInt)fy_min_u64(len, 1U << 30);
	r = inflate(&s->z, Z_NO_FLUSH);
	s->used = s->have - s->z.avail_in;
	*ret = (size_t)(s->z.next_out - (unsigned char *)buf);
	if (r == Z_STREAM_END)
		finish(s);
	else if (r == Z_BUF_ERROR && s->have == 0)
		return broken(s, "cut short", err);
	else if (r != Z_OK && r != Z_BUF_ERROR)
		return broken(s, s->z.msg != NULL ? s->z.msg : "zlib", err);
	return 0;
}

static int
step_lzma(struct fy_istream *s, void *buf, size_t len, size_t *ret,
	  struct fy_error *err)
{
	lzma_ret r;

	s->lzma.next_in = s->window + s->used;
	s->lzma.avail_in = s->have - s->used;
	s->lzma.next_out = buf;
	s->lzma.avail_out = len;
	r = lzma_code(&s->lzma, LZMA_RUN);
	s->used = s->have - s->lzma.avail_in;
	*ret = len - s->lzma.avail_out;
	if (r == LZMA_STREAM_END)
		finish(s);
	else if (r == LZMA_MEM_ERROR)
		return fy_error_nomem(err);
	else if (r == LZMA_MEMLIMIT_ERROR)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the %s dictionary is too large",
				    method_names[s->method]);
	else if (r == LZMA_BUF_ERROR && s->have == 0)
		return broken(s, "cut short", err);
	else if (r != LZMA_OK && r != LZMA_BUF_ERROR)
		return broken(s, "liblzma", err);
	return 0;
}

static int
step_zstd(struct fy_istream *s, void *buf, size_t len, size_t *ret,
	  struct fy_error *err)
{
	ZSTD_inBuffer in = { s->window, s->have, s->used };
	ZSTD_outBuffer out = { buf, len, 0 };
	size_t r;

	r = ZSTD_decompressStream(s->zstd, &out, &in);
	s->used = in.pos;
	*ret = out.pos;
	if (ZSTD_isError(r))
		return broken(s, ZSTD_getErrorName(r), err);
	if (r == 0)
		finish(s);
	else if (s->have == 0 && out.pos == 0)
		return broken(s, "cut short", err);
	return 0;
}

/* Exactly 'len' bytes, through the window. */
static int
take(struct fy_istream *s, void *buf, size_t len, struct fy_error *err)
{
	unsigned char *p = buf;
	size_t n;

	while (len > 0) {
		if (refill(s, err) == -1)
			return -1;
		n = (size_t)fy_min_u64(len, s->have - s->used);
		if (n == 0)
			return broken(s, "cut short", err);
		memcpy(p, s->window + s->used, n);
		s->used += n;
		p += n;
		len -= n;
	}
	return 0;
}

/*
 * The size of the next LZ4 block, or 0 at the end.  'end' stays behind the
 * last block: the zeros behind it are not the archive's.
 */
static int
lz4_block_size(struct fy_istream *s, uint32_t *ret, struct fy_error *err)
{
	unsigned char word[4];
	bool zeros = false;
	uint64_t left;
	uint32_t v;

	for (;;) {
		left = s->input->size - position(s);
		memset(word, 0, sizeof(word));
		if (take(s, word, (size_t)fy_min_u64(left, 4), err) == -1)
			return -1;
		v = fy_get_le32(word);
		if (left < 4 && v != 0)
			return broken(s, "bytes behind the end", err);
		if (left <= 4 && v == 0) {
			*ret = 0;
			return 0;
		}
		if (v == LZ4_MAGIC)
			zeros = false;
		if (v == 0)
			zeros = true;
		if (v == 0 || v == LZ4_MAGIC)
			continue;
		if (zeros)
			return broken(s, "no archive behind zeros", err);
		*ret = v;
		return 0;
	}
}

static int
lz4_block(struct fy_istream *s, uint32_t size, struct fy_error *err)
{
	fy_autofree char *packed = NULL;
	int n;

	if (size > (uint32_t)LZ4_COMPRESSBOUND((uint32_t)LZ4_BLOCK_MAX))
		return broken(s, "a block that is too large", err);
	packed = malloc(size);
	if (packed == NULL)
		return fy_error_nomem(err);
	if (take(s, packed, size, err) == -1)
		return -1;
	n = LZ4_decompress_safe(packed, (char *)s->block, (int)size,
				(int)LZ4_BLOCK_MAX);
	if (n < 0)
		return broken(s, "LZ4", err);
	s->block_have = (size_t)n;
	s->block_used = 0;
	s->end = position(s);
	return 0;
}

static int
step_lz4(struct fy_istream *s, void *buf, size_t len, size_t *ret,
	 struct fy_error *err)
{
	uint32_t size = 0;
	size_t n;

	if (s->block_used == s->block_have) {
		if (lz4_block_size(s, &size, err) == -1)
			return -1;
		if (size == 0) {
			s->ended = true;
			return 0;
		}
		if (lz4_block(s, size, err) == -1)
			return -1;
	}
	n = (size_t)fy_min_u64(len, s->block_have - s->block_used);
	if (n > 0)
		memcpy(buf, s->block + s->block_used, n);
	s->block_used += n;
	*ret = n;
	return 0;
}

int
fy_istream_pull(void *ctx, void *buf, size_t len, size_t *ret,
		struct fy_error *err)
{
	struct fy_istream *s = ctx;
	size_t n = 0;

	while (!s->ended && n == 0) {
		if (refill(s, err) == -1)
			return -1;
		if (s->step(s, buf, len, &n, err) == -1)
			return -1;
	}
	*ret = n;
	return 0;
}

/* By the same first bytes as the kernel's table, LZMA with a closer look. */
static int
recognise(const unsigned char *m, size_t n, enum fy_istream_method *ret)
{
	if (n >= 6 && memcmp(m, "07070", 5) == 0)
		*ret = FY_ISTREAM_PLAIN;
	else if (n >= 2 && m[0] == 0x1f && (m[1] == 0x8b || m[1] == 0x9e))
		*ret = FY_ISTREAM_GZIP;
	else if (n >= 6 && memcmp(m,
				  "\xfd"
				  "7zXZ",
				  6) == 0)
		*ret = FY_ISTREAM_XZ;
	else if (n >= 4 && fy_get_le32(m) == 0xfd2fb528u)
		*ret = FY_ISTREAM_ZSTD;
	else if (n >= 4 && fy_get_le32(m) == LZ4_MAGIC)
		*ret = FY_ISTREAM_LZ4;
	else if (n >= 3 && memcmp(m, "BZh", 3) == 0)
		*ret = FY_ISTREAM_BZIP2;
	else if (n >= 4 && memcmp(m, "\x89LZO", 4) == 0)
		*ret = FY_ISTREAM_LZO;
	else if (n >= 13 && m[0] == 0x5d && m[1] == 0)
		*ret = FY_ISTREAM_LZMA;
	else
		return -1;
	return 0;
}

static int
start_lzma(struct fy_istream *s, struct fy_error *err)
{
	lzma_ret r;

	if (s->method == FY_ISTREAM_XZ)
		r = lzma_stream_decoder(&s->lzma, LZMA_MEMORY_MAX, 0);
	else
		r = lzma_alone_decoder(&s->lzma, LZMA_MEMORY_MAX);
	if (r != LZMA_OK)
		return fy_error_nomem(err);
	s->lzma_ready = true;
	s->step = step_lzma;
	return 0;
}

static int
start(struct fy_istream *s, struct fy_error *err)
{
	switch (s->method) {
	case FY_ISTREAM_PLAIN:
		s->step = step_plain;
		return 0;
	case FY_ISTREAM_GZIP:
		if (inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK)
			return fy_error_nomem(err);
		s->z_ready = true;
		s->step = step_gzip;
		return 0;
	case FY_ISTREAM_XZ:
	case FY_ISTREAM_LZMA:
		return start_lzma(s, err);
	case FY_ISTREAM_ZSTD:
		s->zstd = ZSTD_createDCtx();
		if (s->zstd == NULL)
			return fy_error_nomem(err);
		ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax,
				       ZSTD_WINDOW_LOG);
		s->step = step_zstd;
		return 0;
	case FY_ISTREAM_LZ4:
		s->block = malloc(LZ4_BLOCK_MAX);
		if (s->block == NULL)
			return fy_error_nomem(err);
		s->step = step_lz4;
		return 0;
	case FY_ISTREAM_BZIP2:
	case FY_ISTREAM_LZO:
		break;
	}
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "an initramfs packed by %s can't be edited",
			    method_names[s->method]);
}

int
fy_istream_open(const struct fy_initramfs_input *input, uint64_t offset,
		struct fy_istream **ret, struct fy_error *err)
{
	FY_AUTO(istream) struct fy_istream *s = NULL;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return fy_error_nomem(err);
	s->input = input;
	s->next = offset;
	s->lzma = (lzma_stream)LZMA_STREAM_INIT;
	s->window = malloc(WINDOW_BYTES);
	if (s->window == NULL)
		return fy_error_nomem(err);
	if (refill(s, err) == -1)
		return -1;
	if (recognise(s->window, s->have, &s->method) == -1) {
		if (s->have >= 2 && memcmp(s->window, "MZ", 2) == 0)
			return fy_error_set(
				err, FY_E_UNSUPPORTED, 0,
				"a unified kernel image (UKI) can't be "
				"edited: its initramfs is inside a PE file, "
				"which may be signed");
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "what is at byte %llu is no archive that "
				    "a kernel would unpack",
				    (unsigned long long)offset);
	}
	if (start(s, err) == -1)
		return -1;
	*ret = fy_steal_ptr(&s);
	return 0;
}

void
fy_istream_free(struct fy_istream *s)
{
	if (s == NULL)
		return;
	if (s->z_ready)
		inflateEnd(&s->z);
	if (s->lzma_ready)
		lzma_end(&s->lzma);
	ZSTD_freeDCtx(s->zstd);
	free(s->block);
	free(s->window);
	free(s);
}
