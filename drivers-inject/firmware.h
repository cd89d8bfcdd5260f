/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_FIRMWARE_H
#define FY_FIRMWARE_H

#include "common/machine.h"
#include "common/volume.h"
#include "partclone/disk.h"

/* Which kinds of firmware could start a disk, by its table. */
struct fy_boot_ways {
	bool bios, uefi;
};

/* 'v' has the disk's bytes.  FY_E_IO. */
int fy_boot_ways_read(const struct fy_disk_map *map, struct fy_volume *v,
		      struct fy_boot_ways *ret, struct fy_error *err);

/*
 * The firmware that the machine is to have.  'word': what it says itself, which
 * is how the system that described it was started; 'found': what the first
 * system on the disks is set up for, 'disk' being its own.  The machine is
 * right unless the system is set up for the other one and its disk, or all
 * disks, could be started by that one only.  Threads: any.
 */
enum fy_firmware fy_firmware_choose(const struct fy_boot_ways *ways, size_t n,
				    size_t disk, enum fy_firmware word,
				    enum fy_firmware found);

#endif
