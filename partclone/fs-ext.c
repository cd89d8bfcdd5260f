/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ext2, ext3, ext4: the driver.  Which superblocks there can be a map of, what
 * to do with an unclean one; ext-map.c reads the map.
 *
 * A journal that waits for its replay makes the bitmaps stale.  It is then
 * replayed into a copy-on-write overlay, and the union of the maps before and
 * after is used, so that the copy can replay it in its turn.  Everything else
 * that is unclean is refused, or used whole when the caller allows that.
 */
#include "partclone/filesystem.h"

#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "partclone/ext-files.h"
#include "partclone/ext-io.h"
#include "partclone/ext-journal.h"
#include "partclone/ext-map.h"
#include "partclone/signature.h"

#define SUPER_OFFSET 1024
#define SUPER_BYTES  1024

/* What libext2fs 1.47.0 knows, and thus what this map is right for. */
#define EXT_COMPAT_SAFE EXT2_LIB_FEATURE_COMPAT_SUPP
/* The header has MMP only for those who build the library. */
#define EXT_INCOMPAT_SAFE                                                      \
	(EXT2_LIB_FEATURE_INCOMPAT_SUPP | EXT4_FEATURE_INCOMPAT_MMP)
#define EXT_RO_COMPAT_SAFE EXT2_LIB_FEATURE_RO_COMPAT_SUPP

/* As libblkid tells them apart: what ext2 and ext3 understand. */
#define EXT2_RO                                                                \
	(EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER |                                 \
	 EXT2_FEATURE_RO_COMPAT_LARGE_FILE | 0x4)
#define EXT2_INCOMPAT                                                          \
	(EXT2_FEATURE_INCOMPAT_FILETYPE | EXT2_FEATURE_INCOMPAT_META_BG)
#define EXT3_INCOMPAT (EXT2_INCOMPAT | EXT3_FEATURE_INCOMPAT_RECOVER)

/* --- probe ------------------------------------------------------------------ */

static const char *
name_of(const unsigned char *sb)
{
	uint32_t compat = fy_get_le32(sb + 0x5c);
	uint32_t incompat = fy_get_le32(sb + 0x60);
	uint32_t ro = fy_get_le32(sb + 0x64);

	if (incompat & EXT3_FEATURE_INCOMPAT_JOURNAL_DEV)
		return "jbd";
	if (compat & EXT3_FEATURE_COMPAT_HAS_JOURNAL)
		return (ro & ~(uint32_t)EXT2_RO) ||
				       (incompat & ~(uint32_t)EXT3_INCOMPAT)
			       ? "ext4"
			       : "ext3";
	return (ro & ~(uint32_t)EXT2_RO) ||
			       (incompat & ~(uint32_t)EXT2_INCOMPAT)
		       ? "ext4"
		       : "ext2";
}

static int
probe(struct fy_volume *v, struct fy_fs_info *ret, struct fy_error *err)
{
	unsigned char sb[SUPER_BYTES];

	if (fy_volume_size(v) < SUPER_OFFSET + SUPER_BYTES)
		return 0;
	if (fy_volume_pread(v, sb, sizeof(sb), SUPER_OFFSET, err) == -1)
		return -1;
	if (fy_get_le16(sb + 0x38) != EXT2_SUPER_MAGIC ||
	    fy_get_le32(sb + 0x18) > 6)
		return 0;
	ret->name = name_of(sb);
	fy_put_uuid(ret->uuid, sb + 0x68);
	fy_put_label(ret, sb + 0x78, 16);
	return 1;
}

/* --- what there can be a map of ---------------------------------------------- */

/* Look at the bytes of the superblock alone, before libext2fs does.  Sets
 * ret->whole where no map can be had.  FY_E_UNSUPPORTED for a filesystem that
 * is nothing without another device. */
static int
judge(struct fy_volume *v, bool allow_dirty, struct fy_fs_result *ret,
      struct fy_error *err)
{
	unsigned char sb[SUPER_BYTES];
	uint32_t compat, incompat, ro;

