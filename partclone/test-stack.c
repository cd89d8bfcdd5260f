/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a layer stands on: pieces of a map carried down, gathered volumes; and
 * filesystems on several volumes, with a driver of the test's own.
 */
#include "common/gather.h"
#include "common/overlay.h"
#include "partclone/disk-build.h"
#include "partclone/test-image.h"

/* --- fy_pull ---------------------------------------------------------------- */

static void
test_pull(void)
{
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	struct fy_extents *got = fy_extents_new(&err);
	struct fy_pull p = { 0 };

	CHECK_OK(fy_extents_append(used, 10, 20, &err), &err);
	CHECK_OK(fy_extents_append(used, 50, 100, &err), &err);
	CHECK_OK(fy_extents_append(used, 1000, 1, &err), &err);
	CHECK_OK(fy_pull(&p, used, 0, 60, 0, 1, 0, 500, got, &err), &err);
	CHECK_OK(fy_pull(&p, used, 60, 140, 0, 1, 0, 600, got, &err), &err);
	CHECK_OK(fy_pull(&p, used, 140, 2000, 0, 1, 0, 10000, got, &err), &err);
	/* Back again. */
	CHECK_OK(fy_pull(&p, used, 20, 55, 0, 1, 0, 20000, got, &err), &err);
	CHECK(extents_are(got,
			  (uint64_t[]){ 510, 20, 550, 10, 600, 80, 10000, 10,
					10860, 1, 20000, 10, 20030, 5, 0, 0 }));
	fy_extents_free(got);
	/* Stripes of 10 on two: 10..29 are 10..19 (1) and 20..29 (0), and so
	 * on. */
	got = fy_extents_new(&err);
	CHECK_OK(fy_pull(&p, used, 0, 200, 0, 2, 10, 0, got, &err), &err);
	CHECK_OK(fy_pull(&p, used, 0, 200, 1, 2, 10, 1000, got, &err), &err);
	CHECK(extents_are(
		got, (uint64_t[]){ 10, 10, 30, 50, 1000, 10, 1020, 50, 0, 0 }));
	fy_pull_release(&p);
	fy_extents_free(got);
	fy_extents_free(used);
}

/* Byte by byte against the plain definition. */
static void
test_stripes_plainly(void)
{
	struct fy_error err = { 0 };
	unsigned n, k;
	uint64_t a, b, at;

	for (n = 2; n < 5; n++)
		for (a = 0; a < 60; a += 7)
			for (b = a + 1; b < 90; b += 5) {
				struct fy_extents *used = fy_extents_new(&err);
				uint64_t sum = 0;

				CHECK_OK(
					fy_extents_append(used, a, b - a, &err),
					&err);
				for (k = 0; k < n; k++) {
					struct fy_extents *got =
						fy_extents_new(&err);
					struct fy_pull p = { 0 };
					uint64_t first = UINT64_MAX, count = 0;

					CHECK_OK(fy_pull(&p, used, 0, 90, k, n,
							 4, 0, got, &err),
						 &err);
					for (at = a; at < b; at++) {
						if (at / 4 % n != k)
							continue;
						if (first == UINT64_MAX)
							first = at / 4 / n * 4 +
								at % 4;
						count++;
					}
					CHECK(fy_extents_bytes(got) == count);
					if (count > 0)
						CHECK(extents_are(
							got,
							(uint64_t[]){ first,
								      count, 0,
								      0 }));
					sum += count;
					fy_pull_release(&p);
					fy_extents_free(got);
				}
				CHECK(sum == b - a);
				fy_extents_free(used);
			}
}

/* --- gathered volumes --------------------------------------------------------- */

