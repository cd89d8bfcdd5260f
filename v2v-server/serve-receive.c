/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Receiving: from READY to FINISH.
 *
 * The pipeline's producer reads frames and refuses what may not be (sizes,
 * numbers, states, too much in flight); its workers check the CRC, decompress
 * and compare the digest; its consumer, in the order of the wire, writes to
 * the sinks and answers.  Jobs are a fixed set, so a client that sends faster
 * than the disk writes is held back by the pipe.
 *
 * Each unit may be covered once: answered 1, sent, or named as zero.  A unit
 * that is durable and is to be written again is forgotten in the journal
 * before anything happens to the image.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/pipeline.h"
#include "v2v-server/session.h"

#define CHECK_BYTES (FY_WIRE_CHECK_UNITS * FY_DIGEST_BYTES)
#define MAX_WORKERS 32u

struct rx_job {
	struct fy_wire_header h;
	unsigned char *payload; /* as read */
	unsigned char *raw;	/* decompressed */
	struct fy_digest digest;
};

struct receiver {
	struct fy_session *s;
	struct fy_decompressor **decompressors; /* one per worker */
	unsigned workers;
	bool ended; /* the producer saw FINISH */
};

static int
not_allowed(const struct fy_wire_header *h, const char *why,
	    struct fy_error *err)
{
	return fy_error_set(err, FY_E_PROTOCOL, 0,
			    "the client sent a %s frame for disk %u, number "
			    "%" PRIu64 ": %s",
			    fy_wire_name(h->type), h->disk + 1u, h->number,
			    why);
}

/* --- the reader ------------------------------------------------------------ */

static int
admit_unit(struct receiver *r, const struct fy_wire_header *h,
	   struct fy_error *err)
{
	const struct fy_session_disk *d = &r->s->disks[h->disk];
	uint64_t unacked;

	if (h->raw_length != d->unit_bytes)
		return not_allowed(h, "its raw length is not the unit's", err);
	if (h->codec != FY_CODEC_NONE && h->codec != FY_CODEC_ZSTD &&
	    h->codec != FY_CODEC_DEFLATE)
		return not_allowed(h, "unknown codec", err);
	if (h->codec == FY_CODEC_NONE &&
	    h->length != FY_DIGEST_BYTES + d->unit_bytes)
		return not_allowed(h, "a plain unit of another length", err);
	if (h->codec != FY_CODEC_NONE &&
	    (h->length <= FY_DIGEST_BYTES ||
	     h->length >= FY_DIGEST_BYTES + d->unit_bytes))
		return not_allowed(h, "a compressed unit that isn't smaller",
				   err);
	if (d->codec == FY_CODEC_NONE
		    ? h->codec == FY_CODEC_DEFLATE
		    : h->codec != FY_CODEC_NONE && h->codec != d->codec)
		return not_allowed(h, "a codec that was not asked for", err);
	unacked = atomic_fetch_add(&r->s->unacked_bytes, d->unit_bytes);
	if (unacked + d->unit_bytes > FY_WIRE_WINDOW_BYTES)
		return not_allowed(h,
				   "more is unacknowledged than the window "
				   "allows",
				   err);
	return 0;
}

static int
admit(struct receiver *r, const struct fy_wire_header *h, struct fy_error *err)
{
	struct fy_session *s = r->s;

	if (h->type == FY_WIRE_FINISH)
		return 0;
	if (h->type != FY_WIRE_UNIT && h->type != FY_WIRE_ZERO &&
	    h->type != FY_WIRE_CHECK && h->type != FY_WIRE_UNREADABLE)
		return not_allowed(h, "it is not allowed here", err);
	if (h->disk >= s->n_disks)
		return not_allowed(h, "there is no such disk", err);
	if (h->type == FY_WIRE_UNREADABLE)
		return 0;
	if (h->number >= s->disks[h->disk].units)
		return not_allowed(h, "it is behind the disk's end", err);
	if (h->type == FY_WIRE_UNIT)
		return admit_unit(r, h, err);
	if (h->type == FY_WIRE_ZERO)
		return h->length == 8 ? 0 : not_allowed(h, "bad length", err);
	if (h->length == 0 || h->length % FY_DIGEST_BYTES != 0 ||
	    h->length > CHECK_BYTES)
		return not_allowed(h, "bad length", err);
	if (h->length / FY_DIGEST_BYTES > s->disks[h->disk].units - h->number)
		return not_allowed(h, "it reaches behind the disk's end", err);
	if (atomic_fetch_add(&s->open_checks, 1) >= FY_WIRE_CHECK_FRAMES)
		return not_allowed(h, "too many are unanswered", err);
	return 0;
}

