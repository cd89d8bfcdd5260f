/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_EXT_JOURNAL_H
#define FY_EXT_JOURNAL_H

#include "common/stop.h"
#include "partclone/ext-io.h"

/* Whether something in the filesystem's own journal waits for its replay: by
 * the superblock's flag, or by the journal's own start.  1, 0, -1. */
int fy_ext_needs_replay(ext2_filsys fs, struct fy_error *err);

/*
 * Replay the journal of the filesystem on 'v' into a copy-on-write overlay
 * (nothing is written to 'v') and give that.  FY_E_UNSUPPORTED or _NOTFOUND
 * when that can't be done here (no FUSE, no e2fsck), FY_E_CHILD when e2fsck
 * fails.
 */
int fy_ext_replay(struct fy_volume *v, const struct fy_stop *stop,
		  struct fy_volume **ret, struct fy_error *err);

#endif
