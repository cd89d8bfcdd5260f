/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JFS made here, byte by byte: a block map of three dmaps whose two bitmaps
 * differ, in one piece, in several and behind an inner page of its extent tree;
 * marks, damage, and numbers that lie.
 */
#include "partclone/filesystem.h"
#include "partclone/test-driver.h"

#define BLOCK	   4096ull
#define DMAP	   8192u
#define BLOCKS	   (2 * DMAP + 100) /* mapped */
#define FSCK	   10u
#define LOG	   20u
#define END	   (BLOCKS + FSCK + LOG)
#define MAP_BLOCK  16u
#define MAP_PAGES  7u
#define OWN_BLOCKS (MAP_BLOCK + MAP_PAGES)
#define SUPER	   32768u
#define INODE	   (0xb000u + 1024)
#define ROOT	   (INODE + 224)

static void
put_le64(const struct image *m, uint64_t at, uint64_t v)
{
	put_le32(m, at, (uint32_t)v);
	put_le32(m, at + 4, (uint32_t)(v >> 32));
}

static uint32_t
read_le32(const struct image *m, uint64_t at)
{
	unsigned char b[4];

	CHECK(pread(m->fd, b, 4, (off_t)at) == 4);
	return fy_get_le32(b);
}

static void
put_pxd(const struct image *m, uint64_t at, uint64_t first, uint32_t count)
{
	put_le32(m, at, count | (uint32_t)(first >> 32) << 24);
	put_le32(m, at + 4, (uint32_t)first);
}

/* A page (or root) of an extent tree: its header, then 'n' descriptors. */
static void
put_tree(const struct image *m, uint64_t at, unsigned flag, unsigned n,
	 uint64_t self)
{
	put_byte(m, at + 16, flag);
	put_le16(m, at + 18, (uint16_t)(n + 2));
	put_pxd(m, at + 24, self, 1);
}

static void
put_xad(const struct image *m, uint64_t at, unsigned i, uint32_t page,
	uint64_t first, uint32_t count)
{
	at += 16 * (2 + (uint64_t)i);
	put_le32(m, at, 0);
	put_le32(m, at + 4, page);
	put_pxd(m, at + 8, first, count);
}

/* Where a page of the map is, when it is in one piece. */
static uint64_t
map_page(uint64_t page)
{
	return (MAP_BLOCK + page) * BLOCK;
}

/* Mark a block in the working map (1), the persistent map (2) or both (3). */
static void
mark(const struct image *m, uint32_t block, unsigned which)
{
	uint64_t page = map_page(4 + block / DMAP);
	uint32_t bit = 0x80000000u >> block % 32;
	uint64_t at = page + block % DMAP / 32 * 4;

	if (which & 1) {
		put_le32(m, at + 2048, read_le32(m, at + 2048) | bit);
		put_le32(m, page + 4, read_le32(m, page + 4) - 1);
	}
	if (which & 2)
		put_le32(m, at + 3072, read_le32(m, at + 3072) | bit);
}

static struct image
make(void)
{
	struct image m = image_new((END + 5) * BLOCK, 512);
	uint32_t i, n;

	put_text(&m, SUPER, "JFS1");
	put_le32(&m, SUPER + 4, 1);
	put_le64(&m, SUPER + 8, BLOCKS * 8);
	put_le32(&m, SUPER + 16, 4096);
	put_le32(&m, SUPER + 24, 512);
	put_le32(&m, SUPER + 36, 0x10200900);
	put_pxd(&m, SUPER + 72, BLOCKS + FSCK, LOG);
	put_pxd(&m, SUPER + 80, BLOCKS, FSCK);
	put_le32(&m, INODE + 4, 1);
	put_le32(&m, INODE + 8, 2);
	put_tree(&m, ROOT, 0x83, 1, 0);
	put_xad(&m, ROOT, 0, 0, MAP_BLOCK, MAP_PAGES);
	put_le64(&m, map_page(0), BLOCKS);
	for (i = 0; i < 3; i++) {
		n = i < 2 ? DMAP : BLOCKS - 2 * DMAP;
		put_le32(&m, map_page(4 + i), n);
		put_le32(&m, map_page(4 + i) + 4, n);
		put_le64(&m, map_page(4 + i) + 8, (uint64_t)i * DMAP);
	}
	for (i = 0; i < OWN_BLOCKS; i++)
		mark(&m, i, 3);
	return m;
}

