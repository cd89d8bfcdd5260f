/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Volumes: ranges, slices, holes, read-only, missing files. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/test.h"
#include "common/volume.h"

int
main(void)
{
	struct fy_error err = { 0 };
	fy_autofree char *dir = NULL;
	fy_autofree char *path = NULL;
	char buf[16];
	struct fy_extent x;
	struct fy_extents_cursor c;
	int fd;

	CHECK_OK(fy_dir_temporary("fy-test", &dir, &err), &err);
	path = fy_format(&err, "%s/disk", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 8 * (off_t)FY_MIB) == 0);
	CHECK(pwrite(fd, "hello", 5, 4 * (off_t)FY_MIB) == 5);
	close(fd);
	{
		fy_autovolume struct fy_volume *v = NULL;
		fy_autovolume struct fy_volume *s = NULL;
		fy_autovolume struct fy_volume *bad = NULL;
		fy_autoextents struct fy_extents *data = fy_extents_new(&err);

		CHECK_OK(fy_volume_open_path(path, 0, 0, &v, &err), &err);
		CHECK(fy_volume_size(v) == 8 * FY_MIB);
		CHECK(fy_volume_sector_bytes(v) == 512 && fy_volume_fd(v) >= 0);
		CHECK(fy_volume_pwrite(v, "x", 1, 0, &err) == -1);
		CHECK(err.code == FY_E_UNSUPPORTED);
		fy_error_clear(&err);
		CHECK(fy_volume_pread(v, buf, 2, 8 * FY_MIB - 1, &err) == -1);
		CHECK(err.code == FY_E_FORMAT);
		fy_error_clear(&err);
		CHECK(fy_volume_pread(v, buf, 2, UINT64_MAX, &err) == -1);
		fy_error_clear(&err);

		CHECK_OK(fy_volume_slice(v, 4 * FY_MIB - 2, 10, "p1", &s, &err),
			 &err);
		CHECK_OK(fy_volume_pread(s, buf, 10, 0, &err), &err);
		CHECK(memcmp(buf, "\0\0hello\0\0\0", 10) == 0);
		CHECK(fy_volume_pread(s, buf, 1, 10, &err) == -1);
		fy_error_clear(&err);
		CHECK(fy_volume_slice(v, FY_MIB, 8 * FY_MIB, "p2", &bad,
				      &err) == -1);
		fy_error_clear(&err);

		/* Holes: the filesystem may round, but not lose the bytes. */
		CHECK_OK(fy_volume_data(v, data, &err), &err);
		fy_extents_cursor_init(&c, data);
		CHECK(fy_extents_next(&c, &x, &err) == 1);
		CHECK(x.offset <= 4 * FY_MIB &&
		      x.offset + x.length >= 4 * FY_MIB + 5);
	}
	{
		fy_autovolume struct fy_volume *v = NULL;

		CHECK_OK(fy_volume_open_path(path, FY_VOLUME_WRITABLE, 4096, &v,
					     &err),
			 &err);
		CHECK(fy_volume_sector_bytes(v) == 4096);
		CHECK_OK(fy_volume_pwrite(v, "J", 1, 4 * FY_MIB, &err), &err);
		CHECK_OK(fy_volume_flush(v, &err), &err);
		CHECK_OK(fy_volume_pread(v, buf, 5, 4 * FY_MIB, &err), &err);
		CHECK(memcmp(buf, "Jello", 5) == 0);
	}
	{
		struct fy_volume *v = NULL;

		CHECK(fy_volume_open_path("/nonexistent/x", 0, 0, &v, &err) ==
		      -1);
		CHECK(err.code == FY_E_NOTFOUND && v == NULL);
		fy_error_clear(&err);
		CHECK(fy_volume_open_path("/dev/null", 0, 0, &v, &err) == -1);
		CHECK(err.code == FY_E_USAGE && v == NULL);
		fy_error_clear(&err);
	}
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err), &err);
	return test_result();
}
