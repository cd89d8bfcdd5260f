/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PIPELINE_H
#define FY_PIPELINE_H

#include <stddef.h>

#include "common/error.h"
#include "common/stop.h"

/*
 * The bounded job pipeline: one producer -> N workers -> one consumer that
 * gets the jobs in the order in which they were produced.  Jobs are storage
 * that the caller made beforehand, so memory is bounded by their number; each
 * goes round: produce, work, consume, produce again.
 *
 * An error in any stage ends the run: the jobs in front of the one that failed
 * are still worked on and consumed, what follows is dropped, all threads are
 * joined, and the error of the job with the lowest sequence is reported.  A
 * raised 'stop' ends it at once with FY_E_CANCELLED.  After a failure, when the
 * consumer has done its last job, 'abort' (may be NULL) is called once, in the
 * consumer's thread, so that a producer which blocks outside the pipeline (a
 * read from a pipe) can be woken.
 */
struct fy_pipeline_ops {
	/* Producer thread.  1: 'job' is filled; 0: there are no more (the job
	 * is not used); -1: 'err' filled. */
	int (*produce)(void *ctx, void *job, struct fy_error *err);
	/* Any of the worker threads, 'worker' in [0, workers).  NULL: skip. */
	int (*work)(void *ctx, unsigned worker, void *job,
		    struct fy_error *err);
	/* The thread that called fy_pipeline_run, in order. */
	int (*consume)(void *ctx, void *job, struct fy_error *err);
	/* Consumer thread, when no job has been ready for 'idle_ms'; also
	 * between jobs at about that interval.  NULL: never. */
	int (*idle)(void *ctx, struct fy_error *err);
	unsigned idle_ms;
	void (*abort)(void *ctx);
};

/* Blocks until all is consumed.  'jobs' are n_jobs >= workers + 2 pointers. */
int fy_pipeline_run(const struct fy_pipeline_ops *ops, void *ctx,
		    unsigned workers, void *const *jobs, size_t n_jobs,
		    const struct fy_stop *stop, struct fy_error *err);

/* Number of processors that this process may use, at least 1. */
unsigned fy_processors(void);

#endif
