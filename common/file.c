/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole reads and writes, replacement by rename, temporary files.
 */
#include "common/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"

static int
io_error(struct fy_error *err, const char *what)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return fy_error_set(err, FY_E_NOSPACE, errno, "%s failed",
				    what);
	return fy_error_set(err, FY_E_IO, errno, "%s failed", what);
}

int
fy_fd_read_full(int fd, void *buf, size_t len, struct fy_error *err)
{
	unsigned char *p = buf;
	ssize_t n;

	while (len > 0) {
		n = read(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return io_error(err, "read");
		if (n == 0)
			return fy_error_set(err, FY_E_IO, 0,
					    "read met the end of the data");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
fy_fd_write_full(int fd, const void *buf, size_t len, struct fy_error *err)
{
	const unsigned char *p = buf;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return io_error(err, "write");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
fy_fd_pread_full(int fd, void *buf, size_t len, uint64_t offset,
		 struct fy_error *err)
{
	unsigned char *p = buf;
	ssize_t n;

	while (len > 0) {
		n = pread(fd, p, len, (off_t)offset);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fy_error_set(err, FY_E_IO, errno,
					    "read at byte %llu failed",
					    (unsigned long long)offset);
		if (n == 0)
			return fy_error_set(
				err, FY_E_IO, 0,
				"read met the end of the data at byte %llu",
				(unsigned long long)offset);
		p += n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	return 0;
}

int
fy_fd_pwrite_full(int fd, const void *buf, size_t len, uint64_t offset,
		  struct fy_error *err)
{
	const unsigned char *p = buf;
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, p, len, (off_t)offset);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return io_error(err, "write");
		p += n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	return 0;
}

int
fy_fd_sync(int fd, struct fy_error *err)
{
	return fsync(fd) == -1 ? io_error(err, "fsync") : 0;
}

int
fy_fd_datasync(int fd, struct fy_error *err)
{
	return fdatasync(fd) == -1 ? io_error(err, "fdatasync") : 0;
}

int
fy_fd_close(int fd, struct fy_error *err)
{
	/* Linux has closed the descriptor even when it says EINTR. */
	if (close(fd) == -1 && errno != EINTR)
		return io_error(err, "close");
	return 0;
}

static const char *
temporary_dir(void)
{
	const char *dir = getenv("TMPDIR");

	if (dir != NULL && dir[0] == '/')
		return dir;
	return access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
}

int
fy_file_temporary(const char *dir, struct fy_error *err)
{
	fy_autofree char *path = NULL;
	int fd;

	if (dir == NULL)
		dir = temporary_dir();
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* Not every filesystem knows O_TMPFILE. */
	path = fy_format(err, "%s/ironferry.XXXXXX", dir);
	if (path == NULL)
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot create a temporary file in '%s'",
				    dir);
	unlink(path);
	return fd;
}

int
fy_dir_temporary(const char *prefix, char **ret, struct fy_error *err)
{
	fy_autofree char *path = NULL;

	path = fy_format(err, "%s/%s.XXXXXX", temporary_dir(), prefix);
	if (path == NULL)
		return -1;
	if (mkdtemp(path) == NULL)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot create the directory '%s'", path);
	*ret = fy_steal_ptr(&path);
	return 0;
}

int
fy_file_read_at(int dirfd, const char *path, size_t max, char **ret,
		size_t *ret_len, struct fy_error *err)
{
	fy_autofree char *data = NULL;
	fy_autofd int fd = -1;
	size_t used = 0, room = 4096;
	ssize_t n;

	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return fy_error_set(err,
				    errno == ENOENT ? FY_E_NOTFOUND : FY_E_IO,
				    errno, "cannot open '%s'", path);
	data = malloc(room + 1);
	if (data == NULL)
		return fy_error_nomem(err);
	for (;;) {
		if (used == room) {
			char *grown;

			if (room > max)
				return fy_error_set(
					err, FY_E_FORMAT, 0,
					"'%s' is larger than %zu bytes", path,
					max);
			room *= 2;
			grown = realloc(data, room + 1);
			if (grown == NULL)
				return fy_error_nomem(err);
			data = grown;
		}
		n = read(fd, data + used, room - used);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot read '%s'", path);
		if (n == 0)
			break;
		used += (size_t)n;
	}
	if (used > max)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "'%s' is larger than %zu bytes", path, max);
	data[used] = '\0';
	*ret = fy_steal_ptr(&data);
	if (ret_len != NULL)
		*ret_len = used;
	return 0;
}

static int
write_temporary(int dirfd, const char *tmp, const void *data, size_t len,
		mode_t mode, struct fy_error *err)
{
	fy_autofd int fd = -1;

	fd = openat(dirfd, tmp,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot create '%s'",
				    tmp);
	if (fy_fd_write_full(fd, data, len, err) == -1 ||
	    fy_fd_sync(fd, err) == -1)
		return fy_error_prefix(err, "'%s'", tmp);
	/* close() can report a lost write, so success never leaves it to the
	 * cleanup attribute. */
	if (fy_fd_close(fy_steal_fd(&fd), err) == -1)
		return fy_error_prefix(err, "'%s'", tmp);
	return 0;
}

int
fy_file_replace_at(int dirfd, const char *path, const void *data, size_t len,
		   mode_t mode, struct fy_error *err)
{
	fy_autofree char *tmp = NULL;
	fy_autofree char *dir = NULL;
	fy_autofd int parent = -1;
	uint32_t salt = 0;
	char *slash;

	if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
		salt = (uint32_t)getpid();
	tmp = fy_format(err, "%s.%08x.tmp", path, salt);
	dir = fy_format(err, "%s", path);
	if (tmp == NULL || dir == NULL)
		return -1;
	slash = strrchr(dir, '/');
	if (slash == NULL)
		memcpy(dir, ".", 2);
	else if (slash == dir)
		dir[1] = '\0';
	else
		*slash = '\0';

	if (write_temporary(dirfd, tmp, data, len, mode, err) == -1)
		goto remove_tmp;
	if (renameat(dirfd, tmp, dirfd, path) == -1) {
		fy_error_set(err, FY_E_IO, errno, "cannot rename '%s' to '%s'",
			     tmp, path);
		goto remove_tmp;
	}
	parent = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    dir);
	return fy_dir_sync(parent, err);

remove_tmp:
	unlinkat(dirfd, tmp, 0);
	return -1;
}

int
fy_dir_sync(int dirfd, struct fy_error *err)
{
	/* Some filesystems can't sync a directory and say EINVAL. */
	if (fsync(dirfd) == -1 && errno != EINVAL)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot sync a directory");
	return 0;
}

static int
remove_entry(int dirfd, const char *name, struct fy_error *err)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return fy_error_set(err, FY_E_IO, errno, "cannot remove '%s'",
				    name);
	return fy_dir_remove_all_at(dirfd, name, err);
}

int
fy_dir_remove_all_at(int dirfd, const char *path, struct fy_error *err)
{
	struct dirent *entry;
	DIR *dir;
	int fd, r = 0;

	fd = openat(dirfd, path,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? 0
				       : fy_error_set(err, FY_E_IO, errno,
						      "cannot open '%s'", path);
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return fy_error_nomem(err);
	}
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		if (fy_streq(entry->d_name, ".") ||
		    fy_streq(entry->d_name, ".."))
			continue;
		r = remove_entry(fd, entry->d_name, err);
	}
	closedir(dir);
	if (r == 0 && unlinkat(dirfd, path, AT_REMOVEDIR) == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot remove '%s'",
				    path);
	return r;
}

char *
fy_format(struct fy_error *err, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (r == -1) {
		fy_error_nomem(err);
		return NULL;
	}
	return s;
}
