/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ext2, ext3 and ext4 by libext2fs.  It is opened for writing only when that
 * is safe (fy_ext_open refuses the rest); 'repair' makes it so: first the
 * journal alone is replayed, then e2fsck preens.  What preening leaves undone
 * is refused.
 *
 * Files are written in place, in their own inode, so that owner, mode, hard
 * links and extended attributes stay.  Only the superblock's first copy is
 * updated, as the kernel does.  Quota files are not kept up by libext2fs; with
 * the quota feature 'verify' preens before it checks.
 *
 * After every edit 'verify' wants a clean `e2fsck -fn`.
 */
#include <et/com_err.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/e2fsck.h"
#include "drivers-inject/guest.h"
#include "partclone/ext-io.h"

#define MAX_FILE_BYTES (UINT64_C(1) << 40)
#define SEALED_FLAGS                                                           \
	(EXT4_ENCRYPT_FL | EXT4_VERITY_FL | EXT2_IMMUTABLE_FL | EXT2_APPEND_FL)

struct ext {
	ext2_filsys fs;
	bool bitmaps;
	/* The file that was read last. */
	char *path;
	ext2_ino_t ino;
	ext2_file_t file;
};

/* --- open, check, close --------------------------------------------------- */

static int
ext_open(struct fy_volume *v, bool writable, void **ret, struct fy_error *err)
{
	struct ext *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return fy_error_nomem(err);
	if (fy_ext_open(v, writable ? FY_EXT_WRITABLE : 0, &x->fs, err)) {
		free(x);
		return -1;
	}
	x->fs->flags |= EXT2_FLAG_MASTER_SB_ONLY;
	x->fs->now = fy_e2fsck_last_written(v);
	*ret = x;
	return 0;
}

static void
forget_file(struct ext *x)
{
	if (x->file != NULL)
		ext2fs_file_close(x->file);
	x->file = NULL;
	free(x->path);
	x->path = NULL;
}

static int
ext_close(void *h, bool commit, struct fy_error *err)
{
	struct ext *x = h;
	int r = 0;

	forget_file(x);
	if (commit)
		r = fy_ext_close(x->fs, err);
	else
		fy_ext_discard(x->fs);
	free(x);
	return r;
}

static int
preen(struct fy_volume *v, struct fy_error *err)
{
	char tail[300];
	int status;

	if (fy_e2fsck_run(v, "-fp", NULL, &status, tail, sizeof(tail), err) ==
	    -1)
		return -1;
	if (status & 4)
		return fy_error_set(err, FY_E_DIRTY, 0,
				    "%s has errors that e2fsck does not mend "
				    "by itself; run e2fsck on the machine: %s",
				    fy_volume_name(v), tail);
	return 0;
}

static int
ext_repair(struct fy_volume *v, struct fy_error *err)
{
	unsigned char sb[1024];
	char tail[300];
	int status;

	if (fy_volume_pread(v, sb, sizeof(sb), 1024, err) == -1)
		return -1;
	/* Feature bit 4: needs_recovery. */
	if ((fy_get_le32(sb + 0x60) & 4) != 0 &&
	    fy_e2fsck_run(v, "-y", "journal_only", &status, tail, sizeof(tail),
			  err) == -1)
		return -1;
	return preen(v, err);
}

static int
check(struct fy_volume *v, bool *ret_clean, char *tail, size_t tail_size,
      struct fy_error *err)
{
	int status;

	if (fy_e2fsck_run(v, "-fn", NULL, &status, tail, tail_size, err) == -1)
		return -1;
	*ret_clean = status == 0;
	return 0;
}

static bool
has_quota(struct fy_volume *v)
{
	unsigned char sb[1024];

	return fy_volume_pread(v, sb, sizeof(sb), 1024, NULL) == 0 &&
	       (fy_get_le32(sb + 0x64) & (EXT4_FEATURE_RO_COMPAT_QUOTA |
					  EXT4_FEATURE_RO_COMPAT_PROJECT));
}

static int
ext_verify(struct fy_volume *v, struct fy_volume *before, char **ret_note,
	   struct fy_error *err)
{
	char tail[300], other[300];
	bool clean, was_clean;

