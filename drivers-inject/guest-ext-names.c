/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ext2, ext3 and ext4: symlinks, removing, renaming, owners and modes, extended
 * attributes.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "drivers-inject/guest-ext-internal.h"

#define MAX_XATTR (64u * 1024)

/* --- symlinks -------------------------------------------------------------- */

static errcode_t
set_owner(struct fy_guest_ext *x, ext2_ino_t ino,
	  const struct fy_guest_stat *st)
{
	struct ext2_inode inode;
	errcode_t code = ext2fs_read_inode(x->fs, ino, &inode);

	if (code != 0)
		return code;
	fy_guest_ext_own(&inode, st);
	return ext2fs_write_inode(x->fs, ino, &inode);
}

int
fy_guest_ext_symlink(void *h, const char *path, const char *target,
		     const struct fy_guest_stat *st, struct fy_error *err)
{
	struct fy_guest_ext *x = h;
	const char *name = NULL;
	ext2_ino_t dir, ino = 0;
	errcode_t code;

	fy_guest_ext_forget(x);
	if (target[0] == '\0' || strlen(target) >= x->fs->blocksize)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "a symlink to a path of %zu bytes",
				    strlen(target));
	if (fy_guest_ext_parent(x, path, &dir, &name, err) == -1)
		return -1;
	code = ext2fs_symlink(x->fs, dir, 0, name, target);
	if (code == EXT2_ET_DIR_NO_SPACE) {
		code = ext2fs_expand_dir(x->fs, dir);
		if (code == 0)
			code = ext2fs_symlink(x->fs, dir, 0, name, target);
	}
	if (code == 0)
		code = ext2fs_lookup(x->fs, dir, name, (int)strlen(name), NULL,
				     &ino);
	if (code == 0)
		code = set_owner(x, ino, st);
	if (code == 0)
		code = fy_guest_ext_label(x, dir, ino);
	if (code == 0)
		code = fy_guest_ext_touch(x, dir, true);
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "'%s'", path);
	return 0;
}

/* --- removing -------------------------------------------------------------- */

/* What is there, in a directory that may be changed. */
static int
find_entry(struct fy_guest_ext *x, const char *path, ext2_ino_t *ret_dir,
	   const char **ret_name, ext2_ino_t *ret_ino,
	   struct ext2_inode *ret_inode, struct fy_error *err)
{
	if (path[0] == '\0')
		return fy_error_set(err, FY_E_USAGE, 0,
				    "the root of a filesystem stays");
	if (fy_guest_ext_parent(x, path, ret_dir, ret_name, err) == -1 ||
	    fy_guest_ext_find(x, path, ret_ino, err) == -1 ||
	    fy_guest_ext_inode(x, *ret_ino, ret_inode, err) == -1)
		return -1;
	return fy_guest_ext_refuse(ret_inode, path, err);
}

static int
not_empty(struct ext2_dir_entry *d, int offset, int blocksize, char *buf,
	  void *private)
{
	size_t len = (size_t)ext2fs_dirent_name_len(d);
	bool *found = private;

	(void)offset;
	(void)blocksize;
	(void)buf;
	if ((len == 1 && d->name[0] == '.') ||
	    (len == 2 && memcmp(d->name, "..", 2) == 0))
		return 0;
	*found = true;
	return DIRENT_ABORT;
}

struct keys {
	char *names[256];
	size_t n;
};

static int
note_key(char *name, char *value, size_t len, void *data)
{
	struct keys *k = data;

	(void)value;
	(void)len;
	if (strcmp(name, "system.data") != 0 &&
	    k->n < sizeof(k->names) / sizeof(*k->names) &&
	    (k->names[k->n] = strdup(name)) != NULL)
		k->n++;
	return 0;
}

