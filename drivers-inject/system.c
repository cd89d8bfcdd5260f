/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finding systems: which filesystem is the root of which family's, and opening
 * what they are made of.
 *
 * When the disks are writable (overlays), each filesystem of a system that
 * isn't clean is repaired on its overlay before anything is read from it.
 */
#include "drivers-inject/family.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux-edit.h"

#define ESP_TYPE "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

const struct fy_family *const fy_families[] = { &fy_family_linux, NULL };

/* --- disks and the report ------------------------------------------------- */

/* Put '?' for bytes that are no UTF-8 (or are control characters). */
json_t *
fy_json_foreign(const char *s)
{
	fy_autofree char *copy = NULL;
	json_t *j = s == NULL ? json_null() : json_string(s);
	char *p;

	if (j != NULL)
		return j;
	copy = strdup(s);
	if (copy == NULL)
		return NULL;
	for (p = copy; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80 || (unsigned char)*p < 0x20)
			*p = '?';
	return json_string(copy);
}

static int
append(json_t *report, const char *key, json_t *item, struct fy_error *err)
{
	if (item == NULL ||
	    json_array_append_new(json_object_get(report, key), item) == -1)
		return fy_error_nomem(err);
	return 0;
}

int
fy_disks_warn(struct fy_disks *d, struct fy_error *err, const char *fmt, ...)
{
	fy_autofree char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n == -1) {
		s = NULL;
		return fy_error_nomem(err);
	}
	fy_log_warn(d->log, "%s", s);
	if (d->report == NULL)
		return 0;
	return append(d->report, "warnings", fy_json_foreign(s), err);
}

int
fy_disks_skip(struct fy_disks *d, unsigned disk, const char *volume,
	      const char *path, const char *why, struct fy_error *err)
{
	json_t *o;

	if (d->report == NULL)
		return 0;
	fy_log_warn(d->log, "disk %u, %s: left alone: %s", disk, volume, why);
	o = json_pack("{s:i,s:s,s:o,s:o}", "disk", (int)disk, "volume", volume,
		      "path", fy_json_foreign(path), "why",
		      fy_json_foreign(why));
	return append(d->report, "skipped", o, err);
}

int
fy_disks_wrote(struct fy_disks *d, const struct fy_guest_driver *driver,
	       unsigned disk, const struct fy_disk_volume *volume,
	       struct fy_error *err)
{
	struct fy_written *grown;
	size_t i;

	for (i = 0; i < d->n_written; i++)
		if (d->written[i].volume == volume)
			return 0;
	grown = reallocarray(d->written, d->n_written + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	d->written = grown;
	grown[d->n_written].driver = driver;
	grown[d->n_written].disk = disk;
	grown[d->n_written++].volume = volume;
	return 0;
}

/* The set of the disks as they were: only a check that failed asks for it. */
static int
open_before(struct fy_disks *d, struct fy_error *err)
{
	if (d->before != NULL)
		return 0;
	return fy_disk_set_open(d->cached, d->n, &d->before, err);
}

int
fy_disks_slice(struct fy_disks *d, unsigned disk,
	       const struct fy_disk_volume *v, bool base,
	       struct fy_volume **ret, struct fy_error *err)
{
	fy_autofree char *name = fy_format(err, "disk %u, %s", disk, v->path);
	struct fy_volume *of;

	if (name == NULL || (base && open_before(d, err) == -1))
		return -1;
	of = fy_disk_set_volume(base ? d->before : d->set, disk, v);
	if (of == NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "%s can't be read%s%s", name,
				    v->note != NULL ? ": " : "",
				    v->note != NULL ? v->note : "");
	return fy_volume_slice(of, 0, v->length, name, ret, err);
}

const struct fy_disk_volume *
fy_disks_esp(const struct fy_disks *d, unsigned disk)
{
	const struct fy_disk_map *m = d->maps[disk];
	size_t i;

	for (i = 0; i < m->n_volumes; i++) {
		const struct fy_disk_volume *v = &m->volumes[i];

		if (v->type != NULL && fy_streq(v->filesystem, "vfat") &&
		    (strcasecmp(v->type, ESP_TYPE) == 0 ||
		     strcmp(v->type, "0xef") == 0))
			return v;
	}
	return NULL;
}

/* --- opening -------------------------------------------------------------- */

void
fy_system_free(struct fy_system *s)
{
	if (s == NULL)
		return;
	if (s->family != NULL && s->family->release != NULL)
		s->family->release(s);
	fy_guest_free(s->guest);
	while (s->n_slices > 0)
		fy_volume_close(s->slices[--s->n_slices]);
	free(s->slices);
	fy_fstab_free(s->fstab, s->n_fstab);
	free(s->id);
	free(s->version);
	free(s->pretty_name);
	free(s->arch);
	free(s->hostname);
	free(s->refused);
	fy_string_set_release(&s->kernels);
	fy_string_set_release(&s->bootloaders);
	free(s);
}

/* Repair on the overlay when the filesystem isn't clean. */
static int
make_clean(struct fy_system *s, unsigned disk, const struct fy_disk_volume *v,
	   const struct fy_guest_driver *driver, struct fy_volume *slice,
	   struct fy_error *err)
{
	struct fy_error e = { 0 };
	void *h = NULL;

