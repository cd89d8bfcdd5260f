/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Initramfs archives: read as the kernel would, and what is appended. */
#include <stdlib.h>

#include "common/subprocess.h"
#include "drivers-inject/linux-initramfs-internal.h"
#include "drivers-inject/test-modules.h"

/* Inlined into main, their buffers would all be in its frame. */
#define NOINLINE __attribute__((noinline))

#define MODULES "lib/modules/" FAKE_VERSION

/* An initramfs in the making. */
struct image {
	unsigned char *data;
	size_t len;
};

static void
add(struct fy_cpio_writer *w, const char *name, uint32_t mode, const char *body)
{
	struct fy_error err = { 0 };

	CHECK_OK(fy_cpio_write(w, name, mode, body,
			       body != NULL ? strlen(body) : 0, &err),
		 &err);
}

static void
add_dir(struct fy_cpio_writer *w, const char *name)
{
	add(w, name, S_IFDIR | 0755, NULL);
}

/* As one of several names of inode 'ino'. */
static void
add_hard(struct fy_cpio_writer *w, const char *name, const char *body,
	 unsigned ino)
{
	char digits[9];
	size_t at = w->len;

	add(w, name, S_IFREG | 0644, body);
	snprintf(digits, sizeof(digits), "%08X", ino);
	memcpy(w->data + at + 6, digits, 8);
	memcpy(w->data + at + 6 + 4 * 8, "00000002", 8);
}

static void
append_bytes(struct image *im, const void *data, size_t len)
{
	im->data = realloc(im->data, im->len + len + 1);
	memcpy(im->data + im->len, data, len);
	im->len += len;
}

#define APPEND_TEXT(im, text) append_bytes(im, text, sizeof(text) - 1)

static const char zeros[16];

/* Append the archive (ended here), packed, and empty the writer. */
static void
append(struct image *im, struct fy_cpio_writer *w, enum fy_istream_method m)
{
	fy_autofree unsigned char *packed = NULL;
	struct fy_error err = { 0 };
	size_t len = 0;

	CHECK_OK(fy_cpio_write_end(w, &err), &err);
	if (m == FY_ISTREAM_PLAIN) {
		append_bytes(im, w->data, w->len);
	} else {
		CHECK_OK(fy_istream_compress(m, w->data, w->len, &packed, &len,
					     &err),
			 &err);
		append_bytes(im, packed, len);
	}
	fy_cpio_writer_release(w);
}

static struct fy_initramfs *
open_image(const struct image *im, struct fy_error *err)
{
	static struct fy_initramfs_buffer buffer;
	struct fy_initramfs *ir = NULL;
	struct fy_initramfs_input in;

	buffer.data = im->data;
	buffer.len = im->len;
	fy_initramfs_input_of_buffer(&buffer, &in);
	fy_error_clear(err);
	if (fy_initramfs_open(&in, FAKE_VERSION, NULL, NULL, &ir, err) == -1)
		return NULL;
	return ir;
}

/* It is refused with that code and that word in the message. */
static void
check_refused(struct image *im, enum fy_error_code code, const char *word)
{
	struct fy_error err = { 0 };
	struct fy_initramfs *ir = open_image(im, &err);

	CHECK(ir == NULL && err.code == code);
	if (ir == NULL && strstr(err.msg, word) == NULL)
		CHECK_STR(err.msg, word);
	fy_initramfs_free(ir);
	free(im->data);
	memset(im, 0, sizeof(*im));
}

