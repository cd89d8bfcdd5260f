/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_COPY_H
#define FY_COPY_H

#include <stdint.h>

#include "common/log.h"
#include "common/progress.h"
#include "common/volume.h"
#include "p2v-client/chooser.h"
#include "p2v-client/known.h"
#include "p2v-client/peer.h"
#include "p2v-client/rescue.h"
#include "partclone/disk.h"

/*
 * The two passes over the disks of a job: digests of what the server has
 * already, then everything that it has not.
 */
struct fy_copy_disk {
	struct fy_volume *volume; /* borrowed, all of them */
	const struct fy_disk_map *map;
	struct fy_peer_disk *wire; /* as READY says */
	struct fy_known *known;	   /* digests of a disk that does not change,
				      so that they hold later; or NULL */
	struct fy_unit_set *sent;  /* by this process, on any connection */
	struct fy_rescue *rescue;  /* or NULL: a bad sector ends the job */
};

struct fy_copy {
	struct fy_peer *peer;
	struct fy_copy_disk *disks;
	size_t n_disks;
	unsigned workers;
	struct fy_chooser *chooser;
	struct fy_progress *progress; /* or NULL */
	struct fy_log *log;
	const struct fy_stop *stop;
	uint64_t sent_before; /* bytes, on earlier connections */
	uint64_t total_bytes; /* of the copy, as the first connection counted
				 them; 0 then */
	/* results */
	uint64_t units_total; /* with used data */
	uint64_t units_sent;
	uint64_t units_reused; /* durable, and not sent by this process */
};

/* Pass one.  Units whose digests are known are not read.  Afterwards each disk's 'durable' holds what need not be sent. */
int fy_copy_check(struct fy_copy *c, struct fy_error *err);

/* Pass two. */
int fy_copy_send(struct fy_copy *c, struct fy_error *err);

#endif
