/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * F2FS made here: both copies of the SIT, its journal in both kinds of
 * summaries, checkpoints old, new and damaged, and what is unclean or lies.
 */
#include "partclone/crc32.h"
#include "partclone/f2fs.h"
#include "partclone/test-image.h"

#define BLOCK	 4096ull
#define SEGMENTS 60u
#define CP	 512u
#define SIT	 1536u
#define NAT	 2560u
#define SSA	 3584u
#define MAIN	 4096u
#define END	 (MAIN + SEGMENTS * 512u)
#define TAIL	 100u
#define TOTAL	 (END + TAIL)

struct fs {
	struct image m;
	unsigned char entries[SEGMENTS][74];
	uint32_t flags, payload, features;
	uint64_t version;
	uint32_t extra_blocks; /* preallocated */
	bool set[2];	       /* the copy of each SIT block that counts */
	unsigned n_journal;
	uint32_t journal_segment[7];
	unsigned char journal[7][74];
};

/* Where the six logs go on. */
static const uint32_t log_segment[6] = { 10, 11, 12, 13, 14, 56 };
static const uint16_t log_block[6] = { 0, 7, 0, 0, 20, 0 };

static void
mark(unsigned char *entry, unsigned block, unsigned count, unsigned type)
{
	uint16_t v = fy_get_le16(entry);

	fy_put_le16(entry, (uint16_t)(((v & 0x3ff) + count) | type << 10));
	for (; count > 0; count--, block++)
		entry[2 + block / 8] |= (unsigned char)(0x80 >> block % 8);
}

static const unsigned char *
current(const struct fs *f, uint32_t segment)
{
	unsigned i;

	for (i = f->n_journal; i > 0; i--)
		if (f->journal_segment[i - 1] == segment)
			return f->journal[i - 1];
	return f->entries[segment];
}

static void
count(const struct fs *f, uint64_t *blocks, uint32_t *nodes, uint32_t *free)
{
	uint32_t s, i;

	*blocks = *nodes = *free = 0;
	for (s = 0; s < SEGMENTS; s++) {
		const unsigned char *e = current(f, s);
		unsigned valid = fy_get_le16(e) & 0x3ff;
		bool is_log = false;

		*blocks += valid;
		*nodes += fy_get_le16(e) >> 10 >= 3 ? valid : 0;
		for (i = 0; i < 6; i++)
			is_log |= log_segment[i] == s;
		*free += valid == 0 && !is_log;
	}
}

static void
put_super(const struct fs *f, uint64_t at)
{
	static const uint32_t words[] = {
		/* from byte 44 on */
		SEGMENTS, 7 + SEGMENTS, 2,   2,	  2,	1, SEGMENTS, CP,
		CP,	  SIT,		NAT, SSA, MAIN, 3, 1,	     2
	};
	unsigned char b[3072] = { 0 };
	size_t i;

	fy_put_le32(b, FY_F2FS_MAGIC);
	fy_put_le16(b + 4, 1);
	fy_put_le32(b + 8, 9);
	fy_put_le32(b + 12, 3);
	fy_put_le32(b + 16, 12);
	fy_put_le32(b + 20, 9);
	fy_put_le32(b + 24, 1);
	fy_put_le32(b + 28, 1);
	fy_put_le32(b + 32, 3068);
	fy_put_le64(b + 36, TOTAL);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		fy_put_le32(b + 44 + 4 * i, words[i]);
	memset(b + 108, 0x11, 16);
	b[124] = 'n';
	fy_put_le32(b + 1664, f->payload);
	fy_put_le32(b + 2180, f->features);
	fy_put_le32(b + 3068, fy_crc32_raw(FY_F2FS_MAGIC, b, 3068));
	put(&f->m, at, b, sizeof(b));
}

static void
seal(unsigned char *b)
{
	uint32_t at = fy_get_le32(b + 164);
	uint32_t crc = fy_crc32_raw(FY_F2FS_MAGIC, b, at);

	if (at < 4092)
		crc = fy_crc32_raw(crc, b + at + 4, 4096 - at - 4);
	fy_put_le32(b + at, crc);
}

