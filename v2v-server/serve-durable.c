/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Making units durable, in batches of 64 MiB or a second.
 *
 * The consumer fills one batch while a thread carries the other through:
 * fdatasync of the images, journal records, fdatasync of the journal, ACK; in
 * that order, for an acknowledged unit is never sent again.  So there is no
 * more than one batch in flight and one being filled, and writing goes on while
 * the disk is being waited for.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "v2v-server/session.h"

#define BATCH_BYTES (64 * FY_MIB)

struct entry {
	unsigned disk;
	uint64_t unit;
	struct fy_digest digest;
	struct fy_place place;
};

struct fy_batch {
	struct entry *entries;
	size_t n, room;
	uint64_t bytes; /* raw */
};

struct fy_durable {
	struct fy_session *s;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock. */
	bool busy, ending;
	struct fy_error err; /* of the thread; stays */
	/* Owned by the consumer ('filling'), by the thread while busy. */
	struct fy_batch filling, flying;
};

static int
sync_images(struct fy_session *s, const struct fy_batch *b,
	    struct fy_error *err)
{
	bool dirty[FY_WIRE_MAX_DISKS] = { false };
	size_t i;

	for (i = 0; i < b->n; i++)
		dirty[b->entries[i].disk] = true;
	/* The descriptor itself, for the sink has another caller now. */
	for (i = 0; i < s->n_disks; i++)
		if (dirty[i] && fy_fd_datasync(s->disks[i].sink->fd, err) == -1)
			return fy_error_prefix(err, "%s", s->disks[i].file);
	return 0;
}

static int
write_journal(struct fy_session *s, const struct fy_batch *b,
	      struct fy_error *err)
{
	size_t i;

	FY_LOCK_SCOPE(&s->journal_lock);
	for (i = 0; i < b->n; i++) {
		const struct entry *e = &b->entries[i];

		if (fy_journal_append(s->journal, e->disk, e->unit, &e->digest,
				      &e->place, err) == -1)
			return -1;
	}
	return fy_journal_sync(s->journal, err);
}

/* The ranges of one disk, as many to a frame as it holds. */
static int
acknowledge_disk(struct fy_session *s, const struct fy_batch *b, unsigned disk,
		 struct fy_error *err)
{
	unsigned char pairs[4096];
	size_t used = 0, i = 0;

	while (i < b->n) {
		uint64_t first = b->entries[i].unit, count = 0;

		if (b->entries[i].disk != disk) {
			i++;
			continue;
		}
		while (i < b->n && b->entries[i].disk == disk &&
		       b->entries[i].unit == first + count) {
			count++;
			i++;
		}
		fy_put_le64(pairs + used, first);
		fy_put_le64(pairs + used + 8, count);
		used += 16;
		if (used == sizeof(pairs)) {
			if (fy_link_send(&s->link, FY_WIRE_ACK, (uint16_t)disk,
					 0, pairs, used, err) == -1)
				return -1;
			used = 0;
		}
	}
	if (used == 0)
		return 0;
	return fy_link_send(&s->link, FY_WIRE_ACK, (uint16_t)disk, 0, pairs,
			    used, err);
}

static int
carry_through(struct fy_session *s, const struct fy_batch *b,
	      struct fy_error *err)
{
	struct fy_error ignored = { 0 };
	unsigned i;

	if (sync_images(s, b, err) == -1 || write_journal(s, b, err) == -1)
		return -1;
	/* First, for the client may send more as soon as it has the ACK. */
	atomic_fetch_sub(&s->unacked_bytes, b->bytes);
	/* A client that is gone is the reader's business; after FINISH the job
	 * goes on without it. */
	for (i = 0; i < s->n_disks; i++)
		acknowledge_disk(s, b, i, &ignored);
	return 0;
}

static void *
durable_thread(void *arg)
{
	struct fy_durable *d = arg;

	pthread_mutex_lock(&d->lock);
	for (;;) {
		struct fy_error err = { 0 };

		while (!d->busy && !d->ending)
			pthread_cond_wait(&d->changed, &d->lock);
		if (!d->busy)
			break;
		pthread_mutex_unlock(&d->lock);
		carry_through(d->s, &d->flying, &err);
		pthread_mutex_lock(&d->lock);
		d->busy = false;
		if (err.code != FY_E_NONE && d->err.code == FY_E_NONE)
			d->err = err;
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

static int
batch_init(struct fy_batch *b, uint32_t unit_bytes, struct fy_error *err)
{
	b->room = BATCH_BYTES / unit_bytes;
	b->entries = calloc(b->room, sizeof(*b->entries));
	return b->entries == NULL ? fy_error_nomem(err) : 0;
}

int
fy_durable_new(struct fy_session *s, struct fy_durable **ret,
	       struct fy_error *err)
{
	struct fy_durable *d = calloc(1, sizeof(*d));
	uint32_t least = UINT32_MAX;
	unsigned i;

	if (d == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < s->n_disks; i++)
		if (s->disks[i].unit_bytes < least)
			least = s->disks[i].unit_bytes;
	d->s = s;
	if (batch_init(&d->filling, least, err) == -1 ||
	    batch_init(&d->flying, least, err) == -1)
		goto free_batches;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	if (pthread_create(&d->thread, NULL, durable_thread, d) != 0) {
		fy_error_set(err, FY_E_NOMEM, 0, "cannot start a thread");
		goto free_batches;
	}
	*ret = d;
	return 0;

free_batches:
	free(d->filling.entries);
	free(d->flying.entries);
	free(d);
	return -1;
}

void
fy_durable_free(struct fy_durable *d)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->lock);
	d->ending = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->changed);
	free(d->filling.entries);
	free(d->flying.entries);
	free(d);
}

/* With the lock held.  When 'wait' is false and the thread is busy, nothing. */
static int
hand_over(struct fy_durable *d, bool wait, struct fy_error *err)
{
	struct fy_batch b;

	while (wait && d->busy)
		pthread_cond_wait(&d->changed, &d->lock);
	if (d->err.code != FY_E_NONE) {
		*err = d->err;
		return -1;
	}
	if (d->busy || d->filling.n == 0)
		return 0;
	b = d->filling;
	d->filling = d->flying;
	d->filling.n = 0;
	d->filling.bytes = 0;
	d->flying = b;
	d->busy = true;
	pthread_cond_broadcast(&d->changed);
	return 0;
}

int
fy_durable_add(struct fy_durable *d, unsigned disk, uint64_t unit,
	       const struct fy_digest *digest, const struct fy_place *place,
	       struct fy_error *err)
{
	struct fy_batch *b = &d->filling;

	b->entries[b->n++] = (struct entry){
		.disk = disk, .unit = unit, .digest = *digest, .place = *place
	};
	b->bytes += d->s->disks[disk].unit_bytes;
	if (b->n < b->room && b->bytes < BATCH_BYTES)
		return 0;
	FY_LOCK_SCOPE(&d->lock);
	return hand_over(d, true, err);
}

int
fy_durable_poke(struct fy_durable *d, struct fy_error *err)
{
	FY_LOCK_SCOPE(&d->lock);
	return hand_over(d, false, err);
}

int
fy_durable_flush(struct fy_durable *d, struct fy_error *err)
{
	FY_LOCK_SCOPE(&d->lock);
	if (hand_over(d, true, err) == -1)
		return -1;
	while (d->busy)
		pthread_cond_wait(&d->changed, &d->lock);
	if (d->err.code == FY_E_NONE)
		return 0;
	*err = d->err;
	return -1;
}
