/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The cache returns what the base has, also around unreadable bytes. */
#include <string.h>

#include "common/bytes.h"
#include "common/cache.h"
#include "common/test.h"

#define SIZE 100001u
#define BAD  50000u /* this byte can't be read */

static unsigned reads;

static unsigned char
byte_at(uint64_t offset)
{
	return (unsigned char)(offset * 7 + offset / 251);
}

static int
base_pread(void *handle, void *buf, size_t len, uint64_t offset,
	   struct fy_error *err)
{
	unsigned char *to = buf;
	size_t i;

	(void)handle;
	reads++;
	if (offset <= BAD && BAD < offset + len)
		return fy_error_set(err, FY_E_IO, 0, "bad sector");
	for (i = 0; i < len; i++)
		to[i] = byte_at(offset + i);
	return 0;
}

static const struct fy_volume_ops base_ops = { .pread = base_pread };

static void
check(struct fy_volume *v, uint64_t offset, size_t len)
{
	static unsigned char buf[20000];
	struct fy_error err = { 0 };
	bool bad = offset <= BAD && BAD < offset + len;
	size_t i;

	memset(buf, 0, sizeof(buf));
	CHECK((fy_volume_pread(v, buf, len, offset, &err) == -1) == bad);
	if (bad)
		return;
	for (i = 0; i < len && buf[i] == byte_at(offset + i); i++)
		;
	CHECK(i == len);
}

int
main(void)
{
	struct fy_error err = { 0 };
	uint64_t state = 1;
	unsigned i, before;

	fy_autovolume struct fy_volume *base = NULL;
	fy_autovolume struct fy_volume *v = NULL;
	base = fy_volume_new(&base_ops, NULL, "base", SIZE, 512, &err);
	CHECK(base != NULL);
	CHECK_OK(fy_cache_new(base, 4096, 7, &v, &err), &err);
	for (i = 0; i < 20000; i++) {
		uint64_t offset;
		size_t len;

		state = state * 6364136223846793005u + 1442695040888963407u;
		offset = (state >> 33) % SIZE;
		len = (size_t)((state >> 20) % (i % 10 == 0 ? 20000 : 3000));
		check(v, offset, (size_t)fy_min_u64(len, SIZE - offset));
	}
	check(v, SIZE - 1, 1);
	check(v, BAD - 10, 10);
	check(v, BAD + 1, 10);
	check(v, BAD, 1);
	check(v, 100, 5);
	before = reads;
	for (i = 0; i < 100; i++)
		check(v, 200 + i, 5);
	CHECK(reads == before);
	return test_result();
}
