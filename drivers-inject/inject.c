/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The injection as far as it reads the disks: overlays above them, systems
 * found and edited there, filesystems checked; then the changed clusters go to
 * a file.  What writes them to the disks is in apply.c.
 */
#include "drivers-inject/inject.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/cache.h"
#include "common/overlay.h"
#include "drivers-inject/appliance.h"
#include "drivers-inject/family.h"
#include "drivers-inject/firmware.h"
#include "drivers-inject/linux-edit.h"
#include "drivers-inject/skipped.h"
#include "drivers-inject/system.h"
#include "drivers-inject/undo.h"

#define CLUSTER	    4096u
#define CACHE_LINE  (64u * 1024)
#define CACHE_LINES 128		  /* 8 MiB a disk */
#define UNPACK	    (16 * FY_GIB) /* of initramfs, of all kernels of a machine */

static void
release_disks(struct fy_disks *d)
{
	size_t i;

	fy_appliance_stop(d->appliance, NULL);
	fy_appliance_stop(d->launched, NULL);
	fy_devices_free(d->devices);
	fy_disk_set_free(d->set);
	fy_disk_set_free(d->before);
	for (i = 0; i < d->n; i++) {
		if (d->work != NULL)
			fy_volume_close(d->work[i]);
		if (d->cached != NULL)
			fy_volume_close(d->cached[i]);
	}
	free(d->work);
	free(d->cached);
	free(d->maps);
	free(d->written);
	free(d->claimed);
	free(d->blind);
	json_decref(d->report);
}
FY_DEFINE_AUTO(disks, struct fy_disks, release_disks)

static int
init_disks(struct fy_disks *d, struct fy_volume *const *disks, size_t n,
	   const struct fy_inject_options *o, bool writable,
	   struct fy_error *err)
{
	size_t i;

	d->base = disks;
	d->options = o;
	d->writable = writable;
	d->log = o->log;
	d->unpack = UNPACK;
	d->cached = calloc(n + 1, sizeof(*d->cached));
	d->work = calloc(n + 1, sizeof(*d->work));
	d->maps = calloc(n + 1, sizeof(*d->maps));
	if (d->cached == NULL || d->work == NULL || d->maps == NULL) {
		free(d->work);
		d->work = NULL;
		return fy_error_nomem(err);
	}
	d->n = n;
	for (i = 0; i < n; i++) {
		/* libext2fs reads block by block, and a read of an image is a
		 * round trip to qemu-nbd. */
		if (fy_cache_new(disks[i], CACHE_LINE, CACHE_LINES,
				 &d->cached[i], err) == -1 ||
		    fy_overlay_new(d->cached[i], CLUSTER, o->tmpdir,
				   &d->work[i], err) == -1)
			return -1;
	}
	if (fy_disks_confine(d, err) == -1 ||
	    fy_disk_set_open(d->work, n, &d->set, err) == -1)
		return -1;
	for (i = 0; i < n; i++)
		d->maps[i] = fy_disk_set_map(d->set, i);
	d->devices = fy_devices_new(d->maps, n, o->machine, err);
	return d->devices == NULL ? -1 : 0;
}

/* --- editing -------------------------------------------------------------- */

/* Remember which filesystems the guest's edits touched. */
static int
note_written(struct fy_system *s, struct fy_error *err)
{
	size_t n, i, k;
	const struct fy_guest_mount *m = fy_guest_mounts(s->guest, &n);

	for (i = 0; i < n; i++) {
		const struct fy_disk_map *map = s->disks->maps[m[i].disk];

		for (k = 0; m[i].written && k < fy_disk_map_rows(map); k++) {
			const struct fy_disk_volume *v =
				fy_disk_map_row(map, k);

			if (fy_streq(v->path, m[i].name) &&
			    fy_disks_wrote(s->disks, m[i].driver, m[i].disk, v,
					   err) == -1)
				return -1;
		}
	}
	return 0;
}