	if (fy_volume_pread(v, sb, sizeof(sb), SUPER_OFFSET, err) == -1)
		return -1;
	compat = fy_get_le32(sb + 0x5c);
	incompat = fy_get_le32(sb + 0x60);
	ro = fy_get_le32(sb + 0x64);
	if (incompat & EXT3_FEATURE_INCOMPAT_JOURNAL_DEV)
		return fy_fs_whole(
			ret, true,
			"the external journal of another filesystem");
	if ((compat & ~(uint32_t)EXT_COMPAT_SAFE) ||
	    (incompat & ~(uint32_t)EXT_INCOMPAT_SAFE) ||
	    (ro & ~(uint32_t)EXT_RO_COMPAT_SAFE))
		return fy_fs_whole(
			ret, true,
			"features that this program does not know (compat "
			"0x%x, incompat 0x%x, ro_compat 0x%x)",
			compat & ~(uint32_t)EXT_COMPAT_SAFE,
			incompat & ~(uint32_t)EXT_INCOMPAT_SAFE,
			ro & ~(uint32_t)EXT_RO_COMPAT_SAFE);
	if (!(compat & EXT3_FEATURE_COMPAT_HAS_JOURNAL) ||
	    fy_get_le32(sb + 0xe0) != 0 || fy_is_zero(sb + 0xd0, 16))
		return 0;
	if (allow_dirty)
		return fy_fs_whole(ret, true,
				   "its journal is on another device");
	return fy_error_set(err, FY_E_UNSUPPORTED, 0,
			    "its journal is on another device, without which "
			    "a copy is not usable; move it inside (tune2fs), "
			    "or have the volume copied whole");
}

static const char *
unclean(ext2_filsys fs)
{
	if (fs->super->s_state & EXT2_ERROR_FS)
		return "the kernel found an error on it";
	if (!(fs->super->s_state & EXT2_VALID_FS))
		return "it was not cleanly unmounted";
	return NULL;
}

/* --- maps -------------------------------------------------------------------- */

/* The map after the journal's replay, into 'after'. */
static int
map_replayed(struct fy_volume *v, const struct fy_fs_map_options *options,
	     struct fy_extents *after, struct fy_fs_result *ret,
	     struct fy_error *err)
{
	fy_autovolume struct fy_volume *overlay = NULL;
	FY_AUTO(ext) ext2_filsys fs = NULL;
	struct fy_ext_map_report report = { 0 };
	int r;

	if (fy_ext_replay(v, options->stop, &overlay, err) == -1 ||
	    fy_ext_open(overlay, 0, &fs, err) == -1)
		return -1;
	r = fy_ext_needs_replay(fs, err);
	if (r == -1)
		return -1;
	if (r == 1)
		return fy_error_set(err, FY_E_DIRTY, 0,
				    "e2fsck left the journal as it was");
	if (unclean(fs) != NULL)
		return fy_error_set(err, FY_E_DIRTY, 0, "%s", unclean(fs));
	if (fy_ext_map(fs, true, options->stop, after, &report, err) == -1)
		return -1;
	ret->bytes = fy_ext_bytes(fs);
	return 0;
}

/* The union of the maps before and after a replay. */
static int
map_both(struct fy_volume *v, const struct fy_fs_map_options *options,
	 const struct fy_extents *before, struct fy_extents *used,
	 struct fy_fs_result *ret, struct fy_error *err)
{
	fy_autoextents struct fy_extents *after = fy_extents_new(err);

	if (after == NULL || map_replayed(v, options, after, ret, err) == -1)
		return -1;
	snprintf(ret->note, sizeof(ret->note),
		 "its journal waits for a replay; the map is the union of "
		 "before and after");
	ret->warn = true;
	return fy_extents_union(before, after, used, err);
}

