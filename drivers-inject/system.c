/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finding systems: a filesystem is a root when it has etc/fstab and an
 * os-release or debian_version.  Its fstab then says where /boot, /usr and /var
 * are, and, by naming the root itself, what old device names meant.
 *
 * When the disks are writable (overlays), each filesystem of a system that
 * isn't clean is repaired on its overlay before anything is read from it.
 */
#include "drivers-inject/system.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux-edit.h"

#define MAX_TEXT    (1024u * 1024)
#define MAX_KERNELS 64u
#define ESP_TYPE    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

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

int
fy_disks_slice(struct fy_disks *d, unsigned disk,
	       const struct fy_disk_volume *v, bool base,
	       struct fy_volume **ret, struct fy_error *err)
{
	struct fy_volume *of = base ? d->base[disk] : d->work[disk];
	fy_autofree char *name = fy_format(err, "disk %u, %s", disk, v->path);

	if (name == NULL)
		return -1;
	return fy_volume_slice(of, v->start, v->length, name, ret, err);
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

static int
mount_volume(struct fy_system *s, const char *path, unsigned disk,
	     const struct fy_disk_volume *v, struct fy_error *err)
{
	const struct fy_guest_driver *driver =
		fy_guest_driver_find(v->filesystem);
	fy_autovolume struct fy_volume *slice = NULL;
	struct fy_volume **grown;

	if (driver != &fy_guest_ext)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' of the guest is %s, which can't be "
				    "edited yet",
				    path,
				    v->filesystem == NULL ? "of an unknown kind"
							  : v->filesystem);
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

static bool
looks_like_root(struct fy_guest *g)
{
	return fy_guest_has(g, "etc/fstab") &&
	       (fy_guest_has(g, "etc/os-release") ||
		fy_guest_has(g, "usr/lib/os-release") ||
		fy_guest_has(g, "etc/debian_version"));
}

/* Whether there is a root, without changing or repairing anything. */
static bool
peek(struct fy_disks *d, unsigned disk, const struct fy_disk_volume *v)
{
	fy_autoguest struct fy_guest *g = NULL;
	struct fy_volume *slice = NULL;
	bool is = false;

	if (fy_disks_slice(d, disk, v, false, &slice, NULL) == -1)
		return false;
	g = fy_guest_new(NULL);
	if (g != NULL && fy_guest_mount(g, "/", &fy_guest_ext, slice, false,
					disk, v->path, NULL) == 0)
		is = looks_like_root(g);
	fy_guest_free(fy_steal_ptr(&g));
	fy_volume_close(slice);
	return is;
}

/* The filesystems that an edit may need. */
static bool
is_wanted(const char *where)
{
	static const char *const wanted[] = { "/boot", "/usr", "/var", "/etc",
					      "/lib" };
	size_t i, len;

	if (strncmp(where, "/boot/efi", 9) == 0 || strcmp(where, "/efi") == 0)
		return false;
	for (i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		len = strlen(wanted[i]);
		if (strncmp(where, wanted[i], len) == 0 &&
		    (where[len] == '\0' || where[len] == '/'))
			return true;
	}
	return false;
}

static int
refuse(struct fy_system *s, const char *why, struct fy_error *err)
{
	if (s->refused == NULL)
		s->refused = strdup(why);
	return s->refused == NULL ? fy_error_nomem(err) : 0;
}

static int
mount_line(struct fy_system *s, const struct fy_fstab_line *l,
	   struct fy_error *err)
{
	const struct fy_disk_volume *v;
	struct fy_error e = { 0 };
	unsigned disk = 0;
	fy_autofree char *why = NULL;

