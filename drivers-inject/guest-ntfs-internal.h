/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_GUEST_NTFS_INTERNAL_H
#define FY_GUEST_NTFS_INTERNAL_H

#include <errno.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>

#include <ntfs-3g/types.h>
#include <ntfs-3g/layout.h>
#include <ntfs-3g/volume.h>
#include <ntfs-3g/attrib.h>
#include <ntfs-3g/device.h>
#include <ntfs-3g/dir.h>
#include <ntfs-3g/inode.h>
#include <ntfs-3g/logging.h>
#include <ntfs-3g/security.h>
#include <ntfs-3g/unistr.h>

#include "common/error.h"
#include "common/volume.h"

/* An open NTFS. */
struct fy_ntfs_guest {
	struct fy_volume *target;  /* borrowed */
	struct fy_volume *overlay; /* NULL: for reading */
	struct fy_volume *io;	   /* one of both, for the library */
	struct ntfs_device *dev;
	ntfs_volume *vol;
	s64 position;
	uint64_t reads;
	struct fy_error failure; /* the first one of 'io' */
	bool secure;		 /* $Secure is open */
};

/* The library's device above 'io' of its private data, a struct above. */
extern struct ntfs_device_operations fy_ntfs_device;

#endif