static void
put_journal(const struct fs *f, uint64_t at)
{
	unsigned i;

	put_le16(&f->m, at, (uint16_t)f->n_journal);
	for (i = 0; i < f->n_journal && i < 6; i++) {
		put_le32(&f->m, at + 2 + 78ull * i, f->journal_segment[i]);
		put(&f->m, at + 6 + 78ull * i, f->journal[i], 74);
	}
}

/* The header in 'b' (of payload + 1 blocks); returns the pack's length. */
static uint32_t
make_header(const struct fs *f, unsigned char *b, uint64_t version)
{
	bool large = (f->flags & 0x400) != 0, compact = (f->flags & 4) != 0;
	uint32_t nodes, free, i, total = f->payload + (compact ? 6 : 8);
	unsigned char *bitmap = b + 192;
	uint64_t blocks;

	count(f, &blocks, &nodes, &free);
	fy_put_le64(b, version);
	fy_put_le64(b + 8, 20000);
	fy_put_le64(b + 16, blocks + f->extra_blocks);
	fy_put_le32(b + 32, free);
	for (i = 0; i < 3; i++) {
		fy_put_le32(b + 84 + 4 * i, log_segment[i]);
		fy_put_le16(b + 116 + 2 * i, log_block[i]);
		fy_put_le32(b + 36 + 4 * i, log_segment[3 + i]);
		fy_put_le16(b + 68 + 2 * i, log_block[3 + i]);
	}
	fy_put_le32(b + 132, f->flags);
	fy_put_le32(b + 136, total);
	fy_put_le32(b + 140, 1 + f->payload);
	fy_put_le32(b + 144, nodes);
	fy_put_le32(b + 156, 64);
	fy_put_le32(b + 160, 64);
	fy_put_le32(b + 164, large ? 192 : 4092);
	if (large)
		bitmap = b + 196 + 64;
	else if (f->payload > 0)
		bitmap = b + 4096;
	for (i = 0; i < 2; i++)
		bitmap[0] |= f->set[i] ? 0x80 >> i : 0;
	return total;
}

/* One pack; its last block repeats its first. */
static void
put_pack(const struct fs *f, uint32_t at, uint64_t version)
{
	static unsigned char b[8 * 4096];
	uint32_t total;

	memset(b, 0, sizeof(b));
	total = make_header(f, b, version);
	seal(b);
	put(&f->m, at * BLOCK, b, (f->payload + 1) * BLOCK);
	put(&f->m, (at + total - 1) * BLOCK, b, 4096);
	if ((f->flags & 4) != 0)
		put_journal(f, (at + 1 + f->payload) * BLOCK + 507);
	else
		put_journal(f, (at + 3 + f->payload) * BLOCK + 3584);
}

static void
write_all(const struct fs *f)
{
	unsigned char junk[4096];
	uint32_t i;

	put_super(f, 1024);
	put_super(f, BLOCK + 1024);
	put_pack(f, CP, f->version);
	put_pack(f, CP + 512, f->version - 1);
	memset(junk, 0xff, sizeof(junk));
	for (i = 0; i < 2; i++) {
		put(&f->m, (SIT + i) * BLOCK, junk, sizeof(junk));
		put(&f->m, (SIT + 512 + i) * BLOCK, junk, sizeof(junk));
	}
	for (i = 0; i < SEGMENTS; i++)
		put(&f->m,
		    (SIT + i / 55 + (f->set[i / 55] ? 512 : 0)) * BLOCK +
			    i % 55 * 74ull,
		    f->entries[i], 74);
}

/* Some blocks in segments of data and nodes. */
static struct fs
make(void)
{
	struct fs f = { .flags = 1, .version = 7 };

	f.m = image_new(TOTAL * BLOCK, 512);
	mark(f.entries[0], 0, 512, 1);
	mark(f.entries[2], 3, 2, 0);
	mark(f.entries[2], 511, 1, 0);
	mark(f.entries[14], 0, 20, 4);
	mark(f.entries[57], 8, 16, 2);
	return f;
}

