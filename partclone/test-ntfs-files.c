/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which files of an NTFS are hit: by their clusters, by an extension record's,
 * by their record; names, names that are lost, and trees that lie.
 */
#include "partclone/test-ntfs.h"

static const struct layout plain = { 512, 4096, 1024 };

/* The hits in these ranges (offset, length; 0 length at the end). */
static struct fy_fs_hits
hits_of(const struct ntfs *n, const uint64_t *pairs, size_t most)
{
	struct fy_extent ranges[8];
	struct fy_error err = { 0 };
	struct fy_fs_hits hits;
	size_t k = 0;

	for (; pairs[1] != 0; pairs += 2)
		ranges[k++] = (struct fy_extent){ pairs[0], pairs[1] };
	CHECK_OK(fy_fs_ntfs.files(n->m.volume, ranges, k, most, NULL, &hits,
				  &err),
		 &err);
	return hits;
}

/* They are these paths (NULL at the end), and so many blocks of no file. */
static void
expect(const struct ntfs *n, const uint64_t *pairs, const char *const *paths,
       uint64_t other_blocks)
{
	struct fy_fs_hits hits = hits_of(n, pairs, 100);
	size_t i;

	for (i = 0; paths[i] != NULL; i++) {
		if (i < hits.paths.n &&
		    !fy_streq(hits.paths.items[i], paths[i]))
			fprintf(stderr, "'%s', not '%s'\n", hits.paths.items[i],
				paths[i]);
		CHECK(i < hits.paths.n &&
		      fy_streq(hits.paths.items[i], paths[i]));
	}
	CHECK(hits.paths.n == i && hits.more == 0);
	CHECK(hits.other_blocks == other_blocks);
	fy_strings_release(&hits.paths);
}

/* A file with one region of data; it is in no directory's index. */
static void
file(struct ntfs *n, uint32_t number, uint64_t parent, const char *name,
     unsigned region)
{
	struct record r = begin(n, number, 1);

	file_name(&r, parent, "SHORT~1", 2);
	file_name(&r, parent, name, 1);
	regions(&r, n, 0x80, "", region, 1, n->region);
	finish(n, &r);
}

static void
subdirectory(struct ntfs *n, uint32_t number, uint64_t parent, const char *name,
	     unsigned region)
{
	struct record r = begin(n, number, 3);

	file_name(&r, parent, name, 3);
	directory(&r, n, region);
	finish(n, &r);
	index_block(n, region, NULL, 0);
}

/* /d (24) with /d/e (25); /d/e/deep (26); /top (27). */
static struct ntfs
make(void)
{
	struct ntfs n = ntfs_new(&plain);

	subdirectory(&n, 24, ref(5), "d", 10);
	subdirectory(&n, 25, ref(24), "e", 11);
	file(&n, 26, ref(25), "deep", 12);
	file(&n, 27, ref(5), "t\nop", 13);
	return n;
}

static void
test_clusters(void)
{
	struct ntfs n = make();
	uint64_t deep = 12 * n.region, top = 13 * n.region;
	uint64_t mft = R_MFT * n.region;

	expect(&n, (uint64_t[]){ deep + 5000, 1, 0, 0 },
	       (const char *[]){ "/d/e/deep", NULL }, 0);
	/* Two sectors of a cluster, and over the border of two files. */
	expect(&n,
	       (uint64_t[]){ deep, 512, deep + 1024, 512, top - 512, 1024, 0,
			     0 },
	       (const char *[]){ "/d/e/deep", "/t\\x0aop", NULL }, 0);
	expect(&n, (uint64_t[]){ 20 * n.region, 4097, 0, 0 },
	       (const char *[]){ NULL }, 2);
	expect(&n,
	       (uint64_t[]){ 20 * n.region, 512, 20 * n.region + 1024, 512, 0,
			     0 },
	       (const char *[]){ NULL }, 1);
	expect(&n, (uint64_t[]){ 11 * n.region, 512, 0, 0 },
	       (const char *[]){ "/d/e", NULL }, 0);
	expect(&n, (uint64_t[]){ R_ROOT * n.region, 512, 0, 0 },
	       (const char *[]){ "/", NULL }, 0);
	/* The MFT, where no record is in use. */
	expect(&n, (uint64_t[]){ mft + n.region - 512, 512, 0, 0 },
	       (const char *[]){ "/$MFT", NULL }, 0);
	/* Behind the last cluster. */
	expect(&n, (uint64_t[]){ n.m.size - 512, 512, 0, 0 },
	       (const char *[]){ NULL }, 0);
	image_free(&n.m);
}

