/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker that was taken over, and says to its parent what it likes.  What the
 * parent keeps of it must be within its bounds.
 */
#include <stdlib.h>
#include <string.h>

#include "common/worker-frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	const uint8_t *p;
	size_t len;
};

static int
receive(void *ctx, void *buf, size_t len, struct fy_error *err)
{
	struct memory *m = ctx;

	(void)err;
	if (len == 0)
		abort();
	if (len > m->len)
		return 0;
	memcpy(buf, m->p, len);
	m->p += len;
	m->len -= len;
	return 1;
}

static void
note(void *ctx, enum fy_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	if (strlen(line) > 2 * FY_FRAME_MAX_LINE)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory m = { data, size };
	struct fy_error err = { 0 };
	struct fy_log *log = fy_log_new(FY_LOG_DEBUG, note, NULL, &err);
	struct fy_frames f = {
		.what = "fuzz", .log = log, .receive = receive, .ctx = &m
	};
	size_t i;
	int r = fy_frames_read(&f, &err);

	if (r == -1 && err.code == FY_E_NONE)
		abort();
	if (f.n_left > FY_FRAME_MAX_LEFT || f.error.code >= FY_E_CODES ||
	    memchr(f.error.msg, '\0', sizeof(f.error.msg)) == NULL)
		abort();
	for (i = 0; i < f.n_left; i++)
		if (f.left[i][0] != '/')
			abort();
	fy_frames_release(&f);
	fy_log_free(log);
	return 0;
}
