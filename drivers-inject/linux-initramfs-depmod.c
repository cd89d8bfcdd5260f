/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The modules.* files of an initramfs with modules added to it.
 *
 * They can't be the guest's own, which list modules that aren't in the
 * initramfs, or at other paths (a DKMS module in updates/).  So the modules of
 * the archive and the new ones are laid out in a private directory, where the
 * host's depmod indexes them with nothing but the guest's "search" order as
 * its configuration.  depmod reads module files; none of their code is run.
 *
 * A depmod that can't read some module (it may be built without gzip) leaves
 * it out without a word; an index like that would break what worked before, so
 * that each module is listed is checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "drivers-inject/linux-initramfs-internal.h"

#define INDEX_FILE_MAX (64 * FY_MIB)

void
fy_ir_index_release(struct fy_ir_index *x)
{
	size_t i;

	for (i = 0; i < x->count; i++) {
		free(x->files[i].name);
		free(x->files[i].data);
	}
	free(x->files);
	memset(x, 0, sizeof(*x));
}

static int
make_dir(int at, const char *path, struct fy_error *err)
{
	if (mkdirat(at, path, 0700) == -1 && errno != EEXIST)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot create the directory '%s'", path);
	return 0;
}

/* The directories above 'path' (relative, of cpio names or our own). */
static int
make_parents(int at, const char *path, struct fy_error *err)
{
	fy_autofree char *copy = fy_format(err, "%s", path);
	char *slash;

	if (copy == NULL)
		return -1;
	for (slash = strchr(copy, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (make_dir(at, copy, err) == -1)
			return -1;
		*slash = '/';
	}
	return 0;
}

static int
write_file(int at, const char *path, const void *data, size_t len,
	   struct fy_error *err)
{
	fy_autofd int fd = -1;

	if (make_parents(at, path, err) == -1)
		return -1;
	fd = openat(at, path,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot create '%s'",
				    path);
	if (fy_fd_write_full(fd, data, len, err) == -1)
		return -1;
	return fy_fd_close(fy_steal_fd(&fd), err);
}

/* lib/modules/VERSION, the same seen as usr/lib, and its descriptor. */
static int
make_tree(struct fy_initramfs *ir, int *ret_fd, struct fy_error *err)
{
	fy_autofree char *path = NULL;

	path = fy_format(err, "lib/modules/%s/", ir->version);
	if (path == NULL || make_parents(ir->dirfd, path, err) == -1 ||
	    make_dir(ir->dirfd, "usr", err) == -1)
		return -1;
	if (symlinkat("../lib", ir->dirfd, "usr/lib") == -1 && errno != EEXIST)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot create a symlink");
	*ret_fd = openat(ir->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    path);
	return 0;
}

/* A link is laid out as what it leads to, which may be a module of another
 * version (weak-updates/). */
static int
place_one(struct fy_initramfs *ir, int tree, size_t top_len,
	  struct fy_irnode *n, struct fy_error *err)
{
	char path[FY_CPIO_NAME_MAX], name[FY_MODULE_NAME_MAX];
	char stored[FY_IR_STORE_NAME_MAX];
	const struct fy_irnode *file = n;

	if (!fy_module_name_of(n->name, name, NULL))
		return 0;
	if (S_ISLNK(n->mode) && n->target != NULL)
		file = fy_irtree_find(ir->tree, n->parent, n->target, true);
	if (file == NULL || !S_ISREG(file->mode) || file->file->stored < 0)
		return 0;
	if (fy_irtree_path(n, path) == -1)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "a path in the initramfs is too long");
	fy_initramfs_store_name(file->file->stored, stored);
	if (make_parents(tree, path + top_len + 1, err) == -1)
		return -1;
	if (linkat(ir->dirfd, stored, tree, path + top_len + 1, 0) == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot link '%s'",
				    path);
	return 0;
}

static int
place_archive(struct fy_initramfs *ir, int tree, struct fy_error *err)
{
	fy_autofree char *top = malloc(FY_CPIO_NAME_MAX);
	struct fy_irnode *n;
	size_t top_len;

	if (top == NULL)
		return fy_error_nomem(err);
	if (ir->moddir == NULL)
		return 0;
	if (fy_irtree_path(ir->moddir, top) == -1)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "a path in the initramfs is too long");
	top_len = strlen(top);
	for (n = ir->moddir; n != NULL; n = fy_irnode_after(ir->moddir, n))
		if (place_one(ir, tree, top_len, n, err) == -1)
			return -1;
	return 0;
}

static int
place_guest_lists(struct fy_modules *m, int tree, struct fy_error *err)
{
	const char *text;
	size_t len;

	text = fy_modules_builtin_text(m, &len);
	if (write_file(tree, "modules.builtin", text, len, err) == -1)
		return -1;
	text = fy_modules_order_text(m, &len);
	if (write_file(tree, "modules.order", text, len, err) == -1)
		return -1;
	text = fy_modules_builtin_modinfo(m, &len);
	if (text == NULL)
		return 0;
	return write_file(tree, "modules.builtin.modinfo", text, len, err);
}

