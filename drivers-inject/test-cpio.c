/* SPDX-License-Identifier: GPL-3.0-or-later */
/* newc archives: what is written is read; hostile headers are refused. */
#include <stdlib.h>
#include <sys/stat.h>

#include "common/test.h"
#include "drivers-inject/cpio.h"

struct memory {
	const unsigned char *data;
	size_t len, at, step; /* bytes a pull gives at most */
};

static int
pull(void *ctx, void *buf, size_t len, size_t *ret, struct fy_error *err)
{
	struct memory *m = ctx;
	size_t n = m->len - m->at;

	(void)err;
	if (n > len)
		n = len;
	if (n > m->step)
		n = m->step;
	memcpy(buf, m->data + m->at, n);
	m->at += n;
	*ret = n;
	return 0;
}

static int
read_one(struct fy_cpio_reader *r, const char *name, uint32_t mode,
	 const void *body, size_t len)
{
	struct fy_error err = { 0 };
	struct fy_cpio_entry e;
	char got[256];
	size_t n = 0;

	if (fy_cpio_read_header(r, &e, &err) != FY_CPIO_ENTRY)
		return -1;
	CHECK_STR(e.name, name);
	CHECK(e.mode == mode && e.size == len);
	CHECK_OK(fy_cpio_read_body(r, got, sizeof(got), &n, &err), &err);
	CHECK(n == len && (len == 0 || memcmp(got, body, len) == 0));
	CHECK_OK(fy_cpio_read_body(r, got, sizeof(got), &n, &err), &err);
	CHECK(n == 0);
	return 0;
}

static void
check_round_trip(size_t step)
{
	struct fy_cpio_writer w = { 0 };
	struct fy_cpio_reader r;
	struct fy_cpio_entry e;
	struct fy_error err = { 0 };
	struct memory m = { .step = step };
	unsigned char byte;
	char name[8] = "";
	size_t i;

	for (i = 1; i < 8; i++) {
		name[i - 1] = (char)('a' + i);
		CHECK_OK(fy_cpio_write(&w, name, S_IFREG | 0640, "1234567", i,
				       &err),
			 &err);
	}
	CHECK_OK(fy_cpio_write(&w, "dir", S_IFDIR | 0755, NULL, 0, &err), &err);
	CHECK_OK(fy_cpio_write_end(&w, &err), &err);
	CHECK(w.len % 512 == 0);
	m.data = w.data;
	m.len = w.len;
	CHECK_OK(fy_cpio_reader_init(&r, pull, &m, &err), &err);
	memset(name, 0, sizeof(name));
	for (i = 1; i < 8; i++) {
		name[i - 1] = (char)('a' + i);
		CHECK(read_one(&r, name, S_IFREG | 0640, "1234567", i) == 0);
	}
	CHECK(read_one(&r, "dir", S_IFDIR | 0755, NULL, 0) == 0);
	CHECK(fy_cpio_read_header(&r, &e, &err) == FY_CPIO_TRAILER);
	CHECK(r.offset % 4 == 0);
	CHECK(fy_cpio_skip_zeros(&r, &byte, &err) == 0);
	CHECK(r.offset == w.len);
	fy_cpio_reader_release(&r);
	fy_cpio_writer_release(&w);
}

/* Read to the end or the first error, from a copy of exact size. */
static enum fy_cpio_next
read_all(const unsigned char *data, size_t len, struct fy_error *err)
{
	unsigned char *copy = malloc(len > 0 ? len : 1);
	struct memory m = { .data = copy, .len = len, .step = 64 };
	enum fy_cpio_next next;
	struct fy_cpio_reader r;
	struct fy_cpio_entry e;

	memcpy(copy, data, len);
	CHECK_OK(fy_cpio_reader_init(&r, pull, &m, err), err);
	do {
		next = fy_cpio_read_header(&r, &e, err);
	} while (next == FY_CPIO_ENTRY);
	fy_cpio_reader_release(&r);
	free(copy);
	return next;
}

static void
check_hostile(void)
{
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	size_t end, i;

	CHECK_OK(fy_cpio_write(&w, "abc", S_IFREG | 0644, "12345", 5, &err),
		 &err);
	end = w.len;
	CHECK_OK(fy_cpio_write_end(&w, &err), &err);
	CHECK(read_all(w.data, w.len, &err) == FY_CPIO_TRAILER);
	/* Cut before the trailer's name is whole: always an error. */
	for (i = 0; i < end + 110 + 11; i++) {
		fy_error_clear(&err);
		CHECK(read_all(w.data, i, &err) == FY_CPIO_ERROR &&
		      err.code == FY_E_FORMAT);
	}
	for (i = 0; i < w.len; i++) {
		unsigned char old = w.data[i];

		fy_error_clear(&err);
		w.data[i] = 0xff;
		(void)read_all(w.data, w.len, &err);
		w.data[i] = old;
	}
	/* Names of no bytes, of too many, and without an end. */
	static const char *const sizes[] = { "00000000", "FFFFFFFF", "00001001",
					     "00000003" };
	for (i = 0; i < 4; i++) {
		unsigned char keep[8];

		memcpy(keep, w.data + 94, 8);
		memcpy(w.data + 94, sizes[i], 8);
		fy_error_clear(&err);
		CHECK(read_all(w.data, w.len, &err) == FY_CPIO_ERROR &&
		      err.code == FY_E_FORMAT);
		memcpy(w.data + 94, keep, 8);
	}
	/* The old portable format. */
	memcpy(w.data, "070707", 6);
	fy_error_clear(&err);
	CHECK(read_all(w.data, w.len, &err) == FY_CPIO_ERROR);
	memcpy(w.data, "070702", 6);
	fy_error_clear(&err);
	CHECK(read_all(w.data, w.len, &err) == FY_CPIO_TRAILER);
	fy_cpio_writer_release(&w);
}

static void
check_writer_limits(void)
{
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	char *name = malloc(FY_CPIO_NAME_MAX + 1);

	memset(name, 'n', FY_CPIO_NAME_MAX);
	name[FY_CPIO_NAME_MAX] = '\0';
	CHECK(fy_cpio_write(&w, name, S_IFREG, NULL, 0, &err) == -1 &&
	      err.code == FY_E_UNSUPPORTED);
	name[FY_CPIO_NAME_MAX - 1] = '\0';
	fy_error_clear(&err);
	CHECK_OK(fy_cpio_write(&w, name, S_IFREG, NULL, 0, &err), &err);
	free(name);
	fy_cpio_writer_release(&w);
}

int
main(void)
{
	check_round_trip(1);
	check_round_trip(7);
	check_round_trip(100000);
	check_hostile();
	check_writer_limits();
	return test_result();
}
