/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tree of a guest: paths are resolved here, component by component, so
 * that symlinks never leave the guest's root and mount points are honoured;
 * the drivers see only plain paths of their own filesystem.
 */
#include "drivers-inject/guest.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"

#define MAX_PATH_BYTES 4096
#define MAX_LINKS      40
#define MAX_MOUNTS     32
#define MAX_NAMES      16384

struct fy_guest {
	struct fy_guest_mount mounts[MAX_MOUNTS];
	size_t n_mounts;
};

const struct fy_guest_driver *
fy_guest_driver_find(const char *filesystem)
{
	if (filesystem == NULL)
		return NULL;
	if (strcmp(filesystem, "ext2") == 0 ||
	    strcmp(filesystem, "ext3") == 0 || strcmp(filesystem, "ext4") == 0)
		return &fy_guest_ext;
	if (strcmp(filesystem, "vfat") == 0)
		return &fy_guest_fat;
	if (strcmp(filesystem, "xfs") == 0 || strcmp(filesystem, "btrfs") == 0)
		return &fy_guest_libguestfs;
	if (strcmp(filesystem, "ntfs") == 0)
		return &fy_guest_ntfs;
	return NULL;
}

struct fy_guest *
fy_guest_new(struct fy_error *err)
{
	struct fy_guest *g = calloc(1, sizeof(*g));

	if (g == NULL)
		fy_error_nomem(err);
	return g;
}

void
fy_guest_free(struct fy_guest *g)
{
	size_t i;

	if (g == NULL)
		return;
	for (i = g->n_mounts; i-- > 0;) {
		struct fy_guest_mount *m = &g->mounts[i];

		if (m->handle != NULL)
			m->driver->close(m->handle, false, NULL);
		free(m->path);
		free(m->name);
	}
	free(g);
}

int
fy_guest_commit(struct fy_guest *g, struct fy_error *err)
{
	size_t i;
	int r = 0;

	for (i = g->n_mounts; i-- > 0;) {
		struct fy_guest_mount *m = &g->mounts[i];

		if (m->handle == NULL)
			continue;
		if (m->driver->close(m->handle, m->written && r == 0, err))
			r = -1;
		m->handle = NULL;
	}
	return r;
}

const struct fy_guest_mount *
fy_guest_mounts(const struct fy_guest *g, size_t *ret_n)
{
	*ret_n = g->n_mounts;
	return g->mounts;
}

/* --- resolving ------------------------------------------------------------ */

/* The mount that holds the canonical path; '*ret_rel' its path in there. */
static struct fy_guest_mount *
mount_of(struct fy_guest *g, const char *path, const char **ret_rel)
{
	struct fy_guest_mount *best = NULL;
	size_t i, len, best_len = 0;

	for (i = 0; i < g->n_mounts; i++) {
		len = strlen(g->mounts[i].path);
		if (strncmp(path, g->mounts[i].path, len) == 0 &&
		    (path[len] == '/' || path[len] == '\0') &&
		    (best == NULL || len >= best_len)) {
			best = &g->mounts[i];
			best_len = len;
		}
	}
	if (best != NULL) {
		path += best_len;
		*ret_rel = *path == '/' ? path + 1 : path;
	}
	return best;
}

static int
stat_plain(struct fy_guest *g, const char *path, struct fy_guest_stat *ret,
	   struct fy_error *err)
{
	const char *rel = NULL;
	struct fy_guest_mount *m = mount_of(g, path, &rel);

	if (m == NULL || m->handle == NULL)
		return fy_error_set(err, FY_E_NOTFOUND, 0, "nothing at '%s'",
				    path);
	return m->driver->stat(m->handle, rel, ret, err);
}

struct resolving {
	char done[MAX_PATH_BYTES]; /* canonical, no "/" at its end */
	char rest[MAX_PATH_BYTES];
	unsigned links;
};

/* r->done is a symlink; put its target before what is left. */
static int
follow(struct fy_guest *g, struct resolving *r, size_t parent,
       struct fy_error *err)
{
	const char *link = r->done;
	fy_autofree char *target = NULL;
	fy_autofree char *joined = NULL;
	const char *rel = NULL;
	struct fy_guest_mount *m = mount_of(g, link, &rel);

