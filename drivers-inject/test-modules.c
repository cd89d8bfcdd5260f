/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The index of a guest's modules: order, dependencies, hostile files. */
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "drivers-inject/modules-internal.h"
#include "drivers-inject/test-modules.h"

#define BASE "lib/modules/" FAKE_VERSION "/"

static void
check_names(void)
{
	char name[FY_MODULE_NAME_MAX];
	size_t stem = 0;

	CHECK(fy_module_name_of("a/b/virtio-rng.ko.xz", name, &stem));
	CHECK_STR(name, "virtio_rng");
	CHECK(stem == strlen("a/b/virtio-rng.ko"));
	CHECK(fy_module_name_of("x.ko", name, NULL));
	CHECK(fy_module_name_of("x.ko.zst", name, NULL));
	CHECK(fy_module_name_of("x.ko.gz", name, NULL));
	CHECK(!fy_module_name_of(".ko", name, NULL));
	CHECK(!fy_module_name_of("a/.ko.xz", name, NULL));
	CHECK(!fy_module_name_of("x.ko.bz2", name, NULL));
	CHECK(!fy_module_name_of("modules.dep", name, NULL));
	CHECK(!fy_module_name_of("", name, NULL));
}

static int
keep_info(void *ctx, const char *key, size_t key_len, const char *value,
	  struct fy_error *err)
{
	char *text = ctx;
	size_t used = strlen(text);

	(void)err;
	snprintf(text + used, 512 - used, "[%.*s=%s]", (int)key_len, key,
		 value);
	return 0;
}

static void
check_modinfo(void)
{
	static const char info[] = "a=1\0nothing\0\0b=2=3\0c=cut";
	unsigned char elf[FAKE_MAX], *copy;
	struct fy_error err = { 0 };
	size_t len, i;
	int kind;

	for (kind = 0; kind < 4; kind++) {
		char text[512] = "";

		len = fake_elf(elf, info, sizeof(info) - 1, kind & 1, kind & 2);
		CHECK_OK(fy_modinfo_read(elf, len, keep_info, text, &err),
			 &err);
		CHECK_STR(text, "[a=1][b=2=3]");
	}
	/* Cut anywhere, and with any byte of the headers changed, it neither
	 * crashes nor reads outside (the copy has the exact size). */
	for (i = 0; i < len; i++) {
		char text[512] = "";

		copy = malloc(i > 0 ? i : 1);
		memcpy(copy, elf, i);
		CHECK(fy_modinfo_read(copy, i, keep_info, text, NULL) == -1);
		free(copy);
	}
	for (i = 0; i < len * 8; i++) {
		char text[512] = "";

		copy = malloc(len);
		memcpy(copy, elf, len);
		copy[i / 8] ^= (unsigned char)(1 << i % 8);
		(void)fy_modinfo_read(copy, len, keep_info, text, NULL);
		free(copy);
	}
}

static struct fy_modules *
open_at(int fd, struct fy_error *err)
{
	static int held;
	struct fy_modules_source source;
	struct fy_modules *m = NULL;

	held = fd;
	fy_modules_source_of_dir(&held, &source);
	memset(err, 0, sizeof(*err));
	if (fy_modules_open(&source, FAKE_VERSION, &m, err) == -1)
		return NULL;
	return m;
}

static void
check_search(void)
{
	struct fy_error err = { 0 };
	struct fy_modules *m;
	char *path;
	int fd = fake_dir(&path);

	CHECK(open_at(fd, &err) == NULL && err.code == FY_E_NOTFOUND);
	put_guest(fd, true);
	put_module(fd, "kernel/drivers/scsi/aacraid.ko", "");
	put_module(fd, "updates/dkms/aacraid.ko", "");
	put_module(fd, "extra/special.ko", "");
	put_module(fd, "kernel/special.ko", "");
	m = open_at(fd, &err);
	CHECK(m != NULL);
	CHECK_STR(fy_modules_search(m), "updates built-in");
	CHECK_STR(fy_modules_path(m, "aacraid"), "updates/dkms/aacraid.ko");
	CHECK_STR(fy_modules_path(m, "virtio-rng"),
		  "kernel/drivers/char/hw_random/virtio-rng.ko");
	CHECK(fy_modules_path(m, "nothing") == NULL);
	CHECK(fy_modules_is_builtin(m, "virtio-console"));
	CHECK(!fy_modules_is_builtin(m, "virtio_blk"));
	fy_modules_free(m);

	put_text(fd, "etc/depmod.d/b.conf", "search built-in updates\n");
	put_text(fd, "etc/depmod.d/a.conf",
		 "# a comment\nsearch  extra built-in\tupdates\n");
	m = open_at(fd, &err);
	CHECK_STR(fy_modules_search(m), "extra built-in updates");
	CHECK_STR(fy_modules_path(m, "aacraid"),
		  "kernel/drivers/scsi/aacraid.ko");
	CHECK_STR(fy_modules_path(m, "special"), "extra/special.ko");
	fy_modules_free(m);

	/* What isn't plain doesn't reach the host's depmod. */
	put_text(fd, "etc/depmod.d/a.conf", "search $(id) updates\n");
	put_text(fd, "etc/depmod.d/b.conf", "");
	m = open_at(fd, &err);
	CHECK_STR(fy_modules_search(m), "updates built-in");
	fy_modules_free(m);
	fake_dir_remove(path, fd);
}

