/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SERVER_TESTING_H
#define FY_SERVER_TESTING_H

/*
 * For this room's unit tests: small files.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/check.h"
#include "common/error.h"
#include "common/file.h"

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