static int
inject_system(struct fy_system *s, struct fy_error *err)
{
	struct fy_disks *d = s->disks;
	json_t *j = fy_system_json(s, err);

	if (j == NULL ||
	    json_array_append_new(json_object_get(d->report, "systems"), j))
		return fy_error_nomem(err);
	if (s->refused != NULL)
		return fy_disks_skip(d, s->disk, s->root->path, "/", s->refused,
				     err);
	if (s->family->inject(s, err) == -1 ||
	    fy_guest_commit(s->guest, err) == -1 || note_written(s, err) == -1)
		return -1;
	if (s->family->finish != NULL && s->family->finish(s, err) == -1)
		return -1;
	return 0;
}

/*
 * A machine of which no kernel finds its disk is not converted, whatever else
 * went well.  Without any kernel nothing is known, and that was warned of.
 */
static int
check_kernels(const struct fy_disks *d, struct fy_error *err)
{
	if (d->n_kernels == 0 || d->n_booting > 0)
		return 0;
	return fy_error_set(
		err, FY_E_UNSUPPORTED, 0,
		"the machine would not find its disk on virtio; "
		"use --no-inject to take the disks as they are, for "
		"another bus than virtio, or put virtio_blk into "
		"its initramfs first (%.240s)",
		d->blind);
}

/* What a person wants done and none of the systems can do is no success. */
static int
check_custom(const struct fy_disks *d, struct fy_error *err)
{
	const struct fy_custom *c = d->options->custom;
	size_t i, of_windows = 0;
	const char *what = NULL;

	if (c == NULL)
		return 0;
	for (i = 0; i < c->n_first_boot; i++)
		of_windows += fy_custom_is_for_windows(c->first_boot[i].name);
	if (!d->customised.on_linux)
		what = c->hostname != NULL	      ? "--set-hostname"
		       : c->root_password != NULL     ? "--root-password-file"
		       : c->ssh_keys.n > 0	      ? "--ssh-key"
		       : c->n_first_boot > of_windows ? "--first-boot"
		       : c->agent && !d->customised.agent ? "--install-agent"
							  : NULL;
	if (what == NULL && of_windows > 0 && !d->customised.on_windows)
		what = "--first-boot";
	if (what == NULL)
		return 0;
	return fy_error_set(
		err, FY_E_UNSUPPORTED, 0,
		"%s: none of the systems on the disks can be given that; a "
		"Windows gets scripts named .cmd, .bat or .ps1, and the agent "
		"that --virtio-win holds; all else is for Linux",
		what);
}

struct found {
	enum fy_firmware firmware; /* of the first system */
	unsigned disk;		   /* its */
	size_t n, edited;
};

static int
choose_firmware(struct fy_disks *d, enum fy_firmware word,
		const struct found *found, enum fy_firmware *ret,
		struct fy_error *err)
{
	size_t i;
	fy_autofree struct fy_boot_ways *ways = calloc(d->n + 1, sizeof(*ways));

	if (ways == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < d->n; i++)
		if (fy_boot_ways_read(d->maps[i], d->work[i], &ways[i], err) ==
		    -1)
			return -1;
	*ret = fy_firmware_choose(ways, d->n, found->disk, word,
				  found->firmware);
	return 0;
}

static int
set_firmware(struct fy_disks *d, const struct found *found,
	     struct fy_error *err)
{
	const struct fy_machine *m = d->options->machine;
	enum fy_firmware word = m == NULL ? FY_FIRMWARE_UNKNOWN : m->firmware;
	enum fy_firmware is = word;
	bool uefi;

	if (choose_firmware(d, word, found, &is, err) == -1)
		return -1;
	uefi = is == FY_FIRMWARE_UEFI;
	if (json_object_set_new(d->report, "firmware",
				json_string(uefi ? "uefi" : "bios")) == -1)
		return fy_error_nomem(err);
	if (word == FY_FIRMWARE_UNKNOWN || word == is)
		return 0;
	return fy_disks_warn(d, err,
			     "the machine's description says %s, but its "
			     "disks can be started by %s only: that is what "
			     "the virtual machine gets",
			     uefi ? "BIOS" : "UEFI", uefi ? "UEFI" : "BIOS");
}

/* For what a system mounts, the appliance need not be started. */
static int
claim(struct fy_system *s, struct fy_error *err)
{
	struct fy_disks *d = s->disks;
	const struct fy_disk_volume *v;
	unsigned disk = 0;
	size_t i;

	for (i = 0; i < s->n_fstab; i++) {
		v = fy_devices_lookup(d->devices, s->fstab[i].fields[0], &disk);
		if (v != NULL && fy_disks_claim(d, v, err) == -1)
			return -1;
	}
	return fy_disks_claim(d, s->root, err);
}

