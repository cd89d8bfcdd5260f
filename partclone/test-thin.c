/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Thin pools: their metadata, and what is used of their data. */
#include "partclone/test-lvm-image.h"
#include "partclone/thin.h"

#define DISK  (64 * FY_MIB)
#define UNIT  (64 * FY_KIB) /* of the pool; an extent, too */
#define META  (PV_DATA)	    /* 16 extents */
#define DATA  (PV_DATA + 16 * PV_EXTENT)
#define BLOCK 4096u

static void
put_block(const struct image *m, uint64_t at, uint64_t block, unsigned char *b)
{
	fy_put_le64(b + 8, block);
	fy_put_le32(b, fy_thin_checksum(b, block == 0 ? FY_THIN_SALT_SUPER
						      : FY_THIN_SALT_NODE));
	put(m, at + block * BLOCK, b, BLOCK);
}

static void
put_pool(const struct image *m, uint64_t at, uint64_t transaction,
	 uint64_t data_blocks, uint32_t flags, uint64_t held)
{
	static unsigned char b[BLOCK];

	memset(b, 0, sizeof(b));
	fy_put_le32(b + 4, flags);
	fy_put_le64(b + 32, 27022010);
	fy_put_le32(b + 40, 2);
	fy_put_le64(b + 48, transaction);
	fy_put_le64(b + 56, held);
	fy_put_le64(b + 64, data_blocks);
	fy_put_le64(b + 320, 1);
	fy_put_le32(b + 336, UNIT / 512);
	fy_put_le32(b + 340, 8);
	put_block(m, at, 0, b);
}

/* A node of (key, value) pairs. */
static void
put_node(const struct image *m, uint64_t at, uint64_t block, bool leaf,
	 const uint64_t (*pairs)[2], unsigned n)
{
	static unsigned char b[BLOCK];
	unsigned i;

	memset(b, 0, sizeof(b));
	fy_put_le32(b + 4, leaf ? 2 : 1);
	fy_put_le32(b + 16, n);
	fy_put_le32(b + 20, 252);
	fy_put_le32(b + 24, 8);
	for (i = 0; i < n; i++) {
		fy_put_le64(b + 32 + 8 * (size_t)i, pairs[i][0]);
		fy_put_le64(b + 32 + 8 * (252 + (size_t)i), pairs[i][1]);
	}
	put_block(m, at, block, b);
}

#define TO(block) ((uint64_t)(block) << 24 | 5)

/* Devices 1 and 2 (a snapshot of it) and 9, which LVM does not know. */
static void
put_trees(const struct image *m)
{
	put_pool(m, META, 3, 64, 0, 0);
	put_node(m, META, 1, true,
		 (const uint64_t[][2]){ { 1, 2 }, { 2, 3 }, { 9, 4 } }, 3);
	put_node(m, META, 2, false, (const uint64_t[][2]){ { 0, 5 }, { 4, 6 } },
		 2);
	put_node(m, META, 5, true,
		 (const uint64_t[][2]){ { 0, TO(10) }, { 1, TO(3) } }, 2);
	put_node(m, META, 6, true, (const uint64_t[][2]){ { 5, TO(11) } }, 1);
	put_node(m, META, 3, true,
		 (const uint64_t[][2]){ { 0, TO(10) }, { 1, TO(20) } }, 2);
	put_node(m, META, 4, true, (const uint64_t[][2]){ { 7, TO(40) } }, 1);
	/* A swap is all that is used of the device. */
	put_swap(m, DATA + 10 * UNIT, 100 * PV_EXTENT, 4096);
}

static char *
pool_text(void)
{
	return vg_text(
		1, false, "",
		LV("pool", VISIBLE,
		   SEGMENT(1, 0, 64,
			   "type = \"thin-pool\"\nmetadata = \"pool_tmeta\"\n"
			   "pool = \"pool_tdata\"\ntransaction_id = 3\n"
			   "chunk_size = 128\ndiscards = \"passdown\"\n"
			   "zero_new_blocks = 1"),
		   1) LV("pool_tmeta", HIDDEN,
			 SEGMENT(1, 0, 16, LINEAR("pv0", 0)),
			 1) LV("pool_tdata", HIDDEN,
			       SEGMENT(1, 0, 64, LINEAR("pv0", 16)), 1)
			LV("thin", VISIBLE,
			   SEGMENT(1, 0, 100,
				   "type = \"thin\"\nthin_pool = \"pool\"\n"
				   "transaction_id = 0\ndevice_id = 1"),
			   1) LV("snap", VISIBLE,
				 SEGMENT(1, 0, 100,
					 "type = \"thin\"\nthin_pool = "
					 "\"pool\"\n"
					 "transaction_id = 1\ndevice_id = 2\n"
					 "origin = \"thin\""),
				 1));
}

