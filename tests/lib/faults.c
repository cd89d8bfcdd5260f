/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded into a program, this makes reads fail with EIO where they touch a
 * range of one file, as a disk with bad sectors does:
 *
 *     FAULT_FILE=/path/of/file FAULT_START=N FAULT_LENGTH=N
 *
 * FAULT_RANGES=N+N,N+N... are more of them, start and length.  While the file
 * that FAULT_DEAD names is there, every read fails.  The file is known by its
 * device and inode.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static bool
overlap(uint64_t offset, uint64_t length, uint64_t from, uint64_t bytes)
{
	return offset < from + bytes && from < offset + length;
}

static bool
in_ranges(uint64_t offset, uint64_t length)
{
	char *p = getenv("FAULT_RANGES");
	uint64_t from;

	while (p != NULL && *p != '\0') {
		from = strtoull(p, &p, 0);
		if (*p != '+')
			abort();
		if (overlap(offset, length, from, strtoull(p + 1, &p, 0)))
			return true;
		if (*p == ',')
			p++;
	}
	return false;
}

static bool
is_bad(int fd, uint64_t offset, uint64_t length)
{
	const char *file = getenv("FAULT_FILE");
	const char *start = getenv("FAULT_START");
	const char *bytes = getenv("FAULT_LENGTH");
	const char *dead = getenv("FAULT_DEAD");
	struct stat a, b;

	if (file == NULL || fstat(fd, &a) == -1 || stat(file, &b) == -1 ||
	    a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return false;
	if (dead != NULL && access(dead, F_OK) == 0)
		return true;
	if (start != NULL && bytes != NULL &&
	    overlap(offset, length, strtoull(start, NULL, 0),
		    strtoull(bytes, NULL, 0)))
		return true;
	return in_ranges(offset, length);
}

static uint64_t
total(const struct iovec *v, int n)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < n; i++)
		sum += v[i].iov_len;
	return sum;
}

#define NEXT(type, name) ((type)(uintptr_t)dlsym(RTLD_NEXT, name))
#define FAIL_IF(bad)                                                           \
	do {                                                                   \
		if (bad) {                                                     \
			errno = EIO;                                           \
			return -1;                                             \
		}                                                              \
	} while (0)

ssize_t
pread64(int fd, void *buf, size_t n, off64_t offset)
{
	FAIL_IF(is_bad(fd, (uint64_t)offset, n));
	return NEXT(ssize_t(*)(int, void *, size_t, off64_t),
		    "pread64")(fd, buf, n, offset);
}

ssize_t
pread(int fd, void *buf, size_t n, off_t offset)
{
	return pread64(fd, buf, n, offset);
}

ssize_t
__pread64_chk(int fd, void *buf, size_t n, off64_t offset, size_t size)
{
	(void)size;
	return pread64(fd, buf, n, offset);
}

ssize_t
preadv64(int fd, const struct iovec *v, int n, off64_t offset)
{
	FAIL_IF(is_bad(fd, (uint64_t)offset, total(v, n)));
	return NEXT(ssize_t(*)(int, const struct iovec *, int, off64_t),
		    "preadv64")(fd, v, n, offset);
}

ssize_t
preadv(int fd, const struct iovec *v, int n, off_t offset)
{
	return preadv64(fd, v, n, offset);
}

ssize_t
read(int fd, void *buf, size_t n)
{
	off_t at = lseek(fd, 0, SEEK_CUR);

	FAIL_IF(at != -1 && is_bad(fd, (uint64_t)at, n));
	return NEXT(ssize_t(*)(int, void *, size_t), "read")(fd, buf, n);
}
