/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Extents against a naive bitmap; millions of them through the spill file. */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/extents.h"
#include "common/hash.h"
#include "common/test.h"

#define SPACE 4096

static uint64_t state = 12345;

static unsigned
rnd(unsigned n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % n;
}

/* Random ascending ranges, into the list and into the map. */
static struct fy_extents *
make(unsigned char map[SPACE])
{
	struct fy_error err = { 0 };
	struct fy_extents *e = fy_extents_new(&err);
	unsigned at = rnd(50), len;

	memset(map, 0, SPACE);
	while (at < SPACE) {
		len = 1 + rnd(60);
		if (at + len > SPACE)
			len = SPACE - at;
		CHECK_OK(fy_extents_append(e, at, len, &err), &err);
		memset(map + at, 1, len);
		at += len + rnd(3) * rnd(40);
	}
	return e;
}

static void
check_map(const struct fy_extents *e, const unsigned char map[SPACE])
{
	unsigned char is[SPACE] = { 0 };
	struct fy_extents_cursor c;
	struct fy_error err = { 0 };
	uint64_t count = 0, bytes = 0, last = 0;
	struct fy_extent x;
	int r;

	fy_extents_cursor_init(&c, e);
	while ((r = fy_extents_next(&c, &x, &err)) == 1) {
		CHECK(x.length > 0 && x.offset + x.length <= SPACE);
		CHECK(count == 0 || x.offset > last);
		memset(is + x.offset, 1, x.length);
		last = x.offset + x.length;
		bytes += x.length;
		count++;
	}
	CHECK(r == 0);
	CHECK(memcmp(is, map, SPACE) == 0);
	CHECK(fy_extents_count(e) == count);
	CHECK(fy_extents_bytes(e) == bytes);
	CHECK(fy_extents_end(e) == last);
}

static void
check_sets(void)
{
	static unsigned char a[SPACE], b[SPACE], want[SPACE];
	struct fy_error err = { 0 };
	unsigned i, shift, limit;

	fy_autoextents struct fy_extents *ea = make(a);
	fy_autoextents struct fy_extents *eb = make(b);
	fy_autoextents struct fy_extents *u = fy_extents_new(&err);
	fy_autoextents struct fy_extents *d = fy_extents_new(&err);
	fy_autoextents struct fy_extents *s = fy_extents_new(&err);

	check_map(ea, a);
	CHECK_OK(fy_extents_union(ea, eb, u, &err), &err);
	for (i = 0; i < SPACE; i++)
		want[i] = a[i] | b[i];
	check_map(u, want);
	CHECK_OK(fy_extents_subtract(ea, eb, d, &err), &err);
	for (i = 0; i < SPACE; i++)
		want[i] = a[i] & !b[i];
	check_map(d, want);
	shift = rnd(100);
	limit = rnd(SPACE - 100);
	CHECK_OK(fy_extents_append_shifted(s, ea, shift, limit, &err), &err);
	memset(want, 0, SPACE);
	memcpy(want + shift, a, limit);
	check_map(s, want);
}

static void
check_cut(void)
{
	unsigned char map[SPACE];
	struct fy_error err = { 0 };
	struct fy_extents_mark mark;

	fy_autoextents struct fy_extents *e = make(map);
	fy_extents_take_mark(e, &mark);
	CHECK_OK(fy_extents_append(e, 10000, 5, &err), &err);
	CHECK_OK(fy_extents_append(e, 20000, 5, &err), &err);
	fy_extents_cut(e, &mark);
	check_map(e, map);
	CHECK_OK(fy_extents_append(e, 30000, 7, &err), &err);
	CHECK(fy_extents_end(e) == 30007);
}

static void
check_order(void)
{
	struct fy_error err = { 0 };

	fy_autoextents struct fy_extents *e = fy_extents_new(&err);
	CHECK_OK(fy_extents_append(e, 100, 10, &err), &err);
	CHECK_OK(fy_extents_append(e, 105, 2, &err), &err);
	CHECK_OK(fy_extents_append(e, 110, 10, &err), &err);
	CHECK_OK(fy_extents_append(e, 100, 21, &err), &err);
	CHECK(fy_extents_count(e) == 1 && fy_extents_bytes(e) == 21);
	CHECK(fy_extents_append(e, 99, 1, &err) == -1);
	CHECK(err.code == FY_E_FORMAT);
	fy_error_clear(&err);
	CHECK(fy_extents_append(e, UINT64_MAX - 1, 5, &err) == -1);
	CHECK(err.code == FY_E_FORMAT);
}

