/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Remembering on the medium.
 *
 * FIBMAP tells where the file's blocks lie on the device that is mounted; they
 * must follow each other, as in an ISO they do.  Before anything is written
 * the device, read past the cache, must hold at that place exactly what the
 * file holds, magic first.  The device is writable only while it is written
 * to, and what was written is read back past the cache.
 */
#include "p2v-client/live-remember.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "p2v-client/sysfs.h"

#define ALIGN 4096u

static int
open_file(const char *medium, struct fy_error *err)
{
	fy_autofree char *path = NULL;
	int fd;

	path = fy_format(err, "%s/ironferry/remember.dat", medium);
	if (path == NULL)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		fy_error_set(err, errno == ENOENT ? FY_E_UNSUPPORTED : FY_E_IO,
			     errno, "cannot open '%s'", path);
	return fd;
}

char *
fy_remember_read(const char *medium)
{
	static const char magic[] = FY_REMEMBER_MAGIC;
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofree char *data = malloc(FY_REMEMBER_SIZE + 1);
	fy_autofd int fd = open_file(medium, &ignored);

	if (data == NULL || fd == -1 ||
	    fy_fd_read_full(fd, data, FY_REMEMBER_SIZE, &ignored) == -1 ||
	    memcmp(data, magic, sizeof(magic) - 1) != 0)
		return NULL;
	data[FY_REMEMBER_SIZE] = '\0';
	if (data[sizeof(magic) - 1] == '\0')
		return NULL;
	return strdup(data + sizeof(magic) - 1);
}

/* Where the file begins on its device, in bytes. */
static int
find_place(int fd, uint64_t *ret, struct fy_error *err)
{
	int block_bytes = 0, first = 0, block;
	unsigned i, n;
	struct stat st;

	if (fstat(fd, &st) == -1 || st.st_size != FY_REMEMBER_SIZE)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "remember.dat has not its %u bytes",
				    FY_REMEMBER_SIZE);
	if (ioctl(fd, FIGETBSZ, &block_bytes) == -1 || block_bytes < 512 ||
	    block_bytes > (int)FY_REMEMBER_SIZE)
		return fy_error_set(err, FY_E_UNSUPPORTED, errno,
				    "the medium's filesystem does not tell its "
				    "block size");
	n = FY_REMEMBER_SIZE / (unsigned)block_bytes;
	for (i = 0; i < n; i++) {
		block = (int)i;
		if (ioctl(fd, FIBMAP, &block) == -1 || block <= 0)
			return fy_error_set(err, FY_E_UNSUPPORTED, errno,
					    "the medium's filesystem does not "
					    "tell where remember.dat lies");
		if (i == 0)
			first = block;
		if ((unsigned)block != (unsigned)first + i)
			return fy_error_set(err, FY_E_UNSUPPORTED, 0,
					    "remember.dat lies in pieces");
	}
	*ret = (uint64_t)first * (uint64_t)block_bytes;
	return 0;
}

/* Its node, as the mount's source says: where sysfs has no such link. */
static char *
mount_source(unsigned major_number, unsigned minor_number)
{
	fy_autofree char *text = fy_sys_text(NULL, "/proc/self/mountinfo");
	char want[32], dev[32], source[256];
	char *line, *rest = NULL, *dash;

	snprintf(want, sizeof(want), "%u:%u", major_number, minor_number);
	for (line = text == NULL ? NULL : strtok_r(text, "\n", &rest);
	     line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		dash = strstr(line, " - ");
		if (dash != NULL && sscanf(line, "%*s %*s %31s", dev) == 1 &&
		    strcmp(dev, want) == 0 &&
		    sscanf(dash + 3, "%*s %255s", source) == 1 &&
		    strncmp(source, "/dev/", 5) == 0)
			return strdup(source + 5);
	}
	return NULL;
}

