/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_DEVICES_H
#define FY_DEVICES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/machine.h"
#include "partclone/disk.h"

/*
 * What a guest's names of disks and partitions (/dev/sda1, /dev/nvme0n1p2,
 * /dev/disk/by-id/...-part1) meant on the old machine, and names for them
 * that any machine has: UUID= where it is there and unique, else PARTUUID=.
 */
struct fy_devices;

/* 'maps' (of n disks, in the definition's order) and 'machine' (may be NULL)
 * are borrowed until _free. */
struct fy_devices *fy_devices_new(struct fy_disk_map *const *maps,
				  size_t n_disks,
				  const struct fy_machine *machine,
				  struct fy_error *err);
void fy_devices_free(struct fy_devices *d);
FY_DEFINE_AUTO(devices, struct fy_devices, fy_devices_free)

/* It is known what 'name' is: the volume with that number (0: the whole disk)
 * of that disk.  The first such fact about a disk name counts, and other names
 * of its kind are counted from there. */
int fy_devices_anchor(struct fy_devices *d, const char *name, unsigned disk,
		      unsigned number, struct fy_error *err);

enum fy_device_kind {
	FY_DEVICE_OTHER,   /* no such name; leave it alone */
	FY_DEVICE_KNOWN,   /* translated */
	FY_DEVICE_UNKNOWN, /* such a name, but nobody knows what it was */
};

enum fy_device_form {
	FY_DEVICE_SPEC,	    /* "UUID=...", else "PARTUUID=..." */
	FY_DEVICE_PARTUUID, /* "PARTUUID=..." */
	FY_DEVICE_CRYPT,    /* UUID= only of a LUKS header, else PARTUUID= */
	FY_DEVICE_PATH,	    /* "/dev/disk/by-uuid/...", else by-partuuid */
	FY_DEVICE_VIRTIO,   /* "/dev/vda1": what virtio calls it */
};

/* 'type' (may be NULL): the filesystem that must be there.  '*ret' is
 * malloc'd for KNOWN, else NULL.  Out of memory is UNKNOWN. */
enum fy_device_kind fy_devices_translate(const struct fy_devices *d,
					 const char *name, const char *type,
					 enum fy_device_form form, char **ret);

/* The volume, NULL unless KNOWN. */
const struct fy_disk_volume *fy_devices_find(const struct fy_devices *d,
					     const char *name,
					     unsigned *ret_disk);

/* A name for that volume of that disk in this form; malloc'd, or NULL.  An LV's
 * is /dev/mapper/vg-lv in any form. */
char *fy_devices_name(const struct fy_devices *d, unsigned disk,
		      const struct fy_disk_volume *v, enum fy_device_form form);

/* What virtio calls the partition or disk that is the LVM PV with this id (its
 * letters, hyphens left out); malloc'd, or NULL. */
char *fy_devices_pv_name(const struct fy_devices *d, const char *id,
			 size_t len);

/* The name of disk 'disk' (from 0), or of its partition 'number' (0: the whole),
 * of a kind that counts in letters: "/dev/vda1".  malloc'd, or NULL. */
char *fy_devices_disk_name(const char *kind, unsigned disk, unsigned number,
			   struct fy_error *err);
/* Of an LV, "vg/lv": /dev/mapper/vg-lv.  malloc'd, or NULL. */
char *fy_devices_mapper_name(const char *path);

/* The volume with that "UUID=", "PARTUUID=", "LABEL=", "PARTLABEL=" or
 * /dev/disk/by-... name, the LV or array of that name, or a device name as
 * above. */
const struct fy_disk_volume *fy_devices_lookup(const struct fy_devices *d,
					       const char *spec,
					       unsigned *ret_disk);

#endif
