/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_PROGRESS_H
#define FY_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/*
 * Progress of a long job.  Stages bump the counters when bytes are done, not
 * when they are asked for; a ticker thread shows them: as a bar on a terminal,
 * as JSON lines, or by a callback (the dialog's gauge).
 */
enum fy_progress_mode {
	FY_PROGRESS_AUTO, /* bar when stderr is a terminal, else nothing */
	FY_PROGRESS_BAR,
	FY_PROGRESS_JSON, /* one object a line and second on stderr:
		{"phase","done","total","rate","seconds_left","sent"}, while
		a lost connection is waited for with "retry_in" */
	FY_PROGRESS_NONE,
};
/* The words of --progress, in the order of the enum. */
extern const char *const fy_progress_choices[];

struct fy_progress_view {
	const char *phase;     /* "scan", "copy", "verify", "inject", ... */
	uint64_t done, total;  /* bytes of used data */
	uint64_t sent;	       /* bytes on the wire */
	uint64_t rate;	       /* done per second, over the last seconds */
	uint64_t seconds_left; /* UINT64_MAX: unknown */
	double seconds;	       /* since the start */
	unsigned retry_in;     /* seconds until the next try to reconnect */
};

struct fy_progress {
	_Atomic uint64_t done, total, sent;
	_Atomic(const char *) phase;	   /* a string literal */
	_Atomic unsigned retry_in;	   /* 0: nothing is waited for */
	struct fy_progress_ticker *ticker; /* private */
};

/* Start showing.  'view' (NULL: mode decides) is called about every 'ms' from
 * the ticker's thread. */
int fy_progress_start(struct fy_progress *p, enum fy_progress_mode mode,
		      void (*view)(void *ctx, const struct fy_progress_view *v),
		      void *ctx, unsigned ms, struct fy_error *err);
/* Show the last state and end the ticker. */
void fy_progress_stop(struct fy_progress *p);

/* NULL-safe. */
void fy_progress_phase(struct fy_progress *p, const char *phase,
		       uint64_t total);
/* The same with some of it done already. */
void fy_progress_phase_at(struct fy_progress *p, const char *phase,
			  uint64_t done, uint64_t total);
static inline void
fy_progress_add(struct fy_progress *p, uint64_t done, uint64_t sent)
{
	if (p == NULL)
		return;
	atomic_fetch_add_explicit(&p->done, done, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->sent, sent, memory_order_relaxed);
}

#endif
