/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SYSTEMS_H
#define FY_SYSTEMS_H

#include "common/error.h"
#include "common/machine.h"
#include "common/volume.h"

/*
 * Look for an operating system on the ext2/3/4 filesystem on 'v' (borrowed),
 * which is volume 'path' of disk number 'disk', and add it to 'm'.  A
 * filesystem without one, or one that can't be read, adds nothing.
 * -1: FY_E_NOMEM.
 */
int fy_systems_look(struct fy_volume *v, unsigned disk, const char *path,
		    struct fy_machine *m, struct fy_error *err);

/* The same for a Windows on NTFS: that it is one, no more. */
int fy_systems_look_ntfs(struct fy_volume *v, unsigned disk, const char *path,
			 struct fy_machine *m, struct fy_error *err);

/* Its network configuration into 's' (of 'm', whose NICs are known by now);
 * 'v' as above.  What can't be read adds nothing.  -1: FY_E_NOMEM. */
int fy_systems_network(struct fy_volume *v, const struct fy_machine *m,
		       struct fy_machine_system *s, struct fy_error *err);

#endif
