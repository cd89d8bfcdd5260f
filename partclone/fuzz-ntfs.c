/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NTFS from any bytes: the driver, the map of a volume that the driver would
 * refuse as unclean, and the files in some ranges. */
#include "partclone/fuzz-tools.h"
#include "partclone/ntfs-map.h"

#define VOLUME_BYTES (64 * FY_MIB)

static void
fuzz_map(struct fy_volume *v)
{
	struct fy_error err = { 0 };
	struct fy_extents *used = fy_extents_new(&err);
	struct fy_ntfs_map_report report;
	struct fy_ntfs nt;

	if (used == NULL)
		abort();
	if (fy_ntfs_open(v, NULL, &nt, &err) == 0 &&
	    fy_ntfs_map(&nt, used, &report, &err) == 0) {
		fuzz_check_extents(used, VOLUME_BYTES);
		if (report.bytes > VOLUME_BYTES)
			abort();
	}
	fy_ntfs_release(&nt);
	fy_extents_free(used);
}

static void
fuzz_files(struct fy_volume *v)
{
	const struct fy_extent ranges[] = {
		{ 20 * FY_KIB, 512 },
		{ 32 * FY_KIB, 1536 },
		{ 100 * FY_KIB, FY_MIB },
	};
	struct fy_error err = { 0 };
	struct fy_fs_hits hits;

	if (fy_fs_ntfs.files(v, ranges, 3, 20, NULL, &hits, &err) == 0 &&
	    hits.paths.n > 20)
		abort();
	fy_strings_release(&hits.paths);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_disk d = {
		.head = data,
		.head_len = size,
		.tail = data,
		.size = VOLUME_BYTES,
	};
	struct fy_volume *v;

	if (size > FY_MIB)
		return 0;
	v = fuzz_volume(&d, 512);
	fuzz_map(v);
	fuzz_files(v);
	fy_volume_close(v);
	return fuzz_driver(&fy_fs_ntfs, data, size, VOLUME_BYTES);
}
