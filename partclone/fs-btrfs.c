/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Btrfs: the driver.  btrfs-open.c finds out whether there can be a map,
 * btrfs-map.c reads it.
 *
 * What is committed is whole at any time, so a filesystem that was not
 * unmounted is no trouble, with one exception: blocks of the log that fsync
 * leaves are in no tree of extents.  With a log there is no map.
 */
#include "partclone/filesystem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/btrfs.h"
#include "partclone/signature.h"

static void
describe(const struct fy_btrfs_report *report, struct fy_fs_result *ret)
{
	if (report->damaged_chunks == 0)
		return;
	ret->warn = true;
	snprintf(ret->note, sizeof(ret->note),
		 "%" PRIu64 " of %" PRIu64
		 " chunks contradict their block groups and are copied whole",
		 report->damaged_chunks, report->chunks);
}

/* What lies behind the filesystem on each volume.  With one volume the caller
 * does that, and better. */
static int
append_tails(const struct fy_btrfs *fs, struct fy_extents *const *used,
	     struct fy_error *err)
{
	size_t i;

	for (i = 0; i < fs->n_devices; i++) {
		const struct fy_btrfs_device *d = &fs->devices[i];
		uint64_t size = fy_volume_size(d->volume);

		if (fy_extents_append(used[i], d->bytes, size - d->bytes,
				      err) == -1)
			return -1;
	}
	return 0;
}

static int
map(struct fy_volume *const *v, size_t n,
    const struct fy_fs_map_options *options, struct fy_extents *const *used,
    struct fy_fs_result *ret, struct fy_error *err)
{
	struct fy_btrfs_report report = { 0 };
	struct fy_btrfs fs;
	int r;

	r = fy_btrfs_open(v, n, 0, options->stop, &fs, err);
	if (r == 0)
		r = fy_btrfs_map(&fs, used, &report, err);
	if (r == 0 && n > 1)
		r = append_tails(&fs, used, err);
	if (r == 0 && n == 1)
		ret->bytes = fs.devices[0].bytes;
	fy_btrfs_release(&fs);
	if (r == 0)
		describe(&report, ret);
	return r;
}

static int
read_map_set(struct fy_volume *const *v, size_t n,
	     const struct fy_fs_map_options *options,
	     struct fy_extents *const *used, struct fy_fs_result *ret,
	     struct fy_error *err)
{
	struct fy_error failure = { 0 };

	if (map(v, n, options, used, ret, &failure) == 0)
		return 0;
	if (failure.code == FY_E_UNSUPPORTED)
		return fy_fs_whole(ret, true, "%.250s", failure.msg);
	if (failure.code == FY_E_FORMAT)
		return fy_fs_whole(ret, true, "damaged: %.240s", failure.msg);
	if (failure.code == FY_E_DIRTY && options->allow_dirty)
		return fy_fs_whole(ret, true, "unclean: %.240s", failure.msg);
	if (failure.code == FY_E_DIRTY)
		return fy_error_set(
			err, FY_E_DIRTY, 0,
			"the filesystem is unclean, so its map is not safe: "
			"%s; mount and unmount it once, or allow it to be "
			"copied whole (--allow-dirty)",
			failure.msg);
	*err = failure;
	return -1;
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	return read_map_set(&v, 1, options, &used, ret, err);
}

/* One whose superblock is damaged is a member of nothing. */
static int
member(struct fy_volume *v, struct fy_fs_member *ret, struct fy_error *err)
{
	struct fy_error failure = { 0 };
	struct fy_btrfs_super s;

	memset(ret, 0, sizeof(*ret));
	ret->n = 1;
	if (fy_btrfs_read_super(v, 0, &s, &failure) == -1) {
		if (failure.code == FY_E_FORMAT)
			return 0;
		*err = failure;
		return -1;
	}
	fy_put_uuid(ret->set, s.fsid);
	ret->id = s.device_id;
	ret->n = s.devices;
	return 0;
}

const struct fy_fs_driver fy_fs_btrfs = {
	.name = "btrfs",
	.read_map = read_map,
	.member = member,
	.read_map_set = read_map_set,
};
