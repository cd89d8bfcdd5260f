/* SPDX-License-Identifier: GPL-3.0-or-later */
/* LVM2: what is used of PVs, and that nothing odd is believed. */
#include "common/gather.h"
#include "partclone/lvm.h"
#include "partclone/test-lvm-image.h"

#define DISK	(64 * FY_MIB)
#define ROOT_AT (PV_DATA + 10 * PV_EXTENT)

static struct fy_disk_map *maps[2];

/* Map one or two images with options; the maps are in 'maps'. */
static void
map_with(const struct image *a, const struct image *b,
	 const struct fy_disk_map_options *options)
{
	struct fy_volume *v[2] = { a->volume, b != NULL ? b->volume : NULL };
	struct fy_error err = { 0 };

	CHECK_OK(fy_disk_set_read(v, b != NULL ? 2 : 1, options, maps, NULL,
				  &err),
		 &err);
}

static void
map_all(const struct image *a, const struct image *b)
{
	map_with(a, b, NULL);
}

static void
free_maps(void)
{
	fy_disk_map_free(maps[0]);
	fy_disk_map_free(maps[1]);
	maps[0] = maps[1] = NULL;
}

static const struct fy_disk_volume *
upper(const char *path)
{
	size_t i, k;

	for (i = 0; i < 2; i++)
		for (k = 0; maps[i] != NULL && k < maps[i]->n_upper; k++)
			if (strcmp(maps[i]->upper[k].path, path) == 0)
				return &maps[i]->upper[k];
	fprintf(stderr, "no volume '%s'\n", path);
	exit(1);
}

/* One disk with this text is used whole, and says so. */
static void
expect_whole(const char *text, const char *words)
{
	struct image m = image_new(DISK, 512);

	put_pv(&m, PV0, text);
	map_all(&m, NULL);
	CHECK(maps[0]->used_bytes == DISK);
	CHECK(maps[0]->volumes[0].how == FY_HOW_WHOLE);
	if (strstr(maps[0]->volumes[0].note, words) == NULL) {
		fprintf(stderr, "note is '%s', not '%s'\n",
			maps[0]->volumes[0].note, words);
		exit(1);
	}
	free_maps();
	image_free(&m);
}

static void
expect_whole_lvs(const char *lvs, const char *words)
{
	char *text = vg_text(1, false, "", lvs);

	expect_whole(text, words);
	free(text);
}

#define ONE_ROOT LV("root", VISIBLE, SEGMENT(1, 0, 20, LINEAR("pv0", 10)), 1)

static void
test_linear(void)
{
	struct image m = image_new(DISK, 512);
	char *text = vg_text(1, false, "", ONE_ROOT);
	const uint64_t area = PV_DATA - PV_AREA;

	put_pv(&m, PV0, text);
	put_swap(&m, ROOT_AT, 20 * PV_EXTENT, 4096);
	map_all(&m, NULL);
	CHECK(extents_are(maps[0]->used,
			  (uint64_t[]){ 0, PV_DATA, ROOT_AT, 4096, 0, 0 }));
	CHECK(fy_streq(upper("vg/root")->filesystem, "swap"));
	CHECK(upper("vg/root")->start == ROOT_AT);
	CHECK(upper("vg/root")->length == 20 * PV_EXTENT);
	CHECK(upper("vg/root")->used_bytes == 4096);
	CHECK(fy_streq(upper("vg/root")->on, "disk"));
	CHECK(maps[0]->volumes[0].how == FY_HOW_MAP);
	CHECK(maps[0]->n_warnings == 0);
	free_maps();
	/* What lies behind the swap's end in the LV: small gaps are copied. */
	put_swap(&m, ROOT_AT, 10 * PV_EXTENT, 4096);
	map_all(&m, NULL);
	CHECK(extents_are(maps[0]->used,
			  (uint64_t[]){ 0, PV_DATA, ROOT_AT, 4096,
					ROOT_AT + 10 * PV_EXTENT,
					10 * PV_EXTENT, 0, 0 }));
	free_maps();
	put_swap(&m, ROOT_AT, 20 * PV_EXTENT, 4096);
	/* A text that goes on behind the area's header. */
	put_pv_at(&m, 0, DISK, PV0, area - 100, text, 0);
	map_all(&m, NULL);
	CHECK(maps[0]->used_bytes == PV_DATA + 4096);
	free_maps();
	/* In a partition. */
	image_free(&m);
	m = image_new(2 * DISK, 512);
	put_mbr(&m, 0, 0, 0, 0x8e, 2048, DISK / 512);
	put_pv_at(&m, FY_MIB, DISK, PV0, 512, text, 0);
	put_swap(&m, FY_MIB + ROOT_AT, 20 * PV_EXTENT, 4096);
	map_all(&m, NULL);
	CHECK(upper("vg/root")->start == FY_MIB + ROOT_AT);
	CHECK(fy_streq(upper("vg/root")->on, "p1"));
	CHECK(maps[0]->volumes[1].used_bytes == PV_DATA + 4096);
	free_maps();
	free(text);
	image_free(&m);
}

