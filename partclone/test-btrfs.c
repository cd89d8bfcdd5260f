/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small Btrfs made here, byte by byte, on one to six devices of 16 MiB: all
 * profiles, damage, lies, and states of which there is no map.
 *
 * `test-btrfs map IMAGE...` prints the map of a filesystem on these images
 * (all of its devices), one JSON object a line, for the shell tests.
 */
#include <inttypes.h>

#include "common/hash.h"
#include "partclone/filesystem.h"
#include "partclone/test-btrfs-image.h"

/* --- reading -------------------------------------------------------------------------- */

static int
map(struct fs *f, bool allow_dirty, struct fy_extents **used,
    struct fy_fs_result *ret, struct fy_error *err)
{
	const struct fy_fs_map_options options = { .allow_dirty = allow_dirty };
	struct fy_volume *v[6];
	unsigned i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < f->spec.devices; i++) {
		used[i] = fy_extents_new(err);
		CHECK(used[i] != NULL);
		v[i] = f->m[i].volume;
	}
	if (f->spec.devices > 1)
		return fy_fs_btrfs.read_map_set(v, f->spec.devices, &options,
						used, ret, err);
	ret->bytes = SIZE;
	return fy_fs_btrfs.read_map(v[0], &options, used[0], ret, err);
}

static void
free_all(struct fs *f, struct fy_extents **used)
{
	unsigned i;

	for (i = 0; i < f->spec.devices; i++)
		fy_extents_free(used[i]);
}

/* The used ranges of device 'i' behind the first MiB. */
static void
expect_device(struct fs *f, unsigned i, const uint64_t *pairs, const char *note)
{
	struct fy_extents *used[6];
	struct fy_fs_result result;
	struct fy_error err = { 0 };
	uint64_t all[32] = { 0, FY_MIB };
	unsigned n = 0;

	while (pairs[n * 2 + 1] != 0) {
		all[n * 2 + 2] = pairs[n * 2];
		all[n * 2 + 3] = pairs[n * 2 + 1];
		n++;
	}
	all[n * 2 + 2] = all[n * 2 + 3] = 0;
	CHECK_OK(map(f, false, used, &result, &err), &err);
	if (result.whole || strstr(result.note, note) == NULL)
		fprintf(stderr, "note: %s\n", result.note);
	CHECK(!result.whole && strstr(result.note, note) != NULL);
	CHECK(result.warn == (*note != '\0'));
	CHECK(extents_are(used[i], all));
	free_all(f, used);
}

static void
expect_whole(struct fs *f, const char *note)
{
	struct fy_extents *used[6];
	struct fy_fs_result result;
	struct fy_error err = { 0 };

	CHECK_OK(map(f, false, used, &result, &err), &err);
	if (!result.whole || strstr(result.note, note) == NULL)
		fprintf(stderr, "wants '%s', note: %s\n", note, result.note);
	CHECK(result.whole && result.warn);
	CHECK(strstr(result.note, note) != NULL);
	free_all(f, used);
}

/* --- profiles ----------------------------------------------------------------------------- */

static void
test_plain(void)
{
	struct fs f = make(&plain);
	struct fy_fs_member member;
	struct fy_fs_info info;
	struct fy_error err = { 0 };

	expect_device(&f, 0,
		      (uint64_t[]){ M_AT, 4 * NODE, D_AT + 8192, 4096,
				    D_AT + FY_MIB, FY_MIB, 0, 0 },
		      "");
	CHECK_OK(fy_fs_identify(f.m[0].volume, &info, &err), &err);
	CHECK(info.driver == &fy_fs_btrfs && fy_streq(info.name, "btrfs"));
	CHECK(fy_streq(info.label, "a label"));
	CHECK_OK(fy_fs_btrfs.member(f.m[0].volume, &member, &err), &err);
	CHECK(member.n == 1 && member.id == 1);
	CHECK(fy_streq(member.set, info.uuid));
	drop(&f);
}

