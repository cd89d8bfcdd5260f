/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_E2FSCK_H
#define FY_E2FSCK_H

#include <stddef.h>
#include <time.h>

#include "common/error.h"
#include "common/volume.h"

/*
 * When the filesystem was last written to (s_wtime): the time of all that we
 * write to it.  So the same disk gives the same image, whenever it is
 * converted.  The present when the superblock doesn't tell.
 */
time_t fy_e2fsck_last_written(struct fy_volume *v);

/*
 * Run `e2fsck HOW [-E EXTENDED]` on the filesystem that fills 'v' (borrowed;
 * written to as 'how' says).  '*ret_status' is its exit status, 0 to 7; 8 and
 * above is FY_E_CHILD.  'ret_tail' gets what it said, shortened.  In a worker
 * its stop ends it: FY_E_CANCELLED.
 */
int fy_e2fsck_run(struct fy_volume *v, const char *how, const char *extended,
		  int *ret_status, char *ret_tail, size_t tail_size,
		  struct fy_error *err);

#endif
