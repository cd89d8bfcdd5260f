/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XFS made byte by byte: maps of both versions, deep btrees, beyond 16 TiB,
 * and superblocks, AGFs and btrees that lie.
 */
#include "partclone/filesystem.h"
#include "partclone/test-xfs-image.h"

#include "common/stop.h"

/* Four AGs, the last one short, the log in the second. */
static const struct xfs_shape five = { 5, 1024, 512, 96, 4, 358, 1, 32, 16 };
static const struct xfs_shape four = { 4, 512, 512, 96, 4, 358, 1, 32, 16 };
static const struct xfs_shape sectors = {
	5, 4096, 4096, 96, 4, 358, 1, 32, 16
};
static const struct xfs_shape large = { 5, 65536, 4096, 96, 4, 358, 1, 32, 16 };

/* What is free in them: start, count. */
static const uint32_t free_0[] = { 10, 20, 40, 56, 0, 0 };
static const uint32_t free_1[] = { 10, 22, 48, 1, 90, 6, 0, 0 };
static const uint32_t free_2[] = { 8, 88, 0, 0 };
static const uint32_t free_3[] = { 0, 0 };

/* What is used then, in blocks: of all AGs; and with one of them whole. */
static const uint64_t used_all[] = { 0,	  10, 30,  10, 96,  10, 128, 16,
				     145, 41, 192, 8,  288, 70, 0,   0 };
static const uint64_t used_whole_0[] = { 0,   106, 128, 16, 145, 41,
					 192, 8,   288, 70, 0,	 0 };
static const uint64_t used_whole_1[] = {
	0, 10, 30, 10, 96, 104, 288, 70, 0, 0
};
static const uint64_t used_whole_2[] = { 0,  10,  30, 10,  96,	10, 128,
					 16, 145, 41, 192, 166, 0,  0 };

static struct image
make(const struct xfs_shape *s)
{
	/* The filesystem is smaller than its volume. */
	struct image m = image_new(s->blocks * s->block + 70000, 512);

	xfs_put_ag(&m, s, 0, free_0);
	xfs_put_ag(&m, s, 1, free_1);
	xfs_put_ag(&m, s, 2, free_2);
	xfs_put_ag(&m, s, 3, free_3);
	xfs_put_clean_log(&m, s, 10);
	return m;
}

/* --- what is expected ---------------------------------------------------------- */

static int
map(const struct image *m, const struct fy_fs_map_options *options,
    struct fy_extents *used, struct fy_fs_result *ret, struct fy_error *err)
{
	struct fy_fs_info info;

	CHECK_OK(fy_fs_identify(m->volume, &info, err), err);
	CHECK(info.driver == &fy_fs_xfs && fy_streq(info.name, "xfs"));
	CHECK(fy_streq(info.label, "a label"));
	return fy_fs_map(m->volume, &info, options, used, ret, err);
}

/* The map is these blocks; 'note' is in its note, "" is none. */
static void
expect(const struct image *m, const struct xfs_shape *s, const uint64_t *blocks,
       const char *note)
{
	const struct fy_fs_map_options options = { 0 };
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;
	uint64_t pairs[64];
	size_t i;

	CHECK(used != NULL);
	CHECK_OK(map(m, &options, used, &result, &err), &err);
	for (i = 0; blocks[i + 1] != 0; i += 2) {
		pairs[i] = blocks[i] * s->block;
		pairs[i + 1] = blocks[i + 1] * s->block;
	}
	pairs[i] = pairs[i + 1] = 0;
	if (result.whole || strstr(result.note, note) == NULL ||
	    result.warn != (note[0] != 0))
		fprintf(stderr, "whole %d, note: %s\n", result.whole,
			result.note);
	CHECK(!result.whole && extents_are(used, pairs));
	CHECK(result.bytes == s->blocks * s->block);
	CHECK(strstr(result.note, note) != NULL);
	CHECK(result.warn == (note[0] != '\0'));
	CHECK((result.note[0] != '\0') == (note[0] != '\0'));
	fy_extents_free(used);
}

