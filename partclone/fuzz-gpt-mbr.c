/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole disks of hostile bytes: the first half of the input is the disk's
 * start, the second its end.  A second run is made with the checksums of GPTs
 * put right, since no mutation would find them.
 *
 * Where an ext superblock may lie the disk is only probed: its map could start
 * e2fsck; fuzz-ext looks at that.
 */
#include "partclone/disk.h"
#include "partclone/fuzz-tools.h"
#include "partclone/table.h"

#define DISK_BYTES (64 * FY_MIB)

static bool
may_be_ext(const uint8_t *p, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < len; i++)
		if (p[i] == 0x53 && p[i + 1] == 0xef)
			return true;
	return false;
}

static void
map(const uint8_t *data, size_t size, uint32_t sector)
{
	const struct fy_disk_map_options options = { .allow_dirty = true };
	struct fuzz_disk d = {
		.head = data,
		.head_len = size / 2,
		.tail = data + size / 2,
		.tail_len = size - size / 2,
		.size = DISK_BYTES,
	};
	struct fy_volume *v = fuzz_volume(&d, sector);
	struct fy_disk_map *m = NULL;
	struct fy_error err = { 0 };
	json_t *j;
	int r;

	r = may_be_ext(data, size) ? fy_disk_probe(v, &m, &err)
				   : fy_disk_map_read(v, &options, &m, &err);
	if (r == 0) {
		fuzz_check_extents(m->used, DISK_BYTES);
		j = fy_disk_map_json(m, true, &err);
		if (j == NULL)
			abort();
		json_decref(j);
		fy_disk_map_free(m);
	}
	fy_volume_close(v);
}

/* Put right the checksums of a header at 'at' whose entries lie in the same
 * half of the input; 'base' is the disk's offset of 'p'. */
static void
repair(uint8_t *p, size_t len, uint64_t base, size_t at, uint32_t sector)
{
	uint64_t entries, bytes;
	uint32_t header_bytes;

	if (at + 92 > len || memcmp(p + at, "EFI PART", 8) != 0)
		return;
	entries = fy_get_le64(p + at + 72);
	bytes = (uint64_t)fy_get_le32(p + at + 80) * fy_get_le32(p + at + 84);
	if (fy_mul_u64(entries, sector, &entries) && entries >= base &&
	    entries - base <= len && bytes <= len - (entries - base))
		fy_put_le32(p + at + 88,
			    fy_gpt_crc32(p + (entries - base), bytes));
	header_bytes = fy_get_le32(p + at + 12);
	if (header_bytes < 92 || header_bytes > len - at)
		return;
	fy_put_le32(p + at + 16, 0);
	fy_put_le32(p + at + 16, fy_gpt_crc32(p + at, header_bytes));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t sectors[] = { 512, 4096 };
	uint8_t *copy;
	size_t half = size / 2, i;

	if (size > FY_MIB)
		return 0;
	map(data, size, 512);
	copy = malloc(size + 1);
	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	for (i = 0; i < 2; i++) {
		size_t tail = size - half;

		repair(copy, half, 0, sectors[i], sectors[i]);
		if (tail >= sectors[i])
			repair(copy + half, tail, DISK_BYTES - tail,
			       tail - sectors[i], sectors[i]);
	}
	if (memcmp(copy, data, size) != 0)
		map(copy, size, 4096);
	free(copy);
	return 0;
}
