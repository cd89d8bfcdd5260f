/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * partclone's images, made here by a writer of the test's own (with zlib's CRC
 * and one-shot hashes): both formats, both byte orders, every kind of checksum,
 * strips of every length, bitmaps of bits, bytes and none; cut at every byte,
 * damaged everywhere, followed by more; headers that lie.  And what
 * fy_ptcl_write makes, read again.
 */
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

#include "common/testing.h"
#include "partclone/ptcl.h"

#define BLOCK 64u
#define MOST  (1u << 20)

static struct fy_error err;
static uint64_t seed = 11;

/* --- a writer ------------------------------------------------------------------------ */

struct shape {
	unsigned version, cpu_bits;
	bool big;
	enum fy_ptcl_sum_kind sum;
	uint32_t strip;
	bool reseed;
	unsigned bitmap;
	unsigned v1_extra;
	uint64_t blocks, beyond; /* bytes of the device behind the blocks */
	unsigned percent;	 /* used */
};

struct image {
	struct shape s;
	unsigned char *p, *volume;
	size_t len, data_at, bitmap_at;
	bool *used;
	uint64_t n_used;
};

static void
put(struct image *i, const void *p, size_t len)
{
	CHECK(i->len + len <= MOST);
	memcpy(i->p + i->len, p, len);
	i->len += len;
}

static void
number(const struct image *i, unsigned char *p, uint64_t v, size_t size)
{
	size_t k;

	for (k = 0; k < size; k++)
		p[i->s.big ? size - 1 - k : k] = (unsigned char)(v >> (8 * k));
}

static void
put_number(struct image *i, uint64_t v, size_t size)
{
	unsigned char p[8];

	number(i, p, v, size);
	put(i, p, size);
}

static uint32_t
jam(uint32_t crc, const void *p, size_t len)
{
	return ~(uint32_t)crc32(~crc & 0xffffffffu, p, (uInt)len);
}

static void
seal(struct image *i)
{
	number(i, i->p + 106, jam(0xffffffffu, i->p, 106), 4);
}

static void
put_header(struct image *i)
{
	static const unsigned sizes[] = { 0, 4, 8, 16 };
	const struct shape *s = &i->s;
	unsigned char *p = i->p;

	memset(p, 0, 4160);
	memcpy(p, "partclone-image", 15);
	if (s->version == 1) {
		memcpy(p + 15, "EXTFS", 5);
		memcpy(p + 30, "0001", 4);
		number(i, p + 36, BLOCK, 4);
		number(i, p + 40, s->blocks * BLOCK + s->beyond, 8);
		number(i, p + 48, s->blocks, 8);
		number(i, p + 56, 1, 8); /* wrong, as it may be */
		i->len = 4160;
		return;
	}
	memcpy(p + 16, "0.3.99-abcdefg", 14);
	memcpy(p + 30, "0002", 4);
	number(i, p + 34, 0xc0de, 2);
	memcpy(p + 36, "HFS Plus", 8);
	number(i, p + 52, s->blocks * BLOCK + s->beyond, 8);
	number(i, p + 60, s->blocks, 8);
	number(i, p + 68, 3, 8);
	number(i, p + 76, i->n_used, 8);
	number(i, p + 84, BLOCK, 4);
	number(i, p + 88, 18, 4);
	number(i, p + 92, 2, 2);
	number(i, p + 94, s->cpu_bits, 2);
	number(i, p + 96, s->sum, 2);
	number(i, p + 98,
	       s->sum == 0x31	? sizes[3]
	       : s->sum == 0x30 ? sizes[2]
	       : s->sum == 0x20 ? sizes[1]
				: 0,
	       2);
	number(i, p + 100, s->strip, 4);
	p[104] = s->reseed;
	p[105] = (unsigned char)s->bitmap;
	seal(i);
	i->len = 110;
}

