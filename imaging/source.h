/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SOURCE_H
#define FY_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/volume.h"

/*
 * Images as volumes.  raw files and block devices are opened by ourselves, all
 * other formats through qemu-nbd on a socket of our own.
 */

/*
 * The format of an image by its magic bytes, as QEMU calls it: "raw" when
 * nothing is recognised ('*ret' is a constant string).
 */
int fy_image_probe_format(const char *path, const char **ret,
			  struct fy_error *err);

/*
 * The same for an open volume, with the refusals that fy_image_open has when
 * nobody named the format: FY_E_DENIED, FY_E_UNSUPPORTED.
 */
int fy_image_probe_volume(struct fy_volume *v, const char **ret,
			  struct fy_error *err);

/*
 * Open an image.
 *
 * 'format' is QEMU's name of it, or NULL: then it is probed, and an image that
 * leads to other files (a backing file, an external data file, extents) is
 * refused, since what looks like one may be a raw disk whose guest wrote that
 * header to read the host's files; so are formats whose headers we don't read.
 * By its name every format is opened that qemu-nbd has, with what it leads to in
 * the image's own directory: qemu-nbd is held to that by Landlock.
 *
 * 'sector_bytes' is what the volume says of itself; 0: 512, or the device's.
 *
 * Returns: 0, or -1:
 *   FY_E_NOTFOUND     no such file; qemu-nbd is not installed
 *   FY_E_DENIED       it leads to other files, and 'format' is NULL
 *   FY_E_UNSUPPORTED  the format must be named
 *   FY_E_BUSY         the device or the image is in use
 *   FY_E_CHILD        qemu-nbd can't open it (its words are in the message)
 *   FY_E_FORMAT       'format' is no name
 * Threads: as fy_volume.h says; but qemu-nbd dies with the thread that called
 * this, so that must not end before the volume is closed.
 * Writers: what fy_volume_flush succeeded on is durable; closing waits for the
 * end of qemu-nbd.
 */
int fy_image_open(const char *path, const char *format, bool writable,
		  struct fy_volume **ret, struct fy_error *err);
int fy_image_open_sectors(const char *path, const char *format, bool writable,
			  uint32_t sector_bytes, struct fy_volume **ret,
			  struct fy_error *err);

/*
 * Ask the kernel to drop what it has cached of a file that is synced, so that
 * the next reads come from the medium.  Best effort.
 */
void fy_image_drop_cache(const char *path);

/* Through qemu-nbd in any case; 'path' is absolute. */
int fy_source_nbd_open(const char *path, const char *format, bool writable,
		       uint32_t sector_bytes, struct fy_volume **ret,
		       struct fy_error *err);

#endif
