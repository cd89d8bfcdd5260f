/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_JOURNAL_H
#define FY_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/json.h"
#include "imaging/sink.h"

/*
 * What of a job is durable.  One append-only file, "journal", in the job's
 * directory: a pinned header (JSON), then records with a CRC each; it is cut at
 * the first bad record when it is opened.  Beside it an unlinked scratch index
 * (unit -> digest, place), rebuilt at each open, so that memory stays bounded:
 * in memory there is one bit for each unit.
 *
 * Order that the caller keeps: image data, fy_sink_sync of each image,
 * fy_journal_append, fy_journal_sync, acknowledgement.  A durable unit that is
 * to be written again is first forgotten: fy_journal_forget, fy_journal_sync,
 * then the image.
 *
 * Threads: one caller at a time.
 */
struct fy_journal;

/* Units per disk. */
struct fy_journal_shape {
	uint64_t units[64];
	unsigned n_disks;
};

/*
 * Open or create.  'pins' is the JSON that must not change between sessions;
 * when a journal is there and its pins differ:
 * FY_E_EXISTS, and the message names the first member that differs and both
 * values.  '*ret_resumed' tells which it was.
 */
int fy_journal_open(int dirfd, const json_t *pins,
		    const struct fy_journal_shape *shape,
		    struct fy_journal **ret, bool *ret_resumed,
		    struct fy_error *err);
void fy_journal_close(struct fy_journal *j);
FY_DEFINE_AUTO(journal, struct fy_journal, fy_journal_close)

/* When the journal was found damaged at the open, what was done about it, in
 * words for the log; else NULL.  A torn tail is no damage. */
const char *fy_journal_note(const struct fy_journal *j);

/* Read only the pins of a journal that is there: NULL and FY_E_NOTFOUND when
 * there is none (or none whose header is whole). */
json_t *fy_journal_read_pins(int dirfd, struct fy_error *err);

bool fy_journal_has(const struct fy_journal *j, unsigned disk, uint64_t unit);
uint64_t fy_journal_count(const struct fy_journal *j, unsigned disk);
/* FY_E_NOTFOUND when it isn't durable. */
int fy_journal_get(struct fy_journal *j, unsigned disk, uint64_t unit,
		   struct fy_digest *ret_digest, struct fy_place *ret_place,
		   struct fy_error *err);
/* One past the last stored byte of that disk's image, for fy_sink_open. */
uint64_t fy_journal_end(const struct fy_journal *j, unsigned disk);
/* 'len' bytes of the durable bitmap from unit 'first' (a multiple of 8). */
void fy_journal_bitmap(const struct fy_journal *j, unsigned disk,
		       uint64_t first, unsigned char *ret, size_t len);
/* The durable unit with the lowest index >= *unit: true and *unit set. */
bool fy_journal_next(const struct fy_journal *j, unsigned disk, uint64_t *unit);

/* FY_E_EXISTS when the unit is durable and wasn't forgotten.  After a failed
 * write or sync all further calls fail: open it anew. */
int fy_journal_append(struct fy_journal *j, unsigned disk, uint64_t unit,
		      const struct fy_digest *digest,
		      const struct fy_place *place, struct fy_error *err);
/* FY_E_NOTFOUND when it isn't durable. */
int fy_journal_forget(struct fy_journal *j, unsigned disk, uint64_t unit,
		      struct fy_error *err);
/* Write out and fdatasync. */
int fy_journal_sync(struct fy_journal *j, struct fy_error *err);

/* Marks of the finish: "written" (all units there, tables built), "injected";
 * at most 16 bytes; durable on return.  fy_journal_stage is the last one, "" at first. */
int fy_journal_set_stage(struct fy_journal *j, const char *stage,
			 struct fy_error *err);
const char *fy_journal_stage(const struct fy_journal *j);

#endif
