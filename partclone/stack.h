/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_STACK_H
#define FY_STACK_H

#include "common/extents.h"
#include "common/volume.h"
#include "partclone/filesystem.h"

/*
 * What lies on the places of a set of disks, layer by layer.
 *
 * A node is something with bytes: a partition, a whole disk.  What lies on it
 * is found out once, and which of its bytes are used when that is asked for.
 */
struct fy_disk_build;

enum fy_node_state { FY_NODE_NEW, FY_NODE_BUSY, FY_NODE_DONE };

struct fy_node {
	char *path;		     /* "p2", "disk" */
	struct fy_disk_build *build; /* of the disk that it lies on */
	struct fy_volume *volume;    /* its bytes; owned */
	uint64_t start;		     /* bytes on that disk */
	const char *type;	     /* of the partition; borrowed; NULL */
	bool closed; /* not looked into: the table can't be believed */
	bool lost;   /* there may be more on it than 'info' knows */
	struct fy_fs_info info;

	/* Once mapped: */
	enum fy_node_state state;
	struct fy_extents *used; /* bytes on the node */
	struct fy_fs_result result;
};

struct fy_stack {
	struct fy_node **nodes;
	size_t n_nodes;
};

void fy_stack_release(struct fy_stack *s);

/* A new node; takes 'volume' (closed on failure too).  NULL on failure. */
struct fy_node *fy_stack_add(struct fy_stack *s, struct fy_disk_build *b,
			     const char *path, struct fy_volume *volume,
			     struct fy_error *err);

/*
 * Which bytes of 'n' are used: fills n->used and n->result, once.  FY_E_DIRTY
 * and FY_E_UNSUPPORTED name the node and say what to do.
 */
int fy_node_map(struct fy_stack *s, struct fy_node *n, struct fy_error *err);

#endif
