/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ext2, ext3 and ext4: content of files, new files and directories.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "drivers-inject/guest-ext-internal.h"

#define MAX_FILE_BYTES (UINT64_C(1) << 40)
#define SEALED_FLAGS                                                           \
	(EXT4_ENCRYPT_FL | EXT4_VERITY_FL | EXT2_IMMUTABLE_FL | EXT2_APPEND_FL)

int
fy_guest_ext_begin(struct fy_guest_ext *x, struct fy_error *err)
{
	errcode_t code;

	if (x->bitmaps)
		return 0;
	code = ext2fs_read_bitmaps(x->fs);
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "reading the bitmaps");
	x->bitmaps = true;
	return 0;
}

int
fy_guest_ext_refuse(const struct ext2_inode *inode, const char *path,
		    struct fy_error *err)
{
	const char *why = inode->i_flags & EXT4_ENCRYPT_FL  ? "encrypted"
			  : inode->i_flags & EXT4_VERITY_FL ? "sealed by verity"
			  : inode->i_flags & EXT2_IMMUTABLE_FL
				  ? "immutable (chattr +i)"
				  : "append-only (chattr +a)";

	if (inode->i_flags & SEALED_FLAGS)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' is %s, so it can't be changed", path,
				    why);
	return 0;
}

/* Content, then size: the file ends behind 'data'. */
static errcode_t
write_content(struct fy_guest_ext *x, ext2_ino_t ino, uint64_t keep,
	      const void *data, size_t len)
{
	const unsigned char *from = data;
	ext2_file_t file = NULL;
	errcode_t code, closed;
	unsigned put;

	code = ext2fs_file_open(x->fs, ino, EXT2_FILE_WRITE, &file);
	if (code != 0)
		return code;
	code = ext2fs_file_set_size2(file, (ext2_off64_t)keep);
	if (code == 0)
		code = ext2fs_file_llseek(file, keep, EXT2_SEEK_SET, NULL);
	while (code == 0 && len > 0) {
		put = 0;
		code = ext2fs_file_write(
			file, from,
			(unsigned)fy_min_u64(len, UINT32_C(1) << 30), &put);
		if (code == 0 && put == 0)
			code = EXT2_ET_SHORT_WRITE;
		from += put;
		len -= put;
	}
	closed = ext2fs_file_close(file);
	return code != 0 ? code : closed;
}

/*
 * Make inline data move to a block, by writing more than fits.  Two blocks are
 * more than any inode holds and less than the three that libext2fs copies them
 * into (it does not check).
 */
static errcode_t
expand_inline(struct fy_guest_ext *x, ext2_ino_t ino)
{
	fy_autofree char *zeros = calloc(2, x->fs->blocksize);
	ext2_file_t file = NULL;
	errcode_t code, closed;
	unsigned put = 0;

	if (zeros == NULL)
		return EXT2_ET_NO_MEMORY;
	code = ext2fs_file_open(x->fs, ino, EXT2_FILE_WRITE, &file);
	if (code != 0)
		return code;
	code = ext2fs_file_llseek(file, 0, EXT2_SEEK_END, NULL);
	if (code == 0)
		code = ext2fs_file_write(file, zeros, 2 * x->fs->blocksize,
					 &put);
	closed = ext2fs_file_close(file);
	return code != 0 ? code : closed;
}

errcode_t
fy_guest_ext_touch(struct fy_guest_ext *x, ext2_ino_t ino, bool content)
{
	struct ext2_inode_large inode;
	errcode_t code;
	uint64_t full = (uint64_t)x->fs->now;
	uint32_t now = (uint32_t)full, extra = (uint32_t)(full >> 32) & 3;
	bool large;

	code = ext2fs_read_inode_full(x->fs, ino, (struct ext2_inode *)&inode,
				      sizeof(inode));
	if (code != 0)
		return code;
	large = EXT2_INODE_SIZE(x->fs->super) > EXT2_GOOD_OLD_INODE_SIZE &&
		inode.i_extra_isize >= 12;
	inode.i_ctime = now;
	if (large)
		inode.i_ctime_extra = extra;
	if (content)
		inode.i_mtime = now;
	if (content && large)
		inode.i_mtime_extra = extra;
	return ext2fs_write_inode_full(x->fs, ino, (struct ext2_inode *)&inode,
				       sizeof(inode));
}

