/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NTFS by libntfs-3g, above a volume and not a path.
 *
 * Before the library sees a volume our own reader has judged it: one that is
 * hibernated, dirty or has an open log is not opened for writing.  Everything
 * is written to an overlay of our own first and goes to the volume when it is
 * committed, so that what is given up leaves no trace (the library empties
 * $LogFile when it opens a volume, and writes records when it likes).
 *
 * The library follows indexes and runs without asking how long that takes: the
 * device counts reads of each call and fails them when there are too many.
 *
 * Names are matched without regard to case, by the volume's own table.  Mode
 * and owner mean nothing; a new file has the security descriptor that Windows
 * would make it inherit from its directory.  Files with a reparse point
 * (symlinks, junctions, files of compact.exe, deduplicated ones) are neither
 * read nor written, encrypted ones too; compressed ones are only read.
 */
#include "drivers-inject/guest-ntfs-internal.h"

#include "common/bytes.h"
#include "common/file.h"
#include "common/overlay.h"
#include "drivers-inject/guest-ntfs.h"
#include "drivers-inject/guest.h"
#include "partclone/ntfs-state.h"

#define CLUSTER	 4096u
#define PIECE	 (256u * 1024)
#define MAX_FILE (UINT64_C(1) << 40)

/* --- errors ----------------------------------------------------------------- */

/* What the library says by errno. */
static int
fail(struct fy_ntfs_guest *n, const char *path, const char *what,
     struct fy_error *err)
{
	int e = errno == 0 ? EIO : errno;
	enum fy_error_code code = FY_E_IO;

	if (n->failure.code != FY_E_NONE) {
		code = n->failure.code;
		fy_error_set(err, code, n->failure.sys_errno, "'%s': %s", path,
			     n->failure.msg);
		fy_error_clear(&n->failure);
		return -1;
	}
	if (e == ENOENT || e == ENOTDIR)
		return fy_error_set(err, FY_E_NOTFOUND, 0, "no '%s'", path);
	if (e == ENOSPC)
		code = FY_E_NOSPACE;
	else if (e == ENOMEM)
		code = FY_E_NOMEM;
	else if (e == EEXIST)
		code = FY_E_EXISTS;
	else if (e == EOPNOTSUPP || e == EACCES || e == EPERM)
		code = FY_E_UNSUPPORTED;
	else if (e == EIO || e == EINVAL || e == ELOOP || e == ENAMETOOLONG)
		code = FY_E_FORMAT;
	return fy_error_set(err, code, e, "'%s': NTFS cannot %s it", path,
			    what);
}

static void
begin(struct fy_ntfs_guest *n)
{
	n->reads = 0;
	fy_error_clear(&n->failure);
	errno = 0;
}

/* --- open and close ---------------------------------------------------------- */

/* Whether our own reader takes it; for writing, whether it is safe too. */
static int
judge(struct fy_volume *v, bool writable, struct fy_error *err)
{
	struct fy_ntfs_state state;
	struct fy_ntfs own;
	const char *why = NULL, *cure = NULL;
	int r;

	r = fy_ntfs_open(v, NULL, &own, err);
	if (r == 0)
		r = fy_ntfs_read_state(&own, &state, err);
	fy_ntfs_release(&own);
	if (r == -1)
		return fy_error_prefix(err, "NTFS on %s", fy_volume_name(v));
	if (writable)
		why = fy_ntfs_unclean(&state, &cure);
	if (why != NULL)
		return fy_error_set(err, FY_E_DIRTY, 0,
				    "the NTFS on %s can't be edited: %s; %s",
				    fy_volume_name(v), why, cure);
	if (writable && (state.major != 3 || state.minor > 1))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the NTFS on %s is of version %u.%u, which "
				    "can't be edited",
				    fy_volume_name(v), state.major,
				    state.minor);
	return 0;
}

static void
discard(struct fy_ntfs_guest *n)
{
	if (n->vol != NULL) {
		if (n->secure)
			ntfs_close_secure(n->vol);
		/* Frees the device, too. */
		ntfs_umount(n->vol, TRUE);
	} else if (n->dev != NULL) {
		ntfs_device_free(n->dev);
	}
	fy_volume_close(n->overlay);
	free(n);
}

