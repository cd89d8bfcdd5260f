/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_APPLIANCE_INTERNAL_H
#define FY_APPLIANCE_INTERNAL_H

#include <guestfs.h>

#include "drivers-inject/appliance.h"

/*
 * The appliance, between its files:
 *
 *   appliance-library.c  libguestfs by dlopen
 *   appliance-kvm.c      whether KVM works here
 *   appliance.c          start, end, places
 *   appliance-find.c     what is found in it: LUKS, arrays, LVs
 *   guest-libguestfs.c   files, as a driver
 */
#define FY_GUESTFS_FUNCTIONS(X)                                                \
	X(add_drive_opts_argv)                                                 \
	X(btrfs_fsck_argv)                                                     \
	X(btrfs_subvolume_list)                                                \
	X(chmod)                                                               \
	X(close)                                                               \
	X(create_flags)                                                        \
	X(cryptsetup_close)                                                    \
	X(cryptsetup_open_argv)                                                \
	X(e2fsck_argv)                                                         \
	X(feature_available)                                                   \
	X(free_btrfssubvolume_list)                                            \
	X(free_dirent_list)                                                    \
	X(free_statns)                                                         \
	X(free_statvfs)                                                        \
	X(last_errno)                                                          \
	X(last_error)                                                          \
	X(launch)                                                              \
	X(lchown)                                                              \
	X(lgetxattr)                                                           \
	X(list_md_devices)                                                     \
	X(ln_s)                                                                \
	X(lsetxattr)                                                           \
	X(lstatns)                                                             \
	X(lvm_scan)                                                            \
	X(lvs)                                                                 \
	X(md_stop)                                                             \
	X(mkdir_mode)                                                          \
	X(mkmountpoint)                                                        \
	X(mount_options)                                                       \
	X(pread)                                                               \
	X(pwrite)                                                              \
	X(readdir)                                                             \
	X(readlink)                                                            \
	X(rename)                                                              \
	X(rm)                                                                  \
	X(rmdir)                                                               \
	X(rmmountpoint)                                                        \
	X(set_backend)                                                         \
	X(set_backend_setting)                                                 \
	X(set_error_handler)                                                   \
	X(set_tmpdir)                                                          \
	X(shutdown)                                                            \
	X(statvfs)                                                             \
	X(sync)                                                                \
	X(touch)                                                               \
	X(truncate_size)                                                       \
	X(umount)                                                              \
	X(umount_all)                                                          \
	X(vfs_label)                                                           \
	X(vfs_type)                                                            \
	X(vfs_uuid)                                                            \
	X(vg_activate_all)                                                     \
	X(xfs_repair_argv)

struct fy_guestfs {
#define FY_GUESTFS_MEMBER(name) __typeof__(&guestfs_##name) name;
	FY_GUESTFS_FUNCTIONS(FY_GUESTFS_MEMBER)
#undef FY_GUESTFS_MEMBER
};

/* Loaded once, and kept.  NULL: FY_E_NOTFOUND, what to install. */
const struct fy_guestfs *fy_guestfs_load(struct fy_error *err);

/* Whether QEMU runs a machine by KVM, within the time that any real one needs:
 * that /dev/kvm can be opened proves nothing. */
bool fy_kvm_works(void);

/* Something that only the appliance reaches. */
struct fy_appliance_found {
	char *path;   /* of its row */
	char *device; /* there */
};

struct fy_appliance_disk {
	struct fy_volume *volume;
	struct fy_disk_map *map; /* NULL before fy_appliance_look */
};

struct fy_appliance {
	const struct fy_guestfs *f;
	guestfs_h *g;
	struct fy_log *log;
	struct fy_appliance_disk *disks;
	struct fy_exposed **shown;
	size_t n;
	struct fy_appliance_found *found;
	size_t n_found;
	char **opened; /* LUKS: /dev/mapper/... */
	size_t n_opened;
	unsigned mounts;  /* so many were made */
	uint64_t changes; /* how often anything was written */
	char *leaves;	  /* NULL, or the directory of its sockets */
};

/* What failed there, with our code.  Returns -1. */
int fy_appliance_error(const struct fy_appliance *a, struct fy_error *err,
		       const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Open what a key is for, and add rows. */
int fy_appliance_find(struct fy_appliance *a, const struct fy_inject_key *keys,
		      size_t n_keys, struct fy_error *err);

/* Of a volume that fy_appliance_place made, else NULL. */
struct fy_place {
	struct fy_appliance *appliance;
	char *device;
	char *subvolume;  /* NULL */
	char *filesystem; /* blkid's name */
};
struct fy_place *fy_place_of(const struct fy_volume *v);

void fy_guestfs_free_strings(char **list);

#endif
