/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_GUEST_H
#define FY_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/volume.h"

/*
 * A guest's files: one tree made of several filesystems at their mount points.
 * Nothing of the guest is run or mounted; each filesystem is read and written
 * by a driver over a volume.  Symlinks are followed inside the guest's root
 * only.
 *
 * Threads: one caller at a time.
 */
enum fy_guest_type {
	FY_GUEST_FILE,
	FY_GUEST_DIR,
	FY_GUEST_LINK,
	FY_GUEST_OTHER,
};

struct fy_guest_stat {
	enum fy_guest_type type;
	uint32_t mode; /* permission bits */
	uint32_t uid, gid;
	uint64_t size;
};

/* For each entry but "." and "..".  -1 ends the listing with 'err'. */
typedef int (*fy_guest_each)(void *ctx, const char *name,
			     enum fy_guest_type type, struct fy_error *err);

/*
 * A filesystem.  Paths are relative to its root, without leading or double
 * "/", "" for the root, and hold no symlinks, "." or ".."; the last component
 * may be a symlink, which is not followed.  A missing one is FY_E_NOTFOUND.
 */
struct fy_guest_driver {
	const char *name;
	/* Case does not matter in names. */
	bool caseless;
	/* Systems have their roots on it. */
	bool has_roots;
	/* Its volumes are places in the appliance (appliance.h). */
	bool in_appliance;
	/* 'v' is borrowed until close; 'writable' needs a writable volume, and
	 * a filesystem that is not safe to write to is FY_E_DIRTY. */
	int (*open)(struct fy_volume *v, bool writable, void **ret,
		    struct fy_error *err);
	/* Make an unclean filesystem clean, before open.  NULL: can't. */
	int (*repair)(struct fy_volume *v, struct fy_error *err);
	/* After the close of one that was written to: FY_E_CORRUPT when it is
	 * not consistent.  'before' is the volume as it was.  NULL: no check.
	 * '*ret_note' may get a malloc'd text for the report. */
	int (*verify)(struct fy_volume *v, struct fy_volume *before,
		      char **ret_note, struct fy_error *err);
	/* Frees in every case; writes what is pending when 'commit'. */
	int (*close)(void *h, bool commit, struct fy_error *err);
	int (*stat)(void *h, const char *path, struct fy_guest_stat *ret,
		    struct fy_error *err);
	int (*readlink)(void *h, const char *path, char **ret,
			struct fy_error *err);
	/* Of a regular file. */
	int (*pread)(void *h, const char *path, void *buf, size_t len,
		     uint64_t offset, struct fy_error *err);
	int (*list)(void *h, const char *path, fy_guest_each each, void *ctx,
		    struct fy_error *err);
	/* An existing file: its first 'keep' bytes stay, 'data' follows, and
	 * there it ends.  Owner, mode and attributes stay. */
	int (*write)(void *h, const char *path, uint64_t keep, const void *data,
		     size_t len, struct fy_error *err);
	/* A new file or directory in a directory that exists. */
	int (*create)(void *h, const char *path, const struct fy_guest_stat *st,
		      const void *data, size_t len, struct fy_error *err);
	int (*free_bytes)(void *h, uint64_t *ret, struct fy_error *err);
	/* The subvolumes that may hold a root, the likely ones first, besides
	 * the default one; for fy_guest_names_free.  NULL: has none. */
	int (*subvolumes)(struct fy_volume *v, char ***ret, size_t *ret_n,
			  struct fy_error *err);
	/* The rest may be NULL: the filesystem (or its driver) can't. */
	/* A new symlink, with owner of 'st', in a directory that exists. */
	int (*symlink)(void *h, const char *path, const char *target,
		       const struct fy_guest_stat *st, struct fy_error *err);
	/* A file, a symlink or an empty directory. */
	int (*remove)(void *h, const char *path, struct fy_error *err);
	/* 'to' does not exist; its directory does. */
	int (*rename)(void *h, const char *path, const char *to,
		      struct fy_error *err);
	/* Owner and permission bits of an existing file or directory. */
	int (*set_stat)(void *h, const char *path,
			const struct fy_guest_stat *st, struct fy_error *err);
	/* An extended attribute ("security.selinux") of what 'path' is itself;
	 * FY_E_NOTFOUND without it.  '*ret' is malloc'd, a NUL behind it. */
	int (*get_xattr)(void *h, const char *path, const char *name,
			 char **ret, size_t *ret_len, struct fy_error *err);
	int (*set_xattr)(void *h, const char *path, const char *name,
			 const void *data, size_t len, struct fy_error *err);
};

extern const struct fy_guest_driver fy_guest_ext;	 /* ext2, ext3, ext4 */
extern const struct fy_guest_driver fy_guest_fat;	 /* by mtools */
extern const struct fy_guest_driver fy_guest_ntfs;	 /* by libntfs-3g */
extern const struct fy_guest_driver fy_guest_libguestfs; /* XFS, Btrfs, ... */

