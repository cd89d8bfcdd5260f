/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The map of whole disks made here: gaps, swap, tails, --whole, disks that are
 * copied whole, and signatures.
 */
#include "partclone/test-image.h"

static struct fy_disk_map *
map_with(const struct image *m, const struct fy_disk_map_options *options)
{
	struct fy_error err = { 0 };
	struct fy_disk_map *map = NULL;

	CHECK_OK(fy_disk_map_read(m->volume, options, &map, &err), &err);
	CHECK(map->disk_bytes == m->size);
	CHECK(map->used_bytes == fy_extents_bytes(map->used));
	CHECK(fy_extents_end(map->used) <= m->size);
	return map;
}

static const struct fy_disk_volume *
find(const struct fy_disk_map *map, const char *path)
{
	size_t i;

	for (i = 0; i < map->n_volumes; i++)
		if (fy_streq(map->volumes[i].path, path))
			return &map->volumes[i];
	fprintf(stderr, "no volume %s\n", path);
	exit(1);
}

/* Swaps of all page sizes at 1 MiB; behind it a gap of over 16 MiB. */
static void
test_swap(void)
{
	const struct fy_disk_volume *v;
	struct fy_disk_map *map;
	uint32_t page;

	for (page = 4096; page <= 65536; page *= 2) {
		struct image m = image_new(64 * FY_MIB, 512);

		put_mbr(&m, 0, 0, 0, 0x82, 2048, 8192);
		put_swap(&m, FY_MIB, 4 * FY_MIB, page);
		map = map_with(&m, NULL);
		v = find(map, "p1");
		CHECK(fy_streq(v->filesystem, "swap"));
		CHECK(fy_streq(v->label, "paging"));
		CHECK(fy_streq(v->uuid,
			       "30313233-3435-3637-3839-616263646566"));
		CHECK(v->how == FY_HOW_MAP && v->used_bytes == page);
		CHECK(extents_are(map->used,
				  (uint64_t[]){ 0, FY_MIB + page, 5 * FY_MIB,
						FY_MIB, 63 * FY_MIB, FY_MIB, 0,
						0 }));
		CHECK(map->n_volumes == 3);
		CHECK(map->volumes[2].how == FY_HOW_SKIPPED);
		CHECK(map->volumes[2].used_bytes == 2 * FY_MIB);
		fy_disk_map_free(map);
		image_free(&m);
	}
}

static void
expect_whole_swap(const struct image *m, const char *name, const char *words)
{
	struct fy_disk_map *map = map_with(m, NULL);
	const struct fy_disk_volume *v = find(map, "p1");

	CHECK(v->how == FY_HOW_WHOLE && v->used_bytes == 4 * FY_MIB);
	CHECK(fy_streq(v->filesystem, name));
	CHECK(strstr(v->note, words) != NULL);
	CHECK(has_warning(map, words));
	fy_disk_map_free(map);
}

static void
test_odd_swap(void)
{
	struct image m = image_new(64 * FY_MIB, 512);

	put_mbr(&m, 0, 0, 0, 0x82, 2048, 8192);
	put_swap(&m, FY_MIB, 4 * FY_MIB, 4096);
	put_le32(&m, FY_MIB + 1028, 100000);
	expect_whole_swap(&m, "swap", "damaged");
	put_swap(&m, FY_MIB, 4 * FY_MIB, 4096);
	put_text(&m, FY_MIB + 4086, "S1SUSPEND");
	expect_whole_swap(&m, "swsuspend", "hibernated");
	put_text(&m, FY_MIB + 4086, "ULSUSPEND");
	expect_whole_swap(&m, "swsuspend", "hibernated");
	image_free(&m);
}

/* Signatures inside a large gap, and everything by all_gaps. */
static void
test_gaps(void)
{
	const struct fy_disk_map_options all = { .all_gaps = true };
	struct image m = image_new(512 * FY_MIB, 512);
	struct fy_disk_map *map;
	uint64_t gap = 5 * FY_MIB;

	put_mbr(&m, 0, 0, 0, 0x82, 2048, 8192);
	put_swap(&m, FY_MIB, 4 * FY_MIB, 4096);
	put_text(&m, gap + 64 * FY_MIB + 64, "_BHRfS_M");
	map = map_with(&m, NULL);
	CHECK(extents_are(map->used,
			  (uint64_t[]){ 0, FY_MIB + 4096, gap, FY_MIB,
					gap + 64 * FY_MIB, 8192, 511 * FY_MIB,
					FY_MIB, 0, 0 }));
	fy_disk_map_free(map);
	map = map_with(&m, &all);
	CHECK(extents_are(map->used, (uint64_t[]){ 0, FY_MIB + 4096, gap,
						   507 * FY_MIB, 0, 0 }));
	fy_disk_map_free(map);
	image_free(&m);
}