	if (++r->links > MAX_LINKS)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "too many symlinks at '%s'", link);
	if (m->driver->readlink(m->handle, rel, &target, err) == -1)
		return -1;
	joined = fy_format(err, "%s/%s", target, r->rest);
	if (joined == NULL)
		return -1;
	if (strlen(joined) >= sizeof(r->rest))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the symlink '%s' leads to a path that is "
				    "too long",
				    link);
	memcpy(r->rest, joined, strlen(joined) + 1);
	r->done[target[0] == '/' ? 0 : parent] = '\0';
	return 0;
}

/* One component of r->rest; 1 when there is none left. */
static int
step(struct fy_guest *g, struct resolving *r, bool follow_last,
     bool *ret_exists, struct fy_error *err)
{
	char *name = r->rest + strspn(r->rest, "/");
	size_t len = strcspn(name, "/"), parent = strlen(r->done);
	const char *after = name + len;
	struct fy_guest_stat st;
	struct fy_error e = { 0 };
	bool last = after[strspn(after, "/")] == '\0';

	if (len == 0)
		return 1;
	if (len == 1 && name[0] == '.')
		len = 0;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		char *slash = strrchr(r->done, '/');

		if (slash != NULL)
			*slash = '\0';
		len = 0;
	}
	if (len > 0) {
		if (len > 255 || parent + 1 + len >= sizeof(r->done))
			return fy_error_set(err, FY_E_NOTFOUND, 0,
					    "a path that is too long");
		r->done[parent] = '/';
		memcpy(r->done + parent + 1, name, len);
		r->done[parent + 1 + len] = '\0';
	}
	memmove(r->rest, after, strlen(after) + 1);
	if (len == 0)
		return 0;
	if (stat_plain(g, r->done, &st, &e) == -1) {
		*ret_exists = false;
		if (e.code == FY_E_NOTFOUND && last)
			return 0;
		return fy_error_copy(err, &e);
	}
	if (st.type == FY_GUEST_LINK && (!last || follow_last))
		return follow(g, r, parent, err);
	if (!last && st.type != FY_GUEST_DIR)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "'%s' is no directory", r->done);
	return 0;
}

static int
resolve(struct fy_guest *g, const char *path, bool follow_last, char **ret,
	bool *ret_exists, struct fy_error *err)
{
	fy_autofree struct resolving *r = calloc(1, sizeof(*r));
	int s;

	if (r == NULL)
		return fy_error_nomem(err);
	if (strlen(path) >= sizeof(r->rest))
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "a path that is too long");
	memcpy(r->rest, path, strlen(path) + 1);
	do {
		*ret_exists = true;
		s = step(g, r, follow_last, ret_exists, err);
	} while (s == 0 && *ret_exists);
	if (s == -1)
		return fy_error_prefix(err, "%s", path);
	*ret = strdup(r->done);
	return *ret == NULL ? fy_error_nomem(err) : 0;
}

/* Resolve what must exist; also gives the mount and the path in it. */
static int
locate(struct fy_guest *g, const char *path, bool follow_last, char **ret,
       struct fy_guest_mount **ret_mount, const char **ret_rel,
       struct fy_error *err)
{
	bool exists = false;

	if (resolve(g, path, follow_last, ret, &exists, err) == -1)
		return -1;
	*ret_mount = mount_of(g, *ret, ret_rel);
	if (!exists || *ret_mount == NULL)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "the guest has no '%s'", path);
	return 0;
}

/* The same, and what it is. */
static int
locate_stat(struct fy_guest *g, const char *path, bool follow_last, char **ret,
	    struct fy_guest_mount **ret_mount, const char **ret_rel,
	    struct fy_guest_stat *ret_stat, struct fy_error *err)
{
	if (locate(g, path, follow_last, ret, ret_mount, ret_rel, err) == -1)
		return -1;
	return (*ret_mount)
		->driver->stat((*ret_mount)->handle, *ret_rel, ret_stat, err);
}

/* --- what callers use ----------------------------------------------------- */

int
fy_guest_mount(struct fy_guest *g, const char *path,
	       const struct fy_guest_driver *driver, struct fy_volume *v,
	       bool writable, unsigned disk, const char *volume,
	       struct fy_error *err)
{
	struct fy_guest_mount m = { .driver = driver, .volume = v };
	struct fy_guest_stat st;

