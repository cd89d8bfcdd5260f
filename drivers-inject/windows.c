/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The Windows family: XP and 2003 to 11 and 2025, on NTFS.  Nothing of it is
 * run; the registry is edited while Windows is off, and what only Windows can
 * do (install driver packages, set addresses on new network cards) is left to a
 * service for its first start.
 */
#include "drivers-inject/windows.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/family.h"
#include "drivers-inject/windows-root.h"

#define HEADS	  0x1a /* in a boot sector */
#define FOLDER	  "Drivers/VirtIO"
#define WHY_STORE "the first start installs drivers from there"
#define WHY_START "runs once, when Windows starts on virtual hardware"
#define WHY_HIVE  "drivers and settings for virtual hardware"

/* --- what it is ------------------------------------------------------------------ */

static bool
is_root(struct fy_guest *g)
{
	fy_autofree char *folder = NULL;
	size_t n;

	if (!fy_guest_mounts(g, &n)[0].driver->caseless)
		return false;
	folder = fy_windows_folder(g, NULL);
	return folder != NULL;
}

static void
windows_release(struct fy_system *s)
{
	struct fy_windows *w = s->own;

	if (w == NULL)
		return;
	fy_hive_free(w->system);
	fy_hive_free(w->software);
	free(w->root);
	free(w->system32);
	free(w->config);
	free(w->edition);
	free(w->release);
	free(w->product_type);
	free(w->time_zone);
	fy_string_set_release(&w->control_sets);
	fy_string_set_release(&w->warnings);
	fy_string_set_release(&w->bridges);
	fy_string_set_release(&w->folders);
	fy_driver_set_release(&w->drivers);
	fy_firstboot_scripts_release(&w->scripts);
	free(w);
	s->own = NULL;
}

static int
windows_open(struct fy_system *s, bool *ret_other, struct fy_error *err)
{
	struct fy_windows *w = calloc(1, sizeof(*w));

	(void)ret_other;
	if (w == NULL)
		return fy_error_nomem(err);
	s->own = w;
	if (fy_windows_describe(s, err) == -1)
		return -1;
	s->firmware =
		fy_windows_is_uefi(s) ? FY_FIRMWARE_UEFI : FY_FIRMWARE_BIOS;
	if (!fy_windows_is(w, 5, 1))
		return fy_system_refuse(s, "Windows before XP can't be edited",
					err);
	if (w->version.arch == NULL)
		return fy_system_refuse(s,
					"its architecture can't be told: "
					"neither by ntoskrnl.exe nor by the "
					"registry",
					err);
	return fy_windows_look(s, err);
}

static int
windows_json(const struct fy_system *s, json_t *o, struct fy_error *err)
{
	const struct fy_windows *w = fy_windows_of(s);
	json_t *j;

	j = json_pack(
		"{s:i,s:o,s:o,s:o,s:b,s:b,s:o,s:s,s:o,s:o}", "build",
		(int)w->version.build, "edition", fy_json_foreign(w->edition),
		"release", fy_json_foreign(w->release), "product_type",
		fy_json_foreign(w->product_type), "server", w->version.server,
		"domain_controller", w->domain_controller, "time_zone",
		fy_json_foreign(w->time_zone), "clock",
		w->utc ? "utc" : "localtime", "control_sets",
		fy_json_foreign_list(&w->control_sets), "warnings",
		fy_json_foreign_list(&w->warnings));
	if (j == NULL || json_object_set_new(o, "windows", j) == -1)
		return fy_error_nomem(err);
	return 0;
}

/* --- files ----------------------------------------------------------------------- */

/* Whether two packages have different files of one name. */
static bool
clash(const struct fy_driver *a, const struct fy_driver *b)
{
	const struct fy_driver_file *x, *y;
	size_t f;

	for (f = 0; f < a->n_files; f++) {
		x = &a->files[f];
		y = fy_driver_file_find(b, x->name);
		if (y != NULL &&
		    (x->len != y->len || memcmp(x->data, y->data, x->len) != 0))
			return true;
	}
	return false;
}

/* All lie in one folder, but those with a file that another package has in
 * another version: they get one of their own in there.  '*ret' is malloc'd. */
static int
folder_of(struct fy_windows *w, size_t which, char **ret, struct fy_error *err)
{
	const struct fy_driver *d = &w->drivers.drivers[which];
	bool own = false;
	size_t i;

	for (i = 0; i < which && !own; i++)
		own = clash(d, &w->drivers.drivers[i]);
	*ret = fy_format(err, FOLDER "%s%s", own ? "/" : "",
			 own ? d->name : "");
	if (*ret == NULL)
		return -1;
	return own ? fy_string_set_add(&w->folders, d->name, err) : 0;
}

static int
copy_driver(struct fy_system *s, const struct fy_driver *d, const char *folder,
	    struct fy_error *err)
{
	size_t i;