static int
rx_produce(void *ctx, void *job, struct fy_error *err)
{
	struct receiver *r = ctx;
	struct rx_job *j = job;
	int got;

	if (r->ended)
		return 0;
	got = fy_link_next(&r->s->link, &j->h, err);
	if (got == 0)
		return fy_error_set(err, FY_E_CONNECTION, 0,
				    "the client went away before FINISH");
	if (got == -1 || admit(r, &j->h, err) == -1)
		return -1;
	r->ended = j->h.type == FY_WIRE_FINISH;
	/* The limit of FINISH and UNREADABLE is CHECK's, a unit's was compared with the disk's. */
	return fy_link_payload(&r->s->link, &j->h, j->payload, err) == -1 ? -1
									  : 1;
}

static void
rx_abort(void *ctx)
{
	struct receiver *r = ctx;

	fy_link_wake(&r->s->link);
}

/* --- the workers ----------------------------------------------------------- */

static int
rx_work(void *ctx, unsigned worker, void *job, struct fy_error *err)
{
	struct receiver *r = ctx;
	struct rx_job *j = job;
	const struct fy_session_disk *d;
	const unsigned char *data = j->payload + FY_DIGEST_BYTES;
	struct fy_digest got;

	if (fy_wire_check_payload(&j->h, j->payload, err) == -1)
		return not_allowed(&j->h, "damaged on its way", err);
	if (j->h.type != FY_WIRE_UNIT)
		return 0;
	d = &r->s->disks[j->h.disk];
	if (j->h.codec != FY_CODEC_NONE) {
		if (fy_decompress(r->decompressors[worker],
				  (enum fy_codec)j->h.codec, data,
				  j->h.length - FY_DIGEST_BYTES, j->raw,
				  d->unit_bytes, err) == -1)
			return fy_error_prefix(err, "disk %u, unit %" PRIu64,
					       j->h.disk + 1u, j->h.number);
		data = j->raw;
	}
	memcpy(j->digest.bytes, j->payload, FY_DIGEST_BYTES);
	fy_digest_xxh3(data, d->unit_bytes, r->s->seed, &got);
	if (!fy_digest_equal(&got, &j->digest))
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "disk %u, unit %" PRIu64
				    ": its content does not have the digest "
				    "that came with it",
				    j->h.disk + 1u, j->h.number);
	return 0;
}

/* --- the consumer ---------------------------------------------------------- */

static bool
is_covered(const struct fy_session_disk *d, uint64_t unit)
{
	return (d->covered[unit / 8] & (1u << unit % 8)) != 0;
}

static void
set_covered(struct fy_session_disk *d, uint64_t unit)
{
	d->covered[unit / 8] |= (unsigned char)(1u << unit % 8);
}

/* Drop a durable unit: journal first ('synced' by the caller), then image. */
static int
forget_in_journal(struct fy_session *s, unsigned disk, uint64_t unit,
		  struct fy_place *ret, struct fy_error *err)
{
	struct fy_digest digest;

	if (fy_journal_get(s->journal, disk, unit, &digest, ret, err) == -1)
		return -1;
	return fy_journal_forget(s->journal, disk, unit, err);
}

/* In a repeated end nothing may be written any more. */
static int
changed_since(const struct fy_session *s, unsigned disk, uint64_t unit,
	      struct fy_error *err)
{
	return fy_error_set(err, FY_E_EXISTS, 0,
			    "'%s' was finished by an earlier connection, but "
			    "disk %u has changed since (unit %" PRIu64
			    "); give --force to convert it anew",
			    s->job->name, disk + 1, unit);
}

struct forgotten {
	uint64_t unit;
	struct fy_place place;
};

