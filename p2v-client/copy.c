/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The passes: common/pipeline with one reading producer, workers that digest
 * and compress, and this thread as the consumer that sends in order.
 *
 * Memory: 2 * workers + 4 jobs of two batches each, whatever the disk.  Ranges
 * of units that hold nothing are gathered and sent as one ZERO.  A failing
 * source ends the run after what was read before it has been sent.
 */
#include "p2v-client/copy.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/pipeline.h"
#include "p2v-client/copy-job.h"

#define CHECK_BYTES (256u << 20) /* of disk in one CHECK frame */

struct worker {
	struct fy_compressor *compressor;
	enum fy_codec codec; /* of 'compressor' */
	int level;
	unsigned window_bits;
};

struct pass {
	struct fy_copy *copy;
	struct fy_copy_producer producer;
	struct worker *workers;
	/* consumer: units in a row, of one disk */
	uint16_t run_disk;
	uint64_t run_first, run_count;
	struct fy_digest *digests; /* pass one */
	uint32_t most_digests;
};

static int
produce(void *ctx, void *job, struct fy_error *err)
{
	struct pass *p = ctx;

	return fy_copy_produce(&p->producer, job, err);
}

/* --- workers ------------------------------------------------------------------ */

static uint64_t
thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int
get_compressor(struct worker *w, const struct fy_choice *choice,
	       unsigned window_bits, struct fy_error *err)
{
	if (w->compressor != NULL && w->codec == choice->codec &&
	    w->level == choice->level && w->window_bits == window_bits)
		return 0;
	fy_compressor_free(w->compressor);
	w->compressor = fy_compressor_new(choice->codec, choice->level,
					  window_bits, err);
	w->codec = choice->codec;
	w->level = choice->level;
	w->window_bits = window_bits;
	return w->compressor == NULL ? -1 : 0;
}

/* Compress, if that is wanted and helps, and code the header. */
static int
pack_unit(struct pass *p, struct worker *w, struct fy_copy_job *job, size_t i,
	  struct fy_error *err)
{
	const struct fy_peer_disk *d = p->copy->disks[job->disk].wire;
	struct fy_copy_unit *u = &job->units[i];
	struct fy_wire_header h = { .type = FY_WIRE_UNIT, .disk = job->disk };
	unsigned char *data = job->data + i * d->unit_bytes;
	unsigned char *packed = job->packed + i * d->unit_bytes;
	int smaller = 0;

	u->codec = job->choice.codec;
	if (u->codec != FY_CODEC_NONE) {
		if (get_compressor(w, &job->choice, d->window_bits, err) == -1)
			return -1;
		smaller = fy_compress(w->compressor, data, d->unit_bytes,
				      packed, &u->len, err);
		if (smaller == -1)
			return -1;
	}
	u->payload = packed;
	if (!smaller) {
		u->codec = FY_CODEC_NONE;
		u->payload = data;
		u->len = d->unit_bytes;
	}
	h.codec = (uint8_t)u->codec;
	h.raw_length = d->unit_bytes;
	h.number = job->first + i;
	fy_wire_encode(&h, u->digest.bytes, FY_DIGEST_BYTES, u->payload, u->len,
		       u->header);
	return 0;
}

static int
work(void *ctx, unsigned worker, void *arg, struct fy_error *err)
{
	struct pass *p = ctx;
	struct fy_copy_job *job = arg;
	const struct fy_peer_disk *d = p->copy->disks[job->disk].wire;
	uint64_t seed = fy_peer_seed(p->copy->peer);
	uint64_t before = thread_cpu_ns();
	size_t i;

	if (job->empty)
		return 0;
	for (i = 0; i < job->count; i++) {
		struct fy_copy_unit *u = &job->units[i];
		unsigned char *data = job->data + i * d->unit_bytes;

		if (!u->wanted || u->known)
			continue;
		u->zero = !p->producer.checking &&
			  fy_is_zero(data, d->unit_bytes);
		if (u->zero)
			continue;
		fy_digest_xxh3(data, d->unit_bytes, seed, &u->digest);
		if (!p->producer.checking &&
		    pack_unit(p, &p->workers[worker], job, i, err) == -1)
			return -1;
	}
	job->cpu_ns = thread_cpu_ns() - before;
	return 0;
}

/* --- pass one's consumer -------------------------------------------------------- */

static int
flush_digests(struct pass *p, struct fy_error *err)
{
	uint32_t n = (uint32_t)p->run_count;

	p->run_count = 0;
	if (n == 0)
		return 0;
	return fy_peer_check(p->copy->peer, p->run_disk, p->run_first, n,
			     p->digests, err);
}