#define SEG(s, b) ((MAIN + (s)*512u + (b)) * BLOCK)
#define EMPTY_MAP                                                              \
	0, SEG(0, 512), SEG(2, 3), 2 * BLOCK, SEG(2, 511), BLOCK, SEG(10, 0),  \
		BLOCK, SEG(11, 7), BLOCK, SEG(12, 0), BLOCK, SEG(13, 0),       \
		BLOCK, SEG(14, 0), 21 * BLOCK, SEG(56, 0), BLOCK, SEG(57, 8),  \
		16 * BLOCK, END *BLOCK, TAIL *BLOCK, 0, 0

static struct fy_extents *
map(const struct fs *f, bool allow_dirty, struct fy_fs_result *ret, int *ret_r,
    struct fy_error *err)
{
	const struct fy_fs_map_options options = { .allow_dirty = allow_dirty };
	struct fy_extents *used = fy_extents_new(err);
	struct fy_fs_info info;

	CHECK(used != NULL);
	CHECK_OK(fy_fs_identify(f->m.volume, &info, err), err);
	CHECK(info.driver == &fy_fs_f2fs && fy_streq(info.name, "f2fs"));
	CHECK(fy_streq(info.label, "n"));
	*ret_r = fy_fs_map(f->m.volume, &info, &options, used, ret, err);
	return used;
}

static void
expect(const struct fs *f, const uint64_t *pairs, const char *note)
{
	struct fy_fs_result result;
	struct fy_error err = { 0 };
	struct fy_extents *used;
	int r;

	used = map(f, false, &result, &r, &err);
	if (r == -1 || result.whole)
		fprintf(stderr, "%s%s\n", err.msg, result.note);
	CHECK(r == 0 && !result.whole && extents_are(used, pairs));
	CHECK(note[0] == '\0' ? result.note[0] == '\0'
			      : strstr(result.note, note) != NULL);
	CHECK(result.warn == (note[0] != '\0'));
	fy_extents_free(used);
}

static void
expect_whole(const struct fs *f, const char *note)
{
	struct fy_fs_result result;
	struct fy_error err = { 0 };
	struct fy_extents *used;
	int r;

	used = map(f, true, &result, &r, &err);
	if (r == -1 || strstr(result.note, note) == NULL)
		fprintf(stderr, "%s%s, not: %s\n", err.msg, result.note, note);
	CHECK(r == 0 && result.whole && result.warn);
	CHECK(strstr(result.note, note) != NULL);
	CHECK(extents_are(used, (uint64_t[]){ 0, f->m.size, 0, 0 }));
	fy_extents_free(used);
}

/* Refused; whole when that is allowed. */
static void
expect_dirty(const struct fs *f, const char *words)
{
	struct fy_fs_result result;
	struct fy_error err = { 0 };
	struct fy_extents *used;
	int r;

	used = map(f, false, &result, &r, &err);
	CHECK(r == -1 && err.code == FY_E_DIRTY);
	CHECK(strstr(err.msg, words) != NULL);
	CHECK(strstr(err.msg, "fsck.f2fs") != NULL);
	CHECK(fy_extents_count(used) == 0);
	fy_extents_free(used);
	expect_whole(f, words);
}

static void
test_sets(void)
{
	struct fs f = make();
	unsigned i;

	CHECK(~fy_crc32_raw(UINT32_MAX, "123456789", 9) == 0xcbf43926);
	for (i = 0; i < 4; i++) {
		f.set[0] = i & 1;
		f.set[1] = i & 2;
		write_all(&f);
		expect(&f, (uint64_t[]){ EMPTY_MAP }, "");
	}
	f.extra_blocks = 77; /* preallocated: no place yet */
	write_all(&f);
	expect(&f, (uint64_t[]){ EMPTY_MAP }, "");
	image_free(&f.m);
}

