/* SPDX-License-Identifier: GPL-3.0-or-later */
/* md: superblocks of all versions, and what is used of a member. */
#include "partclone/md.h"
#include "partclone/test-image.h"

#define DISK (32 * FY_MIB)
#define DATA (20 * FY_MIB) /* of the array */

struct super {
	unsigned char b[256 + 2 * 8];
};

/* A member of a RAID 1 of two, in sync. */
static struct super
make_super(unsigned role, uint64_t at, uint64_t data_at)
{
	struct super s = { { 0 } };

	fy_put_le32(s.b, 0xa92b4efc);
	fy_put_le32(s.b + 4, 1);
	memset(s.b + 16, 0x77, 16);
	memcpy(s.b + 32, "host:data", 9);
	fy_put_le32(s.b + 72, 1);
	fy_put_le64(s.b + 80, DATA / 512);
	fy_put_le32(s.b + 92, 2);
	fy_put_le64(s.b + 128, data_at / 512);
	fy_put_le64(s.b + 136, DATA / 512 + 8);
	fy_put_le64(s.b + 144, at / 512);
	fy_put_le32(s.b + 160, role);
	fy_put_le64(s.b + 200, 42);
	fy_put_le64(s.b + 208, UINT64_MAX);
	fy_put_le32(s.b + 220, 8);
	memset(s.b + 256, 0xff, 16);
	fy_put_le16(s.b + 256, 0);
	fy_put_le16(s.b + 258, 1);
	return s;
}

static void
put_super(const struct image *m, uint64_t at, struct super *s)
{
	uint64_t sum = 0;
	size_t i;

	fy_put_le32(s->b + 216, 0);
	for (i = 0; i < sizeof(s->b); i += 4)
		sum += fy_get_le32(s->b + i);
	fy_put_le32(s->b + 216, (uint32_t)(sum + (sum >> 32)));
	put(m, at, s->b, sizeof(s->b));
}

static struct fy_disk_map *
map_of(const struct image *m)
{
	struct fy_disk_map *map = NULL;
	struct fy_error err = { 0 };

	CHECK_OK(fy_disk_map_read(m->volume, NULL, &map, &err), &err);
	return map;
}

/* The disk is used whole, and its note has these words. */
static void
expect_whole(const struct image *m, const char *words)
{
	struct fy_disk_map *map = map_of(m);

	CHECK(map->used_bytes == DISK);
	if (strstr(map->volumes[0].note, words) == NULL) {
		fprintf(stderr, "note is '%s', not '%s'\n",
			map->volumes[0].note, words);
		exit(1);
	}
	fy_disk_map_free(map);
}

static void
test_versions(void)
{
	static const struct {
		uint64_t at, data;
	} versions[] = {
		{ 0, FY_MIB },
		{ 4096, FY_MIB },
		{ DISK - 8192, 0 },
	};
	struct fy_disk_map *map;
	size_t i;

	for (i = 0; i < 3; i++) {
		uint64_t data = versions[i].data, end = data + DATA;
		struct image m = image_new(DISK, 512);
		struct super s = make_super(0, versions[i].at, data);

		put_super(&m, versions[i].at, &s);
		put_swap(&m, data, DATA, 4096);
		map = map_of(&m);
		CHECK(extents_are(map->used, (uint64_t[]){ 0, data + 4096, end,
							   DISK - end, 0, 0 }));
		CHECK(map->n_upper == 1);
		CHECK(fy_streq(map->upper[0].path, "md/data"));
		CHECK(fy_streq(map->upper[0].filesystem, "swap"));
		CHECK(map->upper[0].start == data);
		CHECK(map->upper[0].length == DATA);
		CHECK(fy_streq(map->volumes[0].filesystem,
			       "linux_raid_member"));
		CHECK(map->volumes[0].how == FY_HOW_MAP);
		fy_disk_map_free(map);
		image_free(&m);
	}
}

/* A name is one part of a path. */
static void
test_names(void)
{
	static const char *const names[][2] = {
		{ "..", "md/77777777-77777777" },
		{ "host:.", "md/77777777-77777777" },
		{ "../../../x", "md/..?..?..?x" },
		{ "h:a\x1b\xffz", "md/a??z" },
		{ "", "md/77777777-77777777" },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct image m = image_new(DISK, 512);
		struct super s = make_super(0, 4096, FY_MIB);
		struct fy_disk_map *map;

		memset(s.b + 32, 0, 32);
		memcpy(s.b + 32, names[i][0], strlen(names[i][0]));
		put_super(&m, 4096, &s);
		map = map_of(&m);
		CHECK(map->n_upper == 1 &&
		      fy_streq(map->upper[0].path, names[i][1]));
		fy_disk_map_free(map);
		image_free(&m);
	}
}

static void
put_word(unsigned char *sb, unsigned n, uint32_t v, bool big)
{
	if (big)
		fy_put_be32(sb + 4 * n, v);
	else
		fy_put_le32(sb + 4 * n, v);
}

