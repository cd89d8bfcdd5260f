/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files by libguestfs's appliance: XFS, Btrfs, and whatever lies on layers that
 * only its kernel puts together.  A volume is a place in the appliance
 * (fy_appliance_place), which is mounted at a directory of its own there.
 *
 * Mounting replays a journal: in the overlay, as everything.  Access times stay.
 * Files are written in place, so that owner, mode, hard links and attributes
 * stay; a new one gets its directory's SELinux label.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/appliance-internal.h"
#include "drivers-inject/guest.h"

/* The protocol ends at 4 MiB a message. */
#define PIECE	       (2u * 1024 * 1024)
#define MAX_SUBVOLUMES 32u
#define N_SEEN	       32u

/* A directory or link that was looked at.  Each path is looked at component by
 * component, and each look is a message to the appliance and back. */
struct seen {
	char path[256];
	char target[256]; /* of a link, once it was read; "" before */
	struct fy_guest_stat st;
};

struct mounted {
	struct fy_appliance *a;
	const struct fy_guestfs *f;
	guestfs_h *g;
	char *at;		  /* "/m1" */
	struct seen seen[N_SEEN]; /* true as of a->changes 'seen_at' */
	unsigned n_seen;	  /* the next one to be overwritten */
	uint64_t seen_at;
};

/* --- open, check, close ------------------------------------------------------ */

/* A subvolume's name must not be more than one option. */
static char *
mount_options(const struct fy_place *p, bool writable, struct fy_error *err)
{
	const char *more = strcmp(p->filesystem, "xfs") == 0 ? ",nouuid" : "";

	if (p->subvolume == NULL)
		return fy_format(err, "%s,noatime%s", writable ? "rw" : "ro",
				 more);
	if (strchr(p->subvolume, ',') != NULL) {
		fy_error_set(err, FY_E_UNSUPPORTED, 0,
			     "the subvolume '%s' can't be named in an option",
			     p->subvolume);
		return NULL;
	}
	return fy_format(err, "%s,noatime,subvol=%s", writable ? "rw" : "ro",
			 p->subvolume);
}

static int
lg_open(struct fy_volume *v, bool writable, void **ret, struct fy_error *err)
{
	struct fy_place *p = fy_place_of(v);
	fy_autofree char *options = NULL;
	struct mounted *m;

	if (p == NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "%s is not in libguestfs's appliance",
				    fy_volume_name(v));
	options = mount_options(p, writable, err);
	m = calloc(1, sizeof(*m));
	if (options == NULL || m == NULL) {
		free(m);
		return options == NULL ? -1 : fy_error_nomem(err);
	}
	m->a = p->appliance;
	m->f = m->a->f;
	m->g = m->a->g;
	m->at = fy_format(err, "/m%u", ++m->a->mounts);
	if (m->at != NULL && m->f->mkmountpoint(m->g, m->at) == 0 &&
	    m->f->mount_options(m->g, options, p->device, m->at) == 0) {
		*ret = m;
		return 0;
	}
	if (m->at != NULL) {
		fy_appliance_error(m->a, err, "mounting %s", fy_volume_name(v));
		m->f->rmmountpoint(m->g, m->at);
	}
	free(m->at);
	free(m);
	return -1;
}

static int
lg_close(void *h, bool commit, struct fy_error *err)
{
	struct mounted *m = h;
	int r = 0;

	(void)commit; /* what is not wanted is forgotten with the overlay */
	if (m->f->umount(m->g, m->at) == -1)
		r = fy_appliance_error(m->a, err, "unmounting");
	else
		m->f->rmmountpoint(m->g, m->at);
	free(m->at);
	free(m);
	return r;
}

static int
lg_verify(struct fy_volume *v, struct fy_volume *before, char **ret_note,
	  struct fy_error *err)
{
	static const struct guestfs_xfs_repair_argv look = {
		.bitmask = GUESTFS_XFS_REPAIR_NOMODIFY_BITMASK,
		.nomodify = 1,
	};
	static const struct guestfs_btrfs_fsck_argv plain = { 0 };
	static const struct guestfs_e2fsck_argv preen = {
		.bitmask = GUESTFS_E2FSCK_CORRECT_BITMASK,
		.correct = 1,
	};
	struct fy_place *p = fy_place_of(v);
	const struct fy_guestfs *f;
	struct fy_error e = { 0 };
	int status = 0;