/* What initramfs-tools' archives have. */
static void
add_tools(struct fy_cpio_writer *w, bool merged)
{
	const char *usr = merged ? "usr/lib" : "lib";
	char name[512];
	unsigned char elf[FAKE_MAX];
	struct fy_error err = { 0 };

	if (merged) {
		add_dir(w, "usr");
		add_dir(w, "usr/lib");
		add(w, "lib", S_IFLNK | 0777, "usr/lib");
	} else {
		add_dir(w, "lib");
	}
	snprintf(name, sizeof(name), "%s/modules", usr);
	add_dir(w, name);
	snprintf(name, sizeof(name), "%s/modules/" FAKE_VERSION, usr);
	add_dir(w, name);
	snprintf(name, sizeof(name), "%s/modules/" FAKE_VERSION "/kernel", usr);
	add_dir(w, name);
	snprintf(name, sizeof(name),
		 "%s/modules/" FAKE_VERSION "/kernel/ahci.ko", usr);
	CHECK_OK(fy_cpio_write(w, name, S_IFREG | 0644, elf,
			       fake_module(elf, "", NULL), &err),
		 &err);
	add_dir(w, "conf");
	add(w, "conf/initramfs.conf", S_IFREG | 0644, "MODULES=dep\n");
	add(w, "conf/modules", S_IFREG | 0600, "# mine\next4");
	add_dir(w, "scripts");
	add(w, "scripts/functions", S_IFREG | 0644, "");
}

/* The same as an archive of its own behind what 'im' has. */
static void
append_tools(struct image *im, struct fy_cpio_writer *w,
	     enum fy_istream_method m)
{
	add_tools(w, false);
	append(im, w, m);
}

static const char *
text_of(struct fy_initramfs *ir, const char *path)
{
	return fy_initramfs_file(ir, path, NULL);
}

/* The rules of the kernel's unpacker. */
static NOINLINE void
check_tree(void)
{
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	struct image im = { 0 };
	struct fy_initramfs *ir;

	add_dir(&w, "usr");
	add_dir(&w, "usr/lib");
	add(&w, "lib", S_IFLNK | 0777, "usr/lib");
	add(&w, "./lib/x", S_IFREG | 0644, "through the link");
	add_dir(&w, "etc");
	add(&w, "/etc/a", S_IFREG | 0644, "one");
	add(&w, "etc/a", S_IFREG | 0600, "two");
	add(&w, "no/parent", S_IFREG | 0644, "lost");
	add(&w, "etc/l", S_IFLNK | 0777, "a");
	add(&w, "etc/l", S_IFLNK | 0777, "kept-as-it-was");
	add(&w, "etc/up", S_IFLNK | 0777, "../../etc/../etc/a");
	add(&w, "etc/loop1", S_IFLNK | 0777, "loop2");
	add(&w, "etc/loop2", S_IFLNK | 0777, "loop1");
	add_hard(&w, "etc/h1", "", 77);
	add_hard(&w, "etc/h2", "shared", 77);
	add(&w, "etc/dev", S_IFCHR | 0600, NULL);
	add_dir(&w, "etc/dev");
	add_dir(&w, "etc/full");
	add(&w, "etc/full/x", S_IFREG | 0644, "x");
	add(&w, "etc/full", S_IFREG | 0644, "not possible");
	add(&w, "init", S_IFREG | 0755, "init");
	append(&im, &w, FY_ISTREAM_PLAIN);
	/* A second archive: links are of their own archive only. */
	add_hard(&w, "etc/h3", "alone", 77);
	append(&im, &w, FY_ISTREAM_GZIP);
	ir = open_image(&im, &err);
	CHECK(ir != NULL);
	if (ir == NULL)
		return;
	CHECK(fy_initramfs_has(ir, "usr/lib/x"));
	CHECK(fy_initramfs_has(ir, "/lib/x"));
	CHECK(!fy_initramfs_has(ir, "no"));
	CHECK_STR(text_of(ir, "etc/a"), "two");
	CHECK_STR(text_of(ir, "etc/l"), "two");
	CHECK_STR(text_of(ir, "etc/up"), "two");
	CHECK(!fy_initramfs_has(ir, "etc/loop1"));
	CHECK_STR(text_of(ir, "etc/h1"), "shared");
	CHECK_STR(text_of(ir, "etc/h3"), "alone");
	CHECK(fy_initramfs_has(ir, "etc/dev/."));
	CHECK_STR(text_of(ir, "etc/full/x"), "x");
	CHECK(text_of(ir, "init") == NULL && fy_initramfs_has(ir, "init"));
	CHECK(fy_initramfs_kind(ir) == FY_INITRAMFS_UNKNOWN);
	fy_initramfs_free(ir);

	/* An entry of another type destroys what was there: this is why we
	 * must not emit "lib" as a directory. */
	add_dir(&w, "lib");
	append(&im, &w, FY_ISTREAM_GZIP);
	ir = open_image(&im, &err);
	CHECK(ir != NULL && !fy_initramfs_has(ir, "lib/x"));
	fy_initramfs_free(ir);
	free(im.data);
}

