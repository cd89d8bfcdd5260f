/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An open set of disks: what is written to an LV or an array lies where LVM
 * and md look for it, and nowhere else.  The places are computed here, byte by
 * byte, from the text that the group was made of.
 */
#include "common/overlay.h"
#include "partclone/test-lvm-image.h"

#define DISK	(64 * FY_MIB)
#define LV_SIZE (30 * PV_EXTENT)

static struct image images[2];
static struct fy_volume *over[2];
static struct fy_disk_set *set;

static const struct fy_disk_volume *
row_of(const char *path, size_t *ret_disk)
{
	size_t i, k;

	for (i = 0; i < 2; i++) {
		const struct fy_disk_map *m = fy_disk_set_map(set, i);

		for (k = 0; k < fy_disk_map_rows(m); k++)
			if (strcmp(fy_disk_map_row(m, k)->path, path) == 0) {
				*ret_disk = i;
				return fy_disk_map_row(m, k);
			}
	}
	fprintf(stderr, "no volume '%s'\n", path);
	exit(1);
}

static void
open_all(void)
{
	struct fy_error err = { 0 };
	size_t i;

	for (i = 0; i < 2; i++)
		CHECK_OK(fy_overlay_new(images[i].volume, 4096, NULL, &over[i],
					&err),
			 &err);
	CHECK_OK(fy_disk_set_open(over, 2, &set, &err), &err);
}

static void
close_all(void)
{
	size_t i;

	fy_disk_set_free(set);
	for (i = 0; i < 2; i++)
		fy_volume_close(over[i]);
}

/* --- places, by the text ----------------------------------------------------- */

struct place {
	unsigned disk;
	uint64_t at;
};

/* Places of a byte of an LV; how many. */
static int
places_of(const char *lv, uint64_t at, struct place ret[2])
{
	uint64_t stripe = at / 4096;

	if (strcmp(lv, "vg/linear") == 0) {
		bool first = at < 20 * PV_EXTENT;

		ret[0].disk = first ? 0 : 1;
		ret[0].at = PV_DATA + at +
			    (first ? 10 * PV_EXTENT
				   : 3 * PV_EXTENT - 20 * PV_EXTENT);
		return 1;
	}
	if (strcmp(lv, "vg/striped") == 0) {
		ret[0].disk = stripe % 2 == 0 ? 0 : 1;
		ret[0].at = PV_DATA + 40 * PV_EXTENT + stripe / 2 * 4096 +
			    at % 4096;
		return 1;
	}
	ret[0] = (struct place){ 0, PV_DATA + 100 * PV_EXTENT + at };
	ret[1] = (struct place){ 1, PV_DATA + 200 * PV_EXTENT + at };
	return 2;
}

static const char lvs[] = LV(
	"linear", VISIBLE,
	SEGMENT(1, 0, 20, LINEAR("pv0", 10))
		SEGMENT(2, 20, 10, LINEAR("pv1", 3)),
	2) LV("striped", VISIBLE,
	      SEGMENT(1, 0, 30,
		      "type = \"striped\"\nstripe_count = 2\nstripe_size = 8\n"
		      "stripes = [\n\"pv0\", 40,\n\"pv1\", 40\n]"),
	      1) LV("mirror", VISIBLE,
		    SEGMENT(1, 0, 30,
			    "type = \"mirror\"\nmirror_count = 2\n"
			    "mirror_log = \"mirror_mlog\"\nregion_size = 1024\n"
			    "mirrors = [\n\"mirror_mimage_0\", 0,\n"
			    "\"mirror_mimage_1\", 0\n]"),
		    1) LV("mirror_mimage_0", HIDDEN,
			  SEGMENT(1, 0, 30, LINEAR("pv0", 100)),
			  1) LV("mirror_mimage_1", HIDDEN,
				SEGMENT(1, 0, 30, LINEAR("pv1", 200)), 1)
	LV("mirror_mlog", HIDDEN, SEGMENT(1, 0, 1, LINEAR("pv1", 300)),
	   1) LV("origin", VISIBLE, SEGMENT(1, 0, 20, LINEAR("pv0", 400)), 1)
		LV("snap", VISIBLE, SEGMENT(1, 0, 5, LINEAR("pv0", 450)), 1)
			LV("snapshot0", VISIBLE,
			   SEGMENT(1, 0, 20,
				   "type = \"snapshot\"\nchunk_size = 8\n"
				   "origin = \"origin\"\ncow_store = \"snap\""),
			   1) LV("raid5", VISIBLE,
				 SEGMENT(1, 0, 20,
					 "type = \"raid5\"\ndevice_count = 3"),
				 1);

