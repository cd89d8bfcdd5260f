/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Volumes: the interface with its range checks, and two kinds: a path (file or
 * block device) and a window of another volume.
 */
#include "common/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"

struct fy_volume {
	const struct fy_volume_ops *ops;
	void *handle;
	char *name;
	uint64_t size_bytes;
	uint32_t sector_bytes;
};

struct fy_volume *
fy_volume_new(const struct fy_volume_ops *ops, void *handle, const char *name,
	      uint64_t size_bytes, uint32_t sector_bytes, struct fy_error *err)
{
	struct fy_volume *v = calloc(1, sizeof(*v));

	if (v == NULL || (v->name = strdup(name)) == NULL) {
		free(v);
		if (ops->close != NULL)
			ops->close(handle);
		fy_error_nomem(err);
		return NULL;
	}
	v->ops = ops;
	v->handle = handle;
	v->size_bytes = size_bytes;
	v->sector_bytes = sector_bytes;
	return v;
}

void
fy_volume_close(struct fy_volume *v)
{
	if (v == NULL)
		return;
	if (v->ops->close != NULL)
		v->ops->close(v->handle);
	free(v->name);
	free(v);
}

uint64_t
fy_volume_size(const struct fy_volume *v)
{
	return v->size_bytes;
}

uint32_t
fy_volume_sector_bytes(const struct fy_volume *v)
{
	return v->sector_bytes;
}

const char *
fy_volume_name(const struct fy_volume *v)
{
	return v->name;
}

bool
fy_volume_is_writable(const struct fy_volume *v)
{
	return v->ops->pwrite != NULL;
}

void *
fy_volume_handle(const struct fy_volume *v, const struct fy_volume_ops *ops)
{
	return v->ops == ops ? v->handle : NULL;
}

static int
check_range(const struct fy_volume *v, size_t len, uint64_t offset,
	    const char *what, struct fy_error *err)
{
	uint64_t end;

	if (fy_add_u64(offset, len, &end) && end <= v->size_bytes)
		return 0;
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "%s: %s of %zu bytes at byte %llu is outside its "
			    "%llu bytes",
			    v->name, what, len, (unsigned long long)offset,
			    (unsigned long long)v->size_bytes);
}

int
fy_volume_pread(struct fy_volume *v, void *buf, size_t len, uint64_t offset,
		struct fy_error *err)
{
	if (len == 0)
		return 0;
	if (check_range(v, len, offset, "read", err) == -1)
		return -1;
	if (v->ops->pread(v->handle, buf, len, offset, err) == -1)
		return fy_error_prefix(err, "%s", v->name);
	return 0;
}

int
fy_volume_pwrite(struct fy_volume *v, const void *buf, size_t len,
		 uint64_t offset, struct fy_error *err)
{
	if (v->ops->pwrite == NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "%s is open for reading only", v->name);
	if (len == 0)
		return 0;
	if (check_range(v, len, offset, "write", err) == -1)
		return -1;
	if (v->ops->pwrite(v->handle, buf, len, offset, err) == -1)
		return fy_error_prefix(err, "%s", v->name);
	return 0;
}

int
fy_volume_flush(struct fy_volume *v, struct fy_error *err)
{
	if (v->ops->flush == NULL)
		return 0;
	if (v->ops->flush(v->handle, err) == -1)
		return fy_error_prefix(err, "%s", v->name);
	return 0;
}

int
fy_volume_data(struct fy_volume *v, struct fy_extents *ret,
	       struct fy_error *err)
{
	if (v->ops->data == NULL)
		return fy_extents_append(ret, 0, v->size_bytes, err);
	if (v->ops->data(v->handle, ret, err) == -1)
		return fy_error_prefix(err, "%s", v->name);
	return 0;
}

int
fy_volume_reopen(struct fy_volume *v, struct fy_error *err)
{
	if (v->ops->reopen == NULL)
		return 0;
	if (v->ops->reopen(v->handle, err) == -1)
		return fy_error_prefix(err, "%s", v->name);
	return 0;
}

/* --- a file or block device --------------------------------------------- */

#define DIRECT_ALIGN 4096u
#define BOUNCE_BYTES (256u * 1024)

struct path_volume {
	int fd;
	bool direct;
	bool regular;
	uint32_t align; /* what O_DIRECT asks of offsets and lengths */
	uint64_t size_bytes;
};

static int
path_pread_direct(struct path_volume *p, void *buf, size_t len, uint64_t offset,
		  struct fy_error *err)
{
	fy_autofree void *bounce = NULL;
	unsigned char *to = buf;
	uint64_t start, end;
	size_t n, skip;

