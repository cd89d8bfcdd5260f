/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The segment that is appended: which modules, which files, packed how.
 *
 * Every path is looked up in the tree of what the kernel will have unpacked by
 * then, so that an entry goes where the archive's own symlinks lead.  A
 * directory is emitted only where nothing is; a file only where nothing or a
 * file is; so no entry changes the type of what is there.  A file that has
 * several names would be changed under all of them: it gets a symlink in its
 * place first, for which the kernel unlinks it, and then the new file.
 *
 * What is new is put into the tree too, so parents come once, and is taken out
 * of it at the end, so that a segment can be built again in another way.
 */
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux-initramfs-internal.h"
#include "drivers-inject/text.h"

/* What a virtual machine's devices need, in the order of the report. */
static const char *const virtio_modules[] = {
	"virtio",      "virtio_ring",	 "virtio_pci", "virtio_blk",
	"virtio_scsi", "sd_mod",	 "virtio_net", "virtio_balloon",
	"virtio_rng",  "virtio_console", "virtio_gpu", NULL,
};

/* What it takes to find a disk. */
static const char *const disk_modules[] = { "virtio_pci", "virtio_blk",
					    "virtio_scsi", "sd_mod", NULL };

/* Loaded by name where the tools allow, should udev not do it. */
static const char *const loaded_modules[] = { "virtio_pci", "virtio_blk",
					      "virtio_scsi", NULL };

struct build {
	struct fy_initramfs *ir;
	struct fy_modules *modules; /* may be NULL */
	const struct fy_initramfs_options *options;
	struct fy_module_list added;
	struct fy_cpio_writer w;
	struct fy_irnode **created; /* put into the tree for this build */
	size_t n_created;
	char base[FY_CPIO_NAME_MAX]; /* lib/modules/VERSION, or where it is */
	json_t *added_paths, *overridden, *present, *builtin, *missing, *notes;
};

static int
note(json_t *list, const char *text, struct fy_error *err)
{
	return json_array_append_new(list, json_string(text)) == 0
		       ? 0
		       : fy_error_nomem(err);
}

/* Put into the tree what is at no path yet. */
static int
create(struct build *b, const char *path, uint32_t mode, struct fy_error *err)
{
	fy_autofree struct fy_cpio_entry *e = calloc(1, sizeof(*e));
	struct fy_irnode *n, **grown;
	size_t len = strlen(path);

	if (e == NULL)
		return fy_error_nomem(err);
	if (len >= sizeof(e->name))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "a path is too long for an initramfs");
	memcpy(e->name, path, len + 1);
	e->name_len = len;
	e->mode = mode;
	e->nlink = 1;
	grown = reallocarray(b->created, b->n_created + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	b->created = grown;
	if (fy_irtree_add(b->ir->tree, e, &n, err) == -1)
		return -1;
	n = fy_irtree_find(b->ir->tree, NULL, path, false);
	if (n == NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%.200s' has no place in the initramfs",
				    path);
	b->created[b->n_created++] = n;
	return 0;
}

static void
remove_created(struct build *b)
{
	while (b->n_created > 0)
		fy_irtree_remove(b->ir->tree, b->created[--b->n_created]);
	free(b->created);
}

/* An entry where nothing is. */
static int
emit_new(struct build *b, const char *path, uint32_t mode, const void *data,
	 size_t len, struct fy_error *err)
{
	if (create(b, path, mode, err) == -1)
		return -1;
	return fy_cpio_write(&b->w, path, mode, data, len, err);
}

static int
refuse(const char *path, const char *why, struct fy_error *err)
{
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "'%.200s' can't be put into the initramfs: %s",
			    path, why);
}

/* The path of 'name' inside 'dir' into 'ret'. */
static int
join(const struct fy_irnode *dir, const char *name, size_t len,
     char ret[FY_CPIO_NAME_MAX], struct fy_error *err)
{
	size_t used;

	if (fy_irtree_path(dir, ret) == -1)
		return refuse(name, "its path is too long", err);
	used = strlen(ret);
	if (used + len + 2 > FY_CPIO_NAME_MAX)
		return refuse(name, "its path is too long", err);
	if (used > 0)
		ret[used++] = '/';
	memcpy(ret + used, name, len);
	ret[used + len] = '\0';
	return 0;
}