static void
test_group_tree(void)
{
	struct spec s = plain;
	struct fs f;
	unsigned i;

	s.group_tree = true;
	s.split = true;
	for (i = 0; i < 4; i++) {
		s.csum = i;
		f = make(&s);
		expect_device(&f, 0,
			      (uint64_t[]){ M_AT, 7 * NODE, D_AT + 8192, 4096,
					    D_AT + FY_MIB, FY_MIB, 0, 0 },
			      "");
		drop(&f);
	}
}

/* Either of them may be damaged, not both. */
static void
test_dup(void)
{
	static const uint64_t want[] = {
		2 * FY_MIB, 4 * NODE,	D_AT + 8192, 4096, D_AT + FY_MIB,
		FY_MIB,	    8 * FY_MIB, 4 * NODE,    0,	   0,
	};
	struct spec s = plain;
	struct fs f;
	unsigned i;

	s.chunks[0] = twice;
	f = make(&s);
	expect_device(&f, 0, want, "");
	for (i = 0; i < 4; i++)
		put_text(&f.m[0], (i % 2 ? 8 : 2) * FY_MIB + i * NODE + 200,
			 "damage");
	expect_device(&f, 0, want, "");
	put_text(&f.m[0], 2 * FY_MIB + EXTENT * NODE + 200, "x");
	put_text(&f.m[0], 8 * FY_MIB + EXTENT * NODE + 200, "x");
	expect_whole(&f, "fails its checksum");
	drop(&f);
}

/* Data of a profile on 'n' devices, metadata as RAID1 on the first two. */
static struct fs
make_set(unsigned n, uint64_t profile, uint64_t length)
{
	struct spec s = plain;
	unsigned i;

	s.devices = n;
	s.chunks[0] = (struct chunk){ META, FY_MIB,   F_META | RAID1,
				      2,    { 0, 1 }, { M_AT, M_AT },
				      0,    false };
	s.chunks[1] = (struct chunk){ .start = DATA,
				      .length = length,
				      .flags = F_DATA | profile,
				      .n = n };
	for (i = 0; i < n; i++) {
		s.chunks[1].device[i] = i;
		s.chunks[1].at[i] = D_AT;
	}
	/* In the second and third stripe; then whole rows and a bit. */
	s.n_extents = 2;
	s.extents[0][0] = DATA + STRIPE + 4096;
	s.extents[0][1] = STRIPE;
	s.extents[1][0] = DATA + 12 * STRIPE;
	s.extents[1][1] = 12 * STRIPE + 8192;
	return make(&s);
}

static void
test_profiles(void)
{
	struct fs f;

	f = make_set(3, RAID1C3, 3 * FY_MIB);
	expect_device(&f, 2,
		      (uint64_t[]){ D_AT + STRIPE + 4096, STRIPE,
				    D_AT + 12 * STRIPE, 12 * STRIPE + 8192, 0,
				    0 },
		      "");
	drop(&f);

	/* Columns of 3: [1 + 4K, 2 + 4K) is on devices 1 and 2. */
	f = make_set(3, RAID0, 3 * FY_MIB);
	expect_device(&f, 0,
		      (uint64_t[]){ M_AT, 4 * NODE, D_AT + 4 * STRIPE,
				    4 * STRIPE + 8192, 0, 0 },
		      "");
	expect_device(&f, 1,
		      (uint64_t[]){ M_AT, 4 * NODE, D_AT + 4096, STRIPE - 4096,
				    D_AT + 4 * STRIPE, 4 * STRIPE, 0, 0 },
		      "");
	expect_device(
		&f, 2,
		(uint64_t[]){ D_AT, 4096, D_AT + 4 * STRIPE, 4 * STRIPE, 0, 0 },
		"");
	drop(&f);

	/* Two columns of two copies. */
	f = make_set(4, RAID10, 2 * FY_MIB);
	expect_device(&f, 1,
		      (uint64_t[]){ M_AT, 4 * NODE, D_AT + STRIPE, 4096,
				    D_AT + 6 * STRIPE, 6 * STRIPE + 8192, 0,
				    0 },
		      "");
	expect_device(&f, 3,
		      (uint64_t[]){ D_AT + 4096, STRIPE - 4096,
				    D_AT + 6 * STRIPE, 6 * STRIPE, 0, 0 },
		      "");
	drop(&f);

	/* Rows of two stripes and a parity: rows 0, 1, and 6 to 12. */
	f = make_set(3, RAID5, 2 * FY_MIB);
	expect_device(&f, 2,
		      (uint64_t[]){ D_AT, 2 * STRIPE, D_AT + 6 * STRIPE,
				    7 * STRIPE, 0, 0 },
		      "");
	drop(&f);
	f = make_set(5, RAID6, 3 * FY_MIB);
	expect_device(&f, 3,
		      (uint64_t[]){ D_AT, STRIPE, D_AT + 4 * STRIPE, 5 * STRIPE,
				    0, 0 },
		      "");
	drop(&f);
}

