/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each installed kernel: its initramfs gets the virtio segment, with files in
 * it that name old devices overridden and the .link files added.  The new bytes
 * are appended in place, so only the file's end changes on the disk.
 *
 * Too little room on /boot is an error for the newest kernel and a warning for
 * the older ones; before that a compressed segment is tried.  A kernel that
 * will not find its disk is a warning too, and counted: when no kernel of the
 * machine will, the injection fails (inject.c).
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux-initramfs.h"
#include "drivers-inject/linux.h"

#define MARGIN	     (128u * 1024) /* for the filesystem's own blocks */
#define MAX_OVERRIDE 256u
#define LVM_CONF     "etc/lvm/lvm.conf"
#define MAX_LVM_CONF (1024u * 1024)

struct kernel {
	struct fy_system *s;
	const char *version;
	const char *path;    /* of the initramfs (or the unified image) */
	uint64_t base, size; /* where it lies in that file */
	bool newest;
	bool writing; /* so a failure is one of the whole injection */
	bool boots;   /* it will find its disk on virtio */
	struct fy_initramfs_override overrides[MAX_OVERRIDE];
	size_t n_overrides;
	size_t n_owned; /* the first ones are ours to free */
};

/* --- kernels that don't find their disk ------------------------------------ */

/* Warn of one; what is said of the first is what a failure tells. */
static int __attribute__((format(printf, 3, 4)))
blind(struct fy_disks *d, struct fy_error *err, const char *fmt, ...)
{
	fy_autofree char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n == -1) {
		text = NULL;
		return fy_error_nomem(err);
	}
	if (fy_disks_warn(d, err, "%s", text) == -1)
		return -1;
	if (d->blind == NULL)
		d->blind = fy_steal_ptr(&text);
	return 0;
}

/* Whether the disk is found without a change of the initramfs ('ir' NULL:
 * there is none, or what is in it isn't known). */
static bool
knows_disk(const struct fy_initramfs *ir, const struct fy_modules *modules)
{
	static const char *const needs[] = { "virtio_pci", "virtio_blk" };
	size_t i;

	for (i = 0; i < 2; i++)
		if ((ir == NULL || !fy_initramfs_has_module(ir, needs[i])) &&
		    !fy_modules_is_builtin(modules, needs[i]))
			return false;
	return true;
}

/* --- callbacks ------------------------------------------------------------ */

static int
source_read(void *ctx, const char *path, size_t max, char **ret,
	    size_t *ret_len, struct fy_error *err)
{
	return fy_guest_read(ctx, path, max, ret, ret_len, err);
}

struct listing {
	fy_modules_each each;
	void *ctx;
};

static int
source_entry(void *ctx, const char *name, enum fy_guest_type type,
	     struct fy_error *err)
{
	static const enum fy_modules_type types[] = {
		[FY_GUEST_FILE] = FY_MODULES_FILE,
		[FY_GUEST_DIR] = FY_MODULES_DIR,
		[FY_GUEST_LINK] = FY_MODULES_LINK,
		[FY_GUEST_OTHER] = FY_MODULES_OTHER,
	};
	struct listing *l = ctx;

	return l->each(l->ctx, name, types[type], err);
}

static int
source_list(void *ctx, const char *path, fy_modules_each each, void *each_ctx,
	    struct fy_error *err)
{
	struct listing l = { .each = each, .ctx = each_ctx };

	return fy_guest_list(ctx, path, source_entry, &l, err);
}

static int
input_pread(void *ctx, void *buf, size_t len, uint64_t offset,
	    struct fy_error *err)
{
	struct kernel *k = ctx;

	return fy_guest_pread(k->s->guest, k->path, buf, len, k->base + offset,
			      err);
}

/* --- overrides ------------------------------------------------------------ */

static bool
starts(const char *path, const char *with)
{
	return strncmp(path, with, strlen(with)) == 0;
}

/* How a file inside the initramfs is edited; false: not at all. */
static bool
kind_of(const char *path, enum fy_edit_kind *ret)
{
	const char *name = strrchr(path, '/');

	name = name == NULL ? path : name + 1;
	if (strcmp(name, "crypttab") == 0)
		*ret = FY_EDIT_CRYPTTAB;
	else if (strcmp(path, "etc/fstab") == 0)
		*ret = FY_EDIT_FSTAB;
	else if (starts(path, "etc/lvm/devices/"))
		*ret = FY_EDIT_LVM_DEVICES;
	else if (strcmp(path, LVM_CONF) == 0 ||
		 strcmp(path, "etc/lvm/lvmlocal.conf") == 0)
		*ret = FY_EDIT_LVM_CONF;
	else if (strcmp(name, "mdadm.conf") == 0)
		*ret = FY_EDIT_MDADM;
	else if (starts(path, "conf/") || starts(path, "etc/cmdline.d/") ||
		 strcmp(path, "etc/cmdline") == 0)
		*ret = FY_EDIT_ARGUMENTS;
	else if (starts(path, "lib/dracut/hooks/") ||
		 starts(path, "usr/lib/dracut/hooks/") ||
		 starts(path, "var/lib/dracut/hooks/"))
		*ret = FY_EDIT_PATHS;
	else
		return false;
	return true;
}