/* What lies behind the PV's own end, and what a boot loader has. */
static void
test_ends(void)
{
	struct image m = image_new(2 * DISK, 512);
	char *text = vg_text(1, false, "", "");
	unsigned char s[512];

	put_pv_at(&m, 0, DISK, PV0, 512, text, 0);
	make_label(s, PV0, DISK, PV_DATA - PV_AREA);
	fy_put_le32(s + 136, 1);
	fy_put_le64(s + 144, 32 * FY_MIB);
	fy_put_le64(s + 152, 65536);
	fy_put_le32(s + 16, slow_lvm_crc(s + 20, 492));
	put(&m, 512, s, sizeof(s));
	map_all(&m, NULL);
	CHECK(extents_are(maps[0]->used,
			  (uint64_t[]){ 0, PV_DATA, 32 * FY_MIB, 65536, DISK,
					DISK, 0, 0 }));
	free_maps();
	free(text);
	image_free(&m);
}

/* An LV in pieces on two PVs; the gaps between are free. */
static void
test_pieces(void)
{
	struct image a = image_new(DISK, 512), b = image_new(DISK, 512);
	char *text =
		vg_text(3, true, "",
			LV("root", VISIBLE,
			   SEGMENT(2, 1, 1, LINEAR("pv1", 7))
				   SEGMENT(1, 0, 1, LINEAR("pv0", 9))
					   SEGMENT(3, 2, 40, LINEAR("pv0", 20)),
			   3));
	char *old = vg_text(2, true, "", "");

	/* A page of 64 KiB is the first extent; with 4 MiB unknown: whole. */
	put_pv(&a, PV0, old);
	put_pv(&b, PV1, text);
	put_swap(&a, PV_DATA + 9 * PV_EXTENT, 42 * PV_EXTENT, 65536);
	map_all(&a, &b);
	CHECK(extents_are(maps[0]->used,
			  (uint64_t[]){ 0, PV_DATA, PV_DATA + 9 * PV_EXTENT,
					PV_EXTENT, 0, 0 }));
	CHECK(extents_are(maps[1]->used, (uint64_t[]){ 0, PV_DATA, 0, 0 }));
	free_maps();
	put_text(&a, PV_DATA + 10 * PV_EXTENT - 10, "          ");
	map_all(&a, &b);
	CHECK(upper("vg/root")->how == FY_HOW_WHOLE);
	CHECK(extents_are(maps[0]->used,
			  (uint64_t[]){ 0, PV_DATA, PV_DATA + 9 * PV_EXTENT,
					PV_EXTENT, PV_DATA + 20 * PV_EXTENT,
					40 * PV_EXTENT, 0, 0 }));
	CHECK(extents_are(maps[1]->used,
			  (uint64_t[]){ 0, PV_DATA, PV_DATA + 7 * PV_EXTENT,
					PV_EXTENT, 0, 0 }));
	free_maps();
	/* Half of it. */
	map_all(&b, NULL);
	CHECK(maps[0]->used_bytes == DISK);
	CHECK(has_warning(maps[0], "only 1 of its 2 PVs"));
	free_maps();
	/* The same PV twice. */
	put_pv(&a, PV1, text);
	map_all(&a, &b);
	CHECK(maps[0]->used_bytes == DISK && maps[1]->used_bytes == DISK);
	free_maps();
	free(old);
	free(text);
	image_free(&a);
	image_free(&b);
}