/* Tree blocks in rows with a parity: each place of the rotation is read. */
static void
test_rotation(void)
{
	static const unsigned char place[4][2] = {
		{ 0, 1 }, { 1, 2 }, { 2, 0 }, { 0, 1 }
	};
	struct spec s = plain;
	struct fs f;
	unsigned char b[NODE];
	unsigned i;

	s.devices = 3;
	s.n_chunks = 1;
	s.n_extents = 0;
	s.chunks[0] = (struct chunk){ META, 8 * STRIPE,	 F_META | RAID5,
				      3,    { 0, 1, 2 }, { M_AT, M_AT, M_AT },
				      0,    false };
	f = make(&s);
	expect_device(&f, 1, (uint64_t[]){ M_AT, STRIPE, 0, 0 }, "");
	/* The device tree's block, moved into the other columns and rows. */
	for (i = 1; i < 8; i++) {
		uint64_t to = META + i * STRIPE + DEV * NODE;
		unsigned d = place[i / 2][i % 2];
		struct image *m = &f.m[d];
		uint64_t at = M_AT + i / 2 * STRIPE + DEV * NODE;
		static struct fy_btrfs fs;
		struct fy_error err = { 0 };
		struct fy_volume *v[3] = { f.m[0].volume, f.m[1].volume,
					   f.m[2].volume };

		fy_put_le64(b, to);
		put(m, at, b, 8);
		CHECK_OK(fy_btrfs_open(v, 3, 0, NULL, &fs, &err), &err);
		CHECK_OK(fy_btrfs_read_copy(&fs, to, 0, b, 8, &err), &err);
		CHECK(fy_get_le64(b) == to);
		fy_btrfs_release(&fs);
	}
	drop(&f);
}

/* --- damage ---------------------------------------------------------------------------------- */

static void
test_groups(void)
{
	struct spec s = plain;
	struct fs f;

	/* What the group does not count, or counts too much: all is used. */
	s.chunks[1].lie = 4096;
	f = make(&s);
	expect_device(&f, 0,
		      (uint64_t[]){ M_AT, 4 * NODE, D_AT, 2 * FY_MIB, 0, 0 },
		      "1 of 2 chunks");
	drop(&f);
	s.chunks[1].lie = -4096;
	s.group_tree = true;
	f = make(&s);
	expect_device(&f, 0,
		      (uint64_t[]){ M_AT, 5 * NODE, D_AT, 2 * FY_MIB, 0, 0 },
		      "1 of 2 chunks");
	drop(&f);
	s.chunks[1].lie = 0;
	s.chunks[1].no_group = true;
	f = make(&s);
	expect_device(&f, 0,
		      (uint64_t[]){ M_AT, 5 * NODE, D_AT, 2 * FY_MIB, 0, 0 },
		      "1 of 2 chunks");
	drop(&f);
	s.n_extents = 0;
	f = make(&s);
	expect_device(&f, 0,
		      (uint64_t[]){ M_AT, 5 * NODE, D_AT, 2 * FY_MIB, 0, 0 },
		      "1 of 2 chunks");
	drop(&f);
	/* The roots of trees are missing from the extents, as in images of
	 * block-group-tree filesystems by partclone. */
	s = plain;
	s.group_tree = true;
	s.lost_block = GROUP;
	f = make(&s);
	expect_whole(&f, "is not in the extent tree");
	drop(&f);
	s.lost_block = DEV;
	f = make(&s);
	expect_whole(&f, "is not in the extent tree");
	drop(&f);
}