static unsigned char
byte_at(uint64_t at)
{
	return (unsigned char)(at * 131 >> 3 ^ at >> 9);
}

/* Write all of an LV; compare both disks with what they were and should be. */
static void
check_lv(const char *name)
{
	unsigned char *was[2], *is = malloc(DISK), *lv = malloc(LV_SIZE);
	struct fy_error err = { 0 };
	struct fy_volume *v;
	struct place p[2];
	size_t disk = 0, i, n;
	const struct fy_disk_volume *row;
	uint64_t at;

	open_all();
	row = row_of(name, &disk);
	CHECK(row->sealed == NULL && row->length == LV_SIZE);
	CHECK(fy_streq(row->layer, "lvm"));
	v = fy_disk_set_volume(set, disk, row);
	CHECK(v != NULL && fy_volume_is_writable(v));
	for (i = 0; i < 2; i++) {
		was[i] = malloc(DISK);
		CHECK_OK(fy_volume_pread(over[i], was[i], DISK, 0, &err), &err);
	}
	for (at = 0; at < LV_SIZE; at++) {
		int k, many = places_of(name, at, p);

		lv[at] = byte_at(at);
		for (k = 0; k < many; k++)
			was[p[k].disk][p[k].at] = lv[at];
	}
	/* In pieces that cross stripes and segments. */
	for (at = 0; at < LV_SIZE; at += n) {
		n = (size_t)fy_min_u64(LV_SIZE - at, 1000 + at % 70001);
		CHECK_OK(fy_volume_pwrite(v, lv + at, n, at, &err), &err);
	}
	for (i = 0; i < 2; i++) {
		CHECK_OK(fy_volume_pread(over[i], is, DISK, 0, &err), &err);
		CHECK(memcmp(is, was[i], DISK) == 0);
		free(was[i]);
	}
	CHECK_OK(fy_volume_pread(v, is, LV_SIZE, 0, &err), &err);
	CHECK(memcmp(is, lv, LV_SIZE) == 0);
	close_all();
	free(is);
	free(lv);
}

static void
expect_sealed(const char *path, const char *words)
{
	size_t disk = 0;
	const struct fy_disk_volume *row = row_of(path, &disk);

	if (row->sealed == NULL || strstr(row->sealed, words) == NULL) {
		fprintf(stderr, "%s is sealed by '%s', not '%s'\n", path,
			row->sealed == NULL ? "" : row->sealed, words);
		exit(1);
	}
}

