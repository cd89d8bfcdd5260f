/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XFS's log made sector by sector: ended by an unmount wherever the ring's head
 * is, and every way of not being so.
 */
#include "partclone/filesystem.h"
#include "partclone/test-xfs-image.h"
#include "partclone/xfs-log.h"

/* One AG, a log of 6 MiB: 12288 sectors, so that what is looked at around the
 * head (4096 sectors) is not all. */
static const struct xfs_shape shape = { 5,     1024, 512,  16384, 1,
					16384, 0,    1000, 6144 };
#define N 12288u

static struct image
make(void)
{
	const uint32_t pairs[] = { 100, 900, 7144, 9240, 0, 0 };
	struct image m = image_new(shape.blocks * shape.block, 512);

	xfs_put_ag(&m, &shape, 0, pairs);
	return m;
}

/* What is said of the log: NULL when it is clean. */
static const char *
verdict(const struct image *m)
{
	const char *why = "";
	struct fy_error err = { 0 };
	struct fy_xfs fs;

	CHECK_OK(fy_xfs_read_super(m->volume, 0, &fs, &err), &err);
	CHECK_OK(fy_xfs_log_check(m->volume, &fs, NULL, &why, &err), &err);
	return why;
}

static bool
says(const struct image *m, const char *words)
{
	const char *why = verdict(m);

	return why != NULL && strstr(why, words) != NULL;
}

/* A record in cycle 5; what lies behind it is of the cycle 'former'. */
static struct image
make_ring(const struct xfs_record *r, uint32_t former)
{
	uint32_t heads = r->version == 2 && r->size > 32768
				 ? (r->size + 32767) / 32768
				 : 1;
	uint32_t head = r->at + heads + (r->len + 511) / 512;
	struct image m = make();

	if (head <= N) {
		xfs_put_cycles(&m, &shape, 0, head, r->cycle);
		xfs_put_cycles(&m, &shape, head, N, former);
	} else {
		xfs_put_cycles(&m, &shape, 0, head - N, r->cycle + 1);
		xfs_put_cycles(&m, &shape, head - N, N, r->cycle);
	}
	xfs_put_record(&m, &shape, r);
	return m;
}

static void
test_clean(void)
{
	static const struct {
		struct xfs_record record;
		uint32_t former;
	} rings[] = {
		/* As mkfs leaves it, with and without a stripe unit. */
		{ { 0, 1, 2, 20, 32768, 1, 0x20 }, 0 },
		{ { 0, 1, 2, 256 * 1024 - 512, 32768, 1, 0x20 }, 0 },
		{ { 0, 1, 1, 20, 32768, 1, 0x20 }, 0 },
		/* As the kernel does. */
		{ { 7000, 1, 2, 512, 32768, 1, 0x20 }, 0 },
		{ { 7000, 5, 1, 512, 16384, 1, 0x20 }, 4 },
		{ { 7000, 5, 1, 512, 262144, 1, 0x20 }, 4 },
		{ { 7000, 5, 2, 512, 0, 1, 0x20 }, 4 },
		{ { 7000, 5, 2, 512, 32769, 1, 0x20 }, 4 },
		{ { 7000, 5, 2, 512, 262144, 1, 0x20 }, 4 },
		{ { 7000, 5, 2, 262144, 262144, 1, 0x20 }, 4 },
		{ { 7000, 5, 2, 512, 32768, 1, 0x21 }, 4 },
		/* Around the end of the ring. */
		{ { 0, 5, 2, 512, 32768, 1, 0x20 }, 4 },
		{ { N - 2, 5, 2, 512, 32768, 1, 0x20 }, 4 },
		{ { N - 3, 5, 2, 512, 32768, 1, 0x20 }, 4 },
		{ { N - 1, 5, 2, 512, 32768, 1, 0x20 }, 4 },
		{ { N - 1, 5, 2, 4096, 32768, 1, 0x20 }, 4 },
		{ { N - 5, 5, 2, 512, 262144, 1, 0x20 }, 4 },
		{ { N - 8, 5, 2, 512, 262144, 1, 0x20 }, 4 },
		{ { N - 9, 5, 2, 512, 262144, 1, 0x20 }, 4 },
	};
	struct image m;
	size_t i;

	for (i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		m = make_ring(&rings[i].record, rings[i].former);
		if (verdict(&m) != NULL)
			fprintf(stderr, "ring %zu: %s\n", i, verdict(&m));
		CHECK(verdict(&m) == NULL);
		image_free(&m);
	}
	/* Never written to. */
	m = make();
	CHECK(verdict(&m) == NULL);
	put_byte(&m, xfs_log_at(&shape, 9000) + 99, 1);
	CHECK(says(&m, "is damaged"));
	image_free(&m);
}

