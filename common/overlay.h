/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_OVERLAY_H
#define FY_OVERLAY_H

#include "common/extents.h"
#include "common/volume.h"

/*
 * A copy-on-write volume: reads come from 'base' (borrowed, never written),
 * writes stay in an unlinked temporary file.  Used to replay a journal for the
 * used map without touching the disk, for --dry-run, and to collect an
 * injection before the undo log is written.
 *
 * 'cluster_bytes' (a power of two, 4 KiB to 64 KiB) is the granularity of what
 * counts as changed; 'tmpdir' NULL: the usual place.
 * Threads: one caller at a time.
 */
int fy_overlay_new(struct fy_volume *base, uint32_t cluster_bytes,
		   const char *tmpdir, struct fy_volume **ret,
		   struct fy_error *err);

/* Append the ranges (whole clusters, the last one cut at the volume's end)
 * that were written to and whose content differs from the base's.  Fails for
 * good once a write has failed, whoever was told of that. */
int fy_overlay_changed(struct fy_volume *overlay, struct fy_extents *ret,
		       struct fy_error *err);

/*
 * Show a volume as a regular file in the filesystem tree, for tools that want
 * a path (e2fsck): FUSE, served by a thread of this process.  '*ret_path' is
 * the file; closing unmounts and removes.  Writes go to the volume.
 * FY_E_UNSUPPORTED when FUSE can't be had (the message says why).
 */
struct fy_exposed;
int fy_volume_expose(struct fy_volume *v, struct fy_exposed **ret,
		     struct fy_error *err);
const char *fy_exposed_path(const struct fy_exposed *e);
/*
 * The same for a program that looks its path up more than once before it opens
 * it, which a path in /proc does not survive: the mount stays in the tree until
 * fy_exposed_detach (or the close), and should not for long, for a kill would
 * leave it behind.
 */
int fy_volume_expose_in_tree(struct fy_volume *v, struct fy_exposed **ret,
			     struct fy_error *err);
int fy_exposed_detach(struct fy_exposed *e, struct fy_error *err);
/* Serve no requests, so that no thread is there, and go on: between the two a
 * process can confine itself. */
void fy_exposed_pause(struct fy_exposed *e);
int fy_exposed_resume(struct fy_exposed *e, struct fy_error *err);
int fy_exposed_close(struct fy_exposed *e, struct fy_error *err);

/*
 * For a process that is about to confine itself and can't mount any more then:
 * mount now, for all that fy_volume_expose shows from now on.  '*ret_root' (it
 * stays ours) is the directory of these files, which the process must be
 * allowed to read and write below.  No thread runs before the first of them.
 * FY_E_UNSUPPORTED when FUSE can't be had.
 */
int fy_expose_prepare(int *ret_root, struct fy_error *err);

#endif