/*
 * Where a new file at 'path' goes: its real path into 'ret'.  Emits the
 * directories that are missing.
 */
static int
make_place(struct build *b, const char *path, char ret[FY_CPIO_NAME_MAX],
	   struct fy_error *err)
{
	struct fy_irnode *dir = fy_irtree_root(b->ir->tree), *n;
	const char *p = path;
	size_t len;

	for (;; p += len) {
		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (join(dir, p, len, ret, err) == -1)
			return -1;
		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return refuse(path, "it is no plain path", err);
		n = fy_irtree_find(b->ir->tree, NULL, ret, false);
		if (p[len] == '\0') {
			if (n != NULL)
				return refuse(path,
					      "a symlink is there that "
					      "leads nowhere",
					      err);
			return 0;
		}
		if (n == NULL &&
		    emit_new(b, ret, S_IFDIR | 0755, NULL, 0, err) == -1)
			return -1;
		dir = fy_irtree_find(b->ir->tree, NULL, ret, true);
		if (dir == NULL || !S_ISDIR(dir->mode))
			return refuse(path, "what is above it is no directory",
				      err);
	}
}

/* 1 when something was emitted, 0 when the file is like that already. */
static int
emit_file(struct build *b, const char *path, uint32_t mode, const void *data,
	  size_t len, struct fy_error *err)
{
	struct fy_irnode *n = fy_irtree_find(b->ir->tree, NULL, path, true);
	char real[FY_CPIO_NAME_MAX];

	mode &= 07777;
	if (n == NULL) {
		if (make_place(b, path, real, err) == -1)
			return -1;
		return emit_new(b, real, S_IFREG | (mode != 0 ? mode : 0644),
				data, len, err) == 0
			       ? 1
			       : -1;
	}
	if (!S_ISREG(n->mode))
		return refuse(path, "what is there is no regular file", err);
	if (mode == 0)
		mode = n->mode & 07777;
	if (n->file->data != NULL && n->file->size == len &&
	    (n->mode & 07777) == mode &&
	    (len == 0 || memcmp(n->file->data, data, len) == 0))
		return 0;
	if (fy_irtree_path(n, real) == -1)
		return refuse(path, "its path is too long", err);
	if (n->file->refs > 1 &&
	    fy_cpio_write(&b->w, real, S_IFLNK | 0777, "x", 1, err) == -1)
		return -1;
	return fy_cpio_write(&b->w, real, S_IFREG | mode, data, len, err) == 0
		       ? 1
		       : -1;
}

static bool
have_module(void *ctx, const char *name)
{
	return fy_initramfs_has_module(ctx, name);
}

/* One module that is wanted: into one of the report's lists. */
static int
want(struct build *b, const char *name, struct fy_error *err)
{
	struct fy_error e = { 0 };

	if (fy_modules_is_builtin(b->modules, name))
		return note(b->builtin, name, err);
	if (fy_initramfs_has_module(b->ir, name))
		return note(b->present, name, err);
	if (fy_modules_path(b->modules, name) == NULL)
		return note(b->missing, name, err);
	if (fy_modules_collect(b->modules, name, have_module, b->ir, &b->added,
			       &e) == 0)
		return 0;
	if (e.code != FY_E_NOTFOUND && e.code != FY_E_FORMAT &&
	    e.code != FY_E_UNSUPPORTED) {
		*err = e;
		return -1;
	}
	/* The guest's own tree is incomplete or damaged: say so, and go on
	 * with what there is. */
	if (note(b->notes, e.msg, err) == -1)
		return -1;
	return note(b->missing, name, err);
}

static bool
is_added(const struct build *b, const char *name)
{
	size_t i;

	for (i = 0; i < b->added.count; i++)
		if (strcmp(b->added.items[i].name, name) == 0)
			return true;
	return false;
}

static bool
is_usable(const struct build *b, const char *name)
{
	return fy_initramfs_has_module(b->ir, name) || is_added(b, name) ||
	       (b->modules != NULL && fy_modules_is_builtin(b->modules, name));
}

/* Whether the initramfs can reach its disks on virtio as it is: then it is not
 * made larger by what comes from the root filesystem anyway. */