/* Values in inodes of their own have to be let go one by one. */
static errcode_t
drop_xattrs(struct fy_guest_ext *x, ext2_ino_t ino)
{
	struct ext2_xattr_handle *h = NULL;
	struct keys k = { .n = 0 };
	errcode_t code;
	size_t i;

	if (!ext2fs_has_feature_ea_inode(x->fs->super))
		return 0;
	code = ext2fs_xattrs_open(x->fs, ino, &h);
	if (code != 0)
		return code;
	code = ext2fs_xattrs_read(h);
	if (code == 0)
		code = ext2fs_xattrs_iterate(h, note_key, &k);
	for (i = 0; i < k.n; i++) {
		if (code == 0)
			code = ext2fs_xattr_remove(h, k.names[i]);
		free(k.names[i]);
	}
	ext2fs_xattrs_close(&h);
	return code;
}

/* Nothing names the inode any more. */
static errcode_t
free_inode(struct fy_guest_ext *x, ext2_ino_t ino)
{
	struct ext2_inode_large inode;
	struct ext2_inode *small = (struct ext2_inode *)&inode;
	bool dir;
	errcode_t code = drop_xattrs(x, ino);

	if (code == 0)
		code = ext2fs_read_inode_full(x->fs, ino, small, sizeof(inode));
	if (code != 0)
		return code;
	dir = LINUX_S_ISDIR(inode.i_mode);
	inode.i_links_count = 0;
	inode.i_dtime = (uint32_t)x->fs->now;
	code = ext2fs_free_ext_attr(x->fs, ino, &inode);
	if (code == 0)
		code = ext2fs_write_inode_full(x->fs, ino, small,
					       sizeof(inode));
	if (code == 0 && ext2fs_inode_has_valid_blocks2(x->fs, small))
		code = ext2fs_punch(x->fs, ino, small, NULL, 0, ~0ULL);
	if (code == 0)
		ext2fs_inode_alloc_stats2(x->fs, ino, -1, dir);
	return code;
}

static errcode_t
change_links(struct fy_guest_ext *x, ext2_ino_t ino, int by, bool *ret_none)
{
	struct ext2_inode inode;
	errcode_t code = ext2fs_read_inode(x->fs, ino, &inode);

	if (code != 0)
		return code;
	/* A directory with too many to count has one. */
	if (!LINUX_S_ISDIR(inode.i_mode) || inode.i_links_count > 1)
		inode.i_links_count = (uint16_t)(inode.i_links_count + by);
	*ret_none = inode.i_links_count == 0;
	return ext2fs_write_inode(x->fs, ino, &inode);
}

static errcode_t
remove_entry(struct fy_guest_ext *x, ext2_ino_t dir, const char *name,
	     ext2_ino_t ino, bool is_dir)
{
	bool none = true, ignored;
	errcode_t code = ext2fs_unlink(x->fs, dir, name, ino, 0);

	if (code == 0 && !is_dir)
		code = change_links(x, ino, -1, &none);
	else if (code == 0)
		code = change_links(x, dir, -1, &ignored);
	if (code != 0)
		return code;
	code = none ? free_inode(x, ino) : fy_guest_ext_touch(x, ino, false);
	return code != 0 ? code : fy_guest_ext_touch(x, dir, true);
}

int
fy_guest_ext_remove(void *h, const char *path, struct fy_error *err)
{
	struct fy_guest_ext *x = h;
	struct ext2_inode inode;
	const char *name = NULL;
	ext2_ino_t dir, ino;
	bool full = false;
	errcode_t code = 0;

	fy_guest_ext_forget(x);
	if (find_entry(x, path, &dir, &name, &ino, &inode, err) == -1)
		return -1;
	if (LINUX_S_ISDIR(inode.i_mode))
		code = ext2fs_dir_iterate(x->fs, ino, 0, NULL, not_empty,
					  &full);
	if (code == 0 && full)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the directory '%s' is not empty", path);
	if (code == 0)
		code = remove_entry(x, dir, name, ino,
				    LINUX_S_ISDIR(inode.i_mode));
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "'%s'", path);
	return 0;
}

