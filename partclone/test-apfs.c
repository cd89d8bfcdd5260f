/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * APFS made here, byte by byte: three checkpoints, chunks behind one level of
 * addresses and two, with bitmaps and without; old and torn superblocks, all
 * sizes of blocks, damage, and numbers that lie.
 */
#include "partclone/filesystem.h"
#include "partclone/test-driver.h"

#define AREA	1u /* eight blocks; the newest checkpoint is in 5 and 6 */
#define MAP	5u
#define SUPER	6u
#define DATA	9u /* eight blocks */
#define SPACE	11u
#define RING	17u /* of the pool's bitmap: 16 blocks */
#define POOL	33u
#define CABS	POOL
#define CIBS	(POOL + 4)
#define XID	9u
#define SPACEID 1030u
#define ADDRESS 512u /* of the addresses in the space manager */

/* What is made. */
struct shape {
	uint32_t block, per_cib, per_cab, space_blocks, pool_blocks;
	uint64_t blocks;
	bool cabs;
	uint64_t chunks, cibs; /* computed */
};

static const struct shape small = {
	.block = 4096,
	.per_cib = 3,
	.per_cab = 3,
	.space_blocks = 1,
	.pool_blocks = 40,
	.blocks = 9 * 32768 + 1000,
};

static void
put_le64(const struct image *m, uint64_t at, uint64_t v)
{
	put_le32(m, at, (uint32_t)v);
	put_le32(m, at + 4, (uint32_t)(v >> 32));
}

static uint64_t
get_le(const struct image *m, uint64_t at, size_t bytes)
{
	unsigned char b[8] = { 0 };

	CHECK(pread(m->fd, b, bytes, (off_t)at) == (ssize_t)bytes);
	return fy_get_le64(b);
}

/* The checksum, a word at a time. */
static void
sum(const struct image *m, uint64_t at, size_t len)
{
	unsigned char *b = malloc(len);
	uint64_t x = 0, y = 0, first;
	size_t i;

	CHECK(b != NULL && pread(m->fd, b, len, (off_t)at) == (ssize_t)len);
	for (i = 8; i < len; i += 4) {
		x = (x + fy_get_le32(b + i)) % 0xffffffff;
		y = (y + x) % 0xffffffff;
	}
	free(b);
	first = 0xffffffff - (x + y) % 0xffffffff;
	put_le32(m, at, (uint32_t)first);
	put_le32(m, at + 4, (uint32_t)(0xffffffff - (x + first) % 0xffffffff));
}

static void
put_head(const struct image *m, uint64_t at, uint64_t oid, uint64_t xid,
	 uint32_t type)
{
	put_le64(m, at + 8, oid);
	put_le64(m, at + 16, xid);
	put_le32(m, at + 24, type);
}

/* A superblock of the transaction, whose map is at 'first' of the area. */
static void
put_super(const struct image *m, const struct shape *s, uint64_t block,
	  uint64_t xid, uint32_t first)
{
	uint64_t at = block * s->block;

	put_head(m, at, 1, xid, 0x80000001);
	put_text(m, at + 32, "NXSB");
	put_le32(m, at + 36, s->block);
	put_le64(m, at + 40, s->blocks);
	put_le64(m, at + 48, 1);
	put_le64(m, at + 64, 2);
	put(m, at + 72, "0123456789abcdef", 16);
	put_le32(m, at + 104, 8);
	put_le32(m, at + 108, 8);
	put_le64(m, at + 112, AREA);
	put_le64(m, at + 120, DATA);
	put_le32(m, at + 136, first);
	put_le32(m, at + 140, 2);
	put_le64(m, at + 152, SPACEID);
	sum(m, at, s->block);
}

