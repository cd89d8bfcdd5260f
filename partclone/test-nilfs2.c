/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NILFS2 made here, byte by byte: a log with a super root, a DAT and a segment
 * usage file behind trees of one and two levels; newer logs, marks, damage, and
 * numbers that lie.
 */
#include "partclone/filesystem.h"
#include "partclone/test-driver.h"

#define BLOCK	 1024u
#define PER	 16u /* blocks of a segment */
#define SEGMENTS 600u
#define SIZE	 ((uint64_t)SEGMENTS * PER * BLOCK + 8192)
#define SEED	 0x12345678u
#define SEQUENCE 77u
#define LOG	 48u /* segment 3; the next one is 5 */
#define DAT	 (LOG + 1)
#define NODE	 (LOG + 2)
#define USAGES	 (LOG + 3) /* ten blocks */
#define N_USAGES 10u
#define ROOT	 (USAGES + N_USAGES)
#define LOG_LEN	 (ROOT - LOG + 1)
#define INODE	 128u
#define DAT_TREE (ROOT * BLOCK + 16 + 56)
#define USE_TREE (ROOT * BLOCK + 16 + 2 * INODE + 56)

static void
put_le64(const struct image *m, uint64_t at, uint64_t v)
{
	put_le32(m, at, (uint32_t)v);
	put_le32(m, at + 4, (uint32_t)(v >> 32));
}