static NOINLINE void
check_refusals(void)
{
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	struct image im = { 0 };
	size_t i;

	check_refused(&im, FY_E_FORMAT, "empty");
	append_bytes(&im, zeros, 5);
	check_refused(&im, FY_E_FORMAT, "empty");
	APPEND_TEXT(&im, "MZ\220\0 a PE file");
	check_refused(&im, FY_E_UNSUPPORTED, "UKI");
	APPEND_TEXT(&im, "BZh91AY&SY");
	check_refused(&im, FY_E_UNSUPPORTED, "bzip2");
	APPEND_TEXT(&im, "\x89LZO\0\r\n\x1a\n");
	check_refused(&im, FY_E_UNSUPPORTED, "lzo");
	APPEND_TEXT(&im, "what is this");
	check_refused(&im, FY_E_FORMAT, "no archive");

	append_tools(&im, &w, FY_ISTREAM_GZIP);
	APPEND_TEXT(&im, "junk");
	check_refused(&im, FY_E_FORMAT, "no archive");

	append_tools(&im, &w, FY_ISTREAM_PLAIN);
	append_bytes(&im, zeros, 2);
	append_tools(&im, &w, FY_ISTREAM_PLAIN);
	check_refused(&im, FY_E_FORMAT, "padding");

	append_tools(&im, &w, FY_ISTREAM_GZIP);
	append_bytes(&im, zeros, 1 + (-im.len & 3));
	append_tools(&im, &w, FY_ISTREAM_PLAIN);
	check_refused(&im, FY_E_FORMAT, "multiple of 4");

	/* LZ4's decompressor would take the archive for one of its blocks. */
	append_tools(&im, &w, FY_ISTREAM_LZ4);
	append_bytes(&im, zeros, 4 + (-im.len & 3));
	append_tools(&im, &w, FY_ISTREAM_PLAIN);
	check_refused(&im, FY_E_FORMAT, "lz4");

	append_tools(&im, &w, FY_ISTREAM_PLAIN);
	APPEND_TEXT(&im, "a=b\n\0\4\0\0\0\0\1\0\0#BOOTCONFIG\n");
	check_refused(&im, FY_E_UNSUPPORTED, "bootconfig");

	add_dir(&w, "lib");
	add_dir(&w, "lib/modules");
	add_dir(&w, "lib/modules/5.10.0-9-other");
	append(&im, &w, FY_ISTREAM_XZ);
	check_refused(&im, FY_E_FORMAT, "5.10.0-9-other");

	/* Cut anywhere: refused (the zeros behind the trailer apart). */
	static const enum fy_istream_method all[] = {
		FY_ISTREAM_PLAIN, FY_ISTREAM_GZIP, FY_ISTREAM_XZ,
		FY_ISTREAM_ZSTD, FY_ISTREAM_LZ4
	};
	for (i = 0; i < 5; i++) {
		size_t cut, whole;

		add_tools(&w, true);
		append(&im, &w, all[i]);
		whole = im.len - (all[i] == FY_ISTREAM_PLAIN ? 512 : 0);
		for (cut = 1; cut < whole; cut += 1 + cut / 16) {
			struct fy_initramfs *ir;

			im.len = cut;
			ir = open_image(&im, &err);
			CHECK(ir == NULL && (err.code == FY_E_FORMAT ||
					     err.code == FY_E_UNSUPPORTED));
			fy_initramfs_free(ir);
		}
		free(im.data);
		memset(&im, 0, sizeof(im));
	}
}