	if (has_quota(v) && preen(v, err) == -1)
		return -1;
	if (check(v, &clean, tail, sizeof(tail), err) == -1)
		return -1;
	if (clean)
		return 0;
	if (check(before, &was_clean, other, sizeof(other), err) == -1)
		return -1;
	if (was_clean)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "%s is not consistent after the edits: %s",
				    fy_volume_name(v), tail);
	/* It was marked clean and wasn't. */
	if (preen(v, err) == -1 ||
	    check(v, &clean, tail, sizeof(tail), err) == -1)
		return -1;
	if (!clean)
		return fy_error_set(err, FY_E_DIRTY, 0,
				    "%s had errors that e2fsck does not mend "
				    "by itself; run e2fsck on the machine: %s",
				    fy_volume_name(v), tail);
	*ret_note =
		fy_format(NULL, "%s had errors before; e2fsck has mended them",
			  fy_volume_name(v));
	return 0;
}

/* --- reading -------------------------------------------------------------- */

/* Find the inode, no symlinks followed. */
static int
find(struct ext *x, const char *path, ext2_ino_t *ret, struct fy_error *err)
{
	ext2_ino_t ino = EXT2_ROOT_INO;
	errcode_t code = 0;
	size_t len;

	while (*path != '\0' && code == 0) {
		len = strcspn(path, "/");
		code = ext2fs_lookup(x->fs, ino, path, (int)len, NULL, &ino);
		path += len + (path[len] == '/');
	}
	if (code == EXT2_ET_NO_DIRECTORY)
		code = EXT2_ET_FILE_NOT_FOUND;
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "'%s'", path);
	*ret = ino;
	return 0;
}

static int
read_inode(struct ext *x, ext2_ino_t ino, struct ext2_inode *ret,
	   struct fy_error *err)
{
	errcode_t code = ext2fs_read_inode(x->fs, ino, ret);

	if (code != 0)
		return fy_ext_error(x->fs, code, err, "inode %u", ino);
	return 0;
}

static int
ext_stat(void *h, const char *path, struct fy_guest_stat *ret,
	 struct fy_error *err)
{
	struct ext *x = h;
	struct ext2_inode inode;
	ext2_ino_t ino;

	if (find(x, path, &ino, err) == -1 ||
	    read_inode(x, ino, &inode, err) == -1)
		return -1;
	ret->type = LINUX_S_ISREG(inode.i_mode)	  ? FY_GUEST_FILE
		    : LINUX_S_ISDIR(inode.i_mode) ? FY_GUEST_DIR
		    : LINUX_S_ISLNK(inode.i_mode) ? FY_GUEST_LINK
						  : FY_GUEST_OTHER;
	ret->mode = inode.i_mode & 07777;
	ret->uid = inode_uid(inode);
	ret->gid = inode_gid(inode);
	ret->size = ret->type == FY_GUEST_FILE ? EXT2_I_SIZE(&inode) : 0;
	return 0;
}

static int
refuse_encrypted(const struct ext2_inode *inode, const char *path,
		 struct fy_error *err)
{
	if (inode->i_flags & EXT4_ENCRYPT_FL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' is encrypted (fscrypt)", path);
	return 0;
}

static int
pread_inode(struct ext *x, ext2_ino_t ino, void *buf, size_t len,
	    uint64_t offset, struct fy_error *err)
{
	unsigned char *to = buf;
	errcode_t code = 0;
	unsigned got;

	if (x->file == NULL || x->ino != ino) {
		if (x->file != NULL)
			ext2fs_file_close(x->file);
		x->file = NULL;
		code = ext2fs_file_open(x->fs, ino, 0, &x->file);
		x->ino = ino;
	}
	if (code == 0)
		code = ext2fs_file_llseek(x->file, offset, EXT2_SEEK_SET, NULL);
	while (code == 0 && len > 0) {
		got = 0;
		code = ext2fs_file_read(
			x->file, to,
			(unsigned)fy_min_u64(len, UINT32_C(1) << 30), &got);
		if (code == 0 && got == 0)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "the file ends too early");
		to += got;
		len -= got;
	}
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "reading a file");
	return 0;
}

static int
ext_pread(void *h, const char *path, void *buf, size_t len, uint64_t offset,
	  struct fy_error *err)
{
	struct ext *x = h;
	struct ext2_inode inode;
	ext2_ino_t ino;

	if (x->path == NULL || strcmp(x->path, path) != 0) {
		forget_file(x);
		if (find(x, path, &ino, err) == -1 ||
		    read_inode(x, ino, &inode, err) == -1 ||
		    refuse_encrypted(&inode, path, err) == -1)
			return -1;
		if (!LINUX_S_ISREG(inode.i_mode))
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "'%s' is no regular file", path);
		x->path = strdup(path);
		if (x->path == NULL)
			return fy_error_nomem(err);
		x->ino = ino;
	}
	return pread_inode(x, x->ino, buf, len, offset, err);
}

