/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TARGET_H
#define FY_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"

/*
 * Where a restore writes to: a block device, a file, or standard output.
 *
 * A device must not be in use, must be large enough, and must be empty (nothing
 * but zeros in its first and last MiB) unless 'overwrite'.  What is not written
 * keeps what it had.
 *
 * A file is made beside its place under another name, as large as asked for,
 * with holes where nothing is written, and gets its name when it is finished.
 * One of that name must not be there, unless it is empty or 'overwrite'.
 *
 * Standard output gets zeros for what is not written; writes must then be in
 * order.
 */
struct fy_target;

/* 'path' "-" is standard output; 'bytes' is what the restored volume has.
 * FY_E_BUSY, FY_E_NOSPACE (too small), FY_E_EXISTS (not empty), FY_E_USAGE,
 * FY_E_IO. */
int fy_target_open(const char *path, uint64_t bytes, bool overwrite,
		   struct fy_target **ret, struct fy_error *err);
/* Abandons what is not finished: a file goes away. */
void fy_target_free(struct fy_target *t);
FY_DEFINE_AUTO(target, struct fy_target, fy_target_free)

/*
 * A run of bytes of a view.  One area: its bytes follow each other there.
 * Several: they are dealt out in turn, 'stripe_bytes' at a time.
 */
struct fy_target_piece {
	uint64_t start, length; /* in the view */
	const uint64_t *areas;	/* offsets in what is viewed */
	unsigned n_areas;
	uint64_t stripe_bytes;
};

/*
 * A target whose bytes lie in pieces of another one, 'of': in order, without
 * gaps from 0 on; pieces and 'of' are borrowed.  It is written and read like
 * any, but not finished.  FY_E_FORMAT: the pieces make no sense.
 */
int fy_target_view(struct fy_target *of, const struct fy_target_piece *pieces,
		   size_t n, const char *name, struct fy_target **ret,
		   struct fy_error *err);

/* Small writes that follow each other are put together. */
int fy_target_write(struct fy_target *t, const void *buf, size_t len,
		    uint64_t offset, struct fy_error *err);
/* All is on the disk; before that, fy_target_read sees what is in memory. */
int fy_target_sync(struct fy_target *t, struct fy_error *err);
/* What lies there, from the disk (after fy_target_sync).  FY_E_UNSUPPORTED on
 * standard output. */
int fy_target_read(struct fy_target *t, void *buf, size_t len, uint64_t offset,
		   struct fy_error *err);
/* Synced; a file gets its name. */
int fy_target_finish(struct fy_target *t, struct fy_error *err);

/* What the target has: of a device its size, else what was asked for. */
uint64_t fy_target_bytes(const struct fy_target *t);
/* Whether what is not written is zeros: not on a device. */
bool fy_target_is_new(const struct fy_target *t);
/* Whether writes must be in order. */
bool fy_target_is_stream(const struct fy_target *t);

/* The kernel reads the partition table of a disk anew: false when it could
 * not.  After finish. */
bool fy_target_reread_table(struct fy_target *t);

#endif