static int
mount_volume(struct fy_ntfs_guest *n, bool writable, struct fy_error *err)
{
	ntfs_mount_flags flags =
		writable ? NTFS_MNT_EXCLUSIVE
			 : (ntfs_mount_flags)(NTFS_MNT_RDONLY |
					      NTFS_MNT_FORENSIC);

	begin(n);
	ntfs_log_set_handler(ntfs_log_handler_null);
	n->dev = ntfs_device_alloc("volume", 0, &fy_ntfs_device, n);
	if (n->dev == NULL)
		return fy_error_nomem(err);
	n->vol = ntfs_device_mount(n->dev, flags);
	if (n->vol == NULL)
		return fail(n, fy_volume_name(n->target), "open", err);
	if (ntfs_set_ignore_case(n->vol) != 0)
		return fail(n, fy_volume_name(n->target), "open", err);
	n->secure = writable && ntfs_open_secure(n->vol) == 0;
	return 0;
}

static int
ntfs_guest_open(struct fy_volume *v, bool writable, void **ret,
		struct fy_error *err)
{
	struct fy_ntfs_guest *n;

	if (judge(v, writable, err) == -1)
		return -1;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return fy_error_nomem(err);
	n->target = n->io = v;
	if (writable && fy_overlay_new(v, CLUSTER, NULL, &n->overlay, err)) {
		free(n);
		return -1;
	}
	if (writable)
		n->io = n->overlay;
	if (mount_volume(n, writable, err) == -1) {
		discard(n);
		return -1;
	}
	*ret = n;
	return 0;
}

/* What was written goes to the volume. */
static int
put_changes(struct fy_volume *from, struct fy_volume *to, struct fy_error *err)
{
	fy_autofree unsigned char *buf = malloc(PIECE);
	FY_AUTO(extents) struct fy_extents *changed = fy_extents_new(err);
	struct fy_extents_cursor c;
	struct fy_extent x;
	size_t len;
	int r;

	if (buf == NULL || changed == NULL)
		return fy_error_nomem(err);
	if (fy_overlay_changed(from, changed, err) == -1)
		return -1;
	fy_extents_cursor_init(&c, changed);
	while ((r = fy_extents_next(&c, &x, err)) == 1)
		for (; x.length > 0; x.offset += len, x.length -= len) {
			len = (size_t)fy_min_u64(x.length, PIECE);
			if (fy_volume_pread(from, buf, len, x.offset, err) ||
			    fy_volume_pwrite(to, buf, len, x.offset, err))
				return -1;
		}
	return r;
}

static int
ntfs_guest_close(void *h, bool commit, struct fy_error *err)
{
	struct fy_ntfs_guest *n = h;
	ntfs_volume *vol = n->vol;
	int r = 0;

	if (!commit || n->overlay == NULL) {
		discard(n);
		return 0;
	}
	begin(n);
	if (n->secure && ntfs_close_secure(vol) != 0)
		r = fail(n, fy_volume_name(n->target), "close", err);
	n->secure = false;
	n->vol = NULL;
	n->dev = NULL;
	if (ntfs_umount(vol, FALSE) != 0 && r == 0)
		r = fail(n, fy_volume_name(n->target), "close", err);
	if (r == 0)
		r = put_changes(n->overlay, n->target, err);
	discard(n);
	return r;
}

/* --- names ------------------------------------------------------------------- */

/* One component of a path, in the library's form; NULL with errno. */
static ntfschar *
name_of(const char *from, size_t len, int *ret_len)
{
	fy_autofree char *name = strndup(from, len);
	ntfschar *wide = NULL;

	if (name == NULL)
		return NULL;
	*ret_len = ntfs_mbstoucs(name, &wide);
	if (*ret_len > 0 && *ret_len <= 255)
		return wide;
	free(wide);
	errno = ENAMETOOLONG;
	return NULL;
}

static ntfs_inode *
child_of(ntfs_inode *dir, const ntfschar *name, int len)
{
	u64 ref;

	if ((dir->mrec->flags & MFT_RECORD_IS_DIRECTORY) == 0 ||
	    (dir->flags & FILE_ATTR_REPARSE_POINT) != 0) {
		errno = ENOTDIR;
		return NULL;
	}
	ref = ntfs_inode_lookup_by_name(dir, name, len);
	if (ref == (u64)-1)
		return NULL;
	/* The filesystem's own files are no guest's files. */
	if (MREF(ref) < FILE_first_user && MREF(ref) != FILE_root) {
		errno = ENOENT;
		return NULL;
	}
	return ntfs_inode_open(dir->vol, ref);
}