static void
test_gather(void)
{
	struct image a = image_new(4096, 512), b = image_new(4096, 512);
	const struct fy_gather_area one[] = { { a.volume, 100 } };
	const struct fy_gather_area two[] = { { a.volume, 200 },
					      { b.volume, 300 } };
	const struct fy_gather_piece pieces[] = {
		{ 0, 5, one, 1, 0, false },
		{ 5, 12, two, 2, 4, false },
		{ 17, 3, NULL, 0, 0, false },
	};
	const struct fy_gather_piece outside[] = { { 0, 4000, one, 1, 0,
						     false } };
	const struct fy_gather_piece hole[] = { { 1, 5, one, 1, 0, false } };
	struct fy_error err = { 0 };
	struct fy_volume *v = NULL;
	char buf[32] = "";
	size_t i, len;

	put_text(&a, 100, "01234zz");
	put_text(&a, 200, "abcdijkl");
	put_text(&b, 300, "efgh");
	CHECK_OK(fy_gather_new(pieces, 3, "gathered", 512, &v, &err), &err);
	CHECK(fy_volume_size(v) == 20);
	CHECK_OK(fy_volume_pread(v, buf, 20, 0, &err), &err);
	CHECK(memcmp(buf, "01234abcdefghijkl\0\0\0", 20) == 0);
	for (i = 0; i < 20; i++)
		for (len = 1; i + len <= 20; len++) {
			char part[32];

			CHECK_OK(fy_volume_pread(v, part, len, i, &err), &err);
			CHECK(memcmp(part, buf + i, len) == 0);
		}
	CHECK(fy_volume_pread(v, buf, 2, 19, &err) == -1);
	fy_volume_close(v);
	fy_error_clear(&err);
	CHECK(fy_gather_new(outside, 1, "x", 512, &v, &err) == -1);
	CHECK(err.code == FY_E_FORMAT);
	fy_error_clear(&err);
	CHECK(fy_gather_new(hole, 1, "x", 512, &v, &err) == -1);
	CHECK(err.code == FY_E_FORMAT);
	image_free(&a);
	image_free(&b);
}

static struct fy_volume *
over(const struct image *m)
{
	struct fy_error err = { 0 };
	struct fy_volume *v = NULL;

	CHECK_OK(fy_overlay_new(m->volume, 4096, NULL, &v, &err), &err);
	return v;
}

/* Written: byte by byte and in runs, as a flat copy has it; each image of a
 * mirrored piece has all.  What lies around is left alone. */
static void
test_gather_write(void)
{
	struct image m = image_new(4096, 512), n = image_new(4096, 512);
	struct fy_volume *a = over(&m), *b = over(&n);
	const struct fy_gather_area one[] = { { a, 100 } };
	const struct fy_gather_area two[] = { { a, 200 }, { b, 300 } };
	const struct fy_gather_area both[] = { { a, 1000 }, { b, 2000 } };
	const struct fy_gather_piece pieces[] = {
		{ 0, 5, one, 1, 0, false },
		{ 5, 12, two, 2, 4, false },
		{ 17, 20, both, 2, 0, true },
	};
	const struct fy_gather_piece zeros[] = { { 0, 9, NULL, 0, 0, false } };
	struct fy_error err = { 0 };
	struct fy_volume *v = NULL;
	unsigned char flat[37] = { 0 }, is[37], x[37], y[20], z[4096];
	size_t i, len, k;

	CHECK_OK(fy_gather_new(zeros, 1, "zeros", 512, &v, &err), &err);
	CHECK(!fy_volume_is_writable(v));
	fy_volume_close(v);
	CHECK_OK(fy_gather_new(pieces, 3, "gathered", 512, &v, &err), &err);
	CHECK(fy_volume_is_writable(v));
	for (i = 0; i < sizeof(flat); i++)
		for (len = 1; i + len <= sizeof(flat); len++) {
			for (k = 0; k < len; k++)
				x[k] = (unsigned char)(i * 31 + len * 7 + k +
						       1);
			memcpy(flat + i, x, len);
			CHECK_OK(fy_volume_pwrite(v, x, len, i, &err), &err);
			CHECK_OK(fy_volume_pread(v, is, sizeof(is), 0, &err),
				 &err);
			CHECK(memcmp(is, flat, sizeof(flat)) == 0);
		}
	CHECK_OK(fy_volume_pread(b, y, 20, 2000, &err), &err);
	CHECK(memcmp(y, flat + 17, 20) == 0);
	CHECK_OK(fy_volume_pread(a, y, 20, 1000, &err), &err);
	CHECK(memcmp(y, flat + 17, 20) == 0);
	/* 5 + 8 + 20 bytes of 'a', 4 + 20 of 'b', none of which is 0 (or few).
	 */
	CHECK_OK(fy_volume_pread(a, z, sizeof(z), 0, &err), &err);
	memset(z + 100, 0, 5);
	memset(z + 200, 0, 8);
	memset(z + 1000, 0, 20);
	CHECK(fy_is_zero(z, sizeof(z)));
	CHECK_OK(fy_volume_pread(b, z, sizeof(z), 0, &err), &err);
	memset(z + 300, 0, 4);
	memset(z + 2000, 0, 20);
	CHECK(fy_is_zero(z, sizeof(z)));
	CHECK(fy_volume_pwrite(v, x, 2, 36, &err) == -1);
	fy_volume_close(v);
	fy_volume_close(a);
	fy_volume_close(b);
	image_free(&m);
	image_free(&n);
}

