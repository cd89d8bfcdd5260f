/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PARTCLONE_TEST_DRIVER_H
#define FY_PARTCLONE_TEST_DRIVER_H

/*
 * What the unit tests of drivers without a probe of their own have in common:
 * a map by the driver, one that must be all of the volume, one that is refused.
 */
#include "partclone/filesystem.h"
#include "partclone/test-image.h"

/* The volume must be taken by 'd'. */
static inline int
driver_map(const struct fy_fs_driver *d, const struct image *m,
	   bool allow_dirty, struct fy_extents *used, struct fy_fs_result *ret,
	   struct fy_error *err)
{
	const struct fy_fs_map_options options = { .allow_dirty = allow_dirty };
	struct fy_fs_info info;

	CHECK_OK(fy_fs_identify(m->volume, &info, err), err);
	CHECK(info.driver == d && fy_streq(info.name, d->name));
	return fy_fs_map(m->volume, &info, &options, used, ret, err);
}

/* With a warning that says 'note'. */
static inline void
driver_expect_whole(const struct fy_fs_driver *d, const struct image *m,
		    const char *note)
{
	struct fy_error err = { 0 };
	fy_autoextents struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;

	CHECK_OK(driver_map(d, m, true, used, &result, &err), &err);
	CHECK(result.whole && result.warn);
	if (strstr(result.note, note) == NULL)
		fprintf(stderr, "note: %s\n", result.note);
	CHECK(strstr(result.note, note) != NULL);
	CHECK(extents_are(used, (uint64_t[]){ 0, m->size, 0, 0 }));
}

static inline void
driver_expect_refused(const struct fy_fs_driver *d, const struct image *m,
		      enum fy_error_code code, const char *say)
{
	struct fy_error err = { 0 };
	fy_autoextents struct fy_extents *used = fy_extents_new(&err);
	struct fy_fs_result result;

	CHECK(driver_map(d, m, false, used, &result, &err) == -1);
	CHECK(err.code == code && strstr(err.msg, say) != NULL);
	CHECK(fy_extents_count(used) == 0);
}

#endif