struct setup {
	struct fy_modules *modules;
	char *path;
	int fd;
};

static void
set_up(struct setup *s, bool merged)
{
	struct fy_modules_source source;
	struct fy_error err = { 0 };

	s->fd = fake_dir(&s->path);
	put_guest(s->fd, merged);
	fy_modules_source_of_dir(&s->fd, &source);
	CHECK_OK(fy_modules_open(&source, FAKE_VERSION, &s->modules, &err),
		 &err);
}

static void
tear_down(struct setup *s)
{
	fy_modules_free(s->modules);
	fake_dir_remove(s->path, s->fd);
}

/* Build; on success put the segment on the image. */
static int
inject(struct image *im, struct setup *s, const struct fy_initramfs_options *o,
       struct fy_initramfs_segment *ret, struct fy_error *err)
{
	FY_AUTO(initramfs) struct fy_initramfs *ir = open_image(im, err);

	memset(ret, 0, sizeof(*ret));
	if (ir == NULL)
		return -1;
	if (fy_initramfs_build(ir, s->modules, o, ret, err) == -1)
		return -1;
	if (ret->len == 0)
		return 0;
	CHECK(ret->offset <= im->len);
	im->len = ret->offset;
	append_bytes(im, ret->data, ret->len);
	return 0;
}

static bool
lists(const json_t *report, const char *key, const char *text)
{
	const json_t *list = json_object_get(report, key), *item;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, item)
	{
		if (fy_streq(json_string_value(item), text))
			return true;
	}
	return false;
}

static void
check_report(const struct fy_initramfs_segment *s, bool merged)
{
	const char *top = merged ? "usr/" : "";
	char path[512];

	snprintf(path, sizeof(path),
		 "%s" MODULES "/kernel/drivers/block/virtio_blk.ko", top);
	CHECK(lists(s->report, "added", path));
	snprintf(path, sizeof(path),
		 "%s" MODULES "/kernel/net/core/failover.ko", top);
	CHECK(lists(s->report, "added", path));
	CHECK(lists(s->report, "builtin", "virtio_console"));
	CHECK(lists(s->report, "missing", "virtio_gpu"));
	CHECK(lists(s->report, "overridden", "conf/modules"));
	CHECK(json_is_true(json_object_get(s->report, "virtio_blk")));
	CHECK(json_is_true(json_object_get(s->report, "virtio_scsi")));
	CHECK(json_is_true(json_object_get(s->report, "virtio_net")));
	CHECK(json_integer_value(json_object_get(s->report, "segment_bytes")) ==
	      (json_int_t)s->len);
}

