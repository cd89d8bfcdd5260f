/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * exFAT made here, byte by byte: used, free and bad clusters, two FATs, marks,
 * chains that lead astray, and boot regions that lie.
 */
#include "partclone/filesystem.h"
#include "partclone/test-image.h"

#define SECTOR 512u
#define FAT_AT 24u

struct layout {
	uint32_t clusters, fat_sectors, fats;
	uint32_t bitmap; /* clusters of one; the first begins with cluster 2 */
};

static const struct layout small = { 300, 3, 1, 1 };
static const struct layout large = { 140000, 1100, 1, 35 };
static const struct layout texfat = { 300, 3, 2, 1 };

#define TAIL 5u /* sectors behind the last cluster */

static uint64_t
heap(const struct layout *l)
{
	return (uint64_t)(FAT_AT + l->fats * l->fat_sectors) * SECTOR;
}

static uint64_t
at(const struct layout *l, uint32_t cluster)
{
	return heap(l) + (uint64_t)(cluster - 2) * SECTOR;
}

/* The clusters of upcase table and root, behind the bitmaps. */
static uint32_t
upcase(const struct layout *l)
{
	return 2 + l->fats * l->bitmap;
}

static uint32_t
root(const struct layout *l)
{
	return upcase(l) + 1;
}

static uint64_t
first_free(const struct layout *l)
{
	return at(l, root(l) + 1);
}

static void
link_in(const struct image *m, const struct layout *l, uint32_t fat,
	uint32_t cluster, uint32_t value)
{
	put_le32(m,
		 (FAT_AT + fat * l->fat_sectors) * (uint64_t)SECTOR +
			 cluster * 4ull,
		 value);
}

static void
link_both(const struct image *m, const struct layout *l, uint32_t cluster,
	  uint32_t value)
{
	uint32_t i;

	for (i = 0; i < l->fats; i++)
		link_in(m, l, i, cluster, value);
}

static void
set_used_in(const struct image *m, const struct layout *l, uint32_t bitmap,
	    uint32_t cluster, bool used)
{
	uint64_t byte = at(l, 2 + bitmap * l->bitmap) + (cluster - 2) / 8;
	unsigned char b;

	CHECK(pread(m->fd, &b, 1, (off_t)byte) == 1);
	b = (unsigned char)(b & ~(1u << (cluster - 2) % 8));
	put_byte(m, byte, b | (unsigned)used << (cluster - 2) % 8);
}

static void
set_used(const struct image *m, const struct layout *l, uint32_t cluster,
	 bool used)
{
	uint32_t i;

	for (i = 0; i < l->fats; i++)
		set_used_in(m, l, i, cluster, used);
}

/* Seal one boot region; 'where' in sectors. */
static void
seal(const struct image *m, uint64_t where)
{
	unsigned char r[11 * SECTOR];
	uint32_t sum = 0;
	size_t i;

	CHECK(pread(m->fd, r, sizeof(r), (off_t)(where * SECTOR)) ==
	      (ssize_t)sizeof(r));
	for (i = 0; i < sizeof(r); i++)
		if (i != 106 && i != 107 && i != 112)
			sum = (sum >> 1 | (sum & 1) << 31) + r[i];
	for (i = 0; i < SECTOR; i += 4)
		put_le32(m, (where + 11) * SECTOR + i, sum);
}

static void
seal_both(const struct image *m)
{
	unsigned char boot[SECTOR];

	CHECK(pread(m->fd, boot, SECTOR, 0) == SECTOR);
	put(m, 12 * SECTOR, boot, SECTOR);
	seal(m, 0);
	seal(m, 12);
}

/* An entry that names a file: 'slot' of the directory in 'cluster'. */
static void
put_entry(const struct image *m, const struct layout *l, uint32_t cluster,
	  unsigned slot, unsigned type, unsigned flags, uint32_t first,
	  uint32_t bytes)
{
	uint64_t where = at(l, cluster) + 32ull * slot;

	put_byte(m, where, type);
	put_byte(m, where + 1, flags);
	put_le32(m, where + 20, first);
	put_le32(m, where + 24, bytes);
}

