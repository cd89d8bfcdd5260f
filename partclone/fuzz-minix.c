/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A Minix filesystem of hostile bytes.
 */
#include "partclone/fuzz-tools.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_driver(&fy_fs_minix, data, size, 16 * FY_MIB);
}
