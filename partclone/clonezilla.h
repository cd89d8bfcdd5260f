/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CLONEZILLA_H
#define FY_CLONEZILLA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "partclone/command.h"
#include "partclone/target.h"

/*
 * Clonezilla's image directories (docs/clonezilla.md): files with the partition
 * table as several tools show it, and one packed image for each partition.
 */
enum fy_cz_kind {
	FY_CZ_NOTHING, /* no data: an extended partition, or one not saved */
	FY_CZ_PARTCLONE,
	FY_CZ_RAW,  /* the bytes themselves, packed */
	FY_CZ_SWAP, /* uuid and label only */
	FY_CZ_PV,   /* of LVM: its group's LVs have the data */
};

#define FY_CZ_NAME 256

struct fy_cz_part {
	char name[FY_CZ_NAME]; /* "sda1"; of an LV "VG-LV" */
	unsigned number;
	uint64_t start, length; /* bytes on the disk */
	uint8_t mbr_type;
	bool extended;
	bool listed; /* in `parts` */
	enum fy_cz_kind kind;
	char *file;	/* of the image, without ".aa"; NULL */
	char uuid[64];	/* of a swap */
	char label[64]; /* of a swap */
};

/* LVM on the disk. */
struct fy_cz_vg {
	char name[128];
	char *text; /* of its metadata, as a PV has it */
	size_t text_len;
};
struct fy_cz_pv {
	uint64_t start, length; /* of the partition, bytes on the disk */
	uint64_t data_start;	/* in it, of the extents */
	char id[33];
	size_t vg;
};
struct fy_cz_lv {
	struct fy_cz_part part; /* 'start' is 0: it is restored into a view */
	size_t vg;
	char lv[128];			/* its name */
	bool listed, swap;		/* in lvm_logv.list; as a swap there */
	struct fy_target_piece *pieces; /* of the disk */
	size_t n_pieces;
};
struct fy_cz_lvm {
	struct fy_cz_vg *vgs;
	size_t n_vgs;
	struct fy_cz_pv *pvs;
	size_t n_pvs;
	struct fy_cz_lv *lvs;
	size_t n_lvs;
};

struct fy_cz_image {
	char *dir;
	int dirfd;
	char disk[64]; /* "sda" */
	bool gpt;
	uint32_t sector_bytes;
	uint64_t bytes;		  /* of the disk */
	struct fy_cz_part *parts; /* by number */
	size_t n_parts;
	struct fy_cz_lvm lvm;
};

/* Whether 'path' is a directory with such an image. */
bool fy_cz_is_image(const char *path);

/*
 * Read what the directory says.  'disk' (may be NULL when there is one) names
 * the disk.  FY_E_FORMAT: files are missing or contradict each other;
 * FY_E_UNSUPPORTED, naming it: LVM that is not linear or striped or has PVs on
 * several disks, LUKS, md, encryption, other engines.
 */
int fy_cz_open(const char *path, const char *disk, struct fy_cz_image **ret,
	       struct fy_error *err);
void fy_cz_close(struct fy_cz_image *c);
FY_DEFINE_AUTO(cz_image, struct fy_cz_image, fy_cz_close)

/*
 * Bytes that are neither a partition's nor zero: tables, boot code, EBRs.
 * Sorted by offset.
 */
struct fy_cz_chunk {
	uint64_t offset;
	size_t length;
	unsigned char *bytes;
};
struct fy_cz_table {
	struct fy_cz_chunk *chunks;
	size_t n_chunks;
};

/*
 * The table of the disk for a target of 'target_bytes' (a GPT's second copy lies
 * at its end), checked: our own reader finds in it the partitions that the
 * directory names.  FY_E_FORMAT.
 */
int fy_cz_table_make(const struct fy_cz_image *c, uint64_t target_bytes,
		     struct fy_cz_table *ret, struct fy_error *err);
void fy_cz_table_release(struct fy_cz_table *t);

/* Put the disk together in 't'.  As fy_restore_image. */
int fy_cz_restore(const struct fy_used_options *o, const struct fy_cz_image *c,
		  struct fy_target *t, struct fy_progress *progress,
		  struct fy_used_result *result, uint64_t *ret_damage,
		  struct fy_error *err);

/* Read all of it.  FY_E_CORRUPT: something is damaged. */
int fy_cz_check(const struct fy_used_options *o, const struct fy_cz_image *c,
		struct fy_progress *progress, struct fy_used_result *result,
		struct fy_error *err);

/* `used-blocks save --format clonezilla` */
int fy_cz_save(const struct fy_used_options *o, const char *source,
	       const char *dir, struct fy_progress *progress,
	       struct fy_error *err);

/* A whole disk into a new sparse file at 'path', for programs that read disks.
 * Damage is FY_E_CORRUPT. */
int fy_cz_to_file(const char *dir, const char *path, const struct fy_stop *stop,
		  struct fy_progress *progress, struct fy_error *err);

#endif