int
fy_guest_ext_write(void *h, const char *path, uint64_t keep, const void *data,
		   size_t len, struct fy_error *err)
{
	struct fy_guest_ext *x = h;
	struct ext2_inode inode;
	ext2_ino_t ino;
	errcode_t code;

	fy_guest_ext_forget(x);
	if (fy_guest_ext_find(x, path, &ino, err) == -1 ||
	    fy_guest_ext_inode(x, ino, &inode, err) == -1 ||
	    fy_guest_ext_refuse(&inode, path, err) == -1 ||
	    fy_guest_ext_begin(x, err) == -1)
		return -1;
	if (!LINUX_S_ISREG(inode.i_mode))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' is no regular file", path);
	if (keep > EXT2_I_SIZE(&inode) || keep > MAX_FILE_BYTES)
		return fy_error_set(err, FY_E_FORMAT, 0, "'%s' is too short",
				    path);
	/* Shortening inline data leaves what e2fsck complains about, so the
	 * content gets a block of its own first. */
	code = inode.i_flags & EXT4_INLINE_DATA_FL ? expand_inline(x, ino) : 0;
	if (code == 0)
		code = write_content(x, ino, keep, data, len);
	if (code == 0)
		code = fy_guest_ext_touch(x, ino, true);
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "'%s'", path);
	return 0;
}

errcode_t
fy_guest_ext_label(struct fy_guest_ext *x, ext2_ino_t from, ext2_ino_t to)
{
	struct ext2_xattr_handle *h = NULL;
	void *value = NULL;
	size_t len = 0;
	errcode_t code;

	if (!ext2fs_has_feature_xattr(x->fs->super))
		return 0;
	code = ext2fs_xattrs_open(x->fs, from, &h);
	if (code == 0)
		code = ext2fs_xattrs_read(h);
	if (code == 0)
		code = ext2fs_xattr_get(h, "security.selinux", &value, &len);
	if (h != NULL)
		ext2fs_xattrs_close(&h);
	if (code == EXT2_ET_EA_KEY_NOT_FOUND)
		return 0;
	if (code != 0)
		return code;
	h = NULL;
	code = ext2fs_xattrs_open(x->fs, to, &h);
	if (code == 0)
		code = ext2fs_xattrs_read(h);
	if (code == 0)
		code = ext2fs_xattr_set(h, "security.selinux", value, len);
	if (h != NULL)
		ext2fs_xattrs_close(&h);
	ext2fs_free_mem(&value);
	return code;
}

errcode_t
fy_guest_ext_link(struct fy_guest_ext *x, ext2_ino_t dir, const char *name,
		  ext2_ino_t ino, int kind)
{
	errcode_t code = ext2fs_link(x->fs, dir, name, ino, kind);

	if (code != EXT2_ET_DIR_NO_SPACE)
		return code;
	code = ext2fs_expand_dir(x->fs, dir);
	return code != 0 ? code : ext2fs_link(x->fs, dir, name, ino, kind);
}

void
fy_guest_ext_own(struct ext2_inode *inode, const struct fy_guest_stat *st)
{
	inode->i_uid = (uint16_t)st->uid;
	inode->osd2.linux2.l_i_uid_high = (uint16_t)(st->uid >> 16);
	inode->i_gid = (uint16_t)st->gid;
	inode->osd2.linux2.l_i_gid_high = (uint16_t)(st->gid >> 16);
}

