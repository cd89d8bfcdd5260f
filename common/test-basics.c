/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Errors, bytes, files, JSON, digests, logs. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/log.h"
#include "common/test.h"

static void
check_errors(void)
{
	struct fy_error err = { 0 }, copy = { 0 };
	unsigned code;

	CHECK(fy_error_set(&err, FY_E_IO, ENOENT, "open '%s'", "x") == -1);
	CHECK_STR(err.msg, "open 'x': No such file or directory");
	fy_error_set(&err, FY_E_NOMEM, 0, "later");
	CHECK(err.code == FY_E_IO);
	fy_error_prefix(&err, "disk %d", 1);
	CHECK_STR(err.msg, "disk 1: open 'x': No such file or directory");
	CHECK(fy_error_copy(&copy, &err) == -1 && copy.sys_errno == ENOENT);
	CHECK_STR(copy.msg, err.msg);
	fy_error_clear(&copy);
	fy_error_set(&copy, FY_E_NOMEM, 0, "first");
	fy_error_copy(&copy, &err);
	CHECK(copy.code == FY_E_NOMEM);
	for (code = 0; code < FY_E_CODES; code++) {
		const char *name = fy_error_name((enum fy_error_code)code);

		CHECK(!fy_streq(name, "unknown"));
		CHECK(fy_error_code_of_name(name) == code);
	}
	CHECK(fy_error_exit_status(FY_E_CONNECTION) == FY_EXIT_INTERRUPTED);
	CHECK(fy_error_exit_status(FY_E_DIFFERENT) == FY_EXIT_DIFFERENT);
	CHECK(fy_error_exit_status(FY_E_NOSPACE) == FY_EXIT_FAILED);
}

static void
check_bytes(void)
{
	unsigned char b[200] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	char field[8];
	uint64_t v;
	size_t i;

	CHECK(fy_get_le32(b) == 0x04030201 && fy_get_be16(b) == 0x0102);
	CHECK(fy_get_le64(b) == UINT64_C(0x0807060504030201));
	fy_put_be32(b, 0xa1b2c3d4);
	CHECK(b[0] == 0xa1 && b[3] == 0xd4);
	CHECK(!fy_add_u64(UINT64_MAX, 1, &v) && fy_add_u64(1, 2, &v) && v == 3);
	CHECK(!fy_mul_u64(UINT64_MAX, 2, &v));
	CHECK(fy_align_up(4097, 4096) == 8192 &&
	      fy_align_down(4097, 4096) == 4096);
	memset(b, 0, sizeof(b));
	for (i = 0; i <= sizeof(b); i++)
		CHECK(fy_is_zero(b, i));
	for (i = 0; i < sizeof(b); i++) {
		b[i] = 1;
		CHECK(!fy_is_zero(b, sizeof(b)) && !fy_is_zero(b, i + 1));
		CHECK(fy_is_zero(b, i));
		b[i] = 0;
	}
	fy_copy_field(field, sizeof(field), "abcdefghijk", 11);
	CHECK_STR(field, "abcdefg");
	fy_copy_field(field, sizeof(field), "ab\0cd", 5);
	CHECK_STR(field, "ab");
}

static void
check_files(void)
{
	struct fy_error err = { 0 };
	fy_autofree char *dir = NULL;
	fy_autofree char *text = NULL;
	fy_autofree char *path = NULL;
	fy_autofd int fd = -1;
	struct stat st;
	size_t len;

	CHECK_OK(fy_dir_temporary("fy-test", &dir, &err), &err);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_OK(fy_file_replace_at(fd, "a", "one", 3, 0640, &err), &err);
	CHECK_OK(fy_file_replace_at(fd, "a", "three", 5, 0640, &err), &err);
	CHECK(fstatat(fd, "a", &st, 0) == 0 && (st.st_mode & 0777) == 0640);
	CHECK_OK(fy_file_read_at(fd, "a", 5, &text, &len, &err), &err);
	CHECK(len == 5);
	CHECK_STR(text, "three");
	path = fy_format(&err, "%s/sub", dir);
	CHECK(mkdir(path, 0755) == 0 && symlinkat("/etc", fd, "sub/link") == 0);
	CHECK(fy_file_read_at(fd, "a", 4, &path, &len, &err) == -1);
	CHECK(err.code == FY_E_FORMAT);
	fy_error_clear(&err);
	CHECK(fy_file_read_at(fd, "nix", 4, &path, &len, &err) == -1);
	CHECK(err.code == FY_E_NOTFOUND);
	fy_error_clear(&err);
	CHECK(fy_file_replace_at(fd, "no/dir", "x", 1, 0644, &err) == -1);
	fy_error_clear(&err);
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err), &err);
	CHECK(access(dir, F_OK) == -1 && access("/etc", F_OK) == 0);
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err), &err);
}

