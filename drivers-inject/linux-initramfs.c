/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An initramfs opened: what made it, what is in it.
 */
#include "drivers-inject/linux-initramfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux-initramfs-internal.h"

static int
buffer_pread(void *ctx, void *buf, size_t len, uint64_t offset,
	     struct fy_error *err)
{
	const struct fy_initramfs_buffer *b = ctx;

	if (offset > b->len || len > b->len - offset)
		return fy_error_set(err, FY_E_IO, 0,
				    "read behind the end of a buffer");
	memcpy(buf, (const unsigned char *)b->data + offset, len);
	return 0;
}

void
fy_initramfs_input_of_buffer(const struct fy_initramfs_buffer *buffer,
			     struct fy_initramfs_input *ret)
{
	ret->ctx = (void *)(uintptr_t)buffer;
	ret->size = buffer->len;
	ret->budget = NULL;
	ret->pread = buffer_pread;
}

static int
fd_pread(void *ctx, void *buf, size_t len, uint64_t offset,
	 struct fy_error *err)
{
	return fy_fd_pread_full(*(const int *)ctx, buf, len, offset, err);
}

int
fy_initramfs_input_of_fd(const int *fd, struct fy_initramfs_input *ret,
			 struct fy_error *err)
{
	struct stat st;

	if (fstat(*fd, &st) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot look at a file");
	ret->ctx = (void *)(uintptr_t)fd;
	ret->size = (uint64_t)st.st_size;
	ret->budget = NULL;
	ret->pread = fd_pread;
	return 0;
}

struct fy_irnode *
fy_irnode_after(const struct fy_irnode *top, struct fy_irnode *n)
{
	if (n->children != NULL)
		return n->children;
	while (n != top && n->next == NULL)
		n = n->parent;
	return n != top ? n->next : NULL;
}

bool
fy_initramfs_has(const struct fy_initramfs *ir, const char *path)
{
	return fy_irtree_find(ir->tree, NULL, path, true) != NULL;
}

static bool
has_one_of(const struct fy_initramfs *ir, const char *const *paths)
{
	for (; *paths != NULL; paths++)
		if (fy_initramfs_has(ir, *paths))
			return true;
	return false;
}

static enum fy_initramfs_kind
find_kind(const struct fy_initramfs *ir)
{
	static const char *const tools[] = { "conf/initramfs.conf",
					     "conf/arch.conf", NULL };
	static const char *const dracut[] = {
		"lib/dracut",	     "usr/lib/dracut",	      "var/lib/dracut",
		"lib/dracut-lib.sh", "usr/lib/dracut-lib.sh", NULL
	};
	static const char *const mkinitcpio[] = { "init_functions",
						  "buildconfig", NULL };
	static const char *const booster[] = { "etc/booster.init.yaml", NULL };
	static const char *const make_initrd[] = { "etc/initrd/cmdline.d",
						   "lib/initrd", "lib/uevent",
						   NULL };
	static const char *const mkinitrd[] = { "run_all.sh", "mkinitrd.config",
						NULL };
	static const char *const nash[] = { "bin/nash", "sbin/nash", NULL };

	if (fy_initramfs_has(ir, "scripts/functions") && has_one_of(ir, tools))
		return FY_INITRAMFS_TOOLS;
	if (has_one_of(ir, dracut))
		return FY_INITRAMFS_DRACUT;
	if (has_one_of(ir, booster))
		return FY_INITRAMFS_BOOSTER;
	if (has_one_of(ir, mkinitcpio))
		return FY_INITRAMFS_MKINITCPIO;
	if (fy_initramfs_has(ir, "etc/initrd") && has_one_of(ir, make_initrd))
		return FY_INITRAMFS_MAKE_INITRD;
	if (has_one_of(ir, mkinitrd))
		return FY_INITRAMFS_MKINITRD;
	if (has_one_of(ir, nash))
		return FY_INITRAMFS_NASH;
	return FY_INITRAMFS_UNKNOWN;
}

enum fy_initramfs_kind
fy_initramfs_kind(const struct fy_initramfs *ir)
{
	return ir->kind;
}

const char *
fy_initramfs_kind_name(enum fy_initramfs_kind kind)
{
	switch (kind) {
	case FY_INITRAMFS_TOOLS:
		return "initramfs-tools";
	case FY_INITRAMFS_DRACUT:
		return "dracut";
	case FY_INITRAMFS_MKINITCPIO:
		return "mkinitcpio";
	case FY_INITRAMFS_MAKE_INITRD:
		return "make-initrd";
	case FY_INITRAMFS_MKINITRD:
		return "mkinitrd";
	case FY_INITRAMFS_NASH:
		return "mkinitrd with nash";
	case FY_INITRAMFS_BOOSTER:
		return "booster";
	case FY_INITRAMFS_UNKNOWN:
		break;
	}
	return "unknown";
}

/* The directory of this kernel's modules; FY_E_FORMAT when there are only
 * those of others. */
static int
find_moddir(struct fy_initramfs *ir, struct fy_error *err)
{
	static const char *const tops[] = { "lib/modules", "usr/lib/modules" };
	const struct fy_irnode *other = NULL;
	struct fy_irnode *top, *n;
	size_t i;

	for (i = 0; i < 2 && ir->moddir == NULL; i++) {
		top = fy_irtree_find(ir->tree, NULL, tops[i], true);
		if (top == NULL || !S_ISDIR(top->mode))
			continue;
		n = fy_irtree_find(ir->tree, top, ir->version, true);
		if (n != NULL && S_ISDIR(n->mode))
			ir->moddir = n;
		for (n = top->children; n != NULL; n = n->next)
			if (S_ISDIR(n->mode))
				other = n;
	}
	if (ir->moddir == NULL && other != NULL)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the initramfs has modules of Linux %.100s,"
				    " none of %s",
				    other->name, ir->version);
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A module, or a link to something; one that leads nowhere is nothing. */
static bool
is_there(struct fy_initramfs *ir, const struct fy_irnode *n)
{
	return S_ISREG(n->mode) ||
	       (S_ISLNK(n->mode) && n->target != NULL &&
		fy_irtree_find(ir->tree, n->parent, n->target, true) != NULL);
}

static int
list_modules(struct fy_initramfs *ir, struct fy_error *err)
{
	char name[FY_MODULE_NAME_MAX], **grown;
	struct fy_irnode *n;

	if (ir->moddir == NULL)
		return 0;
	for (n = ir->moddir; n != NULL; n = fy_irnode_after(ir->moddir, n)) {
		if (!fy_module_name_of(n->name, name, NULL) || !is_there(ir, n))
			continue;
		grown = reallocarray(ir->names, ir->n_names + 1,
				     sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		ir->names = grown;
		grown[ir->n_names] = fy_format(err, "%s", name);
		if (grown[ir->n_names] == NULL)
			return -1;
		ir->n_names++;
	}
	fy_sort(ir->names, ir->n_names, sizeof(ir->names[0]), compare_names);
	return 0;
}

bool
fy_initramfs_has_module(const struct fy_initramfs *ir, const char *name)
{
	char wanted[FY_MODULE_NAME_MAX], *key = wanted;

	if (strlen(name) >= sizeof(wanted) || ir->n_names == 0)
		return false;
	memcpy(wanted, name, strlen(name) + 1);
	fy_module_normalise(wanted);
	return bsearch(&key, ir->names, ir->n_names, sizeof(ir->names[0]),
		       compare_names) != NULL;
}

static int
make_private_dir(struct fy_initramfs *ir, const char *tmpdir,
		 struct fy_error *err)
{
	if (tmpdir == NULL) {
		if (fy_dir_temporary("ironferry", &ir->dir, err) == -1)
			return -1;
	} else {
		fy_autofree char *dir =
			fy_format(err, "%s/ironferry.XXXXXX", tmpdir);

		if (dir == NULL)
			return -1;
		if (mkdtemp(dir) == NULL)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot create a directory in '%s'",
					    tmpdir);
		ir->dir = fy_steal_ptr(&dir);
	}
	ir->dirfd = open(ir->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ir->dirfd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    ir->dir);
	return 0;
}

int
fy_initramfs_open(const struct fy_initramfs_input *input, const char *version,
		  const char *tmpdir, const struct fy_stop *stop,
		  struct fy_initramfs **ret, struct fy_error *err)
{
	FY_AUTO(initramfs) struct fy_initramfs *ir = NULL;

