/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The filesystems of local disks that images could be put on.
 */
#include <blkid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/json.h"
#include "common/subprocess.h"
#include "p2v-client/live-mount.h"

#define MAX_LSBLK    (1 << 20)
#define MAX_EXCLUDED 32
#define MAX_WORD     256

static const char *const filesystems[] = { "ext4", "ext3",  "ext2",
					   "xfs",  "btrfs", "exfat",
					   "ntfs", "vfat",  NULL };

void
fy_parts_release(struct fy_parts *p)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		free(p->items[i].path);
		free(p->items[i].disk);
		free(p->items[i].fs);
		free(p->items[i].label);
		free(p->items[i].uuid);
		free(p->items[i].text);
		free(p->items[i].about);
	}
	p->n = 0;
}

static bool
is_usable(const char *fs)
{
	size_t i;

	for (i = 0; filesystems[i] != NULL; i++)
		if (fy_streq(filesystems[i], fs))
			return true;
	return false;
}

static const json_t *
find_device(const json_t *devices, const char *name)
{
	const json_t *d;
	size_t i;

	json_array_foreach(devices, i, d)
	{
		if (fy_streq(fy_json_string_or(d, "name", NULL), name))
			return d;
	}
	return NULL;
}

static bool
is_excluded(const struct fy_live_excluded *list, size_t n, const char *name)
{
	size_t i;

	/* The target itself may be used again, the medium not. */
	for (i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0 &&
		    strstr(list[i].why, "booted") != NULL)
			return true;
	return false;
}

struct found {
	char fs[MAX_WORD], label[MAX_WORD], uuid[MAX_WORD];
};

static void
look_up(blkid_probe pr, const char *name, char *ret)
{
	const char *value = NULL;

	if (blkid_probe_lookup_value(pr, name, &value, NULL) == 0)
		snprintf(ret, MAX_WORD, "%s", value);
}

/* What is on it, looked at now: udev's notes (lsblk's source) may be missing
 * or old.  Only these three words are wanted. */
static void
look_at(const char *path, struct found *ret)
{
	blkid_probe pr = blkid_new_probe_from_filename(path);

	memset(ret, 0, sizeof(*ret));
	if (pr == NULL)
		return;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(
		pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
	if (blkid_do_safeprobe(pr) == 0) {
		look_up(pr, "TYPE", ret->fs);
		look_up(pr, "LABEL", ret->label);
		look_up(pr, "UUID", ret->uuid);
	}
	blkid_free_probe(pr);
}

static int
add_part(struct fy_parts *p, const json_t *d, const json_t *disk,
	 const struct found *f, struct fy_error *err)
{
	struct fy_part *part = &p->items[p->n];
	char size[32], whole[32];

	fy_format_bytes(fy_json_u64_or(d, "size", 0), size, sizeof(size));
	fy_format_bytes(fy_json_u64_or(disk, "size", 0), whole, sizeof(whole));
	p->n++;
	part->path = fy_format(err, "%s", fy_json_string_or(d, "path", "?"));
	part->disk = fy_format(err, "%s", fy_json_string_or(disk, "path", "?"));
	part->fs = fy_format(err, "%s", f->fs);
	part->label = fy_format(err, "%s", f->label);
	part->uuid = fy_format(err, "%s", f->uuid);
	part->text =
		fy_format(err, "%s %s %s  on %s %s %s", size, f->fs, f->label,
			  whole, fy_json_string_or(disk, "tran", ""),
			  fy_json_string_or(disk, "model", ""));
	part->about = fy_format(
		err,
		"Filesystem:  %s, %s, %s, name \"%s\"\n"
		"On the disk: %s, %s, %s %s",
		part->path, size, f->fs, f->label, part->disk, whole,
		fy_json_string_or(disk, "tran", ""),
		fy_json_string_or(disk, "model", "(model not known)"));
	return part->path == NULL || part->disk == NULL || part->fs == NULL ||
			       part->label == NULL || part->uuid == NULL ||
			       part->text == NULL || part->about == NULL
		       ? -1
		       : 0;
}

static json_t *
ask_lsblk(struct fy_error *err)
{
	static const char *const argv[] = {
		"lsblk",    "--json",
		"--list",   "--bytes",
		"--output", "NAME,PATH,TYPE,SIZE,MODEL,TRAN,MOUNTPOINT,PKNAME",
		NULL
	};
	struct fy_subprocess_options options = { .capture_max = MAX_LSBLK,
						 .timeout_s = 60 };
	struct fy_subprocess_result r = { 0 };
	json_t *j = NULL;

	if (fy_subprocess_run(argv, &options, &r, err) == 0)
		j = fy_json_parse(r.out, r.out_len, "lsblk's output", err);
	fy_subprocess_result_release(&r);
	return j;
}

int
fy_parts_list(const struct fy_live *l, struct fy_parts *ret,
	      struct fy_error *err)
{
	struct fy_live_excluded out[MAX_EXCLUDED];
	fy_autojson json_t *j = NULL;
	const json_t *devices, *d, *disk;
	size_t i, n_out;
	int result = 0;

	if (fy_live_excluded(l, out, MAX_EXCLUDED, &n_out, err) == -1)
		return -1;
	j = ask_lsblk(err);
	if (j == NULL)
		return -1;
	devices = json_object_get(j, "blockdevices");
	json_array_foreach(devices, i, d)
	{
		const char *type = fy_json_string_or(d, "type", "");
		struct found f;

		if (ret->n == FY_MAX_PARTS || result == -1)
			break;
		disk = find_device(devices,
				   fy_json_string_or(d, "pkname", NULL));
		if (disk == NULL)
			disk = d;
		if (fy_json_string_or(d, "mountpoint", NULL) != NULL ||
		    (!fy_streq(type, "part") && !fy_streq(type, "disk") &&
		     !fy_streq(type, "loop")) ||
		    is_excluded(out, n_out,
				fy_json_string_or(disk, "name", "")))
			continue;
		look_at(fy_json_string_or(d, "path", ""), &f);
		if (is_usable(f.fs))
			result = add_part(ret, d, disk, &f, err);
	}
	return result;
}