static void
put_map(const struct image *m, const struct shape *s, uint64_t block,
	uint64_t xid, uint64_t space)
{
	uint64_t at = block * s->block, e = at + 40;

	put_head(m, at, block, xid, 0x4000000c);
	put_le32(m, at + 32, 1);
	put_le32(m, at + 36, 2);
	put_le32(m, e, 0x80000011);
	put_le32(m, e + 8, s->block);
	put_le64(m, e + 24, SPACEID + 1);
	put_le64(m, e + 32, DATA);
	put_le32(m, e + 40, 0x80000005);
	put_le32(m, e + 48, s->block * s->space_blocks);
	put_le64(m, e + 64, SPACEID);
	put_le64(m, e + 72, space);
	sum(m, at, s->block);
}

/* Where chunk 'i' is described. */
static uint64_t
chunk_at(const struct shape *s, uint64_t i)
{
	return (CIBS + i / s->per_cib) * s->block + 40 + i % s->per_cib * 32;
}

static void
sum_chunk(const struct image *m, const struct shape *s, uint64_t i)
{
	sum(m, (CIBS + i / s->per_cib) * s->block, s->block);
}

static void
sum_space(const struct image *m, const struct shape *s)
{
	sum(m, SPACE * (uint64_t)s->block, (size_t)s->block * s->space_blocks);
}

static void
put_chunks(const struct image *m, const struct shape *s)
{
	uint64_t i, at, per = 8 * (uint64_t)s->block, n;

	for (i = 0; i < s->chunks; i++) {
		at = chunk_at(s, i);
		n = fy_min_u64(per, s->blocks - i * per);
		put_le64(m, at, 3);
		put_le64(m, at + 8, i * per);
		put_le32(m, at + 16, (uint32_t)n);
		put_le32(m, at + 20, (uint32_t)n);
	}
	for (i = 0; i < s->cibs; i++) {
		at = (CIBS + i) * s->block;
		put_head(m, at, CIBS + i, 3, 0x40000007);
		put_le32(m, at + 32, (uint32_t)i);
		put_le32(m, at + 36,
			 (uint32_t)fy_min_u64(s->per_cib,
					      s->chunks - i * s->per_cib));
		sum(m, at, s->block);
	}
}

/* Blocks with the addresses of those with the chunks. */
static void
put_cabs(const struct image *m, const struct shape *s)
{
	uint64_t i, k, at, n;

	for (i = 0; i * s->per_cab < s->cibs; i++) {
		at = (CABS + i) * s->block;
		n = fy_min_u64(s->per_cab, s->cibs - i * s->per_cab);
		put_head(m, at, CABS + i, 3, 0x40000006);
		put_le32(m, at + 32, (uint32_t)i);
		put_le32(m, at + 36, (uint32_t)n);
		for (k = 0; k < n; k++)
			put_le64(m, at + 40 + 8 * k, CIBS + i * s->per_cab + k);
		sum(m, at, s->block);
	}
}

static void
put_space(const struct image *m, const struct shape *s)
{
	uint64_t at = SPACE * (uint64_t)s->block, i, n = s->cibs;
	uint64_t cabs = (s->cibs + s->per_cab - 1) / s->per_cab;

	put_head(m, at, SPACEID, XID, 0x80000005);
	put_le32(m, at + 32, s->block);
	put_le32(m, at + 36, s->block * 8);
	put_le32(m, at + 40, s->per_cib);
	put_le32(m, at + 44, s->per_cab);
	put_le64(m, at + 48, s->blocks);
	put_le64(m, at + 56, s->chunks);
	put_le32(m, at + 64, (uint32_t)s->cibs);
	put_le64(m, at + 72, s->blocks);
	put_le32(m, at + 80, ADDRESS);
	put_le64(m, at + 152, s->pool_blocks);
	put_le32(m, at + 164, 16);
	put_le64(m, at + 168, RING);
	put_le64(m, at + 176, POOL);
	if (s->cabs) {
		put_le32(m, at + 68, (uint32_t)cabs);
		n = cabs;
	}
	for (i = 0; i < n; i++)
		put_le64(m, at + ADDRESS + 8 * i, (s->cabs ? CABS : CIBS) + i);
	sum_space(m, s);
}

