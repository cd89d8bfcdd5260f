/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CLIENT_JOB_H
#define FY_CLIENT_JOB_H

#include "common/json.h"
#include "common/machine.h"
#include "common/volume.h"
#include "p2v-client/convert.h"
#include "p2v-client/known.h"
#include "p2v-client/rescue.h"
#include "p2v-client/unchanged.h"
#include "p2v-client/units.h"
#include "partclone/disk.h"

/* A disk of the job on our side. */
struct fy_client_disk {
	const char *path; /* borrowed */
	struct fy_volume *volume;
	struct fy_disk_map *map;
	/* for a reconnect */
	struct fy_unchanged unchanged;
	struct fy_known known;
	struct fy_unit_set sent;
	struct fy_rescue *rescue; /* NULL without --rescue */
};

/*
 * Make machine->disks the disks of the job, in order: what the machine's
 * description already has of them is kept, the map's findings are added.
 */
int fy_client_job_fill(struct fy_machine *machine,
		       const struct fy_client_disk *disks, size_t n,
		       struct fy_error *err);

/* The JOB of docs/protocol.md; 'machine' is filled, 'client' names this
 * process. */
json_t *fy_client_job_json(const struct fy_convert_options *o,
			   const struct fy_machine *machine,
			   const struct fy_client_disk *disks,
			   const char *client, struct fy_error *err);

#endif