static int
ext_readlink(void *h, const char *path, char **ret, struct fy_error *err)
{
	struct ext *x = h;
	struct ext2_inode inode;
	ext2_ino_t ino;
	fy_autofree char *to = NULL;
	size_t len;

	if (find(x, path, &ino, err) == -1 ||
	    read_inode(x, ino, &inode, err) == -1 ||
	    refuse_encrypted(&inode, path, err) == -1)
		return -1;
	len = (size_t)EXT2_I_SIZE(&inode);
	if (len == 0 || len >= 4096)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the symlink '%s' has no sane length",
				    path);
	to = calloc(1, len + 1);
	if (to == NULL)
		return fy_error_nomem(err);
	if (ext2fs_is_fast_symlink(&inode)) {
		if (len > sizeof(inode.i_block))
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "the symlink '%s' is damaged",
					    path);
		memcpy(to, inode.i_block, len);
	} else {
		forget_file(x);
		if (pread_inode(x, ino, to, len, 0, err) == -1)
			return -1;
	}
	if (strlen(to) != len)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the symlink '%s' is damaged", path);
	*ret = fy_steal_ptr(&to);
	return 0;
}

struct listing {
	struct ext *x;
	fy_guest_each each;
	void *ctx;
	struct fy_error *err;
	int r;
};

static int
list_entry(struct ext2_dir_entry *d, int offset, int blocksize, char *buf,
	   void *private)
{
	struct listing *l = private;
	size_t len = (size_t)ext2fs_dirent_name_len(d);
	int kind = ext2fs_dirent_file_type(d);
	enum fy_guest_type type;
	struct ext2_inode inode;
	char name[256];

	(void)offset;
	(void)blocksize;
	(void)buf;
	if (len == 0 || len > 255 || memchr(d->name, '\0', len) != NULL ||
	    memchr(d->name, '/', len) != NULL)
		return 0;
	memcpy(name, d->name, len);
	name[len] = '\0';
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (kind == EXT2_FT_UNKNOWN &&
	    ext2fs_read_inode(l->x->fs, d->inode, &inode) == 0)
		kind = LINUX_S_ISREG(inode.i_mode)   ? EXT2_FT_REG_FILE
		       : LINUX_S_ISDIR(inode.i_mode) ? EXT2_FT_DIR
		       : LINUX_S_ISLNK(inode.i_mode) ? EXT2_FT_SYMLINK
						     : EXT2_FT_UNKNOWN;
	type = kind == EXT2_FT_REG_FILE	 ? FY_GUEST_FILE
	       : kind == EXT2_FT_DIR	 ? FY_GUEST_DIR
	       : kind == EXT2_FT_SYMLINK ? FY_GUEST_LINK
					 : FY_GUEST_OTHER;
	l->r = l->each(l->ctx, name, type, l->err);
	return l->r == 0 ? 0 : DIRENT_ABORT;
}

static int
ext_list(void *h, const char *path, fy_guest_each each, void *ctx,
	 struct fy_error *err)
{
	struct ext *x = h;
	struct listing l = { .x = x, .each = each, .ctx = ctx, .err = err };
	struct ext2_inode inode;
	ext2_ino_t ino;
	errcode_t code;

	if (find(x, path, &ino, err) == -1 ||
	    read_inode(x, ino, &inode, err) == -1 ||
	    refuse_encrypted(&inode, path, err) == -1)
		return -1;
	code = ext2fs_dir_iterate(x->fs, ino, 0, NULL, list_entry, &l);
	if (l.r != 0)
		return -1;
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "listing '%s'", path);
	return 0;
}

/* --- writing -------------------------------------------------------------- */

static int
need_bitmaps(struct ext *x, struct fy_error *err)
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

static int
ext_free_bytes(void *h, uint64_t *ret, struct fy_error *err)
{
	struct ext *x = h;
	uint64_t left = ext2fs_free_blocks_count(x->fs->super);
	uint64_t reserved = ext2fs_r_blocks_count(x->fs->super);

	(void)err;
	*ret = left > reserved ? (left - reserved) * x->fs->blocksize : 0;
	return 0;
}

