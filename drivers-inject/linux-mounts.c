/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A Linux system's filesystems: a root has etc/fstab and an os-release (or what
 * was there before it).  Its fstab then says where /boot, /usr and /var are,
 * and, by naming the root itself, what old device names meant.  The ESP is put
 * where the guest has it: loader entries, kernels and GRUB's files may lie
 * there.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux.h"

#define MAX_TEXT (1024u * 1024)

bool
fy_linux_is_root(struct fy_guest *g)
{
	return fy_guest_has(g, "etc/fstab") && fy_linux_has_release(g);
}

static bool
is_esp(const char *where)
{
	return strcmp(where, "/boot/efi") == 0 || strcmp(where, "/efi") == 0;
}

/* The filesystems without which an edit would be a half one. */
static bool
is_needed(const char *where)
{
	static const char *const needed[] = {
		"/boot",    "/boot/grub",   "/boot/grub2", "/usr",
		"/usr/lib", "/lib",	    "/etc",	   "/usr/lib/modules",
		"/var",	    "/lib/modules", "/var/lib",
	};
	size_t i;

	for (i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (strcmp(needed[i], where) == 0)
			return true;
	return false;
}

/* Those that are looked into where they can be had. */
static bool
is_useful(const char *where)
{
	return strcmp(where, "/var/cache") == 0 ||
	       strcmp(where, "/var/lib/dpkg") == 0 ||
	       strcmp(where, "/var/lib/rpm") == 0;
}

static int
mount_line(struct fy_system *s, const struct fy_fstab_line *l,
	   struct fy_error *err)
{
	const struct fy_disk_volume *v;
	struct fy_error e = { 0 };
	bool needed = is_needed(l->fields[1]);
	unsigned disk = 0;
	fy_autofree char *why = NULL;

	if ((!needed && !is_useful(l->fields[1])) ||
	    strstr(l->fields[3], "bind") != NULL ||
	    strcmp(l->fields[2], "tmpfs") == 0 ||
	    strcmp(l->fields[2], "overlay") == 0)
		return 0;
	v = fy_devices_lookup(s->disks->devices, l->fields[0], &disk);
	if (v == NULL && !needed)
		return 0;
	if (v == NULL) {
		why = fy_format(err,
				"its fstab mounts '%s' at '%s', which is on "
				"none of the partitions that can be read here",
				l->fields[0], l->fields[1]);
		return why == NULL ? -1 : fy_system_refuse(s, why, err);
	}
	if (fy_system_mount_options(s, l->fields[1], disk, v, l->fields[3],
				    &e) == 0)
		return 0;
	if (e.code == FY_E_NOMEM || e.code == FY_E_CANCELLED)
		return fy_error_copy(err, &e);
	if (!needed)
		return fy_disks_warn(s->disks, err,
				     "the guest's '%s' is not looked into: %s",
				     l->fields[1], e.msg);
	if (e.code == FY_E_UNSUPPORTED || e.code == FY_E_NOTFOUND)
		return fy_system_refuse(s, e.msg, err);
	return fy_error_copy(err, &e);
}

/* Each above what lies in it, whatever the order of the lines. */
static int
mount_lines(struct fy_system *s, struct fy_error *err)
{
	size_t i, len, longest = sizeof("/usr/lib/modules");

	for (len = 1; len <= longest; len++)
		for (i = 0; i < s->n_fstab; i++)
			if (strlen(s->fstab[i].fields[1]) == len &&
			    mount_line(s, &s->fstab[i], err) == -1)
				return -1;
	return 0;
}

/* The ESP has its own step, too (linux-esp.c), which says what is wrong with
 * it; a system without it is edited all the same. */
static int
mount_esp(struct fy_system *s, const struct fy_fstab_line *l,
	  struct fy_error *err)
{
	const struct fy_disk_volume *v;
	struct fy_error e = { 0 };
	unsigned disk = 0;

	if (!is_esp(l->fields[1]) || !fy_guest_is_dir(s->guest, l->fields[1]))
		return 0;
	v = fy_devices_lookup(s->disks->devices, l->fields[0], &disk);
	if (v == NULL || !fy_streq(v->filesystem, "vfat"))
		return 0;
	if (fy_system_mount(s, l->fields[1], disk, v, &e) == 0)
		return 0;
	if (e.code == FY_E_NOMEM || e.code == FY_E_CANCELLED)
		return fy_error_copy(err, &e);
	return fy_disks_warn(s->disks, err,
			     "the EFI system partition at '%s' can't be read: "
			     "%s",
			     l->fields[1], e.msg);
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

int
fy_linux_open(struct fy_system *s, bool *ret_other, struct fy_error *err)
{
	size_t i;

	s->own = calloc(1, sizeof(struct fy_linux));
	if (s->own == NULL)
		return fy_error_nomem(err);
	if (read_fstab(s, ret_other, err) == -1)
		return -1;
	if (*ret_other)
		return fy_disks_skip(s->disks, s->disk, s->root->path, "/",
				     "it looks like a root filesystem, but "
				     "its fstab says that another one is",
				     err);
	if (mount_lines(s, err) == -1)
		return -1;
	for (i = 0; i < s->n_fstab; i++)
		if (mount_esp(s, &s->fstab[i], err) == -1)
			return -1;
	return fy_linux_describe(s, err);
}
