/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * e2fsck on a volume: shown to it as a file, with the filesystem's own time as
 * the present, so that what it writes does not depend on the hour.
 */
#include "drivers-inject/e2fsck.h"

#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "common/subprocess.h"
#include "common/worker.h"
#include "drivers-inject/tool-path.h"

/* The largest filesystems take hours; for ever would be a loop in it. */
#define TIMEOUT_S (12u * 3600)

time_t
fy_e2fsck_last_written(struct fy_volume *v)
{
	unsigned char sb[1024];
	time_t when = 0;

	if (fy_volume_pread(v, sb, sizeof(sb), 1024, NULL) == 0)
		when = (time_t)(fy_get_le32(sb + 0x30) | (uint64_t)sb[0x274]
								 << 32);
	return when != 0 ? when : time(NULL);
}

/* What e2fsck has to say, without its progress: the start of it. */
static void
summarise(const char *out, char *ret, size_t ret_size)
{
	size_t used = 0, len;

	for (; out != NULL && *out != '\0'; out += len + (out[len] == '\n')) {
		len = strcspn(out, "\n");
		if (len == 0 || strncmp(out, "Pass ", 5) == 0)
			continue;
		if (used + len + 3 > ret_size)
			break;
		if (used > 0) {
			ret[used++] = ';';
			ret[used++] = ' ';
		}
		memcpy(ret + used, out, len);
		used += len;
	}
	ret[used] = '\0';
}

int
fy_e2fsck_run(struct fy_volume *v, const char *how, const char *extended,
	      int *ret_status, char *ret_tail, size_t tail_size,
	      struct fy_error *err)
{
	char now[2][48];
	const char *const env[] = { now[0], now[1], NULL };
	const struct fy_subprocess_options options = {
		.capture_max = 4 * 1024 * 1024,
		/* 1: corrected, 2: reboot, 4: errors left, 8: operational */
		.accept = 0xffff,
		.env = env,
		.timeout_s = TIMEOUT_S,
		.stop = fy_worker_own_stop(),
	};
	long long when = (long long)fy_e2fsck_last_written(v);
	struct fy_subprocess_result result = { 0 };
	struct fy_tool_path *t = NULL;
	const char *argv[6];
	size_t n = 0;
	int r;

	if (fy_tool_path_open(v, NULL, &t, err) == -1)
		return -1;
	snprintf(now[0], sizeof(now[0]), "E2FSCK_TIME=%lld", when);
	snprintf(now[1], sizeof(now[1]), "E2FSPROGS_FAKE_TIME=%lld", when);
	argv[n++] = "e2fsck";
	argv[n++] = how;
	if (extended != NULL) {
		argv[n++] = "-E";
		argv[n++] = extended;
	}
	argv[n++] = fy_tool_path(t);
	argv[n] = NULL;
	r = fy_subprocess_run(argv, &options, &result, err);
	if (r == 0) {
		*ret_status = result.status;
		summarise(result.out, ret_tail, tail_size);
		if (result.status >= 8)
			r = fy_error_set(err, FY_E_CHILD, 0,
					 "e2fsck failed (status %d): %s %s",
					 result.status, ret_tail,
					 result.err_tail);
	}
	fy_subprocess_result_release(&result);
	if (fy_tool_path_close(t, r == 0 ? err : NULL) == -1)
		r = -1;
	return r;
}