/* The mapped blocks are these (first, count) pairs; what is behind them is used
 * in any case. */
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
	if (blocks[i - 1] + blocks[i - 2] == BLOCKS) {
		pairs[i - 1] += (FSCK + LOG) * BLOCK;
	} else {
		pairs[i++] = BLOCKS * BLOCK;
		pairs[i] = (FSCK + LOG) * BLOCK;
	}
	CHECK_OK(driver_map(&fy_fs_jfs, m, false, used, &result, &err), &err);
	CHECK(!result.whole && extents_are(used, pairs));
	CHECK(strstr(result.note, note) != NULL);
	CHECK(result.warn == (note[0] != '\0'));
	CHECK(result.bytes == END * BLOCK);
}

static void
test_bitmaps(void)
{
	struct image m = make();

	expect(&m, (uint64_t[]){ 0, OWN_BLOCKS, 0, 0 }, "");
	mark(&m, 100, 1); /* allocated, not yet committed */
	mark(&m, 200, 2); /* freed, not yet committed */
	mark(&m, 300, 3);
	mark(&m, 301, 3);
	mark(&m, DMAP - 1, 3);
	mark(&m, DMAP, 3);
	mark(&m, BLOCKS - 1, 3);
	expect(&m,
	       (uint64_t[]){ 0, OWN_BLOCKS, 100, 1, 200, 1, 300, 2, DMAP - 1, 2,
			     BLOCKS - 1, 1, 0, 0 },
	       "");
	image_free(&m);
}

/* A dmap that contradicts itself costs its blocks, and no more. */
static void
test_damaged_dmap(void)
{
	static const uint64_t places[] = { 0, 4, 8 };
	uint64_t at;
	size_t i;

	for (i = 0; i < 3; i++) {
		struct image m = make();

		at = map_page(5) + places[i];
		put_le32(&m, at, read_le32(&m, at) - 1);
		expect(&m, (uint64_t[]){ 0, OWN_BLOCKS, DMAP, DMAP, 0, 0 },
		       "1 pages");
		at = map_page(6) + places[i];
		put_le32(&m, at, 7);
		expect(&m,
		       (uint64_t[]){ 0, OWN_BLOCKS, DMAP, DMAP + 100, 0, 0 },
		       "2 pages");
		image_free(&m);
	}
}

/* The map calls its own blocks free. */
static void
test_denied(void)
{
	uint64_t page = map_page(4);
	struct image m = make();

	put_le32(&m, page + 2048, 0);
	put_le32(&m, page + 3072, 0);
	put_le32(&m, page + 4, DMAP);
	expect(&m, (uint64_t[]){ 0, OWN_BLOCKS, 0, 0 }, "23 blocks");
	put_le32(&m, page + 4, DMAP - 1);
	expect(&m, (uint64_t[]){ 0, DMAP, 0, 0 }, "1 pages");

	/* The second inode table and its map, unless it is called damaged. */
	put_le32(&m, page + 4, DMAP);
	put_pxd(&m, SUPER + 48, 50, 4);
	put_pxd(&m, SUPER + 56, DMAP - 1, 2);
	expect(&m, (uint64_t[]){ 0, OWN_BLOCKS, 50, 4, DMAP - 1, 2, 0, 0 },
	       "29 blocks");
	put_le32(&m, SUPER + 36, 0x10210900);
	expect(&m, (uint64_t[]){ 0, OWN_BLOCKS, 0, 0 }, "23 blocks");
	put_le32(&m, SUPER + 36, 0x10200900);
	put_pxd(&m, SUPER + 48, BLOCKS - 1, 4);
	driver_expect_whole(&fy_fs_jfs, &m, "outside");
	image_free(&m);
}

