/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_RESTORE_H
#define FY_RESTORE_H

#include "partclone/command.h"
#include "partclone/ptcl.h"
#include "partclone/target.h"

/* What of an image failed its checksums; and its first sector. */
struct fy_damage {
	uint64_t n;		   /* ranges */
	struct fy_extents *ranges; /* on the volume; used blocks in them are
				      damaged; NULL: not wanted */
	uint64_t last_end;
	bool has_first;
	unsigned char first[512];
};

/* fy_ptcl_damage for it, saying each on standard error (the first 20). */
int fy_damage_add(void *damage, uint64_t from, uint64_t to,
		  struct fy_error *err);

/*
 * All of 'r' to 'shift' bytes into 't', and with o->verify (after a sync) read
 * back.  With o->keep_going damage is noted and what can be had is written;
 * FY_E_DIFFERENT: what was read back is something else.
 */
int fy_restore_image(const struct fy_used_options *o, struct fy_ptcl_reader *r,
		     struct fy_target *t, uint64_t shift,
		     struct fy_damage *damage, struct fy_progress *progress,
		     struct fy_error *err);

/*
 * NTFS keeps a copy of its first sector behind its last cluster, where partclone
 * does not look: write it, 'shift' bytes into 't', when the image is such a one
 * and does not have it.  After fy_restore_image.
 */
int fy_restore_ntfs_copy(struct fy_ptcl_reader *r,
			 const struct fy_damage *damage, struct fy_target *t,
			 uint64_t shift, struct fy_error *err);

#endif
