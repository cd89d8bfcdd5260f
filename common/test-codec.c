/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Codecs: round trips of all kinds of data, sizes and levels; what does not
 * shrink is said so; streams that are cut, longer, changed, doubled or reach
 * too far back are refused; nothing outside the buffers is touched (they end
 * at a page that must not be touched).
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/codec-driver.h"
#include "common/testing.h"

static struct fy_error err;
static uint64_t seed = 42;

/* 'len' bytes whose end is the end of what may be touched. */
struct guarded {
	unsigned char *base, *p;
	size_t total;
};

static struct guarded
guarded(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct guarded g;

	g.total = (size_t)fy_align_up(len, page) + page;
	g.base = mmap(NULL, g.total, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(g.base != MAP_FAILED);
	CHECK(mprotect(g.base + g.total - page, page, PROT_NONE) == 0);
	g.p = g.base + g.total - page - len;
	return g;
}

static void
release(struct guarded *g)
{
	munmap(g->base, g->total);
}

enum kind { TEXT, RANDOM, ZERO, HALF, KINDS };

static void
fill(enum kind kind, unsigned char *p, size_t len)
{
	memset(p, 0, len);
	if (kind == TEXT)
		test_fill_text(&seed, p, len);
	if (kind == RANDOM)
		test_fill_random(&seed, p, len);
	if (kind == HALF) {
		test_fill_random(&seed, p, len / 2);
		test_fill_text(&seed, p + len / 2, len - len / 2);
	}
}

/* QEMU's reader: a stream into one cluster, sectors behind it included. */
static void
check_qemu_zstd(const unsigned char *payload, size_t n,
		const unsigned char *raw, size_t len)
{
	fy_autofree unsigned char *out = malloc(len), *in = calloc(1, n + 512);
	ZSTD_inBuffer input = { in, n + 512, 0 };
	ZSTD_outBuffer output = { out, len, 0 };
	ZSTD_DCtx *d = ZSTD_createDCtx();
	size_t r = 0;

	memcpy(in, payload, n);
	while (output.pos < output.size) {
		r = ZSTD_decompressStream(d, &output, &input);
		CHECK(!ZSTD_isError(r));
	}
	CHECK(r == 0 && memcmp(out, raw, len) == 0);
	ZSTD_freeDCtx(d);
}

/* A reader with a window of 12 bits that inflates in pieces. */
static void
check_small_window(const unsigned char *payload, size_t n,
		   const unsigned char *raw, size_t len)
{
	unsigned char piece[100];
	z_stream z = { 0 };
	size_t at = 0;
	int r;

	CHECK(inflateInit2(&z, -12) == Z_OK);
	z.next_in = (Bytef *)(uintptr_t)payload;
	z.avail_in = (uInt)n;
	do {
		z.next_out = piece;
		z.avail_out = sizeof(piece);
		r = inflate(&z, Z_SYNC_FLUSH);
		CHECK(r == Z_OK || r == Z_STREAM_END);
		CHECK(at + sizeof(piece) - z.avail_out <= len);
		CHECK(memcmp(piece, raw + at, sizeof(piece) - z.avail_out) ==
		      0);
		at += sizeof(piece) - z.avail_out;
	} while (r != Z_STREAM_END);
	CHECK(at == len);
	inflateEnd(&z);
}

static void
round_trip(enum fy_codec codec, int level, unsigned bits, enum kind kind,
	   size_t len)
{
	struct guarded raw = guarded(len), out = guarded(len);
	struct guarded in, back = guarded(len);
	struct fy_compressor *c = fy_compressor_new(codec, level, bits, &err);
	struct fy_decompressor *d = fy_decompressor_new(&err);
	size_t n = 0;
	int r, i;

	CHECK(c != NULL && d != NULL);
	fy_decompressor_limit_window(d, bits);
	for (i = 0; i < 2; i++) { /* the state is used again */
		fill(kind, raw.p, len);
		r = fy_compress(c, raw.p, len, out.p, &n, &err);
		CHECK(r == 0 || r == 1);
		CHECK(r == (codec != FY_CODEC_NONE && kind != RANDOM));
		if (r == 0)
			continue;
		CHECK(n > 0 && n < len);
		in = guarded(n);
		memcpy(in.p, out.p, n);
		memset(back.p, 0xa5, len);
		CHECK_OK(fy_decompress(d, codec, in.p, n, back.p, len, &err));
		CHECK(memcmp(back.p, raw.p, len) == 0);
		if (codec == FY_CODEC_ZSTD)
			check_qemu_zstd(in.p, n, raw.p, len);
		if (codec == FY_CODEC_DEFLATE && bits == 12)
			check_small_window(in.p, n, raw.p, len);
		release(&in);
	}
	fy_compressor_free(c);
	fy_decompressor_free(d);
	release(&raw);
	release(&out);
	release(&back);
}

static void
test_round_trips(void)
{
	static const size_t lengths[] = { 65536, 1u << 20, 4u << 20, 100000 };
	unsigned i, kind;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (kind = 0; kind < KINDS; kind++) {
			size_t len = lengths[i];

			round_trip(FY_CODEC_NONE, 0, 0, kind, len);
			round_trip(FY_CODEC_ZSTD, 1, 0, kind, len);
			round_trip(FY_CODEC_ZSTD, 3, 0, kind, len);
			round_trip(FY_CODEC_DEFLATE, 1, 12, kind, len);
			round_trip(FY_CODEC_DEFLATE, 1, 0, kind, len);
		}
	}
	round_trip(FY_CODEC_ZSTD, -7, 0, TEXT, 65536);
	round_trip(FY_CODEC_ZSTD, 19, 0, TEXT, 65536);
	round_trip(FY_CODEC_DEFLATE, 2, 12, HALF, 65536);
	round_trip(FY_CODEC_DEFLATE, 3, 12, HALF, 65536);
}

