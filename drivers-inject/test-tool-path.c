/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A path for tools where FUSE can't be had: in a mount namespace of our own
 * /dev/null lies over /dev/fuse, so a copy is made.  What a tool writes to it
 * must come back, zeros and holes included, and nothing else may change.
 */
#include "drivers-inject/tool-path.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/file.h"
#include "common/overlay.h"
#include "common/subprocess.h"
#include "common/test-mounts.h"
#include "drivers-inject/e2fsck.h"

#define SIZE (5u * 1024 * 1024 + 1536)

static char *dir;

static char *
at(const char *name)
{
	struct fy_error err = { 0 };
	char *p = fy_format(&err, "%s/%s", dir, name);

	CHECK(p != NULL);
	return p;
}

/* Our own mounts, in which there is no FUSE; -1 when that isn't allowed. */
static int
hide_fuse(void)
{
	if (test_own_mounts() == -1)
		return -1;
	/* Where there is no device there is no FUSE. */
	if (access("/dev/fuse", F_OK) == -1)
		return 0;
	return mount("/dev/null", "/dev/fuse", NULL, MS_BIND, NULL);
}

static void
run(const char *const *argv)
{
	const struct fy_subprocess_options options = { .accept = 1 };
	struct fy_subprocess_result result = { 0 };
	struct fy_error err = { 0 };

	CHECK_OK(fy_subprocess_run(argv, &options, &result, &err));
	fy_subprocess_result_release(&result);
}

/* The volume 'name' of SIZE bytes of noise with a hole in the middle. */
static void
make_noise(const char *name, unsigned char *model)
{
	fy_autofree char *path = at(name);
	struct fy_error err = { 0 };
	fy_autofd int fd = -1;
	uint64_t s = 9;
	size_t i;

	for (i = 0; i < SIZE; i++) {
		s = s * UINT64_C(6364136223846793005) + 1442695040888963407u;
		model[i] = (unsigned char)(s >> 40);
	}
	memset(model + 1024 * 1024, 0, 2 * 1024 * 1024);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0);
	CHECK_OK(fy_fd_pwrite_full(fd, model, 1024 * 1024, 0, &err));
	CHECK_OK(fy_fd_pwrite_full(fd, model + 3 * 1024 * 1024,
				   SIZE - 3 * 1024 * 1024, 3 * 1024 * 1024,
				   &err));
}

static struct fy_volume *
open_overlay(struct fy_volume **base, const char *name)
{
	fy_autofree char *path = at(name);
	struct fy_volume *o = NULL;
	struct fy_error err = { 0 };

	CHECK_OK(fy_volume_open_path(path, 0, 512, base, &err));
	CHECK_OK(fy_overlay_new(*base, 4096, dir, &o, &err));
	return o;
}

/* That it is a copy: a file of 'dir', no file of FUSE. */
static int
open_copy(struct fy_tool_path *t, int flags)
{
	struct statfs fs;
	struct stat st;
	int fd = open(fy_tool_path(t), flags | O_CLOEXEC);

	CHECK(fd >= 0 && fstat(fd, &st) == 0 && fstatfs(fd, &fs) == 0);
	CHECK(fs.f_type != 0x65735546 /* FUSE */);
	CHECK(S_ISREG(st.st_mode) && st.st_nlink == 0 && st.st_size == SIZE);
	/* What is zeros on the volume takes no room. */
	CHECK(st.st_blocks * 512 < SIZE - 1024 * 1024);
	return fd;
}

static void
test_copy(void)
{
	fy_autofree unsigned char *model = malloc(SIZE);
	fy_autofree unsigned char *seen = malloc(SIZE);
	fy_autovolume struct fy_volume *base = NULL;
	fy_autovolume struct fy_volume *o = NULL;
	struct fy_tool_path *t = NULL;
	struct fy_exposed *x = NULL;
	struct fy_error err = { 0 };
	int fd;

	CHECK(model != NULL && seen != NULL);
	make_noise("noise", model);
	o = open_overlay(&base, "noise");
	/* Otherwise this tests nothing. */
	CHECK(fy_volume_expose(o, &x, &err) == -1 &&
	      err.code == FY_E_UNSUPPORTED);
	fy_error_clear(&err);

	CHECK_OK(fy_tool_path_open(o, dir, &t, &err));
	fd = open_copy(t, O_RDWR);
	CHECK_OK(fy_fd_pread_full(fd, seen, SIZE, 0, &err));
	CHECK(memcmp(seen, model, SIZE) == 0);
	/* Into the hole, over data, at the odd end; zeros and a hole. */
	memset(model + 2000000, 'x', 9000);
	memset(model + 5000, 'y', 3);
	memset(model + SIZE - 700, 'z', 700);
	memset(model + 100000, 0, 5000);
	memset(model + 4 * 1024 * 1024, 0, 65536);
	CHECK_OK(fy_fd_pwrite_full(fd, model + 2000000, 9000, 2000000, &err));
	CHECK_OK(fy_fd_pwrite_full(fd, model + 5000, 3, 5000, &err));
	CHECK_OK(fy_fd_pwrite_full(fd, model + SIZE - 700, 700, SIZE - 700,
				   &err));
	CHECK_OK(fy_fd_pwrite_full(fd, model + 100000, 5000, 100000, &err));
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      4 * 1024 * 1024, 65536) == -1)
		CHECK_OK(fy_fd_pwrite_full(fd, model + 4 * 1024 * 1024, 65536,
					   4 * 1024 * 1024, &err));
	close(fd);
	CHECK_OK(fy_tool_path_close(t, &err));
	CHECK_OK(fy_volume_pread(o, seen, SIZE, 0, &err));
	CHECK(memcmp(seen, model, SIZE) == 0);
}

