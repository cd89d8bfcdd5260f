/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * FAT12, FAT16 and FAT32 made here, byte by byte: used, free and bad clusters,
 * copies of the FAT that differ, dirty marks, and boot sectors that lie.
 */
#include "partclone/filesystem.h"
#include "partclone/test-image.h"

struct layout {
	unsigned bits;
	uint32_t sector, per_cluster, reserved, root_entries, fat_sectors;
	uint32_t total;
};

static const struct layout fat12 = { 12, 512, 1, 1, 16, 1, 104 };
static const struct layout fat16 = { 16, 512, 1, 1, 16, 32, 5066 };
static const struct layout fat32 = { 32, 512, 1, 32, 0, 521, 67672 };
static const struct layout fat16_4k = { 16, 4096, 1, 1, 128, 4, 5010 };

static uint64_t
data_offset(const struct layout *l)
{
	return ((uint64_t)l->reserved + 2 * l->fat_sectors) * l->sector +
	       l->root_entries * 32ull;
}

static void
set_entry(const struct image *m, const struct layout *l, unsigned fat,
	  uint32_t cluster, uint32_t value)
{
	uint64_t at =
		((uint64_t)l->reserved + fat * l->fat_sectors) * l->sector;
	unsigned char b[2];

	if (l->bits == 32) {
		put_le32(m, at + cluster * 4ull, value);
		return;
	}
	if (l->bits == 16) {
		put_le16(m, at + cluster * 2ull, (uint16_t)value);
		return;
	}
	at += cluster + cluster / 2;
	CHECK(pread(m->fd, b, 2, (off_t)at) == 2);
	if (cluster % 2 == 0)
		put_le16(m, at, (uint16_t)((fy_get_le16(b) & 0xf000) | value));
	else
		put_le16(m, at,
			 (uint16_t)((fy_get_le16(b) & 0x000f) | value << 4));
}

static void
set_both(const struct image *m, const struct layout *l, uint32_t cluster,
	 uint32_t value)
{
	set_entry(m, l, 0, cluster, value);
	set_entry(m, l, 1, cluster, value);
}

static struct image
make(const struct layout *l)
{
	struct image m = image_new((uint64_t)l->total * l->sector, 512);
	uint32_t end = l->bits == 32   ? 0x0fffffff
		       : l->bits == 16 ? 0xffff
				       : 0xfff;
	uint64_t ext = l->bits == 32 ? 64 : 36;

	put(&m, 0, "\xeb\x3c\x90mkfs.fat", 11);
	put_le16(&m, 11, (uint16_t)l->sector);
	put_byte(&m, 13, l->per_cluster);
	put_le16(&m, 14, (uint16_t)l->reserved);
	put_byte(&m, 16, 2);
	put_le16(&m, 17, (uint16_t)l->root_entries);
	if (l->total < 65536)
		put_le16(&m, 19, (uint16_t)l->total);
	else
		put_le32(&m, 32, l->total);
	put_byte(&m, 21, 0xf8);
	if (l->bits == 32) {
		put_le32(&m, 36, l->fat_sectors);
		put_le32(&m, 44, 2);
	} else {
		put_le16(&m, 22, (uint16_t)l->fat_sectors);
	}
	put_byte(&m, ext + 2, 0x29);
	put_le32(&m, ext + 3, 0x1234abcd);
	put_text(&m, ext + 7, "NO NAME    ");
	put_text(&m, ext + 18,
		 l->bits == 32	 ? "FAT32   "
		 : l->bits == 16 ? "FAT16   "
				 : "FAT12   ");
	put(&m, 510, "\x55\xaa", 2);
	set_both(&m, l, 0, end & 0x0ffffff8);
	set_both(&m, l, 1, end);
	return m;
}

/* The map; its result in 'ret', the extents are the caller's. */
static struct fy_extents *
map(const struct image *m, struct fy_fs_result *ret)
{
	const struct fy_fs_map_options options = { 0 };
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_info info;

	CHECK(used != NULL);
	CHECK_OK(fy_fs_identify(m->volume, &info, &err), &err);
	CHECK(info.driver == &fy_fs_fat && fy_streq(info.name, "vfat"));
	CHECK(fy_streq(info.uuid, "1234-ABCD"));
	CHECK_OK(fy_fs_map(m->volume, &info, &options, used, ret, &err), &err);
	return used;
}

static void
expect(const struct image *m, const uint64_t *pairs, const char *note)
{
	struct fy_fs_result result;
	struct fy_extents *used = map(m, &result);

	CHECK(!result.whole && extents_are(used, pairs));
	CHECK(strstr(result.note, note) != NULL);
	fy_extents_free(used);
}

static void
expect_whole(const struct image *m, const char *note)
{
	struct fy_fs_result result;
	struct fy_extents *used = map(m, &result);

	CHECK(result.whole && result.warn);
	CHECK(strstr(result.note, note) != NULL);
	CHECK(extents_are(used, (uint64_t[]){ 0, m->size, 0, 0 }));
	fy_extents_free(used);
}