static void
test_lvm(void)
{
	char *text = vg_text(1, true, "", lvs);
	const struct fy_disk_volume *row;
	unsigned char h[16] = "SnAp";
	struct fy_error err = { 0 };
	size_t disk = 0;

	images[0] = image_new(DISK, 512);
	images[1] = image_new(DISK, 512);
	put_pv(&images[0], PV0, text);
	put_pv(&images[1], PV1, text);
	put_swap(&images[0], PV_DATA + 10 * PV_EXTENT, LV_SIZE, 4096);
	/* An empty snapshot. */
	fy_put_le32(h + 4, 1);
	fy_put_le32(h + 8, 1);
	fy_put_le32(h + 12, 8);
	put(&images[0], PV_DATA + 450 * PV_EXTENT, h, sizeof(h));
	check_lv("vg/linear");
	check_lv("vg/striped");
	check_lv("vg/mirror");

	open_all();
	row = row_of("vg/linear", &disk);
	CHECK(disk == 0 && fy_streq(row->filesystem, "swap"));
	CHECK(fy_streq(row->on, "disk"));
	row = row_of("disk", &disk);
	CHECK(row->note == NULL && fy_streq(row->filesystem, "LVM2_member"));
	expect_sealed("vg/origin", "snapshots");
	expect_sealed("vg/snap", "snapshot");
	row = row_of("vg/raid5", &disk);
	CHECK(row->note != NULL);
	CHECK(fy_disk_set_volume(set, disk, row) == NULL);
	close_all();

	/* One of the two PVs is missing: no LV, and it is told why. */
	CHECK_OK(fy_disk_set_open(&images[0].volume, 1, &set, &err), &err);
	CHECK(fy_disk_set_map(set, 0)->n_upper == 0);
	row = fy_disk_map_row(fy_disk_set_map(set, 0), 0);
	CHECK(row->note != NULL && strstr(row->note, "1 of its 2") != NULL);
	CHECK(fy_disk_set_volume(set, 0, row) != NULL);
	fy_disk_set_free(set);
	free(text);
	image_free(&images[0]);
	image_free(&images[1]);
}

/* --- md ------------------------------------------------------------------------ */

#define MD_DATA (20 * FY_MIB)

static void
put_member(const struct image *m, unsigned role, uint64_t events,
	   uint64_t data_at)
{
	unsigned char s[256 + 2 * 8] = { 0 };
	uint64_t sum = 0;
	size_t i;

	fy_put_le32(s, 0xa92b4efc);
	fy_put_le32(s + 4, 1);
	memset(s + 16, 0x77, 16);
	memcpy(s + 32, "host:data", 9);
	fy_put_le32(s + 72, 1);
	fy_put_le64(s + 80, MD_DATA / 512);
	fy_put_le32(s + 92, 2);
	fy_put_le64(s + 128, data_at / 512);
	fy_put_le64(s + 136, MD_DATA / 512 + 8);
	fy_put_le64(s + 144, 4096 / 512);
	fy_put_le32(s + 160, role);
	fy_put_le64(s + 200, events);
	fy_put_le64(s + 208, UINT64_MAX);
	fy_put_le32(s + 220, 8);
	memset(s + 256, 0xff, 16);
	fy_put_le16(s + 256, 0);
	fy_put_le16(s + 258, 1);
	for (i = 0; i < sizeof(s); i += 4)
		sum += fy_get_le32(s + i);
	fy_put_le32(s + 216, (uint32_t)(sum + (sum >> 32)));
	put(m, 4096, s, sizeof(s));
}

static void
test_md(void)
{
	const struct fy_disk_volume *row;
	struct fy_error err = { 0 };
	struct fy_volume *v;
	char a[6] = "", b[6] = "";
	size_t disk = 0;

	images[0] = image_new(DISK, 512);
	images[1] = image_new(DISK, 512);
	put_member(&images[0], 0, 42, FY_MIB);
	put_member(&images[1], 1, 42, 2 * FY_MIB);
	open_all();
	row = row_of("md/data", &disk);
	CHECK(disk == 0 && row->sealed == NULL && row->length == MD_DATA);
	v = fy_disk_set_volume(set, disk, row);
	CHECK_OK(fy_volume_pwrite(v, "hello", 5, 123456, &err), &err);
	CHECK_OK(fy_volume_pread(over[0], a, 5, FY_MIB + 123456, &err), &err);
	CHECK_OK(fy_volume_pread(over[1], b, 5, 2 * FY_MIB + 123456, &err),
		 &err);
	CHECK(strcmp(a, "hello") == 0);
	CHECK(strcmp(b, "hello") == 0);
	close_all();
	/* An old member; one that isn't there. */
	put_member(&images[1], 1, 41, 2 * FY_MIB);
	open_all();
	expect_sealed("md/data", "not in sync");
	close_all();
	put(&images[1], 4096, "nothing", 7);
	open_all();
	expect_sealed("md/data", "not among the disks");
	close_all();
	image_free(&images[0]);
	image_free(&images[1]);
}

int
main(void)
{
	test_lvm();
	test_md();
	return 0;
}
