/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_BLOCK_H
#define FY_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/machine.h"
#include "common/options.h"

/*
 * Block devices as sysfs shows them.  'root' as in sysfs.h.
 */

/* The kernel's name of the device at 'path' ("sda", "nvme0n1p2"); NULL for
 * what is no block device.  malloc'd. */
char *fy_block_name(const char *root, const char *path);

/* The disk that a partition lies on, or the name itself.  malloc'd. */
char *fy_block_disk(const char *root, const char *name);

/* Whether it is a disk of the machine's hardware: not a loop, RAM, network,
 * optical, floppy, device-mapper or md device. */
bool fy_block_is_hardware(const char *name);

/* The names of the machine's disks that have a size, in natural order. */
int fy_block_list(const char *root, struct fy_strings *ret,
		  struct fy_error *err);

/* Fill vendor, model, revision, serial, wwn, bus, sizes and the like.  -1: FY_E_NOMEM. */
int fy_block_describe(const char *root, const char *name,
		      struct fy_machine_disk *ret, struct fy_error *err);

/* Fill controller, hardware_raid, raid_level; after _describe.
 * -1: FY_E_NOMEM. */
int fy_block_controller(const char *root, const char *name,
			struct fy_machine_disk *ret, struct fy_error *err);

/*
 * Why the device (with its partitions and all that is built on them) is in
 * use: "mounted on /home", "partition sda2 is used as swap", "partition sda3
 * is held by 'vg-root', which is mounted on /".  NULL: it is not.  malloc'd.
 */
char *fy_block_in_use(const char *root, const char *name);

/* Whether two descriptions are of one disk, reached by two paths. */
bool fy_block_same_disk(const struct fy_machine_disk *a,
			const struct fy_machine_disk *b);

#endif