static uint64_t written;

static int
array_pread(void *handle, void *buf, size_t len, uint64_t offset,
	    struct fy_error *err)
{
	(void)err;
	memcpy(buf, (unsigned char *)handle + offset, len);
	return 0;
}

static int
array_pwrite(void *handle, const void *buf, size_t len, uint64_t offset,
	     struct fy_error *err)
{
	(void)err;
	memcpy((unsigned char *)handle + offset, buf, len);
	written += len;
	return 0;
}

/* Only the blocks that the tool changed are written. */
static void
test_changed(void)
{
	static const struct fy_volume_ops ops = { .pread = array_pread,
						  .pwrite = array_pwrite };
	fy_autofree unsigned char *model = malloc(SIZE);
	fy_autovolume struct fy_volume *v = NULL;
	struct fy_tool_path *t = NULL;
	struct fy_error err = { 0 };
	int fd;

	CHECK(model != NULL);
	make_noise("noise", model);
	v = fy_volume_new(&ops, model, "array", SIZE, 512, &err);
	CHECK(v != NULL);
	CHECK_OK(fy_tool_path_open(v, dir, &t, &err));
	fd = open_copy(t, O_RDWR);
	CHECK_OK(fy_fd_pwrite_full(fd, "new", 3, 40960, &err));
	CHECK_OK(fy_fd_pwrite_full(fd, model, 4096, 0, &err)); /* the same */
	close(fd);
	CHECK_OK(fy_tool_path_close(t, &err));
	CHECK(written == 4096 && memcmp(model + 40960, "new", 3) == 0);
}

/* A volume that is only read keeps what it has, whatever the tool does. */
static void
test_read_only(void)
{
	fy_autofree unsigned char *model = malloc(SIZE);
	fy_autofree unsigned char *seen = malloc(SIZE);
	fy_autovolume struct fy_volume *base = NULL;
	fy_autovolume struct fy_volume *o = NULL;
	struct fy_tool_path *t = NULL;
	struct fy_error err = { 0 };
	int fd;

	CHECK(model != NULL && seen != NULL);
	make_noise("noise", model);
	o = open_overlay(&base, "noise");
	CHECK_OK(fy_tool_path_open(base, dir, &t, &err));
	fd = open_copy(t, O_RDWR);
	CHECK_OK(fy_fd_pwrite_full(fd, "new", 3, 40960, &err));
	close(fd);
	CHECK_OK(fy_tool_path_close(t, &err));
	CHECK_OK(fy_volume_pread(base, seen, SIZE, 0, &err));
	CHECK(memcmp(seen, model, SIZE) == 0);
}

/* e2fsck itself, on a filesystem with a wrong link count. */
static void
test_e2fsck(void)
{
	fy_autofree char *path = at("fs");
	const char *make[] = { "mke2fs", "-q", "-F", "-t",
			       "ext4",	 path, "8M", NULL };
	const char *spoil[] = { "debugfs", "-w",
				"-R",	   "set_inode_field <11> links_count 9",
				path,	   NULL };
	fy_autovolume struct fy_volume *base = NULL;
	fy_autovolume struct fy_volume *o = NULL;
	struct fy_error err = { 0 };
	int status = -1;
	char said[512];

	run(make);
	run(spoil);
	o = open_overlay(&base, "fs");
	CHECK_OK(fy_e2fsck_run(o, "-fn", NULL, &status, said, sizeof(said),
			       &err));
	CHECK(status == 4);
	CHECK_OK(fy_e2fsck_run(o, "-fp", NULL, &status, said, sizeof(said),
			       &err));
	CHECK(status == 1);
	CHECK_OK(fy_e2fsck_run(o, "-fn", NULL, &status, said, sizeof(said),
			       &err));
	CHECK(status == 0);
	/* The base was not touched. */
	CHECK_OK(fy_e2fsck_run(base, "-fn", NULL, &status, said, sizeof(said),
			       &err));
	CHECK(status == 4);
}

int
main(void)
{
	struct fy_error err = { 0 };

	if (hide_fuse() == -1) {
		printf("needs root or user namespaces\n");
		return 77;
	}
	CHECK_OK(fy_dir_temporary("tool-path", &dir, &err));
	test_copy();
	test_changed();
	test_read_only();
	test_e2fsck();
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err));
	free(dir);
	return 0;
}
