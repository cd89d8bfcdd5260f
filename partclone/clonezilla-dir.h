/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CLONEZILLA_DIR_H
#define FY_CLONEZILLA_DIR_H

#include "partclone/clonezilla.h"

/* What the readers of a Clonezilla image's texts share. */

/* FY_E_UNSUPPORTED, naming it. */
int fy_cz_refuse(const struct fy_cz_image *c, const char *what,
		 struct fy_error *err);

/* A text file of at most 'max' bytes, malloc'd; NULL when it is not there. */
int fy_cz_read_text(const struct fy_cz_image *c, const char *name, size_t max,
		    char **ret, size_t *ret_len, struct fy_error *err);

/* Take the UUID and label from swappt-NAME.info, if it is there. */
int fy_cz_read_swap(struct fy_cz_image *c, struct fy_cz_part *p,
		    struct fy_error *err);

#define FY_CZ_TEXT_MAX ((size_t)1 << 20)

/*
 * LVM (clonezilla-lvm.c): read the lists and the groups of the disk's PVs, after
 * the partitions; those that are PVs become FY_CZ_PV.  'chosen': the image may
 * have other disks.  FY_E_FORMAT, FY_E_UNSUPPORTED.
 */
int fy_cz_lvm_open(struct fy_cz_image *c, bool chosen, struct fy_error *err);

/* Whether 'rest' of "VG-LV.REST" is what an image's name has there. */
bool fy_cz_lvm_is_image(const char *rest);

/* After the files were found: each LV has something. */
int fy_cz_lvm_check(struct fy_cz_image *c, struct fy_error *err);

void fy_cz_lvm_release(struct fy_cz_lvm *l);

#endif
