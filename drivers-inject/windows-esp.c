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
#include "drivers-inject/esp.h"
#include "drivers-inject/windows.h"

#define BOOTMGR "/EFI/Microsoft/Boot/bootmgfw.efi"
#define BCD	"/EFI/Microsoft/Boot/BCD"
#define MANAGER "Objects\\{9dea862c-5cdd-4e70-acc1-f32b344d4795}"

static int
make_fallback(struct fy_esp *e, struct fy_error *err)
{
	const char *arch = fy_windows_of(e->s)->version.arch;
	const char *to = fy_streq(arch, "arm64") ? "/EFI/Boot/bootaa64.efi"
			 : fy_streq(arch, "x86") ? "/EFI/Boot/bootia32.efi"
						 : "/EFI/Boot/bootx64.efi";
	bool ours;

	return fy_esp_fallback(e, BOOTMGR, to, &ours, err);
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
edit(struct fy_esp *e, struct fy_error *err)
{
	if (make_fallback(e, err) == -1 || edit_bcd(e->s, e->guest, err) == -1)
		return -1;
	return fy_esp_commit(e, err);
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
		struct fy_esp e;

		if (v == NULL || (i > 0 && disk == s->disk))
			continue;
		r = fy_esp_open(&e, s, disk, v, writable, err);
		*ret_found = r == 0 && fy_guest_has(e.guest, BOOTMGR);
		if (*ret_found && writable)
			r = edit(&e, err);
		fy_esp_close(&e);
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
