/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bounded job pipeline.  Each job's storage is a slot that goes round
 * through the states FREE -> FILLED -> WORKING -> DONE -> FREE; slots are used
 * in sequence order, so the consumer simply waits for slot (seq % n) to be
 * DONE.  One mutex guards all states; the stages' work is done outside it.
 */
#include "common/pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "common/cleanup.h"

enum slot_state { SLOT_FREE, SLOT_FILLED, SLOT_WORKING, SLOT_DONE };

struct slot {
	enum slot_state state;
	struct fy_error err;
};

struct pipeline {
	const struct fy_pipeline_ops *ops;
	void *ctx;
	void *const *jobs;
	size_t n_jobs;
	const struct fy_stop *stop;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct slot *slots;
	uint64_t produced;   /* next sequence to fill */
	uint64_t taken;	     /* next sequence to work on */
	uint64_t consumed;   /* next sequence to consume */
	bool ended;	     /* the producer said that there are no more */
	bool failed;	     /* some stage failed: what follows is dropped */
	uint64_t failed_seq; /* of 'err'; jobs before it are still consumed */
	struct fy_error err;
};

struct worker {
	struct pipeline *p;
	unsigned index;
	pthread_t thread;
};

/* Lock held.  Keep the error of the lowest sequence. */
static void
fail(struct pipeline *p, uint64_t seq, const struct fy_error *err)
{
	if (!p->failed || seq < p->failed_seq) {
		p->err = *err;
		p->failed_seq = seq;
	}
	p->failed = true;
	pthread_cond_broadcast(&p->changed);
}

static bool
stopped(struct pipeline *p)
{
	struct fy_error err = { 0 };

	if (!p->failed && fy_stop_check(p->stop, &err) == -1)
		fail(p, p->consumed, &err);
	return p->failed;
}

/* Lock held.  Whether a job is in front of whatever failed. */
static bool
is_wanted(struct pipeline *p, uint64_t seq)
{
	return !stopped(p) || seq < p->failed_seq;
}

/* Lock held.  Wait for a change, at most 'ms'; the stop token has no way to
 * wake a condition, so nobody waits longer than 200 ms. */
static void
wait_change(struct pipeline *p, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

static void *
producer_main(void *arg)
{
	struct pipeline *p = arg;
	struct fy_error err;
	uint64_t seq;
	int r;

	for (;;) {
		pthread_mutex_lock(&p->lock);
		seq = p->produced;
		while (!stopped(p) &&
		       p->slots[seq % p->n_jobs].state != SLOT_FREE)
			wait_change(p, 200);
		if (p->failed) {
			pthread_mutex_unlock(&p->lock);
			break;
		}
		pthread_mutex_unlock(&p->lock);

		fy_error_clear(&err);
		r = p->ops->produce(p->ctx, p->jobs[seq % p->n_jobs], &err);

		pthread_mutex_lock(&p->lock);
		if (r == 1) {
			p->slots[seq % p->n_jobs].state =
				p->ops->work != NULL ? SLOT_FILLED : SLOT_DONE;
			p->produced++;
		} else if (r == 0) {
			p->ended = true;
		} else {
			fail(p, seq, &err);
		}
		pthread_cond_broadcast(&p->changed);
		pthread_mutex_unlock(&p->lock);
		if (r != 1)
			break;
	}
	return NULL;
}

/* Lock held.  The next job to work on: true and '*ret'. */
static bool
take_job(struct pipeline *p, uint64_t *ret)
{
	for (;;) {
		if (!is_wanted(p, p->taken))
			return false;
		if (p->taken < p->produced) {
			*ret = p->taken++;
			p->slots[*ret % p->n_jobs].state = SLOT_WORKING;
			return true;
		}
		if (p->ended)
			return false;
		wait_change(p, 200);
	}
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	struct pipeline *p = w->p;
	struct fy_error err;
	uint64_t seq;
	int r;

	pthread_mutex_lock(&p->lock);
	while (take_job(p, &seq)) {
		pthread_mutex_unlock(&p->lock);
		fy_error_clear(&err);
		r = p->ops->work(p->ctx, w->index, p->jobs[seq % p->n_jobs],
				 &err);
		pthread_mutex_lock(&p->lock);
		p->slots[seq % p->n_jobs].state = SLOT_DONE;
		if (r == -1)
			fail(p, seq, &err);
		pthread_cond_broadcast(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Milliseconds since 'since'. */
static uint64_t
elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - since->tv_sec) * 1000 +
			  (now.tv_nsec - since->tv_nsec) / 1000000);
}

/* Call ops->idle when it is due.  Lock not held. */
static void
run_idle(struct pipeline *p, struct timespec *last)
{
	struct fy_error err = { 0 };

	if (p->ops->idle == NULL || elapsed_ms(last) < p->ops->idle_ms)
		return;
	clock_gettime(CLOCK_MONOTONIC, last);
	if (p->ops->idle(p->ctx, &err) == 0)
		return;
	pthread_mutex_lock(&p->lock);
	fail(p, p->consumed, &err);
	pthread_mutex_unlock(&p->lock);
}

/* 1: job 'consumed' is ready; 0: all is consumed or something failed. */
static int
next_ready(struct pipeline *p, struct timespec *last_idle)
{
	unsigned ms = p->ops->idle != NULL && p->ops->idle_ms < 200
			      ? p->ops->idle_ms
			      : 200;
	bool ready, over;

	for (;;) {
		pthread_mutex_lock(&p->lock);
		over = !is_wanted(p, p->consumed) ||
		       (p->ended && p->consumed == p->produced);
		ready = !over && p->consumed < p->produced &&
			p->slots[p->consumed % p->n_jobs].state == SLOT_DONE;
		if (!ready && !over)
			wait_change(p, ms);
		pthread_mutex_unlock(&p->lock);
		if (ready)
			return 1;
		if (over)
			return 0;
		run_idle(p, last_idle);
	}
}

static void
consume_all(struct pipeline *p)
{
	struct timespec last_idle;
	struct fy_error err;
	struct slot *slot;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &last_idle);
	while (next_ready(p, &last_idle) == 1) {
		fy_error_clear(&err);
		r = p->ops->consume(p->ctx, p->jobs[p->consumed % p->n_jobs],
				    &err);
		pthread_mutex_lock(&p->lock);
		if (r == -1) {
			fail(p, p->consumed, &err);
		} else {
			slot = &p->slots[p->consumed % p->n_jobs];
			slot->state = SLOT_FREE;
			p->consumed++;
		}
		pthread_cond_broadcast(&p->changed);
		pthread_mutex_unlock(&p->lock);
		if (r == -1)
			break;
		run_idle(p, &last_idle);
	}
	if (p->ops->abort == NULL)
		return;
	/* Whoever blocks outside the pipeline must hear of it. */
	pthread_mutex_lock(&p->lock);
	r = p->failed ? -1 : 0;
	pthread_mutex_unlock(&p->lock);
	if (r == -1)
		p->ops->abort(p->ctx);
}

