/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SIGNATURE_H
#define FY_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/volume.h"
#include "partclone/filesystem.h"

/*
 * The magic numbers that libblkid knows too, for everything that has no driver
 * of its own: names, places, uuid and label.
 */
enum fy_signature_class {
	FY_SIGNATURE_FILESYSTEM,
	FY_SIGNATURE_WEAK,   /* so short that it counts only when alone */
	FY_SIGNATURE_MEMBER, /* of an array or a volume group, or encrypted */
	FY_SIGNATURE_TABLE,  /* a partition table that we don't read */
	FY_SIGNATURE_COPY,   /* a second copy: says nothing, but is kept */
};

struct fy_view; /* a volume with its first bytes in memory */

struct fy_signature {
	const char *name; /* blkid's */
	enum fy_signature_class class;
	int64_t at; /* bytes from the start; negative: from the end */
	const char *magic;
	uint8_t magic_len;
	/* Instead of at/magic: 1 with '*ret' the place, 0, -1. */
	int (*find)(struct fy_view *view, uint64_t *ret, struct fy_error *err);
	/* Set uuid and label; 'at' is where the magic was found.  NULL: there
	 * are none, or they need more than a look. */
	int (*details)(struct fy_view *view, uint64_t at,
		       struct fy_fs_info *ret, struct fy_error *err);
};

struct fy_signature_hit {
	const struct fy_signature *signature;
	uint64_t at; /* of the magic */
};

#define FY_SIGNATURE_HITS 32

/* All signatures of 'v'; '*ret_n' of at most FY_SIGNATURE_HITS. */
int fy_signatures_find(struct fy_volume *v,
		       struct fy_signature_hit ret[FY_SIGNATURE_HITS],
		       size_t *ret_n, struct fy_error *err);

/* uuid and label of a hit into 'ret'. */
int fy_signature_details(struct fy_volume *v,
			 const struct fy_signature_hit *hit,
			 struct fy_fs_info *ret, struct fy_error *err);

/* --- for the table and its details ---------------------------------------- */

/* Read from a view: 1; 0 when the range is outside the volume; -1. */
int fy_view_read(struct fy_view *view, uint64_t at, void *ret, size_t len,
		 struct fy_error *err);
uint64_t fy_view_size(const struct fy_view *view);

/* 16 bytes as a UUID; all zero: "". */
void fy_put_uuid(char ret[64], const unsigned char *bytes);

/* A serial number (4 bytes) of FAT and exFAT, as it is shown in place of a UUID. */
void fy_put_serial(char ret[64], const unsigned char *bytes);

/* A text field: cut at NUL, spaces at the end dropped, made valid UTF-8. */
void fy_put_label(struct fy_fs_info *ret, const void *field, size_t len);

/* The same from 'units' UTF-16LE units. */
void fy_put_label_utf16(struct fy_fs_info *ret, const unsigned char *field,
			size_t units);

/* signature-details.c */
#define FY_DETAILS(name)                                                       \
	int name(struct fy_view *view, uint64_t at, struct fy_fs_info *ret,    \
		 struct fy_error *err)
FY_DETAILS(fy_details_xfs);
FY_DETAILS(fy_details_btrfs);
FY_DETAILS(fy_details_ntfs);
FY_DETAILS(fy_details_exfat);
FY_DETAILS(fy_details_f2fs);
FY_DETAILS(fy_details_iso9660);
FY_DETAILS(fy_details_jfs);
FY_DETAILS(fy_details_reiserfs);
FY_DETAILS(fy_details_ufs);
FY_DETAILS(fy_details_nilfs2);
FY_DETAILS(fy_details_apfs);
FY_DETAILS(fy_details_lvm2);
FY_DETAILS(fy_details_luks);
FY_DETAILS(fy_details_md);

#endif