/* --- renaming -------------------------------------------------------------- */

static int
set_dotdot(struct ext2_dir_entry *d, int offset, int blocksize, char *buf,
	   void *private)
{
	const ext2_ino_t *parent = private;

	(void)offset;
	(void)blocksize;
	(void)buf;
	if (ext2fs_dirent_name_len(d) != 2 || memcmp(d->name, "..", 2) != 0)
		return 0;
	d->inode = *parent;
	return DIRENT_ABORT | DIRENT_CHANGED;
}

/* A directory goes from one parent to another. */
static errcode_t
move_dir(struct fy_guest_ext *x, ext2_ino_t ino, ext2_ino_t from, ext2_ino_t to)
{
	errcode_t code = ext2fs_dir_iterate(
		x->fs, ino, DIRENT_FLAG_INCLUDE_EMPTY, NULL, set_dotdot, &to);
	bool ignored;

	if (code == 0)
		code = change_links(x, from, -1, &ignored);
	return code != 0 ? code : change_links(x, to, 1, &ignored);
}

static int
kind_of(const struct ext2_inode *inode)
{
	return LINUX_S_ISREG(inode->i_mode)    ? EXT2_FT_REG_FILE
	       : LINUX_S_ISDIR(inode->i_mode)  ? EXT2_FT_DIR
	       : LINUX_S_ISLNK(inode->i_mode)  ? EXT2_FT_SYMLINK
	       : LINUX_S_ISCHR(inode->i_mode)  ? EXT2_FT_CHRDEV
	       : LINUX_S_ISBLK(inode->i_mode)  ? EXT2_FT_BLKDEV
	       : LINUX_S_ISFIFO(inode->i_mode) ? EXT2_FT_FIFO
					       : EXT2_FT_SOCK;
}

int
fy_guest_ext_rename(void *h, const char *path, const char *to,
		    struct fy_error *err)
{
	struct fy_guest_ext *x = h;
	struct ext2_inode inode;
	const char *name = NULL, *new_name = NULL;
	size_t len = strlen(path);
	ext2_ino_t dir, ino, new_dir;
	errcode_t code;

	fy_guest_ext_forget(x);
	if (strncmp(to, path, len) == 0 && to[len] == '/')
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' can't be moved into itself", path);
	if (find_entry(x, path, &dir, &name, &ino, &inode, err) == -1 ||
	    fy_guest_ext_parent(x, to, &new_dir, &new_name, err) == -1)
		return -1;
	code = fy_guest_ext_link(x, new_dir, new_name, ino, kind_of(&inode));
	if (code == 0)
		code = ext2fs_unlink(x->fs, dir, name, ino, 0);
	if (code == 0 && LINUX_S_ISDIR(inode.i_mode) && dir != new_dir)
		code = move_dir(x, ino, dir, new_dir);
	if (code == 0)
		code = fy_guest_ext_touch(x, ino, false);
	if (code == 0)
		code = fy_guest_ext_touch(x, dir, true);
	if (code == 0)
		code = fy_guest_ext_touch(x, new_dir, true);
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "'%s'", path);
	return 0;
}

/* --- owners, modes, attributes ---------------------------------------------- */

int
fy_guest_ext_set_stat(void *h, const char *path, const struct fy_guest_stat *st,
		      struct fy_error *err)
{
	struct fy_guest_ext *x = h;
	struct ext2_inode inode;
	ext2_ino_t ino;
	errcode_t code;

	fy_guest_ext_forget(x);
	if (fy_guest_ext_find(x, path, &ino, err) == -1 ||
	    fy_guest_ext_inode(x, ino, &inode, err) == -1 ||
	    fy_guest_ext_refuse(&inode, path, err) == -1)
		return -1;
	fy_guest_ext_own(&inode, st);
	if (!LINUX_S_ISLNK(inode.i_mode))
		inode.i_mode = (uint16_t)((inode.i_mode & LINUX_S_IFMT) |
					  (st->mode & 07777));
	code = ext2fs_write_inode(x->fs, ino, &inode);
	if (code == 0)
		code = fy_guest_ext_touch(x, ino, false);
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "'%s'", path);
	return 0;
}

