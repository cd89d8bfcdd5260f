/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LINUX_EDIT_H
#define FY_LINUX_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "drivers-inject/devices.h"
#include "drivers-inject/text.h"

/*
 * Edits of a Linux guest's text files: old device names become names that
 * stay.  What is not such a name stays as it is, byte by byte.
 */
enum fy_edit_kind {
	FY_EDIT_FSTAB,
	FY_EDIT_CRYPTTAB,
	/* root=, resume= and the like anywhere in lines that are no comments, and
	 * Xen's console=:
	 * grub.cfg, menu.lst, extlinux.conf, loader entries, /etc/kernel/cmdline,
	 * initramfs-tools' conf.d, dracut's cmdline.d. */
	FY_EDIT_ARGUMENTS,
	/* As before, and GRUB_DISABLE_LINUX_UUID. */
	FY_EDIT_DEFAULT_GRUB,
	FY_EDIT_DEVICE_MAP,
	/* GRUB's environment block: the arguments in it, its size kept (1024
	 * bytes, filled up with '#').  FY_E_NOSPACE when they don't fit. */
	FY_EDIT_GRUBENV,
	/* Lines that are a device's name and nothing else. */
	FY_EDIT_DEVICE_LINES,
	FY_EDIT_DEBCONF,
	/* Every path /dev/... becomes /dev/disk/by-...: units, hooks. */
	FY_EDIT_PATHS,
	/* LVM's list of devices: PVs that it knows by hardware that is no more
	 * get their names on virtio. */
	FY_EDIT_LVM_DEVICES,
	/* lvm.conf: a filter that accepts the old machine's disks and rejects
	 * virtio's accepts these first.  'unknown' has a pattern of each filter
	 * that rejects them and was left, and old names elsewhere. */
	FY_EDIT_LVM_CONF,
	/* mdadm.conf: members by name become what mdadm takes without a word,
	 * all partitions, and an array is known by its UUID alone. */
	FY_EDIT_MDADM,
	/* inittab and securetty: Xen's console becomes ttyS0, where nothing uses
	 * that one yet. */
	FY_EDIT_CONSOLES,
	/* Change nothing, only list the old names in lines that are no
	 * comments. */
	FY_EDIT_LIST,
};

/* The pattern that FY_EDIT_LVM_CONF puts in front. */
#define FY_LVM_VIRTIO "a|^/dev/vd|"

struct fy_edit_context {
	const struct fy_devices *devices;
	/* For FY_EDIT_DEFAULT_GRUB: the root lies on a plain partition, and
	 * this is its name ("UUID=..."); NULL: leave GRUB's choice alone. */
	const char *root_spec;
};

/*
 * '*ret' is the new text, malloc'd, or NULL when nothing changes.  Names whose
 * meaning is not known are added to 'unknown' (100, then "(and others)").
 */
int fy_edit_text(enum fy_edit_kind kind, const struct fy_edit_context *ctx,
		 const char *text, size_t len, char **ret, size_t *ret_len,
		 struct fy_string_set *unknown, struct fy_error *err);

/*
 * A line of fstab that mounts something.  'fields' are the first four, with
 * \040 and the like decoded; they live until _release.  Returns the number of
 * lines in '*ret'.
 */
struct fy_fstab_line {
	char *fields[4]; /* what, where, type, options */
};
int fy_fstab_parse(const char *text, size_t len, struct fy_fstab_line **ret,
		   size_t *ret_n, struct fy_error *err);
void fy_fstab_free(struct fy_fstab_line *lines, size_t n);

#endif
