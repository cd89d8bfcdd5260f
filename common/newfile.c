/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"

struct fy_newfile {
	char *path;
	char *being; /* its name meanwhile; NULL: it has its own */
	int fd;
};

/* Where it goes, and whether that is free. */
static int
settle(struct fy_newfile *f, const char *path, bool overwrite,
       struct fy_error *err)
{
	struct stat st;

	if (stat(path, &st) == -1) {
		if (errno != ENOENT)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot use '%s'", path);
		f->path = strdup(path);
		return f->path == NULL ? fy_error_nomem(err) : 0;
	}
	if (!S_ISREG(st.st_mode))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' is there and is no file", path);
	if (st.st_size > 0 && !overwrite)
		return fy_error_set(err, FY_E_EXISTS, 0,
				    "'%s' is there already: --force replaces "
				    "it",
				    path);
	f->path = realpath(path, NULL);
	return f->path == NULL ? fy_error_set(err, FY_E_IO, errno,
					      "cannot use '%s'", path)
			       : 0;
}

static int
create(struct fy_newfile *f, struct fy_error *err)
{
	fy_autofree char *name = fy_format(err, "%s.partial-XXXXXX", f->path);
	mode_t mask;

	if (name == NULL)
		return -1;
	f->fd = mkostemp(name, O_CLOEXEC);
	if (f->fd == -1)
		return fy_error_set(err, FY_E_IO, errno, "cannot create '%s'",
				    f->path);
	f->being = fy_steal_ptr(&name);
	mask = umask(0);
	umask(mask);
	if (fchmod(f->fd, 0666 & ~mask) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot set the mode of '%s'", f->being);
	return 0;
}

int
fy_newfile_open(const char *path, bool overwrite, struct fy_newfile **ret,
		struct fy_error *err)
{
	FY_AUTO(newfile) struct fy_newfile *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return fy_error_nomem(err);
	f->fd = -1;
	if (settle(f, path, overwrite, err) == -1 || create(f, err) == -1)
		return -1;
	*ret = fy_steal_ptr(&f);
	return 0;
}

int
fy_newfile_fd(const struct fy_newfile *f)
{
	return f->fd;
}

static int
sync_directory(const char *path, struct fy_error *err)
{
	fy_autofree char *copy = strdup(path);
	fy_autofd int dir = -1;

	if (copy == NULL)
		return fy_error_nomem(err);
	dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot open the directory of '%s'", path);
	return fy_dir_sync(dir, err);
}

int
fy_newfile_finish(struct fy_newfile *f, struct fy_error *err)
{
	if (fy_fd_sync(f->fd, err) == -1 ||
	    fy_fd_close(fy_steal_fd(&f->fd), err) == -1)
		return fy_error_prefix(err, "'%s'", f->path);
	if (rename(f->being, f->path) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot rename '%s' to '%s'", f->being,
				    f->path);
	free(fy_steal_ptr(&f->being));
	return sync_directory(f->path, err);
}

void
fy_newfile_free(struct fy_newfile *f)
{
	if (f == NULL)
		return;
	if (f->fd != -1)
		close(f->fd);
	if (f->being != NULL)
		unlink(f->being);
	free(f->being);
	free(f->path);
	free(f);
}
