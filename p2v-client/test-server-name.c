/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Words that people type: SERVER, --fingerprint, --compress, --name.
 */
#include "common/test.h"
#include "p2v-client/convert.h"
#include "p2v-client/ssh.h"

static void
good(const char *text, const char *user, const char *host, unsigned port)
{
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_server_name n = { .port = 0 };

	CHECK_OK(fy_server_name_parse(text, &n, &err), &err);
	if (user == NULL)
		CHECK(n.user == NULL);
	else
		CHECK_STR(n.user, user);
	CHECK_STR(n.host, host);
	CHECK(n.port == port);
	fy_server_name_release(&n);
}

static void
bad(const char *text)
{
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_server_name n = { .port = 0 };

	if (fy_server_name_parse(text, &n, &err) == 0) {
		fprintf(stderr, "'%s' was taken\n", text);
		CHECK(false);
		fy_server_name_release(&n);
	}
	CHECK(err.code == FY_E_USAGE);
}

static void
test_names(void)
{
	good("host", NULL, "host", 22);
	good("root@host.example.org", "root", "host.example.org", 22);
	good("root@host:2222", "root", "host", 2222);
	good("host:1", NULL, "host", 1);
	good("host:65535", NULL, "host", 65535);
	good("192.0.2.7:022", NULL, "192.0.2.7", 22);
	good("[2001:db8::1]:2222", NULL, "2001:db8::1", 2222);
	good("a@[2001:db8::1]", "a", "2001:db8::1", 22);
	good("2001:db8::1", NULL, "2001:db8::1", 22);
	good("a@fe80::1%eth0", "a", "fe80::1%eth0", 22);
	good("who@corp@host", "who@corp", "host", 22);
	bad("");
	bad("@host");
	bad("user@");
	bad("host:");
	bad("host:0");
	bad("host:65536");
	bad("host:99999999999");
	bad("host:ssh");
	bad("host:-1");
	bad("[::1");
	bad("[::1]x");
	bad("[]");
	bad("-oProxyCommand=x");
	bad("user@-host");
	bad("a b");
	bad("host;reboot");
	bad("$(x)");
	bad("host/");
}

#define PRINT "SHA256:AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/AbCdE"

static void
test_fingerprints(void)
{
	struct fy_error err = { .code = FY_E_NONE };

	CHECK_OK(fy_fingerprint_check(PRINT, &err), &err);
	CHECK_OK(fy_fingerprint_check(PRINT "=", &err), &err);
	CHECK(fy_fingerprint_equal(PRINT, PRINT "="));
	CHECK(fy_fingerprint_equal(PRINT, PRINT));
	/* One letter, one case, one digit less or more. */
	CHECK(!fy_fingerprint_equal(
		PRINT, "SHA256:AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/AbCdF"));
	CHECK(!fy_fingerprint_equal(
		PRINT, "SHA256:abCdEfGhIjKlMnOpQrStUvWxYz0123456789+/AbCdE"));
	CHECK(!fy_fingerprint_equal(
		PRINT, "SHA256:AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/AbCd"));
	CHECK(!fy_fingerprint_equal("", ""));
	CHECK(fy_fingerprint_check("SHA256:", &err) == -1);
	CHECK(err.code == FY_E_USAGE);
	CHECK(fy_fingerprint_check("MD5:00:11", NULL) == -1);
	CHECK(fy_fingerprint_check(PRINT "==", NULL) == -1);
	CHECK(fy_fingerprint_check(PRINT "A", NULL) == -1);
	CHECK(fy_fingerprint_check("sha256:"
				   "AbCd",
				   NULL) == -1);
}

static void
compress(const char *text, int want, enum fy_compress_mode mode, int level)
{
	enum fy_compress_mode m = FY_COMPRESS_AUTO;
	int l = 0;

	CHECK(fy_convert_parse_compress(text, &m, &l, NULL) == want);
	if (want == 0)
		CHECK(m == mode && l == level);
}

static void
test_words(void)
{
	char name[102];

	compress("auto", 0, FY_COMPRESS_AUTO, 1);
	compress("none", 0, FY_COMPRESS_NONE, 1);
	compress("zstd", 0, FY_COMPRESS_ZSTD, 1);
	compress("zstd:19", 0, FY_COMPRESS_ZSTD, 19);
	compress("zstd:3", 0, FY_COMPRESS_ZSTD, 3);
	compress("zstd:0", -1, 0, 0);
	compress("zstd:20", -1, 0, 0);
	compress("zstd:", -1, 0, 0);
	compress("zstd:3x", -1, 0, 0);
	compress("zstd:99999999999999", -1, 0, 0);
	compress("gzip", -1, 0, 0);
	compress("", -1, 0, 0);

	CHECK(fy_convert_check_name("web01", NULL) == 0);
	CHECK(fy_convert_check_name("0._-", NULL) == 0);
	CHECK(fy_convert_check_name("", NULL) == -1);
	CHECK(fy_convert_check_name(".x", NULL) == -1);
	CHECK(fy_convert_check_name("-x", NULL) == -1);
	CHECK(fy_convert_check_name("a/b", NULL) == -1);
	CHECK(fy_convert_check_name("a b", NULL) == -1);
	CHECK(fy_convert_check_name("\xc3\xa4", NULL) == -1);
	memset(name, 'a', 101);
	name[101] = '\0';
	CHECK(fy_convert_check_name(name, NULL) == -1);
	name[100] = '\0';
	CHECK(fy_convert_check_name(name, NULL) == 0);
}

int
main(void)
{
	test_names();
	test_fingerprints();
	test_words();
	return test_result();
}
