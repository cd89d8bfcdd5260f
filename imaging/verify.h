/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_VERIFY_H
#define FY_VERIFY_H

#include <stdint.h>

#include "common/error.h"
#include "common/progress.h"
#include "common/stop.h"
#include "common/volume.h"
#include "imaging/journal.h"

struct fy_verify {
	struct fy_volume *image; /* the finished image, e.g. fy_image_open */
	struct fy_journal *journal;
	unsigned disk;	     /* in the journal */
	uint64_t disk_bytes; /* that the image must have */
	uint32_t unit_bytes;
	uint64_t seed;		      /* of the digests */
	struct fy_progress *progress; /* done is added, in bytes; or NULL */
	const struct fy_stop *stop;   /* or NULL */
};

/*
 * Read an image back and compare it with the journal: every durable unit must
 * have its digest (the last one padded with zeros to 'unit_bytes'), everything
 * else must be zero.  Progress counts durable units only.
 *
 * Returns: 0, or -1: FY_E_DIFFERENT with the place of the first difference (its
 * durable units come first, then what must be zero); FY_E_CANCELLED; what
 * reading gives.
 */
int fy_image_verify(const struct fy_verify *v, struct fy_error *err);

#endif
