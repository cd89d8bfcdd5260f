/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The driver database of Windows 8, 2012 and later: what binds a boot driver to
 * its device before Windows has installed anything.
 *
 * A package of our own making is put there, complete as Windows would have it:
 * its INF as oemN.inf, its catalog, its folder in the driver store, and the
 * entries of the registry.  So pnputil can list and delete it, and an upgrade of
 * Windows finds what the registry names.
 *
 * The date and the version in "Version" stay zero: the package that pnputil
 * installs at the first start, whose label has the hash that only Windows can
 * work out, then always ranks higher.  After that the first start deletes ours.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/windows.h"

#define CATALOGS  "CatRoot/{F750E6C3-38EE-11D1-85E5-00C04FC295EE}"
#define MAX_OEM	  4096
#define WHY_STORE "the driver store has the package that the registry names"

/* Which package a path or key is of. */
struct package {
	struct fy_system *s;
	struct fy_windows *w;
	const struct fy_driver *d;
	char oem[32]; /* "oem7.inf" */
	char *label;  /* "viostor.inf_amd64_0000000000000000" */
};

/* --- names -------------------------------------------------------------------------- */

static bool
is_ours(struct package *p)
{
	fy_autofree char *key =
		fy_format(NULL, "DriverDatabase\\DriverInfFiles\\%s", p->oem);
	fy_autofree char *active = NULL;

	return key != NULL &&
	       fy_hive_get_string(p->w->system, key, "Active", &active, NULL) ==
		       0 &&
	       strcasecmp(active, p->label) == 0;
}

/* The first oemN.inf that is free; ours again when it was put there before. */
static int
choose_name(struct package *p, struct fy_error *err)
{
	unsigned i, free_one = MAX_OEM;

	for (i = 0; i < MAX_OEM; i++) {
		fy_autofree char *key = NULL;
		fy_autofree char *file = NULL;

		snprintf(p->oem, sizeof(p->oem), "oem%u.inf", i);
		if (is_ours(p))
			return 0;
		key = fy_format(err, "DriverDatabase\\DriverInfFiles\\%s",
				p->oem);
		file = fy_format(err, "/%s/INF/%s", p->w->root, p->oem);
		if (key == NULL || file == NULL)
			return -1;
		if (free_one == MAX_OEM && !fy_hive_has(p->w->system, key) &&
		    !fy_guest_has(p->s->guest, file))
			free_one = i;
	}
	if (free_one == MAX_OEM)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "all names of driver packages are taken");
	snprintf(p->oem, sizeof(p->oem), "oem%u.inf", free_one);
	return 0;
}

/* --- files ---------------------------------------------------------------------------- */

static int
put(struct package *p, const char *dir, const char *name,
    const struct fy_driver_file *f, struct fy_error *err)
{
	fy_autofree char *path = fy_format(err, "/%s/%s", dir, name);

	if (path == NULL)
		return -1;
	return fy_system_create(p->s->disks, p->s->guest, path, f->data, f->len,
				WHY_STORE, err);
}

static int
put_store(struct package *p, struct fy_error *err)
{
	fy_autofree char *dir =
		fy_format(err, "%s/DriverStore/FileRepository/%s",
			  p->w->system32 + 1, p->label);
	size_t i;

	for (i = 0; dir != NULL && i < p->d->n_files; i++)
		if (put(p, dir, p->d->files[i].name, &p->d->files[i], err))
			return -1;
	return dir == NULL ? -1 : 0;
}

static int
put_files(struct package *p, struct fy_error *err)
{
	const struct fy_driver_file *inf, *cat = NULL;
	fy_autofree char *infs = fy_format(err, "%s/INF", p->w->root);
	fy_autofree char *cats =
		fy_format(err, "%s/" CATALOGS, p->w->system32 + 1);
	fy_autofree char *name = NULL;

	if (infs == NULL || cats == NULL)
		return -1;
	inf = fy_driver_file_find(p->d, p->d->inf_name);
	if (inf == NULL)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "the package has no '%s'", p->d->inf_name);
	if (p->d->catalog != NULL)
		cat = fy_driver_file_find(p->d, p->d->catalog);
	name = fy_format(err, "%.*s.cat", (int)strlen(p->oem) - 4, p->oem);
	if (name == NULL || put(p, infs, p->oem, inf, err) == -1 ||
	    (cat != NULL && put(p, cats, name, cat, err) == -1))
		return -1;
	return put_store(p, err);
}

/* --- the registry ------------------------------------------------------------------------ */

static int
hex_byte(const char *s)
{
	static const char digits[] = "0123456789abcdef";
	const char *hi = s[0] == '\0' ? NULL : strchr(digits, s[0] | 0x20);
	const char *lo =
		hi == NULL || s[1] == '\0' ? NULL : strchr(digits, s[1] | 0x20);

	return lo == NULL ? -1 : (int)((hi - digits) * 16 + (lo - digits));
}