	(void)before;
	(void)ret_note;
	if (p == NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0, "no such place");
	f = p->appliance->f;
	if (strcmp(p->filesystem, "xfs") == 0)
		status = f->xfs_repair_argv(p->appliance->g, p->device, &look);
	else if (strcmp(p->filesystem, "btrfs") == 0)
		status = f->btrfs_fsck_argv(p->appliance->g, p->device, &plain);
	else if (strncmp(p->filesystem, "ext", 3) == 0)
		status = f->e2fsck_argv(p->appliance->g, p->device, &preen);
	if (status == 0)
		return 0;
	if (status == -1)
		fy_appliance_error(p->appliance, &e, "its check");
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    "%s is not consistent after the edits; if it was "
			    "not before, mend it on the machine first: %s",
			    fy_volume_name(v),
			    status == -1 ? e.msg
					 : "xfs_repair -n finds "
					   "errors");
}

/* --- reading ------------------------------------------------------------------ */

static char *
path_of(const struct mounted *m, const char *path, struct fy_error *err)
{
	return fy_format(err, "%s%s%s", m->at, path[0] == '\0' ? "" : "/",
			 path);
}

static int
look(struct mounted *m, const char *path, struct fy_guest_stat *ret,
     struct fy_error *err)
{
	fy_autofree char *full = path_of(m, path, err);
	struct guestfs_statns *s;
	unsigned mode;

	if (full == NULL)
		return -1;
	s = m->f->lstatns(m->g, full);
	if (s == NULL)
		return fy_appliance_error(m->a, err, "'%.120s'", path);
	mode = (unsigned)s->st_mode;
	ret->type = S_ISREG(mode)   ? FY_GUEST_FILE
		    : S_ISDIR(mode) ? FY_GUEST_DIR
		    : S_ISLNK(mode) ? FY_GUEST_LINK
				    : FY_GUEST_OTHER;
	ret->mode = mode & 07777;
	ret->uid = (uint32_t)s->st_uid;
	ret->gid = (uint32_t)s->st_gid;
	ret->size = ret->type == FY_GUEST_FILE && s->st_size > 0
			    ? (uint64_t)s->st_size
			    : 0;
	m->f->free_statns(s);
	return 0;
}

/* Anything is written in the appliance: what any mount has seen may be old. */
static void
changing(struct mounted *m)
{
	m->a->changes++;
}

/* What was seen of a path, or NULL. */
static struct seen *
recall(struct mounted *m, const char *path)
{
	unsigned i;

	if (m->seen_at != m->a->changes) {
		memset(m->seen, 0, sizeof(m->seen));
		m->seen_at = m->a->changes;
	}
	for (i = 0; path[0] != '\0' && i < N_SEEN; i++)
		if (strcmp(m->seen[i].path, path) == 0)
			return &m->seen[i];
	return NULL;
}

static int
lg_stat(void *h, const char *path, struct fy_guest_stat *ret,
	struct fy_error *err)
{
	struct mounted *m = h;
	struct seen *s = recall(m, path);

	if (s != NULL) {
		*ret = s->st;
		return 0;
	}
	if (look(m, path, ret, err) == -1)
		return -1;
	if ((ret->type != FY_GUEST_DIR && ret->type != FY_GUEST_LINK) ||
	    strlen(path) >= sizeof(s->path))
		return 0;
	s = &m->seen[m->n_seen++ % N_SEEN];
	memcpy(s->path, path, strlen(path) + 1);
	s->target[0] = '\0';
	s->st = *ret;
	return 0;
}

static int
lg_readlink(void *h, const char *path, char **ret, struct fy_error *err)
{
	struct mounted *m = h;
	fy_autofree char *full = path_of(m, path, err);
	struct seen *s = recall(m, path);

	if (full == NULL)
		return -1;
	if (s != NULL && s->target[0] != '\0') {
		*ret = strdup(s->target);
		return *ret == NULL ? fy_error_nomem(err) : 0;
	}
	*ret = m->f->readlink(m->g, full);
	if (*ret == NULL)
		return fy_appliance_error(m->a, err, "'%.120s'", path);
	if (s != NULL && strlen(*ret) < sizeof(s->target))
		memcpy(s->target, *ret, strlen(*ret) + 1);
	return 0;
}

