/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_DEVICES_INTERNAL_H
#define FY_DEVICES_INTERNAL_H

#include <stdbool.h>

/* The names of disks and partitions, taken apart. */

#define FY_DEVICE_BASE_BYTES 256

/* Those of the kernel first. */
enum fy_device_family {
	FY_DEVICE_LETTERS, /* sd, hd, vd, xvd: told apart by 'prefix' */
	FY_DEVICE_NVME,
	FY_DEVICE_CCISS,
	FY_DEVICE_MMC,
	FY_DEVICE_BY_ID,
	FY_DEVICE_BY_PATH,
	FY_DEVICE_MPATH,
};

struct fy_device_name {
	enum fy_device_family family;
	char prefix[4];			 /* of FY_DEVICE_LETTERS */
	char base[FY_DEVICE_BASE_BYTES]; /* without /dev/; MPATH: the map */
	unsigned controller;		 /* of CCISS */
	unsigned index;			 /* in its family, and controller */
	unsigned number;		 /* partition; 0: the disk */
};

/* False: no name of a disk or of a partition, or one that stays. */
bool fy_device_name_parse(const char *name, struct fy_device_name *ret);

/* Sixteen or 32 hexadecimal digits and nothing else. */
bool fy_device_is_wwn(const char *s);
/* The digits of the WWN that a name of the disk consists of, or NULL. */
const char *fy_device_name_wwn(const struct fy_device_name *p);
/* Whether the disk's serial number is a part of its name. */
bool fy_device_name_has_serial(const struct fy_device_name *p);
/* Whether it is a name in by-id that begins so. */
bool fy_device_name_is_by_id(const struct fy_device_name *p, const char *kind);

#endif