static errcode_t
new_inode(struct fy_guest_ext *x, ext2_ino_t dir,
	  const struct fy_guest_stat *st, ext2_ino_t *ret)
{
	struct ext2_inode_large inode;
	struct ext2_inode *small = (struct ext2_inode *)&inode;
	ext2_extent_handle_t extents = NULL;
	errcode_t code;

	code = ext2fs_new_inode(x->fs, dir, 0100000, NULL, ret);
	if (code != 0)
		return code;
	memset(&inode, 0, sizeof(inode));
	inode.i_mode = (uint16_t)(LINUX_S_IFREG | st->mode);
	fy_guest_ext_own(small, st);
	inode.i_links_count = 1;
	inode.i_atime = inode.i_ctime = inode.i_mtime = (uint32_t)x->fs->now;
	if (EXT2_INODE_SIZE(x->fs->super) > EXT2_GOOD_OLD_INODE_SIZE) {
		inode.i_extra_isize = sizeof(inode) - EXT2_GOOD_OLD_INODE_SIZE;
		inode.i_crtime = inode.i_mtime;
	}
	if (ext2fs_has_feature_extents(x->fs->super)) {
		inode.i_flags |= EXT4_EXTENTS_FL;
		code = ext2fs_extent_open2(x->fs, *ret, small, &extents);
		if (code != 0)
			return code;
		ext2fs_extent_free(extents);
	}
	ext2fs_inode_alloc_stats2(x->fs, *ret, 1, 0);
	return ext2fs_write_new_inode(x->fs, *ret, small);
}

static errcode_t
create_file(struct fy_guest_ext *x, ext2_ino_t dir, const char *name,
	    const struct fy_guest_stat *st, const void *data, size_t len)
{
	ext2_ino_t ino = 0;
	errcode_t code;

	code = new_inode(x, dir, st, &ino);
	if (code == 0)
		code = write_content(x, ino, 0, data, len);
	if (code == 0)
		code = fy_guest_ext_link(x, dir, name, ino, EXT2_FT_REG_FILE);
	return code != 0 ? code : fy_guest_ext_label(x, dir, ino);
}

static errcode_t
create_dir(struct fy_guest_ext *x, ext2_ino_t dir, const char *name,
	   const struct fy_guest_stat *st)
{
	struct ext2_inode inode;
	ext2_ino_t ino = 0;
	errcode_t code;

	code = ext2fs_mkdir(x->fs, dir, 0, name);
	if (code == EXT2_ET_DIR_NO_SPACE) {
		code = ext2fs_expand_dir(x->fs, dir);
		if (code == 0)
			code = ext2fs_mkdir(x->fs, dir, 0, name);
	}
	if (code == 0)
		code = ext2fs_lookup(x->fs, dir, name, (int)strlen(name), NULL,
				     &ino);
	if (code == 0)
		code = ext2fs_read_inode(x->fs, ino, &inode);
	if (code != 0)
		return code;
	inode.i_mode = (uint16_t)(LINUX_S_IFDIR | st->mode);
	fy_guest_ext_own(&inode, st);
	code = ext2fs_write_inode(x->fs, ino, &inode);
	return code != 0 ? code : fy_guest_ext_label(x, dir, ino);
}

int
fy_guest_ext_parent(struct fy_guest_ext *x, const char *path, ext2_ino_t *ret,
		    const char **ret_name, struct fy_error *err)
{
	const char *slash = strrchr(path, '/');
	fy_autofree char *up = NULL;
	struct ext2_inode inode;

	*ret_name = slash == NULL ? path : slash + 1;
	up = strndup(path, slash == NULL ? 0 : (size_t)(slash - path));
	if (up == NULL)
		return fy_error_nomem(err);
	if (fy_guest_ext_find(x, up, ret, err) == -1 ||
	    fy_guest_ext_inode(x, *ret, &inode, err) == -1 ||
	    fy_guest_ext_refuse(&inode, up, err) == -1 ||
	    fy_guest_ext_begin(x, err) == -1)
		return -1;
	if (ext2fs_has_feature_project(x->fs->super) &&
	    (inode.i_flags & EXT4_PROJINHERIT_FL))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' hands a project number down, which "
				    "is not implemented",
				    up);
	return 0;
}

int
fy_guest_ext_create(void *h, const char *path, const struct fy_guest_stat *st,
		    const void *data, size_t len, struct fy_error *err)
{
	struct fy_guest_ext *x = h;
	const char *name = NULL;
	ext2_ino_t dir;
	errcode_t code;

	fy_guest_ext_forget(x);
	if (fy_guest_ext_parent(x, path, &dir, &name, err) == -1)
		return -1;
	code = st->type == FY_GUEST_DIR
		       ? create_dir(x, dir, name, st)
		       : create_file(x, dir, name, st, data, len);
	if (code == 0)
		code = fy_guest_ext_touch(x, dir, true);
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "'%s'", path);
	return 0;
}
