/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A JFS of hostile bytes: the extent tree of its block map, and the map.
 */
#include "partclone/fuzz-tools.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_driver(&fy_fs_jfs, data, size, 64 * FY_MIB);
}