	if (g->n_mounts == MAX_MOUNTS)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "more than %d filesystems", MAX_MOUNTS);
	if (g->n_mounts == 0) {
		m.path = strdup("");
	} else {
		const struct fy_guest_mount *in = NULL;

		if (fy_guest_real_path(g, path, &m.path, &in, err) == -1 ||
		    stat_plain(g, m.path, &st, err) == -1) {
			free(m.path);
			return -1;
		}
	}
	m.disk = disk;
	m.name = strdup(volume);
	if (m.path == NULL || m.name == NULL ||
	    driver->open(v, writable, &m.handle, err) == -1) {
		if (m.path == NULL || m.name == NULL)
			fy_error_nomem(err);
		free(m.path);
		free(m.name);
		return -1;
	}
	g->mounts[g->n_mounts++] = m;
	return 0;
}

int
fy_guest_stat(struct fy_guest *g, const char *path, struct fy_guest_stat *ret,
	      struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m = NULL;
	const char *rel = NULL;

	return locate_stat(g, path, true, &real, &m, &rel, ret, err);
}

bool
fy_guest_has(struct fy_guest *g, const char *path)
{
	struct fy_guest_stat st;

	return fy_guest_stat(g, path, &st, NULL) == 0;
}

bool
fy_guest_is_dir(struct fy_guest *g, const char *path)
{
	struct fy_guest_stat st;

	return fy_guest_stat(g, path, &st, NULL) == 0 &&
	       st.type == FY_GUEST_DIR;
}

int
fy_guest_real_path(struct fy_guest *g, const char *path, char **ret,
		   const struct fy_guest_mount **ret_mount,
		   struct fy_error *err)
{
	const char *rel = NULL;
	bool exists;

	if (resolve(g, path, true, ret, &exists, err) == -1)
		return -1;
	if (ret_mount != NULL)
		*ret_mount = mount_of(g, *ret, &rel);
	return 0;
}

int
fy_guest_readlink(struct fy_guest *g, const char *path, char **ret,
		  struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m = NULL;
	struct fy_guest_stat st;
	const char *rel = NULL;

	if (locate_stat(g, path, false, &real, &m, &rel, &st, err) == -1)
		return -1;
	if (st.type != FY_GUEST_LINK)
		return fy_error_set(err, FY_E_NOTFOUND, 0, "'%s' is no symlink",
				    path);
	return m->driver->readlink(m->handle, rel, ret, err);
}

/* A driver may open what it is given to read: a FIFO, for ever. */
static int
locate_file(struct fy_guest *g, const char *path, char **ret,
	    struct fy_guest_mount **ret_mount, const char **ret_rel,
	    struct fy_guest_stat *ret_stat, struct fy_error *err)
{
	if (locate_stat(g, path, true, ret, ret_mount, ret_rel, ret_stat,
			err) == -1)
		return -1;
	if (ret_stat->type != FY_GUEST_FILE)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' is no regular file", path);
	return 0;
}

int
fy_guest_read(struct fy_guest *g, const char *path, size_t max, char **ret,
	      size_t *ret_len, struct fy_error *err)
{
	fy_autofree char *real = NULL;
	fy_autofree char *data = NULL;
	struct fy_guest_mount *m = NULL;
	struct fy_guest_stat st;
	const char *rel = NULL;

	if (locate_file(g, path, &real, &m, &rel, &st, err) == -1)
		return -1;
	if (st.size > max)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' is larger than %zu bytes", path, max);
	data = malloc((size_t)st.size + 1);
	if (data == NULL)
		return fy_error_nomem(err);
	if (m->driver->pread(m->handle, rel, data, (size_t)st.size, 0, err))
		return fy_error_prefix(err, "reading '%s'", path);
	data[st.size] = '\0';
	*ret = fy_steal_ptr(&data);
	*ret_len = (size_t)st.size;
	return 0;
}

int
fy_guest_pread(struct fy_guest *g, const char *path, void *buf, size_t len,
	       uint64_t offset, struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m = NULL;
	struct fy_guest_stat st;
	const char *rel = NULL;

	if (locate_file(g, path, &real, &m, &rel, &st, err) == -1)
		return -1;
	return m->driver->pread(m->handle, rel, buf, len, offset, err);
}