/*
 * The inode at 'path' (its first 'len' bytes), NULL with errno.
 */
static ntfs_inode *
inode_at(struct fy_ntfs_guest *n, const char *path, size_t len)
{
	ntfs_inode *ni, *next;
	ntfschar *name;
	size_t part;
	int units = 0, e;

	ni = ntfs_inode_open(n->vol, FILE_root);
	while (ni != NULL && len > 0) {
		part = strcspn(path, "/");
		if (part > len)
			part = len;
		name = name_of(path, part, &units);
		next = name == NULL ? NULL : child_of(ni, name, units);
		e = errno;
		free(name);
		ntfs_inode_close(ni);
		errno = e;
		ni = next;
		path += part;
		len -= part;
		if (len > 0) {
			path++;
			len--;
		}
	}
	return ni;
}

static ntfs_inode *
find(struct fy_ntfs_guest *n, const char *path, struct fy_error *err)
{
	ntfs_inode *ni;

	begin(n);
	ni = inode_at(n, path, strlen(path));
	if (ni == NULL)
		fail(n, path, "find", err);
	return ni;
}

static enum fy_guest_type
type_of(const ntfs_inode *ni)
{
	if (ni->flags & FILE_ATTR_REPARSE_POINT)
		return FY_GUEST_OTHER;
	if (ni->mrec->flags & MFT_RECORD_IS_DIRECTORY)
		return FY_GUEST_DIR;
	return FY_GUEST_FILE;
}

/* --- reading ------------------------------------------------------------------ */

static int
ntfs_guest_stat(void *h, const char *path, struct fy_guest_stat *ret,
		struct fy_error *err)
{
	ntfs_inode *ni = find(h, path, err);

	if (ni == NULL)
		return -1;
	memset(ret, 0, sizeof(*ret));
	ret->type = type_of(ni);
	ret->mode = ret->type == FY_GUEST_DIR ? 0755 : 0644;
	if (ret->type == FY_GUEST_FILE)
		ret->size = ni->data_size < 0 ? 0 : (uint64_t)ni->data_size;
	ntfs_inode_close(ni);
	return 0;
}

static int
ntfs_guest_readlink(void *h, const char *path, char **ret, struct fy_error *err)
{
	(void)h;
	(void)ret;
	return fy_error_set(err, FY_E_NOTFOUND, 0, "'%s' is no symlink", path);
}

/* Why the content can't be had, NULL when it can. */
static const char *
sealed(const ntfs_inode *ni, bool writing)
{
	if (ni->mrec->flags & MFT_RECORD_IS_DIRECTORY)
		return "is a directory";
	if (ni->flags & FILE_ATTR_REPARSE_POINT)
		return "has a reparse point (a link, compact.exe's or a "
		       "deduplicated file)";
	if (ni->flags & FILE_ATTR_ENCRYPTED)
		return "is encrypted";
	if (writing && (ni->flags & FILE_ATTR_COMPRESSED))
		return "is compressed";
	return NULL;
}

/* The unnamed $DATA of a file; NULL with 'err'. */
static ntfs_attr *
data_of(struct fy_ntfs_guest *n, ntfs_inode *ni, const char *path, bool writing,
	struct fy_error *err)
{
	const char *why = sealed(ni, writing);
	ntfs_attr *na;

	if (why != NULL) {
		fy_error_set(err, FY_E_UNSUPPORTED, 0, "'%s' %s", path, why);
		return NULL;
	}
	na = ntfs_attr_open(ni, AT_DATA, AT_UNNAMED, 0);
	if (na == NULL) {
		fail(n, path, "open", err);
		return NULL;
	}
	if (NAttrEncrypted(na) || (writing && NAttrCompressed(na))) {
		fy_error_set(err, FY_E_UNSUPPORTED, 0,
			     "'%s' is encrypted or compressed", path);
		ntfs_attr_close(na);
		return NULL;
	}
	return na;
}