/* The whole way for one compression, twice. */
static NOINLINE void
check_build(enum fy_istream_method m, bool merged, bool early, bool small)
{
	struct fy_initramfs_options o = { .small = small };
	struct fy_initramfs_segment seg;
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	struct fy_initramfs *ir;
	struct image im = { 0 };
	struct setup s = { 0 };
	size_t before;

	set_up(&s, merged);
	if (early) {
		add_dir(&w, "kernel");
		add(&w, "kernel/microcode", S_IFREG | 0644, "x");
		append(&im, &w, FY_ISTREAM_PLAIN);
	}
	add_tools(&w, merged);
	append(&im, &w, m);
	if (m == FY_ISTREAM_LZ4)
		append_bytes(&im, zeros, 7);
	before = im.len;
	CHECK_OK(inject(&im, &s, &o, &seg, &err), &err);
	check_report(&seg, merged);
	if (m == FY_ISTREAM_LZ4)
		CHECK(seg.offset == before - 7 &&
		      fy_get_le32(seg.data) == 0x184c2102);
	else
		CHECK(seg.offset == before);
	if (m != FY_ISTREAM_LZ4 && !small)
		CHECK(memcmp(im.data + fy_align_up(before, 4), "070701", 6) ==
		      0);
	fy_initramfs_segment_release(&seg);

	ir = open_image(&im, &err);
	CHECK(ir != NULL);
	if (ir != NULL) {
		struct fy_irnode *lib;

		lib = fy_irtree_find(ir->tree, NULL, "lib", false);
		CHECK(lib != NULL && !!S_ISLNK(lib->mode) == merged);
		CHECK(fy_initramfs_has_module(ir, "virtio-blk"));
		CHECK(fy_initramfs_has_module(ir, "ahci"));
		CHECK(fy_initramfs_has(ir, MODULES "/modules.dep.bin"));
		CHECK(fy_initramfs_has(ir, MODULES "/modules.alias.bin"));
		CHECK_STR(
			text_of(ir, "conf/modules"),
			"# mine\next4\nvirtio_pci\nvirtio_blk\nvirtio_scsi\n");
		CHECK((fy_irtree_find(ir->tree, NULL, "conf/modules", true)
			       ->mode &
		       07777) == 0600);
		fy_initramfs_free(ir);
	}
	/* Again: nothing to do. */
	CHECK_OK(inject(&im, &s, &o, &seg, &err), &err);
	CHECK(seg.len == 0 && seg.data == NULL);
	CHECK(lists(seg.report, "present", "virtio_blk"));
	CHECK(json_array_size(json_object_get(seg.report, "added")) == 0);
	fy_initramfs_segment_release(&seg);
	free(im.data);
	tear_down(&s);
}

/* Built twice from one opening: the same bytes. */
static NOINLINE void
check_twice(void)
{
	struct fy_initramfs_override v = { "etc/new/file", 0, "x", 1 };
	struct fy_initramfs_options o = { .overrides = &v, .n_overrides = 1 };
	struct fy_initramfs_segment one = { 0 }, two = { 0 }, three = { 0 };
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	struct fy_initramfs *ir;
	struct image im = { 0 };
	struct setup s = { 0 };

	set_up(&s, true);
	add_tools(&w, true);
	append(&im, &w, FY_ISTREAM_ZSTD);
	ir = open_image(&im, &err);
	CHECK(ir != NULL);
	CHECK_OK(fy_initramfs_build(ir, s.modules, &o, &one, &err), &err);
	o.small = true;
	CHECK_OK(fy_initramfs_build(ir, s.modules, &o, &two, &err), &err);
	CHECK(two.len < one.len);
	o.small = false;
	CHECK_OK(fy_initramfs_build(ir, s.modules, &o, &three, &err), &err);
	CHECK(one.len == three.len &&
	      memcmp(one.data, three.data, one.len) == 0);
	fy_initramfs_segment_release(&one);
	fy_initramfs_segment_release(&two);
	fy_initramfs_segment_release(&three);
	fy_initramfs_free(ir);
	free(im.data);
	tear_down(&s);
}

static NOINLINE void
check_dkms(void)
{
	struct fy_initramfs_options o = { 0 };
	struct fy_initramfs_segment seg;
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	struct image im = { 0 };
	struct setup s = { 0 };
	unsigned char elf[FAKE_MAX];
	char *dep;

	set_up(&s, false);
	/* The guest has it in updates/, the initramfs is older. */
	put_module(s.fd, "updates/dkms/aacraid.ko", "");
	add_tools(&w, false);
	CHECK_OK(fy_cpio_write(&w, MODULES "/kernel/aacraid.ko", S_IFREG | 0644,
			       elf, fake_module(elf, "", NULL), &err),
		 &err);
	add_dir(&w, MODULES "/updates");
	add_dir(&w, MODULES "/updates/dkms");
	CHECK_OK(fy_cpio_write(&w, MODULES "/updates/dkms/megaraid.ko",
			       S_IFREG | 0644, elf, fake_module(elf, "", NULL),
			       &err),
		 &err);
	CHECK_OK(fy_cpio_write(&w, MODULES "/kernel/megaraid.ko",
			       S_IFREG | 0644, elf, fake_module(elf, "", NULL),
			       &err),
		 &err);
	append(&im, &w, FY_ISTREAM_GZIP);
	CHECK_OK(inject(&im, &s, &o, &seg, &err), &err);
	/* The segment is plain, so modules.dep can be looked for in it. */
	dep = memmem(seg.data, seg.len, "kernel/aacraid.ko:", 18);
	CHECK(dep != NULL);
	CHECK(memmem(seg.data, seg.len, "updates/dkms/aacraid.ko:", 24) ==
	      NULL);
	CHECK(memmem(seg.data, seg.len, "updates/dkms/megaraid.ko:", 25) !=
	      NULL);
	CHECK(memmem(seg.data, seg.len, "kernel/megaraid.ko:", 19) == NULL);
	CHECK(memmem(seg.data, seg.len, "kernel/ahci.ko:", 15) != NULL);
	fy_initramfs_segment_release(&seg);
	free(im.data);
	tear_down(&s);
}