static void
test_stripes(void)
{
	struct image a = image_new(DISK, 512), b = image_new(DISK, 512);
	char *text =
		vg_text(1, true, "",
			LV("root", VISIBLE,
			   SEGMENT(1, 0, 40,
				   "type = \"striped\"\nstripe_count = 2\n"
				   "stripe_size = 8\nstripes = [\n\"pv0\", 5,\n"
				   "\"pv1\", 0\n]"),
			   1));
	static unsigned char page[16384];
	int i;

	/* Pages of 16 KiB: two stripes on each. */
	put_pv(&a, PV0, text);
	put_pv(&b, PV1, text);
	memset(page, 0, sizeof(page));
	fy_put_le32(page + 1024, 1);
	fy_put_le32(page + 1028, 40 * 4 - 1);
	memcpy(page + sizeof(page) - 10, "SWAPSPACE2", 10);
	for (i = 0; i < 4; i++)
		put(i % 2 ? &b : &a,
		    PV_DATA + (i % 2 ? 0 : 5 * PV_EXTENT) +
			    (uint64_t)(i / 2) * 4096,
		    page + 4096 * i, 4096);
	map_all(&a, &b);
	CHECK(fy_streq(upper("vg/root")->filesystem, "swap"));
	CHECK(extents_are(maps[0]->used,
			  (uint64_t[]){ 0, PV_DATA, PV_DATA + 5 * PV_EXTENT,
					8192, 0, 0 }));
	CHECK(extents_are(maps[1]->used,
			  (uint64_t[]){ 0, PV_DATA + 8192, 0, 0 }));
	free_maps();
	free(text);
	image_free(&a);
	image_free(&b);
	CHECK(fy_gather_share(0, 3, 10, 0) == 0);
	CHECK(fy_gather_share(5, 3, 10, 0) == 5);
	CHECK(fy_gather_share(5, 3, 10, 1) == 0);
	CHECK(fy_gather_share(25, 3, 10, 1) == 10);
	CHECK(fy_gather_share(25, 3, 10, 2) == 5);
	CHECK(fy_gather_share(61, 3, 10, 0) == 21);
}

/* Each leg has what the mirror uses; the log is used whole. */
static void
test_mirror(void)
{
	struct image a = image_new(DISK, 512), b = image_new(DISK, 512);
	char *text = vg_text(
		1, true, "",
		LV("m", VISIBLE,
		   SEGMENT(1, 0, 20,
			   "type = \"mirror\"\nmirror_count = 2\n"
			   "mirror_log = \"m_mlog\"\nregion_size = 1024\n"
			   "mirrors = [\n\"m_mimage_0\", 0,\n"
			   "\"m_mimage_1\", 0\n]"),
		   1) LV("m_mimage_0", HIDDEN,
			 SEGMENT(1, 0, 20, LINEAR("pv0", 0)), 1)
			LV("m_mimage_1", HIDDEN,
			   SEGMENT(1, 0, 20, LINEAR("pv1", 3)), 1)
				LV("m_mlog", HIDDEN,
				   SEGMENT(1, 0, 1, LINEAR("pv1", 1)), 1));

	put_pv(&a, PV0, text);
	put_pv(&b, PV1, text);
	put_swap(&a, PV_DATA, 20 * PV_EXTENT, 4096);
	map_all(&a, &b);
	CHECK(extents_are(maps[0]->used,
			  (uint64_t[]){ 0, PV_DATA + 4096, 0, 0 }));
	CHECK(extents_are(maps[1]->used,
			  (uint64_t[]){ 0, PV_DATA, PV_DATA + PV_EXTENT,
					PV_EXTENT, PV_DATA + 3 * PV_EXTENT,
					4096, 0, 0 }));
	free_maps();
	free(text);
	image_free(&a);
	image_free(&b);
}

