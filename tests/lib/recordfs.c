/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A filesystem that passes everything through to a directory and writes down
 * in what order things were written, synced, renamed and removed:
 *
 *     recordfs BACKING LOG MOUNTPOINT [FUSE options]
 *
 * crash-replay.py makes out of the log what a machine's disk could hold after
 * a power cut at any moment.  It sits below the page cache, so it sees what
 * helpers and mapped files write too; one thread, so the log has one order.
 *
 * A record is a line, for W followed by the bytes:
 *     C INO PATH   file made      M INO PATH   directory made
 *     W INO OFFSET LENGTH         T INO SIZE   length set
 *     P INO OFFSET LENGTH         a hole was punched (or a range zeroed)
 *     S INO        file synced    D INO        directory synced
 *     R FROM\tTO   renamed        U PATH  X PATH  file, directory removed
 *     L TARGET\tPATH  symlink     H INO PATH   another name of a file
 * Paths begin with '/' and are relative to the mount point.
 */
#define FUSE_USE_VERSION 34
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static int backing = -1;
static FILE *record;

struct handle {
	int fd;
	ino_t ino;
	DIR *dir;
};

static struct handle *
handle_of(struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

/* A path below the backing directory's descriptor. */
static const char *
below(const char *path)
{
	return path[1] == '\0' ? "." : path + 1;
}

static int
result(int r)
{
	return r == -1 ? -errno : 0;
}

static ino_t
ino_of(const char *path)
{
	struct stat st;

	if (fstatat(backing, below(path), &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	return st.st_ino;
}

static void
note(const char *kind, ino_t ino, const char *path)
{
	fprintf(record, "%s %" PRIu64 " %s\n", kind, (uint64_t)ino, path);
}

static int
rec_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	if (fi != NULL && handle_of(fi)->dir == NULL)
		return result(fstat(handle_of(fi)->fd, st));
	return result(fstatat(backing, below(path), st, AT_SYMLINK_NOFOLLOW));
}

static int
rec_readlink(const char *path, char *buf, size_t size)
{
	ssize_t n = readlinkat(backing, below(path), buf, size - 1);

	if (n == -1)
		return -errno;
	buf[n] = '\0';
	return 0;
}

static int
rec_opendir(const char *path, struct fuse_file_info *fi)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	h->fd = openat(backing, below(path), O_RDONLY | O_DIRECTORY);
	h->dir = h->fd == -1 ? NULL : fdopendir(h->fd);
	if (h->dir == NULL) {
		int e = errno;

		free(h);
		return -e;
	}
	h->ino = ino_of(path);
	fi->fh = (uintptr_t)h;
	return 0;
}

static int
rec_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t offset,
	    struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	struct handle *h = handle_of(fi);
	struct dirent *e;

	(void)path, (void)offset, (void)flags;
	rewinddir(h->dir);
	while ((e = readdir(h->dir)) != NULL)
		fill(buf, e->d_name, NULL, 0, 0);
	return 0;
}

static int
rec_releasedir(const char *path, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);

	(void)path;
	closedir(h->dir);
	free(h);
	return 0;
}

static int
rec_mkdir(const char *path, mode_t mode)
{
	if (mkdirat(backing, below(path), mode) == -1)
		return -errno;
	note("M", ino_of(path), path);
	return 0;
}

static int
rec_unlink(const char *path)
{
	if (unlinkat(backing, below(path), 0) == -1)
		return -errno;
	fprintf(record, "U %s\n", path);
	return 0;
}

static int
rec_rmdir(const char *path)
{
	if (unlinkat(backing, below(path), AT_REMOVEDIR) == -1)
		return -errno;
	fprintf(record, "X %s\n", path);
	return 0;
}

static int
rec_symlink(const char *target, const char *path)
{
	if (symlinkat(target, backing, below(path)) == -1)
		return -errno;
	fprintf(record, "L %s\t%s\n", target, path);
	return 0;
}

static int
rec_rename(const char *from, const char *to, unsigned flags)
{
	if ((flags & RENAME_EXCHANGE) != 0)
		return -EINVAL;
	if (renameat2(backing, below(from), backing, below(to), flags) == -1)
		return -errno;
	fprintf(record, "R %s\t%s\n", from, to);
	return 0;
}

static int
rec_link(const char *from, const char *to)
{
	if (linkat(backing, below(from), backing, below(to), 0) == -1)
		return -errno;
	note("H", ino_of(to), to);
	return 0;
}

static int
rec_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	(void)fi;
	return result(fchmodat(backing, below(path), mode, 0));
}