static void
test_extents(void)
{
	struct spec s = plain;
	struct fs f;

	s.extents[1][0] = DATA + 8192; /* same start, another length */
	s.extents[1][1] = 8192;
	f = make(&s);
	expect_whole(&f, "overlaps another one");
	drop(&f);
	s = plain;
	s.extents[1][1] = FY_MIB + 4096;
	f = make(&s);
	expect_whole(&f, "leaves its chunk");
	drop(&f);
	s = plain;
	s.extents[0][1] = 4095;
	f = make(&s);
	expect_whole(&f, "overlaps another one");
	drop(&f);
	/* A skinny item where there can be none. */
	s = plain;
	s.incompat = 0x41;
	f = make(&s);
	expect_whole(&f, "items that this program does not know (type 169)");
	drop(&f);
}

static void
test_blocks(void)
{
	const uint64_t root = M_AT + ROOT * NODE, extent = M_AT + EXTENT * NODE;
	struct spec s = plain;
	struct fs f = make(&plain);

	poke64(&f, root, 48, META);
	expect_whole(&f, "belongs at another place");
	poke64(&f, root, 48, META + ROOT * NODE);
	poke64(&f, root, 80, 8);
	expect_whole(&f, "another generation");
	poke64(&f, root, 80, 7);
	poke64(&f, root, 88, 5);
	expect_whole(&f, "another tree");
	poke64(&f, root, 88, 1);
	poke(&f, root, 32, "x", 1);
	expect_whole(&f, "another filesystem");
	poke(&f, root, 32, fsid, 1);
	poke(&f, root, 100, "\1", 1);
	expect_whole(&f, "another level");
	poke(&f, root, 100, "", 1);
	poke(&f, extent, 96, "\xff\xff\xff\xff", 4);
	expect_whole(&f, "too many items");
	build(&f);
	poke(&f, extent, 101 + 17, "\xff\xff\xff\x7f", 4);
	expect_whole(&f, "items that overlap");
	build(&f);
	poke(&f, extent, 101 + 21, "\x20", 1);
	expect_whole(&f, "items that overlap");
	build(&f);
	poke64(&f, extent, 101, DATA);
	expect_whole(&f, "keys out of order");
	build(&f);
	poke(&f, extent, 101 + 8, "\xa7", 1);
	expect_whole(&f, "type 167");
	drop(&f);

	/* In a node: a child that is the node itself, or its neighbour's, one
	 * that is nowhere, one with another first key. */
	s.split = true;
	f = make(&s);
	poke64(&f, extent, 101 + 17, META + EXTENT * NODE);
	expect_whole(&f, "another level");
	poke64(&f, extent, 101 + 17, META + LEAF2 * NODE);
	expect_whole(&f, "another key than its parent");
	poke64(&f, extent, 101 + 17, META + 64 * FY_MIB);
	expect_whole(&f, "is in no chunk");
	poke64(&f, extent, 101 + 17, META + 1);
	expect_whole(&f, "impossible place");
	build(&f);
	poke64(&f, extent, 101 + 33, META + NODE);
	expect_whole(&f, "keys of its neighbour");
	build(&f);
	poke(&f, extent, 96, "\0\0\0\0", 4);
	expect_whole(&f, "impossible number of children");
	drop(&f);
}