/* Blocks [from, to) are used; each chunk's bitmap is the pool's last but
 * 'i' block. */
static void
use(const struct image *m, const struct shape *s, uint64_t from, uint64_t to)
{
	uint64_t per = 8 * (uint64_t)s->block, at, bit, free, i, bitmap;
	uint64_t space = SPACE * (uint64_t)s->block + 72;

	put_le64(m, space, get_le(m, space, 8) - (to - from));
	for (; from < to; from++) {
		i = from / per;
		at = chunk_at(s, i);
		bitmap = POOL + s->pool_blocks - 1 - i;
		bit = bitmap * s->block + from % per / 8;
		put_byte(m, bit, (unsigned)get_le(m, bit, 1) | 1u << from % 8);
		free = get_le(m, at + 20, 4);
		put_le32(m, at + 20, (uint32_t)free - 1);
		put_le64(m, at + 24, bitmap);
		if (from + 1 == to || (from + 1) % per == 0)
			sum_chunk(m, s, i);
	}
	sum_space(m, s);
}

/* The container's own blocks are used, no others. */
static struct image
make(struct shape *s)
{
	struct image m;

	s->chunks =
		s->blocks / (8 * s->block) + (s->blocks % (8 * s->block) != 0);
	s->cibs = (s->chunks + s->per_cib - 1) / s->per_cib;
	m = image_new(s->blocks * s->block, 512);
	put_super(&m, s, 0, XID, 4);
	put_map(&m, s, 1, XID - 2, DATA);
	put_super(&m, s, 2, XID - 2, 0);
	put_map(&m, s, 3, XID - 1, DATA);
	put_super(&m, s, 4, XID - 1, 2);
	put_map(&m, s, MAP, XID, SPACE);
	put_super(&m, s, SUPER, XID, 4);
	put_space(&m, s);
	put_chunks(&m, s);
	if (s->cabs)
		put_cabs(&m, s);
	use(&m, s, 0, POOL + s->pool_blocks);
	return m;
}

/* These blocks (first, number; 0, 0) are used, and the note has these words. */
static void
expect(const struct image *m, const struct shape *s, const uint64_t *blocks,
       const char *note)
{
	struct fy_error err = { 0 };
	fy_autoextents struct fy_extents *used = fy_extents_new(&err);
	uint64_t pairs[32] = { 0 };
	struct fy_fs_result result;
	size_t i;

	CHECK_OK(driver_map(&fy_fs_apfs, m, false, used, &result, &err), &err);
	if (result.whole || strstr(result.note, note) == NULL)
		fprintf(stderr, "note: %s\n", result.note);
	CHECK(!result.whole && result.bytes == s->blocks * s->block);
	CHECK(strstr(result.note, note) != NULL);
	CHECK(result.warn == (note[0] != '\0') &&
	      (note[0] != '\0' || result.note[0] == '\0'));
	for (i = 0; blocks[i + 1] != 0; i += 2) {
		pairs[i] = blocks[i] * s->block;
		pairs[i + 1] = blocks[i + 1] * s->block;
	}
	CHECK(extents_are(used, pairs));
}

static void
expect_whole(const struct image *m, const char *note)
{
	driver_expect_whole(&fy_fs_apfs, m, note);
}

#define OWN (POOL + 40) /* blocks of the container's own */

/* --- what is right ----------------------------------------------------------------- */

