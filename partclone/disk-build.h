/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_DISK_BUILD_H
#define FY_DISK_BUILD_H

#include "partclone/disk.h"
#include "partclone/stack.h"
#include "partclone/table.h"
#include "partclone/tolerant.h"

/*
 * How a set of disks is read: between the files that do it.
 *
 *   disk-scan.c  each disk's table, and what lies in each of its places
 *   stack.c      the layers on the places: what they hold, and what is used
 *   disk.c       each disk's map: its places in order, the gaps between them
 *   disk-rows.c  the map's rows and warnings
 */
struct fy_disk_build {
	size_t index;		/* in the set */
	struct fy_volume *disk; /* borrowed */
	struct fy_volume *look; /* for tables and signatures: 'disk', or a view
				   of it that reads on where it can't */
	struct fy_volume *view; /* owned */
	struct fy_lost_sectors lost;
	const struct fy_disk_map_options *options;
	struct fy_table *table;
	bool is_one; /* the disk is one volume */
	bool probe_only;
	bool layers; /* what lies on the places is looked for */
	struct fy_disk_map *map;
	struct fy_node **places; /* the partitions' in order, or the disk's;
				    borrowed from the stack */
	size_t n_places;
	uint64_t at;	    /* everything before is accounted for */
	size_t more_uppers; /* rows that were left out */
};

/* Read the table, decide whether it counts, and make a node of each place. */
int fy_disk_scan(struct fy_disk_build *b, struct fy_stack *s,
		 struct fy_error *err);

/* --- rows and warnings (disk-rows.c) -------------------------------------- */

/* A copy to '*ret', or NULL for an empty text; -1 when out of memory. */
int fy_disk_set_text(char **ret, const char *text, struct fy_error *err);

int fy_disk_warn(struct fy_disk_build *b, struct fy_error *err, const char *fmt,
		 ...) __attribute__((format(printf, 3, 4)));

/* A new row at the end, how: whole.  NULL when out of memory. */
struct fy_disk_volume *fy_disk_add_row(struct fy_disk_build *b, uint64_t start,
				       uint64_t length, const char *path,
				       struct fy_error *err);

/* A row for a node on others, which is mapped. */
int fy_disk_add_upper(struct fy_disk_build *b, const struct fy_node *n,
		      struct fy_error *err);

/* What was recognised, into the row. */
int fy_disk_describe(struct fy_disk_volume *v, const struct fy_fs_info *info,
		     struct fy_error *err);

#endif
