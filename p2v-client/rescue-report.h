/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_RESCUE_REPORT_H
#define FY_RESCUE_REPORT_H

#include "p2v-client/client-job.h"
#include "p2v-client/peer.h"

/*
 * What could not be read of the disks, for people and the server.
 */

/* Sums and ranges into 'ret'; what it had is replaced. */
int fy_rescue_sum_up(const struct fy_client_disk *disks, size_t n,
		     struct fy_convert_result *ret, struct fy_error *err);

/*
 * After the copy, if something could not be read: find the files that are hit,
 * put all into 'ret', log it, and tell 'peer' (UNREADABLE; NULL: don't).  That
 * files can't be found is no failure.  The disks' volumes and maps are open.
 */
int fy_rescue_report(const struct fy_client_disk *disks, size_t n,
		     struct fy_peer *peer, struct fy_log *log,
		     const struct fy_stop *stop, struct fy_convert_result *ret,
		     struct fy_error *err);

#endif