static int
lg_pread(void *h, const char *path, void *buf, size_t len, uint64_t offset,
	 struct fy_error *err)
{
	struct mounted *m = h;
	fy_autofree char *full = path_of(m, path, err);
	unsigned char *to = buf;

	if (full == NULL)
		return -1;
	while (len > 0) {
		size_t want = (size_t)fy_min_u64(len, PIECE), got = 0;
		fy_autofree char *data = m->f->pread(m->g, full, (int)want,
						     (int64_t)offset, &got);

		if (data == NULL)
			return fy_appliance_error(m->a, err, "reading '%.120s'",
						  path);
		if (got == 0 || got > want)
			return fy_error_set(err, FY_E_FORMAT, 0,
					    "the file ends too early");
		memcpy(to, data, got);
		to += got;
		len -= got;
		offset += got;
	}
	return 0;
}

static int
lg_list(void *h, const char *path, fy_guest_each each, void *ctx,
	struct fy_error *err)
{
	struct mounted *m = h;
	fy_autofree char *full = path_of(m, path, err);
	struct guestfs_dirent_list *l;
	uint32_t i;
	int r = 0;

	if (full == NULL)
		return -1;
	l = m->f->readdir(m->g, full);
	if (l == NULL)
		return fy_appliance_error(m->a, err, "listing '%.120s'", path);
	for (i = 0; r == 0 && i < l->len; i++) {
		const char *name = l->val[i].name;
		char kind = l->val[i].ftyp;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			r = each(ctx, name,
				 kind == 'r'   ? FY_GUEST_FILE
				 : kind == 'd' ? FY_GUEST_DIR
				 : kind == 'l' ? FY_GUEST_LINK
					       : FY_GUEST_OTHER,
				 err);
	}
	m->f->free_dirent_list(l);
	return r;
}

static int
lg_free_bytes(void *h, uint64_t *ret, struct fy_error *err)
{
	struct mounted *m = h;
	struct guestfs_statvfs *s = m->f->statvfs(m->g, m->at);

	if (s == NULL)
		return fy_appliance_error(m->a, err, "its free space");
	if (s->bavail < 0 || s->frsize <= 0 ||
	    !fy_mul_u64((uint64_t)s->bavail, (uint64_t)s->frsize, ret))
		*ret = 0;
	m->f->free_statvfs(s);
	return 0;
}

/* --- writing ------------------------------------------------------------------- */