static NOINLINE void
check_overrides(void)
{
	static const char text[] = "RESUME=none\n";
	struct fy_initramfs_override v[] = {
		{ "/conf/conf.d/resume", 0, text, sizeof(text) - 1 },
		{ "lib/new/deep/file", 0600, "new", 3 },
		{ "conf/link", 0, "target", 6 },
		{ "conf/hard1", 0, "changed", 7 },
		{ "conf/same", 0, "same", 4 },
		{ "conf/modules", 0, "mine\n", 5 },
	};
	struct fy_initramfs_options o = { .overrides = v, .n_overrides = 6 };
	struct fy_initramfs_segment seg;
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	struct fy_initramfs *ir;
	struct image im = { 0 };
	struct setup s = { 0 };
	size_t i;

	set_up(&s, true);
	add_tools(&w, true);
	add_dir(&w, "conf/conf.d");
	add(&w, "conf/conf.d/resume", S_IFREG | 0640, "RESUME=/dev/sda5\n");
	add(&w, "conf/pointed", S_IFREG | 0644, "old");
	add(&w, "conf/link", S_IFLNK | 0777, "pointed");
	add(&w, "conf/same", S_IFREG | 0644, "same");
	add(&w, "conf/nowhere", S_IFLNK | 0777, "/run/later");
	add_hard(&w, "conf/hard1", "", 9);
	add_hard(&w, "conf/hard2", "both", 9);
	append(&im, &w, FY_ISTREAM_ZSTD);
	CHECK_OK(inject(&im, &s, &o, &seg, &err), &err);
	CHECK(lists(seg.report, "overridden", "/conf/conf.d/resume"));
	CHECK(!lists(seg.report, "overridden", "conf/same"));
	fy_initramfs_segment_release(&seg);
	ir = open_image(&im, &err);
	CHECK(ir != NULL);
	if (ir == NULL)
		return;
	CHECK_STR(text_of(ir, "conf/conf.d/resume"), text);
	CHECK(fy_initramfs_has(ir, "usr/lib/new/deep/file"));
	CHECK_STR(text_of(ir, "conf/pointed"), "target");
	CHECK(S_ISLNK(
		fy_irtree_find(ir->tree, NULL, "conf/link", false)->mode));
	CHECK_STR(text_of(ir, "conf/hard1"), "changed");
	CHECK_STR(text_of(ir, "conf/hard2"), "both");
	CHECK_STR(text_of(ir, "conf/modules"),
		  "mine\nvirtio_pci\nvirtio_blk\nvirtio_scsi\n");
	fy_initramfs_free(ir);

	/* Only what differs, once virtio is there. */
	v[5].data = "mine\nvirtio_pci\nvirtio_blk\nvirtio_scsi\n";
	v[5].len = strlen(v[5].data);
	v[1].path = "conf/same";
	v[1].mode = 0;
	v[1].data = "same";
	v[1].len = 4;
	CHECK_OK(inject(&im, &s, &o, &seg, &err), &err);
	CHECK(seg.len == 0);
	fy_initramfs_segment_release(&seg);
	o.n_overrides = 1;
	o.no_modules = true;
	v[0].data = "RESUME=other\n";
	CHECK_OK(inject(&im, &s, &o, &seg, &err), &err);
	CHECK(seg.len > 0 && seg.len <= 1024);
	fy_initramfs_segment_release(&seg);

	/* What can't be put there is refused. */
	static const char *const bad[] = { "conf",    "conf/modules/x",
					   "conf/..", "conf/nowhere",
					   "",	      "/" };
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		v[0].path = bad[i];
		CHECK(inject(&im, &s, &o, &seg, &err) == -1 &&
		      err.code == FY_E_UNSUPPORTED);
	}
	free(im.data);
	tear_down(&s);
}