/* All of the pool's data are used. */
static void
expect_whole(const struct image *m, const char *words)
{
	struct fy_disk_map *map = NULL;
	struct fy_error err = { 0 };

	CHECK_OK(fy_disk_map_read(m->volume, NULL, &map, &err), &err);
	CHECK(map->used_bytes == DATA + 64 * UNIT);
	if (!has_warning(map, words)) {
		size_t i, found = 0;

		for (i = 0; i < map->n_upper; i++)
			found += map->upper[i].note != NULL &&
				 strstr(map->upper[i].note, words) != NULL;
		CHECK(found > 0);
	}
	fy_disk_map_free(map);
}

static void
test_pool(void)
{
	struct image m = image_new(DISK, 512);
	struct fy_disk_map *map = NULL;
	struct fy_error err = { 0 };
	char *text = pool_text();
	const uint64_t used[] = {
		0, DATA, DATA + 10 * UNIT, UNIT, DATA + 40 * UNIT, UNIT, 0, 0
	};

	put_pv(&m, PV0, text);
	put_trees(&m);
	CHECK_OK(fy_disk_map_read(m.volume, NULL, &map, &err), &err);
	CHECK(extents_are(map->used, used));
	CHECK(map->n_upper == 2);
	CHECK(fy_streq(map->upper[0].filesystem, "swap"));
	CHECK(fy_streq(map->upper[1].filesystem, "swap"));
	fy_disk_map_free(map);

	/* Nothing is known on the device: all that it maps is used. */
	put_text(&m, DATA + 10 * UNIT + 4086, "          ");
	CHECK_OK(fy_disk_map_read(m.volume, NULL, &map, &err), &err);
	CHECK(extents_are(map->used,
			  (uint64_t[]){ 0, DATA, DATA + 3 * UNIT, UNIT,
					DATA + 10 * UNIT, 2 * UNIT,
					DATA + 20 * UNIT, UNIT,
					DATA + 40 * UNIT, UNIT, 0, 0 }));
	fy_disk_map_free(map);
	free(text);
	image_free(&m);
}

static void
test_doubts(void)
{
	struct image m = image_new(DISK, 512);
	char *text = pool_text();

	put_pv(&m, PV0, text);
	expect_whole(&m, "no superblock");
	put_trees(&m);
	put_pool(&m, META, 4, 64, 0, 0);
	expect_whole(&m, "same age");
	put_pool(&m, META, 3, 65, 0, 0);
	expect_whole(&m, "larger");
	put_pool(&m, META, 3, 64, 1, 0);
	expect_whole(&m, "check");
	put_pool(&m, META, 3, 64, 0, 8);
	expect_whole(&m, "held");
	put_pool(&m, META, 3, 64, 4, 0);
	expect_whole(&m, "not known");
	put_pool(&m, META, 3, 64, 0, 0);
	put_byte(&m, META + 100, 1);
	expect_whole(&m, "checksum");
	put_trees(&m);
	put_byte(&m, META + 5 * BLOCK + 40, 77);
	expect_whole(&m, "can't be read");
	free(text);
	image_free(&m);
}

/* Trees that are no trees.  The volumes on them can be looked at where the
 * first block is sound. */
static void
test_trees(void)
{
	struct image m = image_new(DISK, 512);
	char *text = pool_text();

	put_pv(&m, PV0, text);
	put_trees(&m);
	/* Out of order; out of the node's bounds; out of the pool. */
	put_node(&m, META, 6, true,
		 (const uint64_t[][2]){ { 6, TO(11) }, { 5, TO(12) } }, 2);
	expect_whole(&m, "order");
	put_node(&m, META, 6, true, (const uint64_t[][2]){ { 3, TO(11) } }, 1);
	expect_whole(&m, "order");
	put_node(&m, META, 6, true, (const uint64_t[][2]){ { 5, TO(64) } }, 1);
	expect_whole(&m, "out of the pool");
	/* A loop; a child outside. */
	put_node(&m, META, 2, false,
		 (const uint64_t[][2]){ { 0, 5 }, { 4, 2 } }, 2);
	expect_whole(&m, "order");
	put_node(&m, META, 2, false,
		 (const uint64_t[][2]){ { 0, 5 }, { 4, 999999 } }, 2);
	expect_whole(&m, "outside");
	put_node(&m, META, 1, false, (const uint64_t[][2]){ { 0, 1 } }, 1);
	expect_whole(&m, "no end");
	free(text);
	image_free(&m);
}

int
main(void)
{
	test_pool();
	test_doubts();
	test_trees();
	return 0;
}