int
fy_guest_list(struct fy_guest *g, const char *path, fy_guest_each each,
	      void *ctx, struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m = NULL;
	const char *rel = NULL;

	if (locate(g, path, true, &real, &m, &rel, err) == -1)
		return -1;
	return m->driver->list(m->handle, rel, each, ctx, err);
}

struct name_list {
	char **names;
	size_t n;
};

static int
add_name(void *ctx, const char *name, enum fy_guest_type type,
	 struct fy_error *err)
{
	struct name_list *l = ctx;
	char **grown;

	(void)type;
	if (l->n == MAX_NAMES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "a directory with more than %d entries",
				    MAX_NAMES);
	if ((l->n & (l->n - 1)) == 0) {
		grown = reallocarray(l->names, l->n == 0 ? 1 : l->n * 2,
				     sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		l->names = grown;
	}
	l->names[l->n] = strdup(name);
	if (l->names[l->n] == NULL)
		return fy_error_nomem(err);
	l->n++;
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void
fy_guest_names_free(char **names, size_t n)
{
	while (n > 0)
		free(names[--n]);
	free(names);
}

int
fy_guest_names(struct fy_guest *g, const char *path, char ***ret, size_t *ret_n,
	       struct fy_error *err)
{
	struct name_list l = { 0 };
	struct fy_error e = { 0 };

	if (fy_guest_is_dir(g, path) &&
	    fy_guest_list(g, path, add_name, &l, &e) == -1) {
		fy_guest_names_free(l.names, l.n);
		return fy_error_set(err, e.code, 0, "'%s': %s", path, e.msg);
	}
	fy_sort(l.names, l.n, sizeof(*l.names), compare_names);
	*ret = l.names;
	*ret_n = l.n;
	return 0;
}

int
fy_guest_free_bytes(struct fy_guest *g, const char *path, uint64_t *ret,
		    struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m = NULL;
	const char *rel = NULL;

	if (locate(g, path, true, &real, &m, &rel, err) == -1)
		return -1;
	return m->driver->free_bytes(m->handle, ret, err);
}

int
fy_guest_write(struct fy_guest *g, const char *path, uint64_t keep,
	       const void *data, size_t len, struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m = NULL;
	const char *rel = NULL;

	if (locate(g, path, true, &real, &m, &rel, err) == -1)
		return -1;
	m->written = true;
	if (m->driver->write(m->handle, rel, keep, data, len, err) == -1)
		return fy_error_prefix(err, "writing '%s'", path);
	return 0;
}

static int
create(struct fy_guest *g, const char *path, const struct fy_guest_stat *st,
       const void *data, size_t len, struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m;
	const char *rel = NULL;
	bool exists;

	if (resolve(g, path, true, &real, &exists, err) == -1)
		return -1;
	if (exists)
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "the guest has '%s' already", path);
	m = mount_of(g, real, &rel);
	if (m == NULL || m->handle == NULL)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "the guest has no root");
	m->written = true;
	if (m->driver->create(m->handle, rel, st, data, len, err) == -1)
		return fy_error_prefix(err, "creating '%s'", path);
	return 0;
}

int
fy_guest_create(struct fy_guest *g, const char *path, uint32_t mode,
		const void *data, size_t len, struct fy_error *err)
{
	struct fy_guest_stat st = { .type = FY_GUEST_FILE, .mode = mode };

	return create(g, path, &st, data, len, err);
}

int
fy_guest_mkdir(struct fy_guest *g, const char *path, struct fy_error *err)
{
	struct fy_guest_stat st = { .type = FY_GUEST_DIR, .mode = 0755 };
	fy_autofree char *up = strdup(path);
	char *slash;

	if (fy_guest_is_dir(g, path))
		return 0;
	if (up == NULL)
		return fy_error_nomem(err);
	slash = strrchr(up, '/');
	if (slash != NULL && slash != up) {
		*slash = '\0';
		if (fy_guest_mkdir(g, up, err) == -1)
			return -1;
	}
	return create(g, path, &st, NULL, 0, err);
}

/* --- what not every filesystem can ----------------------------------------- */

/* Where 'path' is itself, or is to be. */
static int
place_of(struct fy_guest *g, const char *path, bool must_exist, char **ret_real,
	 struct fy_guest_mount **ret_mount, const char **ret_rel,
	 struct fy_error *err)
{
	bool exists;