static void
test_chunks(void)
{
	struct shape s = small;
	struct image m;
	int cabs;

	for (cabs = 0; cabs < 2; cabs++) {
		s.cabs = cabs;
		m = make(&s);
		expect(&m, &s, (uint64_t[]){ 0, OWN, 0, 0 }, "");
		use(&m, &s, 32767, 32769); /* over the end of a chunk */
		use(&m, &s, 100000, 100001);
		use(&m, &s, s.blocks - 3, s.blocks);
		expect(&m, &s,
		       (uint64_t[]){ 0, OWN, 32767, 2, 100000, 1, s.blocks - 3,
				     3, 0, 0 },
		       "");
		/* Flags in the upper bits of the counts. */
		put_le32(&m, chunk_at(&s, 0) + 16, 0x0c000000 | 32768);
		sum_chunk(&m, &s, 0);
		expect(&m, &s,
		       (uint64_t[]){ 0, OWN, 32767, 2, 100000, 1, s.blocks - 3,
				     3, 0, 0 },
		       "");
		image_free(&m);
	}
}

/* A chunk without a bitmap. */
static void
test_plain(void)
{
	struct shape s = small;
	struct image m = make(&s);
	uint64_t space = SPACE * 4096u + 72;

	put_le32(&m, chunk_at(&s, 4) + 20, 0);
	sum_chunk(&m, &s, 4);
	expect_whole(&m, "than the space manager");
	put_le64(&m, space, get_le(&m, space, 8) - 32768);
	sum_space(&m, &s);
	expect(&m, &s, (uint64_t[]){ 0, OWN, 4 * 32768, 32768, 0, 0 }, "");
	put_le32(&m, chunk_at(&s, 4) + 20, 32767);
	sum_chunk(&m, &s, 4);
	expect_whole(&m, "no bitmap");
	image_free(&m);
}

static void
test_block_sizes(void)
{
	uint32_t block;

	for (block = 4096; block <= 65536; block *= 2) {
		struct shape s = small;
		struct image m;

		s.block = block;
		s.blocks = 9 * 8 * (uint64_t)block + 7;
		m = make(&s);
		use(&m, &s, 200000, 200002);
		expect(&m, &s, (uint64_t[]){ 0, OWN, 200000, 2, 0, 0 }, "");
		image_free(&m);
	}
}

/* 16 TiB, with a space manager of two blocks whose addresses end in the second
 * one; then with blocks of addresses as full as they get. */
static void
test_large(void)
{
	struct shape s = small;
	struct image m;
	int cabs;

	s.blocks = (UINT64_C(1) << 32) - 5;
	s.per_cib = 126;
	s.per_cab = 507;
	s.space_blocks = 3;
	s.pool_blocks = 140000;
	for (cabs = 0; cabs < 2; cabs++) {
		s.cabs = cabs;
		m = make(&s);
		CHECK(s.chunks == 131072 && s.cibs == 1041);
		use(&m, &s, s.blocks - 1, s.blocks);
		expect(&m, &s,
		       (uint64_t[]){ 0, POOL + 140000, s.blocks - 1, 1, 0, 0 },
		       "");
		image_free(&m);
	}
}

/* What is own, besides what each container has; and own blocks that are called
 * free. */
static void
test_own(void)
{
	struct shape s = small;
	struct image m = make(&s);

	put_le64(&m, SUPER * 4096 + 1272, 5000);
	put_le64(&m, SUPER * 4096 + 1296, 6000);
	put_le64(&m, SUPER * 4096 + 1304, 2);
	put_le64(&m, SUPER * 4096 + 1392, 7000);
	put_le64(&m, SUPER * 4096 + 1400, 1);
	sum(&m, SUPER * 4096, 4096);
	use(&m, &s, 6000, 6002);
	expect(&m, &s, (uint64_t[]){ 0, OWN, 5000, 1, 6000, 2, 7000, 1, 0, 0 },
	       "2 blocks");
	put_le64(&m, SUPER * 4096 + 1400, s.blocks);
	sum(&m, SUPER * 4096, 4096);
	expect_whole(&m, "outside the filesystem");
	image_free(&m);

	/* As a new pool would be, all of it free. */
	m = make(&s);
	put_le64(&m, SPACE * 4096 + 72, s.blocks);
	sum_space(&m, &s);
	put_le32(&m, chunk_at(&s, 0) + 20, 32768);
	put_le64(&m, chunk_at(&s, 0) + 24, 0);
	sum_chunk(&m, &s, 0);
	expect(&m, &s, (uint64_t[]){ 0, OWN, 0, 0 }, "73 blocks");
	image_free(&m);
}

