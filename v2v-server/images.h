/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_IMAGES_H
#define FY_IMAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/volume.h"
#include "drivers-inject/inject.h"

struct fy_session;

/* The finished images of one machine, open as volumes, in its disks' order. */
struct fy_images {
	struct fy_volume *volumes[64];
	size_t n;
};

struct fy_images *fy_images_new(struct fy_error *err);
void fy_images_close(struct fy_images *images); /* NULL is fine */
FY_DEFINE_AUTO(images, struct fy_images, fy_images_close)

/* Open one more.  'format': "raw", "qcow2", or NULL: by what is in the file. */
int fy_images_add(struct fy_images *images, const char *path,
		  const char *format, uint32_t sector_bytes, bool writable,
		  struct fy_error *err);

/* The session's images in NAME.partial. */
int fy_session_open_images(struct fy_session *s, bool writable,
			   struct fy_images **ret, struct fy_error *err);

#endif