/* The bits as they lie in the writer's memory: words of it. */
static void
put_bitmap(struct image *i)
{
	size_t word = i->s.cpu_bits / 8, n = (size_t)((i->s.blocks + 7) / 8);
	fy_autofree unsigned char *m = calloc(1, n + 16);
	unsigned char byte;
	uint64_t b, bit;

	CHECK(m != NULL);
	i->bitmap_at = i->len;
	for (b = 0; b < i->s.blocks && word != 0; b++) {
		bit = b % (word * 8);
		if (!i->used[b])
			continue;
		m[b / (word * 8) * word +
		  (i->s.big ? word - 1 - bit / 8 : bit / 8)] |=
			(unsigned char)(1u << (bit % 8));
	}
	if (i->s.bitmap == 1)
		put(i, m, n);
	for (b = 0; b < i->s.blocks && i->s.bitmap == 8; b++) {
		byte = i->used[b]			   ? 1
		       : (i->s.version == 1 && b % 5 == 0) ? 7
							   : 0;
		put(i, &byte, 1);
	}
	if (i->s.version == 1)
		put(i, "BiTmAgIc", 8);
	else if (i->s.bitmap != 0)
		put_number(i, jam(0xffffffffu, m, n), 4);
}

static void
put_sum(struct image *i, const unsigned char *p, size_t len, uint32_t crc)
{
	XXH128_hash_t h;

	switch (i->s.sum) {
	case FY_PTCL_SUM_NONE:
		break;
	case FY_PTCL_SUM_CRC32:
		put_number(i, crc, 4);
		break;
	case FY_PTCL_SUM_XXH64:
		put_number(i, XXH64(p, len, 0), 8);
		break;
	case FY_PTCL_SUM_XXH128:
		h = XXH3_128bits(p, len);
		put_number(i, h.low64, 8);
		put_number(i, h.high64, 8);
		break;
	}
}

static void
put_data(struct image *i)
{
	fy_autofree unsigned char *all = malloc(i->n_used * BLOCK + 1);
	size_t from = 0, at = 0, k;
	uint32_t crc = 0xffffffffu;
	uint64_t b, rank = 0;

	CHECK(all != NULL);
	i->data_at = i->len;
	for (b = 0; b < i->s.blocks; b++) {
		const unsigned char *p = i->volume + b * BLOCK;

		if (!i->used[b])
			continue;
		put(i, p, BLOCK);
		memcpy(all + at, p, BLOCK);
		at += BLOCK;
		rank++;
		if (i->s.version == 1) {
			for (k = 0; k < BLOCK; k++)
				crc = jam(crc, p, 1);
			put_number(i, crc, 4);
			put(i, "junk", i->s.v1_extra);
			continue;
		}
		crc = jam(crc, p, BLOCK);
		if (i->s.strip == 0 ||
		    (rank % i->s.strip != 0 && rank != i->n_used))
			continue;
		put_sum(i, all + from, at - from, crc);
		if (i->s.reseed) {
			from = at;
			crc = 0xffffffffu;
		}
	}
}

static void
make(struct image *i, const struct shape *s)
{
	uint64_t b;

	i->s = *s;
	i->len = 0;
	i->n_used = 0;
	for (b = 0; b < s->blocks; b++) {
		i->used[b] =
			s->bitmap == 0 || test_random(&seed) % 100 < s->percent;
		i->n_used += i->used[b];
	}
	test_fill_random(&seed, i->volume, (size_t)s->blocks * BLOCK);
	put_header(i);
	put_bitmap(i);
	put_data(i);
}

/* --- reading ------------------------------------------------------------------------- */

struct memory {
	const unsigned char *p;
	size_t len, at;
};

static int
give(void *ctx, void *buf, size_t len, size_t *ret_len, struct fy_error *e)
{
	struct memory *m = ctx;

	(void)e;
	*ret_len = len < m->len - m->at ? len : m->len - m->at;
	memcpy(buf, m->p + m->at, *ret_len);
	m->at += *ret_len;
	return 0;
}

static int
count_damage(void *ctx, uint64_t from, uint64_t to, struct fy_error *e)
{
	(void)e;
	CHECK(from < to);
	++*(unsigned *)ctx;
	return 0;
}

/* Read 'len' bytes of the image; blocks are compared with the volume's when
 * 'same'.  '*damage' (or NULL) counts damaged strips. */