/* Bitmaps in the payload, behind the checksum, and the journal's places. */
static void
test_shapes(void)
{
	static const uint32_t flags[] = { 1, 5, 0x401, 0x405, 0x9e7 };
	struct fs f = make();
	unsigned i;

	f.set[1] = true;
	f.n_journal = 3;
	/* Segment 2 is empty now, 3 is not; of two the last one counts. */
	f.journal_segment[0] = 2;
	f.journal_segment[1] = 3;
	f.journal_segment[2] = 3;
	mark(f.journal[1], 100, 5, 0);
	mark(f.journal[2], 200, 1, 0);
	for (i = 0; i < 10; i++) {
		f.flags = flags[i / 2];
		f.payload = i % 2 * 2;
		write_all(&f);
		expect(&f, (uint64_t[]){ 0,	      SEG(0, 512),
					 SEG(3, 200), BLOCK,
					 SEG(10, 0),  BLOCK,
					 SEG(11, 7),  BLOCK,
					 SEG(12, 0),  BLOCK,
					 SEG(13, 0),  BLOCK,
					 SEG(14, 0),  21 * BLOCK,
					 SEG(56, 0),  BLOCK,
					 SEG(57, 8),  16 * BLOCK,
					 END * BLOCK, TAIL * BLOCK,
					 0,	      0 },
		       "");
	}
	f.n_journal = 7;
	write_all(&f);
	expect_whole(&f, "journal");
	f.n_journal = 3;
	f.journal_segment[0] = SEGMENTS;
	write_all(&f);
	expect_whole(&f, "journal");
	image_free(&f.m);
}

/* The pack with the higher version counts, also when it has wrapped. */
static void
test_packs(void)
{
	struct fs f = make();
	static struct fs old;

	write_all(&f);
	old = f;
	memset(old.entries, 0, sizeof(old.entries));
	put_pack(&old, CP + 512, 6);
	expect(&f, (uint64_t[]){ EMPTY_MAP }, "");
	put_pack(&old, CP, UINT64_MAX);
	put_pack(&f, CP + 512, 1);
	expect(&f, (uint64_t[]){ EMPTY_MAP }, "");
	put_pack(&old, CP, 2);
	expect_whole(&f, "counts");
	/* The newer one is torn: the older one counts, with a warning. */
	put_byte(&f.m, (CP + 7) * BLOCK + 100, 99);
	expect(&f, (uint64_t[]){ EMPTY_MAP }, "older checkpoint is damaged");
	put_byte(&f.m, (CP + 512) * BLOCK + 100, 99);
	expect_whole(&f, "both checkpoints");
	put_pack(&f, CP, 3);
	expect(&f, (uint64_t[]){ EMPTY_MAP }, "older checkpoint is damaged");
	put_le32(&f.m, CP * BLOCK + 136, 0xffffffff);
	expect_whole(&f, "both checkpoints");
	image_free(&f.m);
}

static void
put_node(const struct fs *f, uint64_t version)
{
	unsigned char b[8];

	fy_put_le64(b, version);
	put(&f->m, SEG(log_segment[4], log_block[4]) + 4084, b, 8);
}

static void
test_unclean(void)
{
	struct fs f = make();
	unsigned char crc[4];

	f.flags = 0;
	write_all(&f);
	expect_dirty(&f, "not unmounted");
	f.flags = 0x11;
	write_all(&f);
	expect_dirty(&f, "need a check");
	f.flags = 9;
	write_all(&f);
	expect_dirty(&f, "errors");
	f.flags = 0x1001;
	write_all(&f);
	expect_whole(&f, "flags that are not known here (0x1000)");

	/* Fsynced after the mount that followed the clean unmount. */
	f.flags = 1;
	write_all(&f);
	put_node(&f, 6);
	expect(&f, (uint64_t[]){ EMPTY_MAP }, "");
	put_node(&f, 7);
	expect_dirty(&f, "synced after");
	f.flags = 0x41;
	write_all(&f);
	expect(&f, (uint64_t[]){ EMPTY_MAP }, "");
	CHECK(pread(f.m.fd, crc, 4, (off_t)(CP * BLOCK + 4092)) == 4);
	put_node(&f, 7 | (uint64_t)fy_get_le32(crc) << 32);
	expect_dirty(&f, "synced after");
	f.flags = 0x201;
	write_all(&f);
	expect_dirty(&f, "synced after");
	put_node(&f, 0);
	expect(&f, (uint64_t[]){ EMPTY_MAP }, "");
	image_free(&f.m);
}

