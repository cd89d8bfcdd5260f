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
#include "drivers-inject/guest-ext-internal.h"

/* --- open, check, close --------------------------------------------------- */

static int
ext_open(struct fy_volume *v, bool writable, void **ret, struct fy_error *err)
{
	struct fy_guest_ext *x = calloc(1, sizeof(*x));

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

void
fy_guest_ext_forget(struct fy_guest_ext *x)
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
	struct fy_guest_ext *x = h;
	int r = 0;

	fy_guest_ext_forget(x);
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

	/* Twice: the first time may make the quota files larger. */
	if (has_quota(v) && (preen(v, err) == -1 || preen(v, err) == -1))
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
int
fy_guest_ext_find(struct fy_guest_ext *x, const char *path, ext2_ino_t *ret,
		  struct fy_error *err)
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

int
fy_guest_ext_inode(struct fy_guest_ext *x, ext2_ino_t ino,
		   struct ext2_inode *ret, struct fy_error *err)
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
	struct fy_guest_ext *x = h;
	struct ext2_inode inode;
	ext2_ino_t ino;

	if (fy_guest_ext_find(x, path, &ino, err) == -1 ||
	    fy_guest_ext_inode(x, ino, &inode, err) == -1)
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
pread_inode(struct fy_guest_ext *x, ext2_ino_t ino, void *buf, size_t len,
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
	struct fy_guest_ext *x = h;
	struct ext2_inode inode;
	ext2_ino_t ino;

	if (x->path == NULL || strcmp(x->path, path) != 0) {
		fy_guest_ext_forget(x);
		if (fy_guest_ext_find(x, path, &ino, err) == -1 ||
		    fy_guest_ext_inode(x, ino, &inode, err) == -1 ||
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
	struct fy_guest_ext *x = h;
	struct ext2_inode inode;
	ext2_ino_t ino;
	fy_autofree char *to = NULL;
	size_t len;

	if (fy_guest_ext_find(x, path, &ino, err) == -1 ||
	    fy_guest_ext_inode(x, ino, &inode, err) == -1 ||
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
		fy_guest_ext_forget(x);
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
	struct fy_guest_ext *x;
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
	struct fy_guest_ext *x = h;
	struct listing l = { .x = x, .each = each, .ctx = ctx, .err = err };
	struct ext2_inode inode;
	ext2_ino_t ino;
	errcode_t code;

	if (fy_guest_ext_find(x, path, &ino, err) == -1 ||
	    fy_guest_ext_inode(x, ino, &inode, err) == -1 ||
	    refuse_encrypted(&inode, path, err) == -1)
		return -1;
	code = ext2fs_dir_iterate(x->fs, ino, 0, NULL, list_entry, &l);
	if (l.r != 0)
		return -1;
	if (code != 0)
		return fy_ext_error(x->fs, code, err, "listing '%s'", path);
	return 0;
}

static int
ext_free_bytes(void *h, uint64_t *ret, struct fy_error *err)
{
	struct fy_guest_ext *x = h;
	uint64_t left = ext2fs_free_blocks_count(x->fs->super);
	uint64_t reserved = ext2fs_r_blocks_count(x->fs->super);

	(void)err;
	*ret = left > reserved ? (left - reserved) * x->fs->blocksize : 0;
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
	.write = fy_guest_ext_write,
	.create = fy_guest_ext_create,
	.free_bytes = ext_free_bytes,
	.symlink = fy_guest_ext_symlink,
	.remove = fy_guest_ext_remove,
	.rename = fy_guest_ext_rename,
	.set_stat = fy_guest_ext_set_stat,
	.get_xattr = fy_guest_ext_get_xattr,
	.set_xattr = fy_guest_ext_set_xattr,
};