/* The attributes of an inode, read; NULL: this filesystem has none. */
static int
open_xattrs(struct fy_guest_ext *x, ext2_ino_t ino, const char *path,
	    struct ext2_xattr_handle **ret, struct fy_error *err)
{
	errcode_t code;

	*ret = NULL;
	if (!ext2fs_has_feature_xattr(x->fs->super))
		return 0;
	code = ext2fs_xattrs_open(x->fs, ino, ret);
	if (code == 0 && (code = ext2fs_xattrs_read(*ret)) == 0)
		return 0;
	if (*ret != NULL)
		ext2fs_xattrs_close(ret);
	return fy_ext_error(x->fs, code, err, "attributes of '%s'", path);
}

int
fy_guest_ext_get_xattr(void *h, const char *path, const char *name, char **ret,
		       size_t *ret_len, struct fy_error *err)
{
	struct fy_guest_ext *x = h;
	struct ext2_xattr_handle *attrs = NULL;
	errcode_t code = EXT2_ET_EA_KEY_NOT_FOUND;
	void *value = NULL;
	size_t len = 0;
	ext2_ino_t ino;

	fy_guest_ext_forget(x);
	if (fy_guest_ext_find(x, path, &ino, err) == -1 ||
	    open_xattrs(x, ino, path, &attrs, err) == -1)
		return -1;
	if (attrs != NULL) {
		code = ext2fs_xattr_get(attrs, name, &value, &len);
		ext2fs_xattrs_close(&attrs);
	}
	if (code == EXT2_ET_EA_KEY_NOT_FOUND)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "'%s' has no attribute '%s'", path, name);
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "attribute '%s' of '%s'",
				    name, path);
	if (len <= MAX_XATTR && (*ret = malloc(len + 1)) != NULL) {
		memcpy(*ret, value, len);
		(*ret)[len] = '\0';
		*ret_len = len;
	} else {
		code = len > MAX_XATTR
			       ? fy_error_set(err, FY_E_FORMAT, 0,
					      "attribute '%s' of '%s' is "
					      "larger than %u bytes",
					      name, path, MAX_XATTR)
			       : fy_error_nomem(err);
	}
	ext2fs_free_mem(&value);
	return (int)code;
}

int
fy_guest_ext_set_xattr(void *h, const char *path, const char *name,
		       const void *data, size_t len, struct fy_error *err)
{
	struct fy_guest_ext *x = h;
	struct ext2_xattr_handle *attrs = NULL;
	struct ext2_inode inode;
	ext2_ino_t ino;
	errcode_t code;

	fy_guest_ext_forget(x);
	if (fy_guest_ext_find(x, path, &ino, err) == -1 ||
	    fy_guest_ext_inode(x, ino, &inode, err) == -1 ||
	    fy_guest_ext_refuse(&inode, path, err) == -1 ||
	    fy_guest_ext_begin(x, err) == -1 ||
	    open_xattrs(x, ino, path, &attrs, err) == -1)
		return -1;
	if (attrs == NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "this filesystem has no extended "
				    "attributes");
	/* Larger ones may go to an inode of their own, whose blocks libext2fs
	 * does not count. */
	code = len > x->fs->blocksize / 2
		       ? EXT2_ET_EA_NO_SPACE
		       : ext2fs_xattr_set(attrs, name, data, len);
	ext2fs_xattrs_close(&attrs);
	if (code == 0)
		code = fy_guest_ext_touch(x, ino, false);
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "attribute '%s' of '%s'",
				    name, path);
	return 0;
}
