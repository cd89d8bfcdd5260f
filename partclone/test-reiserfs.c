/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ReiserFS made here, byte by byte: three bitmaps in both places that they can
 * be in, journals with and without something to replay, marks, and numbers
 * that lie.
 */
#include "partclone/filesystem.h"
#include "partclone/test-driver.h"

#define BLOCK	1024u
#define PER_MAP 8192u
#define BLOCKS	(2 * PER_MAP + 100)
#define JOURNAL 20u /* blocks, without its header */
#define ROOT	200u

struct layout {
	uint32_t super, journal; /* blocks */
	uint32_t bitmaps[3];
};

static const struct layout new_place = { 64, 66, { 65, PER_MAP, 2 * PER_MAP } };
static const struct layout old_place = { 8, 12, { 9, 10, 11 } };

static void
mark(const struct image *m, const struct layout *l, uint32_t block, bool used)
{
	uint64_t at = (uint64_t)l->bitmaps[block / PER_MAP] * BLOCK +
		      block % PER_MAP / 8;
	uint64_t super = (uint64_t)l->super * BLOCK;
	unsigned char b, old, count[4];

	CHECK(pread(m->fd, &b, 1, (off_t)at) == 1);
	CHECK(pread(m->fd, count, 4, (off_t)(super + 4)) == 4);
	old = b;
	b = (unsigned char)(used ? b | 1 << block % 8 : b & ~(1 << block % 8));
	put_byte(m, at, b);
	if (b != old)
		put_le32(m, super + 4,
			 fy_get_le32(count) + (used ? UINT32_MAX : 1));
}

static struct image
make(const struct layout *l, const char *magic)
{
	struct image m = image_new((uint64_t)(BLOCKS + 3) * BLOCK, 512);
	uint64_t s = (uint64_t)l->super * BLOCK;
	uint32_t i;

	put_le32(&m, s, BLOCKS);
	put_le32(&m, s + 4, BLOCKS);
	put_le32(&m, s + 8, ROOT);
	put_le32(&m, s + 12, l->journal);
	put_le32(&m, s + 20, JOURNAL);
	put_le32(&m, s + 24, 10);
	put_le16(&m, s + 44, BLOCK);
	put_le16(&m, s + 50, 1);
	put_text(&m, s + 52, magic);
	put_le16(&m, s + 70, 3);
	put_le16(&m, s + 72, magic[6] == 'F' ? 0 : 2);
	for (i = 0; i <= l->super; i++)
		mark(&m, l, i, true);
	for (i = 0; i < 3; i++)
		mark(&m, l, l->bitmaps[i], true);
	for (i = 0; i <= JOURNAL; i++)
		mark(&m, l, l->journal + i, true);
	mark(&m, l, ROOT, true);
	return m;
}

/* The extents are these (first, count) pairs of blocks. */
static void
expect(const struct image *m, const uint64_t *blocks, const char *note)
{
	struct fy_error err = { 0 };
	fy_autoextents struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;
	uint64_t pairs[32] = { 0 };
	size_t i;

	for (i = 0; blocks[i + 1] != 0; i += 2) {
		pairs[i] = blocks[i] * BLOCK;
		pairs[i + 1] = blocks[i + 1] * BLOCK;
	}
	CHECK_OK(driver_map(&fy_fs_reiserfs, m, false, used, &result, &err),
		 &err);
	CHECK(!result.whole && extents_are(used, pairs));
	CHECK(strstr(result.note, note) != NULL);
	CHECK(result.warn == (note[0] != '\0'));
	CHECK(result.bytes == (uint64_t)BLOCKS * BLOCK);
}

static void
expect_refused(const struct image *m, enum fy_error_code code, const char *say)
{
	driver_expect_refused(&fy_fs_reiserfs, m, code, say);
	driver_expect_whole(&fy_fs_reiserfs, m,
			    code == FY_E_DIRTY ? "unclean" : "another device");
}

static const uint64_t new_plain[] = { 0, 87,	      ROOT, 1, PER_MAP,
				      1, PER_MAP * 2, 1,    0, 0 };

