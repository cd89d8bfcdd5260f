/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The EFI system partition of a Windows: firmware without boot variables starts
 * EFI/Boot/bootx64.efi.  Where that is missing it becomes a copy of Windows's
 * boot manager; one that is there is left alone, for it may be another system's
 * (a Linux beside Windows), but one of another content is told of.
 *
 * In the boot configuration the default entry's "no graphics mode" goes away:
 * firmware of virtual machines may have no text mode for it.
 */
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/windows.h"

#define MAX_EFI (64u * 1024 * 1024)
#define BOOTMGR "/EFI/Microsoft/Boot/bootmgfw.efi"
#define BCD	"/EFI/Microsoft/Boot/BCD"
#define MANAGER "Objects\\{9dea862c-5cdd-4e70-acc1-f32b344d4795}"

static int
make_fallback(struct fy_system *s, struct fy_guest *g, unsigned disk,
	      const struct fy_disk_volume *v, struct fy_error *err)
{
	const char *arch = fy_windows_of(s)->version.arch;
	const char *to = fy_streq(arch, "arm64") ? "/EFI/Boot/bootaa64.efi"
			 : fy_streq(arch, "x86") ? "/EFI/Boot/bootia32.efi"
						 : "/EFI/Boot/bootx64.efi";
	fy_autofree char *data = NULL;
	fy_autofree char *is = NULL;
	size_t len = 0, is_len = 0;
	uint64_t left = 0;

	if (fy_guest_read(g, BOOTMGR, MAX_EFI, &data, &len, err) == -1)
		return -1;
	if (fy_guest_has(g, to)) {
		if (fy_guest_read(g, to, MAX_EFI, &is, &is_len, err) == -1)
			return -1;
		if (is_len == len && memcmp(is, data, len) == 0)
			return 0;
		return fy_disks_skip(s->disks, disk, v->path, to,
				     "it is not this Windows's boot manager; "
				     "firmware without boot variables starts "
				     "it all the same",
				     err);
	}
	if (fy_guest_free_bytes(g, "/", &left, err) == -1)
		return -1;
	if (len + 65536 > left)
		return fy_error_set(err, FY_E_NOSPACE, 0,
				    "the EFI system partition has no room for "
				    "'%s'",
				    to);
	return fy_system_create(s->disks, g, to, data, len,
				"firmware without boot variables starts this",
				err);
}

static int
edit_bcd(struct fy_system *s, struct fy_guest *g, struct fy_error *err)
{
	fy_autohive struct fy_hive *h = NULL;
	fy_autofree char *entry = NULL;
	fy_autofree char *key = NULL;
	struct fy_error e = { 0 };

	if (fy_hive_open(g, BCD, &h, &e) == -1)
		return fy_disks_warn(s->disks, err,
				     "the boot configuration was left alone: "
				     "%s",
				     e.msg);
	if (fy_hive_get_string(h, MANAGER "\\Elements\\23000003", "Element",
			       &entry, NULL) == -1 ||
	    strlen(entry) != 38 || strchr(entry, '\\') != NULL)
		return 0;
	key = fy_format(err, "Objects\\%s\\Elements\\16000046", entry);
	if (key == NULL || fy_hive_delete(h, key, err) == -1)
		return -1;
	return fy_hive_save(h, s->disks, g,
			    "a virtual machine's screen is in graphics mode",
			    err);
}

static int
edit(struct fy_system *s, struct fy_guest *g, unsigned disk,
     const struct fy_disk_volume *v, struct fy_error *err)
{
	size_t n;

	if (make_fallback(s, g, disk, v, err) == -1 ||
	    edit_bcd(s, g, err) == -1)
		return -1;
	if (fy_guest_mounts(g, &n)[0].written &&
	    fy_disks_wrote(s->disks, &fy_guest_fat, disk, v, err) == -1)
		return -1;
	return fy_guest_commit(g, err);
}

/* Call 'edit' for the ESP that has Windows's boot manager: the one of its own
 * disk first.  '*ret_found' is whether there is one. */
static int
with_esp(struct fy_system *s, bool writable, bool *ret_found,
	 struct fy_error *err)
{
	size_t i;
	int r = 0;

	*ret_found = false;
	for (i = 0; r == 0 && !*ret_found && i <= s->disks->n; i++) {
		unsigned disk = i == 0 ? s->disk : (unsigned)i - 1;
		const struct fy_disk_volume *v = fy_disks_esp(s->disks, disk);
		struct fy_volume *slice = NULL;
		struct fy_guest *g;

		if (v == NULL || (i > 0 && disk == s->disk))
			continue;
		if (fy_disks_slice(s->disks, disk, v, false, &slice, err))
			return -1;
		g = fy_guest_new(err);
		r = g == NULL ? -1
			      : fy_guest_mount(g, "/", &fy_guest_fat, slice,
					       writable, disk, v->path, err);
		*ret_found = r == 0 && fy_guest_has(g, BOOTMGR);
		if (*ret_found && writable)
			r = edit(s, g, disk, v, err);
		fy_guest_free(g);
		fy_volume_close(slice);
	}
	return r;
}

bool
fy_windows_is_uefi(struct fy_system *s)
{
	bool found = false;

	return with_esp(s, false, &found, NULL) == 0 && found;
}

int
fy_windows_esp(struct fy_system *s, struct fy_error *err)
{
	bool found = false;

	if (with_esp(s, true, &found, err) == -1)
		return fy_error_prefix(err, "the EFI system partition");
	return 0;
}
