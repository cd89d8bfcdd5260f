/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LINUX_INITRAMFS_INTERNAL_H
#define FY_LINUX_INITRAMFS_INTERNAL_H

#include "drivers-inject/linux-initramfs-stream.h"
#include "drivers-inject/linux-initramfs-tree.h"
#include "drivers-inject/linux-initramfs.h"
#include "drivers-inject/modules-internal.h"

#define FY_IR_SEGMENTS_MAX 32

struct fy_initramfs {
	struct fy_irtree *tree;
	char *version;
	char *dir; /* private directory */
	int dirfd;
	const struct fy_stop *stop;
	enum fy_initramfs_kind kind;

	/* The segments, and where the next one may start: behind the last byte
	 * that belongs to one. */
	enum fy_istream_method methods[FY_IR_SEGMENTS_MAX];
	size_t n_segments;
	uint64_t end, size;
	/* Decompressed bytes of the last segment. */
	uint64_t last_plain_bytes;

	uint64_t plain_bytes, stored_bytes, kept_bytes;
	uint64_t *budget; /* while it is scanned */
	int64_t n_stored;

	struct fy_irnode *moddir; /* lib/modules/VERSION, or NULL */
	char **names;		  /* of the modules there, sorted */
	size_t n_names;
};

/* Read the whole input into the tree. */
int fy_initramfs_scan(struct fy_initramfs *ir,
		      const struct fy_initramfs_input *input,
		      struct fy_error *err);

/* The next node in a walk over all that is below 'top', or NULL. */
struct fy_irnode *fy_irnode_after(const struct fy_irnode *top,
				  struct fy_irnode *n);

/* The name of the file in the private directory. */
#define FY_IR_STORE_NAME_MAX 32
void fy_initramfs_store_name(int64_t number, char ret[FY_IR_STORE_NAME_MAX]);

/* The files that depmod wrote, for lib/modules/VERSION. */
struct fy_ir_index_file {
	char *name; /* e.g. modules.dep.bin */
	char *data;
	size_t len;
};
struct fy_ir_index {
	struct fy_ir_index_file *files;
	size_t count;
};
void fy_ir_index_release(struct fy_ir_index *x);

/*
 * Run depmod over the initramfs's modules and those of 'added', and read what
 * it wrote.  Checks that each of them is listed.
 */
int fy_initramfs_depmod(struct fy_initramfs *ir, struct fy_modules *modules,
			const struct fy_module_list *added,
			struct fy_ir_index *ret, struct fy_error *err);

#endif
