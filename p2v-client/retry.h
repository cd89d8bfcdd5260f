/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_RETRY_H
#define FY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/progress.h"
#include "common/stop.h"

/*
 * How long and how often a lost connection is tried again: after pauses of 1,
 * 2, 4 ... 30 s, until 'limit_ms' have gone by without a connection.  The time
 * begins anew when more has become durable than ever before; so a server that
 * fails each time at the same place is not tried for ever.
 */
struct fy_retry {
	uint64_t limit_ms; /* 0: never */
	uint64_t left_ms;
	uint64_t lost_ms; /* the clock when it was lost; 0: it is not */
	unsigned pause_s; /* the next one; 0: none yet */
	uint64_t most_durable;
};

void fy_retry_init(struct fy_retry *r, uint64_t limit_s);

/* The connection is lost (or could not be had again); 'now_ms' is the
 * monotonic clock.  How long to wait before the next try; 0: no more. */
uint64_t fy_retry_lost(struct fy_retry *r, uint64_t now_ms);

/* It is there again, and so much is durable. */
void fy_retry_connected(struct fy_retry *r, uint64_t now_ms, uint64_t durable);

/* Whether a failure may go away by itself.  While reconnecting, the server may
 * still be busy with the connection that was lost. */
bool fy_retry_helps(const struct fy_retry *r, const struct fy_error *why);

/* Wait, showing the seconds that are left.  FY_E_CANCELLED at once. */
int fy_retry_wait(uint64_t ms, struct fy_progress *p,
		  const struct fy_stop *stop, struct fy_error *err);

#endif