/* Start the threads; returns how many workers run. */
static unsigned
start_threads(struct pipeline *p, struct worker *workers, unsigned n,
	      pthread_t *producer, bool *producer_runs)
{
	struct fy_error err = { 0 };
	unsigned i, started = 0;
	int r = 0;

	for (i = 0; i < n && r == 0; i++) {
		workers[i].p = p;
		workers[i].index = i;
		r = pthread_create(&workers[i].thread, NULL, worker_main,
				   &workers[i]);
		if (r == 0)
			started++;
	}
	if (r == 0)
		r = pthread_create(producer, NULL, producer_main, p);
	*producer_runs = r == 0;
	if (r != 0) {
		fy_error_set(&err, FY_E_NOMEM, r, "cannot start a thread");
		pthread_mutex_lock(&p->lock);
		fail(p, 0, &err);
		pthread_mutex_unlock(&p->lock);
	}
	return started;
}

int
fy_pipeline_run(const struct fy_pipeline_ops *ops, void *ctx, unsigned workers,
		void *const *jobs, size_t n_jobs, const struct fy_stop *stop,
		struct fy_error *err)
{
	struct pipeline p = { .ops = ops,
			      .ctx = ctx,
			      .jobs = jobs,
			      .n_jobs = n_jobs,
			      .stop = stop };
	fy_autofree struct worker *threads = NULL;
	fy_autofree struct slot *slots = NULL;
	pthread_condattr_t attr;
	unsigned i, started;
	bool producer_runs;
	pthread_t producer;

	if (ops->work == NULL)
		workers = 0;
	threads = calloc(workers + 1, sizeof(*threads));
	slots = calloc(n_jobs, sizeof(*slots));
	if (threads == NULL || slots == NULL)
		return fy_error_nomem(err);
	p.slots = slots;
	pthread_mutex_init(&p.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p.changed, &attr);
	pthread_condattr_destroy(&attr);

	started =
		start_threads(&p, threads, workers, &producer, &producer_runs);
	consume_all(&p);
	for (i = 0; i < started; i++)
		pthread_join(threads[i].thread, NULL);
	if (producer_runs)
		pthread_join(producer, NULL);
	pthread_cond_destroy(&p.changed);
	pthread_mutex_destroy(&p.lock);
	if (p.failed)
		return fy_error_copy(err, &p.err);
	return 0;
}

unsigned
fy_processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
	return 1;
}