/* raid1: the superblocks must say that the images are the same. */
static void
test_raid1(void)
{
	struct image m = image_new(DISK, 512);
	char *text = vg_text(
		1, false, "",
		LV("r", VISIBLE,
		   SEGMENT(1, 0, 20,
			   "type = \"raid1\"\ndevice_count = 2\n"
			   "region_size = 1024\nraids = [\n\"r_rmeta_0\", "
			   "\"r_rimage_0\",\n\"r_rmeta_1\", \"r_rimage_1\"\n]"),
		   1) LV("r_rimage_0", HIDDEN,
			 SEGMENT(1, 0, 20, LINEAR("pv0", 1)),
			 1) LV("r_rimage_1", HIDDEN,
			       SEGMENT(1, 0, 20, LINEAR("pv0", 31)), 1)
			LV("r_rmeta_0", HIDDEN,
			   SEGMENT(1, 0, 1, LINEAR("pv0", 0)), 1)
				LV("r_rmeta_1", HIDDEN,
				   SEGMENT(1, 0, 1, LINEAR("pv0", 30)), 1));
	unsigned char sb[64] = "DmRd";
	const uint64_t good[] = { 0,
				  PV_DATA + PV_EXTENT + 4096,
				  PV_DATA + 30 * PV_EXTENT,
				  PV_EXTENT + 4096,
				  0,
				  0 };

	put_pv(&m, PV0, text);
	memcpy(sb, "DmRd", 4);
	fy_put_le32(sb, 0x64526d44);
	fy_put_le32(sb + 8, 2);
	fy_put_le64(sb + 16, 9);
	memset(sb + 32, 0xff, 16);
	put(&m, PV_DATA, sb, sizeof(sb));
	fy_put_le32(sb + 12, 1);
	put(&m, PV_DATA + 30 * PV_EXTENT, sb, sizeof(sb));
	put_swap(&m, PV_DATA + PV_EXTENT, 20 * PV_EXTENT, 4096);
	map_all(&m, NULL);
	CHECK(extents_are(maps[0]->used, good));
	free_maps();
	fy_put_le64(sb + 32, 2048); /* being rebuilt */
	put(&m, PV_DATA + 30 * PV_EXTENT, sb, sizeof(sb));
	map_all(&m, NULL);
	CHECK(upper("vg/r")->how == FY_HOW_WHOLE);
	CHECK(strstr(upper("vg/r")->note, "sync") != NULL);
	CHECK(maps[0]->used_bytes == PV_DATA + 42 * PV_EXTENT);
	free_maps();
	free(text);
	image_free(&m);
}

/* Kinds that are not looked into: what they are made of is used, the rest of
 * the group is mapped. */
