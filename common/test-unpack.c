/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packed streams: every kind in pieces of every size, several members, cut,
 * damaged and followed by something else; windows that are too large; pieces as
 * split(1) names them; and what fy_pack writes, read again.
 */
#include <bzlib.h>
#include <fcntl.h>
#include <lz4frame.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/file.h"
#include "common/pack.h"
#include "common/pieces.h"
#include "common/testing.h"
#include "common/unpack.h"

#define MOST (4u << 20)

static struct fy_error err;
static uint64_t seed = 7;

/* --- packing by the libraries -------------------------------------------------- */

static size_t
by_gzip(const void *in, size_t len, unsigned char *out)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)in,
		       .avail_in = (uInt)len,
		       .next_out = out,
		       .avail_out = MOST };

	CHECK(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0) == Z_OK);
	CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static size_t
by_zstd(const void *in, size_t len, unsigned char *out)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t n;

	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(c, out, MOST, in, len);
	CHECK(!ZSTD_isError(n));
	ZSTD_freeCCtx(c);
	return n;
}

static size_t
by_xz(const void *in, size_t len, unsigned char *out)
{
	size_t n = 0;

	CHECK(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, in, len, out,
				      &n, MOST) == LZMA_OK);
	return n;
}

static size_t
by_lz4(const void *in, size_t len, unsigned char *out)
{
	LZ4F_preferences_t p = { .frameInfo = { .contentChecksumFlag = 1 } };
	size_t n = LZ4F_compressFrame(out, MOST, in, len, &p);

	CHECK(!LZ4F_isError(n));
	return n;
}

static size_t
by_bzip2(const void *in, size_t len, unsigned char *out)
{
	unsigned n = MOST;

	CHECK(BZ2_bzBuffToBuffCompress((char *)out, &n, (char *)(uintptr_t)in,
				       (unsigned)len, 1, 0, 0) == BZ_OK);
	return n;
}

static size_t
by_nobody(const void *in, size_t len, unsigned char *out)
{
	memcpy(out, in, len);
	return len;
}

