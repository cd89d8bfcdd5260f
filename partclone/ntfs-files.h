/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_NTFS_FILES_H
#define FY_NTFS_FILES_H

#include "partclone/filesystem.h"

/* As struct fy_fs_driver's 'files' says.  A file is hit with a cluster of any
 * of its attributes, or with its record in the MFT. */
int fy_ntfs_files(struct fy_volume *v, const struct fy_extent *ranges, size_t n,
		  size_t most, const struct fy_stop *stop,
		  struct fy_fs_hits *ret, struct fy_error *err);

#endif