static void
test_unknown(void)
{
	struct image m = image_new(DISK, 512);
	char *text = vg_text(
		1, false, "",
		ONE_ROOT LV("c", VISIBLE,
			    SEGMENT(1, 0, 4,
				    "type = \"cache\"\n"
				    "cache_pool = \"c_cpool\"\n"
				    "origin = \"c_corig\""),
			    1) LV("c_corig", HIDDEN,
				  SEGMENT(1, 0, 4, LINEAR("pv0", 100)), 1)
			LV("c_cpool", HIDDEN,
			   SEGMENT(1, 0, 4, LINEAR("pv0", 200)), 1)
				LV("marked", "\"VISIBLE\", \"SOMETHING_NEW\"",
				   SEGMENT(1, 0, 4, LINEAR("pv0", 300)), 1));
	const struct fy_disk_map_options whole = {
		.whole = (const char *const[]){ "vg/root" },
		.n_whole = 1,
	};

	put_pv(&m, PV0, text);
	put_swap(&m, ROOT_AT, 20 * PV_EXTENT, 4096);
	put_swap(&m, PV_DATA + 100 * PV_EXTENT, 4 * PV_EXTENT, 4096);
	put_swap(&m, PV_DATA + 300 * PV_EXTENT, 4 * PV_EXTENT, 4096);
	map_all(&m, NULL);
	CHECK(upper("vg/c")->how == FY_HOW_WHOLE);
	CHECK(strstr(upper("vg/c")->note, "cache") != NULL);
	CHECK(strstr(upper("vg/marked")->note, "SOMETHING_NEW") != NULL);
	CHECK(maps[0]->used_bytes == PV_DATA + 4096 + 12 * PV_EXTENT);
	free_maps();
	map_with(&m, NULL, &whole);
	CHECK(upper("vg/root")->how == FY_HOW_WHOLE);
	CHECK(maps[0]->used_bytes == PV_DATA + 32 * PV_EXTENT);
	free_maps();
	free(text);
	image_free(&m);
}

static char *
replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *ret = NULL;

	CHECK(at != NULL);
	CHECK(asprintf(&ret, "%.*s%s%s", (int)(at - text), text, to,
		       at + strlen(from)) > 0);
	return ret;
}

/* LVs one upon the other. */
static char *
chain(unsigned n, bool from_top)
{
	char *all = strdup(
		     LV("lv0", VISIBLE, SEGMENT(1, 0, 4, LINEAR("pv0", 6)), 1)),
	     *more;
	unsigned i;

	for (i = 1; i < n; i++) {
		char one[512];

		snprintf(one, sizeof(one),
			 "lv%u {\nstatus = []\nflags = []\n"
			 "segment_count = 1\nsegment1 {\nstart_extent = 0\n"
			 "extent_count = 4\ntype = \"striped\"\n"
			 "stripe_count = 1\nstripes = [\"lv%u\", 0]\n}\n}\n",
			 i, i - 1);
		CHECK(asprintf(&more, "%s%s", from_top ? one : all,
			       from_top ? all : one) > 0);
		free(all);
		all = more;
	}
	return all;
}

/* What makes a whole group be in doubt. */
static void
test_doubts(void)
{
	char *text, *odd;
	int i;

	text = vg_text(1, false, "", ONE_ROOT);
	odd = replaced(text, "\"RESIZEABLE\"", "\"EXPORTED\"");
	expect_whole(odd, "exported");
	free(odd);
	odd = replaced(text, "flags = []\ndev", "flags = [\"MISSING\"]\ndev");
	expect_whole(odd, "missing");
	free(odd);
	odd = replaced(text, "pe_count = 1008", "pe_count = 1009");
	expect_whole(odd, "smaller");
	free(odd);
	odd = replaced(text, "\"lvm2\"", "\"lvm3\"");
	expect_whole(odd, "format");
	free(odd);
	free(text);
	expect_whole_lvs(LV("pvmove0", "\"PVMOVE\", \"LOCKED\"",
			    SEGMENT(1, 0, 4, LINEAR("pv0", 0)), 1),
			 "pvmove");
	expect_whole_lvs(
		LV("odd", VISIBLE,
		   SEGMENT(1, 0, 4, "type = \"new\"\nareas = [\"pv0\", 3]"), 1),
		"not known where");
	expect_whole_lvs(ONE_ROOT LV("twice", VISIBLE,
				     SEGMENT(1, 0, 4, LINEAR("pv0", 29)), 1),
			 "used twice");
	expect_whole_lvs(
		LV("out", VISIBLE, SEGMENT(1, 0, 4, LINEAR("pv0", 1006)), 1),
		"lie outside");
	expect_whole_lvs(
		LV("hole", VISIBLE, SEGMENT(1, 1, 4, LINEAR("pv0", 6)), 1),
		"the segments");
	expect_whole_lvs(ONE_ROOT ONE_ROOT, "there are two");
	for (i = 0; i < 2; i++) {
		text = chain(300, i == 1);
		expect_whole_lvs(text, "too many other LVs");
		free(text);
	}
	text = vg_text(1, false, "", LV("none", VISIBLE, "", 0));
	odd = replaced(text, "pv0 {", "} odd { pv0 {");
	expect_whole(odd, "no PVs");
	free(odd);
	free(text);
	expect_whole_lvs(
		LV("self", VISIBLE, SEGMENT(1, 0, 4, LINEAR("self", 0)), 1),
		"on itself");
	expect_whole_lvs(
		LV("a", VISIBLE, SEGMENT(1, 0, 4, LINEAR("b", 0)), 1)
			LV("b", HIDDEN, SEGMENT(1, 0, 4, LINEAR("a", 0)), 1),
		"on itself");
}

