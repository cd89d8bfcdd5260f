/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SAVE_H
#define FY_SAVE_H

#include "common/volume.h"
#include "partclone/command.h"
#include "partclone/disk.h"
#include "partclone/ptcl.h"

/* A disk that is read to be saved. */
struct fy_source {
	struct fy_volume *disk;
	struct fy_disk_map *map;
	int guard; /* keeps others from mounting it; -1 */
};

/*
 * Open and map.  'only' (may be NULL) is the volume that counts: the others are
 * not looked into, so that a dirty one is no hindrance.  Warnings of the map are
 * told.  FY_E_BUSY, FY_E_NOTFOUND (no such volume), FY_E_DIRTY ...
 */
int fy_source_open(const struct fy_used_options *o, const char *path,
		   const char *only, struct fy_progress *progress,
		   struct fy_source *ret, struct fy_error *err);
void fy_source_close(struct fy_source *s);

/* The volume of that name, or NULL. */
const struct fy_disk_volume *fy_source_volume(const struct fy_source *s,
					      const char *name);

/*
 * [start, start + length) of the disk as a partclone image; 'filesystem' is
 * partclone's name for it.  '*ret_used' gets the bytes of the blocks in it.
 */
int fy_save_range(const struct fy_used_options *o, const struct fy_source *s,
		  uint64_t start, uint64_t length, const char *filesystem,
		  struct fy_pack *out, struct fy_progress *progress,
		  uint64_t *ret_used, struct fy_error *err);

/* partclone's name for what lies on a volume of the map: "raw" when there is no
 * map of it. */
int fy_save_name(const struct fy_source *s, const struct fy_disk_volume *v,
		 char ret[17], struct fy_error *err);

#endif
