/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_UNDO_H
#define FY_UNDO_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/extents.h"
#include "common/progress.h"
#include "common/stop.h"
#include "common/volume.h"

/* The name of the log in the job's directory; docs/undo.md has its bytes. */
#define FY_UNDO_NAME "undo.log"

/*
 * Write the log: the present content of 'changed[i]' on 'disks[i]'.  When it
 * returns 0 the log is complete and durable; before that nothing may be
 * written to the disks.
 * A complete log that is there already is replaced when the disks hold what it
 * says (it was undone), else that is FY_E_EXISTS.
 */
int fy_undo_write(struct fy_volume *const *disks,
		  struct fy_extents *const *changed, size_t n_disks,
		  int job_dirfd, const struct fy_stop *stop,
		  struct fy_error *err);

/* fy_undo_apply is in inject.h. */

/*
 * The same bytes with the new content, in the file 'fd' (empty): what a process
 * that may not write to the disks wants there.  Not synced.
 */
int fy_changes_write(struct fy_volume *const *disks,
		     struct fy_extents *const *changed, size_t n_disks, int fd,
		     const struct fy_stop *stop, struct fy_error *err);
/* What it changes, into 'ret[i]' (empty).  FY_E_CORRUPT when it is not whole, or
 * not sorted: then nothing of it is to be written. */
int fy_changes_read(struct fy_volume *const *disks, size_t n_disks, int fd,
		    struct fy_extents *const *ret, struct fy_error *err);
/*
 * Write it to the disks, and flush.  'changed' is what fy_changes_read found, of
 * which the undo log has the old content: what else the file names by now (a
 * process that outlived the one that wrote it may hold it) is not written, and
 * is FY_E_CORRUPT.
 */
int fy_changes_apply(struct fy_volume *const *disks, size_t n_disks, int fd,
		     struct fy_extents *const *changed,
		     struct fy_progress *progress, struct fy_error *err);

#endif
