/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kernel's unpacker makes of archives, in memory.
 *
 * Rules of init/initramfs.c that matter here:
 * - paths are looked up as for any program with / as its directory, so
 *   symlinks of earlier entries redirect later ones; an entry whose parent
 *   isn't there is passed over without a word;
 * - an entry of another type removes what is at its path (a directory only
 *   when it is empty);
 * - a directory that exists gets the mode, a file is truncated and written, a
 *   symlink or device that exists stays as it is;
 * - files of several links share what was made for the first of them; only a
 *   body that isn't empty is written.
 *
 * Names are found by one hash table over (directory, name).  Nodes live until
 * the tree is freed, which bounds pointers' lives; counts of entries, bytes of
 * names and steps of path walks bound memory and time on hostile archives.
 */
#include "drivers-inject/linux-initramfs-tree.h"

#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"

#define ENTRIES_MAX  300000
#define NAMES_MAX    (64 * FY_MIB)
#define STEPS_MAX    UINT64_C(100000000)
#define LINKS_MAX    40 /* symlinks in one walk, as the kernel */
#define BUCKETS	     65536
#define LINK_BUCKETS 4096

struct hardlink {
	struct hardlink *next;
	uint32_t major, minor, ino, type;
	struct fy_irfile *file;
};

struct fy_irtree {
	struct fy_irnode *root, *all;
	struct fy_irnode *buckets[BUCKETS];
	struct hardlink *links[LINK_BUCKETS];
	uint64_t entries, names_bytes, steps;
};

static struct fy_irnode **
bucket_of(struct fy_irtree *t, const struct fy_irnode *dir, const char *name,
	  size_t len)
{
	uint64_t h = (uint64_t)(uintptr_t)dir * UINT64_C(0x9e3779b97f4a7c15);
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
	return &t->buckets[(h ^ h >> 32) % BUCKETS];
}

static void
irfile_unref(struct fy_irfile *f)
{
	if (f == NULL || --f->refs > 0)
		return;
	free(f->data);
	free(f);
}

void
fy_irfile_set(struct fy_irfile *f, uint64_t size, char *data)
{
	free(f->data);
	f->data = data;
	f->size = size;
	f->small = false;
	f->stored = -1;
}

