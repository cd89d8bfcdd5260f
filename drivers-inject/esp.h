/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_ESP_H
#define FY_ESP_H

#include <stdbool.h>

#include "drivers-inject/system.h"

/*
 * An EFI system partition, and the loader on it that firmware without boot
 * variables starts.  Its files are those of 'guest', with "/" the partition.
 */
struct fy_esp {
	struct fy_system *s; /* borrowed */
	unsigned disk;
	const struct fy_disk_volume *volume; /* borrowed */
	struct fy_volume *slice;
	struct fy_guest *guest;
};

/* 'e' is to be closed in every case. */
int fy_esp_open(struct fy_esp *e, struct fy_system *s, unsigned disk,
		const struct fy_disk_volume *v, bool writable,
		struct fy_error *err);
void fy_esp_close(struct fy_esp *e);
/* What was edited goes to the disk's overlay, and is checked at the end. */
int fy_esp_commit(struct fy_esp *e, struct fy_error *err);

/* Copy a file of the partition, unless something of the new name is there.
 * FY_E_NOSPACE when there is no room for it. */
int fy_esp_copy(struct fy_esp *e, const char *from, const char *to,
		struct fy_error *err);
/*
 * 'loader' becomes 'fallback' ("/EFI/BOOT/BOOTX64.EFI") where that is missing.
 * One of another content is left, for it may be another system's, and is
 * listed under "skipped"; '*ret_ours' says whether it is the loader now.
 */
int fy_esp_fallback(struct fy_esp *e, const char *loader, const char *fallback,
		    bool *ret_ours, struct fy_error *err);

#endif
