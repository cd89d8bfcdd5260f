/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The images of a machine as volumes.
 */
#include "v2v-server/images.h"

#include <stdlib.h>

#include "common/file.h"
#include "imaging/source.h"
#include "v2v-server/session.h"

struct fy_images *
fy_images_new(struct fy_error *err)
{
	struct fy_images *images = calloc(1, sizeof(*images));

	if (images == NULL)
		fy_error_nomem(err);
	return images;
}

void
fy_images_close(struct fy_images *images)
{
	size_t i;

	for (i = 0; images != NULL && i < images->n; i++)
		fy_volume_close(images->volumes[i]);
	free(images);
}

int
fy_images_add(struct fy_images *images, const char *path, const char *format,
	      uint32_t sector_bytes, bool writable, struct fy_error *err)
{
	if (images->n == sizeof(images->volumes) / sizeof(images->volumes[0]))
		return fy_error_set(err, FY_E_USAGE, 0, "too many disks");
	if (fy_image_open_sectors(path, format, writable, sector_bytes,
				  &images->volumes[images->n], err) == -1)
		return -1;
	images->n++;
	return 0;
}

int
fy_session_open_images(struct fy_session *s, bool writable,
		       struct fy_images **ret, struct fy_error *err)
{
	FY_AUTO(images) struct fy_images *images = fy_images_new(err);
	unsigned i;

	if (images == NULL)
		return -1;
	for (i = 0; i < s->n_disks; i++) {
		fy_autofree char *path = NULL;

		path = fy_format(err, "%s/%s", s->dir->path, s->disks[i].file);
		if (path == NULL ||
		    fy_images_add(images, path, s->job->format,
				  s->disks[i].params.sector_bytes, writable,
				  err) == -1)
			return -1;
	}
	*ret = fy_steal_ptr(&images);
	return 0;
}