static void
test_new_place(void)
{
	struct image m = make(&new_place, "ReIsEr2Fs");

	expect(&m, new_plain, "");
	mark(&m, &new_place, 8191, true);
	mark(&m, &new_place, 9000, true);
	mark(&m, &new_place, 9001, true);
	mark(&m, &new_place, 2 * PER_MAP - 1, true);
	mark(&m, &new_place, BLOCKS - 1, true);
	expect(&m,
	       (uint64_t[]){ 0, 87, ROOT, 1, PER_MAP - 1, 2, 9000, 2,
			     2 * PER_MAP - 1, 2, BLOCKS - 1, 1, 0, 0 },
	       "");
	/* Bits behind the last block say nothing. */
	put_byte(&m, 2 * PER_MAP * BLOCK + 13, 0xff);
	expect(&m,
	       (uint64_t[]){ 0, 87, ROOT, 1, PER_MAP - 1, 2, 9000, 2,
			     2 * PER_MAP - 1, 2, BLOCKS - 1, 1, 0, 0 },
	       "");
	image_free(&m);
}

static void
test_old_place(void)
{
	struct image m = make(&old_place, "ReIsErFs");

	expect(&m, (uint64_t[]){ 0, 33, ROOT, 1, 0, 0 }, "");
	mark(&m, &old_place, PER_MAP, true);
	mark(&m, &old_place, BLOCKS - 1, true);
	expect(&m,
	       (uint64_t[]){ 0, 33, ROOT, 1, PER_MAP, 1, BLOCKS - 1, 1, 0, 0 },
	       "");
	/* Both places at once. */
	put_text(&m, 65536 + 52, "ReIsEr2Fs");
	driver_expect_whole(&fy_fs_reiserfs, &m, "or two");
	image_free(&m);
}

/* What is used in spite of the bitmaps, and what makes them unbelievable. */
static void
test_denied(void)
{
	struct image m = make(&new_place, "ReIsEr3Fs");

	mark(&m, &new_place, 3, false);
	mark(&m, &new_place, 64, false);
	mark(&m, &new_place, 70, false);
	mark(&m, &new_place, 86, false);
	mark(&m, &new_place, ROOT, false);
	mark(&m, &new_place, PER_MAP, false);
	expect(&m, new_plain, "6 blocks");
	put_byte(&m, PER_MAP * BLOCK + 100, 1);
	driver_expect_whole(&fy_fs_reiserfs, &m, "free blocks");
	image_free(&m);
}

static void
put_header(const struct image *m, uint32_t flushed, uint32_t place,
	   uint32_t mount)
{
	uint64_t at = (uint64_t)(new_place.journal + JOURNAL) * BLOCK;

	put_le32(m, at, flushed);
	put_le32(m, at + 4, place);
	put_le32(m, at + 8, mount);
}

/* A transaction of 'n' blocks at a place of the journal, with its commit. */
static void
put_transaction(const struct image *m, uint32_t place, uint32_t id, uint32_t n,
		uint32_t mount)
{
	uint64_t at = (uint64_t)(new_place.journal + place) * BLOCK;

	put_le32(m, at, id);
	put_le32(m, at + 4, n);
	put_le32(m, at + 8, mount);
	put_text(m, at + BLOCK - 12, "ReIsErLB");
	at = (uint64_t)(new_place.journal + (place + n + 1) % JOURNAL) * BLOCK;
	put_le32(m, at, id);
	put_le32(m, at + 4, n);
}

static void
test_journal(void)
{
	struct image m = make(&new_place, "ReIsEr2Fs");

	put_header(&m, 50, 18, 7);
	put_transaction(&m, 18, 50, 5, 7); /* an old one */
	expect(&m, new_plain, "");
	put_transaction(&m, 18, 51, 5, 6); /* of an earlier mount */
	expect(&m, new_plain, "");
	put_transaction(&m, 18, 51, 5, 7); /* its commit is past the end */
	expect_refused(&m, FY_E_DIRTY, "reiserfsck");
	put_transaction(&m, 18, 52, 5, 8);
	expect_refused(&m, FY_E_DIRTY, "replayed");
	put_le32(&m, (new_place.journal + 4) * BLOCK, 51); /* not committed */
	expect(&m, new_plain, "");
	put_transaction(&m, 18, 52, JOURNAL, 7); /* longer than the journal */
	expect(&m, new_plain, "");
	put_transaction(&m, 18, 52, 0, 7);
	expect(&m, new_plain, "");

	/* A header that says nothing: any transaction counts. */
	put_header(&m, 50, JOURNAL, 7);
	expect(&m, new_plain, "");
	put_transaction(&m, 3, 9, 4, 1);
	expect_refused(&m, FY_E_DIRTY, "replayed");
	put_header(&m, 0, 0, 0);
	expect_refused(&m, FY_E_DIRTY, "replayed");
	image_free(&m);
}