/* The journal's part is done and synced: now the image may change. */
static int
forget_in_sink(struct fy_session *s, unsigned disk, const struct forgotten *f,
	       size_t n, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (fy_sink_forget(s->disks[disk].sink, f[i].unit, &f[i].place,
				   err) == -1)
			return -1;
	return 0;
}

static int
receive_unit(struct fy_session *s, struct rx_job *j, struct fy_error *err)
{
	struct fy_session_disk *d = &s->disks[j->h.disk];
	struct fy_sink_unit u = {
		.index = j->h.number,
		.payload = j->payload + FY_DIGEST_BYTES,
		.payload_bytes = j->h.length - FY_DIGEST_BYTES,
		.codec = (enum fy_codec)j->h.codec,
	};
	struct forgotten f = { .unit = j->h.number };
	struct fy_place place = { 0 };

	u.raw = u.codec == FY_CODEC_NONE ? u.payload : j->raw;
	if (is_covered(d, u.index))
		return not_allowed(&j->h, "it was not asked for", err);
	if (s->repeat)
		return changed_since(s, j->h.disk, u.index, err);
	{
		FY_LOCK_SCOPE(&s->journal_lock);
		if (fy_journal_has(s->journal, j->h.disk, u.index)) {
			if (forget_in_journal(s, j->h.disk, u.index, &f.place,
					      err) == -1 ||
			    fy_journal_sync(s->journal, err) == -1 ||
			    forget_in_sink(s, j->h.disk, &f, 1, err) == -1)
				return -1;
		}
	}
	if (fy_sink_write(d->sink, &u, &place, err) == -1)
		return fy_error_prefix(err, "%s", d->file);
	set_covered(d, u.index);
	s->n_units++;
	return fy_durable_add(s->durable, j->h.disk, u.index, &j->digest,
			      &place, err);
}

/* Mark [first, first + count); an overlap with what is covered is an error. */
static int
cover_range(struct fy_session_disk *d, const struct fy_wire_header *h,
	    uint64_t count, struct fy_error *err)
{
	uint64_t unit = h->number, end = h->number + count;

	while (unit < end) {
		if (unit % 8 == 0 && end - unit >= 8) {
			if (d->covered[unit / 8] != 0)
				break;
			d->covered[unit / 8] = 0xff;
			unit += 8;
			continue;
		}
		if (is_covered(d, unit))
			break;
		set_covered(d, unit);
		unit++;
	}
	if (unit < end)
		return not_allowed(h, "a unit of it was covered before", err);
	return 0;
}

#define FORGET_BATCH 1024u

/* Forget what is durable in [first, end), a batch of units to a sync. */
static int
forget_range(struct fy_session *s, unsigned disk, uint64_t first, uint64_t end,
	     struct fy_error *err)
{
	fy_autofree struct forgotten *f = NULL;
	size_t n;

	FY_LOCK_SCOPE(&s->journal_lock);
	if (!fy_journal_next(s->journal, disk, &first) || first >= end)
		return 0;
	if (s->repeat)
		return changed_since(s, disk, first, err);
	f = calloc(FORGET_BATCH, sizeof(*f));
	if (f == NULL)
		return fy_error_nomem(err);
	do {
		for (n = 0;
		     n < FORGET_BATCH &&
		     fy_journal_next(s->journal, disk, &first) && first < end;
		     n++, first++) {
			f[n].unit = first;
			if (forget_in_journal(s, disk, first, &f[n].place,
					      err) == -1)
				return -1;
		}
		if (n > 0 && (fy_journal_sync(s->journal, err) == -1 ||
			      forget_in_sink(s, disk, f, n, err) == -1))
			return -1;
	} while (n == FORGET_BATCH);
	return 0;
}

static int
receive_zero(struct fy_session *s, struct rx_job *j, struct fy_error *err)
{
	struct fy_session_disk *d = &s->disks[j->h.disk];
	uint64_t count = fy_get_le64(j->payload);

	if (count == 0 || count > d->units - j->h.number)
		return not_allowed(&j->h, "its count is out of range", err);
	if (cover_range(d, &j->h, count, err) == -1)
		return -1;
	return forget_range(s, j->h.disk, j->h.number, j->h.number + count,
			    err);
}

