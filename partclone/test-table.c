/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GPT and MBR on disks made here: what is read, which copy is used, and which
 * tables are not believed.
 */
#include "partclone/test-image.h"

#define DISK (8 * FY_MIB)

static const struct gpt_part two[] = {
	{ 2048, 4095, 0xa1, 0xb1, "first" },
	{ 8192, 12287, 0xa2, 0xb2, "second" },
};

static struct fy_table *
read_table(const struct image *m)
{
	struct fy_error err = { 0 };
	struct fy_table *t = NULL;

	CHECK_OK(fy_table_read(m->volume, &t, &err), &err);
	return t;
}

static bool
warns(const struct fy_table *t, const char *words)
{
	size_t i;

	for (i = 0; i < t->n_warnings; i++)
		if (strstr(t->warnings[i], words) != NULL)
			return true;
	return false;
}

static void
check_two(const struct fy_table *t, uint32_t sector)
{
	CHECK(t->kind == FY_TABLE_GPT && t->sector_bytes == sector);
	CHECK(t->distrust == NULL && t->n_partitions == 2);
	CHECK(t->partitions[0].start == 2048ull * sector);
	CHECK(t->partitions[0].length == 2048ull * sector);
	CHECK(t->partitions[1].start == 8192ull * sector);
	CHECK(t->partitions[1].number == 2);
	CHECK(fy_streq(t->partitions[1].name, "second"));
	CHECK(fy_streq(t->partitions[0].type,
		       "a1a1a1a1-a1a1-a1a1-a1a1-a1a1a1a1a1a1"));
	CHECK(fy_streq(t->partitions[0].partuuid,
		       "b1b1b1b1-b1b1-b1b1-b1b1-b1b1b1b1b1b1"));
	CHECK(fy_streq(t->uuid, "dddddddd-dddd-dddd-dddd-dddddddddddd"));
}

/* Both sector sizes, whatever the volume says of itself; then one copy and the
 * other damaged, in the header and in the entries. */
static void
test_gpt_copies(uint32_t sector, uint32_t volume_sector)
{
	uint64_t size = 16384ull * sector, last = 16383ull * sector;
	const uint64_t primary[] = { sector + 24, 2ull * sector + 300 };
	const uint64_t backup[] = { last + 24, last - 16384 + 300 };
	struct image m;
	struct fy_table *t;
	size_t i;

	for (i = 0; i < 2; i++) {
		m = image_new(size, volume_sector);
		put_gpt(&m, sector, two, 2);
		t = read_table(&m);
		check_two(t, sector);
		CHECK(t->n_warnings == 0 && !t->keep_gaps);
		fy_table_free(t);

		put_byte(&m, backup[i], 0x77);
		t = read_table(&m);
		check_two(t, sector);
		CHECK(warns(t, "backup GPT is damaged"));
		fy_table_free(t);

		put_gpt(&m, sector, two, 2);
		put_byte(&m, primary[i], 0x77);
		t = read_table(&m);
		check_two(t, sector);
		CHECK(warns(t, "primary GPT is damaged"));
		fy_table_free(t);

		put_byte(&m, backup[i], 0x77);
		t = read_table(&m);
		CHECK(t->kind == FY_TABLE_NONE && t->distrust != NULL);
		fy_table_free(t);
		image_free(&m);
	}
}

static void
test_gpt_differ(void)
{
	static const struct gpt_part one[] = { { 2048, 4095, 1, 2, "x" } };
	struct image m = image_new(DISK, 512);
	uint64_t last = DISK / 512 - 1;
	struct fy_table *t;

	put_gpt(&m, 512, two, 2);
	put_gpt_copy(&m, 512, last, 1, last - 32, one, 1);
	t = read_table(&m);
	check_two(t, 512);
	CHECK(warns(t, "differ") && t->keep_gaps);
	fy_table_free(t);
	image_free(&m);
}

static void
expect_distrust(const struct gpt_part *parts, size_t n, const char *words)
{
	struct image m = image_new(DISK, 512);
	struct fy_table *t;

	put_gpt(&m, 512, parts, n);
	t = read_table(&m);
	CHECK(t->distrust != NULL && strstr(t->distrust, words) != NULL);
	fy_table_free(t);
	image_free(&m);
}

static void
test_gpt_nonsense(void)
{
	static const struct gpt_part overlap[] = {
		{ 2048, 4095, 1, 1, "" },
		{ 4095, 5000, 1, 2, "" },
	};
	static const struct gpt_part outside[] = {
		{ 2048, 1u << 30, 1, 1, "" },
	};
	static const struct gpt_part backwards[] = {
		{ 4096, 2048, 1, 1, "" },
	};
	static const struct gpt_part far[] = {
		{ UINT64_MAX - 1, UINT64_MAX, 1, 1, "" },
	};
	static const struct gpt_part on_table[] = {
		{ 3, 4095, 1, 1, "" },
	};

	expect_distrust(overlap, 2, "overlap");
	expect_distrust(outside, 1, "behind the end");
	expect_distrust(backwards, 1, "outside");
	expect_distrust(far, 1, "outside");
	expect_distrust(on_table, 1, "itself");
}

