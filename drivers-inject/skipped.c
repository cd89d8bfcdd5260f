/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is left alone, and whether the injection may end well in spite of it.
 * A machine that may not start is no success, so what can't be looked into is
 * told, and is an error when nothing else on the disks could be edited.
 */
#include "drivers-inject/skipped.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"

#define N(a) (sizeof(a) / sizeof(*(a)))

bool
fy_volume_is_dynamic(const struct fy_disk_volume *v)
{
	static const char *const types[] = {
		"0x42",
		"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", /* LDM metadata */
		"af9b60a0-1431-4f62-bc68-3311714a69ad", /* LDM data */
	};
	size_t i;

	for (i = 0; v->type != NULL && i < N(types); i++)
		if (strcasecmp(v->type, types[i]) == 0)
			return true;
	return false;
}

/* Kinds of which none has a system that a machine starts from. */
static bool
has_no_system(const char *filesystem)
{
	static const char *const kinds[] = {
		"swap",	    "swsuspend", "exfat", "iso9660",
		"udf",	    "squashfs",	 "jbd",	  "linux_raid_member",
		"vmfs",	    "cramfs",	 "romfs", "DM_snapshot_cow",
		"DM_cache",
	};
	size_t i;

	for (i = 0; i < N(kinds); i++)
		if (strcmp(kinds[i], filesystem) == 0)
			return true;
	return false;
}

/* Why a volume is not looked into for what lies on it, or NULL. */
static const char *
why_not(const struct fy_disk_volume *v)
{
	static const char *const kinds[][2] = {
		{ "BitLocker", "it is encrypted by BitLocker" },
		{ "f2fs", "systems on F2FS can't be edited yet" },
		{ "jfs", "systems on JFS can't be edited yet" },
		{ "reiserfs", "systems on ReiserFS can't be edited yet" },
		{ "zfs_member", "systems on ZFS can't be edited" },
		{ "ufs", "systems on UFS can't be edited" },
		{ "apfs", "systems on APFS can't be edited" },
		{ "hfsplus", "systems on HFS+ can't be edited" },
		{ "refs", "systems on ReFS can't be edited" },
		{ "bcachefs", "systems on bcachefs can't be edited" },
		{ "bcache", "systems on bcache can't be edited" },
	};
	static const char spaces[] = "e75caf8f-f680-4cee-afa3-b001e56efc2d";
	size_t i;

	if (fy_volume_is_dynamic(v))
		return "it is on a dynamic disk of Windows, which can't be "
		       "edited";
	if (v->type != NULL && strcasecmp(v->type, spaces) == 0)
		return "it belongs to Storage Spaces, which can't be edited";
	if (v->filesystem == NULL)
		return NULL;
	for (i = 0; i < N(kinds); i++)
		if (strcasecmp(kinds[i][0], v->filesystem) == 0)
			return kinds[i][1];
	if (fy_streq(v->filesystem, "crypto_LUKS") ||
	    fy_streq(v->filesystem, "LVM2_member") ||
	    has_no_system(v->filesystem) ||
	    fy_guest_driver_find(v->filesystem) != NULL)
		return NULL;
	return "systems on a filesystem of its kind can't be edited";
}

static const char *
closed(const struct fy_disks *d, const struct fy_disk_volume *v)
{
	const char *why = why_not(v);

	if (why != NULL)
		return why;
	if (fy_streq(v->filesystem, "crypto_LUKS"))
		return fy_disks_has_key(d, v)
			       ? NULL
			       : "it is encrypted (LUKS); give its key "
				 "(--luks-key)";
	/* What lies on others is there in its own right; whether the appliance
	 * puts an array together shows later (fy_disks_reach_all). */
	if (v->layer != NULL || fy_streq(v->filesystem, "LVM2_member"))
		return v->note;
	return NULL;
}

int
fy_disks_list_skipped(struct fy_disks *d, struct fy_error *err)
{
	size_t i, k;

	for (i = 0; i < d->n; i++)
		for (k = 0; k < fy_disk_map_rows(d->maps[i]); k++) {
			const struct fy_disk_volume *v =
				fy_disk_map_row(d->maps[i], k);
			const char *why = closed(d, v);

			if (why != NULL &&
			    fy_disks_skip(d, (unsigned)i, v->path, NULL, why,
					  err) == -1)
				return -1;
		}
	return 0;
}

/* Nothing can be said of what BitLocker hides, but that it would not start:
 * it has no virtio, and the TPM that had its key is not there. */
static int
check_bitlocker(const struct fy_disks *d, struct fy_error *err)
{
	size_t i, k;

	for (i = 0; i < d->n; i++)
		for (k = 0; k < d->maps[i]->n_volumes; k++)
			if (fy_streq(d->maps[i]->volumes[k].filesystem,
				     "BitLocker"))
				return fy_error_set(
					err, FY_E_UNSUPPORTED, 0,
					"disk %zu, %s is encrypted by "
					"BitLocker, so a Windows there can't "
					"be given its drivers; decrypt it on "
					"the machine (manage-bde -off C:), or "
					"use --no-inject to take the disks as "
					"they are",
					i, d->maps[i]->volumes[k].path);
	return 0;
}

int
fy_disks_check_edited(struct fy_disks *d, size_t edited, struct fy_error *err)
{
	const json_t *skipped = json_object_get(d->report, "skipped"), *one;
	char list[300] = "";
	size_t i, n = 0;

	if (edited > 0)
		return 0;
	if (check_bitlocker(d, err) == -1)
		return -1;
	json_array_foreach(skipped, i, one)
	{
		const char *volume = fy_json_string_or(one, "volume", "?");
		const char *why = fy_json_string_or(one, "why", "?");

		n += (size_t)snprintf(list + n, sizeof(list) - n,
				      "%sdisk %lld, %s: %s", i == 0 ? "" : "; ",
				      (long long)json_integer_value(
					      json_object_get(one, "disk")),
				      volume, why);
		if (n >= sizeof(list))
			break;
	}
	if (n > 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "no system was found that can be edited, "
				    "but what was left alone (%s%s); "
				    "--no-inject takes the disks as they are",
				    list, n >= sizeof(list) ? " ..." : "");
	return fy_disks_warn(d, err,
			     "no system that can be edited was found; the "
			     "disks stay as they are");
}
