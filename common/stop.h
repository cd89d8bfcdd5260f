/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_STOP_H
#define FY_STOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

/*
 * A stop token: raised once by anybody (a signal handler too), seen by all.
 * 'fd' becomes readable, so that poll() wakes; it is never read.
 */
struct fy_stop {
	atomic_bool raised;
	int fd; /* eventfd, or -1 */
};

int fy_stop_init(struct fy_stop *s, struct fy_error *err);
void fy_stop_release(struct fy_stop *s);
void fy_stop_raise(struct fy_stop *s); /* async-signal-safe */

/* NULL is a token that nobody raises. */
static inline bool
fy_stop_is_raised(const struct fy_stop *s)
{
	return s != NULL && atomic_load(&s->raised);
}

/* FY_E_CANCELLED and -1 when raised, else 0. */
int fy_stop_check(const struct fy_stop *s, struct fy_error *err);

#endif
