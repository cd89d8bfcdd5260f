/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SYSTEM_H
#define FY_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json.h"
#include "common/log.h"
#include "common/volume.h"
#include "drivers-inject/devices.h"
#include "drivers-inject/guest.h"
#include "drivers-inject/inject.h"
#include "drivers-inject/text.h"
#include "partclone/disk.h"

/*
 * The disks under injection (or inspection), what lies on them, the report,
 * and a guest system found there.
 */
struct fy_disks {
	struct fy_volume *const *base; /* borrowed */
	struct fy_volume **cached;     /* the bases, read through a cache */
	struct fy_volume **work;       /* overlays on these; the same when
					  reading */
	/* What lies on 'work', and (once it is asked for) on 'base'. */
	struct fy_disk_set *set, *before;
	struct fy_disk_map **maps; /* of 'set' */
	size_t n;
	/* libguestfs's, once it is needed; before that, when it had to be
	 * started early; or why there is none. */
	struct fy_appliance *appliance, *launched;
	struct fy_error no_appliance;
	/* What systems mount: a root is hardly there. */
	const struct fy_disk_volume **claimed;
	size_t n_claimed;
	bool writable;
	const struct fy_inject_options *options; /* NULL when only looking */
	struct fy_log *log;
	struct fy_devices *devices;
	json_t *report;
	size_t n_warnings; /* those that were left out, too */
	uint64_t unpack;   /* bytes of initramfs that may be unpacked still */
	/* Filesystems that were written to, to be checked at the end. */
	struct fy_written {
		const struct fy_guest_driver *driver;
		unsigned disk;
		const struct fy_disk_volume *volume;
	} * written;
	size_t n_written;
	/* The kernels of all systems, those that will find their disk on
	 * virtio, and what is to be said of the first other one (malloc'd). */
	size_t n_kernels, n_booting;
	char *blind;
	/* Who has done a person's wishes (custom.h): a Linux system, a Windows;
	 * and whether one of these gets the guest agent. */
	struct fy_customised {
		bool on_linux, on_windows, agent;
	} customised;
};

/* Append a warning to the report and the log.  Returns 0, or -1 without
 * memory. */
int fy_disks_warn(struct fy_disks *d, struct fy_error *err, const char *fmt,
		  ...) __attribute__((format(printf, 3, 4)));
/* Something that was left alone: "skipped" of the report. */
int fy_disks_skip(struct fy_disks *d, unsigned disk, const char *volume,
		  const char *path, const char *why, struct fy_error *err);
/* A JSON string from foreign bytes, which need not be UTF-8. */
json_t *fy_json_foreign(const char *s);
json_t *fy_json_foreign_list(const struct fy_string_set *s);
/* Remember that a filesystem was written to. */
int fy_disks_wrote(struct fy_disks *d, const struct fy_guest_driver *driver,
		   unsigned disk, const struct fy_disk_volume *volume,
		   struct fy_error *err);

/* --- places (places.c) ----------------------------------------------------- */

/*
 * The bytes of a volume, which begins on disk 'disk': of the overlays, or as it
 * was ('base').  To be closed.  FY_E_UNSUPPORTED when they can't be had.
 */
int fy_disks_slice(struct fy_disks *d, unsigned disk,
		   const struct fy_disk_volume *v, bool base,
		   struct fy_volume **ret, struct fy_error *err);

/* The driver for what lies there, or NULL. */
const struct fy_guest_driver *fy_disks_driver(const struct fy_disks *d,
					      const struct fy_disk_volume *v);

/*
 * What that driver opens: the bytes, or a place in the appliance, which is
 * started if need be.  'subvolume' may be NULL.  FY_E_UNSUPPORTED with what to
 * install.
 */
int fy_disks_place(struct fy_disks *d, unsigned disk,
		   const struct fy_disk_volume *v, const char *subvolume,
		   struct fy_volume **ret, struct fy_error *err);

/* For this one alone the appliance need not be started. */
int fy_disks_claim(struct fy_disks *d, const struct fy_disk_volume *v,
		   struct fy_error *err);
bool fy_disks_is_claimed(const struct fy_disks *d,
			 const struct fy_disk_volume *v);

/* Whether a key for that LUKS volume was given. */
bool fy_disks_has_key(const struct fy_disks *d, const struct fy_disk_volume *v);

/*
 * Start the appliance when something that nobody claimed is out of reach
 * without it; where that fails, what is left alone is told.
 */
int fy_disks_reach_all(struct fy_disks *d, struct fy_error *err);

/* All is open, and the appliance started if that is to come first: have the
 * process confined. */
int fy_disks_confine(struct fy_disks *d, struct fy_error *err);

/* FY_E_UNSUPPORTED when the appliance was needed and may not be started: it has
 * to be begun anew with one. */
int fy_disks_check_reach(const struct fy_disks *d, struct fy_error *err);

struct fy_family;

