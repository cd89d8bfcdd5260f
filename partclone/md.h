/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_MD_H
#define FY_MD_H

#include <stdbool.h>

#include "common/volume.h"

/*
 * The superblock of a member of an md array: 0.90 (in either byte order), 1.0,
 * 1.1 and 1.2.
 */
#define FY_MD_NOTE 120

struct fy_md_super {
	char version[8];	/* "0.90", "1.2" */
	unsigned char uuid[16]; /* of the array */
	char name[40];		/* without the host; 0.90: "127" */
	int64_t level;
	uint32_t disks;		/* of the array */
	uint32_t role;		/* place in it */
	uint64_t events;	/* how new it is */
	uint64_t data_start;	/* bytes on the member */
	uint64_t data_bytes;	/* that the array has of it */
	char whole[FY_MD_NOTE]; /* why the member is used whole; "" */
};

/* FY_E_FORMAT when there is none, or none that can be believed. */
int fy_md_read(struct fy_volume *v, struct fy_md_super *ret,
	       struct fy_error *err);

/* The checksums that belong into a superblock (of 4096 bytes; of 256 bytes and
 * two for each device). */
uint32_t fy_md_checksum_0(const unsigned char *sb, bool big_endian);
uint32_t fy_md_checksum_1(const unsigned char *sb, uint32_t devices);

#endif
