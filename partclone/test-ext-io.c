/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libext2fs over a volume: a file written through it is there after reopening
 * and e2fsck is content; unsafe filesystems and failing volumes are refused.
 * Needs mke2fs, e2fsck and debugfs.
 */
#include "partclone/ext-io.h"

#include "common/bytes.h"
#include "common/file.h"
#include "partclone/test-tools.h"

#define DATA_BYTES 300000

static void
write_file(ext2_filsys fs, const char *name)
{
	struct ext2_inode inode = { 0 };
	ext2_file_t file;
	ext2_ino_t ino;
	unsigned int n, done = 0;
	unsigned char data[1000];

	CHECK(ext2fs_read_bitmaps(fs) == 0);
	CHECK(ext2fs_new_inode(fs, EXT2_ROOT_INO, 0100644, NULL, &ino) == 0);
	inode.i_mode = 0100644;
	inode.i_links_count = 1;
	inode.i_flags = EXT4_EXTENTS_FL;
	CHECK(ext2fs_write_new_inode(fs, ino, &inode) == 0);
	ext2fs_inode_alloc_stats2(fs, ino, 1, 0);
	CHECK(ext2fs_link(fs, EXT2_ROOT_INO, name, ino, EXT2_FT_REG_FILE) == 0);
	CHECK(ext2fs_file_open(fs, ino, EXT2_FILE_WRITE, &file) == 0);
	while (done < DATA_BYTES) {
		memset(data, (int)(done / sizeof(data)) & 0xff, sizeof(data));
		CHECK(ext2fs_file_write(file, data, sizeof(data), &n) == 0);
		CHECK(n == sizeof(data));
		done += n;
	}
	CHECK(ext2fs_file_close(file) == 0);
}

static void
read_file(ext2_filsys fs, const char *name)
{
	ext2_file_t file;
	ext2_ino_t ino;
	unsigned int n, done = 0, i;
	unsigned char data[1000];

	CHECK(ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, name, &ino) == 0);
	CHECK(ext2fs_file_open(fs, ino, 0, &file) == 0);
	while (done < DATA_BYTES) {
		CHECK(ext2fs_file_read(file, data, sizeof(data), &n) == 0);
		CHECK(n == sizeof(data));
		for (i = 0; i < n; i++)
			CHECK(data[i] == ((done / sizeof(data)) & 0xff));
		done += n;
	}
	CHECK(ext2fs_file_close(file) == 0);
}

static void
test_round_trip(const char *image)
{
	struct fy_error err = { 0 };
	struct fy_volume *v = NULL;
	ext2_filsys fs = NULL;

	CHECK_OK(fy_volume_open_path(image, FY_VOLUME_WRITABLE, 0, &v, &err),
		 &err);
	CHECK_OK(fy_ext_open(v, FY_EXT_WRITABLE, &fs, &err), &err);
	write_file(fs, "hello");
	CHECK_OK(fy_ext_close(fs, &err), &err);
	fy_volume_close(v);

	run_ok((const char *[]){ "e2fsck", "-fn", image, NULL });
	CHECK_OK(fy_volume_open_path(image, 0, 0, &v, &err), &err);
	fs = NULL;
	CHECK_OK(fy_ext_open(v, 0, &fs, &err), &err);
	CHECK(fy_ext_bytes(fs) == fy_volume_size(v));
	read_file(fs, "hello");
	CHECK_OK(fy_ext_close(fs, &err), &err);

	fs = NULL;
	CHECK(fy_ext_open(v, FY_EXT_WRITABLE, &fs, &err) == -1);
	CHECK(err.code == FY_E_UNSUPPORTED && fs == NULL);
	fy_volume_close(v);
}

/* Opening changes nothing when nothing was written. */
static void
test_untouched(const char *image)
{
	fy_autofree char *before = NULL, *after = NULL;
	struct fy_error err = { 0 };
	struct fy_volume *v = NULL;
	ext2_filsys fs = NULL;
	size_t a, b;

	CHECK_OK(fy_file_read_at(AT_FDCWD, image, FY_GIB, &before, &a, &err),
		 &err);
	CHECK_OK(fy_volume_open_path(image, FY_VOLUME_WRITABLE, 0, &v, &err),
		 &err);
	CHECK_OK(fy_ext_open(v, FY_EXT_WRITABLE, &fs, &err), &err);
	CHECK(ext2fs_read_bitmaps(fs) == 0);
	CHECK_OK(fy_ext_close(fs, &err), &err);
	fy_volume_close(v);
	CHECK_OK(fy_file_read_at(AT_FDCWD, image, FY_GIB, &after, &b, &err),
		 &err);
	CHECK(a == b && memcmp(before, after, a) == 0);
}