static void
check_json(void)
{
	static const char text[] = "{\"s\":\"x\",\"n\":5,\"b\":true,\"a\":[1]}";
	struct fy_error err = { 0 };
	fy_autojson json_t *j = NULL;
	fy_autofree char *out = NULL;
	const char *s;
	json_t *a;
	uint64_t n;
	bool b;

	j = fy_json_parse(text, strlen(text), "it", &err);
	CHECK(j != NULL);
	CHECK_OK(fy_json_get_string(j, "s", &s, &err), &err);
	CHECK_STR(s, "x");
	CHECK_OK(fy_json_get_u64(j, "n", 5, &n, &err), &err);
	CHECK_OK(fy_json_get_bool(j, "b", &b, &err), &err);
	CHECK_OK(fy_json_get_array(j, "a", 1, &a, &err), &err);
	CHECK(n == 5 && b);
	CHECK(fy_json_get_u64(j, "n", 4, &n, &err) == -1);
	fy_error_clear(&err);
	CHECK(fy_json_get_array(j, "a", 0, &a, &err) == -1);
	fy_error_clear(&err);
	CHECK(fy_json_get_string(j, "n", &s, &err) == -1);
	CHECK(strstr(err.msg, "'n'") != NULL);
	fy_error_clear(&err);
	CHECK(fy_json_parse("{\"a\":1,\"a\":2}", 13, "it", &err) == NULL);
	CHECK(err.code == FY_E_FORMAT);
	fy_error_clear(&err);
	CHECK(fy_json_u64_or(j, "x", 7) == 7 && fy_json_bool_or(j, "b", false));
	out = fy_json_text(j, 0, &err);
	CHECK_STR(out, text);
}

static void
check_hashes(void)
{
	struct fy_digest a, b;
	unsigned char sha[32], three[3];
	char hex[65];

	/* The check value of CRC-32C, and SHA-256 of "abc" (FIPS 180-2). */
	CHECK(fy_crc32c("123456789", 9) == 0xe3069283);
	CHECK(fy_crc32c("", 0) == 0);
	fy_sha256("abc", 3, sha);
	fy_hex(sha, 32, hex);
	CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223"
		       "b00361a396177a9cb410ff61f20015ad");
	/* XXH3-128 of the empty input, seed 0 (xxHash's own test). */
	fy_digest_xxh3("", 0, 0, &a);
	fy_digest_hex(&a, hex);
	CHECK_STR(hex, "99aa06d3014798d86001c324468d497f");
	CHECK(fy_digest_from_hex(hex, &b) == 0 && fy_digest_equal(&a, &b));
	CHECK(fy_digest_from_hex("xyz", &b) == -1);
	CHECK(fy_unhex("00fFa9", three, 3) == 0 &&
	      memcmp(three, "\0\377\251", 3) == 0);
	CHECK(fy_unhex("00ff", three, 3) == -1);
	CHECK(fy_unhex("00ff0g", three, 3) == -1);
	fy_digest_xxh3("", 0, 1, &b);
	CHECK(!fy_digest_equal(&a, &b));
}

static char logged[128];

static void
keep(void *ctx, enum fy_log_level level, const char *line)
{
	(void)ctx;
	snprintf(logged, sizeof(logged), "%d %s", (int)level, line);
}

static void
check_log(void)
{
	struct fy_error err = { 0 };
	struct fy_log *log = fy_log_new(FY_LOG_INFO, keep, NULL, &err);

	fy_log_warn(log, "w %d", 1);
	CHECK_STR(logged, "1 w 1");
	errno = 7;
	fy_log_debug(log, "hidden");
	CHECK_STR(logged, "1 w 1");
	CHECK(errno == 7);
	fy_log_free(log);
	fy_log_info(NULL, "nobody listens");
}

int
main(void)
{
	check_errors();
	check_bytes();
	check_files();
	check_json();
	check_hashes();
	check_log();
	return test_result();
}
