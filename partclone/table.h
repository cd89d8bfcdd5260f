/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TABLE_H
#define FY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/extents.h"
#include "common/volume.h"

/*
 * A disk's partition table, read by ourselves from a volume.  All that it
 * points at lies inside the disk: a table for which this does not hold, or
 * whose partitions overlap, has 'distrust' set, and then nothing may be left
 * out when the disk is copied.
 */
enum fy_table_kind { FY_TABLE_NONE, FY_TABLE_MBR, FY_TABLE_GPT };

#define FY_GUID_TEXT 37

struct fy_partition {
	unsigned number;
	uint64_t start, length;	     /* bytes */
	char type[FY_GUID_TEXT];     /* GUID in lower case, or "0x83" */
	char partuuid[FY_GUID_TEXT]; /* "" when there is none */
	char name[36 * 3 + 1];	     /* GPT's, as UTF-8; "" */
	bool boot;
};

struct fy_table {
	enum fy_table_kind kind;
	uint32_t sector_bytes;		 /* that it was read with */
	char uuid[FY_GUID_TEXT];	 /* disk GUID or MBR signature; "" */
	struct fy_partition *partitions; /* by start; extended ones left out */
	size_t n_partitions;
	struct fy_extent *must; /* the table's own sectors, unsorted */
	size_t n_must;
	char **warnings;
	size_t n_warnings;
	char *distrust; /* why the table can't be believed; NULL */
	bool keep_gaps; /* something may lie outside the partitions */
};

/*
 * Read the table of 'disk'.  No table at all is FY_TABLE_NONE.  Bytes that
 * make no sense are warnings or distrust, never errors.
 * Returns: 0, or -1: FY_E_IO, FY_E_NOMEM.
 */
int fy_table_read(struct fy_volume *disk, struct fy_table **ret,
		  struct fy_error *err);
void fy_table_free(struct fy_table *t);
FY_DEFINE_AUTO(table, struct fy_table, fy_table_free)

/* --- between the readers -------------------------------------------------- */

#define FY_MBR_BYTES 512

struct fy_mbr_entry {
	uint8_t flag, type;
	uint32_t start, count; /* sectors */
};

/* The four entries; false when the sector lacks 0x55 0xaa. */
bool fy_mbr_decode(const unsigned char *sector, struct fy_mbr_entry ret[4]);

/* Whether entries can be those of a partition table: flags 0 or 0x80, at
 * least one in use, each in use with a place and inside 'sectors' (0: any). */
bool fy_mbr_is_plausible(const struct fy_mbr_entry e[4]);

/* Whether one of the entries says that a GPT follows. */
bool fy_mbr_is_protective(const struct fy_mbr_entry e[4]);

/* Read primary, extended and logical partitions into 't'. */
int fy_mbr_read(struct fy_volume *disk, const unsigned char *sector,
		struct fy_table *t, struct fy_error *err);

/*
 * Look for a GPT with sectors of 'sector_bytes'; a backup whose primary is
 * damaged counts only with 'backup_too'.  1: 't' is filled (or distrusted),
 * 0: there is none, -1: error.
 */
int fy_gpt_read(struct fy_volume *disk, uint32_t sector_bytes, bool backup_too,
		struct fy_table *t, struct fy_error *err);

/* The CRC-32 of GPT. */
uint32_t fy_gpt_crc32(const void *data, size_t len);

/* Add to 't'; -1: FY_E_NOMEM.  The distrust that is set first stays. */
int fy_table_warn(struct fy_table *t, struct fy_error *err, const char *fmt,
		  ...) __attribute__((format(printf, 3, 4)));
int fy_table_distrust(struct fy_table *t, struct fy_error *err, const char *fmt,
		      ...) __attribute__((format(printf, 3, 4)));
int fy_table_add_must(struct fy_table *t, uint64_t offset, uint64_t length,
		      struct fy_error *err);
/* NULL when out of memory; the new element is zeroed. */
struct fy_partition *fy_table_add_partition(struct fy_table *t,
					    struct fy_error *err);

#endif