static void
test_marks(void)
{
	uint64_t s = (uint64_t)new_place.super * BLOCK;
	struct image m = make(&new_place, "ReIsEr2Fs");

	put_le16(&m, s + 50, 2);
	expect_refused(&m, FY_E_DIRTY, "not cleanly unmounted");
	put_le16(&m, s + 50, 1);
	put_le16(&m, s + 62, 1);
	expect_refused(&m, FY_E_DIRTY, "reiserfsck has found errors");
	put_le16(&m, s + 62, 0);
	put_le32(&m, s + 8, UINT32_MAX);
	expect_refused(&m, FY_E_DIRTY, "rebuilding");
	put_le32(&m, s + 8, ROOT);
	put_le32(&m, s + 16, 0x803);
	expect_refused(&m, FY_E_UNSUPPORTED, "another device");
	put_le32(&m, s + 16, 0);
	expect(&m, new_plain, "");
	put_text(&m, s + 52, "ReIsEr3Fs");
	put_le32(&m, s + 12, 0);
	expect_refused(&m, FY_E_UNSUPPORTED, "another device");
	image_free(&m);
}

static void
test_lies(void)
{
	uint64_t s = (uint64_t)new_place.super * BLOCK;
	struct image m = make(&new_place, "ReIsEr2Fs");

	put_le32(&m, s + 80, 2);
	driver_expect_whole(&fy_fs_reiserfs, &m, "feature");
	put_le32(&m, s + 80, 1);
	put_le16(&m, s + 72, 3);
	driver_expect_whole(&fy_fs_reiserfs, &m, "version");
	put_le16(&m, s + 72, 2);
	put_le16(&m, s + 44, 1000);
	driver_expect_whole(&fy_fs_reiserfs, &m, "superblock");
	put_le16(&m, s + 44, 16384);
	driver_expect_whole(&fy_fs_reiserfs, &m, "superblock");
	put_le16(&m, s + 44, BLOCK);
	put_le32(&m, s, BLOCKS + 4);
	driver_expect_whole(&fy_fs_reiserfs, &m, "behind the end");
	put_le32(&m, s, 20);
	driver_expect_whole(&fy_fs_reiserfs, &m, "superblock");
	put_le32(&m, s, 0);
	driver_expect_whole(&fy_fs_reiserfs, &m, "superblock");
	put_le32(&m, s, BLOCKS);
	put_le16(&m, s + 70, 2);
	driver_expect_whole(&fy_fs_reiserfs, &m, "superblock");
	put_le16(&m, s + 70, 3);
	put_le32(&m, s + 8, BLOCKS);
	driver_expect_whole(&fy_fs_reiserfs, &m, "outside");
	put_le32(&m, s + 8, ROOT);
	put_le32(&m, s + 12, 60);
	driver_expect_whole(&fy_fs_reiserfs, &m, "superblock");
	put_le32(&m, s + 12, BLOCKS - JOURNAL);
	driver_expect_whole(&fy_fs_reiserfs, &m, "superblock");
	put_le32(&m, s + 12, UINT32_MAX);
	driver_expect_whole(&fy_fs_reiserfs, &m, "superblock");
	put_le32(&m, s + 12, new_place.journal);
	put_le32(&m, s + 20, 0);
	driver_expect_whole(&fy_fs_reiserfs, &m, "superblock");
	put_le32(&m, s + 20, JOURNAL);
	expect(&m, new_plain, "");
	image_free(&m);
}

int
main(void)
{
	test_new_place();
	test_old_place();
	test_denied();
	test_journal();
	test_marks();
	test_lies();
	return 0;
}