	if (driver->open(slice, true, &h, &e) == 0)
		return driver->close(h, false, err);
	if (e.code != FY_E_DIRTY || driver->repair == NULL)
		return fy_error_set(err, e.code, 0, "%s", e.msg);
	if (driver->repair(slice, err) == -1 ||
	    fy_disks_wrote(s->disks, driver, disk, v, err) == -1)
		return -1;
	return fy_disks_warn(s->disks, err,
			     "disk %u, %s was not clean (%s); it has been "
			     "repaired",
			     disk, v->path, e.msg);
}

int
fy_system_refuse(struct fy_system *s, const char *why, struct fy_error *err)
{
	if (s->refused == NULL)
		s->refused = strdup(why);
	return s->refused == NULL ? fy_error_nomem(err) : 0;
}

int
fy_system_mount(struct fy_system *s, const char *path, unsigned disk,
		const struct fy_disk_volume *v, struct fy_error *err)
{
	const struct fy_guest_driver *driver =
		fy_guest_driver_find(v->filesystem);
	fy_autovolume struct fy_volume *slice = NULL;
	struct fy_volume **grown;

	if (driver == NULL || !driver->has_roots)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' of the guest is %s, which can't be "
				    "edited yet",
				    path,
				    v->filesystem == NULL ? "of an unknown kind"
							  : v->filesystem);
	if (s->disks->writable && v->sealed != NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' of the guest is on %s, which can't "
				    "be written to: %s",
				    path, v->path, v->sealed);
	if (fy_disks_slice(s->disks, disk, v, false, &slice, err) == -1)
		return -1;
	grown = reallocarray(s->slices, s->n_slices + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	s->slices = grown;
	if (s->disks->writable &&
	    make_clean(s, disk, v, driver, slice, err) == -1)
		return -1;
	if (fy_guest_mount(s->guest, path, driver, slice, s->disks->writable,
			   disk, v->path, err) == -1)
		return -1;
	s->slices[s->n_slices++] = fy_steal_ptr(&slice);
	return 0;
}

/* The family whose root this is, or NULL, without changing or repairing
 * anything. */
static const struct fy_family *
peek(struct fy_disks *d, unsigned disk, const struct fy_disk_volume *v,
     const struct fy_guest_driver *driver)
{
	fy_autoguest struct fy_guest *g = NULL;
	const struct fy_family *found = NULL;
	struct fy_volume *slice = NULL;
	size_t i;

	if (fy_disks_slice(d, disk, v, false, &slice, NULL) == -1)
		return NULL;
	g = fy_guest_new(NULL);
	if (g != NULL && fy_guest_mount(g, "/", driver, slice, false, disk,
					v->path, NULL) == 0)
		for (i = 0; found == NULL && fy_families[i] != NULL; i++)
			if (fy_families[i]->is_root(g))
				found = fy_families[i];
	fy_guest_free(fy_steal_ptr(&g));
	fy_volume_close(slice);
	return found;
}

int
fy_system_open(struct fy_disks *d, unsigned disk,
	       const struct fy_disk_volume *v, struct fy_system **ret,
	       struct fy_error *err)
{
	const struct fy_guest_driver *driver =
		fy_guest_driver_find(v->filesystem);
	const struct fy_family *family;
	FY_AUTO(system) struct fy_system *s = NULL;
	bool other = false;

	if (driver == NULL || !driver->has_roots ||
	    (family = peek(d, disk, v, driver)) == NULL)
		return 0;
	if (d->writable && v->sealed != NULL)
		return fy_disks_skip(d, disk, v->path, "/", v->sealed, err);
	s = calloc(1, sizeof(*s));
	if (s == NULL || (s->guest = fy_guest_new(err)) == NULL)
		return fy_error_nomem(err);
	s->family = family;
	s->disks = d;
	s->disk = disk;
	s->root = v;
	if (fy_system_mount(s, "/", disk, v, err) == -1 ||
	    family->open(s, &other, err) == -1)
		return -1;
	if (!other)
		*ret = fy_steal_ptr(&s);
	return 0;
}

static json_t *
string_array(const struct fy_string_set *s)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < s->n; i++)
		json_array_append_new(a, fy_json_foreign(s->items[i]));
	return a;
}

json_t *
fy_system_json(const struct fy_system *s, struct fy_error *err)
{
	fy_autofree char *root = fy_devices_name(s->disks->devices, s->disk,
						 s->root, FY_DEVICE_SPEC);
	json_t *j = json_pack(
		"{s:i,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:s?,s:b}",
		"disk", (int)s->disk, "volume", s->root->path, "id",
		fy_json_foreign(s->id), "version", fy_json_foreign(s->version),
		"pretty_name", fy_json_foreign(s->pretty_name), "arch",
		fy_json_foreign(s->arch), "hostname",
		fy_json_foreign(s->hostname), "root", fy_json_foreign(root),
		"kernels", string_array(&s->kernels), "bootloaders",
		string_array(&s->bootloaders), "firmware",
		s->firmware == FY_FIRMWARE_UEFI ? "uefi" : "bios", "initramfs",
		s->initramfs, "editable", s->refused == NULL);

	if (j == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	if (s->family->json != NULL && s->family->json(s, j, err) == -1) {
		json_decref(j);
		return NULL;
	}
	return j;
}
