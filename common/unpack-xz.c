/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * xz and lzip by liblzma, one thread: all streams (members) of a file are one
 * to it, with the padding that may lie between them.
 */
#include <lzma.h>
#include <stdlib.h>
#include <string.h>

#include "common/unpack-driver.h"

static bool
xz_is_start(const unsigned char *p, size_t len)
{
	return len >= 6 && memcmp(p,
				  "\xfd"
				  "7zXZ",
				  6) == 0;
}

static bool
lzip_is_start(const unsigned char *p, size_t len)
{
	return len >= 5 && memcmp(p, "LZIP", 4) == 0 && p[4] <= 1;
}

static void
lzma_close(void *state)
{
	lzma_end(state);
	free(state);
}

static void *
lzma_open(struct fy_error *err)
{
	static const lzma_stream fresh = LZMA_STREAM_INIT;
	lzma_stream *s = malloc(sizeof(*s));

	if (s == NULL)
		fy_error_nomem(err);
	else
		*s = fresh;
	return s;
}

static int
begun(lzma_ret r, struct fy_error *err)
{
	return r == LZMA_OK ? 0 : fy_error_nomem(err);
}

static int
xz_begin(void *state, struct fy_error *err)
{
	return begun(
		lzma_stream_decoder(state, FY_UNPACK_MEMORY, LZMA_CONCATENATED),
		err);
}

static int
lzip_begin(void *state, struct fy_error *err)
{
	return begun(
		lzma_lzip_decoder(state, FY_UNPACK_MEMORY, LZMA_CONCATENATED),
		err);
}

static int
refused(lzma_ret r, struct fy_error *err)
{
	switch (r) {
	case LZMA_MEM_ERROR:
		return fy_error_nomem(err);
	case LZMA_MEMLIMIT_ERROR:
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "the dictionary is too large");
	case LZMA_OPTIONS_ERROR:
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "it has a filter or check that is not "
				    "known");
	case LZMA_FORMAT_ERROR:
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "what follows is no further stream");
	default:
		return fy_error_set(err, FY_E_CORRUPT, 0,
				    "the data is damaged");
	}
}

static int
lzma_step(void *state, struct fy_unpack_step *step, struct fy_error *err)
{
	lzma_stream *s = state;
	lzma_ret r;

	s->next_in = step->in;
	s->avail_in = step->in_len;
	s->next_out = step->out;
	s->avail_out = step->out_len;
	r = lzma_code(s, step->last ? LZMA_FINISH : LZMA_RUN);
	step->in = s->next_in;
	step->in_len = s->avail_in;
	step->out = s->next_out;
	step->out_len = s->avail_out;
	/* LZMA_BUF_ERROR is no progress, which the caller sees. */
	if (r == LZMA_OK || r == LZMA_BUF_ERROR)
		return 0;
	return r == LZMA_STREAM_END ? 1 : refused(r, err);
}

const struct fy_unpack_driver fy_unpack_xz = {
	.name = "xz",
	.is_start = xz_is_start,
	.open = lzma_open,
	.close = lzma_close,
	.begin = xz_begin,
	.step = lzma_step,
};

const struct fy_unpack_driver fy_unpack_lzip = {
	.name = "lzip",
	.is_start = lzip_is_start,
	.open = lzma_open,
	.close = lzma_close,
	.begin = lzip_begin,
	.step = lzma_step,
};