static int
add_override(struct kernel *k, const char *path, const void *data, size_t len,
	     struct fy_error *err)
{
	struct fy_initramfs_override *o = &k->overrides[k->n_overrides];

	if (k->n_overrides == MAX_OVERRIDE)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "too many files to change in '%s'",
				    k->path);
	o->path = path;
	o->data = data;
	o->len = len;
	k->n_overrides++;
	return 0;
}

/* lvm.conf with its comments is more than what is kept of an initramfs.  It was
 * copied from the system's; where that one's filter had to change, the new one
 * goes in, for else the root would not be found. */
static int
look_at_lvm_conf(struct kernel *k, struct fy_error *err)
{
	fy_autofree char *text = fy_linux_text(k->s->guest, "/" LVM_CONF);
	fy_autofree char *own = NULL;

	if (text == NULL || strstr(text, FY_LVM_VIRTIO) == NULL ||
	    strlen(text) > MAX_LVM_CONF)
		return 0;
	own = strdup(LVM_CONF);
	if (own == NULL)
		return fy_error_nomem(err);
	if (add_override(k, own, text, strlen(text), err) == -1)
		return -1;
	own = NULL;
	text = NULL;
	k->n_owned = k->n_overrides;
	return 0;
}

static int
look_at_file(void *ctx, const char *path, uint32_t mode, const void *data,
	     size_t len, struct fy_error *err)
{
	struct kernel *k = ctx;
	struct fy_edit_context edit = { .devices = k->s->disks->devices };
	struct fy_string_set unknown = { 0 };
	enum fy_edit_kind kind;
	fy_autofree char *new = NULL;
	fy_autofree char *own = NULL;
	size_t new_len = 0, i;
	int r;

	(void)mode;
	if (data == NULL && strcmp(path, LVM_CONF) == 0)
		return look_at_lvm_conf(k, err);
	if (data == NULL || !kind_of(path, &kind))
		return 0;
	r = fy_edit_text(kind, &edit, data, len, &new, &new_len, &unknown, err);
	for (i = 0; r == 0 && i < unknown.n; i++)
		r = fy_disks_warn(k->s->disks, err,
				  "'%s' in '%s' names '%s', and it is not "
				  "known what that is, or how to name it there",
				  path, k->path, unknown.items[i]);
	fy_string_set_release(&unknown);
	if (r == -1 || new == NULL)
		return r;
	own = strdup(path);
	if (own == NULL)
		return fy_error_nomem(err);
	if (add_override(k, own, new, new_len, err) == -1)
		return -1;
	own = NULL;
	new = NULL;
	k->n_owned = k->n_overrides;
	return 0;
}

static void
release_kernel(struct kernel *k)
{
	size_t i;

	for (i = 0; i < k->n_owned; i++) {
		free((void *)(uintptr_t)k->overrides[i].path);
		free((void *)(uintptr_t)k->overrides[i].data);
	}
}

/* --- one kernel ----------------------------------------------------------- */

static int
without_initramfs(struct kernel *k, struct fy_modules *modules,
		  struct fy_error *err)
{
	fy_autojson json_t *report = NULL;

	if (fy_initramfs_report_without(modules, &report, err) == -1)
		return -1;
	k->boots = json_is_true(json_object_get(report, "virtio_blk"));
	if (k->boots)
		return 0;
	return blind(k->s->disks, err,
		     "kernel %s has no initramfs and virtio is not built in: "
		     "it will not find its disk",
		     k->version);
}

static int
build(struct kernel *k, struct fy_initramfs *ir, struct fy_modules *modules,
      bool small, struct fy_initramfs_segment *seg, struct fy_error *err)
{
	const struct fy_initramfs_options o = {
		.overrides = k->overrides,
		.n_overrides = k->n_overrides,
		.small = small,
		.stop = k->s->disks->options->stop,
	};

	return fy_initramfs_build(ir, modules, &o, seg, err);
}

/* Whether the longer file has room. */
static int
has_room(struct kernel *k, const struct fy_initramfs_segment *seg, bool *ret,
	 struct fy_error *err)
{
	uint64_t left, want = seg->offset + seg->len;

