/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The unit reader against a naive model: every byte that is used is the
 * disk's, every other is zero; used bytes are counted a unit; sectors that
 * can't be read matter only if they are used, and then are named.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/test.h"
#include "p2v-client/reader.h"

#define SIZE (5u * 1024 * 1024 + 12288 + 512) /* not a multiple of a unit */
#define UNIT 65536u

static unsigned char disk[SIZE];
static unsigned char map[SIZE]; /* 1: used */
static uint64_t bad_from, bad_to;

static uint64_t state = 88172645463325252u;

static uint64_t
chance(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

static int
disk_pread(void *handle, void *buf, size_t len, uint64_t offset,
	   struct fy_error *err)
{
	(void)handle;
	if (offset < bad_to && offset + len > bad_from)
		return fy_error_set(err, FY_E_IO, EIO, "read");
	memcpy(buf, disk + offset, len);
	return 0;
}

static const struct fy_volume_ops disk_ops = { .pread = disk_pread };

static struct fy_volume *
open_disk(struct fy_error *err)
{
	return fy_volume_new(&disk_ops, NULL, "disk", SIZE, 512, err);
}

/* Random extents in multiples of 'grain'; the disk has no zero byte. */
static struct fy_extents *
random_map(uint32_t grain, uint64_t most_gap, uint64_t most_length,
	   struct fy_error *err)
{
	struct fy_extents *e = fy_extents_new(err);
	uint64_t at = 0, length;
	size_t i;

	for (i = 0; i < SIZE; i++)
		disk[i] = (unsigned char)(1 + chance(255));
	memset(map, 0, sizeof(map));
	while (at < SIZE) {
		at += chance(most_gap) * grain;
		length = (1 + chance(most_length)) * grain;
		if (at >= SIZE)
			break;
		length = fy_min_u64(length, SIZE - at);
		CHECK_OK(fy_extents_append(e, at, length, err), err);
		memset(map + at, 1, length);
		at += length;
	}
	return e;
}

/* Compare buf with the model for [offset, offset + len). */
static bool
is_right(const unsigned char *buf, uint64_t offset, uint64_t len,
	 const uint32_t *used)
{
	uint64_t i, at;
	uint32_t sums[64] = { 0 };

	for (i = 0; i < len; i++) {
		unsigned char want = 0;

		at = offset + i;
		if (at < SIZE && map[at])
			want = disk[at];
		if (buf[i] != want)
			return false;
		sums[i / UNIT] += at < SIZE && map[at];
	}
	return memcmp(sums, used, (len / UNIT) * sizeof(*used)) == 0;
}

static void
read_all(const struct fy_extents *e, bool skip, struct fy_error *err)
{
	struct fy_volume *v = open_disk(err);
	uint64_t offset = 0, len, bad = 0, units;
	unsigned char *buf = NULL;
	struct fy_reader r;
	uint32_t used[64];

	CHECK(posix_memalign((void **)&buf, 4096, 64 * UNIT) == 0);
	CHECK_OK(fy_reader_init(&r, v, e, err), err);
	while (offset < SIZE) {
		units = 1 + chance(20);
		len = units * UNIT;
		memset(buf, 0xee, len);
		memset(used, 0, sizeof(used));
		CHECK_OK(fy_reader_fill(&r, offset, buf, len, UNIT, used, &bad,
					err),
			 err);
		CHECK(is_right(buf, offset, len, used));
		offset += len;
		if (skip)
			offset += chance(4) * UNIT;
	}
	free(buf);
	fy_volume_close(v);
}

static void
test_random(void)
{
	static const struct {
		uint32_t grain;
		uint64_t gap, length;
	} kinds[] = {
		{ 512, 20, 20 },   { 512, 2000, 3 },   { 4096, 100, 1 },
		{ 1024, 3, 2000 }, { 4096, 200, 400 }, { 1, 5000, 5000 },
	};
	struct fy_error err = { .code = FY_E_NONE };
	size_t i, round;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (round = 0; round < 4; round++) {
			struct fy_extents *e;

			e = random_map(kinds[i].grain, kinds[i].gap,
				       kinds[i].length, &err);
			read_all(e, round % 2 == 1, &err);
			fy_extents_free(e);
		}
	}
}