struct fy_system {
	const struct fy_family *family;
	void *own; /* the family's */
	struct fy_disks *disks;
	unsigned disk;
	const struct fy_disk_volume *root;
	char *subvolume; /* of it; NULL: the default one */
	struct fy_guest *guest;
	struct fy_volume **slices;
	size_t n_slices;
	struct fy_fstab_line *fstab;
	size_t n_fstab;
	char *id, *version, *pretty_name, *arch, *hostname;
	/* "debian", "redhat", "suse", "arch", "alt", "other"; NULL where the
	 * family knows no such thing. */
	const char *distribution;
	const char *package_format;   /* "deb", "rpm", "pacman", ... or NULL */
	struct fy_string_set kernels; /* versions, newest first */
	struct fy_string_set bootloaders;
	const char *initramfs; /* "initramfs-tools", "dracut", ... or NULL */
	enum fy_firmware firmware;
	/* NULL, or why this system can't be edited (malloc'd). */
	char *refused;
};

void fy_system_free(struct fy_system *s);
FY_DEFINE_AUTO(system, struct fy_system, fy_system_free)

/* The system whose root is on that volume; '*ret' NULL when there is none. */
int fy_system_open(struct fy_disks *d, unsigned disk,
		   const struct fy_disk_volume *v, struct fy_system **ret,
		   struct fy_error *err);
json_t *fy_system_json(const struct fy_system *s, struct fy_error *err);

/* Put the filesystem of a volume at 'path' of the system's guest, repairing it
 * first where it must be written to and is not clean. */
int fy_system_mount(struct fy_system *s, const char *path, unsigned disk,
		    const struct fy_disk_volume *v, struct fy_error *err);
/* The same with fstab's options, of which a Btrfs's subvol= counts. */
int fy_system_mount_options(struct fy_system *s, const char *path,
			    unsigned disk, const struct fy_disk_volume *v,
			    const char *options, struct fy_error *err);
/* This system can't be edited; the first reason counts. */
int fy_system_refuse(struct fy_system *s, const char *why,
		     struct fy_error *err);

/* The EFI system partition of a disk, or NULL. */
const struct fy_disk_volume *fy_disks_esp(const struct fy_disks *d,
					  unsigned disk);

/* --- changing files (edit.c) ----------------------------------------------
 * All keep the original in the job's directory first, and report. */

/* A file's content; the report's entry gets 'why', and 'extra' (borrowed, may
 * be NULL) merged in. */
int fy_system_write(struct fy_disks *d, struct fy_guest *g, const char *path,
		    uint64_t keep, const void *data, size_t len,
		    const char *why, json_t *extra, struct fy_error *err);
/* A change that was made in another way, for the report. */
int fy_disks_changed(struct fy_disks *d, unsigned disk, const char *volume,
		     const char *path, const char *action, const char *why,
		     struct fy_error *err);
/* A new file, root's, 0644. */
int fy_system_create(struct fy_disks *d, struct fy_guest *g, const char *path,
		     const void *data, size_t len, const char *why,
		     struct fy_error *err);

/* The same with these permission bits; those of a file that is there stay. */
int fy_system_create_as(struct fy_disks *d, struct fy_guest *g,
			const char *path, uint32_t mode, const void *data,
			size_t len, const char *why, struct fy_error *err);
/* A directory, root's; one that is there stays as it is. */
int fy_system_mkdir(struct fy_disks *d, struct fy_guest *g, const char *path,
		    uint32_t mode, const char *why, struct fy_error *err);
/* A new symlink; the last component of 'path' is not followed. */
int fy_system_symlink(struct fy_disks *d, struct fy_guest *g, const char *path,
		      const char *target, const char *why,
		      struct fy_error *err);
/* Within a filesystem, reported as "removed" and "added". */
int fy_system_rename(struct fy_disks *d, struct fy_guest *g, const char *path,
		     const char *to, const char *why, struct fy_error *err);

/* --- a Linux guest --------------------------------------------------------- */

bool fy_linux_is_root(struct fy_guest *g);
/* See the family (linux-mounts.c). */
int fy_linux_open(struct fy_system *s, bool *ret_other, struct fy_error *err);

/* Fill in what the system is, from its files (linux-describe.c). */
int fy_linux_describe(struct fy_system *s, struct fy_error *err);

/* A file that also goes into the initramfs. */
struct fy_linux_extra {
	char *path;
	char *data;
	size_t len;
};
struct fy_linux_extras {
	struct fy_linux_extra *items;
	size_t n;
};
void fy_linux_extras_release(struct fy_linux_extras *e);

/* Keep the names of network interfaces (linux-net.c); .link files are appended
 * to 'extras'. */
int fy_linux_network(struct fy_system *s, struct fy_linux_extras *extras,
		     struct fy_error *err);

/* Make the ESP boot without boot variables (linux-esp.c). */
int fy_linux_esp(struct fy_system *s, struct fy_error *err);

/* Each kernel's initramfs (linux-kernels.c). */
int fy_linux_kernels(struct fy_system *s, const struct fy_linux_extras *extras,
		     struct fy_error *err);

#endif
