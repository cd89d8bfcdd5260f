/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_STACK_H
#define FY_STACK_H

#include "common/extents.h"
#include "common/volume.h"
#include "partclone/filesystem.h"

/*
 * What lies on the places of a set of disks, layer by layer.
 *
 * A node is something with bytes: a partition, a whole disk, a logical volume,
 * an array.  What lies on it is found out once, and which of its bytes are used
 * when that is asked for.  A layer (LVM, md, a filesystem on several volumes)
 * takes nodes as its members, makes nodes out of them, and carries what is used
 * of those down to the members.
 */
struct fy_disk_build;
struct fy_stack;
struct fy_node;

struct fy_layer {
	/* Whether 'n' is a member: then n->layer (and n->member) are set. */
	int (*join)(struct fy_stack *s, struct fy_node *n,
		    struct fy_error *err);
	/* Make the nodes that all members that are known by now make up. */
	int (*open)(struct fy_stack *s, struct fy_error *err);
	/* What is used of a member, as fy_node_map. */
	int (*map)(struct fy_stack *s, struct fy_node *n, struct fy_error *err);
	/* Why nothing is shown of what lies on a member, or NULL; borrowed
	 * until release.  May be NULL. */
	const char *(*closed)(struct fy_stack *s, const struct fy_node *n);
	void (*release)(struct fy_stack *s);
};

enum fy_node_state { FY_NODE_NEW, FY_NODE_BUSY, FY_NODE_DONE };

struct fy_node {
	char *path;		     /* "p2", "disk", "vg/root", "md/0" */
	struct fy_disk_build *build; /* of the disk that it begins on */
	struct fy_volume *volume;    /* its bytes; owned */
	uint64_t start;		     /* bytes on that disk, of its first byte */
	const char *type;   /* of the partition; of an upper node "lvm" or
				 "md"; borrowed; NULL */
	const char *closed; /* why it is not looked into; borrowed; NULL */
	const char *sealed; /* why it must not be written to; borrowed; NULL */
	bool lost;	    /* there may be more on it than 'info' knows */
	struct fy_node *base; /* what its first byte lies on; NULL: the disk */
	unsigned depth;	      /* layers below it */
	struct fy_fs_info info;
	const struct fy_layer *layer; /* that it is a member of; NULL */
	void *member;		      /* the layer's */

	/* Once mapped: */
	enum fy_node_state state;
	struct fy_extents *used; /* bytes on the node */
	uint64_t used_bytes;
	struct fy_fs_result result;
};

struct fy_stack {
	struct fy_node **nodes;
	size_t n_nodes;
	struct fy_disk_build *builds; /* borrowed */
	size_t n_builds;
	struct fy_node *failed; /* that could not be mapped; NULL */
	/* the layers' own */
	struct fy_lvm_layer *lvm;
	struct fy_md_layer *md;
	struct fy_sets_layer *sets;
};

extern const struct fy_layer fy_layer_lvm;
extern const struct fy_layer fy_layer_md;
extern const struct fy_layer fy_layer_sets;

void fy_stack_release(struct fy_stack *s);

/* A new node; takes 'volume' (closed on failure too).  NULL on failure. */
struct fy_node *fy_stack_add(struct fy_stack *s, struct fy_disk_build *b,
			     const char *path, struct fy_volume *volume,
			     struct fy_error *err);

/*
 * A node on others; its first byte lies at 'at' of 'base'.  What lies on it is
 * identified, unless 'closed' says why not.  NULL on failure.
 */
struct fy_node *fy_stack_add_upper(struct fy_stack *s, struct fy_node *base,
				   uint64_t at, const char *path,
				   const char *type, const char *closed,
				   struct fy_volume *volume,
				   struct fy_error *err);

/* Find the layers on the nodes, until there are no more. */
int fy_stack_grow(struct fy_stack *s, struct fy_error *err);

/*
 * Which bytes of 'n' are used: fills n->used and n->result, once.  FY_E_DIRTY
 * and FY_E_UNSUPPORTED name the node and say what to do.
 */
int fy_node_map(struct fy_stack *s, struct fy_node *n, struct fy_error *err);

/* The same for a snapshot: if it isn't clean, or can't be mapped, all of it is
 * used, with a warning. */
int fy_node_map_any(struct fy_stack *s, struct fy_node *n,
		    struct fy_error *err);

/* --- for layers ------------------------------------------------------------ */

/* A layer takes no more members than that; what comes then is used whole. */
#define FY_LAYER_MEMBERS 2048

/* All of the node is used; why. */
int fy_node_whole(struct fy_node *n, const char *note, struct fy_error *err);

/* The same, with a warning. */
int fy_node_whole_warn(struct fy_node *n, const char *note,
		       struct fy_error *err);

/*
 * Whether a failure while members are looked at means no more than that they
 * are used whole: what they say makes no sense, or (with --rescue) can't be
 * read.
 */
bool fy_node_may_go_on(const struct fy_node *n, const struct fy_error *why);

/*
 * Of [from, to) of an upper volume, of which 'used' is used: the bytes that
 * fall to stripe 'k' of 'n' ('stripe_bytes' each; n 1: all) are appended to
 * 'ret', the first at 'shift'.  Asked for in rising order it goes through
 * 'used' once.  Zeroed before the first use.
 */
struct fy_pull {
	struct fy_extents_cursor *cursor;
	uint64_t done; /* the cursor has gone by what ends before */
	struct fy_extent next;
	bool has_next;
};
int fy_pull(struct fy_pull *p, const struct fy_extents *used, uint64_t from,
	    uint64_t to, unsigned k, unsigned n, uint64_t stripe_bytes,
	    uint64_t shift, struct fy_extents *ret, struct fy_error *err);
void fy_pull_release(struct fy_pull *p);

#endif