static void
test_clusters(const struct layout *l)
{
	uint32_t end = l->bits == 32   ? 0x0fffffff
		       : l->bits == 16 ? 0xffff
				       : 0xfff;
	uint64_t data = data_offset(l), size = l->sector * l->per_cluster;
	uint32_t bad = end - 8;
	struct image m = make(l);

	expect(&m, (uint64_t[]){ 0, data, 0, 0 }, "");
	set_both(&m, l, 2, end);
	set_both(&m, l, 5, 6);
	set_both(&m, l, 6, end);
	set_both(&m, l, 9, 1); /* no sense, but not free */
	set_both(&m, l, 20, bad);
	expect(&m,
	       (uint64_t[]){ 0, data + size, data + 3 * size, 2 * size,
			     data + 7 * size, size, 0, 0 },
	       "1 bad clusters");
	/* What only one copy calls used, and what only one calls bad. */
	set_entry(&m, l, 1, 30, end);
	set_entry(&m, l, 0, 40, bad);
	set_entry(&m, l, 1, 20, 0);
	expect(&m,
	       (uint64_t[]){ 0, data + size, data + 3 * size, 2 * size,
			     data + 7 * size, size, data + 18 * size, size,
			     data + 28 * size, size, data + 38 * size, size, 0,
			     0 },
	       "differ in 3");
	image_free(&m);
}

/* All used: up to the last cluster, across the reader's windows. */
static void
test_full(const struct layout *l)
{
	uint64_t data = data_offset(l), clusters, i;
	uint64_t size = l->sector * l->per_cluster;
	struct image m = make(l);

	clusters = (m.size - data) / size;
	for (i = 0; i < clusters; i++)
		set_both(&m, l, (uint32_t)i + 2, 3);
	expect(&m, (uint64_t[]){ 0, m.size, 0, 0 }, "");
	set_both(&m, l, (uint32_t)clusters + 1, 0);
	expect(&m, (uint64_t[]){ 0, data + (clusters - 1) * size, 0, 0 }, "");
	image_free(&m);
}

static void
test_dirty(const struct layout *l, uint32_t mark, uint64_t flag_at)
{
	struct image m = make(l);

	if (mark != 0) {
		set_both(&m, l, 1, mark);
		expect_whole(&m, "dirty");
		image_free(&m);
		m = make(l);
	}
	put_byte(&m, flag_at, 1);
	expect_whole(&m, "dirty");
	image_free(&m);
}

static void
test_lies(void)
{
	struct image m = make(&fat16);
	uint64_t data = data_offset(&fat16);
	struct fy_fs_info info;
	struct fy_error err = { 0 };

	/* A FAT that is too short for its clusters: those are used. */
	put_le16(&m, 22, 16);
	put_le16(&m, 14, 33);		     /* the data stays where it is */
	set_entry(&m, &fat16, 1, 0, 0xfff8); /* 33 + 0 * 16: the new first */
	set_entry(&m, &fat16, 1, 1, 0xffff);
	put_le16(&m, 49 * 512, 0xfff8); /* 33 + 1 * 16: the second */
	put_le16(&m, 49 * 512 + 2, 0xffff);
	expect(&m,
	       (uint64_t[]){ 0, data, data + (16 * 256 - 2) * 512,
			     m.size - data - (16 * 256 - 2) * 512, 0, 0 },
	       "");
	image_free(&m);

	m = make(&fat16);
	put_le16(&m, 19, 6000);
	expect_whole(&m, "behind the end");
	put_le16(&m, 19, 5066);
	put_text(&m, 54, "FAT12   ");
	expect_whole(&m, "contradict");
	image_free(&m);

	/* No FAT at all. */
	m = make(&fat16);
	put_byte(&m, 13, 3);
	CHECK_OK(fy_fs_identify(m.volume, &info, &err), &err);
	CHECK(info.driver == NULL && info.name == NULL);
	put_byte(&m, 13, 1);
	put_text(&m, 3, "NTFS    ");
	CHECK_OK(fy_fs_identify(m.volume, &info, &err), &err);
	CHECK(fy_streq(info.name, "ntfs") && info.driver == &fy_fs_ntfs);
	image_free(&m);
}

/* FAT32 with mirroring off: only the active FAT counts. */
static void
test_active(void)
{
	uint64_t data = data_offset(&fat32);
	struct image m = make(&fat32);

	put_le16(&m, 40, 0x81);
	set_entry(&m, &fat32, 0, 5, 0x0fffffff);
	set_entry(&m, &fat32, 1, 7, 0x0fffffff);
	expect(&m, (uint64_t[]){ 0, data, data + 5 * 512, 512, 0, 0 }, "");
	put_le16(&m, 40, 0x83);
	expect_whole(&m, "not there");
	image_free(&m);
}

/* The label is the root directory's, also behind other entries. */
static void
test_label(const struct layout *l)
{
	uint64_t root = data_offset(l) - l->root_entries * 32ull;
	struct fy_error err = { 0 };
	struct fy_fs_info info;
	struct image m = make(l);

	if (l->bits == 32) {
		set_both(&m, l, 2, 10);
		set_both(&m, l, 10, 0x0fffffff);
		put_byte(&m, root + 3, 1);
	}
	put(&m, root, "FILE    TXT\x20", 12);
	put(&m, root + 32, "\xe5OLD       \x08", 12);
	put(&m, root + 64, "MY VOLUME  \x08", 12);
	CHECK_OK(fy_fs_identify(m.volume, &info, &err), &err);
	CHECK(fy_streq(info.label, "MY VOLUME"));
	image_free(&m);
}

int
main(void)
{
	test_clusters(&fat12);
	test_clusters(&fat16);
	test_clusters(&fat32);
	test_clusters(&fat16_4k);
	test_full(&fat12);
	test_full(&fat16);
	test_full(&fat32);
	test_dirty(&fat12, 0, 37);
	test_dirty(&fat16, 0x7fff, 37);
	test_dirty(&fat16, 0xbfff, 37);
	test_dirty(&fat32, 0x07ffffff, 65);
	test_lies();
	test_active();
	test_label(&fat12);
	test_label(&fat16);
	test_label(&fat32);
	return 0;
}
