/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Passphrases of LUKS volumes: from files, through a job's JSON, and what is
 * refused of both, without showing it.
 */
#include "common/test.h"

#include <fcntl.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/luks-keys.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

static struct fy_error err;
static char *dir;

static char *
put(const char *before, const char *name, const char *text, size_t len)
{
	fy_autofree char *p = fy_format(&err, "%s/%s", dir, name);

	CHECK_OK(fy_file_replace_at(AT_FDCWD, p, text, len, 0600, &err), &err);
	return fy_format(&err, "%s%s", before, p);
}

static void
check_carried(void)
{
	fy_autofree char *one = put("", "one", "correct horse\n", 14);
	fy_autofree char *two = put(UUID "=", "two", "\xc3\xa4\n\n", 4);
	const char *given[] = { one, two };
	FY_AUTO(luks_keys) struct fy_luks_keys *k = NULL;
	FY_AUTO(luks_keys) struct fy_luks_keys *again = NULL;
	FY_AUTO(luks_keys) struct fy_luks_keys *none = NULL;
	fy_autojson json_t *j = NULL, *nothing = NULL;

	CHECK_OK(fy_luks_keys_load(given, 2, &k, &err), &err);
	j = fy_luks_keys_to_json(k, &err);
	CHECK_OK(fy_luks_keys_from_json(j, &again, &err), &err);
	CHECK(again->n == 2);
	CHECK(again->items[0].uuid == NULL);
	CHECK_STR(again->items[0].secret, "correct horse");
	CHECK_STR(again->items[1].uuid, UUID);
	CHECK_STR(again->items[1].secret, "\xc3\xa4\n");
	nothing = fy_luks_keys_to_json(NULL, &err);
	CHECK(json_is_array(nothing) && json_array_size(nothing) == 0);
	CHECK_OK(fy_luks_keys_from_json(NULL, &none, &err), &err);
	CHECK(none->n == 0);
}

static void
check_file_refused(const char *text, size_t len)
{
	fy_autofree char *path = put("", "bad", text, len);
	const char *given[] = { path };
	struct fy_luks_keys *k = NULL;
	struct fy_error e = { 0 };

	CHECK(fy_luks_keys_load(given, 1, &k, &e) == -1);
	CHECK(k == NULL && e.code == FY_E_USAGE);
	CHECK(strstr(e.msg, "/bad") != NULL && strstr(e.msg, "xyz") == NULL);
}

static void
check_job_refused(const char *text)
{
	fy_autojson json_t *j = json_loads(text, JSON_ALLOW_NUL, NULL);
	struct fy_luks_keys *k = NULL;
	struct fy_error e = { 0 };

	CHECK(j != NULL);
	CHECK(fy_luks_keys_from_json(j, &k, &e) == -1);
	CHECK(k == NULL && e.code == FY_E_FORMAT);
	CHECK(strstr(e.msg, "xyz") == NULL);
}

int
main(void)
{
	static const char *const bad[] = {
		"{}",
		"[1]",
		"[{\"uuid\":null}]",
		"[{\"passphrase\":\"\"}]",
		"[{\"passphrase\":1}]",
		"[{\"passphrase\":\"xyz\\u0000a\"}]",
		"[{\"passphrase\":\"xyz\",\"uuid\":\"xyz\"}]",
		"[{\"passphrase\":\"xyz\",\"uuid\":7}]",
	};
	const char *missing[] = { "/nonexistent/key" };
	struct fy_luks_keys *k = NULL;
	struct fy_error e = { 0 };
	size_t i;

	CHECK_OK(fy_dir_temporary("test-luks-keys", &dir, &err), &err);
	check_carried();
	check_file_refused("", 0);
	check_file_refused("\n", 1);
	check_file_refused("xyz\0a", 5);
	check_file_refused("xyz\xff", 4);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check_job_refused(bad[i]);
	CHECK(fy_luks_keys_load(missing, 1, &k, &e) == -1);
	CHECK(strstr(e.msg, "/nonexistent/key") != NULL);
	fy_dir_remove_all_at(AT_FDCWD, dir, &err);
	free(dir);
	return test_result();
}
