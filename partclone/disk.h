/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_DISK_H
#define FY_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/extents.h"
#include "common/json.h"
#include "common/log.h"
#include "common/progress.h"
#include "common/stop.h"
#include "common/volume.h"

/*
 * What is used on a disk: its table, its volumes, the used extents of each,
 * and what to do with the bytes that belong to none.
 */
enum fy_how {
	FY_HOW_MAP,	/* by the filesystem's own map */
	FY_HOW_WHOLE,	/* all of it */
	FY_HOW_SKIPPED, /* not copied (a large gap's inside) */
};

struct fy_fs_driver;

/* Types of GPT partitions, as 'type' below has them. */
#define FY_GPT_ESP	 "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define FY_GPT_BIOS_BOOT "21686148-6449-6e6f-744e-656564454649"

struct fy_disk_volume {
	char *path;	 /* "p1" ... partition number, "disk" for a superfloppy,
			   "gap" for bytes in no volume */
	unsigned number; /* partition number, 0 for none */
	uint64_t start, length; /* bytes on the disk */
	char *type;	  /* GPT type GUID in lower case, or MBR type "0x83" */
	char *partuuid;	  /* as blkid's PARTUUID, lower case; NULL */
	char *part_label; /* GPT name; NULL */
	char *filesystem; /* "ext4", "vfat", "swap", "LVM2_member", ...: blkid's
			     names; NULL: nothing recognised */
	const struct fy_fs_driver *driver; /* its; NULL: there is none */
	char *uuid, *label; /* of the filesystem, as blkid shows; NULL */
	uint64_t used_bytes;
	enum fy_how how;
	char *note; /* for people: why whole, what was odd; NULL */
	bool boot;  /* MBR active flag / GPT legacy boot flag */
	/* Of volumes on volumes: "lvm" (path "vg/lv") or "md" (path "md/0"),
	 * and the volume that its first byte lies in.  'start' is that byte's
	 * place on the disk; its other bytes may lie anywhere, on other disks
	 * too.  NULL: a place on the disk. */
	char *layer, *on;
	/* Why such a volume must not be written to, though it can be read: for
	 * what else would change.  Only told of an open set; NULL. */
	char *sealed;
};

struct fy_disk_map {
	uint64_t disk_bytes;
	uint64_t used_bytes;
	uint32_t sector_bytes; /* that the table was read with */
	char *table;	       /* "gpt", "mbr", "none" */
	char *table_uuid;      /* disk GUID, or MBR signature as 8 hex digits */
	struct fy_extents *used; /* on the disk, everything to be copied */
	struct fy_disk_volume *volumes; /* by start; gaps included */
	size_t n_volumes;
	/* What lies on those, each on the first disk that it is on.  Their
	 * bytes are counted to the volumes that they lie on. */
	struct fy_disk_volume *upper;
	size_t n_upper;
	/* More of these that somebody else found (fy_disk_map_add_upper). */
	struct fy_disk_volume **more;
	size_t n_more;
	char **warnings; /* for people; NULL-terminated when n > 0 */
	size_t n_warnings;
};

struct fy_disk_map_options {
	bool allow_dirty; /* a dirty filesystem is copied whole */
	bool all_gaps;
	/* The same disk (or itself), to read single sectors from: then one that
	 * can't be read ends nothing.  Where it may have held a table, a
	 * signature or a map, what that is about is copied whole, and a warning
	 * says so. */
	struct fy_volume *rescue;
	const char *const *whole; /* volumes ("p2") to copy whole, n_whole */
	size_t n_whole;
	struct fy_log *log;
	struct fy_progress *progress;
	const struct fy_stop *stop;
};

/*
 * Read the map.  'options' may be NULL.  FY_E_IO, FY_E_FORMAT (a table that
 * can't be believed), FY_E_DIRTY naming the volume and what to do,
 * FY_E_CANCELLED.
 */
int fy_disk_map_read(struct fy_volume *disk,
		     const struct fy_disk_map_options *options,
		     struct fy_disk_map **ret, struct fy_error *err);

/*
 * The same for a set of disks that belong together: one map for each, in their
 * order ('ret' has room for 'n'; untouched on failure).  'options' are one for
 * each disk, or NULL; log, progress and stop of the first are used for all.
 * When it fails '*ret_at' (if not NULL) says which disk that is about.
 */
int fy_disk_set_read(struct fy_volume *const *disks, size_t n,
		     const struct fy_disk_map_options *options,
		     struct fy_disk_map **ret, size_t *ret_at,
		     struct fy_error *err);
void fy_disk_map_free(struct fy_disk_map *m);
FY_DEFINE_AUTO(disk_map, struct fy_disk_map, fy_disk_map_free)

/* {"disk_bytes","used_bytes","extents":[[offset,length],...],"volumes":[...]}
 * as the design fixes it; 'with_extents' false leaves the extents out. */
json_t *fy_disk_map_json(const struct fy_disk_map *m, bool with_extents,
			 struct fy_error *err);

/* The same with the extents, written out as they are read: a large disk has
 * more of them than fit into a tree.  FY_E_IO. */
int fy_disk_map_write_json(const struct fy_disk_map *m, FILE *to,
			   struct fy_error *err);

/*
 * Only the table and what lies in each partition, without used maps: for
 * images under injection and for inventory.  used/used_bytes are empty,
 * and gaps are left out.
 */
int fy_disk_probe(struct fy_volume *disk, struct fy_disk_map **ret,
		  struct fy_error *err);

/*
 * Disks that belong together, to be read and (where they are writable) written
 * to: as fy_disk_probe tells of each, and what lies on their places, layer by
 * layer, in 'upper'.  The bytes of LVs and arrays are put together out of those
 * of the disks (borrowed: they outlive the set); images that are the same are
 * written to together.  For an image that is made of layers that can't be put
 * together there is no row.
 */
struct fy_disk_set;
int fy_disk_set_open(struct fy_volume *const *disks, size_t n,
		     struct fy_disk_set **ret, struct fy_error *err);
void fy_disk_set_free(struct fy_disk_set *s); /* NULL is fine */
FY_DEFINE_AUTO(disk_set, struct fy_disk_set, fy_disk_set_free)
/* Of disk 'i'; the set's, as long as that is there. */
struct fy_disk_map *fy_disk_set_map(const struct fy_disk_set *s, size_t i);
/* The bytes of a volume, which a set of the same disks told of; the set's.
 * NULL: it isn't there, or was not put together. */
struct fy_volume *fy_disk_set_volume(const struct fy_disk_set *s, size_t disk,
				     const struct fy_disk_volume *v);

/* Another row for what lies on a disk's volumes; the others stay where they are.
 * Texts are copied and may be NULL, but for 'path'.  NULL when out of memory. */
struct fy_disk_volume *fy_disk_map_add_upper(struct fy_disk_map *m,
					     const char *path,
					     const char *layer, const char *on,
					     struct fy_error *err);

/* The rows of a map: of its volumes, then the upper ones, then what was
 * added. */
size_t fy_disk_map_rows(const struct fy_disk_map *m);
struct fy_disk_volume *fy_disk_map_row(const struct fy_disk_map *m, size_t i);

#endif