static int
read_data(struct fy_ntfs_guest *n, ntfs_attr *na, const char *path, void *buf,
	  size_t len, uint64_t offset, struct fy_error *err)
{
	unsigned char *p = buf;
	s64 got;

	if (offset > MAX_FILE || len > MAX_FILE)
		return fy_error_set(err, FY_E_FORMAT, 0, "'%s' is too large",
				    path);
	while (len > 0) {
		/* Each piece has the count of reads of its own. */
		begin(n);
		got = ntfs_attr_pread(na, (s64)offset,
				      (s64)fy_min_u64(len, 16 * FY_MIB), p);
		if (got < 0)
			return fail(n, path, "read", err);
		if (got == 0)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "'%s' ends too early", path);
		p += got;
		len -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

static int
ntfs_guest_pread(void *h, const char *path, void *buf, size_t len,
		 uint64_t offset, struct fy_error *err)
{
	struct fy_ntfs_guest *n = h;
	ntfs_inode *ni = find(n, path, err);
	ntfs_attr *na;
	int r = -1;

	if (ni == NULL)
		return -1;
	na = data_of(n, ni, path, false, err);
	if (na != NULL) {
		r = read_data(n, na, path, buf, len, offset, err);
		ntfs_attr_close(na);
	}
	ntfs_inode_close(ni);
	return r;
}

struct listing {
	fy_guest_each each;
	void *ctx;
	struct fy_error *err;
	bool failed;
};

static int
each_entry(void *ctx, const ntfschar *name, const int len, const int type,
	   const s64 pos, const MFT_REF mref, const unsigned dt_type)
{
	struct listing *l = ctx;
	char *text = NULL;
	int r = 0;

	(void)pos;
	/* Short names are other names of what is listed anyway. */
	if ((type & FILE_NAME_WIN32_AND_DOS) == FILE_NAME_DOS ||
	    MREF(mref) < FILE_first_user)
		return 0;
	if (ntfs_ucstombs(name, len, &text, 0) <= 0 || text == NULL)
		return 0; /* can't be named */
	if (strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
	    text[0] != '\0' && strchr(text, '/') == NULL)
		r = l->each(l->ctx, text,
			    dt_type == NTFS_DT_DIR   ? FY_GUEST_DIR
			    : dt_type == NTFS_DT_REG ? FY_GUEST_FILE
						     : FY_GUEST_OTHER,
			    l->err);
	free(text);
	l->failed = r == -1;
	return r;
}

static int
ntfs_guest_list(void *h, const char *path, fy_guest_each each, void *ctx,
		struct fy_error *err)
{
	struct fy_ntfs_guest *n = h;
	struct listing l = { .each = each, .ctx = ctx, .err = err };
	ntfs_inode *ni = find(n, path, err);
	s64 pos = 0;
	int r;

	if (ni == NULL)
		return -1;
	if (type_of(ni) != FY_GUEST_DIR) {
		ntfs_inode_close(ni);
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "'%s' is no directory", path);
	}
	/* It makes names small where case is ignored. */
	NVolSetCaseSensitive(n->vol);
	r = ntfs_readdir(ni, &pos, &l, each_entry);
	n->vol->state &= ~(1UL << NV_CaseSensitive);
	if (r != 0 && !l.failed)
		fail(n, path, "list", err);
	ntfs_inode_close(ni);
	return r == 0 ? 0 : -1;
}

/* --- writing -------------------------------------------------------------------- */

static int
write_data(struct fy_ntfs_guest *n, ntfs_inode *ni, const char *path,
	   uint64_t keep, const void *data, size_t len, struct fy_error *err)
{
	const unsigned char *p = data;
	ntfs_attr *na = data_of(n, ni, path, true, err);
	size_t done = 0;
	s64 put = 0;
	int r = 0;

	if (na == NULL)
		return -1;
	if (na->data_size < 0 || keep > (uint64_t)na->data_size)
		r = fy_error_set(err, FY_E_FORMAT, 0, "'%s' is too short",
				 path);
	while (r == 0 && done < len) {
		begin(n);
		put = ntfs_attr_pwrite(na, (s64)(keep + done),
				       (s64)fy_min_u64(len - done, 4 * FY_MIB),
				       p + done);
		if (put <= 0)
			r = fail(n, path, "write", err);
		else
			done += (size_t)put;
	}
	begin(n);
	if (r == 0 && na->data_size != (s64)(keep + len) &&
	    ntfs_attr_truncate(na, (s64)(keep + len)) != 0)
		r = fail(n, path, "write", err);
	ntfs_attr_close(na);
	return r;
}