static int
read_image(const struct image *i, size_t len, bool same, unsigned *damage)
{
	struct memory m = { .p = i->p, .len = len };
	FY_AUTO(unpack) struct fy_unpack *u = NULL;
	FY_AUTO(ptcl_reader) struct fy_ptcl_reader *r = NULL;
	fy_autofree bool *seen = calloc((size_t)i->s.blocks + 1, 1);
	const unsigned char *data;
	uint64_t offset, b, n_seen = 0;
	size_t n, k;
	int status;

	CHECK(seen != NULL);
	CHECK_OK(fy_unpack_new(give, &m, "memory", &u, &err));
	if (fy_ptcl_open(u, NULL, &r, &err) == -1)
		return -1;
	if (damage != NULL)
		fy_ptcl_tolerate(r, count_damage, damage);
	while ((status = fy_ptcl_next(r, &offset, &data, &n, &err)) == 1) {
		CHECK(offset % BLOCK == 0 && n % BLOCK == 0 && n > 0);
		for (k = 0; k < n / BLOCK; k++) {
			b = offset / BLOCK + k;
			CHECK(b < i->s.blocks && !seen[b]);
			seen[b] = true;
			n_seen++;
			if (!same)
				continue;
			CHECK(i->used[b]);
			CHECK(memcmp(data + k * BLOCK, i->volume + b * BLOCK,
				     BLOCK) == 0);
		}
	}
	if (status == 0 && same)
		CHECK(n_seen == i->n_used);
	return status;
}

static void
check_shape(struct image *i, const struct shape *s)
{
	unsigned damage;
	size_t at;

	make(i, s);
	CHECK_OK(read_image(i, i->len, true, NULL));
	/* Cut anywhere. */
	for (at = 0; at<i->len; at += at> 112 && at + 70 < i->len ? 61 : 1) {
		/* One block of format 1 before 4 bytes more, or not. */
		if (s->version == 1 && s->v1_extra == 4 && i->n_used <= 1)
			break;
		CHECK(read_image(i, at, true, NULL) == -1);
		CHECK(err.code == FY_E_CORRUPT || at < 15);
		fy_error_clear(&err);
	}
	/* Followed by a byte, by a page. */
	memset(i->p + i->len, 0, 4096);
	CHECK(read_image(i, i->len + 1, false, NULL) == -1);
	CHECK_ERROR(FY_E_CORRUPT);
	CHECK(read_image(i, i->len + 4096, false, NULL) == -1);
	CHECK_ERROR(FY_E_CORRUPT);
	/* Each byte of header, bitmap and data counts. */
	for (at = 0; at<i->len; at += at> 130 && at + 70 < i->len ? 37 : 1) {
		if (s->version == 1 &&
		    (at < 4160 + s->blocks ||
		     (at - i->data_at) % (BLOCK + 4 + s->v1_extra) != 0))
			continue;
		if (s->sum == FY_PTCL_SUM_NONE && at >= i->data_at)
			break;
		i->p[at] ^= 4;
		CHECK(read_image(i, i->len, false, NULL) == -1);
		fy_error_clear(&err);
		damage = 0;
		CHECK(read_image(i, i->len, false, &damage) == -1 ||
		      damage > 0);
		fy_error_clear(&err);
		i->p[at] ^= 4;
	}
}

static void
test_shapes(struct image *i)
{
	static const enum fy_ptcl_sum_kind sums[] = { 0, 0x20, 0x30, 0x31 };
	static const uint32_t strips[] = { 1, 2, 17, 63, 100000 };
	static const uint64_t blocks[] = { 0, 1, 7, 8, 64, 100, 300 };
	struct shape s = { .version = 2 };
	unsigned n, k = 0;

	for (n = 0; n < 210; n++) {
		s.sum = sums[n % 4];
		s.strip = s.sum == 0 ? n % 3 : strips[n % 5];
		s.reseed = n % 7 != 0;
		s.cpu_bits = n % 11 == 0 ? 32 : 64;
		s.bitmap = n % 13 == 0 ? 0 : n % 6 == 0 ? 8 : 1;
		s.blocks = blocks[n % 7];
		s.percent = n % 17 == 0 ? 100 : n % 9 == 0 ? 0 : 60;
		s.beyond = n % 2 * 512;
		/* In bits, whole words only; test_big_tail has the others. */
		s.big = n % 3 == 1 && (s.bitmap != 1 || s.blocks % 64 == 0);
		k += s.big;
		check_shape(i, &s);
	}
	CHECK(k > 10);
}