	ir = calloc(1, sizeof(*ir));
	if (ir == NULL)
		return fy_error_nomem(err);
	ir->dirfd = -1;
	ir->stop = stop;
	ir->size = input->size;
	ir->version = fy_format(err, "%s", version);
	ir->tree = fy_irtree_new(err);
	if (ir->version == NULL || ir->tree == NULL ||
	    make_private_dir(ir, tmpdir, err) == -1 ||
	    fy_initramfs_scan(ir, input, err) == -1)
		return -1;
	ir->kind = find_kind(ir);
	if (find_moddir(ir, err) == -1 || list_modules(ir, err) == -1)
		return -1;
	*ret = fy_steal_ptr(&ir);
	return 0;
}

void
fy_initramfs_free(struct fy_initramfs *ir)
{
	size_t i;

	if (ir == NULL)
		return;
	if (ir->dirfd >= 0)
		close(ir->dirfd);
	if (ir->dir != NULL)
		fy_dir_remove_all_at(AT_FDCWD, ir->dir, NULL);
	for (i = 0; i < ir->n_names; i++)
		free(ir->names[i]);
	free(ir->names);
	fy_irtree_free(ir->tree);
	free(ir->version);
	free(ir->dir);
	free(ir);
}

int
fy_initramfs_each_file(const struct fy_initramfs *ir, fy_initramfs_each each,
		       void *ctx, struct fy_error *err)
{
	struct fy_irnode *root = fy_irtree_root(ir->tree), *n;
	char path[FY_CPIO_NAME_MAX];

	for (n = root; n != NULL; n = fy_irnode_after(root, n)) {
		if (!S_ISREG(n->mode) || !n->file->small ||
		    fy_irtree_path(n, path) == -1)
			continue;
		if (each(ctx, path, n->mode & 07777, n->file->data,
			 (size_t)n->file->size, err) == -1)
			return -1;
	}
	return 0;
}

const char *
fy_initramfs_file(const struct fy_initramfs *ir, const char *path,
		  size_t *ret_len)
{
	const struct fy_irnode *n = fy_irtree_find(ir->tree, NULL, path, true);

	if (n == NULL || !S_ISREG(n->mode) || n->file->data == NULL)
		return NULL;
	if (ret_len != NULL)
		*ret_len = (size_t)n->file->size;
	return n->file->data;
}
