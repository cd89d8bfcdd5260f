/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_WINDOW_H
#define FY_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * What has been sent and not acknowledged: a ring of units in the order of
 * sending, bounded in raw bytes.  Acknowledged entries in the middle are
 * marked and leave when they reach the front.  The caller's lock guards it.
 */
struct fy_window_entry {
	uint64_t unit;
	uint32_t raw_bytes;  /* 0: acknowledged */
	uint32_t used_bytes; /* for progress */
	uint16_t disk;
};

struct fy_window {
	struct fy_window_entry *ring;
	size_t size, first, n;
	uint64_t outstanding, limit; /* raw bytes */
};

/* Room for units of at least 'least_unit' bytes each. */
int fy_window_init(struct fy_window *w, uint64_t limit, uint32_t least_unit,
		   struct fy_error *err);
void fy_window_release(struct fy_window *w);

/* Whether a unit of that size may be sent now. */
bool fy_window_has_room(const struct fy_window *w, uint32_t raw_bytes);
/* The caller has asked for room. */
void fy_window_push(struct fy_window *w, const struct fy_window_entry *e);
/*
 * The server says that units [first, first + count) of 'disk' are durable.
 * '*ret_units' and '*ret_used' grow by what of it was outstanding.
 */
void fy_window_acknowledge(struct fy_window *w, uint16_t disk, uint64_t first,
			   uint64_t count, uint64_t *ret_units,
			   uint64_t *ret_used);

#endif
