/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A UFS of hostile bytes: superblocks and cylinder groups.
 */
#include "partclone/fuzz-tools.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_driver(&fy_fs_ufs, data, size, 64 * FY_MIB);
}