static bool
reaches_disks(const struct build *b)
{
	size_t i;

	for (i = 0; disk_modules[i] != NULL; i++)
		if (!is_usable(b, disk_modules[i]) &&
		    fy_modules_path(b->modules, disk_modules[i]) != NULL)
			return false;
	return is_usable(b, "virtio_pci") && is_usable(b, "virtio_blk");
}

static int
choose_modules(struct build *b, struct fy_error *err)
{
	const char *const *more = b->options->more_modules;
	bool enough;
	size_t i;

	if (b->options->no_modules)
		return 0;
	enough = reaches_disks(b);
	for (i = 0; virtio_modules[i] != NULL; i++)
		if (!is_added(b, virtio_modules[i]) &&
		    (!enough || is_usable(b, virtio_modules[i])) &&
		    want(b, virtio_modules[i], err) == -1)
			return -1;
	for (i = 0; more != NULL && more[i] != NULL; i++)
		if (!is_added(b, more[i]) && want(b, more[i], err) == -1)
			return -1;
	return 0;
}

/* udev in it loads modules by the devices' aliases. */
static bool
loads_by_udev(const struct fy_initramfs *ir)
{
	return fy_initramfs_has(ir, "lib/udev/rules.d/80-drivers.rules") ||
	       fy_initramfs_has(ir, "usr/lib/udev/rules.d/80-drivers.rules") ||
	       fy_initramfs_has(ir, "etc/udev/rules.d/80-drivers.rules");
}

/* Only what these tools make is known to load what is added. */
static int
check_kind(const struct build *b, struct fy_error *err)
{
	enum fy_initramfs_kind kind = b->ir->kind;

	if (b->added.count == 0 && b->options->n_overrides == 0)
		return 0;
	switch (kind) {
	case FY_INITRAMFS_TOOLS:
	case FY_INITRAMFS_DRACUT:
	case FY_INITRAMFS_MKINITCPIO:
	case FY_INITRAMFS_MAKE_INITRD:
		return 0;
	case FY_INITRAMFS_MKINITRD:
		if (loads_by_udev(b->ir))
			return 0;
		break;
	case FY_INITRAMFS_NASH:
	case FY_INITRAMFS_BOOSTER:
	case FY_INITRAMFS_UNKNOWN:
		break;
	}
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "an initramfs of kind '%s' can't be edited",
			    fy_initramfs_kind_name(kind));
}

static int
set_base(struct build *b, struct fy_error *err)
{
	int n;

	if (b->ir->moddir != NULL)
		return fy_irtree_path(b->ir->moddir, b->base) == 0
			       ? 0
			       : refuse("lib/modules", "its path is too long",
					err);
	n = snprintf(b->base, sizeof(b->base), "lib/modules/%s",
		     b->ir->version);
	return n > 0 && (size_t)n < sizeof(b->base) ? 0 : -1;
}

/* Below lib/modules/VERSION. */
static int
emit_below(struct build *b, const char *name, const void *data, size_t len,
	   json_t *list, struct fy_error *err)
{
	fy_autofree char *path = fy_format(err, "%s/%s", b->base, name);

	if (path == NULL || emit_file(b, path, 0, data, len, err) == -1)
		return -1;
	return list != NULL ? note(list, path, err) : 0;
}

static int
emit_modules(struct build *b, struct fy_error *err)
{
	const struct fy_module *mod;
	struct fy_ir_index x = { 0 };
	size_t i;
	int r;

	for (i = 0; i < b->added.count; i++) {
		mod = &b->added.items[i];
		if (emit_below(b, mod->path, mod->data, mod->len,
			       b->added_paths, err) == -1)
			return -1;
	}
	r = fy_initramfs_depmod(b->ir, b->modules, &b->added, &x, err);
	for (i = 0; r == 0 && i < x.count; i++)
		r = emit_below(b, x.files[i].name, x.files[i].data,
			       x.files[i].len, NULL, err);
	fy_ir_index_release(&x);
	return r;
}

static bool
has_line(const char *text, const char *name)
{
	size_t len = strlen(name), n;

	for (; *text != '\0'; text += n, text += *text == '\n') {
		n = strcspn(text, "\n");
		if (n >= len && memcmp(text, name, len) == 0 &&
		    (n == len || text[len] == ' ' || text[len] == '\t'))
			return true;
	}
	return false;
}