static void
put_super_0(const struct image *m, bool big, unsigned clean)
{
	static unsigned char sb[4096];
	const uint64_t at = DISK - 65536;

	memset(sb, 0, sizeof(sb));
	put_word(sb, 0, 0xa92b4efc, big);
	put_word(sb, 2, 90, big);
	put_word(sb, 5, 0x11223344, big);
	put_word(sb, 7, 1, big);
	put_word(sb, 8, DATA / 1024, big);
	put_word(sb, 10, 2, big);
	put_word(sb, 11, 7, big);
	put_word(sb, 33, clean, big);
	put_word(sb, 992 + 3, 1, big);
	put_word(sb, 992 + 4, 6, big);
	put_word(sb, 38, fy_md_checksum_0(sb, big), big);
	put(m, at, sb, sizeof(sb));
}

static void
test_old(void)
{
	struct image m = image_new(DISK, 512);
	struct fy_disk_map *map;
	int big;

	put_swap(&m, 0, DATA, 4096);
	for (big = 0; big < 2; big++) {
		put_super_0(&m, big, 1);
		map = map_of(&m);
		CHECK(extents_are(
			map->used,
			(uint64_t[]){ 0, 4096, DATA, DISK - DATA, 0, 0 }));
		CHECK(fy_streq(map->upper[0].path, "md/7"));
		fy_disk_map_free(map);
		put_super_0(&m, big, 0);
		expect_whole(&m, "not stopped");
	}
	put_super_0(&m, false, 1);
	put_byte(&m, DISK - 65536 + 300, 1);
	expect_whole(&m, "checksum");
	image_free(&m);
}

/* What is not a member in sync of a RAID 1. */
static void
test_doubts(void)
{
	static const struct {
		size_t at;
		uint32_t value;
		const char *words;
	} changes[] = {
		{ 8, 2, "rebuilt" },	     { 8, 4, "reshaped" },
		{ 8, 0x800, "not known" },   { 72, 5, "level" },
		{ 72, 0, "level" },	     { 208, 100, "in sync" },
		{ 160, 5, "spare" },	     { 80, 0x7fffffff, "size" },
		{ 128, 0x7fffffff, "size" }, { 220, 50000, "checksum" },
	};
	struct image m = image_new(DISK, 512);
	struct super s;
	size_t i;

	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		s = make_super(0, 4096, FY_MIB);
		fy_put_le32(s.b + changes[i].at, changes[i].value);
		put_super(&m, 4096, &s);
		expect_whole(&m, changes[i].words);
	}
	/* Metadata in the data: the bitmap, the list of bad blocks. */
	s = make_super(0, 4096, FY_MIB);
	fy_put_le32(s.b + 8, 1);
	fy_put_le32(s.b + 96, 4096);
	put_super(&m, 4096, &s);
	expect_whole(&m, "lie in its data");
	fy_put_le32(s.b + 96, (uint32_t)-100);
	put_super(&m, 4096, &s);
	expect_whole(&m, "bitmap");
	/* A list of bad blocks: empty, and not. */
	fy_put_le32(s.b + 8, 8);
	fy_put_le16(s.b + 186, 1);
	fy_put_le32(s.b + 188, 16);
	put_super(&m, 4096, &s);
	expect_whole(&m, "bad blocks");
	image_free(&m);
}

static void
map_two(const struct image *a, const struct image *b, struct fy_disk_map **ret)
{
	struct fy_volume *v[] = { a->volume, b->volume };
	struct fy_error err = { 0 };

	CHECK_OK(fy_disk_set_read(v, 2, NULL, ret, NULL, &err), &err);
}

static void
test_pair(void)
{
	struct image a = image_new(DISK, 512), b = image_new(DISK, 512);
	struct super s = make_super(0, 4096, FY_MIB);
	struct super t = make_super(1, 4096, 2 * FY_MIB);
	struct fy_disk_map *maps[2] = { NULL };

	put_super(&a, 4096, &s);
	put_super(&b, 4096, &t);
	put_swap(&a, FY_MIB, DATA, 4096);
	map_two(&a, &b, maps);
	CHECK(maps[0]->used_bytes == FY_MIB + 4096 + 11 * FY_MIB);
	CHECK(maps[1]->used_bytes == 2 * FY_MIB + 4096 + 10 * FY_MIB);
	CHECK(maps[0]->n_upper == 1 && maps[1]->n_upper == 0);
	fy_disk_map_free(maps[0]);
	fy_disk_map_free(maps[1]);
	/* One is older: it says nothing, and is used whole. */
	fy_put_le64(s.b + 200, 41);
	put_super(&a, 4096, &s);
	put_swap(&b, 2 * FY_MIB, DATA, 4096);
	map_two(&a, &b, maps);
	CHECK(maps[0]->used_bytes == DISK);
	CHECK(has_warning(maps[0], "older"));
	CHECK(maps[1]->used_bytes == 2 * FY_MIB + 4096 + 10 * FY_MIB);
	fy_disk_map_free(maps[0]);
	fy_disk_map_free(maps[1]);
	/* Both say that they are the second. */
	s = make_super(1, 4096, FY_MIB);
	put_super(&a, 4096, &s);
	map_two(&a, &b, maps);
	CHECK(maps[0]->used_bytes == DISK && maps[1]->used_bytes == DISK);
	fy_disk_map_free(maps[0]);
	fy_disk_map_free(maps[1]);
	image_free(&a);
	image_free(&b);
}

int
main(void)
{
	test_versions();
	test_names();
	test_old();
	test_doubts();
	test_pair();
	return 0;
}