static const struct kind {
	const char *name;
	size_t (*pack)(const void *in, size_t len, unsigned char *out);
} kinds[] = {
	{ "none", by_nobody }, { "gzip", by_gzip }, { "zstd", by_zstd },
	{ "xz", by_xz },       { "lz4", by_lz4 },   { "bzip2", by_bzip2 },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* --- unpacking from memory ------------------------------------------------------- */

struct memory {
	const unsigned char *p;
	size_t len, at, step; /* bytes a call at most; 0: any */
};

static int
give(void *ctx, void *buf, size_t len, size_t *ret_len, struct fy_error *e)
{
	struct memory *m = ctx;
	size_t n = m->len - m->at;

	(void)e;
	if (n > len)
		n = len;
	if (m->step != 0 && n > m->step)
		n = m->step;
	memcpy(buf, m->p + m->at, n);
	m->at += n;
	*ret_len = n;
	return 0;
}

/* All of it, by reads of 'read' bytes; -1 with 'err'. */
static int
unpack(const void *p, size_t len, size_t step, size_t read, unsigned char *out,
       size_t *ret_len)
{
	struct memory m = { .p = p, .len = len, .step = step };
	FY_AUTO(unpack) struct fy_unpack *u = NULL;
	size_t n;

	*ret_len = 0;
	if (fy_unpack_new(give, &m, "memory", &u, &err) == -1)
		return -1;
	do {
		if (fy_unpack_read(u, out + *ret_len, read, &n, &err) == -1)
			return -1;
		*ret_len += n;
	} while (n == read);
	CHECK(fy_unpack_bytes(u) == *ret_len);
	CHECK(fy_unpack_packed(u) == len);
	return 0;
}

static void
test_kind(const struct kind *k, unsigned char *plain, unsigned char *packed,
	  unsigned char *out)
{
	static const size_t steps[] = { 1, 7, 4096, 0 };
	struct memory m = { .p = packed };
	size_t n, a, b, i, got;
	struct fy_unpack *u;

	test_fill_text(&seed, plain, 200000);
	test_fill_random(&seed, plain + 60000, 50000);
	a = k->pack(plain, 90000, packed);
	b = a + k->pack(plain + 90000, 0, packed + a);
	n = b + k->pack(plain + 90000, 110000, packed + b);
	m.len = n;
	CHECK_OK(fy_unpack_new(give, &m, "memory", &u, &err));
	CHECK(strcmp(fy_unpack_kind(u), k->name) == 0);
	fy_unpack_close(u);
	for (i = 0; i < 4; i++) {
		memset(out, 0, 200000);
		CHECK_OK(unpack(packed, n, steps[i], 1 + 997 * i, out, &got));
		CHECK(got == 200000 && memcmp(plain, out, got) == 0);
	}
	CHECK_OK(unpack(packed, n, 0, MOST, out, &got));
	CHECK(got == 200000 && memcmp(plain, out, got) == 0);
	if (k->pack == by_nobody)
		return;
	/* Cut anywhere but between members. */
	for (i = 1; i < n; i += 1 + i / 9) {
		if (i == a || i == b)
			continue;
		if (unpack(packed, i, 0, MOST, out, &got) == 0) {
			/* Too short to be told from something plain. */
			CHECK(i < 10);
			continue;
		}
		CHECK(strstr(err.msg, "packed byte") != NULL);
		CHECK_ERROR(FY_E_CORRUPT);
	}
	/* Followed by something. */
	memcpy(packed + n, "tail", 5);
	CHECK(unpack(packed, n + 4, 0, MOST, out, &got) == -1);
	CHECK_ERROR(FY_E_CORRUPT);
	/* Damaged behind what tells the kind: never other data without an
	 * error. */
	for (i = 10; i < n; i += 1 + n / 300) {
		packed[i] ^= 0x10;
		if (unpack(packed, n, 0, MOST, out, &got) == 0)
			CHECK(got == 200000 && memcmp(plain, out, got) == 0);
		else
			CHECK(err.msg[0] != '\0');
		fy_error_clear(&err);
		packed[i] ^= 0x10;
	}
}

static void
test_refusals(unsigned char *out)
{
	static const unsigned char wide[] = { 0x28,	0xb5, 0x2f, 0xfd, 0,
					      18u << 3, 1,    0,    0 };
	unsigned char skip[200] = { 0x50, 0x2a, 0x4d, 0x18, 4 };
	size_t got, n;

	CHECK(unpack(wide, sizeof(wide), 0, 100, out, &got) == -1);
	CHECK(strstr(err.msg, "window") != NULL);
	CHECK_ERROR(FY_E_UNSUPPORTED);
	CHECK(unpack("\x89LZO\0\r\n\x1a\n", 9, 0, 100, out, &got) == -1);
	CHECK(strstr(err.msg, "lzop") != NULL);
	CHECK_ERROR(FY_E_UNSUPPORTED);
	CHECK(unpack("LRZI", 4, 0, 100, out, &got) == -1);
	CHECK_ERROR(FY_E_UNSUPPORTED);
	/* pzstd's way: a skippable frame first; also with lz4 behind it. */
	n = 12 + by_zstd("hello", 5, skip + 12);
	CHECK_OK(unpack(skip, n, 0, 100, out, &got));
	CHECK(got == 5 && memcmp(out, "hello", 5) == 0);
	n = 12 + by_lz4("hello", 5, skip + 12);
	CHECK_OK(unpack(skip, n, 3, 100, out, &got));
	CHECK(got == 5 && memcmp(out, "hello", 5) == 0);
	/* Nothing is plain nothing. */
	CHECK_OK(unpack("", 0, 0, 100, out, &got));
	CHECK(got == 0);
}

/* --- pieces ------------------------------------------------------------------------- */

static void
put(const char *dir, const char *name, const char *text)
{
	char *path = fy_format(&err, "%s/%s", dir, name);

	CHECK_OK(fy_file_replace_at(AT_FDCWD, path, text, strlen(text), 0600,
				    &err));
	free(path);
}

static int
open_in(const char *dir, const char *name, struct fy_unpack **ret)
{
	fy_autofree char *path = fy_format(&err, "%s/%s", dir, name);

	return fy_unpack_open(path, ret, &err);
}

static void
expect_text(const char *dir, const char *name, const char *want)
{
	FY_AUTO(unpack) struct fy_unpack *u = NULL;
	char text[100] = "";
	size_t n;

	CHECK_OK(open_in(dir, name, &u));
	CHECK(fy_unpack_packed_total(u) == strlen(want));
	CHECK_OK(fy_unpack_read(u, text, sizeof(text), &n, &err));
	CHECK(n == strlen(want) && memcmp(text, want, n) == 0);
}

static void
test_pieces(void)
{
	fy_autofree char *dir = NULL;
	struct fy_pieces_out *out = NULL;
	struct fy_unpack *u = NULL;
	const char *digits = "0123456789ABC";
	char text[40];
	int i, fd;

	CHECK_OK(fy_dir_temporary("test-unpack", &dir, &err));
	put(dir, "a.img.aa", "one ");
	put(dir, "a.img.ab", "two ");
	put(dir, "a.img.ac", "three");
	put(dir, "b.aaa", "long");
	expect_text(dir, "a.img", "one two three");
	expect_text(dir, "a.img.aa", "one two three");
	expect_text(dir, "a.img.ab", "two ");
	expect_text(dir, "b", "long");
	put(dir, "a.img.ae", "five");
	CHECK(open_in(dir, "a.img", &u) == -1);
	CHECK(strstr(err.msg, "a.img.ad") != NULL);
	CHECK_ERROR(FY_E_NOTFOUND);
	CHECK(open_in(dir, "c", &u) == -1);
	CHECK_ERROR(FY_E_NOTFOUND);
	CHECK(open_in(dir, ".", &u) == -1);
	CHECK_ERROR(FY_E_USAGE);

	fd = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK_OK(fy_pieces_create(fd, "w", 10, &out, &err));
	for (i = 0; i < 29; i++)
		CHECK_OK(fy_pieces_write(out, digits + i % 3, 10, &err));
	CHECK_OK(fy_pieces_finish(out, &err));
	fy_pieces_out_free(out);
	CHECK(faccessat(fd, "w.bc", F_OK, 0) == 0);
	CHECK(faccessat(fd, "w.bd", F_OK, 0) == -1);
	CHECK_OK(open_in(dir, "w", &u));
	for (i = 0; i < 29; i++) {
		CHECK_OK(fy_unpack_read_full(u, text, 10, "it", &err));
		CHECK(memcmp(text, digits + i % 3, 10) == 0);
	}
	CHECK(fy_unpack_read_full(u, text, 1, "the rest", &err) == -1);
	CHECK(strstr(err.msg, "the rest") != NULL);
	CHECK_ERROR(FY_E_CORRUPT);
	fy_unpack_close(u);
	CHECK_OK(fy_pieces_create(fd, "w", 10, &out, &err));
	CHECK(fy_pieces_write(out, "x", 1, &err) == -1);
	CHECK_ERROR(FY_E_EXISTS);
	fy_pieces_out_free(out);
	close(fd);
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err));
}

