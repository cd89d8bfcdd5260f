/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_FILESYSTEM_H
#define FY_FILESYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/extents.h"
#include "common/log.h"
#include "common/options.h"
#include "common/stop.h"
#include "common/volume.h"

/*
 * What lies on a volume, and which of its bytes are used.
 *
 * A filesystem is known by its signature (a table, signature.c); for some of
 * them there is a driver that yields the used extents.  What has a signature
 * but no driver, or two signatures that exclude each other, is copied whole.
 */
#define FY_FS_NOTE 256

struct fy_fs_driver;

struct fy_fs_info {
	const char *name; /* blkid's; NULL: nothing recognised */
	const struct fy_fs_driver *driver; /* NULL: no map can be had */
	char uuid[64];			   /* as blkid shows; "" */
	char label[520];       /* as blkid shows; UTF-8 made valid; "" */
	char note[FY_FS_NOTE]; /* why there is no map; "" */
};

struct fy_fs_map_options {
	bool allow_dirty; /* an unclean filesystem is used whole */
	struct fy_log *log;
	const struct fy_stop *stop;
};

struct fy_fs_result {
	bool whole;	/* no map was possible: all of the volume is used */
	uint64_t bytes; /* how far the filesystem reaches; else the volume's */
	char note[FY_FS_NOTE]; /* for people; "" */
	bool warn;	       /* the note is a warning */
};

/* A volume as a member of a filesystem on several. */
struct fy_fs_member {
	char set[64]; /* the filesystem's id, the same for all members */
	uint64_t id;  /* of the member in it */
	uint64_t n;   /* how many it has */
};

/* Files that lie in some ranges of a volume. */
struct fy_fs_hits {
	struct fy_strings paths; /* what is not printable ASCII or UTF-8 as
				    \xNN; at most 'most' of them */
	uint64_t more;		 /* files that are hit besides these */
	uint64_t other_blocks;	 /* hit and of no file: the filesystem's own, or
				  of nothing */
};

struct fy_fs_driver {
	const char *name; /* of the family: "ext", "fat", "swap" */

	/*
	 * Whether the filesystem at the start of 'v' is of this family: 1 (and
	 * name, uuid and label of 'ret' set), 0, or -1 (FY_E_IO, FY_E_NOMEM).
	 * NULL: the row of that name in the table of signatures tells.
	 */
	int (*probe)(struct fy_volume *v, struct fy_fs_info *ret,
		     struct fy_error *err);

	/*
	 * Append the used extents (bytes on 'v', sorted, block-aligned).  What
	 * cannot be proved free is used.  With ret->whole nothing need be
	 * appended; 'used' is cut back by the caller then, and on failure.
	 * FY_E_IO, FY_E_NOMEM, FY_E_CANCELLED, FY_E_DIRTY with what to do,
	 * FY_E_UNSUPPORTED when no copy of this volume alone would be usable.
	 */
	int (*read_map)(struct fy_volume *v,
			const struct fy_fs_map_options *options,
			struct fy_extents *used, struct fy_fs_result *ret,
			struct fy_error *err);

	/*
	 * For a filesystem that may lie on several volumes at once (Btrfs):
	 * which one this is a member of ('n' 1: it stands alone, or is too
	 * damaged to tell).  0, or -1.  NULL: never on several.
	 */
	int (*member)(struct fy_volume *v, struct fy_fs_member *ret,
		      struct fy_error *err);

	/*
	 * The same as read_map for all members at once, in any order: 'used[i]'
	 * belongs to 'v[i]', and all of them share 'ret'.  For more than one
	 * 'ret->bytes' is left alone: what lies behind the filesystem's end on
	 * a volume is among its used extents.
	 */
	int (*read_map_set)(struct fy_volume *const *v, size_t n,
			    const struct fy_fs_map_options *options,
			    struct fy_extents *const *used,
			    struct fy_fs_result *ret, struct fy_error *err);

	/*
	 * Which files lie in 'ranges' (n of them, sorted, disjoint, bytes on
	 * 'v'), with their data or with what only describes them.  One that
	 * nothing names is told by its number.  'v' should read as zeros where
	 * it can't be read.  Release ret->paths, on failure too.  FY_E_IO,
	 * FY_E_FORMAT, FY_E_UNSUPPORTED, FY_E_NOMEM, FY_E_CANCELLED.  NULL: it
	 * can't be told.
	 */
	int (*files)(struct fy_volume *v, const struct fy_extent *ranges,
		     size_t n, size_t most, const struct fy_stop *stop,
		     struct fy_fs_hits *ret, struct fy_error *err);
};

/* For drivers: no map, all of the volume is used; why, in the note.  Returns
 * 0. */
int fy_fs_whole(struct fy_fs_result *ret, bool warn, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

extern const struct fy_fs_driver fy_fs_apfs;
extern const struct fy_fs_driver fy_fs_btrfs;
extern const struct fy_fs_driver fy_fs_exfat;
extern const struct fy_fs_driver fy_fs_ext;
extern const struct fy_fs_driver fy_fs_f2fs;
extern const struct fy_fs_driver fy_fs_fat;
extern const struct fy_fs_driver fy_fs_jfs;
extern const struct fy_fs_driver fy_fs_minix;
extern const struct fy_fs_driver fy_fs_nilfs2;
extern const struct fy_fs_driver fy_fs_ntfs;
extern const struct fy_fs_driver fy_fs_reiserfs;
extern const struct fy_fs_driver fy_fs_swap;
extern const struct fy_fs_driver fy_fs_ufs;
extern const struct fy_fs_driver fy_fs_xfs;

/* Find out what lies on 'v'.  -1: FY_E_IO, FY_E_NOMEM. */
int fy_fs_identify(struct fy_volume *v, struct fy_fs_info *ret,
		   struct fy_error *err);

/*
 * The used extents of 'v', whose 'info' is known.  Everything when there is no
 * driver or when the driver says so.  On failure 'used' is as before.
 */
int fy_fs_map(struct fy_volume *v, const struct fy_fs_info *info,
	      const struct fy_fs_map_options *options, struct fy_extents *used,
	      struct fy_fs_result *ret, struct fy_error *err);

#endif