static struct image
make(const struct layout *l)
{
	struct image m =
		image_new(heap(l) + (l->clusters + TAIL) * SECTOR, 512);
	uint32_t i, k;

	put(&m, 0,
	    "\xeb\x76\x90"
	    "EXFAT   ",
	    11);
	put_le32(&m, 72, (uint32_t)(m.size / SECTOR));
	put_le32(&m, 80, FAT_AT);
	put_le32(&m, 84, l->fat_sectors);
	put_le32(&m, 88, (uint32_t)(heap(l) / SECTOR));
	put_le32(&m, 92, l->clusters);
	put_le32(&m, 96, root(l));
	put_le32(&m, 100, 0x1234abcd);
	put_le16(&m, 104, 0x0100);
	put_byte(&m, 108, 9);
	put_byte(&m, 110, l->fats);
	put(&m, 510, "\x55\xaa", 2);
	seal_both(&m);
	for (i = 0; i < l->fats; i++) {
		uint32_t first = 2 + i * l->bitmap;

		put_entry(&m, l, root(l), 1 + i, 0x81, i, first,
			  (l->clusters + 7) / 8);
		for (k = 0; k < l->bitmap; k++)
			link_both(&m, l, first + k,
				  k + 1 < l->bitmap ? first + k + 1
						    : 0xffffffff);
	}
	put_entry(&m, l, root(l), 3, 0x82, 0, upcase(l), 60);
	put(&m, at(l, root(l)), "\x83\4n\0a\0m\0e\0", 10);
	link_both(&m, l, upcase(l), 0xffffffff);
	link_both(&m, l, root(l), 0xffffffff);
	for (i = 2; i <= root(l); i++)
		set_used(&m, l, i, true);
	if (l->fats == 1) /* no hole in the directory */
		put_byte(&m, at(l, root(l)) + 64, 0x05);
	return m;
}

static struct fy_extents *
map(const struct image *m, struct fy_fs_result *ret)
{
	const struct fy_fs_map_options options = { 0 };
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_info info;

	CHECK(used != NULL);
	CHECK_OK(fy_fs_identify(m->volume, &info, &err), &err);
	CHECK(info.driver == &fy_fs_exfat && fy_streq(info.name, "exfat"));
	CHECK_OK(fy_fs_map(m->volume, &info, &options, used, ret, &err), &err);
	return used;
}

/* The tail behind the last cluster is expected by itself. */
static void
expect(const struct image *m, const uint64_t *pairs, const char *note)
{
	uint64_t all[32], n;
	struct fy_fs_result result;
	struct fy_extents *used = map(m, &result);

	for (n = 0; pairs[n + 1] != 0; n += 2)
		memcpy(all + n, pairs + n, 16);
	all[n] = m->size - TAIL * SECTOR;
	all[n + 1] = TAIL * SECTOR;
	all[n + 2] = all[n + 3] = 0;
	CHECK(!result.whole && extents_are(used, all));
	if (note[0] == '\0' ? result.note[0] != '\0'
			    : strstr(result.note, note) == NULL)
		fprintf(stderr, "note: %s\n", result.note);
	CHECK(note[0] == '\0' ? result.note[0] == '\0'
			      : strstr(result.note, note) != NULL);
	fy_extents_free(used);
}

static void
expect_whole(const struct image *m, const char *note)
{
	struct fy_fs_result result;
	struct fy_extents *used = map(m, &result);

	if (!result.whole || strstr(result.note, note) == NULL)
		fprintf(stderr, "note: %s, not: %s\n", result.note, note);
	CHECK(result.whole && result.warn);
	CHECK(strstr(result.note, note) != NULL);
	CHECK(extents_are(used, (uint64_t[]){ 0, m->size, 0, 0 }));
	fy_extents_free(used);
}

static void
test_clusters(const struct layout *l)
{
	uint64_t meta = first_free(l);
	uint32_t last = l->clusters + 1;
	struct image m = make(l);
	struct fy_error err = { 0 };
	struct fy_fs_info info;

	CHECK_OK(fy_fs_identify(m.volume, &info, &err), &err);
	CHECK(fy_streq(info.uuid, "1234-ABCD"));
	CHECK(fy_streq(info.label, "name"));
	expect(&m, (uint64_t[]){ 0, meta, 0, 0 }, "");
	set_used(&m, l, 200, true);
	set_used(&m, l, 201, true);
	set_used(&m, l, last - 1, true);
	expect(&m,
	       (uint64_t[]){ 0, meta, at(l, 200), 2 * SECTOR, at(l, last - 1),
			     SECTOR, 0, 0 },
	       "");
	/* Bits behind the last cluster mean nothing. */
	put_byte(&m, at(l, 2) + (l->clusters + 7) / 8 - 1, 0xf0);
	image_free(&m);
}