static int
refuse_sealed(const struct ext2_inode *inode, const char *path,
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
write_content(struct ext *x, ext2_ino_t ino, uint64_t keep, const void *data,
	      size_t len)
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
expand_inline(struct ext *x, ext2_ino_t ino)
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

static errcode_t
touch(struct ext *x, ext2_ino_t ino)
{
	struct ext2_inode_large inode;
	errcode_t code;
	uint64_t full = (uint64_t)x->fs->now;
	uint32_t now = (uint32_t)full;

	code = ext2fs_read_inode_full(x->fs, ino, (struct ext2_inode *)&inode,
				      sizeof(inode));
	if (code != 0)
		return code;
	inode.i_mtime = inode.i_ctime = now;
	if (EXT2_INODE_SIZE(x->fs->super) > EXT2_GOOD_OLD_INODE_SIZE &&
	    inode.i_extra_isize >= 12)
		inode.i_mtime_extra = inode.i_ctime_extra =
			(uint32_t)(full >> 32) & 3;
	return ext2fs_write_inode_full(x->fs, ino, (struct ext2_inode *)&inode,
				       sizeof(inode));
}

static int
ext_write(void *h, const char *path, uint64_t keep, const void *data,
	  size_t len, struct fy_error *err)
{
	struct ext *x = h;
	struct ext2_inode inode;
	ext2_ino_t ino;
	errcode_t code;

	forget_file(x);
	if (find(x, path, &ino, err) == -1 ||
	    read_inode(x, ino, &inode, err) == -1 ||
	    refuse_sealed(&inode, path, err) == -1 ||
	    need_bitmaps(x, err) == -1)
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
		code = touch(x, ino);
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "'%s'", path);
	return 0;
}

/* A new file gets its directory's SELinux label, when there is one. */
static errcode_t
copy_label(struct ext *x, ext2_ino_t from, ext2_ino_t to)
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

static errcode_t
link_name(struct ext *x, ext2_ino_t dir, const char *name, ext2_ino_t ino,
	  int kind)
{
	errcode_t code = ext2fs_link(x->fs, dir, name, ino, kind);

	if (code != EXT2_ET_DIR_NO_SPACE)
		return code;
	code = ext2fs_expand_dir(x->fs, dir);
	return code != 0 ? code : ext2fs_link(x->fs, dir, name, ino, kind);
}

static errcode_t
new_inode(struct ext *x, ext2_ino_t dir, const struct fy_guest_stat *st,
	  ext2_ino_t *ret)
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
	inode.i_uid = (uint16_t)st->uid;
	inode.i_gid = (uint16_t)st->gid;
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
create_file(struct ext *x, ext2_ino_t dir, const char *name,
	    const struct fy_guest_stat *st, const void *data, size_t len)
{
	ext2_ino_t ino = 0;
	errcode_t code;

	code = new_inode(x, dir, st, &ino);
	if (code == 0)
		code = write_content(x, ino, 0, data, len);
	if (code == 0)
		code = link_name(x, dir, name, ino, EXT2_FT_REG_FILE);
	return code != 0 ? code : copy_label(x, dir, ino);
}

static errcode_t
create_dir(struct ext *x, ext2_ino_t dir, const char *name,
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
	code = ext2fs_write_inode(x->fs, ino, &inode);
	return code != 0 ? code : copy_label(x, dir, ino);
}

static int
ext_create(void *h, const char *path, const struct fy_guest_stat *st,
	   const void *data, size_t len, struct fy_error *err)
{
	struct ext *x = h;
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	fy_autofree char *up = NULL;
	struct ext2_inode inode;
	ext2_ino_t dir;
	errcode_t code;

	forget_file(x);
	up = strndup(path, slash == NULL ? 0 : (size_t)(slash - path));
	if (up == NULL)
		return fy_error_nomem(err);
	if (find(x, up, &dir, err) == -1 ||
	    read_inode(x, dir, &inode, err) == -1 ||
	    refuse_sealed(&inode, up, err) == -1 || need_bitmaps(x, err) == -1)
		return -1;
	if (ext2fs_has_feature_project(x->fs->super) &&
	    (inode.i_flags & EXT4_PROJINHERIT_FL))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' hands a project number down, which "
				    "is not implemented",
				    up);
	code = st->type == FY_GUEST_DIR
		       ? create_dir(x, dir, name, st)
		       : create_file(x, dir, name, st, data, len);
	if (code == 0)
		code = touch(x, dir);
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "'%s'", path);
	return 0;
}

const struct fy_guest_driver fy_guest_ext = {
	.name = "ext",
	.has_roots = true,
	.open = ext_open,
	.repair = ext_repair,
	.verify = ext_verify,
	.close = ext_close,
	.stat = ext_stat,
	.readlink = ext_readlink,
	.pread = ext_pread,
	.list = ext_list,
	.write = ext_write,
	.create = ext_create,
	.free_bytes = ext_free_bytes,
};
