/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TEST_WINDOWS_H
#define FY_TEST_WINDOWS_H

/*
 * For the tests of what is read from a registry, and written there: hives that
 * are empty at first.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "common/file.h"
#include "common/subprocess.h"
#include "common/test.h"
#include "drivers-inject/hive.h"

#define SET "ControlSet001"

static struct fy_error err;
static char *test_empty;
static size_t test_empty_len;

static inline void
test_hives_init(void)
{
	fy_autofree char *dir = NULL;
	fy_autofree char *path = NULL;
	const char *argv[] = { "python3", "tests/lib/mkregf.py", "empty", NULL,
			       NULL };
	struct fy_subprocess_options o = { .accept = 0 };
	struct fy_subprocess_result r = { 0 };

	CHECK_OK(fy_dir_temporary("test-windows", &dir, &err), &err);
	argv[3] = path = fy_format(&err, "%s/empty", dir);
	CHECK_OK(fy_subprocess_run(argv, &o, &r, &err), &err);
	fy_subprocess_result_release(&r);
	CHECK_OK(fy_file_read_at(AT_FDCWD, path, 1 << 20, &test_empty,
				 &test_empty_len, &err),
		 &err);
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err), &err);
}

static inline void
test_hives_release(void)
{
	free(test_empty);
}

static inline struct fy_hive *
test_hive(void)
{
	struct fy_hive *h = NULL;

	CHECK_OK(fy_hive_parse(test_empty, test_empty_len, NULL, 0, &h, &err),
		 &err);
	return h;
}

static inline void
test_set_text(struct fy_hive *h, const char *key, const char *name,
	      const char *text)
{
	CHECK_OK(fy_hive_set_string(h, key, name, text, &err), &err);
}

/* A MULTI_SZ of one. */
static inline void
test_set_list(struct fy_hive *h, const char *key, const char *name,
	      const char *text)
{
	struct fy_string_set s = { 0 };

	CHECK_OK(fy_string_set_add(&s, text, &err), &err);
	CHECK_OK(fy_hive_set_strings(h, key, name, &s, &err), &err);
	fy_string_set_release(&s);
}

static inline void
test_set_number(struct fy_hive *h, const char *key, const char *name,
		uint32_t value)
{
	CHECK_OK(fy_hive_set_dword(h, key, name, value, &err), &err);
}

#endif