/* 'text' with lines for those of loaded_modules that were added. */
static char *
with_loads(const struct build *b, const char *text, struct fy_error *err)
{
	char *out = fy_format(err, "%s", text), *longer;
	size_t i, len;

	for (i = 0; out != NULL && loaded_modules[i] != NULL; i++) {
		if (!is_added(b, loaded_modules[i]) ||
		    has_line(out, loaded_modules[i]))
			continue;
		len = strlen(out);
		longer = fy_format(err, "%s%s%s\n", out,
				   len > 0 && out[len - 1] != '\n' ? "\n" : "",
				   loaded_modules[i]);
		free(out);
		out = longer;
	}
	return out;
}

static int
emit_override(struct build *b, const char *path, uint32_t mode,
	      const void *data, size_t len, struct fy_error *err)
{
	int r = emit_file(b, path, mode, data, len, err);

	return r == 1 ? note(b->overridden, path, err) : r;
}

static bool
same_path(const char *a, const char *b)
{
	while (a[0] == '/' || (a[0] == '.' && a[1] == '/'))
		a++;
	return strcmp(a, b) == 0;
}

/* The text at 'path' as it will be: the caller's, else what is there, else
 * "".  NULL when it isn't known, or with 'err'. */
static char *
text_to_be(const struct build *b, const char *path, struct fy_error *err)
{
	const struct fy_initramfs_options *o = b->options;
	const char *text = NULL;
	size_t i, len = 0;

	for (i = 0; i < o->n_overrides; i++)
		if (same_path(o->overrides[i].path, path)) {
			text = o->overrides[i].data;
			len = o->overrides[i].len;
		}
	if (text == NULL)
		text = fy_initramfs_file(b->ir, path, &len);
	if (text == NULL && fy_initramfs_has(b->ir, path))
		return NULL;
	return fy_format(err, "%.*s", (int)len, text != NULL ? text : "");
}

/* initramfs-tools loads what conf/modules names, before it looks for the root
 * filesystem. */
static int
load_by_tools(struct build *b, struct fy_error *err)
{
	fy_autofree char *old = text_to_be(b, "conf/modules", err);
	fy_autofree char *text = NULL;

	if (old == NULL && err->code != FY_E_NONE)
		return -1;
	if (old == NULL)
		return note(b->notes,
			    "conf/modules is too large; the modules are left "
			    "to udev",
			    err);
	text = with_loads(b, old, err);
	if (text == NULL)
		return -1;
	return emit_override(b, "conf/modules", 0, text, strlen(text), err);
}

/* dracut loads by udev's rules; where systemd is inside, by name as well.
 * make-initrd reads these files without systemd. */
static int
load_by_systemd(struct build *b, struct fy_error *err)
{
	static const char path[] = "etc/modules-load.d/ironferry-virtio.conf";
	fy_autofree char *text = NULL;

	if (b->ir->kind != FY_INITRAMFS_MAKE_INITRD &&
	    !fy_initramfs_has(b->ir, "usr/lib/systemd/systemd-modules-load") &&
	    !fy_initramfs_has(b->ir, "lib/systemd/systemd-modules-load"))
		return 0;
	text = with_loads(b, "", err);
	if (text == NULL)
		return -1;
	return emit_override(b, path, 0, text, strlen(text), err);
}

/* mkinitcpio's init reads this file as shell, and loads MODULES before it runs
 * the hooks; without it systemd is inside. */
static int
load_by_config(struct build *b, struct fy_error *err)
{
	fy_autofree char *old = NULL;
	fy_autofree char *text = NULL;
	struct fy_text list = { 0 };
	size_t i;
	int r;

	if (!fy_initramfs_has(b->ir, "config"))
		return 0;
	old = text_to_be(b, "config", err);
	if (old == NULL)
		return err->code != FY_E_NONE
			       ? -1
			       : note(b->notes,
				      "its config is too large; the modules "
				      "are left to udev",
				      err);
	for (i = 0; loaded_modules[i] != NULL; i++)
		if (is_added(b, loaded_modules[i]))
			fy_text_printf(&list, " %s", loaded_modules[i]);
	r = fy_text_check(&list, err);
	if (r == 0 && list.len > 0) {
		i = strlen(old);
		text = fy_format(err, "%s%sMODULES=\"$MODULES%s\"\n", old,
				 i > 0 && old[i - 1] != '\n' ? "\n" : "",
				 list.data);
		r = text == NULL ? -1
				 : emit_override(b, "config", 0, text,
						 strlen(text), err);
	}
	fy_text_release(&list);
	return r;
}

