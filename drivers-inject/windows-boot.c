/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The drivers that Windows needs to reach its disk: loaded by the boot loader
 * (Start 0), and bound to their devices before Windows can install anything.
 *
 * To 7 and 2008 R2 that is the CriticalDeviceDatabase, from 8 and 2012 on the
 * DriverDatabase (windows-database.c); which of both is told by the hive having
 * the latter, as upgrades keep no memory of the former.
 *
 * All of it goes to each control set that Windows may start with: a first start
 * that fails takes the last known good one, which must find the disk too.
 */
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/windows.h"

#define WHY_SYS "Windows reaches its disk with it"

/* --- the service ----------------------------------------------------------------- */

static int
set_value(struct fy_hive *h, const char *service,
	  const struct fy_driver_value *v, struct fy_error *err)
{
	fy_autofree char *key =
		v->key[0] == '\0' ? strdup(service)
				  : fy_format(err, "%s\\%s", service, v->key);
	struct fy_string_set texts = { 0 };
	size_t at;
	int r = 0;

	if (key == NULL)
		return fy_error_nomem(err);
	switch (v->type) {
	case FY_DRIVER_SZ:
		return fy_hive_set_string(h, key, v->name, v->data, err);
	case FY_DRIVER_EXPAND_SZ:
		return fy_hive_set_expand(h, key, v->name, v->data, err);
	case FY_DRIVER_MULTI_SZ:
		for (at = 0; r == 0 && at < v->len && v->data[at] != '\0';
		     at += strlen(v->data + at) + 1)
			r = fy_string_set_add(&texts, v->data + at, err);
		if (r == 0)
			r = fy_hive_set_strings(h, key, v->name, &texts, err);
		fy_string_set_release(&texts);
		return r;
	default:
		return fy_hive_set_bytes(h, key, v->name, (uint32_t)v->type,
					 v->data, v->len, err);
	}
}

static int
set_service(struct fy_hive *h, const char *control_set,
	    const struct fy_driver *d, struct fy_error *err)
{
	fy_autofree char *key =
		fy_windows_key(control_set, err, "Services\\%s", d->service);
	fy_autofree char *override = fy_windows_key(
		control_set, err, "Services\\%s\\StartOverride", d->service);
	fy_autofree char *image =
		fy_format(err, "system32\\drivers\\%s", d->binary);
	size_t i;

	if (key == NULL || override == NULL || image == NULL)
		return -1;
	/* Its INF may say "on demand", for a system on another disk. */
	if (fy_hive_set_dword(h, key, "Type", d->type == 0 ? 1 : d->type,
			      err) ||
	    fy_hive_set_dword(h, key, "Start", 0, err) ||
	    fy_hive_set_dword(h, key, "ErrorControl",
			      d->error == 0 ? 1 : d->error, err) ||
	    fy_hive_set_expand(h, key, "ImagePath", image, err) ||
	    fy_hive_set_string(h, key, "Group",
			       d->group == NULL ? "SCSI miniport" : d->group,
			       err) ||
	    fy_hive_delete(h, override, err))
		return -1;
	if (d->service_name != NULL &&
	    fy_hive_set_string(h, key, "DisplayName", d->service_name, err))
		return -1;
	for (i = 0; i < d->n_values; i++)
		if (set_value(h, key, &d->values[i], err) == -1)
			return -1;
	return 0;
}

/* --- the critical device database ---------------------------------------------------- */

static int
set_critical(struct fy_hive *h, const char *control_set, const char *id,
	     const char *service, const char *class_guid, struct fy_error *err)
{
	fy_autofree char *key = fy_windows_key(
		control_set, err, "Control\\CriticalDeviceDatabase\\%s", id);
	char *p;

	if (key == NULL)
		return -1;
	for (p = key + strlen(key) - strlen(id); *p != '\0'; p++)
		if (*p == '\\')
			*p = '#';
	if (fy_hive_set_string(h, key, "Service", service, err) == -1)
		return -1;
	return fy_hive_set_string(h, key, "ClassGUID", class_guid, err);
}

/* The device without subsystem and revision, "PCI\VEN_1AF4&DEV_1001": as it is
 * found whatever the machine says of these. */
static char *
bare_id(const char *id)
{
	const char *dev = strcasestr(id, "&DEV_");

	if (strncasecmp(id, "PCI\\VEN_", 8) != 0 || dev == NULL)
		return NULL;
	return strndup(id, (size_t)(dev - id) + 9);
}