static int
ntfs_guest_write(void *h, const char *path, uint64_t keep, const void *data,
		 size_t len, struct fy_error *err)
{
	struct fy_ntfs_guest *n = h;
	ntfs_inode *ni = find(n, path, err);
	int r;

	if (ni == NULL)
		return -1;
	r = keep > MAX_FILE || len > MAX_FILE
		    ? fy_error_set(err, FY_E_UNSUPPORTED, 0,
				   "'%s' is too large", path)
		    : write_data(n, ni, path, keep, data, len, err);
	if (r == 0)
		ntfs_inode_update_times(ni, NTFS_UPDATE_MCTIME);
	if (ntfs_inode_close(ni) != 0 && r == 0)
		r = fail(n, path, "write", err);
	return r;
}

/* A path's directory and its last component, in the library's form. */
struct place {
	ntfs_inode *dir;
	ntfschar *name;
	int len;
};

static int
open_place(struct fy_ntfs_guest *n, const char *path, struct place *ret,
	   struct fy_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash == NULL ? path : slash + 1;

	begin(n);
	ret->name = name_of(last, strlen(last), &ret->len);
	if (ret->name == NULL)
		return fail(n, path, "name", err);
	if (ntfs_forbidden_names(n->vol, ret->name, ret->len, TRUE)) {
		free(ret->name);
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' is no name for Windows", path);
	}
	ret->dir =
		inode_at(n, path, slash == NULL ? 0 : (size_t)(slash - path));
	if (ret->dir != NULL && type_of(ret->dir) == FY_GUEST_DIR)
		return 0;
	if (ret->dir != NULL) {
		ntfs_inode_close(ret->dir);
		errno = ENOTDIR;
	}
	free(ret->name);
	return fail(n, path, "find the directory of", err);
}

static int
close_place(struct fy_ntfs_guest *n, const char *path, struct place *p, int r,
	    struct fy_error *err)
{
	free(p->name);
	if (p->dir != NULL && ntfs_inode_close(p->dir) != 0 && r == 0)
		r = fail(n, path, "write", err);
	return r;
}

/*
 * Close what was opened or made in a place.  Where the library fails to find
 * the name in the directory's index it closes the directory as well, and does
 * not say so; then it is rather lost than closed twice.
 */
static int
close_in_place(struct fy_ntfs_guest *n, ntfs_inode *ni, struct place *p,
	       const char *path, const char *what, int r, struct fy_error *err)
{
	if (ntfs_inode_close_in_dir(ni, p->dir) == 0)
		return r;
	p->dir = NULL;
	return r == 0 ? fail(n, path, what, err) : -1;
}

/* The security id that Windows would give to what is made in 'dir'; 0 when the
 * volume has none, and everybody may do everything. */
static le32
inherited(struct fy_ntfs_guest *n, ntfs_inode *dir, bool is_dir)
{
	struct PERMISSIONS_CACHE *cache = NULL;
	struct SECURITY_CONTEXT c = { .vol = n->vol, .pseccache = &cache };
	le32 id;

	if (!n->secure)
		return 0;
	id = ntfs_inherited_id(&c, dir, is_dir);
	ntfs_destroy_security_context(&c);
	return id;
}

static int
ntfs_guest_create(void *h, const char *path, const struct fy_guest_stat *st,
		  const void *data, size_t len, struct fy_error *err)
{
	struct fy_ntfs_guest *n = h;
	struct place p = { 0 };
	ntfs_inode *ni;
	bool is_dir = st->type == FY_GUEST_DIR;
	int r = 0;

	if (open_place(n, path, &p, err) == -1)
		return -1;
	ni = ntfs_create(p.dir, inherited(n, p.dir, is_dir), p.name, (u8)p.len,
			 is_dir ? S_IFDIR : S_IFREG);
	if (ni == NULL)
		return close_place(n, path, &p, fail(n, path, "create", err),
				   err);
	if (!is_dir) {
		ni->flags |= FILE_ATTR_ARCHIVE;
		NInoFileNameSetDirty(ni);
		r = write_data(n, ni, path, 0, data, len, err);
	}
	r = close_in_place(n, ni, &p, path, "create", r, err);
	if (r == 0)
		ntfs_inode_update_times(p.dir, NTFS_UPDATE_MCTIME);
	return close_place(n, path, &p, r, err);
}

