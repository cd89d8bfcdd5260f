/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What other tools' initramfs archives get, so that they load what is added. */
#include <stdlib.h>

#include "common/subprocess.h"
#include "drivers-inject/linux-initramfs-internal.h"
#include "drivers-inject/test-modules.h"

struct file {
	const char *path; /* ends in "/" for a directory, in ".ko" for a
			     module */
	const char *text; /* "-> TARGET" for a symlink */
};

static struct fy_error err;

static void
put(struct fy_cpio_writer *w, const struct file *f)
{
	fy_autofree char *name = strdup(f->path);
	const char *body = f->text;
	size_t len = strlen(name), n = body != NULL ? strlen(body) : 0;
	uint32_t mode = S_IFREG | 0644;
	unsigned char elf[FAKE_MAX];

	if (n > 3 && strncmp(body, "-> ", 3) == 0) {
		body += 3;
		n -= 3;
		mode = S_IFLNK | 0777;
	} else if (name[len - 1] == '/') {
		name[len - 1] = '\0';
		mode = S_IFDIR | 0755;
	} else if (len > 3 && strcmp(name + len - 3, ".ko") == 0) {
		n = fake_module(elf, "", NULL);
		body = (const char *)elf;
	}
	CHECK_OK(fy_cpio_write(w, name, mode, body, n, &err), &err);
}

/* The archive of these files, packed by zstd. */
static void
make(const struct file *files, unsigned char **ret, size_t *ret_len)
{
	struct fy_cpio_writer w = { 0 };

	for (; files->path != NULL; files++)
		put(&w, files);
	CHECK_OK(fy_cpio_write_end(&w, &err), &err);
	CHECK_OK(fy_istream_compress(FY_ISTREAM_ZSTD, w.data, w.len, ret,
				     ret_len, &err),
		 &err);
	fy_cpio_writer_release(&w);
}

static struct fy_initramfs *
open_bytes(const void *data, size_t len)
{
	static struct fy_initramfs_buffer buffer;
	struct fy_initramfs_input in;
	struct fy_initramfs *ir = NULL;

	buffer.data = data;
	buffer.len = len;
	fy_initramfs_input_of_buffer(&buffer, &in);
	CHECK_OK(fy_initramfs_open(&in, FAKE_VERSION, NULL, NULL, &ir, &err),
		 &err);
	return ir;
}

/* With the segment behind it: 'path' then holds 'text'.  NULL: refused. */
static void
check(const struct file *files, const char *kind, const char *path,
      const char *text)
{
	FY_AUTO(modules) struct fy_modules *modules = NULL;
	struct fy_initramfs_options o = { 0 };
	struct fy_initramfs_segment seg = { 0 };
	struct fy_modules_source source;
	FY_AUTO(initramfs) struct fy_initramfs *ir = NULL;
	FY_AUTO(initramfs) struct fy_initramfs *after = NULL;
	fy_autofree unsigned char *data = NULL;
	fy_autofree unsigned char *all = NULL;
	struct fy_error e = { 0 };
	size_t len = 0;
	char *root = NULL;
	int fd, r;

	fd = fake_dir(&root);
	put_guest(fd, true);
	fy_modules_source_of_dir(&fd, &source);
	CHECK_OK(fy_modules_open(&source, FAKE_VERSION, &modules, &err), &err);
	make(files, &data, &len);
	ir = open_bytes(data, len);
	CHECK_STR(fy_initramfs_kind_name(fy_initramfs_kind(ir)), kind);
	r = fy_initramfs_build(ir, modules, &o, &seg, &e);
	if (text == NULL) {
		CHECK(r == -1 && e.code == FY_E_UNSUPPORTED);
		CHECK(strstr(e.msg, kind) != NULL);
	} else {
		CHECK_OK(r, &e);
		all = malloc(seg.offset + seg.len);
		memcpy(all, data, seg.offset);
		memcpy(all + seg.offset, seg.data, seg.len);
		after = open_bytes(all, seg.offset + seg.len);
		CHECK(fy_initramfs_has_module(after, "virtio_blk"));
		CHECK(fy_initramfs_has_module(after, "virtio_scsi"));
		CHECK_STR(fy_initramfs_file(after, path, NULL), text);
		fy_initramfs_segment_release(&seg);
		/* Again there is nothing to do. */
		memset(&seg, 0, sizeof(seg));
		CHECK_OK(fy_initramfs_build(after, modules, &o, &seg, &err),
			 &err);
		CHECK(seg.len == 0);
	}
	fy_initramfs_segment_release(&seg);
	fy_modules_free(fy_steal_ptr(&modules));
	fake_dir_remove(root, fd);
}