/* Where sector 0 says otherwise. */
static void
test_gpt_without_protection(void)
{
	struct image m = image_new(DISK, 512);
	unsigned char zeros[512] = { 0 };
	struct fy_table *t;

	put_gpt(&m, 512, two, 2);
	put(&m, 0, zeros, sizeof(zeros));
	t = read_table(&m);
	check_two(t, 512);
	CHECK(warns(t, "protects") && t->keep_gaps);
	fy_table_free(t);

	/* An old backup behind something else is not a table. */
	put_text(&m, 0, "something else");
	put(&m, 512, zeros, sizeof(zeros));
	t = read_table(&m);
	CHECK(t->kind == FY_TABLE_NONE && t->distrust == NULL);
	fy_table_free(t);

	put_gpt(&m, 512, two, 2);
	put_mbr(&m, 0, 0, 0x80, 0x83, 2048, 2048);
	t = read_table(&m);
	CHECK(t->kind == FY_TABLE_MBR && t->n_partitions == 1);
	CHECK(warns(t, "left over"));
	fy_table_free(t);
	image_free(&m);
}

static void
test_mbr(uint32_t sector)
{
	struct image m = image_new(16384ull * sector, sector);
	struct fy_table *t;

	put_le32(&m, 440, 0xcafe0123);
	put_mbr(&m, 0, 0, 0x80, 0x83, 64, 100);
	put_mbr(&m, 0, 2, 0, 0x05, 1000, 8000);
	put_mbr(&m, 1000ull * sector, 0, 0, 0x82, 10, 90);
	put_mbr(&m, 1000ull * sector, 1, 0, 0x05, 2000, 1000);
	put_mbr(&m, 3000ull * sector, 0, 0, 0x83, 20, 900);
	t = read_table(&m);
	CHECK(t->kind == FY_TABLE_MBR && t->distrust == NULL);
	CHECK(t->n_partitions == 3 && fy_streq(t->uuid, "cafe0123"));
	CHECK(t->partitions[0].number == 1 && t->partitions[0].boot);
	CHECK(t->partitions[0].start == 64ull * sector);
	CHECK(fy_streq(t->partitions[0].partuuid, "cafe0123-01"));
	CHECK(t->partitions[1].number == 5 && !t->partitions[1].boot);
	CHECK(t->partitions[1].start == 1010ull * sector);
	CHECK(fy_streq(t->partitions[1].type, "0x82"));
	CHECK(t->partitions[2].number == 6);
	CHECK(t->partitions[2].start == 3020ull * sector);
	CHECK(t->partitions[2].length == 900ull * sector);
	CHECK(t->n_must == 3);
	fy_table_free(t);

	/* The chain comes back to its start. */
	put_mbr(&m, 3000ull * sector, 1, 0, 0x05, 0, 1000);
	t = read_table(&m);
	CHECK(t->distrust != NULL && strstr(t->distrust, "loop") != NULL);
	fy_table_free(t);

	put_mbr(&m, 3000ull * sector, 1, 0, 0x05, 12000, 1000);
	t = read_table(&m);
	CHECK(t->distrust != NULL && strstr(t->distrust, "leaves") != NULL);
	fy_table_free(t);

	put_mbr(&m, 3000ull * sector, 1, 0, 0x05, 4000, 1000);
	t = read_table(&m);
	CHECK(t->distrust != NULL && strstr(t->distrust, "damaged") != NULL);
	fy_table_free(t);
	image_free(&m);
}

static void
test_mbr_long_chain(void)
{
	struct image m = image_new(DISK, 512);
	struct fy_table *t;
	uint32_t i;

	put_mbr(&m, 0, 0, 0, 0x0f, 100, 10000);
	for (i = 0; i < 200; i++) {
		put_mbr(&m, (100ull + i * 10) * 512, 0, 0, 0x83, 1, 5);
		if (i < 199)
			put_mbr(&m, (100ull + i * 10) * 512, 1, 0, 0x05,
				(i + 1) * 10, 10);
	}
	t = read_table(&m);
	CHECK(t->distrust == NULL && t->n_partitions == 200);
	CHECK(t->partitions[199].number == 204);
	fy_table_free(t);
	for (; i < 300; i++) {
		put_mbr(&m, (90ull + i * 10) * 512, 1, 0, 0x05, i * 10, 10);
		put_mbr(&m, (100ull + i * 10) * 512, 0, 0, 0x83, 1, 5);
	}
	t = read_table(&m);
	CHECK(t->distrust != NULL && strstr(t->distrust, "more than") != NULL);
	fy_table_free(t);
	image_free(&m);
}

static void
test_mbr_nonsense(void)
{
	struct image m = image_new(DISK, 512);
	struct fy_table *t;

	put_mbr(&m, 0, 0, 0, 0x83, 2048, 1000000);
	t = read_table(&m);
	CHECK(t->distrust != NULL);
	fy_table_free(t);

	put_mbr(&m, 0, 0, 0, 0x83, 2048, 1000);
	put_mbr(&m, 0, 1, 0, 0x83, 3000, 1000);
	t = read_table(&m);
	CHECK(t->distrust != NULL && strstr(t->distrust, "overlap") != NULL);
	fy_table_free(t);

	/* A boot sector that is no table. */
	put_mbr(&m, 0, 0, 0x13, 0x83, 2048, 1000);
	t = read_table(&m);
	CHECK(t->kind == FY_TABLE_NONE && t->distrust == NULL);
	fy_table_free(t);
	image_free(&m);
}

static void
test_crc(void)
{
	CHECK(fy_gpt_crc32("123456789", 9) == 0xcbf43926);
}

int
main(void)
{
	test_crc();
	test_gpt_copies(512, 512);
	test_gpt_copies(4096, 512);
	test_gpt_copies(512, 4096);
	test_gpt_copies(4096, 4096);
	test_gpt_differ();
	test_gpt_nonsense();
	test_gpt_without_protection();
	test_mbr(512);
	test_mbr(4096);
	test_mbr_long_chain();
	test_mbr_nonsense();
	return 0;
}
