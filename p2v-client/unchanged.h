/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_UNCHANGED_H
#define FY_UNCHANGED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "common/volume.h"

/*
 * Whether a disk is known not to have changed since this process looked at it
 * first.  Only a whole disk that the kernel holds read-only all the time can
 * be; an image file never is.  Where anything is unclear the answer is no, and
 * the disk is read again.
 */
struct fy_unchanged {
	bool sure;
	dev_t device;
	uint64_t writes, discards; /* the kernel's counts of them */
	/* of a loop device: the file behind it */
	bool has_file;
	dev_t file_dev;
	ino_t file_ino;
	off_t file_size;
	struct timespec file_changed;
};

/* Before the first byte is read.  'disk' is one of fy_volume_open_path. */
void fy_unchanged_begin(struct fy_unchanged *u, const struct fy_volume *disk);

/* Since then.  Once it is no, it stays no. */
bool fy_unchanged_still(struct fy_unchanged *u, const struct fy_volume *disk);

/* For tests: what sys, below 'root', tells of that device; false when it is
 * nothing that could be sure. */
bool fy_unchanged_look(const char *root, dev_t device,
		       struct fy_unchanged *ret);

#endif