	if (posix_memalign(&bounce, DIRECT_ALIGN, BOUNCE_BYTES) != 0) {
		bounce = NULL;
		return fy_error_nomem(err);
	}
	while (len > 0) {
		start = fy_align_down(offset, p->align);
		skip = (size_t)(offset - start);
		n = (size_t)fy_min_u64(len, BOUNCE_BYTES - skip);
		end = fy_align_up(offset + n, p->align);
		end = fy_min_u64(end, p->size_bytes);
		if (fy_fd_pread_full(p->fd, bounce, (size_t)(end - start),
				     start, err) == -1)
			return -1;
		memcpy(to, (unsigned char *)bounce + skip, n);
		to += n;
		len -= n;
		offset += n;
	}
	return 0;
}

static int
path_pread(void *handle, void *buf, size_t len, uint64_t offset,
	   struct fy_error *err)
{
	struct path_volume *p = handle;
	uintptr_t bits = (uintptr_t)buf | len | (uintptr_t)offset;

	if (p->direct && (bits & (DIRECT_ALIGN - 1)) != 0)
		return path_pread_direct(p, buf, len, offset, err);
	return fy_fd_pread_full(p->fd, buf, len, offset, err);
}

static int
path_pwrite(void *handle, const void *buf, size_t len, uint64_t offset,
	    struct fy_error *err)
{
	struct path_volume *p = handle;

	return fy_fd_pwrite_full(p->fd, buf, len, offset, err);
}

static int
path_flush(void *handle, struct fy_error *err)
{
	struct path_volume *p = handle;

	return fy_fd_datasync(p->fd, err);
}

static int
path_data(void *handle, struct fy_extents *ret, struct fy_error *err)
{
	struct path_volume *p = handle;
	off_t at = 0, end;

	if (!p->regular)
		return fy_extents_append(ret, 0, p->size_bytes, err);
	while ((uint64_t)at < p->size_bytes) {
		at = lseek(p->fd, at, SEEK_DATA);
		if (at == -1 && errno == ENXIO)
			return 0;
		if (at == -1)
			return fy_extents_append(ret, 0, p->size_bytes, err);
		end = lseek(p->fd, at, SEEK_HOLE);
		if (end == -1)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot find the holes");
		if (fy_extents_append(ret, (uint64_t)at, (uint64_t)(end - at),
				      err) == -1)
			return -1;
		at = end;
	}
	return 0;
}

