/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WINDOWS_ROOT_H
#define FY_WINDOWS_ROOT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "drivers-inject/text.h"

struct fy_guest;

/* Files of the root of an NTFS, and how much of the first one is read. */
#define FY_WINDOWS_BOOT_INI	"boot.ini"
#define FY_WINDOWS_BOOTMGR	"bootmgr"
#define FY_WINDOWS_BOOT_INI_MAX (64u << 10)

/*
 * The folders of a volume that may be a Windows, the likeliest first:
 * "Windows", "WINNT", and those that a boot.ini ('text', may be NULL) starts,
 * which are first where there is no newer loader.  Appended to 'ret'.
 */
int fy_windows_folders(const char *text, size_t len, bool bootmgr,
		       struct fy_string_set *ret, struct fy_error *err);

/* The one that has a registry, as it may be written or not ("windows");
 * malloc'd.  FY_E_NOTFOUND. */
char *fy_windows_folder(struct fy_guest *g, struct fy_error *err);

#endif