	if (fy_guest_free_bytes(k->s->guest, k->path, &left, err) == -1)
		return -1;
	want = want > k->size ? want - k->size : 0;
	*ret = want == 0 || want + MARGIN <= left;
	return 0;
}

static int
no_room(struct kernel *k, const struct fy_initramfs_segment *seg,
	struct fy_error *err)
{
	if (k->newest)
		return fy_error_set(err, FY_E_NOSPACE, 0,
				    "there is no room for %zu bytes more in "
				    "'%s' of the guest; free some on its /boot",
				    seg->len, k->path);
	if (k->boots)
		return fy_disks_warn(k->s->disks, err,
				     "there is no room for changes in '%s': "
				     "kernel %s keeps old names of devices and "
				     "network cards in there",
				     k->path, k->version);
	return blind(k->s->disks, err,
		     "there is no room for virtio in '%s': kernel %s will not "
		     "find its disk",
		     k->path, k->version);
}

static int
report_segment(struct kernel *k, const struct fy_initramfs_segment *seg,
	       struct fy_error *err)
{
	k->boots = json_is_true(json_object_get(seg->report, "virtio_blk"));
	if (!k->boots && blind(k->s->disks, err,
			       "kernel %s has no usable virtio_blk in its "
			       "initramfs: it will not find its disk",
			       k->version) == -1)
		return -1;
	if (json_is_true(json_object_get(seg->report, "virtio_net")))
		return 0;
	return fy_disks_warn(k->s->disks, err,
			     "kernel %s has no usable virtio_net in its "
			     "initramfs",
			     k->version);
}

static int
append_segment(struct kernel *k, struct fy_initramfs *ir,
	       struct fy_modules *modules, struct fy_error *err)
{
	struct fy_initramfs_segment seg = { 0 };
	fy_autojson json_t *extra = NULL;
	bool room = true;
	int r;

	r = build(k, ir, modules, false, &seg, err);
	if (r == 0)
		r = has_room(k, &seg, &room, err);
	if (r == 0 && !room) {
		fy_initramfs_segment_release(&seg);
		memset(&seg, 0, sizeof(seg));
		r = build(k, ir, modules, true, &seg, err);
		if (r == 0)
			r = has_room(k, &seg, &room, err);
	}
	if (r == 0 && !room) {
		r = no_room(k, &seg, err);
	} else if (r == 0) {
		r = report_segment(k, &seg, err);
		if (r == 0 && seg.len > 0) {
			k->writing = true;
			extra = json_pack("{s:O}", "initramfs", seg.report);
			r = fy_system_write(k->s->disks, k->s->guest, k->path,
					    seg.offset, seg.data, seg.len,
					    "virtio drivers for this kernel",
					    extra, err);
		}
	}
	fy_initramfs_segment_release(&seg);
	return r;
}

static int
edit_initramfs(struct kernel *k, const struct fy_linux_extras *extras,
	       struct fy_modules *modules, struct fy_error *err)
{
	const struct fy_disks *d = k->s->disks;
	FY_AUTO(initramfs) struct fy_initramfs *ir = NULL;
	struct fy_initramfs_input input = { .ctx = k,
					    .size = k->size,
					    .budget = &k->s->disks->unpack,
					    .pread = input_pread };
	size_t i;

	k->boots = knows_disk(NULL, modules);
	if (fy_initramfs_open(&input, k->version, d->options->tmpdir,
			      d->options->stop, &ir, err) == -1)
		return -1;
	k->boots = knows_disk(ir, modules);
	if (fy_initramfs_each_file(ir, look_at_file, k, err) == -1)
		return -1;
	for (i = 0; i < extras->n; i++)
		if (add_override(k, extras->items[i].path,
				 extras->items[i].data, extras->items[i].len,
				 err) == -1)
			return -1;
	return append_segment(k, ir, modules, err);
}

/* An initramfs; the first is the one that boots. */
static int
do_initramfs(struct kernel *k, const struct fy_linux_extras *extras,
	     struct fy_modules *modules, struct fy_error *err)
{
	struct fy_guest_stat st;
	struct fy_error e = { 0 };

	if (fy_guest_stat(k->s->guest, k->path, &st, err) == -1)
		return -1;
	k->size = st.size;
	if (edit_initramfs(k, extras, modules, &e) == 0)
		return 0;
	if (k->writing || (e.code != FY_E_UNSUPPORTED && e.code != FY_E_FORMAT))
		return fy_error_copy(err, &e);
	/* A kernel that nothing can be done for does not spoil the others. */
	if (k->boots)
		return fy_disks_warn(k->s->disks, err,
				     "'%s' of kernel %s was left alone; it "
				     "knows virtio already: %s",
				     k->path, k->version, e.msg);
	return blind(k->s->disks, err,
		     "'%s' of kernel %s was left alone, so it may not find "
		     "its disk: %s",
		     k->path, k->version, e.msg);
}

