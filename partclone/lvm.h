/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LVM_H
#define FY_LVM_H

#include "common/extents.h"
#include "common/volume.h"
#include "partclone/lvm-text.h"

/*
 * LVM2 on the disk: the label with the PV's header (lvm-label.c), its metadata
 * areas, and the volume group that their text describes (lvm-vg.c).
 */
#define FY_LVM_ID    32
#define FY_LVM_AREAS 32
#define FY_LVM_NOTE  160

/* --- a PV ----------------------------------------------------------------- */

struct fy_lvm_label {
	char id[FY_LVM_ID + 1];
	uint64_t device_bytes;
	/* Of metadata; then, up to n_kept, what a boot loader has. */
	struct fy_extent areas[FY_LVM_AREAS];
	unsigned n_areas, n_kept;
	uint64_t data_start; /* of the first data area, bytes; 0: none */
};

/* FY_E_FORMAT when it can't be believed. */
int fy_lvm_label_read(struct fy_volume *v, struct fy_lvm_label *ret,
		      struct fy_error *err);

/*
 * The text of the newest metadata of a PV; NULL when it has none (no areas, or
 * ignored ones).  '*ret_empty': an area in use holds no volume group.
 * FY_E_FORMAT when one of them is damaged, for it may be newer than the others.
 */
int fy_lvm_metadata_read(struct fy_volume *v, const struct fy_lvm_label *label,
			 struct fy_lvm_text **ret, bool *ret_empty,
			 struct fy_error *err);

/* LVM's checksum: CRC-32 with a start of its own and no inversion at the end. */
uint32_t fy_lvm_crc(const void *data, size_t len);

/* The group's section, its id and number of changes; false: not sound. */
bool fy_lvm_text_head(const struct fy_lvm_text *t,
		      const struct fy_lvm_item **ret_group, const char **ret_id,
		      uint64_t *ret_seqno);

/* --- writing a PV --------------------------------------------------------- */

/* The text for a metadata area out of a vgcfgbackup's file: the group's section
 * as it stands there.  '*ret' is malloc'd; '*ret_len' counts the NUL at its
 * end, as LVM does.  FY_E_FORMAT. */
int fy_lvm_text_from_backup(const char *backup, size_t len, char **ret,
			    size_t *ret_len, struct fy_error *err);

struct fy_lvm_head {
	const char *id;	       /* FY_LVM_ID letters */
	uint64_t device_bytes; /* of the PV */
	uint64_t data_start;   /* of its extents, bytes */
	const char *text;
	size_t text_len;
};

/* Where the metadata area ends: it fills what lies before the extents. */
uint64_t fy_lvm_head_end(uint64_t data_start);
/* FY_E_UNSUPPORTED: the text has no room there. */
int fy_lvm_head_check(const struct fy_lvm_head *h, struct fy_error *err);
/* The PV's first bytes (malloc'd): label, header of the area, text.  What lies
 * behind them up to fy_lvm_head_end is zeros. */
int fy_lvm_head_make(const struct fy_lvm_head *h, unsigned char **ret,
		     size_t *ret_len, struct fy_error *err);

/* --- a volume group ------------------------------------------------------- */

enum fy_lvm_kind {
	FY_LVM_STRIPED,	 /* the areas in turn; one of them: linear */
	FY_LVM_MIRRORED, /* the areas are all the same (mirror, raid1) */
	FY_LVM_POOL,	 /* thin pool: 'pool_meta' and 'pool_data' */
	FY_LVM_THIN,	 /* device 'device' of pool 'pool' */
	FY_LVM_SNAPSHOT, /* says that 'cow' is a snapshot of 'origin' */
	FY_LVM_OTHER,	 /* not looked into */
};

#define FY_LVM_NONE UINT32_MAX

struct fy_lvm_area {
	bool is_lv;
	uint32_t index;	 /* of the PV or LV */
	uint64_t extent; /* where it begins there */
};

struct fy_lvm_segment {
	uint64_t start, count; /* extents of the LV */
	enum fy_lvm_kind kind;
	const char *type; /* LVM's name */
	struct fy_lvm_area *areas;
	uint32_t n_areas;
	uint64_t stripe_bytes;
	uint32_t *meta; /* LVs with dm-raid's superblocks, one for each area */
	uint32_t n_meta;
	uint32_t pool_meta, pool_data;	   /* POOL */
	uint64_t transaction, chunk_bytes; /* POOL; SNAPSHOT: chunk */
	uint32_t pool;			   /* THIN */
	uint64_t device;		   /* THIN */
	bool is_snapshot;		   /* THIN: has an origin */
	uint32_t outside;		   /* THIN: external origin */
	uint32_t origin, cow;		   /* SNAPSHOT */
};

struct fy_lvm_lv {
	const char *name;
	bool visible;
	uint64_t extents;
	struct fy_lvm_segment *segments; /* by start, without gaps */
	uint32_t n_segments;
	char whole[FY_LVM_NOTE]; /* why all of it is used; "": it need not */
};

struct fy_lvm_pv {
	const char *name; /* "pv0" */
	char id[FY_LVM_ID + 1];
	uint64_t start, extents; /* bytes; of the extents */
	bool missing;
};

struct fy_lvm_vg {
	const char *name, *id;
	uint64_t seqno, extent_bytes;
	struct fy_lvm_pv *pvs;
	uint32_t n_pvs;
	struct fy_lvm_lv *lvs;
	uint32_t n_lvs;
	char whole[FY_LVM_NOTE]; /* why all its PVs are used whole; "" */
};

#define FY_LVM_NAME 127u /* characters of a name */

/* Whether a group or an LV may be called so, as LVM allows it: such a name is
 * one part of a path that leads nowhere else. */
bool fy_lvm_is_name(const char *name);

/*
 * What the text says ('t' is borrowed, for names).  What isn't known for sure
 * sets 'whole' of the LV or the group.  FY_E_FORMAT when it makes no sense.
 */
int fy_lvm_vg_parse(const struct fy_lvm_text *t, struct fy_lvm_vg *ret,
		    struct fy_error *err);
void fy_lvm_vg_release(struct fy_lvm_vg *vg);

/* Give a reason, unless there is one. */
void fy_lvm_set_whole(char *whole, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
