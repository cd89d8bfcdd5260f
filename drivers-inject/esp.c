/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An EFI system partition, whichever family of systems starts from it.
 */
#include "drivers-inject/esp.h"

#include <string.h>

#include "common/file.h"

#define MAX_EFI (64u * 1024 * 1024)

int
fy_esp_open(struct fy_esp *e, struct fy_system *s, unsigned disk,
	    const struct fy_disk_volume *v, bool writable, struct fy_error *err)
{
	*e = (struct fy_esp){ .s = s, .disk = disk, .volume = v };
	if (fy_disks_slice(s->disks, disk, v, false, &e->slice, err) == -1)
		return -1;
	e->guest = fy_guest_new(err);
	if (e->guest == NULL)
		return -1;
	return fy_guest_mount(e->guest, "/", &fy_guest_fat, e->slice, writable,
			      disk, v->path, err);
}

void
fy_esp_close(struct fy_esp *e)
{
	fy_guest_free(e->guest);
	fy_volume_close(e->slice);
}

int
fy_esp_commit(struct fy_esp *e, struct fy_error *err)
{
	size_t n;

	if (fy_guest_mounts(e->guest, &n)[0].written &&
	    fy_disks_wrote(e->s->disks, &fy_guest_fat, e->disk, e->volume,
			   err) == -1)
		return -1;
	return fy_guest_commit(e->guest, err);
}

int
fy_esp_copy(struct fy_esp *e, const char *from, const char *to,
	    struct fy_error *err)
{
	fy_autofree char *data = NULL;
	uint64_t left;
	size_t len;

	if (fy_guest_has(e->guest, to))
		return 0;
	if (fy_guest_read(e->guest, from, MAX_EFI, &data, &len, err) == -1 ||
	    fy_guest_free_bytes(e->guest, "/", &left, err) == -1)
		return -1;
	if (len + 65536 > left)
		return fy_error_set(err, FY_E_NOSPACE, 0,
				    "the EFI system partition has no room for "
				    "'%s'",
				    to);
	return fy_system_create(e->s->disks, e->guest, to, data, len,
				"firmware without boot variables starts this",
				err);
}

static int
same_content(const struct fy_esp *e, const char *a, const char *b, bool *ret,
	     struct fy_error *err)
{
	fy_autofree char *x = NULL;
	fy_autofree char *y = NULL;
	size_t xl = 0, yl = 0;

	if (fy_guest_read(e->guest, a, MAX_EFI, &x, &xl, err) == -1 ||
	    fy_guest_read(e->guest, b, MAX_EFI, &y, &yl, err) == -1)
		return -1;
	*ret = xl == yl && memcmp(x, y, xl) == 0;
	return 0;
}

int
fy_esp_fallback(struct fy_esp *e, const char *loader, const char *fallback,
		bool *ret_ours, struct fy_error *err)
{
	*ret_ours = true;
	if (!fy_guest_has(e->guest, fallback))
		return fy_esp_copy(e, loader, fallback, err);
	if (same_content(e, fallback, loader, ret_ours, err) == -1)
		return -1;
	if (*ret_ours)
		return 0;
	return fy_disks_skip(e->s->disks, e->disk, e->volume->path, fallback,
			     "it is not this system's own loader; firmware "
			     "without boot variables starts it all the same",
			     err);
}