static void
test_end(void)
{
	struct shape s = small;
	struct image m = make(&s), n = image_new(m.size + 12345 * 512, 512);
	unsigned char block[4096];
	uint64_t i;

	for (i = 0; i < OWN; i++) {
		CHECK(pread(m.fd, block, 4096, (off_t)i * 4096) == 4096);
		put(&n, i * 4096, block, 4096);
	}
	expect(&n, &s, (uint64_t[]){ 0, OWN, 0, 0 }, "");
	image_free(&n);
	n = image_new(m.size - 512, 512);
	for (i = 0; i < OWN; i++) {
		CHECK(pread(m.fd, block, 4096, (off_t)i * 4096) == 4096);
		put(&n, i * 4096, block, 4096);
	}
	expect_whole(&n, "behind the end");
	image_free(&n);
	image_free(&m);
}

/* --- checkpoints -------------------------------------------------------------------- */

static const uint64_t own[] = { 0, OWN, 0, 0 };

static void
test_checkpoints(void)
{
	struct shape s = small;
	struct image m = make(&s);

	/* Block 0 is old. */
	put_super(&m, &s, 0, 2, 7);
	expect(&m, &s, own, "");
	/* A newer checkpoint that was not written to its end. */
	put_super(&m, &s, 8, XID + 1, 6);
	put_byte(&m, 8 * 4096 + 2000, 1);
	put_map(&m, &s, 7, XID + 1, SPACE);
	expect(&m, &s, own, "");
	/* Now it was, but its space manager is another one's. */
	put_super(&m, &s, 8, XID + 1, 6);
	put_byte(&m, 8 * 4096 + 2000, 0);
	put_super(&m, &s, 8, XID + 1, 6);
	expect_whole(&m, "not the checkpoint's");
	put_le64(&m, SPACE * 4096 + 16, XID + 1);
	sum_space(&m, &s);
	expect(&m, &s, own, "");
	/* Around the area's end. */
	put_super(&m, &s, 1, XID + 2, 7);
	put_map(&m, &s, 8, XID + 2, SPACE);
	put_le64(&m, SPACE * 4096 + 16, XID + 2);
	sum_space(&m, &s);
	expect(&m, &s, own, "");
	/* Twice the same. */
	put_super(&m, &s, 3, XID + 2, 7);
	expect_whole(&m, "two newest");
	image_free(&m);

	m = make(&s);
	put_super(&m, &s, 0, XID + 1, 4);
	expect_whole(&m, "as new as block 0");
	put_byte(&m, 100, 1);
	expect_whole(&m, "block 0");
	image_free(&m);

	m = make(&s);
	put_byte(&m, SUPER * 4096 + 72, 7);
	sum(&m, SUPER * 4096, 4096);
	expect_whole(&m, "another container");
	image_free(&m);
}

/* Maps of three blocks, two of them the space manager's. */
static void
test_maps(void)
{
	struct shape s = small;
	struct image m = make(&s);

	put_map(&m, &s, 4, XID, SPACE);
	put_le32(&m, SUPER * 4096 + 136, 3);
	put_le32(&m, SUPER * 4096 + 140, 3);
	sum(&m, SUPER * 4096, 4096);
	expect_whole(&m, "map is damaged"); /* both are the last */
	put_le32(&m, 4 * 4096 + 32, 0);
	sum(&m, 4 * 4096, 4096);
	expect_whole(&m, "more than one");
	put_le64(&m, 4 * 4096 + 40 + 40 + 24, SPACEID + 2);
	sum(&m, 4 * 4096, 4096);
	expect(&m, &s, own, "");
	put_le64(&m, MAP * 4096 + 40 + 40 + 24, SPACEID + 2);
	sum(&m, MAP * 4096, 4096);
	expect_whole(&m, "no space manager");
	image_free(&m);
}