static void
test_v1(struct image *i)
{
	static const uint64_t blocks[] = { 1, 2, 3, 8, 60 };
	struct shape s = { .version = 1,
			   .sum = FY_PTCL_SUM_CRC32,
			   .bitmap = 8 };
	unsigned n;

	for (n = 0; n < 20; n++) {
		s.blocks = blocks[n % 5];
		s.v1_extra = n / 5 % 2 * 4;
		s.big = n >= 10;
		s.percent = s.blocks < 4 ? 100 : 70;
		check_shape(i, &s);
	}
}

/* A big-endian bitmap whose last word is cut. */
static void
test_big_tail(struct image *i)
{
	struct shape s = { .version = 2,
			   .cpu_bits = 64,
			   .big = true,
			   .sum = 0x20,
			   .strip = 3,
			   .reseed = true,
			   .bitmap = 1,
			   .blocks = 64 + 9 };

	s.percent = 100;
	make(i, &s);
	CHECK_OK(read_image(i, i->len, true, NULL));
	s.percent = 0;
	make(i, &s);
	CHECK_OK(read_image(i, i->len, true, NULL));
	do {
		s.percent = 50;
		make(i, &s);
	} while (!i->used[70] || i->used[71]);
	CHECK(read_image(i, i->len, true, NULL) == -1);
	CHECK_ERROR(FY_E_UNSUPPORTED);
	/* 63 of 64: the last bytes are there, one is lost. */
	s.blocks = 64 + 63;
	s.percent = 100;
	make(i, &s);
	CHECK_OK(read_image(i, i->len, true, NULL));
	s.blocks = 64 + 50;
	for (unsigned n = 0; n < 50; n++) {
		s.percent = 97;
		make(i, &s);
		if (read_image(i, i->len, true, NULL) == -1)
			CHECK_ERROR(FY_E_UNSUPPORTED);
	}
}

/* --- headers that lie ------------------------------------------------------------------ */

static void
expect_refusal(struct image *i, size_t at, uint64_t v, size_t size,
	       enum fy_error_code code)
{
	unsigned char keep[110];

	memcpy(keep, i->p, sizeof(keep));
	number(i, i->p + at, v, size);
	seal(i);
	CHECK(read_image(i, i->len, false, NULL) == -1);
	if (err.code != code)
		fprintf(stderr, "at %zu, %llu: %s\n", at, (unsigned long long)v,
			err.msg);
	CHECK_ERROR(code);
	memcpy(i->p, keep, sizeof(keep));
}

static void
test_headers(struct image *i)
{
	const struct shape s = { .version = 2,
				 .cpu_bits = 64,
				 .sum = 0x20,
				 .strip = 3,
				 .reseed = true,
				 .bitmap = 1,
				 .blocks = 100,
				 .percent = 50 };

	make(i, &s);
	expect_refusal(i, 0, 'q', 1, FY_E_FORMAT);
	expect_refusal(i, 33, '3', 1, FY_E_UNSUPPORTED);
	expect_refusal(i, 34, 0xc0df, 2, FY_E_FORMAT);
	expect_refusal(i, 52, 99 * BLOCK, 8, FY_E_FORMAT);
	expect_refusal(i, 60, UINT64_MAX, 8, FY_E_FORMAT);
	expect_refusal(i, 60, UINT64_MAX / BLOCK + 1, 8, FY_E_FORMAT);
	expect_refusal(i, 76, 101, 8, FY_E_FORMAT);
	expect_refusal(i, 84, 0, 4, FY_E_FORMAT);
	expect_refusal(i, 84, FY_PTCL_BLOCK_MAX + 1, 4, FY_E_FORMAT);
	expect_refusal(i, 84, 65537, 4, FY_E_FORMAT);
	expect_refusal(i, 84, UINT32_MAX, 4, FY_E_FORMAT);
	expect_refusal(i, 88, 19, 4, FY_E_UNSUPPORTED);
	expect_refusal(i, 92, 3, 2, FY_E_UNSUPPORTED);
	expect_refusal(i, 94, 16, 2, FY_E_UNSUPPORTED);
	expect_refusal(i, 96, 0xff, 2, FY_E_UNSUPPORTED);
	expect_refusal(i, 96, 1, 2, FY_E_UNSUPPORTED);
	expect_refusal(i, 98, 8, 2, FY_E_FORMAT);
	expect_refusal(i, 100, 0, 4, FY_E_FORMAT);
	expect_refusal(i, 105, 2, 1, FY_E_UNSUPPORTED);
	/* More blocks than there are bits. */
	number(i, i->p + 52, UINT64_C(1) << 50, 8);
	number(i, i->p + 60, UINT64_C(1) << 40, 8);
	seal(i);
	CHECK(read_image(i, i->len, false, NULL) == -1);
	CHECK_ERROR(FY_E_CORRUPT);
}

