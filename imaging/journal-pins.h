/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_JOURNAL_PINS_H
#define FY_JOURNAL_PINS_H

#include "common/error.h"
#include "common/json.h"
#include "imaging/journal.h"

#define FY_JOURNAL_PINS_MAX (16u << 20)
#define FY_JOURNAL_RECORD   64u

/* FY_E_EXISTS and -1 with the first member that differs and both values, or 0
 * when the two are equal. */
int fy_journal_compare_pins(const json_t *old, const json_t *now,
			    struct fy_error *err);

/* Make the file "journal" anew with this header (crash-safe). */
int fy_journal_write_header(int dirfd, const json_t *pins,
			    const struct fy_journal_shape *shape,
			    struct fy_error *err);

/* Read the header of an open journal: FY_E_CORRUPT when it isn't whole,
 * FY_E_VERSION.  '*ret_bytes' is where the records begin. */
int fy_journal_read_header(int fd, json_t **ret_pins,
			   struct fy_journal_shape *ret_shape,
			   uint64_t *ret_bytes, struct fy_error *err);

#endif
