/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An exFAT of hostile bytes.  A fuzzer does not guess checksums, so the boot
 * regions are sealed here.
 */
#include "partclone/fuzz-tools.h"

/* The checksum of the region at 'at', as its own twelfth sector holds it. */
static void
seal(uint8_t *region, size_t sector)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < 11 * sector; i++)
		if (i != 106 && i != 107 && i != 112)
			sum = (sum << 31 | sum >> 1) + region[i];
	for (i = 0; i < sector; i += 4)
		fy_put_le32(region + 11 * sector + i, sum);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t sector;
	uint8_t *copy;

	if (size < 24 * 512 || data[108] < 9 || data[108] > 12)
		return 0;
	sector = (size_t)1 << data[108];
	if (size < 24 * sector || size > FY_MIB)
		return 0;
	copy = malloc(size);
	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	seal(copy, sector);
	memcpy(copy + 12 * sector, copy, 12 * sector);
	fuzz_driver(&fy_fs_exfat, copy, size, 64 * FY_MIB);
	free(copy);
	return 0;
}