/* Nothing in a unified image is changed: it is only looked whether the disk
 * will be found. */
static int
do_unified(struct kernel *k, struct fy_error *err)
{
	const struct fy_inject_options *o = k->s->disks->options;
	FY_AUTO(initramfs) struct fy_initramfs *ir = NULL;
	struct fy_initramfs_input input = { .ctx = k,
					    .budget = &k->s->disks->unpack,
					    .pread = input_pread };
	unsigned char head[FY_UKI_HEAD];
	struct fy_guest_stat st;
	struct fy_error e = { 0 };
	struct fy_uki u;
	size_t n;

	if (fy_guest_stat(k->s->guest, k->path, &st, err) == -1)
		return -1;
	n = (size_t)fy_min_u64(st.size, sizeof(head));
	if (fy_guest_pread(k->s->guest, k->path, head, n, 0, err) == -1)
		return -1;
	if (fy_uki_parse(head, n, st.size, &u) && u.initrd_len > 0) {
		k->base = u.initrd;
		k->size = input.size = u.initrd_len;
		if (fy_initramfs_open(&input, k->version, o->tmpdir, o->stop,
				      &ir, &e) == 0)
			k->boots = fy_initramfs_has_module(ir, "virtio_pci") &&
				   fy_initramfs_has_module(ir, "virtio_blk");
	}
	if (k->boots)
		return 0;
	return blind(k->s->disks, err,
		     "the unified kernel image '%s' has no virtio_blk inside "
		     "and can't be edited: it will not find its disk unless "
		     "its kernel has virtio built in%s%s",
		     k->path, e.code == FY_E_NONE ? "" : ": ",
		     e.code == FY_E_NONE ? "" : e.msg);
}

static int
run_one(struct fy_system *s, const struct fy_linux_kernel *lk, size_t index,
	bool newest, const struct fy_linux_extras *extras,
	struct fy_modules *modules, bool *ret_boots, struct fy_error *err)
{
	fy_autofree struct kernel *k = calloc(1, sizeof(*k));
	int r;

	if (k == NULL)
		return fy_error_nomem(err);
	k->s = s;
	k->version = lk->version;
	k->newest = newest;
	k->path = lk->unified		    ? lk->image
		  : index < lk->initramfs.n ? lk->initramfs.items[index]
					    : NULL;
	if (lk->unified)
		r = do_unified(k, err);
	else if (k->path == NULL)
		r = without_initramfs(k, modules, err);
	else
		r = do_initramfs(k, extras, modules, err);
	*ret_boots = k->boots;
	release_kernel(k);
	return r;
}

static int
do_kernel(struct fy_system *s, const struct fy_linux_kernel *lk, bool newest,
	  const struct fy_linux_extras *extras, bool *ret_boots,
	  struct fy_error *err)
{
	const struct fy_modules_source source = { .ctx = s->guest,
						  .read_file = source_read,
						  .list_dir = source_list };
	FY_AUTO(modules) struct fy_modules *modules = NULL;
	struct fy_error e = { 0 };
	size_t i;

	if (!lk->unified &&
	    fy_modules_open(&source, lk->version, &modules, &e) == -1) {
		if (e.code != FY_E_NOTFOUND && e.code != FY_E_USAGE)
			return fy_error_copy(err, &e);
		return blind(s->disks, err, "kernel %s was left alone: %s",
			     lk->version, e.msg);
	}
	if (run_one(s, lk, 0, newest, extras, modules, ret_boots, err) == -1)
		return -1;
	for (i = 1; !lk->unified && i < lk->initramfs.n; i++) {
		bool boots;

		if (run_one(s, lk, i, newest && lk->two_ways, extras, modules,
			    &boots, err))
			return -1;
		if (lk->two_ways)
			*ret_boots = *ret_boots && boots;
	}
	return 0;
}

int
fy_linux_kernels(struct fy_system *s, const struct fy_linux_extras *extras,
		 struct fy_error *err)
{
	const struct fy_linux *l = fy_linux_of(s);
	size_t i;

	if (l->n_kernels == 0)
		return fy_disks_warn(s->disks, err,
				     "no kernel was found in /boot");
	for (i = 0; i < l->n_kernels; i++) {
		const struct fy_linux_kernel *k = &l->kernels[i];
		bool boots = false;
		int r = fy_stop_check(s->disks->options->stop, err);

		if (r == 0)
			r = do_kernel(s, k, i == 0, extras, &boots, err);
		s->disks->n_kernels++;
		s->disks->n_booting += boots;
		if (r == -1)
			return fy_error_prefix(err, "kernel %s", k->version);
	}
	return 0;
}
