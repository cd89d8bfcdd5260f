/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "partclone/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

double
fy_used_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void
fy_used_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "%s: warning: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static double
megabytes_per_second(const struct fy_used_result *r)
{
	return r->seconds > 0 ? (double)r->used_bytes / r->seconds / 1e6 : 0;
}

int
fy_used_tell(const struct fy_used_options *o, const char *verb,
	     const char *what, const struct fy_used_result *r,
	     struct fy_error *err)
{
	char disk[32], used[32], stored[32];

	if (o->json) {
		printf("{\"disk_bytes\":%" PRIu64 ",\"used_bytes\":%" PRIu64
		       ",\"stored_bytes\":%" PRIu64
		       ",\"seconds\":%.3f,\"result\":\"done\"}\n",
		       r->disk_bytes, r->used_bytes, r->stored_bytes,
		       r->seconds);
		if (fflush(stdout) != 0)
			return fy_error_set(err, FY_E_IO, errno,
					    "cannot write");
		return 0;
	}
	if (o->quiet)
		return 0;
	fy_format_bytes(r->disk_bytes, disk, sizeof(disk));
	fy_format_bytes(r->used_bytes, used, sizeof(used));
	fy_format_bytes(r->stored_bytes, stored, sizeof(stored));
	fprintf(stderr,
		"used-blocks: %s %s: %s of %s used, %s stored, %.1f s, %.0f "
		"MB/s\n",
		verb, what, used, disk, stored, r->seconds,
		megabytes_per_second(r));
	return 0;
}