/* --- lies ------------------------------------------------------------------------------ */

/* Put a number into the object at 'block' and see. */
static void
lie(unsigned block, uint64_t at, uint64_t value, unsigned bytes,
    const char *note)
{
	struct shape s = small;
	unsigned char b[8];
	struct image m;

	s.cabs = block == CABS;
	m = make(&s);
	fy_put_le64(b, value);
	put(&m, block * 4096 + at, b, bytes);
	if (at >= 8)
		sum(&m, block * 4096, 4096);
	expect_whole(&m, note);
	image_free(&m);
}

static void
test_super_lies(void)
{
	lie(0, 36, 2048, 4, "size of its blocks");
	lie(0, 36, 5000, 4, "size of its blocks");
	lie(0, 36, 1 << 17, 4, "size of its blocks");
	lie(0, 24, 1, 4, "block 0");
	lie(0, 0, 1, 8, "block 0");
	lie(0, 104, 1, 4, "makes no sense");
	lie(0, 104, 20000, 4, "makes no sense");
	lie(0, 104, 0x80000008, 4, "several pieces");
	lie(0, 108, 0x80000008, 4, "several pieces");
	lie(0, 108, 0, 4, "makes no sense");
	lie(0, 112, UINT64_MAX, 8, "makes no sense");
	lie(0, 120, small.blocks - 7, 8, "makes no sense");
	lie(0, 112, 20, 8, "as new as block 0");
	lie(SUPER, 40, small.blocks + 1, 8, "behind the end");
	lie(SUPER, 40, UINT64_MAX, 8, "behind the end");
	lie(SUPER, 40, small.blocks - 1, 8, "counts");
	lie(SUPER, 40, 0, 8, "outside");
	lie(SUPER, 56, 1, 8, "not known");
	lie(SUPER, 64, 1, 8, "not known");
	lie(SUPER, 64, 3, 8, "not known");
	lie(SUPER, 64, 0x102, 8, "Fusion");
	lie(SUPER, 1280, 5, 8, "Fusion");
	lie(SUPER, 112, 2, 8, "another container");
	lie(SUPER, 136, 3, 4, "checkpoint's place");
	lie(SUPER, 136, 12, 4, "checkpoint's place");
	lie(SUPER, 140, 1, 4, "checkpoint's place");
	lie(SUPER, 140, 9, 4, "checkpoint's place");
	lie(SUPER, 152, SPACEID + 1, 8, "map is damaged");
	lie(SUPER, 152, 5, 8, "no space manager");
	lie(SUPER, 1272, small.blocks, 8, "outside");
	lie(SUPER, 1304, UINT64_MAX, 8, "outside");
}

static void
test_map_lies(void)
{
	lie(MAP, 0, 1, 8, "map is damaged");
	lie(MAP, 16, XID - 1, 8, "map is damaged");
	lie(MAP, 24, 0x4000000d, 4, "map is damaged");
	lie(MAP, 32, 0, 4, "map is damaged");
	lie(MAP, 36, 102, 4, "map is damaged");
	lie(MAP, 36, 1, 4, "no space manager");
	lie(MAP, 40 + 24, SPACEID, 8, "map is damaged");
	lie(MAP, 80, 0x80000002, 4, "map is damaged");
	lie(MAP, 88, 0, 4, "manager's place");
	lie(MAP, 88, 4095, 4, "manager's place");
	lie(MAP, 88, 7 * 4096, 4, "manager's place");
	lie(MAP, 88, 4096 * 4096, 4, "manager's place");
	lie(MAP, 88, 8192, 4, "checksum");
	lie(MAP, 112, DATA - 1, 8, "manager's place");
	lie(MAP, 112, DATA + 8, 8, "manager's place");
	lie(MAP, 112, UINT64_MAX, 8, "manager's place");
	lie(MAP, 112, DATA, 8, "checksum");
}