static const struct file mkinitcpio[] = {
	{ "init_functions", "x" },
	{ "buildconfig", "x" },
	{ "config", "MODULES=\"ahci\"\nHOOKS=\"keymap\"" },
	{ "usr/", NULL },
	{ NULL, NULL },
};
static const struct file mkinitcpio_systemd[] = {
	{ "buildconfig", "x" },
	{ "usr/", NULL },
	{ "usr/lib/", NULL },
	{ "usr/lib/systemd/", NULL },
	{ "usr/lib/systemd/systemd-modules-load", "x" },
	{ NULL, NULL },
};
static const struct file make_initrd[] = {
	{ "etc/", NULL },
	{ "etc/initrd/", NULL },
	{ "etc/initrd/cmdline.d/", NULL },
	{ "lib/", NULL },
	{ NULL, NULL },
};
static const struct file suse_udev[] = {
	{ "run_all.sh", "x" },
	{ "etc/", NULL },
	{ "etc/fstab", "x" },
	{ "lib/", NULL },
	{ "lib/udev/", NULL },
	{ "lib/udev/rules.d/", NULL },
	{ "lib/udev/rules.d/80-drivers.rules", "x" },
	{ NULL, NULL },
};
static const struct file suse_old[] = { { "run_all.sh", "x" }, { NULL, NULL } };
static const struct file nash[] = { { "bin/", NULL },
				    { "bin/nash", "x" },
				    { NULL, NULL } };

/* Modules of another version, as a vendor's package has them; one link leads
 * nowhere, which no module comes of. */
#define MODULES "usr/lib/modules/"
static const struct file weak_updates[] = {
	{ "usr/", NULL },
	{ "usr/lib/", NULL },
	{ "usr/lib/dracut/", NULL },
	{ "lib", "-> usr/lib" },
	{ MODULES, NULL },
	{ MODULES "6.1.0-0-old/", NULL },
	{ MODULES "6.1.0-0-old/extra/", NULL },
	{ MODULES "6.1.0-0-old/extra/vendor.ko", NULL },
	{ MODULES "6.1.0-0-old/extra/second.ko", NULL },
	{ MODULES FAKE_VERSION "/", NULL },
	{ MODULES FAKE_VERSION "/weak-updates/", NULL },
	{ MODULES FAKE_VERSION "/weak-updates/vendor.ko",
	  "-> ../../6.1.0-0-old/extra/vendor.ko" },
	{ MODULES FAKE_VERSION "/weak-updates/second.ko",
	  "-> /lib/modules/6.1.0-0-old/extra/second.ko" },
	{ MODULES FAKE_VERSION "/weak-updates/gone.ko",
	  "-> /lib/modules/6.1.0-0-old/extra/gone.ko" },
	{ NULL, NULL },
};

static void
check_weak_updates(void)
{
	static const char path[] = MODULES FAKE_VERSION "/modules.dep";
	FY_AUTO(modules) struct fy_modules *modules = NULL;
	FY_AUTO(initramfs) struct fy_initramfs *ir = NULL;
	struct fy_initramfs_options o = { 0 };
	struct fy_initramfs_segment seg = { 0 };
	struct fy_modules_source source;
	fy_autofree unsigned char *data = NULL;
	size_t len = 0;
	char *root = NULL;
	int fd = fake_dir(&root);

	put_guest(fd, true);
	fy_modules_source_of_dir(&fd, &source);
	CHECK_OK(fy_modules_open(&source, FAKE_VERSION, &modules, &err), &err);
	make(weak_updates, &data, &len);
	ir = open_bytes(data, len);
	CHECK(fy_initramfs_has_module(ir, "vendor"));
	CHECK(!fy_initramfs_has_module(ir, "gone"));
	CHECK_OK(fy_initramfs_build(ir, modules, &o, &seg, &err), &err);
	CHECK(memmem(seg.data, seg.len, path, strlen(path)) != NULL);
	CHECK(memmem(seg.data, seg.len, "\nweak-updates/vendor.ko:", 24));
	CHECK(memmem(seg.data, seg.len, "\nweak-updates/second.ko:", 24));
	fy_initramfs_segment_release(&seg);
	fy_modules_free(fy_steal_ptr(&modules));
	fake_dir_remove(root, fd);
}

int
main(void)
{
	char found[4096];

	if (fy_subprocess_find("depmod", found, sizeof(found)) != 0 &&
	    access("/usr/sbin/depmod", X_OK) != 0) {
		fprintf(stderr, "depmod (package kmod) is not installed\n");
		return 77;
	}
	check(mkinitcpio, "mkinitcpio", "config",
	      "MODULES=\"ahci\"\nHOOKS=\"keymap\"\n"
	      "MODULES=\"$MODULES virtio_pci virtio_blk virtio_scsi\"\n");
	check(mkinitcpio_systemd, "mkinitcpio",
	      "etc/modules-load.d/ironferry-virtio.conf",
	      "virtio_pci\nvirtio_blk\nvirtio_scsi\n");
	check(make_initrd, "make-initrd",
	      "etc/modules-load.d/ironferry-virtio.conf",
	      "virtio_pci\nvirtio_blk\nvirtio_scsi\n");
	check(suse_udev, "mkinitrd", "etc/fstab", "x");
	check(suse_old, "mkinitrd", NULL, NULL);
	check(nash, "mkinitrd with nash", NULL, NULL);
	check_weak_updates();
	return test_result();
}
