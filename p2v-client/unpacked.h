/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_UNPACKED_H
#define FY_UNPACKED_H

#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/stop.h"

/*
 * Disks that are image directories of Clonezilla: each is put together in a
 * sparse file for the time of a job, since the job reads in the disk's order and
 * an image can't be read so.
 */
struct fy_unpacked {
	char *dir;		 /* with the files; NULL: there are none */
	struct fy_strings disks; /* as given, but paths of those files */
};

/* The files are in $TMPDIR or /var/tmp.  FY_E_CORRUPT (a damaged image),
 * FY_E_UNSUPPORTED, FY_E_NOSPACE ... */
int fy_unpacked_make(const struct fy_strings *disks, struct fy_log *log,
		     const struct fy_stop *stop, struct fy_unpacked *ret,
		     struct fy_error *err);
/* The files go away. */
void fy_unpacked_release(struct fy_unpacked *u);

#endif
