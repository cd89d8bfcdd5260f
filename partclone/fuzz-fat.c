/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A FAT of hostile bytes: probe with label and map.
 */
#include "partclone/fuzz-tools.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_driver(&fy_fs_fat, data, size, 64 * FY_MIB);
}