/* One bit of the answer; what differs is forgotten (not synced yet). */
static int
check_unit(struct fy_session *s, unsigned disk, uint64_t unit,
	   const unsigned char *digest, bool *ret_same, struct forgotten *f,
	   size_t *n, struct fy_error *err)
{
	struct fy_session_disk *d = &s->disks[disk];
	struct fy_place place;
	struct fy_digest have;

	*ret_same = false;
	if (!fy_journal_has(s->journal, disk, unit))
		return 0;
	if (fy_journal_get(s->journal, disk, unit, &have, &place, err) == -1)
		return -1;
	if (memcmp(have.bytes, digest, FY_DIGEST_BYTES) == 0) {
		*ret_same = true;
		set_covered(d, unit);
		return 0;
	}
	if (is_covered(d, unit))
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "the client gave two digests for unit "
				    "%" PRIu64,
				    unit);
	if (s->repeat)
		return changed_since(s, disk, unit, err);
	f[*n].unit = unit;
	f[*n].place = place;
	(*n)++;
	return fy_journal_forget(s->journal, disk, unit, err);
}

static int
receive_check(struct fy_session *s, struct rx_job *j, struct fy_error *err)
{
	uint32_t i, units = j->h.length / FY_DIGEST_BYTES;
	unsigned char answer[FY_WIRE_CHECK_UNITS / 8] = { 0 };
	fy_autofree struct forgotten *f = calloc(units, sizeof(*f));
	size_t n = 0;
	bool same;

	if (f == NULL)
		return fy_error_nomem(err);
	{
		FY_LOCK_SCOPE(&s->journal_lock);
		for (i = 0; i < units; i++) {
			if (check_unit(s, j->h.disk, j->h.number + i,
				       j->payload + i * FY_DIGEST_BYTES, &same,
				       f, &n, err) == -1)
				return -1;
			if (same)
				answer[i / 8] |= (unsigned char)(1u << i % 8);
		}
		if (n > 0 && (fy_journal_sync(s->journal, err) == -1 ||
			      forget_in_sink(s, j->h.disk, f, n, err) == -1))
			return -1;
	}
	atomic_fetch_sub(&s->open_checks, 1);
	return fy_link_send(&s->link, FY_WIRE_ANSWER, j->h.disk, j->h.number,
			    answer, (units + 7) / 8, err);
}

/* The first unit that nothing is known of, or 'units'. */
static uint64_t
first_uncovered(const struct fy_session_disk *d)
{
	uint64_t unit = 0;

	while (unit < d->units) {
		if (unit % 8 == 0 && d->covered[unit / 8] == 0xff)
			unit += 8;
		else if (is_covered(d, unit))
			unit++;
		else
			return unit;
	}
	return d->units;
}

static int
receive_finish(struct fy_session *s, struct rx_job *j, struct fy_error *err)
{
	fy_autojson json_t *o = NULL;
	uint64_t sent, unit;
	unsigned i;

	o = fy_json_parse((const char *)j->payload, j->h.length, "FINISH", err);
	if (o == NULL)
		return -1;
	for (i = 0; i < s->n_disks; i++) {
		unit = first_uncovered(&s->disks[i]);
		if (unit < s->disks[i].units)
			return fy_error_set(err, FY_E_PROTOCOL, 0,
					    "the client sent FINISH, but unit "
					    "%" PRIu64 " of disk %u never came",
					    unit, i + 1);
	}
	sent = fy_json_u64_or(o, "units_sent", s->n_units);
	if (sent != s->n_units)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "the client says that it sent %" PRIu64
				    " units, but %" PRIu64 " came",
				    sent, s->n_units);
	if (fy_durable_flush(s->durable, err) == -1)
		return -1;
	s->finished = true;
	return 0;
}

static int
rx_consume(void *ctx, void *job, struct fy_error *err)
{
	struct receiver *r = ctx;
	struct rx_job *j = job;

	switch (j->h.type) {
	case FY_WIRE_UNIT:
		return receive_unit(r->s, j, err);
	case FY_WIRE_ZERO:
		return receive_zero(r->s, j, err);
	case FY_WIRE_CHECK:
		return receive_check(r->s, j, err);
	case FY_WIRE_UNREADABLE:
		return fy_session_unreadable(r->s, j->h.disk,
					     (const char *)j->payload,
					     j->h.length, err);
	default:
		return receive_finish(r->s, j, err);
	}
}