/* Enough to spill several times; a cut back into the file. */
static void
check_spill(void)
{
	enum { N = 3000000 };
	struct fy_extents_mark mark = { 0 };
	struct fy_error err = { 0 };
	struct fy_extents_cursor c;
	struct fy_extent x;
	uint64_t i, n = 0;

	fy_autoextents struct fy_extents *e = fy_extents_new(&err);
	for (i = 0; i < N; i++) {
		if (i == N / 3)
			fy_extents_take_mark(e, &mark);
		if (fy_extents_append(e, i * 8192, 4096, &err) == -1)
			break;
	}
	CHECK(i == N && fy_extents_count(e) == N);
	fy_extents_cut(e, &mark);
	for (i = N / 3; i < N / 2; i++)
		if (fy_extents_append(e, i * 8192, 512, &err) == -1)
			break;
	fy_extents_cursor_init(&c, e);
	while (fy_extents_next(&c, &x, &err) == 1) {
		if (x.offset != n * 8192 ||
		    x.length != (n < N / 3 ? 4096u : 512u))
			break;
		n++;
	}
	CHECK(n == N / 2 && fy_extents_count(e) == N / 2);
	/* From the mark on, with the range that was the newest then. */
	n = N / 3 - 1;
	fy_extents_cursor_at(&c, e, &mark);
	while (fy_extents_next(&c, &x, &err) == 1 && x.offset == n * 8192)
		n++;
	CHECK(n == N / 2);
}

/* Marks before the first range, between two, and behind one that grows. */
static void
check_cursor_at(void)
{
	struct fy_extents_mark first, second, third;
	struct fy_error err = { 0 };
	struct fy_extents_cursor c;
	struct fy_extent x;

	fy_autoextents struct fy_extents *e = fy_extents_new(&err);
	fy_extents_take_mark(e, &first);
	CHECK_OK(fy_extents_append(e, 100, 10, &err), &err);
	fy_extents_take_mark(e, &second);
	CHECK_OK(fy_extents_append(e, 110, 10, &err), &err);
	CHECK_OK(fy_extents_append(e, 200, 10, &err), &err);
	fy_extents_take_mark(e, &third);
	fy_extents_cursor_at(&c, e, &first);
	CHECK(fy_extents_next(&c, &x, &err) == 1 && x.offset == 100 &&
	      x.length == 20);
	fy_extents_cursor_at(&c, e, &second);
	CHECK(fy_extents_next(&c, &x, &err) == 1 && x.offset == 100 &&
	      x.length == 20);
	CHECK(fy_extents_next(&c, &x, &err) == 1 && x.offset == 200);
	CHECK(fy_extents_next(&c, &x, &err) == 0);
	fy_extents_cursor_at(&c, e, &third);
	CHECK(fy_extents_next(&c, &x, &err) == 1 && x.offset == 200);
	CHECK(fy_extents_next(&c, &x, &err) == 0);
}

static void
check_digest(void)
{
	struct fy_digest da, db;
	struct fy_error err = { 0 };

	fy_autoextents struct fy_extents *a = fy_extents_new(&err);
	fy_autoextents struct fy_extents *b = fy_extents_new(&err);
	CHECK_OK(fy_extents_append(a, 0, 10, &err), &err);
	CHECK_OK(fy_extents_append(b, 0, 5, &err), &err);
	CHECK_OK(fy_extents_append(b, 5, 5, &err), &err);
	CHECK_OK(fy_digest_extents(a, &da, &err), &err);
	CHECK_OK(fy_digest_extents(b, &db, &err), &err);
	CHECK(fy_digest_equal(&da, &db));
	CHECK_OK(fy_extents_append(b, 11, 1, &err), &err);
	CHECK_OK(fy_digest_extents(b, &db, &err), &err);
	CHECK(!fy_digest_equal(&da, &db));
}

int
main(void)
{
	int i;

	for (i = 0; i < 50; i++) {
		check_sets();
		check_cut();
	}
	check_order();
	check_spill();
	check_cursor_at();
	check_digest();
	return test_result();
}
