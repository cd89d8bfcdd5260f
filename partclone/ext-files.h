/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_EXT_FILES_H
#define FY_EXT_FILES_H

#include "partclone/filesystem.h"

/* As struct fy_fs_driver's 'files' says, for ext2, ext3 and ext4: a file is hit
 * with a block of its data or its own metadata, or with its inode. */
int fy_ext_files(struct fy_volume *v, const struct fy_extent *ranges, size_t n,
		 size_t most, const struct fy_stop *stop,
		 struct fy_fs_hits *ret, struct fy_error *err);

#endif