/* --- a filesystem on several volumes -------------------------------------------- */

/* Begins with "SETS", the set's letter, the member's number, how many. */
static int
sets_member(struct fy_volume *v, struct fy_fs_member *ret, struct fy_error *err)
{
	char h[8];

	if (fy_volume_pread(v, h, sizeof(h), 0, err) == -1)
		return -1;
	memset(ret, 0, sizeof(*ret));
	ret->set[0] = h[4];
	ret->id = (uint64_t)(h[5] - '0');
	ret->n = (uint64_t)(h[6] - '0');
	return 0;
}

static int
sets_map(struct fy_volume *const *v, size_t n,
	 const struct fy_fs_map_options *options,
	 struct fy_extents *const *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	size_t i;

	(void)options;
	(void)ret;
	for (i = 0; i < n; i++) {
		struct fy_fs_member m;

		if (sets_member(v[i], &m, err) == -1 ||
		    fy_extents_append(used[i], 0, 4096 * m.id, err) == -1)
			return -1;
	}
	return 0;
}

static int
sets_alone(struct fy_volume *v, const struct fy_fs_map_options *options,
	   struct fy_extents *used, struct fy_fs_result *ret,
	   struct fy_error *err)
{
	return sets_map(&v, 1, options, &used, ret, err);
}

static const struct fy_fs_driver sets_driver = {
	.name = "sets",
	.read_map = sets_alone,
	.member = sets_member,
	.read_map_set = sets_map,
};

static struct fy_node *
add_part(struct fy_stack *s, struct fy_disk_build *b, const struct image *m,
	 const char *text)
{
	struct fy_error err = { 0 };
	struct fy_volume *v = NULL;
	struct fy_node *n;

	put_text(m, 0, text);
	CHECK_OK(fy_volume_slice(m->volume, 0, m->size, "part", &v, &err),
		 &err);
	n = fy_stack_add(s, b, text, v, &err);
	CHECK(n != NULL);
	n->info.driver = &sets_driver;
	n->info.name = "sets";
	return n;
}

static void
test_sets(void)
{
	static const struct fy_disk_map_options options;
	struct fy_disk_map *map = calloc(1, sizeof(*map));
	struct fy_disk_build b = { .options = &options, .map = map };
	struct fy_stack s = { .builds = &b, .n_builds = 1 };
	struct image m[9];
	static const char *const texts[9] = { "SETSa22", "SETSb12", "SETSa12",
					      "SETSc11", "SETSd12", "SETSd12",
					      "SETSe12", "SETSe22", "SETSe32" };
	/* whole: of b one is missing, of d one is there twice, of e there is
	 * one too many */
	static const uint64_t used[9] = { 8192,	 65536, 4096,  4096, 65536,
					  65536, 65536, 65536, 65536 };
	struct fy_error err = { 0 };
	struct fy_node *n[9];
	size_t i;

	CHECK(map != NULL);
	for (i = 0; i < 9; i++) {
		m[i] = image_new(65536, 512);
		n[i] = add_part(&s, &b, &m[i], texts[i]);
	}
	CHECK_OK(fy_stack_grow(&s, &err), &err);
	for (i = 0; i < 9; i++) {
		CHECK_OK(fy_node_map(&s, n[i], &err), &err);
		CHECK(n[i]->used_bytes == used[i]);
	}
	CHECK(has_warning(map, "only 1 of its 2 volumes"));
	CHECK(has_warning(map, "the same part"));
	CHECK(has_warning(map, "3 volumes are part of it"));
	fy_stack_release(&s);
	fy_disk_map_free(map);
	for (i = 0; i < 9; i++)
		image_free(&m[i]);
}

int
main(void)
{
	test_pull();
	test_stripes_plainly();
	test_gather();
	test_gather_write();
	test_sets();
	return 0;
}