static int
emit_all(struct build *b, struct fy_error *err)
{
	const struct fy_initramfs_options *o = b->options;
	size_t i;

	if (b->added.count > 0 && emit_modules(b, err) == -1)
		return -1;
	for (i = 0; i < o->n_overrides; i++) {
		/* It gets more lines below. */
		if (b->added.count > 0 && b->ir->kind == FY_INITRAMFS_TOOLS &&
		    same_path(o->overrides[i].path, "conf/modules"))
			continue;
		if (emit_override(b, o->overrides[i].path, o->overrides[i].mode,
				  o->overrides[i].data, o->overrides[i].len,
				  err) == -1)
			return -1;
	}
	if (b->added.count == 0)
		return 0;
	if (b->ir->kind == FY_INITRAMFS_TOOLS)
		return load_by_tools(b, err);
	if (b->ir->kind == FY_INITRAMFS_MKINITCPIO &&
	    load_by_config(b, err) == -1)
		return -1;
	return load_by_systemd(b, err);
}

/* Plain cpio behind what isn't LZ4, at a multiple of 4. */
static int
pack_plain(const struct build *b, struct fy_initramfs_segment *ret,
	   struct fy_error *err)
{
	size_t pad = -b->ir->size & 3;

	ret->data = malloc(pad + b->w.len);
	if (ret->data == NULL)
		return fy_error_nomem(err);
	memset(ret->data, 0, pad);
	memcpy(ret->data + pad, b->w.data, b->w.len);
	ret->len = pad + b->w.len;
	ret->offset = b->ir->size;
	return 0;
}

/*
 * Behind LZ4 its decompressor reads on, so this must be LZ4, right behind the
 * last block: kernels before 5.8 fail on zeros there.  For it this is one
 * stream, so the archive is aligned in the plain bytes.
 */
static int
pack_lz4(const struct build *b, struct fy_initramfs_segment *ret,
	 struct fy_error *err)
{
	size_t pad = -b->ir->last_plain_bytes & 3;
	fy_autofree unsigned char *plain = malloc(pad + b->w.len);

	if (plain == NULL)
		return fy_error_nomem(err);
	memset(plain, 0, pad);
	memcpy(plain + pad, b->w.data, b->w.len);
	ret->offset = b->ir->end;
	return fy_istream_compress(FY_ISTREAM_LZ4, plain, pad + b->w.len,
				   &ret->data, &ret->len, err);
}

/* The compression that the kernel is known to have; PLAIN if none that is
 * written here. */
static enum fy_istream_method
small_method(const struct fy_initramfs *ir)
{
	size_t i = ir->n_segments;

	while (i-- > 0)
		if (ir->methods[i] == FY_ISTREAM_GZIP ||
		    ir->methods[i] == FY_ISTREAM_XZ ||
		    ir->methods[i] == FY_ISTREAM_ZSTD)
			return ir->methods[i];
	return FY_ISTREAM_PLAIN;
}

static int
pack(struct build *b, struct fy_initramfs_segment *ret, struct fy_error *err)
{
	enum fy_istream_method m = b->ir->methods[b->ir->n_segments - 1];
	unsigned char *packed = NULL;
	size_t len;

	if (m == FY_ISTREAM_LZ4)
		return pack_lz4(b, ret, err);
	m = small_method(b->ir);
	if (b->options->small && m != FY_ISTREAM_PLAIN) {
		if (fy_istream_compress(m, b->w.data, b->w.len, &packed, &len,
					err) == -1)
			return -1;
		free(b->w.data);
		b->w.data = packed;
		b->w.len = len;
	}
	return pack_plain(b, ret, err);
}

