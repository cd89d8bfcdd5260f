/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What lies on volumes that we did not put together ourselves: the appliance's
 * kernel has, once LUKS is open.  Each filesystem there that has no row yet
 * gets one.
 */
#include "drivers-inject/appliance-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/devices.h"

void
fy_guestfs_free_strings(char **list)
{
	size_t i;

	for (i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

/* --- LUKS ------------------------------------------------------------------ */

static int
note_opened(struct fy_appliance *a, const char *name, struct fy_error *err)
{
	char **grown = reallocarray(a->opened, a->n_opened + 1, sizeof(*grown));

	if (grown == NULL)
		return fy_error_nomem(err);
	a->opened = grown;
	grown[a->n_opened] = fy_format(err, "/dev/mapper/%s", name);
	if (grown[a->n_opened] == NULL)
		return -1;
	a->n_opened++;
	return 0;
}

static int add_row(struct fy_appliance *a, size_t disk, const char *path,
		   const char *layer, const char *on, const char *device,
		   struct fy_error *err);

/* 1: opened by one of the keys; 0: none fits. */
static int
try_keys(struct fy_appliance *a, size_t disk, const struct fy_disk_volume *v,
	 const struct fy_inject_key *keys, size_t n, struct fy_error *err)
{
	static const struct guestfs_cryptsetup_open_argv none = { 0 };
	fy_autofree char *device =
		fy_devices_disk_name("sd", (unsigned)disk, v->number, err);
	fy_autofree char *name = fy_format(err, "luks-%s", v->uuid);
	size_t i;

	if (device == NULL || name == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		if (keys[i].uuid != NULL &&
		    strcasecmp(keys[i].uuid, v->uuid) != 0)
			continue;
		if (a->f->cryptsetup_open_argv(a->g, device, keys[i].secret,
					       name, &none) == 0)
			return note_opened(a, name, err) == -1 ? -1 : 1;
	}
	return 0;
}

bool
fy_appliance_opened(const struct fy_appliance *a,
		    const struct fy_disk_volume *v)
{
	size_t i;

	for (i = 0; v->uuid != NULL && i < a->n_opened; i++)
		if (strcmp(a->opened[i] + sizeof("/dev/mapper/luks-") - 1,
			   v->uuid) == 0)
			return true;
	return false;
}

/* What is in there, unless it is a part of something else. */
static int
add_inside(struct fy_appliance *a, size_t disk, const char *on,
	   const char *uuid, struct fy_error *err)
{
	fy_autofree char *path = fy_format(err, "luks/%s", uuid);
	fy_autofree char *device = fy_format(err, "/dev/mapper/luks-%s", uuid);

	if (path == NULL || device == NULL)
		return -1;
	return add_row(a, disk, path, "luks", on, device, err);
}

static int
open_luks(struct fy_appliance *a, const struct fy_inject_key *keys, size_t n,
	  struct fy_error *err)
{
	size_t i, k;

	for (i = 0; i < a->n; i++)
		for (k = 0; k < a->disks[i].map->n_volumes; k++) {
			const struct fy_disk_volume *v =
				&a->disks[i].map->volumes[k];
			int r;

			if (!fy_streq(v->filesystem, "crypto_LUKS") ||
			    v->uuid == NULL)
				continue;
			r = try_keys(a, i, v, keys, n, err);
			if (r == -1 ||
			    (r == 1 &&
			     add_inside(a, i, v->path, v->uuid, err) == -1))
				return -1;
		}
	if (a->n_opened > 0 && a->f->lvm_scan(a->g, 1) == -1)
		return fy_appliance_error(a, err, "looking for LVM");
	return 0;
}

/* --- rows ------------------------------------------------------------------ */

static int
note_found(struct fy_appliance *a, const char *path, const char *device,
	   struct fy_error *err)
{
	struct fy_appliance_found *grown =
		reallocarray(a->found, a->n_found + 1, sizeof(*grown));

	if (grown == NULL)
		return fy_error_nomem(err);
	a->found = grown;
	grown += a->n_found;
	grown->path = strdup(path);
	grown->device = strdup(device);
	if (grown->path == NULL || grown->device == NULL) {
		free(grown->path);
		free(grown->device);
		return fy_error_nomem(err);
	}
	a->n_found++;
	return 0;
}

/* NULL for an empty text; frees 's'. */
static char *
or_null(char *s)
{
	if (s != NULL && s[0] != '\0')
		return s;
	free(s);
	return NULL;
}

static bool
is_part(const char *type)
{
	return type == NULL || strcmp(type, "LVM2_member") == 0 ||
	       strcmp(type, "linux_raid_member") == 0 ||
	       strcmp(type, "unknown") == 0;
}

static int
add_row(struct fy_appliance *a, size_t disk, const char *path,
	const char *layer, const char *on, const char *device,
	struct fy_error *err)
{
	fy_autofree char *type = or_null(a->f->vfs_type(a->g, device));
	struct fy_disk_volume *v;

	if (is_part(type))
		return 0;
	v = fy_disk_map_add_upper(a->disks[disk].map, path, layer, on, err);
	if (v == NULL || note_found(a, path, device, err) == -1)
		return -1;
	v->filesystem = fy_steal_ptr(&type);
	v->uuid = or_null(a->f->vfs_uuid(a->g, device));
	v->label = or_null(a->f->vfs_label(a->g, device));
	return 0;
}

/* The row of that path, or of that layer and filesystem. */
static struct fy_disk_volume *
find_row(const struct fy_appliance *a, const char *path, const char *layer,
	 const char *uuid)
{
	size_t i, k;

	for (i = 0; i < a->n; i++)
		for (k = 0; k < fy_disk_map_rows(a->disks[i].map); k++) {
			struct fy_disk_volume *v =
				fy_disk_map_row(a->disks[i].map, k);

			if (v->layer != NULL && strcmp(v->path, path) == 0)
				return v;
			if ((uuid != NULL && fy_streq(v->layer, layer) &&
			     fy_streq(v->uuid, uuid)))
				return v;
		}
	return NULL;
}

/* The disk that LVs in what was opened are said to be on. */
static size_t
luks_disk(const struct fy_appliance *a)
{
	size_t i, k;

	for (i = 0; i < a->n; i++)
		for (k = 0; k < a->disks[i].map->n_volumes; k++)
			if (a->n_opened > 0 &&
			    fy_streq(a->disks[i].map->volumes[k].filesystem,
				     "crypto_LUKS"))
				return i;
	return 0;
}

/* An array, or an LV, that the appliance has. */
static int
take_device(struct fy_appliance *a, const char *device, struct fy_error *err)
{
	const char *path = device + 5;
	bool md = strncmp(path, "md", 2) == 0 && strchr(path, '/') == NULL;
	fy_autofree char *uuid = NULL;
	struct fy_disk_volume *v;

	if (md)
		uuid = or_null(a->f->vfs_uuid(a->g, device));
	v = find_row(a, path, "md", uuid);
	if (v == NULL)
		return add_row(a, luks_disk(a), path, md ? "md" : "lvm", NULL,
			       device, err);
	/* The kernel keeps members together that we must not write to. */
	if (md && v->sealed != NULL) {
		free(v->sealed);
		v->sealed = NULL;
		return note_found(a, v->path, device, err);
	}
	return 0;
}

/* Takes the list. */
static int
take_devices(struct fy_appliance *a, char **list, struct fy_error *err)
{
	size_t i;
	int r = 0;

	if (list == NULL)
		return fy_appliance_error(a, err, "looking for volumes");
	for (i = 0; r == 0 && list[i] != NULL; i++)
		if (strncmp(list[i], "/dev/", 5) == 0)
			r = take_device(a, list[i], err);
	fy_guestfs_free_strings(list);
	return r;
}

int
fy_appliance_find(struct fy_appliance *a, const struct fy_inject_key *keys,
		  size_t n_keys, struct fy_error *err)
{
	if (open_luks(a, keys, n_keys, err) == -1 ||
	    take_devices(a, a->f->list_md_devices(a->g), err) == -1)
		return -1;
	return take_devices(a, a->f->lvs(a->g), err);
}
