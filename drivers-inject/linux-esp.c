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
 *
 * Loaders of old read a file from where they are: GRUB of RHEL 6 one with its
 * own name, ".efi" made ".conf" (beside grub.efi it is grub.conf, so beside
 * BOOTX64.EFI it is BOOTX64.conf), and ELILO of SLES 11 elilo.conf, whose names
 * of files count from there.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/esp.h"
#include "drivers-inject/linux.h"

#define MAX_CONFIG (1u * 1024 * 1024)

enum kind { SHIM, ALONE, GRUB1, ELILO };

struct esp {
	struct fy_esp *on;
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

	return p != NULL && fy_guest_has(e->on->guest, p);
}

static char *
file_in(const struct esp *e, const char *dir, const char *name)
{
	fy_autofree char *p = fy_format(NULL, "/%s/%s", dir, name);

	return p != NULL && fy_guest_has(e->on->guest, p) ? fy_steal_ptr(&p)
							  : NULL;
}

/* One that reads a file beside itself, which has to be there. */
static char *
old_loader_in(const struct esp *e, const char *dir, enum kind *ret_kind)
{
	static const struct {
		enum kind kind;
		const char *loader, *config;
	} old[] = { { GRUB1, "grub.efi", "grub.conf" },
		    { ELILO, "elilo.efi", "elilo.conf" } };
	size_t i;

	/* Their names say no architecture; RHEL 6 had no other. */
	for (i = 0; i < 2 && strcmp(e->suffix, "x64") == 0; i++) {
		fy_autofree char *config = file_in(e, dir, old[i].config);
		fy_autofree char *loader = file_in(e, dir, old[i].loader);

		*ret_kind = old[i].kind;
		if (config != NULL && loader != NULL)
			return fy_steal_ptr(&loader);
	}
	return NULL;
}

/* What the firmware is to start of a folder: shim (SUSE's has no suffix), else
 * GRUB, else systemd-boot, else one of old; malloc'd, NULL when there is none. */
static char *
loader_in(const struct esp *e, const char *dir, enum kind *ret_kind)
{
	static const char *const names[] = { "shim", "grub", "systemd-boot" };
	size_t i;

	for (i = 0; i < 3; i++) {
		fy_autofree char *plain = NULL;

		*ret_kind = i == 0 ? SHIM : ALONE;
		if (has(e, dir, names[i]))
			return path_of(e, dir, names[i], NULL);
		plain = i > 0 ? NULL : file_in(e, dir, "shim.efi");
		if (plain != NULL)
			return fy_steal_ptr(&plain);
	}
	return old_loader_in(e, dir, ret_kind);
}