/* --- our writer ------------------------------------------------------------------------ */

static int
take(void *ctx, const void *buf, size_t len, struct fy_error *e)
{
	(void)e;
	put(ctx, buf, len);
	return 0;
}

static int
volume_pread(void *handle, void *buf, size_t len, uint64_t offset,
	     struct fy_error *e)
{
	(void)e;
	memcpy(buf, (unsigned char *)handle + offset, len);
	return 0;
}

static void
write_image(struct image *i, enum fy_ptcl_sum_kind sum, uint32_t strip,
	    bool reseed)
{
	static const struct fy_volume_ops ops = { .pread = volume_pread };
	const struct fy_pack_options plain = { .kind = FY_PACK_NONE };
	struct fy_ptcl_header h = { .creator = "test",
				    .filesystem = "EXTFS",
				    .device_bytes = i->s.blocks * BLOCK,
				    .blocks = i->s.blocks,
				    .block_bytes = BLOCK,
				    .sum = sum,
				    .strip_blocks = strip,
				    .reseed = reseed };
	struct fy_extents *used = fy_extents_new(&err);
	struct fy_extents *whole = fy_extents_new(&err);
	struct fy_pack *pack;
	struct fy_volume *v;
	uint64_t b;

	v = fy_volume_new(&ops, i->volume, "test", h.device_bytes, 512, &err);
	CHECK(v != NULL && used != NULL && whole != NULL);
	/* Less than the blocks: some bytes of each. */
	for (b = 0; b < i->s.blocks; b++)
		if (i->used[b])
			CHECK_OK(fy_extents_append(used, b * BLOCK + b % 7,
						   BLOCK - 30, &err));
	CHECK_OK(fy_ptcl_round(used, BLOCK, whole, &err));
	CHECK(fy_extents_bytes(whole) == i->n_used * BLOCK);
	CHECK_OK(fy_pack_new(&plain, take, i, &pack, &err));
	i->len = 0;
	CHECK_OK(fy_ptcl_write(v, whole, &h, pack, NULL, NULL, &err));
	CHECK_OK(fy_pack_finish(pack, &err));
	fy_pack_free(pack);
	fy_volume_close(v);
	fy_extents_free(used);
	fy_extents_free(whole);
}

/* Byte for byte what the test's writer makes of the same, the names apart. */
static void
test_write(struct image *i)
{
	static const enum fy_ptcl_sum_kind sums[] = { 0, 0x20, 0x30, 0x31 };
	struct shape s = { .version = 2, .cpu_bits = 64, .bitmap = 1 };
	fy_autofree unsigned char *ours = malloc(MOST);
	unsigned n;
	size_t len;

	CHECK(ours != NULL);
	for (n = 0; n < 80; n++) {
		s.sum = sums[n % 4];
		s.strip = s.sum == 0 ? 0 : 1 + n % 19;
		s.reseed = n % 3 != 0;
		s.blocks = n * 13;
		s.percent = n % 10 == 0 ? 100 : 10 * (n % 10);
		make(i, &s);
		write_image(i, s.sum, s.strip, s.reseed);
		CHECK_OK(read_image(i, i->len, true, NULL));
		len = i->len;
		memcpy(ours, i->p, len);
		put_header(i);
		put_bitmap(i);
		put_data(i);
		memcpy(i->p + 16, ours + 16, 14);
		memcpy(i->p + 36, ours + 36, 16);
		memcpy(i->p + 68, ours + 68, 8);
		seal(i);
		CHECK(i->len == len && memcmp(i->p, ours, len) == 0);
	}
}

int
main(void)
{
	struct image i = { .p = malloc(MOST + 4096),
			   .volume = malloc(MOST),
			   .used = malloc(MOST) };

	CHECK(i.p != NULL && i.volume != NULL && i.used != NULL);
	test_shapes(&i);
	test_v1(&i);
	test_big_tail(&i);
	test_headers(&i);
	test_write(&i);
	free(i.p);
	free(i.volume);
	free(i.used);
	return 0;
}