static void
test_most(void)
{
	struct ntfs n = make();
	const uint64_t range[] = { 12 * n.region, 2 * n.region, 0, 0 };
	struct fy_fs_hits hits = hits_of(&n, range, 1);

	CHECK(hits.paths.n == 1 && hits.more == 1 && hits.other_blocks == 0);
	fy_strings_release(&hits.paths);
	hits = hits_of(&n, range, 0);
	CHECK(hits.paths.n == 0 && hits.more == 2);
	fy_strings_release(&hits.paths);
	image_free(&n.m);
}

static void
test_extension(void)
{
	struct ntfs n = make();
	struct record x = begin(&n, 30, 1);

	fy_put_le64(x.b + 32, ref(26));
	regions(&x, &n, 0x80, "stream", 14, 1, n.region);
	finish(&n, &x);
	expect(&n, (uint64_t[]){ 14 * n.region, 512, 0, 0 },
	       (const char *[]){ "/d/e/deep", NULL }, 0);
	image_free(&n.m);
}

static struct ntfs
again(struct ntfs *n)
{
	image_free(&n->m);
	return make();
}

/* What lies in the range reads as zeros. */
static void
lose(struct ntfs *n, uint32_t record)
{
	static const unsigned char zeros[512];

	put(&n->m, R_MFT * n->region + record * 1024ull + 512, zeros, 512);
}

static void
test_lost(void)
{
	struct ntfs n = make();
	uint64_t at = R_MFT * n.region + 26 * 1024 + 512;
	unsigned char entries[512];
	uint32_t len;

	lose(&n, 26);
	expect(&n, (uint64_t[]){ at, 512, 0, 0 },
	       (const char *[]){ "/$MFT",
				 "MFT record 26, whose name was not found",
				 NULL },
	       0);
	len = index_entry(entries, ref(27), ref(25), "other", 1);
	len += index_entry(entries + len, ref(26), ref(25), "DEEP~1", 2);
	len += index_entry(entries + len, ref(26), ref(25), "deep", 1);
	index_block(&n, 11, entries, len);
	expect(&n, (uint64_t[]){ at, 512, 0, 0 },
	       (const char *[]){ "/$MFT", "/d/e/deep", NULL }, 0);
	/* A name of 8.3 alone is better than none. */
	index_block(&n, 11, entries,
		    index_entry(entries, ref(26), ref(25), "DEEP~1", 2));
	expect(&n, (uint64_t[]){ at, 512, 0, 0 },
	       (const char *[]){ "/$MFT", "/d/e/DEEP~1", NULL }, 0);
	/* A directory's record, and the root's. */
	n = again(&n);
	lose(&n, 24);
	expect(&n, (uint64_t[]){ at - 2048, 512, 0, 0 },
	       (const char *[]){ "/$MFT",
				 "MFT record 24, whose name was not found",
				 NULL },
	       0);
	n = again(&n);
	lose(&n, 5);
	expect(&n, (uint64_t[]){ at - 21 * 1024, 512, 0, 0 },
	       (const char *[]){ "/$MFT", "/", NULL }, 0);
	image_free(&n.m);
}

/* Parents that are none, that were reused, that go round. */
static void
test_parents(void)
{
	struct ntfs n = make();
	const uint64_t deep[] = { 12 * n.region, 512, 0, 0 };

	file(&n, 26, ref(27), "deep", 12);
	expect(&n, deep, (const char *[]){ ".../deep", NULL }, 0);
	file(&n, 26, 25 | UINT64_C(9) << 48, "deep", 12);
	expect(&n, deep, (const char *[]){ ".../deep", NULL }, 0);
	file(&n, 26, ref(0xffffffffffff), "deep", 12);
	expect(&n, deep, (const char *[]){ ".../deep", NULL }, 0);
	file(&n, 26, ref(25), "deep", 12);
	subdirectory(&n, 24, ref(25), "d", 10);
	{
		struct fy_fs_hits hits = hits_of(&n, deep, 100);

		CHECK(hits.paths.n == 1 &&
		      strncmp(hits.paths.items[0], ".../", 4) == 0);
		fy_strings_release(&hits.paths);
	}
	image_free(&n.m);
}

static void
test_no_ntfs(void)
{
	struct ntfs n = make();
	const struct fy_extent range = { 0, 512 };
	struct fy_error err = { 0 };
	struct fy_fs_hits hits;

	put_byte(&n.m, R_MFT * n.region, 'B');
	put_byte(&n.m, R_MIRROR * n.region, 'B');
	CHECK(fy_fs_ntfs.files(n.m.volume, &range, 1, 10, NULL, &hits, &err) ==
	      -1);
	CHECK(err.code == FY_E_FORMAT);
	fy_strings_release(&hits.paths);
	image_free(&n.m);
}

int
main(void)
{
	test_clusters();
	test_most();
	test_extension();
	test_lost();
	test_parents();
	test_no_ntfs();
	return 0;
}