	if (!is_wanted(l->fields[1]) || strstr(l->fields[3], "bind") != NULL ||
	    strcmp(l->fields[2], "tmpfs") == 0 ||
	    strcmp(l->fields[2], "overlay") == 0)
		return 0;
	v = fy_devices_lookup(s->disks->devices, l->fields[0], &disk);
	if (v == NULL) {
		why = fy_format(err,
				"its fstab mounts '%s' at '%s', which is on "
				"none of the partitions that can be read here",
				l->fields[0], l->fields[1]);
		return why == NULL ? -1 : refuse(s, why, err);
	}
	if (mount_volume(s, l->fields[1], disk, v, &e) == 0)
		return 0;
	if (e.code == FY_E_UNSUPPORTED || e.code == FY_E_NOTFOUND)
		return refuse(s, e.msg, err);
	return fy_error_set(err, e.code, 0, "%s", e.msg);
}

static int
read_fstab(struct fy_system *s, bool *ret_other, struct fy_error *err)
{
	fy_autofree char *text = NULL;
	size_t len, i;

	if (fy_guest_read(s->guest, "etc/fstab", MAX_TEXT, &text, &len, err) ||
	    fy_fstab_parse(text, len, &s->fstab, &s->n_fstab, err) == -1)
		return -1;
	for (i = 0; i < s->n_fstab; i++) {
		const char *what = s->fstab[i].fields[0];
		const struct fy_disk_volume *v;
		unsigned disk = 0;

		if (strcmp(s->fstab[i].fields[1], "/") != 0)
			continue;
		if (fy_devices_anchor(s->disks->devices, what, s->disk,
				      s->root->number, err) == -1)
			return -1;
		/* A copy of another root has the other's UUID here. */
		v = fy_devices_lookup(s->disks->devices, what, &disk);
		if (strchr(what, '=') != NULL && v != NULL && v != s->root &&
		    !(fy_streq(v->uuid, s->root->uuid)))
			*ret_other = true;
	}
	return 0;
}

/* --- what it is ----------------------------------------------------------- */

/* NAME=value of os-release, unquoted; malloc'd or NULL. */
static char *
release_value(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *line = text, *end;
	char quote;

	while (line != NULL && *line != '\0') {
		if (strncmp(line, name, len) == 0 && line[len] == '=') {
			line += len + 1;
			quote = *line == '"' || *line == '\'' ? *line++ : '\n';
			end = line;
			while (*end != '\0' && *end != '\n' && *end != quote)
				end++;
			return strndup(line, (size_t)(end - line));
		}
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return NULL;
}

static void
read_release(struct fy_system *s)
{
	fy_autofree char *text = NULL;
	fy_autofree char *like = NULL;
	size_t len;

	if (fy_guest_read(s->guest, "etc/os-release", 65536, &text, &len,
			  NULL) == 0 ||
	    fy_guest_read(s->guest, "usr/lib/os-release", 65536, &text, &len,
			  NULL) == 0) {
		s->id = release_value(text, "ID");
		s->version = release_value(text, "VERSION_ID");
		s->pretty_name = release_value(text, "PRETTY_NAME");
		like = release_value(text, "ID_LIKE");
	}
	s->debian = fy_streq(s->id, "debian") || fy_streq(s->id, "ubuntu") ||
		    (like != NULL && (strstr(like, "debian") != NULL ||
				      strstr(like, "ubuntu") != NULL)) ||
		    fy_guest_has(s->guest, "etc/debian_version");
	if (s->id == NULL)
		s->id = strdup(s->debian ? "debian" : "linux");
}

static void
read_hostname(struct fy_system *s)
{
	fy_autofree char *text = NULL;
	size_t len;

	if (fy_guest_read(s->guest, "etc/hostname", 4096, &text, &len, NULL))
		return;
	text[strcspn(text, "\r\n \t")] = '\0';
	s->hostname = fy_steal_ptr(&text);
}

static const char *
elf_arch(const unsigned char *h)
{
	if (memcmp(h, "\177ELF", 4) != 0 || h[5] != 1)
		return h[5] == 2 && h[19] == 22 ? "s390x" : NULL;
	switch (fy_get_le16(h + 18)) {
	case 3:
		return "i686";
	case 62:
		return h[4] == 2 ? "x86_64" : "x32";
	case 40:
		return "armv7l";
	case 183:
		return "aarch64";
	case 243:
		return "riscv64";
	case 21:
		return "ppc64le";
	default:
		return NULL;
	}
}

static void
read_arch(struct fy_system *s)
{
	static const char *const programs[] = { "bin/sh", "usr/bin/dpkg",
						"bin/ls", "sbin/init" };
	unsigned char h[20];
	const char *arch;
	size_t i;

	for (i = 0; i < 4 && s->arch == NULL; i++) {
		if (fy_guest_pread(s->guest, programs[i], h, sizeof(h), 0,
				   NULL) == -1)
			continue;
		arch = elf_arch(h);
		if (arch != NULL)
			s->arch = strdup(arch);
	}
}

static int
newest_first(const void *a, const void *b)
{
	return strverscmp(*(char *const *)b, *(char *const *)a);
}

static int
read_kernels(struct fy_system *s, struct fy_error *err)
{
	char **names = NULL;
	size_t n = 0, i;
	int r;

	r = fy_guest_names(s->guest, "boot", &names, &n, err);
	for (i = 0; r == 0 && i < n; i++)
		if ((strncmp(names[i], "vmlinuz-", 8) == 0 ||
		     strncmp(names[i], "vmlinux-", 8) == 0) &&
		    names[i][8] != '\0' && s->kernels.n < MAX_KERNELS)
			r = fy_string_set_add(&s->kernels, names[i] + 8, err);
	fy_guest_names_free(names, n);
	if (s->kernels.n > 0)
		qsort(s->kernels.items, s->kernels.n, sizeof(char *),
		      newest_first);
	return r;
}

static int
read_boot(struct fy_system *s, struct fy_error *err)
{
	static const char *const loaders[][2] = {
		{ "boot/grub/grub.cfg", "grub2" },
		{ "boot/grub2/grub.cfg", "grub2" },
		{ "boot/grub/menu.lst", "grub1" },
		{ "boot/extlinux/extlinux.conf", "extlinux" },
		{ "etc/lilo.conf", "lilo" },
	};
	struct fy_guest *g = s->guest;
	bool uefi, bios;
	size_t i;

	for (i = 0; i < sizeof(loaders) / sizeof(*loaders); i++)
		if (fy_guest_has(g, loaders[i][0]) &&
		    fy_string_set_add(&s->bootloaders, loaders[i][1], err) ==
			    -1)
			return -1;
	s->initramfs = fy_guest_has(g, "usr/sbin/mkinitramfs") ||
				       fy_guest_has(g, "usr/sbin/"
						       "update-initramfs")
			       ? "initramfs-tools"
		       : fy_guest_has(g, "usr/bin/dracut") ||
				       fy_guest_has(g, "usr/sbin/dracut")
			       ? "dracut"
			       : NULL;
	uefi = fy_guest_is_dir(g, "boot/grub/x86_64-efi") ||
	       fy_guest_is_dir(g, "boot/grub/arm64-efi") ||
	       fy_guest_is_dir(g, "boot/grub/i386-efi");
	bios = fy_guest_is_dir(g, "boot/grub/i386-pc") ||
	       fy_guest_has(g, "boot/grub/menu.lst") ||
	       fy_guest_has(g, "etc/lilo.conf");
	for (i = 0; i < s->n_fstab; i++)
		if (strcmp(s->fstab[i].fields[1], "/boot/efi") == 0)
			uefi = uefi || !bios;
	for (i = 0; i < s->disks->n; i++)
		if (!bios && !uefi &&
		    fy_disks_esp(s->disks, (unsigned)i) != NULL)
			uefi = true;
	/* GRUB's files of both kinds: an ESP in use decides. */
	if (uefi && bios) {
		uefi = false;
		for (i = 0; i < s->n_fstab; i++)
			if (strcmp(s->fstab[i].fields[1], "/boot/efi") == 0)
				uefi = true;
	}
	s->firmware = uefi ? FY_FIRMWARE_UEFI : FY_FIRMWARE_BIOS;
	return 0;
}

int
fy_system_open(struct fy_disks *d, unsigned disk,
	       const struct fy_disk_volume *v, struct fy_system **ret,
	       struct fy_error *err)
{
	FY_AUTO(system) struct fy_system *s = NULL;
	bool other = false;
	size_t i;

	if (fy_guest_driver_find(v->filesystem) != &fy_guest_ext ||
	    !peek(d, disk, v))
		return 0;
	s = calloc(1, sizeof(*s));
	if (s == NULL || (s->guest = fy_guest_new(err)) == NULL)
		return fy_error_nomem(err);
	s->disks = d;
	s->disk = disk;
	s->root = v;
	if (mount_volume(s, "/", disk, v, err) == -1 ||
	    read_fstab(s, &other, err) == -1)
		return -1;
	if (other)
		return fy_disks_skip(d, disk, v->path, "/",
				     "it looks like a root filesystem, but "
				     "its fstab says that another one is",
				     err);
	for (i = 0; i < s->n_fstab; i++)
		if (mount_line(s, &s->fstab[i], err) == -1)
			return -1;
	read_release(s);
	read_hostname(s);
	read_arch(s);
	if (read_kernels(s, err) == -1 || read_boot(s, err) == -1)
		return -1;
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
		s->initramfs, "editable", s->debian && s->refused == NULL);

	if (j == NULL)
		fy_error_nomem(err);
	return j;
}
