/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SINK_UTIL_H
#define FY_SINK_UTIL_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "imaging/sink.h"

/* Bit i: the 64 KiB cluster i of 'raw' has something but zeros.  'len' is a
 * multiple of the cluster, at most 64 of them. */
uint64_t fy_sink_data_mask(const void *raw, size_t len);

/* The next run of set bits at or above '*first': true, and the run in
 * '*first', '*count'.  To go on, add '*count' to '*first'. */
bool fy_sink_mask_run(uint64_t mask, unsigned *first, unsigned *count);

/* Make [offset, offset + length) of the file read as zeros and give back the
 * room where the filesystem can; the file's length stays.  Holes are left
 * alone. */
int fy_sink_punch(int fd, uint64_t offset, uint64_t length,
		  struct fy_error *err);

#endif