/* What to do with a volume. */
typedef int (*visit)(struct fy_disks *d, unsigned disk,
		     const struct fy_disk_volume *v, void *ctx,
		     struct fy_error *err);

/* A Btrfs of several devices has each of them under its one UUID. */
static bool
is_another_device(const struct fy_disks *d, size_t disk, size_t row)
{
	const struct fy_disk_volume *v = fy_disk_map_row(d->maps[disk], row);
	size_t i, k;

	if (!fy_streq(v->filesystem, "btrfs") || v->uuid == NULL)
		return false;
	for (i = 0; i <= disk; i++)
		for (k = 0; k < fy_disk_map_rows(d->maps[i]); k++) {
			const struct fy_disk_volume *o =
				fy_disk_map_row(d->maps[i], k);

			if (o == v)
				return false;
			if (fy_streq(o->filesystem, "btrfs") &&
			    fy_streq(o->uuid, v->uuid))
				return true;
		}
	return false;
}

static int
visit_some(struct fy_disks *d, bool in_appliance, visit each, void *ctx,
	   struct fy_error *err)
{
	const struct fy_guest_driver *driver;
	size_t i, k;

	for (i = 0; i < d->n; i++)
		for (k = 0; k < fy_disk_map_rows(d->maps[i]); k++) {
			const struct fy_disk_volume *v =
				fy_disk_map_row(d->maps[i], k);

			driver = fy_disks_driver(d, v);
			if (driver == NULL ||
			    driver->in_appliance != in_appliance ||
			    is_another_device(d, i, k))
				continue;
			if (fy_stop_check(d->options->stop, err) == -1 ||
			    each(d, (unsigned)i, v, ctx, err) == -1 ||
			    fy_disks_check_reach(d, err) == -1)
				return -1;
		}
	return 0;
}

/* All volumes with a driver; those that take the appliance last. */
static int
visit_all(struct fy_disks *d, visit each, void *ctx, struct fy_error *err)
{
	if (visit_some(d, false, each, ctx, err) == -1 ||
	    fy_disks_reach_all(d, err) == -1)
		return -1;
	return d->appliance == NULL ? 0 : visit_some(d, true, each, ctx, err);
}

static int
edit_volume(struct fy_disks *d, unsigned disk, const struct fy_disk_volume *v,
	    void *ctx, struct fy_error *err)
{
	FY_AUTO(system) struct fy_system *s = NULL;
	struct found *found = ctx;

	if (fy_system_open(d, disk, v, &s, err) == -1 ||
	    fy_disks_check_reach(d, err) == -1)
		return -1;
	if (s == NULL)
		return 0;
	if (found->n++ == 0) {
		found->firmware = s->firmware;
		found->disk = disk;
	}
	found->edited += s->refused == NULL;
	return claim(s, err) == -1 ? -1 : inject_system(s, err);
}

static int
edit_all(struct fy_disks *d, struct fy_error *err)
{
	struct found found = { .firmware = FY_FIRMWARE_UNKNOWN };
	size_t i;

	if (visit_all(d, edit_volume, &found, err) == -1 ||
	    check_kernels(d, err) == -1 ||
	    fy_disks_check_edited(d, found.edited, err) == -1 ||
	    check_custom(d, err) == -1)
		return -1;
	for (i = 0; found.firmware == FY_FIRMWARE_UNKNOWN && i < d->n; i++)
		if (fy_disks_esp(d, (unsigned)i) != NULL)
			found.firmware = FY_FIRMWARE_UEFI;
	return set_firmware(d, &found, err);
}

static int
verify_one(struct fy_disks *d, const struct fy_written *w, struct fy_error *err)
{
	fy_autovolume struct fy_volume *now = NULL;
	fy_autovolume struct fy_volume *before = NULL;
	fy_autofree char *note = NULL;

	if (w->driver->verify == NULL)
		return 0;
	if (fy_disks_place(d, w->disk, w->volume, NULL, &now, err) == -1 ||
	    (!w->driver->in_appliance &&
	     fy_disks_slice(d, w->disk, w->volume, true, &before, err) == -1) ||
	    w->driver->verify(now, before, &note, err) == -1)
		return -1;
	return note == NULL ? 0 : fy_disks_warn(d, err, "%s", note);
}

