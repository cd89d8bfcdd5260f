/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal of an ext3/4: whether it waits for a replay, and a trial replay
 * by e2fsck into a copy-on-write overlay, shown to it as a file by FUSE.
 *
 * A journal in use carries its start in its own superblock; the filesystem's
 * flag needs_recovery says the same, and either alone is believed.  Fast
 * commits lie in the same journal and are replayed with it.
 */
#include "partclone/ext-journal.h"

#include "common/bytes.h"
#include "common/overlay.h"
#include "common/subprocess.h"

#define JOURNAL_MAGIC  0xc03b3998u
#define JOURNAL_START  0x1c
#define CLUSTER_BYTES  4096
#define FSCK_TIMEOUT_S 3600
#define FSCK_CORRECTED 1 /* exit status: errors were corrected */

int
fy_ext_needs_replay(ext2_filsys fs, struct fy_error *err)
{
	struct ext2_super_block *sb = fs->super;
	fy_autofree unsigned char *block = NULL;
	blk64_t where = 0;
	errcode_t code;

	if (ext2fs_has_feature_journal_needs_recovery(sb))
		return 1;
	if (!ext2fs_has_feature_journal(sb) || sb->s_journal_inum == 0)
		return 0;
	code = ext2fs_bmap2(fs, sb->s_journal_inum, NULL, NULL, 0, 0, NULL,
			    &where);
	if (code != 0 || where == 0)
		return fy_ext_error(fs,
				    code != 0 ? code : EXT2_ET_BAD_INODE_NUM,
				    err, "the journal");
	block = malloc(fs->blocksize);
	if (block == NULL)
		return fy_error_nomem(err);
	code = io_channel_read_blk64(fs->io, where, 1, block);
	if (code != 0)
		return fy_ext_error(fs, code, err, "the journal's superblock");
	if (fy_get_be32(block) != JOURNAL_MAGIC)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the journal's superblock is damaged");
	return fy_get_be32(block + JOURNAL_START) != 0;
}

static int
run_fsck(const char *path, const struct fy_stop *stop, struct fy_error *err)
{
	const char *argv[] = {
		"e2fsck", "-y", "-E", "journal_only", path, NULL
	};
	struct fy_subprocess_options options = {
		.timeout_s = FSCK_TIMEOUT_S,
		.stop = stop,
		.accept = UINT64_C(1) << FSCK_CORRECTED,
	};

	return fy_subprocess_run(argv, &options, NULL, err);
}

int
fy_ext_replay(struct fy_volume *v, const struct fy_stop *stop,
	      struct fy_volume **ret, struct fy_error *err)
{
	fy_autovolume struct fy_volume *overlay = NULL;
	struct fy_exposed *exposed = NULL;
	struct fy_error closing = { 0 };
	int r;

	if (fy_overlay_new(v, CLUSTER_BYTES, NULL, &overlay, err) == -1 ||
	    fy_volume_expose(overlay, &exposed, err) == -1)
		return -1;
	r = run_fsck(fy_exposed_path(exposed), stop, err);
	if (fy_exposed_close(exposed, &closing) == -1 && r == 0) {
		*err = closing;
		return -1;
	}
	if (r == -1)
		return -1;
	*ret = fy_steal_ptr(&overlay);
	return 0;
}