static int
consume_digests(void *ctx, void *arg, struct fy_error *err)
{
	struct pass *p = ctx;
	struct fy_copy_job *job = arg;
	const struct fy_copy_disk *d = &p->copy->disks[job->disk];
	uint32_t unit = d->wire->unit_bytes, most;
	uint64_t i, number;

	most = (uint32_t)fy_min_u64(CHECK_BYTES / unit, FY_WIRE_CHECK_UNITS);
	for (i = 0; i < job->count; i++) {
		if (!job->units[i].wanted)
			continue;
		number = job->first + i;
		if ((p->run_count == most || p->run_disk != job->disk ||
		     p->run_first + p->run_count != number) &&
		    flush_digests(p, err) == -1)
			return -1;
		if (p->run_count == 0) {
			p->run_disk = job->disk;
			p->run_first = number;
		}
		p->digests[p->run_count++] = job->units[i].digest;
		if (job->units[i].known)
			continue;
		if (d->known != NULL)
			fy_known_put(d->known, number, &job->units[i].digest);
		fy_progress_add(p->copy->progress, unit, 0);
	}
	return 0;
}

/* --- pass two's consumer -------------------------------------------------------- */

static int
flush_zeros(struct pass *p, struct fy_error *err)
{
	uint64_t n = p->run_count;

	p->run_count = 0;
	if (n == 0)
		return 0;
	return fy_peer_zero(p->copy->peer, p->run_disk, p->run_first, n, err);
}

static int
add_zeros(struct pass *p, uint16_t disk, uint64_t first, uint64_t count,
	  struct fy_error *err)
{
	if ((p->run_disk != disk || p->run_first + p->run_count != first) &&
	    flush_zeros(p, err) == -1)
		return -1;
	if (p->run_count == 0) {
		p->run_disk = disk;
		p->run_first = first;
	}
	p->run_count += count;
	return 0;
}

static int
send_unit(struct pass *p, const struct fy_copy_job *job, size_t i,
	  struct fy_error *err)
{
	const struct fy_copy_disk *d = &p->copy->disks[job->disk];
	const struct fy_copy_unit *u = &job->units[i];
	struct fy_peer_unit s = {
		.disk = job->disk,
		.unit = job->first + i,
		.raw_bytes = d->wire->unit_bytes,
		.used_bytes = u->used_bytes,
		.header = u->header,
		.digest = &u->digest,
		.payload = u->payload,
		.len = u->len,
	};

	if (flush_zeros(p, err) == -1 ||
	    fy_peer_unit(p->copy->peer, &s, err) == -1)
		return -1;
	p->copy->units_sent++;
	fy_unit_set_put(d->sent, s.unit, true);
	if (d->known != NULL)
		fy_known_put(d->known, s.unit, &u->digest);
	return 0;
}

static int
consume_units(void *ctx, void *arg, struct fy_error *err)
{
	struct pass *p = ctx;
	struct fy_copy_job *job = arg;
	uint64_t stamped = 0, raw = 0, wire = 0, unit;
	const char *told;
	size_t i;

	if (job->empty)
		return add_zeros(p, job->disk, job->first, job->count, err);
	unit = p->copy->disks[job->disk].wire->unit_bytes;
	for (i = 0; i < job->count; i++) {
		const struct fy_copy_unit *u = &job->units[i];

		if (!u->wanted)
			continue;
		stamped += unit;
		if (u->zero) {
			if (add_zeros(p, job->disk, job->first + i, 1, err) ==
			    -1)
				return -1;
			fy_progress_add(p->copy->progress, u->used_bytes, 0);
			continue;
		}
		if (send_unit(p, job, i, err) == -1)
			return -1;
		raw += unit;
		wire += u->len;
	}
	if (p->copy->progress != NULL)
		atomic_store(&p->copy->progress->sent,
			     p->copy->sent_before +
				     fy_peer_sent_bytes(p->copy->peer));
	fy_chooser_sent(p->copy->chooser, &job->choice, stamped, raw, wire,
			job->cpu_ns, fy_clock_ns());
	told = fy_chooser_tell(p->copy->chooser);
	if (told != NULL)
		fy_log_info(p->copy->log, "%s", told);
	return 0;
}

/* Nothing to send at present: has the other side anything to say? */
static int
idle(void *ctx, struct fy_error *err)
{
	struct pass *p = ctx;

	return fy_peer_error(p->copy->peer, err);
}