/* The driver for a filesystem of that name (blkid's), or NULL. */
const struct fy_guest_driver *fy_guest_driver_find(const char *filesystem);

struct fy_guest;

struct fy_guest *fy_guest_new(struct fy_error *err);
/* Drops what was not committed.  NULL is fine. */
void fy_guest_free(struct fy_guest *g);
FY_DEFINE_AUTO(guest, struct fy_guest, fy_guest_free)
#define fy_autoguest FY_AUTO(guest)

/*
 * Put the filesystem on 'v' (borrowed) at 'path'; the first one must be "/".
 * 'disk' and 'volume' (copied) say where that is, for reports.
 */
int fy_guest_mount(struct fy_guest *g, const char *path,
		   const struct fy_guest_driver *driver, struct fy_volume *v,
		   bool writable, unsigned disk, const char *volume,
		   struct fy_error *err);

/* Close all filesystems, writing what is pending.  Then only _mounts and
 * _free may be called. */
int fy_guest_commit(struct fy_guest *g, struct fy_error *err);

struct fy_guest_mount {
	char *path; /* "" for the root, else "/boot" */
	const struct fy_guest_driver *driver;
	struct fy_volume *volume;
	void *handle; /* NULL once closed */
	unsigned disk;
	char *name; /* of the volume */
	bool written;
};
const struct fy_guest_mount *fy_guest_mounts(const struct fy_guest *g,
					     size_t *ret_n);

/*
 * Paths below are the guest's, from its root, with or without a leading "/".
 * Symlinks are followed (40 at most).  FY_E_NOTFOUND when it isn't there.
 */
int fy_guest_stat(struct fy_guest *g, const char *path,
		  struct fy_guest_stat *ret, struct fy_error *err);
bool fy_guest_has(struct fy_guest *g, const char *path);
bool fy_guest_is_dir(struct fy_guest *g, const char *path);
/* The path without symlinks, malloc'd, and the filesystem that holds it (may
 * be NULL).  Its last component need not exist. */
int fy_guest_real_path(struct fy_guest *g, const char *path, char **ret,
		       const struct fy_guest_mount **ret_mount,
		       struct fy_error *err);
/* The target of the symlink that 'path' is itself, malloc'd. */
int fy_guest_readlink(struct fy_guest *g, const char *path, char **ret,
		      struct fy_error *err);
/* As fy_file_read_at.  What is no regular file is FY_E_FORMAT. */
int fy_guest_read(struct fy_guest *g, const char *path, size_t max, char **ret,
		  size_t *ret_len, struct fy_error *err);
int fy_guest_pread(struct fy_guest *g, const char *path, void *buf, size_t len,
		   uint64_t offset, struct fy_error *err);
int fy_guest_list(struct fy_guest *g, const char *path, fy_guest_each each,
		  void *ctx, struct fy_error *err);
/* The names of the entries of a directory, sorted; none when it is missing.
 * Free with fy_guest_names_free. */
int fy_guest_names(struct fy_guest *g, const char *path, char ***ret,
		   size_t *ret_n, struct fy_error *err);
void fy_guest_names_free(char **names, size_t n);
int fy_guest_free_bytes(struct fy_guest *g, const char *path, uint64_t *ret,
			struct fy_error *err);

/* See the driver.  Refused with FY_E_UNSUPPORTED: files that are immutable,
 * encrypted, sealed by verity, or no regular files. */
int fy_guest_write(struct fy_guest *g, const char *path, uint64_t keep,
		   const void *data, size_t len, struct fy_error *err);
/* A new file of root's with these permission bits. */
int fy_guest_create(struct fy_guest *g, const char *path, uint32_t mode,
		    const void *data, size_t len, struct fy_error *err);
/* The directory and what is missing above it, root's, 0755. */
int fy_guest_mkdir(struct fy_guest *g, const char *path, struct fy_error *err);
/* As the driver's; the last component is not followed.  FY_E_UNSUPPORTED where
 * the filesystem can't. */
int fy_guest_symlink(struct fy_guest *g, const char *path, const char *target,
		     struct fy_error *err);
int fy_guest_remove(struct fy_guest *g, const char *path, struct fy_error *err);
int fy_guest_rename(struct fy_guest *g, const char *path, const char *to,
		    struct fy_error *err);
int fy_guest_set_stat(struct fy_guest *g, const char *path,
		      const struct fy_guest_stat *st, struct fy_error *err);
int fy_guest_get_xattr(struct fy_guest *g, const char *path, const char *name,
		       char **ret, size_t *ret_len, struct fy_error *err);
int fy_guest_set_xattr(struct fy_guest *g, const char *path, const char *name,
		       const void *data, size_t len, struct fy_error *err);

#endif