static NOINLINE void
check_kinds(void)
{
	struct fy_initramfs_options o = { 0 };
	struct fy_initramfs_segment seg;
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	struct fy_initramfs *ir;
	struct image im = { 0 };
	struct setup s = { 0 };

	set_up(&s, true);
	add_dir(&w, "etc");
	add(&w, "etc/booster.init.yaml", S_IFREG | 0644, "x");
	append(&im, &w, FY_ISTREAM_ZSTD);
	CHECK(inject(&im, &s, &o, &seg, &err) == -1 &&
	      err.code == FY_E_UNSUPPORTED && strstr(err.msg, "booster"));
	free(im.data);
	memset(&im, 0, sizeof(im));

	/* dracut with systemd, and without any module. */
	add_dir(&w, "usr");
	add_dir(&w, "usr/lib");
	add_dir(&w, "usr/lib/dracut");
	add_dir(&w, "usr/lib/systemd");
	add(&w, "usr/lib/systemd/systemd-modules-load", S_IFREG | 0755, "x");
	add(&w, "lib", S_IFLNK | 0777, "usr/lib");
	append(&im, &w, FY_ISTREAM_ZSTD);
	CHECK_OK(inject(&im, &s, &o, &seg, &err), &err);
	CHECK_STR(json_string_value(json_object_get(seg.report, "kind")),
		  "dracut");
	fy_initramfs_segment_release(&seg);
	ir = open_image(&im, &err);
	CHECK(ir != NULL);
	if (ir != NULL) {
		CHECK(fy_initramfs_has(ir, "usr/lib/modules/" FAKE_VERSION
					   "/modules.dep"));
		CHECK_STR(text_of(ir, "etc/modules-load.d/"
				      "ironferry-virtio.conf"),
			  "virtio_pci\nvirtio_blk\nvirtio_scsi\n");
		fy_initramfs_free(ir);
	}
	free(im.data);
	tear_down(&s);
}

/* An initramfs that finds its disk on virtio is left alone, though it lacks
 * virtio_net; one that lacks virtio_scsi is not. */
static NOINLINE void
check_enough(bool scsi)
{
	static const char *const has[] = { "virtio",	 "virtio_ring",
					   "virtio_pci", "virtio_blk",
					   "sd_mod",	 "virtio_scsi" };
	struct fy_initramfs_options o = { 0 };
	struct fy_initramfs_segment seg;
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	unsigned char elf[FAKE_MAX];
	struct image im = { 0 };
	struct setup s = { 0 };
	char path[256];
	size_t i;

	set_up(&s, false);
	add_tools(&w, false);
	for (i = 0; i < (scsi ? 6 : 5); i++) {
		snprintf(path, sizeof(path), MODULES "/kernel/%s.ko", has[i]);
		CHECK_OK(fy_cpio_write(&w, path, S_IFREG | 0644, elf,
				       fake_module(elf, "", NULL), &err),
			 &err);
	}
	append(&im, &w, FY_ISTREAM_XZ);
	CHECK_OK(inject(&im, &s, &o, &seg, &err), &err);
	CHECK((seg.len == 0) == scsi);
	CHECK(lists(seg.report, "present", "virtio_blk"));
	CHECK(json_is_true(json_object_get(seg.report, "virtio_blk")));
	CHECK(json_is_true(json_object_get(seg.report, "virtio_net")) == !scsi);
	fy_initramfs_segment_release(&seg);
	free(im.data);
	tear_down(&s);
}

