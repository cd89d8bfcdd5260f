/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_NTFS_STATE_H
#define FY_NTFS_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "partclone/ntfs-io.h"

enum fy_ntfs_log {
	FY_NTFS_LOG_CLEAN,   /* closed, or emptied */
	FY_NTFS_LOG_OPEN,    /* in use when the machine stopped */
	FY_NTFS_LOG_DAMAGED, /* nothing can be said */
};

struct fy_ntfs_state {
	uint8_t major, minor; /* of NTFS */
	uint16_t flags;	      /* of $Volume */
	enum fy_ntfs_log log;
	bool hibernated; /* hiberfil.sys holds a system */
	bool shadows;	 /* there are shadow copies */
};

#define FY_NTFS_FLAG_DIRTY  0x0001u
#define FY_NTFS_FLAG_CHKDSK 0x4000u /* chkdsk is under way */

/*
 * In which state the volume was left.  Returns: 0, or -1: FY_E_IO, FY_E_NOMEM,
 * FY_E_CANCELLED, FY_E_FORMAT when $Volume or the root directory make no sense.
 */
int fy_ntfs_read_state(struct fy_ntfs *nt, struct fy_ntfs_state *ret,
		       struct fy_error *err);

/* Why such a volume's metadata on the disk is not to be relied on, NULL when it
 * is; '*ret_cure' is what to do. */
const char *fy_ntfs_unclean(const struct fy_ntfs_state *s,
			    const char **ret_cure);

#endif