static void
test_chunks(void)
{
	const unsigned array = 0x32b + 17;
	struct spec s = plain;
	struct fs f;

	s.chunks[1].at[0] = M_AT + FY_MIB - 4096;
	f = make(&s);
	expect_whole(&f, "two chunks overlap");
	drop(&f);
	s = plain;
	s.chunks[1].at[0] = SIZE - FY_MIB;
	f = make(&s);
	expect_whole(&f, "reaches outside its device");
	drop(&f);
	s = plain;
	s.chunks[1].flags |= RAID1;
	f = make(&s);
	expect_whole(&f, "a wrong number of stripes");
	drop(&f);
	s = plain;
	s.chunks[1].flags |= 1 << 11;
	f = make(&s);
	expect_whole(&f, "a kind that this program does not know");
	drop(&f);
	s = plain;
	s.chunks[1].start = META + FY_MIB - 4096;
	f = make(&s);
	expect_whole(&f, "it overlaps another one");
	drop(&f);
	s = plain;
	s.chunks[1].device[0] = 1;
	f = make(&s);
	expect_whole(&f, "device 2, which is not here");
	drop(&f);

	f = make(&plain);
	poke64(&f, SUPER, array, 2 * FY_MIB);
	expect_whole(&f, "is not as in the chunk tree");
	build(&f);
	poke64(&f, SUPER, array + 16, 4096);
	expect_whole(&f, "impossible sizes");
	build(&f);
	poke(&f, SUPER, array + 44, "\xff\xff", 2);
	expect_whole(&f, "list of chunks is damaged");
	build(&f);
	poke(&f, SUPER, array + 48 + 16, "other device....", 16);
	expect_whole(&f, "another one than its chunks");
	build(&f);
	poke(&f, M_AT, NODE - 98 + 82, "X", 1);
	expect_whole(&f, "not the one in its chunk tree");
	build(&f);
	/* The device tree says another place. */
	poke64(&f, M_AT + DEV * NODE, 101 + 25 + 9, 3 * FY_MIB);
	expect_whole(&f, "is not of the chunk that its device tree says");
	drop(&f);
	s = plain;
	s.lost_range = D_AT;
	f = make(&s);
	expect_whole(&f, "device tree has 1 ranges, its chunks have 2");
	drop(&f);
	/* The superblock has the two copies the other way round. */
	s = plain;
	s.chunks[0] = twice;
	f = make(&s);
	poke64(&f, SUPER, array + 56, M_AT);
	poke64(&f, SUPER, array + 88, 8 * FY_MIB);
	expect_whole(&f, "is not as in the chunk tree");
	drop(&f);
}

/* --- states --------------------------------------------------------------------------------- */

static void
test_dirty(void)
{
	struct fs f = make(&plain);
	struct fy_extents *used[6];
	struct fy_fs_result result;
	struct fy_error err = { 0 };

	poke64(&f, SUPER, 0x60, META + 16 * NODE);
	CHECK(map(&f, false, used, &result, &err) == -1);
	CHECK(err.code == FY_E_DIRTY && strstr(err.msg, "mount and unmount"));
	free_all(&f, used);
	fy_error_clear(&err);
	CHECK_OK(map(&f, true, used, &result, &err), &err);
	CHECK(result.whole && strstr(result.note, "unclean") != NULL);
	free_all(&f, used);
	drop(&f);
}

static void
test_states(void)
{
	static const struct {
		unsigned at;
		uint64_t value;
		const char *note;
	} states[] = {
		{ 0x38, UINT64_C(1) << 32, "a seed" },
		{ 0x38, UINT64_C(1) << 33, "dump of metadata" },
		{ 0x38, UINT64_C(1) << 36, "conversion" },
		{ 0x38, UINT64_C(1) << 38, "conversion" },
		{ 0x38, 4, "an error is marked" },
		{ 0x38, UINT64_C(1) << 50, "does not know" },
		{ 0x88, 2, "on 2 devices, of which 1 is here" },
		{ 0xac, 1, "does not know" },
		{ 0xb4, 16, "does not know" },
		{ 0xbc, 0x141 | UINT64_C(1) << 12, "zones" },
		{ 0xbc, 0x141 | UINT64_C(1) << 13, "version 2" },
		{ 0xbc, 0x141 | UINT64_C(1) << 14, "stripe tree" },
		{ 0xbc, 0x141 | UINT64_C(1) << 17, "does not know" },
		{ 0xbc, 0x140, "first format" },
		{ 0xbc, 0x541, "another filesystem" }, /* metadata_uuid */
		{ 0xc9, 0, "replacement" },
		{ 0xd1, SIZE + 4096, "behind the end" },
		{ 0x90, UINT64_C(0x100000000000) | 512, "makes no sense" },
		{ 0x90, UINT64_C(0x2000000000000) | 4096, "makes no sense" },
		{ 0x30, 0, "is not there" },
		{ 0xb4, 8, "missing, or there is one too many" },
	};
	struct fs f = make(&plain);
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		build(&f);
		poke64(&f, SUPER, states[i].at, states[i].value);
		expect_whole(&f, states[i].note);
	}
	build(&f);
	poke(&f, SUPER, 0xc4, "\x9", 1);
	expect_whole(&f, "unknown kind");
	build(&f);
	put_text(&f.m[0], SUPER + 0x12b, "b");
	expect_whole(&f, "fails its checksum");
	drop(&f);
}

