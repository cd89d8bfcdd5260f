/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest's root that is a directory of this machine.  The kernel resolves the
 * paths below it (RESOLVE_IN_ROOT), so that an absolute symlink of the guest
 * never leads to a file of ours.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/file.h"
#include "drivers-inject/modules.h"

static int
open_below(const int *rootfd, const char *path, uint64_t flags,
	   struct fy_error *err)
{
	struct open_how how = { .flags = flags | O_CLOEXEC | O_NONBLOCK,
				.resolve = RESOLVE_IN_ROOT |
					   RESOLVE_NO_MAGICLINKS };
	long fd;

	fd = syscall(SYS_openat2, *rootfd, path, &how, sizeof(how));
	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
		return fy_error_set(err, FY_E_NOTFOUND, 0, "no '%s'", path);
	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot open '%s'",
				    path);
	return (int)fd;
}

static int
read_file(void *ctx, const char *path, size_t max, char **ret, size_t *ret_len,
	  struct fy_error *err)
{
	fy_autofd int fd = open_below(ctx, path, O_RDONLY, err);
	char self[64];

	if (fd == -1)
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fy_file_read_at(AT_FDCWD, self, max, ret, ret_len, err) == -1)
		return fy_error_prefix(err, "'%s'", path);
	return 0;
}

static enum fy_modules_type
type_of(const struct dirent *e)
{
	switch (e->d_type) {
	case DT_REG:
		return FY_MODULES_FILE;
	case DT_DIR:
		return FY_MODULES_DIR;
	case DT_LNK:
		return FY_MODULES_LINK;
	default:
		return FY_MODULES_OTHER;
	}
}

static int
list_dir(void *ctx, const char *path, fy_modules_each each, void *each_ctx,
	 struct fy_error *err)
{
	int fd = open_below(ctx, path, O_RDONLY | O_DIRECTORY, err);
	struct dirent *e;
	DIR *dir;
	int r = 0;

	if (fd == -1)
		return -1;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return fy_error_nomem(err);
	}
	while (r == 0 && (e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = each(each_ctx, e->d_name, type_of(e), err);
	closedir(dir);
	return r;
}

static int *
keep_const(const int *p)
{
	return (int *)(uintptr_t)p;
}

void
fy_modules_source_of_dir(const int *dirfd, struct fy_modules_source *ret)
{
	ret->ctx = keep_const(dirfd);
	ret->read_file = read_file;
	ret->list_dir = list_dir;
}