/* What lies behind a swap inside its partition: small, then large. */
static void
test_tail(void)
{
	struct image m = image_new(64 * FY_MIB, 512);
	const struct fy_disk_volume *v;
	struct fy_disk_map *map;

	put_mbr(&m, 0, 0, 0, 0x82, 2048, 63 * 2048);
	put_swap(&m, FY_MIB, 53 * FY_MIB, 4096);
	map = map_with(&m, NULL);
	v = find(map, "p1");
	CHECK(v->used_bytes == 4096 + 10 * FY_MIB);
	CHECK(extents_are(map->used,
			  (uint64_t[]){ 0, FY_MIB + 4096, 54 * FY_MIB,
					10 * FY_MIB, 0, 0 }));
	fy_disk_map_free(map);

	put_swap(&m, FY_MIB, 4 * FY_MIB, 4096);
	map = map_with(&m, NULL);
	CHECK(find(map, "p1")->used_bytes == 4096);
	v = &map->volumes[2];
	CHECK(fy_streq(v->path, "gap") && v->how == FY_HOW_SKIPPED);
	CHECK(v->start == 5 * FY_MIB && v->length == 59 * FY_MIB);
	CHECK(extents_are(map->used,
			  (uint64_t[]){ 0, FY_MIB + 4096, 5 * FY_MIB, FY_MIB,
					63 * FY_MIB, FY_MIB, 0, 0 }));
	fy_disk_map_free(map);
	image_free(&m);
}

/* EBRs far inside a gap, and a GPT's backup that is not at the end. */
static void
test_table_sectors(void)
{
	static const struct gpt_part parts[] = { { 2048, 4095, 1, 2, "" } };
	struct image m = image_new(128 * FY_MIB, 512);
	struct fy_disk_map *map;
	uint64_t ebr = 50 * FY_MIB, swap = 100 * FY_MIB;

	put_mbr(&m, 0, 0, 0, 0x05, 50 * 2048, 70 * 2048);
	put_mbr(&m, ebr, 0, 0, 0x82, 50 * 2048, 2048);
	put_swap(&m, swap, FY_MIB, 4096);
	map = map_with(&m, NULL);
	CHECK(extents_are(map->used,
			  (uint64_t[]){ 0, FY_MIB, ebr, 512, swap - FY_MIB,
					FY_MIB + 4096, swap + FY_MIB, FY_MIB,
					127 * FY_MIB, FY_MIB, 0, 0 }));
	CHECK(find(map, "p5")->start == swap);
	fy_disk_map_free(map);
	image_free(&m);

	m = image_new(64 * FY_MIB, 512);
	put_gpt(&m, 512, parts, 1);
	put_swap(&m, FY_MIB, FY_MIB, 4096);
	CHECK(ftruncate(m.fd, 256 * FY_MIB) == 0);
	fy_volume_close(m.volume);
	m.size = 256 * FY_MIB;
	{
		struct fy_error err = { 0 };
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", m.fd);
		CHECK_OK(fy_volume_open_path(path, 0, 512, &m.volume, &err),
			 &err);
	}
	map = map_with(&m, NULL);
	CHECK(has_warning(map, "not in the last one"));
	CHECK(extents_are(map->used,
			  (uint64_t[]){ 0, FY_MIB + 4096, 2 * FY_MIB, FY_MIB,
					64 * FY_MIB - 33 * 512, 33 * 512,
					255 * FY_MIB, FY_MIB, 0, 0 }));
	fy_disk_map_free(map);
	image_free(&m);
}

static void
test_whole_option(void)
{
	static const char *const p1[] = { "p1" }, *const p7[] = { "p7" };
	struct fy_disk_map_options options = { .whole = p1, .n_whole = 1 };
	struct image m = image_new(64 * FY_MIB, 512);
	struct fy_disk_map *map;
	struct fy_error err = { 0 };

	put_mbr(&m, 0, 0, 0, 0x82, 2048, 8192);
	put_swap(&m, FY_MIB, 4 * FY_MIB, 4096);
	map = map_with(&m, &options);
	CHECK(find(map, "p1")->how == FY_HOW_WHOLE);
	CHECK(find(map, "p1")->used_bytes == 4 * FY_MIB);
	fy_disk_map_free(map);
	options.whole = p7;
	CHECK(fy_disk_map_read(m.volume, &options, &map, &err) == -1);
	CHECK(err.code == FY_E_NOTFOUND && strstr(err.msg, "p7") != NULL);
	image_free(&m);
}

/* Disks of which nothing may be left out. */
static void
expect_all(const struct image *m, const char *words)
{
	struct fy_disk_map *map = map_with(m, NULL);

	CHECK(extents_are(map->used, (uint64_t[]){ 0, m->size, 0, 0 }));
	if (words != NULL)
		CHECK(has_warning(map, words));
	fy_disk_map_free(map);
}