/* The vendor's folder: by the system's id, else the first with a loader. */
static int
find_vendor(struct esp *e, struct fy_error *err)
{
	static const char *const suffixes[] = { "x64", "aa64", "ia32" };
	char **names = NULL;
	size_t n = 0, i, k;
	int r;

	r = fy_guest_names(e->on->guest, "/EFI", &names, &n, err);
	for (k = 0; r == 0 && k < 3 && e->vendor == NULL; k++) {
		e->suffix = suffixes[k];
		for (i = 0; r == 0 && i < n; i++) {
			fy_autofree char *dir =
				fy_format(err, "EFI/%s", names[i]);
			fy_autofree char *loader = NULL;
			enum kind kind;

			if (dir != NULL)
				loader = loader_in(e, dir, &kind);
			if (dir == NULL) {
				r = -1;
			} else if (strcasecmp(names[i], "BOOT") != 0 &&
				   loader != NULL &&
				   (e->vendor == NULL ||
				    strcasecmp(names[i], e->on->s->id) == 0)) {
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
	return fy_guest_has(e->on->guest, from)
		       ? fy_esp_copy(e->on, from, to, err)
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
	return fy_guest_has(e->on->guest, from)
		       ? fy_esp_copy(e->on, from, to, err)
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
	    fy_guest_read(e->on->guest, path, 65536, &csv, &len, NULL) == -1)
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
	return k > 0 && loader != NULL && fy_guest_has(e->on->guest, loader);
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
	if (fy_guest_has(e->on->guest, fallback))
		return fy_disks_warn(e->on->s->disks, err,
				     "the EFI system partition has '%s', but "
				     "no BOOT%s.CSV in '%s': firmware may not "
				     "get further than that",
				     fallback, e->suffix, e->vendor);
	return 0;
}

/* --- loaders of old -------------------------------------------------------- */

size_t
fy_linux_elilo_key(const char *line, const char *key)
{
	const char *p = line + strspn(line, " \t");

	if (strncasecmp(p, key, strlen(key)) != 0)
		return 0;
	p += strlen(key);
	p += strspn(p, " \t");
	if (*p != '=')
		return 0;
	p += 1 + strspn(p + 1, " \t\"");
	return (size_t)(p - line);
}

char *
fy_linux_edit_elilo(const char *text, const char *dir)
{
	static const char *const keys[] = { "image", "initrd", "vmm",
					    "message" };
	struct fy_text out = { 0 };
	size_t n, i, at;

	fy_text_add(&out, "");
	for (; *text != '\0'; text += n) {
		n = strcspn(text, "\n");
		n += text[n] == '\n';
		for (i = 0, at = 0; i < 4 && at == 0; i++)
			at = fy_linux_elilo_key(text, keys[i]);
		/* From the volume's root, or another volume's ("dev:/x"). */
		if (at == 0 || at >= n || strchr("/\\\r\n", text[at]) != NULL ||
		    memchr(text + at, ':', n - at) != NULL) {
			fy_text_put(&out, text, n);
			continue;
		}
		fy_text_put(&out, text, at);
		fy_text_printf(&out, "/%s/", dir);
		fy_text_put(&out, text + at, n - at);
	}
	if (out.failed)
		fy_text_release(&out);
	return out.data;
}

/* What that loader reads, to where it is copied to. */
static int
copy_config(struct esp *e, enum kind kind, struct fy_error *err)
{
	const char *to = kind == GRUB1 ? "/EFI/BOOT/BOOTX64.conf"
				       : "/EFI/BOOT/elilo.conf";
	fy_autofree char *from =
		fy_format(err, "/%s/%s", e->vendor,
			  kind == GRUB1 ? "grub.conf" : "elilo.conf");
	fy_autofree char *text = NULL;
	fy_autofree char *is = NULL;
	struct fy_disks *d = e->on->s->disks;
	size_t len;

	if (from == NULL || fy_guest_read(e->on->guest, from, MAX_CONFIG, &text,
					  &len, err) == -1)
		return -1;
	if (kind == ELILO) {
		char *edited = fy_linux_edit_elilo(text, e->vendor);

		free(text);
		text = edited;
		if (text == NULL)
			return fy_error_nomem(err);
	}
	is = fy_linux_text(e->on->guest, to);
	if (is == NULL &&
	    fy_system_create(d, e->on->guest, to, text, strlen(text),
			     "the loader beside it reads this", err) == -1)
		return -1;
	if (is != NULL && strcmp(is, text) != 0)
		return fy_disks_skip(d, e->on->disk, e->on->volume->path, to,
				     "it says something else than this "
				     "system's own menu, but it is what "
				     "firmware without boot variables gets",
				     err);
	return fy_disks_warn(d, err,
			     "firmware without boot variables starts a copy of "
			     "the boot loader and its menu, '%s': a kernel "
			     "that is installed later is only in '%s', until "
			     "the virtual machine gets a boot variable "
			     "(efibootmgr)",
			     to, from);
}

/* -------------------------------------------------------------------------- */

static int
make_fallback(struct esp *e, struct fy_error *err)
{
	enum kind kind = ALONE;
	bool ours = false;
	fy_autofree char *loader = loader_in(e, e->vendor, &kind);
	fy_autofree char *boot =
		fy_format(err, "/EFI/BOOT/BOOT%s.EFI", e->suffix);
	char *p;

	if (loader == NULL || boot == NULL)
		return fy_error_nomem(err);
	for (p = strrchr(boot, '/'); *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	if (fy_esp_fallback(e->on, loader, boot, &ours, err) == -1)
		return -1;
	if (!ours || kind == ALONE)
		return 0;
	return kind == SHIM ? copy_companions(e, err)
			    : copy_config(e, kind, err);
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

int
fy_linux_esp_fallback(struct fy_esp *on, struct fy_error *err)
{
	struct esp e = { .on = on };
	int r = find_vendor(&e, err);

	if (r == 0 && e.vendor == NULL)
		r = fy_disks_warn(
			on->s->disks, err,
			"no boot loader that is known was found on the EFI "
			"system partition (disk %u, %s); it was left alone",
			on->disk, on->volume->path);
	else if (r == 0)
		r = make_fallback(&e, err);
	free(e.vendor);
	return r;
}

int
fy_linux_esp(struct fy_system *s, struct fy_error *err)
{
	const struct fy_disk_volume *v = NULL;
	struct fy_esp on = { 0 };
	unsigned disk;
	int r;

	if (!choose(s, &disk, &v))
		return fy_disks_warn(s->disks, err,
				     "the system boots by UEFI, but no EFI "
				     "system partition is on the disks");
	r = fy_esp_open(&on, s, disk, v, s->disks->writable, err);
	if (r == 0)
		r = fy_linux_esp_fallback(&on, err);
	if (r == 0)
		r = fy_esp_commit(&on, err);
	fy_esp_close(&on);
	return r == -1 ? fy_error_prefix(err, "the EFI system partition") : 0;
}