static int
make_report(struct build *b, struct fy_initramfs_segment *ret,
	    struct fy_error *err)
{
	bool pci = is_usable(b, "virtio_pci");
	json_t *methods = json_array();
	size_t i;

	for (i = 0; i < b->ir->n_segments; i++)
		json_array_append_new(
			methods,
			json_string(fy_istream_method_name(b->ir->methods[i])));
	ret->report = json_pack(
		"{s:s, s:s, s:o, s:I, s:O, s:O, s:O, s:O, s:O, s:b, s:b, s:b, "
		"s:O}",
		"kernel", b->ir->version, "kind",
		fy_initramfs_kind_name(b->ir->kind), "compression", methods,
		"segment_bytes", (json_int_t)ret->len, "added", b->added_paths,
		"overridden", b->overridden, "present", b->present, "builtin",
		b->builtin, "missing", b->missing, "virtio_blk",
		pci && is_usable(b, "virtio_blk"), "virtio_scsi",
		pci && is_usable(b, "virtio_scsi") && is_usable(b, "sd_mod"),
		"virtio_net", pci && is_usable(b, "virtio_net"), "notes",
		b->notes);
	return ret->report != NULL ? 0 : fy_error_nomem(err);
}

static int
run(struct build *b, struct fy_initramfs_segment *ret, struct fy_error *err)
{
	if (b->added_paths == NULL || b->overridden == NULL ||
	    b->present == NULL || b->builtin == NULL || b->missing == NULL ||
	    b->notes == NULL)
		return fy_error_nomem(err);
	if (set_base(b, err) == -1 || choose_modules(b, err) == -1 ||
	    check_kind(b, err) == -1 || emit_all(b, err) == -1)
		return -1;
	if (b->w.len > 0 &&
	    (fy_cpio_write_end(&b->w, err) == -1 || pack(b, ret, err) == -1))
		return -1;
	return make_report(b, ret, err);
}

int
fy_initramfs_build(struct fy_initramfs *ir, struct fy_modules *modules,
		   const struct fy_initramfs_options *options,
		   struct fy_initramfs_segment *ret, struct fy_error *err)
{
	struct build b = { .ir = ir,
			   .modules = modules,
			   .options = options,
			   .added_paths = json_array(),
			   .overridden = json_array(),
			   .present = json_array(),
			   .builtin = json_array(),
			   .missing = json_array(),
			   .notes = json_array() };
	struct fy_initramfs_segment s = { .offset = ir->size };
	int r;

	if (modules == NULL && !options->no_modules)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "no modules to choose from");
	r = run(&b, &s, err);
	if (r == 0)
		*ret = s;
	else
		fy_initramfs_segment_release(&s);
	remove_created(&b);
	fy_module_list_release(&b.added);
	fy_cpio_writer_release(&b.w);
	json_decref(b.added_paths);
	json_decref(b.overridden);
	json_decref(b.present);
	json_decref(b.builtin);
	json_decref(b.missing);
	json_decref(b.notes);
	return r;
}

void
fy_initramfs_segment_release(struct fy_initramfs_segment *s)
{
	free(s->data);
	json_decref(s->report);
	memset(s, 0, sizeof(*s));
}

int
fy_initramfs_report_without(struct fy_modules *m, json_t **ret,
			    struct fy_error *err)
{
	json_t *builtin = json_array(), *missing = json_array();
	bool pci = fy_modules_is_builtin(m, "virtio_pci");
	size_t i;

	for (i = 0; virtio_modules[i] != NULL; i++)
		json_array_append_new(
			fy_modules_is_builtin(m, virtio_modules[i]) ? builtin
								    : missing,
			json_string(virtio_modules[i]));
	*ret = json_pack(
		"{s:s, s:o, s:o, s:b, s:b, s:b}", "kernel",
		fy_modules_version(m), "builtin", builtin, "missing", missing,
		"virtio_blk", pci && fy_modules_is_builtin(m, "virtio_blk"),
		"virtio_scsi",
		pci && fy_modules_is_builtin(m, "virtio_scsi") &&
			fy_modules_is_builtin(m, "sd_mod"),
		"virtio_net", pci && fy_modules_is_builtin(m, "virtio_net"));
	return *ret != NULL ? 0 : fy_error_nomem(err);
}