/* --- what is changed -------------------------------------------------------- */

static int
write_changes(struct fy_disks *d, int fd, struct fy_error *err)
{
	fy_autofree struct fy_extents **changed = NULL;
	size_t i;
	int r = 0;

	changed = calloc(d->n + 1, sizeof(*changed));
	if (changed == NULL)
		return fy_error_nomem(err);
	for (i = 0; r == 0 && i < d->n; i++) {
		changed[i] = fy_extents_new(err);
		if (changed[i] == NULL ||
		    fy_overlay_changed(d->work[i], changed[i], err) == -1)
			r = -1;
	}
	if (r == 0)
		r = fy_changes_write(d->work, changed, d->n, fd,
				     d->options->stop, err);
	for (i = 0; i < d->n; i++)
		fy_extents_free(changed[i]);
	return r;
}

static int
run(struct fy_disks *d, int changes_fd, struct fy_error *err)
{
	const struct fy_inject_options *o = d->options;
	size_t i;

	if (fy_disks_list_skipped(d, err) == -1 || edit_all(d, err) == -1)
		return -1;
	for (i = 0; i < d->n_written; i++)
		if (verify_one(d, &d->written[i], err) == -1)
			return -1;
	/* Only then all that it wrote is in the overlays. */
	if (fy_appliance_stop(fy_steal_ptr(&d->appliance), err) == -1 ||
	    fy_stop_check(o->stop, err) == -1)
		return -1;
	return o->dry_run ? 0 : write_changes(d, changes_fd, err);
}

int
fy_inject_edit(struct fy_volume *const *disks, size_t n_disks,
	       const struct fy_inject_options *options, int changes_fd,
	       json_t **ret_report, struct fy_error *err)
{
	struct fy_disks d = { 0 };
	FY_AUTO(disks) struct fy_disks *owner = &d;

	if (n_disks == 0 || n_disks > 64)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "1 to 64 disks can be injected");
	if (!options->dry_run && options->job_dirfd < 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "no directory for the undo log");
	d.report = json_pack("{s:[],s:[],s:[],s:[]}", "systems", "changes",
			     "warnings", "skipped");
	if (d.report == NULL)
		return fy_error_nomem(err);
	if (init_disks(&d, disks, n_disks, options, true, err) == -1 ||
	    run(&d, changes_fd, err) == -1)
		return fy_error_prefix(err, "injection");
	*ret_report = json_incref(owner->report);
	return 0;
}

static int
describe_volume(struct fy_disks *d, unsigned disk,
		const struct fy_disk_volume *v, void *ctx, struct fy_error *err)
{
	FY_AUTO(system) struct fy_system *s = NULL;
	json_t *j;
	struct fy_error e = { 0 };

	(void)ctx;
	/* What can't be read is no system here. */
	if (fy_system_open(d, disk, v, &s, &e) == -1) {
		if (fy_disks_check_reach(d, err) == -1)
			return -1;
		return fy_disks_skip(d, disk, v->path, NULL, e.msg, err);
	}
	if (s == NULL)
		return 0;
	j = fy_system_json(s, err);
	if (j == NULL ||
	    json_array_append_new(json_object_get(d->report, "systems"), j))
		return fy_error_nomem(err);
	return claim(s, err);
}

int
fy_inspect(struct fy_volume *const *disks, size_t n_disks,
	   const struct fy_inject_options *options, json_t **ret,
	   struct fy_error *err)
{
	struct fy_disks d = { 0 };
	FY_AUTO(disks) struct fy_disks *owner = &d;

	d.report =
		json_pack("{s:[],s:[],s:[]}", "systems", "warnings", "skipped");
	if (d.report == NULL)
		return fy_error_nomem(err);
	if (init_disks(&d, disks, n_disks, options, false, err) == -1 ||
	    fy_disks_list_skipped(&d, err) == -1 ||
	    visit_all(owner, describe_volume, NULL, err) == -1)
		return -1;
	*ret = json_incref(owner->report);
	return 0;
}
