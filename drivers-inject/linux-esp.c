/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The EFI system partition: a virtual machine comes with empty boot variables,
 * so firmware starts EFI/BOOT/BOOTX64.EFI.  Where that is missing it becomes a
 * copy of the guest's own shim, with GRUB, MokManager and fallback beside it
 * (without shim, of GRUB or systemd-boot itself).
 *
 * Signed GRUB of Debian and Ubuntu looks for EFI/debian (EFI/ubuntu)/grub.cfg
 * on the partition that it was loaded from, so it finds its configuration from
 * EFI/BOOT too; one that grub-install made has it built in.
 *
 * With fbx64.efi beside it shim starts that instead of GRUB; it needs the
 * BOOTX64.CSV of the vendor's folder, makes a boot variable of it and starts
 * it (or resets, with a TPM).  Without a usable CSV it would be a dead end, so
 * it is left out then.
 */
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/esp.h"
#include "drivers-inject/linux-edit.h"

struct esp {
	struct fy_esp on;
	char *vendor;	    /* "EFI/debian" */
	const char *suffix; /* "x64" */
};

static char *
path_of(const struct esp *e, const char *dir, const char *name,
	struct fy_error *err)
{
	return fy_format(err, "/%s/%s%s.efi", dir, name, e->suffix);
}

static bool
has(const struct esp *e, const char *dir, const char *name)
{
	fy_autofree char *p = path_of(e, dir, name, NULL);

	return p != NULL && fy_guest_has(e->on.guest, p);
}

/* What the firmware is to start of a folder: shim (SUSE's has no suffix), else
 * GRUB, else systemd-boot; malloc'd, NULL when there is none. */
static char *
loader_in(const struct esp *e, const char *dir, bool *ret_shim)
{
	static const char *const names[] = { "shim", "grub", "systemd-boot" };
	size_t i;

	*ret_shim = false;
	for (i = 0; i < 3; i++) {
		fy_autofree char *plain = NULL;

		*ret_shim = i == 0;
		if (has(e, dir, names[i]))
			return path_of(e, dir, names[i], NULL);
		plain = i > 0 ? NULL : fy_format(NULL, "/%s/shim.efi", dir);
		if (plain != NULL && fy_guest_has(e->on.guest, plain))
			return fy_steal_ptr(&plain);
	}
	*ret_shim = false;
	return NULL;
}

/* The vendor's folder: by the system's id, else the first with a loader. */
static int
find_vendor(struct esp *e, struct fy_error *err)
{
	static const char *const suffixes[] = { "x64", "aa64", "ia32" };
	char **names = NULL;
	size_t n = 0, i, k;
	int r;

	r = fy_guest_names(e->on.guest, "/EFI", &names, &n, err);
	for (k = 0; r == 0 && k < 3 && e->vendor == NULL; k++) {
		e->suffix = suffixes[k];
		for (i = 0; r == 0 && i < n; i++) {
			fy_autofree char *dir =
				fy_format(err, "EFI/%s", names[i]);
			fy_autofree char *loader = NULL;
			bool shim;

			if (dir != NULL)
				loader = loader_in(e, dir, &shim);
			if (dir == NULL) {
				r = -1;
			} else if (strcasecmp(names[i], "BOOT") != 0 &&
				   loader != NULL &&
				   (e->vendor == NULL ||
				    strcasecmp(names[i], e->on.s->id) == 0)) {
				free(e->vendor);
				e->vendor = fy_steal_ptr(&dir);
			}
		}
	}
	fy_guest_names_free(names, n);
	return r;
}

static int
copy_named(struct esp *e, const char *name, struct fy_error *err)
{
	fy_autofree char *from = path_of(e, e->vendor, name, err);
	fy_autofree char *to = path_of(e, "EFI/BOOT", name, err);

	if (from == NULL || to == NULL)
		return -1;
	return fy_guest_has(e->on.guest, from)
		       ? fy_esp_copy(&e->on, from, to, err)
		       : 0;
}

/* SUSE's names. */
static int
copy_plain(struct esp *e, const char *name, struct fy_error *err)
{
	fy_autofree char *from = fy_format(err, "/%s/%s", e->vendor, name);
	fy_autofree char *to = fy_format(err, "/EFI/BOOT/%s", name);

	if (from == NULL || to == NULL)
		return -1;
	return fy_guest_has(e->on.guest, from)
		       ? fy_esp_copy(&e->on, from, to, err)
		       : 0;
}