static void
test_edges(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_extents *e = fy_extents_new(&err);
	struct fy_volume *v = open_disk(&err);
	struct fy_reader r;
	uint64_t at = 0;

	/* Nothing used. */
	memset(map, 0, sizeof(map));
	read_all(e, false, &err);
	CHECK_OK(fy_reader_init(&r, v, e, &err), &err);
	CHECK_OK(fy_reader_next_used(&r, 0, &at, &err), &err);
	CHECK(at == UINT64_MAX);
	/* All of it, in one extent that crosses every unit. */
	CHECK_OK(fy_extents_append(e, 0, SIZE, &err), &err);
	memset(map, 1, sizeof(map));
	read_all(e, true, &err);
	fy_extents_free(e);

	/* The first and the last byte. */
	e = fy_extents_new(&err);
	memset(map, 0, sizeof(map));
	map[0] = map[SIZE - 1] = 1;
	CHECK_OK(fy_extents_append(e, 0, 1, &err), &err);
	CHECK_OK(fy_extents_append(e, SIZE - 1, 1, &err), &err);
	read_all(e, false, &err);
	CHECK_OK(fy_reader_init(&r, v, e, &err), &err);
	CHECK_OK(fy_reader_next_used(&r, 0, &at, &err), &err);
	CHECK(at == 0);
	CHECK_OK(fy_reader_next_used(&r, 1, &at, &err), &err);
	CHECK(at == SIZE - 1);
	CHECK_OK(fy_reader_next_used(&r, SIZE, &at, &err), &err);
	CHECK(at == UINT64_MAX);

	/* A map that reaches behind the disk. */
	CHECK_OK(fy_extents_append(e, SIZE, 1, &err), &err);
	CHECK(fy_reader_init(&r, v, e, &err) == -1);
	CHECK(err.code == FY_E_FORMAT);
	fy_extents_free(e);
	fy_volume_close(v);
}

/* Unreadable bytes in a gap do no harm; used ones are named exactly. */
static void
test_bad_sectors(void)
{
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_extents *e = fy_extents_new(&err);
	struct fy_volume *v = open_disk(&err);
	unsigned char *buf = NULL;
	uint32_t used[4] = { 0 };
	uint64_t bad = UINT64_MAX;
	struct fy_reader r;

	CHECK(posix_memalign((void **)&buf, 4096, 4 * UNIT) == 0);
	memset(map, 0, sizeof(map));
	CHECK_OK(fy_extents_append(e, 0, 8192, &err), &err);
	CHECK_OK(fy_extents_append(e, 16384, 32768, &err), &err);
	CHECK_OK(fy_extents_append(e, 70000, 100000, &err), &err);
	memset(map, 1, 8192);
	memset(map + 16384, 1, 32768);
	memset(map + 70000, 1, 100000);
	bad_from = 8192;
	bad_to = 16384;
	CHECK_OK(fy_reader_init(&r, v, e, &err), &err);
	CHECK_OK(fy_reader_fill(&r, 0, buf, 4 * UNIT, UNIT, used, &bad, &err),
		 &err);
	CHECK(is_right(buf, 0, 4 * UNIT, used));
	CHECK(bad == UINT64_MAX);
	bad_from = 20480;
	bad_to = 20992;
	CHECK_OK(fy_reader_init(&r, v, e, &err), &err);
	CHECK(fy_reader_fill(&r, 0, buf, 4 * UNIT, UNIT, used, &bad, &err) ==
	      -1);
	CHECK(err.code == FY_E_IO && bad == 20480);
	CHECK(strstr(err.msg, "20480") != NULL);
	bad_from = bad_to = 0;
	free(buf);
	fy_extents_free(e);
	fy_volume_close(v);
}

int
main(void)
{
	test_random();
	test_edges();
	test_bad_sectors();
	return test_result();
}
