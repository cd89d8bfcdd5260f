/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Digests in chunks that are made when the first unit of one comes.
 */
#include "p2v-client/known.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define CHUNK_UNITS 1024u

struct fy_known_chunk {
	uint64_t has[CHUNK_UNITS / 64];
	struct fy_digest digests[CHUNK_UNITS];
};

void
fy_known_init(struct fy_known *k, size_t *room)
{
	memset(k, 0, sizeof(*k));
	pthread_mutex_init(&k->lock, NULL);
	k->room = room;
}

/* Lock held. */
static void
forget(struct fy_known *k)
{
	size_t i;

	for (i = 0; i < k->n_chunks; i++) {
		if (k->chunks[i] == NULL)
			continue;
		free(k->chunks[i]);
		*k->room += sizeof(**k->chunks);
	}
	free(k->chunks);
	*k->room += k->n_chunks * sizeof(*k->chunks);
	k->chunks = NULL;
	k->n_chunks = 0;
}

void
fy_known_forget(struct fy_known *k)
{
	FY_LOCK_SCOPE(&k->lock);
	forget(k);
}

void
fy_known_release(struct fy_known *k)
{
	forget(k);
	pthread_mutex_destroy(&k->lock);
}

void
fy_known_measure(struct fy_known *k, uint64_t units, uint32_t unit_bytes,
		 uint64_t seed)
{
	uint64_t n = units / CHUNK_UNITS + 1;

	FY_LOCK_SCOPE(&k->lock);
	if (k->chunks != NULL && k->n_chunks == n && k->seed == seed &&
	    k->unit_bytes == unit_bytes)
		return;
	forget(k);
	k->seed = seed;
	k->unit_bytes = unit_bytes;
	if (n > *k->room / sizeof(struct fy_known_chunk *))
		return;
	k->chunks = calloc((size_t)n, sizeof(struct fy_known_chunk *));
	if (k->chunks == NULL)
		return;
	k->n_chunks = (size_t)n;
	*k->room -= k->n_chunks * sizeof(*k->chunks);
}

/* Lock held.  NULL: there is none, and can't be. */
static struct fy_known_chunk *
chunk_of(struct fy_known *k, uint64_t unit, bool make)
{
	uint64_t i = unit / CHUNK_UNITS;

	if (i >= k->n_chunks)
		return NULL;
	if (k->chunks[i] == NULL && make && *k->room >= sizeof(**k->chunks)) {
		k->chunks[i] = calloc(1, sizeof(**k->chunks));
		if (k->chunks[i] != NULL)
			*k->room -= sizeof(**k->chunks);
	}
	return k->chunks[i];
}

void
fy_known_put(struct fy_known *k, uint64_t unit, const struct fy_digest *digest)
{
	struct fy_known_chunk *c;
	unsigned at = unit % CHUNK_UNITS;

	FY_LOCK_SCOPE(&k->lock);
	c = chunk_of(k, unit, true);
	if (c == NULL)
		return;
	c->digests[at] = *digest;
	c->has[at / 64] |= UINT64_C(1) << at % 64;
}

bool
fy_known_get(struct fy_known *k, uint64_t unit, struct fy_digest *ret)
{
	struct fy_known_chunk *c;
	unsigned at = unit % CHUNK_UNITS;

	FY_LOCK_SCOPE(&k->lock);
	c = chunk_of(k, unit, false);
	if (c == NULL || ((c->has[at / 64] >> at % 64) & 1) == 0)
		return false;
	*ret = c->digests[at];
	return true;
}
