/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What lies on a volume: the drivers are asked, and the table of signatures.
 *
 * One answer must be left.  A member of an array, a volume group or something
 * encrypted wins, as for libblkid, for what else is seen then lies inside it.
 * Two filesystems at once mean that one of them is a remnant, and nothing says
 * which: the volume is copied whole.  A weak signature counts when it is the
 * only one.
 */
#include "partclone/filesystem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/signature.h"

/* clang-format off */ /* one a line */
static const struct fy_fs_driver *const drivers[] = {
	&fy_fs_apfs,
	&fy_fs_btrfs,
	&fy_fs_exfat,
	&fy_fs_ext,
	&fy_fs_f2fs,
	&fy_fs_fat,
	&fy_fs_jfs,
	&fy_fs_minix,
	&fy_fs_nilfs2,
	&fy_fs_ntfs,
	&fy_fs_reiserfs,
	&fy_fs_swap,
	&fy_fs_ufs,
	&fy_fs_xfs,
};
/* clang-format on */

#define N_DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

/* The drivers' answers; '*ret_n' says how many took the volume, 'ret' is the
 * first one's, 'also' the second one's name. */
static int
ask_drivers(struct fy_volume *v, struct fy_fs_info *ret, size_t *ret_n,
	    const char **also, struct fy_error *err)
{
	size_t i, n = 0;
	int r;

	for (i = 0; i < N_DRIVERS; i++) {
		struct fy_fs_info info = { 0 };

		if (drivers[i]->probe == NULL)
			continue;
		r = drivers[i]->probe(v, &info, err);
		if (r == -1)
			return -1;
		if (r == 0)
			continue;
		info.driver = drivers[i];
		if (n++ == 0)
			*ret = info;
		else
			*also = info.name;
	}
	*ret_n = n;
	return 0;
}

static const struct fy_signature_hit *
first_of(const struct fy_signature_hit *hits, size_t n,
	 enum fy_signature_class class)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (hits[i].signature->class == class)
			return &hits[i];
	return NULL;
}

/* A filesystem of another name than 'hit' among the rest. */
static const char *
second_filesystem(const struct fy_signature_hit *hits, size_t n,
		  const struct fy_signature_hit *hit)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (hits[i].signature->class == FY_SIGNATURE_FILESYSTEM &&
		    strcmp(hits[i].signature->name, hit->signature->name) != 0)
			return hits[i].signature->name;
	return NULL;
}

/* The driver for a filesystem that the table of signatures knows by 'name'. */
static const struct fy_fs_driver *
driver_of(const char *name)
{
	size_t i;

	for (i = 0; i < N_DRIVERS; i++)
		if (drivers[i]->probe == NULL &&
		    strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	return NULL;
}

static int
use_hit(struct fy_volume *v, const struct fy_signature_hit *hit,
	struct fy_fs_info *ret, struct fy_error *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->name = hit->signature->name;
	if (hit->signature->class != FY_SIGNATURE_MEMBER)
		ret->driver = driver_of(ret->name);
	if (ret->driver == NULL)
		snprintf(ret->note, sizeof(ret->note),
			 hit->signature->class == FY_SIGNATURE_MEMBER
				 ? "%s: its inside is not mapped"
				 : "no map of %s can be read yet",
			 ret->name);
	return fy_signature_details(v, hit, ret, err);
}

static void
ambiguous(struct fy_fs_info *ret, const char *other)
{
	ret->driver = NULL;
	snprintf(ret->note, sizeof(ret->note),
		 "holds the signatures of %s and %s", ret->name, other);
}

int
fy_fs_whole(struct fy_fs_result *ret, bool warn, const char *fmt, ...)
{
	va_list ap;

	ret->whole = true;
	ret->warn = warn;
	va_start(ap, fmt);
	vsnprintf(ret->note, sizeof(ret->note), fmt, ap);
	va_end(ap);
	return 0;
}

int
fy_fs_identify(struct fy_volume *v, struct fy_fs_info *ret,
	       struct fy_error *err)
{
	struct fy_signature_hit hits[FY_SIGNATURE_HITS];
	const struct fy_signature_hit *member, *fs, *weak;
	const char *also = NULL;
	size_t n, taken;

	memset(ret, 0, sizeof(*ret));
	if (fy_signatures_find(v, hits, &n, err) == -1)
		return -1;
	member = first_of(hits, n, FY_SIGNATURE_MEMBER);
	fs = first_of(hits, n, FY_SIGNATURE_FILESYSTEM);
	weak = first_of(hits, n, FY_SIGNATURE_WEAK);
	if (member != NULL)
		return use_hit(v, member, ret, err);
	if (ask_drivers(v, ret, &taken, &also, err) == -1)
		return -1;
	if (taken > 0) {
		if (fs != NULL)
			also = fs->signature->name;
		if (also != NULL)
			ambiguous(ret, also);
		return 0;
	}
	if (fs != NULL) {
		if (use_hit(v, fs, ret, err) == -1)
			return -1;
		also = second_filesystem(hits, n, fs);
		if (also != NULL)
			ambiguous(ret, also);
		return 0;
	}
	if (weak != NULL)
		return use_hit(v, weak, ret, err);
	return 0;
}

int
fy_fs_map(struct fy_volume *v, const struct fy_fs_info *info,
	  const struct fy_fs_map_options *options, struct fy_extents *used,
	  struct fy_fs_result *ret, struct fy_error *err)
{
	struct fy_extents_mark mark;
	uint64_t size = fy_volume_size(v);

	memset(ret, 0, sizeof(*ret));
	ret->bytes = size;
	fy_extents_take_mark(used, &mark);
	if (info->driver == NULL) {
		ret->whole = true;
		fy_copy_field(ret->note, sizeof(ret->note), info->note,
			      sizeof(info->note));
		if (info->name == NULL)
			fy_copy_field(ret->note, sizeof(ret->note),
				      "nothing recognised", 19);
	} else if (info->driver->read_map(v, options, used, ret, err) == -1) {
		fy_extents_cut(used, &mark);
		return -1;
	}
	if (!ret->whole)
		return 0;
	fy_extents_cut(used, &mark);
	ret->bytes = size;
	return fy_extents_append(used, 0, size, err);
}