/* The device of the mount; not one that can't be written to, as a CD. */
static int
open_device(int fd, int flags, char **ret_name, struct fy_error *err)
{
	fy_autofree char *name = NULL, *path = NULL;
	struct stat st;
	int device;

	if (fstat(fd, &st) == -1)
		return fy_error_set(err, FY_E_IO, errno, "remember.dat");
	name = fy_sys_link(NULL, "/sys/dev/block/%u:%u", major(st.st_dev),
			   minor(st.st_dev));
	if (name == NULL)
		name = mount_source(major(st.st_dev), minor(st.st_dev));
	if (name == NULL || strncmp(name, "sr", 2) == 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the medium can't be written to");
	path = fy_format(err, "/dev/%s", name);
	if (path == NULL)
		return -1;
	device = open(path, flags | O_CLOEXEC);
	if (device == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    path);
	if (ret_name != NULL)
		*ret_name = fy_steal_ptr(&path);
	return device;
}

bool
fy_remember_is_possible(const char *medium)
{
	struct fy_error ignored = { .code = FY_E_NONE };
	fy_autofd int fd = open_file(medium, &ignored);
	fy_autofd int device = -1;
	uint64_t place;

	if (fd == -1 || find_place(fd, &place, &ignored) == -1)
		return false;
	device = open_device(fd, O_RDONLY, NULL, &ignored);
	return device != -1;
}

/* Past the cache; 'buf' is aligned. */
static int
read_direct(const char *device, uint64_t place, char *buf, struct fy_error *err)
{
	fy_autofd int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    device);
	return fy_fd_pread_full(fd, buf, FY_REMEMBER_SIZE, place, err);
}

static int
write_there(const char *device, uint64_t place, const char *data,
	    struct fy_error *err)
{
	fy_autofd int fd = -1;
	int ro = 1, off = 0, r;

	/* The kernel looks at the mark when a device is opened to write. */
	fd = open(device, O_RDONLY | O_CLOEXEC);
	if (fd == -1 || ioctl(fd, BLKROGET, &ro) == -1 ||
	    ioctl(fd, BLKROSET, &off) == -1)
		return fy_error_set(err, FY_E_UNSUPPORTED, errno,
				    "'%s' can't be made writable", device);
	close(fy_steal_fd(&fd));
	fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd == -1)
		r = fy_error_set(err, FY_E_UNSUPPORTED, errno,
				 "'%s' can't be written to", device);
	else
		r = fy_fd_pwrite_full(fd, data, FY_REMEMBER_SIZE, place, err);
	if (r == 0)
		r = fy_fd_sync(fd, err);
	if (fd != -1)
		close(fy_steal_fd(&fd));
	fd = open(device, O_RDONLY | O_CLOEXEC);
	if (ro != 0 && fd != -1 && ioctl(fd, BLKROSET, &ro) == -1 && r == 0)
		r = fy_error_set(err, FY_E_IO, errno,
				 "'%s' can't be made read-only again", device);
	return r;
}

int
fy_remember_write(const char *medium, const char *lines, struct fy_error *err)
{
	static const char magic[] = FY_REMEMBER_MAGIC;
	fy_autofd int fd = open_file(medium, err);
	fy_autofd int device = -1;
	fy_autofree char *now = NULL, *file = NULL, *fresh = NULL, *path = NULL;
	size_t len = strlen(lines);
	uint64_t place;

	if (fd == -1 || find_place(fd, &place, err) == -1)
		return -1;
	if (len > FY_REMEMBER_SIZE - sizeof(magic))
		return fy_error_set(err, FY_E_USAGE, 0, "too much to remember");
	now = aligned_alloc(ALIGN, FY_REMEMBER_SIZE);
	fresh = aligned_alloc(ALIGN, FY_REMEMBER_SIZE);
	file = malloc(FY_REMEMBER_SIZE);
	if (now == NULL || file == NULL || fresh == NULL)
		return fy_error_nomem(err);
	device = open_device(fd, O_RDONLY, &path, err);
	if (device == -1 ||
	    fy_fd_read_full(fd, file, FY_REMEMBER_SIZE, err) == -1 ||
	    read_direct(path, place, now, err) == -1)
		return -1;
	/* What the mount shows may be older than the device, but both are
	 * such files; the place is right when the magic is there and all
	 * that follows is text and zeros. */
	if (memcmp(now, magic, sizeof(magic) - 1) != 0 ||
	    memcmp(file, magic, sizeof(magic) - 1) != 0 ||
	    !fy_is_zero(now + strnlen(now, FY_REMEMBER_SIZE),
			FY_REMEMBER_SIZE - strnlen(now, FY_REMEMBER_SIZE)))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' does not hold remember.dat where it "
				    "should; nothing was written",
				    path);
	memset(fresh, 0, FY_REMEMBER_SIZE);
	memcpy(fresh, magic, sizeof(magic) - 1);
	memcpy(fresh + sizeof(magic) - 1, lines, len);
	if (write_there(path, place, fresh, err) == -1 ||
	    read_direct(path, place, now, err) == -1)
		return -1;
	if (memcmp(now, fresh, FY_REMEMBER_SIZE) != 0)
		return fy_error_set(err, FY_E_IO, 0,
				    "'%s' gives back other data than were "
				    "written",
				    path);
	/* The mount has cached what was there before. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}