/* Bytes that are not what LVM writes. */
static void
test_damage(void)
{
	static const char *const texts[] = {
		"vg {",
		"vg { id = \"x\"",
		"vg { seqno = 99999999999999999999 }",
		"vg { id = \"x\" seqno = 1 } other { id = \"y\" seqno = 2 }",
		"vg { a { b { c { d { e { f { g { h { i { } } } } } } } } } }",
		"vg { status = [\"A\", }",
		"vg { status = [[1]] }",
		"= 5",
		"}",
		"vg { id = \"never ends }",
		"seqno = 1",
	};
	struct image m = image_new(DISK, 512);
	char *text = vg_text(1, false, "", ONE_ROOT), *cut;
	size_t i, len = strlen(text);

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		expect_whole(texts[i], "");
	/* Names that would lead elsewhere as a part of a path. */
	expect_whole_lvs(
		LV("..", VISIBLE, SEGMENT(1, 0, 20, LINEAR("pv0", 10)), 1),
		"the name of ..");
	expect_whole_lvs(
		LV("../../x", VISIBLE, SEGMENT(1, 0, 20, LINEAR("pv0", 10)), 1),
		"the name");
	expect_whole_lvs(
		LV("-x", VISIBLE, SEGMENT(1, 0, 20, LINEAR("pv0", 10)), 1),
		"the name");
	memcpy(text, "..", 2);
	expect_whole(text, "the name of ..");
	memcpy(text, "vg", 2);
	for (i = 1; i < len; i += 7) {
		cut = strndup(text, i);
		put_pv(&m, PV0, cut);
		map_all(&m, NULL);
		/* Only what stands behind the group may be missing. */
		CHECK(maps[0]->used_bytes == DISK ||
		      strstr(cut, "# Gen") != NULL || i + 20 > len ||
		      strstr(cut, "}\n}\n") != NULL);
		free_maps();
		free(cut);
	}
	/* Checksums of the label, the area and the text. */
	for (i = 0; i < 3; i++) {
		static const uint64_t at[] = { 512 + 70, PV_AREA + 200,
					       PV_AREA + 530 };

		put_pv(&m, PV0, text);
		put_byte(&m, at[i], 'Z');
		map_all(&m, NULL);
		CHECK(maps[0]->used_bytes == DISK);
		CHECK(has_warning(maps[0], "checksum"));
		free_maps();
	}
	/* Ignored metadata say nothing. */
	put_pv_at(&m, 0, DISK, PV0, 512, text, 1);
	map_all(&m, NULL);
	CHECK(maps[0]->used_bytes == DISK);
	CHECK(strstr(maps[0]->volumes[0].note, "no volume group") != NULL);
	free_maps();
	free(text);
	image_free(&m);
}