/* An unclean filesystem: whole when allowed, else the refusal. */
static int
refuse(const struct fy_fs_map_options *options, const char *why,
       struct fy_fs_result *ret, struct fy_error *err)
{
	if (options->allow_dirty)
		return fy_fs_whole(ret, true, "unclean: %.200s", why);
	return fy_error_set(err, FY_E_DIRTY, 0,
			    "the filesystem is unclean, so its map is not "
			    "safe: %s; run e2fsck on it, or allow it to be "
			    "copied whole (--allow-dirty)",
			    why);
}

static void
describe(const struct fy_ext_map_report *report, struct fy_fs_result *ret)
{
	int n = 0;

	if (report->damaged_groups > 0) {
		ret->warn = true;
		n = snprintf(ret->note, sizeof(ret->note),
			     "%llu block groups have a damaged bitmap and are "
			     "copied whole",
			     (unsigned long long)report->damaged_groups);
	}
	if (report->bad_bytes > 0 && n >= 0 && (size_t)n < sizeof(ret->note))
		snprintf(ret->note + n, sizeof(ret->note) - (size_t)n,
			 "%s%llu bytes on its bad-block list are not read",
			 n > 0 ? "; " : "",
			 (unsigned long long)report->bad_bytes);
}

static int
map_dirty(struct fy_volume *v, const struct fy_fs_map_options *options,
	  const struct fy_extents *before, struct fy_extents *used,
	  struct fy_fs_result *ret, struct fy_error *err)
{
	struct fy_error failure = { 0 };
	struct fy_extents_mark mark;
	char why[400];

	fy_extents_take_mark(used, &mark);
	if (map_both(v, options, before, used, ret, &failure) == 0)
		return 0;
	fy_extents_cut(used, &mark);
	if (failure.code == FY_E_CANCELLED || failure.code == FY_E_NOMEM) {
		*err = failure;
		return -1;
	}
	snprintf(why, sizeof(why),
		 "its journal waits for a replay, and a trial replay beside "
		 "the disk failed (%.200s)",
		 failure.msg);
	return refuse(options, why, ret, err);
}

static int
map_open(struct fy_volume *v, ext2_filsys fs,
	 const struct fy_fs_map_options *options, struct fy_extents *used,
	 struct fy_fs_result *ret, struct fy_error *err)
{
	fy_autoextents struct fy_extents *before = NULL;
	struct fy_ext_map_report report = { 0 };
	int replay = fy_ext_needs_replay(fs, err);

	if (replay == -1)
		return -1;
	ret->bytes = fy_ext_bytes(fs);
	if (replay == 0) {
		if (unclean(fs) != NULL)
			return refuse(options, unclean(fs), ret, err);
		if (fy_ext_map(fs, true, options->stop, used, &report, err) ==
		    -1)
			return -1;
		describe(&report, ret);
		return 0;
	}
	before = fy_extents_new(err);
	if (before == NULL ||
	    fy_ext_map(fs, false, options->stop, before, &report, err) == -1)
		return -1;
	return map_dirty(v, options, before, used, ret, err);
}

static int
read_map(struct fy_volume *v, const struct fy_fs_map_options *options,
	 struct fy_extents *used, struct fy_fs_result *ret,
	 struct fy_error *err)
{
	FY_AUTO(ext) ext2_filsys fs = NULL;
	struct fy_error failure = { 0 };

	if (judge(v, options->allow_dirty, ret, err) == -1)
		return -1;
	if (ret->whole)
		return 0;
	if (fy_ext_open(v, 0, &fs, &failure) == 0 &&
	    map_open(v, fs, options, used, ret, &failure) == 0)
		return 0;
	if (failure.code != FY_E_FORMAT && failure.code != FY_E_UNSUPPORTED) {
		*err = failure;
		return -1;
	}
	return fy_fs_whole(ret, true, "damaged: %.200s", failure.msg);
}

const struct fy_fs_driver fy_fs_ext = {
	.name = "ext",
	.probe = probe,
	.read_map = read_map,
	.files = fy_ext_files,
};