	if (resolve(g, path, false, ret_real, &exists, err) == -1)
		return -1;
	if (must_exist && !exists)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "the guest has no '%s'", path);
	if (!must_exist && exists)
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "the guest has '%s' already", path);
	*ret_mount = mount_of(g, *ret_real, ret_rel);
	if (*ret_mount == NULL || (*ret_mount)->handle == NULL)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "the guest has no root");
	return 0;
}

static int
cannot(const struct fy_guest_mount *m, const char *what, const char *path,
       struct fy_error *err)
{
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "'%s': %s is not possible on %s", path, what,
			    m->driver->name);
}

int
fy_guest_symlink(struct fy_guest *g, const char *path, const char *target,
		 struct fy_error *err)
{
	static const struct fy_guest_stat st = { .type = FY_GUEST_LINK,
						 .mode = 0777 };
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m = NULL;
	const char *rel = NULL;

	if (place_of(g, path, false, &real, &m, &rel, err) == -1)
		return -1;
	if (m->driver->symlink == NULL)
		return cannot(m, "a symlink", path, err);
	m->written = true;
	if (m->driver->symlink(m->handle, rel, target, &st, err) == -1)
		return fy_error_prefix(err, "creating '%s'", path);
	return 0;
}

int
fy_guest_remove(struct fy_guest *g, const char *path, struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m = NULL;
	const char *rel = NULL;

	if (place_of(g, path, true, &real, &m, &rel, err) == -1)
		return -1;
	if (m->driver->remove == NULL)
		return cannot(m, "removing", path, err);
	m->written = true;
	if (m->driver->remove(m->handle, rel, err) == -1)
		return fy_error_prefix(err, "removing '%s'", path);
	return 0;
}

int
fy_guest_rename(struct fy_guest *g, const char *path, const char *to,
		struct fy_error *err)
{
	fy_autofree char *real = NULL;
	fy_autofree char *real_to = NULL;
	struct fy_guest_mount *m = NULL, *m_to = NULL;
	const char *rel = NULL, *rel_to = NULL;

	if (place_of(g, path, true, &real, &m, &rel, err) == -1 ||
	    place_of(g, to, false, &real_to, &m_to, &rel_to, err) == -1)
		return -1;
	if (m->driver->rename == NULL || m != m_to)
		return cannot(m, "this renaming", path, err);
	m->written = true;
	if (m->driver->rename(m->handle, rel, rel_to, err) == -1)
		return fy_error_prefix(err, "renaming '%s'", path);
	return 0;
}

int
fy_guest_set_stat(struct fy_guest *g, const char *path,
		  const struct fy_guest_stat *st, struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m = NULL;
	const char *rel = NULL;

	if (place_of(g, path, true, &real, &m, &rel, err) == -1)
		return -1;
	if (m->driver->set_stat == NULL)
		return cannot(m, "an owner or mode", path, err);
	m->written = true;
	if (m->driver->set_stat(m->handle, rel, st, err) == -1)
		return fy_error_prefix(err, "owner and mode of '%s'", path);
	return 0;
}

int
fy_guest_get_xattr(struct fy_guest *g, const char *path, const char *name,
		   char **ret, size_t *ret_len, struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m = NULL;
	const char *rel = NULL;

	if (place_of(g, path, true, &real, &m, &rel, err) == -1)
		return -1;
	if (m->driver->get_xattr == NULL)
		return cannot(m, "an extended attribute", path, err);
	return m->driver->get_xattr(m->handle, rel, name, ret, ret_len, err);
}

int
fy_guest_set_xattr(struct fy_guest *g, const char *path, const char *name,
		   const void *data, size_t len, struct fy_error *err)
{
	fy_autofree char *real = NULL;
	struct fy_guest_mount *m = NULL;
	const char *rel = NULL;

	if (place_of(g, path, true, &real, &m, &rel, err) == -1)
		return -1;
	if (m->driver->set_xattr == NULL)
		return cannot(m, "an extended attribute", path, err);
	m->written = true;
	if (m->driver->set_xattr(m->handle, rel, name, data, len, err) == -1)
		return fy_error_prefix(err, "attribute '%s' of '%s'", name,
				       path);
	return 0;
}
