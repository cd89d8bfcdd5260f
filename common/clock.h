/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CLOCK_H
#define FY_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The monotonic clock. */
static inline uint64_t
fy_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t
fy_clock_ms(void)
{
	return fy_clock_ns() / 1000000u;
}

/* For pthread_cond_timedwait on a monotonic condition. */
static inline void
fy_deadline_after(unsigned ms, struct timespec *ret)
{
	uint64_t at = fy_clock_ns() + (uint64_t)ms * 1000000u;

	ret->tv_sec = (time_t)(at / 1000000000u);
	ret->tv_nsec = (long)(at % 1000000000u);
}

#endif
