/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NTFS: the driver.  Which volumes there can be a map of, what to do with one
 * that was not left cleanly, and what to tell of the rest; ntfs-map.c reads the
 * map.
 *
 * The reader is our own and not libntfs-3g: we need little of it, and its mount
 * code has been led out of bounds by hostile volumes more than once.
 */
#include "partclone/filesystem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/ntfs-files.h"
#include "partclone/ntfs-io.h"
#include "partclone/ntfs-map.h"
#include "partclone/ntfs-state.h"

static int
refuse(const struct fy_fs_map_options *options, const char *why,
       const char *cure, struct fy_fs_result *ret, struct fy_error *err)
{
	if (options->allow_dirty)
		return fy_fs_whole(ret, true, "unclean: %.200s", why);
	return fy_error_set(err, FY_E_DIRTY, 0,
			    "the filesystem is unclean, so its map is not "
			    "safe: %s; %s, or allow it to be copied whole "
			    "(--allow-dirty)",
			    why, cure);
}

static bool
is_known_version(const struct fy_ntfs_state *s)
{
	return (s->major == 1 && (s->minor == 1 || s->minor == 2)) ||
	       (s->major == 3 && s->minor <= 1);
}

/* --- the note ------------------------------------------------------------------------ */

static void say(struct fy_fs_result *ret, bool warn, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void
say(struct fy_fs_result *ret, bool warn, const char *fmt, ...)
{
	size_t n = strlen(ret->note);
	va_list ap;

	ret->warn = ret->warn || warn;
	if (n > 0 && n + 3 < sizeof(ret->note)) {
		memcpy(ret->note + n, "; ", 3);
		n += 2;
	}
	va_start(ap, fmt);
	vsnprintf(ret->note + n, sizeof(ret->note) - n, fmt, ap);
	va_end(ap);
}

static void
describe(const struct fy_ntfs *nt, const struct fy_ntfs_state *state,
	 const struct fy_ntfs_map_report *r, struct fy_fs_result *ret)
{
	if (r->unmarked > 0)
		say(ret, true,
		    "%" PRIu64 " clusters of its own files are free by its "
		    "bitmap (copied all the same); run chkdsk",
		    r->unmarked);
	if (nt->used_mirror)
		say(ret, true,
		    "one of the MFT's first records is damaged, its copy was "
		    "used");
	if (r->beyond > 0)
		say(ret, true,
		    "its bitmap ends too early, %" PRIu64 " clusters behind "
		    "it are copied",
		    r->beyond);
	if (state->shadows)
		say(ret, true,
		    "its shadow copies (restore points) don't survive, unless "
		    "it is copied whole");
	if (r->list_ignored)
		say(ret, true, "its list of bad clusters makes no sense");
	else if (r->bad > 0)
		say(ret, false, "%" PRIu64 " bad clusters are not read",
		    r->bad);
}

/* --- the driver ------------------------------------------------------------------------ */

static int
map_open(struct fy_ntfs *nt, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	struct fy_ntfs_map_report report;
	struct fy_ntfs_state state;
	const char *why, *cure;

	if (fy_ntfs_read_state(nt, &state, err) == -1)
		return -1;
	if (!is_known_version(&state))
		return fy_fs_whole(ret, true,
				   "NTFS %u.%u, a version that this program "
				   "does not know",
				   state.major, state.minor);
	why = fy_ntfs_unclean(&state, &cure);
	if (why != NULL)
		return refuse(options, why, cure, ret, err);
	if (fy_ntfs_map(nt, used, &report, err) == -1)
		return -1;
	ret->bytes = report.bytes;
	describe(nt, &state, &report, ret);
	return 0;
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	struct fy_error failure = { 0 };
	struct fy_ntfs nt;
	int r;

	r = fy_ntfs_open(v, options->stop, &nt, &failure);
	if (r == 0)
		r = map_open(&nt, options, used, ret, &failure);
	fy_ntfs_release(&nt);
	if (r == 0)
		return 0;
	if (failure.code != FY_E_FORMAT) {
		*err = failure;
		return -1;
	}
	ret->note[0] = '\0';
	return fy_fs_whole(ret, true, "damaged: %.200s", failure.msg);
}

const struct fy_fs_driver fy_fs_ntfs = {
	.name = "ntfs",
	.read_map = read_map,
	.files = fy_ntfs_files,
};
