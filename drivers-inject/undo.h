/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_UNDO_H
#define FY_UNDO_H

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/extents.h"
#include "common/progress.h"
#include "common/stop.h"
#include "common/volume.h"

/* The name of the log in the job's directory; docs/undo.md has its bytes. */
#define FY_UNDO_NAME "undo.log"

struct fy_undo_log;
void fy_undo_log_free(struct fy_undo_log *l);
FY_DEFINE_AUTO(undo_log, struct fy_undo_log, fy_undo_log_free)

/*
 * Write the log for the changes in 'changes_fd' (see below): what the disks
 * hold in their places, and the digests of what comes there.  When it returns 0
 * the log is complete and durable, and locked until '*ret' is freed; before that
 * nothing may be written to the disks.  On failure the log is removed.
 * 'disks' is borrowed as long as '*ret' lives.
 *
 * A complete log that is there already is replaced when the disks hold what it
 * says (it was undone), else that is FY_E_EXISTS.  FY_E_BUSY when somebody
 * else is at work with it.
 */
int fy_undo_write(struct fy_volume *const *disks, size_t n_disks,
		  int changes_fd, int job_dirfd, const struct fy_stop *stop,
		  struct fy_undo_log **ret, struct fy_error *err);

/* All changes are on the disks, and flushed: from now on undoing wants to find
 * just them there. */
int fy_undo_mark_applied(struct fy_undo_log *l, struct fy_error *err);

/* Whether the directory has a log that is to be undone (or is being written or
 * applied by somebody else).  One that was cut is none: it was not applied. */
int fy_undo_is_pending(int job_dirfd, bool *ret, struct fy_error *err);

/* fy_undo_apply is in inject.h. */

/*
 * What is to be changed, with the new content, in the file 'fd' (empty): what a
 * process that may not write to the disks wants there.  'disks' hold the new
 * content.  Not synced.
 */
int fy_changes_write(struct fy_volume *const *disks,
		     struct fy_extents *const *changed, size_t n_disks, int fd,
		     const struct fy_stop *stop, struct fy_error *err);
/* What it changes, into 'ret[i]' (empty).  FY_E_CORRUPT when it is not whole, or
 * not sorted: then nothing of it is to be written. */
int fy_changes_read(struct fy_volume *const *disks, size_t n_disks, int fd,
		    struct fy_extents *const *ret, struct fy_error *err);
/*
 * Write it to the disks, and flush.  'undo' was made of it: what the file says
 * by now that the log doesn't know (a process that outlived the one that wrote
 * it may hold it) is not written, and is FY_E_CORRUPT.
 */
int fy_changes_apply(struct fy_volume *const *disks, size_t n_disks, int fd,
		     struct fy_undo_log *undo, struct fy_progress *progress,
		     struct fy_error *err);

#endif
