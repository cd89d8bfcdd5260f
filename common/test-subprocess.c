/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Subprocesses: output, input, statuses, time-out, missing programs. */
#include <stdlib.h>
#include <unistd.h>

#include "common/subprocess.h"
#include "common/test.h"

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

static char big[1 << 20];

int
main(void)
{
	struct fy_subprocess_options o = { .capture_max = 4 << 20 };
	struct fy_subprocess_result r = { 0 };
	struct fy_error err = { 0 };
	struct fy_subprocess child = { 0 };
	const char *env[] = { "FY_X=hello", NULL };

	CHECK_OK(fy_subprocess_run(ARGV("printf", "%s-%s", "a b", "$HOME"), &o,
				   &r, &err),
		 &err);
	CHECK_STR(r.out, "a b-$HOME");
	fy_subprocess_result_release(&r);

	memset(big, 'x', sizeof(big));
	o.stdin_data = big;
	o.stdin_len = sizeof(big);
	CHECK_OK(fy_subprocess_run(ARGV("cat"), &o, &r, &err), &err);
	CHECK(r.out_len == sizeof(big) && memcmp(r.out, big, r.out_len) == 0);
	fy_subprocess_result_release(&r);

	/* A child that doesn't read its input is no error. */
	CHECK_OK(fy_subprocess_run(ARGV("true"), &o, &r, &err), &err);
	fy_subprocess_result_release(&r);

	o.capture_max = 100;
	CHECK(fy_subprocess_run(ARGV("cat"), &o, NULL, &err) == -1);
	CHECK(err.code == FY_E_FORMAT);
	fy_error_clear(&err);
	o.stdin_data = NULL;

	CHECK(fy_subprocess_run(ARGV("sh", "-c", "echo why >&2; exit 3"), &o,
				&r, &err) == -1);
	CHECK(err.code == FY_E_CHILD && strstr(err.msg, "why") != NULL);
	CHECK(r.status == 3);
	fy_subprocess_result_release(&r);
	fy_error_clear(&err);
	o.accept = 1 << 3;
	CHECK_OK(fy_subprocess_run(ARGV("sh", "-c", "exit 3"), &o, &r, &err),
		 &err);
	CHECK(r.status == 3);
	fy_subprocess_result_release(&r);

	o.env = env;
	CHECK_OK(fy_subprocess_run(ARGV("sh", "-c", "echo $FY_X $LC_ALL"), &o,
				   &r, &err),
		 &err);
	CHECK_STR(r.out, "hello C\n");
	fy_subprocess_result_release(&r);

	CHECK(fy_subprocess_run(ARGV("fy-no-such-program"), &o, NULL, &err) ==
	      -1);
	CHECK(err.code == FY_E_NOTFOUND);
	fy_error_clear(&err);

	o.timeout_s = 1;
	CHECK(fy_subprocess_run(ARGV("sleep", "60"), &o, NULL, &err) == -1);
	CHECK(err.code == FY_E_CHILD);
	fy_error_clear(&err);

	CHECK_OK(fy_subprocess_start(ARGV("sleep", "60"), -1, -1, -1, &child,
				     &err),
		 &err);
	CHECK(child.pid > 0);
	fy_subprocess_kill(&child);
	CHECK(child.pid == 0);
	CHECK_OK(fy_subprocess_start(ARGV("false"), -1, -1, -1, &child, &err),
		 &err);
	CHECK(fy_subprocess_wait(&child, &err) == -1);
	CHECK(err.code == FY_E_CHILD);
	return test_result();
}
