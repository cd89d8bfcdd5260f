/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_FILE_H
#define FY_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

/*
 * Files done right: nothing short, nothing half-written, names in the errors.
 * All return 0 (or what is said) on success and -1 with 'err' (FY_E_IO with
 * sys_errno unless said otherwise; ENOSPC becomes FY_E_NOSPACE).
 */
int fy_fd_read_full(int fd, void *buf, size_t len, struct fy_error *err);
int fy_fd_write_full(int fd, const void *buf, size_t len, struct fy_error *err);
/* End of file before 'len' bytes is FY_E_IO with sys_errno 0. */
int fy_fd_pread_full(int fd, void *buf, size_t len, uint64_t offset,
		     struct fy_error *err);
int fy_fd_pwrite_full(int fd, const void *buf, size_t len, uint64_t offset,
		      struct fy_error *err);
int fy_fd_sync(int fd, struct fy_error *err);	  /* fsync */
int fy_fd_datasync(int fd, struct fy_error *err); /* fdatasync */
int fy_fd_close(int fd, struct fy_error *err);

/* An unlinked temporary file in 'dir' (NULL: $TMPDIR, else /var/tmp, else
 * /tmp).  Returns the descriptor, or -1. */
int fy_file_temporary(const char *dir, struct fy_error *err);

/* A fresh private directory there, named PREFIX.XXXXXX; '*ret' is malloc'd. */
int fy_dir_temporary(const char *prefix, char **ret, struct fy_error *err);

/* The whole file, NUL-terminated (the NUL is not counted), malloc'd; a file of
 * more than 'max' bytes is FY_E_FORMAT, a missing one FY_E_NOTFOUND.
 * 'dirfd' may be AT_FDCWD. */
int fy_file_read_at(int dirfd, const char *path, size_t max, char **ret,
		    size_t *ret_len, struct fy_error *err);

/* Replace the file so that a crash leaves the old content or the new:
 * temporary, fsync, rename, fsync of the directory. */
int fy_file_replace_at(int dirfd, const char *path, const void *data,
		       size_t len, mode_t mode, struct fy_error *err);

/* fsync of a directory. */
int fy_dir_sync(int dirfd, struct fy_error *err);

/* Remove a directory and all in it; a missing one is fine.  Does not follow
 * symlinks. */
int fy_dir_remove_all_at(int dirfd, const char *path, struct fy_error *err);

/* printf into a malloc'd string; NULL when out of memory ('err' filled). */
char *fy_format(struct fy_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