/* The filesystem's id as shown and as in its blocks are two. */
static void
test_metadata_uuid(void)
{
	struct fs f = make(&plain);
	struct fy_fs_member member;
	struct fy_error err = { 0 };

	poke64(&f, SUPER, 0xbc, 0x541);
	poke(&f, SUPER, 0x23b, fsid, 16);
	poke(&f, SUPER, 0x20, "another name 123", 16);
	expect_device(&f, 0,
		      (uint64_t[]){ M_AT, 4 * NODE, D_AT + 8192, 4096,
				    D_AT + FY_MIB, FY_MIB, 0, 0 },
		      "");
	CHECK_OK(fy_fs_btrfs.member(f.m[0].volume, &member, &err), &err);
	CHECK(fy_streq(member.set, "616e6f74-6865-7220-6e61-6d6520313233"));
	drop(&f);
}

static void
test_replace(void)
{
	struct spec s = plain;
	struct fs f;

	s.replace = 1;
	f = make(&s);
	expect_whole(&f, "being replaced");
	drop(&f);
	s.replace = 4;
	f = make(&s);
	expect_whole(&f, "being replaced");
	drop(&f);
	s.replace = 2;
	f = make(&s);
	expect_device(&f, 0,
		      (uint64_t[]){ M_AT, 4 * NODE, D_AT + 8192, 4096,
				    D_AT + FY_MIB, FY_MIB, 0, 0 },
		      "");
	drop(&f);
}

/* Devices of a set: of different ages, one twice, one that has a tail. */
static void
test_set(void)
{
	struct fs f = make_set(3, RAID1C3, 3 * FY_MIB), other;

	poke64(&f, SUPER, 0x48, 8);
	expect_whole(&f, "different ages");
	drop(&f);
	f = make_set(3, RAID1C3, 3 * FY_MIB);
	other = f;
	other.m[1] = f.m[2];
	expect_whole(&other, "here twice");
	f.spec.cut = 65536;
	build(&f);
	expect_device(&f, 2,
		      (uint64_t[]){ D_AT + STRIPE + 4096, STRIPE,
				    D_AT + 12 * STRIPE, 12 * STRIPE + 8192,
				    SIZE - 65536, 65536, 0, 0 },
		      "");
	drop(&f);
}

/* The superblock's copy at 64 MiB is used, and a newer one is a doubt. */
static void
test_copies(void)
{
	const struct fy_fs_map_options options = { 0 };
	struct spec s = plain;
	struct fs f = make(&s);
	struct fy_extents *used;
	struct fy_fs_result result = { 0 };
	struct fy_error err = { 0 };
	struct image big = image_new(80 * FY_MIB, 512);
	unsigned char b[8];
	unsigned i;

	/* The same on 70 of 80 MiB. */
	image_free(&f.m[0]);
	f.m[0] = big;
	build(&f);
	fy_put_le64(b, 70 * FY_MIB);
	poke(&f, M_AT, NODE - 98 + 8, b, 8);
	poke(&f, SUPER, 0xd1, b, 8);
	for (i = 0; i < 3; i++) {
		put_super(&f, 0, 64 * FY_MIB);
		if (i == 1)
			poke64(&f, 64 * FY_MIB, 0x48, 8);
		if (i == 2)
			poke64(&f, 64 * FY_MIB, 0x48, 6);
		used = fy_extents_new(&err);
		CHECK_OK(fy_fs_btrfs.read_map(big.volume, &options, used,
					      &result, &err),
			 &err);
		CHECK(result.whole == (i == 1));
		if (i == 1)
			CHECK(strstr(result.note, "newer") != NULL);
		else
			CHECK(result.bytes == 70 * FY_MIB &&
			      extents_are(used,
					  (uint64_t[]){ 0, FY_MIB, M_AT,
							4 * NODE, D_AT + 8192,
							4096, D_AT + FY_MIB,
							FY_MIB, 64 * FY_MIB,
							4096, 0, 0 }));
		fy_extents_free(used);
		memset(&result, 0, sizeof(result));
	}
	drop(&f);
}