static void
test_space_lies(void)
{
	lie(SPACE, 0, 1, 8, "wrong checksum");
	lie(SPACE, 8, SPACEID + 1, 8, "wrong checksum");
	lie(SPACE, 16, XID - 1, 8, "not the checkpoint's");
	lie(SPACE, 24, 0x80000006, 4, "wrong checksum");
	lie(SPACE, 32, 8192, 4, "sizes make");
	lie(SPACE, 36, 4096, 4, "sizes make");
	lie(SPACE, 40, 0, 4, "sizes make");
	lie(SPACE, 40, 127, 4, "sizes make");
	lie(SPACE, 40, 4, 4, "counts");
	lie(SPACE, 44, 0, 4, "sizes make");
	lie(SPACE, 44, 508, 4, "sizes make");
	lie(SPACE, 48, small.blocks + 1, 8, "counts");
	lie(SPACE, 56, 11, 8, "counts");
	lie(SPACE, 64, 5, 4, "counts");
	lie(SPACE, 68, 1, 4, "counts");
	lie(SPACE, 72, 1, 8, "than the space manager");
	lie(SPACE, 80, 0, 4, "no room");
	lie(SPACE, 80, 4096 - 24, 4, "no room");
	lie(SPACE, 80, UINT32_MAX, 4, "no room");
	lie(SPACE, 96, 5, 8, "Fusion");
	lie(SPACE, 120, 1, 8, "Fusion");
	lie(SPACE, 152, 3, 8, "internal pool");
	lie(SPACE, 152, UINT64_MAX, 8, "outside");
	lie(SPACE, 164, UINT32_MAX, 4, "outside");
	lie(SPACE, 168, UINT64_MAX, 8, "outside");
	lie(SPACE, 176, small.blocks, 8, "outside");
	lie(SPACE, ADDRESS, 5, 8, "internal pool");
	lie(SPACE, ADDRESS, UINT64_MAX, 8, "internal pool");
	lie(SPACE, ADDRESS, CIBS + 1, 8, "belongs there");
	lie(SPACE, ADDRESS, CIBS + 5, 8, "checksum");
}

static void
test_chunk_lies(void)
{
	unsigned k;

	for (k = 0; k < 2; k++) {
		unsigned b = k == 0 ? CABS : CIBS;

		lie(b, 0, 1, 8, "wrong checksum");
		lie(b, 8, b + 1, 8, "belongs there");
		lie(b, 16, XID + 1, 8, "belongs there");
		lie(b, 24, 0x40000008, 4, "wrong checksum");
		lie(b, 32, 1, 4, "belongs there");
		lie(b, 36, 2, 4, "belongs there");
		lie(b, 36, UINT32_MAX, 4, "belongs there");
	}
	lie(CABS, 40, 5, 8, "internal pool");
	lie(CABS, 48, CIBS, 8, "belongs there");
	lie(CIBS, 40, XID + 1, 8, "chunk is not");
	lie(CIBS, 48, 32768, 8, "chunk is not");
	lie(CIBS, 56, 32767, 4, "chunk is not");
	lie(CIBS, 60, 32769, 4, "chunk is not");
	lie(CIBS, 60, 32766 - OWN, 4, "another number");
	lie(CIBS, 64, 5, 8, "internal pool");
	lie(CIBS, 64, CIBS, 8, "another number");
	lie(CIBS, 64, 0, 8, "no bitmap");
}

int
main(void)
{
	test_chunks();
	test_plain();
	test_block_sizes();
	test_large();
	test_own();
	test_end();
	test_checkpoints();
	test_maps();
	test_super_lies();
	test_map_lies();
	test_space_lies();
	test_chunk_lies();
	return 0;
}
