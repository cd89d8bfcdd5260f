/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A Btrfs of hostile bytes on one or two devices of 128 MiB.  The input is a
 * list of blocks: 2 bytes of number (little-endian; the highest bit: on the
 * second device), then the 4096 bytes of that block.  Everything else is
 * zeros.  The last one of a number counts.  A second run puts checksums aside.
 *
 * tests/lib/btrfs-seed.py makes such an input of images.
 */
#include "partclone/btrfs.h"
#include "partclone/fuzz-tools.h"

#define SIZE   (128 * FY_MIB)
#define BLOCKS (SIZE / FUZZ_BLOCK)

static void
read_map(struct fy_volume *const *v, size_t n, enum fy_btrfs_flags flags)
{
	static struct fy_btrfs fs;
	struct fy_extents *used[2];
	struct fy_btrfs_report report;
	struct fy_error err = { 0 };
	size_t i;

	for (i = 0; i < n; i++) {
		used[i] = fy_extents_new(&err);
		if (used[i] == NULL)
			abort();
	}
	if (fy_btrfs_open(v, n, flags, NULL, &fs, &err) == 0 &&
	    fy_btrfs_map(&fs, used, &report, &err) == 0)
		for (i = 0; i < n; i++) {
			fuzz_check_extents(used[i], SIZE);
			if (fs.devices[i].bytes > SIZE)
				abort();
		}
	else if (err.code == FY_E_NONE)
		abort();
	fy_btrfs_release(&fs);
	for (i = 0; i < n; i++)
		fy_extents_free(used[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fy_fs_map_options options = { .allow_dirty = true };
	static struct fuzz_blocks devices[2];
	struct fy_fs_result result = { .bytes = SIZE };
	struct fy_fs_member member = { 0 };
	struct fy_error err = { 0 };
	struct fy_extents *used;
	struct fy_volume *v[2];
	unsigned number, i;

	if (size > FY_MIB)
		return 0;
	memset(devices, 0, sizeof(devices));
	for (; size >= FUZZ_RECORD; data += FUZZ_RECORD, size -= FUZZ_RECORD) {
		number = fy_get_le16(data);
		devices[number >> 15].blocks[(number & 0x7fff) % BLOCKS] =
			data + 2;
	}
	for (i = 0; i < 2; i++)
		v[i] = fuzz_blocks_volume(&devices[i], SIZE);
	/* As the driver is called. */
	used = fy_extents_new(&err);
	if (used == NULL || fy_fs_btrfs.member(v[0], &member, &err) == -1)
		abort();
	if (fy_fs_btrfs.read_map(v[0], &options, used, &result, &err) == -1 ||
	    result.bytes > SIZE)
		abort();
	if (!result.whole)
		fuzz_check_extents(used, SIZE);
	fy_extents_free(used);
	read_map(v, 1, FY_BTRFS_IGNORE_CHECKSUMS);
	read_map(v, 2, 0);
	read_map(v, 2, FY_BTRFS_IGNORE_CHECKSUMS);
	for (i = 0; i < 2; i++)
		fy_volume_close(v[i]);
	return 0;
}