/* A bitmap in pieces that lie backwards, and bits across the windows. */
static void
test_scattered(void)
{
	const struct layout *l = &large;
	struct image m = make(l);
	unsigned char piece[SECTOR];
	uint32_t i;

	for (i = 32760; i < 32790; i++)
		set_used(&m, l, i, true);
	for (i = 98303; i < 98309; i++)
		set_used(&m, l, i, true);
	for (i = 0; i + 1 < l->bitmap; i++)
		set_used(&m, l, 500 - i, true);
	for (i = 1; i < l->bitmap; i++) {
		CHECK(pread(m.fd, piece, SECTOR, (off_t)at(l, 2 + i)) ==
		      SECTOR);
		put(&m, at(l, 501 - i), piece, SECTOR);
		memset(piece, 0xff, SECTOR);
		put(&m, at(l, 2 + i), piece, SECTOR);
		link_both(&m, l, i == 1 ? 2 : 502 - i, 501 - i);
	}
	link_both(&m, l, 501 - (l->bitmap - 1), 0xffffffff);
	expect(&m,
	       (uint64_t[]){ 0, first_free(l), at(l, 500 - l->bitmap + 2),
			     (l->bitmap - 1) * SECTOR, at(l, 32760),
			     30 * SECTOR, at(l, 98303), 6 * SECTOR, 0, 0 },
	       "");
	image_free(&m);
}

/* Bad clusters: nobody's, a file's in one piece, a file's of the FAT. */
static void
test_bad(void)
{
	const struct layout *l = &small;
	struct image m = make(l);
	uint64_t meta = first_free(l);
	uint32_t i;

	for (i = 100; i <= 110; i++)
		set_used(&m, l, i, true);
	link_both(&m, l, 101, 0xfffffff7);
	link_both(&m, l, 110, 0xfffffff7);
	link_both(&m, l, 120, 0xfffffff7); /* free in any case */
	expect(&m,
	       (uint64_t[]){ 0, meta, at(l, 100), SECTOR, at(l, 102),
			     8 * SECTOR, 0, 0 },
	       "2 bad clusters");

	/* A directory in one piece holds a file in one piece over it. */
	put_byte(&m, at(l, root(l)) + 128, 0x85);
	put_byte(&m, at(l, root(l)) + 132, 0x10);
	put_entry(&m, l, root(l), 5, 0xc0, 3, 105, SECTOR);
	put_byte(&m, at(l, 105), 0x85);
	put_entry(&m, l, 105, 1, 0xc0, 3, 100, 2 * SECTOR - 100);
	expect(&m, (uint64_t[]){ 0, meta, at(l, 100), 10 * SECTOR, 0, 0 },
	       "1 bad clusters");
	/* The same through a chain: the directory's second cluster. */
	put_entry(&m, l, root(l), 5, 0xc0, 1, 106, 2 * SECTOR);
	link_both(&m, l, 106, 105);
	link_both(&m, l, 105, 0xffffffff);
	for (i = 0; i < SECTOR; i += 32)
		put_byte(&m, at(l, 106) + i, 0x05);
	expect(&m, (uint64_t[]){ 0, meta, at(l, 100), 10 * SECTOR, 0, 0 },
	       "1 bad clusters");
	/* Something leads to the other one. */
	link_both(&m, l, 108, 110);
	expect(&m, (uint64_t[]){ 0, meta, at(l, 100), 11 * SECTOR, 0, 0 }, "");
	link_both(&m, l, 108, 0);
	/* A directory that can't be followed proves nothing. */
	link_both(&m, l, 105, 7000);
	expect(&m, (uint64_t[]){ 0, meta, at(l, 100), 11 * SECTOR, 0, 0 }, "");
	link_both(&m, l, 105, 0xffffffff);
	put_byte(&m, at(l, 106), 0x8a); /* an unknown, critical entry */
	expect(&m, (uint64_t[]){ 0, meta, at(l, 100), 11 * SECTOR, 0, 0 }, "");
	image_free(&m);
}

/* Two FATs: what either bitmap calls used. */
static void
test_texfat(void)
{
	const struct layout *l = &texfat;
	struct image m = make(l);
	uint64_t meta = first_free(l);

	set_used_in(&m, l, 0, 50, true);
	set_used_in(&m, l, 1, 60, true);
	expect(&m,
	       (uint64_t[]){ 0, meta, at(l, 50), SECTOR, at(l, 60), SECTOR, 0,
			     0 },
	       "");
	put_byte(&m, 106, 1);
	expect(&m,
	       (uint64_t[]){ 0, meta, at(l, 50), SECTOR, at(l, 60), SECTOR, 0,
			     0 },
	       "");
	/* Bad only if both say so. */
	link_in(&m, l, 0, 50, 0xfffffff7);
	link_both(&m, l, 60, 0xfffffff7);
	expect(&m, (uint64_t[]){ 0, meta, at(l, 50), SECTOR, 0, 0 },
	       "1 bad clusters");
	link_in(&m, l, 0, root(l), 50);
	expect_whole(&m, "root directory");
	image_free(&m);

	m = make(l);
	put_byte(&m, at(l, root(l)) + 64, 0x05);
	expect_whole(&m, "doesn't name");
	image_free(&m);
	m = make(&small);
	put_byte(&m, 106, 1);
	expect_whole(&m, "not there");
	image_free(&m);
}