static void
expect_whole(const struct image *m, bool allow_dirty, const char *note)
{
	const struct fy_fs_map_options options = { .allow_dirty = allow_dirty };
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;

	CHECK(used != NULL);
	CHECK_OK(map(m, &options, used, &result, &err), &err);
	if (!result.whole || strstr(result.note, note) == NULL)
		fprintf(stderr, "whole %d, note: %s\n", result.whole,
			result.note);
	CHECK(result.whole && result.warn && result.bytes == m->size);
	CHECK(strstr(result.note, note) != NULL);
	CHECK(extents_are(used, (uint64_t[]){ 0, m->size, 0, 0 }));
	fy_extents_free(used);
}

static void
expect_refusal(const struct image *m, enum fy_error_code code,
	       const char *words)
{
	const struct fy_fs_map_options options = { 0 };
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;

	CHECK(used != NULL);
	CHECK(map(m, &options, used, &result, &err) == -1);
	if (err.code != code || strstr(err.msg, words) == NULL)
		fprintf(stderr, "%s\n", err.msg);
	CHECK(err.code == code && strstr(err.msg, words) != NULL);
	CHECK(fy_extents_count(used) == 0);
	fy_extents_free(used);
	expect_whole(m, true, "");
}

/* --- maps ------------------------------------------------------------------------- */

static void
test_shape(const struct xfs_shape *s)
{
	struct image m = make(s);

	expect(&m, s, used_all, "");
	image_free(&m);
}

/* A bnobt of three levels: the root (9), two nodes (10, 11), four leaves. */
static struct image
make_deep(const struct xfs_shape *s)
{
	struct image m = make(s);
	const uint32_t leaf[4][4] = {
		{ 20, 2, 23, 1 }, { 25, 1, 30, 5 }, { 40, 1, 42, 1 }, { 50, 9 }
	};
	const uint32_t keys[2][4] = { { 20, 2, 25, 1 }, { 40, 1, 50, 9 } };
	const uint32_t top[4] = { 20, 2, 40, 1 };

	xfs_put_agf(&m, s, 2, 9, 3, 22, 9);
	xfs_put_tree(&m, s, 2, 9, 2, XFS_NONE, XFS_NONE, top,
		     (uint32_t[]){ 10, 11 }, 2);
	xfs_put_tree(&m, s, 2, 10, 1, XFS_NONE, 11, keys[0],
		     (uint32_t[]){ 12, 13 }, 2);
	xfs_put_tree(&m, s, 2, 11, 1, 10, XFS_NONE, keys[1],
		     (uint32_t[]){ 14, 15 }, 2);
	xfs_put_tree(&m, s, 2, 12, 0, XFS_NONE, 13, leaf[0], NULL, 2);
	xfs_put_tree(&m, s, 2, 13, 0, 12, 14, leaf[1], NULL, 2);
	xfs_put_tree(&m, s, 2, 14, 0, 13, 15, leaf[2], NULL, 2);
	xfs_put_tree(&m, s, 2, 15, 0, 14, XFS_NONE, leaf[3], NULL, 1);
	xfs_put_agf(&m, s, 2, 9, 3, 2 + 1 + 1 + 5 + 1 + 1 + 9, 9);
	return m;
}

static const uint64_t used_deep[] = { 0,   10,	30,  10,  96,  10,  128,
				      16,  145, 41,  192, 20,  214, 1,
				      216, 1,	218, 4,	  227, 5,   233,
				      1,   235, 7,   251, 107, 0,   0 };

static void
test_deep(const struct xfs_shape *s)
{
	struct image m = make_deep(s);

	expect(&m, s, used_deep, "");
	image_free(&m);
}

