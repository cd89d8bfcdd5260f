/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CLONEZILLA_FILES_H
#define FY_CLONEZILLA_FILES_H

#include "partclone/save.h"

/* What the files of a Clonezilla image are made from. */
struct fy_cz_files {
	int dirfd;	  /* of the directory that is being made */
	const char *disk; /* "sda" */
	const struct fy_source *source;
};

/* "sda1", "nvme0n1p1". */
void fy_cz_part_name(const char *disk, unsigned number, char ret[64]);

/* A file of the directory, on the disk when it returns; 'ending' goes behind the
 * disk's name. */
int fy_cz_put(const struct fy_cz_files *f, const char *ending, const void *data,
	      size_t len, struct fy_error *err);

/* All files of the partition table.  FY_E_UNSUPPORTED for a disk without one or
 * with sectors of other than 512 bytes. */
int fy_cz_put_table(const struct fy_cz_files *f, struct fy_error *err);

/* The lists of devices; 'parts' is what the file of that name says. */
int fy_cz_put_lists(const struct fy_cz_files *f, const char *parts,
		    struct fy_error *err);

#endif