static void
path_close(void *handle)
{
	struct path_volume *p = handle;

	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

/* Find out size and sector size; 'st' is of the open descriptor. */
static int
path_measure(struct path_volume *p, const struct stat *st,
	     uint32_t *sector_bytes, struct fy_error *err)
{
	int sector = 0;

	p->align = DIRECT_ALIGN;
	if (S_ISREG(st->st_mode)) {
		p->regular = true;
		p->size_bytes = (uint64_t)st->st_size;
		if (*sector_bytes == 0)
			*sector_bytes = 512;
		return 0;
	}
	if (!S_ISBLK(st->st_mode))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "not a regular file or block device");
	if (ioctl(p->fd, BLKGETSIZE64, &p->size_bytes) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot ask for its size");
	if (ioctl(p->fd, BLKSSZGET, &sector) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot ask for its sector size");
	if (sector >= 512 && (uint32_t)sector < DIRECT_ALIGN)
		p->align = (uint32_t)sector;
	if (*sector_bytes == 0)
		*sector_bytes = (uint32_t)sector;
	return 0;
}

/* By the descriptor, for the path may be another device's by now.  Where /proc
 * is missing, the old one does. */
static int
path_reopen(void *handle, struct fy_error *err)
{
	struct path_volume *p = handle, now = { .fd = -1 };
	int mode = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
	fy_autofd int fd = -1;
	uint32_t sector = 0;
	struct stat st;
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", p->fd);
	if (p->direct)
		mode |= O_DIRECT;
	fd = open(path, mode);
	if (fd == -1 && (errno == ENOENT || errno == EACCES))
		return 0;
	if (fd == -1 || fstat(fd, &st) == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "it can't be opened any more");
	now.fd = fd;
	if (path_measure(&now, &st, &sector, err) == -1)
		return -1;
	if (now.size_bytes != p->size_bytes)
		return fy_error_set(err, FY_E_IO, 0,
				    "it has %llu bytes now, not %llu as before",
				    (unsigned long long)now.size_bytes,
				    (unsigned long long)p->size_bytes);
	close(p->fd);
	p->fd = fy_steal_fd(&fd);
	return 0;
}

static const struct fy_volume_ops path_ops_ro = {
	.pread = path_pread,
	.data = path_data,
	.reopen = path_reopen,
	.close = path_close,
};

static const struct fy_volume_ops path_ops_rw = {
	.pread = path_pread,
	.pwrite = path_pwrite,
	.flush = path_flush,
	.data = path_data,
	.close = path_close,
};

int
fy_volume_open_path(const char *path, enum fy_volume_flags flags,
		    uint32_t sector_bytes, struct fy_volume **ret,
		    struct fy_error *err)
{
	int mode = O_CLOEXEC | O_NONBLOCK;
	struct path_volume *p;
	struct stat st;

	mode |= (flags & FY_VOLUME_WRITABLE) ? O_RDWR : O_RDONLY;
	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode)) {
		if ((flags & FY_VOLUME_WRITABLE) && !(flags & FY_VOLUME_SHARED))
			mode |= O_EXCL;
		if (flags & FY_VOLUME_DIRECT)
			mode |= O_DIRECT;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return fy_error_nomem(err);
	p->direct = (mode & O_DIRECT) != 0;
	p->fd = open(path, mode);
	if (p->fd == -1) {
		enum fy_error_code code = errno == EBUSY    ? FY_E_BUSY
					  : errno == ENOENT ? FY_E_NOTFOUND
							    : FY_E_IO;

		fy_error_set(err, code, errno, "cannot open '%s'", path);
		free(p);
		return -1;
	}
	if (fstat(p->fd, &st) == -1 ||
	    path_measure(p, &st, &sector_bytes, err) == -1) {
		fy_error_set(err, FY_E_IO, errno, "cannot look at it");
		path_close(p);
		return fy_error_prefix(err, "'%s'", path);
	}
	*ret = fy_volume_new((flags & FY_VOLUME_WRITABLE) ? &path_ops_rw
							  : &path_ops_ro,
			     p, path, p->size_bytes, sector_bytes, err);
	return *ret == NULL ? -1 : 0;
}

int
fy_volume_fd(const struct fy_volume *v)
{
	const struct path_volume *p;

	if (v->ops != &path_ops_ro && v->ops != &path_ops_rw)
		return -1;
	p = v->handle;
	return p->fd;
}

/* --- a window of another volume ------------------------------------------ */

struct slice_volume {
	struct fy_volume *parent;
	uint64_t start, length;
};

static int
slice_pread(void *handle, void *buf, size_t len, uint64_t offset,
	    struct fy_error *err)
{
	struct slice_volume *s = handle;

	return fy_volume_pread(s->parent, buf, len, s->start + offset, err);
}

static int
slice_pwrite(void *handle, const void *buf, size_t len, uint64_t offset,
	     struct fy_error *err)
{
	struct slice_volume *s = handle;

	return fy_volume_pwrite(s->parent, buf, len, s->start + offset, err);
}

static int
slice_flush(void *handle, struct fy_error *err)
{
	struct slice_volume *s = handle;

	return fy_volume_flush(s->parent, err);
}

static int
slice_data(void *handle, struct fy_extents *ret, struct fy_error *err)
{
	struct slice_volume *s = handle;
	fy_autoextents struct fy_extents *all = NULL;
	struct fy_extents_cursor c;
	struct fy_extent x;
	uint64_t from, to;
	int r;

	all = fy_extents_new(err);
	if (all == NULL || fy_volume_data(s->parent, all, err) == -1)
		return -1;
	fy_extents_cursor_init(&c, all);
	while ((r = fy_extents_next(&c, &x, err)) == 1) {
		from = fy_max_u64(x.offset, s->start);
		to = fy_min_u64(x.offset + x.length, s->start + s->length);
		if (from < to && fy_extents_append(ret, from - s->start,
						   to - from, err) == -1)
			return -1;
	}
	return r;
}

static const struct fy_volume_ops slice_ops_ro = {
	.pread = slice_pread,
	.data = slice_data,
	.close = free,
};

static const struct fy_volume_ops slice_ops_rw = {
	.pread = slice_pread,
	.pwrite = slice_pwrite,
	.flush = slice_flush,
	.data = slice_data,
	.close = free,
};

int
fy_volume_slice(struct fy_volume *parent, uint64_t start, uint64_t length,
		const char *name, struct fy_volume **ret, struct fy_error *err)
{
	struct slice_volume *s;
	uint64_t end;

	if (!fy_add_u64(start, length, &end) || end > parent->size_bytes)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%s reaches outside %s", name,
				    parent->name);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return fy_error_nomem(err);
	s->parent = parent;
	s->start = start;
	s->length = length;
	*ret = fy_volume_new(parent->ops->pwrite != NULL ? &slice_ops_rw
							 : &slice_ops_ro,
			     s, name, length, parent->sector_bytes, err);
	return *ret == NULL ? -1 : 0;
}