/* Forty AGs of 512 GiB: block numbers and offsets beyond 32 bits. */
static void
test_beyond_16_tib(void)
{
	const uint32_t per_ag = 1u << 27;
	const struct xfs_shape s = { 5,	     4096, 512,
				     per_ag, 40,   39ull * per_ag + 1000,
				     20,     1000, 64 };
	const uint32_t most[] = { 100, per_ag - 100, 0, 0 };
	const uint32_t log[] = { 100, 900, 1064, per_ag - 1064, 0, 0 };
	const uint32_t last[] = { 100, 800, 0, 0 };
	uint64_t blocks[2 * 42 + 2] = { 0 };
	struct image m = image_new(s.blocks * s.block + 70000, 512);
	struct fy_fs_map_options options = { 0 };
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;
	uint32_t ag;
	size_t n = 0;

	CHECK(s.blocks * s.block > 19 * FY_TIB && used != NULL);
	for (ag = 0; ag < 40; ag++) {
		uint64_t at = xfs_at(&s, ag, 0);

		xfs_put_ag(&m, &s, ag, ag == 20 ? log : ag == 39 ? last : most);
		blocks[n++] = at;
		blocks[n++] = 100 * 4096;
		if (ag == 20) {
			blocks[n++] = at + 1000 * 4096;
			blocks[n++] = 64 * 4096;
		}
	}
	blocks[n++] = xfs_at(&s, 39, 900);
	blocks[n++] = 100 * 4096;
	xfs_put_clean_log(&m, &s, 50);
	CHECK_OK(map(&m, &options, used, &result, &err), &err);
	CHECK(!result.whole && extents_are(used, blocks));
	CHECK(result.bytes == s.blocks * s.block && result.note[0] == '\0');
	fy_extents_free(used);
	image_free(&m);
}

static void
test_stop(void)
{
	struct image m = make(&five);
	struct fy_stop stop;
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	const struct fy_fs_map_options options = { .stop = &stop };
	struct fy_fs_result result;

	CHECK(used != NULL);
	CHECK_OK(fy_stop_init(&stop, &err), &err);
	fy_stop_raise(&stop);
	CHECK(map(&m, &options, used, &result, &err) == -1);
	CHECK(err.code == FY_E_CANCELLED && fy_extents_count(used) == 0);
	fy_stop_release(&stop);
	fy_extents_free(used);
	image_free(&m);
}

/* --- lies of an AG -------------------------------------------------------------------- */

struct lie {
	const char *words; /* of the note */
	int block;	   /* of a btree; -1: the AGF */
	uint32_t at, width;
	uint64_t value;
	bool only_5;   /* version 4 does not say this */
	bool unsealed; /* the checksum stays as it was */
};

static void
tell(const struct image *m, const struct xfs_shape *s, uint32_t ag,
     const struct lie *l)
{
	uint64_t at = l->block < 0 ? xfs_at(s, ag, 0) + s->sector
				   : xfs_at(s, ag, (uint32_t)l->block);

	at += l->at;
	if (l->width == 2)
		put_be16(m, at, (uint32_t)l->value);
	else if (l->width == 4)
		put_be32(m, at, l->value);
	else
		put_be64(m, at, l->value);
	if (l->unsealed)
		return;
	if (l->block < 0)
		xfs_seal_agf(m, s, ag);
	else
		xfs_seal_tree(m, s, ag, (uint32_t)l->block);
}

