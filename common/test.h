/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TEST_H
#define FY_TEST_H

/*
 * For unit tests: CHECK counts and prints failures and goes on; a test's main
 * ends with `return test_result();`.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static atomic_uint test_checks, test_failures;

#define CHECK(cond)                                                            \
	do {                                                                   \
		test_checks++;                                                 \
		if (!(cond)) {                                                 \
			test_failures++;                                       \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__,       \
				__LINE__, #cond);                              \
		}                                                              \
	} while (0)

#define CHECK_STR(is, want)                                                    \
	do {                                                                   \
		const char *is_ = (is), *want_ = (want);                       \
		test_checks++;                                                 \
		if (is_ == NULL || strcmp(is_, want_) != 0) {                  \
			test_failures++;                                       \
			fprintf(stderr, "%s:%d: is \"%s\", wants \"%s\"\n",    \
				__FILE__, __LINE__, is_ ? is_ : "(null)",      \
				want_);                                        \
		}                                                              \
	} while (0)

/* A call that must succeed; prints the error when it doesn't. */
#define CHECK_OK(call, err)                                                    \
	do {                                                                   \
		test_checks++;                                                 \
		if ((call) != 0) {                                             \
			test_failures++;                                       \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, \
				#call, (err)->msg);                            \
		}                                                              \
	} while (0)

static inline int
test_result(void)
{
	if (test_failures > 0)
		fprintf(stderr, "%u of %u checks failed\n", test_failures,
			test_checks);
	return test_failures > 0 || test_checks == 0 ? 1 : 0;
}

#endif
