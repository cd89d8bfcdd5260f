/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Places: where the bytes of a volume come from.  What our own libraries write
 * is put together out of the overlays; all else is reached through libguestfs's
 * appliance above the same overlays.
 *
 * The appliance takes its time, so it is started late: when something that a
 * system mounts needs it, or, once all other systems are done, when roots may
 * lie on something that none of them has mounted.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/appliance.h"
#include "drivers-inject/skipped.h"
#include "drivers-inject/system.h"

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

const struct fy_guest_driver *
fy_disks_driver(const struct fy_disks *d, const struct fy_disk_volume *v)
{
	if (fy_appliance_owns(d->appliance, v))
		return &fy_guest_libguestfs;
	/* What is there is one half of a mirror, perhaps. */
	if (fy_volume_is_dynamic(v))
		return NULL;
	return fy_guest_driver_find(v->filesystem);
}

/* --- the appliance --------------------------------------------------------- */

static int
launch(struct fy_disks *d, struct fy_error *err)
{
	return fy_appliance_launch(d->work, d->n, d->options->tmpdir, d->log,
				   &d->launched, err);
}

int
fy_disks_confine(struct fy_disks *d, struct fy_error *err)
{
	const struct fy_inject_options *o = d->options;

	if (o->appliance == FY_APPLIANCE_FIRST &&
	    launch(d, &d->no_appliance) == -1)
		fy_log_debug(d->log, "%s", d->no_appliance.msg);
	if (o->confine == NULL)
		return 0;
	fy_appliance_pause(d->launched);
	if (o->confine(o->confine_ctx, fy_appliance_leaves(d->launched), err) ==
	    -1)
		return -1;
	return fy_appliance_resume(d->launched, err);
}

int
fy_disks_check_reach(const struct fy_disks *d, struct fy_error *err)
{
	const bool *needs = d->options->ret_needs_appliance;

	if (needs == NULL || !*needs)
		return 0;
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "it needs libguestfs's appliance");
}

static int
start(struct fy_disks *d, struct fy_error *err)
{
	struct fy_appliance *a;

	if (d->options->appliance == FY_APPLIANCE_NEVER) {
		if (!fy_appliance_is_installed(err))
			return -1;
		*d->options->ret_needs_appliance = true;
		return fy_error_set(err, FY_E_CANCELLED, 0,
				    "it needs libguestfs's appliance");
	}
	if (d->launched == NULL && launch(d, err) == -1)
		return -1;
	a = fy_steal_ptr(&d->launched);
	if (fy_appliance_look(a, d->maps, d->options->keys, d->options->n_keys,
			      err) == -1) {
		fy_appliance_stop(a, NULL);
		return -1;
	}
	d->appliance = a;
	return 0;
}

/* Once; that it can't be had is no failure of what does not need it. */
static int
need_appliance(struct fy_disks *d, struct fy_error *err)
{
	struct fy_error e = { 0 };

	if (d->appliance != NULL)
		return 0;
	if (d->no_appliance.code == FY_E_NONE && start(d, &e) == -1) {
		if (e.code == FY_E_NOMEM || e.code == FY_E_CANCELLED)
			return fy_error_copy(err, &e);
		d->no_appliance = e;
	}
	if (d->appliance != NULL)
		return 0;
	return fy_error_set(err, FY_E_UNSUPPORTED, 0, "%s",
			    d->no_appliance.msg);
}

int
fy_disks_place(struct fy_disks *d, unsigned disk,
	       const struct fy_disk_volume *v, const char *subvolume,
	       struct fy_volume **ret, struct fy_error *err)
{
	const struct fy_guest_driver *driver = fy_disks_driver(d, v);

	if (driver == NULL || !driver->in_appliance)
		return fy_disks_slice(d, disk, v, false, ret, err);
	if (need_appliance(d, err) == -1)
		return fy_error_prefix(err, "%s (%s)", v->path,
				       v->filesystem == NULL ? "unknown"
							     : v->filesystem);
	return fy_appliance_place(d->appliance, disk, v, subvolume, ret, err);
}

/* --- what is looked for ------------------------------------------------------ */

int
fy_disks_claim(struct fy_disks *d, const struct fy_disk_volume *v,
	       struct fy_error *err)
{
	const struct fy_disk_volume **grown;

	if (fy_disks_is_claimed(d, v))
		return 0;
	grown = reallocarray(d->claimed, d->n_claimed + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	d->claimed = grown;
	grown[d->n_claimed++] = v;
	return 0;
}

bool
fy_disks_is_claimed(const struct fy_disks *d, const struct fy_disk_volume *v)
{
	size_t i;

	for (i = 0; i < d->n_claimed; i++)
		if (d->claimed[i] == v)
			return true;
	return false;
}

bool
fy_disks_has_key(const struct fy_disks *d, const struct fy_disk_volume *v)
{
	const struct fy_inject_options *o = d->options;
	size_t i;

	for (i = 0; i < o->n_keys; i++)
		if (o->keys[i].uuid == NULL ||
		    (v->uuid != NULL &&
		     strcasecmp(o->keys[i].uuid, v->uuid) == 0))
			return true;
	return false;
}

/* Whether only the appliance can look at it. */
static bool
is_out_of_reach(const struct fy_disks *d, const struct fy_disk_volume *v)
{
	const struct fy_guest_driver *driver = fy_disks_driver(d, v);

	if (fy_disks_is_claimed(d, v))
		return false;
	if (driver != NULL)
		return driver->in_appliance && driver->has_roots;
	if (fy_streq(v->filesystem, "crypto_LUKS"))
		return fy_disks_has_key(d, v);
	return fy_streq(v->filesystem, "linux_raid_member") && v->note != NULL;
}

/* Whether the appliance has put an array together. */
static bool
has_arrays(const struct fy_disks *d)
{
	size_t i, k;

	for (i = 0; i < d->n; i++)
		for (k = 0; k < fy_disk_map_rows(d->maps[i]); k++) {
			const struct fy_disk_volume *v =
				fy_disk_map_row(d->maps[i], k);

			if (fy_streq(v->layer, "md") &&
			    fy_appliance_owns(d->appliance, v))
				return true;
		}
	return false;
}

/* Reach one volume; '*ret_why' says why it stays closed, in 'e' or by itself. */
static int
reach(struct fy_disks *d, const struct fy_disk_volume *v, struct fy_error *e,
      const char **ret_why)
{
	*ret_why = NULL;
	if (!is_out_of_reach(d, v))
		return 0;
	if (need_appliance(d, e) == -1) {
		*ret_why = e->msg;
		return e->code == FY_E_UNSUPPORTED ? 0 : -1;
	}
	if (fy_streq(v->filesystem, "crypto_LUKS") &&
	    !fy_appliance_opened(d->appliance, v))
		*ret_why = "no key that was given opens it (LUKS)";
	if (fy_streq(v->filesystem, "linux_raid_member") && !has_arrays(d))
		*ret_why = v->note;
	return 0;
}

int
fy_disks_reach_all(struct fy_disks *d, struct fy_error *err)
{
	const char *why;
	size_t i, k;

	for (i = 0; i < d->n; i++)
		for (k = 0; k < fy_disk_map_rows(d->maps[i]); k++) {
			const struct fy_disk_volume *v =
				fy_disk_map_row(d->maps[i], k);
			struct fy_error e = { 0 };

			if (reach(d, v, &e, &why) == -1)
				return fy_error_copy(err, &e);
			if (why != NULL &&
			    fy_disks_skip(d, (unsigned)i, v->path, NULL, why,
					  err) == -1)
				return -1;
		}
	return 0;
}
