/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_RESCUE_H
#define FY_RESCUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/log.h"
#include "common/stop.h"
#include "common/volume.h"

/*
 * Reading a disk that has unreadable sectors: what can be read around them,
 * zeros for what can't, and the list of it.  docs/rescue.md tells the strategy.
 */
#define FY_RESCUE_RANGES 65536u /* in the list of a disk, at most */

struct fy_rescue_options {
	unsigned tries;	    /* of each bad sector, after the first */
	uint64_t area_s;    /* seconds for one bad area; 0: no limit */
	uint64_t max_bytes; /* unreadable at most, then the job stops */
	struct fy_log *log;
	const struct fy_stop *stop;
};

struct fy_bad_range {
	uint64_t offset, length; /* bytes on the disk */
	bool skipped; /* not tried sector by sector; else each one failed */
};

struct fy_rescue;

struct fy_rescue *fy_rescue_new(const struct fy_rescue_options *options,
				struct fy_error *err);
void fy_rescue_free(struct fy_rescue *r);
FY_DEFINE_AUTO(rescue, struct fy_rescue, fy_rescue_free)

/* The disk to read from (borrowed), which has been opened, or opened again. */
void fy_rescue_attach(struct fy_rescue *r, struct fy_volume *disk);
/* With how much of it being unreadable the job goes on. */
void fy_rescue_set_max(struct fy_rescue *r, uint64_t max_bytes);

/*
 * Read [from, to) to 'buf', of which a read has just failed.  Unreadable
 * sectors are zeros in 'buf' and go to the list.
 *
 * Returns: 0, or -1:
 *            FY_E_UNREADABLE  more than the limit can't be read
 *            FY_E_IO          the disk has gone, or fails in another way than
 *                             a bad sector's
 *            FY_E_CANCELLED
 */
int fy_rescue_read(struct fy_rescue *r, unsigned char *buf, uint64_t from,
		   uint64_t to, struct fy_error *err);

/* [from, to) has been read without trouble. */
void fy_rescue_good(struct fy_rescue *r, uint64_t from, uint64_t to);

/* What the list says of [from, to) is void: it will be read again. */
int fy_rescue_forget(struct fy_rescue *r, uint64_t from, uint64_t to,
		     struct fy_error *err);

/* The list: sorted, disjoint. */
size_t fy_rescue_ranges(const struct fy_rescue *r,
			const struct fy_bad_range **ret);
uint64_t fy_rescue_bytes(const struct fy_rescue *r);

/*
 * A view of 'disk' (borrowed, as 'r' is) in which the ranges of the list are
 * zeros and are not touched: for looking at metadata that has been read once.
 */
int fy_rescue_view(const struct fy_rescue *r, struct fy_volume *disk,
		   struct fy_volume **ret, struct fy_error *err);

#endif
