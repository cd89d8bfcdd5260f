/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The overlay against a plain array that gets the same writes, and the file
 * that fy_volume_expose shows against the volume behind it.
 */
#include "common/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"

#define SIZE (3 * 1024 * 1024 + 1536)
#define CHECK(x)                                                               \
	do {                                                                   \
		if (!(x)) {                                                    \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, \
				#x, err.msg);                                  \
			exit(1);                                               \
		}                                                              \
	} while (0)

static unsigned char model[SIZE], original[SIZE], seen[SIZE];
static struct fy_error err;
static atomic_bool fail_reads;

static int
array_pread(void *handle, void *buf, size_t len, uint64_t offset,
	    struct fy_error *e)
{
	if (fail_reads)
		return fy_error_set(e, FY_E_IO, EIO, "made to fail");
	memcpy(buf, (unsigned char *)handle + offset, len);
	return 0;
}

static const struct fy_volume_ops array_ops = { .pread = array_pread };

static uint64_t
pseudo(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *state >> 33;
}

static struct fy_volume *
make_base(void)
{
	struct fy_volume *v;
	uint64_t s = 1;
	size_t i;

	for (i = 0; i < SIZE; i++)
		original[i] = model[i] = (unsigned char)pseudo(&s);
	v = fy_volume_new(&array_ops, original, "array", SIZE, 512, &err);
	CHECK(v != NULL);
	return v;
}

static void
check_changed(struct fy_volume *o, uint32_t cluster)
{
	fy_autoextents struct fy_extents *x = fy_extents_new(&err);
	struct fy_extents_cursor c;
	struct fy_extent e = { 0, 0 };
	uint64_t at;

	CHECK(x != NULL && fy_overlay_changed(o, x, &err) == 0);
	fy_extents_cursor_init(&c, x);
	for (at = 0; at < SIZE; at += cluster) {
		size_t n = (size_t)fy_min_u64(cluster, SIZE - at);
		bool differs = memcmp(model + at, original + at, n) != 0;

		if (at >= e.offset + e.length &&
		    fy_extents_next(&c, &e, &err) != 1)
			e.offset = UINT64_MAX / 2, e.length = 0;
		CHECK(differs == (at >= e.offset && at < e.offset + e.length));
		CHECK(!differs || at + n <= e.offset + e.length);
	}
}

static void
test_overlay(uint32_t cluster)
{
	fy_autovolume struct fy_volume *base = make_base();
	fy_autovolume struct fy_volume *o = NULL;
	static unsigned char buf[200000];
	uint64_t s = cluster, at;
	size_t n, i, round;

	CHECK(fy_overlay_new(base, cluster, NULL, &o, &err) == 0);
	for (round = 0; round < 400; round++) {
		at = pseudo(&s) % SIZE;
		n = (size_t)(pseudo(&s) %
			     (round % 10 == 0 ? sizeof(buf) : 5000));
		n = (size_t)fy_min_u64(n, SIZE - at);
		if (round % 7 == 0)
			at = fy_align_down(at, 4096), n = 4096;
		n = (size_t)fy_min_u64(n, SIZE - at);
		for (i = 0; i < n; i++)
			buf[i] = (unsigned char)pseudo(&s);
		if (round % 5 == 0) /* a write that changes nothing */
			memcpy(buf, original + at, n);
		memcpy(model + at, buf, n);
		CHECK(fy_volume_pwrite(o, buf, n, at, &err) == 0);
		at = pseudo(&s) % SIZE;
		n = (size_t)fy_min_u64(sizeof(buf), SIZE - at);
		CHECK(fy_volume_pread(o, buf, n, at, &err) == 0);
		CHECK(memcmp(buf, model + at, n) == 0);
	}
	CHECK(fy_volume_pread(o, seen, SIZE, 0, &err) == 0);
	CHECK(memcmp(seen, model, SIZE) == 0);
	check_changed(o, cluster);
	CHECK(fy_volume_pread(base, seen, SIZE, 0, &err) == 0);
	CHECK(memcmp(seen, original, SIZE) == 0);
}

