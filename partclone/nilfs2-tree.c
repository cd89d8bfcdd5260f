/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The trees of NILFS2's files, and the translation of virtual blocks.
 *
 * A root in an inode is either an array of six blocks or a node with up to
 * three children; a node is a header, its keys, then its children, and its
 * level says how far it is to the data.  The DAT is in groups: a block with the
 * free counts of many groups leads them, and each has a bitmap and its entries.
 */
#include <string.h>

#include "common/bytes.h"
#include "partclone/nilfs2.h"

#define LARGE	    1u /* flag of a root: it is a node */
#define DIRECT	    6u
#define ROOT_MAX    3u
#define NODE_HEAD   16u
#define MAX_LEVEL   13u
#define COUNT_BYTES 4u /* of a group, in the block that leads them */

struct node {
	unsigned level, n;
	const unsigned char *keys, *children;
};

static int
damaged(struct fy_error *err, const char *what)
{
	return fy_error_set(err, FY_E_FORMAT, 0, "%s", what);
}

int
fy_nilfs2_read(struct fy_nilfs2 *n, uint64_t block, void *ret,
	       struct fy_error *err)
{
	if (block >= n->blocks)
		return damaged(err, "a block of the metadata is in no segment");
	if (fy_block_map_name(n->segments, block / n->segment_blocks, 1, err) ==
	    -1)
		return -1;
	return fy_volume_pread(n->volume, ret, n->block_bytes,
			       block * n->block_bytes, err);
}

/* --- nodes ---------------------------------------------------------------------- */

/* False when it makes no sense. */
static bool
decode_node(const unsigned char *p, size_t bytes, bool is_root,
	    struct node *ret)
{
	size_t head = is_root ? 8 : NODE_HEAD, max = (bytes - head) / 16;

	ret->level = p[1];
	ret->n = fy_get_le16(p + 2);
	ret->keys = p + head;
	ret->children = p + head + max * 8;
	return ret->level >= 1 && ret->level <= MAX_LEVEL && ret->n >= 1 &&
	       ret->n <= max && (p[0] & 1) == is_root;
}

/* The child that 'key' is below; false: there is none. */
static bool
find_child(const struct node *node, uint64_t key, uint64_t *ret)
{
	unsigned low = 0, high = node->n, middle;
	uint64_t found;

	while (low < high) {
		middle = (low + high) / 2;
		if (fy_get_le64(node->keys + 8 * (size_t)middle) <= key)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return false;
	found = fy_get_le64(node->keys + 8 * (size_t)(low - 1));
	if (node->level == 1 && found != key)
		return false;
	*ret = fy_get_le64(node->children + 8 * (size_t)(low - 1));
	return true;
}

typedef int translate_fn(struct fy_nilfs2 *n, uint64_t *block,
			 struct fy_error *err);

/* Walk down from a root; 'translate' turns what a tree names into a block of
 * the volume (NULL: it is one).  1, 0, -1. */
static int
walk(struct fy_nilfs2 *n, const unsigned char *root, uint64_t key,
     translate_fn *translate, uint64_t *ret, struct fy_error *err)
{
	struct node node;
	uint64_t block;
	unsigned level;

	if ((root[0] & LARGE) == 0) {
		if (key >= DIRECT)
			return 0;
		block = fy_get_le64(root + 8 + 8 * key);
		if (block == 0)
			return 0;
		*ret = block;
		return translate == NULL || translate(n, ret, err) == 0 ? 1
									: -1;
	}
	if (!decode_node(root, FY_NILFS2_ROOT, true, &node))
		return damaged(err, "the root of a tree is damaged");
	for (;;) {
		if (!find_child(&node, key, &block))
			return 0;
		if (block == 0)
			return damaged(err, "a node of a tree is damaged");
		if (translate != NULL && translate(n, &block, err) == -1)
			return -1;
		if (node.level == 1)
			break;
		level = node.level - 1;
		if (fy_nilfs2_read(n, block, n->node, err) == -1)
			return -1;
		if (!decode_node(n->node, n->block_bytes, false, &node) ||
		    node.level != level)
			return damaged(err, "a node of a tree is damaged");
	}
	*ret = block;
	return 1;
}

/* --- the DAT ----------------------------------------------------------------------- */

/* The block of the DAT with the entry of a virtual block, and where in it. */
static uint64_t
entry_place(const struct fy_nilfs2 *n, uint64_t virtual, size_t *ret_at)
{
	uint64_t per_block = n->block_bytes / n->dat_entry_bytes;
	uint64_t per_group = n->block_bytes * 8ull;
	uint64_t group_blocks = (per_group + per_block - 1) / per_block + 1;
	uint64_t groups = n->block_bytes / COUNT_BYTES; /* led by one block */
	uint64_t group = virtual / per_group, in_group = virtual % per_group;

	*ret_at = (size_t)(in_group % per_block) * n->dat_entry_bytes;
	return group / groups * (groups * group_blocks + 1) + 1 +
	       group % groups * group_blocks + 1 + in_group / per_block;
}

static int
translate_virtual(struct fy_nilfs2 *n, uint64_t *block, struct fy_error *err)
{
	size_t at;
	uint64_t key = entry_place(n, *block, &at);
	int r = walk(n, n->dat, key, NULL, block, err);

	if (r == -1)
		return -1;
	if (r == 0)
		return damaged(err, "the DAT has no entry for a virtual block");
	if (fy_nilfs2_read(n, *block, n->node, err) == -1)
		return -1;
	*block = fy_get_le64(n->node + at);
	if (*block == 0 || *block >= n->blocks)
		return damaged(err, "the DAT has no block for a virtual block");
	return 0;
}

int
fy_nilfs2_find(struct fy_nilfs2 *n, const unsigned char *root, uint64_t key,
	       uint64_t *ret, struct fy_error *err)
{
	return walk(n, root, key, translate_virtual, ret, err);
}