static void
expect_dirty(const char *image, const char *words)
{
	struct fy_error err = { 0 };
	struct fy_volume *v = NULL;
	ext2_filsys fs = NULL;

	CHECK_OK(fy_volume_open_path(image, FY_VOLUME_WRITABLE, 0, &v, &err),
		 &err);
	CHECK(fy_ext_open(v, FY_EXT_WRITABLE, &fs, &err) == -1);
	CHECK(err.code == FY_E_DIRTY);
	CHECK(strstr(err.msg, words) != NULL);
	/* Reading is still possible. */
	fy_error_clear(&err);
	CHECK_OK(fy_ext_open(v, 0, &fs, &err), &err);
	CHECK_OK(fy_ext_close(fs, &err), &err);
	fy_volume_close(v);
}

struct failing {
	struct fy_volume *base;
	uint64_t from; /* reads that reach beyond this byte fail */
};

static int
failing_pread(void *handle, void *buf, size_t len, uint64_t offset,
	      struct fy_error *err)
{
	struct failing *f = handle;

	if (offset + len > f->from)
		return fy_error_set(err, FY_E_IO, 5, "made to fail");
	return fy_volume_pread(f->base, buf, len, offset, err);
}

static void
test_failing(const char *image)
{
	static const struct fy_volume_ops ops = { .pread = failing_pread };
	struct fy_error err = { 0 };
	struct fy_volume *v;
	struct failing f = { 0 };
	ext2_filsys fs = NULL;
	errcode_t code;

	CHECK_OK(fy_volume_open_path(image, 0, 0, &f.base, &err), &err);
	f.from = 2048; /* the superblock, but no descriptors */
	v = fy_volume_new(&ops, &f, "failing", fy_volume_size(f.base), 512,
			  &err);
	CHECK(v != NULL);
	CHECK(fy_ext_open(v, 0, &fs, &err) == -1);
	CHECK(err.code == FY_E_IO && strstr(err.msg, "made to fail") != NULL);

	fy_error_clear(&err);
	f.from = UINT64_MAX;
	CHECK_OK(fy_ext_open(v, 0, &fs, &err), &err);
	f.from = 0;
	code = ext2fs_read_bitmaps(fs);
	CHECK(code != 0);
	CHECK(fy_ext_error(fs, code, &err, "bitmaps") == -1);
	CHECK(err.code == FY_E_IO && strstr(err.msg, "made to fail") != NULL);
	fy_ext_discard(fs);
	fy_volume_close(v);
	fy_volume_close(f.base);
}

/* A filesystem that claims more than there is. */
static void
test_cut(const char *image)
{
	struct fy_error err = { 0 };
	struct fy_volume *v = NULL, *part = NULL;
	ext2_filsys fs = NULL;

	CHECK_OK(fy_volume_open_path(image, 0, 0, &v, &err), &err);
	CHECK_OK(fy_volume_slice(v, 0, 4 * FY_MIB, "cut", &part, &err), &err);
	CHECK(fy_ext_open(part, 0, &fs, &err) == -1);
	CHECK(err.code == FY_E_FORMAT);
	fy_volume_close(part);
	fy_volume_close(v);
}

int
main(void)
{
	fy_autofree char *dir = NULL, *image = NULL;
	struct fy_error err = { 0 };

	need("mke2fs");
	need("e2fsck");
	need("debugfs");
	CHECK_OK(fy_dir_temporary("test-ext-io", &dir, &err), &err);
	image = fy_format(&err, "%s/image", dir);
	CHECK(image != NULL);
	run_ok((const char *[]){ "mke2fs", "-q", "-t", "ext4", image, "16M",
				 NULL });
	test_round_trip(image);
	test_untouched(image);
	test_failing(image);
	test_cut(image);
	run_ok((const char *[]){ "debugfs", "-w", "-R", "ssv last_orphan 12",
				 image, NULL });
	expect_dirty(image, "deletion");
	run_ok((const char *[]){ "debugfs", "-w", "-R",
				 "feature needs_recovery", image, NULL });
	expect_dirty(image, "replayed");
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err), &err);
	return 0;
}
