/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pipeline: order, bounds, errors of each stage, stop, abort. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/pipeline.h"
#include "common/test.h"

#define JOBS 7

struct job {
	unsigned seq, worked;
};

struct run {
	unsigned n, made, eaten, idles, aborted;
	unsigned fail_produce, fail_work, fail_consume, stop_at; /* 0: never */
	struct fy_stop *stop;
};

static int
produce(void *ctx, void *arg, struct fy_error *err)
{
	struct run *r = ctx;
	struct job *j = arg;

	if (r->made == r->n)
		return 0;
	r->made++;
	if (r->made == r->fail_produce)
		return fy_error_set(err, FY_E_IO, 0, "produce %u", r->made);
	j->seq = r->made;
	j->worked = 0;
	return 1;
}

static int
work(void *ctx, unsigned worker, void *arg, struct fy_error *err)
{
	struct run *r = ctx;
	struct job *j = arg;

	CHECK(worker < 3);
	if (j->seq % 5 == 0)
		usleep(300);
	j->worked++;
	/* Several fail; the lowest must be reported. */
	if (r->fail_work != 0 && j->seq >= r->fail_work)
		return fy_error_set(err, FY_E_CORRUPT, 0, "work %u", j->seq);
	return 0;
}

static int
consume(void *ctx, void *arg, struct fy_error *err)
{
	struct run *r = ctx;
	struct job *j = arg;

	r->eaten++;
	CHECK(j->seq == r->eaten);
	CHECK(j->worked == 1);
	if (j->seq == r->fail_consume)
		return fy_error_set(err, FY_E_NOSPACE, 0, "consume %u", j->seq);
	if (j->seq == r->stop_at)
		fy_stop_raise(r->stop);
	return 0;
}

static int
idle(void *ctx, struct fy_error *err)
{
	struct run *r = ctx;

	(void)err;
	r->idles++;
	return 0;
}

static void
on_abort(void *ctx)
{
	struct run *r = ctx;

	r->aborted++;
}

static const struct fy_pipeline_ops ops = {
	.produce = produce,
	.work = work,
	.consume = consume,
	.idle = idle,
	.idle_ms = 1,
	.abort = on_abort,
};

static int
run(struct run *r, struct fy_error *err)
{
	struct job storage[JOBS];
	void *jobs[JOBS];
	unsigned i;

	for (i = 0; i < JOBS; i++)
		jobs[i] = &storage[i];
	return fy_pipeline_run(&ops, r, 3, jobs, JOBS, r->stop, err);
}

int
main(void)
{
	struct fy_error err = { 0 };
	struct fy_stop stop;
	unsigned i;

	for (i = 0; i < 20; i++) {
		struct run all = { .n = 500 * (i % 3) };

		CHECK(run(&all, &err) == 0);
		CHECK(all.eaten == all.n && all.aborted == 0);
	}
	for (i = 1; i < 60; i += 7) {
		struct run bad = { .n = 100, .fail_produce = i };

		fy_error_clear(&err);
		CHECK(run(&bad, &err) == -1 && err.code == FY_E_IO);
		CHECK(bad.aborted == 1);
		CHECK(bad.eaten == i - 1);
	}
	for (i = 1; i < 60; i += 7) {
		struct run bad = { .n = 100, .fail_work = i };
		char want[32];

		fy_error_clear(&err);
		snprintf(want, sizeof(want), "work %u", i);
		CHECK(run(&bad, &err) == -1 && err.code == FY_E_CORRUPT);
		CHECK_STR(err.msg, want);
		CHECK(bad.eaten == i - 1 && bad.aborted == 1);
	}
	for (i = 1; i < 60; i += 7) {
		struct run bad = { .n = 100, .fail_consume = i };

		fy_error_clear(&err);
		CHECK(run(&bad, &err) == -1 && err.code == FY_E_NOSPACE);
		CHECK(bad.eaten == i && bad.aborted == 1);
	}
	CHECK(fy_stop_init(&stop, &err) == 0);
	{
		struct run cut = { .n = 100000, .stop_at = 50, .stop = &stop };

		fy_error_clear(&err);
		CHECK(run(&cut, &err) == -1 && err.code == FY_E_CANCELLED);
		CHECK(cut.eaten < 100000);
	}
	fy_stop_release(&stop);
	return test_result();
}