static int
write_from(struct mounted *m, const char *full, uint64_t offset,
	   const char *data, size_t len, struct fy_error *err)
{
	while (len > 0) {
		int n = m->f->pwrite(m->g, full, data,
				     (size_t)fy_min_u64(len, PIECE),
				     (int64_t)offset);

		if (n == -1)
			return fy_appliance_error(m->a, err, "writing");
		if (n == 0 || (size_t)n > len)
			return fy_error_set(err, FY_E_IO, 0,
					    "nothing was written");
		data += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int
lg_write(void *h, const char *path, uint64_t keep, const void *data, size_t len,
	 struct fy_error *err)
{
	struct mounted *m = h;
	fy_autofree char *full = path_of(m, path, err);
	struct fy_guest_stat st;

	changing(m);
	if (full == NULL || look(m, path, &st, err) == -1)
		return -1;
	if (st.type != FY_GUEST_FILE)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' is no regular file", path);
	if (keep > st.size || keep > INT64_MAX)
		return fy_error_set(err, FY_E_FORMAT, 0, "'%s' is too short",
				    path);
	if (keep < st.size &&
	    m->f->truncate_size(m->g, full, (int64_t)keep) == -1)
		return fy_appliance_error(m->a, err, "'%.120s'", path);
	return write_from(m, full, keep, data, len, err);
}

#define LABEL "security.selinux"

/* What is new gets its directory's label, when there is one. */
static int
copy_label(struct mounted *m, const char *full, struct fy_error *err)
{
	fy_autofree char *up = strdup(full);
	fy_autofree char *value = NULL;
	size_t len = 0;

	if (up == NULL)
		return fy_error_nomem(err);
	*strrchr(up, '/') = '\0';
	value = m->f->lgetxattr(m->g, up, LABEL, &len);
	if (value == NULL)
		return m->f->last_errno(m->g) == ENODATA ||
				       m->f->last_errno(m->g) == EOPNOTSUPP
			       ? 0
			       : fy_appliance_error(m->a, err, LABEL);
	if (m->f->lsetxattr(m->g, LABEL, value, (int)len, full) == -1)
		return fy_appliance_error(m->a, err, LABEL);
	return 0;
}

static int
settle(struct mounted *m, const char *full, const struct fy_guest_stat *st,
       struct fy_error *err)
{
	if (m->f->lchown(m->g, (int)st->uid, (int)st->gid, full) == -1 ||
	    (st->type != FY_GUEST_LINK &&
	     m->f->chmod(m->g, (int)(st->mode & 07777), full) == -1))
		return fy_appliance_error(m->a, err, "owner and mode");
	return 0;
}

static int
lg_create(void *h, const char *path, const struct fy_guest_stat *st,
	  const void *data, size_t len, struct fy_error *err)
{
	struct mounted *m = h;
	fy_autofree char *full = path_of(m, path, err);
	int r;

	changing(m);
	if (full == NULL)
		return -1;
	r = st->type == FY_GUEST_DIR ? m->f->mkdir_mode(m->g, full, 0700)
				     : m->f->touch(m->g, full);
	if (r == -1)
		return fy_appliance_error(m->a, err, "'%.120s'", path);
	if (st->type == FY_GUEST_FILE &&
	    write_from(m, full, 0, data, len, err) == -1)
		return -1;
	return settle(m, full, st, err) == -1 ? -1 : copy_label(m, full, err);
}

static int
lg_symlink(void *h, const char *path, const char *target,
	   const struct fy_guest_stat *st, struct fy_error *err)
{
	struct mounted *m = h;
	fy_autofree char *full = path_of(m, path, err);

	changing(m);
	if (full == NULL)
		return -1;
	if (m->f->ln_s(m->g, target, full) == -1)
		return fy_appliance_error(m->a, err, "'%.120s'", path);
	return settle(m, full, st, err) == -1 ? -1 : copy_label(m, full, err);
}

static int
lg_remove(void *h, const char *path, struct fy_error *err)
{
	struct mounted *m = h;
	fy_autofree char *full = path_of(m, path, err);
	struct fy_guest_stat st;
	int r;

	changing(m);
	if (full == NULL || look(m, path, &st, err) == -1)
		return -1;
	r = st.type == FY_GUEST_DIR ? m->f->rmdir(m->g, full)
				    : m->f->rm(m->g, full);
	return r == 0 ? 0 : fy_appliance_error(m->a, err, "'%.120s'", path);
}

static int
lg_rename(void *h, const char *path, const char *to, struct fy_error *err)
{
	struct mounted *m = h;
	fy_autofree char *full = path_of(m, path, err);
	fy_autofree char *full_to = path_of(m, to, err);

	changing(m);
	if (full == NULL || full_to == NULL)
		return -1;
	if (m->f->rename(m->g, full, full_to) == -1)
		return fy_appliance_error(m->a, err, "'%.120s'", path);
	return 0;
}

static int
lg_set_stat(void *h, const char *path, const struct fy_guest_stat *st,
	    struct fy_error *err)
{
	struct mounted *m = h;
	fy_autofree char *full = path_of(m, path, err);
	struct fy_guest_stat is;

	changing(m);
	if (full == NULL || look(m, path, &is, err) == -1)
		return -1;
	is.mode = st->mode;
	is.uid = st->uid;
	is.gid = st->gid;
	return settle(m, full, &is, err);
}

static int
lg_get_xattr(void *h, const char *path, const char *name, char **ret,
	     size_t *ret_len, struct fy_error *err)
{
	struct mounted *m = h;
	fy_autofree char *full = path_of(m, path, err);
	fy_autofree char *value = NULL;
	size_t len = 0;

	if (full == NULL)
		return -1;
	value = m->f->lgetxattr(m->g, full, name, &len);
	if (value == NULL)
		return fy_appliance_error(m->a, err, "attribute '%.60s'", name);
	*ret = malloc(len + 1);
	if (*ret == NULL)
		return fy_error_nomem(err);
	memcpy(*ret, value, len);
	(*ret)[len] = '\0';
	*ret_len = len;
	return 0;
}

static int
lg_set_xattr(void *h, const char *path, const char *name, const void *data,
	     size_t len, struct fy_error *err)
{
	struct mounted *m = h;
	fy_autofree char *full = path_of(m, path, err);

	changing(m);
	if (full == NULL)
		return -1;
	if (len > 65536 ||
	    m->f->lsetxattr(m->g, name, data, (int)len, full) == -1)
		return len > 65536
			       ? fy_error_set(err, FY_E_NOSPACE, 0,
					      "an attribute of %zu bytes", len)
			       : fy_appliance_error(m->a, err,
						    "attribute '%.60s'", name);
	return 0;
}

/* --- subvolumes ------------------------------------------------------------------ */

/* How likely it is that a root is there: by the names that installers give. */
static int
rank(const char *path)
{
	static const char *const names[] = { "@", "@rootfs", "root", "@root",
					     "@/.snapshots/1/snapshot" };
	int i;

	for (i = 0; i < 5; i++)
		if (strcmp(path, names[i]) == 0)
			return i;
	return strchr(path, '/') == NULL ? 5 : 6;
}

static int
by_rank(const void *a, const void *b)
{
	const struct guestfs_btrfssubvolume *x = a, *y = b;
	int d = rank(x->btrfssubvolume_path) - rank(y->btrfssubvolume_path);

	return d != 0 ? d
		      : strcmp(x->btrfssubvolume_path, y->btrfssubvolume_path);
}

static int
take_subvolumes(const struct guestfs_btrfssubvolume_list *l, char ***ret,
		size_t *ret_n, struct fy_error *err)
{
	uint32_t i;

	*ret = calloc(MAX_SUBVOLUMES, sizeof(**ret));
	if (*ret == NULL)
		return fy_error_nomem(err);
	fy_sort(l->val, l->len, sizeof(*l->val), by_rank);
	for (i = 0; i < l->len && *ret_n < MAX_SUBVOLUMES; i++)
		if (((*ret)[*ret_n] = strdup(l->val[i].btrfssubvolume_path)) !=
		    NULL)
			(*ret_n)++;
	return 0;
}

static int
lg_subvolumes(struct fy_volume *v, char ***ret, size_t *ret_n,
	      struct fy_error *err)
{
	struct fy_place *p = fy_place_of(v);
	struct guestfs_btrfssubvolume_list *l;
	struct mounted *m = NULL;
	int r;

	*ret = NULL;
	*ret_n = 0;
	if (p == NULL || strcmp(p->filesystem, "btrfs") != 0)
		return 0;
	if (lg_open(v, false, (void **)&m, err) == -1)
		return -1;
	l = m->f->btrfs_subvolume_list(m->g, m->at);
	if (l == NULL) {
		r = fy_appliance_error(m->a, err, "listing subvolumes");
	} else {
		r = take_subvolumes(l, ret, ret_n, err);
		m->f->free_btrfssubvolume_list(l);
	}
	if (lg_close(m, false, r == 0 ? err : NULL) == -1)
		r = -1;
	return r;
}

const struct fy_guest_driver fy_guest_libguestfs = {
	.name = "libguestfs",
	.has_roots = true,
	.in_appliance = true,
	.open = lg_open,
	.verify = lg_verify,
	.close = lg_close,
	.stat = lg_stat,
	.readlink = lg_readlink,
	.pread = lg_pread,
	.list = lg_list,
	.write = lg_write,
	.create = lg_create,
	.free_bytes = lg_free_bytes,
	.subvolumes = lg_subvolumes,
	.symlink = lg_symlink,
	.remove = lg_remove,
	.rename = lg_rename,
	.set_stat = lg_set_stat,
	.get_xattr = lg_get_xattr,
	.set_xattr = lg_set_xattr,
};