/* A guest without virtio_blk, or with a damaged one: said, not hidden. */
static NOINLINE void
check_missing(void)
{
	struct fy_initramfs_options o = { 0 };
	struct fy_initramfs_segment seg;
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	struct image im = { 0 };
	struct setup s = { 0 };
	json_t *report = NULL;

	set_up(&s, false);
	put_text(s.fd, MODULES "/kernel/drivers/block/virtio_blk.ko", "bad");
	append_tools(&im, &w, FY_ISTREAM_PLAIN);
	CHECK_OK(inject(&im, &s, &o, &seg, &err), &err);
	CHECK(lists(seg.report, "missing", "virtio_blk"));
	CHECK(json_array_size(json_object_get(seg.report, "notes")) == 1);
	CHECK(json_is_false(json_object_get(seg.report, "virtio_blk")));
	CHECK(json_is_true(json_object_get(seg.report, "virtio_scsi")));
	fy_initramfs_segment_release(&seg);
	CHECK_OK(fy_initramfs_report_without(s.modules, &report, &err), &err);
	CHECK(lists(report, "builtin", "virtio_console"));
	CHECK(json_is_false(json_object_get(report, "virtio_blk")));
	json_decref(report);
	free(im.data);
	tear_down(&s);
}

/* depmod built without gzip can't index what the archive has: refused. */
static NOINLINE void
check_gzipped_module(void)
{
	fy_autofree unsigned char *packed = NULL;
	struct fy_initramfs_options o = { 0 };
	struct fy_initramfs_segment seg;
	struct fy_cpio_writer w = { 0 };
	struct fy_error err = { 0 };
	unsigned char elf[FAKE_MAX];
	struct image im = { 0 };
	struct setup s = { 0 };
	size_t len;

	set_up(&s, false);
	CHECK_OK(fy_istream_compress(FY_ISTREAM_GZIP, elf,
				     fake_module(elf, "", NULL), &packed, &len,
				     &err),
		 &err);
	add_tools(&w, false);
	CHECK_OK(fy_cpio_write(&w, MODULES "/kernel/g.ko.gz", S_IFREG | 0644,
			       packed, len, &err),
		 &err);
	append(&im, &w, FY_ISTREAM_PLAIN);
	if (inject(&im, &s, &o, &seg, &err) == 0)
		CHECK(memmem(seg.data, seg.len, "kernel/g.ko.gz:", 15));
	else
		CHECK(err.code == FY_E_UNSUPPORTED && strstr(err.msg, "'g'"));
	fy_initramfs_segment_release(&seg);
	free(im.data);
	tear_down(&s);
}

int
main(void)
{
	static const enum fy_istream_method all[] = {
		FY_ISTREAM_PLAIN, FY_ISTREAM_GZIP, FY_ISTREAM_XZ,
		FY_ISTREAM_ZSTD, FY_ISTREAM_LZ4
	};
	char found[4096];
	unsigned i;

	check_tree();
	check_refusals();
	if (fy_subprocess_find("depmod", found, sizeof(found)) != 0 &&
	    access("/usr/sbin/depmod", X_OK) != 0) {
		fprintf(stderr, "depmod (package kmod) is not installed\n");
		return test_result() != 0 ? 1 : 77;
	}
	for (i = 0; i < 20; i++)
		check_build(all[i / 4], i & 1, i & 2, false);
	for (i = 1; i < 4; i++)
		check_build(all[i], true, true, true);
	check_twice();
	check_dkms();
	check_overrides();
	check_kinds();
	check_enough(true);
	check_enough(false);
	check_missing();
	check_gzipped_module();
	return test_result();
}