static bool
have_virtio_ring(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "virtio_ring") == 0;
}

static size_t
place_of(const struct fy_module_list *l, const char *name)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		if (strcmp(l->items[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

static void
check_collect(void)
{
	struct fy_module_list l = { 0 };
	struct fy_error err = { 0 };
	unsigned char elf[FAKE_MAX];
	struct fy_modules *m;
	char *path;
	int fd = fake_dir(&path);

	put_guest(fd, false);
	put_module(fd, "kernel/lonely.ko", "not_there");
	put_module(fd, "kernel/ring-a.ko", "ring_b");
	put_module(fd, "kernel/ring-b.ko", "ring_a");
	put_module(fd, "kernel/only-dep.ko", "");
	put_module(fd, "kernel/wish.ko", "");
	put_file(fd, BASE "kernel/soft.ko", elf,
		 fake_module(elf, "", "pre: wish missing post: lonely"));
	/* modules.dep knows of one dependency that the ELF doesn't say, and of
	 * a file that is gone. */
	put_text(fd, BASE "modules.dep",
		 "kernel/only-dep.ko: kernel/wish.ko.xz\n"
		 "updates/gone.ko:\n");
	put_text(fd, BASE "modules.softdep",
		 "# x\nsoftdep wish post: sd_mod\n");
	m = open_at(fd, &err);
	CHECK(m != NULL);

	CHECK_OK(fy_modules_collect(m, "virtio-net", NULL, NULL, &l, &err),
		 &err);
	CHECK(l.count == 5);
	CHECK(place_of(&l, "failover") < place_of(&l, "net_failover"));
	CHECK(place_of(&l, "net_failover") < place_of(&l, "virtio_net"));
	CHECK(place_of(&l, "virtio_ring") < place_of(&l, "virtio"));
	CHECK_OK(fy_modules_collect(m, "virtio_net", NULL, NULL, &l, &err),
		 &err);
	CHECK(l.count == 5);
	CHECK(fy_modules_collect(m, "lonely", NULL, NULL, &l, &err) == -1 &&
	      err.code == FY_E_NOTFOUND && l.count == 5);
	fy_error_clear(&err);
	CHECK(fy_modules_collect(m, "gone", NULL, NULL, &l, &err) == -1 &&
	      err.code == FY_E_NOTFOUND);
	fy_error_clear(&err);
	CHECK_OK(fy_modules_collect(m, "virtio_console", NULL, NULL, &l, &err),
		 &err);
	CHECK(l.count == 5);
	fy_module_list_release(&l);

	CHECK_OK(fy_modules_collect(m, "virtio_blk", have_virtio_ring, NULL, &l,
				    &err),
		 &err);
	CHECK(l.count == 2 && place_of(&l, "virtio_ring") == SIZE_MAX);
	fy_module_list_release(&l);

	CHECK_OK(fy_modules_collect(m, "ring-a", NULL, NULL, &l, &err), &err);
	CHECK(l.count == 2);
	fy_module_list_release(&l);
	CHECK_OK(fy_modules_collect(m, "only_dep", NULL, NULL, &l, &err), &err);
	CHECK(place_of(&l, "wish") < place_of(&l, "only_dep"));
	CHECK(place_of(&l, "sd_mod") != SIZE_MAX);
	fy_module_list_release(&l);
	CHECK_OK(fy_modules_collect(m, "soft", NULL, NULL, &l, &err), &err);
	CHECK(place_of(&l, "wish") != SIZE_MAX);
	CHECK(place_of(&l, "lonely") == SIZE_MAX);
	fy_module_list_release(&l);
	fy_modules_free(m);
	fake_dir_remove(path, fd);
}

/* Wishes that fail late, two of each two: they are not tried for ever. */
static void
check_endless(void)
{
	struct fy_module_list l = { 0 };
	struct fy_error err = { 0 };
	unsigned char elf[FAKE_MAX];
	struct fy_modules *m;
	char *path, name[64], soft[64];
	int fd = fake_dir(&path), i;

	put_guest(fd, false);
	for (i = 0; i < 18; i++) {
		snprintf(name, sizeof(name), "kernel/f%d.ko", i);
		snprintf(soft, sizeof(soft), "g%d,nothing", i);
		put_module(fd, name, soft);
		snprintf(name, sizeof(name), "kernel/e%d.ko", i);
		put_module(fd, name, soft);
		snprintf(name, sizeof(name), BASE "kernel/g%d.ko", i);
		snprintf(soft, sizeof(soft), "pre: f%d e%d", i + 1, i + 1);
		put_file(fd, name, elf, fake_module(elf, "", soft));
	}
	m = open_at(fd, &err);
	CHECK(m != NULL);
	CHECK(fy_modules_collect(m, "g0", NULL, NULL, &l, &err) == -1 &&
	      err.code == FY_E_UNSUPPORTED && l.count == 0);
	fy_module_list_release(&l);
	fy_modules_free(m);
	fake_dir_remove(path, fd);
}

/* Compressed files are read plain; what isn't this kernel's is refused. */
static void
check_files(void)
{
	unsigned char elf[FAKE_MAX], packed[FAKE_MAX * 2];
	struct fy_module mod = { 0 };
	struct fy_error err = { 0 };
	struct fy_modules *m;
	z_stream z = { 0 };
	size_t len, n = 0;
	char *path;
	int fd = fake_dir(&path);

	put_guest(fd, false);
	len = fake_module(elf, "virtio", NULL);
	CHECK(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, elf, len,
				      packed, &n, sizeof(packed)) == LZMA_OK);
	put_file(fd, BASE "kernel/x.ko.xz", packed, n);
	put_file(fd, BASE "kernel/cut.ko.xz", packed, n / 2);
	n = ZSTD_compress(packed, sizeof(packed), elf, len, 3);
	put_file(fd, BASE "kernel/s.ko.zst", packed, n);
	CHECK(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0) == Z_OK);
	z.next_in = elf;
	z.avail_in = (uInt)len;
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
	put_file(fd, BASE "kernel/g.ko.gz", packed,
		 sizeof(packed) - z.avail_out);
	deflateEnd(&z);
	put_text(fd, BASE "kernel/text.ko", "no ELF file at all");
	{
		static const char other[] = "vermagic=" FAKE_VERSION "x SMP";
		put_file(fd, BASE "kernel/other.ko", elf,
			 fake_elf(elf, other, sizeof(other), true, false));
	}
	m = open_at(fd, &err);
	CHECK(m != NULL);
	static const char *const good[] = { "x", "s", "g" };
	static const char *const bad[] = { "cut", "text", "other" };
	size_t i;

	len = fake_module(elf, "virtio", NULL);
	for (i = 0; i < 3; i++) {
		char want[32];

		snprintf(want, sizeof(want), "kernel/%s.ko", good[i]);
		CHECK_OK(fy_modules_read(m, good[i], &mod, &err), &err);
		CHECK_STR(mod.path, want);
		CHECK(mod.len == len && memcmp(mod.data, elf, len) == 0);
		CHECK_STR(mod.depends, "virtio");
		fy_module_release(&mod);
	}
	for (i = 0; i < 3; i++) {
		fy_error_clear(&err);
		CHECK(fy_modules_read(m, bad[i], &mod, &err) == -1 &&
		      err.code == FY_E_FORMAT);
	}
	fy_modules_free(m);
	fake_dir_remove(path, fd);
}

static void
check_bounds(void)
{
	fy_autofree unsigned char *zeros = calloc(1, 1 << 20);
	unsigned char packed[4096], *out = NULL;
	struct fy_error err = { 0 };
	size_t len, n = 0;

	CHECK(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, zeros, 1 << 20,
				      packed, &n, sizeof(packed)) == LZMA_OK);
	CHECK(fy_module_decompress(packed, n, (1 << 20) - 1, &out, &len,
				   &err) == -1 &&
	      err.code == FY_E_FORMAT);
	fy_error_clear(&err);
	CHECK_OK(fy_module_decompress(packed, n, 1 << 20, &out, &len, &err),
		 &err);
	CHECK(len == 1 << 20);
	free(out);
	n = ZSTD_compress(packed, sizeof(packed), zeros, 1 << 20, 1);
	CHECK(fy_module_decompress(packed, n, 1000, &out, &len, &err) == -1);
	fy_error_clear(&err);
	CHECK_OK(fy_module_decompress(packed, n, 1 << 20, &out, &len, &err),
		 &err);
	free(out);
}

static void
check_versions(void)
{
	static const char *const bad[] = { "",	      "../x", "a/b", ".hidden",
					   "-option", "a b",  "a\nb" };
	struct fy_modules_source source;
	struct fy_modules *m = NULL;
	char *path;
	int fd = fake_dir(&path);
	size_t i;

	fy_modules_source_of_dir(&fd, &source);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fy_error err = { 0 };

		CHECK(fy_modules_open(&source, bad[i], &m, &err) == -1 &&
		      err.code == FY_E_USAGE);
	}
	fake_dir_remove(path, fd);
}

int
main(void)
{
	check_names();
	check_modinfo();
	check_search();
	check_collect();
	check_endless();
	check_files();
	check_bounds();
	check_versions();
	return test_result();
}
