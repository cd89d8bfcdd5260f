/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A NILFS2 of hostile bytes: superblocks, log, trees and segment usages.  The
 * checksums on the way are made right, for no fuzzer would find them.
 */
#include <zlib.h>

#include "partclone/fuzz-tools.h"

static uint32_t
crc_more(uint32_t crc, const uint8_t *p, size_t len)
{
	return ~(uint32_t)crc32(~crc & UINT32_MAX, p, (uInt)len);
}

/* The checksum of a superblock (at 1024), of the last log and its super root,
 * as far as they are in the input. */
static void
make_checksums_right(uint8_t *p, size_t size)
{
	static const uint8_t none[4];
	uint32_t seed = fy_get_le32(p + 1024 + 12), crc;
	size_t bytes = fy_get_le16(p + 1024 + 8), block, n;
	uint64_t log = fy_get_le64(p + 1024 + 0x40), at;

	if (bytes < 20 || bytes > 1024)
		return;
	crc = crc_more(crc_more(seed, p + 1024, 16), none, 4);
	fy_put_le32(p + 1024 + 16, crc_more(crc, p + 1044, bytes - 20));
	block = (size_t)1024 << (p[1024 + 0x14] & 7);
	if (log >= size / block)
		return;
	at = log * block;
	n = fy_get_le32(p + at + 40);
	if (n > 0 && n <= size / block - log) {
		uint8_t *root = p + (log + n - 1) * block;

		bytes = fy_get_le16(root + 4);
		if (bytes >= 4 && bytes <= block)
			fy_put_le32(root, crc_more(seed, root + 4, bytes - 4));
	}
	bytes = fy_get_le32(p + at + 48);
	if (bytes >= 8 && bytes <= size - at)
		fy_put_le32(p + at + 4, crc_more(seed, p + at + 8, bytes - 8));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size < 4096 || size > FY_MIB)
		return 0;
	copy = malloc(size);
	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	make_checksums_right(copy, size);
	fuzz_driver(&fy_fs_nilfs2, copy, size, 16 * FY_MIB);
	free(copy);
	return 0;
}