static void
test_csum(void)
{
	static const char *const empty =
		"0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3"
		"a8";
	static const char *const abc =
		"bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d523"
		"19";
	unsigned char ret[32], data[129] = { 0 };
	char hex[65];

	CHECK(fy_btrfs_csum(3, "", 0, ret) == 32);
	fy_hex(ret, 32, hex);
	CHECK(fy_streq(hex, empty));
	fy_btrfs_csum(3, "abc", 3, ret);
	fy_hex(ret, 32, hex);
	CHECK(fy_streq(hex, abc));
	/* As b2sum -l 256 has them: a whole block, and one byte more. */
	fy_btrfs_csum(3, data, 128, ret);
	fy_hex(ret, 32, hex);
	CHECK(fy_streq(hex, "378d0caaaa3855f1b38693c1d6ef004fd118691c95c959d4ef"
			    "a950d6d6fcf7c1"));
	fy_btrfs_csum(3, data, 129, ret);
	fy_hex(ret, 32, hex);
	CHECK(fy_streq(hex, "baadfb64c3bd2cd187b54accc5e61a0720ed86bf48c2801787"
			    "3536cf9015d1b8"));
	CHECK(fy_btrfs_csum(4, data, 1, ret) == 0);
}

/* --- for the shell tests ---------------------------------------------------------------------- */

static void
print_map(const struct fy_volume *v, const struct fy_extents *used,
	  const struct fy_fs_result *result)
{
	struct fy_extents_cursor c;
	struct fy_error err = { 0 };
	struct fy_extent x;
	const char *comma = "";

	printf("{\"disk_bytes\":%" PRIu64 ",\"used_bytes\":%" PRIu64
	       ",\"whole\":%s,\"note\":\"%s\",\"extents\":[",
	       fy_volume_size(v), fy_extents_bytes(used),
	       result->whole ? "true" : "false", result->note);
	fy_extents_cursor_init(&c, used);
	while (fy_extents_next(&c, &x, &err) == 1) {
		printf("%s[%" PRIu64 ",%" PRIu64 "]", comma, x.offset,
		       x.length);
		comma = ",";
	}
	printf("]}\n");
}

static int
map_images(char **path, size_t n)
{
	const struct fy_fs_map_options options = { 0 };
	struct fy_volume **v = calloc(n, sizeof(struct fy_volume *));
	struct fy_extents **used = calloc(n, sizeof(struct fy_extents *));
	struct fy_fs_result result = { 0 };
	struct fy_error err = { 0 };
	size_t i;

	CHECK(v != NULL && used != NULL);
	for (i = 0; i < n; i++) {
		CHECK_OK(fy_volume_open_path(path[i], 0, 0, &v[i], &err), &err);
		used[i] = fy_extents_new(&err);
	}
	CHECK_OK(fy_fs_btrfs.read_map_set(v, n, &options, used, &result, &err),
		 &err);
	for (i = 0; i < n; i++) {
		print_map(v[i], used[i], &result);
		fy_extents_free(used[i]);
		fy_volume_close(v[i]);
	}
	free(used);
	free(v);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc > 2 && fy_streq(argv[1], "map"))
		return map_images(argv + 2, (size_t)argc - 2);
	test_csum();
	test_plain();
	test_group_tree();
	test_dup();
	test_profiles();
	test_rotation();
	test_groups();
	test_extents();
	test_blocks();
	test_chunks();
	test_dirty();
	test_states();
	test_metadata_uuid();
	test_replace();
	test_set();
	test_copies();
	return 0;
}
