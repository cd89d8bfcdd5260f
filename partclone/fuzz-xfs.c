/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An XFS of hostile bytes: superblock, copies, log, map.  Checksums are put
 * aside in a second run, and the log's verdict too.
 */
#include "partclone/fuzz-tools.h"
#include "partclone/xfs-log.h"
#include "partclone/xfs-map.h"
#include "partclone/xfs-super.h"

#define VOLUME_BYTES (4 * FY_MIB)

static void
look_deep(struct fuzz_disk *d)
{
	struct fy_xfs_map_report report;
	struct fy_error err = { 0 };
	struct fy_volume *v = fuzz_volume(d, 512);
	struct fy_extents *used;
	const char *why;
	struct fy_xfs fs;

	used = fy_extents_new(&err);
	if (used == NULL)
		abort();
	if (fy_xfs_read_super(v, FY_XFS_IGNORE_CHECKSUMS, &fs, &err) == 0 &&
	    fs.unknown[0] == '\0') {
		(void)fy_xfs_check_copies(v, &fs, &err);
		fy_error_clear(&err);
		if (fs.has_log)
			(void)fy_xfs_log_check(v, &fs, NULL, &why, &err);
		if (fy_xfs_map(v, &fs, NULL, used, &report, &err) == -1)
			abort();
		fuzz_check_extents(used, d->size);
		if (fy_extents_bytes(used) + report.free_bytes !=
		    fy_xfs_bytes(&fs))
			abort();
	}
	fy_extents_free(used);
	fy_volume_close(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_disk d = {
		.head = data,
		.head_len = size,
		.size = VOLUME_BYTES,
	};

	if (size > FY_MIB)
		return 0;
	look_deep(&d);
	return fuzz_driver(&fy_fs_xfs, data, size, VOLUME_BYTES);
}
