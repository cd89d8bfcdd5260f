/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_MEMBER_H
#define FY_MEMBER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/volume.h"

/*
 * What a volume is a part of: an LVM2 volume group or an md array.
 */
enum fy_member_kind { FY_MEMBER_NONE, FY_MEMBER_LVM, FY_MEMBER_MD };

struct fy_member {
	enum fy_member_kind kind;
	char group[40];	  /* UUID of the group or array; "" when an LVM volume
			    carries no metadata */
	char name[130];	  /* of the volume group; of the array, or "" */
	char member[40];  /* of this part: PV UUID, md device UUID or number */
	unsigned members; /* that belong to the group; 0: not known */
	bool spare;	  /* md: not a part of the data */
};

/*
 * Look at 'v' (borrowed).  None is kind FY_MEMBER_NONE, as is one whose
 * checksum is wrong.  -1: FY_E_IO, FY_E_NOMEM.
 */
int fy_member_read(struct fy_volume *v, struct fy_member *ret,
		   struct fy_error *err);

#endif