/* A bit at a time, as Linux's crc32_le. */
static uint32_t
crc_of(const struct image *m, uint32_t crc, uint64_t at, size_t len)
{
	static unsigned char b[16 * BLOCK];
	size_t i;
	int k;

	CHECK(len <= sizeof(b) &&
	      pread(m->fd, b, len, (off_t)at) == (ssize_t)len);
	for (i = 0; i < len; i++) {
		crc ^= b[i];
		for (k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return crc;
}

static void
sum_super(const struct image *m, uint64_t at)
{
	put_le32(m, at + 16, 0);
	put_le32(m, at + 16, crc_of(m, SEED, at, 280));
}

static void
put_super(const struct image *m, uint64_t at)
{
	put_le32(m, at, 2);
	put(m, at + 6, "\x34\x34", 2);
	put_le16(m, at + 8, 280);
	put_le32(m, at + 12, SEED);
	put_le64(m, at + 0x18, SEGMENTS);
	put_le64(m, at + 0x20, SIZE);
	put_le64(m, at + 0x28, 4);
	put_le32(m, at + 0x30, PER);
	put_le64(m, at + 0x38, 9);
	put_le64(m, at + 0x40, LOG);
	put_le64(m, at + 0x48, SEQUENCE);
	put_le16(m, at + 0x74, 1);
	put_le16(m, at + 0x90, INODE);
	put_le16(m, at + 0x92, 32);
	put_le16(m, at + 0x94, 192);
	put_le16(m, at + 0x96, 16);
	sum_super(m, at);
}

static void
sum_log(const struct image *m, uint64_t block)
{
	put_le32(m, block * BLOCK + 4,
		 crc_of(m, SEED, block * BLOCK + 8, 200 - 8));
}

static void
put_log(const struct image *m, uint64_t block, uint64_t sequence,
	unsigned flags, uint32_t blocks, uint64_t next)
{
	uint64_t at = block * BLOCK;

	put_le32(m, at + 8, 0x1eaffa11);
	put_le16(m, at + 12, 64);
	put_le16(m, at + 14, (uint16_t)flags);
	put_le64(m, at + 16, sequence);
	put_le64(m, at + 32, next);
	put_le32(m, at + 40, blocks);
	put_le32(m, at + 48, 200);
	sum_log(m, block);
}

static void
sum_root(const struct image *m)
{
	put_le32(m, ROOT * BLOCK, crc_of(m, SEED, ROOT * BLOCK + 4, 396));
}

/* A node's head, in an inode or a block. */
static void
put_node(const struct image *m, uint64_t at, bool is_root, unsigned level,
	 unsigned n)
{
	put_byte(m, at, is_root);
	put_byte(m, at + 1, level);
	put_le16(m, at + 2, (uint16_t)n);
}

static void
put_child(const struct image *m, uint64_t at, bool is_root, unsigned i,
	  uint64_t key, uint64_t child)
{
	uint64_t head = is_root ? 8 : 16, max = is_root ? 3 : (BLOCK - 16) / 16;

	put_le64(m, at + head + 8 * i, key);
	put_le64(m, at + head + 8 * (max + i), child);
}

/* Virtual block 'i' of the first 32 is this block. */
static void
put_virtual(const struct image *m, unsigned i, uint64_t block)
{
	put_le64(m, DAT * BLOCK + 32 * (uint64_t)i, block);
}

static void
put_usage(const struct image *m, uint32_t segment, uint32_t flags)
{
	put_le32(m, USAGES * BLOCK + 16 * (2 + (uint64_t)segment) + 12, flags);
}

static void
put_counts(const struct image *m, uint64_t clean)
{
	put_le64(m, USAGES * BLOCK, clean);
	put_le64(m, USAGES * BLOCK + 8, SEGMENTS - clean);
}

/* Segments 0, 3 and 5 are used. */
static struct image
make(void)
{
	struct image m = image_new(SIZE, 512);
	unsigned i;

	put_super(&m, 1024);
	put_log(&m, LOG, SEQUENCE, 4, LOG_LEN, 5 * PER);
	put_le16(&m, ROOT * BLOCK + 4, 400);
	put_le64(&m, DAT_TREE + 8 + 8 * 2, DAT); /* its block 2 */
	put_node(&m, USE_TREE, true, 2, 1);
	put_child(&m, USE_TREE, true, 0, 0, 1);
	put_virtual(&m, 1, NODE);
	put_node(&m, NODE * BLOCK, false, 1, N_USAGES);
	for (i = 0; i < N_USAGES; i++) {
		put_child(&m, NODE * BLOCK, false, i, i, i + 2);
		put_virtual(&m, i + 2, USAGES + i);
	}
	put_usage(&m, 0, 2);
	put_usage(&m, 3, 2);
	put_usage(&m, 5, 2);
	put_counts(&m, SEGMENTS - 3);
	sum_root(&m);
	return m;
}

/* The segments are these (first, count) pairs; the tail is used, too. */
static void
expect(const struct image *m, const uint64_t *segments, const char *note)
{
	struct fy_error err = { 0 };
	fy_autoextents struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;
	uint64_t pairs[32] = { 0 }, end = (uint64_t)SEGMENTS * PER * BLOCK;
	size_t i;

	for (i = 0; segments[i + 1] != 0; i += 2) {
		pairs[i] = segments[i] * PER * BLOCK;
		pairs[i + 1] = segments[i + 1] * PER * BLOCK;
	}
	if (pairs[i - 2] + pairs[i - 1] == end) {
		pairs[i - 1] += SIZE - end;
	} else {
		pairs[i] = end;
		pairs[i + 1] = SIZE - end;
	}
	CHECK_OK(driver_map(&fy_fs_nilfs2, m, false, used, &result, &err),
		 &err);
	if (result.whole)
		fprintf(stderr, "note: %s\n", result.note);
	CHECK(!result.whole && extents_are(used, pairs));
	CHECK(strstr(result.note, note) != NULL);
	CHECK(result.warn == (note[0] != '\0'));
	CHECK(result.bytes == SIZE);
}

static void
expect_dirty(const struct image *m, const char *say)
{
	struct fy_error err = { 0 };
	fy_autoextents struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;

	CHECK(driver_map(&fy_fs_nilfs2, m, false, used, &result, &err) == -1);
	CHECK(err.code == FY_E_DIRTY && strstr(err.msg, say) != NULL);
	CHECK(fy_extents_count(used) == 0);
	driver_expect_whole(&fy_fs_nilfs2, m, "unclean");
}

/* Of the first segment, what lies before its blocks is used in any case. */
static void
test_first(void)
{
	uint64_t segment = PER * BLOCK, end = SEGMENTS * segment;
	struct fy_error err = { 0 };
	fy_autoextents struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;
	struct image m = make();

	put_usage(&m, 0, 0);
	put_counts(&m, SEGMENTS - 2);
	CHECK_OK(driver_map(&fy_fs_nilfs2, &m, false, used, &result, &err),
		 &err);
	CHECK(!result.whole && !result.warn);
	CHECK(extents_are(used, (uint64_t[]){ 0, 4 * BLOCK, 3 * segment,
					      segment, 5 * segment, segment,
					      end, SIZE - end, 0, 0 }));
	image_free(&m);
}

static const uint64_t plain[] = { 0, 1, 3, 1, 5, 1, 0, 0 };

static void
test_usages(void)
{
	struct image m = make();

	expect(&m, plain, "");
	put_usage(&m, 4, 4);  /* an error on its medium */
	put_usage(&m, 61, 2); /* the last of a block, the first of the next */
	put_usage(&m, 62, 2);
	put_usage(&m, SEGMENTS - 1, 2);
	put_counts(&m, SEGMENTS - 7);
	expect(&m, (uint64_t[]){ 0, 1, 3, 3, 61, 2, SEGMENTS - 1, 1, 0, 0 },
	       "");
	put_counts(&m, SEGMENTS - 6);
	driver_expect_whole(&fy_fs_nilfs2, &m, "contradicts itself");
	put_counts(&m, SEGMENTS - 7);
	put_le64(&m, USAGES * BLOCK + 8, 6);
	driver_expect_whole(&fy_fs_nilfs2, &m, "contradicts itself");
	image_free(&m);

	/* It calls its own segments free. */
	m = make();
	put_usage(&m, 3, 0);
	put_usage(&m, 5, 0);
	put_counts(&m, SEGMENTS - 1);
	expect(&m, plain, "2 segments");
	image_free(&m);
}

/* Blocks of the usage file and the DAT that are in other segments. */
static void
test_places(void)
{
	unsigned char block[BLOCK];
	struct image m = make();

	CHECK(pread(m.fd, block, BLOCK, (USAGES + 4) * BLOCK) == BLOCK);
	put(&m, 100 * PER * BLOCK, block, BLOCK);
	put_virtual(&m, 6, 100 * PER);
	CHECK(pread(m.fd, block, BLOCK, DAT * BLOCK) == BLOCK);
	put(&m, 50 * PER * BLOCK, block, BLOCK);
	put_le64(&m, DAT_TREE + 8 + 8 * 2, 50 * PER);
	sum_root(&m);
	expect(&m, (uint64_t[]){ 0, 1, 3, 1, 5, 1, 50, 1, 100, 1, 0, 0 },
	       "2 segments");
	image_free(&m);
}

static void
test_holes(void)
{
	struct image m = make();
	unsigned i;

	/* No third block: its segments were never written to. */
	for (i = 2; i + 1 < N_USAGES; i++)
		put_child(&m, NODE * BLOCK, false, i, i + 1, i + 3);
	put_node(&m, NODE * BLOCK, false, 1, N_USAGES - 1);
	put_usage(&m, 130, 2);
	expect(&m, plain, "");
	put_usage(&m, 200, 2);
	put_counts(&m, SEGMENTS - 4);
	expect(&m, (uint64_t[]){ 0, 1, 3, 1, 5, 1, 200, 1, 0, 0 }, "");

	/* No first one: there is no header. */
	put_child(&m, NODE * BLOCK, false, 0, 1, 3);
	driver_expect_whole(&fy_fs_nilfs2, &m, "empty");
	image_free(&m);
}

/* The DAT behind a node; the usage file's root without one. */
static void
test_trees(void)
{
	struct image m = make();
	uint64_t node = 7 * PER; /* the DAT's */

	put_le64(&m, DAT_TREE + 8 + 8 * 2, 0);
	put_node(&m, DAT_TREE, true, 2, 2);
	put_child(&m, DAT_TREE, true, 0, 0, node);
	put_child(&m, DAT_TREE, true, 1, 100, node + 1);
	put_node(&m, node * BLOCK, false, 1, 2);
	put_child(&m, node * BLOCK, false, 0, 2, DAT);
	put_child(&m, node * BLOCK, false, 1, 3, node + 2);
	sum_root(&m);
	expect(&m, (uint64_t[]){ 0, 1, 3, 1, 5, 1, 7, 1, 0, 0 }, "1 segments");
	/* A virtual block of the next block of the DAT. */
	put_child(&m, NODE * BLOCK, false, 4, 4, 32 + 9);
	put_le64(&m, (node + 2) * BLOCK + 9 * 32, USAGES + 4);
	expect(&m, (uint64_t[]){ 0, 1, 3, 1, 5, 1, 7, 1, 0, 0 }, "1 segments");
	put_child(&m, NODE * BLOCK, false, 4, 4, 3 * 32);
	driver_expect_whole(&fy_fs_nilfs2, &m, "no entry");
	put_child(&m, NODE * BLOCK, false, 4, 4, UINT64_MAX);
	driver_expect_whole(&fy_fs_nilfs2, &m, "node of a tree");
	put_child(&m, NODE * BLOCK, false, 4, 4, 20);
	driver_expect_whole(&fy_fs_nilfs2, &m, "no block");
	put_virtual(&m, 20, SEGMENTS * PER);
	driver_expect_whole(&fy_fs_nilfs2, &m, "no block");
	put_child(&m, NODE * BLOCK, false, 4, 4, 0);
	driver_expect_whole(&fy_fs_nilfs2, &m, "node of a tree");
	put_child(&m, NODE * BLOCK, false, 4, 4, 6);
	expect(&m, (uint64_t[]){ 0, 1, 3, 1, 5, 1, 7, 1, 0, 0 }, "1 segments");

	/* Nodes that make no sense. */
	put_node(&m, node * BLOCK, false, 2, 2);
	driver_expect_whole(&fy_fs_nilfs2, &m, "node of a tree");
	put_node(&m, node * BLOCK, false, 1, 0);
	driver_expect_whole(&fy_fs_nilfs2, &m, "node of a tree");
	put_node(&m, node * BLOCK, false, 1, 64);
	driver_expect_whole(&fy_fs_nilfs2, &m, "node of a tree");
	put_node(&m, node * BLOCK, true, 1, 2);
	driver_expect_whole(&fy_fs_nilfs2, &m, "node of a tree");
	put_node(&m, node * BLOCK, false, 1, 2);
	put_child(&m, DAT_TREE, true, 0, 0, SEGMENTS * PER);
	sum_root(&m);
	driver_expect_whole(&fy_fs_nilfs2, &m, "in no segment");
	put_node(&m, DAT_TREE, true, 2, 4);
	sum_root(&m);
	driver_expect_whole(&fy_fs_nilfs2, &m, "root of a tree");
	put_node(&m, DAT_TREE, true, 0, 2);
	sum_root(&m);
	driver_expect_whole(&fy_fs_nilfs2, &m, "root of a tree");
	put_node(&m, DAT_TREE, true, 14, 2);
	sum_root(&m);
	driver_expect_whole(&fy_fs_nilfs2, &m, "root of a tree");
	image_free(&m);
}

static void
test_logs(void)
{
	struct image m = make();

	/* Remnants of an earlier round behind the last one, then a newer one. */
	put_log(&m, LOG + LOG_LEN, SEQUENCE - 9, 4, 2, 5 * PER);
	put_log(&m, 5 * PER, SEQUENCE - 9, 4, 2, 6 * PER);
	expect(&m, plain, "");
	put_log(&m, LOG + LOG_LEN, SEQUENCE, 1, 2, 5 * PER);
	expect_dirty(&m, "does not know");
	put_le32(&m, (LOG + LOG_LEN) * BLOCK + 4, 0); /* torn */
	expect(&m, plain, "");
	put_log(&m, 5 * PER, SEQUENCE + 1, 1, 2, 6 * PER);
	expect_dirty(&m, "does not know");
	put_log(&m, 5 * PER, SEQUENCE + 2, 1, 2, 6 * PER);
	expect(&m, plain, "");

	put_log(&m, LOG, SEQUENCE, 1, LOG_LEN, 5 * PER);
	driver_expect_whole(&fy_fs_nilfs2, &m, "last log");
	put_log(&m, LOG, SEQUENCE + 1, 4, LOG_LEN, 5 * PER);
	driver_expect_whole(&fy_fs_nilfs2, &m, "last log");
	put_log(&m, LOG, SEQUENCE, 4, PER + 1, 5 * PER);
	driver_expect_whole(&fy_fs_nilfs2, &m, "last log");
	put_log(&m, LOG, SEQUENCE, 4, 1, 5 * PER);
	driver_expect_whole(&fy_fs_nilfs2, &m, "last log");
	put_log(&m, LOG, SEQUENCE, 4, LOG_LEN, SEGMENTS * PER);
	driver_expect_whole(&fy_fs_nilfs2, &m, "last log");
	put_log(&m, LOG, SEQUENCE, 4, LOG_LEN, 5 * PER);
	put_le32(&m, LOG * BLOCK + 48, (LOG_LEN - 1) * BLOCK + 1);
	driver_expect_whole(&fy_fs_nilfs2, &m, "last log");
	put_le32(&m, LOG * BLOCK + 48, 199);
	driver_expect_whole(&fy_fs_nilfs2, &m, "last log");
	put_log(&m, LOG, SEQUENCE, 4, LOG_LEN - 1, 5 * PER);
	driver_expect_whole(&fy_fs_nilfs2, &m, "super root");
	put_log(&m, LOG, SEQUENCE, 4, LOG_LEN, 5 * PER);
	put_le16(&m, ROOT * BLOCK + 4, 399);
	driver_expect_whole(&fy_fs_nilfs2, &m, "super root");
	put_le16(&m, ROOT * BLOCK + 4, 1025);
	driver_expect_whole(&fy_fs_nilfs2, &m, "super root");
	image_free(&m);
}

/* Put a number into the first superblock and see. */
static void
lie(uint64_t at, uint64_t value, unsigned bytes, const char *note)
{
	unsigned char b[8];
	struct image m = make();

	fy_put_le64(b, value);
	put(&m, 1024 + at, b, bytes);
	sum_super(&m, 1024);
	driver_expect_whole(&fy_fs_nilfs2, &m, note);
	image_free(&m);
}

static void
test_lies(void)
{
	lie(0, 3, 4, "revision");
	lie(0x100, 1, 8, "feature");
	lie(0x108, 3, 8, "feature");
	lie(0x110, 1, 8, "feature");
	lie(0x14, 7, 4, "superblock is damaged");
	lie(0x18, 0, 8, "superblock is damaged");
	lie(0x18, SEGMENTS + 1, 8, "superblock is damaged");
	lie(0x18, UINT64_MAX / 2, 8, "superblock is damaged");
	lie(0x20, SIZE + 1, 8, "behind the end");
	lie(0x28, 1, 8, "superblock is damaged");
	lie(0x28, PER, 8, "superblock is damaged");
	lie(0x30, 15, 4, "superblock is damaged");
	lie(0x30, UINT32_MAX, 4, "superblock is damaged");
	lie(0x40, UINT64_MAX, 8, "superblock is damaged");
	lie(0x40, 0, 8, "last log");
	lie(0x90, 127, 2, "superblock is damaged");
	lie(0x90, 400, 2, "superblock is damaged");
	lie(0x92, 31, 2, "superblock is damaged");
	lie(0x92, 257, 2, "superblock is damaged");
	lie(0x96, 15, 2, "superblock is damaged");
	lie(0x96, 65, 2, "superblock is damaged");
}

static void
test_supers(void)
{
	uint64_t second = fy_align_down(SIZE, 4096) - 4096;
	struct image m = make();

	put_le64(&m, 1024 + 0x108, 1);
	sum_super(&m, 1024);
	expect(&m, plain, "");
	put_le16(&m, 1024 + 0x74, 0);
	sum_super(&m, 1024);
	expect_dirty(&m, "mount");
	put_le16(&m, 1024 + 0x74, 3);
	sum_super(&m, 1024);
	expect_dirty(&m, "errors");
	put_super(&m, second); /* not newer */
	expect_dirty(&m, "errors");
	put_le64(&m, second + 0x38, 10);
	sum_super(&m, second);
	expect(&m, plain, "");
	put_byte(&m, second + 0x98, 1);
	sum_super(&m, second);
	driver_expect_whole(&fy_fs_nilfs2, &m, "not belong together");
	put_byte(&m, second + 0x40, 0); /* not intact */
	expect_dirty(&m, "errors");
	put_byte(&m, 1024 + 0x40, 0);
	driver_expect_whole(&fy_fs_nilfs2, &m, "no superblock");
	put_byte(&m, second + 0x98, 0);
	put_super(&m, second);
	expect(&m, plain, "");
	put_le16(&m, second + 8, 2000);
	driver_expect_whole(&fy_fs_nilfs2, &m, "no superblock");
	put_le16(&m, second + 8, 19);
	driver_expect_whole(&fy_fs_nilfs2, &m, "no superblock");
	image_free(&m);
}

int
main(void)
{
	test_usages();
	test_first();
	test_places();
	test_holes();
	test_trees();
	test_logs();
	test_lies();
	test_supers();
	return 0;
}