	for (i = 0; i < d->n_files; i++) {
		const struct fy_driver_file *f = &d->files[i];
		fy_autofree char *path =
			fy_format(err, "/%s/%s/%s", fy_windows_of(s)->root,
				  folder, f->name);
		fy_autofree char *is = NULL;
		size_t len = 0;

		if (path == NULL)
			return -1;
		/* One file may be of several packages. */
		if (fy_guest_read(s->guest, path, f->len, &is, &len, NULL) ==
			    0 &&
		    len == f->len && memcmp(is, f->data, len) == 0)
			continue;
		if (fy_system_create(s->disks, s->guest, path, f->data, f->len,
				     WHY_STORE, err) == -1)
			return -1;
	}
	return 0;
}

static int
copy_drivers(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	size_t i;

	for (i = 0; i < w->drivers.n; i++) {
		fy_autofree char *folder = NULL;

		if (folder_of(w, i, &folder, err) == -1 ||
		    copy_driver(s, &w->drivers.drivers[i], folder, err) == -1)
			return -1;
	}
	return 0;
}

static int
make_service(struct fy_windows *w, const struct fy_firstboot *f,
	     struct fy_error *err)
{
	size_t i;

	for (i = 0; i < w->control_sets.n; i++) {
		fy_autofree char *key =
			fy_windows_key(w->control_sets.items[i], err,
				       "Services\\%s", f->service);

		if (key == NULL ||
		    fy_hive_set_dword(w->system, key, "Type", f->service_type,
				      err) ||
		    fy_hive_set_dword(w->system, key, "Start", 2, err) ||
		    fy_hive_set_dword(w->system, key, "ErrorControl", 1, err) ||
		    fy_hive_set_expand(w->system, key, "ImagePath",
				       f->image_path, err) ||
		    fy_hive_set_string(w->system, key, "DisplayName",
				       f->service_name, err) ||
		    fy_hive_set_string(w->system, key, "ObjectName",
				       "LocalSystem", err))
			return -1;
	}
	return fy_windows_policies_keep(w, err);
}

/* What was only for the way until here goes again. */
static int
add_cleanup(struct fy_windows *w, struct fy_error *err)
{
	struct fy_text t = { 0 };
	size_t i;
	int r = 0;

	fy_text_add(&t, "@echo off\n"
			"setlocal\n"
			"set tool=%SystemRoot%\\System32\\pnputil.exe\n"
			"if exist \"%SystemRoot%\\Sysnative\\pnputil.exe\" "
			"set tool=%SystemRoot%\\Sysnative\\pnputil.exe\n");
	for (i = 0; i < w->bridges.n; i++)
		fy_text_printf(&t, "\"%%tool%%\" -d %s\n", w->bridges.items[i]);
	if (w->version.major == 5)
		fy_text_add(&t, "reg delete \"HKLM\\SOFTWARE\\Policies"
				"\\Microsoft\\Windows\\DeviceInstall"
				"\\Settings\" /v SuppressNewHWUI /f >nul "
				"2>&1\n"
				"reg delete \"HKLM\\SYSTEM\\CurrentControlSet"
				"\\Services\\PlugPlay\\Parameters\" /v "
				"SuppressUI /f >nul 2>&1\n");
	fy_windows_policies_back(w, &t);
	fy_text_add(&t, "exit /b 0\n");
	r = fy_text_check(&t, err);
	if (r == 0)
		r = fy_firstboot_add(&w->scripts, "90-cleanup.cmd", t.data,
				     err);
	fy_text_release(&t);
	return r;
}

/* A person's: after those that set up the network and the disks. */
static int
add_wanted(struct fy_system *s, size_t *ret, struct fy_error *err)
{
	const struct fy_custom *c = s->disks->options->custom;
	struct fy_windows *w = fy_windows_of(s);
	size_t i;

	for (i = 0; c != NULL && i < c->n_first_boot; i++) {
		const struct fy_custom_script *one = &c->first_boot[i];
		fy_autofree char *name = NULL;

		if (!fy_custom_is_for_windows(one->name))
			continue;
		if (!fy_windows_is(w, 6, 1) &&
		    strcasecmp(strrchr(one->name, '.'), ".ps1") == 0)
			return fy_error_set(err, FY_E_UNSUPPORTED, 0,
					    "--first-boot %s: '%s' has no "
					    "PowerShell",
					    one->name, s->pretty_name);
		name = fy_format(err, "50-%03zu-%s", i + 1, one->name);
		if (name == NULL ||
		    fy_firstboot_add(&w->scripts, name, one->text, err) == -1)
			return -1;
		++*ret;
	}
	s->disks->customised.on_windows = true;
	if (w->drivers.guest_agent.name != NULL)
		s->disks->customised.agent = true;
	return 0;
}

