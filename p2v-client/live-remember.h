/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LIVE_REMEMBER_H
#define FY_LIVE_REMEMBER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/*
 * What the medium remembers: the file MEDIUM/ironferry/remember.dat of 64 KiB,
 * a line FY_REMEMBER_MAGIC, then lines of keys, then zeros.  It lies in an ISO
 * filesystem, which nothing can write to; so its blocks are found through the
 * mount and rewritten on the device.
 */
#define FY_REMEMBER_MAGIC "IRONFERRY-REMEMBER-1\n"
#define FY_REMEMBER_SIZE  65536u

/* The lines, malloc'd; NULL when there are none. */
char *fy_remember_read(const char *medium);

/* Whether the file is there, on a device that may be written to (no CD). */
bool fy_remember_is_possible(const char *medium);

/*
 * Replace the lines.  Nothing is written unless the device's blocks hold what
 * the file holds; only the 64 KiB of the file are written, and read back.
 * FY_E_UNSUPPORTED where the medium can't be written to, FY_E_FORMAT when what
 * lies there is not such a file, FY_E_IO.
 */
int fy_remember_write(const char *medium, const char *lines,
		      struct fy_error *err);

#endif
