/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_UNITS_H
#define FY_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * A set of units of one disk, as a bitmap: which are durable on the server.
 * Threads: the caller's business.
 */
struct fy_unit_set {
	uint64_t *words;
	uint64_t n; /* units */
};

/* Empty set of 'n' units.  FY_E_NOMEM. */
int fy_unit_set_init(struct fy_unit_set *s, uint64_t n, struct fy_error *err);
void fy_unit_set_release(struct fy_unit_set *s);

bool fy_unit_set_has(const struct fy_unit_set *s, uint64_t unit);
void fy_unit_set_put(struct fy_unit_set *s, uint64_t unit, bool in);
uint64_t fy_unit_set_count(const struct fy_unit_set *s);
/* Those that are not in 'other', a set of as many units. */
uint64_t fy_unit_set_count_without(const struct fy_unit_set *s,
				   const struct fy_unit_set *other);

/* The first unit from 'from' on that is in the set (or not, when 'in' is
 * false); 'n' when there is none. */
uint64_t fy_unit_set_next(const struct fy_unit_set *s, uint64_t from, bool in);

/* Take out of 's' what is in 'other', a set of as many units. */
void fy_unit_set_subtract(struct fy_unit_set *s,
			  const struct fy_unit_set *other);

/*
 * Put in what a DURABLE frame says: bit i of byte j is unit first + 8j + i.
 * FY_E_PROTOCOL when 'first' is no multiple of 8 or a bit is outside.
 */
int fy_unit_set_load(struct fy_unit_set *s, uint64_t first,
		     const unsigned char *bits, size_t len,
		     struct fy_error *err);

#endif
