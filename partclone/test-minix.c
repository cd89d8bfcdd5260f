/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Minix 1, 2 and 3 made here: files with indirect zones, marks, inodes that
 * contradict the bitmaps, superblocks that lie.
 */
#include "partclone/filesystem.h"
#include "partclone/test-driver.h"

struct layout {
	unsigned version, magic;
	uint32_t block, zones, inodes, inode_bytes;
};

static const struct layout v1 = { 1, 0x137f, 1024, 300, 64, 32 };
static const struct layout v1_long = { 1, 0x138f, 1024, 300, 64, 32 };
static const struct layout v2 = { 2, 0x2468, 1024, 9000, 64, 64 };
static const struct layout v2_long = { 2, 0x2478, 1024, 300, 64, 64 };
static const struct layout v3 = { 3, 0x4d5a, 1024, 300, 64, 64 };
static const struct layout v3_4k = { 3, 0x4d5a, 4096, 70000, 128, 64 };

static uint32_t
zmap_blocks(const struct layout *l)
{
	return l->zones / (l->block * 8) + 1;
}

static uint64_t
table(const struct layout *l)
{
	return (3ull + zmap_blocks(l)) * l->block;
}

static uint32_t
first(const struct layout *l)
{
	return (uint32_t)(table(l) / l->block) +
	       (l->inodes * l->inode_bytes + l->block - 1) / l->block;
}

static void
set_bit(const struct image *m, uint64_t at, uint32_t bit, bool on)
{
	unsigned char b;

	CHECK(pread(m->fd, &b, 1, (off_t)(at + bit / 8)) == 1);
	b = (unsigned char)(b & ~(1u << bit % 8));
	put_byte(m, at + bit / 8, b | (unsigned)on << bit % 8);
}

static void
set_zone(const struct image *m, const struct layout *l, uint32_t zone, bool on)
{
	set_bit(m, 3ull * l->block, zone - first(l) + 1, on);
}

static void
put_zone(const struct image *m, const struct layout *l, uint64_t at, uint32_t i,
	 uint32_t zone)
{
	if (l->version == 1)
		put_le16(m, at + 2ull * i, (uint16_t)zone);
	else
		put_le32(m, at + 4ull * i, zone);
}

/* Inode 'ino' names 'zone' in its slot 'i' (7: indirect, and so on). */
static void
name_zone(const struct image *m, const struct layout *l, uint32_t ino,
	  uint32_t i, uint32_t zone)
{
	uint64_t at = table(l) + (ino - 1ull) * l->inode_bytes;

	put_zone(m, l, at + (l->version == 1 ? 14 : 24), i, zone);
}

static void
put_inode(const struct image *m, const struct layout *l, uint32_t ino,
	  uint32_t mode, unsigned links)
{
	uint64_t at = table(l) + (ino - 1ull) * l->inode_bytes;

	put_le16(m, at, (uint16_t)mode);
	put_byte(m, at + (l->version == 1 ? 13 : 2), links);
	set_bit(m, 2ull * l->block, ino, true);
}

static struct image
make(const struct layout *l)
{
	struct image m = image_new((uint64_t)l->zones * l->block, 512);

	if (l->version == 3) {
		put_le32(&m, 1024, l->inodes);
		put_le16(&m, 1030, 1);
		put_le16(&m, 1032, (uint16_t)zmap_blocks(l));
		put_le16(&m, 1034, (uint16_t)first(l));
		put_le32(&m, 1044, l->zones);
		put_le16(&m, 1048, 0x4d5a);
		put_le16(&m, 1052, (uint16_t)l->block);
	} else {
		put_le16(&m, 1024, (uint16_t)l->inodes);
		put_le16(&m, 1026, (uint16_t)l->zones);
		put_le16(&m, 1028, 1);
		put_le16(&m, 1030, (uint16_t)zmap_blocks(l));
		put_le16(&m, 1032, (uint16_t)first(l));
		put_le16(&m, 1040, (uint16_t)l->magic);
		put_le16(&m, 1042, 1);
		put_le32(&m, 1044, l->version == 2 ? l->zones : 0);
	}
	set_bit(&m, 2ull * l->block, 0, true);
	set_bit(&m, 3ull * l->block, 0, true);
	put_inode(&m, l, 1, 0040755, 2);
	name_zone(&m, l, 1, 0, first(l));
	set_zone(&m, l, first(l), true);
	return m;
}

static struct fy_extents *
map(const struct image *m, bool allow_dirty, struct fy_fs_result *ret,
    int *ret_r, struct fy_error *err)
{
	struct fy_extents *used = fy_extents_new(err);

	CHECK(used != NULL);
	*ret_r = driver_map(&fy_fs_minix, m, allow_dirty, used, ret, err);
	return used;
}

static void
expect(const struct image *m, const uint64_t *pairs)
{
	struct fy_fs_result result;
	struct fy_error err = { 0 };
	struct fy_extents *used;
	int r;

	used = map(m, false, &result, &r, &err);
	if (r == -1 || result.whole)
		fprintf(stderr, "%s%s\n", err.msg, result.note);
	CHECK(r == 0 && !result.whole && !result.warn);
	CHECK(extents_are(used, pairs));
	fy_extents_free(used);
}

static void
expect_whole(const struct image *m, const char *note)
{
	struct fy_fs_result result;
	struct fy_error err = { 0 };
	struct fy_extents *used;
	int r;

	used = map(m, true, &result, &r, &err);
	if (r == -1 || strstr(result.note, note) == NULL)
		fprintf(stderr, "%s%s, not: %s\n", err.msg, result.note, note);
	CHECK(r == 0 && result.whole);
	CHECK(strstr(result.note, note) != NULL);
	CHECK(extents_are(used, (uint64_t[]){ 0, m->size, 0, 0 }));
	fy_extents_free(used);
}

