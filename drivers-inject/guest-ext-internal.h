/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_GUEST_EXT_INTERNAL_H
#define FY_GUEST_EXT_INTERNAL_H

#include "drivers-inject/guest.h"
#include "partclone/ext-io.h"

/*
 * The driver of ext2, ext3 and ext4, between its files:
 *
 *   guest-ext.c        open, check, close; reading
 *   guest-ext-write.c  files' content, new files
 *   guest-ext-names.c  symlinks, removing, renaming, owners, attributes
 */
struct fy_guest_ext {
	ext2_filsys fs;
	bool bitmaps;
	/* The file that was read last. */
	char *path;
	ext2_ino_t ino;
	ext2_file_t file;
};

void fy_guest_ext_forget(struct fy_guest_ext *x);

/* The inode of a path, no symlinks followed. */
int fy_guest_ext_find(struct fy_guest_ext *x, const char *path, ext2_ino_t *ret,
		      struct fy_error *err);
int fy_guest_ext_inode(struct fy_guest_ext *x, ext2_ino_t ino,
		       struct ext2_inode *ret, struct fy_error *err);

/* --- for what changes (guest-ext-write.c) ---------------------------------- */

/* The bitmaps are read. */
int fy_guest_ext_begin(struct fy_guest_ext *x, struct fy_error *err);
/* FY_E_UNSUPPORTED when it is immutable, encrypted, or sealed otherwise. */
int fy_guest_ext_refuse(const struct ext2_inode *inode, const char *path,
			struct fy_error *err);
/* The directory that a new entry 'path' goes into, and the entry's name in
 * 'path'; refused where that can't be done right.  Bitmaps are read. */
int fy_guest_ext_parent(struct fy_guest_ext *x, const char *path,
			ext2_ino_t *ret, const char **ret_name,
			struct fy_error *err);
/* Times of change: of the inode, and ('content') of what is in it. */
errcode_t fy_guest_ext_touch(struct fy_guest_ext *x, ext2_ino_t ino,
			     bool content);
void fy_guest_ext_own(struct ext2_inode *inode, const struct fy_guest_stat *st);
/* A new one gets its directory's SELinux label, when there is one. */
errcode_t fy_guest_ext_label(struct fy_guest_ext *x, ext2_ino_t from,
			     ext2_ino_t to);
errcode_t fy_guest_ext_link(struct fy_guest_ext *x, ext2_ino_t dir,
			    const char *name, ext2_ino_t ino, int kind);

int fy_guest_ext_write(void *h, const char *path, uint64_t keep,
		       const void *data, size_t len, struct fy_error *err);
int fy_guest_ext_create(void *h, const char *path,
			const struct fy_guest_stat *st, const void *data,
			size_t len, struct fy_error *err);

/* --- guest-ext-names.c ------------------------------------------------------ */

int fy_guest_ext_symlink(void *h, const char *path, const char *target,
			 const struct fy_guest_stat *st, struct fy_error *err);
int fy_guest_ext_remove(void *h, const char *path, struct fy_error *err);
int fy_guest_ext_rename(void *h, const char *path, const char *to,
			struct fy_error *err);
int fy_guest_ext_set_stat(void *h, const char *path,
			  const struct fy_guest_stat *st, struct fy_error *err);
int fy_guest_ext_get_xattr(void *h, const char *path, const char *name,
			   char **ret, size_t *ret_len, struct fy_error *err);
int fy_guest_ext_set_xattr(void *h, const char *path, const char *name,
			   const void *data, size_t len, struct fy_error *err);

#endif