static void
test_all_of_it(void)
{
	static const struct gpt_part overlap[] = {
		{ 2048, 40000, 1, 1, "" },
		{ 30000, 50000, 1, 2, "" },
	};
	struct image m = image_new(64 * FY_MIB, 512);

	expect_all(&m, NULL); /* nothing at all */
	put_mbr(&m, 0, 0, 0, 0xee, 1, 100000);
	expect_all(&m, "neither copy");
	put_gpt(&m, 512, overlap, 2);
	expect_all(&m, "overlap");
	image_free(&m);

	/* A swap behind an MBR, in a disk that is a RAID member. */
	m = image_new(64 * FY_MIB, 512);
	put_mbr(&m, 0, 0, 0, 0x82, 2048, 8192);
	put_swap(&m, FY_MIB, 4 * FY_MIB, 4096);
	put_text(&m, 64 * FY_MIB - 1024, "Intel Raid ISM Cfg Sig. ");
	expect_all(&m, "isw_raid_member");
	image_free(&m);
}

struct known {
	const char *name;
	uint64_t at;
	const char *magic;
	size_t len;
};

/* By signature alone: named and copied whole. */
static void
test_signatures(void)
{
	static const struct known list[] = {
		{ "xfs", 0, "XFSB", 4 },
		{ "btrfs", 65600, "_BHRfS_M", 8 },
		{ "ntfs", 3, "NTFS    ", 8 },
		{ "exfat", 3, "EXFAT   ", 8 },
		{ "crypto_LUKS", 0, "LUKS\xba\xbe\0\1", 8 },
		{ "BitLocker", 3, "-FVE-FS-", 8 },
		{ "iso9660", 32769, "CD001", 5 },
		{ "jfs", 32768, "JFS1", 4 },
		{ "f2fs", 1024, "\x10\x20\xf5\xf2", 4 },
	};
	struct fy_disk_map *map;
	size_t i;

	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct image m = image_new(8 * FY_MIB, 512);

		put_mbr(&m, 0, 0, 0, 0x83, 2048, 2048);
		put(&m, FY_MIB + list[i].at, list[i].magic, list[i].len);
		map = map_with(&m, NULL);
		CHECK(fy_streq(find(map, "p1")->filesystem, list[i].name));
		CHECK(find(map, "p1")->how == FY_HOW_WHOLE);
		CHECK(find(map, "p1")->used_bytes == FY_MIB);
		CHECK(find(map, "p1")->note != NULL);
		fy_disk_map_free(map);
		image_free(&m);
	}
}

/* A swap that a remnant of something else lies on is not mapped. */
static void
test_ambiguous(void)
{
	struct image m = image_new(64 * FY_MIB, 512);
	struct fy_disk_map *map;

	put_mbr(&m, 0, 0, 0, 0x82, 2048, 8192);
	put_swap(&m, FY_MIB, 4 * FY_MIB, 4096);
	put_text(&m, FY_MIB + 65600, "_BHRfS_M");
	map = map_with(&m, NULL);
	CHECK(find(map, "p1")->how == FY_HOW_WHOLE);
	CHECK(strstr(find(map, "p1")->note, "btrfs") != NULL);
	fy_disk_map_free(map);
	/* In a partition that belongs to a dynamic disk neither. */
	put_mbr(&m, 0, 0, 0, 0x42, 2048, 8192);
	put_text(&m, FY_MIB + 65600, "________");
	map = map_with(&m, NULL);
	CHECK(find(map, "p1")->how == FY_HOW_WHOLE);
	CHECK(strstr(find(map, "p1")->note, "LDM") != NULL);
	fy_disk_map_free(map);
	image_free(&m);
}

static void
test_probe(void)
{
	struct image m = image_new(64 * FY_MIB, 512);
	struct fy_disk_map *map = NULL;
	struct fy_error err = { 0 };
	json_t *j;

	put_mbr(&m, 0, 0, 0x80, 0x82, 2048, 8192);
	put_swap(&m, FY_MIB, 4 * FY_MIB, 4096);
	CHECK_OK(fy_disk_probe(m.volume, &map, &err), &err);
	CHECK(map->n_volumes == 1 && map->used_bytes == 0);
	CHECK(fy_streq(map->volumes[0].filesystem, "swap"));
	CHECK(map->volumes[0].boot);
	fy_disk_map_free(map);

	map = map_with(&m, NULL);
	j = fy_disk_map_json(map, true, &err);
	CHECK(j != NULL);
	CHECK(json_integer_value(json_object_get(j, "used_bytes")) ==
	      (json_int_t)map->used_bytes);
	CHECK(json_array_size(json_object_get(j, "extents")) == 3);
	CHECK(json_array_size(json_object_get(j, "volumes")) == 3);
	json_decref(j);
	fy_disk_map_free(map);
	image_free(&m);
}

int
main(void)
{
	test_swap();
	test_odd_swap();
	test_gaps();
	test_tail();
	test_table_sectors();
	test_whole_option();
	test_all_of_it();
	test_signatures();
	test_ambiguous();
	test_probe();
	return 0;
}