static void
test_errors(void)
{
	fy_autovolume struct fy_volume *base = make_base();
	fy_autovolume struct fy_volume *o = NULL;
	fy_autoextents struct fy_extents *x = NULL;
	struct fy_error e = { 0 };
	char b = 0;

	CHECK(fy_overlay_new(base, 3000, NULL, &o, &e) == -1 &&
	      e.code == FY_E_USAGE);
	fy_error_clear(&e);
	CHECK(fy_overlay_changed(base, NULL, &e) == -1);
	CHECK(fy_overlay_new(base, 4096, NULL, &o, &err) == 0);
	fail_reads = true;
	fy_error_clear(&e);
	/* The copy up must not swallow the error. */
	CHECK(fy_volume_pwrite(o, &b, 1, 10, &e) == -1 && e.code == FY_E_IO);
	fail_reads = false;
	CHECK(fy_volume_pread(o, seen, SIZE, 0, &err) == 0);
	CHECK(memcmp(seen, original, SIZE) == 0);
	/* Nor does what is done again later make up for it. */
	CHECK(fy_volume_pwrite(o, &b, 1, 10, &err) == 0);
	x = fy_extents_new(&err);
	fy_error_clear(&e);
	CHECK(x != NULL && fy_overlay_changed(o, x, &e) == -1 &&
	      e.code == FY_E_IO);
}

static void
test_expose(void)
{
	fy_autovolume struct fy_volume *base = make_base();
	fy_autovolume struct fy_volume *o = NULL;
	struct fy_exposed *x = NULL;
	struct fy_error e = { 0 };
	fy_autofd int fd = -1;
	struct stat st;

	CHECK(fy_overlay_new(base, 4096, NULL, &o, &err) == 0);
	if (fy_volume_expose(o, &x, &e) == -1) {
		if (e.code == FY_E_UNSUPPORTED) {
			fprintf(stderr, "needs FUSE: %s\n", e.msg);
			exit(77);
		}
		fprintf(stderr, "%s\n", e.msg);
		exit(1);
	}
	fd = open(fy_exposed_path(x), O_RDWR);
	CHECK(fd != -1 && fstat(fd, &st) == 0);
	CHECK(S_ISREG(st.st_mode) && st.st_size == SIZE);
	CHECK(fy_fd_pread_full(fd, seen, SIZE, 0, &err) == 0);
	CHECK(memcmp(seen, original, SIZE) == 0);
	memset(model + 70000, 'x', 9000);
	CHECK(fy_fd_pwrite_full(fd, model + 70000, 9000, 70000, &err) == 0);
	CHECK(fy_fd_sync(fd, &err) == 0);
	CHECK(pwrite(fd, "xx", 2, SIZE - 1) != 2 && ftruncate(fd, 5) == -1);
	close(fy_steal_fd(&fd));
	CHECK(fy_exposed_close(x, &err) == 0);
	CHECK(fy_volume_pread(o, seen, SIZE, 0, &err) == 0);
	CHECK(memcmp(seen, model, SIZE) == 0);

	/* An error of the volume reaches the reader and the close. */
	CHECK(fy_volume_expose(base, &x, &err) == 0);
	CHECK(open(fy_exposed_path(x), O_RDWR | O_CLOEXEC) == -1);
	fd = open(fy_exposed_path(x), O_RDONLY);
	fail_reads = true;
	CHECK(fd != -1 && pread(fd, seen, 512, 0) == -1 && errno == EIO);
	fail_reads = false;
	close(fy_steal_fd(&fd));
	fy_error_clear(&e);
	CHECK(fy_exposed_close(x, &e) == -1 && e.code == FY_E_IO);
}

int
main(void)
{
	test_overlay(4096);
	test_overlay(65536);
	test_errors();
	test_expose();
	return 0;
}