static void
test_marks(void)
{
	struct image m = make(&small);

	put_byte(&m, 106, 2);
	expect_whole(&m, "dirty");
	put_byte(&m, 106, 4);
	expect_whole(&m, "medium");
	put_byte(&m, 106, 8);
	put_byte(&m, 112, 77);
	expect(&m, (uint64_t[]){ 0, first_free(&small), 0, 0 }, "");
	/* The bitmap calls the root directory free. */
	set_used(&m, &small, root(&small), false);
	expect(&m, (uint64_t[]){ 0, first_free(&small), 0, 0 },
	       "1 clusters of exFAT's own");
	image_free(&m);
}

static void
test_chains(void)
{
	const struct layout *l = &small;
	static const uint32_t astray[] = {
		0, 1, 302, 0xfffffff7, 0xfffffff8, 4
	};
	uint32_t i;
	struct image m;

	for (i = 0; i < 6; i++) {
		m = make(l);
		link_both(&m, l, root(l), astray[i]);
		expect_whole(&m, "root directory");
		image_free(&m);
		m = make(l);
		link_both(&m, l, 2, astray[i]);
		expect_whole(&m, "can't be followed");
		image_free(&m);
	}
	m = make(l);
	put_le32(&m, at(l, root(l)) + 32 + 24, 37); /* of 38 bytes */
	expect_whole(&m, "can't be followed");
	put_le32(&m, at(l, root(l)) + 32 + 24, 38);
	put_le32(&m, at(l, root(l)) + 32 + 28, 1);
	expect_whole(&m, "can't be followed");
	put_le32(&m, at(l, root(l)) + 32 + 28, 0);
	put_entry(&m, l, root(l), 2, 0x81, 0, 50, 38);
	expect_whole(&m, "doesn't name");
	put_entry(&m, l, root(l), 2, 0x05, 0, 0, 0);
	put_entry(&m, l, root(l), 3, 0x82, 0, 2, 60);
	expect_whole(&m, "share");
	put_entry(&m, l, root(l), 3, 0x82, 0, 0, 60);
	expect_whole(&m, "doesn't name");
	image_free(&m);
}

/* 'value' of 'len' bytes at 'where' of a boot sector that is sealed again. */
static void
lie(uint64_t where, uint32_t value, size_t len, const char *note)
{
	struct image m = make(&small);
	unsigned char b[4];

	fy_put_le32(b, value);
	put(&m, where, b, len);
	seal_both(&m);
	expect_whole(&m, note);
	image_free(&m);
}

static void
test_lies(void)
{
	struct image m;

	lie(20, 1, 1, "not one of exFAT");
	lie(72, 326, 4, "contradicts itself");
	lie(72, 333, 4, "behind the end");
	lie(76, 0xffffffff, 4, "impossible");
	lie(80, 23, 4, "contradicts itself");
	lie(80, 25, 4, "contradicts itself");
	lie(84, 2, 4, "contradicts itself");
	lie(84, 0xffffffff, 4, "contradicts itself");
	lie(88, 26, 4, "contradicts itself");
	lie(88, 0xffffffff, 4, "contradicts itself");
	lie(92, 0, 4, "contradicts itself");
	lie(92, 306, 4, "contradicts itself");
	lie(92, 0xffffffff, 4, "contradicts itself");
	lie(96, 1, 4, "contradicts itself");
	lie(96, 302, 4, "contradicts itself");
	lie(104, 0x0101, 2, "revision");
	lie(108, 8, 1, "impossible");
	lie(108, 13, 1, "impossible");
	lie(109, 17, 1, "impossible");
	lie(110, 0, 1, "not there");
	lie(110, 3, 1, "not there");

	m = make(&small);
	put_byte(&m, 5 * SECTOR, 1);
	expect_whole(&m, "checksum");
	put_byte(&m, 5 * SECTOR, 0);
	put_byte(&m, 11 * SECTOR + 511, 1);
	expect_whole(&m, "checksum");
	image_free(&m);

	m = make(&small);
	put_byte(&m, 14 * SECTOR, 1);
	expect(&m, (uint64_t[]){ 0, first_free(&small), 0, 0 },
	       "backup boot region is damaged");
	put_byte(&m, 14 * SECTOR, 0);
	put_le32(&m, 12 * SECTOR + 92, 299);
	seal(&m, 12);
	expect_whole(&m, "different layouts");
	image_free(&m);
}

int
main(void)
{
	test_clusters(&small);
	test_clusters(&large);
	test_clusters(&texfat);
	test_scattered();
	test_bad();
	test_texfat();
	test_marks();
	test_chains();
	test_lies();
	return 0;
}