static int
rx_idle(void *ctx, struct fy_error *err)
{
	struct receiver *r = ctx;

	return fy_durable_poke(r->s->durable, err);
}

/* --- set-up ---------------------------------------------------------------- */

static const struct fy_pipeline_ops rx_ops = {
	.produce = rx_produce,
	.work = rx_work,
	.consume = rx_consume,
	.idle = rx_idle,
	.idle_ms = 1000,
	.abort = rx_abort,
};

static void
free_jobs(void **jobs, size_t n)
{
	size_t i;

	for (i = 0; jobs != NULL && i < n; i++) {
		struct rx_job *j = jobs[i];

		if (j == NULL)
			continue;
		free(j->payload);
		free(j->raw);
		free(j);
	}
	free(jobs);
}

static int
make_jobs(uint32_t unit_bytes, size_t n, void **jobs, struct fy_error *err)
{
	size_t room = FY_DIGEST_BYTES + unit_bytes;
	size_t i;

	/* FINISH, UNREADABLE and CHECK are at most CHECK_BYTES long. */
	if (room < CHECK_BYTES)
		room = CHECK_BYTES;
	for (i = 0; i < n; i++) {
		struct rx_job *j = jobs[i] = calloc(1, sizeof(*j));

		if (j == NULL)
			return fy_error_nomem(err);
		j->payload = malloc(room);
		j->raw = malloc(unit_bytes);
		if (j->payload == NULL || j->raw == NULL)
			return fy_error_nomem(err);
	}
	return 0;
}

static int
make_coverage(struct fy_session *s, uint32_t *ret_unit, struct fy_error *err)
{
	unsigned i;

	*ret_unit = 0;
	for (i = 0; i < s->n_disks; i++) {
		struct fy_session_disk *d = &s->disks[i];

		d->covered = calloc((size_t)(d->units / 8 + 1), 1);
		if (d->covered == NULL)
			return fy_error_nomem(err);
		if (d->unit_bytes > *ret_unit)
			*ret_unit = d->unit_bytes;
	}
	return 0;
}

static int
run(struct receiver *r, uint32_t unit_bytes, struct fy_error *err)
{
	/* Small units in larger numbers, or the consumer starves. */
	size_t n = r->workers * 2 + 4 + (8u << 20) / unit_bytes, i;
	fy_autofree struct fy_decompressor **dec = NULL;
	void **jobs = calloc(n, sizeof(*jobs));
	int result = -1;

	dec = calloc(r->workers, sizeof(struct fy_decompressor *));
	if (dec == NULL || jobs == NULL) {
		free(jobs);
		return fy_error_nomem(err);
	}
	r->decompressors = dec;
	for (i = 0; i < r->workers; i++)
		if ((dec[i] = fy_decompressor_new(err)) == NULL)
			goto free_all;
	if (make_jobs(unit_bytes, n, jobs, err) == 0)
		result = fy_pipeline_run(&rx_ops, r, r->workers, jobs, n,
					 r->s->stop, err);
free_all:
	for (i = 0; i < r->workers; i++)
		fy_decompressor_free(dec[i]);
	free_jobs(jobs, n);
	return result;
}

int
fy_session_receive(struct fy_session *s, struct fy_error *err)
{
	struct receiver r = { .s = s };
	struct fy_error late = { 0 };
	uint32_t unit_bytes;
	int result;
	unsigned i;

	r.workers = fy_processors();
	if (r.workers > MAX_WORKERS)
		r.workers = MAX_WORKERS;
	if (make_coverage(s, &unit_bytes, err) == -1 ||
	    fy_durable_new(s, &s->durable, err) == -1)
		return -1;
	result = run(&r, unit_bytes, err);
	/* What is written already is kept, also when the client is gone. */
	if (result == -1)
		fy_durable_flush(s->durable, &late);
	fy_durable_free(s->durable);
	s->durable = NULL;
	for (i = 0; i < s->n_disks; i++) {
		free(s->disks[i].covered);
		s->disks[i].covered = NULL;
	}
	if (result == 0 && !s->finished)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "the client ended without FINISH");
	return result;
}
