/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_VOLUME_H
#define FY_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/extents.h"

/*
 * Something with bytes: a disk, a partition of it, an image, an LV, an
 * overlay.  Filesystem drivers, table readers and the injection read and
 * write through this only, never by path.
 *
 * Threads: preads of one volume may run at the same time unless the
 * constructor says otherwise; writers are alone.
 */
struct fy_volume;

struct fy_volume_ops {
	/* All bytes or an error; the range has been checked already. */
	int (*pread)(void *handle, void *buf, size_t len, uint64_t offset,
		     struct fy_error *err);
	/* NULL: read-only. */
	int (*pwrite)(void *handle, const void *buf, size_t len,
		      uint64_t offset, struct fy_error *err);
	int (*flush)(void *handle, struct fy_error *err); /* NULL: no-op */
	/* Append the ranges of [0, size) that may hold something other than
	 * zeros.  NULL: all of it. */
	int (*data)(void *handle, struct fy_extents *ret, struct fy_error *err);
	/* See fy_volume_reopen; NULL: nothing to do. */
	int (*reopen)(void *handle, struct fy_error *err);
	void (*close)(void *handle); /* frees the handle; NULL: nothing */
};

/* Takes 'handle' (closed by fy_volume_close, and on failure).  'name' is for
 * messages and is copied. */
struct fy_volume *fy_volume_new(const struct fy_volume_ops *ops, void *handle,
				const char *name, uint64_t size_bytes,
				uint32_t sector_bytes, struct fy_error *err);
void fy_volume_close(struct fy_volume *v); /* NULL is fine */
FY_DEFINE_AUTO(volume, struct fy_volume, fy_volume_close)
#define fy_autovolume FY_AUTO(volume)

uint64_t fy_volume_size(const struct fy_volume *v);
uint32_t fy_volume_sector_bytes(const struct fy_volume *v); /* 512, 4096 */
const char *fy_volume_name(const struct fy_volume *v);
bool fy_volume_is_writable(const struct fy_volume *v);
/* The handle of a volume that was made with these 'ops', else NULL: for the
 * functions that a kind of volume has besides the common ones. */
void *fy_volume_handle(const struct fy_volume *v,
		       const struct fy_volume_ops *ops);
/* The descriptor behind a volume that fy_volume_open_path made, else -1. */
int fy_volume_fd(const struct fy_volume *v);

/* Never short.  A range outside the volume is FY_E_FORMAT. */
int fy_volume_pread(struct fy_volume *v, void *buf, size_t len, uint64_t offset,
		    struct fy_error *err);
/* A read-only volume is FY_E_UNSUPPORTED. */
int fy_volume_pwrite(struct fy_volume *v, const void *buf, size_t len,
		     uint64_t offset, struct fy_error *err);
int fy_volume_flush(struct fy_volume *v, struct fy_error *err);
int fy_volume_data(struct fy_volume *v, struct fy_extents *ret,
		   struct fy_error *err);

/*
 * Open what is behind the volume once more, by the same descriptor: after a
 * failed read the kernel keeps reading in small pieces for one that was open
 * then.  FY_E_IO when it has gone, or has another size than before; the volume
 * stays as it was then.  No pread may run meanwhile.  A writable volume, and
 * one that has nothing to open, is left alone.
 */
int fy_volume_reopen(struct fy_volume *v, struct fy_error *err);

enum fy_volume_flags {
	FY_VOLUME_WRITABLE = 1,
	/* For a sequential reader of a block device: O_DIRECT.  Buffers,
	 * offsets and lengths of preads are then bounced if not aligned to
	 * 4096, rounded outwards to whole sectors of the device. */
	FY_VOLUME_DIRECT = 2,
	/* Open a device that is in use (mounted) all the same. */
	FY_VOLUME_SHARED = 4,
};

/*
 * A regular file or block device.  'sector_bytes' 0: the device's own, 512 for
 * a file.  A block device is opened with O_EXCL when FY_VOLUME_WRITABLE is
 * given without FY_VOLUME_SHARED (FY_E_BUSY when it is in use).
 */
int fy_volume_open_path(const char *path, enum fy_volume_flags flags,
			uint32_t sector_bytes, struct fy_volume **ret,
			struct fy_error *err);

/* A window of 'parent' (borrowed: it must outlive the slice). */
int fy_volume_slice(struct fy_volume *parent, uint64_t start, uint64_t length,
		    const char *name, struct fy_volume **ret,
		    struct fy_error *err);

#endif
