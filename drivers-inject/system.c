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

#define MAX_WARNINGS  2000u
#define WARNING_BYTES 2000 /* of one; the rest is cut */

const struct fy_family *const fy_families[] = { &fy_family_linux,
						&fy_family_windows, NULL };

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

json_t *
fy_json_foreign_list(const struct fy_string_set *s)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; a != NULL && i < s->n; i++)
		json_array_append_new(a, fy_json_foreign(s->items[i]));
	return a;
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
	size_t told;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n == -1) {
		s = NULL;
		return fy_error_nomem(err);
	}
	if (n > WARNING_BYTES)
		memcpy(s + WARNING_BYTES, "...", 4);
	told = d->n_warnings++;
	if (told > MAX_WARNINGS)
		return 0;
	if (told == MAX_WARNINGS)
		snprintf(s, strlen(s) + 1, "more warnings are left out");
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

	fy_log_warn(d->log, "disk %u, %s%s%s: left alone: %s", disk, volume,
		    path != NULL ? " " : "", path != NULL ? path : "", why);
	if (d->report == NULL)
		return 0;
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

const struct fy_disk_volume *
fy_disks_esp(const struct fy_disks *d, unsigned disk)
{
	const struct fy_disk_map *m = d->maps[disk];
	size_t i;

	for (i = 0; i < m->n_volumes; i++) {
		const struct fy_disk_volume *v = &m->volumes[i];

		if (v->type != NULL && fy_streq(v->filesystem, "vfat") &&
		    (strcasecmp(v->type, FY_GPT_ESP) == 0 ||
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
	free(s->subvolume);
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
		return fy_error_copy(err, &e);
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

/* When only looking: what an edit of it would be refused for. */
static int
judge(struct fy_system *s, const struct fy_disk_volume *v,
      const struct fy_guest_driver *driver, struct fy_volume *slice,
      struct fy_error *err)
{
	struct fy_error e = { 0 };
	void *h = NULL;

	if (v->sealed != NULL)
		return fy_system_refuse(s, v->sealed, err);
	/* The appliance has it open; the ESP has its own step. */
	if (driver->in_appliance || !driver->has_roots)
		return 0;
	if (driver->open(slice, true, &h, &e) == 0)
		return driver->close(h, false, err);
	if (e.code == FY_E_NOMEM || e.code == FY_E_CANCELLED)
		return fy_error_copy(err, &e);
	if (e.code == FY_E_DIRTY && driver->repair != NULL)
		return 0;
	return fy_system_refuse(s, e.msg, err);
}

/* The subvolume in a list of mount options; '*ret' NULL: the default one. */
static int
find_subvolume(const char *options, char **ret, struct fy_error *err)
{
	bool numbered = false;
	size_t len;

	*ret = NULL;
	for (; options != NULL && *options != '\0'; options += len) {
		options += *options == ',';
		len = strcspn(options, ",");
		if (strncmp(options, "subvol=", 7) == 0 && len > 7) {
			free(*ret);
			*ret = strndup(options + 7, len - 7);
			if (*ret == NULL)
				return fy_error_nomem(err);
		}
		numbered = numbered || strncmp(options, "subvolid=", 9) == 0;
	}
	if (*ret == NULL && numbered)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "its fstab names a subvolume by its "
				    "number only (subvolid=)");
	return 0;
}

int
fy_system_mount_options(struct fy_system *s, const char *path, unsigned disk,
			const struct fy_disk_volume *v, const char *options,
			struct fy_error *err)
{
	const struct fy_guest_driver *driver = fy_disks_driver(s->disks, v);
	fy_autovolume struct fy_volume *slice = NULL;
	fy_autofree char *subvolume = NULL;
	struct fy_volume **grown;

	if (driver == NULL || (!driver->has_roots && strcmp(path, "/") == 0))
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
	if (fy_streq(v->filesystem, "btrfs") &&
	    find_subvolume(options, &subvolume, err) == -1)
		return -1;
	if (fy_disks_place(s->disks, disk, v, subvolume, &slice, err) == -1)
		return -1;
	grown = reallocarray(s->slices, s->n_slices + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	s->slices = grown;
	if ((s->disks->writable ? make_clean(s, disk, v, driver, slice, err)
				: judge(s, v, driver, slice, err)) == -1)
		return -1;
	if (fy_guest_mount(s->guest, path, driver, slice, s->disks->writable,
			   disk, v->path, err) == -1)
		return -1;
	s->slices[s->n_slices++] = fy_steal_ptr(&slice);
	return 0;
}

int
fy_system_mount(struct fy_system *s, const char *path, unsigned disk,
		const struct fy_disk_volume *v, struct fy_error *err)
{
	return fy_system_mount_options(s, path, disk, v, NULL, err);
}

/* --- looking for roots ---------------------------------------------------- */

/* Whether a root's own fstab says that it is another subvolume. */
static bool
says_other(struct fy_guest *g, const char *subvolume)
{
	fy_autofree char *text = NULL;
	struct fy_fstab_line *lines = NULL;
	size_t len, n = 0, i;
	bool other = false;

	if (fy_guest_read(g, "etc/fstab", 1u << 20, &text, &len, NULL) == -1 ||
	    fy_fstab_parse(text, len, &lines, &n, NULL) == -1)
		return false;
	for (i = 0; i < n; i++) {
		fy_autofree char *is = NULL;
		const char *plain;

		if (strcmp(lines[i].fields[1], "/") != 0 ||
		    find_subvolume(lines[i].fields[3], &is, NULL) == -1 ||
		    is == NULL)
			continue;
		plain = is + strspn(is, "/");
		other = strcmp(plain, subvolume == NULL ? "" : subvolume) != 0;
	}
	fy_fstab_free(lines, n);
	return other;
}

struct peeked {
	const struct fy_family *family; /* NULL: no root */
	char *subvolume;
	bool other; /* its fstab says that another subvolume is the root */
};

/* The family whose root this is, without changing or repairing anything. */
static void
peek_at(struct fy_disks *d, unsigned disk, const struct fy_disk_volume *v,
	const struct fy_guest_driver *driver, const char *subvolume,
	struct peeked *ret)
{
	fy_autovolume struct fy_volume *slice = NULL;
	struct fy_guest *g = fy_guest_new(NULL);
	size_t i;

	if (g != NULL &&
	    fy_disks_place(d, disk, v, subvolume, &slice, NULL) == 0 &&
	    fy_guest_mount(g, "/", driver, slice, false, disk, v->path, NULL) ==
		    0)
		for (i = 0; ret->family == NULL && fy_families[i] != NULL; i++)
			if (fy_families[i]->is_root(g))
				ret->family = fy_families[i];
	if (ret->family != NULL && fy_streq(v->filesystem, "btrfs"))
		ret->other = says_other(g, subvolume);
	fy_guest_free(g); /* before its volume goes */
}

/* The default subvolume's root, unless it says that another one is; then the
 * first one that does not. */
static void
peek(struct fy_disks *d, unsigned disk, const struct fy_disk_volume *v,
     const struct fy_guest_driver *driver, struct peeked *ret)
{
	fy_autovolume struct fy_volume *place = NULL;
	struct peeked first = { 0 };
	char **names = NULL;
	size_t n = 0, i;

	peek_at(d, disk, v, driver, NULL, &first);
	if (driver->subvolumes == NULL || (first.family && !first.other) ||
	    fy_disks_place(d, disk, v, NULL, &place, NULL) == -1 ||
	    driver->subvolumes(place, &names, &n, NULL) == -1)
		n = 0;
	for (i = 0; i < n && ret->family == NULL; i++) {
		struct peeked p = { 0 };

		peek_at(d, disk, v, driver, names[i], &p);
		if (p.family == NULL || p.other)
			continue;
		ret->family = p.family;
		ret->subvolume = strdup(names[i]);
	}
	fy_guest_names_free(names, n);
	if (ret->family == NULL)
		*ret = first;
}

int
fy_system_open(struct fy_disks *d, unsigned disk,
	       const struct fy_disk_volume *v, struct fy_system **ret,
	       struct fy_error *err)
{
	const struct fy_guest_driver *driver = fy_disks_driver(d, v);
	FY_AUTO(system) struct fy_system *s = NULL;
	fy_autofree char *options = NULL;
	struct peeked p = { 0 };
	bool other = false;

	if (driver == NULL || !driver->has_roots)
		return 0;
	peek(d, disk, v, driver, &p);
	if (p.family == NULL)
		return 0;
	s = calloc(1, sizeof(*s));
	if (s == NULL || (s->guest = fy_guest_new(err)) == NULL) {
		free(p.subvolume);
		return fy_error_nomem(err);
	}
	s->family = p.family;
	s->disks = d;
	s->disk = disk;
	s->root = v;
	s->subvolume = p.subvolume;
	if (d->writable && v->sealed != NULL)
		return fy_disks_skip(d, disk, v->path, "/", v->sealed, err);
	if (p.subvolume != NULL &&
	    (options = fy_format(err, "subvol=%s", p.subvolume)) == NULL)
		return -1;
	if (fy_system_mount_options(s, "/", disk, v, options, err) == -1 ||
	    p.family->open(s, &other, err) == -1)
		return -1;
	if (!other)
		*ret = fy_steal_ptr(&s);
	return 0;
}

json_t *
fy_system_json(const struct fy_system *s, struct fy_error *err)
{
	fy_autofree char *root = fy_devices_name(s->disks->devices, s->disk,
						 s->root, FY_DEVICE_SPEC);
	json_t *j = json_pack(
		"{s:i,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:s?,s:b,s:o}",
		"disk", (int)s->disk, "volume", s->root->path, "id",
		fy_json_foreign(s->id), "version", fy_json_foreign(s->version),
		"pretty_name", fy_json_foreign(s->pretty_name), "arch",
		fy_json_foreign(s->arch), "hostname",
		fy_json_foreign(s->hostname), "root", fy_json_foreign(root),
		"kernels", fy_json_foreign_list(&s->kernels), "bootloaders",
		fy_json_foreign_list(&s->bootloaders), "firmware",
		s->firmware == FY_FIRMWARE_UEFI ? "uefi" : "bios", "initramfs",
		s->initramfs, "editable", s->refused == NULL, "refused",
		fy_json_foreign(s->refused));

	if (j == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	if (s->subvolume != NULL &&
	    json_object_set_new(j, "subvolume",
				fy_json_foreign(s->subvolume)) == -1) {
		json_decref(j);
		fy_error_nomem(err);
		return NULL;
	}
	if (s->family->json != NULL && s->family->json(s, j, err) == -1) {
		json_decref(j);
		return NULL;
	}
	return j;
}