/* zlib's driver and ISA-L's read each other's. */
static void
test_deflate_drivers(void)
{
	const struct fy_codec_driver *from[] = { &fy_codec_driver_isal,
						 &fy_codec_driver_zlib };
	fy_autofree unsigned char *raw = malloc(65536), *out = malloc(65536),
				  *back = malloc(65536);
	unsigned i, j, bits;
	size_t n;

	for (i = 0; i < 2; i++) {
		for (bits = 9; bits <= 15; bits++) {
			void *c = from[i]->compressor_new(1, bits, &err);

			CHECK(c != NULL);
			fill(HALF, raw, 65536);
			CHECK(from[i]->compress(c, raw, 65536, out, &n, &err) ==
			      1);
			from[i]->compressor_free(c);
			for (j = 0; j < 2; j++) {
				void *d = from[j]->decompressor_new(&err);

				CHECK_OK(from[j]->decompress(
					d, bits, out, n, back, 65536, &err));
				CHECK(memcmp(raw, back, 65536) == 0);
				CHECK_OK(from[j]->decompress(d, 0, out, n, back,
							     65536, &err));
				from[j]->decompressor_free(d);
			}
		}
	}
}

static void
refuse(struct fy_decompressor *d, enum fy_codec codec, const void *data,
       size_t n, size_t len)
{
	struct guarded in = guarded(n), out = guarded(len);

	memcpy(in.p, data, n);
	CHECK(fy_decompress(d, codec, in.p, n, out.p, len, &err) == -1);
	CHECK_ERROR(FY_E_CORRUPT);
	release(&in);
	release(&out);
}

static void
test_hostile(enum fy_codec codec)
{
	const size_t len = 65536;
	fy_autofree unsigned char *raw = malloc(len), *out = malloc(2 * len);
	struct fy_compressor *c = fy_compressor_new(codec, 1, 0, &err);
	struct fy_decompressor *d = fy_decompressor_new(&err);
	size_t n, i;

	fill(TEXT, raw, len);
	CHECK(fy_compress(c, raw, len, out, &n, &err) == 1);
	refuse(d, codec, out, n, len - 1);
	refuse(d, codec, out, n, len + 1);
	refuse(d, codec, out, n, 0);
	for (i = 0; i < n; i += i < 64 ? 1 : 97)
		refuse(d, codec, out, i, len);
	out[n] = 0;
	refuse(d, codec, out, n + 1, len);
	memcpy(out + n, out, n);
	refuse(d, codec, out, 2 * n, len);
	refuse(d, codec, out, 2 * n, 2 * len);
	/* Any other bytes: an error or other content, never a crash. */
	for (i = 0; i < 3000; i++) {
		struct guarded in = guarded(n), to = guarded(len);
		size_t at = test_random(&seed) % n;

		memcpy(in.p, out, n);
		in.p[at] ^= (unsigned char)(1u << i % 8);
		if (i % 3 == 0)
			test_fill_random(&seed, in.p + at, n - at);
		fy_decompress(d, codec, in.p, n, to.p, len, &err);
		fy_error_clear(&err);
		release(&in);
		release(&to);
	}
	/* Usable after all that. */
	CHECK_OK(fy_decompress(d, codec, out, n, raw, len, &err));
	fy_compressor_free(c);
	fy_decompressor_free(d);
}