/* A file by direct, indirect and doubly indirect zones, a device, a zone that
 * nobody names but that is marked used, the last zone. */
static void
test_files(const struct layout *l)
{
	uint32_t f = first(l), last = l->zones - 1, i;
	uint64_t b = l->block;
	struct image m = make(l);

	expect(&m, (uint64_t[]){ 0, (f + 1) * b, 0, 0 });
	put_inode(&m, l, 3, 0100644, 1);
	name_zone(&m, l, 3, 0, f + 5);
	name_zone(&m, l, 3, 7, f + 6);
	put_zone(&m, l, (f + 6) * b, 10, f + 7);
	name_zone(&m, l, 3, 8, f + 8);
	put_zone(&m, l, (f + 8) * b, 0, f + 9);
	put_zone(&m, l, (f + 9) * b, 255, last);
	for (i = 5; i <= 9; i++)
		set_zone(&m, l, f + i, true);
	set_zone(&m, l, last, true);
	set_zone(&m, l, f + 100, true);
	put_inode(&m, l, 4, 0020644, 1); /* its number is no zone */
	name_zone(&m, l, 4, 0, 0x501);
	put_inode(&m, l, 5, 0120777, 0); /* removed, but open */
	expect(&m, (uint64_t[]){ 0, (f + 1) * b, (f + 5) * b, 5 * b,
				 (f + 100) * b, b, last * b, b, 0, 0 });
	if (l->version > 1) {
		name_zone(&m, l, 3, 9, f + 11);
		set_zone(&m, l, f + 11, true);
		put_zone(&m, l, (f + 11) * b, 1, f + 12);
		expect_whole(&m, "contradict each other"); /* 12 is free */
		set_zone(&m, l, f + 12, true);
		put_zone(&m, l, (f + 12) * b, 1, f + 11);
		expect_whole(&m, "contradict each other"); /* a loop */
		put_zone(&m, l, (f + 12) * b, 1, 0);
		expect(&m, (uint64_t[]){ 0, (f + 1) * b, (f + 5) * b, 5 * b,
					 (f + 11) * b, 2 * b, (f + 100) * b, b,
					 last * b, b, 0, 0 });
	}
	set_zone(&m, l, last, false);
	expect_whole(&m, "contradict each other");
	image_free(&m);
}

static void
test_contradictions(const struct layout *l)
{
	uint32_t f = first(l), i;
	uint32_t wrong[] = { 1, f - 1, l->zones, 0xffff, f, f + 3 };
	struct image m;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		m = make(l);
		put_inode(&m, l, 2, 0100644, 1);
		name_zone(&m, l, 2, 3, wrong[i]);
		expect_whole(&m, "contradict each other");
		image_free(&m);
	}
	m = make(l);
	put_inode(&m, l, 2, 0100644, 1);
	set_bit(&m, 2ull * l->block, 2, false); /* linked, but free */
	expect_whole(&m, "contradict each other");
	image_free(&m);
	for (i = 0; i < 3; i++) {
		m = make(l);
		set_bit(&m, (i == 2 ? 3ull : 2ull) * l->block, i % 2, false);
		expect_whole(&m, "lack what is always");
		image_free(&m);
	}
}

static void
test_unclean(const struct layout *l)
{
	static const unsigned states[] = { 0, 2, 3 };
	struct image m = make(l);
	unsigned i;

	for (i = 0; i < 3; i++) {
		struct fy_fs_result result;
		struct fy_error err = { 0 };
		struct fy_extents *used;
		int r;

		put_byte(&m, 1042, states[i]);
		used = map(&m, false, &result, &r, &err);
		CHECK(r == -1 && err.code == FY_E_DIRTY);
		CHECK(strstr(err.msg, "fsck.minix") != NULL);
		CHECK(fy_extents_count(used) == 0);
		fy_extents_free(used);
		expect_whole(&m, "unclean");
	}
	image_free(&m);
}

static void
lie(const struct layout *l, uint64_t at, unsigned value, const char *note)
{
	struct image m = make(l);

	put_le16(&m, at, (uint16_t)value);
	expect_whole(&m, note);
	image_free(&m);
}

static void
test_lies(void)
{
	lie(&v1, 1024, 0, "contradicts itself");
	lie(&v1, 1024, 9000, "contradicts itself");
	lie(&v1, 1026, 301, "behind the end");
	lie(&v1, 1026, 9000, "contradicts itself");
	lie(&v1, 1026, 5, "contradicts itself");
	lie(&v1, 1028, 0, "contradicts itself");
	lie(&v1, 1028, 0xffff, "contradicts itself");
	lie(&v1, 1030, 0, "contradicts itself");
	lie(&v1, 1032, 2, "contradicts itself");
	lie(&v1, 1034, 1, "zones of several");
	lie(&v1, 1040, 0x7f13, "byte order");
	lie(&v2, 1046, 0xffff, "contradicts itself");
	lie(&v3, 1052, 1000, "impossible size");
	lie(&v3, 1052, 512, "impossible size");
	lie(&v3, 1036, 1, "zones of several");
	lie(&v3, 1054, 3, "revision");
	lie(&v3, 1046, 0x1000, "contradicts itself");
	lie(&v3, 1048, 0x5a4d, "byte order");
}

int
main(void)
{
	test_files(&v1);
	test_files(&v1_long);
	test_files(&v2);
	test_files(&v2_long);
	test_files(&v3);
	test_files(&v3_4k);
	test_contradictions(&v1);
	test_contradictions(&v2);
	test_contradictions(&v3_4k);
	test_unclean(&v1);
	test_unclean(&v2_long);
	test_lies();
	return 0;
}
