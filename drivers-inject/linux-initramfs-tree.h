/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LINUX_INITRAMFS_TREE_H
#define FY_LINUX_INITRAMFS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "drivers-inject/cpio.h"

/*
 * The root filesystem that the kernel would have after it unpacked the
 * archives that were added, without most of the files' content.
 */

/* A regular file; several names may share one (hard links). */
struct fy_irfile {
	unsigned refs; /* names */
	uint32_t mode;
	uint64_t size;
	char *data;	/* NULL: not kept; else 'size' bytes and a NUL */
	bool small;	/* of the kind that is kept, even if 'data' is NULL */
	int64_t stored; /* number of the file in the store, or -1 */
};

struct fy_irnode {
	struct fy_irnode *parent;   /* the root is its own */
	struct fy_irnode *children; /* of a directory; linked by 'next' */
	struct fy_irnode *next, **pprev;
	struct fy_irnode *hash_next, *all_next;
	uint32_t mode;		/* with its type */
	struct fy_irfile *file; /* of a regular file */
	char *target;		/* of a symlink; NULL until it is known */
	char name[];
};

struct fy_irtree;

struct fy_irtree *fy_irtree_new(struct fy_error *err);
void fy_irtree_free(struct fy_irtree *t);
FY_DEFINE_AUTO(irtree, struct fy_irtree, fy_irtree_free)

struct fy_irnode *fy_irtree_root(struct fy_irtree *t);

/*
 * What an entry of an archive does: '*ret' is the node whose body follows (a
 * regular file, emptied if it takes a new body, or a new symlink), or NULL
 * when the entry has no body that matters or the kernel would pass over it.
 * Errors: FY_E_FORMAT when bounds are passed (300000 entries, 64 MiB of
 * names), FY_E_NOMEM.
 */
int fy_irtree_add(struct fy_irtree *t, const struct fy_cpio_entry *e,
		  struct fy_irnode **ret, struct fy_error *err);

/* The archive has ended: its hard links too. */
void fy_irtree_archive_end(struct fy_irtree *t);

/* Take a node that has no children (any more) out of the tree. */
void fy_irtree_remove(struct fy_irtree *t, struct fy_irnode *n);

/* What is at 'path', seen from 'dir' (NULL: the root), or NULL; symlinks are
 * followed, the last one only if 'follow'. */
struct fy_irnode *fy_irtree_find(struct fy_irtree *t, struct fy_irnode *dir,
				 const char *path, bool follow);

/* The entry 'name' itself of a directory, or NULL. */
struct fy_irnode *fy_irtree_child(struct fy_irtree *t, struct fy_irnode *dir,
				  const char *name);

/* The path without symlinks and leading "/" ("" for the root) into 'ret' of
 * FY_CPIO_NAME_MAX bytes; -1 when it doesn't fit. */
int fy_irtree_path(const struct fy_irnode *n, char *ret);

/* Set the content of a file: 'data' (malloc'd, taken) may be NULL. */
void fy_irfile_set(struct fy_irfile *f, uint64_t size, char *data);

#endif
