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

/* Whether libguestfs can be loaded; FY_E_NOTFOUND says what to install. */
bool fy_appliance_is_installed(struct fy_error *err);

/*
 * Start it, which takes some seconds (with emulation: a minute).  The disks
 * (borrowed, writable) are not looked at by this process.  'tmpdir': for what
 * libguestfs writes down; NULL: its own choice.  FY_E_NOTFOUND when libguestfs
 * isn't installed.
 */
int fy_appliance_launch(struct fy_volume *const *disks, size_t n,
			const char *tmpdir, struct fy_log *log,
			struct fy_appliance **ret, struct fy_error *err);

/*
 * Once: open the LUKS volumes that a key is for, and add rows to the disks' maps
 * (borrowed) for what lies on volumes that were not put together by ourselves
 * ("luks/UUID", "md/127", "vg/lv").
 */
int fy_appliance_look(struct fy_appliance *a, struct fy_disk_map *const *maps,
		      const struct fy_inject_key *keys, size_t n_keys,
		      struct fy_error *err);

/* No thread serves its disks between the two.  NULL is fine. */
void fy_appliance_pause(struct fy_appliance *a);
int fy_appliance_resume(struct fy_appliance *a, struct fy_error *err);

/* The directory of its sockets, which fy_appliance_stop can't remove in a
 * confined process.  NULL: none. */
const char *fy_appliance_leaves(const struct fy_appliance *a);

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