/* Metadata of the same age that differ can't be told apart. */
static void
test_split(void)
{
	struct image a = image_new(DISK, 512), b = image_new(DISK, 512);
	char *one = vg_text(5, true, "", ONE_ROOT);
	char *other = vg_text(5, true, "", "");

	put_pv(&a, PV0, one);
	put_pv(&b, PV1, other);
	map_all(&a, &b);
	CHECK(maps[0]->used_bytes == DISK && maps[1]->used_bytes == DISK);
	CHECK(has_warning(maps[0], "same age"));
	free_maps();
	free(one);
	free(other);
	image_free(&a);
	image_free(&b);
}

/* A disk of a virtual machine in an LV; a PV in an LV of another group. */
static void
test_nested(void)
{
	struct image m = image_new(DISK, 512);
	char *text = vg_text(1, false, "", ONE_ROOT), *inner, *p;

	put_pv(&m, PV0, text);
	put_mbr(&m, ROOT_AT, 0, 0, 0x83, 64, 1024);
	map_all(&m, NULL);
	CHECK(upper("vg/root")->how == FY_HOW_WHOLE);
	CHECK(strstr(upper("vg/root")->note, "partition table") != NULL);
	free_maps();
	image_free(&m);

	m = image_new(DISK, 512);
	free(text);
	text = vg_text(
		1, false, "",
		LV("root", VISIBLE, SEGMENT(1, 0, 320, LINEAR("pv0", 10)), 1));
	inner = vg_text(
		1, false, "",
		LV("deep", VISIBLE, SEGMENT(1, 0, 4, LINEAR("pv0", 2)), 1));
	while ((p = strstr(inner, "vvvv")) != NULL)
		memcpy(p, "wwww", 4);
	memcpy(strstr(inner, "vg {"), "in {", 4);
	memcpy(strstr(inner, "0000-00aaaa"), "0000-00cccc", 11);
	memcpy(strstr(inner, "pe_count = 1008"), "pe_count = 0200", 15);
	put_pv(&m, PV0, text);
	put_pv_at(&m, ROOT_AT, 320 * PV_EXTENT,
		  "0000000000000000000000000000cccc", 512, inner, 0);
	put_swap(&m, ROOT_AT + PV_DATA + 2 * PV_EXTENT, 4 * PV_EXTENT, 4096);
	map_all(&m, NULL);
	CHECK(fy_streq(upper("in/deep")->filesystem, "swap"));
	CHECK(fy_streq(upper("in/deep")->on, "vg/root"));
	CHECK(upper("in/deep")->start == ROOT_AT + PV_DATA + 2 * PV_EXTENT);
	CHECK(extents_are(maps[0]->used,
			  (uint64_t[]){ 0, PV_DATA, ROOT_AT, PV_DATA,
					ROOT_AT + PV_DATA + 2 * PV_EXTENT, 4096,
					0, 0 }));
	free_maps();
	free(text);
	free(inner);
	image_free(&m);
}

