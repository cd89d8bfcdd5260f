/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TOOL_PATH_H
#define FY_TOOL_PATH_H

#include "common/error.h"
#include "common/volume.h"

/*
 * A path for tools that want one (e2fsck, mtools): the volume shown by FUSE,
 * or, where FUSE can't be had, a sparse temporary copy whose changed blocks
 * are written back by _close.
 */
struct fy_tool_path;

int fy_tool_path_open(struct fy_volume *v, const char *tmpdir,
		      struct fy_tool_path **ret, struct fy_error *err);
const char *fy_tool_path(const struct fy_tool_path *t);
/* Frees in every case. */
int fy_tool_path_close(struct fy_tool_path *t, struct fy_error *err);

#endif