/* A log among the mapped blocks, and one that begins there. */
static void
test_log_inside(void)
{
	struct image m = make();

	put_pxd(&m, SUPER + 72, 500, 10);
	put_pxd(&m, SUPER + 80, BLOCKS - 2, FSCK + LOG + 2);
	expect(&m, (uint64_t[]){ 0, OWN_BLOCKS, 500, 10, BLOCKS - 2, 2, 0, 0 },
	       "12 blocks");
	image_free(&m);
}

/* Two pieces; then the same behind an inner page. */
static void
test_pieces(void)
{
	unsigned char page[4096];
	struct image m = make();

	CHECK(pread(m.fd, page, sizeof(page), (off_t)map_page(6)) == 4096);
	put(&m, 1000 * BLOCK, page, sizeof(page));
	memset(page, 0xff, sizeof(page));
	put(&m, map_page(6), page, sizeof(page));
	put_tree(&m, ROOT, 0x83, 2, 0);
	put_xad(&m, ROOT, 0, 0, MAP_BLOCK, 6);
	put_xad(&m, ROOT, 1, 6, 1000, 1);
	expect(&m, (uint64_t[]){ 0, OWN_BLOCKS, 1000, 1, 0, 0 }, "1 blocks");

	put_tree(&m, ROOT, 0x85, 2, 0);
	put_xad(&m, ROOT, 0, 0, 2000, 1);
	put_xad(&m, ROOT, 1, 6, 2001, 1);
	put_tree(&m, 2000 * BLOCK, 0x02, 1, 2000);
	put_xad(&m, 2000 * BLOCK, 0, 0, MAP_BLOCK, 6);
	put_tree(&m, 2001 * BLOCK, 0x02, 1, 2001);
	put_xad(&m, 2001 * BLOCK, 0, 6, 1000, 1);
	expect(&m, (uint64_t[]){ 0, OWN_BLOCKS, 1000, 1, 2000, 2, 0, 0 },
	       "3 blocks");

	put_xad(&m, 2001 * BLOCK, 0, 5, 1000, 1); /* there is a page 5 */
	driver_expect_whole(&fy_fs_jfs, &m, "extents");
	put_xad(&m, 2001 * BLOCK, 0, 7, 1000, 1); /* no page 6 */
	driver_expect_whole(&fy_fs_jfs, &m, "hole");
	put_xad(&m, 2001 * BLOCK, 0, 6, BLOCKS, 1);
	driver_expect_whole(&fy_fs_jfs, &m, "outside");
	put_xad(&m, 2001 * BLOCK, 0, 6, 1000, 0);
	driver_expect_whole(&fy_fs_jfs, &m, "extents");
	put_xad(&m, 2001 * BLOCK, 0, 6, 1000, 1);
	put_byte(&m, 2001 * BLOCK + 32, 8); /* allocated, but not written */
	driver_expect_whole(&fy_fs_jfs, &m, "extents");
	put_tree(&m, 2001 * BLOCK, 0x02, 1, 2000); /* another page's place */
	driver_expect_whole(&fy_fs_jfs, &m, "tree is damaged");
	put_tree(&m, 2001 * BLOCK, 0x04, 1, 2001); /* its own child */
	put_xad(&m, 2001 * BLOCK, 0, 6, 2001, 1);
	driver_expect_whole(&fy_fs_jfs, &m, "too large");
	put_tree(&m, 2001 * BLOCK, 0x06, 1, 2001);
	driver_expect_whole(&fy_fs_jfs, &m, "tree is damaged");
	put_tree(&m, 2001 * BLOCK, 0x02, 300, 2001);
	driver_expect_whole(&fy_fs_jfs, &m, "tree is damaged");
	image_free(&m);
}

