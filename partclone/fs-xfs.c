/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XFS, versions 4 and 5: the driver.  Which filesystems there can be a map of,
 * and what is done with the others; xfs-map.c reads the map.
 *
 * While the log holds changes that are not in place yet, the btrees of free
 * space on the disk are not true: what is free in them may be in use after the
 * replay.  There is no replay beside the disk, so such a filesystem is refused
 * (or used whole, when that is allowed): one mount and unmount mends it.
 */
#include "partclone/filesystem.h"

#include <stdio.h>

#include "common/bytes.h"
#include "common/cache.h"
#include "partclone/xfs-log.h"
#include "partclone/xfs-map.h"
#include "partclone/xfs-super.h"

/* AGs are 16 MiB and more; a filesystem grown from that to 64 TiB. */
#define MAX_AGS	    (4u << 20)
#define CACHE_LINE  (16 * 1024)
#define CACHE_LINES 128

/* Where no copy of this volume alone is usable. */
static int
refuse_incomplete(const struct fy_fs_map_options *options, const char *what,
		  struct fy_fs_result *ret, struct fy_error *err)
{
	if (options->allow_dirty)
		return fy_fs_whole(ret, true, "%s is on another device", what);
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "%s is on another device, without which a copy is "
			    "not usable; have the volume copied whole, and "
			    "that device too",
			    what);
}

static int
refuse_dirty(const struct fy_fs_map_options *options, const char *why,
	     const char *cure, struct fy_fs_result *ret, struct fy_error *err)
{
	if (options->allow_dirty)
		return fy_fs_whole(ret, true, "unclean: %s", why);
	return fy_error_set(err, FY_E_DIRTY, 0,
			    "the filesystem is unclean, so its map is not "
			    "safe: %s; %s, or allow it to be copied whole "
			    "(--allow-dirty)",
			    why, cure);
}

/* Look at what the superblock says.  Sets ret->whole where no map can be
 * had. */
static int
judge(struct fy_volume *v, const struct fy_xfs *fs,
      const struct fy_fs_map_options *options, struct fy_fs_result *ret,
      struct fy_error *err)
{
	struct fy_error failure = { 0 };

	if (fs->unknown[0] != '\0')
		return fy_fs_whole(
			ret, true,
			"features that this program does not know (%s)",
			fs->unknown);
	if (fs->in_progress)
		return fy_fs_whole(ret, true,
				   "mkfs.xfs or xfs_copy did not finish");
	if (fs->inner_realtime)
		return fy_fs_whole(ret, true,
				   "a realtime section, whose map is not read");
	if (fs->has_realtime)
		return refuse_incomplete(options, "its realtime section", ret,
					 err);
	if (!fs->has_log)
		return refuse_incomplete(options, "its log", ret, err);
	if (fs->needs_repair)
		return refuse_dirty(options, "it is marked as needing a repair",
				    "run xfs_repair on it", ret, err);
	if (fs->ag_count > MAX_AGS)
		return fy_fs_whole(ret, true, "%u allocation groups",
				   fs->ag_count);
	if (fy_xfs_check_copies(v, fs, &failure) == 0)
		return 0;
	if (failure.code == FY_E_FORMAT)
		return fy_fs_whole(ret, true, "damaged: %.200s", failure.msg);
	*err = failure;
	return -1;
}

static int
judge_log(struct fy_volume *v, const struct fy_xfs *fs,
	  const struct fy_fs_map_options *options, struct fy_fs_result *ret,
	  struct fy_error *err)
{
	const char *why;
	char words[160];

	if (fy_xfs_log_check(v, fs, options->stop, &why, err) == -1)
		return -1;
	if (why == NULL)
		return 0;
	snprintf(words, sizeof(words), "its log %s", why);
	return refuse_dirty(options, words,
			    "mount it once and unmount it (in the installed "
			    "system, or in the live system's shell)",
			    ret, err);
}

static int
map(struct fy_volume *v, const struct fy_xfs *fs,
    const struct fy_fs_map_options *options, struct fy_extents *used,
    struct fy_fs_result *ret, struct fy_error *err)
{
	struct fy_xfs_map_report report;

	if (fy_xfs_map(v, fs, options->stop, used, &report, err) == -1)
		return -1;
	ret->bytes = fy_xfs_bytes(fs);
	if (report.damaged == 0)
		return 0;
	/* Then nothing confirms how far it reaches, either. */
	if (report.damaged == fs->ag_count)
		return fy_fs_whole(ret, true, "damaged: %s", report.why);
	ret->warn = true;
	snprintf(ret->note, sizeof(ret->note),
		 "%u of %u allocation groups are damaged and copied whole; the "
		 "first is number %u: %s",
		 report.damaged, fs->ag_count, report.first, report.why);
	return 0;
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	fy_autovolume struct fy_volume *view = NULL;
	struct fy_error failure = { 0 };
	struct fy_xfs fs;

	if (fy_cache_new(v, CACHE_LINE, CACHE_LINES, &view, err) == -1)
		return -1;
	if (fy_xfs_read_super(view, 0, &fs, &failure) == -1) {
		if (failure.code == FY_E_FORMAT)
			return fy_fs_whole(ret, true, "damaged: %.200s",
					   failure.msg);
		*err = failure;
		return -1;
	}
	if (judge(view, &fs, options, ret, err) == -1)
		return -1;
	if (ret->whole)
		return 0;
	if (judge_log(view, &fs, options, ret, err) == -1)
		return -1;
	return ret->whole ? 0 : map(view, &fs, options, used, ret, err);
}

const struct fy_fs_driver fy_fs_xfs = {
	.name = "xfs",
	.read_map = read_map,
};