static void
test_unclean(void)
{
	static const struct xfs_record records[] = {
		{ 7000, 5, 2, 512, 32768, 2, 0x20 },
		{ 7000, 5, 2, 512, 32768, 0, 0x20 },
		{ 7000, 5, 2, 512, 32768, 1, 0x01 },
		{ 7000, 5, 3, 512, 32768, 1, 0x20 },
		{ 7000, 5, 0, 512, 32768, 1, 0x20 },
		{ 7000, 5, 2, 262145, 32768, 1, 0x20 },
		{ 7000, 5, 2, 512, 262145, 1, 0x20 },
		{ 7000, 5, 2, 0, 32768, 1, 0x20 },
		{ N - 1, 5, 2, 512, 32768, 1, 0x10 },
	};
	struct image m;
	size_t i;

	for (i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		m = make_ring(&records[i], 4);
		CHECK(says(&m, "no clean unmount"));
		image_free(&m);
	}
}

/* An unmount, and something after or before it. */
static void
test_around(void)
{
	const struct xfs_record r = { 7000, 5, 2, 512, 32768, 1, 0x20 };
	const struct xfs_record next = { 7002, 5, 2, 1024, 32768, 3, 0x01 };
	const struct xfs_record late = { 100, 5, 2, 512, 32768, 1, 0x20 };
	struct image m = make_ring(&r, 4);

	xfs_put_record(&m, &shape, &next);
	CHECK(says(&m, "no clean unmount"));
	image_free(&m);

	/* A record that says that it is longer, or shorter, than it is. */
	m = make_ring(&r, 4);
	put_be32(&m, xfs_log_at(&shape, 7000) + 12, 513);
	CHECK(says(&m, "no clean unmount"));
	put_be32(&m, xfs_log_at(&shape, 7000) + 12, 512);
	CHECK(verdict(&m) == NULL);
	xfs_put_cycles(&m, &shape, 7002, 7003, 5);
	CHECK(says(&m, "no clean unmount"));
	image_free(&m);

	/* No record near. */
	m = make_ring(&r, 4);
	xfs_put_cycles(&m, &shape, 7000, 7001, 5);
	CHECK(says(&m, "no clean unmount"));
	image_free(&m);

	/* Holes before the head, behind it, at the other end of the ring. */
	m = make_ring(&r, 4);
	xfs_put_cycles(&m, &shape, 7001 - 4000, 7002 - 4000, 4);
	CHECK(says(&m, "cut short"));
	xfs_put_cycles(&m, &shape, 7001 - 4000, 7002 - 4000, 5);
	CHECK(verdict(&m) == NULL);
	xfs_put_cycles(&m, &shape, 7010, 7011, 5);
	CHECK(says(&m, "cut short"));
	image_free(&m);
	m = make_ring(&late, 4);
	CHECK(verdict(&m) == NULL);
	xfs_put_cycles(&m, &shape, N - 3000, N - 2999, 3);
	CHECK(says(&m, "cut short"));
	image_free(&m);
}

/* Cycles that no ring can have. */
static void
test_cycles(void)
{
	static const uint32_t ends[][2] = {
		{ 5, 3 }, { 4, 5 }, { 0, 5 }, { 5, UINT32_MAX }
	};
	struct image m;
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		m = make();
		xfs_put_cycles(&m, &shape, 0, 6000, ends[i][0]);
		xfs_put_cycles(&m, &shape, 6000, N, ends[i][1]);
		CHECK(says(&m, "is damaged"));
		image_free(&m);
	}
}

/* What the driver makes of it. */
static void
test_driver(void)
{
	const struct xfs_record r = { 7000, 5, 2, 512, 32768, 7, 0 };
	struct fy_fs_map_options options = { 0 };
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	struct image m = make_ring(&r, 4);
	struct fy_fs_result result;
	struct fy_fs_info info;

	CHECK(used != NULL);
	CHECK_OK(fy_fs_identify(m.volume, &info, &err), &err);
	CHECK(fy_fs_map(m.volume, &info, &options, used, &result, &err) == -1);
	CHECK(err.code == FY_E_DIRTY && strstr(err.msg, "unmount it") != NULL &&
	      strstr(err.msg, "--allow-dirty") != NULL);
	CHECK(fy_extents_count(used) == 0);
	fy_error_clear(&err);
	options.allow_dirty = true;
	CHECK_OK(fy_fs_map(m.volume, &info, &options, used, &result, &err),
		 &err);
	CHECK(result.whole && result.warn);
	CHECK(strstr(result.note, "no clean unmount") != NULL);
	CHECK(extents_are(used, (uint64_t[]){ 0, m.size, 0, 0 }));
	fy_extents_free(used);
	image_free(&m);
}

int
main(void)
{
	test_clean();
	test_unclean();
	test_around();
	test_cycles();
	test_driver();
	return 0;
}
