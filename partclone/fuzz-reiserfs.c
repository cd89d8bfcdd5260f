/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A ReiserFS of hostile bytes: superblock, journal and bitmaps.
 */
#include "partclone/fuzz-tools.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_driver(&fy_fs_reiserfs, data, size, 64 * FY_MIB);
}
