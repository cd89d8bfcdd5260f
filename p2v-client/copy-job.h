/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_COPY_JOB_H
#define FY_COPY_JOB_H

#include "p2v-client/copy.h"
#include "p2v-client/reader.h"

/*
 * A pipeline job of a pass: a batch of neighbouring units that were read at
 * once, or a range of units that hold nothing.  For copy*.c only.
 */
#define FY_BATCH_BYTES (2u << 20)
#define FY_BATCH_UNITS 32u /* of 64 KiB each: the smallest */

struct fy_copy_unit {
	bool wanted; /* else durable already (or not, in pass one) */
	bool zero;
	bool known; /* pass one: 'digest' needs no reading */
	enum fy_codec codec;
	uint32_t used_bytes;
	size_t len;
	struct fy_digest digest;
	const void *payload;
	unsigned char header[FY_WIRE_HEADER_BYTES];
};

struct fy_copy_job {
	uint16_t disk;
	uint64_t first; /* unit */
	uint64_t count; /* units */
	bool empty;	/* a range that holds nothing; no buffers used */
	struct fy_choice choice;
	uint64_t cpu_ns;	      /* spent compressing */
	unsigned char *data, *packed; /* max(FY_BATCH_BYTES, unit) each */
	struct fy_copy_unit units[FY_BATCH_UNITS];
};

/* Makes jobs, going through the disks in order. */
struct fy_copy_producer {
	struct fy_copy *copy;
	bool checking; /* pass one: units that are durable */
	size_t disk;
	uint64_t next; /* unit */
	bool reading;  /* 'reader' is that of 'disk' */
	struct fy_reader reader;
};
int fy_copy_produce(struct fy_copy_producer *p, struct fy_copy_job *job,
		    struct fy_error *err);

/* Storage for n jobs; all or none. */
int fy_copy_jobs_new(size_t n, size_t batch_bytes, struct fy_copy_job ***ret,
		     struct fy_error *err);
void fy_copy_jobs_free(struct fy_copy_job **jobs, size_t n);

#endif