/* Two equal blocks of random bytes, 20000 apart. */
static void
test_far_distance(const struct fy_codec_driver *driver)
{
	fy_autofree unsigned char *raw = malloc(65536), *out = malloc(65536);
	void *d = driver->decompressor_new(&err);
	z_stream z = { 0 };

	test_fill_random(&seed, raw, 65536);
	memcpy(raw + 20000, raw, 20000);
	CHECK(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) ==
	      Z_OK);
	z.next_in = raw;
	z.avail_in = 65536;
	z.next_out = out;
	z.avail_out = 65536;
	CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	CHECK(driver->decompress(d, 12, out, z.total_out, raw, 65536, &err) ==
	      -1);
	CHECK_ERROR(FY_E_CORRUPT);
	CHECK_OK(driver->decompress(d, 0, out, z.total_out, raw, 65536, &err));
	driver->decompressor_free(d);
	deflateEnd(&z);
}

static void
test_zstd_frames(void)
{
	static const unsigned char skippable[12] = { 0x50, 0x2a, 0x4d, 0x18,
						     4,	   0,	 0,    0 };
	static const unsigned char window[] = { 0x28, 0xb5, 0x2f, 0xfd, 0,
						/* 2^24, last raw block of 0 */
						14 << 3, 1, 0, 0 };
	struct fy_decompressor *d = fy_decompressor_new(&err);
	unsigned char both[12 + 64], out[64] = { 0 };
	size_t n;

	refuse(d, FY_CODEC_ZSTD, skippable, sizeof(skippable), 0);
	refuse(d, FY_CODEC_ZSTD, window, sizeof(window), 0);
	n = ZSTD_compress(both + 12, 64, out, 64, 1);
	CHECK(!ZSTD_isError(n));
	CHECK_OK(fy_decompress(d, FY_CODEC_ZSTD, both + 12, n, out, 64, &err));
	memcpy(both, skippable, 12);
	refuse(d, FY_CODEC_ZSTD, both, 12 + n, 64);
	refuse(d, FY_CODEC_NONE, both, 63, 64);
	fy_decompressor_free(d);
}

static void
test_names(void)
{
	enum fy_codec codec;
	unsigned i;

	for (i = 0; i <= FY_CODEC_DEFLATE; i++) {
		CHECK_OK(fy_codec_from_name(fy_codec_name(i), &codec, &err));
		CHECK(codec == i);
	}
	CHECK(fy_codec_from_name("lzo", &codec, &err) == -1);
	CHECK_ERROR(FY_E_UNSUPPORTED);
	CHECK(fy_compressor_new(FY_CODEC_ZSTD, 1000, 0, &err) == NULL);
	CHECK_ERROR(FY_E_USAGE);
	CHECK(fy_compressor_new(FY_CODEC_ZSTD, 1, 99, &err) == NULL);
	CHECK_ERROR(FY_E_USAGE);
	CHECK(fy_compressor_new(FY_CODEC_DEFLATE, 9, 0, &err) == NULL);
	CHECK_ERROR(FY_E_USAGE);
	CHECK(fy_compressor_new(FY_CODEC_DEFLATE, 1, 8, &err) == NULL);
	CHECK_ERROR(FY_E_USAGE);
	CHECK(fy_compressor_new((enum fy_codec)3, 1, 0, &err) == NULL);
	CHECK_ERROR(FY_E_UNSUPPORTED);
}

int
main(void)
{
	test_names();
	test_round_trips();
	test_deflate_drivers();
	test_hostile(FY_CODEC_ZSTD);
	test_hostile(FY_CODEC_DEFLATE);
	test_far_distance(&fy_codec_driver_isal);
	test_far_distance(&fy_codec_driver_zlib);
	test_zstd_frames();
	return 0;
}
