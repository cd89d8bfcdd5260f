/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CHECK_H
#define FY_CHECK_H

/*
 * For unit tests whose steps build on each other: checks that say where and
 * what, then end the test.  (common/test.h has those that count and go on.)
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__,       \
				__LINE__, #cond);                              \
			exit(1);                                               \
		}                                                              \
	} while (0)

/* The call does not return -1; else shows 'err'. */
#define CHECK_OK(call)                                                         \
	do {                                                                   \
		if ((call) == -1) {                                            \
			fprintf(stderr, "%s:%d: failed: %s: %s\n", __FILE__,   \
				__LINE__, #call, err.msg);                     \
			exit(1);                                               \
		}                                                              \
	} while (0)

/* 'err' holds this code, with a message; it is cleared. */
#define CHECK_ERROR(want)                                                      \
	do {                                                                   \
		if (err.code != (want) || err.msg[0] == '\0') {                \
			fprintf(stderr, "%s:%d: error is %s (%s), not %s\n",   \
				__FILE__, __LINE__, fy_error_name(err.code),   \
				err.msg, #want);                               \
			exit(1);                                               \
		}                                                              \
		fy_error_clear(&err);                                          \
	} while (0)

#endif