/* Lies about AG 2 of the deep one cost that AG, and are said. */
static void
test_lies_of_deep(const struct xfs_shape *s)
{
	uint32_t head = s->version == 5 ? 56 : 16;
	uint32_t pointers = head + (s->block - head) / 12 * 8;
	const struct lie lies[] = {
		{ "no AGF", -1, 0, 4, 0x58414749, false, false },
		{ "checksum of its AGF", -1, 60, 4, 1, true, true },
		{ "another filesystem", -1, 64, 4, 1, true, false },
		{ "contradicts", -1, 4, 4, 2, false, false },
		{ "contradicts", -1, 8, 4, 3, false, false },
		{ "contradicts", -1, 12, 4, 97, false, false },
		{ "contradicts", -1, 52, 4, 97, false, false },
		{ "contradicts", -1, 56, 4, 96, false, false },
		{ "too deep", -1, 28, 4, 0, false, false },
		{ "too deep", -1, 28, 4, 10, false, false },
		{ "makes no sense", -1, 28, 4, 2, false, false },
		{ "root of a btree", -1, 20, 4, 96, false, false },
		{ "root of a btree", -1, 24, 4, 0, true, false },
		{ "root of a btree", -1, 88, 4, XFS_NONE, true, false },
		{ "twice", -1, 20, 4, 12, false, false },
		{ "cover a btree", -1, 20, 4, 58, false, false },
		{ "points outside", -1, 16, 4, 1, false, false },
		{ "points outside", -1, 16, 4, 96, false, false },
		{ "as many", -1, 52, 4, 21, false, false },
		{ "as many", -1, 56, 4, 8, false, false },
		{ "is broken", 9, 0, 4, 0x41425443, false, false },
		{ "checksum", 13, head + 40, 4, 1, true, true },
		{ "elsewhere", 13, 16, 8, 7, true, false },
		{ "elsewhere", 13, 48, 4, 1, true, false },
		{ "elsewhere", 13, 32, 4, 1, true, false },
		{ "makes no sense", 10, 4, 2, 0, false, false },
		{ "makes no sense", 10, 6, 2, 0, false, false },
		{ "makes no sense", 13, 6, 2, 0, false, false },
		{ "makes no sense", 10, 6, 2, 60000, false, false },
		{ "makes no sense", 13, 6, 2, (s->block - head) / 8 + 1, false,
		  false },
		{ "chains", 13, 8, 4, 11, false, false },
		{ "chains", 13, 12, 4, 15, false, false },
		{ "chains", 13, 12, 4, XFS_NONE, false, false },
		{ "chains", 15, 12, 4, 12, false, false },
		{ "chains", 10, 12, 4, XFS_NONE, false, false },
		{ "chains", 9, 12, 4, 10, false, false },
		{ "chains", 9, 8, 4, 10, false, false },
		/* Pointers: to itself, to a sibling's leaf, back up. */
		{ "makes no sense", 9, pointers, 4, 9, false, false },
		{ "makes no sense", 10, pointers, 4, 10, false, false },
		{ "chains", 10, pointers + 4, 4, 12, false, false },
		{ "points outside", 10, pointers + 4, 4, 96, false, false },
		{ "key", 9, head + 8, 4, 39, false, false },
		{ "key", 10, head + 8, 4, 26, false, false },
		/* Records: none long, overlapping, outside. */
		{ "overlap", 12, head + 4, 4, 0, false, false },
		{ "overlap", 12, head + 4, 4, 4, false, false },
		{ "overlap", 12, head + 12, 4, 3, false, false },
		{ "overlap", 15, head + 4, 4, 47, false, false },
		{ "overlap", 15, head + 4, 4, XFS_NONE, false, false },
		{ "as many", 15, head + 4, 4, 10, false, false },
	};
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct image m;

		if (lies[i].only_5 && s->version != 5)
			continue;
		m = make_deep(s);
		tell(&m, s, 2, &lies[i]);
		expect(&m, s, used_whole_2, lies[i].words);
		expect(&m, s, used_whole_2, "1 of 4");
		image_free(&m);
	}
}

/* What is free must not be the header, a btree or the log. */
static void
test_free_of_others(const struct xfs_shape *s)
{
	uint32_t head = xfs_header(s);
	struct image m = make(s);

	xfs_put_ag(&m, s, 0, (uint32_t[]){ head - 1, 1, 10, 5, 0, 0 });
	expect(&m, s, used_whole_0, "overlap");
	xfs_put_ag(&m, s, 0, (uint32_t[]){ head, 1, 10, 5, 0, 0 });
	expect(&m, s, used_whole_0, "cover a btree");
	xfs_put_ag(&m, s, 0, (uint32_t[]){ head + 1, 2, 10, 5, 0, 0 });
	expect(&m, s, used_whole_0, "cover a btree");
	xfs_put_ag(&m, s, 0, free_0);
	xfs_put_ag(&m, s, 1, (uint32_t[]){ 10, 23, 0, 0 });
	expect(&m, s, used_whole_1, "cover the log");
	xfs_put_ag(&m, s, 1, (uint32_t[]){ 47, 10, 0, 0 });
	expect(&m, s, used_whole_1, "cover the log");
	xfs_put_ag(&m, s, 1, (uint32_t[]){ 35, 2, 0, 0 });
	expect(&m, s, used_whole_1, "cover the log");
	/* Nothing is known for sure: then not even where it ends. */
	xfs_put_agf(&m, s, 0, head, 1, 1, 1);
	xfs_put_agf(&m, s, 2, head, 1, 1, 1);
	xfs_put_agf(&m, s, 3, head, 1, 1, 1);
	expect_whole(&m, false, "damaged");
	image_free(&m);
}