static int
set_critical_devices(struct fy_hive *h, const char *control_set,
		     const struct fy_driver *d, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < d->n_devices; i++) {
		fy_autofree char *bare = bare_id(d->devices[i].hardware_id);

		if (set_critical(h, control_set, d->devices[i].hardware_id,
				 d->service, d->class_guid, err) == -1)
			return -1;
		if (bare != NULL &&
		    set_critical(h, control_set, bare, d->service,
				 d->class_guid, err) == -1)
			return -1;
	}
	return 0;
}

/* --- drivers of Windows that may find the disk too -------------------------------------- */

struct fallback {
	const char *service, *file;
	const char *ids[4]; /* for the critical device database */
};

/* IDE and AHCI: the disk can be put on another bus than virtio. */
static const struct fallback fallbacks[] = {
	{ "atapi",
	  "atapi.sys",
	  { "Primary_IDE_Channel", "Secondary_IDE_Channel", NULL } },
	{ "intelide",
	  "intelide.sys",
	  { "PCI#VEN_8086&DEV_7010", "PCI#VEN_8086&DEV_7111", NULL } },
	{ "pciide", "pciide.sys", { "PCI#CC_0101", NULL } },
	{ "msahci", "msahci.sys", { NULL } },
	{ "storahci", "storahci.sys", { NULL } },
	{ "iaStorV", "iaStorV.sys", { NULL } },
	{ "disk", "disk.sys", { "GenDisk", NULL } },
};
#define IDE_CLASS  "{4D36E96A-E325-11CE-BFC1-08002BE10318}"
#define DISK_CLASS "{4D36E967-E325-11CE-BFC1-08002BE10318}"

static int
wake(struct fy_system *s, const char *control_set, const struct fallback *f,
     struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	fy_autofree char *key =
		fy_windows_key(control_set, err, "Services\\%s", f->service);
	fy_autofree char *override = fy_windows_key(
		control_set, err, "Services\\%s\\StartOverride", f->service);
	fy_autofree char *file =
		fy_format(err, "%s/drivers/%s", w->system32, f->file);
	size_t i;

	if (key == NULL || override == NULL || file == NULL)
		return -1;
	/* A boot driver without its file is a stop 0x7B of its own. */
	if (!fy_hive_has(w->system, key) || !fy_guest_has(s->guest, file))
		return 0;
	if (fy_hive_set_dword(w->system, key, "Start", 0, err) == -1 ||
	    fy_hive_delete(w->system, override, err) == -1)
		return -1;
	for (i = 0; !w->has_database && f->ids[i] != NULL; i++)
		if (set_critical(w->system, control_set, f->ids[i], f->service,
				 strcmp(f->service, "disk") == 0 ? DISK_CLASS
								 : IDE_CLASS,
				 err) == -1)
			return -1;
	return 0;
}

/* --------------------------------------------------------------------------------------------- */

static int
copy_binary(struct fy_system *s, const struct fy_driver *d,
	    struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	const struct fy_driver_file *f = fy_driver_file_find(d, d->binary);
	fy_autofree char *drivers = fy_format(err, "%s/drivers", w->system32);
	fy_autofree char *real = NULL;
	fy_autofree char *path = NULL;

	if (f == NULL)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "the driver package %s has no '%s'",
				    d->origin, d->binary);
	if (drivers == NULL)
		return -1;
	real = fy_windows_real(s->guest, drivers + 1, err);
	if (real == NULL)
		return -1;
	path = fy_format(err, "%s/%s", real, f->name);
	if (path == NULL)
		return -1;
	return fy_system_create(s->disks, s->guest, path, f->data, f->len,
				WHY_SYS, err);
}

static int
install(struct fy_system *s, const struct fy_driver *d, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	size_t i;

	if (d->service == NULL || d->binary == NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the INF of the driver %s names no "
				    "service",
				    d->origin);
	if (copy_binary(s, d, err) == -1)
		return -1;
	for (i = 0; i < w->control_sets.n; i++) {
		const char *set = w->control_sets.items[i];

		if (set_service(w->system, set, d, err) == -1 ||
		    (!w->has_database &&
		     set_critical_devices(w->system, set, d, err) == -1))
			return -1;
	}
	return w->has_database ? fy_windows_database(s, d, err) : 0;
}

int
fy_windows_boot_drivers(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	size_t i, k;

	for (i = 0; i < w->drivers.n; i++)
		if (w->drivers.drivers[i].boot &&
		    install(s, &w->drivers.drivers[i], err) == -1)
			return fy_error_prefix(err, "driver %s",
					       w->drivers.drivers[i].name);
	for (i = 0; i < w->control_sets.n; i++)
		for (k = 0; k < sizeof(fallbacks) / sizeof(*fallbacks); k++)
			if (wake(s, w->control_sets.items[i], &fallbacks[k],
				 err) == -1)
				return -1;
	return 0;
}
