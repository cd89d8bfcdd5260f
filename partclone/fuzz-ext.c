/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An ext2/3/4 of hostile bytes: opening, the journal's state, the map.  (A
 * replay is e2fsck's work and is not started here.)  Checksums are put aside
 * in a second run.
 */
#include "partclone/ext-io.h"
#include "partclone/ext-journal.h"
#include "partclone/ext-map.h"
#include "partclone/fuzz-tools.h"

static void
look(struct fy_volume *v, enum fy_ext_flags flags)
{
	struct fy_ext_map_report report;
	struct fy_error err = { 0 };
	struct fy_extents *used;
	ext2_filsys fs = NULL;

	if (fy_ext_open(v, flags, &fs, &err) == -1)
		return;
	(void)fy_ext_needs_replay(fs, &err);
	used = fy_extents_new(&err);
	if (used == NULL)
		abort();
	fy_error_clear(&err);
	if (fy_ext_map(fs, flags == 0, NULL, used, &report, &err) == 0)
		fuzz_check_extents(used, fy_volume_size(v));
	fy_extents_free(used);
	fy_ext_discard(fs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_disk d = {
		.head = data,
		.head_len = size,
		.tail = data,
		.size = 16 * FY_MIB,
	};
	struct fy_volume *v;

	if (size > FY_MIB)
		return 0;
	v = fuzz_volume(&d, 512);
	look(v, 0);
	look(v, FY_EXT_IGNORE_CHECKSUMS);
	fy_volume_close(v);
	return 0;
}