static int
ntfs_guest_remove(void *h, const char *path, struct fy_error *err)
{
	struct fy_ntfs_guest *n = h;
	struct place p = { 0 };
	ntfs_inode *ni;
	int r = 0;

	if (open_place(n, path, &p, err) == -1)
		return -1;
	ni = child_of(p.dir, p.name, p.len);
	if (ni == NULL)
		return close_place(n, path, &p, fail(n, path, "find", err),
				   err);
	if (type_of(ni) == FY_GUEST_DIR && ntfs_check_empty_dir(ni) != 0) {
		ntfs_inode_close(ni);
		fy_error_set(err, FY_E_UNSUPPORTED, 0, "'%s' is not empty",
			     path);
		return close_place(n, path, &p, -1, err);
	}
	/* Closes both in every case. */
	if (ntfs_delete(n->vol, path, ni, p.dir, p.name, (u8)p.len) != 0)
		r = fail(n, path, "remove", err);
	p.dir = NULL;
	return close_place(n, path, &p, r, err);
}

/* The new name first, then the old one is taken away. */
static int
ntfs_guest_rename(void *h, const char *path, const char *to,
		  struct fy_error *err)
{
	struct fy_ntfs_guest *n = h;
	struct place from = { 0 }, p = { 0 };
	ntfs_inode *ni;
	int r = 0;

	if (open_place(n, to, &p, err) == -1)
		return -1;
	ni = find(n, path, err);
	if (ni == NULL)
		return close_place(n, to, &p, -1, err);
	if (ntfs_link(ni, p.dir, p.name, (u8)p.len) != 0)
		r = fail(n, to, "rename to", err);
	r = close_in_place(n, ni, &p, to, "rename to", r, err);
	r = close_place(n, to, &p, r, err);
	if (r == -1 || open_place(n, path, &from, err) == -1)
		return -1;
	ni = child_of(from.dir, from.name, from.len);
	if (ni == NULL)
		return close_place(n, path, &from, fail(n, path, "rename", err),
				   err);
	if (ntfs_delete(n->vol, path, ni, from.dir, from.name, (u8)from.len) !=
	    0)
		r = fail(n, path, "rename", err);
	from.dir = NULL;
	return close_place(n, path, &from, r, err);
}

static int
ntfs_guest_free_bytes(void *h, uint64_t *ret, struct fy_error *err)
{
	struct fy_ntfs_guest *n = h;

	begin(n);
	if (ntfs_volume_get_free_space(n->vol) != 0)
		return fail(n, fy_volume_name(n->target), "count", err);
	*ret = n->vol->free_clusters < 0
		       ? 0
		       : (uint64_t)n->vol->free_clusters * n->vol->cluster_size;
	return 0;
}

/* --- verify ---------------------------------------------------------------------- */

static int
ntfs_guest_verify(struct fy_volume *v, struct fy_volume *before,
		  char **ret_note, struct fy_error *err)
{
	struct fy_ntfs_check now, was;
	void *h = NULL;

	if (fy_ntfs_check(v, &now, err) == -1)
		return -1;
	/* The library must take it, too: it compares $MFTMirr. */
	if (ntfs_guest_open(v, true, &h, err) == -1 ||
	    ntfs_guest_close(h, false, err) == -1)
		return fy_error_prefix(err, "after the edits");
	if (now.shared == 0 && now.unmarked == 0 && now.lost == 0)
		return 0;
	if (fy_ntfs_check(before, &was, err) == -1)
		return -1;
	if (now.shared > was.shared || now.unmarked > was.unmarked ||
	    now.lost > was.lost)
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "%s is not consistent after the edits: "
				    "%llu clusters of two files, %llu of files "
				    "that are marked free, %llu of nothing "
				    "that are marked used",
				    fy_volume_name(v),
				    (unsigned long long)now.shared,
				    (unsigned long long)now.unmarked,
				    (unsigned long long)now.lost);
	*ret_note = fy_format(NULL,
			      "the cluster bitmap of %s is not consistent, as "
			      "it was before the edits; run chkdsk /f there",
			      fy_volume_name(v));
	return 0;
}

const struct fy_guest_driver fy_guest_ntfs = {
	.name = "ntfs",
	.caseless = true,
	.has_roots = true,
	.open = ntfs_guest_open,
	.verify = ntfs_guest_verify,
	.close = ntfs_guest_close,
	.stat = ntfs_guest_stat,
	.readlink = ntfs_guest_readlink,
	.pread = ntfs_guest_pread,
	.list = ntfs_guest_list,
	.write = ntfs_guest_write,
	.create = ntfs_guest_create,
	.remove = ntfs_guest_remove,
	.rename = ntfs_guest_rename,
	.free_bytes = ntfs_guest_free_bytes,
};