static int
install_firstboot(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	struct fy_firstboot f = { 0 };
	struct fy_error e = { 0 };
	size_t i, wanted = 0;
	int r;

	if (add_wanted(s, &wanted, err) == -1 || add_cleanup(w, err) == -1)
		return -1;
	if (fy_firstboot_build(&w->version, &w->drivers, w->drive, w->root,
			       &w->scripts, &f, &e) == -1) {
		if (e.code != FY_E_UNSUPPORTED || wanted > 0)
			return fy_error_copy(err, &e);
		return fy_disks_warn(s->disks, err,
				     "%s; Windows finds its disk, the rest "
				     "(%%SystemRoot%%\\Drivers\\VirtIO, "
				     "addresses) is to be installed by hand",
				     e.msg);
	}
	r = make_service(w, &f, err);
	for (i = 0; r == 0 && i < f.n_files; i++) {
		fy_autofree char *path = fy_format(err, "/%s", f.files[i].path);

		r = path == NULL
			    ? -1
			    : fy_system_create(s->disks, s->guest, path,
					       f.files[i].data, f.files[i].len,
					       WHY_START, err);
	}
	fy_firstboot_release(&f);
	return r;
}

/* --- all of it --------------------------------------------------------------------- */

static int
pick_drivers(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	const char *path = s->disks->options->virtio_win;
	FY_AUTO(virtio_win) struct fy_virtio_win *v = NULL;
	size_t i, boot = 0;

	if (path == NULL)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "'%s' needs drivers for virtio: name the "
				    "virtio-win ISO image or directory with "
				    "--virtio-win, or use --no-inject to take "
				    "the disks as they are",
				    s->pretty_name);
	if (fy_virtio_win_open(path, &v, err) == -1 ||
	    fy_virtio_win_pick(v, &w->version, &w->drivers, err) == -1)
		return fy_error_prefix(err, "--virtio-win %s", path);
	for (i = 0; i < w->drivers.n; i++)
		boot += w->drivers.drivers[i].boot;
	if (boot == 0)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "--virtio-win %s: no storage driver for "
				    "'%s'",
				    path, s->pretty_name);
	for (i = 0; i < w->drivers.warnings.n; i++)
		if (fy_disks_warn(s->disks, err, "%s",
				  w->drivers.warnings.items[i]) == -1)
			return -1;
	return 0;
}

static int
windows_inject(struct fy_system *s, struct fy_error *err)
{
	struct fy_windows *w = fy_windows_of(s);
	size_t i;

	if (pick_drivers(s, err) == -1)
		return -1;
	for (i = 0; i < w->warnings.n; i++)
		if (fy_disks_warn(s->disks, err, "%s", w->warnings.items[i]) ==
		    -1)
			return -1;
	if (copy_drivers(s, err) == -1 ||
	    fy_windows_boot_drivers(s, err) == -1 ||
	    fy_windows_services(s, err) == -1 ||
	    fy_windows_network(s, err) == -1 || install_firstboot(s, err) == -1)
		return -1;
	s->disks->n_kernels++;
	s->disks->n_booting++;
	if (fy_hive_save(w->system, s->disks, s->guest, WHY_HIVE, err) == -1)
		return -1;
	return fy_hive_save(w->software, s->disks, s->guest, WHY_HIVE, err);
}

/* To XP and 2003 the boot sector asks the BIOS by heads, of which a virtual
 * machine's BIOS thinks by the size of the disk. */
static int
set_heads(struct fy_system *s, struct fy_error *err)
{
	uint64_t size = fy_volume_size(s->disks->base[s->disk]);
	unsigned heads = size < UINT64_C(2114445312)   ? 0x40
			 : size < UINT64_C(4228374780) ? 0x80
						       : 0xff;
	fy_autovolume struct fy_volume *v = NULL;
	unsigned char boot[512], last[512];
	uint64_t end;
	bool same;

	if (fy_disks_slice(s->disks, s->disk, s->root, false, &v, err) == -1 ||
	    fy_volume_pread(v, boot, sizeof(boot), 0, err) == -1)
		return -1;
	if (fy_get_le16(boot + HEADS) == heads)
		return 0;
	/* Its copy lies behind the last sector that it counts. */
	same = fy_mul_u64(fy_get_le64(boot + 0x28), fy_get_le16(boot + 0x0b),
			  &end) &&
	       fy_volume_pread(v, last, sizeof(last), end, NULL) == 0 &&
	       memcmp(boot, last, sizeof(boot)) == 0;
	fy_put_le16(boot + HEADS, (uint16_t)heads);
	if (fy_volume_pwrite(v, boot, sizeof(boot), 0, err) == -1 ||
	    (same && fy_volume_pwrite(v, boot, sizeof(boot), end, err) == -1) ||
	    fy_disks_wrote(s->disks, &fy_guest_ntfs, s->disk, s->root, err))
		return -1;
	return fy_disks_changed(s->disks, s->disk, s->root->path, "$Boot",
				"modified",
				"heads as a virtual machine's BIOS counts "
				"them",
				err);
}

static int
windows_finish(struct fy_system *s, struct fy_error *err)
{
	if (fy_windows_of(s)->version.major == 5 && set_heads(s, err) == -1)
		return -1;
	return s->firmware == FY_FIRMWARE_UEFI ? fy_windows_esp(s, err) : 0;
}

const struct fy_family fy_family_windows = {
	.name = "windows",
	.is_root = is_root,
	.open = windows_open,
	.json = windows_json,
	.inject = windows_inject,
	.finish = windows_finish,
	.release = windows_release,
};