/* A pack that is changed at 'at' (len 2 or 4) and sealed again. */
static void
lie(uint32_t at, uint32_t value, const char *note)
{
	static unsigned char b[4096];
	struct fs f = make();

	write_all(&f);
	CHECK(pread(f.m.fd, b, sizeof(b), CP * BLOCK) == sizeof(b));
	fy_put_le32(b + at, value);
	seal(b);
	put(&f.m, CP * BLOCK, b, sizeof(b));
	put(&f.m, (CP + 7) * BLOCK, b, sizeof(b));
	expect_whole(&f, note);
	image_free(&f.m);
}

static void
test_counts(void)
{
	struct fs f = make();

	lie(16, 550, "counts other blocks");
	lie(32, 48, "counts other blocks");
	lie(144, 21, "counts other blocks");
	lie(84, SEGMENTS, "contradicts the superblock");
	lie(68, 512, "contradicts the superblock");
	lie(156, 65, "contradicts the superblock");
	lie(160, 32, "contradicts the superblock");
	lie(164, 4088, "contradicts the superblock");
	lie(140, 0, "journal");
	lie(140, 2, "journal");
	lie(140, 8, "journal");
	write_all(&f);
	put_byte(&f.m, SIT * BLOCK + 2, 0x7f); /* a bit less than counted */
	expect_whole(&f, "table contradicts itself");
	put_byte(&f.m, SIT * BLOCK + 2, 0xff);
	put_byte(&f.m, SIT * BLOCK + 1, 6 << 2 | 2); /* no such type */
	expect_whole(&f, "table contradicts itself");
	image_free(&f.m);
}

/* A word of the first superblock ('both': of both) is another. */
static void
lie_super(uint32_t at, uint32_t value, bool both, const char *note)
{
	struct fs f = make();

	write_all(&f);
	put_le32(&f.m, 1024 + at, value);
	if (both)
		put_le32(&f.m, BLOCK + 1024 + at, value);
	expect_whole(&f, note);
	image_free(&f.m);
}

static void
test_supers(void)
{
	static const uint32_t places[] = { 48, 52, 56, 60, 64, 68,
					   72, 76, 80, 84, 88, 92 };
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		lie_super(places[i], places[i] == 68 ? 0 : 3, true,
			  "contradicts itself");
		lie_super(places[i], 0xffffffff, true, "contradicts itself");
	}
	lie_super(36, TOTAL + 1, true, "behind the end");
	lie_super(36, END - 1, true, "contradicts itself");
	lie_super(1664, 500, true, "contradicts itself");
	lie_super(24, 2, false, "different layouts");
	lie_super(16, 14, true, "not of 4 KiB");
	lie_super(20, 8, true, "not of 2 MiB");
	lie_super(2201 + 68, '/', true, "several devices");
	lie_super(2180, 2, true, "zoned");
	lie_super(2180, 0x4000, true, "features");
	lie_super(2180, 0x80000000, true, "features");
}

/* With checksums in the superblocks, and a second one that is damaged. */
static void
test_checksums(void)
{
	struct fs f = make();

	f.features = 0x2aa8;
	write_all(&f);
	expect(&f, (uint64_t[]){ EMPTY_MAP }, "");
	put_byte(&f.m, BLOCK + 1024 + 200, 1);
	expect(&f, (uint64_t[]){ EMPTY_MAP }, "second superblock is damaged");
	put_byte(&f.m, 1024 + 200, 1);
	expect_whole(&f, "first superblock is damaged");
	image_free(&f.m);
}

int
main(void)
{
	test_sets();
	test_shapes();
	test_packs();
	test_unclean();
	test_counts();
	test_supers();
	test_checksums();
	return 0;
}
