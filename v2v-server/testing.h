/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SERVER_TESTING_H
#define FY_SERVER_TESTING_H

/*
 * For this room's unit tests: checks that say where and what, then end the
 * test; temporary folders; small files.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/error.h"
#include "common/file.h"

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

static inline void
test_write_file(int dirfd, const char *name, const char *text)
{
	struct fy_error err = { 0 };

	CHECK_OK(fy_file_replace_at(dirfd, name, text, strlen(text), 0644,
				    &err));
}

/* Whether the file is there and has this text. */
static inline int
test_file_is(int dirfd, const char *name, const char *text)
{
	struct fy_error err = { 0 };
	char *have = NULL;
	int same;

	if (fy_file_read_at(dirfd, name, 1 << 20, &have, NULL, &err) == -1)
		return 0;
	same = strcmp(have, text) == 0;
	free(have);
	return same;
}

#endif
