/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_KNOWN_H
#define FY_KNOWN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/hash.h"

/*
 * Digests of a disk's units that this process has read, for a disk that is
 * known not to change: after a reconnect they are told to the server without
 * reading again.  Memory is bounded: what finds no room is simply not known.
 * Any thread.
 */
#define FY_KNOWN_ROOM (64u << 20) /* bytes, for all disks of a job */

struct fy_known_chunk;

struct fy_known {
	pthread_mutex_t lock; /* guards all below */
	size_t *room;	      /* bytes left, shared by the job's disks */
	struct fy_known_chunk **chunks;
	size_t n_chunks;
	uint64_t seed;
	uint32_t unit_bytes;
};

/* Empty.  The disks of one job share '*room' and the calling thread of _put. */
void fy_known_init(struct fy_known *k, size_t *room);
void fy_known_release(struct fy_known *k);

/* Digests of units of this size with this seed from now on: what is known by
 * another measure is forgotten. */
void fy_known_measure(struct fy_known *k, uint64_t units, uint32_t unit_bytes,
		      uint64_t seed);
void fy_known_forget(struct fy_known *k);

void fy_known_put(struct fy_known *k, uint64_t unit,
		  const struct fy_digest *digest);
bool fy_known_get(struct fy_known *k, uint64_t unit, struct fy_digest *ret);

#endif