static struct fy_irnode *
node_new(struct fy_irtree *t, struct fy_irnode *dir, const char *name,
	 size_t len, uint32_t mode, struct fy_error *err)
{
	struct fy_irnode **bucket, *n;

	n = calloc(1, sizeof(*n) + len + 1);
	if (n == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	memcpy(n->name, name, len);
	n->mode = mode;
	n->all_next = t->all;
	t->all = n;
	if (dir == NULL) {
		n->parent = n;
		return n;
	}
	n->parent = dir;
	n->next = dir->children;
	n->pprev = &dir->children;
	if (n->next != NULL)
		n->next->pprev = &n->next;
	dir->children = n;
	bucket = bucket_of(t, dir, name, len);
	n->hash_next = *bucket;
	*bucket = n;
	return n;
}

/* Take it out of its directory; it stays allocated. */
static void
node_remove(struct fy_irtree *t, struct fy_irnode *n)
{
	struct fy_irnode **p;

	p = bucket_of(t, n->parent, n->name, strlen(n->name));
	while (*p != n)
		p = &(*p)->hash_next;
	*p = n->hash_next;
	*n->pprev = n->next;
	if (n->next != NULL)
		n->next->pprev = n->pprev;
	irfile_unref(n->file);
	n->file = NULL;
}

void
fy_irtree_remove(struct fy_irtree *t, struct fy_irnode *n)
{
	node_remove(t, n);
}

struct fy_irtree *
fy_irtree_new(struct fy_error *err)
{
	FY_AUTO(irtree) struct fy_irtree *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	t->root = node_new(t, NULL, "", 0, S_IFDIR | 0755, err);
	if (t->root == NULL)
		return NULL;
	return fy_steal_ptr(&t);
}

void
fy_irtree_archive_end(struct fy_irtree *t)
{
	struct hardlink *l;
	size_t i;

	for (i = 0; i < LINK_BUCKETS; i++)
		while ((l = t->links[i]) != NULL) {
			t->links[i] = l->next;
			irfile_unref(l->file);
			free(l);
		}
}

void
fy_irtree_free(struct fy_irtree *t)
{
	struct fy_irnode *n;

	if (t == NULL)
		return;
	fy_irtree_archive_end(t);
	while ((n = t->all) != NULL) {
		t->all = n->all_next;
		irfile_unref(n->file);
		free(n->target);
		free(n);
	}
	free(t);
}

struct fy_irnode *
fy_irtree_root(struct fy_irtree *t)
{
	return t->root;
}

static struct fy_irnode *
child_n(struct fy_irtree *t, const struct fy_irnode *dir, const char *name,
	size_t len)
{
	struct fy_irnode *n = *bucket_of(t, dir, name, len);

	while (n != NULL &&
	       (n->parent != dir || strncmp(n->name, name, len) != 0 ||
		n->name[len] != '\0'))
		n = n->hash_next;
	return n;
}

struct fy_irnode *
fy_irtree_child(struct fy_irtree *t, struct fy_irnode *dir, const char *name)
{
	return child_n(t, dir, name, strlen(name));
}

/* Recursion is bounded by 'links', which counts down over the whole walk. */
static struct fy_irnode *
walk(struct fy_irtree *t, struct fy_irnode *dir, const char *path, bool follow,
     unsigned *links)
{
	struct fy_irnode *cur = *path == '/' ? t->root : dir, *n;
	size_t len;

	for (;;) {
		path += strspn(path, "/");
		if (*path == '\0')
			return cur;
		len = strcspn(path, "/");
		if (!S_ISDIR(cur->mode) || t->steps++ > STEPS_MAX)
			return NULL;
		if (len == 2 && path[0] == '.' && path[1] == '.') {
			cur = cur->parent;
		} else if (len != 1 || path[0] != '.') {
			n = child_n(t, cur, path, len);
			if (n == NULL)
				return NULL;
			if (S_ISLNK(n->mode) &&
			    (follow || path[len + strspn(path + len, "/")])) {
				if (*links == 0 || n->target == NULL)
					return NULL;
				--*links;
				n = walk(t, cur, n->target, true, links);
				if (n == NULL)
					return NULL;
			}
			cur = n;
		}
		path += len;
	}
}

struct fy_irnode *
fy_irtree_find(struct fy_irtree *t, struct fy_irnode *dir, const char *path,
	       bool follow)
{
	unsigned links = LINKS_MAX;

	return walk(t, dir != NULL ? dir : t->root, path, follow, &links);
}

int
fy_irtree_path(const struct fy_irnode *n, char *ret)
{
	size_t at = FY_CPIO_NAME_MAX - 1, len;

	ret[at] = '\0';
	for (; n->parent != n; n = n->parent) {
		len = strlen(n->name);
		if (len + 1 > at)
			return -1;
		at -= len;
		memcpy(ret + at, n->name, len);
		ret[--at] = '/';
	}
	if (ret[at] == '/')
		at++;
	memmove(ret, ret + at, FY_CPIO_NAME_MAX - at);
	return 0;
}

/* The place that a path names: its directory and its last part.  false when
 * the kernel would pass over it. */
static bool
locate(struct fy_irtree *t, char *path, struct fy_irnode **dir,
       const char **last)
{
	size_t len = strlen(path);
	char *slash;

	while (len > 0 && path[len - 1] == '/')
		path[--len] = '\0';
	slash = strrchr(path, '/');
	*last = slash != NULL ? slash + 1 : path;
	*dir = t->root;
	if (slash != NULL) {
		*slash = '\0';
		*dir = fy_irtree_find(t, NULL, path, true);
	}
	if (*dir == NULL || !S_ISDIR((*dir)->mode))
		return false;
	return **last != '\0' && strcmp(*last, ".") != 0 &&
	       strcmp(*last, "..") != 0;
}

static struct hardlink **
link_bucket(struct fy_irtree *t, const struct fy_cpio_entry *e)
{
	return &t->links[(e->ino ^ e->ino >> 12 ^ e->major ^ e->minor << 4) %
			 LINK_BUCKETS];
}

static struct fy_irfile *
link_find(struct fy_irtree *t, const struct fy_cpio_entry *e)
{
	struct hardlink *l;

	for (l = *link_bucket(t, e); l != NULL; l = l->next)
		if (t->steps++ > STEPS_MAX)
			return NULL;
		else if (l->ino == e->ino && l->major == e->major &&
			 l->minor == e->minor && l->type == (e->mode & S_IFMT))
			return l->file;
	return NULL;
}

static int
link_add(struct fy_irtree *t, const struct fy_cpio_entry *e,
	 struct fy_irfile *f, struct fy_error *err)
{
	struct hardlink *l = calloc(1, sizeof(*l)), **bucket;

	if (l == NULL)
		return fy_error_nomem(err);
	bucket = link_bucket(t, e);
	l->next = *bucket;
	l->ino = e->ino;
	l->major = e->major;
	l->minor = e->minor;
	l->type = e->mode & S_IFMT;
	l->file = f;
	f->refs++;
	*bucket = l;
	return 0;
}

/* A regular file at (dir, last), where 'old' is, or nothing. */
static int
add_file(struct fy_irtree *t, const struct fy_cpio_entry *e,
	 struct fy_irnode *dir, const char *last, struct fy_irnode *old,
	 struct fy_irnode **ret, struct fy_error *err)
{
	struct fy_irfile *f = e->nlink >= 2 ? link_find(t, e) : NULL;
	struct fy_irnode *n = old;
	bool linked = f != NULL;

	if (linked && old != NULL && old->file != f) {
		node_remove(t, old);
		n = NULL;
	}
	if (n == NULL)
		n = node_new(t, dir, last, strlen(last), e->mode, err);
	if (n == NULL)
		return -1;
	if (n->file == NULL) {
		if (f == NULL)
			f = calloc(1, sizeof(*f));
		if (f == NULL)
			return fy_error_nomem(err);
		f->refs++;
		n->file = f;
		f->mode = e->mode;
		if (!linked)
			f->stored = -1;
	}
	n->mode = e->mode;
	n->file->mode = e->mode;
	if (!linked && e->nlink >= 2 && link_add(t, e, n->file, err) == -1)
		return -1;
	if (!linked || e->size > 0) {
		fy_irfile_set(n->file, 0, NULL);
		*ret = n;
	}
	return 0;
}

static int
check_bounds(struct fy_irtree *t, const struct fy_cpio_entry *e,
	     struct fy_error *err)
{
	t->entries++;
	t->names_bytes += e->name_len;
	if (S_ISLNK(e->mode))
		t->names_bytes += e->size;
	if (t->entries > ENTRIES_MAX || t->names_bytes > NAMES_MAX ||
	    t->steps > STEPS_MAX)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the initramfs has too many entries");
	return 0;
}

int
fy_irtree_add(struct fy_irtree *t, const struct fy_cpio_entry *e,
	      struct fy_irnode **ret, struct fy_error *err)
{
	struct fy_irnode *dir, *old, *n;
	char path[FY_CPIO_NAME_MAX];
	const char *last;

	*ret = NULL;
	/* The kernel passes over these, too. */
	if ((S_ISLNK(e->mode) && e->size > FY_CPIO_NAME_MAX) ||
	    (!S_ISREG(e->mode) && !S_ISLNK(e->mode) && e->size > 0))
		return 0;
	if (check_bounds(t, e, err) == -1)
		return -1;
	memcpy(path, e->name, e->name_len + 1);
	if (!locate(t, path, &dir, &last))
		return 0;
	old = fy_irtree_child(t, dir, last);
	if (old != NULL && (old->mode & S_IFMT) != (e->mode & S_IFMT)) {
		if (old->children != NULL)
			return 0;
		node_remove(t, old);
		old = NULL;
	}
	if (S_ISREG(e->mode))
		return add_file(t, e, dir, last, old, ret, err);
	if (old != NULL) {
		if (S_ISDIR(old->mode))
			old->mode = e->mode;
		return 0;
	}
	n = node_new(t, dir, last, strlen(last), e->mode, err);
	if (n == NULL)
		return -1;
	if (S_ISLNK(e->mode))
		*ret = n;
	return 0;
}