/* --- lies of the superblock -------------------------------------------------------- */

static void
set_super(const struct image *m, const struct xfs_shape *s, uint32_t at,
	  uint32_t width, uint64_t value)
{
	if (width == 1)
		put_byte(m, at, (unsigned)value);
	else if (width == 2)
		put_be16(m, at, (uint32_t)value);
	else if (width == 4)
		put_be32(m, at, value);
	else
		put_be64(m, at, value);
	xfs_seal_super(m, s, 0);
}

static void
test_lies_of_super(const struct xfs_shape *s)
{
	const struct {
		const char *words;
		uint32_t at, width;
		uint64_t value;
	} lies[] = {
		{ "contradicts itself", 4, 4, 256 },
		{ "contradicts itself", 4, 4, 3000 },
		{ "contradicts itself", 4, 4, 131072 },
		{ "contradicts itself", 120, 1, 11 },
		{ "contradicts itself", 102, 2, 256 },
		{ "contradicts itself", 121, 1, 12 },
		{ "contradicts itself", 84, 4, 63 },
		{ "contradicts itself", 84, 4, UINT32_MAX },
		{ "contradicts itself", 88, 4, 0 },
		{ "contradicts itself", 88, 4, 5 },
		{ "contradicts itself", 88, 4, UINT32_MAX },
		{ "contradicts itself", 8, 8, 0 },
		{ "contradicts itself", 8, 8, 351 },
		{ "contradicts itself", 8, 8, UINT64_MAX },
		{ "contradicts itself", 124, 1, 8 },
		{ "contradicts itself", 124, 1, 0 },
		{ "contradicts itself", 124, 1, 200 },
		{ "impossible log", 48, 8, UINT64_MAX },
		{ "impossible log", 48, 8, 1 },
		{ "impossible log", 48, 8, 127 },
		{ "impossible log", 96, 4, 65 },
		{ "impossible log", 96, 4, 0 },
		{ "version 3", 100, 2, 0x2003 },
		{ "version 6", 100, 2, 0x2006 },
		{ "versionnum 0x200,", 100, 2, 0x26a0 | s->version },
		{ "directories", 100, 2, 0x84a0 | s->version },
		{ "features2 0x10000,", 200, 4, 0x10100 },
		{ "features2 0x10,", 204, 4, 0x10 },
		{ "did not finish", 126, 1, 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct image m = make(s);

		set_super(&m, s, lies[i].at, lies[i].width, lies[i].value);
		expect_whole(&m, false, lies[i].words);
		image_free(&m);
	}
}

/* Sectors larger than blocks, and by themselves right. */
static void
test_sectors(void)
{
	struct image m = make(&five);

	put_byte(&m, 121, 11);
	set_super(&m, &five, 102, 2, 2048);
	xfs_seal(&m, &five, 0, 2048, 224);
	expect_whole(&m, false, "contradicts itself");
	image_free(&m);
}

static void
test_features(void)
{
	static const struct {
		const char *words;
		uint32_t at, value;
	} unknown[] = {
		{ " compat 0x1,", 208, 1 },
		{ "ro_compat 0x10,", 212, 0x1f },
		{ " incompat 0x800,", 216, 0x80b },
		{ "log_incompat 0x2)", 220, 2 },
	};
	struct image m = make(&five);
	size_t i;

	for (i = 0; i < 4; i++) {
		set_super(&m, &five, unknown[i].at, 4, unknown[i].value);
		expect_whole(&m, false, unknown[i].words);
		xfs_put_super(&m, &five, 0);
		set_super(&m, &five, 208, 4, 0);
		set_super(&m, &five, 220, 4, 0);
	}
	/* Known ones change nothing: all but zoned and needsrepair. */
	set_super(&m, &five, 216, 4, 0x1eb);
	set_super(&m, &five, 220, 4, 1);
	expect(&m, &five, used_all, "");
	set_super(&m, &five, 216, 4, 0x1b);
	expect_refusal(&m, FY_E_DIRTY, "xfs_repair");
	image_free(&m);

	/* The metadata's own UUID, once the user has changed the other. */
	m = make(&five);
	put_text(&m, 32, "something else !");
	set_super(&m, &five, 216, 4, 0xb);
	expect_whole(&m, false, "another filesystem");
	put_text(&m, 248, "a filesystem's !");
	set_super(&m, &five, 216, 4, 0xf);
	expect(&m, &five, used_all, "");
	image_free(&m);
}

static void
test_elsewhere(void)
{
	struct image m = make(&five);

	set_super(&m, &five, 48, 8, 0);
	expect_refusal(&m, FY_E_UNSUPPORTED, "its log is on another device");
	xfs_put_super(&m, &five, 0);
	set_super(&m, &five, 16, 8, 1000);
	expect_refusal(&m, FY_E_UNSUPPORTED, "realtime");
	set_super(&m, &five, 216, 4, 0x20b);
	set_super(&m, &five, 288, 8, 400);
	expect_whole(&m, false, "realtime");
	image_free(&m);
}

/* The superblock against its checksum, its copies, its volume. */
static void
test_copies(void)
{
	struct image m = make(&five);
	struct fy_volume *rest = m.volume, *cut = NULL;
	struct fy_error err = { 0 };

	put_byte(&m, 130, 7); /* icount */
	expect_whole(&m, false, "checksum");
	xfs_seal_super(&m, &five, 0);
	expect(&m, &five, used_all, "");
	/* A damaged copy is nothing, one that differs is. */
	put_byte(&m, xfs_at(&five, 1, 0) + 84, 9);
	expect(&m, &five, used_all, "");
	xfs_seal_super(&m, &five, 1);
	expect_whole(&m, false, "group 1 contradict");
	put(&m, xfs_at(&five, 1, 0), "none", 4);
	expect(&m, &five, used_all, "");
	put_be64(&m, xfs_at(&five, 3, 0) + 8, 359);
	xfs_seal_super(&m, &five, 3);
	expect_whole(&m, false, "group 3 contradict");
	image_free(&m);

	m = make(&four);
	put(&m, xfs_at(&four, 1, 0), "none", 4);
	expect(&m, &four, used_all, "");
	put(&m, xfs_at(&four, 3, 0), "none", 4);
	expect_whole(&m, false, "no copy");
	image_free(&m);
	/* One that says it were shorter would lose the end. */
	m = make(&four);
	set_super(&m, &four, 8, 8, 352);
	expect_whole(&m, false, "contradict each other");
	image_free(&m);

	m = make(&five);
	rest = m.volume;
	CHECK_OK(fy_volume_slice(rest, 0, 358 * 1024 - 1, "cut", &cut, &err),
		 &err);
	m.volume = cut;
	m.size = 358 * 1024 - 1;
	expect_whole(&m, false, "behind the end");
	fy_volume_close(cut);
	m.volume = rest;
	image_free(&m);
}

int
main(void)
{
	test_shape(&five);
	test_shape(&four);
	test_shape(&sectors);
	test_shape(&large);
	test_deep(&five);
	test_deep(&four);
	test_deep(&sectors);
	test_beyond_16_tib();
	test_stop();
	test_lies_of_deep(&five);
	test_lies_of_deep(&four);
	test_free_of_others(&five);
	test_free_of_others(&four);
	test_lies_of_super(&five);
	test_lies_of_super(&four);
	test_sectors();
	test_features();
	test_elsewhere();
	test_copies();
	return 0;
}