/* "{4d36e97b-e325-11ce-bfc1-08002be10318}", as bytes. */
static bool
guid_bytes(const char *text, unsigned char ret[16])
{
	static const unsigned char at[16] = { 7,  5,  3,  1,  12, 10, 17, 15,
					      20, 22, 25, 27, 29, 31, 33, 35 };
	size_t i;
	int b;

	if (strlen(text) != 38)
		return false;
	for (i = 0; i < 16; i++) {
		b = hex_byte(text + at[i]);
		if (b == -1)
			return false;
		ret[i] = (unsigned char)b;
	}
	return true;
}

static int
set_package(struct package *p, struct fy_error *err)
{
	fy_autofree char *key =
		fy_format(err, "DriverDatabase\\DriverPackages\\%s", p->label);
	/* Windows on PnP's view of it: a kind, then the class, the date and
	 * the version. */
	unsigned char version[48] = { 0x00, 0xff, 0x09 };
	struct fy_hive *h = p->w->system;

	if (key == NULL)
		return -1;
	if (!guid_bytes(p->d->class_guid, version + 8))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' is no class of devices",
				    p->d->class_guid);
	if (fy_hive_set_string(h, key, "", p->oem, err) ||
	    fy_hive_set_string(h, key, "InfName", p->d->inf_name, err) ||
	    fy_hive_set_bytes(h, key, "Version", 3, version, sizeof(version),
			      err))
		return -1;
	if (p->d->provider != NULL &&
	    fy_hive_set_string(h, key, "Provider", p->d->provider, err))
		return -1;
	if (p->d->catalog != NULL &&
	    fy_hive_set_string(h, key, "Catalog", p->d->catalog, err))
		return -1;
	return 0;
}

static int
set_inf(struct package *p, const struct fy_string_set *sections,
	struct fy_error *err)
{
	fy_autofree char *key =
		fy_format(err, "DriverDatabase\\DriverInfFiles\\%s", p->oem);
	struct fy_string_set labels = { &p->label, 1 };

	if (key == NULL ||
	    fy_hive_set_strings(p->w->system, key, "", &labels, err) ||
	    fy_hive_set_string(p->w->system, key, "Active", p->label, err))
		return -1;
	return fy_hive_set_strings(p->w->system, key, "Configurations",
				   sections, err);
}

static int
set_device(struct package *p, const struct fy_driver_device *dev,
	   struct fy_error *err)
{
	static const unsigned char rank[4] = { 0x01, 0xff, 0x00, 0x00 };
	fy_autofree char *id = fy_format(err, "DriverDatabase\\DeviceIds\\%s",
					 dev->hardware_id);
	fy_autofree char *conf = fy_format(
		err, "DriverDatabase\\DriverPackages\\%s\\Configurations\\%s",
		p->label, dev->section);
	fy_autofree char *desc = fy_format(
		err, "DriverDatabase\\DriverPackages\\%s\\Descriptors\\%s",
		p->label, dev->hardware_id);
	struct fy_hive *h = p->w->system;

	if (id == NULL || conf == NULL || desc == NULL)
		return -1;
	if (fy_hive_set_bytes(h, id, p->oem, 3, rank, sizeof(rank), err) ||
	    fy_hive_set_dword(h, conf, "ConfigFlags", 0, err) ||
	    fy_hive_set_string(h, conf, "Service", p->d->service, err) ||
	    fy_hive_set_string(h, desc, "Configuration", dev->section, err))
		return -1;
	if (dev->description != NULL)
		return fy_hive_set_string(h, desc, "Description",
					  dev->description, err);
	return 0;
}

/* The service belongs to the package. */
static int
set_owner(struct package *p, struct fy_error *err)
{
	char *oem = p->oem;
	struct fy_string_set owners = { &oem, 1 };
	size_t i;

	for (i = 0; i < p->w->control_sets.n; i++) {
		fy_autofree char *key =
			fy_windows_key(p->w->control_sets.items[i], err,
				       "Services\\%s", p->d->service);

		if (key == NULL || fy_hive_set_strings(p->w->system, key,
						       "Owners", &owners, err))
			return -1;
	}
	return 0;
}

static int
set_all(struct package *p, struct fy_error *err)
{
	struct fy_string_set sections = { 0 };
	size_t i;
	int r = set_package(p, err);

	for (i = 0; r == 0 && i < p->d->n_devices; i++) {
		r = fy_string_set_add(&sections, p->d->devices[i].section, err);
		if (r == 0)
			r = set_device(p, &p->d->devices[i], err);
	}
	if (r == 0)
		r = set_inf(p, &sections, err);
	fy_string_set_release(&sections);
	return r == 0 ? set_owner(p, err) : -1;
}

int
fy_windows_database(struct fy_system *s, const struct fy_driver *d,
		    struct fy_error *err)
{
	struct package p = { .s = s, .w = fy_windows_of(s), .d = d };
	int r;

	p.label = fy_format(err, "%s_%s_0000000000000000", d->inf_name,
			    p.w->version.arch);
	if (p.label == NULL)
		return -1;
	r = choose_name(&p, err);
	if (r == 0)
		r = put_files(&p, err);
	if (r == 0)
		r = set_all(&p, err);
	if (r == 0)
		r = fy_string_set_add(&p.w->bridges, p.oem, err);
	free(p.label);
	return r;
}