/* "BOOTX64.CSV": UTF-16, "shimx64.efi,debian,,comment". */
static bool
csv_is_usable(const struct esp *e, struct fy_error *err)
{
	fy_autofree char *path = NULL;
	fy_autofree char *loader = NULL;
	fy_autofree char *csv = NULL;
	char name[64];
	size_t len, i, k = 0;

	path = fy_format(err, "/%s/BOOT%s.CSV", e->vendor, e->suffix);
	if (path == NULL ||
	    fy_guest_read(e->on.guest, path, 65536, &csv, &len, NULL) == -1)
		return false;
	i = len >= 2 && fy_get_le16(csv) == 0xfeff ? 2 : 0;
	for (; i + 1 < len && k + 1 < sizeof(name); i += 2) {
		if (csv[i] == ',' || csv[i + 1] != '\0' || csv[i] == '/' ||
		    csv[i] == '\0')
			break;
		name[k++] = csv[i];
	}
	name[k] = '\0';
	loader = fy_format(err, "/%s/%s", e->vendor, name);
	return k > 0 && loader != NULL && fy_guest_has(e->on.guest, loader);
}

static int
copy_companions(struct esp *e, struct fy_error *err)
{
	fy_autofree char *fallback = path_of(e, "EFI/BOOT", "fb", err);

	if (fallback == NULL || copy_named(e, "grub", err) == -1 ||
	    copy_named(e, "mm", err) == -1 ||
	    copy_plain(e, "grub.efi", err) == -1 ||
	    copy_plain(e, "MokManager.efi", err) == -1)
		return -1;
	if (csv_is_usable(e, err))
		return copy_named(e, "fb", err);
	if (fy_guest_has(e->on.guest, fallback))
		return fy_disks_warn(e->on.s->disks, err,
				     "the EFI system partition has '%s', but "
				     "no BOOT%s.CSV in '%s': firmware may not "
				     "get further than that",
				     fallback, e->suffix, e->vendor);
	return 0;
}

static int
make_fallback(struct esp *e, struct fy_error *err)
{
	bool shim = false, ours = false;
	fy_autofree char *loader = loader_in(e, e->vendor, &shim);
	fy_autofree char *boot =
		fy_format(err, "/EFI/BOOT/BOOT%s.EFI", e->suffix);
	char *p;

	if (loader == NULL || boot == NULL)
		return fy_error_nomem(err);
	for (p = strrchr(boot, '/'); *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	if (fy_esp_fallback(&e->on, loader, boot, &ours, err) == -1)
		return -1;
	return shim && ours ? copy_companions(e, err) : 0;
}

/* The ESP that the system mounts, else its disk's, else any. */
static bool
choose(struct fy_system *s, unsigned *ret_disk,
       const struct fy_disk_volume **ret)
{
	size_t i;

	for (i = 0; i < s->n_fstab; i++)
		if (strcmp(s->fstab[i].fields[1], "/boot/efi") == 0 ||
		    strcmp(s->fstab[i].fields[1], "/efi") == 0) {
			*ret = fy_devices_lookup(s->disks->devices,
						 s->fstab[i].fields[0],
						 ret_disk);
			if (*ret != NULL &&
			    fy_streq((*ret)->filesystem, "vfat"))
				return true;
		}
	*ret_disk = s->disk;
	*ret = fy_disks_esp(s->disks, s->disk);
	for (i = 0; *ret == NULL && i < s->disks->n; i++) {
		*ret_disk = (unsigned)i;
		*ret = fy_disks_esp(s->disks, (unsigned)i);
	}
	return *ret != NULL;
}

static int
edit_esp(struct esp *e, struct fy_error *err)
{
	if (find_vendor(e, err) == -1)
		return -1;
	if (e->vendor == NULL)
		return fy_disks_warn(
			e->on.s->disks, err,
			"no boot loader that is known was found on "
			"the EFI system partition (disk %u, %s); it was "
			"left alone",
			e->on.disk, e->on.volume->path);
	if (make_fallback(e, err) == -1)
		return -1;
	return fy_esp_commit(&e->on, err);
}

int
fy_linux_esp(struct fy_system *s, struct fy_error *err)
{
	const struct fy_disk_volume *v = NULL;
	struct esp e = { 0 };
	unsigned disk;
	int r;

	if (!choose(s, &disk, &v))
		return fy_disks_warn(s->disks, err,
				     "the system boots by UEFI, but no EFI "
				     "system partition is on the disks");
	r = fy_esp_open(&e.on, s, disk, v, s->disks->writable, err);
	if (r == 0)
		r = edit_esp(&e, err);
	fy_esp_close(&e.on);
	free(e.vendor);
	return r == -1 ? fy_error_prefix(err, "the EFI system partition") : 0;
}