/* --- fy_pack ------------------------------------------------------------------------- */

struct growing {
	unsigned char *p;
	size_t len, room;
};

static int
take(void *ctx, const void *buf, size_t len, struct fy_error *e)
{
	struct growing *g = ctx;

	if (len > g->room - g->len)
		return fy_error_set(e, FY_E_NOSPACE, 0, "full");
	memcpy(g->p + g->len, buf, len);
	g->len += len;
	return 0;
}

static int
pack(const char *how, unsigned threads, const unsigned char *plain, size_t len,
     struct growing *to)
{
	FY_AUTO(pack) struct fy_pack *p = NULL;
	struct fy_pack_options o = { .threads = threads };
	size_t at, n;

	CHECK_OK(fy_pack_parse(how, &o, &err));
	CHECK_OK(fy_pack_new(&o, take, to, &p, &err));
	to->len = 0;
	for (at = 0; at < len; at += n) {
		n = 1 + at / 3 < len - at ? 1 + at / 3 : len - at;
		if (fy_pack_write(p, plain + at, n, &err) == -1)
			return -1;
	}
	if (fy_pack_finish(p, &err) == -1)
		return -1;
	CHECK(fy_pack_stored(p) == to->len);
	return 0;
}

static void
test_pack(void)
{
	static const char *const hows[] = { "none", "gzip",   "gzip:3",
					    "zstd", "zstd:1", "zstd:19" };
	static const size_t lens[] = { 0,	1,	  70000,  1u << 20,
				       1000001, 4u << 20, 9000003 };
	struct growing a = { .room = 12u << 20 }, b = { .room = 12u << 20 };
	unsigned char *plain = malloc(9u << 20), *out = malloc(10u << 20);
	size_t i, k, got;

	a.p = malloc(a.room);
	b.p = malloc(b.room);
	CHECK(plain != NULL && out != NULL && a.p != NULL && b.p != NULL);
	test_fill_text(&seed, plain, 9u << 20);
	test_fill_random(&seed, plain + 500000, 3000000);
	for (i = 0; i < 6; i++) {
		for (k = 0; k < (i == 5 ? 4u : 7u); k++) {
			CHECK_OK(pack(hows[i], 1, plain, lens[k], &a));
			CHECK_OK(pack(hows[i], 3, plain, lens[k], &b));
			CHECK(a.len == b.len && memcmp(a.p, b.p, a.len) == 0);
			CHECK_OK(unpack(a.p, a.len, 0, 10u << 20, out, &got));
			CHECK(got == lens[k] && memcmp(out, plain, got) == 0);
		}
		/* An output that fails is told, at any place. */
		for (k = 0; k < 3; k++) {
			a.room = k * 1000000;
			CHECK(pack(hows[i], 2, plain, 9000003, &a) == -1);
			CHECK_ERROR(FY_E_NOSPACE);
		}
		a.room = 12u << 20;
	}
	free(plain);
	free(out);
	free(a.p);
	free(b.p);
}

static void
test_parse(void)
{
	static const char *const wrong[] = { "",       "lzo",	  "zstd:",
					     "zstd:0", "zstd:23", "gzip:4",
					     "none:1", "zstd:-1", "zstd:3x" };
	struct fy_pack_options o = { 0 };
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CHECK(fy_pack_parse(wrong[i], &o, &err) == -1);
		CHECK_ERROR(FY_E_USAGE);
	}
	CHECK_OK(fy_pack_parse("zstd:7", &o, &err));
	CHECK(o.kind == FY_PACK_ZSTD && o.level == 7);
}

int
main(void)
{
	unsigned char *plain = malloc(MOST), *packed = malloc(MOST);
	unsigned char *out = malloc(MOST * 2);
	size_t i;

	CHECK(plain != NULL && packed != NULL && out != NULL);
	for (i = 0; i < N_KINDS; i++)
		test_kind(&kinds[i], plain, packed, out);
	test_refusals(out);
	test_pieces();
	test_pack();
	test_parse();
	free(plain);
	free(packed);
	free(out);
	return 0;
}
