/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A FAT of hostile bytes: probe with label and map.
 */
#include "partclone/filesystem.h"
#include "partclone/fuzz-tools.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fy_fs_map_options options = { .allow_dirty = true };
	struct fuzz_disk d = {
		.head = data,
		.head_len = size,
		.tail = data,
		.size = 64 * FY_MIB,
	};
	struct fy_fs_info info = { .driver = &fy_fs_fat };
	struct fy_fs_result result;
	struct fy_error err = { 0 };
	struct fy_extents *used;
	struct fy_volume *v;

	if (size > FY_MIB)
		return 0;
	v = fuzz_volume(&d, 512);
	used = fy_extents_new(&err);
	if (used == NULL)
		abort();
	if (fy_fs_fat.probe(v, &info, &err) == 1) {
		if (fy_fs_map(v, &info, &options, used, &result, &err) == -1)
			abort();
		fuzz_check_extents(used, d.size);
		if (result.bytes > d.size)
			abort();
	}
	fy_extents_free(used);
	fy_volume_close(v);
	return 0;
}