/* The origin of a snapshot keeps what the snapshot uses, too. */
static void
test_snapshot(void)
{
	struct image m = image_new(DISK, 512);
	char *text = vg_text(
		1, false, "",
		ONE_ROOT LV("snap", VISIBLE,
			    SEGMENT(1, 0, 5, LINEAR("pv0", 50)), 1)
			LV("snapshot0", VISIBLE,
			   SEGMENT(1, 0, 20,
				   "type = \"snapshot\"\nchunk_size = 8\n"
				   "origin = \"root\"\ncow_store = \"snap\""),
			   1));
	const uint64_t cow = PV_DATA + 50 * PV_EXTENT;
	unsigned char h[16] = "SnAp", e[16] = { 0 };
	unsigned char page[4096] = { 0 };

	/* The origin is a swap with pages of 4 KiB; the snapshot, whose first
	 * chunk is in the store, one with pages of 16 KiB. */
	put_pv(&m, PV0, text);
	put_swap(&m, ROOT_AT, 20 * PV_EXTENT, 4096);
	put_text(&m, ROOT_AT + 16384 - 10, "SWAPSPACE2");
	fy_put_le32(h + 4, 1);
	fy_put_le32(h + 8, 1);
	fy_put_le32(h + 12, 8);
	put(&m, cow, h, sizeof(h));
	fy_put_le64(e + 8, 2);
	put(&m, cow + 4096, e, sizeof(e));
	fy_put_le32(page + 1024, 1);
	fy_put_le32(page + 1028, 20 * 4 - 1);
	put(&m, cow + 8192, page, sizeof(page));
	map_all(&m, NULL);
	CHECK(upper("vg/root")->used_bytes == 4096);
	CHECK(upper("vg/snap")->used_bytes == 16384);
	CHECK(extents_are(maps[0]->used,
			  (uint64_t[]){ 0, PV_DATA, ROOT_AT, 16384, cow,
					5 * PV_EXTENT, 0, 0 }));
	free_maps();
	/* It overflowed: nobody can read it. */
	put_le32(&m, cow + 4, 0);
	map_all(&m, NULL);
	CHECK(maps[0]->used_bytes == PV_DATA + 4096 + 5 * PV_EXTENT);
	free_maps();
	/* A list that makes no sense. */
	put_le32(&m, cow + 4, 1);
	put_le32(&m, cow + 4096 + 8, 5000);
	map_all(&m, NULL);
	CHECK(maps[0]->used_bytes == PV_DATA + 25 * PV_EXTENT);
	free_maps();
	free(text);
	image_free(&m);
}

/* A disk of which some bytes can't be read. */
struct bad_disk {
	struct fy_volume *under;
	uint64_t from, to;
};

static int
bad_pread(void *handle, void *buf, size_t len, uint64_t offset,
	  struct fy_error *err)
{
	const struct bad_disk *d = handle;

	if (offset < d->to && offset + len > d->from)
		return fy_error_set(err, FY_E_IO, 5, "a bad sector");
	return fy_volume_pread(d->under, buf, len, offset, err);
}

/* Sectors of the metadata, and of the LV's head: with --rescue what is about
 * them is copied whole, without it is an error. */
static void
test_rescue(void)
{
	static const struct fy_volume_ops ops = { .pread = bad_pread };
	static const struct {
		uint64_t at, used;
	} places[] = {
		{ PV_AREA, DISK },
		{ PV_AREA + 512, DISK },
		{ ROOT_AT + 1024, PV_DATA + 20 * PV_EXTENT },
	};
	struct image m = image_new(DISK, 512);
	char *text = vg_text(1, false, "", ONE_ROOT);
	struct fy_disk_map_options options = { 0 };
	struct fy_error err = { 0 };
	size_t i;

	put_pv(&m, PV0, text);
	put_swap(&m, ROOT_AT, 20 * PV_EXTENT, 4096);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct bad_disk d = { m.volume, places[i].at,
				      places[i].at + 512 };
		struct fy_volume *v =
			fy_volume_new(&ops, &d, "bad", DISK, 512, &err);

		CHECK(v != NULL);
		options.rescue = NULL;
		CHECK(fy_disk_map_read(v, &options, maps, &err) == -1);
		CHECK(err.code == FY_E_IO);
		fy_error_clear(&err);
		options.rescue = v;
		CHECK_OK(fy_disk_map_read(v, &options, maps, &err), &err);
		CHECK(maps[0]->used_bytes == places[i].used);
		free_maps();
		fy_volume_close(v);
	}
	free(text);
	image_free(&m);
}

int
main(void)
{
	unsigned char bytes[300];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7);
	CHECK(fy_lvm_crc(bytes, sizeof(bytes)) ==
	      slow_lvm_crc(bytes, sizeof(bytes)));
	test_linear();
	test_ends();
	test_pieces();
	test_stripes();
	test_mirror();
	test_raid1();
	test_unknown();
	test_doubts();
	test_damage();
	test_split();
	test_nested();
	test_snapshot();
	test_rescue();
	return 0;
}
