/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_JOURNAL_INDEX_H
#define FY_JOURNAL_INDEX_H

#include <stdint.h>

#include "common/error.h"

/*
 * A large array of u64 in an unlinked temporary file, zero at first, with a
 * bounded cache before it.  The scratch index of the journal.
 */
struct fy_journal_index;

/* 'dirfd': where the file is made.  Takes nothing. */
struct fy_journal_index *fy_journal_index_new(int dirfd, struct fy_error *err);
void fy_journal_index_free(struct fy_journal_index *x);
int fy_journal_index_get(struct fy_journal_index *x, uint64_t i, uint64_t *ret,
			 struct fy_error *err);
int fy_journal_index_set(struct fy_journal_index *x, uint64_t i, uint64_t value,
			 struct fy_error *err);

#endif
