/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An APFS of hostile bytes on 1 GiB.  The input is a list of blocks: 2 bytes of
 * number (little-endian), then the 4096 bytes of that block; everything else is
 * zeros, and the last one of a number counts.  In all that look like objects
 * the checksums are made right, for no fuzzer would find them.
 *
 * tests/lib/apfs-seed.py makes such an input of an image.
 */
#include "partclone/fuzz-tools.h"

#define SIZE FY_GIB

static void
make_checksum_right(uint8_t *block)
{
	uint64_t low = 0, high = 0, first;
	size_t i;

	if (fy_get_le16(block + 24) == 0 || fy_get_le16(block + 24) > 0x20)
		return;
	for (i = 8; i < FUZZ_BLOCK; i += 4) {
		low += fy_get_le32(block + i);
		high += low;
	}
	first = UINT32_MAX -
		(low % UINT32_MAX + high % UINT32_MAX) % UINT32_MAX;
	fy_put_le32(block, (uint32_t)first);
	fy_put_le32(block + 4,
		    (uint32_t)(UINT32_MAX - (low + first) % UINT32_MAX));
}

static void
map_device(struct fuzz_blocks *d)
{
	const struct fy_fs_map_options options = { .allow_dirty = true };
	struct fy_fs_info info = { .driver = &fy_fs_apfs, .name = "apfs" };
	struct fy_fs_result result;
	struct fy_error err = { 0 };
	struct fy_volume *v = fuzz_blocks_volume(d, SIZE);
	struct fy_extents *used = fy_extents_new(&err);

	if (used == NULL)
		abort();
	/* Nothing fails to be read here, so there is a map, if of all. */
	if (fy_fs_map(v, &info, &options, used, &result, &err) == -1)
		abort();
	fuzz_check_extents(used, SIZE);
	if (result.bytes > SIZE || fy_extents_bytes(used) == 0 ||
	    (result.whole && fy_extents_bytes(used) != SIZE))
		abort();
	fy_extents_free(used);
	fy_volume_close(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_blocks device;
	uint8_t *copy, *p;

	if (size > FY_MIB)
		return 0;
	memset(&device, 0, sizeof(device));
	copy = malloc(size + 1);
	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	for (p = copy; size >= FUZZ_RECORD;
	     p += FUZZ_RECORD, size -= FUZZ_RECORD) {
		make_checksum_right(p + 2);
		device.blocks[fy_get_le16(p)] = p + 2;
	}
	map_device(&device);
	free(copy);
	return 0;
}
