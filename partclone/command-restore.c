/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `used-blocks restore`: an image to a device, a file or standard output.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "partclone/clonezilla.h"
#include "partclone/restore.h"

static int
damaged(const char *image, struct fy_error *err)
{
	return fy_error_set(err, FY_E_CORRUPT, 0,
			    "%s is damaged: what could be had was restored, "
			    "but it is not what was saved",
			    image);
}

static int
restore_volume(const struct fy_used_options *o, const char *image,
	       const char *target, struct fy_progress *progress,
	       struct fy_error *err)
{
	FY_AUTO(unpack) struct fy_unpack *in = NULL;
	FY_AUTO(ptcl_reader) struct fy_ptcl_reader *r = NULL;
	FY_AUTO(target) struct fy_target *t = NULL;
	struct fy_used_result result = { 0 };
	struct fy_damage damage = { 0 };
	double begin = fy_used_now();
	const struct fy_ptcl_header *h;

	if (fy_unpack_open(image, &in, err) == -1 ||
	    fy_ptcl_open(in, o->stop, &r, err) == -1)
		return -1;
	h = fy_ptcl_header(r);
	result.disk_bytes = h->device_bytes;
	result.used_bytes = fy_extents_bytes(fy_ptcl_used(r));
	fy_progress_phase(progress, "restore", result.used_bytes);
	if (fy_target_open(target, h->device_bytes, o->force, &t, err) == -1 ||
	    fy_restore_image(o, r, t, 0, &damage, progress, err) == -1 ||
	    fy_restore_ntfs_copy(r, &damage, t, 0, err) == -1 ||
	    fy_target_finish(t, err) == -1)
		return -1;
	fy_progress_stop(progress);
	/* Of use when all of a disk was restored. */
	fy_target_reread_table(t);
	result.stored_bytes = fy_unpack_packed(in);
	result.seconds = fy_used_now() - begin;
	if (damage.n > 0)
		return damaged(image, err);
	return fy_used_tell(o, "restored", h->filesystem, &result, err);
}

static int
restore_disk(const struct fy_used_options *o, const char *image,
	     const char *target, struct fy_progress *progress,
	     struct fy_error *err)
{
	FY_AUTO(cz_image) struct fy_cz_image *c = NULL;
	FY_AUTO(target) struct fy_target *t = NULL;
	struct fy_used_result result = { 0 };
	double begin = fy_used_now();
	uint64_t damage = 0;

	if (fy_cz_open(image, o->only, &c, err) == -1 ||
	    fy_target_open(target, c->bytes, o->force, &t, err) == -1 ||
	    fy_cz_restore(o, c, t, progress, &result, &damage, err) == -1 ||
	    fy_target_finish(t, err) == -1)
		return -1;
	fy_progress_stop(progress);
	if (!fy_target_reread_table(t))
		fy_used_warn("the kernel could not read the partition table of "
			     "'%s' anew: do it by partprobe, or restart",
			     target);
	result.seconds = fy_used_now() - begin;
	if (damage > 0)
		return damaged(image, err);
	return fy_used_tell(o, "restored", c->disk, &result, err);
}

static int
check_words(const struct fy_used_options *o, const char *image,
	    const char *target, struct fy_error *err)
{
	if (strcmp(target, "-") == 0 && (o->json || o->verify))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--json and --verify exclude standard "
				    "output as the target");
	if (o->only != NULL && !fy_cz_is_image(image))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--only chooses a disk in a directory of "
				    "Clonezilla's; '%s' is none",
				    image);
	return 0;
}

int
fy_used_restore(const struct fy_used_options *o, const char *image,
		const char *target, struct fy_error *err)
{
	struct fy_progress progress = { 0 };
	int r;

	if (check_words(o, image, target, err) == -1 ||
	    fy_progress_start(&progress, (enum fy_progress_mode)o->progress,
			      NULL, NULL, 500, err) == -1)
		return -1;
	r = fy_cz_is_image(image)
		    ? restore_disk(o, image, target, &progress, err)
		    : restore_volume(o, image, target, &progress, err);
	fy_progress_stop(&progress);
	return r;
}