static int
rec_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
	(void)fi;
	return result(
		fchownat(backing, below(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int
rec_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	ino_t ino;
	int r, fd;

	if (fi != NULL) {
		ino = handle_of(fi)->ino;
		r = result(ftruncate(handle_of(fi)->fd, size));
	} else {
		fd = openat(backing, below(path), O_WRONLY);
		if (fd == -1)
			return -errno;
		ino = ino_of(path);
		r = result(ftruncate(fd, size));
		close(fd);
	}
	if (r == 0)
		fprintf(record, "T %" PRIu64 " %jd\n", (uint64_t)ino,
			(intmax_t)size);
	return r;
}

static int
open_handle(const char *path, int flags, mode_t mode, struct fuse_file_info *fi)
{
	struct handle *h = calloc(1, sizeof(*h));
	struct stat st;
	int e;

	if (h == NULL)
		return -ENOMEM;
	/* The kernel's cache reads for a writer too, and appends by itself. */
	flags &= ~(O_DIRECT | O_APPEND);
	if ((flags & O_ACCMODE) == O_WRONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	h->fd = openat(backing, below(path), flags, mode);
	if (h->fd == -1 || fstat(h->fd, &st) == -1) {
		e = errno;
		free(h);
		return -e;
	}
	h->ino = st.st_ino;
	fi->fh = (uintptr_t)h;
	return 0;
}

static int
rec_open(const char *path, struct fuse_file_info *fi)
{
	return open_handle(path, fi->flags & ~(O_TRUNC | O_CREAT | O_EXCL), 0,
			   fi);
}

static int
rec_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	bool there = ino_of(path) != 0;
	int r = open_handle(path, (fi->flags & ~O_TRUNC) | O_CREAT, mode, fi);

	if (r == 0 && !there)
		note("C", handle_of(fi)->ino, path);
	return r;
}

static int
rec_read(const char *path, char *buf, size_t size, off_t offset,
	 struct fuse_file_info *fi)
{
	ssize_t n = pread(handle_of(fi)->fd, buf, size, offset);

	(void)path;
	return n == -1 ? -errno : (int)n;
}

static int
rec_write(const char *path, const char *buf, size_t size, off_t offset,
	  struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	ssize_t n = pwrite(h->fd, buf, size, offset);

	(void)path;
	if (n == -1)
		return -errno;
	fprintf(record, "W %" PRIu64 " %jd %zd\n", (uint64_t)h->ino,
		(intmax_t)offset, n);
	if (fwrite(buf, 1, (size_t)n, record) != (size_t)n)
		abort();
	return (int)n;
}

static int
rec_fallocate(const char *path, int mode, off_t offset, off_t length,
	      struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	struct stat st;

	(void)path;
	if (fallocate(h->fd, mode, offset, length) == -1)
		return -errno;
	if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0)
		fprintf(record, "P %" PRIu64 " %jd %jd\n", (uint64_t)h->ino,
			(intmax_t)offset, (intmax_t)length);
	if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && fstat(h->fd, &st) == 0)
		fprintf(record, "T %" PRIu64 " %jd\n", (uint64_t)h->ino,
			(intmax_t)st.st_size);
	return 0;
}

static off_t
rec_lseek(const char *path, off_t offset, int whence, struct fuse_file_info *fi)
{
	off_t r = lseek(handle_of(fi)->fd, offset, whence);

	(void)path;
	return r == -1 ? -errno : r;
}

static int
rec_fsync(const char *path, int data, struct fuse_file_info *fi)
{
	(void)path, (void)data;
	fprintf(record, "S %" PRIu64 "\n", (uint64_t)handle_of(fi)->ino);
	return 0;
}

static int
rec_fsyncdir(const char *path, int data, struct fuse_file_info *fi)
{
	(void)path, (void)data;
	fprintf(record, "D %" PRIu64 "\n", (uint64_t)handle_of(fi)->ino);
	return 0;
}

static int
rec_release(const char *path, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);

	(void)path;
	close(h->fd);
	free(h);
	return 0;
}

static int
rec_statfs(const char *path, struct statvfs *st)
{
	(void)path;
	return result(fstatvfs(backing, st));
}

static int
rec_utimens(const char *path, const struct timespec t[2],
	    struct fuse_file_info *fi)
{
	(void)fi;
	return result(utimensat(backing, below(path), t, AT_SYMLINK_NOFOLLOW));
}

static void *
rec_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
	(void)conn;
	config->hard_remove = 1;
	config->nullpath_ok = 1;
	config->use_ino = 1;
	return NULL;
}

static void
rec_destroy(void *data)
{
	(void)data;
	if (fclose(record) != 0)
		abort();
}

int
main(int argc, char **argv)
{
	static const struct fuse_operations operations = {
		.getattr = rec_getattr,
		.readlink = rec_readlink,
		.opendir = rec_opendir,
		.readdir = rec_readdir,
		.releasedir = rec_releasedir,
		.mkdir = rec_mkdir,
		.unlink = rec_unlink,
		.rmdir = rec_rmdir,
		.symlink = rec_symlink,
		.rename = rec_rename,
		.link = rec_link,
		.chmod = rec_chmod,
		.chown = rec_chown,
		.truncate = rec_truncate,
		.open = rec_open,
		.create = rec_create,
		.read = rec_read,
		.write = rec_write,
		.fallocate = rec_fallocate,
		.lseek = rec_lseek,
		.fsync = rec_fsync,
		.fsyncdir = rec_fsyncdir,
		.release = rec_release,
		.statfs = rec_statfs,
		.utimens = rec_utimens,
		.init = rec_init,
		.destroy = rec_destroy,
	};

	if (argc < 4) {
		fprintf(stderr, "recordfs BACKING LOG MOUNTPOINT [options]\n");
		return 2;
	}
	umask(0);
	backing = open(argv[1], O_RDONLY | O_DIRECTORY);
	record = fopen(argv[2], "w");
	if (backing == -1 || record == NULL) {
		perror("recordfs");
		return 1;
	}
	setvbuf(record, NULL, _IOFBF, 1 << 20);
	note("M", ino_of("/"), "/");
	argv[2] = argv[0];
	return fuse_main(argc - 2, argv + 2, &operations, NULL);
}
