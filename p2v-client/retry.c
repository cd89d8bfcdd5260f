/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When to try again, and the waiting.
 */
#include "p2v-client/retry.h"

#include <poll.h>
#include <string.h>

#include "common/bytes.h"
#include "common/clock.h"

#define MOST_PAUSE_S 30u

void
fy_retry_init(struct fy_retry *r, uint64_t limit_s)
{
	memset(r, 0, sizeof(*r));
	r->limit_ms = r->left_ms = limit_s * 1000;
}

uint64_t
fy_retry_lost(struct fy_retry *r, uint64_t now_ms)
{
	uint64_t gone;

	if (r->lost_ms == 0)
		r->lost_ms = now_ms;
	gone = now_ms - r->lost_ms;
	if (gone >= r->left_ms)
		return 0;
	r->pause_s = r->pause_s == 0 ? 1 : r->pause_s * 2;
	if (r->pause_s > MOST_PAUSE_S)
		r->pause_s = MOST_PAUSE_S;
	return fy_min_u64(r->pause_s * 1000u, r->left_ms - gone);
}

void
fy_retry_connected(struct fy_retry *r, uint64_t now_ms, uint64_t durable)
{
	if (r->lost_ms != 0)
		r->left_ms -= fy_min_u64(now_ms - r->lost_ms, r->left_ms);
	r->lost_ms = 0;
	if (durable <= r->most_durable)
		return;
	r->most_durable = durable;
	r->left_ms = r->limit_ms;
	r->pause_s = 0;
}

bool
fy_retry_helps(const struct fy_retry *r, const struct fy_error *why)
{
	if (r->limit_ms == 0)
		return false;
	return why->code == FY_E_CONNECTION ||
	       (why->code == FY_E_BUSY && r->lost_ms != 0);
}

int
fy_retry_wait(uint64_t ms, struct fy_progress *p, const struct fy_stop *stop,
	      struct fy_error *err)
{
	uint64_t end = fy_clock_ms() + ms, now;
	struct pollfd fd = { .fd = -1, .events = POLLIN };
	int r = 0;

	if (stop != NULL)
		fd.fd = stop->fd;
	while (r == 0 && (now = fy_clock_ms()) < end) {
		uint64_t left = end - now;

		if (p != NULL)
			atomic_store(&p->retry_in,
				     (unsigned)((left + 999) / 1000));
		poll(&fd, 1, (int)fy_min_u64(left, 250));
		r = fy_stop_check(stop, err);
	}
	if (p != NULL)
		atomic_store(&p->retry_in, 0);
	return r;
}
