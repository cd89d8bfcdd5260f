/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_EXT_IO_H
#define FY_EXT_IO_H

#include <stdint.h>

#include <ext2fs/ext2fs.h>

#include "common/error.h"
#include "common/volume.h"

/*
 * libext2fs on a volume: reading and writing an ext2/3/4 through
 * fy_volume_pread and _pwrite, without a path.
 */
enum fy_ext_flags {
	FY_EXT_WRITABLE = 1,
	/* Checksums of superblock, descriptors and inodes are not a reason to
	 * fail. */
	FY_EXT_IGNORE_CHECKSUMS = 2,
	/* Open features that libext2fs does not know (reading only). */
	FY_EXT_ANY_FEATURES = 4,
};

/*
 * Open the filesystem at the start of 'v' (borrowed: it must outlive '*ret').
 *
 * Writing: the volume must be writable, and a filesystem that is not safe to
 * write to (needs_recovery, not cleanly unmounted, an error or an orphan flag,
 * a multi-mount block that is in use) is FY_E_DIRTY.  The bitmaps are not read:
 * call ext2fs_read_bitmaps before allocating.
 *
 * End with fy_ext_close or fy_ext_discard, not with ext2fs_close or _free.
 *
 * Returns: 0, or -1 with 'err' filled:
 *            FY_E_IO           the volume could not be read
 *            FY_E_FORMAT       no ext2/3/4, or its metadata contradict
 *                              themselves
 *            FY_E_UNSUPPORTED  an unknown feature, an external journal's
 *                              device, a size beyond what is sane
 *            FY_E_DIRTY        see above
 * Threads: one caller at a time per filesystem.
 */
int fy_ext_open(struct fy_volume *v, enum fy_ext_flags flags, ext2_filsys *ret,
		struct fy_error *err);

/*
 * Write what is pending (superblock, descriptors, bitmaps) when the filesystem
 * was opened for writing, flush the volume, and free 'fs' in every case.
 */
int fy_ext_close(ext2_filsys fs, struct fy_error *err);

/* Free 'fs' without writing anything more.  NULL is fine. */
void fy_ext_discard(ext2_filsys fs);
FY_DEFINE_AUTO(ext, struct struct_ext2_filsys, fy_ext_discard)

/*
 * Turn a libext2fs error into ours: when the volume failed, its error, else
 * FY_E_NOSPACE, _NOMEM, _NOTFOUND, _EXISTS, _UNSUPPORTED or _FORMAT, with
 * libext2fs's words behind the formatted ones.  Returns -1.
 */
int fy_ext_error(ext2_filsys fs, errcode_t code, struct fy_error *err,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* How far the filesystem reaches on its volume, in bytes. */
uint64_t fy_ext_bytes(ext2_filsys fs);

#endif
