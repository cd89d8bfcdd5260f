/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_APPLIANCE_H
#define FY_APPLIANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/log.h"
#include "common/volume.h"
#include "drivers-inject/inject.h"
#include "partclone/disk.h"

/*
 * libguestfs's appliance (a small virtual machine with a kernel and tools of
 * its own) over all disks of an injection, for filesystems and layers that no
 * library of ours writes.  It gets the disks as FUSE shows them, that is, their
 * overlays: what it does is undone, forgotten and reported as everything else.
 *
 * libguestfs is loaded when it is asked for; programs do not need it to start.
 *
 * Threads: one caller at a time.
 */
struct fy_appliance;

struct fy_appliance_disk {
	struct fy_volume *volume; /* borrowed; writable */
	struct fy_disk_map *map;  /* borrowed; rows are added to it */
};

/*
 * Start it, which takes some seconds (with emulation: a minute), open the LUKS
 * volumes that a key is for, and add rows for what lies on volumes that were
 * not put together by ourselves ("luks/UUID", "md/127", "vg/lv").  'keys' are
 * borrowed.  FY_E_NOTFOUND when libguestfs isn't installed; the message says
 * what to install.
 */
int fy_appliance_start(const struct fy_appliance_disk *disks, size_t n,
		       const struct fy_inject_key *keys, size_t n_keys,
		       struct fy_log *log, struct fy_appliance **ret,
		       struct fy_error *err);

/*
 * End it and free it, in every case.  All that it wrote is on the disks then;
 * it is an error when a disk failed meanwhile, or something could not be put
 * away.  NULL is fine.
 */
int fy_appliance_stop(struct fy_appliance *a, struct fy_error *err);

/* Whether the appliance found that volume, so that only it can reach it. */
bool fy_appliance_owns(const struct fy_appliance *a,
		       const struct fy_disk_volume *v);

/* Whether a key has opened that LUKS volume. */
bool fy_appliance_opened(const struct fy_appliance *a,
			 const struct fy_disk_volume *v);

/*
 * A volume of disk 'disk' in the appliance, for fy_guest_libguestfs: it stands
 * for its place there, and has no bytes to be read.  'subvolume' of a Btrfs
 * (copied); NULL: its default.  FY_E_NOTFOUND when the appliance has none.
 */
int fy_appliance_place(struct fy_appliance *a, unsigned disk,
		       const struct fy_disk_volume *v, const char *subvolume,
		       struct fy_volume **ret, struct fy_error *err);

#endif
