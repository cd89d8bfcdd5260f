/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NTFS: the device that libntfs-3g reads and writes, which is a volume.  It
 * counts the reads of each call, for the library follows indexes and runs
 * without asking how long that takes.
 */
#include "drivers-inject/guest-ntfs-internal.h"

#include "common/bytes.h"

#define MAX_READS  (1u << 20) /* of one call */
#define READ_BYTES 4096u      /* that count as one more */
#define BLOCK	   4096

/* --- the device ------------------------------------------------------------ */

static struct fy_ntfs_guest *
ntfs_of(struct ntfs_device *dev)
{
	return dev->d_private;
}

static int
dev_open(struct ntfs_device *dev, int flags)
{
	if (NDevOpen(dev)) {
		errno = EBUSY;
		return -1;
	}
	if ((flags & O_ACCMODE) == O_RDONLY)
		NDevSetReadOnly(dev);
	NDevSetOpen(dev);
	return 0;
}

static int
dev_close(struct ntfs_device *dev)
{
	dev->d_state &= ~(1UL << ND_Open);
	return 0;
}

static s64
dev_seek(struct ntfs_device *dev, s64 offset, int whence)
{
	struct fy_ntfs_guest *n = ntfs_of(dev);
	s64 base = whence == SEEK_CUR	? n->position
		   : whence == SEEK_END ? (s64)fy_volume_size(n->io)
					: 0;

	if (__builtin_add_overflow(base, offset, &base) || base < 0) {
		errno = EINVAL;
		return -1;
	}
	n->position = base;
	return base;
}

/* How much of the range is on the volume; -1 when nothing may be. */
static s64
clamp(const struct fy_ntfs_guest *n, s64 count, s64 offset)
{
	uint64_t size = fy_volume_size(n->io);

	if (count < 0 || offset < 0) {
		errno = EINVAL;
		return -1;
	}
	if ((uint64_t)offset >= size)
		return 0;
	return (s64)fy_min_u64((uint64_t)count, size - (uint64_t)offset);
}

static s64
dev_pread(struct ntfs_device *dev, void *buf, s64 count, s64 offset)
{
	struct fy_ntfs_guest *n = ntfs_of(dev);
	s64 len = clamp(n, count, offset);

	if (len <= 0)
		return len;
	n->reads += 1 + (uint64_t)len / READ_BYTES;
	if (n->reads > MAX_READS)
		fy_error_set(&n->failure, FY_E_FORMAT, 0,
			     "the filesystem's structures don't come to an "
			     "end");
	if (n->reads > MAX_READS ||
	    fy_volume_pread(n->io, buf, (size_t)len, (uint64_t)offset,
			    &n->failure) == -1) {
		errno = EIO;
		return -1;
	}
	return len;
}

static s64
dev_pwrite(struct ntfs_device *dev, const void *buf, s64 count, s64 offset)
{
	struct fy_ntfs_guest *n = ntfs_of(dev);
	s64 len = clamp(n, count, offset);

	if (n->overlay == NULL || NDevReadOnly(dev)) {
		errno = EROFS;
		return -1;
	}
	if (len <= 0)
		return len;
	if (fy_volume_pwrite(n->io, buf, (size_t)len, (uint64_t)offset,
			     &n->failure) == -1) {
		errno = EIO;
		return -1;
	}
	NDevSetDirty(dev);
	return len;
}

static s64
dev_read(struct ntfs_device *dev, void *buf, s64 count)
{
	s64 len = dev_pread(dev, buf, count, ntfs_of(dev)->position);

	if (len > 0)
		ntfs_of(dev)->position += len;
	return len;
}

static s64
dev_write(struct ntfs_device *dev, const void *buf, s64 count)
{
	s64 len = dev_pwrite(dev, buf, count, ntfs_of(dev)->position);

	if (len > 0)
		ntfs_of(dev)->position += len;
	return len;
}

static int
dev_sync(struct ntfs_device *dev)
{
	dev->d_state &= ~(1UL << ND_Dirty);
	return 0;
}

static int
dev_stat(struct ntfs_device *dev, struct stat *st)
{
	struct fy_ntfs_guest *n = ntfs_of(dev);

	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFREG | 0600;
	st->st_size = (off_t)fy_volume_size(n->io);
	st->st_blksize = BLOCK;
	st->st_blocks = st->st_size / 512;
	return 0;
}

static int
dev_ioctl(struct ntfs_device *dev, unsigned long request, void *argp)
{
	(void)dev;
	(void)request;
	(void)argp;
	errno = EOPNOTSUPP;
	return -1;
}

struct ntfs_device_operations fy_ntfs_device = {
	.open = dev_open,
	.close = dev_close,
	.seek = dev_seek,
	.read = dev_read,
	.write = dev_write,
	.pread = dev_pread,
	.pwrite = dev_pwrite,
	.sync = dev_sync,
	.stat = dev_stat,
	.ioctl = dev_ioctl,
};