/* --- running --------------------------------------------------------------------- */

static int
run(struct pass *p, struct fy_error *err)
{
	struct fy_copy *c = p->copy;
	struct fy_pipeline_ops ops = {
		.produce = produce,
		.work = work,
		.consume =
			p->producer.checking ? consume_digests : consume_units,
		.idle = idle,
		.idle_ms = 200,
	};
	size_t n = 2 * c->workers + 4, batch = FY_BATCH_BYTES, i;
	struct fy_copy_job **jobs = NULL;
	int r;

	for (i = 0; i < c->n_disks; i++)
		if (c->disks[i].wire->unit_bytes > batch)
			batch = c->disks[i].wire->unit_bytes;
	if (fy_copy_jobs_new(n, batch, &jobs, err) == -1)
		return -1;
	p->workers = calloc(c->workers, sizeof(*p->workers));
	r = p->workers == NULL
		    ? fy_error_nomem(err)
		    : fy_pipeline_run(&ops, p, c->workers, (void **)jobs, n,
				      c->stop, err);
	for (i = 0; p->workers != NULL && i < c->workers; i++)
		fy_compressor_free(p->workers[i].compressor);
	free(p->workers);
	fy_copy_jobs_free(jobs, n);
	return r;
}

/* How many units are to be compared, and the bytes of those to be read. */
static uint64_t
count_durable(const struct fy_copy *c, uint64_t *ret_bytes)
{
	uint64_t units = 0, unit;
	struct fy_digest ignored;
	size_t i;

	for (i = 0; i < c->n_disks; i++) {
		const struct fy_copy_disk *d = &c->disks[i];
		const struct fy_unit_set *s = &d->wire->durable;

		for (unit = fy_unit_set_next(s, 0, true); unit < s->n;
		     unit = fy_unit_set_next(s, unit + 1, true)) {
			units++;
			if (d->known == NULL ||
			    !fy_known_get(d->known, unit, &ignored))
				*ret_bytes += d->wire->unit_bytes;
		}
	}
	return units;
}

int
fy_copy_check(struct fy_copy *c, struct fy_error *err)
{
	struct pass p = { .copy = c,
			  .producer = { .copy = c, .checking = true } };
	uint64_t bytes = 0;
	int r;

	if (count_durable(c, &bytes) == 0)
		return 0;
	if (bytes > 0)
		fy_progress_phase(c->progress, "check", bytes);
	p.digests = calloc(FY_WIRE_CHECK_UNITS, sizeof(*p.digests));
	if (p.digests == NULL)
		return fy_error_nomem(err);
	r = run(&p, err);
	if (r == 0)
		r = flush_digests(&p, err);
	if (r == 0)
		r = fy_peer_wait_answers(c->peer, err);
	free(p.digests);
	return r;
}

/* Count the units with used data, and the used bytes in those not durable. */
static int
count_work(struct fy_copy *c, uint64_t *ret_bytes, struct fy_error *err)
{
	size_t i;
	int r;

	for (i = 0; i < c->n_disks; i++) {
		const struct fy_peer_disk *w = c->disks[i].wire;
		struct fy_extents_cursor cursor;
		uint64_t at, end, stop, last = UINT64_MAX;
		struct fy_extent x;

		fy_extents_cursor_init(&cursor, c->disks[i].map->used);
		while ((r = fy_extents_next(&cursor, &x, err)) == 1) {
			stop = x.offset + x.length;
			for (at = x.offset; at < stop; at = end) {
				uint64_t unit = at / w->unit_bytes;

				end = fy_min_u64(stop,
						 (unit + 1) * w->unit_bytes);
				c->units_total += unit != last;
				last = unit;
				if (!fy_unit_set_has(&w->durable, unit))
					*ret_bytes += end - at;
			}
		}
		if (r == -1)
			return -1;
		c->units_reused += fy_unit_set_count_without(&w->durable,
							     c->disks[i].sent);
	}
	return 0;
}

int
fy_copy_send(struct fy_copy *c, struct fy_error *err)
{
	struct pass p = { .copy = c, .producer = { .copy = c } };
	uint64_t bytes = 0;

	if (count_work(c, &bytes, err) == -1)
		return -1;
	/* After a reconnect what is durable stays done. */
	if (c->total_bytes < bytes)
		c->total_bytes = bytes;
	fy_progress_phase_at(c->progress, "copy", c->total_bytes - bytes,
			     c->total_bytes);
	if (run(&p, err) == -1)
		return -1;
	return flush_zeros(&p, err);
}
