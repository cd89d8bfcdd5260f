/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_UNDO_INTERNAL_H
#define FY_UNDO_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/stop.h"
#include "common/volume.h"
#include "drivers-inject/undo.h"

/*
 * The bytes of the undo log and of the list of changes (docs/undo.md): a file
 * of records, which is written, or read, from its start to its end.
 */
#define FY_UNDO_MAX_DISKS   64u
#define FY_UNDO_MAX_DATA    (64u * 1024)
#define FY_UNDO_PIECE	    512u /* what one digest is of */
#define FY_UNDO_MAX_DIGESTS (FY_UNDO_MAX_DATA / FY_UNDO_PIECE)

/* The versions: without digests are the list of changes, and the logs of
 * older programs. */
#define FY_UNDO_PLAIN	1u
#define FY_UNDO_DIGESTS 2u

/* What fy_undo_read_trailer finds. */
enum fy_undo_state {
	FY_UNDO_CUT,	 /* no trailer: nothing was written to the disks */
	FY_UNDO_SEALED,	 /* some of the changes may be on the disks */
	FY_UNDO_APPLIED, /* all were on the disks */
};

struct fy_undo_record {
	uint32_t disk, length;
	uint64_t offset;
};

struct fy_undo_log {
	const char *name;
	int fd;
	bool owns_fd; /* closed with the log */
	struct fy_volume *const *disks;
	size_t n_disks;
	uint32_t version;
	uint64_t at;	/* how much was written or read */
	uint64_t count; /* records so far */
	uint32_t chain; /* over their checksums */

	/* Reading: the trailer and the file's size, where the last record
	 * ended. */
	unsigned char trailer[32];
	uint64_t size;
	uint32_t last_disk;
	uint64_t last_end;

	/* Of the record that was read: its content, and the digests of what
	 * takes that's place (FY_UNDO_DIGESTS). */
	unsigned char data[FY_UNDO_MAX_DATA];
	struct fy_digest digests[FY_UNDO_MAX_DIGESTS];
};

/* Borrows all but 'fd', which the caller hands over by setting owns_fd. */
struct fy_undo_log *fy_undo_log_new(const char *name, int fd,
				    struct fy_volume *const *disks,
				    size_t n_disks, struct fy_error *err);

/* How many digests a record has, and those of 'data'. */
size_t fy_undo_n_digests(const struct fy_undo_record *r);
void fy_undo_digest(const struct fy_undo_record *r, const void *data,
		    struct fy_digest *ret);

/* --- writing -------------------------------------------------------------- */

int fy_undo_put_header(struct fy_undo_log *l, uint32_t version,
		       struct fy_error *err);
/* 'digests' only with FY_UNDO_DIGESTS. */
int fy_undo_put_record(struct fy_undo_log *l, const struct fy_undo_record *r,
		       const void *data, const struct fy_digest *digests,
		       struct fy_error *err);
int fy_undo_put_trailer(struct fy_undo_log *l, struct fy_error *err);
/* SEALED or APPLIED, durably; nothing with FY_UNDO_PLAIN. */
int fy_undo_put_state(struct fy_undo_log *l, enum fy_undo_state state,
		      struct fy_error *err);

/* --- reading -------------------------------------------------------------- */

/* First of all.  FY_E_CORRUPT when the trailer of an applied log is gone. */
int fy_undo_read_trailer(struct fy_undo_log *l, enum fy_undo_state *ret,
			 struct fy_error *err);
/* Then, and to read it again: the header, which must be about the disks. */
int fy_undo_read_header(struct fy_undo_log *l, struct fy_error *err);
/* 1 with the next record, all of it checked; 0 at the end, when that and the
 * trailer agree; -1. */
int fy_undo_read_record(struct fy_undo_log *l, struct fy_undo_record *ret,
			struct fy_error *err);

/* --- for the fuzz target, too ---------------------------------------------- */

/* All of a log but its seal, into an empty file, for what the list of changes
 * in 'changes_fd' has. */
int fy_undo_fill(struct fy_undo_log *l, int changes_fd,
		 const struct fy_stop *stop, struct fy_error *err);
/* fy_undo_apply with an open log. */
int fy_undo_log_apply(struct fy_undo_log *l, struct fy_log *log,
		      uint64_t *ret_bytes, struct fy_error *err);

#endif
