/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_STACK_LVM_H
#define FY_STACK_LVM_H

#include "partclone/lvm.h"
#include "partclone/stack.h"

/*
 * LVM2 as a layer: between the files that do it.
 *
 *   stack-lvm.c       PVs found, groups made of them, what is used of a PV
 *   stack-lvm-lv.c    what is used of an LV; LVs as volumes
 *   stack-lvm-thin.c  thin pools, snapshots
 */
struct fy_lvm_use {
	uint64_t start, count; /* extents of the PV or LV that is used */
	uint32_t lv;	       /* by this LV, */
	uint32_t segment, k;   /* as area 'k' of this segment */
};

struct fy_lvm_uses {
	struct fy_lvm_use *items;
	size_t n, room;
};

/* A PV that was found. */
struct fy_lvm_pv_found {
	struct fy_node *node;
	struct fy_lvm_label label;
	struct fy_lvm_text *text;	/* NULL: it holds no group's */
	const struct fy_lvm_item *head; /* the group's section */
	const char *vg_id;
	uint64_t seqno;
	char problem[FY_LVM_NOTE];
};

enum fy_lvm_lv_state { FY_LVM_LV_NEW, FY_LVM_LV_BUSY, FY_LVM_LV_DONE };

/* What becomes of an LV. */
struct fy_lvm_lv_work {
	enum fy_lvm_lv_state volume_state;
	struct fy_volume *volume; /* NULL: it can't be read */
	unsigned level;		  /* LVs below it, one upon the other */
	bool volume_is_nodes;	  /* owned by the node */
	struct fy_node *node;	  /* what lies on it; NULL: not shown */
	struct fy_lvm_uses uses;  /* by other LVs */
	/* Indexes of LVs; FY_LVM_NONE: */
	uint32_t cow_of;	 /* it holds a snapshot of this LV */
	uint32_t first_snapshot; /* of it; the others by next_snapshot */
	uint32_t next_snapshot;
	uint32_t pool_of; /* it holds the data of this thin pool */
	bool is_dead;	  /* of a snapshot: nobody can read it any more */
	struct fy_lvm_pool *pool; /* of a thin pool: its metadata */

	enum fy_lvm_lv_state used_state;
	struct fy_extents *used; /* NULL: all of it */
	struct fy_extents *own;	 /* 'used', when it is not the node's */
	struct fy_pull pull;
};

struct fy_lvm_group {
	struct fy_lvm_vg vg;
	const char *id;
	struct fy_lvm_pv_found *
		*pvs; /* by the group's index; NULL: not there */
	struct fy_lvm_uses *pv_uses;
	struct fy_lvm_lv_work *lvs;
	unsigned depth; /* LVs whose volumes are being made */
	bool opened;
	size_t seen; /* PVs that were known when it was looked at */
	bool warned;
	char problem[FY_FS_NOTE]; /* why its PVs are used whole */
};

struct fy_lvm_layer {
	struct fy_lvm_pv_found **found;
	size_t n_found;
	struct fy_lvm_group **groups;
	size_t n_groups;
};

/* --- stack-lvm-lv.c ------------------------------------------------------- */

/* Who uses what, and volumes for all LVs of the group, whose PVs are all there.
 * FY_E_FORMAT when it makes no sense. */
int fy_lvm_prepare_lvs(struct fy_lvm_group *g, struct fy_error *err);

/* Nodes for the LVs that can be seen. */
int fy_lvm_add_nodes(struct fy_stack *s, struct fy_lvm_group *g,
		     struct fy_error *err);

/* The volume of an LV, made when it is asked for; NULL stays when it can't be
 * read, and lv->whole says why. */
int fy_lvm_volume(struct fy_lvm_group *g, uint32_t lv, struct fy_volume **ret,
		  struct fy_error *err);

/* Fill the LV's 'used'. */
int fy_lvm_used(struct fy_stack *s, struct fy_lvm_group *g, uint32_t lv,
		struct fy_error *err);

/* Of the part [start, start + count) that uses take, what is used: appended to
 * 'ret', extent 'start' at 'shift'. */
int fy_lvm_pull_use(struct fy_stack *s, struct fy_lvm_group *g,
		    const struct fy_lvm_use *u, uint64_t shift,
		    struct fy_extents *ret, struct fy_error *err);

/* Sort the uses; false when two overlap or one reaches behind 'extents'. */
bool fy_lvm_sort_uses(struct fy_lvm_uses *uses, uint64_t extents);

void fy_lvm_release_lvs(struct fy_lvm_group *g);

/* --- stack-lvm-thin.c ----------------------------------------------------- */

/* Open the pools and bind snapshots to their origins. */
int fy_lvm_open_special(struct fy_lvm_group *g, struct fy_error *err);

/* The volume of a thin LV, or of a snapshot. */
int fy_lvm_thin_volume(struct fy_lvm_group *g, uint32_t lv,
		       struct fy_volume **ret, struct fy_error *err);
int fy_lvm_snapshot_volume(struct fy_lvm_group *g, uint32_t lv,
			   struct fy_volume **ret, struct fy_error *err);

/* What is used of a pool's data, and of an origin besides 'used' (NULL '*ret':
 * all of it). */
int fy_lvm_pool_used(struct fy_stack *s, struct fy_lvm_group *g, uint32_t lv,
		     struct fy_extents **ret, struct fy_error *err);
int fy_lvm_origin_used(struct fy_stack *s, struct fy_lvm_group *g, uint32_t lv,
		       struct fy_extents **ret, struct fy_error *err);

void fy_lvm_pool_free(struct fy_lvm_pool *p);

#endif
