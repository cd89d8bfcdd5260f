/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_READER_H
#define FY_READER_H

#include <stdint.h>

#include "common/extents.h"
#include "common/volume.h"
#include "p2v-client/rescue.h"

/*
 * Reads ranges of a disk as they are on the wire: what is used has its bytes,
 * all else (unused, or behind the disk's end) is zero.  Only goes forward.
 */
struct fy_reader {
	struct fy_volume *disk; /* borrowed */
	struct fy_extents_cursor cursor;
	struct fy_extent next; /* first extent that reaches past the place */
	bool has_next;
	struct fy_rescue *rescue; /* borrowed; NULL: an error is an error */
};

/* 'used' (borrowed) lies within the disk. */
int fy_reader_init(struct fy_reader *r, struct fy_volume *disk,
		   const struct fy_extents *used, struct fy_error *err);

/*
 * Where the next used byte at or behind 'offset' is; UINT64_MAX: there is
 * none.  'offset' never goes back.
 */
int fy_reader_next_used(struct fy_reader *r, uint64_t offset, uint64_t *ret,
			struct fy_error *err);

/*
 * Fill buf[0 .. len) with the range at 'offset', and add the number of used
 * bytes in each 'unit_bytes' of it to used[i].  'offset' and 'len' are
 * multiples of 'unit_bytes', buf is aligned to 4096; 'offset' never goes back.
 * Neighbouring extents are read at once, and what lies between them is wiped;
 * only if that fails, exactly what is used is read, bit by bit.
 *
 * FY_E_IO names the first byte that can't be read, also in '*ret_bad' (which
 * is left alone otherwise).  With r->rescue what can't be read is zero, and in
 * its list; what that knew of the range before is replaced; its errors.
 */
int fy_reader_fill(struct fy_reader *r, uint64_t offset, unsigned char *buf,
		   uint64_t len, uint64_t unit_bytes, uint32_t *used,
		   uint64_t *ret_bad, struct fy_error *err);

#endif