static int
run_depmod(struct fy_initramfs *ir, struct fy_modules *m, struct fy_error *err)
{
	fy_autofree char *config = fy_format(err, "%s/depmod.conf", ir->dir);
	fy_autofree char *text =
		fy_format(err, "search %s\n", fy_modules_search(m));
	struct fy_subprocess_options o = { .timeout_s = 300, .stop = ir->stop };
	const char *argv[] = { "depmod", "-b", ir->dir,	    "-C",
			       config,	 "--", ir->version, NULL };
	char found[4096];

	if (config == NULL || text == NULL ||
	    write_file(ir->dirfd, "depmod.conf", text, strlen(text), err) == -1)
		return -1;
	/* It lives where only root's PATH looks. */
	if (fy_subprocess_find("depmod", found, sizeof(found)) != 0)
		argv[0] = access("/usr/sbin/depmod", X_OK) == 0
				  ? "/usr/sbin/depmod"
				  : "/sbin/depmod";
	return fy_subprocess_run(argv, &o, NULL, err);
}

static int
take_output(int tree, const char *name, struct fy_ir_index *x,
	    struct fy_error *err)
{
	struct fy_ir_index_file f = { 0 }, *grown;
	struct fy_error e = { 0 };

	if (fy_file_read_at(tree, name, INDEX_FILE_MAX, &f.data, &f.len, &e) ==
	    -1) {
		if (e.code == FY_E_NOTFOUND)
			return 0;
		*err = e;
		return -1;
	}
	f.name = fy_format(err, "%s", name);
	grown = reallocarray(x->files, x->count + 1, sizeof(*grown));
	if (f.name == NULL || grown == NULL) {
		free(f.name);
		free(f.data);
		if (grown != NULL)
			x->files = grown;
		return fy_error_nomem(err);
	}
	x->files = grown;
	grown[x->count++] = f;
	return 0;
}

static const struct fy_ir_index_file *
output_named(const struct fy_ir_index *x, const char *name)
{
	size_t i;

	for (i = 0; i < x->count; i++)
		if (strcmp(x->files[i].name, name) == 0)
			return &x->files[i];
	return NULL;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names that modules.dep has lines for, sorted; each malloc'd. */
static int
listed_names(const struct fy_ir_index *x, char ***ret, size_t *ret_count,
	     struct fy_error *err)
{
	const struct fy_ir_index_file *dep = output_named(x, "modules.dep");
	const char *p = dep != NULL ? dep->data : "", *colon;
	char path[1024], name[FY_MODULE_NAME_MAX], **grown;

	for (; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
		colon = strchr(p, ':');
		if (colon == NULL || (size_t)(colon - p) >= sizeof(path))
			continue;
		memcpy(path, p, (size_t)(colon - p));
		path[colon - p] = '\0';
		if (!fy_module_name_of(path, name, NULL))
			continue;
		grown = reallocarray(*ret, *ret_count + 1, sizeof(*grown));
		if (grown == NULL)
			return fy_error_nomem(err);
		*ret = grown;
		grown[*ret_count] = fy_format(err, "%s", name);
		if (grown[*ret_count] == NULL)
			return -1;
		++*ret_count;
	}
	fy_sort(*ret, *ret_count, sizeof(**ret), compare_names);
	return 0;
}

static int
check_listed(char *const *names, size_t count, const char *name,
	     struct fy_error *err)
{
	if (count > 0 &&
	    bsearch(&name, names, count, sizeof(*names), compare_names) != NULL)
		return 0;
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "depmod could not read the module '%s', which is "
			    "in the initramfs",
			    name);
}

static int
check_all_listed(const struct fy_initramfs *ir,
		 const struct fy_module_list *added,
		 const struct fy_ir_index *x, struct fy_error *err)
{
	char **names = NULL;
	size_t count = 0, i;
	int r;

	r = listed_names(x, &names, &count, err);
	for (i = 0; r == 0 && i < ir->n_names; i++)
		r = check_listed(names, count, ir->names[i], err);
	for (i = 0; r == 0 && i < added->count; i++)
		r = check_listed(names, count, added->items[i].name, err);
	for (i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return r;
}

int
fy_initramfs_depmod(struct fy_initramfs *ir, struct fy_modules *modules,
		    const struct fy_module_list *added, struct fy_ir_index *ret,
		    struct fy_error *err)
{
	static const char *const outputs[] = {
		"modules.dep",	   "modules.dep.bin",
		"modules.alias",   "modules.alias.bin",
		"modules.symbols", "modules.symbols.bin",
		"modules.softdep", "modules.weakdep",
		"modules.devname", "modules.builtin.bin",
		"modules.builtin", "modules.builtin.alias.bin",
	};
	fy_autofd int tree = -1;
	size_t i;

	/* From an earlier run, perhaps. */
	if (fy_dir_remove_all_at(ir->dirfd, "lib", err) == -1)
		return -1;
	unlinkat(ir->dirfd, "depmod.conf", 0);
	if (make_tree(ir, &tree, err) == -1 ||
	    place_archive(ir, tree, err) == -1)
		return -1;
	for (i = 0; i < added->count; i++)
		if (write_file(tree, added->items[i].path, added->items[i].data,
			       added->items[i].len, err) == -1)
			return -1;
	if (place_guest_lists(modules, tree, err) == -1 ||
	    run_depmod(ir, modules, err) == -1)
		return -1;
	for (i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
		if (take_output(tree, outputs[i], ret, err) == -1)
			return -1;
	return check_all_listed(ir, added, ret, err);
}
