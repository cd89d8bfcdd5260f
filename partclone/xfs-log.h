/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_XFS_LOG_H
#define FY_XFS_LOG_H

#include "common/stop.h"
#include "partclone/xfs-super.h"

/*
 * Whether XFS's internal log has nothing to replay: it ends with the record of
 * an unmount, or was never written to.  '*ret_why' is NULL then, else words for
 * the user, to follow "its log": "holds ...".  What can't be understood is not
 * clean.
 *
 * 'v' is asked for single sectors: a cached view of the volume.
 * 0, or -1: FY_E_IO, FY_E_NOMEM, FY_E_CANCELLED.
 */
int fy_xfs_log_check(struct fy_volume *v, const struct fy_xfs *fs,
		     const struct fy_stop *stop, const char **ret_why,
		     struct fy_error *err);

#endif