/* Three inner pages full of references to the next one, and a leaf with nothing
 * in it: bounded by the number of pages, not only by the depth. */
static void
test_broad(void)
{
	struct image m = make();
	unsigned i, level;

	put_tree(&m, ROOT, 0x85, 1, 0);
	put_xad(&m, ROOT, 0, 0, 2003, 1);
	put_tree(&m, 2003 * BLOCK, 0x02, 0, 2003);
	driver_expect_whole(&fy_fs_jfs, &m, "hole");
	put_xad(&m, ROOT, 0, 0, 2000, 1);
	for (level = 2000; level < 2003; level++) {
		put_tree(&m, level * BLOCK, 0x04, 254, level);
		for (i = 0; i < 254; i++)
			put_xad(&m, level * BLOCK, i, 0, level + 1, 1);
	}
	driver_expect_whole(&fy_fs_jfs, &m, "too large");
	image_free(&m);
}

static void
test_super(void)
{
	struct image m = make();

	put_le32(&m, SUPER + 40, 1);
	driver_expect_refused(&fy_fs_jfs, &m, FY_E_DIRTY, "fsck.jfs");
	driver_expect_whole(&fy_fs_jfs, &m, "unclean");
	put_le32(&m, SUPER + 40, 0);
	put_le32(&m, SUPER + 36, 0x10200100);
	driver_expect_refused(&fy_fs_jfs, &m, FY_E_UNSUPPORTED,
			      "another device");
	driver_expect_whole(&fy_fs_jfs, &m, "another device");
	put_le32(&m, SUPER + 36, 0x90200900);
	driver_expect_whole(&fy_fs_jfs, &m, "feature");
	put_le32(&m, SUPER + 36, 0x10200900);
	put_le32(&m, SUPER + 44, 1);
	driver_expect_whole(&fy_fs_jfs, &m, "feature");
	put_le32(&m, SUPER + 44, 0);
	put_le32(&m, SUPER + 4, 3);
	driver_expect_whole(&fy_fs_jfs, &m, "version");
	put_le32(&m, SUPER + 4, 2);
	put_le32(&m, SUPER + 16, 1024);
	driver_expect_whole(&fy_fs_jfs, &m, "4096");
	put_le32(&m, SUPER + 16, 4096);
	put_le32(&m, SUPER + 24, 513);
	driver_expect_whole(&fy_fs_jfs, &m, "superblock");
	put_le32(&m, SUPER + 24, 512);
	put_le64(&m, SUPER + 8, UINT64_MAX - 7);
	driver_expect_whole(&fy_fs_jfs, &m, "superblock");
	put_le64(&m, SUPER + 8, (BLOCKS + 1) * 8);
	driver_expect_whole(&fy_fs_jfs, &m, "another size");
	put_le64(&m, SUPER + 8, (END + 6) * 8);
	driver_expect_whole(&fy_fs_jfs, &m, "behind the end");
	put_le64(&m, SUPER + 8, BLOCKS * 8);
	put_pxd(&m, SUPER + 72, BLOCKS + FSCK, LOG + 6);
	driver_expect_whole(&fy_fs_jfs, &m, "behind the end");
	put_pxd(&m, SUPER + 72, BLOCKS + FSCK, LOG);
	put_le32(&m, INODE + 8, 3);
	driver_expect_whole(&fy_fs_jfs, &m, "inode");
	put_le32(&m, INODE + 8, 2);
	expect(&m, (uint64_t[]){ 0, OWN_BLOCKS, 0, 0 }, "");
	image_free(&m);
}

int
main(void)
{
	test_bitmaps();
	test_damaged_dmap();
	test_denied();
	test_log_inside();
	test_pieces();
	test_broad();
	test_super();
	return 0;
}
